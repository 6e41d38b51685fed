//! What this process may: lock its memory, and what its user can do to the machine.

use crate::command::host::checks::{Check, Finding, Verdict, Wanted};
use crate::command::host::machine::Machine;

/// What the appliance locks at the least: its tables with a few thousand accounts and orders.
const LOCKED_KIB: u64 = 1024 * 1024;

/// Capabilities by their bits, those that somebody who breaks in would like most.
const NAMES: [(u32, &str); 6] = [
    (12, "net_admin"),
    (13, "net_raw"),
    (14, "ipc_lock"),
    (16, "sys_module"),
    (21, "sys_admin"),
    (23, "sys_nice"),
];

/// Memory that may be locked, and the user.
pub(super) fn findings(machine: &Machine, wanted: &Wanted) -> Vec<Finding> {
    let status = machine.read("/proc/self/status");
    vec![locked(machine, status.as_deref(), wanted), user(status.as_deref())]
}

/// The line of a name: what stands behind it.
fn line_of<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

fn capabilities(status: &str) -> u64 {
    let bits = line_of(status, "CapEff:").and_then(|bits| u64::from_str_radix(bits, 16).ok());
    bits.unwrap_or(0)
}

fn locked(machine: &Machine, status: Option<&str>, wanted: &Wanted) -> Finding {
    let check = Check(
        "locked memory",
        "unlimited, so that all of it can be kept in memory ([engine] lock_memory); a card cannot \
         do without",
        "LimitMEMLOCK=infinity in the unit, or ulimit -l unlimited (/etc/security/limits.d)",
    );
    let limits = machine.read("/proc/self/limits");
    let limit = limits.as_deref().and_then(|text| line_of(text, "Max locked memory"));
    let Some(soft) = limit.and_then(|line| line.split_whitespace().next()) else {
        return check.absent();
    };
    let may_lock_all = status.is_some_and(|text| capabilities(text) >> 14 & 1 == 1);
    let kib = soft.parse::<u64>().map_or(u64::MAX, |bytes| bytes / 1024);
    let found = match (soft, may_lock_all) {
        ("unlimited", _) => soft.to_owned(),
        (_, true) => format!("{kib} KiB, and the capability ipc_lock knows no limit"),
        (_, false) => format!("{kib} KiB"),
    };
    let is_good = kib >= LOCKED_KIB || may_lock_all;
    match (is_good, &wanted.card) {
        (false, Some(_)) => check.found(Verdict::Fail, found),
        (is_good, _) => check.rather(is_good, found),
    }
}

fn user(status: Option<&str>) -> Finding {
    let check = Check(
        "user",
        "not root, and no capability but those that a port needs (net_admin, net_raw for a TAP)",
        "run it as a service of its own user (config/wirematch.service does), or sudo -u wirematch",
    );
    let Some(status) = status else { return check.absent() };
    // Real, effective, saved and of files.
    let user = line_of(status, "Uid:").and_then(|ids| ids.split_whitespace().nth(1));
    let Some(user) = user else { return check.absent() };
    let bits = capabilities(status);
    let held = NAMES.iter().filter(|(bit, _)| bits >> bit & 1 == 1).map(|(_, name)| *name);
    let held: Vec<&str> = held.collect();
    let is_mighty = held.iter().any(|name| ["sys_admin", "sys_module"].contains(name));
    let held = if held.is_empty() { "no capability".to_owned() } else { held.join(", ") };
    let name = if user == "0" { "root".to_owned() } else { format!("user {user}") };
    check.rather(user != "0" && !is_mighty, format!("{name}: {held}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(status: &str, limits: &str, card: Option<&str>) -> [Finding; 2] {
        let folder = tempfile::tempdir().expect("a folder");
        let own = folder.path().join("proc/self");
        std::fs::create_dir_all(&own).expect("room");
        std::fs::write(own.join("status"), status).expect("room");
        std::fs::write(own.join("limits"), limits).expect("room");
        let card = card.map(str::to_owned);
        let wanted = Wanted { cpus: vec![1], card, utc_bound_us: 100 };
        let found = findings(&Machine::below(folder.path()), &wanted);
        found.try_into().expect("there are two")
    }

    const HEAD: &str = "Limit Soft Limit Hard Limit Units\nMax locked memory ";
    const NOBODY: &str = "Uid:\t998\t998\t998\t998\nCapEff:\t0000000000000000\n";

    #[test]
    fn memory_may_be_locked_by_the_limit_or_by_the_capability() {
        let verdict = |status: &str, limit: &str, card| {
            found(status, &format!("{HEAD}{limit} {limit} bytes\n"), card)[0].verdict
        };
        let may = NOBODY.replace("CapEff:\t0000000000000000", "CapEff:\t0000000000004000");
        for (status, limit, card, expected) in [
            (NOBODY, "unlimited", Some("0000:03:00.0"), Verdict::Good),
            (NOBODY, "8388608", None, Verdict::Warn),
            (NOBODY, "8388608", Some("0000:03:00.0"), Verdict::Fail),
            (&may, "8388608", Some("0000:03:00.0"), Verdict::Good),
            (NOBODY, "1073741824", None, Verdict::Good),
        ] {
            assert_eq!(verdict(status, limit, card), expected, "{status} {limit}");
        }
        assert_eq!(found(NOBODY, "", None)[0].verdict, Verdict::Absent);
    }

    #[test]
    fn root_and_whoever_is_as_mighty_are_told() {
        let of = |status: &str| {
            let [_, user] = found(status, "", None);
            (user.verdict, user.found)
        };
        let root = "Uid:\t0\t0\t0\t0\nCapEff:\t000001ffffffffff\n";
        let (verdict, said) = of(root);
        assert_eq!(verdict, Verdict::Warn);
        assert!(said.starts_with("root: ") && said.contains("sys_admin"), "{said}");
        assert_eq!(of(NOBODY), (Verdict::Good, "user 998: no capability".into()));
        let tap = "Uid:\t998\t998\t998\t998\nCapEff:\t0000000000003000\n";
        assert_eq!(of(tap), (Verdict::Good, "user 998: net_admin, net_raw".into()));
        let mighty = "Uid:\t998\t998\t998\t998\nCapEff:\t0000000000200000\n";
        assert_eq!(of(mighty).0, Verdict::Warn);
        assert_eq!(of("").0, Verdict::Absent);
    }
}
