//! Round trips, the example of RFC 8410, and documents that are refused.

use super::*;
use crate::{PublicKey, Signer as _};

#[test]
fn new_keys_round_trip() {
    for number in [8, 10, 13, 14, 15, 16] {
        let algorithm = Algorithm(number);
        let key = SigningKey::generate(algorithm, None).expect("a key");
        let text = key.to_pem();
        let back = SigningKey::from_pem(algorithm, &text).expect("our own document");
        assert_eq!(*back.to_pem(), *text);
        assert_eq!(back.public_key(), key.public_key());
        let mut signature = Vec::new();
        back.sign(b"message", &mut signature).expect("a signature");
        let public = PublicKey::from_dnskey(algorithm, key.public_key()).expect("our own key");
        public.verify(b"message", &signature).expect("the same key");
    }
}

/// RFC 8410 §10.3: without, and with attributes and a public key.
#[test]
fn documents_of_rfc_8410_load() {
    let plain = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
    let more = "-----BEGIN PRIVATE KEY-----\n\
        MHICAQEwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
        oB8wHQYKKoZIhvcNAQkJFDEPDA1DdXJkbGUgQ2hhaXJzgSEAGb9ECWmEzf6FQbrB\n\
        Z9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PRIVATE KEY-----\n";
    let key = SigningKey::from_pem(Algorithm::ED25519, plain).expect("an example of the RFC");
    let same = SigningKey::from_pem(Algorithm::ED25519, more).expect("an example of the RFC");
    assert_eq!(key.public_key()[..4], [0x19, 0xbf, 0x44, 0x09]);
    assert_eq!(same.public_key(), key.public_key());
    assert_eq!(*key.to_pem(), plain);
}

#[test]
fn other_documents_are_refused_with_the_reason() {
    let text = SigningKey::generate(Algorithm::ECDSAP256SHA256, None).expect("a key").to_pem();
    let read = |algorithm, text: &str| SigningKey::from_pem(algorithm, text).map(|_| ()).unwrap_err();
    let p256 = Algorithm::ECDSAP256SHA256;
    for other in [Algorithm::RSASHA256, Algorithm::ECDSAP384SHA384, Algorithm::ED25519] {
        assert_eq!(read(other, &text), KeyFileError::OtherKind(other));
    }
    assert_eq!(read(Algorithm::RSASHA1, &text), KeyFileError::Unsupported(Algorithm::RSASHA1));
    assert_eq!(read(p256, ""), KeyFileError::Pem);
    assert_eq!(read(p256, &text.replace("PRIVATE", "ENCRYPTED PRIVATE")), KeyFileError::Pem);
    assert_eq!(read(p256, &text.replace('M', "!")), KeyFileError::Pem);
    let lines: Vec<&str> = text.lines().collect();
    for end in 1..lines.len() - 1 {
        assert_eq!(read(p256, &format!("{}\n{END}", lines[..end].join("\n"))), KeyFileError::Pem);
    }
}

#[test]
fn malformed_documents_do_not_panic() {
    for number in [8, 13, 15] {
        let algorithm = Algorithm(number);
        let key = SigningKey::generate(algorithm, None).expect("a key").to_pem();
        let body = key.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END)).expect("a document").0;
        let document = decode_words(body).expect("base64");
        for at in 0..document.len().min(80) {
            for value in [0, 0x7f, 0x80, 0x84, 0xff] {
                let mut changed = document.to_vec();
                changed[at] = value;
                let mut base64 = String::new();
                push_base64(&mut base64, &changed);
                // Any outcome but a panic: some octets do not matter.
                let _ = SigningKey::from_pem(algorithm, &format!("{BEGIN}\n{base64}\n{END}\n"));
            }
        }
    }
}
