//! A cache for answers, negative answers, failures, delegations and server statistics, bounded in octets.
//!
//! ```text
//!                     hash of the name (keyed)
//!                    /          |
//! shard 0 ... shard 15          |            each: one short lock
//!   answers: Table<Entry>       |            see `lookup.rs`: copied into messages by `hit`, read back as RRsets by `get`
//!   cuts:    Table<Delegation>  |            delegations for the resolver, never sent to clients
//!   denials: NSEC, NSEC3        |            validated denials by zone, in canonical order (RFC 8198)
//! servers: Table<Server>, Table<Lame>        by address
//! ```
//!
//! All workers share one [`Cache`]. It has no clock; every call passes the time. Ages are whole seconds since an
//! entry was stored, and TTLs count down by the age. An entry is a miss as soon as its lifetime ends (RFC 1035
//! §3.2.1, RFC 2181 §8).
//!
//! RFCs: 1035 §7.4 (what to cache), 2181 §5.4.1 (credibility), 2308 (negative answers), 9520 (failures).
//!
//! *Stale data* (RFC 8767): [`Cache::keep_expired`] lets expired answers stay until others need their memory. A failure
//! is stored beside them, and says until when the servers are not asked again. [`Cache::stale_hit`] and [`Cache::stale`]
//! return what was learned last about a name. Delegations, failures and bogus data are never used after their lifetime.
#![forbid(unsafe_code)]

mod delegation;
mod denials;
pub mod dump;
mod entry;
mod flush;
mod inspect;
mod lives;
mod lookup;
mod loops;
mod path;
mod reader;
pub mod save;
mod servers;
mod sources;
mod table;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nw_wire::code::{Class, Ede, Rcode, RrType};
use nw_wire::name::{Name, NameRef};
use nw_wire::rrset::Rrset;

pub use delegation::{Delegation, DelegationEvidence, DelegationSource, NameServer, Trust};
use denials::Denials;
pub use denials::{DenialKey, DenialRecord, DenialZone};
pub use entry::Rank;
use entry::{Entry, EntryKind, Key, NAME};
pub use flush::{Flush, FlushOnly};
pub use inspect::{Inspected, Kind};
use lives::Cut;
pub use lives::Lives;
pub use lookup::{Cached, Hit, HitQuestion, KeptFailure, Lookup, Stale, StaleData};
pub use loops::{LOOP_TYPE, Loops};
pub use path::DataPath;
pub use reader::{Freshness, Origin, Reader, Scope, State};
pub use servers::{
    CookieSupport, EdnsSupport, LameServer, Lameness, OddReplies, ServerCookie, ServerLimits, ServerNote,
    Servers, Trouble,
};
use sources::Sources;
use table::{Kept, Table, block_by_block};

/// Microseconds of a monotonic clock with an arbitrary zero.
pub type Micros = u64;

/// The number of shards, a power of two. It exceeds the number of workers, so that two workers rarely need the same
/// lock.
const SHARDS: usize = 16;

/// Size and counters of the cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// The number of answers, negative answers and failures.
    pub answers: usize,
    /// The number of delegations.
    pub delegations: usize,
    /// The number of denial records (NSEC, NSEC3).
    pub denials: usize,
    /// The number of servers.
    pub servers: usize,
    /// The octets that all of them use.
    pub octets: usize,
    /// The number of answers evicted for others.
    pub evicted: u64,
}

/// The caches of one server.
pub struct Cache {
    shards: Box<[Shard]>,
    servers: Servers,
    /// The servers that entries are from.
    sources: Mutex<Sources>,
    flushes: AtomicU64,
    /// Whether there may be denial records.
    denies: AtomicBool,
    /// The longest lives of data and of denials, in seconds.
    longest_s: [AtomicU32; 2],
}

/// Data of one shard, aligned to cache lines so that locks of different shards do not share one.
#[repr(align(128))]
struct Shard {
    answers: Mutex<Table<Entry>>,
    cuts: Mutex<Table<Arc<Delegation>>>,
    /// Empty unless a policy reads them.
    paths: Mutex<Table<DataPath>>,
    denials: Mutex<Denials>,
}

