use super::*;
use crate::record::parse_question;

const ZONE: &str = "$TTL 300\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\nwww A 192.0.2.80\n";

fn scripted(rules: &str) -> ScriptedHost {
    #[derive(serde::Deserialize)]
    struct Rules {
        #[serde(default)]
        rule: Vec<RuleTable>,
    }
    let rules: Rules = toml::from_str(rules).unwrap();
    ScriptedHost::new(vec![read_zone("example.", ZONE).unwrap()], &rules.rule).unwrap()
}

fn asked(question: &str, via: Transport, edns: bool) -> Datagram {
    let mut packet = Packet::query(parse_question(question, NameRef::ROOT).unwrap());
    packet.edns = edns.then(Edns::default);
    let at = |text: &str| text.parse().unwrap();
    Datagram { from: at("10.0.0.1:4000"), to: at("192.0.2.1:53"), via, bytes: packet.to_wire(77) }
}

fn packets(host: &ScriptedHost, question: &str, via: Transport, edns: bool) -> Vec<Packet> {
    let emissions = host.respond(&asked(question, via, edns));
    emissions
        .into_iter()
        .filter_map(|emission| match emission {
            Emission::Reply { bytes, .. } => Some(Packet::of(&Message::parse(&bytes).unwrap())),
            _ => None,
        })
        .collect()
}

#[test]
fn without_rules_the_zone_answers() {
    let replies = packets(&scripted(""), "www.example. A", Transport::Udp, true);
    assert_eq!(replies[0].sections[0][0].to_string(), "www.example. 300 IN A 192.0.2.80");
    assert!(replies[0].flags.aa() && replies[0].edns.is_some());
}

#[test]
fn rules_choose_their_questions() {
    let host = scripted(
        "[[rule]]\nqname = \"www.example.\"\nqtype = \"A\"\nvia = \"udp\"\nedns = true\ndrop = true",
    );
    assert!(packets(&host, "www.example. A", Transport::Udp, true).is_empty());
    for (question, via, edns) in [
        ("www.example. AAAA", Transport::Udp, true),
        ("www.example. A", Transport::Tcp, true),
        ("www.example. A", Transport::Udp, false),
        ("ns.example. A", Transport::Udp, true),
    ] {
        assert_eq!(packets(&host, question, via, edns).len(), 1, "{question}");
    }
    let below = scripted("[[rule]]\nsubdomain = \"w.example.\"\ndrop = true");
    assert!(packets(&below, "a.w.example. A", Transport::Udp, true).is_empty());
    assert_eq!(packets(&below, "aw.example. A", Transport::Udp, true).len(), 1);
}

#[test]
fn rules_count() {
    let host = scripted("[[rule]]\nskip = 1\nfirst = 2\ndrop = true");
    let answered: Vec<usize> =
        (0..5).map(|_| packets(&host, "www.example. A", Transport::Udp, true).len()).collect();
    assert_eq!(answered, [1, 0, 0, 1, 1]);
}

#[test]
fn each_misbehaviour() {
    let one = |rule: &str, edns| {
        packets(&scripted(&format!("[[rule]]\n{rule}")), "www.example. A", Transport::Udp, edns).remove(0)
    };
    let truncated = one("truncate = true", true);
    assert!(truncated.flags.tc() && truncated.sections[0].is_empty());
    assert_eq!(one("rcode = \"REFUSED\"\nflags = []", true).rcode, Rcode::REFUSED);
    assert_eq!(one("without_opt = true", true).edns, None);
    let written = one("answer = [\"{qname} 5 A 192.0.2.99\"]\nadditional = [\"x. A 192.0.2.1\"]", false);
    assert_eq!(written.sections[0][0].to_string(), "www.example. 5 IN A 192.0.2.99");
    assert_eq!((written.sections[2].len(), written.edns), (1, None));
    let emissions = |rule: &str| {
        scripted(&format!("[[rule]]\n{rule}")).respond(&asked("www.example. A", Transport::Tcp, true))
    };
    assert_eq!(emissions("refuse = true"), [Emission::Refused]);
    assert_eq!(emissions("close = true"), [Emission::Closed]);
    assert!(matches!(emissions("delay_ms = 7")[..], [Emission::Reply { after: 7000, .. }]));
    assert_eq!(scripted("[[rule]]\nvia = \"tcp\"\nrefuse = true").accepts(), Acceptance::Refused);
    assert_eq!(scripted("[[rule]]\nqname = \"a.\"\nrefuse = true").accepts(), Acceptance::Accepted);
}

#[test]
fn octets_over_tcp_take_their_time() {
    let host = scripted("[[rule]]\noctet_ms = 10\ndelay_ms = 5");
    let after = |via| match &host.respond(&asked("www.example. A", via, false))[..] {
        [Emission::Reply { after, bytes, .. }] => (*after, bytes.len() as u64),
        other => panic!("{other:?}"),
    };
    assert_eq!(after(Transport::Udp).0, 5000);
    let (took, octets) = after(Transport::Tcp);
    assert_eq!(took, 5000 + (octets + 2) * 10_000);
}

