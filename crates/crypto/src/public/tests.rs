//! Vectors of RFC 8032 and of OpenSSL, and properties of the library's own signatures.

use proptest::prelude::*;

use super::*;
use crate::testing::hex;
use crate::{Signer, SigningKey};

/// RFC 8032 §7.1: public key, message, signature.
const ED25519_VECTORS: [(&str, &str, &str); 3] = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
];

/// RFC 8032 §7.4, the vectors without context: secret, public key, message, signature.
const ED448_VECTORS: [(&str, &str, &str, &str); 3] = [
    (
        "6c82a562cb808d10d632be89c8513ebf6c929f34ddfa8c9f63c9960ef6e348a3528c8a3fcc2f044e39a3fc5b94492f8f032e7549a20098f95b",
        "5fd7449b59b461fd2ce787ec616ad46a1da1342485a70e1f8a0ea75d80e96778edf124769b46c7061bd6783df1e50f6cd1fa1abeafe8256180",
        "",
        "533a37f6bbe457251f023c0d88f976ae2dfb504a843e34d2074fd823d41a591f2b233f034f628281f2fd7a22ddd47d7828c59bd0a21bfd3980ff0d2028d4b18a9df63e006c5d1c2d345b925d8dc00b4104852db99ac5c7cdda8530a113a0f4dbb61149f05a7363268c71d95808ff2e652600",
    ),
    (
        "c4eab05d357007c632f3dbb48489924d552b08fe0c353a0d4a1f00acda2c463afbea67c5e8d2877c5e3bc397a659949ef8021e954e0a12274e",
        "43ba28f430cdff456ae531545f7ecd0ac834a55d9358c0372bfa0c6c6798c0866aea01eb00742802b8438ea4cb82169c235160627b4c3a9480",
        "03",
        "26b8f91727bd62897af15e41eb43c377efb9c610d48f2335cb0bd0087810f4352541b143c4b981b7e18f62de8ccdf633fc1bf037ab7cd779805e0dbcc0aae1cbcee1afb2e027df36bc04dcecbf154336c19f0af7e0a6472905e799f1953d2a0ff3348ab21aa4adafd1d234441cf807c03a00",
    ),
    (
        "2ec5fe3c17045abdb136a5e6a913e32ab75ae68b53d2fc149b77e504132d37569b7e766ba74a19bd6162343a21c8590aa9cebca9014c636df5",
        "79756f014dcfe2079f5dd9e718be4171e2ef2486a08f25186f6bff43a9936b9bfe12402b08ae65798a3d81e22e9ec80e7690862ef3d4ed3a00",
        "15777532b0bdd0d1389f636c5f6b9ba734c90af572877e2d272dd078aa1e567cfa80e12928bb542330e8409f3174504107ecd5efac61ae7504dabe2a602ede89e5cca6257a7c77e27a702b3ae39fc769fc54f2395ae6a1178cab4738e543072fc1c177fe71e92e25bf03e4ecb72f47b64d0465aaea4c7fad372536c8ba516a6039c3c2a39f0e4d832be432dfa9a706a6e5c7e19f397964ca4258002f7c0541b590316dbc5622b6b2a6fe7a4abffd96105eca76ea7b98816af0748c10df048ce012d901015a51f189f3888145c03650aa23ce894c3bd889e030d565071c59f409a9981b51878fd6fc110624dcbcde0bf7a69ccce38fabdf86f3bef6044819de11",
        "c650ddbb0601c19ca11439e1640dd931f43c518ea5bea70d3dcde5f4191fe53f00cf966546b72bcc7d58be2b9badef28743954e3a44a23f880e8d4f1cfce2d7a61452d26da05896f0a50da66a239a8a188b6d825b3305ad77b73fbac0836ecc60987fd08527c1a8e80d5823e65cafe2a3d00",
    ),
];

