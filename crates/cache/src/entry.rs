//! One cached answer, ready to be copied into a message.
//!
//! An entry is one allocation. It serves twice: the server copies its body behind the question, and the resolver reads
//! RRsets back out of it. So there is one copy of everything.
//!
//! ```text
//! | head 10 | key name | TTL offsets, 2 each | body                                   |
//!                                             ^ records as they stand right behind the
//!                                               question: owner is a pointer to offset 12
//! head: records answer, authority without DNSSEC | the same with DNSSEC | octets of the body without DNSSEC
//! ```
//!
//! The records that only DNSSEC-aware clients get (RRSIG, NSEC, NSEC3) stand last, so that the answer without them is
//! the beginning of the answer with them. Where rdata holds names that may be compressed (RFC 3597 §4), a [`Writer`] has
//! compressed them when the entry was made, so that a cached answer is no larger than the upstream's, and a copy on a hit
//! stays a copy. Their pointers count from the start of a message in which the body stands right behind the question.
//! The bodies of [`Kind::Chain`] are whole answers made by a [`Writer`], and are never read back.

use nw_wire::code::{Class, RrType};
use nw_wire::header::Flags;
use nw_wire::message::{Section, read_name};
use nw_wire::name::{Name, NameRef};
use nw_wire::rr;
use nw_wire::rrset::Rrset;
use nw_wire::writer::Writer;

use crate::Micros;
use crate::reader::{Origin, Scope, State};
use crate::table::Kept;

/// Octets of the head of an entry.
const HEAD: usize = 10;
/// Where the question stands in every message.
const QUESTION: usize = 12;
/// Longest body, such that a TTL offset fits its field and a message its frame.
const LONGEST: usize = 64_000;

/// What an entry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The RRset of the key's name and type.
    Rrset,
    /// The whole answer to the key's question, which begins with an alias.
    Chain {
        /// Whether it is the answer for clients that set DO.
        dnssec_ok: bool,
        /// Whether the name at the chain's end does not exist.
        nxdomain: bool,
    },
    /// The key's name has no data of the key's type.
    NoData,
    /// The key's name does not exist; the key's type is [`NAME`].
    NxDomain,
    /// The key's question failed.
    Failure,
}

/// The type in the key of what is about a name as a whole. No record can have it (RFC 6895 §3.1).
pub(crate) const NAME: RrType = RrType(0);

/// How far data can be trusted, lowest first (RFC 2181 §5.4.1). Glue and additional data are below all of these: they
/// never become answers and live in [`crate::Delegation`] only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// From the answer section of a reply without AA: a forwarder's, or a sloppy server's.
    NonAuthoritative,
    /// From the answer section of an authoritative reply.
    Authoritative,
}

/// A cached answer.
pub(crate) struct Entry {
    blob: Box<[u8]>,
    stored: Micros,
    /// Seconds from `stored` that it may be used.
    life: u32,
    rtype: RrType,
    kind: Kind,
    rank: Rank,
    /// Octets of the key's name.
    name_len: u8,
    /// Whether names in the body point to other places of the body.
    compressed: bool,
    state: State,
    view: u16,
    scope: Option<Box<Scope>>,
}

impl Kept for Entry {
    fn octets(&self) -> usize {
        self.blob.len() + if self.scope.is_some() { size_of::<Scope>() } else { 0 }
    }

    fn expired(&self, now: Micros) -> bool {
        now.saturating_sub(self.stored) >= self.life as Micros * 1_000_000
    }
}

/// Whether an entry is for clients that set CD only.
fn unchecked(state: State, kind: Kind) -> bool {
    state == State::Unchecked || state == State::Bogus && kind != Kind::Failure
}

/// What goes into an entry besides its body.
pub(crate) struct Key<'k> {
    pub(crate) name: NameRef<'k>,
    pub(crate) rtype: RrType,
    pub(crate) kind: Kind,
    pub(crate) origin: Origin,
}

/// The part of an entry's body for one kind of client.
pub(crate) struct Body<'e> {
    pub(crate) bytes: &'e [u8],
    pub(crate) answer: u16,
    pub(crate) authority: u16,
    offsets: &'e [u8],
}

impl Body<'_> {
    /// Where the TTL fields are in `bytes`.
    #[inline]
    pub(crate) fn ttl_offsets(&self) -> impl Iterator<Item = usize> {
        self.offsets.as_chunks().0.iter().map(|pair| u16::from_be_bytes(*pair) as usize)
    }
}

