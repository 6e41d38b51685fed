//! The checks: each reads a few small files and says what it found, what it wants, and the cure.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::command::host::machine::{Machine, cpu_list, cpu_mask};
use crate::command::host::process;
use crate::runtime::{Utc, utc};

/// What the machine is to be fit for.
pub(super) struct Wanted {
    /// CPUs of the stages.
    pub(super) cpus: Vec<usize>,
    /// A card.
    pub(super) card: Option<String>,
    /// How far the clock may be from UTC.
    pub(super) utc_bound_us: u64,
}

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Verdict {
    /// As it should be.
    Good,
    /// It will do, and cost.
    Warn,
    /// It will not do.
    Fail,
    /// This machine has no such thing.
    Absent,
}

impl Verdict {
    pub(super) fn word(self) -> &'static str {
        match self {
            Verdict::Good => "good",
            Verdict::Warn => "warn",
            Verdict::Fail => "FAIL",
            Verdict::Absent => "-",
        }
    }
}

/// What a check says.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Finding {
    pub(super) check: &'static str,
    pub(super) verdict: Verdict,
    pub(super) found: String,
    pub(super) wanted: &'static str,
    pub(super) cure: &'static str,
}

impl Finding {
    pub(super) fn is_off(&self) -> bool {
        matches!(self.verdict, Verdict::Warn | Verdict::Fail)
    }

    pub(super) fn has_failed(&self) -> bool {
        self.verdict == Verdict::Fail
    }
}

