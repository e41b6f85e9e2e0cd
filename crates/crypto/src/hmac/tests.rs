//! The keys and messages of RFC 4231 for all six digests.

use super::*;
use crate::testing::hex;

const ALL: [HmacAlg; 6] =
    [HmacAlg::Md5, HmacAlg::Sha1, HmacAlg::Sha224, HmacAlg::Sha256, HmacAlg::Sha384, HmacAlg::Sha512];

#[test]
fn tags_as_in_rfc4231() {
    let cases = [
        (
            "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
            "Hi There",
            [
                "5ccec34ea9656392457fa1ac27f08fbc",
                "b617318655057264e28bc0b6fb378c8ef146be00",
                "896fb1128abbdf196832107cd49df33f47b4b1169912ba4f53684b22",
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
                "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6",
                "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854",
            ],
        ),
        (
            "4a656665",
            "what do ya want for nothing?",
            [
                "750c783e6ab0b503eaa86e310a5db738",
                "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
                "a30e01098bc6dbbf45690f3a7e9e6d0f8bbea2a39e6148008fd05e44",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
                "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
            ],
        ),
        (
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "Test Using Larger Than Block-Size Key - Hash Key First",
            [
                "bfecaf4efff90a3a668f3922fec3762d",
                "90d0dace1c1bdc957339307803160335bde6df2b",
                "95e9a0db962095adaebe9b2d6f0dbce2d499f112f2d2b7273fa6870e",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
                "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe8296248df163f44952",
                "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598",
            ],
        ),
    ];
    for (key, message, tags) in cases {
        for (alg, tag) in ALL.into_iter().zip(tags) {
            assert_eq!(hmac(alg, &hex(key), &[message.as_bytes()]).as_ref(), hex(tag), "{alg:?}");
            assert_eq!(alg.size(), tag.len() / 2);
        }
    }
}

#[test]
fn tags_verify_whole_and_truncated() {
    for alg in ALL {
        let key = HmacKey::new(alg, b"secret");
        assert_eq!(key.algorithm(), alg);
        let parts: [&[u8]; 3] = [b"a", b"", b"bc"];
        let tag = key.tag(&parts);
        assert_eq!(tag.as_ref(), key.tag(&[b"abc"]).as_ref());
        for len in 1..=tag.as_ref().len() {
            assert!(key.verify(&parts, &tag.as_ref()[..len]));
        }
        let mut wrong = tag.as_ref().to_vec();
        assert!(!key.verify(&parts, &[]) && !key.verify(&parts, &[&wrong[..], &[0]].concat()));
        wrong[3] ^= 0x10;
        assert!(!key.verify(&parts, &wrong));
    }
}
