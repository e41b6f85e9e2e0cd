//! Budgets by kind and by progress, failures by cause, and results that do not depend on the cache.

use std::cell::Cell;
use std::fmt::Write as _;
use std::rc::Rc;
use std::sync::Arc;

use nw_cache::Lameness;
use nw_wire::code::{Ede, Rcode, RrType};
use nw_wire::name::{Name, NameRef};
use proptest::prelude::*;

use super::lab::*;
use crate::*;

const LABELS: &str = "a.b.c.d.e.f";

/// A chain of *links* aliases, each of eight labels in a zone of its own, whose servers are in another zone, whose servers
/// are in a third one.
fn chain_over_zones_with_servers_elsewhere(lab: &Lab, links: usize) {
    let (mut com, mut net) = (String::new(), String::new());
    for i in 0..=links {
        let _ = writeln!(com, "e{i}.com. 3600 NS ns.h{i}.net.\np{i}.com. 3600 NS ns.p{i}.com.");
        let _ = writeln!(com, "ns.p{i}.com. 3600 A 192.0.2.{}", 100 + i);
        let _ = writeln!(net, "h{i}.net. 3600 NS ns.p{i}.com.");
        let data = match i == links {
            true => format!("{LABELS}.e{i}.com. 3600 A 203.0.113.1"),
            false => format!("{LABELS}.e{i}.com. 3600 CNAME {LABELS}.e{}.com.", i + 1),
        };
        lab.host(&format!("192.0.2.{}", 200 + i), zone(&format!("e{i}.com."), &data));
        let helper = zone(&format!("h{i}.net."), &format!("ns.h{i}.net. 3600 A 192.0.2.{}", 200 + i));
        let provider = zone(&format!("p{i}.com."), &format!("ns.p{i}.com. 3600 A 192.0.2.{}", 100 + i));
        let host: Host =
            Rc::new(
                move |asked| {
                    if asked.name.to_string().ends_with("net.") { helper(asked) } else { provider(asked) }
                },
            );
        lab.host(&format!("192.0.2.{}", 100 + i), host);
    }
    root(lab, &com, &net);
}

#[test]
fn eight_aliases_of_eight_labels_resolve_on_an_empty_cache() {
    let lab = Lab::new();
    chain_over_zones_with_servers_elsewhere(&lab, 8);
    let resolver = resolver(&lab);
    let found = ask(&lab, &resolver, &format!("{LABELS}.e0.com."), RrType::A);
    assert_eq!(found.rcode, Rcode::NOERROR, "{:?}", found.ede);
    assert_eq!(found.answer.len(), 9);
    assert!(found.queries <= 130, "{}", found.queries);
}

#[test]
fn a_failure_of_our_own_budget_is_not_kept_and_the_next_attempt_starts_from_what_was_learned() {
    let lab = Lab::new();
    chain_over_zones_with_servers_elsewhere(&lab, 8);
    let mut config = config();
    config.budget.max_upstream_queries = 40;
    let resolver = resolver_with(&lab, config);
    let name = format!("{LABELS}.e0.com.");
    let mut attempts = 0;
    loop {
        attempts += 1;
        let found = ask(&lab, &resolver, &name, RrType::A);
        if found.rcode == Rcode::NOERROR {
            break;
        }
        assert!(slugs(&found).contains(&"limit-reached"), "{:?}", slugs(&found));
        assert!(attempts < 5);
    }
    assert!((2..=4).contains(&attempts), "{attempts}");
}

#[test]
fn a_network_that_is_back_is_used_at_once() {
    let lab = Lab::new();
    let down = Rc::new(Cell::new(true));
    for error in [ExchangeError::NoRoute, ExchangeError::Local] {
        let zone = zone("example.com.", "www.example.com. 300 A 203.0.113.1");
        root(&lab, "example.com. 300 NS ns.example.com.\nns.example.com. 300 A 192.0.2.1", "");
        let is_down = Rc::clone(&down);
        let host: Host = Rc::new(move |asked| if is_down.get() { Says::Error(error) } else { zone(asked) });
        lab.host("192.0.2.1", host);
        let resolver = resolver(&lab);
        down.set(true);
        let found = ask(&lab, &resolver, "www.example.com.", RrType::A);
        assert_eq!(found.rcode, Rcode::SERVFAIL);
        down.set(false);
        let found = ask(&lab, &resolver, "www.example.com.", RrType::A);
        assert_eq!(found.rcode, Rcode::NOERROR, "{:?}", slugs(&found));
    }
}

