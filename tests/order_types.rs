//! Every order type and instruction from a client's bytes to its reports and the public feed:
//! binary order entry in, gateway, risk, matching, replies and ITCH out, and a replay of it all.

mod support;

use support::orders::{EnterOrder, bytes, enter, order};
use support::{REFERENCE, World};
use wirematch::model::{
    AccountId, Command, CommandKind, Group, InstrumentId, Phase, Price, Quantity, Request,
    SessionId, TradeDetail,
};
use wirematch::topology::{Calendar, Timetable};
use wirematch::wire::itch::Message;
use wirematch::wire::ouch::codes::{
    MARKET_PRICE, cross_type, display, order_style, post_only, price_type, restated, side,
    time_in_force, wish,
};
use wirematch::wire::ouch::{Inbound, OPTIONS_MAX, Options, Outbound};

/// A dollar, in steps of a price.
const ONE: u64 = 10_000;

/// Two clients; the first has rested 10 to buy at 299 and 10 to sell at 301.
struct Venue {
    world: World,
    /// The order numbers of the two clients so far.
    used: [u32; 2],
    /// What was told before the last question.
    replies: [usize; 2],
    published: usize,
}

impl Venue {
    fn open() -> Self {
        let mut world = World::new(7, 2);
        world.connect();
        let mut venue = Self { world, used: [0; 2], replies: [0; 2], published: 0 };
        venue.send(0, buying(REFERENCE - ONE, 10), Options::default());
        venue.send(0, selling(REFERENCE + ONE, 10), Options::default());
        venue.listen();
        venue
    }

    /// A client enters an order with options; its number.
    fn send(&mut self, client: usize, order: EnterOrder, options: Options) -> u32 {
        self.used[client] += 1;
        let order = EnterOrder { user_ref_num: self.used[client], ..order };
        let firm = Some(AccountId(client as u32 + 1).code());
        let options = Options { firm, ..options };
        let mut space = [0; OPTIONS_MAX];
        let message = bytes(&Inbound::EnterOrder(order, options.appendage(&mut space)));
        assert!(self.world.clients[client].send(&message));
        self.world.settle();
        order.user_ref_num
    }

    /// Lets so many hundredths of a second pass, slowly enough that nobody seems to be gone.
    fn wait(&mut self, hundredths: u32) {
        for _ in 0..hundredths {
            self.world.now.0 += 10_000_000;
            self.world.steps(100);
        }
        self.world.settle();
    }

    fn phase(&mut self, phase: Phase) {
        let to = |request: &mut Request| {
            request.0.instrument = InstrumentId(1);
            request.0.side = phase.code();
        };
        self.world.ask(to, CommandKind::SetPhase);
        self.world.settle();
    }

    /// What was told since the last time: to the first client, the second, and everybody.
    fn listen(&mut self) -> [String; 3] {
        let told = |client: usize| {
            let replies = &self.world.clients[client].view.replies[self.replies[client]..];
            replies.iter().map(|reply| line(reply)).collect::<Vec<_>>().join(", ")
        };
        let public = &self.world.published[self.published..];
        let public = public.iter().map(show).collect::<Vec<_>>().join(", ");
        let said = [told(0), told(1), public];
        self.replies = [0, 1].map(|client| self.world.clients[client].view.replies.len());
        self.published = self.world.published.len();
        said
    }

    /// What is left of an order of the second client, if it is open.
    fn open_of(&self, number: u32) -> Option<u32> {
        self.world.clients[1].view.open.get(&number).copied()
    }
}

fn buying(price: u64, quantity: u32) -> EnterOrder {
    EnterOrder { price, quantity, ..order(0) }
}

fn selling(price: u64, quantity: u32) -> EnterOrder {
    EnterOrder { side: side::SELL, ..buying(price, quantity) }
}

/// A price in steps as dollars, cents and less.
fn dollars(price: u64) -> String {
    Price(price as i64).to_string()
}

