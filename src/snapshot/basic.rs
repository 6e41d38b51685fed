//! Parts of which others are made: numbers, tables, rows, and what messages are made of.

use std::collections::VecDeque;

use crate::model::{
    AccountId, CancelReason, Command, CommandKind, Event, EventId, Flags, Group, Hours, Instrument,
    InstrumentId, LimitKind, Line, Nanos, Notional, OrderId, Phase, Price, Quantity, Scope, SeqNo,
    SessionId, Side, Symbol,
};
use crate::snapshot::{Bad, Blank, Part, Source, codes, value, wrapped, write_count};

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Part for $number {
            #[inline]
            fn write(&self, to: &mut Vec<u8>) {
                to.extend_from_slice(&self.to_le_bytes());
            }

            #[inline]
            fn read(&mut self, from: &mut Source<'_>) -> Result<(), Bad> {
                let bytes = from.take(size_of::<Self>())?;
                for (place, byte) in self_bytes(self).iter_mut().zip(bytes) {
                    *place = *byte;
                }
                *self = Self::from_le(*self);
                Ok(())
            }
        }
    )*};
}

/// A number's bytes where it lies.
#[inline]
fn self_bytes<T: bytemuck::Pod>(number: &mut T) -> &mut [u8] {
    bytemuck::bytes_of_mut(number)
}

numbers!(u8, u16, u32, u64, i64, i128);

impl Part for usize {
    fn write(&self, to: &mut Vec<u8>) {
        (*self as u64).write(to);
    }

    fn read(&mut self, from: &mut Source<'_>) -> Result<(), Bad> {
        let number = from.value::<u64>()?;
        *self = usize::try_from(number).map_err(|_| Bad::new("a number beyond this machine's"))?;
        Ok(())
    }
}

impl Part for bool {
    #[inline]
    fn write(&self, to: &mut Vec<u8>) {
        to.push(u8::from(*self));
    }

    #[inline]
    fn read(&mut self, from: &mut Source<'_>) -> Result<(), Bad> {
        *self = match from.value::<u8>()? {
            0 => false,
            1 => true,
            _ => return Err(Bad::new("neither yes nor no")),
        };
        Ok(())
    }
}

wrapped!(
    AccountId,
    EventId,
    Flags,
    InstrumentId,
    Nanos,
    Notional,
    OrderId,
    Price,
    Quantity,
    SeqNo,
    SessionId,
    Symbol
);
codes!(CancelReason, Hours, LimitKind, Phase, Scope, Side);

impl Blank for Symbol {
    fn blank() -> Self {
        Self::BLANK
    }
}

impl Blank for Group<Command> {
    fn blank() -> Self {
        Self::new(Command::new(CommandKind::Tick))
    }
}

value!(Instrument { id, symbol, tick, lot, reference_price });

impl<T: Part, const N: usize> Part for [T; N] {
    #[inline]
    fn write(&self, to: &mut Vec<u8>) {
        self.iter().for_each(|one| one.write(to));
    }

    #[inline]
    fn read(&mut self, from: &mut Source<'_>) -> Result<(), Bad> {
        self.iter_mut().try_for_each(|one| one.read(from))
    }
}

impl<A: Part, B: Part> Part for (A, B) {
    fn write(&self, to: &mut Vec<u8>) {
        self.0.write(to);
        self.1.write(to);
    }

    fn read(&mut self, from: &mut Source<'_>) -> Result<(), Bad> {
        self.0.read(from)?;
        self.1.read(from)
    }
}

impl<T: Part + Blank> Part for Option<T> {
    fn write(&self, to: &mut Vec<u8>) {
        self.is_some().write(to);
        if let Some(value) = self {
            value.write(to);
        }
    }

    fn read(&mut self, from: &mut Source<'_>) -> Result<(), Bad> {
        *self = if from.value::<bool>()? { Some(from.value()?) } else { None };
        Ok(())
    }
}

