use nw_wire::{Class, Message, RrType};

use super::*;
use crate::testing::{EXAMPLE, ask, client, question, snapshot, zone};

#[test]
fn plan_and_zones_must_agree() {
    let plan = br#"{"version":1,"zones":[{"name":"a.example."},{"name":"b.example."}]}"#;
    let zones = || vec![zone("A.example.", EXAMPLE), zone("c.example.", EXAMPLE)];
    let errors = Snapshot::build(plan, zones()).err().expect("they do not agree");
    let texts: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "zones[1]: no data of zone b.example. was handed over",
            "zones: zone c.example. was handed over but is not in the plan"
        ]
    );
    let twice = vec![zone("a.example.", EXAMPLE), zone("a.example.", EXAMPLE), zone("b.example.", EXAMPLE)];
    let errors = Snapshot::build(plan, twice).err().expect("one is there twice");
    assert_eq!(errors[0].to_string(), "zones[0]: more than one zone a.example. was handed over");
}

#[test]
fn a_changed_zone_is_another_snapshot() {
    let before = snapshot(r#"{"version":1,ZONES}"#);
    let changed = zone("example.com.", &EXAMPLE.replace("192.0.2.80", "192.0.2.81"));
    let after = before.with_zones(vec![changed]).expect("it is served");
    let packet = question("www.example.com.", RrType::A, Class::IN, None);
    let address = |snapshot: &Snapshot| {
        let reply = ask(snapshot, &packet, client());
        Message::parse(&reply).expect("valid").answer().next().expect("one").rdata_raw()[3]
    };
    assert_eq!((address(&before), address(&after)), (80, 81));
    assert!(before.same_settings(&after));
    let unknown = before.with_zones(vec![zone("example.net.", EXAMPLE)]).err().expect("not served");
    assert_eq!(unknown[0].to_string(), "zones: zone example.net. is not served");
}
