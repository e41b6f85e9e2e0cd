//! ZONEMD: a digest over all data of a zone, with which a copy is checked as a whole (RFC 8976).
//!
//! ```text
//!   with a trust anchor: does DNSSEC prove SOA and ZONEMD, or that there is no ZONEMD?   §4 steps 1-3
//!   for each ZONEMD: serial of the SOA, known scheme and hash, used once, length         §4 steps 4, 5
//!                    digest of all RRsets in canonical order == digest of the record     §3, §4 step 5g
//! ```
//!
//! One record that verifies is enough. Without a trust anchor the digest detects damage but no forgery: an attacker who
//! changes the data can also change the digest.
//!
//! *Limitations.* Whether the parent has a DS for the zone is not looked up; the caller passes what it trusts.

use std::fmt;

use nw_crypto::{DigestAlg, Hasher};
use nw_wire::{NameRef, RrType, Rrset, rr};

use crate::canonical::Canonical;
use crate::denial::{Denial, Evidence, Unproved, deny};
use crate::dnskey::{Dnskey, Verifier};
use crate::ds::Ds;
use crate::nsec::Nsec;
use crate::nsec3::{Nsec3, Nsec3Limits};
use crate::rrsig::{Rrsig, RrsigFault, verify_rrset};

/// The scheme SIMPLE, the only one: one digest over the whole zone (RFC 8976 §2.2.2).
pub(crate) const SIMPLE: u8 = 1;
/// The least octets of a digest (RFC 8976 §2.2.4).
const LEAST_DIGEST: usize = 12;

/// What a zone must be signed with.
#[derive(Clone, Debug, Default)]
pub struct ZonemdTrust {
    /// The trust anchors of the zone, as DS and DNSKEY rdata. Empty: the zone need not be signed.
    pub anchors: Vec<(RrType, Vec<u8>)>,
    /// The time at which signatures must be valid, in seconds since 1970 modulo 2^32.
    pub now: u32,
}

/// A digest of the zone is correct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZonemdVerified {
    /// The hash algorithm of the record that verifies: 1 is SHA-384, 2 is SHA-512.
    pub hash: u8,
    /// Whether a trust anchor vouches for the record.
    pub secure: bool,
}

/// The reason why a zone is not verified by its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ZonemdFault {
    /// The apex has no SOA record, or more than one.
    NoSoa,
    /// No trust anchor matches a key that signs the DNSKEY RRset.
    NoTrustedKey,
    /// A trusted key must have signed the RRset of this type at the apex, and has not.
    Untrusted {
        /// The type.
        rtype: RrType,
        /// The reason, if there are signatures of a key of the zone.
        fault: Option<RrsigFault>,
    },
    /// There is no ZONEMD record at the apex. With a trust anchor, the zone proves that there is none.
    Absent,
    /// There is no ZONEMD record at the apex, and the zone does not prove that: somebody may have removed it.
    AbsenceUnproved(Unproved),
    /// No record verifies: scheme, hash algorithm and fault of each.
    Records(Vec<(u8, u8, RecordFault)>),
}

/// The reason why one ZONEMD record does not verify the zone (RFC 8976 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordFault {
    /// The record is malformed, or its digest is shorter than 12 octets.
    TooShort,
    /// It was made for another serial of the zone.
    Serial {
        /// The serial in the record.
        record: u32,
        /// The serial of the SOA.
        zone: u32,
    },
    /// The scheme is unknown.
    Scheme,
    /// The hash algorithm is unknown.
    Hash,
    /// Another record has the same scheme and hash algorithm.
    Repeated,
    /// The digest does not have the length of its algorithm.
    Length {
        /// Octets of the digest.
        found: usize,
        /// Octets that the algorithm gives.
        expected: usize,
    },
    /// The data of the zone have another digest.
    Mismatch,
}

