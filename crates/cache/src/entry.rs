//! One cached answer in a form that can be copied into a message.
//!
//! An entry is one allocation with two uses: the server copies its body behind the question, and the resolver reads
//! RRsets from it. Everything is stored once.
//!
//! ```text
//! | head 10 | key name | TTL offsets, 2 each | body                                   |
//!                                             ^ records as they follow the
//!                                               question: owner is a pointer to offset 12
//! head: records answer, authority without DNSSEC | the same with DNSSEC | octets of the body without DNSSEC
//! ```
//!
//! Data that is insecure for a reason that clients learn (RFC 8914) has this extended error behind the body:
//! `| text | octets of the text 2 | code 2 |`.
//!
//! Records for DNSSEC-aware clients only (RRSIG, NSEC, NSEC3) are at the end, so that the answer without them is a
//! prefix of the answer with them. Names in rdata that may be compressed (RFC 3597 §4) are compressed by a [`Writer`]
//! when the entry is made. A cached answer is therefore no larger than the upstream's, and a hit is still a copy.
//! Pointers are relative to the start of a message in which the body directly follows the question. The body of
//! [`EntryKind::Chain`] is a whole answer made by a [`Writer`]. It is never read back.

use nw_wire::code::{Class, Ede, RrType};
use nw_wire::hash::eq_folded;
use nw_wire::header::Flags;
use nw_wire::message::{Section, read_name};
use nw_wire::name::{Name, NameRef};
use nw_wire::rr;
use nw_wire::rrset::Rrset;
use nw_wire::writer::Writer;

use crate::Micros;
use crate::lives::Cut;
use crate::reader::{Origin, Scope, State};
use crate::table::Kept;

/// The number of octets of the head of an entry.
const HEAD: usize = 10;
/// The offset of the question in a message.
const QUESTION: usize = 12;
/// The maximum length of a body. TTL offsets then fit their fields, and the message fits a TCP frame with a header, any question
/// and an OPT record without options.
const LONGEST: usize = u16::MAX as usize - QUESTION - (255 + 4) - 11;

/// The maximum number of octets of the text of an extended error.
pub(crate) const LONGEST_TEXT: usize = 300;

/// The content of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntryKind {
    /// The RRset of the key's name and type.
    Rrset,
    /// The whole answer to the key's question, which starts with an alias.
    Chain {
        /// Whether the answer is for clients that set DO.
        dnssec_ok: bool,
        /// Whether the name at the end of the chain does not exist.
        nxdomain: bool,
    },
    /// The key's name has no data of the key's type.
    NoData,
    /// The key's name does not exist; the key's type is [`NAME`].
    NxDomain,
    /// The key's question failed.
    Failure,
}

/// The type in the key of an entry about a name as a whole. No record can have this type (RFC 6895 §3.1).
pub(crate) const NAME: RrType = RrType(0);

/// The credibility of data, lowest first (RFC 2181 §5.4.1). Glue and additional data rank below all of these. They
/// never become answers and are stored only in [`crate::Delegation`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// From the answer section of a reply without AA, for example from a forwarder.
    NonAuthoritative,
    /// From the answer section of an authoritative reply.
    Authoritative,
}

/// A cached answer.
pub(crate) struct Entry {
    blob: Box<[u8]>,
    stored: Micros,
    /// The lifetime in seconds from `stored`.
    life: u32,
    rtype: RrType,
    kind: EntryKind,
    /// The length of the key's name in octets.
    name_len: u8,
    /// Rank, state and three facts; see [`Marks`].
    marks: Marks,
    view: u16,
    /// The number of the server that sent it; see `sources.rs`.
    server: u32,
    scope: Option<Box<Scope>>,
}

/// Rank and validation state of an entry, and three facts about it, in one octet: there may be millions of entries.
#[derive(Clone, Copy)]
struct Marks(u8);