/// However many clients ask while nobody can be reached, servers get few queries, and names resolve within two seconds after.
#[test]
fn many_questions_cost_little_while_the_network_is_down() {
    const ZONES: u8 = 8;
    for error in [ExchangeError::NoRoute, ExchangeError::Unreachable] {
        let (lab, down) = (Lab::new(), Rc::new(Cell::new(true)));
        let mut com = String::new();
        for i in 0..ZONES {
            let _ = writeln!(com, "e{i}.com. 3600 NS ns.e{i}.com.\nns.e{i}.com. 3600 A 192.0.2.{i}");
        }
        root(&lab, &com, "");
        for i in 0..ZONES {
            let zone = zone(&format!("e{i}.com."), &format!("n9x999.e{i}.com. 300 A 203.0.113.1"));
            let is_down = Rc::clone(&down);
            let host: Host =
                Rc::new(move |asked| if is_down.get() { Says::Error(error) } else { zone(asked) });
            lab.host(&format!("192.0.2.{i}"), host);
        }
        let resolver = resolver(&lab);
        let begin = lab.now();
        let queries = || (0..ZONES).map(|i| lab.asked(&format!("192.0.2.{i}"))).sum::<usize>();
        let mut last = String::new();
        for second in 0..10 {
            for i in 0..1000 {
                last = format!("n{second}x{i}.e{}.com.", i % usize::from(ZONES));
                let found = ask(&lab, &resolver, &last, RrType::A);
                assert_eq!(found.rcode, Rcode::SERVFAIL);
                assert!(!found.ede.is_empty());
            }
            lab.pass(1);
        }
        let seconds = (lab.now() - begin) as usize / SECOND as usize;
        assert!(queries() <= 150 * seconds, "{error:?}: {} queries in {seconds} s", queries());
        down.set(false);
        // The failure of this name is kept, and its server has just been asked.
        lab.pass(1);
        let found = ask(&lab, &resolver, &last, RrType::A);
        assert_eq!(found.rcode, Rcode::NOERROR, "{:?}", slugs(&found));
    }
}

/// A server that limits its rate (RRL) drops queries over UDP and truncates the replies to others: TCP gets through.
#[test]
fn a_server_that_limits_its_rate_is_asked_over_tcp() {
    let lab = Lab::new();
    root(&lab, "example.com. 300 NS ns.example.com.\nns.example.com. 300 A 192.0.2.1", "");
    let data = "n0.example.com. 300 A 203.0.113.1\nn1.example.com. 300 A 203.0.113.1";
    let zone = zone("example.com.", data);
    let host: Host = Rc::new(move |asked| match (asked.via, asked.name.to_string().as_str()) {
        (Transport::Udp, "n0.example.com.") => Says::Reply(say(asked, "aa tc", [&[], &[], &[]])),
        (Transport::Udp, "n1.example.com.") => Says::Silence,
        _ => zone(asked),
    });
    lab.host("192.0.2.1", host);
    let resolver = resolver(&lab);
    for name in ["n0.example.com.", "n1.example.com."] {
        let found = ask(&lab, &resolver, name, RrType::A);
        assert_eq!(found.rcode, Rcode::NOERROR, "{:?}", slugs(&found));
    }
}

/// The only server of a zone was quick, and is slow now.
#[test]
fn a_server_that_becomes_slow_is_waited_for() {
    let lab = example(zone("example.com.", "n0.example.com. 300 A 203.0.113.1"));
    let resolver = resolver(&lab);
    assert_eq!(ask(&lab, &resolver, "n0.example.com.", RrType::A).rcode, Rcode::NOERROR);
    lab.host_at("192.0.2.1", SECOND, zone("example.com.", "n1.example.com. 300 A 203.0.113.1"));
    let found = ask(&lab, &resolver, "n1.example.com.", RrType::A);
    assert_eq!(found.rcode, Rcode::NOERROR, "{:?}", slugs(&found));
}

/// The address of a name server has expired while its own servers are silent. They are back before the time for which clients get
/// expired data is over.
#[test]
fn what_lookups_need_is_asked_again_sooner_than_what_clients_get_expired() {
    let lab = Lab::new();
    root(
        &lab,
        "example.com. 300000 NS ns.help.net.",
        "help.net. 300000 NS ns.help.net.\nns.help.net. 300000 A 192.0.2.7",
    );
    let help = zone("help.net.", "ns.help.net. 60 A 192.0.2.1");
    lab.host("192.0.2.7", Rc::clone(&help));
    lab.host(
        "192.0.2.1",
        zone("example.com.", "a.example.com. 60 A 203.0.113.1\nb.example.com. 60 A 203.0.113.2"),
    );
    let resolver = resolver(&lab);
    assert_eq!(ask(&lab, &resolver, "a.example.com.", RrType::A).rcode, Rcode::NOERROR);
    lab.pass(100);
    lab.host("192.0.2.7", says("SERVFAIL", "", "", ""));
    assert_eq!(ask(&lab, &resolver, "b.example.com.", RrType::A).rcode, Rcode::SERVFAIL);
    lab.host("192.0.2.7", help);
    lab.pass(6);
    let found = ask(&lab, &resolver, "b.example.com.", RrType::A);
    assert_eq!(found.rcode, Rcode::NOERROR, "{:?}", slugs(&found));
}

