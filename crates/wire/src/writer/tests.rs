use super::*;
use crate::message::Message;
use crate::name::Name;
use crate::name::tests::any_name;
use proptest::prelude::*;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// Owner, type and uncompressed rdata of every record of `section`.
fn records(bytes: &[u8], section: Section) -> Vec<(Name, RrType, Vec<u8>)> {
    let message = Message::parse(bytes).unwrap();
    message
        .records(section)
        .map(|record| {
            let mut rdata = Vec::new();
            record.rdata(&mut rdata);
            (record.owner().to_name(), record.rtype, rdata)
        })
        .collect()
}

/// Names that share suffixes, so that the writer can compress them.
fn related_names() -> impl Strategy<Value = Vec<Name>> {
    (
        prop::collection::vec(any_name(), 1..6),
        prop::collection::vec((0usize..6, 0usize..8, any_name()), 0..20),
    )
        .prop_map(|(bases, mixes)| {
            let mut names = bases.clone();
            for (base, keep, prefix) in mixes {
                let suffix = bases[base % bases.len()].as_ref().suffix(keep).to_buf();
                let labels: Vec<_> = prefix.as_ref().labels().take(2).collect();
                let longer = labels.iter().try_fold(suffix, |name, label| name.as_ref().with_label(label));
                names.extend(longer.map(|name| name.to_name()));
            }
            names
        })
}

proptest! {
    #[test]
    fn written_messages_are_read_back(names in related_names(), limit in 40usize..2000) {
        let mut buf = [0; 4096];
        let mut writer = Writer::new(&mut buf, limit, 1, Flags::default().with_qr(true));
        let mut expected = Vec::new();
        if writer.question(names[0].as_ref(), RrType::MX, Class::IN).is_ok() {
            for pair in names.windows(2) {
                let rdata = [&[0, 10], pair[1].as_ref().wire()].concat();
                if writer.record(Section::Answer, pair[0].as_ref(), RrType::MX, Class::IN, 60, &rdata).is_ok() {
                    expected.push((pair[0].clone(), RrType::MX, rdata));
                }
            }
        }
        let length = writer.finish();
        prop_assert!(length <= limit);
        let got = records(&buf[..length], Section::Answer);
        prop_assert_eq!(got.len(), expected.len());
        for (got, expected) in got.iter().zip(&expected) {
            prop_assert_eq!(&got.0, &expected.0);
            prop_assert!(got.2.eq_ignore_ascii_case(&expected.2));
        }
    }

    /// Rendered records parse to the same records in every message whose question ends in their context.
    #[test]
    fn rendered_records_parse_equally_in_every_message(
        context in any_name(), label in prop::collection::vec(any::<u8>(), 1..20), target in any_name(), ahead in 0usize..3,
    ) {
        // The layout: an NS RRset of the context and the address of its target. The address record compresses into
        // both.
        let mut buf = [0; 2048];
        let mut layout = Writer::new(&mut buf, 2048, 0, Flags::default());
        layout.question(context.as_ref(), RrType::NS, Class::IN).unwrap();
        let base = layout.len();
        layout.record(Section::Authority, context.as_ref(), RrType::NS, Class::IN, 60, target.as_ref().wire()).unwrap();
        layout.record(Section::Additional, target.as_ref(), RrType::A, Class::IN, 60, &[192, 0, 2, 1]).unwrap();
        let end = layout.finish();
        let bytes = buf[base..end].to_vec();
        let pointers = pointers(&buf[..end], base);
        let body = Rendered { bytes: &bytes, pointers: &pointers, base: base as u16, context: context.as_ref().wire().len() as u8 };

        let Some(question) = context.as_ref().with_label(&label) else { return Ok(()) };
        let mut buf = [0; 2048];
        let mut writer = Writer::new(&mut buf, 2048, 0, Flags::default());
        writer.question(question.as_ref(), RrType::A, Class::IN).unwrap();
        for _ in 0..ahead {
            writer.record(Section::Authority, question.as_ref(), RrType::A, Class::IN, 60, &[127, 0, 0, 1]).unwrap();
        }
        // Both records are one body here, so that one section counts them.
        writer.rendered(Section::Authority, 2, &body).unwrap();
        let length = writer.finish();
        let got = records(&buf[..length], Section::Authority);
        prop_assert_eq!(&got[ahead].0, &context);
        prop_assert_eq!(&Name::from_wire(&got[ahead].2).unwrap(), &target);
        prop_assert_eq!(&got[ahead + 1].0, &target);
    }
}

