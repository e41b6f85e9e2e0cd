use super::*;
use crate::name::Name;
use crate::writer::Writer;
use proptest::prelude::*;

/// A query for `www.example. A` with the given counts and body.
fn query(counts: [u16; 4], body: &[u8]) -> Vec<u8> {
    let header = Header { id: 7, flags: Flags::default().with_rd(true), counts };
    [&header.to_wire()[..], body].concat()
}

const WWW: &[u8] = b"\x03www\x07example\0\0\x01\0\x01";

fn error(bytes: &[u8]) -> MessageError {
    Message::parse(bytes).map(|_| ()).unwrap_err()
}

#[test]
fn a_query_is_read() {
    let bytes = query([1, 0, 0, 0], WWW);
    let message = Message::parse(&bytes).unwrap();
    let question = message.question().unwrap();
    assert_eq!(question.name.to_name(), "www.example.".parse::<Name>().unwrap());
    assert_eq!((question.rtype, question.class), (RrType::A, Class::IN));
    assert_eq!((message.id(), message.flags().rd(), message.answer().count()), (7, true, 0));
}

#[test]
fn invalid_structure_is_refused() {
    assert_eq!(error(&[0; 11]), MessageError::NoHeader);
    // Counts that are larger or smaller than the number of items.
    assert_eq!(error(&query([2, 0, 0, 0], WWW)), MessageError::Truncated { at: 29 });
    assert_eq!(error(&query([0, 0, 0, 0], WWW)), MessageError::TrailingBytes { at: 12 });
    assert_eq!(error(&query([1, 1, 0, 0], WWW)), MessageError::Truncated { at: 29 });
    assert_eq!(error(&query([65535, 65535, 65535, 65535], &[])), MessageError::Truncated { at: 12 });
    // Pointers to themselves, forward, in a loop, and into the header.
    assert_eq!(error(&query([1, 0, 0, 0], b"\xc0\x0c\0\x01\0\x01")), MessageError::BadPointer { at: 12 });
    assert_eq!(error(&query([1, 0, 0, 0], b"\xc0\x10\0\x01\0\x01")), MessageError::BadPointer { at: 12 });
    assert_eq!(
        error(&query([1, 0, 0, 0], b"\x01a\xc0\x0c\0\x01\0\x01")),
        MessageError::BadPointer { at: 14 }
    );
    assert_eq!(
        error(&query([1, 0, 0, 0], b"\x01a\xc0\x02\0\x01\0\x01")),
        MessageError::BadPointer { at: 14 }
    );
    assert_eq!(error(&query([1, 0, 0, 0], b"\x41a\0\0\x01\0\x01")), MessageError::BadPointer { at: 12 });
    // A name that exceeds 255 octets only after its pointer is followed.
    let label = [&[63][..], &[b'a'; 63]].concat();
    let long =
        [&label[..], &label, &label, b"\0\0\x01\0\x01", &label, &label, b"\xc0\x0c\0\x01\0\x01"].concat();
    assert_eq!(error(&query([2, 0, 0, 0], &long)), MessageError::NameTooLong { at: 12 + 3 * 64 + 5 });
    // RDLENGTH beyond the end; rdata that is not valid for its type.
    let record = |rtype: u8, length: u8, rdata: &[u8]| {
        query([1, 1, 0, 0], &[WWW, b"\xc0\x0c\0", &[rtype], b"\0\x01\0\0\0\x05\0", &[length], rdata].concat())
    };
    assert!(Message::parse(&record(1, 4, &[1, 2, 3, 4])).is_ok());
    assert_eq!(error(&record(1, 5, &[1, 2, 3, 4])), MessageError::Truncated { at: 29 });
    assert_eq!(error(&record(2, 2, b"\xc0\xff")), MessageError::BadRdata { at: 41, rtype: RrType::NS });
    assert_eq!(error(&record(2, 3, b"\xc0\x0c\0")), MessageError::BadRdata { at: 41, rtype: RrType::NS });
}

/// A chain of pointers to pointers is strictly backward and must still be refused, because following it is expensive.
#[test]
fn long_chains_of_pointers_are_refused() {
    let mut body = b"\0".to_vec();
    for i in 0..200u16 {
        let target = if i == 0 { 12 } else { 12 + 1 + 2 * (i - 1) };
        body.extend_from_slice(&(0xc000 | target).to_be_bytes());
    }
    let chain = |jumps: u16| 12 + 1 + 2 * (jumps as usize - 1);
    let bytes = query([0, 0, 0, 0], &body);
    assert_eq!(read_name(&bytes, chain(127)).map(|(name, _)| name), Ok(NameBuf::ROOT));
    assert_eq!(skip_name(&bytes, chain(127)), Ok(chain(127) + 2));
    assert_eq!(skip_name(&bytes, chain(128)), Err(MessageError::BadPointer { at: 13 }));
    assert!(read_name(&bytes, chain(128)).is_err());
}

