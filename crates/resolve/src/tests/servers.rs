//! Choosing servers, waiting for them, and what becomes of the ones that fail.

use std::cell::Cell;
use std::rc::Rc;

use nw_wire::code::{Ede, Rcode, RrType};

use super::lab::*;
use crate::*;

const TWO: &str = "example.com. 172800 NS ns1.example.com.
    example.com. 172800 NS ns2.example.com.
    ns1.example.com. 172800 A 192.0.2.1
    ns2.example.com. 172800 A 192.0.2.2";
const ONE: &str = "example.com. 172800 NS ns1.example.com.
    ns1.example.com. 172800 A 192.0.2.1";

fn example() -> Host {
    let mut text = String::from("*.example.com. 300 A 203.0.113.1\n");
    for i in 0..200 {
        text.push_str(&format!("n{i}.example.com. 5 A 203.0.113.1\n"));
    }
    zone("example.com.", &text)
}

fn world(com: &str) -> Rc<Lab> {
    delegating(com, "")
}

#[test]
fn the_quicker_server_is_asked_more_and_the_slower_not_forgotten() {
    let lab = world(TWO);
    lab.host_at("192.0.2.1", 20 * MILLISECOND, example());
    lab.host_at("192.0.2.2", 200 * MILLISECOND, example());
    let resolver = resolver(&lab);
    for i in 0..200 {
        assert_eq!(ask(&lab, &resolver, &format!("n{i}.example.com."), RrType::A).rcode, Rcode::NOERROR);
        lab.pass(20);
    }
    let (quick, slow) = (lab.asked("192.0.2.1"), lab.asked("192.0.2.2"));
    assert!(quick > 5 * slow && slow >= 2, "{quick} to {slow}");
}

#[test]
fn a_silent_server_is_left_for_another_and_rests() {
    let lab = world(TWO);
    lab.host("192.0.2.1", silent());
    lab.host("192.0.2.2", example());
    let resolver = resolver(&lab);
    for i in 0..100 {
        assert_eq!(ask(&lab, &resolver, &format!("n{i}.example.com."), RrType::A).rcode, Rcode::NOERROR);
    }
    assert!(lab.asked("192.0.2.1") <= 4, "{}", lab.asked("192.0.2.1"));
}

#[test]
fn a_zone_without_a_living_server_fails_in_time_and_is_remembered() {
    let lab = world(TWO);
    let resolver = resolver(&lab);
    let found = ask(&lab, &resolver, "n1.example.com.", RrType::A);
    assert_eq!(found.rcode, Rcode::SERVFAIL);
    assert_eq!(found.ede[0], (Ede::NO_REACHABLE_AUTHORITY, "at delegation example.com.".into()));
    assert_eq!(found.ede[1].0, Ede::NETWORK_ERROR);
    assert!(found.ede[1].1.ends_with("timeout"), "{}", found.ede[1].1);
    let before = lab.total();
    assert_eq!(before, 3 + 5);
    assert!(found.took < 4 * SECOND, "{}", found.took);
    // RFC 9520: not tried again at once.
    let again = ask(&lab, &resolver, "n1.example.com.", RrType::A);
    assert_eq!((again.rcode, again.ede[0].0, lab.total()), (Rcode::SERVFAIL, Ede::CACHED_ERROR, before));
    assert_eq!(hit(&lab, &resolver, "n1.example.com.", RrType::A).unwrap().0, Rcode::SERVFAIL);
    // Another name there costs what is left of the ladder and a probe, and later ones less and less.
    let other = ask(&lab, &resolver, "n2.example.com.", RrType::A);
    assert_eq!((other.rcode, lab.total() - before), (Rcode::SERVFAIL, 2));
    for i in 3..9 {
        let before = lab.total();
        assert_eq!(ask(&lab, &resolver, &format!("n{i}.example.com."), RrType::A).rcode, Rcode::SERVFAIL);
        assert!(lab.total() - before <= if i < 7 { 2 } else { 1 }, "{i}: {}", lab.total() - before);
    }
    // And when the servers are back, so is the zone.
    lab.host("192.0.2.1", example());
    lab.host("192.0.2.2", example());
    lab.pass(6);
    let mut tries = 1;
    while ask(&lab, &resolver, "n1.example.com.", RrType::A).rcode != Rcode::NOERROR {
        lab.pass(6);
        tries += 1;
    }
    assert!(tries <= 2, "{tries}");
}

