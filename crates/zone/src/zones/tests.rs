use nw_wire::RrType;

use super::Zones;
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
    let closest = |text: &str| zones.closest(name(text).as_ref()).map(|zone| zone.apex().to_string());
    assert_eq!(closest("EXAMPLE.").as_deref(), Some("example."));
    assert_eq!(closest("x.y.Sub.example.").as_deref(), Some("sub.example."));
    assert_eq!(closest("b.c.example.").as_deref(), Some("example."));
    assert_eq!(closest("x.a.b.c.example.").as_deref(), Some("a.b.c.example."));
    assert_eq!(closest("notexample."), None);
    assert_eq!(closest("."), None);
    assert_eq!(
        zones.with(small(".")).closest(name("org.").as_ref()).map(|zone| zone.apex().to_string()),
        Some(".".into())
    );
}

/// RFC 4035 §3.1.4.1.
#[test]
fn ds_is_a_question_to_the_parent() {
    let zones: Zones = ["example.", "sub.example."].map(small).into_iter().collect();
    let find = |text: &str, rtype| zones.find(name(text).as_ref(), rtype).map(|zone| zone.apex().to_string());
    assert_eq!(find("sub.example.", RrType::DS).as_deref(), Some("example."));
    assert_eq!(find("sub.example.", RrType::NS).as_deref(), Some("sub.example."));
    assert_eq!(find("x.sub.example.", RrType::DS).as_deref(), Some("sub.example."));
    assert_eq!(find("example.", RrType::DS).as_deref(), Some("example."));
}

#[test]
fn a_changed_set_leaves_the_old_one_as_it_was() {
    let mut zones = Zones::new();
    for i in 0..1000 {
        zones = zones.with(small(&format!("z{i}.example.")));
    }
    let newer = zones.with(zone("z7.example.", "@ 60 SOA ns h 2 2 3 4 5\n@ 60 NS ns.other.net.\n"));
    let serial = |zones: &Zones| zones.get(name("z7.example.").as_ref()).map(Zone::serial);
    assert_eq!((serial(&zones), serial(&newer)), (Some(1), Some(2)));
    assert_eq!((zones.len(), newer.len(), newer.iter().count()), (1000, 1000, 1000));
    let fewer = newer.without(name("z7.example.").as_ref());
    assert_eq!((serial(&fewer), fewer.len()), (None, 999));
    assert_eq!(serial(&newer), Some(2));
}
