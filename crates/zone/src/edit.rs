//! Changes to a zone. File reloads, transfers and updates all produce a [`ZoneEdit`].
//!
//! A [`ZoneEdit`] collects changes to one zone. [`ZoneEdit::commit`] returns a new version. The old version does not
//! change and stays usable. [`Zone::diff`] is the inverse: it returns the records that differ between two versions,
//! as IXFR sends them.
//!
//! A commit renders the nodes that it touches (`edit/patch.rs`) and stores them in a delta next to the store that
//! all versions share (`delta.rs`). After too many changes, it builds a new store. [`Zone::fold`] does this in
//! advance, on a thread of the caller, and [`Zone::rebase`] updates the result. [`Zone::succeed`] compares the served
//! version with an independent one, such as a file that was read again, and keeps the store if few records differ.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use nw_wire::{Class, Name, NameRef, RdataSet, RrType, Rrset};

use crate::batch::Batch;
use crate::build;
use crate::build::rules::Which;
use crate::delta::most_changed;
use crate::problem::{Finding, Findings, Problem, ZoneFileErrors};
use crate::scan::{LoadOptions, is_data_type};
use crate::serial;
use crate::store::{EntryKind, Node, Zone};
use patch::Patch;

mod patch;
mod ring;
pub(crate) mod sign;
#[cfg(test)]
mod tests;

/// Maximum number of findings of an edit that are reported in full.
const MOST_FINDINGS: usize = 100;

/// An RRset within a zone: owner, type, and for RRSIG the type covered.
type Key = (Name, RrType, RrType);

/// The serial that a commit sets in the SOA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serial {
    /// The next serial, unless the edit put an SOA with a newer one.
    Next,
    /// The given serial.
    Set(u32),
    /// The serial in the SOA of the edit.
    Keep,
}

/// Uncommitted changes to a zone.
#[derive(Debug, Clone)]
pub struct ZoneEdit {
    base: Zone,
    /// None: deleted.
    changes: BTreeMap<Key, Option<Rrset>>,
}

/// The records that differ between two zones (RFC 1995 §2).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ZoneDiff {
    /// Records that only the older zone has.
    pub removed: Vec<Rrset>,
    /// Records that only the newer zone has.
    pub added: Vec<Rrset>,
}

impl ZoneDiff {
    /// Whether the zones are equal.
    pub fn is_empty(&self) -> bool {
        self.removed.is_empty() && self.added.is_empty()
    }

    /// Add the difference between two versions of one RRset.
    fn push(&mut self, before: Option<Rrset>, after: Option<Rrset>) {
        match (before, after) {
            (Some(older), Some(newer)) if older.ttl == newer.ttl => {
                self.removed.extend(without(&older, &newer));
                self.added.extend(without(&newer, &older));
            }
            // A new TTL changes all of the records.
            (before, after) => {
                self.removed.extend(before);
                self.added.extend(after);
            }
        }
    }
}

/// How many RRsets differ between two versions. The SOA counts if more than its serial differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChangeCounts {
    /// RRsets that only the newer version has.
    pub added: usize,
    /// RRsets that both versions have, with different records or TTLs.
    pub changed: usize,
    /// RRsets that only the older version has.
    pub removed: usize,
}

impl ChangeCounts {
    fn count(&mut self, before: Option<&Rrset>, after: Option<&Rrset>) {
        match (before, after) {
            (Some(older), Some(newer)) => self.changed += usize::from(!differs_in_serial_only(older, newer)),
            (Some(_), None) => self.removed += 1,
            (None, _) => self.added += 1,
        }
    }
}

