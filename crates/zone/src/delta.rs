//! The changes since a store was built: the nodes that differ, next to the store that all versions share.
//!
//! ```text
//! View = Store (immutable, one per fold)  +  Delta (one per version: the changed nodes, found by hash or in order)
//! ```
//!
//! A lookup searches the delta first. A changed node replaces the one in the store, or marks its name as removed. A
//! zone without a delta costs one test. A commit copies the references to the changed nodes, which are few
//! ([`most_changed`]), and renders the touched ones (`patch.rs`). [`Zone::fold`](crate::Zone::fold) merges both into
//! a new store.
//!
//! The chain of NSEC or NSEC3 records is merged in the same way: `members` are the changed nodes in the chain,
//! `hidden` the records of the store's chain that are no longer valid.

use std::cmp::Ordering;
use std::sync::Arc;

use nw_dnssec::{Nsec3, Nsec3Hash};
use nw_wire::hash::eq_folded;
use nw_wire::{NameRef, RrType};

use crate::denial::{Denial, NO_LINK, Nsec3Chain, NsecChain};
use crate::store::{DELTA_SEGMENT, EntryKind, Index, Node, NodeFlags, PLACE_BITS, Store};
use crate::suffix::LabelStarts;

/// Maximum number of nodes in a delta for a store of `nodes` nodes. Above it, a commit builds a store.
///
/// Unit: nodes. It bounds the work of a commit and the memory of the delta if clients send many updates.
pub(crate) fn most_changed(nodes: usize) -> usize {
    (nodes / 4).clamp(16, 4096)
}

/// A node that differs from the store.
#[derive(Debug)]
pub(crate) struct Changed {
    /// The node as in a segment. It has no entries if the name was removed.
    octets: Box<[u8]>,
    pub(crate) hash: u64,
    pub(crate) exists: bool,
    /// The number of the name's record in the store's chain, or [`NO_LINK`].
    pub(crate) hides: u32,
    pub(crate) member: Member,
    /// Hashes of the names whose addresses its answers contain.
    pub(crate) targets: Box<[u32]>,
}

/// Whether a node is part of the zone's chain of proofs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Member {
    /// The node is not part of the chain.
    No,
    /// Part of the chain by its NSEC record.
    Nsec,
    /// Part of the chain by its NSEC3 record, with this hash.
    Nsec3(Nsec3Hash),
}

impl Member {
    /// The membership of `node` in the chain of `store`.
    pub(crate) fn of(store: &Store, node: &Node<'_>) -> Member {
        match &store.denial {
            Denial::Unsigned => Member::No,
            Denial::Nsec(_) => {
                let counts = !node.flags().has(NodeFlags::OCCLUDED) && node.find(RrType::NSEC).is_some();
                if counts { Member::Nsec } else { Member::No }
            }
            Denial::Nsec3(chain) => {
                let Some((set, _)) = node.find(RrType::NSEC3) else { return Member::No };
                let mut member = Member::No;
                set.each_rdata(node.wire(), RrType::NSEC3, |rdata| {
                    let parameters = &chain.parameters;
                    let parsed = Nsec3::parse(node.owner(), store.apex.as_ref(), rdata).filter(|its| {
                        (its.param.iterations, its.param.salt) == (parameters.iterations, &*parameters.salt)
                    });
                    if let (Some(nsec3), Member::No) = (parsed, member) {
                        member = Member::Nsec3(nsec3.owner);
                    }
                });
                member
            }
        }
    }
}

impl Changed {
    /// The node in `octets`, which is now in the zone.
    pub(crate) fn present(
        octets: Box<[u8]>,
        hash: u64,
        hides: u32,
        targets: Box<[u32]>,
        store: &Store,
    ) -> Changed {
        let mut changed = Changed { octets, hash, exists: true, hides, member: Member::No, targets };
        changed.member = Member::of(store, &changed.node());
        changed
    }

    /// The name `wire`, which is no longer in the zone.
    pub(crate) fn gone(wire: &[u8], hash: u64, hides: u32) -> Changed {
        let octets = Node::empty(wire);
        Changed { octets, hash, exists: false, hides, member: Member::No, targets: Box::default() }
    }

    #[inline]
    pub(crate) fn node(&self) -> Node<'_> {
        Node::new(&self.octets)
    }

    fn octets(&self) -> usize {
        size_of::<Changed>() + 16 + self.octets.len() + self.targets.len() * 4
    }
}

/// The nodes that differ from the store.
#[derive(Debug)]
pub(crate) struct Delta {
    pub(crate) serial: u32,
    pub(crate) records: u64,
    /// In canonical order.
    pub(crate) changed: Box<[Arc<Changed>]>,
    /// Hash to number plus one.
    index: Index,
    /// The numbers of the nodes in the chain, in the order of the chain.
    members: Box<[u32]>,
    /// The numbers of the invalid records of the store's chain, ascending.
    hidden: Box<[u32]>,
}

