//! The book's parts against the obvious: sorted sets, sorted maps of queues.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;

use crate::engine::book::bitmap::Bitmap;
use crate::engine::book::far_levels::FarLevels;
use crate::engine::book::level::Levels;
use crate::engine::book::{Key, NONE, OrderBook, Slot, Store};

proptest! {
    #[test]
    fn a_bitmap_finds_its_neighbours_as_a_sorted_set_does(
        places in prop::sample::select(vec![64_usize, 256, 4_096, 8_192, 262_144]),
        steps in prop::collection::vec((any::<u32>(), any::<bool>(), any::<u32>()), 1..200),
    ) {
        let mut bitmap = Bitmap::new(places);
        let mut model = BTreeSet::new();
        for (place, set, from) in steps {
            // Few distinct places, spread wide, so that some are cleared again.
            let place = (place as usize % 40) * (places / 40) + place as usize % 3;
            if set {
                bitmap.set(place);
                model.insert(place);
            } else {
                bitmap.clear(place);
                model.remove(&place);
            }
            let from = from as usize % places;
            prop_assert_eq!(bitmap.next(from), model.range(from..).next().copied());
            prop_assert_eq!(bitmap.previous(from), model.range(..=from).next_back().copied());
        }
    }

    #[test]
    fn far_levels_stay_sorted_and_shallow(
        steps in prop::collection::vec((-60..60_i64, any::<bool>(), -70..70_i64), 0..400),
        climbing: bool,
    ) {
        let mut levels = Levels::new(600);
        let mut far = FarLevels::default();
        let mut model: BTreeMap<Key, Slot> = BTreeMap::new();
        for (at, (key, insert, probe)) in steps.into_iter().enumerate() {
            let key = if climbing { at as Key } else { key };
            match model.get(&key) {
                None if insert => {
                    let level = levels.allocate(key, 0);
                    far.insert(&mut levels, level);
                    model.insert(key, level);
                }
                Some(&level) if !insert => {
                    far.remove(&mut levels, level);
                    levels.free(level);
                    model.remove(&key);
                }
                _ => {}
            }
            let slot = |found: Option<(&Key, &Slot)>| found.map_or(NONE, |(_, &slot)| slot);
            prop_assert_eq!(far.first(), slot(model.iter().next()));
            prop_assert_eq!(far.at_or_after(&levels, probe), slot(model.range(probe..).next()));
            prop_assert_eq!(far.before(&levels, probe), slot(model.range(..probe).next_back()));
            let deepest = 1.45 * ((model.len() + 2) as f64).log2();
            prop_assert!(f64::from(far.height(&levels)) <= deepest);
        }
    }
}

/// What happens to one side of a book.
#[derive(Clone, Debug)]
enum Step {
    Rest { key: Key, leaves: u32 },
    Remove { nth: usize },
    Trade { quantity: u32 },
}

/// Prices about a market that jumps now and then, so that the window has to follow.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let stretch = (-2_000..2_000_i64, 1..120_i64).prop_flat_map(|(market, width)| {
        let step = prop_oneof![
            4 => (market..market + width, 1..50_u32)
                .prop_map(|(key, leaves)| Step::Rest { key, leaves }),
            2 => any::<usize>().prop_map(|nth| Step::Remove { nth }),
            2 => (1..120_u32).prop_map(|quantity| Step::Trade { quantity }),
        ];
        prop::collection::vec(step, 0..60)
    });
    prop::collection::vec(stretch, 1..6).prop_map(|stretches| stretches.concat())
}

type Queues = BTreeMap<Key, VecDeque<(Slot, u32)>>;

fn apply(step: &Step, book: &mut OrderBook, store: &mut Store<()>, buy: bool, model: &mut Queues) {
    match *step {
        Step::Rest { key, leaves } => {
            let slot = book.rest(store, buy, key, leaves);
            assert_eq!(slot == NONE, model.values().flatten().count() == ROOM);
            if slot != NONE {
                model.entry(key).or_default().push_back((slot, leaves));
            }
        }
        Step::Remove { nth } => {
            let live: Vec<Slot> = model.values().flatten().map(|&(slot, _)| slot).collect();
            let Some(&slot) = live.get(nth % live.len().max(1)) else { return };
            book.remove(store, slot);
            model.values_mut().for_each(|queue| queue.retain(|&(other, _)| other != slot));
        }
        Step::Trade { quantity } => {
            let Some(front) = book.front(store, buy, Key::MAX) else { return };
            let traded = quantity.min(front.leaves);
            book.trade(store, front.order, traded);
            let queue = model.values_mut().next().expect("the book is not empty");
            let oldest = queue.front_mut().expect("no queue is empty");
            assert_eq!(*oldest, (front.order, front.leaves));
            oldest.1 -= traded;
            queue.retain(|&(_, leaves)| leaves > 0);
        }
    }
    model.retain(|_, queue| !queue.is_empty());
}

