//! The appliance as a process with `[journal] packed` and `anchors` named: closed segments go to
//! their place, heads to theirs, a day is rolled meanwhile, and all of it is read again afterwards.

#[path = "support/process.rs"]
#[allow(dead_code, unreachable_pub, reason = "every test takes what it needs of this")]
mod process;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use process::{Appliance, configuration, free_address};

fn wirematch(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wirematch"));
    command.args(arguments).output().expect("the binary runs")
}

fn text(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8(both).expect("the binary writes text")
}

fn done(arguments: &[&str]) -> String {
    let output = wirematch(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output));
    String::from_utf8(output.stdout).expect("the binary writes text")
}

/// Packed segments of the commands' log.
fn packed(place: &Path) -> Vec<PathBuf> {
    let found = fs::read_dir(place.join("commands")).into_iter().flatten().flatten();
    let mut paths: Vec<_> = found.map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "zst"));
    paths.sort();
    paths
}

struct Place {
    folder: tempfile::TempDir,
    gateway: String,
    appliance: Appliance,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let entry = free_address();
        let path = configuration(folder.path(), entry, 2);
        let text = fs::read_to_string(&path).expect("it was written").replace(
            "[journal]\nsegment_kib = 1024\n",
            &format!(
                "[console]\nenabled = false\n[journal]\nsegment_kib = 1024\nplain_segments = 1\n\
                 anchor_interval_s = 1\nanchors = \"{0}/anchors\"\npacked = \"{0}/packed\"\n",
                folder.path().display()
            ),
        );
        fs::write(&path, text).expect("the folder is ours");
        Self { folder, gateway: entry.to_string(), appliance: Appliance::new(path) }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn load(&self, seed: &str) {
        done(&[
            "client",
            "load",
            "--gateway",
            &self.gateway,
            "--session",
            "1",
            "--key",
            "test-key-1",
            "--orders",
            "60000",
            "--rate",
            "0",
            "--seed",
            seed,
        ]);
    }

    fn verify(&self, anchors: &Path) -> Output {
        let (data, anchors) = (self.at("data"), anchors.display().to_string());
        let data = data.display().to_string();
        wirematch(&["journal", "verify", &data, "--anchors", &anchors])
    }
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let mut patience = 1_200;
    while !is_so() {
        patience -= 1;
        assert!(patience > 0, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn what_is_packed_and_anchored_elsewhere_is_begun_from_and_verified() {
    let mut place = Place::new();
    place.appliance.start();
    place.load("1");
    let [archive, anchors] = ["packed", "anchors"].map(|name| place.at(name));
    until("closed segments are packed", || packed(&archive).len() >= 2);
    let file = anchors.join("commands.anchors");
    until("heads are anchored", || {
        fs::read_to_string(&file).is_ok_and(|text| text.lines().count() > 1)
    });
    let data = place.at("data").display().to_string();
    let config = place.appliance.config.display().to_string();
    let roll = ["day", "roll", "--data", &data, "--actor", "ann", "--reason", "closed early"];
    done(&roll);
    let shown = done(&["day", "show", "--config", &config, "--json"]);
    let shown: serde_json::Value = serde_json::from_str(&shown).expect("one object");
    assert_eq!(shown["day"], 2, "{shown}");
    assert_eq!(
        (&shown["ended"]["actor"], &shown["started"]["reason"]),
        (&"ann".into(), &"closed early".into())
    );
    assert_eq!(shown["session"], "WIREMA0002");
    let nobody = wirematch(&["day", "end", "--data", &data, "--actor", "ann"]);
    assert_eq!(
        nobody.status.code(),
        Some(2),
        "without a reason nothing is done: {}",
        text(&nobody)
    );
    place.load("2");
    let before = packed(&archive).len();
    until("the day before is packed", || packed(&archive).len() > before || before >= 6);
    assert!(place.appliance.stop().success());

    let good = place.verify(&anchors);
    assert!(good.status.success(), "{}", text(&good));
    // It begins again from packed segments, goes on, and gives back what it recorded.
    place.appliance.start();
    done(&roll);
    place.load("3");
    assert!(place.appliance.stop().success());
    assert!(place.appliance.replays());
    let shown = done(&["day", "show", "--config", &config]);
    assert!(shown.starts_with("day 3: open"), "{shown}");

    // One anchor of another history is found, and named.
    let copy = place.at("copy");
    fs::create_dir_all(&copy).expect("the folder is ours");
    let text_of = fs::read_to_string(&file).expect("it is there");
    let line = text_of.lines().nth(1).expect("there is an anchor").to_owned();
    let other = line.rsplit_once(' ').map(|(front, head)| {
        let digit = if head.starts_with('0') { '1' } else { '0' };
        format!("{front} {digit}{}", &head[1..])
    });
    let forged = text_of.replace(&line, &other.expect("a head"));
    fs::write(copy.join("commands.anchors"), forged).expect("the folder is ours");
    let bad = place.verify(&copy);
    assert_eq!(bad.status.code(), Some(4), "{}", text(&bad));
    assert!(text(&bad).contains("is not what was sealed"), "{}", text(&bad));

    // A place that is another journal's is refused, and named.
    let second = Place::new();
    let own = fs::read_to_string(&second.appliance.config).expect("it was written");
    let taken =
        own.replace(&second.at("packed").display().to_string(), &archive.display().to_string());
    fs::write(&second.appliance.config, taken).expect("the folder is ours");
    let path = second.appliance.config.display().to_string();
    let refused = wirematch(&["run", "--no-table", "--config", &path]);
    assert!(!refused.status.success());
    assert!(text(&refused).contains("is not empty: name another place"), "{}", text(&refused));

    // Nothing goes inside seven years, whatever is asked; less than that needs a reason.
    done(&["snapshot", "take", "--config", &config]);
    let kept = done(&["journal", "prune", "--config", &config]);
    assert!(kept.contains("nothing goes"), "{kept}");
    let short = fs::read_to_string(&config).expect("it is there");
    let short = short.replace("plain_segments = 1\n", "plain_segments = 1\nkeep_days = 30\n");
    let path = place.at("short.toml");
    fs::write(&path, short).expect("the folder is ours");
    let refused = wirematch(&["check", "--config", &path.display().to_string()]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused).contains("keep_reason"), "{}", text(&refused));
}