impl Entry {
    /// Whether the entry is about *name* and *rtype*.
    pub(crate) fn is(&self, name: NameRef<'_>, rtype: RrType) -> bool {
        // Length octets are no letters, so names can be compared as text.
        self.rtype == rtype && self.name_wire().eq_ignore_ascii_case(name.wire())
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn rank(&self) -> Rank {
        self.rank
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    pub(crate) fn view(&self) -> u16 {
        self.view
    }

    pub(crate) fn scope(&self) -> Option<&Scope> {
        self.scope.as_deref()
    }

    /// Whether the entry is for clients that set CD only.
    pub(crate) fn is_unchecked(&self) -> bool {
        unchecked(self.state, self.kind)
    }

    /// Whether the entry is for other clients than what *key* describes.
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

    /// Seconds that the entry may still be used; 0 when it has expired.
    pub(crate) fn left_s(&self, now: Micros) -> u32 {
        self.life.saturating_sub(self.age_s(now))
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
            (all_answer, all_authority, self.blob.len())
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

    /// An entry that holds *plain* records, and *dnssec* records for those who ask for them, all in the answer section
    /// or all in the authority section. None when they are too many octets.
    pub(crate) fn from_rrsets(
        key: &Key<'_>,
        plain: &[&Rrset],
        dnssec: &[&Rrset],
        life: u32,
        now: Micros,
    ) -> Option<Entry> {
        let sets = || plain.iter().chain(dnssec);
        let compressed = sets().any(|set| has_compressible_names(set));
        let layout = if compressed { Layout::compressed(key, sets())? } else { Layout::plain(key, sets()) };
        let records = |sets: &[&Rrset]| sets.iter().map(|set| set.rdatas.len()).sum::<usize>();
        let (plain_count, all_count) = (records(plain), records(plain) + records(dnssec));
        let plain_len = layout.ends.get(plain_count.wrapping_sub(1)).map_or(0, |&end| end as usize);
        let counts = if key.kind == Kind::Rrset {
            [plain_count, 0, all_count, 0]
        } else {
            [0, plain_count, 0, all_count]
        };
        let entry = Entry::assemble(key, counts, plain_len, &layout.offsets, &layout.body, life, now)?;
        Some(Entry { compressed, ..entry })
    }

    /// An entry that holds a whole answer as a writer made it: *body* is what stands behind the question, *offsets* says
    /// where its TTL fields are.
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
        Entry::assemble(key, [answer, authority, answer, authority], body.len(), offsets, body, life, now)
    }

    /// An entry that holds *octets* which are no records.
    pub(crate) fn from_octets(key: &Key<'_>, octets: &[u8], life: u32, now: Micros) -> Option<Entry> {
        Entry::assemble(key, [0; 4], 0, &[], octets, life, now)
    }

    fn assemble(
        key: &Key<'_>,
        counts: [usize; 4],
        plain_len: usize,
        offsets: &[usize],
        body: &[u8],
        life: u32,
        now: Micros,
    ) -> Option<Entry> {
        if body.len() > LONGEST {
            return None;
        }
        let name = key.name.wire();
        let mut blob = Vec::with_capacity(HEAD + name.len() + 2 * offsets.len() + body.len());
        for number in counts.into_iter().chain([plain_len]).map(|number| number as u16) {
            blob.extend_from_slice(&number.to_be_bytes());
        }
        blob.extend_from_slice(name);
        for &offset in offsets {
            blob.extend_from_slice(&(offset as u16).to_be_bytes());
        }
        blob.extend_from_slice(body);
        Some(Entry {
            blob: blob.into_boxed_slice(),
            stored: now,
            life,
            rtype: key.rtype,
            kind: key.kind,
            rank: key.origin.rank,
            state: key.origin.state,
            view: key.origin.view,
            scope: key.origin.scope.map(Box::new),
            // A name has at most 255 octets.
            name_len: name.len() as u8,
            compressed: false,
        })
    }

    /// The records as RRsets with the TTL that is left at *now*, in the order in which they were stored. Empty for a
    /// chain.
    pub(crate) fn rrsets(&self, now: Micros, dnssec_ok: bool) -> Vec<Rrset> {
        if matches!(self.kind, Kind::Chain { .. } | Kind::Failure) {
            return Vec::new();
        }
        let age = self.age_s(now);
        let body = self.body(dnssec_ok).bytes;
        // The message that the pointers refer to.
        let start = QUESTION + self.name_len as usize + 4;
        let mut message = Vec::new();
        if self.compressed {
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
            let rdata = if self.compressed {
                expanded.clear();
                rr::expand(rtype, &message, start + at + owner.len() + 10, length, &mut expanded)
                    .expect("written by a writer");
                &expanded[..]
            } else {
                &fixed[10..end]
            };
            let full_owner =
                self.compressed.then(|| read_name(&message, start + at).expect("written by a writer").0);
            let same_owner = |set: &Rrset| match &full_owner {
                Some(name) => set.owner == name.as_ref(),
                None => owner == previous,
            };
            match sets.last_mut() {
                // RRSIGs of one owner that cover different types were stored as different sets, with their own TTLs.
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

    /// The octets of an entry made by [`Entry::from_octets`].
    pub(crate) fn octets(&self) -> &[u8] {
        &self.blob[HEAD + self.name_len as usize..]
    }

    /// The name that *owner*, labels and then perhaps a pointer into the key's name, stands for.
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

/// Whether a writer could compress a name in the rdata of *set*.
fn has_compressible_names(set: &Rrset) -> bool {
    set.rdatas.first().is_some_and(|rdata| rr::names(set.rtype, rdata).any(|name| name.compressible))
}

/// Records being put into a body.
struct Layout<'k> {
    key: NameRef<'k>,
    body: Vec<u8>,
    /// Where the TTL fields are.
    offsets: Vec<usize>,
    /// Where each record ends.
    ends: Vec<u16>,
}

impl<'k> Layout<'k> {
    /// *sets* without compression of anything but owners.
    fn plain<'s>(key: &Key<'k>, sets: impl Iterator<Item = &'s &'s Rrset>) -> Layout<'k> {
        let body = Vec::with_capacity(64);
        let mut layout = Layout { key: key.name, body, offsets: Vec::new(), ends: Vec::new() };
        sets.for_each(|rrset| layout.rrset(rrset));
        layout
    }

    /// *sets* as a writer compresses them. None when they are too many octets.
    fn compressed<'s>(
        key: &Key<'k>,
        sets: impl Iterator<Item = &'s &'s Rrset> + Clone,
    ) -> Option<Layout<'k>> {
        let start = QUESTION + key.name.wire().len() + 4;
        let most = |set: &&Rrset| {
            let owner = set.owner.as_ref().wire().len() + 10;
            set.rdatas.iter().map(|rdata| owner + rdata.len()).sum::<usize>()
        };
        let size = start + sets.clone().map(most).sum::<usize>();
        let mut buf = vec![0; size.min(start + LONGEST)];
        let limit = buf.len();
        let mut writer = Writer::new(&mut buf, limit, 0, Flags::default());
        writer.question(key.name, key.rtype, Class::IN).ok()?;
        let (mut offsets, mut ends) = (Vec::new(), Vec::new());
        for set in sets {
            for rdata in set.rdatas.iter() {
                let at = writer.len();
                writer
                    .record(Section::Answer, set.owner.as_ref(), set.rtype, set.class, set.ttl, rdata)
                    .ok()?;
                let (owner, _) = split_owner(&writer.written()[at..]);
                offsets.push(at + owner.len() + 4 - start);
                ends.push((writer.len() - start) as u16);
            }
        }
        let end = writer.len();
        Some(Layout { key: key.name, body: buf[start..end].to_vec(), offsets, ends })
    }

    fn rrset(&mut self, rrset: &Rrset) {
        for rdata in rrset.rdatas.iter() {
            self.owner(rrset.owner.as_ref());
            self.body.extend_from_slice(&rrset.rtype.0.to_be_bytes());
            self.body.extend_from_slice(&rrset.class.0.to_be_bytes());
            self.offsets.push(self.body.len());
            self.body.extend_from_slice(&rrset.ttl.to_be_bytes());
            // An RdataSet keeps each length in 16 bits, too.
            self.body.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
            self.body.extend_from_slice(rdata);
            // A body that is longer is refused.
            self.ends.push(self.body.len() as u16);
        }
    }

    /// Write an owner name: its own labels, then a pointer to what it shares with the key's name.
    fn owner(&mut self, owner: NameRef<'_>) {
        let mut rest = owner;
        while !rest.is_root() {
            if self.key.is_at_or_below(rest) {
                let start = QUESTION + self.key.wire().len() - rest.wire().len();
                self.body.extend_from_slice(&(0xc000 | start as u16).to_be_bytes());
                return;
            }
            let label = 1 + rest.wire()[0] as usize;
            self.body.extend_from_slice(&rest.wire()[..label]);
            rest = rest.parent().expect("not the root");
        }
        self.body.push(0);
    }
}

/// Split an owner name as [`Layout::owner`] writes it from what follows.
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
