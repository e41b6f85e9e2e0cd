use super::*;
use crate::record::{DEFAULT_TTL, parse_question};
use nw_wire::code::{Opcode, Rcode};
use nw_wire::name::NameRef;

fn record(line: &str) -> Record {
    Record::parse(line, NameRef::ROOT, DEFAULT_TTL).unwrap()
}

fn base() -> Packet {
    Packet {
        flags: Flags::default().with_qr(true).with_ra(true),
        question: vec![parse_question("www.Example.com. IN A", NameRef::ROOT).unwrap()],
        sections: [
            vec![record("www.example.com. 60 A 192.0.2.1"), record("www.example.com. 60 A 192.0.2.2")],
            vec![record("example.com. SOA m. r. 17 2 3 4 5")],
            vec![record("ns.example.com. AAAA 2001:db8::1")],
        ],
        edns: Some(Edns {
            dnssec_ok: true,
            // NSID "hi", EDE 22 "why", COOKIE client and server.
            options: [
                &[0, 3, 0, 2, b'h', b'i'][..],
                &[0, 15, 0, 5, 0, 22, b'w', b'h', b'y'],
                &[0, 10, 0, 16, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9, 9, 9, 9, 9],
            ]
            .concat(),
            ..Edns::default()
        }),
        ..Packet::default()
    }
}

/// Whether `word` matches the base packet after `change`.
fn holds_over(word: &str, via: Transport, change: impl FnOnce(&mut Packet)) -> bool {
    let mut got = base();
    change(&mut got);
    let matches = Match::parse(word).unwrap_or_else(|| panic!("{word} is a word of MATCH"));
    difference(&matches, &base(), &got, via).is_none()
}

fn holds(word: &str, change: impl FnOnce(&mut Packet)) -> bool {
    holds_over(word, Transport::Udp, change)
}

fn question(packet: &mut Packet, line: &str) {
    packet.question = vec![parse_question(line, NameRef::ROOT).unwrap()];
}

fn options(packet: &mut Packet, octets: &[u8]) {
    packet.edns = Some(Edns { options: octets.to_vec(), ..Edns::default() });
}

#[test]
fn every_word_matches_the_same_message() {
    for word in [
        "all",
        "opcode",
        "qtype",
        "qname",
        "qcase",
        "subdomain",
        "flags",
        "rcode",
        "question",
        "answer",
        "authority",
        "additional",
        "ttl",
        "UDP",
        "DO",
        "edns",
        "ednsdata",
        "serial=17",
        "nsid",
        "ede=any",
        "ede=22",
        "ede_text",
        "client_cookie",
        "server_cookie",
    ] {
        assert!(holds(word, |_| ()), "{word}");
    }
    assert!(!holds("noedns", |_| ()));
    assert!(!holds("TCP", |_| ()));
}

#[test]
fn opcode() {
    assert!(!holds("opcode", |got| got.flags = got.flags.with_opcode(Opcode::NOTIFY)));
    assert!(!holds("all", |got| got.flags = got.flags.with_opcode(Opcode::NOTIFY)));
}

#[test]
fn the_question_and_its_parts() {
    assert!(!holds("qtype", |got| question(got, "www.example.com. AAAA")));
    assert!(holds("qtype", |got| question(got, "other. A")));
    assert!(holds("qname", |got| question(got, "WWW.EXAMPLE.com. AAAA")));
    assert!(!holds("qname", |got| question(got, "w.example.com. A")));
    assert!(!holds("qname", |got| got.question.clear()));
    assert!(!holds("qcase", |got| question(got, "www.example.com. A")));
    assert!(holds("qcase", |got| question(got, "www.Example.com. MX")));
    assert!(holds("subdomain", |got| question(got, "a.b.WWW.example.com. MX")));
    assert!(!holds("subdomain", |got| question(got, "example.com. A")));
    assert!(!holds("subdomain", |got| question(got, "xwww.example.com. A")));
    assert!(holds("question", |got| question(got, "www.example.COM. A")));
    assert!(!holds("question", |got| question(got, "www.example.com. CH A")));
    assert!(!holds("question", |got| got.question.clear()));
}

