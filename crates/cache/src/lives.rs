//! How long entries may live, whatever the TTLs of their data say.
//!
//! The resolver stores data within its limits, and what is loaded is cut to them. When the limits become smaller, [`Cache::shorten`] cuts
//! what is cached already, in one pass outside of the path of packets: a comparison at each hit would cost more over time, and the TTLs that
//! clients get are in the rendered records. Entries of which the new lives are over are expired then, and may still be served stale
//! (RFC 8767).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::entry::{Entry, EntryKind};
use crate::table::{Table, block_by_block};
use crate::{Cache, Micros, lock};

/// The longest lives of what is cached, and the shortest one, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lives {
    /// The longest life of data and delegations.
    pub data_s: u32,
    /// The longest life of what denies names and types.
    pub absence_s: u32,
    /// The life of a failure.
    pub failure_s: u32,
    /// The shortest life of data and denials.
    pub least_s: u32,
}

impl Lives {
    /// Whether what is cached within the limits `former` may live longer than these allow.
    pub fn are_shorter_than(&self, former: &Lives) -> bool {
        self.data_s < former.data_s
            || self.absence_s < former.absence_s
            || self.failure_s < former.failure_s
            || self.least_s < former.least_s
    }
}

/// How lives and TTLs of one entry become shorter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    /// The longest life.
    pub(crate) most: u32,
    /// The shortest life so far, and the one from now on: what lived as long as the former may have been extended to it.
    pub(crate) least: (u32, u32),
}

impl Cut {
    /// `seconds`, cut.
    pub(crate) fn of(self, seconds: u32) -> u32 {
        let (former, least) = self.least;
        let seconds = if seconds == former { seconds.min(least) } else { seconds };
        seconds.min(self.most)
    }
}

impl Cache {
    /// Let what the resolver stores and what is loaded from now on live no longer than this from when it was stored: `data_s` data and
    /// delegations, `absence_s` denials. [`Cache::shorten`] does the same to what is cached.
    pub fn limit_lives(&self, data_s: u32, absence_s: u32) {
        self.longest_s[0].store(data_s, Ordering::Relaxed);
        self.longest_s[1].store(absence_s, Ordering::Relaxed);
    }

    /// The longest life of data, or of a denial, in seconds.
    #[inline]
    pub(crate) fn longest_s(&self, denial: bool) -> u32 {
        self.longest_s[usize::from(denial)].load(Ordering::Relaxed)
    }

    /// Let what is cached live no longer than `lives` allow. It was stored within `former`.
    ///
    /// Visits everything once. No lock is held for longer than a few hundred entries, except those of denial records.
    pub fn shorten(&self, lives: &Lives, former: &Lives) {
        let least = (former.least_s, lives.least_s);
        let cut = |most| Cut { most, least };
        let of = |entry: &Entry| match entry.kind() {
            EntryKind::Failure => cut(lives.failure_s),
            _ if entry.denies() => cut(lives.absence_s.min(lives.data_s)),
            _ => cut(lives.data_s),
        };
        let until = |stored: Micros, expires: Micros, cut: Cut| {
            let seconds = u32::try_from(expires.saturating_sub(stored) / 1_000_000).unwrap_or(u32::MAX);
            expires.min(stored + Micros::from(cut.of(seconds)) * 1_000_000)
        };
        let (data, absence) = (cut(lives.data_s), cut(lives.absence_s.min(lives.data_s)));
        for shard in &self.shards {
            let answers =
                |table: &mut Table<Entry>, number| table.change_in(number, |entry| entry.shorten(of(entry)));
            block_by_block(&shard.answers, answers).for_each(drop);
            let cuts = |table: &mut Table<Arc<crate::Delegation>>, number| {
                table.change_in(number, |cut| {
                    let expires = until(cut.stored, cut.expires, data);
                    if expires < cut.expires {
                        Arc::make_mut(cut).expires = expires;
                    }
                })
            };
            block_by_block(&shard.cuts, cuts).for_each(drop);
            lock(&shard.denials).change(|record| {
                let expires = until(record.stored, record.expires, absence);
                if expires < record.expires {
                    Arc::make_mut(record).expires = expires;
                }
            });
        }
        self.flushes.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
