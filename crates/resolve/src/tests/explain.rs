//! The explanation says what happened, in order, with times that add up.

use nw_wire::code::{Class, Ede, Rcode, RrType};
use nw_wire::{Name, Rrset};

use super::lab::*;
use crate::trace::{Action, Dns64, Draft, Layer, ListRule, NothingMade, Route};
use crate::*;

#[test]
fn explain_names_every_step_of_a_path_with_faults() {
    let lab = delegating(
        "example.com. 172800 NS ns1.example.com.
         example.com. 172800 NS ns2.example.com.
         ns1.example.com. 172800 A 192.0.2.1
         ns2.example.com. 172800 A 192.0.2.2",
        "example.net. 172800 NS ns1.example.net.
         ns1.example.net. 172800 A 192.0.2.3",
    );
    lab.host_at("192.0.2.1", MILLISECOND, says("REFUSED", "", "", ""));
    lab.host_at(
        "192.0.2.2",
        25 * MILLISECOND,
        zone("example.com.", "www.example.com. 300 CNAME www.example.net."),
    );
    let net = zone("example.net.", "www.example.net. 60 A 203.0.113.3");
    let first = std::cell::Cell::new(true);
    lab.host(
        "192.0.2.3",
        std::rc::Rc::new(move |asked| if first.replace(false) { Says::Silence } else { net(asked) }),
    );
    let resolver = resolver(&lab);
    // The lame server is tried first when it is known to be quick.
    resolver.cache().servers().replied("192.0.2.1:53".parse().unwrap(), 1000, true, lab.now());
    let found = ask(&lab, &resolver, "www.example.com.", RrType::A);
    let texts: Vec<String> = found.steps.iter().map(|step| step.text()).collect();
    assert_eq!(
        texts,
        [
            "www.example.com. A: not in the cache and in no local zone; no forwarder is configured",
            ". NS: 1 root server known",
            "a.root-servers.net (198.41.0.4) (for .) asked . NS: answer, 1 record",
            "a.root-servers.net (198.41.0.4) (for .) asked com. A: referral to com., 1 name server, 1 with address",
            "a.gtld-servers.net (192.5.6.30) (for com.) asked example.com. A: referral to example.com., 2 name servers, 2 with address",
            "ns1.example.com (192.0.2.1) (for example.com.) asked www.example.com. A: lame: no server of this zone (refused)",
            "ns2.example.com (192.0.2.2) (for example.com.) asked www.example.com. A: alias for www.example.net.",
            "www.example.net. A: not in the cache and in no local zone; no forwarder is configured",
            "a.root-servers.net (198.41.0.4) (for .) asked net. A: referral to net., 1 name server, 1 with address",
            "b.gtld-servers.net (192.5.6.31) (for net.) asked example.net. A: referral to example.net., 1 name server, 1 with address",
            "ns1.example.net (192.0.2.3) (for example.net.) asked www.example.net. A: timeout: no reply",
            "ns1.example.net (192.0.2.3) (for example.net.) asked www.example.net. A: answer, 1 record",
            "www.example.com. A: resolved: NOERROR",
        ]
    );
    // Every step begins where the one before it ended.
    let mut at = 0;
    for step in found.steps.iter().filter(|step| !step.parallel) {
        assert_eq!(step.at, at);
        at += step.took;
    }
    assert_eq!(at, found.took);
}

#[test]
fn a_full_explanation_still_ends() {
    let lab = delegating("", "");
    let resolver = resolver(&lab);
    let found =
        lab.run(resolver.resolve(question("www.example.com.", RrType::A), Trace::start(lab.now(), 2)));
    assert_eq!(slugs(&found), ["not-cached", "primed", "resolved"]);
    assert_eq!(found.steps.iter().map(|step| step.took).sum::<Micros>(), found.took);
}

