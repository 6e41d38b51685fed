//! The hardware against the software, command for command and frame for frame.

use crate::engine::{BookView, Matcher, SoftwareMatcher};
use crate::fpga::lockstep::{Lockstep, STORM_BASE, limits_of};
use crate::fpga::storm::Storm;
use crate::fpga::{Answering, Device, Offloaded, Simulated, Size};
use crate::model::{
    Command, CommandKind, Flags, Group, Instrument, InstrumentId, Price, Quantity, SeqNo,
    SessionId, Symbol,
};

fn alike(size: Size, commands: u64, seed: u64, stalls: Option<u64>) {
    let mut both = Lockstep::new(size, stalls, STORM_BASE, None);
    both.storm(commands, seed, &mut |_| {}).unwrap_or_else(|difference| panic!("{difference}"));
    for (class, span) in &both.measured.first {
        assert!(span.least == span.most && span.most <= 4, "{class:?}: {span:?}");
    }
    assert!(both.measured.between_fills.most <= 2 && both.measured.between_fills.count > 0);
}

#[test]
fn the_book_answers_as_the_softwares_does() {
    alike(Size::One, 20_000, 1, None);
}

#[test]
fn so_it_does_where_every_limit_is_met_and_nobody_waits_for_it() {
    alike(Size::Small, 40_000, 2, None);
    alike(Size::Small, 40_000, 3, Some(4));
}

#[test]
fn so_it_does_with_64_instruments() {
    alike(Size::Many, 20_000, 5, Some(6));
}

fn instrument() -> Instrument {
    Instrument {
        id: InstrumentId(1),
        symbol: Symbol(*b"ACME    "),
        tick: Price(100),
        lot: Quantity(1),
        reference_price: Price(STORM_BASE + 2048 * 100),
    }
}

fn software() -> SoftwareMatcher {
    SoftwareMatcher::new(limits_of(&Size::One.capacity()), &[instrument()]).expect("good limits")
}

/// Gives a command to a matcher and takes its events.
fn answer(matcher: &mut impl Matcher, command: &Command) -> Vec<crate::model::Event> {
    matcher.submit(&Group::new(*command)).expect("it was drained");
    let events = matcher.finished().to_vec();
    matcher.release(events.len());
    events
}

#[test]
fn a_matcher_in_hardware_is_a_matcher() {
    let device = Simulated::new(Size::One, None);
    let mut hardware = Offloaded::new(device, software(), &[instrument()]);
    let mut twin = software();
    let mut storm = Storm::sound(7, Size::One.capacity());
    for number in 0..6_000 {
        let mut command = storm.next(twin.open_orders());
        if number % 500 == 499 {
            let kind = CommandKind::MassCancel;
            let session = SessionId(1 + number % 6);
            command = Command {
                session,
                seq: command.seq,
                timestamp: command.timestamp,
                ..Command::new(kind)
            };
        }
        assert_eq!(answer(&mut hardware, &command), answer(&mut twin, &command), "{command:?}");
    }
    assert_eq!(hardware.answering(), Answering::Device);
    assert!(hardware.asked() > 6_000, "{}", hardware.asked());
    // Asked for what the device does not do, the shadow takes over and says the same.
    let mut hidden = storm.next(twin.open_orders());
    hidden.kind = CommandKind::Enter.code();
    hidden.flags = Flags::HIDDEN;
    assert_eq!(answer(&mut hardware, &hidden), answer(&mut twin, &hidden));
    assert_eq!(hardware.answering(), Answering::Asked(CommandKind::Enter));
    for _ in 0..1_000 {
        let command = storm.next(twin.open_orders());
        assert_eq!(answer(&mut hardware, &command), answer(&mut twin, &command), "{command:?}");
    }
    assert_eq!(hardware.digest(), twin.digest());
}

#[test]
fn what_rests_is_put_into_a_device_that_starts_later() {
    let (mut before, mut twin) = (software(), software());
    let mut storm = Storm::sound(8, Size::One.capacity());
    for _ in 0..2_000 {
        let command = storm.next(100);
        assert_eq!(answer(&mut before, &command), answer(&mut twin, &command));
    }
    let device = Simulated::new(Size::One, None);
    let mut hardware = Offloaded::new(device, before, &[instrument()]);
    assert_eq!(hardware.answering(), Answering::Device);
    let asked = hardware.asked();
    for _ in 0..1_000 {
        let command = storm.next(100);
        assert_eq!(answer(&mut hardware, &command), answer(&mut twin, &command), "{command:?}");
    }
    assert_eq!(hardware.answering(), Answering::Device);
    assert!(hardware.asked() > asked + 500);
}

/// A device that goes silent after so many commands.
struct Dying(Simulated, u32);

impl Device for Dying {
    fn capacity(&self) -> crate::fpga::Capacity {
        self.0.capacity()
    }

    fn set(&mut self, setting: crate::fpga::Setting) {
        self.0.set(setting);
    }

    fn offer(&mut self, command: &Command) -> bool {
        self.1 = self.1.saturating_sub(1);
        self.1 > 0 && self.0.offer(command)
    }

    fn take(&mut self) -> Option<crate::model::Event> {
        if self.1 > 0 { self.0.take() } else { None }
    }
}

#[test]
fn when_the_device_dies_the_shadow_takes_over_and_nothing_is_lost() {
    let device = Dying(Simulated::new(Size::One, None), 400);
    let mut hardware = Offloaded::new(device, software(), &[instrument()]);
    let mut twin = software();
    let mut storm = Storm::new(9, Size::One.capacity());
    for _ in 0..2_000 {
        let mut command = storm.next(100);
        command.price =
            Price(command.price.0.clamp(STORM_BASE, STORM_BASE + 4095 * 100) / 100 * 100);
        assert_eq!(answer(&mut hardware, &command), answer(&mut twin, &command), "{command:?}");
    }
    assert!(matches!(hardware.answering(), Answering::Silent(seq) if seq > SeqNo(100)));
}
