use super::*;

const SECOND: Micros = 1_000_000;

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

fn forwarder() -> SocketAddr {
    "192.0.2.1:53".parse().expect("an address")
}

fn client() -> IpAddr {
    "192.0.2.9".parse().expect("an address")
}

#[test]
fn a_probe_that_comes_back_names_both_ends() {
    let loops = Loops::default();
    let token = 0x1f0c_77a2_0000_00ff;
    let probe = loops.begin(token, forwarder(), name("corp.").as_ref(), SECOND).expect("the first one");
    assert_eq!(probe.to_string(), "loop-1f0c77a2.nw-000000ff.corp.");
    assert_eq!(loops.back(token), None);
    // A server on the way may change the case.
    let upper = name(&probe.to_string().to_uppercase());
    assert_eq!(loops.came_back(upper.as_ref(), client()), Some(forwarder()));
    assert_eq!(loops.back(token), Some(client()));
    assert!(loops.conclude(token, true), "it is news");
    assert!(!loops.conclude(token, true), "it is reported once");
}

#[test]
fn names_without_a_known_token_are_no_probes() {
    let loops = Loops::default();
    assert!(loops.begin(7, forwarder(), NameRef::ROOT, SECOND).is_some());
    let others = [
        ".",
        "loop-00000000.",
        "loop-00000000.nw-00000008.",
        "loop-0000000g.nw-00000007.",
        "look-00000000.nw-00000007.",
        "loop-00000000.xw-00000007.",
        "a.loop-00000000.nw-00000007.",
    ];
    for other in others {
        assert_eq!(loops.came_back(name(other).as_ref(), client()), None, "{other}");
    }
    assert_eq!(loops.came_back(name("loop-00000000.nw-00000007.").as_ref(), client()), Some(forwarder()));
}

#[test]
fn probes_of_one_forwarder_have_a_pause_between_them() {
    let loops = Loops::default();
    let root = NameRef::ROOT;
    assert!(loops.begin(1, forwarder(), root, SECOND).is_some());
    assert!(loops.begin(2, forwarder(), root, 5 * SECOND).is_none());
    assert!(loops.begin(3, forwarder(), name("corp.").as_ref(), 5 * SECOND).is_some(), "another suffix");
    assert!(loops.conclude(1, true));
    assert!(loops.begin(4, forwarder(), root, 6 * SECOND).is_some());
    assert_eq!(loops.back(1), None, "the former probe is forgotten");
    assert!(!loops.conclude(4, true), "the same loop again is no news");
    assert!(loops.begin(5, forwarder(), root, 11 * SECOND).is_some());
    assert!(!loops.conclude(5, false));
    assert!(loops.begin(6, forwarder(), root, 16 * SECOND).is_some());
    assert!(loops.conclude(6, true), "it was gone meanwhile");
}

#[test]
fn a_suffix_without_room_is_not_probed() {
    let long = name(&format!("{}.", ["a".repeat(60).as_str(); 4].join(".")));
    assert!(Loops::default().begin(1, forwarder(), long.as_ref(), SECOND).is_none());
}

#[test]
fn the_number_of_probes_is_bounded() {
    let loops = Loops::default();
    for port in 0..1000 {
        let forwarder = SocketAddr::new(client(), port);
        assert!(loops.begin(u64::from(port), forwarder, NameRef::ROOT, SECOND).is_some());
    }
    assert_eq!(lock(&loops.probes).len(), MOST);
}