impl fmt::Display for ZonemdFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSoa => f.write_str("the apex does not have exactly one SOA record"),
            Self::NoTrustedKey => f.write_str("no trust anchor matches a key that signs the DNSKEY RRset"),
            Self::Untrusted { rtype, fault: None } => {
                write!(f, "the {rtype} RRset of the apex is not signed by a key of the zone")
            }
            Self::Untrusted { rtype, fault: Some(fault) } => {
                write!(f, "the signature of the {rtype} RRset of the apex is not valid: {fault}")
            }
            Self::Absent => f.write_str("there is no ZONEMD record"),
            Self::AbsenceUnproved(unproved) => {
                write!(f, "there is no ZONEMD record, and no proof of that: {unproved}")
            }
            Self::Records(faults) => {
                for (at, (scheme, hash, fault)) in faults.iter().enumerate() {
                    let separator = if at == 0 { "" } else { "; " };
                    write!(f, "{separator}ZONEMD with scheme {scheme}, hash algorithm {hash}: {fault}")?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for ZonemdFault {}

impl fmt::Display for RecordFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort => f.write_str("the digest is shorter than 12 octets"),
            Self::Serial { record, zone } => {
                write!(f, "it is for the serial {record}, and the zone has {zone}")
            }
            Self::Scheme => f.write_str("the scheme is unknown"),
            Self::Hash => f.write_str("the hash algorithm is unknown"),
            Self::Repeated => f.write_str("several records have this scheme and hash algorithm"),
            Self::Length { found, expected } => {
                write!(f, "the digest has {found} octets instead of {expected}")
            }
            Self::Mismatch => f.write_str("the data of the zone have another digest"),
        }
    }
}

/// A ZONEMD record.
struct Record<'a> {
    serial: u32,
    scheme: u8,
    hash: u8,
    digest: &'a [u8],
}

impl<'a> Record<'a> {
    fn parse(rdata: &'a [u8]) -> Option<Self> {
        let (&[a, b, c, d, scheme, hash], digest) = rdata.split_first_chunk()?;
        Some(Self { serial: u32::from_be_bytes([a, b, c, d]), scheme, hash, digest })
    }
}

/// Verify the zone at `apex`, which consists of `rrsets` in any order, by its ZONEMD records (RFC 8976 §4).
pub fn verify_zonemd(
    apex: NameRef<'_>,
    rrsets: &[Rrset],
    trust: &ZonemdTrust,
) -> Result<ZonemdVerified, ZonemdFault> {
    let at_apex: Vec<&Rrset> = rrsets.iter().filter(|rrset| rrset.owner == apex).collect();
    let of = |rtype| at_apex.iter().copied().find(|rrset| rrset.rtype == rtype);
    let single = |soa: &&Rrset| soa.rdatas.iter().all(|rdata| Some(rdata) == soa.rdatas.first());
    let soa = of(RrType::SOA).filter(single).ok_or(ZonemdFault::NoSoa)?;
    let serial = serial_of(soa).ok_or(ZonemdFault::NoSoa)?;
    let records = of(RrType::ZONEMD);
    let secure = !trust.anchors.is_empty();
    if secure {
        let keys = TrustedKeys::of(apex, &at_apex, trust)?;
        keys.check(soa)?;
        match records {
            Some(records) => keys.check(records)?,
            None => keys.check_absence(apex, rrsets)?,
        }
    }
    let records = records.ok_or(ZonemdFault::Absent)?;
    let pair = |rdata: &[u8]| rdata.get(4..6).map(<[u8]>::to_vec);
    let mut faults = Vec::new();
    for rdata in records.rdatas.iter() {
        let Some(record) = Record::parse(rdata) else {
            faults.push((0, 0, RecordFault::TooShort));
            continue;
        };
        let same = records.rdatas.iter().filter(|other| pair(other) == pair(rdata)).count();
        match check(&record, serial, same > 1, apex, rrsets) {
            Ok(()) => return Ok(ZonemdVerified { hash: record.hash, secure }),
            Err(fault) => faults.push((record.scheme, record.hash, fault)),
        }
    }
    Err(ZonemdFault::Records(faults))
}

/// Check one record; cheap checks come before the digest.
fn check(
    record: &Record<'_>,
    zone: u32,
    repeated: bool,
    apex: NameRef<'_>,
    rrsets: &[Rrset],
) -> Result<(), RecordFault> {
    if record.serial != zone {
        return Err(RecordFault::Serial { record: record.serial, zone });
    }
    if record.scheme != SIMPLE {
        return Err(RecordFault::Scheme);
    }
    let algorithm = zonemd_hash(record.hash).ok_or(RecordFault::Hash)?;
    if repeated {
        return Err(RecordFault::Repeated);
    }
    let (found, expected) = (record.digest.len(), algorithm.size());
    if found < LEAST_DIGEST {
        return Err(RecordFault::TooShort);
    }
    if found != expected {
        return Err(RecordFault::Length { found, expected });
    }
    let digest = zone_digest(apex, rrsets, algorithm);
    if digest.as_ref() == record.digest { Ok(()) } else { Err(RecordFault::Mismatch) }
}

