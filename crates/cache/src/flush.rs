//! Removes entries by name, tree, type and kind.

use std::sync::atomic::Ordering;

use nw_wire::code::RrType;
use nw_wire::name::NameRef;

use crate::entry::{Entry, EntryKind, NAME};
use crate::reader::State;
use crate::table::remove_all;
use crate::{Cache, Micros, lock};

impl Cache {
    /// Remove what `wanted` describes, and return the number of entries. Entries stored meanwhile may remain. Of a tree, whole
    /// answers behind aliases are removed as well, since they may end there. Delegations are removed unless only some of the
    /// answers are wanted. What denies a name denies all its types: the absence of the name and denial records are removed with
    /// any type.
    pub fn flush(&self, wanted: &Flush<'_>) -> usize {
        self.flushes.fetch_add(1, Ordering::Relaxed);
        let about = |name: NameRef<'_>| match wanted.name {
            Some(top) if wanted.below => name.is_at_or_below(top),
            Some(only) => name == only,
            None => true,
        };
        let named = |entry: &Entry| {
            about(entry.name()) || wanted.below && matches!(entry.kind(), EntryKind::Chain { .. })
        };
        let some = |entry: &Entry| {
            named(entry)
                && wanted.rtype.is_none_or(|rtype| entry.rtype() == rtype || entry.rtype() == NAME)
                && wanted.only.is_none_or(|only| only.includes(entry))
        };
        let all = wanted.rtype.is_none() && wanted.only.is_none();
        let single = wanted.name.filter(|_| !wanted.below).map(|name| self.place(name).shard);
        let mut count = 0;
        for (at, shard) in self.shards.iter().enumerate() {
            if single.is_none_or(|single| single == at) {
                count += remove_all(&shard.answers, some);
                if all {
                    count += remove_all(&shard.cuts, |cut| about(cut.zone.as_ref()));
                    if wanted.name.is_none() {
                        remove_all(&shard.paths, |_| true);
                    }
                }
            }
            if matches!(wanted.only, None | Some(FlushOnly::Negative)) {
                let top = wanted.name.unwrap_or(NameRef::ROOT);
                count += lock(&shard.denials).flush(top, wanted.below || wanted.name.is_none());
            }
        }
        count
    }

    /// Remove everything about exactly `name` and return the number of entries; see [`Cache::flush`].
    pub fn flush_name(&self, name: NameRef<'_>) -> usize {
        self.flush(&Flush { name: Some(name), ..Flush::default() })
    }

    /// Remove everything about names at or below `top` and return the number of entries; see [`Cache::flush`].
    pub fn flush_tree(&self, top: NameRef<'_>) -> usize {
        self.flush(&Flush { name: Some(top), below: true, ..Flush::default() })
    }

    /// End the lifetime of what is cached of exactly `name` and `rtype`, the absence of the name included, and return the
    /// number of entries. They remain for as long as expired answers are kept; see [`Cache::keep_expired`].
    pub fn expire(&self, name: NameRef<'_>, rtype: RrType, now: Micros) -> usize {
        let place = self.place(name);
        let mut answers = lock(&self.shards[place.shard].answers);
        let mut found = Vec::new();
        for of in [rtype, NAME] {
            answers.each(place.with(of), |at, entry| {
                if entry.name() == name && entry.rtype() == of {
                    found.push(at);
                }
            });
        }
        found.iter().for_each(|at| answers.warm(*at).expire(now));
        found.len()
    }

    /// Return the number of times that names were removed. What others have derived from cached data is outdated when it changes.
    pub fn flushes(&self) -> u64 {
        self.flushes.load(Ordering::Relaxed)
    }

    /// Remove everything, including server statistics.
    pub fn clear(&self) {
        self.flush_tree(NameRef::ROOT);
        self.shards.iter().for_each(|shard| lock(&shard.denials).clear());
        self.servers.clear();
    }
}

/// What [`Cache::flush`] removes. The default is everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flush<'f> {
    /// Only entries of this name. None: of all names.
    pub name: Option<NameRef<'f>>,
    /// Those of the names below it, too.
    pub below: bool,
    /// Only entries of this type, and those that deny the name.
    pub rtype: Option<RrType>,
    /// Only some kinds of entries.
    pub only: Option<FlushOnly>,
}

/// Some kinds of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlushOnly {
    /// The absence of names and types, and denial records.
    Negative,
    /// Bogus data, and the failures that it caused.
    Bogus,
    /// Failures.
    Failures,
}

impl FlushOnly {
    fn includes(self, entry: &Entry) -> bool {
        match self {
            FlushOnly::Negative => {
                matches!(
                    entry.kind(),
                    EntryKind::NoData | EntryKind::NxDomain | EntryKind::Chain { nxdomain: true, .. }
                )
            }
            FlushOnly::Bogus => entry.state() == State::Bogus,
            FlushOnly::Failures => entry.kind() == EntryKind::Failure,
        }
    }
}