/// Orders the store of these tests holds, so that it is full now and then.
const ROOM: usize = 90;

proptest! {
    #[test]
    fn a_side_keeps_price_and_time_wherever_its_window_stands(steps in steps(), buy: bool) {
        let mut store = Store::<()>::new(ROOM as u32);
        let mut book = OrderBook::new(0, 64);
        let mut model = Queues::new();
        for step in &steps {
            apply(step, &mut book, &mut store, buy, &mut model);
            book.check(&store);
            let front = book.front(&store, buy, Key::MAX).map(|front| (front.key, front.order));
            let expected = model.iter().next().map(|(&key, queue)| (key, queue[0].0));
            prop_assert_eq!(front, expected);
        }
        let mut orders = Vec::new();
        book.for_each_order(&store, buy, &mut |slot| orders.push((slot, store.leaves(slot))));
        prop_assert_eq!(orders, model.values().flatten().copied().collect::<Vec<_>>());
        let mut depth = Vec::new();
        book.depth(&store, buy, &mut |key, quantity, count| {
            depth.push((key, quantity, count));
            true
        });
        let quantity = |queue: &VecDeque<(Slot, u32)>| queue.iter().map(|o| u64::from(o.1)).sum();
        let levels = model.iter().map(|(&key, queue)| (key, quantity(queue), queue.len() as u32));
        prop_assert_eq!(depth, levels.collect::<Vec<(Key, u64, u32)>>());
        prop_assert_eq!(store.live() as usize, model.values().flatten().count());
    }
}

#[test]
fn keys_at_the_ends_of_the_range_are_keys_like_others() {
    let mut store = Store::<()>::new(16);
    let mut book = OrderBook::new(0, 64);
    let keys = [Key::MAX, 1, Key::MAX - 1, Key::MAX / 2, 2, Key::MAX - 60, Key::MAX - 70];
    for key in keys {
        assert_ne!(book.rest(&mut store, false, key, 1), NONE);
        assert_ne!(book.rest(&mut store, true, -key, 1), NONE);
        book.check(&store);
    }
    for buy in [true, false] {
        let mut seen = Vec::new();
        while let Some(front) = book.front(&store, buy, Key::MAX) {
            seen.push(front.key);
            book.remove(&mut store, front.order);
            book.check(&store);
        }
        assert!(seen.is_sorted() && seen.len() == keys.len());
    }
}

#[test]
fn the_window_keeps_up_with_a_market_that_walks_either_way() {
    let mut store = Store::<()>::new(2_000);
    let mut book = OrderBook::new(0, 64);
    for key in (1..1_000).rev() {
        assert_ne!(book.rest(&mut store, true, key, 1), NONE);
        assert!(book.is_near(true), "at {key}, on the way to better prices");
    }
    while let Some(front) = book.front(&store, true, Key::MAX) {
        assert!(book.is_near(true), "at {}, on the way to worse prices", front.key);
        book.remove(&mut store, front.order);
        book.check(&store);
    }
}

#[test]
fn the_window_catches_up_after_a_jump() {
    let mut store = Store::<()>::new(2_000);
    let mut book = OrderBook::new(0, 64);
    for key in (5_000..5_040).chain(9_000..9_200) {
        assert_ne!(book.rest(&mut store, false, key, 1), NONE);
    }
    // A jump to better prices leaves forty levels in a window of another place; so do the forty
    // gone at once. Each further level brings the window four nearer.
    for key in (1_000..1_020).rev() {
        assert_ne!(book.rest(&mut store, false, key, 1), NONE);
        book.check(&store);
    }
    assert!(book.is_near(false));
    while let Some(front) = book.front(&store, false, 8_999) {
        book.remove(&mut store, front.order);
    }
    for _ in 0..20 {
        let front = book.front(&store, false, Key::MAX).expect("two hundred are left");
        book.remove(&mut store, front.order);
        book.check(&store);
    }
    assert!(book.is_near(false));
}
