//! Shared test helpers: engines on loopback, queries, and a scripted upstream server.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nw_serve::{Snapshot, Transport};
use nw_wire::{Class, Flags, Message, Name, Rcode, RrType, Section, Writer};
use nw_zone::{LoadOptions, Zone, scan};

use crate::{Engine, Event, Listener, Outcome};

pub(crate) const EXAMPLE: &str = "\
$TTL 3600
@ SOA ns1 hostmaster 7 7200 3600 1209600 300
@ NS ns1
ns1 A 192.0.2.1
www A 192.0.2.80
";

pub(crate) fn name(text: &str) -> Name {
    text.parse().expect("tests use valid names")
}

pub(crate) fn zone(text: &str) -> Zone {
    let options = LoadOptions { threads: 1, ..LoadOptions::default() };
    scan::load(&mut scan::Text::new("zone", text), name("example.com.").as_ref(), &options)
        .unwrap_or_else(|errors| panic!("{errors}"))
}

/// An engine that serves example.com. according to *plan* on UDP and TCP of *bind*, and its address.
pub(crate) fn serve(plan: &str, workers: usize, bind: &str) -> (Engine, SocketAddr) {
    let engine = Engine::start(workers).expect("threads can be started");
    let (address, listeners) = listeners(bind, workers);
    engine.publish(snapshot(plan), listeners);
    (engine, address)
}

pub(crate) fn snapshot(plan: &str) -> Arc<Snapshot> {
    Arc::new(build(plan))
}

/// A snapshot for *plan*, in which ZONES stands for the zone example.com. The caller completes it.
pub(crate) fn build(plan: &str) -> Snapshot {
    let plan = plan.replace("ZONES", r#""zones":[{"name":"example.com."}]"#);
    let zones = if plan.contains("example.com.") { vec![zone(EXAMPLE)] } else { Vec::new() };
    Snapshot::build(plan.as_bytes(), zones).unwrap_or_else(|errors| panic!("{errors:?}"))
}

/// Sockets for each worker, UDP and TCP on one port.
pub(crate) fn listeners(bind: &str, workers: usize) -> (SocketAddr, Vec<Listener>) {
    let any: SocketAddr = bind.parse().expect("an address");
    loop {
        let mut all = Listener::open_each(any, Transport::Tcp, workers).expect("loopback has free ports");
        let address = all[0].address;
        // The port may be in use for UDP. Then try another one.
        if let Ok(udp) = Listener::open_each(address, Transport::Udp, workers) {
            all.extend(udp);
            return (address, all);
        }
    }
}

pub(crate) fn question(id: u16, qname: &str) -> Vec<u8> {
    let mut room = vec![0; 512];
    let mut out = Writer::new(&mut room, 512, id, Flags::default().with_rd(true));
    out.question(name(qname).as_ref(), RrType::A, Class::IN).expect("a question fits");
    let length = out.finish();
    room.truncate(length);
    room
}

/// The reply to *query* with one address record, or empty with another rcode.
pub(crate) fn reply(query: &[u8], rcode: Rcode, edit: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let asked = Message::parse(query).expect("the query is valid");
    let question = asked.question().expect("the query has a question");
    let mut room = vec![0; 512];
    let flags = Flags::default().with_qr(true).with_aa(true).with_ra(true).with_rcode(rcode);
    let mut out = Writer::new(&mut room, 512, asked.id(), flags);
    out.question(question.name.as_ref(), question.rtype, question.class).expect("a question fits");
    if rcode == Rcode::NOERROR && question.rtype == RrType::A {
        let rdata = &[192, 0, 2, 7];
        out.record(Section::Answer, question.name.as_ref(), RrType::A, Class::IN, 60, rdata)
            .expect("a record fits");
    }
    let length = out.finish();
    room.truncate(length);
    edit(&mut room);
    room
}

/// A client socket that gives up after ten seconds without data, so that a failing test ends.
pub(crate) fn client(server: SocketAddr) -> UdpSocket {
    let socket =
        UdpSocket::bind(if server.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" }).expect("a free port");
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
    socket.connect(server).expect("loopback is reachable");
    socket
}

pub(crate) fn ask_udp(server: SocketAddr, packet: &[u8]) -> Vec<u8> {
    let socket = client(server);
    socket.send(packet).expect("sent");
    receive(&socket)
}

pub(crate) fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut room = vec![0; 65_535];
    let length = socket.recv(&mut room).expect("a reply comes");
    room.truncate(length);
    room
}

pub(crate) fn connect(server: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(server).expect("the server listens");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
    stream
}

pub(crate) fn framed(packet: &[u8]) -> Vec<u8> {
    let length = u16::try_from(packet.len()).expect("a message");
    [&length.to_be_bytes(), packet].concat()
}

pub(crate) fn send_frame(stream: &mut TcpStream, packet: &[u8]) {
    stream.write_all(&framed(packet)).expect("sent");
}

pub(crate) fn read_frame(stream: &mut TcpStream) -> Vec<u8> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).expect("a reply comes");
    let mut packet = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut packet).expect("a whole reply comes");
    packet
}

