//! Key tags and flags.

use super::*;

#[test]
fn tags_of_the_examples() {
    for text in crate::rrsig::tests::EXAMPLES {
        let sets = crate::testing::rrsets(text);
        let key = Dnskey::parse(sets[0].rdatas.first().expect("a key")).expect("a key");
        let rrsig = crate::Rrsig::parse(sets[2].rdatas.first().expect("a signature")).expect("a signature");
        assert_eq!(key.tag(), rrsig.key_tag);
        assert!(key.is_zone_key() && !key.is_revoked());
        assert_eq!(key.is_sep(), key.flags() == 257);
    }
}

#[test]
fn rsa_md5_takes_the_end_of_the_modulus() {
    assert_eq!(key_tag(&[1, 0, 3, 1, 1, 3, 0xaa, 0x12, 0x34, 0x56]), 0x1234);
    assert_eq!(key_tag(&[1, 0, 3, 1, 1]), 0);
}

#[test]
fn odd_lengths_and_carries_count() {
    // 0x0101 + 0x030d + 0xffff + 0xff00 is 0x2030d, and the carry of 2 comes back.
    assert_eq!(key_tag(&[1, 1, 3, 13, 0xff, 0xff, 0xff]), 0x030f);
}

#[test]
fn keys_that_are_not_for_zones_are_refused() {
    let owner = crate::testing::name("example.com");
    for rdata in [[0, 0, 3, 15, 1], [1, 0, 2, 15, 1]] {
        let key = Dnskey::parse(&rdata).expect("long enough");
        assert_eq!(Verifier::new(owner.as_ref(), key).err(), Some(VerifierError::NotZoneKey));
    }
    let md5 = Dnskey::parse(&[1, 0, 3, 1, 1]).expect("long enough");
    let error = VerifierError::Key(KeyError::Unsupported(Algorithm::RSAMD5));
    assert_eq!(Verifier::new(owner.as_ref(), md5).err(), Some(error));
    assert_eq!(Dnskey::parse(&[1, 0, 3, 8]), None);
}
