use super::*;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// The records that *data* answer, as text, or the denial.
fn said(data: &LocalData, qname: &str, rtype: RrType) -> String {
    let Some(found) = data.find(name(qname).as_ref(), rtype) else { return "resolve".into() };
    match found.said {
        Said::Refuse => format!("refuse blocked={}", found.blocked),
        Said::Deny => "deny".into(),
        Said::Answer(answer) if answer.answer.is_empty() => {
            format!("{} blocked={}", if answer.nxdomain { "nxdomain" } else { "nodata" }, found.blocked)
        }
        Said::Answer(answer) => {
            let lines: Vec<String> =
                answer.answer.iter().map(|set| set.to_string().replace('\t', " ")).collect();
            format!("{} [{}]", lines.join("; ").replace('\n', "; "), found.source)
        }
    }
}

fn hosts(text: &str) -> LocalData {
    let mut data = LocalData::default();
    data.add_hosts("/etc/hosts", text, 60, true).unwrap();
    data
}

#[test]
fn a_hosts_file_gives_addresses_aliases_and_reverse_names() {
    let data = hosts(
        "\u{feff}# comment\r\n192.0.2.1\tdb1.lan db1 # the database\r\n192.0.2.2 db1.lan\r\n2001:db8::1 db1.lan\n",
    );
    assert_eq!(
        said(&data, "DB1.lan.", RrType::A),
        "DB1.lan. 60 IN A 192.0.2.1; DB1.lan. 60 IN A 192.0.2.2 [/etc/hosts:2]"
    );
    assert_eq!(said(&data, "db1.", RrType::A), "db1. 60 IN A 192.0.2.1 [/etc/hosts:2]");
    assert_eq!(said(&data, "db1.lan.", RrType::AAAA), "db1.lan. 60 IN AAAA 2001:db8::1 [/etc/hosts:4]");
    assert_eq!(
        said(&data, "2.2.0.192.in-addr.arpa.", RrType::PTR),
        "2.2.0.192.in-addr.arpa. 60 IN PTR db1.lan. [/etc/hosts:3]"
    );
    let reverse = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.";
    assert!(said(&data, reverse, RrType::PTR).contains("PTR db1.lan. [/etc/hosts:4]"));
    assert_eq!(said(&data, "db1.lan.", RrType::TXT), "nodata blocked=false");
    assert_eq!(said(&data, "x.db1.lan.", RrType::A), "resolve");
    assert_eq!(said(&data, "lan.", RrType::A), "resolve");
}

#[test]
fn the_first_line_of_an_address_names_it() {
    let data = hosts("192.0.2.1 first\n192.0.2.1 second\n");
    assert!(said(&data, "1.2.0.192.in-addr.arpa.", RrType::PTR).ends_with("PTR first. [/etc/hosts:1]"));
}

#[test]
fn localhost_and_link_local_lines_give_no_records() {
    let data = hosts("127.0.0.1 localhost\n::1 localhost ip6-loopback\nfe80::1%lo0 router\n0.0.0.0 ads\n");
    assert_eq!(said(&data, "localhost.", RrType::A), "resolve");
    assert_eq!(said(&data, "router.", RrType::AAAA), "resolve");
    assert!(said(&data, "ip6-loopback.", RrType::AAAA).starts_with("ip6-loopback. 60 IN AAAA ::1"));
    assert_eq!(said(&data, "0.0.0.0.in-addr.arpa.", RrType::PTR), "resolve");
}

#[test]
fn wrong_lines_of_a_hosts_file_are_errors_with_their_lines() {
    let mut data = LocalData::default();
    let text = "192.0.2.1 a\n192.0.2.300 b\n192.0.2.4\n192.0.2.5 b\u{fc}cher\n192.0.2.6 a..b\n";
    let errors = data.add_hosts("h", text, 60, true).unwrap_err();
    assert_eq!(errors.len(), 4, "{errors:?}");
    assert_eq!(errors[0], "h:2: \"192.0.2.300\" is not an IP address; expected ADDRESS NAME [ALIAS ...]");
    assert_eq!(errors[1], "h:3: no name follows the address 192.0.2.4; expected ADDRESS NAME [ALIAS ...]");
    assert!(
        errors[2].starts_with("h:4: ") && errors[2].ends_with("write an internationalised name as xn--...")
    );
    assert!(errors[3].starts_with("h:5: \"a..b\" is not a host name"));
    let many = "x y\n".repeat(50);
    let errors = data.add_hosts("h", &many, 60, true).unwrap_err();
    assert_eq!((errors.len(), errors.last().unwrap().as_str()), (21, "h: 30 more lines are wrong"));
}

fn zone(kind: LocalType, records: &[&str]) -> LocalData {
    let mut data = LocalData::default();
    data.add_zone(&name("corp."), kind, "c:1").unwrap();
    for line in records {
        data.add_record(&name("corp."), line, 3600, "c:2").unwrap();
    }
    data
}

