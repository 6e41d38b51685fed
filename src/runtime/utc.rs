//! How well the system's clock is kept near UTC, as the kernel was told by whoever keeps it.

/// The clock's discipline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Utc {
    /// Whether somebody keeps it: chrony, ntpd, phc2sys.
    pub is_kept: bool,
    /// How far it was off when last looked at.
    pub offset_ns: i64,
    /// How far it may be off, at most.
    pub error_us: u64,
}

impl Utc {
    /// Whether it is kept, and surely no further off than `bound_us`.
    pub const fn is_within(&self, bound_us: u64) -> bool {
        self.is_kept && self.error_us <= bound_us
    }
}

/// Asks the kernel; `None` where it does not say.
#[allow(unsafe_code, reason = "a system call without a safe wrapper among our crates")]
pub fn utc() -> Option<Utc> {
    // SAFETY: all of the structure's fields are numbers, of which zero is one.
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel fills the structure, and with no modes asked for changes nothing.
    let state = unsafe { libc::adjtimex(&raw mut timex) };
    if state < 0 {
        return None;
    }
    let is_kept = state != libc::TIME_ERROR && timex.status & libc::STA_UNSYNC == 0;
    let is_nano = timex.status & libc::STA_NANO != 0;
    let offset_ns = if is_nano { timex.offset } else { timex.offset.saturating_mul(1000) };
    Some(Utc { is_kept, offset_ns, error_us: timex.maxerror.max(0) as u64 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_says_how_its_clock_is_kept() {
        let Some(state) = utc() else { return println!("skipped: the kernel does not say") };
        assert!(state.is_kept || state.error_us > 0);
    }
}
