//! `Deadlines`: a heap of who must go when, from which anybody can be taken out.

/// When, and who is first of those at the same time.
pub(super) type Deadline = (u64, u64);

/// Not in the heap.
const OUT: u32 = u32::MAX;

/// The earliest first; members are small numbers, each in it once at most.
#[derive(Debug)]
pub(super) struct Deadlines {
    heap: Vec<(Deadline, u32)>,
    /// Where in the heap each member is.
    places: Box<[u32]>,
}

impl Deadlines {
    /// What room for a member takes.
    pub(super) const BYTES_PER_MEMBER: usize = size_of::<(Deadline, u32)>() + size_of::<u32>();

    /// For members below `members_max`.
    pub(super) fn new(members_max: usize) -> Self {
        Self { heap: Vec::with_capacity(members_max), places: vec![OUT; members_max].into() }
    }

    /// The first deadline and whose it is.
    pub(super) fn first(&self) -> Option<(Deadline, u32)> {
        self.heap.first().copied()
    }

    /// Notes a member's deadline; it has none yet.
    pub(super) fn insert(&mut self, member: u32, at: Deadline) {
        debug_assert_eq!(self.places[member as usize], OUT, "a member has one deadline");
        self.heap.push((at, member));
        self.rise(self.heap.len() - 1);
    }

    /// Forgets a member's deadline, if it has one.
    pub(super) fn remove(&mut self, member: u32) {
        let place = std::mem::replace(&mut self.places[member as usize], OUT);
        if place == OUT {
            return;
        }
        let place = place as usize;
        let Some(last) = self.heap.pop() else { return };
        if place < self.heap.len() {
            self.heap[place] = last;
            self.sink(place);
            self.rise(place);
        }
    }

    fn rise(&mut self, mut place: usize) {
        while place > 0 {
            let parent = (place - 1) / 2;
            if self.heap[parent].0 <= self.heap[place].0 {
                break;
            }
            self.heap.swap(parent, place);
            self.settle(place);
            place = parent;
        }
        self.settle(place);
    }

    fn sink(&mut self, mut place: usize) {
        loop {
            let children = [2 * place + 1, 2 * place + 2];
            let below = children.into_iter().filter(|&child| child < self.heap.len());
            let Some(least) = below.min_by_key(|&child| self.heap[child].0) else { break };
            if self.heap[place].0 <= self.heap[least].0 {
                break;
            }
            self.heap.swap(place, least);
            self.settle(place);
            place = least;
        }
        self.settle(place);
    }

    fn settle(&mut self, place: usize) {
        self.places[self.heap[place].1 as usize] = place as u32;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_first_is_what_a_sorted_set_says(
            steps in prop::collection::vec((0_u32..30, 0_u64..50), 0..300),
        ) {
            let mut deadlines = Deadlines::new(30);
            let mut model: BTreeSet<(Deadline, u32)> = BTreeSet::new();
            for (member, at) in steps {
                let at = (at, u64::from(member));
                if model.iter().any(|(_, other)| *other == member) {
                    model.retain(|(_, other)| *other != member);
                    deadlines.remove(member);
                } else {
                    model.insert((at, member));
                    deadlines.insert(member, at);
                }
                deadlines.remove((member + 7) % 30);
                model.retain(|(_, other)| *other != (member + 7) % 30);
                prop_assert_eq!(deadlines.first(), model.first().copied());
            }
        }
    }
}
