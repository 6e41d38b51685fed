//! The static table of what is traded.

use crate::model::{InstrumentId, Price, Quantity, Symbol};

/// One traded instrument, as configured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Instrument {
    /// Its dense number, from 1; also its ITCH stock locate.
    pub id: InstrumentId,
    /// Its name on the wire.
    pub symbol: Symbol,
    /// The smallest price step; prices are multiples of it.
    pub tick: Price,
    /// The smallest quantity step.
    pub lot: Quantity,
    /// The price the collar starts from until something has traded.
    pub reference_price: Price,
}
