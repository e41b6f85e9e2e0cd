//! What a cache miss costs without sockets: questions of one kind through the pipeline and the resolver, with servers that answer
//! at once.
//!
//! ```text
//! cargo build --release -p nw-serve --example misses
//! target/release/examples/misses any 200
//! valgrind --tool=callgrind '--toggle-collect=*::answer_all*' target/release/examples/misses warm 20000
//! ```
//!
//! | kind | the reply of the server |
//! |---|---|
//! | `warm` | one address, from a zone whose delegation is in the cache |
//! | `new` | a referral, then one address from the servers that it names |
//! | `denial` | NXDOMAIN, from a zone whose delegation is in the cache |
//! | `secure` | as `warm`, signed with P-256 and validated: one signature |
//! | `secure-new` | as `new`, with DS, keys and address signed and validated: three signatures |
//! | `any` | 64 KiB to ANY: 100 types with 50 records each |
//! | `one` | the same to a question for one of the types |
//! | `none` | the same to a question for a type that it lacks |
//! | `deep` | the same to ANY, at a name of 110 labels |
//! | `names` | to ANY at such a name: 800 records that hold as long names |
//!
//! Each question is for a name of its own. The program prints the mean time of the thread on a processor, as Linux counts it in
//! `/proc/thread-self/schedstat`, which some kernels count in whole ticks. Signed replies are made before that, and outside of
//! `answer_all`. The difference between the instructions of runs with 20,000 and with 40,000 questions is what 20,000 questions
//! cost.

#![allow(clippy::print_stdout)]

use std::cell::Cell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use nw_cache::{Cache, Delegation, DelegationEvidence, DelegationSource, NameServer, Trust};
use nw_crypto::{Algorithm, Signer, SigningKey};
use nw_dnssec::rrsig::SignScratch;
use nw_dnssec::{DigestType, SignParams, ZoneKey, sign_rrset};
use nw_resolve::{
    Discarded, Endpoint, ExchangeError, Micros, Notice, Replies, Resolver, ResolverConfig, Trace,
    TrustAnchor, World,
};
use nw_serve::{Environment, Handled, Snapshot, Stats, Transport, pipeline};
use nw_wire::{Class, Flags, Message, Name, NameRef, RrType, Rrset, Section, Writer};

const PLAN: &str = r#"{"version":1,"zones":[],
    "resolver":{"forward":[{"suffix":".","servers":["127.0.0.1:1"]}]}}"#;
/// Room for the largest message.
const MESSAGE: usize = u16::MAX as usize;
/// The time at which everything happens.
const NOW: Micros = 3_600_000_000;
/// The same, in seconds since 1970.
const UNIX: u32 = 1_800_000_000;
/// The name in every question begins here.
const QUESTION: u16 = 0xc000 | 12;

/// A reply without its id and question: the header behind the id, and what follows the question.
type Template = ([u8; 10], Vec<u8>);
/// Replies to particular questions, by server, name and type.
type Templates = HashMap<(SocketAddr, Vec<u8>), Template>;

/// A world whose servers give the same reply to every question for one type, but for the question.
struct Instant {
    random: Cell<u64>,
    rtype: RrType,
    reply: Template,
    /// The same for questions to servers of the zone above.
    referral: Template,
    /// The same for shortened questions, which are for another type.
    no_data: Template,
    signed: Templates,
}

enum NoReplies {}

impl Replies for NoReplies {
    async fn next(&mut self, _deadline: Micros) -> Result<Vec<u8>, ExchangeError> {
        match *self {}
    }
}

impl World for Instant {
    type Upstream = SocketAddr;
    type Replies = NoReplies;

    fn now(&self) -> Micros {
        NOW
    }

    fn unix_s(&self) -> u64 {
        u64::from(UNIX)
    }

    fn notice(&self, _: Notice) {}

    fn random(&self) -> u64 {
        let next = self.random.get().wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        self.random.set(next);
        next.rotate_right(16)
    }