proptest! {
    /// RFC 1035 §4.1.4: picked records keep their content, and every pointer points backward.
    #[test]
    fn picked_records_equal_those_of_the_rrset(
        names in related_names(), label in prop::collection::vec(any::<u8>(), 1..20), picks in prop::collection::vec(0u16..12, 0..12), mail in any::<bool>(),
    ) {
        let context = &names[0];
        let rtype = if mail { RrType::MX } else { RrType::NS };
        let mut buf = [0; 8192];
        let mut layout = Writer::new(&mut buf, 8192, 0, Flags::default());
        layout.question(context.as_ref(), rtype, Class::IN).unwrap();
        let base = layout.len();
        for name in names.iter().take(10) {
            let rdata = [if mail { &[0, 5][..] } else { &[] }, name.as_ref().wire()].concat();
            layout.record(Section::Answer, context.as_ref(), rtype, Class::IN, 60, &rdata).unwrap();
        }
        let end = layout.finish();
        let bytes = buf[base..end].to_vec();
        let whole = records(&buf[..end], Section::Answer);
        let pointers = pointers(&buf[..end], base);
        let body = Rendered { bytes: &bytes, pointers: &pointers, base: base as u16, context: context.as_ref().wire().len() as u8 };
        prop_assert_eq!(body.borders().count(), whole.len());

        let Some(question) = context.as_ref().with_label(&label) else { return Ok(()) };
        let mut buf = [0; 8192];
        let mut writer = Writer::new(&mut buf, 8192, 0, Flags::default());
        writer.question(question.as_ref(), rtype, Class::IN).unwrap();
        let start = writer.len();
        writer.picked(Section::Answer, &body, &picks).unwrap();
        let length = writer.finish();
        let mut wanted: Vec<u16> = Vec::new();
        for &pick in &picks {
            if !wanted.contains(&pick) && (pick as usize) < whole.len() {
                wanted.push(pick);
            }
        }
        let got = records(&buf[..length], Section::Answer);
        prop_assert_eq!(got.len(), wanted.len());
        for (got, &pick) in got.iter().zip(&wanted) {
            let expected = &whole[pick as usize];
            prop_assert_eq!((&got.0, got.1), (&expected.0, expected.1));
            prop_assert!(got.2.eq_ignore_ascii_case(&expected.2), "{:?} {:?}", got.2, expected.2);
        }
        // In the original order no pointer is written out, so that no record becomes longer.
        if wanted.iter().enumerate().all(|(at, &pick)| at == pick as usize) {
            prop_assert!(length - start <= bytes.len());
        }
        // Records that do not fit leave the message unchanged.
        if length > start {
            let mut writer = Writer::new(&mut buf, length - 1, 0, Flags::default());
            writer.question(question.as_ref(), rtype, Class::IN).unwrap();
            prop_assert!(writer.picked(Section::Answer, &body, &picks).is_err());
            prop_assert_eq!(writer.len(), start);
            let length = writer.finish();
            prop_assert!(records(&buf[..length], Section::Answer).is_empty());
        }
    }
}

