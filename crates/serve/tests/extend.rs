//! A filter, an opcode and a view, each as somebody outside of the crate adds it: one type, one line that registers it.

use std::net::SocketAddr;
use std::sync::Arc;

use nw_cache::{Cache, Origin, Rank};
use nw_crypto::{HmacAlg, hmac};
use nw_policy::NameList;
use nw_resolve::Resolution;
use nw_serve::telemetry::{Event, Ring, Source};
use nw_serve::{
    Causes, Context, Environment, Filter, Handled, Handler, Made, Messages, Response, Sections, Snapshot,
    Stats, Stream, Transport, Verdict, pipeline,
};
use nw_wire::tsig::{Signed, Tsig};
use nw_wire::{Class, Ede, Flags, Message, Name, Opcode, Rcode, RrType, Rrset, Section, Writer};
use nw_zone::{LoadOptions, Zone, scan};

const PLAN: &str = r#"{"version":1,"zones":[{"name":"example.com."},{"name":"inside.example.com."}],
    "keys":[{"name":"key.","algorithm":"hmac-sha256"}],VIEWS
    "resolver":{"forward":[{"suffix":".","servers":["127.0.0.1:1"]}]}}"#;
const ZONE: &str = "$TTL 60\n@ SOA ns1 h 7 7200 3600 1209600 300\n@ NS ns1\nns1 A 192.0.2.1\nwww A 192.0.2.80\n\
    away CNAME www.example.net.\n\
    pool A 192.0.2.1\npool A 192.0.2.2\npool A 198.51.100.3\npool A 192.0.2.4\n\
    alias CNAME pool\n*.wild A 192.0.2.7\n*.wild A 198.51.100.8\n*.wild A 192.0.2.9\n\
    sub NS a.sub\nsub NS b.sub\na.sub A 192.0.2.21\nb.sub A 192.0.2.22\nmail MX 10 mx1\nmail MX 20 mx2.pool\n\
    mx1 A 192.0.2.31\nmx1 A 192.0.2.32\nmx2.pool A 192.0.2.33\n";
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
    telemetry: Ring,
    room: Vec<u8>,
}

impl Bench {
    fn new(snapshot: Snapshot) -> Bench {
        let cache = Cache::new(1 << 20);
        let mut set = Rrset::new(name("cached.example.net."), RrType::A, Class::IN, 60);
        set.rdatas.push(&[192, 0, 2, 9]);
        cache.put_rrset(&set, None, Rank::Authoritative, 0);
        Bench {
            snapshot: Arc::new(snapshot),
            cache,
            stats: Stats::default(),
            telemetry: Ring::default(),
            room: vec![0; 65_535],
        }
    }

    fn environment(&self) -> Environment<'_> {
        Environment {
            snapshot: &self.snapshot,
            cache: Some(&self.cache),
            now: 0,
            unix_s: &|| 1000,
            stats: &self.stats,
            recorder: None,
            telemetry: self.telemetry.is_open().then_some(&self.telemetry),
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
                    pipeline::complete(&self.environment(), pending, &[Resolution::empty(rcode)], &mut room)
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
        let found = [Resolution::empty(Rcode::NOERROR), Resolution::empty(Rcode::NOERROR)];
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
    let done = pipeline::complete_with(&environment, pending, &Made::empty(Rcode::YXDOMAIN), &mut room);
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

/// Turns every RRset of the answer and of the additional section by one.
struct Turn;

impl Filter for Turn {
    fn name(&self) -> &'static str {
        "turn"
    }

    fn apply(&self, _: &Context<'_>, response: &mut Response<'_, '_>) -> Verdict {
        let mut next = response.rrset_after(None);
        while let Some(mut rrset) = next {
            if rrset.rtype != RrType::RRSIG {
                assert!(response.rotate(&rrset, 1), "every RRset can be turned");
                // Records with names are written anew, so that borders move.
                let numbers = |run: &nw_wire::Run| run.number == rrset.number;
                rrset =
                    std::iter::successors(response.rrset_after(None), |run| response.rrset_after(Some(run)))
                        .find(numbers)
                        .expect("it is still there");
            }
            next = response.rrset_after(Some(&rrset));
        }
        Verdict::Continue
    }
}

/// Keeps the addresses in 192.0.2.0/24, the last one first: what a client in that network gets.
struct Near;

impl Filter for Near {
    fn name(&self) -> &'static str {
        "near"
    }

