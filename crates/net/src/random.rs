//! Random numbers that an attacker cannot predict: message ids and ports depend on them (RFC 5452 §4.4 and §4.5, attack C1).
//!
//! They come from the kernel, a hundred at a time; each is used once and wiped, so that the process's memory does not reveal
//! earlier ids. There is no generator in this process whose state could be worked out from its output.

use std::cell::RefCell;

use crate::mmsg;

/// Numbers fetched at a time.
const STOCK: usize = 128;

/// Draw the key of this process for hashes of names; a key that is in use stays.
///
/// Call it before the first zone is loaded.
pub fn set_hash_key() {
    let random = Random::default();
    nw_wire::hash::set_key([random.bits(), random.bits(), random.bits()]);
}

/// A worker's source of random numbers.
#[derive(Debug, Default)]
pub struct Random {
    stock: RefCell<Vec<u64>>,
}

impl Random {
    /// 64 random bits.
    pub fn bits(&self) -> u64 {
        let mut stock = self.stock.borrow_mut();
        if stock.is_empty() {
            let mut octets = [0u8; STOCK * 8];
            mmsg::random(&mut octets);
            stock.extend(octets.as_chunks::<8>().0.iter().map(|chunk| u64::from_ne_bytes(*chunk)));
        }
        match stock.last_mut() {
            Some(last) => {
                let bits = std::mem::take(last);
                stock.pop();
                bits
            }
            None => unreachable!("it was just filled"),
        }
    }

    /// A random number below *bound*, each equally likely up to one part in 2^32.
    ///
    /// `bound`: at least 1, at most 2^32.
    pub fn below(&self, bound: usize) -> usize {
        ((u128::from(self.bits()) * bound as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests;
