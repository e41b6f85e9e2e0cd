//! The signed examples of the RFCs, and the faults that make a signature invalid.

use nw_crypto::{SigningKey, VerifyError};
use proptest::prelude::*;

use super::*;
use crate::dnskey::Dnskey;
use crate::testing::{name, rrsets};

/// RFC 5702 §6.1, §6.2; RFC 6605 §6.1, §6.2; RFC 8080 §6.1, §6.2 (with erratum 4935): a key, an RRset, its RRSIG.
pub(crate) const EXAMPLES: [&str; 6] = [
    "example.net. 3600 IN DNSKEY 256 3 8 AwEAAcFcGsaxxdgiuuGmCkVImy4h99CqT7jwY3pexPGcnUFtR2Fh36BponcwtkZ4cAgtvd4Qs8PkxUdp6p/DlUmObdk=
     www.example.net. 3600 IN A 192.0.2.91
     www.example.net. 3600 IN RRSIG A 8 3 3600 20300101000000 20000101000000 9033 example.net. kRCOH6u7l0QGy9qpC9l1sLncJcOKFLJ7GhiUOibu4teYp5VE9RncriShZNz85mwlMgNEacFYK/lPtPiVYP4bwg==",
    "example.net. 3600 IN DNSKEY 256 3 10 AwEAAdHoNTOW+et86KuJOWRDp1pndvwb6Y83nSVXXyLA3DLroROUkN6X0O6pnWnjJQujX/AyhqFDxj13tOnD9u/1kTg7cV6rklMrZDtJCQ5PCl/D7QNPsgVsMu1J2Q8gpMpztNFLpPBz1bWXjDtaR7ZQBlZ3PFY12ZTSncorffcGmhOL
     www.example.net. 3600 IN A 192.0.2.91
     www.example.net. 3600 IN RRSIG A 10 3 3600 20300101000000 20000101000000 3740 example.net. tsb4wnjRUDnB1BUi+t6TMTXThjVnG+eCkWqjvvjhzQL1d0YRoOe0CbxrVDYd0xDtsuJRaeUw1ep94PzEWzr0iGYgZBWm/zpq+9fOuagYJRfDqfReKBzMweOLDiNa8iP5g9vMhpuv6OPlvpXwm9Sa9ZXIbNl1MBGk0fthPgxdDLw=",
    "example.net. 3600 IN DNSKEY 257 3 13 GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA==
     www.example.net. 3600 IN A 192.0.2.1
     www.example.net. 3600 IN RRSIG A 13 3 3600 20100909100439 20100812100439 55648 example.net. qx6wLYqmh+l9oCKTN6qIc+bw6ya+KJ8oMz0YP107epXAyGmt+3SNruPFKG7tZoLBLlUzGGus7ZwmwWep666VCw==",
    "example.net. 3600 IN DNSKEY 257 3 14 xKYaNhWdGOfJ+nPrL8/arkwf2EY3MDJ+SErKivBVSum1w/egsXvSADtNJhyem5RCOpgQ6K8X1DRSEkrbYQ+OB+v8/uX45NBwY8rp65F6Glur8I/mlVNgF6W/qTI37m40
     www.example.net. 3600 IN A 192.0.2.1
     www.example.net. 3600 IN RRSIG A 14 3 3600 20100909102025 20100812102025 10771 example.net. /L5hDKIvGDyI1fcARX3z65qrmPsVz73QD1Mr5CEqOiLP95hxQouuroGCeZOvzFaxsT8Glr74hbavRKayJNuydCuzWTSSPdz7wnqXL5bdcJzusdnI0RSMROxxwGipWcJm",
    "example.com. 3600 IN DNSKEY 257 3 15 l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4=
     example.com. 3600 IN MX 10 mail.example.com.
     example.com. 3600 IN RRSIG MX 15 2 3600 20150819220000 20150729220000 3613 example.com. oL9krJun7xfBOIWcGHi7mag5/hdZrKWw15jPGrHpjQeRAvTdszaPD+QLs3fx8A4M3e23mRZ9VrbpMngwcrqNAg==",
    "example.com. 3600 IN DNSKEY 257 3 16 3kgROaDjrh0H2iuixWBrc8g2EpBBLCdGzHmn+G2MpTPhpj/OiBVHHSfPodx1FYYUcJKm1MDpJtIA
     example.com. 3600 IN MX 10 mail.example.com.
     example.com. 3600 IN RRSIG MX 16 2 3600 20150819220000 20150729220000 9713 example.com. 3cPAHkmlnxcDHMyg7vFC34l0blBhuG1qpwLmjInI8w1CMB29FkEAIJUA0amxWndkmnBZ6SKiwZSAxGILn/NBtOXft0+Gj7FSvOKxE/07+4RQvE581N3Aj/JtIyaiYVdnYtyMWbSNyGEY2213WKsJlwEA",
];