/// Take a lock. A poisoned lock is safe to use: no code panics while it changes a table.
#[inline]
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The position of a name: the shard and a hash within it.
#[derive(Clone, Copy)]
struct Place {
    shard: usize,
    hash: u32,
}

impl Place {
    #[inline]
    fn of(hash: u64) -> Place {
        Place { shard: (hash >> 60) as usize % SHARDS, hash: hash as u32 }
    }

    #[inline]
    fn with(self, rtype: RrType) -> u32 {
        self.hash ^ (rtype.0 as u32).wrapping_mul(0x9e37_79b1)
    }
}

impl Cache {
    /// Create a cache of at most `octets`. Of twenty parts, thirteen are for answers, four for delegations, one for denial
    /// records and two for servers. While a policy is about name servers, the paths to names take up to three more.
    pub fn new(octets: usize) -> Cache {
        let shard = octets / SHARDS / 20;
        Cache {
            shards: (0..SHARDS)
                .map(|_| Shard {
                    answers: Mutex::new(Table::new(shard * 13)),
                    cuts: Mutex::new(Table::new(shard * 4)),
                    paths: Mutex::new(Table::new(shard * 3)),
                    denials: Mutex::new(Denials::new(shard)),
                })
                .collect(),
            servers: Servers::new(octets / 10),
            sources: Mutex::default(),
            flushes: AtomicU64::new(0),
            denies: AtomicBool::new(false),
            longest_s: [AtomicU32::new(u32::MAX), AtomicU32::new(u32::MAX)],
        }
    }

    /// Keep expired answers for `seconds` if nothing else needs their memory, so that they can be served stale.
    pub fn keep_expired(&self, seconds: u32) {
        let grace = Micros::from(seconds) * 1_000_000;
        self.shards.iter().for_each(|shard| lock(&shard.answers).keep_expired(grace));
    }

    /// The server statistics.
    pub fn servers(&self) -> &Servers {
        &self.servers
    }

    #[inline]
    fn place(&self, name: NameRef<'_>) -> Place {
        Place::of(name.hash64())
    }

    /// Store `rrset` with its `signatures` for its TTL. Returns false if a more credible entry is stored.
    pub fn put_rrset(
        &self,
        rrset: &Rrset,
        signatures: Option<&Rrset>,
        origin: impl Into<Origin>,
        now: Micros,
    ) -> bool {
        let origin = origin.into();
        let key = Key { name: rrset.owner.as_ref(), rtype: rrset.rtype, kind: EntryKind::Rrset, origin };
        if rrset.ttl == 0 || rrset.rdatas.is_empty() || rrset.class != Class::IN || rrset.rtype == NAME {
            return false;
        }
        let signatures = signatures.map_or(&[][..], std::slice::from_ref);
        match Entry::from_rrsets(&key, Some(rrset), signatures, rrset.ttl, now) {
            Some(entry) => self.put(&key, entry, now),
            None => false,
        }
    }

    /// Store that `name` has no data of `rtype`, or does not exist if `rtype` is None (RFC 2308 §5).
    ///
    /// `soa` is the SOA of the zone with the TTL of the negative answer. `proof` are signatures and NSEC or NSEC3
    /// records.
    pub fn put_absence(
        &self,
        name: NameRef<'_>,
        rtype: Option<RrType>,
        soa: &Rrset,
        proof: &[Rrset],
        origin: impl Into<Origin>,
        now: Micros,
    ) -> bool {
        let (rtype, kind) = rtype.map_or((NAME, EntryKind::NxDomain), |rtype| (rtype, EntryKind::NoData));
        let key = Key { name, rtype, kind, origin: origin.into() };
        if soa.ttl == 0 {
            return false;
        }
        match Entry::from_rrsets(&key, Some(soa), proof, soa.ttl, now) {
            Some(entry) => self.put(&key, entry, now),
            None => false,
        }
    }

