//! The way out of a session: numbers what is sent, puts it on record, writes it; and writes it
//! again when asked.

use crate::model::Nanos;
use crate::wire::fix::frame::MESSAGE_MAX;
use crate::wire::fix::session::{Admin, Kept, Outbound, SessionConfig, Store, StoreError};
use crate::wire::fix::tag;
use crate::wire::fix::writer::Writer;

/// Bytes a peer may leave unread before its line is given up.
const UNREAD_MAX: usize = 512 * 1024;

/// Messages sent again, or passed over, at once.
const RESENDS_AT_ONCE: u64 = 64;

/// Unread bytes above which nothing is sent again for now.
const RESEND_BELOW: usize = 64 * 1024;

/// Why a message was not sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// It could not be put on record.
    #[error(transparent)]
    Record(#[from] StoreError),
    /// It is longer than a message may be.
    #[error("the message is longer than {MESSAGE_MAX} bytes")]
    TooLong,
    /// The peer does not read.
    #[error("the peer left {UNREAD_MAX} bytes unread")]
    Unread,
}

/// The way out.
#[derive(Debug)]
pub struct Outbox<S: Store> {
    store: S,
    begin_string: &'static str,
    /// Both names, written once.
    names: Vec<u8>,
    sent_at: Nanos,
    /// Numbers to be sent again: the next, and the last.
    again: Option<(u64, u64)>,
    /// Messages that were sent again.
    told_again: u64,
    room: Box<[u8]>,
    /// Written, not yet taken by the line.
    bytes: Vec<u8>,
    taken: usize,
    clearance: Option<Clearance>,
}

/// How much of what is written the line may have, where the record must be elsewhere first.
#[derive(Clone, Copy, Debug, Default)]
struct Clearance {
    /// Bytes up to here.
    until: usize,
    /// Bytes up to here once so much of the record is there.
    next: Option<(usize, u64)>,
}

impl<S: Store> Outbox<S> {
    /// For a session, with its record.
    pub fn new(config: &SessionConfig, store: S) -> Self {
        let identity = &config.identity;
        let names = format!("49={}\u{1}56={}\u{1}", identity.sender, identity.target);
        Self {
            store,
            begin_string: identity.version.begin_string(),
            names: names.into_bytes(),
            sent_at: Nanos::ZERO,
            again: None,
            told_again: 0,
            room: vec![0; MESSAGE_MAX].into(),
            bytes: Vec::with_capacity(2 * UNREAD_MAX),
            taken: 0,
            clearance: None,
        }
    }

    /// The record.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// The record, to be changed by what the session decided.
    pub fn store_mut(&mut self) -> &mut S {
        &mut self.store
    }

    /// What a session must know of the way out.
    #[inline]
    pub fn outbound(&self) -> Outbound {
        Outbound { next: self.store.numbers().next_out, sent_at: self.sent_at }
    }

