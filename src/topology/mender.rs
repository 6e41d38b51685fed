//! Who writes events again that a crash, or the primary's end, kept from the event log.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::journal::{Health, Keeper, Writer};
use crate::model::{Event, Group, LINES_MAX};
use crate::topology::BootError;

/// The pause between two looks for room.
const PAUSE: Duration = Duration::from_millis(1);

/// Writes events to the end of their log, one after the other without a gap: after the first that
/// cannot be written none is.
pub(crate) struct Mender<'a> {
    log: &'a mut Writer<Event>,
    /// Keepers without threads: they are stepped while room is waited for.
    idle_keepers: &'a mut [Keeper],
    /// Raised where nobody wants to wait any more.
    stop: Option<&'a AtomicBool>,
    complaint: Option<String>,
}

impl<'a> Mender<'a> {
    pub(crate) fn new(log: &'a mut Writer<Event>, idle_keepers: &'a mut [Keeper]) -> Self {
        Self { log, idle_keepers, stop: None, complaint: None }
    }

    /// It stops waiting for room once this is raised.
    pub(crate) fn until(mut self, stop: &'a AtomicBool) -> Self {
        self.stop = Some(stop);
        self
    }

    /// Writes an event. On a disk that is full it waits for somebody who makes room; one that fails
    /// is not waited for.
    pub(crate) fn write(&mut self, event: &Event) {
        while self.complaint.is_none() && self.log.room() < LINES_MAX {
            self.wait();
        }
        if self.complaint.is_some() {
            return;
        }
        match self.log.append(&Group::new(*event)) {
            Ok(_) => self.log.commit(),
            Err(fault) => self.complaint = Some(fault.sentence().to_owned()),
        }
    }

    /// Whether all of them are written.
    ///
    /// # Errors
    /// Why they are not.
    pub(crate) fn finish(self) -> Result<(), BootError> {
        let Some(complaint) = self.complaint else { return Ok(()) };
        let what = "events cannot be put on record".to_owned();
        Err(BootError::System { what, source: std::io::Error::other(complaint) })
    }

    fn wait(&mut self) {
        let progress = self.log.progress();
        let is_stopped = self.stop.is_some_and(|stop| stop.load(Ordering::Acquire));
        match progress.health() {
            Health::PrepareFailed | Health::SyncFailed => {
                self.complaint = Some(progress.complaint().unwrap_or_default());
            }
            _ if is_stopped => self.complaint = Some("asked to stop".to_owned()),
            _ => step_or_wait(self.idle_keepers),
        }
    }
}

/// A moment passes: for keepers that have threads, or for these, which have none.
pub(crate) fn step_or_wait(idle_keepers: &mut [Keeper]) {
    if idle_keepers.is_empty() {
        std::thread::sleep(PAUSE);
    }
    for keeper in idle_keepers {
        keeper.step(PAUSE);
    }
}
