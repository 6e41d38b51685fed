//! What a message is refused for, by version.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::wire::fix::dictionary::Version;
use crate::wire::fix::frame::{Framing, frame};
use crate::wire::fix::message::Indexer;
use crate::wire::fix::shared::{framed, message};
use SessionReject::*;

const HEAD: &str = "49=A|56=B|34=2|52=20261122-10:00:00|";
const ORDER: &str = "11=ID|21=1|55=X|54=1|60=20261122-10:00:00|38=100|40=1|";

fn judge(dictionary: &Dictionary, bytes: &[u8]) -> Result<(), Refusal> {
    let Framing::Whole(found) = frame(bytes) else { panic!("not framed") };
    let mut indexer = Indexer::new();
    let message = indexer.read(bytes, &found, dictionary).expect("not garbled");
    Validator::new(dictionary).check(&message, dictionary)
}

fn check(version: Version, body: &str) -> Result<(), Refusal> {
    judge(version.dictionary(), &message(version.begin_string(), body))
}

fn check44(body: &str) -> Result<(), Refusal> {
    check(Version::Fix44, body)
}

#[test]
fn a_good_order_passes_in_every_version() {
    for version in Version::ALL {
        assert_eq!(check(version, &format!("35=D|{HEAD}{ORDER}")), Ok(()), "{version:?}");
    }
}

#[test]
fn each_fault_has_its_reason_and_tag() {
    let cases = [
        (format!("35=*|{HEAD}"), Refusal::whole(InvalidMsgType)),
        (format!("35=0|{HEAD}999=x|"), Refusal::of(InvalidTag, 999)),
        (format!("35=0|{HEAD}55=x|"), Refusal::of(NotDefinedForMessage, 55)),
        (format!("35=0|{HEAD}112=|"), Refusal::of(NoValue, 112)),
        (format!("35=1|{HEAD}"), Refusal::of(RequiredTagMissing, 112)),
        ("35=0|49=A|34=2|52=20261122-10:00:00|".into(), Refusal::of(RequiredTagMissing, 56)),
        (format!("35=D|{HEAD}{ORDER}59=x|"), Refusal::of(ValueIncorrect, 59)),
        (format!("35=D|{HEAD}{ORDER}167=BOO|"), Refusal::of(ValueIncorrect, 167)),
        (format!("35=D|{HEAD}{ORDER}18=1 x|"), Refusal::of(ValueIncorrect, 18)),
        (format!("35=D|{HEAD}{ORDER}44=+1|"), Refusal::of(IncorrectFormat, 44)),
        (format!("35=D|{HEAD}{ORDER}126=20261122|"), Refusal::of(IncorrectFormat, 126)),
        (format!("35=D|{HEAD}{ORDER}15=EURO|"), Refusal::of(IncorrectFormat, 15)),
        (format!("35=D|{HEAD}{ORDER}40=2|"), Refusal::of(TagRepeated, 40)),
        (format!("35=D|11=ID|{HEAD}"), Refusal::of(OutOfOrder, 49)),
        (format!("35=0|{HEAD}93=1|89=x|112=x|"), Refusal::of(OutOfOrder, 112)),
        (format!("35=D|{HEAD}{ORDER}noequals|"), Refusal::whole(SeparatorInValue)),
    ];
    for (body, expected) in cases {
        assert_eq!(check44(&body), Err(expected), "{body}");
    }
    let negative = check44(&format!("35=0|{HEAD}-1=x|")).expect_err("no tag");
    assert!(matches!(negative.tag, RefTag::Written(..)) && negative.reason == InvalidTag);
}

