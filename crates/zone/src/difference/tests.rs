use nw_wire::{RrType, Rrset};
use proptest::prelude::*;

use super::{ApplyError, Difference, DifferenceError};
use crate::answer::model::{load, record};
use crate::answer::signed::{denials, sign};
use crate::edit::Serial;
use crate::tests::{name, zone};
use crate::{ImageError, Zone};

const OLD: &str = "\
$TTL 60
@ SOA ns h 1 2 3 4 5
@ NS ns
ns A 192.0.2.1
ns A 192.0.2.2
a TXT one
";
const NEW: &str = "\
$TTL 60
@ SOA ns h 2 2 3 4 5
@ NS ns
ns A 192.0.2.2
ns A 192.0.2.3
a 5 TXT one
b MX 1 ns
";

#[test]
fn the_wire_form_is_as_documented() {
    let difference = zone("e.", "@ 1 SOA . . 7 2 3 4 5\n@ 1 NS .\nx 9 A 192.0.2.1\n")
        .difference(&zone("e.", "@ 1 SOA . . 8 2 3 4 5\n@ 1 NS .\n"));
    let mut expected = vec![1, 0, 0, 0, 2];
    expected.extend(b"\x01e\0\0\x06\0\x01\0\0\0\x01\0\x16\0\0\0\0\0\x07");
    expected.extend([0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5]);
    expected.extend(b"\x01x\x01e\0\0\x01\0\x01\0\0\0\x09\0\x04\xc0\0\x02\x01\0\0\0\x01");
    expected.extend(b"\x01e\0\0\x06\0\x01\0\0\0\x01\0\x16\0\0\0\0\0\x08");
    expected.extend([0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5]);
    assert_eq!(difference.wire(), expected);
    assert_eq!((difference.serial_before(), difference.serial_after()), (7, 8));
}

#[test]
fn a_version_with_the_same_serial_has_a_difference() {
    let (old, new) = (zone("e.", OLD), zone("e.", &NEW.replace("h 2", "h 1")));
    let difference = old.difference(&new);
    assert_eq!(old.apply(&difference).expect("it fits").to_text(), new.to_text());
    assert!(!difference.is_empty() && old.difference(&old).is_empty());
    assert_eq!(old.apply(&old.difference(&old)).expect("it fits").to_text(), old.to_text());
}

#[test]
fn a_difference_is_applied_to_its_own_version_only() {
    let (old, new) = (zone("e.", OLD), zone("e.", NEW));
    let difference = old.difference(&new);
    assert_eq!(
        new.apply(&difference).err(),
        Some(ApplyError::Serial { expected: 1, found: 2 }),
        "it was applied before"
    );
    assert_eq!(zone("f.", OLD).apply(&difference).err(), Some(ApplyError::OtherZone(name("e."))));
    for (from, to, expected) in [
        ("ns A 192.0.2.1\n", "", ApplyError::Missing(name("ns.e."), RrType::A)),
        ("a TXT one\n", "a TXT two\n", ApplyError::Missing(name("a.e."), RrType::TXT)),
        ("a TXT one\n", "a 7 TXT one\n", ApplyError::Missing(name("a.e."), RrType::TXT)),
        ("a TXT one\n", "a TXT one\nb MX 1 NS\n", ApplyError::Present(name("b.e."), RrType::MX)),
        ("a TXT one\n", "a TXT one\nb 7 MX 2 ns\n", ApplyError::Present(name("b.e."), RrType::MX)),
        ("3 4 5\n", "3 4 6\n", ApplyError::Missing(name("e."), RrType::SOA)),
    ] {
        assert_eq!(
            zone("e.", &OLD.replace(from, to)).apply(&difference).err(),
            Some(expected),
            "{from} {to}"
        );
    }
}

#[test]
fn a_result_that_is_no_zone_is_refused() {
    let old = zone("e.", OLD);
    let mut difference = old.difference(&zone("e.", NEW));
    difference.removed.push(old.rrset(name("e.").as_ref(), RrType::NS).expect("it is there"));
    let mut alias = Rrset::new(name("ns.e."), RrType::CNAME, nw_wire::Class::IN, 60);
    alias.rdatas.push(b"\0");
    difference.added.push(alias);
    assert!(matches!(old.apply(&difference), Err(ApplyError::Zone(_))));
}

