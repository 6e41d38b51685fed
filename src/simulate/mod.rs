//! The whole appliance twice over, with witness, clients, wires and clocks, in one thread from one
//! seed. The machines run the production stages and the production standby; only sockets, threads
//! and time are the simulator's. Checkers stand outside and believe nobody.

mod cables;
mod check;
mod clients;
mod exchange;
mod hub;
mod machine;
mod market;
mod platter;
mod trouble;
mod world;

use std::collections::BTreeMap;

pub use check::Found;
pub use market::{Listed, Lot, Manner, Market, News};

use crate::model::Nanos;
use crate::simulate::world::{World, folder};

/// Kinds of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the table of names says them")]
pub enum Fault {
    KillPrimary,
    KillStandby,
    KillBoth,
    KillWitness,
    TornTail,
    Pause,
    CutMachines,
    CutMachinesOneWay,
    CutWitness,
    CutWitnessOneWay,
    CutClient,
    CutClientOneWay,
    BreakFixLine,
    KillFixClient,
    BreakExchangeLine,
    KillExchange,
    CutExchange,
    BreakLines,
    SlowLines,
    SpoilLines,
    ClockStep,
    ClockDrift,
    PowerLost,
    PowerLostByBoth,
    DiskFull,
    DiskFailing,
    DiskLying,
    BitRot,
    MisdirectedWrite,
    SnapshotRot,
    BadFrames,
    FramesLost,
    FramesRepeated,
    FramesReordered,
    FramesCorrupted,
    FramesTruncated,
    BitsTurned,
}

impl Fault {
    /// Those that are drawn; the others come of bad frames and are counted one by one.
    pub const ALL: &[Self] = &[
        Self::KillPrimary,
        Self::KillStandby,
        Self::KillBoth,
        Self::KillWitness,
        Self::TornTail,
        Self::Pause,
        Self::CutMachines,
        Self::CutMachinesOneWay,
        Self::CutWitness,
        Self::CutWitnessOneWay,
        Self::CutClient,
        Self::CutClientOneWay,
        Self::BreakFixLine,
        Self::KillFixClient,
        Self::BreakExchangeLine,
        Self::KillExchange,
        Self::CutExchange,
        Self::BreakLines,
        Self::SlowLines,
        Self::SpoilLines,
        Self::ClockStep,
        Self::ClockDrift,
        Self::PowerLost,
        Self::PowerLostByBoth,
        Self::DiskFull,
        Self::DiskFailing,
        Self::DiskLying,
        Self::BitRot,
        Self::MisdirectedWrite,
        Self::SnapshotRot,
        Self::BadFrames,
    ];

    /// What it is, for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::KillPrimary => "primary killed",
            Self::KillStandby => "standby killed",
            Self::KillBoth => "both killed",
            Self::KillWitness => "witness killed",
            Self::TornTail => "killed in the middle of a write",
            Self::Pause => "machine paused",
            Self::CutMachines => "machines cut off from each other",
            Self::CutMachinesOneWay => "machines cut off from each other, one way",
            Self::CutWitness => "machine cut off from the witness",
            Self::CutWitnessOneWay => "machine cut off from the witness, one way",
            Self::CutClient => "client cut off from a machine",
            Self::CutClientOneWay => "client cut off from a machine, one way",
            Self::BreakFixLine => "line of a FIX client broken",
            Self::KillFixClient => "FIX client killed",
            Self::BreakExchangeLine => "line to the exchange broken",
            Self::KillExchange => "exchange killed",
            Self::CutExchange => "machine cut off from the exchange",
            Self::BreakLines => "lines between machines broken",
            Self::SlowLines => "lines between machines slow",
            Self::SpoilLines => "lines between machines turning bits",
            Self::BitsTurned => "bits turned on lines between machines",
            Self::ClockStep => "clock stepped",
            Self::ClockDrift => "clock runs fast",
            Self::PowerLost => "machine lost power",
            Self::PowerLostByBoth => "both machines lost power",
            Self::DiskFull => "disk full",
            Self::DiskFailing => "syncs failing",
            Self::DiskLying => "disk lying about syncs",
            Self::BitRot => "bit of a stopped journal turned",
            Self::MisdirectedWrite => "page written to another's place",
            Self::SnapshotRot => "bit of a snapshot turned",
            Self::BadFrames => "clients' wires bad",
            Self::FramesLost => "frames lost",
            Self::FramesRepeated => "frames repeated",
            Self::FramesReordered => "frames overtaken",
            Self::FramesCorrupted => "frames corrupted",
            Self::FramesTruncated => "frames cut short",
        }
    }
}