/// The only server was lame a moment ago; the probe shows that it is not, and it is asked on.
#[test]
fn a_server_that_is_no_longer_lame_is_asked_on() {
    let lab = world(ONE);
    lab.host("192.0.2.1", zone("example.com.", "a.b.c.example.com. 300 A 203.0.113.1"));
    let resolver = resolver(&lab);
    let zone: nw_wire::name::Name = "example.com.".parse().unwrap();
    resolver.cache().servers().lame(
        "192.0.2.1:53".parse().unwrap(),
        zone.as_ref(),
        nw_cache::Lameness::NotServed,
        lab.now(),
    );
    let found = ask(&lab, &resolver, "a.b.c.example.com.", RrType::A);
    assert_eq!((found.rcode, lab.asked("192.0.2.1")), (Rcode::NOERROR, 3));
}

/// A server known to be quick is not given up after three short timeouts.
#[test]
fn a_quick_server_may_hesitate() {
    let lab = world(ONE);
    let (zone, slow_until) = (example(), Rc::new(Cell::new(0)));
    let (clock, until) = (Rc::clone(&lab), Rc::clone(&slow_until));
    lab.host_at(
        "192.0.2.1",
        MILLISECOND,
        Rc::new(move |asked| if clock.now() < until.get() { Says::Silence } else { zone(asked) }),
    );
    let resolver = resolver(&lab);
    assert_eq!(ask(&lab, &resolver, "n1.example.com.", RrType::A).rcode, Rcode::NOERROR);
    slow_until.set(lab.now() + 400 * MILLISECOND);
    let found = ask(&lab, &resolver, "n2.example.com.", RrType::A);
    assert_eq!((found.rcode, lab.asked("192.0.2.1")), (Rcode::NOERROR, 4));
    assert!(found.took < 500 * MILLISECOND);
}

#[test]
fn a_lost_packet_costs_one_timeout() {
    let lab = world(ONE);
    let lost = Cell::new(1);
    let zone = example();
    lab.host(
        "192.0.2.1",
        Rc::new(move |asked| if lost.replace(0) == 1 { Says::Silence } else { zone(asked) }),
    );
    let resolver = resolver(&lab);
    let found = ask(&lab, &resolver, "n1.example.com.", RrType::A);
    assert_eq!(found.rcode, Rcode::NOERROR);
    assert_eq!(lab.asked("192.0.2.1"), 2);
    assert!(slugs(&found).contains(&"timeout"));
    assert!(found.took < 500 * MILLISECOND);
}