impl Marks {
    const STATE: u8 = 0b111;
    const AUTHORITATIVE: u8 = 1 << 3;
    /// Names in the body point to other parts of the body.
    const COMPRESSED: u8 = 1 << 4;
    /// A lookup that renews the entry has been requested.
    const RENEWING: u8 = 1 << 5;
    /// An extended error follows the body.
    const EXPLAINED: u8 = 1 << 6;

    fn new(origin: &Origin) -> Marks {
        let rank = if origin.rank == Rank::Authoritative { Self::AUTHORITATIVE } else { 0 };
        Marks(origin.state as u8 | rank)
    }

    #[inline]
    fn state(self) -> State {
        match self.0 & Self::STATE {
            0 => State::Bogus,
            1 => State::Unchecked,
            2 => State::Indeterminate,
            3 => State::Insecure,
            _ => State::Secure,
        }
    }

    fn has(self, mark: u8) -> bool {
        self.0 & mark != 0
    }
}

/// The least lifetime of an entry that is renewed before it ends, seconds.
const RENEWED: u32 = 10;

impl Kept for Entry {
    fn octets(&self) -> usize {
        self.blob.len() + if self.scope.is_some() { size_of::<Scope>() } else { 0 }
    }

    fn expired(&self, now: Micros) -> bool {
        self.expired_for(0, now)
    }

    /// Failures and data that no validation has accepted are never served stale (RFC 8767 §4).
    fn useless(&self, now: Micros, grace: Micros) -> bool {
        let lasting = self.kind != EntryKind::Failure && !self.is_unchecked();
        self.expired_for(if lasting { grace } else { 0 }, now)
    }
}

/// Return whether an entry is only for clients that set CD.
fn unchecked(state: State, kind: EntryKind) -> bool {
    state == State::Unchecked || state == State::Bogus && kind != EntryKind::Failure
}

/// The properties of an entry other than its body.
pub(crate) struct Key<'k> {
    pub(crate) name: NameRef<'k>,
    pub(crate) rtype: RrType,
    pub(crate) kind: EntryKind,
    pub(crate) origin: Origin,
}

/// The part of an entry's body for a client with or without DO.
pub(crate) struct Body<'e> {
    pub(crate) bytes: &'e [u8],
    pub(crate) answer: u16,
    pub(crate) authority: u16,
    offsets: &'e [u8],
}

impl Body<'_> {
    /// The offsets of the TTL fields in `bytes`.
    #[inline]
    pub(crate) fn ttl_offsets(&self) -> impl Iterator<Item = usize> {
        self.offsets.as_chunks().0.iter().map(|pair| u16::from_be_bytes(*pair) as usize)
    }
}

impl Entry {
    /// Return whether the entry is about `name` and `rtype`.
    #[inline]
    pub(crate) fn is(&self, name: NameRef<'_>, rtype: RrType) -> bool {
        // Length octets are never ASCII letters, so that names can be compared as text.
        self.rtype == rtype && eq_folded(self.name_wire(), name.wire())
    }

    pub(crate) fn kind(&self) -> EntryKind {
        self.kind
    }

    pub(crate) fn rank(&self) -> Rank {
        if self.marks.has(Marks::AUTHORITATIVE) { Rank::Authoritative } else { Rank::NonAuthoritative }
    }

    pub(crate) fn state(&self) -> State {
        self.marks.state()
    }

    pub(crate) fn view(&self) -> u16 {
        self.view
    }

    pub(crate) fn scope(&self) -> Option<&Scope> {
        self.scope.as_deref()
    }

    /// Return whether the entry is only for clients that set CD.
    pub(crate) fn is_unchecked(&self) -> bool {
        unchecked(self.state(), self.kind)
    }

    /// Return whether the entry is for other clients than those of `key`, so that both can be stored.
    pub(crate) fn is_beside(&self, key: &Key<'_>) -> bool {
        let origin = &key.origin;
        self.view != origin.view
            || self.scope.as_deref() != origin.scope.as_ref()
            || self.is_unchecked() != unchecked(origin.state, key.kind)
    }

    pub(crate) fn rtype(&self) -> RrType {
        self.rtype
    }

