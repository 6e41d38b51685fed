//! The standard header of a message, as far as a session looks at it.

use crate::model::Nanos;
use crate::wire::fix::dictionary::{Dictionary, Section};
use crate::wire::fix::message::Message;
use crate::wire::fix::{tag, value};

/// A header's fields; what cannot be read counts as absent here and is refused later.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Header<'a> {
    pub(super) seq: Option<u64>,
    pub(super) sender: &'a [u8],
    pub(super) target: &'a [u8],
    pub(super) sending_time: Option<Nanos>,
    pub(super) possible_duplicate: bool,
    pub(super) possible_resend: bool,
    /// What stands in OrigSendingTime (122), read or not.
    pub(super) original_time: Option<Option<Nanos>>,
}

impl<'a> Header<'a> {
    #[inline]
    pub(super) fn of(message: &Message<'a>, dictionary: &Dictionary) -> Self {
        let mut header = Self::default();
        for entry in message.entries() {
            if dictionary.field(entry.slot).section != Section::Header {
                break;
            }
            let value = message.value(entry);
            match entry.tag {
                tag::MSG_SEQ_NUM => header.seq = value::number(value),
                tag::SENDER_COMP_ID => header.sender = value,
                tag::TARGET_COMP_ID => header.target = value,
                tag::SENDING_TIME => header.sending_time = value::timestamp(value),
                tag::POSS_DUP_FLAG => header.possible_duplicate = value == b"Y",
                tag::POSS_RESEND => header.possible_resend = value == b"Y",
                tag::ORIG_SENDING_TIME => header.original_time = Some(value::timestamp(value)),
                _ => {}
            }
        }
        if header.seq.is_none() {
            // A header out of order is refused under its number all the same.
            header.seq = message.get(tag::MSG_SEQ_NUM).and_then(value::number);
        }
        header
    }
}
