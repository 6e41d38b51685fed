//! Holds the hardware's book against the software's: the same commands to both, every event
//! compared, every cycle counted.

use std::collections::BTreeMap;

use crate::engine::{BookView, Class, EngineLimits, Matcher, SoftwareMatcher, Span};
use crate::flow::Dice;
use crate::fpga::device::Device;
use crate::fpga::storm::{BASE, Storm, TICK};
use crate::fpga::{Capacity, LADDER_TICKS, Setting, Simulated, Size};
use crate::model::{
    AccountId, Command, CommandKind, Event, EventFlags, EventKind, Flags, Group, Instrument,
    InstrumentId, OrderType, Price, Quantity, SeqNo, SessionId, Side, Symbol, TimeInForce,
};

/// Cycles that a command may take before it counts as stuck.
const STUCK: u64 = 20_000;

/// What a run has shown.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// Commands compared.
    pub commands: u64,
    /// Events compared.
    pub events: u64,
    /// Executions, a side each.
    pub executions: u64,
    /// Clock cycles.
    pub cycles: u64,
    /// By class: cycles from the core's taking a command to its first event.
    pub first: BTreeMap<Class, Span>,
    /// By class: cycles from taking a command to being ready for the next.
    pub occupied: BTreeMap<Class, Span>,
    /// Cycles from one fill to the next of the same command.
    pub between_fills: Span,
    /// Cycles of a dry run for each order it may look at, and of the longest.
    pub dry_run: Span,
}

/// Where the two books differ.
#[derive(Clone, Debug, thiserror::Error)]
#[error(
    "command {number} ({command:?}): the hardware says {hardware:#?}, the software {software:#?}"
)]
pub struct Difference {
    /// How many commands before it were alike.
    pub number: u64,
    /// The command.
    pub command: Box<Command>,
    /// The hardware's events.
    pub hardware: Vec<Event>,
    /// The software's.
    pub software: Vec<Event>,
}

/// Cycles of one aggressor's fills, from the core's taking it.
#[derive(Clone, Copy, Debug)]
pub struct Sweep {
    /// To its first.
    pub first: u64,
    /// To its last.
    pub last: u64,
    /// How many.
    pub fills: u32,
}

/// Both books.
#[derive(Debug)]
pub struct Lockstep {
    device: Simulated,
    software: SoftwareMatcher,
    /// When not every cycle is the events' or the commands'.
    stalls: Option<Dice>,
    events: Vec<Event>,
    /// What was seen so far.
    pub measured: Measured,
}

/// The software's limits where it holds as much as the device.
pub fn limits_of(capacity: &Capacity) -> EngineLimits {
    EngineLimits {
        orders_max: capacity.orders,
        sessions_max: capacity.sessions,
        fills_per_command_max: capacity.fills,
        accounts_max: capacity.accounts,
        ..EngineLimits::DEFAULT
    }
}

impl Lockstep {
    /// Two empty books with instruments from 1 on.
    pub fn new(size: Size, stalls: Option<u64>, base: i64, wave: Option<&str>) -> Self {
        let mut device = Simulated::new(size, wave);
        let capacity = device.capacity();
        device.set(Setting::FirstInstrument(1));
        device.set(Setting::SessionsMax(capacity.sessions));
        let mut instruments = Vec::new();
        for symbol in 0..capacity.symbols as u16 {
            device.set(Setting::Base { symbol, price: base as u64 });
            device.set(Setting::Tick { symbol, step: TICK.0 as u8 });
            instruments.push(Instrument {
                id: InstrumentId(u32::from(symbol) + 1),
                symbol: Symbol::new(&format!("S{symbol}")).unwrap_or(Symbol::BLANK),
                tick: TICK,
                lot: Quantity(1),
                reference_price: Price(base),
            });
        }
        let software = SoftwareMatcher::new(limits_of(&capacity), &instruments)
            .expect("the device's capacity is within the software's");
        let stalls = stalls.map(Dice::new);
        Self { device, software, stalls, events: Vec::new(), measured: Measured::default() }
    }

    /// Gives a command to both.
    ///
    /// # Errors
    /// [`Difference`] where they do not answer alike, or the hardware does not answer.
    pub fn step(&mut self, command: &Command) -> Result<(), Box<Difference>> {
        self.software.submit(&Group::new(*command)).expect("it was drained");
        self.run(command);
        let software = self.software.finished();
        if software != self.events.as_slice() {
            return Err(Box::new(Difference {
                number: self.measured.commands,
                command: Box::new(*command),
                hardware: self.events.clone(),
                software: software.to_vec(),
            }));
        }
        let executed = |event: &&Event| event.kind == EventKind::Executed.code();
        self.measured.executions += self.events.iter().filter(executed).count() as u64;
        self.measured.events += software.len() as u64;
        self.measured.commands += 1;
        let count = software.len();
        self.software.release(count);
        self.count(command);
        self.measured.cycles = self.device.cycles;
        Ok(())
    }

