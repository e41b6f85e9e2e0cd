//! The shape of a zone: nodes in canonical order with their parents, empty non-terminals, cuts and occluded names.

use std::collections::HashSet;

use nw_wire::hash::{self, eq_folded};
use nw_wire::{Name, NameRef, RrType};

use super::{GroupRef, Input, in_parallel, roomy};
use crate::batch::{BatchRecord, TypeMask};
use crate::problem::{Finding, Findings, Problem};
use crate::store::{Index, NodeFlags};
use crate::suffix::LabelStarts;

/// A name of the zone, including empty non-terminals (RFC 4592 §2.2.2).
#[derive(Debug, Clone, Copy)]
pub(super) struct TreeNode {
    /// The groups of the part with its records. An empty non-terminal has none.
    pub(super) first_group: u32,
    pub(super) groups: u32,
    /// The position of this name: the batch, the offset in its data, and the length. The length is 0 for an apex
    /// without records. A lookup reads the name without going through the groups.
    name_batch: u32,
    name_at: u32,
    name_len: u8,
    /// The number, in the part, of the parent node.
    pub(super) parent: u32,
    pub(super) flags: NodeFlags,
    pub(super) types: TypeMask,
    pub(super) labels: u8,
}

/// Nodes in canonical order, as whole subtrees of the apex. The first node is the apex, which only the first part
/// uses.
pub(super) struct Part {
    pub(super) groups: Vec<GroupRef>,
    pub(super) nodes: Vec<TreeNode>,
    hashes: Vec<u64>,
    /// The number of the first node, counted over all parts.
    base: u32,
}

impl Part {
    /// Find the shape of the sorted `groups`.
    pub(super) fn plant(input: &Input<'_>, groups: Vec<GroupRef>) -> Part {
        let apex_labels = input.apex_labels;
        let mut nodes: Vec<TreeNode> = roomy(groups.len() + 1);
        let mut hashes: Vec<u64> = roomy(groups.len() + 1);
        nodes.push(TreeNode {
            first_group: 0,
            groups: 0,
            name_batch: 0,
            name_at: 0,
            name_len: 0,
            parent: 0,
            flags: NodeFlags::APEX,
            types: TypeMask::default(),
            labels: apex_labels as u8,
        });
        let key = hash::key();
        hashes.push(key.start());
        // The nodes from the apex down to the current name.
        let mut path: Vec<u32> = vec![0];
        let mut last: (&[u8], LabelStarts) = (input.apex.wire(), LabelStarts::of(input.apex.wire()));
        let hides = NodeFlags::CUT.with(NodeFlags::OCCLUDED).with(NodeFlags::DNAME);
        for (i, &at) in groups.iter().enumerate() {
            let (batch, group) = input.group(at);
            let (wire, types) = (batch.owner(group), group.types);
            let starts = LabelStarts::of(wire);
            let common = starts.common(wire, &last.1, last.0);
            let labels = starts.count();
            path.truncate(common - apex_labels + 1);
            // Names between the last common ancestor and this owner exist without records.
            for n in common + 1..=labels {
                let parent = path[path.len() - 1];
                let label = starts.label(wire, n);
                let above = &mut nodes[parent as usize];
                let mut flags = NodeFlags::default();
                if label == b"\x01*" {
                    flags = flags.with(NodeFlags::WILDCARD);
                    above.flags = above.flags.with(NodeFlags::WILDCARD_BELOW);
                }
                if above.flags.has(hides) {
                    flags = flags.with(NodeFlags::OCCLUDED);
                }
                path.push(nodes.len() as u32);
                nodes.push(TreeNode {
                    first_group: i as u32,
                    groups: 0,
                    name_batch: at.batch,
                    name_at: group.name_at + starts.suffix(n) as u32,
                    name_len: group.name_len - starts.suffix(n) as u8,
                    parent,
                    flags,
                    types: TypeMask::default(),
                    labels: n as u8,
                });
                hashes.push(key.extend(hashes[parent as usize], label));
            }
            let node = &mut nodes[path[path.len() - 1] as usize];
            if node.groups == 0 {
                node.first_group = i as u32;
                (node.name_batch, node.name_at) = (at.batch, group.name_at);
                node.name_len = group.name_len;
            }
            node.groups += 1;
            node.types = node.types.with(types);
            if types.has(TypeMask::NS) && labels > apex_labels && !node.flags.has(NodeFlags::OCCLUDED) {
                node.flags = node.flags.with(NodeFlags::CUT);
            }
            if types.has(TypeMask::DNAME) {
                node.flags = node.flags.with(NodeFlags::DNAME);
            }
            if types.has(TypeMask::CNAME) {
                node.flags = node.flags.with(NodeFlags::CNAME);
            }
            last = (wire, starts);
        }
        let beside_nsec3 = TypeMask(!TypeMask::NSEC3.with(TypeMask::RRSIG).0);
        for node in &mut nodes[1..] {
            if node.types.has(TypeMask::NSEC3) && !node.types.has(beside_nsec3) {
                node.flags = node.flags.with(NodeFlags::HASHED);
            }
        }
        Part { groups, nodes, hashes, base: 0 }
    }

