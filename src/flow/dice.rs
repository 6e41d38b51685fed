//! `Dice`: seeded numbers for flow that must come out the same on every machine: integers only.

/// A splitmix64 generator.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice whose throws are a function of the seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any 64 bits.
    pub const fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below `end`; 0 where there is none.
    pub const fn below(&mut self, end: u64) -> u64 {
        let wide = self.bits() as u128 * end as u128;
        (wide >> 64) as u64
    }

    /// True `part` times of a hundred.
    pub const fn percent(&mut self, part: u64) -> bool {
        self.below(100) < part
    }

    /// A distance from 1 to `end`, the share of each falling with its square: most are near, and
    /// some are as far as can be.
    pub const fn power_law(&mut self, end: u64) -> u64 {
        loop {
            let octave = self.bits().trailing_zeros();
            if octave < 40 {
                let distance = (1 << octave) + self.below(1 << octave);
                if distance <= end || end == 0 {
                    return distance;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throws_stay_in_range_and_reach_its_ends() {
        let mut dice = Dice::new(1);
        let mut seen = [0_u32; 11];
        for _ in 0..10_000 {
            seen[dice.power_law(10) as usize] += 1;
            assert!(dice.below(7) < 7);
        }
        assert!(seen[0] == 0 && seen[1..].iter().all(|&count| count > 0));
        assert!(seen[1] > seen[2] && seen[2] > seen[9]);
        assert_eq!(Dice::new(0).below(0), 0);
    }
}
