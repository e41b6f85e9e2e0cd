//! The difference between two versions of a zone: what a journal keeps and what an IXFR sends (RFC 1995 §2).
//!
//! ```text
//! wire form: 1 | number of removed records | records | number of added records | records
//!            format octet                    the SOA first                       the SOA first
//! ```
//! A difference names both versions: the SOA of the older one is removed and that of the newer one is added, even if they are
//! equal. [`Zone::apply`] is strict. It refuses a difference that was made from other records, so that an error in a journal or
//! in a peer is found where it happens.

use std::fmt;

use nw_wire::{Class, Name, NameRef, RrType, Rrset};

use crate::build;
use crate::edit::{Serial, ZoneEdit, contains, kind};
use crate::problem::ZoneFileErrors;
use crate::records::{self, Reader, RecordsError};
use crate::store::Zone;

#[cfg(test)]
mod tests;

/// The first octet of the wire form.
const FORMAT: u8 = 1;

/// The records that differ between two versions of a zone. The SOA comes first on both sides, then
/// the others in canonical order, unless the difference was read from octets in another order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    removed: Vec<Rrset>,
    added: Vec<Rrset>,
}

/// Why octets are not a difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DifferenceError {
    /// The first octet is not a known format.
    Format(u8),
    /// The octets end before the records.
    Truncated {
        /// The number of octets.
        at: usize,
    },
    /// A record is malformed.
    Record(RecordsError),
    /// The first record of a side is not the only SOA of that side.
    NoSoa {
        /// The offset of the side.
        at: usize,
    },
    /// A record belongs to another zone than the first SOA.
    OtherZone {
        /// The offset of the side.
        at: usize,
        /// The owner.
        owner: Name,
    },
    /// Octets follow the last record.
    Trailing {
        /// The offset of these octets.
        at: usize,
    },
}

impl DifferenceError {
    /// The offset of the fault.
    pub fn at(&self) -> usize {
        match self {
            Self::Format(_) => 0,
            Self::Record(error) => error.at(),
            Self::Truncated { at }
            | Self::NoSoa { at }
            | Self::OtherZone { at, .. }
            | Self::Trailing { at } => *at,
        }
    }
}

impl fmt::Display for DifferenceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format(octet) => write!(f, "format {octet} of a difference is unknown; expected {FORMAT}"),
            Self::Truncated { at } => write!(f, "the difference ends at offset {at}, before its records"),
            Self::Record(error) => write!(f, "{error}"),
            Self::NoSoa { at } => write!(f, "the records at offset {at} do not begin with one SOA"),
            Self::OtherZone { owner, .. } => write!(f, "{owner} is not in the zone of the SOA"),
            Self::Trailing { at } => write!(f, "octets follow the last record at offset {at}"),
        }
    }
}

impl std::error::Error for DifferenceError {}

/// Why a difference does not fit a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApplyError {
    /// It is one of another zone.
    OtherZone(Name),
    /// It was made from a version with another serial.
    Serial {
        /// The serial of the version that it was made from.
        expected: u32,
        /// The serial of the zone.
        found: u32,
    },
    /// A removed record is not in the zone, or has another TTL.
    Missing(Name, RrType),
    /// An added record is in the zone already, or its RRset has another TTL.
    Present(Name, RrType),
    /// The result is not a zone.
    Zone(ZoneFileErrors),
}

impl fmt::Display for ApplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherZone(apex) => write!(f, "the difference is one of zone {apex}"),
            Self::Serial { expected, found } => {
                write!(f, "the difference was made from serial {expected}, but the zone has serial {found}")
            }
            Self::Missing(owner, rtype) => {
                write!(f, "the difference removes a record of {owner} {rtype} that the zone does not have")
            }
            Self::Present(owner, rtype) => {
                write!(
                    f,
                    "the difference adds a record of {owner} {rtype} that does not fit those of the zone"
                )
            }
            Self::Zone(errors) => write!(f, "the result is not a zone: {errors}"),
        }
    }
}

impl std::error::Error for ApplyError {}

impl Difference {
    /// A difference of its two sides, each with one SOA, which is the first.
    pub(crate) fn of(removed: Vec<Rrset>, added: Vec<Rrset>) -> Difference {
        Difference { removed, added }
    }

    /// The records that only the older version has, with its SOA.
    pub fn removed(&self) -> &[Rrset] {
        &self.removed
    }

    /// The records that only the newer version has, with its SOA.
    pub fn added(&self) -> &[Rrset] {
        &self.added
    }