/// Whether both are the SOA and differ only in the serial.
fn differs_in_serial_only(older: &Rrset, newer: &Rrset) -> bool {
    let without_serial = |rrset: &Rrset| {
        let mut rdata = rrset.rdatas.first().unwrap_or_default().to_vec();
        // The serial is the first of the five numbers at the end (RFC 1035 §3.3.13).
        if let Some(at) = rdata.len().checked_sub(20) {
            rdata[at..at + 4].fill(0);
        }
        rdata
    };
    older.rtype == RrType::SOA
        && older.ttl == newer.ttl
        && older.rdatas.len() == newer.rdatas.len()
        && build::canonical_cmp(RrType::SOA, &without_serial(older), &without_serial(newer))
            == Ordering::Equal
}

impl Zone {
    /// Start an edit of this zone.
    pub fn edit(&self) -> ZoneEdit {
        ZoneEdit { base: self.clone(), changes: BTreeMap::new() }
    }

    /// Build a zone from RRsets in any order. The error lists all problems.
    pub fn from_rrsets<'r>(
        apex: NameRef<'_>,
        class: Class,
        rrsets: impl IntoIterator<Item = &'r Rrset>,
    ) -> Result<Zone, ZoneFileErrors> {
        let mut collector = Collector::new(apex, class);
        for rrset in rrsets {
            collector.rrset(rrset);
        }
        collector.finish(LoadOptions::default().workers())
    }

    /// Whether enough has changed since the zone was built for [`Zone::fold`] to be worth its time.
    pub fn wants_fold(&self) -> bool {
        self.delta.is_some() && self.view().changed().len() >= most_changed(self.store.nodes()) / 4
    }

    /// The same zone with all nodes in one store. This costs as much as loading the zone, on the calling thread.
    #[must_use]
    pub fn fold(&self) -> Zone {
        if self.delta.is_none() {
            return self.clone();
        }
        let mut collector = Collector::new(self.apex(), self.class());
        for node in self.view().walk() {
            collector.node(&node);
        }
        // Every version passed the checks of the builder once. If one fails now, it stays unchanged.
        collector.finish(1).unwrap_or_else(|_| self.clone())
    }

    /// Apply the changes between `from` and `to` to this zone, which is the result of folding `from`.
    ///
    /// None if `to` has another store than `from`, or if the changes exceed the limit for keeping a store. In both
    /// cases `to` does not need the fold of `from`.
    pub fn rebase(&self, from: &Zone, to: &Zone) -> Option<Zone> {
        if !Arc::ptr_eq(&from.store, &to.store) {
            return None;
        }
        self.patched(&from.diff(to))
    }

    /// `newer` as the version that follows this one, and the number of RRsets that differ. None if no record differs.
    ///
    /// The version shares the store of this zone if few RRsets differ, and is `newer` otherwise. Both zones must have
    /// the same apex and class.
    pub fn succeed(&self, newer: &Zone) -> Option<(Zone, ChangeCounts)> {
        let mut counts = ChangeCounts::default();
        let most = most_changed(self.store.nodes());
        let mut diff = Some(ZoneDiff::default());
        let mut differs = false;
        self.each_difference(newer, |before, after| {
            differs = true;
            counts.count(before.as_ref(), after.as_ref());
            diff = diff.take().filter(|diff| diff.removed.len().max(diff.added.len()) < most);
            if let Some(diff) = &mut diff {
                diff.push(before, after);
            }
        });
        let zone = if Arc::ptr_eq(&self.store, &newer.store) {
            None
        } else {
            // A version that needs an immediate fold is worth less than `newer`, which needs none.
            diff.and_then(|diff| self.patched(&diff)).filter(|zone| !zone.wants_fold())
        };
        differs.then(|| (zone.unwrap_or_else(|| newer.clone()), counts))
    }

    /// This zone after `diff`, on the same store. None if this requires a new store.
    fn patched(&self, diff: &ZoneDiff) -> Option<Zone> {
        if diff.is_empty() {
            return Some(self.clone());
        }
        let mut edit = self.edit();
        edit.apply(diff);
        Patch::of(&edit, None).and_then(Patch::commit)?.ok()
    }

    /// The difference that changes this zone into `newer`.
    pub fn diff(&self, newer: &Zone) -> ZoneDiff {
        let mut diff = ZoneDiff::default();
        self.each_difference(newer, |before, after| diff.push(before, after));
        diff
    }

    /// Call `visit` with both versions of every RRset that differs between this zone and `newer`. RRSIGs are split by
    /// covered type.
    fn each_difference(&self, newer: &Zone, mut visit: impl FnMut(Option<Rrset>, Option<Rrset>)) {
        let class = self.class();
        let (older, newer) = (self.view(), newer.view());
        if std::ptr::eq(older.store, newer.store) {
            // Two versions on one store differ only in changed nodes, and share most of these.
            let (mut before, mut after) =
                (older.changed().iter().peekable(), newer.changed().iter().peekable());
            loop {
                let order = match (before.peek(), after.peek()) {
                    (None, None) => return,
                    (Some(_), None) => Ordering::Less,
                    (None, Some(_)) => Ordering::Greater,
                    (Some(a), Some(b)) if Arc::ptr_eq(a, b) => {
                        before.next();
                        after.next();
                        continue;
                    }
                    (Some(a), Some(b)) => a.node().owner().cmp(&b.node().owner()),
                };
                let a = if order.is_le() { before.next() } else { None };
                let b = if order.is_ge() { after.next() } else { None };
                let Some(name) = a.or(b).map(|changed| changed.node().owner()) else { return };
                compare(older.find_name(name).as_ref(), newer.find_name(name).as_ref(), class, &mut visit);
            }
        }
        let (mut before, mut after) = (older.walk().peekable(), newer.walk().peekable());
        loop {
            let order = match (before.peek(), after.peek()) {
                (None, None) => return,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(a), Some(b)) => a.owner().cmp(&b.owner()),
            };
            let a = if order.is_le() { before.next() } else { None };
            let b = if order.is_ge() { after.next() } else { None };
            compare(a.as_ref(), b.as_ref(), class, &mut visit);
        }
    }

    /// Write the zone as a master file: the SOA first, then every RRset in canonical order (RFC 1035 §5).
    pub fn write_text(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        for (i, node) in self.nodes().enumerate() {
            let soa_first = |rrset: &Rrset| i == 0 && rrset.rtype == RrType::SOA;
            for rrset in node.rrsets().filter(soa_first) {
                writeln!(out, "{rrset}")?;
            }
            for rrset in node.rrsets().filter(|rrset| !soa_first(rrset)) {
                writeln!(out, "{rrset}")?;
            }
        }
        Ok(())
    }

    /// [`Zone::write_text`] as a string.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        self.write_text(&mut text).expect("a string can be written to");
        text
    }
}

