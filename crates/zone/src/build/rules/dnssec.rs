//! Keys, signatures, DS, CDS, NSEC3. `nw dnssec verify` checks the signatures themselves.
//!
//! RFCs: 4034 §2.1, §3.1, 4035 §2, 5155 §4.2, 7344 §4, §4.1, 8078 §4, 8624 §3, 8976 §4, 9276 §3.1, 9905 §2.

use std::cmp::Ordering;

use nw_dnssec::{Dnskey, Ds, DsFault, Rrsig, ZonemdFault, ZonemdTrust, key_tag, verify_zonemd};
use nw_wire::{NameRef, RrType};

use super::{Found, Set, Subject, show};
use crate::batch::TypeMask;
use crate::store::{NodeFlags, Zone};

const DAY: u32 = 86_400;
/// A signature that ends earlier is not renewed in time by a weekly signer that has failed once.
const EXPIRES_SOON: u32 = 3 * DAY;

/// Algorithms that validators no longer accept.
fn retired(algorithm: u8) -> Option<&'static str> {
    Some(match algorithm {
        1 => "RSAMD5",
        3 => "DSA",
        5 => "RSASHA1",
        6 => "DSA-NSEC3-SHA1",
        7 => "RSASHA1-NSEC3-SHA1",
        12 => "ECC-GOST",
        _ => return None,
    })
}

// ---- DNSKEY ----

pub(super) fn key_algorithm(subject: &Subject<'_>) -> Found {
    let name = retired(*subject.rdata.get(3)?)?;
    Some(format!("the algorithm {name} is retired; many validators treat the zone as unsigned").into())
}

pub(super) fn key_fields(subject: &Subject<'_>) -> Found {
    let &[high, low, protocol, ..] = subject.rdata else { return None };
    if protocol != 3 {
        return Some(format!("the protocol of DNSKEY is {protocol}, not 3").into());
    }
    let flags = u16::from_be_bytes([high, low]);
    if flags & 0x0100 == 0 {
        return Some(format!("the flags {flags} lack the bit of a zone key, so it signs nothing").into());
    }
    (flags & !0x0181 != 0).then(|| format!("the flags {flags} have bits without a meaning").into())
}

pub(super) fn key_place(set: &Set<'_>) -> Found {
    let apex = set.place.is_apex() || set.place.is_occluded();
    (!apex).then(|| format!("{} at {}, which is not the apex", set.rtype, show(set.place.owner)).into())
}

/// No key has the bit of a secure entry point.
pub(super) fn key_without_sep(set: &Set<'_>) -> Found {
    let sep = set.rdatas().any(|rdata| rdata.get(1).is_some_and(|flags| flags & 1 != 0));
    (set.place.is_apex() && !sep).then(|| "no DNSKEY has the SEP bit".into())
}

pub(super) fn key_short(subject: &Subject<'_>) -> Found {
    let &[_, _, _, algorithm, ref key @ ..] = subject.rdata else { return None };
    let expected = match algorithm {
        13 => 64,
        14 => 96,
        15 => 32,
        16 => 57,
        5 | 7 | 8 | 10 => {
            // RFC 3110 §2: length of the exponent in one or three octets.
            let head = if key.first() == Some(&0) {
                3 + usize::from(u16::from_be_bytes(*key.get(1..)?.first_chunk()?))
            } else {
                1 + usize::from(*key.first()?)
            };
            let bits = 8 * key.len().saturating_sub(head);
            return (bits < 1024).then(|| format!("an RSA key of {bits} bits can be broken").into());
        }
        _ => return None,
    };
    (key.len() != expected).then(|| {
        format!("a key of algorithm {algorithm} has {expected} octets, and {} are given", key.len()).into()
    })
}

// ---- signatures ----

/// The time in the record is in the past, in the arithmetic of serials (RFC 4034 §3.1.5).
fn compare(time: u32, now: u64) -> Ordering {
    (time.wrapping_sub(now as u32) as i32).cmp(&0)
}

pub(super) fn signature_expired(subject: &Subject<'_>) -> Found {
    let (rrsig, now) = (Rrsig::parse(subject.rdata)?, subject.zone.now?);
    (compare(rrsig.expiration, now) == Ordering::Less).then(|| {
        format!("the signature of {} {} has expired", show(subject.owner), rrsig.type_covered).into()
    })
}

