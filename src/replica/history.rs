//! How far two histories are one.

/// The last command that two histories have in common, by their epochs: in one epoch there is one
/// primary, so what both have of an epoch is the same. What stands for an epoch may be any number
/// that is never used by two.
pub(super) fn common<K: PartialEq>(
    ours: &[(K, u64)],
    our_last: u64,
    theirs: &[(K, u64)],
    their_last: u64,
) -> u64 {
    let end = |epochs: &[(K, u64)], at: usize, last: u64| {
        epochs.get(at + 1).map_or(last, |(_, first)| first.saturating_sub(1))
    };
    let mut keep = 0;
    for (at, (our, their)) in ours.iter().zip(theirs).enumerate() {
        if our != their {
            break;
        }
        let (our_end, their_end) = (end(ours, at, our_last), end(theirs, at, their_last));
        keep = our_end.min(their_end);
        if our_end != their_end {
            break;
        }
    }
    keep
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A history as the epoch of each command.
    fn epochs_of(history: &[u32]) -> Vec<(u32, u64)> {
        let mut epochs: Vec<(u32, u64)> = Vec::new();
        for (epoch, seq) in history.iter().zip(1..) {
            if epochs.last().is_none_or(|(last, _)| last != epoch) {
                epochs.push((*epoch, seq));
            }
        }
        epochs
    }

    proptest! {
        #[test]
        fn histories_agree_as_far_as_is_said(
            mut ours in prop::collection::vec(0u32..6, 0..30),
            cut in 0usize..30,
            further in prop::collection::vec(6u32..9, 0..10),
        ) {
            ours.sort_unstable();
            // Theirs is a piece of ours, then maybe another primary's.
            let mut theirs: Vec<u32> = ours.iter().copied().take(cut).collect();
            let shared = theirs.len() as u64;
            let mut further = further;
            further.sort_unstable();
            theirs.extend(&further);
            let keep = common(
                &epochs_of(&ours), ours.len() as u64, &epochs_of(&theirs), theirs.len() as u64,
            );
            prop_assert_eq!(keep, shared);
        }
    }
}
