//! What missing names and types are proved by: the validator's side of denial of existence.
//!
//! | question | function | RFCs |
//! |---|---|---|
//! | an answer is empty or NXDOMAIN: what do the records prove? | [`deny`] | 4035 §5.4, 5155 §8.4-8.7, 6840 §4 |
//! | a wildcard made the answer: is there no closer name? | [`expansion`] | 4035 §5.3.4, 5155 §8.8 |
//! | a referral has no DS: may it? | [`unsigned_delegation`] | 4035 §5.2, 5155 §8.9, 6840 §4.4 |
//!
//! The records passed in must have been verified, each with a signature of `zone` that no wildcard made
//! ([`Verified::wildcard`](crate::Verified) is None). The functions say what is proved; comparing that with the rcode
//! (NXDOMAIN needs [`Denial::NxDomain`], NOERROR one of the others) is the caller's.

mod nsec;
mod nsec3;

use std::fmt;

use nw_wire::rr::TypeBitmap;
use nw_wire::{NameRef, RrType};

use crate::nsec::Nsec;
use crate::nsec3::{Nsec3, Nsec3Limits};

/// The verified records of one kind that came with an answer.
#[derive(Clone, Copy, Debug)]
pub enum Evidence<'a> {
    /// NSEC records.
    Nsec(&'a [Nsec<'a>]),
    /// NSEC3 records, and what may be spent on them.
    Nsec3(&'a [Nsec3<'a>], Nsec3Limits),
}

/// What is proved about a name and a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// The name does not exist, and no wildcard could stand for it.
    NxDomain {
        /// How many labels its closest existing ancestor has.
        encloser: u8,
        /// The name falls into an opt-out span: it may exist as an unsigned delegation or above one, so that the
        /// answer is insecure, with NXDOMAIN as with NOERROR, and AD stays clear (RFC 5155 §9.2).
        opt_out: bool,
    },
    /// The name exists, if only with names below it, and the type does not; nor does a CNAME.
    NoData,
    /// A wildcard stands for the name, and it has not the type.
    WildcardNoData {
        /// How many labels the wildcard's parent has.
        encloser: u8,
        /// As for [`Denial::NxDomain`].
        opt_out: bool,
    },
    /// Nothing is proved but that the name, if it exists, is unsigned: it falls into an opt-out span. The
    /// answer is insecure (RFC 5155 §6, erratum 3441).
    OptOut,
}

/// What is proved about an answer that a wildcard made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expansion {
    /// The closer name falls into an opt-out span: the answer is insecure (RFC 5155 §9.2).
    pub opt_out: bool,
}

/// What is proved about a delegation without DS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsigned {
    /// The delegation is there, without DS.
    NoDs,
    /// The delegation falls into an opt-out span, where only unsigned ones may be.
    OptOut,
}

/// Why nothing is proved. An answer that lacks its proof is bogus, but for [`Unproved::InsecureIterations`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unproved {
    /// The name asked about lies outside the zone.
    OutOfZone,
    /// There is no record at all.
    NoRecords,
    /// No record matches or covers the name.
    NotCovered,
    /// The record at the name lists the type.
    TypeExists,
    /// The record at the name lists CNAME, which should have been followed (RFC 6840 §4.3).
    CnameExists,
    /// The record is the parent's, at a delegation: it says nothing about types other than DS, nor about names
    /// below (RFC 6840 §4.1). Also: it is at a DNAME, below which the zone has no names.
    AncestorDelegation,
    /// The record is the child's, from its apex: it says nothing about DS (RFC 6840 §4.4).
    ChildApex,
    /// The name does not exist, but a wildcard may stand for it.
    WildcardNotDenied,
    /// No ancestor of the name is proved to exist (RFC 5155 §8.3).
    NoClosestEncloser,
    /// An ancestor exists, but the next closer name is not covered (RFC 5155 §8.3).
    NextCloserNotCovered,
    /// A name closer than the wildcard exists, so that the wildcard should not have been used (RFC 4592 §3.3.1).
    CloserNameExists,
    /// The name is no delegation: the record has no NS bit (RFC 6840 §4.4).
    NotADelegation,
    /// The NSEC3 records are of several chains (RFC 5155 §8.2).
    MixedParameters,
    /// So many iterations that the zone counts as insecure (RFC 9276 §3.2). Nothing was hashed.
    InsecureIterations {
        /// How many.
        iterations: u16,
    },
    /// So many iterations that the answer counts as bogus (RFC 9276 §3.2). Nothing was hashed.
    BogusIterations {
        /// How many.
        iterations: u16,
    },
    /// More records or more hashing than the limits allow.
    TooMuchWork,
}

impl fmt::Display for Unproved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OutOfZone => "the name lies outside the zone",
            Self::NoRecords => "there is no NSEC or NSEC3 record",
            Self::NotCovered => "no record matches or covers the name",
            Self::TypeExists => "the record at the name lists the type",
            Self::CnameExists => "the record at the name lists CNAME",
            Self::AncestorDelegation => "the record is from a delegation or DNAME above",
            Self::ChildApex => "the record is from the apex of the child",
            Self::WildcardNotDenied => "a wildcard is not denied",
            Self::NoClosestEncloser => "no ancestor of the name is proved to exist",
            Self::NextCloserNotCovered => "the next closer name is not covered",
            Self::CloserNameExists => "a name closer than the wildcard exists",
            Self::NotADelegation => "the name is not a delegation",
            Self::MixedParameters => "the NSEC3 records are of several chains",
            Self::InsecureIterations { iterations } | Self::BogusIterations { iterations } => {
                return write!(f, "NSEC3 with {iterations} iterations");
            }
            Self::TooMuchWork => "the proof costs more than the limits allow",
        })
    }
}

