//! Identifiers. All are dense small numbers given at configuration, except an order's.

use bytemuck::{Pod, Zeroable};

/// Implements what every identifier has.
macro_rules! id {
    ($(#[$meta:meta])* $name:ident($inner:ty)) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
        #[derive(serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        #[repr(transparent)]
        pub struct $name(pub $inner);

        impl $name {
            /// As an index into a table.
            #[inline]
            pub const fn index(self) -> usize { self.0 as usize }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { self.0.fmt(f) }
        }
    };
}

id! {
    /// A traded instrument; also its ITCH stock locate. 0 is "none" (system messages).
    InstrumentId(u32)
}
id! {
    /// A trading account; 0 is "none".
    AccountId(u32)
}
id! {
    /// A client's session; 0 is the operator's own, which no client can log in to.
    SessionId(u32)
}
id! {
    /// An order: its session in the upper half, the session's own number for it in the lower.
    ///
    /// Never reused within a day.
    OrderId(u64)
}

impl OrderId {
    /// The order a session calls `ordinal`.
    #[inline]
    pub const fn new(session: SessionId, ordinal: u32) -> Self {
        Self((session.0 as u64) << 32 | ordinal as u64)
    }

    /// The session that entered it.
    #[inline]
    pub const fn session(self) -> SessionId {
        SessionId((self.0 >> 32) as u32)
    }

    /// The session's number for it (OUCH UserRefNum).
    #[inline]
    pub const fn ordinal(self) -> u32 {
        self.0 as u32
    }
}
