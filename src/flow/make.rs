//! Makes flow: a seeded, realistic mix of orders about a market that wanders, with the trades
//! that an obvious book makes of it.

use crate::flow::{
    Dice, Flow, FlowBook, FlowEvent, FlowKind, ObviousBook, Refusal, Trade, summary_of,
};

/// What kind of flow to make: one as markets have it, or one made to hurt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// As markets have it.
    #[default]
    Calm,
    /// Hardly two orders at one price, over the whole range.
    SparsePrices,
    /// All orders of a side at one price.
    OnePrice,
    /// The best price jumps by more than the ladder's window and back.
    Jumps,
    /// Two thousand orders, then as many cancels, and again.
    CancelStorms,
    /// Order ids that are alike in their lower bits.
    AlikeIds,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 6] = [
        Self::Calm,
        Self::SparsePrices,
        Self::OnePrice,
        Self::Jumps,
        Self::CancelStorms,
        Self::AlikeIds,
    ];
}

/// What flow to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MakeOptions {
    /// The same seed makes the same flow.
    pub seed: u64,
    /// Orders that rest when the clock starts, and about as many throughout.
    pub resting: u32,
    /// Events after that.
    pub events: u32,
    /// How far from the market orders rest, in ticks.
    pub range: u32,
    /// Whether ids leave gaps, as a venue's do.
    pub sparse_ids: bool,
    /// What kind of flow.
    pub profile: Profile,
}

/// The highest price, and how far from it and from 0 the market stays: real instruments do.
const PRICE_MAX: i64 = 1 << 20;
const MARKET: i64 = 30_000;

/// Where the market begins, and is drawn back to.
const fn market_of(profile: Profile) -> i64 {
    match profile {
        Profile::SparsePrices => PRICE_MAX / 2,
        _ => MARKET,
    }
}

/// The step of ids that are alike.
const ALIKE: u64 = 1 << 11;

/// How far from the market resting orders stay where the best price jumps, in ticks.
const JUMP: i64 = 6_000;

/// Orders of a storm, and then cancels.
const STORM: usize = 2_000;

/// The last orders, from which most cancels pick.
const RECENT: usize = 2_000;

/// Makes a flow; `progress` is told the number of events made, now and then.
///
/// # Errors
/// [`Refusal`] never, unless the ids run out.
pub fn make(options: &MakeOptions, progress: &mut dyn FnMut(u64)) -> Result<Flow, Refusal> {
    let mut maker = Maker::new(options);
    while maker.book.resting() < options.resting as usize {
        let anywhere = maker.dice.percent(60);
        maker.add(anywhere)?;
        maker.tell(progress);
    }
    let prefill = maker.events.len();
    for _ in 0..options.events {
        maker.step()?;
        maker.tell(progress);
    }
    Ok(Flow { expected: summary_of(&maker.trades), events: maker.events, prefill })
}

struct Maker<'a> {
    options: &'a MakeOptions,
    dice: Dice,
    book: ObviousBook,
    events: Vec<FlowEvent>,
    trades: Vec<Trade>,
    /// What most believe the instrument is worth, in ticks.
    market: i64,
    last_id: u64,
    /// The order that made the best price jump.
    lone: Option<u64>,
    /// Orders that may rest still, in no order; dead ones are dropped when met.
    known: Vec<u64>,
    recent: Vec<u64>,
}

impl<'a> Maker<'a> {
    fn new(options: &'a MakeOptions) -> Self {
        Self {
            options,
            dice: Dice::new(options.seed),
            book: ObviousBook::default(),
            events: Vec::new(),
            trades: Vec::new(),
            market: market_of(options.profile),
            last_id: 0,
            lone: None,
            known: Vec::new(),
            recent: Vec::new(),
        }
    }

    fn tell(&self, progress: &mut dyn FnMut(u64)) {
        if self.events.len().is_multiple_of(1 << 14) {
            progress(self.events.len() as u64);
        }
    }

