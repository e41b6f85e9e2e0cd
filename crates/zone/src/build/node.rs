//! Renders one node after the other: records to RRsets, RRsets to bodies, bodies to the octets of a node.

use std::cmp::Ordering;

use nw_wire::hash::eq_folded;
use nw_wire::{NameRef, RrType, rr};

use super::body::{Body, Layout, Target};
use super::chain::ChainPlan;
use super::tree::{Part, Tree, TreeNode, hash_in_zone};
use super::{GroupRef, Input, covered, roomy, soa_minimum, soa_serial};
use crate::batch::TypeMask;
use crate::delta::short;
use crate::problem::{Findings, Problem};
use crate::store::{EntryKind, Index, NODE_HEAD, NodeFlags};
use crate::suffix::LabelStarts;

/// RDLENGTH and the offsets of a body are 16 bits wide.
const MOST_BODY: usize = 65_000;
/// Octets of additional records above which no more are added, because clients have no use for them.
const MOST_EXTRA: usize = 16_000;

/// A record of one node.
#[derive(Debug, Clone, Copy)]
pub(super) struct NodeRecord<'b> {
    pub(super) rtype: RrType,
    ttl: u32,
    line: u32,
    at: GroupRef,
    pub(super) rdata: &'b [u8],
}

/// A run of nodes, rendered.
pub(super) struct Segment {
    pub(super) octets: Vec<u8>,
    /// The start of each node, in units of four octets.
    pub(super) offsets: Vec<u32>,
    pub(super) records: u64,
    /// The serial of the SOA, if the apex is among the nodes.
    pub(super) serial: u32,
    /// The short hash of each name whose addresses a node looked up, and the number of that node.
    pub(super) references: Vec<(u32, u32)>,
    pub(super) findings: Findings,
}

/// The data that is available when nodes are rendered.
#[derive(Clone, Copy)]
pub(super) struct Shape<'r, 'b> {
    pub(super) input: &'r Input<'b>,
    pub(super) tree: &'r Tree,
    pub(super) names: &'r Index,
    pub(super) chain: &'r ChainPlan,
}

/// Render the nodes of the part `number`.
pub(super) fn render(shape: &Shape<'_, '_>, number: usize) -> Segment {
    let input = shape.input;
    let part = &shape.tree.parts[number];
    let octets: usize = input.batches.iter().map(|batch| batch.data.len()).sum();
    let share = (octets as u128 * part.nodes.len() as u128 / shape.tree.len() as u128) as usize;
    let mut renderer = Renderer {
        shape: *shape,
        input,
        part,
        segment: Segment {
            octets: roomy(share + share / 2 + 64),
            offsets: roomy(part.nodes.len()),
            records: 0,
            serial: 0,
            references: roomy(part.nodes.len() / 2),
            findings: Findings::new(input.limit),
        },
        body: Body::default(),
        glue: Body::default(),
        extra: Body::default(),
        signatures: Body::default(),
        targets: Vec::new(),
        addresses: Vec::new(),
        directory: Vec::new(),
        bodies: Vec::new(),
    };
    renderer.segment.octets.extend_from_slice(&[0; 4]);
    let mut records = Vec::new();
    for (i, node) in part.nodes.iter().enumerate() {
        if number > 0 && i == 0 {
            // The apex is in the first part. In this part, it has a number but no place.
            renderer.segment.offsets.push(0);
        } else {
            renderer.node(i, node, &mut records);
        }
    }
    let mut segment = renderer.segment;
    segment.octets.shrink_to_fit();
    segment
}

struct Renderer<'r, 'b> {
    shape: Shape<'r, 'b>,
    input: &'r Input<'b>,
    part: &'r Part,
    segment: Segment,
    body: Body,
    glue: Body,
    extra: Body,
    signatures: Body,
    targets: Vec<Target<'b>>,
    addresses: Vec<NodeRecord<'b>>,
    directory: Vec<u8>,
    bodies: Vec<u8>,
}