/// RSA keys with sizes and exponents that occur in DNSSEC zones, made by `openssl genpkey`. The signed message is
/// "namewise". Each line has algorithm, bits, RFC 3110 key, and the signature of `openssl dgst -sign`.
const RSA_VECTORS: [(Algorithm, usize, &str, &str); 8] = [
    (
        Algorithm(5),
        512,
        "03010001b51a15e747987e63cb1612ff38e1619404dbdbe42b7317dbc7a6f0969baa19dd725ecb54d8e9c32e9796adfabb389e0dd7243c4ad33fe9da32084591e5a470cf",
        "a973637843b5e49bd84d5e2903f4a79019814a4a9a7ef791ffc3634b1a087b54c855e547dff47aeebe9c1da9e767264ce60012dcc21a8069f3e0826d9bfcee65",
    ),
    (
        Algorithm(7),
        640,
        "0103b2ce42d30d171f98e09f85501c31c9ad814efaad858130c729ad7031142dc686e7a0bf191a0d94bb4138113f1786d81aef4e30817cbcab552ca3768735011dee3064dd034190b004c28b95528595efaf",
        "5852a8ee9ed8b436b3c88a775e5d8b2d9f39dd164487ba611f8ff32203bee560ad13bbc45346a9c7faa58c35d5a71c5f2d980f5b13339494995a9b51224ef1c2ab71072143dccfa37ff3300c2841ac0d",
    ),
    (
        Algorithm(8),
        768,
        "050400000003bcf5757b6e09b864b54bb615eb515d7dff3ce20716249ac7167bdf6c3c281d56d106f2efe8c03dd48a564927ce4bd91287c2ec8f88a3d5d67f98766181aa819615802d28bf90fe08d2e453de3a93f2e24a6154fd93946eb0f80f9d93fa50c7b1",
        "ad68ace2e5473e7e0422c4bceb560e9665fba67b8b6f3992b0d80bf261047945eb0f0db7502dd5ff08bac371ebe3764dbf052d059733ebc51eff36e284449b68b1cde1789aa82c9474564473823fc69afb7deb617de811a6d8ffd91f8e67bfd8",
    ),
    (
        Algorithm(8),
        1023,
        "0301000158924979605be94e57fb177e5e3f0262b0cf677e2fd6fdd54e141f1a6fbfd8583cc3af52014aa34f49833ad6723e528dff588b18a7c3d4d61010d2274ba7c9b2a06727cdfcd3cc8f9a553191065df46042d7856943f4e98486e3cdf210109d07ec5a00d70d70f09fe4c843ae85d28d65d2768e543c4432f8c5560f35d554b25b",
        "2cdeb2b4c9ec267a8197bb46b2740be4a08a292da3e67df1fa18555329f4bdb7fc751151c3db57a0d736a39f6dd0006234b6f61f7ce4fd145351799435cf39ae8717fd121d6dc9ef2f47e4e28adde232209067463e7955b3d30cb5cd672f2bbce16579513b0c8694f005e4e2ce3a5311629ad7899b77bb82648d6fddbd2db239",
    ),
    (
        Algorithm(10),
        1024,
        "088000000000000009faf4d4e6b0d62224f66d82fe6f4428df2803d727cf52f6a38cba3a46db9b518beb940e9d179bbcc95cf16b9292abfdbacb5d883853e9daf659614221d64b0b2ac469b276cdf84a992b473bed18e1c1ed2679c1bb63b0f90d770c24496b61bb96646a3b72472a8608f11ba5eb46026044b54113353452cc6aeeb0dd2cdc913439",
        "1155b25f4b4df2d25546224d7d1d912dd9c4fe751eb9ca4d54a8923c657e4eaa0fee26e5cb602df3b696c046698979354f54051609082691b3474d1112d0ee66c3af6fd80d1569e4fe48840fba4221fbc7a21fc8d3d87b64f51eb9bea0dca90c42cc99fd2f42e16f131b3ace93803dec51abc968e9049fd4298ee1817c984753",
    ),
    (
        Algorithm(5),
        1025,
        "0601000000000f0162fabc124008fbbda0e52f0e9da02a76eb480fc8eee980e70151d5bc6c97f61d911d62f901100ee9b815746048ca6a0142194ed7228a8b3c453cf7b89576efef250cf970424fbb6f3bedb90300e549374b4f5eeae0d9ffeaeba5ad7f99018c7ce68a8422aee0d31bc81f69053d941611fa8ed1781d75014bd6269e333fcffbed",
        "00b86938d101e06c0afed573889ff4eef94d9c3b4fbbfce262a2088b3ed1add3bc097454ccc337ba4d88ca2036758cea552cbd130d4c47af0fbd67062f590cfad45a73d43f05783e1e91daac7ce9bebeff0857468605b433bea483eeadc7ed37351f071cf77c16a452ea7850d96a3ac0e6f5fedf2d94f3bbb3179a49d314877399",
    ),
    (
        Algorithm(8),
        1024,
        "050100000001b162aab8d8dbb9e3a705c30ce315e17ac1528481569ee8a931cbde7a9b13c4abc1c83d591518c3484f757ac296c8742994adcdced37e62af50d5c39947f16e8e1fdfd09f4984a1d762c5721e679aa0f89873c43452c118a5cfe5258d0ee8465e9f6cca4b55e5b8ad49076f45dc21bab902276e096b3f5ed47158c240e1b423b3",
        "73f03e7c1c763116d8b95ec3f780fd4cd8d084acc643004a0b34d8d621201479bc3ea40fd1503d1436b477c52d380d7562c37fd4036ea6726dfd462b112db65362d740ae8d7942ee5803f2fe85e476b49b8b9e363dc14d89cfab211ee0be2c1ddfb3236733e2406136cab873502a58c2a5c146e6ffdd96142f0cb72946e7e44d",
    ),
    (
        Algorithm(5),
        1024,
        "0103aaf16a1853765d0f57629b61d04ba87987cf4fdec2621909cc73c0a3d82dfe48c9b1528e1a8dd2eeea165dab76b9ada4799279b7d538b4d7db2e758d27fb2718dd3a2d1a2e4127438e91eff1ef7764049d0f8bb41140c0a223494251e7f421a1af863858debf35e54a3dde2df1811f9334ef2528201d4185174511f89541f36d",
        "7d500cc0ba51ba4b37a0851bfaaf81b0c5f1952997ca7317d68b3cc8c89feeed54f45834ca79e70ee55179053e1bf41c969a6fe8eeeb3e5087aff933bd3c149fc519e837bd93645dccc8813358c4da08bfb47ce466912df89c402695e35b34334a92438e59249a7ab1b66bcdc6a754f22ea6d7565d9d3cf074dd32cb3560a9e9",
    ),
];