pub(super) fn signature_expiring(subject: &Subject<'_>) -> Found {
    let (rrsig, now) = (Rrsig::parse(subject.rdata)?, subject.zone.now?);
    let left = rrsig.expiration.wrapping_sub(now as u32);
    (left < EXPIRES_SOON).then(|| {
        let hours = left / 3600;
        format!("the signature of {} {} expires in {hours} hours", show(subject.owner), rrsig.type_covered)
            .into()
    })
}

pub(super) fn signature_future(subject: &Subject<'_>) -> Found {
    let (rrsig, now) = (Rrsig::parse(subject.rdata)?, subject.zone.now?);
    (compare(rrsig.inception, now) == Ordering::Greater).then(|| {
        format!("the signature of {} {} is not valid yet", show(subject.owner), rrsig.type_covered).into()
    })
}

pub(super) fn signature_without_key(subject: &Subject<'_>) -> Found {
    let rrsig = Rrsig::parse(subject.rdata)?;
    if subject.place.is_occluded() || subject.zone.unread {
        return None;
    }
    if rrsig.signer != subject.zone.input.apex {
        return Some(format!("the signer of the signature is {}, not the zone", rrsig.signer).into());
    }
    (!subject.zone.has_key(rrsig.key_tag, rrsig.algorithm.0)).then(|| {
        format!("the zone has no DNSKEY with the tag {} and algorithm {}", rrsig.key_tag, rrsig.algorithm.0)
            .into()
    })
}

pub(super) fn signature_orphan(subject: &Subject<'_>) -> Found {
    let rrsig = Rrsig::parse(subject.rdata)?;
    (!subject.place.has(rrsig.type_covered))
        .then(|| format!("there is a signature of {}, but no such record", rrsig.type_covered).into())
}

/// RFC 4034 §3.1.4: validators use the lower TTL; a higher one than was signed is not kept.
pub(super) fn signature_ttl(subject: &Subject<'_>) -> Found {
    let rrsig = Rrsig::parse(subject.rdata)?;
    let covered = subject.place.records.iter().map(|entry| entry.record);
    let ttl = covered.filter(|record| record.rtype == rrsig.type_covered).map(|record| record.ttl).min()?;
    (ttl > rrsig.original_ttl).then(|| {
        format!("{} has the TTL {ttl}, and was signed with {}", rrsig.type_covered, rrsig.original_ttl).into()
    })
}

/// Authoritative data without signature in a signed zone.
pub(super) fn unsigned(set: &Set<'_>) -> Found {
    let (place, zone, rtype) = (set.place, set.place.zone, set.rtype);
    if zone.keys.is_empty() || rtype == RrType::RRSIG || place.is_occluded() || zone.unread {
        return None;
    }
    let cut = place.node.flags.has(NodeFlags::CUT);
    if !zone.tree.apex().1.types.has(TypeMask::RRSIG) || (cut && !matches!(rtype, RrType::DS | RrType::NSEC))
    {
        return None;
    }
    let number = rtype.0.to_be_bytes();
    let signed = place.of(RrType::RRSIG).any(|rdata| rdata.get(..2) == Some(&number[..]));
    (!signed).then(|| format!("{} {rtype} is not signed, and the zone is", show(place.owner)).into())
}

// ---- DS, CDS, CDNSKEY ----

pub(super) fn ds_sha1(set: &Set<'_>) -> Found {
    let digests = |rdata: &[u8]| rdata.get(3).copied().filter(|&digest| digest != 0);
    let mut all = set.rdatas().filter_map(digests).peekable();
    all.peek()?;
    all.all(|digest| digest == 1).then(|| {
        format!("{} {} has SHA-1 digests only, which validators may ignore", show(set.place.owner), set.rtype)
            .into()
    })
}

pub(super) fn ds_algorithm(subject: &Subject<'_>) -> Found {
    let &[_, _, algorithm, digest, ..] = subject.rdata else { return None };
    if let Some(name) = retired(algorithm) {
        return Some(
            format!("the algorithm {name} is retired; many validators treat the child as unsigned").into(),
        );
    }
    (digest == 3).then(|| "the digest type GOST R 34.11-94 is retired".into())
}

