//! The simulated network: addresses, access links, hosts, sockets, and the log of everything that passed.
//!
//! ```text
//! SimWorld / client ──send──► access link of sender ──► access link of receiver ──► Host::receive or socket
//!          ▲                                                                             │
//!          └──────────────────────────── reply, same way back ───────────────────────────┘
//! ```
//!
//! A datagram may be lost, doubled, delayed or overtaken; a stream only delayed. Each address has a link and each
//! direction of it a random stream of its own, so that a run is a function of its seed.
//!
//! *Limitations*: a stream is modelled by its messages (connect, request, reply), not by segments; a packet's size costs no time.

#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::task::Waker;

use nw_resolve::Transport;
use nw_wire::message::Message;

use crate::dice::{Dice, Fnv};
use crate::exec::{Executor, Micros};
use crate::link::Link;

/// One message on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Sender.
    pub from: SocketAddr,
    /// Receiver.
    pub to: SocketAddr,
    /// Transport.
    pub via: Transport,
    /// The message, without a stream's length prefix.
    pub bytes: Vec<u8>,
}

/// Something that sits at an address.
pub trait Host {
    /// `datagram` has arrived. Answers are sent through `net`, now or later.
    fn receive(&self, net: &Net, datagram: Datagram);

    /// What a connection to `to` meets.
    fn accepts(&self, _to: SocketAddr) -> Acceptance {
        Acceptance::Accepted
    }
}

/// What a connection attempt meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// It is accepted.
    Accepted,
    /// It is reset.
    Refused,
    /// Nothing comes back.
    Silent,
}

/// What reaches a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// A message and where it says it comes from.
    Message(SocketAddr, Vec<u8>),
    /// The port is closed (ICMP, RST).
    Refused,
    /// The host cannot be reached (ICMP).
    Unreachable,
    /// The stream was closed.
    Closed,
}

/// What happened to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It left its sender.
    Sent,
    /// A link lost it.
    Lost,
    /// It reached a host or socket.
    Arrived,
    /// It reached an address without a host, or a port that is closed by now.
    Undelivered,
    /// The receiver turned it away (ICMP, RST).
    Refused,
    /// A connection was asked for.
    Connect,
    /// The stream was closed.
    Closed,
}

impl Fate {
    /// The word for it in logs.
    pub fn slug(self) -> &'static str {
        match self {
            Fate::Sent => "sent",
            Fate::Lost => "lost",
            Fate::Arrived => "arrived",
            Fate::Undelivered => "undelivered",
            Fate::Refused => "refused",
            Fate::Connect => "connect",
            Fate::Closed => "closed",
        }
    }
}

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: Micros,
    /// What.
    pub fate: Fate,
    /// The message.
    pub datagram: Datagram,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Datagram { from, to, via, bytes } = &self.datagram;
        let (seconds, micros) = (self.at / 1_000_000, self.at % 1_000_000);
        write!(f, "{seconds}.{micros:06} {} {} {from} > {to}", self.fate.slug(), via.slug())?;
        if bytes.is_empty() {
            return Ok(());
        }
        let Ok(message) = Message::parse(bytes) else {
            return write!(f, " {} octets, no message", bytes.len());
        };
        let flags = message.flags();
        write!(f, " id {}", message.id())?;
        if let Some(question) = message.question() {
            write!(f, " {} {}", question.name, question.rtype)?;
        }
        if flags.qr() {
            let counts = message.header().counts;
            write!(f, " {} {}/{}/{}", message.rcode(), counts[1], counts[2], counts[3])?;
            if flags.aa() {
                f.write_str(" AA")?;
            }
            if flags.tc() {
                f.write_str(" TC")?;
            }
        }
        Ok(())
    }
}

/// Everything that passed, as a fingerprint and, up to a bound, in full.
#[derive(Debug, Default)]
pub struct Log {
    hash: Fnv,
    events: Vec<Event>,
    passed: u64,
}

/// Events kept in full; later ones only go into the fingerprint.
const KEPT_EVENTS: usize = 2000;

impl Log {
    fn add(&mut self, at: Micros, fate: Fate, datagram: &Datagram) {
        self.passed += 1;
        self.hash.write(&at.to_le_bytes());
        self.hash.write(fate.slug().as_bytes());
        self.hash.write(datagram.via.slug().as_bytes());
        for address in [datagram.from, datagram.to] {
            match address.ip() {
                IpAddr::V4(ip) => self.hash.write(&ip.octets()),
                IpAddr::V6(ip) => self.hash.write(&ip.octets()),
            }
            self.hash.write(&address.port().to_le_bytes());
        }
        self.hash.write(&datagram.bytes.len().to_le_bytes());
        self.hash.write(&datagram.bytes);
        if self.events.len() < KEPT_EVENTS {
            self.events.push(Event { at, fate, datagram: datagram.clone() });
        }
    }

    /// The fingerprint: equal for equal runs.
    pub fn hash(&self) -> u64 {
        self.hash.finish()
    }

