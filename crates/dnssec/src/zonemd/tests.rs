//! The vectors of RFC 8976 appendix A, and the zones of Unbound's tests with Unbound's verdicts.

use nw_wire::text::Tokens;

use super::*;
use crate::testing::{name, rrsets};

fn vector(file: &str) -> Vec<Rrset> {
    let path = format!("{}/../../tests/vectors/zonemd/{file}.zone", env!("CARGO_MANIFEST_DIR"));
    rrsets(&std::fs::read_to_string(path).expect("a vector"))
}

fn verdict(zone: &str, file: &str, trust: &ZonemdTrust) -> Result<ZonemdVerified, ZonemdFault> {
    verify_zonemd(name(zone).as_ref(), &vector(file), trust)
}

/// The trust anchor of Unbound's zones, or one with another digest, at a time.
fn anchor(digest: &str, now: u32) -> ZonemdTrust {
    let mut rdata = Vec::new();
    let text = format!("55566 8 2 {digest}");
    rr::from_text(RrType::DS, &mut Tokens::new(text.as_bytes()), NameRef::ROOT, &mut rdata).expect("a DS");
    ZonemdTrust { anchors: vec![(RrType::DS, rdata)], now }
}

const DIGEST: &str = "9c148338951ce1c3b5cd3da532f3d90dfcf92595148022f2c2fd98e5deee90af";
/// 2020-10-20 13:55:27.
const THEN: u32 = 1_603_202_127;

#[test]
fn the_examples_of_the_rfc_verify() {
    let zones = ["example", "example", "example", "uri.arpa", "root-servers.net"];
    for (at, zone) in zones.into_iter().enumerate() {
        let file = format!("rfc8976-a{}", at + 1);
        let verified = verdict(zone, &file, &ZonemdTrust::default());
        assert_eq!(verified, Ok(ZonemdVerified { hash: 1, secure: false }), "{file}");
    }
}

#[test]
fn each_hash_algorithm_has_its_digest() {
    // A.3 has one of each. Its private algorithm and scheme are passed over.
    let zone = vector("rfc8976-a3");
    let zonemd = zone.iter().find(|rrset| rrset.rtype == RrType::ZONEMD).expect("it has one");
    for hash in [1, 2] {
        let given = zonemd.rdatas.iter().find(|rdata| rdata[4..6] == [SIMPLE, hash]).expect("one of each");
        let digest = zone_digest(name("example").as_ref(), &zone, zonemd_hash(hash).expect("known"));
        assert_eq!(digest.as_ref(), &given[6..]);
    }
}

#[test]
fn verdicts_are_those_of_unbound() {
    let trust = anchor(DIGEST, THEN);
    let any = ZonemdTrust::default();
    let insecure = |hash| Ok(ZonemdVerified { hash, secure: false });
    let secure = |hash| Ok(ZonemdVerified { hash, secure: true });
    let signature = |rtype| {
        Err(ZonemdFault::Untrusted {
            rtype,
            fault: Some(RrsigFault::Signature(nw_crypto::VerifyError::BadSignature)),
        })
    };
    let unproved = |fault| Err(ZonemdFault::AbsenceUnproved(fault));
    let records = |faults: &[(u8, u8, RecordFault)]| Err(ZonemdFault::Records(faults.to_vec()));
    let mismatch = |hash| records(&[(1, hash, RecordFault::Mismatch)]);

    assert_eq!(verdict("example.org", "unbound-1", &trust), Err(ZonemdFault::NoTrustedKey));
    assert_eq!(verdict("example.org", "unbound-1", &any), Err(ZonemdFault::Absent));
    assert_eq!(verdict("example.com", "unbound-2", &any), insecure(2));
    for file in ["unbound-3", "unbound-4"] {
        assert_eq!(verdict("example.com", file, &any), mismatch(2), "{file}");
    }
    for file in ["unbound-5", "unbound-6"] {
        assert_eq!(verdict("example.com", file, &any), insecure(2), "{file}");
        assert_eq!(verdict("example.com", file, &trust), secure(2), "{file}");
    }
    // Their absence is proved, by NSEC and by NSEC3.
    for file in ["unbound-7", "unbound-8"] {
        assert_eq!(verdict("example.com", file, &trust), Err(ZonemdFault::Absent), "{file}");
    }
    assert_eq!(verdict("example.com", "unbound-9", &trust), signature(RrType::ZONEMD));
    assert_eq!(verdict("example.com", "unbound-10", &trust), signature(RrType::SOA));
    for file in ["unbound-11", "unbound-12"] {
        assert_eq!(verdict("example.com", file, &trust), unproved(Unproved::TypeExists), "{file}");
    }
    for file in ["unbound-13", "unbound-14"] {
        // A record whose signature fails is no record.
        assert_eq!(verdict("example.com", file, &trust), unproved(Unproved::NoRecords), "{file}");
    }
    assert_eq!(verdict("example.com", "unbound-15", &trust), signature(RrType::DNSKEY));
    let other = anchor("0000000000111111222223333444444dfcf92595148022f2c2fd98e5deee90af", THEN);
    assert_eq!(verdict("example.com", "unbound-5", &other), Err(ZonemdFault::NoTrustedKey));
    // 2022-10-20 13:55:27.
    let late = verdict("example.com", "unbound-5", &anchor(DIGEST, 1_666_274_127));
    assert!(
        matches!(
            late,
            Err(ZonemdFault::Untrusted { rtype: RrType::DNSKEY, fault: Some(RrsigFault::Expired { .. }) })
        ),
        "{late:?}"
    );
    let twice = (1, 2, RecordFault::Repeated);
    assert_eq!(verdict("example.com", "unbound-16", &any), records(&[twice, twice]));
    assert_eq!(verdict("example.com", "unbound-17", &any), insecure(2));
}

