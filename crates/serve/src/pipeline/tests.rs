use nw_cache::{Cache, KeptFailure, Rank};
use nw_resolve::Trace;
use nw_wire::{Class, Message, Opcode, OptionCode, RrType, Rrset, Section};
use proptest::prelude::*;

use super::*;
use crate::plan::RecorderPlan;
use crate::testing::{ask, client, environment, loopback, name, question, snapshot};
use crate::{DryRun, Recorder, Snapshot, Transport};

const PLAIN: &str = r#"{"version":1,ZONES}"#;
const RECURSIVE: &str =
    r#"{"version":1,ZONES,"resolver":{"forward":[{"suffix":".","servers":["127.0.0.1:1"]}]}}"#;

fn show(reply: &[u8]) -> String {
    let message = Message::parse(reply).expect("what we send is valid");
    let flags = message.flags();
    let bits = [(flags.aa(), "aa"), (flags.tc(), "tc"), (flags.rd(), "rd"), (flags.ra(), "ra")];
    let bits: Vec<_> = bits.iter().filter(|(on, _)| *on).map(|(_, bit)| *bit).collect();
    let count = |section| message.records(section).count();
    let ede = edes(&message).iter().map(|code| format!(" ede{code}")).collect::<String>();
    format!(
        "{} {} {}/{}/{}{ede}",
        message.rcode(),
        bits.join("+"),
        count(Section::Answer),
        count(Section::Authority),
        count(Section::Additional)
    )
}

fn length(handled: Handled) -> usize {
    match handled {
        Handled::Reply(length) => length,
        other => panic!("{other:?}"),
    }
}

fn later(environment: &Environment<'_>, packet: &[u8]) -> Box<Pending> {
    match handle(environment, packet, loopback(), Transport::Udp, &mut [0; 4096]) {
        Handled::Later(pending) => pending,
        other => panic!("{other:?}"),
    }
}

fn edes(message: &Message<'_>) -> Vec<u16> {
    let options = message.opt().map(|opt| opt.raw_options().collect::<Vec<_>>()).unwrap_or_default();
    let data = options.into_iter().filter(|(code, _)| *code == OptionCode::EDE).map(|(_, data)| data);
    data.map(|data| u16::from_be_bytes([data[0], data[1]])).collect()
}

#[test]
fn a_zone_is_answered_from() {
    let plain = snapshot(PLAIN);
    for (qname, qtype, shown) in [
        ("www.example.com.", RrType::A, "NOERROR aa+rd 1/0/0"),
        ("www.example.com.", RrType::MX, "NOERROR aa+rd 0/1/0"),
        ("alias.example.com.", RrType::A, "NOERROR aa+rd 2/0/0"),
        ("away.example.com.", RrType::A, "NOERROR aa+rd 1/0/0"),
        ("x.wild.example.com.", RrType::TXT, "NOERROR aa+rd 1/0/0"),
        ("missing.example.com.", RrType::A, "NXDOMAIN aa+rd 0/1/0"),
        ("a.sub.example.com.", RrType::A, "NOERROR rd 0/1/1"),
        ("example.net.", RrType::A, "REFUSED rd 0/0/0"),
        ("big.example.com.", RrType::TXT, "NOERROR aa+tc+rd 0/0/0"),
    ] {
        let reply = ask(&plain, &question(qname, qtype, Class::IN, None), client());
        assert_eq!(show(&reply), shown, "{qname} {qtype}");
    }
    let reply = ask(&plain, &question("big.example.com.", RrType::TXT, Class::IN, Some(4096)), client());
    assert_eq!(show(&reply), "NOERROR aa+rd 1/0/1");
}

#[test]
fn the_question_comes_back_as_it_was_asked() {
    let packet = question("wWw.eXample.COM.", RrType::A, Class::IN, None);
    let reply = ask(&snapshot(PLAIN), &packet, client());
    assert_eq!(&reply[12..packet.len()], &packet[12..]);
    assert_eq!(
        Message::parse(&reply).expect("valid").answer().next().expect("one").owner().to_string(),
        "wWw.eXample.COM."
    );
}