/// SIG has a name that may be compressed and a field of any length. Its rdata can exceed 65,535 octets once the name
/// is decompressed.
#[test]
fn rdata_that_exceeds_rdlength_when_decompressed_is_refused() {
    let label = [&[63][..], &[b'a'; 63]].concat();
    let question = [&label[..], &label, &label, b"\0\0\x18\0\x01"].concat();
    let message = |length: usize| {
        let fixed = [&b"\xc0\x0c\0\x18\0\x01\0\0\0\x05"[..], &(length as u16).to_be_bytes()].concat();
        let rdata = [&[0; 18][..], b"\xc0\x0c", &vec![7; length - 20]].concat();
        query([1, 1, 0, 0], &[&question[..], &fixed, &rdata].concat())
    };
    // The name takes 193 octets where its pointer takes 2.
    assert!(Message::parse(&message(65_535 - 191)).is_ok());
    assert!(matches!(error(&message(65_535 - 190)), MessageError::BadRdata { rtype: RrType::SIG, .. }));
}

#[test]
fn misplaced_opt_and_tsig_are_refused() {
    let opt = b"\0\0\x29\x04\xd0\x01\0\x80\0\0\0";
    let bytes = query([1, 0, 0, 1], &[WWW, opt].concat());
    let message = Message::parse(&bytes).unwrap();
    let view = message.opt().unwrap();
    assert_eq!((view.udp_payload(), view.dnssec_ok(), message.rcode()), (1232, true, Rcode(16)));
    assert_eq!(message.additional().count(), 0);
    assert_eq!(error(&query([1, 0, 0, 2], &[WWW, opt, opt].concat())), MessageError::BadOpt { at: 40 });
    assert_eq!(error(&query([1, 0, 1, 0], &[WWW, opt].concat())), MessageError::BadOpt { at: 29 });
    let owned = [WWW, b"\xc0\x0c\0\x29\x04\xd0\0\0\0\0\0\0"].concat();
    assert_eq!(error(&query([1, 0, 0, 1], &owned)), MessageError::BadOpt { at: 29 });
}

#[test]
fn ttl_with_the_upper_bit_is_zero() {
    let bytes =
        query([1, 1, 0, 0], &[WWW, b"\xc0\x0c\0\x01\0\x01\x80\0\0\x05\0\x04\x01\x02\x03\x04"].concat());
    assert_eq!(Message::parse(&bytes).unwrap().answer().next().unwrap().ttl, 0);
}

#[test]
fn only_a_matching_packet_is_the_reply() {
    let asked = query([1, 0, 0, 0], WWW);
    let mut reply = asked.clone();
    assert!(!replies_to(&asked, &reply), "QR is clear");
    reply[2] |= 0x80;
    assert!(replies_to(&asked, &reply) && same_case(&asked, &reply));
    for (at, bit, what) in [
        (0, 1, "id"),
        (1, 1, "id"),
        (2, 8, "opcode"),
        (5, 1, "no question"),
        (13, 1, "name"),
        (26, 1, "type"),
        (28, 1, "class"),
        (26, 0x20, "type"),
        (28, 0x20, "class"),
    ] {
        let mut other = reply.clone();
        other[at] ^= bit;
        assert!(!replies_to(&asked, &other), "{what}");
    }
    assert!(!replies_to(&asked, &reply[..20]));
}

/// RFC 4343 §3: the comparison of names ignores case.
#[test]
fn the_case_of_the_question_does_not_matter() {
    let asked = query([1, 0, 0, 0], WWW);
    let mut reply = query([1, 0, 0, 0], &WWW.to_ascii_uppercase());
    reply[2] |= 0x80;
    assert!(replies_to(&asked, &reply) && !same_case(&asked, &reply));
}

