use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicUsize, Ordering};

use nw_resolve::trace::Reason;
use nw_resolve::{ClientQuestion, Endpoint, ExchangeError};
use nw_serve::Transport;
use nw_wire::{Message, Rcode, RrType};
use nw_zone::{Cause, ZoneEntry};

use super::*;
use crate::testing::*;
use crate::{Outcome, WhatIf};

mod requests;

fn exchange(server: SocketAddr, wire: &[u8], via: Transport) -> Request {
    Request::Exchange { endpoint: Endpoint::new(server, via), wire: wire.to_vec(), timeout: 5_000_000 }
}

#[test]
fn a_zone_is_served_over_udp_and_tcp_on_both_families() {
    for bind in ["127.0.0.1:0", "[::1]:0", "0.0.0.0:0", "[::]:0"] {
        let (engine, address) = serve(PLAIN, 2, bind);
        let local = match address.ip() {
            ip if !ip.is_unspecified() => address,
            ip if ip.is_ipv4() => SocketAddr::new([127, 0, 0, 9].into(), address.port()),
            _ => SocketAddr::new(std::net::Ipv6Addr::LOCALHOST.into(), address.port()),
        };
        for i in 0..20 {
            let reply = ask_udp(local, &question(i, "www.example.com."));
            assert_eq!(
                (outcome(&reply), Message::parse(&reply).expect("valid").id()),
                ((Rcode::NOERROR, 1), i)
            );
        }
        let mut stream = connect(local);
        send_frame(&mut stream, &question(1, "missing.example.com."));
        assert_eq!(outcome(&read_frame(&mut stream)), (Rcode::NXDOMAIN, 0));
        engine.close(Duration::ZERO);
        assert_eq!(counter(&engine, "queries.udp4") + counter(&engine, "queries.udp6"), 20, "{bind}");
        assert_eq!(counter(&engine, "queries.tcp4") + counter(&engine, "queries.tcp6"), 1);
        assert_eq!((counter(&engine, "rcode.NOERROR"), counter(&engine, "rcode.NXDOMAIN")), (20, 1));
        engine.close(Duration::ZERO);
        assert_eq!(engine.submit(1, exchange(local, b"", Transport::Udp)), Err(SubmitError::Closed));
    }
}

#[test]
fn many_questions_at_once_are_all_answered() {
    let (_engine, address) = serve(PLAIN, 1, "127.0.0.1:0");
    let socket = client(address);
    let mut seen = std::collections::HashSet::new();
    for round in 0..10u16 {
        for i in 0..100 {
            socket.send(&question(round * 100 + i, "www.example.com.")).expect("sent");
        }
        for _ in 0..100 {
            seen.insert(Message::parse(&receive(&socket)).expect("valid").id());
        }
    }
    assert_eq!(seen.len(), 1000);
}

#[test]
fn questions_in_a_stream_may_be_many_and_in_pieces() {
    let (_engine, address) = serve(PLAIN, 1, "127.0.0.1:0");
    let mut stream = connect(address);
    let mut octets = Vec::new();
    for i in 0..500 {
        let packet = question(i, "www.example.com.");
        octets.extend_from_slice(&(packet.len() as u16).to_be_bytes());
        octets.extend_from_slice(&packet);
    }
    let (head, tail) = octets.split_at(octets.len() - 5);
    stream.write_all(&head[..7]).expect("sent");
    stream.write_all(&head[7..]).expect("sent");
    for i in 0..499 {
        assert_eq!(Message::parse(&read_frame(&mut stream)).expect("valid").id(), i);
    }
    stream.write_all(tail).expect("sent");
    assert_eq!(Message::parse(&read_frame(&mut stream)).expect("valid").id(), 499);
    // A half-closed stream gets what it asked for, then the end.
    send_frame(&mut stream, &question(7, "www.example.com."));
    stream.shutdown(std::net::Shutdown::Write).expect("open");
    assert_eq!(Message::parse(&read_frame(&mut stream)).expect("valid").id(), 7);
    assert_eq!(stream.read(&mut [0]).expect("the end"), 0);
}

