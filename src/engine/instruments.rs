//! Which instruments a matcher has, and where in its tables each stands.

use crate::engine::SetupError;
use crate::engine::limits::TABLE_CEILING;
use crate::model::{Instrument, InstrumentId};

/// Says whether a matcher can be made of these instruments.
pub(super) fn check_instruments(instruments: &[Instrument]) -> Result<(), SetupError> {
    let mut ids: Vec<u32> = instruments.iter().map(|instrument| instrument.id.0).collect();
    ids.sort_unstable();
    if let Some(&id) = ids.iter().find(|&&id| id == 0 || id >= TABLE_CEILING) {
        return Err(SetupError::InstrumentNumber(id));
    }
    if let Some(twice) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(SetupError::InstrumentTwice(twice[0]));
    }
    match instruments.iter().find(|instrument| instrument.tick.0 <= 0) {
        Some(wrong) => Err(SetupError::Tick(wrong.id.0, wrong.tick)),
        None => Ok(()),
    }
}

/// The instruments of one matcher in order of their numbers, each found by its number.
#[derive(Debug)]
pub(super) struct Instruments {
    list: Box<[Instrument]>,
    /// One more than the place in `list`, by number; 0 where another matcher has it.
    places: Box<[u32]>,
}

impl Instruments {
    pub(super) fn new(instruments: &[Instrument]) -> Result<Self, SetupError> {
        check_instruments(instruments)?;
        let mut list = instruments.to_vec();
        list.sort_by_key(|instrument| instrument.id);
        let end = list.last().map_or(0, |last| last.id.index() + 1);
        let mut places = vec![0; end];
        for (place, instrument) in (1..).zip(&list) {
            places[instrument.id.index()] = place;
        }
        Ok(Self { list: list.into(), places: places.into() })
    }

    /// The place of an instrument; `None` if this matcher does not have it.
    #[inline]
    pub(super) fn place(&self, id: InstrumentId) -> Option<usize> {
        (*self.places.get(id.index())? as usize).checked_sub(1)
    }

    /// The instrument of a place is this one now; a reference price of 0 leaves what there is.
    pub(super) fn put(&mut self, place: usize, instrument: Instrument) {
        if let Some(known) = self.list.get_mut(place) {
            let is_priced = instrument.reference_price.0 > 0;
            let priced = if is_priced { &instrument } else { &*known };
            *known = Instrument { reference_price: priced.reference_price, ..instrument };
        }
    }

    /// All of them, by place.
    pub(super) fn list(&self) -> &[Instrument] {
        &self.list
    }
}
