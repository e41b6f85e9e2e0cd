//! The immutable zone: nodes in canonical order, each with its RRsets in the form of answers, and a hash index.
//!
//! ```text
//! segment  | node | node | node | ...          nodes follow each other in canonical order (RFC 4034 §6.1)
//! node     | head | owner | directory | bodies
//! directory| entry: type, kind, records, octets, pointers | entry | ...
//! body     | pointer offsets | records, compressed as if the owner were the question and they followed it
//! index    hash of the owner -> place of the node
//! ```
//!
//! A body is copied into the answer in one piece. Then `place.rs` moves its pointers if the owner is not the question
//! itself. Entries of the kinds [`EntryKind::Signatures`], [`EntryKind::Glue`] and [`EntryKind::Extra`] belong to the preceding
//! RRset, in the order in which an answer needs them.
//!
//! *Limitations*: 15 GiB of nodes.

use std::sync::Arc;

use nw_wire::{Class, Name, NameRef, RrType, Rrset, rr};

use crate::delta::{Delta, Referrers, View};
use crate::denial::Denial;
use crate::history::History;
use nw_wire::hash::{self, eq_folded};

use crate::suffix::LabelStarts;

/// The offset of the question name in a message, and in the layout that bodies are rendered for.
pub(crate) const QUESTION: usize = 12;
/// The octets before the owner in a node: size, flags, owner length, labels, entries.
pub(crate) const NODE_HEAD: usize = 10;
/// The octets of an entry of the directory.
pub(crate) const ENTRY: usize = 8;
/// The bits of a place that count units of four octets. The other bits are the segment.
pub(crate) const PLACE_BITS: u32 = 28;
/// Maximum octets of a segment.
pub(crate) const MOST_SEGMENT: usize = 4 << PLACE_BITS;
/// The segment number of nodes in a delta.
pub(crate) const DELTA_SEGMENT: u32 = (1 << (32 - PLACE_BITS)) - 1;
/// Maximum number of segments.
pub(crate) const MOST_SEGMENTS: usize = DELTA_SEGMENT as usize;

/// The properties of a node, apart from its types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct NodeFlags(pub(crate) u16);

impl NodeFlags {
    /// NS below the apex: another zone starts here.
    pub(crate) const CUT: NodeFlags = NodeFlags(1);
    /// Below a cut or a DNAME: only used as glue.
    pub(crate) const OCCLUDED: NodeFlags = NodeFlags(2);
    /// Has a DNAME.
    pub(crate) const DNAME: NodeFlags = NodeFlags(4);
    /// Has a CNAME.
    pub(crate) const CNAME: NodeFlags = NodeFlags(8);
    /// `*` exists directly below.
    pub(crate) const WILDCARD_BELOW: NodeFlags = NodeFlags(16);
    /// Begins with `*`.
    pub(crate) const WILDCARD: NodeFlags = NodeFlags(32);
    /// Contains only NSEC3 and its signatures: not a name of the zone (RFC 5155 §7.2.8).
    pub(crate) const HASHED: NodeFlags = NodeFlags(64);
    /// The apex.
    pub(crate) const APEX: NodeFlags = NodeFlags(128);

    #[inline]
    pub(crate) const fn has(self, other: NodeFlags) -> bool {
        self.0 & other.0 != 0
    }

    #[must_use]
    pub(crate) const fn with(self, other: NodeFlags) -> NodeFlags {
        NodeFlags(self.0 | other.0)
    }
}

/// The content of an entry of a node's directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum EntryKind {
    /// An RRset.
    Set = 0,
    /// The RRSIGs of the preceding RRset.
    Signatures = 1,
    /// Addresses of name servers below the cut itself, required to follow the referral (RFC 9471 §3).
    Glue = 2,
    /// Other addresses of the names in the preceding RRset.
    Extra = 3,
    /// The RRSIGs of the extra addresses.
    ExtraSignatures = 4,
    /// The SOA of negative answers, with the TTL of RFC 2308 §3, followed by its signatures.
    Negative = 5,
    /// RRSIGs that do not cover any RRset at this owner.
    Orphans = 6,
    /// Places in the chain of NSEC3 records. These are not records.
    Link = 7,
}

