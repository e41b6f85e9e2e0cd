//! Proofs by NSEC (RFC 4035 §5.4, RFC 6840 §4).
//!
//! ```text
//!   deny:  a record at qname ───────────────> its types decide
//!          a record that covers qname ──┬──> next below qname: qname exists, empty
//!                                       └──> *.encloser: its types decide, or it is covered too
//! ```

use nw_wire::{NameRef, RrType};

use super::{Denial, Expansion, Unproved, Unsigned, at_name, is_cut, lacks, lacks_ds};
use crate::nsec::Nsec;

/// See [`super::deny`].
pub(super) fn deny(
    zone: NameRef<'_>,
    qname: NameRef<'_>,
    qtype: RrType,
    records: &[Nsec<'_>],
) -> Result<Denial, Unproved> {
    let own = of_zone(zone, records);
    if let Some(record) = own.clone().find(|record| record.owner == qname) {
        return at_name(record.types, qtype, qname);
    }
    let record = covering(own.clone(), qname)?;
    if record.next.is_below(qname) {
        return Ok(Denial::NoData); // an empty non-terminal
    }
    let encloser = closest_encloser(record, qname);
    let wildcard = qname.suffix(encloser).with_label(b"*");
    let encloser = encloser as u8; // at most 127
    // If another label does not fit, no wildcard can exist.
    let Some(wildcard) = wildcard else { return Ok(Denial::NxDomain { encloser, opt_out: false }) };
    let wildcard = wildcard.as_ref();
    if let Some(record) = own.clone().find(|record| record.owner == wildcard) {
        return lacks(record.types, qtype, false)
            .map(|()| Denial::WildcardNoData { encloser, opt_out: false });
    }
    match covering(own, wildcard) {
        Ok(record) if record.next.is_below(wildcard) => {
            Ok(Denial::WildcardNoData { encloser, opt_out: false })
        }
        Ok(_) => Ok(Denial::NxDomain { encloser, opt_out: false }),
        Err(Unproved::NotCovered) => Err(Unproved::WildcardNotDenied),
        Err(other) => Err(other),
    }
}

/// See [`super::expansion`].
pub(super) fn expansion(
    zone: NameRef<'_>,
    qname: NameRef<'_>,
    encloser: usize,
    records: &[Nsec<'_>],
) -> Result<Expansion, Unproved> {
    let mut own = of_zone(zone, records);
    if own.clone().any(|record| record.owner == qname) {
        return Err(Unproved::CloserNameExists);
    }
    // A name between the wildcard's parent and `qname` exists if a record is at or below it.
    let record = covering(own.clone(), qname)?;
    if record.next.is_at_or_below(qname)
        || closest_encloser(record, qname) > encloser
        || own.any(|record| record.owner.common_labels(qname) > encloser)
    {
        return Err(Unproved::CloserNameExists);
    }
    Ok(Expansion { opt_out: false })
}

/// See [`super::unsigned_delegation`].
pub(super) fn unsigned_delegation(
    zone: NameRef<'_>,
    cut: NameRef<'_>,
    records: &[Nsec<'_>],
) -> Result<Unsigned, Unproved> {
    let mut own = of_zone(zone, records);
    let record = own.find(|record| record.owner == cut).ok_or(match records {
        [] => Unproved::NoRecords,
        _ => Unproved::NotCovered,
    })?;
    lacks_ds(record.types)
}

/// Return the records of `zone`. Records of other zones prove nothing about it.
fn of_zone<'a, 'r>(
    zone: NameRef<'a>,
    records: &'r [Nsec<'r>],
) -> impl Iterator<Item = &'r Nsec<'r>> + Clone + use<'a, 'r> {
    records.iter().filter(move |record| record.owner.is_at_or_below(zone) && record.next.is_at_or_below(zone))
}

/// Return the record that covers `name`, unless it is from above a delegation or DNAME over `name`.
fn covering<'r>(
    mut records: impl Iterator<Item = &'r Nsec<'r>> + Clone,
    name: NameRef<'_>,
) -> Result<&'r Nsec<'r>, Unproved> {
    let none = if records.clone().next().is_none() { Unproved::NoRecords } else { Unproved::NotCovered };
    let record = records.find(|record| record.covers(name)).ok_or(none)?;
    let above = name.is_below(record.owner);
    if above && (is_cut(record.types) || record.types.contains(RrType::DNAME)) {
        return Err(Unproved::AncestorDelegation);
    }
    Ok(record)
}

/// Return the number of labels of the closest encloser of `name`, given the record that covers it. Both names in the
/// record exist, and so do their ancestors (RFC 4592 §3.3.1).
fn closest_encloser(record: &Nsec<'_>, name: NameRef<'_>) -> usize {
    record.owner.common_labels(name).max(record.next.common_labels(name))
}