/// Deliberate bugs, to see that the checkers bite; for tests alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// Replies wait for this machine's page cache only.
    SkipGate,
    /// A lease never ends.
    IgnoreLease,
    /// A primary goes on when it learns that another one is.
    IgnoreEpoch,
    /// A standby counts as having everything.
    BelieveTooMuch,
    /// What a deposed primary wrote stays in its journal.
    KeepOldTail,
    /// A new primary writes under the epoch of the old one.
    SameEpoch,
    /// A new primary does not know the sessions.
    ForgetSessions,
    /// A standby loses an order from its books.
    FlipState,
    /// A standby drops an event.
    DropEvent,
    /// The witness forgets when it is started again.
    WitnessForgets,
    /// The witness lets anybody take over.
    WitnessObliges,
    /// An order is sequenced twice.
    Duplicate,
    /// A sync that failed counts as done.
    HideFailedSync,
    /// Orders are taken though there is no room for them.
    AcceptWhenFull,
    /// A journal's damage is cut off as if it were a torn tail.
    CutDamage,
    /// A standby's risk gate counts a fill twice.
    FillTwice,
    /// What a FIX client lacks is passed over when it asks.
    FixPassOver,
    /// A machine that starts has no records of FIX sessions.
    FixForget,
    /// A machine that starts has no records of its session at the exchange.
    VenueForget,
    /// What a start folds behind its snapshot lacks an order of the snapshot.
    SnapshotLacks,
}

impl Sabotage {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::SkipGate,
        Self::IgnoreLease,
        Self::IgnoreEpoch,
        Self::BelieveTooMuch,
        Self::KeepOldTail,
        Self::SameEpoch,
        Self::ForgetSessions,
        Self::FlipState,
        Self::DropEvent,
        Self::WitnessForgets,
        Self::WitnessObliges,
        Self::Duplicate,
        Self::HideFailedSync,
        Self::AcceptWhenFull,
        Self::CutDamage,
        Self::FillTwice,
        Self::FixPassOver,
        Self::FixForget,
        Self::VenueForget,
        Self::SnapshotLacks,
    ];

    /// Faults without which nobody could notice it: every seed has them.
    const fn needs(self) -> &'static [Fault] {
        match self {
            Self::HideFailedSync => &[Fault::DiskFailing, Fault::PowerLost],
            Self::AcceptWhenFull => &[Fault::DiskFull],
            Self::CutDamage => &[Fault::BitRot, Fault::MisdirectedWrite],
            Self::FixPassOver => &[Fault::BreakFixLine],
            _ => &[],
        }
    }
}

/// How long trouble lasts, and what is broken on purpose.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Simulated time before trouble ends.
    pub trouble: Nanos,
    /// A deliberate bug.
    pub sabotage: Option<Sabotage>,
}

/// Faults by kind, and what they met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Struck {
    /// Kinds, and how often each struck.
    pub counts: BTreeMap<Fault, u64>,
    /// Times a standby became primary.
    pub takeovers: u64,
    /// Faults that struck while another was not healed.
    pub doubles: u64,
    /// Pages that were in memory alone when the power went.
    pub pages_lost: u64,
    /// Orders refused because a journal had no room.
    pub refused_for_room: u64,
    /// Starts that were refused because of what a disk had done.
    pub starts_refused: u64,
    /// Machines that ended because a sync failed.
    pub syncs_failed: u64,
    /// Snapshots that were taken.
    pub snapshots: u64,
    /// Starts that began from one.
    pub begun_from_snapshots: u64,
    /// FIX messages that FIX clients were sent again.
    pub fix_repeats: u64,
}

impl Struck {
    fn met(&mut self, kind: Fault, count: u64) {
        *self.counts.entry(kind).or_default() += count;
    }

    /// What faults met, each with its number, for people.
    pub fn met_with(&self) -> [(u64, &'static str); 9] {
        [
            (self.doubles, "faults while another was not healed"),
            (self.takeovers, "times the standby took over"),
            (self.pages_lost, "pages lost with the power"),
            (self.refused_for_room, "orders refused for want of room"),
            (self.starts_refused, "starts refused, and the machine set up anew"),
            (self.syncs_failed, "machines ended because a sync failed"),
            (self.snapshots, "snapshots taken"),
            (self.begun_from_snapshots, "starts from a snapshot"),
            (self.fix_repeats, "FIX messages said again, or passed over"),
        ]
    }

    /// Adds those of another run.
    pub fn add(&mut self, other: &Self) {
        other.counts.iter().for_each(|(kind, count)| self.met(*kind, *count));
        self.takeovers += other.takeovers;
        self.doubles += other.doubles;
        self.pages_lost += other.pages_lost;
        self.refused_for_room += other.refused_for_room;
        self.starts_refused += other.starts_refused;
        self.syncs_failed += other.syncs_failed;
        self.snapshots += other.snapshots;
        self.begun_from_snapshots += other.begun_from_snapshots;
        self.fix_repeats += other.fix_repeats;
    }
}

/// What came of a seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// A number of all that happened: the same whenever the seed is the same.
    pub digest: u64,
    /// Commands on record in the end.
    pub commands: u64,
    /// What is wrong, if anything is.
    pub found: Option<Found>,
    /// What went wrong on purpose.
    pub struck: Struck,
    /// Simulated time.
    pub span: Nanos,
}

/// Runs one seed.
///
/// # Errors
/// A machine on which a simulation cannot begin.
pub fn simulate(seed: u64, options: &Options) -> Result<Outcome, String> {
    let folder = folder(seed);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let world = World::new(options, seed, &folder)?;
    Ok(world.run(options.trouble, &folder))
}
