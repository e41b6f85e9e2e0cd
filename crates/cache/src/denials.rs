//! Validated NSEC and NSEC3 records of zones, in canonical order: what a resolver needs to deny names that it has not asked for
//! (RFC 8198).
//!
//! ```text
//! zone ─┬─ SOA         with its signatures, for the authority section
//!       ├─ NSEC        by owner name
//!       └─ NSEC3       by hash; all of one salt and number of iterations
//! ```
//!
//! Bounded in octets. When it is full, expired records go first, then every other record of the zone that has the most, so that a
//! zone that is denied at random fills its own share and not that of others.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use nw_wire::base::base32hex;
use nw_wire::code::RrType;
use nw_wire::hash::Keyed;
use nw_wire::name::{Name, NameRef};
use nw_wire::rrset::Rrset;

use crate::Micros;
use crate::delegation::octets_of;

/// A hashed owner name of NSEC3.
pub(crate) type Hash = [u8; 20];

/// The octets of maps and allocator for each record, and for each zone.
const OVERHEAD: usize = 120;

/// A validated RRset that denies something, followed by its signatures, or the SOA of its zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DenialRecord {
    /// The RRset and its signatures, with the TTLs that they had when they were stored.
    pub sets: Vec<Rrset>,
    /// When they were stored.
    pub stored: Micros,
    /// When they expire.
    pub expires: Micros,
}

impl DenialRecord {
    /// The RRsets with the TTLs that are left at `now`.
    pub fn aged(&self, now: Micros) -> Vec<Rrset> {
        let left = self.left_s(now);
        let mut sets = self.sets.clone();
        sets.iter_mut().for_each(|set| set.ttl = set.ttl.min(left));
        sets
    }

    /// The remaining lifetime in seconds.
    pub fn left_s(&self, now: Micros) -> u32 {
        u32::try_from(self.expires.saturating_sub(now) / 1_000_000).unwrap_or(u32::MAX)
    }

    fn octets(&self) -> usize {
        OVERHEAD + size_of::<DenialRecord>() + self.sets.iter().map(octets_of).sum::<usize>()
    }
}

/// A denial record with its place in the zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DenialKey {
    /// The SOA of the zone.
    Soa,
    /// An NSEC record.
    Nsec(Name),
    /// An NSEC3 record, and the part of its rdata that says how its zone hashes names: algorithm, iterations, salt.
    Nsec3([u8; 20], Vec<u8>),
}

impl DenialKey {
    /// The place of the record in `sets`, which begin with its RRset. None: it denies nothing, or its owner is no hash.
    pub(crate) fn of(sets: &[Rrset]) -> Option<DenialKey> {
        let set = sets.first()?;
        Some(match set.rtype {
            RrType::SOA => DenialKey::Soa,
            RrType::NSEC => DenialKey::Nsec(set.owner.clone()),
            RrType::NSEC3 => {
                // Algorithm, flags, iterations, salt (RFC 5155 §3.2).
                let (&[algorithm, _, high, low, length], rest) = set.rdatas.first()?.split_first_chunk()?;
                let salt = rest.get(..length.into())?;
                let mut hash = Vec::with_capacity(size_of::<Hash>());
                base32hex(set.owner.as_ref().first_label()?, &mut hash).ok()?;
                DenialKey::Nsec3(hash.try_into().ok()?, [&[algorithm, high, low], salt].concat())
            }
            _ => return None,
        })
    }
}

/// What is known of a zone as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DenialZone {
    /// Its SOA, which no answer of a wildcard brings.
    pub soa: Option<Arc<DenialRecord>>,
    /// How it hashes names, if it does: algorithm, iterations, salt.
    pub hashing: Option<Vec<u8>>,
}

/// The records of one zone.
#[derive(Default)]
struct Zone {
    soa: Option<Arc<DenialRecord>>,
    nsec: BTreeMap<Name, Arc<DenialRecord>>,
    nsec3: BTreeMap<Hash, Arc<DenialRecord>>,
    hashing: Vec<u8>,
    octets: usize,
}

