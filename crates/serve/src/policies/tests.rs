use std::sync::Arc;

use nw_cache::{Cache, Rank};
use nw_policy::rpz;
use nw_policy::rules::{ListSettings, Policies, PolicyList};
use nw_resolve::{Resolution, Validation};
use nw_wire::edns::EdnsOption;
use nw_wire::{Flags, Message};

use super::*;
use crate::pipeline;
use crate::snapshot::Snapshot;
use crate::stats::Stats;
use crate::testing::{cache, environment, loopback, name, question, snapshot, zone};
use crate::verdict::{Handled, Pending};

const PLAN: &str = r#"{"version":1,"acls":{"recursion":["0.0.0.0/0"]},
    "resolver":{"hints":[{"name":"a.root-servers.net.","addresses":["198.41.0.4"]}]},ZONES}"#;

fn settings(name: &str) -> ListSettings {
    ListSettings {
        name: name.to_owned(),
        action: None,
        log_only: false,
        break_dnssec: true,
        servers: nw_policy::rules::ServerRules::default(),
        ede: None,
        text: String::new(),
        groups: 0,
    }
}

fn serve(lists: Vec<(ListSettings, &str)>) -> Arc<Snapshot> {
    serve_with(PLAN, lists)
}

fn serve_with(plan: &str, lists: Vec<(ListSettings, &str)>) -> Arc<Snapshot> {
    let list = |(settings, rules): (ListSettings, &str)| {
        let text = format!("$TTL 60\n@ SOA . . 1 2 3 4 5\n@ NS .\n{rules}");
        let rules = rpz::read(&zone("rpz.test.", &text)).into_rules(1).expect("few names");
        Arc::new(PolicyList::new(settings, Arc::new(rules)))
    };
    let policies = Policies::new(lists.into_iter().map(list).collect(), Vec::new(), false);
    let artifact = Arc::new(policies) as crate::Artifact;
    Arc::new(snapshot(plan).with_artifacts([(ARTIFACT.to_owned(), Some(artifact))]))
}

/// What a client sees: rcode, answer as text, octets of the additional section, extended errors.
#[derive(Debug)]
struct Seen {
    rcode: Rcode,
    flags: Flags,
    answer: Vec<String>,
    additional: Vec<RrType>,
    ede: Vec<(Ede, String)>,
}

fn seen(wire: &[u8]) -> Seen {
    let message = Message::parse(wire).expect("what we send is valid");
    let sections = Sections::of_message(&message);
    let mut ede = Vec::new();
    for option in message.opt().iter().flat_map(|opt| opt.options()).flatten() {
        if let EdnsOption::Ede { code, text } = option {
            ede.push((code, String::from_utf8_lossy(text).into_owned()));
        }
    }
    Seen {
        rcode: message.rcode(),
        flags: message.flags(),
        answer: sections.answer.iter().map(|set| set.to_string().replace('\t', " ")).collect(),
        additional: sections.additional.iter().map(|set| set.rtype).collect(),
        ede,
    }
}

fn handle(snapshot: &Arc<Snapshot>, cache: &Cache, qname: &str, qtype: RrType, via: Transport) -> Handled {
    let stats = Stats::default();
    let environment = crate::Environment { cache: Some(cache), ..environment(snapshot, &stats) };
    let mut room = vec![0; 65_535];
    let handled = pipeline::handle(
        &environment,
        &question(qname, qtype, Class::IN, Some(1232)),
        loopback(),
        via,
        &mut room,
    );
    if let Handled::Reply(length) = handled {
        REPLY.with_borrow_mut(|reply| *reply = room[..length].to_vec());
    }
    handled
}

thread_local! {
    static REPLY: std::cell::RefCell<Vec<u8>> = const { std::cell::RefCell::new(Vec::new()) };
}

