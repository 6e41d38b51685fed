//! The UDP course done right: the pupil sends what each step asks and waits for the answer.

use anyhow::{Context, anyhow};

use crate::command::Outcome;
use crate::command::client::ClientArguments;
use crate::command::client::connection::Connection;
use crate::model::Nanos;
use crate::runtime::Clock;
use crate::wire::ouch::codes::{
    capacity, cross_type, display, intermarket_sweep, side, time_in_force,
};
use crate::wire::ouch::{
    Appendage, CancelOrderRequest, DisableOrderEntryRequest, EnableOrderEntryRequest, EnterOrder,
    Inbound, MESSAGE_MAX, MassCancelRequest, ModifyOrderRequest, Outbound, ReplaceOrderRequest,
};
use crate::wire::session::ClientEvent;

/// Does everything that the course asks, and does it right.
pub(super) fn rehearse(arguments: &ClientArguments) -> Outcome {
    let mut connection = Connection::open(arguments)?;
    let first = connection.free_number()?;
    let mut pupil = Pupil { connection, number: first };
    let order = pupil.enter(time_in_force::DAY);
    pupil.send(&order, |answer| matches!(answer, Outbound::OrderExecuted(..)))?;
    let orig_user_ref_num = pupil.number;
    let replacement = ReplaceOrderRequest {
        orig_user_ref_num,
        user_ref_num: orig_user_ref_num + 1,
        quantity: 100,
        price: 299_4000,
        time_in_force: time_in_force::DAY,
        display: display::VISIBLE,
        intermarket_sweep: intermarket_sweep::NOT_ELIGIBLE,
        cl_ord_id: *b"rehearsed     ",
    };
    let replacement = Inbound::ReplaceOrderRequest(replacement, Appendage::EMPTY);
    pupil.send(&replacement, |answer| matches!(answer, Outbound::OrderReplaced(..)))?;
    pupil.number += 1;
    let user_ref_num = pupil.number;
    let modify = ModifyOrderRequest { user_ref_num, side: side::BUY, quantity: 80 };
    let modify = Inbound::ModifyOrderRequest(modify, Appendage::ABSENT);
    pupil.send(&modify, |answer| matches!(answer, Outbound::OrderModified(..)))?;
    let cancel = CancelOrderRequest { user_ref_num, quantity: 0 };
    let cancel = Inbound::CancelOrderRequest(cancel, Appendage::ABSENT);
    pupil.send(&cancel, |answer| matches!(answer, Outbound::OrderCanceled(..)))?;
    let immediate = pupil.enter(time_in_force::IMMEDIATE_OR_CANCEL);
    pupil.send(&immediate, |answer| matches!(answer, Outbound::OrderCanceled(..)))?;
    let refused = pupil.enter(time_in_force::DAY);
    pupil.send(&refused, |answer| matches!(answer, Outbound::Rejected(..)))?;
    for _ in ["loss", "gap"] {
        let order = pupil.enter(time_in_force::DAY);
        pupil.send(&order, |answer| matches!(answer, Outbound::OrderAccepted(..)))?;
    }
    pupil.shut_and_open()?;
    // The quiet step: the session's own heartbeats are all that is said.
    pupil.wait(Nanos(800_000_000));
    pupil.connection.log_out();
    Ok(())
}

struct Pupil {
    connection: Connection,
    /// The last order number used, or the first free one.
    number: u32,
}

impl Pupil {
    fn enter(&mut self, life: u8) -> Inbound<'static> {
        self.number += 1;
        let order = EnterOrder {
            user_ref_num: self.number,
            side: side::BUY,
            quantity: 100,
            symbol: *b"ACME    ",
            price: 299_5000,
            time_in_force: life,
            display: display::VISIBLE,
            capacity: capacity::PRINCIPAL,
            intermarket_sweep: intermarket_sweep::NOT_ELIGIBLE,
            cross_type: cross_type::CONTINUOUS,
            cl_ord_id: *b"rehearsed     ",
        };
        Inbound::EnterOrder(order, Appendage::EMPTY)
    }

    fn shut_and_open(&mut self) -> Outcome {
        let firm = *b"0001";
        let user_ref_num = self.number;
        let mass = MassCancelRequest { user_ref_num, firm, symbol: [b' '; 8] };
        let mass = Inbound::MassCancelRequest(mass, Appendage::EMPTY);
        self.send(&mass, |answer| matches!(answer, Outbound::MassCancelResponse(..)))?;
        let shut = DisableOrderEntryRequest { user_ref_num, firm };
        let shut = Inbound::DisableOrderEntryRequest(shut, Appendage::EMPTY);
        self.send(&shut, |answer| matches!(answer, Outbound::DisableOrderEntryResponse(..)))?;
        let open = EnableOrderEntryRequest { user_ref_num, firm };
        let open = Inbound::EnableOrderEntryRequest(open, Appendage::EMPTY);
        self.send(&open, |answer| matches!(answer, Outbound::EnableOrderEntryResponse(..)))
    }

    /// Sends a message and waits for the answer that is wanted.
    fn send(&mut self, message: &Inbound<'_>, wanted: impl Fn(&Outbound<'_>) -> bool) -> Outcome {
        let mut bytes = [0; MESSAGE_MAX];
        let length = message.encode(&mut bytes).unwrap_or(0);
        let connection = &mut self.connection;
        connection.trader.send(&bytes[..length]).context("cannot send")?;
        let began = connection.clock.now();
        let mut is_answered = false;
        while !is_answered {
            let now = connection.clock.now();
            if now.saturating_sub(began) > connection.patience {
                return Err(anyhow!("{message:?} was not answered as it should be").into());
            }
            let work = connection.trader.poll(now, &mut |event| {
                if let ClientEvent::Message { bytes, .. } = event {
                    is_answered |= Outbound::decode(bytes).is_ok_and(|answer| wanted(&answer));
                }
            });
            connection.rest(work);
        }
        Ok(())
    }

    fn wait(&mut self, span: Nanos) {
        let began = self.connection.clock.now();
        while self.connection.clock.now().saturating_sub(began) < span {
            let now = self.connection.clock.now();
            let work = self.connection.trader.poll(now, &mut |_| ());
            self.connection.rest(work);
        }
    }
}
