//! `Matcher`: commands in, events out, asynchronous in shape so that hardware fits behind it.
//!
//! Software answers at once and a card answers later; the caller must not count on either.

use crate::engine::hardware::Hardware;
use crate::engine::{Room, Special};
use crate::model::{
    AccountId, Command, Event, Group, InstrumentId, Line, Nanos, OrderId, Phase, Price, Quantity,
    SeqNo, SessionId, Side,
};
use crate::snapshot::value;

/// There is no room for the events of another command: drain, then offer it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// Price-time matching of all instruments of one shard.
///
/// Every command makes at least one event; the last of a command carries `EventFlags::LAST`.
pub trait Matcher: Send {
    /// Takes one command.
    ///
    /// # Errors
    /// [`Full`] when its events might find no room; nothing happened then.
    fn submit(&mut self, command: &Group<Command>) -> Result<(), Full>;

    /// Takes one command where it lies, given as its head and the further lines the head counts.
    ///
    /// # Errors
    /// As [`Self::submit`].
    #[inline]
    fn submit_parts(&mut self, head: &Command, rest: &[Line]) -> Result<(), Full> {
        self.submit(&Group::of_parts(head, rest))
    }

    /// Tells of a command that will come after the next few, so that what it needs can be at hand
    /// then. Changes nothing else, and need not be true.
    #[inline]
    fn expect(&mut self, _command: &Command) {}

    /// Finished events, oldest first, as many as lie together; [`Self::release`] gives them back.
    fn finished(&self) -> &[Event];

    /// Forgets the oldest `count` of the finished events.
    fn release(&mut self, count: usize);

    /// Whether something unfinished wants a `Sweep` command.
    fn wants_sweep(&self) -> bool;

    /// The log time from which [`Self::wants_sweep`] says so without any other command.
    fn due_at(&self) -> Nanos {
        Nanos::MAX
    }

    /// What hardware does for it; `None` where it has none.
    fn hardware(&self) -> Option<Hardware> {
        None
    }

    /// Hands over finished events, oldest first, at most `budget`; returns how many.
    fn drain(&mut self, budget: usize, each: &mut dyn FnMut(&Event)) -> usize {
        let mut handed = 0;
        while handed < budget {
            let finished = self.finished();
            let count = finished.len().min(budget - handed);
            if count == 0 {
                break;
            }
            finished.iter().take(count).for_each(&mut *each);
            self.release(count);
            handed += count;
        }
        handed
    }
}

impl<M: Matcher + ?Sized> Matcher for Box<M> {
    fn submit(&mut self, command: &Group<Command>) -> Result<(), Full> {
        (**self).submit(command)
    }

    fn expect(&mut self, command: &Command) {
        (**self).expect(command);
    }

    fn finished(&self) -> &[Event] {
        (**self).finished()
    }

    fn release(&mut self, count: usize) {
        (**self).release(count);
    }

    fn wants_sweep(&self) -> bool {
        (**self).wants_sweep()
    }

    fn due_at(&self) -> Nanos {
        (**self).due_at()
    }
}

/// One price and all that rests at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote {
    /// The price.
    pub price: Price,
    /// The sum of what rests there.
    pub quantity: u64,
    /// How many orders that is.
    pub orders: u32,
}

/// The best of each side; `None` where nothing rests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Top {
    /// The highest buyer.
    pub bid: Option<Quote>,
    /// The lowest seller.
    pub ask: Option<Quote>,
}

/// Everything a matcher knows of a resting order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestingOrder {
    /// The session that entered it.
    pub session: SessionId,
    /// The session's number for it.
    pub ordinal: u32,
    /// The account it is for.
    pub account: AccountId,
    /// Its public reference: the seq that accepted it, and with it its place in its queue.
    pub reference: SeqNo,
    /// The instrument.
    pub instrument: InstrumentId,
    /// Its side, with the marking of a sale.
    pub side: Side,
    /// Its price.
    pub price: Price,
    /// What is left to trade.
    pub leaves: Quantity,
    /// What its chain of replacements has traded so far.
    pub executed: Quantity,
    /// Its time in force, as the command's byte.
    pub time_in_force: u8,
    /// Its instructions, as the command's byte.
    pub flags: u8,
}
value!(RestingOrder {
    session,
    ordinal,
    account,
    reference,
    instrument,
    side,
    price,
    leaves,
    executed,
    time_in_force,
    flags,
});

impl RestingOrder {
    /// Its id.
    pub const fn id(&self) -> OrderId {
        OrderId::new(self.session, self.ordinal)
    }
}

/// An order where it waits, with all that it asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What every order has; `leaves` counts what an iceberg hides.
    pub order: RestingOrder,
    /// What it asks beyond the plain.
    pub special: Special,
    /// What trades next: all of it, or the part of an iceberg that is shown.
    pub front: Quantity,
    /// The reference it is shown under.
    pub shown: SeqNo,
    /// A peg that stands at its cap.
    pub capped: bool,
}

impl Standing {
    /// Whether the feed shows it, or its front.
    pub fn is_shown(&self) -> bool {
        self.special.room == Room::Lit
    }
}

/// Looking at the books from outside: live tables, snapshots, tests. Not for the hot path.
pub trait BookView {
    /// Orders resting, over all instruments.
    fn open_orders(&self) -> usize;

    /// The best of each side of an instrument; empty for one that is not known.
    fn top(&self, instrument: InstrumentId) -> Top;

    /// The phase an instrument is in; `None` for one that is not known.
    fn phase(&self, instrument: InstrumentId) -> Option<Phase>;

    /// Shows the best `count` prices of a side, best first.
    fn depth(&self, instrument: InstrumentId, buy: bool, count: usize, each: &mut dyn FnMut(Quote));

    /// Shows every order: by instrument; those in the book, then those out of sight, room by room;
    /// bids first, first in line first.
    fn for_each_order(&self, each: &mut dyn FnMut(&Standing));

    /// A number that differs, all but surely, where two matchers' resting orders differ.
    fn digest(&self) -> u64 {
        let mut digest = Digest::default();
        self.for_each_order(&mut |order| digest.add(order));
        digest.0
    }
}

/// FNV-1a over 64-bit words: cheap, and the same everywhere.
struct Digest(u64);

impl Default for Digest {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Digest {
    fn add(&mut self, standing: &Standing) {
        let Standing { order, special, front, shown, capped } = standing;
        let codes = [order.side.code(), order.time_in_force, order.flags, special.room as u8];
        let words = [
            order.id().0,
            order.reference.0,
            order.price.0 as u64,
            pair(order.instrument.0, order.account.0),
            pair(order.leaves.0, order.executed.0),
            u64::from(u32::from_le_bytes(codes)),
            shown.0,
            pair(front.0, special.displayed.0),
            pair(special.minimum.0, u32::from(special.group) << 1 | u32::from(*capped)),
            special.stop.0 as u64,
            special.offset.0 as u64,
            special.discretion.0 as u64,
            special.expires_at.0,
        ];
        for word in words {
            self.0 = (self.0 ^ word).wrapping_mul(0x0000_0100_0000_01b3);
            // The product carries upwards only; this brings it down again.
            self.0 ^= self.0 >> 29;
        }
    }
}

/// Two 32-bit numbers as one word.
const fn pair(high: u32, low: u32) -> u64 {
    (high as u64) << 32 | low as u64
}
