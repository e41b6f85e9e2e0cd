//! A flood of random names below one zone, beside clients that query other names.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;

use nw_resolve::{Budget, ResolverConfig, Transport};
use nw_sim::exec::{Executor, Micros};
use nw_sim::link::Link;
use nw_sim::net::{Datagram, Host, Net};
use nw_sim::packet::Packet;
use nw_sim::random::Random;
use nw_sim::record::parse_question;
use nw_sim::scenario::behaviour::read_zone;
use nw_sim::server::{Server, ServerHost, ServerSpec};
use nw_wire::code::Rcode;
use nw_wire::message::Message;
use nw_wire::name::NameRef;

const RESOLVER: &str = "10.53.0.1";
const SECOND: Micros = 1_000_000;

/// A host that never answers.
struct Silent;

impl Host for Silent {
    fn receive(&self, _net: &Net, _datagram: Datagram) {}
}

/// The times of a client's queries and their answers.
struct Client {
    replies: RefCell<Vec<(Micros, Micros, Rcode)>>,
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn serve(net: &Net, address: &str, apex: &str, text: &str, delay: Micros) {
    let text: String = text.lines().map(|line| line.trim().to_owned() + "\n").collect();
    let text = format!("@ 3600 SOA ns hostmaster 1 7200 3600 1209600 300\n{text}");
    let zone = read_zone(apex, &text).expect("a zone");
    let spec = ServerSpec { addresses: vec![ip(address)], zones: vec![zone], ..ServerSpec::default() };
    let server = Server::start(net, spec).unwrap();
    net.place(ip(address), Rc::new(ServerHost(server)));
    net.link(ip(address), Link::with_delay(delay));
}

/// The simulated internet: `good.com.` answers after 20 ms, `silent.com.` never, `slow.com.` after 1.4 s.
fn internet(net: &Net) -> ResolverConfig {
    let root = "@ 518400 NS a.root\na.root 518400 A 198.41.0.4\ncom 172800 NS a.gtld.com.\na.gtld.com. 172800 A 192.5.6.30";
    serve(net, "198.41.0.4", ".", root, 5_000);
    let com = "@ 172800 NS a.gtld\na.gtld 172800 A 192.5.6.30
        good 172800 NS ns.good\nns.good 172800 A 192.0.2.1
        silent 172800 NS ns.silent\nns.silent 172800 A 192.0.2.2
        silent 172800 NS ns2.silent\nns2.silent 172800 A 192.0.2.3
        slow 172800 NS ns.slow\nns.slow 172800 A 192.0.2.4";
    serve(net, "192.5.6.30", "com.", com, 5_000);
    let zone = "@ 3600 NS ns\nns 3600 A 192.0.2.1\n* 300 A 203.0.113.1";
    serve(net, "192.0.2.1", "good.com.", zone, 10_000);
    serve(net, "192.0.2.4", "slow.com.", zone, 700_000);
    net.place(ip("192.0.2.2"), Rc::new(Silent));
    net.place(ip("192.0.2.3"), Rc::new(Silent));
    ResolverConfig {
        hints: vec![("a.root.".parse().unwrap(), vec![ip("198.41.0.4")])],
        budget: Budget { cache_bytes: 8 << 20, ..Budget::default() },
        ..ResolverConfig::default()
    }
}

/// Send a query for `name` from `client` at `at`, and record the answer.
fn ask(net: &Net, client: IpAddr, name: String, at: Micros, seen: &Rc<Client>) {
    let (inner, clock, seen) = (net.clone(), net.clock().clone(), Rc::clone(seen));
    net.clock().at(at, move || {
        let net = inner.clone();
        inner.clock().spawn(async move {
            let socket = net.bind(client, &mut Random::new(at));
            let query = Packet::query(parse_question(&format!("{name} A"), NameRef::ROOT).unwrap());
            let query = Packet { flags: query.flags.with_rd(true), ..query };
            socket.send(SocketAddr::new(ip(RESOLVER), 53), Transport::Udp, query.to_wire(7));
            if let Some(nw_sim::net::Arrival::Message(_, reply)) = socket.receive(at + 5 * SECOND).await {
                let rcode = Message::parse(&reply).unwrap().rcode();
                seen.replies.borrow_mut().push((at, clock.now() - at, rcode));
            }
        });
    });
}

/// Clients query 50 names per second below `good.com.` for three seconds, while `flood` names per second below `zone` are
/// queried. Returns the number of clients with an answer, the number of clients, and their median latency.
fn play(zone: &str, flood: u64, neighbours: bool) -> (usize, usize, Micros) {
    let net = Net::new(Executor::new(), 5);
    let config = internet(&net);
    let spec = ServerSpec { addresses: vec![ip(RESOLVER)], resolver: Some(config), ..ServerSpec::default() };
    let server = Server::start(&net, spec).unwrap();
    net.place(ip(RESOLVER), Rc::new(ServerHost(Rc::clone(&server))));
    let (innocent, attacker) =
        (Rc::new(Client { replies: RefCell::default() }), Rc::new(Client { replies: RefCell::default() }));
    let (begin, end) = (SECOND, 4 * SECOND);
    ask(&net, ip("10.0.0.1"), "warm.good.com.".into(), 0, &Rc::new(Client { replies: RefCell::default() }));
    let mut asked = 0;
    for at in (begin + SECOND / 2..end).step_by(20_000) {
        ask(&net, ip("10.0.0.1"), format!("n{at}.good.com."), at, &innocent);
        asked += 1;
    }
    for number in 0..flood * (end - begin) / SECOND {
        // From eight prefixes, or all from the prefix of the other clients.
        let network = if neighbours { [10, 0, 0] } else { [10, 66, (number % 8) as u8] };
        let client = IpAddr::V4(Ipv4Addr::new(network[0], network[1], network[2], 2 + (number % 200) as u8));
        ask(&net, client, format!("r{number}.{zone}"), begin + number * SECOND / flood, &attacker);
    }
    net.clock().run_until(end + 6 * SECOND);
    assert_eq!(server.panics(), 0);
    let replies = innocent.replies.borrow();
    let mut took: Vec<Micros> = replies.iter().map(|(_, took, _)| *took).collect();
    took.sort();
    let good = replies.iter().filter(|(.., rcode)| *rcode == Rcode::NOERROR).count();
    let latest = attacker.replies.borrow().iter().map(|(_, took, _)| *took).max();
    assert!(latest.is_none_or(|latest| latest <= 2 * SECOND), "an answer {latest:?} us old was sent");
    net.clear();
    (good, asked, took[took.len() / 2])
}

#[test]
fn a_flood_below_one_zone_does_not_affect_others() {
    let (good, asked, calm) = play("silent.com.", 1, false);
    assert_eq!(good, asked);
    for (zone, neighbours) in [("silent.com.", false), ("slow.com.", false), ("silent.com.", true)] {
        let (good, asked, median) = play(zone, 5_000, neighbours);
        assert!(good * 100 >= asked * 99, "{zone}: {good} of {asked}");
        assert!(median < 2 * calm, "{zone}: median {median} us, without the flood {calm} us");
    }
}

#[test]
fn three_thousand_clients_can_query_one_name() {
    let net = Net::new(Executor::new(), 5);
    let config = internet(&net);
    let spec = ServerSpec { addresses: vec![ip(RESOLVER)], resolver: Some(config), ..ServerSpec::default() };
    let server = Server::start(&net, spec).unwrap();
    net.place(ip(RESOLVER), Rc::new(ServerHost(Rc::clone(&server))));
    let clients = Rc::new(Client { replies: RefCell::default() });
    for number in 0..3000u64 {
        let client = IpAddr::V4(Ipv4Addr::new(10, 1, (number / 250) as u8, (number % 250) as u8));
        ask(&net, client, "www.good.com.".into(), number, &clients);
    }
    net.clock().run_until(6 * SECOND);
    let good = clients.replies.borrow().iter().filter(|(.., rcode)| *rcode == Rcode::NOERROR).count();
    assert_eq!(good, 3000);
    net.clear();
}