#[test]
fn the_document_is_as_published() {
    let lab = delegating("", "");
    let resolver = resolver(&lab);
    let asked = question("a\"b.com.", RrType::TXT);
    let found = lab.run(resolver.resolve(asked.clone(), Trace::start(lab.now(), 400)));
    let json = explain::document(&asked, 1_785_664_800, &found);
    assert!(json.starts_with(
        "{\"schema\":\"namewise.explain/1\",\"question\":{\"name\":\"a\\\\\\\"b.com.\",\"type\":\"TXT\",\"class\":\"IN\"},\
         \"started\":\"2026-08-02T10:00:00Z\",\"diagnosis\":null,\"verdict\":\"a\\\\\\\"b.com. TXT: the name does not exist; answered in \
         30.0 ms; 20.0 ms of it went to a.root-servers.net (198.41.0.4) (answer, 1 record)\",\"total_us\":30000,\
         \"result\":{\"rcode\":\"NXDOMAIN\",\"ede\":[],\"answer\":[]},\"steps\":[{\"id\":1,\"parent\":null,\"layer\":\"cache\","
    ), "{json}");
    assert!(json.contains(
        "{\"id\":4,\"parent\":null,\"layer\":\"delegation\",\"action\":\"ask\",\"name\":\"com.\",\"type\":\"A\",\"zone\":\".\",\
         \"server\":\"198.41.0.4:53\",\"server_name\":\"a.root-servers.net.\",\"transport\":\"udp\",\"at_us\":10000,\"took_us\":10000,\"parallel\":false,\
         \"cache\":null,\"validation\":null,\"ede\":[],\"reason\":\"referral\",\
         \"text\":\"a.root-servers.net (198.41.0.4) (for .) asked com. A: referral to com., 1 name server, 1 with address\",\"basis\":\"reported\"}"
    ), "{json}");
}

#[test]
fn the_verdict_names_the_outcome_and_what_cost_the_time() {
    let lab = delegating(
        "example.com. 300 NS ns1.example.com.\nns1.example.com. 300 A 192.0.2.1
         dead.com. 300 NS ns.dead.com.\nns.dead.com. 300 A 192.0.2.9",
        "",
    );
    lab.host_at(
        "192.0.2.1",
        300 * MILLISECOND,
        zone(
            "example.com.",
            "www.example.com. 300 A 203.0.113.1
        alias.example.com. 300 CNAME www.example.com.\ndangling.example.com. 300 CNAME no.example.com.",
        ),
    );
    lab.host("192.0.2.9", silent());
    let resolver = resolver(&lab);
    let verdict = |name: &str, rtype| {
        let found = ask(&lab, &resolver, name, rtype);
        let texts: Vec<String> = found.steps.iter().map(|step| step.text()).collect();
        (explain::verdict(&question(name, rtype), &found), texts)
    };
    let (found, texts) = verdict("www.example.com.", RrType::A);
    let start = "www.example.com. A is answered with 1 record in 3";
    let end = "; 300.0 ms of it went to ns1.example.com (192.0.2.1) (answer, 1 record)";
    assert!(found.starts_with(start) && found.ends_with(end), "{found}");
    assert!(
        texts.iter().any(|text| text.starts_with("ns1.example.com (192.0.2.1) (for example.com.)")),
        "{texts:?}"
    );
    let (found, _) = verdict("www.dead.com.", RrType::A);
    assert!(found.starts_with("www.dead.com. A failed with SERVFAIL after "), "{found}");
    assert!(found.contains(": no server of dead.com. gave a usable reply; "), "{found}");
    assert!(found.ends_with(" of it went to ns.dead.com (192.0.2.9) (timeout: no reply)"), "{found}");
    let (found, _) = verdict("www.dead.com.", RrType::A);
    assert!(found.contains("it failed 0 s ago and is tried again in 5 s: no server of dead.com."), "{found}");
    let (found, _) = verdict("www.example.com.", RrType::MX);
    assert!(found.starts_with("www.example.com. has no MX record; answered in "), "{found}");
    let (found, _) = verdict("no.example.com.", RrType::A);
    assert!(found.starts_with("no.example.com. A: the name does not exist; answered in "), "{found}");
    let (found, _) = verdict("alias.example.com.", RrType::MX);
    let start = "alias.example.com. is an alias of www.example.com., which has no MX record; answered in ";
    assert!(found.starts_with(start), "{found}");
    let (found, _) = verdict("dangling.example.com.", RrType::A);
    let start =
        "dangling.example.com. A: it is an alias of no.example.com., which does not exist; answered in ";
    assert!(found.starts_with(start), "{found}");
    let mut found = Resolution::empty(Rcode::NOERROR);
    for (owner, target) in [("a.example.com.", "b.example.com."), ("b.example.com.", "a.example.com.")] {
        let [owner, target] = [owner, target].map(|name| name.parse::<Name>().expect("a name"));
        let mut alias = Rrset::new(owner, RrType::CNAME, Class::IN, 60);
        alias.rdatas.push(target.as_ref().wire());
        found.answer.push(alias);
    }
    assert_eq!(
        explain::verdict(&question("a.example.com.", RrType::A), &found),
        "a.example.com. A: alias loop: a.example.com. -> b.example.com. -> a.example.com.; answered in 0.0 ms"
    );
}

