//! `Offloaded`: a matcher whose book is in hardware, with the software's book as its shadow.
//!
//! The device answers; the shadow follows, command by command, and is what people look at, what a
//! snapshot is taken of, and what takes over: when the device says anything else or nothing, or is
//! asked what it does not do, the shadow's answer stands and the device is asked no more. Both mean
//! the same by every command, so history reads the same whoever answered.

use crate::engine::{
    BookView, Class, Full, Hardware, Matcher, Quote, Relief, SoftwareMatcher, Span, Standing, Top,
};
use crate::fpga::device::{Capacity, Device, LADDER_TICKS, Setting};
use crate::model::{
    Command, CommandKind, Event, EventFlags, EventKind, Flags, Group, Instrument, InstrumentId,
    Line, Nanos, OrderType, Phase, Price, SeqNo, TimeInForce,
};

/// Who answers, and why it is the software if it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answering {
    /// The device.
    Device,
    /// The shadow: something was asked that the device does not do.
    Asked(CommandKind),
    /// The shadow: the device said something else.
    Differed(SeqNo),
    /// The shadow: the device did not answer.
    Silent(SeqNo),
    /// The shadow: the instruments, or what rests in them, are not for the device.
    Unfit,
}

/// How often a device is given time before it counts as silent.
const PATIENCE: u32 = 100_000;

/// In `version`: the command puts an order back of which `target` has traded already.
const RESTORES: u8 = 0x80;

/// A matcher in hardware and its shadow.
pub struct Offloaded<D: Device> {
    device: D,
    shadow: SoftwareMatcher,
    answering: Answering,
    /// The first instrument and its neighbours: lowest price and step of each.
    first: u32,
    ladders: Vec<(Price, Price)>,
    events: Vec<Event>,
    taken: usize,
    /// What the device was asked.
    asked: u64,
    /// Its events that were held against the shadow's.
    compared: u64,
    /// The command at which the shadow took over.
    relieved_at: u64,
    /// By class of command.
    cycles: [Span; Class::ALL.len()],
}

impl<D: Device> Offloaded<D> {
    /// A device before a matcher that a replay may have filled, for instruments with numbers in
    /// sequence; what does not fit leaves the software in charge.
    pub fn new(device: D, shadow: SoftwareMatcher, instruments: &[Instrument]) -> Self {
        let first = instruments.iter().map(|instrument| instrument.id.0).min().unwrap_or(0);
        let mut ordered = instruments.to_vec();
        ordered.sort_by_key(|instrument| instrument.id);
        let ladders = ordered.iter().map(|one| (lowest(one), one.tick)).collect();
        let in_sequence = ordered.iter().zip(first..).all(|(one, id)| one.id.0 == id);
        let mut offloaded = Self {
            device,
            shadow,
            answering: Answering::Device,
            first,
            ladders,
            events: Vec::with_capacity(1 << 12),
            taken: 0,
            asked: 0,
            compared: 0,
            relieved_at: 0,
            cycles: [Span::default(); Class::ALL.len()],
        };
        if !in_sequence || !offloaded.tell_settings() || !offloaded.restore() {
            offloaded.answering = Answering::Unfit;
        }
        offloaded
    }

    /// Who answers.
    pub const fn answering(&self) -> Answering {
        self.answering
    }

    /// Commands that the device has answered.
    pub const fn asked(&self) -> u64 {
        self.asked
    }

    fn tell_settings(&mut self) -> bool {
        let Capacity { symbols, sessions, .. } = self.device.capacity();
        self.device.set(Setting::FirstInstrument(self.first));
        self.device.set(Setting::SessionsMax(sessions));
        for (symbol, (base, tick)) in (0_u16..).zip(&self.ladders) {
            let (Ok(price), Ok(step)) = (u64::try_from(base.0), u8::try_from(tick.0)) else {
                return false;
            };
            self.device.set(Setting::Base { symbol, price });
            self.device.set(Setting::Tick { symbol, step });
        }
        self.ladders.len() <= symbols as usize
    }

    /// Puts into the device what rests in the shadow, first in line first.
    fn restore(&mut self) -> bool {
        let mut commands = Vec::new();
        let mut fits = true;
        self.shadow.for_each_order(&mut |standing| match restoring(standing) {
            Some(command) => commands.push(command),
            None => fits = false,
        });
        fits && commands.iter().all(|command| {
            self.suits(command) && self.ask(command).is_some_and(|events| events == 1)
        })
    }

