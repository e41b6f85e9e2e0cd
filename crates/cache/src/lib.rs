//! A cache for answers, negative answers, failures, delegations and server statistics, bounded in octets.
//!
//! ```text
//!                     hash of the name (keyed)
//!                    /          |
//! shard 0 ... shard 15          |            each: one short lock
//!   answers: Table<Entry>       |            copied into messages by `hit`, read back as RRsets by `get`
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
mod loops;
mod path;
mod reader;
pub mod save;
mod servers;
mod sources;
mod table;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nw_wire::code::{Class, Ede, Rcode, RrType};
use nw_wire::header::Flags;
use nw_wire::message::Section;
use nw_wire::name::{Name, NameRef};
use nw_wire::rrset::Rrset;
use nw_wire::writer::Writer;

pub use delegation::{Delegation, DelegationEvidence, DelegationSource, NameServer, Trust};
use denials::Denials;
pub use denials::{DenialKey, DenialRecord, DenialZone};
pub use entry::Rank;
use entry::{Entry, EntryKind, Key, LONGEST_TEXT, NAME};
pub use flush::{Flush, FlushOnly};
pub use inspect::{Inspected, Kind};
pub use loops::{LOOP_TYPE, Loops};
pub use path::DataPath;
pub use reader::{Freshness, Origin, Reader, Scope, State};
pub use servers::{
    CookieSupport, EdnsSupport, LameServer, Lameness, OddReplies, ServerCookie, ServerNote, Servers, Trouble,
};
use sources::Sources;
use table::{Kept, Table, block_by_block};

/// Microseconds of a monotonic clock with an arbitrary zero.
pub type Micros = u64;

/// The number of shards, a power of two. It exceeds the number of workers, so that two workers rarely need the same
/// lock.
const SHARDS: usize = 16;

/// A question for which the cache is searched.
#[derive(Clone, Copy, Debug)]
pub struct HitQuestion<'q> {
    /// The name.
    pub name: NameRef<'q>,
    /// The type.
    pub rtype: RrType,
    /// The class. Only IN is cached.
    pub class: Class,
    /// Whether the client sets DO.
    pub dnssec_ok: bool,
    /// Whether the client sets CD and therefore accepts data that was not validated or is bogus.
    pub checking_disabled: bool,
}

/// A cached answer that was written into a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The response code.
    pub rcode: Rcode,
    /// For a cached failure, the original extended error. It is sent after [`Ede::CACHED_ERROR`].
    pub failure: Option<Ede>,
    /// Whether the records did not fit. The message is unchanged and must be sent with TC.
    pub truncated: bool,
    /// Seconds since the answer was stored.
    pub age_s: u32,
    /// Whether the answer has expired.
    pub freshness: Freshness,
    /// Whether the answer is to be renewed now: it was asked for before, and less than a tenth of its lifetime is left. True for
    /// one hit of each entry.
    pub due: bool,
    /// Its validation state. AD may be set only for [`State::Secure`].
    pub state: State,
    /// Whether clients learn why it is insecure: [`Cache::get_as`] and [`Cache::chain_explanation`] return the extended error.
    pub explained: bool,
}

/// The result of [`Cache::get`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cached {
    /// The RRset, followed by its signatures.
    Rrset(Vec<Rrset>),
    /// The CNAME RRset of the name, followed by its signatures.
    Alias(Vec<Rrset>),
    /// The name has no data of the type. The RRsets are SOA and proof for the authority section.
    NoData(Vec<Rrset>),
    /// The name does not exist. The RRsets are SOA and proof for the authority section.
    NxDomain(Vec<Rrset>),
    /// The lookup failed recently.
    Failure(KeptFailure),
}

/// A cached failure with its cause (RFC 9520).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptFailure {
    /// The extended error that the first client received.
    pub ede: Ede,
    /// The text of that extended error.
    pub text: String,
    /// The cause in words.
    pub cause: String,
}

