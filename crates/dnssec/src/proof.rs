//! Selects the NSEC or NSEC3 records that a server adds to an answer (RFC 4035 §3.1.3, RFC 5155 §7.2).
//!
//! | claim | NSEC | NSEC3 |
//! |---|---|---|
//! | NXDOMAIN | covers qname, covers `*.encloser` | encloser, covers next closer, covers `*.encloser` |
//! | NODATA | at qname; covers it if it is empty | at qname; else as for opt-out |
//! | wildcard without the type | covers qname, at `*.encloser` | encloser, covers next closer, at `*.encloser` |
//! | wildcard answer | covers qname | covers next closer |
//! | unsigned delegation | at the cut | at the cut; opt-out: encloser, covers next closer |
//!
//! The server describes the answer with a [`Claim`]. The zone store provides the records through [`Chain`].

use nw_wire::NameRef;

/// Access to the NSEC or NSEC3 records of one zone. For NSEC3, an implementation hashes the names; a store that keeps
/// the hashes of its names need not compute them again.
pub trait Chain {
    /// The store's reference to a record, such as an index.
    type Record: Copy + PartialEq;

    /// Return the record of `name`, a name in the zone.
    fn matching(&self, name: NameRef<'_>) -> Option<Self::Record>;

    /// Return the record whose span contains `name`, which has no record itself.
    fn covering(&self, name: NameRef<'_>) -> Option<Self::Record>;
}

/// The kind of chain that a zone has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// NSEC.
    Nsec,
    /// NSEC3.
    Nsec3,
}

/// The claim that an answer makes and must prove. `encloser` is the closest encloser of `qname`.
#[derive(Clone, Copy, Debug)]
pub enum Claim<'a> {
    /// `qname` does not exist and no wildcard matches it.
    NxDomain {
        /// The queried name.
        qname: NameRef<'a>,
        /// Its closest encloser.
        encloser: NameRef<'a>,
    },
    /// `qname` exists (possibly as an empty non-terminal) without the type, or the query asks for the DS of an
    /// unsigned delegation.
    NoData {
        /// The queried name.
        qname: NameRef<'a>,
    },
    /// `*.encloser` matches `qname` and does not have the type.
    WildcardNoData {
        /// The queried name.
        qname: NameRef<'a>,
        /// Its closest encloser.
        encloser: NameRef<'a>,
    },
    /// `*.encloser` matches `qname` and provides the answer.
    WildcardAnswer {
        /// The queried name.
        qname: NameRef<'a>,
        /// Its closest encloser.
        encloser: NameRef<'a>,
    },
    /// The delegation at `cut` has no DS.
    UnsignedDelegation {
        /// The name of the delegation.
        cut: NameRef<'a>,
    },
}

/// At most three records without duplicates, in the order in which they were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof<R> {
    records: [Option<R>; 3],
    complete: bool,
}

impl<R: Copy + PartialEq> Proof<R> {
    /// Return an empty proof.
    const fn new() -> Self {
        Self { records: [None; 3], complete: true }
    }

    /// Return the records.
    pub fn iter(&self) -> impl Iterator<Item = R> + '_ {
        self.records.iter().copied().flatten()
    }

    /// Return whether the chain had every record that the proof needs. If not, the zone is not signed correctly.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Add a record that the proof needs.
    fn add(&mut self, record: Option<R>) {
        if record.is_none() {
            self.complete = false;
        } else if !self.records.contains(&record) {
            let free = self.records.iter_mut().find(|slot| slot.is_none());
            *free.expect("no proof needs more than three records") = record;
        }
    }
}

/// Return the records that prove `claim`, from a chain of the kind `method`.
pub fn prove<C: Chain>(method: Method, chain: &C, claim: Claim<'_>) -> Proof<C::Record> {
    let mut proof = Proof::new();
    match method {
        Method::Nsec => nsec(chain, claim, &mut proof),
        Method::Nsec3 => nsec3(chain, claim, &mut proof),
    }
    proof
}

/// RFC 4035 §3.1.3.
fn nsec<C: Chain>(chain: &C, claim: Claim<'_>, proof: &mut Proof<C::Record>) {
    match claim {
        Claim::NxDomain { qname, encloser } => {
            proof.add(chain.covering(qname));
            // If another label does not fit, no wildcard can exist.
            if let Some(wildcard) = encloser.with_label(b"*") {
                proof.add(chain.covering(wildcard.as_ref()));
            }
        }
        Claim::NoData { qname } => {
            // An empty non-terminal has no record. The preceding record shows a name below it.
            proof.add(chain.matching(qname).or_else(|| chain.covering(qname)));
        }
        Claim::WildcardNoData { qname, encloser } => {
            proof.add(chain.covering(qname));
            if let Some(wildcard) = encloser.with_label(b"*") {
                let wildcard = wildcard.as_ref();
                proof.add(chain.matching(wildcard).or_else(|| chain.covering(wildcard)));
            }
        }
        Claim::WildcardAnswer { qname, .. } => proof.add(chain.covering(qname)),
        Claim::UnsignedDelegation { cut } => proof.add(chain.matching(cut)),
    }
}

/// RFC 5155 §7.2.
fn nsec3<C: Chain>(chain: &C, claim: Claim<'_>, proof: &mut Proof<C::Record>) {
    match claim {
        Claim::NxDomain { qname, encloser } => {
            let provable = closest_encloser(chain, qname, encloser, proof);
            let wildcard = provable.with_label(b"*").map(|wildcard| chain.covering(wildcard.as_ref()));
            // A wildcard may exist at an encloser that opt-out omits. The answer is insecure in either case.
            match wildcard {
                Some(None) if provable != encloser => {}
                Some(record) => proof.add(record),
                None => {}
            }
        }
        Claim::WildcardNoData { qname, encloser } => {
            let encloser = closest_encloser(chain, qname, encloser, proof);
            if let Some(wildcard) = encloser.with_label(b"*") {
                let wildcard = wildcard.as_ref();
                proof.add(chain.matching(wildcard).or_else(|| chain.covering(wildcard)));
            }
        }
        Claim::WildcardAnswer { qname, encloser } => {
            proof.add(chain.covering(qname.suffix(encloser.label_count() + 1)));
        }
        Claim::NoData { qname } | Claim::UnsignedDelegation { cut: qname } => match chain.matching(qname) {
            Some(record) => proof.add(Some(record)),
            // Opt-out: unsigned delegations, and empty non-terminals above only such delegations, have no records.
            None => {
                let parent = qname.parent().unwrap_or(NameRef::ROOT);
                closest_encloser(chain, qname, parent, proof);
            }
        },
    }
}

/// Add the proof of the closest provable encloser of `qname`, which is `encloser` or an ancestor of it, and return
/// that encloser (RFC 5155 §7.2.1). It differs from `encloser` only in opt-out zones.
fn closest_encloser<'n, C: Chain>(
    chain: &C,
    qname: NameRef<'n>,
    encloser: NameRef<'_>,
    proof: &mut Proof<C::Record>,
) -> NameRef<'n> {
    let mut labels = encloser.label_count();
    loop {
        let name = qname.suffix(labels);
        if let Some(record) = chain.matching(name) {
            proof.add(Some(record));
            proof.add(chain.covering(qname.suffix(labels + 1)));
            return name;
        }
        if labels == 0 {
            // Even the apex has no record: this is not an NSEC3 chain.
            proof.add(None);
            return name;
        }
        labels -= 1;
    }
}

#[cfg(test)]
mod tests;
