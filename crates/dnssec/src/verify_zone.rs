//! Verifies a complete signed zone: its signatures, its NSEC or NSEC3 chain, and its keys.
//!
//! ```text
//!   RRsets ──┬─ DNSKEY ──────> keys ──> do anchors, CDS and CDNSKEY match a key?
//!            ├─ data ────────> is each authoritative RRset signed with each algorithm of the keys? is nothing else signed?
//!            └─ NSEC, NSEC3 ─> chain.rs: does the chain have exactly the names of the zone, with their types?
//! ```
//!
//! RFCs: 4035 §2 (what a signed zone holds), 5155 §7.1 (NSEC3), 6840 §5.11 (algorithms), 7344 §4.1 (CDS), 5011 §2.1
//! (revoked keys), 8976 (ZONEMD).
//!
//! *Limitations.* Names below a delegation are not checked. Whether the child of a DS has such a key is not checked
//! either, because only the child zone contains its keys.

mod chain;
mod fault;

use std::collections::{BTreeSet, HashMap};

use nw_crypto::{Algorithm, KeyError};
use nw_wire::{NameRef, RrType, Rrset};

pub use chain::ChainKind;
pub use fault::{Fault, Problem};

use crate::canonical::Canonical;
use crate::chain::{OwnerKind, kinds};
use crate::dnskey::{Dnskey, Verifier, VerifierError};
use crate::ds::Ds;
use crate::rrsig::{Rrsig, RrsigFault, verify_rrset};
use crate::zonemd::{ZonemdFault, ZonemdTrust, verify_zonemd};

/// The options for verifying a zone.
#[derive(Clone, Debug)]
pub struct VerifyOptions {
    /// The time at which signatures must be valid, in seconds since 1970 modulo 2^32.
    pub now: u32,
    /// The trust anchors or the parent's DS records, as DS and DNSKEY rdata. If there are any, one of them must match
    /// a key that signs the DNSKEY RRset.
    pub anchors: Vec<(RrType, Vec<u8>)>,
    /// The number of threads.
    pub threads: usize,
    /// The maximum number of problems that are described. Further problems are only counted.
    pub max_problems: usize,
}

impl Default for VerifyOptions {
    fn default() -> Self {
        Self { now: 0, anchors: Vec::new(), threads: 1, max_problems: 100 }
    }
}

/// A key of the zone, with the signatures that it made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyReport {
    /// Its tag.
    pub tag: u16,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// Its flags: zone key, entry point, revoked.
    pub flags: u16,
    /// The number of RRsets with a good signature of this key.
    pub signs: usize,
    /// Whether it signs the DNSKEY RRset, so that a DS may refer to it.
    pub signs_keys: bool,
    /// Whether a trust anchor matches it.
    pub anchored: bool,
}

/// The result of verifying a zone.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The number of RRsets that must be signed.
    pub rrsets: usize,
    /// The number of signatures that were checked.
    pub signatures: usize,
    /// The keys, in the order of the DNSKEY RRset.
    pub keys: Vec<KeyReport>,
    /// The kinds of chains; empty if the zone has none.
    pub chains: Vec<ChainKind>,
    /// The earliest expiration of a good signature.
    pub first_expiration: Option<u32>,
    /// The hash algorithm of a ZONEMD record with the digest of the zone; None if there is no such record.
    pub zonemd: Option<u8>,
    /// The first problems by owner in canonical order, those of the whole zone before all others.
    pub problems: Vec<Problem>,
    /// The number of errors, including those without description.
    pub errors: usize,
    /// The number of warnings, including those without description.
    pub warnings: usize,
}

/// The signatures of each owner and type.
type Signatures<'a> = HashMap<(NameRef<'a>, RrType), Vec<Rrsig<'a>>>;

