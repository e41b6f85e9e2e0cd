//! A zone signed by this crate has no faults, and every removed or changed record is reported.
//! `tests/interop/test_verify_peers.py` compares the results with dnssec-verify and ldns-verify-zone.

use std::sync::{Arc, LazyLock};

use nw_crypto::SigningKey;
use proptest::prelude::*;

use super::*;
use crate::ds::{DigestType, push_ds};
use crate::sign::{DenialOptions, SignOptions, sign_zone};
use crate::testing::{ZONE, name, rrsets};
use crate::zonekey::ZoneKey;

const NOW: u32 = 5000;

fn key(flags: u16, algorithm: Algorithm) -> ZoneKey {
    let signer = SigningKey::generate(algorithm, None).expect("a key");
    ZoneKey::new(name("example.com").as_ref(), flags, Arc::new(signer))
}

/// A key-signing key and a zone-signing key.
static KEYS: LazyLock<[ZoneKey; 2]> =
    LazyLock::new(|| [key(257, Algorithm::ED25519), key(256, Algorithm::ED25519)]);

fn chains() -> [DenialOptions; 3] {
    let nsec3 = |opt_out| DenialOptions::Nsec3 { iterations: 0, salt: Vec::new(), opt_out };
    [DenialOptions::Nsec, nsec3(false), nsec3(true)]
}

/// The zone of the other tests, with signatures valid from 1000 to 9000.
fn signed(denial: DenialOptions) -> Vec<Rrset> {
    let options =
        SignOptions { inception: 1000, expiration: 9000, jitter: 0, denial, dnskey_ttl: 600, threads: 1 };
    let zone = sign_zone(name("example.com").as_ref(), rrsets(ZONE), &*KEYS, &options).expect("a zone");
    zone.into_iter().flat_map(|signed| [signed.rrsig_rrset(), Some(signed.rrset)]).flatten().collect()
}

static SIGNED: LazyLock<[Vec<Rrset>; 3]> = LazyLock::new(|| chains().map(signed));

fn verify(zone: &[Rrset], options: &VerifyOptions) -> Report {
    verify_zone(name("example.com").as_ref(), zone.to_vec(), options)
}

fn at(now: u32) -> VerifyOptions {
    VerifyOptions { now, ..VerifyOptions::default() }
}

fn codes(report: &Report) -> Vec<&'static str> {
    let mut codes: Vec<_> = report.problems.iter().map(|problem| problem.fault.code()).collect();
    codes.dedup();
    codes
}

#[test]
fn a_zone_signed_here_has_no_faults() {
    for zone in &*SIGNED {
        for threads in [1, 3] {
            let report = verify(zone, &VerifyOptions { threads, ..at(NOW) });
            assert_eq!(report.problems, []);
            assert_eq!((report.errors, report.warnings), (0, 0));
            assert_eq!((report.rrsets, report.signatures), (report.rrsets, report.rrsets));
            assert_eq!(report.first_expiration, Some(9000));
            assert_eq!(report.chains.len(), 1);
            let [entry, zone] = &report.keys[..] else { panic!("two keys: {:?}", report.keys) };
            let (entry, zone) = if entry.flags == 257 { (entry, zone) } else { (zone, entry) };
            assert_eq!((entry.signs, entry.signs_keys), (1, true));
            assert_eq!((zone.signs, zone.signs_keys), (report.rrsets - 1, false));
        }
    }
}

#[test]
fn time_is_an_argument() {
    let zone = &SIGNED[0];
    assert_eq!(codes(&verify(zone, &at(999))), ["NOT_YET_VALID"]);
    assert_eq!(verify(zone, &at(1000)).errors, 0);
    assert_eq!(verify(zone, &at(9000)).errors, 0);
    let late = verify(zone, &at(9001));
    assert_eq!((codes(&late), late.errors), (vec!["EXPIRED"], late.rrsets));
    assert!(
        late.problems[0].fault.to_string().contains("expired at 19700101023000"),
        "{}",
        late.problems[0].fault
    );
}

#[test]
fn descriptions_are_limited_and_all_faults_are_counted() {
    let report = verify(&SIGNED[0], &VerifyOptions { max_problems: 3, ..at(1) });
    assert_eq!((report.problems.len(), report.errors), (3, report.rrsets));
}

