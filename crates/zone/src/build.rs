//! Builds batches of records into a [`Zone`]: sorts, finds the shape, checks and renders them.
//!
//! ```text
//! batches ─ sort ─► groups in canonical order ─ tree ─► nodes with parents, cuts, empty non-terminals
//!         ─ render (all threads, one segment each) ─► segments ─ index ─► Zone
//! ```
//!
//! The build determines all properties of a name that answers need, and renders every RRset as answers contain it
//! (see `node.rs`, `body.rs`).

mod body;
mod chain;
mod node;
pub(crate) mod rules;
mod tree;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use nw_wire::{Class, NameRef, RrType};

use crate::batch::{Batch, Group};
use crate::delta::Referrers;
use crate::problem::{Finding, Findings, Problem};
use crate::store::{MOST_SEGMENT, MOST_SEGMENTS, Store, Zone, place};
pub(crate) use node::canonical_cmp;
use tree::{Part, Tree};

/// Zones with fewer groups of records are built in one part.
const LEAST_PART: usize = 16_384;

/// The index of a batch and of a group in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GroupRef {
    key: u128,
    batch: u32,
    group: u32,
}

/// The batches, read only, and the data that every step needs.
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

/// Make a zone of all records in `batches`, or return None if there are errors, old or new. `which` selects the
/// rules.
pub(crate) fn zone(
    batches: Vec<Batch>,
    apex: NameRef<'_>,
    class: Class,
    workers: usize,
    which: rules::Which,
    findings: &mut Findings,
) -> Option<Zone> {
    let unread = findings.errors > 0;
    let input =
        Input { batches: &batches, apex, apex_labels: apex.label_count(), class, limit: findings.limit() };

    // SORT and PLANT: each part of the zone separately.
    let borders = borders(&input, workers);
    let parts = in_parallel(workers, borders.len() - 1, |i| {
        let groups = sorted(&input, borders[i], borders[i + 1]);
        Part::plant(&input, groups)
    });
    if parts.len() > MOST_SEGMENTS {
        findings.push(Finding { file: None, line: 0, column: 0, problem: Problem::TooLarge });
        return None;
    }
    let tree = Tree::join(parts);
    tree.check(&input, unread, findings);

    // RENDER: each part fills its own segment.
    let names = tree.index(workers);
    rules::check(&input, &tree, &names, which, unread, workers, findings);
    let chain = chain::ChainPlan::of(&input, &tree);
    let shape = node::Shape { input: &input, tree: &tree, names: &names, chain: &chain };
    let rendered = in_parallel(workers, tree.parts.len(), |i| node::render(&shape, i));

    // PLACE: replace the numbers of nodes with their places.
    let mut places = roomy(tree.len());
    let mut segments = Vec::with_capacity(rendered.len());
    let mut references = Vec::with_capacity(rendered.len());
    let (mut records, serial) = (0, rendered[0].serial);
    for (i, mut segment) in rendered.into_iter().enumerate() {
        let base = places.len();
        places.extend(segment.offsets.iter().map(|&offset| place(i, offset as usize * 4)));
        for reference in &mut segment.references {
            reference.1 = places[base + reference.1 as usize];
        }
        references.push(segment.references);
        records += segment.records;
        if segment.octets.len() > MOST_SEGMENT {
            findings.push(Finding { file: None, line: 0, column: 0, problem: Problem::TooLarge });
        }
        segments.push(segment.octets.into_boxed_slice());
        findings.append(segment.findings);
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
        denial: chain.finish(&input, &tree, &places),
        referrers: Referrers::of(references.iter().flatten().copied()),
    };
    Some(Zone { store: Arc::new(store), delta: None, history: None })
}

/// A node that was rendered separately.
pub(crate) struct RenderedNode {
    pub(crate) octets: Box<[u8]>,
    pub(crate) hash: u64,
    /// Short hashes of the names whose addresses the renderer looked up.
    pub(crate) targets: Box<[u32]>,
}

/// What [`nodes`] returns.
pub(crate) struct RenderedNodes {
    /// One for each group of the batch.
    pub(crate) nodes: Vec<RenderedNode>,
    /// The serial of the SOA.
    pub(crate) serial: u32,
}

/// Render the nodes of some names of a zone as a build of the whole zone would, but without links to NSEC3 records.
///
/// `batch` has one group for each name, including the apex, in canonical order. A group without records is an empty
/// non-terminal. The batch contains the data that the nodes depend on: the ancestors of each name, an existing `*`
/// below it, and the names that its records refer to.
pub(crate) fn nodes(batch: Batch, apex: NameRef<'_>, class: Class, findings: &mut Findings) -> RenderedNodes {
    let groups = batch.groups.iter().enumerate().map(|(i, group)| GroupRef {
        key: group.key,
        batch: 0,
        group: i as u32,
    });
    let groups = groups.collect();
    let batches = [batch];
    let input =
        Input { batches: &batches, apex, apex_labels: apex.label_count(), class, limit: findings.limit() };
    let tree = Tree::join(vec![Part::plant(&input, groups)]);
    tree.check(&input, false, findings);
    let names = tree.index(1);
    rules::check(&input, &tree, &names, rules::Which::Errors, false, 1, findings);
    let chain = chain::ChainPlan::Unsigned;
    let segment = node::render(&node::Shape { input: &input, tree: &tree, names: &names, chain: &chain }, 0);
    findings.append(segment.findings);
    let mut nodes = Vec::new();
    let mut references = segment.references.iter().peekable();
    for (number, part, node) in tree.nodes() {
        let own = std::iter::from_fn(|| references.next_if(|reference| reference.1 == number));
        let targets = own.map(|reference| reference.0).collect();
        if node.groups > 0 {
            let at = number as usize;
            let ends =
                |at: usize| segment.offsets.get(at).map_or(segment.octets.len(), |&end| end as usize * 4);
            nodes.push(RenderedNode {
                octets: segment.octets[ends(at)..ends(at + 1)].into(),
                hash: part.hash(at),
                targets,
            });
        }
    }
    RenderedNodes { nodes, serial: segment.serial }
}