    /// One event of the mix: 45 % passive, 40 % cancels, 5 % replacements, 10 % marketable, with
    /// more passive ones while too few rest and more cancels while too many do.
    fn step(&mut self) -> Result<(), Refusal> {
        match self.options.profile {
            Profile::Jumps if self.dice.percent(50) || self.lone.is_some() => return self.jump(),
            Profile::CancelStorms if self.events.len() / STORM % 2 == 1 => return self.cancel(),
            Profile::CancelStorms => return self.add(false),
            Profile::OnePrice => {}
            _ => self.wander(),
        }
        let (resting, wanted) = (self.book.resting() as i64, i64::from(self.options.resting));
        let surplus = ((resting - wanted) * 2_000 / wanted.max(1)).clamp(-60, 60);
        match self.dice.below(1_000) as i64 {
            roll if roll < 450 - surplus => {
                let anywhere = self.dice.percent(2);
                self.add(anywhere)
            }
            roll if roll < 850 => self.cancel(),
            roll if roll < 900 => self.replace(),
            _ => self.aggress(),
        }
    }

    /// A lone order becomes the best of its side, far before all others, or goes again.
    fn jump(&mut self) -> Result<(), Refusal> {
        if let Some(id) = self.lone.take().filter(|&id| self.book.place(id).is_some()) {
            let (buy, price) = self.book.place(id).unwrap_or_default();
            let kind = FlowKind::Cancel;
            return self.send(FlowEvent {
                id,
                new_id: 0,
                price,
                quantity: 0,
                kind,
                buy,
                account: 0,
            });
        }
        let buy = self.dice.percent(50);
        let price = self.market + if buy { -1 } else { 1 };
        let (id, account, kind) = (self.new_id(), self.account(), FlowKind::Limit);
        let price = price.clamp(1, PRICE_MAX) as u32;
        self.lone = Some(id);
        self.send(FlowEvent { id, new_id: 0, price, quantity: 100, kind, buy, account })
    }

    /// The market takes a step now and then, rather back than away.
    fn wander(&mut self) {
        if self.dice.below(500) == 0 {
            let home = market_of(self.options.profile);
            let pull = ((self.market - home) / 40).clamp(-30, 30);
            let up = (self.dice.below(100) as i64) < 50 - pull;
            self.market += if up { 1 } else { -1 };
        }
    }

    /// An order that rests: mostly near the market, `anywhere` in range otherwise.
    fn add(&mut self, anywhere: bool) -> Result<(), Refusal> {
        let buy = self.dice.percent(50);
        let (price, quantity) = (self.passive_price(buy, anywhere), self.quantity());
        self.enter(FlowKind::Limit, buy, price, quantity)
    }

    fn cancel(&mut self) -> Result<(), Refusal> {
        let Some(id) = self.choose() else { return self.add(false) };
        let (buy, price) = self.book.place(id).unwrap_or_default();
        let kind = FlowKind::Cancel;
        self.send(FlowEvent { id, new_id: 0, price, quantity: 0, kind, buy, account: 0 })
    }

    fn replace(&mut self) -> Result<(), Refusal> {
        let Some(id) = self.choose() else { return self.add(false) };
        let (buy, _) = self.book.place(id).unwrap_or_default();
        let (price, quantity) = (self.passive_price(buy, false), self.quantity());
        let (new_id, account) = (self.new_id(), self.account());
        let kind = FlowKind::Replace;
        self.send(FlowEvent { id, new_id, price, quantity, kind, buy, account })?;
        self.remember(new_id);
        Ok(())
    }

    /// An order that takes: immediate (65 %), one that may rest (25 %), or market (10 %).
    fn aggress(&mut self) -> Result<(), Refusal> {
        let mut buy = self.dice.percent(50);
        if self.book.best(!buy).is_none() {
            buy = !buy;
        }
        let Some(best) = self.book.best(!buy) else { return self.add(false) };
        let quantity = self.taken_quantity();
        let through = self.dice.below(3) as i64;
        let price = i64::from(best) + if buy { through } else { -through };
        let price = price.clamp(1, PRICE_MAX) as u32;
        match self.dice.below(100) {
            0..65 => self.enter(FlowKind::Immediate, buy, price, quantity),
            65..90 => self.enter(FlowKind::Limit, buy, price, quantity),
            _ => self.enter(FlowKind::Market, buy, 0, quantity),
        }
    }

    fn enter(
        &mut self,
        kind: FlowKind,
        buy: bool,
        price: u32,
        quantity: u32,
    ) -> Result<(), Refusal> {
        let (id, account) = (self.new_id(), self.account());
        self.send(FlowEvent { id, new_id: 0, price, quantity, kind, buy, account })?;
        self.remember(id);
        Ok(())
    }

