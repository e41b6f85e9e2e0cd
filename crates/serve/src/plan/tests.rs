use proptest::prelude::*;
use std::net::IpAddr;

use super::*;

fn wrong(json: &str) -> Vec<String> {
    Plan::parse(json.as_bytes()).expect_err("something is wrong").iter().map(ToString::to_string).collect()
}

#[test]
fn the_least_plan_has_the_safe_defaults() {
    let plan = Plan::parse(br#"{"version": 1}"#).expect("a plan");
    let (here, there): (IpAddr, IpAddr) = ("127.0.0.1".parse().unwrap(), "192.0.2.1".parse().unwrap());
    assert!(plan.acls.query.allows(there));
    assert!(plan.acls.recursion.allows(here) && !plan.acls.recursion.allows(there));
    assert_eq!(plan.server, ServerPlan::default());
    assert!(plan.resolver.is_none() && plan.zones.is_empty());
    let same = br#"{"version":1,"server":null,"acls":null,"resolver":null,"zones":null,"recorder":null}"#;
    assert_eq!(Plan::parse(same).expect("null is absent").server, plan.server);
}

#[test]
fn a_full_plan_is_read_to_the_last_field() {
    let plan = Plan::parse(
        br#"{"version":1,
 "server":{"identity":"a1","version":"one","nsid":"61Ff","udp_payload":4096,"minimal_any":false,"minimal_responses":true,"rrset_order":"rotate","workers":2,
           "tcp":{"idle_ms":500,"max_connections":7,"max_per_client":3,"max_pipelined":2,"max_unsent":70000}},
 "acls":{"query":["10.0.0.0/8"],"recursion":[],"control_names":{"version.bind":["::1"]}},
 "resolver":{"hints":[{"name":"a.root-servers.net.","addresses":["198.41.0.4","2001:503:ba3e::2:30"]}],
             "routes":[{"prefix":"198.41.0.0/16","to":"127.0.0.1:5301"}],
             "forward":[{"suffix":"corp.","servers":["10.1.1.1","[2001:db8::1]:5353"]},
                        {"suffix":"stub.","servers":["10.1.1.1:53"],"authoritative":true}],
             "trust_anchors":[". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D"],
             "cache_bytes":1048576,"budget":{"max_upstream_queries":9,"wall_clock_ms":3000}},
 "zones":[{"name":"Example.com.","query_acl":["192.0.2.0/24"]},
          {"name":"example.net.","transfer":[{"clients":["10.0.0.0/8"],"key":"xfr."},{"key":"XFR."}]}],
 "keys":[{"name":"xfr.","algorithm":"hmac-sha256"}],
 "transfers":{"most":9,"most_per_zone":3,"most_per_client":2,"history_bytes":70000},
 "recorder":{"entries":5,"slow_ms":20}}"#,
    )
    .expect("nothing is wrong with it");
    assert_eq!(plan.server.nsid.as_deref(), Some(&b"a\xff"[..]));
    assert_eq!((plan.server.tcp.max_unsent, plan.server.workers), (70_000, 2));
    assert!(plan.server.minimal_responses);
    assert_eq!(plan.server.rrset_order, RrsetOrder::Rotate);
    let resolver = plan.resolver.expect("there is one");
    assert_eq!(resolver.config.budget.max_upstream_queries, 9);
    assert_eq!(resolver.config.budget.wall_clock, 3_000_000);
    assert_eq!(resolver.config.budget.cache_bytes, 1 << 20);
    assert_eq!(resolver.config.forwards[0].servers[0].to_string(), "10.1.1.1:53");
    assert_eq!(resolver.config.forwards[1].mode, nw_resolve::ForwardMode::Authoritative);
    assert_eq!(resolver.config.trust_anchors.len(), 1);
    assert_eq!(resolver.routes.expect("there are routes")[0].to.port(), 5301);
    assert_eq!(plan.zones.len(), 2);
    assert!(plan.zones[1].query_acl.is_none());
    let [both, key] = &plan.zones[1].transfer[..] else { panic!("{:?}", plan.zones[1]) };
    assert!(both.clients.is_some() && both.key.is_some() && key.clients.is_none() && key.key == both.key);
    let transfers = TransfersPlan { most: 9, most_per_zone: 3, most_per_client: 2, history_bytes: 70_000 };
    assert_eq!(plan.transfers, transfers);
    assert_eq!(plan.recorder, RecorderPlan { entries: 5, bytes: 8 << 20, slow_ms: 20 });
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let errors = wrong(
        r#"{"version":1,"servr":{},
 "server":{"nsid":"6","udp_payload":100,"minimal_any":"yes","rrset_order":"any","tcp":[]},
 "acls":{"query":["10.0.0.1/8",7]},
 "resolver":{"routes":[{"prefix":"0.0.0.0/0","to":"192.0.2.1:53"}],"budget":{"max_referals":3}},
 "zones":[{"name":"example.com.","transfer":[{},{"key":"no."}]},{"name":"EXAMPLE.com."},{"name":"a..b."},{}]}"#,
    );
    let empty_label = format!("zones[2].name: {}", Name::parse(b"a..b.", None).expect_err("an empty label"));
    let expected = [
        "server.nsid: expected pairs of hexadecimal digits",
        "server.udp_payload: 100 is not between 512 and 4096",
        "server.minimal_any: expected true or false, found a string",
        "server.rrset_order: expected fixed, rotate or random",
        "server.tcp: expected an object, found an array",
        "acls.query[0]: 10.0.0.1/8 has host bits set; the block is 10.0.0.0/8",
        "acls.query[1]: expected a string, found a number",
        "resolver.budget.max_referals: unknown key; known are max_upstream_queries, max_queries_without_progress, ",
        "resolver.routes[0].to: 192.0.2.1 is not a loopback address",
        "resolver: neither hints nor forward: there is nobody to ask",
        "zones[0].transfer[0]: neither clients nor key: it would admit everybody",
        "zones[1].name: EXAMPLE.com. is there twice",
        &empty_label,
        "zones[3].name: missing",
        "zones[0].transfer[1].key: no. is not among the keys",
        "servr: unknown key; known are version, server, acls, resolver, zones, keys, views, dns64, no_aaaa, rebinding, rrl, detect, transfers, control, recorder",
    ];
    assert_eq!(errors.len(), expected.len(), "{errors:#?}");
    for (error, start) in errors.iter().zip(expected) {
        assert!(error.starts_with(start), "{error}\n{start}");
    }
}

