//! Work done first in a copy of this process: what would end the process ends the copy.

use std::io::{self, PipeReader, Read, Write, pipe};
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitOptions, kill_process, set_parent_process_death_signal, waitpid,
};

/// How a rehearsal ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rehearsal {
    /// It came to its end.
    Finished,
    /// The copy died, or stood still for too long, at the step it had told last; 0 before the
    /// first.
    Died(u64),
}

/// Does `work` in a copy of this process, which has this thread alone and is gone afterwards, with
/// all it did to memory. `work` calls what it is given before each step, with the step's number,
/// and must write no file, send nothing and wait for no other thread.
///
/// A copy that tells nothing for `patience` is ended.
///
/// # Errors
/// No process or pipe to be had.
pub fn rehearse(
    patience: Duration,
    work: impl FnOnce(&mut dyn FnMut(u64)),
) -> io::Result<Rehearsal> {
    let (mut hears, mut tells) = pipe()?;
    let copy = match fork()? {
        Process::Copy => {
            drop(hears);
            // A copy must not outlive the process whose locks it shares.
            let _ = set_parent_process_death_signal(Some(Signal::KILL));
            let work = || work(&mut |step| drop(tells.write_all(&step.to_ne_bytes())));
            leave(catch_unwind(AssertUnwindSafe(work)).is_ok())
        }
        Process::Original(copy) => copy,
    };
    drop(tells);
    let listened = listen(&mut hears, patience);
    // It is gone by itself where it closed its end; else it is ended.
    let has_finished = end(copy, listened.is_err());
    Ok(match listened {
        Ok(_) if has_finished => Rehearsal::Finished,
        Ok(step) | Err(step) => Rehearsal::Died(step),
    })
}

/// The last step that was told before the other end was closed; an error where it went silent.
fn listen(hears: &mut PipeReader, patience: Duration) -> Result<u64, u64> {
    let mut last = 0;
    let patience = Timespec::try_from(patience).unwrap_or_default();
    loop {
        match poll(&mut [PollFd::new(&hears.as_fd(), PollFlags::IN)], Some(&patience)) {
            Err(Errno::INTR) => continue,
            Ok(0) | Err(_) => return Err(last),
            Ok(_) => {}
        }
        let mut next = [0; 8];
        match hears.read_exact(&mut next) {
            Ok(()) => last = u64::from_ne_bytes(next),
            Err(_) => return Ok(last),
        }
    }
}

/// Which of the two this is.
enum Process {
    Copy,
    Original(Pid),
}

#[allow(unsafe_code, reason = "no crate of ours copies a process")]
fn fork() -> io::Result<Process> {
    // SAFETY: the copy has this thread alone. It runs our own arithmetic on memory that no other
    // thread was changing, allocates (which the C library makes safe after a fork), and leaves
    // without running anybody's destructors.
    let copy = unsafe { libc::fork() };
    if copy < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Pid::from_raw(copy).map_or(Process::Copy, Process::Original))
}

/// Ends the copy.
#[allow(unsafe_code, reason = "leaving without destructors has no safe door")]
fn leave(has_finished: bool) -> ! {
    // SAFETY: ends the process; destructors would touch what belongs to the original.
    unsafe { libc::_exit(i32::from(!has_finished)) }
}

/// Waits for the copy, which is killed first where that is asked for; whether it ended well.
fn end(copy: Pid, by_force: bool) -> bool {
    if by_force {
        let _ = kill_process(copy, Signal::KILL);
    }
    loop {
        match waitpid(Some(copy), WaitOptions::empty()) {
            Err(Errno::INTR) => {}
            Ok(Some((_, status))) => return status.exit_status() == Some(0),
            Ok(None) | Err(_) => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(1);

    #[test]
    fn what_is_done_in_a_rehearsal_is_not_done_here() {
        let mut number = 1;
        let ended = rehearse(PATIENCE, |step| {
            step(1);
            number = 2;
        });
        assert_eq!(ended.expect("there is room"), Rehearsal::Finished);
        assert_eq!(number, 1);
    }

    #[test]
    fn who_dies_is_heard_with_the_step() {
        let dies = |how: fn()| {
            rehearse(PATIENCE, move |step| {
                step(7);
                step(8);
                how();
                step(9);
            })
        };
        for how in [
            (|| panic!("on purpose")) as fn(),
            || std::process::abort(),
            || std::thread::sleep(Duration::from_secs(60)),
        ] {
            assert_eq!(dies(how).expect("there is room"), Rehearsal::Died(8));
        }
    }
}