    /// Do the same as [`Cache::put_absence`] for `life_s` seconds, if no SOA gives a TTL (RFC 2308 §5).
    pub fn put_bare_absence(
        &self,
        name: NameRef<'_>,
        rtype: Option<RrType>,
        life_s: u32,
        origin: impl Into<Origin>,
        now: Micros,
    ) -> bool {
        let (rtype, kind) = rtype.map_or((NAME, EntryKind::NxDomain), |rtype| (rtype, EntryKind::NoData));
        let origin = Origin { rank: Rank::NonAuthoritative, ..origin.into() };
        let key = Key { name, rtype, kind, origin };
        match Entry::from_rrsets(&key, None, &[], life_s, now) {
            Some(entry) if life_s > 0 => self.put(&key, entry, now),
            _ => false,
        }
    }

    /// Store for `life_s` seconds that the lookup of `name` and `rtype` failed (RFC 9520).
    pub fn put_failure(
        &self,
        name: NameRef<'_>,
        rtype: RrType,
        failure: &KeptFailure,
        life_s: u32,
        origin: impl Into<Origin>,
        now: Micros,
    ) -> bool {
        let key = Key { name, rtype, kind: EntryKind::Failure, origin: origin.into() };
        match Entry::from_octets(&key, &failure.to_octets(), life_s, now) {
            Some(entry) if life_s > 0 => self.put(&key, entry, now),
            _ => false,
        }
    }

    /// Store the whole answer to a question whose name is an alias, as it is in a message.
    ///
    /// `body` is the part of the message after the question. `ttl_offsets` are the offsets of the TTL fields in
    /// `body`.
    pub fn put_chain(&self, question: &HitQuestion<'_>, chain: &WholeAnswer<'_>, now: Micros) -> bool {
        let kind =
            EntryKind::Chain { dnssec_ok: question.dnssec_ok, nxdomain: chain.rcode == Rcode::NXDOMAIN };
        let rtype = question.rtype;
        let key = Key { name: question.name, rtype, kind, origin: chain.origin };
        let suits = chain.life_s > 0 && matches!(chain.rcode, Rcode::NOERROR | Rcode::NXDOMAIN);
        match Entry::from_rendered(&key, chain.counts, chain.ttl_offsets, chain.body, chain.life_s, now) {
            Some(entry) if suits => {
                let entry = match chain.explained {
                    Some((ede, text)) => entry.explained_by(ede, text),
                    None => entry,
                };
                self.put(&key, entry, now)
            }
            _ => false,
        }
    }

    /// Store with what is cached as insecure for `name` and `rtype` (None: the absence of the name) in `view` the extended error
    /// that says why, at most 300 octets of its text. Returns false if nothing is.
    pub fn explain(
        &self,
        name: NameRef<'_>,
        rtype: Option<RrType>,
        view: u16,
        (ede, text): (Ede, &str),
        now: Micros,
    ) -> bool {
        let (place, rtype) = (self.place(name), rtype.unwrap_or(NAME));
        let hash = place.with(rtype);
        let mut answers = lock(&self.shards[place.shard].answers);
        let insecure = |entry: &Entry| {
            let single = !matches!(entry.kind(), EntryKind::Chain { .. } | EntryKind::Failure);
            single && entry.state() == State::Insecure && entry.view() == view && entry.is(name, rtype)
        };
        match answers.remove(hash, insecure) {
            Some(entry) => answers.put(hash, entry.explained_by(ede, text), now, |_| false),
            None => false,
        }
    }

    /// Store `entry` and remove conflicting entries for its key.
    fn put(&self, key: &Key<'_>, entry: Entry, now: Micros) -> bool {
        let place = self.place(key.name);
        let mut answers = lock(&self.shards[place.shard].answers);
        self.put_locked(&mut answers, place, key, entry, now)
    }

