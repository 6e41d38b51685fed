//! Guards: what watches over single instruments. Most have none, and a word beside the tick says
//! so; what they need is in rows of their own.

use crate::engine::risk::breaker::Breaker;
use crate::engine::risk::market::{Halt, Market};
use crate::engine::risk::milliseconds;
use crate::engine::risk::price_band::PriceBand;
use crate::model::{
    Command, CommandKind, Event, Instrument, InstrumentId, LimitKind, Nanos, Phase, Price,
    Quantity, RejectCode, Request, SeqNo, fetch,
};
use crate::snapshot::{part, value, wrapped};

/// Which guards an instrument has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct GuardSet(u16);
wrapped!(GuardSet);

impl GuardSet {
    pub(super) const RESTRICTED: Self = Self(1);
    pub(super) const BORROWED: Self = Self(1 << 1);
    pub(super) const NO_SHORTS: Self = Self(1 << 2);
    /// The price test is in force.
    pub(super) const PRICE_TEST: Self = Self(1 << 3);
    /// A reference has an age.
    pub(super) const AGE: Self = Self(1 << 4);
    pub(super) const BAND: Self = Self(1 << 5);
    /// The circuit breaker is out.
    pub(super) const OUT: Self = Self(1 << 6);
    /// Its trades are looked at.
    pub(super) const TRADES: Self = Self(1 << 7);

    /// Whether there is any.
    #[inline]
    pub(super) const fn any(self) -> bool {
        self.0 != 0
    }

    /// Whether this one is among them.
    #[inline]
    pub(super) const fn has(self, guard: Self) -> bool {
        self.0 & guard.0 != 0
    }

    pub(super) const fn put(&mut self, guard: Self, is_on: bool) {
        self.0 = if is_on { self.0 | guard.0 } else { self.0 & !guard.0 };
    }
}

/// What an order asks of its instrument's guards: a cache line.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
pub(super) struct Hot {
    pub(super) age_max: Nanos,
    pub(super) referred_at: Nanos,
    /// The ends of the price band, on the tick.
    pub(super) low: Price,
    pub(super) high: Price,
    /// Marks orders that wait at them.
    mark: u8,
}
part!(Hot { age_max, referred_at, low, high, mark });

impl Hot {
    /// The mark of an order at the end that it pushes against; else 0.
    #[inline]
    pub(super) fn mark_of(&self, buys: bool, price: Price) -> u8 {
        let is_at_end = if buys { price >= self.high } else { price <= self.low };
        if is_at_end { self.mark } else { 0 }
    }
}

/// One instrument's guards.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Guard {
    tick: Price,
    close: Price,
    test_fall_bps: u32,
    test_days: u32,
    pub(super) breaker: Breaker,
    pub(super) band: PriceBand,
    /// The phase it should be in by now; asked for until the log says so.
    wanted: Option<Wanted>,
    is_asked: bool,
}
part!(Guard { tick, close, test_fall_bps, test_days, breaker, band, wanted, is_asked });

/// A phase that a guard wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wanted {
    phase: Phase,
    lasts: Nanos,
}
value!(Wanted { phase, lasts });

/// Days of a price test: the rest of one, and the next.
const TEST_DAYS: u32 = 2;
const BPS_ONE: i64 = 10_000;

/// All instruments' guards, by id.
#[derive(Debug)]
pub(super) struct Guards {
    hot: Box<[Hot]>,
    rows: Box<[Guard]>,
    pub(super) market: Market,
    /// Instruments in a limit state.
    limits: Vec<InstrumentId>,
    /// Some guard wants a phase.
    any_wanted: bool,
}
part!(Guards { hot, rows, market, limits, any_wanted });

impl Guards {
    pub(super) fn new(instruments: usize) -> Self {
        Self {
            hot: vec![Hot::default(); instruments].into(),
            rows: vec![Guard::default(); instruments].into(),
            market: Market::default(),
            limits: Vec::with_capacity(instruments),
            any_wanted: false,
        }
    }

    /// Asks the caches for a row.
    #[inline]
    pub(super) fn fetch(&self, id: InstrumentId) {
        fetch(&self.hot, id.index());
    }

