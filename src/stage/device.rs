//! What a stage's device counted, shown among the stage's own counters.

use crate::port::{Port, PortCounts};
use crate::runtime::Counters;

crate::counters! {
    /// What a device counts, where it counts.
    pub DeviceCounter {
        DeviceReceived: "frames the device took in",
        DeviceSent: "frames the device sent",
        DeviceMissed: "frames that came and found no room in the device: we were too slow",
        DeviceBroken: "frames that the device found broken",
        DeviceNotForUs: "frames of another VLAN",
        DeviceNotSent: "frames that the device could not send",
    }
}

/// Takes over what a device counted, and publishes it; for chores.
pub(super) fn show_device<P: Port + ?Sized>(port: &P, counters: &mut Counters<DeviceCounter>) {
    let Some(counts) = port.counts() else { return };
    let PortCounts { received, sent, missed, broken, not_for_us, not_sent } = counts;
    for (counter, value) in [
        (DeviceCounter::DeviceReceived, received),
        (DeviceCounter::DeviceSent, sent),
        (DeviceCounter::DeviceMissed, missed),
        (DeviceCounter::DeviceBroken, broken),
        (DeviceCounter::DeviceNotForUs, not_for_us),
        (DeviceCounter::DeviceNotSent, not_sent),
    ] {
        counters.set(counter, value);
    }
    counters.publish();
}
