use std::io::{Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nw_wire::Rcode;

use super::*;
use crate::testing::{framed, question, read_frame, reply};

/// A server that gives each connection to *serve*, in a thread of its own; its address, and how many connections there were.
fn server(
    serve: impl Fn(usize, std::net::TcpStream) + Send + Sync + 'static,
) -> (SocketAddr, Arc<AtomicUsize>) {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = socket.local_addr().expect("bound");
    let (accepted, serve) = (Arc::new(AtomicUsize::new(0)), Arc::new(serve));
    let count = Arc::clone(&accepted);
    std::thread::spawn(move || {
        for stream in socket.incoming().flatten() {
            let number = count.fetch_add(1, Ordering::SeqCst);
            let serve = Arc::clone(&serve);
            std::thread::spawn(move || serve(number, stream));
        }
    });
    (address, accepted)
}

fn run<F: Future>(plan: StreamPlan, test: impl FnOnce(Rc<Connections>) -> F) {
    let all = Connections::new(Clock::start(), Rc::default(), Arc::default());
    all.set_plan(plan);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    tokio::task::LocalSet::new()
        .block_on(&runtime, async { tokio::time::timeout(Duration::from_secs(20), test(all)).await })
        .expect("the test ends in time");
}

fn session(server: SocketAddr, plan: StreamPlan) -> Rc<Session> {
    Rc::new(Session::new(&Endpoint::new(server, Transport::Tcp), plan).expect("TCP is a stream"))
}

/// Send so many queries at once, each with this much time; what came of them.
async fn ask(
    session: &Rc<Session>,
    all: &Rc<Connections>,
    count: u16,
    limit: Duration,
) -> Vec<Result<(), ExchangeError>> {
    let tasks: Vec<_> = (0..count)
        .map(|id| {
            let (session, all) = (Rc::clone(session), Rc::clone(all));
            tokio::task::spawn_local(async move {
                let query = question(id, "www.example.net.");
                let reply =
                    tokio::time::timeout(limit, session.exchange(&all, &query, &Discarded::default())).await;
                reply.unwrap_or(Err(ExchangeError::Timeout)).map(|_| ())
            })
        })
        .collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.expect("no panic"));
    }
    results
}

const LONG: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(100);

#[test]
fn a_tarpit_holds_few_connections_however_many_queries_wait() {
    let (address, accepted) = server(|_, mut stream| while stream.read(&mut [0; 512]).unwrap_or(0) > 0 {});
    let plan = StreamPlan::default();
    run(plan, |all| async move {
        let session = session(address, plan);
        let (most, seen) = (Rc::new(Cell::new(0)), Rc::clone(&all));
        let highest = Rc::clone(&most);
        let sampler = tokio::task::spawn_local(async move {
            loop {
                let alive = seen.open.borrow().iter().filter(|one| one.strong_count() > 0).count();
                highest.set(highest.get().max(alive));
                tokio::task::yield_now().await;
            }
        });
        let results = ask(&session, &all, 2_500, SHORT).await;
        assert!(results.iter().all(|result| *result == Err(ExchangeError::Timeout)));
        assert!((1..=2).contains(&most.get()), "{most:?} connections at once");
        // Further queries go over new connections, as those that were silent have ended.
        assert!(ask(&session, &all, 10, SHORT).await.iter().all(Result::is_err));
        assert!((1..=2).contains(&most.get()), "{most:?} connections at once");
        assert!(accepted.load(Ordering::SeqCst) <= 20, "{accepted:?} connections over time");
        sampler.abort();
    });
}

#[test]
fn connections_to_all_servers_are_bounded_and_the_one_that_is_silent_longest_ends() {
    let tarpits: Vec<_> = (0..8)
        .map(|_| server(|_, mut stream| while stream.read(&mut [0; 512]).unwrap_or(0) > 0 {}).0)
        .collect();
    let (good, _) = server(|_, mut stream| {
        loop {
            let query = read_frame(&mut stream);
            stream.write_all(&framed(&reply(&query, Rcode::NOERROR, |_| {}))).expect("sent");
        }
    });
    let plan = StreamPlan { max_connections: 4, ..StreamPlan::default() };
    run(plan, |all| async move {
        let sessions: Vec<_> = tarpits.iter().map(|address| session(*address, plan)).collect();
        let waiting: Vec<_> = sessions
            .iter()
            .map(|session| {
                let (session, all) = (Rc::clone(session), Rc::clone(&all));
                tokio::task::spawn_local(async move { ask(&session, &all, 1, LONG).await })
            })
            .collect();
        tokio::task::yield_now().await;
        assert_eq!(ask(&session(good, plan), &all, 5, LONG).await, vec![Ok(()); 5]);
        let open = all.open.borrow().iter().filter_map(Weak::upgrade).filter(|one| !one.ended.get()).count();
        assert!(open <= 4, "{open} are open");
        waiting.iter().for_each(|task| task.abort());
    });
}

