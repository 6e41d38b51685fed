//! Redis: what it holds forgets itself, and who has no limit there any more cannot buy.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use wirematch::model::AccountId;
use wirematch::slow::stores::StoreError;
use wirematch::slow::stores::redis::{Cache, CachedTop, LIMITS_KEY, top_key};

use crate::process::{Appliance, configuration, free_address};
use crate::{as_nobody, folder_of_nobody};

#[test]
fn the_cache_is_written_at_once_and_forgets_by_itself() {
    assert!(!top_key("ACME").starts_with("wirematch:top:"), "that key is the outlet's");
    let folder = folder_of_nobody();
    let Some((mut server, address)) = redis(26_391, folder.path()) else { return };
    let mut cache = Cache::new(&address);
    let limits = BTreeMap::from([(AccountId(7), 1_000_250_i64)]);
    let top = CachedTop { symbol: "ACME".into(), bid: 1, bid_quantity: 2, ask: 3, ask_quantity: 4 };
    let client = redis::Client::open(address.as_str()).expect("an address");
    let mut connection = client.get_connection().expect("it listens");
    let read = |connection: &mut redis::Connection| -> (Option<i64>, Option<String>) {
        let mut pipe = redis::pipe();
        pipe.hget(LIMITS_KEY, 7).get(top_key("ACME"));
        pipe.query(connection).expect("it answers")
    };
    // On a busy machine it may be gone before it is asked for.
    let begun = Instant::now();
    let text = loop {
        let put = cache.put(&limits, std::slice::from_ref(&top));
        if let (Some(limit), text) = read(&mut connection) {
            assert_eq!(limit, 1_000_250);
            break text;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "it was never there: {put:?}");
    };
    assert_eq!(serde_json::from_str::<CachedTop>(&text.expect("a top")).expect("JSON"), top);
    std::thread::sleep(Duration::from_millis(400));
    assert_eq!(read(&mut connection).0, None, "limits that are not renewed are gone");
    std::thread::sleep(Duration::from_millis(800));
    assert_eq!(read(&mut connection), (None, None), "tops live for a second");
    server.kill().expect("it runs");
    server.wait().expect("it ends");
    assert!(matches!(cache.put(&limits, &[]), Err(StoreError::Down { .. })));
}

/// A Redis of our own, and its address; none where there is no Redis.
fn redis(port: u16, folder: &Path) -> Option<(std::process::Child, String)> {
    let server = as_nobody("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
        .args(["--appendonly", "no", "--dir"])
        .arg(folder)
        .stdout(std::process::Stdio::null())
        .spawn();
    let Ok(server) = server.filter_out() else {
        println!("skipped: Redis 7 is not there");
        return None;
    };
    let begun = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    Some((server, format!("redis://127.0.0.1:{port}")))
}

#[test]
fn who_has_no_limit_any_more_cannot_buy() {
    let folder = folder_of_nobody();
    let Some((mut server, address)) = redis(26_392, folder.path()) else { return };
    let place = tempfile::tempdir().expect("a folder");
    let entry = free_address();
    let config = configuration(place.path(), entry, 1);
    let mut text = fs::read_to_string(&config).expect("it is written");
    text += &format!(
        "[slow.scaled]\nredis = \"{address}\"\n\
         [slow.scaled.limits]\nfirst_account = 1\nlast_account = 2\n"
    );
    fs::write(&config, text).expect("it is ours");
    let mut connection = redis::Client::open(address.as_str())
        .and_then(|client| client.get_connection())
        .expect("it listens");
    let mut renew = |account: u32, money: &str, lives_ms: u32| {
        let mut put = redis::cmd("SET");
        let key = format!("wirematch:buying-power:{account}");
        put.arg(key).arg(money).arg("PX").arg(lives_ms).exec(&mut connection).expect("it takes it");
    };
    renew(1, "40000.00", 600_000);
    renew(2, "much", 600_000);
    let mut appliance = Appliance::new(config);
    appliance.start();
    let order = |account: &str, side: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_wirematch"))
            .args(["client", "--gateway", &entry.to_string(), "--session", "1"])
            .args(["--key", "test-key-1", "order", side, "100", "ACME", "299.50"])
            .args(["--account", account])
            .output()
            .expect("the binary starts");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let eventually = |account: &str, word: &str| {
        let begun = Instant::now();
        loop {
            let said = order(account, "buy");
            if said.contains(word) {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "never {word}: {said}");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    // One order takes 29,950 of the 40,000; what is no amount is no limit, and closed.
    eventually("2", "rejected");
    eventually("1", "accepted");
    eventually("1", "rejected");
    renew(1, "100000.00", 600_000);
    eventually("1", "accepted");
    // It dies, and then it is there again.
    renew(1, "1000000.00", 1);
    eventually("1", "rejected");
    assert!(order("1", "sell").contains("accepted"), "who sells needs no money");
    renew(1, "1000000.00", 600_000);
    eventually("1", "accepted");
    server.kill().expect("it runs");
    server.wait().expect("it ends");
    eventually("1", "rejected");
    let said = appliance.said().join("\n");
    assert!(said.contains("no buying power was renewed for 2 of 2 accounts"), "{said}");
    assert!(said.contains("wirematch:buying-power:2"), "{said}");
    assert!(appliance.stop().success());
    assert!(appliance.replays(), "limits are in the journal");
}

/// A server that ended at once was not there.
trait FilterOut {
    fn filter_out(self) -> Result<std::process::Child, ()>;
}

impl FilterOut for std::io::Result<std::process::Child> {
    fn filter_out(self) -> Result<std::process::Child, ()> {
        let mut child = self.map_err(drop)?;
        std::thread::sleep(Duration::from_millis(300));
        match child.try_wait() {
            Ok(None) => Ok(child),
            _ => Err(()),
        }
    }
}
