//! What each account holds of each instrument, found without hashing while the table is small.

use crate::engine::IdMap;
use crate::model::{AccountId, InstrumentId, Notional, RejectCode};

/// One account's position and open orders in one instrument; two share a cache line.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(32))]
pub(super) struct Holding {
    pub(super) position: i64,
    pub(super) cost: Notional,
    pub(super) open_orders: u32,
}

/// How a pair's row is found.
#[derive(Debug)]
enum Places {
    /// There is a row for every pair: account times this, plus instrument.
    Dense(usize),
    /// A pair gets the next row when it is first touched.
    Sparse { rows: IdMap, used: usize },
}

/// All rows.
#[derive(Debug)]
pub(super) struct Holdings {
    places: Places,
    rows: Box<[Holding]>,
}

impl Holdings {
    /// For accounts and instruments below these numbers, with at most `rows_max` rows.
    pub(super) fn new(accounts: usize, instruments: usize, rows_max: usize) -> Self {
        let pairs = accounts.saturating_mul(instruments);
        let (places, rows) = match pairs <= rows_max {
            true => (Places::Dense(instruments), pairs),
            false => (Places::Sparse { rows: IdMap::with_capacity(rows_max), used: 0 }, rows_max),
        };
        Self { places, rows: vec![Holding::default(); rows].into() }
    }

    /// The row of a pair.
    ///
    /// # Errors
    /// [`RejectCode::Exposure`] where there is no room for another pair.
    #[inline]
    pub(super) fn row(
        &mut self,
        account: AccountId,
        instrument: InstrumentId,
    ) -> Result<u32, RejectCode> {
        let row = match &mut self.places {
            Places::Dense(instruments) if instrument.index() < *instruments => {
                account.index() * *instruments + instrument.index()
            }
            Places::Dense(_) => return Err(RejectCode::UnknownInstrument),
            Places::Sparse { rows, used } => {
                let key = u64::from(account.0) << 32 | u64::from(instrument.0);
                if let Some(row) = rows.get(key) {
                    return Ok(row);
                }
                let row = *used;
                rows.insert(key, row as u32).map_err(|_| RejectCode::Exposure)?;
                *used += 1;
                row
            }
        };
        if row < self.rows.len() { Ok(row as u32) } else { Err(RejectCode::Exposure) }
    }

    #[inline]
    pub(super) fn get_mut(&mut self, row: u32) -> Option<&mut Holding> {
        self.rows.get_mut(row as usize)
    }

    /// The rows that may hold something, in a fixed order.
    pub(super) fn rows(&self) -> &[Holding] {
        match self.places {
            Places::Dense(_) => &self.rows,
            Places::Sparse { used, .. } => self.rows.get(..used).unwrap_or(&[]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_has_a_row_of_its_own_dense_or_sparse() {
        for rows_max in [100, 12] {
            let mut holdings = Holdings::new(5, 4, rows_max);
            let mut seen = std::collections::BTreeSet::new();
            for (account, instrument) in [(0, 0), (4, 3), (1, 2), (2, 1), (4, 0)] {
                let (account, instrument) = (AccountId(account), InstrumentId(instrument));
                let row = holdings.row(account, instrument).expect("there is room");
                assert!(seen.insert(row));
                assert_eq!(holdings.row(account, instrument), Ok(row));
            }
        }
    }

    #[test]
    fn what_has_no_room_is_refused() {
        let mut holdings = Holdings::new(1_000, 1_000, 2);
        let row = |holdings: &mut Holdings, account| {
            holdings.row(AccountId(account), InstrumentId(7)).map(|_| ())
        };
        assert_eq!(row(&mut holdings, 1), Ok(()));
        assert_eq!(row(&mut holdings, 2), Ok(()));
        assert_eq!(row(&mut holdings, 3), Err(RejectCode::Exposure));
        assert_eq!(row(&mut holdings, 1), Ok(()));
    }
}
