//! The controls, each with its rule, scope, default and refusal: `docs/risk.md` is made of this.

use crate::model::RejectCode as R;

/// One control.
#[derive(Clone, Copy, Debug)]
pub struct Control {
    /// What it is.
    pub name: &'static str,
    /// The rule it serves.
    pub rule: &'static str,
    /// Whose it is.
    pub scope: &'static str,
    /// What holds where nobody says otherwise.
    pub default: &'static str,
    /// How it refuses.
    pub codes: &'static [R],
}

const ACCESS: &str = "15c3-5(c)(1)(i)";
const PRICE: &str = "15c3-5(c)(1)(ii), RTS 6 Art 15, RTS 7 Art 20";
const BARRED: &str = "15c3-5(c)(2)";
const PACE: &str = "RTS 6 Art 15(1)(d)";
const STOP: &str = "RTS 6 Art 12";
const SHORT: &str = "Regulation SHO";

/// All of them, in the order in which an order meets them.
pub const CONTROLS: &[Control] = &[
    of("session known", BARRED, "session", "configured", &[R::UnknownSession]),
    of("message rate of a session", PACE, "session", "100/s, 200 at once", &[R::MessageRate]),
    of("ban of who floods", PACE, "session", "over 1000/s: 10 s", &[R::Banned]),
    of("order entry disabled by its firm", STOP, "session", "enabled", &[R::EntryDisabled]),
    of("journal short of room", "17a-4", "all", "on", &[R::JournalFull]),
    of("clock near UTC", "RTS 25", "all", "none", &[R::ClockOff]),
    of("commands put aside", "RTS 7 Art 8", "a command", "what crashed twice", &[R::PutAside]),
    of("risk's own state", ACCESS, "all", "on", &[R::RiskFailed]),
    of("risk stage answers", ACCESS, "all, at the gateway", "one heartbeat", &[R::RiskStopped]),
    of("account known to its session", BARRED, "account", "configured", &[R::UnknownAccount]),
    of("instrument known", BARRED, "instrument", "configured", &[R::UnknownInstrument]),
    of("instrument matched here", BARRED, "instrument", "by shards", &[R::Elsewhere]),
    of("permission of hours", BARRED, "session", "all", &[R::OutOfHours]),
    of("permission of phases", BARRED, "session", "all", &[R::PhasePermission]),
    of("permission of instruments", BARRED, "session", "all", &[R::InstrumentPermission]),
    of("kill switch, halted", STOP, "all scopes", "active", &[R::Killed]),
    of("kill switch, reduce-only", STOP, "all scopes", "active", &[R::ReduceOnly]),
    of("rate of an account", PACE, "account", "none", &[R::AccountRate]),
    of("repeated executions", PACE, "account", "none", &[R::RepeatedExecution]),
    of("market orders", PRICE, "account", "taken, with protection", &[R::MarketOrder]),
    of("duplicate orders", "15c3-5(c)(1)(ii)", "account", "none", &[R::RepeatedOrder]),
    of(
        "restricted list",
        BARRED,
        "instrument, or it with account, firm, session",
        "none",
        &[R::RestrictedInstrument],
    ),
    of(
        "circuit breaker",
        "RTS 7 Art 19",
        "instrument",
        "10 % in 5 min, dated",
        &[R::CircuitBreaker],
    ),
    of("no short sales", SHORT, "instrument", "allowed", &[R::NoShortSales]),
    of(
        "locate for what is hard to borrow",
        SHORT,
        "account in instrument",
        "none",
        &[R::LocateMissing],
    ),
    of(
        "short sale price test",
        "Regulation SHO 201",
        "instrument",
        "10 % fall, dated",
        &[R::ShortSaleTest],
    ),
    of("age of the reference price", PRICE, "instrument", "any", &[R::StaleReference]),
    of("limit up, limit down", "LULD plan", "instrument", "5 to 75 %, dated", &[R::PriceBand]),
    of("market-wide halt", "NYSE 7.12", "all", "7, 13, 20 %, dated", &[R::MarketHalt]),
    of("marking of short sales", SHORT, "account", "not asked", &[R::ShortNotMarked]),
    of("order quantity", PRICE, "account", "100,000", &[R::QuantityLimit]),
    of("price collar", PRICE, "account, hours", "10 %", &[R::PriceCollar, R::NoReferencePrice]),
    of("order notional", PRICE, "account", "50,000,000", &[R::NotionalLimit]),
    of("open orders", PACE, "account in instrument", "1000", &[R::OpenOrderLimit]),
    of("buying power and credit", ACCESS, "account", "configured", &[R::BuyingPower]),
    of("gross exposure", ACCESS, "account", "configured", &[R::Exposure]),
    of("position", ACCESS, "account in instrument", "none", &[R::PositionLimit]),
    of("net exposure", ACCESS, "account", "none", &[R::NetExposure]),
    of("buying power of a firm", ACCESS, "firm", "none", &[R::FirmBuyingPower]),
    of("gross exposure of a firm", ACCESS, "firm", "none", &[R::FirmExposure]),
    of("net exposure of a firm", ACCESS, "firm", "none", &[R::FirmNetExposure]),
    of("position of a firm", ACCESS, "firm in instrument", "none", &[R::FirmPosition]),
];

