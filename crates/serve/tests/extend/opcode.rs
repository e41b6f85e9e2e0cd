//! A toy opcode, signed with TSIG: answered at once, by a stream of messages, or by the control plane.

use std::sync::Arc;

use nw_serve::{
    Context, Handled, Handler, Made, Messages, Response, Sections, Stream, Transport, Verdict, pipeline,
};
use nw_wire::{Class, Ede, Message, Opcode, Rcode, RrType, Rrset};

use crate::bench::{Bench, PLAN, name, query, sign, snapshot, snapshot_of, verify};

/// Opcode 9: answers clients with a key, with three messages over TCP.
pub(crate) struct Toy;

struct Three(u8);

impl Messages for Three {
    fn next(&mut self, response: &mut Response<'_, '_>) -> bool {
        let mut set = Rrset::new(name("toy."), RrType::TXT, Class::IN, 0);
        set.rdatas.push(&[1, b'0' + self.0]);
        response.replace(&Sections { answer: vec![set], ..Sections::default() });
        self.0 += 1;
        self.0 <= 3
    }
}

impl Handler for Toy {
    fn opcode(&self) -> Opcode {
        Opcode(9)
    }

    fn handle(&self, context: &Context<'_>, response: &mut Response<'_, '_>) -> Verdict {
        match (context.key(), context.query.qname.first_label()) {
            (None, _) => Verdict::refuse(Rcode::REFUSED, Ede::PROHIBITED, "unsigned"),
            (Some(_), Some(b"control")) => Verdict::Control,
            (Some(_), Some(b"stream")) => Verdict::Stream(Box::new(Stream::new(Box::new(Three(0))))),
            (Some(key), _) => {
                let mut sections = Sections::default();
                let mut set = Rrset::new(key.to_name(), RrType::TXT, Class::IN, 0);
                set.rdatas.push(b"\x02ok");
                sections.answer.push(set);
                response.replace(&sections);
                Verdict::Answer
            }
        }
    }
}

#[test]
fn a_signed_opcode_answers_once_as_a_stream_or_by_the_control_plane() {
    let mut bench = Bench::new(snapshot("").with_handler(Arc::new(Toy)));
    let unsigned = bench.answer(&query("example.com.", Opcode(9)), None);
    assert_eq!(Message::parse(&unsigned).expect("valid").rcode(), Rcode::REFUSED);
    let unknown = bench.answer(&query("example.com.", Opcode(10)), None);
    assert_eq!(Message::parse(&unknown).expect("valid").rcode(), Rcode::NOTIMP);

    let mut packet = query("example.com.", Opcode(9));
    let mac = sign(&mut packet);
    let reply = bench.answer(&packet, None);
    let message = Message::parse(&reply).expect("valid");
    assert_eq!((message.flags().opcode(), message.answer().count()), (Opcode(9), 1));
    verify(&reply, &mac, true);

    let mut room = vec![0; 65_535];
    let mut packet = query("stream.example.com.", Opcode(9));
    let mac = sign(&mut packet);
    match bench.handle(&packet, "127.0.0.1:1", Transport::Udp, &mut room) {
        Handled::Reply(length) => assert!(Message::parse(&room[..length]).expect("valid").flags().tc()),
        other => panic!("{other:?}"),
    }
    let Handled::Stream(mut stream) = bench.handle(&packet, "127.0.0.1:1", Transport::Tcp, &mut room) else {
        panic!("a stream over TCP")
    };
    let (mut prior, mut messages) = (mac, 0);
    while let Some(length) = stream.next(&bench.environment(), &mut room) {
        prior = verify(&room[..length], &prior, messages == 0);
        messages += 1;
    }
    assert_eq!(messages, 3);

    let mut packet = query("control.example.com.", Opcode(9));
    let mac = sign(&mut packet);
    let Handled::Control(pending) = bench.handle(&packet, "127.0.0.1:1", Transport::Udp, &mut room) else {
        panic!("the control plane answers")
    };
    let environment = bench.environment();
    let done = pipeline::complete_with(&environment, pending, &Made::empty(Rcode::YXDOMAIN), &mut room);
    let Handled::Reply(length) = done else { panic!("{done:?}") };
    assert_eq!(Message::parse(&room[..length]).expect("valid").rcode(), Rcode::YXDOMAIN);
    verify(&room[..length], &mac, true);
}

