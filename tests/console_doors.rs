//! Whom the console lets in, for how long, and by which road.

#![allow(clippy::disallowed_methods, reason = "a test waits for others by the clock")]

#[path = "support/console.rs"]
mod console;
#[path = "support/process.rs"]
#[allow(dead_code, unreachable_pub, reason = "every test takes what it needs of this")]
mod process;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use console::{World, body_of, request, until, user};
use process::Appliance;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::json;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, WebSocket};
use wirematch::runtime::counters_file::{COUNTERS_NAME, Snapshot};

/// Opens the page's socket, or says with what status it was refused.
fn open(world: &World, headers: &[(&'static str, &str)]) -> Result<WebSocket<TcpStream>, u16> {
    let url = format!("ws://{}/ws", world.console);
    let mut request = url.into_client_request().expect("the address is good");
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().expect("it is text"));
    }
    let stream = TcpStream::connect(world.console).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a socket has time-outs");
    match tungstenite::client(request, stream) {
        Ok((socket, _)) => Ok(socket),
        Err(tungstenite::HandshakeError::Failure(tungstenite::Error::Http(answer))) => {
            Err(answer.status().as_u16())
        }
        Err(error) => panic!("no handshake: {error}"),
    }
}

/// Whether figures come; not when the socket is closed.
fn is_told(socket: &mut WebSocket<TcpStream>) -> bool {
    matches!(socket.read(), Ok(message) if message.is_text())
}

/// Figures come no more, soon: what was on the way may still come.
fn falls_silent(socket: &mut WebSocket<TcpStream>) -> bool {
    (0..20).any(|_| !is_told(socket))
}

fn hang_up(world: &World) {
    let seen = Snapshot::read(&world.data().join(COUNTERS_NAME)).expect("it is good");
    let sent = Command::new("kill").args(["-HUP", &seen.pid.to_string()]).status();
    assert!(sent.expect("`kill` is there").success());
}

fn said(appliance: &Appliance, words: &str) -> bool {
    appliance.said().iter().any(|line| line.contains(words))
}

#[test]
fn who_watches_stays_logged_in_and_who_is_gone_is_told_no_more() {
    let world = World::users("idle_s = 3\n");
    let mut appliance = world.start();
    let ((silent, _), (cookie, token)) = (world.log_in("viewer"), world.log_in("operator"));
    let headers = [("Cookie", &*cookie), ("X-Token", &*token)];
    assert_eq!(open(&world, &[]).err(), Some(401));
    let mut socket = open(&world, &[("Cookie", &cookie)]).expect("she is let in");
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(6) {
        assert!(is_told(&mut socket), "she only looks");
    }
    let kill = json!({ "whom": { "scope": "everything" }, "reason": "a drill", "word": "KILL" });
    assert_eq!(world.post("/api/kill", &headers, &kill).0, 200);
    assert_eq!(world.get("/api/figures", &[("Cookie", &silent)]).0, 401, "it was silent");

    assert_eq!(world.post("/api/logout", &headers, &json!({})).0, 200);
    assert!(falls_silent(&mut socket), "she has left");

    let (cookie, _) = world.log_in("risk");
    let mut socket = open(&world, &[("Cookie", &cookie)]).expect("he is let in");
    assert!(is_told(&mut socket));
    std::fs::write(world.folder.path().join("users.toml"), user("viewer")).expect("it is ours");
    hang_up(&world);
    assert!(falls_silent(&mut socket), "he is in the file no more");
    assert!(appliance.stop().success());
}

#[test]
fn users_that_a_hangup_brings_are_needed_at_once_and_stay_needed() {
    let world = World::new("role = \"risk\"\n");
    let mut appliance = world.start();
    assert_eq!(world.get("/api/figures", &[]).0, 200);
    let mut socket = open(&world, &[]).expect("anybody is let in");
    assert!(is_told(&mut socket));
    let before = std::fs::read_to_string(&world.config).expect("it was written");
    let users = world.folder.path().join("users.toml");
    std::fs::write(&users, user("viewer")).expect("the folder is ours");
    let after = before.replace("role = \"risk\"", &format!("users = \"{}\"", users.display()));
    std::fs::write(&world.config, &after).expect("the folder is ours");
    hang_up(&world);
    until("it is read again", || said(&appliance, "changed: console.users"));
    assert!(said(&appliance, "these need a restart: console.role"));
    assert_eq!(world.get("/api/figures", &[]).0, 401);
    let me = body_of(&world.get("/api/me", &[]).1);
    assert!(me.get("role").is_none() && me["needs_login"] == json!(true), "{me}");
    assert!(falls_silent(&mut socket), "nobody has said who looks there");
    world.log_in("viewer");
    std::fs::write(&world.config, &before).expect("the folder is ours");
    hang_up(&world);
    until("it is said", || said(&appliance, "these need a restart: console.users"));
    assert_eq!(world.get("/api/figures", &[]).0, 401);
    assert!(appliance.stop().success());
}

