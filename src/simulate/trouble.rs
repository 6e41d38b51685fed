//! What goes wrong in a world, drawn from its seed; and what then must not have been lost. A fault
//! that takes more than is promised is not drawn: docs/durability.md says what each gate promises.

use std::path::Path;

use crate::flow::Dice;
use crate::journal::{LogKind, scan};
use crate::model::Nanos;
use crate::port::faulty::Faults;
use crate::simulate::cables::{DOORS, EXCHANGE, WITNESS, locked};
use crate::simulate::check::{self, Found};
use crate::simulate::clients::client_address;
use crate::simulate::platter::Spoiled;
use crate::simulate::world::{CLIENTS, World, gateways};
use crate::simulate::{Fault, Sabotage};
use crate::topology::{list_snapshots, snapshots_folder};

/// What a disk did that its machine must not live with in silence.
pub(super) enum Spoilt {
    /// What stands there must be found by a start.
    Bytes(Spoiled),
    /// It forgot what it said was written; a start may find that, or find an older log.
    Lied,
}

impl World {
    /// Something goes wrong.
    pub(super) fn strike(&mut self) {
        let pause = 10_000_000 + self.dice.below(150_000_000);
        // Now and then the next follows at once, before this one is healed.
        let pause = if self.dice.percent(25) { self.dice.below(12_000_000) } else { pause };
        self.next_fault = self.now.saturating_add(Nanos(pause));
        let kinds = self.enabled.len() as u64;
        let Some(kind) = self.enabled.get(self.dice.below(kinds) as usize).copied() else { return };
        let place = self.dice.below(2) as usize;
        let span = Nanos(1_000_000 + self.dice.below(250_000_000));
        let until = self.now.saturating_add(span);
        let is_double = self.is_hurt();
        let has_struck = match kind {
            Fault::PowerLost
            | Fault::PowerLostByBoth
            | Fault::DiskFull
            | Fault::DiskFailing
            | Fault::DiskLying
            | Fault::BitRot
            | Fault::MisdirectedWrite => self.strike_disk(kind, place, until),
            _ => self.strike_rest(kind, place, until),
        };
        if has_struck {
            self.struck.met(kind, 1);
            self.struck.doubles += u64::from(is_double);
            self.heal_at = self.heal_at.max(until);
        }
    }

    /// Whether an earlier fault is not healed.
    fn is_hurt(&self) -> bool {
        self.heal_at > self.now
            || self.witness.is_none()
            || (0..2).any(|at| self.machines[at].is_off() || self.now < self.paused[at])
    }

    /// Processes, wires and clocks.
    fn strike_rest(&mut self, kind: Fault, place: usize, until: Nanos) -> bool {
        match kind {
            Fault::KillPrimary | Fault::KillStandby => {
                let wanted = kind == Fault::KillPrimary;
                let Some(place) = (0..2).find(|at| {
                    !self.machines[*at].is_off() && self.machines[*at].is_primary() == wanted
                }) else {
                    return false;
                };
                self.kill(place);
            }
            Fault::KillBoth => {
                self.kill(0);
                self.kill(1);
            }
            Fault::TornTail => {
                self.kill(place);
                tear(&self.machines[place].journal(), &mut self.dice);
            }
            Fault::KillWitness => {
                self.witness = None;
                locked(&self.cables).end(WITNESS);
                if self.sabotage == Some(Sabotage::WitnessForgets) {
                    let _ = std::fs::remove_dir_all(&self.witness_options.data);
                }
                self.witness_at = Some(until);
            }
            Fault::Pause => self.paused[place] = until,
            Fault::CutMachines => self.cut(0, 1, true),
            Fault::CutMachinesOneWay => self.cut(place, 1 - place, false),
            Fault::CutWitness => self.cut(place, WITNESS, true),
            Fault::CutWitnessOneWay => match self.dice.percent(50) {
                true => self.cut(place, WITNESS, false),
                false => self.cut(WITNESS, place, false),
            },
            Fault::CutClient | Fault::CutClientOneWay => self.cut_client(kind, place),
            Fault::BreakFixLine => {
                let at = self.dice.below(self.fix_clients.len() as u64) as usize;
                let client = self.fix_clients[at].place;
                locked(&self.cables).break_between(client, DOORS[place]);
            }
            Fault::KillFixClient => {
                let at = self.dice.below(self.fix_clients.len() as u64) as usize;
                self.fix_clients[at].kill(self.now);
            }
            Fault::BreakExchangeLine => locked(&self.cables).break_between(place, EXCHANGE),
            Fault::KillExchange => self.exchange.kill(),
            Fault::CutExchange => match self.dice.percent(50) {
                true => self.cut(place, EXCHANGE, true),
                false => self.cut(EXCHANGE, place, false),
            },
            Fault::BreakLines => locked(&self.cables).break_between(0, 1),
            Fault::SpoilLines => locked(&self.cables).corruption = 1 + self.dice.below(300),
            Fault::SnapshotRot => {
                self.kill(place);
                return rot_a_snapshot(&self.machines[place].config.data, &mut self.dice);
            }
            Fault::ClockStep => self.skew[place].0 += self.dice.below(3_600_000_000_000),
            Fault::ClockDrift => self.skew[place].1 = self.dice.below(500),
            Fault::SlowLines => locked(&self.cables).delay_max = 1 + self.dice.below(30_000_000),
            _ => {
                let mut part = || self.dice.below(80_000) as u32;
                let faults = Faults {
                    loss: part(),
                    duplication: part(),
                    reordering: part(),
                    corruption: part(),
                    truncation: part(),
                };
                self.hub.set_faults(faults);
            }
        }
        true
    }