    /// Bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        std::mem::size_of_val(&*self.rows) + std::mem::size_of_val(&*self.hot)
    }

    /// What an order asks of its instrument's guards.
    #[inline]
    pub(super) fn hot(&self, id: InstrumentId) -> Option<&Hot> {
        self.hot.get(id.index())
    }

    /// The reference price of an instrument is new.
    pub(super) fn referred(&mut self, id: InstrumentId, now: Nanos) {
        if let Some(hot) = self.hot.get_mut(id.index()) {
            hot.referred_at = now;
        }
    }

    /// An instrument's tick is this.
    pub(super) fn listed(&mut self, instrument: &Instrument) {
        if let Some(guard) = self.rows.get_mut(instrument.id.index()) {
            guard.tick = instrument.tick;
        }
        self.heat(instrument.id);
    }

    /// Notes where an instrument's price band ends now.
    fn heat(&mut self, id: InstrumentId) {
        let Some(guard) = self.rows.get(id.index()) else { return };
        let ((low, high), mark) = (guard.band.ends(guard.tick), guard.band.mark());
        if let Some(hot) = self.hot.get_mut(id.index()) {
            (hot.low, hot.high, hot.mark) = (low, high, mark);
        }
    }

    /// Sets a guard of an instrument; `reference` is where it stands.
    pub(super) fn set(
        &mut self,
        command: &Command,
        kind: LimitKind,
        guards: &mut GuardSet,
        reference: Price,
        tick: Price,
    ) -> Result<(), RejectCode> {
        let (value, now) = (command.price.0, command.timestamp);
        let guard = self.rows.get_mut(command.instrument.index());
        let guard = guard.ok_or(RejectCode::UnknownInstrument)?;
        match kind {
            LimitKind::Restricted => guards.put(GuardSet::RESTRICTED, value > 0),
            LimitKind::HardToBorrow => guards.put(GuardSet::BORROWED, value > 0),
            LimitKind::NoShortSales => guards.put(GuardSet::NO_SHORTS, value > 0),
            LimitKind::PriceTest => guard.test_days = value.clamp(0, 1_000) as u32,
            LimitKind::PriceTestFall => {
                guard.test_fall_bps = value.clamp(0, 9_999) as u32;
                guard.close = if guard.close.0 > 0 { guard.close } else { reference };
            }
            LimitKind::ReferenceAge => {
                if let Some(hot) = self.hot.get_mut(command.instrument.index()) {
                    (hot.age_max, hot.referred_at) = (milliseconds(value), now);
                    guards.put(GuardSet::AGE, hot.age_max.0 > 0);
                }
            }
            LimitKind::Breaker => guard.breaker.bps = value.clamp(0, 9_999) as u32,
            LimitKind::BreakerWindow => guard.breaker.window = milliseconds(value),
            kind => {
                guard.band.set(kind, value)?;
                guard.band.begin(reference, now);
            }
        }
        guard.tick = tick;
        guard.mark(guards);
        self.heat(command.instrument);
        Ok(())
    }

    /// Takes a trade that is told by `event`, the maker's.
    #[cold]
    pub(super) fn traded(&mut self, event: &Event, guards: &mut GuardSet) -> Option<LimitKind> {
        let guard = self.rows.get_mut(event.instrument.index())?;
        let (price, now) = (event.price, event.timestamp);
        if let Some(hot) = self.hot.get_mut(event.instrument.index()) {
            hot.referred_at = now;
        }
        guard.band.traded(price, now);
        let floor = guard.close.0.saturating_mul(BPS_ONE - i64::from(guard.test_fall_bps));
        let mut tripped = None;
        if guard.test_fall_bps != 0 && price.0.saturating_mul(BPS_ONE) <= floor {
            tripped = (guard.test_days == 0).then_some(LimitKind::PriceTest);
            guard.test_days = TEST_DAYS;
        }
        if guard.breaker.traded(price, now) {
            guard.want(Phase::Halt, Nanos::ZERO);
            self.any_wanted = true;
            tripped = Some(LimitKind::Breaker);
        }
        guard.mark(guards);
        if guard.band.is_on() {
            self.heat(event.instrument);
        }
        tripped
    }

    /// An instrument is asked to be in a phase: what was wanted is there, or a person resumes.
    pub(super) fn phase_asked(&mut self, command: &Command, guards: &mut GuardSet, last: Price) {
        let Some(guard) = self.rows.get_mut(command.instrument.index()) else { return };
        // By the calendar, or by market data.
        let is_scheduled = command.order_type != 0;
        let phase = Phase::from_code(command.side);
        if guard.wanted.is_some_and(|wanted| Some(wanted.phase) == phase) {
            guard.wanted = None;
        } else if !is_scheduled && phase != Some(Phase::Halt) {
            guard.breaker.resume();
        }
        if phase != Some(Phase::Continuous) {
            guard.band.pause();
        } else {
            guard.band.begin(last, command.timestamp);
        }
        guard.mark(guards);
        self.heat(command.instrument);
    }

    /// An instrument came into a phase by itself.
    pub(super) fn phase_changed(&mut self, event: &Event, last: Price) {
        let Some(guard) = self.rows.get_mut(event.instrument.index()) else { return };
        if Phase::from_code(event.reason) == Some(Phase::Continuous) && guard.band.is_on() {
            guard.band.begin(last, event.timestamp);
        }
        self.heat(event.instrument);
    }

    /// An order waits at an end of its instrument's band.
    #[cold]
    pub(super) fn waits(&mut self, id: InstrumentId, mark: u8, buys: bool, now: Nanos) {
        let Some(guard) = self.rows.get_mut(id.index()) else { return };
        if guard.band.waits(mark, buys, now) && !self.limits.contains(&id) {
            self.limits.push(id);
        }
    }

    /// An order that waited there is gone.
    #[cold]
    pub(super) fn left(&mut self, id: InstrumentId, mark: u8, buys: bool) {
        if let Some(guard) = self.rows.get_mut(id.index()) {
            guard.band.left(mark, buys);
        }
    }

    /// Log time has come to `now`: limit states that lasted too long become pauses.
    pub(super) fn pass(&mut self, now: Nanos) {
        let Self { hot, rows, limits, any_wanted, .. } = self;
        limits.retain(|id| {
            let Some(guard) = rows.get_mut(id.index()) else { return false };
            let at = guard.band.pause_at();
            if at <= now {
                guard.want(Phase::VolatilityAuction, guard.band.pause_time);
                guard.band.pause();
                if let Some(hot) = hot.get_mut(id.index()) {
                    hot.mark = guard.band.mark();
                }
                *any_wanted = true;
            }
            at > now && at != Nanos::MAX
        });
    }

    /// When the first limit state becomes a pause.
    pub(super) fn due_at(&self) -> Nanos {
        let at = |id: &InstrumentId| self.rows.get(id.index()).map(|guard| guard.band.pause_at());
        self.limits.iter().filter_map(at).min().unwrap_or(Nanos::MAX)
    }

    /// The market-wide index stands at a price.
    pub(super) fn index_moved(&mut self, price: Price) {
        let Some(halt) = self.market.moved(price) else { return };
        for guard in &mut self.rows[1..] {
            match halt {
                Halt::Pause(lasts) => guard.want(Phase::VolatilityAuction, lasts),
                Halt::Day => guard.want(Phase::Halt, Nanos::ZERO),
            }
        }
        self.any_wanted = true;
    }

    /// A day ends: closes are taken, and price tests are a day nearer to their end.
    ///
    /// `each` gives an instrument's last price, and is told whether a test is in force.
    pub(super) fn end_day(&mut self, mut each: impl FnMut(InstrumentId, bool) -> Option<Price>) {
        for (id, guard) in self.rows.iter_mut().enumerate() {
            guard.test_days = guard.test_days.saturating_sub(1);
            if let Some(last) = each(InstrumentId(id as u32), guard.test_days > 0) {
                guard.close = last;
            }
        }
    }

    /// Asks for the next phase that a guard wants; `send` takes it or not.
    pub(super) fn ask(&mut self, now: Nanos, mut send: impl FnMut(&Request) -> bool) {
        if !self.any_wanted {
            return;
        }
        for (id, guard) in self.rows.iter_mut().enumerate() {
            let Some(wanted) = guard.wanted.filter(|_| !guard.is_asked) else { continue };
            let mut request = Request::new(CommandKind::SetPhase, now);
            request.0.instrument = InstrumentId(id as u32);
            request.0.side = wanted.phase.code();
            request.0.quantity = Quantity((wanted.lasts.0 / 1_000_000).min(u32::MAX.into()) as u32);
            request.0.target = request.0.quantity.0 / 100;
            request.0.price = Price(now.0 as i64);
            request.0.ordinal = u32::from(Phase::Continuous.code());
            if !send(&request) {
                return;
            }
            guard.is_asked = true;
        }
        self.any_wanted = false;
    }

    /// After a restart nothing has been asked for.
    pub(super) fn ask_again(&mut self) {
        for guard in &mut self.rows {
            guard.is_asked = false;
            self.any_wanted |= guard.wanted.is_some();
        }
    }

    /// Folds what the guards know into a digest.
    pub(super) fn digest(&self, mut fold: impl FnMut(u64)) {
        for guard in self.rows.iter().filter(|guard| guard.is_any()) {
            fold(u64::from(guard.breaker.is_out) << 32 | u64::from(guard.test_days));
            fold(guard.band.pause_at().0);
            fold(guard.wanted.map_or(0, |wanted| u64::from(wanted.phase.code()) + 1));
        }
    }
}

impl Guard {
    fn is_any(&self) -> bool {
        self.breaker.bps != 0 || self.band.is_on() || self.test_fall_bps != 0
    }

    fn want(&mut self, phase: Phase, lasts: Nanos) {
        self.wanted = Some(Wanted { phase, lasts });
        self.is_asked = false;
    }

    /// Says in the word beside the tick which guards are on.
    fn mark(&self, guards: &mut GuardSet) {
        guards.put(GuardSet::PRICE_TEST, self.test_days > 0);
        guards.put(GuardSet::BAND, self.band.is_on());
        guards.put(GuardSet::OUT, self.breaker.is_out);
        guards.put(GuardSet::TRADES, self.is_any() || guards.has(GuardSet::AGE));
    }
}

/// What brought an alert: the command of an event.
pub(super) const fn cause(event: &Event) -> (u32, SeqNo) {
    (event.instrument.0, event.id.seq())
}