/// A server that cannot parse a query cannot repeat its question. Every other reply needs a question.
#[test]
fn an_error_needs_no_question() {
    let asked = query([1, 0, 0, 1], &[WWW, b"\0\0\x29\x04\xd0\0\0\0\0\0\0"].concat());
    let header = |rcode: u16, counts| {
        let flags = Flags::default().with_qr(true).with_rcode(Rcode(rcode));
        Header { id: 7, flags, counts }.to_wire()
    };
    for (rcode, fits) in [(0, false), (1, true), (2, true), (3, false), (4, true), (5, true), (6, false)] {
        assert_eq!(replies_to(&asked, &header(rcode, [0; 4])), fits, "rcode {rcode}");
        assert!(!replies_to(&asked, &header(rcode, [0, 1, 0, 0])), "rcode {rcode} with an answer");
        assert!(!replies_to(&asked, &header(rcode, [0, 0, 1, 0])), "rcode {rcode} with authority");
        assert!(!replies_to(&asked, &header(rcode, [2, 0, 0, 0])), "rcode {rcode} with two questions");
    }
}

const OPT: &[u8] = b"\0\0\x29\x04\xd0\0\0\x80\0\0\0";

/// Owners as labels, as pointers, as both, and in other cases.
#[test]
fn owners_are_compared_where_they_stand() {
    let fixed = b"\0\x01\0\x01\0\0\0\x05\0\x04\x0a\0\0\x01";
    let owners: [&[u8]; 7] = [
        b"\xc0\x0c",
        b"\xc0\x0c",
        b"\xc0\x10",
        b"\x03WWW\xc0\x10",
        b"\x03www\x07Example\0",
        b"\x01w\xc0\x0c",
        b"\0",
    ];
    let records: Vec<u8> = owners.iter().flat_map(|owner| [owner, &fixed[..]].concat()).collect();
    let bytes = query([1, 7, 0, 0], &[WWW, &records].concat());
    let message = Message::parse(&bytes).unwrap();
    let names =
        ["www.example.", "www.example.", "example.", "www.example.", "www.example.", "w.www.example.", "."];
    let names = names.map(|name| name.parse::<Name>().unwrap());
    for (record, name) in message.answer().zip(&names) {
        assert_eq!(record.owner(), name.as_ref());
        assert_eq!(message.record_at(record.start()).owner(), name.as_ref());
        for other in &names {
            assert_eq!(record.is_owned_by(other.as_ref()), other == name, "{record:?} {other}");
        }
    }
    let pointers: Vec<Option<u16>> = message.answer().map(|record| record.owner_pointer()).collect();
    assert_eq!(pointers, [Some(12), Some(12), Some(16), None, None, None, None]);
    assert!(message.asks("WWW.example.".parse::<Name>().unwrap().as_ref()));
    assert!(!message.asks("example.".parse::<Name>().unwrap().as_ref()));
    // A pointer is followed again where the one before it was not followed.
    let unlike = query([1, 2, 0, 0], &[WWW, b"\xc0\x0c", fixed, b"\xc0\x80", fixed].concat());
    assert_eq!(error(&unlike), MessageError::BadPointer { at: 45 });
}

fn record(rtype: u8, rdata: &[u8]) -> Vec<u8> {
    [b"\xc0\x0c\0", &[rtype][..], b"\0\x01\0\0\0\x05\0", &[rdata.len() as u8], rdata].concat()
}

/// Octets outside the structure and single malformed records do not make a reply unusable.
#[test]
fn oddities_of_replies_are_counted_and_ignored() {
    let good = record(1, &[192, 0, 2, 1]);
    let oddities = |bytes: &[u8]| Message::parse_reply(bytes).map(|message| message.oddities());
    let odd = |trailing_octets, extra_opt, malformed_records| {
        Ok(Oddities { trailing_octets, extra_opt, malformed_records })
    };
    assert_eq!(oddities(&query([1, 1, 0, 1], &[WWW, &good, OPT].concat())), odd(0, 0, 0));
    assert_eq!(oddities(&query([1, 1, 0, 0], &[WWW, &good, b"\0junk"].concat())), odd(5, 0, 0));
    assert_eq!(oddities(&query([1, 0, 0, 2], &[WWW, OPT, OPT].concat())), odd(0, 1, 0));
    assert_eq!(oddities(&query([1, 0, 1, 1], &[WWW, OPT, OPT].concat())), odd(0, 1, 0));
    let bytes =
        query([1, 3, 0, 1], &[WWW, &good, &record(1, &[1, 2, 3]), &record(28, &[0; 16]), OPT].concat());
    assert_eq!(oddities(&bytes), odd(0, 0, 1));
    let message = Message::parse_reply(&bytes).unwrap();
    let types: Vec<RrType> = message.answer().map(|record| record.rtype).collect();
    assert_eq!(types, [RrType::A, RrType::AAAA]);
    let bad: Vec<RrType> = message.malformed(Section::Answer).map(|record| record.rtype).collect();
    assert_eq!((bad, message.malformed(Section::Additional).count()), (vec![RrType::A], 0));
    assert_eq!(message.opt().map(|opt| opt.dnssec_ok()), Some(true));
    // An OPT with malformed options counts as a malformed record.
    let broken = b"\0\0\x29\x04\xd0\0\0\0\0\0\x02\0\x0a";
    let bytes = query([1, 0, 0, 1], &[WWW, &broken[..]].concat());
    assert_eq!(oddities(&bytes), odd(0, 0, 1));
    assert!(Message::parse_reply(&bytes).unwrap().opt().is_none());
}