fn ask(snapshot: &Arc<Snapshot>, cache: &Cache, qname: &str, qtype: RrType) -> Seen {
    let handled = handle(snapshot, cache, qname, qtype, Transport::Udp);
    assert!(matches!(handled, Handled::Reply(_)), "{qname}: {handled:?}");
    REPLY.with_borrow(|reply| seen(reply))
}

fn late(snapshot: &Arc<Snapshot>, pending: Box<Pending>, found: Resolution) -> Seen {
    let stats = Stats::default();
    let mut room = vec![0; 65_535];
    match pipeline::complete(&environment(snapshot, &stats), pending, &[found], &mut room) {
        Handled::Reply(length) => seen(&room[..length]),
        other => panic!("{other:?}"),
    }
}

fn put(cache: &Cache, owner: &str, rtype: RrType, rdata: &[u8]) {
    let mut set = Rrset::new(name(owner), rtype, Class::IN, 60);
    set.rdatas.push(rdata);
    cache.put_rrset(&set, None, Rank::Authoritative, 0);
}

#[test]
fn each_action_changes_a_cached_answer_and_says_so() {
    let cached = "cached.example.net";
    for (data, rcode, answer, additional, ede) in [
        ("CNAME .", Rcode::NXDOMAIN, "", vec![RrType::SOA], Ede::BLOCKED),
        ("CNAME *.", Rcode::NOERROR, "", vec![RrType::SOA], Ede::BLOCKED),
        (
            "A 192.0.2.77",
            Rcode::NOERROR,
            "cached.example.net. 60 IN A 192.0.2.77",
            vec![],
            Ede::FORGED_ANSWER,
        ),
        ("TXT x", Rcode::NOERROR, "", vec![RrType::SOA], Ede::FORGED_ANSWER),
    ] {
        let snapshot = serve(vec![(settings("z"), &format!("{cached} {data}\n"))]);
        let seen = ask(&snapshot, &cache(), &format!("{cached}."), RrType::A);
        assert_eq!((seen.rcode, seen.answer.join("")), (rcode, answer.to_owned()), "{data}");
        assert_eq!(seen.additional, additional, "{data}");
        assert_eq!(seen.ede, [(ede, format!("list z: the name {cached}."))], "{data}");
        assert!(!seen.flags.ad() && !seen.flags.aa());
    }
    let snapshot = serve(vec![(settings("z"), &format!("{cached} CNAME rpz-drop.\n"))]);
    let dropped = handle(&snapshot, &cache(), &format!("{cached}."), RrType::A, Transport::Udp);
    assert!(matches!(dropped, Handled::Drop));
    let snapshot = serve(vec![(settings("z"), &format!("{cached} CNAME rpz-passthru.\n*.net CNAME .\n"))]);
    assert_eq!(ask(&snapshot, &cache(), &format!("{cached}."), RrType::A).answer.len(), 1);
}

#[test]
fn tcp_only_truncates_over_udp() {
    let snapshot = serve(vec![(settings("z"), "cached.example.net CNAME rpz-tcp-only.\n")]);
    let seen = ask(&snapshot, &cache(), "cached.example.net.", RrType::A);
    assert!(seen.flags.tc() && seen.answer.is_empty());
    handle(&snapshot, &cache(), "cached.example.net.", RrType::A, Transport::Tcp);
    let seen = REPLY.with_borrow(|reply| self::seen(reply));
    assert!(!seen.flags.tc() && seen.answer.len() == 1);
}