#[test]
fn the_type_of_a_zone_decides_about_names_without_records() {
    let records = ["a.b A 192.0.2.1", "@ 60 IN TXT \"top\""];
    for (kind, here, other_type, between, absent) in [
        (
            LocalType::Transparent,
            "a.b.corp. 3600 IN A 192.0.2.1 [c:2]",
            "nodata blocked=false",
            "resolve",
            "resolve",
        ),
        (LocalType::TypeTransparent, "a.b.corp. 3600 IN A 192.0.2.1 [c:2]", "resolve", "resolve", "resolve"),
        (
            LocalType::Static,
            "a.b.corp. 3600 IN A 192.0.2.1 [c:2]",
            "nodata blocked=false",
            "nodata blocked=false",
            "nxdomain blocked=false",
        ),
        (
            LocalType::Refuse,
            "a.b.corp. 3600 IN A 192.0.2.1 [c:2]",
            "nodata blocked=false",
            "refuse blocked=true",
            "refuse blocked=true",
        ),
        (LocalType::Deny, "a.b.corp. 3600 IN A 192.0.2.1 [c:2]", "nodata blocked=false", "deny", "deny"),
    ] {
        let data = zone(kind, &records);
        assert_eq!(said(&data, "a.b.corp.", RrType::A), here, "{kind:?}");
        assert_eq!(said(&data, "a.b.corp.", RrType::MX), other_type, "{kind:?}");
        assert_eq!(said(&data, "b.corp.", RrType::A), between, "{kind:?}");
        assert_eq!(said(&data, "x.corp.", RrType::A), absent, "{kind:?}");
        assert_eq!(said(&data, "example.", RrType::A), "resolve", "{kind:?}");
    }
}

#[test]
fn redirect_answers_for_all_names_below() {
    let data = zone(LocalType::Redirect, &["@ A 192.0.2.1", "own A 192.0.2.2"]);
    assert_eq!(said(&data, "x.y.corp.", RrType::A), "x.y.corp. 3600 IN A 192.0.2.1 [c:2]");
    assert_eq!(said(&data, "own.corp.", RrType::A), "own.corp. 3600 IN A 192.0.2.2 [c:2]");
    assert_eq!(said(&data, "x.corp.", RrType::AAAA), "nodata blocked=false");
    assert_eq!(said(&zone(LocalType::Redirect, &[]), "x.corp.", RrType::A), "nodata blocked=true");
}

#[test]
fn a_rule_without_records_blocks_and_the_closest_rule_holds() {
    let mut data = zone(LocalType::Static, &[]);
    data.add_zone(&name("open.corp."), LocalType::Transparent, "c:9").unwrap();
    assert_eq!(said(&data, "corp.", RrType::A), "nxdomain blocked=true");
    assert_eq!(said(&data, "x.corp.", RrType::A), "nxdomain blocked=true");
    assert_eq!(said(&data, "x.open.corp.", RrType::A), "resolve");
    assert_eq!(
        data.add_zone(&name("corp."), LocalType::Deny, "c:9"),
        Err("corp. has a type already, at c:1".into())
    );
}

#[test]
fn records_of_every_kind_are_read_and_wrong_ones_are_errors() {
    let mut data = LocalData::default();
    let mut add = |line: &str| data.add_record(&name("lan."), line, 60, "c:1");
    add("_http._tcp SRV 0 0 80 printer").unwrap();
    add("web HTTPS 1 . alpn=h2").unwrap();
    add("alias CNAME printer.example.").unwrap();
    for (line, expected) in [
        ("", "expected OWNER [TTL] [IN] TYPE DATA"),
        ("printer", "expected OWNER [TTL] [IN] TYPE DATA"),
        ("printer A", "column"),
        ("printer A 192.0.2.300", "column 11"),
        ("printer A 192.0.2.1 more", "column"),
        ("printer B 192.0.2.1", "\"B\" is not a type"),
        ("printer 4294967295 A 192.0.2.1", "above 2147483647"),
        ("printer.example. A 192.0.2.1", "not at or below lan."),
        ("*.x A 192.0.2.1", "no wildcards"),
        ("printer RRSIG A", "RRSIG cannot be a local record"),
        ("alias A 192.0.2.1", "a CNAME stands alone"),
        ("p A 192.0.2.1\nq A 192.0.2.1", "one record"),
    ] {
        let error = add(line).unwrap_err();
        assert!(error.contains(expected), "{line:?}: {error}");
    }
    assert_eq!(
        said(&data, "_http._tcp.lan.", RrType::SRV),
        "_http._tcp.lan. 60 IN SRV 0 0 80 printer.lan. [c:1]"
    );
    assert!(said(&data, "alias.lan.", RrType::A).starts_with("alias.lan. 60 IN CNAME printer.example."));
}

#[test]
fn an_alias_into_a_refused_name_does_not_exist() {
    let data = zone(LocalType::Refuse, &[]);
    let (answer, source) = data.answer(name("x.corp.").as_ref(), RrType::A).unwrap();
    assert_eq!((answer.nxdomain, source.as_str()), (true, "c:1"));
}
