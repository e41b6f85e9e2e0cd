use nw_wire::Class;
use nw_zone::{LoadOptions, scan};

use super::*;
use crate::acl::Acl;
use crate::{lists, rpz};

fn name(text: &str) -> Name {
    text.parse().expect("tests use valid names")
}

fn settings(name: &str) -> ListSettings {
    ListSettings {
        name: name.to_owned(),
        action: None,
        log_only: false,
        break_dnssec: true,
        servers: ServerRules::default(),
        ede: None,
        text: String::new(),
        groups: 0,
    }
}

fn zone(settings: ListSettings, text: &str) -> Arc<PolicyList> {
    let text = format!("$TTL 60\n@ SOA . . 1 2 3 4 5\n@ NS .\n{text}");
    let options = LoadOptions { threads: 1, ..LoadOptions::default() };
    let zone = scan::load(&mut scan::Text::new("zone", text), name("rpz.test.").as_ref(), &options);
    let rules =
        rpz::read(&zone.unwrap_or_else(|errors| panic!("{errors}"))).into_rules(1).expect("few names");
    Arc::new(PolicyList::new(settings, Arc::new(rules)))
}

fn client(address: &str) -> Client<'static> {
    Client { address: address.parse().expect("an address"), key: None, dnssec_ok: false }
}

fn decide(lists: Vec<Arc<PolicyList>>, chain: &[(&str, &[&str])]) -> Option<(usize, String, &'static str)> {
    let policies = Policies::new(lists, Vec::new(), false);
    let names: Vec<Name> = chain.iter().map(|(link, _)| name(link)).collect();
    let addresses: Vec<Vec<IpAddr>> = chain
        .iter()
        .map(|(_, addresses)| addresses.iter().map(|text| text.parse().expect("an address")).collect())
        .collect();
    let links: Vec<Link<'_>> = names
        .iter()
        .zip(&addresses)
        .map(|(name, addresses)| Link { name: name.as_ref(), addresses, servers: &[] })
        .collect();
    let client = client("203.0.113.5");
    let late = policies.at_answer(&client, &links, 0, false, |_| {});
    let late = late.map(|(at, found)| (at, found.list.settings.name.clone(), found.action.slug()));
    // What is decided early is decided in the same way with the answer.
    match policies.at_query(&client, names[0].as_ref(), |_| {}) {
        AtQuery::Decided(found) => {
            assert_eq!(late, Some((0, found.list.settings.name.clone(), found.action.slug())));
        }
        AtQuery::Nothing => {
            let rest = policies.at_answer(&client, &links, 1, false, |_| {});
            assert_eq!(late.as_ref().map(|(at, ..)| *at), rest.map(|(at, _)| at));
        }
        AtQuery::Wait => {}
        AtQuery::Exempt => panic!("nothing is paused"),
    }
    late
}

#[test]
fn precedence_within_a_zone() {
    let rules = "a.example A 192.0.2.9\n*.example CNAME .\n*.b.example CNAME *.\n32.5.113.0.203.rpz-client-ip CNAME rpz-drop.\n";
    let of = |text: &str, chain: &[(&str, &[&str])]| {
        decide(vec![zone(settings("z"), text)], chain).map(|(_, _, action)| action)
    };
    assert_eq!(of(rules, &[("a.example.", &[])]), Some("drop"), "the client before the name");
    let rules = "a.example A 192.0.2.9\n*.example CNAME .\n*.b.example CNAME *.\n24.0.2.0.192.rpz-ip CNAME rpz-passthru.\n\
                 32.1.2.0.192.rpz-ip CNAME rpz-drop.\n";
    assert_eq!(of(rules, &[("a.example.", &["192.0.2.1"])]), Some("data"), "the name before addresses");
    assert_eq!(of(rules, &[("c.example.", &[])]), Some("nxdomain"));
    assert_eq!(of(rules, &[("c.b.example.", &[])]), Some("nodata"), "the longest wildcard");
    assert_eq!(of(rules, &[("b.example.", &[])]), None, "the policy zone holds b.example");
    let exists = "*.example CNAME .\nx.y.example CNAME *.\n";
    assert_eq!(of(exists, &[("a.example.", &[])]), Some("nxdomain"));
    assert_eq!(
        of(exists, &[("y.example.", &[])]),
        None,
        "the policy zone holds y.example as an empty non-terminal"
    );
    assert_eq!(of(exists, &[("a.y.example.", &[])]), None, "its closest encloser is y.example");
    assert_eq!(of(exists, &[("a.x.y.example.", &[])]), None);
    assert_eq!(of(rules, &[("x.test.", &["192.0.2.7", "192.0.2.1"])]), Some("drop"), "the longest block");
    assert_eq!(of(rules, &[("x.test.", &["198.51.100.1"])]), None);
}

