use super::*;

fn settings(config: &str) -> Read {
    read(&Script::parse(&format!("{config}\nCONFIG_END\nSCENARIO_BEGIN x\nSCENARIO_END\n")).unwrap())
}

fn honoured(config: &str) -> Settings {
    let Read { settings, unsupported, .. } = settings(config);
    assert!(unsupported.is_empty(), "{unsupported:?}");
    settings
}

#[test]
fn unbound_dialect() {
    let read = honoured(
        "server:\n target-fetch-policy: \"0 0 0 0 0\"\n qname-minimisation: yes\n do-ip6: no\n cache-max-ttl: 60\n \
         val-override-date: \"20070916134226\"\n minimal-responses: no\n access-control: 127.0.0.1 allow_snoop\n\
         stub-zone:\n name: \".\"\n stub-addr: 193.0.14.129 # K\n\
         stub-zone:\n name: \"example.com\"\n stub-addr: 192.0.2.1@5353\n stub-prime: no\n\
         forward-zone:\n name: \"example.net.\"\n forward-addr: 192.0.2.9#dns.example\n",
    );
    assert_eq!(read.hints, ["193.0.14.129".parse::<IpAddr>().unwrap()]);
    assert_eq!(read.stubs, [("example.com.".parse().unwrap(), vec!["192.0.2.1:5353".parse().unwrap()])]);
    assert_eq!(read.forwards, [("example.net.".parse().unwrap(), vec!["192.0.2.9:53".parse().unwrap()])]);
    assert_eq!(read.unix_s, 1_189_950_146);
    assert!(read.minimise && !read.ipv6);
    assert_eq!(read.max_ttl, Some(60));
}

#[test]
fn flat_dialect() {
    let read = honoured(
        "do-ip6: no\nquery-minimization: off\nstub-addr: 193.0.14.129\nval-override-timestamp: 1500000000\n\
         features: min_ttl=5, max_ttl=50\ndo-not-query-localhost: no\nforward-addr: 192.0.2.1",
    );
    assert_eq!((read.hints.len(), read.forwards.len()), (1, 1));
    assert_eq!((read.min_ttl, read.max_ttl, read.unix_s), (Some(5), Some(50), 1_500_000_000));
    assert!(read.ask_loopback && !read.minimise);
}

#[test]
fn features_that_are_missing_are_named() {
    let unsupported = |config: &str| settings(config).unsupported;
    assert_eq!(unsupported("trust-anchor: \". A 192.0.2.1\""), ["trust-anchor: . A 192.0.2.1"]);
    assert_eq!(
        unsupported("server:\n serve-expired-ttl-reset: yes\n dlv-anchor: x"),
        ["serve-expired-ttl-reset: yes", "dlv-anchor"]
    );
    assert_eq!(
        unsupported("auth-zone:\n name: a.\nrpz:\n name: b."),
        ["auth-zone without zonefile", "rpz without zonefile"]
    );
    assert_eq!(unsupported("view:\n name: a.\n response-ip: x"), ["response-ip"]);
    assert_eq!(unsupported("access-control-view: 10.0.0.0/8 a"), ["access-control-view: no view a"]);
    assert_eq!(unsupported("features: flags=1"), ["features: flags"]);
    assert_eq!(
        unsupported("access-control: 127.0.0.1 allow_cookie"),
        ["access-control: 127.0.0.1 allow_cookie"]
    );
    assert_eq!(unsupported("local-zone: \"a.\" block_a"), ["local-zone: \"a.\" block_a"]);
    assert_eq!(unsupported("do-ip6: maybe"), ["do-ip6: maybe"]);
    assert_eq!(unsupported("stub-zone:\n name: a.\n stub-host: b."), ["stub-host"]);
    assert!(unsupported("serve-expired: no\nprefetch: no\nuse-caps-for-id: no\nharden-glue: yes").is_empty());
    assert!(unsupported("stub-zone:\n name: .\n stub-prime: yes\n stub-addr: 192.0.2.1").is_empty());
}

#[test]
fn trust_anchors() {
    let read = honoured(
        "server:\n trust-anchor: \"example.com. 3600 IN DS 1 8 2 AB\"\n trust-anchor: \". DS 1 8 2 AB\"\n domain-insecure: a.\n \
         val-permissive-mode: no",
    );
    assert_eq!((read.trust_anchors.len(), read.negative_trust_anchors), (2, vec!["a.".parse().unwrap()]));
}