    async fn sleep_until(&self, _at: Micros) {
        std::future::pending::<()>().await;
    }

    fn spawn(&self, _: impl Future<Output = ()> + 'static) {
        unreachable!("every reply comes at once");
    }

    fn upstream(&self, endpoint: &Endpoint) -> SocketAddr {
        endpoint.address
    }

    async fn exchange(
        &self,
        upstream: &SocketAddr,
        query: &[u8],
        _deadline: Micros,
        _discarded: &Discarded,
    ) -> Result<Vec<u8>, ExchangeError> {
        let end = 12 + query[12..].iter().position(|octet| *octet == 0).expect("a name ends") + 5;
        let rtype = RrType(u16::from_be_bytes([query[end - 4], query[end - 3]]));
        let question = (!self.signed.is_empty()).then(|| (*upstream, query[12..end - 2].to_vec()));
        let signed = question.map(|question| self.signed.get(&question).expect("a known question"));
        let (header, records) = match rtype {
            _ if signed.is_some() => signed.expect("it is some"),
            _ if *upstream == parent() => &self.referral,
            rtype if rtype == self.rtype => &self.reply,
            _ => &self.no_data,
        };
        let mut reply = Vec::with_capacity(end + records.len());
        reply.extend_from_slice(&query[..2]);
        reply.extend_from_slice(header);
        reply.extend_from_slice(&query[12..end]);
        reply.extend_from_slice(records);
        Ok(reply)
    }

    async fn stream(&self, _: &SocketAddr, _: &[u8], _: Micros) -> Result<NoReplies, ExchangeError> {
        Err(ExchangeError::Local)
    }
}

/// The server of `com.`.
fn parent() -> SocketAddr {
    ([192, 0, 2, 1], 53).into()
}

/// The server of every zone below `com.`.
const CHILD: [u8; 4] = [192, 0, 2, 2];

/// A record whose owner is the name at *owner*.
fn record(owner: u16, rtype: RrType, rdata: &[u8]) -> Vec<u8> {
    let mut record = owner.to_be_bytes().to_vec();
    record.extend_from_slice(&rtype.0.to_be_bytes());
    record.extend_from_slice(&[0, 1, 0, 0, 1, 44]);
    record.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
    record.extend_from_slice(rdata);
    record
}

