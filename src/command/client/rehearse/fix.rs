//! The FIX course done right: the session answers by itself, the pupil sends what each step asks.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, anyhow};

use crate::command::client::ClientArguments;
use crate::command::{Failure, Outcome};
use crate::model::Nanos;
use crate::port::stream::Stream;
use crate::port::tcp::TcpLine;
use crate::runtime::{Clock, SystemClock};
use crate::wire::fix::frame::{Framing, frame};
use crate::wire::fix::session::{
    Application, Endpoint, Identity, MemoryStore, Origin, Reply, Role, SessionConfig, Taken,
};
use crate::wire::fix::value::Precision;
use crate::wire::fix::{Message, Version, Writer, tag};

/// Messages that the pupil can send again.
const REMEMBERED: usize = 1024;

/// How long a lap without work sleeps.
const NAP: Duration = Duration::from_micros(200);

/// Seconds between heartbeats: a step of the course waits for one.
const HEARTBEAT_S: u64 = 1;

/// What a step sends beyond the fields that every order has.
type Fill<'a> = &'a dyn Fn(&mut Writer<'_>);

/// Does the course over a line.
pub(super) fn rehearse(
    arguments: &ClientArguments,
    identity: Identity,
    password: Option<&str>,
) -> Outcome {
    let Some(gateway) = arguments.gateway.first() else {
        return Err(Failure::usage("--gateway: name one"));
    };
    let patience = Nanos(arguments.patience.saturating_mul(1_000_000_000));
    let mut pupil = Pupil::new(SocketAddr::V4(*gateway), identity, password, patience);
    pupil.log_on()?;
    pupil.orders()?;
    pupil.kinds()?;
    pupil.refusals()?;
    pupil.all_at_once()?;
    pupil.session()
}

/// Has nothing to do with what it is told: the pupil reads that off the line.
struct Deaf;

impl Application for Deaf {
    fn take(&mut self, _: &Message<'_>, _: Origin, _: &mut dyn Reply) -> Taken {
        Taken::Done
    }
}

struct Pupil {
    endpoint: Endpoint<MemoryStore>,
    version: Version,
    address: SocketAddr,
    line: Option<TcpLine>,
    clock: SystemClock,
    patience: Nanos,
    /// Came, and not yet a whole message.
    bytes: Vec<u8>,
    /// Messages since the last question, with bars for separators.
    heard: Vec<String>,
    /// ClOrdIDs used.
    ids: u64,
}

impl Pupil {
    fn new(
        address: SocketAddr,
        identity: Identity,
        password: Option<&str>,
        patience: Nanos,
    ) -> Self {
        let version = identity.version;
        let login = password.map(|password| (identity.sender.clone(), password.to_owned()));
        let config = SessionConfig {
            heartbeat_s: HEARTBEAT_S,
            login,
            ..SessionConfig::new(Role::Initiator, identity)
        };
        Self {
            endpoint: Endpoint::new(config, MemoryStore::new(REMEMBERED)),
            version,
            address,
            line: None,
            clock: SystemClock::new(),
            patience,
            bytes: Vec::new(),
            heard: Vec::new(),
            ids: 0,
        }
    }

    /// Moves bytes both ways; opens the line again where it is gone.
    fn poll(&mut self) {
        let now = self.clock.now();
        let Self { endpoint, line: place, bytes, heard, .. } = self;
        let Some(line) = place else {
            // Who listens there may just be starting: whoever waits for an answer gives up.
            match TcpLine::connect(self.address) {
                Ok(line) => {
                    *place = Some(line);
                    endpoint.connected(now, &mut Deaf);
                }
                Err(_) => std::thread::sleep(NAP),
            }
            return;
        };
        let mut room = [0; 16 * 1024];
        let mut is_broken = false;
        match line.receive(&mut room) {
            Ok(0) => std::thread::sleep(NAP),
            Ok(count) => {
                let came = room.get(..count).unwrap_or(&[]);
                bytes.extend_from_slice(came);
                endpoint.receive(came, now, &mut Deaf);
            }
            Err(_) => is_broken = true,
        }
        while let Framing::Whole(framed) = frame(bytes) {
            let message: Vec<u8> = bytes.drain(..framed.length).collect();
            heard.push(String::from_utf8_lossy(&message).replace('\u{1}', "|"));
        }
        endpoint.tick(now, &mut Deaf);
        endpoint.go_on(now, &mut Deaf);
        if !is_broken && !endpoint.outgoing().is_empty() {
            match line.send(endpoint.outgoing()) {
                Ok(count) => endpoint.took(count),
                Err(_) => is_broken = true,
            }
        }
        if is_broken || (endpoint.closing().is_some() && endpoint.outgoing().is_empty()) {
            *place = None;
            bytes.clear();
            endpoint.disconnected(&mut Deaf);
        }
    }

    /// Waits for a message that has all these fields, or parts of them.
    fn hear(&mut self, fields: &[&str]) -> Outcome {
        let began = self.clock.now();
        let is_it = |text: &String| fields.iter().all(|field| text.contains(field));
        while !self.heard.iter().any(is_it) {
            if self.clock.now().saturating_sub(began) > self.patience {
                let heard = self.heard.join("\n");
                let wanted = fields.join(" ");
                let to = self.address;
                return Err(
                    anyhow!("{to}: no message with {wanted} came; heard was:\n{heard}").into()
                );
            }
            self.poll();
        }
        Ok(())
    }

    fn say(&mut self, kind: &[u8], fill: &mut dyn FnMut(&mut Writer<'_>)) -> Outcome {
        self.heard.clear();
        self.endpoint.send(kind, self.clock.now(), fill).context("cannot send")?;
        Ok(())
    }

    fn next_id(&mut self) -> String {
        self.ids += 1;
        format!("rehearsed-{}", self.ids)
    }

    /// Enters an order with what `fill` says of its type; returns its ClOrdID.
    fn enter(&mut self, side: u8, fill: Fill<'_>) -> Result<String, Failure> {
        let (id, now) = (self.next_id(), self.clock.now());
        self.say(b"D", &mut |writer| {
            writer.text(tag::CL_ORD_ID, &id);
            writer.byte(tag::HANDL_INST, b'1');
            order_fields(writer, side, now);
            fill(writer);
        })?;
        Ok(id)
    }

    fn enter_limit(&mut self) -> Result<String, Failure> {
        self.enter(b'1', &limit)
    }

    /// Enters an order and waits for a report of it.
    fn enter_and_hear(&mut self, side: u8, fill: Fill<'_>, field: &str) -> Outcome {
        let id = self.enter(side, fill)?;
        self.hear(&["|35=8|", &format!("|11={id}|"), field])
    }

    /// Cancels (F) or replaces (G) an order; returns the request's ClOrdID.
    fn change(&mut self, kind: &[u8], original: &str, fill: Fill<'_>) -> Result<String, Failure> {
        let (id, now) = (self.next_id(), self.clock.now());
        self.say(kind, &mut |writer| {
            writer.text(tag::ORIG_CL_ORD_ID, original);
            writer.text(tag::CL_ORD_ID, &id);
            order_fields(writer, b'1', now);
            fill(writer);
        })?;
        Ok(id)
    }

    fn log_on(&mut self) -> Outcome {
        self.hear(&["|35=A|"])?;
        // Nothing is said until a heartbeat was; the test request that follows shows it.
        self.hear(&["|35=1|", "|112=test request|"])
    }

    /// An order's life: it rests, trades in part, is asked for, replaced and cancelled.
    fn orders(&mut self) -> Outcome {
        let id = self.enter_limit()?;
        self.hear(&[&format!("|11={id}|"), "|39=1|"])?;
        self.say(b"H", &mut |writer| {
            writer.text(tag::CL_ORD_ID, &id);
            writer.bytes(tag::SYMBOL, b"ACME");
            writer.byte(tag::SIDE, b'1');
        })?;
        let status = if self.version == Version::Fix42 { "|20=3|" } else { "|150=I|" };
        self.hear(&["|35=8|", status])?;
        let newer = self.change(b"G", &id, &|writer| {
            writer.byte(tag::HANDL_INST, b'1');
            limit(writer);
        })?;
        self.hear(&["|150=5|", &format!("|11={newer}|")])?;
        self.change(b"F", &newer, &|_| ())?;
        self.hear(&["|150=4|"])
    }

    /// An order of each kind.
    fn kinds(&mut self) -> Outcome {
        let tomorrow = Nanos(self.clock.now().0 + 86_400_000_000_000);
        let with = |fields: &'static [(u32, &'static [u8])]| {
            move |writer: &mut Writer<'_>| {
                fields.iter().for_each(|(tag, value)| writer.bytes(*tag, value));
            }
        };
        self.enter_and_hear(b'1', &with(&[(tag::ORD_TYPE, b"1")]), "|39=2|")?;
        self.enter_and_hear(b'1', &with(&[LIMIT, AT, (tag::TIME_IN_FORCE, b"3")]), "|39=4|")?;
        self.enter_and_hear(b'1', &with(&[LIMIT, AT, (tag::TIME_IN_FORCE, b"4")]), "|39=2|")?;
        let new = "|150=0|";
        self.enter_and_hear(b'1', &with(&[(tag::ORD_TYPE, b"3"), STOP]), new)?;
        self.enter_and_hear(b'1', &with(&[(tag::ORD_TYPE, b"4"), AT, STOP]), new)?;
        self.enter_and_hear(b'1', &with(&[LIMIT, AT, (tag::TIME_IN_FORCE, b"1")]), new)?;
        let till = |writer: &mut Writer<'_>| {
            limit(writer);
            writer.byte(tag::TIME_IN_FORCE, b'6');
            writer.time(tag::EXPIRE_TIME, tomorrow, Precision::Millis);
        };
        self.enter_and_hear(b'1', &till, new)?;
        self.enter_and_hear(b'1', &with(&[LIMIT, AT, (tag::MAX_FLOOR, b"10")]), new)?;
        self.enter_and_hear(b'1', &with(&[LIMIT, AT, (tag::EXEC_INST, b"6")]), new)?;
        self.enter_and_hear(
            b'1',
            &with(&[(tag::ORD_TYPE, b"P"), AT, (tag::EXEC_INST, b"R")]),
            new,
        )?;
        self.enter_and_hear(b'5', &limit, new)?;
        self.enter_and_hear(b'1', &with(&[LIMIT, AT, (tag::TIME_IN_FORCE, b"2")]), new)
    }

    /// What is refused, in each way it can be.
    fn refusals(&mut self) -> Outcome {
        self.enter_and_hear(b'1', &limit, "|150=8|")?;
        let id = self.enter_limit()?;
        self.hear(&[&format!("|11={id}|"), "|150=0|"])?;
        self.change(b"F", &id, &|_| ())?;
        self.hear(&["|35=9|"])?;
        for answer in ["|35=3|", "|35=j|"] {
            self.enter_limit()?;
            self.hear(&[answer])?;
            self.enter_and_hear(b'1', &limit, "|150=0|")?;
        }
        Ok(())
    }

    /// Questions and wishes about all orders, where the version has them.
    fn all_at_once(&mut self) -> Outcome {
        if self.version == Version::Fix42 {
            return Ok(());
        }
        self.say(b"AF", &mut |writer| {
            writer.bytes(tag::MASS_STATUS_REQ_ID, b"all");
            writer.byte(tag::MASS_STATUS_REQ_TYPE, b'7');
        })?;
        self.hear(&["|35=8|", "|912=Y|"])?;
        let (id, now) = (self.next_id(), self.clock.now());
        self.say(b"q", &mut |writer| {
            writer.text(tag::CL_ORD_ID, &id);
            writer.byte(tag::MASS_CANCEL_REQUEST_TYPE, b'7');
            writer.time(tag::TRANSACT_TIME, now, Precision::Millis);
        })?;
        self.hear(&["|35=r|"])?;
        if self.version == Version::Fix50Sp2 {
            for action in [b'1', b'2'] {
                self.stop_or_go_on(action)?;
            }
        }
        Ok(())
    }

    fn stop_or_go_on(&mut self, action: u8) -> Outcome {
        let (id, now) = (self.next_id(), self.clock.now());
        self.say(b"DH", &mut |writer| {
            writer.text(tag::PARTY_ACTION_REQUEST_ID, &id);
            writer.byte(tag::PARTY_ACTION_TYPE, action);
            writer.byte(tag::NO_REQUESTING_PARTY_IDS, b'1');
            writer.bytes(tag::REQUESTING_PARTY_ID, b"pupil");
            writer.byte(tag::NO_PARTY_IDS, b'1');
            writer.byte(tag::PARTY_ID, b'1');
            writer.byte(tag::PARTY_ID_SOURCE, b'D');
            writer.bytes(tag::PARTY_ROLE, b"55");
            writer.time(tag::TRANSACT_TIME, now, Precision::Millis);
            writer.bytes(tag::TEXT, b"rehearsal");
        })?;
        self.hear(&["|35=DI|", "|2332=1|"])
    }

    /// What is lost, said again and broken; the session mends it by itself.
    fn session(&mut self) -> Outcome {
        let id = self.enter_limit()?;
        self.hear(&["|43=Y|", &format!("|11={id}|"), "|150=0|"])?;
        self.heard.clear();
        self.hear(&["|43=Y|", "|150=4|"])?;
        self.endpoint.log_out(self.clock.now(), &mut Deaf);
        self.hear(&["|35=5|"])
    }
}

const LIMIT: (u32, &[u8]) = (tag::ORD_TYPE, b"2");
const AT: (u32, &[u8]) = (tag::PRICE, b"299.5");
const STOP: (u32, &[u8]) = (tag::STOP_PX, b"300");

fn limit(writer: &mut Writer<'_>) {
    writer.byte(tag::ORD_TYPE, b'2');
    writer.bytes(AT.0, AT.1);
}

/// What every order says, but for its type.
fn order_fields(writer: &mut Writer<'_>, side: u8, now: Nanos) {
    writer.bytes(tag::SYMBOL, b"ACME");
    writer.byte(tag::SIDE, side);
    writer.time(tag::TRANSACT_TIME, now, Precision::Millis);
    writer.number(tag::ORDER_QTY, 100);
}