impl EntryKind {
    const ALL: [EntryKind; 8] = [
        EntryKind::Set,
        EntryKind::Signatures,
        EntryKind::Glue,
        EntryKind::Extra,
        EntryKind::ExtraSignatures,
        EntryKind::Negative,
        EntryKind::Orphans,
        EntryKind::Link,
    ];
}

/// The data of a zone: shared and immutable.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) apex: Name,
    pub(crate) apex_labels: usize,
    pub(crate) class: Class,
    pub(crate) serial: u32,
    pub(crate) segments: Box<[Box<[u8]>]>,
    pub(crate) index: Index,
    pub(crate) apex_place: u32,
    pub(crate) records: u64,
    pub(crate) denial: Denial,
    pub(crate) referrers: Referrers,
}

/// An immutable zone. Cloning increments a counter. Editing makes another zone ([`Zone::edit`]).
#[derive(Debug, Clone)]
pub struct Zone {
    pub(crate) store: Arc<Store>,
    /// The changes since the store was built.
    pub(crate) delta: Option<Arc<Delta>>,
    /// What IXFR may send.
    pub(crate) history: Option<Arc<History>>,
}

impl Zone {
    #[inline]
    pub(crate) fn view(&self) -> View<'_> {
        View { store: &self.store, delta: self.delta.as_deref() }
    }

    /// The name of the zone.
    pub fn apex(&self) -> NameRef<'_> {
        self.store.apex.as_ref()
    }

    /// The class of all records.
    pub fn class(&self) -> Class {
        self.store.class
    }

    /// The serial of its SOA (RFC 1035 §3.3.13).
    pub fn serial(&self) -> u32 {
        self.delta.as_ref().map_or(self.store.serial, |delta| delta.serial)
    }

    /// The number of records.
    pub fn len(&self) -> u64 {
        self.delta.as_ref().map_or(self.store.records, |delta| delta.records)
    }

    /// Whether the zone has no records. Never true for a loaded zone.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether its answers contain proofs: it has NSEC or NSEC3 records and signatures.
    pub fn is_signed(&self) -> bool {
        !matches!(self.store.denial, Denial::Unsigned)
    }

    /// The RRset at `owner`, or None. RRSIGs of all covered types form one RRset with the TTL of the first.
    pub fn rrset(&self, owner: NameRef<'_>, rtype: RrType) -> Option<Rrset> {
        self.view().find_name(owner)?.rrset(rtype, self.store.class)
    }

    /// Every owner with its RRsets, in canonical order. Empty non-terminals have none.
    pub fn nodes(&self) -> impl Iterator<Item = NodeView<'_>> {
        let class = self.store.class;
        self.view().walk().map(move |node| NodeView { node, class })
    }

    /// The owners behind `after` in canonical order; all owners if it is None. `after` need not be a name of the zone,
    /// but only a name that was there when the store was built is found without a walk from the start.
    pub fn nodes_after<'z>(&'z self, after: Option<NameRef<'_>>) -> impl Iterator<Item = NodeView<'z>> {
        let class = self.store.class;
        self.view().walk_after(after).map(move |node| NodeView { node, class })
    }

    /// The number of RRSIG records, and how many of them `older` has at the same owner.
    pub fn signatures(&self, older: &Zone) -> (u64, u64) {
        let (mut all, mut kept) = (0, 0);
        for node in self.nodes() {
            let Some(here) = node.rrset(RrType::RRSIG) else { continue };
            all += here.rdatas.len() as u64;
            if let Some(there) = older.rrset(node.owner(), RrType::RRSIG) {
                kept += here.rdatas.iter().filter(|rdata| there.rdatas.contains(rdata)).count() as u64;
            }
        }
        (all, kept)
    }

    /// Every RRset in canonical order of the owners. RRSIGs are split by covered type and follow that type.
    pub fn rrsets(&self) -> impl Iterator<Item = Rrset> {
        self.nodes().flat_map(|node| node.rrsets())
    }

    /// Octets of memory that the zone uses.
    pub fn octets(&self) -> usize {
        let segments: usize = self.store.segments.iter().map(|segment| segment.len()).sum();
        segments
            + self.store.index.slots.len() * 8
            + self.store.denial.octets()
            + self.store.referrers.octets()
            + self.delta.as_ref().map_or(0, |delta| delta.octets())
            + std::mem::size_of::<Store>()
    }
}

