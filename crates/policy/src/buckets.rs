//! Rates of many keys in bounded memory, without locks: a table of buckets that all workers share.
//!
//! A bucket is one number: the time at which all that was taken from it is paid back (GCRA). Taking one moves this time by the
//! period, a second divided by the rate. A bucket whose time lies in the past is full.
//!
//! ```text
//! 64 bits: | tag of the key, 24 | time, 40 bits of microseconds |     four buckets that a hash may use = 32 octets of one cache line
//! ```
//!
//! A key finds its bucket by the secret hash of the process. If all four places are taken, it replaces the bucket that is closest to full. Two
//! workers that change one bucket at once retry; if one fails three times, what it took is not counted.
//!
//! *Limitations*: a flood from more prefixes than there are buckets displaces buckets that owe, so that these keys get more than their rate.

use std::sync::atomic::{AtomicU64, Ordering};

const WAYS: usize = 4;
const TIME_BITS: u32 = 40;
const TIME: u64 = (1 << TIME_BITS) - 1;
const SECOND: u64 = 1_000_000;

/// A rate and how long its excess counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Microseconds for one.
    period: u64,
    /// Microseconds that a bucket may owe at most.
    most: u64,
}

impl Rate {
    /// *per_second*, 1 to 1,000,000, in bursts of one second. Who exceeds it owes up to *window_s* seconds, at most one hour.
    pub fn new(per_second: u32, window_s: u32) -> Rate {
        let period = SECOND / u64::from(per_second.clamp(1, 1_000_000));
        Rate { period, most: SECOND + SECOND * u64::from(window_s.min(3600)) }
    }
}

/// The table.
#[derive(Debug)]
pub struct Buckets {
    slots: Box<[AtomicU64]>,
}

impl Buckets {
    /// A table of *size* buckets, rounded up to a power of two. One takes 8 octets.
    pub fn new(size: usize) -> Buckets {
        let size = size.max(WAYS).next_power_of_two();
        Buckets { slots: (0..size).map(|_| AtomicU64::new(0)).collect() }
    }

    /// Take one from the bucket of *hash* at *now* (microseconds). Returns whether the rate allows it. What is not allowed counts as well, so
    /// that a flood gets nothing until it ends.
    #[inline]
    pub fn take(&self, hash: u64, rate: Rate, now: u64) -> bool {
        let start = hash as usize & (self.slots.len() - 1) & !(WAYS - 1);
        let set = &self.slots[start..start + WAYS];
        let (tag, now) = ((hash >> TIME_BITS).max(1), now & TIME);
        for _ in 0..3 {
            let (mut slot, mut old, mut least) = (&set[0], 0, u64::MAX);
            for candidate in set {
                let value = candidate.load(Ordering::Relaxed);
                let debt = debt(value, rate, now);
                if value >> TIME_BITS == tag {
                    (slot, old, least) = (candidate, value, debt);
                    break;
                }
                if debt < least {
                    (slot, old, least) = (candidate, value, debt);
                }
            }
            let owed = if old >> TIME_BITS == tag { least } else { 0 };
            let allowed = owed + rate.period <= SECOND;
            let owes = (owed + rate.period).min(rate.most);
            let new = tag << TIME_BITS | (now + owes) & TIME;
            if slot.compare_exchange_weak(old, new, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                return allowed;
            }
        }
        true
    }

    /// Microseconds at *now* until the bucket of *hash* allows one more, if nothing is taken meanwhile. 0: it does.
    pub fn wait(&self, hash: u64, rate: Rate, now: u64) -> u64 {
        let start = hash as usize & (self.slots.len() - 1) & !(WAYS - 1);
        let tag = (hash >> TIME_BITS).max(1);
        let values = self.slots[start..start + WAYS].iter().map(|slot| slot.load(Ordering::Relaxed));
        let owed =
            values.filter(|value| value >> TIME_BITS == tag).map(|value| debt(value, rate, now & TIME));
        (owed.max().unwrap_or(0) + rate.period).saturating_sub(SECOND)
    }

    /// How many buckets are in use: they owe something at *now*.
    pub fn in_use(&self, rate: Rate, now: u64) -> usize {
        self.slots.iter().filter(|slot| debt(slot.load(Ordering::Relaxed), rate, now & TIME) > 0).count()
    }

    /// How many buckets there are.
    pub fn size(&self) -> usize {
        self.slots.len()
    }
}

/// What the bucket *value* owes at *now*, microseconds.
#[inline]
fn debt(value: u64, rate: Rate, now: u64) -> u64 {
    let debt = (value & TIME).wrapping_sub(now) & TIME;
    // More than the most is a time in the past.
    if value == 0 || debt > rate.most { 0 } else { debt }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: u64 = 0x1234_5678_9abc_def0;

    fn allowed(buckets: &Buckets, rate: Rate, now: u64, times: usize) -> usize {
        (0..times).filter(|_| buckets.take(HASH, rate, now)).count()
    }

    #[test]
    fn a_burst_has_one_second_of_the_rate_and_a_flood_gets_nothing() {
        let (buckets, rate) = (Buckets::new(64), Rate::new(10, 15));
        for start in [SECOND, TIME - SECOND, 5 * TIME] {
            let now = start + 100 * SECOND;
            assert_eq!(allowed(&buckets, rate, now, 1000), 10);
            // It owes 16 seconds now. As long as it floods, it owes them.
            assert_eq!(allowed(&buckets, rate, now + 14 * SECOND, 1000), 0);
            assert_eq!(allowed(&buckets, rate, now + 28 * SECOND, 1), 0);
            assert_eq!(buckets.wait(HASH, rate, now + 28 * SECOND), 1_200_000);
            assert_eq!(buckets.wait(HASH, rate, now + 50 * SECOND), 0);
            assert_eq!(allowed(&buckets, rate, now + 50 * SECOND, 1000), 10);
        }
    }

    #[test]
    fn the_rate_itself_is_never_limited() {
        let (buckets, rate) = (Buckets::new(64), Rate::new(100, 15));
        assert!((0..100_000).all(|at| buckets.take(HASH, rate, at * 10_000)));
    }

    #[test]
    fn keys_have_their_own_buckets_until_the_table_is_full() {
        let (buckets, rate) = (Buckets::new(4), Rate::new(1, 15));
        let key = |n: u64| n << TIME_BITS;
        assert!((1..=4).all(|n| buckets.take(key(n), rate, 9 * SECOND)));
        assert!((1..=4).all(|n| !buckets.take(key(n), rate, 9 * SECOND)));
        assert!(buckets.take(key(5), rate, 9 * SECOND), "a fifth key replaces one");
        assert_eq!((buckets.in_use(rate, 9 * SECOND), buckets.size()), (4, 4));
    }
}