/// The rcode and the number of answers of a reply.
pub(crate) fn outcome(reply: &[u8]) -> (Rcode, usize) {
    let message = Message::parse(reply).expect("what we send is valid");
    (message.rcode(), message.answer().count())
}

/// Wait for the next outcome of a request.
pub(crate) fn done(engine: &Engine) -> (u64, Outcome) {
    match event(engine) {
        Event::Done { ticket, outcome } => (ticket, outcome),
        other => panic!("{other:?}"),
    }
}

/// Wait for the next event.
pub(crate) fn event(engine: &Engine) -> Event {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let pipe = event_pipe(engine.event_fd());
        tokio::time::timeout(Duration::from_secs(10), pipe.readable())
            .await
            .expect("an event comes")
            .expect("a pipe");
    });
    engine.drain(1).pop().expect("the descriptor was readable")
}

/// Another handle on the pipe of events, for waiting.
pub(crate) fn event_pipe(fd: std::os::fd::RawFd) -> tokio::net::unix::pipe::Receiver {
    let copy = crate::mmsg::duplicate(fd).expect("open");
    tokio::net::unix::pipe::Receiver::from_owned_fd(copy).expect("a pipe")
}

pub(crate) const PLAIN: &str = r#"{"version":1,ZONES}"#;

pub(crate) fn counter(engine: &Engine, name: &str) -> u64 {
    engine.stats().into_iter().find(|(found, _)| found == name).map_or(0, |(_, value)| value)
}

/// A forwarder's plan with a routing table, so that no packet can leave this machine.
pub(crate) fn routed(forward: &str, routes: &str) -> String {
    format!(
        r#"{{"version":1,ZONES,"recorder":{{"entries":10,"slow_ms":60000}},
            "resolver":{{"forward":[{{"suffix":".","servers":[{forward}]}}],"routes":[{routes}],
                         "budget":{{"wall_clock_ms":3000,"first_timeout_ms":50,"min_timeout_ms":50}}}}}}"#
    )
}

/// Return once `holds` is true. Fails after ten seconds.
pub(crate) fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let began = std::time::Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(10), "waited in vain: {what}");
        std::thread::yield_now();
    }
}

/// A server that answers one question for each word sent, and all questions once the sender is dropped.
pub(crate) fn held() -> (SocketAddr, std::sync::mpsc::Sender<()>) {
    let (release, wait) = std::sync::mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let server = upstream("127.0.0.1:0", move |query, _| {
        let _ = wait.lock().expect("no panic in between").recv();
        vec![reply(query, Rcode::NOERROR, |_| {})]
    });
    (server, release)
}

/// A server in a thread that answers each question over UDP and TCP with the result of *answer*.
pub(crate) fn upstream(
    bind: &str,
    answer: impl Fn(&[u8], Transport) -> Vec<Vec<u8>> + Send + Sync + 'static,
) -> SocketAddr {
    let udp = UdpSocket::bind(bind).expect("a free port");
    let address = udp.local_addr().expect("bound");
    let tcp = TcpListener::bind(address);
    let answer = Arc::new(answer);
    let over_udp = Arc::clone(&answer);
    std::thread::spawn(move || {
        let mut room = [0; 4096];
        while let Ok((length, from)) = udp.recv_from(&mut room) {
            for reply in over_udp(&room[..length], Transport::Udp) {
                let _ = udp.send_to(&reply, from);
            }
        }
    });
    if let Ok(tcp) = tcp {
        std::thread::spawn(move || {
            for stream in tcp.incoming() {
                let Ok(mut stream) = stream else { return };
                let query = read_frame(&mut stream);
                for reply in answer(&query, Transport::Tcp) {
                    send_frame(&mut stream, &reply);
                }
            }
        });
    }
    address
}