#[test]
fn lame_servers_are_named_and_avoided() {
    let lame = |words, authority| says(words, "", authority, "");
    let cases = [
        ("refused", lame("REFUSED", "")),
        ("self-referral", lame("", "example.com. 300 NS ns1.example.com.")),
        ("upward-referral", lame("", ". 300 NS a.root-servers.net.")),
        ("empty", lame("", "")),
        ("recursive-answer", says("ra", "n1.example.com. 60 A 203.0.113.66", "", "")),
        (
            "recursive-answer",
            says("ra NXDOMAIN", "", "example.com. 60 SOA ns1.example.com. h. 1 2 3 4 60", ""),
        ),
        ("recursive-answer", says("ra", "", "example.com. 60 SOA ns1.example.com. h. 1 2 3 4 60", "")),
    ];
    for (kind, host) in cases {
        let lab = world(TWO);
        lab.host_at("192.0.2.1", MILLISECOND, host);
        lab.host("192.0.2.2", example());
        let resolver = resolver(&lab);
        // The lame server is tried first when it is known to be quick.
        resolver.cache().servers().replied("192.0.2.1:53".parse().unwrap(), 100, true, lab.now());
        let mut seen = false;
        for i in 1..20 {
            let found = ask(&lab, &resolver, &format!("n{i}.example.com."), RrType::A);
            assert_eq!((found.rcode, found.answer.len()), (Rcode::NOERROR, 1), "{kind}");
            assert!(found.answer[0].to_string().ends_with("203.0.113.1"));
            seen |= found.steps.iter().any(|step| step.text().contains(kind));
        }
        assert!(seen, "{kind}");
        assert_eq!(lab.asked("192.0.2.1"), 1, "{kind}");
    }
}

#[test]
fn a_truncated_reply_is_asked_for_again_over_tcp() {
    let lab = world(ONE);
    let text: String = (0..100).map(|i| format!("big.example.com. 300 TXT \"text number {i}\"\n")).collect();
    lab.host("192.0.2.1", zone("example.com.", &text));
    let resolver = resolver(&lab);
    let found = ask(&lab, &resolver, "big.example.com.", RrType::TXT);
    assert_eq!(found.answer[0].rdatas.len(), 100);
    assert!(slugs(&found).ends_with(&["truncated", "answer", "resolved"]));
    assert_eq!(lab.log.borrow().last().unwrap().via, Transport::Tcp);
}

#[test]
fn a_server_that_refuses_edns_is_asked_without_and_remembered() {
    let lab = world(ONE);
    let zone = example();
    lab.host(
        "192.0.2.1",
        Rc::new(move |asked| {
            let plain = Asked { edns: false, ..asked.clone() };
            if asked.edns { Says::Reply(say(&plain, "FORMERR", [&[], &[], &[]])) } else { zone(&plain) }
        }),
    );
    let resolver = resolver(&lab);
    let found = ask(&lab, &resolver, "n1.example.com.", RrType::A);
    assert!(slugs(&found).ends_with(&["edns-refused", "answer", "resolved"]));
    let found = ask(&lab, &resolver, "n2.example.com.", RrType::A);
    assert_eq!(found.queries, 1);
    lab.pass(1000);
    let found = ask(&lab, &resolver, "n3.example.com.", RrType::A);
    assert_eq!(found.queries, 2);
}

/// Loss of packets is no reason to go without EDNS, since a reply without signatures would make a signed zone bogus.
#[test]
fn a_timeout_does_not_turn_edns_off() {
    let lab = world(ONE);
    let (zone, silences) = (example(), Rc::new(Cell::new(0)));
    let left = Rc::clone(&silences);
    lab.host(
        "192.0.2.1",
        Rc::new(move |asked| match left.get() {
            0 => zone(asked),
            count => {
                left.set(count - 1);
                Says::Silence
            }
        }),
    );
    let resolver = resolver(&lab);
    for number in 0..6 {
        silences.set(2);
        let found = ask(&lab, &resolver, &format!("n{number}.example.com."), RrType::A);
        assert_eq!(found.rcode, Rcode::NOERROR);
    }
    assert!(lab.log.borrow().iter().all(|asked| asked.edns));
}

#[test]
fn a_server_that_cannot_says_so_in_the_error() {
    let lab = world(ONE);
    lab.host("192.0.2.1", says("SERVFAIL", "", "", ""));
    let resolver = resolver(&lab);
    let found = ask(&lab, &resolver, "n1.example.com.", RrType::A);
    assert_eq!(found.rcode, Rcode::SERVFAIL);
    assert_eq!(
        found.ede[1],
        (Ede::NETWORK_ERROR, "192.0.2.1:53 rcode=SERVFAIL for n1.example.com. A".to_string())
    );
    assert_eq!(lab.asked("192.0.2.1"), 1);
}

