//! The static table of what is traded.

use crate::model::{Command, CommandKind, Event, InstrumentId, Price, Quantity, Symbol};

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

impl Instrument {
    /// A place for one that is listed while running: nobody knows it until then.
    pub const fn spare(id: InstrumentId) -> Self {
        Self {
            id,
            symbol: Symbol::BLANK,
            tick: Price(100),
            lot: Quantity(1),
            reference_price: Price::ZERO,
        }
    }

    /// The highest reference price one may be listed at: sums of such prices stay in bounds.
    pub const REFERENCE_MAX: Price = Price(1 << 50);

    /// Whether it is such a place.
    pub fn is_spare(&self) -> bool {
        self.symbol == Symbol::BLANK
    }

    /// The command that lists it, or (not `is_new`) lists it otherwise; a tick beyond 429,496 has
    /// no room there and becomes 0.
    pub fn command(&self, is_new: bool) -> Command {
        let [a, b, c, d, e, f, g, h] = self.symbol.0;
        Command {
            instrument: self.id,
            ordinal: u32::from_be_bytes([a, b, c, d]),
            target: u32::from_be_bytes([e, f, g, h]),
            quantity: self.lot,
            price: self.reference_price,
            client_seq: u32::try_from(self.tick.0).unwrap_or(0),
            order_type: u8::from(!is_new),
            ..Command::new(CommandKind::SetInstrument)
        }
    }

    /// As a command lists it; `None` where that makes no sense.
    pub fn of_command(command: &Command) -> Option<Self> {
        let Command { ordinal, target, quantity, client_seq, price, .. } = *command;
        Self::of(command.instrument, [ordinal, target], quantity, client_seq, price)
    }

    /// As an event says that it is listed.
    pub fn of_event(event: &Event) -> Option<Self> {
        let Event { ordinal, target, quantity, client_seq, price, .. } = *event;
        Self::of(event.instrument, [ordinal, target], quantity, client_seq, price)
    }

    fn of(
        id: InstrumentId,
        symbol: [u32; 2],
        lot: Quantity,
        tick: u32,
        reference_price: Price,
    ) -> Option<Self> {
        let bytes = (u64::from(symbol[0]) << 32 | u64::from(symbol[1])).to_be_bytes();
        let symbol = Symbol::new(std::str::from_utf8(bytes.trim_ascii_end()).ok()?)?;
        let is_good = id.0 > 0 && lot.0 > 0 && tick > 0;
        let is_good = is_good && (0..=Self::REFERENCE_MAX.0).contains(&reference_price.0);
        let tick = Price(i64::from(tick));
        is_good.then_some(Self { id, symbol, tick, lot, reference_price })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::EventKind;

    proptest! {
        /// What lists an instrument says all of it, and no bytes make a wrong one.
        #[test]
        fn a_listing_goes_through_its_command_and_its_event(
            name in "[!-~]{1,8}", id in 1..u32::MAX, tick in 1..=u32::MAX, lot in 1..=u32::MAX,
            price in 0..=1i64 << 50, noise in any::<[u32; 4]>(),
        ) {
            let listed = Instrument {
                id: InstrumentId(id),
                symbol: Symbol::new(&name).expect("a good name"),
                tick: Price(tick.into()),
                lot: Quantity(lot),
                reference_price: Price(price),
            };
            let command = listed.command(noise[0] & 1 == 0);
            prop_assert_eq!(Instrument::of_command(&command), Some(listed));
            let event = Event::answering(&command, 0, EventKind::InstrumentSet);
            prop_assert_eq!(Instrument::of_event(&event), Some(listed));
            let [ordinal, target, client_seq, quantity] = noise;
            let quantity = Quantity(quantity);
            let wild = Command { ordinal, target, client_seq, quantity, ..command };
            if let Some(listed) = Instrument::of_command(&wild) {
                prop_assert!(Symbol::new(&listed.symbol.name()) == Some(listed.symbol));
                prop_assert!(listed.tick.0 > 0 && listed.lot.0 > 0);
            }
        }
    }

    #[test]
    fn a_spare_place_lists_nothing() {
        let spare = Instrument::spare(InstrumentId(7));
        assert!(spare.is_spare() && Instrument::of_command(&spare.command(true)).is_none());
    }
}
