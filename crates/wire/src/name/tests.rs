use super::*;
use proptest::prelude::*;

/// A valid name: up to 12 labels of any octets, cut to fit.
pub(crate) fn any_name() -> impl Strategy<Value = Name> {
    let octet = prop_oneof![3 => prop::sample::select(b"abcXYZ019-_*".to_vec()), 1 => any::<u8>()];
    prop::collection::vec(prop::collection::vec(octet, 1..=63), 0..12).prop_map(|labels| {
        let mut name = NameBuf::ROOT;
        for label in labels {
            match name.as_ref().with_label(&label) {
                Some(longer) => name = longer,
                None => break,
            }
        }
        name.to_name()
    })
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// A simple implementation of the order of RFC 4034 §6.1.
fn model_key(name: &Name) -> Vec<Vec<u8>> {
    let mut labels: Vec<_> = name.as_ref().labels().map(<[u8]>::to_ascii_lowercase).collect();
    labels.reverse();
    labels
}

proptest! {
    #[test]
    fn text_and_wire_round_trip(name in any_name()) {
        let text = name.to_string();
        prop_assert!(Name::parse(text.as_bytes(), None).unwrap().as_ref().eq_exact(name.as_ref()));
        prop_assert!(Name::from_wire(name.as_ref().wire()).unwrap().as_ref().eq_exact(name.as_ref()));
    }

    #[test]
    fn order_equality_and_hash_agree_with_the_model(a in any_name(), b in any_name()) {
        let order = model_key(&a).cmp(&model_key(&b));
        prop_assert_eq!(a.cmp(&b), order);
        prop_assert_eq!(a == b, order == Ordering::Equal);
        let upper = Name::from_wire(&a.as_ref().lower().as_ref().wire().to_ascii_uppercase()).unwrap();
        prop_assert_eq!(&upper, &a);
        prop_assert_eq!(upper.as_ref().hash64(), a.as_ref().hash64());
    }

    #[test]
    fn below_and_common_labels_agree_with_the_model(a in any_name(), b in any_name(), keep in 0usize..12) {
        let suffix = a.as_ref().suffix(keep);
        prop_assert!(a.as_ref().is_at_or_below(suffix));
        prop_assert_eq!(a.as_ref().is_below(suffix), keep < a.as_ref().label_count());
        let (left, right) = (model_key(&a), model_key(&b));
        prop_assert_eq!(a.as_ref().common_labels(b.as_ref()), left.iter().zip(&right).take_while(|(l, r)| l == r).count());
        prop_assert_eq!(a.as_ref().is_at_or_below(b.as_ref()), left.starts_with(&right));
    }

    #[test]
    fn hostile_input_is_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok((name, rest)) = NameRef::read(&bytes) {
            prop_assert!(name.wire().len() <= MAX_NAME);
            prop_assert_eq!(name.wire().len() + rest.len(), bytes.len());
        }
        if let Ok(name) = NameBuf::parse(&bytes, Some(NameRef::ROOT)) {
            prop_assert!(NameRef::from_wire(name.as_ref().wire()).is_ok());
        }
    }
}

/// The example of RFC 4034 §6.1.
#[test]
fn canonical_order_follows_the_rfc() {
    let sorted = [
        "example.",
        "a.example.",
        "yljkjljk.a.example.",
        "Z.a.example.",
        "zABC.a.EXAMPLE.",
        "z.example.",
        "\\001.z.example.",
        "*.z.example.",
        "\\200.z.example.",
    ];
    let mut names: Vec<Name> = sorted.iter().rev().map(|text| name(text)).collect();
    names.sort();
    assert_eq!(names, sorted.map(name));
}

#[test]
fn limits_are_exact() {
    let label = "a".repeat(63);
    let longest = format!("{label}.{label}.{label}.{}.", "a".repeat(61));
    assert_eq!(name(&longest).as_ref().wire().len(), 255);
    assert_eq!(
        Name::parse(format!("{label}.{label}.{label}.{}.", "a".repeat(62)).as_bytes(), None),
        Err(NameError::NameTooLong)
    );
    assert_eq!(Name::parse(format!("x.{label}a.").as_bytes(), None), Err(NameError::LabelTooLong { at: 2 }));
    assert_eq!("a.".repeat(127).parse::<Name>().unwrap().as_ref().label_count(), 127);
}

#[test]
fn text_errors_have_an_offset() {
    let parse = |text: &str| Name::parse(text.as_bytes(), Some(NameRef::ROOT)).map(|_| ());
    assert_eq!(parse("a..b"), Err(NameError::EmptyLabel { at: 2 }));
    assert_eq!(parse(".a"), Err(NameError::EmptyLabel { at: 0 }));
    assert_eq!(parse("a\\256"), Err(NameError::BadEscape { at: 1 }));
    assert_eq!(parse("a\\"), Err(NameError::BadEscape { at: 1 }));
    assert_eq!(Name::parse(b"www", None), Err(NameError::Relative));
    assert_eq!(NameRef::from_wire(b"\xc0\x0c"), Err(NameError::LabelType { at: 0 }));
}

#[test]
fn origin_wildcard_and_substitution() {
    let origin = name("example.com.");
    let parse = |text: &str| Name::parse(text.as_bytes(), Some(origin.as_ref())).unwrap();
    assert_eq!(parse("@"), origin);
    assert_eq!(parse("www"), name("WWW.example.COM."));
    assert!(parse("*").as_ref().is_wildcard() && !parse("a.*").as_ref().is_wildcard());
    assert_eq!(name("not\\.a.dot.").as_ref().label_count(), 2);
    let moved = parse("a.b").as_ref().with_suffix(origin.as_ref(), name("net.").as_ref());
    assert_eq!(moved.unwrap().unwrap().to_name(), name("a.b.net."));
    assert!(name("notexample.com.").as_ref().with_suffix(origin.as_ref(), NameRef::ROOT).is_none());
}
