//! Tests of refused keys. The tests of verification also test signing.

use super::*;

#[test]
fn keys_that_only_verify_are_not_generated() {
    for number in [0, 1, 3, 5, 6, 7, 12, 17, 255] {
        let error = SigningKey::generate(Algorithm(number), None).unwrap_err();
        assert_eq!(error, GenerateError::Unsupported(Algorithm(number)));
    }
    for bits in [512, 1024, 2047, 8192] {
        let error = SigningKey::generate(Algorithm::RSASHA256, Some(bits)).unwrap_err();
        assert_eq!(error, GenerateError::RsaSize { bits });
    }
}

#[test]
fn debug_shows_no_secret() {
    let key = SigningKey::generate(Algorithm::ED25519, None).expect("a key");
    assert_eq!(format!("{key:?}"), "SigningKey(ED25519)");
}