/// A reply in a few words.
fn line(reply: &[u8]) -> String {
    match Outbound::decode(reply).expect("a reply decodes") {
        Outbound::OrderAccepted(told, _) => {
            format!("accepted {}@{}", told.quantity, dollars(told.price))
        }
        Outbound::OrderExecuted(told, _) => {
            let flag = told.liquidity_flag as char;
            format!("executed {}@{} {flag}", told.quantity, dollars(told.price))
        }
        Outbound::OrderCanceled(told, _) => {
            format!("cancelled {} {}", told.quantity, told.reason as char)
        }
        Outbound::OrderRestated(told, options) => {
            let options = Options::of(&options);
            assert_eq!(options.display_quantity.is_some(), told.reason == restated::DISPLAYED_SIZE);
            let shown = options.display_quantity.map_or(String::new(), |shown| format!(" {shown}"));
            format!("restated {}{shown}", told.reason as char)
        }
        Outbound::Rejected(told, _) => format!("rejected {:#04x}", told.reason),
        Outbound::BrokenTrade(told, _) => format!("broken {}", told.user_ref_num),
        Outbound::SystemEvent(told, _) => format!("system {}", told.event_code as char),
        other => format!("{other:?}"),
    }
}

/// A message of the feed in a few words; those of the day's start in none.
fn show(message: &Message) -> String {
    match message {
        Message::AddOrder(told) => {
            let side = told.buy_sell_indicator as char;
            format!("A {side} {}@{}", told.shares, dollars(told.price.into()))
        }
        Message::OrderExecuted(told) => format!("E {}", told.executed_shares),
        Message::OrderExecutedWithPrice(told) => {
            format!("C {}@{}", told.executed_shares, dollars(told.execution_price.into()))
        }
        Message::OrderCancel(told) => format!("X {}", told.canceled_shares),
        Message::OrderDelete(_) => "D".to_owned(),
        Message::Trade(told) => format!("P {}@{}", told.shares, dollars(told.price.into())),
        Message::BrokenTrade(_) => "B".to_owned(),
        Message::StockTradingAction(told) => format!("H {}", told.trading_state as char),
        Message::NetOrderImbalance(told) => {
            let direction = told.imbalance_direction as char;
            format!("I {} {direction} {}", told.paired_shares, told.imbalance_shares)
        }
        _ => String::new(),
    }
}

