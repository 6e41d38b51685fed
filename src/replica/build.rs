//! For the build script: a number of all sources, by which two machines know that they run one
//! build. Not of the compiler and its settings: one history comes of any.

use std::path::Path;
use std::{env, fs};

/// Of nothing.
pub(crate) const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;

/// Tells the crate its sources' number.
pub(crate) fn number_the_build() {
    println!("cargo:rerun-if-changed=src");
    println!("cargo:rerun-if-changed=Cargo.lock");
    let mut number = BASIS;
    add(Path::new("Cargo.lock"), &mut number);
    add(Path::new("src"), &mut number);
    let version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    println!("cargo:rustc-env=WIREMATCH_BUILD={version}-{number:032x}");
}

/// FNV-1a over names and contents, in order.
pub(crate) fn add(path: &Path, number: &mut u128) {
    let mut take = |bytes: &[u8]| {
        for byte in bytes {
            *number = (*number ^ u128::from(*byte)).wrapping_mul(0x0100_0000_0000_0000_0000_013b);
        }
    };
    take(path.to_string_lossy().as_bytes());
    if path.is_dir() {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
        paths.sort();
        paths.iter().for_each(|path| add(path, number));
    } else if let Ok(bytes) = fs::read(path) {
        take(&bytes);
    }
}
