//! A toy transport: streams in memory, 7 octets at a time. It shows what a new stream transport needs: something that reads
//! and writes octets, given to [`serve`] on the server's side and returned by [`Connect`] on the client's.

use std::cell::Cell;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use nw_resolve::Fit;
use nw_serve::plan::StreamPlan;
use nw_serve::{Handler, Messages, Response, Sections, Snapshot, Verdict};
use nw_wire::{Class, Message, Opcode, Rcode, RrType, Rrset};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;
use crate::connection::{Connect, Connections, Opening, Session, Upward};
use crate::testing::{build, framed, outcome, question, snapshot};
use crate::worker::Reports;
use crate::{Engine, random::Random};
use nw_resolve::Discarded;

/// Opens streams in memory to a worker that serves them.
struct Toy {
    worker: Rc<Worker>,
    opened: Cell<u32>,
}

impl Connect for Toy {
    fn connect(&self, server: SocketAddr) -> Opening {
        self.opened.set(self.opened.get() + 1);
        let stream = listen(&self.worker, server);
        Box::pin(async { Ok(Box::new(stream) as Box<dyn Upward>) })
    }
}

/// The client's end of a stream that the worker serves.
fn listen(worker: &Rc<Worker>, client: SocketAddr) -> DuplexStream {
    let (ours, theirs) = duplex(7);
    let slot = worker.slots.take(client, worker.now(), &worker.tcp_plan()).expect("there is room");
    tokio::task::spawn_local(serve(Rc::clone(worker), theirs, Transport::Tcp, slot, Rc::default()));
    ours
}

fn run<F: Future>(plan: &str, test: impl FnOnce(Rc<Worker>) -> F) {
    run_snapshot(snapshot(plan), test);
}

fn run_snapshot<F: Future>(snapshot: Arc<Snapshot>, test: impl FnOnce(Rc<Worker>) -> F) {
    let engine = Engine::start(1).expect("threads can be started");
    engine.publish(snapshot, Vec::new());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let worker = Rc::new(Worker::new(Arc::clone(&engine.shared), Reports::default()));
    let limit = std::time::Duration::from_secs(20);
    tokio::task::LocalSet::new()
        .block_on(&runtime, async { tokio::time::timeout(limit, test(worker)).await })
        .expect("the test ends in time");
}

fn somebody() -> SocketAddr {
    "192.0.2.7:5353".parse().expect("an address")
}

#[test]
fn a_stream_of_any_kind_is_served() {
    run(r#"{"version":1,ZONES}"#, |worker| async move {
        let mut stream = listen(&worker, somebody());
        let (mut reading, mut writing) = tokio::io::split(&mut stream);
        let queries: Vec<u8> = (0..100).flat_map(|id| framed(&question(id, "www.example.com."))).collect();
        let write = async {
            writing.write_all(&queries).await.expect("sent");
            writing.shutdown().await.expect("half closed");
        };
        let read = async {
            for id in 0..100 {
                let length = reading.read_u16().await.expect("a reply");
                let mut reply = vec![0; usize::from(length)];
                reading.read_exact(&mut reply).await.expect("a whole reply");
                assert_eq!(Message::parse(&reply).expect("valid").id(), id);
                assert_eq!(outcome(&reply), (Rcode::NOERROR, 1));
            }
            assert!(reading.read_u8().await.is_err(), "the server ends it after the last reply");
        };
        tokio::join!(write, read);
        assert_eq!(worker.stats().tcp_open.value(), 0);
    });
}

#[test]
fn a_stream_that_sends_nothing_ends_when_it_is_idle_or_its_slot_is_needed() {
    run(r#"{"version":1,ZONES,"server":{"tcp":{"idle_ms":200}}}"#, |worker| async move {
        let mut idle = listen(&worker, somebody());
        assert!(idle.read_u8().await.is_err());
        assert_eq!(worker.stats().tcp_idle.value(), 1);
    });
    run(r#"{"version":1,ZONES,"server":{"tcp":{"max_connections":3}}}"#, |worker| async move {
        let mut greedy: Vec<_> = (0..3).map(|_| listen(&worker, somebody())).collect();
        let _newcomer = listen(&worker, "198.51.100.1:5353".parse().expect("an address"));
        assert!(greedy[0].read_u8().await.is_err(), "the client with the most gives way");
        assert_eq!((worker.stats().tcp_evicted.value(), worker.stats().tcp_open.value()), (1, 3));
    });
}

