//! The same with QuickFIX as the exchange: what it took and what it reported, by its own account.

use super::*;

/// QuickFIX as an exchange, started again where it is killed.
struct QuickFix {
    child: std::process::Child,
    begin: &'static str,
    port: u16,
    folder: std::path::PathBuf,
}

impl QuickFix {
    fn start(peer: &Path, begin: &'static str, port: u16, folder: std::path::PathBuf) -> Self {
        use std::io::BufRead;
        std::fs::create_dir_all(&folder).expect("the folder is ours");
        let mut child = std::process::Command::new(peer)
            .args(["venue", &port.to_string(), begin, "EXCH", "WIREMATCH"])
            .arg(&folder)
            .current_dir(&folder)
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("the peer starts");
        let mut said = String::new();
        let out = child.stdout.take().expect("it is piped");
        std::io::BufReader::new(out).read_line(&mut said).expect("text");
        assert!(said.contains("ready"), "{said}");
        Self { child, begin, port, folder }
    }

    fn kill(&mut self) {
        self.child.kill().expect("it is ours");
        self.child.wait().expect("it was running");
    }

    fn again(&mut self, peer: &Path) {
        self.kill();
        *self = Self::start(peer, self.begin, self.port, self.folder.clone());
    }

    /// What was ordered of it, by its names.
    fn orders(&self) -> BTreeMap<String, u64> {
        let text = std::fs::read_to_string(self.folder.join("orders")).unwrap_or_default();
        let line = |line: &str| {
            let (id, quantity) = line.split_once(' ').expect("two words");
            (id.to_owned(), quantity.parse().expect("a number, or an order came twice"))
        };
        text.lines().map(line).collect()
    }
}

/// A stand whose exchange is QuickFIX.
fn stand_before_quickfix(
    peer: &Path,
    folder: &Path,
    version: Version,
    begin: &'static str,
) -> (Stand, QuickFix) {
    let port = process::free_address().port();
    let venue = QuickFix::start(peer, begin, port, folder.join("peer"));
    // The stand's own exchange is the backup that nobody opens.
    let mut exchange = Exchange::open(version);
    exchange.doors.iter_mut().for_each(|door| door.is_shut = true);
    let to = [SocketAddr::from(([127, 0, 0, 1], port)), exchange.addresses()[1]];
    let (config, address) = configuration(folder, version, &to);
    let mut appliance = Appliance::new(config);
    appliance.start();
    let client = FixClient::new(client_config(101, version), address);
    let (others, clock) = (Vec::new(), SystemClock::new());
    let mut stand = Stand { exchange, appliance, client, others, address, clock };
    stand.until("the client is up", |stand| stand.client.is_up());
    stand.heard();
    (stand, venue)
}

/// Routes to QuickFIX and kills either side in between.
fn route_to_quickfix(version: Version, begin: &'static str, orders: u32, kills: u32) {
    let Some(peer) = quickfix_peer::peer() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (mut stand, mut venue) = stand_before_quickfix(peer, folder.path(), version, begin);
    let every = orders / (kills + 1).max(1) + 1;
    for number in 1..=orders {
        let now = stand.now();
        stand.client.order(b'1', u64::from(number % 50) + 1, PRICE, now);
        let pause = now.0 + 500_000;
        while stand.now().0 < pause {
            stand.poll();
        }
        match number % (2 * every) {
            0 => {
                stand.appliance.kill();
                stand.appliance.start();
            }
            at if at == every => venue.again(peer),
            _ => {}
        }
    }
    stand.until("all is told", |stand| {
        let ends = stand.client.told.reports.values();
        let is_end = |report: &&(u8, u64, u64)| matches!(report.0, b'8' | b'F' | b'2');
        ends.filter(is_end).count() as u64 == stand.client.sent
    });
    assert!(stand.client.told.twice.is_empty());
    let there = venue.orders();
    let traded = stand.traded();
    assert_eq!(traded.values().sum::<u64>(), there.values().sum::<u64>(), "{version:?}");
    assert_eq!(traded.len(), there.len());
    println!("{version:?}: {} orders, {} filled, {kills} kills", stand.client.sent, traded.len());
    assert!(traded.len() as u32 > orders / 20, "many go through");
    venue.kill();
    stand.appliance.stop();
    assert!(stand.appliance.replays());
}

#[test]
fn orders_are_routed_to_quickfix_in_every_version() {
    route_to_quickfix(Version::Fix42, "FIX.4.2", 100, 0);
    route_to_quickfix(Version::Fix50Sp2, "FIXT.1.1", 100, 0);
}

#[test]
fn quickfix_as_an_exchange_is_killed_and_so_are_we_and_nothing_is_lost() {
    route_to_quickfix(Version::Fix44, "FIX.4.4", 2_000, 3);
}

#[test]
fn what_does_not_match_here_goes_to_quickfix() {
    let Some(peer) = quickfix_peer::peer() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let version = Version::Fix44;
    let (mut stand, mut venue) = stand_before_quickfix(peer, folder.path(), version, "FIX.4.4");
    stand.with_others(version);
    let before: u64 = venue.orders().values().sum();
    stand.rests_here(30);
    let id = stand.enter(&Entry::new("BOLT", b'1', 100));
    let named = stand.enter(&Entry::new("CRUX", b'1', 7).to("EXCH"));
    stand.until("they trade", |stand| {
        let traded = stand.traded();
        (traded.get(&id), traded.get(&named)) == (Some(&100), Some(&7))
    });
    assert_eq!(stand.reports_of(id), *b"0FF");
    assert_eq!(venue.orders().values().sum::<u64>() - before, 70 + 7);
    venue.kill();
    stand.appliance.stop();
    assert!(stand.appliance.replays());
}
