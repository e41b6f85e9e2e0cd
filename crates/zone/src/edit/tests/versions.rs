//! A patched version gives the same answers, octet by octet, as a zone built from the same records.

use nw_wire::{Flags, Name, RrType, Rrset, Writer};
use proptest::prelude::*;

use super::super::{ChangeCounts, Serial, kind, without};
use crate::answer::model::{APEX, TYPES, load, owner, record};
use crate::answer::signed::{denials, sign};
use crate::tests::name;
use crate::{Outcome, Zone, ZoneQuestion};

/// The answer in wire form, in lower case: the spelling that a zone keeps for an owner depends on the first record.
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

/// Whether the two zones are equal and give the same answers for `names`.
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

/// The names to query: all names of the zone, one below each, and others.
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

pub(super) fn rrset((owner, rtype, rdata): &(String, &'static str, String)) -> Rrset {
    let text = format!("@ 60 SOA . . 1 2 3 4 5\n@ 60 NS .\n{owner} 60 {rtype} {rdata}\n");
    let rtype: RrType = rtype.parse().expect("tests use known types");
    crate::tests::zone(".", &text).rrset(name(owner).as_ref(), rtype).expect("it was just loaded")
}

/// The number of RRsets that differ, found one by one. The SOA only gets another serial.
fn count(older: &Zone, newer: &Zone) -> ChangeCounts {
    let of = |zone: &Zone, set: &Rrset| {
        let mut sets = zone.rrsets().filter(|other| other.owner == set.owner && kind(other) == kind(set));
        sets.next()
    };
    let mut counts = ChangeCounts::default();
    for set in newer.rrsets().filter(|set| set.rtype != RrType::SOA) {
        match of(older, &set) {
            None => counts.added += 1,
            Some(before) => {
                let same = before.ttl == set.ttl
                    && without(&before, &set).is_none()
                    && without(&set, &before).is_none();
                counts.changed += usize::from(!same);
            }
        }
    }
    counts.removed = older.rrsets().filter(|set| of(newer, set).is_none()).count();
    counts
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
            match zone.fold().rebase(&zone, &made) {
                Some(rebased) => same(&rebased, &built, &names(&built, &others))?,
                None => prop_assert!(!std::ptr::eq(zone.view().store, made.view().store) || zone.diff(&made).added.len() > 4),
            }
            // The same result as for a file that was read again.
            let read = built.fold();
            match zone.succeed(&read) {
                Some((next, counts)) => {
                    same(&next, &built, &names(&built, &others))?;
                    prop_assert_eq!(counts, count(&zone, &built));
                }
                None => same(&zone, &built, &names(&built, &others))?,
            }
            zone = made;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 4, ..ProptestConfig::default() })]

    /// From unsigned to signed, between two signed versions, and back, with NSEC, NSEC3 and opt-out.
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
                // Half of the first lines stay. The extra ones are added and removed.
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
    assert!(next.delta.is_none());
    assert_eq!(next.len(), 3 + 400 + 1 + 200);
}

#[test]
fn a_version_that_was_read_anew_shares_the_store_where_little_differs() {
    let text = |serial: u32, names: u32, last: u8| {
        let mut text = format!("@ 60 SOA ns h {serial} 2 3 4 5\n@ 60 NS ns\nns 60 A 192.0.2.{last}\n");
        for i in 0..names {
            text += &format!("n{i} 60 MX 1 mail{}\nn{i} 60 TXT {i}\n", i % 40);
        }
        text
    };
    let read = |serial, names, last| crate::tests::zone(APEX, &text(serial, names, last));
    let zone = read(1, 400, 1);
    assert!(zone.succeed(&read(1, 400, 1)).is_none());
    let (next, counts) = zone.succeed(&read(2, 401, 2)).expect("three RRsets differ");
    assert!(std::ptr::eq(zone.view().store, next.view().store));
    assert_eq!((next.serial(), counts), (2, ChangeCounts { added: 2, changed: 1, removed: 0 }));
    let (next, counts) = next.succeed(&read(3, 400, 2)).expect("two RRsets differ");
    assert!(std::ptr::eq(zone.view().store, next.view().store));
    assert_eq!(counts, ChangeCounts { added: 0, changed: 0, removed: 2 });
    let newer = read(4, 600, 2);
    let (next, counts) = next.succeed(&newer).expect("four hundred RRsets differ");
    assert!(std::ptr::eq(newer.view().store, next.view().store));
    assert_eq!(counts.added, 400);
}

#[test]
fn a_fold_is_brought_up_to_the_version_of_its_own_store_only() {
    let text = "@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns\nns 60 A 192.0.2.1\n";
    let add = |zone: &Zone, count: usize| {
        let mut edit = zone.edit();
        for i in 0..count {
            edit.add(&rrset(&(format!("m{i}.e."), "A", "192.0.2.7".to_owned())));
        }
        edit.commit(Serial::Next).expect("a good change")
    };
    let zone = crate::tests::zone(APEX, text);
    let old = add(&zone, 5);
    assert!(old.wants_fold() && !zone.wants_fold());
    let (folded, new) = (old.fold(), add(&old, 7));
    let rebased = folded.rebase(&old, &new).expect("two names differ");
    assert!(rebased.diff(&new).is_empty() && !rebased.wants_fold());
    assert!(std::ptr::eq(rebased.view().store, folded.view().store));
    assert!(folded.rebase(&old, &crate::tests::zone(APEX, text)).is_none(), "of another store");
}