/// One owner of a zone.
#[derive(Debug, Clone, Copy)]
pub struct NodeView<'z> {
    node: Node<'z>,
    class: Class,
}

impl<'z> NodeView<'z> {
    /// The owner, in the spelling of its first record in the file.
    pub fn owner(&self) -> NameRef<'z> {
        self.node.owner()
    }

    /// The types at this owner.
    pub fn types(&self) -> Vec<RrType> {
        self.node.types()
    }

    /// The RRsets at this owner. RRSIGs are split by covered type.
    pub fn rrsets(self) -> impl Iterator<Item = Rrset> + use<'z> {
        self.node.rrsets(self.class)
    }

    /// The RRset of `rtype`, or None.
    pub fn rrset(&self, rtype: RrType) -> Option<Rrset> {
        self.node.rrset(rtype, self.class)
    }

    /// Whether a delegation starts here (RFC 1034 §4.2).
    pub fn is_cut(&self) -> bool {
        self.node.flags().has(NodeFlags::CUT)
    }

    /// Whether the owner is below a delegation or a DNAME, so that its records can only be glue.
    pub fn is_occluded(&self) -> bool {
        self.node.flags().has(NodeFlags::OCCLUDED)
    }
}

impl Store {
    /// The node at `place`.
    #[inline]
    pub(crate) fn node(&self, place: u32) -> Node<'_> {
        let segment = &self.segments[(place >> PLACE_BITS) as usize];
        Node { bytes: &segment[((place << (32 - PLACE_BITS)) >> (32 - PLACE_BITS)) as usize * 4..] }
    }

    /// The approximate number of nodes.
    pub(crate) fn nodes(&self) -> usize {
        self.index.slots.len() * 3 / 5
    }

    /// The hash of the suffix of `wire` with `labels` labels. `wire` is in the zone.
    pub(crate) fn hash(&self, wire: &[u8], starts: &LabelStarts, labels: usize) -> u64 {
        let key = hash::key();
        (self.apex_labels + 1..=labels).fold(key.start(), |hash, n| key.extend(hash, starts.label(wire, n)))
    }

    /// The hash of `wire`, or None if it is not in the zone.
    pub(crate) fn hash_in_zone(&self, wire: &[u8], starts: &LabelStarts) -> Option<u64> {
        let inside = starts.count() >= self.apex_labels
            && eq_folded(&wire[starts.suffix(self.apex_labels)..], self.apex.as_ref().wire());
        inside.then(|| self.hash(wire, starts, starts.count()))
    }

    /// The place of the name `wire`, whose hash is known.
    pub(crate) fn place_of(&self, hash: u64, wire: &[u8]) -> Option<u32> {
        self.index.candidates(hash).find(|&place| self.node(place).is(wire))
    }

    /// The node of the name `wire`, whose hash is known.
    #[inline]
    pub(crate) fn probe(&self, hash: u64, wire: &[u8]) -> Option<Node<'_>> {
        self.index.candidates(hash).map(|place| self.node(place)).find(|node| node.is(wire))
    }

    /// All nodes in canonical order.
    pub(crate) fn walk(&self) -> impl Iterator<Item = Node<'_>> {
        // The first four octets of a segment are unused, so that no node is at place 0.
        self.walk_behind(None)
    }

    /// All nodes behind the one at `place` in canonical order; all nodes if it is None.
    pub(crate) fn walk_behind(&self, at: Option<u32>) -> impl Iterator<Item = Node<'_>> {
        let next = at.map_or(0, |at| (at >> PLACE_BITS) as usize + 1);
        let here = at.into_iter().flat_map(|at| self.walk_from(at).skip(1));
        here.chain((next..self.segments.len()).flat_map(|segment| self.walk_from(place(segment, 4))))
    }

    /// The node at `place` and those after it in its segment, which include all nodes below its name.
    pub(crate) fn walk_from(&self, place: u32) -> impl Iterator<Item = Node<'_>> {
        let segment = &self.segments[(place >> PLACE_BITS) as usize];
        let mut at = ((place << (32 - PLACE_BITS)) >> (32 - PLACE_BITS)) as usize * 4;
        std::iter::from_fn(move || {
            let node = Node { bytes: segment.get(at..).filter(|rest| !rest.is_empty())? };
            at += node.size();
            Some(node)
        })
    }
}

