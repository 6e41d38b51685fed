//! FIX clients of a running appliance: orders in, reports out, over kernel TCP; killed on either
//! side in the middle of load, every report comes once and in its turn.
//!
//! `WIREMATCH_FIX_SESSIONS` sets how many sessions are up at once.

#[path = "support/fix_client.rs"]
mod fix_client;
#[path = "support/process.rs"]
#[allow(dead_code, unreachable_pub, reason = "every test takes what it needs of this")]
mod process;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;

use wirematch::flow::Dice;
use wirematch::journal::{LogKind, Reader};
use wirematch::model::{Command, CommandKind, Event, EventKind, Nanos, Price};
use wirematch::runtime::{Clock, SystemClock};
use wirematch::wire::fix::session::Ending;
use wirematch::wire::fix::{Version, tag};

use fix_client::{FixClient, client_config, configuration};
use process::Appliance;

const SECOND: u64 = 1_000_000_000;
const PRICE: Price = Price(3_000_000);

/// Whether every order is answered; who lost the line asks for it again.
fn all_answered(clients: &mut [FixClient]) -> bool {
    let now = SystemClock::new().now();
    clients.iter_mut().filter(|client| !client.is_connected()).for_each(|client| {
        client.connect(now);
    });
    clients.iter().all(|client| client.told.answered.len() as u64 == client.sent)
}

/// How a client stands, for whoever looks for what went wrong.
fn state_of(client: &FixClient) -> String {
    let (answered, others) = (client.told.answered.len(), &client.told.others);
    let (sent, is_up, numbers) = (client.sent, client.is_up(), client.numbers());
    format!("{answered} of {sent} answered, up {is_up}, numbers {numbers:?}, others {others:?}")
}

/// Polls all until `done`, or a minute has gone.
fn until(clients: &mut [FixClient], what: &str, mut done: impl FnMut(&mut [FixClient]) -> bool) {
    let clock = SystemClock::new();
    let end = clock.now().0 + 60 * SECOND;
    while !done(clients) {
        let now = clock.now();
        let is_late = now.0 >= end;
        assert!(!is_late, "never: {what}; {:?}", clients.iter().map(state_of).collect::<Vec<_>>());
        clients.iter_mut().for_each(|client| client.poll(now));
        std::thread::yield_now();
    }
}

fn connected(count: u32, version: Version, address: SocketAddr) -> Vec<FixClient> {
    let now = SystemClock::new().now();
    let ids = 101..101 + count;
    let mut clients: Vec<_> =
        ids.map(|id| FixClient::new(client_config(id, version), address)).collect();
    clients.iter_mut().for_each(|client| client.connect(now));
    until(&mut clients, "all are up", |clients| clients.iter().all(FixClient::is_up));
    clients
}

#[test]
fn two_clients_trade_and_ask_in_every_version() {
    for version in Version::ALL {
        let folder = tempfile::tempdir().expect("a folder");
        let (config, address) = configuration(folder.path(), 2, version.name(), "");
        let mut appliance = Appliance::new(config);
        appliance.start();
        let mut clients = connected(2, version, address);
        let now = SystemClock::new().now();
        clients[0].order(b'1', 100, PRICE, now);
        until(&mut clients, "it rests", |clients| clients[0].told.answered.len() == 1);
        clients[1].order(b'2', 60, PRICE, now);
        until(&mut clients, "both are told", |clients| {
            clients.iter().all(|client| client.told.reports.len() == 2)
        });
        for client in &clients {
            assert!(client.told.reports.values().any(|(_, id, traded)| (*id, *traded) == (1, 60)));
        }
        for below in 1..=2 {
            clients[0].order(b'1', 10, Price(PRICE.0 - 100 * below), now);
        }
        until(&mut clients, "they rest", |clients| clients[0].told.answered.len() == 3);
        // Where is it, and where are all of them?
        clients[0].say(b"H", now, &mut |writer| {
            writer.number(tag::CL_ORD_ID, 1);
            writer.bytes(tag::SYMBOL, b"ACME");
            writer.byte(tag::SIDE, b'1');
        });
        let has_all = version != Version::Fix42;
        if has_all {
            clients[0].say(b"AF", now, &mut |writer| {
                writer.bytes(tag::MASS_STATUS_REQ_ID, b"all");
                writer.byte(tag::MASS_STATUS_REQ_TYPE, b'7');
            });
        }
        until(&mut clients, "answers", |clients| {
            clients[0].told.others.len() == 1 + 3 * usize::from(has_all)
        });
        let told = std::mem::take(&mut clients[0].told.others);
        assert!(told[0].contains("39=1") && told[0].contains("151=40"), "{}", told[0]);
        for (at, told) in told.iter().enumerate().skip(1) {
            let is_last = if at == 3 { "912=Y" } else { "912=N" };
            let has = |words: &str| told.contains(words);
            assert!(has("584=all") && has("911=3") && has(is_last), "{version:?} {told}");
        }
        // The line goes, and with it the order.
        clients[0].break_line();
        until(&mut clients, "it is cancelled", |clients| {
            // Until the old line is seen to be gone, a new one is sent away.
            if !clients[0].is_connected() {
                clients[0].connect(SystemClock::new().now());
            }
            clients[0].told.reports.values().any(|(kind, ..)| *kind == b'4')
        });
        appliance.stop();
        assert!(appliance.replays(), "the journal does not replay");
    }
}

