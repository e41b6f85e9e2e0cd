//! Aggressive use of denial records: what do the records that a resolver knows of a zone prove about a name that it has not
//! asked for (RFC 8198)?
//!
//! ```text
//!   NSEC   the record at or before qname ──> denied: done
//!             └─ no wildcard is denied ────> the record at or before *.encloser ──> denied, or the wildcard answers
//!   NSEC3  the record of H(qname) ──────────> denied: done
//!             └─ none ─────────────────────> encloser, next closer, *.encloser ──> denied, or the wildcard answers
//! ```
//!
//! [`deny`] and [`expansion`] decide. Nothing is concluded from an opt-out span, where names may exist
//! (RFC 8198 §5.1: "if the Opt-Out flag is set, the resolver cannot prove").
//!
//! The records have to be verified, as for [`deny`].

use nw_wire::{Name, NameBuf, NameRef, RrType};

use crate::denial::{Denial, Evidence, Expansion, Unproved, deny, expansion};
use crate::nsec::Nsec;
use crate::nsec3::{Nsec3, Nsec3Hash, Nsec3Limits, Nsec3Param};

/// The longest walk to the closest encloser, labels; each costs a hash.
const DEEPEST: usize = 16;

/// The conclusion, with the records that prove it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synthesis<R> {
    /// What follows.
    pub kind: Synthesised,
    /// The records that prove it.
    pub records: Vec<R>,
}

/// What follows from known denial records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Synthesised {
    /// The name or its type does not exist.
    Denied(Denial),
    /// The name does not exist, and this wildcard does. The answer is that of the wildcard, if it is known.
    Wildcard(Name),
}

/// Conclude from the NSEC records of `zone`. `known` returns the record at a name or else the last one before it.
pub fn from_nsec<R: Clone + PartialEq>(
    zone: NameRef<'_>,
    qname: NameRef<'_>,
    qtype: RrType,
    known: impl Fn(NameRef<'_>) -> Option<R>,
    read: impl Fn(&R) -> Option<Nsec<'_>>,
) -> Option<Synthesis<R>> {
    let first = known(qname)?;
    let record = read(&first)?;
    match deny(zone, qname, qtype, Evidence::Nsec(&[record])) {
        Ok(denial) => return denied(denial, vec![first]),
        Err(Unproved::WildcardNotDenied) => {}
        // The record may be that of the wildcard itself.
        Err(Unproved::TypeExists | Unproved::CnameExists) if record.owner != qname => {}
        Err(_) => return None,
    }
    let encloser = record.owner.common_labels(qname).max(record.next.common_labels(qname));
    let wildcard = qname.suffix(encloser).with_label(b"*")?;
    let second = known(wildcard.as_ref())?;
    let at_wildcard = read(&second)?;
    match deny(zone, qname, qtype, Evidence::Nsec(&[record, at_wildcard])) {
        Ok(denial) => denied(denial, if first == second { vec![first] } else { vec![first, second] }),
        Err(Unproved::TypeExists | Unproved::CnameExists) if at_wildcard.owner == wildcard.as_ref() => {
            let proof = expansion(zone, qname, encloser as u8, Evidence::Nsec(&[record]));
            expanded(proof, wildcard, first)
        }
        Err(_) => None,
    }
}

/// Conclude from the NSEC3 records of `zone`, which have the parameters `param`. `known` returns the record with a hash or else
/// the one whose span contains the hash.
pub fn from_nsec3<R: Clone + PartialEq>(
    zone: NameRef<'_>,
    qname: NameRef<'_>,
    qtype: RrType,
    param: &Nsec3Param<'_>,
    limits: Nsec3Limits,
    known: impl Fn(&Nsec3Hash) -> Option<R>,
    read: impl Fn(&R) -> Option<Nsec3<'_>>,
) -> Option<Synthesis<R>> {
    if param.iterations > limits.insecure_above || qname.label_count() - zone.label_count() > DEEPEST {
        return None;
    }
    let mut next_closer = param.hash(qname);
    let first = known(&next_closer);
    if let Some(record) = first.as_ref().and_then(&read).filter(|record| record.owner == next_closer) {
        let denial = deny(zone, qname, qtype, Evidence::Nsec3(&[record], limits)).ok()?;
        return denied(denial, first.into_iter().collect());
    }
    for labels in (zone.label_count()..qname.label_count()).rev() {
        let encloser = qname.suffix(labels);
        let hash = param.hash(encloser);
        let Some(at_encloser) = known(&hash) else {
            next_closer = hash;
            continue;
        };
        let matches = read(&at_encloser).is_some_and(|record| record.owner == hash);
        if !matches {
            next_closer = hash;
            continue;
        }
        let wildcard = encloser.with_label(b"*")?;
        let hash = param.hash(wildcard.as_ref());
        let mut records = vec![at_encloser];
        for other in [known(&next_closer)?, known(&hash)?] {
            if !records.contains(&other) {
                records.push(other);
            }
        }
        let views: Vec<Nsec3<'_>> = records.iter().filter_map(&read).collect();
        let is_there = views.iter().any(|record| record.owner == hash);
        return match deny(zone, qname, qtype, Evidence::Nsec3(&views, limits)) {
            Ok(denial) => denied(denial, records),
            Err(Unproved::TypeExists | Unproved::CnameExists) if is_there => {
                let proof = expansion(zone, qname, labels as u8, Evidence::Nsec3(&views, limits));
                let cover = records.iter().find(|one| read(one).is_some_and(|one| one.covers(&next_closer)));
                let cover = cover?.clone();
                expanded(proof, wildcard, cover)
            }
            Err(_) => None,
        };
    }
    None
}

fn denied<R>(denial: Denial, records: Vec<R>) -> Option<Synthesis<R>> {
    match denial {
        Denial::OptOut
        | Denial::NxDomain { opt_out: true, .. }
        | Denial::WildcardNoData { opt_out: true, .. } => None,
        sure => Some(Synthesis { kind: Synthesised::Denied(sure), records }),
    }
}

fn expanded<R>(proof: Result<Expansion, Unproved>, wildcard: NameBuf, record: R) -> Option<Synthesis<R>> {
    let sure = proof.is_ok_and(|proof| !proof.opt_out);
    sure.then(|| Synthesis { kind: Synthesised::Wildcard(wildcard.to_name()), records: vec![record] })
}
