//! Attacks that make a resolver work for others, and the bounds that hold.

use std::cell::Cell;
use std::rc::Rc;

use nw_wire::code::{Rcode, RrType};

use super::lab::*;
use crate::*;

fn many(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(|i| line(i) + "\n").collect()
}

/// NXNSAttack (CVE-2020-8616): a referral to many servers without addresses in a victim's zone.
#[test]
fn a_referral_to_a_victim_costs_the_victim_little() {
    let lab = delegating(
        "attack.com. 172800 NS ns.attack.com.
         ns.attack.com. 172800 A 192.0.2.66",
        "victim.net. 172800 NS ns.victim.net.
         ns.victim.net. 172800 A 192.0.2.99",
    );
    let servers = many(100, |i| format!("sub.attack.com. 300 NS r{i}.victim.net."));
    lab.host("192.0.2.66", zone("attack.com.", &servers));
    lab.host("192.0.2.99", zone("victim.net.", ""));
    let resolver = resolver(&lab);
    let found = ask(&lab, &resolver, "x.sub.attack.com.", RrType::A);
    assert_eq!(found.rcode, Rcode::SERVFAIL);
    assert!(lab.asked("192.0.2.99") <= 10, "{}", lab.asked("192.0.2.99"));
    assert!(lab.total() <= 50, "{}", lab.total());
    let before = lab.asked("192.0.2.99");
    ask(&lab, &resolver, "y.sub.attack.com.", RrType::A);
    assert!(lab.asked("192.0.2.99") - before <= 10);
}

/// NRDelegation (CVE-2022-3204): a referral to 1500 servers whose delegations do not answer.
#[test]
fn a_huge_referral_is_cut_short() {
    let lab = delegating(
        "attack.com. 172800 NS ns.attack.com.
         ns.attack.com. 172800 A 192.0.2.66",
        "dead.net. 172800 NS ns.dead.net.
         ns.dead.net. 172800 A 192.0.2.98",
    );
    let servers = many(1500, |i| format!("sub.attack.com. 300 NS r{i}.z{i}.dead.net."));
    lab.host("192.0.2.66", zone("attack.com.", &servers));
    let resolver = resolver(&lab);
    let found = ask(&lab, &resolver, "x.sub.attack.com.", RrType::A);
    assert_eq!(found.rcode, Rcode::SERVFAIL);
    assert!(lab.asked("192.0.2.98") <= 15, "{}", lab.asked("192.0.2.98"));
    let cut =
        resolver.cache().cut("sub.attack.com.".parse::<nw_wire::name::Name>().unwrap().as_ref(), lab.now());
    assert!(cut.unwrap().servers.len() <= 13);
}

/// CAMP: alias chains whose every link fans out over name servers; no restart resets the count.
#[test]
fn fan_out_times_chain_is_one_budget() {
    let com = many(12, |i| many(6, |j| format!("z{i}.com. 300 NS s{j}.t{i}.net.")));
    let net = many(12, |i| format!("t{i}.net. 300 NS ns.t{i}.net.\nns.t{i}.net. 300 A 192.0.2.{}", 100 + i));
    let lab = delegating(&com, &net);
    for i in 0..12 {
        // The servers of the name servers deny most of them; the last leads on.
        let alias = zone(&format!("z{i}.com."), &format!("a.z{i}.com. 300 CNAME a.z{}.com.", i + 1));
        let hosts = zone(&format!("t{i}.net."), &format!("s5.t{i}.net. 300 A 192.0.2.{}", 100 + i));
        lab.host(
            &format!("192.0.2.{}", 100 + i),
            Rc::new(
                move |asked| {
                    if asked.name.to_string().ends_with("com.") { alias(asked) } else { hosts(asked) }
                },
            ),
        );
    }
    let resolver = resolver(&lab);
    let found = ask(&lab, &resolver, "a.z0.com.", RrType::A);
    assert_eq!(found.rcode, Rcode::SERVFAIL);
    assert!(found.queries <= 50, "{}", found.queries);
    assert!(lab.total() <= 51, "{}", lab.total());
}

