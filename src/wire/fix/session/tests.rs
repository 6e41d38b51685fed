//! The session by scripts: what goes in, what must come out.
