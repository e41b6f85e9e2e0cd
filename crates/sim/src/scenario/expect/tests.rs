use super::*;
use nw_wire::header::Flags;

fn seen() -> Seen {
    let record = |line: &str| Record::parse(line, NameRef::ROOT, DEFAULT_TTL).unwrap();
    let mut edns = crate::packet::Edns::default();
    nw_wire::edns::push_option(&mut edns.options, nw_wire::code::OptionCode::EDE, &[0, 22]);
    Seen {
        why: String::new(),
        malformed: None,
        reply: Some(Packet {
            flags: Flags::default().with_qr(true).with_ra(true),
            sections: [vec![record("a. 60 A 192.0.2.1")], vec![record("b. 60 NS c.")], vec![]],
            edns: Some(edns),
            ..Packet::default()
        }),
        octets: 60,
        took: 5000,
        asked: vec![("root".to_owned(), Transport::Udp), ("ns".to_owned(), Transport::Tcp)],
        cache_octets: 900,
        payload: 1232,
        reasons: ["not-cached", "referral", "lame", "answer"].map(str::to_owned).to_vec(),
    }
}

/// The field that differs for this `expect` table.
fn field(table: &str) -> Option<&'static str> {
    let expect: ExpectTable = toml::from_str(table).unwrap();
    reply(&expect, &seen()).or_else(|| behind(&expect, &seen())).map(|difference| difference.field)
}

#[test]
fn what_holds() {
    for table in [
        "",
        "rcode = \"NOERROR\"",
        "flags = [\"QR\", \"ra\"]",
        "no_flags = [\"AA\"]",
        "answer = [\"a. A 192.0.2.1\"]",
        "ttl = true\nanswer = [\"a. 60 A 192.0.2.1\"]",
        "authority = [\"b. NS c.\"]\nadditional = []",
        "contains = [\"B. NS c.\"]",
        "lacks = [\"a. A 192.0.2.2\", \"a. AAAA\", \"c. ANY\"]",
        "ede = [22]\nopt = true\nmax_octets = 60",
        "upstream = 2\nupstream_tcp = { min = 1 }\nasked = { root = 1, ns = { max = 1 }, other = 0 }",
        "reasons = [\"referral\", \"answer\"]\nno_reasons = [\"timeout\"]",
        "max_ms = 5\nmin_ms = 5",
    ] {
        assert_eq!(field(table), None, "{table}");
    }
}

#[test]
fn what_differs_is_named() {
    for (table, wanted) in [
        ("silence = true", "reply"),
        ("rcode = \"SERVFAIL\"", "rcode"),
        ("flags = [\"AA\"]", "flags"),
        ("no_flags = [\"RA\"]", "flags"),
        ("answer = []", "answer"),
        ("ttl = true\nanswer = [\"a. 61 A 192.0.2.1\"]", "answer"),
        ("authority = []", "authority"),
        ("additional = [\"x. A 192.0.2.1\"]", "additional"),
        ("contains = [\"a. A 192.0.2.9\"]", "contains"),
        ("lacks = [\"a. A\"]", "lacks"),
        ("lacks = [\"a. ANY\"]", "lacks"),
        ("lacks = [\"a. A 192.0.2.1\"]", "lacks"),
        ("ede = [23]", "ede"),
        ("opt = false", "opt"),
        ("max_octets = 59", "max_octets"),
        ("upstream = 3", "upstream"),
        ("upstream_tcp = 0", "upstream_tcp"),
        ("asked = { root = 2 }", "asked"),
        ("reasons = [\"answer\", \"referral\"]", "reasons"),
        ("no_reasons = [\"lame\"]", "reasons"),
        ("max_ms = 4", "max_ms"),
        ("min_ms = 6", "min_ms"),
    ] {
        assert_eq!(field(table), Some(wanted), "{table}");
    }
}

#[test]
fn silence() {
    let expect: ExpectTable = toml::from_str("silence = true").unwrap();
    assert_eq!(reply(&expect, &Seen::default()), None);
    assert!(reply(&ExpectTable::default(), &Seen::default()).is_some());
}

#[test]
fn bounded_numbers_are_measured() {
    let expect: ExpectTable = toml::from_str(
        "upstream = { max = 5 }\nasked = { ns = 1, root = { min = 1 } }\nmax_ms = 9\ncache_octets = { max = 1000 }\nmax_payload = 1232",
    )
    .unwrap();
    let seen = seen();
    assert_eq!(behind(&expect, &seen), None);
    let lines: Vec<String> = measures(&expect, &seen, 3)
        .into_iter()
        .map(|Measure { step, what, measured, bound }| format!("{step} {what} {measured} {bound}"))
        .collect();
    let wanted =
        ["3 upstream 2 at most 5", "3 asked ns 1 1", "3 cache_octets 900 at most 1000", "3 ms 5 at most 9"];
    assert_eq!(lines, wanted);
    for (key, field) in
        [("cache_octets = { max = 899 }", "cache_octets"), ("max_payload = 1231", "max_payload")]
    {
        let expect: ExpectTable = toml::from_str(key).unwrap();
        assert_eq!(behind(&expect, &seen).unwrap().field, field);
    }
}
