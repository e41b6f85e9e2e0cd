//! Keyed hashes of names. Each process has its own secret key, so that an attacker cannot choose names that collide.
//!
//! ```text
//! word   = eight octets, A-Z made a-z
//! state' = fold(128-bit product of (state ^ word) and a secret multiplier)
//! ```
//!
//! The initial state and both multipliers are secret. [`HashKey::extend`] hashes a name label by label from the
//! right, so that the hash of each longer suffix costs one more label. [`HashKey::name`] hashes a whole name at once.
//! The zone index, the set of zones, the cache and the `Hash` of the name types use [`key`].
//!
//! `net` sets a random key when the process starts ([`set_key`]). Without it, as in tests and simulations, a fixed
//! key makes every run the same.
//!
//! *Limitations*: this is not a cryptographic hash. It resists an attacker who does not see hash values, and no hash
//! value leaves the process.

use std::hash::{BuildHasher, Hasher};
use std::sync::OnceLock;

#[cfg(test)]
mod tests;

/// A secret key for hashes of names.
#[derive(Clone, Copy)]
pub struct HashKey {
    start: u64,
    inner: u64,
    last: u64,
}

static KEY: OnceLock<HashKey> = OnceLock::new();

/// Set the key of this process from `random`, 24 unpredictable octets.
///
/// Returns false and changes nothing if a key is already in use, because tables filled with it would lose their
/// entries.
pub fn set_key(random: [u64; 3]) -> bool {
    KEY.set(HashKey::new(random)).is_ok()
}

/// The key of this process.
#[inline]
pub fn key() -> HashKey {
    *KEY.get_or_init(|| HashKey::new([0x9e37_79b9_7f4a_7c15, 0xe703_7ed1_a0b4_28db, 0x8ebc_6af0_9c88_c6e3]))
}

impl HashKey {
    /// The key made of the numbers in `random`.
    pub const fn new(random: [u64; 3]) -> HashKey {
        // An even multiplier would lose a bit of each word.
        HashKey { start: random[0], inner: random[1] | 1, last: random[2] | 1 }
    }

    /// The hash of the empty sequence of labels, with which [`HashKey::extend`] starts.
    #[inline]
    pub const fn start(self) -> u64 {
        self.start
    }

    /// The hash of a name with one more label than the name with hash `hash`. `label` starts with its length octet.
    /// Case is ignored.
    #[inline]
    pub fn extend(self, hash: u64, label: &[u8]) -> u64 {
        self.words(hash, label)
    }

    /// The hash of a whole name in wire form. Case is ignored.
    #[inline]
    pub fn name(self, wire: &[u8]) -> u64 {
        self.words(self.start ^ wire.len() as u64, wire)
    }

    /// The hash of a number.
    #[inline]
    pub fn number(self, number: u128) -> u64 {
        let hash = mix(self.start ^ number as u64, self.inner);
        mix(hash ^ (number >> 64) as u64, self.last)
    }

    #[inline]
    fn words(self, mut hash: u64, octets: &[u8]) -> u64 {
        let mut rest = octets;
        while rest.len() > 8 {
            hash = mix(hash ^ fold8(first8(rest)), self.inner);
            rest = &rest[8..];
        }
        mix(hash ^ fold8(up_to8(rest)), self.last)
    }
}

/// Builds hashers under [`key`], for hash maps whose keys come from the network. Collisions are as hard to cause as with
/// hashes of names, and hashing costs a few multiplications instead of the hundreds of instructions of the standard hasher.
#[derive(Clone, Copy, Debug, Default)]
pub struct Keyed;

/// A hasher that [`Keyed`] builds.
pub struct KeyedHasher {
    key: HashKey,
    hash: u64,
}

impl BuildHasher for Keyed {
    type Hasher = KeyedHasher;

    #[inline]
    fn build_hasher(&self) -> KeyedHasher {
        let key = key();
        KeyedHasher { key, hash: key.start }
    }
}