    fn apply(&self, _: &Context<'_>, response: &mut Response<'_, '_>) -> Verdict {
        let mut next = response.rrset_after(None);
        while let Some(rrset) = next {
            next = response.rrset_after(Some(&rrset));
            if rrset.rtype != RrType::A || rrset.section != Section::Answer {
                continue;
            }
            let near =
                response.rdata(&rrset).enumerate().filter(|(_, rdata)| rdata.starts_with(&[192, 0, 2]));
            let mut near: Vec<u16> = near.map(|(at, _)| at as u16).collect();
            near.reverse();
            response.pick(&rrset, &near);
            break;
        }
        Verdict::Continue
    }
}

/// The last octets of the addresses in *section*.
fn last_octets(reply: &[u8], section: Section) -> Vec<u8> {
    let message = Message::parse(reply).expect("valid");
    let addresses = message.records(section).filter(|record| record.rtype == RrType::A);
    addresses.map(|record| record.rdata_raw()[3]).collect()
}

fn addresses(owner: &str, numbers: impl IntoIterator<Item = u8>) -> Rrset {
    let mut set = Rrset::new(name(owner), RrType::A, Class::IN, 60);
    for number in numbers {
        set.rdatas.push(&[if number % 3 == 0 { 198 } else { 192 }, 0, 2, number]);
    }
    set
}

/// The answer to *packet* when a lookup finds *set*.
fn answer_with(bench: &mut Bench, packet: &[u8], set: &Rrset, now: u64) -> Vec<u8> {
    let mut room = std::mem::take(&mut bench.room);
    let environment = Environment { now, ..bench.environment() };
    let client: SocketAddr = "127.0.0.1:4242".parse().expect("an address");
    let mut handled = pipeline::handle(&environment, packet, client, Transport::Udp, &mut room);
    if let Handled::Later(pending) = handled {
        let found = Resolution { answer: vec![set.clone()], ..Resolution::empty(Rcode::NOERROR) };
        handled = pipeline::complete(&environment, pending, &[found], &mut room);
    }
    let Handled::Reply(length) = handled else { panic!("{handled:?}") };
    let reply = room[..length].to_vec();
    bench.room = room;
    reply
}

#[test]
fn a_filter_reorders_zone_answers_cache_hits_and_late_answers() {
    let mut plain = Bench::new(snapshot(""));
    let mut turned = Bench::new(snapshot("").with_filter(Arc::new(Turn)));
    for bench in [&plain, &turned] {
        let set = addresses("pool.example.net.", [1, 2, 3, 4]);
        bench.cache.put_rrset(&set, None, Rank::Authoritative, 0);
    }
    let late = addresses("late.example.net.", [1, 2, 3, 4]);
    for (qname, before) in [
        ("pool.example.com.", vec![1, 2, 4, 3]),
        ("alias.example.com.", vec![1, 2, 4, 3]),
        ("a.b.wild.example.com.", vec![7, 9, 8]),
        ("pool.example.net.", vec![1, 2, 3, 4]),
        ("late.example.net.", vec![1, 2, 3, 4]),
    ] {
        let mut after = before.clone();
        after.rotate_left(1);
        let packet = query(qname, Opcode::QUERY);
        // Twice: nothing that the filter did reached the zone or the cache. Ten seconds later TTLs are counted down.
        for now in [0, 10_000_000] {
            let whole = answer_with(&mut plain, &packet, &late, now);
            let reply = answer_with(&mut turned, &packet, &late, now);
            assert_eq!(last_octets(&whole, Section::Answer), before, "{qname}");
            assert_eq!(last_octets(&reply, Section::Answer), after, "{qname}");
            assert_eq!(reply.len(), whole.len(), "{qname}");
            let ttls = |reply: &[u8]| -> Vec<u32> {
                Message::parse(reply).expect("valid").answer().map(|record| record.ttl).collect()
            };
            assert_eq!(ttls(&reply), ttls(&whole), "{qname}");
        }
    }
}

