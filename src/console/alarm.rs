//! Tells the person on call when a part is down and when it is back: by a POST, by a program.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;

use crate::console::{Verdict, verdicts};
use crate::model::Nanos;
use crate::runtime::counters_file::Snapshot;
use crate::runtime::{Clock, StopFlag, SystemClock, log};
use crate::topology::AlarmConfig;

/// How often parts are looked at.
const PERIOD: Duration = Duration::from_millis(500);

/// How long a webhook may take.
const WITHIN: Duration = Duration::from_secs(5);

/// The thread that looks, from outside: it ends when this is dropped.
#[derive(Debug)]
pub struct Bellman {
    config: Arc<Mutex<AlarmConfig>>,
    stop: StopFlag,
}

impl Bellman {
    /// Whom to tell from now on.
    pub fn set(&self, config: AlarmConfig) {
        *self.config.lock().unwrap_or_else(|bad| bad.into_inner()) = config;
    }
}

impl Drop for Bellman {
    fn drop(&mut self) {
        self.stop.raise();
    }
}

/// Starts the thread that looks.
///
/// # Errors
/// A thread that cannot be started.
pub fn spawn_alarm(file: PathBuf, config: AlarmConfig) -> std::io::Result<Bellman> {
    let (config, stop) = (Arc::new(Mutex::new(config)), StopFlag::default());
    let bellman = Bellman { config: Arc::clone(&config), stop: stop.clone() };
    let clock = SystemClock::new();
    let body = move || {
        let mut bell = Bell::default();
        while !stop.is_raised() {
            let config = config.lock().unwrap_or_else(|bad| bad.into_inner()).clone();
            bell.repeat = Nanos(u64::from(config.repeat_s) * 1_000_000_000);
            if let Ok(snapshot) = Snapshot::read(&file) {
                for verdict in bell.hear(verdicts(&snapshot), clock.now()) {
                    tell(&config, &verdict);
                }
            }
            std::thread::sleep(PERIOD);
        }
    };
    std::thread::Builder::new().name("alarm".into()).spawn(body)?;
    Ok(bellman)
}

/// Remembers what was told, so that nothing is told twice too soon.
#[derive(Default)]
struct Bell {
    repeat: Nanos,
    down: HashMap<String, Nanos>,
}

impl Bell {
    /// What is to be told now.
    fn hear(&mut self, verdicts: Vec<Verdict>, now: Nanos) -> Vec<Verdict> {
        let Self { repeat, down } = self;
        let mut due = |one: &Verdict| {
            if one.is_good {
                return down.remove(&one.component).is_some();
            }
            let is_new =
                down.get(&one.component).is_none_or(|at| now.saturating_sub(*at) >= *repeat);
            if is_new {
                down.insert(one.component.clone(), now);
            }
            is_new
        };
        verdicts.into_iter().filter(|one| due(one)).collect()
    }
}

fn tell(config: &AlarmConfig, verdict: &Verdict) {
    let Verdict { component, is_good, what, .. } = verdict;
    match is_good {
        true => log::say(&format!("{component} is back")),
        false => log::alert(&format!("{component} is down: {what}")),
    }
    if let Some(program) = &config.command {
        let word = if *is_good { "up" } else { "down" };
        let mut command = Command::new(program);
        command.args([component, word, what]).stdin(Stdio::null()).stdout(Stdio::null());
        match command.spawn() {
            // Somebody must wait for it; it may take its time.
            Ok(mut child) => drop(std::thread::spawn(move || child.wait())),
            Err(error) => {
                log::alert(&format!("the alarm's command {}: {error}", program.display()));
            }
        }
    }
    // After the program, which need not wait for a webhook that takes its time.
    if let Some(url) = &config.webhook
        && let Err(error) = post(url, verdict)
    {
        log::alert(&format!("the alarm's webhook at {}: {error}", host_of(url)));
    }
}