#[test]
fn malformed_octets_get_formerr_or_silence() {
    let (engine, address) = serve(PLAIN, 1, "127.0.0.1:0");
    let socket = client(address);
    let right = question(7, "www.example.com.");
    let mut a_reply = right.clone();
    a_reply[2] |= 0x80;
    let mut long = right.clone();
    long.push(0);
    let huge = [&right[..], &[0; 3000]].concat();
    for packet in [&[][..], &right[..11], &a_reply, &long, &huge] {
        socket.send(packet).expect("sent");
    }
    for _ in 0..2 {
        assert_eq!(outcome(&receive(&socket)), (Rcode::FORMERR, 0));
    }
    // A stream goes on as long as there is something to reply to.
    for junk in [&[][..], &right[..11], &a_reply] {
        let mut stream = connect(address);
        for packet in [&long, &huge, &right, junk] {
            send_frame(&mut stream, packet);
        }
        for rcode in [Rcode::FORMERR, Rcode::FORMERR, Rcode::NOERROR] {
            assert_eq!(outcome(&read_frame(&mut stream)).0, rcode);
        }
        assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0, "closed by the server");
    }
    assert_eq!(counter(&engine, "dropped.silence"), 6);
    assert_eq!((counter(&engine, "tcp.junk"), counter(&engine, "tcp.idle")), (3, 0), "at once");
}

#[test]
fn connections_are_bounded_per_client_and_over_all() {
    for limits in [r#""max_connections":3"#, r#""max_per_client":3"#] {
        let plan = format!(r#"{{"version":1,ZONES,"server":{{"tcp":{{{limits}}}}}}}"#);
        let (engine, address) = serve(&plan, 1, "127.0.0.1:0");
        let mut open: Vec<_> = (0..3).map(|_| connect(address)).collect();
        for stream in &mut open {
            send_frame(stream, &question(7, "www.example.com."));
            assert_eq!(outcome(&read_frame(stream)).1, 1);
        }
        let mut one_more = connect(address);
        assert_eq!(one_more.read(&mut [0]).unwrap_or(0), 0, "closed at once");
        assert_eq!((counter(&engine, "tcp.open"), counter(&engine, "tcp.rejected")), (3, 1));
        open.clear();
        wait_until("the worker has seen that the connections ended", || counter(&engine, "tcp.open") == 0);
        let mut again = connect(address);
        send_frame(&mut again, &question(7, "www.example.com."));
        assert_eq!(outcome(&read_frame(&mut again)).1, 1);
    }
}

#[test]
fn idle_and_never_reading_connections_are_closed() {
    let plan = r#"{"version":1,ZONES,"server":{"tcp":{"idle_ms":200,"max_unsent":65537}}}"#;
    let (engine, address) = serve(plan, 1, "127.0.0.1:0");
    let mut idle = connect(address);
    // Octets that are no whole question do not keep it open.
    idle.write_all(&[0]).expect("sent");
    assert_eq!(idle.read(&mut [0]).unwrap_or(0), 0, "closed by the server");
    // A client that asks and never reads: the server stops reading, then closes; it keeps no more than allowed.
    let mut greedy = connect(address);
    greedy.set_write_timeout(Some(Duration::from_secs(10))).expect("a socket");
    let mut frames = Vec::new();
    for i in 0..2000 {
        let packet = question(i, "www.example.com.");
        frames.extend_from_slice(&(packet.len() as u16).to_be_bytes());
        frames.extend_from_slice(&packet);
    }
    while greedy.write_all(&frames).is_ok() {}
    wait_until("the connection is closed", || counter(&engine, "tcp.open") == 0);
    assert_eq!(counter(&engine, "tcp.idle"), 2);
}

#[test]
fn connections_end_by_age_and_by_number_of_questions() {
    let plan = r#"{"version":1,ZONES,"server":{"tcp":{"idle_ms":600000,"max_lifetime_ms":200}}}"#;
    let (engine, address) = serve(plan, 1, "127.0.0.1:0");
    let (mut silent, mut busy) = (connect(address), connect(address));
    let mut answered = 0;
    // One that never pauses does not live longer.
    while busy.write_all(&framed(&question(1, "www.example.com."))).is_ok()
        && busy.read(&mut [0; 512]).unwrap_or(0) > 0
    {
        answered += 1;
    }
    assert!(answered > 0);
    assert_eq!(silent.read(&mut [0]).unwrap_or(0), 0, "closed by the server");
    assert_eq!((counter(&engine, "tcp.expired"), counter(&engine, "tcp.idle")), (2, 0));

    let plan = r#"{"version":1,ZONES,"server":{"tcp":{"idle_ms":600000,"max_queries":3}}}"#;
    let (engine, address) = serve(plan, 1, "127.0.0.1:0");
    let mut stream = connect(address);
    let frames: Vec<u8> = (0..5).flat_map(|id| framed(&question(id, "www.example.com."))).collect();
    stream.write_all(&frames).expect("sent");
    for id in 0..3 {
        assert_eq!(Message::parse(&read_frame(&mut stream)).expect("valid").id(), id);
    }
    assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0, "closed by the server");
    assert_eq!(counter(&engine, "tcp.expired"), 1);
}