#[test]
fn names_are_compressed_again_when_their_records_move() {
    let mut plain = Bench::new(snapshot(""));
    let mut turned = Bench::new(snapshot("").with_filter(Arc::new(Turn)));
    for (qname, rtype) in [
        ("mail.example.com.", RrType::MX),
        ("example.com.", RrType::NS),
        ("x.sub.example.com.", RrType::A),
        ("missing.example.com.", RrType::A),
        ("pool.example.com.", RrType::ANY),
    ] {
        let mut packet = query(qname, Opcode::QUERY);
        let at = packet.len() - 4;
        packet[at..at + 2].copy_from_slice(&rtype.0.to_be_bytes());
        // Without RD a referral is the answer.
        packet[2] &= !1;
        let [whole, reply] = [&mut plain, &mut turned].map(|bench| bench.answer(&packet, None));
        assert!(reply.len() <= whole.len(), "{qname}");
        let sorted = |reply: &[u8]| {
            let message = Message::parse(reply).expect("valid");
            let sections = Sections::of_message(&message);
            let mut sets: Vec<(Name, RrType, Vec<Vec<u8>>)> = Vec::new();
            for set in sections.answer.iter().chain(&sections.authority).chain(&sections.additional) {
                let mut rdatas: Vec<Vec<u8>> = set.rdatas.iter().map(<[u8]>::to_vec).collect();
                rdatas.sort();
                sets.push((set.owner.clone(), set.rtype, rdatas));
            }
            (message.rcode(), sets)
        };
        assert_eq!(sorted(&reply), sorted(&whole), "{qname}");
    }
}

#[test]
fn a_subset_of_an_rrset_that_is_too_large_for_the_client_arrives() {
    // 100 addresses need more than 1,600 octets; the client takes 512.
    let many = addresses("many.example.net.", (0..100).map(|i| i * 2 % 201));
    let mut near = Bench::new(snapshot("").with_filter(Arc::new(Near)));
    let packet = query("many.example.net.", Opcode::QUERY);
    let late = answer_with(&mut near, &packet, &many, 0);
    assert!(Message::parse(&late).expect("valid").flags().tc(), "66 addresses are still too many");
    assert!(late.len() <= 512 && last_octets(&late, Section::Answer).is_empty());

    let some =
        addresses("many.example.net.", (0..40).chain([203, 206]).map(|i| if i < 40 { i * 3 } else { i }));
    assert_eq!(last_octets(&answer_with(&mut near, &packet, &some, 0), Section::Answer), [206, 203]);
    near.cache.put_rrset(&some, None, Rank::Authoritative, 0);
    for _ in 0..2 {
        let hit = near.answer(&packet, None);
        assert_eq!(last_octets(&hit, Section::Answer), [206, 203]);
        assert!(!Message::parse(&hit).expect("valid").flags().tc());
    }
    let whole = near.cache.get(many.owner.as_ref(), RrType::A, 0);
    assert!(
        matches!(whole, nw_cache::Lookup::Hit { found: nw_cache::Cached::Rrset(sets), .. } if sets[0] == some)
    );
    let mut room = vec![0; 65_535];
    match near.handle(&packet, "127.0.0.1:1", Transport::Tcp, &mut room) {
        Handled::Reply(length) => assert_eq!(last_octets(&room[..length], Section::Answer), [206, 203]),
        other => panic!("{other:?}"),
    }
    assert_eq!(
        last_octets(&near.answer(&query("pool.example.com.", Opcode::QUERY), None), Section::Answer),
        [4, 2, 1]
    );
    assert_eq!(
        last_octets(&near.answer(&query("a.wild.example.com.", Opcode::QUERY), None), Section::Answer),
        [9, 7]
    );
    assert_eq!(
        last_octets(&near.answer(&query("alias.example.com.", Opcode::QUERY), None), Section::Answer),
        [4, 2, 1]
    );
}

#[test]
fn a_signed_rrset_is_reordered_but_not_reduced() {
    let set = addresses("signed.example.net.", [1, 3, 5]);
    let mut signature = Rrset::new(set.owner.clone(), RrType::RRSIG, Class::IN, 60);
    signature
        .rdatas
        .push(&[&[0, 1, 13, 3, 0, 0, 0, 60, 0, 0, 0, 9, 0, 0, 0, 1, 0, 7, 0][..], &[7; 64]].concat());
    let plain = query("signed.example.net.", Opcode::QUERY);
    let mut signed = plain.clone();
    signed[11] = 1;
    signed.extend_from_slice(&[0, 0, 41, 4, 208, 0, 0, 0x80, 0, 0, 0]);
    for (filter, with_signature, without) in [
        (Arc::new(Near) as Arc<dyn Filter>, vec![1, 3, 5], vec![5, 1]),
        (Arc::new(Turn), vec![3, 5, 1], vec![3, 5, 1]),
    ] {
        let mut bench = Bench::new(snapshot("").with_filter(filter));
        bench.cache.put_rrset(&set, Some(&signature), Rank::Authoritative, 0);
        let reply = bench.answer(&signed, None);
        assert_eq!(last_octets(&reply, Section::Answer), with_signature);
        let message = Message::parse(&reply).expect("valid");
        assert_eq!(message.answer().filter(|record| record.rtype == RrType::RRSIG).count(), 1);
        assert_eq!(last_octets(&bench.answer(&plain, None), Section::Answer), without);
    }
}

