use std::net::SocketAddr;

use nw_wire::edns::EdnsOption;
use nw_wire::{Flags, Writer};

use super::*;
use crate::testing::{EXAMPLE, client, environment, loopback, name, question, zone};
use crate::{Environment, Handled, Snapshot, Stats, pipeline};

const PLAN: &str = r#"{"version":1,
 "zones":[{"name":"example.com.","transfer":[{"clients":["192.0.2.99"]},{"clients":["::1"],"key":"xfr."}]},
          {"name":"closed.example."},
          {"name":"waiting.example.","transfer":[{"clients":["0.0.0.0/0"]}]}],
 "keys":[{"name":"xfr.","algorithm":"hmac-sha256"}],
 "transfers":{"most":4,"most_per_zone":3,"most_per_client":2}}"#;

fn served() -> Arc<Snapshot> {
    let zones = vec![zone("example.com.", EXAMPLE), zone("closed.example.", EXAMPLE)];
    let built = Snapshot::build(PLAN.as_bytes(), zones);
    let built = built.and_then(|built| built.with_secrets(vec![(name("xfr."), b"secret".to_vec())]));
    Arc::new(built.unwrap_or_else(|errors| panic!("{errors:?}")))
}

/// *snapshot* after example.com. has become *next*, with the difference.
fn after(snapshot: &Arc<Snapshot>, next: &Zone) -> Arc<Snapshot> {
    let apex = name("example.com.");
    let former = snapshot.zones().get(apex.as_ref()).and_then(ZoneEntry::zone).expect("it is served");
    let history = HashMap::from([(apex.clone(), vec![former.difference(next)])]);
    Arc::new(snapshot.changed_by([(apex, Some(next.clone().into()))], &history))
}

fn next(serial: u32, more: &str) -> Zone {
    zone("example.com.", &(EXAMPLE.replace("hostmaster 7", &format!("hostmaster {serial}")) + more))
}

/// A query for the differences from *serial*, whose SOA belongs to *owner*.
fn ixfr(owner: &str, serial: u32) -> Vec<u8> {
    let mut room = vec![0; 512];
    let mut out = Writer::new(&mut room, 512, 0x1234, Flags::default());
    out.question(name("example.com.").as_ref(), RrType::IXFR, Class::IN).expect("it fits");
    let rdata = [&[0, 0][..], &serial.to_be_bytes(), &[0; 16]].concat();
    out.record(Section::Authority, name(owner).as_ref(), RrType::SOA, Class::IN, 0, &rdata).expect("it fits");
    let length = out.finish();
    room.truncate(length);
    room
}

fn axfr(apex: &str) -> Vec<u8> {
    question(apex, RrType::AXFR, Class::IN, Some(1232))
}

/// The messages of the answer.
fn answers(
    environment: &Environment<'_>,
    packet: &[u8],
    client: SocketAddr,
    transport: Transport,
) -> Vec<Vec<u8>> {
    let mut room = vec![0; 65_535];
    match pipeline::handle(environment, packet, client, transport, &mut room) {
        Handled::Reply(length) => vec![room[..length].to_vec()],
        Handled::Stream(mut stream) => {
            let mut made = Vec::new();
            while let Some(length) = stream.next(environment, &mut room) {
                made.push(room[..length].to_vec());
            }
            assert!(stream.is_complete());
            made
        }
        other => panic!("{other:?}"),
    }
}

/// Rcode, extended error with its text, and the number of records of the single reply.
fn refusal(
    snapshot: &Arc<Snapshot>,
    packet: &[u8],
    client: SocketAddr,
) -> (Rcode, Option<(Ede, String)>, usize) {
    let stats = Stats::default();
    let replies = answers(&environment(snapshot, &stats), packet, client, Transport::Tcp);
    let [reply] = &replies[..] else { panic!("{} messages", replies.len()) };
    let message = Message::parse(reply).expect("a message");
    let opt = message.opt();
    let ede = opt.iter().flat_map(|opt| opt.options()).flatten().find_map(|option| match option {
        EdnsOption::Ede { code, text } => Some((code, String::from_utf8_lossy(text).into_owned())),
        _ => None,
    });
    (message.rcode(), ede, message.answer().count())
}