#[test]
fn a_scraper_reads_metrics_with_its_token_and_nothing_else() {
    let world = World::users("scrape_token = \"TOKEN\"\n");
    let token = world.folder.path().join("scrape.token");
    std::fs::write(&token, "a-word-of-some-length\n").expect("the folder is ours");
    let text = std::fs::read_to_string(&world.config).expect("it was written");
    let text = text.replace("TOKEN", &token.display().to_string());
    std::fs::write(&world.config, text).expect("the folder is ours");
    let mut appliance = world.start();
    let good = [("Authorization", "Bearer a-word-of-some-length")];
    let (status, answer) = world.get("/metrics", &good);
    assert!(status == 200 && answer.contains("wirematch_up 1"), "{answer}");
    for bad in ["Bearer a-word-of-some-lengt", "Bearer ", "a-word-of-some-length"] {
        assert_eq!(world.get("/metrics", &[("Authorization", bad)]).0, 401, "{bad}");
    }
    assert_eq!(world.get("/api/figures", &good).0, 401);
    assert_eq!(world.post("/api/kill", &good, &json!({})).0, 401);
    std::fs::write(&token, "another-word-of-some-length").expect("the folder is ours");
    hang_up(&world);
    let another = [("Authorization", "Bearer another-word-of-some-length")];
    until("it is read again", || world.get("/metrics", &another).0 == 200);
    assert_eq!(world.get("/metrics", &good).0, 401);
    assert!(appliance.stop().success());
}

#[test]
fn a_page_of_another_site_opens_no_socket() {
    let world = World::new("");
    let _appliance = world.start();
    assert_eq!(open(&world, &[("Origin", "http://evil.example")]).err(), Some(403));
    let own = format!("http://{}", world.console);
    let mut socket = open(&world, &[("Origin", &own)]).expect("it is our page");
    let told = socket.read().expect("figures come").into_text().expect("as text");
    let told: serde_json::Value = serde_json::from_str(&told).expect("it is JSON");
    assert_eq!(told["version"], 1);
    assert!(told["figures"]["cores"].is_array() && told["trades"].is_array(), "{told}");
}

#[test]
fn others_than_this_machine_come_only_with_users_and_tls() {
    let world = World::new("USERS\nCERTIFICATE\nKEY\n");
    let text = std::fs::read_to_string(&world.config).expect("it was written");
    let keys = [
        ("USERS", "users = \"users.toml\""),
        ("CERTIFICATE", "certificate = \"console.pem\""),
        ("KEY", "private_key = \"console.key\""),
    ];
    for has in 0..8 {
        for (address, is_open) in [("127.0.0.1", false), ("0.0.0.0", true), ("[::]", true)] {
            let mut text = text.replace(
                &format!("[console]\naddress = \"{}\"", world.console),
                &format!("[console]\naddress = \"{address}:9700\""),
            );
            for (at, (word, key)) in keys.iter().enumerate() {
                text = text.replace(word, if has >> at & 1 == 1 { key } else { "" });
            }
            std::fs::write(&world.config, &text).expect("the folder is ours");
            let checked = Command::new(env!("CARGO_BIN_EXE_wirematch"))
                .args(["config", "show", "--config"])
                .arg(&world.config)
                .output()
                .expect("the binary starts");
            let is_good = match is_open {
                true => has == 7,
                // Half of TLS is none.
                false => matches!(has >> 1, 0 | 3),
            };
            let why = String::from_utf8_lossy(&checked.stderr);
            assert_eq!(checked.status.code(), Some(if is_good { 0 } else { 2 }), "{text}{why}");
            assert!(is_good || why.contains("[console]"), "{why}");
        }
    }
}

/// A certificate of one day for loopback, with its key, in the world's folder.
fn certificate(world: &World) -> CertificateDer<'static> {
    let [pem, key] = ["console.pem", "console.key"].map(|name| world.folder.path().join(name));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-nodes", "-days", "1", "-subj", "/CN=localhost", "-addext"])
        .args(["subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(key)
        .arg("-out")
        .arg(&pem)
        .output()
        .expect("`openssl` is there");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    CertificateDer::from_pem_file(pem).expect("it was written")
}

#[test]
fn by_tls_it_answers_to_its_name_and_to_nobody_in_the_clear() {
    let world = World::users("certificate = \"PEM\"\nprivate_key = \"KEY\"\n");
    let own = certificate(&world);
    let text = std::fs::read_to_string(&world.config).expect("it was written");
    let path = |name: &str| world.folder.path().join(name).display().to_string();
    let text = text.replace("PEM", &path("console.pem")).replace("KEY", &path("console.key"));
    std::fs::write(&world.config, text).expect("the folder is ours");
    let mut appliance = world.start();
    // Somebody who never goes on with the handshake keeps nobody waiting.
    let _mute = TcpStream::connect(world.console).expect("it listens");
    let mut roots = rustls::RootCertStore::empty();
    roots.add(own).expect("it is a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("there are some")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client = Arc::new(client);
    let ask = |method: &str, path: &str, body: &str| {
        let name = ServerName::try_from("127.0.0.1").expect("it is an address");
        let connection = rustls::ClientConnection::new(Arc::clone(&client), name);
        let socket = TcpStream::connect(world.console).expect("it listens");
        let mut stream = rustls::StreamOwned::new(connection.expect("it is good"), socket);
        let text = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            world.console,
            body.len()
        );
        stream.write_all(text.as_bytes()).expect("the certificate is the one we know");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    };
    assert!(ask("GET", "/healthz", "").starts_with("HTTP/1.1 200"));
    assert!(ask("GET", "/metrics", "").starts_with("HTTP/1.1 401"));
    let login = json!({ "name": "viewer", "password": "viewer-secret" }).to_string();
    let answer = ask("POST", "/api/login", &login);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("HttpOnly; SameSite=Strict; Secure"), "{answer}");
    let plain = std::panic::catch_unwind(|| request(world.console, "GET", "/healthz", &[], ""));
    assert!(plain.is_err(), "it spoke in the clear: {plain:?}");
    assert!(appliance.stop().success());
}
