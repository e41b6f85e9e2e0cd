//! Compares the arithmetic of this crate with that of the library.

use proptest::prelude::*;

use super::*;
use crate::{Algorithm, Signer, SigningKey};

#[test]
fn own_arithmetic_agrees_with_the_library() {
    for (number, alg, bits) in [(8, DigestAlg::Sha256, 2048), (10, DigestAlg::Sha512, 3072)] {
        let key = SigningKey::generate(Algorithm(number), Some(bits)).expect("a key");
        let public = RsaPublic::parse(key.public_key()).expect("our own key");
        assert!(public.fits_library());
        assert_eq!(public.to_field(), key.public_key());
        let mut signature = Vec::new();
        key.sign(b"message", &mut signature).expect("a signature");
        assert!(verify_small(public, alg, b"message", &signature));
        assert!(!verify_small(public, alg, b"messagf", &signature));
        signature[9] ^= 1;
        assert!(!verify_small(public, alg, b"message", &signature));
        assert!(!verify_small(public, alg, b"message", public.n));
        assert!(!verify_small(public, alg, b"message", &vec![0xff; public.n.len()]));
    }
}

#[test]
fn long_exponents_have_the_long_length() {
    let key = RsaPublic { e: &[3; 300], n: &[5; 64] };
    assert_eq!(&key.to_field()[..4], &[0, 1, 44, 3]);
    assert_eq!(RsaPublic::parse(&key.to_field()), Err(KeyError::ExponentTooLarge { bits: 2394 }));
}

/// Multiply and reduce bit by bit.
fn slow_power(base: u128, exponent: u64, n: u128) -> u128 {
    let times = |a: u128, b: u128| {
        let (mut sum, mut a, mut b) = (0u128, a % n, b);
        while b > 0 {
            if b & 1 == 1 {
                sum = (sum + a) % n;
            }
            a = (a + a) % n;
            b >>= 1;
        }
        sum
    };
    let (mut power, mut base, mut exponent) = (1 % n, base % n, exponent);
    while exponent > 0 {
        if exponent & 1 == 1 {
            power = times(power, base);
        }
        base = times(base, base);
        exponent >>= 1;
    }
    power
}

proptest! {
    /// Montgomery multiplication and the bit-by-bit reference give the same result.
    #[test]
    fn powers_agree(n in 1u128..1 << 126, base: u128, exponent in 1u64..) {
        let n = n << 1 | 1;
        let base = base % n;
        let modulus = Modulus::new(&n.to_be_bytes());
        let power = modulus.power(&limbs(&base.to_be_bytes(), 2), exponent);
        prop_assert_eq!(power, limbs(&slow_power(base, exponent, n).to_be_bytes(), 2));
    }
}
