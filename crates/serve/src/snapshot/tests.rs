use std::collections::BTreeMap;

use nw_wire::edns::EdnsOption;
use nw_wire::{Class, Ede, Message, Rcode, RrType};
use proptest::prelude::*;

use super::*;
use crate::testing::{EXAMPLE, ask, client, name, question, snapshot, zone};

#[test]
fn data_of_a_zone_that_the_plan_does_not_name_is_an_error() {
    let plan = br#"{"version":1,"zones":[{"name":"a.example."},{"name":"b.example."}]}"#;
    let errors = |zones: &[&str]| {
        let zones = zones.iter().map(|apex| zone(apex, EXAMPLE)).collect();
        let errors = Snapshot::build(plan, zones).err().unwrap_or_default();
        errors.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(errors(&["A.example.", "c.example."]), ["zones: zone c.example. is not in the plan"]);
    assert_eq!(errors(&["a.example.", "a.example."]), ["zones: zone a.example. was passed twice"]);
    assert_eq!(errors(&["a.example."]), [""; 0]);
}

/// RFC 8914 §4.15 and §4.25: a zone without data is neither refused nor looked up elsewhere.
#[test]
fn a_zone_without_data_is_servfail_with_the_cause() {
    let plan = br#"{"version":1,"acls":{"recursion":["0.0.0.0/0"]},"resolver":{"hints":[{"name":"ns.","addresses":["192.0.2.1"]}]},"zones":[{"name":"example.com."}]}"#;
    let waiting = Snapshot::build(plan, Vec::new()).expect("a zone may come later");
    let entry = |cause, detail: &str| {
        let apex = name("example.com.");
        let entry = ZoneEntry::unavailable(apex.as_ref(), cause, detail);
        waiting.changed([(apex, Some(entry))])
    };
    for (snapshot, ede, text) in [
        (waiting.clone(), Ede::NOT_READY, ""),
        (entry(Cause::Failed, "line 7: no SOA"), Ede::INVALID_DATA, "line 7: no SOA"),
        (entry(Cause::Expired, ""), Ede::INVALID_DATA, ""),
    ] {
        let reply = ask(&snapshot, &question("www.example.com.", RrType::A, Class::IN, Some(1232)), client());
        let reply = Message::parse(&reply).expect("valid");
        assert_eq!((reply.rcode(), reply.flags().aa()), (Rcode::SERVFAIL, false));
        let opt = reply.opt().expect("the query has EDNS");
        let found: Vec<_> = opt.options().collect();
        assert_eq!(found, [Ok(EdnsOption::Ede { code: ede, text: text.as_bytes() })]);
    }
}

#[test]
fn a_changed_zone_is_another_snapshot() {
    let before = snapshot(r#"{"version":1,ZONES}"#);
    let changed = zone("example.com.", &EXAMPLE.replace("192.0.2.80", "192.0.2.81"));
    let after = before.changed([(name("example.com."), Some(changed.into()))]);
    let packet = question("www.example.com.", RrType::A, Class::IN, None);
    let address = |snapshot: &Snapshot| {
        let reply = ask(snapshot, &packet, client());
        Message::parse(&reply).expect("valid").answer().next().expect("one").rdata_raw()[3]
    };
    assert_eq!((address(&before), address(&after)), (80, 81));
    assert!(before.same_settings(&after));
}

/// The operations of a server, in any order: settings that name some of six zones, and changes to any of them.
#[derive(Clone, Debug)]
enum Step {
    /// A reload: build settings for these zones (bits), with the version of each that is current now.
    Build(u8),
    /// Publish the settings that were built last.
    Publish,
    Change(u8, Option<u32>),
}

proptest! {
    /// No interleaving of reloads and changes loses a change. A zone has the version that was published last, until
    /// settings or a change remove it.
    #[test]
    fn settings_never_undo_a_change(steps in prop::collection::vec(prop_oneof![
        (0u8..64).prop_map(Step::Build),
        Just(Step::Publish),
        (0u8..6, prop::option::weighted(0.8, 1u32..1000)).prop_map(|(zone, serial)| Step::Change(zone, serial)),
    ], 1..40)) {
        let apex = |i: u8| name(&format!("z{i}.example."));
        let data = |i: u8, serial: u32| {
            zone(&format!("z{i}.example."), &format!("@ 60 SOA ns h {serial} 2 3 4 5\n@ 60 NS ns.example.net.\n"))
        };
        let empty = Snapshot::build(br#"{"version":1}"#, Vec::new()).expect("the least plan");
        let (mut current, mut built, mut named) = (empty.clone(), (0u8, empty), 0u8);
        let mut expected: BTreeMap<u8, Option<u32>> = BTreeMap::new();
        let mut versions: BTreeMap<u8, Option<u32>> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Build(bits) => {
                    let zones: Vec<u8> = (0..6).filter(|i| bits >> i & 1 == 1).collect();
                    let names: Vec<_> =
                        zones.iter().map(|&i| serde_json::json!({"name": apex(i).to_string()})).collect();
                    let plan = serde_json::json!({"version": 1, "zones": names}).to_string();
                    versions = zones.iter().map(|&i| (i, expected.get(&i).copied().flatten())).collect();
                    let loaded =
                        versions.iter().filter_map(|(&i, serial)| Some(data(i, (*serial)?))).collect();
                    built = (bits, Snapshot::build(plan.as_bytes(), loaded).expect("they agree"));
                }
                Step::Publish => {
                    current = built.1.succeeding(&current);
                    let gone = named & !built.0;
                    expected.retain(|i, _| gone >> i & 1 == 0);
                    for (&i, &serial) in &versions {
                        expected.entry(i).or_insert(serial);
                    }
                    named = built.0;
                }
                Step::Change(i, serial) => {
                    current = current.changed([(apex(i), serial.map(|serial| data(i, serial).into()))]);
                    match serial {
                        Some(serial) => drop(expected.insert(i, Some(serial))),
                        None => drop(expected.remove(&i)),
                    }
                }
            }
            for i in 0..6 {
                let found = current.zones().get(apex(i).as_ref()).map(|entry| entry.zone().map(Zone::serial));
                prop_assert_eq!(found, expected.get(&i).copied(), "zone {} after {:?}", i, step);
            }
        }
    }
}
