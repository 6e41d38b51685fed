//! One end of a FIX line, without the line: bytes in, bytes out, an application in between.
//!
//! Joins the session, its record and the framing. The owner moves the bytes and tells the time.

use std::sync::Arc;

use crate::model::Nanos;
use crate::wire::fix::frame::{Framing, MESSAGE_MAX, frame};
use crate::wire::fix::message::Message;
use crate::wire::fix::reject::{BusinessReject, Refusal};
use crate::wire::fix::session::{
    Admin, Ending, Origin, Outbound, Outbox, Output, Phase, Reject, SendError, Session,
    SessionConfig, Store,
};
use crate::wire::fix::writer::Writer;

/// Sends application messages.
pub trait Reply {
    /// Numbers a message of this type, which `fill` writes, and sends it.
    ///
    /// # Errors
    /// Why it was not sent.
    fn send(
        &mut self,
        kind: &[u8],
        fill: &mut dyn FnMut(&mut Writer<'_>),
    ) -> Result<u64, SendError>;
}

/// How an application took a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It was dealt with.
    Done,
    /// It cannot be: said with a business reject.
    Refused(BusinessReject),
    /// A field of it is wrong: said with a reject.
    Rejected(Refusal),
}

/// What stands behind a session.
pub trait Application {
    /// Takes the peer's message in its turn.
    fn take(&mut self, message: &Message<'_>, origin: Origin, reply: &mut dyn Reply) -> Taken;

    /// Whether another message can be taken now.
    fn has_room(&mut self) -> bool {
        true
    }

    /// Whether all it took so far survives; until then the peer's number is not put on record, so
    /// that after a crash what did not survive comes again.
    fn is_settled(&self) -> bool {
        true
    }

    /// The session is up, with the numbering of this generation.
    fn up(&mut self, _generation: u64, _reply: &mut dyn Reply) {}

    /// The session is over.
    fn down(&mut self, _ending: Ending) {}
}

/// One end of a line.
#[derive(Debug)]
pub struct Endpoint<S: Store> {
    config: Arc<SessionConfig>,
    session: Session,
    outbox: Outbox<S>,
    /// Received, not yet a whole message.
    bytes: Vec<u8>,
    closing: Option<Ending>,
    /// Something was left to be done when there was no room for it.
    is_waiting: bool,
}

/// The way out, while the session or the application is being called.
struct Sender<'a, S: Store> {
    config: &'a SessionConfig,
    outbox: &'a mut Outbox<S>,
    now: Nanos,
}

impl<S: Store> Reply for Sender<'_, S> {
    fn send(
        &mut self,
        kind: &[u8],
        fill: &mut dyn FnMut(&mut Writer<'_>),
    ) -> Result<u64, SendError> {
        self.outbox.send(kind, self.now, self.config, fill)
    }
}

/// What outputs act upon: everything but the session that decides them.
struct Hands<'a, S: Store> {
    sender: Sender<'a, S>,
    application: &'a mut dyn Application,
    closing: &'a mut Option<Ending>,
}

impl<S: Store> Hands<'_, S> {
    #[inline]
    fn perform(&mut self, output: Output<'_>) {
        let Sender { config, outbox, now } = &mut self.sender;
        let done = match output {
            Output::Reset => {
                let store = outbox.store_mut();
                store.reset(store.generation() + 1).map_err(SendError::from)
            }
            Output::Say(admin) => self.say(&admin),
            Output::Resend(from, until) => outbox.resend(from, until, *now, config),
            Output::Deliver(message, origin) => self.deliver(message, origin),
            Output::Expect(_) if !self.application.is_settled() => Ok(()),
            Output::Expect(next) => outbox.store_mut().expect(next).map_err(SendError::from),
            Output::Up => {
                let generation = outbox.store().generation();
                self.application.up(generation, &mut self.sender);
                Ok(())
            }
            Output::Close(ending) => {
                self.close(ending);
                Ok(())
            }
        };
        // What is not on record may not leave, and what does not leave may not be passed over.
        match done {
            Ok(()) | Err(SendError::TooLong) => {}
            Err(SendError::Record(_) | SendError::Unread) => self.close(Ending::Record),
        }
    }

    fn close(&mut self, ending: Ending) {
        if self.closing.replace(ending).is_none() {
            self.application.down(ending);
        }
    }

    fn say(&mut self, admin: &Admin<'_>) -> Result<(), SendError> {
        let Sender { config, outbox, now } = &mut self.sender;
        outbox.say(admin, *now, config).map(drop)
    }

    #[inline]
    fn deliver(&mut self, message: &Message<'_>, origin: Origin) -> Result<(), SendError> {
        let seq = origin.seq;
        match self.application.take(message, origin, &mut self.sender) {
            Taken::Done => Ok(()),
            Taken::Refused(reason) => self.say(&Admin::BusinessReject(message, seq, reason)),
            Taken::Rejected(refusal) => self.say(&Admin::Reject(Reject { message, seq, refusal })),
        }
    }
}

