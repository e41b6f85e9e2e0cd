//! RFC 4648 §10, round trips, and what is not base64.

use proptest::prelude::*;

use super::*;

#[test]
fn foobar_as_in_rfc4648() {
    for (bytes, text) in [
        ("", ""),
        ("f", "Zg=="),
        ("fo", "Zm8="),
        ("foo", "Zm9v"),
        ("foob", "Zm9vYg=="),
        ("fooba", "Zm9vYmE="),
    ] {
        let mut out = String::new();
        encode(bytes.as_bytes(), &mut out);
        assert_eq!(out, text);
        assert_eq!(decode(text).as_deref(), Some(bytes.as_bytes()));
    }
}

#[test]
fn odd_text_is_refused() {
    for text in ["Z", "Zg", "Zg=", "Zg===", "Zm8", "=Zg=", "Zg==Zg==", "Zh==", "Zm9=", "Zm9v!", "Zm9v="] {
        assert_eq!(decode(text), None, "{text}");
    }
}

proptest! {
    #[test]
    fn decode_undoes_encode(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut text = String::new();
        encode(&bytes, &mut text);
        prop_assert_eq!(decode(&text), Some(bytes));
    }
}
