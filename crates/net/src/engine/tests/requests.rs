//! What the owner of an engine asks for and is asked: exchanges, explanations, requests of clients, telemetry, artifacts.

use std::net::Ipv4Addr;

use nw_wire::message::Mismatch;

use super::*;
use crate::Asked;

/// A client on this machine.
const HERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 53_000);

#[test]
fn one_question_to_one_server() {
    let (engine, address) = serve(PLAIN, 1, "127.0.0.1:0");
    for via in [Transport::Udp, Transport::Tcp] {
        engine.submit(9, exchange(address, &question(77, "www.example.com."), via)).expect("taken");
        match done(&engine) {
            (9, Outcome::Exchanged { result: Ok(reply), .. }) => {
                assert_eq!(outcome(&reply), (Rcode::NOERROR, 1))
            }
            other => panic!("{other:?}"),
        }
    }
    // A port where nobody listens says so, by ICMP or by a reset.
    let nobody = std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port").local_addr().expect("bound");
    for via in [Transport::Udp, Transport::Tcp] {
        engine.submit(1, exchange(nobody, &question(77, "www.example.com."), via)).expect("taken");
        match done(&engine) {
            (1, Outcome::Exchanged { result: Err(ExchangeError::Refused), .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    engine
        .submit(2, Request::Resolve { question: ClientQuestion::new(name("x."), RrType::A) })
        .expect("taken");
    assert!(matches!(done(&engine), (2, Outcome::Unable)), "there is no resolver");
}

#[test]
fn a_query_that_cannot_be_sent_fails_at_once() {
    let (engine, address) = serve(PLAIN, 1, "127.0.0.1:0");
    // No datagram is that long.
    let long = vec![0; 70_000];
    let request = Request::Exchange {
        endpoint: Endpoint::new(address, Transport::Udp),
        wire: long,
        timeout: 60_000_000,
    };
    engine.submit(1, request).expect("taken");
    assert!(matches!(done(&engine), (1, Outcome::Exchanged { result: Err(ExchangeError::Local), .. })));
}

#[test]
fn an_explanation_is_what_a_client_gets() {
    let explain = |engine: &Engine, qname: &str| {
        let question = ClientQuestion::new(name(qname), RrType::A);
        engine
            .submit(
                4,
                Request::Explain {
                    question,
                    client: HERE,
                    transport: Transport::Tcp,
                    what_if: WhatIf::default(),
                },
            )
            .expect("taken");
        match done(engine) {
            (4, Outcome::Resolved { wire, resolution }) => {
                let steps: Vec<_> = resolution.steps.iter().map(|step| step.layer.slug()).collect();
                (outcome(&wire), steps.join(" "), resolution.ede.first().map(|(ede, _)| ede.0))
            }
            other => panic!("{other:?}"),
        }
    };
    // Without a resolver: the zone answers, what is in no zone is refused.
    let (engine, _) = serve(PLAIN, 1, "127.0.0.1:0");
    assert_eq!(explain(&engine, "www.example.com."), ((Rcode::NOERROR, 1), "zone".to_owned(), None));
    let refused = ((Rcode::REFUSED, 0), "admission".to_owned(), Some(20));
    assert_eq!(explain(&engine, "www.example.net."), refused);
    assert_eq!((counter(&engine, "kind.answer"), counter(&engine, "queries.tcp4")), (0, 0), "a dry run");
    // A zone of ours shadows the public name, and the forwarder is not asked.
    let plan = r#"{"version":1,ZONES,"resolver":{"forward":[{"suffix":".","servers":["127.0.0.1:1"]}]}}"#;
    let (engine, _) = serve(plan, 1, "127.0.0.1:0");
    assert_eq!(explain(&engine, "www.example.com."), ((Rcode::NOERROR, 1), "zone".to_owned(), None));
    let ((rcode, _), steps, _) = explain(&engine, "www.example.net.");
    assert_eq!(rcode, Rcode::SERVFAIL);
    assert!(steps.starts_with("cache") && steps.contains("forward"), "{steps}");
    // Access lists apply to explanations.
    let plan = r#"{"version":1,ZONES,"acls":{"query":["192.0.2.0/24"]}}"#;
    let (engine, _) = serve(plan, 1, "127.0.0.1:0");
    let refused = ((Rcode::REFUSED, 0), "admission".to_owned(), Some(18));
    assert_eq!(explain(&engine, "www.example.com."), refused);
}

#[test]
fn junk_does_not_end_the_wait() {
    let server = upstream("127.0.0.1:0", |query, _| {
        let another = |edit: fn(&mut Vec<u8>)| reply(query, Rcode::NOERROR, edit);
        vec![
            Vec::new(),
            vec![0; 11],
            another(|r| r[2] &= 0x7f),
            another(|r| r[13] ^= 1),
            query.to_vec(),
            reply(query, Rcode::NOERROR, |_| {}),
        ]
    });
    let (engine, _) = serve(PLAIN, 1, "127.0.0.1:0");
    for via in [Transport::Udp, Transport::Tcp] {
        engine.submit(3, exchange(server, &question(5, "www.example.net."), via)).expect("taken");
        match done(&engine) {
            (3, Outcome::Exchanged { result: Ok(reply), discarded, .. }) => {
                assert_eq!(outcome(&reply), (Rcode::NOERROR, 1));
                let reasons = [(Mismatch::NoHeader, 2), (Mismatch::NotAReply, 2), (Mismatch::Question, 1)];
                assert_eq!(discarded, reasons);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(counter(&engine, "upstream.junk"), 10);
    // Silence ends at the deadline.
    let silent = upstream("127.0.0.1:0", |_, _| Vec::new());
    let request = Request::Exchange {
        endpoint: Endpoint::new(silent, Transport::Udp),
        wire: question(5, "x."),
        timeout: 30_000,
    };
    engine.submit(4, request).expect("taken");
    assert!(matches!(done(&engine), (4, Outcome::Exchanged { result: Err(ExchangeError::Timeout), .. })));
}

#[test]
fn a_reply_with_a_wrong_id_sends_the_query_over_a_stream() {
    let server = upstream("127.0.0.1:0", |query, _| {
        vec![reply(query, Rcode::NOERROR, |r| r[1] ^= 1), reply(query, Rcode::NOERROR, |_| {})]
    });
    let plan = routed(r#""192.0.2.53:53""#, &format!(r#"{{"prefix":"192.0.2.0/24","to":"{server}"}}"#));
    let (engine, address) = serve(&plan, 1, "127.0.0.1:0");
    assert_eq!(outcome(&ask_udp(address, &question(1, "www.example.net."))), (Rcode::NOERROR, 1));
    assert_eq!((counter(&engine, "upstream.udp"), counter(&engine, "upstream.tcp")), (1, 1));
    let routed = "192.0.2.53:53".parse().expect("an address");
    engine.submit(3, exchange(routed, &question(5, "www.example.net."), Transport::Udp)).expect("taken");
    let outcome = done(&engine);
    let (_, Outcome::Exchanged { result, discarded, .. }) = outcome else { panic!("{outcome:?}") };
    assert_eq!((result, discarded), (Err(ExchangeError::WrongId), vec![(Mismatch::Id, 1)]));
}

#[test]
fn a_reply_that_cannot_be_read_sends_the_question_over_a_stream() {
    let server = upstream("127.0.0.1:0", |query, transport| match transport {
        // Id and question are right; behind them is half a record.
        Transport::Udp => vec![reply(query, Rcode::NOERROR, |r| r.truncate(r.len() - 3))],
        Transport::Tcp => vec![reply(query, Rcode::NOERROR, |_| {})],
    });
    let plan = routed(r#""192.0.2.53:53""#, &format!(r#"{{"prefix":"192.0.2.0/24","to":"{server}"}}"#));
    let (engine, address) = serve(&plan, 1, "127.0.0.1:0");
    assert_eq!(outcome(&ask_udp(address, &question(1, "www.example.net."))), (Rcode::NOERROR, 1));
    let sent = (counter(&engine, "upstream.udp"), counter(&engine, "upstream.tcp"));
    assert_eq!((sent, counter(&engine, "upstream.timeouts")), ((1, 1), 0), "at once");
}

#[test]
fn questions_leave_from_many_ports() {
    let reused = ports_of_1000_questions(PLAN_DEFAULT);
    let uses = nw_serve::plan::ResolverPlan::PORT_USES;
    assert!(reused.len() >= 1000 / uses as usize, "{} ports", reused.len());
    // The same port may be drawn a second time, hardly a third.
    assert!(reused.values().all(|count| *count <= 3 * uses));
    let fresh = ports_of_1000_questions(PLAN_FRESH);
    assert!(fresh.values().all(|count| *count <= 3), "a port for each question");
    for ports in [reused, fresh] {
        assert!(ports.keys().all(|port| *port >= 1024));
        let below = ports.keys().filter(|port| **port < 32_768).count();
        assert!(
            below * 3 > ports.len() && below * 3 < ports.len() * 2,
            "ports are drawn from the whole range"
        );
    }
}

const PLAN_DEFAULT: &str = r#"{"version":1}"#;
const PLAN_FRESH: &str =
    r#"{"version":1,"resolver":{"port_uses":1,"forward":[{"suffix":".","servers":["127.0.0.1:1"]}]}}"#;

/// How often each port was used.
fn ports_of_1000_questions(plan: &str) -> std::collections::HashMap<u16, u32> {
    let ports = Arc::new(Mutex::new(Vec::new()));
    let udp = std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let server = udp.local_addr().expect("bound");
    let seen = Arc::clone(&ports);
    std::thread::spawn(move || {
        let mut room = [0; 512];
        while let Ok((length, from)) = udp.recv_from(&mut room) {
            seen.lock().expect("no panic in between").push(from.port());
            let _ = udp.send_to(&reply(&room[..length], Rcode::NOERROR, |_| {}), from);
        }
    });
    let (engine, _) = serve(plan, 1, "127.0.0.1:0");
    for i in 0..1000 {
        engine
            .submit(i, exchange(server, &question(i as u16, "www.example.net."), Transport::Udp))
            .expect("taken");
        assert!(
            matches!(done(&engine), (ticket, Outcome::Exchanged { result: Ok(_), .. }) if ticket == i),
            "{i}"
        );
    }
    let mut uses = std::collections::HashMap::new();
    for port in &*ports.lock().expect("no panic") {
        *uses.entry(*port).or_insert(0u32) += 1;
    }
    uses
}

#[test]
fn closing_lets_lookups_end() {
    let (server, release) = held();
    let plan = routed(r#""192.0.2.53:53""#, &format!(r#"{{"prefix":"192.0.2.0/24","to":"{server}"}}"#));
    let (engine, _) = serve(&plan, 2, "127.0.0.1:0");
    for i in 0..20 {
        let question = ClientQuestion::new(name(&format!("n{i}.example.net.")), RrType::A);
        engine.submit(i, Request::Resolve { question }).expect("taken");
    }
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // The server answers nothing before the engine is closing, and everything afterwards.
            wait_until("the engine is closing", || engine.workers().is_empty());
            drop(release);
        });
        engine.close(Duration::from_secs(10));
    });
    let events = engine.drain(100);
    assert_eq!(events.len(), 20);
    for event in events {
        let Event::Done { outcome: Outcome::Resolved { wire, .. }, .. } = event else { panic!("{event:?}") };
        assert_eq!(outcome(&wire), (Rcode::NOERROR, 1));
    }
}

#[test]
fn while_lookups_end_what_needs_none_is_answered() {
    let (server, release) = held();
    let plan = routed(r#""192.0.2.53:53""#, &format!(r#"{{"prefix":"192.0.2.0/24","to":"{server}"}}"#));
    let (engine, address) = serve(&plan, 1, "127.0.0.1:0");
    let question_of = ClientQuestion::new(name("held.example.net."), RrType::A);
    engine.submit(1, Request::Resolve { question: question_of }).expect("taken");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            wait_until("the engine is closing", || engine.workers().is_empty());
            // With an OPT record, so that the reply has the extended error.
            let mut new = question(7, "new.example.net.");
            new[11] = 1;
            new.extend_from_slice(&[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
            let socket = client(address);
            socket.set_nonblocking(true).expect("a socket");
            wait_until("a query that needs a lookup fails", || {
                let mut room = [0; 512];
                socket.send(&new).expect("sent");
                let length = socket.recv(&mut room).unwrap_or(0);
                room[..length].windows(8).any(|part| part == b"stopping")
            });
            assert_eq!(outcome(&ask_udp(address, &question(8, "www.example.com."))), (Rcode::NOERROR, 1));
            drop(release);
        });
        engine.close(Duration::from_secs(10));
    });
    let events = engine.drain(10);
    assert_eq!(events.len(), 1);
    let Event::Done { outcome: Outcome::Resolved { wire, .. }, .. } = &events[0] else {
        panic!("{events:?}")
    };
    assert_eq!(outcome(wire), (Rcode::NOERROR, 1));
}

#[test]
fn close_reports_requests_that_have_not_ended() {
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let server = silent.local_addr().expect("bound");
    let (engine, _) = serve(PLAIN, 2, "127.0.0.1:0");
    for ticket in 0..20 {
        engine.submit(ticket, exchange(server, &question(5, "x."), Transport::Udp)).expect("taken");
    }
    engine.close(Duration::ZERO);
    let mut reported: Vec<u64> = engine
        .drain(100)
        .into_iter()
        .map(|event| match event {
            Event::Done { ticket, outcome: Outcome::Unable } => ticket,
            other => panic!("{other:?}"),
        })
        .collect();
    reported.sort_unstable();
    assert_eq!(reported, (0..20).collect::<Vec<_>>(), "each once");
}

#[test]
fn a_scope_id_on_an_address_that_needs_none_does_no_harm() {
    let server = upstream("[::1]:0", |query, _| vec![reply(query, Rcode::NOERROR, |_| {})]);
    let scoped =
        SocketAddr::V6(std::net::SocketAddrV6::new(std::net::Ipv6Addr::LOCALHOST, server.port(), 0, 1));
    let (engine, _) = serve(PLAIN, 1, "127.0.0.1:0");
    engine.submit(1, exchange(scoped, &question(5, "www.example.net."), Transport::Udp)).expect("taken");
    assert!(matches!(done(&engine), (1, Outcome::Exchanged { result: Ok(_), .. })));
}

/// A query of opcode 9.
fn toy(id: u16) -> Vec<u8> {
    let mut packet = question(id, "www.example.com.");
    packet[2] |= 9 << 3;
    packet
}

/// The next request for the owner.
fn asked(engine: &Engine) -> Asked {
    match event(engine) {
        Event::Asked(asked) => asked,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_owner_answers_requests_that_the_plan_leaves_to_it() {
    let (engine, address) = serve(r#"{"version":1,ZONES,"control":{"opcodes":[9]}}"#, 1, "127.0.0.1:0");
    let (socket, mut stream) = (client(address), connect(address));
    socket.send(&toy(7)).expect("sent");
    let over_udp = asked(&engine);
    assert_eq!(
        (&over_udp.query[..], over_udp.transport, &over_udp.key),
        (&toy(7)[..], Transport::Udp, &None)
    );
    assert_eq!(over_udp.client, socket.local_addr().expect("bound"));
    send_frame(&mut stream, &toy(8));
    let over_tcp = asked(&engine);
    assert_eq!(over_tcp.transport, Transport::Tcp);
    // Nothing else waits meanwhile, on the same connection either.
    send_frame(&mut stream, &question(9, "www.example.com."));
    assert_eq!(outcome(&read_frame(&mut stream)), (Rcode::NOERROR, 1));
    assert_eq!(outcome(&ask_udp(address, &question(1, "www.example.com."))), (Rcode::NOERROR, 1));
    let mut set = nw_wire::Rrset::new(name("www.example.com."), RrType::A, nw_wire::Class::IN, 60);
    set.rdatas.push(&[192, 0, 2, 1]);
    let mut made = Made { authoritative: true, ..Made::empty(Rcode::NOERROR) };
    made.sections.answer.push(set);
    assert!(engine.answer(over_tcp.ticket, made.clone()) && engine.answer(over_udp.ticket, made.clone()));
    for (reply, id) in [(receive(&socket), 7), (read_frame(&mut stream), 8)] {
        let message = Message::parse(&reply).expect("valid");
        assert_eq!((message.id(), message.flags().aa(), message.flags().opcode().0), (id, true, 9));
        assert_eq!(outcome(&reply), (Rcode::NOERROR, 1));
    }
    assert!(!engine.answer(over_udp.ticket, made), "answered already");
    assert_eq!(counter(&engine, "kind.control"), 2);
    let other = ask_udp(address, &{
        let mut packet = question(1, "www.example.com.");
        packet[2] |= 10 << 3;
        packet
    });
    assert_eq!(outcome(&other).0, Rcode::NOTIMP, "an opcode that the plan does not name");
}

#[test]
fn a_request_that_the_owner_leaves_or_that_is_one_too_many_fails() {
    let plan = r#"{"version":1,ZONES,"control":{"opcodes":[9],"max_pending":1,"timeout_ms":TIMEOUT}}"#;
    let (engine, address) = serve(&plan.replace("TIMEOUT", "50"), 1, "127.0.0.1:0");
    assert_eq!(outcome(&ask_udp(address, &toy(1))).0, Rcode::SERVFAIL, "not in time");
    let late = asked(&engine).ticket;
    assert!(!engine.answer(late, Made::empty(Rcode::NOERROR)));
    let (engine, address) = serve(&plan.replace("TIMEOUT", "60000"), 1, "127.0.0.1:0");
    let (waits, over) = (client(address), client(address));
    waits.send(&toy(1)).expect("sent");
    let ticket = asked(&engine).ticket;
    over.send(&toy(2)).expect("sent");
    assert_eq!(outcome(&receive(&over)).0, Rcode::SERVFAIL, "one too many");
    assert_eq!(counter(&engine, "dropped.busy"), 1);
    assert!(engine.answer(ticket, Made::empty(Rcode::REFUSED)));
    assert_eq!(outcome(&receive(&waits)).0, Rcode::REFUSED);
}

#[test]
fn an_explanation_is_for_a_client_and_a_transport() {
    let plan = r#"{"version":1,ZONES,"acls":{"query":["192.0.2.0/24"]},
        "views":[{"name":"near","clients":["192.0.2.0/25"]},{"name":"far","clients":["192.0.2.128/25"],"zones":[]}]}"#;
    let (engine, _) = serve(plan, 1, "127.0.0.1:0");
    let explained = |client: &str, transport| {
        let question = ClientQuestion::new(name("www.example.com."), RrType::A);
        let client = format!("{client}:1").parse().expect("an address");
        engine
            .submit(4, Request::Explain { question, client, transport, what_if: WhatIf::default() })
            .expect("taken");
        match done(&engine) {
            (4, Outcome::Resolved { wire, .. }) => outcome(&wire),
            other => panic!("{other:?}"),
        }
    };
    for transport in [Transport::Udp, Transport::Tcp] {
        assert_eq!(explained("192.0.2.1", transport), (Rcode::NOERROR, 1));
        assert_eq!(explained("192.0.2.200", transport), (Rcode::REFUSED, 0), "its view has no zone");
        assert_eq!(explained("127.0.0.1", transport), (Rcode::REFUSED, 0), "the access list");
    }
}

#[test]
fn telemetry_is_made_while_somebody_reads() {
    let (engine, address) = serve(PLAIN, 2, "127.0.0.1:0");
    ask_udp(address, &question(1, "www.example.com."));
    let reader = engine.telemetry(1 << 20).expect("the first reader");
    assert!(engine.telemetry(1 << 20).is_none(), "one reader at a time");
    let began = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    let began = began.as_micros() as u64;
    let mut stream = connect(address);
    send_frame(&mut stream, &question(2, "missing.example.com."));
    read_frame(&mut stream);
    for id in 3..10 {
        ask_udp(address, &question(id, "www.example.com."));
    }
    // An event is there before its response is sent.
    let batch = reader.read();
    assert_eq!((batch.events.len(), batch.lost), (8, 0));
    let first = &batch.events[0];
    assert_eq!(
        (first.transport, first.rcode, &first.query[..]),
        (Transport::Tcp, Rcode::NXDOMAIN, &question(2, "missing.example.com.")[..])
    );
    let minute = 60_000_000;
    assert!((began - minute..began + 10 * minute).contains(&(batch.epoch + first.at)));
    drop(reader);
    ask_udp(address, &question(1, "www.example.com."));
    let reader = engine.telemetry(1).expect("the former reader has gone");
    assert_eq!(reader.read().events, [], "nothing was reported meanwhile");
    ask_udp(address, &question(1, "www.example.com."));
    let batch = reader.read();
    assert_eq!((batch.events.len(), batch.lost), (0, 1), "the bound leaves no space");
}

/// Refuses the names of the list `blocked`.
struct Block;

impl nw_serve::Filter for Block {
    fn name(&self) -> &'static str {
        "block"
    }

    fn apply(
        &self,
        context: &nw_serve::Context<'_>,
        _: &mut nw_serve::Response<'_, '_>,
    ) -> nw_serve::Verdict {
        let list = context.artifact::<nw_policy::NameList>("blocked");
        match list.and_then(|list| list.find(context.query.qname)) {
            Some(_) => nw_serve::Verdict::refuse(Rcode::REFUSED, nw_wire::Ede::BLOCKED, "listed"),
            None => nw_serve::Verdict::Continue,
        }
    }
}

#[test]
fn an_artifact_is_swapped_alone() {
    let engine = Engine::start(2).expect("threads can be started");
    let (address, sockets) = listeners("127.0.0.1:0", 2);
    let filtered = build(PLAIN).with_filter(Arc::new(Block));
    engine.publish(Arc::new(filtered), sockets);
    let (before, cache) = (engine.snapshot(), engine.cache());
    let asked = |engine: &Engine| {
        let mut stream = connect(address);
        send_frame(&mut stream, &question(2, "www.example.com."));
        let over_tcp = outcome(&read_frame(&mut stream)).0;
        assert_eq!(outcome(&ask_udp(address, &question(1, "www.example.com."))).0, over_tcp);
        assert_eq!(engine.generation(), 1, "zones and settings stay");
        over_tcp
    };
    assert_eq!(asked(&engine), Rcode::NOERROR);
    for (list, rcode) in [("www.example.com", Rcode::REFUSED), ("other.example", Rcode::NOERROR)] {
        let list = nw_policy::NameList::parse(list).expect("a name");
        engine.swap(vec![("blocked".to_owned(), Some(Arc::new(list)))]).expect("open");
        assert_eq!(asked(&engine), rcode, "every worker uses it once `swap` returns");
    }
    let served = engine.snapshot();
    assert!(served.same_settings(&before) && Arc::ptr_eq(&engine.cache(), &cache));
    let changed = vec![(name("example.com."), Some(zone(EXAMPLE).into()))];
    assert_eq!(engine.change(changed, 1), Ok(2), "a change that was computed before the swap holds");
    assert!(engine.snapshot().artifacts().get::<nw_policy::NameList>("blocked").is_some());
    engine.close(Duration::ZERO);
    assert_eq!(engine.swap(Vec::new()), Err(ChangeError::Closed));
}