impl<S: Store> Endpoint<S> {
    /// An end with its record, from which both numbers are taken.
    pub fn new(config: SessionConfig, store: S) -> Self {
        let (numbers, began_at) = (store.numbers(), store.began_at());
        let config = Arc::new(config);
        let outbox = Outbox::new(&config, store);
        let mut session = Session::new(Arc::clone(&config), numbers.next_in);
        session.restore_hours(began_at);
        let bytes = Vec::with_capacity(2 * MESSAGE_MAX);
        Self { config, session, outbox, bytes, closing: None, is_waiting: false }
    }

    /// The session.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The record.
    pub fn store(&self) -> &S {
        self.outbox.store()
    }

    /// The record, for what only the owner knows of it.
    pub fn store_mut(&mut self) -> &mut S {
        self.outbox.store_mut()
    }

    /// The peer's next number, as history knows it better than the record.
    pub fn restore(&mut self, next_in: u64) {
        self.session.restore(next_in);
    }

    /// What the application took survives now: the peer's number goes on record.
    #[inline]
    pub fn expect(&mut self) {
        let next = self.session.expected();
        // A record that fails says so where it is settled.
        let _ = self.outbox.store_mut().expect(next);
    }

    /// Whether there is more to do with what came, or to send again, without new bytes.
    #[inline]
    pub fn is_behind(&self) -> bool {
        self.is_waiting || self.outbox.resends()
    }

    /// Whether a line belongs to it.
    pub fn is_connected(&self) -> bool {
        self.closing.is_none() && self.session.phase() != Phase::Down
    }

    /// Why the line is to be closed, once all bytes are sent.
    pub fn closing(&self) -> Option<Ending> {
        self.closing
    }

    /// Bytes for the line.
    #[inline]
    pub fn outgoing(&self) -> &[u8] {
        self.outbox.bytes()
    }

    /// Messages that were sent again, gap fills left out.
    pub fn told_again(&self) -> u64 {
        self.outbox.told_again()
    }

    /// Whether the line has taken all there is, and nothing waits to be on record elsewhere.
    #[inline]
    pub fn is_said(&self) -> bool {
        self.outbox.is_taken()
    }

    /// From here on the line has only what is on record elsewhere too, which now holds so many
    /// bytes of it; to be called when all is settled here.
    #[inline]
    pub fn clear(&mut self, confirmed: u64) {
        self.outbox.clear(confirmed);
    }

    /// Notes that the line took so many bytes.
    #[inline]
    pub fn took(&mut self, count: usize) {
        self.outbox.took(count);
    }

