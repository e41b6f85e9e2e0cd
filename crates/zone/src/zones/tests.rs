use nw_wire::RrType;

use std::collections::HashMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::{Branch, Cause, Node, ZoneEntry, Zones};
use crate::Zone;
use crate::tests::{name, zone};

fn small(apex: &str) -> Zone {
    zone(apex, "@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns.other.net.\n")
}

/// RFC 1034 §4.3.2 step 2.
#[test]
fn the_closest_zone_above_a_name_is_found() {
    let zones: Zones =
        ["example.", "sub.example.", "a.b.c.example.", "net."].map(small).into_iter().collect();
    let closest = |text: &str| zones.closest(name(text).as_ref()).map(|entry| entry.apex().to_string());
    assert_eq!(closest("EXAMPLE.").as_deref(), Some("example."));
    assert_eq!(closest("x.y.Sub.example.").as_deref(), Some("sub.example."));
    assert_eq!(closest("b.c.example.").as_deref(), Some("example."));
    assert_eq!(closest("x.a.b.c.example.").as_deref(), Some("a.b.c.example."));
    assert_eq!(closest("notexample."), None);
    assert_eq!(closest("."), None);
    assert_eq!(
        zones.with(small(".")).closest(name("org.").as_ref()).map(|entry| entry.apex().to_string()),
        Some(".".into())
    );
}

/// RFC 4035 §3.1.4.1.
#[test]
fn ds_queries_go_to_the_parent() {
    let zones: Zones = ["example.", "sub.example."].map(small).into_iter().collect();
    let find =
        |text: &str, rtype| zones.find(name(text).as_ref(), rtype).map(|entry| entry.apex().to_string());
    assert_eq!(find("sub.example.", RrType::DS).as_deref(), Some("example."));
    assert_eq!(find("sub.example.", RrType::NS).as_deref(), Some("sub.example."));
    assert_eq!(find("x.sub.example.", RrType::DS).as_deref(), Some("sub.example."));
    assert_eq!(find("example.", RrType::DS).as_deref(), Some("example."));
}

#[test]
fn changing_a_set_does_not_affect_the_old_one() {
    let mut zones = Zones::new();
    for i in 0..1000 {
        zones = zones.with(small(&format!("z{i}.example.")));
    }
    let newer = zones.with(zone("z7.example.", "@ 60 SOA ns h 2 2 3 4 5\n@ 60 NS ns.other.net.\n"));
    let serial =
        |zones: &Zones| zones.get(name("z7.example.").as_ref()).and_then(ZoneEntry::zone).map(Zone::serial);
    assert_eq!((serial(&zones), serial(&newer)), (Some(1), Some(2)));
    assert_eq!((zones.len(), newer.len(), newer.iter().count()), (1000, 1000, 1000));
    let fewer = newer.without(name("z7.example.").as_ref());
    assert_eq!((serial(&fewer), fewer.len()), (None, 999));
    assert_eq!(serial(&newer), Some(2));
}

/// The search finds a zone without data like one with data, because the server is responsible for its names.
#[test]
fn a_zone_without_data_keeps_its_names() {
    let waiting = ZoneEntry::unavailable(name("sub.example.").as_ref(), Cause::Expired, "too old");
    let zones = Zones::from_iter([ZoneEntry::from(small("example.")), waiting]);
    let found = zones.find(name("www.sub.example.").as_ref(), RrType::A);
    let Some(ZoneEntry::Unavailable(unavailable)) = found else { panic!("{found:?}") };
    assert_eq!((unavailable.cause, unavailable.detail.as_str()), (Cause::Expired, "too old"));
    let loaded = zones.with(small("sub.example."));
    assert!(loaded.find(name("www.sub.example.").as_ref(), RrType::A).and_then(ZoneEntry::zone).is_some());
    assert_eq!(loaded.len(), 2);
}

/// The nodes of `newer` that `older` does not have, and the number of pointers in them.
fn copied(older: &Node, newer: &Node) -> (usize, usize) {
    match (older, newer) {
        (Node::Branch(one), Node::Branch(other)) if Arc::ptr_eq(one, other) => (0, 0),
        (Node::Leaf(one), Node::Leaf(other)) if Arc::ptr_eq(one, other) => (0, 0),
        (Node::Branch(one), Node::Branch(other)) => {
            let child =
                |branch: &Branch, bits| branch.position(bits).ok().map(|at| branch.children[at].clone());
            let below = (0..64).filter_map(|bits| Some(copied(&child(one, bits)?, &child(other, bits)?)));
            below.fold((1, other.children.len()), |sum, more| (sum.0 + more.0, sum.1 + more.1))
        }
        (_, Node::Leaf(leaf)) => (1, leaf.len()),
        (Node::Leaf(_), Node::Branch(branch)) => (1, branch.children.len()),
    }
}

#[test]
fn a_change_among_many_zones_copies_one_path() {
    let zones: Zones = (0..10_000).map(|i| small(&format!("z{i}.example."))).collect();
    let newer = zones.with(small("z77.example."));
    let (Some(one), Some(other)) = (&zones.root, &newer.root) else { panic!("the sets are not empty") };
    let (nodes, pointers) = copied(one, other);
    assert!((2..=4).contains(&nodes) && pointers <= 4 * 64, "{nodes} nodes with {pointers} pointers");
}

proptest! {
    /// After any changes, a set finds the same zones as a map by name.
    #[test]
    fn a_set_behaves_like_a_map_by_name(changes in prop::collection::vec((0u32..400, any::<bool>()), 1..600)) {
        let (mut zones, mut map) = (Zones::new(), HashMap::new());
        let apex = |i: u32| name(&format!("z{i}.{}", ["", "a.", "b.a.", "c.b.a."][i as usize % 4]));
        for (serial, (i, add)) in changes.into_iter().enumerate() {
            let (apex, detail) = (apex(i), serial.to_string());
            if add {
                map.insert(apex.clone(), detail.clone());
                zones = zones.with(ZoneEntry::unavailable(apex.as_ref(), Cause::Waiting, detail));
            } else {
                map.remove(&apex);
                zones = zones.without(apex.as_ref());
            }
        }
        prop_assert_eq!((zones.len(), zones.iter().count()), (map.len(), map.len()));
        for i in 0..400 {
            let apex = apex(i);
            let detail = zones.get(apex.as_ref()).map(|entry| match entry {
                ZoneEntry::Unavailable(unavailable) => unavailable.detail.clone(),
                ZoneEntry::Loaded(_) => unreachable!("none is loaded"),
            });
            prop_assert_eq!(&detail.as_ref(), &map.get(&apex));
            let below = name(&format!("x.{apex}"));
            let expected = (0..=apex.as_ref().label_count()).find_map(|n| {
                let above = (0..n).fold(apex.clone(), |name, _| {
                    name.as_ref().parent().expect("it has more labels").to_name()
                });
                map.contains_key(&above).then(|| above.to_string())
            });
            prop_assert_eq!(zones.closest(below.as_ref()).map(|entry| entry.apex().to_string()), expected);
        }
        let depths = zones.iter().fold(0u128, |depths, entry| depths | 1 << entry.apex().label_count());
        prop_assert_eq!(zones.depths, depths);
    }
}
