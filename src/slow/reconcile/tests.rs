//! Statements that are as we have it, differ in one thing, or are wrong.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::slow::Money;
use crate::slow::reconcile::*;

const HEADER: &str = "record,trade_id,trade_date,settlement_date,account,symbol,side,quantity,\
    price,fee,currency";

fn good() -> String {
    format!(
        "{HEADER}\n\
         trade,65536,2026-11-23,2026-11-24,1,ACME,buy,100,300.25,0.30,USD\n\
         trade,65536,2026-11-23,2026-11-24,2,ACME,sell,100,300.25,-0.20,USD\n\
         position,,2026-11-23,,1,ACME,,100,,,\n\
         position,,2026-11-23,,2,ACME,,-100,,,\n\
         cash,,2026-11-23,,1,,,,-30025.30,,USD\n"
    )
}

fn fix(body: &str) -> String {
    let text = format!("8=FIX.4.4|9=1|{body}|");
    let sum: u32 = text.bytes().map(|b| u32::from(if b == b'|' { 1 } else { b })).sum();
    format!("{text}10={:03}|\n", sum % 256)
}

const REPORT: &str = "35=AE|571=r1|1003=65536|55=ACME|32=100|31=300.25|75=20261123|64=20261124|\
    552=2|54=1|1=1|12=0.30|54=2|1=2|12=-0.20";

fn ours() -> Ours {
    // Made of the statement itself, through the books' own types.
    let statement = parse_statement(good().as_bytes()).expect("it is good");
    let mut ours = Ours::default();
    for trade in &statement.trades {
        let key = (trade.number, trade.account, trade.is_buy);
        ours.trades.insert(key, OurTrade::for_tests(trade));
    }
    ours.positions = BTreeMap::from([((1, "ACME".into()), 100), ((2, "ACME".into()), -100)]);
    ours.cash.insert((1, "USD".parse().expect("a currency")), Money(-300_253_000));
    ours
}

fn kinds(text: &str) -> Vec<BreakKind> {
    let statement = parse_statement(text.as_bytes()).expect("it can be read");
    differences(&statement, &ours()).breaks.iter().map(|one| one.kind).collect()
}

#[test]
fn what_is_equal_has_no_breaks_and_each_difference_is_of_its_kind() {
    assert_eq!(kinds(&good()), []);
    assert_eq!(kinds(&fix(REPORT)), []);
    let with = |from: &str, to: &str| kinds(&good().replacen(from, to, 1));
    assert_eq!(with(",buy,100,", ",buy,90,"), [BreakKind::Quantity]);
    assert_eq!(with("300.25,0.30", "300.26,0.30"), [BreakKind::Price]);
    assert_eq!(with("2026-11-24,1", "2026-11-25,1"), [BreakKind::Settlement]);
    assert_eq!(with("1,ACME,buy", "1,BOLT,buy"), [BreakKind::Instrument]);
    assert_eq!(with(",0.30,USD", ",0.31,USD"), [BreakKind::Fee]);
    assert_eq!(with(",1,ACME,,100,", ",1,ACME,,101,"), [BreakKind::Position]);
    assert_eq!(with("-30025.30", "-30025.31"), [BreakKind::Cash]);
    let other = [BreakKind::MissingThere, BreakKind::MissingHere];
    assert_eq!(with("trade,65536", "trade,65537"), other);
    let sell = "trade,65536,2026-11-23,2026-11-24,2,ACME,sell,100,300.25,-0.20,USD\n";
    assert_eq!(with(sell, ""), [BreakKind::MissingThere]);
    assert_eq!(with(sell, &sell.repeat(2)), [BreakKind::Twice]);
}