/// Visit the RRsets that differ between two nodes of one owner, or all RRsets if only one node exists.
fn compare(
    a: Option<&Node<'_>>,
    b: Option<&Node<'_>>,
    class: Class,
    visit: &mut impl FnMut(Option<Rrset>, Option<Rrset>),
) {
    if let (Some(a), Some(b)) = (a, b)
        && a.same_records(b)
    {
        return;
    }
    let sets = |node: Option<&Node<'_>>| -> BTreeMap<(RrType, RrType), Rrset> {
        node.into_iter().flat_map(|node| node.rrsets(class)).map(|rrset| (kind(&rrset), rrset)).collect()
    };
    let (mut before, after) = (sets(a), sets(b));
    for (key, newer) in after {
        match before.remove(&key) {
            None => visit(None, Some(newer)),
            Some(older) => {
                let differs = older.ttl != newer.ttl
                    || without(&older, &newer).is_some()
                    || without(&newer, &older).is_some();
                if differs {
                    visit(Some(older), Some(newer));
                }
            }
        }
    }
    before.into_values().for_each(|older| visit(Some(older), None));
}

/// The records of `of` that `other` does not have, compared in canonical form, or None if there are none.
fn without(of: &Rrset, other: &Rrset) -> Option<Rrset> {
    let rest: RdataSet = of.rdatas.iter().filter(|rdata| !contains(other, rdata)).collect();
    (!rest.is_empty()).then(|| Rrset { rdatas: rest, ..of.clone() })
}

