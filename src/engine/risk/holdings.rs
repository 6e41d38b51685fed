//! What each account holds of each instrument, found without hashing while the table is small.

use crate::engine::IdMap;
use crate::model::{AccountId, InstrumentId, Notional, Price, Quantity, RejectCode, fetch};
use crate::snapshot::{Bad, Part, Source, part};

/// One account's position and open orders in one instrument; two share a cache line.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(32))]
pub(super) struct Holding {
    pub(super) position: i64,
    pub(super) cost: Notional,
    pub(super) open_orders: u32,
    /// Shares that open purchases could bring.
    pub(super) open_buy: u32,
    /// Shares that open sales could take.
    pub(super) open_sell: u32,
}
part!(Holding { position, cost, open_orders, open_buy, open_sell });

impl Holding {
    /// Shares that would be held if every open order of a side traded and none of the other.
    #[inline]
    pub(super) fn worst(&self, is_sale: bool) -> i64 {
        match is_sale {
            true => i64::from(self.open_sell).saturating_sub(self.position),
            false => i64::from(self.open_buy).saturating_add(self.position),
        }
    }

    /// Open shares of a side become others; `None` where there were not so many.
    #[inline]
    pub(super) fn recount(&mut self, is_sale: bool, from: Quantity, to: Quantity) -> Option<()> {
        let open = if is_sale { &mut self.open_sell } else { &mut self.open_buy };
        *open = open.checked_sub(from.0)?.checked_add(to.0)?;
        Some(())
    }

    /// Counts a trade; returns by how much the cost changes, and by how much whatever its sign.
    ///
    /// What closes takes its share of what the position cost, so a closed position costs nothing.
    pub(super) fn trade(&mut self, bought: bool, quantity: Quantity, price: Price) -> Change {
        let before = self.cost;
        let signed = if bought { i64::from(quantity.0) } else { -i64::from(quantity.0) };
        let opens = self.position == 0 || (self.position > 0) == bought;
        let closed =
            if opens { 0 } else { u64::from(quantity.0).min(self.position.unsigned_abs()) };
        if closed > 0 {
            let share = share_of(before.0, closed, self.position.unsigned_abs());
            self.cost = self.cost.saturating_sub(Notional(share));
        }
        let rest = Quantity((u64::from(quantity.0) - closed) as u32);
        let money = price.notional(rest).unwrap_or(Notional::MAX);
        self.cost = match bought {
            true => self.cost.saturating_add(money),
            false => self.cost.saturating_sub(money),
        };
        self.position = self.position.saturating_add(signed);
        Change {
            net: self.cost.saturating_sub(before),
            gross: Notional(self.cost.0.saturating_abs() - before.0.saturating_abs()),
        }
    }
}

/// How a trade changes what positions cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) net: Notional,
    pub(super) gross: Notional,
}

/// `cost * part / whole`, towards zero.
fn share_of(cost: i64, part: u64, whole: u64) -> i64 {
    if part >= whole {
        return cost;
    }
    // Nearly always this is enough, and a division of 128 bits costs as much as the whole gate.
    match (cost.checked_mul(part as i64), i64::try_from(whole)) {
        (Some(product), Ok(whole)) => product / whole,
        _ => (i128::from(cost) * i128::from(part) / i128::from(whole.max(1))) as i64,
    }
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

impl Part for Holdings {
    fn write(&self, to: &mut Vec<u8>) {
        self.rows.write(to);
        if let Places::Sparse { rows, used } = &self.places {
            rows.write(to);
            used.write(to);
        }
    }

    fn read(&mut self, from: &mut Source<'_>) -> Result<(), Bad> {
        self.rows.read(from).map_err(|bad| bad.at("rows"))?;
        if let Places::Sparse { rows, used } = &mut self.places {
            rows.read(from).map_err(|bad| bad.at("places"))?;
            used.read(from).map_err(|bad| bad.at("used"))?;
            if *used > self.rows.len() {
                return Err(Bad::new("more than there is room for").at("used"));
            }
        }
        Ok(())
    }
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

    /// Bytes of its rows.
    pub(super) fn bytes(&self) -> usize {
        std::mem::size_of_val(&*self.rows)
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

    /// Asks the caches for where a pair's row is, or is noted.
    #[inline]
    pub(super) fn fetch(&self, account: AccountId, instrument: InstrumentId) {
        match &self.places {
            Places::Dense(instruments) => {
                fetch(&self.rows, account.index() * *instruments + instrument.index());
            }
            Places::Sparse { rows, .. } => {
                rows.fetch(u64::from(account.0) << 32 | u64::from(instrument.0));
            }
        }
    }

    /// Asks the caches for a pair's row, where it is noted nearby already.
    #[inline]
    pub(super) fn fetch_row(&self, account: AccountId, instrument: InstrumentId) {
        if let Places::Sparse { rows, .. } = &self.places
            && let Some(row) = rows.get(u64::from(account.0) << 32 | u64::from(instrument.0))
        {
            fetch(&self.rows, row as usize);
        }
    }

    /// A pair's row, if it has one.
    pub(super) fn find(&self, account: AccountId, instrument: InstrumentId) -> Option<&Holding> {
        let row = match &self.places {
            Places::Dense(instruments) if instrument.index() < *instruments => {
                account.index() * *instruments + instrument.index()
            }
            Places::Dense(_) => return None,
            Places::Sparse { rows, .. } => {
                rows.get(u64::from(account.0) << 32 | u64::from(instrument.0))? as usize
            }
        };
        self.rows.get(row)
    }

    #[inline]
    pub(super) fn get(&self, row: u32) -> Option<&Holding> {
        self.rows.get(row as usize)
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