impl KeptFailure {
    fn to_octets(&self) -> Vec<u8> {
        let cut = |text: &str| text[..text.floor_char_boundary(LONGEST_TEXT)].len();
        let (text, cause) = (&self.text[..cut(&self.text)], &self.cause[..cut(&self.cause)]);
        let mut octets = Vec::with_capacity(4 + text.len() + cause.len());
        octets.extend_from_slice(&self.ede.0.to_be_bytes());
        octets.extend_from_slice(&(text.len() as u16).to_be_bytes());
        octets.extend_from_slice(text.as_bytes());
        octets.extend_from_slice(cause.as_bytes());
        octets
    }

    fn from_octets(octets: &[u8]) -> KeptFailure {
        let [ede, length] = [0, 2].map(|at| u16::from_be_bytes([octets[at], octets[at + 1]]));
        let (text, cause) = octets[4..].split_at(length.into());
        let [text, cause] = [text, cause].map(|text| String::from_utf8_lossy(text).into_owned());
        KeptFailure { ede: Ede(ede), text, cause }
    }
}

/// The result of a cache lookup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// The cache has an entry.
    Hit {
        /// The content.
        found: Cached,
        /// Seconds since it was stored.
        age_s: u32,
        /// The remaining lifetime in seconds.
        left_s: u32,
        /// The validation state.
        state: State,
        /// The extended error that says why the data is insecure, with its text, if clients learn it.
        explained: Option<(Ede, String)>,
    },
    /// The cache has an entry that has expired.
    Expired {
        /// Seconds since it was stored.
        age_s: u32,
    },
    /// The cache has no entry.
    Miss,
}

/// An answer of [`Cache::stale`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stale {
    /// The content. Its TTLs are [`Reader::stale_ttl_s`] if it has expired.
    pub found: StaleData,
    /// The validation state.
    pub state: State,
    /// Seconds since its lifetime ended, at least 1; 0 if it has not.
    pub expired_s: u32,
}

