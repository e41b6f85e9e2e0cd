//! The set of zones that a server answers for.
//!
//! ```text
//! Zones ── find(name) ──▶ ZoneEntry::Loaded(Zone)          answered from its data
//!                         ZoneEntry::Unavailable(cause)    configured, but without usable data: SERVFAIL
//!                         None                             not configured
//! ```
//!
//! A set is immutable: [`Zones::with`] and [`Zones::without`] return another one. It is a tree over the bits of the
//! hash of the apex, with 64 children in each branch and up to eight zones in each leaf. Two versions share all but
//! one path. A change therefore costs the same for ten zones and for a million.
//!
//! RFCs: 1034 §4.3.2 step 2 (closest zone), 4035 §3.1.4.1 (DS is the parent's), 8914 (the extended error of a zone without
//! data).

use std::fmt;
use std::sync::Arc;

use nw_wire::hash::{self, eq_folded};
use nw_wire::{Ede, Name, NameRef, RrType};

use crate::store::Zone;
use crate::suffix::LabelStarts;

#[cfg(test)]
mod tests;

/// Bits of the hash that select a child of one branch.
const BITS: u32 = 6;
/// Depth at which all 64 bits are used. Below it, only the names distinguish zones.
const MAX_DEPTH: u32 = 64u32.div_ceil(BITS);
/// Maximum number of zones in a leaf. Above it, the leaf becomes a branch.
const MAX_LEAF: usize = 8;
/// One more than the maximum number of labels in a name.
const DEPTHS: usize = 128;

/// A configured zone: its data, or the reason why it has none.
#[derive(Clone, Debug)]
pub enum ZoneEntry {
    /// Answer from this data.
    Loaded(Zone),
    /// Answer SERVFAIL. The server is authoritative for the name, so neither REFUSED nor recursion would be correct.
    Unavailable(Arc<Unavailable>),
}

/// A zone without usable data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unavailable {
    /// Its apex.
    pub apex: Name,
    /// The reason why there is no data.
    pub cause: Cause,
    /// The problem, for the text of the extended error. May be empty. Clients see it: it must not contain paths or
    /// secrets.
    pub detail: String,
}

/// The reason why a zone has no usable data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The data has not arrived yet.
    Waiting,
    /// The source was read and is not a valid zone.
    Failed,
    /// The data was not confirmed within the SOA's EXPIRE (RFC 1035 §3.3.13).
    Expired,
}

impl Cause {
    /// The extended error for the client (RFC 8914 §4.15 and §4.25).
    pub fn ede(self) -> Ede {
        match self {
            Cause::Waiting => Ede::NOT_READY,
            Cause::Failed | Cause::Expired => Ede::INVALID_DATA,
        }
    }
}

impl ZoneEntry {
    /// A zone without usable data.
    pub fn unavailable(apex: NameRef<'_>, cause: Cause, detail: impl Into<String>) -> ZoneEntry {
        let detail = detail.into();
        ZoneEntry::Unavailable(Arc::new(Unavailable { apex: apex.to_name(), cause, detail }))
    }

    /// The name of the zone.
    #[inline]
    pub fn apex(&self) -> NameRef<'_> {
        match self {
            ZoneEntry::Loaded(zone) => zone.apex(),
            ZoneEntry::Unavailable(unavailable) => unavailable.apex.as_ref(),
        }
    }

    /// The data, if any.
    #[inline]
    pub fn zone(&self) -> Option<&Zone> {
        match self {
            ZoneEntry::Loaded(zone) => Some(zone),
            ZoneEntry::Unavailable(_) => None,
        }
    }
}

impl From<Zone> for ZoneEntry {
    fn from(zone: Zone) -> ZoneEntry {
        ZoneEntry::Loaded(zone)
    }
}

/// An immutable set of zones, found by the longest match of their names.
#[derive(Clone, Default)]
pub struct Zones {
    root: Option<Node>,
    len: usize,
    /// Bit n: some apex has n labels (0 to 127).
    depths: u128,
    /// The number of apexes with n labels. None for an empty set.
    depth_counts: Option<Arc<[u32; DEPTHS]>>,
    /// The zone if there is only one, which makes a search unnecessary.
    only: Option<ZoneEntry>,
}

#[derive(Clone)]
enum Node {
    Branch(Arc<Branch>),
    Leaf(Arc<Vec<Slot>>),
}