    /// The name of the zone.
    pub fn apex(&self) -> NameRef<'_> {
        self.removed[0].owner.as_ref()
    }

    /// The class of the zone.
    pub fn class(&self) -> Class {
        self.removed[0].class
    }

    /// The serial of the older version.
    pub fn serial_before(&self) -> u32 {
        serial(&self.removed)
    }

    /// The serial of the newer version.
    pub fn serial_after(&self) -> u32 {
        serial(&self.added)
    }

    /// Whether both versions have the same records.
    pub fn is_empty(&self) -> bool {
        self.removed.len() == 1 && self.removed == self.added
    }

    /// The difference from the newer version to the older one.
    #[must_use]
    pub fn reversed(&self) -> Difference {
        Difference { removed: self.added.clone(), added: self.removed.clone() }
    }

    /// The length of the wire form.
    pub fn octets(&self) -> usize {
        9 + self.removed.iter().chain(&self.added).map(records::octets).sum::<usize>()
    }

    /// The wire form, which [`Difference::from_wire`] reads.
    pub fn wire(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.octets());
        out.push(FORMAT);
        for side in [&self.removed, &self.added] {
            let count: usize = side.iter().map(|rrset| rrset.rdatas.len()).sum();
            let count = u32::try_from(count).expect("a zone has fewer than 2^32 records");
            out.extend_from_slice(&count.to_be_bytes());
            side.iter().for_each(|rrset| records::write(rrset, &mut out));
        }
        out
    }

    /// Read the wire form.
    pub fn from_wire(bytes: &[u8]) -> Result<Difference, DifferenceError> {
        match bytes.first() {
            Some(&FORMAT) => {}
            Some(&other) => return Err(DifferenceError::Format(other)),
            None => return Err(DifferenceError::Truncated { at: 0 }),
        }
        let mut reader = Reader::new(bytes, 1);
        let removed = side(&mut reader, bytes.len())?;
        let at = reader.at();
        let added = side(&mut reader, bytes.len())?;
        if !reader.is_at_end() {
            return Err(DifferenceError::Trailing { at: reader.at() });
        }
        let (apex, class) = (&removed[0].owner, removed[0].class);
        if added[0].owner != *apex {
            return Err(DifferenceError::OtherZone { at, owner: added[0].owner.clone() });
        }
        for (at, rrset) in removed.iter().map(|rrset| (1, rrset)).chain(added.iter().map(|rrset| (at, rrset)))
        {
            if rrset.class != class || !rrset.owner.as_ref().is_at_or_below(apex.as_ref()) {
                return Err(DifferenceError::OtherZone { at, owner: rrset.owner.clone() });
            }
        }
        Ok(Difference { removed, added })
    }
}

/// Read one side of a difference: a count, and as many records, beginning with the SOA. `end`: the number of octets.
fn side(reader: &mut Reader<'_>, end: usize) -> Result<Vec<Rrset>, DifferenceError> {
    let at = reader.at();
    let count = reader.number().ok_or(DifferenceError::Truncated { at: end })?;
    let mut sets = Vec::new();
    for _ in 0..count {
        reader.record(&mut sets).map_err(DifferenceError::Record)?;
    }
    let is_soa = |rrset: &Rrset| rrset.rtype == RrType::SOA;
    let first = sets.first().is_some_and(|first| is_soa(first) && first.rdatas.len() == 1);
    if !first || sets[1..].iter().any(is_soa) {
        return Err(DifferenceError::NoSoa { at });
    }
    Ok(sets)
}

fn serial(side: &[Rrset]) -> u32 {
    build::soa_serial(side[0].rdatas.first().unwrap_or_default())
}

impl Zone {
    /// The difference that changes this zone into `newer`, another version of the same zone.
    pub fn difference(&self, newer: &Zone) -> Difference {
        let diff = self.diff(newer);
        let side = |zone: &Zone, mut rest: Vec<Rrset>| {
            rest.retain(|rrset| rrset.rtype != RrType::SOA);
            rest.sort_by(|a, b| a.owner.cmp(&b.owner).then_with(|| kind(a).cmp(&kind(b))));
            let soa = zone.rrset(zone.apex(), RrType::SOA).expect("every zone has an SOA");
            rest.insert(0, soa);
            rest
        };
        Difference { removed: side(self, diff.removed), added: side(newer, diff.added) }
    }

    /// The version that follows this one by `difference`.
    pub fn apply(&self, difference: &Difference) -> Result<Zone, ApplyError> {
        if difference.apex() != self.apex() || difference.class() != self.class() {
            return Err(ApplyError::OtherZone(difference.apex().to_name()));
        }
        let (expected, found) = (difference.serial_before(), self.serial());
        if expected != found {
            return Err(ApplyError::Serial { expected, found });
        }
        let mut edit = self.edit();
        edit.keep_signatures(difference.removed.iter().chain(&difference.added));
        for rrset in &difference.removed {
            let fits = |present: &Rrset| {
                present.ttl == rrset.ttl && rrset.rdatas.iter().all(|rdata| contains(present, rdata))
            };
            if !now(&edit, rrset).is_some_and(|present| fits(&present)) {
                return Err(ApplyError::Missing(rrset.owner.clone(), rrset.rtype));
            }
            edit.remove(rrset);
        }
        for rrset in &difference.added {
            let fits = |present: &Rrset| {
                present.ttl == rrset.ttl && !rrset.rdatas.iter().any(|rdata| contains(present, rdata))
            };
            if now(&edit, rrset).is_some_and(|present| !fits(&present)) {
                return Err(ApplyError::Present(rrset.owner.clone(), rrset.rtype));
            }
            edit.add(rrset);
        }
        edit.commit(Serial::Keep).map_err(ApplyError::Zone)
    }
}

/// The RRset that `edit` would leave where `rrset` is.
fn now(edit: &ZoneEdit, rrset: &Rrset) -> Option<Rrset> {
    let (rtype, covered) = kind(rrset);
    edit.rrset(rrset.owner.as_ref(), rtype, covered)
}