/// The header of a reply behind its id, and its records: *rcode*, AA, and the records of its three sections.
fn reply(rcode: u8, aa: bool, sections: [Vec<Vec<u8>>; 3]) -> Template {
    let [answer, authority, mut additional] = sections;
    additional.push(vec![0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
    let [an, ns, ar] =
        [answer.len(), authority.len(), additional.len()].map(|count| (count as u16).to_be_bytes());
    let header = [0x80 | u8::from(aa) << 2, rcode, 0, 1, an[0], an[1], ns[0], ns[1], ar[0], ar[1]];
    (header, [answer, authority, additional].concat().concat())
}

/// The reply of the servers for *kind*.
fn reply_to(kind: &str) -> Template {
    let none = Vec::new;
    // The name of the zone: behind the first label, which has eight octets.
    let zone = QUESTION + 9;
    match kind {
        "warm" | "new" | "secure" | "secure-new" => {
            reply(0, true, [vec![record(QUESTION, RrType::A, &CHILD)], none(), none()])
        }
        "denial" => {
            let mut soa = [1, b'm'].to_vec();
            soa.extend_from_slice(&zone.to_be_bytes());
            soa.extend_from_slice(&[1, b'h']);
            soa.extend_from_slice(&zone.to_be_bytes());
            soa.extend_from_slice(&[0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0]);
            reply(3, true, [none(), vec![record(zone, RrType::SOA, &soa)], none()])
        }
        "names" => {
            let types =
                [RrType::NS, RrType(3), RrType(4), RrType(7), RrType(8), RrType(9), RrType::PTR, RrType::MX];
            let rdata = |rtype: RrType, i: u8| {
                let mut rdata = if rtype == RrType::MX { vec![0, 1] } else { Vec::new() };
                rdata.extend_from_slice(&[1, i]);
                rdata.extend_from_slice(&QUESTION.to_be_bytes());
                rdata
            };
            let records = (0..100).flat_map(|i| types.map(|rtype| record(QUESTION, rtype, &rdata(rtype, i))));
            reply(0, true, [records.collect(), none(), none()])
        }
        // Neighbours differ in type. Types that nobody knows are opaque (RFC 3597).
        _ => {
            let records = (0..5000u16).map(|i| record(QUESTION, RrType(1000 + i % 100), &[(i / 100) as u8]));
            reply(0, true, [records.collect(), none(), none()])
        }
    }
}

/// The key of every signed zone.
struct Keys {
    signer: Arc<dyn Signer>,
    scratch: SignScratch,
}

impl Keys {
    fn of(&self, zone: NameRef<'_>) -> ZoneKey {
        ZoneKey::new(zone, 257, Arc::clone(&self.signer))
    }

    fn ds(&self, zone: NameRef<'_>) -> Vec<u8> {
        let mut rdata = Vec::new();
        assert!(nw_dnssec::ds::push_ds(zone, self.of(zone).dnskey(), DigestType::SHA256, &mut rdata));
        rdata
    }

    /// The record of *zone* and its signature.
    fn signed(&mut self, zone: NameRef<'_>, owner: NameRef<'_>, rtype: RrType, rdata: &[u8]) -> Vec<Vec<u8>> {
        let mut set = Rrset::new(owner.to_name(), rtype, Class::IN, 300);
        set.rdatas.push(rdata);
        let params = SignParams { inception: UNIX - 3600, expiration: UNIX + 30 * 86_400 };
        let mut rrsig = Vec::new();
        sign_rrset(&set, &self.of(zone), params, &mut self.scratch, &mut rrsig).expect("a signature");
        [(rtype, rdata), (RrType::RRSIG, rrsig.as_slice())]
            .map(|(rtype, rdata)| [owner.wire(), &record(0, rtype, rdata)[2..]].concat())
            .to_vec()
    }
}

/// The signed replies to the questions for which *kind* makes a resolver ask, *count* times.
fn signed_replies(
    kind: &str,
    count: usize,
    keys: &mut Keys,
) -> Result<Templates, Box<dyn std::error::Error>> {
    let mut replies = HashMap::new();
    let question = |server: SocketAddr, name: NameRef<'_>, rtype: RrType| {
        (server, [name.wire(), &rtype.0.to_be_bytes()].concat())
    };
    let (child, com): (SocketAddr, Name) = ((CHILD, 53).into(), "com.".parse()?);
    let dnskey = |keys: &mut Keys, zone: NameRef<'_>| {
        let rdata = keys.of(zone).dnskey().rdata().to_vec();
        reply(0, true, [keys.signed(zone, zone, RrType::DNSKEY, &rdata), Vec::new(), Vec::new()])
    };
    replies.insert(question(parent(), com.as_ref(), RrType::DNSKEY), dnskey(keys, com.as_ref()));
    if kind == "secure" {
        let zone: Name = "example.com.".parse()?;
        replies.insert(question(child, zone.as_ref(), RrType::DNSKEY), dnskey(keys, zone.as_ref()));
        for i in 0..count {
            let name: Name = format!("n{i:07}.example.com.").parse()?;
            let answer = keys.signed(zone.as_ref(), name.as_ref(), RrType::A, &CHILD);
            let reply = reply(0, true, [answer, Vec::new(), Vec::new()]);
            replies.insert(question(child, name.as_ref(), RrType::A), reply);
        }
        return Ok(replies);
    }
    for i in 0..count {
        let (zone, ns): (Name, Name) =
            (format!("n{i:07}.com.").parse()?, format!("ns.n{i:07}.com.").parse()?);
        let name: Name = format!("www.n{i:07}.com.").parse()?;
        let behind = |owner: &Name, rtype, rdata: &[u8]| {
            [owner.as_ref().wire(), &record(0, rtype, rdata)[2..]].concat()
        };
        let mut cut = vec![behind(&zone, RrType::NS, ns.as_ref().wire())];
        cut.extend(keys.signed(com.as_ref(), zone.as_ref(), RrType::DS, &keys.ds(zone.as_ref())));
        let referral = reply(0, false, [Vec::new(), cut, vec![behind(&ns, RrType::A, &CHILD)]]);
        replies.insert(question(parent(), zone.as_ref(), RrType::A), referral.clone());
        replies.insert(question(parent(), name.as_ref(), RrType::A), referral);
        replies.insert(question(child, zone.as_ref(), RrType::DNSKEY), dnskey(keys, zone.as_ref()));
        let answer = keys.signed(zone.as_ref(), name.as_ref(), RrType::A, &CHILD);
        let reply = reply(0, true, [answer, Vec::new(), Vec::new()]);
        replies.insert(question(child, name.as_ref(), RrType::A), reply);
    }
    Ok(replies)
}