#[test]
fn every_link_of_a_chain_is_judged() {
    let cache = cache();
    put(&cache, "a.example.net.", RrType::CNAME, name("b.example.net.").as_ref().wire());
    put(&cache, "b.example.net.", RrType::CNAME, name("cached.example.net.").as_ref().wire());
    let found = || {
        let set = |owner: &str, rtype, rdata: &[u8]| {
            let mut set = Rrset::new(name(owner), rtype, Class::IN, 60);
            set.rdatas.push(rdata);
            set
        };
        Resolution {
            answer: vec![
                set("a.example.net.", RrType::CNAME, name("b.example.net.").as_ref().wire()),
                set("b.example.net.", RrType::CNAME, name("cached.example.net.").as_ref().wire()),
                set("cached.example.net.", RrType::A, &[192, 0, 2, 9]),
            ],
            validation: Validation::Secure,
            ..Resolution::empty(Rcode::NOERROR)
        }
    };
    for (rule, kept) in
        [("b.example.net", 1), ("cached.example.net", 2), ("32.9.2.0.192.rpz-ip", 2), ("a.example.net", 0)]
    {
        let snapshot = serve(vec![(settings("z"), &format!("{rule} CNAME .\n"))]);
        let seen = match handle(&snapshot, &cache, "A.example.net.", RrType::A, Transport::Udp) {
            Handled::Later(pending) => late(&snapshot, pending, found()),
            _ => REPLY.with_borrow(|reply| self::seen(reply)),
        };
        assert_eq!((seen.rcode, seen.answer.len()), (Rcode::NXDOMAIN, kept), "{rule}");
    }
}

#[test]
fn hints_and_targets_of_services_are_judged() {
    let mut rdata = vec![0, 1];
    rdata.extend_from_slice(name("svc.example.net.").as_ref().wire());
    rdata.extend_from_slice(&[0, 4, 0, 4, 192, 0, 2, 66]);
    let cache = cache();
    put(&cache, "web.example.net.", RrType::HTTPS, &rdata);
    for rule in ["32.66.2.0.192.rpz-ip", "svc.example.net"] {
        let snapshot = serve(vec![(settings("z"), &format!("{rule} CNAME *.\n"))]);
        let seen = ask(&snapshot, &cache, "web.example.net.", RrType::HTTPS);
        assert!(seen.answer.is_empty() && seen.rcode == Rcode::NOERROR, "{rule}");
    }
}

#[test]
fn a_failure_stays_a_failure() {
    let snapshot = serve(vec![(settings("z"), "32.66.2.0.192.rpz-ip CNAME .\nx.example.net A 192.0.2.1\n")]);
    let Handled::Later(pending) = handle(&snapshot, &cache(), "y.example.net.", RrType::A, Transport::Udp)
    else {
        panic!("a lookup")
    };
    let bogus = Resolution {
        ede: vec![(Ede::DNSSEC_BOGUS, "why".to_owned())],
        validation: Validation::Bogus,
        ..Resolution::empty(Rcode::SERVFAIL)
    };
    let seen = late(&snapshot, pending, bogus);
    assert_eq!((seen.rcode, seen.ede), (Rcode::SERVFAIL, vec![(Ede::DNSSEC_BOGUS, "why".to_owned())]));
}

#[test]
fn an_alias_is_followed_and_its_target_not_judged() {
    let rules = "bad.example.net CNAME garden.example.net.\ngarden.example.net CNAME .\n*.wide.example CNAME *.garden.example.net.\n";
    let snapshot = serve(vec![(settings("z"), rules)]);
    let Handled::Later(pending) = handle(&snapshot, &cache(), "bad.example.net.", RrType::A, Transport::Udp)
    else {
        panic!("a lookup")
    };
    assert_eq!(pending.ask.question.name, name("garden.example.net."));
    let mut set = Rrset::new(name("garden.example.net."), RrType::A, Class::IN, 60);
    set.rdatas.push(&[192, 0, 2, 1]);
    let found =
        Resolution { answer: vec![set], validation: Validation::Secure, ..Resolution::empty(Rcode::NOERROR) };
    let seen = late(&snapshot, pending, found);
    assert_eq!(seen.answer.len(), 2);
    assert!(!seen.flags.ad());
    assert_eq!(seen.ede, [(Ede::FORGED_ANSWER, "list z: the name bad.example.net.".to_owned())]);
    let Handled::Later(pending) = handle(&snapshot, &cache(), "x.wide.example.", RrType::A, Transport::Udp)
    else {
        panic!("a lookup")
    };
    assert_eq!(pending.ask.question.name, name("x.wide.example.garden.example.net."));
    let long = format!("{0}.{0}.{0}.{1}.wide.example.", "a".repeat(63), "b".repeat(45));
    let seen = ask(&snapshot, &cache(), &long, RrType::A);
    assert_eq!((seen.rcode, seen.answer.len()), (Rcode::YXDOMAIN, 0));
    // The target lies in a zone of this server.
    let snapshot = serve(vec![(settings("z"), "bad.example.net CNAME www.example.com.\n")]);
    assert_eq!(ask(&snapshot, &cache(), "bad.example.net.", RrType::A).answer.len(), 2);
}