    /// Whole seconds since the entry was stored.
    pub(crate) fn age_s(&self, now: Micros) -> u32 {
        u32::try_from(now.saturating_sub(self.stored) / 1_000_000).unwrap_or(u32::MAX)
    }

    /// The number of the server that sent it.
    pub(crate) fn server(&self) -> u32 {
        self.server
    }

    /// Set the number of the server that sent it.
    pub(crate) fn set_server(&mut self, number: u32) {
        self.server = number;
    }

    /// The lifetime in seconds.
    pub(crate) fn life_s(&self) -> u32 {
        self.life
    }

    /// When the entry was stored.
    pub(crate) fn stored(&self) -> Micros {
        self.stored
    }

    /// Return whether the lifetime ended at least `time` ago.
    pub(crate) fn expired_for(&self, time: Micros, now: Micros) -> bool {
        now.saturating_sub(self.stored) >= self.life as Micros * 1_000_000 + time
    }

    /// End the lifetime now, if it has not ended.
    pub(crate) fn expire(&mut self, now: Micros) {
        self.life = self.life.min(self.age_s(now));
    }

    /// Return whether the entry denies a name or type, be it at the end of aliases.
    pub(crate) fn denies(&self) -> bool {
        match self.kind {
            EntryKind::NoData | EntryKind::NxDomain => true,
            EntryKind::Rrset | EntryKind::Failure => false,
            EntryKind::Chain { .. } => {
                let body = self.body(true);
                // The type is before the class, and that before the TTL.
                let is_soa = |at: usize| body.bytes[at - 4..].starts_with(&RrType::SOA.0.to_be_bytes());
                body.ttl_offsets().skip(body.answer.into()).any(is_soa)
            }
        }
    }

    /// Cut the lifetime, and the TTLs that clients get.
    pub(crate) fn shorten(&mut self, cut: Cut) {
        self.life = cut.of(self.life);
        if self.kind == EntryKind::Failure {
            return;
        }
        let body = self.body(true);
        let body_at = self.blob.len() - self.explanation_octets() - body.bytes.len();
        let offsets: Vec<usize> = body.ttl_offsets().collect();
        for at in offsets {
            if let Some(field) = self.blob[body_at + at..].first_chunk_mut() {
                *field = cut.of(u32::from_be_bytes(*field)).to_be_bytes();
            }
        }
    }

    /// Seconds since the lifetime of the entry ended, at least 1, or 0 if it has not.
    pub(crate) fn expired_s(&self, now: Micros) -> u32 {
        if self.expired(now) { self.age_s(now).saturating_sub(self.life).max(1) } else { 0 }
    }

    /// The remaining lifetime in seconds, or 0 if the entry has expired.
    pub(crate) fn left_s(&self, now: Micros) -> u32 {
        self.life.saturating_sub(self.age_s(now))
    }

    /// Return whether less than a tenth of the lifetime is left at the age of `age_s` seconds, and the entry lives long
    /// enough to be renewed.
    #[inline]
    pub(crate) fn is_ripe(&self, age_s: u32) -> bool {
        let left = u64::from(self.life.saturating_sub(age_s));
        left * 10 < u64::from(self.life) && self.life >= RENEWED
    }

    /// Return whether the entry is to be renewed now: true once, if it is ripe and not a failure.
    #[inline]
    pub(crate) fn begin_renewal(&mut self, age_s: u32) -> bool {
        let due = self.is_ripe(age_s) && self.kind != EntryKind::Failure && !self.marks.has(Marks::RENEWING);
        if due {
            self.marks.0 |= Marks::RENEWING;
        }
        due
    }

    /// The key's name in wire form.
    fn name_wire(&self) -> &[u8] {
        &self.blob[HEAD..HEAD + self.name_len as usize]
    }

