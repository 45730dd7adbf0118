//! Mutations of inputs.

/// A source of small changes to inputs, the same ones for the same seed.
pub(crate) struct Mutator(u64);

/// Numbers at the edges of ranges and sizes.
const EDGES: [u64; 12] =
    [0, 1, 7, 8, 9, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0xffff_ffff, u64::MAX];

impl Mutator {
    pub(crate) fn new(seed: u64) -> Self {
        Self(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed | 1))
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % limit.max(1)
    }

    /// Returns one of the seeds with some changes.
    pub(crate) fn change(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut input = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(4) {
            let other = &seeds[self.below(seeds.len())];
            self.change_once(&mut input, other);
        }
        input
    }

    fn change_once(&mut self, input: &mut Vec<u8>, other: &[u8]) {
        let at = self.below(input.len());
        let end = at + self.below((input.len() - at).min(64) + 1);
        match self.below(8) {
            0 if at < input.len() => input[at] ^= 1 << self.below(8),
            1 if at < input.len() => input[at] = self.below(256) as u8,
            2 => {
                let edge = EDGES[self.below(EDGES.len())];
                self.put(input, at, edge);
            }
            // A number close to the one in the input.
            3 => {
                let mut word = [0; 4];
                let there = &input[at..input.len().min(at + 4)];
                word[..there.len()].copy_from_slice(there);
                let near =
                    u32::from_le_bytes(word).wrapping_add(self.below(33) as u32).wrapping_sub(16);
                self.put(input, at, near.into());
            }
            4 => _ = input.drain(at..end),
            5 => {
                let part = input[at..end].to_vec();
                let to = self.below(input.len() + 1);
                input.splice(to..to, part);
            }
            6 => {
                let from = self.below(other.len());
                let part = &other[from..from + self.below((other.len() - from).min(256) + 1)];
                input.splice(at..end, part.iter().copied());
            }
            _ => input.truncate(input.len() - self.below(input.len() / 4 + 1)),
        }
    }

    /// Writes the low 1, 2, 4 or 8 bytes of a number.
    fn put(&mut self, input: &mut [u8], at: usize, number: u64) {
        let size = 1 << self.below(4);
        for (to, from) in input[at..].iter_mut().take(size).zip(number.to_le_bytes()) {
            *to = from;
        }
    }
}