    fn send(&mut self, event: FlowEvent) -> Result<(), Refusal> {
        self.events.push(event);
        self.book.apply(&event, &mut self.trades)
    }

    /// A price that does not cross.
    fn passive_price(&mut self, buy: bool, anywhere: bool) -> u32 {
        let range = u64::from(self.options.range.max(1));
        let away = if anywhere { 1 + self.dice.below(range) } else { self.dice.power_law(range) };
        let away = match self.options.profile {
            Profile::SparsePrices => 1 + self.dice.below(range) as i64,
            Profile::OnePrice => 1,
            Profile::Jumps => JUMP + away as i64,
            _ => away as i64,
        };
        let other = self.book.best(!buy).map(i64::from);
        let price = if buy {
            (self.market - away).min(other.unwrap_or(i64::MAX) - 1)
        } else {
            (self.market + away).max(other.unwrap_or(0) + 1)
        };
        price.clamp(1, PRICE_MAX) as u32
    }

    /// A resting order: seven times of ten a recent one, if any of those still rests.
    fn choose(&mut self) -> Option<u64> {
        if self.dice.percent(70) {
            for _ in 0..24 {
                let at = self.dice.below(self.recent.len() as u64) as usize;
                let Some(&id) = self.recent.get(at) else { break };
                if self.book.place(id).is_some() {
                    return Some(id);
                }
            }
        }
        loop {
            let at = self.dice.below(self.known.len() as u64) as usize;
            let id = *self.known.get(at)?;
            if self.book.place(id).is_some() {
                return Some(id);
            }
            self.known.swap_remove(at);
        }
    }

    fn remember(&mut self, id: u64) {
        if self.book.place(id).is_none() {
            return;
        }
        self.known.push(id);
        if self.recent.len() < RECENT {
            self.recent.push(id);
        } else {
            let at = self.last_id as usize % RECENT;
            self.recent[at] = id;
        }
    }

    fn new_id(&mut self) -> u64 {
        self.last_id += match (self.options.profile, self.options.sparse_ids) {
            (Profile::AlikeIds, _) => ALIKE,
            (_, true) => 1 + self.dice.below(2_000),
            (_, false) => 1,
        };
        self.last_id
    }

    fn account(&mut self) -> u32 {
        1 + self.dice.below(1_000) as u32
    }

    /// A passive size: mostly one round lot.
    fn quantity(&mut self) -> u32 {
        let round = match self.dice.below(100) {
            0..80 => 1,
            80..90 => return 1 + self.dice.below(99) as u32,
            90..98 => 2 + self.dice.below(4),
            _ => 6 + self.dice.below(15),
        };
        100 * round as u32
    }

