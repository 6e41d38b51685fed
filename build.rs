//! Compiles the FIX dictionaries of `config/fix` into static tables, numbers the build, and what
//! features ask for.

use std::{env, fs, path::Path};

#[path = "src/replica/build.rs"]
mod build;
#[cfg(feature = "dpdk")]
#[path = "src/port/dpdk/build.rs"]
mod dpdk;
#[path = "src/wire/fix/dictionary/generate.rs"]
mod generate;
#[allow(dead_code, unreachable_pub, reason = "the crate uses the rest")]
#[path = "src/wire/fix/dictionary/tables.rs"]
mod tables;
#[allow(dead_code, unreachable_pub, reason = "the crate uses the rest")]
#[path = "src/wire/fix/dictionary/text.rs"]
mod text;

/// Each static and the texts it is made of, one applied on top of the other.
const DICTIONARIES: &[(&str, &[&str])] = &[
    ("FIX42", &["fix42.dict"]),
    ("FIX44", &["fix44.dict"]),
    ("FIX50SP2", &["fixt11.dict", "fix50sp2.dict"]),
];

fn main() {
    build::number_the_build();
    dictionaries();
    #[cfg(feature = "dpdk")]
    dpdk::build();
}

fn dictionaries() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=config/fix");
    println!("cargo:rerun-if-changed=src/wire/fix/dictionary");
    let mut source = String::new();
    for (name, files) in DICTIONARIES {
        let mut draft = text::Draft::default();
        for file in *files {
            let path = Path::new("config/fix").join(file);
            let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path:?}: {e}"));
            draft.apply(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
        }
        let tables = draft.compile().unwrap_or_else(|error| panic!("{name}: {error}"));
        source.push_str(&generate::source(name, &tables));
    }
    let folder = env::var("OUT_DIR").expect("cargo names the folder");
    fs::write(Path::new(&folder).join("fix_dictionaries.rs"), source).expect("the tables fit");
}
