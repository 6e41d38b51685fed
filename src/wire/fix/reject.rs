//! Why a message was refused: the session reject reasons (373) and the business ones (380).

/// Declares reasons with their code and the sentence of the standard.
macro_rules! reasons {
    ($(#[$meta:meta])* $name:ident { $($variant:ident = $code:literal, $text:literal;)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum $name { $(#[doc = $text] $variant = $code,)+ }

        impl $name {
            /// Every reason.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The code on the wire.
            pub const fn code(self) -> u8 { self as u8 }

            /// What it says, in words.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }
    };
}

reasons! {
    /// Why a message was rejected by the session (373).
    SessionReject {
        InvalidTag = 0, "Invalid tag number";
        RequiredTagMissing = 1, "Required tag missing";
        NotDefinedForMessage = 2, "Tag not defined for this message type";
        UndefinedTag = 3, "Undefined tag";
        NoValue = 4, "Tag specified without a value";
        ValueIncorrect = 5, "Value is incorrect (out of range) for this tag";
        IncorrectFormat = 6, "Incorrect data format for value";
        Decryption = 7, "Decryption problem";
        Signature = 8, "Signature problem";
        CompId = 9, "CompID problem";
        SendingTimeAccuracy = 10, "SendingTime accuracy problem";
        InvalidMsgType = 11, "Invalid MsgType";
        XmlValidation = 12, "XML validation error";
        TagRepeated = 13, "Tag appears more than once";
        OutOfOrder = 14, "Tag specified out of required order";
        GroupOutOfOrder = 15, "Repeating group fields out of order";
        WrongGroupCount = 16, "Incorrect NumInGroup count for repeating group";
        SeparatorInValue = 17, "Non-data value includes field delimiter";
        UnsupportedVersion = 18, "Invalid or unsupported application version";
        Other = 99, "Other";
    }
}

reasons! {
    /// Why an application message was refused (380).
    BusinessReject {
        Other = 0, "Other";
        UnknownId = 1, "Unknown ID";
        UnknownSecurity = 2, "Unknown security";
        UnsupportedMessageType = 3, "Unsupported Message Type";
        ApplicationNotAvailable = 4, "Application not available";
        FieldMissing = 5, "Conditionally required field missing";
        NotAuthorized = 6, "Not authorized";
        FirmNotAvailable = 7, "DeliverTo firm not available at this time";
    }
}

/// The tag a refusal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefTag {
    /// None in particular.
    None,
    /// A tag by its number.
    Number(u32),
    /// What stands where a tag should be: where in the message it begins and ends.
    Written(u16, u16),
}

/// Why a message is refused, and for which tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The reason.
    pub reason: SessionReject,
    /// The tag it is about.
    pub tag: RefTag,
}

impl Refusal {
    /// A refusal for a tag.
    #[inline]
    pub const fn of(reason: SessionReject, tag: u32) -> Self {
        Self { reason, tag: RefTag::Number(tag) }
    }

    /// A refusal for no tag in particular.
    #[inline]
    pub const fn whole(reason: SessionReject) -> Self {
        Self { reason, tag: RefTag::None }
    }
}
