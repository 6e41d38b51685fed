//! What is set for a scope and an instrument together: who may not trade it, and how many shares
//! are located for whom.

use crate::engine::IdMap;
use crate::model::{InstrumentId, RejectCode, Scope};
use crate::snapshot::part;

/// Pairs there is room for.
const PAIRS_MAX: usize = 1 << 14;

/// Values of pairs of one kind.
#[derive(Debug)]
pub(super) struct Pairs {
    values: IdMap,
    any: bool,
}
part!(Pairs { values, any });

impl Pairs {
    pub(super) fn new() -> Self {
        Self { values: IdMap::with_capacity(PAIRS_MAX), any: false }
    }

    /// Bytes it takes.
    pub(super) const fn bytes() -> usize {
        PAIRS_MAX * 2 * 16
    }

    fn key(scope: Scope, id: u32, instrument: InstrumentId) -> u64 {
        // Ids stay far below their 29 bits.
        (scope.code() as u64) << 61 | u64::from(id) << 32 | u64::from(instrument.0)
    }

    /// Sets a pair's value; below 0 is none.
    pub(super) fn set(
        &mut self,
        scope: Scope,
        id: u32,
        instrument: InstrumentId,
        value: i64,
    ) -> Result<(), RejectCode> {
        if id >> 29 != 0 {
            return Err(RejectCode::Unsupported);
        }
        let value = value.clamp(0, u32::MAX.into()) as u32;
        let kept = self.values.insert(Self::key(scope, id, instrument), value);
        kept.map_err(|_| RejectCode::LimitTable)?;
        self.any = true;
        Ok(())
    }

    /// A pair's value; 0 where none is set.
    #[inline]
    pub(super) fn get(&self, scope: Scope, id: u32, instrument: InstrumentId) -> u32 {
        if !self.any {
            return 0;
        }
        self.values.get(Self::key(scope, id, instrument)).unwrap_or(0)
    }

    /// Whether any pair has ever had a value.
    #[inline]
    pub(super) const fn any(&self) -> bool {
        self.any
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    use super::*;

    proptest! {
        #[test]
        fn a_pair_has_what_was_last_set(
            sets in proptest::collection::vec((0..6u8, 0..4u32, 0..4u32, -1..5i64), 0..100),
        ) {
            let (mut pairs, mut oracle) = (Pairs::new(), BTreeMap::new());
            for (scope, id, instrument, value) in sets {
                let code = Scope::from_code(scope).expect("a scope");
                pairs.set(code, id, InstrumentId(instrument), value).expect("there is room");
                oracle.insert((scope, id, instrument), value.max(0) as u32);
            }
            for scope in Scope::ALL {
                for (id, instrument) in (0..4).flat_map(|id| (0..4).map(move |at| (id, at))) {
                    let expected = oracle.get(&(scope.code(), id, instrument)).copied();
                    let found = pairs.get(*scope, id, InstrumentId(instrument));
                    prop_assert_eq!(found, expected.unwrap_or(0));
                }
            }
        }
    }
}