/// The offsets, relative to `base`, of the compression pointers in the records that follow `base`.
fn pointers(message: &[u8], base: usize) -> Vec<u16> {
    fn name_end(message: &[u8], mut at: usize, found: &mut Vec<usize>) -> usize {
        loop {
            match message[at] {
                0 => return at + 1,
                length if length >= 0xc0 => {
                    found.push(at);
                    return at + 2;
                }
                length => at += 1 + length as usize,
            }
        }
    }
    let mut found = Vec::new();
    let mut at = base;
    while at < message.len() {
        let fixed = name_end(message, at, &mut found);
        let rdata = fixed + 10;
        match RrType(message[fixed + 1] as u16) {
            RrType::NS => name_end(message, rdata, &mut found),
            RrType::MX => name_end(message, rdata + 2, &mut found),
            _ => 0,
        };
        at = rdata + u16::from_be_bytes([message[fixed + 8], message[fixed + 9]]) as usize;
    }
    found.into_iter().map(|offset| (offset - base) as u16).collect()
}

#[test]
fn an_rrset_that_does_not_fit_leaves_the_message_unchanged() {
    let mut rrset = Rrset::new(name("a.example."), RrType::TXT, Class::IN, 60);
    for i in 0..4 {
        rrset.rdatas.push(&[&[30][..], &[b'0' + i; 30]].concat());
    }
    let mut buf = [0; 512];
    let mut writer = Writer::new(&mut buf, 100, 0, Flags::default());
    writer.question(name("a.example.").as_ref(), RrType::TXT, Class::IN).unwrap();
    let before = writer.len();
    assert_eq!(writer.rrset(Section::Answer, &rrset), Err(Full));
    assert_eq!((writer.len(), writer.counts()), (before, [1, 0, 0, 0]));
    writer
        .record(Section::Answer, name("a.example.").as_ref(), RrType::A, Class::IN, 1, &[1, 2, 3, 4])
        .unwrap();
    let length = writer.finish();
    assert_eq!(records(&buf[..length], Section::Answer).len(), 1);
}

#[test]
fn reserved_octets_stay_free() {
    let mut buf = [0; 64];
    let mut writer = Writer::new(&mut buf, 64, 0, Flags::default());
    writer.question(NameRef::ROOT, RrType::A, Class::IN).unwrap();
    writer.reserve(40).unwrap();
    assert_eq!(writer.left(), 64 - 40 - 17);
    assert_eq!(writer.raw(Section::Additional, 1, &[0; 11]), Err(Full));
    assert_eq!(writer.raw_array(Section::Additional, 1, [0; 11]), Err(Full));
    writer.release();
    assert_eq!(writer.raw(Section::Additional, 1, &[0; 11]), Ok(17));
    assert_eq!(writer.raw_array(Section::Additional, 1, [0; 11]), Ok(28));
}

#[test]
fn raw_array_writes_the_same_as_raw() {
    let opt = [0, 0, 41, 0x04, 0xd0, 1, 2, 0x80, 0, 0, 0];
    let [array, slice] = [true, false].map(|array| {
        let mut buf = [0; 64];
        let mut writer = Writer::new(&mut buf, 64, 0x1234, Flags::default());
        writer.question(name("x.y.").as_ref(), RrType::A, Class::IN).unwrap();
        let place = match array {
            true => writer.raw_array(Section::Additional, 1, opt),
            false => writer.raw(Section::Additional, 1, &opt),
        };
        (place, writer.finish(), buf)
    });
    assert_eq!(array, slice);
}

#[test]
fn a_wildcard_owner_points_to_the_whole_question_name() {
    let mut buf = [0; 64];
    let mut writer = Writer::new(&mut buf, 64, 0, Flags::default());
    writer.question(name("x.y.").as_ref(), RrType::A, Class::IN).unwrap();
    let bytes = b"\xc0\x0c\0\x01\0\x01\0\0\0\x05\0\x04\x01\x02\x03\x04";
    writer.rendered(Section::Answer, 1, &Rendered { bytes, pointers: &[], base: 19, context: 3 }).unwrap();
    let length = writer.finish();
    assert_eq!(records(&buf[..length], Section::Answer)[0].0, name("x.y."));
}