/// The place of a node at `offset` octets in `segment`.
pub(crate) fn place(segment: usize, offset: usize) -> u32 {
    (segment as u32) << PLACE_BITS | (offset / 4) as u32
}

/// A name and its RRsets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node<'z> {
    /// Starts with the node. The octets after it belong to other nodes.
    bytes: &'z [u8],
}

impl<'z> Node<'z> {
    /// The node at the start of `bytes`.
    #[inline]
    pub(crate) fn new(bytes: &'z [u8]) -> Node<'z> {
        Node { bytes }
    }

    /// The octets of a node without records.
    pub(crate) fn empty(wire: &[u8]) -> Box<[u8]> {
        let mut octets = vec![0; NODE_HEAD];
        octets[..4].copy_from_slice(&((NODE_HEAD + wire.len()) as u32).to_le_bytes());
        octets[6] = wire.len() as u8;
        octets.extend_from_slice(wire);
        octets.into()
    }

    /// The number of records.
    pub(crate) fn records(&self) -> u64 {
        self.sets().map(|set| u64::from(set.count)).sum()
    }

    /// Its octets.
    #[inline]
    pub(crate) fn size(&self) -> usize {
        u32::from_le_bytes([self.bytes[0], self.bytes[1], self.bytes[2], self.bytes[3]]) as usize
    }

    #[inline]
    pub(crate) fn flags(&self) -> NodeFlags {
        NodeFlags(u16::from_le_bytes([self.bytes[4], self.bytes[5]]))
    }

    /// The owner in wire form.
    #[inline]
    pub(crate) fn wire(&self) -> &'z [u8] {
        &self.bytes[NODE_HEAD..NODE_HEAD + self.bytes[6] as usize]
    }