#[test]
fn dates() {
    assert_eq!(date("19700101000000"), Some(Some(0)));
    assert_eq!(date("20240229120000"), Some(Some(1_709_208_000)));
    assert_eq!(date("1709208000"), Some(Some(1_709_208_000)));
    assert_eq!(date("-1"), Some(None));
    assert_eq!(date("20241329120000"), None);
    assert_eq!(date("now"), None);
}

#[test]
fn settings_without_effect_are_listed() {
    let read = settings(
        "server:\n verbosity: 4\n module-config: \"validator iterator\"\n minimal-responses: no\n \
         rrset-roundrobin: no\n trust-anchor-signaling: no\n fake-sha1: yes",
    );
    assert!(read.unsupported.is_empty());
    let keys = [
        "verbosity",
        "module-config",
        "minimal-responses",
        "rrset-roundrobin",
        "trust-anchor-signaling",
        "fake-sha1",
    ];
    assert_eq!(read.ignored, keys);
    assert!(settings("minimal-responses: yes").ignored.is_empty());
}

#[test]
fn a_clause_may_stand_on_one_line() {
    let read =
        honoured("forward-zone: name: \".\" forward-addr: 1.2.3.4\nserver: do-ip6: no cache-max-ttl: 5");
    assert_eq!(read.forwards, [(Name::root(), vec!["1.2.3.4:53".parse().unwrap()])]);
    assert_eq!((read.ipv6, read.max_ttl), (false, Some(5)));
}

#[test]
fn features_may_have_spaces() {
    let read = honoured("features: min_ttl = 5 max_ttl =50");
    assert_eq!((read.min_ttl, read.max_ttl), (Some(5), Some(50)));
}

#[test]
fn expired_data() {
    let read = honoured(
        "server:\n serve-expired: yes\n serve-expired-ttl: 0\n serve-expired-reply-ttl: 123\n serve-expired-client-timeout: 0\n \
         ede-serve-expired: yes",
    );
    assert!(read.stale);
    assert_eq!((read.stale_s, read.stale_ttl, read.stale_client_timeout), (0, Some(123), Some(0)));
    assert!(!honoured("server:\n serve-expired-ttl: 5").stale);
}

#[test]
fn local_data_and_filters_become_parts_of_a_plan() {
    let read = honoured(
        "server:\n local-zone: \"ads.example.\" static\n local-zone: example.org nodefault\n \
         local-data: 'www.example. A 192.0.2.1'\n dns64-prefix: 64:ff9b::/96\n private-address: 10.0.0.0/8\n \
         private-domain: \"lan\"\n prefetch: yes\n aggressive-nsec: yes",
    );
    assert!(read.prefetch && read.aggressive_nsec);
    let plan = read.plan();
    assert_eq!(plan["dns64"], json!([{"prefix": "64:ff9b::/96"}]));
    assert_eq!(plan["rebinding"], json!({"private": ["10.0.0.0/8"], "allow": ["lan."]}));
    let local = json!([
        {"name": "ads.example.", "type": "static", "source": "local-zone"},
        {"records": [{"text": "www.example. A 192.0.2.1", "source": "local-data"}]},
    ]);
    assert_eq!(plan["resolver"]["local"], local);
    assert_eq!(plan.get("acls"), None);
    assert_eq!(honoured("features: dns64_prefix=64:ff9b::").dns64.as_deref(), Some("64:ff9b::/96"));
}

#[test]
fn the_longest_prefix_decides_about_access() {
    let read = honoured(
        "server:\n access-control: 10.0.0.0/8 refuse\n access-control: 10.128.0.0/9 allow\n access-control: ::/0 refuse",
    );
    let clients = read.plan()["acls"]["query"].clone();
    let acl = nw_policy::Acl::parse(
        &clients.as_array().unwrap().iter().filter_map(Json::as_str).collect::<Vec<_>>(),
    )
    .unwrap();
    let admitted = |address: &str| acl.allows(address.parse().unwrap());
    assert!(
        admitted("9.255.255.255") && admitted("10.128.0.1") && admitted("11.0.0.0") && admitted("127.0.0.1")
    );
    assert!(!admitted("10.0.0.1") && !admitted("10.127.255.255") && !admitted("2001:db8::1"));
}

