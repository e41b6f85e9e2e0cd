//! RFC 1034 §5.3.3, step by step.

use nw_wire::code::{Ede, Rcode, RrType};

use super::lab::*;
use crate::*;

const COM: &str = "example.com. 172800 NS ns1.example.com.
    ns1.example.com. 172800 A 192.0.2.1
    alias.com. 172800 NS ns1.example.net.";
const NET: &str = "example.net. 172800 NS ns1.example.net.
    ns1.example.net. 172800 A 192.0.2.2";

fn world() -> std::rc::Rc<Lab> {
    let lab = delegating(COM, NET);
    lab.host(
        "192.0.2.1",
        zone(
            "example.com.",
            "example.com. 3600 NS ns1.example.com.
             www.example.com. 300 A 203.0.113.1
             www.example.com. 300 A 203.0.113.2
             cut.example.com. 300 CNAME www.example.net.
             near.example.com. 200 CNAME www.example.com.
             gone.example.com. 200 CNAME missing.example.net.
             a.b.c.d.example.com. 300 A 203.0.113.9
             loop1.example.com. 300 CNAME loop2.example.com.
             loop2.example.com. 300 CNAME loop1.example.com.",
        ),
    );
    let net = zone(
        "example.net.",
        "example.net. 3600 NS ns1.example.net.
         ns1.example.net. 3600 A 192.0.2.2
         www.example.net. 60 A 203.0.113.3",
    );
    let alias = zone("alias.com.", "www.alias.com. 60 AAAA 2001:db8::1");
    lab.host(
        "192.0.2.2",
        std::rc::Rc::new(move |asked| {
            let alias_com = asked.name.to_string().ends_with("alias.com.");
            if alias_com { alias(asked) } else { net(asked) }
        }),
    );
    lab
}