    /// The first events in full.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// How many events there were.
    pub fn passed(&self) -> u64 {
        self.passed
    }
}

/// The network; clones are handles to the same one.
#[derive(Clone)]
pub struct Net {
    inner: Rc<Inner>,
}

struct Inner {
    clock: Executor,
    seed: u64,
    hosts: RefCell<BTreeMap<IpAddr, Rc<dyn Host>>>,
    everywhere: RefCell<Option<Rc<dyn Host>>>,
    links: RefCell<BTreeMap<IpAddr, Access>>,
    sockets: RefCell<BTreeMap<SocketAddr, Rc<Inbox>>>,
    log: RefCell<Log>,
}

/// The access link of an address, with the random stream of each direction.
struct Access {
    link: Link,
    outward: Dice,
    inward: Dice,
}

#[derive(Default)]
struct Inbox {
    /// When the last message of a stream arrives.
    latest: Cell<Micros>,
    queue: RefCell<VecDeque<Arrival>>,
    waker: RefCell<Option<Waker>>,
}

impl Inbox {
    fn put(&self, arrival: Arrival) {
        self.queue.borrow_mut().push_back(arrival);
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }
}

impl Net {
    /// An empty network on `clock`, its randomness drawn from `seed`.
    pub fn new(clock: Executor, seed: u64) -> Net {
        let inner = Inner {
            clock,
            seed,
            hosts: RefCell::default(),
            everywhere: RefCell::default(),
            links: RefCell::default(),
            sockets: RefCell::default(),
            log: RefCell::default(),
        };
        Net { inner: Rc::new(inner) }
    }

    /// Its clock.
    pub fn clock(&self) -> &Executor {
        &self.inner.clock
    }

    /// Its seed.
    pub fn seed(&self) -> u64 {
        self.inner.seed
    }

    /// Put `host` at `address` in place of the host that was there.
    pub fn place(&self, address: IpAddr, host: Rc<dyn Host>) {
        self.inner.hosts.borrow_mut().insert(address, host);
    }

    /// Put `host` at every address that has no host of its own.
    pub fn place_everywhere(&self, host: Rc<dyn Host>) {
        *self.inner.everywhere.borrow_mut() = Some(host);
    }

    /// Take away who is at `address`.
    pub fn remove(&self, address: IpAddr) {
        self.inner.hosts.borrow_mut().remove(&address);
    }

    /// Take away every host and drop what is under way.
    pub fn clear(&self) {
        let hosts = std::mem::take(&mut *self.inner.hosts.borrow_mut());
        let everywhere = self.inner.everywhere.borrow_mut().take();
        self.inner.clock.clear();
        drop((hosts, everywhere));
    }

    /// Connect `address` by `link`; without this its link is perfect.
    pub fn link(&self, address: IpAddr, link: Link) {
        let stream = |way: &str| Dice::stream(self.inner.seed, &format!("link {address} {way}"));
        let access = Access { link, outward: stream("out"), inward: stream("in") };
        self.inner.links.borrow_mut().insert(address, access);
    }

    fn host(&self, address: IpAddr) -> Option<Rc<dyn Host>> {
        let host = self.inner.hosts.borrow().get(&address).cloned();
        host.or_else(|| self.inner.everywhere.borrow().clone())
    }

    /// The log so far.
    pub fn log<T>(&self, read: impl FnOnce(&Log) -> T) -> T {
        read(&self.inner.log.borrow())
    }

    fn note(&self, fate: Fate, datagram: &Datagram) {
        self.inner.log.borrow_mut().add(self.inner.clock.now(), fate, datagram);
    }

    /// The travel times of the copies that arrive.
    fn travel(&self, from: IpAddr, to: IpAddr, via: Transport) -> Vec<Micros> {
        let mut links = self.inner.links.borrow_mut();
        let mut times = match links.get_mut(&from) {
            None => vec![0],
            Some(access) if via == Transport::Tcp => vec![access.link.stream(&mut access.outward)],
            Some(access) => access.link.carry(&mut access.outward),
        };
        if let Some(access) = links.get_mut(&to) {
            times = times
                .into_iter()
                .flat_map(|time| {
                    let more = match via {
                        Transport::Tcp => vec![access.link.stream(&mut access.inward)],
                        Transport::Udp => access.link.carry(&mut access.inward),
                    };
                    more.into_iter().map(move |more| time + more)
                })
                .collect();
        }
        times
    }

    /// Send `datagram` on its way.
    pub fn send(&self, datagram: Datagram) {
        self.note(Fate::Sent, &datagram);
        let times = self.travel(datagram.from.ip(), datagram.to.ip(), datagram.via);
        if times.is_empty() {
            self.note(Fate::Lost, &datagram);
        }
        for time in times {
            let at = self.in_order(&datagram, self.inner.clock.now() + time);
            let (net, datagram) = (self.clone(), datagram.clone());
            self.inner.clock.at(at, move || net.deliver(datagram));
        }
    }