/// Whether `set` has the record `rdata`, compared in canonical form.
pub(crate) fn contains(set: &Rrset, rdata: &[u8]) -> bool {
    set.rdatas.iter().any(|other| build::canonical_cmp(set.rtype, rdata, other) == Ordering::Equal)
}

/// The type, and the covered type for RRSIG.
pub(crate) fn kind(rrset: &Rrset) -> (RrType, RrType) {
    let covered = match rrset.rtype {
        RrType::RRSIG => build::covered(rrset.rdatas.first().unwrap_or_default()),
        _ => RrType(0),
    };
    (rrset.rtype, covered)
}

impl ZoneEdit {
    /// The zone that is being changed.
    pub fn base(&self) -> &Zone {
        &self.base
    }

    /// The RRset after the changes so far. RRSIGs are selected by covered type.
    pub fn rrset(&self, owner: NameRef<'_>, rtype: RrType, covered: RrType) -> Option<Rrset> {
        match self.changes.get(&(owner.to_name(), rtype, covered)) {
            Some(change) => change.clone(),
            None if rtype == RrType::RRSIG => self.base_signatures(owner, covered),
            None => self.base.rrset(owner, rtype),
        }
    }

    /// The types at `owner` after the changes so far. RRSIG stays while its RRset changes.
    pub(crate) fn types(&self, owner: NameRef<'_>) -> Vec<RrType> {
        let name = owner.to_name();
        let mut types = self.base_node(owner).map(|node| node.types()).unwrap_or_default();
        types.retain(|rtype| {
            *rtype == RrType::RRSIG || !self.changes.contains_key(&(name.clone(), *rtype, RrType(0)))
        });
        let range = (name.clone(), RrType(0), RrType(0))..=(name, RrType(u16::MAX), RrType(u16::MAX));
        types.extend(self.changes.range(range).filter(|(_, change)| change.is_some()).map(|(key, _)| key.1));
        types
    }

    /// Replace the existing RRset with `rrset`. An empty one deletes it. Signatures over a changed RRset are dropped
    /// unless they are put as well. RRSIGs replace those that cover the same type.
    pub fn put(&mut self, rrset: Rrset) -> &mut ZoneEdit {
        if rrset.rtype == RrType::RRSIG {
            let mut by_type: BTreeMap<RrType, RdataSet> = BTreeMap::new();
            for rdata in rrset.rdatas.iter() {
                by_type.entry(build::covered(rdata)).or_default().push(rdata);
            }
            for (covered, rdatas) in by_type {
                let set = Rrset { rdatas, ..rrset.clone() };
                self.changes.insert((rrset.owner.clone(), RrType::RRSIG, covered), Some(set));
            }
            return self;
        }
        let key = (rrset.owner.clone(), rrset.rtype, RrType(0));
        let value = (!rrset.rdatas.is_empty()).then_some(rrset);
        self.changes.insert(key, value);
        self
    }

    /// Delete the RRset of `rtype` at `owner` and its signatures. RRSIG deletes all signatures at `owner`.
    pub fn delete(&mut self, owner: NameRef<'_>, rtype: RrType) -> &mut ZoneEdit {
        if rtype == RrType::RRSIG {
            for covered in self.covered_at(owner) {
                self.changes.insert((owner.to_name(), rtype, covered), None);
            }
        } else {
            self.changes.insert((owner.to_name(), rtype, RrType(0)), None);
        }
        self
    }

    /// Delete all RRsets at `owner`.
    pub fn delete_name(&mut self, owner: NameRef<'_>) -> &mut ZoneEdit {
        let name = owner.to_name();
        for (key, change) in self.changes.range_mut((name.clone(), RrType(0), RrType(0))..) {
            if key.0 != name {
                break;
            }
            *change = None;
        }
        let types = self.base_node(owner).map(|node| node.types()).unwrap_or_default();
        for rtype in types {
            self.delete(owner, rtype);
        }
        self
    }