#[test]
fn who_stands_behind_an_order_and_what_it_is_are_on_the_regulators_record() {
    let folder = tempfile::tempdir().expect("a folder");
    let version = Version::Fix50Sp2;
    let (config, address) = configuration(folder.path(), 1, version.name(), "");
    let mut appliance = Appliance::new(config);
    appliance.start();
    let mut clients = connected(1, version, address);
    let now = SystemClock::new().now();
    clients[0].sent += 1;
    clients[0].say(b"D", now, &mut |writer| {
        writer.number(tag::CL_ORD_ID, 1);
        writer.number(tag::NO_PARTY_IDS, 3);
        for (id, role) in [(9001, 3), (9002, 122), (9003, 12)] {
            writer.number(tag::PARTY_ID, id);
            writer.byte(447, b'P');
            writer.number(tag::PARTY_ROLE, role);
        }
        writer.bytes(tag::SYMBOL, b"ACME");
        writer.byte(tag::SIDE, b'1');
        writer.time(tag::TRANSACT_TIME, now, Default::default());
        writer.number(tag::ORDER_QTY, 100);
        writer.byte(tag::ORD_TYPE, b'2');
        writer.price(tag::PRICE, PRICE);
        writer.byte(tag::ORDER_CAPACITY, b'P');
        writer.number(tag::NO_ORDER_ATTRIBUTES, 2);
        for kind in [2, 4] {
            writer.number(tag::ORDER_ATTRIBUTE_TYPE, kind);
            writer.byte(tag::ORDER_ATTRIBUTE_VALUE, b'Y');
        }
    });
    until(&mut clients, "it is taken", |clients| clients[0].told.answered.contains(&1));
    assert!(clients[0].told.reports.values().any(|report| report.0 == b'0'));
    appliance.stop();
    let export = std::process::Command::new(env!("CARGO_BIN_EXE_wirematch"))
        .args(["audit", "export", "--format", "csv"])
        .arg(folder.path().join("data"))
        .output()
        .expect("the command runs");
    let text = String::from_utf8_lossy(&export.stdout);
    let cells = |line: &str| line.split(',').map(str::to_owned).collect::<Vec<_>>();
    let columns = cells(text.lines().next().expect("a head"));
    let entered = text.lines().find(|line| line.contains(",NEWO,")).expect("the order");
    let entered = cells(entered);
    for (column, value) in [
        ("client", "9001"),
        ("investment_decision", "9002"),
        ("execution_decision", "9003"),
        ("capacity", "principal"),
        ("liquidity_provision", "true"),
        ("algorithm", "true"),
        ("aggregated", "false"),
    ] {
        let place = columns.iter().position(|name| name == column).expect("a column");
        assert_eq!(entered[place].to_lowercase(), value, "{column}");
    }
}

