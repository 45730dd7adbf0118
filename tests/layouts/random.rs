//! Pseudo-random numbers.

/// A generator of pseudo-random numbers that are the same everywhere for the same seed
/// (SplitMix64).
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.bits() % end
    }

    /// Returns a number from `first` to `last`, inclusive.
    pub(crate) fn between(&mut self, first: u64, last: u64) -> u64 {
        first + self.below(last - first + 1)
    }

    pub(crate) fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    pub(crate) fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len() as u64) as usize]
    }

    /// Returns a number of `width` bits; often all bits are zero, all are one, or only one is.
    pub(crate) fn number(&mut self, width: u32, signed: bool) -> i128 {
        let raw = u128::from(self.bits()) << 64 | u128::from(self.bits());
        let raw = match self.below(5) {
            0 => 0,
            1 => u128::MAX,
            2 => 1 << (raw % 128),
            _ => raw,
        };
        let unused = 128 - width;
        if signed {
            (raw << unused).cast_signed() >> unused
        } else {
            (raw << unused >> unused).cast_signed()
        }
    }
}
