//! A client over UDP: the production client, and a memory of what it was told.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddrV4};

use crate::client::{Roamer, TraderConfig};
use crate::flow::Dice;
use crate::model::{Nanos, RejectCode};
use crate::simulate::clients::{CENTS, LOWEST_CENTS, QUANTITY_MAX, SYMBOLS};
use crate::simulate::hub::Card;
use crate::wire::ouch::{
    Appendage, CancelOrderRequest, EnterOrder, Inbound, MESSAGE_MAX, Outbound,
};
use crate::wire::session::ClientEvent;

/// What a client knows.
#[derive(Default)]
pub(in crate::simulate) struct Book {
    /// Orders by the session's number of their message.
    pub(in crate::simulate) sent: BTreeMap<u64, u32>,
    pub(in crate::simulate) answered: BTreeSet<u32>,
    pub(in crate::simulate) not_applied: BTreeSet<u32>,
    /// The session's numbers of cancels.
    cancels: BTreeSet<u64>,
    /// Orders that were refused because a journal had no room.
    pub(in crate::simulate) refused_for_room: u64,
    /// By match number: how much of our sides.
    pub(in crate::simulate) fills: BTreeMap<u64, u32>,
    /// Something that must never happen.
    pub(in crate::simulate) wrong: Option<String>,
    /// A number that differs where two runs were told different things.
    pub(in crate::simulate) digest: u64,
}

impl Book {
    fn take(&mut self, event: ClientEvent<'_>) {
        match event {
            ClientEvent::Message { number, bytes } => {
                self.add(number, bytes);
                match Outbound::decode(bytes) {
                    Ok(Outbound::OrderAccepted(order, _)) => self.answer(order.user_ref_num),
                    Ok(Outbound::Rejected(order, _)) => self.answer(order.user_ref_num),
                    Ok(Outbound::OrderExecuted(fill, _)) => {
                        *self.fills.entry(fill.match_number).or_default() += fill.quantity;
                    }
                    _ => {}
                }
            }
            ClientEvent::NotApplied { from, count, reason, .. } => {
                let is_full = reason == RejectCode::JournalFull.code();
                for seq in from..from + u64::from(count) {
                    self.not_applied.extend(self.sent.get(&seq));
                    self.refused_for_room += u64::from(is_full);
                    if is_full && self.cancels.contains(&seq) {
                        self.wrong = Some(format!("cancel {seq} was refused for want of room"));
                    }
                }
            }
            ClientEvent::ServerBehind => {
                self.wrong = Some("what was acknowledged to a client is forgotten".to_owned());
            }
            _ => {}
        }
    }

    fn answer(&mut self, number: u32) {
        if !self.answered.insert(number) {
            self.wrong = Some(format!("order {number} was answered twice"));
        }
    }

    fn add(&mut self, number: u64, bytes: &[u8]) {
        for word in std::iter::once(number).chain(bytes.iter().map(|byte| u64::from(*byte))) {
            self.digest = (self.digest ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(9);
        }
    }
}

/// A client.
pub(in crate::simulate) struct Client {
    roamer: Roamer<Card>,
    pub(in crate::simulate) book: Book,
    pub(in crate::simulate) session: u32,
    next: u32,
}

/// Where a client is.
pub(in crate::simulate) fn client_address(session: u32) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, 10 + session as u8)
}

impl Client {
    pub(in crate::simulate) fn new(port: Card, session: u32, gateways: [SocketAddrV4; 2]) -> Self {
        let config = TraderConfig {
            address: SocketAddrV4::new(client_address(session), 4000 + session as u16),
            gateway: gateways[0],
            session: session as u16,
            key: format!("the key of session {session}").into_bytes(),
        };
        let roamer = Roamer::new(port, config, &gateways[1..]);
        Self { roamer, book: Book::default(), session, next: 1 }
    }

    /// Sends what it may, takes what came; says how much was done.
    pub(in crate::simulate) fn step(&mut self, now: Nanos, dice: &mut Dice, sends: bool) -> usize {
        if sends && self.roamer.session().is_up() && dice.percent(30) {
            let is_cancel = self.next > 1 && dice.percent(25);
            let message = match is_cancel {
                true => cancel(1 + dice.below(u64::from(self.next - 1)) as u32),
                false => order(self.next, dice),
            };
            match self.roamer.send(&message) {
                Ok(seq) if is_cancel => drop(self.book.cancels.insert(seq)),
                Ok(seq) => {
                    self.book.sent.insert(seq, self.next);
                    self.next += 1;
                }
                Err(_) => {}
            }
        }
        let book = &mut self.book;
        self.roamer.poll(now, &mut |event| book.take(event))
    }

    pub(in crate::simulate) fn is_settled(&self) -> bool {
        let session = self.roamer.session();
        session.is_up() && session.unsettled() == session.next_tx()
    }
}

fn encoded(message: &Inbound<'_>) -> Vec<u8> {
    let mut bytes = [0; MESSAGE_MAX];
    let length = message.encode(&mut bytes).unwrap_or(0);
    bytes[..length].to_vec()
}

fn cancel(user_ref_num: u32) -> Vec<u8> {
    let request = CancelOrderRequest { user_ref_num, quantity: 0 };
    encoded(&Inbound::CancelOrderRequest(request, Appendage::ABSENT))
}

fn order(number: u32, dice: &mut Dice) -> Vec<u8> {
    let order = EnterOrder {
        user_ref_num: number,
        side: if dice.percent(50) { b'B' } else { b'S' },
        quantity: 1 + dice.below(QUANTITY_MAX) as u32,
        symbol: *SYMBOLS[dice.below(3) as usize],
        price: (LOWEST_CENTS + dice.below(CENTS)) * 100,
        time_in_force: b'0',
        display: b'Y',
        capacity: b'P',
        intermarket_sweep: b'N',
        cross_type: b'N',
        cl_ord_id: *b"simulated     ",
    };
    encoded(&Inbound::EnterOrder(order, Appendage::EMPTY))
}
