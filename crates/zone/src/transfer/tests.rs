use nw_wire::{Rrset, Section, Writer};
use proptest::prelude::*;

use super::*;
use crate::scan;

/// Owner, type, class, TTL and rdata of a record.
type Row = (Name, RrType, Class, u32, Vec<u8>);

const ZONE: &str = "\
$TTL 3600
@ SOA ns1 hostmaster 7 7200 3600 1209600 300
@ NS ns1
@ MX 10 mail
ns1 A 192.0.2.1
mail A 192.0.2.2
www CNAME mail
";

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

fn zone() -> Zone {
    let options = LoadOptions { threads: 1, ..LoadOptions::default() };
    scan::load(&mut scan::Text::new("zone", ZONE), name("example.com.").as_ref(), &options).expect("a zone")
}

const ID: u16 = 4711;
const LIMITS: TransferLimits = TransferLimits { octets: 100_000, records: 100, differences: 3 };

fn transfer(limits: TransferLimits) -> Transfer {
    Transfer::new(name("example.com."), ID, limits)
}

/// The records of the zone, the SOA first.
fn records() -> Vec<Row> {
    let zone = zone();
    let mut records: Vec<_> = zone
        .rrsets()
        .flat_map(|set| {
            let rdatas: Vec<Vec<u8>> = set.rdatas.iter().map(<[u8]>::to_vec).collect();
            rdatas.into_iter().map(move |rdata| (set.owner.clone(), set.rtype, set.class, set.ttl, rdata))
        })
        .collect();
    records.sort_by_key(|record| record.1 != RrType::SOA);
    records
}

fn message(id: u16, flags: Flags, question: bool, records: &[Row]) -> Vec<u8> {
    let mut room = vec![0; 65_535];
    let mut writer = Writer::new(&mut room, 65_535, id, flags.with_qr(true));
    if question {
        writer.question(name("example.com.").as_ref(), RrType::AXFR, Class::IN).expect("it fits");
    }
    for (owner, rtype, class, ttl, rdata) in records {
        writer.record(Section::Answer, owner.as_ref(), *rtype, *class, *ttl, rdata).expect("it fits");
    }
    let length = writer.finish();
    room.truncate(length);
    room
}

/// Read the records in messages of *size*, the SOA at the end again.
fn read(mut transfer: Transfer, size: usize) -> Result<Zone, TransferError> {
    let mut all = records();
    all.push(all[0].clone());
    for (at, part) in all.chunks(size).enumerate() {
        let complete = transfer.read(&message(ID, Flags::default(), at == 0, part))?;
        assert_eq!(complete, (at + 1) * size >= all.len());
    }
    transfer.finish().map(whole)
}

fn whole(transferred: Transferred) -> Zone {
    match transferred {
        Transferred::Zone(zone) => zone,
        other => panic!("{other:?}"),
    }
}

#[test]
fn records_become_the_zone_however_they_are_cut() {
    let text = zone().to_text();
    for size in 1..10 {
        assert_eq!(read(transfer(LIMITS), size).expect("a zone").to_text(), text, "{size}");
    }
}

#[test]
fn the_query_asks_for_the_zone() {
    let transfer = transfer(LIMITS);
    let query = Message::parse(transfer.query()).expect("a message");
    let question = query.question().expect("a question");
    assert_eq!((query.id(), question.rtype, question.class), (ID, RrType::AXFR, Class::IN));
    assert_eq!(question.name.as_ref(), name("example.com.").as_ref());
}

#[test]
fn octets_and_records_are_limited() {
    let few = read(transfer(TransferLimits { records: 6, ..LIMITS }), 3);
    assert_eq!(few.expect_err("seven records"), TransferError::TooManyRecords(6));
    let few = read(transfer(TransferLimits { octets: 100, ..LIMITS }), 3);
    assert_eq!(few.expect_err("more octets"), TransferError::TooManyOctets(100));
}