    /// The owner of `node`.
    pub(super) fn wire<'b>(&self, input: &Input<'b>, node: &TreeNode) -> &'b [u8] {
        if node.name_len == 0 {
            return input.apex.wire();
        }
        &input.batches[node.name_batch as usize].data[node.name_at as usize..][..node.name_len as usize]
    }

    /// The hash of the node `number` of this part.
    pub(super) fn hash(&self, number: usize) -> u64 {
        self.hashes[number]
    }

    fn name(&self, input: &Input<'_>, node: &TreeNode) -> Name {
        NameRef::from_wire(self.wire(input, node)).expect("owners are valid names").to_name()
    }

    /// The groups that hold the records of `node`.
    pub(super) fn groups_of(&self, node: &TreeNode) -> &[GroupRef] {
        &self.groups[node.first_group as usize..(node.first_group + node.groups) as usize]
    }

    /// The records of `node` and their groups.
    pub(super) fn all<'b>(
        &self,
        input: &Input<'b>,
        node: &TreeNode,
    ) -> impl Iterator<Item = (GroupRef, BatchRecord<'b>)> + use<'_, 'b> {
        let batches = input.batches;
        self.groups_of(node).iter().flat_map(move |&at| {
            let batch = &batches[at.batch as usize];
            batch.records(&batch.groups[at.group as usize]).map(move |record| (at, record))
        })
    }

    /// The records of `node`: group, type, line, rdata.
    pub(super) fn records<'b>(
        &self,
        input: &Input<'b>,
        node: &TreeNode,
    ) -> impl Iterator<Item = (GroupRef, RrType, u32, &'b [u8])> + use<'_, 'b> {
        self.all(input, node).map(|(at, record)| (at, record.rtype, record.line, record.rdata))
    }
}

/// All parts in canonical order.
pub(super) struct Tree {
    pub(super) parts: Vec<Part>,
}

impl Tree {
    /// Join the parts.
    pub(super) fn join(mut parts: Vec<Part>) -> Tree {
        let mut base = 0;
        let mut apex_flags = NodeFlags::default();
        for part in &mut parts {
            part.base = base;
            base += part.nodes.len() as u32;
            apex_flags = apex_flags.with(part.nodes[0].flags);
        }
        parts[0].nodes[0].flags = apex_flags;
        if apex_flags.has(NodeFlags::DNAME) {
            for node in parts.iter_mut().flat_map(|part| &mut part.nodes[1..]) {
                node.flags = NodeFlags(node.flags.with(NodeFlags::OCCLUDED).0 & !NodeFlags::CUT.0);
            }
        }
        Tree { parts }
    }

    /// The number of node numbers.
    pub(super) fn len(&self) -> usize {
        self.parts.iter().map(|part| part.nodes.len()).sum()
    }

    /// The apex and its part.
    pub(super) fn apex(&self) -> (&Part, &TreeNode) {
        (&self.parts[0], &self.parts[0].nodes[0])
    }

    /// All nodes in canonical order: number, part, node.
    pub(super) fn nodes(&self) -> impl Iterator<Item = (u32, &Part, &TreeNode)> {
        self.parts.iter().enumerate().flat_map(|(i, part)| {
            let numbered = part.nodes.iter().enumerate().skip(usize::from(i > 0));
            numbered.map(move |(n, node)| (part.base + n as u32, part, node))
        })
    }

