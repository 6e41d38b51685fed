//! The price collar: how far from the reference price an order may be.
//!
//! The reference is the last trade, and the configured price until there is one.

use crate::engine::risk::guards::GuardSet;
use crate::model::{Hours, Instrument, InstrumentId, Phase, Price, RejectCode, Symbol, fetch};
use crate::snapshot::{part, value};

const BPS_ONE: i64 = 10_000;

/// One instrument as the gate sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listed {
    pub(super) tick: Price,
    pub(super) lot: u32,
    pub(super) reference: Price,
    /// Another appliance matches it.
    pub(super) is_elsewhere: bool,
    /// Its orders are sent on to a destination.
    pub(super) is_routed: bool,
    /// The shard it is dealt to.
    pub(super) home: u8,
    /// The hours it is in.
    pub(super) hours: Hours,
    /// The collar of these hours; 0 is the account's own.
    pub(super) collar_bps: u32,
    /// What watches over it.
    pub(super) guards: GuardSet,
    /// The phase it is in, as far as the gate has been told.
    pub(super) phase: Phase,
    /// Market data halted it: the phase it would be in.
    pub(super) held_from: Option<Phase>,
}
value!(Listed {
    tick,
    lot,
    reference,
    is_elsewhere,
    is_routed,
    home,
    hours,
    collar_bps,
    guards,
    phase,
    held_from,
});

/// The instruments with their reference prices, by id.
#[derive(Clone, Debug)]
pub(super) struct Collar {
    listed: Box<[Option<Listed>]>,
    /// Places for those that are listed while running, in the phases they are in.
    spare: Box<[Option<Listed>]>,
    /// Beside them, for nobody asks for one on an order's way.
    symbols: Box<[Symbol]>,
}
part!(Collar { listed, spare, symbols });

impl Collar {
    pub(super) fn new(instruments: &[Instrument]) -> Self {
        let highest = instruments.iter().map(|listed| listed.id.index()).max().unwrap_or(0);
        let mut listed = vec![None; highest + 1];
        let mut symbols = vec![Symbol::BLANK; highest + 1];
        let mut spare = listed.clone();
        for instrument in instruments {
            let places = if instrument.is_spare() { &mut spare } else { &mut listed };
            places[instrument.id.index()] = Some(Listed::new(instrument));
            symbols[instrument.id.index()] = instrument.symbol;
        }
        Self { listed: listed.into(), spare: spare.into(), symbols: symbols.into() }
    }

    /// Lists an instrument, or lists one otherwise; a reference price of 0 leaves it as it is.
    pub(super) fn list(&mut self, instrument: &Instrument, home: u8) -> Result<(), RejectCode> {
        let at = instrument.id.index();
        let others = self.symbols.iter().enumerate().filter(|(other, _)| *other != at);
        if others.into_iter().any(|(_, symbol)| *symbol == instrument.symbol) {
            return Err(RejectCode::SymbolTaken);
        }
        let spare = self.spare.get_mut(at).and_then(Option::take);
        let places = self.listed.get_mut(at).zip(self.symbols.get_mut(at));
        let (place, symbol) = places.ok_or(RejectCode::UnknownInstrument)?;
        *place = place.or(spare.map(|spare| Listed { home, ..spare }));
        let listed = place.as_mut().ok_or(RejectCode::UnknownInstrument)?;
        *symbol = instrument.symbol;
        (listed.tick, listed.lot) = (instrument.tick, instrument.lot.0.max(1));
        if instrument.reference_price.0 > 0 {
            listed.reference = instrument.reference_price;
        }
        Ok(())
    }

    /// An instrument is dealt to a shard.
    pub(super) fn set_home(&mut self, id: InstrumentId, shard: u8) {
        if let Some(Some(listed)) = self.listed.get_mut(id.index()) {
            listed.home = shard;
        }
    }

    /// An instrument's orders are sent on.
    pub(super) fn set_routed(&mut self, id: InstrumentId) {
        if let Some(Some(listed)) = self.listed.get_mut(id.index()) {
            listed.is_routed = true;
        }
    }

    /// Another appliance matches an instrument.
    pub(super) fn set_elsewhere(&mut self, id: InstrumentId) {
        if let Some(Some(listed)) = self.listed.get_mut(id.index()) {
            listed.is_elsewhere = true;
        }
    }

    /// Asks the caches for a row.
    #[inline]
    pub(super) fn fetch(&self, id: InstrumentId) {
        fetch(&self.listed, id.index());
    }

    pub(super) fn len(&self) -> usize {
        self.listed.len()
    }

    /// The instrument, if it is known.
    #[inline]
    pub(super) fn listed(&self, id: InstrumentId) -> Option<Listed> {
        self.listed.get(id.index()).copied().flatten()
    }