#[test]
fn settings_and_zones_are_published_apart() {
    let (engine, address) = serve(PLAIN, 2, "127.0.0.1:0");
    assert_eq!(engine.generation(), 1);
    let last_octet = |address| {
        let reply = ask_udp(address, &question(1, "www.example.com."));
        Message::parse(&reply).expect("valid").answer().next().map(|record| record.rdata_raw()[3])
    };
    assert_eq!(last_octet(address), Some(80));
    let changed =
        |octet: &str| vec![(name("example.com."), Some(zone(&EXAMPLE.replace(".80", octet)).into()))];
    assert_eq!(engine.change(changed(".81"), 1), Ok(2));
    assert_eq!(last_octet(address), Some(81));
    let (other, sockets) = listeners("127.0.0.1:0", 2);
    assert_eq!(engine.publish(snapshot(PLAIN), sockets), 3, "made from the data of before the change");
    assert_eq!(last_octet(other), Some(81), "settings do not undo a change");
    let conflict = ChangeError::Conflict { expected: 2, current: 3 };
    assert_eq!(engine.change(changed(".82"), 2), Err(conflict), "settings came between");
    assert_eq!(last_octet(other), Some(81));
    let (other, sockets) = listeners("127.0.0.1:0", 2);
    assert_eq!(engine.publish(snapshot(r#"{"version":1}"#), sockets), 4);
    assert_eq!(outcome(&ask_udp(other, &question(1, "www.example.com."))).0, Rcode::REFUSED);
    assert_eq!(engine.change(changed(".83"), 4), Ok(5), "a zone that no plan names");
    let (other, sockets) = listeners("127.0.0.1:0", 2);
    assert_eq!(engine.publish(snapshot(r#"{"version":1,"recorder":{"entries":1}}"#), sockets), 6);
    assert_eq!(last_octet(other), Some(83), "only a change takes it away again");
    assert_eq!(engine.change(vec![(name("example.com."), None)], 6), Ok(7));
    assert_eq!(outcome(&ask_udp(other, &question(1, "www.example.com."))).0, Rcode::REFUSED);
    engine.close(Duration::ZERO);
    assert_eq!(engine.change(changed(".84"), 7), Err(ChangeError::Closed));
}

/// One change among 10,000 zones takes about as long as one among ten, publication included.
#[test]
fn a_change_of_one_zone_does_not_depend_on_their_number() {
    let took = |count: usize| {
        let engine = Engine::start(1).expect("threads can be started");
        let entry = |i: usize| {
            let apex = name(&format!("z{i}.example."));
            let entry = ZoneEntry::unavailable(apex.as_ref(), Cause::Waiting, "");
            (apex, Some(entry))
        };
        engine.change((0..count).map(entry).collect(), 0).expect("the first change");
        let generations = 1..201;
        let mut times: Vec<_> = generations
            .map(|generation| {
                let began = std::time::Instant::now();
                engine.change(vec![entry(7)], generation).expect("no other change comes between");
                began.elapsed()
            })
            .collect();
        times.sort_unstable();
        times[times.len() / 4]
    };
    let (few, many) = (took(10), took(10_000));
    assert!(many < 4 * few + Duration::from_micros(200), "{few:?} among ten, {many:?} among 10,000");
}

#[test]
fn what_was_published_before_is_freed_although_no_packet_comes() {
    let engine = Engine::start(3).expect("threads can be started");
    engine.publish(snapshot(PLAIN), Vec::new());
    let (cache, gone) = (Arc::downgrade(&engine.cache()), Arc::downgrade(&engine.snapshot()));
    assert!(gone.strong_count() > 0);
    let changed = zone(&EXAMPLE.replace(".80", ".81"));
    engine
        .change(vec![(name("example.com."), Some(changed.into()))], 1)
        .expect("no other change comes between");
    assert_eq!((gone.strong_count(), cache.strong_count() > 0), (0, true), "the cache stays");
    let second = Arc::downgrade(&engine.snapshot());
    let routed = routed(r#""192.0.2.53:53""#, r#"{"prefix":"192.0.2.0/24","to":"127.0.0.1:9"}"#);
    engine.publish(snapshot(&routed), Vec::new());
    assert_eq!((second.strong_count(), cache.strong_count()), (0, 0), "another internet, another cache");
}

#[test]
fn connections_live_as_long_as_the_socket_that_they_came_by() {
    let engine = Engine::start(2).expect("threads can be started");
    let (kept, mut sockets) = listeners("127.0.0.1:0", 2);
    let (gone, others) = listeners("127.0.0.1:0", 2);
    // What a daemon does: the sockets stay its own, each publication hands over other descriptors of them.
    let again = |sockets: &[Listener]| -> Vec<Listener> {
        let adopt = |one: &Listener| Listener::adopt(one.socket.as_raw_fd()).expect("a socket");
        sockets.iter().map(adopt).collect()
    };
    engine.publish(snapshot(PLAIN), again(&sockets).into_iter().chain(again(&others)).collect());
    let ask = |stream: &mut TcpStream| {
        send_frame(stream, &question(1, "www.example.com."));
        outcome(&read_frame(stream))
    };
    let mut streams: Vec<_> = (0..8).map(|_| connect(kept)).collect();
    let mut ending = connect(gone);
    for stream in streams.iter_mut().chain([&mut ending]) {
        assert_eq!(ask(stream), (Rcode::NOERROR, 1));
    }
    // In another order, so that taking turns would move them to other workers; by another plan.
    sockets.reverse();
    engine.publish(snapshot(r#"{"version":1}"#), again(&sockets));
    assert_eq!(ending.read(&mut [0]).unwrap_or(0), 0, "its socket is gone");
    for stream in &mut streams {
        assert_eq!(ask(stream), (Rcode::REFUSED, 0));
    }
    assert_eq!(outcome(&ask_udp(kept, &question(1, "www.example.com."))).0, Rcode::REFUSED);
    assert_eq!(counter(&engine, "tcp.accepted"), 9, "no connection was made anew");
    engine.publish(snapshot(PLAIN), Vec::new());
    for stream in &mut streams {
        assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0, "closed with its socket");
    }
}

#[test]
fn two_engines_cannot_have_one_port() {
    let holder = std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let address = holder.local_addr().expect("bound");
    let error = Listener::open(address, Transport::Udp).expect_err("it is held");
    assert_eq!((error.address, error.error.raw_os_error()), (Some(address), Some(libc::EADDRINUSE)));
}

#[test]
fn a_miss_is_looked_up_and_then_a_hit() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let server = upstream("127.0.0.1:0", move |query, _| {
        count.fetch_add(1, Ordering::Relaxed);
        vec![reply(query, Rcode::NOERROR, |_| {})]
    });
    let plan = routed(r#""192.0.2.53:53""#, &format!(r#"{{"prefix":"192.0.2.0/24","to":"{server}"}}"#));
    let (engine, address) = serve(&plan, 1, "127.0.0.1:0");
    for id in 0..3 {
        let reply = ask_udp(address, &question(id, "www.Example.net."));
        assert_eq!((outcome(&reply), Message::parse(&reply).expect("valid").id()), ((Rcode::NOERROR, 1), id));
    }
    let mut stream = connect(address);
    send_frame(&mut stream, &question(8, "www.example.NET."));
    send_frame(&mut stream, &question(9, "other.example.net."));
    assert_eq!(outcome(&read_frame(&mut stream)), (Rcode::NOERROR, 1));
    assert_eq!(outcome(&read_frame(&mut stream)), (Rcode::NOERROR, 1));
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    assert_eq!((counter(&engine, "cache.hits"), counter(&engine, "cache.misses")), (3, 2));
    assert_eq!(engine.cache().flush_name(name("www.example.net.").as_ref()), 1);
    ask_udp(address, &question(1, "www.example.net."));
    assert_eq!(asked.load(Ordering::Relaxed), 3);
    let client = "127.0.0.1:53000".parse().expect("an address");
    let question = ClientQuestion::new(name("third.example.net."), RrType::A);
    let request =
        Request::Explain { question, client, transport: Transport::Tcp, what_if: WhatIf::default() };
    engine.submit(5, request).expect("taken");
    match done(&engine) {
        (5, Outcome::Resolved { wire, resolution }) => {
            assert_eq!(outcome(&wire), (Rcode::NOERROR, 1));
            assert!(!resolution.steps.is_empty());
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn any_number_of_clients_may_wait_for_one_question() {
    let (server, release) = held();
    let plan = routed(r#""192.0.2.53:53""#, &format!(r#"{{"prefix":"192.0.2.0/24","to":"{server}"}}"#))
        .replace(r#""first_timeout_ms":50"#, r#""first_timeout_ms":1500"#);
    let (engine, address) = serve(&plan, 1, "127.0.0.1:0");
    let clients: Vec<_> = (0..30).map(|_| client(address)).collect();
    for (number, client) in clients.iter().enumerate() {
        for id in 0..50 {
            client.send(&question(id, "www.example.net.")).expect("sent");
        }
        let sent = 50 * (number as u64 + 1);
        wait_until("the questions are read", || counter(&engine, "cache.misses") == sent);
    }
    release.send(()).expect("the server lives");
    for client in &clients {
        for _ in 0..50 {
            assert_eq!(outcome(&receive(client)), (Rcode::NOERROR, 1));
        }
    }
    assert_eq!((counter(&engine, "upstream.udp"), counter(&engine, "dropped.busy")), (1, 0));
}

#[test]
fn a_late_answer_is_sent_over_tcp_only() {
    let (server, release) = held();
    let plan = routed(r#""192.0.2.53:53""#, &format!(r#"{{"prefix":"192.0.2.0/24","to":"{server}"}}"#))
        .replace(r#""first_timeout_ms":50"#, r#""discard_timeout_ms":100,"first_timeout_ms":1500"#);
    let (engine, address) = serve(&plan, 1, "127.0.0.1:0");
    let waiting = client(address);
    waiting.send(&question(1, "www.example.net.")).expect("sent");
    let mut stream = connect(address);
    send_frame(&mut stream, &question(2, "www.example.net."));
    wait_until("both wait", || counter(&engine, "cache.misses") == 2);
    let asked = std::time::Instant::now();
    wait_until("the answer is late", || asked.elapsed() > Duration::from_millis(150));
    release.send(()).expect("the server lives");
    assert_eq!(outcome(&read_frame(&mut stream)), (Rcode::NOERROR, 1));
    assert_eq!(counter(&engine, "dropped.late"), 1);
    // The next question is answered from the cache, and the first reply that arrives is the one to it.
    waiting.send(&question(3, "www.example.net.")).expect("sent");
    assert_eq!(Message::parse(&receive(&waiting)).expect("valid").id(), 3);
}

#[test]
fn no_more_than_so_many_clients_wait() {
    let (server, release) = held();
    let plan = routed(r#""192.0.2.53:53""#, &format!(r#"{{"prefix":"192.0.2.0/24","to":"{server}"}}"#))
        .replace(
            r#""wall_clock_ms":3000,"first_timeout_ms":50"#,
            r#""max_waiting":2,"first_timeout_ms":1500"#,
        );
    let (engine, address) = serve(&plan, 1, "127.0.0.1:0");
    // Two clients of one question, and one too many, over each transport.
    let waiting = client(address);
    for id in 0..3 {
        waiting.send(&question(id, "www.example.net.")).expect("sent");
    }
    let refused = receive(&waiting);
    assert_eq!((outcome(&refused).0, refused[1]), (Rcode::SERVFAIL, 2));
    let mut stream = connect(address);
    send_frame(&mut stream, &question(3, "other.example.net."));
    assert_eq!(outcome(&read_frame(&mut stream)).0, Rcode::SERVFAIL);
    assert_eq!(counter(&engine, "dropped.busy"), 2);
    for refused in ["www.example.net.", "other.example.net."] {
        let record = engine.recorder().by_name(name(refused).as_ref(), 1).pop().expect("it is kept");
        assert!(record.ede[0].1.contains("max_waiting"), "{:?}", record.ede);
    }
    // Whoever waits is answered and makes room.
    release.send(()).expect("the server lives");
    for _ in 0..2 {
        assert_eq!(outcome(&receive(&waiting)), (Rcode::NOERROR, 1));
    }
    release.send(()).expect("the server lives");
    send_frame(&mut stream, &question(4, "other.example.net."));
    assert_eq!(outcome(&read_frame(&mut stream)), (Rcode::NOERROR, 1));
    assert_eq!(counter(&engine, "dropped.busy"), 2);
}

#[test]
fn with_routes_nothing_else_is_reached() {
    let plan = routed(
        r#""192.0.2.53:53","127.0.0.1:53","[2001:db8::1]:53""#,
        r#"{"prefix":"198.51.100.0/24","to":"127.0.0.1:1"}"#,
    );
    let (engine, address) = serve(&plan, 1, "127.0.0.1:0");
    assert_eq!(outcome(&ask_udp(address, &question(1, "www.example.net."))).0, Rcode::SERVFAIL);
    assert_eq!(
        (counter(&engine, "upstream.udp"), counter(&engine, "upstream.tcp")),
        (0, 0),
        "no packet was sent"
    );
    engine
        .submit(1, exchange("8.8.8.8:53".parse().expect("an address"), &question(1, "x."), Transport::Udp))
        .expect("taken");
    assert!(matches!(done(&engine), (1, Outcome::Exchanged { result: Err(ExchangeError::NoRoute), .. })));
    // What failed can be explained afterwards.
    let record = engine.recorder().by_name(name("www.example.NET.").as_ref(), 1).pop().expect("it is kept");
    assert_eq!(record.rcode, Rcode::SERVFAIL);
    assert!(record.client.is_some() && !record.steps.is_empty());
    assert_eq!(engine.recorder().by_id(record.id).expect("the same").name, record.name);
}

#[test]
fn replies_over_udp_that_come_too_late_are_not_sent() {
    let delays = [0u64, 400];
    let server = upstream("127.0.0.1:0", move |query, _| {
        let slow =
            Message::parse(query).expect("valid").question().expect("one").name.to_string().contains("slow");
        std::thread::sleep(Duration::from_millis(delays[usize::from(slow)]));
        vec![reply(query, Rcode::NOERROR, |_| {})]
    });
    let plan = routed(r#""192.0.2.53:53""#, &format!(r#"{{"prefix":"192.0.2.0/24","to":"{server}"}}"#))
        .replace(r#""first_timeout_ms":50"#, r#""first_timeout_ms":2000,"discard_timeout_ms":200"#);
    let (engine, address) = serve(&plan, 1, "127.0.0.1:0");
    let socket = client(address);
    socket.send(&question(1, "slow.example.net.")).expect("sent");
    wait_until("the late reply is dropped", || counter(&engine, "dropped.late") == 1);
    let record = engine.recorder().by_name(name("slow.example.net.").as_ref(), 1).pop().expect("it is kept");
    let last = record.steps.iter().last().expect("there are steps").reason.clone();
    assert!(matches!(last, Reason::TooLate { after_ms: 400.. }), "{last}");
    // Over TCP the client has not gone, and what was learned is in the cache.
    let mut stream = connect(address);
    send_frame(&mut stream, &question(2, "slower-slow.example.net."));
    assert_eq!(outcome(&read_frame(&mut stream)), (Rcode::NOERROR, 1));
    socket.send(&question(3, "slow.example.net.")).expect("sent");
    let reply = receive(&socket);
    assert_eq!((Message::parse(&reply).expect("valid").id(), outcome(&reply)), (3, (Rcode::NOERROR, 1)));
}

#[test]
fn a_panic_of_the_udp_thread_is_reported_and_it_goes_on() {
    let shared = {
        let engine = Engine::start(1).expect("threads can be started");
        engine.publish(snapshot(PLAIN), Vec::new());
        Arc::clone(&engine.shared)
    };
    let (datagrams, _deferred) =
        crate::udp::Datagrams::start("test".to_owned(), Arc::clone(&shared), Reports::default())
            .expect("a thread");
    let listener =
        Listener::open("127.0.0.1:0".parse().expect("an address"), Transport::Udp).expect("a port");
    let address = listener.address;
    datagrams.serve(vec![listener]);
    for id in 1..=3 {
        assert_eq!(outcome(&ask_udp(address, &question(id, "www.example.com."))), (Rcode::NOERROR, 1));
        datagrams.panic();
    }
    wait_until("the faults are reported", || {
        shared
            .events
            .drain(10)
            .iter()
            .any(|event| matches!(event, Event::Fault { text, .. } if text.contains("datagrams")))
    });
}

/// A link-local IPv6 address of this machine with its interface, if there is one that can be used.
fn link_local() -> Option<std::net::SocketAddrV6> {
    let table = std::fs::read_to_string("/proc/net/if_inet6").ok()?;
    table.lines().find_map(|line| {
        let mut fields = line.split_whitespace();
        let ip = u128::from_str_radix(fields.next()?, 16).ok().map(std::net::Ipv6Addr::from)?;
        let interface = u32::from_str_radix(fields.next()?, 16).ok()?;
        let address = std::net::SocketAddrV6::new(ip, 0, 0, interface);
        (ip.is_unicast_link_local() && std::net::UdpSocket::bind(address).is_ok()).then_some(address)
    })
}

#[test]
fn link_local_addresses_are_served_and_asked_over_their_interface() {
    let Some(local) = link_local() else {
        eprintln!("skipped: this machine has no link-local address");
        return;
    };
    let server = upstream(&local.to_string(), |query, transport| {
        vec![reply(query, Rcode::NOERROR, |r| {
            // TC over UDP, so that both transports are used.
            r[2] |= if transport == Transport::Udp { 2 } else { 0 };
        })]
    });
    let plan = format!(
        r#"{{"version":1,"resolver":{{"forward":[{{"suffix":".","servers":["{server}"]}}]}},
        "acls":{{"recursion":["::/0"]}}}}"#
    );
    let (engine, address) = serve(&plan, 1, &local.to_string());
    assert!(matches!(address, SocketAddr::V6(v6) if v6.scope_id() == local.scope_id()));
    let socket = std::net::UdpSocket::bind(local).expect("its interface is up");
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
    socket.connect(address).expect("the interface reaches itself");
    socket.send(&question(1, "www.example.net.")).expect("sent");
    assert_eq!(outcome(&receive(&socket)), (Rcode::NOERROR, 1));
    assert_eq!((counter(&engine, "upstream.udp"), counter(&engine, "upstream.tcp")), (1, 1));
    let mut stream = connect(address);
    send_frame(&mut stream, &question(2, "www.example.net."));
    assert_eq!(outcome(&read_frame(&mut stream)), (Rcode::NOERROR, 1));
}
