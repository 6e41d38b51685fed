//! The order state matrices of the standard, as tables: which report follows which event, with
//! which state, in each version. Letters name the standard's groups of scenarios.

use super::*;
use crate::model::{
    CancelReason, Command, CommandKind, Event, EventFlags, EventId, EventKind, Group, Price,
    Quantity, RejectCode, SeqNo, Text,
};
use crate::wire::fix::dictionary::Version;

/// What happens; orders are numbered as they are asked for.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The client asks for an order of so many.
    Enter(u32),
    /// ... to replace an order by one of so many in all.
    Replace(u32, u32),
    /// ... to cancel an order.
    Cancel(u32),
    /// It went to a destination that has not spoken yet.
    Routed(CommandKind, u32),
    Accepted(u32),
    Rejected(u32),
    /// So much of it traded; the last when nothing is left.
    Traded(u32, u32),
    /// An order took another's place, with so much left.
    Replaced(u32, u32, u32),
    Cancelled(u32, CancelReason),
    /// A part was taken away, the rest stands.
    Cut(u32, u32),
    CancelRejected(u32),
    /// The same, of an order elsewhere: long after it was asked.
    TooLate(u32),
    /// A trade of so many is undone.
    Busted(u32, u32),
}

/// What is told: ExecType, OrdStatus, LeavesQty, CumQty; of a refused cancel the order's status.
type Told = (char, char, u32, u32);