/// A moment as a clock on the wall of a zone shows it.
fn on_the_wall(zone: &str, seconds: u64, as_what: &str) -> String {
    let at = jiff::Timestamp::from_second(seconds as i64).expect("a time");
    let zone = jiff::tz::TimeZone::get(zone).expect("a zone");
    at.to_zoned(zone).strftime(as_what).to_string()
}

#[test]
fn sessions_keep_their_hours_each_in_its_own_zone() {
    let folder = tempfile::tempdir().expect("a folder");
    // One's day in Tokyo ends when the other's week in New York begins.
    let clock = SystemClock::new();
    let turn = clock.now().0 / SECOND + 8;
    let (tokyo, york) = ("Asia/Tokyo", "America/New_York");
    let day = |at| on_the_wall(tokyo, at, "%H:%M:%S");
    let week = |at| on_the_wall(york, at, "%a %H:%M:%S");
    let more = format!("schedule = \"{}-{} {tokyo}\"", day(turn - 3_600), day(turn));
    let (config, address) = configuration(folder.path(), 1, "FIX.4.4", &more);
    let mut text = std::fs::read_to_string(&config).expect("just written");
    text += &format!(
        "[[fix.session]]\nid = 102\nversion = \"FIX.4.4\"\ntarget = \"CLIENT102\"\n\
         first_account = 1\nlast_account = 1\nrate = \"load-test\"\n\
         schedule = \"{}-{} {york}\"\n",
        week(turn),
        week(turn + 3_600)
    );
    std::fs::write(&config, text).expect("ours");
    let mut appliance = Appliance::new(config);
    appliance.start();
    let mut clients = connected(1, Version::Fix44, address);
    clients.push(FixClient::new(client_config(102, Version::Fix44), address));
    clients[1].connect(clock.now());
    until(&mut clients, "it is too early for one", |clients| !clients[1].is_connected());
    assert!(clients[0].is_up() && clock.now().0 < turn * SECOND, "the machine is too slow");
    until(&mut clients, "its day is over", |clients| !clients[0].is_connected());
    assert!(clock.now().0 >= turn * SECOND, "not before");
    assert_eq!(clients[0].told.ending, Some(Ending::LoggedOut), "it is told in good order");
    until(&mut clients, "the other's week begins", |clients| {
        if !clients[1].is_connected() {
            clients[1].connect(clock.now());
        }
        clients[1].is_up()
    });
    clients[0].connect(clock.now());
    until(&mut clients, "it is too late for one", |clients| !clients[0].is_connected());
    assert!(clients[1].is_up());
}

#[test]
fn only_the_right_password_and_one_line_get_in() {
    // The oldest version has no field for a name, and says the password in another.
    for version in [Version::Fix42, Version::Fix44] {
        let_in_by_password(version);
    }
}

fn let_in_by_password(version: Version) {
    use wirematch::wire::fix::session::Credentials;
    let folder = tempfile::tempdir().expect("a folder");
    let credentials = Credentials::new("user", "secret", [3; 16]);
    let more = format!("credentials = \"{credentials}\"");
    let (config, address) = configuration(folder.path(), 1, version.name(), &more);
    let mut appliance = Appliance::new(config);
    appliance.start();
    let client = |password: &str| {
        let mut config = client_config(101, version);
        config.login = Some(("user".into(), password.into()));
        let mut client = FixClient::new(config, address);
        client.connect(SystemClock::new().now());
        client
    };
    let mut wrong = [client("guess")];
    until(&mut wrong, "it is sent away", |clients| !clients[0].is_connected());
    let mut right = [client("secret")];
    until(&mut right, "it is up", |clients| clients[0].is_up());
    let mut second = [client("secret")];
    until(&mut second, "it is sent away", |clients| !clients[0].is_connected());
    right[0].poll(SystemClock::new().now());
    assert!(right[0].is_up(), "the first line stays");
}

/// ExecIDs the journal owes a session.
fn owed(data: &Path, session: u32) -> BTreeSet<u64> {
    let folder = LogKind::Events.folder(&data.join("journal"));
    let mut reader = Reader::<Event>::open(&folder, 0).expect("the journal is there");
    let mut owed = BTreeSet::new();
    while let Some(event) = reader.read_event().expect("the journal is whole") {
        use EventKind::{Accepted, Cancelled, Executed, Rejected};
        let is_report = [Accepted, Executed, Cancelled, Rejected].map(EventKind::code);
        if event.session.0 == session && is_report.contains(&event.kind) {
            owed.insert(event.id.0);
        }
    }
    owed
}