#[test]
fn the_order_of_addresses_follows_the_setting() {
    let with = |order: &str| {
        let plan = PLAN.replace("VIEWS", &format!(r#""server":{{"rrset_order":"{order}"}},"#));
        let zones = vec![zone("example.com."), zone("inside.example.com.")];
        Bench::new(Snapshot::build(plan.as_bytes(), zones).unwrap_or_else(|errors| panic!("{errors:?}")))
    };
    for order in ["fixed", "rotate", "random"] {
        let mut bench = with(order);
        bench.cache.put_rrset(&addresses("pool.example.net.", [1, 2, 3, 4]), None, Rank::Authoritative, 0);
        for qname in ["pool.example.com.", "pool.example.net.", "late.example.net.", "alias.example.com."] {
            let mut seen = std::collections::HashSet::new();
            for id in 0..200u16 {
                let mut packet = query(qname, Opcode::QUERY);
                packet[..2].copy_from_slice(&id.to_be_bytes());
                let late = addresses("late.example.net.", [1, 2, 3, 4]);
                let got = last_octets(&answer_with(&mut bench, &packet, &late, 0), Section::Answer);
                let mut sorted = got.clone();
                sorted.sort_unstable();
                assert_eq!(sorted, [1, 2, 3, 4], "{order} {qname}");
                seen.insert(got);
            }
            let orders = match order {
                "fixed" => 1..2,
                "rotate" => 4..5,
                _ => 20..25,
            };
            assert!(orders.contains(&seen.len()), "{order} {qname}: {} orders", seen.len());
        }
    }
}

/// RFC 2181 §5.2 speaks of one RRset; the signatures of one owner belong to several.
#[test]
fn signatures_keep_their_own_ttls_when_a_filter_replaces_an_answer() {
    let set = addresses("late.example.net.", [1]);
    let signature = |covered: u8, ttl: u32| {
        let mut rrset = Rrset::new(set.owner.clone(), RrType::RRSIG, Class::IN, ttl);
        rrset.rdatas.push(
            &[&[0, covered, 13, 3, 0, 0, 0, 60, 0, 0, 0, 9, 0, 0, 0, 1, 0, 7, 0][..], &[7; 64]].concat(),
        );
        rrset
    };
    let signatures = [signature(1, 60), signature(28, 30)];
    let bench = Bench::new(snapshot("").with_filter(Arc::new(Mark)));
    let mut room = vec![0; 4096];
    let packet = query("late.example.net.", Opcode::QUERY);
    let handled = bench.handle(&packet, "127.0.0.1:1", Transport::Udp, &mut room);
    let Handled::Later(pending) = handled else { panic!("{handled:?}") };
    let answer = std::iter::once(set).chain(signatures).collect();
    let found = Resolution { answer, ..Resolution::empty(Rcode::NOERROR) };
    let handled = pipeline::complete(&bench.environment(), pending, &[found], &mut room);
    let Handled::Reply(length) = handled else { panic!("{handled:?}") };
    let message = Message::parse(&room[..length]).expect("valid");
    let ttls: Vec<u32> = message.answer().map(|record| record.ttl).collect();
    assert_eq!(ttls, [60, 60, 30]);
}

#[test]
fn views_share_the_cache_only_where_the_plan_says_so() {
    let views = |shared: bool| {
        format!(
            r#""views":[{{"name":"inside","clients":["127.0.0.1"],"shared_cache":{shared}}},
            {{"name":"outside","clients":["127.0.0.2"],"shared_cache":{shared}}}],"#
        )
    };
    for shared in [true, false] {
        let bench = Bench::new(snapshot(&views(shared)));
        let mut room = vec![0; 4096];
        let packet = query("cached.example.net.", Opcode::QUERY);
        // What no view has looked up belongs to those that share.
        let hit = bench.handle(&packet, "127.0.0.1:1", Transport::Udp, &mut room);
        assert_eq!(matches!(hit, Handled::Reply(_)), shared, "{hit:?}");
        let packet = query("www.example.net.", Opcode::QUERY);
        let mut asked = |client: &str| match bench.handle(&packet, client, Transport::Udp, &mut room) {
            Handled::Later(pending) => pending.ask.question.view,
            other => panic!("{other:?}"),
        };
        let (inside, outside) = (asked("127.0.0.1:1"), asked("127.0.0.2:1"));
        assert_eq!(inside == outside, shared, "lookups of {inside} and {outside}");
        // What the resolver keeps for one view.
        let mut set = Rrset::new(name("www.example.net."), RrType::A, Class::IN, 60);
        set.rdatas.push(&[192, 0, 2, 8]);
        let origin = Origin { view: inside, ..Rank::Authoritative.into() };
        assert!(bench.cache.put_rrset(&set, None, origin, 0));
        let hit = bench.handle(&packet, "127.0.0.1:1", Transport::Udp, &mut room);
        assert!(matches!(hit, Handled::Reply(_)), "its own entry: {hit:?}");
        let other = bench.handle(&packet, "127.0.0.2:1", Transport::Udp, &mut room);
        assert_eq!(matches!(other, Handled::Reply(_)), shared, "{other:?}");
    }
}

/// Refuses the names of the list `blocked`.
struct Block;

impl Filter for Block {
    fn name(&self) -> &'static str {
        "block"
    }

    fn apply(&self, context: &Context<'_>, _: &mut Response<'_, '_>) -> Verdict {
        match context.artifact::<NameList>("blocked").and_then(|list| list.find(context.query.qname)) {
            Some(_) => Verdict::Refuse(Rcode::REFUSED, Ede::BLOCKED),
            None => Verdict::Continue,
        }
    }
}

