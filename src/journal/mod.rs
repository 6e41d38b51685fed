//! The two logs: commands, which are the truth, and the events derived from them.
