//! Our codec against another's: what either writes the other reads, field by field.

use ironfix_tagvalue::{Decoder, Encoder};
use proptest::collection::vec;
use proptest::prelude::*;
use wirematch::wire::fix::frame::{Framing, frame};
use wirematch::wire::fix::{Indexer, Version, Writer};

/// Tags that frame nothing and measure nothing.
fn is_plain(tag: u32) -> bool {
    let field = Version::Fix50Sp2.dictionary();
    let kind = field.field(field.slot(tag)).kind;
    use wirematch::wire::fix::dictionary::Kind;
    !matches!(tag, 8 | 9 | 10 | 35) && !matches!(kind, Kind::Length | Kind::Data)
}

fn field() -> impl Strategy<Value = (u32, String)> {
    let tag = prop_oneof![1u32..1000, 1000u32..60_000];
    (tag.prop_filter("it frames nothing", |tag| is_plain(*tag)), "[!-~]{1,24}")
}

fn ours(bytes: &[u8]) -> Vec<(u32, Vec<u8>)> {
    let Framing::Whole(found) = frame(bytes) else { panic!("not framed: {bytes:?}") };
    let mut indexer = Indexer::new();
    let message = indexer.read(bytes, &found, Version::Fix44.dictionary()).expect("a message");
    message.fields().skip(2).map(|(tag, value)| (tag, value.to_vec())).collect()
}

fn theirs(bytes: &[u8]) -> Vec<(u32, Vec<u8>)> {
    let message = Decoder::new(bytes).decode().expect("a message");
    let fields = message.fields().map(|field| (field.tag, field.value.to_vec()));
    fields.filter(|(tag, _)| !matches!(tag, 8..=10)).collect()
}

proptest! {
    #[test]
    fn either_reads_what_the_other_writes(fields in vec(field(), 0..30)) {
        let mut expected = vec![(35, b"D".to_vec())];
        expected.extend(fields.iter().map(|(tag, text)| (*tag, text.clone().into_bytes())));
        let mut buffer = [0; 4096];
        let mut writer = Writer::new(&mut buffer);
        let mut encoder = Encoder::new("FIX.4.4");
        for (tag, value) in &expected {
            writer.bytes(*tag, value);
            encoder.put_raw(*tag, value);
        }
        let range = writer.seal("FIX.4.4").expect("it fits");
        let written = &buffer[range];
        prop_assert_eq!(&ours(written), &expected);
        prop_assert_eq!(&theirs(written), &expected);
        let finished = encoder.finish().expect("a frame");
        prop_assert_eq!(finished, written, "byte for byte the same");
    }

    /// A message that one refuses because a byte was changed is refused by the other as well.
    #[test]
    fn both_refuse_what_was_changed_on_the_way(
        fields in vec(field(), 1..10),
        at in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        let mut buffer = [0; 4096];
        let mut writer = Writer::new(&mut buffer);
        writer.bytes(35, b"D");
        fields.iter().for_each(|(tag, value)| writer.bytes(*tag, value.as_bytes()));
        let range = writer.seal("FIX.4.4").expect("it fits");
        let mut bytes = buffer[range].to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let mut indexer = Indexer::new();
        let read = match frame(&bytes) {
            Framing::Whole(found) => {
                indexer.read(&bytes, &found, Version::Fix44.dictionary()).is_ok()
            }
            _ => false,
        };
        prop_assert!(!read, "one bit never goes unnoticed: {:?}", bytes);
        prop_assert!(Decoder::new(&bytes).decode().is_err());
    }
}