    /// Whether the device does what is asked; what it does not do is said in `docs/fpga.md`.
    fn suits(&self, command: &Command) -> bool {
        let capacity = self.device.capacity();
        let (order_type, time) = (command.order_type(), command.time_in_force());
        let plain = matches!(order_type, Some(OrderType::Limit | OrderType::Market))
            && matches!(
                time,
                Some(TimeInForce::Day | TimeInForce::Ioc | TimeInForce::Fok | TimeInForce::Gtc)
            )
            && !command.flags.has(Flags::HIDDEN)
            && command.account.0 < capacity.accounts
            && command.session.0 < capacity.sessions;
        match command.kind() {
            _ if command.verdict != 0 => true,
            Some(CommandKind::Enter) => plain && self.in_range(command, command.instrument),
            Some(CommandKind::Replace) => {
                let instruments = (self.first..).take(self.ladders.len()).map(InstrumentId);
                plain && instruments.into_iter().all(|id| self.in_range(command, id))
            }
            Some(CommandKind::Cancel | CommandKind::Modify) => true,
            _ => false,
        }
    }

    /// Whether a price that may rest is on the ladder; an instrument nobody knows is refused alike.
    fn in_range(&self, command: &Command, instrument: InstrumentId) -> bool {
        let Some(at) = instrument.0.checked_sub(self.first) else { return true };
        let Some((base, tick)) = self.ladders.get(at as usize) else { return true };
        let top = base.0 + tick.0 * i64::from(LADDER_TICKS);
        command.order_type == OrderType::Market.code() || (base.0..top).contains(&command.price.0)
    }

    /// Asks the device; how many events it made at the end of `events`, if it made any.
    fn ask(&mut self, command: &Command) -> Option<usize> {
        let from = self.events.len();
        let mut patience = 0..PATIENCE;
        while !self.device.offer(command) {
            patience.next()?;
        }
        loop {
            patience.next()?;
            let Some(event) = self.device.take() else { continue };
            self.events.push(event);
            if event.flags.has(EventFlags::LAST) {
                break;
            }
        }
        let made = self.events.len() - from;
        if command.version & RESTORES != 0 {
            self.events.truncate(from);
        }
        self.asked += 1;
        Some(made)
    }

    /// The device's answer, if it is the shadow's.
    fn answer(&mut self, command: &Command, from: usize) -> Result<(), Answering> {
        let Some(kind) = command.kind() else { return Err(Answering::Asked(CommandKind::Tick)) };
        if needs_no_book(kind) && command.verdict == 0 {
            self.events.extend_from_slice(self.shadow.finished());
            return Ok(());
        }
        if !self.suits(command) {
            return Err(Answering::Asked(kind));
        }
        // What was refused before needs no device to say so.
        if command.verdict != 0 {
            self.events.extend_from_slice(self.shadow.finished());
            return Ok(());
        }
        self.ask(command).ok_or(Answering::Silent(command.seq))?;
        if self.events.get(from..) != Some(self.shadow.finished()) {
            return Err(Answering::Differed(command.seq));
        }
        self.compared += self.shadow.finished().len() as u64;
        let place = self.cycles.get_mut(Class::of(command) as usize);
        if let Some((span, cycles)) = place.zip(self.device.first_event_after()) {
            span.add(cycles);
        }
        Ok(())
    }

    /// Takes from the device what a mass cancel or the like took from the shadow.
    fn withdraw(&mut self, command: &Command) -> Result<(), Answering> {
        let gone = |event: &&Event| event.kind == EventKind::Cancelled.code();
        let cancels: Vec<Command> =
            self.shadow.finished().iter().filter(gone).map(cancel_of).collect();
        let from = self.events.len();
        for cancel in &cancels {
            self.ask(cancel).ok_or(Answering::Silent(command.seq))?;
            self.events.truncate(from);
        }
        self.events.extend_from_slice(self.shadow.finished());
        Ok(())
    }
}

/// The lowest price of an instrument's ladder: as far below its reference as above.
fn lowest(instrument: &Instrument) -> Price {
    let tick = instrument.tick.0.max(1);
    let middle = instrument.reference_price.0 / tick;
    Price((middle - i64::from(LADDER_TICKS) / 2).max(1) * tick)
}

