//! `layout!`: a message of fixed fields, declared once; offsets and length follow.

/// A field of a fixed number of bytes; numbers are big-endian.
pub(crate) trait Field: Copy {
    /// Bytes it takes.
    const SIZE: usize;

    /// Takes it off the front; missing bytes read as zero, which a checked length rules out.
    fn take(bytes: &mut &[u8]) -> Self;

    /// Puts it at the front of what is left to write.
    fn put(self, bytes: &mut &mut [u8]);
}

impl<const N: usize> Field for [u8; N] {
    const SIZE: usize = N;

    #[inline(always)]
    fn take(bytes: &mut &[u8]) -> Self {
        let Some((head, rest)) = bytes.split_first_chunk() else { return [0; N] };
        *bytes = rest;
        *head
    }

    #[inline(always)]
    fn put(self, bytes: &mut &mut [u8]) {
        let Some((head, rest)) = std::mem::take(bytes).split_first_chunk_mut() else { return };
        *head = self;
        *bytes = rest;
    }
}

/// Numbers are their big-endian bytes.
macro_rules! numbers {
    ($($number:ty)+) => {$(
        impl Field for $number {
            const SIZE: usize = size_of::<$number>();

            #[inline(always)]
            fn take(bytes: &mut &[u8]) -> Self {
                Self::from_be_bytes(Field::take(bytes))
            }

            #[inline(always)]
            fn put(self, bytes: &mut &mut [u8]) {
                self.to_be_bytes().put(bytes);
            }
        }
    )+};
}

numbers! { u8 u16 u32 u64 i32 }

/// A message as a reference shows it; made by the same declaration that reads and writes it.
#[derive(Clone, Copy, Debug)]
pub struct Described {
    /// Its name.
    pub name: &'static str,
    /// The byte it begins with.
    pub kind: u8,
    /// Bytes of its fixed part.
    pub length: usize,
    /// What it is for.
    pub sentence: &'static str,
    /// Each field's name, offset and size.
    pub fields: &'static [(&'static str, usize, usize)],
    /// Each field's type, and what is said of it.
    pub notes: &'static [(&'static str, &'static str)],
}

/// Declares messages: type byte first, then the fields in the order of the specification.
///
/// `LENGTH` counts the type byte; `FIELDS` has each field's name, offset and size.
macro_rules! layout {
    ($(
        $(#[doc = $doc:literal])*
        $name:ident = $type:literal {
            $($(#[doc = $field_doc:literal])* $field:ident: $kind:ty,)*
        }
    )+) => {$(
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs, reason = "a field is named as in the specification")]
        pub struct $name { $($(#[doc = $field_doc])* pub $field: $kind,)* }

        impl $name {
            /// The byte a message of this type begins with.
            pub const TYPE: u8 = $type;
            /// Bytes of the fixed part, the type included.
            pub const LENGTH: usize = 1 $(+ <$kind as $crate::wire::field::Field>::SIZE)*;
            /// Each field's name, offset and size.
            pub const FIELDS: &[(&str, usize, usize)] = &{
                const NAMES: &[&str] = &[$(stringify!($field),)*];
                const SIZES: &[usize] = &[$(<$kind as $crate::wire::field::Field>::SIZE,)*];
                let mut fields = [("", 0, 0); NAMES.len()];
                let (mut at, mut offset) = (0, 1);
                while at < NAMES.len() {
                    fields[at] = (NAMES[at], offset, SIZES[at]);
                    offset += SIZES[at];
                    at += 1;
                }
                fields
            };

            /// As a reference shows it.
            pub const DESCRIBED: $crate::wire::Described = $crate::wire::Described {
                name: stringify!($name),
                kind: $type,
                length: Self::LENGTH,
                sentence: concat!($($doc,)*).trim_ascii(),
                fields: Self::FIELDS,
                notes: &[$((stringify!($kind), concat!($($field_doc,)*).trim_ascii()),)*],
            };

            /// Reads the fixed part; the type byte is the caller's to look at.
            #[inline]
            #[allow(unused_mut, unused_variables, reason = "a message may have no fields")]
            pub fn read(bytes: &[u8; Self::LENGTH]) -> Self {
                let mut rest = &bytes[1..];
                Self { $($field: $crate::wire::field::Field::take(&mut rest),)* }
            }

            /// Writes the fixed part, the type byte included.
            #[inline]
            #[allow(unused_mut, unused_variables, reason = "a message may have no fields")]
            pub fn write(&self, bytes: &mut [u8; Self::LENGTH]) {
                bytes[0] = Self::TYPE;
                let mut rest = &mut bytes[1..];
                $($crate::wire::field::Field::put(self.$field, &mut rest);)*
            }
        }
    )+};
}