    /// When *message* arrives that would be there at the time *at*: in a stream to an open port, not before the one that
    /// was sent earlier.
    fn in_order(&self, message: &Datagram, at: Micros) -> Micros {
        let sockets = self.inner.sockets.borrow();
        match sockets.get(&message.to).filter(|_| message.via.is_stream()) {
            Some(inbox) => {
                let at = at.max(inbox.latest.get());
                inbox.latest.set(at);
                at
            }
            None => at,
        }
    }

    fn deliver(&self, datagram: Datagram) {
        let socket = self.inner.sockets.borrow().get(&datagram.to).cloned();
        if let Some(inbox) = socket {
            self.note(Fate::Arrived, &datagram);
            inbox.put(Arrival::Message(datagram.from, datagram.bytes));
        } else if let Some(host) = self.host(datagram.to.ip()) {
            self.note(Fate::Arrived, &datagram);
            host.receive(self, datagram);
        } else {
            self.note(Fate::Undelivered, &datagram);
        }
    }

    /// Answer `datagram` with `bytes`, from the address that it was sent to.
    pub fn reply(&self, datagram: &Datagram, bytes: Vec<u8>) {
        self.send(Datagram { from: datagram.to, to: datagram.from, via: datagram.via, bytes });
    }

    /// Turn `datagram` away: its sender learns it as `arrival` after the way back.
    pub fn turn_away(&self, datagram: &Datagram, arrival: Arrival) {
        let fate = if arrival == Arrival::Closed { Fate::Closed } else { Fate::Refused };
        let back = Datagram { from: datagram.to, to: datagram.from, via: datagram.via, bytes: Vec::new() };
        let times = self.travel(back.from.ip(), back.to.ip(), back.via);
        self.note(fate, &back);
        for time in times.into_iter().take(1) {
            let at = self.in_order(&back, self.inner.clock.now() + time);
            let (net, to, arrival) = (self.clone(), back.to, arrival.clone());
            self.inner.clock.at(at, move || {
                let socket = net.inner.sockets.borrow().get(&to).cloned();
                if let Some(inbox) = socket {
                    inbox.put(arrival);
                }
            });
        }
    }

    /// Open a socket at `address` on a free random port.
    pub fn bind(&self, address: IpAddr, dice: &mut Dice) -> Socket {
        loop {
            let port = u16::try_from(1024 + dice.below(64512)).expect("1024..=65535 is a port");
            let local = SocketAddr::new(address, port);
            let mut sockets = self.inner.sockets.borrow_mut();
            if let std::collections::btree_map::Entry::Vacant(place) = sockets.entry(local) {
                let inbox = Rc::clone(place.insert(Rc::default()));
                return Socket { net: self.clone(), local, inbox };
            }
        }
    }

    /// Whether a socket is open at `address`.
    pub fn is_open(&self, address: SocketAddr) -> bool {
        self.inner.sockets.borrow().contains_key(&address)
    }

    /// What a connection from `from` to `to` meets, and how long one way takes.
    fn begin_connect(&self, from: SocketAddr, to: SocketAddr) -> (Acceptance, Micros) {
        self.note(Fate::Connect, &Datagram { from, to, via: Transport::Tcp, bytes: Vec::new() });
        let there = self.travel(from.ip(), to.ip(), Transport::Tcp).first().copied().unwrap_or(0);
        (self.host(to.ip()).map_or(Acceptance::Silent, |host| host.accepts(to)), there)
    }
}

/// An open port; closed when dropped.
pub struct Socket {
    net: Net,
    local: SocketAddr,
    inbox: Rc<Inbox>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.net.inner.sockets.borrow_mut().remove(&self.local);
    }
}

impl Socket {
    /// Its address.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Send `bytes` to `to`.
    pub fn send(&self, to: SocketAddr, via: Transport, bytes: Vec<u8>) {
        self.net.send(Datagram { from: self.local, to, via, bytes });
    }

    /// The next arrival before `deadline`, or None.
    pub async fn receive(&self, deadline: Micros) -> Option<Arrival> {
        let mut sleep = pin!(self.net.inner.clock.sleep_until(deadline));
        poll_fn(|context| {
            if let Some(arrival) = self.inbox.queue.borrow_mut().pop_front() {
                return std::task::Poll::Ready(Some(arrival));
            }
            *self.inbox.waker.borrow_mut() = Some(context.waker().clone());
            sleep.as_mut().poll(context).map(|()| None)
        })
        .await
    }

    /// Open a stream to `to`: one round trip. Whether it is accepted; `Silent` at `deadline`.
    pub async fn connect(&self, to: SocketAddr, deadline: Micros) -> Acceptance {
        let (acceptance, there) = self.net.begin_connect(self.local, to);
        let clock = &self.net.inner.clock;
        let opened = clock.now() + 2 * there;
        if acceptance == Acceptance::Silent || opened > deadline {
            clock.sleep_until(deadline).await;
            return Acceptance::Silent;
        }
        clock.sleep_until(opened).await;
        acceptance
    }
}
