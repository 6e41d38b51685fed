//! Pinning threads to CPUs.

/// The CPUs this process may run on, in order.
pub fn available_cpus() -> Vec<usize> {
    let ids = core_affinity::get_core_ids().unwrap_or_default();
    ids.into_iter().map(|id| id.id).collect()
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
    fn a_thread_pins_to_a_cpu_it_may_use() {
        let cpus = available_cpus();
        assert!(!cpus.is_empty());
        std::thread::spawn(move || assert!(pin(cpus[0]))).join().unwrap();
    }
}
