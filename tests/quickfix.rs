//! A client of another make: QuickFIX trades with the appliance in every version, also when the
//! appliance is killed in the middle. Without QuickFIX (Debian's `libquickfix-dev`) nothing is shown.

#[path = "support/fix_client.rs"]
mod fix_client;
#[path = "support/process.rs"]
#[allow(dead_code, unreachable_pub, reason = "every test takes what it needs of this")]
mod process;
#[path = "support/quickfix_peer.rs"]
mod quickfix_peer;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use wirematch::journal::{LogKind, Reader};
use wirematch::model::{Event, EventKind};

use process::Appliance;
use quickfix_peer::peer;

/// ExecIDs the journal owes session 101.
fn owed(data: &Path) -> BTreeSet<u64> {
    let folder = LogKind::Events.folder(&data.join("journal"));
    let mut reader = Reader::<Event>::open(&folder, 0).expect("the journal is there");
    let mut owed = BTreeSet::new();
    while let Some(event) = reader.read_event().expect("the journal is whole") {
        use EventKind::{Accepted, Cancelled, Executed, Rejected};
        let is_report = [Accepted, Executed, Cancelled, Rejected].map(EventKind::code);
        if event.session.0 == 101 && is_report.contains(&event.kind) {
            owed.insert(event.id.0);
        }
    }
    owed
}

/// Lets the peer send orders and kills the appliance in between so many times.
fn trade(version: &str, begin_string: &str, orders: u32, kills: u32) {
    let Some(peer) = peer() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let more = "cancel_on_disconnect = false";
    let (config, address) = fix_client::configuration(folder.path(), 1, version, more);
    let mut appliance = Appliance::new(config);
    appliance.start();
    let child = Command::new(peer)
        .args(["flow", &address.port().to_string(), begin_string, "CLIENT101", "WIREMATCH"])
        .arg(orders.to_string())
        .arg(folder.path().join("peer"))
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the peer starts");
    for _ in 0..kills {
        std::thread::sleep(Duration::from_millis(700));
        appliance.kill();
        appliance.start();
    }
    let output = child.wait_with_output().expect("the peer ends");
    let said = String::from_utf8_lossy(&output.stdout);
    appliance.stop();
    assert!(output.status.success(), "{version}: {}", said.lines().last().unwrap_or("nothing"));
    let mut told = BTreeSet::new();
    for line in said.lines().filter_map(|line| line.strip_prefix("exec ")) {
        let (id, times) = line.split_once(' ').expect("an id and how often");
        assert_eq!(times, "1", "{version}: report {id}");
        told.insert(id.parse().expect("a number"));
    }
    assert_eq!(told, owed(&folder.path().join("data")), "{version}");
    assert!(!said.contains("other"), "{version}: a refusal");
    println!("{version}: {orders} orders, {} reports, {kills} kills", told.len());
    assert!(appliance.replays(), "the journal does not replay");
}

#[test]
fn quickfix_trades_in_every_version() {
    trade("FIX.4.2", "FIX.4.2", 200, 0);
    trade("FIX.5.0SP2", "FIXT.1.1", 200, 0);
}

#[test]
fn quickfix_loses_nothing_when_the_appliance_is_killed() {
    trade("FIX.4.4", "FIX.4.4", 4_000, 3);
}
