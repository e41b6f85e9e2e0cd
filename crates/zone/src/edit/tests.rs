use nw_wire::{Class, RrType, Rrset};

use super::{Serial, ZoneDiff};
use crate::tests::{name, zone};
use crate::{Problem, Zone};

mod signing;
mod versions;

const TEXT: &str = "\
$TTL 3600
@ SOA ns hostmaster 4294967295 2 3 4 5
@ NS ns
@ MX 10 Mail.Example.
ns A 192.0.2.1
ns A 192.0.2.2
a.b TXT \"x y\" z
b RRSIG A 8 2 3600 20300101000000 20200101000000 1 example. AAAA
";

fn rrset(owner: &str, rtype: RrType, ttl: u32, rdatas: &[&[u8]]) -> Rrset {
    let mut rrset = Rrset::new(name(owner), rtype, Class::IN, ttl);
    for rdata in rdatas {
        rrset.rdatas.push(rdata);
    }
    rrset
}

#[test]
fn a_commit_makes_another_zone_with_the_next_serial() {
    let old = zone("example.", TEXT);
    let mut edit = old.edit();
    edit.put(rrset("new.example.", RrType::A, 60, &[&[192, 0, 2, 9]]));
    edit.delete(name("a.b.example.").as_ref(), RrType::TXT);
    let new = edit.commit(Serial::Next).expect("the change is good");
    // RFC 1982: the first serial follows the last one.
    assert_eq!((old.serial(), new.serial()), (u32::MAX, 1));
    assert!(new.rrset(name("NEW.example.").as_ref(), RrType::A).is_some());
    assert!(new.rrset(name("a.b.example.").as_ref(), RrType::TXT).is_none());
    assert!(old.rrset(name("a.b.example.").as_ref(), RrType::TXT).is_some());
    assert_eq!(new.len(), old.len());
}

#[test]
fn records_are_added_and_removed_one_by_one() {
    let old = zone("example.", TEXT);
    let mut edit = old.edit();
    edit.add(&rrset("ns.example.", RrType::A, 60, &[&[192, 0, 2, 3], &[192, 0, 2, 1]]));
    edit.remove(&rrset("NS.example.", RrType::A, 0, &[&[192, 0, 2, 2]]));
    let new = edit.commit(Serial::Set(7)).expect("the change is good");
    let set = new.rrset(name("ns.example.").as_ref(), RrType::A).expect("it is there");
    assert_eq!((set.ttl, set.rdatas.len(), new.serial()), (60, 2, 7));
    assert!(!set.rdatas.contains(&[192, 0, 2, 2]));
}

#[test]
fn a_change_that_breaks_the_zone_is_refused_with_its_reasons() {
    let old = zone("example.", TEXT);
    let mut edit = old.edit();
    edit.delete(name("example.").as_ref(), RrType::NS);
    edit.put(rrset("ns.example.", RrType::CNAME, 60, &[b"\x01x\x07example\0"]));
    edit.put(rrset("other.net.", RrType::A, 60, &[&[192, 0, 2, 9]]));
    edit.put(rrset("bad.example.", RrType::A, 60, &[&[192, 0, 2]]));
    let errors = edit.commit(Serial::Next).expect_err("the change is bad");
    let codes: Vec<&str> = errors.findings.iter().map(|finding| finding.problem.code()).collect();
    for code in ["cname-and-other", "out-of-zone", "form"] {
        assert!(codes.contains(&code), "{code} in {codes:?}");
    }
    assert!(errors.findings.iter().all(|finding| finding.problem != Problem::NoSoa));
}

#[test]
fn a_zone_round_trips_through_text_and_rrsets() {
    let zone = zone("example.", TEXT);
    let again = crate::tests::zone("example.", &zone.to_text());
    assert_eq!(zone.diff(&again), ZoneDiff::default());
    let rrsets: Vec<Rrset> = zone.rrsets().collect();
    let again = Zone::from_rrsets(zone.apex(), Class::IN, &rrsets).expect("it was a zone before");
    assert_eq!(zone.diff(&again), ZoneDiff::default());
    assert_eq!(again.to_text(), zone.to_text());
}

#[test]
fn a_difference_applied_to_the_old_zone_makes_the_new_one() {
    let old = zone("example.", TEXT);
    let new = zone(
        "example.",
        "\
$TTL 3600
@ SOA ns hostmaster 3 2 3 4 5
@ NS ns
@ NS ns2
@ 60 MX 10 mail.example.
ns A 192.0.2.2
ns A 192.0.2.7
c.b.a TXT new
b RRSIG A 8 2 3600 20300101000000 20200101000000 1 example. AAAB
",
    );
    let diff = old.diff(&new);
    let mut edit = old.edit();
    edit.apply(&diff);
    let made = edit.commit(Serial::Keep).expect("the new zone is good");
    assert_eq!(made.diff(&new), ZoneDiff::default());
    assert_eq!(made.to_text(), new.to_text());
    let back = new.diff(&old);
    assert_eq!((back.removed, back.added), (diff.added, diff.removed));
}

#[test]
fn the_owners_behind_a_name_are_those_that_a_walk_from_the_start_finds() {
    let old = zone("example.", TEXT);
    let mut edit = old.edit();
    edit.put(rrset("new.example.", RrType::A, 60, &[&[192, 0, 2, 9]]));
    edit.delete(name("b.example.").as_ref(), RrType::RRSIG);
    let new = edit.commit(Serial::Next).expect("the change is good");
    // In the store, changed, removed, added, an empty non-terminal, in no zone, before and behind the zone.
    let places =
        ["ns", "NS", "b", "new", "a", "a.b", "none", "*", "zz"].map(|label| format!("{label}.example."));
    for after in places.iter().map(String::as_str).chain(["example.", ".", "com.", "net."]) {
        let after = name(after);
        for zone in [&old, &new] {
            let walked = zone.nodes().filter(|node| node.owner().canonical_cmp(after.as_ref()).is_gt());
            let walked: Vec<String> = walked.map(|node| node.owner().to_string()).collect();
            let found: Vec<String> =
                zone.nodes_after(Some(after.as_ref())).map(|node| node.owner().to_string()).collect();
            assert_eq!(found, walked, "behind {after:?}");
        }
    }
    assert_eq!(new.nodes_after(None).count(), new.nodes().count());
}

#[test]
fn signatures_are_counted_and_those_of_an_older_zone_are_kept() {
    let old = zone("example.", TEXT);
    let more = format!("{TEXT}b RRSIG TXT 8 2 3600 20300101000000 20200101000000 1 example. AAAA\n");
    let moved = zone("example.", &TEXT.replace("b RRSIG", "c RRSIG"));
    assert_eq!(old.signatures(&old), (1, 1));
    assert_eq!(zone("example.", &more).signatures(&old), (2, 1));
    assert_eq!(moved.signatures(&old), (1, 0));
}