/// A check: its name, what it wants, its cure.
pub(super) struct Check(pub(super) &'static str, pub(super) &'static str, pub(super) &'static str);

impl Check {
    pub(super) fn found(&self, verdict: Verdict, found: impl Into<String>) -> Finding {
        let Check(check, wanted, cure) = *self;
        Finding { check, verdict, found: found.into(), wanted, cure }
    }

    /// Good, or a warning.
    pub(super) fn rather(&self, is_good: bool, found: impl Into<String>) -> Finding {
        self.found(if is_good { Verdict::Good } else { Verdict::Warn }, found)
    }

    pub(super) fn absent(&self) -> Finding {
        self.found(Verdict::Absent, "this machine has no such thing")
    }

    /// What a file says, and whether that is good.
    fn file(&self, machine: &Machine, file: &str, is_good: impl FnOnce(&str) -> bool) -> Finding {
        match machine.read(file) {
            Some(text) => self.rather(is_good(&text), if text.is_empty() { "none" } else { &text }),
            None => self.absent(),
        }
    }
}

/// MiB of huge pages that DPDK takes.
const HUGE_MIB: u64 = 256;

/// All checks, in the order in which they are told.
pub(super) fn findings(machine: &Machine, wanted: &Wanted) -> Vec<Finding> {
    let mut found = vec![huge_pages(machine, wanted)];
    found.extend(cpus(machine, wanted));
    found.extend(memory_and_kernel(machine));
    found.extend(process::findings(machine, wanted));
    found.push(interrupts(machine, wanted));
    found.extend(clocks(machine, wanted));
    found.extend(card(machine, wanted));
    found
}

fn huge_pages(machine: &Machine, wanted: &Wanted) -> Finding {
    let check = Check(
        "huge pages",
        "256 MiB free, for DPDK's memory, which needs no mount; a card cannot do without",
        "wirematch host init, or: echo 128 > /proc/sys/vm/nr_hugepages",
    );
    let value = |name| machine.entry("/proc/meminfo", name);
    let (Some(free), Some(kib)) = (value("HugePages_Free"), value("Hugepagesize")) else {
        return check.absent();
    };
    let mib = free * kib / 1024;
    let found = format!("{free} free of {kib} KiB, {mib} MiB");
    match (mib >= HUGE_MIB, &wanted.card) {
        (true, _) => check.found(Verdict::Good, found),
        (false, Some(_)) => check.found(Verdict::Fail, found),
        (false, None) => check.found(Verdict::Warn, found),
    }
}

fn cpus(machine: &Machine, wanted: &Wanted) -> Vec<Finding> {
    let stages: BTreeSet<usize> = wanted.cpus.iter().copied().collect();
    let covers = |text: &str| stages.is_subset(&cpu_list(text));
    let isolated = Check(
        "isolated CPUs",
        "the stages' CPUs are kept from everybody else",
        "boot with isolcpus=LIST nohz_full=LIST rcu_nocbs=LIST (GRUB_CMDLINE_LINUX, update-grub)",
    );
    let ticks = Check(
        "ticks",
        "no timer interrupts the stages' CPUs (nohz_full)",
        "boot with nohz_full=LIST; needs a kernel with CONFIG_NO_HZ_FULL",
    );
    let siblings = Check(
        "SMT siblings",
        "nobody shares a core with a stage",
        "switch the sibling off: echo 0 > /sys/devices/system/cpu/cpuN/online, or SMT in the BIOS",
    );
    let shared: Vec<usize> = stages
        .iter()
        .filter(|cpu| {
            let file = format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
            machine.read(&file).is_some_and(|list| cpu_list(&list).len() > 1)
        })
        .copied()
        .collect();
    let governor = Check(
        "governor",
        "performance: a CPU that sleeps or slows down wakes too late",
        "wirematch host init, or: cpupower frequency-set -g performance",
    );
    let governors: Vec<String> = stages
        .iter()
        .filter_map(|cpu| {
            machine.read(&format!("/sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor"))
        })
        .collect();
    let idle = Check(
        "C-states",
        "no deep sleep: the driver is none or haltpoll, or states are switched off",
        "boot with processor.max_cstate=1 intel_idle.max_cstate=0 (or hold /dev/cpu_dma_latency)",
    );
    vec![
        isolated.file(machine, "/sys/devices/system/cpu/isolated", covers),
        ticks.file(machine, "/sys/devices/system/cpu/nohz_full", covers),
        siblings.rather(
            shared.is_empty(),
            if shared.is_empty() { "none shared".into() } else { format!("shared: {shared:?}") },
        ),
        match governors.is_empty() {
            true => governor.absent(),
            false => {
                governor.rather(governors.iter().all(|g| g == "performance"), governors.join(", "))
            }
        },
        idle.file(machine, "/sys/devices/system/cpu/cpuidle/current_driver", |driver| {
            ["none", "haltpoll", ""].contains(&driver)
        }),
    ]
}

fn memory_and_kernel(machine: &Machine) -> Vec<Finding> {
    let plain = |check: Check, file: &str, good: &[&str]| {
        check.file(machine, file, |text| good.contains(&text))
    };
    vec![
        Check(
            "transparent huge pages",
            "madvise or never: the kernel joins pages when it likes, and everybody waits",
            "wirematch host init, or: echo madvise > /sys/kernel/mm/transparent_hugepage/enabled",
        )
        .file(machine, "/sys/kernel/mm/transparent_hugepage/enabled", |text| {
            text.contains("[madvise]") || text.contains("[never]")
        }),
        plain(
            Check(
                "NUMA balancing",
                "0: pages are not moved about while they are used",
                "wirematch host init, or: sysctl kernel.numa_balancing=0",
            ),
            "/proc/sys/kernel/numa_balancing",
            &["0"],
        ),
        plain(
            Check(
                "page merging",
                "0: equal pages are not looked for",
                "wirematch host init, or: echo 0 > /sys/kernel/mm/ksm/run",
            ),
            "/sys/kernel/mm/ksm/run",
            &["0"],
        ),
        plain(
            Check(
                "watchdog",
                "0: it interrupts every CPU",
                "wirematch host init, or: sysctl kernel.watchdog=0",
            ),
            "/proc/sys/kernel/watchdog",
            &["0"],
        ),
    ]
}

fn interrupts(machine: &Machine, wanted: &Wanted) -> Finding {
    let check = Check(
        "interrupts",
        "none on the stages' CPUs",
        "wirematch host init (writes /proc/irq/*/smp_affinity_list), and stop irqbalance",
    );
    let names = machine.names("/proc/irq");
    let numbers: Vec<&String> = names.iter().filter(|name| name.parse::<u32>().is_ok()).collect();
    if numbers.is_empty() {
        return check.absent();
    }
    let stages: BTreeSet<usize> = wanted.cpus.iter().copied().collect();
    let on_stages = numbers.iter().filter(|number| {
        let list = machine.read(&format!("/proc/irq/{number}/effective_affinity_list"));
        list.is_some_and(|list| !cpu_list(&list).is_disjoint(&stages))
    });
    let (count, all) = (on_stages.count(), numbers.len());
    check.rather(count == 0, format!("{count} of {all} land on CPUs {:?}", wanted.cpus))
}

fn clocks(machine: &Machine, wanted: &Wanted) -> Vec<Finding> {
    let source = Check(
        "clock source",
        "tsc: reading any other is a system call",
        "boot with tsc=reliable, or take a machine whose counter is to be trusted",
    );
    let counter = Check(
        "invariant TSC",
        "constant_tsc and nonstop_tsc among the CPU's flags: log time is read from it",
        "another machine: time read from this one's counter would drift with its clock",
    );
    let flags = machine.read("/proc/cpuinfo").unwrap_or_default();
    let has = |flag: &str| flags.split_whitespace().any(|word| word == flag);
    let is_invariant = has("nonstop_tsc") && has("constant_tsc");
    let kthreads = Check(
        "kernel workers",
        "unbound ones keep off the stages' CPUs",
        "wirematch host init (writes /sys/devices/virtual/workqueue/cpumask)",
    );
    let stages: BTreeSet<usize> = wanted.cpus.iter().copied().collect();
    vec![
        source.file(
            machine,
            "/sys/devices/system/clocksource/clocksource0/current_clocksource",
            |text| text == "tsc",
        ),
        match flags.contains("flags") {
            true => counter.found(
                if is_invariant { Verdict::Good } else { Verdict::Fail },
                if is_invariant { "it is" } else { "it is not" },
            ),
            false => counter.absent(),
        },
        kthreads.file(machine, "/sys/devices/virtual/workqueue/cpumask", |text| {
            cpu_mask(text).is_disjoint(&stages)
        }),
        swap(machine),
        utc_finding(utc(), wanted.utc_bound_us),
    ]
}

fn swap(machine: &Machine) -> Finding {
    let check = Check(
        "swap",
        "none: a page that went out comes back from a disk, in milliseconds",
        "swapoff -a, and its line out of /etc/fstab",
    );
    // The first line is the table's head.
    match machine.read("/proc/swaps") {
        Some(text) => {
            let files: Vec<&str> =
                text.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
            let found = if files.is_empty() { "none".to_owned() } else { files.join(" ") };
            check.rather(files.is_empty(), found)
        }
        None => check.absent(),
    }
}

fn utc_finding(state: Option<Utc>, bound_us: u64) -> Finding {
    let check = Check(
        "UTC",
        "kept by NTP or PTP within the bound (--utc-bound-us)",
        "run chrony (apt-get install chrony) or ptp4l and phc2sys against a grandmaster",
    );
    match state {
        None => check.absent(),
        Some(Utc { is_kept, offset_ns, error_us }) => {
            let found = format!(
                "{}, offset {offset_ns} ns, off by {error_us} µs at most",
                if is_kept { "kept" } else { "kept by nobody" }
            );
            check.rather(is_kept && error_us <= bound_us, found)
        }
    }
}

fn card(machine: &Machine, wanted: &Wanted) -> Vec<Finding> {
    let Some(card) = &wanted.card else { return Vec::new() };
    let folder = format!("/sys/bus/pci/devices/{card}");
    let driver = Check(
        "card's driver",
        "vfio-pci (or mlx5_core, which DPDK shares with the kernel)",
        "modprobe vfio-pci; dpdk-devbind.py --bind=vfio-pci ADDRESS (package dpdk)",
    );
    if !machine.is_there(&folder) {
        return vec![driver.found(Verdict::Fail, format!("there is no card {card} (lspci -D)"))];
    }
    let bound = machine.link(&format!("{folder}/driver"));
    let is_good = bound.as_deref().is_some_and(|name| ["vfio-pci", "mlx5_core"].contains(&name));
    let node = Check(
        "card's NUMA node",
        "that of the stages' CPUs",
        "choose CPUs of the card's node (lscpu), or another slot",
    );
    let of_card = machine.read(&format!("{folder}/numa_node")).unwrap_or_default();
    let is_near = of_card == "-1"
        || wanted.cpus.iter().all(|cpu| {
            machine.is_there(&format!("/sys/devices/system/cpu/cpu{cpu}/node{of_card}"))
        });
    let groups = Check(
        "IOMMU",
        "on, so that a card reaches only the memory it was given",
        "boot with intel_iommu=on or amd_iommu=on, and iommu=pt",
    );
    let lanes = Check("card's lanes", "as fast and as wide as the card can", "another slot");
    let lane = |name: &str| machine.read(&format!("{folder}/{name}")).unwrap_or_default();
    let (speed, width) = (lane("current_link_speed"), lane("current_link_width"));
    let is_widest = speed == lane("max_link_speed") && width == lane("max_link_width");
    vec![
        driver.found(
            if is_good { Verdict::Good } else { Verdict::Fail },
            bound.unwrap_or_else(|| "none".into()),
        ),
        node.rather(is_near, format!("node {of_card}")),
        groups.rather(!machine.names("/sys/kernel/iommu_groups").is_empty(), "groups counted"),
        lanes.rather(is_widest, format!("{speed}, {width} lanes")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, Machine) {
        let folder = tempfile::tempdir().expect("a folder");
        for (file, text) in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("room");
            std::fs::write(path, text).expect("room");
        }
        let machine = Machine::below(folder.path());
        (folder, machine)
    }

    fn verdict(found: &[Finding], check: &str) -> Verdict {
        found.iter().find(|finding| finding.check == check).expect(check).verdict
    }

    #[test]
    fn what_is_not_there_is_no_failure() {
        let (_folder, machine) = machine(&[]);
        let wanted = Wanted { cpus: vec![1], card: None, utc_bound_us: 100 };
        let found = findings(&machine, &wanted);
        assert!(found.iter().all(|finding| !finding.has_failed()));
        assert_eq!(verdict(&found, "governor"), Verdict::Absent);
        assert!(found.iter().all(|finding| !finding.cure.is_empty()));
    }

    #[test]
    fn a_counter_is_invariant_where_it_neither_stops_nor_changes_its_pace() {
        let wanted = Wanted { cpus: vec![1], card: None, utc_bound_us: 100 };
        for (flags, expected) in [
            ("fpu constant_tsc nonstop_tsc", Verdict::Good),
            ("fpu constant_tsc", Verdict::Fail),
            ("fpu nonstop_tsc", Verdict::Fail),
            ("fpu", Verdict::Fail),
        ] {
            let cpus = format!("processor : 0\nflags\t: {flags}\n");
            let (_folder, machine) = machine(&[("proc/cpuinfo", &cpus)]);
            assert_eq!(verdict(&findings(&machine, &wanted), "invariant TSC"), expected, "{flags}");
        }
    }

    #[test]
    fn swap_is_told_by_its_files() {
        let wanted = Wanted { cpus: vec![1], card: None, utc_bound_us: 100 };
        let head = "Filename Type Size Used Priority\n";
        let (_folder, none) = machine(&[("proc/swaps", head)]);
        assert_eq!(verdict(&findings(&none, &wanted), "swap"), Verdict::Good);
        let text = format!("{head}/dev/sda2 partition 8 0 -2\n");
        let (_folder, some) = machine(&[("proc/swaps", &text)]);
        let found = findings(&some, &wanted);
        assert_eq!(verdict(&found, "swap"), Verdict::Warn);
        assert!(found.iter().any(|one| one.check == "swap" && one.found == "/dev/sda2"));
    }

    #[test]
    fn what_is_wrong_is_named_and_a_card_needs_more() {
        let (_folder, machine) = machine(&[
            ("proc/meminfo", "HugePages_Free: 3\nHugepagesize: 2048 kB\n"),
            ("proc/irq/7/effective_affinity_list", "1\n"),
            ("proc/irq/8/effective_affinity_list", "0\n"),
            ("sys/devices/system/cpu/isolated", "1-3\n"),
            ("sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n"),
            ("sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet\n"),
        ]);
        let mut wanted = Wanted { cpus: vec![1], card: None, utc_bound_us: 100 };
        let found = findings(&machine, &wanted);
        for (check, expected) in [
            ("huge pages", Verdict::Warn),
            ("isolated CPUs", Verdict::Good),
            ("transparent huge pages", Verdict::Warn),
            ("interrupts", Verdict::Warn),
            ("clock source", Verdict::Warn),
        ] {
            assert_eq!(verdict(&found, check), expected, "{check}");
        }
        wanted.card = Some("0000:03:00.0".into());
        let found = findings(&machine, &wanted);
        assert_eq!(verdict(&found, "huge pages"), Verdict::Fail);
        assert_eq!(verdict(&found, "card's driver"), Verdict::Fail);
    }

    #[test]
    fn a_clock_that_nobody_keeps_or_that_is_too_far_off_is_told() {
        let at = |is_kept, error_us| Some(Utc { is_kept, offset_ns: 0, error_us });
        assert_eq!(utc_finding(at(true, 90), 100).verdict, Verdict::Good);
        assert_eq!(utc_finding(at(true, 110), 100).verdict, Verdict::Warn);
        assert_eq!(utc_finding(at(false, 1), 100).verdict, Verdict::Warn);
    }
}
