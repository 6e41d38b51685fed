//! An order that brings the process down, so that tests see what comes of one; builds without debug
//! assertions have none.

use std::sync::LazyLock;

use crate::model::Command;

/// The variable of the environment with the quantity of such an order.
const VARIABLE: &str = "WIREMATCH_BOMB";

static QUANTITY: LazyLock<Option<u32>> =
    LazyLock::new(|| std::env::var(VARIABLE).ok().and_then(|text| text.parse().ok()));

/// Looks whether there is one, so that nobody does on the way of an order.
pub(super) fn arm() {
    LazyLock::force(&QUANTITY);
}

/// Goes off at that order.
#[inline]
pub(super) fn meet(command: &Command) {
    if *QUANTITY == Some(command.quantity.0) {
        panic!("{VARIABLE} names the quantity of command {}", command.seq);
    }
}
