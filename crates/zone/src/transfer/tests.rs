use nw_wire::{Section, Writer};
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
const LIMITS: TransferLimits = TransferLimits { octets: 100_000, records: 100 };

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
    transfer.finish()
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
    let mut transfer = transfer(TransferLimits { octets: 1 << 20, records: 100_000 });
    let all = records();
    transfer.read(&message(ID, Flags::default(), true, &all)).expect("a good beginning");
    for part in 0..8 {
        assert_eq!(transfer.read(&long_names(part * 1000, 1000)), Ok(false));
    }
    assert_eq!(transfer.read(&message(ID, Flags::default(), true, &all[..1])), Ok(true));
    let octets = usize::try_from(transfer.octets()).expect("it is small");
    let zone = transfer.finish().expect("a zone");
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