impl<'r, 'b> Renderer<'r, 'b> {
    fn node(&mut self, number: usize, node: &TreeNode, records: &mut Vec<NodeRecord<'b>>) {
        let wire = self.part.wire(self.input, node);
        let layout = Layout::new(wire);
        self.directory.clear();
        self.bodies.clear();
        gather(self.input, self.part, node, |_| true, records);
        self.normalise(records, wire);
        let mut rest = records.as_slice();
        let mut orphans = 0;
        while let Some(first) = rest.first() {
            let of_set = |record: &&NodeRecord<'_>| effective(record) == effective(first);
            let length = rest.iter().take_while(of_set).count();
            let (all, behind) = rest.split_at(length);
            let split = all.iter().take_while(|record| record.rtype != RrType::RRSIG).count();
            let (set, signatures) = all.split_at(split);
            if set.is_empty() {
                orphans += signatures.len();
            } else {
                self.set((number, node), &layout, set, signatures);
            }
            rest = behind;
        }
        if orphans > 0 {
            let lone: Vec<NodeRecord<'b>> = records
                .iter()
                .filter(|record| {
                    let covered = effective(record);
                    record.rtype == RrType::RRSIG && !records.iter().any(|other| other.rtype == covered)
                })
                .copied()
                .collect();
            self.signature_set(&layout, &lone, None, EntryKind::Orphans);
        }
        if !node.flags.has(NodeFlags(NodeFlags::OCCLUDED.0 | NodeFlags::HASHED.0)) {
            self.links(wire);
        }
        self.segment.records += records.len() as u64;
        self.finish(node, wire);
    }

    /// Sort by type and canonical rdata, signatures after the records that they cover, and remove duplicates.
    fn normalise(&mut self, records: &mut Vec<NodeRecord<'b>>, owner: &[u8]) {
        if records.len() < 2 {
            return;
        }
        records.sort_by(|a, b| {
            let key = |record: &NodeRecord<'_>| (effective(record), record.rtype == RrType::RRSIG);
            key(a).cmp(&key(b)).then_with(|| canonical_cmp(a.rtype, a.rdata, b.rdata))
        });
        records.dedup_by(|b, a| {
            let same = a.rtype == b.rtype && canonical_cmp(a.rtype, a.rdata, b.rdata) == Ordering::Equal;
            if same {
                let problem = Problem::Duplicate { owner: name(owner), rtype: a.rtype };
                self.segment.findings.push(self.input.finding(b.at, b.line, problem));
                a.ttl = a.ttl.min(b.ttl);
            }
            same
        });
    }

