//! Proofs of absence from verified NSEC and NSEC3 records (RFC 4035 §5.4, RFC 5155 §8, RFC 6840 §4).

use nw_dnssec::{Denial, Evidence, Nsec, Nsec3, Nsec3Ignored, Nsec3Limits, Unproved, Unsigned};
use nw_wire::code::RrType;
use nw_wire::name::NameRef;
use nw_wire::rrset::Rrset;

use super::fault::{DenialFault, Fault};
use super::keys::Insecurity;
use super::signature::Effort;
use nw_cache::State;

/// What was verified of the NSEC and NSEC3 RRsets that came as a proof.
#[derive(Debug, Default)]
pub(crate) struct Proved {
    /// The verified RRsets.
    pub(crate) sets: Vec<Rrset>,
    /// What is wrong with one of the others.
    pub(crate) fault: Option<Fault>,
    /// There were more NSEC3 records than a proof may have; they were not verified.
    pub(crate) too_many: bool,
    /// The last of `sets` is an NSEC3 RRset with so many iterations that the absence is insecure; those behind it were not verified.
    pub(crate) iterations: bool,
}

impl Proved {
    /// Whether the absence is insecure or refused, whatever else is verified.
    pub(crate) fn is_settled(&self) -> bool {
        (self.iterations || self.too_many) && self.sets.iter().all(|set| set.rtype == RrType::NSEC3)
    }
}

impl From<Vec<Rrset>> for Proved {
    fn from(sets: Vec<Rrset>) -> Proved {
        Proved { sets, ..Proved::default() }
    }
}

/// The NSEC3 records of *set* as records of *zone*; none if it has another type.
pub(crate) fn nsec3<'p>(
    set: &'p Rrset,
    zone: NameRef<'p>,
) -> impl Iterator<Item = Result<Nsec3<'p>, Nsec3Ignored>> {
    let rdatas = (set.rtype == RrType::NSEC3).then(|| set.rdatas.iter()).into_iter().flatten();
    rdatas.map(move |rdata| Nsec3::usable(set.owner.as_ref(), zone, rdata))
}

/// The verified records of a proof.
pub(crate) struct Proofs<'p> {
    zone: NameRef<'p>,
    nsec: Vec<Nsec<'p>>,
    nsec3: Vec<Nsec3<'p>>,
    /// Why one of the NSEC3 records proves nothing.
    ignored: Option<Nsec3Ignored>,
    too_many: bool,
    limits: Nsec3Limits,
    effort: &'p Effort,
}

impl<'p> Proofs<'p> {
    /// The records that were *proved* with the keys of *zone*. Malformed records prove nothing.
    pub(crate) fn new(
        zone: NameRef<'p>,
        proved: &'p Proved,
        limits: Nsec3Limits,
        effort: &'p Effort,
    ) -> Proofs<'p> {
        let Proved { sets, too_many, .. } = proved;
        let (mut nsec, mut hashed, mut ignored) = (Vec::new(), Vec::new(), None);
        for set in sets {
            if set.rtype == RrType::NSEC {
                nsec.extend(set.rdatas.iter().filter_map(|rdata| Nsec::parse(set.owner.as_ref(), rdata)));
            }
            let read = nsec3(set, zone);
            hashed.extend(read.filter_map(|read| read.map_err(|why| ignored = Some(why)).ok()));
        }
        Proofs { zone, nsec, nsec3: hashed, ignored, too_many: *too_many, limits, effort }
    }

    /// What is wrong with records that leave something *unproved*.
    fn fault(&self, unproved: Unproved) -> DenialFault {
        match (unproved, self.ignored) {
            (Unproved::NoRecords, Some(why)) => DenialFault::Ignored(why),
            _ => DenialFault::Unproved(unproved),
        }
    }

    /// Note that the zone counts as insecure for its *iterations*.
    fn insecure(&self, iterations: u16) -> State {
        Insecurity::Iterations(iterations).explain(self.zone, self.effort);
        State::Insecure
    }

    /// What *ask* finds proved, by NSEC or else by NSEC3.
    fn either<T>(&self, ask: impl Fn(Evidence<'_>) -> Result<T, Unproved>) -> Result<T, Unproved> {
        let by_nsec = ask(Evidence::Nsec(&self.nsec));
        match by_nsec {
            Err(_) if self.too_many => Err(Unproved::TooMuchWork),
            Err(_) if !self.nsec3.is_empty() => ask(Evidence::Nsec3(&self.nsec3, self.limits)),
            other => other,
        }
    }

    /// The state of a reply that denies *name*, or the type *rtype* at it.
    pub(crate) fn absence(&self, name: NameRef<'_>, rtype: RrType, nxdomain: bool) -> Result<State, Fault> {
        let fault = |fault| Fault::Denial { name: name.to_name(), rtype, nxdomain, fault };
        let state = |opt_out| if opt_out { State::Insecure } else { State::Secure };
        match self.either(|evidence| nw_dnssec::deny(self.zone, name, rtype, evidence)) {
            Ok(Denial::NxDomain { opt_out, .. }) if nxdomain => Ok(state(opt_out)),
            // With either rcode: the record says that the name does not exist (RFC 9824 §5).
            Ok(Denial::Compact) => Ok(State::Secure),
            // The denial of the wildcard is missing (RFC 5155 §8.4).
            Ok(Denial::OptOut) if nxdomain => Err(fault(DenialFault::Unproved(Unproved::WildcardNotDenied))),
            // A name that opt-out may hide (RFC 5155 §9.2).
            Ok(Denial::NxDomain { opt_out: true, .. } | Denial::OptOut) => Ok(State::Insecure),
            Ok(Denial::NxDomain { .. }) => Err(fault(DenialFault::NameAbsent)),
            Ok(_) if nxdomain => Err(fault(DenialFault::NameExists)),
            Ok(Denial::NoData) => Ok(State::Secure),
            Ok(Denial::WildcardNoData { opt_out, .. }) => Ok(state(opt_out)),
            Err(Unproved::InsecureIterations { iterations }) => Ok(self.insecure(iterations)),
            // Signatures are not data of the zone, so that servers need not answer with them, and no proof denies them.
            Err(Unproved::TypeExists) if rtype == RrType::RRSIG && !nxdomain => Ok(State::Indeterminate),
            Err(unproved) => Err(fault(self.fault(unproved))),
        }
    }

    /// The state of an answer at *name* that was expanded from the wildcard below the name of *encloser* labels.
    pub(crate) fn expansion(&self, name: NameRef<'_>, rtype: RrType, encloser: u8) -> Result<State, Fault> {
        match self.either(|evidence| nw_dnssec::expansion(self.zone, name, encloser, evidence)) {
            Ok(proved) if proved.opt_out => Ok(State::Insecure),
            Ok(_) => Ok(State::Secure),
            Err(Unproved::InsecureIterations { iterations }) => Ok(self.insecure(iterations)),
            Err(unproved) => {
                let fault = self.fault(unproved);
                Err(Fault::Denial { name: name.to_name(), rtype, nxdomain: true, fault })
            }
        }
    }

    /// Whether *cut* is a delegation without DS.
    pub(crate) fn unsigned_delegation(&self, cut: NameRef<'_>) -> Result<Unsigned, Unproved> {
        match self.either(|evidence| nw_dnssec::unsigned_delegation(self.zone, cut, evidence)) {
            // The zone counts as insecure, so that its delegations do.
            Err(Unproved::InsecureIterations { iterations }) => {
                self.insecure(iterations);
                Ok(Unsigned::NoDs)
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests;
