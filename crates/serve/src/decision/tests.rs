use std::sync::Arc;

use nw_cache::{DenialKey, DenialRecord, KeptFailure, Origin, Rank};
use nw_policy::rules::{ListSettings, Policies, PolicyList, ServerRules};
use nw_wire::{Ede, Rrset};

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

/// Whether clients get an answer, and why.
fn of_cache(snapshot: &Snapshot, cache: &Cache, text: &str, now: Micros) -> (&'static str, bool, String) {
    let name: Name = text.parse().expect("a name");
    let all = decide(snapshot, cache, name.as_ref(), RrType::A, now);
    let one = all.into_iter().find(|one| one.taken).expect("something is taken");
    (one.source, one.fails, one.why)
}

fn recursive() -> Snapshot {
    let anchor = ". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D";
    let plan = r#"{"version": 1, "resolver": {"trust_anchors": ["ANCHOR"], "stale": {"max_s": 3600},
        "local": [{"name": "no.lan.", "type": "refuse", "source": "namewise.toml:7"}],
        "hints": [{"name": "a.root-servers.net.", "addresses": ["198.41.0.4"]}]}}"#;
    Snapshot::build(plan.replace("ANCHOR", anchor).as_bytes(), Vec::new()).expect("a plan")
}

fn set(owner: &str, rtype: RrType, rdata: &[u8]) -> Rrset {
    let mut set = Rrset::new(owner.parse().expect("a name"), rtype, Class::IN, 60);
    set.rdatas.push(rdata);
    set
}

#[test]
fn what_follows_from_other_names_is_of_the_cache() {
    let (snapshot, cache) = (recursive(), Cache::new(1 << 20));
    let zone: Name = "example.".parse().expect("a name");
    let soa = set("example.", RrType::SOA, b"\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x3c");
    let nsec = set("example.", RrType::NSEC, b"\x01m\x07example\0\0\x01\x02");
    let record = |set: &Rrset| DenialRecord { sets: vec![set.clone()], stored: 0, expires: 60 * SECOND };
    cache.put_denial(0, zone.as_ref(), DenialKey::Soa, record(&soa), 0);
    cache.put_denial(0, zone.as_ref(), DenialKey::Nsec(zone.clone()), record(&nsec), 0);
    let (source, fails, why) = of_cache(&snapshot, &cache, "b.example.", SECOND);
    assert_eq!((source, fails), ("cache", false), "{why}");
    assert!(why.ends_with("prove that it does not exist (RFC 8198, zone example.)"), "{why}");
    assert_eq!(of_cache(&snapshot, &cache, "n.example.", SECOND).0, "root-servers", "nothing denies it");
    assert_eq!(of_cache(&snapshot, &cache, "b.example.", 61 * SECOND).0, "root-servers", "it has expired");
    let secure = Origin { state: State::Secure, ..Rank::Authoritative.into() };
    let absent: Name = "none.com.".parse().expect("a name");
    cache.put_absence(absent.as_ref(), None, &soa, &[], secure, 0);
    let (source, _, why) = of_cache(&snapshot, &cache, "a.none.com.", SECOND);
    assert_eq!((source, &*why), ("cache", "the cache holds that none.com. does not exist (RFC 8020)"));
}

#[test]
fn failures_and_refusals_are_no_answers() {
    let (snapshot, cache) = (recursive(), Cache::new(1 << 20));
    cache.keep_expired(3600);
    cache.put_rrset(&set("old.example.", RrType::A, &[192, 0, 2, 1]), None, Rank::Authoritative, 0);
    let now = 90 * SECOND;
    let kept = KeptFailure {
        ede: Ede::OTHER,
        text: String::new(),
        cause: "no server replied".to_owned(),
        network: false,
        alone_s: 5,
    };
    for name in ["old.example.", "new.example."] {
        let name: Name = name.parse().expect("a name");
        cache.put_failure(name.as_ref(), RrType::A, &kept, 30, Rank::NonAuthoritative, now);
    }
    let (source, fails, why) = of_cache(&snapshot, &cache, "old.example.", now);
    assert_eq!((source, fails), ("cache", false), "{why}");
    assert!(why.starts_with("the cache serves data that expired 30 s ago: it failed 0 s ago"), "{why}");
    let (source, fails, why) = of_cache(&snapshot, &cache, "new.example.", now);
    assert_eq!((source, fails), ("cache", true), "{why}");
    assert!(why.ends_with("is tried again in 30 s: no server replied"), "{why}");
    let (source, fails, why) = of_cache(&snapshot, &cache, "a.no.lan.", now);
    let refuses = "namewise.toml:7 refuses queries for the name";
    assert_eq!((source, fails, &*why), ("local-data", true, refuses));
}

#[test]
fn the_view_of_this_machine_decides() {
    let plan = r#"{"version": 1, "views": [{"name": "in", "clients": ["127.0.0.0/8"]}], "resolver": {
        "local": [{"name": "no.lan.", "type": "refuse", "source": "namewise.toml:7", "views": ["in"]}],
        "hints": [{"name": "a.root-servers.net.", "addresses": ["198.41.0.4"]}]}}"#;
    let snapshot = Snapshot::build(plan.as_bytes(), Vec::new()).expect("a plan");
    let cache = Cache::new(1 << 20);
    let origin = Origin { view: snapshot.view(0).cache_view, ..Rank::Authoritative.into() };
    cache.put_rrset(&set("old.example.", RrType::A, &[192, 0, 2, 1]), None, origin, 0);
    assert_eq!(of_cache(&snapshot, &cache, "old.example.", SECOND).0, "cache");
    assert_eq!(of_cache(&snapshot, &cache, "a.no.lan.", SECOND).0, "local-data");
}