/// A table of a size that configuration gives. Most places of most tables are as new, so runs of
/// those are counted and not written.
impl<T: Part + Blank + Clone> Part for Box<[T]> {
    fn write(&self, to: &mut Vec<u8>) {
        write_count(self.len(), to);
        let (mut blank, mut one) = (Vec::new(), Vec::new());
        T::blank().write(&mut blank);
        let mut blanks = 0usize;
        let mut run: Option<(usize, u32)> = None;
        for value in self {
            one.clear();
            value.write(&mut one);
            if one == blank {
                blanks += 1;
                end_run(&mut run, to);
                continue;
            }
            let (_, filled) = run.get_or_insert_with(|| {
                write_count(std::mem::take(&mut blanks), to);
                write_count(0, to);
                (to.len() - 4, 0)
            });
            *filled += 1;
            to.extend_from_slice(&one);
        }
        end_run(&mut run, to);
        if blanks > 0 {
            write_count(blanks, to);
            write_count(0, to);
        }
    }

    fn read(&mut self, from: &mut Source<'_>) -> Result<(), Bad> {
        if from.count(u32::MAX as usize)? != self.len() {
            return Err(Bad::new("a table of another size than configured"));
        }
        let mut rest = &mut self[..];
        while !rest.is_empty() {
            let (blanks, filled) = (from.count(rest.len())?, from.count(rest.len())?);
            if blanks + filled == 0 || blanks + filled > rest.len() {
                return Err(Bad::new("a run beyond the table"));
            }
            let (run, after) = rest.split_at_mut(blanks + filled);
            let (blank, run) = run.split_at_mut(blanks);
            blank.fill(T::blank());
            run.iter_mut().try_for_each(|value| value.read(from))?;
            rest = after;
        }
        Ok(())
    }
}

/// Writes how long a run is where that was left open.
fn end_run(run: &mut Option<(usize, u32)>, to: &mut [u8]) {
    if let Some((at, filled)) = run.take()
        && let Some(place) = to.get_mut(at..at + 4)
    {
        place.copy_from_slice(&filled.to_le_bytes());
    }
}

/// A list whose memory was taken at boot: it never grows beyond it.
impl<T: Part + Blank> Part for Vec<T> {
    fn write(&self, to: &mut Vec<u8>) {
        write_count(self.len(), to);
        self.iter().for_each(|one| one.write(to));
    }

    fn read(&mut self, from: &mut Source<'_>) -> Result<(), Bad> {
        let count = from.count(self.capacity())?;
        self.clear();
        for _ in 0..count {
            self.push(from.value()?);
        }
        Ok(())
    }
}

/// As [`Vec`].
impl<T: Part + Blank> Part for VecDeque<T> {
    fn write(&self, to: &mut Vec<u8>) {
        write_count(self.len(), to);
        self.iter().for_each(|one| one.write(to));
    }

    fn read(&mut self, from: &mut Source<'_>) -> Result<(), Bad> {
        let count = from.count(self.capacity())?;
        self.clear();
        for _ in 0..count {
            self.push_back(from.value()?);
        }
        Ok(())
    }
}

impl<T: Part> Part for Box<T> {
    fn write(&self, to: &mut Vec<u8>) {
        (**self).write(to);
    }

    fn read(&mut self, from: &mut Source<'_>) -> Result<(), Bad> {
        (**self).read(from)
    }
}

/// A line of a message, as it is.
impl Part for Event {
    fn write(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(bytemuck::bytes_of(self));
    }

    fn read(&mut self, from: &mut Source<'_>) -> Result<(), Bad> {
        *self = bytemuck::pod_read_unaligned(from.take(size_of::<Self>())?);
        Ok(())
    }
}

/// A message, with the lines that count.
impl Part for Group<Command> {
    fn write(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(bytemuck::bytes_of(&self.head));
        to.extend_from_slice(bytemuck::cast_slice(self.rest()));
    }

    fn read(&mut self, from: &mut Source<'_>) -> Result<(), Bad> {
        let head: Command = bytemuck::pod_read_unaligned(from.take(size_of::<Command>())?);
        if !(1..=crate::model::LINES_MAX).contains(&usize::from(head.lines)) {
            return Err(Bad::new("a message of a length that none has"));
        }
        *self = Group::new(head);
        for line in self.rest_mut().iter_mut().take(usize::from(head.lines) - 1) {
            *line = bytemuck::pod_read_unaligned(from.take(size_of::<Line>())?);
        }
        Ok(())
    }
}
