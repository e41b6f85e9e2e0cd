use std::sync::Arc;

use nw_policy::rules::{ListSettings, Policies, PolicyList, ServerRules};
use nw_wire::{Class, Rrset};

use crate::Artifact;

use super::*;

const SECOND: Micros = 1_000_000;

fn snapshot() -> Snapshot {
    let plan = r#"{"version": 1,
        "zones": [{"name": "served.example."}],
        "resolver": {
            "local": [{"name": "lan.", "records": [{"text": "nas A 192.0.2.7", "source": "namewise.toml:7"}]}],
            "hints": [{"name": "a.root-servers.net.", "addresses": ["198.41.0.4"]}],
            "forward": [
                {"suffix": ".", "servers": ["192.0.2.1"]},
                {"suffix": "corp.", "servers": ["192.0.2.2"], "fallback": true},
                {"suffix": "public.corp.", "servers": []},
                {"suffix": "stub.", "servers": ["192.0.2.3"], "authoritative": true}]}}"#;
    Snapshot::build(plan.as_bytes(), Vec::new()).expect("a plan")
}

/// The source that is taken for *text*, and why.
fn taken(snapshot: &Snapshot, cache: &Cache, text: &str) -> (&'static str, String) {
    let name: Name = text.parse().expect("a name");
    let all = decide(snapshot, cache, name.as_ref(), RrType::A, SECOND);
    let mut taken = all.into_iter().filter(|considered| considered.taken);
    let one = taken.next().expect("something is taken");
    assert_eq!(taken.next(), None, "one source is taken");
    (one.source, one.why)
}

#[test]
fn the_first_source_in_order_is_taken() {
    let (snapshot, cache) = (snapshot(), Cache::new(1 << 20));
    for (name, source, why) in [
        ("www.served.example.", "zones", "served.example. is served here"),
        ("nas.lan.", "local-data", "namewise.toml:7 says what the name has"),
        ("localhost.", "reserved-names", "RFC 6761"),
        ("4.3.2.10.in-addr.arpa.", "local-zones", "10.in-addr.arpa. is a locally served zone"),
        (
            "a.corp.",
            "conditional-forwarders",
            "suffix corp.: 192.0.2.2:53, the root servers if all of them fail",
        ),
        ("a.public.corp.", "root-servers", "the root servers are asked for first"),
        ("a.stub.", "conditional-forwarders", "suffix stub., authoritative: 192.0.2.3:53"),
        ("www.example.com.", "forwarders", "for all names: 192.0.2.1:53"),
    ] {
        let (taken, said) = taken(&snapshot, &cache, name);
        assert_eq!(taken, source, "{name}");
        assert!(said.contains(why), "{name}: {said}");
    }
}

#[test]
fn the_cache_precedes_forwarders() {
    let (snapshot, cache) = (snapshot(), Cache::new(1 << 20));
    let mut rrset = Rrset::new("a.corp.".parse().expect("a name"), RrType::A, Class::IN, 60);
    rrset.rdatas.push(&[192, 0, 2, 80]);
    cache.put_rrset(&rrset, None, nw_cache::Rank::NonAuthoritative, 0);
    let (source, why) = taken(&snapshot, &cache, "a.corp.");
    assert_eq!(source, "cache");
    assert_eq!(why, "the cache holds the answer, 1 s old, for 59 s more");
}

#[test]
fn lists_precede_the_cache() {
    let settings = |name: &str, log_only| ListSettings {
        name: name.to_owned(),
        action: Some(Action::Nxdomain),
        log_only,
        break_dnssec: true,
        servers: ServerRules::default(),
        ede: None,
        text: String::new(),
        groups: 0,
    };
    let rules = |text: &str| {
        Arc::new(
            nw_policy::lists::read(text.as_bytes(), 1)
                .into_rules(&Action::Nxdomain, 60, 1)
                .expect("few names"),
        )
    };
    let lists = vec![
        Arc::new(PolicyList::new(settings("observed", true), rules("ads.example\n"))),
        Arc::new(PolicyList::new(settings("ads", false), rules("ads.example\n"))),
    ];
    let policies: Artifact = Arc::new(Policies::new(lists, Vec::new(), false));
    let snapshot = snapshot().with_artifacts([("policies".to_owned(), Some(policies))]);
    let (source, why) = taken(&snapshot, &Cache::new(1 << 20), "www.ads.example.");
    assert_eq!(source, "lists");
    assert!(why.starts_with("list ads has a rule for"), "{why}");
}

#[test]
fn a_server_without_lookups_says_so() {
    let plan = r#"{"version": 1, "resolver": {"cache_only": true,
        "hints": [{"name": "a.root-servers.net.", "addresses": ["198.41.0.4"]}]}}"#;
    let snapshot = Snapshot::build(plan.as_bytes(), Vec::new()).expect("a plan");
    let name: Name = "www.example.com.".parse().expect("a name");
    let all = decide(&snapshot, &Cache::new(1 << 20), name.as_ref(), RrType::A, SECOND);
    assert!(all.iter().all(|considered| !considered.taken));
    assert!(all.last().is_some_and(|last| last.why.starts_with("cache_only:")), "{all:?}");
}

#[test]
fn a_server_without_resolver_says_so() {
    let snapshot = Snapshot::build(br#"{"version": 1}"#, Vec::new()).expect("a plan");
    let all = decide(&snapshot, &Cache::new(1 << 20), NameRef::ROOT, RrType::NS, SECOND);
    assert!(all.iter().all(|considered| !considered.taken));
    assert_eq!(all.last().map(|last| last.source), Some("resolver"));
}