    /// The key's name.
    pub(crate) fn name(&self) -> NameRef<'_> {
        NameRef::from_wire(self.name_wire()).expect("written from a name")
    }

    /// The records for a client with or without DO.
    #[inline]
    pub(crate) fn body(&self, dnssec_ok: bool) -> Body<'_> {
        let head: &[u8; HEAD] = self.blob.first_chunk().expect("a blob begins with a head");
        let word = |at: usize| usize::from(u16::from_be_bytes([head[at], head[at + 1]]));
        let (all_answer, all_authority) = (word(4), word(6));
        let offsets_at = HEAD + self.name_len as usize;
        let body_at = offsets_at + 2 * (all_answer + all_authority);
        let (answer, authority, end) = if dnssec_ok {
            (all_answer, all_authority, self.blob.len() - self.explanation_octets())
        } else {
            (word(0), word(2), body_at + word(8))
        };
        Body {
            bytes: &self.blob[body_at..end],
            answer: answer as u16,
            authority: authority as u16,
            offsets: &self.blob[offsets_at..offsets_at + 2 * (answer + authority)],
        }
    }

    /// Make an entry with the records of `plain`, and those of `dnssec` for clients that set DO, all in the answer section
    /// or all in the authority section. Returns None if they exceed the size limit.
    pub(crate) fn from_rrsets(
        key: &Key<'_>,
        plain: Option<&Rrset>,
        dnssec: &[Rrset],
        life: u32,
        now: Micros,
    ) -> Option<Entry> {
        let plain_count = plain.map_or(0, |set| set.rdatas.len());
        let all_count = plain_count + dnssec.iter().map(|set| set.rdatas.len()).sum::<usize>();
        let compressed = plain.into_iter().chain(dnssec).any(has_compressible_names);
        let (blob, plain_len) = match compressed {
            true => compressed_blob(key, plain, dnssec, all_count)?,
            false => plain_blob(key, plain, dnssec, all_count),
        };
        let counts = if key.kind == EntryKind::Rrset {
            [plain_count, 0, all_count, 0]
        } else {
            [0, plain_count, 0, all_count]
        };
        let mut entry = Entry::assemble(key, counts, plain_len, blob, life, now)?;
        if compressed {
            entry.marks.0 |= Marks::COMPRESSED;
        }
        Some(entry)
    }

    /// Make an entry with a whole answer of a writer. `body` is the part after the question, and `offsets` are the
    /// offsets of its TTL fields.
    pub(crate) fn from_rendered(
        key: &Key<'_>,
        (answer, authority): (u16, u16),
        offsets: &[usize],
        body: &[u8],
        life: u32,
        now: Micros,
    ) -> Option<Entry> {
        let (answer, authority) = (answer as usize, authority as usize);
        debug_assert_eq!(answer + authority, offsets.len());
        let mut blob = Blob::new(key.name, offsets.len(), body.len());
        offsets.iter().for_each(|&offset| blob.ttl_at(offset));
        blob.octets.extend_from_slice(body);
        Entry::assemble(key, [answer, authority, answer, authority], body.len(), blob, life, now)
    }

    /// Make an entry with `octets` that are not records.
    pub(crate) fn from_octets(key: &Key<'_>, octets: &[u8], life: u32, now: Micros) -> Option<Entry> {
        let mut blob = Blob::new(key.name, 0, octets.len());
        blob.octets.extend_from_slice(octets);
        Entry::assemble(key, [0; 4], 0, blob, life, now)
    }

    /// The same entry with the extended error `ede` and at most [`LONGEST_TEXT`] octets of its `text`, in place of a former one.
    pub(crate) fn explained_by(mut self, ede: Ede, text: &str) -> Entry {
        let text = &text[..text.floor_char_boundary(LONGEST_TEXT)];
        let body_end = self.blob.len() - self.explanation_octets();
        let mut blob = Vec::with_capacity(body_end + text.len() + 4);
        blob.extend_from_slice(&self.blob[..body_end]);
        blob.extend_from_slice(text.as_bytes());
        blob.extend_from_slice(&(text.len() as u16).to_be_bytes());
        blob.extend_from_slice(&ede.0.to_be_bytes());
        self.blob = blob.into_boxed_slice();
        self.marks.0 |= Marks::EXPLAINED;
        self
    }

    /// Return whether an extended error says why the data is insecure.
    #[inline]
    pub(crate) fn is_explained(&self) -> bool {
        self.marks.has(Marks::EXPLAINED)
    }

    /// Return the extended error that says why the data is insecure, and its text.
    pub(crate) fn explanation(&self) -> Option<(Ede, String)> {
        let text = self.explanation_octets().checked_sub(4)?;
        let end = self.blob.len() - 4;
        let (text, code) = (&self.blob[end - text..end], [self.blob[end + 2], self.blob[end + 3]]);
        Some((Ede(u16::from_be_bytes(code)), String::from_utf8_lossy(text).into_owned()))
    }

    /// The octets behind the body.
    #[inline]
    fn explanation_octets(&self) -> usize {
        if !self.is_explained() {
            return 0;
        }
        let end = self.blob.len() - 4;
        4 + usize::from(u16::from_be_bytes([self.blob[end], self.blob[end + 1]]))
    }

    /// Make an entry with `blob`. `counts` and `plain_len` are the numbers of its head.
    fn assemble(
        key: &Key<'_>,
        counts: [usize; 4],
        plain_len: usize,
        mut blob: Blob,
        life: u32,
        now: Micros,
    ) -> Option<Entry> {
        if blob.body_len() > LONGEST {
            return None;
        }
        for (at, number) in counts.into_iter().chain([plain_len]).enumerate() {
            blob.octets[2 * at..2 * at + 2].copy_from_slice(&(number as u16).to_be_bytes());
        }
        Some(Entry {
            blob: blob.octets.into_boxed_slice(),
            stored: now,
            life,
            rtype: key.rtype,
            kind: key.kind,
            marks: Marks::new(&key.origin),
            view: key.origin.view,
            scope: key.origin.scope.map(Box::new),
            // A name has at most 255 octets.
            name_len: key.name.wire().len() as u8,
            server: 0,
        })
    }

    /// Return the records as RRsets with their remaining TTL at `now`, in the order in which they were stored. Empty
    /// for a chain.
    pub(crate) fn rrsets(&self, now: Micros, dnssec_ok: bool) -> Vec<Rrset> {
        if matches!(self.kind, EntryKind::Chain { .. } | EntryKind::Failure) {
            return Vec::new();
        }
        let age = self.age_s(now);
        let body = self.body(dnssec_ok).bytes;
        // The message to which the pointers refer.
        let start = QUESTION + self.name_len as usize + 4;
        let mut message = Vec::new();
        if self.marks.has(Marks::COMPRESSED) {
            message.reserve_exact(start + body.len());
            message.resize(QUESTION, 0);
            message.extend_from_slice(self.name_wire());
            message.resize(start, 0);
            message.extend_from_slice(body);
        }
        let mut expanded = Vec::new();
        let mut sets: Vec<Rrset> = Vec::with_capacity(1);
        let mut rest = body;
        let mut previous: &[u8] = &[];
        while !rest.is_empty() {
            let at = body.len() - rest.len();
            let (owner, fixed) = split_owner(rest);
            // Fixed fields: type, class, TTL, length (RFC 1035 §4.1.3).
            let word = |at: usize| u16::from_be_bytes([fixed[at], fixed[at + 1]]);
            let (rtype, class) = (RrType(word(0)), Class(word(2)));
            let ttl = u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]).saturating_sub(age);
            let length = word(8) as usize;
            let end = 10 + length;
            let rdata = if self.marks.has(Marks::COMPRESSED) {
                expanded.clear();
                rr::expand(rtype, &message, start + at + owner.len() + 10, length, &mut expanded)
                    .expect("written by a writer");
                &expanded[..]
            } else {
                &fixed[10..end]
            };
            let full_owner = self
                .marks
                .has(Marks::COMPRESSED)
                .then(|| read_name(&message, start + at).expect("written by a writer").0);
            let same_owner = |set: &Rrset| match &full_owner {
                Some(name) => set.owner == name.as_ref(),
                None => owner == previous,
            };
            match sets.last_mut() {
                // RRSIGs of one owner that cover different types are stored as different sets with their own TTLs.
                Some(set) if same_owner(set) && set.rtype == rtype && set.ttl == ttl => {
                    set.rdatas.push(rdata);
                }
                _ => {
                    let owner = full_owner.map_or_else(|| self.owner(owner), |name| name.as_ref().to_name());
                    let mut set = Rrset::new(owner, rtype, class, ttl);
                    set.rdatas.push(rdata);
                    sets.push(set);
                }
            }
            previous = owner;
            rest = &fixed[end..];
        }
        sets
    }

    /// Return the octets of an entry made by [`Entry::from_octets`].
    pub(crate) fn octets(&self) -> &[u8] {
        &self.blob[HEAD + self.name_len as usize..]
    }

    /// Return the name for `owner`, which consists of labels and possibly a pointer into the key's name.
    fn owner(&self, owner: &[u8]) -> Name {
        let mut at = 0;
        while (1..0xc0).contains(&owner[at]) {
            at += 1 + owner[at] as usize;
        }
        if owner[at] == 0 {
            return Name::from_wire(owner).expect("written from a name");
        }
        let start = (u16::from_be_bytes([owner[at], owner[at + 1]]) & 0x3fff) as usize - QUESTION;
        let mut wire = owner[..at].to_vec();
        wire.extend_from_slice(&self.name_wire()[start..]);
        Name::from_wire(&wire).expect("written from a name")
    }
}