/// The host of an address: its path may be a secret that lets anybody speak there.
fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    host.rsplit('@').next().unwrap_or_default()
}

/// Posts one JSON object.
fn post(url: &str, verdict: &Verdict) -> Result<(), String> {
    let rest = url.strip_prefix("http://").ok_or("it does not begin with http://")?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let address = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
    let body = json!({
        "component": verdict.component, "is_good": verdict.is_good, "what": verdict.what,
        "time": jiff::Timestamp::now().to_string(),
    })
    .to_string();
    let failed = |error: std::io::Error| error.to_string();
    let found = address.to_socket_addrs().map_err(failed)?.next().ok_or("nobody has this name")?;
    let mut stream = TcpStream::connect_timeout(&found, WITHIN).map_err(failed)?;
    stream.set_read_timeout(Some(WITHIN)).map_err(failed)?;
    stream.set_write_timeout(Some(WITHIN)).map_err(failed)?;
    let length = body.len();
    let request = format!(
        "POST /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).map_err(failed)?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).map_err(failed)?;
    match answer.get(9) {
        Some(b'2') => Ok(()),
        _ => Err(format!("it answered {}", String::from_utf8_lossy(&answer))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(is_good: bool) -> Verdict {
        let what = if is_good { "" } else { "it stands still" }.to_owned();
        Verdict { component: "risk".into(), is_good, is_vital: true, what }
    }

    #[test]
    fn a_part_is_told_of_when_it_goes_when_it_stays_away_and_when_it_is_back() {
        let mut bell = Bell { repeat: Nanos(10), ..Bell::default() };
        let mut told = |is_good, after| bell.hear(vec![verdict(is_good)], Nanos(after)).len();
        assert_eq!(
            [told(true, 0), told(false, 1), told(false, 2), told(false, 11), told(true, 12)],
            [0, 1, 0, 1, 1]
        );
        assert_eq!([told(true, 13), told(false, 14)], [0, 1]);
    }

    #[test]
    fn of_a_webhook_only_the_host_is_told() {
        for url in ["http://h:1/s3cret", "http://u:s3cret@h:1", "http://h:1?key=s3cret", "h:1/s3"] {
            assert_eq!(host_of(url), "h:1");
        }
    }

    #[test]
    fn the_webhook_gets_one_object_and_the_command_its_words() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback is there");
        let url = format!("http://{}/alarm", listener.local_addr().expect("it is bound"));
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("somebody comes");
            let mut heard = Vec::new();
            let mut buffer = [0; 1024];
            while !heard.ends_with(b"}") {
                let count = stream.read(&mut buffer).expect("it speaks");
                heard.extend_from_slice(&buffer[..count]);
            }
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").expect("it listens");
            String::from_utf8(heard).expect("it is text")
        });
        let folder = tempfile::tempdir().expect("a folder");
        let (script, told) = (folder.path().join("page"), folder.path().join("told"));
        let text =
            format!("#!/bin/sh\necho \"$1 $2 $3\" > {0}.new && mv {0}.new {0}\n", told.display());
        std::fs::write(&script, text).expect("the folder is ours");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&script, mode).expect("the file is ours");
        let config =
            AlarmConfig { webhook: Some(url), command: Some(script), ..AlarmConfig::default() };
        tell(&config, &verdict(false));
        let heard = server.join().expect("it served");
        assert!(heard.starts_with("POST /alarm HTTP/1.1\r\n"), "{heard}");
        let body = heard.split("\r\n\r\n").nth(1).expect("there is a body");
        let read: serde_json::Value = serde_json::from_str(body).expect("it is JSON");
        assert_eq!(
            (read["component"].as_str(), read["is_good"].as_bool()),
            (Some("risk"), Some(false))
        );
        for _ in 0..2000 {
            if told.exists() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let words = std::fs::read_to_string(&told).expect("the command ran");
        assert_eq!(words, "risk down it stands still\n");
    }
}