    /// Power and disks; where that would take what nobody promised, nothing.
    fn strike_disk(&mut self, kind: Fault, place: usize, until: Nanos) -> bool {
        match kind {
            Fault::PowerLost if self.may_lose_power(place) => self.lose_power(place),
            Fault::PowerLostByBoth if self.may_both_lose_power() => {
                self.lose_power(0);
                self.lose_power(1);
            }
            Fault::DiskFull => self.machines[place].disk.set_full(true),
            Fault::DiskFailing if !self.machines[place].is_off() => {
                self.machines[place].disk.set_failing(true);
            }
            Fault::DiskLying => {
                self.machines[place].disk.set_lying();
                self.power_at[place] = Some(until);
            }
            Fault::BitRot | Fault::MisdirectedWrite if self.is_whole(1 - place) => {
                return self.spoil(kind, place);
            }
            _ => return false,
        }
        true
    }

    /// A machine ends, and meanwhile its disk is no longer what it was.
    fn spoil(&mut self, kind: Fault, place: usize) -> bool {
        self.kill(place);
        let log = match self.dice.percent(60) {
            true => LogKind::Commands,
            false => LogKind::Events,
        };
        let folder = log.folder(&self.machines[place].journal());
        let disk = &self.machines[place].disk;
        let spoiled = match kind {
            Fault::BitRot => disk.rot(&folder, log),
            _ => disk.misdirect(&folder, log),
        };
        let has_spoiled = spoiled.is_some();
        if let Some(spoiled) = spoiled {
            self.spoiled[place] = Some(Spoilt::Bytes(spoiled));
            if self.sabotage == Some(Sabotage::CutDamage) {
                let _ = crate::journal::cut_back(&self.machines[place].journal(), 0);
            }
        }
        has_spoiled
    }

    /// Whether a machine has all that was told, as is promised.
    fn is_whole(&self, place: usize) -> bool {
        let name = self.machines[place].name;
        (self.record.holder == name || self.record.heir == name)
            && !self.forgot[place]
            && self.spoiled[place].is_none()
    }

    /// Whether it is promised that nothing is lost if this machine's memory is, and what its disk
    /// only says it has.
    fn may_lose_power(&self, place: usize) -> bool {
        let machine = &self.machines[place];
        if self.is_whole(1 - place) {
            return true;
        }
        let is_alone = self.record.holder == machine.name && self.record.heir.is_nobody();
        let has_disk = !machine.disk.is_lying() && self.spoiled[place].is_none();
        has_disk && (machine.promises_disks() || is_alone && machine.has_synced())
    }

    fn may_both_lose_power(&self) -> bool {
        (0..2).all(|at| {
            let machine = &self.machines[at];
            machine.promises_disks() && !machine.disk.is_lying() && self.spoiled[at].is_none()
        })
    }

    fn lose_power(&mut self, place: usize) {
        self.kill(place);
        let machine = &mut self.machines[place];
        let was_lying = machine.disk.is_lying();
        self.struck.pages_lost += machine.disk.lose_power(&machine.config.data);
        self.power_at[place] = None;
        if was_lying {
            self.spoiled[place] = Some(Spoilt::Lied);
        }
        if was_lying || !machine.promises_disks() {
            self.forgot[place] = true;
            // Whoever was primary is judged by the witness; whoever was not is started as standby.
            if self.record.holder != machine.name {
                machine.set_waiting();
            }
        }
    }

    /// The power of a machine whose disk has lied for long enough goes, unless it is needed.
    pub(super) fn take_power_that_is_due(&mut self) {
        for place in 0..2 {
            if self.power_at[place].is_some_and(|at| at <= self.now) && self.may_lose_power(place) {
                self.lose_power(place);
                self.struck.met(Fault::PowerLost, 1);
            }
        }
    }

    /// A machine serves or stands by: then it has found what its disk did.
    pub(super) fn came_up(&mut self, place: usize) -> Result<(), Found> {
        match self.spoiled[place].take() {
            Some(Spoilt::Bytes(bytes)) if bytes.is_there() => {
                Err(Found::new("damage", format!("machine {place} goes on with {bytes:?}")))
            }
            _ => Ok(()),
        }
    }