#[test]
fn flags_and_rcode() {
    for change in [Flags::with_qr as fn(Flags, bool) -> Flags, Flags::with_ra] {
        assert!(!holds("flags", |got| got.flags = change(got.flags, false)));
    }
    for change in [
        Flags::with_aa as fn(Flags, bool) -> Flags,
        Flags::with_tc,
        Flags::with_rd,
        Flags::with_ad,
        Flags::with_cd,
    ] {
        assert!(!holds("flags", |got| got.flags = change(got.flags, true)));
    }
    assert!(holds("flags", |got| got.flags = got.flags.with_z(true)));
    assert!(!holds("rcode", |got| got.rcode = Rcode::NXDOMAIN));
    assert!(!holds("rcode", |got| got.rcode = Rcode::BADVERS), "the extended part counts");
}

#[test]
fn sections_are_sets() {
    for (at, word) in ["answer", "authority", "additional"].into_iter().enumerate() {
        assert!(!holds(word, |got| got.sections[at].clear()), "{word}");
        assert!(!holds(word, |got| got.sections[at].push(record("x. A 192.0.2.9"))), "{word}");
        assert!(!holds("all", |got| got.sections[at].clear()), "{word}");
        assert!(holds(word, |got| got.sections[at].reverse()), "{word}");
        assert!(holds(word, |got| got.sections[at][0].ttl = 1), "{word}");
        assert!(holds(word, |got| got.sections[(at + 1) % 3].clear()), "{word}");
    }
    let doubled = |got: &mut Packet| {
        let first = got.sections[0][0].clone();
        got.sections[0].push(first);
    };
    assert!(holds("answer", doubled));
}

#[test]
fn ttl_applies_to_the_compared_sections() {
    let aged = Packet { sections: [vec![record("a. 59 A 192.0.2.1")], vec![], vec![]], ..Packet::default() };
    let fresh = Packet { sections: [vec![record("a. 60 A 192.0.2.1")], vec![], vec![]], ..Packet::default() };
    assert_eq!(difference(&[Match::Answer], &fresh, &aged, Transport::Udp), None);
    let found = difference(&[Match::Ttl, Match::Answer], &fresh, &aged, Transport::Udp).unwrap();
    assert_eq!(found.to_string(), "answer: expected a. 60 IN A 192.0.2.1, got a. 59 IN A 192.0.2.1");
}

#[test]
fn transport() {
    assert!(holds_over("TCP", Transport::Tcp, |_| ()));
    assert!(!holds_over("UDP", Transport::Tcp, |_| ()));
}

#[test]
fn edns_and_its_options() {
    assert!(holds("noedns", |got| got.edns = None));
    for word in
        ["DO", "edns", "ednsdata", "nsid", "ede=any", "ede=22", "ede_text", "client_cookie", "server_cookie"]
    {
        assert!(!holds(word, |got| got.edns = None), "{word}");
    }
    assert!(!holds("DO", |got| got.edns = Some(Edns::default())));
    assert!(!holds("ednsdata", |got| options(got, &[0, 3, 0, 0])));
    assert!(!holds("nsid", |got| options(got, &[0, 3, 0, 2, b'h', b'o'])));
    assert!(!holds("ede=22", |got| options(got, &[0, 15, 0, 2, 0, 23])));
    assert!(holds("ede=any", |got| options(got, &[0, 15, 0, 2, 0, 23])));
    assert!(!holds("ede_text", |got| options(got, &[0, 15, 0, 2, 0, 22])));
    assert!(!holds("client_cookie", |got| options(got, &[0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 9])));
    assert!(holds("client_cookie", |got| options(got, &[0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8])));
    assert!(!holds("server_cookie", |got| options(got, &[0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8])));
}

#[test]
fn an_entry_without_options_matches_any() {
    let plain = Packet { edns: None, ..base() };
    for word in ["nsid", "ede_text", "client_cookie", "server_cookie", "ede"] {
        let matches = Match::parse(word).unwrap();
        assert_eq!(difference(&matches, &plain, &base(), Transport::Udp), None, "{word}");
        assert!(difference(&matches, &plain, &plain, Transport::Udp).is_some(), "{word}");
    }
}

#[test]
fn serial() {
    assert!(!holds("serial=17", |got| got.sections[1].clear()));
    assert!(holds("serial=17", |got| {
        got.sections[1].clear();
        got.sections[0].push(record("x. SOA m. r. 17 2 3 4 5"));
    }));
    assert!(!holds("serial=17", |got| got.sections[1] = vec![record("x. SOA m. r. 18 2 3 4 5")]));
}

#[test]
fn unknown_words_are_refused() {
    for word in ["", "everything", "serial=", "serial=x", "ede=x", "tll", "qname=1"] {
        assert_eq!(Match::parse(word), None, "{word}");
    }
}
