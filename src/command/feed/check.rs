//! Captures as lines of a feed, held to what a feed must be: something in it, nothing broken,
//! nothing missing, books that can be. What was lost on one line and came by the other is not
//! missing.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

use serde_json::json;

use crate::command::feed::Timed;
use crate::command::{Failure, Outcome};
use crate::feed::{Arbiter, ArbiterOptions, Books, LINES_MAX};
use crate::model::Nanos;
use crate::wire::itch::Message;
use crate::wire::session::Packet;

#[derive(Default)]
struct Found {
    packets: u64,
    /// Messages as they stand in the files, whatever their numbers: by kind.
    read: BTreeMap<char, u64>,
    /// Of them, those that are next in line, each once: by kind.
    messages: BTreeMap<char, u64>,
    broken: u64,
    differ: u64,
    faults: u64,
    /// Packets of another session than the one there was.
    foreign: u64,
    /// Numbers that no line brought.
    gaps: Vec<Range<u64>>,
}

impl Found {
    fn missing(&self) -> u64 {
        self.gaps.iter().map(|gap| gap.end - gap.start).sum()
    }
}

/// Gaps that are written out for people; of more there are only the numbers.
const GAPS_SHOWN: usize = 8;

pub(super) fn run(
    files: &[PathBuf],
    lines: &[Vec<Timed>],
    apart: bool,
    partial: bool,
    json: bool,
) -> Outcome {
    let groups: Vec<&[Vec<Timed>]> = match apart {
        true => lines.chunks(1).collect(),
        false => vec![lines],
    };
    let mut bad = Vec::new();
    for (at, lines) in groups.into_iter().enumerate() {
        let (found, arbiter) = look(lines, partial);
        let lacks = if partial { 0 } else { found.missing() + found.faults };
        let is_good =
            lacks + found.broken + found.differ + found.foreign == 0 && !found.read.is_empty();
        let name = if apart { files[at].display().to_string() } else { "feed".into() };
        if json {
            let gaps: Vec<_> = found.gaps.iter().map(|gap| [gap.start, gap.end - 1]).collect();
            let row = json!({
                "name": name, "good": is_good, "packets": found.packets, "read": found.read,
                "messages": found.messages, "broken": found.broken, "differ": found.differ,
                "foreign": found.foreign, "missing": found.missing(), "gaps": gaps,
                "faults": found.faults, "lines": arbiter.lines,
            });
            println!("{row}");
        } else {
            print(&name, &found);
        }
        if !is_good {
            bad.push(name);
        }
    }
    match bad.is_empty() {
        true => Ok(()),
        false => Err(Failure::check(format!("not good: {}", bad.join(", ")))),
    }
}

fn print(name: &str, found: &Found) {
    let [read, shown] = [&found.read, &found.messages].map(|kinds| kinds.values().sum::<u64>());
    println!(
        "{name}: {} packets, {read} messages {:?}, {shown} of them once and in order; {} broken, \
         {} encode otherwise, {} of another session, {} missing, {} that cannot be",
        found.packets,
        found.read,
        found.broken,
        found.differ,
        found.foreign,
        found.missing(),
        found.faults
    );
    for gap in found.gaps.iter().take(GAPS_SHOWN) {
        println!("  missing: {} to {}", gap.start, gap.end - 1);
    }
    if found.gaps.len() > GAPS_SHOWN {
        println!("  and {} gaps more: --json has them all", found.gaps.len() - GAPS_SHOWN);
    }
}

/// Reads the lines of one feed, in the order of their times.
fn look(lines: &[Vec<Timed>], partial: bool) -> (Found, Arbiter) {
    let mut datagrams: Vec<(usize, Nanos, &[u8])> = Vec::new();
    for (line, all) in lines.iter().enumerate() {
        datagrams.extend(all.iter().map(|(at, bytes)| (line, *at, &**bytes)));
    }
    datagrams.sort_by_key(|(_, at, _)| *at);
    let options = ArbiterOptions { lines: lines.len().min(LINES_MAX), ..ArbiterOptions::default() };
    let mut arbiter = Arbiter::new(options);
    let (mut found, mut shown) = (Found::default(), Vec::<Vec<u8>>::new());
    let mut has_begun = !partial;
    for (line, at, bytes) in datagrams {
        let Ok(packet) = Packet::parse(bytes, Message::LENGTH_MAX) else {
            found.broken += 1;
            continue;
        };
        found.packets += 1;
        packet.blocks().for_each(|block| found.read(block));
        if !has_begun && packet.block_count() > 0 {
            arbiter.resume(packet.seq(), at, |_, _| {});
            has_begun = true;
        }
        // What nobody has brought in time is missing: there is nobody to ask.
        if arbiter.need(at).is_some() {
            found.gaps.extend(arbiter.pass_over(at, |_, bytes| shown.push(bytes.to_vec())));
        }
        let (line, jumps) = (Some(line.min(LINES_MAX - 1)), arbiter.jumps);
        let mut show = |_: u64, bytes: &[u8]| shown.push(bytes.to_vec());
        arbiter.receive(line, &packet, at, &mut show);
        if arbiter.jumps > jumps && packet.seq() > arbiter.expected() {
            // It is on record: however far ahead, it is believed.
            while let Some(gap) = arbiter.pass_over(at, &mut show) {
                found.gaps.push(gap);
            }
            found.gaps.push(arbiter.expected()..packet.seq());
            arbiter.resume(packet.seq(), at, &mut show);
            arbiter.receive(line, &packet, at, &mut show);
        }
    }
    let end = lines.iter().flatten().map(|(at, _)| *at).max().unwrap_or_default();
    while let Some(gap) = arbiter.pass_over(end, |_, bytes| shown.push(bytes.to_vec())) {
        found.gaps.push(gap);
    }
    found.foreign = arbiter.lines.iter().map(|line| line.foreign).sum();
    found.judge(&shown);
    (found, arbiter)
}

impl Found {
    /// Decodes a message and encodes it again.
    fn read(&mut self, bytes: &[u8]) {
        let Ok(message) = Message::decode(bytes) else { return self.broken += 1 };
        let mut written = [0; Message::LENGTH_MAX];
        let length = message.encode(&mut written).unwrap_or(0);
        self.differ += u64::from(written[..length] != *bytes);
        *self.read.entry(char::from(bytes[0])).or_default() += 1;
    }

    /// Builds books of what is in order.
    fn judge(&mut self, shown: &[Vec<u8>]) {
        let mut symbols = Vec::new();
        for bytes in shown {
            let Ok(message) = Message::decode(bytes) else { continue };
            *self.messages.entry(char::from(bytes[0])).or_default() += 1;
            let symbol = match message {
                Message::AddOrder(add) => add.stock,
                Message::AddOrderWithMpid(add) => add.stock,
                _ => continue,
            };
            if !symbols.contains(&symbol) {
                symbols.push(symbol);
            }
        }
        let adds = ['A', 'F'].iter().filter_map(|kind| self.messages.get(kind)).sum::<u64>();
        let mut books = Books::new(&symbols, adds as usize + 16, 1 << 12);
        shown.iter().for_each(|bytes| _ = books.apply(bytes));
        self.faults = books.faults;
    }
}
