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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_pins_to_a_cpu_it_may_use() {
        let cpus = available_cpus();
        assert!(!cpus.is_empty());
        std::thread::spawn(move || assert!(pin(cpus[0]))).join().unwrap();
    }
}
