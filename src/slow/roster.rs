//! What is traded, for people: as configured, and as listed since. The slow thread writes it behind
//! the recorder; whoever looks up a symbol may be a moment behind history.

use std::sync::{Arc, PoisonError, RwLock};

use crate::model::{Instrument, InstrumentId};

/// All instruments, by their numbers; places that nobody has are among them.
#[derive(Clone, Debug, Default)]
pub struct Roster(Arc<RwLock<Arc<[Instrument]>>>);

impl Roster {
    /// Of these, in the order of their numbers from 1.
    pub fn new(instruments: &[Instrument]) -> Self {
        Self(Arc::new(RwLock::new(instruments.into())))
    }

    /// All of them, as they are now.
    pub fn all(&self) -> Arc<[Instrument]> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// One of them.
    pub fn get(&self, id: InstrumentId) -> Option<Instrument> {
        self.all().get(id.index().checked_sub(1)?).copied()
    }

    /// An instrument is this from now on; a reference price of 0 leaves what there is.
    pub fn put(&self, instrument: Instrument) {
        let mut shared = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let mut all = shared.to_vec();
        put(&mut all, instrument);
        *shared = all.into();
    }
}

/// The same in a list.
pub fn put(all: &mut [Instrument], instrument: Instrument) {
    let place = instrument.id.index().checked_sub(1).and_then(|at| all.get_mut(at));
    let Some(known) = place else { return };
    let is_priced = instrument.reference_price.0 > 0;
    let reference_price =
        if is_priced { instrument.reference_price } else { known.reference_price };
    *known = Instrument { reference_price, ..instrument };
}
