//! A client that keeps its own log, as the protocol asks of one, and a view of its orders that is
//! made of nothing but the replies.

use std::collections::{BTreeMap, BTreeSet};

use wirematch::client::{Trader, TraderConfig};
use wirematch::flow::Dice;
use wirematch::model::Nanos;
use wirematch::wire::ouch::{Inbound, Outbound};
use wirematch::wire::session::{ClientEvent, LoginRejectCode};

use super::network::{Card, Network};
use super::orders;

/// How long after a refused or lost connection a client tries again.
const RETRY: Nanos = Nanos(700_000);

/// What the replies say.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Open orders by UserRefNum: what is left of each.
    pub open: BTreeMap<u32, u32>,
    /// By UserRefNum: how often it was accepted, took another's place, or was refused.
    pub answers: BTreeMap<u32, u32>,
    /// Refused: UserRefNum and OUCH reason.
    pub rejected: Vec<(u32, u16)>,
    /// Numbers of messages that were lost: first and count.
    pub not_applied: Vec<(u64, u32)>,
    /// Why, of all of them: 0 is loss.
    pub not_applied_reasons: BTreeSet<u8>,
    /// By match number: executed quantity of our sides.
    pub fills: BTreeMap<u64, u32>,
    /// All replies, in order.
    pub replies: Vec<Vec<u8>>,
    /// Match numbers of trades that were undone.
    pub broken: BTreeSet<u64>,
    /// Cancels that came too late.
    pub cancels_refused: u32,
}

impl View {
    /// Takes the next reply.
    pub fn take(&mut self, bytes: &[u8]) {
        self.replies.push(bytes.to_vec());
        match Outbound::decode(bytes).expect("a reply decodes") {
            Outbound::OrderAccepted(order, _) => {
                *self.answers.entry(order.user_ref_num).or_default() += 1;
                self.open.insert(order.user_ref_num, order.quantity);
            }
            Outbound::OrderReplaced(order, _) => {
                *self.answers.entry(order.user_ref_num).or_default() += 1;
                let old = self.open.remove(&order.orig_user_ref_num);
                assert!(old.is_some(), "what was replaced was open");
                self.open.insert(order.user_ref_num, order.quantity);
            }
            Outbound::Rejected(order, _) => {
                *self.answers.entry(order.user_ref_num).or_default() += 1;
                self.rejected.push((order.user_ref_num, order.reason));
            }
            Outbound::BrokenTrade(trade, _) => {
                self.broken.insert(trade.match_number);
            }
            // A trade that was told undone is told again as it is.
            Outbound::OrderExecuted(fill, _) if self.broken.contains(&fill.match_number) => {}
            Outbound::OrderExecuted(fill, _) => {
                *self.fills.entry(fill.match_number).or_default() += fill.quantity;
                self.shrink(fill.user_ref_num, fill.quantity);
            }
            Outbound::OrderCanceled(cancel, _) => {
                self.shrink(cancel.user_ref_num, cancel.quantity);
            }
            Outbound::AiqCanceled(cancel, _) => {
                self.shrink(cancel.user_ref_num, cancel.decrement_shares);
            }
            Outbound::OrderModified(order, _) => {
                self.open.insert(order.user_ref_num, order.quantity);
            }
            Outbound::CancelReject(..) => self.cancels_refused += 1,
            _ => {}
        }
    }

    fn shrink(&mut self, user_ref_num: u32, by: u32) {
        let left = self.open.get_mut(&user_ref_num).expect("only open orders trade and go");
        *left = left.checked_sub(by).expect("no more goes than was left");
        if *left == 0 {
            self.open.remove(&user_ref_num);
        }
    }
}

/// A client.
pub struct Client {
    trader: Trader<Card>,
    config: TraderConfig,
    /// Its log: what it sent, by number less one.
    pub sent: Vec<Vec<u8>>,
    /// Its log: the number of the reply expected next.
    pub next_rx: u64,
    pub view: View,
    /// Whether it wants to be connected, and whether its process runs at all.
    pub is_on: bool,
    pub is_asleep: bool,
    /// Refusals of its logins, in order.
    pub refusals: Vec<Option<LoginRejectCode>>,
    /// The UserRefNum it uses next.
    pub next_order: u32,
    retry_at: Nanos,
}