#[test]
fn queries_upstream_go_over_a_stream_of_any_kind() {
    run(r#"{"version":1,ZONES}"#, |worker| async move {
        let toy = Rc::new(Toy { worker: Rc::clone(&worker), opened: Cell::new(0) });
        let stats = Arc::clone(&worker.reports.stats);
        let all = Connections::new(worker.shared.clock, Rc::new(Random::default()), stats);
        let session =
            Rc::new(Session::over(Rc::clone(&toy) as Rc<dyn Connect>, somebody(), StreamPlan::default()));
        let tasks: Vec<_> = (0..200)
            .map(|i| {
                let (session, all) = (Rc::clone(&session), Rc::clone(&all));
                tokio::task::spawn_local(async move {
                    // Ids collide on purpose: replies must still reach their queries.
                    let query = question(i % 3, "www.example.com.");
                    let reply = session.exchange(&all, &query, &Discarded::default()).await.expect("a reply");
                    assert_eq!(Fit::of(&query, &reply), Fit::Reply);
                    assert_eq!(outcome(&reply), (Rcode::NOERROR, 1));
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("no panic");
        }
        assert_eq!(toy.opened.get(), 2, "200 queries share two connections");
    });
}

/// Opcode 9: a stream of 40 messages of about 60,000 octets each; how many of them were made.
struct Long(Arc<AtomicUsize>);

const LONG: usize = 40;

impl Messages for Long {
    fn next(&mut self, response: &mut Response<'_, '_>) -> bool {
        let mut set = Rrset::new(crate::testing::name("long.example."), RrType::TXT, Class::IN, 0);
        (0..240u8).for_each(|octet| set.rdatas.push(&[&[249, octet][..], &[0; 248]].concat()));
        response.replace(&Sections { answer: vec![set], ..Sections::default() });
        self.0.fetch_add(1, Ordering::Relaxed) < LONG
    }
}

impl Handler for Long {
    fn opcode(&self) -> Opcode {
        Opcode(9)
    }

    fn handle(&self, _: &nw_serve::Context<'_>, _: &mut Response<'_, '_>) -> Verdict {
        let messages = Long(Arc::clone(&self.0));
        Verdict::Stream(Box::new(nw_serve::Stream::new(Box::new(messages))))
    }
}

#[test]
fn a_stream_of_messages_is_made_as_fast_as_the_client_takes_it() {
    let made = Arc::new(AtomicUsize::new(0));
    let plan = r#"{"version":1,ZONES,"server":{"tcp":{"max_unsent":200000}}}"#;
    let snapshot = Arc::new(build(plan).with_handler(Arc::new(Long(Arc::clone(&made)))));
    run_snapshot(snapshot, |worker| async move {
        let ring = &worker.reports.telemetry;
        ring.open(1 << 20);
        let mut query = question(5, "www.example.com.");
        query[2] |= 9 << 3;
        let mut stream = listen(&worker, somebody());
        stream.write_all(&framed(&query)).await.expect("sent");
        let mut octets = 0;
        for number in 1..=LONG {
            let length = usize::from(stream.read_u16().await.expect("a message"));
            // What is made and not taken is bounded: 200,000 octets, and one message more.
            let ahead = made.load(Ordering::Relaxed) - number;
            assert!(ahead <= 5, "{ahead} messages are ahead of the client");
            let mut message = vec![0; length];
            stream.read_exact(&mut message).await.expect("a whole message");
            assert_eq!(outcome(&message), (Rcode::NOERROR, 240));
            octets += length as u64;
        }
        // The connection goes on.
        stream.write_all(&framed(&question(6, "www.example.com."))).await.expect("sent");
        let mut reply = vec![0; usize::from(stream.read_u16().await.expect("a reply"))];
        stream.read_exact(&mut reply).await.expect("a whole reply");
        assert_eq!(outcome(&reply), (Rcode::NOERROR, 1));
        let (events, _) = ring.take();
        let reported: Vec<_> = events.iter().map(|event| (event.messages as usize, event.octets)).collect();
        assert_eq!(reported, [(LONG, octets), (1, reply.len() as u64)]);
        // A client that closes its connection ends its stream. The event counts the messages made so far.
        made.store(0, Ordering::Relaxed);
        stream.write_all(&framed(&query)).await.expect("sent");
        stream.read_u16().await.expect("a message");
        drop(stream);
        while worker.stats().tcp_open.value() > 0 {
            tokio::task::yield_now().await;
        }
        let (events, _) = ring.take();
        assert_eq!(
            events.iter().map(|event| event.messages as usize).collect::<Vec<_>>(),
            [made.load(Ordering::Relaxed)]
        );
    });
}
