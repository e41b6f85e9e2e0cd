use super::*;
use crate::exec::Executor;
use crate::net::{Datagram, Host};
use crate::record::parse_question;
use nw_wire::name::NameRef;
use std::rc::Rc;

/// A host that sends several kinds of unrelated packets, and the true reply a second later.
struct Junk;

impl Host for Junk {
    fn receive(&self, net: &Net, datagram: Datagram) {
        let mut reply = datagram.bytes.clone();
        reply[2] |= 0x80;
        let mut wrong_name = reply.clone();
        wrong_name[13] ^= 0x01;
        for junk in [wrong_name, datagram.bytes.clone(), reply[..11].to_vec(), Vec::new()] {
            net.reply(&datagram, junk);
        }
        let elsewhere = SocketAddr::new(datagram.to.ip(), 54);
        net.send(Datagram { from: elsewhere, to: datagram.from, via: datagram.via, bytes: reply.clone() });
        let late = net.clone();
        net.clock().at(net.clock().now() + 1_000_000, move || late.reply(&datagram, reply));
    }
}

fn ask(server: &str, deadline: Micros) -> (Result<Vec<u8>, ExchangeError>, Micros) {
    let net = Net::new(Executor::new(), 1);
    net.place("192.0.2.1".parse().unwrap(), Rc::new(Junk));
    let world = SimWorld::new(net.clone(), vec!["10.0.0.1".parse().unwrap()], 1_000);
    let server = server.parse().unwrap();
    let query = Packet::query(parse_question("a. A", NameRef::ROOT).unwrap()).to_wire(9);
    net.clock()
        .block_on(async move {
            let upstream = world.upstream(&Endpoint::new(server, Transport::Udp));
            let reply = world.exchange(&upstream, &query, deadline, &nw_resolve::Discarded::default()).await;
            assert_eq!(world.asked().len(), usize::from(server.is_ipv4()));
            (reply, world.now())
        })
        .unwrap()
}

#[test]
fn unrelated_packets_do_not_end_the_wait() {
    let (reply, at) = ask("192.0.2.1:53", 3_000_000);
    assert!(reply.is_ok());
    assert_eq!(at, 1_000_000);
    assert_eq!(ask("192.0.2.1:53", 500_000), (Err(ExchangeError::Timeout), 500_000));
}

#[test]
fn a_family_without_an_address_has_no_route() {
    assert_eq!(ask("[2001:db8::1]:53", 1), (Err(ExchangeError::NoRoute), 0));
}

/// Over a stream: three messages for the query with a message for another query between them, and then the end. Over
/// UDP: first a reply with a wrong id.
struct Transfer;

impl Host for Transfer {
    fn receive(&self, net: &Net, datagram: Datagram) {
        let mut reply = datagram.bytes.clone();
        reply[2] |= 0x80;
        let mut wrong_id = reply.clone();
        wrong_id[0] ^= 1;
        // A later message of a transfer may have no question (RFC 5936 §2.2.1).
        let mut later = reply[..12].to_vec();
        later[5] = 0;
        if datagram.via == Transport::Udp {
            return net.reply(&datagram, wrong_id);
        }
        for message in [wrong_id, reply, later.clone(), later] {
            net.reply(&datagram, message);
        }
        net.turn_away(&datagram, Arrival::Closed);
    }
}

#[test]
fn a_stream_returns_replies_in_order_and_ends() {
    let net = Net::new(Executor::new(), 1);
    net.place("192.0.2.1".parse().unwrap(), Rc::new(Transfer));
    net.link("192.0.2.1".parse().unwrap(), crate::link::Link { jitter: 50_000, ..Default::default() });
    let world = SimWorld::new(net.clone(), vec!["10.0.0.1".parse().unwrap()], 1_000);
    let query = Packet::query(parse_question("a. AXFR", NameRef::ROOT).unwrap()).to_wire(9);
    net.clock()
        .block_on(async move {
            let server = "192.0.2.1:53".parse().unwrap();
            let upstream = world.upstream(&Endpoint::new(server, Transport::Tcp));
            let mut replies = world.stream(&upstream, &query, 1_000_000).await.ok().unwrap();
            let mut lengths = Vec::new();
            let end = loop {
                match replies.next(5_000_000).await {
                    Ok(message) => lengths.push(message.len()),
                    Err(error) => break error,
                }
            };
            assert_eq!((lengths, end), (vec![query.len(), 12, 12], ExchangeError::Closed));
            let datagrams = world.upstream(&Endpoint::new(server, Transport::Udp));
            assert_eq!(
                world.exchange(&datagrams, &query, 5_000_000, &nw_resolve::Discarded::default()).await,
                Err(ExchangeError::WrongId)
            );
            assert_eq!(world.stream(&datagrams, &query, 1).await.err(), Some(ExchangeError::Local));
        })
        .unwrap();
}
