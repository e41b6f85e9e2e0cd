use super::*;
use crate::rpl::syntax::{Action, Script};
use nw_wire::header::Header;
use nw_wire::message::Message;

/// The compiled entry of a QUERY step with this body.
fn entry(body: &str) -> Result<Entry, EntryError> {
    let text =
        format!("CONFIG_END\nSCENARIO_BEGIN x\nSTEP 1 QUERY\nENTRY_BEGIN\n{body}\nENTRY_END\nSCENARIO_END\n");
    match &Script::parse(&text).unwrap().steps[0].action {
        Action::Query(entry) => Entry::compile(entry),
        other => panic!("{other:?}"),
    }
}

fn query(line: &str) -> (Vec<u8>, Packet) {
    let packet = Packet::query(parse_question(line, Name::root().as_ref()).unwrap());
    (packet.to_wire(0xabcd), packet)
}

/// The entry's answer to a question: octets and parsed message.
fn answer(body: &str, question: &str) -> (Vec<u8>, Packet) {
    let (wire, packet) = query(question);
    let octets = entry(body).unwrap().answer(&wire, &packet).unwrap().remove(0);
    let parsed = Packet::of(&Message::parse(&octets).unwrap());
    (octets, parsed)
}

const BODY: &str =
    "REPLY QR AA NXDOMAIN\nSECTION QUESTION\nexample.com. IN A\nSECTION ANSWER\na.example.com. A 192.0.2.1";

#[test]
fn copy_id_copies_the_id_and_the_case_of_the_name() {
    let (octets, packet) = answer(&format!("ADJUST copy_id\n{BODY}"), "eXample.com. AAAA");
    assert_eq!(octets[..2], [0xab, 0xcd]);
    let question = packet.question[0];
    assert_eq!((question.name.to_string(), question.rtype.to_string()), ("eXample.com.".into(), "A".into()));
    assert_eq!(packet.rcode, Rcode::NXDOMAIN);
}

#[test]
fn without_copy_id_the_name_is_unchanged() {
    let (octets, packet) = answer(BODY, "eXample.com. AAAA");
    assert_eq!(octets[..2], [0xab, 0xcd]);
    assert_eq!(packet.question[0].name.to_string(), "example.com.");
}

#[test]
fn copy_query_copies_the_question_and_raw_id_keeps_the_id() {
    let (octets, packet) = answer(&format!("ADJUST copy_query raw_id\n{BODY}"), "www.eXample.com. AAAA");
    assert_eq!(octets[..2], [0, 0]);
    let question = packet.question[0];
    assert_eq!(
        (question.name.to_string(), question.rtype.to_string()),
        ("www.eXample.com.".into(), "AAAA".into())
    );
}

#[test]
fn raw_messages_get_the_id_of_the_query_unless_raw_id_is_given() {
    let hex = "HEX_ANSWER_BEGIN\n 0001 8000 0000 0000 0000 0000\nHEX_ANSWER_END";
    let (wire, packet) = query("a. A");
    let raw = |body: &str| entry(body).unwrap().answer(&wire, &packet).unwrap().remove(0);
    assert_eq!(Header::read(&raw(hex)).unwrap().id, 0xabcd);
    assert_eq!(Header::read(&raw(&format!("ADJUST raw_id\n{hex}"))).unwrap().id, 1);
    assert_eq!(Header::read(&raw(&format!("ADJUST copy_id\n{hex}"))).unwrap().id, 0xabcd);
    assert_eq!(raw("RAW\n00 ff\nREPLY QR"), [0, 0xff]);
}

#[test]
fn delayed_and_missing_answers() {
    assert_eq!(
        entry(&format!("ADJUST copy_id sleep=2\nADJUST packet_sleep=1\n{BODY}")).unwrap().delay(),
        3 * SECOND
    );
    assert_eq!(entry(BODY).unwrap().delay(), 0);
    let (wire, packet) = query("a. A");
    assert_eq!(entry(&format!("ADJUST do_not_answer\n{BODY}")).unwrap().answer(&wire, &packet), None);
}