#[test]
fn response_policy_zones() {
    let zone = "TEMPFILE_NAME a.rpz\nTEMPFILE_CONTENTS a.rpz\n@ SOA . . 1 2 3 4 5\n@ NS .\nx.example CNAME .\nTEMPFILE_END\n";
    let read = honoured(&format!(
        "rpz:\n name: \"a.rpz.\"\n rpz-action-override: cname\n rpz-cname-override: \"garden.example.\"\n rpz-log: yes\n zonefile:\n{zone}"
    ));
    let list = &read.lists[0];
    assert_eq!((list.zone.as_deref(), list.min_ns_dots), (Some("a.rpz."), Some(0)));
    assert_eq!((list.action.as_deref(), list.target.as_deref()), (Some("cname"), Some("garden.example.")));
    assert!(list.read().is_ok());
    let read = settings("rpz:\n name: \"b.rpz.\"\n zonefile: other\n tags: \"x\"\n");
    assert_eq!(read.unsupported, ["zonefile: other", "tags"]);
    let read = settings("rpz:\n name: \"b.rpz.\"\n rpz-action-override: burn\n");
    assert_eq!(read.unsupported, ["rpz-action-override: burn", "rpz without zonefile"]);
}

#[test]
fn reverse_local_data() {
    let read = honoured(
        "server:\n local-data-ptr: \"192.0.2.3 www.example.com\"\n local-data-ptr: \"2001:db8::1 60 www.example.com\"\n",
    );
    assert_eq!(
        read.local.data,
        [
            "3.2.0.192.in-addr.arpa. PTR www.example.com.",
            "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. 60 PTR www.example.com."
        ]
    );
    let read = settings("server:\n local-data-ptr: \"here www.example.com\"\n");
    assert_eq!(read.unsupported, ["local-data-ptr: here www.example.com"]);
}

#[test]
fn served_zones() {
    let read = settings("auth-zone:\n name: \"a.example\"\n for-downstream: no\n primary: 192.0.2.1\n");
    assert_eq!(read.unsupported, ["primary", "auth-zone without zonefile"]);
    let zone = "zonefile: TEMPFILE_NAME z\nTEMPFILE_NAME z\nTEMPFILE_CONTENTS z\n@ SOA . . 1 2 3 4 5\n@ NS .\nTEMPFILE_END\n";
    let read = honoured(&format!(
        "auth-zone:\n name: a.example\n for-downstream: no\n fallback-enabled: yes\n zonemd-check: yes\n {zone}"
    ));
    let zone = &read.zones[0];
    assert!(!zone.downstream && zone.upstream && zone.fallback && zone.check && !zone.reject_absence);
    assert_eq!(read.plan()["zones"], json!([]));
}

#[test]
fn views_have_their_clients_and_local_data() {
    let read = honoured(
        "server:\n access-control-view: 10.0.0.0/8 \"inside\"\n access-control-view: 10.128.0.0/9 lab\n local-data: 'a. A 192.0.2.1'\n\
         view:\n name: \"inside\"\n local-zone: ads. static\nview:\n name: lab\n view-first: yes\n local-data-ptr: \"192.0.2.1 b\"\n",
    );
    let plan = read.plan();
    let views = json!([
        {"name": "inside", "clients": ["10.0.0.0/9"], "common_local": false, "shared_cache": true},
        {"name": "lab", "clients": ["10.128.0.0/9"], "common_local": true, "shared_cache": true},
        {"name": "server:", "clients": ["0.0.0.0/0", "::/0"], "shared_cache": true},
    ]);
    assert_eq!(plan["views"], views);
    let local = json!([
        {"records": [{"text": "a. A 192.0.2.1", "source": "local-data"}]},
        {"name": "ads.", "type": "static", "source": "local-zone", "views": ["inside"]},
        {"records": [{"text": "1.2.0.192.in-addr.arpa. PTR b.", "source": "local-data"}], "views": ["lab"]},
    ]);
    assert_eq!(plan["resolver"]["local"], local);
}

#[test]
fn stub_zones_prime_and_fall_back() {
    let read = honoured(
        "stub-zone:\n name: a.\n stub-addr: 192.0.2.1\n stub-prime: yes\n stub-first: yes\n\
         stub-zone:\n name: .\n stub-addr: 192.0.2.2\n stub-prime: yes\n",
    );
    let zone: Vec<Name> = vec!["a.".parse().unwrap()];
    assert_eq!((read.primed, read.fall_back), (zone.clone(), zone));
}
