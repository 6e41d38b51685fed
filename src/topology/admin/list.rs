//! Listing instruments while the appliance runs: which place a new one gets, and what is wrong with
//! what was asked, in a sentence, before the gate says so in a code.

use crate::model::{Instrument, Price, Quantity, Symbol};
use crate::topology::admin::ask::{AskError, instrument_of, price_of};

/// What was asked for; what is empty, or 0, was not.
pub(super) struct Wanted<'a> {
    pub(super) symbol: &'a str,
    /// Its new symbol.
    pub(super) named: &'a str,
    pub(super) tick: &'a str,
    pub(super) lot: u32,
    pub(super) price: &'a str,
}

impl Wanted<'_> {
    /// The instrument that gets the next place that nobody has.
    pub(super) fn added(&self, listed: &[Instrument]) -> Result<Instrument, AskError> {
        let symbol = symbol_of(self.symbol, listed)?;
        let spare = listed.iter().find(|listed| listed.is_spare()).ok_or_else(|| {
            AskError(
                "there is no place for another instrument: raise `[risk] spare_instruments`, which \
                 counts from the next start"
                    .into(),
            )
        })?;
        if self.price.is_empty() {
            return Err(AskError("say its reference price: the collar begins there".into()));
        }
        self.put_on(Instrument { symbol, ..*spare })
    }

    /// An instrument that is listed, as it is to be.
    pub(super) fn changed(&self, listed: &[Instrument]) -> Result<Instrument, AskError> {
        let id = instrument_of(self.symbol, listed)?;
        let Some(known) = listed.iter().find(|listed| listed.id == id) else {
            return Err(AskError(format!("`{}` is no instrument here", self.symbol)));
        };
        let symbol = match self.named.is_empty() || self.named == self.symbol {
            true => known.symbol,
            false => symbol_of(self.named, listed)?,
        };
        // Its reference price stays where trades have brought it.
        self.put_on(Instrument { symbol, reference_price: Price::ZERO, ..*known })
    }

    fn put_on(&self, instrument: Instrument) -> Result<Instrument, AskError> {
        let above = |what: &str, text: &str, most: i64| match price_of(text)? {
            price if price.0 <= 0 || price.0 > most => Err(AskError(format!(
                "the {what} is `{text}`: it is above 0 and at most {}",
                Price(most)
            ))),
            price => Ok(price),
        };
        let mut instrument = instrument;
        if !self.tick.is_empty() {
            instrument.tick = above("tick", self.tick, u32::MAX.into())?;
        }
        if !self.price.is_empty() {
            instrument.reference_price =
                above("reference price", self.price, Instrument::REFERENCE_MAX.0)?;
        }
        if self.lot > 0 {
            instrument.lot = Quantity(self.lot);
        }
        if instrument.reference_price.0 % instrument.tick.0 != 0 {
            let (price, tick) = (instrument.reference_price, instrument.tick);
            let message = format!("the reference price {price} is not on the tick {tick}");
            return Err(AskError(message));
        }
        Ok(instrument)
    }
}

fn symbol_of(name: &str, listed: &[Instrument]) -> Result<Symbol, AskError> {
    let symbol = Symbol::new(name).ok_or_else(|| {
        AskError(format!("`{name}` is no symbol: write 1 to 8 letters, digits or signs"))
    })?;
    match listed.iter().any(|listed| listed.symbol == symbol) {
        true => Err(AskError(format!("`{name}` is listed already"))),
        false => Ok(symbol),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::InstrumentId;

    fn listed() -> Vec<Instrument> {
        let acme = Instrument {
            symbol: Symbol::new("ACME").expect("a symbol"),
            reference_price: Price(1_000_000),
            ..Instrument::spare(InstrumentId(1))
        };
        vec![acme, Instrument::spare(InstrumentId(2))]
    }

    const NEW: Wanted<'_> = Wanted { symbol: "NOVA", named: "", tick: "0.05", lot: 10, price: "5" };

    #[test]
    fn a_new_one_gets_the_next_place_and_a_changed_one_keeps_what_is_not_named() {
        let new = NEW.added(&listed()).expect("there is a place");
        assert_eq!((new.id, new.tick, new.lot), (InstrumentId(2), Price(500), Quantity(10)));
        let change = Wanted { symbol: "ACME", named: "APEX", tick: "", lot: 0, price: "" };
        let changed = change.changed(&listed()).expect("it is listed");
        assert_eq!((changed.id, changed.symbol.name()), (InstrumentId(1), "APEX".into()));
        assert_eq!((changed.tick, changed.lot), (Price(100), Quantity(1)));
        assert_eq!(changed.reference_price, Price::ZERO, "it stays where it is");
    }

    #[test]
    fn what_cannot_be_is_refused_in_a_sentence() {
        let refusal = |wanted: Wanted<'_>, listed: &[Instrument]| {
            wanted.added(listed).expect_err("it cannot be").0
        };
        let all = listed();
        assert!(refusal(NEW, &all[..1]).contains("spare_instruments"));
        assert!(refusal(Wanted { symbol: "ACME", ..NEW }, &all).contains("listed already"));
        assert!(refusal(Wanted { symbol: "TOO LONG A NAME", ..NEW }, &all).contains("no symbol"));
        assert!(refusal(Wanted { symbol: "", ..NEW }, &all).contains("no symbol"));
        assert!(refusal(Wanted { price: "", ..NEW }, &all).contains("reference price"));
        assert!(refusal(Wanted { price: "5.03", ..NEW }, &all).contains("not on the tick"));
        assert!(refusal(Wanted { tick: "-1", ..NEW }, &all).contains("above 0"));
        let nobody = Wanted { symbol: "NOVA", ..NEW }.changed(&all).expect_err("it is not listed");
        assert!(nobody.0.contains("no instrument"));
    }
}