/// The times of the steps add up to the whole also when the clock was last read before the question arrived.
#[test]
fn times_add_up_when_the_first_step_ends_before_the_question_arrived() {
    let trace = Trace::start(100, 10);
    let step = || Draft::new(Layer::Cache, Action::Lookup, Name::root(), RrType::A, not_cached());
    for now in [99, 103] {
        trace.step(now, step());
    }
    assert_eq!(trace.steps().iter().map(|step| step.took).sum::<Micros>(), 3);
}

#[test]
fn the_diagnosis_begins_with_the_cause() {
    let lab = delegating(
        "example.com. 300 NS ns1.example.com.\nns1.example.com. 300 A 192.0.2.1
         example.com. 300 NS ns2.example.com.\nns2.example.com. 300 A 192.0.2.2
         example.com. 300 NS ns3.example.com.\nns3.example.com. 300 A 192.0.2.3
         dead.com. 300 NS ns.dead.com.\nns.dead.com. 300 A 192.0.2.9
         far.com. 300 NS ns.far.com.\nns.far.com. 300 A 192.0.2.8",
        "",
    );
    let data = "www.example.com. 300 A 203.0.113.1\nmail.example.com. 300 A 203.0.113.2";
    lab.host("192.0.2.1", silent());
    lab.host("192.0.2.2", says("REFUSED", "", "", ""));
    lab.host_at("192.0.2.3", 10 * MILLISECOND, zone("example.com.", data));
    lab.host("192.0.2.9", silent());
    lab.host_at("192.0.2.8", 300 * MILLISECOND, zone("far.com.", "www.far.com. 300 A 203.0.113.3"));
    let resolver = resolver(&lab);
    // The silent server and the lame one are tried first when they are known to be quick.
    for server in ["192.0.2.1:53", "192.0.2.2:53"] {
        resolver.cache().servers().replied(server.parse().unwrap(), 1000, true, lab.now());
    }
    let diagnosed = |name: &str| diagnosis(&ask(&lab, &resolver, name, RrType::A));
    let slow = diagnosed("www.example.com.").expect("a server was silent");
    assert!(slow.starts_with("slow: ns1.example.com (192.0.2.1) did not answer for "), "{slow}");
    assert!(slow.ends_with("; 1 of 3 servers of example.com. is dead, 1 lame"), "{slow}");
    // For a few seconds, servers that reply come first.
    lab.pass(5);
    let later = diagnosed("mail.example.com.").expect("the silent server is asked once more");
    assert!(later.ends_with("; 1 of 2 asked servers of example.com. is dead"), "{later}");
    assert_eq!(diagnosed("mail.example.com."), None, "the cache answers");
    let failed = diagnosed("www.dead.com.").expect("it failed");
    let cause = "failed: no server of dead.com. gave a usable reply; 1 of 1 server of dead.com. is dead";
    assert_eq!(failed, cause);
    let kept = diagnosed("www.dead.com.").expect("it failed a moment ago");
    assert!(kept.starts_with("failed: it failed 0 s ago and is tried again in 5 s: "), "{kept}");
    let far = diagnosed("www.far.com.").expect("it took long");
    assert!(far.starts_with("slow: ns.far.com (192.0.2.8) took 300.0 ms of 3"), "{far}");
}

