use super::*;
use crate::record::{DEFAULT_TTL, parse_question};

fn packet() -> Packet {
    let record = |line: &str| Record::parse(line, NameRef::ROOT, DEFAULT_TTL).unwrap();
    Packet {
        flags: Flags::default().with_qr(true).with_aa(true),
        rcode: Rcode::BADVERS,
        question: vec![parse_question("www.example.com. IN A", NameRef::ROOT).unwrap()],
        sections: [
            vec![record("www.example.com. 60 IN CNAME a.example.com."), record("a.example.com. A 192.0.2.1")],
            vec![record("example.com. NS ns.example.com.")],
            vec![record("ns.example.com. AAAA 2001:db8::1")],
        ],
        edns: Some(Edns { dnssec_ok: true, options: vec![0, 3, 0, 2, b'h', b'i'], ..Edns::default() }),
        raw: None,
    }
}

#[test]
fn written_messages_are_read_back() {
    let wire = packet().to_wire(7);
    let message = Message::parse(&wire).unwrap();
    assert_eq!(message.id(), 7);
    assert_eq!(Packet::of(&message), packet());
    assert_eq!(packet().edns.unwrap().option(OptionCode::NSID), Some(&b"hi"[..]));
}

#[test]
fn messages_that_do_not_fit_are_truncated() {
    let wire = packet().to_wire_within(7, 60);
    let message = Message::parse(&wire).unwrap();
    assert!(message.flags().tc());
    assert_eq!(message.answer().count(), 0);
    assert!(wire.len() <= 60);
    let wire = packet().to_wire_within(7, 512);
    assert!(!Message::parse(&wire).unwrap().flags().tc());
}

#[test]
fn options_end_at_the_first_malformed_one() {
    let rdata = [0, 3, 0, 1, 9, 0, 10, 0, 200, 1];
    let found: Vec<(OptionCode, &[u8])> = options(&rdata).collect();
    assert_eq!(found, [(OptionCode::NSID, &[9][..])]);
}