#[test]
fn anchors_match_the_key_that_signs_the_dnskey_rrset() {
    let with = |key: &ZoneKey| {
        let mut ds = Vec::new();
        assert!(push_ds(key.owner(), key.dnskey(), DigestType::SHA256, &mut ds));
        let as_ds = verify(&SIGNED[0], &VerifyOptions { anchors: vec![(RrType::DS, ds)], ..at(NOW) });
        let dnskey = vec![(RrType::DNSKEY, key.dnskey().rdata().to_vec())];
        let as_key = verify(&SIGNED[0], &VerifyOptions { anchors: dnskey, ..at(NOW) });
        assert_eq!(codes(&as_ds), codes(&as_key));
        codes(&as_ds)
    };
    assert_eq!(with(&KEYS[0]), [""; 0]);
    assert_eq!(with(&KEYS[1]), ["ANCHORED_KEY_DOES_NOT_SIGN"]);
    assert_eq!(with(&key(257, Algorithm::ED25519)), ["ANCHOR_NAMES_NO_KEY"]);
}

#[test]
fn each_algorithm_of_the_keys_is_required() {
    let mut zone = SIGNED[0].clone();
    let keys = zone.iter_mut().find(|rrset| rrset.rtype == RrType::DNSKEY).expect("keys");
    keys.rdatas.push(key(256, Algorithm::ECDSAP256SHA256).dnskey().rdata());
    let report = verify(&zone, &at(NOW));
    // The signature of the DNSKEY RRset is invalid, and every other RRset lacks a signature.
    assert_eq!(report.errors, report.rrsets + 1, "{:?}", report.problems);
    assert!(codes(&report).contains(&"ALGORITHM_MISSING"));
}

#[test]
fn cds_and_cdnskey_must_match_a_key() {
    let mut data = rrsets(ZONE);
    let mut cdnskey = Rrset::new(name("example.com"), RrType::CDNSKEY, nw_wire::Class::IN, 300);
    cdnskey.rdatas.push(KEYS[0].dnskey().rdata());
    data.push(cdnskey);
    data.extend(rrsets("example.com. 300 IN CDS 0 0 0 00"));
    let sign = |data| {
        let options = SignOptions {
            inception: 1,
            expiration: 9000,
            jitter: 0,
            denial: DenialOptions::Nsec,
            dnskey_ttl: 1,
            threads: 1,
        };
        let zone = sign_zone(name("example.com").as_ref(), data, &*KEYS, &options).expect("a zone");
        let all = zone.into_iter().flat_map(|signed| [signed.rrsig_rrset(), Some(signed.rrset)]).flatten();
        verify(&all.collect::<Vec<_>>(), &at(NOW))
    };
    assert_eq!(codes(&sign(data.clone())), [""; 0]);
    data.retain(|rrset| rrset.rtype != RrType::CDS);
    data.extend(rrsets(
        "example.com. 300 IN CDS 1 15 2 00112233445566778899AABBCCDDEEFF00112233445566778899AABBCCDDEEFF",
    ));
    assert_eq!(codes(&sign(data)), ["CHILD_ASKS_FOR_NO_KEY"]);
}

#[test]
fn an_unsigned_zone_has_neither_keys_nor_chain() {
    assert_eq!(codes(&verify(&rrsets(ZONE), &at(NOW))), ["NO_KEY", "NO_CHAIN"]);
}