/// The address of a name server cannot be looked up: the failure says why, and so does the one that the cache keeps.
#[test]
fn a_zone_without_server_says_what_became_of_the_lookup() {
    let lab = Lab::new();
    root(
        &lab,
        "example.com. 3600 NS ns.help.net.\nexample2.com. 3600 NS missing.good.net.",
        "help.net. 3600 NS ns.help.net.\nns.help.net. 3600 A 192.0.2.7
         good.net. 3600 NS ns.good.net.\nns.good.net. 3600 A 192.0.2.8",
    );
    lab.host("192.0.2.7", says("SERVFAIL", "", "", ""));
    lab.host("192.0.2.8", zone("good.net.", ""));
    let resolver = resolver(&lab);
    for (name, why) in [
        ("www.example.com.", "the lookup of ns.help.net. failed: no server of help.net. gave a usable reply"),
        // The cache keeps the failure of ns.help.net.
        ("mail.example.com.", "no server of help.net. gave a usable reply (192.0.2.7:53 rcode=SERVFAIL"),
        ("www.example2.com.", "missing.good.net. has no usable address"),
    ] {
        let found = ask(&lab, &resolver, name, RrType::A);
        let last = found.steps.iter().last().unwrap().text();
        assert!(last.contains("has no server that could be asked: ") && last.contains(why), "{last}");
        assert!(
            found.ede[0].0 == Ede::NO_REACHABLE_AUTHORITY && found.ede[0].1.contains(why),
            "{:?}",
            found.ede
        );
        let again = ask(&lab, &resolver, name, RrType::A);
        let kept = again.steps.iter().find(|step| step.reason.slug() == "cached-failure").unwrap().text();
        assert_eq!(kept.matches(why).count(), 1, "{kept}");
    }
}

/// The network is away when the address of a name server is looked up. Whoever needs that address learns so, too.
#[test]
fn a_failure_of_the_network_that_is_kept_is_that_of_lookups_that_need_it() {
    const ZONES: u8 = 60;
    let lab = Lab::new();
    let mut net = "help.net. 3600 NS ns.help.net.\nns.help.net. 3600 A 192.0.2.7\n".to_string();
    for i in 0..ZONES {
        let _ = writeln!(net, "e{i}.net. 3600 NS ns.e{i}.net.\nns.e{i}.net. 3600 A 192.0.2.{}", 100 + i);
    }
    root(&lab, "example.com. 3600 NS ns.help.net.", &net);
    lab.host_at("192.5.6.31", MILLISECOND, zone("net.", &net));
    for last in (100..100 + ZONES).chain([7]) {
        let away: Host = Rc::new(|_| Says::Error(ExchangeError::NoRoute));
        lab.host_at(&format!("192.0.2.{last}"), MILLISECOND, away);
    }
    let resolver = resolver(&lab);
    (0..ZONES).for_each(|i| drop(ask(&lab, &resolver, &format!("e{i}.net."), RrType::A)));
    for (name, reason) in [
        ("www.help.net.", "no-reachable-authority"),
        ("ns.help.net.", "nobody-replies"),
        ("www.example.com.", "nobody-replies"),
    ] {
        let found = ask(&lab, &resolver, name, RrType::A);
        assert_eq!((found.rcode, slugs(&found).last()), (Rcode::SERVFAIL, Some(&reason)), "{name}");
    }
    let again = ask(&lab, &resolver, "www.example.com.", RrType::A);
    assert_eq!((again.ede[0].0, again.ede[1].0), (Ede::CACHED_ERROR, Ede::NETWORK_ERROR));
    let help = zone("help.net.", "ns.help.net. 60 A 192.0.2.1");
    lab.host("192.0.2.7", help);
    lab.host("192.0.2.1", zone("example.com.", "www.example.com. 60 A 203.0.113.1"));
    lab.pass(1);
    let found = ask(&lab, &resolver, "www.example.com.", RrType::A);
    assert_eq!(found.rcode, Rcode::NOERROR, "{:?}", slugs(&found));
}

