//! What turns gave, and how it is told: medians of turns, differences, ratios, the machine.

use anyhow::Context;
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::command::Outcome;
use crate::command::bench::plot::{Plot, together};
use crate::command::bench::port::Role;
use crate::command::bench::port::network::Kind;
use crate::command::bench::port::serve::InBox;
use crate::command::host::made_by;
use crate::runtime::Percentiles;

/// What the client saw.
pub(super) struct Measured {
    pub(super) latency: Histogram<u64>,
    pub(super) per_second: Option<u64>,
}

/// Times in which the machine took the CPU away.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Gaps {
    /// How many were above a microsecond.
    count: u64,
    /// Their sum.
    sum_ns: u64,
    /// The longest.
    longest_ns: u64,
}

impl Gaps {
    pub(super) fn note(&mut self, gap: u64) {
        self.count += 1;
        self.sum_ns += gap;
        self.longest_ns = self.longest_ns.max(gap);
    }
}

/// What the far process says of itself.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Told {
    pub(super) in_box: Option<InBox>,
    pub(super) gaps: Gaps,
}

/// One turn.
pub(super) struct Turn {
    pub(super) role: Role,
    pub(super) measured: Measured,
    pub(super) told: Told,
}

/// In the order in which they are told.
const ROLES: [Role; 4] = [Role::Echo, Role::Appliance, Role::KernelEcho, Role::KernelAppliance];

/// All turns.
pub(super) struct Outcomes {
    kind: Kind,
    rate: u32,
    floor_ns: Option<u64>,
    pub(super) turns: Vec<Turn>,
}

/// The turns of one role.
struct Row {
    name: String,
    wire: Percentiles,
    in_box: Option<Percentiles>,
    per_second: Option<u64>,
}

impl Outcomes {
    pub(super) fn new(kind: Kind, rate: u32, floor_ns: Option<u64>) -> Self {
        Self { kind, rate, floor_ns, turns: Vec::new() }
    }

    /// The median turn of a role, by its own median.
    fn median(&self, role: Role) -> Option<&Turn> {
        let mut turns: Vec<&Turn> = self.turns.iter().filter(|turn| turn.role == role).collect();
        turns.sort_by_key(|turn| turn.measured.latency.value_at_quantile(0.5));
        turns.get(turns.len() / 2).copied()
    }

    /// The picture of every role; `asked` says how it was measured.
    pub(super) fn plot(&self, asked: &str, machine: &str) -> Plot {
        let turns = match self.turns.iter().filter(|turn| turn.role == Role::Echo).count() {
            1 => "1 turn".to_owned(),
            turns => format!("{turns} turns"),
        };
        Plot {
            title: format!("Wire to wire over {}, by percentile", self.kind.name()),
            said: vec![format!("{asked}; {turns} of each"), machine.to_owned()],
            lines: self.lines(),
        }
    }

    /// Each role's name and its latencies, in all of its turns.
    fn lines(&self) -> Vec<(String, Histogram<u64>)> {
        let line = |role| {
            let turns = self.turns.iter().filter(|turn| turn.role == role);
            Some((self.name(role), together(turns.map(|turn| &turn.measured.latency))?))
        };
        ROLES.into_iter().filter_map(line).collect()
    }

    fn name(&self, role: Role) -> String {
        match role {
            Role::Echo => format!("{} echo", self.kind.name()),
            Role::Appliance => format!("{} appliance", self.kind.name()),
            Role::KernelEcho => "kernel echo".into(),
            Role::KernelAppliance => "kernel appliance".into(),
        }
    }

    fn rows(&self) -> Vec<Row> {
        let row = |role| {
            let turn = self.median(role)?;
            let best = self.turns.iter().filter(|turn| turn.role == role);
            Some(Row {
                name: self.name(role),
                wire: Percentiles::of(&turn.measured.latency),
                in_box: turn.told.in_box,
                per_second: best.filter_map(|turn| turn.measured.per_second).max(),
            })
        };
        ROLES.into_iter().filter_map(row).collect()
    }

    pub(super) fn print(&self, machine: &str, as_json: bool) -> Outcome {
        let rows = self.rows();
        let gaps = self.median(Role::Appliance).map(|turn| turn.told.gaps).unwrap_or_default();
        let find = |role| rows.iter().find(|row| row.name == self.name(role));
        let p50 = |role| find(role).map(|row| row.wire.p50_ns);
        let cost = p50(Role::Appliance).zip(p50(Role::Echo)).map(|(a, e)| a as i64 - e as i64);
        let ratio = |ours: Role, theirs: Role| {
            let (ours, theirs) = (find(ours)?, find(theirs)?);
            let part = |of: fn(&Percentiles) -> u64| {
                of(&theirs.wire) as f64 / of(&ours.wire).max(1) as f64
            };
            Some([part(|p| p.p50_ns), part(|p| p.p99_ns), part(|p| p.p999_ns)])
        };
        let ratios = [
            ("echo", ratio(Role::Echo, Role::KernelEcho)),
            ("appliance", ratio(Role::Appliance, Role::KernelAppliance)),
        ];
        if as_json {
            let rows = rows.iter().map(|row| {
                json!({ "name": row.name, "wire_to_wire": row.wire, "in_box": row.in_box,
                        "per_second": row.per_second })
            });
            let report = json!({
                "device": self.kind.name(), "rate_per_s": self.rate, "floor_ns": self.floor_ns,
                "machine": machine, "made_by": made_by(), "gaps": gaps,
                "rows": rows.collect::<Vec<_>>(),
                "appliance_over_echo_ns": cost,
                "kernel_over_device": ratios.iter().filter_map(|(name, ratio)| {
                    ratio.map(|ratio| json!({ "of": name, "p50_p99_p999": ratio }))
                }).collect::<Vec<_>>(),
            });
            println!("{}", serde_json::to_string_pretty(&report).context("cannot write JSON")?);
            return Ok(());
        }
        println!(
            "{} at {} messages a second, open loop, a spinner on each of two CPUs; floor {} ns",
            self.kind.name(),
            self.rate,
            self.floor_ns.map_or("-".into(), |floor| floor.to_string())
        );
        println!("{machine}");
        println!(
            "{:<22} {:>9} {:>9} {:>10} {:>11} {:>12}",
            "", "p50 ns", "p99 ns", "p99.9 ns", "max ns", "highest /s"
        );
        for row in &rows {
            line(&row.name, &row.wire, row.per_second);
            if let Some(in_box) = &row.in_box {
                line("  in the box", in_box, None);
            }
        }
        println!(
            "gaps above 1 µs: {}, together {} µs, the longest {} ns",
            gaps.count,
            gaps.sum_ns / 1000,
            gaps.longest_ns
        );
        if let Some(cost) = cost {
            println!("the appliance costs {cost} ns more than the echo, p50");
        }
        for (name, ratio) in ratios {
            if let Some([p50, p99, p999]) = ratio {
                println!(
                    "kernel / {}, {name}: p50 {p50:.2}, p99 {p99:.2}, p99.9 {p999:.2}",
                    self.kind.name()
                );
            }
        }
        Ok(())
    }
}

fn line(name: &str, latency: &Percentiles, per_second: Option<u64>) {
    let per_second = per_second.map_or(String::new(), |rate| rate.to_string());
    let Percentiles { p50_ns, p99_ns, p999_ns, max_ns, .. } = latency;
    println!("{name:<22} {p50_ns:>9} {p99_ns:>9} {p999_ns:>10} {max_ns:>11} {per_second:>12}");
}