    /// Add the records of `rrset` to the existing ones. The TTL becomes that of `rrset` (RFC 2136 §3.4.2.2).
    pub fn add(&mut self, rrset: &Rrset) -> &mut ZoneEdit {
        for rrset in split(rrset) {
            let (rtype, covered) = kind(&rrset);
            let mut whole = rrset.clone();
            if let Some(present) = self.rrset(rrset.owner.as_ref(), rtype, covered) {
                for rdata in present.rdatas.iter() {
                    let known = rrset
                        .rdatas
                        .iter()
                        .any(|new| build::canonical_cmp(rtype, new, rdata) == Ordering::Equal);
                    if !known {
                        whole.rdatas.push(rdata);
                    }
                }
            }
            self.put(whole);
        }
        self
    }

    /// Remove the records of `rrset`. Ignores its TTL and records that do not exist.
    pub fn remove(&mut self, rrset: &Rrset) -> &mut ZoneEdit {
        for rrset in split(rrset) {
            let (rtype, covered) = kind(&rrset);
            if let Some(present) = self.rrset(rrset.owner.as_ref(), rtype, covered) {
                let rest = without(&present, &rrset);
                self.changes.insert((rrset.owner.clone(), rtype, covered), rest);
            }
        }
        self
    }

    /// Apply a difference that [`Zone::diff`] returned.
    pub fn apply(&mut self, diff: &ZoneDiff) -> &mut ZoneEdit {
        self.keep_signatures(diff.removed.iter().chain(&diff.added));
        for rrset in &diff.removed {
            self.remove(rrset);
        }
        for rrset in &diff.added {
            self.add(rrset);
        }
        self
    }

