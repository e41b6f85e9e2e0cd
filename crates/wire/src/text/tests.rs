use super::*;
use crate::name::{NameBuf, NameRef};
use proptest::prelude::*;

fn words(text: &str) -> Result<Vec<String>, TextFault> {
    let mut tokens = Tokens::new(text.as_bytes());
    let mut words = Vec::new();
    while let Some(token) = tokens.next().map_err(|error| error.fault)? {
        let text = String::from_utf8_lossy(token.bytes);
        words.push(if token.quoted { format!("<{text}>") } else { text.into_owned() });
    }
    Ok(words)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Tokens are slices of the input in order, and reading all records ends.
    #[test]
    fn tokens_lie_in_order(text in r#"[a-c01.;()"\\ \t\n]{0,60}"#) {
        let mut tokens = Tokens::new(text.as_bytes());
        let mut last = 0;
        for _ in 0..=text.len() {
            let more = loop {
                match tokens.next() {
                    Ok(Some(token)) => {
                        prop_assert!(token.at >= last);
                        let first = if token.quoted { b"\"" } else { token.bytes };
                        prop_assert!(text.as_bytes()[token.at..].starts_with(first));
                        last = token.at + 1;
                    }
                    Ok(None) => break tokens.next_record(),
                    Err(error) => {
                        prop_assert!(error.at <= text.len());
                        break tokens.skip_line();
                    }
                }
            };
            if !more {
                return Ok(());
            }
        }
        prop_assert!(false, "the walk does not end");
    }

    /// The tokenizer and `NameBuf::parse` read the same name from a text, or both refuse it.
    #[test]
    fn names_agree_with_the_name_parser(text in r"[a-cA-C.]{1,9}|[ab.\\@0-9]{1,12}|[a-b]{50,70}(\.[a-b]{50,70}){0,5}\.?") {
        let origin = NameBuf::parse(b"Example.", Some(NameRef::ROOT)).unwrap();
        let mut out = Vec::new();
        let ours = Tokens::new(text.as_bytes()).name(origin.as_ref(), &mut out);
        match NameBuf::parse(text.as_bytes(), Some(origin.as_ref())) {
            Ok(name) => {
                prop_assert_eq!(ours, Ok(()));
                prop_assert_eq!(name.as_ref().wire(), &out[..]);
                let mut shown = String::new();
                push_name(&mut shown, name.as_ref());
                prop_assert_eq!(shown, name.to_string());
            }
            Err(_) => prop_assert!(ours.is_err()),
        }
    }

    /// A quoted string of any octets reads back as the same octets.
    #[test]
    fn quoted_strings_round_trip(octets in prop::collection::vec(any::<u8>(), 0..255)) {
        let mut text = String::new();
        push_quoted(&mut text, &octets);
        let mut out = Vec::new();
        Tokens::new(text.as_bytes()).char_string(&mut out).unwrap();
        prop_assert_eq!(&out[1..], &octets[..]);
    }

    /// The parser accepts exactly the addresses that the standard library accepts.
    #[test]
    fn addresses_agree_with_std(text in "[0-9.]{1,15}|[0-9a-f:]{2,24}|[0-9a-f:]{1,12}:[0-9.]{7,12}") {
        prop_assert_eq!(ipv4(text.as_bytes()), text.parse::<std::net::Ipv4Addr>().ok().map(|a| a.octets()));
        prop_assert_eq!(ipv6(text.as_bytes()), text.parse::<std::net::Ipv6Addr>().ok().map(|a| a.octets()));
    }

    /// Every second since 1970 reads back from its text.
    #[test]
    fn times_round_trip(seconds in any::<u32>()) {
        let mut text = String::new();
        push_time(&mut text, seconds);
        prop_assert_eq!(read::time(text.as_bytes()), Some(seconds));
    }
}

/// RFC 1035 §5.1.
#[test]
fn words_quotes_comments_and_parentheses() {
    assert_eq!(words("a \"b ;c\" d;e").unwrap(), ["a", "<b ;c>", "d"]);
    assert_eq!(words("a(b;x\n)c\nd").unwrap(), ["a", "b", "c"]);
    assert_eq!(words("a\"b\"").unwrap(), ["a", "<b>"]);
    assert_eq!(words(r"a\ b\;c").unwrap(), [r"a\ b\;c"]);
    assert_eq!(words("a )"), Err(TextFault::UnopenedParen));
    assert_eq!(words("( a"), Err(TextFault::UnclosedParen));
    assert_eq!(words("\"a\nb\""), Err(TextFault::UnclosedQuote));
    assert_eq!(words("a\\"), Err(TextFault::BadEscape));
    let mut pairs = Tokens::new(br#"alpn="h2 h3" port=1"#);
    assert_eq!(pairs.next_pair().unwrap().unwrap().bytes, br#"alpn="h2 h3""#);
    assert_eq!(position(b"a\nbc\nd", 3), (2, 2));
}

#[test]
fn periods_and_times() {
    for (text, seconds) in
        [("0", Some(0)), ("1h30m", Some(5400)), ("1W2d", Some(777_600)), ("5x", None), ("1h3", None)]
    {
        assert_eq!(read::period(text.as_bytes()), seconds, "{text}");
    }
    assert_eq!(read::period(b"4294967295"), Some(u32::MAX));
    assert_eq!(read::period(b"7102w"), None);
    // RFC 4034 §3.2: seconds or calendar.
    assert_eq!(read::time(b"20030322173103"), Some(1_048_354_263));
    assert_eq!(read::time(b"1048354263"), Some(1_048_354_263));
    for bad in ["20030230000000", "20031301000000", "20030101240000", "2003010100000x"] {
        assert_eq!(read::time(bad.as_bytes()), None, "{bad}");
    }
}