#[test]
fn precedence_between_links_and_zones() {
    let addresses = zone(settings("first"), "32.1.2.0.192.rpz-ip CNAME .\n");
    let names = zone(settings("second"), "b.example CNAME *.\nx.example CNAME rpz-drop.\n");
    let lists = || vec![Arc::clone(&addresses), Arc::clone(&names)];
    let chain: &[(&str, &[&str])] =
        &[("a.example.", &[]), ("b.example.", &[]), ("c.example.", &["192.0.2.1"])];
    assert_eq!(decide(lists(), chain), Some((1, "second".to_owned(), "nodata")), "the earlier link");
    let chain: &[(&str, &[&str])] = &[("x.example.", &["192.0.2.1"])];
    assert_eq!(decide(lists(), chain), Some((0, "first".to_owned(), "nxdomain")), "the earlier zone");
    let policies = Policies::new(lists(), Vec::new(), false);
    let early = policies.at_query(&client("203.0.113.5"), name("x.example.").as_ref(), |_| {});
    assert!(matches!(early, AtQuery::Wait), "an earlier zone may decide by address: {early:?}");
}

#[test]
fn log_only_continues_and_an_override_replaces_the_action() {
    let logs = zone(ListSettings { log_only: true, ..settings("logs") }, "a.example CNAME .\n");
    let acts =
        zone(ListSettings { action: Some(Action::Refused), ..settings("acts") }, "a.example CNAME .\n");
    let chain: &[(&str, &[&str])] = &[("a.example.", &[])];
    assert_eq!(decide(vec![Arc::clone(&logs), acts], chain), Some((0, "acts".to_owned(), "refused")));
    let mut seen = Vec::new();
    let policies = Policies::new(vec![logs], Vec::new(), false);
    let early = policies.at_query(&client("203.0.113.5"), name("a.example.").as_ref(), |found| {
        seen.push(found.trigger.to_string());
    });
    assert!(matches!(early, AtQuery::Nothing));
    assert_eq!(seen, ["the name a.example."]);
}

#[test]
fn groups_select_lists_and_can_be_paused() {
    let kids = zone(ListSettings { groups: 1, ..settings("kids") }, "a.example CNAME .\n");
    let clients = Acl::parse(&["10.0.0.0/8"]).expect("a block");
    let policies = |paused, all| {
        let view = View { name: "kids".to_owned(), clients: clients.clone(), keys: vec![name("kid.")] };
        Policies::new(vec![Arc::clone(&kids)], vec![Group { view, paused }], all)
    };
    let blocked = |policies: &Policies, client: Client<'_>| {
        matches!(policies.at_query(&client, name("a.example.").as_ref(), |_| {}), AtQuery::Decided(_))
    };
    let key = name("kid.");
    let signed = Client { key: Some(key.as_ref()), ..client("203.0.113.5") };
    assert!(blocked(&policies(false, false), client("10.1.1.1")));
    assert!(blocked(&policies(false, false), signed));
    assert!(!blocked(&policies(false, false), client("203.0.113.5")));
    assert!(!blocked(&policies(true, false), client("10.1.1.1")));
    assert!(!blocked(&policies(false, true), client("10.1.1.1")));
}

#[test]
fn signed_answers_stay_without_break_dnssec() {
    let list = zone(ListSettings { break_dnssec: false, ..settings("z") }, "a.example CNAME .\n");
    let policies = Policies::new(vec![list], Vec::new(), false);
    let asked = name("a.example.");
    let link = [Link { name: asked.as_ref(), addresses: &[], servers: &[] }];
    let validates = Client { dnssec_ok: true, ..client("203.0.113.5") };
    assert!(matches!(policies.at_query(&validates, asked.as_ref(), |_| {}), AtQuery::Wait));
    assert!(policies.at_answer(&validates, &link, 0, true, |_| {}).is_none());
    assert!(policies.at_answer(&validates, &link, 0, false, |_| {}).is_some());
    assert!(policies.at_answer(&client("203.0.113.5"), &link, 0, true, |_| {}).is_some());
}