/// A delegation of *zone* to the server at *address*, with this DS record if there is one.
fn delegation(
    zone: &str,
    address: SocketAddr,
    ds: Option<&[u8]>,
) -> Result<Arc<Delegation>, Box<dyn std::error::Error>> {
    let zone: Name = zone.parse()?;
    let trust = match ds {
        Some(rdata) => {
            let mut ds = Rrset::new(zone.clone(), RrType::DS, Class::IN, 86_400);
            ds.rdatas.push(rdata);
            Trust::Secure { ds }
        }
        None => Trust::Unknown { evidence: DelegationEvidence::default() },
    };
    Ok(Arc::new(Delegation {
        zone,
        servers: vec![NameServer { name: "ns.example.net.".parse()?, addresses: vec![address.ip()] }],
        source: DelegationSource::Ns,
        trust,
        stored: NOW,
        expires: NOW + 86_400_000_000,
        above: None,
    }))
}

fn query(name: &str, rtype: RrType) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let name: Name = name.parse()?;
    let mut room = vec![0; 512];
    let mut out = Writer::new(&mut room, 512, 1, Flags::default().with_rd(true));
    let opt = [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0];
    out.question(name.as_ref(), rtype, Class::IN)
        .and_then(|()| out.raw(Section::Additional, 1, &opt))
        .expect("a question fits");
    let length = out.finish();
    room.truncate(length);
    Ok(room)
}

/// The time that this thread has spent on a processor, nanoseconds.
fn spent() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux counts it");
    text.split(' ').next().and_then(|number| number.parse().ok()).expect("a number")
}