/// What rests alone: the second client is told that it was taken, the feed shows what it may.
#[test]
fn every_type_that_waits_is_taken_and_shown_as_far_as_it_may_be() {
    let base = buying(REFERENCE, 8);
    let none = Options::default();
    let hidden = EnterOrder { display: display::HIDDEN, ..base };
    let at_market = EnterOrder { price: MARKET_PRICE, ..base };
    let lasting = |code| EnterOrder { time_in_force: code, ..base };
    let cross = |code| EnterOrder { cross_type: code, ..base };
    let peg = |code| Options { price_type: Some(code), ..none };
    let style = |code| Options { order_style: Some(code), ..none };
    let slide = Options { wish: Some(wish::SLIDE), post_only: Some(post_only::POST_ONLY), ..none };
    let stop_at = Some(REFERENCE + 2 * ONE);
    let away = Some(-2 * ONE as i32);
    let cases = [
        (base, none, "300.00", "A B 8@300.00"),
        (lasting(time_in_force::GOOD_TILL_CANCEL), none, "300.00", "A B 8@300.00"),
        (base, Options { max_floor: Some(3), ..none }, "300.00", "A B 3@300.00"),
        (base, Options { post_only: Some(post_only::POST_ONLY), ..none }, "300.00", "A B 8@300.00"),
        (buying(REFERENCE + 2 * ONE, 8), slide, "300.99", "A B 8@300.99"),
        (
            base,
            Options { discretion_price: Some(REFERENCE + 5_000), ..none },
            "300.00",
            "A B 8@300.00",
        ),
        (hidden, none, "300.00", ""),
        (hidden, Options { min_qty: Some(4), ..none }, "300.00", ""),
        (hidden, Options { wish: Some(wish::ALL_OR_NONE), ..none }, "300.00", ""),
        (at_market, peg(price_type::PRIMARY_PEG), "330.00", ""),
        (base, peg(price_type::MIDPOINT_PEG), "300.00", ""),
        (base, Options { peg_offset: away, ..peg(price_type::MARKET_PEG) }, "300.00", ""),
        (at_market, Options { stop_price: stop_at, ..style(order_style::STOP) }, "332.20", ""),
        (base, Options { stop_price: stop_at, ..style(order_style::STOP_LIMIT) }, "300.00", ""),
        (
            at_market,
            Options { trail: Some(30_000), ..style(order_style::TRAILING_STOP) },
            "330.00",
            "",
        ),
        (cross(cross_type::OPENING), none, "300.00", ""),
        (cross(cross_type::CLOSING), none, "300.00", ""),
        (cross(cross_type::HALT), none, "300.00", ""),
    ];
    for (order, options, price, shown) in cases {
        let mut venue = Venue::open();
        let number = venue.send(1, order, options);
        let what = format!("{order:?} {options:?}");
        let [other, own, public] = venue.listen();
        assert_eq!(
            (own.as_str(), public.as_str()),
            (&*format!("accepted 8@{price}"), shown),
            "{what}"
        );
        assert_eq!((other.as_str(), venue.open_of(number)), ("", Some(8)), "{what}");
        venue.world.check();
        // What waits can be taken back, whatever it is.
        assert!(venue.world.clients[1].send(&support::orders::cancel(number)));
        venue.world.settle();
        let [_, own, public] = venue.listen();
        let gone = if shown.is_empty() { "" } else { "D" };
        assert_eq!((own.as_str(), public.as_str()), ("cancelled 8 U", gone), "{what}");
        venue.world.check();
    }
}

#[test]
fn what_does_not_wait_trades_at_once_or_goes_with_its_reason() {
    let none = Options::default();
    let at = |price| EnterOrder {
        time_in_force: time_in_force::IMMEDIATE_OR_CANCEL,
        ..buying(price, 12)
    };
    let least = |quantity| Options { min_qty: Some(quantity), ..none };
    let over = REFERENCE + ONE;
    let to_limit = Options { order_style: Some(order_style::MARKET_TO_LIMIT), ..none };
    let posts = Options { post_only: Some(post_only::POST_ONLY), ..none };
    let market = EnterOrder { price: MARKET_PRICE, ..at(0) };
    let waits = EnterOrder { price: MARKET_PRICE, ..buying(0, 12) };
    let took = "executed 10@301.00 R";
    let cases = [
        (at(over), none, format!("accepted 12@301.00, {took}, cancelled 2 I"), "E 10"),
        (at(over), least(12), "accepted 12@301.00, cancelled 12 I".to_owned(), ""),
        (at(over), least(10), format!("accepted 12@301.00, {took}, cancelled 2 I"), "E 10"),
        (at(over), least(11), "accepted 12@301.00, cancelled 12 I".to_owned(), ""),
        (market, none, format!("accepted 12@330.00, {took}, cancelled 2 I"), "E 10"),
        (waits, to_limit, format!("accepted 12@301.00, {took}"), "E 10, A B 2@301.00"),
        (buying(over, 12), posts, "accepted 12@301.00, cancelled 12 F".to_owned(), ""),
    ];
    for (order, options, told, shown) in cases {
        let mut venue = Venue::open();
        venue.send(1, order, options);
        let [_, own, public] = venue.listen();
        assert_eq!((own, public.as_str()), (told, shown), "{order:?} {options:?}");
        venue.world.check();
    }
}

