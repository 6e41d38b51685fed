//! Wraps a port whose device leaves VLAN tags to us: takes them off what comes, puts them on what
//! goes. Frames of another VLAN, or of none, are counted and not shown.

use crate::port::{FrameMeta, Full, Offloads, Port, PortCounts};

/// Bytes of both stations' addresses, before the tag.
const STATIONS: usize = 12;
/// Bytes of a tag.
const TAG: usize = 4;
const TYPE: [u8; 2] = [0x81, 0x00];

/// The longest frame this wrapper takes, without its tag.
const FRAME_MAX: usize = 9_216;

/// The wrapper.
#[derive(Debug)]
pub struct VlanPort<P> {
    inner: P,
    vlan: u16,
    room: Box<[u8]>,
    others: u64,
}

impl<P: Port> VlanPort<P> {
    /// Speaks in one VLAN.
    pub fn new(inner: P, vlan: u16) -> Self {
        Self { inner, vlan: vlan & 0xfff, room: vec![0; FRAME_MAX].into(), others: 0 }
    }
}

impl<P: Port> Port for VlanPort<P> {
    fn receive(&mut self, budget: usize, each: &mut dyn FnMut(&[u8], FrameMeta)) -> usize {
        let Self { inner, vlan, room, others } = self;
        inner.receive(budget, &mut |frame, meta| {
            let tag = frame.get(STATIONS..STATIONS + TAG);
            let is_ours = tag.is_some_and(|tag| {
                tag[..2] == TYPE && u16::from_be_bytes([tag[2], tag[3]]) & 0xfff == *vlan
            });
            let length = frame.len().saturating_sub(TAG);
            match room.get_mut(..length).filter(|_| is_ours) {
                Some(bare) => {
                    bare[..STATIONS].copy_from_slice(&frame[..STATIONS]);
                    bare[STATIONS..].copy_from_slice(&frame[STATIONS + TAG..]);
                    each(bare, meta);
                }
                None => *others += 1,
            }
        })
    }

    fn transmit(&mut self, length: usize, fill: &mut dyn FnMut(&mut [u8])) -> Result<(), Full> {
        let Self { inner, vlan, room, .. } = self;
        let bare = room.get_mut(..length).filter(|bare| bare.len() >= STATIONS).ok_or(Full)?;
        inner.transmit(length + TAG, &mut |frame| {
            fill(bare);
            frame[..STATIONS].copy_from_slice(&bare[..STATIONS]);
            frame[STATIONS..STATIONS + 2].copy_from_slice(&TYPE);
            frame[STATIONS + 2..STATIONS + TAG].copy_from_slice(&vlan.to_be_bytes());
            frame[STATIONS + TAG..].copy_from_slice(&bare[STATIONS..]);
        })
    }

    fn flush(&mut self) {
        self.inner.flush();
    }

    fn counts(&self) -> Option<PortCounts> {
        let counts = self.inner.counts()?;
        Some(PortCounts { not_for_us: counts.not_for_us + self.others, ..counts })
    }

    fn offloads(&self) -> Offloads {
        // A device that does not know of the tag does not find the checksums behind it.
        Offloads::default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::port::memory::wire;

    proptest! {
        /// What is shown was tagged for us; what goes in at one end comes out at the other.
        #[test]
        fn tags_go_on_and_come_off(frame in prop::collection::vec(any::<u8>(), 0..300)) {
            let (near, mut bare) = wire(4);
            let mut near = VlanPort::new(near, 7);
            let sent = bare.transmit(frame.len(), &mut |into| into.copy_from_slice(&frame));
            prop_assert_eq!(sent, Ok(()));
            let is_ours = frame.len() >= 16 && frame[12..14] == TYPE && frame[15] == 7;
            near.receive(4, &mut |_, _| assert!(is_ours));
            let (left, right) = wire(4);
            let (mut left, mut right) = (VlanPort::new(left, 7), VlanPort::new(right, 7));
            let sent = left.transmit(frame.len(), &mut |into| into.copy_from_slice(&frame));
            prop_assert_eq!(sent.is_ok(), frame.len() >= STATIONS);
            let mut came = Vec::new();
            right.receive(4, &mut |bytes, _| came.push(bytes.to_vec()));
            prop_assert_eq!(came.first(), sent.is_ok().then_some(&frame));
        }
    }

    #[test]
    fn other_vlans_are_not_shown() {
        let (left, right) = wire(4);
        let (mut left, mut right) = (VlanPort::new(left, 7), VlanPort::new(right, 8));
        left.transmit(60, &mut |frame| frame.fill(1)).expect("room");
        assert_eq!(right.receive(4, &mut |_, _| panic!("of another VLAN")), 1);
        assert_eq!(right.others, 1);
    }
}