#[test]
fn what_is_no_transfer_of_the_zone_is_refused() {
    let all = records();
    let first = |flags: Flags, records: &[_]| transfer(LIMITS).read(&message(ID, flags, true, records));
    let none = Flags::default();
    let refused = first(none.with_rcode(Rcode::REFUSED), &[]);
    assert_eq!(refused, Err(TransferError::Rcode(Rcode::REFUSED)));
    assert_eq!(first(none.with_tc(true), &all), Err(TransferError::Truncated));
    assert_eq!(first(none, &[]), Err(TransferError::Empty));
    assert_eq!(first(none, &all[1..]), Err(TransferError::NoSoa));
    let mut other = all.clone();
    other[2].0 = name("example.net.");
    assert_eq!(first(none, &other), Err(TransferError::OutOfZone(name("example.net."))));
    let mut chaos = all.clone();
    chaos[2].2 = Class::CH;
    assert!(matches!(first(none, &chaos), Err(TransferError::NotData(..))));
    let mut changed = all.clone();
    changed.push(all[0].clone());
    let serial = all[0].4.len() - 17;
    changed.last_mut().expect("it was pushed").4[serial] += 1;
    assert_eq!(first(none, &changed), Err(TransferError::OtherSoa));
    let mut more = all.clone();
    more.extend([all[0].clone(), all[1].clone()]);
    assert_eq!(first(none, &more), Err(TransferError::Trailing));

    let wrong_id = transfer(LIMITS).read(&message(ID + 1, none, true, &all));
    assert_eq!(wrong_id, Err(TransferError::Mismatch(Mismatch::Id)));
    let no_question = transfer(LIMITS).read(&message(ID, none, false, &all));
    assert_eq!(no_question, Err(TransferError::Mismatch(Mismatch::NoQuestion)));
    let short = transfer(LIMITS).read(&[0; 5]);
    assert_eq!(short, Err(TransferError::Mismatch(Mismatch::NoHeader)));
    let mut cut = message(ID, none, true, &all);
    cut.truncate(cut.len() - 3);
    assert!(matches!(transfer(LIMITS).read(&cut), Err(TransferError::Message(_))));
    let mut query = message(ID, none, true, &all);
    query[2] &= 0x7f;
    assert_eq!(transfer(LIMITS).read(&query), Err(TransferError::Mismatch(Mismatch::NotAReply)));
}

#[test]
fn only_a_complete_transfer_is_a_zone() {
    let all = records();
    let mut cut = transfer(LIMITS);
    assert_eq!(cut.read(&message(ID, Flags::default(), true, &all)), Ok(false));
    assert_eq!(cut.finish().expect_err("no last SOA"), TransferError::Incomplete);
    // The rules of zone files hold: a zone has name servers.
    let mut bare = transfer(LIMITS);
    let soa = all[0].clone();
    assert_eq!(bare.read(&message(ID, Flags::default(), true, &[soa.clone(), soa])), Ok(true));
    assert!(matches!(bare.finish(), Err(TransferError::Zone(_))));
}

/// A message of records with names of 248 octets, which are written as pointers. Each owner is another, and each record has two more names.
fn long_names(first: u16, count: u16) -> Vec<u8> {
    let apex = name("example.com.");
    let flags = Flags::default().with_qr(true);
    let mut bytes = Header { id: ID, flags, counts: [0, count + 1, 0, 0] }.to_wire().to_vec();
    let at = u16::try_from(bytes.len()).expect("a header");
    let label = [&[57][..], &[b'x'; 57]].concat();
    bytes.extend([&*label, &label, &label, &label[..1], &[b'x'; 57], apex.as_ref().wire()].concat());
    let pointer = (0xc000 | at).to_be_bytes();
    let head =
        |rtype: RrType, length: u8| [&rtype.0.to_be_bytes()[..], &[0, 1, 0, 0, 1, 44, 0, length]].concat();
    bytes.extend([&*head(RrType::RP, 4), &pointer, &pointer].concat());
    for number in first..first + count {
        bytes.extend([&[2][..], &(number | 0x8080).to_be_bytes(), &pointer].concat());
        bytes.extend([&*head(RrType::RP, 4), &pointer, &pointer].concat());
    }
    bytes
}

/// Compression does not let a primary use much more memory than the octets and records that it may send.
#[test]
fn names_behind_pointers_cost_what_the_limits_allow() {
    let mut transfer = transfer(TransferLimits { octets: 1 << 20, records: 100_000, ..LIMITS });
    let all = records();
    transfer.read(&message(ID, Flags::default(), true, &all)).expect("a good beginning");
    for part in 0..8 {
        assert_eq!(transfer.read(&long_names(part * 1000, 1000)), Ok(false));
    }
    assert_eq!(transfer.read(&message(ID, Flags::default(), true, &all[..1])), Ok(true));
    let octets = usize::try_from(transfer.octets()).expect("it is small");
    let zone = whole(transfer.finish().expect("a zone"));
    assert!(zone.octets() < 64 * octets, "{} octets of {octets}", zone.octets());
}