    /// Clocks the device until it has told all of a command and could take another.
    fn run(&mut self, command: &Command) {
        self.events.clear();
        let begun = self.device.cycles;
        let mut taken = false;
        let mut done = false;
        self.device.inputs.command = bytemuck::cast(*command);
        while self.device.cycles - begun < STUCK {
            let ready = |dice: &mut Option<Dice>| dice.as_mut().is_none_or(|d| d.percent(70));
            let offers = !taken && ready(&mut self.stalls);
            let takes = ready(&mut self.stalls);
            self.device.inputs.command_valid = u8::from(offers);
            self.device.inputs.event_ready = u8::from(takes);
            self.device.cycle();
            let outputs = &self.device.outputs;
            taken |= offers && outputs.command_ready == 1;
            if takes && outputs.event_valid == 1 {
                let event: Event = bytemuck::cast(outputs.event);
                done = event.flags.has(EventFlags::LAST);
                self.events.push(event);
            }
            if done && outputs.idle == 1 {
                break;
            }
        }
        self.device.inputs.command_valid = 0;
    }

    /// Counts cycles by class.
    fn count(&mut self, command: &Command) {
        let class = Class::of(command);
        let (started, steps) = (self.device.started, &self.device.steps);
        let Some(first) = steps.first() else { return };
        self.measured.first.entry(class).or_default().add(first - started);
        if self.stalls.is_none() {
            let occupied = self.device.cycles - 1 - started;
            self.measured.occupied.entry(class).or_default().add(occupied);
        }
        // The first step announces; the second may wait for a dry run or an order's removal.
        for pair in steps.get(1..).unwrap_or_default().windows(2) {
            self.measured.between_fills.add(pair[1] - pair[0]);
        }
        if class == Class::FillOrKill && steps.len() > 1 {
            self.measured.dry_run.add(steps[1] - steps[0]);
        }
    }

    /// Orders that rest in the software's book.
    pub fn resting(&self) -> usize {
        self.software.open_orders()
    }

    /// Whether a command is within the device: on the ladder, and with room to rest.
    pub fn takes(&self, command: &Command, base: i64) -> bool {
        let capacity = self.device.capacity();
        let top = base + TICK.0 * i64::from(LADDER_TICKS);
        let prices = command.kind != CommandKind::Cancel.code()
            && command.order_type == OrderType::Limit.code();
        let room =
            self.resting() < capacity.orders as usize || command.kind == CommandKind::Cancel.code();
        room && command.account.0 < capacity.accounts
            && (!prices || (base..top).contains(&command.price.0))
    }

    /// Times one aggressor that takes an order at each of so many prices.
    ///
    /// # Errors
    /// As [`Self::step`].
    pub fn sweep(&mut self, fills: u32) -> Result<Sweep, Box<Difference>> {
        let fills = fills.min(u32::from(self.device.capacity().fills)).min(LADDER_TICKS / 8);
        let session = SessionId(9);
        let order = |ordinal: u32, side: Side, index: u32, quantity: u32| Command {
            seq: SeqNo(1 << 40 | u64::from(ordinal)),
            session,
            ordinal,
            instrument: InstrumentId(1),
            account: AccountId(9),
            side: side.code(),
            price: Price(BASE.0 + i64::from(index) * TICK.0),
            quantity: Quantity(quantity),
            ..Command::new(CommandKind::Enter)
        };
        // Whatever rests on the way is taken first.
        let mut all =
            Command { flags: Flags::default(), ..order(1, Side::Buy, 4095, u32::MAX >> 1) };
        all.time_in_force = TimeInForce::Ioc.code();
        for number in 0..LADDER_TICKS / 16 {
            self.step(&Command { ordinal: 1 + number, ..all })?;
        }
        for number in 0..fills {
            self.step(&order(1_000 + number, Side::Sell, 4095 - 7 * number, 10))?;
        }
        let mut taker = order(9_999, Side::Buy, 4095, 10 * fills);
        taker.time_in_force = TimeInForce::Ioc.code();
        self.step(&taker)?;
        let steps = &self.device.steps;
        let since = |step: Option<&u64>| step.map_or(0, |at| at - self.device.started);
        Ok(Sweep {
            first: since(steps.get(1)),
            last: since(steps.last()),
            fills: steps.len() as u32 - 1,
        })
    }

    /// Runs a storm.
    ///
    /// # Errors
    /// As [`Self::step`].
    pub fn storm(
        &mut self,
        commands: u64,
        seed: u64,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), Box<Difference>> {
        let mut storm = Storm::new(seed, self.device.capacity());
        for number in 0..commands {
            let command = storm.next(self.resting());
            self.step(&command)?;
            if number.is_multiple_of(1 << 14) {
                progress(number);
            }
        }
        Ok(())
    }
}

/// Where a storm's ladders begin.
pub const STORM_BASE: i64 = BASE.0;