    /// The session, and hands for what it decides.
    #[inline]
    fn parts<'a>(
        &'a mut self,
        application: &'a mut dyn Application,
        now: Nanos,
    ) -> (&'a mut Session, Outbound, Hands<'a, S>) {
        let Self { config, session, outbox, closing, .. } = self;
        let out = outbox.outbound();
        (session, out, Hands { sender: Sender { config, outbox, now }, application, closing })
    }

    /// A line is open; nothing of an earlier one is left.
    pub fn connected(&mut self, now: Nanos, application: &mut dyn Application) {
        self.bytes.clear();
        self.outbox.discard();
        self.closing = None;
        let (session, out, mut hands) = self.parts(application, now);
        session.connected(out, now, &mut |output| hands.perform(output));
        self.commit(application);
    }

    /// Makes what was decided survive before any of it can leave.
    #[inline]
    fn commit(&mut self, application: &mut dyn Application) {
        if self.outbox.store_mut().flush().is_err() {
            self.outbox.discard();
            if self.closing.replace(Ending::Record).is_none() {
                application.down(Ending::Record);
            }
        }
    }

    /// Takes bytes off the line, and as many messages as the application has room for.
    #[inline]
    pub fn receive(&mut self, bytes: &[u8], now: Nanos, application: &mut dyn Application) {
        let mut joined = std::mem::take(&mut self.bytes);
        joined.extend_from_slice(bytes);
        let mut eaten = 0;
        self.is_waiting = false;
        while self.closing.is_none() {
            if !application.has_room() {
                self.is_waiting = true;
                break;
            }
            let rest = joined.get(eaten..).unwrap_or(&[]);
            let (session, out, mut hands) = self.parts(application, now);
            let sink = &mut |output: Output<'_>| hands.perform(output);
            if session.take_held(out, now, sink) {
                continue;
            }
            match frame(rest) {
                Framing::Whole(framed) => {
                    session.receive(rest, &framed, out, now, sink);
                    eaten += framed.length;
                }
                Framing::Garbled(length) => {
                    session.garbled(sink);
                    eaten += length;
                }
                Framing::Partial => break,
            }
        }
        joined.drain(..eaten);
        self.bytes = joined;
        self.commit(application);
    }

    /// Goes on with what was left to be done.
    #[cold]
    pub fn go_on(&mut self, now: Nanos, application: &mut dyn Application) {
        if self.outbox.go_on(now, &self.config).is_err() && self.closing.is_none() {
            self.closing = Some(Ending::Record);
            application.down(Ending::Record);
        }
        if self.is_waiting {
            self.receive(&[], now, application);
        }
    }

    /// Lets time pass.
    pub fn tick(&mut self, now: Nanos, application: &mut dyn Application) {
        let (session, out, mut hands) = self.parts(application, now);
        session.tick(out, now, &mut |output| hands.perform(output));
        self.commit(application);
    }

    /// Sends an application message of our own accord.
    ///
    /// # Errors
    /// Why it was not sent.
    pub fn send(
        &mut self,
        kind: &[u8],
        now: Nanos,
        fill: &mut dyn FnMut(&mut Writer<'_>),
    ) -> Result<u64, SendError> {
        let seq = self.add(kind, now, fill)?;
        self.settle()?;
        Ok(seq)
    }

    /// As [`Self::send`], but neither on record for good nor for the line before
    /// [`Self::settle`]: what is told together is put on record together.
    ///
    /// # Errors
    /// Why it was not sent.
    #[inline]
    pub fn add(
        &mut self,
        kind: &[u8],
        now: Nanos,
        fill: &mut dyn FnMut(&mut Writer<'_>),
    ) -> Result<u64, SendError> {
        if self.outbox.is_unread() {
            self.outbox.discard();
            self.closing.get_or_insert(Ending::Unread);
        }
        let length = self.outbox.length();
        let seq = self.outbox.send(kind, now, &self.config, fill)?;
        let is_up = matches!(self.session.phase(), Phase::Up | Phase::LoggingOut);
        if !is_up || self.closing.is_some() {
            // Nobody reads it now, and half a message may be on the line that is given up: it waits
            // on record to be asked for.
            self.outbox.shorten(length);
        }
        Ok(seq)
    }

    /// Puts what was added on record.
    ///
    /// # Errors
    /// It is not on record: the line is to be closed.
    #[inline]
    pub fn settle(&mut self) -> Result<(), SendError> {
        let settled = self.outbox.store_mut().flush();
        if settled.is_err() {
            self.outbox.discard();
            self.closing.get_or_insert(Ending::Record);
        }
        settled.map_err(SendError::from)
    }

    /// Ends the session in good order.
    pub fn log_out(&mut self, now: Nanos, application: &mut dyn Application) {
        let (session, _, mut hands) = self.parts(application, now);
        session.log_out(Ending::Asked, now, &mut |output| hands.perform(output));
        self.commit(application);
    }

    /// The line is gone.
    pub fn disconnected(&mut self, application: &mut dyn Application) {
        let was_up = self.session.phase() != Phase::Down;
        self.session.disconnected();
        self.outbox.discard();
        self.bytes.clear();
        if was_up && self.closing.replace(Ending::Line).is_none() {
            application.down(Ending::Line);
        }
    }
}