const fn of(
    name: &'static str,
    rule: &'static str,
    scope: &'static str,
    default: &'static str,
    codes: &'static [R],
) -> Control {
    Control { name, rule, scope, default, codes }
}

/// The controls as a table of Markdown.
pub fn table() -> String {
    let mut table = String::from(
        "| control | rule it serves | scope | default | reject code | OUCH | FIX 103 |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for control in CONTROLS {
        let join =
            |of: fn(&R) -> String| control.codes.iter().map(of).collect::<Vec<_>>().join(", ");
        let codes = join(|code| format!("{} `{}`", code.code(), code.name()));
        let (ouch, fix) =
            (join(|code| format!("0x{:04x}", code.ouch())), join(|code| code.fix().to_string()));
        let Control { name, rule, scope, default, .. } = control;
        table += &format!("| {name} | {rule} | {scope} | {default} | {codes} | {ouch} | {fix} |\n");
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: &str = "<!-- made of src/engine/risk/table.rs -->\n";
    const END: &str = "<!-- made until here -->\n";

    /// With `WIREMATCH_WRITE_DOCS` set it writes the table instead of comparing it.
    #[test]
    fn the_documentation_says_what_the_code_does() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/risk.md");
        let text = std::fs::read_to_string(path).expect("docs/risk.md is there");
        let (before, rest) = text.split_once(BEGIN).expect("the table begins");
        let (_, after) = rest.split_once(END).expect("the table ends");
        let fresh = format!("{before}{BEGIN}{}{END}{after}", table());
        if std::env::var_os("WIREMATCH_WRITE_DOCS").is_some() {
            std::fs::write(path, &fresh).expect("docs/risk.md can be written");
        }
        let is_fresh = fresh == text || std::env::var_os("WIREMATCH_WRITE_DOCS").is_some();
        assert!(is_fresh, "docs/risk.md is stale: WIREMATCH_WRITE_DOCS=1 cargo test --lib risk");
    }

    /// Who adds a control adds its codes' faces, its line in the documentation, and a test that
    /// meets the code; the counter is there for every code.
    #[test]
    fn no_control_lacks_a_code_a_line_or_a_test() {
        let page = include_str!("../../../docs/risk.md");
        let tests = [
            include_str!("tests/controls.rs"),
            include_str!("tests/listing.rs"),
            include_str!("tests/protection.rs"),
            include_str!("rate.rs"),
            // What the gateway says by itself can be seen from outside alone.
            include_str!("../../../tests/crash.rs"),
            include_str!("../../../tests/risk/client.rs"),
            include_str!("../../../tests/risk/main.rs"),
        ];
        for control in CONTROLS {
            assert!(!control.codes.is_empty(), "{} refuses by no code", control.name);
            for code in control.codes {
                let name = code.name();
                assert!(code.ouch() > 0 && code.fix() <= 99 && !code.sentence().is_empty());
                assert!(R::ALL.contains(code), "nobody counts {name}");
                assert!(page.contains(&format!("`{name}`")), "docs/risk.md does not say {name}");
                let meets = |test: &&str| test.contains(&format!("RejectCode::{name}"));
                assert!(tests.iter().any(meets), "no test meets {name}");
            }
        }
    }

    #[test]
    fn no_two_controls_share_a_code() {
        let mut codes: Vec<R> =
            CONTROLS.iter().flat_map(|control| control.codes).copied().collect();
        codes.sort_unstable();
        assert!(codes.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
