//! The machine's files, below a root that a test can make.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Where the files are.
pub(super) struct Machine {
    root: PathBuf,
}

impl Machine {
    /// This one.
    pub(super) fn here() -> Self {
        Self { root: PathBuf::from("/") }
    }

    /// One made of files.
    #[cfg(test)]
    pub(super) fn below(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.root.join(file.trim_start_matches('/'))
    }

    /// What a file says, without blanks at its ends; `None` where it is not there.
    pub(super) fn read(&self, file: &str) -> Option<String> {
        std::fs::read_to_string(self.path(file)).ok().map(|text| text.trim().to_owned())
    }

    pub(super) fn write(&self, file: &str, text: &str) -> std::io::Result<()> {
        std::fs::write(self.path(file), text)
    }

    pub(super) fn is_there(&self, file: &str) -> bool {
        self.path(file).exists()
    }

    /// Names in a folder, in order.
    pub(super) fn names(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(folder)).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let names: BTreeSet<String> = names.collect();
        names.into_iter().collect()
    }

    /// The last part of where a link leads.
    pub(super) fn link(&self, file: &str) -> Option<String> {
        let target = std::fs::read_link(self.path(file)).ok()?;
        Path::new(&target).file_name()?.to_str().map(ToOwned::to_owned)
    }

    /// A number out of a table of `name: value` lines.
    pub(super) fn entry(&self, file: &str, name: &str) -> Option<u64> {
        let text = self.read(file)?;
        let line = text.lines().find(|line| line.starts_with(name))?;
        line.trim_start_matches(name)
            .trim_start_matches(':')
            .split_whitespace()
            .next()?
            .parse()
            .ok()
    }
}

/// CPUs of a list as the kernel writes it: `0-3,8`.
pub(super) fn cpu_list(text: &str) -> BTreeSet<usize> {
    let mut cpus = BTreeSet::new();
    for part in text.trim().split(',').filter(|part| !part.is_empty()) {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(from), Ok(to)) = (from.parse::<usize>(), to.parse::<usize>()) {
            // Nobody has more, and a file that says so is not believed.
            cpus.extend(from..=to.min(from.saturating_add(4096)));
        }
    }
    cpus
}

/// CPUs of a mask as the kernel writes it: `ff,ffffffff`.
pub(super) fn cpu_mask(text: &str) -> BTreeSet<usize> {
    let digits: Vec<u32> =
        text.trim().chars().filter(|c| *c != ',').filter_map(|c| c.to_digit(16)).collect();
    let mut cpus = BTreeSet::new();
    for (place, digit) in digits.iter().rev().enumerate() {
        cpus.extend((0..4).filter(|bit| digit >> bit & 1 == 1).map(|bit| place * 4 + bit));
    }
    cpus
}

/// A list as the kernel reads it.
pub(super) fn written(cpus: &BTreeSet<usize>) -> String {
    cpus.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_masks_are_read() {
        assert_eq!(cpu_list("0-2,5\n"), BTreeSet::from([0, 1, 2, 5]));
        assert_eq!(cpu_list(""), BTreeSet::new());
        assert_eq!(cpu_mask("3"), BTreeSet::from([0, 1]));
        assert_eq!(cpu_mask("1,00000001"), BTreeSet::from([0, 32]));
        assert_eq!(written(&BTreeSet::from([1, 3])), "1,3");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text: String) {
            cpu_list(&text);
            cpu_mask(&text);
        }
    }
}
