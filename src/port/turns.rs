//! Queues of a device, taken in turn: none is the first for good, and none takes what others wait
//! for.

use crate::port::device::QUEUES_MAX;

/// Whose turn it is.
#[derive(Clone, Copy, Debug)]
pub struct Turns {
    queues: u16,
    first: u16,
    /// Of any two each is before the other every second time.
    is_backward: bool,
}

impl Turns {
    /// Over so many queues.
    pub fn new(queues: u16) -> Self {
        Self { queues: queues.clamp(1, QUEUES_MAX), first: 0, is_backward: false }
    }

    /// Asks each queue for its share of a budget of frames, and those that had more for what the
    /// others left; `receive` is told the queue and how many, and says how many came.
    #[inline]
    pub fn take(&mut self, budget: usize, receive: &mut dyn FnMut(u16, usize) -> usize) -> usize {
        match self.queues {
            1 => receive(0, budget),
            _ => self.share(budget, receive),
        }
    }

    fn share(&mut self, budget: usize, receive: &mut dyn FnMut(u16, usize) -> usize) -> usize {
        let Self { queues, first, is_backward } = *self;
        let order = || {
            (0..queues).map(|nth| {
                let nth = if is_backward { queues - 1 - nth } else { nth };
                (first + nth) % queues
            })
        };
        let (mut left, mut has_more) = (budget, 0u16);
        for (queue, waiting) in order().zip((1..=usize::from(queues)).rev()) {
            let share = left.div_ceil(waiting);
            let came = if share > 0 { receive(queue, share).min(share) } else { 0 };
            has_more |= u16::from(came == share) << queue;
            left -= came;
        }
        for queue in order().filter(|queue| has_more >> queue & 1 == 1) {
            if left > 0 {
                left -= receive(queue, left).min(left);
            }
        }
        if is_backward {
            self.first = if first + 1 < queues { first + 1 } else { 0 };
        }
        self.is_backward = !is_backward;
        budget - left
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Nothing is left that there was room for, nobody gets more than there is, and who wants
        /// no more than a share gets it.
        #[test]
        fn a_budget_is_shared(
            mut waiting in prop::collection::vec(0usize..40, 1..16),
            budget in 0usize..80,
            before in 0usize..20,
        ) {
            let mut turns = Turns::new(waiting.len() as u16);
            (0..before).for_each(|_| _ = turns.take(0, &mut |_, _| 0));
            let wanted = waiting.clone();
            let share = budget / waiting.len();
            let total = turns.take(budget, &mut |queue, most| {
                let came = waiting[usize::from(queue)].min(most);
                waiting[usize::from(queue)] -= came;
                came
            });
            prop_assert_eq!(total, budget.min(wanted.iter().sum()));
            for (wanted, left) in wanted.iter().zip(&waiting) {
                prop_assert!(wanted - left >= share.min(*wanted));
            }
        }
    }

    #[test]
    fn of_any_two_queues_each_is_before_the_other_as_often() {
        let mut turns = Turns::new(3);
        let (mut firsts, mut before) = ([0; 3], [[0; 3]; 3]);
        for _ in 0..30 {
            let mut asked = Vec::new();
            turns.take(3, &mut |queue, _| {
                asked.push(usize::from(queue));
                0
            });
            firsts[asked[0]] += 1;
            for (at, one) in asked.iter().enumerate() {
                asked[at + 1..].iter().for_each(|other| before[*one][*other] += 1);
            }
        }
        assert_eq!((firsts, before), ([10; 3], [[0, 15, 15], [15, 0, 15], [15, 15, 0]]));
    }
}