/// Every entry knows the server that sent it, also behind an alias into another zone.
#[test]
fn entries_know_their_servers() {
    let lab = world();
    let resolver = resolver(&lab);
    ask(&lab, &resolver, "cut.example.com.", RrType::A);
    ask(&lab, &resolver, "missing.example.net.", RrType::A);
    let from = |name: &str| {
        let name: nw_wire::name::Name = name.parse().unwrap();
        let held = resolver.cache().inspect(name.as_ref(), lab.now());
        let servers = held.iter().filter_map(|entry| entry.server);
        servers.map(|server| server.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(from("cut.example.com."), ["192.0.2.1:53"]);
    assert_eq!(from("www.example.net."), ["192.0.2.2:53"]);
    assert_eq!(from("missing.example.net."), ["192.0.2.2:53"]);
}

#[test]
fn referrals_lead_from_the_root_to_the_answer() {
    let lab = world();
    let resolver = resolver(&lab);
    let found = ask(&lab, &resolver, "www.example.com.", RrType::A);
    assert_eq!(found.rcode, Rcode::NOERROR);
    assert_eq!(
        shown(&found.answer),
        ["www.example.com. 300 IN A 203.0.113.1", "www.example.com. 300 IN A 203.0.113.2"]
    );
    assert_eq!(
        slugs(&found),
        ["not-cached", "primed", "answer", "referral", "referral", "answer", "resolved"]
    );
    assert_eq!(found.took, 40 * MILLISECOND);
    // Each server sees no more of the name than it needs (RFC 9156).
    assert_eq!(lab.questions("198.41.0.4"), [". NS", "com. A"]);
    assert_eq!(lab.questions("192.5.6.30"), ["example.com. A"]);
    assert_eq!(lab.questions("192.0.2.1"), ["www.example.com. A"]);
    // The next name there costs one question.
    let found = ask(&lab, &resolver, "near.example.com.", RrType::A);
    assert_eq!(found.queries, 1);
}

#[test]
fn answers_age_and_end() {
    let lab = world();
    let resolver = resolver(&lab);
    assert_eq!(hit(&lab, &resolver, "www.example.com.", RrType::A), None);
    ask(&lab, &resolver, "www.example.com.", RrType::A);
    lab.pass(100);
    let (rcode, records) = hit(&lab, &resolver, "WWW.Example.com.", RrType::A).unwrap();
    assert_eq!(rcode, Rcode::NOERROR);
    assert_eq!(records, ["WWW.Example.com. 200 A 203.0.113.1", "WWW.Example.com. 200 A 203.0.113.2"]);
    let found = ask(&lab, &resolver, "www.example.com.", RrType::A);
    assert_eq!(slugs(&found), ["cached-answer", "resolved"]);
    assert_eq!(found.steps.iter().next().unwrap().cache.unwrap().age_s, 100);
    assert_eq!(found.steps.iter().next().unwrap().cache.unwrap().ttl_left_s, 200);
    assert_eq!(found.answer[0].ttl, 200);
    lab.pass(200);
    assert_eq!(hit(&lab, &resolver, "www.example.com.", RrType::A), None);
    let found = ask(&lab, &resolver, "www.example.com.", RrType::A);
    assert_eq!(found.queries, 1);
    assert_eq!(found.answer[0].ttl, 300);
}

#[test]
fn an_alias_into_another_zone_is_followed_there() {
    let lab = world();
    let resolver = resolver(&lab);
    let found = ask(&lab, &resolver, "cut.example.com.", RrType::A);
    assert_eq!(
        shown(&found.answer),
        ["cut.example.com. 300 IN CNAME www.example.net.", "www.example.net. 60 IN A 203.0.113.3"]
    );
    lab.pass(10);
    let (_, records) = hit(&lab, &resolver, "cut.example.com.", RrType::A).unwrap();
    assert_eq!(records, ["cut.example.com. 290 CNAME www.example.net.", "www.example.net. 50 A 203.0.113.3"]);
    lab.pass(50);
    assert_eq!(hit(&lab, &resolver, "cut.example.com.", RrType::A), None);
}

#[test]
fn an_alias_within_the_zone_comes_with_its_data() {
    let lab = world();
    let resolver = resolver(&lab);
    let found = ask(&lab, &resolver, "near.example.com.", RrType::A);
    assert_eq!(found.answer.len(), 2);
    assert_eq!(lab.asked("192.0.2.1"), 1);
    assert!(hit(&lab, &resolver, "near.example.com.", RrType::CNAME).is_some());
    assert!(hit(&lab, &resolver, "www.example.com.", RrType::A).is_some());
}

#[test]
fn absence_is_kept_for_the_time_that_the_soa_says() {
    let lab = world();
    let resolver = resolver_with(&lab, ResolverConfig { nxdomain_cut: true, ..config() });
    let found = ask(&lab, &resolver, "nothing.example.com.", RrType::A);
    assert_eq!(found.rcode, Rcode::NXDOMAIN);
    assert_eq!(found.authority.len(), 1);
    assert_eq!(found.authority[0].ttl, 300);
    // RFC 2308 §5: the name does not exist for any type.
    let (rcode, records) = hit(&lab, &resolver, "nothing.example.com.", RrType::MX).unwrap();
    assert_eq!(rcode, Rcode::NXDOMAIN);
    assert_eq!(records, ["example.com. 300 SOA ns. host. 1 7200 3600 604800 300"]);
    // RFC 8020: nor does anything below it.
    let found = ask(&lab, &resolver, "below.nothing.example.com.", RrType::A);
    assert_eq!((found.rcode, found.queries), (Rcode::NXDOMAIN, 0));
    let found = ask(&lab, &resolver, "www.example.com.", RrType::MX);
    assert_eq!(found.rcode, Rcode::NOERROR);
    assert!(found.answer.is_empty());
    assert_eq!(hit(&lab, &resolver, "www.example.com.", RrType::MX).unwrap().0, Rcode::NOERROR);
    assert_eq!(hit(&lab, &resolver, "www.example.com.", RrType::TXT), None);
    lab.pass(300);
    assert_eq!(hit(&lab, &resolver, "nothing.example.com.", RrType::A), None);
    assert_eq!(hit(&lab, &resolver, "www.example.com.", RrType::MX), None);
}

#[test]
fn an_alias_to_nowhere_is_an_nxdomain_with_its_alias() {
    let lab = world();
    let resolver = resolver(&lab);
    let found = ask(&lab, &resolver, "gone.example.com.", RrType::A);
    assert_eq!(found.rcode, Rcode::NXDOMAIN);
    assert_eq!(shown(&found.answer), ["gone.example.com. 200 IN CNAME missing.example.net."]);
    let (rcode, records) = hit(&lab, &resolver, "gone.example.com.", RrType::A).unwrap();
    assert_eq!((rcode, records.len()), (Rcode::NXDOMAIN, 2));
}

#[test]
fn a_delegation_without_glue_has_its_server_looked_up() {
    let lab = world();
    let resolver = resolver(&lab);
    let found = ask(&lab, &resolver, "www.alias.com.", RrType::AAAA);
    assert_eq!(shown(&found.answer), ["www.alias.com. 60 IN AAAA 2001:db8::1"]);
    let wait = found.steps.iter().find(|step| step.reason.slug() == "addresses-found").unwrap();
    assert!(found.steps.iter().any(|step| step.parent == Some(wait.id) && step.parallel));
    assert_eq!(wait.took, 30 * MILLISECOND);
}

#[test]
fn empty_non_terminals_do_not_stop_a_shortened_question() {
    let lab = world();
    let resolver = resolver(&lab);
    let found = ask(&lab, &resolver, "a.b.c.d.example.com.", RrType::A);
    assert_eq!(shown(&found.answer), ["a.b.c.d.example.com. 300 IN A 203.0.113.9"]);
    assert_eq!(
        lab.questions("192.0.2.1"),
        ["d.example.com. A", "c.d.example.com. A", "b.c.d.example.com. A", "a.b.c.d.example.com. A"]
    );
    // What is known to be no cut is not asked again.
    let found = ask(&lab, &resolver, "x.b.c.d.example.com.", RrType::A);
    assert_eq!((found.rcode, found.queries), (Rcode::NXDOMAIN, 1));
}

#[test]
fn an_alias_loop_ends() {
    let lab = world();
    let resolver = resolver(&lab);
    let found = ask(&lab, &resolver, "loop1.example.com.", RrType::A);
    assert_eq!(found.rcode, Rcode::SERVFAIL);
    assert!(lab.total() <= 6, "{}", lab.total());
}

#[test]
fn a_dname_is_followed_and_its_alias_made_here() {
    let lab = delegating(COM, NET);
    lab.host("192.0.2.1", says("aa", "old.example.com. 3600 DNAME new.example.com.", "", ""));
    let answer = lines("host.new.example.com. 60 A 203.0.113.7");
    let dname = lines("old.example.com. 3600 DNAME new.example.com.");
    lab.host(
        "192.0.2.1",
        std::rc::Rc::new(move |asked| {
            let old = asked.name.to_string().ends_with("old.example.com.");
            Says::Reply(say(asked, "aa", [if old { &dname } else { &answer }, &[], &[]]))
        }),
    );
    let resolver = resolver(&lab);
    let found = ask(&lab, &resolver, "host.old.example.com.", RrType::A);
    assert_eq!(
        shown(&found.answer),
        [
            "old.example.com. 3600 IN DNAME new.example.com.",
            "host.old.example.com. 3600 IN CNAME host.new.example.com.",
            "host.new.example.com. 60 IN A 203.0.113.7"
        ]
    );
    let before = lab.total();
    let found = ask(&lab, &resolver, "host.old.example.com.", RrType::A);
    assert_eq!((found.answer.len(), lab.total()), (3, before));
}

#[test]
fn identical_questions_share_one_resolution() {
    let lab = world();
    let resolver = resolver(&lab);
    let ask = || resolver.resolve(question("www.example.com.", RrType::A), Trace::start(lab.now(), 400));
    let mut both: Vec<_> = (0..100).map(|_| Some(Box::pin(ask()))).collect();
    let mut results = Vec::new();
    // The first to ask loses interest on the way.
    let mut polls = 0;
    lab.run(std::future::poll_fn(|context| {
        polls += 1;
        if polls == 3 {
            both[0] = None;
        }
        for slot in &mut both {
            if let Some(future) = slot
                && let std::task::Poll::Ready(found) = future.as_mut().poll(context)
            {
                results.push(found);
                *slot = None;
            }
        }
        if both.iter().all(Option::is_none) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    }));
    assert_eq!(results.len(), 99);
    assert!(results.iter().all(|found| found.answer.len() == 1 && found.took == 40 * MILLISECOND));
    for found in &results {
        let alone = found.steps.iter().filter(|step| !step.parallel);
        assert_eq!(alone.map(|step| step.took).sum::<Micros>(), found.took);
    }
    assert!(results.iter().any(|found| slugs(found).contains(&"joined")));
    assert_eq!(lab.asked("192.0.2.1"), 1);
    assert_eq!(resolver.in_flight(), 0);
}

#[test]
fn forwarded_names_go_to_their_forwarder() {
    let lab = world();
    lab.host("10.0.0.53", says("ra", "host.corp. 30 A 10.1.1.1", "", ""));
    let mut config = config();
    config.forwards.push(Forward::new("corp.".parse().unwrap(), vec!["10.0.0.53:53".parse().unwrap()]));
    let resolver = resolver_with(&lab, config);
    let found = ask(&lab, &resolver, "host.corp.", RrType::A);
    assert_eq!(shown(&found.answer), ["host.corp. 30 IN A 10.1.1.1"]);
    assert!(lab.log.borrow().iter().all(|asked| asked.recursion_desired));
    assert_eq!(lab.total(), 1);
}

#[test]
fn reserved_names_are_answered_here() {
    let lab = world();
    let resolver = resolver(&lab);
    let found = ask(&lab, &resolver, "db.localhost.", RrType::A);
    assert_eq!(shown(&found.answer), ["db.localhost. 10800 IN A 127.0.0.1"]);
    assert_eq!(ask(&lab, &resolver, "x.invalid.", RrType::A).rcode, Rcode::NXDOMAIN);
    assert_eq!(ask(&lab, &resolver, "1.0.0.127.in-addr.arpa.", RrType::PTR).answer.len(), 1);
    assert_eq!(lab.total(), 0);
}

#[test]
fn ds_is_asked_at_the_parent() {
    let lab = world();
    let resolver = resolver(&lab);
    ask(&lab, &resolver, "www.example.com.", RrType::A);
    let before = lab.asked("192.0.2.1");
    let found = ask(&lab, &resolver, "example.com.", RrType::DS);
    assert_eq!((found.rcode, found.answer.len()), (Rcode::NOERROR, 0));
    assert_eq!(lab.asked("192.0.2.1"), before);
    assert_eq!(lab.questions("192.5.6.30").last().unwrap(), "example.com. DS");
}

#[test]
fn types_that_are_no_data_are_refused() {
    let lab = world();
    let resolver = resolver(&lab);
    let found = ask(&lab, &resolver, "example.com.", RrType::AXFR);
    assert_eq!((found.rcode, found.ede[0].0), (Rcode::NOTIMP, Ede::INVALID_QUERY_TYPE));
    assert_eq!(lab.total(), 0);
}

#[test]
fn without_hints_it_says_so() {
    let lab = Lab::new();
    let resolver = resolver_with(&lab, ResolverConfig::default());
    let found = ask(&lab, &resolver, "example.com.", RrType::A);
    assert_eq!((found.rcode, found.ede[0].0), (Rcode::SERVFAIL, Ede::NOT_READY));
    // An alias may lead from a forwarder to where a server that only caches looks nothing up.
    let resolver = resolver_with(&lab, ResolverConfig { cache_only: true, ..ResolverConfig::default() });
    let found = ask(&lab, &resolver, "example.com.", RrType::A);
    assert_eq!((found.rcode, found.ede[0].0), (Rcode::SERVFAIL, Ede::NOT_AUTHORITATIVE));
    assert!(found.ede[0].1.starts_with("cache_only"), "{:?}", found.ede);
}

/// RFC 4035 §3.1.3.3: a validator behind us needs the proof that no closer name exists.
#[test]
fn what_proves_a_wildcards_answer_comes_along() {
    let lab = delegating(COM, NET);
    let rrsig = |covered: &str, labels: u8| {
        format!("RRSIG {covered} 13 {labels} 300 20300101000000 20200101000000 1 example.com. AAAA")
    };
    let answer = format!("any.example.com. 300 A 203.0.113.5\n any.example.com. 300 {}", rrsig("A", 2));
    let authority = format!(
        "example.com. 300 NSEC www.example.com. A NS\n example.com. 300 {}
         example.com. 300 NS ns1.example.com.\n example.com. 300 {}",
        rrsig("NSEC", 2),
        rrsig("NS", 2)
    );
    lab.host("192.0.2.1", says("aa", &answer, &authority, ""));
    let resolver = resolver(&lab);
    let secure = ClientQuestion { dnssec_ok: true, ..question("any.example.com.", RrType::A) };
    let found = lab.run(resolver.resolve(secure, Trace::start(lab.now(), 400)));
    let types = |sets: &[nw_wire::rrset::Rrset]| sets.iter().map(|set| set.rtype).collect::<Vec<_>>();
    assert_eq!(types(&found.answer), [RrType::A, RrType::RRSIG]);
    assert_eq!(types(&found.authority), [RrType::NSEC, RrType::RRSIG]);
    assert_eq!(found.authority[1].rdatas.len(), 1, "the signature over NS is none of the proof");
    // Those who do not ask for proofs get none, and their answer is kept, too.
    let plain = ask(&lab, &resolver, "any.example.com.", RrType::A);
    assert_eq!((types(&plain.answer), types(&plain.authority)), (vec![RrType::A], vec![]));
    let kept = hit(&lab, &resolver, "any.example.com.", RrType::A);
    assert_eq!(kept, Some((Rcode::NOERROR, vec!["any.example.com. 300 A 203.0.113.5".to_owned()])));
}

/// What may stand beside an alias is asked of the alias itself, and the alias is an answer to ANY (RFC 1034 §3.6.2,
/// RFC 4035 §2.5): with the alias in the cache as without.
#[test]
fn an_alias_in_the_cache_is_not_followed_for_what_stands_beside_it() {
    for cached in [false, true] {
        let lab = example(zone(
            "example.com.",
            "www.example.com. 300 CNAME web.example.com.
                 www.example.com. 300 NSEC x.example.com. CNAME NSEC
                 web.example.com. 300 A 203.0.113.1
                 web.example.com. 300 NSEC www.example.com. A NSEC",
        ));
        let resolver = resolver(&lab);
        if cached {
            ask(&lab, &resolver, "www.example.com.", RrType::A);
        }
        let nsec = ask(&lab, &resolver, "www.example.com.", RrType::NSEC);
        assert_eq!(shown(&nsec.answer), ["www.example.com. 300 IN NSEC x.example.com. CNAME NSEC"]);
        if cached {
            let any = ask(&lab, &resolver, "www.example.com.", RrType::ANY);
            assert_eq!(shown(&any.answer), ["www.example.com. 300 IN CNAME web.example.com."]);
        }
    }
}
