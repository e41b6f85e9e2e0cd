//! A filter, an opcode and a view, each as somebody outside of the crate adds it: one type, one line that registers it.

use std::net::SocketAddr;
use std::sync::Arc;

use nw_cache::{Cache, Rank};
use nw_crypto::{HmacAlg, hmac};
use nw_resolve::{Resolution, Validation};
use nw_serve::{
    Causes, Context, Environment, Filter, Handled, Handler, Messages, Response, Sections, Snapshot, Stats,
    Stream, Transport, Verdict, pipeline,
};
use nw_wire::tsig::{Signed, Tsig};
use nw_wire::{Class, Ede, Flags, Message, Name, Opcode, Rcode, RrType, Rrset, Writer};
use nw_zone::{LoadOptions, Zone, scan};

const PLAN: &str = r#"{"version":1,"zones":[{"name":"example.com."},{"name":"inside.example.com."}],
    "keys":[{"name":"key.","algorithm":"hmac-sha256"}],VIEWS
    "resolver":{"forward":[{"suffix":".","servers":["127.0.0.1:1"]}]}}"#;
const ZONE: &str = "$TTL 60\n@ SOA ns1 h 7 7200 3600 1209600 300\n@ NS ns1\nns1 A 192.0.2.1\nwww A 192.0.2.80\n\
    away CNAME www.example.net.\n";
const SECRET: &[u8] = b"secret";

fn name(text: &str) -> Name {
    text.parse().expect("tests use valid names")
}

fn zone(apex: &str) -> Zone {
    let options = LoadOptions { threads: 1, ..LoadOptions::default() };
    scan::load(&mut scan::Text::new("zone", ZONE), name(apex).as_ref(), &options)
        .unwrap_or_else(|errors| panic!("{errors}"))
}

fn snapshot(views: &str) -> Snapshot {
    let zones = vec![zone("example.com."), zone("inside.example.com.")];
    Snapshot::build(PLAN.replace("VIEWS", views).as_bytes(), zones)
        .and_then(|snapshot| snapshot.with_secrets(vec![(name("key."), SECRET.to_vec())]))
        .unwrap_or_else(|errors| panic!("{errors:?}"))
}

fn query(qname: &str, opcode: Opcode) -> Vec<u8> {
    let mut room = vec![0; 512];
    let flags = Flags::default().with_rd(true).with_opcode(opcode);
    let mut out = Writer::new(&mut room, 512, 7, flags);
    out.question(name(qname).as_ref(), RrType::A, Class::IN).expect("a question fits");
    let length = out.finish();
    room.truncate(length);
    room
}

fn sign(packet: &mut Vec<u8>) -> Vec<u8> {
    let (owner, algorithm) = (name("key."), name("hmac-sha256."));
    let mut tsig = Tsig {
        algorithm: algorithm.as_ref(),
        time_signed_s: 1000,
        fudge_s: 300,
        mac: &[],
        original_id: 7,
        error: Rcode::NOERROR,
        other: &[],
    };
    let mut input = Vec::new();
    tsig.push_signed(Signed::Request { key: owner.as_ref() }, packet, false, &mut input);
    let mac = hmac(HmacAlg::Sha256, SECRET, &[&input]);
    tsig.mac = mac.as_ref();
    let mut rdata = Vec::new();
    tsig.push(&mut rdata);
    packet.extend_from_slice(owner.as_ref().wire());
    packet.extend_from_slice(b"\0\xfa\0\xff\0\0\0\0");
    packet.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
    packet.extend_from_slice(&rdata);
    packet[11] += 1;
    mac.as_ref().to_vec()
}

/// Whether *reply* is signed after *prior*: as the first response to a request, or as a further message; its MAC.
fn verify(reply: &[u8], prior: &[u8], first: bool) -> Vec<u8> {
    let message = Message::parse(reply).expect("valid");
    let record = message.tsig().expect("signed");
    let tsig = Tsig::parse(record.rdata_raw()).expect("valid");
    let owner = record.owner().to_name();
    let signed = match first {
        true => Signed::Response { key: owner.as_ref(), request_mac: prior },
        false => Signed::Subsequent { prior_mac: prior },
    };
    let mut input = Vec::new();
    tsig.push_signed(signed, &reply[..record.start()], true, &mut input);
    assert_eq!(hmac(HmacAlg::Sha256, SECRET, &[&input]).as_ref(), tsig.mac);
    tsig.mac.to_vec()
}

struct Bench {
    snapshot: Arc<Snapshot>,
    cache: Cache,
    stats: Stats,
    room: Vec<u8>,
}

impl Bench {
    fn new(snapshot: Snapshot) -> Bench {
        let cache = Cache::new(1 << 20);
        let mut set = Rrset::new(name("cached.example.net."), RrType::A, Class::IN, 60);
        set.rdatas.push(&[192, 0, 2, 9]);
        cache.put_rrset(&set, None, Rank::Authoritative, 0);
        Bench { snapshot: Arc::new(snapshot), cache, stats: Stats::default(), room: vec![0; 65_535] }
    }

