//! The books of a running appliance: cash and what risk is told of it, fees, reconciliation, service
//! levels; and two appliances of two regions, each in a network of its own.
#![allow(clippy::disallowed_methods, reason = "a test waits for others by the clock")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_wirematch");

/// A command in a network namespace, or in ours.
fn inside(network: &str, program: &str) -> Command {
    if network.is_empty() {
        return Command::new(program);
    }
    let mut command = Command::new("ip");
    command.args(["netns", "exec", network, program]);
    command
}

/// A running appliance with a folder of its own.
struct Running {
    folder: tempfile::TempDir,
    network: String,
    process: Child,
}

impl Running {
    fn start(network: &str, config: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        let path = folder.path().join("appliance.toml");
        fs::write(&path, format!("data = \"{}\"\n{config}", data.display())).expect("a file");
        let said = File::create(folder.path().join("said")).expect("a file");
        let process = inside(network, BINARY)
            .args(["run", "--no-table", "--config"])
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(said)
            .spawn()
            .expect("the binary runs");
        let running = Self { folder, network: network.into(), process };
        running.wait("ready; orders at");
        running
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn said(&self) -> String {
        fs::read_to_string(self.folder.path().join("said")).unwrap_or_default()
    }

    fn wait(&self, word: &str) {
        let begun = Instant::now();
        while !self.said().contains(word) {
            assert!(begun.elapsed() < Duration::from_secs(120), "no `{word}`: {}", self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Asks with the data folder named.
    fn ask(&self, arguments: &[&str]) -> Output {
        let mut command = inside(&self.network, BINARY);
        command.args(arguments).output().expect("the binary runs")
    }

    fn good(&self, arguments: &[&str]) -> String {
        let output = self.ask(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn positions(&self, arguments: &[&str]) -> Vec<Value> {
        let data = self.data();
        let mut all = vec!["positions", data.to_str().expect("a path"), "--json"];
        all.extend(arguments);
        let lines = self.good(&all);
        lines.lines().map(|line| serde_json::from_str(line).expect("an object")).collect()
    }

    /// Waits until the books have what is asked for.
    fn until(&self, arguments: &[&str], holds: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let begun = Instant::now();
        loop {
            let found = self.positions(arguments);
            if holds(&found) {
                return found;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "{found:?}\n{}", self.said());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn ports(first: u16) -> String {
    format!(
        "[entry]\naddress = \"127.0.0.1:{first}\"\n[feed]\naddress = \"127.0.0.1:{}\"\n\
         group = \"127.0.0.1:{}\"\n[[core]]\nidle = \"sleep\"\nstages = [\"gateway\", \
         \"sequencer\", \"risk\", \"matching\", \"recorder\", \"feed\"]\n",
        first + 1,
        first + 2
    )
}

/// A client's session whose orders outlive it.
fn client_session(id: u32) -> String {
    format!(
        "[[session]]\nid = {id}\nkey = \"change-me-{id}\"\nfirst_account = 1\n\
         last_account = 19\nrate = \"load-test\"\nself_trade = \"allow\"\n\
         cancel_on_disconnect = false\n"
    )
}

fn order(running: &Running, gateway: &str, session: u32, account: &str, rest: &[&str]) -> String {
    let (number, key) = (session.to_string(), format!("change-me-{session}"));
    let mut all = vec!["client", "--gateway", gateway, "--session", &number, "--key", &key];
    all.push("order");
    all.extend(rest);
    all.extend(["--account", account]);
    running.good(&all)
}

#[test]
fn cash_fees_and_breaks_of_a_running_appliance() {
    let fee = "[[fee]]\nmaker = \"-0.0020\"\ntaker = \"0.0030\"\n";
    let region = "[slow]\nregion = \"US\"\n";
    let sessions: String = [1, 2].map(client_session).concat();
    let config = format!("{}{region}{fee}{sessions}", ports(19_310));
    let running = Running::start("", &config);
    let data = running.data();
    let data = data.to_str().expect("a path");
    let by = ["--data", data, "--actor", "ann", "--reason", "test"];
    let cash = |arguments: &[&str]| {
        let all: Vec<&str> = ["cash"].iter().chain(arguments).chain(&by).copied().collect();
        running.ask(&all)
    };
    let deposit = ["deposit", "250.50", "--account", "7", "--name", "wire-1"];
    assert_eq!(cash(&deposit).status.code(), Some(0));
    let again = cash(&deposit);
    assert!(String::from_utf8_lossy(&again.stdout).contains("was booked before"), "{again:?}");
    let much = cash(&["withdraw", "250.51", "--account", "7", "--name", "wire-2"]);
    assert_eq!(much.status.code(), Some(2), "{much:?}");
    assert_eq!(cash(&["deposit", "-1", "--account", "7", "--name", "x"]).status.code(), Some(2));
    // Risk is told an absolute value: what the configuration gave, and the deposit.
    let begun = Instant::now();
    loop {
        let shown = running.good(&["risk", "show", "--data", data, "--json"]);
        if shown.contains("1000000250.50") {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{shown}\n{}", running.said());
    }
    order(&running, "127.0.0.1:19310", 1, "7", &["sell", "100", "ACME", "300.00"]);
    order(&running, "127.0.0.1:19310", 2, "8", &["buy", "100", "ACME", "300.00"]);
    let sold = |row: &Value| row["account"] == 7 && row["quantity"] == "-100";
    let found = running.until(&["--account", "7"], |found| found.iter().any(sold));
    let position = found.iter().find(|row| sold(row)).expect("it is there");
    assert_eq!((&position["fees"], &position["symbol"]), (&"-0.20".into(), &"ACME".into()));
    let money = found.iter().find(|row| row["currency"] == "USD" && row["balance"].is_string());
    assert_eq!(money.expect("a purse")["balance"], "30250.70");
    let trades = running.good(&["trades", "--account", "8", "--data", data]);
    assert_eq!(trades.lines().filter(|line| line.contains("Buy 100 ACME")).count(), 1, "{trades}");
    let parquet = running.folder.path().join("orders.parquet");
    let parquet = parquet.to_str().expect("a path");
    running.good(&["audit", "export", data, "--format", "parquet", "--out", parquet]);
    assert!(fs::read(parquet).expect("a file").ends_with(b"PAR1"));
    let status = running.good(&["risk", "status", "--data", data]);
    let status: Value = serde_json::from_str(&status).expect("JSON");
    assert_eq!(status["service_levels"].as_array().map(Vec::len), Some(6), "{status}");
    reconcile(&running, data);
}

/// A statement that is right, one that is not, one that is none.
fn reconcile(running: &Running, data: &str) {
    let header = "record,trade_id,trade_date,settlement_date,account,symbol,side,quantity,price,\
                  fee,currency";
    let today = jiff::Zoned::now()
        .with_time_zone(jiff::tz::TimeZone::get("America/New_York").expect("a zone"));
    let today = today.date();
    let file = running.folder.path().join("clearing.csv");
    let path = file.to_str().expect("a path");
    let compare = |balance: &str| {
        let cash = format!("{header}\ncash,,{today},,7,,,,{balance},,USD\n");
        fs::write(&file, cash).expect("a file");
        running.ask(&["reconcile", path, "--data", data])
    };
    let good = compare("30250.70");
    assert_eq!(good.status.code(), Some(0), "{good:?}");
    let bad = compare("30250.69");
    assert_eq!(bad.status.code(), Some(3), "{bad:?}");
    let queue = running.good(&["reconcile", "queue", "--data", data, "--json"]);
    let review: Value = serde_json::from_str(queue.trim()).expect("one review");
    assert_eq!((&review["state"], &review["found"]["kind"]), (&"open".into(), &"cash".into()));
    let id = review["found"]["id"].as_str().expect("a name").to_owned();
    running.good(&[
        "reconcile",
        "resolve",
        &id,
        "--owner",
        "ann",
        "--resolution",
        "theirs",
        "--data",
        data,
    ]);
    assert_eq!(running.good(&["reconcile", "queue", "--data", data]), "");
    let none = compare("much");
    let said = String::from_utf8_lossy(&none.stderr).into_owned();
    assert_eq!(none.status.code(), Some(2));
    assert!(said.contains("line 2, column 24"), "{said}");
}

/// Two networks and a wire between them; gone when it is dropped.
struct Wire([String; 2]);

fn ip(arguments: &str) -> bool {
    let output = Command::new("ip").args(arguments.split(' ')).output();
    output.is_ok_and(|output| output.status.success())
}

impl Wire {
    fn new() -> Option<Self> {
        let names = ["us", "eu"].map(|name| format!("wm{}{name}", std::process::id()));
        let [us, eu] = &names;
        let wire = Self(names.clone());
        let steps = [
            format!("netns add {us}"),
            format!("netns add {eu}"),
            format!("link add v{us} netns {us} type veth peer name v{eu} netns {eu}"),
            format!("-n {us} addr add 10.99.0.1/24 dev v{us}"),
            format!("-n {eu} addr add 10.99.0.2/24 dev v{eu}"),
            format!("-n {us} link set v{us} up"),
            format!("-n {eu} link set v{eu} up"),
            format!("-n {us} link set lo up"),
            format!("-n {eu} link set lo up"),
        ];
        steps.iter().all(|step| ip(step)).then_some(wire)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.0.iter().for_each(|name| {
            ip(&format!("netns del {name}"));
        });
    }
}

/// The appliance of a region: accounts 1 to 9 are American, 10 to 19 European.
fn regional(region: &str, own: &str, other: &str, forwards: bool) -> String {
    let (peer, session, back) = match region {
        "US" => ("eu", 900, 901),
        _ => ("us", 901, 900),
    };
    let elsewhere = if region == "US" { "EU" } else { "US" };
    let (currency, zone) = match elsewhere {
        "EU" => ("EUR", "Europe/Paris"),
        _ => ("USD", "America/New_York"),
    };
    let to = if forwards { format!("appliance = \"{peer}\"\n") } else { String::new() };
    format!(
        "appliance = \"{}\"\n[entry]\naddress = \"{own}:9100\"\n[feed]\naddress = \"{own}:9200\"\n\
         group = \"{own}:9201\"\n[peers]\naddress = \"{own}:9300\"\n[[peers.appliance]]\n\
         name = \"{peer}\"\nsession = {session}\nkey = \"the key of {session}\"\n\
         gateway = \"{other}:9100\"\n[slow]\nregion = \"{region}\"\n[[region]]\n\
         name = \"{elsewhere}\"\ncurrency = \"{currency}\"\nzone = \"{zone}\"\n\
         settlement = [{{ from = \"2020-01-01\", days = 2 }}]\n{to}\
         [[account]]\nfirst = 1\ncount = 9\nregion = \"US\"\n\
         [[account]]\nfirst = 10\ncount = 10\nregion = \"EU\"\n{}{}\
         [[session]]\nid = {back}\nkey = \"the key of {back}\"\nfirst_account = 1\n\
         last_account = 19\nrate = \"load-test\"\ncancel_on_disconnect = false\n\
         self_trade = \"allow\"\n[[core]]\nidle = \"sleep\"\nstages = [\"gateway\", \"peers\", \
         \"sequencer\", \"risk\", \"dealer\", \"matching\", \"away\", \"collector\", \
         \"recorder\", \"feed\"]\n",
        region.to_lowercase(),
        client_session(1),
        client_session(2)
    )
}

#[test]
fn orders_go_to_the_region_of_their_account_and_what_is_known_of_it_stays_there() {
    let Some(wire) = Wire::new() else {
        println!("skipped: this user may not make network namespaces");
        return;
    };
    let [us_network, eu_network] = &wire.0;
    let (us_address, eu_address) = ("10.99.0.1", "10.99.0.2");
    let us = Running::start(us_network, &regional("US", us_address, eu_address, true));
    let eu = Running::start(eu_network, &regional("EU", eu_address, us_address, false));
    // A European account sells at home, another one buys over the American appliance.
    order(&eu, "10.99.0.2:9100", 1, "10", &["sell", "100", "ACME", "300.00"]);
    let begun = Instant::now();
    loop {
        let said = order(&us, "10.99.0.1:9100", 1, "11", &["buy", "40", "ACME", "300.00"]);
        if said.to_lowercase().contains("executed") {
            break;
        }
        // Until the two have found each other.
        assert!(begun.elapsed() < Duration::from_secs(60), "{said}\n{}", us.said());
    }
    let bought = |row: &Value| row["account"] == 11 && row["quantity"] == "40";
    eu.until(&[], |found| found.iter().any(bought));
    let ours = us.positions(&[]);
    let has_europeans = ours.iter().any(|row| row["account"].as_u64().is_some_and(|a| a > 9));
    assert!(!has_europeans, "{ours:?}");
    // An American account that asks in Europe is refused: that is how Europe is configured.
    let said = order(&eu, "10.99.0.2:9100", 2, "1", &["buy", "10", "ACME", "300.00"]);
    assert!(said.to_lowercase().contains("reject"), "{said}");
    // Europe is down: orders for it are refused, America trades on.
    drop(eu);
    std::thread::sleep(Duration::from_millis(500));
    let said = order(&us, "10.99.0.1:9100", 1, "12", &["buy", "10", "ACME", "300.00"]);
    assert!(said.to_lowercase().contains("reject"), "{said}");
    let said = order(&us, "10.99.0.1:9100", 1, "1", &["buy", "10", "ACME", "300.00"]);
    assert!(said.to_lowercase().contains("accepted"), "{said}");
}

#[test]
fn a_region_that_makes_no_sense_is_refused_with_the_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let check = |text: &str| {
        let path = folder.path().join("wrong.toml");
        fs::write(&path, text).expect("a file");
        let output = Command::new(BINARY).args(["check", "--config"]).arg(&path).output();
        let output = output.expect("the binary runs");
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(check("[slow]\nregion = \"MARS\"\n").contains("no region"));
    let far = "[slow]\nregion = \"US\"\n[[account]]\nfirst = 1\ncount = 1000\nregion = \"ZZ\"\n";
    assert!(check(far).contains("wrong.toml:3:"), "{}", check(far));
    let zone = "[[region]]\nname = \"X\"\ncurrency = \"USD\"\nzone = \"Mars/North\"\n\
                settlement = [{ from = \"2020-01-01\", days = 1 }]\n";
    assert!(check(zone).contains("no zone"));
    assert!(check("[[fee]]\nmaker = \"free\"\n").contains("not an amount"));
    if cfg!(not(feature = "scaled")) {
        let scaled = "[slow.scaled]\nredis = \"redis://127.0.0.1:1\"\n";
        assert!(check(scaled).contains("--features scaled"));
    }
    assert!(Path::new(BINARY).exists());
}