    /// Render one RRset with the records that belong to it.
    fn set(
        &mut self,
        (number, node): (usize, &TreeNode),
        layout: &Layout<'b>,
        set: &[NodeRecord<'b>],
        signatures: &[NodeRecord<'b>],
    ) {
        let rtype = set[0].rtype;
        let ttl = self.ttl(set, layout.wire);
        let class = self.input.class;
        let mut targets = std::mem::take(&mut self.targets);
        targets.clear();
        let mut body = std::mem::take(&mut self.body);
        layout.render(set, class, ttl, &mut body, &mut targets);
        self.push(EntryKind::Set, rtype, &body, layout.wire, set);
        self.signature_set(layout, signatures, Some(ttl), EntryKind::Signatures);
        if !targets.is_empty() {
            self.additional((number, node), layout, rtype, &targets);
        }
        if rtype == RrType::SOA && node.flags.has(NodeFlags::APEX) {
            self.segment.serial = soa_serial(set[0].rdata);
            let ttl = ttl.min(soa_minimum(set[0].rdata));
            layout.render(set, class, ttl, &mut body, &mut targets);
            self.push(EntryKind::Negative, rtype, &body, layout.wire, set);
            self.signature_set(layout, signatures, Some(ttl), EntryKind::Signatures);
        }
        self.body = body;
        self.targets = targets;
    }

    /// The TTL of the RRset: the lowest (RFC 2181 §5.2).
    fn ttl(&mut self, set: &[NodeRecord<'b>], owner: &[u8]) -> u32 {
        let lowest = set.iter().map(|record| record.ttl).min().unwrap_or(0);
        if let Some(other) = set.iter().find(|record| record.ttl != lowest) {
            let problem = Problem::TtlMismatch { owner: name(owner), rtype: other.rtype, used: lowest };
            self.segment.findings.push(self.input.finding(other.at, other.line, problem));
        }
        lowest
    }

    /// Signatures get the TTL of the RRset that they cover (RFC 4034 §3), or keep their own.
    fn signature_set(
        &mut self,
        layout: &Layout<'b>,
        signatures: &[NodeRecord<'b>],
        ttl: Option<u32>,
        kind: EntryKind,
    ) {
        if signatures.is_empty() {
            return;
        }
        let mut body = std::mem::take(&mut self.signatures);
        let ttl = ttl.unwrap_or(signatures[0].ttl);
        layout.render(signatures, self.input.class, ttl, &mut body, &mut Vec::new());
        self.push(kind, RrType::RRSIG, &body, layout.wire, signatures);
        self.signatures = body;
    }

    /// The addresses of the names in an RRset: below the cut itself, and elsewhere in the zone.
    fn additional(
        &mut self,
        (number, node): (usize, &TreeNode),
        layout: &Layout<'b>,
        rtype: RrType,
        targets: &[Target<'b>],
    ) {
        let cut = rtype == RrType::NS && node.flags.has(NodeFlags::CUT);
        for body in [&mut self.glue, &mut self.extra, &mut self.signatures] {
            body.clear();
        }
        for (i, target) in targets.iter().enumerate() {
            if targets[..i].iter().any(|other| other.name.eq_ignore_ascii_case(target.name)) {
                continue;
            }
            let starts = LabelStarts::of(target.name);
            let own = cut && {
                let labels = layout.starts.count();
                starts.common(target.name, &layout.starts, layout.wire) == labels
            };
            let found = self.near(number, own, target.name).or_else(|| {
                let hash = hash_in_zone(self.input, target.name, &starts)?;
                if !own {
                    self.segment.references.push((short(hash), number as u32));
                }
                self.shape.tree.find(self.input, self.shape.names, target.name, hash)
            });
            let Some((part, found)) = found.filter(|(_, found)| found.types.has(TypeMask::ADDRESS)) else {
                if own {
                    let problem = Problem::NoGlue { owner: name(layout.wire), target: name(target.name) };
                    let at = self.part.groups[node.first_group as usize];
                    self.segment.findings.push(self.input.finding(at, 0, problem));
                }
                continue;
            };
            let occluded = found.flags.has(NodeFlags::OCCLUDED);
            if occluded && rtype != RrType::NS {
                continue;
            }
            self.addresses_of(part, found, target.at, own, occluded);
        }
        for kind in [EntryKind::Glue, EntryKind::Extra, EntryKind::ExtraSignatures] {
            let body = match kind {
                EntryKind::Glue => std::mem::take(&mut self.glue),
                EntryKind::Extra => std::mem::take(&mut self.extra),
                _ => std::mem::take(&mut self.signatures),
            };
            if body.count > 0 {
                self.push(kind, RrType::A, &body, layout.wire, &[]);
            }
            match kind {
                EntryKind::Glue => self.glue = body,
                EntryKind::Extra => self.extra = body,
                _ => self.signatures = body,
            }
        }
    }

    /// The node of `target` if it is below the node `number` and follows it closely.
    fn near(&self, number: usize, below: bool, target: &[u8]) -> Option<(&'r Part, &'r TreeNode)> {
        let mut near = self.part.nodes[number..].iter().take(if below { 4 } else { 0 });
        let found = near.find(|node| eq_folded(self.part.wire(self.input, node), target))?;
        Some((self.part, found))
    }

    /// Render the addresses of `found`, whose name is at `owner` in the layout, and their signatures.
    fn addresses_of(&mut self, part: &Part, found: &TreeNode, owner: usize, own: bool, occluded: bool) {
        let mut addresses = std::mem::take(&mut self.addresses);
        gather(self.input, part, found, |rtype| matches!(rtype, RrType::A | RrType::AAAA), &mut addresses);
        if addresses.len() > 1 {
            let key =
                |record: &NodeRecord<'b>| (effective(record), record.rtype == RrType::RRSIG, record.rdata);
            addresses.sort_by(|a, b| key(a).cmp(&key(b)));
            addresses.dedup_by(|b, a| a.rtype == b.rtype && a.rdata == b.rdata);
        }
        for record in &addresses {
            let of_set = |other: &&NodeRecord<'_>| other.rtype == effective(record);
            let ttl = addresses.iter().filter(of_set).map(|other| other.ttl).min();
            let body = match record.rtype {
                RrType::RRSIG if occluded => continue,
                RrType::RRSIG => &mut self.signatures,
                _ if own => &mut self.glue,
                _ => &mut self.extra,
            };
            if body.octets.len() < MOST_EXTRA {
                body.plain(owner, record.rtype, self.input.class, ttl.unwrap_or(record.ttl), record.rdata);
            }
        }
        self.addresses = addresses;
    }

    /// Add the position of this name in the chain of NSEC3 records.
    fn links(&mut self, wire: &[u8]) {
        let Some((own, wildcard)) = self.shape.chain.links(wire) else { return };
        let mut body = Body::default();
        body.octets.extend_from_slice(&own.to_le_bytes());
        body.octets.extend_from_slice(&wildcard.to_le_bytes());
        self.push(EntryKind::Link, RrType(0), &body, wire, &[]);
    }

    /// Add an entry to the directory and its body to the bodies.
    fn push(
        &mut self,
        kind: EntryKind,
        rtype: RrType,
        body: &Body,
        owner: &[u8],
        records: &[NodeRecord<'b>],
    ) {
        if body.octets.len() > MOST_BODY {
            let problem = Problem::RrsetTooLarge { owner: name(owner), rtype };
            let at = records.first().map_or((0, self.part.groups[0]), |record| (record.line, record.at));
            self.segment.findings.push(self.input.finding(at.1, at.0, problem));
            return;
        }
        let words =
            [rtype.0, (kind as u16) << 13 | body.count, body.octets.len() as u16, body.pointers.len() as u16];
        for word in words {
            self.directory.extend_from_slice(&word.to_le_bytes());
        }
        for pointer in &body.pointers {
            self.bodies.extend_from_slice(&pointer.to_le_bytes());
        }
        self.bodies.extend_from_slice(&body.octets);
    }

    /// Write the node itself.
    fn finish(&mut self, node: &TreeNode, wire: &[u8]) {
        let start = self.segment.octets.len();
        let size = NODE_HEAD + wire.len() + self.directory.len() + self.bodies.len();
        let size = size.next_multiple_of(4);
        let entries = (self.directory.len() / crate::store::ENTRY) as u16;
        let mut head = [0; NODE_HEAD];
        head[..4].copy_from_slice(&(size as u32).to_le_bytes());
        head[4..6].copy_from_slice(&node.flags.0.to_le_bytes());
        head[6] = wire.len() as u8;
        head[7] = node.labels;
        head[8..10].copy_from_slice(&entries.to_le_bytes());
        let octets = &mut self.segment.octets;
        octets.extend_from_slice(&head);
        octets.extend_from_slice(wire);
        octets.extend_from_slice(&self.directory);
        octets.extend_from_slice(&self.bodies);
        octets.resize(start + size, 0);
        self.segment.offsets.push((start / 4) as u32);
    }
}

/// Collect the records of `node` whose type (the covered one for RRSIG) is requested.
fn gather<'b>(
    input: &Input<'b>,
    part: &Part,
    node: &TreeNode,
    wanted: impl Fn(RrType) -> bool,
    out: &mut Vec<NodeRecord<'b>>,
) {
    out.clear();
    for &at in part.groups_of(node) {
        let (batch, group) = input.group(at);
        for record in batch.records(group) {
            let record = NodeRecord {
                rtype: record.rtype,
                ttl: record.ttl,
                line: record.line,
                at,
                rdata: record.rdata,
            };
            if wanted(effective(&record)) {
                out.push(record);
            }
        }
    }
}

/// The type of a record, or the type that an RRSIG covers.
fn effective(record: &NodeRecord<'_>) -> RrType {
    if record.rtype == RrType::RRSIG { covered(record.rdata) } else { record.rtype }
}

fn name(wire: &[u8]) -> nw_wire::Name {
    NameRef::from_wire(wire).expect("owners and targets are valid names").to_name()
}

/// The order of RFC 4034 §6.3.
pub(crate) fn canonical_cmp(rtype: RrType, a: &[u8], b: &[u8]) -> Ordering {
    match rtype {
        RrType::A | RrType::AAAA | RrType::TXT | RrType::DS => a.cmp(b),
        // Rdata of exactly one name. Its length octets are not letters.
        RrType::NS | RrType::CNAME | RrType::PTR | RrType::DNAME => {
            let fold = |octet: &u8| octet.to_ascii_lowercase();
            a.iter().map(fold).cmp(b.iter().map(fold))
        }
        _ => {
            let (mut left, mut right) = (Vec::new(), Vec::new());
            rr::canonical(rtype, a, &mut left);
            rr::canonical(rtype, b, &mut right);
            left.cmp(&right)
        }
    }
}