#[test]
fn every_mistake_is_told_with_line_and_column() {
    let told = |text: &str| parse_statement(text.as_bytes()).expect_err("it is wrong").to_string();
    let with = |from: &str, to: &str| told(&good().replacen(from, to, 1));
    assert!(told("").starts_with("line 1, column 1: the first line must be"));
    assert!(told(&format!("{HEADER}\n")).contains("nothing behind"));
    assert!(with("trade,", "trades,").starts_with("line 2, column 1: `trades` is none of"));
    assert!(with("trade,65536", "trade,x").starts_with("line 2, column 7: `trade_id` is `x`"));
    assert!(with("2026-11-23", "2026-13-23").starts_with("line 2, column 13: `trade_date`"));
    assert!(with("2026-11-24", "soon").starts_with("line 2, column 24: `settlement_date`"));
    assert!(with(",1,ACME", ",-1,ACME").starts_with("line 2, column 35: `account`"));
    assert!(with("1,ACME", "1,").starts_with("line 2, column 37: `symbol` is missing"));
    assert!(with("buy", "bought").starts_with("line 2, column 42: `bought` is neither"));
    assert!(with(",100,", ",0,").starts_with("line 2, column 46: a trade of nothing"));
    assert!(with("300.25", "300.25001").starts_with("line 2, column 50: `price`"));
    assert!(with("0.30", "0,30").contains("12 cells, there must be 11"));
    assert!(with("0.30", "free").contains("`fee` is `free`"));
    assert!(with(",,1,ACME,,100", ",,1,ACME,buy,100").contains("`side` says nothing"));
    assert!(with(",,USD", ",,usd").starts_with("line 6, column 35: `currency`"));
    assert!(with("position,,2026-11-23", "position,,2026-11-22").contains("another trade date"));
    assert!(with("ACME", "\"ACME").contains("a quote is opened"));
    let cash = "cash,,2026-11-23,,1,,,,-30025.30,,USD\n";
    assert!(with(cash, &cash.repeat(2)).starts_with("line 7, column 19: the account has"));
    let binary = parse_statement(b"record\n\xff").expect_err("no text").to_string();
    assert!(binary.starts_with("line 2, column 1: this is no text"), "{binary}");
    let fix_with = |from: &str, to: &str| told(&fix(&REPORT.replacen(from, to, 1)));
    assert!(fix_with("35=AE", "35=8").starts_with("line 1, column 15: this is no trade"));
    assert!(fix_with("75=20261123", "75=1123").contains("75=1123: it must be as"));
    assert!(fix_with("|1=2", "").contains("a side without an Account"));
    assert!(fix_with("552=2", "552=3").contains("2 sides, NoSides (552) says 3"));
    assert!(fix_with("54=2", "54=9").contains("54=9"));
    assert!(fix_with("31=300.25", "31=x").contains("31=x"));
    assert!(fix_with("|55=ACME", "").contains("field 55 is missing"));
    assert!(told(&fix(REPORT).replacen("ACME", "ACMF", 1)).contains("the checksum is"));
    assert!(told("8=FIX.4.4|nothing|").contains("is no field"));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = parse_statement(&bytes);
        let behind = |start: &str| [start.as_bytes(), &bytes].concat();
        let _ = parse_statement(&behind(&format!("{HEADER}\n")));
        let _ = parse_statement(&behind("8=FIX.4.4|"));
    }

    #[test]
    fn a_changed_sign_never_panics_nor_goes_unseen(at in 0usize..400, sign in 32u8..127) {
        let mut text = good().into_bytes();
        let at = at % text.len();
        let before = std::mem::replace(&mut text[at], sign);
        if let Ok(statement) = parse_statement(&text) {
            let same = statement == parse_statement(good().as_bytes()).expect("it is good");
            let found = differences(&statement, &ours()).breaks.len();
            // What a position, a trade's fee or a date says is compared; a currency of a trade,
            // prices of nothing and blanks are not.
            let is_told = found > 0 || same || statement.date.to_string() != "2026-11-23";
            let uncompared = text[at] != before && (sign == b' ' || sign == b'+' || sign == b'0');
            let column_10 = text[..at].iter().rev().take_while(|b| **b != b'\n')
                .filter(|b| **b == b',').count() >= 8;
            prop_assert!(is_told || uncompared || column_10, "{}", String::from_utf8_lossy(&text));
        }
    }
}

#[test]
fn the_queue_knows_a_break_again_and_keeps_who_settled_it() {
    let data = tempfile::tempdir().expect("a folder");
    let queue = Queue::of(data.path());
    let statement = parse_statement(good().replacen(",buy,100,", ",buy,90,", 1).as_bytes());
    let statement = statement.expect("it can be read");
    let breaks = differences(&statement, &ours()).breaks;
    assert_eq!(queue.put(statement.date, &breaks, 10).expect("it is put"), 1);
    assert_eq!(queue.put(statement.date, &breaks, 20).expect("it is put"), 0);
    let id = breaks[0].id.clone();
    queue.change(&id, "ann", None).expect("it is there");
    queue.put(statement.date, &[], 30).expect("it is put");
    assert_eq!(queue.all().expect("all")[0].state, ReviewState::Vanished);
    queue.put(statement.date, &breaks, 40).expect("it is put");
    let back = queue.all().expect("all");
    assert_eq!((back[0].state, back[0].first_seen, back[0].last_seen), (ReviewState::Open, 10, 40));
    queue.change(&id, "bob", Some("their mistake, corrected")).expect("it is there");
    queue.put(statement.date, &breaks, 50).expect("it is put");
    let settled = queue.all().expect("all").remove(0);
    assert_eq!((settled.state, settled.owner.as_str()), (ReviewState::Resolved, "bob"));
    assert!(queue.change(&id, "ann", None).is_err() && queue.change("none", "ann", None).is_err());
    assert_eq!(queue.found_since(11).expect("a count"), 0);
}