#[test]
fn a_digest_of_the_zone_must_be_that_of_its_data() {
    use crate::zonemd::zone_digest;
    use nw_crypto::DigestAlg;

    let options = SignOptions {
        inception: 1,
        expiration: 9000,
        jitter: 0,
        denial: DenialOptions::Nsec,
        dnskey_ttl: 1,
        threads: 1,
    };
    let sign = |digest: &[u8], hash: u8| {
        let mut data = rrsets(ZONE);
        let mut zonemd = Rrset::new(name("example.com"), RrType::ZONEMD, nw_wire::Class::IN, 3600);
        zonemd.rdatas.push(&[&2026010101u32.to_be_bytes()[..], &[1, hash], digest].concat());
        data.push(zonemd);
        let zone = sign_zone(name("example.com").as_ref(), data, &*KEYS, &options).expect("a zone");
        zone.into_iter().flat_map(|signed| [signed.rrsig_rrset(), Some(signed.rrset)]).flatten().collect()
    };
    let zone: Vec<Rrset> = sign(&[0; 48], 1);
    let report = verify(&zone, &at(NOW));
    assert_eq!((codes(&report), report.errors, report.zonemd), (vec!["ZONEMD"], 1, None));
    // The digest covers neither the record nor its signature.
    let zone: Vec<Rrset> =
        sign(zone_digest(name("example.com").as_ref(), &zone, DigestAlg::Sha384).as_ref(), 1);
    let report = verify(&zone, &at(NOW));
    assert_eq!((codes(&report), report.zonemd), (Vec::new(), Some(1)));
    // An unknown algorithm is only a warning.
    let report = verify(&sign(&[0; 48], 200), &at(NOW));
    assert_eq!((codes(&report), report.errors, report.warnings), (vec!["ZONEMD"], 0, 1));
}

/// Return whether validators see `rrset`. They do not see glue, or NS RRsets that an opt-out chain may omit.
fn is_proved(rrset: &Rrset, opt_out: bool) -> bool {
    let hidden = ["ns.signed.example.com", "ns.unsigned.example.com"].map(name);
    let unsigned = ["unsigned.example.com", "deep.only.unsigned2.example.com"].map(name);
    let cut = ["signed.example.com", "unsigned.example.com"].map(name);
    // A single NS record of a delegation is not signed. If it is the last one, the bitmap shows its absence.
    let one_of_many = cut.contains(&rrset.owner) && rrset.rtype == RrType::NS && rrset.rdatas.len() > 1;
    !(hidden.contains(&rrset.owner) || one_of_many || opt_out && unsigned.contains(&rrset.owner))
}

proptest! {
    /// A fault is reported for every record that is removed from a signed zone.
    #[test]
    fn each_removed_record_is_reported(chain in 0usize..3, pick in any::<prop::sample::Index>(), which in any::<prop::sample::Index>()) {
        let mut zone = SIGNED[chain].clone();
        let at_ = pick.index(zone.len());
        prop_assume!(is_proved(&zone[at_], chain == 2));
        let drop = which.index(zone[at_].rdatas.len());
        let left = zone[at_].rdatas.iter().enumerate().filter(|(i, _)| *i != drop).map(|(_, rdata)| rdata);
        zone[at_].rdatas = left.collect();
        let gone = zone[at_].clone();
        zone.retain(|rrset| !rrset.rdatas.is_empty());
        prop_assert!(verify(&zone, &at(NOW)).errors > 0, "{gone:?}");
    }

    /// A fault is reported for every octet changed in signed data or in a signature.
    #[test]
    fn each_changed_octet_is_reported(chain in 0usize..3, pick in any::<prop::sample::Index>(), octet in any::<prop::sample::Index>(), bit in 0u8..8) {
        let mut zone = SIGNED[chain].clone();
        let at_ = pick.index(zone.len());
        prop_assume!(is_proved(&zone[at_], chain == 2) && zone[at_].rtype != RrType::NS);
        let mut rdata = zone[at_].rdatas.first().expect("no set is empty").to_vec();
        let changed = octet.index(rdata.len());
        // A changed octet may only change the case of a name, or may make a name invalid.
        rdata[changed] ^= 1 << bit;
        prop_assume!(nw_wire::rr::check(zone[at_].rtype, &rdata).is_ok());
        let canonical = |rdata: &[u8]| {
            let mut out = Vec::new();
            nw_wire::rr::canonical(zone[at_].rtype, rdata, &mut out);
            out
        };
        prop_assume!(canonical(&rdata) != canonical(zone[at_].rdatas.first().expect("as above")));
        let rest: Vec<Vec<u8>> = zone[at_].rdatas.iter().skip(1).map(<[u8]>::to_vec).collect();
        zone[at_].rdatas = std::iter::once(rdata.as_slice()).chain(rest.iter().map(Vec::as_slice)).collect();
        let report = verify(&zone, &at(NOW));
        prop_assert!(report.errors > 0, "{:?} octet {changed} bit {bit}", zone[at_]);
    }
}
