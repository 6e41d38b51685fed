//! `coded!`: an enum whose every variant has a fixed byte, a name and a sentence.

/// Declares a `#[repr(u8)]` enum with `code`, `from_code`, `name` and `ALL`.
///
/// Messages carry the byte, never the enum: a byte from a wire or a file may be any value.
macro_rules! coded {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $code:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        #[allow(missing_docs, reason = "a variant whose name says it all needs no sentence")]
        pub enum $name { $($(#[$doc])* $variant = $code,)+ }

        impl $name {
            /// Every variant, in the order of declaration.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The byte a message carries for this variant.
            #[inline]
            pub const fn code(self) -> u8 { self as u8 }

            /// The variant of a byte; `None` for a byte nobody assigned.
            #[inline]
            pub const fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)+ _ => None }
            }

            /// The variant's name, for people.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

pub(crate) use coded;
