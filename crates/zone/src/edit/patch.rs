//! A commit that renders only the nodes that it touches.
//!
//! ```text
//! changed names ─► touched names ─► rendered by the builder, in a zone of just these ─► delta of the next version
//! ```
//!
//! A change to a name touches the name and: the apex (serial); empty non-terminals above it that appear or disappear;
//! the parent of a wildcard; all names below it if it becomes or ceases to be a delegation or an owner of DNAME; and
//! the names whose answers contain its addresses. The builder receives these names with all their records, and the
//! context that it reads: the NS, DNAME and address records of their ancestors and of the names that they refer to.
//!
//! A commit that changes how the zone proves nonexistence, or that touches too much, returns None. Then the whole
//! zone is built.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use nw_wire::{Name, NameRef, RrType, Rrset};

use super::{Collector, ZoneEdit, kind};
use crate::batch::Batch;
use crate::build;
use crate::delta::{Changed, Delta, Member, View, most_changed, refers, short};
use crate::denial::{Denial, NO_LINK};
use crate::problem::{Findings, ZoneFileErrors};
use crate::store::{Node, NodeFlags, Zone};
use crate::suffix::LabelStarts;

/// A commit that renders only the nodes that it touches.
pub(super) struct Patch<'e> {
    edit: &'e ZoneEdit,
    view: View<'e>,
    apex: NameRef<'e>,
    most: usize,
    /// The changed names with all their records after the change.
    after: BTreeMap<Name, Vec<Rrset>>,
    touched: BTreeSet<Name>,
    /// Problems of single RRsets.
    findings: Findings,
}

/// The number of touched names exceeds the limit.
struct TooMany;