#[test]
fn other_versions_and_other_things_are_refused() {
    assert_eq!(
        wrong(r#"{"version":2,"whatever":1}"#),
        ["version: 2 is not 1, the version that this engine reads"]
    );
    assert_eq!(wrong("{}"), ["version: missing"]);
    assert_eq!(wrong("[]"), ["expected an object, found an array"]);
    assert!(wrong("{")[0].starts_with("not JSON: "));
}

proptest! {
    /// No input makes the reader panic, and every error has a text.
    #[test]
    fn any_octets_are_a_plan_or_errors(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Err(errors) = Plan::parse(&octets) {
            prop_assert!(!errors.is_empty() && errors.iter().all(|error| !error.message.is_empty()));
        }
    }

    /// No misplaced value of a valid shape makes the reader panic, and each error names its place.
    #[test]
    fn any_value_in_any_place(key in "server|acls|resolver|zones|recorder", value in json()) {
        let plan = format!(r#"{{"version":1,"{key}":{value}}}"#);
        if let Err(errors) = Plan::parse(plan.as_bytes()) {
            prop_assert!(!errors.is_empty());
            for error in errors {
                prop_assert!(error.to_string().starts_with(&key), "{plan}: {error}");
            }
        }
    }
}

fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|truth| truth.to_string()),
        any::<i64>().prop_map(|number| number.to_string()),
        "[a-z0-9./:]{0,20}".prop_map(|text| format!("{text:?}")),
    ];
    leaf.prop_recursive(4, 30, 5, |inner| {
        let keys =
            "name|hints|addresses|query|forward|suffix|servers|tcp|budget|routes|prefix|to|nsid|query_acl|transfer|clients|key";
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec((keys, inner), 0..5).prop_map(|entries| {
                let entries: Vec<_> = entries.iter().map(|(key, value)| format!("{key:?}:{value}")).collect();
                format!("{{{}}}", entries.join(","))
            }),
        ]
    })
}
