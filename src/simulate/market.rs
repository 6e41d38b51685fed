//! The market of an exchange that orders are routed to, behind however many FIX sessions. It takes
//! no order twice, and says so when somebody tries.

use std::collections::BTreeMap;

use crate::model::{Price, Quantity};
use crate::wire::fix::session::{Application, Ending, Origin, Reply, Taken};
use crate::wire::fix::{Message, Version, Writer, tag, value};

/// An order there.
#[derive(Clone, Debug, Default)]
pub struct Listed {
    /// What is traded (55).
    pub symbol: Vec<u8>,
    /// Which side (54).
    pub side: Vec<u8>,
    /// Shares in all.
    pub quantity: u64,
    /// Shares that traded.
    pub executed: u64,
    /// The limit as it was written (44).
    pub price: Vec<u8>,
    /// Where it is (39).
    pub status: u8,
}

impl Listed {
    /// Whether more of it may trade.
    pub fn is_open(&self) -> bool {
        matches!(self.status, b'0' | b'1')
    }

    /// What is left of it.
    pub fn leaves(&self) -> u64 {
        if self.is_open() { self.quantity.saturating_sub(self.executed) } else { 0 }
    }
}

/// Shares on a side at a price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lot {
    /// Whether they are sold.
    pub is_sale: bool,
    /// How many.
    pub quantity: Quantity,
    /// What each costs.
    pub price: Price,
}

impl Lot {
    fn of(listed: &Listed, quantity: u64) -> Self {
        Self {
            is_sale: listed.side != b"1",
            quantity: Quantity(quantity.try_into().unwrap_or(u32::MAX)),
            price: value::price(&listed.price).unwrap_or_default(),
        }
    }
}

/// How it treats orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// All of an order trades at once.
    Fills,
    /// It rests.
    Rests,
    /// It is refused.
    Refuses,
    /// Nothing is heard of it, and it is not there.
    Swallows,
}

/// What a report says beyond where the order is.
#[derive(Clone, Copy, Debug, Default)]
pub struct News<'a> {
    /// Why it is made (150).
    pub exec_type: u8,
    /// What was asked (11).
    pub id: &'a [u8],
    /// Of which order (41).
    pub original: Option<&'a [u8]>,
    /// Shares that trade by it (32).
    pub traded: u64,
    /// The report it is about (19).
    pub exec_ref: Option<u64>,
}

/// The market.
#[derive(Debug)]
pub struct Market {
    /// All orders it took, by ClOrdID.
    pub orders: BTreeMap<Vec<u8>, Listed>,
    /// What traded, in turn.
    pub trades: Vec<Lot>,
    /// What must never happen.
    pub wrong: Vec<String>,
    /// Times it was asked for an order.
    pub statuses: usize,
    /// Messages of which nothing is heard.
    pub swallowed: usize,
    /// How it treats orders now.
    pub manner: Manner,
    version: Version,
    next_exec: u64,
}

fn text(message: &Message<'_>, tag: u32) -> Vec<u8> {
    message.get(tag).unwrap_or(b"").to_vec()
}

impl Market {
    /// Without an order.
    pub fn new(version: Version) -> Self {
        Self {
            orders: BTreeMap::new(),
            trades: Vec::new(),
            wrong: Vec::new(),
            statuses: 0,
            swallowed: 0,
            manner: Manner::Fills,
            version,
            next_exec: 0,
        }
    }

    /// What rests in it, in order.
    pub fn resting(&self) -> Vec<Lot> {
        let open = self.orders.values().filter(|order| order.is_open());
        let mut lots: Vec<_> = open.map(|order| Lot::of(order, order.leaves())).collect();
        lots.sort_unstable();
        lots
    }

    /// Writes a report; its number.
    pub fn report(&mut self, order: &[u8], news: News<'_>, writer: &mut Writer<'_>) -> u64 {
        self.next_exec += 1;
        let unknown =
            Listed { status: b'8', symbol: b"ACME".into(), side: b"1".into(), ..Listed::default() };
        let listed = self.orders.get(order).cloned().unwrap_or(unknown);
        writer.bytes(tag::ORDER_ID, b"X1");
        writer.bytes(tag::CL_ORD_ID, news.id);
        if let Some(original) = news.original {
            writer.bytes(tag::ORIG_CL_ORD_ID, original);
        }
        writer.bytes(tag::EXEC_ID, format!("E{}", self.next_exec).as_bytes());
        if let Some(of) = news.exec_ref {
            writer.bytes(tag::EXEC_REF_ID, format!("E{of}").as_bytes());
        }
        let mut exec_type = news.exec_type;
        if self.version == Version::Fix42 {
            // The oldest version says it in two fields.
            let (transaction, said) = match exec_type {
                b'H' => (b'1', listed.status),
                b'I' => (b'3', listed.status),
                b'F' => (b'0', listed.status),
                _ => (b'0', exec_type),
            };
            exec_type = said;
            writer.byte(tag::EXEC_TRANS_TYPE, transaction);
        }
        writer.byte(tag::EXEC_TYPE, exec_type);
        writer.byte(tag::ORD_STATUS, listed.status);
        writer.bytes(tag::SYMBOL, &listed.symbol);
        writer.bytes(tag::SIDE, &listed.side);
        writer.number(tag::ORDER_QTY, listed.quantity);
        if !listed.price.is_empty() {
            writer.bytes(tag::PRICE, &listed.price);
        }
        if news.traded > 0 {
            writer.number(tag::LAST_QTY, news.traded);
            writer.bytes(tag::LAST_PX, &listed.price);
            self.trades.push(Lot::of(&listed, news.traded));
        }
        writer.number(tag::LEAVES_QTY, listed.leaves());
        writer.number(tag::CUM_QTY, listed.executed);
        writer.number(tag::AVG_PX, 0);
        self.next_exec
    }

