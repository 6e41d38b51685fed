//! The matcher of a shard, where it may be hardware: one branch more than the software alone.

use crate::engine::{BookView, Full, Hardware, Matcher, Quote, SoftwareMatcher, Standing, Top};
use crate::fpga::{Offloaded, Simulated};
use crate::model::{Command, Event, Group, InstrumentId, Line, Nanos, Phase};

/// Software, or the verilated device with the software as its shadow.
#[allow(clippy::large_enum_variant, reason = "there is one for each shard, made at boot")]
pub enum ShardMatcher {
    /// The software's book.
    Software(SoftwareMatcher),
    /// The hardware's.
    Hardware(Offloaded<Simulated>),
}

/// The same call to either.
macro_rules! either {
    ($self:ident, $matcher:ident => $call:expr) => {
        match $self {
            ShardMatcher::Software($matcher) => $call,
            ShardMatcher::Hardware($matcher) => $call,
        }
    };
}

impl Matcher for ShardMatcher {
    fn submit(&mut self, command: &Group<Command>) -> Result<(), Full> {
        either!(self, matcher => matcher.submit(command))
    }

    #[inline]
    fn submit_parts(&mut self, head: &Command, rest: &[Line]) -> Result<(), Full> {
        either!(self, matcher => matcher.submit_parts(head, rest))
    }

    #[inline]
    fn expect(&mut self, command: &Command) {
        either!(self, matcher => matcher.expect(command));
    }

    #[inline]
    fn finished(&self) -> &[Event] {
        either!(self, matcher => matcher.finished())
    }

    #[inline]
    fn release(&mut self, count: usize) {
        either!(self, matcher => matcher.release(count));
    }

    fn wants_sweep(&self) -> bool {
        either!(self, matcher => matcher.wants_sweep())
    }

    fn due_at(&self) -> Nanos {
        either!(self, matcher => matcher.due_at())
    }

    fn hardware(&self) -> Option<Hardware> {
        either!(self, matcher => matcher.hardware())
    }
}

impl BookView for ShardMatcher {
    fn open_orders(&self) -> usize {
        either!(self, matcher => matcher.open_orders())
    }

    fn top(&self, instrument: InstrumentId) -> Top {
        either!(self, matcher => matcher.top(instrument))
    }

    fn phase(&self, instrument: InstrumentId) -> Option<Phase> {
        either!(self, matcher => matcher.phase(instrument))
    }

    fn depth(
        &self,
        instrument: InstrumentId,
        buy: bool,
        count: usize,
        each: &mut dyn FnMut(Quote),
    ) {
        either!(self, matcher => matcher.depth(instrument, buy, count, each));
    }

    fn for_each_order(&self, each: &mut dyn FnMut(&Standing)) {
        either!(self, matcher => matcher.for_each_order(each));
    }
}
