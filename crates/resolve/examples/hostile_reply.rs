//! Measure the processor time that one hostile reply of 64 KiB costs the resolver, from the client's question to the answer.
//!
//! ```console
//! $ cargo run --release -p nw-resolve --example hostile_reply
//! ```
//!
//! Each reply is for a name of its own, so that each is read, scrubbed and cached. Then each question is asked again. A question
//! goes the way that it goes in a server: first [`Resolver::hit`], then [`Resolver::resolve`]. The example prints the mean time of
//! the thread on a processor, as Linux counts it in `/proc/thread-self/schedstat`, which some kernels count in whole ticks. The
//! times include those for the making of the reply.

#![allow(clippy::print_stdout)]

use std::cell::Cell;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use nw_resolve::{
    Cache, ClientQuestion, Discarded, Endpoint, ExchangeError, Forward, HitQuestion, Micros, Replies,
    Resolver, ResolverConfig, Trace, World,
};
use nw_wire::code::RrType;
use nw_wire::header::Flags;
use nw_wire::message::Message;
use nw_wire::name::Name;
use nw_wire::writer::Writer;

/// Replies measured.
const REPLIES: usize = 200;
/// Room for the largest message.
const MESSAGE: usize = u16::MAX as usize;

/// A world with one server, which answers at once.
struct Hostile {
    start: Instant,
    random: Cell<u64>,
    queries: Cell<u32>,
    types: u16,
    records: u8,
}

impl Hostile {
    /// The reply to *query*: *types* RRsets of *records* records at the name asked for.
    fn reply(&self, query: &[u8]) -> Vec<u8> {
        let question = Message::parse(query).expect("a message").question().expect("a question");
        let end = 12 + question.name.as_ref().wire().len() + 4;
        let mut reply = query[..end].to_vec();
        let count = self.types * u16::from(self.records);
        (reply[2], reply[3]) = (0x84, 0x80);
        reply[6..8].copy_from_slice(&count.to_be_bytes());
        reply[8..12].fill(0);
        for i in 0..count {
            // Neighbours differ in type. Types that nobody knows are opaque (RFC 3597).
            let (rtype, rdata) = (1000 + i % self.types, (i / self.types) as u8);
            reply.extend_from_slice(&[0xc0, 12]);
            reply.extend_from_slice(&rtype.to_be_bytes());
            reply.extend_from_slice(&[0, 1, 0, 0, 1, 44, 0, 1, rdata]);
        }
        reply
    }
}

enum NoReplies {}

impl Replies for NoReplies {
    async fn next(&mut self, _deadline: Micros) -> Result<Vec<u8>, ExchangeError> {
        match *self {}
    }
}

impl World for Hostile {
    type Upstream = ();
    type Replies = NoReplies;

    fn now(&self) -> Micros {
        3_600_000_000 + self.start.elapsed().as_micros() as Micros
    }

    fn unix_s(&self) -> u64 {
        1_800_000_000
    }

    fn random(&self) -> u64 {
        let next = self.random.get().wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        self.random.set(next);
        next.rotate_right(16)
    }

    async fn sleep_until(&self, _at: Micros) {
        std::future::pending::<()>().await;
    }

    fn upstream(&self, _endpoint: &Endpoint) {}

    async fn exchange(
        &self,
        _upstream: &(),
        query: &[u8],
        _deadline: Micros,
        _discarded: &Discarded,
    ) -> Result<Vec<u8>, ExchangeError> {
        self.queries.set(self.queries.get() + 1);
        Ok(self.reply(query))
    }

    async fn stream(&self, _: &(), _: &[u8], _: Micros) -> Result<NoReplies, ExchangeError> {
        Err(ExchangeError::Local)
    }
}

/// The time that this thread has spent on a processor, nanoseconds.
fn spent() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux counts it");
    text.split(' ').next().and_then(|number| number.parse().ok()).expect("a number")
}

/// Answer *question* from the cache, or else by asking the server. Returns whether the cache had it.
fn serve(resolver: &Resolver<Hostile>, world: &Hostile, question: ClientQuestion, buf: &mut [u8]) -> bool {
    let mut writer = Writer::new(buf, MESSAGE, 1, Flags::default().with_qr(true));
    let (name, rtype, class) = (question.name.as_ref(), question.rtype, question.class);
    writer.question(name, rtype, class).expect("a question fits");
    let sought = HitQuestion { name, rtype, class, dnssec_ok: false, checking_disabled: false };
    if resolver.hit(&sought, world.now(), &mut writer).is_some() {
        std::hint::black_box(writer.finish());
        return true;
    }
    let mut resolution = pin!(resolver.resolve(question, Trace::start(world.now(), 400)));
    let done = resolution.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(done, Poll::Ready(_)), "the server answers at once");
    false
}

fn main() {
    let server: SocketAddr = "192.0.2.1:53".parse().expect("an address");
    for (rtype, label, types, records) in
        [(RrType::ANY, "ANY", 100, 50), (RrType(1000), "one type", 100, 50), (RrType::A, "none", 100, 50)]
    {
        let world = Rc::new(Hostile {
            start: Instant::now(),
            random: Cell::new(1),
            queries: Cell::new(0),
            types,
            records,
        });
        let config = ResolverConfig {
            forwards: vec![Forward::new(Name::root(), vec![server])],
            ..ResolverConfig::default()
        };
        let cache = Arc::new(Cache::new(256 << 20));
        let resolver = Resolver::new(Rc::clone(&world), cache, Arc::new(config));
        let names = (0..REPLIES).map(|i| format!("n{i}.example.com.").parse().expect("a name"));
        let names: Vec<Name> = names.collect();
        let mut buf = vec![0; MESSAGE];
        let mut round = || {
            let before = spent();
            let questions = names.iter().map(|name| ClientQuestion::new(name.clone(), rtype));
            let hits =
                questions.filter(|question| serve(&resolver, &world, question.clone(), &mut buf)).count();
            ((spent() - before) as f64 / 1e6 / REPLIES as f64, hits)
        };
        let ((first, _), (again, hits)) = (round(), round());
        println!(
            "{label}, {types} types x {records} records: {first:.3} ms, again {again:.3} ms, {hits} of {REPLIES} from the cache, \
             {} queries",
            world.queries.get(),
        );
    }
}