/// Return whether a writer may compress a name in the rdata of `set`.
fn has_compressible_names(set: &Rrset) -> bool {
    set.rdatas.first().is_some_and(|rdata| rr::names(set.rtype, rdata).any(|name| name.compressible))
}

/// The octets of an entry while they are written.
struct Blob {
    octets: Vec<u8>,
    /// Where the next TTL offset is written.
    offset_at: usize,
    body_at: usize,
}

impl Blob {
    /// A blob with room for the TTL offsets of `records` records and for a body of `length` octets.
    fn new(name: NameRef<'_>, records: usize, length: usize) -> Blob {
        let offset_at = HEAD + name.wire().len();
        let body_at = offset_at + 2 * records;
        let mut octets = Vec::with_capacity(body_at + length);
        octets.resize(HEAD, 0);
        octets.extend_from_slice(name.wire());
        octets.resize(body_at, 0);
        Blob { octets, offset_at, body_at }
    }

    fn body_len(&self) -> usize {
        self.octets.len() - self.body_at
    }

    /// Note that the TTL field of the next record is at `offset` of the body. Longer bodies than the field can count are refused.
    fn ttl_at(&mut self, offset: usize) {
        self.octets[self.offset_at..self.offset_at + 2].copy_from_slice(&(offset as u16).to_be_bytes());
        self.offset_at += 2;
    }

