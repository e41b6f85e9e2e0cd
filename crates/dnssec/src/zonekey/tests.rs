//! Tests that write and read key files.

use nw_crypto::{Algorithm, SigningKey};

use super::*;
use crate::testing::name;

#[test]
fn key_files_round_trip() {
    let signer = SigningKey::generate(Algorithm::ECDSAP256SHA256, None).expect("a key");
    let private = signer.to_bind_private();
    let key = ZoneKey::new(name("a/b.Example").as_ref(), 257, Arc::new(signer));
    assert_eq!(key.file_stem(), format!("Ka%2fb.example.+013+{:05}", key.tag()).replace("%2f", "%2F"));
    let text = key.key_file();
    let back = ZoneKey::from_files(&text, &private).expect("our own files");
    assert_eq!((back.owner(), back.dnskey()), (key.owner(), key.dnskey()));
    let with_ttl = text.replace(" IN DNSKEY", " 3600 IN DNSKEY");
    assert!(ZoneKey::from_files(&with_ttl, &private).is_ok());
    assert!(ZoneKey::from_files(&text.replace(" IN DNSKEY", "\tDNSKEY"), &private).is_ok());

    let other = SigningKey::generate(Algorithm::ECDSAP256SHA256, None).expect("a key").to_bind_private();
    assert_eq!(ZoneKey::from_files(&text, &other).unwrap_err(), ZoneKeyError::Mismatch);
    assert_eq!(ZoneKey::from_files("; nothing\n", &private).unwrap_err(), ZoneKeyError::KeyFile);
    assert_eq!(ZoneKey::from_files("a. IN A 192.0.2.1\n", &private).unwrap_err(), ZoneKeyError::KeyFile);
    assert_eq!(ZoneKey::from_files(&text, "").unwrap_err(), ZoneKeyError::PrivateFile(KeyFileError::Format));
}