/// Let *answer* answer all *queries*; return the octets of the answers and the number of questions to servers.
#[inline(never)]
fn answer_all(queries: &[Vec<u8>], answer: &mut dyn FnMut(&[u8]) -> (usize, u32)) -> (usize, u32) {
    queries.iter().fold((0, 0), |(octets, asked), packet| {
        let (length, sent) = answer(packet);
        (octets + length, asked + sent)
    })
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let kind = arguments.next().ok_or("the kind of questions")?;
    let count: usize = arguments.next().ok_or("the number of questions")?.parse()?;
    let deep = "a.".repeat(108);
    let (prefix, suffix, rtype, transport) = match kind.as_str() {
        "warm" | "denial" | "secure" => ("", "example.com.", RrType::A, Transport::Udp),
        "new" | "secure-new" => ("www.", "com.", RrType::A, Transport::Udp),
        "any" => ("", "example.com.", RrType::ANY, Transport::Tcp),
        "one" => ("", "example.com.", RrType(1000), Transport::Tcp),
        "none" => ("", "example.com.", RrType::A, Transport::Tcp),
        "deep" | "names" => (deep.as_str(), "example.com.", RrType::ANY, Transport::Tcp),
        _ => return Err("no such kind".into()),
    };
    let names = (0..count).map(|i| query(&format!("{prefix}n{i:07}.{suffix}"), rtype));
    let queries: Vec<Vec<u8>> = names.collect::<Result<_, _>>()?;
    // A name server inside the zone, with its address.
    let ns = [&[2, b'n', b's'][..], &(QUESTION).to_be_bytes()].concat();
    let glue = [&[2, b'n', b's'][..], &record(QUESTION, RrType::A, &CHILD)].concat();
    let (validates, mut config) = (kind.starts_with("secure"), ResolverConfig::default());
    let signer = SigningKey::generate(Algorithm::ECDSAP256SHA256, None).map_err(|_| "no key")?;
    let mut keys = Keys { signer: Arc::new(signer), scratch: SignScratch::default() };
    let (com, example): (Name, Name) = ("com.".parse()?, "example.com.".parse()?);
    let example = validates.then(|| keys.ds(example.as_ref()));
    let signed = if validates { signed_replies(&kind, count, &mut keys)? } else { HashMap::new() };
    if validates {
        let rdata = keys.ds(com.as_ref());
        config.trust_anchors = vec![TrustAnchor::Ds { owner: com, rdata }];
    }
    let world = Rc::new(Instant {
        signed,
        random: Cell::new(1),
        rtype,
        reply: reply_to(&kind),
        referral: reply(0, false, [Vec::new(), vec![record(QUESTION, RrType::NS, &ns)], vec![glue]]),
        no_data: reply(0, true, [Vec::new(), Vec::new(), Vec::new()]),
    });
    let cache = Arc::new(Cache::new(512 << 20));
    cache.put_cut(delegation("com.", parent(), None)?, NOW);
    cache.put_cut(delegation("example.com.", (CHILD, 53).into(), example.as_deref())?, NOW);
    let resolver = Resolver::new(world, Arc::clone(&cache), Arc::new(config));
    let snapshot = Snapshot::build(PLAN.as_bytes(), Vec::new()).map_err(|errors| format!("{errors:?}"))?;
    let (snapshot, stats) = (Arc::new(snapshot), Stats::default());
    let environment = Environment {
        snapshot: &snapshot,
        cache: Some(&cache),
        now: NOW,
        unix_s: &|| 0,
        stats: &stats,
        recorder: None,
        telemetry: None,
        renew: None,
        trace: None,
        receipt: None,
    };
    let client: SocketAddr = ([127, 0, 0, 1], 4242).into();
    let mut room = vec![0; MESSAGE];
    let mut answer = |packet: &[u8]| {
        let pending = match pipeline::handle(&environment, packet, client, transport, &mut room) {
            Handled::Later(pending) => pending,
            Handled::Reply(length) => return (length, 0),
            _ => panic!("a question is answered or looked up"),
        };
        let (question, trace) = (pending.ask.question.clone(), Trace::start(NOW, 400));
        let mut resolution = pin!(resolver.resolve_for(question, Some(client.ip()), trace));
        let Poll::Ready(found) = resolution.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
            panic!("servers answer at once")
        };
        let sent = found.queries;
        match pipeline::complete(&environment, pending, &[found], &mut room) {
            Handled::Reply(length) => (length, sent),
            _ => panic!("a resolution makes a response"),
        }
    };
    let before = spent();
    let (octets, asked) = answer_all(&queries, &mut answer);
    let took = spent() - before;
    println!(
        "{kind}: {:.4} ms, {} octets and {:.2} questions to servers each",
        took as f64 / 1e6 / count as f64,
        octets / count,
        f64::from(asked) / count as f64
    );
    let message = answer(&queries[count - 1]).0;
    Message::parse(&room[..message]).expect("the response is a message");
    Ok(())
}
