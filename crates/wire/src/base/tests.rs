use super::*;
use proptest::prelude::*;

proptest! {
    /// Decoding encoded octets is the identity, for any split of the text into words.
    #[test]
    fn round_trips(octets in prop::collection::vec(any::<u8>(), 0..80), cut in 0usize..160) {
        let mut text = String::new();
        push_base64(&mut text, &octets);
        let cut_at = cut.min(text.len());
        let (mut decoder, mut back) = (Base64::default(), Vec::new());
        decoder.push(&text.as_bytes()[..cut_at], &mut back).unwrap();
        decoder.push(&text.as_bytes()[cut_at..], &mut back).unwrap();
        prop_assert!(decoder.complete());
        prop_assert_eq!(&back, &octets);

        let (mut text, mut back) = (String::new(), Vec::new());
        push_base32hex(&mut text, &octets);
        prop_assert_eq!(base32hex(text.as_bytes(), &mut back), Ok(()));
        prop_assert_eq!(&back, &octets);

        let (mut text, mut decoder, mut back) = (String::new(), Hex::default(), Vec::new());
        push_hex(&mut text, &octets);
        decoder.push(text.as_bytes(), &mut back).unwrap();
        prop_assert!(decoder.complete());
        prop_assert_eq!(&back, &octets);
    }

    /// Every text that base64 accepts is the only text of its octets.
    #[test]
    fn base64_is_one_to_one(text in "[A-D+/=]{0,12}") {
        let (mut decoder, mut octets) = (Base64::default(), Vec::new());
        if decoder.push(text.as_bytes(), &mut octets).is_ok() && decoder.complete() {
            let mut again = String::new();
            push_base64(&mut again, &octets);
            prop_assert_eq!(again, text);
        }
    }
}

/// RFC 4648 §10.
#[test]
fn rfc_vectors() {
    for (octets, base64, base32) in
        [("", "", ""), ("f", "Zg==", "co"), ("fo", "Zm8=", "cpng"), ("foobar", "Zm9vYmFy", "cpnmuoj1e8")]
    {
        let mut text = String::new();
        push_base64(&mut text, octets.as_bytes());
        assert_eq!(text, base64);
        text.clear();
        push_base32hex(&mut text, octets.as_bytes());
        assert_eq!(text, base32);
    }
}