#[test]
fn client_subnets_are_returned_with_a_scope() {
    let (_, mut packet) = query("a. A");
    // COOKIE, then CLIENT-SUBNET 192.0.2.0/24 scope 0.
    let options =
        [&[0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8][..], &[0, 8, 0, 7, 0, 1, 24, 0, 192, 0, 2]].concat();
    packet.edns = Some(Edns { options, ..Edns::default() });
    let wire = packet.to_wire(1);
    let scope = |adjust: &str| {
        let octets =
            entry(&format!("ADJUST {adjust}\n{BODY}")).unwrap().answer(&wire, &packet).unwrap().remove(0);
        let answer = Packet::of(&Message::parse(&octets).unwrap());
        answer.edns.and_then(|edns| edns.option(OptionCode::CLIENT_SUBNET).map(|data| data[3]))
    };
    assert_eq!(scope("copy_ednsdata_assume_clientsubnet"), Some(24));
    assert_eq!(scope("copy_ednsdata_assume_clientsubnet increment_ecs_scope"), Some(25));
    assert_eq!(scope("copy_id"), None);
}

#[test]
fn reply_words() {
    let packet =
        |words: &str| entry(&format!("REPLY {words}\nSECTION QUESTION\na. A")).unwrap().packets.remove(0);
    let all = packet("QR AA TC RD RA AD CD DO NOTIFY REFUSED");
    let flags = all.flags;
    assert!(flags.qr() && flags.aa() && flags.tc() && flags.rd() && flags.ra() && flags.ad() && flags.cd());
    assert_eq!(
        (flags.opcode(), all.rcode, all.edns.unwrap().dnssec_ok),
        (Opcode::NOTIFY, Rcode::REFUSED, true)
    );
    for (word, rcode) in [
        ("NOERROR", 0),
        ("FORMERR", 1),
        ("SERVFAIL", 2),
        ("NXDOMAIN", 3),
        ("NOTIMPL", 4),
        ("NOTIMP", 4),
        ("REFUSED", 5),
        ("YXDOMAIN", 6),
        ("YXRRSET", 7),
        ("NXRRSET", 8),
        ("NOTAUTH", 9),
        ("NOTZONE", 10),
        ("BADVERS", 16),
    ] {
        assert_eq!(packet(word).rcode, Rcode(rcode), "{word}");
    }
    for (word, opcode) in [("QUERY", 0), ("IQUERY", 1), ("STATUS", 2), ("NOTIFY", 4), ("UPDATE", 5)] {
        assert_eq!(packet(word).flags.opcode(), Opcode(opcode), "{word}");
    }
    let wire = packet("QR BADVERS").to_wire(1);
    assert_eq!(Message::parse(&wire).unwrap().rcode(), Rcode::BADVERS);
}

#[test]
fn origins_and_ttls_apply_to_the_rest_of_the_entry() {
    let entry =
        entry("SECTION ANSWER\n$ORIGIN example.com.\n$TTL 60\nwww A 192.0.2.1\nSECTION AUTHORITY\n@ 5 NS ns");
    let packet = entry.unwrap().packets.remove(0);
    assert_eq!(packet.sections[0][0].to_string(), "www.example.com. 60 IN A 192.0.2.1");
    assert_eq!(packet.sections[1][0].to_string(), "example.com. 5 IN NS ns.example.com.");
}

#[test]
fn extra_packets_share_the_head() {
    let entry =
        entry("REPLY QR AA\nSECTION ANSWER\na. A 192.0.2.1\nEXTRA_PACKET\nSECTION ANSWER\nb. A 192.0.2.2")
            .unwrap();
    assert_eq!(entry.packets.len(), 2);
    assert!(entry.packets[1].flags.aa());
    assert_eq!(entry.packets[1].sections[0].len(), 1);
}

#[test]
fn unknown_words_are_errors_with_a_line_number() {
    let problem = |body: &str| {
        let error = entry(body).unwrap_err();
        (error.line, error.problem)
    };
    assert_eq!(problem("MATCH qnames"), (5, EntryProblem::Match("qnames".to_owned())));
    assert_eq!(problem("ADJUST copy"), (5, EntryProblem::Adjust("copy".to_owned())));
    assert_eq!(problem("ADJUST sleep=x"), (5, EntryProblem::Adjust("sleep=x".to_owned())));
    assert_eq!(problem("REPLY QR\nREPLY WELL"), (6, EntryProblem::Reply("WELL".to_owned())));
    assert!(matches!(problem("SECTION ANSWER\na. A x"), (6, EntryProblem::Record(RecordError::Text(_)))));
}

#[test]
fn checks_without_match_compare_all() {
    assert_eq!(entry("REPLY QR").unwrap().or_match_all().matches, ALL);
    assert_eq!(entry("MATCH qname\nREPLY QR").unwrap().or_match_all().matches, [Match::Qname]);
}