    pub(crate) fn owner(&self) -> NameRef<'z> {
        NameRef::from_wire(self.wire()).expect("owners were valid names when the zone was built")
    }

    /// Whether the owner is `wire`.
    #[inline]
    fn is(&self, wire: &[u8]) -> bool {
        eq_folded(self.wire(), wire)
    }

    /// The directory and its bodies.
    #[inline]
    pub(crate) fn entries(&self) -> Entries<'z> {
        let count = u16::from_le_bytes([self.bytes[8], self.bytes[9]]) as usize;
        let (directory, bodies) = self.bytes[NODE_HEAD + self.bytes[6] as usize..].split_at(count * ENTRY);
        Entries { directory, bodies, negative: false }
    }

    /// The RRset of `rtype` and the entries that belong to it.
    #[inline]
    pub(crate) fn find(&self, rtype: RrType) -> Option<(Entry<'z>, Entries<'z>)> {
        let Entries { mut directory, bodies, .. } = self.entries();
        let mut at = 0;
        // The bodies of other types are skipped without reading them.
        while let Some((entry, rest)) = directory.split_first_chunk::<ENTRY>() {
            let word = |at: usize| u16::from_le_bytes([entry[at], entry[at + 1]]);
            if word(0) == rtype.0 && word(2) >> 13 == EntryKind::Set as u16 {
                let mut entries = Entries { directory, bodies: &bodies[at..], negative: false };
                return Some((entries.next()?, entries));
            }
            at += 2 * word(6) as usize + word(4) as usize;
            directory = rest;
        }
        None
    }

    /// The numbers of the NSEC3 record of this name, and of the one that matches or covers the wildcard below it.
    pub(crate) fn links(&self) -> Option<(u32, u32)> {
        let link = self.entries().find(|entry| entry.kind == EntryKind::Link)?;
        let word = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|i| link.records[at + i]));
        Some((word(0), word(4)))
    }

    /// The RRset of `rtype`, uncompressed.
    pub(crate) fn rrset(&self, rtype: RrType, class: Class) -> Option<Rrset> {
        let mut rrsets = self.sets().filter(|entry| entry.data_type() == rtype);
        let mut rrset = self.read(&rrsets.next()?, class);
        for entry in rrsets {
            entry.each_rdata(self.wire(), rtype, |rdata| rrset.rdatas.push(rdata));
        }
        Some(rrset)
    }

    /// All RRsets, uncompressed. RRSIGs are split by covered type.
    pub(crate) fn rrsets(self, class: Class) -> impl Iterator<Item = Rrset> + use<'z> {
        self.sets().map(move |entry| self.read(&entry, class))
    }

    /// The types at this owner.
    pub(crate) fn types(&self) -> Vec<RrType> {
        let mut types: Vec<RrType> = self.sets().map(|entry| entry.data_type()).collect();
        types.sort();
        types.dedup();
        types
    }

    /// Whether both nodes have the same records in the same form.
    pub(crate) fn same_records(&self, other: &Node<'_>) -> bool {
        let (mut mine, mut theirs) = (self.sets(), other.sets());
        loop {
            match (mine.next(), theirs.next()) {
                (None, None) => return true,
                (Some(a), Some(b)) if a.kind == b.kind && a.rtype == b.rtype && a.records == b.records => {}
                _ => return false,
            }
        }
    }

    /// The entries with records of this owner, without those rendered only for answers.
    pub(crate) fn sets(&self) -> impl Iterator<Item = Entry<'z>> + use<'z> {
        self.entries().filter(|entry| match entry.kind {
            EntryKind::Set | EntryKind::Orphans => true,
            EntryKind::Signatures => !entry.negative,
            _ => false,
        })
    }

    fn read(&self, entry: &Entry<'z>, class: Class) -> Rrset {
        let mut rrset = Rrset::new(self.owner().to_name(), entry.data_type(), class, entry.ttl());
        entry.each_rdata(self.wire(), rrset.rtype, |rdata| rrset.rdatas.push(rdata));
        rrset
    }
}

/// The remaining entries of a node's directory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entries<'z> {
    directory: &'z [u8],
    bodies: &'z [u8],
    negative: bool,
}

impl<'z> Iterator for Entries<'z> {
    type Item = Entry<'z>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'z>> {
        let (entry, directory) = self.directory.split_first_chunk::<ENTRY>()?;
        let word = |at: usize| u16::from_le_bytes([entry[at], entry[at + 1]]);
        let (kind, octets, pointers) = (word(2), word(4) as usize, word(6) as usize);
        let (body, bodies) = self.bodies.split_at(2 * pointers + octets);
        let (pointers, records) = body.split_at(2 * pointers);
        self.directory = directory;
        self.bodies = bodies;
        let kind_of = EntryKind::ALL[(kind >> 13) as usize];
        match kind_of {
            EntryKind::Negative => self.negative = true,
            EntryKind::Signatures => {}
            _ => self.negative = false,
        }
        Some(Entry {
            rtype: RrType(word(0)),
            kind: kind_of,
            count: kind & 0x1fff,
            pointers,
            records,
            negative: self.negative,
        })
    }
}