#[test]
fn groups_are_held_to_their_count_their_order_and_what_they_must_have() {
    let cases = [
        ("386=2|336=A|336=B|", Ok(())),
        ("386=2|336=A|625=x|336=B|", Ok(())),
        ("453=1|448=A|447=D|452=3|802=2|523=x|803=1|523=y|803=2|58=end|", Ok(())),
        ("386=3|336=A|336=B|", Err(Refusal::of(WrongGroupCount, 386))),
        ("386=1|336=A|336=B|", Err(Refusal::of(WrongGroupCount, 386))),
        ("386=1|625=x|336=A|", Err(Refusal::of(GroupOutOfOrder, 625))),
        ("453=1|448=A|452=3|447=D|", Err(Refusal::of(GroupOutOfOrder, 447))),
        ("453=1|448=A|448=A|", Err(Refusal::of(WrongGroupCount, 453))),
        ("453=1|448=|", Err(Refusal::of(NoValue, 448))),
        ("453=x|448=A|", Err(Refusal::of(IncorrectFormat, 453))),
        ("453=0|", Ok(())),
        ("448=A|", Err(Refusal::of(NotDefinedForMessage, 448))),
        ("453=1|448=A|802=2|523=x|58=end|", Err(Refusal::of(WrongGroupCount, 802))),
    ];
    for (group, expected) in cases {
        assert_eq!(check44(&format!("35=D|{HEAD}{ORDER}{group}")), expected, "{group}");
    }
    let sp2 = format!("35=D|{HEAD}{ORDER}386=3|336=PRE-OPEN|336=x|");
    assert_eq!(check(Version::Fix50Sp2, &sp2), Err(Refusal::of(WrongGroupCount, 386)));
    let hops = |group: &str| check44(&format!("35=0|{HEAD}{group}112=x|"));
    assert_eq!(hops("627=1|628=A|"), Ok(()));
    assert_eq!(hops("627=2|628=A|"), Err(Refusal::of(WrongGroupCount, 627)));
}

#[test]
fn session_messages_over_fixt_know_only_their_own_tags() {
    let heartbeat = format!("35=0|{HEAD}999=x|");
    let refused = |reason| Err(Refusal::of(reason, 999));
    assert_eq!(check(Version::Fix50Sp2, &heartbeat), refused(InvalidTag));
    let text = format!("35=0|{HEAD}58=x|");
    assert_eq!(check(Version::Fix50Sp2, &text), Err(Refusal::of(NotDefinedForMessage, 58)));
}

#[test]
fn an_overlay_brings_custom_tags_and_further_requirements() {
    let overlay = "field 5001 ClientNote STRING a bb\nmessage D - app 5001! 44! -21\n";
    let dictionary = Dictionary::with_overlay(Version::Fix44, overlay).expect("a good overlay");
    let of = |body: &str| judge(&dictionary, &message("FIX.4.4", &format!("35=D|{HEAD}{body}")));
    let order = ORDER.replace("21=1|", "");
    assert_eq!(of(&format!("{order}44=1|5001=bb|")), Ok(()));
    assert_eq!(of(&format!("{order}44=1|")), Err(Refusal::of(RequiredTagMissing, 5001)));
    assert_eq!(of(&format!("{order}44=1|5001=c|")), Err(Refusal::of(ValueIncorrect, 5001)));
    assert_eq!(of(&format!("{ORDER}44=1|5001=a|")), Err(Refusal::of(NotDefinedForMessage, 21)));
}

/// Tags that mean something to the dictionary, so that chance gets somewhere.
fn likely_field() -> impl Strategy<Value = String> {
    let tag = prop_oneof![
        Just("453"),
        Just("448"),
        Just("447"),
        Just("452"),
        Just("802"),
        Just("523"),
        Just("386"),
        Just("336"),
        Just("555"),
        Just("600"),
        Just("95"),
        Just("96"),
        Just("8"),
        Just("34"),
        Just("11"),
        Just("99999"),
        Just("x"),
        Just(""),
    ];
    (tag, "[0-9A-Z]{0,3}").prop_map(|(tag, value)| format!("{tag}={value}\u{1}"))
}

proptest! {
    #[test]
    fn nothing_panics(
        kind in "[0-9A-Za-z]{0,2}",
        fields in vec(likely_field(), 0..40),
        noise in vec(any::<u8>(), 0..40),
    ) {
        let mut body = format!("35={kind}\u{1}{}", fields.concat()).into_bytes();
        body.extend(noise);
        body.push(1);
        for version in Version::ALL {
            let bytes = framed(version.begin_string(), &body);
            let Framing::Whole(found) = frame(&bytes) else { continue };
            let dictionary = version.dictionary();
            let mut indexer = Indexer::new();
            if let Ok(message) = indexer.read(&bytes, &found, dictionary) {
                let _ = Validator::new(dictionary).check(&message, dictionary);
            }
        }
    }
}
