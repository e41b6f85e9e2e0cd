use nw_zone::{LoadOptions, scan};

use super::*;

fn name(text: &str) -> Name {
    text.parse().expect("tests use valid names")
}

fn zone(text: &str) -> ReadRpz {
    let text = format!("$TTL 60\n@ SOA . . 1 2 3 4 5\n@ NS .\n{text}");
    let options = LoadOptions { threads: 1, ..LoadOptions::default() };
    let zone = scan::load(&mut scan::Text::new("zone", text), name("rpz.test.").as_ref(), &options);
    read(&zone.unwrap_or_else(|errors| panic!("{errors}")))
}

#[test]
fn every_action_is_read() {
    for (data, expected) in [
        ("CNAME .", Action::Nxdomain),
        ("CNAME *.", Action::Nodata),
        ("CNAME rpz-passthru.", Action::Passthru),
        ("CNAME RPZ-DROP.", Action::Drop),
        ("CNAME rpz-tcp-only.", Action::TcpOnly),
        ("CNAME bad.example.", Action::Passthru),
        ("CNAME garden.example.", Action::Alias(name("garden.example."), 60)),
        ("CNAME *.garden.example.", Action::Below(name("garden.example."), 60)),
    ] {
        let read = zone(&format!("bad.example {data}\n"));
        assert_eq!(read.actions, [expected], "{data}");
        assert_eq!((read.count, read.fault_count), (1, 0), "{data}");
    }
    let read = zone("a A 192.0.2.1\nb A 192.0.2.1\nb TXT x\nc A 192.0.2.1\n");
    assert_eq!(read.actions.len(), 2, "equal data is one action");
    let unknown = zone("bad.example CNAME rpz-new.\n");
    let (owner, fault) =
        ("bad.example.".to_owned(), "the action is not known; the rule has no effect".to_owned());
    assert_eq!(unknown.faults, [(owner, fault)]);
}

#[test]
fn an_action_without_its_dot_is_a_warning() {
    let read =
        zone("a CNAME rpz-passthru\nb CNAME rpz-drop.\nc CNAME rpz-drop.example.\nd CNAME x.rpz-drop\n");
    let warnings = read.warnings.iter().map(|(owner, _)| &**owner).collect::<Vec<_>>();
    assert_eq!(warnings, ["a."]);
    assert!(
        read.warnings[0].1.ends_with("end the action with a dot: CNAME rpz-passthru."),
        "{:?}",
        read.warnings
    );
    assert_eq!((read.count, read.fault_count), (4, 0), "the rule is what it says");
}

#[test]
fn address_blocks_are_read() {
    let blocks = |read: &[(Prefix, u32)]| read.iter().map(|(block, _)| block.to_string()).collect::<Vec<_>>();
    let read = zone(
        "24.0.2.0.192.rpz-ip CNAME .\n128.1.zz.db8.2001.rpz-ip CNAME .\n32.zz.db8.2001.rpz-client-ip CNAME .\n\
         128.8.7.6.5.4.3.2.1.rpz-ip CNAME .\n128.1.zz.rpz-ip CNAME .\n0.zz.rpz-client-ip CNAME .\n",
    );
    assert_eq!(read.faults, []);
    let mut addresses = blocks(&read.addresses);
    addresses.sort();
    assert_eq!(addresses, ["192.0.2.0/24", "1:2:3:4:5:6:7:8/128", "2001:db8::1/128", "::1/128"]);
    let mut clients = blocks(&read.clients);
    clients.sort();
    assert_eq!(clients, ["2001:db8::/32", "::/0"]);
    let wrong = zone(
        "24.1.2.0.192.rpz-ip CNAME .\nx.rpz-ip CNAME .\nrpz-ip CNAME .\n33.1.2.0.192.rpz-ip CNAME .\nrpz-nsdname CNAME .\n",
    );
    assert_eq!((wrong.fault_count, wrong.addresses.len()), (5, 0));
}

#[test]
fn triggers_on_name_servers_are_read() {
    let read = zone(
        "ns.example.rpz-nsdname CNAME .\n*.evil.example.rpz-nsdname CNAME *.\n24.0.2.0.192.rpz-nsip CNAME .\n\
         128.1.zz.db8.2001.rpz-nsip CNAME rpz-passthru.\nrpz-nsdname CNAME .\n33.1.2.0.192.rpz-nsip CNAME .\n",
    );
    assert_eq!((read.count, read.fault_count), (4, 2), "{:?}", read.faults);
    let rules = read.into_rules(1).expect("few names");
    assert!(rules.names.is_empty(), "no rule is about names of chains");
    assert_eq!(rules.server_addresses.len(), 2);
    let own = rules.servers.rules_of(name("ns.example.").as_ref()).expect("listed").own;
    assert_eq!(rules.actions[(own - FIRST_RULE) as usize], Action::Nxdomain);
    let below = rules.servers.rules_of(name("evil.example.").as_ref()).expect("listed").below;
    assert_eq!(rules.actions[(below - FIRST_RULE) as usize], Action::Nodata);
}