impl<'z> Entries<'z> {
    /// The next entry, if it is of `kind`. Otherwise the iterator does not advance.
    #[inline]
    pub(crate) fn next_of(&mut self, kind: EntryKind) -> Option<Entry<'z>> {
        let mut ahead = *self;
        let entry = ahead.next().filter(|entry| entry.kind == kind)?;
        *self = ahead;
        Some(entry)
    }
}

/// Records that are copied together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'z> {
    pub(crate) rtype: RrType,
    pub(crate) kind: EntryKind,
    pub(crate) count: u16,
    /// The offsets of the compression pointers in the records, two octets each, least significant first.
    pub(crate) pointers: &'z [u8],
    pub(crate) records: &'z [u8],
    /// Whether these are the signatures of the SOA in its negative form.
    pub(crate) negative: bool,
}

impl Entry<'_> {
    /// The TTL of the first record.
    pub(crate) fn ttl(&self) -> u32 {
        u32::from_be_bytes([self.records[6], self.records[7], self.records[8], self.records[9]])
    }

    /// The type of the records.
    pub(crate) fn data_type(&self) -> RrType {
        match self.kind {
            EntryKind::Signatures | EntryKind::ExtraSignatures | EntryKind::Orphans => RrType::RRSIG,
            _ => self.rtype,
        }
    }

    /// Yield the rdata of each record, uncompressed. `owner` is the owner that the body was rendered for.
    pub(crate) fn each_rdata(&self, owner: &[u8], rtype: RrType, mut yields: impl FnMut(&[u8])) {
        // Rebuild the layout: a message whose question is the owner.
        let mut message = vec![0; QUESTION];
        message.extend_from_slice(owner);
        message.extend_from_slice(&[0; 4]);
        let mut at = message.len();
        message.extend_from_slice(self.records);
        let mut rdata = Vec::new();
        while at < message.len() {
            let length = u16::from_be_bytes([message[at + 10], message[at + 11]]) as usize;
            rdata.clear();
            rr::expand(rtype, &message, at + 12, length, &mut rdata).expect("bodies hold valid records");
            yields(&rdata);
            at += 12 + length;
        }
    }
}

/// Maps the hash of an owner to the place of its node. Uses open addressing, with a tag of 32 bits next to each
/// place.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pub(crate) slots: Box<[u64]>,
}

impl Index {
    /// The number of slots for `entries` entries, so that a lookup stays within one or two cache lines.
    pub(crate) fn size_for(entries: usize) -> usize {
        entries * 5 / 3 + 2
    }

    /// The slot where the search for `hash` starts.
    #[inline]
    pub(crate) fn first(hash: u64, slots: usize) -> usize {
        ((hash as u128 * slots as u128) >> 64) as usize
    }

    /// The slot that maps `hash` to `value` (not 0).
    #[inline]
    pub(crate) fn slot(hash: u64, value: u32) -> u64 {
        // The upper bits select the slot; the lower bits distinguish entries in neighbouring slots.
        hash << 32 | value as u64
    }

    /// The values stored under `hash`. May rarely include other values.
    #[inline]
    pub(crate) fn candidates(&self, hash: u64) -> impl Iterator<Item = u32> {
        let slots = &self.slots;
        let mut at = Index::first(hash, slots.len());
        std::iter::from_fn(move || {
            loop {
                let slot = slots[at];
                if slot == 0 {
                    return None;
                }
                at = if at + 1 == slots.len() { 0 } else { at + 1 };
                if (slot >> 32) as u32 == hash as u32 {
                    return Some(slot as u32);
                }
            }
        })
    }

    /// Store `value` (not 0) under `hash`. There must be a free slot.
    pub(crate) fn insert(slots: &mut [u64], hash: u64, value: u32) {
        let mut at = Index::first(hash, slots.len());
        while slots[at] != 0 {
            at = if at + 1 == slots.len() { 0 } else { at + 1 };
        }
        slots[at] = Index::slot(hash, value);
    }
}