#[test]
fn an_iceberg_is_told_of_each_part_and_shown_part_by_part() {
    let mut venue = Venue::open();
    venue.send(1, buying(REFERENCE, 8), Options { max_floor: Some(3), ..Options::default() });
    venue.listen();
    venue.send(0, selling(REFERENCE, 4), Options::default());
    let [other, own, public] = venue.listen();
    assert_eq!(own, "executed 3@300.00 A, restated R 3, executed 1@300.00 A");
    assert_eq!(public, "E 3, A B 3@300.00, E 1");
    assert_eq!(other, "accepted 4@300.00, executed 3@300.00 R, executed 1@300.00 R");
    venue.world.check();
}

#[test]
fn what_is_hidden_trades_without_having_been_shown() {
    let mut venue = Venue::open();
    let hidden = EnterOrder { display: display::HIDDEN, ..buying(REFERENCE, 8) };
    venue.send(1, hidden, Options { min_qty: Some(4), ..Options::default() });
    venue.listen();
    venue.send(0, selling(REFERENCE, 3), Options::default());
    assert_eq!(venue.listen()[1..], ["".to_owned(), "A S 3@300.00".to_owned()]);
    venue.send(0, selling(REFERENCE - 5_000, 5), Options::default());
    let [_, own, public] = venue.listen();
    assert_eq!((own.as_str(), public.as_str()), ("executed 5@300.00 J", "P 5@300.00"));
    venue.world.check();
}

#[test]
fn discretion_trades_at_the_price_of_who_comes_and_the_feed_names_it() {
    let mut venue = Venue::open();
    let options = Options { discretion_price: Some(REFERENCE + 5_000), ..Options::default() };
    venue.send(1, buying(REFERENCE, 8), options);
    venue.listen();
    venue.send(0, selling(REFERENCE + 3_000, 5), Options::default());
    let [other, own, public] = venue.listen();
    assert_eq!((own.as_str(), public.as_str()), ("executed 5@300.30 A", "C 5@300.30"));
    assert_eq!(other, "accepted 5@300.30, executed 5@300.30 R");
    venue.world.check();
}

#[test]
fn a_stop_is_told_when_it_wakes_and_what_it_did() {
    let mut venue = Venue::open();
    let stop = Options {
        order_style: Some(order_style::STOP),
        stop_price: Some(REFERENCE + ONE),
        ..Options::default()
    };
    venue.send(1, EnterOrder { price: MARKET_PRICE, ..buying(0, 4) }, stop);
    venue.listen();
    venue.send(0, EnterOrder { ..selling(REFERENCE + 2 * ONE, 9) }, Options::default());
    // The second client's own order takes what stands at the stop's price.
    venue.send(1, buying(REFERENCE + ONE, 10), Options::default());
    let [_, own, public] = venue.listen();
    let woken = "restated T, executed 4@302.00 R";
    assert_eq!(own, format!("accepted 10@301.00, executed 10@301.00 R, {woken}"));
    assert_eq!(public, "A S 9@302.00, E 10, E 4");
    venue.world.check();
}

#[test]
fn an_order_good_till_a_time_goes_when_it_has_come() {
    let mut venue = Venue::open();
    let midnight = venue.world.now.0 / 86_400_000_000_000 * 86_400;
    let in_two_seconds = venue.world.now.0 / 1_000_000_000 + 2 - midnight;
    let expires = Options { expire_time: Some(in_two_seconds as u32), ..Options::default() };
    let lasting = time_in_force::GOOD_TILL_TIME;
    let order = EnterOrder { time_in_force: lasting, ..buying(REFERENCE, 8) };
    let number = venue.send(1, order, expires);
    assert_eq!(venue.listen()[1], "accepted 8@300.00");
    assert_eq!(venue.open_of(number), Some(8));
    venue.wait(300);
    assert_eq!(venue.listen()[1], "cancelled 8 T");
    venue.world.check();
}

