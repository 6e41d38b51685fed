//! Counts the steps of every loop whose length could grow with what rests, for the tests that bound
//! them; nothing at all in a build that trades.

#[cfg(test)]
thread_local! {
    static STEPS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// One step of such a loop.
#[inline(always)]
pub(super) fn step() {
    #[cfg(test)]
    STEPS.with(|steps| steps.set(steps.get() + 1));
}

/// The steps of this thread since they were asked for last.
#[cfg(test)]
pub(crate) fn take_steps() -> u64 {
    STEPS.with(std::cell::Cell::take)
}
