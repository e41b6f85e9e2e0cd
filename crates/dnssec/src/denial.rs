//! Denial of existence, as a validator checks it: which names and types do NSEC and NSEC3 records prove missing?
//!
//! | question | function | RFCs |
//! |---|---|---|
//! | an answer is empty or NXDOMAIN: what do the records prove? | [`deny`] | 4035 §5.4, 5155 §8.4-8.7, 6840 §4 |
//! | an answer was expanded from a wildcard: is there no closer name? | [`expansion`] | 4035 §5.3.4, 5155 §8.8 |
//! | a referral has no DS: is the delegation unsigned? | [`unsigned_delegation`] | 4035 §5.2, 5155 §8.9, 6840 §4.4 |
//!
//! The caller must have verified the records. Each needs a signature of `zone` that is not expanded from a wildcard
//! ([`Verified::wildcard`](crate::Verified) is None). The functions return what is proved. The caller compares it
//! with the rcode: NXDOMAIN needs [`Denial::NxDomain`], NOERROR needs one of the others, and [`Denial::Compact`] fits both.

mod nsec;
mod nsec3;

use std::fmt;

use nw_wire::rr::TypeBitmap;
use nw_wire::{NameRef, RrType};

use crate::nsec::Nsec;
use crate::nsec3::{Nsec3, Nsec3Limits};

/// The verified NSEC or NSEC3 records of an answer.
#[derive(Clone, Copy, Debug)]
pub enum Evidence<'a> {
    /// NSEC records.
    Nsec(&'a [Nsec<'a>]),
    /// NSEC3 records, and the limits on the work for them.
    Nsec3(&'a [Nsec3<'a>], Nsec3Limits),
}

/// The result of a proof about a name and a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// The name does not exist, and no wildcard matches it.
    NxDomain {
        /// The number of labels of its closest encloser.
        encloser: u8,
        /// The name is in an opt-out span. It may exist as an unsigned delegation or as an ancestor of one. The
        /// answer is therefore insecure, for NXDOMAIN as well as NOERROR, and AD stays clear (RFC 5155 §9.2).
        opt_out: bool,
    },
    /// The name exists, possibly as an empty non-terminal. The type does not exist, and neither does a CNAME.
    NoData,
    /// The record at the name lists NXNAME: the name does not exist, and neither does a name below it or a wildcard for it.
    /// The rcode may be NOERROR or NXDOMAIN (RFC 9824 §2 and §5).
    Compact,
    /// A wildcard matches the name, and the wildcard does not have the type.
    WildcardNoData {
        /// The number of labels of the wildcard's parent.
        encloser: u8,
        /// Like in [`Denial::NxDomain`].
        opt_out: bool,
    },
    /// The name is in an opt-out span. Nothing else is proved: if the name exists, it is unsigned. The answer is
    /// insecure (RFC 5155 §6, erratum 3441).
    OptOut,
}

/// The result of a proof about an answer that was expanded from a wildcard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expansion {
    /// The next closer name is in an opt-out span: the answer is insecure (RFC 5155 §9.2).
    pub opt_out: bool,
}

/// The result of a proof about a delegation without DS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsigned {
    /// The delegation exists and has no DS.
    NoDs,
    /// The delegation is in an opt-out span, which can contain only unsigned delegations.
    OptOut,
}

/// The reason why nothing is proved. An answer without its proof is bogus, except for
/// [`Unproved::InsecureIterations`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unproved {
    /// The name is outside the zone.
    OutOfZone,
    /// There are no records.
    NoRecords,
    /// No record matches or covers the name.
    NotCovered,
    /// The record at the name lists the type.
    TypeExists,
    /// The record at the name lists CNAME. The resolver should have followed it (RFC 6840 §4.3).
    CnameExists,
    /// The record is the parent's record at a delegation. It proves nothing about types other than DS or about names
    /// below the delegation (RFC 6840 §4.1). This variant also covers a record at a DNAME, because the zone has no
    /// names below a DNAME.
    AncestorDelegation,
    /// The record is from the apex of the child. It proves nothing about DS (RFC 6840 §4.4).
    ChildApex,
    /// The name does not exist, but a wildcard may match it.
    WildcardNotDenied,
    /// No ancestor of the name is proved to exist (RFC 5155 §8.3).
    NoClosestEncloser,
    /// An ancestor exists, but the next closer name is not covered (RFC 5155 §8.3).
    NextCloserNotCovered,
    /// A name closer than the wildcard exists, so that the wildcard should not have been used (RFC 4592 §3.3.1).
    CloserNameExists,
    /// The name is not a delegation: the record has no NS bit (RFC 6840 §4.4).
    NotADelegation,
    /// The NSEC3 records belong to different chains (RFC 5155 §8.2).
    MixedParameters,
    /// The number of iterations makes the zone insecure (RFC 9276 §3.2). Nothing was hashed.
    InsecureIterations {
        /// The number of iterations.
        iterations: u16,
    },
    /// The number of iterations makes the answer bogus (RFC 9276 §3.2). Nothing was hashed.
    BogusIterations {
        /// The number of iterations.
        iterations: u16,
    },
    /// The proof needs more records or more hashing than the limits allow.
    TooMuchWork,
}

impl fmt::Display for Unproved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OutOfZone => "the name is outside the zone",
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
            Self::MixedParameters => "the NSEC3 records belong to several chains",
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

/// Check that no name exists that is closer to `qname` than the wildcard from which the answer was expanded. The
/// parent of the wildcard has `encloser` labels (the labels field of its RRSIG).
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

/// Check that `name` is in `zone`.
fn in_zone(name: NameRef<'_>, zone: NameRef<'_>) -> Result<(), Unproved> {
    if name.is_at_or_below(zone) { Ok(()) } else { Err(Unproved::OutOfZone) }
}

/// Return whether a name with these types is a delegation, as its parent sees it (RFC 6840 §4.1).
fn is_cut(types: TypeBitmap<'_>) -> bool {
    types.contains(RrType::NS) && !types.contains(RrType::SOA)
}

/// Return what the types at `qname` prove about `qtype`.
fn at_name(types: TypeBitmap<'_>, qtype: RrType, qname: NameRef<'_>) -> Result<Denial, Unproved> {
    lacks(types, qtype, qname.is_root())?;
    Ok(if types.contains(RrType::NXNAME) { Denial::Compact } else { Denial::NoData })
}

/// Check that the types at a name do not include `qtype`, and that the record is from the right side of a zone cut.
fn lacks(types: TypeBitmap<'_>, qtype: RrType, at_root: bool) -> Result<(), Unproved> {
    if qtype == RrType::DS {
        // The root has no parent, so that its own record is the only one.
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

/// Check that the types, as the parent sees them, are those of a delegation without DS.
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
