//! State as bytes and back: what a start needs so as not to fold all of history again.
//!
//! Whatever is a fold over history is a [`Part`]: it writes itself, and fills one that was made
//! from the same configuration. Bytes are believed in nothing: lengths are bounded by the memory
//! that was taken at boot, and what cannot be is refused by the name of its field.
//!
//! ```text
//!  state ── write ──► sections ──► Container: magic, version, stand, sections, digest ──► file
//!  empty state ◄── read ── sections ◄── looked at whole before anything is believed ◄──┘
//! ```

mod basic;
mod container;
#[cfg(test)]
mod tests;

pub use container::{Composer, Container, ContainerError, FORMAT_VERSION, Section, Stand};

/// Why bytes are no state of this kind: the field, from the outside in, and the rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {why}", path(.fields))]
pub struct Bad {
    /// The innermost field first.
    fields: Vec<&'static str>,
    why: &'static str,
}

fn path(fields: &[&'static str]) -> String {
    let outside_in: Vec<_> = fields.iter().rev().copied().collect();
    outside_in.join(".")
}

impl Bad {
    /// For a reason.
    pub const fn new(why: &'static str) -> Self {
        Self { fields: Vec::new(), why }
    }

    /// Within a field.
    #[must_use]
    pub fn at(mut self, field: &'static str) -> Self {
        self.fields.push(field);
        self
    }
}

/// Bytes that are still to be read.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a>(&'a [u8]);

impl<'a> Source<'a> {
    /// All of them.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// There are not so many.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Bad> {
        let (taken, rest) =
            self.0.split_at_checked(count).ok_or(Bad::new("the bytes end too early"))?;
        self.0 = rest;
        Ok(taken)
    }

    /// The next value of a kind that begins as nothing.
    ///
    /// # Errors
    /// As [`Part::read`].
    pub fn value<T: Part + Blank>(&mut self) -> Result<T, Bad> {
        let mut value = T::blank();
        value.read(self)?;
        Ok(value)
    }

    /// A count of at most `most`.
    ///
    /// # Errors
    /// It is more.
    pub fn count(&mut self, most: usize) -> Result<usize, Bad> {
        let count = self.value::<u32>()? as usize;
        if count > most { Err(Bad::new("more than there is room for")) } else { Ok(count) }
    }

    /// Nothing may follow.
    ///
    /// # Errors
    /// Something does.
    pub fn end(self) -> Result<(), Bad> {
        if self.0.is_empty() { Ok(()) } else { Err(Bad::new("bytes follow the last field")) }
    }
}

/// State that is a fold over history.
pub trait Part {
    /// Appends itself.
    fn write(&self, to: &mut Vec<u8>);

