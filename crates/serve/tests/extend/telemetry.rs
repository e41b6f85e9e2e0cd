//! A toy reader of the telemetry.

use std::sync::Arc;

use nw_resolve::Resolution;
use nw_serve::telemetry::{Event, Source};
use nw_serve::{Environment, Handled, Made, Transport, pipeline};
use nw_wire::{Message, Opcode, Rcode};

use crate::bench::{Bench, query, sign, snapshot};
use crate::filter::Moody;
use crate::opcode::Toy;

#[test]
fn telemetry_reports_every_response_once() {
    let filters = snapshot("").with_filter(Arc::new(Moody)).with_handler(Arc::new(Toy));
    let mut bench = Bench::new(filters);
    let mut room = vec![0; 65_535];
    bench.answer(&query("www.example.com.", Opcode::QUERY), None);
    assert_eq!(bench.telemetry.take(), (Vec::new(), 0), "nobody reads");
    bench.telemetry.open(1 << 20);
    let reported = |bench: &Bench| {
        let (mut events, lost) = bench.telemetry.take();
        assert_eq!((events.len(), lost), (1, 0), "{events:?}");
        events.remove(0)
    };
    for (qname, found, rcode, source) in [
        ("www.example.com.", None, Rcode::NOERROR, Source::Zone),
        ("missing.example.com.", None, Rcode::NXDOMAIN, Source::Zone),
        ("cached.example.net.", None, Rcode::NOERROR, Source::Cache),
        ("late.example.net.", Some(Rcode::NXDOMAIN), Rcode::NXDOMAIN, Source::Lookup),
        ("busy.example.net.", None, Rcode::SERVFAIL, Source::Lookup),
        ("refuse.example.com.", None, Rcode::REFUSED, Source::Refused),
    ] {
        let packet = query(qname, Opcode::QUERY);
        let reply = bench.answer(&packet, found);
        let Event { client, transport, query, rcode: shown, flags, source: from, messages, octets, .. } =
            reported(&bench);
        assert_eq!((client.to_string(), transport), ("127.0.0.1:4242".to_owned(), Transport::Udp));
        assert_eq!((&*query, shown, from, messages), (&packet[..], rcode, source, 1), "{qname}");
        assert_eq!((flags, octets), (Message::parse(&reply).expect("valid").flags(), reply.len() as u64));
    }
    // Malformed, and an opcode that has no handler.
    for (packet, rcode) in [
        (query("www.example.com.", Opcode::QUERY)[..20].to_vec(), Rcode::FORMERR),
        (query("www.example.com.", Opcode(10)), Rcode::NOTIMP),
    ] {
        bench.answer(&packet, None);
        let event = reported(&bench);
        assert_eq!((event.rcode, event.source, &*event.query), (rcode, Source::Error, &packet[..]));
    }
    // Telemetry reports only responses.
    let dropped =
        bench.handle(&query("drop.example.com.", Opcode::QUERY), "127.0.0.1:1", Transport::Udp, &mut room);
    assert!(matches!(dropped, Handled::Drop));
    assert_eq!(bench.telemetry.take().0, []);
    // A late response has the time that it took.
    let packet = query("slow.example.net.", Opcode::QUERY);
    let Handled::Later(pending) = bench.handle(&packet, "127.0.0.1:1", Transport::Udp, &mut room) else {
        panic!("a lookup")
    };
    let environment = Environment { now: 7_000, ..bench.environment() };
    pipeline::complete(&environment, pending, &[Resolution::empty(Rcode::NOERROR)], &mut room);
    assert_eq!((reported(&bench).took, bench.cache.stats().answers), (7_000, 1));
    // A stream is one response, signed answers are as large as they are sent.
    let mut packet = query("stream.example.com.", Opcode(9));
    sign(&mut packet);
    let Handled::Stream(mut stream) = bench.handle(&packet, "127.0.0.1:1", Transport::Tcp, &mut room) else {
        panic!("a stream")
    };
    let mut sent = 0;
    while let Some(length) = stream.next(&bench.environment(), &mut room) {
        sent += length as u64;
    }
    let event = reported(&bench);
    assert_eq!((event.messages, event.octets, event.source), (3, sent, Source::Opcode));
    let mut packet = query("example.com.", Opcode(9));
    sign(&mut packet);
    let reply = bench.answer(&packet, None);
    assert_eq!(reported(&bench).octets, reply.len() as u64);
    // And the control plane's.
    let mut packet = query("control.example.com.", Opcode(9));
    sign(&mut packet);
    let Handled::Control(pending) = bench.handle(&packet, "127.0.0.1:1", Transport::Udp, &mut room) else {
        panic!("the control plane answers")
    };
    pipeline::complete_with(&bench.environment(), pending, &Made::empty(Rcode::REFUSED), &mut room);
    let event = reported(&bench);
    assert_eq!((event.rcode, event.source), (Rcode::REFUSED, Source::Control));
}