impl Zone {
    fn len(&self) -> usize {
        self.nsec.len() + self.nsec3.len()
    }

    /// Keep the records for which `wanted` returns true, and return how many were removed.
    fn retain(&mut self, mut wanted: impl FnMut(&DenialRecord) -> bool) -> usize {
        let before = self.len();
        self.nsec.retain(|_, record| wanted(record));
        self.nsec3.retain(|_, record| wanted(record));
        self.count();
        before - self.len()
    }

    fn count(&mut self) {
        let all = self.soa.iter().chain(self.nsec.values()).chain(self.nsec3.values());
        self.octets = OVERHEAD + self.hashing.len() + all.map(|record| record.octets()).sum::<usize>();
    }
}

/// The records of all zones of one shard.
pub(crate) struct Denials {
    zones: HashMap<(u16, Name), Zone, Keyed>,
    octets: usize,
    most: usize,
}

impl Denials {
    /// At most `most` octets.
    pub(crate) fn new(most: usize) -> Denials {
        Denials { zones: HashMap::with_hasher(Keyed), octets: 0, most }
    }

    fn zone(&self, view: u16, zone: NameRef<'_>) -> Option<&Zone> {
        if self.zones.is_empty() {
            return None;
        }
        self.zones.get(&(view, zone.to_name()))
    }

    /// Store a record of `zone`.
    pub(crate) fn put(
        &mut self,
        view: u16,
        zone: NameRef<'_>,
        key: DenialKey,
        record: DenialRecord,
        now: Micros,
    ) {
        let octets = record.octets();
        if octets > self.most / 4 {
            return;
        }
        if self.octets + octets + OVERHEAD > self.most {
            self.make_room(octets + OVERHEAD, now);
        }
        let entry = self.zones.entry((view, zone.to_name())).or_default();
        let before = entry.octets;
        let record = Arc::new(record);
        match key {
            DenialKey::Soa => entry.soa = Some(record),
            DenialKey::Nsec(owner) => _ = entry.nsec.insert(owner, record),
            DenialKey::Nsec3(hash, hashing) => {
                if entry.hashing != hashing {
                    entry.nsec3.clear();
                    entry.hashing = hashing;
                    entry.count();
                }
                entry.nsec3.insert(hash, record);
            }
        }
        // A record that was replaced is counted twice until the zone is next counted.
        entry.octets += octets;
        let after = entry.octets;
        self.octets = self.octets + after - before;
    }

    /// Store a record of `zone` unless a later one has its place, or the zone hashes names in another way now. Returns whether it was
    /// stored.
    pub(crate) fn restore(
        &mut self,
        view: u16,
        zone: NameRef<'_>,
        key: DenialKey,
        record: DenialRecord,
        now: Micros,
    ) -> bool {
        if let Some(known) = self.zone(view, zone) {
            let there = match &key {
                DenialKey::Soa => known.soa.as_ref(),
                DenialKey::Nsec(owner) => known.nsec.get(owner),
                DenialKey::Nsec3(_, hashing) if !known.nsec3.is_empty() && known.hashing != *hashing => {
                    return false;
                }
                DenialKey::Nsec3(hash, _) => known.nsec3.get(hash),
            };
            if there.is_some_and(|there| there.stored >= record.stored) {
                return false;
            }
        }
        self.put(view, zone, key, record, now);
        true
    }

    /// The records that have not expired, with view and zone.
    pub(crate) fn records(&self, now: Micros) -> Vec<(u16, Name, Arc<DenialRecord>)> {
        let all = self.zones.iter().flat_map(|((view, name), zone)| {
            let records = zone.soa.iter().chain(zone.nsec.values()).chain(zone.nsec3.values());
            records.map(|record| (*view, name.clone(), Arc::clone(record)))
        });
        all.filter(|(.., record)| now < record.expires).collect()
    }

