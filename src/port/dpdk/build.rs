//! The build script's part for DPDK: compiles the shim, links the system's library. A library that
//! is missing is one sentence, which names the package.

use std::process::exit;

/// Drivers that a static binary carries; a dynamic one finds all that are installed.
#[cfg(feature = "dpdk-static")]
const DRIVERS: &[&str] = &[
    "bus_pci",
    "bus_vdev",
    "bus_auxiliary",
    "mempool_ring",
    "common_iavf",
    "net_af_packet",
    "net_af_xdp",
    "net_e1000",
    "net_ena",
    "net_i40e",
    "net_iavf",
    "net_ice",
    "net_igc",
    "net_ixgbe",
    "net_memif",
    "net_null",
    "net_pcap",
    "net_ring",
    "net_tap",
    "net_virtio",
    "net_vmxnet3",
];

/// What the shim and the drivers stand on.
const CORE: &[&str] = &["ethdev", "mbuf", "mempool", "ring", "eal"];
#[cfg(feature = "dpdk-static")]
const BELOW: &[&str] = &[
    "net",
    "meter",
    "rcu",
    "pci",
    "kvargs",
    "telemetry",
    "hash",
    "security",
    "cryptodev",
    "gso",
    "ip_frag",
];
#[cfg(feature = "dpdk-static")]
const SYSTEM: &[&str] = &["xdp", "bpf", "pcap", "bsd", "numa", "crypto", "fdt", "elf", "z"];

/// Compiles and links.
pub(crate) fn build() {
    println!("cargo:rerun-if-changed=src/port/dpdk/shim.c");
    let library = pkg_config::Config::new()
        .cargo_metadata(false)
        .atleast_version("22.11")
        .probe("libdpdk")
        .unwrap_or_else(|_| {
            println!(
                "cargo:warning=DPDK 22.11 or later is not installed: apt-get install \
                 --no-install-recommends libdpdk-dev libpcap-dev libxdp-dev libbpf-dev, \
                 or build without the feature"
            );
            exit(1)
        });
    let mut shim = cc::Build::new();
    shim.file("src/port/dpdk/shim.c").flag("-include").flag("rte_config.h").opt_level(3);
    // pkg-config's own list leaves this out; the headers need it for their vector code.
    shim.define("ALLOW_EXPERIMENTAL_API", None)
        .flag("-march=corei7")
        .flag("-Wno-address-of-packed-member");
    for path in &library.include_paths {
        shim.flag("-isystem").flag(path.to_str().expect("the system's paths are plain"));
    }
    shim.compile("wirematch_dpdk");
    link(&library);
}

#[cfg(not(feature = "dpdk-static"))]
fn link(library: &pkg_config::Library) {
    for path in &library.link_paths {
        println!("cargo:rustc-link-search=native={}", path.display());
    }
    for name in CORE {
        println!("cargo:rustc-link-lib=dylib=rte_{name}");
    }
}

#[cfg(feature = "dpdk-static")]
fn link(library: &pkg_config::Library) {
    let found = library.link_paths.iter().cloned();
    let folder = found.chain([pkg_config::get_variable("libdpdk", "libdir")
        .map_or_else(|_| "/usr/lib".into(), std::path::PathBuf::from)]);
    for path in folder {
        println!("cargo:rustc-link-search=native={}", path.display());
    }
    for name in DRIVERS.iter().chain(CORE).chain(BELOW) {
        println!("cargo:rustc-link-lib=static:+whole-archive,-bundle=rte_{name}");
    }
    for name in SYSTEM {
        println!("cargo:rustc-link-lib=dylib={name}");
    }
}
