//! The shape of a zone: nodes in canonical order with their parents, empty non-terminals, cuts and what they hide.

use std::collections::HashSet;

use nw_wire::{NameRef, RrType};

use super::{GroupRef, Input, empty_index};
use crate::batch::TypeMask;
use crate::problem::{Finding, Findings, Problem};
use crate::store::{Index, NodeFlags};
use crate::suffix::{LabelStarts, START, eq_folded, extend};

/// No node.
pub(super) const NONE: u32 = u32::MAX;

/// A name of the zone, empty non-terminals included (RFC 4592 §2.2.2).
#[derive(Debug, Clone, Copy)]
pub(super) struct TreeNode {
    /// The groups that hold its records; none for an empty non-terminal.
    pub(super) first_group: u32,
    pub(super) groups: u32,
    /// The group whose owner ends in this name, and how much of it comes before; for the apex of an empty input, none.
    pub(super) named_by: u32,
    pub(super) skip: u8,
    pub(super) labels: u8,
    pub(super) flags: NodeFlags,
    pub(super) types: TypeMask,
    pub(super) parent: u32,
    pub(super) hash: u64,
}

/// All nodes in canonical order; the first is the apex.
pub(super) struct Tree {
    pub(super) nodes: Vec<TreeNode>,
}

impl Tree {
    pub(super) fn plant(input: &Input<'_>, groups: &[GroupRef]) -> Tree {
        let apex_labels = input.apex_labels;
        let mut nodes: Vec<TreeNode> = Vec::with_capacity(groups.len() + 1);
        nodes.push(TreeNode {
            first_group: 0,
            groups: 0,
            named_by: NONE,
            skip: 0,
            labels: apex_labels as u8,
            flags: NodeFlags::APEX,
            types: TypeMask::default(),
            parent: NONE,
            hash: START,
        });
        // The nodes on the way from the apex to the name at hand, and that name.
        let mut path: Vec<u32> = vec![0];
        let mut last: (&[u8], LabelStarts) = (input.apex.wire(), LabelStarts::of(input.apex.wire()));
        for (i, &at) in groups.iter().enumerate() {
            let wire = input.owner(at);
            let types = input.group(at).1.types;
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
                if above.flags.has(NodeFlags(NodeFlags::CUT.0 | NodeFlags::OCCLUDED.0 | NodeFlags::DNAME.0)) {
                    flags = flags.with(NodeFlags::OCCLUDED);
                }
                let hash = extend(above.hash, label);
                path.push(nodes.len() as u32);
                nodes.push(TreeNode {
                    first_group: i as u32,
                    groups: 0,
                    named_by: i as u32,
                    skip: starts.suffix(n) as u8,
                    labels: n as u8,
                    flags,
                    types: TypeMask::default(),
                    parent,
                    hash,
                });
            }
            let node = &mut nodes[path[path.len() - 1] as usize];
            if node.groups == 0 {
                node.first_group = i as u32;
                node.named_by = i as u32;
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
        for node in &mut nodes[1..] {
            let hashed = TypeMask::NSEC3.with(TypeMask::RRSIG).0;
            if node.types.has(TypeMask::NSEC3) && node.types.0 & !hashed == 0 {
                node.flags = node.flags.with(NodeFlags::HASHED);
            }
        }
        Tree { nodes }
    }

    /// The owner of `node`.
    pub(super) fn wire<'b>(&self, input: &Input<'b>, groups: &[GroupRef], node: &TreeNode) -> &'b [u8] {
        match groups.get(node.named_by as usize) {
            Some(&at) => &input.owner(at)[node.skip as usize..],
            None => input.apex.wire(),
        }
    }

    /// Hash of each name to its number plus one.
    pub(super) fn index(&self) -> Index {
        let mut slots = empty_index(self.nodes.len());
        for (i, node) in self.nodes.iter().enumerate() {
            Index::insert(&mut slots, node.hash, i as u32 + 1);
        }
        Index { slots: slots.into_boxed_slice() }
    }

    /// The same index with the place of each node instead of its number.
    pub(super) fn place(&self, mut index: Index, places: &[u32]) -> Index {
        for slot in &mut index.slots {
            if *slot != 0 {
                let number = *slot as u32 - 1;
                *slot = *slot >> 32 << 32 | places[number as usize] as u64;
            }
        }
        index
    }

    /// The node of the name `wire`, if it is in the zone and exists.
    pub(super) fn find(
        &self,
        input: &Input<'_>,
        groups: &[GroupRef],
        names: &Index,
        wire: &[u8],
        starts: &LabelStarts,
    ) -> Option<u32> {
        if starts.count() < input.apex_labels
            || !eq_folded(&wire[starts.suffix(input.apex_labels)..], input.apex.wire())
        {
            return None;
        }
        let mut hash = START;
        for n in input.apex_labels + 1..=starts.count() {
            hash = extend(hash, starts.label(wire, n));
        }
        names
            .candidates(hash)
            .map(|number| number - 1)
            .find(|&number| eq_folded(self.wire(input, groups, &self.nodes[number as usize]), wire))
    }

    /// The rules that concern more than one RRset. `unread`: lines were lost, so that absence proves nothing.
    pub(super) fn check(
        &self,
        input: &Input<'_>,
        groups: &[GroupRef],
        unread: bool,
        findings: &mut Findings,
    ) {
        let whole = |problem| Finding { file: None, line: 0, column: 0, problem };
        let apex = &self.nodes[0];
        if !unread {
            if !apex.types.has(TypeMask::SOA) {
                findings.push(whole(Problem::NoSoa));
            }
            if !apex.types.has(TypeMask::NS) {
                findings.push(whole(Problem::NoNs));
            }
        }
        // No finding is possible at most names, and one look at the types says so.
        let shaping = TypeMask::CNAME.with(TypeMask::DNAME).with(TypeMask::SOA).with(TypeMask::DS);
        let beside_cname =
            TypeMask(!(TypeMask::CNAME.0 | TypeMask::NSEC.0 | TypeMask::NSEC3.0 | TypeMask::RRSIG.0));
        for (i, node) in self.nodes.iter().enumerate() {
            let of = |rtype: RrType| self.records(input, groups, node).find(move |record| record.1 == rtype);
            let owner =
                || NameRef::from_wire(self.wire(input, groups, node)).expect("owners are names").to_name();
            if node.flags.has(NodeFlags::OCCLUDED) {
                self.check_occluded(input, groups, node, findings);
            }
            if !node.types.has(shaping) {
                continue;
            }
            if node.types.has(TypeMask::SOA) {
                let mut soas = self.records(input, groups, node).filter(|record| record.1 == RrType::SOA);
                let first = soas.next();
                if i > 0 {
                    let (at, _, line, _) = first.expect("the types say that there is an SOA");
                    findings.push(input.finding(at, line, Problem::SoaBelowApex { owner: owner() }));
                } else if let Some((at, _, line, _)) = soas.find(|soa| Some(soa.3) != first.map(|soa| soa.3))
                {
                    findings.push(input.finding(at, line, Problem::SecondSoa));
                }
            }
            if node.types.has(TypeMask::CNAME) && node.types.has(beside_cname) {
                let other = self.records(input, groups, node).find(|record| {
                    TypeMask::of(record.1).has(beside_cname) && !matches!(record.1.0, KEY | NXT)
                });
                if let Some((at, other, line, _)) = other {
                    findings.push(input.finding(at, line, Problem::CnameAndOther { owner: owner(), other }));
                }
            }
            for rtype in [RrType::CNAME, RrType::DNAME] {
                if node.types.has(TypeMask::of(rtype)) {
                    let mut seen = HashSet::new();
                    let mut records = self.records(input, groups, node).filter(|record| record.1 == rtype);
                    if let Some((at, _, line, _)) =
                        records.find(|record| seen.insert(record.3.to_ascii_lowercase()) && seen.len() > 1)
                    {
                        findings.push(input.finding(at, line, Problem::Single { owner: owner(), rtype }));
                    }
                }
            }
            if node.types.has(TypeMask::DNAME) && node.flags.has(NodeFlags::CUT) {
                let (at, _, line, _) = of(RrType::DNAME).expect("the types say that there is a DNAME");
                findings.push(input.finding(at, line, Problem::DnameAndNs { owner: owner() }));
            }
            if node.types.has(TypeMask::DS)
                && !node.flags.has(NodeFlags(NodeFlags::CUT.0 | NodeFlags::OCCLUDED.0))
                && !unread
            {
                let (at, _, line, _) = of(RrType::DS).expect("the types say that there is a DS");
                findings.push(input.finding(at, line, Problem::DsWithoutNs { owner: owner() }));
            }
        }
    }

    /// Warn of data that no answer will show: all but addresses below a cut, everything below a DNAME.
    fn check_occluded(
        &self,
        input: &Input<'_>,
        groups: &[GroupRef],
        node: &TreeNode,
        findings: &mut Findings,
    ) {
        if node.groups == 0 || node.flags.has(NodeFlags::HASHED) {
            return;
        }
        let mut above = &self.nodes[node.parent as usize];
        while above.flags.has(NodeFlags::OCCLUDED) {
            above = &self.nodes[above.parent as usize];
        }
        let shown = if above.flags.has(NodeFlags::CUT) { TypeMask::ADDRESS.0 } else { 0 };
        if node.types.0 & !shown == 0 {
            return;
        }
        let lost = self.records(input, groups, node).find(|record| TypeMask::of(record.1).0 & shown == 0);
        let Some((at, _, line, _)) = lost else { return };
        let name =
            |node| NameRef::from_wire(self.wire(input, groups, node)).expect("owners are names").to_name();
        findings.push(input.finding(at, line, Problem::Occluded { owner: name(node), by: name(above) }));
    }

    /// The records of `node`: group, type, line, rdata.
    pub(super) fn records<'b>(
        &self,
        input: &Input<'b>,
        groups: &'b [GroupRef],
        node: &TreeNode,
    ) -> impl Iterator<Item = (GroupRef, RrType, u32, &'b [u8])> {
        let range = node.first_group as usize..(node.first_group + node.groups) as usize;
        let batches = input.batches;
        groups[range].iter().flat_map(move |&at| {
            let batch = &batches[at.batch as usize];
            batch
                .records(&batch.groups[at.group as usize])
                .map(move |record| (at, record.rtype, record.line, record.rdata))
        })
    }
}

/// Types that RFC 2535 allowed beside a CNAME.
const KEY: u16 = 25;
const NXT: u16 = 30;