/// Return the digest algorithm with this number in ZONEMD records (RFC 8976 §5.3).
#[must_use]
pub fn zonemd_hash(number: u8) -> Option<DigestAlg> {
    match number {
        1 => Some(DigestAlg::Sha384),
        2 => Some(DigestAlg::Sha512),
        _ => None,
    }
}

/// Compute the digest of a zone by the scheme SIMPLE (RFC 8976 §3.3).
///
/// It covers every record at or below `apex`, glue and occluded data as well, but neither the ZONEMD RRset of the apex
/// nor its signatures. Repeated records count once.
#[must_use]
pub fn zone_digest(apex: NameRef<'_>, rrsets: &[Rrset], algorithm: DigestAlg) -> nw_crypto::Digest {
    let covered = |rrset: &&Rrset| {
        rrset.owner.as_ref().is_at_or_below(apex) && !(rrset.rtype == RrType::ZONEMD && rrset.owner == apex)
    };
    let mut sets: Vec<&Rrset> = rrsets.iter().filter(covered).collect();
    sets.sort_by(|a, b| a.owner.cmp(&b.owner).then(a.rtype.cmp(&b.rtype)));
    let (mut hasher, mut scratch, mut out) = (Hasher::new(algorithm), Canonical::new(), Vec::new());
    for group in sets.chunk_by(|a, b| a.owner == b.owner && a.rtype == b.rtype) {
        out.clear();
        match group {
            [only] if only.rtype != RrType::RRSIG => {
                let head = (only.rtype, only.class, only.ttl);
                scratch.push_rrset(only.owner.as_ref(), head, &only.rdatas, &mut out);
            }
            // Signatures are no RRset (RFC 2181 §5.5 does not apply to them): each record has its own TTL.
            group => push_records(apex, group, &mut out),
        }
        hasher.update(&out);
    }
    hasher.finish()
}

/// Append the records of several sets with the same owner and type in canonical order of their rdata (RFC 8976 §3.3.1).
fn push_records(apex: NameRef<'_>, group: &[&Rrset], out: &mut Vec<u8>) {
    let is_apex = group[0].owner == apex;
    let covers_zonemd =
        |rdata: &[u8]| Rrsig::parse(rdata).is_some_and(|rrsig| rrsig.type_covered == RrType::ZONEMD);
    let mut records: Vec<(Vec<u8>, u32)> = Vec::new();
    for set in group {
        for rdata in set.rdatas.iter() {
            if set.rtype == RrType::RRSIG && is_apex && covers_zonemd(rdata) {
                continue;
            }
            let mut canonical = Vec::with_capacity(rdata.len());
            rr::canonical(set.rtype, rdata, &mut canonical);
            records.push((canonical, set.ttl));
        }
    }
    records.sort_unstable();
    records.dedup_by(|a, b| a.0 == b.0);
    let owner = group[0].owner.as_ref().lower();
    for (rdata, ttl) in records {
        out.extend_from_slice(owner.as_ref().wire());
        out.extend_from_slice(&group[0].rtype.0.to_be_bytes());
        out.extend_from_slice(&group[0].class.0.to_be_bytes());
        out.extend_from_slice(&ttl.to_be_bytes());
        out.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
        out.extend_from_slice(&rdata);
    }
}

/// The keys that sign a zone, vouched for by a trust anchor, and the signatures of its apex.
struct TrustedKeys<'a> {
    keys: Vec<Verifier>,
    signatures: Vec<Rrsig<'a>>,
    now: u32,
}