#[test]
fn ed25519_as_in_rfc8032() {
    for (key, message, signature) in ED25519_VECTORS {
        verify(Algorithm::ED25519, &hex(key), &hex(message), &hex(signature)).expect(key);
    }
}

#[test]
fn ed448_as_in_rfc8032() {
    for (secret, key, message, signature) in ED448_VECTORS {
        verify(Algorithm::ED448, &hex(key), &hex(message), &hex(signature)).expect(key);
        let private = crate::ed448::Ed448Private::from_secret(&hex(secret)).expect(secret);
        assert_eq!(private.public(), hex(key));
        assert_eq!(private.sign(&hex(message)).to_vec(), hex(signature));
    }
}

#[test]
fn ed448_refuses_non_canonical_signatures() {
    let (_, key, message, signature) = ED448_VECTORS[1];
    let (key, message, good) = (hex(key), hex(message), hex(signature));
    let order = hex(
        "f34458ab92c27823558fc58d72c26c219036d6ae49db4ec4e923ca7cffffffffffffffffffffffffffffffffffffffffffffffffffffff3f00",
    );
    let mut shifted = good.clone(); // S + L is arithmetically equivalent; RFC 8032 §5.2.7 forbids it
    let mut carry = 0u16;
    for (s, l) in shifted[57..].iter_mut().zip(&order) {
        carry += u16::from(*s) + u16::from(*l);
        *s = carry as u8;
        carry >>= 8;
    }
    for bad in [shifted, good[..113].to_vec(), [good.clone(), vec![0]].concat(), vec![0; 114], vec![]] {
        assert_eq!(verify(Algorithm::ED448, &key, &message, &bad), Err(VerifyError::BadSignature));
    }
}

#[test]
fn rsa_of_every_size_verifies() {
    for (algorithm, bits, key, signature) in RSA_VECTORS {
        let (key, mut signature) = (hex(key), hex(signature));
        assert_eq!(RsaPublic::parse(&key).expect("sound").bits(), bits);
        verify(algorithm, &key, b"namewise", &signature).unwrap_or_else(|e| panic!("{bits}: {e}"));
        assert_eq!(verify(algorithm, &key, b"namewisf", &signature), Err(VerifyError::BadSignature));
        let longer = [&[0], &signature[..]].concat();
        assert_eq!(verify(algorithm, &key, b"namewise", &longer), Err(VerifyError::BadSignature));
        signature[bits / 16] ^= 1;
        assert_eq!(verify(algorithm, &key, b"namewise", &signature), Err(VerifyError::BadSignature));
        // A leading zero in the modulus is an error of the zone that validators tolerate.
        let len = usize::from(key[0]);
        let zeroed = [&key[..=len], &[0], &key[len + 1..]].concat();
        let signature = hex(RSA_VECTORS.iter().find(|v| v.1 == bits && hex(v.2) == key).expect("itself").3);
        verify(algorithm, &zeroed, b"namewise", &signature).expect("same key");
        // The long form of the exponent's length (RFC 3110 §2).
        let long = [&[0, 0, key[0]], &key[1..]].concat();
        verify(algorithm, &long, b"namewise", &signature).expect("same key");
    }
}

