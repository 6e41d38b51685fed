//! A snapshot put together from what a SoupBinTCP server says, however its bytes are cut.

use crate::wire::session::Token;
use crate::wire::soupbintcp::{Packet, snapshot_ends};

/// Bytes of a snapshot, at most.
const BYTES_MAX: usize = 1 << 30;

/// A snapshot: every message with its length before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// The wish it answers.
    pub(super) wish: u64,
    /// The session it is of.
    pub session: Token,
    /// The first message of the stream that is not in it.
    pub next: u64,
    bytes: Vec<u8>,
}

impl Fetched {
    /// Bytes of it.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The message at a place, which then is the next one's; `None` after the last.
    pub fn message(&self, at: &mut usize) -> Option<&[u8]> {
        let (length, rest) = self.bytes.get(*at..)?.split_first_chunk::<2>()?;
        let message = rest.get(..usize::from(u16::from_be_bytes(*length)))?;
        *at += 2 + message.len();
        Some(message)
    }

    fn push(&mut self, message: &[u8]) {
        self.bytes.extend_from_slice(&(message.len() as u16).to_be_bytes());
        self.bytes.extend_from_slice(message);
    }
}

/// A snapshot on its way.
#[derive(Debug, Default)]
pub struct Assembly {
    snapshot: Fetched,
    arrived: Vec<u8>,
}

impl Assembly {
    /// Takes what came of a server; the snapshot, once its last message is there.
    ///
    /// # Errors
    /// What is wrong with it: a broken packet, a refusal, an end before the last message, no end.
    pub fn take(&mut self, bytes: &[u8]) -> Result<Option<Fetched>, String> {
        let Self { snapshot, arrived } = self;
        arrived.extend_from_slice(bytes);
        let mut at = 0;
        while let Some((packet, length)) =
            Packet::parse(&arrived[at..]).map_err(|cause| cause.sentence())?
        {
            match packet {
                Packet::Sequenced(message) => match snapshot_ends(message) {
                    Some(next) => {
                        snapshot.next = next;
                        return Ok(Some(std::mem::take(snapshot)));
                    }
                    None => snapshot.push(message),
                },
                Packet::Accepted { session, .. } => snapshot.session = session,
                Packet::Rejected(code) => return Err(format!("refused: {}", char::from(code))),
                Packet::EndOfSession => return Err("it ended without its last message".into()),
                _ => {}
            }
            at += length;
        }
        arrived.drain(..at);
        if snapshot.len() > BYTES_MAX {
            return Err("it has no end".into());
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::soupbintcp::snapshot_end;

    /// A server's bytes, cut at these lengths.
    fn taken(bytes: &[u8], cuts: &[usize]) -> Result<Option<Fetched>, String> {
        let (mut assembly, mut rest) = (Assembly::default(), bytes);
        let mut cuts = cuts.iter().cycle();
        while !rest.is_empty() {
            let length = cuts.next().map_or(rest.len(), |cut| (*cut).clamp(1, rest.len()));
            if let Some(whole) = assembly.take(&rest[..length])? {
                return Ok(Some(whole));
            }
            rest = &rest[length..];
        }
        Ok(None)
    }

    /// What no snapshot's last message is.
    fn message() -> impl Strategy<Value = Vec<u8>> {
        let bytes = prop::collection::vec(any::<u8>(), 1..60);
        bytes.prop_filter("an end", |bytes| snapshot_ends(bytes).is_none())
    }

    proptest! {
        #[test]
        fn however_it_is_cut_it_is_what_the_server_said(
            messages in prop::collection::vec(message(), 0..40),
            session in any::<Token>(),
            next in any::<u32>(),
            cuts in prop::collection::vec(1usize..200, 0..20),
        ) {
            let mut bytes = Vec::new();
            Packet::Accepted { session, next: 1 }.write(&mut bytes);
            for (at, message) in messages.iter().enumerate() {
                if at % 7 == 0 {
                    Packet::ServerHeartbeat.write(&mut bytes);
                }
                Packet::Sequenced(message).write(&mut bytes);
            }
            prop_assert_eq!(taken(&bytes, &cuts), Ok(None), "it has not ended");
            Packet::Sequenced(&snapshot_end(next.into())).write(&mut bytes);
            let whole = taken(&bytes, &cuts).unwrap().unwrap();
            prop_assert_eq!((whole.session, whole.next), (session, next.into()));
            let mut at = 0;
            for message in &messages {
                prop_assert_eq!(whole.message(&mut at), Some(&message[..]));
            }
            prop_assert_eq!(whole.message(&mut at), None);
        }

        #[test]
        fn any_bytes_make_the_same_however_they_are_cut(
            bytes in prop::collection::vec(any::<u8>(), 0..300),
            cuts in prop::collection::vec(1usize..50, 1..8),
        ) {
            prop_assert_eq!(taken(&bytes, &cuts), taken(&bytes, &[]));
        }
    }

    #[test]
    fn a_server_that_refuses_or_ends_early_is_an_error() {
        for (packet, why) in [
            (Packet::Rejected(b'A'), "refused: A"),
            (Packet::EndOfSession, "it ended without its last message"),
        ] {
            let mut bytes = Vec::new();
            packet.write(&mut bytes);
            assert_eq!(taken(&bytes, &[]), Err(why.to_owned()));
        }
    }
}