#[test]
fn a_notify_reaches_the_control_plane_from_a_primary_or_with_its_key_only() {
    let senders = r#"{"name":"example.com.","notify":[{"clients":["192.0.2.1"]},{"key":"key."}]}"#;
    let plan = PLAN.replace("VIEWS", "").replace(r#"{"name":"example.com."}"#, senders);
    let bench = Bench::new(snapshot_of(&plan));
    let mut room = vec![0; 65_535];
    let mut rcode =
        |packet: &[u8], client: &str| match bench.handle(packet, client, Transport::Udp, &mut room) {
            Handled::Control(_) => None,
            Handled::Reply(length) => Some(Message::parse(&room[..length]).expect("valid").rcode()),
            other => panic!("{other:?}"),
        };
    let notify = query("example.com.", Opcode::NOTIFY);
    let mut signed = notify.clone();
    sign(&mut signed);
    assert_eq!(rcode(&notify, "192.0.2.1:53"), None);
    assert_eq!(rcode(&notify, "192.0.2.2:53"), Some(Rcode::REFUSED));
    assert_eq!(rcode(&signed, "192.0.2.2:53"), None);
    assert_eq!(rcode(&query("inside.example.com.", Opcode::NOTIFY), "192.0.2.1:53"), Some(Rcode::REFUSED));
    assert_eq!(rcode(&query("www.example.com.", Opcode::NOTIFY), "192.0.2.1:53"), Some(Rcode::NOTAUTH));
    assert_eq!(rcode(&query("example.org.", Opcode::NOTIFY), "192.0.2.1:53"), Some(Rcode::NOTAUTH));
}

#[test]
fn updates_reach_the_control_plane_only_from_clients_that_a_rule_names() {
    let plan = r#"{"version":1,"keys":[{"name":"key.","algorithm":"hmac-sha256"}],"zones":[{"name":"inside.example.com."},
        {"name":"example.com.","update":[{"key":"KEY.","clients":["127.0.0.1"]},{"clients":["192.0.2.0/24"]}]}]}"#;
    let bench = Bench::new(snapshot_of(plan));
    let outcome = |qname: &str, signed: bool, client: &str| {
        let mut packet = query(qname, Opcode::UPDATE);
        if signed {
            sign(&mut packet);
        }
        let mut room = vec![0; 65_535];
        match bench.handle(&packet, client, Transport::Udp, &mut room) {
            Handled::Control(_) => Rcode::NOERROR,
            Handled::Reply(length) => Message::parse(&room[..length]).expect("valid").rcode(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(outcome("EXAMPLE.com.", true, "127.0.0.1:1"), Rcode::NOERROR);
    assert_eq!(outcome("example.com.", false, "192.0.2.7:1"), Rcode::NOERROR);
    assert_eq!(outcome("example.com.", false, "127.0.0.1:1"), Rcode::REFUSED);
    assert_eq!(outcome("example.com.", true, "127.0.0.2:1"), Rcode::REFUSED);
    assert_eq!(outcome("inside.example.com.", true, "127.0.0.1:1"), Rcode::REFUSED);
    for name in ["www.example.com.", "example.net.", "com."] {
        assert_eq!(outcome(name, true, "127.0.0.1:1"), Rcode::NOTAUTH, "{name}");
    }
}

/// RFC 2136 §6: a copy passes on what is signed with a key that only its primary knows, and relays the octets of the response.
#[test]
fn updates_of_a_copy_pass_with_an_unknown_key_and_the_response_is_relayed() {
    // With another algorithm, the key of the client is none of this server.
    let plan = r#"{"version":1,"keys":[{"name":"key.","algorithm":"hmac-sha512"}],
        "zones":[{"name":"inside.example.com.","notify":[{"clients":["192.0.2.1"]}]},
        {"name":"example.com.","notify":[{"clients":["192.0.2.1"]}],"update":[{"clients":["127.0.0.1"]}],"forwards_updates":true}]}"#;
    let bench = Bench::new(snapshot_of(plan));
    let mut room = vec![0; 65_535];
    let signed = |qname: &str, opcode, client: &str, transport, room: &mut [u8]| {
        let mut packet = query(qname, opcode);
        sign(&mut packet);
        bench.handle(&packet, client, transport, room)
    };
    for (qname, opcode, client, expected) in [
        ("example.com.", Opcode::UPDATE, "127.0.0.2:1", Rcode::REFUSED),
        ("inside.example.com.", Opcode::UPDATE, "127.0.0.1:1", Rcode::NOTAUTH),
        ("example.com.", Opcode::NOTIFY, "127.0.0.1:1", Rcode::NOTAUTH),
        ("example.com.", Opcode::QUERY, "127.0.0.1:1", Rcode::NOTAUTH),
    ] {
        match signed(qname, opcode, client, Transport::Udp, &mut room) {
            Handled::Reply(length) => {
                assert_eq!(
                    Message::parse(&room[..length]).expect("valid").rcode(),
                    expected,
                    "{qname} {client}"
                );
            }
            other => panic!("{other:?}"),
        }
    }
    let mut reply = query("example.com.", Opcode::UPDATE);
    reply[2] |= 0x80;
    sign(&mut reply);
    for (transport, fits) in [(Transport::Udp, true), (Transport::Udp, false), (Transport::Tcp, false)] {
        let made = Made::relayed(&Message::parse(&reply).expect("valid"), &reply);
        let relayed = if fits { reply.clone() } else { [&reply[..], &[0; 500]].concat() };
        let made = Made { relayed: relayed.clone().into(), ..made };
        let Handled::Control(pending) =
            signed("example.com.", Opcode::UPDATE, "127.0.0.1:1", transport, &mut room)
        else {
            panic!("it passes")
        };
        let done = pipeline::complete_with(&bench.environment(), pending, &made, &mut room);
        let Handled::Reply(length) = done else { panic!("{done:?}") };
        if fits || transport == Transport::Tcp {
            assert_eq!(room[2..length], relayed[2..]);
        } else {
            let message = Message::parse(&room[..length]).expect("valid");
            assert!(message.flags().tc() && message.header().counts == [0; 4]);
        }
    }
}