impl<'a> TrustedKeys<'a> {
    fn of(apex: NameRef<'_>, at_apex: &[&'a Rrset], trust: &ZonemdTrust) -> Result<Self, ZonemdFault> {
        let set = at_apex.iter().find(|rrset| rrset.rtype == RrType::DNSKEY);
        let set = set.ok_or(ZonemdFault::NoTrustedKey)?;
        let anchored = |dnskey: Dnskey<'_>| {
            trust.anchors.iter().any(|(rtype, rdata)| match *rtype {
                RrType::DNSKEY => rdata == dnskey.rdata(),
                _ => Ds::parse(rdata).is_some_and(|ds| ds.check(apex, dnskey).is_ok()),
            })
        };
        let dnskeys = set.rdatas.iter().filter_map(Dnskey::parse);
        let keys = dnskeys.filter_map(|dnskey| Some((Verifier::new(apex, dnskey).ok()?, anchored(dnskey))));
        let (entries, others): (Vec<_>, Vec<_>) = keys.partition(|(_, anchored)| *anchored);
        let rdatas = at_apex.iter().filter(|rrset| rrset.rtype == RrType::RRSIG);
        let signatures = rdatas.flat_map(|rrset| rrset.rdatas.iter()).filter_map(Rrsig::parse).collect();
        let keys = entries.into_iter().map(|(key, _)| key).collect();
        let mut trusted = Self { keys, signatures, now: trust.now };
        if trusted.keys.is_empty() {
            return Err(ZonemdFault::NoTrustedKey);
        }
        trusted.check(set)?;
        trusted.keys.extend(others.into_iter().map(|(key, _)| key));
        Ok(trusted)
    }

    /// Check that one of the keys has signed `rrset`, an RRset of the apex.
    fn check(&self, rrset: &Rrset) -> Result<(), ZonemdFault> {
        self.verify(rrset, &self.signatures)
            .map_err(|fault| ZonemdFault::Untrusted { rtype: rrset.rtype, fault })
    }

    fn verify(&self, rrset: &Rrset, signatures: &[Rrsig<'_>]) -> Result<(), Option<RrsigFault>> {
        let mut last = None;
        let mut scratch = Canonical::new();
        for rrsig in signatures.iter().filter(|rrsig| rrsig.type_covered == rrset.rtype) {
            for key in self.keys.iter().filter(|key| rrsig.names(key)) {
                match verify_rrset(rrset, rrsig, key, self.now, &mut scratch) {
                    Ok(verified) if verified.wildcard.is_none() => return Ok(()),
                    Ok(_) => last = Some(RrsigFault::TooFewLabels),
                    Err(fault) => last = Some(fault),
                }
            }
        }
        Err(last)
    }

    /// Check that the signed NSEC or NSEC3 of the apex denies ZONEMD (RFC 8976 §4 step 2).
    fn check_absence(&self, apex: NameRef<'_>, rrsets: &[Rrset]) -> Result<(), ZonemdFault> {
        let signed = |rrset: &&Rrset| {
            let made =
                rrsets.iter().filter(|other| other.rtype == RrType::RRSIG && other.owner == rrset.owner);
            let made: Vec<_> = made.flat_map(|other| other.rdatas.iter()).filter_map(Rrsig::parse).collect();
            self.verify(rrset, &made).is_ok()
        };
        let nsec = rrsets.iter().find(|rrset| rrset.rtype == RrType::NSEC && rrset.owner == apex);
        let proved = match nsec.filter(signed) {
            Some(nsec) => {
                let rdatas = nsec.rdatas.iter();
                let records: Vec<_> =
                    rdatas.filter_map(|rdata| Nsec::parse(nsec.owner.as_ref(), rdata)).collect();
                deny(apex, apex, RrType::ZONEMD, Evidence::Nsec(&records))
            }
            None => {
                // The record of the apex has the types SOA and NS; no other name of the zone has both.
                let sets = rrsets.iter().filter(|rrset| rrset.rtype == RrType::NSEC3);
                let sets: Vec<&Rrset> = sets
                    .filter(|set| {
                        let mut records = set
                            .rdatas
                            .iter()
                            .filter_map(|rdata| Nsec3::parse(set.owner.as_ref(), apex, rdata));
                        records.any(|record| record.types.contains(RrType::SOA))
                    })
                    .filter(signed)
                    .collect();
                let records: Vec<_> = sets
                    .iter()
                    .flat_map(|set| {
                        set.rdatas.iter().filter_map(|rdata| Nsec3::parse(set.owner.as_ref(), apex, rdata))
                    })
                    .collect();
                deny(apex, apex, RrType::ZONEMD, Evidence::Nsec3(&records, Nsec3Limits::default()))
            }
        };
        match proved {
            Ok(Denial::NoData) => Ok(()),
            Ok(_) => Err(ZonemdFault::AbsenceUnproved(Unproved::NotCovered)),
            Err(unproved) => Err(ZonemdFault::AbsenceUnproved(unproved)),
        }
    }
}

/// Return the serial of an SOA RRset, None if it is malformed.
fn serial_of(soa: &Rrset) -> Option<u32> {
    let rdata = soa.rdatas.first()?;
    let at = rdata.len().checked_sub(20)?;
    Some(u32::from_be_bytes(rdata[at..at + 4].try_into().ok()?))
}

#[cfg(test)]
mod tests;