impl Hasher for KeyedHasher {
    #[inline]
    fn write(&mut self, octets: &[u8]) {
        let mut rest = octets;
        while rest.len() > 8 {
            self.write_u64(first8(rest));
            rest = &rest[8..];
        }
        self.write_u64(up_to8(rest) ^ (octets.len() as u64).rotate_left(32));
    }

    #[inline]
    fn write_u8(&mut self, number: u8) {
        self.write_u64(number.into());
    }

    #[inline]
    fn write_u16(&mut self, number: u16) {
        self.write_u64(number.into());
    }

    #[inline]
    fn write_u32(&mut self, number: u32) {
        self.write_u64(number.into());
    }

    #[inline]
    fn write_u64(&mut self, number: u64) {
        self.hash = mix(self.hash ^ number, self.key.inner);
    }

    #[inline]
    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    #[inline]
    fn finish(&self) -> u64 {
        mix(self.hash, self.key.last)
    }
}

/// Return whether two octet strings are equal if ASCII case is ignored. Most names are asked in the case in which they are kept.
#[inline]
pub fn eq_folded(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let (Some(last_a), Some(last_b)) = (a.last_chunk::<8>(), b.last_chunk::<8>()) else {
        return same_word(up_to8(a), up_to8(b));
    };
    let (mut a, mut b) = (a, b);
    while a.len() > 8 {
        if first8(a) != first8(b) {
            return eq_otherwise(a, b);
        }
        (a, b) = (&a[8..], &b[8..]);
    }
    // These octets may overlap those that were compared.
    same_word(u64::from_le_bytes(*last_a), u64::from_le_bytes(*last_b))
}

/// Do the same as [`eq_folded`] for octets of the same length, at least eight, of which some differ. It is a function of its own
/// because the registers that it needs would have to be saved at every comparison.
#[cold]
#[inline(never)]
fn eq_otherwise(a: &[u8], b: &[u8]) -> bool {
    let last = |octets: &[u8]| octets.last_chunk().map_or(0, |last| u64::from_le_bytes(*last));
    // The last octets of both may overlap the eight before them.
    let mut words = a.chunks_exact(8).zip(b.chunks_exact(8));
    words.all(|(a, b)| same_word(up_to8(a), up_to8(b))) && same_word(last(a), last(b))
}

/// Whether eight octets agree when A-Z is taken for a-z. Most that are not equal differ in more than case.
#[inline]
const fn same_word(a: u64, b: u64) -> bool {
    let differ = a ^ b;
    differ == 0 || differ & !0x2020_2020_2020_2020 == 0 && fold8(a) == fold8(b)
}

/// The first eight octets as a number.
#[inline]
fn first8(octets: &[u8]) -> u64 {
    u64::from_le_bytes(*octets.first_chunk().expect("there are more than eight octets"))
}

/// At most eight octets as a number. Two strings of the same length have the same number only if they are equal.
#[inline]
fn up_to8(octets: &[u8]) -> u64 {
    // Two overlapping reads replace a loop.
    let len = octets.len();
    if let (Some(head), Some(tail)) = (octets.first_chunk::<4>(), octets.last_chunk::<4>()) {
        let (head, tail) = (u32::from_le_bytes(*head) as u64, u32::from_le_bytes(*tail) as u64);
        return tail << (8 * (len - 4)) | head;
    }
    match *octets {
        [] => 0,
        [a] => a as u64,
        [a, b] => (b as u64) << 8 | a as u64,
        [a, b, c, ..] => (c as u64) << 16 | (b as u64) << 8 | a as u64,
    }
}

/// Convert eight octets to lower case at once. Octets other than A-Z stay unchanged.
#[inline]
const fn fold8(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let low = word & (0x7f * ONES);
    let at_least_a = low + (0x80 - b'A' as u64) * ONES;
    let above_z = low + (0x7f - b'Z' as u64) * ONES;
    let upper = !word & (at_least_a ^ above_z) & (0x80 * ONES);
    word | (upper >> 2)
}

/// Multiply to 128 bits and combine both halves into one word.
#[inline]
const fn mix(a: u64, b: u64) -> u64 {
    let product = (a as u128).wrapping_mul(b as u128);
    (product as u64) ^ ((product >> 64) as u64)
}