/// The serials of the SOAs of the answer, in their order.
fn serials(replies: &[Vec<u8>]) -> Vec<u32> {
    let mut found = Vec::new();
    for reply in replies {
        let message = Message::parse(reply).expect("a message");
        for record in message.answer().filter(|record| record.rtype == RrType::SOA) {
            let mut rdata = Vec::new();
            record.rdata(&mut rdata);
            let at = rdata.len() - 20;
            found.push(u32::from_be_bytes(*rdata[at..].first_chunk().expect("an SOA")));
        }
    }
    found
}

#[test]
fn a_client_of_the_list_gets_the_zone_with_the_header_of_an_answer() {
    let (snapshot, stats) = (served(), Stats::default());
    let environment = environment(&snapshot, &stats);
    let replies = answers(&environment, &axfr("example.com."), client(), Transport::Tcp);
    assert_eq!((replies.len(), serials(&replies)), (1, vec![7, 7]));
    let message = Message::parse(&replies[0]).expect("a message");
    let flags = message.flags();
    assert!(flags.qr() && flags.aa() && flags.rd() && !flags.ra() && !flags.tc());
    assert_eq!((message.header().counts[0], message.opt().is_some()), (1, true));
    assert_eq!(message.answer().count() as u64, next(7, "").len() + 1);
    assert_eq!((stats.kind_transfer.value(), stats.kind_opcode.value()), (1, 0));
    let plain = question("example.com.", RrType::AXFR, Class::IN, None);
    let replies = answers(&environment, &plain, client(), Transport::Tcp);
    assert!(Message::parse(&replies[0]).expect("a message").opt().is_none(), "none was asked for");
}

#[test]
fn others_are_refused_with_the_reason() {
    let snapshot = served();
    let reason = "refused: transfer of the zone example.com. does not admit this client";
    let refused = (Rcode::REFUSED, Some((Ede::PROHIBITED, reason.to_owned())), 0);
    assert_eq!(refusal(&snapshot, &axfr("example.com."), loopback()), refused);
    // The address alone does not fulfil an entry with a key.
    assert_eq!(refusal(&snapshot, &axfr("example.com."), "[::1]:1".parse().expect("an address")), refused);
    assert_eq!(refusal(&snapshot, &axfr("closed.example."), client()).0, Rcode::REFUSED);
    for other in ["www.example.com.", "com.", "other.example."] {
        let (rcode, ede, records) = refusal(&snapshot, &axfr(other), client());
        assert_eq!((rcode, ede.map(|ede| ede.0), records), (Rcode::NOTAUTH, Some(Ede::NOT_AUTHORITATIVE), 0));
    }
    let chaos = question("example.com.", RrType::AXFR, Class::CH, Some(1232));
    assert_eq!(refusal(&snapshot, &chaos, client()).0, Rcode::NOTAUTH);
    let (rcode, ede, _) = refusal(&snapshot, &axfr("waiting.example."), client());
    assert_eq!((rcode, ede.map(|ede| ede.0)), (Rcode::SERVFAIL, Some(Ede::NOT_READY)));
    assert_eq!(refusal(&snapshot, &ixfr("www.example.com.", 7), client()).0, Rcode::FORMERR);
    let bare = question("example.com.", RrType::IXFR, Class::IN, Some(1232));
    assert_eq!(refusal(&snapshot, &bare, client()).0, Rcode::FORMERR);
    let stats = Stats::default();
    let udp = answers(&environment(&snapshot, &stats), &axfr("example.com."), client(), Transport::Udp);
    assert_eq!(Message::parse(&udp[0]).expect("a message").rcode(), Rcode::FORMERR);
}

