//! `Storm`: an endless stream of commands from one seed: all kinds, mostly sensible, never tame.

use crate::engine::tests::STEP;
use crate::model::{
    AccountId, Command, CommandKind, Flags, Group, Instrument, InstrumentId, OrderType, Price,
    Quantity, SelfTrade, SessionId, Symbol, TermFlags, Terms, TimeInForce, TradeDetail,
};

/// A generator of 64-bit numbers (splitmix64): small, seeded, good enough for tests.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x2545_f491_4f6c_dd1d))
    }

    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below `end`.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.roll() % end
    }

    /// True once in `many`.
    pub(super) fn once_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}

/// Orders it remembers, to cancel and replace.
const REMEMBERED: usize = 48;

pub(super) struct Storm {
    dice: Dice,
    /// Each session's next order number.
    next_ordinal: [u32; 7],
    /// Orders lately entered.
    recent: Vec<(SessionId, u32)>,
    /// Where each instrument trades, in steps of 100.
    markets: [i64; 5],
    client_seq: u32,
}

impl Storm {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            dice: Dice::new(seed),
            next_ordinal: [1; 7],
            recent: Vec::new(),
            markets: [10_000; 5],
            client_seq: 0,
        }
    }

    pub(super) fn next(&mut self) -> Group<Command> {
        use CommandKind as K;
        self.client_seq += 1;
        let kind = match self.dice.below(1_000) {
            0..520 => K::Enter,
            520..650 => K::Replace,
            650..780 => K::Cancel,
            780..850 => K::Modify,
            850..870 => K::MassCancel,
            870..970 => K::Sweep,
            970..976 => K::Kill,
            976..984 => K::SessionDown,
            984..993 => K::SetPhase,
            993 => K::SetBand,
            _ => self.dice.pick(K::ALL),
        };
        let mut command = Command::new(kind);
        command.client_seq = self.client_seq;
        command.session = SessionId(self.dice.below(6) as u32);
        command.account = AccountId(self.dice.below(4) as u32);
        command.instrument = InstrumentId(self.dice.below(3) as u32 + 1);
        self.dress(&mut command, kind);
        let mut group = Group::new(command);
        if matches!(kind, K::Enter | K::Replace) && self.dice.once_in(2) {
            self.ask_more(&mut group);
        } else if matches!(kind, K::BustTrade | K::CorrectTrade) && self.dice.once_in(2) {
            let detail = TradeDetail {
                match_number: self.dice.roll(),
                price: Price(self.dice.below(50) as i64),
                new_price: Price(self.dice.below(50) as i64),
                quantity: Quantity(self.dice.below(50) as u32),
                new_quantity: Quantity(self.dice.below(50) as u32),
                seller: SessionId(self.dice.below(6) as u32),
                ..TradeDetail::default()
            };
            group.head.lines = 2;
            group.rest_mut()[0] = detail.line();
        } else if kind == K::MassCancel && self.dice.once_in(2) {
            self.narrow(&mut group);
        }
        if self.dice.once_in(300) {
            self.spoil(&mut group.head);
        }
        group
    }

    fn dress(&mut self, command: &mut Command, kind: CommandKind) {
        use CommandKind as K;
        match kind {
            K::Enter | K::Replace => {
                self.order(command);
                if kind == K::Replace {
                    self.aim(command);
                    command.quantity.0 *= self.dice.below(3) as u32 + 1;
                }
                command.ordinal = self.number(command.session);
                self.remember(command);
            }
            K::Cancel | K::Modify => {
                self.aim(command);
                command.quantity = Quantity(self.dice.pick(&[0, 0, 0, 1, 5, 30, 90, 10_000]));
                command.side = self.dice.below(4) as u8;
            }
            K::MassCancel => {
                command.instrument = InstrumentId(self.dice.below(4) as u32);
            }
            K::Kill => command.side = self.dice.pick(&[0, 1, 1, 2, 2, 2, 3, 3, 9]),
            K::SetPhase => self.phase(command),
            K::SetBand => {
                command.quantity = Quantity(self.dice.pick(&[0, 0, 0, 20, 200, 2_000]));
                command.target = 1 + self.dice.below(20) as u32;
                command.ordinal = self.dice.below(400) as u32;
            }
            K::SetInstrument => self.listing(command),
            K::SetFamily => command.target = self.dice.below(3) as u32,
            K::SessionDown => command.quantity = Quantity(self.dice.below(3) as u32),
            _ => {}
        }
    }

    /// An instrument listed otherwise: its own tick mostly, for another is seldom free.
    fn listing(&mut self, command: &mut Command) {
        let id = InstrumentId(1 + self.dice.below(5) as u32);
        let own = [100, 2_500, 1, 100, 100][id.index() - 1];
        let listed = Instrument {
            id,
            symbol: Symbol::new("TEST").expect("a good name"),
            tick: Price(self.dice.pick(&[own, own, 500, 1, 0])),
            lot: Quantity(1),
            reference_price: Price(self.dice.pick(&[0, 1_000_000, 990_000])),
        };
        let Command { session, account, .. } = *command;
        *command = Command { session, account, ..listed.command(false) };
    }

    /// A phase that ends by itself, mostly, and mostly in continuous trading.
    fn phase(&mut self, command: &mut Command) {
        command.side = self.dice.pick(&[0, 0, 1, 2, 2, 2, 3, 4, 4, 5, 5, 6, 7, 7, 9]);
        command.ordinal = self.dice.pick(&[0, 0, 0, 0, 0, 0, 2, 5, 6, 7, 300]);
        let most = self.dice.pick(&[100, 100, 100, 3_000]);
        command.quantity = Quantity(1 + self.dice.below(most) as u32);
        command.target = self.dice.below(50) as u32;
        command.order_type = u8::from(self.dice.once_in(8));
        command.price = Price(self.dice.roll() as i64);
    }

    /// Price, quantity and instructions of an order.
    fn order(&mut self, command: &mut Command) {
        let market = &mut self.markets[command.instrument.index()];
        match self.dice.below(400) {
            0 => *market = 1_000 + self.dice.below(30_000) as i64,
            1..40 => *market += self.dice.below(5) as i64 - 2,
            _ => {}
        }
        let reach = self.dice.pick(&[3, 3, 8, 30, 30, 500]);
        let away = self.dice.below(reach) as i64 - reach as i64 / 3;
        command.side = self.dice.pick(&[0, 0, 0, 1, 2, 3]);
        let steps = if command.side == 0 { *market - away } else { *market + away };
        let finest = command.instrument.0 == 3;
        let tick = if command.instrument.0 == 2 { 2_500 } else { 100 };
        command.price = Price(if finest { steps } else { steps * tick });
        command.quantity = Quantity(self.dice.below(60) as u32 + 1);
        command.time_in_force = self.dice.pick(&[0, 0, 0, 0, 3, 3, 1, 1, 2]);
        if self.dice.once_in(12) {
            command.order_type = 1;
            let protected = self.dice.once_in(2);
            command.price = if protected { Price(command.price.0 + 50) } else { Price::ZERO };
        }
        if self.dice.once_in(3) {
            let setting = self.dice.pick(&[
                SelfTrade::CancelNewest,
                SelfTrade::CancelOldest,
                SelfTrade::CancelOldest,
                SelfTrade::CancelBoth,
                SelfTrade::Decrement,
            ]);
            command.flags = command.flags.with_self_trade(setting);
        }
        if self.dice.once_in(10) {
            command.flags = command.flags.with(Flags::POST_ONLY);
        }
    }

    /// Points at an order that is likely to be alive.
    fn aim(&mut self, command: &mut Command) {
        if !self.recent.is_empty() {
            (command.session, command.target) = self.dice.pick(&self.recent);
        }
    }

    /// A session's next order number; now and then an old one.
    fn number(&mut self, session: SessionId) -> u32 {
        let next = &mut self.next_ordinal[session.index()];
        if self.dice.once_in(60) {
            return next.saturating_sub(self.dice.below(20) as u32);
        }
        *next += 1 + self.dice.below(2) as u32;
        *next
    }

    fn remember(&mut self, command: &Command) {
        let order = (command.session, command.ordinal);
        if self.recent.len() < REMEMBERED {
            self.recent.push(order);
        } else {
            let at = self.dice.below(REMEMBERED as u64) as usize;
            self.recent[at] = order;
        }
    }

    /// Makes an order one that is not plain: mostly a sensible one.
    fn ask_more(&mut self, group: &mut Group<Command>) {
        use OrderType as O;
        let mut terms = Terms::default();
        let head = &mut group.head;
        let tick = [1, 100, 2_500, 1, 100][head.instrument.index() % 5];
        let tick = if head.instrument.0 == 3 { 1 } else { tick };
        let buys = head.side == 0;
        let few = Price(tick * self.dice.below(4) as i64);
        let away = if buys { Price(-few.0) } else { few };
        let kind = match self.dice.below(18) {
            0..3 => {
                terms.displayed = Quantity(self.dice.below(12) as u32);
                O::Limit
            }
            3..5 => {
                head.flags = head.flags.with(Flags::HIDDEN);
                O::Limit
            }
            5 => {
                head.flags = head.flags.with(Flags::HIDDEN);
                terms.minimum = Quantity(self.dice.below(30) as u32);
                O::Limit
            }
            6 => {
                head.flags = head.flags.with(Flags::HIDDEN);
                terms.flags = TermFlags::ALL_OR_NONE;
                O::Limit
            }
            7 => {
                head.time_in_force = TimeInForce::Ioc.code();
                terms.minimum = Quantity(self.dice.below(40) as u32);
                self.dice.pick(&[O::Limit, O::Market])
            }
            16..18 => {
                let behind = Price(few.0 + tick);
                terms.discretion = if buys { behind } else { Price(-behind.0) };
                if self.dice.once_in(4) {
                    terms.displayed = Quantity(self.dice.below(12) as u32);
                }
                O::Limit
            }
            8 => O::MarketToLimit,
            9 => {
                head.flags = head.flags.with(Flags::POST_ONLY);
                terms.flags = TermFlags::SLIDE;
                O::Limit
            }
            10 => {
                terms.offset = if self.dice.once_in(2) { away } else { Price(-away.0) };
                O::PegPrimary
            }
            11 => {
                terms.offset = Price(away.0 + if buys { -tick } else { tick });
                O::PegMarket
            }
            12 => {
                terms.offset = if self.dice.once_in(2) { away } else { Price(0) };
                O::PegMidpoint
            }
            _ => {
                let beyond = if buys { few.0 } else { -few.0 };
                terms.stop_price = Price(head.price.0 / tick * tick + beyond);
                if self.dice.once_in(3) {
                    terms.offset = Price(tick * (1 + self.dice.below(6) as i64));
                    terms.stop_price =
                        if self.dice.once_in(2) { Price::ZERO } else { terms.stop_price };
                    O::TrailingStop
                } else {
                    self.dice.pick(&[O::Stop, O::StopLimit])
                }
            }
        };
        head.order_type = kind.code();
        if matches!(
            kind,
            O::PegPrimary
                | O::PegMarket
                | O::PegMidpoint
                | O::Stop
                | O::TrailingStop
                | O::MarketToLimit
        ) {
            head.price = if self.dice.once_in(2) { Price(0) } else { head.price };
        }
        if self.dice.once_in(6) {
            head.time_in_force = self.dice.pick(&[5, 6, 7, 8, 8]);
            if self.dice.once_in(2) {
                terms = Terms::default();
                head.order_type = self.dice.pick(&[0, 0, 1]);
                head.flags = Flags(head.flags.0 & !(Flags::HIDDEN.0 | Flags::POST_ONLY.0));
            }
        } else if self.dice.once_in(5) {
            head.time_in_force = TimeInForce::Gtd.code();
            terms.expires_at = (u64::from(self.client_seq) + self.dice.below(300)) * STEP;
        }
        if self.dice.once_in(5) {
            terms.group = self.dice.below(3) as u16;
        }
        if self.dice.once_in(60) {
            self.spoil_terms(&mut terms);
        }
        add_terms(group, terms);
    }

    /// Puts a value where it may not belong.
    fn spoil_terms(&mut self, terms: &mut Terms) {
        match self.dice.below(9) {
            0 => terms.displayed = Quantity(self.dice.below(5) as u32),
            1 => terms.minimum = self.dice.pick(&[Quantity(1), Quantity::MAX]),
            2 => terms.offset = Price(self.dice.pick(&[1, -100, i64::MIN, i64::MAX])),
            3 => terms.stop_price = Price(self.dice.pick(&[1, 100, -100, i64::MAX])),
            4 => terms.expires_at = self.dice.pick(&[1, u64::MAX]),
            5 => terms.flags = TermFlags(self.dice.below(256) as u8),
            6 => terms.cap = Price(100),
            7 => terms.discretion = Price(self.dice.pick(&[1, 100, -100, i64::MIN, i64::MAX])),
            _ => terms.reserved[3] = 1,
        }
    }

    /// Makes a mass cancel one of fewer orders, or of more.
    fn narrow(&mut self, group: &mut Group<Command>) {
        let flags = TermFlags(self.dice.below(32) as u8);
        let group_wanted = self.dice.below(3) as u16;
        add_terms(group, Terms { flags, group: group_wanted, ..Terms::default() });
    }

    /// Puts a bad value somewhere.
    fn spoil(&mut self, command: &mut Command) {
        match self.dice.below(14) {
            0 => command.verdict = self.dice.below(256) as u8,
            1 => command.kind = self.dice.below(256) as u8,
            2 => command.side = self.dice.below(256) as u8,
            3 => command.order_type = self.dice.below(10) as u8,
            4 => command.time_in_force = self.dice.below(10) as u8,
            5 => command.quantity = self.dice.pick(&[Quantity(0), Quantity::MAX]),
            6 => command.price = Price(self.dice.pick(&[0, -100, 1, i64::MIN, i64::MAX])),
            7 => command.price.0 = (i64::MAX / 2_500 - self.dice.below(90) as i64) * 2_500,
            8 => command.price.0 = (1 + self.dice.below(90) as i64) * 2_500,
            9 => command.instrument = InstrumentId(self.dice.pick(&[0, 4, 5, u32::MAX])),
            10 => command.session = SessionId(self.dice.pick(&[6, u32::MAX])),
            11 => command.flags = Flags(self.dice.below(256) as u8),
            12 => command.lines = self.dice.below(256) as u8,
            _ => command.ordinal = command.target,
        }
    }
}

fn add_terms(group: &mut Group<Command>, terms: Terms) {
    group.head.lines = 2;
    group.rest_mut()[0] = terms.line();
}
