//! Batches of records to a [`Zone`]: sort, find the shape, check, render.
//!
//! ```text
//! batches ─ sort ─► groups in canonical order ─ tree ─► nodes with parents, cuts, empty non-terminals
//!         ─ render (all threads, one segment each) ─► segments ─ index ─► Zone
//! ```
//!
//! This is where a zone is adjusted: what an answer needs to know about a name is found out here once, and everything
//! that it will say is rendered (see `node.rs`, `body.rs`).

mod body;
mod chain;
mod node;
mod tree;

use std::sync::Arc;

use nw_wire::{Class, NameRef, RrType};

use crate::batch::{Batch, Group};
use crate::problem::{Finding, Findings, Problem};
use crate::store::{Index, MOST_SEGMENT, MOST_SEGMENTS, Store, Zone, place};
pub(crate) use node::canonical_cmp;
use tree::Tree;

/// Zones with fewer nodes are rendered by one thread.
const LEAST_SHARE: usize = 4096;

/// Which group of which batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GroupRef {
    key: u128,
    batch: u32,
    group: u32,
}

/// The batches, read only, with what every step wants to know.
pub(crate) struct Input<'b> {
    pub(crate) batches: &'b [Batch],
    pub(crate) apex: NameRef<'b>,
    pub(crate) apex_labels: usize,
    pub(crate) class: Class,
    pub(crate) limit: usize,
}

impl<'b> Input<'b> {
    fn group(&self, at: GroupRef) -> (&'b Batch, &'b Group) {
        let batch = &self.batches[at.batch as usize];
        (batch, &batch.groups[at.group as usize])
    }

    fn owner(&self, at: GroupRef) -> &'b [u8] {
        let (batch, group) = self.group(at);
        batch.owner(group)
    }

    fn finding(&self, at: GroupRef, line: u32, problem: Problem) -> Finding {
        let (batch, group) = self.group(at);
        Finding { file: batch.files.get(group.file as usize).cloned(), line, column: 0, problem }
    }
}

/// Make a zone of all records in `batches`, or None if there are errors, now or from before.
pub(crate) fn zone(
    batches: Vec<Batch>,
    apex: NameRef<'_>,
    class: Class,
    workers: usize,
    findings: &mut Findings,
) -> Option<Zone> {
    let unread = findings.errors > 0;
    let input =
        Input { batches: &batches, apex, apex_labels: apex.label_count(), class, limit: findings.limit() };
    let groups = sorted(&input, workers);
    let tree = Tree::plant(&input, &groups);
    tree.check(&input, &groups, unread, findings);

    // RENDER: each thread takes a run of nodes and fills a segment of its own.
    let share = tree.nodes.len().div_ceil(workers.max(1)).max(LEAST_SHARE);
    let octets: usize = batches.iter().map(|batch| batch.data.len()).sum();
    // A node repeats its owner and the addresses of others; eight times is far beyond any honest zone.
    let share = share.min((tree.nodes.len() / (1 + octets.saturating_mul(8) / MOST_SEGMENT)).max(1));
    let ranges: Vec<_> = (0..tree.nodes.len())
        .step_by(share)
        .map(|start| start..(start + share).min(tree.nodes.len()))
        .collect();
    if ranges.len() > MOST_SEGMENTS {
        findings.push(Finding { file: None, line: 0, column: 0, problem: Problem::TooLarge });
        return None;
    }
    let names = tree.index();
    let chain = chain::Plan::of(&input, &groups, &tree);
    let shape = node::Shape { input: &input, groups: &groups, tree: &tree, names: &names, chain: &chain };
    let rendered: Vec<node::Segment> = if ranges.len() == 1 {
        vec![node::render(&shape, ranges[0].clone())]
    } else {
        std::thread::scope(|scope| {
            let threads: Vec<_> =
                ranges.iter().map(|range| scope.spawn(|| node::render(&shape, range.clone()))).collect();
            threads.into_iter().map(|thread| thread.join().expect("rendering does not panic")).collect()
        })
    };

    let mut places = vec![0u32; tree.nodes.len()];
    let mut segments = Vec::with_capacity(rendered.len());
    let mut records = 0;
    let mut serial = 0;
    for ((i, part), range) in rendered.into_iter().enumerate().zip(&ranges) {
        for (slot, offset) in places[range.clone()].iter_mut().zip(&part.offsets) {
            *slot = place(i, *offset as usize * 4);
        }
        if i == 0 {
            serial = part.serial;
        }
        records += part.records;
        if part.octets.len() > MOST_SEGMENT {
            findings.push(Finding { file: None, line: 0, column: 0, problem: Problem::TooLarge });
        }
        segments.push(part.octets.into_boxed_slice());
        findings.append(part.findings);
    }
    if findings.errors > 0 {
        return None;
    }

    let index = tree.place(names, &places);
    let store = Store {
        apex: apex.to_name(),
        apex_labels: input.apex_labels,
        class,
        serial,
        segments: segments.into_boxed_slice(),
        index,
        apex_place: places[0],
        records,
        denial: chain.finish(&input, &groups, &tree, &places),
    };
    Some(Zone { store: Arc::new(store) })
}