    /// The instrument, to be changed; or the place of one that is not listed yet.
    #[inline]
    pub(super) fn listed_mut(&mut self, id: InstrumentId) -> Option<&mut Listed> {
        let spare = &mut self.spare;
        let listed = self.listed.get_mut(id.index()).and_then(Option::as_mut);
        listed.or_else(|| spare.get_mut(id.index())?.as_mut())
    }

    /// An instrument comes into other hours.
    pub(super) fn set_hours(
        &mut self,
        id: InstrumentId,
        hours: Hours,
        collar_bps: u32,
    ) -> Result<(), RejectCode> {
        let listed = self.listed_mut(id).ok_or(RejectCode::UnknownInstrument)?;
        (listed.hours, listed.collar_bps) = (hours, collar_bps);
        Ok(())
    }

    /// Folds what is known of instruments into a digest: prices, phases, and who made a halt.
    pub(super) fn digest(&self, mut fold: impl FnMut(u64)) {
        for (listed, symbol) in self.listed.iter().zip(&self.symbols) {
            let Some(listed) = listed else { continue };
            fold(
                u64::from_be_bytes(symbol.0) ^ (listed.tick.0 as u64) << 32 ^ u64::from(listed.lot),
            );
            let held = listed.held_from.map_or(0, |phase| 0x100 | u64::from(phase.code()));
            fold(listed.reference.0 as u64);
            fold(held << 8 | u64::from(listed.phase.code()));
        }
    }

    /// A trade, or a command, sets the reference.
    #[inline]
    pub(super) fn has_auction(&self) -> bool {
        self.listed.iter().flatten().any(|listed| listed.phase.auctions())
    }

    pub(super) fn set_reference(&mut self, id: InstrumentId, price: Price) {
        if let Some(Some(listed)) = self.listed.get_mut(id.index()) {
            listed.reference = price;
        }
    }
}

impl Listed {
    /// As it begins.
    fn new(instrument: &Instrument) -> Self {
        Self {
            tick: instrument.tick,
            lot: instrument.lot.0.max(1),
            reference: instrument.reference_price,
            is_elsewhere: false,
            is_routed: false,
            home: 0,
            hours: Hours::Main,
            collar_bps: 0,
            guards: GuardSet::default(),
            phase: Phase::Continuous,
            held_from: None,
        }
    }

    /// The lowest and highest price allowed at `bps` hundredths of a percent from the reference.
    #[inline]
    pub(super) fn band(&self, bps: u32) -> Result<(Price, Price), RejectCode> {
        if self.reference.0 <= 0 {
            return Err(RejectCode::NoReferencePrice);
        }
        let bps = if self.collar_bps == 0 { bps } else { self.collar_bps };
        let span = self.reference.0.saturating_mul(bps as i64) / BPS_ONE;
        let low = self.reference.0.saturating_sub(span).max(1);
        Ok((Price(low), Price(self.reference.0.saturating_add(span))))
    }

    /// The worst price a market order may trade at: the end of the band, on the tick, inside.
    #[inline]
    pub(super) fn protection(&self, buys: bool, bps: u32) -> Result<Price, RejectCode> {
        let (low, high) = self.band(bps)?;
        let tick = self.tick.0.max(1);
        let price =
            if buys { high.0 / tick * tick } else { low.0.saturating_add(tick - 1) / tick * tick };
        Ok(Price(price.max(tick)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(tick: i64, reference: i64) -> Listed {
        let (tick, reference_price) = (Price(tick), Price(reference));
        Listed::new(&Instrument { tick, reference_price, ..Instrument::spare(InstrumentId(1)) })
    }

    #[test]
    fn the_collar_of_the_hours_goes_before_the_accounts() {
        let listed = Listed { collar_bps: 300, ..listed(100, 1_000_000) };
        assert_eq!(listed.band(1_000), Ok((Price(970_000), Price(1_030_000))));
        let (spare, symbols) = (Box::default(), vec![Symbol::BLANK; 2].into());
        let mut collar = Collar { listed: vec![None, Some(listed)].into(), spare, symbols };
        let unknown = collar.set_hours(InstrumentId(2), Hours::Overnight, 0);
        assert_eq!(unknown, Err(RejectCode::UnknownInstrument));
        collar.set_hours(InstrumentId(1), Hours::Main, 0).expect("it is known");
        let band = collar.listed(InstrumentId(1)).expect("it is known").band(1_000);
        assert_eq!(band, Ok((Price(900_000), Price(1_100_000))));
    }

    #[test]
    fn the_band_is_a_tenth_by_default_and_protection_is_on_the_tick() {
        let listed = listed(100, 1_000_050);
        assert_eq!(listed.band(1_000), Ok((Price(900_045), Price(1_100_055))));
        assert_eq!(listed.protection(true, 1_000), Ok(Price(1_100_000)));
        assert_eq!(listed.protection(false, 1_000), Ok(Price(900_100)));
    }

    #[test]
    fn no_reference_is_a_refusal() {
        let listed = listed(1, 0);
        assert_eq!(listed.band(1_000), Err(RejectCode::NoReferencePrice));
    }
}
