//! The simulated network: addresses, access links, hosts, sockets, and the log of all messages.
//!
//! ```text
//! SimWorld / client ──send──► access link of sender ──► access link of receiver ──► Host::receive or socket
//!          ▲                                                                             │
//!          └──────────────────────────── reply, same way back ───────────────────────────┘
//! ```
//!
//! Datagrams can be lost, duplicated, delayed or reordered. Streams are only delayed. Each address has a link, and
//! each direction of the link has its own random stream, so that a run is a function of its seed.
//!
//! *Limitations*: a stream is modelled as messages (connect, request, reply), not as segments. The size of a packet
//! does not affect its delay.

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

use crate::exec::{Executor, Micros};
use crate::link::Link;
use crate::random::{Fnv, Random};

/// One message in transit.
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

/// A host at an address.
pub trait Host {
    /// Called when `datagram` arrives. The host sends answers through `net`, immediately or later.
    fn receive(&self, net: &Net, datagram: Datagram);

    /// Return the reaction to a connection to `to`.
    fn accepts(&self, _to: SocketAddr) -> Acceptance {
        Acceptance::Accepted
    }
}

/// The reaction to a connection attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// The connection is accepted.
    Accepted,
    /// The connection is reset.
    Refused,
    /// There is no reaction.
    Silent,
}

/// An event at a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// A message and its source address.
    Message(SocketAddr, Vec<u8>),
    /// The port is closed (ICMP, RST).
    Refused,
    /// The host cannot be reached (ICMP).
    Unreachable,
    /// The stream was closed.
    Closed,
}

/// The fate of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The sender sent it.
    Sent,
    /// A link dropped it.
    Lost,
    /// It reached a host or socket.
    Arrived,
    /// It reached an address without a host, or a port that was closed in the meantime.
    Undelivered,
    /// The receiver refused it (ICMP, RST).
    Refused,
    /// The sender requested a connection.
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
pub struct LogEntry {
    /// The time.
    pub at: Micros,
    /// The fate of the message.
    pub fate: Fate,
    /// The message.
    pub datagram: Datagram,
}

impl fmt::Display for LogEntry {
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

/// The log of all messages, as a fingerprint and, up to a limit, in full.
#[derive(Debug, Default)]
pub struct Log {
    hash: Fnv,
    events: Vec<LogEntry>,
    passed: u64,
}

/// The number of events stored in full. Later events change only the fingerprint.
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
            self.events.push(LogEntry { at, fate, datagram: datagram.clone() });
        }
    }

    /// The fingerprint. Equal runs have equal fingerprints.
    pub fn hash(&self) -> u64 {
        self.hash.finish()
    }

    /// The first events in full.
    pub fn events(&self) -> &[LogEntry] {
        &self.events
    }

    /// The number of events.
    pub fn passed(&self) -> u64 {
        self.passed
    }
}

/// The network. Clones refer to the same network.
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

/// The access link of an address, with a random stream for each direction.
struct Access {
    link: Link,
    outward: Random,
    inward: Random,
}

#[derive(Default)]
struct Inbox {
    /// The arrival time of the last message of a stream.
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
    /// Create an empty network on `clock`. All randomness derives from `seed`.
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

    /// Put `host` at `address`. It replaces the previous host.
    pub fn place(&self, address: IpAddr, host: Rc<dyn Host>) {
        self.inner.hosts.borrow_mut().insert(address, host);
    }

    /// Put `host` at every address without its own host.
    pub fn place_everywhere(&self, host: Rc<dyn Host>) {
        *self.inner.everywhere.borrow_mut() = Some(host);
    }

    /// Remove the host at `address`.
    pub fn remove(&self, address: IpAddr) {
        self.inner.hosts.borrow_mut().remove(&address);
    }

    /// Remove all hosts and drop the messages in transit.
    pub fn clear(&self) {
        let hosts = std::mem::take(&mut *self.inner.hosts.borrow_mut());
        let everywhere = self.inner.everywhere.borrow_mut().take();
        self.inner.clock.clear();
        drop((hosts, everywhere));
    }

    /// Connect `address` by `link`. The default link has no faults.
    pub fn link(&self, address: IpAddr, link: Link) {
        let stream = |way: &str| Random::stream(self.inner.seed, &format!("link {address} {way}"));
        let access = Access { link, outward: stream("out"), inward: stream("in") };
        self.inner.links.borrow_mut().insert(address, access);
    }

    fn host(&self, address: IpAddr) -> Option<Rc<dyn Host>> {
        let host = self.inner.hosts.borrow().get(&address).cloned();
        host.or_else(|| self.inner.everywhere.borrow().clone())
    }

    /// Read the log.
    pub fn log<T>(&self, read: impl FnOnce(&Log) -> T) -> T {
        read(&self.inner.log.borrow())
    }

    fn note(&self, fate: Fate, datagram: &Datagram) {
        self.inner.log.borrow_mut().add(self.inner.clock.now(), fate, datagram);
    }

    /// The delays of the copies that arrive.
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

    /// Send `datagram`.
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

    /// Return the arrival time of `message`, which would arrive at `at`. In a stream to an open port, it is not
    /// earlier than that of the preceding message.
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

    /// Answer `datagram` with `bytes`. The source is the address to which `datagram` was sent.
    pub fn reply(&self, datagram: &Datagram, bytes: Vec<u8>) {
        self.send(Datagram { from: datagram.to, to: datagram.from, via: datagram.via, bytes });
    }

    /// Refuse `datagram`. Its sender receives `arrival` after the delay of the way back.
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
    pub fn bind(&self, address: IpAddr, rng: &mut Random) -> Socket {
        loop {
            let port = u16::try_from(1024 + rng.below(64512)).expect("1024..=65535 is a port");
            let local = SocketAddr::new(address, port);
            let mut sockets = self.inner.sockets.borrow_mut();
            if let std::collections::btree_map::Entry::Vacant(place) = sockets.entry(local) {
                let inbox = Rc::clone(place.insert(Rc::default()));
                return Socket { net: self.clone(), local, inbox };
            }
        }
    }

    /// Return whether a socket is open at `address`.
    pub fn is_open(&self, address: SocketAddr) -> bool {
        self.inner.sockets.borrow().contains_key(&address)
    }

    /// Return the reaction to a connection from `from` to `to`, and the delay in one direction.
    fn begin_connect(&self, from: SocketAddr, to: SocketAddr) -> (Acceptance, Micros) {
        self.note(Fate::Connect, &Datagram { from, to, via: Transport::Tcp, bytes: Vec::new() });
        let there = self.travel(from.ip(), to.ip(), Transport::Tcp).first().copied().unwrap_or(0);
        (self.host(to.ip()).map_or(Acceptance::Silent, |host| host.accepts(to)), there)
    }
}

/// An open port. Dropping the socket closes the port.
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

    /// Return the next arrival before `deadline`, or None.
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

    /// Open a stream to `to`, which takes one round trip. If there is no reaction, the result is `Silent` at
    /// `deadline`.
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
