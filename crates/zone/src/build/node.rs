//! One node after the other: records to RRsets, RRsets to bodies, bodies to the octets of a node.

use std::cmp::Ordering;
use std::ops::Range;

use nw_wire::{NameRef, RrType, rr};

use super::body::{Body, Layout, Target};
use super::chain::Plan;
use super::tree::{Tree, TreeNode};
use super::{GroupRef, Input, covered, soa_minimum, soa_serial};
use crate::batch::TypeMask;
use crate::problem::{Findings, Problem};
use crate::store::{Index, Kind, NODE_HEAD, NodeFlags};
use crate::suffix::LabelStarts;

/// RDLENGTH and the offsets of a body are 16 bits wide.
const MOST_BODY: usize = 65_000;
/// More additional records than this are of no use to anyone.
const MOST_EXTRA: usize = 16_000;

/// A record of one node.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<'b> {
    pub(super) rtype: RrType,
    ttl: u32,
    line: u32,
    at: GroupRef,
    pub(super) rdata: &'b [u8],
}

/// A run of nodes, rendered.
pub(super) struct Segment {
    pub(super) octets: Vec<u8>,
    /// Where each node starts, in units of four octets.
    pub(super) offsets: Vec<u32>,
    pub(super) records: u64,
    /// Of the SOA, if the apex is among the nodes.
    pub(super) serial: u32,
    pub(super) findings: Findings,
}

/// What is known when nodes are rendered.
#[derive(Clone, Copy)]
pub(super) struct Shape<'r, 'b> {
    pub(super) input: &'r Input<'b>,
    pub(super) groups: &'b [GroupRef],
    pub(super) tree: &'r Tree,
    pub(super) names: &'r Index,
    pub(super) chain: &'r Plan,
}

/// Render the nodes of `range`.
pub(super) fn render(shape: &Shape<'_, '_>, range: Range<usize>) -> Segment {
    let Shape { input, groups, tree, names, chain } = *shape;
    let octets: usize = input.batches.iter().map(|batch| batch.data.len()).sum();
    let share = (octets as u128 * range.len() as u128 / tree.nodes.len() as u128) as usize;
    let mut renderer = Renderer {
        input,
        groups,
        tree,
        names,
        chain,
        segment: Segment {
            octets: Vec::with_capacity(share + share / 2 + 64),
            offsets: Vec::with_capacity(range.len()),
            records: 0,
            serial: 0,
            findings: Findings::new(input.limit),
        },
        body: Body::default(),
        extra: Body::default(),
        signatures: Body::default(),
        directory: Vec::new(),
        bodies: Vec::new(),
    };
    renderer.segment.octets.extend_from_slice(&[0; 4]);
    let mut records = Vec::new();
    for node in &tree.nodes[range] {
        renderer.node(node, &mut records);
    }
    let mut segment = renderer.segment;
    segment.octets.shrink_to_fit();
    segment
}

struct Renderer<'r, 'b> {
    input: &'r Input<'b>,
    groups: &'b [GroupRef],
    tree: &'r Tree,
    names: &'r Index,
    chain: &'r Plan,
    segment: Segment,
    body: Body,
    extra: Body,
    signatures: Body,
    directory: Vec<u8>,
    bodies: Vec<u8>,
}