/// All groups with records, in canonical order of their owners; groups of one owner in the order of the file.
fn sorted(input: &Input<'_>, workers: usize) -> Vec<GroupRef> {
    let compare = |a: &GroupRef, b: &GroupRef| {
        a.key.cmp(&b.key).then_with(|| {
            if crate::suffix::whole(a.key) {
                return std::cmp::Ordering::Equal;
            }
            let name = |at: GroupRef| NameRef::from_wire(input.owner(at)).expect("owners are valid names");
            name(*a).cmp(&name(*b))
        })
    };
    let collect = |number: usize| {
        let batch = &input.batches[number];
        let mut refs: Vec<GroupRef> = batch
            .groups
            .iter()
            .enumerate()
            .filter(|(_, group)| group.types != Default::default())
            .map(|(i, group)| GroupRef { key: group.key, batch: number as u32, group: i as u32 })
            .collect();
        refs.sort_by(compare);
        refs
    };
    let count = input.batches.len();
    let runs: Vec<Vec<GroupRef>> = if workers > 1 && count > 1 {
        let next = std::sync::atomic::AtomicUsize::new(0);
        let mut runs: Vec<(usize, Vec<GroupRef>)> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..workers)
                .map(|_| {
                    scope.spawn(|| {
                        let mut mine = Vec::new();
                        loop {
                            let i = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                            if i >= count {
                                return mine;
                            }
                            mine.push((i, collect(i)));
                        }
                    })
                })
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().expect("sorting does not panic")).collect()
        });
        runs.sort_by_key(|run| run.0);
        runs.into_iter().map(|run| run.1).collect()
    } else {
        (0..count).map(collect).collect()
    };
    let mut all = Vec::with_capacity(runs.iter().map(Vec::len).sum());
    for run in runs {
        all.extend_from_slice(&run);
    }
    // The standard sort finds the sorted runs and merges them.
    all.sort_by(compare);
    all
}

/// The minimum of an SOA's rdata: its last field (RFC 1035 §3.3.13).
pub(crate) fn soa_minimum(rdata: &[u8]) -> u32 {
    rdata.last_chunk::<4>().map_or(0, |octets| u32::from_be_bytes(*octets))
}

/// The serial of an SOA's rdata.
pub(crate) fn soa_serial(rdata: &[u8]) -> u32 {
    rdata.last_chunk::<20>().map_or(0, |tail| u32::from_be_bytes([tail[0], tail[1], tail[2], tail[3]]))
}

/// The type that an RRSIG covers (RFC 4034 §3.1.1).
pub(crate) fn covered(rdata: &[u8]) -> RrType {
    rdata.first_chunk::<2>().map_or(RrType(0), |octets| RrType(u16::from_be_bytes(*octets)))
}

/// An empty index with room for `entries`.
pub(crate) fn empty_index(entries: usize) -> Vec<u64> {
    vec![0; Index::size_for(entries)]
}
