//! What lies between the two processes of a measurement: a wire made for it and gone with them.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, anyhow};
use clap::ValueEnum;

use crate::command::bench::BenchArguments;
use crate::command::bench::port::outcome::Told;
use crate::command::bench::port::{Role, pause};
use crate::command::{Failure, Outcome};
use crate::port::Port;
use crate::runtime::SystemClock;
use crate::topology::{DeviceName, DeviceRequest, open_port};

/// A device that can be measured here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(super) enum Kind {
    /// Memory shared by both processes, DPDK at both ends.
    Memif,
    /// DPDK's own TAP driver.
    Tap,
    /// A TAP device opened directly.
    Tun,
    /// AF_PACKET by DPDK, over veth.
    AfPacket,
    /// AF_XDP by DPDK, over veth.
    AfXdp,
    /// Kernel sockets over loopback.
    Socket,
}

/// The interface of the appliance and of the client.
const APPLIANCE_END: &str = "wmbench1";
const CLIENT_END: &str = "wmbench0";

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Memif => "memif",
            Kind::Tap => "tap",
            Kind::Tun => "tun",
            Kind::AfPacket => "af_packet",
            Kind::AfXdp => "af_xdp",
            Kind::Socket => "socket",
        }
    }

    /// Whether interfaces are made, which is done where nobody else sees them.
    pub(super) fn wants_namespace(self) -> bool {
        !matches!(self, Kind::Memif | Kind::Socket)
    }

    /// Whether kernel sockets, to be compared with it, go over a wire made for them.
    pub(super) fn wires_kernel(self) -> bool {
        self != Kind::Socket
    }

    /// Whether the wire is a pair of interfaces, whose far end is in a namespace of its own.
    fn is_veth(self, role: Role) -> bool {
        let is_kernel = matches!(role, Role::KernelAppliance | Role::KernelEcho);
        matches!(self, Kind::AfPacket | Kind::AfXdp) || self.wires_kernel() && is_kernel
    }
}

/// Starts the command again in a namespace of its own, which goes when it ends.
pub(super) fn enter() -> Outcome {
    let itself = std::env::current_exe().context("cannot find this program")?;
    let mut command = Command::new("unshare");
    // Root needs no users of its own, and keeps the right to lock memory, which AF_XDP wants.
    let is_root = rustix::process::geteuid().is_root();
    command
        .arg(if is_root { "-n" } else { "-Urn" })
        .arg(itself)
        .args(std::env::args_os().skip(1))
        .arg("--inside");
    let status = command.status().context("`unshare` cannot be started (Debian: util-linux)")?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::from(anyhow!(
        "the measurement in its own network namespace ended with {status}; without the right to \
         make one (unshare -Urn true) try --port memif or --port socket"
    )))
}

fn ip(words: &str) -> Result<(), Failure> {
    let output = Command::new("ip").args(words.split(' ')).output();
    let output = output.context("`ip` cannot be started (Debian: iproute2)")?;
    if output.status.success() {
        return Ok(());
    }
    Err(Failure::from(anyhow!("ip {words}: {}", String::from_utf8_lossy(&output.stderr).trim())))
}

/// Addresses and devices of both ends.
pub(super) struct Place {
    kind: Kind,
    pub(super) gateway: SocketAddrV4,
    pub(super) client: SocketAddrV4,
    socket: String,
    /// The far end has kernel sockets, so this one has too.
    is_kernel: bool,
}

impl Place {
    pub(super) fn new(kind: Kind, role: Role) -> Result<Self, Failure> {
        let is_kernel = matches!(role, Role::KernelAppliance | Role::KernelEcho);
        let local = |last, port| SocketAddrV4::new(Ipv4Addr::new(127, 0, 9, last), port);
        let wired = |last, port| SocketAddrV4::new(Ipv4Addr::new(10, 9, 0, last), port);
        let (gateway, client) = match kind {
            Kind::Socket => (local(1, 9100), local(2, 40_000)),
            _ => (wired(1, 9100), wired(2, 40_000)),
        };
        let socket = format!("/tmp/wirematch-bench-{}.sock", parent());
        Ok(Self { kind, gateway, client, socket, is_kernel })
    }

    /// The device of an end.
    fn device(&self, role: Option<Role>) -> Result<DeviceName, Failure> {
        let is_kernel = matches!(role, Some(Role::KernelAppliance | Role::KernelEcho));
        let name = match (self.kind, role) {
            _ if is_kernel => "socket".into(),
            (Kind::Memif, None) if !self.is_kernel => format!("memif:{},client", self.socket),
            (_, None) | (Kind::Socket, _) => "socket".into(),
            (Kind::Memif, _) => format!("memif:{}", self.socket),
            (Kind::Tap, _) => format!("tap:{APPLIANCE_END}"),
            (Kind::Tun, _) => format!("tun:{APPLIANCE_END}"),
            (Kind::AfPacket, _) => format!("af_packet:{APPLIANCE_END}"),
            (Kind::AfXdp, _) => format!("af_xdp:{APPLIANCE_END}"),
        };
        name.parse().map_err(Failure::usage)
    }

    fn open(&self, role: Option<Role>, clock: &SystemClock) -> Result<Box<dyn Port>, Failure> {
        let device = self.device(role)?;
        let is_tun = matches!(device, DeviceName::Tun(_));
        let own = if role.is_some() { self.gateway } else { self.client };
        let request = DeviceRequest {
            device,
            address: own,
            kernel_address: is_tun.then_some(crate::topology::Subnet(*self.client.ip(), 24)),
            record: None,
        };
        open_port(&request, clock).map_err(Failure::usage)
    }

    /// The client's end.
    pub(super) fn client_port(&self, clock: &SystemClock) -> Result<Box<dyn Port>, Failure> {
        self.open(None, clock)
    }

