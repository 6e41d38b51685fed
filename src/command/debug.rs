//! `wirematch debug bundle`: one archive for whoever is asked for help, without secrets.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Subcommand;
use serde_json::json;

use crate::command::config::without_nulls;
use crate::command::configuration::ConfigArguments;
use crate::command::host::looked_at;
use crate::command::{Failure, Outcome};
use crate::console::{Figures, open_metrics};
use crate::runtime::counters_file::{COUNTERS_NAME, Snapshot};
use crate::topology::{blacken, conceal};

/// For whoever is asked for help.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 good, 1 failed while running, 2 wrong configuration.\n\n\
    Example:\n  wirematch debug bundle --config my.toml --out help.tar")]
pub struct DebugArguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Puts configuration, host checks, numbers, metrics and the last lines of the log into one tar
    /// archive; keys, passwords and addresses of webhooks and databases are left out
    Bundle {
        #[command(flatten)]
        config: ConfigArguments,
        /// Where to
        #[arg(long, value_name = "FILE", default_value = "wirematch-debug.tar")]
        out: PathBuf,
    },
}

/// Runs the command.
///
/// # Errors
/// A configuration that is wrong, and what cannot be written.
pub fn run(arguments: &DebugArguments) -> Outcome {
    let Task::Bundle { config, out } = &arguments.task;
    let loaded = config.load()?;
    let mut value = serde_json::to_value(&loaded.config).context("the configuration")?;
    let secrets = conceal(&mut value);
    let text = toml::to_string_pretty(&without_nulls(value)).context("the configuration")?;
    let mut parts = vec![
        ("version.txt", format!("wirematch {}\n", env!("CARGO_PKG_VERSION")).into_bytes()),
        ("appliance.toml", text.into_bytes()),
        ("placement.txt", loaded.placement.to_string().into_bytes()),
        ("host.json", pretty(&looked_at())?),
        ("files.json", pretty(&files(&loaded.config.data))?),
    ];
    let counters = loaded.config.data.join(COUNTERS_NAME);
    match Snapshot::read(&counters) {
        Ok(snapshot) => {
            let figures = Figures::of(&snapshot, None);
            parts.push(("figures.json", pretty(&json!(figures))?));
            parts.push(("log.txt", (figures.log.join("\n") + "\n").into_bytes()));
            parts.push(("metrics.txt", open_metrics(&snapshot).into_bytes()));
            parts.push(("counters", std::fs::read(&counters).context("the counters file")?));
        }
        Err(error) => parts.push(("counters.txt", format!("{error}\n").into_bytes())),
    }
    // The log and what else was gathered may have a secret in the middle of a sentence.
    parts.iter_mut().for_each(|(_, bytes)| blacken(bytes, &secrets));
    write(out, &parts).with_context(|| format!("cannot write {}", out.display()))?;
    println!("{}: {} files, without secrets", out.display(), parts.len());
    Ok(())
}

fn pretty(value: &serde_json::Value) -> Result<Vec<u8>, Failure> {
    Ok(serde_json::to_vec_pretty(value).context("cannot write JSON")?)
}

/// Names and sizes below the data folder, not what is in them.
fn files(folder: &Path) -> serde_json::Value {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(about) if about.is_dir() => folders.push(entry.path()),
                Ok(about) => found.push((entry.path().display().to_string(), about.len())),
                Err(_) => {}
            }
        }
    }
    found.sort();
    json!(found)
}

/// Writes a tar archive that nobody else may read.
fn write(out: &Path, parts: &[(&str, Vec<u8>)]) -> io::Result<()> {
    let mut file = File::create(out)?;
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    for (name, bytes) in parts {
        file.write_all(&header(name, bytes.len()))?;
        file.write_all(bytes)?;
        file.write_all(&vec![0; bytes.len().next_multiple_of(512) - bytes.len()])?;
    }
    file.write_all(&[0; 1024])?;
    file.sync_all()
}

/// A file's header as POSIX has it (ustar).
fn header(name: &str, length: usize) -> [u8; 512] {
    let mut header = [0u8; 512];
    let mut put = |at: usize, text: &str| {
        let bytes = text.as_bytes();
        header[at..at + bytes.len()].copy_from_slice(bytes);
    };
    put(0, &format!("wirematch-debug/{name}"));
    put(100, "0000600\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{length:011o}\0"));
    put(136, "00000000000\0");
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archive_is_what_tar_reads() {
        let folder = tempfile::tempdir().expect("a folder");
        let out = folder.path().join("all.tar");
        let parts = [("one.txt", b"hello\n".to_vec()), ("two.bin", vec![7; 513])];
        write(&out, &parts).expect("the folder is ours");
        let listed = std::process::Command::new("tar").arg("-tvf").arg(&out).output();
        let listed = listed.expect("`tar` is there");
        let text = String::from_utf8_lossy(&listed.stdout).into_owned();
        assert!(listed.status.success() && text.lines().count() == 2, "{text}");
        assert!(text.contains(" 6 ") && text.contains(" 513 "), "{text}");
    }
}