/// The children, selected by the next bits of the hash.
#[derive(Clone, Default)]
struct Branch {
    /// Bit n: there is a child for the bits n.
    present: u64,
    /// The children in the order of their bits.
    children: Vec<Node>,
}

#[derive(Clone)]
struct Slot {
    hash: u64,
    entry: ZoneEntry,
}

impl Slot {
    #[inline]
    fn is(&self, hash: u64, wire: &[u8]) -> bool {
        self.hash == hash && eq_folded(self.entry.apex().wire(), wire)
    }
}

impl Branch {
    /// The position of the child for `bits`, or its insertion position.
    #[inline]
    fn position(&self, bits: u32) -> Result<usize, usize> {
        let at = (self.present & ((1 << bits) - 1)).count_ones() as usize;
        if self.present >> bits & 1 == 1 { Ok(at) } else { Err(at) }
    }
}

/// The bits of `hash` that select a child at `depth`, below [`MAX_DEPTH`].
#[inline]
fn bits(hash: u64, depth: u32) -> u32 {
    ((hash << (BITS * depth)) >> (64 - BITS)) as u32
}

impl Node {
    /// Put `slot` into the tree below this node, replacing one with the same apex. Returns whether there was none.
    fn insert(&mut self, slot: Slot, depth: u32) -> bool {
        match self {
            Node::Branch(branch) => {
                let branch = Arc::make_mut(branch);
                let bits = bits(slot.hash, depth);
                match branch.position(bits) {
                    Ok(at) => branch.children[at].insert(slot, depth + 1),
                    Err(at) => {
                        branch.present |= 1 << bits;
                        branch.children.insert(at, Node::Leaf(Arc::new(vec![slot])));
                        true
                    }
                }
            }
            Node::Leaf(leaf) => {
                let slots = Arc::make_mut(leaf);
                let wire = slot.entry.apex().wire();
                if let Some(same) = slots.iter().position(|other| other.is(slot.hash, wire)) {
                    slots[same] = slot;
                    return false;
                }
                slots.push(slot);
                if slots.len() > MAX_LEAF && depth < MAX_DEPTH {
                    let mut branch = Node::Branch(Arc::default());
                    for slot in std::mem::take(slots) {
                        branch.insert(slot, depth);
                    }
                    *self = branch;
                }
                true
            }
        }
    }

    /// Remove the zone `wire` from the tree below this node, which contains it. Returns whether the tree is now
    /// empty.
    fn remove(&mut self, hash: u64, wire: &[u8], depth: u32) -> bool {
        match self {
            Node::Branch(branch) => {
                let branch = Arc::make_mut(branch);
                let bits = bits(hash, depth);
                if let Ok(at) = branch.position(bits)
                    && branch.children[at].remove(hash, wire, depth + 1)
                {
                    branch.present &= !(1 << bits);
                    branch.children.remove(at);
                }
                branch.children.is_empty()
            }
            Node::Leaf(leaf) => {
                let slots = Arc::make_mut(leaf);
                slots.retain(|slot| !slot.is(hash, wire));
                slots.is_empty()
            }
        }
    }

    fn collect<'n>(&'n self, found: &mut Vec<&'n ZoneEntry>) {
        match self {
            Node::Branch(branch) => branch.children.iter().for_each(|child| child.collect(found)),
            Node::Leaf(leaf) => found.extend(leaf.iter().map(|slot| &slot.entry)),
        }
    }
}

impl Zones {
    /// The empty set.
    pub fn new() -> Zones {
        Zones::default()
    }

