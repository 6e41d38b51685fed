//! A chain over a log's messages: one number that no other history has, at any message.
//!
//! It covers messages and not frames, so that it is the same on every machine that has the same
//! history, however each grouped it. Messages are taken block by block, which BLAKE3 does several
//! times faster than one by one; each block is keyed by the head of the block before.

use crate::journal::{LogKind, Logged};
use crate::model::{Group, Nanos};

/// Commands whose messages make a block, in either log.
pub const BLOCK: u64 = 1024;

/// What a chain says of all messages up to one.
pub type Head = [u8; 32];

/// A message and the head of the chain there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seal {
    /// Id of the message (seq or event id); 0 in an empty log.
    pub id: u64,
    /// Its log time.
    pub time: Nanos,
    /// The head.
    pub head: Head,
}

/// Where the block being filled begins: from here a chain can be carried on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Begun {
    /// Which block it is.
    pub block: u64,
    /// The head of all blocks before it.
    pub key: Head,
}

impl Begun {
    /// The least id of a message in the block.
    pub fn first(&self, kind: LogKind) -> u64 {
        kind.least(self.block.saturating_mul(BLOCK).saturating_add(1))
    }
}

/// The chain of a log as far as it was read.
#[derive(Clone, Debug)]
pub struct Chain {
    kind: LogKind,
    begun: Begun,
    /// Keyed by the head of the blocks before.
    hasher: blake3::Hasher,
    /// Messages not yet given to the hasher, which takes many at a time faster.
    gathered: Vec<u8>,
    last: u64,
    time: Nanos,
}

/// Bytes gathered before they are hashed.
const GATHER: usize = 128 * 1024;

impl Chain {
    /// Of an empty log.
    pub fn new(kind: LogKind) -> Self {
        let context = format!("wirematch 2026 the chain of the {kind} log");
        let key = blake3::derive_key(&context, &[]);
        Self::resume(kind, Begun { block: 0, key })
    }

    /// Carries a chain on from the beginning of a block.
    pub fn resume(kind: LogKind, begun: Begun) -> Self {
        let Begun { key, .. } = begun;
        Self {
            kind,
            begun,
            hasher: blake3::Hasher::new_keyed(&key),
            gathered: Vec::with_capacity(GATHER + 256),
            last: 0,
            time: Nanos::ZERO,
        }
    }

    /// Takes the next message.
    pub fn add<H: Logged>(&mut self, message: &Group<H>) {
        let id = message.head.id();
        let block = self.kind.seq(id).saturating_sub(1) / BLOCK;
        if block != self.begun.block {
            self.flush();
            let key = *self.hasher.finalize().as_bytes();
            (self.hasher, self.begun) = (blake3::Hasher::new_keyed(&key), Begun { block, key });
        }
        self.gathered.extend_from_slice(bytemuck::bytes_of(&message.head));
        self.gathered.extend_from_slice(bytemuck::cast_slice(message.rest()));
        if self.gathered.len() >= GATHER {
            self.flush();
        }
        (self.last, self.time) = (id, message.head.time());
    }

    /// The head after the last message taken.
    pub fn seal(&mut self) -> Seal {
        self.flush();
        Seal { id: self.last, time: self.time, head: *self.hasher.finalize().as_bytes() }
    }

    /// Where its last block begins.
    pub fn begun(&self) -> Begun {
        self.begun
    }

    /// Id of the last message taken; 0 before the first.
    pub fn last(&self) -> u64 {
        self.last
    }

    fn flush(&mut self) {
        self.hasher.update(&self.gathered);
        self.gathered.clear();
    }
}
