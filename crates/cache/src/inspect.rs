//! Shows what the cache holds, entry by entry, and takes an entry back as it was.
//!
//! [`Cache::inspect`] serves `nw ctl cache get`, [`Cache::entries`] the dump and the saved cache, and [`Cache::restore`] loads them.

use std::net::SocketAddr;

use nw_wire::code::{Ede, RrType};
use nw_wire::name::{Name, NameRef};
use nw_wire::rrset::Rrset;

use crate::entry::{Entry, EntryKind, Key, NAME, Rank};
use crate::reader::{Origin, State};
use crate::table::{Kept, Table, block_by_block};
use crate::{Cache, Micros, lock};

impl Cache {
    /// Return everything cached for `name`, for display. Entries that have expired are included while they may be served stale. An
    /// entry that is replaced meanwhile may be missing or occur twice.
    pub fn inspect(&self, name: NameRef<'_>, now: Micros) -> Vec<Inspected> {
        let about = |answers: &mut Table<Entry>, block| {
            let grace = answers.grace();
            let values = answers.values_in(block)?;
            let about = values.filter(|entry| entry.name() == name && !entry.useless(now, grace));
            Some(about.map(|entry| self.inspected(entry, now, now)).collect::<Vec<_>>())
        };
        block_by_block(&self.shards[self.place(name).shard].answers, about).flatten().collect()
    }

    /// Return some of the entries, and where to go on; None after the last. Begin at 0. Entries that change meanwhile may be
    /// missing or occur twice. `original`: with the TTLs that the records were stored with, instead of those that are left.
    pub fn entries(&self, cursor: usize, now: Micros, original: bool) -> (Vec<Inspected>, Option<usize>) {
        /// More blocks than a table can have.
        const BLOCKS: usize = 1 << 32;
        let (shard, block) = (cursor / BLOCKS, cursor % BLOCKS);
        let Some(at) = self.shards.get(shard) else { return (Vec::new(), None) };
        let answers = lock(&at.answers);
        let grace = answers.grace();
        match answers.values_in(block) {
            None => (Vec::new(), (shard + 1 < self.shards.len()).then_some((shard + 1) * BLOCKS)),
            Some(values) => {
                let aged = |entry: &Entry| if original { entry.stored() } else { now };
                let values = values.filter(|entry| !entry.useless(now, grace) && entry.scope().is_none());
                let found = values.map(|entry| self.inspected(entry, now, aged(entry)));
                (found.collect(), Some(cursor + 1))
            }
        }
    }

    /// Describe `entry` at `now`, with the TTLs that its records have at `aged`.
    fn inspected(&self, entry: &Entry, now: Micros, aged: Micros) -> Inspected {
        Inspected {
            name: entry.name().to_name(),
            rtype: Some(entry.rtype()).filter(|&rtype| rtype != NAME),
            kind: match entry.kind() {
                EntryKind::Rrset => Kind::Data,
                EntryKind::Chain { .. } => Kind::Chain,
                EntryKind::NoData => Kind::NoData,
                EntryKind::NxDomain => Kind::NxDomain,
                EntryKind::Failure => Kind::Failure,
            },
            rank: entry.rank(),
            validation: entry.state(),
            server: lock(&self.sources).address(entry.server()),
            view: entry.view(),
            age_s: entry.age_s(now),
            life_s: entry.life_s(),
            records: entry.rrsets(aged, true),
            explained: entry.explanation(),
        }
    }

    /// Store `entry` as it was, within the limits of [`Cache::limit_lives`], unless the cache has one that was stored later, or it is
    /// useless. Returns whether it was stored.
    pub fn restore(&self, mut entry: Inspected, now: Micros) -> bool {
        entry.life_s = entry.life_s.min(self.longest_s(entry.kind != Kind::Data));
        // A record does not outlive its entry in the caches of clients.
        entry.records.iter_mut().for_each(|set| set.ttl = set.ttl.min(entry.life_s));
        let Some(stored) = now.checked_sub(Micros::from(entry.age_s) * 1_000_000) else { return false };
        let (rtype, kind) = match (entry.kind, entry.rtype) {
            (Kind::Data, Some(rtype)) => (rtype, EntryKind::Rrset),
            (Kind::NoData, Some(rtype)) => (rtype, EntryKind::NoData),
            (Kind::NxDomain, _) => (NAME, EntryKind::NxDomain),
            _ => return false,
        };
        let origin = Origin {
            rank: entry.rank,
            state: entry.validation,
            view: entry.view,
            scope: None,
            server: entry.server,
        };
        let key = Key { name: entry.name.as_ref(), rtype, kind, origin };
        let (plain, rest) = match entry.records.split_first() {
            Some((first, rest)) => (Some(first), rest),
            None => (None, &[][..]),
        };
        let is_its_data = |set: &Rrset| set.rtype == rtype && set.owner == entry.name;
        let suits = match kind {
            EntryKind::Rrset => plain.is_some_and(is_its_data),
            _ => plain.is_none_or(|set| set.rtype == RrType::SOA),
        };
        let place = self.place(key.name);
        let mut answers = lock(&self.shards[place.shard].answers);
        let grace = answers.grace();
        let Some(made) = Entry::from_rrsets(&key, plain, rest, entry.life_s, stored) else { return false };
        let same = |other: &Entry| other.is(key.name, key.rtype) && !other.is_beside(&key);
        let later = |other: &Entry| same(other) && other.stored() >= stored;
        if !suits
            || made.is_unchecked()
            || made.useless(now, grace)
            || answers.peek(place.with(rtype), later).is_some()
        {
            return false;
        }
        let made = match &entry.explained {
            Some((ede, text)) if entry.validation == State::Insecure => made.explained_by(*ede, text),
            _ => made,
        };
        self.put_locked(&mut answers, place, &key, made, now)
    }
}

/// An entry as returned by [`Cache::inspect`] and [`Cache::entries`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspected {
    /// The name in the case in which it was stored.
    pub name: Name,
    /// The type, or None if the entry is about the name as a whole.
    pub rtype: Option<RrType>,
    /// What it is.
    pub kind: Kind,
    /// Its credibility.
    pub rank: Rank,
    /// Its validation state.
    pub validation: State,
    /// The server that sent it, unless it has been forgotten.
    pub server: Option<SocketAddr>,
    /// The view whose servers sent it.
    pub view: u16,
    /// Seconds since it was stored.
    pub age_s: u32,
    /// Its lifetime in seconds.
    pub life_s: u32,
    /// Its records; empty for a chain or a failure.
    pub records: Vec<Rrset>,
    /// The extended error that says why it is insecure, with its text, if clients learn it.
    pub explained: Option<(Ede, String)>,
}

impl Inspected {
    /// The remaining lifetime in seconds; 0 if it has expired.
    pub fn left_s(&self) -> u32 {
        self.life_s.saturating_sub(self.age_s)
    }

    /// Whether it has expired.
    pub fn is_stale(&self) -> bool {
        self.age_s >= self.life_s
    }
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An RRset.
    Data,
    /// The whole answer behind an alias.
    Chain,
    /// The absence of a type.
    NoData,
    /// The absence of a name.
    NxDomain,
    /// A failure.
    Failure,
}

impl Kind {
    /// Its name.
    pub fn slug(self) -> &'static str {
        match self {
            Kind::Data => "data",
            Kind::Chain => "chain",
            Kind::NoData => "nodata",
            Kind::NxDomain => "nxdomain",
            Kind::Failure => "failure",
        }
    }
}
