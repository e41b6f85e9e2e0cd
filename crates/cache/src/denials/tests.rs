use nw_wire::code::{Class, RrType};

use super::*;

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

/// An NSEC record that lives for `life` seconds from time zero.
fn record(owner: &str, life: u32) -> DenialRecord {
    let mut rrset = Rrset::new(name(owner), RrType::NSEC, Class::IN, life);
    rrset.rdatas.push(&[1, b'z', 0, 0, 1, 0x40]);
    DenialRecord { sets: vec![rrset], stored: 0, expires: Micros::from(life) * 1_000_000 }
}

fn put(denials: &mut Denials, zone: &str, owner: &str, life: u32) {
    denials.put(0, name(zone).as_ref(), DenialKey::Nsec(name(owner)), record(owner, life), 0);
}

fn before(denials: &Denials, zone: &str, at: &str, now: Micros) -> Option<String> {
    let found = denials.nsec(0, name(zone).as_ref(), name(at).as_ref(), now)?;
    Some(found.sets[0].owner.to_string())
}

#[test]
fn the_record_at_or_before_a_name_is_found() {
    let mut denials = Denials::new(1 << 20);
    for owner in ["z.", "b.z.", "x.d.z.", "f.z."] {
        put(&mut denials, "z.", owner, 60);
    }
    for (at, expected) in [
        ("z.", "z."),
        ("a.z.", "z."),
        ("b.z.", "b.z."),
        ("d.z.", "b.z."),
        ("y.d.z.", "x.d.z."),
        ("zz.z.", "f.z."),
    ] {
        assert_eq!(before(&denials, "z.", at, 0).as_deref(), Some(expected), "{at}");
    }
    assert_eq!(before(&denials, "y.", "a.z.", 0), None);
    assert_eq!(denials.nsec(1, name("z.").as_ref(), name("b.z.").as_ref(), 0), None);
    assert_eq!(before(&denials, "z.", "b.z.", 60_000_000), None);
    let hash = |first| [first; 20];
    for first in [3, 7] {
        let key = DenialKey::Nsec3(hash(first), vec![1, 0, 0]);
        denials.put(0, name("z.").as_ref(), key, record(&format!("n{first}.z."), 60), 0);
    }
    let nsec3 = |denials: &Denials, first| {
        denials.nsec3(0, name("z.").as_ref(), &hash(first), 0).map(|found| found.sets[0].owner.to_string())
    };
    assert_eq!(
        [1, 3, 5, 9].map(|first| nsec3(&denials, first).unwrap()),
        ["n7.z.", "n3.z.", "n3.z.", "n7.z."]
    );
    // Another salt begins another chain.
    let key = DenialKey::Nsec3(hash(5), vec![1, 0, 0, 9]);
    denials.put(0, name("z.").as_ref(), key, record("n5.z.", 60), 0);
    assert_eq!(nsec3(&denials, 3).as_deref(), Some("n5.z."));
}

#[test]
fn flushing_removes_what_may_deny_a_name() {
    let mut denials = Denials::new(1 << 20);
    for (zone, owner) in
        [("z.", "z."), ("z.", "b.z."), ("z.", "a.c.z."), ("b.c.z.", "x.b.c.z."), ("y.", "y.")]
    {
        put(&mut denials, zone, owner, 60);
    }
    assert_eq!(denials.flush(name("c.z.").as_ref(), false), 1);
    assert_eq!(before(&denials, "z.", "c.z.", 0).as_deref(), Some("z."));
    assert_eq!(denials.flush(name("c.z.").as_ref(), true), 3);
    assert_eq!((before(&denials, "z.", "z.", 0), denials.len()), (None, 1));
}

/// A zone that is denied at random does not displace the records of other zones, and the bound holds.
#[test]
fn the_largest_zone_makes_room() {
    let mut denials = Denials::new(100_000);
    for i in 0..20 {
        put(&mut denials, "good.", &format!("n{i}.good."), 3600);
    }
    for i in 0..5000 {
        put(&mut denials, "evil.", &format!("n{i}.evil."), 3600);
        assert!(denials.octets() <= 100_000, "{}", denials.octets());
    }
    let good = denials.zone(0, name("good.").as_ref()).map_or(0, Zone::len);
    assert_eq!(good, 20);
    for i in 0..5000 {
        let zone = format!("z{i}.");
        put(&mut denials, &zone, &zone, 3600);
        assert!(denials.octets() <= 100_000, "{}", denials.octets());
    }
    assert!(denials.len() > 50);
}