/// CDS names a key of the zone; its digest is right.
pub(super) fn cds_key(subject: &Subject<'_>) -> Found {
    let cds = Ds::parse(subject.rdata)?;
    let zone = subject.zone;
    if !subject.place.is_apex() || zone.unread || subject.rdata.get(2) == Some(&0) {
        return None;
    }
    let owner = NameRef::from_wire(subject.owner).ok()?;
    let keys = zone.at_apex(RrType::DNSKEY).filter_map(Dnskey::parse);
    let mut same = keys.filter(|key| key.tag() == cds.key_tag && key.algorithm() == cds.algorithm).peekable();
    if same.peek().is_none() {
        return Some(
            format!("CDS names a key with the tag {}, which the zone does not have", cds.key_tag).into(),
        );
    }
    let matches = same.any(|key| !matches!(cds.check(owner, key), Err(DsFault::DigestMismatch)));
    (!matches).then(|| format!("the digest of CDS is not that of the key {}", cds.key_tag).into())
}

pub(super) fn cdnskey_key(subject: &Subject<'_>) -> Found {
    if !subject.place.is_apex() || subject.zone.unread || subject.rdata.get(3) == Some(&0) {
        return None;
    }
    let known = subject.zone.at_apex(RrType::DNSKEY).any(|key| key == subject.rdata);
    (!known).then(|| {
        format!("CDNSKEY is the key {}, which the zone does not have", key_tag(subject.rdata)).into()
    })
}

/// RFC 7344 §4: CDS and CDNSKEY name the same keys. RFC 8078 §4: a removal stands alone.
pub(super) fn cds_sets(set: &Set<'_>) -> Found {
    let deletes = |rdata: &&[u8]| {
        let algorithm = if set.rtype == RrType::CDS { rdata.get(2) } else { rdata.get(3) };
        algorithm == Some(&0)
    };
    if set.count() > 1 && set.rdatas().any(|rdata| deletes(&rdata)) {
        return Some(format!("{} asks for the removal of DS and names keys", set.rtype).into());
    }
    if set.rtype == RrType::CDNSKEY || set.rdatas().any(|rdata| deletes(&rdata)) {
        return None;
    }
    let keys: Vec<u16> = set.place.of(RrType::CDNSKEY).map(key_tag).collect();
    let named = |rdata: &[u8]| rdata.first_chunk().map_or(0, |tag| u16::from_be_bytes(*tag));
    let differ = set.rdatas().any(|rdata| !keys.contains(&named(rdata)))
        || keys.iter().any(|&key| !set.rdatas().any(|rdata| named(rdata) == key));
    (differ && !keys.is_empty()).then(|| "CDS and CDNSKEY name different keys".into())
}

// ---- NSEC3, ZONEMD ----

pub(super) fn nsec3_iterations(subject: &Subject<'_>) -> Found {
    let &[_, _, high, low, ..] = subject.rdata else { return None };
    let iterations = u16::from_be_bytes([high, low]);
    (iterations > 0).then(|| format!("NSEC3 with {iterations} additional iterations").into())
}

pub(super) fn nsec3_salt(subject: &Subject<'_>) -> Found {
    let length = *subject.rdata.get(4)?;
    (length > 0).then(|| format!("NSEC3 with a salt of {length} octets, which gives no protection").into())
}

/// Some resolvers cannot validate NSEC3 with keys of algorithms that are older than it (RFC 5155 §2).
pub(super) fn nsec3_algorithm(set: &Set<'_>) -> Found {
    let old = set.place.zone.keys.iter().any(|&(_, algorithm)| matches!(algorithm, 1 | 3 | 5));
    (set.place.is_apex() && old).then(|| "NSEC3 needs a key whose algorithm is not older than NSEC3".into())
}

pub(super) fn zonemd(zone: &Zone) -> Found {
    zone.rrset(zone.apex(), RrType::ZONEMD)?;
    let rrsets: Vec<_> = zone.rrsets().collect();
    match verify_zonemd(zone.apex(), &rrsets, &ZonemdTrust::default()) {
        Err(fault @ ZonemdFault::Records(_)) => {
            Some(format!("no digest is that of the zone: {fault}").into())
        }
        _ => None,
    }
}
