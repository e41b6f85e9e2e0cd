//! Which key signs which RRset, and which zones are refused. `tests/interop.rs` tests that the result is right.

use std::sync::Arc;

use super::*;
use crate::dnskey::Dnskey;
use crate::rrsig::Rrsig;
use crate::testing::{ZONE, name, rrsets, signer::Stamp};

fn options(denial: DenialOptions) -> SignOptions {
    SignOptions { inception: 1000, expiration: 9000, jitter: 0, denial, dnskey_ttl: 600, threads: 2 }
}

fn key(flags: u16) -> ZoneKey {
    ZoneKey::new(name("example.com").as_ref(), flags, Arc::new(Stamp))
}

fn sign(keys: &[ZoneKey], options: &SignOptions) -> Result<Vec<SignedRrset>, SignZoneError> {
    sign_zone(name("example.com").as_ref(), rrsets(ZONE), keys, options)
}

/// The tags of the keys that signed the RRset.
fn tags(zone: &[SignedRrset], owner: &str, rtype: RrType) -> Vec<u16> {
    let found = zone.iter().find(|signed| signed.rrset.owner == name(owner) && signed.rrset.rtype == rtype);
    let rrsigs = &found.unwrap_or_else(|| panic!("{owner} {rtype}")).rrsigs;
    rrsigs.iter().map(|rdata| Rrsig::parse(rdata).expect("our own").key_tag).collect()
}

#[test]
fn each_key_signs_the_rrsets_of_its_role() {
    let (ksk, zsk, revoked) = (key(257), key(256), key(257 | Dnskey::REVOKE));
    let keys = [ksk.clone(), zsk.clone(), revoked.clone()];
    let zone = sign(&keys, &options(DenialOptions::Nsec)).expect("a zone");
    assert_eq!(tags(&zone, "example.com", RrType::DNSKEY), [ksk.tag(), revoked.tag()]);
    assert_eq!(tags(&zone, "example.com", RrType::SOA), [zsk.tag()]);
    assert_eq!(tags(&zone, "example.com", RrType::NS), [zsk.tag()]);
    assert_eq!(tags(&zone, "signed.example.com", RrType::DS), [zsk.tag()]);
    assert_eq!(tags(&zone, "signed.example.com", RrType::NSEC), [zsk.tag()]);
    for (owner, rtype) in [
        ("signed.example.com", RrType::NS),
        ("unsigned.example.com", RrType::NS),
        ("ns.unsigned.example.com", RrType::A),
    ] {
        assert_eq!(tags(&zone, owner, rtype), [0u16; 0]);
    }
    let single = sign(&[key(257)], &options(DenialOptions::Nsec)).expect("a zone");
    assert_eq!(tags(&single, "example.com", RrType::SOA), tags(&single, "example.com", RrType::DNSKEY));
    let order: Vec<_> = zone.iter().map(|signed| (signed.rrset.owner.clone(), signed.rrset.rtype)).collect();
    assert!(order.is_sorted());
}

#[test]
fn signing_a_signed_zone_changes_nothing() {
    let nsec3 = |opt_out| DenialOptions::Nsec3 { iterations: 1, salt: vec![0xab], opt_out };
    for denial in [DenialOptions::Nsec, nsec3(false), nsec3(true)] {
        let first = sign(&[key(257)], &options(denial.clone())).expect("a zone");
        let mut again: Vec<Rrset> = first.iter().map(|signed| signed.rrset.clone()).collect();
        again.extend(first.iter().filter_map(SignedRrset::rrsig_rrset));
        again.reverse();
        let second = sign_zone(name("example.com").as_ref(), again, &[key(257)], &options(denial));
        assert_eq!(second, Ok(first));
    }
}

#[test]
fn ttl_of_denial_follows_the_soa() {
    let zone = sign(&[key(257)], &options(DenialOptions::Nsec)).expect("a zone");
    assert!(
        zone.iter().filter(|signed| signed.rrset.rtype == RrType::NSEC).all(|signed| signed.rrset.ttl == 300)
    );
}

#[test]
fn jitter_changes_only_the_expiration() {
    let spread = SignOptions { jitter: 1000, ..options(DenialOptions::Nsec) };
    let zone = sign(&[key(257)], &spread).expect("a zone");
    let ends: std::collections::BTreeSet<u32> = zone
        .iter()
        .flat_map(|signed| signed.rrsigs.iter())
        .map(|rdata| Rrsig::parse(rdata).expect("our own"))
        .inspect(|rrsig| assert_eq!(rrsig.inception, 1000))
        .map(|rrsig| rrsig.expiration)
        .collect();
    assert!(ends.len() > 5 && ends.iter().all(|end| (8001..=9000).contains(end)));
}

#[test]
fn invalid_zones_are_refused() {
    let nsec = || options(DenialOptions::Nsec);
    let with = |more: &str| {
        let mut all = rrsets(ZONE);
        all.extend(rrsets(more));
        sign_zone(name("example.com").as_ref(), all, &[key(257)], &nsec()).unwrap_err()
    };
    let owner = name("example.org");
    assert_eq!(with("example.org. 1 IN A 192.0.2.1"), SignZoneError::OutOfZone { owner });
    let duplicate = SignZoneError::Duplicate { owner: name("ns1.example.com"), rtype: RrType::A };
    assert_eq!(with("NS1.example.com. 1 IN A 192.0.2.9"), duplicate);
    assert_eq!(with("a.example.com. 1 IN SOA . . 1 1 1 1 1"), SignZoneError::NoSoa);
    assert_eq!(sign(&[], &nsec()), Err(SignZoneError::NoKeys));
    assert_eq!(sign(&[key(257 | Dnskey::REVOKE)], &nsec()), Err(SignZoneError::NoKeys));
    let foreign = ZoneKey::new(name("example.org").as_ref(), 257, Arc::new(Stamp));
    assert_eq!(
        sign(std::slice::from_ref(&foreign), &nsec()),
        Err(SignZoneError::ForeignKey { tag: foreign.tag() })
    );
    let late = SignOptions { inception: 9001, ..nsec() };
    assert_eq!(sign(&[key(257)], &late), Err(SignZoneError::ExpiresBeforeInception));
    let salt = DenialOptions::Nsec3 { iterations: 0, salt: vec![0; 256], opt_out: false };
    assert_eq!(sign(&[key(257)], &options(salt)), Err(SignZoneError::SaltTooLong));
}