#[test]
fn a_stale_answer_says_so_first_with_its_cause() {
    let delegation = "example.com. 300 NS ns.example.com.\nns.example.com. 300 A 192.0.2.1";
    let lab = delegating(delegation, "");
    lab.host("192.0.2.1", zone("example.com.", "www.example.com. 60 A 203.0.113.1"));
    let resolver = resolver(&lab);
    let diagnosed = || diagnosis(&ask(&lab, &resolver, "www.example.com.", RrType::A));
    assert_eq!(diagnosed(), None);
    lab.host("192.0.2.1", silent());
    lab.pass(90);
    let stale = diagnosed().expect("the answer has expired");
    assert!(stale.starts_with("stale: the answer expired 3"), "{stale}");
    assert!(stale.contains("example.com."), "{stale}");
}

#[test]
fn the_rule_of_a_list_is_the_diagnosis_unless_it_changes_nothing() {
    let rule = |action, log_only, passes, dropped| {
        let (list, trigger, owner) = ("ads".to_owned(), "the name x.".to_owned(), "x.".to_owned());
        let rule = Box::new(ListRule { list, trigger, owner, action, log_only, passes });
        explained_by([Some(Reason::ListRule(rule)), dropped])
    };
    let said = "blocked: x. by the rule of list ads for the name x. (nxdomain)";
    assert_eq!(rule("nxdomain", false, false, None).0.as_deref(), Some(said));
    assert_eq!(rule("nxdomain", true, false, None).0, None);
    assert_eq!(rule("passthru", false, true, None).0, None);
    let said =
        "truncated: x. by the rule of list ads for the name x. (tcp-only): the client has to ask over TCP";
    let (diagnosis, document) = rule("tcp-only", false, false, None);
    assert_eq!(diagnosis.as_deref(), Some(said));
    assert!(document.contains("x. A: the response over UDP is truncated (TC)"), "{document}");
    assert_eq!(rule("tcp-only", false, true, None).0, None);
    let said = "blocked: x. by the rule of list ads for the name x. (drop): no response is sent";
    let (diagnosis, document) = rule("drop", false, false, Some(Reason::NoResponse));
    assert_eq!(diagnosis.as_deref(), Some(said));
    assert!(document.contains("\"result\":{\"rcode\":null,"), "{document}");
    assert!(document.contains("x. A: the client gets no response"), "{document}");
}

#[test]
fn local_data_that_denies_is_the_diagnosis() {
    let local = Reason::LocalData { source: "nw.toml:3".to_owned(), blocks: true };
    let said = "blocked: x. by local data: nw.toml:3: no response is sent";
    assert_eq!(explained_by([Some(local), Some(Reason::NoResponse)]).0.as_deref(), Some(said));
}

/// Diagnosis and document of an answer with these steps.
fn explained_by(reasons: [Option<Reason>; 2]) -> (Option<String>, String) {
    let trace = Trace::start(0, 10);
    for reason in reasons.into_iter().flatten() {
        trace.step(0, Draft::new(Layer::Filter, Action::Lookup, "x.".parse().unwrap(), RrType::A, reason));
    }
    let resolution = Resolution { steps: trace.steps().into(), ..Resolution::empty(Rcode::NOERROR) };
    let question = ClientQuestion::new("x.".parse().unwrap(), RrType::A);
    (diagnosis(&resolution), crate::explain::document(&question, 0, &resolution))
}

