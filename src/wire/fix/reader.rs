//! Reads a message and holds it against its dictionary, in one go where it looks like one before.

use crate::wire::fix::dictionary::{Dictionary, Validator, values_are_good};
use crate::wire::fix::frame::Frame;
use crate::wire::fix::message::{Garbled, Indexer, Message};
use crate::wire::fix::reject::Refusal;
use crate::wire::fix::shape::Shapes;

/// The rooms that reading takes, for the messages of one peer.
#[derive(Clone, Debug)]
pub struct Reader {
    dictionary: Dictionary,
    indexer: Indexer,
    validator: Validator,
    shapes: Shapes,
}

/// A message, and whether its dictionary finds it good.
#[derive(Clone, Copy, Debug)]
pub struct Checked<'a> {
    /// The message.
    pub message: Message<'a>,
    /// The first thing that is wrong with it, if anything is.
    pub verdict: Result<(), Refusal>,
}

impl Reader {
    /// For messages of a dictionary.
    pub fn new(dictionary: Dictionary) -> Self {
        let validator = Validator::new(&dictionary);
        Self { dictionary, indexer: Indexer::new(), validator, shapes: Shapes::new() }
    }

    /// Reads a framed message.
    ///
    /// # Errors
    /// [`Garbled`] says why it is no message.
    #[inline]
    pub fn read<'a>(&'a mut self, bytes: &'a [u8], frame: &Frame) -> Result<Checked<'a>, Garbled> {
        let Self { dictionary, indexer, validator, shapes } = self;
        let bytes = indexer.scan(bytes, frame)?;
        // MsgType stands first in the body, if all is well: `35=`.
        let kind = bytes.get(frame.body_at + 3).copied().unwrap_or(0);
        if let Some(at) = indexer.recognise(bytes, kind, shapes)
            && values_are_good(&indexer.found(bytes, shapes.get(at)), dictionary)
        {
            let message = indexer.found(bytes, shapes.get(at));
            return Ok(Checked { message, verdict: Ok(()) });
        }
        let message = indexer.work_out(bytes, dictionary)?;
        let verdict = validator.check(&message, dictionary);
        if verdict.is_ok() {
            shapes.learn(&message, dictionary);
        }
        Ok(Checked { message, verdict })
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::wire::fix::dictionary::Version;
    use crate::wire::fix::frame::{Framing, frame};
    use crate::wire::fix::shared::{framed, raw};
    use crate::wire::fix::tag;

    type Seen = Result<(Vec<(u32, Vec<u8>)>, [Option<Vec<u8>>; 3], Result<(), Refusal>), Garbled>;

    fn seen(message: &Message<'_>, verdict: Result<(), Refusal>) -> Seen {
        let fields = message.fields().map(|(tag, value)| (tag, value.to_vec())).collect();
        let looked_up = [tag::CL_ORD_ID, tag::ORDER_CAPACITY, tag::PARTY_ROLE]
            .map(|tag| message.get(tag).map(<[u8]>::to_vec));
        Ok((fields, looked_up, verdict))
    }

    /// What a reader that has read other messages makes of one, and what one that has not.
    fn both(reader: &mut Reader, body: &[u8]) -> (Seen, Seen) {
        let bytes = framed("FIX.4.4", body);
        let Framing::Whole(found) = frame(&bytes) else { panic!("not framed") };
        let known = reader.read(&bytes, &found).and_then(|read| seen(&read.message, read.verdict));
        let dictionary = Version::Fix44.dictionary();
        let (mut indexer, mut validator) = (Indexer::new(), Validator::new(dictionary));
        let plain = indexer.read(&bytes, &found, dictionary);
        let plain = plain.and_then(|m| seen(&m, validator.check(&m, dictionary)));
        (known, plain)
    }

    const HEAD: &str = "35=D|49=A|56=B|34=2|52=20261122-10:00:00|";

    #[test]
    fn a_shape_is_known_by_its_tags_and_counts_and_nothing_else() {
        let mut reader = Reader::new(*Version::Fix44.dictionary());
        let order = "11=ID|55=X|54=1|60=20261122-10:00:00|38=100|40=1|";
        let good = format!("{HEAD}{order}453=1|448=a|447=P|452=3|");
        for body in [
            good.clone(),
            good.clone(),
            good.replace("453=1", "453=2"),
            good.replace("38=100", "38=1x0"),
            good.replace("54=1", "54=Z"),
            good.replace("55=X", "55="),
            good.replace("55=X", "58=X"),
            good.replace("35=D", "35=G"),
            good.replace("35=D", "35=DD"),
            good.replace("60=20261122", "60=20261322"),
            good.clone(),
        ] {
            let (known, plain) = both(&mut reader, &raw(&body));
            assert_eq!(known, plain, "{body}");
        }
    }

    proptest! {
        #[test]
        fn what_was_read_before_changes_nothing(
            orders in vec(
                (
                    proptest::sample::subsequence(
                        vec!["11=ID|", "1=A|", "55=X|", "54=1|", "38=100|", "40=2|", "44=1.5|",
                             "59=0|", "60=20261122-10:00:00.123|", "528=A|",
                             "453=1|448=a|447=P|452=3|", "95=2|96=x||", "18=1 6|", "44=|"], 0..14),
                    0usize..200,
                    any::<u8>(),
                ),
                1..12,
            ),
        ) {
            let mut reader = Reader::new(*Version::Fix44.dictionary());
            for (fields, at, byte) in orders {
                let whole = raw(&format!("{HEAD}{}", fields.concat()));
                let (known, plain) = both(&mut reader, &whole);
                prop_assert_eq!(known, plain);
                // One byte of it changed, so that it looks nearly alike.
                let mut nearly = whole;
                if at + 1 < nearly.len() {
                    nearly[at] = byte;
                }
                let (known, plain) = both(&mut reader, &nearly);
                prop_assert_eq!(known, plain);
            }
        }
    }
}