    /// A taker's size: mostly an odd lot.
    fn taken_quantity(&mut self) -> u32 {
        let round = match self.dice.below(100) {
            0..70 => return 1 + self.dice.below(100) as u32,
            70..90 => 1,
            90..98 => 2 + self.dice.below(2),
            _ => 5 + self.dice.below(16),
        };
        100 * round as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{ReferenceMatcher, SoftwareMatcher, take_steps};
    use crate::flow::{
        Alone, Engine, FastBook, Naming, Script, Whole, encode, limits_of, matcher_of, parse,
        peak_of, play, replay,
    };

    fn options(seed: u64) -> MakeOptions {
        let profile = Profile::Calm;
        let sparse_ids = seed % 2 == 1;
        MakeOptions { seed, resting: 300, events: 6_000, range: 400, sparse_ids, profile }
    }

    #[test]
    fn the_fast_book_makes_the_same_trades_of_any_flow() {
        for seed in 0..12 {
            let flow = make(&options(seed), &mut |_| {}).expect("ids are new");
            let peak = peak_of(&flow).expect("the flow is good");
            // A window much narrower than the range, so that the tree is met as well.
            let mut fast = FastBook::new(peak, 64 << (seed % 4));
            let run = replay(&flow, &mut fast, &mut || 0).expect("the flow is good");
            assert_eq!(summary_of(&run.trades), flow.expected);
            let obvious = replay(&flow, &mut ObviousBook::default(), &mut || 0);
            assert_eq!(obvious.map(|obvious| obvious.trades), Ok(run.trades));
        }
    }

    #[test]
    fn every_profile_is_replayed_to_its_trades_by_book_and_appliance() {
        for (seed, profile) in (0..).zip(Profile::ALL) {
            let flow = make(&MakeOptions { profile, ..options(seed) }, &mut |_| {});
            let flow = flow.expect("ids are new");
            let peak = peak_of(&flow).expect("the flow is good");
            for naming in [Naming::Handles, Naming::Ids] {
                let script = Script::new(&flow, peak, naming).expect("the flow is good");
                let matcher = matcher_of(&script, SoftwareMatcher::new).expect("good limits");
                let mut whole = Whole::new(&script, &limits_of(&script), matcher);
                let run = play(&script, &mut whole, &mut || 0).expect("there is room");
                assert_eq!(summary_of(&run.trades), flow.expected, "{profile:?}, {naming:?}");
                let matcher = matcher_of(&script, ReferenceMatcher::new).expect("good limits");
                let run = play(&script, &mut Alone(matcher), &mut || 0).expect("there is room");
                assert_eq!(summary_of(&run.trades), flow.expected, "{profile:?}, {naming:?}");
            }
        }
    }

    /// The most steps, of all loops that could grow with what rests, that one command of a flow
    /// takes, its fills' own apart.
    fn most_steps(profile: Profile, resting: u32) -> u64 {
        let range = (resting / 60).clamp(100, 20_000);
        let events = 3 * resting;
        let sparse_ids = true;
        let options = MakeOptions { seed: 3, resting, events, range, sparse_ids, profile };
        let flow = make(&options, &mut |_| {}).expect("ids are new");
        let script =
            Script::new(&flow, peak_of(&flow).expect("a good flow"), Script::naming_of(&flow));
        let script = script.expect("a good flow");
        let mut engine = Alone(matcher_of(&script, SoftwareMatcher::new).expect("good limits"));
        let (prefill, timed) = script.parts();
        let mut most = 0;
        for command in prefill.iter().chain(timed) {
            take_steps();
            engine.apply(command).expect("there is room");
            let steps = take_steps();
            let mut told = 0;
            engine.deal(|_| told += 1);
            // A fill may empty a level, and then the next one is looked for.
            most = most.max(steps.saturating_sub(STEPS_PER_EVENT * told));
        }
        most
    }

    /// A way down a tree of as many levels as there can be, and back.
    const STEPS_PER_EVENT: u64 = 24;

    #[test]
    fn no_command_of_any_flow_works_more_because_more_rests() {
        for profile in Profile::ALL {
            let (few, many) = (most_steps(profile, 1_000), most_steps(profile, 30_000));
            println!("{profile:?}: at most {few} steps with 1,000 resting, {many} with 30,000");
            // Thirty times the orders make a tree five levels deeper, and it is walked 4 times
            // where the window moves.
            assert!(many <= few + 80 && many <= 300, "{profile:?}: {few}, then {many}");
        }
    }

    #[test]
    fn a_seed_makes_one_flow_and_it_is_lively() {
        let flow = make(&options(1), &mut |_| {}).expect("ids are new");
        assert_eq!(make(&options(1), &mut |_| {}), Ok(flow.clone()));
        assert_ne!(make(&options(2), &mut |_| {}), Ok(flow.clone()));
        assert_eq!(parse(&encode(&flow)), Ok(flow.clone()));
        let (_, timed) = flow.parts();
        let share =
            |kind| timed.iter().filter(|event| event.kind == kind).count() * 100 / timed.len();
        assert!((40..60).contains(&share(FlowKind::Limit)));
        assert!((34..46).contains(&share(FlowKind::Cancel)));
        assert!(share(FlowKind::Replace) >= 3 && share(FlowKind::Immediate) >= 4);
        assert!(flow.expected.trades > 400);
    }

    #[test]
    fn an_id_that_still_rests_cannot_be_entered_again() {
        let event = FlowEvent {
            id: 5,
            new_id: 0,
            price: 100,
            quantity: 1,
            kind: FlowKind::Limit,
            buy: true,
            account: 1,
        };
        let mut trades = Vec::new();
        let mut fast = FastBook::new(4, 64);
        assert_eq!(fast.apply(&event, &mut trades), Ok(()));
        assert_eq!(fast.apply(&event, &mut trades), Err(Refusal::IdTwice));
        let mut obvious = ObviousBook::default();
        assert_eq!(obvious.apply(&event, &mut trades), Ok(()));
        assert_eq!(obvious.apply(&event, &mut trades), Err(Refusal::IdTwice));
    }
}
