//! The appliance as a process of its own, on ports of loopback that nobody uses just now.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// A UDP port that nobody uses just now.
pub fn free_address() -> SocketAddrV4 {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback is there");
    SocketAddrV4::new(Ipv4Addr::LOCALHOST, socket.local_addr().expect("it is bound").port())
}

/// An appliance, running or not.
pub struct Appliance {
    /// Its configuration file.
    pub config: PathBuf,
    /// What its environment has besides ours.
    pub environment: Vec<(String, String)>,
    /// What it said until it was ready.
    pub at_start: String,
    child: Option<Child>,
    said: Arc<Mutex<Vec<String>>>,
    listener: Option<JoinHandle<()>>,
}

impl Appliance {
    /// Not started yet.
    pub fn new(config: PathBuf) -> Self {
        Self {
            config,
            environment: Vec::new(),
            at_start: String::new(),
            child: None,
            said: Arc::default(),
            listener: None,
        }
    }

    /// Starts it and waits until it is ready.
    pub fn start(&mut self) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_wirematch"))
            .args(["run", "--no-table", "--config"])
            .arg(&self.config)
            .envs(self.environment.iter().cloned())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut said = String::new();
        let mut lines = BufReader::new(child.stderr.take().expect("it is piped"));
        while !said.contains("ready; ") {
            let read = lines.read_line(&mut said).expect("its words are text");
            assert!(read > 0, "it did not start:\n{said}");
        }
        self.at_start = said;
        // Whatever it says later has somewhere to go.
        let heard = Arc::clone(&self.said);
        self.listener = Some(std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                heard.lock().expect("nobody panics with it").push(line);
            }
        }));
        self.child = Some(child);
    }

    /// What it said since it was ready.
    pub fn said(&self) -> Vec<String> {
        self.said.lock().expect("nobody panics with it").clone()
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it is ours");
            child.wait().expect("it was running");
        }
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        let ended = self.child.as_mut().map(|child| child.try_wait().expect("it is ours"));
        ended.flatten().is_some()
    }

    /// Waits until it has ended, whoever asked it to.
    pub fn end(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("it runs");
        child.wait().expect("it was running")
    }

    /// Asks it to stop in order, and waits until it has.
    pub fn stop(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("it runs");
        let asked = Command::new("kill").arg(child.id().to_string()).status();
        assert!(asked.expect("`kill` is there").success(), "it is ours");
        let status = child.wait().expect("it was running");
        let listener = self.listener.take().expect("it was started");
        listener.join().expect("it only listens");
        status
    }

    /// Whether its journal gives back, byte for byte, every event it recorded.
    pub fn replays(&self) -> bool {
        self.does(&["replay"])
    }

    /// Whether a command about its data ends well.
    pub fn does(&self, command: &[&str]) -> bool {
        let replay = Command::new(env!("CARGO_BIN_EXE_wirematch"))
            .args(command)
            .arg("--config")
            .arg(&self.config)
            .status();
        replay.expect("the binary starts").success()
    }
}

impl Drop for Appliance {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A configuration with so many sessions, from 1, on fused stages, its data below `folder`.
pub fn configuration(folder: &Path, entry: SocketAddrV4, sessions: u32) -> PathBuf {
    let (feed, group) = (free_address(), free_address());
    let mut text = format!(
        "data = \"{}\"\n[entry]\naddress = \"{entry}\"\nheartbeat_ms = 20\nreply_cache = 65536\n\
         [feed]\naddress = \"{feed}\"\ngroup = \"{group}\"\n[journal]\nsegment_kib = 1024\n\
         [engine]\norders_max = 4194304\n[[account]]\nfirst = 1\ncount = 1000\n\
         buying_power = \"100_000_000_000\"\nexposure_max = \"100_000_000_000\"\n\
         [account.risk]\nopen_orders_max = 10000000\n\
         order_notional_max = \"1_000_000_000\"\n[[core]]\nidle = \"yield\"\n\
         stages = [\"gateway\", \"sequencer\", \"risk\", \"matching\", \"recorder\", \"feed\"]\n",
        folder.join("data").display()
    );
    for id in 1..=sessions {
        text += &format!(
            "[[session]]\nid = {id}\nkey = \"test-key-{id}\"\nfirst_account = 1\n\
             last_account = 1000\nrate = \"load-test\"\ncancel_on_disconnect = false\n\
             self_trade = \"allow\"\n"
        );
    }
    let path = folder.join("appliance.toml");
    std::fs::write(&path, text).expect("the folder is ours");
    path
}
