//! The set of zones that a server answers for.
//!
//! A set never changes; [`Zones::with`] and [`Zones::without`] make another that shares all but one of 256 shards with the old
//! one, so that a change to one zone among 10,000 costs one small table.

use std::fmt;
use std::sync::Arc;

use nw_wire::{NameRef, RrType};

use crate::store::Zone;
use crate::suffix::{LabelStarts, START, eq_folded, extend};

#[cfg(test)]
mod tests;

const SHARDS: usize = 256;

/// An immutable set of zones, found by the longest match of their names.
#[derive(Clone, Default)]
pub struct Zones {
    /// By the upper bits of the hash of the apex; empty for an empty set.
    shards: Arc<[Arc<Shard>]>,
    len: usize,
    /// Bit n: some apex has n labels (0 to 127).
    depths: u128,
    /// The zone, when there is one and nothing needs to be searched.
    only: Option<Zone>,
}

/// Zones in the order of their hashes.
#[derive(Default)]
struct Shard {
    zones: Vec<(u64, Zone)>,
}

impl Shard {
    fn search(&self, hash: u64, wire: &[u8]) -> Result<usize, usize> {
        let start = self.zones.partition_point(|entry| entry.0 < hash);
        let mut at = start;
        while let Some(entry) = self.zones.get(at).filter(|entry| entry.0 == hash) {
            if eq_folded(entry.1.apex().wire(), wire) {
                return Ok(at);
            }
            at += 1;
        }
        Err(start)
    }
}

impl Zones {
    /// No zone.
    pub fn new() -> Zones {
        Zones::default()
    }

    /// How many zones there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All zones, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Zone> {
        self.shards.iter().flat_map(|shard| shard.zones.iter().map(|entry| &entry.1))
    }

    /// The zone with exactly this apex.
    pub fn get(&self, apex: NameRef<'_>) -> Option<&Zone> {
        self.at(hash(apex), apex.wire())
    }

    /// The zone whose apex is `name` or the closest above it (RFC 1034 §4.3.2 step 2).
    #[inline]
    pub fn closest(&self, name: NameRef<'_>) -> Option<&Zone> {
        if self.len == 0 {
            return None;
        }
        if let Some(zone) = &self.only {
            return name.is_at_or_below(zone.apex()).then_some(zone);
        }
        let wire = name.wire();
        let starts = LabelStarts::of(wire);
        // A name has at most 127 labels.
        let mut depths = self.depths & (u128::MAX >> (127 - starts.count()));
        // Zones stand at few depths: hashing each suffix by itself is less work than keeping all hashes.
        while depths != 0 {
            let depth = 127 - depths.leading_zeros() as usize;
            let hash = (1..=depth).fold(START, |hash, n| extend(hash, starts.label(wire, n)));
            if let Some(zone) = self.at(hash, &wire[starts.suffix(depth)..]) {
                return Some(zone);
            }
            depths &= !(1 << depth);
        }
        None
    }

    /// The zone that answers a question for `qname` and `qtype`: the closest one, but for DS at an apex the parent's, if
    /// it is here too (RFC 4035 §3.1.4.1).
    #[inline]
    pub fn find(&self, qname: NameRef<'_>, qtype: RrType) -> Option<&Zone> {
        let closest = self.closest(qname)?;
        if qtype == RrType::DS && closest.apex().wire().len() == qname.wire().len() {
            let above = qname.parent().and_then(|parent| self.closest(parent));
            return above.or(Some(closest));
        }
        Some(closest)
    }

    /// The set with `zone` in it, in place of one with the same apex.
    #[must_use]
    pub fn with(&self, zone: Zone) -> Zones {
        let hash = hash(zone.apex());
        let depth = 1 << zone.apex().label_count();
        let mut len = self.len;
        let shards = self.changed(hash, |zones| match zones.search(hash, zone.apex().wire()) {
            Ok(at) => zones.zones[at].1 = zone,
            Err(at) => {
                zones.zones.insert(at, (hash, zone));
                len += 1;
            }
        });
        Zones::of(shards, len, self.depths | depth)
    }

    /// The set without the zone `apex`.
    #[must_use]
    pub fn without(&self, apex: NameRef<'_>) -> Zones {
        let hash = hash(apex);
        if self.at(hash, apex.wire()).is_none() {
            return self.clone();
        }
        let shards = self.changed(hash, |zones| {
            if let Ok(at) = zones.search(hash, apex.wire()) {
                zones.zones.remove(at);
            }
        });
        // A depth that no zone has any more costs a look-up, not an answer.
        Zones::of(shards, self.len - 1, self.depths)
    }

    fn of(shards: Arc<[Arc<Shard>]>, len: usize, depths: u128) -> Zones {
        let mut zones = Zones { shards, len, depths, only: None };
        zones.only = if len == 1 { zones.iter().next().cloned() } else { None };
        zones
    }

    fn changed(&self, hash: u64, change: impl FnOnce(&mut Shard)) -> Arc<[Arc<Shard>]> {
        let mut shards: Vec<Arc<Shard>> = if self.shards.is_empty() {
            let empty = Arc::new(Shard::default());
            vec![empty; SHARDS]
        } else {
            self.shards.to_vec()
        };
        let slot = &mut shards[(hash >> 56) as usize];
        let mut shard = Shard { zones: slot.zones.clone() };
        change(&mut shard);
        *slot = Arc::new(shard);
        shards.into()
    }

    #[inline]
    fn at(&self, hash: u64, wire: &[u8]) -> Option<&Zone> {
        let shard = self.shards.get((hash >> 56) as usize)?;
        shard.search(hash, wire).ok().map(|at| &shard.zones[at].1)
    }
}

fn hash(name: NameRef<'_>) -> u64 {
    let starts = LabelStarts::of(name.wire());
    (1..=starts.count()).fold(START, |hash, n| extend(hash, starts.label(name.wire(), n)))
}

impl FromIterator<Zone> for Zones {
    fn from_iter<I: IntoIterator<Item = Zone>>(zones: I) -> Zones {
        let mut shards: Vec<Shard> = (0..SHARDS).map(|_| Shard::default()).collect();
        let (mut len, mut depths) = (0, 0);
        for zone in zones {
            let hash = hash(zone.apex());
            depths |= 1 << zone.apex().label_count();
            let shard = &mut shards[(hash >> 56) as usize];
            match shard.search(hash, zone.apex().wire()) {
                Ok(at) => shard.zones[at].1 = zone,
                Err(at) => {
                    shard.zones.insert(at, (hash, zone));
                    len += 1;
                }
            }
        }
        Zones::of(shards.into_iter().map(Arc::new).collect(), len, depths)
    }
}

impl fmt::Debug for Zones {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(|zone| zone.apex())).finish()
    }
}
