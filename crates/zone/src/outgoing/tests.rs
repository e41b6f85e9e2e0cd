use nw_wire::{Class, Flags, Message, RrType};

use super::{Contents, Outgoing, REACH};
use crate::edit::Serial;
use crate::tests::{name, zone};
use crate::{Transfer, TransferLimits, Transferred, Zone};
use nw_wire::{Section, Writer};

const ID: u16 = 4711;

/// The messages of *outgoing*, each with at most *limit* octets.
fn messages(outgoing: &mut Outgoing, limit: usize) -> Vec<Vec<u8>> {
    let apex = outgoing.of().apex().to_name();
    let mut made = Vec::new();
    loop {
        let mut room = vec![0; 65_535];
        let mut out = Writer::new(&mut room, limit, ID, Flags::default().with_qr(true));
        out.question(apex.as_ref(), RrType::AXFR, Class::IN).expect("it fits");
        if !outgoing.write(&mut out).expect("every record fits") {
            assert!(outgoing.is_complete());
            return made;
        }
        let length = out.finish();
        room.truncate(length);
        made.push(room);
    }
}

/// What a secondary reads from *messages*.
fn received(apex: &str, messages: &[Vec<u8>]) -> Zone {
    let limits = TransferLimits { octets: 1 << 30, records: 1 << 30, differences: 1000 };
    let mut transfer = Transfer::new(name(apex), ID, limits);
    for (number, message) in messages.iter().enumerate() {
        let complete = transfer.read(message).unwrap_or_else(|error| panic!("message {number}: {error}"));
        assert_eq!(complete, number + 1 == messages.len());
    }
    match transfer.finish().expect("a zone") {
        Transferred::Zone(zone) => zone,
        other => panic!("not the whole zone: {other:?}"),
    }
}

/// Each record as text, in the order of *messages*.
fn rows(messages: &[Vec<u8>]) -> Vec<String> {
    let mut rows = Vec::new();
    for message in messages {
        let message = Message::parse(message).expect("a message");
        for record in message.records(Section::Answer) {
            let (mut rdata, mut text) = (Vec::new(), String::new());
            record.rdata(&mut rdata);
            nw_wire::rr::to_text(record.rtype, &rdata, &mut text);
            rows.push(format!("{} {} {} {}", record.owner().as_ref(), record.ttl, record.rtype, text));
        }
    }
    rows
}

/// Every kind of owner: a cut with glue and occluded names, a wildcard, a DNAME, deep names, and RRsets that exceed 16 KiB.
fn varied() -> Zone {
    let mut text = "\
$TTL 60
@ SOA ns h 7 2 3 4 5
@ NS ns
@ NS ns.sub
@ MX 10 mail.a.b
ns A 192.0.2.1
sub NS ns.sub
sub NS ns.other.test.
sub DS 1 8 2 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff
ns.sub A 192.0.2.2
ns.sub AAAA 2001:db8::2
deep.occluded.sub TXT below
*.wild A 192.0.2.3
old DNAME new.test.
x.old A 192.0.2.4
mail.a.b A 192.0.2.5
mail.a.b TXT one
\\000.\\255 TXT odd
orphan RRSIG A 8 2 60 20300101000000 20200101000000 1 e. AAAA
"
    .to_owned();
    for number in 0..300 {
        text += &format!("large TXT {number:0>200}\nlarge 30 CAA 0 issue {number:0>40}\n");
    }
    for number in 0..900 {
        text += &format!(
            "host{number} A 192.0.2.9\nhost{number} MX 5 host{number}\nhost{number} MX 6 a.host{number}\n"
        );
    }
    zone("e.", &text)
}

#[test]
fn a_zone_arrives_whole_in_messages_of_any_size() {
    let zone = varied();
    for limit in [320, 512, 1232, REACH - 1, REACH, REACH + 1, 65_535] {
        let messages = messages(&mut Outgoing::zone(zone.clone()), limit);
        assert!(messages.iter().all(|message| message.len() <= limit));
        assert_eq!(received("e.", &messages).to_text(), zone.to_text(), "{limit}");
    }
}

#[test]
fn records_come_in_canonical_order_between_two_soas_and_fill_the_messages() {
    let zone = varied();
    let messages = messages(&mut Outgoing::zone(zone.clone()), 65_535);
    let mut expected: Vec<String> = Vec::new();
    for rrset in zone.rrsets() {
        expected.extend(rrset.rdatas.iter().map(|rdata| {
            let mut text = String::new();
            nw_wire::rr::to_text(rrset.rtype, rdata, &mut text);
            format!("{} {} {} {}", rrset.owner, rrset.ttl, rrset.rtype, text)
        }));
    }
    let at = expected.iter().position(|row| row.contains(" SOA ")).expect("an SOA");
    let soa = expected.remove(at);
    expected.insert(0, soa.clone());
    expected.push(soa);
    assert_eq!(rows(&messages), expected);
    // The large RRset apart, each message but the last reaches the border.
    let short = messages.iter().filter(|message| message.len() < REACH - 512).count();
    assert!(short <= 3, "{:?}", messages.iter().map(Vec::len).collect::<Vec<_>>());
}