    fn put_locked(
        &self,
        answers: &mut Table<Entry>,
        place: Place,
        key: &Key<'_>,
        mut entry: Entry,
        now: Micros,
    ) -> bool {
        // Only a lookup that began before the limits changed stores more.
        let most = self.longest_s(matches!(key.kind, EntryKind::NoData | EntryKind::NxDomain));
        if entry.life_s() > most {
            entry.shorten(Cut { most, least: (0, 0) });
        }
        if key.origin.server.is_some() {
            entry.set_server(lock(&self.sources).number(key.origin.server));
        }
        let hash = place.with(key.rtype);
        let same = |other: &Entry| other.is(key.name, key.rtype) && !other.is_beside(key);
        let is_failure = key.kind == EntryKind::Failure;
        let stronger = |other: &Entry| match other.kind() {
            EntryKind::Rrset => is_failure || other.rank() > key.origin.rank,
            EntryKind::NoData | EntryKind::NxDomain => is_failure,
            EntryKind::Chain { .. } | EntryKind::Failure => false,
        };
        let anything = answers.peek(hash, same).is_some();
        if anything
            && answers.peek(hash, |other| same(other) && !other.expired(now) && stronger(other)).is_some()
        {
            return false;
        }
        let grace = answers.grace();
        // Answers for clients with and without DO can be stored together. All other entries conflict.
        // A failure stays beside data that may be served stale because of it.
        let beside = |other: &Entry| {
            let (one, two) = (other.kind(), key.kind);
            is_failure && one != two && !other.useless(now, grace)
                || matches!((one, two), (EntryKind::Chain { dnssec_ok: a, .. }, EntryKind::Chain { dnssec_ok: b, .. }) if a != b)
        };
        while anything && answers.remove(hash, |other| same(other) && !beside(other)).is_some() {}
        if key.kind == EntryKind::Rrset {
            // Data shows that the name exists.
            answers.remove(place.with(NAME), |other| other.is(key.name, NAME) && !other.is_beside(key));
        }
        answers.put(hash, entry, now, |_| false)
    }

    /// Return the delegation of exactly `zone` unless it is missing or expired.
    pub fn cut(&self, zone: NameRef<'_>, now: Micros) -> Option<Arc<Delegation>> {
        let place = self.place(zone);
        let mut cuts = lock(&self.shards[place.shard].cuts);
        cuts.find(place.hash, |cut| cut.zone == zone)
            .filter(|cut| !cut.expired(now))
            .map(|cut| Arc::clone(cut))
    }

    /// Store a delegation.
    pub fn put_cut(&self, cut: Arc<Delegation>, now: Micros) {
        let place = self.place(cut.zone.as_ref());
        let zone = cut.zone.clone();
        lock(&self.shards[place.shard].cuts).put(place.hash, cut, now, |other| other.zone == zone);
    }

    /// Return the deepest delegation above or at `name`, even if it has expired.
    pub fn nearest_cut(&self, name: NameRef<'_>) -> Option<Arc<Delegation>> {
        std::iter::successors(Some(name), |at| at.parent()).find_map(|at| {
            let place = self.place(at);
            lock(&self.shards[place.shard].cuts)
                .find(place.hash, |cut| cut.zone == at)
                .map(|cut| Arc::clone(cut))
        })
    }

    /// Return the delegations that led to `name` for clients of `view`.
    pub fn path(&self, view: u16, name: NameRef<'_>) -> Option<DataPath> {
        let (place, hash) = (self.place(name), name.hash64());
        let mut paths = lock(&self.shards[place.shard].paths);
        paths.find(place.hash, |path| path.is(view, hash)).map(|path| path.clone())
    }

    /// Store the path to a name.
    pub fn put_path(&self, path: DataPath, now: Micros) {
        let (hash, view) = (path.hash(), path.view());
        let place = Place::of(hash);
        lock(&self.shards[place.shard].paths).put(place.hash, path, now, |other| other.is(view, hash));
    }

    /// Store a validated denial record of `zone`, or its SOA.
    pub fn put_denial(
        &self,
        view: u16,
        zone: NameRef<'_>,
        key: DenialKey,
        record: DenialRecord,
        now: Micros,
    ) {
        lock(&self.shards[self.place(zone).shard].denials).put(view, zone, key, record, now);
        self.denies.store(true, Ordering::Relaxed);
    }