/// Verify the zone at `apex`, which consists of `rrsets` in any order. The RRSIGs of an owner may be in one set or in
/// several.
#[must_use]
pub fn verify_zone(apex: NameRef<'_>, rrsets: Vec<Rrset>, options: &VerifyOptions) -> Report {
    let mut problems = Vec::new();
    // Its signature is checked like that of any RRset.
    let zonemd = match verify_zonemd(apex, &rrsets, &ZonemdTrust::default()) {
        Ok(verified) => Some(verified.hash),
        Err(fault) => {
            if matches!(fault, ZonemdFault::Records(_)) {
                problems.push(Problem::new(&apex.to_name(), RrType::ZONEMD, Fault::Zonemd(fault)));
            }
            None
        }
    };
    let (made, mut data): (Vec<Rrset>, Vec<Rrset>) = rrsets
        .into_iter()
        .partition(|rrset| matches!(rrset.rtype, RrType::RRSIG | RrType::NSEC | RrType::NSEC3));
    data.sort_by(|a, b| a.owner.cmp(&b.owner).then(a.rtype.cmp(&b.rtype)));
    let mut signatures = collect(&made, &mut problems);

    let key_set = data.iter().find(|rrset| rrset.rtype == RrType::DNSKEY && rrset.owner == apex);
    let keys = key_set.map_or_else(Vec::new, |rrset| read_keys(rrset, &mut problems));
    let kinds = kinds(apex, &data);
    let must_be_signed = |rrset: &Rrset, kind| match kind {
        OwnerKind::Authoritative => true,
        OwnerKind::Cut => rrset.rtype == RrType::DS,
        OwnerKind::Occluded => false,
    };
    let mut jobs: Vec<Job<'_>> = Vec::with_capacity(data.len());
    for (rrset, kind) in data.iter().zip(&kinds) {
        let found = signatures.remove(&(rrset.owner.as_ref(), rrset.rtype)).unwrap_or_default();
        if must_be_signed(rrset, *kind) {
            jobs.push(Job { rrset, signatures: found });
        } else if !found.is_empty() {
            problems.push(Problem::new(&rrset.owner, rrset.rtype, Fault::SignedWithoutAuthority));
        }
    }
    for rrset in made.iter().filter(|rrset| rrset.rtype != RrType::RRSIG) {
        let found = signatures.remove(&(rrset.owner.as_ref(), rrset.rtype)).unwrap_or_default();
        jobs.push(Job { rrset, signatures: found });
    }
    for (owner, rtype) in signatures.into_keys() {
        problems.push(Problem::new(&owner.to_name(), rtype, Fault::SignsNothing));
    }

    let mut report = Report { rrsets: jobs.len(), zonemd, ..Report::default() };
    report.signatures = jobs.iter().map(|job| job.signatures.len()).sum();
    if !keys.iter().any(|key| key.verifier.is_some()) {
        problems.push(Problem::of_zone(apex, Fault::NoKey));
    } else {
        let found = verify_all(&jobs, &keys, options);
        report.keys = keys.iter().map(Key::report).collect();
        for (job, outcome) in jobs.iter().zip(found) {
            for &index in &outcome.by {
                report.keys[index].signs += 1;
                report.keys[index].signs_keys |= job.rrset.rtype == RrType::DNSKEY;
            }
            problems.extend(
                outcome
                    .faults
                    .into_iter()
                    .map(|fault| Problem::new(&job.rrset.owner, job.rrset.rtype, fault)),
            );
            let earlier = outcome.expiration.into_iter().chain(report.first_expiration);
            // Serial number arithmetic orders times relative to now.
            report.first_expiration = earlier.min_by_key(|at| at.wrapping_sub(options.now));
        }
        trust(apex, &data, &keys, &options.anchors, &mut report.keys, &mut problems);
    }
    report.chains = chain::check(apex, &data, &kinds, &made, &mut problems);

    problems.sort_by(|a, b| {
        let zone = |problem: &Problem| problem.rtype.is_some();
        (zone(a), &a.owner, a.rtype).cmp(&(zone(b), &b.owner, b.rtype))
    });
    report.errors = problems.iter().filter(|problem| problem.fault.is_error()).count();
    report.warnings = problems.len() - report.errors;
    // Errors are kept in preference to warnings.
    let (mut kept, mut rest): (Vec<_>, Vec<_>) = problems.into_iter().partition(|p| p.fault.is_error());
    kept.truncate(options.max_problems);
    rest.truncate(options.max_problems - kept.len());
    kept.append(&mut rest);
    report.problems = kept;
    report
}

/// Group the signatures by owner and covered type.
fn collect<'a>(made: &'a [Rrset], problems: &mut Vec<Problem>) -> Signatures<'a> {
    let mut signatures = Signatures::new();
    for rrset in made.iter().filter(|rrset| rrset.rtype == RrType::RRSIG) {
        for rdata in rrset.rdatas.iter() {
            match Rrsig::parse(rdata) {
                Some(rrsig) => {
                    signatures.entry((rrset.owner.as_ref(), rrsig.type_covered)).or_default().push(rrsig);
                }
                None => problems.push(Problem::new(&rrset.owner, RrType::RRSIG, Fault::Malformed)),
            }
        }
    }
    signatures
}