/// Faults of the structure are errors, because records without known borders cannot be skipped.
#[test]
fn replies_with_invalid_structure_are_refused() {
    let good = record(1, &[192, 0, 2, 1]);
    for bytes in [
        query([1, 2, 0, 0], &[WWW, &good].concat()),
        query([1, 1, 0, 0], &[WWW, &good[..good.len() - 1]].concat()),
        query([1, 1, 0, 0], &[WWW, b"\xc0\xff\0\x01\0\x01\0\0\0\x05\0\0"].concat()),
    ] {
        assert!(Message::parse_reply(&bytes).is_err(), "{bytes:?}");
    }
}

/// RFC 3597 §3, RFC 9460 §2.2: rdata that a server need not interpret is passed on unchanged. Names in it must be
/// valid.
#[test]
fn opaque_rdata_is_passed_on() {
    let svcb = |params: &[u8]| [&b"\0\x01\x03svc\0"[..], params].concat();
    let passes = |rtype: u16, rdata: &[u8]| {
        let mut bytes = query([1, 1, 0, 0], &[WWW, &record(0, rdata)].concat());
        bytes[12 + WWW.len() + 2..][..2].copy_from_slice(&rtype.to_be_bytes());
        let Ok(message) = Message::parse(&bytes) else { return false };
        let mut out = Vec::new();
        message.answer().next().unwrap().rdata(&mut out);
        assert_eq!(out, rdata);
        true
    };
    // Parameters out of order, an ECH list of the wrong length, a value that is cut off.
    assert!(passes(65, &svcb(b"\0\x04\0\0\0\x01\0\0")));
    assert!(passes(65, &svcb(b"\0\x05\0\x03\0\x09\0")));
    assert!(passes(64, &svcb(b"\0\x01\0\xff\x02")));
    // A CAA tag with a hyphen, a location out of range, a TXT whose string is too long, an SSHFP without digest.
    assert!(passes(257, b"\0\x03a-bvalue"));
    assert!(passes(29, b"\x01\0"));
    assert!(passes(16, b"\x05abc"));
    assert!(passes(44, b"\x01\x01"));
    // A target that is not a name, or is compressed: its pointer would be wrong in another message.
    assert!(!passes(65, b"\0\x01\x03svc"));
    assert!(!passes(65, b"\0\x01\xc0\x0c"));
    // Rdata that the resolver interprets.
    assert!(!passes(1, &[1, 2, 3]));
    assert!(!passes(28, &[0; 15]));
    assert!(!passes(43, &[0; 4]));
    assert!(!passes(47, b"\0\xff"));
    assert!(!passes(15, b"\0\x0a\xc0\x0c\0"));
    assert!(!passes(39, b"\xc0\x0c"));
}

proptest! {
    /// Parsing arbitrary octets ends, and an accepted message can be read to the last record and written again.
    #[test]
    fn any_bytes_are_refused_or_read(mut bytes in prop::collection::vec(any::<u8>(), 12..200), counts in any::<[u8; 4]>()) {
        for (i, count) in counts.iter().enumerate() {
            bytes[4 + 2 * i] = 0;
            bytes[5 + 2 * i] = count % 3;
        }
        let strict = Message::parse(&bytes).is_ok();
        let Ok(message) = Message::parse_reply(&bytes) else {
            prop_assert!(!strict);
            return Ok(());
        };
        prop_assert_eq!(strict, !message.oddities().any());
        let mut buf = vec![0; 65535];
        let mut writer = Writer::new(&mut buf, 65535, message.id(), message.flags());
        for question in message.questions() {
            writer.question(question.name.as_ref(), question.rtype, question.class).unwrap();
        }
        for section in [Section::Answer, Section::Authority, Section::Additional] {
            for record in message.records(section) {
                if record.rtype == RrType::OPT {
                    continue;
                }
                let mut rdata = Vec::new();
                record.rdata(&mut rdata);
                writer.record(section, record.owner().as_ref(), record.rtype, record.class, record.ttl, &rdata).unwrap();
            }
        }
        let length = writer.finish();
        prop_assert!(Message::parse(&buf[..length]).is_ok());
    }
}