#[test]
fn ixfr_sends_differences_and_over_udp_what_fits() {
    let first = served();
    let second = after(&first, &next(8, "new A 192.0.2.200\n"));
    let third = after(&second, &next(9, "other A 192.0.2.201\n"));
    let bulk: String = (0..15).map(|at| format!("bulk{at} TXT {at:0>100}\n")).collect();
    let fourth = after(&third, &next(10, &bulk));
    let ask = |snapshot: &Arc<Snapshot>, serial, transport| {
        let stats = Stats::default();
        serials(&answers(&environment(snapshot, &stats), &ixfr("example.com.", serial), client(), transport))
    };
    for transport in [Transport::Tcp, Transport::Udp] {
        assert_eq!(ask(&third, 7, transport), [9, 7, 8, 8, 9, 9]);
        assert_eq!(ask(&third, 8, transport), [9, 8, 9, 9]);
        assert_eq!(ask(&third, 9, transport), [9]);
        assert_eq!(ask(&third, 20, transport), [9]);
    }
    assert_eq!(ask(&fourth, 9, Transport::Tcp), [10, 9, 10, 10]);
    assert_eq!(ask(&third, 3, Transport::Tcp), [9, 9], "the version is not known");
    assert_eq!(ask(&fourth, 9, Transport::Udp), [10], "the rest does not fit");
    // A change without its difference, or of a zone that nobody may transfer, ends the history.
    let unknown = Arc::new(third.changed([(name("example.com."), Some(next(11, "").into()))]));
    assert_eq!(ask(&unknown, 9, Transport::Tcp), [11, 11]);
}

#[test]
fn transfers_in_progress_are_bounded_until_they_end() {
    let (snapshot, stats) = (served(), Stats::default());
    let environment = environment(&snapshot, &stats);
    let mut room = vec![0; 65_535];
    let mut begin = |snapshot: &Arc<Snapshot>| {
        let environment = Environment { snapshot, ..environment };
        match pipeline::handle(&environment, &axfr("example.com."), client(), Transport::Tcp, &mut room) {
            Handled::Stream(stream) => Ok(stream),
            Handled::Reply(length) => Err(room[..length].to_vec()),
            other => panic!("{other:?}"),
        }
    };
    let held = (begin(&snapshot).expect("the first"), begin(&snapshot).expect("the second"));
    let reply = begin(&snapshot).expect_err("one too many");
    assert_eq!(Message::parse(&reply).expect("a message").rcode(), Rcode::SERVFAIL);
    assert!(String::from_utf8_lossy(&reply).contains("most_per_client is 2"));
    // Another version and other settings count the same transfers.
    let renewed = Arc::new(served().succeeding(&snapshot));
    assert!(begin(&renewed).is_err());
    drop(held);
    begin(&renewed).expect("there is a place again");
    let mut counts = Counts::default();
    let plan = TransfersPlan { most: 3, most_per_zone: 2, most_per_client: 9, ..TransfersPlan::default() };
    let from = |last: u8| Prefix::host([192, 0, 2, last].into());
    let (a, b): (Name, Name) = (name("a."), name("b."));
    assert_eq!(counts.take(&a, from(1), &plan), Ok(()));
    assert_eq!(counts.take(&a, from(2), &plan), Ok(()));
    assert_eq!(counts.take(&a, from(3), &plan), Err(("most_per_zone", 2)));
    assert_eq!(counts.take(&b, from(3), &plan), Ok(()));
    assert_eq!(counts.take(&b, from(4), &plan), Err(("most", 3)));
}

#[test]
fn the_steps_say_what_is_sent() {
    let third = after(&served(), &next(8, "new A 192.0.2.200\n"));
    let stats = Stats::default();
    let trace = nw_resolve::Trace::start(0, 10);
    let environment = Environment { trace: Some(&trace), ..environment(&third, &stats) };
    let _ = answers(&environment, &ixfr("example.com.", 7), client(), Transport::Tcp);
    let _ = answers(&environment, &axfr("example.com."), client(), Transport::Tcp);
    let _ = answers(&environment, &axfr("example.com."), loopback(), Transport::Tcp);
    let said: Vec<String> = trace.steps().iter().map(|step| step.text()).collect();
    assert!(said[0].ends_with("the differences from serial 7 to 8 are sent, one by one: 1"), "{said:?}");
    assert!(said[1].ends_with("the whole zone is sent, serial 8"), "{said:?}");
    assert!(said[2].contains("refused: transfer of the zone"), "{said:?}");
}
