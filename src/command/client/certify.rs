//! `wirematch client certify`: the course on a socket, its news on the screen; and `rehearse`, a
//! client of this house that does all of it right.

use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::time::Duration;

use anyhow::{Context, anyhow};
use serde_json::json;

use crate::client::certify::{News, Step, UdpCourse};
use crate::command::client::connection::Connection;
use crate::command::client::{ClientArguments, symbol};
use crate::command::{Failure, Outcome};
use crate::model::Nanos;
use crate::runtime::{Clock, SystemClock};
use crate::wire::ouch::codes::{
    capacity, cross_type, display, intermarket_sweep, side, time_in_force,
};
use crate::wire::ouch::{
    Appendage, CancelOrderRequest, DisableOrderEntryRequest, EnableOrderEntryRequest, EnterOrder,
    Inbound, MESSAGE_MAX, MassCancelRequest, ModifyOrderRequest, Outbound, ReplaceOrderRequest,
};
use crate::wire::session::ClientEvent;

/// What the certifier is told.
#[derive(Debug, clap::Args)]
pub(super) struct CertifyArguments {
    /// Where your client finds it, as it would find a gateway
    #[arg(long, default_value = "127.0.0.1:9190")]
    pub(super) listen: SocketAddrV4,
    /// The instrument that is traded
    #[arg(long, default_value = "ACME")]
    pub(super) symbol: String,
    /// How often either side must be heard, in milliseconds
    #[arg(long, default_value_t = 100, value_name = "MS")]
    pub(super) heartbeat: u64,
    /// How long a step may take, in seconds
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    pub(super) step_patience: u64,
    /// Print the steps and leave
    #[arg(long)]
    pub(super) steps: bool,
}

/// How long a lap without work sleeps.
const NAP: Duration = Duration::from_micros(200);

/// How long the last answers may take to leave.
const LINGER: Nanos = Nanos(300_000_000);

/// Leads a client through the course.
pub(super) fn certify(arguments: &ClientArguments, own: &CertifyArguments) -> Outcome {
    let is_json = arguments.json;
    if own.steps {
        for (place, step) in UdpCourse::steps().iter().enumerate() {
            show(&News::Begins(*step), place + 1, is_json);
        }
        return Ok(());
    }
    let symbol = symbol(&own.symbol)?.0;
    let socket = UdpSocket::bind(own.listen)
        .with_context(|| format!("--listen {}: cannot be listened at", own.listen))?;
    socket.set_nonblocking(true).context("cannot set up the socket")?;
    let heartbeat = Nanos(own.heartbeat.clamp(1, 60_000) * 1_000_000);
    let course = UdpCourse::new(arguments.session, arguments.key.as_bytes(), symbol, heartbeat);
    let patience = Nanos(own.step_patience.saturating_mul(1_000_000_000));
    Examination { course, socket, peer: None, patience, place: 0, mistakes: 0, is_json }.run()
}

struct Examination {
    course: UdpCourse,
    socket: UdpSocket,
    peer: Option<SocketAddr>,
    patience: Nanos,
    place: usize,
    mistakes: usize,
    is_json: bool,
}

impl Examination {
    fn run(mut self) -> Outcome {
        let clock = SystemClock::new();
        let mut bytes = vec![0; 65_536];
        let mut since = clock.now();
        let mut step = None;
        let mut passed_at = None;
        loop {
            let now = clock.now();
            let work = self.lap(&mut bytes, now);
            for news in self.course.take_news() {
                match news {
                    News::Begins(next) => {
                        (self.place, since, step) = (self.place + 1, now, Some(next));
                    }
                    News::Mistake(_) => self.mistakes += 1,
                    News::Passed => passed_at = Some(now),
                    News::Done(_) => {}
                }
                show(&news, self.place, self.is_json);
            }
            match (passed_at, step) {
                (Some(at), _) if now.saturating_sub(at) > LINGER => return self.passed(),
                (None, Some(step)) if now.saturating_sub(since) > self.patience => {
                    return Err(Failure::check(format!(
                        "`{}` was not done in time: {}",
                        step.name, step.asks
                    )));
                }
                _ if work == 0 => std::thread::sleep(NAP),
                _ => {}
            }
        }
    }

    fn lap(&mut self, bytes: &mut [u8], now: Nanos) -> usize {
        let Self { course, socket, peer, .. } = self;
        let mut work = 0;
        while let Ok((length, from)) = socket.recv_from(bytes) {
            *peer = Some(from);
            // What the network takes no more of is asked for again.
            course.receive(&bytes[..length], now, &mut |bytes| {
                let _ = socket.send_to(bytes, from);
            });
            work += 1;
        }
        if let Some(to) = *peer {
            course.poll(now, &mut |bytes| {
                let _ = socket.send_to(bytes, to);
            });
        }
        work
    }

    fn passed(&self) -> Outcome {
        if !self.is_json {
            println!("\nEvery step was done, with {} mistakes on the way.", self.mistakes);
        }
        Ok(())
    }
}

fn show(news: &News, place: usize, is_json: bool) {
    let step = |what: &str, step: &Step| json!({ what: step.name, "asks": step.asks });
    match (news, is_json) {
        (News::Begins(begins), true) => println!("{}", step("begins", begins)),
        (News::Done(done), true) => println!("{}", step("done", done)),
        (News::Mistake(what), true) => println!("{}", json!({ "mistake": what })),
        (News::Passed, true) => println!("{}", json!({ "passed": true })),
        (News::Begins(begins), false) => println!("{place:>2} {:<12} {}", begins.name, begins.asks),
        (News::Mistake(what), false) => println!("   mistake      {what}"),
        (News::Done(_), false) => println!("   done"),
        (News::Passed, false) => {}
    }
}

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
