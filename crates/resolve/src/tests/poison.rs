//! What servers say about things that are none of their business.

use std::rc::Rc;

use nw_wire::code::{Rcode, RrType};
use nw_wire::name::Name;

use super::lab::*;
use crate::*;

const COM: &str = "example.com. 172800 NS ns1.example.com.
    ns1.example.com. 172800 A 192.0.2.1
    bank.com. 172800 NS ns.bank.com.
    ns.bank.com. 172800 A 192.0.2.7";

fn world(evil: Host) -> Rc<Lab> {
    let lab = delegating(COM, "");
    lab.host("192.0.2.1", evil);
    lab.host("192.0.2.7", zone("bank.com.", "www.bank.com. 60 A 203.0.113.7\nns.bank.com. 60 A 192.0.2.7"));
    lab
}

/// Promiscuous NS, additional data of positive answers (Unbound CVE-2026-42960, BIND CVE-2025-40778).
#[test]
fn what_comes_along_with_an_answer_is_not_believed() {
    let lab = world(says(
        "aa",
        "www.example.com. 60 A 203.0.113.1
         www.bank.com. 86400 A 6.6.6.6
         other.example.com. 86400 A 6.6.6.6",
        "bank.com. 86400 NS ns.evil.com.
         example.com. 86400 NS ns.evil.com.
         com. 86400 NS ns.evil.com.",
        "ns.evil.com. 86400 A 6.6.6.6
         ns.bank.com. 86400 A 6.6.6.6
         ns1.example.com. 86400 A 6.6.6.6
         a.gtld-servers.net. 86400 A 6.6.6.6",
    ));
    let resolver = resolver(&lab);
    let found = ask(&lab, &resolver, "www.example.com.", RrType::A);
    assert_eq!(shown(&found.answer), ["www.example.com. 60 IN A 203.0.113.1"]);
    for name in ["www.bank.com.", "other.example.com.", "ns.evil.com.", "ns.bank.com.", "a.gtld-servers.net."]
    {
        assert_eq!(hit(&lab, &resolver, name, RrType::A), None, "{name}");
    }
    let found = ask(&lab, &resolver, "www.bank.com.", RrType::A);
    assert_eq!(shown(&found.answer), ["www.bank.com. 60 IN A 203.0.113.7"]);
    assert_eq!(lab.asked("6.6.6.6"), 0);
}

#[test]
fn an_alias_out_of_the_zone_is_resolved_where_it_leads() {
    let lab = world(says(
        "aa",
        "www.example.com. 60 CNAME www.bank.com.
         www.bank.com. 86400 A 6.6.6.6",
        "",
        "",
    ));
    let resolver = resolver(&lab);
    let found = ask(&lab, &resolver, "www.example.com.", RrType::A);
    assert_eq!(
        shown(&found.answer),
        ["www.example.com. 60 IN CNAME www.bank.com.", "www.bank.com. 60 IN A 203.0.113.7"]
    );
}

#[test]
fn absence_elsewhere_is_not_believed() {
    let lab = world(says(
        "aa NXDOMAIN",
        "www.example.com. 60 CNAME www.bank.com.",
        "bank.com. 86400 SOA ns.evil.com. host. 1 7200 3600 604800 86400",
        "",
    ));
    let resolver = resolver(&lab);
    let found = ask(&lab, &resolver, "www.example.com.", RrType::A);
    assert_eq!((found.rcode, found.answer.len()), (Rcode::NOERROR, 2));
}

#[test]
fn addresses_outside_the_delegating_zone_are_not_taken() {
    let lab = world(Rc::new(|asked| {
        Says::Reply(say(
            asked,
            "",
            [
                &[],
                &lines(
                    "sub.example.com. 86400 NS ns.bank.com.\nsub.example.com. 86400 NS ns.sub.example.com.",
                ),
                &lines("ns.bank.com. 86400 A 6.6.6.6\nns.sub.example.com. 86400 A 192.0.2.44"),
            ],
        ))
    }));
    lab.host("192.0.2.44", zone("sub.example.com.", "x.sub.example.com. 60 A 203.0.113.4"));
    let resolver = resolver(&lab);
    let found = ask(&lab, &resolver, "x.sub.example.com.", RrType::A);
    assert_eq!(shown(&found.answer), ["x.sub.example.com. 60 IN A 203.0.113.4"]);
    let name: Name = "sub.example.com.".parse().unwrap();
    let cut = resolver.cache().cut(name.as_ref(), lab.now()).unwrap();
    assert!(
        cut.servers
            .iter()
            .all(|server| server.name.to_string() != "ns.bank.com." || server.addresses.is_empty())
    );
    assert_eq!(lab.asked("6.6.6.6"), 0);
}

/// The resolver uses glue to reach servers. Clients receive the data of the zone itself.
#[test]
fn glue_is_not_an_answer() {
    let lab =
        world(zone("example.com.", "ns1.example.com. 60 A 203.0.113.50\nwww.example.com. 60 A 203.0.113.1"));
    let resolver = resolver(&lab);
    ask(&lab, &resolver, "www.example.com.", RrType::A);
    let found = ask(&lab, &resolver, "ns1.example.com.", RrType::A);
    assert_eq!(shown(&found.answer), ["ns1.example.com. 60 IN A 203.0.113.50"]);
    let found = ask(&lab, &resolver, "example.com.", RrType::NS);
    assert_eq!(
        (found.rcode, found.answer.len()),
        (Rcode::NOERROR, 0),
        "the zone has none: the parent's are no answer"
    );
}

