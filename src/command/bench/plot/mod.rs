//! Distributions for other eyes: a picture of latency by percentile, and the text that
//! HdrHistogram's own tools read.

mod hgrm;
mod scale;
mod svg;

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Context;
use hdrhistogram::Histogram;

use crate::command::{Failure, Outcome};

/// Where distributions are written.
#[derive(Debug, clap::Args)]
pub(super) struct PlotArguments {
    /// Draw latency by percentile here, as an SVG picture
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Write the distributions here, as HdrHistogram prints them
    #[arg(long, value_name = "FILE")]
    hgrm: Option<PathBuf>,
}

impl PlotArguments {
    /// Opens what was asked for, before minutes of measuring; what a file holds stays until then.
    ///
    /// # Errors
    /// A file that cannot be written: wrong usage.
    pub(super) fn open(&self) -> Result<Files, Failure> {
        Ok(Files { svg: open("--svg", &self.svg)?, hgrm: open("--hgrm", &self.hgrm)? })
    }
}

type Named = (PathBuf, File);

fn open(option: &str, path: &Option<PathBuf>) -> Result<Option<Named>, Failure> {
    let Some(path) = path else { return Ok(None) };
    let file = File::options().write(true).create(true).truncate(false).open(path);
    let file = file.map_err(|error| {
        Failure::usage(format!(
            "{option} {}: {error}; name a file that may be written, in a folder that is there",
            path.display()
        ))
    });
    Ok(Some((path.clone(), file?)))
}

/// Files that wait for distributions.
pub(super) struct Files {
    svg: Option<Named>,
    hgrm: Option<Named>,
}

impl Files {
    /// Writes what was asked for.
    ///
    /// # Errors
    /// What a full disk says.
    pub(super) fn write(self, plot: &Plot) -> Outcome {
        let Self { svg, hgrm } = self;
        for (file, text) in [(svg, svg::svg as fn(&Plot) -> String), (hgrm, hgrm::hgrm)] {
            let Some((path, file)) = file else { continue };
            replace(file, &text(plot))
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }
}

fn replace(mut file: File, text: &str) -> io::Result<()> {
    file.set_len(0)?;
    file.write_all(text.as_bytes())
}

/// What is shown.
pub(super) struct Plot {
    /// What was measured.
    pub(super) title: String,
    /// How, and on what machine: a sentence each.
    pub(super) said: Vec<String>,
    /// Each measurement's name and its latencies in nanoseconds.
    pub(super) lines: Vec<(String, Histogram<u64>)>,
}

/// The latencies of several turns as one distribution; none of none.
pub(super) fn together<'a>(
    mut turns: impl Iterator<Item = &'a Histogram<u64>>,
) -> Option<Histogram<u64>> {
    let mut sum = turns.next()?.clone();
    for turn in turns {
        // They have the same bounds.
        let _ = sum.add(turn);
    }
    Some(sum)
}

/// A count with its thousands apart.
pub(super) fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        let told = [0, 12, 999, 1_000, 45_678, 900_000, 20_000_000].map(thousands);
        assert_eq!(told, ["0", "12", "999", "1,000", "45,678", "900,000", "20,000,000"]);
    }

    #[test]
    fn a_file_keeps_what_it_holds_until_there_is_something_new() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("plot.svg");
        let old = "old ".repeat(10_000);
        std::fs::write(&path, &old).expect("it is written");
        let asked = PlotArguments { svg: Some(path.clone()), hgrm: None };
        let Ok(files) = asked.open() else { panic!("it may be written") };
        assert_eq!(std::fs::read_to_string(&path).ok(), Some(old));
        let plot = Plot { title: "t".into(), said: Vec::new(), lines: Vec::new() };
        assert!(files.write(&plot).is_ok());
        assert_eq!(std::fs::read_to_string(&path).ok(), Some(svg::svg(&plot)));
    }
}
