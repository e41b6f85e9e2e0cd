//! Toy filters: one that marks every response, one that refuses, drops, fails and asks again.

use std::sync::Arc;

use nw_resolve::Resolution;
use nw_serve::{Causes, Context, Filter, Handled, Response, Transport, Verdict, pipeline};
use nw_wire::{Class, Ede, Message, Opcode, Rcode, RrType, Rrset};

use crate::bench::{Bench, name, query, snapshot};

/// Adds a TXT record to the additional section of every response that passes.
pub(crate) struct Mark;

impl Filter for Mark {
    fn name(&self) -> &'static str {
        "mark"
    }

    fn apply(&self, context: &Context<'_>, response: &mut Response<'_, '_>) -> Verdict {
        let mut sections = response.sections().expect("a message");
        let mut mark = Rrset::new(context.query.qname.to_name(), RrType::TXT, Class::IN, 0);
        mark.rdatas.push(b"\x04seen");
        sections.additional.push(mark);
        response.replace(&sections);
        Verdict::Continue
    }
}

#[test]
fn a_filter_sees_zone_answers_cache_hits_late_answers_refusals_and_failures() {
    let mut bench = Bench::new(snapshot("").with_filter(Arc::new(Mark)));
    for (what, qname, found, rcode) in [
        ("zone answer", "www.example.com.", None, Rcode::NOERROR),
        ("denial", "missing.example.com.", None, Rcode::NXDOMAIN),
        ("cache hit", "cached.example.net.", None, Rcode::NOERROR),
        ("late answer", "late.example.net.", Some(Rcode::NXDOMAIN), Rcode::NXDOMAIN),
        ("late answer behind an alias", "away.example.com.", Some(Rcode::NOERROR), Rcode::NOERROR),
        ("failed lookup", "failed.example.net.", Some(Rcode::SERVFAIL), Rcode::SERVFAIL),
        ("given up", "busy.example.net.", None, Rcode::SERVFAIL),
    ] {
        let reply = bench.answer(&query(qname, Opcode::QUERY), found);
        let message = Message::parse(&reply).expect("valid");
        assert_eq!(message.rcode(), rcode, "{what}");
        assert!(message.additional().any(|record| record.rdata_raw() == b"\x04seen"), "{what}");
        // The cache and the zone keep what they had: the same answer again holds one mark.
        let again = bench.answer(&query(qname, Opcode::QUERY), found);
        assert_eq!(again, reply, "{what}");
    }
    let mut room = vec![0; 4096];
    let refused = query("late.example.net.", Opcode::QUERY);
    match bench.handle(&refused, "192.0.2.1:4242", Transport::Udp, &mut room) {
        Handled::Reply(length) => {
            let message = Message::parse(&room[..length]).expect("valid");
            assert_eq!((message.rcode(), message.additional().count()), (Rcode::REFUSED, 1));
        }
        other => panic!("{other:?}"),
    }
}

/// Refuses, drops, or asks again without end, by the first label.
pub(crate) struct Moody;

impl Filter for Moody {
    fn name(&self) -> &'static str {
        "moody"
    }

    fn apply(&self, context: &Context<'_>, _: &mut Response<'_, '_>) -> Verdict {
        match context.query.qname.first_label() {
            Some(b"refuse") => Verdict::refuse(Rcode::REFUSED, Ede::BLOCKED, "moody"),
            Some(b"drop") => Verdict::Drop,
            Some(b"fail") => Verdict::Fail(Box::new(Causes(vec![(Ede::OTHER, "no".to_owned())], None))),
            Some(b"again") => {
                let question = nw_resolve::ClientQuestion::new(name("other.example."), RrType::A);
                let second = Some(nw_resolve::ClientQuestion::new(name("other.example."), RrType::AAAA));
                Verdict::Ask(Box::new(nw_serve::Ask { second, ..nw_serve::Ask::new(question) }))
            }
            _ => Verdict::Continue,
        }
    }
}

#[test]
fn a_filter_refuses_drops_fails_and_asks_for_a_bounded_number_of_lookups() {
    let mut bench = Bench::new(snapshot("").with_filter(Arc::new(Moody)));
    let refused = bench.answer(&query("refuse.example.com.", Opcode::QUERY), None);
    assert_eq!(Message::parse(&refused).expect("valid").rcode(), Rcode::REFUSED);
    let failed = bench.answer(&query("fail.example.com.", Opcode::QUERY), None);
    assert_eq!(Message::parse(&failed).expect("valid").rcode(), Rcode::SERVFAIL);
    let mut room = vec![0; 4096];
    let packet = query("drop.example.com.", Opcode::QUERY);
    let dropped = bench.handle(&packet, "127.0.0.1:1", Transport::Udp, &mut room);
    assert!(matches!(dropped, Handled::Drop));
    let packet = query("again.example.com.", Opcode::QUERY);
    let (mut handled, mut lookups) = (bench.handle(&packet, "127.0.0.1:1", Transport::Udp, &mut room), 0);
    while let Handled::Later(pending) = handled {
        assert_eq!(pending.questions().count(), 2);
        lookups += 1;
        let found = [Resolution::empty(Rcode::NOERROR), Resolution::empty(Rcode::NOERROR)];
        handled = pipeline::complete(&bench.environment(), pending, &found, &mut room);
    }
    let Handled::Reply(length) = handled else { panic!("{handled:?}") };
    assert_eq!(Message::parse(&room[..length]).expect("valid").rcode(), Rcode::SERVFAIL);
    assert_eq!(lookups, 8, "no more than the limit");
}