#[test]
fn junk_is_never_a_reply() {
    let kinds = "wrong-id wrong-case wrong-question wrong-type no-question wrong-port wrong-address not-a-reply wrong-opcode garbage";
    for kind in kinds.split(' ') {
        let host = scripted(&format!("[[rule]]\njunk = [\"{kind}\"]"));
        let query = asked("www.example. A", Transport::Udp, true);
        let emissions = host.respond(&query);
        let [Emission::Reply { from, bytes, .. }, Emission::Reply { .. }] = &emissions[..] else {
            panic!("{kind}")
        };
        let taken = *from == query.to
            && nw_wire::message::replies_to(&query.bytes, bytes)
            && nw_wire::message::same_case(&query.bytes, bytes)
            && Message::parse(bytes).is_ok();
        assert!(!taken, "{kind}");
    }
}

#[test]
fn odd_replies_are_replies() {
    for (odd, rcode) in [
        ("other-case", Rcode::NOERROR),
        ("lower-case", Rcode::NOERROR),
        ("trailing-octets", Rcode::NOERROR),
        ("second-opt", Rcode::NOERROR),
        ("malformed-record", Rcode::NOERROR),
        ("header-only", Rcode::FORMERR),
    ] {
        let host = scripted(&format!("[[rule]]\nodd = [\"{odd}\"]\nrcode = \"{rcode}\""));
        let query = asked("wWw.example. A", Transport::Udp, true);
        let emissions = host.respond(&query);
        let [Emission::Reply { bytes, .. }] = &emissions[..] else { panic!("{odd}") };
        assert!(nw_wire::message::replies_to(&query.bytes, bytes), "{odd}");
        let message = Message::parse_reply(bytes).unwrap();
        assert_eq!(message.rcode(), rcode, "{odd}");
        let same_case = nw_wire::message::same_case(&query.bytes, bytes);
        assert!(message.oddities().any() || message.question().is_none() || !same_case, "{odd}");
    }
}

#[test]
fn a_line_can_stand_for_many_records() {
    let host = scripted("[[rule]]\nauthority = [\"for 1..3: {qname} NS n{n}x{met}.\"]");
    for met in 0..2 {
        let replies = packets(&host, "a.example. A", Transport::Udp, true);
        let lines: Vec<String> = replies[0].sections[1].iter().map(ToString::to_string).collect();
        let wanted = [1, 2, 3].map(|number| format!("a.example. 3600 IN NS n{number}x{met}."));
        assert_eq!(lines, wanted);
    }
}

#[test]
fn forged_replies_have_other_ids_each() {
    let query = asked("www.example. A", Transport::Udp, true);
    let emissions = scripted("[[rule]]\nforged = 300").respond(&query);
    let mut ids = std::collections::BTreeSet::new();
    for emission in &emissions[..300] {
        let Emission::Reply { from, bytes, .. } = emission else { panic!("{emission:?}") };
        let message = Message::parse(bytes).unwrap();
        assert_eq!((*from, message.question()), (query.to, Message::parse(&query.bytes).unwrap().question()));
        ids.insert(message.id());
    }
    assert_eq!((emissions.len(), ids.len(), ids.contains(&77)), (301, 300, false));
}

#[test]
fn bombs_are_as_large_as_they_claim() {
    let bytes = |odd: &str| {
        let host = scripted(&format!(
            "[[rule]]\nodd = [\"{odd}\"]\nwithout_opt = true\nanswer = [\"{{qname}} A 192.0.2.9\"]"
        ));
        let mut emissions = host.respond(&asked("www.example. A", Transport::Tcp, true));
        let Some(Emission::Reply { bytes, .. }) = emissions.pop() else { panic!("{odd}") };
        bytes
    };
    let bomb = bytes("compression-bomb");
    let message = Message::parse_reply(&bomb).unwrap();
    let exchanges: Vec<_> = message.records(nw_wire::message::Section::Answer).skip(1).collect();
    assert_eq!(exchanges.len(), 4000);
    assert_eq!(Record::of(&exchanges[3999]).rdata.len(), 2 + 126 * 2 + 1);
    let options = bytes("many-options");
    assert_eq!(Message::parse_reply(&options).unwrap().opt().unwrap().rdata().len(), 48_000);
    for odd in ["huge-counts", "pointer-loop"] {
        assert!(Message::parse_reply(&bytes(odd)).is_err(), "{odd}");
    }
}

#[test]
fn mistakes_are_found_before_playing() {
    let rule = |text: &str| {
        let table: RuleTable = toml::from_str(text).unwrap();
        ScriptedHost::new(Vec::new(), &[table]).err()
    };
    assert!(rule("qname = \"a..b\"").is_some());
    assert!(rule("rcode = \"FINE\"").is_some());
    assert!(rule("qtype = \"WHAT\"").is_some());
    assert!(rule("answer = [\"{qname} A x\"]").is_some());
    assert!(rule("answer = [\"for 1-2: {qname} A 192.0.2.1\"]").is_some());
    assert!(read_zone("example.", "@ SOA").is_err());
}