    /// Bytes for the line.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        let until = self.clearance.map_or(self.bytes.len(), |clearance| clearance.until);
        self.bytes.get(self.taken..until).unwrap_or(&[])
    }

    /// Messages that were sent again, gap fills left out.
    pub fn told_again(&self) -> u64 {
        self.told_again
    }

    /// Whether the line has taken all that was written.
    #[inline]
    pub fn is_taken(&self) -> bool {
        self.taken >= self.bytes.len()
    }

    /// From here on the line has only what is on record elsewhere too, which now holds so many
    /// bytes of it. All that was written is on record here.
    #[inline]
    pub fn clear(&mut self, confirmed: u64) {
        let Self { store, bytes, clearance, .. } = self;
        let Clearance { until, next } = clearance.get_or_insert_default();
        if let Some((end, _)) = next.take_if(|(_, mark)| *mark <= confirmed) {
            *until = end;
        }
        if next.is_none() && *until < bytes.len() {
            match store.reach() {
                mark if mark <= confirmed => *until = bytes.len(),
                mark => *next = Some((bytes.len(), mark)),
            }
        }
    }

    /// The first bytes are gone.
    fn forget(&mut self, count: usize) {
        self.bytes.drain(..count);
        self.taken = self.taken.saturating_sub(count);
        if let Some(Clearance { until, next }) = &mut self.clearance {
            *until = until.saturating_sub(count);
            *next = next.map(|(end, mark)| (end.saturating_sub(count), mark));
        }
    }

    /// Notes that the line took so many bytes.
    #[inline]
    pub fn took(&mut self, count: usize) {
        self.taken += count;
        if self.taken >= self.bytes.len() || self.taken > UNREAD_MAX / 2 {
            self.forget(self.taken.min(self.bytes.len()));
        }
    }

    /// Whether the peer has left too much unread.
    #[inline]
    pub fn is_unread(&self) -> bool {
        self.bytes.len() - self.taken > UNREAD_MAX
    }

    /// Bytes held, taken or not.
    #[inline]
    pub fn length(&self) -> usize {
        self.bytes.len()
    }

    /// Forgets the bytes written last, down to so many held.
    pub fn shorten(&mut self, length: usize) {
        self.bytes.truncate(length);
        if let Some(Clearance { until, next }) = &mut self.clearance {
            *until = length.min(*until);
            *next = next.map(|(end, mark)| (length.min(end), mark));
        }
    }

    /// Forgets what no line will take.
    pub fn discard(&mut self) {
        self.forget(self.bytes.len());
        self.again = None;
    }

    /// Whether something is still to be sent again.
    #[inline]
    pub fn resends(&self) -> bool {
        self.again.is_some()
    }

    /// Numbers a message, puts it on record and writes it; returns its number.
    ///
    /// # Errors
    /// Why it was not sent; no number was used.
    #[inline]
    pub fn send(
        &mut self,
        kind: &[u8],
        now: Nanos,
        config: &SessionConfig,
        fill: &mut dyn FnMut(&mut Writer<'_>),
    ) -> Result<u64, SendError> {
        if self.is_unread() {
            return Err(SendError::Unread);
        }
        let seq = self.store.numbers().next_out;
        let mut writer = Writer::new(&mut self.room);
        writer.bytes(tag::MSG_TYPE, kind);
        writer.raw(&self.names);
        writer.number(tag::MSG_SEQ_NUM, seq);
        writer.time(tag::SENDING_TIME, now, config.precision);
        let rest = writer.position();
        fill(&mut writer);
        let end = writer.position();
        let range = writer.seal(self.begin_string).ok_or(SendError::TooLong)?;
        let rest = if is_sent_again(kind) { self.room.get(rest..end) } else { None };
        let kept = Kept { seq, sent_at: now, kind, rest: rest.unwrap_or(&[]) };
        self.store.keep(&kept)?;
        self.bytes.extend_from_slice(self.room.get(range).unwrap_or(&[]));
        self.sent_at = now;
        Ok(seq)
    }

    /// Sends a session message.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn say(
        &mut self,
        admin: &Admin<'_>,
        now: Nanos,
        config: &SessionConfig,
    ) -> Result<u64, SendError> {
        self.send(admin.kind(), now, config, &mut |writer| admin.write(config, writer))
    }

    /// Sends again what is on record, a part now and the rest with [`Self::go_on`]; what is not
    /// sent again is passed over.
    ///
    /// # Errors
    /// Why it could not be written.
    pub fn resend(
        &mut self,
        from: u64,
        until: u64,
        now: Nanos,
        config: &SessionConfig,
    ) -> Result<(), SendError> {
        self.again = Some((from, until));
        self.go_on(now, config)
    }

    /// Goes on sending again, as far as the peer reads.
    ///
    /// # Errors
    /// Why it could not be written.
    #[inline]
    pub fn go_on(&mut self, now: Nanos, config: &SessionConfig) -> Result<(), SendError> {
        match self.again {
            Some((from, last)) if self.bytes.len() - self.taken < RESEND_BELOW => {
                let until = last.min(from.saturating_add(RESENDS_AT_ONCE - 1));
                self.again = (until < last).then_some((until + 1, last));
                self.send_again(from, until, now, config)
            }
            _ => Ok(()),
        }
    }

    #[cold]
    fn send_again(
        &mut self,
        from: u64,
        until: u64,
        now: Nanos,
        config: &SessionConfig,
    ) -> Result<(), SendError> {
        let mut gap = None;
        for seq in from..=until {
            let Self { store, room, names, begin_string, bytes, told_again, .. } = self;
            let kept = store.get(seq).filter(|kept| config.resends && is_sent_again(kept.kind));
            let Some(kept) = kept else {
                gap.get_or_insert(seq);
                continue;
            };
            if let Some(first) = gap.take() {
                fill_gap(first, seq, now, config, (names, begin_string), room, bytes)?;
            }
            let mut writer = Writer::new(room);
            write_repeat_head(&mut writer, &kept, now, names, config);
            writer.raw(kept.rest);
            let range = writer.seal(begin_string).ok_or(SendError::TooLong)?;
            bytes.extend_from_slice(room.get(range).unwrap_or(&[]));
            *told_again += 1;
        }
        if let Some(first) = gap {
            let Self { room, names, begin_string, bytes, .. } = self;
            fill_gap(first, until + 1, now, config, (names, begin_string), room, bytes)?;
        }
        self.sent_at = now;
        Ok(())
    }
}

/// Session messages are not sent again, but for a refusal.
fn is_sent_again(kind: &[u8]) -> bool {
    !matches!(kind, b"0" | b"1" | b"2" | b"4" | b"5" | b"A")
}

fn write_repeat_head(
    writer: &mut Writer<'_>,
    kept: &Kept<'_>,
    now: Nanos,
    names: &[u8],
    config: &SessionConfig,
) {
    writer.bytes(tag::MSG_TYPE, kept.kind);
    writer.raw(names);
    writer.number(tag::MSG_SEQ_NUM, kept.seq);
    writer.flag(tag::POSS_DUP_FLAG, true);
    writer.time(tag::SENDING_TIME, now, config.precision);
    // Another machine may have sent it first, whose clock was ahead of ours: a peer ends a session
    // in which something is sent again before it was sent.
    writer.time(tag::ORIG_SENDING_TIME, kept.sent_at.min(now), config.precision);
}

/// Says that the numbers from `first` up to `next` carry nothing to be sent again.
fn fill_gap(
    first: u64,
    next: u64,
    now: Nanos,
    config: &SessionConfig,
    (names, begin_string): (&[u8], &str),
    room: &mut [u8],
    bytes: &mut Vec<u8>,
) -> Result<(), SendError> {
    let mut writer = Writer::new(room);
    let kept = Kept { seq: first, sent_at: now, kind: b"4", rest: &[] };
    write_repeat_head(&mut writer, &kept, now, names, config);
    writer.number(tag::NEW_SEQ_NO, next);
    writer.flag(tag::GAP_FILL_FLAG, true);
    let range = writer.seal(begin_string).ok_or(SendError::TooLong)?;
    bytes.extend_from_slice(room.get(range).unwrap_or(&[]));
    Ok(())
}