#[test]
fn a_cached_failure_keeps_its_cause_and_age() {
    let lab = example(says("SERVFAIL", "", "", ""));
    let resolver = resolver(&lab);
    let first = ask(&lab, &resolver, "www.example.com.", RrType::A);
    lab.pass(2);
    let again = ask(&lab, &resolver, "www.example.com.", RrType::A);
    let step = again.steps.iter().find(|step| step.reason.slug() == "cached-failure").unwrap().text();
    assert!(step.contains("2 s ago") && step.contains("no server of example.com."), "{step}");
    assert_eq!(again.ede[0].0, Ede::CACHED_ERROR);
    assert_eq!(again.ede[1], first.ede[0]);
}

/// A failure of the servers is kept for all clients, one of a client's own making for nobody.
#[test]
fn a_failure_is_kept_by_its_cause() {
    let lab = example(says("SERVFAIL", "", "", ""));
    let resolver = resolver(&lab);
    ask(&lab, &resolver, "www.example.com.", RrType::A);
    let before = lab.total();
    ask(&lab, &resolver, "www.example.com.", RrType::A);
    assert_eq!(lab.total(), before);
    // A client whose time is up before the servers had theirs.
    lab.host("192.0.2.1", zone("example.com.", "late.example.com. 300 A 203.0.113.1"));
    lab.pass(6);
    let late = Trace::start(lab.now() - 7 * SECOND + 5 * MILLISECOND, 400);
    let found = lab.run(resolver.resolve(question("late.example.com.", RrType::A), late));
    assert_eq!(found.rcode, Rcode::SERVFAIL);
    assert_eq!(ask(&lab, &resolver, "late.example.com.", RrType::A).rcode, Rcode::NOERROR);
}

/// Another worker finds the loop and refuses the query of the forwarder, which fails because of that.
#[test]
fn a_loop_that_another_question_finds_is_the_cause() {
    let lab = Lab::new();
    let forwarder = "192.0.2.53:53".parse().unwrap();
    let config = ResolverConfig { forwards: vec![Forward::new(Name::root(), vec![forwarder])], ..config() };
    let resolver = resolver_with(&lab, config);
    let (cache, world, back) = (Arc::clone(resolver.cache()), Rc::clone(&lab), "192.0.2.99".parse().unwrap());
    let host: Host = Rc::new(move |asked| {
        cache.servers().lame(forwarder, NameRef::ROOT, Lameness::Loops { back }, world.now());
        Says::Reply(say(asked, "SERVFAIL", [&[], &[], &[]]))
    });
    lab.host("192.0.2.53", host);
    let found = ask(&lab, &resolver, "www.example.com.", RrType::A);
    assert!(slugs(&found).contains(&"forwarding-loop"), "{:?}", slugs(&found));
    assert!(found.ede[0].1.contains("came back from 192.0.2.99"), "{:?}", found.ede);
}

#[test]
fn an_alias_loop_is_named() {
    for text in [
        "a.example.com. 300 CNAME b.example.com.\nb.example.com. 300 CNAME a.example.com.",
        "a.example.com. 300 CNAME b.example.net.",
    ] {
        let lab = delegating(
            "example.com. 300 NS ns.example.com.\nns.example.com. 300 A 192.0.2.1",
            "example.net. 300 NS ns.example.net.\nns.example.net. 300 A 192.0.2.2",
        );
        lab.host("192.0.2.1", zone("example.com.", text));
        lab.host("192.0.2.2", zone("example.net.", "b.example.net. 300 CNAME a.example.com."));
        let resolver = resolver(&lab);
        let found = ask(&lab, &resolver, "a.example.com.", RrType::A);
        assert_eq!(found.rcode, Rcode::SERVFAIL);
        let other = if text.contains("net") { "b.example.net." } else { "b.example.com." };
        let says = format!("alias loop: a.example.com. -> {other} -> a.example.com.");
        assert_eq!(found.ede, vec![(Ede::INVALID_DATA, says.clone())]);
        assert!(found.steps.iter().last().unwrap().text().ends_with(&says));
        // The chain as far as it goes, so that a client can see the loop.
        assert_eq!(found.answer.len(), 2, "{:?}", shown(&found.answer));
        // The same from the cache.
        lab.pass(6);
        let again = ask(&lab, &resolver, "a.example.com.", RrType::A);
        assert_eq!((again.rcode, again.ede), (found.rcode, found.ede));
    }
}

