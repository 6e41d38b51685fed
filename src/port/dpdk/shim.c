/* DPDK's inline functions made callable, and its structures kept on this side: Rust sees
 * pointers and the view below, never a layout of DPDK's. */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_flow.h>
#include <rte_ip.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#define BURST 32

/* What is wanted of a port, and which of it the port can do. */
#define CHECKSUM_RX (1u << 0)
#define CHECKSUM_TX (1u << 1)
#define VLAN_STRIP (1u << 2)
#define VLAN_INSERT (1u << 3)
#define TIMESTAMP (1u << 4)
#define RSS (1u << 5)

/* What is known of a received frame. */
#define SEEN_BAD_CHECKSUM (1u << 0)
#define SEEN_STAMPED (1u << 1)
#define SEEN_IN_PIECES (1u << 2)
#define SEEN_VLAN (1u << 3)

struct seen {
	const uint8_t *data;
	struct rte_mbuf *mbuf;
	uint32_t length;
	uint16_t flags;
	uint16_t vlan;
	uint64_t stamp;
};

static int stamp_at = -1;
static uint64_t stamp_flag;

int wm_start(int argc, char **argv) { return rte_eal_init(argc, argv) < 0 ? -rte_errno : 0; }

int wm_probe(const char *device) { return rte_dev_probe(device); }

int wm_find(const char *name, uint16_t *port) { return rte_eth_dev_get_port_by_name(name, port); }

const char *wm_error(int code) { return rte_strerror(code < 0 ? -code : code); }

int wm_node(uint16_t port) { return rte_eth_dev_socket_id(port); }

struct rte_mempool *wm_pool(const char *name, unsigned count, int node)
{
	return rte_pktmbuf_pool_create(name, count, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, node);
}

void wm_pool_free(struct rte_mempool *pool) { rte_mempool_free(pool); }

unsigned wm_pool_free_count(const struct rte_mempool *pool) { return rte_mempool_avail_count(pool); }

/* Which of the things wanted the port can do. */
static uint32_t able(const struct rte_eth_dev_info *info, uint32_t wanted)
{
	const uint64_t rx_sums = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM |
				 RTE_ETH_RX_OFFLOAD_TCP_CKSUM;
	const uint64_t tx_sums = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM |
				 RTE_ETH_TX_OFFLOAD_TCP_CKSUM;
	uint32_t can = 0;
	if ((info->rx_offload_capa & rx_sums) == rx_sums)
		can |= CHECKSUM_RX;
	if ((info->tx_offload_capa & tx_sums) == tx_sums)
		can |= CHECKSUM_TX;
	/* One half alone would leave software to guess. */
	if ((info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_VLAN_STRIP) &&
	    (info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_VLAN_INSERT))
		can |= VLAN_STRIP | VLAN_INSERT;
	if (info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_TIMESTAMP)
		can |= TIMESTAMP;
	if (info->flow_type_rss_offloads & (RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_TCP))
		can |= RSS;
	return can & wanted;
}

static int configure(uint16_t port, uint16_t queues, const struct rte_eth_dev_info *info,
		     uint32_t can)
{
	struct rte_eth_conf conf;
	memset(&conf, 0, sizeof(conf));
	if (can & CHECKSUM_RX)
		conf.rxmode.offloads |= RTE_ETH_RX_OFFLOAD_IPV4_CKSUM |
					RTE_ETH_RX_OFFLOAD_UDP_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM;
	if (can & VLAN_STRIP)
		conf.rxmode.offloads |= RTE_ETH_RX_OFFLOAD_VLAN_STRIP;
	if (can & TIMESTAMP)
		conf.rxmode.offloads |= RTE_ETH_RX_OFFLOAD_TIMESTAMP;
	if (can & CHECKSUM_TX)
		conf.txmode.offloads |= RTE_ETH_TX_OFFLOAD_IPV4_CKSUM |
					RTE_ETH_TX_OFFLOAD_UDP_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM;
	if (can & VLAN_INSERT)
		conf.txmode.offloads |= RTE_ETH_TX_OFFLOAD_VLAN_INSERT;
	if ((can & RSS) && queues > 1) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf =
			info->flow_type_rss_offloads &
			(RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_TCP);
	}
	return rte_eth_dev_configure(port, queues, queues, &conf);
}

/* Makes a port ready and starts it. `can` gets what of the wanted it does; `step` says where it
 * failed. */