/// Everybody sends and takes for a while; lines that broke are opened again.
fn work(clients: &mut [FixClient], dice: &mut Dice, span: u64, sends: bool) {
    let clock = SystemClock::new();
    let end = clock.now().0 + span;
    while clock.now().0 < end {
        for client in &mut *clients {
            let now = clock.now();
            if !client.is_connected() {
                client.connect(now);
            }
            if sends && client.may_send() && dice.percent(50) {
                let side = if dice.percent(50) { b'1' } else { b'2' };
                let price = Price(PRICE.0 + 100 * (dice.below(21) as i64 - 10));
                client.order(side, 1 + dice.below(50), price, now);
            }
            client.poll(now);
        }
        std::thread::yield_now();
    }
}

#[test]
fn killed_on_either_side_under_load_no_report_is_lost_or_comes_twice() {
    let sessions =
        std::env::var("WIREMATCH_FIX_SESSIONS").map_or(40, |n| n.parse().expect("a number"));
    let folder = tempfile::tempdir().expect("a folder");
    let more = "cancel_on_disconnect = false";
    let (config, address) = configuration(folder.path(), sessions, "FIX.4.4", more);
    let mut appliance = Appliance::new(config);
    appliance.start();
    let begun = SystemClock::new().now();
    let mut clients = connected(sessions, Version::Fix44, address);
    let span = SystemClock::new().now().saturating_sub(begun).0 / 1_000_000;
    println!("{sessions} sessions up after {span} ms");
    let mut dice = Dice::new(5);
    let mut from_snapshots = 0;
    for round in 0..6 {
        let span = SECOND / 4 + dice.below(SECOND / 4);
        work(&mut clients, &mut dice, span, true);
        if round % 2 == 0 {
            if round > 0 {
                // Of an appliance that runs; its books may be at work just then.
                appliance.does(&["snapshot", "take"]);
            }
            appliance.kill();
            appliance.start();
            from_snapshots += u32::from(appliance.at_start.contains("begun from the snapshot"));
        } else {
            // A third of the clients die where they stand.
            let dying = clients.iter_mut().filter(|_| dice.percent(33));
            dying.for_each(FixClient::crash);
        }
    }
    work(&mut clients, &mut dice, SECOND / 4, false);
    for client in &mut clients {
        if !client.is_connected() {
            client.connect(SystemClock::new().now());
        }
    }
    until(&mut clients, "every order is answered", all_answered);
    work(&mut clients, &mut dice, SECOND / 2, false);
    appliance.stop();
    let data = folder.path().join("data");
    let (mut orders, mut reports) = (0, 0);
    for (client, id) in clients.iter().zip(101..) {
        let told: BTreeSet<u64> = client.told.reports.keys().copied().collect();
        assert!(client.told.twice.is_empty(), "session {id}: reports that came twice");
        assert_eq!(told, owed(&data, id), "session {id}: reports and journal");
        assert_eq!(client.told.answered, (1..=client.sent).collect(), "session {id}");
        orders += client.sent;
        reports += told.len();
    }
    println!("{orders} orders, {reports} reports, none lost, none twice");
    assert!(orders > u64::from(sessions) * 10, "too little load to mean anything");
    assert!(from_snapshots > 0, "no start began from a snapshot");
    assert!(appliance.replays(), "the journal does not replay");
    assert!(appliance.does(&["replay", "--snapshot", "--verify"]), "it is of another history");
}