/// A key of the zone. It has no verifier if it is not a zone key, has an unsupported algorithm, or is malformed.
struct Key<'a> {
    dnskey: Dnskey<'a>,
    verifier: Option<Verifier>,
}

impl Key<'_> {
    fn report(&self) -> KeyReport {
        KeyReport {
            tag: self.dnskey.tag(),
            algorithm: self.dnskey.algorithm(),
            flags: self.dnskey.flags(),
            signs: 0,
            signs_keys: false,
            anchored: false,
        }
    }
}

/// Read the DNSKEY RRset.
fn read_keys<'a>(rrset: &'a Rrset, problems: &mut Vec<Problem>) -> Vec<Key<'a>> {
    let dnskeys = rrset.rdatas.iter().filter_map(Dnskey::parse);
    dnskeys
        .map(|dnskey| {
            let verifier = Verifier::new(rrset.owner.as_ref(), dnskey)
                .map_err(|error| {
                    let fault = match error {
                        VerifierError::NotZoneKey => Fault::NotZoneKey { tag: dnskey.tag() },
                        VerifierError::Key(KeyError::Unsupported(algorithm)) => {
                            Fault::UnsupportedAlgorithm { tag: dnskey.tag(), algorithm }
                        }
                        VerifierError::Key(error) => Fault::BrokenKey { tag: dnskey.tag(), error },
                    };
                    problems.push(Problem::new(&rrset.owner, RrType::DNSKEY, fault));
                })
                .ok();
            Key { dnskey, verifier }
        })
        .collect()
}

/// An RRset that must be signed, and its signatures.
struct Job<'a> {
    rrset: &'a Rrset,
    signatures: Vec<Rrsig<'a>>,
}

/// The result of checking the signatures of one RRset.
#[derive(Default)]
struct Outcome {
    /// The indexes of the keys with a good signature.
    by: BTreeSet<usize>,
    faults: Vec<Fault>,
    /// The earliest expiration of a good signature.
    expiration: Option<u32>,
}