int wm_open(uint16_t port, struct rte_mempool *pool, uint16_t queues, uint32_t wanted,
	    uint32_t *can, const char **step)
{
	struct rte_eth_dev_info info;
	uint16_t rx = 1024, tx = 1024, queue;
	int node = rte_eth_dev_socket_id(port);
	int code;

	*step = "asking what it can do";
	if ((code = rte_eth_dev_info_get(port, &info)) != 0)
		return code;
	*step = "asking for that many queues";
	if (queues > info.max_rx_queues || queues > info.max_tx_queues)
		return -ENOSPC;
	*can = able(&info, wanted);
	*step = "setting it up";
	if ((code = configure(port, queues, &info, *can)) != 0)
		return code;
	*step = "sizing its rings";
	if ((code = rte_eth_dev_adjust_nb_rx_tx_desc(port, &rx, &tx)) != 0)
		return code;
	*step = "making its queues";
	for (queue = 0; queue < queues; queue++) {
		if ((code = rte_eth_rx_queue_setup(port, queue, rx, node, NULL, pool)) != 0)
			return code;
		if ((code = rte_eth_tx_queue_setup(port, queue, tx, node, NULL)) != 0)
			return code;
	}
	if (*can & TIMESTAMP) {
		*step = "asking for times of receipt";
		if ((code = rte_mbuf_dyn_rx_timestamp_register(&stamp_at, &stamp_flag)) != 0)
			return code;
	}
	*step = "starting it";
	return rte_eth_dev_start(port);
}

void wm_close(uint16_t port)
{
	rte_eth_dev_stop(port);
	rte_eth_dev_close(port);
}

int wm_is_up(uint16_t port)
{
	struct rte_eth_link link;
	memset(&link, 0, sizeof(link));
	return rte_eth_link_get_nowait(port, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
}

/* Takes frames to other stations too: the appliance's station is made of its address. */
int wm_listen_to_all(uint16_t port) { return rte_eth_promiscuous_enable(port); }

int wm_clock(uint16_t port, uint64_t *ticks) { return rte_eth_read_clock(port, ticks); }

/* Sends what goes to a UDP or TCP port of ours to one queue. */
int wm_steer(uint16_t port, uint8_t is_tcp, uint16_t to, uint16_t queue)
{
	struct rte_flow_attr attr = {.ingress = 1};
	struct rte_flow_item_udp udp = {.hdr.dst_port = rte_cpu_to_be_16(to)};
	struct rte_flow_item_tcp tcp = {.hdr.dst_port = rte_cpu_to_be_16(to)};
	struct rte_flow_item_udp udp_mask = {.hdr.dst_port = 0xffff};
	struct rte_flow_item_tcp tcp_mask = {.hdr.dst_port = 0xffff};
	struct rte_flow_action_queue to_queue = {.index = queue};
	struct rte_flow_action actions[] = {
		{.type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &to_queue},
		{.type = RTE_FLOW_ACTION_TYPE_END},
	};
	struct rte_flow_item pattern[] = {
		{.type = RTE_FLOW_ITEM_TYPE_ETH},
		{.type = RTE_FLOW_ITEM_TYPE_IPV4},
		{.type = RTE_FLOW_ITEM_TYPE_UDP, .spec = &udp, .mask = &udp_mask},
		{.type = RTE_FLOW_ITEM_TYPE_END},
	};
	struct rte_flow_error error;
	if (is_tcp) {
		pattern[2].type = RTE_FLOW_ITEM_TYPE_TCP;
		pattern[2].spec = &tcp;
		pattern[2].mask = &tcp_mask;
	}
	return rte_flow_create(port, &attr, pattern, actions, &error) ? 0 : -rte_errno;
}

/* A thread that is not DPDK's own gets a number, so that it has a cache of buffers to itself. */
void wm_enlist(void)
{
	static __thread int asked;
	if (!asked && rte_lcore_id() == LCORE_ID_ANY)
		(void)rte_thread_register();
	asked = 1;
}

uint16_t wm_receive(uint16_t port, uint16_t queue, struct seen *views, uint16_t most)
{
	struct rte_mbuf *mbufs[BURST];
	uint16_t count = rte_eth_rx_burst(port, queue, mbufs, most < BURST ? most : BURST);
	for (uint16_t at = 0; at < count; at++) {
		struct rte_mbuf *mbuf = mbufs[at];
		uint64_t flags = mbuf->ol_flags;
		uint64_t ip = flags & RTE_MBUF_F_RX_IP_CKSUM_MASK;
		uint64_t l4 = flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
		struct seen *view = &views[at];
		view->data = rte_pktmbuf_mtod(mbuf, const uint8_t *);
		view->mbuf = mbuf;
		view->length = mbuf->data_len;
		view->flags = 0;
		view->vlan = 0;
		if (ip == RTE_MBUF_F_RX_IP_CKSUM_BAD || l4 == RTE_MBUF_F_RX_L4_CKSUM_BAD)
			view->flags |= SEEN_BAD_CHECKSUM;
		if (mbuf->nb_segs > 1)
			view->flags |= SEEN_IN_PIECES;
		if (flags & RTE_MBUF_F_RX_VLAN_STRIPPED) {
			view->flags |= SEEN_VLAN;
			view->vlan = mbuf->vlan_tci & 0xfff;
		}
		if (stamp_at >= 0 && (flags & stamp_flag)) {
			view->flags |= SEEN_STAMPED;
			view->stamp = *RTE_MBUF_DYNFIELD(mbuf, stamp_at, rte_mbuf_timestamp_t *);
		}
	}
	return count;
}

void wm_release(const struct seen *views, uint16_t count)
{
	for (uint16_t at = 0; at < count; at++)
		rte_pktmbuf_free(views[at].mbuf);
}

/* A frame to be filled; none when the pool is empty or no frame is that long. */
struct rte_mbuf *wm_take(struct rte_mempool *pool, uint16_t length, uint8_t **data)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(pool);
	if (mbuf == NULL)
		return NULL;
	*data = (uint8_t *)rte_pktmbuf_append(mbuf, length);
	if (*data == NULL) {
		rte_pktmbuf_free(mbuf);
		return NULL;
	}
	return mbuf;
}

