//! The deterministic core: (state, command) → events. No clock, no I/O, no unsafe, no float.
