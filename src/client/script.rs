//! From order flows to OUCH messages, made beforehand so that sending costs nothing.
//!
//! A flow's replace always loses its place and is ignored when its order is dead; OUCH's keeps its
//! place when it asks for less. An obvious book run alongside tells which orders are alive and
//! what they have executed, so the appliance makes exactly the trades that the flows name.

use std::collections::HashMap;

use crate::flow::{Flow, FlowBook, FlowEvent, FlowKind, ObviousBook, Refusal};
use crate::model::{AccountId, Symbol};
use crate::wire::ouch::codes::{
    MARKET_PRICE, capacity, cross_type, display, intermarket_sweep, side, time_in_force,
};
use crate::wire::ouch::{
    Appendage, CancelOrderRequest, EnterOrder, Inbound, MESSAGE_MAX, OPTIONS_MAX, Options,
    ReplaceOrderRequest,
};

/// A flow and the instrument it is played on.
#[derive(Clone, Debug)]
pub struct Part {
    /// The flow.
    pub flow: Flow,
    /// The instrument.
    pub symbol: Symbol,
    /// Price units of one tick of the flow.
    pub tick: u64,
}

/// The accounts that orders are dealt to.
#[derive(Clone, Copy, Debug)]
pub struct Accounts {
    /// The first account.
    pub first: u32,
    /// How many.
    pub count: u32,
}

/// Messages of one session, in order.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// OUCH messages.
    pub messages: Vec<Vec<u8>>,
    /// The first UserRefNum used.
    pub first_number: u32,
    /// From that number on: the part an order belongs to, and the flow's id of it.
    pub orders: Vec<(usize, u64)>,
}

/// One flow being turned into messages.
struct Player<'a> {
    part: &'a Part,
    at: usize,
    book: ObviousBook,
    /// By the flow's id: our number for the order, and what its chain has executed.
    known: HashMap<u64, (u32, u32)>,
}

impl Script {
    /// Plays the parts in turn, an event each; orders are numbered from `first_number` on.
    ///
    /// # Errors
    /// [`Refusal`] for a flow that breaks its own rules.
    pub fn of(parts: &[Part], accounts: Accounts, first_number: u32) -> Result<Self, Refusal> {
        let mut script = Self { first_number, ..Self::default() };
        let player = |part| Player { part, at: 0, book: Default::default(), known: HashMap::new() };
        let mut players: Vec<Player<'_>> = parts.iter().map(player).collect();
        let mut went_on = true;
        while std::mem::take(&mut went_on) {
            for (place, player) in players.iter_mut().enumerate() {
                let Some(event) = player.part.flow.events.get(player.at) else { continue };
                player.at += 1;
                went_on = true;
                player.play(place, event, accounts, &mut script)?;
            }
        }
        Ok(script)
    }

    fn next_number(&mut self, place: usize, id: u64) -> u32 {
        self.orders.push((place, id));
        self.first_number + self.orders.len() as u32 - 1
    }

    /// The part an order belongs to, and the flow's id of it.
    pub fn order(&self, user_ref_num: u32) -> Option<(usize, u64)> {
        let at = user_ref_num.checked_sub(self.first_number)?;
        self.orders.get(at as usize).copied()
    }

    fn push(&mut self, message: &Inbound<'_>) {
        let mut bytes = [0; MESSAGE_MAX];
        let length = message.encode(&mut bytes).unwrap_or(0);
        self.messages.push(bytes[..length].to_vec());
    }
}

impl Player<'_> {
    fn play(
        &mut self,
        place: usize,
        event: &FlowEvent,
        accounts: Accounts,
        script: &mut Script,
    ) -> Result<(), Refusal> {
        let alive = self.book.place(event.id);
        match event.kind {
            FlowKind::Cancel => self.cancel(event.id, script),
            FlowKind::Replace => {
                if let Some((buy, _)) = alive {
                    self.replace(place, event, buy, accounts, script);
                }
            }
            _ => self.enter(place, event, accounts, script),
        }
        let mut trades = Vec::new();
        self.book.apply(event, &mut trades)?;
        for trade in trades {
            for id in [trade.maker, trade.taker] {
                if let Some((_, executed)) = self.known.get_mut(&id) {
                    *executed += trade.quantity;
                }
            }
        }
        Ok(())
    }

    fn cancel(&mut self, id: u64, script: &mut Script) {
        let Some(&(user_ref_num, _)) = self.known.get(&id) else { return };
        let cancel = CancelOrderRequest { user_ref_num, quantity: 0 };
        script.push(&Inbound::CancelOrderRequest(cancel, Appendage::ABSENT));
    }

    fn enter(&mut self, place: usize, event: &FlowEvent, accounts: Accounts, script: &mut Script) {
        let user_ref_num = script.next_number(place, event.id);
        self.known.insert(event.id, (user_ref_num, 0));
        let account = AccountId(accounts.first + event.account % accounts.count.max(1));
        let options = Options { firm: Some(account.code()), ..Options::default() };
        let order = EnterOrder {
            user_ref_num,
            side: if event.buy { side::BUY } else { side::SELL },
            quantity: event.quantity,
            symbol: self.part.symbol.0,
            price: match event.kind {
                FlowKind::Market => MARKET_PRICE,
                _ => event.price as u64 * self.part.tick,
            },
            time_in_force: match event.kind {
                FlowKind::Limit => time_in_force::DAY,
                _ => time_in_force::IMMEDIATE_OR_CANCEL,
            },
            display: display::VISIBLE,
            capacity: capacity::PRINCIPAL,
            intermarket_sweep: intermarket_sweep::NOT_ELIGIBLE,
            cross_type: cross_type::CONTINUOUS,
            cl_ord_id: client_name(event.id),
        };
        let mut space = [0; OPTIONS_MAX];
        script.push(&Inbound::EnterOrder(order, options.appendage(&mut space)));
    }

    /// A replace that OUCH, too, sends to the back of its queue; else a cancel and a new order.
    fn replace(
        &mut self,
        place: usize,
        event: &FlowEvent,
        buy: bool,
        accounts: Accounts,
        script: &mut Script,
    ) {
        let Some(&(old, executed)) = self.known.get(&event.id) else { return };
        let as_entered = FlowEvent { id: event.new_id, kind: FlowKind::Limit, buy, ..*event };
        let loses_place = self.book.place(event.id).is_some_and(|(_, price)| price != event.price);
        if !loses_place {
            self.cancel(event.id, script);
            return self.enter(place, &as_entered, accounts, script);
        }
        let user_ref_num = script.next_number(place, event.new_id);
        self.known.insert(event.new_id, (user_ref_num, executed));
        let order = ReplaceOrderRequest {
            orig_user_ref_num: old,
            user_ref_num,
            quantity: executed + event.quantity,
            price: event.price as u64 * self.part.tick,
            time_in_force: time_in_force::DAY,
            display: display::VISIBLE,
            intermarket_sweep: intermarket_sweep::NOT_ELIGIBLE,
            cl_ord_id: client_name(event.new_id),
        };
        script.push(&Inbound::ReplaceOrderRequest(order, Appendage::EMPTY));
    }
}

/// The client's own name for an order, as text.
fn client_name(id: u64) -> [u8; 14] {
    let mut name = [b' '; 14];
    let text = format!("F{id}");
    let length = text.len().min(name.len());
    name[..length].copy_from_slice(&text.as_bytes()[..length]);
    name
}