    /// What is known of `zone` as a whole.
    pub(crate) fn known(&self, view: u16, zone: NameRef<'_>, now: Micros) -> Option<DenialZone> {
        let zone = self.zone(view, zone)?;
        let soa = zone.soa.clone().filter(|soa| now < soa.expires);
        let hashing = (!zone.nsec3.is_empty()).then(|| zone.hashing.clone());
        Some(DenialZone { soa, hashing })
    }

    /// The NSEC record at `name`, or the last one before it, unless it has expired.
    pub(crate) fn nsec(
        &self,
        view: u16,
        zone: NameRef<'_>,
        name: NameRef<'_>,
        now: Micros,
    ) -> Option<Arc<DenialRecord>> {
        let (_, record) = self.zone(view, zone)?.nsec.range(..=name.to_name()).next_back()?;
        Some(Arc::clone(record)).filter(|record| now < record.expires)
    }

    /// The NSEC3 record with `hash`, or the last one before it in the circle of hashes, unless it has expired.
    pub(crate) fn nsec3(
        &self,
        view: u16,
        zone: NameRef<'_>,
        hash: &Hash,
        now: Micros,
    ) -> Option<Arc<DenialRecord>> {
        let known = &self.zone(view, zone)?.nsec3;
        let (_, record) = known.range(..=*hash).next_back().or_else(|| known.last_key_value())?;
        Some(Arc::clone(record)).filter(|record| now < record.expires)
    }

    /// Remove what may deny `name`, with `below` also what may deny names below it, and return how many records that were.
    pub(crate) fn flush(&mut self, name: NameRef<'_>, below: bool) -> usize {
        let mut count = 0;
        for ((_, apex), zone) in &mut self.zones {
            let apex = apex.as_ref();
            if below && apex.is_at_or_below(name) {
                count += zone.retain(|_| false);
            } else if name.is_at_or_below(apex) {
                // The span of an NSEC record ends where the next one begins, which may not be known. Hashes are not compared.
                let last = zone.nsec.range(..=name.to_name()).next_back().map(|(owner, _)| owner.clone());
                let before = zone.len();
                zone.nsec.retain(|owner, _| {
                    let about = owner.as_ref().is_at_or_below(name);
                    Some(owner) != last.as_ref() && !(below && about)
                });
                zone.nsec3.clear();
                count += before - zone.len();
                zone.count();
            }
        }
        self.recount();
        count
    }

    /// Remove everything.
    pub(crate) fn clear(&mut self) {
        self.zones.clear();
        self.octets = 0;
    }

    /// Call `change` with all records, of which the octets stay the same.
    pub(crate) fn change(&mut self, change: impl Fn(&mut Arc<DenialRecord>)) {
        for zone in self.zones.values_mut() {
            zone.soa
                .iter_mut()
                .chain(zone.nsec.values_mut())
                .chain(zone.nsec3.values_mut())
                .for_each(&change);
        }
    }

    /// The number of records.
    pub(crate) fn len(&self) -> usize {
        self.zones.values().map(Zone::len).sum()
    }

    /// The octets in use.
    pub(crate) fn octets(&self) -> usize {
        self.octets
    }

    fn recount(&mut self) {
        self.zones.retain(|_, zone| zone.len() > 0);
        self.octets = self.zones.values().map(|zone| zone.octets).sum();
    }

    fn make_room(&mut self, needed: usize, now: Micros) {
        for zone in self.zones.values_mut() {
            zone.retain(|record| now < record.expires);
        }
        self.recount();
        while self.octets + needed > self.most && !self.zones.is_empty() {
            let largest = self.zones.values_mut().max_by_key(|zone| zone.octets);
            let mut turn = false;
            largest.expect("there is a zone").retain(|_| {
                turn = !turn;
                turn
            });
            let all_small = self.zones.values().all(|zone| zone.len() < 2);
            if all_small {
                self.zones.retain(|_, _| {
                    turn = !turn;
                    turn
                });
            }
            self.recount();
        }
    }
}

#[cfg(test)]
mod tests;