impl std::error::Error for Unproved {}

/// Return what `evidence` of `zone` proves about the absence of `qtype` at `qname`.
///
/// ```
/// # use nw_dnssec::{deny, Denial, Evidence, Nsec};
/// # use nw_wire::{Name, RrType};
/// let [zone, a, next, name]: [Name; 4] =
///     ["example.", "a.example.", "d.example.", "b.example."].map(|n| n.parse().unwrap());
/// let rdata = [next.as_ref().wire(), &[0, 1, 0x40]].concat(); // the next name; A
/// let apex = [a.as_ref().wire(), &[0, 1, 0x22]].concat(); // NS, SOA
/// let records = [
///     Nsec::parse(a.as_ref(), &rdata).unwrap(),
///     Nsec::parse(zone.as_ref(), &apex).unwrap(),
/// ];
/// let proved = deny(zone.as_ref(), name.as_ref(), RrType::A, Evidence::Nsec(&records));
/// assert_eq!(proved, Ok(Denial::NxDomain { encloser: 1, opt_out: false }));
/// ```
pub fn deny(
    zone: NameRef<'_>,
    qname: NameRef<'_>,
    qtype: RrType,
    evidence: Evidence<'_>,
) -> Result<Denial, Unproved> {
    in_zone(qname, zone)?;
    match evidence {
        Evidence::Nsec(records) => nsec::deny(zone, qname, qtype, records),
        Evidence::Nsec3(records, limits) => {
            nsec3::Search::new(zone, qname, records, limits)?.deny(qname, qtype)
        }
    }
}

/// Check that no name closer to `qname` exists than the wildcard that answered it, whose parent has `encloser`
/// labels (the labels field of its RRSIG).
pub fn expansion(
    zone: NameRef<'_>,
    qname: NameRef<'_>,
    encloser: u8,
    evidence: Evidence<'_>,
) -> Result<Expansion, Unproved> {
    in_zone(qname, zone)?;
    let encloser = usize::from(encloser);
    if encloser >= qname.label_count() || encloser < zone.label_count() {
        return Err(Unproved::OutOfZone);
    }
    match evidence {
        Evidence::Nsec(records) => nsec::expansion(zone, qname, encloser, records),
        Evidence::Nsec3(records, limits) => {
            nsec3::Search::new(zone, qname, records, limits)?.expansion(qname, encloser)
        }
    }
}

/// Check that the delegation at `cut`, a name below the apex of `zone`, has no DS.
pub fn unsigned_delegation(
    zone: NameRef<'_>,
    cut: NameRef<'_>,
    evidence: Evidence<'_>,
) -> Result<Unsigned, Unproved> {
    in_zone(cut, zone)?;
    match evidence {
        Evidence::Nsec(records) => nsec::unsigned_delegation(zone, cut, records),
        Evidence::Nsec3(records, limits) => {
            nsec3::Search::new(zone, cut, records, limits)?.unsigned_delegation(cut)
        }
    }
}

/// Check that `name` lies in `zone`.
fn in_zone(name: NameRef<'_>, zone: NameRef<'_>) -> Result<(), Unproved> {
    if name.is_at_or_below(zone) { Ok(()) } else { Err(Unproved::OutOfZone) }
}

/// Tell whether a name with these types is a delegation, seen from its parent (RFC 6840 §4.1).
fn is_cut(types: TypeBitmap<'_>) -> bool {
    types.contains(RrType::NS) && !types.contains(RrType::SOA)
}

/// Check that the types at a name leave `qtype` out and that the record may speak about it.
fn lacks(types: TypeBitmap<'_>, qtype: RrType, at_root: bool) -> Result<(), Unproved> {
    if qtype == RrType::DS {
        // The root has no parent: its own record is all there is.
        if types.contains(RrType::SOA) && !at_root {
            return Err(Unproved::ChildApex);
        }
    } else if is_cut(types) {
        return Err(Unproved::AncestorDelegation);
    }
    if types.contains(qtype) || qtype == RrType::ANY {
        return Err(Unproved::TypeExists);
    }
    if types.contains(RrType::CNAME) && !matches!(qtype, RrType::NSEC | RrType::RRSIG) {
        return Err(Unproved::CnameExists);
    }
    Ok(())
}

/// Check that the types at a delegation say that it is one, without DS, from the parent's side.
fn lacks_ds(types: TypeBitmap<'_>) -> Result<Unsigned, Unproved> {
    if types.contains(RrType::SOA) {
        Err(Unproved::ChildApex)
    } else if types.contains(RrType::DS) {
        Err(Unproved::TypeExists)
    } else if !types.contains(RrType::NS) {
        Err(Unproved::NotADelegation)
    } else {
        Ok(Unsigned::NoDs)
    }
}

#[cfg(test)]
mod tests;
