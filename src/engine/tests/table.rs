//! Every type of order with every time in force and every set of features: each is taken, or
//! refused with the reason that the table gives.

use crate::engine::rules::{Feature, together};
use crate::engine::tests::STEP;
use crate::engine::tests::rules::{Market, buyer};
use crate::model::{
    Command, EventKind, Flags, Group, OrderType, Price, Quantity, RejectCode, TermFlags, Terms,
    TimeInForce,
};

const FEATURES: [Feature; 7] = [
    Feature::PostOnly,
    Feature::Slide,
    Feature::Hidden,
    Feature::Displayed,
    Feature::Minimum,
    Feature::AllOrNone,
    Feature::Discretion,
];

/// What the table and the few rules that a pair does not say come to.
fn expected(kind: OrderType, time: TimeInForce, features: &[Feature]) -> Result<(), RejectCode> {
    let has = |feature| features.contains(&feature);
    if has(Feature::Slide) && !has(Feature::PostOnly) {
        return Err(RejectCode::NotTogether);
    }
    together(kind, time, features)?;
    let immediate = time == TimeInForce::Ioc;
    let shown_minimum = has(Feature::Minimum) && !has(Feature::Hidden) && !immediate;
    if shown_minimum || (has(Feature::AllOrNone) && !has(Feature::Hidden)) {
        return Err(RejectCode::MinimumQuantity);
    }
    Ok(())
}

fn asking(kind: OrderType, time: TimeInForce, features: &[Feature]) -> Group<Command> {
    use OrderType as O;
    let has = |feature| features.contains(&feature);
    let mut head = Command { order_type: kind.code(), lines: 2, ..buyer(99, 10) };
    head.time_in_force = time.code();
    let mut terms = Terms::default();
    match kind {
        O::Stop | O::StopLimit => terms.stop_price = Price(10_200),
        O::TrailingStop => terms.offset = Price(100),
        O::PegMarket => terms.offset = Price(-100),
        _ => {}
    }
    if time == TimeInForce::Gtd {
        terms.expires_at = 1_000 * STEP;
    }
    let flags = [(Feature::PostOnly, Flags::POST_ONLY), (Feature::Hidden, Flags::HIDDEN)];
    for (_, flag) in flags.into_iter().filter(|(feature, _)| has(*feature)) {
        head.flags = head.flags.with(flag);
    }
    let wishes = [(Feature::Slide, TermFlags::SLIDE), (Feature::AllOrNone, TermFlags::ALL_OR_NONE)];
    for (_, flag) in wishes.into_iter().filter(|(feature, _)| has(*feature)) {
        terms.flags = terms.flags.with(flag);
    }
    terms.displayed = Quantity(if has(Feature::Displayed) { 3 } else { 0 });
    terms.minimum = Quantity(if has(Feature::Minimum) { 4 } else { 0 });
    terms.discretion = Price(if has(Feature::Discretion) { 200 } else { 0 });
    let mut group = Group::new(head);
    group.rest_mut()[0] = terms.line();
    group
}

#[test]
fn every_combination_is_taken_or_refused_with_the_reason_of_the_table() {
    let (mut taken, mut refused) = (0, 0);
    for &kind in OrderType::ALL {
        for &time in TimeInForce::ALL {
            for bits in 0..1_u32 << FEATURES.len() {
                let asked = (0..FEATURES.len()).filter(|at| bits >> at & 1 == 1);
                let features: Vec<Feature> = asked.map(|at| FEATURES[at]).collect();
                let mut market = Market::new();
                let events = market.0.send(asking(kind, time, &features));
                let answer = match events[0].kind() {
                    Ok(EventKind::Accepted) => Ok(()),
                    _ => Err(events[0].reject_code().expect("a refusal has its reason")),
                };
                let wanted = expected(kind, time, &features);
                assert_eq!(answer, wanted, "{kind} {time} {features:?}");
                *(if answer.is_ok() { &mut taken } else { &mut refused }) += 1;
            }
        }
    }
    assert!(taken > 80 && refused > 1_000, "{taken} taken, {refused} refused");
}