    /// The node with this number.
    pub(super) fn node(&self, number: u32) -> (&Part, &TreeNode) {
        let at = self.parts.partition_point(|part| part.base <= number) - 1;
        let part = &self.parts[at];
        (part, &part.nodes[(number - part.base) as usize])
    }

    /// Maps the hash of each name to its number plus one.
    pub(super) fn index(&self, workers: usize) -> Index {
        let mut slots = vec![0u64; Index::size_for(self.len())];
        let total = slots.len();
        let workers = if total < 65_536 { 1 } else { workers };
        // Each worker fills a range of the slots. Entries that would exceed its end are inserted after all workers
        // finish.
        let share = total.div_ceil(workers);
        let runs: Vec<_> = slots.chunks_mut(share).map(std::sync::Mutex::new).collect();
        let spilled = in_parallel(workers, runs.len(), |i| {
            let mut run = runs[i].lock().expect("one worker has each run");
            let (from, mut spilled) = (i * share, Vec::new());
            for (part_number, part) in self.parts.iter().enumerate() {
                for (n, &hash) in part.hashes.iter().enumerate().skip(usize::from(part_number > 0)) {
                    let first = Index::first(hash, total);
                    if first < from || first - from >= run.len() {
                        continue;
                    }
                    let number = part.base + n as u32 + 1;
                    match run[first - from..].iter_mut().find(|slot| **slot == 0) {
                        Some(slot) => *slot = Index::slot(hash, number),
                        None => spilled.push((hash, number)),
                    }
                }
            }
            spilled
        });
        drop(runs);
        for (hash, number) in spilled.into_iter().flatten() {
            Index::insert(&mut slots, hash, number);
        }
        Index { slots: slots.into_boxed_slice() }
    }

    /// The same index, with the place of each node instead of its number.
    pub(super) fn place(&self, mut index: Index, places: &[u32]) -> Index {
        for slot in &mut index.slots {
            if *slot != 0 {
                let number = *slot as u32 - 1;
                *slot = *slot >> 32 << 32 | places[number as usize] as u64;
            }
        }
        index
    }

    /// The node of the name `wire`, which is in the zone and has `hash`, if it exists.
    pub(super) fn find(
        &self,
        input: &Input<'_>,
        names: &Index,
        wire: &[u8],
        hash: u64,
    ) -> Option<(&Part, &TreeNode)> {
        names
            .candidates(hash)
            .map(|number| self.node(number - 1))
            .find(|(part, node)| eq_folded(part.wire(input, node), wire))
    }

    /// Check the rules that concern more than one RRset. `unread`: lines could not be read, so a missing record is
    /// not evidence.
    pub(super) fn check(&self, input: &Input<'_>, unread: bool, findings: &mut Findings) {
        let whole = |problem| Finding { file: None, line: 0, column: 0, problem };
        let apex = self.apex().1;
        if !unread {
            if !apex.types.has(TypeMask::SOA) {
                findings.push(whole(Problem::NoSoa));
            }
            if !apex.types.has(TypeMask::NS) {
                findings.push(whole(Problem::NoNs));
            }
        }
        // Most names cannot have findings, which a single test of the types shows.
        let shaping = TypeMask::CNAME.with(TypeMask::DNAME).with(TypeMask::SOA).with(TypeMask::DS);
        for (_, part, node) in self.nodes() {
            if node.flags.has(NodeFlags::OCCLUDED) {
                self.check_occluded(input, part, node, findings);
            }
            if node.types.has(shaping) {
                check_types(input, part, node, unread, findings);
            }
        }
    }

    /// Warn about data that no answer contains: everything below a DNAME, and everything but addresses below a cut.
    fn check_occluded(&self, input: &Input<'_>, part: &Part, node: &TreeNode, findings: &mut Findings) {
        if node.groups == 0 || node.flags.has(NodeFlags::HASHED) {
            return;
        }
        let mut above = &part.nodes[node.parent as usize];
        while above.flags.has(NodeFlags::OCCLUDED) {
            above = &part.nodes[above.parent as usize];
        }
        let shown = if above.flags.has(NodeFlags::CUT) { TypeMask::ADDRESS.0 } else { 0 };
        if node.types.0 & !shown == 0 {
            return;
        }
        let lost = part.records(input, node).find(|record| TypeMask::of(record.1).0 & shown == 0);
        let Some((at, _, line, _)) = lost else { return };
        let (owner, by) = (part.name(input, node), part.name(input, above));
        let cut = above.flags.has(NodeFlags::CUT);
        let problem = if cut { Problem::Occluded { owner, by } } else { Problem::BelowDname { owner, by } };
        findings.push(input.finding(at, line, problem));
    }
}