/// Steps that say what applies to the client or the name are no cause of a failure, wherever they stand.
#[test]
fn circumstances_are_never_the_cause() {
    let failed = |reasons: &[Reason], ede: &[(Ede, String)]| {
        let trace = Trace::start(0, 10);
        for reason in reasons {
            let draft =
                Draft::new(Layer::View, Action::Lookup, "x.".parse().unwrap(), RrType::A, reason.clone());
            trace.step(0, draft);
        }
        let empty = Resolution::empty(Rcode::SERVFAIL);
        let resolution = Resolution { steps: trace.steps().into(), ede: ede.to_vec(), ..empty };
        let question = ClientQuestion::new("x.".parse().unwrap(), RrType::A);
        (diagnosis(&resolution).unwrap(), crate::explain::verdict(&question, &resolution))
    };
    let (list, trigger, owner) = ("ads".to_owned(), "x.".to_owned(), "x.".to_owned());
    let rule = ListRule { list, trigger, owner, action: "nxdomain", log_only: true, passes: false };
    let circumstances = [
        Reason::InView { name: "in".to_owned() },
        Reason::ListRule(Box::new(rule)),
        Reason::TunnelSuspected { features: "x.".to_owned(), action: "log", refused: false },
        Reason::TunnelSuspected { features: "x.".to_owned(), action: "block", refused: false },
        Reason::LocalData { source: "nw.toml:3".to_owned(), blocks: false },
        Reason::Filtered { filter: "dns64", effect: "looks up more" },
        Reason::Dns64(Box::new(Dns64::Nothing(NothingMade::NoAnswer(Rcode::SERVFAIL)))),
        not_cached(),
    ];
    let zone: Name = "x.".parse().unwrap();
    let cause = Reason::NoReachableAuthority { zone, forwarded: false };
    for circumstance in circumstances {
        let (first, verdict) =
            failed(std::slice::from_ref(&circumstance), &[(Ede::OTHER, "a text".to_owned())]);
        assert_eq!(first, "failed: a text");
        assert_eq!(verdict, "x. A failed with SERVFAIL after 0.0 ms");
        for order in [[&circumstance, &cause], [&cause, &circumstance]] {
            let (first, verdict) = failed(&order.map(Clone::clone), &[]);
            assert_eq!(first, format!("failed: {cause}"));
            assert_eq!(verdict, format!("x. A failed with SERVFAIL after 0.0 ms: {cause}"));
        }
    }
}

/// A client that joined a lookup sees why that one failed.
#[test]
fn a_joined_failure_has_the_cause_of_the_first() {
    let lab = delegating("dead.com. 300 NS ns.dead.com.\nns.dead.com. 300 A 192.0.2.9", "");
    lab.host("192.0.2.9", silent());
    let first = ask(&lab, &resolver(&lab), "www.dead.com.", RrType::A);
    let question = ClientQuestion::new("www.dead.com.".parse().unwrap(), RrType::A);
    let joined = first.joined(&question, 0, lab.now(), 100);
    let text = diagnosis(&joined).expect("it failed");
    assert!(text.starts_with("failed: no server of dead.com. gave a usable reply; "), "{text}");
}

/// Forwarders are no servers of the zone whose names they resolve.
#[test]
fn forwarders_are_counted_apart() {
    let lab = delegating("example.com. 300 NS ns.example.com.\nns.example.com. 300 A 192.0.2.1", "");
    lab.host("192.0.2.1", zone("example.com.", "www.example.com. 60 A 203.0.113.1"));
    lab.host("192.0.2.7", silent());
    let servers = vec!["192.0.2.7:53".parse().unwrap()];
    let forward = Forward { fallback: true, ..Forward::new("example.com.".parse().unwrap(), servers) };
    let resolver = resolver_with(&lab, ResolverConfig { forwards: vec![forward], ..config() });
    let found = ask(&lab, &resolver, "www.example.com.", RrType::A);
    assert_eq!(found.rcode, Rcode::NOERROR);
    let text = diagnosis(&found).expect("the forwarder is silent");
    assert!(text.ends_with("; 1 of 1 asked forwarder for example.com. is dead"), "{text}");
}

#[test]
fn a_refusal_is_its_own_diagnosis() {
    let trace = Trace::start(0, 10);
    let reason =
        Reason::NotServed { ede: nw_wire::Ede::PROHIBITED, why: crate::trace::NotServed::OtherClient };
    trace.step(0, Draft::new(Layer::Admission, Action::Lookup, Name::root(), RrType::A, reason));
    let refused = Resolution { steps: trace.steps().into(), ..Resolution::empty(Rcode::REFUSED) };
    let text = diagnosis(&refused).expect("a refusal");
    assert!(text.starts_with("refused: the name is in no zone of this server"), "{text}");
}

fn not_cached() -> Reason {
    Reason::NotCached { route: Route::Root { forwards: false } }
}