impl Client {
    /// Not connected yet.
    pub fn new(config: TraderConfig, network: &mut Network) -> Self {
        let port = network.connect(station(&config));
        Self {
            trader: Trader::new(port, config.clone()),
            config,
            sent: vec![],
            next_rx: 1,
            view: View::default(),
            is_on: true,
            is_asleep: false,
            refusals: vec![],
            next_order: 1,
            retry_at: Nanos::ZERO,
        }
    }

    /// The session's number.
    pub fn session(&self) -> u32 {
        u32::from(self.config.session)
    }

    /// Whether it is connected and the server has settled all that it sent.
    pub fn is_settled(&self) -> bool {
        let session = self.trader.session();
        session.is_up() && session.unsettled() == session.next_tx()
    }

    /// The number of its next message.
    pub fn next_tx(&self) -> u64 {
        self.trader.session().next_tx()
    }

    /// Its process dies and comes back with nothing but its log.
    pub fn restart(&mut self, network: &mut Network) {
        let port = network.connect(station(&self.config));
        self.trader = Trader::new(port, self.config.clone());
        let session = self.trader.session_mut();
        let first = self.sent.len().saturating_sub(64);
        for (at, bytes) in self.sent.iter().enumerate().skip(first) {
            session.restore_sent(at as u64 + 1, bytes);
        }
        session.restore_received(self.next_rx - 1);
    }

    /// Sends a message if it may; whether it did.
    pub fn send(&mut self, message: &[u8]) -> bool {
        let Ok(number) = self.trader.send(message) else { return false };
        assert_eq!(number, self.sent.len() as u64 + 1, "numbers are dense");
        self.sent.push(message.to_vec());
        true
    }

    /// Sends a random message if it may; whether it did.
    pub fn send_random(&mut self, dice: &mut Dice) -> bool {
        let message = orders::random(dice, self.next_order, &self.view);
        let sent = self.send(&message);
        if sent && orders::uses_number(&message) {
            self.next_order += 1;
        }
        sent
    }

    /// Takes what came, sends what is due.
    pub fn poll(&mut self, now: Nanos) -> usize {
        if self.is_asleep {
            return 0;
        }
        let Self { trader, view, next_rx, refusals, .. } = self;
        if trader.session().is_idle() && self.is_on && now >= self.retry_at {
            self.retry_at = now.saturating_add(RETRY);
            trader.log_in(now);
        }
        if trader.session().is_up() && !self.is_on {
            trader.log_out(now);
        }
        trader.poll(now, &mut |event| match event {
            ClientEvent::Message { number, bytes } => {
                assert_eq!(number, *next_rx, "each reply comes once, in order");
                *next_rx += 1;
                view.take(bytes);
            }
            ClientEvent::NotApplied { number, from, count, reason } => {
                assert_eq!(number, *next_rx, "each reply comes once, in order");
                *next_rx += 1;
                view.not_applied.push((from, count));
                view.not_applied_reasons.insert(reason);
            }
            ClientEvent::LoginRejected(code) => refusals.push(code),
            ClientEvent::ServerBehind => panic!("the server lost what it had acknowledged"),
            ClientEvent::LoggedIn { .. } | ClientEvent::Silent | ClientEvent::Ended => {}
        })
    }

    /// Its Enters and Replaces: number of the message, UserRefNum, whether it is an Enter.
    pub fn orders(&self) -> impl Iterator<Item = (u64, u32, bool)> + '_ {
        let numbered = self.sent.iter().zip(1..);
        numbered.filter_map(|(bytes, number)| match Inbound::decode(bytes) {
            Ok(Inbound::EnterOrder(order, _)) => Some((number, order.user_ref_num, true)),
            Ok(Inbound::ReplaceOrderRequest(order, _)) => Some((number, order.user_ref_num, false)),
            _ => None,
        })
    }
}

fn station(config: &TraderConfig) -> wirematch::wire::ethernet::Mac {
    wirematch::wire::ethernet::Mac::local(*config.address.ip())
}