impl Delta {
    /// The delta of `changed`, which is in canonical order.
    pub(crate) fn new(serial: u32, records: u64, changed: Vec<Arc<Changed>>) -> Delta {
        let mut slots = vec![0; Index::size_for(changed.len())];
        let (mut members, mut hidden) = (Vec::new(), Vec::new());
        for (number, node) in changed.iter().enumerate() {
            Index::insert(&mut slots, node.hash, number as u32 + 1);
            if node.member != Member::No {
                members.push(number as u32);
            }
            if node.hides != NO_LINK {
                hidden.push(node.hides);
            }
        }
        if let Some(Member::Nsec3(_)) = members.first().map(|&first| changed[first as usize].member) {
            members.sort_by_key(|&number| changed[number as usize].member.hash());
        }
        hidden.sort_unstable();
        let index = Index { slots: slots.into_boxed_slice() };
        Delta {
            serial,
            records,
            changed: changed.into(),
            index,
            members: members.into(),
            hidden: hidden.into(),
        }
    }

    /// The changed node with the name `wire`, whose hash is known.
    #[inline]
    fn find(&self, hash: u64, wire: &[u8]) -> Option<&Arc<Changed>> {
        self.index
            .candidates(hash)
            .map(|number| &self.changed[number as usize - 1])
            .find(|changed| eq_folded(changed.node().wire(), wire))
    }

    /// Octets in memory, including those shared with other versions.
    pub(crate) fn octets(&self) -> usize {
        let nodes: usize = self.changed.iter().map(|changed| changed.octets() + 8).sum();
        nodes + self.index.slots.len() * 8 + (self.members.len() + self.hidden.len()) * 4 + size_of::<Delta>()
    }
}

impl Member {
    fn hash(&self) -> Nsec3Hash {
        match self {
            Member::Nsec3(hash) => *hash,
            _ => Nsec3Hash::default(),
        }
    }
}

/// One version of a zone: the store and the changes since it was built.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'z> {
    pub(crate) store: &'z Store,
    pub(crate) delta: Option<&'z Delta>,
}