/// The hash of the name `wire`, or None if it is not in the zone.
pub(super) fn hash_in_zone(input: &Input<'_>, wire: &[u8], starts: &LabelStarts) -> Option<u64> {
    let labels = starts.count();
    if labels < input.apex_labels || !eq_folded(&wire[starts.suffix(input.apex_labels)..], input.apex.wire())
    {
        return None;
    }
    let key = hash::key();
    Some(
        (input.apex_labels + 1..=labels).fold(key.start(), |hash, n| key.extend(hash, starts.label(wire, n))),
    )
}

/// Check which types may exist together (RFC 2181 §10.1, RFC 6672 §2.3, §2.4, RFC 1035 §5.2).
fn check_types(input: &Input<'_>, part: &Part, node: &TreeNode, unread: bool, findings: &mut Findings) {
    let of = |rtype: RrType| part.records(input, node).filter(move |record| record.1 == rtype);
    let owner = || part.name(input, node);
    if node.types.has(TypeMask::SOA) {
        let first = of(RrType::SOA).next().expect("the types say that there is an SOA");
        if !node.flags.has(NodeFlags::APEX) {
            findings.push(input.finding(first.0, first.2, Problem::SoaBelowApex { owner: owner() }));
        } else if let Some((at, _, line, _)) = of(RrType::SOA).find(|soa| soa.3 != first.3) {
            findings.push(input.finding(at, line, Problem::SecondSoa));
        }
    }
    let beside_cname =
        TypeMask(!(TypeMask::CNAME.0 | TypeMask::NSEC.0 | TypeMask::NSEC3.0 | TypeMask::RRSIG.0));
    if node.types.has(TypeMask::CNAME) && node.flags.has(NodeFlags::APEX) {
        let (at, _, line, _) = of(RrType::CNAME).next().expect("the types say that there is a CNAME");
        findings.push(input.finding(at, line, Problem::ApexCname { apex: input.apex.to_name() }));
    } else if node.types.has(TypeMask::CNAME) && node.types.has(beside_cname) {
        let other = part
            .records(input, node)
            .find(|record| TypeMask::of(record.1).has(beside_cname) && !matches!(record.1.0, KEY | NXT));
        if let Some((at, other, line, _)) = other {
            findings.push(input.finding(at, line, Problem::CnameAndOther { owner: owner(), other }));
        }
    }
    for rtype in [RrType::CNAME, RrType::DNAME] {
        if node.types.has(TypeMask::of(rtype)) {
            let mut seen = HashSet::new();
            let second =
                of(rtype).find(|record| seen.insert(record.3.to_ascii_lowercase()) && seen.len() > 1);
            if let Some((at, _, line, _)) = second {
                findings.push(input.finding(at, line, Problem::Single { owner: owner(), rtype }));
            }
        }
    }
    if node.flags.has(NodeFlags::DNAME) && node.flags.has(NodeFlags::CUT) {
        let (at, _, line, _) = of(RrType::DNAME).next().expect("the types say that there is a DNAME");
        findings.push(input.finding(at, line, Problem::DnameAndNs { owner: owner() }));
    }
    let delegated = node.flags.has(NodeFlags::CUT.with(NodeFlags::OCCLUDED));
    if node.types.has(TypeMask::DS) && !delegated && !unread {
        let (at, _, line, _) = of(RrType::DS).next().expect("the types say that there is a DS");
        let apex = node.flags.has(NodeFlags::APEX);
        let problem =
            if apex { Problem::DsAtApex { apex: owner() } } else { Problem::DsWithoutNs { owner: owner() } };
        findings.push(input.finding(at, line, problem));
    }
}

/// Types that RFC 2535 allowed together with a CNAME.
const KEY: u16 = 25;
const NXT: u16 = 30;
