//! Engines are started as an unprivileged user, in folders of their own.
#![allow(dead_code, unreachable_pub, reason = "every test takes what it needs of this")]

use std::os::unix::fs::chown;
use std::path::Path;
use std::process::Command;

/// A folder that the unprivileged user `nobody` owns; programs are run as that user.
pub fn folder_of_nobody() -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("wirematch-pg").tempdir_in("/tmp");
    let folder = folder.expect("a folder");
    if rustix::process::getuid().is_root() {
        chown(folder.path(), Some(65_534), Some(65_534)).expect("root may do that");
    }
    folder
}

/// A program, to be run as that user.
pub fn as_nobody(program: &str) -> Command {
    if !rustix::process::getuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", program]);
    command.current_dir("/tmp").env("HOME", "/tmp");
    command
}

/// A program of PostgreSQL, where it is there.
pub fn tool(name: &str) -> Option<String> {
    let path = format!("/usr/lib/postgresql/15/bin/{name}");
    Path::new(&path).exists().then_some(path)
}