/// TsuNAME: two zones whose servers live in each other.
#[test]
fn zones_that_need_each_other_end_soon() {
    let lab = delegating("one.com. 300 NS ns.two.net.", "two.net. 300 NS ns.one.com.");
    let resolver = resolver(&lab);
    let found = ask(&lab, &resolver, "www.one.com.", RrType::A);
    assert_eq!(found.rcode, Rcode::SERVFAIL);
    assert!(slugs(&found).contains(&"cycle"), "{:?}", slugs(&found));
    assert!(lab.total() <= 8, "{}", lab.total());
    let before = lab.total();
    ask(&lab, &resolver, "www.one.com.", RrType::A);
    ask(&lab, &resolver, "mail.one.com.", RrType::A);
    ask(&lab, &resolver, "www.two.net.", RrType::A);
    assert!(lab.total() - before <= 2, "{}", lab.total() - before);
}

/// CVE-2026-5950: a server with another excuse each time.
#[test]
fn a_server_full_of_excuses_is_left() {
    let lab = delegating("example.com. 300 NS ns.example.com.\nns.example.com. 300 A 192.0.2.1", "");
    let turn = Cell::new(0);
    lab.host(
        "192.0.2.1",
        Rc::new(move |asked| {
            turn.set(turn.get() + 1);
            match turn.get() % 4 {
                0 => Says::Reply(say(asked, "tc", [&[], &[], &[]])),
                1 => Says::Reply(say(asked, "FORMERR", [&[], &[], &[]])),
                2 => Says::Silence,
                _ => Says::Reply(say(asked, "", [&[], &[], &[]])),
            }
        }),
    );
    let resolver = resolver(&lab);
    for i in 0..4 {
        let before = lab.asked("192.0.2.1");
        let found = ask(&lab, &resolver, &format!("n{i}.example.com."), RrType::A);
        assert_eq!(found.rcode, Rcode::SERVFAIL);
        assert!(lab.asked("192.0.2.1") - before <= 5);
    }
}

/// CVE-2026-3592: ten names for the same ten addresses.
#[test]
fn an_address_with_many_names_is_one_server() {
    let com = many(10, |i| {
        format!("example.com. 300 NS n{i}.example.com.\n")
            + &many(10, |j| format!("n{i}.example.com. 300 A 192.0.2.{}", (i + j) % 10 + 1))
    });
    let lab = delegating(&com, "");
    for i in 1..=10 {
        lab.host(&format!("192.0.2.{i}"), says("SERVFAIL", "", "", ""));
    }
    let resolver = resolver(&lab);
    ask(&lab, &resolver, "www.example.com.", RrType::A);
    for i in 1..=10 {
        assert!(lab.asked(&format!("192.0.2.{i}")) <= 1);
    }
}

/// A name of 120 labels, existing at the bottom, and its DS.
#[test]
fn long_names_cost_no_more_than_ten_extra_questions() {
    let name = "a.".repeat(118) + "example.com.";
    let lab = example(zone("example.com.", &format!("{name} 300 A 203.0.113.1")));
    let resolver = resolver(&lab);
    let found = ask(&lab, &resolver, &name, RrType::A);
    assert_eq!((found.rcode, found.answer.len()), (Rcode::NOERROR, 1));
    assert!(lab.asked("192.0.2.1") <= 11, "{}", lab.asked("192.0.2.1"));
    let before = lab.total();
    ask(&lab, &resolver, &name, RrType::DS);
    assert!(lab.total() - before <= 11);
}

/// CVE-2024-1737: RRsets of thousands of records.
#[test]
fn an_rrset_of_too_many_records_is_refused() {
    let records = many(3000, |i| format!("big.example.com. 300 A 10.0.{}.{}", i / 250, i % 250))
        + &many(100, |i| format!("full.example.com. 300 A 10.1.0.{i}"));
    let lab = example(zone("example.com.", &records));
    let resolver = resolver(&lab);
    assert_eq!(ask(&lab, &resolver, "big.example.com.", RrType::A).rcode, Rcode::SERVFAIL);
    assert_eq!(ask(&lab, &resolver, "full.example.com.", RrType::A).answer[0].rdatas.len(), 100);
}

