//! The `wirematch` binary: names the commands.

fn main() {}