impl<'b> Renderer<'_, 'b> {
    fn node(&mut self, node: &TreeNode, records: &mut Vec<Record<'b>>) {
        let wire = self.tree.wire(self.input, self.groups, node);
        let layout = Layout::new(wire);
        self.directory.clear();
        self.bodies.clear();
        self.gather(node, |_| true, records);
        self.normalise(records, wire);
        let mut rest = records.as_slice();
        let mut orphans = 0;
        while let Some(first) = rest.first() {
            let of_set = |record: &&Record<'_>| effective(record) == effective(first);
            let length = rest.iter().take_while(of_set).count();
            let (all, behind) = rest.split_at(length);
            let split = all.iter().take_while(|record| record.rtype != RrType::RRSIG).count();
            let (set, signatures) = all.split_at(split);
            if set.is_empty() {
                orphans += signatures.len();
            } else {
                self.set(node, &layout, set, signatures);
            }
            rest = behind;
        }
        if orphans > 0 {
            let lone: Vec<Record<'b>> = records
                .iter()
                .filter(|record| {
                    let covered = effective(record);
                    record.rtype == RrType::RRSIG && !records.iter().any(|other| other.rtype == covered)
                })
                .copied()
                .collect();
            self.signature_set(&layout, &lone, None, Kind::Orphans);
        }
        if !node.flags.has(NodeFlags(NodeFlags::OCCLUDED.0 | NodeFlags::HASHED.0)) {
            self.links(wire);
        }
        self.segment.records += records.len() as u64;
        self.finish(node, wire);
    }

    /// Collect the records of `node` whose type (the covered one for RRSIG) is wanted.
    fn gather(&self, node: &TreeNode, wanted: impl Fn(RrType) -> bool, out: &mut Vec<Record<'b>>) {
        out.clear();
        let range = node.first_group as usize..(node.first_group + node.groups) as usize;
        for &at in &self.groups[range] {
            let batch = &self.input.batches[at.batch as usize];
            for record in batch.records(&batch.groups[at.group as usize]) {
                let record = Record {
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

    /// Order by type and canonical rdata, signatures behind what they cover, and drop repetitions.
    fn normalise(&mut self, records: &mut Vec<Record<'b>>, owner: &[u8]) {
        if records.len() < 2 {
            return;
        }
        records.sort_by(|a, b| {
            let key = |record: &Record<'_>| (effective(record), record.rtype == RrType::RRSIG);
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

    /// Render one RRset with all that belongs to it.
    fn set(&mut self, node: &TreeNode, layout: &Layout<'b>, set: &[Record<'b>], signatures: &[Record<'b>]) {
        let rtype = set[0].rtype;
        let ttl = self.ttl(set, layout.wire);
        let class = self.input.class;
        let mut targets = Vec::new();
        let mut body = std::mem::take(&mut self.body);
        layout.render(set, class, ttl, &mut body, &mut targets);
        self.push(Kind::Set, rtype, &body, layout.wire, set);
        self.signature_set(layout, signatures, Some(ttl), Kind::Signatures);
        if !targets.is_empty() {
            self.additional(node, layout, rtype, &targets);
        }
        if rtype == RrType::SOA && node.flags.has(NodeFlags::APEX) {
            self.segment.serial = soa_serial(set[0].rdata);
            let ttl = ttl.min(soa_minimum(set[0].rdata));
            layout.render(set, class, ttl, &mut body, &mut targets);
            self.push(Kind::Negative, rtype, &body, layout.wire, set);
            self.signature_set(layout, signatures, Some(ttl), Kind::Signatures);
        }
        self.body = body;
    }

    /// One TTL for the RRset: the lowest (RFC 2181 §5.2).
    fn ttl(&mut self, set: &[Record<'b>], owner: &[u8]) -> u32 {
        let lowest = set.iter().map(|record| record.ttl).min().unwrap_or(0);
        if let Some(other) = set.iter().find(|record| record.ttl != lowest) {
            let problem = Problem::TtlMismatch { owner: name(owner), rtype: other.rtype, used: lowest };
            self.segment.findings.push(self.input.finding(other.at, other.line, problem));
        }
        lowest
    }

    /// Signatures take the TTL of what they cover (RFC 4034 §3), or keep their own.
    fn signature_set(
        &mut self,
        layout: &Layout<'b>,
        signatures: &[Record<'b>],
        ttl: Option<u32>,
        kind: Kind,
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
    fn additional(&mut self, node: &TreeNode, layout: &Layout<'b>, rtype: RrType, targets: &[Target<'b>]) {
        let cut = rtype == RrType::NS && node.flags.has(NodeFlags::CUT);
        let (mut glue, mut extra, mut signatures) =
            (Body::default(), std::mem::take(&mut self.extra), Body::default());
        extra.clear();
        let mut addresses = Vec::new();
        for (i, target) in targets.iter().enumerate() {
            if targets[..i].iter().any(|other| other.name.eq_ignore_ascii_case(target.name)) {
                continue;
            }
            let starts = LabelStarts::of(target.name);
            let own = cut && {
                let labels = layout.starts.count();
                starts.common(target.name, &layout.starts, layout.wire) == labels
            };
            let found = self.tree.find(self.input, self.groups, self.names, target.name, &starts);
            let found = found.map(|number| &self.tree.nodes[number as usize]);
            let found = found.filter(|found| found.types.has(TypeMask::ADDRESS));
            let Some(found) = found else {
                if own {
                    let problem = Problem::NoGlue { owner: name(layout.wire), target: name(target.name) };
                    let at = self.groups[node.first_group as usize];
                    self.segment.findings.push(self.input.finding(at, 0, problem));
                }
                continue;
            };
            let occluded = found.flags.has(NodeFlags::OCCLUDED);
            if occluded && rtype != RrType::NS {
                continue;
            }
            self.gather(found, |rtype| matches!(rtype, RrType::A | RrType::AAAA), &mut addresses);
            addresses.sort_by(|a, b| {
                (effective(a), a.rtype == RrType::RRSIG, a.rdata).cmp(&(
                    effective(b),
                    b.rtype == RrType::RRSIG,
                    b.rdata,
                ))
            });
            addresses.dedup_by(|b, a| a.rtype == b.rtype && a.rdata == b.rdata);
            for wanted in [RrType::A, RrType::AAAA] {
                let of_type = || addresses.iter().filter(|record| effective(record) == wanted);
                let ttl = of_type().filter(|record| record.rtype == wanted).map(|record| record.ttl).min();
                for record in of_type() {
                    let body = match record.rtype {
                        RrType::RRSIG if occluded => continue,
                        RrType::RRSIG => &mut signatures,
                        _ if own => &mut glue,
                        _ => &mut extra,
                    };
                    if body.octets.len() < MOST_EXTRA {
                        let ttl = ttl.unwrap_or(record.ttl);
                        body.plain(target.at, record.rtype, self.input.class, ttl, record.rdata);
                    }
                }
            }
        }
        for (kind, body) in [(Kind::Glue, &glue), (Kind::Extra, &extra), (Kind::ExtraSignatures, &signatures)]
        {
            if body.count > 0 {
                self.push(kind, RrType::A, body, layout.wire, &[]);
            }
        }
        self.extra = extra;
    }

    /// Where this name stands in the chain of NSEC3 records.
    fn links(&mut self, wire: &[u8]) {
        let Some((own, wildcard)) = self.chain.links(wire) else { return };
        let mut body = Body::default();
        body.octets.extend_from_slice(&own.to_le_bytes());
        body.octets.extend_from_slice(&wildcard.to_le_bytes());
        self.push(Kind::Link, RrType(0), &body, wire, &[]);
    }

    /// Add an entry to the directory and its body to the bodies.
    fn push(&mut self, kind: Kind, rtype: RrType, body: &Body, owner: &[u8], records: &[Record<'b>]) {
        if body.octets.len() > MOST_BODY {
            let problem = Problem::RrsetTooLarge { owner: name(owner), rtype };
            let at = records.first().map_or((0, self.groups[0]), |record| (record.line, record.at));
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

/// The type of a record, or the type that an RRSIG covers.
fn effective(record: &Record<'_>) -> RrType {
    if record.rtype == RrType::RRSIG { covered(record.rdata) } else { record.rtype }
}

fn name(wire: &[u8]) -> nw_wire::Name {
    NameRef::from_wire(wire).expect("owners and targets are valid names").to_name()
}

/// The order of RFC 4034 §6.3.
pub(crate) fn canonical_cmp(rtype: RrType, a: &[u8], b: &[u8]) -> Ordering {
    match rtype {
        RrType::A | RrType::AAAA | RrType::TXT | RrType::DS => a.cmp(b),
        // One name and nothing else; its length octets are no letters.
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