/// MaginotDNS: a forwarder speaks of names outside its suffix.
#[test]
fn a_forwarder_is_believed_within_its_suffix_only() {
    let lab = world(silent());
    lab.host(
        "10.0.0.53",
        says(
            "ra",
            "www.corp. 60 CNAME www.bank.com.
             www.bank.com. 86400 A 6.6.6.6",
            "bank.com. 86400 NS ns.evil.com.",
            "ns.evil.com. 86400 A 6.6.6.6",
        ),
    );
    let mut config = config();
    config.forwards.push(Forward::new("corp.".parse().unwrap(), vec!["10.0.0.53:53".parse().unwrap()]));
    let resolver = resolver_with(&lab, config);
    let found = ask(&lab, &resolver, "www.corp.", RrType::A);
    assert_eq!(
        shown(&found.answer),
        ["www.corp. 60 IN CNAME www.bank.com.", "www.bank.com. 60 IN A 203.0.113.7"]
    );
    assert_eq!(lab.asked("6.6.6.6"), 0);
}

/// Ghost domains (CVE-2012-1033, CVE-2022-30698, CVE-2026-40622): a delegation that its parent has withdrawn.
#[test]
fn a_withdrawn_delegation_is_gone_at_its_ttl() {
    let delegated = "ghost.com. 3600 NS ns.ghost.com.
        ns.ghost.com. 3600 A 192.0.2.6";
    let lab = delegating(delegated, "");
    // The ghost keeps itself alive: long NS sets with every answer, and delegations below itself to itself.
    lab.host(
        "192.0.2.6",
        Rc::new(|asked| {
            let name = asked.name.to_string();
            let own = lines("ghost.com. 86400 NS ns.ghost.com.");
            let glue = lines("ns.ghost.com. 86400 A 192.0.2.6\nns.sub.ghost.com. 86400 A 192.0.2.6");
            if asked.rtype == RrType::NS {
                return Says::Reply(say(asked, "aa", [&own, &own, &glue]));
            }
            if name == "sub.ghost.com." {
                let sub = lines("sub.ghost.com. 86400 NS ns.sub.ghost.com.");
                return Says::Reply(say(asked, "", [&[], &sub, &glue]));
            }
            let answer = lines(&format!("{name} 10 A 6.6.6.6"));
            Says::Reply(say(asked, "aa", [&answer, &own, &glue]))
        }),
    );
    let resolver = resolver(&lab);
    assert_eq!(ask(&lab, &resolver, "www.ghost.com.", RrType::A).rcode, Rcode::NOERROR);
    // The registry takes it away.
    lab.host("192.5.6.30", zone("com.", ""));
    for _ in 0..6 {
        lab.pass(590);
        ask(&lab, &resolver, "ghost.com.", RrType::NS);
        ask(&lab, &resolver, "www.ghost.com.", RrType::A);
        ask(&lab, &resolver, "www.sub.ghost.com.", RrType::A);
    }
    lab.pass(61);
    assert_eq!(ask(&lab, &resolver, "www.ghost.com.", RrType::A).rcode, Rcode::NXDOMAIN);
    assert_eq!(ask(&lab, &resolver, "www.sub.ghost.com.", RrType::A).rcode, Rcode::NXDOMAIN);
}

/// Header games and TuDoor: what is no reply to the question does not end the wait, and what is no message is not the end.
#[test]
fn junk_ends_nothing() {
    let good = zone("example.com.", "www.example.com. 60 A 203.0.113.1");
    let lab = world(Rc::new(move |asked| {
        let mut reply = match good(asked) {
            Says::Reply(reply) => reply,
            says => return says,
        };
        if asked.via == Transport::Udp {
            // A record count that the body does not bear out.
            reply[7] = 9;
        }
        Says::Reply(reply)
    }));
    let resolver = resolver(&lab);
    let found = ask(&lab, &resolver, "www.example.com.", RrType::A);
    assert_eq!(shown(&found.answer), ["www.example.com. 60 IN A 203.0.113.1"]);
    assert!(slugs(&found).contains(&"malformed"));
}

#[test]
fn a_reply_to_another_question_is_no_reply() {
    for spoil in [0usize, 2, 26] {
        let good = zone("example.com.", "www.example.com. 60 A 203.0.113.1");
        let spoiled = std::cell::Cell::new(false);
        let lab = world(Rc::new(move |asked| match good(asked) {
            Says::Reply(mut reply) if !spoiled.replace(true) => {
                // The id, QR, the name.
                reply[spoil] ^= if spoil == 2 { 0x80 } else { 0x01 };
                Says::Reply(reply)
            }
            says => says,
        }));
        let resolver = resolver(&lab);
        let found = ask(&lab, &resolver, "www.example.com.", RrType::A);
        assert_eq!(shown(&found.answer), ["www.example.com. 60 IN A 203.0.113.1"], "{spoil}");
        assert!(slugs(&found).contains(&"timeout"), "{spoil}");
    }
}

#[test]
fn an_alias_that_does_not_follow_from_its_dname_is_not_used() {
    let lab = world(says(
        "aa",
        "old.example.com. 60 DNAME new.example.com.
         x.old.example.com. 60 CNAME x.evil.example.com.",
        "",
        "",
    ));
    let resolver = resolver(&lab);
    for rtype in [RrType::A, RrType::CNAME] {
        let found = ask(&lab, &resolver, "x.old.example.com.", rtype);
        let answer = shown(&found.answer);
        assert!(
            answer.contains(&"x.old.example.com. 60 IN CNAME x.new.example.com.".to_string()),
            "{answer:?}"
        );
        assert!(!answer.iter().any(|line| line.contains("evil")), "{answer:?}");
    }
}
