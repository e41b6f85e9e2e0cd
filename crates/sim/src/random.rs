//! Seeded random numbers. One seed yields many independent streams, with the same numbers on every machine.
//!
//! The generator is SplitMix64 (Steele, Lea and Flood 2014). Each use has its own stream, so that an additional draw
//! in one place changes nothing elsewhere. The numbers are predictable and must not be used for secrets.

#[cfg(test)]
mod tests;

/// One stream of random numbers.
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The stream for `seed`.
    pub fn new(seed: u64) -> Random {
        Random { state: seed }
    }

    /// The stream for `label` under `seed`. It is independent of the streams of other labels.
    pub fn stream(seed: u64, label: &str) -> Random {
        let mut hash = Fnv::new();
        hash.write(&seed.to_le_bytes());
        hash.write(label.as_bytes());
        let mut rng = Random::new(hash.finish());
        rng.next();
        rng
    }

    /// Return 64 uniform bits.
    #[expect(clippy::should_implement_trait, reason = "an endless stream has no use for Option")]
    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// Return a uniform number in `0..bound`, or 0 if `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        u64::try_from((u128::from(self.next()) * u128::from(bound)) >> 64)
            .expect("the high half of a product fits")
    }

    /// Return true with probability `chance` (0 = never, 1 = always). Both outcomes draw one number.
    pub fn happens(&mut self, chance: f64) -> bool {
        let draw = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        draw < chance
    }
}

/// FNV-1a with 64 bits: the fingerprint of an event log. The algorithm is fixed, so that hashes can be compared
/// between versions.
#[derive(Clone, Debug)]
pub struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Fnv {
        Fnv::new()
    }
}

impl Fnv {
    /// The hash of no octets.
    pub fn new() -> Fnv {
        Fnv(0xcbf2_9ce4_8422_2325)
    }

    /// Add `bytes` to the hash.
    pub fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    /// Return the hash of all octets added so far.
    pub fn finish(&self) -> u64 {
        self.0
    }
}
