//! `direction!`: the messages of one direction as one enum, told apart by type byte.

use crate::wire::DecodeError;
use crate::wire::ouch::options::{Appendage, TagSet};

/// Bytes of an appendage's length.
pub(crate) const APPENDAGE_LENGTH: usize = 2;

/// Whether a message type has an appendage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// The message ends after its fixed part.
    Never,
    /// The message may end after its fixed part.
    Optional,
    /// The appendage's length is always there.
    Required,
}

impl Presence {
    /// Bytes of the shortest message whose fixed part is this long.
    #[cfg(test)]
    pub(crate) const fn shortest(self, fixed: usize) -> usize {
        match self {
            Presence::Required => fixed + APPENDAGE_LENGTH,
            Presence::Never | Presence::Optional => fixed,
        }
    }

    /// Bytes of the longest message whose fixed part is this long.
    pub(crate) const fn longest(self, fixed: usize, allowed: TagSet) -> usize {
        match self {
            Presence::Never => fixed,
            Presence::Required | Presence::Optional => fixed + APPENDAGE_LENGTH + allowed.length(),
        }
    }

    /// Reads what follows a fixed part.
    #[inline]
    pub(crate) fn decode(self, rest: &[u8], allowed: TagSet) -> Result<Appendage<'_>, DecodeError> {
        match self {
            Presence::Never if rest.is_empty() => return Ok(Appendage::ABSENT),
            Presence::Never => return Err(DecodeError::MessageLength),
            Presence::Optional if rest.is_empty() => return Ok(Appendage::ABSENT),
            Presence::Optional | Presence::Required => {}
        }
        let Some((length, elements)) = rest.split_first_chunk::<APPENDAGE_LENGTH>() else {
            return Err(DecodeError::AppendageMissing);
        };
        if usize::from(u16::from_be_bytes(*length)) != elements.len() {
            return Err(DecodeError::AppendageLength);
        }
        Appendage::checked(elements, allowed)
    }

    /// Writes what follows a fixed part; its length, or `None` where it does not fit.
    #[inline]
    pub(crate) fn encode(self, appendage: &Appendage<'_>, rest: &mut [u8]) -> Option<usize> {
        match self {
            Presence::Never => return appendage.bytes().is_empty().then_some(0),
            Presence::Optional if appendage.is_absent() => return Some(0),
            Presence::Optional | Presence::Required => {}
        }
        let elements = appendage.bytes();
        let (length, space) = rest.split_first_chunk_mut::<APPENDAGE_LENGTH>()?;
        *length = u16::try_from(elements.len()).ok()?.to_be_bytes();
        space.get_mut(..elements.len())?.copy_from_slice(elements);
        Some(APPENDAGE_LENGTH + elements.len())
    }
}

/// Declares the enum of one direction: each message, its appendage's presence and tags.
macro_rules! direction {
    ($(#[$doc:meta])* $direction:ident {
        $($message:ident: $presence:ident, $allowed:expr;)+
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs, reason = "a message is described at its own type")]
        pub enum $direction<'a> {
            $($message($message, $crate::wire::ouch::options::Appendage<'a>),)+
        }

        impl<'a> $direction<'a> {
            /// Bytes of the longest message of this direction.
            pub const LENGTH_MAX: usize = {
                let mut longest = 0;
                $(let length = $crate::wire::ouch::appended::Presence::$presence
                    .longest($message::LENGTH, $allowed);
                if length > longest {
                    longest = length;
                })+
                longest
            };

            /// Every message as a reference shows it, with its appendage and the tags it takes.
            pub const DESCRIBED: &'static [(
                $crate::wire::Described,
                $crate::wire::ouch::Presence,
                $crate::wire::ouch::TagSet,
            )] = &[$(($message::DESCRIBED, $crate::wire::ouch::Presence::$presence, $allowed),)+];

            /// Each type byte with its message's shortest length and its fields.
            #[cfg(test)]
            pub(crate) const TABLE: &'static [$crate::wire::ouch::appended::Row] = &[
                $(($message::TYPE, $crate::wire::ouch::appended::Presence::$presence
                    .shortest($message::LENGTH), $message::FIELDS),)+
            ];

            /// Reads one message, which must end where the bytes do.
            ///
            /// # Errors
            /// The cause; nothing is guessed.
            #[inline]
            pub fn decode(bytes: &'a [u8]) -> Result<Self, $crate::wire::DecodeError> {
                use $crate::wire::DecodeError;
                match bytes.first() {
                    $(Some(&$message::TYPE) => {
                        let (fixed, rest) =
                            bytes.split_first_chunk().ok_or(DecodeError::MessageLength)?;
                        let appendage = $crate::wire::ouch::appended::Presence::$presence
                            .decode(rest, $allowed)?;
                        Ok(Self::$message($message::read(fixed), appendage))
                    })+
                    Some(_) => Err(DecodeError::MessageUnknown),
                    None => Err(DecodeError::MessageEmpty),
                }
            }

            /// Writes the message and returns its length; `None` where it does not fit.
            #[inline(always)]
            pub fn encode(&self, bytes: &mut [u8]) -> Option<usize> {
                match self {
                    $(Self::$message(message, appendage) => {
                        let (fixed, rest) = bytes.split_first_chunk_mut()?;
                        message.write(fixed);
                        let further = $crate::wire::ouch::appended::Presence::$presence
                            .encode(appendage, rest)?;
                        Some($message::LENGTH + further)
                    })+
                }
            }
        }
    };
}
pub(crate) use direction;

/// A message type: its byte, its shortest length, its fields.
#[cfg(test)]
pub(crate) type Row = (u8, usize, &'static [(&'static str, usize, usize)]);
