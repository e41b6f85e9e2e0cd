use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use nw_resolve::{SECOND, Transport};
use nw_wire::Rcode;

use super::*;
use crate::testing::{framed, question, read_frame, reply};

/// The deadline of what is expected to happen, and of what is expected not to happen.
const LONG: Micros = 20 * SECOND;
const SHORT: Micros = SECOND / 20;

/// Send one query over a stream to a server that reads it and does as *serve* says. Return the replies until the stream fails,
/// the error, and the counts of discarded messages and timeouts.
fn read_all(
    limit: Micros,
    serve: impl FnOnce(&[u8], &mut TcpStream) + Send + 'static,
) -> (Vec<Vec<u8>>, ExchangeError, u64, u64) {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let server = socket.local_addr().expect("bound");
    let served = std::thread::spawn(move || {
        let (mut stream, _) = socket.accept().expect("a connection");
        let query = read_frame(&mut stream);
        serve(&query, &mut stream);
    });
    let (stats, query) = (Arc::<Stats>::default(), question(7, "example.net."));
    let world = RealWorld::new(Clock::start(), Rc::default(), Arc::clone(&stats), events());
    let read = run(async {
        let upstream = world.upstream(&Endpoint::new(server, Transport::Tcp));
        let mut replies = world.stream(&upstream, &query, world.now() + LONG).await.expect("connected");
        let mut read = Vec::new();
        loop {
            match replies.next(world.now() + limit).await {
                Ok(message) => read.push(message),
                Err(error) => break (read, error),
            }
        }
    });
    served.join().expect("the server ends with the stream");
    (read.0, read.1, stats.upstream_junk.value(), stats.upstream_timeouts.value())
}

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(work)
}

fn answer(query: &[u8]) -> Vec<u8> {
    reply(query, Rcode::NOERROR, |_| {})
}

/// A later message of a transfer, without the question (RFC 5936 §2.2.1).
fn later(query: &[u8]) -> Vec<u8> {
    [&query[..2], &[0x84, 0, 0, 0, 0, 0, 0, 0, 0, 0]].concat()
}

#[test]
fn the_clock_is_looked_at_after_each_wait() {
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let server = silent.local_addr().expect("bound");
    let (world, query) =
        (RealWorld::new(Clock::start(), Rc::default(), Arc::default(), events()), question(7, "x."));
    run(async {
        let over = world.now() + SHORT;
        world.sleep_until(over).await;
        assert!(world.now() >= over, "a time was waited for");
        let upstream = world.upstream(&Endpoint::new(server, Transport::Udp));
        let over = world.now() + SHORT;
        let reply = world.exchange(&upstream, &query, over, &Discarded::kept()).await;
        assert_eq!(reply, Err(ExchangeError::Timeout));
        assert!(world.now() >= over, "a reply was waited for");
    });
    let before = world.now();
    assert!(world.look() >= before && world.now() >= before);
}

#[test]
fn a_stream_returns_its_messages_in_order_whatever_the_segments_and_then_its_end() {
    let (read, error, junk, timeouts) = read_all(LONG, |query, stream| {
        let octets = [framed(&answer(query)), framed(&later(query)), framed(&later(query))].concat();
        // The first piece ends within the length of a message, the second within a message.
        for piece in [&octets[..1], &octets[1..9], &octets[9..]] {
            stream.write_all(piece).expect("sent");
        }
    });
    let query = question(7, "example.net.");
    assert_eq!(read, [answer(&query), later(&query), later(&query)]);
    assert_eq!((error, junk, timeouts), (ExchangeError::Closed, 0, 0));
}

#[test]
fn a_message_with_another_id_is_discarded_and_counted() {
    let (read, error, junk, _) = read_all(LONG, |query, stream| {
        let mut other = later(query);
        other[1] ^= 1;
        for message in [&answer(query)[..], &other, &[], &query[..1], &later(query)] {
            stream.write_all(&framed(message)).expect("sent");
        }
    });
    let query = question(7, "example.net.");
    assert_eq!(read, [answer(&query), later(&query)]);
    assert_eq!((error, junk), (ExchangeError::Closed, 3), "another id, an empty message, one octet");
}

#[test]
fn a_server_that_stalls_within_a_message_ends_in_a_timeout() {
    let (read, error, _, timeouts) = read_all(SHORT, |query, stream| {
        let octets = [framed(&answer(query)), framed(&later(query))].concat();
        stream.write_all(&octets[..octets.len() - 1]).expect("sent");
        // Return when the client has closed the connection.
        let _ = stream.read(&mut [0]);
    });
    assert_eq!((read.len(), error, timeouts), (1, ExchangeError::Timeout, 1));
}

#[test]
fn a_stream_that_ends_within_a_message_is_closed() {
    for cut in [1, 3, 11] {
        let (read, error, ..) = read_all(LONG, move |query, stream| {
            stream.write_all(&framed(&answer(query))).expect("sent");
            stream.write_all(&framed(&later(query))[..cut]).expect("sent");
        });
        assert_eq!((read.len(), error), (1, ExchangeError::Closed), "after {cut} octets");
    }
}

#[test]
fn the_largest_message_passes_and_a_larger_query_is_not_sent() {
    let (read, error, ..) = read_all(LONG, |query, stream| {
        let mut large = later(query);
        large.resize(usize::from(u16::MAX), 0);
        stream.write_all(&framed(&large)).expect("sent");
    });
    assert_eq!((read.len(), read[0].len(), error), (1, 65_535, ExchangeError::Closed));
    let world = RealWorld::new(Clock::start(), Rc::default(), Arc::default(), events());
    run(async {
        let upstream = world.upstream(&Endpoint::new("127.0.0.1:9".parse().expect("valid"), Transport::Tcp));
        let sent = world.stream(&upstream, &vec![0; 65_536], world.now() + LONG).await;
        assert_eq!(sent.err(), Some(ExchangeError::Local));
    });
}

#[test]
fn a_closed_port_refuses_and_datagrams_are_no_stream() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let server: SocketAddr = free.local_addr().expect("bound");
    drop(free);
    let (world, query) = (
        RealWorld::new(Clock::start(), Rc::default(), Arc::default(), events()),
        question(7, "example.net."),
    );
    run(async {
        for (via, error) in [(Transport::Tcp, ExchangeError::Refused), (Transport::Udp, ExchangeError::Local)]
        {
            let upstream = world.upstream(&Endpoint::new(server, via));
            let sent = world.stream(&upstream, &query, world.now() + LONG).await;
            assert_eq!(sent.err(), Some(error), "{via:?}");
        }
    });
}

fn events() -> Arc<Events> {
    Arc::new(Events::new().expect("a pipe"))
}
