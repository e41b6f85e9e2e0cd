use super::*;
use crate::name::Name;
use crate::writer::Writer;
use proptest::prelude::*;

/// A query for `www.example. A` with its parts laid open for tampering.
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
fn every_lie_is_refused() {
    assert_eq!(error(&[0; 11]), MessageError::NoHeader);
    // Counts that the body does not bear out, both ways.
    assert_eq!(error(&query([2, 0, 0, 0], WWW)), MessageError::Truncated { at: 29 });
    assert_eq!(error(&query([0, 0, 0, 0], WWW)), MessageError::TrailingBytes { at: 12 });
    assert_eq!(error(&query([1, 1, 0, 0], WWW)), MessageError::Truncated { at: 29 });
    assert_eq!(error(&query([65535, 65535, 65535, 65535], &[])), MessageError::Truncated { at: 12 });
    // Pointers: to itself, forward, in a circle, into the header.
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
    // A name that is too long only once its pointer is followed.
    let label = [&[63][..], &[b'a'; 63]].concat();
    let long =
        [&label[..], &label, &label, b"\0\0\x01\0\x01", &label, &label, b"\xc0\x0c\0\x01\0\x01"].concat();
    assert_eq!(error(&query([2, 0, 0, 0], &long)), MessageError::NameTooLong { at: 12 + 3 * 64 + 5 });
    // RDLENGTH past the end; rdata of the wrong form.
    let record = |rtype: u8, length: u8, rdata: &[u8]| {
        query([1, 1, 0, 0], &[WWW, b"\xc0\x0c\0", &[rtype], b"\0\x01\0\0\0\x05\0", &[length], rdata].concat())
    };
    assert!(Message::parse(&record(1, 4, &[1, 2, 3, 4])).is_ok());
    assert_eq!(error(&record(1, 5, &[1, 2, 3, 4])), MessageError::Truncated { at: 29 });
    assert_eq!(error(&record(2, 2, b"\xc0\xff")), MessageError::BadRdata { at: 41, rtype: RrType::NS });
    assert_eq!(error(&record(2, 3, b"\xc0\x0c\0")), MessageError::BadRdata { at: 41, rtype: RrType::NS });
}

/// A chain of pointers to pointers leads strictly backward and still must not be walked to its end.
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

/// SIG is the type whose name may be compressed and whose rest has no bound of its own: written out it can outgrow what
/// any record can hold.
#[test]
fn rdata_that_outgrows_its_length_field_is_refused() {
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
fn opt_and_tsig_have_their_places() {
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
fn only_the_reply_to_the_query_ends_the_wait() {
    let asked = query([1, 0, 0, 0], WWW);
    let mut reply = asked.clone();
    assert!(!replies_to(&asked, &reply), "QR is clear");
    reply[2] |= 0x80;
    assert!(replies_to(&asked, &reply));
    for (at, what) in
        [(0, "id"), (1, "id"), (2, "opcode"), (13, "case"), (5, "no question"), (26, "type"), (28, "class")]
    {
        let mut other = reply.clone();
        other[at] ^= if at == 2 {
            0x08
        } else if at == 13 {
            0x20
        } else {
            1
        };
        assert!(!replies_to(&asked, &other), "{what}");
    }
    assert!(!replies_to(&asked, &reply[..20]));
}

proptest! {
    /// Whatever comes, parsing ends, and what it accepts can be read to the last record and written again.
    #[test]
    fn any_bytes_are_refused_or_read(mut bytes in prop::collection::vec(any::<u8>(), 12..200), counts in any::<[u8; 4]>()) {
        for (i, count) in counts.iter().enumerate() {
            bytes[4 + 2 * i] = 0;
            bytes[5 + 2 * i] = count % 3;
        }
        let Ok(message) = Message::parse(&bytes) else { return Ok(()) };
        let mut buf = vec![0; 65535];
        let mut writer = Writer::new(&mut buf, 65535, message.id(), message.flags());
        for question in message.questions() {
            writer.question(question.name.as_ref(), question.rtype, question.class).unwrap();
        }
        for section in [Section::Answer, Section::Authority, Section::Additional] {
            for record in message.records(section) {
                let mut rdata = Vec::new();
                record.rdata(&mut rdata);
                writer.record(section, record.owner().as_ref(), record.rtype, record.class, record.ttl, &rdata).unwrap();
            }
        }
        let length = writer.finish();
        prop_assert!(Message::parse(&buf[..length]).is_ok());
    }
}