#[test]
fn an_auction_gathers_tells_where_it_stands_and_trades_at_one_price() {
    let mut venue = Venue::open();
    venue.phase(Phase::OpeningAuction);
    assert_eq!(venue.listen()[2], "H Q");
    let opening = EnterOrder { cross_type: cross_type::OPENING, ..buying(REFERENCE + ONE, 14) };
    venue.send(1, opening, Options::default());
    venue.wait(110);
    let [_, own, public] = venue.listen();
    assert_eq!(own, "accepted 14@301.00");
    assert!(public.contains("I 10 B 4"), "{public}");
    venue.phase(Phase::Continuous);
    let [other, own, public] = venue.listen();
    assert_eq!(other, "executed 10@301.00 O");
    assert_eq!(own, "executed 10@301.00 O, cancelled 4 E");
    assert!(public.contains("P 10@301.00") && public.ends_with("H T"), "{public}");
    venue.world.check();
}

#[test]
fn extended_hours_take_what_is_for_them_alone() {
    let mut venue = Venue::open();
    venue.phase(Phase::Extended);
    venue.listen();
    venue.send(1, buying(REFERENCE, 8), Options::default());
    assert!(venue.listen()[1].starts_with("rejected"));
    let extended = time_in_force::EXTENDED_HOURS;
    let order = EnterOrder { time_in_force: extended, ..buying(REFERENCE, 8) };
    venue.send(1, order, Options::default());
    assert_eq!(venue.listen()[1], "accepted 8@300.00");
    venue.world.check();
}

/// A day of a minute: before it opens, an auction that ends at random, the night, all by the
/// calendar's requests and on record as commands.
#[test]
fn a_calendar_leads_a_day_and_a_replay_needs_none() {
    let mut venue = Venue::open();
    let begin = venue.world.now.0 / 1_000_000_000 + 1;
    let local = |second: u64| {
        let of_day = (begin + second) % 86_400;
        format!("{:02}:{:02}:{:02}", of_day / 3_600, of_day / 60 % 60, of_day % 60)
    };
    let text = format!(
        r#"
        name = "short"
        zone = "UTC"
        instruments = ["ACME"]
        [[schedule]]
        days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
        change = [
            {{ at = "{}", phase = "opening-auction", lasts_s = 2, random_ms = 900, band_percent = "1" }},
            {{ at = "{}", phase = "extended", hours = "overnight", collar_percent = "0.2" }},
            {{ at = "{}", phase = "closed", day = "end" }},
        ]"#,
        local(2),
        local(30),
        local(60),
    );
    let config: wirematch::topology::CalendarConfig = toml::from_str(&text).expect("it parses");
    let calendar = Calendar::new(&config, &venue.world.catalogue.instruments).expect("it is good");
    let last = venue.world.now;
    let mut table = Timetable::new(calendar, last, last, &|_| None);
    let mut run = |venue: &mut Venue, until: u64| {
        while venue.world.now.0 < (begin + until) * 1_000_000_000 {
            let now = venue.world.now;
            let mut seed = || 0x5eed;
            table.poll(now, &mut seed, &mut |request| {
                venue.world.server().ask(request);
                true
            });
            venue.wait(25);
        }
    };
    run(&mut venue, 3);
    assert_eq!(venue.listen()[2].split(", ").next(), Some("H Q"));
    // It would trade through the seller at 301; what is beyond the band begins another auction.
    venue.send(0, selling(REFERENCE + 8 * ONE, 5), Options::default());
    run(&mut venue, 10);
    venue.listen();
    venue.send(1, buying(REFERENCE + 8 * ONE, 12), Options::default());
    let [_, own, public] = venue.listen();
    assert_eq!(own, "accepted 12@308.00, executed 10@301.00 R");
    assert!(public.ends_with("E 10, A B 2@308.00, H Q"), "{public}");
    run(&mut venue, 32);
    // The night: the auction settled what waited, and the collar is narrow.
    assert!(venue.listen()[1].contains("executed 2@308.00 H"));
    let night =
        |price| EnterOrder { time_in_force: time_in_force::EXTENDED_HOURS, ..buying(price, 1) };
    venue.send(1, night(REFERENCE + 7 * ONE), Options::default());
    venue.send(1, night(REFERENCE + 8 * ONE - 100), Options::default());
    assert_eq!(venue.listen()[1], "rejected 0x26, accepted 1@307.99");
    run(&mut venue, 62);
    let [_, own, _] = venue.listen();
    assert!(own.contains("cancelled 1 E") && own.contains("system E"), "{own}");
    venue.world.check();
}