    /// Write the records of `rrset` and compress only their owner names.
    fn rrset(&mut self, rrset: &Rrset, owner: &SharedOwner<'_>) {
        let ([t0, t1], [c0, c1], [s0, s1, s2, s3]) =
            (rrset.rtype.0.to_be_bytes(), rrset.class.0.to_be_bytes(), rrset.ttl.to_be_bytes());
        for rdata in rrset.rdatas.iter() {
            self.octets.extend_from_slice(owner.labels);
            match owner.pointer {
                Some(pointer) => self.octets.extend_from_slice(&pointer.to_be_bytes()),
                None => self.octets.push(0),
            }
            self.ttl_at(self.body_len() + 4);
            // An RdataSet stores lengths in 16 bits as well.
            let [l0, l1] = (rdata.len() as u16).to_be_bytes();
            self.octets.extend_from_slice(&[t0, t1, c0, c1, s0, s1, s2, s3, l0, l1]);
            self.octets.extend_from_slice(rdata);
        }
    }
}

/// An owner name in a body: its own labels, then a pointer to the part that it shares with the key's name, or the root.
struct SharedOwner<'o> {
    labels: &'o [u8],
    pointer: Option<u16>,
}

impl<'o> SharedOwner<'o> {
    fn new(owner: NameRef<'o>, key: NameRef<'_>) -> SharedOwner<'o> {
        if eq_folded(owner.wire(), key.wire()) && !owner.is_root() {
            return SharedOwner { labels: &[], pointer: Some(0xc000 | QUESTION as u16) };
        }
        let own = |rest: NameRef<'_>| &owner.wire()[..owner.wire().len() - rest.wire().len()];
        let mut rest = owner;
        while !rest.is_root() {
            if key.is_at_or_below(rest) {
                let start = QUESTION + key.wire().len() - rest.wire().len();
                return SharedOwner { labels: own(rest), pointer: Some(0xc000 | start as u16) };
            }
            rest = rest.parent().expect("not the root");
        }
        SharedOwner { labels: own(rest), pointer: None }
    }

    fn len(&self) -> usize {
        self.labels.len() + if self.pointer.is_some() { 2 } else { 1 }
    }
}

