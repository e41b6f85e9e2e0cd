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

    /// Canonical form is valid and idempotent, and differs from the original only in the case of names.
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

    /// Arbitrary octets are refused, or written as text that reads back as the same octets. Nothing panics.
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

    /// Arbitrary text is refused with an offset inside the text and nothing appended, or makes valid rdata.
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

    /// Rdata with one octet added, removed or changed is refused or round-trips.
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

    /// `expand` returns uncompressed rdata. It follows pointers where RFC 3597 §4 allows them and refuses them
    /// elsewhere.
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

    /// A bit map contains exactly the types that were added.
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

/// Examples of the RFCs. `tests/vectors/rdata.tsv` has type, hex, text and section; the Python tests read it too.
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

/// RFC 3597 §5: a known type in generic form must be valid for its type, and its length must be right.
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
    // In quotes it is a character string.
    assert_eq!(octets_of(RrType::TXT, r##""\# 4""##), Ok(b"\x03# 4".to_vec()));
}

/// Quotes make a character string (RFC 1035 §5.1). Like BIND, the parser refuses them where a name, a number or an
/// encoding is expected.
#[test]
fn only_strings_may_be_quoted() {
    for text in [
        r#"NS "a.""#,
        r#"MX 10 "a.""#,
        r#"MX "10" a."#,
        r#"SOA "a." b. 1 1 1 1 1"#,
        r#"SRV 1 1 1 "a.""#,
        r#"NAPTR 1 1 s x "" "a.""#,
        r#"TLSA 3 1 1 "abcd""#,
        r#"DS 1 8 200 "00""#,
        r#"DNSKEY 256 3 8 "AAAA""#,
        r#"CERT 1 1 8 "AAAA""#,
        r#"HIP 2 AB AAAA "a.""#,
        r#"APL "1:192.0.2.0/24""#,
        r#"WKS 192.0.2.1 tcp "smtp""#,
        r#"LOC 1 N 1 E 1m "2m""#,
        r#"IPSECKEY 1 3 2 "a." AAAA"#,
        r#"IPSECKEY 1 0 2 "." AAAA"#,
        r#"AMTRELAY 0 0 3 "a.""#,
        r#"NSEC a. "A""#,
        r#"SVCB 1 . "port=8""#,
    ] {
        let (rtype, rdata) = text.split_once(' ').unwrap();
        let rtype: RrType = rtype.parse().unwrap();
        assert!(octets_of(rtype, rdata).is_err(), "{text}");
        assert!(octets_of(rtype, &rdata.replace(['"'], "")).is_ok() || text.contains("NAPTR"), "{text}");
    }
}

/// The parser refuses what named-rrchecker refuses, with the reason.
#[test]
fn values_out_of_range_are_refused() {
    use crate::text::Expected;
    let rdata = |fault| TextFault::Rdata(RdataError { at: 0, fault });
    for (text, fault) in [
        ("X25 123", TextFault::Wrong(Expected::Digits)),
        ("X25 12a4", TextFault::Wrong(Expected::Digits)),
        (r"X25 \# 3 023132", rdata(RdataFault::Digits)),
        ("SVCB 1 . ALPN=h2", TextFault::Wrong(Expected::SvcParam)),
        ("SVCB 1 . KEY667=h2", TextFault::Wrong(Expected::SvcParam)),
        ("SVCB 1 . Port=8", TextFault::Wrong(Expected::SvcParam)),
        ("SVCB 1 . key01=x", TextFault::Wrong(Expected::SvcParam)),
        ("SVCB 1 . port=8 port=9", TextFault::Rdata(RdataError { at: 6, fault: RdataFault::SvcTwice })),
        ("SVCB 1 . port=8 port=8", TextFault::Rdata(RdataError { at: 6, fault: RdataFault::SvcTwice })),
        ("SVCB 1 . dohpath=/dns-query", rdata(RdataFault::SvcValue)),
        ("SVCB 1 . dohpath={?dns}", rdata(RdataFault::SvcValue)),
        ("SVCB 1 . dohpath=/q{?dnssec}", rdata(RdataFault::SvcValue)),
        ("SVCB 1 . dohpath=/q{?dns", rdata(RdataFault::SvcValue)),
        ("SVCB 1 . key7=x", rdata(RdataFault::SvcValue)),
        ("LOC 90 0 0.001 N 0 E 0m", TextFault::TooLarge(Expected::Location)),
        ("LOC 91 N 0 E 0m", TextFault::Wrong(Expected::Location)),
        ("LOC 1 60 N 0 E 0m", TextFault::Wrong(Expected::Location)),
        ("LOC 1 N 181 E 0m", TextFault::Wrong(Expected::Location)),
        ("LOC 1 N 1 E -100000.01m", TextFault::Wrong(Expected::Location)),
        ("LOC 1 N 1 E 42849672.96m", TextFault::Wrong(Expected::Location)),
        ("LOC 1 N 1 E 0 99999999m", TextFault::Wrong(Expected::Location)),
        ("LOC 1 N 1 E 0 -1m", TextFault::Wrong(Expected::Location)),
        ("SOA a. b. 1 1h30 1 1 1", TextFault::Wrong(Expected::Period)),
    ] {
        let (rtype, text) = text.split_once(' ').unwrap();
        assert_eq!(octets_of(rtype.parse().unwrap(), text).unwrap_err().fault, fault, "{rtype} {text}");
    }
    for text in ["dohpath=/dns-query{?dns}", "dohpath=/{dns}", "dohpath=/q{?a,dns}", "key7=/q{?dns*}"] {
        assert!(octets_of(RrType::SVCB, &format!("1 . {text}")).is_ok(), "{text}");
    }
}

/// Texts that follow dig and BIND.
#[test]
fn text_is_that_of_dig() {
    for (rtype, given, shown) in [
        ("LOC", "1 N 1 E -5", "1 0 0.000 N 1 0 0.000 E -5.00m 1m 10000m 10m"),
        ("LOC", "1 N 1 E 1 95m 0m 0.05m", "1 0 0.000 N 1 0 0.000 E 1.00m 90m 0.00m 0.05m"),
        ("LOC", "1 N 1 E 1 90000000m 0.3", "1 0 0.000 N 1 0 0.000 E 1.00m 90000000m 0.30m 10m"),
        ("CERT", "1 2 8 AAAA", "PKIX 2 RSASHA256 AAAA"),
        ("CERT", "9 2 6 AAAA", "9 2 NSEC3DSA AAAA"),
        ("CERT", "URI 2 ECC AAAA", "URI 2 4 AAAA"),
        ("DS", "1 RSASHA256 200 00", "1 8 200 00"),
        ("NXT", "a. TYPE71 A", "a. A 71"),
        (
            "SIG",
            "TYPE289 8 1 1 20200101000000 1 1 a. AAAA",
            "289 8 1 1 20200101000000 19700101000001 1 a. AAAA",
        ),
        ("RRSIG", "TYPE289 8 1 1 1 1 1 a. AAAA", "TYPE289 8 1 1 19700101000001 19700101000001 1 a. AAAA"),
        ("NID", "10 0014:4fff:0000:ee64", "10 14:4fff:0:ee64"),
        ("AAAA", "::0.1.0.2", "::0.1.0.2"),
        ("AAAA", "::1:2", "::0.1.0.2"),
        ("AAAA", "::2", "::2"),
        ("AAAA", "::ffff:1.2.3.4", "::ffff:1.2.3.4"),
        ("AAAA", "::1:2:3", "::1:2:3"),
        ("X25", "1234", "\"1234\""),
    ] {
        let rtype: RrType = rtype.parse().unwrap();
        assert_eq!(text_of(rtype, &octets_of(rtype, given).unwrap()), shown, "{rtype} {given}");
    }
}

/// Errors have the offset and the expected item.
#[test]
fn errors_have_offset_and_expectation() {
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

/// The code and `registry/rrtypes.tsv` name the same types. The registry gives a reason for each type without a
/// format.
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

/// The registry and the code have the same service parameter keys.
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
