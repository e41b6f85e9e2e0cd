use proptest::prelude::*;

use super::*;

/// `www.example.com. A IN`, id 0x1234, RD.
const PLAIN: &[u8] = b"\x12\x34\x01\x00\0\x01\0\0\0\0\0\0\x03wWw\x07example\x03com\0\0\x01\0\x01";
/// OPT: payload 4096, version 0, DO, NSID asked.
const OPT: &[u8] = b"\0\0\x29\x10\0\0\0\x80\0\0\x04\0\x03\0\0";

fn with(packet: &[u8], edit: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut packet = packet.to_vec();
    edit(&mut packet);
    packet
}

fn edns() -> Vec<u8> {
    with(PLAIN, |p| {
        p[11] = 1;
        p.extend_from_slice(OPT);
    })
}

#[test]
fn the_usual_form() {
    let query = Query::usual(PLAIN).expect("usual");
    assert_eq!((query.id, query.qtype, query.qclass, query.edns), (0x1234, RrType::A, Class::IN, None));
    assert_eq!(query.qname.to_string(), "wWw.example.com.");
    assert!(query.flags.rd() && !query.dnssec_ok());
    let packet = edns();
    let query = Query::usual(&packet).expect("usual");
    assert_eq!(
        query.edns,
        Some(ClientEdns { udp_payload: 4096, version: 0, dnssec_ok: true, wanted: Wanted::NSID })
    );
}

#[test]
fn what_gets_silence_and_what_formerr() {
    let silent = |packet: &[u8]| matches!(Query::parse(packet, |_| false), Err(Rejected::Silence));
    let malformed = |packet: &[u8]| matches!(Query::parse(packet, |_| false), Err(Rejected::Malformed(h)) if h.id == 0x1234);
    for length in 0..HEADER {
        assert!(silent(&PLAIN[..length]), "{length} octets are no header");
    }
    assert!(silent(&with(PLAIN, |p| p[2] |= 0x80)), "a reply");
    for length in HEADER..PLAIN.len() {
        assert!(malformed(&PLAIN[..length]), "cut at {length}");
    }
    assert!(malformed(&with(PLAIN, |p| p.push(0))), "an octet behind the end");
    assert!(malformed(&with(PLAIN, |p| p[5] = 0)), "no question, trailing octets");
    assert!(malformed(
        &PLAIN[..HEADER]
            .iter()
            .copied()
            .enumerate()
            .map(|(i, b)| if i == 5 { 0 } else { b })
            .collect::<Vec<_>>()
    ));
    assert!(malformed(&with(PLAIN, |p| p[5] = 2)), "a second question that is not there");
    assert!(
        malformed(&with(PLAIN, |p| {
            p[5] = 2;
            p.extend_from_slice(&PLAIN[HEADER..]);
        })),
        "two questions"
    );
    assert!(malformed(&with(PLAIN, |p| p[12] = 0xc0)), "a pointer in the first name");
    assert!(malformed(&with(PLAIN, |p| p[12] = 0x40)), "a label of unknown kind");
    assert!(
        malformed(&with(&edns(), |p| {
            p[11] = 2;
            p.extend_from_slice(OPT);
        })),
        "two OPTs"
    );
    assert!(malformed(&with(&edns(), |p| p[PLAIN.len() + 10] = 5)), "options longer than the packet");
    assert!(malformed(&with(&edns(), |p| p[PLAIN.len() + 14] = 1)), "an option longer than the options");
    assert!(malformed(&with(&edns(), |p| p[PLAIN.len()] = 1)), "OPT with an owner");
}

#[test]
fn other_opcodes_are_told_apart() {
    for opcode in 1..16u8 {
        let packet = with(PLAIN, |p| p[2] = opcode << 3);
        assert!(
            matches!(Query::parse(&packet, |_| false), Err(Rejected::Opcode(header)) if header.flags.opcode() == Opcode(opcode))
        );
    }
}

#[test]
fn unusual_but_right_questions_are_read() {
    // An additional A record next to the OPT.
    let packet = with(&edns(), |p| {
        p[11] = 2;
        p.extend_from_slice(b"\xc0\x0c\0\x01\0\x01\0\0\0\0\0\x04\x7f\0\0\x01");
    });
    assert!(Query::usual(&packet).is_none());
    let query = Query::parse(&packet, |_| false).expect("a valid message");
    assert!(query.dnssec_ok() && query.edns.expect("an OPT").wanted.contains(Wanted::NSID));
}

proptest! {
    /// The whole-message reader accepts every packet that the quick reader accepts, with the same meaning.
    #[test]
    fn the_quick_reader_is_no_laxer(cut in 0usize..60, changes in prop::collection::vec((0usize..60, any::<u8>()), 0..6), opt: bool) {
        let mut packet = if opt { edns() } else { PLAIN.to_vec() };
        for (at, octet) in changes {
            let len = packet.len();
            packet[at % len] = octet;
        }
        packet.truncate(packet.len().saturating_sub(cut % 8));
        if let Some(quick) = Query::usual(&packet) {
            let slow = Query::general(&packet, |_| false);
            let slow = slow.expect("the whole-message reader accepts it, too");
            prop_assert_eq!(
                (quick.id, quick.flags, quick.qtype, quick.qclass, quick.edns, quick.qname.wire()),
                (slow.id, slow.flags, slow.qtype, slow.qclass, slow.edns, slow.qname.wire())
            );
        }
    }

    /// No octets make the reader panic. A rejected packet that gets a response has a header and is not a response.
    #[test]
    fn any_octets(packet in prop::collection::vec(any::<u8>(), 0..80)) {
        if let Err(Rejected::Malformed(header)) = Query::parse(&packet, |_| false) {
            prop_assert!(packet.len() >= HEADER && !header.flags.qr());
        }
    }
}