/// Its name; what happens, and what is told of it.
type Scenario = (&'static str, Vec<(Step, Option<Told>)>);

const NONE: Option<Told> = None;

fn told(told: Told) -> Option<Told> {
    Some(told)
}

/// Plays a step against the orders of a client.
struct Play {
    orders: Orders,
    client_seq: u32,
    next: u32,
    events: u64,
}

impl Play {
    fn new(version: Version) -> Self {
        Self { orders: Orders::new(version, 16, 1), client_seq: 1, next: 1, events: 100 }
    }

    fn ask(&mut self, kind: CommandKind, target: u32, quantity: u32) {
        self.client_seq += 1;
        let mut command = Command::new(kind);
        (command.client_seq, command.target) = (self.client_seq, target);
        (command.quantity, command.price, command.side) = (Quantity(quantity), Price(10_000), b'B');
        if kind != CommandKind::Cancel {
            command.ordinal = self.next;
            self.next += 1;
        }
        command.lines = 2;
        let mut group = Group::new(command);
        let name = Id::new(format!("ID{}", self.client_seq).as_bytes()).expect("short");
        group.rest_mut()[0] = Text { client_order_id: name.0, ..Text::default() }.line();
        self.orders.note(&group, &command);
    }

    fn event(&mut self, kind: EventKind, ordinal: u32, quantity: u32) -> Event {
        self.events += 1;
        Event {
            id: EventId::new(SeqNo(self.events), 0),
            kind: kind.code(),
            ordinal,
            client_seq: self.client_seq,
            quantity: Quantity(quantity),
            price: Price(10_000),
            reference: SeqNo(7),
            ..Event::default()
        }
    }

    fn step(&mut self, step: Step) -> Option<OrderReport> {
        let event = match step {
            Step::Enter(quantity) => {
                self.ask(CommandKind::Enter, 0, quantity);
                return None;
            }
            Step::Replace(target, quantity) => {
                self.ask(CommandKind::Replace, target, quantity);
                return None;
            }
            Step::Cancel(target) => {
                self.ask(CommandKind::Cancel, target, 0);
                return None;
            }
            Step::Routed(kind, ordinal) => {
                let event = self.event(EventKind::Routed, ordinal, 0);
                Event { reason: kind.code(), ..event }
            }
            Step::Accepted(ordinal) => {
                let quantity = self.orders.get(ordinal).map_or(0, |order| order.total);
                self.event(EventKind::Accepted, ordinal, quantity)
            }
            Step::Rejected(ordinal) => {
                let event = self.event(EventKind::Rejected, ordinal, 0);
                Event { reason: RejectCode::BuyingPower.code(), ..event }
            }
            Step::Traded(ordinal, quantity) => self.event(EventKind::Executed, ordinal, quantity),
            Step::Replaced(target, ordinal, left) => {
                Event { target, ..self.event(EventKind::Replaced, ordinal, left) }
            }
            Step::Cancelled(ordinal, reason) => {
                let event = self.event(EventKind::Cancelled, ordinal, 0);
                Event { reason: reason.code(), flags: EventFlags::DONE, ..event }
            }
            Step::Cut(ordinal, quantity) => self.event(EventKind::Cancelled, ordinal, quantity),
            Step::CancelRejected(ordinal) => {
                let event = self.event(EventKind::CancelRejected, ordinal, 0);
                Event { reason: RejectCode::UnknownOrder.code(), ..event }
            }
            Step::TooLate(ordinal) => {
                let event = self.event(EventKind::CancelRejected, ordinal, 0);
                Event { reason: RejectCode::UnknownOrder.code(), client_seq: 0, ..event }
            }
            Step::Busted(ordinal, quantity) => {
                let event = self.event(EventKind::Busted, ordinal, quantity);
                Event { flags: EventFlags::AWAY, ..event }
            }
        };
        self.orders.apply(&event)
    }
}

fn shape(report: &OrderReport) -> Told {
    match report {
        OrderReport::Execution(r) => (r.exec_type as char, r.status as char, r.leaves, r.executed),
        OrderReport::CancelReject(r) => ('9', r.status as char, 0, 0),
        OrderReport::MassCancel(_) => ('r', ' ', 0, 0),
        OrderReport::Party(_) => ('I', ' ', 0, 0),
    }
}

/// As 4.4 and 5.0SP2 say it; [`in_version`] says what the oldest version says instead.
fn scenarios() -> Vec<Scenario> {
    use CancelReason::{Disconnect, Expired, Immediate, User};
    use CommandKind as K;
    use Step::{
        Accepted, Busted, Cancel, CancelRejected, Cancelled, Cut, Enter, Rejected, Replace,
        Replaced, Routed, TooLate, Traded,
    };
    let new = || (Accepted(1), told(('0', '0', 100, 0)));
    let part = || (Traded(1, 40), told(('F', '1', 60, 40)));
    let all = || (Traded(1, 100), told(('F', '2', 0, 100)));
    let enter = || (Enter(100), NONE);
    let cancel = || (Cancel(1), NONE);
    let gone = |reason, left: Told| (Cancelled(1, reason), told(left));
    vec![
        ("A1 filled", vec![enter(), new(), all()]),
        (
            "A2 part filled, done for its time",
            vec![enter(), new(), part(), gone(Expired, ('C', 'C', 0, 40))],
        ),
        ("B1.a cancelled", vec![enter(), new(), cancel(), gone(User, ('4', '4', 0, 0))]),
        (
            "B1.b part filled, cancelled",
            vec![enter(), new(), part(), cancel(), gone(User, ('4', '4', 0, 40))],
        ),
        (
            "B1.c filled before the cancel came",
            vec![enter(), new(), cancel(), all(), (CancelRejected(1), told(('9', '2', 0, 0)))],
        ),
        (
            "B1.f a cancel of nothing open",
            vec![
                enter(),
                (Rejected(1), told(('8', '8', 0, 0))),
                cancel(),
                (CancelRejected(1), told(('9', '8', 0, 0))),
            ],
        ),
        (
            "C1.a replaced, more",
            vec![
                enter(),
                new(),
                part(),
                (Replace(1, 150), NONE),
                (Replaced(1, 2, 110), told(('5', '1', 110, 40))),
                (Traded(2, 110), told(('F', '2', 0, 150))),
            ],
        ),
        (
            "C1.b replaced, nothing traded",
            vec![
                enter(),
                new(),
                (Replace(1, 80), NONE),
                (Replaced(1, 2, 80), told(('5', '0', 80, 0))),
            ],
        ),
        (
            "C2.a replaced, less",
            vec![
                enter(),
                new(),
                part(),
                (Replace(1, 60), NONE),
                (Replaced(1, 2, 20), told(('5', '1', 20, 40))),
            ],
        ),
        (
            "C3.a a replacement is refused",
            vec![
                enter(),
                new(),
                part(),
                (Replace(1, 90), NONE),
                (Rejected(2), told(('9', '1', 0, 0))),
                (Traded(1, 60), told(('F', '2', 0, 100))),
            ],
        ),
        (
            "D1 chained replacements",
            vec![
                enter(),
                new(),
                (Replace(1, 120), NONE),
                (Replaced(1, 2, 120), told(('5', '0', 120, 0))),
                (Replace(2, 130), NONE),
                (Replaced(2, 3, 130), told(('5', '0', 130, 0))),
                (Traded(3, 130), told(('F', '2', 0, 130))),
            ],
        ),
        (
            "E1 cancelled by nobody's wish",
            vec![enter(), new(), part(), gone(Disconnect, ('4', '4', 0, 40))],
        ),
        (
            "E2 cut by nobody's wish",
            vec![
                enter(),
                new(),
                (Cut(1, 30), told(('D', '0', 70, 0))),
                (Traded(1, 70), told(('F', '2', 0, 70))),
            ],
        ),
        ("F1 refused", vec![enter(), (Rejected(1), told(('8', '8', 0, 0)))]),
        (
            "H1 immediate or cancel",
            vec![enter(), new(), part(), gone(Immediate, ('4', '4', 0, 40))],
        ),
        ("H2 fill or kill, killed", vec![enter(), new(), gone(Immediate, ('4', '4', 0, 0))]),
        (
            "I1 a trade of an open order is undone",
            vec![enter(), new(), part(), (Busted(1, 40), told(('H', '0', 60, 0)))],
        ),
        (
            "I2 a trade of a filled order is undone",
            vec![enter(), new(), all(), (Busted(1, 100), told(('H', '4', 0, 0)))],
        ),
        (
            "pending at a destination",
            vec![
                enter(),
                (Routed(K::Enter, 1), told(('A', 'A', 100, 0))),
                new(),
                cancel(),
                (Routed(K::Cancel, 1), told(('6', '6', 100, 0))),
                part(),
                gone(User, ('4', '4', 0, 40)),
            ],
        ),
        (
            "filled before the cancel came to a destination",
            vec![
                enter(),
                (Routed(K::Enter, 1), told(('A', 'A', 100, 0))),
                new(),
                cancel(),
                (Routed(K::Cancel, 1), told(('6', '6', 100, 0))),
                all(),
                (TooLate(1), told(('9', '2', 0, 0))),
            ],
        ),
        (
            "a replacement pending at a destination",
            vec![
                enter(),
                (Routed(K::Enter, 1), told(('A', 'A', 100, 0))),
                new(),
                (Replace(1, 150), NONE),
                (Routed(K::Replace, 2), told(('E', 'E', 100, 0))),
                part(),
                (Replaced(1, 2, 110), told(('5', '1', 110, 40))),
            ],
        ),
    ]
}

/// What a version says where the newer ones say this.
fn in_version(version: Version, told: Told) -> Told {
    let (exec_type, status, leaves, executed) = told;
    match (version, exec_type, status) {
        (Version::Fix42, 'F', '2') => ('2', '2', leaves, executed),
        (Version::Fix42, 'F', _) => ('1', status, leaves, executed),
        (Version::Fix42, '5', '0') => ('5', '5', leaves, executed),
        _ => told,
    }
}

#[test]
fn every_scenario_is_told_as_the_standard_says() {
    for version in Version::ALL {
        let dictionary = version.dictionary();
        for (name, steps) in scenarios() {
            let mut play = Play::new(version);
            for (at, (step, expected)) in steps.into_iter().enumerate() {
                let report = play.step(step);
                let place = format!("{version:?}, {name}, step {at}: {step:?}");
                let expected = expected.map(|told| in_version(version, told));
                assert_eq!(report.as_ref().map(shape), expected, "{place}");
                let Some((exec_type, status, ..)) = expected else { continue };
                assert!(dictionary.allows(39, &[status as u8]), "{place}: no such OrdStatus");
                // How a bust is said in the oldest version is the writer's affair.
                let is_said = exec_type == '9' || (version, exec_type) == (Version::Fix42, 'H');
                assert!(is_said || dictionary.allows(150, &[exec_type as u8]), "{place}");
            }
        }
    }
}