    /// Becomes what was written; what comes of configuration must be the same as then.
    ///
    /// # Errors
    /// The field that cannot be; then this is state of nothing and is to be thrown away.
    fn read(&mut self, from: &mut Source<'_>) -> Result<(), Bad>;
}

/// Values that have a beginning, so that lists of them can be read.
pub trait Blank {
    /// Nothing, or whatever comes first.
    fn blank() -> Self;
}

impl<T: Default> Blank for T {
    fn blank() -> Self {
        Self::default()
    }
}

/// Appends a count, as [`Source::count`] takes it.
pub(crate) fn write_count(count: usize, to: &mut Vec<u8>) {
    to.extend_from_slice(&(count as u32).to_le_bytes());
}

/// Writes a list that configuration made.
pub(crate) fn write_all<T: Part>(list: &[T], to: &mut Vec<u8>) {
    write_count(list.len(), to);
    list.iter().for_each(|one| one.write(to));
}

/// Reads what [`write_all`] wrote.
pub(crate) fn read_all<T: Part>(list: &mut [T], from: &mut Source<'_>) -> Result<(), Bad> {
    if from.value::<u32>()? as usize != list.len() {
        return Err(Bad::new("another number of them than configured"));
    }
    list.iter_mut().try_for_each(|one| one.read(from))
}

/// Writes what configuration may have put there, or not.
pub(crate) fn write_one<T: Part>(place: &Option<T>, to: &mut Vec<u8>) {
    place.is_some().write(to);
    if let Some(value) = place {
        value.write(to);
    }
}

/// Reads what [`write_one`] wrote.
pub(crate) fn read_one<T: Part>(place: &mut Option<T>, from: &mut Source<'_>) -> Result<(), Bad> {
    if from.value::<bool>()? != place.is_some() {
        return Err(Bad::new("it is there, or not, other than configured"));
    }
    place.as_mut().map_or(Ok(()), |value| value.read(from))
}

/// Writes a table of such places.
pub(crate) fn write_each<T: Part>(places: &[Option<T>], to: &mut Vec<u8>) {
    write_count(places.len(), to);
    places.iter().for_each(|place| write_one(place, to));
}

/// Reads what [`write_each`] wrote.
pub(crate) fn read_each<T: Part>(
    places: &mut [Option<T>],
    from: &mut Source<'_>,
) -> Result<(), Bad> {
    if from.value::<u32>()? as usize != places.len() {
        return Err(Bad::new("another number of places than configured"));
    }
    places.iter_mut().try_for_each(|place| read_one(place, from))
}

/// Makes a struct a [`Part`]. Every field must be named, so that one that is new does not compile
/// until it stands in a list: written; lists (`all`), places (`one`) and tables of places (`each`)
/// that configuration fills; or `kept` as they are, because configuration or the living side of a
/// stage says what they are. What is read must be `such`.
macro_rules! part {
    (
        $name:ty { $($field:ident),* $(,)? }
        $(all { $($all:ident),* $(,)? })?
        $(one { $($one:ident),* $(,)? })?
        $(each { $($each:ident),* $(,)? })?
        $(kept { $($kept:ident),* $(,)? })?
        $(such $such:expr)?
    ) => {
        impl $crate::snapshot::Part for $name {
            fn write(&self, to: &mut Vec<u8>) {
                let Self {
                    $($field,)* $($($all,)*)? $($($one,)*)? $($($each,)*)? $($($kept: _,)*)?
                } = self;
                $($crate::snapshot::Part::write($field, to);)*
                $($($crate::snapshot::write_all($all, to);)*)?
                $($($crate::snapshot::write_one($one, to);)*)?
                $($($crate::snapshot::write_each($each, to);)*)?
            }

            fn read(
                &mut self,
                from: &mut $crate::snapshot::Source<'_>,
            ) -> Result<(), $crate::snapshot::Bad> {
                let Self {
                    $($field,)* $($($all,)*)? $($($one,)*)? $($($each,)*)? $($($kept: _,)*)?
                } = self;
                $($crate::snapshot::Part::read($field, from)
                    .map_err(|bad| bad.at(stringify!($field)))?;)*
                $($($crate::snapshot::read_all($all, from)
                    .map_err(|bad| bad.at(stringify!($all)))?;)*)?
                $($($crate::snapshot::read_one($one, from)
                    .map_err(|bad| bad.at(stringify!($one)))?;)*)?
                $($($crate::snapshot::read_each($each, from)
                    .map_err(|bad| bad.at(stringify!($each)))?;)*)?
                $({
                    let such: fn(&Self) -> bool = $such;
                    if !such(self) {
                        return Err($crate::snapshot::Bad::new("a number out of its range"));
                    }
                })?
                Ok(())
            }
        }
    };
}

/// As `part!`, of a struct that has no default and stands in lists.
macro_rules! value {
    ($name:ty { $($field:ident),* $(,)? }) => {
        $crate::snapshot::part!($name { $($field),* });

        impl $crate::snapshot::Blank for $name {
            fn blank() -> Self {
                Self { $($field: $crate::snapshot::Blank::blank(),)* }
            }
        }
    };
}

/// Makes structs that wrap one value [`Part`]s.
macro_rules! wrapped {
    ($($name:ty),* $(,)?) => {$(
        impl $crate::snapshot::Part for $name {
            fn write(&self, to: &mut Vec<u8>) {
                $crate::snapshot::Part::write(&self.0, to);
            }

            fn read(
                &mut self,
                from: &mut $crate::snapshot::Source<'_>,
            ) -> Result<(), $crate::snapshot::Bad> {
                $crate::snapshot::Part::read(&mut self.0, from)
            }
        }
    )*};
}

/// Makes enums that have a code for each variant [`Part`]s.
macro_rules! codes {
    ($($name:ty),* $(,)?) => {$(
        impl $crate::snapshot::Part for $name {
            fn write(&self, to: &mut Vec<u8>) {
                to.push(self.code());
            }

            fn read(
                &mut self,
                from: &mut $crate::snapshot::Source<'_>,
            ) -> Result<(), $crate::snapshot::Bad> {
                let code = from.value::<u8>()?;
                *self = <$name>::from_code(code)
                    .ok_or($crate::snapshot::Bad::new("a code nobody assigned"))?;
                Ok(())
            }
        }

        impl $crate::snapshot::Blank for $name {
            fn blank() -> Self {
                Self::ALL[0]
            }
        }
    )*};
}

pub(crate) use {codes, part, value, wrapped};