impl<'z> View<'z> {
    /// The node at the apex.
    #[inline]
    pub(crate) fn apex_node(self) -> Node<'z> {
        match self.delta.and_then(|delta| delta.changed.first()) {
            // Every commit changes the SOA, and the apex is the first name.
            Some(first) if first.node().flags().has(NodeFlags::APEX) => first.node(),
            _ => self.store.node(self.store.apex_place),
        }
    }

    /// The node of the name `wire`, whose hash is known.
    #[inline]
    pub(crate) fn probe(self, hash: u64, wire: &[u8]) -> Option<Node<'z>> {
        if let Some(delta) = self.delta
            && let Some(changed) = delta.find(hash, wire)
        {
            return changed.exists.then(|| changed.node());
        }
        self.store.probe(hash, wire)
    }

    /// The node of the suffix of `wire` with `labels` labels. `wire` is in the zone.
    pub(crate) fn find(self, wire: &[u8], starts: &LabelStarts, labels: usize) -> Option<Node<'z>> {
        self.probe(self.store.hash(wire, starts, labels), &wire[starts.suffix(labels)..])
    }

    /// The node of `name`, or None if the zone does not contain the name.
    pub(crate) fn find_name(self, name: NameRef<'_>) -> Option<Node<'z>> {
        let starts = LabelStarts::of(name.wire());
        if !name.is_at_or_below(self.store.apex.as_ref()) {
            return None;
        }
        self.find(name.wire(), &starts, starts.count())
    }

    /// The node at `place`, which a chain or [`View::matching`] returned.
    #[inline]
    pub(crate) fn node(self, place: u32) -> Node<'z> {
        match self.delta {
            Some(delta) if place >> PLACE_BITS == DELTA_SEGMENT => {
                delta.changed[(place & ((1 << PLACE_BITS) - 1)) as usize].node()
            }
            _ => self.store.node(place),
        }
    }

    /// All nodes in canonical order.
    pub(crate) fn walk(self) -> impl Iterator<Item = Node<'z>> {
        merged(self.store.walk(), self.delta.map_or(&[], |delta| &delta.changed))
    }

    /// All nodes behind `after` in canonical order, or all nodes of the zone. `after` need not be a name of the zone.
    pub(crate) fn walk_after(self, after: Option<NameRef<'_>>) -> impl Iterator<Item = Node<'z>> {
        let changed = self.changed();
        let first =
            after.map_or(0, |after| changed.partition_point(|changed| changed.node().owner() <= after));
        let place = after.and_then(|after| {
            let starts = LabelStarts::of(after.wire());
            let hash = self.store.hash_in_zone(after.wire(), &starts)?;
            self.store.place_of(hash, after.wire())
        });
        let missing = after.filter(|_| place.is_none()).map(NameRef::to_buf);
        let stored = self
            .store
            .walk_behind(place)
            .skip_while(move |node| missing.as_ref().is_some_and(|missing| node.owner() <= missing.as_ref()));
        merged(stored, &changed[first..])
    }

    /// The nodes below `name`, which is not the apex, in canonical order.
    pub(crate) fn below(self, name: NameRef<'_>) -> impl Iterator<Item = Node<'z>> {
        let starts = LabelStarts::of(name.wire());
        let hash = self.store.hash(name.wire(), &starts, starts.count());
        // If the store does not have a name, it has no names below it either.
        let place = self.store.place_of(hash, name.wire());
        let stored = place.into_iter().flat_map(|place| self.store.walk_from(place).skip(1));
        let changed = self.delta.map_or(&[][..], |delta| &delta.changed);
        let first = changed.partition_point(|changed| changed.node().owner() <= name);
        let name = name.to_buf();
        merged(stored, &changed[first..]).take_while(move |node| node.owner().is_below(name.as_ref()))
    }

    /// The changed nodes; none without a delta.
    pub(crate) fn changed(self) -> &'z [Arc<Changed>] {
        self.delta.map_or(&[], |delta| &delta.changed)
    }

    /// The changed node of `name`, even if the name no longer exists.
    pub(crate) fn changed_at(self, name: NameRef<'_>) -> Option<&'z Arc<Changed>> {
        let starts = LabelStarts::of(name.wire());
        self.delta?.find(self.store.hash(name.wire(), &starts, starts.count()), name.wire())
    }

    /// Whether the records of the chain differ from those of the store.
    pub(crate) fn chain_changed(self) -> bool {
        self.delta.is_some_and(|delta| !delta.members.is_empty() || !delta.hidden.is_empty())
    }

    /// Whether the chain is empty.
    pub(crate) fn chain_is_empty(self) -> bool {
        let stored = match &self.store.denial {
            Denial::Unsigned => 0,
            Denial::Nsec(chain) => chain.places.len(),
            Denial::Nsec3(chain) => chain.places.len(),
        };
        self.delta.map_or(stored, |delta| stored - delta.hidden.len() + delta.members.len()) == 0
    }

    /// The place of the NSEC record of `name` (Ok), or of the one before it in the ring (Err).
    pub(crate) fn locate_nsec(
        self,
        delta: &Delta,
        chain: &NsecChain,
        name: NameRef<'_>,
    ) -> Option<Result<u32, u32>> {
        let before = match chain.search(self.store, name) {
            Ok(at) => at + 1,
            Err(at) => at,
        };
        let owner = |number: &u32| delta.changed[*number as usize].node().owner();
        let members_before = delta.members.partition_point(|number| owner(number) <= name);
        let order = |at: usize, member: u32| self.store.node(chain.places[at]).owner().cmp(&owner(&member));
        let place = delta.last(before, members_before, &chain.places, order)?;
        Some(if self.node(place).owner() == name { Ok(place) } else { Err(place) })
    }

    /// The place of the NSEC record before that of `name` in the ring, whether or not `name` has one.
    pub(crate) fn before_name(self, chain: &NsecChain, name: NameRef<'_>) -> Option<u32> {
        let (Ok(before) | Err(before)) = chain.search(self.store, name);
        let Some(delta) = self.delta.filter(|_| self.chain_changed()) else {
            let last = chain.places.len().checked_sub(1)?;
            return Some(chain.places[before.checked_sub(1).unwrap_or(last)]);
        };
        let owner = |number: &u32| delta.changed[*number as usize].node().owner();
        let members_before = delta.members.partition_point(|number| owner(number) < name);
        let order = |at: usize, member: u32| self.store.node(chain.places[at]).owner().cmp(&owner(&member));
        delta.last(before, members_before, &chain.places, order)
    }

    /// The place of the NSEC3 record with `hash` (Ok), or of the one before it in the ring (Err).
    pub(crate) fn locate_nsec3(
        self,
        delta: &Delta,
        chain: &Nsec3Chain,
        hash: &Nsec3Hash,
    ) -> Option<Result<u32, u32>> {
        let before = chain.hashes.partition_point(|other| other <= hash);
        let member_hash = |number: u32| delta.changed[number as usize].member.hash();
        let members_before = delta.members.partition_point(|&number| member_hash(number) <= *hash);
        let order = |at: usize, member: u32| chain.hashes[at].cmp(&member_hash(member));
        let place = delta.last(before, members_before, &chain.places, order)?;
        let matches = match place >> PLACE_BITS {
            DELTA_SEGMENT => member_hash(place & ((1 << PLACE_BITS) - 1)) == *hash,
            _ => before > 0 && chain.places[before - 1] == place && chain.hashes[before - 1] == *hash,
        };
        Some(if matches { Ok(place) } else { Err(place) })
    }
}

impl Delta {
    /// The last of the first `before` records of the store's chain and of the first `members_before` members. If
    /// there is none, the last of all, because the chain is a ring. `order` compares a record of the store's chain
    /// with a member.
    fn last(
        &self,
        before: usize,
        members_before: usize,
        places: &[u32],
        order: impl Fn(usize, u32) -> Ordering,
    ) -> Option<u32> {
        let counted = |mut before: usize| {
            while before > 0 && self.hidden.binary_search(&(before as u32 - 1)).is_ok() {
                before -= 1;
            }
            before.checked_sub(1)
        };
        let pick = |before: usize, members_before: usize| {
            let member = members_before.checked_sub(1).map(|at| self.members[at]);
            match (counted(before), member) {
                (Some(at), Some(member)) if order(at, member).is_gt() => Some(places[at]),
                (_, Some(member)) => Some(DELTA_SEGMENT << PLACE_BITS | member),
                (Some(at), None) => Some(places[at]),
                (None, None) => None,
            }
        };
        pick(before, members_before).or_else(|| pick(places.len(), self.members.len()))
    }
}

/// Nodes of a store and changed nodes in one order. A changed node replaces the node in the store.
fn merged<'z>(
    stored: impl Iterator<Item = Node<'z>>,
    changed: &'z [Arc<Changed>],
) -> impl Iterator<Item = Node<'z>> {
    let (mut stored, mut changed) = (stored.peekable(), changed.iter().peekable());
    std::iter::from_fn(move || {
        loop {
            let order = match (stored.peek(), changed.peek()) {
                (_, None) => return stored.next(),
                (None, Some(_)) => Ordering::Greater,
                (Some(node), Some(changed)) => node.owner().cmp(&changed.node().owner()),
            };
            if order.is_lt() {
                return stored.next();
            }
            if order.is_eq() {
                stored.next();
            }
            if let Some(next) = changed.next().filter(|next| next.exists) {
                return Some(next.node());
            }
        }
    })
}

