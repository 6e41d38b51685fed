//! Snapshots out of a storm, and what becomes of bytes that were changed on the way.

use std::sync::OnceLock;

use proptest::prelude::*;

use crate::engine::tests::storm::Storm;
use crate::engine::tests::{Pair, instruments, roomy};
use crate::engine::{BookView, Matcher, SnapshotError, SoftwareMatcher};
use crate::model::{Command, CommandKind, Group, Nanos, SeqNo};

/// A snapshot of a matcher that a storm has filled, and its digest.
fn taken(seed: u64) -> (Vec<u8>, u64) {
    let mut storm = Storm::new(seed);
    let mut pair = Pair::new(roomy(), &instruments());
    for _ in 0..1_500 {
        pair.send(storm.next());
    }
    for _ in 0..1_000 {
        if !pair.software.wants_sweep() {
            break;
        }
        pair.send(Group::new(Command::new(CommandKind::Sweep)));
    }
    let mut bytes = Vec::new();
    let digest = pair.software.snapshot(&mut bytes).expect("it came to rest");
    assert!(pair.software.open_orders() > 10, "an empty snapshot proves nothing");
    (bytes, digest)
}

fn restored(bytes: &[u8]) -> Result<SoftwareMatcher, SnapshotError> {
    SoftwareMatcher::restore(roomy(), &instruments(), bytes)
}

#[test]
fn a_snapshot_of_what_was_restored_is_the_same_bytes() {
    let (bytes, digest) = taken(3);
    let matcher = restored(&bytes).expect("what was written can be read");
    let mut again = Vec::new();
    assert_eq!(matcher.snapshot(&mut again), Ok(digest));
    assert_eq!(again, bytes);
}

#[test]
fn what_is_cut_or_longer_or_of_another_matcher_is_refused_with_its_reason() {
    let (bytes, _) = taken(4);
    let refusal = |bytes: &[u8]| restored(bytes).err();
    assert_eq!(refusal(&[]), Some(SnapshotError::Length));
    assert_eq!(refusal(&bytes[..bytes.len() - 1]), Some(SnapshotError::Length));
    assert_eq!(refusal(&[&bytes[..], &[0]].concat()), Some(SnapshotError::Length));
    assert_eq!(refusal(&[b"X", &bytes[1..]].concat()), Some(SnapshotError::Magic));
    let other = SoftwareMatcher::restore(roomy(), &instruments()[..1], &bytes).err();
    assert_eq!(other, Some(SnapshotError::UnknownInstrument(1)));
}

/// Snapshots to change, taken once.
fn originals() -> &'static [Vec<u8>] {
    static ORIGINALS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    ORIGINALS.get_or_init(|| (0..4).map(|seed| taken(seed).0).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn changed_bytes_are_refused_or_harmless(
        seed in 0_u64..4,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = originals()[seed as usize].clone();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Ok(mut matcher) = restored(&bytes) {
            let mut storm = Storm::new(seed + 100);
            for seq in 1..200 {
                let mut group = storm.next();
                group.head.seq = SeqNo(1 << 20 | seq);
                group.head.timestamp = Nanos(1 << 40 | seq);
                matcher.submit(&group).expect("everything was drained");
                let count = matcher.finished().len();
                matcher.release(count);
            }
        }
    }

    #[test]
    fn any_bytes_at_all_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(restored(&bytes).is_err());
    }
}