#[test]
fn edns_is_answered_with_edns() {
    let plain = snapshot(r#"{"version":1,ZONES,"server":{"nsid":"6e77","udp_payload":1400}}"#);
    let reply = ask(&plain, &question("www.example.com.", RrType::A, Class::IN, Some(4096)), client());
    let message = Message::parse(&reply).expect("valid");
    let opt = message.opt().expect("an OPT for an OPT");
    assert_eq!((opt.udp_payload(), opt.version(), opt.dnssec_ok()), (1400, 0, true));
    let options: Vec<_> = opt.raw_options().collect();
    assert_eq!(options, [(OptionCode::NSID, &b"nw"[..])]);

    let mut packet = question("www.example.com.", RrType::A, Class::IN, Some(4096));
    let version = packet.len() - 9;
    packet[version] = 1;
    let reply = ask(&plain, &packet, client());
    assert_eq!(show(&reply), "BADVERS rd 0/0/1");
    let message = Message::parse(&reply).expect("valid");
    assert_eq!(
        message.opt().expect("an OPT").raw_options().count(),
        0,
        "of another version (RFC 6891 §6.1.3)"
    );

    // An error without a question has OPT, too (RFC 6891 §6.1.1).
    let mut packet = question("www.example.com.", RrType::A, Class::IN, Some(4096));
    packet[2] = 2 << 3;
    let reply = ask(&plain, &packet, client());
    assert_eq!((reply.len(), show(&reply)), (23, "NOTIMP  0/0/1".into()));
    let message = Message::parse(&reply).expect("valid");
    let opt = message.opt().expect("an OPT");
    assert_eq!((opt.udp_payload(), opt.version(), opt.dnssec_ok()), (1400, 0, true));
}

#[test]
fn a_reply_is_never_larger_than_client_and_server_want() {
    for (payload, plan, limit) in
        [(None, 4096, 512), (Some(600), 4096, 600), (Some(100), 4096, 512), (Some(4096), 560, 560)]
    {
        let snapshot = snapshot(&format!(r#"{{"version":1,ZONES,"server":{{"udp_payload":{plan}}}}}"#));
        let packet = question("big.example.com.", RrType::TXT, Class::IN, payload);
        let reply = ask(&snapshot, &packet, client());
        assert!(reply.len() <= limit, "{} octets of {limit}", reply.len());
        match snapshot.answer(&packet, client(), Transport::Tcp) {
            DryRun::Reply(reply) => assert!(!Message::parse(&reply).expect("valid").flags().tc()),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_is_refused_says_why() {
    let recursive = snapshot(RECURSIVE);
    for (qname, qtype, qclass, shown) in [
        ("example.net.", RrType::A, Class::IN, "REFUSED rd 0/0/1 ede18"),
        ("www.example.com.", RrType::A, Class::CH, "REFUSED rd 0/0/1 ede20"),
        ("version.bind.", RrType::TXT, Class::CH, "REFUSED rd 0/0/1 ede20"),
        ("example.com.", RrType::AXFR, Class::IN, "REFUSED rd 0/0/1 ede18"),
        ("www.example.com.", RrType::IXFR, Class::IN, "NOTAUTH rd 0/0/1 ede20"),
        ("example.com.", RrType(249), Class::IN, "NOTIMP rd 0/0/1 ede21"),
        ("example.com.", RrType(128), Class::IN, "FORMERR rd 0/0/1 ede30"),
        ("example.com.", RrType(41), Class::IN, "FORMERR rd 0/0/1 ede21"),
        ("example.com.", RrType(0), Class::IN, "FORMERR rd 0/0/1 ede21"),
    ] {
        let reply = ask(&recursive, &question(qname, qtype, qclass, Some(1232)), client());
        assert_eq!(show(&reply), shown, "{qname} {qtype} {qclass}");
    }
    let plain = snapshot(PLAIN);
    let reply = ask(&plain, &question("example.net.", RrType::A, Class::IN, Some(1232)), loopback());
    assert_eq!(show(&reply), "REFUSED rd 0/0/1 ede20", "nobody recurses here");
}

#[test]
fn recursion_is_for_those_who_may_and_ask() {
    let recursive = snapshot(RECURSIVE);
    let packet = question("www.Example.net.", RrType::A, Class::IN, Some(1232));
    match recursive.answer(&packet, loopback(), Transport::Udp) {
        DryRun::Lookup(question) => {
            assert_eq!((question.name.to_string().as_str(), question.dnssec_ok), ("www.Example.net.", true));
        }
        other => panic!("{other:?}"),
    }
    let mut unasked = packet.clone();
    unasked[2] = 0;
    assert_eq!(show(&ask(&recursive, &unasked, loopback())), "REFUSED ra 0/0/1 ede20", "nothing is cached");
    let own = question("www.example.com.", RrType::A, Class::IN, None);
    assert_eq!(show(&ask(&recursive, &own, loopback())), "NOERROR aa+rd+ra 1/0/0");
    assert_eq!(show(&ask(&recursive, &own, client())), "NOERROR aa+rd 1/0/0");
}

#[test]
fn a_resolver_goes_on_where_its_zones_end() {
    let recursive = Arc::new(snapshot(RECURSIVE));
    let room = &mut [0; 4096];
    let stats = Stats::default();
    let environment = environment(&recursive, &stats);
    let mut later = |qname: &str| {
        let packet = question(qname, RrType::A, Class::IN, Some(1232));
        match handle(&environment, &packet, loopback(), Transport::Udp, room) {
            Handled::Later(pending) => pending,
            other => panic!("{qname}: {other:?}"),
        }
    };
    let below_cut = later("a.sub.example.com.");
    assert_eq!(
        (below_cut.ask.question.name.to_string().as_str(), below_cut.ask.before.answer.len()),
        ("a.sub.example.com.", 0)
    );
    let away = later("away.example.com.");
    assert_eq!(
        (away.ask.question.name.to_string().as_str(), away.ask.before.answer.len()),
        ("www.example.net.", 1)
    );

    let mut found = Resolution::empty(Rcode::NOERROR);
    let mut set = Rrset::new(name("www.example.net."), RrType::A, Class::IN, 60);
    set.rdatas.push(&[192, 0, 2, 7]);
    found.answer.push(set);
    let length = length(complete(&environment, away, &[found], room));
    let reply = Message::parse(&room[..length]).expect("valid");
    let owners: Vec<_> = reply.answer().map(|record| record.owner().to_string()).collect();
    assert_eq!(owners, ["away.example.com.", "www.example.net."]);
    assert_eq!(show(&room[..length]), "NOERROR aa+rd+ra 2/0/1", "AA speaks of the first owner, the alias");
}

/// Three authoritative zones with aliases to each other. Only loopback may query the last one.
fn neighbours() -> Snapshot {
    let soa = "$TTL 60\n@ SOA ns1 hostmaster 7 7200 3600 1209600 300\n@ NS ns1\nns1 A 192.0.2.1\n";
    let com = "to-net CNAME www.example.net.\nto-missing CNAME missing.example.net.\nto-mx CNAME mx.example.net.\n\
               round CNAME round.example.net.\ntwice CNAME back.example.net.\nlast A 192.0.2.9\n\
               to-sub CNAME www.sub\nsub NS ns.sub\nns.sub A 192.0.2.2\nfar CNAME far.example.net.\n\
               delegated CNAME www.else.example.net.\nclosed CNAME www.closed.example.\n\
               tree DNAME example.net.\nto-big CNAME big.example.net.\n";
    let net = "www A 192.0.2.7\nmx MX 10 mail\nmail A 192.0.2.8\nround CNAME round.example.com.\n\
               back CNAME last.example.com.\nfar CNAME www.example.org.\nelse NS ns.example.org.\n";
    let big: String = (0..50).map(|i| format!("big A 192.0.3.{i}\n")).collect();
    let zones = [
        ("example.com.", format!("{soa}{com}")),
        ("example.net.", format!("{soa}{net}{big}")),
        ("sub.example.com.", format!("{soa}www A 192.0.2.3\n")),
        ("closed.example.", format!("{soa}www A 192.0.2.4\n")),
    ];
    let zones = zones.iter().map(|(apex, text)| crate::testing::zone(apex, text)).collect();
    let plan = br#"{"version":1,
        "zones":[{"name":"example.com."},{"name":"example.net."},{"name":"sub.example.com."},
                 {"name":"closed.example.","query_acl":["192.0.2.0/24"]}],
        "resolver":{"forward":[{"suffix":".","servers":["127.0.0.1:1"]}]}}"#;
    Snapshot::build(plan, zones).unwrap_or_else(|errors| panic!("{errors:?}"))
}

#[test]
fn an_alias_into_another_zone_of_ours_is_answered_from_there() {
    let neighbours = Arc::new(neighbours());
    for (qname, qtype, shown, owners) in [
        ("to-net.example.com.", RrType::A, "NOERROR aa+rd+ra 2/0/1", "to-net.example.com. www.example.net."),
        ("to-net.example.com.", RrType::MX, "NOERROR aa+rd+ra 1/1/1", "to-net.example.com."),
        ("to-missing.example.com.", RrType::A, "NXDOMAIN aa+rd+ra 1/1/1", "to-missing.example.com."),
        ("to-mx.example.com.", RrType::MX, "NOERROR aa+rd+ra 2/0/2", "to-mx.example.com. mx.example.net."),
        (
            "to-sub.example.com.",
            RrType::A,
            "NOERROR aa+rd+ra 2/0/1",
            "to-sub.example.com. www.sub.example.com.",
        ),
        (
            "twice.example.com.",
            RrType::A,
            "NOERROR aa+rd+ra 3/0/1",
            "twice.example.com. back.example.net. last.example.com.",
        ),
        (
            "www.tree.example.com.",
            RrType::A,
            "NOERROR aa+rd+ra 3/0/1",
            "tree.example.com. www.tree.example.com. www.example.net.",
        ),
        ("round.example.com.", RrType::A, "NOERROR aa+rd+ra 2/0/1", "round.example.com. round.example.net."),
        ("closed.example.com.", RrType::A, "NOERROR aa+rd+ra 1/0/1 ede18", "closed.example.com."),
        ("to-big.example.com.", RrType::A, "NOERROR aa+tc+rd+ra 1/0/1", "to-big.example.com."),
    ] {
        let payload = if qname == "to-big.example.com." { 600 } else { 1232 };
        let reply = ask(&neighbours, &question(qname, qtype, Class::IN, Some(payload)), loopback());
        assert_eq!(show(&reply), shown, "{qname} {qtype}");
        let message = Message::parse(&reply).expect("valid");
        let found: Vec<_> = message.answer().map(|record| record.owner().to_string()).collect();
        assert_eq!(found.join(" "), owners, "{qname} {qtype}");
    }
    // The resolver answers for a target outside of all authoritative zones, after their records.
    let stats = Stats::default();
    let environment = environment(&neighbours, &stats);
    for (qname, wanted, before) in
        [("far.example.com.", "www.example.org.", 2), ("delegated.example.com.", "www.else.example.net.", 1)]
    {
        let packet = question(qname, RrType::A, Class::IN, Some(1232));
        match handle(&environment, &packet, loopback(), Transport::Udp, &mut [0; 4096]) {
            Handled::Later(pending) => {
                let chain = &pending.ask.before.answer;
                let question = &pending.ask.question;
                assert_eq!((question.name.to_string().as_str(), chain.len()), (wanted, before));
            }
            other => panic!("{qname}: {other:?}"),
        }
    }
    // A client without recursion, or that does not ask for it, gets the alias.
    let packet = question("to-net.example.com.", RrType::A, Class::IN, Some(1232));
    assert_eq!(show(&ask(&neighbours, &packet, client())), "NOERROR aa+rd 1/0/1");
    let mut unasked = packet;
    unasked[2] = 0;
    assert_eq!(show(&ask(&neighbours, &unasked, loopback())), "NOERROR aa+ra 1/0/1");
}

#[test]
fn a_failure_carries_its_reasons_as_far_as_they_fit() {
    let recursive = Arc::new(snapshot(RECURSIVE));
    let stats = Stats::default();
    let environment = environment(&recursive, &stats);
    let mut room = [0; 4096];
    let packet = question("www.example.net.", RrType::A, Class::IN, Some(512));
    let Handled::Later(pending) = handle(&environment, &packet, loopback(), Transport::Udp, &mut room) else {
        panic!("it must be looked up")
    };
    let mut failed = Resolution::empty(Rcode::SERVFAIL);
    failed.ede = vec![
        (Ede::NO_REACHABLE_AUTHORITY, "192.0.2.1 timed out".to_owned()),
        (Ede::NETWORK_ERROR, "ä".repeat(1000)),
        (Ede::OTHER, "never said".to_owned()),
    ];
    let length = length(complete(&environment, pending, &[failed], &mut room));
    assert_eq!(show(&room[..length]), "SERVFAIL rd+ra 0/0/1 ede22 ede23");
    let pending = later(&environment, &packet);
    let length = self::length(give_up(&environment, pending, &internal_failure(), &mut room));
    assert_eq!(show(&room[..length]), "SERVFAIL rd+ra 0/0/1 ede0", "RA as in every response to this client");
    let sums = crate::stats::total([&stats]);
    assert!(
        sums.contains(&("rcode.SERVFAIL".to_owned(), 2)) && sums.contains(&("queries.udp4".to_owned(), 2))
    );
}

#[test]
fn the_server_says_of_itself_what_it_is_set_to() {
    let named = snapshot(
        r#"{"version":1,ZONES,"server":{"identity":"a1","version":"namewise"},
            "acls":{"control_names":{"Version.Bind":["127.0.0.1"]}}}"#,
    );
    for (qname, from, shown) in [
        ("id.server.", client(), "NOERROR aa+rd 1/0/0"),
        ("Hostname.BIND.", client(), "NOERROR aa+rd 1/0/0"),
        ("version.server.", client(), "NOERROR aa+rd 1/0/0"),
        ("version.bind.", client(), "REFUSED rd 0/0/0"),
        ("version.bind.", loopback(), "NOERROR aa+rd 1/0/0"),
        ("authors.bind.", loopback(), "REFUSED rd 0/0/0"),
    ] {
        assert_eq!(
            show(&ask(&named, &question(qname, RrType::TXT, Class::CH, None), from)),
            shown,
            "{qname}"
        );
    }
    let reply = ask(&named, &question("id.server.", RrType::TXT, Class::CH, None), client());
    assert_eq!(Message::parse(&reply).expect("valid").answer().next().expect("one").rdata_raw(), b"\x02a1");
    let reply = ask(&named, &question("id.server.", RrType::A, Class::CH, None), client());
    assert_eq!(show(&reply), "NOERROR aa+rd 0/0/0");
}

#[test]
fn access_lists_of_server_and_zone() {
    let narrow = snapshot(r#"{"version":1,ZONES,"acls":{"query":["127.0.0.0/8"]}}"#);
    let packet = question("www.example.com.", RrType::A, Class::IN, Some(1232));
    assert_eq!(show(&ask(&narrow, &packet, client())), "REFUSED rd 0/0/1 ede18");
    assert_eq!(show(&ask(&narrow, &packet, loopback())), "NOERROR aa+rd 1/0/1");
    let opened = snapshot(
        r#"{"version":1,"zones":[{"name":"example.com.","query_acl":["192.0.2.0/24"]}],"acls":{"query":["127.0.0.0/8"]}}"#,
    );
    assert_eq!(show(&ask(&opened, &packet, client())), "NOERROR aa+rd 1/0/1");
    assert_eq!(show(&ask(&opened, &packet, loopback())), "REFUSED rd 0/0/1 ede18");
    let other = question("example.net.", RrType::A, Class::IN, Some(1232));
    assert_eq!(show(&ask(&opened, &other, client())), "REFUSED rd 0/0/1 ede18");
}

#[test]
fn a_query_signed_with_an_unknown_key_gets_badkey() {
    let plain = snapshot(PLAIN);
    for payload in [None, Some(512)] {
        let mut packet = question("www.example.com.", RrType::A, Class::IN, payload);
        packet[11] += 1;
        packet.extend_from_slice(b"\x03key\0\0\xfa\0\xff\0\0\0\0\0\x2d\x0bhmac-sha256\0");
        packet.extend_from_slice(b"\0\0\x60\0\0\0\x01\x2c\0\x10MACMACMACMACMAC!\x12\x34\0\0\0\0");
        let reply = ask(&plain, &packet, client());
        let message = Message::parse(&reply).expect("valid");
        assert_eq!(message.rcode(), Rcode::NOTAUTH);
        let record = message.tsig().expect("it says why");
        assert_eq!((record.owner().to_string().as_str(), record.class, record.ttl), ("key.", Class::ANY, 0));
        let tsig = nw_wire::tsig::Tsig::parse(record.rdata_raw()).expect("valid");
        assert_eq!((tsig.error, tsig.time_signed_s, tsig.mac), (Rcode::BADKEY, 0x6000_0000, &[][..]));
        assert_eq!(message.opt().is_some(), payload.is_some());
    }
}

#[test]
fn malformed_packets_and_other_opcodes() {
    let plain = snapshot(PLAIN);
    let right = question("www.example.com.", RrType::A, Class::IN, None);
    let header = |reply: &[u8]| (reply.len(), Header::read(reply).expect("a header"));
    let mut long = right.clone();
    long.push(0);
    let (length, reply) = header(&ask(&plain, &long, client()));
    assert_eq!((length, reply.id, reply.flags.rcode(), reply.flags.qr()), (12, 0x1234, Rcode::FORMERR, true));
    for opcode in 1..16u8 {
        let mut other = right.clone();
        other[2] = opcode << 3;
        let (_, reply) = header(&ask(&plain, &other, client()));
        assert_eq!((reply.flags.rcode(), reply.flags.opcode()), (Rcode::NOTIMP, Opcode(opcode)));
    }
    for silent in [&right[..11], &[][..]] {
        assert_eq!(plain.answer(silent, client(), Transport::Udp), DryRun::Silence);
    }
    let mut reply = right.clone();
    reply[2] |= 0x80;
    assert_eq!(plain.answer(&reply, client(), Transport::Udp), DryRun::Silence);
}

proptest! {
    /// Any octets get either no response or a valid response with their id of at most 4096 octets, and never cause a
    /// panic.
    #[test]
    fn any_octets(mut packet in prop::collection::vec(any::<u8>(), 0..100), usual: bool, tcp: bool) {
        let recursive = Arc::new(snapshot(RECURSIVE));
        if usual {
            let mut right = question("www.example.com.", RrType::A, Class::IN, Some(1232));
            for (i, octet) in packet.iter().enumerate().filter(|(i, _)| i % 9 == 0) {
                let at = (usize::from(*octet) * 7 + i) % right.len();
                right[at] ^= octet;
            }
            packet = right;
        }
        let transport = if tcp { Transport::Tcp } else { Transport::Udp };
        let stats = Stats::default();
        let environment = environment(&recursive, &stats);
        let mut room = vec![0; 65_535];
        match handle(&environment, &packet, client(), transport, &mut room) {
            Handled::Reply(length) => {
                let reply = Message::parse(&room[..length]).expect("valid");
                prop_assert!(reply.flags().qr() && reply.bytes()[..2] == packet[..2]);
                prop_assert!(length <= 1232 || tcp);
            }
            Handled::Drop => prop_assert!(packet.len() < 12 || packet[2] & 0x80 != 0),
            Handled::Later(_) => {}
            other => panic!("{other:?}"),
        }
        prop_assert_eq!(stats.panics.value(), 0);
    }
}

/// A zone with NSEC and RRSIG records whose signatures are not valid.
fn signed() -> Snapshot {
    let sig = |covered: &str, labels: u8| {
        format!("RRSIG {covered} 13 {labels} 60 20300101000000 20200101000000 1 example.com. AAAA")
    };
    let text = format!(
        "$TTL 60\n@ SOA ns1 hostmaster 7 7200 3600 1209600 300\n@ {}\n@ NS ns1\n@ {}\n@ NSEC ns1 NS SOA RRSIG NSEC\n\
         @ {}\n@ DNSKEY 257 3 13 AAAA\n@ {}\nns1 A 192.0.2.1\nns1 {}\nns1 NSEC *.wild A RRSIG NSEC\nns1 {}\n\
         *.wild CNAME www.example.net.\n*.wild {}\n*.wild NSEC example.com. CNAME RRSIG NSEC\n*.wild {}\n",
        sig("SOA", 2),
        sig("NS", 2),
        sig("NSEC", 2),
        sig("DNSKEY", 2),
        sig("A", 3),
        sig("NSEC", 3),
        sig("CNAME", 3),
        sig("NSEC", 3)
    );
    let zone = crate::testing::zone("example.com.", &text);
    let plan = RECURSIVE.replace("ZONES", r#""zones":[{"name":"example.com."}]"#);
    Snapshot::build(plan.as_bytes(), vec![zone]).unwrap_or_else(|errors| panic!("{errors:?}"))
}

#[test]
fn a_late_answer_keeps_the_proof_of_a_wildcard_alias() {
    let (signed, stats) = (Arc::new(signed()), Stats::default());
    let environment = environment(&signed, &stats);
    let packet = question("x.wild.example.com.", RrType::A, Class::IN, Some(1232));
    let mut room = [0; 4096];
    let types = |reply: &[u8], section| -> Vec<String> {
        let message = Message::parse(reply).expect("valid");
        message.records(section).map(|record| record.rtype.to_string()).collect()
    };
    // The answer of the same zone to a client that does not ask for recursion.
    let mut unasked = packet.clone();
    unasked[2] = 0;
    let at_once = ask(&signed, &unasked, loopback());
    assert_eq!(types(&at_once, Section::Authority), ["NSEC", "RRSIG"]);
    let mut found = Resolution::empty(Rcode::NOERROR);
    let mut set = Rrset::new(name("www.example.net."), RrType::A, Class::IN, 60);
    set.rdatas.push(&[192, 0, 2, 7]);
    found.answer.push(set);
    let length = length(complete(&environment, later(&environment, &packet), &[found], &mut room));
    assert_eq!(types(&room[..length], Section::Answer), ["CNAME", "RRSIG", "A"]);
    assert_eq!(types(&room[..length], Section::Authority), ["NSEC", "RRSIG"]);
    assert!(Message::parse(&room[..length]).expect("valid").flags().aa());
}

#[test]
fn locally_served_zones_are_not_looked_up() {
    let shown = |plan: &Snapshot, qname: &str, qtype| match plan.answer(
        &question(qname, qtype, Class::IN, Some(1232)),
        loopback(),
        Transport::Udp,
    ) {
        DryRun::Reply(reply) => show(&reply),
        DryRun::Lookup(_) => "lookup".to_owned(),
        DryRun::Silence => "silence".to_owned(),
    };
    let recursive = snapshot(RECURSIVE);
    for (qname, qtype, expected) in [
        ("1.2.0.10.in-addr.arpa.", RrType::PTR, "NXDOMAIN aa+rd+ra 0/1/1"),
        ("10.in-addr.arpa.", RrType::SOA, "NOERROR aa+rd+ra 1/0/1"),
        ("10.in-addr.arpa.", RrType::A, "NOERROR aa+rd+ra 0/1/1"),
        ("10.in-addr.arpa.", RrType::DS, "lookup"),
        ("1.31.172.in-addr.arpa.", RrType::PTR, "NXDOMAIN aa+rd+ra 0/1/1"),
        ("1.32.172.in-addr.arpa.", RrType::PTR, "lookup"),
        ("1.127.100.in-addr.arpa.", RrType::PTR, "NXDOMAIN aa+rd+ra 0/1/1"),
        ("1.d.f.ip6.arpa.", RrType::PTR, "NXDOMAIN aa+rd+ra 0/1/1"),
        ("www.Test.", RrType::A, "NXDOMAIN aa+rd+ra 0/1/1"),
        ("printer.home.arpa.", RrType::A, "NXDOMAIN aa+rd+ra 0/1/1"),
        ("_dns.resolver.arpa.", RrType(64), "NXDOMAIN aa+rd+ra 0/1/1"),
        ("ipv4only.arpa.", RrType::A, "NOERROR aa+rd+ra 2/0/1"),
        ("ipv4only.arpa.", RrType::AAAA, "NOERROR aa+rd+ra 0/1/1"),
        ("170.0.0.192.in-addr.arpa.", RrType::PTR, "NOERROR aa+rd+ra 1/0/1"),
        ("arpa.", RrType::SOA, "lookup"),
        ("contest.", RrType::A, "lookup"),
        ("www.example.net.", RrType::A, "lookup"),
    ] {
        assert_eq!(shown(&recursive, qname, qtype), expected, "{qname} {qtype}");
    }
    let resolver = r#""resolver":{"local_zones_off":["test."],"forward":[{"suffix":".","servers":["127.0.0.1:1"]},
        {"suffix":"1.10.in-addr.arpa.","servers":["127.0.0.1:1"]}]}}"#;
    let fewer = snapshot(&format!(r#"{{"version":1,ZONES,{resolver}"#));
    assert_eq!(shown(&fewer, "www.test.", RrType::A), "lookup", "turned off");
    assert_eq!(shown(&fewer, "5.1.10.in-addr.arpa.", RrType::PTR), "lookup", "forwarded");
    assert_eq!(shown(&fewer, "5.2.10.in-addr.arpa.", RrType::PTR), "NXDOMAIN aa+rd+ra 0/1/1");
    // An alias in an authoritative zone leads there, too.
    let plan = RECURSIVE.replace("ZONES", r#""zones":[{"name":"example.com."}]"#);
    let text = "$TTL 60\n@ SOA ns h 7 7200 3600 1209600 300\n@ NS ns\nns A 192.0.2.1\n\
        gone CNAME 1.2.0.10.in-addr.arpa.\nhere CNAME ipv4only.arpa.\n";
    let zones = vec![crate::testing::zone("example.com.", text)];
    let aliases = Snapshot::build(plan.as_bytes(), zones).unwrap_or_else(|errors| panic!("{errors:?}"));
    assert_eq!(shown(&aliases, "gone.example.com.", RrType::PTR), "NXDOMAIN aa+rd+ra 1/1/1");
    assert_eq!(shown(&aliases, "here.example.com.", RrType::A), "NOERROR aa+rd+ra 3/0/1");
    // A client without recursion gets no locally served zone either.
    let packet = question("www.test.", RrType::A, Class::IN, None);
    assert_eq!(show(&ask(&recursive, &packet, client())), "REFUSED rd 0/0/0");
}

#[test]
fn without_rd_the_cache_answers_where_the_access_list_allows() {
    let (recursive, stats) = (Arc::new(snapshot(RECURSIVE)), Stats::default());
    let cache = crate::testing::cache();
    let environment = Environment { cache: Some(&cache), ..environment(&recursive, &stats) };
    let mut room = [0; 4096];
    let mut show_for = |qname: &str, from| {
        let mut packet = question(qname, RrType::A, Class::IN, None);
        packet[2] = 0;
        let length = length(handle(&environment, &packet, from, Transport::Udp, &mut room));
        show(&room[..length])
    };
    assert_eq!(show_for("cached.example.net.", loopback()), "NOERROR ra 1/0/0");
    assert_eq!(show_for("other.example.net.", loopback()), "REFUSED ra 0/0/0");
    assert_eq!(show_for("cached.example.net.", client()), "REFUSED  0/0/0");
}

#[test]
fn class_any_is_answered_as_class_in_without_authority() {
    let recursive = snapshot(RECURSIVE);
    let packet = question("www.example.com.", RrType::A, Class::ANY, None);
    assert_eq!(show(&ask(&recursive, &packet, loopback())), "NOERROR rd+ra 1/0/0");
    let packet = question("www.example.net.", RrType::A, Class::ANY, None);
    match recursive.answer(&packet, loopback(), Transport::Udp) {
        DryRun::Lookup(question) => assert_eq!(question.class, Class::IN),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_overlay_goes_on_where_it_holds_no_name() {
    let soa = "$TTL 60\n@ SOA ns1 hostmaster 7 7200 3600 1209600 300\n@ NS ns1\nns1 A 192.0.2.1\n";
    let zones = vec![
        crate::testing::zone("example.com.", &format!("{soa}www A 192.0.2.7\nwww.in A 192.0.2.8\n")),
        crate::testing::zone("in.example.com.", &format!("{soa}own A 192.0.2.9\n")),
        crate::testing::zone("lan.", &format!("{soa}own A 192.0.2.9\n")),
    ];
    let plan = br#"{"version":1,"zones":[{"name":"example.com."},{"name":"in.example.com.","overlay":true},
        {"name":"lan.","overlay":true}],"resolver":{"forward":[{"suffix":".","servers":["127.0.0.1:1"]}]}}"#;
    let overlays = Snapshot::build(plan, zones).unwrap_or_else(|errors| panic!("{errors:?}"));
    let shown = |qname: &str, qtype| match overlays.answer(
        &question(qname, qtype, Class::IN, None),
        loopback(),
        Transport::Udp,
    ) {
        DryRun::Reply(reply) => show(&reply),
        DryRun::Lookup(_) => "lookup".to_owned(),
        DryRun::Silence => "silence".to_owned(),
    };
    assert_eq!(shown("own.in.example.com.", RrType::A), "NOERROR aa+rd+ra 1/0/0");
    assert_eq!(shown("own.in.example.com.", RrType::AAAA), "NOERROR aa+rd+ra 0/1/0", "no data stays no data");
    assert_eq!(shown("www.in.example.com.", RrType::A), "NOERROR aa+rd+ra 1/0/0", "the zone above has it");
    assert_eq!(shown("x.in.example.com.", RrType::A), "NXDOMAIN aa+rd+ra 0/1/0", "of the zone above");
    assert_eq!(shown("x.lan.", RrType::A), "lookup");
}

#[test]
fn a_kept_failure_states_its_cause_and_age_to_every_client() {
    let recursive = Arc::new(snapshot(RECURSIVE));
    let (stats, cache) = (Stats::default(), Cache::new(1 << 20));
    let asked = name("www.example.net.");
    let kept = KeptFailure {
        ede: Ede::NO_REACHABLE_AUTHORITY,
        text: "at delegation example.net.".to_owned(),
        cause: "no server of example.net. gave a usable reply (192.0.2.1:53 timeout)".to_owned(),
        network: false,
        alone_s: 5,
    };
    cache.put_failure(asked.as_ref(), RrType::A, &kept, 5, Rank::NonAuthoritative, 0);
    let now = 2 * nw_resolve::SECOND;
    let environment = Environment { cache: Some(&cache), now, ..environment(&recursive, &stats) };
    let mut room = [0; 4096];
    let packet = question("www.example.net.", RrType::A, Class::IN, Some(1232));
    let length = length(handle(&environment, &packet, loopback(), Transport::Udp, &mut room));
    assert_eq!(show(&room[..length]), "SERVFAIL rd+ra 0/0/1 ede13 ede22");
    let text = String::from_utf8_lossy(&room[..length]);
    for expected in ["failed 2 s ago", "in 3 s", &kept.cause, &kept.text] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
}

/// `nw why` needs what decided, and not only which view the client sees.
#[test]
fn the_record_of_a_kept_failure_ends_with_it() {
    let view = r#""views":[{"name":"in","clients":["127.0.0.0/8"]}]"#;
    let forward = r#""resolver":{"forward":[{"suffix":".","servers":["127.0.0.1:1"]}]}"#;
    let here = Arc::new(snapshot(&format!(r#"{{"version":1,{view},{forward},ZONES}}"#)));
    let (stats, cache) = (Stats::default(), Cache::new(1 << 20));
    let kept = KeptFailure {
        ede: Ede::OTHER,
        text: String::new(),
        cause: "no server replied".to_owned(),
        network: false,
        alone_s: 5,
    };
    let origin = nw_cache::Origin { view: 1, ..Rank::NonAuthoritative.into() };
    cache.put_failure(name("www.example.net.").as_ref(), RrType::A, &kept, 5, origin, 0);
    let recorder = Recorder::new(RecorderPlan::default());
    let live = Environment { cache: Some(&cache), recorder: Some(&recorder), ..environment(&here, &stats) };
    let packet = question("www.example.net.", RrType::A, Class::IN, None);
    let _ = handle(&live, &packet, loopback(), Transport::Udp, &mut [0; 4096]);
    let records = recorder.latest(2);
    let slugs: Vec<&str> =
        records.iter().flat_map(|one| one.steps.iter().map(|step| step.reason.slug())).collect();
    assert_eq!(slugs, ["in-view", "cached-failure"]);
    assert_eq!(records[0].ede.len(), 2, "{:?}", records[0].ede);
}

/// Return the texts of the steps of an explanation, and those that the flight recorder keeps of the same query.
fn steps_of(plan: &str, qname: &str, client: SocketAddr) -> (Vec<String>, Vec<String>) {
    let (snapshot, stats) = (Arc::new(snapshot(plan)), Stats::default());
    let packet = question(qname, RrType::A, Class::IN, None);
    let mut room = vec![0; 65_535];
    let trace = Trace::start(0, 10);
    let explained = Environment { trace: Some(&trace), ..environment(&snapshot, &stats) };
    let _ = handle(&explained, &packet, client, Transport::Udp, &mut room);
    let recorder = Recorder::new(RecorderPlan::default());
    let live = Environment { recorder: Some(&recorder), ..environment(&snapshot, &stats) };
    let _ = handle(&live, &packet, client, Transport::Udp, &mut room);
    (
        trace.steps().iter().map(|step| step.text()).collect(),
        recorder
            .latest(1)
            .first()
            .map_or(Vec::new(), |record| record.steps.iter().map(|step| step.text()).collect()),
    )
}

/// An explanation and the flight recorder name the access list that refused a client, and the view before it.
#[test]
fn refusals_name_their_access_list() {
    let here = r#""clients":["192.0.2.0/24"]"#;
    let closed = r#""zones":[{"name":"example.com.","query_acl":[]}]"#;
    for (plan, qname, expected) in [
        (
            r#"{"version":1,"acls":{"query":[]},ZONES}"#.to_owned(),
            "www.example.com.",
            "[[policy]] on = \"query\"",
        ),
        (format!(r#"{{"version":1,{closed}}}"#), "www.example.com.", "allow of the zone example.com."),
        (
            format!(r#"{{"version":1,{closed},"acls":{{"query":[]}}}}"#),
            "example.net.",
            "[[policy]] on = \"query\"",
        ),
        (
            r#"{"version":1,"views":[{"name":"none","clients":[]}],ZONES}"#.to_owned(),
            "www.example.com.",
            "no [[view]]",
        ),
        (
            format!(r#"{{"version":1,"views":[{{"name":"inside",{here}}}],{closed}}}"#),
            "www.example.com.",
            "allow of the zone example.com.",
        ),
        (
            r#"{"version":1,"resolver":{"forward":[{"suffix":".","servers":["127.0.0.1:1"]}]},"acls":{"recursion":[]},ZONES}"#.to_owned(),
            "www.example.net.",
            "[[policy]] on = \"recursion\"",
        ),
    ] {
        let (explained, kept) = steps_of(&plan, qname, client());
        let last = kept.last().unwrap_or_else(|| panic!("{plan}: nothing kept"));
        assert!(last.contains(expected), "{plan}: {last}");
        assert_eq!(kept.len(), explained.len(), "{plan}: {explained:?} {kept:?}");
        assert!(explained.last().is_some_and(|text| text.contains(expected)), "{plan}: {explained:?}");
        assert_eq!(plan.contains("inside"), kept[0].contains("the view inside"), "{kept:?}");
    }
}

/// A step names the wildcard that an answer comes from (RFC 4592 §3.3.1), also if the wildcard lacks the type.
#[test]
fn steps_name_the_wildcard() {
    let plan = r#"{"version":1,ZONES}"#;
    let (explained, _) = steps_of(plan, "x.y.wild.example.com.", client());
    assert!(explained[0].ends_with("from the wildcard *.wild.example.com. (RFC 4592)"), "{explained:?}");
    for qname in ["www.example.com.", "wild.example.com.", "*.wild.example.com.", "none.example.com."] {
        let (explained, _) = steps_of(plan, qname, client());
        assert!(!explained[0].contains("wildcard"), "{explained:?}");
    }
}