    /// Let the signatures of `changed` stay, regardless of changes to the RRsets: a difference contains what it changes.
    pub(crate) fn keep_signatures<'r>(&mut self, changed: impl Iterator<Item = &'r Rrset>) {
        for rrset in changed.filter(|rrset| rrset.rtype != RrType::RRSIG) {
            let key = (rrset.owner.clone(), RrType::RRSIG, rrset.rtype);
            if !self.changes.contains_key(&key)
                && let Some(signatures) = self.base_signatures(rrset.owner.as_ref(), rrset.rtype)
            {
                self.changes.insert(key, Some(signatures));
            }
        }
    }

    /// Return the zone with all changes. The error lists all problems.
    pub fn commit(self, serial: Serial) -> Result<Zone, ZoneFileErrors> {
        self.commit_within(serial, None)
    }

    /// As [`ZoneEdit::commit`], with another limit for the number of nodes that may differ from the store.
    pub(crate) fn commit_within(
        mut self,
        serial: Serial,
        most: Option<usize>,
    ) -> Result<Zone, ZoneFileErrors> {
        self.number(serial);
        match Patch::of(&self, most).and_then(Patch::commit) {
            Some(result) => result,
            None => self.rebuild(),
        }
    }

    /// All records of `owner` after the changes.
    fn rrsets_after(&self, owner: NameRef<'_>) -> Vec<Rrset> {
        let name = owner.to_name();
        let range = (name.clone(), RrType(0), RrType(0))..=(name, RrType(u16::MAX), RrType(u16::MAX));
        let (mut rrsets, mut replaced) = (Vec::new(), Vec::new());
        for (key, change) in self.changes.range(range) {
            replaced.push((key.1, key.2));
            rrsets.extend(change.clone().filter(|rrset| !rrset.rdatas.is_empty()));
        }
        for rrset in self.base_node(owner).into_iter().flat_map(|node| node.rrsets(self.base.class())) {
            let (rtype, covered) = kind(&rrset);
            let stale = rtype == RrType::RRSIG && replaced.contains(&(covered, RrType(0)));
            if !stale && !replaced.contains(&(rtype, covered)) {
                rrsets.push(rrset);
            }
        }
        rrsets
    }

    /// Build the whole zone with all changes.
    fn rebuild(self) -> Result<Zone, ZoneFileErrors> {
        let mut collector = Collector::new(self.base.apex(), self.base.class());
        let mut changes = self.changes.iter().peekable();
        let class = self.base.class();
        for node in self.base.view().walk() {
            let owner = node.owner();
            // CHANGES at names that the base does not have, and then at this one.
            while let Some((key, change)) = changes.next_if(|change| change.0.0.as_ref() < owner) {
                collector.change(key, change);
            }
            if changes.peek().is_none_or(|change| change.0.0.as_ref() != owner) {
                collector.node(&node);
                continue;
            }
            let mut replaced = Vec::new();
            while let Some((key, change)) = changes.next_if(|change| change.0.0.as_ref() == owner) {
                replaced.push((key.1, key.2));
                collector.change(key, change);
            }
            for rrset in node.rrsets(class) {
                let (rtype, covered) = kind(&rrset);
                let stale = rtype == RrType::RRSIG && replaced.contains(&(covered, RrType(0)));
                if !stale && !replaced.contains(&(rtype, covered)) {
                    collector.rrset(&rrset);
                }
            }
        }
        for (key, change) in changes {
            collector.change(key, change);
        }
        collector.finish(LoadOptions::default().workers())
    }

    /// Set the serial of the SOA.
    fn number(&mut self, serial: Serial) {
        let apex = self.base.apex().to_name();
        let Some(mut soa) = self.rrset(apex.as_ref(), RrType::SOA, RrType(0)) else { return };
        let Some(rdata) = soa.rdatas.first() else { return };
        let stated = build::soa_serial(rdata);
        let wanted = match serial {
            Serial::Keep => return,
            Serial::Set(wanted) => wanted,
            Serial::Next if serial::is_newer(stated, self.base.serial()) => return,
            Serial::Next => serial::next(self.base.serial()),
        };
        let mut rdata = rdata.to_vec();
        if let Some(at) = rdata.len().checked_sub(20) {
            rdata[at..at + 4].copy_from_slice(&wanted.to_be_bytes());
        }
        soa.rdatas = RdataSet::from_iter([rdata.as_slice()]);
        self.put(soa);
    }

    fn base_node(&self, owner: NameRef<'_>) -> Option<Node<'_>> {
        self.base.view().find_name(owner)
    }

    fn base_signatures(&self, owner: NameRef<'_>, covered: RrType) -> Option<Rrset> {
        // A changed RRset has lost its signatures of the base.
        if self.changes.contains_key(&(owner.to_name(), covered, RrType(0))) {
            return None;
        }
        let wanted = (RrType::RRSIG, covered);
        self.base_node(owner)?.rrsets(self.base.class()).find(|rrset| kind(rrset) == wanted)
    }

    /// The types that signatures at `owner` cover, before or after the changes.
    pub(crate) fn covered_at(&self, owner: NameRef<'_>) -> Vec<RrType> {
        let name = owner.to_name();
        let class = self.base.class();
        let changed =
            self.changes.keys().filter(|key| key.0 == name && key.1 == RrType::RRSIG).map(|key| key.2);
        let present =
            self.base_node(owner).into_iter().flat_map(|node| node.rrsets(class).collect::<Vec<_>>());
        let present = present.map(|rrset| kind(&rrset)).filter(|kind| kind.0 == RrType::RRSIG);
        changed.chain(present.map(|kind| kind.1)).collect()
    }
}