/// What is answered without a look at any book.
const fn needs_no_book(kind: CommandKind) -> bool {
    use CommandKind as K;
    !matches!(
        kind,
        K::Enter
            | K::Replace
            | K::Cancel
            | K::Modify
            | K::MassCancel
            | K::Sweep
            | K::Kill
            | K::SessionDown
            | K::EndOfDay
            | K::SetPhase
            | K::SetFamily
            | K::SetBand
            | K::MoveInstrument
    )
}

/// Commands that only take orders away: the shadow says which.
const fn withdraws(kind: CommandKind) -> bool {
    use CommandKind as K;
    matches!(kind, K::MassCancel | K::Sweep | K::Kill | K::SessionDown | K::EndOfDay)
}

/// The cancel of an order that an event says is gone.
fn cancel_of(event: &Event) -> Command {
    let (session, target) = (event.session, event.ordinal);
    Command { session, target, ..Command::new(CommandKind::Cancel) }
}

/// The command that puts a plain resting order into the device; `None` for another.
fn restoring(standing: &Standing) -> Option<Command> {
    let order = &standing.order;
    let mut command = Command {
        seq: order.reference,
        price: order.price,
        session: order.session,
        ordinal: order.ordinal,
        target: order.executed.0,
        instrument: order.instrument,
        account: order.account,
        quantity: order.leaves,
        side: order.side.code(),
        time_in_force: order.time_in_force,
        flags: Flags(order.flags),
        ..Command::new(CommandKind::Enter)
    };
    command.version |= RESTORES;
    standing.special.is_plain().then_some(command)
}

impl<D: Device> Matcher for Offloaded<D> {
    fn submit(&mut self, command: &Group<Command>) -> Result<(), Full> {
        self.submit_parts(&command.head, command.rest())
    }

    fn submit_parts(&mut self, head: &Command, rest: &[Line]) -> Result<(), Full> {
        self.shadow.submit_parts(head, rest)?;
        let from = self.events.len();
        let terms = Group::of_parts(head, rest).terms().is_some();
        let outcome = match (self.answering, head.kind()) {
            (Answering::Device, Some(kind)) if withdraws(kind) => self.withdraw(head),
            (Answering::Device, Some(kind)) if terms => Err(Answering::Asked(kind)),
            (Answering::Device, _) => self.answer(head, from),
            (answering, _) => Err(answering),
        };
        if let Err(answering) = outcome {
            if self.answering == Answering::Device {
                self.relieved_at = head.seq.0;
            }
            self.answering = answering;
            self.events.truncate(from);
            self.events.extend_from_slice(self.shadow.finished());
        }
        let made = self.shadow.finished().len();
        self.shadow.release(made);
        Ok(())
    }

    fn finished(&self) -> &[Event] {
        self.events.get(self.taken..).unwrap_or_default()
    }

    fn release(&mut self, count: usize) {
        self.taken = self.taken.saturating_add(count);
        if self.taken >= self.events.len() {
            self.events.clear();
            self.taken = 0;
        }
    }

    fn wants_sweep(&self) -> bool {
        self.shadow.wants_sweep()
    }

    fn due_at(&self) -> Nanos {
        self.shadow.due_at()
    }

    fn hardware(&self) -> Option<Hardware> {
        let relieved = match self.answering {
            Answering::Device => None,
            Answering::Asked(_) => Some(Relief::Asked),
            Answering::Differed(_) => Some(Relief::Differed),
            Answering::Silent(_) => Some(Relief::Silent),
            Answering::Unfit => Some(Relief::Unfit),
        };
        Some(Hardware {
            answered: self.asked,
            compared: self.compared,
            relieved,
            relieved_at: self.relieved_at,
            cycles: self.cycles,
        })
    }
}

impl<D: Device> BookView for Offloaded<D> {
    fn open_orders(&self) -> usize {
        self.shadow.open_orders()
    }

    fn top(&self, instrument: InstrumentId) -> Top {
        self.shadow.top(instrument)
    }

    fn phase(&self, instrument: InstrumentId) -> Option<Phase> {
        self.shadow.phase(instrument)
    }

    fn depth(
        &self,
        instrument: InstrumentId,
        buy: bool,
        count: usize,
        each: &mut dyn FnMut(Quote),
    ) {
        self.shadow.depth(instrument, buy, count, each);
    }

    fn for_each_order(&self, each: &mut dyn FnMut(&Standing)) {
        self.shadow.for_each_order(each);
    }
}