    /// A machine ended with an error: so it must where its disk is to blame, and nowhere else.
    pub(super) fn fell(&mut self, place: usize, why: &str) -> Result<(), Found> {
        let disk = &self.machines[place].disk;
        let fault = || Found::new("fault", format!("machine {place} fell: {why}"));
        if self.spoiled[place].is_some() {
            let journal = self.machines[place].journal();
            if !why.contains(&*journal.to_string_lossy()) {
                return Err(fault());
            }
            self.set_up_anew(place);
        } else if disk.is_failing() {
            self.struck.syncs_failed += 1;
        } else if !(disk.is_full() && why.contains("cannot make")) {
            return Err(fault());
        }
        self.kill(place);
        Ok(())
    }

    /// What an operator does with a machine whose journal is damaged: it begins with an empty one,
    /// as standby.
    fn set_up_anew(&mut self, place: usize) {
        self.struck.starts_refused += 1;
        self.spoiled[place] = None;
        self.forgot[place] = true;
        self.set_up = Some(place);
        let machine = &mut self.machines[place];
        let _ = std::fs::remove_dir_all(&machine.config.data);
        machine.set_waiting();
    }

    /// A process ends; its machine starts it again.
    pub(super) fn kill(&mut self, place: usize) {
        self.machines[place].kill();
        self.hub.disconnect(*gateways()[place].ip());
        locked(&self.cables).end_machine(place);
        let pause = 1_000_000 + self.dice.below(150_000_000);
        self.restart_at[place] = Some(self.now.saturating_add(Nanos(pause)));
    }

    /// Nothing passes from one place to another, and back where both ways are cut.
    fn cut(&mut self, from: usize, to: usize, both_ways: bool) {
        let mut cables = locked(&self.cables);
        cables.is_cut[from][to] = true;
        cables.is_cut[to][from] |= both_ways;
    }

    fn cut_client(&mut self, kind: Fault, place: usize) {
        let who = self.dice.below(u64::from(CLIENTS) + self.fix_clients.len() as u64) as u32;
        if let Some(client) = who.checked_sub(CLIENTS) {
            let (client, door) = (self.fix_clients[client as usize].place, DOORS[place]);
            return match (kind, self.dice.percent(50)) {
                (Fault::CutClient, _) => self.cut(client, door, true),
                (_, true) => self.cut(client, door, false),
                (_, false) => self.cut(door, client, false),
            };
        }
        let client = client_address(1 + who);
        let machine = *gateways()[place].ip();
        let to_machine = kind == Fault::CutClient || self.dice.percent(50);
        if to_machine {
            self.hub.cut(client, machine);
        }
        if kind == Fault::CutClient || !to_machine {
            self.hub.cut(machine, client);
        }
    }

    /// What can be undone is; until then a full disk must have been no place for orders.
    pub(super) fn heal(&mut self) -> Result<(), Found> {
        for machine in &self.machines {
            if let Some(refuses) = machine.refuses() {
                check::refuses(&machine.journal(), refuses)?;
            }
        }
        self.heal_at = Nanos::ZERO;
        self.hub.set_faults(Faults::default());
        self.hub.join();
        self.machines.iter().for_each(|machine| machine.disk.set_full(false));
        let mut cables = locked(&self.cables);
        cables.is_cut = Default::default();
        (cables.delay_max, cables.corruption) = (50_000, 0);
        Ok(())
    }
}

/// A bit of a snapshot turns; whether there is one.
fn rot_a_snapshot(data: &Path, dice: &mut Dice) -> bool {
    let kept = list_snapshots(&snapshots_folder(data)).unwrap_or_default();
    let Some(kept) = kept.first() else { return false };
    let Ok(mut bytes) = std::fs::read(&kept.path) else { return false };
    let at = dice.below(bytes.len() as u64) as usize;
    bytes[at] ^= 1 << dice.below(8);
    std::fs::write(&kept.path, bytes).is_ok()
}

/// Bytes of a write that was interrupted, behind the last frame of the command log.
fn tear(journal: &Path, dice: &mut Dice) {
    use std::os::unix::fs::FileExt;
    let folder = LogKind::Commands.folder(journal);
    let Ok(scan) = scan(&folder, LogKind::Commands, &mut |_| ()) else { return };
    let Some(last) = scan.segments.iter().rev().find(|s| s.header.is_some() && !s.ended) else {
        return;
    };
    let Ok(file) = std::fs::OpenOptions::new().write(true).open(&last.file.path) else { return };
    let bytes: Vec<u8> = (0..64 + dice.below(400)).map(|_| dice.below(256) as u8).collect();
    let at = last.end as u64 * 64 + 64;
    if at + bytes.len() as u64 <= last.bytes {
        let _ = file.write_all_at(&bytes, at);
    }
}