#[test]
fn a_mass_cancel_by_side_and_group_takes_those_alone() {
    let mut venue = Venue::open();
    let group = |group_id| Options { group_id: Some(group_id), ..Options::default() };
    let wanted = venue.send(1, buying(REFERENCE - 2 * ONE, 1), group(5));
    let other_group = venue.send(1, buying(REFERENCE - 2 * ONE, 2), group(6));
    let other_side = venue.send(1, selling(REFERENCE + 2 * ONE, 3), group(5));
    let mut space = [0; OPTIONS_MAX];
    let options = Options { group_id: Some(5), side: Some(side::BUY), ..Options::default() };
    let mass = wirematch::wire::ouch::MassCancelRequest {
        user_ref_num: 0,
        firm: *b"0001",
        symbol: [b' '; 8],
    };
    let message = bytes(&Inbound::MassCancelRequest(mass, options.appendage(&mut space)));
    assert!(venue.world.clients[1].send(&message));
    venue.world.settle();
    let open = [wanted, other_group, other_side].map(|number| venue.open_of(number));
    assert_eq!(open, [None, Some(2), Some(3)]);
    venue.world.check();
}

#[test]
fn a_trade_busted_and_corrected_is_told_to_both_sides_and_everybody() {
    let mut venue = Venue::open();
    venue.send(1, buying(REFERENCE + ONE, 10), Options::default());
    venue.listen();
    let events = support::log_of::<wirematch::model::Event>(&venue.world.journal());
    let mut maker = events.iter().map(|event| event.head);
    let maker = maker.rfind(|event| event.flags.has(wirematch::model::EventFlags::MAKER));
    let maker = maker.expect("they traded");
    let detail = TradeDetail {
        match_number: maker.match_number().0,
        price: maker.price,
        quantity: maker.quantity,
        new_price: Price(maker.price.0 - 100),
        new_quantity: maker.quantity,
        seller: maker.session,
        seller_ordinal: maker.ordinal,
        seller_account: maker.account,
        ..TradeDetail::default()
    };
    for kind in [CommandKind::BustTrade, CommandKind::CorrectTrade] {
        let mut group = Group::new(Request(Command {
            timestamp: venue.world.now,
            session: SessionId(2),
            ordinal: 1,
            account: AccountId(2),
            instrument: InstrumentId(1),
            quantity: Quantity(1),
            lines: 2,
            ..Command::new(kind)
        }));
        group.rest_mut()[0] = detail.line();
        venue.world.tell(&group);
        venue.world.settle();
        let [other, own, public] = venue.listen();
        let again = if kind == CommandKind::BustTrade { "" } else { ", executed 10@300.99 R" };
        assert_eq!(own, format!("broken 1{again}"));
        assert_eq!(other, format!("broken 2{again}"));
        assert!(public.starts_with('B'), "{public}");
    }
    venue.world.replayed();
}

/// An order that nothing is asked of beyond the plain needs no options at all.
#[test]
fn a_plain_order_is_the_same_with_and_without_an_empty_appendage() {
    let mut venue = Venue::open();
    assert!(venue.world.clients[1].send(&enter(EnterOrder { quantity: 8, ..order(1) })));
    venue.world.settle();
    assert_eq!(venue.listen()[1..], ["accepted 8@300.00".to_owned(), "A B 8@300.00".to_owned()]);
}
