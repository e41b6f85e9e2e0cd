//! What the cache is asked, and what it answers: whole answers for clients, copied into messages, and RRsets for the resolver.

use nw_wire::code::{Class, Ede, Rcode, RrType};
use nw_wire::header::Flags;
use nw_wire::message::Section;
use nw_wire::name::NameRef;
use nw_wire::rrset::Rrset;
use nw_wire::writer::Writer;

use crate::entry::{Entry, EntryKind, LONGEST_TEXT, NAME};
use crate::reader::{Freshness, Reader, State};
use crate::table::{Kept, Table};
use crate::{Cache, Micros, Place, lock};

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
    /// Whether this machine's network seemed to be down. A lookup that needs this one fails for the same cause.
    pub network: bool,
    /// The age in seconds from which it counts only where expired data is served in its place, for which it may be kept for longer.
    pub alone_s: u16,
}

impl KeptFailure {
    /// Whether it fails a query at the age of `age_s` seconds, when no expired data is served in its place.
    pub fn counts_alone(&self, age_s: u32) -> bool {
        age_s < u32::from(self.alone_s)
    }

    pub(crate) fn to_octets(&self) -> Vec<u8> {
        let cut = |text: &str| text[..text.floor_char_boundary(LONGEST_TEXT)].len();
        let (text, cause) = (&self.text[..cut(&self.text)], &self.cause[..cut(&self.cause)]);
        let mut octets = Vec::with_capacity(7 + text.len() + cause.len());
        octets.extend_from_slice(&self.ede.0.to_be_bytes());
        octets.extend_from_slice(&(text.len() as u16).to_be_bytes());
        octets.push(self.network.into());
        octets.extend_from_slice(&self.alone_s.to_be_bytes());
        octets.extend_from_slice(text.as_bytes());
        octets.extend_from_slice(cause.as_bytes());
        octets
    }

    fn from_octets(octets: &[u8]) -> KeptFailure {
        let [ede, length, alone_s] = [0, 2, 5].map(|at| u16::from_be_bytes([octets[at], octets[at + 1]]));
        let (text, cause) = octets[7..].split_at(length.into());
        let [text, cause] = [text, cause].map(|text| String::from_utf8_lossy(text).into_owned());
        KeptFailure { ede: Ede(ede), text, cause, network: octets[4] != 0, alone_s }
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

impl Cache {
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
