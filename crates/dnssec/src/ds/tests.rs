//! The DS examples of RFC 4034 §5.4, RFC 4509 §2.3, RFC 6605 §6, RFC 8080 §6.

use super::*;
use crate::testing::rrsets;

const EXAMPLES: [&str; 5] = [
    "dskey.example.com. 86400 IN DNSKEY 256 3 5 AQOeiiR0GOMYkDshWoSKz9XzfwJr1AYtsmx3TGkJaNXVbfi/2pHm822aJ5iI9BMzNXxeYCmZDRD99WYwYqUSdjMmmAphXdvxegXd/M5+X7OrzKBaMbCVdFLUUh6DhweJBjEVv5f2wwjM9XzcnOf+EPbtG9DMBmADjFDc2w/rljwvFw==
     dskey.example.com. 86400 IN DS 60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118
     dskey.example.com. 86400 IN DS 60485 5 2 D4B7D520E7BB5F0F67674A0CCEB1E3E0614B93C4F9E99B8383F6A1E4469DA50A",
    "example.net. 3600 IN DNSKEY 257 3 13 GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA==
     example.net. 3600 IN DS 55648 13 2 b4c8c1fe2e7477127b27115656ad6256f424625bf5c1e2770ce6d6e37df61d17",
    "example.net. 3600 IN DNSKEY 257 3 14 xKYaNhWdGOfJ+nPrL8/arkwf2EY3MDJ+SErKivBVSum1w/egsXvSADtNJhyem5RCOpgQ6K8X1DRSEkrbYQ+OB+v8/uX45NBwY8rp65F6Glur8I/mlVNgF6W/qTI37m40
     example.net. 3600 IN DS 10771 14 4 72d7b62976ce06438e9c0bf319013cf801f09ecc84b8d7e9495f27e305c6a9b0563a9b5f4d288405c3008a946df983d6",
    "example.com. 3600 IN DNSKEY 257 3 15 l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4=
     example.com. 3600 IN DS 3613 15 2 3aa5ab37efce57f737fc1627013fee07bdf241bd10f3b1964ab55c78e79a304b",
    "example.com. 3600 IN DNSKEY 257 3 16 3kgROaDjrh0H2iuixWBrc8g2EpBBLCdGzHmn+G2MpTPhpj/OiBVHHSfPodx1FYYUcJKm1MDpJtIA
     example.com. 3600 IN DS 9713 16 2 6ccf18d5bc5d7fc2fceb1d59d17321402f2aa8d368048db93dd811f5cb2b19c7",
];

#[test]
fn examples_of_the_rfcs_match_and_are_made() {
    for text in EXAMPLES {
        let sets = rrsets(text);
        let key = Dnskey::parse(sets[0].rdatas.first().expect("a key")).expect("a key");
        for rdata in sets[1].rdatas.iter() {
            let ds = Ds::parse(rdata).expect("a DS");
            assert_eq!(ds.check(sets[0].owner.as_ref(), key), Ok(()), "{text}");
            let mut made = Vec::new();
            assert!(push_ds(
                crate::testing::name(&sets[0].owner.to_string().to_uppercase()).as_ref(),
                key,
                ds.digest_type,
                &mut made
            ));
            assert_eq!(made, rdata);
        }
    }
}

#[test]
fn each_fault_is_reported_by_name() {
    let sets = rrsets(EXAMPLES[3]);
    let owner = sets[0].owner.as_ref();
    let key = Dnskey::parse(sets[0].rdatas.first().expect("a key")).expect("a key");
    let good = Ds::parse(sets[1].rdatas.first().expect("a DS")).expect("a DS");
    let check = |ds: Ds<'_>| ds.check(owner, key);
    assert!(good.is_supported());
    assert_eq!(check(Ds { key_tag: 1, ..good }), Err(DsFault::OtherKey));
    assert_eq!(check(Ds { algorithm: Algorithm(13), ..good }), Err(DsFault::OtherKey));
    let gost = Ds { digest_type: DigestType(3), ..good };
    assert_eq!((check(gost), gost.is_supported()), (Err(DsFault::UnsupportedDigest), false));
    assert_eq!(check(Ds { digest: &good.digest[1..], ..good }), Err(DsFault::DigestMismatch));
    assert_eq!(check(Ds { digest_type: DigestType::SHA384, ..good }), Err(DsFault::DigestMismatch));
    let other = crate::testing::name("example.org");
    assert_eq!(good.check(other.as_ref(), key), Err(DsFault::DigestMismatch));
    let mut none = Vec::new();
    assert!(!push_ds(owner, key, DigestType(3), &mut none) && none.is_empty());

    let mut host = key.rdata().to_vec();
    host[0] = 0; // no zone bit, which changes the tag
    let host = Dnskey::parse(&host).expect("long enough");
    assert_eq!(Ds { key_tag: host.tag(), ..good }.check(owner, host), Err(DsFault::DigestMismatch));
    let mut its = Vec::new();
    assert!(push_ds(owner, host, DigestType::SHA256, &mut its));
    assert_eq!(Ds::parse(&its).map(|ds| ds.check(owner, host)), Some(Err(DsFault::NotZoneKey)));
}
