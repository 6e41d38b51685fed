//! The echo as a process, over kernel TCP: killed in the middle and started again, nothing is lost
//! and nothing comes twice.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use wirematch::model::Nanos;
use wirematch::port::stream::Stream;
use wirematch::port::tcp::TcpLine;
use wirematch::runtime::{Clock, SystemClock};
use wirematch::wire::fix::session::{
    Application, Endpoint, Identity, MemoryStore, Origin, Phase, Reply, Role, SessionConfig, Taken,
};
use wirematch::wire::fix::{Message, Version, Writer, tag};

struct Process {
    child: Child,
    address: SocketAddr,
}

impl Process {
    fn start(data: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_wirematch"))
            .args(["fix-echo", "--listen", "127.0.0.1:0", "--session", "FIX.4.4:ECHO:CLIENT"])
            .arg("--data")
            .arg(data)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let stdout = child.stdout.take().expect("its output");
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let address = line.trim().rsplit(' ').next().expect("an address");
        Self { address: address.parse().expect("an address"), child }
    }

    fn kill(self) {}
}

impl Drop for Process {
    // Also where the test fails: who is left behind holds what the tests print open.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Counts what comes back.
#[derive(Default)]
struct Client {
    echoes: Vec<u64>,
}

impl Application for Client {
    fn take(&mut self, message: &Message<'_>, _: Origin, _: &mut dyn Reply) -> Taken {
        let id = message.get(tag::CL_ORD_ID).map(String::from_utf8_lossy).unwrap_or_default();
        self.echoes.push(id.parse().expect("a number we sent"));
        Taken::Done
    }
}

fn order(writer: &mut Writer<'_>, id: u64, now: Nanos) {
    writer.number(tag::CL_ORD_ID, id);
    writer.byte(tag::HANDL_INST, b'1');
    writer.bytes(tag::SYMBOL, b"ABC");
    writer.byte(tag::SIDE, b'1');
    writer.time(tag::TRANSACT_TIME, now, Default::default());
    writer.number(tag::ORDER_QTY, 100);
    writer.byte(tag::ORD_TYPE, b'1');
}

/// Moves bytes until `done`, or the line breaks, or half a minute has gone.
fn run(
    endpoint: &mut Endpoint<MemoryStore>,
    client: &mut Client,
    line: &mut TcpLine,
    clock: &SystemClock,
    mut done: impl FnMut(&mut Endpoint<MemoryStore>, &Client) -> bool,
) -> bool {
    let until = clock.now().0 + 30_000_000_000;
    let mut room = [0; 4096];
    while clock.now().0 < until {
        if done(endpoint, client) {
            return true;
        }
        let Ok(count) = line.receive(&mut room) else { return false };
        endpoint.receive(&room[..count], clock.now(), client);
        endpoint.tick(clock.now(), client);
        // What is sent again is sent a share at a time.
        if endpoint.is_behind() {
            endpoint.go_on(clock.now(), client);
        }
        let Ok(taken) = line.send(endpoint.outgoing()) else { return false };
        endpoint.took(taken);
        std::thread::yield_now();
    }
    false
}

#[test]
fn a_killed_acceptor_comes_back_with_every_message() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = SystemClock::new();
    let identity =
        Identity { version: Version::Fix44, sender: "CLIENT".into(), target: "ECHO".into() };
    let config = SessionConfig::new(Role::Initiator, identity);
    let mut endpoint = Endpoint::new(config, MemoryStore::new(4096));
    let mut client = Client::default();
    let mut sent = 0;
    for _round in 0..4 {
        let process = Process::start(folder.path());
        let mut line = TcpLine::connect(process.address).expect("a line");
        endpoint.connected(clock.now(), &mut client);
        let up = |end: &mut Endpoint<MemoryStore>, _: &Client| end.session().phase() == Phase::Up;
        assert!(run(&mut endpoint, &mut client, &mut line, &clock, up), "logged on");
        let goal = sent + 200;
        // Stop reading in the middle of it: some echoes are on their way when the process dies.
        let half_way = |end: &mut Endpoint<MemoryStore>, client: &Client| {
            if sent < goal {
                sent += 1;
                let now = clock.now();
                end.send(b"D", now, &mut |writer| order(writer, sent, now)).expect("sent");
            }
            client.echoes.len() as u64 > goal - 100
        };
        assert!(run(&mut endpoint, &mut client, &mut line, &clock, half_way), "half way");
        process.kill();
        endpoint.disconnected(&mut client);
    }
    let process = Process::start(folder.path());
    let mut line = TcpLine::connect(process.address).expect("a line");
    endpoint.connected(clock.now(), &mut client);
    let all = |_: &mut Endpoint<MemoryStore>, client: &Client| client.echoes.len() as u64 >= sent;
    let complete = run(&mut endpoint, &mut client, &mut line, &clock, all);
    process.kill();
    assert!(complete, "only {} of {sent} came back", client.echoes.len());
    let expected: Vec<u64> = (1..=sent).collect();
    assert_eq!(client.echoes, expected, "each once, in order");
}
