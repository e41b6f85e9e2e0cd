//! A version that a patch made answers as the zone built anew from the same records does, octet by octet.

use nw_wire::{Flags, Name, RrType, Rrset, Writer};
use proptest::prelude::*;

use super::super::Serial;
use crate::answer::model::{APEX, TYPES, load, owner, record};
use crate::answer::signed::{denials, sign};
use crate::tests::name;
use crate::{Outcome, Zone, ZoneQuestion};

/// The answer in wire form with A-Z made a-z: which spelling of an owner a zone keeps depends on which came first.
fn answer(zone: &Zone, qname: &Name, qtype: RrType, dnssec_ok: bool) -> (Outcome, Vec<u8>) {
    let mut buffer = vec![0; 65_535];
    let mut writer = Writer::new(&mut buffer, 65_535, 7, Flags::default());
    writer.question(qname.as_ref(), qtype, zone.class()).expect("a question fits");
    let question = ZoneQuestion { qname: qname.as_ref(), qtype, dnssec_ok, transport_udp: false };
    let outcome = zone.answer(&question, &mut writer);
    let length = writer.finish();
    buffer.truncate(length);
    buffer.make_ascii_lowercase();
    (outcome, buffer)
}

/// Whether the two zones are the same and give the same answers about `names`.
fn same(made: &Zone, built: &Zone, names: &[Name]) -> Result<(), TestCaseError> {
    prop_assert!(made.diff(built).is_empty(), "{:?}\n{}", made.diff(built), made.to_text());
    prop_assert_eq!((made.len(), made.serial()), (built.len(), built.serial()));
    let owners = |zone: &Zone| -> Vec<(Name, bool, bool)> {
        zone.nodes().map(|node| (node.owner().to_name(), node.is_cut(), node.is_occluded())).collect()
    };
    prop_assert_eq!(owners(made), owners(built));
    prop_assert_eq!(made.is_signed(), built.is_signed());
    for name in names {
        for qtype in TYPES.into_iter().chain([RrType::ANY, RrType::NSEC]) {
            let one = answer(made, name, qtype, made.is_signed());
            let other = answer(built, name, qtype, made.is_signed());
            prop_assert_eq!(one, other, "{} {}\n{}", name, qtype, built.to_text());
        }
    }
    Ok(())
}

/// Names to ask about: all of the zone, one below each, and others.
fn names(zone: &Zone, others: &[String]) -> Vec<Name> {
    let mut names: Vec<Name> = zone.nodes().map(|node| node.owner().to_name()).collect();
    let below: Vec<Name> =
        names.iter().filter_map(|name| name.as_ref().with_label(b"c").map(|name| name.to_name())).collect();
    names.extend(below);
    names.extend(others.iter().map(|text| name(text)));
    names
}

/// Owner, type and rdata of a record.
type Line = (String, &'static str, String);

/// One step: records to add, and numbers of RRsets to remove.
fn steps() -> impl Strategy<Value = Vec<(Vec<Line>, Vec<usize>)>> {
    let step = (prop::collection::vec(record(), 0..3), prop::collection::vec(0usize..30, 0..3));
    prop::collection::vec(step, 1..6)
}

fn rrset((owner, rtype, rdata): &(String, &'static str, String)) -> Rrset {
    let text = format!("@ 60 SOA . . 1 2 3 4 5\n@ 60 NS .\n{owner} 60 {rtype} {rdata}\n");
    let rtype: RrType = rtype.parse().expect("tests use known types");
    crate::tests::zone(".", &text).rrset(name(owner).as_ref(), rtype).expect("it was just loaded")
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 4000, ..ProptestConfig::default() })]

    #[test]
    fn a_patched_zone_answers_like_a_rebuilt_one(
        lines in prop::collection::vec(record(), 0..14),
        steps in steps(),
        others in prop::collection::vec(owner(), 3),
    ) {
        let (mut zone, _) = load(&lines, 1);
        let first = zone.clone();
        for (add, remove) in steps {
            let mut edit = zone.edit();
            let sets: Vec<Rrset> = zone.rrsets().collect();
            for number in remove {
                let set = &sets[number % sets.len()];
                if set.rtype != RrType::SOA {
                    edit.remove(set);
                }
            }
            for line in &add {
                edit.add(&rrset(line));
            }
            let mut whole = edit.clone();
            whole.number(Serial::Next);
            let built = whole.rebuild();
            let made = edit.commit_within(Serial::Next, Some(usize::MAX));
            prop_assert_eq!(made.is_ok(), built.is_ok(), "{:?} {:?}", made, built);
            let (Ok(made), Ok(built)) = (made, built) else { continue };
            same(&made, &built, &names(&built, &others))?;
            // Backwards and forwards between versions.
            let mut back = made.edit();
            back.apply(&made.diff(&first));
            let back = back.commit_within(Serial::Keep, Some(usize::MAX)).expect("it was a zone before");
            prop_assert!(back.diff(&first).is_empty());
            prop_assert!(made.fold().diff(&made).is_empty());
            let rebased = zone.fold().rebase(&zone, &made).expect("the newer version is a zone");
            same(&rebased, &built, &names(&built, &others))?;
            zone = made;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 4, ..ProptestConfig::default() })]

    /// Unsigned to signed, between two signed versions, and back, by NSEC, NSEC3 and with opt-out.
    #[test]
    fn a_patched_signed_zone_answers_like_a_rebuilt_one(
        lines in prop::collection::vec(record(), 0..10),
        versions in prop::collection::vec(prop::collection::vec(record(), 0..4), 1..4),
        others in prop::collection::vec(owner(), 3),
    ) {
        for denial in denials() {
            let (plain, _) = load(&lines, 1);
            let mut zone = sign(&plain, denial.clone());
            for extra in &versions {
                // Half of the first lines stay, the extra ones come and go.
                let lines: Vec<_> = lines.iter().step_by(2).chain(extra).cloned().collect();
                let built = sign(&load(&lines, 1).0, denial.clone());
                let mut edit = zone.edit();
                edit.apply(&zone.diff(&built));
                let made = edit.commit_within(Serial::Keep, Some(usize::MAX)).expect("the newer version is a zone");
                same(&made, &built, &names(&built, &others))?;
                zone = made;
            }
        }
    }
}

#[test]
fn a_commit_shares_the_store_and_too_many_changes_build_another() {
    let mut text = "@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns\nns 60 A 192.0.2.1\n".to_owned();
    for i in 0..400 {
        text += &format!("n{i} 60 MX 1 mail{}\n", i % 40);
    }
    let zone = crate::tests::zone(APEX, &text);
    let mut edit = zone.edit();
    edit.add(&rrset(&("mail7.e.".to_owned(), "A", "192.0.2.7".to_owned())));
    let next = edit.commit(Serial::Next).expect("a good change");
    assert!(std::ptr::eq(zone.view().store, next.view().store));
    // The apex, the new name, and the ten names that refer to it.
    assert_eq!(next.view().changed().len(), 12);
    assert_eq!(answer(&next, &name("n7.e."), RrType::MX, false).1, {
        let built = next.fold();
        assert!(!std::ptr::eq(zone.view().store, built.view().store));
        answer(&built, &name("n7.e."), RrType::MX, false).1
    });
    let mut edit = next.edit();
    for i in 0..200 {
        edit.add(&rrset(&(format!("m{i}.e."), "A", "192.0.2.7".to_owned())));
    }
    let next = edit.commit(Serial::Next).expect("a good change");
    assert!(next.overlay.is_none());
    assert_eq!(next.len(), 3 + 400 + 1 + 200);
}