#[test]
fn zones_of_the_server_are_not_judged_but_aliases_that_leave_them_are() {
    let snapshot = serve(vec![(settings("z"), "*.example.com CNAME .\nwww.example.net CNAME .\n")]);
    assert_eq!(ask(&snapshot, &cache(), "www.example.com.", RrType::A).rcode, Rcode::NOERROR);
    let Handled::Later(pending) = handle(&snapshot, &cache(), "away.example.com.", RrType::A, Transport::Udp)
    else {
        panic!("a lookup")
    };
    let mut set = Rrset::new(name("www.example.net."), RrType::A, Class::IN, 60);
    set.rdatas.push(&[192, 0, 2, 1]);
    let found = Resolution { answer: vec![set], ..Resolution::empty(Rcode::NOERROR) };
    assert_eq!(late(&snapshot, pending, found).rcode, Rcode::NXDOMAIN);
}

#[test]
fn text_code_and_counter_of_a_list() {
    let censored = ListSettings {
        ede: Some(Ede::CENSORED),
        text: "court order 7".to_owned(),
        action: Some(Action::Refused),
        ..settings("law")
    };
    let snapshot = serve(vec![(censored, "cached.example.net A 192.0.2.1\n")]);
    let seen = ask(&snapshot, &cache(), "cached.example.net.", RrType::A);
    assert_eq!((seen.rcode, seen.answer.len()), (Rcode::REFUSED, 0));
    let text = "court order 7 (list law: the name cached.example.net.)";
    assert_eq!(seen.ede, [(Ede::CENSORED, text.to_owned())]);
    assert_eq!(snapshot.policies().expect("a list").lists()[0].hits(), 1);
}

#[test]
fn an_alias_to_the_name_itself_lets_it_pass() {
    let rules = "*.example.net CNAME cached.example.net.\n";
    let snapshot = serve(vec![(settings("z"), rules), (settings("later"), "cached.example.net CNAME .\n")]);
    let seen = ask(&snapshot, &cache(), "cached.example.net.", RrType::A);
    assert_eq!(seen.answer, ["cached.example.net. 60 IN A 192.0.2.9"], "the search ends");
    assert_eq!(seen.ede, []);
    let Handled::Later(pending) =
        handle(&snapshot, &cache(), "other.example.net.", RrType::A, Transport::Udp)
    else {
        panic!("a lookup")
    };
    assert_eq!(pending.ask.question.name, name("cached.example.net."));
    // A list of names with one target for all of them.
    let action = Some(Action::Alias(name("Cached.Example.NET."), 60));
    let snapshot = serve(vec![(ListSettings { action, ..settings("safe") }, "*.example.net CNAME .\n")]);
    assert_eq!(ask(&snapshot, &cache(), "cached.example.net.", RrType::A).answer.len(), 1);
}

const DNS64: &str = r#"{"version":1,"acls":{"recursion":["0.0.0.0/0"]},"dns64":[{"prefix":"64:ff9b:1::/96"}],
    "resolver":{"hints":[{"name":"a.root-servers.net.","addresses":["198.41.0.4"]}]},ZONES}"#;

