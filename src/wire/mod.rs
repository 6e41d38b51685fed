//! Other people's formats: views over bytes, length checked once, never a panic.

pub mod arp;
mod bytes;
mod checksum;
mod decode_error;
pub mod ethernet;
#[macro_use]
mod field;
pub mod fix;
pub mod icmp;
pub mod ipv4;
pub mod itch;
pub mod moldudp64;
pub mod ouch;
pub mod session;
pub mod soupbintcp;
pub mod tcp;
pub mod udp;

pub use decode_error::DecodeError;
pub use field::Described;

#[cfg(test)]
pub(crate) mod shared;