/// Endless referrals downward.
#[test]
fn a_bottomless_delegation_ends() {
    let lab = example(Rc::new(|asked| {
        // One label more each time: cut at what is asked.
        let ns = format!("{} 300 NS ns.{}", asked.name, asked.name);
        let glue = format!("ns.{} 300 A 192.0.2.1", asked.name);
        Says::Reply(say(asked, "", [&[], &lines(&ns), &lines(&glue)]))
    }));
    let resolver = resolver(&lab);
    let found = ask(&lab, &resolver, &("a.".repeat(60) + "example.com."), RrType::A);
    assert_eq!(found.rcode, Rcode::SERVFAIL);
    assert!(found.queries <= 24, "{}", found.queries);
}

/// All places are taken: the prefix with the most questions loses its oldest, and a flood of one prefix evicts itself.
#[test]
fn the_hungriest_client_loses_its_oldest_question() {
    let lab = Lab::new();
    let mut config = config();
    config.budget.max_in_flight = 3;
    let resolver = resolver_with(&lab, config);
    let ask = |name: &str, client: &str| {
        let trace = Trace::start(lab.now(), 50);
        Box::pin(resolver.resolve_for(question(name, RrType::A), Some(client.parse().unwrap()), trace))
    };
    let mut innocent = ask("a.com.", "192.0.2.1");
    let mut flood = [ask("r1.com.", "198.51.100.1"), ask("r2.com.", "198.51.100.2")];
    let mut joining = ask("a.com.", "198.51.100.3");
    let mut newcomer = ask("b.com.", "203.0.113.1");
    lab.run(std::future::poll_fn(|context| {
        assert!(innocent.as_mut().poll(context).is_pending());
        flood.iter_mut().for_each(|future| assert!(future.as_mut().poll(context).is_pending()));
        assert!(joining.as_mut().poll(context).is_pending());
        assert!(newcomer.as_mut().poll(context).is_pending());
        let std::task::Poll::Ready(lost) = flood[0].as_mut().poll(context) else {
            panic!("it keeps its place")
        };
        assert!(lost.steps.iter().last().unwrap().text().contains("max_in_flight reached"));
        assert_eq!(lost.rcode, Rcode::SERVFAIL);
        assert!(flood[1].as_mut().poll(context).is_pending());
        assert!(innocent.as_mut().poll(context).is_pending());
        std::task::Poll::Ready(())
    }));
}

