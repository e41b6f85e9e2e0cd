use super::*;

/// A host that returns every message.
struct Echo;

impl Host for Echo {
    fn receive(&self, net: &Net, datagram: Datagram) {
        net.reply(&datagram, datagram.bytes.clone());
    }
}

struct Closed;

impl Host for Closed {
    fn receive(&self, net: &Net, datagram: Datagram) {
        net.turn_away(&datagram, Arrival::Refused);
    }

    fn accepts(&self, _to: SocketAddr) -> Acceptance {
        Acceptance::Refused
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// Send one octet string over each transport, and return the arrival and its time.
fn exchange(net: &Net, to: SocketAddr, via: Transport) -> (Option<Arrival>, Micros) {
    let (inner, clock) = (net.clone(), net.clock().clone());
    net.clock()
        .block_on(async move {
            let socket = inner.bind(ip("10.0.0.1"), &mut Random::new(1));
            if via == Transport::Tcp && socket.connect(to, 5_000_000).await != Acceptance::Accepted {
                return (None, clock.now());
            }
            socket.send(to, via, vec![1, 2]);
            (socket.receive(5_000_000).await, clock.now())
        })
        .unwrap()
}

fn network(link: Link) -> Net {
    let net = Net::new(Executor::new(), 7);
    net.place(ip("192.0.2.1"), Rc::new(Echo));
    net.place(ip("192.0.2.2"), Rc::new(Closed));
    for address in ["192.0.2.1", "192.0.2.2"] {
        net.link(ip(address), link.clone());
    }
    net
}

#[test]
fn a_datagram_takes_its_delay_both_ways_and_a_stream_two_round_trips() {
    let (server, link) = (at("192.0.2.1:53"), Link::with_delay(10_000));
    let arrival = Some(Arrival::Message(server, vec![1, 2]));
    assert_eq!(exchange(&network(link.clone()), server, Transport::Udp), (arrival.clone(), 20_000));
    assert_eq!(exchange(&network(link), server, Transport::Tcp), (arrival, 40_000));
}

#[test]
fn refused_connections_are_reported_and_silent_ones_time_out() {
    let net = network(Link::with_delay(10_000));
    assert_eq!(exchange(&net, at("192.0.2.2:53"), Transport::Udp), (Some(Arrival::Refused), 20_000));
    let net = network(Link::with_delay(10_000));
    assert_eq!(exchange(&net, at("192.0.2.2:53"), Transport::Tcp), (None, 20_000));
    let net = network(Link::default());
    assert_eq!(exchange(&net, at("192.0.2.9:53"), Transport::Udp), (None, 5_000_000));
    assert_eq!(net.log(|log| log.events().last().map(|event| event.fate)), Some(Fate::Undelivered));
}

#[test]
fn loss_affects_datagrams_not_streams() {
    let dead = Link { loss: 1.0, ..Link::with_delay(1000) };
    assert_eq!(exchange(&network(dead.clone()), at("192.0.2.1:53"), Transport::Udp).0, None);
    assert!(exchange(&network(dead), at("192.0.2.1:53"), Transport::Tcp).0.is_some());
}

#[test]
fn equal_seeds_give_equal_logs() {
    let run = |seed| {
        let net = Net::new(Executor::new(), seed);
        net.place(ip("192.0.2.1"), Rc::new(Echo));
        let faults =
            Link { delay: 100, jitter: 900, loss: 0.3, duplicate: 0.3, reorder: 0.3, reorder_by: 5000 };
        net.link(ip("192.0.2.1"), faults);
        let mut rng = Random::new(seed);
        let socket = net.bind(ip("10.0.0.1"), &mut rng);
        for n in 0..100 {
            socket.send(at("192.0.2.1:53"), Transport::Udp, vec![n]);
        }
        net.clock().run_until(1_000_000);
        net.log(|log| (log.hash(), log.passed()))
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn a_closed_socket_receives_nothing() {
    let net = network(Link::with_delay(1000));
    let socket = net.bind(ip("10.0.0.1"), &mut Random::new(1));
    socket.send(at("192.0.2.1:53"), Transport::Udp, vec![1]);
    drop(socket);
    net.clock().run_until(10_000);
    assert_eq!(net.log(|log| log.events().last().map(|event| event.fate)), Some(Fate::Undelivered));
}