    /// Store a denial record of `zone`, or its SOA, that a saved cache holds, unless the cache knows better. Returns whether it was
    /// stored.
    fn restore_denial(
        &self,
        view: u16,
        zone: NameRef<'_>,
        key: DenialKey,
        record: DenialRecord,
        now: Micros,
    ) -> bool {
        let stored = lock(&self.shards[self.place(zone).shard].denials).restore(view, zone, key, record, now);
        self.denies.fetch_or(stored, Ordering::Relaxed);
        stored
    }

    /// Return the denial records of shard number `shard` that have not expired, with their view and zone.
    fn denial_records(&self, shard: usize, now: Micros) -> Vec<(u16, Name, Arc<DenialRecord>)> {
        lock(&self.shards[shard].denials).records(now)
    }

    /// Return the delegations by referrals that have not expired, those of zones with fewer labels first.
    fn delegations(&self, now: Micros) -> Vec<Arc<Delegation>> {
        let lasting = |cut: &&Arc<Delegation>| cut.source == DelegationSource::Ns && !cut.expired(now);
        let some = |cuts: &mut Table<Arc<Delegation>>, block| {
            Some(cuts.values_in(block)?.filter(lasting).cloned().collect::<Vec<_>>())
        };
        let shards = self.shards.iter();
        let mut all: Vec<_> = shards.flat_map(|shard| block_by_block(&shard.cuts, some).flatten()).collect();
        all.sort_unstable_by_key(|cut| cut.zone.as_ref().label_count());
        all
    }

    /// Return what is known of the denial records of `zone`, if any.
    pub fn denial_zone(&self, view: u16, zone: NameRef<'_>, now: Micros) -> Option<DenialZone> {
        if !self.denies.load(Ordering::Relaxed) {
            return None;
        }
        lock(&self.shards[self.place(zone).shard].denials).known(view, zone, now)
    }

    /// Return the NSEC record of `zone` at `name`, or the last known one before it.
    pub fn nsec_before(
        &self,
        view: u16,
        zone: NameRef<'_>,
        name: NameRef<'_>,
        now: Micros,
    ) -> Option<Arc<DenialRecord>> {
        lock(&self.shards[self.place(zone).shard].denials).nsec(view, zone, name, now)
    }

    /// Return the NSEC3 record of `zone` with `hash`, or the last known one before it.
    pub fn nsec3_before(
        &self,
        view: u16,
        zone: NameRef<'_>,
        hash: &[u8; 20],
        now: Micros,
    ) -> Option<Arc<DenialRecord>> {
        lock(&self.shards[self.place(zone).shard].denials).nsec3(view, zone, hash, now)
    }

    /// Return size and counters.
    pub fn stats(&self) -> CacheStats {
        let mut stats = CacheStats {
            servers: self.servers.len(),
            octets: self.servers.octets() + lock(&self.sources).octets(),
            ..CacheStats::default()
        };
        for shard in &self.shards {
            let answers = lock(&shard.answers);
            stats.answers += answers.len();
            stats.octets += answers.octets();
            stats.evicted += answers.evicted();
            drop(answers);
            let cuts = lock(&shard.cuts);
            stats.delegations += cuts.len();
            stats.octets += cuts.octets();
            drop(cuts);
            stats.octets += lock(&shard.paths).octets();
            let denials = lock(&shard.denials);
            stats.denials += denials.len();
            stats.octets += denials.octets();
        }
        stats
    }
}

/// A whole answer of a message, for [`Cache::put_chain`].
#[derive(Clone, Copy, Debug)]
pub struct WholeAnswer<'c> {
    /// The response code.
    pub rcode: Rcode,
    /// The number of records in the answer and in the authority section.
    pub counts: (u16, u16),
    /// The part of the message after the question.
    pub body: &'c [u8],
    /// The offsets of the TTL fields in `body`.
    pub ttl_offsets: &'c [usize],
    /// The lifetime in seconds: the smallest TTL.
    pub life_s: u32,
    /// Its origin.
    pub origin: Origin,
    /// The extended error that says why it is insecure, with its text, if clients learn it.
    pub explained: Option<(Ede, &'c str)>,
}