/* The device writes the tag. */
void wm_tag(struct rte_mbuf *mbuf, uint16_t vlan)
{
	mbuf->ol_flags |= RTE_MBUF_F_TX_VLAN;
	mbuf->vlan_tci = vlan;
}

/* The device writes the checksums of a frame with an IPv4 header without options. */
void wm_sum(struct rte_mbuf *mbuf)
{
	struct rte_ether_hdr *eth = rte_pktmbuf_mtod(mbuf, struct rte_ether_hdr *);
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(eth + 1);
	if (mbuf->data_len < sizeof(*eth) + sizeof(*ip) + sizeof(struct rte_tcp_hdr) ||
	    eth->ether_type != rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4) || ip->version_ihl != 0x45)
		return;
	uint64_t sums = RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM;
	if (ip->next_proto_id == IPPROTO_UDP)
		sums |= RTE_MBUF_F_TX_UDP_CKSUM;
	else if (ip->next_proto_id == IPPROTO_TCP)
		sums |= RTE_MBUF_F_TX_TCP_CKSUM;
	else
		return;
	mbuf->l2_len = sizeof(*eth);
	mbuf->l3_len = sizeof(*ip);
	mbuf->ol_flags |= sums;
	ip->hdr_checksum = 0;
	uint16_t pseudo = rte_ipv4_phdr_cksum(ip, mbuf->ol_flags);
	if (ip->next_proto_id == IPPROTO_UDP)
		((struct rte_udp_hdr *)(ip + 1))->dgram_cksum = pseudo;
	else
		((struct rte_tcp_hdr *)(ip + 1))->cksum = pseudo;
}

uint16_t wm_send(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t count)
{
	return rte_eth_tx_burst(port, queue, mbufs, count);
}

void wm_drop(struct rte_mbuf **mbufs, uint16_t count)
{
	rte_pktmbuf_free_bulk(mbufs, count);
}

/* Frames in, frames out, missed, broken, without a buffer, failed to go out. */
int wm_counts(uint16_t port, uint64_t counts[6])
{
	struct rte_eth_stats stats;
	int code = rte_eth_stats_get(port, &stats);
	if (code == 0) {
		counts[0] = stats.ipackets;
		counts[1] = stats.opackets;
		counts[2] = stats.imissed;
		counts[3] = stats.ierrors;
		counts[4] = stats.rx_nombuf;
		counts[5] = stats.oerrors;
	}
	return code;
}