#[test]
fn an_exception_of_a_list_passes_the_answer() {
    let read = lists::read(b"||ad.example^\n@@||ok.ad.example^\naddress=/sink.example/192.0.2.1\n", 1);
    let rules = read.into_rules(&Action::Nxdomain, 300, 1).expect("few names");
    let list = Arc::new(PolicyList::new(settings("ads"), Arc::new(rules)));
    let action = |asked| decide(vec![Arc::clone(&list)], &[(asked, &[])]).map(|(_, _, action)| action);
    assert_eq!(action("x.ad.example."), Some("nxdomain"));
    assert_eq!(action("x.ok.ad.example."), Some("passthru"));
    assert_eq!(action("sink.example."), Some("data"));
    let Action::Data(sets) = &list.rules.actions[3] else { panic!("an address") };
    assert_eq!((sets[0].ttl, sets[0].class), (300, Class::IN));
}

/// The decision for a.example whose zone has these servers: labels of the zone, name, addresses.
fn by_servers(list: Arc<PolicyList>, servers: &[(u8, &str, &[&str])]) -> Option<String> {
    let names: Vec<Name> = servers.iter().map(|(_, server, _)| name(server)).collect();
    let parsed = |texts: &[&str]| texts.iter().map(|text| text.parse().expect("an address")).collect();
    let addresses: Vec<Vec<IpAddr>> = servers.iter().map(|(_, _, texts)| parsed(texts)).collect();
    let servers: Vec<Server<'_>> = (servers.iter().zip(&names).zip(&addresses))
        .map(|(((zone_labels, ..), name), addresses)| Server {
            zone_labels: *zone_labels,
            name: name.as_ref(),
            addresses,
        })
        .collect();
    let policies = Policies::new(vec![list], Vec::new(), false);
    let asked = name("a.example.");
    let link =
        [Link { name: asked.as_ref(), addresses: &["192.0.2.9".parse().expect("valid")], servers: &servers }];
    assert!(!matches!(policies.at_query(&client("203.0.113.5"), asked.as_ref(), |_| {}), AtQuery::Nothing));
    let found = policies.at_answer(&client("203.0.113.5"), &link, 0, false, |_| {});
    found.map(|(_, found)| found.trigger.to_string())
}

#[test]
fn rules_for_name_servers_come_last_and_names_before_addresses() {
    let rules = "ns.evil.test.rpz-nsdname CNAME .\n*.bad.test.rpz-nsdname CNAME .\n24.0.2.0.192.rpz-nsip CNAME .\n\
                 32.7.2.0.192.rpz-nsip CNAME .\n";
    let of = |more: &str, servers: &[(u8, &str, &[&str])]| {
        by_servers(zone(settings("z"), &format!("{rules}{more}")), servers)
    };
    let evil: (u8, &str, &[&str]) = (2, "NS.evil.test.", &["192.0.2.7"]);
    assert_eq!(of("", &[evil]).as_deref(), Some("the name server NS.evil.test."));
    assert_eq!(of("", &[evil, (2, "x.y.bad.test.", &[])]).as_deref(), Some("the name server NS.evil.test."));
    assert_eq!(
        of("", &[(2, "ns.test.", &["192.0.2.7", "192.0.2.8"])]).as_deref(),
        Some("the name server address 192.0.2.7/32")
    );
    assert_eq!(of("", &[(2, "bad.test.", &["198.51.100.1"])]), None, "the wildcard is about names below");
    assert_eq!(of("", &[(1, "ns.evil.test.", &["192.0.2.7"])]), None, "servers of a top-level domain");
    assert_eq!(of("32.9.2.0.192.rpz-ip CNAME .\n", &[evil]).as_deref(), Some("the address 192.0.2.9/32"));
    assert_eq!(of("a.example CNAME .\n", &[evil]).as_deref(), Some("the name a.example."));
}

#[test]
fn rules_for_name_servers_can_be_switched_off() {
    let rules = "ns.evil.test.rpz-nsdname CNAME .\n32.7.2.0.192.rpz-nsip CNAME .\na.example.rpz-x CNAME .\n";
    let of = |servers: ServerRules| {
        let list = zone(ListSettings { servers, ..settings("z") }, rules);
        let needs = Policies::new(vec![Arc::clone(&list)], Vec::new(), false).server_needs();
        let found = needs.and_then(|_| by_servers(list, &[(1, "ns.evil.test.", &["192.0.2.7"])]));
        (needs.map(|needs| needs.look_up), found)
    };
    let all = ServerRules { min_dots: 0, ..ServerRules::default() };
    assert_eq!(of(all), (Some(Some(1)), Some("the name server ns.evil.test.".to_owned())));
    let addresses = ServerRules { names: false, look_up: false, ..all };
    assert_eq!(of(addresses), (Some(None), Some("the name server address 192.0.2.7/32".to_owned())));
    assert_eq!(of(ServerRules { addresses: false, ..addresses }), (None, None));
}