/// Verify all RRsets, with the number of threads in the options. The outcomes are in the order of the jobs.
fn verify_all(jobs: &[Job<'_>], keys: &[Key<'_>], options: &VerifyOptions) -> Vec<Outcome> {
    // RFC 4035 §2.2: each RRset needs a signature of each algorithm for which the zone has keys. A revoked key signs
    // only DNSKEY.
    let active = keys.iter().filter_map(|key| key.verifier.as_ref()).filter(|key| !key.is_revoked());
    let wanted: BTreeSet<Algorithm> = active.map(Verifier::algorithm).collect();
    let all = |jobs: &[Job<'_>]| -> Vec<Outcome> {
        let mut scratch = Canonical::new();
        jobs.iter().map(|job| verify_one(job, keys, &wanted, options.now, &mut scratch)).collect()
    };
    if options.threads <= 1 {
        return all(jobs);
    }
    let share = jobs.len().div_ceil(options.threads).max(1);
    std::thread::scope(|scope| {
        let workers: Vec<_> = jobs.chunks(share).map(|jobs| scope.spawn(|| all(jobs))).collect();
        let joined = workers.into_iter().map(|worker| match worker.join() {
            Ok(outcomes) => outcomes,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        joined.flatten().collect()
    })
}

/// Verify one RRset.
fn verify_one(
    job: &Job<'_>,
    keys: &[Key<'_>],
    wanted: &BTreeSet<Algorithm>,
    now: u32,
    scratch: &mut Canonical,
) -> Outcome {
    let mut outcome = Outcome::default();
    if job.signatures.is_empty() {
        outcome.faults.push(Fault::Unsigned);
        return outcome;
    }
    let mut good: BTreeSet<Algorithm> = BTreeSet::new();
    let mut bad = Vec::new();
    for rrsig in &job.signatures {
        let (tag, algorithm) = (rrsig.key_tag, rrsig.algorithm);
        match verify_signature(job.rrset, rrsig, keys, now, scratch) {
            Ok(Some(index)) => {
                good.insert(algorithm);
                outcome.by.insert(index);
                let earlier = outcome.expiration.into_iter().chain([rrsig.expiration]);
                outcome.expiration = earlier.min_by_key(|at| at.wrapping_sub(now));
                if rrsig.original_ttl != job.rrset.ttl {
                    let (signed, found) = (rrsig.original_ttl, job.rrset.ttl);
                    outcome.faults.push(Fault::OtherTtl { tag, signed, found });
                }
            }
            Ok(None) => {} // unsupported algorithm; already reported for the key
            Err(fault) => bad.push((tag, algorithm, fault)),
        }
    }
    for algorithm in wanted.difference(&good) {
        if !bad.iter().any(|(_, of, _)| of == algorithm) {
            outcome.faults.push(Fault::AlgorithmMissing { algorithm: *algorithm });
        }
    }
    for (tag, algorithm, fault) in bad {
        // A validator that tries the bad signature first continues with the next one. This costs time but is not a
        // failure.
        let spare = good.contains(&algorithm) || !wanted.contains(&algorithm);
        outcome.faults.push(Fault::Signature { tag, algorithm, fault, spare });
    }
    outcome
}

/// Return the key that made `rrsig`, None if its algorithm is not supported, or the reason why it is not valid.
fn verify_signature(
    rrset: &Rrset,
    rrsig: &Rrsig<'_>,
    keys: &[Key<'_>],
    now: u32,
    scratch: &mut Canonical,
) -> Result<Option<usize>, RrsigFault> {
    rrsig.check(rrset, now)?;
    let named =
        |key: &Key<'_>| key.dnskey.tag() == rrsig.key_tag && key.dnskey.algorithm() == rrsig.algorithm;
    let mut fault = RrsigFault::OtherKey;
    for (index, key) in keys.iter().enumerate().filter(|(_, key)| named(key)) {
        let Some(verifier) = &key.verifier else {
            if !key.dnskey.algorithm().verifies() {
                return Ok(None);
            }
            continue;
        };
        match verify_rrset(rrset, rrsig, verifier, now, scratch) {
            // Within the zone, every owner is signed under its own name, including wildcards.
            Ok(verified) if verified.wildcard.is_some() => fault = RrsigFault::TooFewLabels,
            Ok(_) => return Ok(Some(index)),
            Err(error) => fault = error,
        }
    }
    Err(fault)
}

/// Check the keys that others trust: anchors, CDS and CDNSKEY must match a key.
fn trust(
    apex: NameRef<'_>,
    data: &[Rrset],
    keys: &[Key<'_>],
    anchors: &[(RrType, Vec<u8>)],
    reports: &mut [KeyReport],
    problems: &mut Vec<Problem>,
) {
    let names = |rtype: RrType, rdata: &[u8], dnskey: Dnskey<'_>| match rtype {
        RrType::DNSKEY | RrType::CDNSKEY => rdata == dnskey.rdata(),
        _ => Ds::parse(rdata).is_some_and(|ds| ds.check(apex, dnskey).is_ok()),
    };
    for (rtype, rdata) in anchors {
        for (key, report) in keys.iter().zip(reports.iter_mut()) {
            report.anchored |= names(*rtype, rdata, key.dnskey);
        }
    }
    if !anchors.is_empty() {
        if !reports.iter().any(|key| key.anchored) {
            problems.push(Problem::of_zone(apex, Fault::AnchorNamesNoKey));
        } else if !reports.iter().any(|key| key.anchored && key.signs_keys) {
            problems.push(Problem::of_zone(apex, Fault::AnchoredKeyDoesNotSign));
        }
    }
    let entry = |key: &KeyReport| key.flags & Dnskey::SEP != 0;
    let others_sign = reports.iter().any(|key| key.signs_keys);
    if others_sign && reports.iter().any(entry) && !reports.iter().any(|key| entry(key) && key.signs_keys) {
        problems.push(Problem::of_zone(apex, Fault::NoEntryKeySigns));
    }
    let children = data.iter().filter(|rrset| rrset.owner == apex);
    for rrset in children.filter(|rrset| matches!(rrset.rtype, RrType::CDS | RrType::CDNSKEY)) {
        for rdata in rrset.rdatas.iter() {
            // Algorithm 0 requests that the parent removes the DS (RFC 8078 §4).
            let algorithm = if rrset.rtype == RrType::CDS { rdata.get(2) } else { rdata.get(3) };
            let found =
                keys.iter().zip(reports.iter()).find(|(key, _)| names(rrset.rtype, rdata, key.dnskey));
            if algorithm != Some(&0) && !found.is_some_and(|(_, report)| report.signs_keys) {
                problems.push(Problem::new(&rrset.owner, rrset.rtype, Fault::ChildAsksForNoKey));
            }
        }
    }
}

#[cfg(test)]
mod tests;
