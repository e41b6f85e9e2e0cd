//! Tests with key files of the RFCs, round trips of new keys, and malformed files.

use super::*;
use crate::{PublicKey, Signer};

/// The examples of RFC 6605 §6.1 and §6.2, RFC 8080 §6.1 and §6.2: private key, public key.
const EXAMPLES: [(u8, &str, &str); 4] = [
    (
        13,
        "GU6SnQ/Ou+xC5RumuIUIuJZteXT2z0O/ok1s38Et6mQ=",
        "GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA==",
    ),
    (
        14,
        "WURgWHCcYIYUPWgeLmiPY2DJJk02vgrmTfitxgqcL4vwW7BOrbawVmVe0d9V94SR",
        "xKYaNhWdGOfJ+nPrL8/arkwf2EY3MDJ+SErKivBVSum1w/egsXvSADtNJhyem5RCOpgQ6K8X1DRSEkrbYQ+OB+v8/uX45NBwY8rp65F6Glur8I/mlVNgF6W/qTI37m40",
    ),
    (15, "ODIyNjAzODQ2MjgwODAxMjI2NDUxOTAyMDQxNDIyNjI=", "l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4="),
    (
        16,
        "xZ+5Cgm463xugtkY5B0Jx6erFTXp13rYegst0qRtNsOYnaVpMx0Z/c5EiA9x8wWbDDct/U3FhYWA",
        "3kgROaDjrh0H2iuixWBrc8g2EpBBLCdGzHmn+G2MpTPhpj/OiBVHHSfPodx1FYYUcJKm1MDpJtIA",
    ),
];

#[test]
fn examples_of_the_rfcs_load() {
    for (number, private, public) in EXAMPLES {
        let text = format!(
            "Private-key-format: v1.2\nAlgorithm: {number} ({})\nPrivateKey: {private}\n",
            Algorithm(number)
        );
        let key = SigningKey::from_bind_private(&text).expect("an example of an RFC");
        assert_eq!(key.public_key(), decode(public).expect("base64").as_slice());
        assert_eq!(*key.to_bind_private(), text.replace("v1.2", "v1.3"));
    }
}

#[test]
fn new_keys_round_trip_through_files() {
    for number in [8, 10, 13, 14, 15, 16] {
        let key = SigningKey::generate(Algorithm(number), None).expect("a key");
        let text = format!("{}Created: 20260101000000\nOdd: a: b\n", *key.to_bind_private());
        let file = PrivateKeyFile::parse(&text).expect("our own file");
        assert_eq!(*file.to_text(), text);
        assert_eq!(file.fields, [("Created".into(), "20260101000000".into()), ("Odd".into(), "a: b".into())]);
        assert_eq!(file.key.public_key(), key.public_key());
        let mut signature = Vec::new();
        file.key.sign(b"message", &mut signature).expect("a signature");
        let public = PublicKey::from_dnskey(key.algorithm(), key.public_key()).expect("our own key");
        public.verify(b"message", &signature).expect("the same key");
    }
}

#[test]
fn short_and_long_scalars_are_the_same_key() {
    let with = |private: &str| {
        SigningKey::from_bind_private(&format!(
            "Private-key-format: v1.3\nAlgorithm: 13\nPrivateKey: {private}\n"
        ))
        .map(|key| key.public_key().to_vec())
    };
    assert_eq!(
        with("AQ==").expect("the scalar 1"),
        with("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB").expect("33 bytes")
    );
    assert_eq!(with("AA==").unwrap_err(), KeyFileError::Inconsistent);
}

#[test]
fn malformed_files_are_refused_with_the_reason() {
    let cases = [
        ("", KeyFileError::Format),
        ("Private-key-format: v2.0\n", KeyFileError::Format),
        ("Private-key-format: v1.3\n", KeyFileError::Missing("Algorithm")),
        ("Private-key-format: v1.3\nAlgorithm 13\n", KeyFileError::Line { line: 2 }),
        ("Private-key-format: v1.3\n\nAlgorithm: x\n", KeyFileError::Line { line: 3 }),
        ("Private-key-format: v1.3\nAlgorithm: 13\n", KeyFileError::Missing("PrivateKey")),
        ("Private-key-format: v1.3\nAlgorithm: 13\nPrivateKey: !\n", KeyFileError::Line { line: 3 }),
        ("Private-key-format: v1.3\nAlgorithm: 15\nPrivateKey: AQ==\n", KeyFileError::Inconsistent),
        ("Private-key-format: v1.3\nAlgorithm: 8\nModulus: AQ==\n", KeyFileError::Missing("PublicExponent")),
        (
            "Private-key-format: v1.3\nAlgorithm: 5\nModulus: AQ==\n",
            KeyFileError::Unsupported(Algorithm::RSASHA1),
        ),
    ];
    for (text, error) in cases {
        assert_eq!(SigningKey::from_bind_private(text).unwrap_err(), error, "{text}");
    }
}
