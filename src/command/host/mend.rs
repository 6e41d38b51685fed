//! Mends what a write to a file mends, and writes down what was there, so that it can be undone.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::command::Failure;
use crate::command::host::checks::Wanted;
use crate::command::host::machine::{Machine, cpu_list, cpu_mask, written};

/// A file, what it said, and what it says now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Change {
    pub(super) file: String,
    pub(super) before: String,
    pub(super) after: String,
}

/// What should be written, where it is not so yet.
fn due(machine: &Machine, wanted: &Wanted) -> Vec<Change> {
    let mut due = Vec::new();
    let mut want = |file: &str, after: String, is_so: &dyn Fn(&str) -> bool| {
        if let Some(before) = machine.read(file).filter(|text| !is_so(text)) {
            due.push(Change { file: file.into(), before, after });
        }
    };
    let kib = machine.entry("/proc/meminfo", "Hugepagesize").unwrap_or(2048).max(1);
    let pages = (256u64 * 1024).div_ceil(kib);
    want("/proc/sys/vm/nr_hugepages", pages.to_string(), &|text| {
        text.parse::<u64>().is_ok_and(|count| count >= pages)
    });
    for (file, value) in [
        ("/proc/sys/kernel/numa_balancing", "0"),
        ("/sys/kernel/mm/ksm/run", "0"),
        ("/proc/sys/kernel/watchdog", "0"),
    ] {
        want(file, value.into(), &|text| text == value);
    }
    want("/sys/kernel/mm/transparent_hugepage/enabled", "madvise".into(), &|text| {
        text.contains("[madvise]") || text.contains("[never]")
    });
    for cpu in &wanted.cpus {
        let file = format!("/sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor");
        want(&file, "performance".into(), &|text| text == "performance");
    }
    let online = cpu_list(&machine.read("/sys/devices/system/cpu/online").unwrap_or_default());
    let stages: BTreeSet<usize> = wanted.cpus.iter().copied().collect();
    let others: BTreeSet<usize> = online.difference(&stages).copied().collect();
    if others.is_empty() {
        return due;
    }
    let is_off = |text: &str| cpu_list(text).is_disjoint(&stages);
    for number in machine.names("/proc/irq") {
        want(&format!("/proc/irq/{number}/smp_affinity_list"), written(&others), &is_off);
    }
    let mask: u128 = others.iter().filter(|cpu| **cpu < 32).map(|cpu| 1u128 << cpu).sum();
    want("/sys/devices/virtual/workqueue/cpumask", format!("{mask:x}"), &|text| {
        cpu_mask(text).is_disjoint(&stages)
    });
    due
}

/// What a file's words are to be written as: the chosen one of `[always] madvise never`.
fn chosen(text: &str) -> &str {
    let inside = text.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
    inside.map_or(text, |(word, _)| word)
}

/// Mends; what was there is added to the state file before anything is written.
pub(super) fn init(
    machine: &Machine,
    wanted: &Wanted,
    state: &Path,
) -> Result<Vec<Change>, Failure> {
    let due = due(machine, wanted);
    if due.is_empty() {
        return Ok(due);
    }
    let mut kept = kept(state)?;
    // What an earlier run found is what is to come back.
    let known: BTreeSet<String> = kept.iter().map(|change| change.file.clone()).collect();
    kept.extend(due.iter().filter(|change| !known.contains(&change.file)).cloned());
    let text = serde_json::to_string_pretty(&kept).context("cannot write JSON")?;
    std::fs::write(state, text).with_context(|| {
        format!("{} cannot be written: run it as root, or name another --state", state.display())
    })?;
    let mut done = Vec::new();
    for change in due {
        match machine.write(&change.file, &change.after) {
            Ok(()) => done.push(change),
            // Some interrupts are the machine's own and stay where they are.
            Err(error) => eprintln!("note: {}: {error}; left as it is", change.file),
        }
    }
    Ok(done)
}

fn kept(state: &Path) -> Result<Vec<Change>, Failure> {
    let Ok(text) = std::fs::read_to_string(state) else { return Ok(Vec::new()) };
    let kept = serde_json::from_str(&text);
    Ok(kept.with_context(|| format!("{} is not what `init` wrote", state.display()))?)
}

/// Writes back what `init` changed.
pub(super) fn fini(machine: &Machine, state: &Path) -> Result<Vec<Change>, Failure> {
    let mut undone = Vec::new();
    for Change { file, before, after } in kept(state)?.into_iter().rev() {
        match machine.write(&file, chosen(&before)) {
            Ok(()) => undone.push(Change { file, before: after, after: before }),
            Err(error) => eprintln!("note: {file}: {error}; left as it is"),
        }
    }
    // Nothing was kept, or it is undone.
    let _ = std::fs::remove_file(state);
    Ok(undone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_init_writes_fini_writes_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = [
            ("proc/sys/vm/nr_hugepages", "0"),
            ("proc/meminfo", "Hugepagesize: 2048 kB"),
            ("sys/kernel/mm/ksm/run", "1"),
            ("sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never"),
            ("sys/devices/system/cpu/online", "0-3"),
            ("proc/irq/7/smp_affinity_list", "0-3"),
            ("proc/irq/8/smp_affinity_list", "0"),
        ];
        for (file, text) in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("room");
            std::fs::write(path, text).expect("room");
        }
        let machine = Machine::below(folder.path());
        let wanted = Wanted { cpus: vec![2, 3], card: None, utc_bound_us: 100 };
        let state = folder.path().join("state.json");
        let done = init(&machine, &wanted, &state).expect("all is ours");
        assert_eq!(done.len(), 4, "{done:?}");
        assert_eq!(machine.read("/proc/irq/7/smp_affinity_list").as_deref(), Some("0,1"));
        assert_eq!(machine.read("/proc/sys/vm/nr_hugepages").as_deref(), Some("128"));
        assert_eq!(init(&machine, &wanted, &state).expect("all is ours").len(), 1);
        fini(&machine, &state).expect("all is ours");
        for (file, text) in files {
            let expected = chosen(text);
            assert_eq!(machine.read(file).as_deref(), Some(expected), "{file}");
        }
        assert!(!state.exists());
    }
}
