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

    /// RFC 1035 §4.1.4 and RFC 2181 §5: reordered or chosen records keep their content, everything else stays, no pointer
    /// leads forward, and the message does not grow.
    #[test]
    fn picked_records_equal_those_of_the_rrset(
        names in related_names(), kind in 0usize..4, picks in prop::collection::vec(0u16..12, 0..12), by in 0usize..12, glue in any::<bool>(),
    ) {
        let (rtype, before): (RrType, &[u8]) =
            [(RrType::NS, &[][..]), (RrType::MX, &[0, 5]), (RrType::SRV, &[0; 6]), (RrType::A, &[])][kind];
        let rdatas: Vec<Vec<u8>> = names.iter().take(10).enumerate().map(|(i, name)| match rtype {
            RrType::A => vec![192, 0, 2, i as u8],
            _ => [before, name.as_ref().wire()].concat(),
        }).collect();
        for rotates in [false, true] {
            let mut buf = [0; 8192];
            let mut writer = Writer::new(&mut buf, 8192, 0, Flags::default());
            writer.question(names[0].as_ref(), rtype, Class::IN).unwrap();
            let alias = names.last().unwrap();
            writer.record(Section::Answer, names[0].as_ref(), RrType::CNAME, Class::IN, 9, alias.as_ref().wire()).unwrap();
            for rdata in &rdatas {
                writer.record(Section::Answer, alias.as_ref(), rtype, Class::IN, 60, rdata).unwrap();
            }
            if glue {
                for (i, name) in names.iter().enumerate() {
                    writer.record(Section::Additional, name.as_ref(), RrType::AAAA, Class::IN, 5, &[i as u8; 16]).unwrap();
                }
            }
            let length = writer.finish();
            let whole = records(writer.written(), Section::Answer);
            let additional = records(writer.written(), Section::Additional);
            let run = writer.runs().nth(1).unwrap();
            prop_assert_eq!((usize::from(run.count), run.number, run.rtype), (rdatas.len(), 1, rtype));
            prop_assert_eq!(writer.run_rdata(&run).count(), rdatas.len());
            prop_assert_eq!((writer.run_owner(&run).to_name(), writer.run_ttl(&run)), (alias.clone(), 60));
            let mut distinct = picks.clone();
            distinct.sort_unstable();
            distinct.dedup();
            let valid = !picks.is_empty() && distinct.len() == picks.len() && distinct.iter().all(|pick| *pick < run.count);
            let wanted: Vec<usize> = match rotates {
                true => (0..rdatas.len()).map(|at| (at + by) % rdatas.len()).collect(),
                false if valid => picks.iter().map(|pick| usize::from(*pick)).collect(),
                false => (0..rdatas.len()).collect(),
            };
            let done = if rotates { writer.rotate(&run, by) } else { writer.pick(&run, &picks) };
            prop_assert_eq!(done, rotates || valid);
            prop_assert!(writer.finish() <= length);
            let got = records(writer.written(), Section::Answer);
            prop_assert_eq!(got.len(), 1 + wanted.len());
            prop_assert_eq!(&got[0], &whole[0]);
            for (got, wanted) in got[1..].iter().zip(wanted) {
                let expected = &whole[1 + wanted];
                prop_assert_eq!((&got.0, got.1), (&expected.0, expected.1));
                prop_assert!(got.2.eq_ignore_ascii_case(&expected.2));
            }
            prop_assert_eq!(records(writer.written(), Section::Additional), additional);
        }
    }

    /// RFC 2181 §9: a message that is shortened keeps whole RRsets, as many as fit.
    #[test]
    fn a_shrunk_message_keeps_whole_rrsets(sizes in prop::collection::vec((1u8..6, 0u8..3), 1..12), limit in 17usize..900) {
        let mut sizes = sizes;
        sizes.sort_by_key(|(_, section)| *section);
        let mut buf = [0; 8192];
        let mut writer = Writer::new(&mut buf, 8192, 0, Flags::default());
        writer.question(NameRef::ROOT, RrType::A, Class::IN).unwrap();
        let mut ends = vec![(writer.len(), [0; 3])];
        for (i, (count, section)) in sizes.iter().enumerate() {
            let owner = name(&format!("n{i}.example."));
            let section = [Section::Answer, Section::Authority, Section::Additional][usize::from(*section)];
            for number in 0..*count {
                writer.record(section, owner.as_ref(), RrType::A, Class::IN, 1, &[0, 0, 0, number]).unwrap();
            }
            let [_, counts @ ..] = writer.counts();
            ends.push((writer.len(), counts));
        }
        let cut = writer.shrink(limit);
        let expected = ends.iter().rposition(|(end, _)| *end <= limit).unwrap();
        let [_, counts @ ..] = writer.counts();
        prop_assert_eq!((writer.len(), counts), ends[expected]);
        let first = cut.map(|cut| cut.owner.to_name());
        prop_assert_eq!(first, (expected < sizes.len()).then(|| name(&format!("n{expected}.example."))));
        writer.finish();
        prop_assert!(Message::parse(writer.written()).is_ok());
    }
}

#[test]
fn an_rrset_and_its_signatures_are_removed_together() {
    let owner = name("a.example.");
    let mut buf = [0; 512];
    let mut writer = Writer::new(&mut buf, 512, 0, Flags::default());
    writer.question(owner.as_ref(), RrType::A, Class::IN).unwrap();
    writer.record(Section::Answer, owner.as_ref(), RrType::A, Class::IN, 1, &[1, 2, 3, 4]).unwrap();
    let signature = [&[0, 1, 13, 2, 0, 0, 0, 1, 0, 0, 0, 9, 0, 0, 0, 1, 0, 7, 0][..], &[7; 64]].concat();
    writer.record(Section::Answer, owner.as_ref(), RrType::RRSIG, Class::IN, 1, &signature).unwrap();
    let length = writer.len();
    assert!(writer.shrink(length).is_none());
    assert_eq!(writer.shrink(length - 1).map(|cut| cut.section), Some(Section::Answer));
    assert_eq!((writer.len(), writer.counts()), (writer.question_end(), [1, 0, 0, 0]));
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
