//! Identifiers. All are dense small numbers given at configuration, except an order's.

use bytemuck::{Pod, Zeroable};

use crate::model::base36;

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

impl AccountId {
    /// The highest account a four-character code can name.
    pub const CODED_MAX: Self = Self(base36::HIGHEST);

    /// The account's code, as order entry carries it in the Firm option: base 36, four characters.
    pub const fn code(self) -> [u8; 4] {
        base36::write(self.0)
    }

    /// The account a code names; `None` for characters no code has.
    #[inline]
    pub const fn from_code(code: [u8; 4]) -> Option<Self> {
        match base36::read(code) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_finds_itself_by_its_code() {
        for number in [0, 1, 35, 36, 1_000, AccountId::CODED_MAX.0] {
            let account = AccountId(number);
            assert_eq!(AccountId::from_code(account.code()), Some(account));
        }
        assert_eq!(AccountId(1_000).code(), *b"00RS");
        assert_eq!(AccountId::from_code(*b"00 1"), None);
    }

    #[test]
    fn an_order_knows_its_session() {
        let order = OrderId::new(SessionId(7), 9);
        assert_eq!((order.session(), order.ordinal()), (SessionId(7), 9));
    }
}
