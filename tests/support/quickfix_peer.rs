//! QuickFIX as the other side: `tests/peers/quickfix.cpp`, built where its library is installed.
#![allow(dead_code, unreachable_pub, reason = "every test takes what it needs of this")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The peer, built once; nothing where it cannot be.
pub fn peer() -> Option<&'static Path> {
    static PEER: OnceLock<Option<PathBuf>> = OnceLock::new();
    let built = PEER.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/quickfix.cpp");
        let binary = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("quickfix-peer-{}", std::process::id()));
        let built = Command::new("g++")
            .args(["-std=c++14", "-O2", "-w", "-o"])
            .args([&binary, &source])
            .args(["-lquickfix", "-lpthread"])
            .stderr(Stdio::null())
            .status();
        built.is_ok_and(|status| status.success()).then_some(binary)
    });
    if built.is_none() {
        println!("skipped: no QuickFIX here; install g++ and libquickfix-dev");
    }
    built.as_deref()
}
