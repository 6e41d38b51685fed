//! Those who trade in the simulation: over UDP by the production client, over FIX by the production
//! session as a client's engine has it; and what each was told.

mod fix;
mod fix_book;
mod transcript;
mod udp;

pub(super) use fix::{FixClient, Who};
pub(super) use fix_book::{Answer, Report, Wish};
pub(super) use udp::{Client, client_address};

/// What is traded, and between which prices: the lowest and how many cents above it.
const SYMBOLS: [&[u8; 8]; 3] = [b"ACME    ", b"BOLT    ", b"CORD    "];
const LOWEST_CENTS: u64 = 29_990;
const CENTS: u64 = 20;

/// The most shares of an order.
const QUANTITY_MAX: u64 = 200;