/// The nodes whose answers contain addresses of a name, indexed by the hash of that name.
///
/// Does not include names at or below the delegation that they serve, because the referrer is an ancestor of these. A
/// bucket may also contain nodes that refer to other names.
#[derive(Debug, Default)]
pub(crate) struct Referrers {
    /// The start of each bucket, and the end of the last one.
    starts: Box<[u32]>,
    places: Box<[u32]>,
}

impl Referrers {
    /// Sort `references`, hash and place, into buckets.
    pub(crate) fn of(references: impl Iterator<Item = (u32, u32)> + Clone) -> Referrers {
        let count = references.clone().count();
        if count == 0 {
            return Referrers::default();
        }
        let buckets = count / 4 + 1;
        let mut starts = vec![0u32; buckets + 1];
        for (hash, _) in references.clone() {
            starts[bucket(hash, buckets) + 1] += 1;
        }
        for at in 1..=buckets {
            starts[at] += starts[at - 1];
        }
        let mut places = vec![0; count];
        for (hash, place) in references {
            let slot = &mut starts[bucket(hash, buckets)];
            places[*slot as usize] = place;
            *slot += 1;
        }
        // Each start has moved to the end of its bucket, which is the start of the next one.
        starts.rotate_right(1);
        starts[0] = 0;
        Referrers { starts: starts.into(), places: places.into() }
    }

    /// The places of the nodes that may refer to the name with `hash`.
    pub(crate) fn to(&self, hash: u32) -> &[u32] {
        match self.starts.len().checked_sub(1) {
            Some(buckets) => {
                let at = bucket(hash, buckets);
                &self.places[self.starts[at] as usize..self.starts[at + 1] as usize]
            }
            None => &[],
        }
    }

    pub(crate) fn octets(&self) -> usize {
        (self.starts.len() + self.places.len()) * 4
    }
}

fn bucket(hash: u32, buckets: usize) -> usize {
    ((hash as u64 * buckets as u64) >> 32) as usize
}

/// The part of a name's hash that [`Referrers`] store.
pub(crate) fn short(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// Whether an answer from `node` contains addresses of the name with the short hash `target`.
pub(crate) fn refers(store: &Store, node: &Node<'_>, target: u32) -> bool {
    let mut found = false;
    for set in node.entries().filter(|entry| entry.kind == EntryKind::Set) {
        set.each_rdata(node.wire(), set.rtype, |rdata| {
            for field in nw_wire::rr::names(set.rtype, rdata).filter(|field| field.additional) {
                let name = &rdata[field.start..field.end];
                found |= store
                    .hash_in_zone(name, &LabelStarts::of(name))
                    .is_some_and(|hash| short(hash) == target);
            }
        });
    }
    found
}