/// Every waiting client receives the result, and the result is kept once.
#[test]
fn those_who_join_share_the_steps() {
    let lab = delegating("", "");
    let resolver = resolver(&lab);
    let ask = || Box::pin(resolver.resolve(question("www.com.", RrType::A), Trace::start(lab.now(), 400)));
    let mut waiting: Vec<_> = (0..3000).map(|_| Some(ask())).collect();
    let mut found = Vec::new();
    lab.run(std::future::poll_fn(|context| {
        for slot in waiting.iter_mut() {
            if let Some(std::task::Poll::Ready(one)) = slot.as_mut().map(|one| one.as_mut().poll(context)) {
                found.push(one);
                *slot = None;
            }
        }
        if found.len() == 3000 { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    }));
    let shared: Vec<_> = found.iter().filter_map(|found| found.steps.joined.as_ref()).collect();
    assert_eq!(shared.len(), 2999);
    assert!(shared.iter().all(|joined| std::sync::Arc::ptr_eq(&joined.steps, &shared[0].steps)));
    assert_eq!(std::sync::Arc::strong_count(&shared[0].steps), 3000);
    let first = found.iter().find(|found| found.steps.joined.is_none()).unwrap();
    let joined = found.iter().find(|found| found.steps.joined.is_some()).unwrap();
    assert_eq!(joined.steps.len(), first.steps.len() + 1);
    assert_eq!((slugs(joined)[0], &slugs(joined)[1..]), ("joined", &slugs(first)[..]));
    let numbers: Vec<u32> = joined.steps.iter().map(|step| step.id).collect();
    assert_eq!(numbers, (1..=joined.steps.len() as u32).collect::<Vec<_>>());
    assert!(joined.steps.iter().skip(1).all(|step| step.parallel && step.parent.is_some()));
}

/// A client that has waited elsewhere already, and joins what others have just begun, waits no longer than its own time.
#[test]
fn whoever_joins_keeps_its_own_time() {
    let lab = example(silent());
    let resolver = resolver(&lab);
    let ask = |name: &str, waited: Micros| {
        let trace = Trace::start(lab.now() - waited, 400);
        Box::pin(resolver.resolve(question(name, RrType::A), trace))
    };
    // The first begins the work, the others join it.
    let waited = 7 * SECOND - 200 * MILLISECOND;
    let mut asked = [
        (ask("www.example.com.", 0), None),
        (ask("www.example.com.", waited), None),
        (ask("www.example.com.", 7 * SECOND), None),
    ];
    lab.run(std::future::poll_fn(|context| {
        for (future, found) in asked.iter_mut().filter(|(_, found)| found.is_none()) {
            if let std::task::Poll::Ready(one) = future.as_mut().poll(context) {
                *found = Some(one);
            }
        }
        let over = asked.iter().all(|(_, found)| found.is_some());
        if over { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    }));
    let [first, second, third] = asked.map(|(_, found)| found.unwrap());
    assert!(first.took > SECOND && second.took == 7 * SECOND && third.took == 7 * SECOND);
    assert!(slugs(&second).ends_with(&["joined", "limit-reached"]), "{:?}", slugs(&second));
    assert_eq!(
        second.steps.iter().filter(|step| !step.parallel).map(|step| step.took).sum::<Micros>(),
        second.took
    );
}

/// The same where only one question to a server is joined: both names need the same referral.
#[test]
fn whoever_joins_a_question_to_a_server_keeps_its_own_time() {
    let lab = delegating("", "");
    lab.host("192.5.6.30", silent());
    let resolver = resolver(&lab);
    ask(&lab, &resolver, "net.", RrType::SOA);
    let ask = |name: &str, waited: Micros| {
        let trace = Trace::start(lab.now() - waited, 400);
        Box::pin(resolver.resolve(question(name, RrType::A), trace))
    };
    let (mut early, mut late) =
        (ask("a.example.com.", 0), ask("b.example.com.", 7 * SECOND - 50 * MILLISECOND));
    let found = lab.run(std::future::poll_fn(|context| {
        assert!(early.as_mut().poll(context).is_pending());
        late.as_mut().poll(context)
    }));
    assert_eq!(lab.asked("192.5.6.30"), 1);
    assert_eq!((found.rcode, found.took), (Rcode::SERVFAIL, 7 * SECOND));
}

/// Priming has a time of its own, and the question that waits for it keeps its own, too.
#[test]
fn silent_roots_cost_no_more_than_the_clocks() {
    let lab = Lab::new();
    let mut config = config();
    config.hints = (1..=13)
        .map(|i| {
            (format!("{i}.root-servers.net.").parse().unwrap(), vec![format!("192.0.2.{i}").parse().unwrap()])
        })
        .collect();
    let resolver = resolver_with(&lab, config);
    let found = ask(&lab, &resolver, "www.example.com.", RrType::A);
    let priming = found.steps.iter().find(|step| step.reason.slug() == "unprimed").unwrap().took;
    assert_eq!((found.rcode, priming), (Rcode::SERVFAIL, 3 * SECOND));
    // One that comes with little time left, when the hints are tried again.
    lab.pass(31);
    let late = Trace::start(lab.now() - 6 * SECOND, 400);
    let found = lab.run(resolver.resolve(question("www.example.net.", RrType::A), late));
    assert_eq!((found.rcode, found.took), (Rcode::SERVFAIL, 7 * SECOND));
    assert_eq!(found.ede[0].0, nw_wire::code::Ede::NO_REACHABLE_AUTHORITY);
}

/// Work for a reply grows with its size, whatever the number of types in it, and is not done again for the next client.
#[test]
fn a_large_reply_is_read_once() {
    let work = |types: usize, records: usize| {
        let all = many(types, |rtype| {
            many(records, |i| format!("big.example.com. 300 TYPE{} \\# 2 {i:04x}", 300 + rtype))
        });
        let all = lines(&all);
        let lab = example(Rc::new(move |asked| Says::Reply(say(asked, "aa", [&all, &[], &[]]))));
        let resolver = resolver(&lab);
        let before = crate::scrub::work::records();
        let found = ask(&lab, &resolver, "big.example.com.", RrType::ANY);
        assert_eq!((found.rcode, found.answer.len()), (Rcode::NOERROR, types));
        let read = crate::scrub::work::records() - before;
        assert!(hit(&lab, &resolver, "big.example.com.", RrType::ANY).is_some());
        (read, resolver.cache().stats().answers)
    };
    let (_, entries) = work(1, 1);
    // The same number of records in 4, 40 and 100 RRsets, and a message that is nearly as long as any.
    for (types, records) in [(4, 50), (40, 5), (100, 2), (100, 40), (100, 46)] {
        let (read, kept) = work(types, records);
        // Each record is indexed once and read once.
        assert!(read <= 2 * types * records + 20, "{types} x {records}: {read}");
        // The answer is kept as a whole and not again as RRsets.
        assert_eq!(kept, entries, "{types} x {records}");
    }
}

/// Names that are pointers in a reply and long outside of it are expanded as far as they could be sent without compression.
#[test]
fn an_answer_that_grows_beyond_a_message_is_refused() {
    let owner = "a.".repeat(100) + "example.com.";
    let types = ["NS", "MB", "MG", "MR", "PTR"];
    let ask_for = |types: &[&str]| {
        let lab = Lab::new();
        root(&lab, "example.com. 300 NS ns.example.com.\nns.example.com. 300 A 192.0.2.1", "");
        let records: String =
            types.iter().map(|rtype| many(100, |i| format!("{owner} 300 {rtype} n{i}.{owner}"))).collect();
        let all = lines(&records);
        let name: nw_wire::name::Name = owner.parse().unwrap();
        lab.host(
            "192.0.2.1",
            Rc::new(move |asked| {
                let all = if asked.name == name { &all[..] } else { &[] };
                Says::Reply(say(asked, "aa", [all, &[], &[]]))
            }),
        );
        ask(&lab, &resolver(&lab), &owner, RrType::ANY)
    };
    assert_eq!(ask_for(&types[..2]).answer.len(), 2);
    let refused = ask_for(&types);
    assert_eq!(refused.rcode, Rcode::SERVFAIL);
    assert!(refused.ede.iter().any(|(_, text)| text.contains("fits no message")), "{:?}", refused.ede);
}

/// NRDelegation (CVE-2022-3204) where each of the 1,500 name servers lies in a silent zone of its own.
#[test]
fn silent_name_servers_of_a_huge_referral_cost_little() {
    let net = many(1500, |i| {
        let address = format!("10.9.{}.{}", i / 250, i % 250 + 1);
        format!("z{i}.net. 172800 NS ns.z{i}.net.\nns.z{i}.net. 172800 A {address}")
    });
    let lab = delegating("attack.com. 172800 NS ns.attack.com.\nns.attack.com. 172800 A 192.0.2.66", &net);
    for glued in [false, true] {
        let servers = many(1500, |i| format!("sub.attack.com. 300 NS r.z{i}.net."));
        let addresses = many(1500, |i| format!("r.z{i}.net. 300 A 10.8.{}.{}", i / 250, i % 250 + 1));
        lab.host("192.0.2.66", zone("attack.com.", &(servers + if glued { &addresses } else { "" })));
        let resolver = resolver(&lab);
        ask(&lab, &resolver, "warm.attack.com.", RrType::A);
        ask(&lab, &resolver, "net.", RrType::SOA);
        let mut all = 0;
        for i in 0..20 {
            let before = lab.total();
            let found = ask(&lab, &resolver, &format!("x{i}.sub.attack.com."), RrType::A);
            assert_eq!(found.rcode, Rcode::SERVFAIL);
            let sent = lab.total() - before;
            assert!(sent <= 13, "question {i}: {sent}");
            all += sent;
            lab.pass(6);
        }
        assert!(all <= 20 * 8, "{all}");
    }
}
