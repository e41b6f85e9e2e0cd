//! FIPS 180-4 examples, and a comparison of incremental with one-shot digests.

use proptest::prelude::*;

use super::*;
use crate::testing::hex;

const ALL: [DigestAlg; 5] =
    [DigestAlg::Sha1, DigestAlg::Sha224, DigestAlg::Sha256, DigestAlg::Sha384, DigestAlg::Sha512];

#[test]
fn abc_as_in_fips_180() {
    let expected = [
        "a9993e364706816aba3e25717850c26c9cd0d89d",
        "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
    ];
    for (alg, expected) in ALL.into_iter().zip(expected) {
        assert_eq!(digest(alg, b"abc").as_ref(), hex(expected));
        assert_eq!(alg.size(), expected.len() / 2);
    }
    assert_eq!(sha1(b"abc").as_slice(), hex(expected[0]));
}

proptest! {
    #[test]
    fn incremental_digest_equals_one_shot(data in prop::collection::vec(any::<u8>(), 0..400), cut in any::<prop::sample::Index>()) {
        let cut = cut.index(data.len() + 1);
        for alg in ALL {
            let mut hasher = Hasher::new(alg);
            hasher.update(&data[..cut]);
            hasher.update(&data[cut..]);
            prop_assert!(hasher.finish().as_ref() == digest(alg, &data).as_ref());
        }
    }
}