#[test]
fn an_artifact_is_swapped_while_queries_are_answered() {
    let mut bench = Bench::new(snapshot("").with_filter(Arc::new(Block)));
    let before = Arc::clone(&bench.snapshot);
    let www = query("www.example.com.", Opcode::QUERY);
    let rcode = |reply: Vec<u8>| Message::parse(&reply).expect("valid").rcode();
    assert_eq!(rcode(bench.answer(&www, None)), Rcode::NOERROR, "no list, nothing is blocked");
    let mut room = vec![0; 4096];
    let late = query("late.example.net.", Opcode::QUERY);
    let Handled::Later(pending) = bench.handle(&late, "127.0.0.1:1", Transport::Udp, &mut room) else {
        panic!("a lookup")
    };

    let list = NameList::parse("www.example.com\nlate.example.net\n").expect("names");
    let swap = |snapshot: &Snapshot, list: Option<NameList>| {
        let artifact = list.map(|list| Arc::new(list) as nw_serve::Artifact);
        Arc::new(snapshot.with_artifacts([("blocked".to_owned(), artifact)]))
    };
    bench.snapshot = swap(&before, Some(list));
    assert!(bench.snapshot.same_settings(&before), "settings are shared");
    assert_eq!(rcode(bench.answer(&www, None)), Rcode::REFUSED);
    // What began before ends with the artifacts that it began with.
    let done =
        pipeline::complete(&bench.environment(), pending, &[Resolution::empty(Rcode::NOERROR)], &mut room);
    let Handled::Reply(length) = done else { panic!("{done:?}") };
    assert_eq!(rcode(room[..length].to_vec()), Rcode::NOERROR);
    assert_eq!(rcode(bench.answer(&late, Some(Rcode::NOERROR))), Rcode::REFUSED);

    // Zones and settings change without the artifacts, and the other way round.
    let changed = bench.snapshot.changed([(name("inside.example.com."), None)]);
    assert!(changed.artifacts().get::<NameList>("blocked").is_some());
    let settings = snapshot("").with_filter(Arc::new(Block));
    bench.snapshot = Arc::new(settings.succeeding(&changed));
    assert_eq!(rcode(bench.answer(&www, None)), Rcode::REFUSED, "new settings keep the artifacts");
    assert!(bench.snapshot.artifacts().get::<u32>("blocked").is_none(), "of another type");
    bench.snapshot = swap(&bench.snapshot, None);
    assert_eq!(rcode(bench.answer(&www, None)), Rcode::NOERROR);
}

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