    fn say(&mut self, order: &[u8], news: News<'_>, reply: &mut dyn Reply) {
        let sent = reply.send(b"8", &mut |writer| {
            self.report(order, news, writer);
        });
        if let Err(error) = sent {
            self.wrong.push(format!("a report was not sent: {error:?}"));
        }
    }

    fn enter(&mut self, message: &Message<'_>, replaces: Option<&[u8]>, reply: &mut dyn Reply) {
        let id = text(message, tag::CL_ORD_ID);
        if self.orders.contains_key(&id) {
            return self.wrong.push(format!("twice: {message}"));
        }
        let before = replaces.and_then(|old| self.orders.get(old)).map_or(0, |old| old.executed);
        let is_refused = self.manner == Manner::Refuses;
        let quantity = message.get(tag::ORDER_QTY).and_then(value::number).unwrap_or(0);
        let listed = Listed {
            symbol: text(message, tag::SYMBOL),
            side: text(message, tag::SIDE),
            quantity,
            executed: before,
            price: text(message, tag::PRICE),
            status: match quantity <= before {
                _ if is_refused => b'8',
                // What is replaced by no more than has traded is done.
                true => b'2',
                false => b'0',
            },
        };
        self.orders.insert(id.clone(), listed);
        let exec_type = match replaces {
            _ if is_refused => b'8',
            Some(_) => b'5',
            None => b'0',
        };
        let news = News { exec_type, id: &id, original: replaces, ..News::default() };
        self.say(&id, news, reply);
        if self.manner == Manner::Fills
            && let Some(traded) = self.trade(&id, u64::MAX)
        {
            self.say(&id, News { exec_type: b'F', id: &id, traded, ..News::default() }, reply);
        }
    }

    /// So many shares of an open order trade, or what is left of it; how many.
    pub fn trade(&mut self, id: &[u8], most: u64) -> Option<u64> {
        let order = self.orders.get_mut(id).filter(|order| order.is_open())?;
        let traded = order.leaves().min(most);
        order.executed += traded;
        order.status = if order.leaves() == 0 { b'2' } else { b'1' };
        (traded > 0).then_some(traded)
    }

    fn cancel_reject(&mut self, message: &Message<'_>, reply: &mut dyn Reply) {
        let to = if message.kind() == b"F" { b'1' } else { b'2' };
        let sent = reply.send(b"9", &mut |writer| {
            writer.bytes(tag::ORDER_ID, b"NONE");
            writer.bytes(tag::CL_ORD_ID, &text(message, tag::CL_ORD_ID));
            writer.bytes(tag::ORIG_CL_ORD_ID, &text(message, tag::ORIG_CL_ORD_ID));
            writer.byte(tag::ORD_STATUS, b'8');
            writer.byte(tag::CXL_REJ_RESPONSE_TO, to);
            writer.number(tag::CXL_REJ_REASON, 1);
        });
        if let Err(error) = sent {
            self.wrong.push(format!("a refusal was not sent: {error:?}"));
        }
    }

    /// Takes an order out; whether it was open.
    fn close(&mut self, id: &[u8]) -> bool {
        let open = self.orders.get_mut(id).filter(|order| order.is_open());
        open.is_some_and(|order| {
            order.status = b'4';
            true
        })
    }
}

impl Application for Market {
    fn take(&mut self, message: &Message<'_>, _: Origin, reply: &mut dyn Reply) -> Taken {
        if self.manner == Manner::Swallows && message.kind() != b"H" {
            self.swallowed += 1;
            return Taken::Done;
        }
        let (id, old) = (text(message, tag::CL_ORD_ID), text(message, tag::ORIG_CL_ORD_ID));
        match message.kind() {
            b"D" => self.enter(message, None, reply),
            b"H" => {
                self.statuses += 1;
                self.say(&id, News { exec_type: b'I', id: &id, ..News::default() }, reply);
            }
            b"G" if self.manner == Manner::Refuses => self.cancel_reject(message, reply),
            b"F" | b"G" if !self.close(&old) => self.cancel_reject(message, reply),
            b"F" => {
                let original = Some(&old[..]);
                let news = News { exec_type: b'4', id: &id, original, ..News::default() };
                self.say(&old, news, reply);
            }
            b"G" => self.enter(message, Some(&old), reply),
            _ => self.wrong.push(format!("unasked: {message}")),
        }
        Taken::Done
    }

    fn down(&mut self, ending: Ending) {
        // Whoever speaks by the rules is not sent away.
        let is_usual = matches!(
            ending,
            Ending::Line | Ending::NoAnswer | Ending::Silent | Ending::LoggedOut | Ending::Asked
        );
        if !is_usual {
            self.wrong.push(format!("the session ended: {ending:?}"));
        }
    }
}