/// Also when the failure comes from the cache.
#[test]
fn the_error_names_the_lame_server() {
    let lab = world(ONE);
    lab.host("192.0.2.1", says("REFUSED", "", "", ""));
    let resolver = resolver(&lab);
    let found = ask(&lab, &resolver, "n1.example.com.", RrType::A);
    let text = "at delegation example.com.: 192.0.2.1:53 lame".to_string();
    assert_eq!(found.ede, [(Ede::NO_REACHABLE_AUTHORITY, text)]);
    let kept = ask(&lab, &resolver, "n1.example.com.", RrType::A);
    let cause = "no server of example.com. gave a usable reply (192.0.2.1:53 lame)";
    assert!(kept.ede[0].1.ends_with(cause), "{:?}", kept.ede);
}

#[test]
fn an_unreachable_server_is_not_waited_for() {
    let lab = world(TWO);
    lab.host_at("192.0.2.1", MILLISECOND, Rc::new(|_| Says::Error(ExchangeError::Unreachable)));
    lab.host("192.0.2.2", Rc::new(|_| Says::Error(ExchangeError::Refused)));
    let resolver = resolver(&lab);
    let found = ask(&lab, &resolver, "n1.example.com.", RrType::A);
    assert_eq!(found.rcode, Rcode::SERVFAIL);
    assert!(found.took < 100 * MILLISECOND);
    assert!(slugs(&found).contains(&"unreachable") && slugs(&found).contains(&"connection-refused"));
}

#[test]
fn silent_root_servers_are_survived() {
    let lab = world(ONE);
    lab.host("192.0.2.1", example());
    let mut config = config();
    config.hints.push(("b.root-servers.net.".parse().unwrap(), vec!["199.9.14.201".parse().unwrap()]));
    let resolver = resolver_with(&lab, config);
    assert_eq!(ask(&lab, &resolver, "n1.example.com.", RrType::A).rcode, Rcode::NOERROR);
}

#[test]
fn loopback_and_absurd_addresses_are_not_asked() {
    let lab = world(
        "example.com. 172800 NS ns1.example.com.
         ns1.example.com. 172800 A 127.0.0.1
         ns1.example.com. 172800 A 0.0.0.0
         ns1.example.com. 172800 A 255.255.255.255
         ns1.example.com. 172800 AAAA ::ffff:127.0.0.1",
    );
    let resolver = resolver(&lab);
    let found = ask(&lab, &resolver, "n1.example.com.", RrType::A);
    // Root, com. twice: the address of ns1.example.com. is asked of the parent once more.
    assert_eq!((found.rcode, found.took), (Rcode::SERVFAIL, 40 * MILLISECOND));
    assert!(slugs(&found).ends_with(&["no-servers"]));
}

/// A server that spoke EDNS once and answers FORMERR without OPT now has lost it (RFC 6891 §7).
#[test]
fn a_server_may_lose_edns() {
    let lab = world(ONE);
    let (zone, plain_only) = (example(), Rc::new(Cell::new(false)));
    let plain = Rc::clone(&plain_only);
    lab.host(
        "192.0.2.1",
        Rc::new(move |asked| {
            if plain.get() && asked.edns {
                let plain = Asked { edns: false, ..asked.clone() };
                return Says::Reply(say(&plain, "FORMERR", [&[], &[], &[]]));
            }
            zone(asked)
        }),
    );
    let resolver = resolver(&lab);
    resolver.cache().servers().replied("192.0.2.1:53".parse().unwrap(), 10 * MILLISECOND, true, lab.now());
    assert_eq!(ask(&lab, &resolver, "n1.example.com.", RrType::A).rcode, Rcode::NOERROR);
    plain_only.set(true);
    assert_eq!(ask(&lab, &resolver, "n2.example.com.", RrType::A).rcode, Rcode::NOERROR);
    let before = lab.asked("192.0.2.1");
    assert_eq!(ask(&lab, &resolver, "n3.example.com.", RrType::A).rcode, Rcode::NOERROR);
    assert_eq!(lab.asked("192.0.2.1") - before, 1, "it is remembered");
}