/// The first zone of the RFC with *zonemd* instead of its record; each *zonemd* is rdata as text.
fn with(zonemd: &[&str]) -> Result<ZonemdVerified, ZonemdFault> {
    let mut zone = vector("rfc8976-a1");
    zone.retain(|rrset| rrset.rtype != RrType::ZONEMD);
    let text: String = zonemd.iter().map(|rdata| format!("example. 86400 IN ZONEMD {rdata}\n")).collect();
    zone.extend(rrsets(&text));
    verify_zonemd(name("example").as_ref(), &zone, &ZonemdTrust::default())
}

#[test]
fn each_fault_of_a_record_is_reported() {
    const GOOD: &str =
        "c68090d90a7aed716bc459f9340e3d7c1370d4d24b7e2fc3a1ddc0b9a87153b9a9713b3c9ae5cc27777f98b8e730044c";
    let records = |faults: &[(u8, u8, RecordFault)]| Err(ZonemdFault::Records(faults.to_vec()));
    assert_eq!(with(&[&format!("2018031900 1 1 {GOOD}")]), Ok(ZonemdVerified { hash: 1, secure: false }));
    let serial = RecordFault::Serial { record: 2018031901, zone: 2018031900 };
    assert_eq!(with(&[&format!("2018031901 1 1 {GOOD}")]), records(&[(1, 1, serial)]));
    assert_eq!(with(&[&format!("2018031900 2 1 {GOOD}")]), records(&[(2, 1, RecordFault::Scheme)]));
    assert_eq!(with(&[&format!("2018031900 1 3 {GOOD}")]), records(&[(1, 3, RecordFault::Hash)]));
    let short = format!("2018031900 1 1 {}", &GOOD[..22]);
    assert_eq!(with(&[&short]), records(&[(1, 1, RecordFault::TooShort)]));
    let cut = format!("2018031900 1 1 {}", &GOOD[..94]);
    let length = RecordFault::Length { found: 47, expected: 48 };
    assert_eq!(with(&[&cut]), records(&[(1, 1, length)]));
    let length = RecordFault::Length { found: 48, expected: 64 };
    assert_eq!(with(&[&format!("2018031900 1 2 {GOOD}")]), records(&[(1, 2, length)]));
    assert_eq!(with(&[]), Err(ZonemdFault::Absent));
    // One that verifies is enough.
    let other = format!("2018031900 1 2 {GOOD}");
    assert!(with(&[&other, &format!("2018031900 1 1 {GOOD}")]).is_ok());
    // Rdata that ends before the digest.
    let mut zone = vector("rfc8976-a1");
    let zonemd = zone.iter_mut().find(|rrset| rrset.rtype == RrType::ZONEMD).expect("it has one");
    zonemd.rdatas = std::iter::once(&[0u8, 1, 2, 3, 1][..]).collect();
    let verdict = verify_zonemd(name("example").as_ref(), &zone, &ZonemdTrust::default());
    assert_eq!(verdict, records(&[(0, 0, RecordFault::TooShort)]));
}

#[test]
fn a_zone_has_one_soa() {
    let mut zone = vector("rfc8976-a1");
    let apex = name("example");
    let soas = zone.iter().position(|rrset| rrset.rtype == RrType::SOA).expect("it has one");
    zone[soas].rdatas.push(&[0; 22]);
    assert_eq!(verify_zonemd(apex.as_ref(), &zone, &ZonemdTrust::default()), Err(ZonemdFault::NoSoa));
    zone.retain(|rrset| rrset.rtype != RrType::SOA);
    assert_eq!(verify_zonemd(apex.as_ref(), &zone, &ZonemdTrust::default()), Err(ZonemdFault::NoSoa));
}

#[test]
fn every_octet_counts() {
    let zone = vector("rfc8976-a1");
    for at in (0..zone.len()).filter(|&at| zone[at].rtype != RrType::ZONEMD) {
        let mut changed = zone.clone();
        changed[at].ttl += 1;
        let verdict = verify_zonemd(name("example").as_ref(), &changed, &ZonemdTrust::default());
        assert_eq!(verdict, Err(ZonemdFault::Records(vec![(1, 1, RecordFault::Mismatch)])), "{:?}", zone[at]);
    }
}
