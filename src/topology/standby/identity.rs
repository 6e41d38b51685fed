//! Who this machine is, and what must be the same on both.

use crate::replica::{Identity, Name};
use crate::topology::{Catalogue, Config, fix_records, meaning, venue_records};

/// This machine's name, build and configuration.
pub fn identity(config: &Config, catalogue: &Catalogue) -> Identity {
    let meaning = meaning(config, catalogue);
    let mut hasher = blake3::Hasher::new();
    hasher.update(&meaning.config_digest);
    hasher.update(&meaning.fills_per_command_max.to_le_bytes());
    hasher.update(&meaning.feedback_window.to_le_bytes());
    hasher.update(&meaning.feedback_lag.0.to_le_bytes());
    // Those of them that are records of FIX sessions go by their place.
    for record in fix_records(config, catalogue).iter().chain(&venue_records(config, catalogue)) {
        hasher.update(record.file_name().map_or(b"", |name| name.as_encoded_bytes()));
    }
    Identity {
        name: Name::new(&config.standby.name),
        build: blake3::hash(env!("WIREMATCH_BUILD").as_bytes()).into(),
        config: hasher.finalize().into(),
    }
}

/// One running of this machine: what was in its page cache then is there as long as this is the
/// same. Without the system's word it is one of this process.
pub(super) fn life() -> [u8; 16] {
    let mut life = [0; 16];
    match std::fs::read_to_string("/proc/sys/kernel/random/boot_id") {
        Ok(text) => life.copy_from_slice(&blake3::hash(text.trim().as_bytes()).as_bytes()[..16]),
        Err(_) => drop(getrandom::fill(&mut life)),
    }
    life
}