/// Addresses that came along help nobody who cannot use them: the others are looked up.
#[test]
fn glue_of_the_other_family_is_no_glue() {
    let lab = delegating("", "");
    let host = says("aa", "ns.host.com. 300 A 192.0.2.1", "", "");
    let referral = says("", "", "example.com. 300 NS ns.host.com.", "ns.host.com. 300 AAAA 2001:db8::1");
    lab.host(
        "192.5.6.30",
        Rc::new(move |asked| {
            let hosts = asked.name.to_string().ends_with("host.com.");
            if hosts { host(asked) } else { referral(asked) }
        }),
    );
    lab.host("192.0.2.1", example());
    let resolver = resolver_with(&lab, ResolverConfig { ipv6: false, ..config() });
    assert_eq!(ask(&lab, &resolver, "n1.example.com.", RrType::A).rcode, Rcode::NOERROR);
}

/// The parent's glue and the zone's own data name different addresses, and only the zone's lead to a server.
#[test]
fn the_zones_own_addresses_are_tried_before_it_is_given_up() {
    let lab = world(ONE);
    let text =
        "ns1.example.com. 3600 A 192.0.2.9\nn0.example.com. 5 A 203.0.113.1\nn1.example.com. 5 A 203.0.113.1
        n2.example.com. 5 A 203.0.113.1\nn3.example.com. 5 A 203.0.113.1";
    lab.host("192.0.2.1", zone("example.com.", text));
    let resolver = resolver(&lab);
    assert_eq!(ask(&lab, &resolver, "ns1.example.com.", RrType::A).rcode, Rcode::NOERROR);
    lab.host("192.0.2.1", silent());
    lab.host("192.0.2.9", zone("example.com.", text));
    for i in 0..4 {
        let found = ask(&lab, &resolver, &format!("n{i}.example.com."), RrType::A);
        assert_eq!(found.rcode, Rcode::NOERROR, "{:?}", slugs(&found));
    }
}

/// The same where the zone has moved to servers that only it names.
#[test]
fn the_zones_own_servers_are_tried_before_it_is_given_up() {
    let lab = delegating(ONE, "ns.example.net. 300 A 192.0.2.9");
    let text = "example.com. 3600 NS ns1.example.com.\nexample.com. 3600 NS ns.example.net.
        www.example.com. 5 A 203.0.113.1";
    lab.host("192.0.2.1", zone("example.com.", text));
    let resolver = resolver(&lab);
    assert_eq!(ask(&lab, &resolver, "example.com.", RrType::NS).rcode, Rcode::NOERROR);
    lab.host("192.0.2.1", silent());
    lab.host("192.0.2.9", zone("example.com.", text));
    let found = ask(&lab, &resolver, "www.example.com.", RrType::A);
    assert_eq!(found.rcode, Rcode::NOERROR, "{:?}", slugs(&found));
}

/// Glue of a name server outside the zone may be out of date; the name itself says where it is.
#[test]
fn dead_glue_of_a_name_outside_the_zone_is_looked_up() {
    for dead in [silent(), says("REFUSED", "", "", "")] {
        let lab = world(
            "example.com. 300 NS ns.other.com.
             ns.other.com. 300 A 192.0.2.1
             other.com. 300 NS ns.hoster.com.
             ns.hoster.com. 300 A 192.0.2.8",
        );
        lab.host("192.0.2.1", dead);
        lab.host("192.0.2.8", zone("other.com.", "ns.other.com. 300 A 192.0.2.9"));
        lab.host("192.0.2.9", zone("example.com.", "www.example.com. 5 A 203.0.113.1"));
        let found = ask(&lab, &resolver(&lab), "www.example.com.", RrType::A);
        assert_eq!(found.rcode, Rcode::NOERROR, "{:?}", slugs(&found));
    }
}

