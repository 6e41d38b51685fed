//! Which CPUs there are, and pinning threads to them.

use std::collections::BTreeMap;

/// The CPUs this process may run on, in order.
pub fn available_cpus() -> Vec<usize> {
    let ids = core_affinity::get_core_ids().unwrap_or_default();
    ids.into_iter().map(|id| id.id).collect()
}

/// The same CPUs, those that devices interrupt most first, so that the last ones suit stages best.
///
/// One disk's queue may interrupt one CPU alone; a stage there loses a tenth of its time to it.
pub fn quietest_last(mut cpus: Vec<usize>) -> Vec<usize> {
    let text = std::fs::read_to_string("/proc/interrupts").unwrap_or_default();
    let counts = device_interrupts(&text);
    cpus.sort_by_key(|cpu| std::cmp::Reverse(counts.get(cpu).copied().unwrap_or(0)));
    cpus
}

/// Interrupts by devices since boot, by CPU, as `proc_interrupts(5)` tells them: a heading of CPUs,
/// then a row for each source, of which devices' are numbered.
fn device_interrupts(text: &str) -> BTreeMap<usize, u64> {
    let mut lines = text.lines();
    let heading = lines.next().unwrap_or("").split_whitespace();
    let cpus: Vec<usize> =
        heading.filter_map(|name| name.strip_prefix("CPU")?.parse().ok()).collect();
    let mut counts = BTreeMap::new();
    for line in lines {
        let Some((source, row)) = line.split_once(':') else { continue };
        if source.trim().parse::<u32>().is_err() {
            continue;
        }
        for (cpu, count) in cpus.iter().zip(row.split_whitespace()) {
            let Ok(count) = count.parse::<u64>() else { break };
            let sum = counts.entry(*cpu).or_insert(0u64);
            *sum = sum.saturating_add(count);
        }
    }
    counts
}

/// Pins the calling thread; `false` if the kernel refused.
pub fn pin(cpu: usize) -> bool {
    core_affinity::set_for_current(core_affinity::CoreId { id: cpu })
}

/// Keeps the calling thread, and those it starts from now on, to the machine's CPUs without the
/// stages' own, so that nobody interrupts a stage; where no CPU is left, to all of them. `false`
/// if the kernel refused.
pub fn stay_off(stages: &[usize], machine: &[usize]) -> bool {
    let free: Vec<usize> = machine.iter().copied().filter(|cpu| !stages.contains(cpu)).collect();
    keep_to(if free.is_empty() { machine } else { &free })
}

#[allow(unsafe_code, reason = "`core_affinity` knows one CPU a thread, not a set of them")]
fn keep_to(cpus: &[usize]) -> bool {
    // SAFETY: a set of CPUs is plain bits, and none is its zero value.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    for &cpu in cpus.iter().filter(|&&cpu| cpu < libc::CPU_SETSIZE as usize) {
        // SAFETY: the number is below the size of the set.
        unsafe { libc::CPU_SET(cpu, &mut set) };
    }
    // SAFETY: the kernel reads the set, which is as long as is said, and keeps no reference to it.
    unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_stays_off_the_cpus_of_stages_as_long_as_there_are_others() {
        let machine = available_cpus();
        let last = machine[machine.len() - 1];
        let kept = |stages: Vec<usize>| {
            let machine = machine.clone();
            let thread = std::thread::spawn(move || {
                assert!(stay_off(&stages, &machine));
                available_cpus()
            });
            thread.join().unwrap()
        };
        assert_eq!(kept(machine.clone()), machine, "no CPU is left, so all are taken");
        let others: Vec<usize> = machine.iter().copied().filter(|cpu| *cpu != last).collect();
        if !others.is_empty() {
            assert_eq!(kept(vec![last]), others);
        }
    }

    #[test]
    fn what_devices_interrupt_is_counted_by_cpu() {
        let text = "           CPU0       CPU2 \n\
                    \x20 1:         10          0   IO-APIC   1-edge      keyboard\n\
                    \x2036:          5        700   PCI-MSIX  1-edge      disk\n\
                    NMI:       9000       9000   Non-maskable interrupts\n\
                    \x20 9:\n";
        assert_eq!(device_interrupts(text), BTreeMap::from([(0, 15), (2, 700)]));
        assert_eq!(device_interrupts(""), BTreeMap::new());
        let mut same = quietest_last(available_cpus());
        same.sort_unstable();
        assert_eq!(same, available_cpus());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text: String) {
            device_interrupts(&text);
        }
    }

    #[test]
    fn a_thread_pins_to_a_cpu_it_may_use() {
        let cpus = available_cpus();
        assert!(!cpus.is_empty());
        std::thread::spawn(move || assert!(pin(cpus[0]))).join().unwrap();
    }
}