proptest! {
    /// Whatever octets of the messages change, the transfer ends with a zone or an error, and holds no more than its limits.
    #[test]
    fn damaged_messages_do_no_harm(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8), size in 1usize..8) {
        let mut all = records();
        all.push(all[0].clone());
        let mut running = transfer(LIMITS);
        for (at, part) in all.chunks(size).enumerate() {
            let mut octets = message(ID, Flags::default(), at == 0, part);
            for (place, octet) in &changes {
                let place = place.index(octets.len());
                octets[place] ^= octet;
            }
            match running.read(&octets) {
                Ok(false) => {}
                Ok(true) | Err(_) => break,
            }
        }
        prop_assert!(running.records() <= LIMITS.records + 1 && running.octets() <= LIMITS.octets + 65_535);
        let _ = running.finish();
    }
}

// IXFR

/// The version of the zone with this serial and these hosts.
fn version(serial: u32, hosts: &[&str]) -> Zone {
    let hosts: String = hosts.iter().map(|host| format!("{host} A 192.0.2.9\n")).collect();
    let text = ZONE.replace("hostmaster 7", &format!("hostmaster {serial}")) + &hosts;
    let options = LoadOptions { threads: 1, ..LoadOptions::default() };
    scan::load(&mut scan::Text::new("zone", text), name("example.com.").as_ref(), &options).expect("a zone")
}

fn rows<'a>(sets: impl IntoIterator<Item = &'a Rrset>) -> Vec<Row> {
    sets.into_iter()
        .flat_map(|set| {
            let row = |rdata: &[u8]| (set.owner.clone(), set.rtype, set.class, set.ttl, rdata.to_vec());
            set.rdatas.iter().map(row).collect::<Vec<_>>()
        })
        .collect()
}

/// The reply that leads over `versions`: the SOA of the last one, the differences, and that SOA again.
fn chain(versions: &[Zone]) -> Vec<Row> {
    let newest = versions.last().expect("versions");
    let soa = newest.rrset(newest.apex(), RrType::SOA).expect("every zone has one");
    let mut made = rows([&soa]);
    for pair in versions.windows(2) {
        let difference = pair[0].difference(&pair[1]);
        made.extend(rows(difference.removed()));
        made.extend(rows(difference.added()));
    }
    made.extend(rows([&soa]));
    made
}

fn versions() -> [Zone; 3] {
    [version(7, &["a", "b"]), version(8, &["a", "c"]), version(10, &["c", "d", "e"])]
}

/// Read `rows` in messages of `size` as the reply to an IXFR of what is newer than the first of `versions`.
fn incremental(rows: &[Row], size: usize) -> Result<Transferred, TransferError> {
    let mut running = Transfer::incremental(&versions()[0], ID, LIMITS);
    for (at, part) in rows.chunks(size).enumerate() {
        // The question of an IXFR has another type.
        let mut octets = message(ID, Flags::default(), at == 0, part);
        if at == 0 {
            octets[26] = 251;
        }
        if running.read(&octets)? {
            assert!((at + 1) * size >= rows.len(), "records were not read");
        }
    }
    running.finish()
}

#[test]
fn the_query_for_what_is_newer_has_the_soa_of_the_client() {
    let transfer = Transfer::incremental(&versions()[0], ID, LIMITS);
    let query = Message::parse(transfer.query()).expect("a message");
    assert_eq!(query.question().expect("a question").rtype, RrType::IXFR);
    let soa = query.authority().next().expect("an SOA");
    let mut rdata = Vec::new();
    soa.rdata(&mut rdata);
    assert_eq!((soa.rtype, build::soa_serial(&rdata)), (RrType::SOA, 7));
}

#[test]
fn differences_lead_to_the_zone_of_the_primary_however_they_are_cut() {
    let versions = versions();
    let rows = chain(&versions);
    for size in 1..=rows.len() {
        let Ok(Transferred::Differences(found)) = incremental(&rows, size) else { panic!("{size}") };
        let steps: Vec<_> = found.iter().map(|one| (one.serial_before(), one.serial_after())).collect();
        assert_eq!(steps, [(7, 8), (8, 10)]);
        let zone = found.iter().try_fold(versions[0].clone(), |zone, one| zone.apply(one)).expect("they fit");
        assert_eq!(zone.to_text(), versions[2].to_text());
    }
}

#[test]
fn a_reply_to_ixfr_may_be_the_whole_zone_or_say_that_nothing_is_new() {
    let versions = versions();
    let mut all = rows(&versions[2].rrsets().collect::<Vec<_>>());
    all.sort_by_key(|record| record.1 != RrType::SOA);
    all.push(all[0].clone());
    for size in 1..=all.len() {
        let zone = whole(incremental(&all, size).expect("a zone"));
        assert_eq!(zone.to_text(), versions[2].to_text(), "{size}");
    }
    let same = chain(&versions[..1]);
    assert!(matches!(incremental(&same[..1], 1), Ok(Transferred::Same)));
    // Over UDP, the newer SOA alone says that the rest does not fit (RFC 1995 §2): the caller asks over TCP.
    assert_eq!(incremental(&all[..1], 1).expect_err("not all"), TransferError::Incomplete);
}