#[test]
fn examples_of_the_rfcs_verify() {
    for text in EXAMPLES {
        let sets = rrsets(text);
        let [dnskey, rrset, rrsigs] = &sets[..] else { panic!("three RRsets") };
        let key = Dnskey::parse(dnskey.rdatas.first().expect("a key")).expect("a key");
        let key = Verifier::new(dnskey.owner.as_ref(), key).expect("a sound key");
        let rrsig = Rrsig::parse(rrsigs.rdatas.first().expect("a signature")).expect("a signature");
        let at = |now| verify_rrset(rrset, &rrsig, &key, now, &mut Canonical::new());
        let good = at(rrsig.inception).unwrap_or_else(|e| panic!("{}: {e}", rrsig.algorithm));
        assert_eq!(good, Verified { ttl: 3600, wildcard: None });
        assert_eq!(at(rrsig.expiration).map(|good| good.ttl), Ok(0));
        let early = RrsigFault::NotYetValid { inception: rrsig.inception };
        assert_eq!(at(rrsig.inception.wrapping_sub(1)), Err(early));
        assert_eq!(at(rrsig.expiration + 1), Err(RrsigFault::Expired { expiration: rrsig.expiration }));
    }
}

/// A key for example.com that signs fast.
fn key() -> (ZoneKey, Verifier) {
    let signer = SigningKey::generate(Algorithm::ED25519, None).expect("a key");
    let key = ZoneKey::new(name("Example.com").as_ref(), 256, std::sync::Arc::new(signer));
    let verifier = Verifier::new(key.owner(), key.dnskey()).expect("our own key");
    (key, verifier)
}

const WINDOW: SignParams = SignParams { inception: 1000, expiration: 9000 };

fn sign(rrset: &Rrset, key: &ZoneKey, params: SignParams) -> Vec<u8> {
    let mut rdata = Vec::new();
    sign_rrset(rrset, key, params, &mut SignScratch::default(), &mut rdata).expect("a signature");
    rdata
}

#[test]
fn wildcards_are_recognized_by_the_labels_field() {
    let (key, verifier) = key();
    let mut rrset = rrsets("*.w.example.com. 60 IN TXT \"x\"").remove(0);
    let rdata = sign(&rrset, &key, WINDOW);
    let rrsig = Rrsig::parse(&rdata).expect("our own");
    assert_eq!(rrsig.labels, 3);
    for (owner, wildcard) in [
        ("*.w.example.com", None),
        ("*.W.EXAMPLE.com", None),
        ("a.w.example.com", Some(3)),
        ("a.b.w.example.com", Some(3)),
        ("*.b.w.example.com", Some(3)),
    ] {
        rrset.owner = name(owner);
        let good = verify_rrset(&rrset, &rrsig, &verifier, 5000, &mut Canonical::new()).expect(owner);
        assert_eq!(good.wildcard, wildcard, "{owner}");
    }
    rrset.owner = name("a.v.example.com");
    let wrong = verify_rrset(&rrset, &rrsig, &verifier, 5000, &mut Canonical::new());
    assert_eq!(wrong, Err(RrsigFault::Signature(VerifyError::BadSignature)));
}

#[test]
fn each_fault_is_reported_by_name() {
    let (key, verifier) = key();
    let rrset = rrsets("a.example.com. 60 IN A 192.0.2.1").remove(0);
    let rdata = sign(&rrset, &key, WINDOW);
    let good = Rrsig::parse(&rdata).expect("our own");
    let check = |rrsig: &Rrsig<'_>, rrset: &Rrset| {
        verify_rrset(rrset, rrsig, &verifier, 5000, &mut Canonical::new()).map(|_| ())
    };
    let with = |change: &dyn Fn(&mut Rrset)| {
        let mut rrset = rrset.clone();
        change(&mut rrset);
        rrset
    };
    assert_eq!(check(&good, &rrset), Ok(()));
    assert_eq!(check(&good, &with(&|r| r.ttl = 5)), Ok(()), "the TTL in hand does not count");
    assert_eq!(check(&good, &with(&|r| r.rtype = RrType::AAAA)), Err(RrsigFault::TypeCovered));
    let elsewhere = with(&|r| r.owner = name("a.example.org"));
    assert_eq!(check(&good, &elsewhere), Err(RrsigFault::SignerNotAbove));
    assert_eq!(check(&Rrsig { labels: 4, ..good }, &rrset), Err(RrsigFault::TooManyLabels));
    assert_eq!(check(&Rrsig { labels: 1, ..good }, &rrset), Err(RrsigFault::LabelsAboveSigner));
    let backwards = Rrsig { expiration: 900, ..good };
    assert_eq!(check(&backwards, &rrset), Err(RrsigFault::ExpiresBeforeInception));
    assert_eq!(check(&Rrsig { key_tag: good.key_tag ^ 1, ..good }, &rrset), Err(RrsigFault::OtherKey));
    assert_eq!(check(&Rrsig { algorithm: Algorithm(13), ..good }, &rrset), Err(RrsigFault::OtherKey));
    let parent = name("com");
    assert_eq!(check(&Rrsig { signer: parent.as_ref(), ..good }, &rrset), Err(RrsigFault::OtherKey));
    let bad = Err(RrsigFault::Signature(VerifyError::BadSignature));
    assert_eq!(check(&Rrsig { original_ttl: 61, ..good }, &rrset), bad);
    assert_eq!(check(&Rrsig { signature: &good.signature[1..], ..good }, &rrset), bad);
    assert_eq!(check(&good, &with(&|r| r.rdatas.push(&[192, 0, 2, 2]))), bad);
    assert_eq!(check(&good, &with(&|r| r.class = nw_wire::Class::CH)), bad);
}

