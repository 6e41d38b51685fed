//! The machine, named beside every figure.

use crate::runtime::available_cpus;

/// What the CPUs are and how many this process may have, what else they do, and how it is
/// scheduled.
pub(super) fn machine() -> String {
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = model(&cpus).unwrap_or("a CPU without a name");
    let count = available_cpus().len();
    let plural = if count == 1 { "" } else { "s" };
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').take(3).collect::<Vec<_>>().join(" ");
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // What follows the name, which may hold blanks; the policy is the 41st field of all.
    let policy = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(38));
    let policy = match policy {
        Some("0") => "SCHED_OTHER",
        Some("1") => "SCHED_FIFO",
        Some("2") => "SCHED_RR",
        Some(_) => "another policy",
        None => "an unknown policy",
    };
    format!("{model}, {count} CPU{plural}; load {load}, scheduled by {policy}")
}

/// The first CPU's name, by what the kernel tells of all.
fn model(cpus: &str) -> Option<&str> {
    let fields = cpus.lines().filter_map(|line| line.split_once(':'));
    let mut models = fields.filter(|(key, _)| key.trim() == "model name");
    models.next().map(|(_, name)| name.trim()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cpu_is_called_by_its_model() {
        let told = "processor\t: 0\nmodel\t\t: 1\nmodel name\t: EPYC 7B13\nflags\t: a:b\n";
        assert_eq!(model(told), Some("EPYC 7B13"));
        assert_eq!(model("processor\t: 0\nmodel name\t:\n"), None);
        assert_eq!(model(""), None);
    }
}