/// Sort keys that divide the zone into parts of about the same size. The first is 0, and part i extends from border i
/// to the next. No border divides the subtree of a child of the apex.
fn borders(input: &Input<'_>, workers: usize) -> Vec<Option<u128>> {
    let groups: usize = input.batches.iter().map(|batch| batch.groups.len()).sum();
    let octets: usize = input.batches.iter().map(|batch| batch.data.len()).sum();
    let parts = if workers == 1 { 1 } else { (groups / LEAST_PART).clamp(1, 2 * workers) };
    // A node repeats its owner and the addresses of others. A factor of eight far exceeds any realistic zone.
    let parts = parts.max(octets.saturating_mul(8) / MOST_SEGMENT).min(MOST_SEGMENTS);
    let step = (groups / (parts * 64)).max(1);
    let mut sample: Vec<u128> = input
        .batches
        .iter()
        .flat_map(|batch| batch.groups.iter().map(|group| group.key))
        .step_by(step)
        .collect();
    sample.sort_unstable();
    let mut borders: Vec<Option<u128>> = (1..parts)
        .map(|i| {
            let key = sample[i * sample.len() / parts];
            // The key of the child of the apex: all names below it sort after it.
            let label = key.to_be_bytes().iter().position(|&octet| octet == 0).unwrap_or(16);
            Some(key & !u128::MAX.checked_shr(8 * label as u32).unwrap_or(0))
        })
        .filter(|border| *border != Some(0))
        .collect();
    borders.insert(0, Some(0));
    borders.dedup();
    borders.push(None);
    borders
}

/// The groups whose keys are at least `from` and less than `to`, in canonical order of their owners. Groups of one
/// owner keep the order of the file.
fn sorted(input: &Input<'_>, from: Option<u128>, to: Option<u128>) -> Vec<GroupRef> {
    let total: usize = input.batches.iter().map(|batch| batch.groups.len()).sum();
    let mut groups = roomy(if to.is_none() && from == Some(0) { total } else { total / 2 });
    for (number, batch) in input.batches.iter().enumerate() {
        let within = |key| from.is_none_or(|from| key >= from) && to.is_none_or(|to| key < to);
        groups.extend(
            batch
                .groups
                .iter()
                .enumerate()
                .filter(|(_, group)| within(group.key) && group.types != Default::default())
                .map(|(i, group)| GroupRef { key: group.key, batch: number as u32, group: i as u32 }),
        );
    }
    groups.sort_by(|a, b| {
        a.key.cmp(&b.key).then_with(|| {
            if crate::suffix::whole(a.key) {
                return std::cmp::Ordering::Equal;
            }
            let name = |at: GroupRef| NameRef::from_wire(input.owner(at)).expect("owners are valid names");
            name(*a).cmp(&name(*b))
        })
    });
    groups
}

/// Do `work` for each number below `count`, on up to `workers` threads, and return the results in order.
pub(crate) fn in_parallel<T: Send>(workers: usize, count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    if workers <= 1 || count <= 1 {
        return (0..count).map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let run = || {
        let mut mine = Vec::new();
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            if i >= count {
                return mine;
            }
            mine.push((i, work(i)));
        }
    };
    let mut results = std::thread::scope(|scope| {
        let others: Vec<_> = (1..workers.min(count)).map(|_| scope.spawn(run)).collect();
        let mut results = run();
        for other in others {
            results.extend(other.join().expect("the work does not panic"));
        }
        results
    });
    results.sort_by_key(|result| result.0);
    results.into_iter().map(|result| result.1).collect()
}

/// A vector for `len` elements that is dropped when the zone is built. A large one has more capacity than the largest
/// block that allocators keep (32 MiB in glibc), so that its memory returns to the system. The surplus is never
/// touched and uses no memory.
pub(crate) fn roomy<T>(len: usize) -> Vec<T> {
    const SMALL: usize = 128 << 10;
    const LARGE: usize = 33 << 20;
    let octets = len * std::mem::size_of::<T>();
    Vec::with_capacity(if octets < SMALL { len } else { octets.max(LARGE) / std::mem::size_of::<T>() })
}

/// The MINIMUM field of an SOA's rdata, which is the last one (RFC 1035 §3.3.13).
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
