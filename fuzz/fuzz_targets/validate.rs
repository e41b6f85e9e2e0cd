//! Hostile keys, DS records, signatures and denials, some of them signed by the root, never make the validator panic, wait for ever or exceed its budget.
//!
//! ```text
//! question | reply | reply | ...        reply: count, then as many records
//! record: kind (type, owner, section, signed by the root) | length | rdata
//! ```
#![no_main]

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};

use libfuzzer_sys::fuzz_target;
use nw_crypto::{Algorithm, SigningKey};
use nw_dnssec::{SignParams, ZoneKey, rrsig::SignScratch, sign_rrset};
use nw_resolve::{
    Cache, ClientQuestion, Discarded, Endpoint, ExchangeError, Micros, Notice, Replies, Resolver,
    ResolverConfig, Trace, TrustAnchor, World,
};
use nw_wire::{Class, Name, NameRef, Rcode, RrType, Rrset};

const NOW: Micros = 3_600_000_000;
const UNIX: u32 = 1_800_000_000;
const TYPES: [RrType; 8] = [
    RrType::DNSKEY,
    RrType::DS,
    RrType::RRSIG,
    RrType::NSEC,
    RrType::NSEC3,
    RrType::A,
    RrType::NS,
    RrType::SOA,
];
const NAMES: [&str; 4] = [".", "a.", "b.a.", "*.a."];

static KEY: LazyLock<ZoneKey> = LazyLock::new(|| {
    let signer = SigningKey::generate(Algorithm::ED25519, None).expect("a key");
    ZoneKey::new(NameRef::ROOT, 257, Arc::new(signer))
});

/// A world of one server that sends what the input says.
struct Hostile {
    now: Cell<Micros>,
    random: Cell<u64>,
    input: RefCell<VecDeque<u8>>,
}

impl Hostile {
    /// The next *length* octets of the input, or as many as there are.
    fn take(&self, length: usize) -> Vec<u8> {
        let mut input = self.input.borrow_mut();
        let length = length.min(input.len());
        input.drain(..length).collect()
    }
}

enum NoReplies {}

impl Replies for NoReplies {
    async fn next(&mut self, _deadline: Micros) -> Result<Vec<u8>, ExchangeError> {
        match *self {}
    }
}

impl World for Hostile {
    type Upstream = SocketAddr;
    type Replies = NoReplies;

    fn now(&self) -> Micros {
        self.now.get()
    }

    fn unix_s(&self) -> u64 {
        UNIX.into()
    }

    fn notice(&self, _: Notice) {}

    fn spawn(&self, _: impl Future<Output = ()> + 'static) {}

    fn random(&self) -> u64 {
        let next = self.random.get().wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        self.random.set(next);
        next.rotate_right(16)
    }

    async fn sleep_until(&self, at: Micros) {
        self.now.set(self.now.get().max(at));
    }

    fn upstream(&self, endpoint: &Endpoint) -> SocketAddr {
        endpoint.address
    }

    async fn exchange(
        &self,
        _: &SocketAddr,
        query: &[u8],
        _deadline: Micros,
        _: &Discarded,
    ) -> Result<Vec<u8>, ExchangeError> {
        self.now.set(self.now.get() + 1000);
        let (name, _) = NameRef::read(&query[12..]).expect("a query has a name");
        let end = 12 + name.wire().len() + 4;
        let rtype = RrType(u16::from_be_bytes([query[end - 4], query[end - 3]]));
        let mut sections = [Vec::new(), Vec::new(), Vec::new()];
        let mut counts = [0u16; 3];
        let (mut rcode, mut aa) = (0, 4);
        if name == NameRef::ROOT && rtype == RrType::DNSKEY {
            put(&mut sections[0], &mut counts[0], NameRef::ROOT, RrType::DNSKEY, KEY.dnskey().rdata(), true);
        } else {
            let Some(head) = self.take(1).pop() else { return Err(ExchangeError::Timeout) };
            (rcode, aa) = (3 * (head >> 7), 4 * (head >> 6 & 1));
            for _ in 0..head & 31 {
                let [kind, length] = self.take(2)[..] else { break };
                let rdata = self.take(length.into());
                let owner: Name = NAMES[usize::from(kind >> 3 & 3)].parse().expect("a name");
                let section = usize::from(kind >> 5 & 1);
                let (at, count) = (&mut sections[section], &mut counts[section]);
                put(at, count, owner.as_ref(), TYPES[usize::from(kind & 7)], &rdata, kind & 0x80 != 0);
            }
        }
        let mut reply = query[..2].to_vec();
        reply.extend_from_slice(&[0x80 | aa, rcode, 0, 1]);
        counts.iter().for_each(|count| reply.extend_from_slice(&count.to_be_bytes()));
        reply.extend_from_slice(&query[12..end]);
        sections.iter().for_each(|section| reply.extend_from_slice(section));
        Ok(reply)
    }

    async fn stream(&self, _: &SocketAddr, _: &[u8], _: Micros) -> Result<NoReplies, ExchangeError> {
        Err(ExchangeError::Local)
    }
}

/// Append a record, and with *signed* a signature of the root over it.
fn put(out: &mut Vec<u8>, count: &mut u16, owner: NameRef<'_>, rtype: RrType, rdata: &[u8], signed: bool) {
    let mut record = |rtype: RrType, rdata: &[u8]| {
        out.extend_from_slice(owner.wire());
        out.extend_from_slice(&rtype.0.to_be_bytes());
        out.extend_from_slice(&[0, 1, 0, 0, 1, 44]);
        out.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
        out.extend_from_slice(rdata);
        *count += 1;
    };
    record(rtype, rdata);
    if signed && rtype != RrType::RRSIG {
        let mut set = Rrset::new(owner.to_name(), rtype, Class::IN, 300);
        set.rdatas.push(rdata);
        let params = SignParams { inception: UNIX - 1000, expiration: UNIX + 1000 };
        let mut made = Vec::new();
        if sign_rrset(&set, &KEY, params, &mut SignScratch::default(), &mut made).is_ok() {
            record(RrType::RRSIG, &made);
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&[name, rtype], input)) = bytes.split_first_chunk() else { return };
    let input = input.iter().copied().collect();
    let world = Rc::new(Hostile { now: Cell::new(NOW), random: Cell::new(1), input: RefCell::new(input) });
    let address: IpAddr = [192, 0, 2, 1].into();
    let config = ResolverConfig {
        hints: vec![("ns.".parse().expect("a name"), vec![address])],
        trust_anchors: vec![TrustAnchor::Dnskey {
            owner: Name::root(),
            rdata: KEY.dnskey().rdata().to_vec(),
        }],
        ..ResolverConfig::default()
    };
    let most = config.budget.max_upstream_queries;
    let resolver = Resolver::new(world, Arc::new(Cache::new(1 << 20)), Arc::new(config));
    let asked: Name = ["a.", "b.a.", "c.b.a.", "x.a."][usize::from(name & 3)].parse().expect("a name");
    let question = ClientQuestion::new(asked, TYPES[usize::from(rtype & 7)]);
    let mut resolution = pin!(resolver.resolve_for(question, None, Trace::start(NOW, 400)));
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..1000 {
        if let Poll::Ready(found) = resolution.as_mut().poll(&mut context) {
            assert!(found.queries <= most, "{} queries", found.queries);
            assert!(matches!(
                found.rcode,
                Rcode::NOERROR | Rcode::NXDOMAIN | Rcode::SERVFAIL | Rcode::NOTIMP
            ));
            return;
        }
    }
    panic!("the resolver waits for nothing");
});