/// A lookup that does not wait for a server that rests says that this is why it has no answer.
#[test]
fn a_server_that_rests_is_named_when_nobody_is_asked() {
    let lab = world(
        "example.com. 300 NS ns1.other.com.
         example.com. 300 NS ns2.other.com.
         other.com. 300 NS ns.other.com.
         ns.other.com. 300 A 192.0.2.8",
    );
    lab.host("192.0.2.8", silent());
    let resolver = resolver(&lab);
    let mut said = Vec::new();
    for at in 0..12 {
        let found = ask(&lab, &resolver, &format!("w{at}.example.com."), RrType::A);
        assert_eq!(found.rcode, Rcode::SERVFAIL);
        said.push(crate::diagnosis(&found).expect("it failed"));
        lab.pass(if at % 3 == 2 { 6 } else { 0 });
    }
    let named = |said: &&String| ["did not answer", "dead", "timeout"].iter().any(|word| said.contains(word));
    assert_eq!(said.iter().find(|said| !named(said)), None);
}

/// A referral without the address of a server inside the zone; the parent's servers give it when they are asked for it.
#[test]
fn missing_glue_is_asked_of_the_parent() {
    let ns = "example.com. 300 NS ns1.example.com.";
    let address = "ns1.example.com. 300 A 192.0.2.1";
    for as_answer in [true, false] {
        let lab = world("");
        let (ns, address) = (lines(ns), lines(address));
        lab.host(
            "192.5.6.30",
            Rc::new(move |asked| {
                let for_server = asked.name == "ns1.example.com.".parse::<nw_wire::name::Name>().unwrap();
                let sections: [&[_]; 3] = match (for_server && asked.rtype == RrType::A, as_answer) {
                    (true, true) => [&address, &[], &[]],
                    (true, false) => [&[], &ns, &address],
                    (false, _) => [&[], &ns, &[]],
                };
                Says::Reply(say(asked, "", sections))
            }),
        );
        lab.host(
            "192.0.2.1",
            zone("example.com.", "www.example.com. 300 A 203.0.113.1\nns1.example.com. 300 A 192.0.2.1"),
        );
        let resolver = resolver(&lab);
        let found = ask(&lab, &resolver, "www.example.com.", RrType::A);
        assert_eq!(found.rcode, Rcode::NOERROR, "{:?}", slugs(&found));
        assert!(lab.asked("192.5.6.30") <= 3, "{}", lab.asked("192.5.6.30"));
    }
    // A parent that does not know it either is not asked on and on.
    let lab = world("example.com. 300 NS ns1.example.com.\nexample.com. 300 NS ns2.example.com.");
    let found = ask(&lab, &resolver(&lab), "www.example.com.", RrType::A);
    assert_eq!(found.rcode, Rcode::SERVFAIL);
    assert!(lab.asked("192.5.6.30") <= 5, "{:?}", lab.questions("192.5.6.30"));
}

/// A priming answer that names unknown servers and no addresses leaves the hints in use (RFC 8109 §3.3).
#[test]
fn priming_without_addresses_keeps_the_hints() {
    let lab = world(ONE);
    let root = zone(
        ".",
        ". 518400 NS x.unknown-servers.net.
         com. 172800 NS a.gtld-servers.net.
         a.gtld-servers.net. 172800 A 192.5.6.30",
    );
    lab.host("198.41.0.4", root);
    lab.host("192.0.2.1", example());
    let resolver = resolver(&lab);
    for i in 0..3 {
        let found = ask(&lab, &resolver, &format!("n{i}.example.com."), RrType::A);
        assert_eq!(found.rcode, Rcode::NOERROR, "{:?}", slugs(&found));
        lab.pass(400_000);
    }
}