impl<'e> Patch<'e> {
    /// The patch for `edit`, or None if the whole zone must be built.
    ///
    /// `most`: maximum number of nodes that may differ from the store afterwards.
    pub(super) fn of(edit: &'e ZoneEdit, most: Option<usize>) -> Option<Patch<'e>> {
        let view = edit.base.view();
        let most = most.unwrap_or_else(|| most_changed(view.store.nodes()));
        if edit.changes.len() > most {
            return None;
        }
        let apex = edit.base.apex();
        let mut checked = Collector::new(apex, edit.base.class());
        for rrset in edit.changes.values().flatten() {
            checked.check(rrset);
        }
        let faulty = checked.findings.errors > 0;
        let mut after = BTreeMap::new();
        for (name, _, _) in edit.changes.keys() {
            if !after.contains_key(name) && name.as_ref().is_at_or_below(apex) {
                let mut rrsets = edit.rrsets_after(name.as_ref());
                if faulty {
                    rrsets.retain(|rrset| Collector::new(apex, edit.base.class()).check(rrset));
                }
                after.insert(name.clone(), rrsets);
            }
        }
        let touched = BTreeSet::new();
        let mut patch = Patch { edit, view, apex, most, after, touched, findings: checked.findings };
        if patch.changes_chain() {
            return None;
        }
        patch.touch_all().ok()?;
        Some(patch)
    }

    /// Whether the zone starts or stops proving nonexistence, or changes its method.
    fn changes_chain(&self) -> bool {
        let Some(after) = self.after.get(&self.apex.to_name()) else { return false };
        let before: Vec<Rrset> = self.rrsets_before(self.apex);
        let decides = |rrsets: &[Rrset]| -> Vec<Rrset> {
            let parameters = |set: &&Rrset| set.rtype == RrType::NSEC3PARAM;
            rrsets.iter().filter(parameters).cloned().collect()
        };
        let has = |rrsets: &[Rrset], rtype: RrType| rrsets.iter().any(|set| set.rtype == rtype);
        let unsigned = matches!(self.view.store.denial, Denial::Unsigned);
        decides(&before) != decides(after)
            || [RrType::NSEC, RrType::DNAME].iter().any(|&rtype| has(&before, rtype) != has(after, rtype))
            || (unsigned && self.edit.changes.keys().any(|key| key.1 == RrType::NSEC3))
    }

    fn rrsets_before(&self, name: NameRef<'_>) -> Vec<Rrset> {
        let class = self.edit.base.class();
        self.view.find_name(name).map(|node| node.rrsets(class).collect()).unwrap_or_default()
    }

    fn touch(&mut self, name: NameRef<'_>) -> Result<(), TooMany> {
        if self.touched.len() > self.most {
            return Err(TooMany);
        }
        self.touched.insert(name.to_name());
        Ok(())
    }

    /// Find all names whose node may differ.
    fn touch_all(&mut self) -> Result<(), TooMany> {
        self.touch(self.apex)?;
        let names: Vec<Name> = self.after.keys().cloned().collect();
        let shapes =
            |rrsets: &[Rrset]| rrsets.iter().any(|set| matches!(set.rtype, RrType::NS | RrType::DNAME));
        let addresses = |rrsets: &[Rrset]| -> Vec<Rrset> {
            let wanted = |set: &&Rrset| {
                let (rtype, covered) = kind(set);
                [rtype, covered].iter().any(|rtype| matches!(*rtype, RrType::A | RrType::AAAA))
            };
            rrsets.iter().filter(wanted).cloned().collect()
        };
        // The names whose addresses may differ, or whether answers may contain them.
        let mut targets = Vec::new();
        for name in &names {
            let name = name.as_ref();
            self.touch(name)?;
            self.touch_above(name)?;
            let before = self.rrsets_before(name);
            let after = &self.after[&name.to_name()];
            if addresses(&before) != addresses(after) {
                targets.push(name.to_name());
            }
            if shapes(&before) != shapes(after) && name != self.apex {
                if !addresses(after).is_empty() {
                    targets.push(name.to_name());
                }
                for node in self.view.below(name) {
                    let below = node.owner();
                    self.touch(below)?;
                    targets.push(below.to_name());
                }
            }
        }
        for target in targets {
            self.touch_referrers(target.as_ref())?;
        }
        Ok(())
    }

    /// Touch the ancestors of `name` that its appearance or removal can change.
    fn touch_above(&mut self, name: NameRef<'_>) -> Result<(), TooMany> {
        let mut below = name;
        while let Some(above) = below.parent().filter(|above| above.is_below(self.apex)) {
            let node = self.view.find_name(above);
            let empty = node.is_none_or(|node| node.sets().next().is_none());
            let cut = node.is_some_and(|node| node.flags().has(NodeFlags::CUT));
            if empty || cut || below.is_wildcard() {
                self.touch(above)?;
            }
            below = above;
        }
        Ok(())
    }

    /// Touch the names whose answers contain the addresses of `target`.
    fn touch_referrers(&mut self, target: NameRef<'_>) -> Result<(), TooMany> {
        let store = self.view.store;
        let starts = LabelStarts::of(target.wire());
        let hash = short(store.hash(target.wire(), &starts, starts.count()));
        for &place in store.referrers.to(hash) {
            let node = store.node(place);
            if refers(store, &node, hash) {
                self.touch(node.owner())?;
            }
        }
        for changed in self.view.changed().iter().filter(|changed| changed.targets.contains(&hash)) {
            self.touch(changed.node().owner())?;
        }
        Ok(())
    }

    /// Whether `name` exists in the zone after the change: it, or a name below it, has records (RFC 4592 §2.2.2).
    fn exists(&self, name: NameRef<'_>) -> bool {
        if name == self.apex {
            return true;
        }
        let owner = name.to_name();
        let has_records = match self.after.get(&owner) {
            Some(after) => !after.is_empty(),
            None => self.view.find_name(name).is_some_and(|node| node.sets().next().is_some()),
        };
        let mut changed_below =
            self.after.range(owner..).take_while(|(other, _)| other.as_ref().is_at_or_below(name));
        has_records
            || changed_below.any(|(_, after)| !after.is_empty())
            || self
                .view
                .below(name)
                .any(|node| node.sets().next().is_some() && !self.after.contains_key(&node.owner().to_name()))
    }

    /// All records of `name` after the change.
    fn rrsets(&self, name: &Name) -> Vec<Rrset> {
        match self.after.get(name) {
            Some(after) => after.clone(),
            None => self.rrsets_before(name.as_ref()),
        }
    }

    /// The records of `name` that the builder reads when it renders other names.
    fn support(&self, name: &Name) -> Vec<Rrset> {
        let mut rrsets = self.rrsets(name);
        rrsets.retain(|set| {
            let (rtype, covered) = kind(set);
            matches!(rtype, RrType::NS | RrType::DNAME | RrType::A | RrType::AAAA)
                || matches!(covered, RrType::A | RrType::AAAA)
        });
        rrsets
    }

    /// Make the next version, or return its problems. None if the whole zone must be built.
    pub(super) fn commit(mut self) -> Option<Result<Zone, ZoneFileErrors>> {
        let mut findings = std::mem::take(&mut self.findings);

        // RENDER the touched names that exist, with the context that the builder reads.
        let present: BTreeSet<&Name> =
            self.touched.iter().filter(|name| self.exists(name.as_ref())).collect();
        let groups = self.groups(&present);
        let mut batch = Batch::default();
        let apex_labels = self.view.store.apex_labels;
        for (name, rrsets) in &groups {
            let owner = self.view.find_name(name.as_ref()).map_or(name.as_ref(), |node| node.owner());
            batch.open(owner.wire(), apex_labels, 0);
            for rrset in rrsets {
                batch.push_set(rrset.rtype, rrset.ttl, &rrset.rdatas);
            }
        }
        let rendered = build::nodes(batch, self.apex, self.edit.base.class(), &mut findings);
        if findings.errors > 0 {
            let total = findings.errors;
            return Some(Err(ZoneFileErrors { findings: findings.in_order(), total }));
        }

        // DELTA: the changed nodes of the previous version, and these.
        let mut changed: BTreeMap<Name, Arc<Changed>> = BTreeMap::new();
        let mut records = self.edit.base.len();
        let store = self.view.store;
        for (name, node) in groups.keys().zip(rendered.nodes).filter(|(name, _)| present.contains(name)) {
            let before = self.view.find_name(name.as_ref()).map_or(0, |node| node.records());
            records = records + Node::new(&node.octets).records() - before;
            let hides = self.hides(name.as_ref());
            let node = Changed::present(node.octets, node.hash, hides, node.targets, store);
            changed.insert(name.clone(), Arc::new(node));
        }
        for name in self.touched.iter().filter(|name| !present.contains(name)) {
            records -= self.view.find_name(name.as_ref()).map_or(0, |node| node.records());
            let starts = LabelStarts::of(name.as_ref().wire());
            let hash = store.hash(name.as_ref().wire(), &starts, starts.count());
            let gone = Changed::gone(name.as_ref().wire(), hash, self.hides(name.as_ref()));
            changed.insert(name.clone(), Arc::new(gone));
        }
        let changed = self.merge(changed);
        if changed.len() > self.most {
            return None;
        }
        let delta = Delta::new(rendered.serial, records, changed);
        let next =
            Zone { store: Arc::clone(&self.edit.base.store), delta: Some(Arc::new(delta)), history: None };
        // The chain lost its last record: the zone no longer proves nonexistence.
        if next.is_signed() && next.view().chain_is_empty() {
            return None;
        }
        Some(Ok(next))
    }

    /// Each name that the builder needs, with its records.
    fn groups(&self, present: &BTreeSet<&Name>) -> BTreeMap<Name, Vec<Rrset>> {
        let mut groups: BTreeMap<Name, Vec<Rrset>> = BTreeMap::new();
        let mut around: BTreeSet<Name> = BTreeSet::new();
        for &name in present {
            let rrsets = self.rrsets(name);
            around.extend(self.above(name.as_ref()));
            if let Some(wildcard) = name.as_ref().with_label(b"*").map(|name| name.to_name())
                && self.exists(wildcard.as_ref())
            {
                around.insert(wildcard);
            }
            for set in &rrsets {
                for rdata in set.rdatas.iter() {
                    for field in nw_wire::rr::names(set.rtype, rdata).filter(|field| field.additional) {
                        let Ok(target) = NameRef::from_wire(&rdata[field.start..field.end]) else { continue };
                        let target = target.to_name();
                        if target.as_ref().is_below(self.apex) && !self.support(&target).is_empty() {
                            around.extend(self.above(target.as_ref()));
                            around.insert(target);
                        }
                    }
                }
            }
            groups.insert(name.clone(), rrsets);
        }
        for name in around {
            let support = self.support(&name);
            groups.entry(name).or_insert(support);
        }
        groups
    }

    /// The names between `name` and the apex.
    fn above(&self, name: NameRef<'_>) -> Vec<Name> {
        let mut above = Vec::new();
        let mut next = name.parent();
        while let Some(name) = next.filter(|name| name.is_below(self.apex)) {
            above.push(name.to_name());
            next = name.parent();
        }
        above
    }

    /// The number of `name` in the store's chain.
    fn hides(&self, name: NameRef<'_>) -> u32 {
        if let Some(changed) = self.view.changed_at(name) {
            return changed.hides;
        }
        let Some(node) = self.view.find_name(name) else { return NO_LINK };
        let store = self.view.store;
        let number = match (&store.denial, Member::of(store, &node)) {
            (Denial::Nsec(chain), Member::Nsec) => chain.search(store, name).ok(),
            (Denial::Nsec3(chain), Member::Nsec3(hash)) => chain.hashes.binary_search(&hash).ok(),
            _ => None,
        };
        number.map_or(NO_LINK, |number| number as u32)
    }

    /// The changed nodes of the previous version, with `newer` replacing them.
    fn merge(&self, newer: BTreeMap<Name, Arc<Changed>>) -> Vec<Arc<Changed>> {
        let (older, store) = (self.view.changed(), View { delta: None, ..self.view });
        let mut merged = Vec::with_capacity(older.len() + newer.len());
        let mut at = 0;
        for (name, node) in newer {
            let next = at + older[at..].partition_point(|changed| changed.node().owner() < name.as_ref());
            merged.extend(older[at..next].iter().cloned());
            at = next
                + usize::from(older.get(next).is_some_and(|changed| changed.node().owner() == name.as_ref()));
            // A removed name that is not in the store needs no entry.
            if node.exists || store.find_name(name.as_ref()).is_some() {
                merged.push(node);
            }
        }
        merged.extend(older[at..].iter().cloned());
        merged
    }
}