#[test]
fn rrsets_of_hundreds_of_records_resolve() {
    let records: String =
        (0..400).map(|i| format!("big.example.com. 300 A 10.0.{}.{}\n", i / 250, i % 250)).collect();
    let lab = example(zone("example.com.", &records));
    let found = ask(&lab, &resolver(&lab), "big.example.com.", RrType::A);
    assert_eq!((found.rcode, found.answer[0].rdatas.len()), (Rcode::NOERROR, 400));
    let mut config = config();
    config.budget.max_records_per_rrset = 100;
    let found = ask(&lab, &resolver_with(&lab, config), "big.example.com.", RrType::A);
    assert_eq!(found.rcode, Rcode::SERVFAIL);
    assert!(found.ede.iter().any(|(_, text)| text.contains("max_records_per_rrset")), "{:?}", found.ede);
}

/// Zones with chains of every length around the limit, a loop, a chain across zones, a DNAME, and names that are absent.
fn zones_with_chains(lab: &Lab) -> Vec<String> {
    root(
        lab,
        "example.com. 3600 NS ns.example.com.\nns.example.com. 3600 A 192.0.2.1",
        "example.net. 3600 NS ns.example.net.\nns.example.net. 3600 A 192.0.2.2",
    );
    let (mut com, mut net, mut names) = (String::new(), String::new(), Vec::new());
    for i in 0..16 {
        let _ = writeln!(com, "c{i}.example.com. 3600 CNAME c{}.example.com.", i + 1);
        let (here, there) = if i % 2 == 0 { ("com", "net") } else { ("net", "com") };
        let line = format!("x{i}.example.{here}. 3600 CNAME x{}.example.{there}.\n", i + 1);
        if i % 2 == 0 { &mut com } else { &mut net }.push_str(&line);
        names.push(format!("c{i}.example.com."));
        names.push(format!("x{i}.example.{here}."));
    }
    com.push_str(
        "c16.example.com. 3600 A 203.0.113.1
         x16.example.com. 3600 A 203.0.113.2
         l1.example.com. 3600 CNAME l2.example.com.
         l2.example.com. 3600 CNAME l3.example.com.
         l3.example.com. 3600 CNAME l2.example.com.
         gone.example.com. 3600 CNAME nothing.example.net.",
    );
    names.extend(["l1", "l2", "l3", "gone", "nothing"].iter().map(|label| format!("{label}.example.com.")));
    lab.host("192.0.2.1", zone("example.com.", &com));
    lab.host("192.0.2.2", zone("example.net.", &net));
    names
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// A resolver that has answered other questions before, in any order, answers as one with an empty cache.
    #[test]
    fn the_result_does_not_depend_on_the_cache(order in proptest::collection::vec(0usize..37, 1..40)) {
        let lab = Lab::new();
        let names = zones_with_chains(&lab);
        let used = resolver(&lab);
        for at in order {
            let name = &names[at];
            let found = ask(&lab, &used, name, RrType::A);
            let fresh = ask(&lab, &resolver(&lab), name, RrType::A);
            prop_assert_eq!(found.rcode, fresh.rcode, "{}", name);
            let without_ttl = |found: &Resolution| {
                let sets = found.answer.iter().cloned().map(|set| nw_wire::rrset::Rrset { ttl: 0, ..set });
                shown(&sets.collect::<Vec<_>>())
            };
            let (mut one, mut other) = (without_ttl(&found), without_ttl(&fresh));
            if fresh.rcode == Rcode::SERVFAIL {
                // A failure that is kept has no answer section.
                one.clear();
                other.clear();
            }
            prop_assert_eq!(one, other, "{}", name);
        }
    }
}

/// What a shortened question brings is kept, so that the next name below does not ask it again (RFC 9156).
#[test]
fn answers_to_shortened_questions_are_kept() {
    for data in ["b.example.com. 300 A 203.0.113.1", "b.example.com. 300 CNAME www.example.com."] {
        let lab = Lab::new();
        root(&lab, "example.com. 3600 NS ns.example.com.\nns.example.com. 3600 A 192.0.2.1", "");
        let text = format!("{data}\nx.b.example.com. 300 A 203.0.113.2\ny.b.example.com. 300 A 203.0.113.3");
        lab.host("192.0.2.1", zone("example.com.", &text));
        let resolver = resolver(&lab);
        for name in ["x.b.example.com.", "y.b.example.com."] {
            assert_eq!(ask(&lab, &resolver, name, RrType::A).rcode, Rcode::NOERROR);
        }
        let asked = lab.questions("192.0.2.1");
        assert_eq!(asked, ["b.example.com. A", "x.b.example.com. A", "y.b.example.com. A"], "{data}");
    }
}