    /// The number of zones.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All zones, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &ZoneEntry> {
        let mut found = Vec::with_capacity(self.len);
        if let Some(root) = &self.root {
            root.collect(&mut found);
        }
        found.into_iter()
    }

    /// The zone with exactly this apex.
    pub fn get(&self, apex: NameRef<'_>) -> Option<&ZoneEntry> {
        self.at(hash(apex), apex.wire())
    }

    /// The zone whose apex is `name` or its closest ancestor (RFC 1034 §4.3.2 step 2).
    #[inline]
    pub fn closest(&self, name: NameRef<'_>) -> Option<&ZoneEntry> {
        if self.len == 0 {
            return None;
        }
        if let Some(entry) = &self.only {
            return name.is_at_or_below(entry.apex()).then_some(entry);
        }
        let wire = name.wire();
        let starts = LabelStarts::of(wire);
        let key = hash::key();
        // A name has at most 127 labels.
        let mut depths = self.depths & (u128::MAX >> (127 - starts.count()));
        // The apexes of a set have few different depths. Hashing each suffix separately is less work than storing all
        // hashes.
        while depths != 0 {
            let depth = 127 - depths.leading_zeros() as usize;
            let hash = (1..=depth).fold(key.start(), |hash, n| key.extend(hash, starts.label(wire, n)));
            if let Some(entry) = self.at(hash, &wire[starts.suffix(depth)..]) {
                return Some(entry);
            }
            depths &= !(1 << depth);
        }
        None
    }

    /// The zone that answers a query for `qname` and `qtype`: the closest one. For DS at an apex, it is the parent
    /// zone if the set contains it (RFC 4035 §3.1.4.1).
    #[inline]
    pub fn find(&self, qname: NameRef<'_>, qtype: RrType) -> Option<&ZoneEntry> {
        let closest = self.closest(qname)?;
        if qtype == RrType::DS && closest.apex().wire().len() == qname.wire().len() {
            let above = qname.parent().and_then(|parent| self.closest(parent));
            return above.or(Some(closest));
        }
        Some(closest)
    }

    /// The set with `entry`, which replaces one with the same apex.
    #[must_use]
    pub fn with(&self, entry: impl Into<ZoneEntry>) -> Zones {
        let mut zones = self.clone();
        zones.insert(entry.into());
        zones
    }

    /// The set without the zone `apex`.
    #[must_use]
    pub fn without(&self, apex: NameRef<'_>) -> Zones {
        let mut zones = self.clone();
        zones.remove(apex);
        zones
    }

    /// The set after `changes`. Each change is an apex and its new entry, or None to remove it.
    #[must_use]
    pub fn changed(&self, changes: impl IntoIterator<Item = (Name, Option<ZoneEntry>)>) -> Zones {
        let mut zones = self.clone();
        for (apex, entry) in changes {
            match entry {
                Some(entry) => zones.insert(entry),
                None => zones.remove(apex.as_ref()),
            }
        }
        zones
    }

    /// Copies only the nodes on one path that another set shares.
    fn insert(&mut self, entry: ZoneEntry) {
        let (hash, labels) = (hash(entry.apex()), entry.apex().label_count());
        let root = self.root.get_or_insert_with(|| Node::Leaf(Arc::default()));
        if root.insert(Slot { hash, entry }, 0) {
            self.len += 1;
            self.count(labels, |count| *count += 1);
        }
        self.set_only();
    }

    fn remove(&mut self, apex: NameRef<'_>) {
        let hash = hash(apex);
        if self.at(hash, apex.wire()).is_none() {
            return;
        }
        if let Some(root) = &mut self.root
            && root.remove(hash, apex.wire(), 0)
        {
            self.root = None;
        }
        self.len -= 1;
        self.count(apex.label_count(), |count| *count -= 1);
        self.set_only();
    }

    fn count(&mut self, labels: usize, change: impl FnOnce(&mut u32)) {
        let counts = self.depth_counts.get_or_insert_with(|| Arc::new([0; DEPTHS]));
        let count = &mut Arc::make_mut(counts)[labels];
        change(count);
        let bit = 1 << labels;
        self.depths = if *count > 0 { self.depths | bit } else { self.depths & !bit };
    }

    fn set_only(&mut self) {
        self.only = if self.len == 1 { self.iter().next().cloned() } else { None };
    }

    #[inline]
    fn at(&self, hash: u64, wire: &[u8]) -> Option<&ZoneEntry> {
        let mut node = self.root.as_ref()?;
        let mut depth = 0;
        loop {
            match node {
                Node::Branch(branch) => node = &branch.children[branch.position(bits(hash, depth)).ok()?],
                Node::Leaf(leaf) => {
                    return leaf.iter().find(|slot| slot.is(hash, wire)).map(|slot| &slot.entry);
                }
            }
            depth += 1;
        }
    }
}

fn hash(name: NameRef<'_>) -> u64 {
    let (starts, key) = (LabelStarts::of(name.wire()), hash::key());
    (1..=starts.count()).fold(key.start(), |hash, n| key.extend(hash, starts.label(name.wire(), n)))
}

impl<E: Into<ZoneEntry>> FromIterator<E> for Zones {
    fn from_iter<I: IntoIterator<Item = E>>(entries: I) -> Zones {
        let mut zones = Zones::new();
        entries.into_iter().for_each(|entry| zones.insert(entry.into()));
        zones
    }
}

impl fmt::Debug for Zones {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(ZoneEntry::apex)).finish()
    }
}
