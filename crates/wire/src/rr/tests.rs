use super::sample::{Entropy, name, rdata};
use super::*;
use crate::name::NameRef;
use crate::text::{TextFault, Tokens};
use proptest::prelude::*;

fn text_of(rtype: RrType, octets: &[u8]) -> String {
    let mut text = String::new();
    to_text(rtype, octets, &mut text);
    text
}

fn octets_of(rtype: RrType, text: &str) -> Result<Vec<u8>, TextError> {
    let mut octets = Vec::new();
    from_text(rtype, &mut Tokens::new(text.as_bytes()), NameRef::ROOT, &mut octets).map(|()| octets)
}

fn any_type() -> impl Strategy<Value = RrType> {
    prop_oneof![
        9 => (0..RrType::NAMED.len()).prop_map(|at| RrType::NAMED[at].0),
        1 => any::<u16>().prop_map(RrType),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// Valid rdata passes its check, and wire → text → wire is the identity, in the type's own and in generic text.
    #[test]
    fn wire_text_wire_is_identity(rtype in any_type(), entropy in prop::collection::vec(any::<u8>(), 0..400)) {
        let octets = rdata(rtype, &mut Entropy::new(&entropy));
        prop_assert_eq!(check(rtype, &octets), Ok(()), "{} {:02x?}", rtype, octets);
        let text = text_of(rtype, &octets);
        let own = !rtype.fields().iter().any(|f| matches!(f, Field::Opaque | Field::Meta | Field::Options));
        prop_assert!(!(own && text.starts_with("\\#")), "{rtype} has its own text: {text}");
        prop_assert_eq!(octets_of(rtype, &text), Ok(octets.clone()), "{} {}", rtype, text);
        let mut generic = String::new();
        to_generic_text(&octets, &mut generic);
        prop_assert_eq!(octets_of(rtype, &generic), Ok(octets));
    }

    /// Canonical form is valid, idempotent, and differs in the case of names only.
    #[test]
    fn canonical_is_idempotent(rtype in any_type(), entropy in prop::collection::vec(any::<u8>(), 0..400)) {
        let octets = rdata(rtype, &mut Entropy::new(&entropy));
        let (mut once, mut twice) = (Vec::new(), Vec::new());
        canonical(rtype, &octets, &mut once);
        canonical(rtype, &once, &mut twice);
        prop_assert_eq!(&once, &twice);
        prop_assert!(once.eq_ignore_ascii_case(&octets));
        prop_assert_eq!(check(rtype, &once), Ok(()));
    }

    /// Any octets are refused, or shown in a text that reads back as the same octets. Nothing panics.
    #[test]
    fn any_octets_are_refused_or_round_trip(rtype in any_type(), octets in prop::collection::vec(any::<u8>(), 0..60)) {
        let text = text_of(rtype, &octets);
        if check(rtype, &octets).is_ok() {
            prop_assert_eq!(octets_of(rtype, &text), Ok(octets), "{} {}", rtype, text);
        } else {
            prop_assert!(text.starts_with("\\# "));
            prop_assert!(octets_of(rtype, &text).is_err());
        }
    }

    /// Any text is refused within its bounds, with nothing appended, or makes valid rdata.
    #[test]
    fn any_text_is_refused_or_valid(rtype in any_type(), text in r#"[0-9a-zA-Z.:/!"\\ ()=,#;+-]{0,60}"#) {
        let mut out = vec![7];
        match from_text(rtype, &mut Tokens::new(text.as_bytes()), NameRef::ROOT, &mut out) {
            Ok(()) => prop_assert_eq!(check(rtype, &out[1..]), Ok(()), "{} {}", rtype, text),
            Err(error) => {
                prop_assert!(error.at <= text.len());
                prop_assert_eq!(out, vec![7]);
            }
        }
    }

    /// One octet more or less, or changed, is refused or round-trips as well.
    #[test]
    fn damaged_rdata_is_handled(
        rtype in any_type(),
        entropy in prop::collection::vec(any::<u8>(), 0..200),
        at in any::<prop::sample::Index>(),
        octet in any::<u8>(),
        kind in 0..3,
    ) {
        let mut octets = rdata(rtype, &mut Entropy::new(&entropy));
        if octets.is_empty() {
            return Ok(());
        }
        let at = at.index(octets.len());
        match kind {
            0 => octets[at] = octet,
            1 => octets.truncate(at),
            _ => octets.insert(at, octet),
        }
        if check(rtype, &octets).is_ok() {
            let text = text_of(rtype, &octets);
            prop_assert_eq!(octets_of(rtype, &text), Ok(octets), "{} {}", rtype, text);
        }
    }

    /// Out of a packet, rdata comes out uncompressed: pointers are followed where RFC 3597 §4 allows them, refused elsewhere.
    #[test]
    fn expansion_undoes_compression(rtype in any_type(), entropy in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut entropy = Entropy::new(&entropy);
        let mut packet = vec![0; 12];
        let target = name(&mut entropy);
        packet.extend_from_slice(&target);
        let octets = rdata(rtype, &mut entropy);
        let plain_at = packet.len();
        packet.extend_from_slice(&octets);
        let mut out = Vec::new();
        prop_assert_eq!(expand(rtype, &packet, plain_at, octets.len(), &mut out), Ok(()));
        prop_assert_eq!(&out, &octets);

        // The same rdata with every name replaced by a pointer to `target`.
        let (mut short, mut long, mut copied) = (Vec::new(), Vec::new(), 0);
        let fields: Vec<_> = names(rtype, &octets).collect();
        for field in &fields {
            for side in [&mut short, &mut long] {
                side.extend_from_slice(&octets[copied..field.start]);
            }
            short.extend_from_slice(&[0xc0, 12]);
            long.extend_from_slice(&target);
            copied = field.end;
        }
        short.extend_from_slice(&octets[copied..]);
        long.extend_from_slice(&octets[copied..]);
        packet.truncate(plain_at);
        packet.extend_from_slice(&short);
        out.clear();
        let result = expand(rtype, &packet, plain_at, short.len(), &mut out);
        let allowed = rtype.fields().iter().all(|f| match f {
            Field::Name(role) => role.expand,
            Field::Prefix6 => fields.is_empty(),
            _ => true,
        });
        if allowed {
            prop_assert_eq!(result, Ok(()));
            prop_assert_eq!(out, long);
        } else {
            prop_assert!(result.is_err());
        }
    }

    /// The set that a bit map holds is the set that was put in.
    #[test]
    fn bitmap_holds_its_set(mut numbers in prop::collection::vec(any::<u16>(), 0..90)) {
        let mut types: Vec<RrType> = numbers.iter().map(|&n| RrType(n)).collect();
        let mut octets = Vec::new();
        push_bitmap(&mut types, &mut octets);
        numbers.sort_unstable();
        numbers.dedup();
        let map = TypeBitmap::new(&octets).unwrap();
        prop_assert_eq!(map.iter().map(|t| t.0).collect::<Vec<_>>(), numbers.clone());
        for number in numbers {
            prop_assert!(map.contains(RrType(number)));
        }
    }
}

/// The RFCs' own examples: `tests/vectors/rdata.tsv` has type, hex, text and section, read by both languages.
#[test]
fn vectors() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/rdata.tsv");
    let table = std::fs::read_to_string(file).unwrap();
    let mut seen = 0;
    for line in table.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let [rtype, hex, text, section] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("four columns: {line}");
        };
        let rtype: RrType = rtype.parse().unwrap();
        let (mut decoder, mut octets) = (crate::base::Hex::default(), Vec::new());
        decoder.push(hex.as_bytes(), &mut octets).unwrap();
        assert_eq!(octets_of(rtype, text), Ok(octets.clone()), "{rtype} {text} ({section})");
        assert_eq!(octets_of(rtype, &text_of(rtype, &octets)), Ok(octets), "{rtype} {hex} ({section})");
        seen += 1;
    }
    assert!(seen > 40);
}