    /// The far end, in the far process.
    pub(super) fn far_port(
        &self,
        role: Role,
        clock: &SystemClock,
    ) -> Result<Box<dyn Port>, Failure> {
        if self.kind.is_veth(role) {
            self.await_interface()?;
            if matches!(role, Role::KernelAppliance | Role::KernelEcho) {
                ip(&format!("address add {}/24 dev {APPLIANCE_END}", self.gateway.ip()))?;
            }
        }
        let port = self.open(Some(role), clock)?;
        if self.kind == Kind::Tap && !self.kind.is_veth(role) {
            ip(&format!("address add {}/24 dev {APPLIANCE_END}", self.client.ip()))?;
            ip(&format!("link set {APPLIANCE_END} up"))?;
        }
        Ok(port)
    }

    /// The other process moves one end of the wire here.
    fn await_interface(&self) -> Result<(), Failure> {
        for _ in 0..500 {
            if ip(&format!("link set {APPLIANCE_END} up")).is_ok() {
                let quiet = format!("/proc/sys/net/ipv6/conf/{APPLIANCE_END}/disable_ipv6");
                // Where there is no IPv6 there is nothing to silence.
                let _ = std::fs::write(quiet, "1");
                return Ok(());
            }
            pause();
        }
        Err(Failure::from(anyhow!("the interface {APPLIANCE_END} did not come")))
    }
}

/// The CPU that the far process spins on, as the one that started it says.
pub(super) fn server_cpu() -> Option<usize> {
    std::env::var("WIREMATCH_BENCH_CPU").ok()?.parse().ok()
}

/// The process that measures: this one, or the one that started it.
fn parent() -> u32 {
    let given = std::env::var("WIREMATCH_BENCH_PARENT").ok();
    given.and_then(|text| text.parse().ok()).unwrap_or_else(std::process::id)
}

/// The far process.
pub(super) struct Server {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    has_wire: bool,
}

impl Server {
    /// Starts it and waits until it listens.
    pub(super) fn start(
        arguments: &BenchArguments,
        place: &Place,
        role: Role,
        cpu: usize,
    ) -> Result<Self, Failure> {
        let is_veth = place.kind.is_veth(role);
        let itself = std::env::current_exe().context("cannot find this program")?;
        let mut command = match is_veth {
            true => Command::new("unshare"),
            false => Command::new(&itself),
        };
        if is_veth {
            command.arg("-n").arg(&itself);
        }
        let role_name = role.to_possible_value().context("a role has a name")?;
        command
            .args(["bench", "--port", place.kind.name(), "--serve", role_name.get_name()])
            .args(["--inside", "--orders", "1000", "--gate", &arguments.gate, "--data"])
            .arg(&arguments.data)
            .env("WIREMATCH_BENCH_PARENT", std::process::id().to_string())
            .env("WIREMATCH_BENCH_CPU", cpu.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().context("cannot start the far process")?;
        let stdout = child.stdout.take().context("it is piped")?;
        let stdin = child.stdin.take();
        let stdout = BufReader::new(stdout);
        let mut server = Self { child, stdin, stdout, has_wire: is_veth };
        server.expect("here")?;
        if is_veth {
            server.lay_wire(place)?;
        }
        server.expect("ready")?;
        Ok(server)
    }

    fn lay_wire(&self, place: &Place) -> Result<(), Failure> {
        ip(&format!("link add {CLIENT_END} type veth peer name {APPLIANCE_END}"))?;
        let quiet = format!("/proc/sys/net/ipv6/conf/{CLIENT_END}/disable_ipv6");
        let _ = std::fs::write(quiet, "1");
        // Frames of a veth leave with half a checksum unless the kernel is told to write it.
        let told = Command::new("ethtool").args(["-K", CLIENT_END, "tx", "off"]).output();
        told.context("`ethtool` cannot be started (Debian: ethtool)")?;
        ip(&format!("address add {}/24 dev {CLIENT_END}", place.client.ip()))?;
        ip(&format!("link set {CLIENT_END} up"))?;
        ip(&format!("link set {APPLIANCE_END} netns {}", self.child.id()))
    }

    fn line(&mut self) -> Result<String, Failure> {
        let mut line = String::new();
        self.stdout.read_line(&mut line).context("the far process cannot be read")?;
        if line.is_empty() {
            return Err(Failure::from(anyhow!("the far process ended; its words are above")));
        }
        Ok(line)
    }

    fn expect(&mut self, word: &str) -> Result<(), Failure> {
        while self.line()?.trim() != word {}
        Ok(())
    }

    /// A fresh appliance on the same port, for the next measurement.
    pub(super) fn next(&mut self) -> Result<(), Failure> {
        use std::io::Write;
        let stdin = self.stdin.as_mut().context("it is piped")?;
        stdin.write_all(b"next\n").context("the far process does not listen")?;
        self.expect("ready")
    }

    /// Ends it; what it says of itself.
    pub(super) fn stop(mut self) -> Result<Told, Failure> {
        drop(self.stdin.take());
        let mut last = String::new();
        while self.stdout.read_line(&mut last).context("the far process cannot be read")? > 0 {}
        let status = self.child.wait().context("the far process cannot be waited for")?;
        if self.has_wire {
            // It goes with the far namespace, a moment later.
            for _ in 0..200 {
                if ip(&format!("link show {CLIENT_END}")).is_err() {
                    break;
                }
                pause();
            }
            let _ = ip(&format!("link del {CLIENT_END}"));
        }
        if !status.success() {
            return Err(Failure::from(anyhow!("the far process ended with {status}")));
        }
        let line = last.lines().last().unwrap_or_default();
        Ok(serde_json::from_str(line).context("the far process did not say how it fared")?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