#[test]
fn keys_that_cannot_sign_are_refused() {
    let rsa = |e: &[u8], n: &[u8]| [&[e.len() as u8], e, n].concat();
    let odd = [&[0x80][..], &[0; 126], &[1]].concat();
    let cases = [
        (Algorithm::RSASHA256, vec![], KeyError::Malformed),
        (Algorithm::RSASHA256, vec![0], KeyError::Malformed),
        (Algorithm::RSASHA256, vec![0, 1], KeyError::Malformed),
        (Algorithm::RSASHA256, vec![200, 1], KeyError::Malformed),
        (Algorithm::RSASHA256, rsa(&[], &odd), KeyError::Malformed),
        (Algorithm::RSASHA256, rsa(&[1], &odd), KeyError::Malformed),
        (Algorithm::RSASHA256, rsa(&[4], &odd), KeyError::Malformed),
        (Algorithm::RSASHA256, rsa(&[3], &[0x80; 128]), KeyError::Malformed),
        (
            Algorithm::RSASHA256,
            rsa(&[1, 0, 0, 0, 0, 0, 0, 0, 1], &odd),
            KeyError::ExponentTooLarge { bits: 65 },
        ),
        (Algorithm::RSASHA256, rsa(&[3], &[0xff; 63]), KeyError::ModulusSize { bits: 504 }),
        (Algorithm::RSASHA512, rsa(&[3], &[0xff; 127]), KeyError::ModulusSize { bits: 1016 }),
        (Algorithm::RSASHA256, rsa(&[3], &[0xff; 513]), KeyError::ModulusSize { bits: 4104 }),
        (Algorithm::ECDSAP256SHA256, vec![1; 64], KeyError::Malformed), // not on the curve
        (Algorithm::ECDSAP256SHA256, vec![4; 65], KeyError::Malformed),
        (Algorithm::ECDSAP384SHA384, vec![1; 95], KeyError::Malformed),
        (Algorithm::ED25519, vec![1; 33], KeyError::Malformed),
        (Algorithm::ED448, vec![1; 56], KeyError::Malformed),
        (Algorithm::RSAMD5, vec![1; 56], KeyError::Unsupported(Algorithm::RSAMD5)),
        (Algorithm(200), vec![], KeyError::Unsupported(Algorithm(200))),
    ];
    for (algorithm, field, error) in cases {
        assert_eq!(PublicKey::from_dnskey(algorithm, &field).unwrap_err(), error, "{algorithm} {field:?}");
    }
}

#[test]
fn signatures_verify() {
    for number in [8, 10, 13, 14, 15, 16] {
        let key = SigningKey::generate(Algorithm(number), None).expect("a key");
        let mut signature = b"kept".to_vec();
        key.sign(b"message", &mut signature).expect("a signature");
        assert_eq!(&signature[..4], b"kept");
        let public = PublicKey::from_dnskey(key.algorithm(), key.public_key()).expect("our own key");
        public.verify(b"message", &signature[4..]).expect("our own signature");
        assert_eq!(public.verify(b"messagf", &signature[4..]), Err(VerifyError::BadSignature));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// No DNSKEY or RRSIG makes verification panic or succeed by chance.
    #[test]
    fn hostile_bytes_never_verify(
        algorithm in 0u8..20,
        key in prop::collection::vec(any::<u8>(), 0..300),
        message in prop::collection::vec(any::<u8>(), 0..40),
        signature in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        prop_assert!(verify(Algorithm(algorithm), &key, &message, &signature).is_err());
    }

    /// Flipping any bit of a signature makes it invalid.
    #[test]
    fn a_flipped_bit_is_detected(at in any::<prop::sample::Index>(), bit in 0u8..8, which in 0usize..3) {
        let number = [13, 15, 16][which];
        let key = SigningKey::generate(Algorithm(number), None).expect("a key");
        let mut signature = Vec::new();
        key.sign(b"message", &mut signature).expect("a signature");
        let at = at.index(signature.len());
        signature[at] ^= 1 << bit;
        prop_assert!(verify(key.algorithm(), key.public_key(), b"message", &signature).is_err());
    }
}