#[test]
fn a_drop_copy_is_complete_after_it_was_away_and_after_a_kill() {
    let folder = tempfile::tempdir().expect("a folder");
    let more = "cancel_on_disconnect = false";
    let (config, address) = configuration(folder.path(), 2, "FIX.4.4", more);
    let mut text = std::fs::read_to_string(&config).expect("just written");
    text += "[[fix.session]]\nid = 300\nversion = \"FIX.5.0SP2\"\ntarget = \"CLIENT300\"\n\
             first_account = 1\nlast_account = 1000\nrate = \"load-test\"\ndrop_copy = true\n";
    std::fs::write(&config, text).expect("ours");
    let text = std::fs::read_to_string(&config).expect("just written");
    let text = text.replace("orders_max = 1048576", "orders_max = 65536");
    std::fs::write(&config, text + "[snapshots]\nevery_commands = 20\n").expect("ours");
    let mut appliance = Appliance::new(config);
    appliance.start();
    let mut clients = connected(2, Version::Fix44, address);
    let mut dice = Dice::new(9);
    let mut from_snapshots = 0;
    let mut copy = [FixClient::new(client_config(300, Version::Fix50Sp2), address)];
    for _ in 0..2 {
        // It is away while they trade, comes back, and is there when the appliance dies.
        work(&mut clients, &mut dice, SECOND / 10, true);
        copy[0].connect(SystemClock::new().now());
        until(&mut copy, "the copy is up", |copy| copy[0].is_up());
        work(&mut clients, &mut dice, SECOND / 10, true);
        work(&mut copy, &mut dice, SECOND / 10, false);
        appliance.does(&["snapshot", "take"]);
        appliance.kill();
        appliance.start();
        from_snapshots += u32::from(appliance.at_start.contains("begun from the snapshot"));
        until(&mut copy, "the line is gone", |copy| !copy[0].is_connected());
    }
    work(&mut clients, &mut dice, SECOND / 4, false);
    until(&mut clients, "every order is answered", all_answered);
    copy[0].connect(SystemClock::new().now());
    let data = folder.path().join("data");
    let owed: BTreeSet<u64> = [101, 102].iter().flat_map(|id| owed(&data, *id)).collect();
    until(&mut copy, "all is told", |copy| copy[0].told.reports.len() >= owed.len());
    assert_eq!(copy[0].told.reports.keys().copied().collect::<BTreeSet<u64>>(), owed);
    assert!(copy[0].told.twice.is_empty(), "copies that came twice");
    assert!(copy[0].told.reports.len() > 100, "too little to mean anything");
    assert!(from_snapshots > 0, "no start began from a snapshot");
    // It may ask for nothing.
    copy[0].order(b'1', 10, PRICE, SystemClock::new().now());
    until(&mut copy, "it is refused", |copy| !copy[0].told.others.is_empty());
    assert!(copy[0].told.others[0].contains("380=6"), "{:?}", copy[0].told.others);
}

#[test]
fn a_replay_of_numbers_survives_a_clean_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let (config, address) = configuration(folder.path(), 1, "FIX.4.4", "");
    let mut appliance = Appliance::new(config);
    appliance.start();
    let mut clients = connected(1, Version::Fix44, address);
    let now: Nanos = SystemClock::new().now();
    clients[0].order(b'1', 100, PRICE, now);
    until(&mut clients, "it rests", |clients| clients[0].told.answered.len() == 1);
    appliance.stop();
    until(&mut clients, "it is told", |clients| !clients[0].is_connected());
    let before = clients[0].numbers();
    assert!(before.0 >= 4, "logon, report and logout came: {before:?}");
    appliance.start();
    clients[0].connect(SystemClock::new().now());
    until(&mut clients, "up again", |clients| clients[0].is_up());
    let is_cancelled = |client: &FixClient| client.told.reports.values().any(|r| r.0 == b'4');
    until(&mut clients, "its order died with the line", |clients| is_cancelled(&clients[0]));
    assert!(clients[0].numbers().0 > before.0, "numbers go on");
}

/// A client's wish that a party is stopped (1), or goes on (2).
fn act(client: &mut FixClient, id: &str, action: u8, party: (&str, &str), why: &str) {
    client.say(b"DH", SystemClock::new().now(), &mut |writer| {
        writer.bytes(tag::PARTY_ACTION_REQUEST_ID, id.as_bytes());
        writer.byte(tag::PARTY_ACTION_TYPE, action);
        writer.number(tag::NO_REQUESTING_PARTY_IDS, 1);
        writer.bytes(tag::REQUESTING_PARTY_ID, b"ada");
        writer.number(tag::NO_PARTY_IDS, 1);
        writer.bytes(tag::PARTY_ID, party.1.as_bytes());
        writer.byte(tag::PARTY_ID_SOURCE, b'D');
        writer.bytes(tag::PARTY_ROLE, party.0.as_bytes());
        if !why.is_empty() {
            writer.bytes(tag::TEXT, why.as_bytes());
        }
    });
}