/// The content of an answer of [`Cache::stale`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StaleData {
    /// Data, an alias or a negative answer.
    Cached(Cached),
    /// The whole answer behind an alias.
    Whole {
        /// The response code.
        rcode: Rcode,
        /// A message with the answer.
        message: Vec<u8>,
    },
}

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

    /// Append the cached answer to `question` to `out`, which already contains the question. Returns None on a miss.
    ///
    /// The call costs one hash, one lock and one copy, and allocates nothing. The TTLs are reduced by the age. Owner
    /// names point to the question and therefore have its case. The caller sets flags and rcode.
    pub fn hit(&self, question: &HitQuestion<'_>, now: Micros, out: &mut Writer<'_>) -> Option<Hit> {
        let reader = Reader { checking_disabled: question.checking_disabled, ..Reader::default() };
        self.hit_as(&reader, question, now, out)
    }

    /// Do the same for `reader`, whose `checking_disabled` replaces that of the question.
    #[inline]
    pub fn hit_as(
        &self,
        reader: &Reader,
        question: &HitQuestion<'_>,
        now: Micros,
        out: &mut Writer<'_>,
    ) -> Option<Hit> {
        if question.class != Class::IN {
            return None;
        }
        let (name, rtype) = (question.name, question.rtype);
        let place = self.place(name);
        let mut answers = lock(&self.shards[place.shard].answers);
        let usable = |entry: &Entry| {
            let suits = !matches!(entry.kind(), EntryKind::Chain { dnssec_ok, .. } if dnssec_ok != question.dnssec_ok);
            suits && entry.is(name, rtype) && reader.takes(entry, now).is_some()
        };
        let at = match answers.locate(place.with(rtype), usable) {
            Some(at) => at,
            None => locate_nxdomain(&answers, place, reader, name, now)?,
        };
        let (entry, used) = answers.warm_again(at);
        let hit = write_hit(entry, reader, question.dnssec_ok, now, out);
        let due = used && hit.freshness == Freshness::Fresh && entry.begin_renewal(hit.age_s);
        Some(Hit { due, ..hit })
    }

    /// Append the answer to `question` that was learned last to `out`, even if it has expired; see [`Reader::stale_s`].
    /// Returns it with the seconds since its lifetime ended. Returns None if there is none that `reader` accepts, or
    /// if an alias was learned since, which the caller has to follow ([`Cache::stale`]).
    pub fn stale_hit(
        &self,
        reader: &Reader,
        question: &HitQuestion<'_>,
        now: Micros,
        out: &mut Writer<'_>,
    ) -> Option<(Hit, u32)> {
        let place = self.place(question.name);
        let mut answers = lock(&self.shards[place.shard].answers);
        let (at, key) = latest(&answers, place, reader, question, now)?;
        if key == RrType::CNAME && question.rtype != key {
            return None;
        }
        let entry = answers.warm(at);
        let expired_s = entry.expired_s(now);
        Some((write_hit(entry, reader, question.dnssec_ok, now, out), expired_s))
    }

    /// Return what was learned last for `question`, even if it has expired; see [`Reader::stale_s`].
    pub fn stale(&self, reader: &Reader, question: &HitQuestion<'_>, now: Micros) -> Option<Stale> {
        let (name, rtype) = (question.name, question.rtype);
        let place = self.place(name);
        let mut answers = lock(&self.shards[place.shard].answers);
        let (at, key) = latest(&answers, place, reader, question, now)?;
        let entry = answers.warm(at);
        let mut sets = entry.rrsets(now, true);
        if entry.expired(now) {
            sets.iter_mut().for_each(|set| set.ttl = reader.stale_ttl_s);
        }
        let found = match entry.kind() {
            EntryKind::Rrset if key == rtype => StaleData::Cached(Cached::Rrset(sets)),
            EntryKind::Rrset => StaleData::Cached(Cached::Alias(sets)),
            EntryKind::NoData if key == rtype => StaleData::Cached(Cached::NoData(sets)),
            EntryKind::NxDomain => StaleData::Cached(Cached::NxDomain(sets)),
            EntryKind::NoData | EntryKind::Failure => return None,
            EntryKind::Chain { .. } => {
                let mut room = vec![0; usize::from(u16::MAX)];
                let mut out = Writer::new(&mut room, usize::from(u16::MAX), 0, Flags::default());
                out.question(name, rtype, Class::IN).ok()?;
                let rcode = write_hit(entry, reader, question.dnssec_ok, now, &mut out).rcode;
                let length = out.finish();
                room.truncate(length);
                StaleData::Whole { rcode, message: room }
            }
        };
        Some(Stale { found, state: entry.state(), expired_s: entry.expired_s(now) })
    }

    /// Return what is cached for `name` and `rtype`: data, an alias, a negative answer or a failure.
    ///
    /// The result includes DNSSEC records. Whole chains are ignored, because the resolver follows aliases itself.
    pub fn get(&self, name: NameRef<'_>, rtype: RrType, now: Micros) -> Lookup {
        self.get_as(&Reader::default(), name, rtype, now)
    }

    /// Do the same for `reader`.
    pub fn get_as(&self, reader: &Reader, name: NameRef<'_>, rtype: RrType, now: Micros) -> Lookup {
        // RRSIG and NSEC can exist beside an alias, so that the alias does not apply to them (RFC 4035 §2.5).
        let beside = matches!(rtype, RrType::RRSIG | RrType::NSEC);
        let keys: &[RrType] = if beside { &[rtype, NAME] } else { &[rtype, RrType::CNAME, NAME] };
        self.look(reader, name, rtype, keys, now)
    }

    /// Return whether anything is kept that [`Cache::get_as`] or [`Cache::stale`] could return for `name` and `rtype` to some
    /// reader. False: both have nothing.
    pub fn holds(&self, name: NameRef<'_>, rtype: RrType) -> bool {
        let place = self.place(name);
        let answers = lock(&self.shards[place.shard].answers);
        let keys = [rtype, RrType::CNAME, NAME];
        keys.iter().any(|&key| answers.locate(place.with(key), |entry| entry.is(name, key)).is_some())
    }

    /// Return what is kept about `name` that concerns all names below it: its DNAME RRset, or its absence.
    pub fn above(&self, reader: &Reader, name: NameRef<'_>, now: Micros) -> Lookup {
        self.look(reader, name, RrType::DNAME, &[RrType::DNAME, NAME], now)
    }

    /// Return what the first usable entry of `name` under one of `keys` says about `rtype`.
    fn look(
        &self,
        reader: &Reader,
        name: NameRef<'_>,
        rtype: RrType,
        keys: &[RrType],
        now: Micros,
    ) -> Lookup {
        let place = self.place(name);
        let mut answers = lock(&self.shards[place.shard].answers);
        let mut stale = None;
        for &key in keys {
            // Expired entries are found too, so that the caller learns of them.
            let any_age = Reader { stale_s: u32::MAX, ..*reader };
            let single = |entry: &Entry| {
                entry.is(name, key)
                    && !matches!(entry.kind(), EntryKind::Chain { .. })
                    && any_age.takes(entry, now).is_some()
            };
            // A failure can be stored beside the expired data that it leaves: what is valid comes first.
            let valid = |entry: &Entry| single(entry) && reader.takes(entry, now).is_some();
            let Some(any) = answers.locate(place.with(key), single) else { continue };
            let at = answers.locate(place.with(key), valid).unwrap_or(any);
            let entry = answers.warm(at);
            let age_s = entry.age_s(now);
            let renewed = reader.renews && entry.kind() != EntryKind::Failure && entry.is_ripe(age_s);
            if renewed || reader.takes(entry, now).is_none() {
                stale.get_or_insert(age_s);
                continue;
            }
            let found = match entry.kind() {
                EntryKind::Rrset if key == rtype => Cached::Rrset(entry.rrsets(now, true)),
                EntryKind::Rrset => Cached::Alias(entry.rrsets(now, true)),
                EntryKind::NoData if key == rtype => Cached::NoData(entry.rrsets(now, true)),
                EntryKind::NxDomain => Cached::NxDomain(entry.rrsets(now, true)),
                EntryKind::Failure if key == rtype => {
                    Cached::Failure(KeptFailure::from_octets(entry.octets()))
                }
                // A negative answer or failure for CNAME says nothing about other types.
                EntryKind::NoData | EntryKind::Failure | EntryKind::Chain { .. } => continue,
            };
            let (left_s, state, explained) = (entry.left_s(now), entry.state(), entry.explanation());
            return Lookup::Hit { found, age_s, left_s, state, explained };
        }
        stale.map_or(Lookup::Miss, |age_s| Lookup::Expired { age_s })
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

    /// Return the extended error, with its text, that says why the whole answer to `question`, which starts with an alias, is
    /// insecure.
    pub fn chain_explanation(
        &self,
        reader: &Reader,
        question: &HitQuestion<'_>,
        now: Micros,
    ) -> Option<(Ede, String)> {
        let place = self.place(question.name);
        let answers = lock(&self.shards[place.shard].answers);
        let chain = |entry: &Entry| {
            matches!(entry.kind(), EntryKind::Chain { dnssec_ok, .. } if dnssec_ok == question.dnssec_ok)
                && entry.is(question.name, question.rtype)
                && reader.takes(entry, now).is_some()
        };
        answers.peek(place.with(question.rtype), chain)?.explanation()
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

/// Return the position of the entry that says that `name` does not exist.
#[inline(never)]
fn locate_nxdomain(
    answers: &Table<Entry>,
    place: Place,
    reader: &Reader,
    name: NameRef<'_>,
    now: Micros,
) -> Option<u32> {
    answers.locate(place.with(NAME), |entry| entry.is(name, NAME) && reader.takes(entry, now).is_some())
}

/// Return the position and the key of the entry that was stored last for `question` and that `reader` takes. An older one
/// has been superseded, even if it is about data and the newer one about their absence.
fn latest(
    answers: &Table<Entry>,
    place: Place,
    reader: &Reader,
    question: &HitQuestion<'_>,
    now: Micros,
) -> Option<(u32, RrType)> {
    let (name, rtype) = (question.name, question.rtype);
    let found = [rtype, RrType::CNAME, NAME].into_iter().filter_map(|key| {
        let usable = |entry: &Entry| {
            let suits = match entry.kind() {
                EntryKind::Chain { dnssec_ok, .. } => dnssec_ok == question.dnssec_ok && key == rtype,
                // The absence of an alias says nothing about other types.
                EntryKind::NoData => key == rtype,
                EntryKind::Failure => false,
                EntryKind::Rrset | EntryKind::NxDomain => true,
            };
            let valid = !(entry.is_unchecked() && entry.expired(now));
            suits && valid && entry.is(name, key) && reader.takes(entry, now).is_some()
        };
        let mut found: Option<(Micros, u32, RrType)> = None;
        answers.each(place.with(key), |at, entry| {
            if usable(entry) && found.is_none_or(|(stored, ..)| entry.stored() > stored) {
                found = Some((entry.stored(), at, key));
            }
        });
        found
    });
    found.max_by_key(|(stored, ..)| *stored).map(|(_, at, key)| (at, key))
}

/// Append what `entry` holds to `out`.
#[inline(always)]
fn write_hit(entry: &Entry, reader: &Reader, dnssec_ok: bool, now: Micros, out: &mut Writer<'_>) -> Hit {
    let age_s = entry.age_s(now);
    let rcode = match entry.kind() {
        EntryKind::NxDomain | EntryKind::Chain { nxdomain: true, .. } => Rcode::NXDOMAIN,
        EntryKind::Failure => return Hit { age_s, ..failed(entry, now) },
        EntryKind::Chain { nxdomain: false, .. } | EntryKind::Rrset | EntryKind::NoData => Rcode::NOERROR,
    };
    let body = entry.body(dnssec_ok);
    let (freshness, state) = (freshness(entry, age_s), entry.state());
    let explained = entry.is_explained();
    let hit = Hit { rcode, failure: None, truncated: false, age_s, freshness, due: false, state, explained };
    let Ok(start) = out.raw(Section::Answer, body.answer, body.bytes) else {
        return Hit { truncated: true, ..hit };
    };
    if body.authority != 0 {
        // The octets are already written. This only counts the authority records.
        let counted = out.raw(Section::Authority, body.authority, &[]);
        debug_assert!(counted.is_ok(), "nothing always fits");
    }
    for offset in body.ttl_offsets() {
        let ttl = body.bytes[offset..].first_chunk().map_or(0, |ttl| u32::from_be_bytes(*ttl));
        let left = match freshness {
            Freshness::Fresh => ttl.saturating_sub(age_s),
            Freshness::Stale => reader.stale_ttl_s,
        };
        out.patch_ttl(start + offset, left);
    }
    hit
}

/// Return the freshness of `entry` at the age of `age_s` seconds.
#[inline]
fn freshness(entry: &Entry, age_s: u32) -> Freshness {
    if age_s >= entry.life_s() { Freshness::Stale } else { Freshness::Fresh }
}

/// Convert a failure entry to a hit.
fn failed(entry: &Entry, now: Micros) -> Hit {
    let ede = entry.octets().first_chunk().map_or(Ede::OTHER, |code| Ede(u16::from_be_bytes(*code)));
    let (freshness, state) = (freshness(entry, entry.age_s(now)), entry.state());
    let (rcode, truncated, due) = (Rcode::SERVFAIL, false, false);
    Hit { rcode, failure: Some(ede), truncated, age_s: 0, freshness, due, state, explained: false }
}
