use nw_dnssec::RrsigFault;
use nw_wire::code::RrType;
use nw_wire::name::Name;

use super::{Clock, ZONES};
use crate::validator::Fault;

const NOW: u32 = 1_800_000_000;
const DAY: u32 = 86_400;

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

fn signature(fault: RrsigFault) -> Fault {
    Fault::Signature { owner: name("www."), rtype: RrType::A, signer: name("."), key_tag: 1, fault, now: NOW }
}

/// What the clock is suspected of when a signature of *zone* fails with *fault*.
fn failed(clock: &Clock, zone: &str, anchored: bool, fault: RrsigFault) -> Option<String> {
    clock.failed(name(zone).as_ref(), anchored, &signature(fault)).map(|skew| skew.to_string())
}

fn expired(days: u32) -> RrsigFault {
    RrsigFault::Expired { expiration: NOW - days * DAY }
}

#[test]
fn three_zones_that_fail_in_one_direction_are_evidence_against_the_clock() {
    let clock = Clock::default();
    assert_eq!(failed(&clock, "a.", false, expired(3)), None);
    assert_eq!(failed(&clock, "a.", false, expired(3)), None, "one zone is one zone");
    assert_eq!(failed(&clock, "b.", false, expired(20)), None);
    let text = "the clock of this machine is likely wrong: at least 20 days ahead";
    assert_eq!(failed(&clock, "c.", false, expired(7)).as_deref(), Some(text));
}

#[test]
fn signatures_of_the_future_show_a_clock_that_is_behind() {
    let clock = Clock::default();
    let future = RrsigFault::NotYetValid { inception: NOW + 5 * DAY };
    let text = "the clock of this machine is likely wrong: at least 5 days behind";
    assert_eq!(failed(&clock, ".", true, future).as_deref(), Some(text), "a trust anchor is enough");
    assert_eq!(clock.take_warning().map(|skew| skew.to_string()).as_deref(), Some(text));
    failed(&clock, ".", true, future);
    assert_eq!(clock.take_warning(), None, "the clock warns once an hour");
}

#[test]
fn valid_signatures_speak_for_the_clock() {
    let clock = Clock::default();
    for zone in ["a.", "b."] {
        failed(&clock, zone, false, expired(3));
    }
    for zone in ["d.", "e.", "f."] {
        clock.valid(name(zone).as_ref());
    }
    assert_eq!(failed(&clock, "c.", false, expired(3)), None, "half of the zones are sound");
    clock.valid(name("a.").as_ref());
    assert_eq!(failed(&clock, "c.", false, expired(3)), None);
}

#[test]
fn zones_that_fail_in_both_directions_are_at_fault_themselves() {
    let clock = Clock::default();
    for (zone, fault) in [
        ("a.", expired(3)),
        ("b.", RrsigFault::NotYetValid { inception: NOW + DAY }),
        ("c.", expired(3)),
        ("d.", RrsigFault::NotYetValid { inception: NOW + DAY }),
        ("e.", RrsigFault::NotYetValid { inception: NOW + DAY }),
    ] {
        failed(&clock, zone, false, fault);
    }
    assert_eq!(failed(&clock, "f.", false, expired(3)), None);
}

#[test]
fn other_faults_and_old_zones_do_not_count() {
    let clock = Clock::default();
    for zone in 0..3 * ZONES {
        assert_eq!(failed(&clock, &format!("z{zone}."), true, RrsigFault::TooManyLabels), None);
    }
    failed(&clock, "a.", false, expired(3));
    for zone in 0..ZONES {
        clock.valid(name(&format!("z{zone}.")).as_ref());
    }
    // By now the failure of the first zone is forgotten.
    failed(&clock, "b.", false, expired(3));
    assert_eq!(failed(&clock, "c.", false, expired(3)), None);
}
