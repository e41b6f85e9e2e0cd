//! Mends a chain of proofs: which record names which next one, after members have come and gone.
//!
//! The chain before the change is a [`Ring`], which is searched and never copied. The work depends on the number of changed
//! members, not on the length of the chain.

use std::collections::{BTreeMap, BTreeSet};

/// A chain before a change. Its last member is followed by the first.
pub(super) trait Ring {
    /// What orders the members: names, or hashes of names.
    type Key: Ord + Clone;

    /// Whether `key` is a member.
    fn has(&self, key: &Self::Key) -> bool;

    /// The member before `key`, which need not be a member. None if the ring is empty.
    fn before(&self, key: &Self::Key) -> Option<Self::Key>;

    /// The key that the record of the member `key` names as the next one.
    fn next(&self, key: &Self::Key) -> Option<Self::Key>;
}

/// The members whose records change or may change, each with its next member. `after` says of some keys whether they are members
/// after the change; all others stay what they are. At least one member, such as the apex, stays.
pub(super) fn links<R: Ring>(ring: &R, after: &BTreeMap<R::Key, bool>) -> BTreeMap<R::Key, R::Key> {
    let present: BTreeSet<R::Key> =
        after.iter().filter(|(_, member)| **member).map(|(key, _)| key.clone()).collect();
    let mut mend = Mend { ring, after, present, kept: BTreeMap::new() };
    let mut links = BTreeMap::new();
    for (key, &member) in after {
        if member && let Some(next) = mend.following(key) {
            links.insert(key.clone(), next);
        }
        if member != ring.has(key)
            && let Some(previous) = mend.preceding(key)
            && !links.contains_key(&previous)
            && let Some(next) = mend.following(&previous)
        {
            links.insert(previous, next);
        }
    }
    links
}

struct Mend<'r, R: Ring> {
    ring: &'r R,
    after: &'r BTreeMap<R::Key, bool>,
    /// The keys of `after` that are members.
    present: BTreeSet<R::Key>,
    /// The last member before a key that leaves, among those of the ring that stay.
    kept: BTreeMap<R::Key, R::Key>,
}

impl<R: Ring> Mend<'_, R> {
    fn leaves(&self, key: &R::Key) -> bool {
        self.after.get(key) == Some(&false)
    }

    /// The member before `key` after the change.
    fn preceding(&mut self, key: &R::Key) -> Option<R::Key> {
        let new = self.present.range::<R::Key, _>(..key).next_back().or_else(|| self.present.last()).cloned();
        // Of the keys before `key`, the greatest; if there are none, the greatest of all.
        new.into_iter().chain(self.kept_before(key)).max_by_key(|found| (found < key, found.clone()))
    }

    /// The member before `key` in the ring that stays.
    fn kept_before(&mut self, key: &R::Key) -> Option<R::Key> {
        let (mut passed, mut at) = (Vec::new(), key.clone());
        let found = loop {
            at = self.ring.before(&at)?;
            if !self.leaves(&at) {
                break at;
            }
            if let Some(known) = self.kept.get(&at) {
                break known.clone();
            }
            if passed.len() > self.after.len() {
                return None;
            }
            passed.push(at.clone());
        };
        self.kept.extend(passed.into_iter().map(|key| (key, found.clone())));
        Some(found)
    }

    /// The member after `key` after the change.
    fn following(&self, key: &R::Key) -> Option<R::Key> {
        use std::ops::Bound::{Excluded, Unbounded};
        let order = |found: &R::Key| (found <= key, found.clone());
        let new = self
            .present
            .range::<R::Key, _>((Excluded(key), Unbounded))
            .next()
            .or_else(|| self.present.first());
        let new: Option<R::Key> = new.cloned();
        let mut old = match self.ring.has(key) {
            true => self.ring.next(key),
            false => self.ring.before(key).and_then(|before| self.ring.next(&before)),
        };
        let mut steps = 0;
        while let Some(found) = old.as_ref().filter(|found| self.leaves(found)) {
            // A new member comes first: how many leave behind it does not matter.
            if new.as_ref().is_some_and(|new| order(new) <= order(found)) || steps > self.after.len() {
                return new;
            }
            old = self.ring.next(found);
            steps += 1;
        }
        new.into_iter().chain(old).min_by_key(order)
    }
}