#[test]
fn revoked_keys_sign_only_the_dnskey_rrset() {
    let signer = SigningKey::generate(Algorithm::ED25519, None).expect("a key");
    let flags = 257 | Dnskey::REVOKE;
    let key = ZoneKey::new(name("example.com").as_ref(), flags, std::sync::Arc::new(signer));
    let verifier = Verifier::new(key.owner(), key.dnskey()).expect("our own key");
    let mut dnskeys = Rrset::new(name("example.com"), RrType::DNSKEY, nw_wire::Class::IN, 60);
    dnskeys.rdatas.push(key.dnskey().rdata());
    let other = rrsets("a.example.com. 60 IN A 192.0.2.1").remove(0);
    for (rrset, expected) in [(dnskeys, None), (other, Some(RrsigFault::RevokedKey))] {
        let rdata = sign(&rrset, &key, WINDOW);
        let rrsig = Rrsig::parse(&rdata).expect("our own");
        assert_eq!(verify_rrset(&rrset, &rrsig, &verifier, 5000, &mut Canonical::new()).err(), expected);
    }
}

#[test]
fn time_wraps_around() {
    let (key, verifier) = key();
    let rrset = rrsets("a.example.com. 60 IN A 192.0.2.1").remove(0);
    let rdata = sign(&rrset, &key, SignParams { inception: u32::MAX - 100, expiration: 100 });
    let rrsig = Rrsig::parse(&rdata).expect("our own");
    let at = |now| verify_rrset(&rrset, &rrsig, &verifier, now, &mut Canonical::new()).map(|good| good.ttl);
    assert_eq!(at(u32::MAX - 100), Ok(60));
    assert_eq!(at(0), Ok(60));
    assert_eq!(at(90), Ok(10));
    assert_eq!(at(101), Err(RrsigFault::Expired { expiration: 100 }));
    assert_eq!(at(u32::MAX - 101), Err(RrsigFault::NotYetValid { inception: u32::MAX - 100 }));
}

proptest! {
    /// A signature verifies for any order, case and repetition of the records.
    #[test]
    fn order_case_and_repetition_do_not_matter(hosts in prop::collection::vec("[a-z]{1,3}", 1..5), seed: u64) {
        let (key, verifier) = key();
        let text = |hosts: &[String]| {
            hosts.iter().map(|host| format!("x.example.com. 60 IN MX 1 {host}.example.com.\n")).collect::<String>()
        };
        let rdata = sign(&rrsets(&text(&hosts)).remove(0), &key, WINDOW);
        let mut mixed: Vec<String> = hosts.iter().map(|host| host.to_ascii_uppercase()).collect();
        mixed.push(hosts[0].clone());
        let turn = seed as usize % mixed.len();
        mixed.rotate_left(turn);
        let mut back = rrsets(&text(&mixed)).remove(0);
        back.owner = name("X.eXample.COM");
        let rrsig = Rrsig::parse(&rdata).expect("our own");
        prop_assert!(verify_rrset(&back, &rrsig, &verifier, 5000, &mut Canonical::new()).is_ok());
    }

    /// Arbitrary octets do not make the parser panic, and accepted octets are written back.
    #[test]
    fn any_rdata_is_accepted_or_refused(rdata in prop::collection::vec(any::<u8>(), 0..60)) {
        if let Some(rrsig) = Rrsig::parse(&rdata) {
            let mut head = Vec::new();
            rrsig.push_head(&mut head);
            prop_assert!(head.eq_ignore_ascii_case(&rdata[..rdata.len() - rrsig.signature.len()]));
        }
    }
}