#[test]
fn dns64_translates_the_addresses_of_rules() {
    let rules = "a.example.net A 192.0.2.77\nboth.example.net A 192.0.2.77\nboth.example.net AAAA 2001:db8::1\n\
                 txt.example.net TXT x\nhere.example.net CNAME ns1.example.com.\n";
    let snapshot = serve_with(DNS64, vec![(settings("z"), rules)]);
    let answer = |name: &str, rtype| ask(&snapshot, &cache(), name, rtype).answer;
    assert_eq!(answer("a.example.net.", RrType::AAAA), ["a.example.net. 60 IN AAAA 64:ff9b:1::c000:24d"]);
    assert_eq!(answer("a.example.net.", RrType::A), ["a.example.net. 60 IN A 192.0.2.77"]);
    assert_eq!(answer("both.example.net.", RrType::AAAA), ["both.example.net. 60 IN AAAA 2001:db8::1"]);
    assert_eq!(answer("txt.example.net.", RrType::AAAA), [""; 0]);
    let here = answer("here.example.net.", RrType::AAAA);
    assert_eq!(here.len(), 2, "the target is in a zone of this server: {here:?}");
    assert_eq!(here[1], "ns1.example.com. 600 IN AAAA 64:ff9b:1::c000:201", "{here:?}");
    let without = serve(vec![(settings("z"), rules)]);
    assert_eq!(ask(&without, &cache(), "a.example.net.", RrType::AAAA).answer, [""; 0]);
}

#[test]
fn dns64_asks_for_the_target_of_an_alias_and_not_for_the_listed_name() {
    let snapshot = serve_with(DNS64, vec![(settings("z"), "bad.example.net CNAME garden.example.net.\n")]);
    let cache = cache();
    put(&cache, "bad.example.net.", RrType::A, &[203, 0, 113, 66]);
    let Handled::Later(pending) = handle(&snapshot, &cache, "bad.example.net.", RrType::AAAA, Transport::Udp)
    else {
        panic!("a lookup")
    };
    let asked: Vec<_> = pending.questions().map(|question| (question.name.clone(), question.rtype)).collect();
    let garden = name("garden.example.net.");
    assert_eq!(asked, [(garden.clone(), RrType::AAAA), (garden.clone(), RrType::A)]);
    let mut set = Rrset::new(garden, RrType::A, Class::IN, 60);
    set.rdatas.push(&[192, 0, 2, 1]);
    let found = [
        Resolution::empty(Rcode::NOERROR),
        Resolution { answer: vec![set], ..Resolution::empty(Rcode::NOERROR) },
    ];
    let stats = Stats::default();
    let mut room = vec![0; 65_535];
    let handled = pipeline::complete(&environment(&snapshot, &stats), pending, &found, &mut room);
    let Handled::Reply(length) = handled else { panic!("{handled:?}") };
    let expected = [
        "bad.example.net. 60 IN CNAME garden.example.net.",
        "garden.example.net. 60 IN AAAA 64:ff9b:1::c000:201",
    ];
    assert_eq!(seen(&room[..length]).answer, expected);
}

#[test]
fn a_query_that_gets_no_response_is_recorded_with_its_rule() {
    let snapshot = serve(vec![(settings("z"), "x.example.net CNAME rpz-drop.\n")]);
    let (stats, recorder) = (Stats::default(), crate::recorder::Recorder::new(Default::default()));
    let environment = crate::Environment { recorder: Some(&recorder), ..environment(&snapshot, &stats) };
    let packet = question("x.example.net.", RrType::A, Class::IN, Some(1232));
    let handled = pipeline::handle(&environment, &packet, loopback(), Transport::Udp, &mut vec![0; 65_535]);
    assert!(matches!(handled, Handled::Drop));
    let records = recorder.by_name(name("x.example.net.").as_ref(), 10);
    let said = records[0].steps.iter().map(|step| step.reason.to_string()).collect::<Vec<_>>();
    assert_eq!(said, ["the list z has a rule for the name x.example.net.: drop", "no response is sent"]);
}