/// The kill switch by FIX: of the session and of its account, with a name and a reason, by those
/// who may; what an operator stopped no client lets go on.
#[test]
fn a_client_stops_its_trading_and_lets_it_go_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let version = Version::Fix50Sp2;
    let (config, address) =
        configuration(folder.path(), 2, version.name(), "may_stop = [\"session\", \"account\"]");
    let text = std::fs::read_to_string(&config).expect("it is written");
    let (own, other) = text.rsplit_once("may_stop").expect("two sessions");
    let (_, other) = other.split_once('\n').expect("a line");
    std::fs::write(&config, format!("{own}{other}")).expect("the folder is ours");
    let mut appliance = Appliance::new(config);
    appliance.start();
    let mut clients = connected(2, version, address);
    let now = SystemClock::new().now();
    let said = |clients: &mut [FixClient], at: usize, id: &str, what: &str| {
        let name = format!("2328={id}");
        until(clients, id, |clients| {
            clients[at].told.others.iter().any(|told| told.contains(&name))
        });
        let told = clients[at].told.others.iter().find(|told| told.contains(&name));
        assert!(told.is_some_and(|told| told.contains(what)), "{id}: {told:?}");
    };
    clients[0].order(b'1', 100, PRICE, now);
    until(&mut clients, "it rests", |clients| clients[0].told.answered.len() == 1);

    // Who may not, who does not say why, and parties that are nobody's.
    act(&mut clients[1], "other", b'1', ("55", "102"), "why not");
    said(&mut clients, 1, "other", "2333=98");
    for (id, party, why, code) in [
        ("mute", ("55", "101"), "", "2333=99"),
        ("foreign", ("55", "102"), "a fire", "2333=0"),
        ("beyond", ("24", "7"), "a fire", "2333=0"),
        ("role", ("7", "101"), "a fire", "2333=0"),
        ("firm", ("1", "1"), "a fire", "2333=98"),
    ] {
        act(&mut clients[0], id, b'1', party, why);
        said(&mut clients, 0, id, code);
    }

    for (at, party) in [("55", "101"), ("24", "102")].into_iter().enumerate() {
        let (stop, go) = (format!("stop-{at}"), format!("go-{at}"));
        act(&mut clients[0], &stop, b'1', party, "a fire");
        said(&mut clients, 0, &stop, "2332=1");
        until(&mut clients, "its order is cancelled", |clients| {
            let gone = clients[0].told.reports.values().filter(|(kind, ..)| *kind == b'4');
            gone.count() == at + 1
        });
        let id = clients[0].order(b'1', 100, PRICE, SystemClock::new().now());
        until(&mut clients, "it is refused", |clients| clients[0].told.answered.contains(&id));
        let refused = clients[0].told.reports.values().any(|told| *told == (b'8', id, 0));
        assert!(refused, "an order came through");
        act(&mut clients[0], &go, b'2', party, "it is out");
        said(&mut clients, 0, &go, "2332=1");
        let id = clients[0].order(b'1', 100, PRICE, SystemClock::new().now());
        until(&mut clients, "it rests", |clients| clients[0].told.answered.contains(&id));
        assert!(clients[0].told.reports.values().any(|told| *told == (b'0', id, 0)));
    }
    appliance.kill();
    assert!(appliance.replays());
    // Who and why is on record, as for operators.
    let commands = LogKind::Commands.folder(&folder.path().join("data/journal"));
    let mut reader = Reader::<Command>::open(&commands, 0).expect("it is there");
    let mut kills = 0;
    while let Some(group) = reader.read().expect("it can be read") {
        if group.head.kind() == Some(CommandKind::Kill) {
            let note = group.note().expect("a name and a reason");
            assert!(note.actor.starts_with(b"ada\0") && note.reason.starts_with(b"a fire\0"));
            kills += 1;
        }
    }
    assert_eq!(kills, 2);
}
