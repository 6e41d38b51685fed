//! An appliance with a console, and a browser's part of the talk with it.

#![allow(dead_code, unreachable_pub, reason = "every test takes what it needs of this")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{Appliance, configuration, free_address};

/// A TCP port that nobody uses just now.
pub fn free_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
    listener.local_addr().expect("it is bound")
}

/// An appliance with a console, not started yet.
pub struct World {
    pub folder: TempDir,
    pub config: PathBuf,
    pub console: SocketAddr,
}

impl World {
    /// With these keys of `[console]` besides its address.
    pub fn new(keys: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let config = configuration(folder.path(), free_address(), 2);
        let console = free_port();
        let mut text = std::fs::read_to_string(&config).expect("it was written");
        text += &format!("\n[console]\naddress = \"{console}\"\n{keys}");
        std::fs::write(&config, text).expect("the folder is ours");
        Self { folder, config, console }
    }

    /// With a user of each role, and these keys.
    pub fn users(keys: &str) -> Self {
        let world = Self::new(&format!("users = \"USERS\"\n{keys}"));
        let users = world.folder.path().join("users.toml");
        let text = std::fs::read_to_string(&world.config).expect("it was written");
        let text = text.replace("USERS", &users.display().to_string());
        std::fs::write(&world.config, text).expect("the folder is ours");
        let all: String = ["viewer", "operator", "risk"].map(user).concat();
        std::fs::write(users, all).expect("the folder is ours");
        world
    }

    /// Its data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Starts it and waits until it is ready.
    pub fn start(&self) -> Appliance {
        let mut appliance = Appliance::new(self.config.clone());
        appliance.start();
        until("it is ready", || run(&["ready"], &self.data()).0 == 0);
        appliance
    }

    /// Status and body.
    pub fn get(&self, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
        request(self.console, "GET", path, headers, "")
    }

    /// As `get`, with a body.
    pub fn post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> (u16, String) {
        let headers = [headers, &[("Content-Type", "application/json")]].concat();
        request(self.console, "POST", path, &headers, &body.to_string())
    }

    /// The cookie and the token of somebody.
    pub fn log_in(&self, name: &str) -> (String, String) {
        let body = json!({ "name": name, "password": format!("{name}-secret") });
        let (status, answer) = self.post("/api/login", &[], &body);
        assert_eq!(status, 200, "{answer}");
        let (_, rest) = answer.split_once("set-cookie: ").expect("there is a cookie");
        assert!(rest.contains("HttpOnly; SameSite=Strict"), "{rest}");
        let cookie = rest.split(';').next().expect("it has a value").to_owned();
        let me = body_of(&self.get("/api/me", &[("Cookie", &cookie)]).1);
        assert_eq!(me["role"].as_str(), Some(name));
        (cookie, me["token"].as_str().expect("there is a token").to_owned())
    }
}

/// A user whose name is the role.
pub fn user(role: &str) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_wirematch"))
        .args(["console-password", role, "--role", role])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    writeln!(stdin, "{role}-secret").expect("it listens");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    String::from_utf8(output.stdout).expect("it is text")
}

/// Exit code, what it printed, and what it complained of.
pub fn run(arguments: &[&str], data: &Path) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_wirematch"))
        .args(arguments)
        .arg("--data")
        .arg(data)
        .output()
        .expect("the binary starts");
    let text = |bytes| String::from_utf8(bytes).expect("it is text");
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

/// Waits for it.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..2_400 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("never: {what}");
}

/// One request in plain HTTP: status and answer.
pub fn request(
    to: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (u16, String) {
    let mut stream = TcpStream::connect(to).expect("it listens");
    let own = to.to_string();
    let host = headers.iter().find(|(name, _)| *name == "Host").map_or(&*own, |(_, host)| host);
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    for (name, value) in headers.iter().filter(|(name, _)| *name != "Host") {
        text += &format!("{name}: {value}\r\n");
    }
    text += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(text.as_bytes()).expect("it listens");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers in text");
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
    (status.expect("it has a status"), answer)
}

/// The JSON of an answer.
pub fn body_of(answer: &str) -> Value {
    let (_, body) = answer.split_once("\r\n\r\n").expect("there is a body");
    serde_json::from_str(body).unwrap_or(Value::Null)
}