#[test]
fn octets_that_are_no_difference_are_refused_with_their_place() {
    let wire = zone("e.", OLD).difference(&zone("e.", NEW)).wire();
    assert_eq!(Difference::from_wire(b""), Err(DifferenceError::Truncated { at: 0 }));
    for end in 1..wire.len() {
        assert!(Difference::from_wire(&wire[..end]).is_err(), "{end}");
    }
    let mut other = wire.clone();
    other[0] = 2;
    assert_eq!(Difference::from_wire(&other), Err(DifferenceError::Format(2)));
    let mut longer = wire.clone();
    longer.push(0);
    assert_eq!(Difference::from_wire(&longer), Err(DifferenceError::Trailing { at: wire.len() }));
    let counts = |removed: u8| [&[1, 0, 0, 0, removed], &wire[5..]].concat();
    assert_eq!(Difference::from_wire(&counts(0)), Err(DifferenceError::NoSoa { at: 1 }));
    let soa = &wire[5..5 + 3 + 10 + 31];
    let side = |count: u8, records: &[&[u8]]| [&[0, 0, 0, count], records.concat().as_slice()].concat();
    let outside = b"\x01f\0\0\x01\0\x01\0\0\0\x09\0\x04\xc0\0\x02\x01".as_slice();
    let made = [vec![1], side(2, &[soa, outside]), side(1, &[soa])].concat();
    assert_eq!(Difference::from_wire(&made), Err(DifferenceError::OtherZone { at: 1, owner: name("f.") }));
    let made = [vec![1], side(2, &[soa, soa]), side(1, &[soa])].concat();
    assert_eq!(Difference::from_wire(&made), Err(DifferenceError::NoSoa { at: 1 }), "two SOAs");
}

#[test]
fn an_image_that_is_damaged_is_refused() {
    let zone = zone("e.", OLD);
    let chunks = zone.to_wire(1);
    assert!(chunks.len() > 2);
    let read =
        |chunks: &[Vec<u8>]| Zone::from_wire(zone.apex(), zone.class(), chunks.iter().map(Vec::as_slice));
    assert_eq!(read(&chunks).expect("it was written").to_text(), zone.to_text());
    assert!(matches!(read(&chunks[1..]), Err(ImageError::Zone(_))), "without the SOA");
    let mut cut = chunks.clone();
    cut[1].pop();
    assert!(matches!(read(&cut), Err(ImageError::Records { .. })));
}

/// Two versions of a zone: the second has other records and another serial.
fn versions() -> impl Strategy<Value = (Zone, Zone)> {
    let lines = || prop::collection::vec(record(), 0..14);
    (lines(), lines(), lines(), any::<bool>(), 0usize..5).prop_map(|(both, old, new, signed, denial)| {
        let make = |more: &[_], serial| {
            let (zone, _) = load(&[both.as_slice(), more].concat(), 1);
            let zone = zone.edit().commit(Serial::Set(serial)).expect("only the serial differs");
            if signed { sign(&zone, denials()[denial % 3].clone()) } else { zone }
        };
        (make(&old, 1), make(&new, 2))
    })
}

proptest! {
    #[test]
    fn a_difference_leads_from_one_version_to_the_other_and_back((old, new) in versions()) {
        let difference = old.difference(&new);
        let made = old.apply(&difference).expect("it was made from this version");
        prop_assert_eq!(made.to_text().to_lowercase(), new.to_text().to_lowercase());
        prop_assert!(made.diff(&new).is_empty());
        let back = made.apply(&difference.reversed()).expect("it is the reverse");
        prop_assert!(back.diff(&old).is_empty());
        prop_assert_eq!(new.difference(&old), difference.reversed());
        prop_assert_eq!(difference.reversed().reversed(), difference);
    }

    #[test]
    fn the_wire_form_round_trips((old, new) in versions(), chunk in 1usize..200) {
        let difference = old.difference(&new);
        let wire = difference.wire();
        prop_assert_eq!(wire.len(), difference.octets());
        prop_assert_eq!(Difference::from_wire(&wire).expect("it was written"), difference);
        let chunks = new.to_wire(chunk);
        let read = Zone::from_wire(new.apex(), new.class(), chunks.iter().map(Vec::as_slice));
        prop_assert!(read.expect("it was written").diff(&new).is_empty());
    }

    #[test]
    fn hostile_octets_are_refused_or_read((old, new) in versions(), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut wire = old.difference(&new).wire();
        for (at, octet) in changes {
            let at = at.index(wire.len());
            wire[at] = octet;
        }
        if let Ok(read) = Difference::from_wire(&wire) {
            prop_assert_eq!(read.octets(), read.wire().len());
            prop_assert_eq!(Difference::from_wire(&read.wire()), Ok(read.clone()));
            if let Ok(made) = old.apply(&read) {
                prop_assert_eq!(made.serial(), read.serial_after());
            }
        }
    }

    #[test]
    fn random_octets_never_panic(octets in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Difference::from_wire(&[&[1], octets.as_slice()].concat());
        let _ = Zone::from_wire(name("e.").as_ref(), nw_wire::Class::IN, [octets.as_slice()]);
    }
}