#[test]
fn differences_that_do_not_follow_are_refused() {
    let versions = versions();
    let good = chain(&versions);
    let soas: Vec<usize> = (0..good.len()).filter(|at| good[*at].1 == RrType::SOA).collect();
    let with_serial = |changes: &[(usize, u32)]| {
        let mut rows = good.clone();
        for (soa, serial) in changes {
            let rdata = &mut rows[soas[*soa]].4;
            let at = rdata.len() - 20;
            rdata[at..at + 4].copy_from_slice(&serial.to_be_bytes());
        }
        rows
    };
    let refused = |rows: &[Row]| incremental(rows, rows.len()).expect_err("it is refused");
    let sequence = |expected, found| TransferError::OutOfSequence { expected, found };
    // SOAs: newest 10; from 7, to 8; from 8, to 10; newest 10.
    assert_eq!(refused(&with_serial(&[(1, 6)])), sequence(7, 6), "not the version of the client");
    assert_eq!(refused(&with_serial(&[(2, 7)])), sequence(7, 7), "the same serial");
    assert_eq!(refused(&with_serial(&[(2, 6)])), sequence(7, 6), "back");
    assert_eq!(refused(&with_serial(&[(3, 9)])), sequence(8, 9), "a gap");
    assert_eq!(refused(&with_serial(&[(4, 9)])), sequence(9, 10), "the end before the newest version");
    assert_eq!(refused(&with_serial(&[(5, 11)])), TransferError::OtherSoa);
    assert_eq!(refused(&with_serial(&[(0, 6)])), TransferError::Older { found: 6, held: 7 });
    let mut minimum = good.clone();
    *minimum[soas[4]].4.last_mut().expect("an SOA") += 1;
    assert_eq!(
        refused(&minimum),
        TransferError::OtherSoa,
        "the last version is another than the first SOA says"
    );
    let mut more = good.clone();
    more.push(good[1].clone());
    assert_eq!(refused(&more), TransferError::Trailing);
    assert_eq!(refused(&[good[0].clone(), good[0].clone()]), sequence(7, 10));
    let same = chain(&versions[..1]);
    assert_eq!(refused(&[same[0].clone(), good[2].clone()]), TransferError::Trailing);
    for end in 1..good.len() {
        assert_eq!(incremental(&good[..end], 2).expect_err("cut"), TransferError::Incomplete, "{end}");
    }
    let mut outside = good.clone();
    outside[2].0 = name("example.net.");
    assert_eq!(refused(&outside), TransferError::OutOfZone(name("example.net.")));
}

#[test]
fn differences_are_limited() {
    let many: Vec<Zone> = (7..12).map(|serial| version(serial, &["a"])).collect();
    let rows = chain(&many);
    assert_eq!(incremental(&rows, rows.len()).expect_err("four"), TransferError::TooManyDifferences(3));
    // Octets count without compression.
    let hosts: Vec<String> =
        (0..60).map(|host| format!("{host}.{}", vec!["x".repeat(60); 3].join("."))).collect();
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    let rows = chain(&[version(7, &["a", "b"]), version(8, &hosts)]);
    let limits = TransferLimits { octets: 10_000, ..LIMITS };
    let mut running = Transfer::incremental(&versions()[0], ID, limits);
    let mut octets = message(ID, Flags::default(), true, &rows);
    octets[26] = 251;
    assert!(octets.len() < 10_000);
    assert_eq!(running.read(&octets), Err(TransferError::TooManyOctets(10_000)));
}

proptest! {
    /// Whatever octets of the messages change, the transfer ends with a zone that the differences lead to, or an error.
    #[test]
    fn damaged_differences_do_no_harm(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), size in 1usize..12) {
        let versions = versions();
        let mut running = Transfer::incremental(&versions[0], ID, LIMITS);
        for (at, part) in chain(&versions).chunks(size).enumerate() {
            let mut octets = message(ID, Flags::default(), at == 0, part);
            if at == 0 {
                octets[26] = 251;
            }
            for (place, octet) in &changes {
                let place = place.index(octets.len());
                octets[place] ^= octet;
            }
            match running.read(&octets) {
                Ok(false) => {}
                Ok(true) | Err(_) => break,
            }
        }
        if let Ok(Transferred::Differences(found)) = running.finish() {
            let _ = found.iter().try_fold(versions[0].clone(), |zone, one| zone.apply(one));
        }
    }
}
