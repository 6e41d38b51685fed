//! Counters of a stage: counted in private, published in housekeeping, read from any thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// An enumeration whose variants are counters; `counters!` writes it.
pub trait CounterNames: Copy + 'static {
    /// Name and sentence of each counter, in order.
    const TABLE: &'static [(&'static str, &'static str)];
    /// Place in the table.
    fn index(self) -> usize;
    /// Whether the value at a place is a level, which falls too, and not a count of what happened.
    fn is_level(_place: usize) -> bool {
        false
    }
}

/// Declares an enumeration of counters: name, text and value live in one place. A text behind the
/// word `level` is of what is so now, and not of what happened so far.
#[macro_export]
macro_rules! counters {
    (@is_level) => { false };
    (@is_level level) => { true };
    ($(#[$meta:meta])* $vis:vis $name:ident {
        $($variant:ident: $($kind:ident)? $text:literal,)+
    }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $vis enum $name { $(#[doc = $text] $variant,)+ }

        impl $crate::runtime::CounterNames for $name {
            const TABLE: &'static [(&'static str, &'static str)] =
                &[$((stringify!($variant), $text),)+];
            #[inline]
            fn index(self) -> usize { self as usize }
            fn is_level(place: usize) -> bool {
                const LEVELS: &[bool] = &[$($crate::counters!(@is_level $($kind)?),)+];
                LEVELS.get(place).copied().unwrap_or(false)
            }
        }
    };
}

/// The writer's end: plain numbers, published now and then.
#[derive(Debug)]
pub struct Counters<N: CounterNames> {
    private: Box<[u64]>,
    shared: Arc<[AtomicU64]>,
    names: std::marker::PhantomData<N>,
}

impl<N: CounterNames> Default for Counters<N> {
    fn default() -> Self {
        Self {
            private: vec![0; N::TABLE.len()].into(),
            shared: N::TABLE.iter().map(|_| AtomicU64::new(0)).collect(),
            names: std::marker::PhantomData,
        }
    }
}

impl<N: CounterNames> Counters<N> {
    /// One more.
    #[inline]
    pub fn count(&mut self, counter: N) {
        self.add(counter, 1);
    }

    /// `amount` more.
    #[inline]
    pub fn add(&mut self, counter: N, amount: u64) {
        if let Some(value) = self.private.get_mut(counter.index()) {
            *value = value.wrapping_add(amount);
        }
    }

    /// Takes over what somebody else counted.
    pub fn set(&mut self, counter: N, value: u64) {
        if let Some(place) = self.private.get_mut(counter.index()) {
            *place = value;
        }
    }

    /// The value now, as the writer sees it.
    pub fn value(&self, counter: N) -> u64 {
        self.private.get(counter.index()).copied().unwrap_or(0)
    }

    /// Shows the numbers to readers.
    pub fn publish(&self) {
        for (shared, private) in self.shared.iter().zip(self.private.iter()) {
            shared.store(*private, Ordering::Relaxed);
        }
    }

    /// An end that reads.
    pub fn reader(&self) -> CounterReader {
        CounterReader { table: N::TABLE, is_level: N::is_level, shared: Arc::clone(&self.shared) }
    }
}

/// The reading end, for any thread.
#[derive(Clone, Debug)]
pub struct CounterReader {
    table: &'static [(&'static str, &'static str)],
    is_level: fn(usize) -> bool,
    shared: Arc<[AtomicU64]>,
}

impl CounterReader {
    /// Name and text of each, and whether it is a level.
    pub fn listed(&self) -> Vec<(&'static str, &'static str, bool)> {
        let row = |(place, &(name, text))| (name, text, (self.is_level)(place));
        self.table.iter().enumerate().map(row).collect()
    }

    /// Name, text and last published value of each.
    pub fn values(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> + '_ {
        let values = self.shared.iter().map(|value| value.load(Ordering::Relaxed));
        self.table.iter().zip(values).map(|(&(name, text), value)| (name, text, value))
    }

    /// The last published value of the counter called `name`; 0 for a name that is not there.
    pub fn value(&self, name: &str) -> u64 {
        self.values().find(|(known, _, _)| *known == name).map_or(0, |(_, _, value)| value)
    }
}