/// RFC 3597 §5: a known type in generic form is held to its own form, and its length must be right.
#[test]
fn generic_form_is_checked() {
    assert_eq!(octets_of(RrType::A, r"\# 4 c0 000201"), Ok(vec![192, 0, 2, 1]));
    let fault = |rtype, text| octets_of(rtype, text).unwrap_err().fault;
    assert!(matches!(fault(RrType::A, r"\# 3 c00002"), TextFault::Rdata(_)));
    assert_eq!(fault(RrType(65280), r"\# 3 c0"), TextFault::LengthDiffers { said: 3, found: 1 });
    assert_eq!(
        octets_of(
            RrType(65280),
            r"( \#
        2 ; two
        c000 )"
        ),
        Ok(vec![192, 0])
    );
    // In quotes it is a string.
    assert_eq!(octets_of(RrType::TXT, r##""\# 4""##), Ok(b"\x03# 4".to_vec()));
}

/// Errors carry the place and what was expected there.
#[test]
fn errors_tell_place_and_expectation() {
    use crate::text::Expected;
    for (rtype, text, at, fault) in [
        (RrType::A, "192.0.2.256", 0, TextFault::Wrong(Expected::Ipv4)),
        (RrType::MX, "10", 2, TextFault::Missing(Expected::Name)),
        (RrType::MX, "65536 a.", 0, TextFault::TooLarge(Expected::U16)),
        (RrType::MX, "10 a. b", 6, TextFault::Trailing),
        (RrType::NS, "a..b.", 0, TextFault::EmptyLabel),
        (RrType::TXT, "\"abc", 0, TextFault::UnclosedQuote),
        (RrType::TXT, "a (b", 2, TextFault::UnclosedParen),
        (RrType::TXT, r"a b\300c", 3, TextFault::BadEscape),
        (RrType::DS, "1 8 2 abc", 6, TextFault::Wrong(Expected::Hex)),
        (RrType::HTTPS, "1 . port=99999", 4, TextFault::Wrong(Expected::SvcValue)),
    ] {
        assert_eq!(octets_of(rtype, text), Err(TextError { at, fault }), "{rtype} {text}");
    }
}

/// The registry governs: code and `registry/rrtypes.tsv` name the same types, and what has no format is named there.
#[test]
fn table_agrees_with_registry() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../registry/rrtypes.tsv");
    let table = std::fs::read_to_string(file).unwrap();
    let mut last = None;
    let mut covered = 0;
    for line in table.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let [number, mnemonic, status, note] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("four columns: {line}");
        };
        let rtype = RrType(number.parse().unwrap());
        assert!(last < Some(rtype), "ascending: {line}");
        last = Some(rtype);
        match status {
            "format" | "meta" => {
                covered += 1;
                assert_eq!(rtype.mnemonic(), Some(mnemonic), "{line}");
                assert_eq!(status == "meta", rtype.fields() == [Field::Meta], "{line}");
            }
            "gap" => {
                covered += usize::from(rtype.mnemonic().is_some());
                assert_eq!(rtype.mnemonic().unwrap_or("-"), mnemonic, "{line}");
                assert_eq!(rtype.fields(), [Field::Opaque], "{line}");
                assert!(note.len() > 10, "a gap has a reason: {line}");
            }
            other => panic!("status {other}: {line}"),
        }
    }
    assert_eq!(covered, RrType::NAMED.len(), "a type of the table is missing in the registry");
}

/// The registry of service parameters and the keys of the code agree.
#[test]
fn service_parameters_agree_with_registry() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../registry/svcparams.tsv");
    for line in std::fs::read_to_string(file).unwrap().lines().filter(|line| !line.starts_with('#')) {
        let [number, name, status, _] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let key = SvcKey(number.parse().unwrap());
        assert_eq!(key.mnemonic().is_some(), status == "form", "{line}");
        if status == "form" {
            assert_eq!(SvcKey::from_name(name.as_bytes()), Some(key), "{line}");
            assert_eq!(key.to_string(), name);
        }
    }
    assert_eq!(SvcKey(11).mnemonic(), None, "a key of the code is missing in the registry");
    assert_eq!(SvcKey::from_name(b"key65535"), Some(SvcKey(u16::MAX)));
    assert_eq!(SvcKey::from_name(b"key65536"), None);
    assert_eq!(SvcKey::from_name(b"key007"), None);
}