/// Split RRSIGs by covered type. Returns other RRsets unchanged.
fn split(rrset: &Rrset) -> Vec<Rrset> {
    if rrset.rtype != RrType::RRSIG {
        return vec![rrset.clone()];
    }
    let mut by_type: BTreeMap<RrType, RdataSet> = BTreeMap::new();
    for rdata in rrset.rdatas.iter() {
        by_type.entry(build::covered(rdata)).or_default().push(rdata);
    }
    by_type.into_values().map(|rdatas| Rrset { rdatas, ..rrset.clone() }).collect()
}

/// Collects RRsets into batches.
pub(crate) struct Collector<'a> {
    apex: NameRef<'a>,
    apex_labels: usize,
    class: Class,
    batches: Vec<Batch>,
    findings: Findings,
    last: Vec<u8>,
}

impl<'a> Collector<'a> {
    pub(crate) fn new(apex: NameRef<'a>, class: Class) -> Collector<'a> {
        Collector {
            apex,
            apex_labels: apex.label_count(),
            class,
            batches: vec![Batch::default()],
            findings: Findings::new(MOST_FINDINGS),
            last: Vec::new(),
        }
    }

    fn change(&mut self, _key: &Key, change: &Option<Rrset>) {
        if let Some(rrset) = change {
            self.rrset(rrset);
        }
    }

    /// The batch, with an open group for `owner`.
    fn open(&mut self, owner: &[u8]) -> &mut Batch {
        let full = self.batches.last().is_none_or(Batch::is_full);
        if full {
            self.batches.push(Batch::default());
        }
        let batch = self.batches.last_mut().expect("one was pushed if there was none");
        if full || self.last != owner {
            batch.open(owner, self.apex_labels, 0);
            self.last.clear();
            self.last.extend_from_slice(owner);
        }
        batch
    }

    /// Whether the zone may contain `rrset`. Problems are reported as findings.
    fn check(&mut self, rrset: &Rrset) -> bool {
        let problem = if !rrset.owner.as_ref().is_at_or_below(self.apex) {
            Some(Problem::OutOfZone { owner: rrset.owner.clone(), apex: self.apex.to_name() })
        } else if rrset.class != self.class {
            Some(Problem::Class { found: rrset.class, zone: self.class })
        } else if !is_data_type(rrset.rtype) {
            Some(Problem::MetaType(rrset.rtype))
        } else if rrset.rdatas.iter().any(|rdata| nw_wire::rr::check(rrset.rtype, rdata).is_err()) {
            Some(Problem::Form { owner: rrset.owner.clone(), rtype: rrset.rtype })
        } else {
            None
        };
        let faulty = problem.is_some();
        if let Some(problem) = problem {
            self.findings.push(Finding { file: None, line: 0, column: 0, problem });
        }
        !faulty
    }

    pub(crate) fn rrset(&mut self, rrset: &Rrset) {
        if self.check(rrset) {
            self.open(rrset.owner.as_ref().wire()).push_set(rrset.rtype, rrset.ttl, &rrset.rdatas);
        }
    }

    /// Add all records of a node of another zone, which are already checked.
    fn node(&mut self, node: &Node<'_>) {
        for entry in node.entries() {
            let rtype = match entry.kind {
                EntryKind::Set => entry.rtype,
                EntryKind::Signatures if !entry.negative => RrType::RRSIG,
                EntryKind::Orphans => RrType::RRSIG,
                _ => continue,
            };
            let batch = self.open(node.wire());
            entry.each_rdata(node.wire(), rtype, |rdata| {
                let at = batch.begin_record(rtype, entry.ttl(), 0);
                batch.data.extend_from_slice(rdata);
                batch.end_record(at, rtype);
            });
        }
    }

    pub(crate) fn finish(mut self, workers: usize) -> Result<Zone, ZoneFileErrors> {
        let zone =
            build::zone(self.batches, self.apex, self.class, workers, Which::Errors, &mut self.findings);
        let total = self.findings.errors;
        match zone {
            Some(zone) if total == 0 => Ok(zone),
            _ => Err(ZoneFileErrors { findings: self.findings.in_order(), total }),
        }
    }
}