#[test]
fn a_changed_zone_is_sent_as_one() {
    let zone = varied();
    let mut edit = zone.edit();
    edit.put(record("e.", "a.first.e. 5 TXT new"));
    edit.put(record("e.", "host5.e. 5 TXT changed"));
    edit.put(record("e.", "zz.e. 5 TXT last"));
    edit.delete_name(name("host6.e.").as_ref());
    let changed = edit.commit(Serial::Next).expect("a zone");
    assert!(changed.delta.is_some());
    for limit in [700, 65_535] {
        let messages = messages(&mut Outgoing::zone(changed.clone()), limit);
        assert_eq!(received("e.", &messages).to_text(), changed.to_text());
    }
}

fn record(apex: &str, line: &str) -> nw_wire::Rrset {
    let text = format!("@ 1 SOA . . 7 2 3 4 5\n@ 1 NS .\n{line}\n");
    let zone = zone(apex, &text);
    zone.rrsets().find(|rrset| !matches!(rrset.rtype, RrType::SOA | RrType::NS)).expect("a record")
}

fn version(serial: u32, rest: &str) -> Zone {
    zone("e.", &format!("$TTL 60\n@ SOA ns h {serial} 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n{rest}"))
}

/// Versions 1, 2 and 3; the last has the differences.
fn third(most: usize) -> Zone {
    let bulk: String = (0..20).map(|number| format!("h{number} A 192.0.2.1\n")).collect();
    let one = version(1, &format!("{bulk}a TXT one\n"));
    let two = version(2, &format!("{bulk}a TXT two\n"));
    let three = version(3, &format!("{bulk}b TXT three\n"));
    let second = two.clone().with_history(Some(&one), &[one.difference(&two)], most);
    three.clone().with_history(Some(&second), &[two.difference(&three)], most)
}

#[test]
fn differences_are_sent_one_by_one() {
    let zone = third(1 << 20);
    assert_eq!(zone.oldest_serial(), Some(1));
    let mut since = Outgoing::since(zone.clone(), 1);
    assert_eq!(since.contents(), Contents::Differences(2));
    let soa = |serial: u32| format!("e. 60 SOA ns.e. h.e. {serial} 2 3 4 5");
    let expected = [
        soa(3),
        soa(1),
        "a.e. 60 TXT \"one\"".to_owned(),
        soa(2),
        "a.e. 60 TXT \"two\"".to_owned(),
        soa(2),
        "a.e. 60 TXT \"two\"".to_owned(),
        soa(3),
        "b.e. 60 TXT \"three\"".to_owned(),
        soa(3),
    ];
    assert_eq!(rows(&messages(&mut since, 65_535)), expected);
    // Messages may end between any two records.
    assert_eq!(rows(&messages(&mut Outgoing::since(zone.clone(), 1), 80)), expected);
    let last = rows(&messages(&mut Outgoing::since(zone, 2), 65_535));
    assert_eq!(last, [&expected[..1], &expected[5..]].concat());
}

#[test]
fn ixfr_sends_the_soa_or_the_zone_when_there_are_no_differences_to_send() {
    let contents = |zone: &Zone, serial| Outgoing::since(zone.clone(), serial).contents();
    let zone = third(1 << 20);
    assert_eq!(contents(&zone, 3), Contents::Current);
    assert_eq!(contents(&zone, 4), Contents::Current);
    assert_eq!(contents(&zone, 0), Contents::Zone);
    assert_eq!(contents(&zone, 3 ^ 1 << 31), Contents::Zone, "the order is not defined");
    assert_eq!(rows(&messages(&mut Outgoing::since(zone.clone(), 3), 512)).len(), 1);
    // The latest difference has 143 octets.
    assert_eq!(third(200).oldest_serial(), Some(2));
    assert_eq!(contents(&third(200), 1), Contents::Zone);
    assert_eq!(third(100).oldest_serial(), None);
    // More records than the zone has.
    let (one, two) = (version(1, ""), version(2, "x A 192.0.2.7\ny A 192.0.2.8\n"));
    let two = two.clone().with_history(Some(&one), &[one.difference(&two)], 1 << 20);
    assert_eq!(contents(&two, 1), Contents::Differences(1));
    let three = version(3, "");
    let three = three.clone().with_history(Some(&two), &[two.difference(&three)], 1 << 20);
    assert_eq!(contents(&three, 1), Contents::Zone);
}

#[test]
fn a_history_with_a_gap_begins_behind_it() {
    let (one, two, four) = (version(1, "a TXT a\n"), version(2, "b TXT b\n"), version(4, "c TXT c\n"));
    let second = two.clone().with_history(None, &[one.difference(&two)], 1 << 20);
    assert_eq!(second.oldest_serial(), Some(1));
    // What leads to another version is not kept.
    assert_eq!(four.clone().with_history(Some(&second), &[], 1 << 20).oldest_serial(), None);
    let unknown = version(3, "x TXT x\n").difference(&four);
    assert_eq!(four.clone().with_history(Some(&second), &[unknown], 1 << 20).oldest_serial(), Some(3));
    // The same records, stored anew.
    assert_eq!(two.fold().with_history(Some(&second), &[], 1 << 20).oldest_serial(), Some(1));
    // Other records with the same serial: no client can tell the versions apart.
    let other = version(2, "z TXT z\n");
    let changed = [second.difference(&other)];
    assert_eq!(other.clone().with_history(Some(&second), &changed, 1 << 20).oldest_serial(), None);
}