/// Write the records with compressed owner names only. Returns the blob and the length of the body up to `dnssec`.
fn plain_blob(key: &Key<'_>, plain: Option<&Rrset>, dnssec: &[Rrset], records: usize) -> (Blob, usize) {
    let owner = |set: &Rrset| SharedOwner::new(set.owner.as_ref(), key.name).len();
    // Type, class and TTL have eight octets. The length field of each rdata is in both forms.
    let length = |set: &Rrset| set.rdatas.len() * (owner(set) + 8) + set.rdatas.octets();
    let length = plain.into_iter().chain(dnssec).map(length).sum();
    let mut blob = Blob::new(key.name, records, length);
    plain.into_iter().for_each(|set| blob.rrset(set, &SharedOwner::new(set.owner.as_ref(), key.name)));
    let plain_len = blob.body_len();
    dnssec.iter().for_each(|set| blob.rrset(set, &SharedOwner::new(set.owner.as_ref(), key.name)));
    (blob, plain_len)
}

/// Do the same with full compression. Returns None if they exceed the size limit.
fn compressed_blob(
    key: &Key<'_>,
    plain: Option<&Rrset>,
    dnssec: &[Rrset],
    records: usize,
) -> Option<(Blob, usize)> {
    let start = QUESTION + key.name.wire().len() + 4;
    let most = |set: &Rrset| set.rdatas.len() * (set.owner.as_ref().wire().len() + 8) + set.rdatas.octets();
    let size = start + plain.into_iter().chain(dnssec).map(most).sum::<usize>();
    let mut buf = vec![0; size.min(start + LONGEST)];
    let limit = buf.len();
    let mut writer = Writer::new(&mut buf, limit, 0, Flags::default());
    writer.question(key.name, key.rtype, Class::IN).ok()?;
    let mut offsets = Vec::with_capacity(records);
    let mut write = |writer: &mut Writer<'_>, set: &Rrset| {
        writer.rrset_noting(Section::Answer, set, |at| offsets.push(at - start)).ok()
    };
    plain.map_or(Some(()), |set| write(&mut writer, set))?;
    let plain_len = writer.len() - start;
    dnssec.iter().try_for_each(|set| write(&mut writer, set))?;
    let body = &writer.written()[start..];
    let mut blob = Blob::new(key.name, records, body.len());
    offsets.iter().for_each(|&offset| blob.ttl_at(offset));
    blob.octets.extend_from_slice(body);
    Some((blob, plain_len))
}

/// Split an owner name of a body from the following octets.
fn split_owner(bytes: &[u8]) -> (&[u8], &[u8]) {
    let mut at = 0;
    loop {
        match bytes[at] {
            0 => return bytes.split_at(at + 1),
            pointer if pointer >= 0xc0 => return bytes.split_at(at + 2),
            length => at += 1 + length as usize,
        }
    }
}