#[test]
fn a_connection_is_reused_and_a_query_that_meets_its_end_is_sent_again() {
    // Each connection answers two queries and is closed when the third one comes.
    let (address, accepted) = server(|_, mut stream| {
        for _ in 0..2 {
            let query = read_frame(&mut stream);
            stream.write_all(&framed(&reply(&query, Rcode::NOERROR, |_| {}))).expect("sent");
        }
        read_frame(&mut stream);
    });
    let plan = StreamPlan::default();
    run(plan, |all| async move {
        let session = session(address, plan);
        for _ in 0..6 {
            assert_eq!(ask(&session, &all, 1, LONG).await, [Ok(())]);
        }
        assert_eq!(accepted.load(Ordering::SeqCst), 3);
    });
}

#[test]
fn a_connection_that_is_refused_idle_or_closed_early_says_so() {
    let plan = StreamPlan { idle_ms: 50, ..StreamPlan::default() };
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("bound");
    let (closes, _) = server(|_, mut stream| drop(read_frame(&mut stream)));
    let (ended, ends) = std::sync::mpsc::channel();
    let (idle, _) = server(move |_, mut stream| {
        let query = read_frame(&mut stream);
        stream.write_all(&framed(&reply(&query, Rcode::NOERROR, |_| {}))).expect("sent");
        let _ = ended.send(stream.read(&mut [0]).unwrap_or(0));
    });
    run(plan, |all| async move {
        assert_eq!(ask(&session(free, plan), &all, 1, LONG).await, [Err(ExchangeError::Refused)]);
        assert_eq!(ask(&session(closes, plan), &all, 1, LONG).await, [Err(ExchangeError::Closed)]);
        let session = session(idle, plan);
        assert_eq!(ask(&session, &all, 1, LONG).await, [Ok(())]);
        let octets = tokio::task::spawn_blocking(move || ends.recv()).await.expect("no panic");
        assert_eq!(octets, Ok(0), "we close what is idle");
        assert!(session.is_idle());
    });
}

/// Opens streams that are never ready: a server whose packets are dropped on the way.
struct Unreachable;

impl Connect for Unreachable {
    fn connect(&self, _: SocketAddr) -> Opening {
        Box::pin(std::future::pending())
    }
}

#[test]
fn a_connection_that_is_never_opened_ends_with_the_queries_that_wait_for_it() {
    let plan = StreamPlan::default();
    run(plan, |all| async move {
        let address = "192.0.2.1:53".parse().expect("an address");
        let session = Rc::new(Session::over(Rc::new(Unreachable), address, plan));
        for _ in 0..5 {
            let results = ask(&session, &all, 40, SHORT).await;
            assert!(results.iter().all(|result| *result == Err(ExchangeError::Timeout)));
            tokio::task::yield_now().await;
            assert!(session.is_idle(), "it holds no connection");
        }
    });
}

/// Servers that are asked over TCP once are many, and their sessions are kept for a while.
#[test]
fn a_connection_that_has_ended_holds_no_buffers() {
    let (address, _) = server(|_, mut stream| {
        let query = read_frame(&mut stream);
        stream.write_all(&framed(&reply(&query, Rcode::NOERROR, |_| {}))).expect("sent");
        let _ = stream.read(&mut [0; 512]);
    });
    let plan = StreamPlan { idle_ms: 200, ..StreamPlan::default() };
    run(plan, |all| async move {
        let session = session(address, plan);
        assert_eq!(ask(&session, &all, 1, LONG).await, [Ok(())]);
        let connection = Rc::clone(&session.connections.borrow()[0]);
        assert!(!connection.ended.get() && connection.state.borrow().client.capacity() > 0);
        while !session.is_idle() {
            tokio::task::yield_now().await;
        }
        assert_eq!(connection.state.borrow().client.capacity(), 0);
    });
}

#[test]
fn a_connection_becomes_idle_when_its_last_query_is_abandoned() {
    // Replies to the first query only, and says when the connection ends.
    let (ended, ends) = std::sync::mpsc::channel();
    let (address, _) = server(move |_, mut stream| {
        let query = read_frame(&mut stream);
        std::thread::sleep(SHORT / 2);
        stream.write_all(&framed(&reply(&query, Rcode::NOERROR, |_| {}))).expect("sent");
        while stream.read(&mut [0; 512]).unwrap_or(0) > 0 {}
        let _ = ended.send(());
    });
    let plan = StreamPlan { idle_ms: 50, max_per_server: 1, ..StreamPlan::default() };
    run(plan, |all| async move {
        let session = session(address, plan);
        let mut results = ask(&session, &all, 2, SHORT).await;
        results.sort_by_key(Result::is_err);
        assert_eq!(results, [Ok(()), Err(ExchangeError::Timeout)]);
        tokio::task::spawn_blocking(move || ends.recv()).await.expect("no panic").expect("we close it");
    });
}
