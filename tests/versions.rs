//! One journal and one snapshot of every version there ever was: a journal is read, whatever its
//! version; a snapshot of another version is named and passed over, and the journal folded instead.
//! Whoever raises a version puts a folder of its bytes in `tests/versions` (README.md there).

#[path = "support/process.rs"]
#[allow(dead_code, unreachable_pub, reason = "every test takes what it needs of this")]
mod process;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command as Process;

use process::{Appliance, free_address};
use wirematch::journal::{self, JournalError, LogKind, Logged, Meaning, Seals, UtcMapping};
use wirematch::model::{Command, Event};
use wirematch::snapshot;

/// Commands of every fixture's history.
const COMMANDS: u64 = 241;

fn versions() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/versions")
}

fn unpacked(path: &Path) -> Vec<u8> {
    let file = fs::File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    zstd::decode_all(file).expect("it is packed")
}

/// A data folder with a fixture's journal.
fn with_journal(version: u16) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for kind in [LogKind::Commands, LogKind::Events] {
        let name = format!("journal-{version}/{kind}s.log.zst");
        let log = kind.folder(&folder.path().join("journal"));
        fs::create_dir_all(&log).expect("the folder is ours");
        let bytes = unpacked(&versions().join(name));
        fs::write(log.join("0000000001.log"), bytes).expect("there is room");
    }
    folder
}

/// The configuration of all fixtures, on ports of our own.
fn configuration(data: &Path) -> PathBuf {
    let text = fs::read_to_string(versions().join("appliance.toml")).expect("it is there");
    let text = ["127.0.0.1:19100", "127.0.0.1:19200", "127.0.0.1:19201"]
        .iter()
        .fold(text, |text, port| text.replace(port, &free_address().to_string()))
        .replace("address = \"127.0.0.1:19700\"", "enabled = false")
        .replace("data = \"data\"", &format!("data = \"{}\"", data.display()));
    let path = data.join("appliance.toml");
    fs::write(&path, text).expect("the folder is ours");
    path
}

fn head<H: Logged>(journal: &Path) -> (u64, [u8; 32]) {
    let folder = H::KIND.folder(journal);
    let scan = journal::scan(&folder, H::KIND, &mut |_| ()).expect("it is whole");
    let seals = Seals::read(&folder, H::KIND, &[]).expect("there are none");
    (scan.messages(), seals.check::<H>(None, &mut |_| ()).expect("it reads").seal().head)
}

fn run(arguments: &[&str], config: &Path) -> (Option<i32>, String) {
    let mut process = Process::new(env!("CARGO_BIN_EXE_wirematch"));
    let output = process.args(arguments).arg("--config").arg(config).output().expect("it runs");
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    (output.status.code(), String::from_utf8(text).expect("it writes text"))
}

#[test]
fn a_journal_of_every_version_is_read_and_gives_the_same_history() {
    let mut heads = Vec::new();
    for version in 1..=journal::FORMAT_VERSION {
        let folder = with_journal(version);
        let journal = folder.path().join("journal");
        let commands = head::<Command>(&journal);
        assert_eq!(commands.0, COMMANDS, "version {version}");
        heads.push((commands, head::<Event>(&journal)));
        let replayed = run(&["replay", "--verify"], &configuration(folder.path()));
        assert_eq!(replayed.0, Some(0), "version {version}: {}", replayed.1);
    }
    // The chain is over messages: how they are framed does not matter to it.
    assert!(heads.windows(2).all(|pair| pair[0] == pair[1]), "{heads:?}");
}

#[test]
fn a_journal_of_an_old_version_is_not_written_on() {
    for version in 1..journal::FORMAT_VERSION {
        let folder = with_journal(version);
        let log = LogKind::Commands.folder(&folder.path().join("journal"));
        let before = fs::read(log.join("0000000001.log")).expect("it is there");
        let settings = journal::Settings::default();
        let utc = UtcMapping::default();
        let opened = journal::open::<Command>(&log, Meaning::default(), utc, &settings);
        let Err(error @ JournalError::OldVersion { .. }) = opened else { panic!("{opened:?}") };
        assert!(error.to_string().contains("is read, and not written on"), "{error}");
        assert_eq!(fs::read(log.join("0000000001.log")).expect("it is there"), before);
    }
}

#[test]
fn a_journal_of_a_version_to_come_is_refused_by_name() {
    let folder = with_journal(journal::FORMAT_VERSION);
    let path = folder.path().join("journal/commands/0000000001.log");
    let mut bytes = fs::read(&path).expect("it is there");
    bytes[8..10].copy_from_slice(&(journal::FORMAT_VERSION + 1).to_le_bytes());
    let crc = crc32c::crc32c(&bytes[..252]);
    bytes[252..256].copy_from_slice(&crc.to_le_bytes());
    fs::write(&path, bytes).expect("there is room");
    let folder = path.parent().expect("it has one");
    let found = journal::scan(folder, LogKind::Commands, &mut |_| ());
    assert!(matches!(found, Err(JournalError::WrongVersion { .. })), "{found:?}");
}

/// A new build on an old one's data: it names the snapshot that it does not read, folds the journal
/// and serves; its own next snapshot is begun from.
#[test]
fn a_start_on_the_data_of_every_version_goes_on() {
    for version in 1..=snapshot::FORMAT_VERSION {
        let folder = with_journal(journal::FORMAT_VERSION);
        let snapshots = folder.path().join("snapshots");
        fs::create_dir_all(&snapshots).expect("the folder is ours");
        let name = format!("{COMMANDS:020}.snapshot");
        let bytes = unpacked(&versions().join(format!("snapshot-{version}/{name}.zst")));
        fs::write(snapshots.join(&name), bytes).expect("there is room");
        let mut appliance = Appliance::new(configuration(folder.path()));
        appliance.start();
        let said = appliance.at_start.clone();
        let sentence = format!(
            "it is of version {version}, this build reads version {}",
            snapshot::FORMAT_VERSION
        );
        let is_read = version == snapshot::FORMAT_VERSION;
        assert_eq!(said.contains(&sentence), !is_read, "version {version}: {said}");
        assert!(appliance.stop().success());
        assert!(appliance.replays(), "version {version}");
        let taken = run(&["snapshot", "take"], &appliance.config);
        assert_eq!(taken.0, Some(0), "{}", taken.1);
        appliance.start();
        assert!(!appliance.at_start.contains("this build reads"), "{}", appliance.at_start);
        assert!(appliance.stop().success());
    }
}
