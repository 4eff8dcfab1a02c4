//! Random numbers that are the same on every machine: xoshiro256++ (Blackman and Vigna 2019), seeded through SplitMix64
//! as its authors advise. Twenty lines of our own, because a seed must give the same text in every later version, and
//! the random-number crates reserve the right to change theirs. Not for secrets.

use std::hash::{BuildHasher, Hasher};

/// A generator; cloning it repeats what follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rng([u64; 4]);

impl Rng {
    /// The sequence that belongs to `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        let mut state = seed;
        Self(std::array::from_fn(|_| {
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = state;
            z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^ z >> 31
        }))
    }

    /// The next 64 bits.
    pub(crate) fn next_u64(&mut self) -> u64 {
        let s = &mut self.0;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let shifted = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= shifted;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// Uniform in 0..1, from the upper 53 bits.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// A seed that no other run has, from the system's entropy (with which the standard library keys its hash maps).
pub(crate) fn fresh_seed() -> u64 {
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_never_change() {
        // State {1, 2, 3, 4}: the first values of the published C code.
        let mut rng = Rng([1, 2, 3, 4]);
        assert_eq!(std::array::from_fn(|_| rng.next_u64()), [41_943_041, 58_720_359, 3_588_806_011_781_223]);
        // SplitMix64 from 0 begins with this published value.
        assert_eq!(Rng::new(0).0[0], 0xE220_A839_7B1D_CDAF);
        assert_ne!(fresh_seed(), fresh_seed());
    }
}
