//! Why bytes were refused: one cause each, so that every cause can have a counter.

/// Declares the causes, each with its sentence.
macro_rules! causes {
    ($($variant:ident = $sentence:literal,)+) => {
        /// Why bytes were refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum DecodeError { $(#[doc = $sentence] $variant,)+ }

        impl DecodeError {
            /// Every cause, in the order of declaration.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Name and sentence of each, for counters.
            pub const TABLE: &[(&'static str, &'static str)] =
                &[$((stringify!($variant), $sentence),)+];

            /// The cause's name, for counters.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)+ }
            }

            /// What is wrong with the bytes, in a sentence.
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence,)+ }
            }
        }
    };
}

causes! {
    FrameTooShort = "the frame ends inside its Ethernet header",
    VlanTag = "the frame carries a VLAN tag; take the tag off at the switch or the card",
    ArpTooShort = "the ARP packet ends before its 28 bytes",
    ArpKind = "the ARP packet is not about Ethernet and IPv4, or its operation is not 1 or 2",
    ArpSender = "the ARP packet's sender is a group, or another station with our address",
    Ipv4TooShort = "the packet ends inside its IPv4 header",
    Ipv4Version = "the packet's version field is not 4",
    Ipv4Options = "the IPv4 header has options, which are not taken here",
    Ipv4Length = "the IPv4 total length is below the header's or above what arrived",
    Ipv4Checksum = "the IPv4 header checksum does not agree",
    Ipv4Fragment = "the packet is a fragment; send datagrams that fit the path",
    UdpTooShort = "the datagram ends inside its UDP header",
    UdpLength = "the UDP length does not agree with the IPv4 length",
    UdpChecksum = "the UDP checksum does not agree",
    FrameKind = "the frame carries neither IPv4 nor ARP",
    FrameTooLong = "the frame is longer than any this house takes",
    FrameSource = "the frame's sender is a group of stations",
    Ipv6 = "the frame carries IPv6, which is not spoken here",
    Ipv4Source = "the packet's source is no host's address, or our own from another station",
    Ipv4Protocol = "the packet carries a protocol that is not spoken at its address",
    IcmpTooShort = "the packet ends inside its ICMP header",
    IcmpChecksum = "the ICMP checksum does not agree",
    TcpTooShort = "the packet ends inside its TCP header",
    TcpHeader = "the TCP header's length or ports cannot be",
    TcpFlags = "the TCP flags do not go together",
    TcpChecksum = "the TCP checksum does not agree",
    PacketTooShort = "the datagram ends inside its 20-byte packet header",
    BlockTruncated = "a message block ends after the datagram does",
    BlockTooLong = "a message block is longer than any message of the protocol",
    PacketTrailing = "bytes follow the last message block of the packet",
    ControlUnknown = "a session-level message has a type nobody assigned",
    ControlLength = "a session-level message is not as long as its type says",
    MessageEmpty = "the message has no bytes, so no type",
    MessageUnknown = "the message type is not known in this direction",
    MessageLength = "the message is not as long as its type says",
    AppendageMissing = "the message ends before its appendage length",
    AppendageLength = "the appendage length does not agree with the bytes that follow it",
    OptionUnknown = "an option tag is not in the table",
    OptionLength = "an option's length is not the one of its tag",
    OptionRepeated = "an option tag stands twice in one message",
    OptionNotAllowed = "an option tag does not belong to this message type",
}

impl DecodeError {
    /// The causes below messages, in front of the others: of frames, packets, datagrams, segments.
    pub const OF_FRAMES: usize = Self::PacketTooShort.index();

    /// As an index into a table of counters.
    #[inline]
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl std::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.sentence())
    }
}

impl std::error::Error for DecodeError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_its_own_index_and_sentence() {
        for (at, cause) in DecodeError::ALL.iter().enumerate() {
            assert_eq!(cause.index(), at);
            let same = DecodeError::ALL.iter().filter(|c| c.sentence() == cause.sentence());
            assert_eq!(same.count(), 1, "{}", cause.name());
        }
    }
}