    fn environment(&self) -> Environment<'_> {
        Environment {
            snapshot: &self.snapshot,
            cache: Some(&self.cache),
            now: 0,
            unix_s: &|| 1000,
            stats: &self.stats,
            recorder: None,
            trace: None,
        }
    }

    fn handle(&self, packet: &[u8], client: &str, transport: Transport, room: &mut [u8]) -> Handled {
        let client: SocketAddr = client.parse().expect("an address");
        pipeline::handle(&self.environment(), packet, client, transport, room)
    }

    /// The answer to *packet*; what has to be looked up is found with *rcode*.
    fn answer(&mut self, packet: &[u8], rcode: Option<Rcode>) -> Vec<u8> {
        let mut room = std::mem::take(&mut self.room);
        let mut handled = self.handle(packet, "127.0.0.1:4242", Transport::Udp, &mut room);
        if let Handled::Later(pending) = handled {
            handled = match rcode {
                Some(rcode) => {
                    pipeline::complete(&self.environment(), pending, &[resolution(rcode)], &mut room)
                }
                None => pipeline::give_up(&self.environment(), pending, pipeline::UNKNOWN, &mut room),
            };
        }
        let Handled::Reply(length) = handled else { panic!("{handled:?}") };
        let reply = room[..length].to_vec();
        self.room = room;
        reply
    }
}

fn resolution(rcode: Rcode) -> Resolution {
    Resolution {
        rcode,
        answer: Vec::new(),
        authority: Vec::new(),
        additional: Vec::new(),
        ede: Vec::new(),
        steps: Default::default(),
        took: 0,
        began: 0,
        queries: 0,
        validation: Validation::Indeterminate,
    }
}

/// Adds a TXT record to the additional section of every response that passes.
struct Mark;

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
struct Moody;

impl Filter for Moody {
    fn name(&self) -> &'static str {
        "moody"
    }

    fn apply(&self, context: &Context<'_>, _: &mut Response<'_, '_>) -> Verdict {
        match context.query.qname.first_label() {
            Some(b"refuse") => Verdict::Refuse(Rcode::REFUSED, Ede::BLOCKED),
            Some(b"drop") => Verdict::Drop,
            Some(b"fail") => Verdict::Fail(Box::new(Causes(vec![(Ede::OTHER, "no".to_owned())]))),
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
        let found = [resolution(Rcode::NOERROR), resolution(Rcode::NOERROR)];
        handled = pipeline::complete(&bench.environment(), pending, &found, &mut room);
    }
    let Handled::Reply(length) = handled else { panic!("{handled:?}") };
    assert_eq!(Message::parse(&room[..length]).expect("valid").rcode(), Rcode::SERVFAIL);
    assert_eq!(lookups, 8, "no more than the limit");
}

/// Opcode 9: answers clients with a key, with three messages over TCP.
struct Toy;

struct Three(u8);

impl Messages for Three {
    fn next(&mut self, sections: &mut Sections) -> bool {
        let mut set = Rrset::new(name("toy."), RrType::TXT, Class::IN, 0);
        set.rdatas.push(&[1, b'0' + self.0]);
        sections.answer.push(set);
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
            (None, _) => Verdict::Refuse(Rcode::REFUSED, Ede::PROHIBITED),
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
    let done =
        pipeline::complete_with(&environment, pending, Rcode::YXDOMAIN, &Sections::default(), &mut room);
    let Handled::Reply(length) = done else { panic!("{done:?}") };
    assert_eq!(Message::parse(&room[..length]).expect("valid").rcode(), Rcode::YXDOMAIN);
    verify(&room[..length], &mac, true);
}

#[test]
fn a_view_shows_its_zones_to_clients_by_address_or_key() {
    let views = r#""views":[{"name":"inside","clients":["10.0.0.0/8"],"keys":["key."]},
        {"name":"outside","clients":["192.0.2.0/24"],"zones":["example.com."]}],"#;
    let bench = Bench::new(snapshot(views));
    let mut room = vec![0; 4096];
    let mut shown = |packet: &[u8], client: &str| {
        let handled = bench.handle(packet, client, Transport::Udp, &mut room);
        let Handled::Reply(length) = handled else { panic!("{handled:?}") };
        let message = Message::parse(&room[..length]).expect("valid");
        (message.rcode(), message.answer().count())
    };
    let packet = query("www.inside.example.com.", Opcode::QUERY);
    assert_eq!(shown(&packet, "10.1.2.3:1"), (Rcode::NOERROR, 1));
    assert_eq!(shown(&packet, "192.0.2.1:1"), (Rcode::NXDOMAIN, 0), "the zone above denies it");
    assert_eq!(shown(&packet, "198.51.100.1:1"), (Rcode::REFUSED, 0), "no view matches");
    let mut signed = packet;
    sign(&mut signed);
    assert_eq!(shown(&signed, "192.0.2.1:1"), (Rcode::NOERROR, 1), "the key comes first");
    let packet = query("www.example.com.", Opcode::QUERY);
    assert_eq!(shown(&packet, "192.0.2.1:1"), (Rcode::NOERROR, 1));
}
