//! Queries to servers: the table of upstreams, and datagrams from random ports.
//!
//! ```text
//! exchange ─ take a port ─▶ connected to the server? else connect ─▶ send ─▶ wait ─▶ reply that fits ─▶ give it back
//!               │ an idle one at random, else a new one on a random port                  used up? close it
//! ```
//!
//! **What protects a query** (RFC 5452, attacks C1, C2, C4, C11). A port carries one query at a time. Its socket is
//! *connected* to the server, so that the kernel takes packets from that address and port alone, answers everybody else
//! who tries the port that it is closed, and gives an ICMP error to the query it belongs to and to no other. A reply must
//! repeat id and question ([`Fit`]); the first that has another id ends the exchange, because somebody may be guessing; what
//! has nothing to do with the query is counted and the wait goes on. A reply that fits and cannot be read further ends the
//! wait, for RFC 5452 §9.1 asks no more of a reply; the resolver then asks again over TCP.
//!
//! **Ports.** Each new socket takes a port at random out of the 64,512 from 1024 up (15.98 bits), whatever range the
//! kernel would use. Opening, binding and closing a socket costs more than the query itself, so a port carries
//! `port_uses` queries (of the plan) before it is closed. The next port is picked at random among at least 128 idle ones. A few
//! are drawn, and one that is connected to the server already is preferred: connecting costs two system calls, and a port
//! that stays with one server shows nothing to others. An attacker who owns a server sees ports in use there;
//! the chance that the next query to somebody else leaves from a port that he has seen and that is still alive is what
//! `docs/performance.md` calls conditional entropy. An idle socket stays connected, and a new one is connected
//! before it is used, so that no port can be found by scanning.
//!
//! Streams are in `connection.rs`.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use nw_resolve::{Endpoint, ExchangeError, Fit};
use nw_serve::Stats;
use nw_serve::plan::{ResolverPlan, StreamPlan};
use nw_wire::hash::Keyed;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::io::{Interest, Ready};
use tokio::net::UdpSocket;

use crate::connection::{Connections, Session};
use crate::mmsg;
use crate::outbox::{Failure, Outbox};
use crate::random::Random;
use crate::world::Clock;
use nw_resolve::Discarded;

/// Idle ports of one family from which the next is picked; below it a new one is opened.
const CHOICE: usize = 128;
/// Idle ports kept of one family.
const MOST_IDLE: usize = 512;
/// Idle ports drawn to find one that is connected to the server already.
const DRAWS: usize = 8;
/// Ports below are left to services.
const FIRST_PORT: usize = 1024;
/// Ports tried until one is free.
const TRIES: usize = 32;
/// Octets of the largest datagram.
const ROOM: usize = 65_535;
/// Sessions remembered before those without a connection are forgotten.
const SESSIONS: usize = 256;

/// A handle on an upstream server.
#[derive(Clone)]
pub struct Upstream(pub(crate) Way);

/// How an upstream is reached.
#[derive(Clone)]
pub(crate) enum Way {
    /// By datagrams to this address; nothing is remembered but the ports, which all servers share.
    Datagrams(SocketAddr),
    /// By the connections of this session.
    Stream(Rc<Session>),
    /// The routing table has no line for it.
    NoRoute,
}

/// The upstreams of one worker.
pub(crate) struct Upstreams {
    ports: Ports,
    connections: Rc<Connections>,
    plan: Cell<StreamPlan>,
    /// Sessions by endpoint; equal endpoints share one.
    sessions: RefCell<HashMap<Endpoint, Rc<Session>, Keyed>>,
    /// The number of sessions at which those in use by nobody are forgotten.
    prune_at: Cell<usize>,
}

impl Upstreams {
    pub(crate) fn new(clock: Clock, random: Rc<Random>, outbox: Rc<Outbox>, stats: Arc<Stats>) -> Upstreams {
        Upstreams {
            ports: Ports::new(Rc::clone(&random), outbox),
            connections: Connections::new(clock, random, stats),
            plan: Cell::new(StreamPlan::default()),
            sessions: RefCell::default(),
            prune_at: Cell::new(SESSIONS),
        }
    }

    /// Use the limits of *plan* from now on.
    pub(crate) fn set_plan(&self, plan: &ResolverPlan) {
        self.ports.uses.set(plan.port_uses);
        self.plan.set(plan.streams);
        self.connections.set_plan(plan.streams);
    }

    /// The upstream at *endpoint*.
    pub(crate) fn get(&self, endpoint: &Endpoint) -> Upstream {
        if !endpoint.transport.is_stream() {
            return Upstream(Way::Datagrams(endpoint.address));
        }
        let mut sessions = self.sessions.borrow_mut();
        if let Some(session) = sessions.get(endpoint) {
            return Upstream(Way::Stream(Rc::clone(session)));
        }
        if sessions.len() >= self.prune_at.get() {
            sessions.retain(|_, session| Rc::strong_count(session) > 1 || !session.is_idle());
            self.prune_at.set((2 * sessions.len()).max(SESSIONS));
        }
        let Some(session) = Session::new(endpoint, self.plan.get()) else { return Upstream(Way::NoRoute) };
        let session = Rc::new(session);
        sessions.insert(endpoint.clone(), Rc::clone(&session));
        Upstream(Way::Stream(session))
    }

    /// Send *query* to *upstream* and wait for the reply; the caller sets the time limit by dropping the future. *discarded*
    /// records what comes instead.
    pub(crate) async fn exchange(
        &self,
        upstream: &Upstream,
        query: &[u8],
        stats: &Stats,
        discarded: &Discarded,
    ) -> Result<Vec<u8>, ExchangeError> {
        match &upstream.0 {
            Way::Datagrams(server) => {
                stats.upstream_udp.add(1);
                self.ports.exchange(*server, query, stats, discarded).await
            }
            Way::Stream(session) => {
                stats.upstream_tcp.add(1);
                // Boxed: it is rarer than datagrams, and its future is larger.
                Box::pin(session.exchange(&self.connections, query, discarded)).await
            }
            Way::NoRoute => Err(ExchangeError::NoRoute),
        }
    }
}

/// The ports of one worker.
struct Ports {
    random: Rc<Random>,
    outbox: Rc<Outbox>,
    /// Queries that one port carries before it is given up.
    uses: Cell<u32>,
    idle: [RefCell<Vec<Rc<Port>>>; 2],
    room: RefCell<Vec<u8>>,
}

/// A socket on a random port.
pub(crate) struct Port {
    socket: UdpSocket,
    /// Where it is connected to.
    peer: Cell<SocketAddr>,
    uses: Cell<u32>,
    /// Why its query could not be sent.
    pub(crate) failure: Failure,
}

impl Port {
    /// Send *query* to the server that the port is connected to.
    pub(crate) fn send(&self, query: &[u8]) -> io::Result<()> {
        // The socket is new or drained: its buffer has room for one datagram, and sending need not be waited for.
        SockRef::from(&self.socket).send(query).map(|_| ())
    }

    /// Return when there is something to read, or an error. Fails when the query could not be sent.
    async fn ready(&self) -> io::Result<Ready> {
        let mut ready = pin!(self.socket.ready(Interest::READABLE | Interest::ERROR));
        poll_fn(|context| match self.failure.poll(context) {
            Some(error) => Poll::Ready(Err(error)),
            None => ready.as_mut().poll(context),
        })
        .await
    }
}

impl Ports {
    fn new(random: Rc<Random>, outbox: Rc<Outbox>) -> Ports {
        Ports {
            random,
            outbox,
            uses: Cell::new(ResolverPlan::PORT_USES),
            idle: Default::default(),
            room: RefCell::new(Vec::new()),
        }
    }

    /// Send *query* to *server* and wait for the reply that fits.
    async fn exchange(
        &self,
        server: SocketAddr,
        query: &[u8],
        stats: &Stats,
        discarded: &Discarded,
    ) -> Result<Vec<u8>, ExchangeError> {
        let lease = Lease {
            ports: self,
            family: family(server),
            port: Some(self.take(server)?),
            clean: Cell::new(false),
        };
        let port = lease.port.as_ref().expect("a lease holds its port until it is dropped");
        let socket = &port.socket;
        self.outbox.query(port, query);
        loop {
            if port.ready().await.map_err(|error| classify(&error))?.is_error()
                && let Err(error) = icmp(socket)
            {
                return Err(classify(&error));
            }
            let mut room = self.room.borrow_mut();
            room.resize(ROOM, 0);
            match socket.try_recv_from(&mut room) {
                // A datagram that an earlier server of this port sent is dropped. The scope id is not compared:
                // the kernel reports one for link-local addresses only, whatever the endpoint names.
                Ok((length, from)) if (from.ip(), from.port()) == (server.ip(), server.port()) => {
                    match Fit::of(query, &room[..length]) {
                        Fit::Reply => {
                            lease.clean.set(true);
                            drained(socket);
                            return Ok(room[..length].to_vec());
                        }
                        unfit => {
                            stats.upstream_junk.add(1);
                            discarded.note(query, &room[..length]);
                            if unfit == Fit::WrongId {
                                return Err(ExchangeError::WrongId);
                            }
                        }
                    }
                }
                Ok(_) => stats.upstream_junk.add(1),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(classify(&error)),
            }
        }
    }

    /// An idle port at random or a new one, connected to *server* and with nothing left to read.
    fn take(&self, server: SocketAddr) -> Result<Rc<Port>, ExchangeError> {
        let mut idle = self.idle[family(server)].borrow_mut();
        let port = if idle.len() < CHOICE {
            drop(idle);
            Rc::new(self.open(server.ip()).map_err(|error| classify(&error))?)
        } else {
            let mut at = self.random.below(idle.len());
            for _ in 1..DRAWS {
                if idle[at].peer.get() == server {
                    break;
                }
                at = self.random.below(idle.len());
            }
            idle.swap_remove(at)
        };
        port.failure.clear();
        let uses = port.uses.get() + 1;
        port.uses.set(uses);
        if port.peer.get() != server {
            if uses > 1 {
                // A new address may need another source address: the kernel chooses it for a socket without a peer.
                mmsg::disconnect(port.socket.as_fd()).map_err(|error| classify(&error))?;
            }
            SockRef::from(&port.socket).connect(&server.into()).map_err(|error| not_sent(&error))?;
            port.peer.set(server);
        }
        Ok(port)
    }

    /// A socket on a port that is free, and that chance chose.
    fn open(&self, server: IpAddr) -> io::Result<Port> {
        let any: IpAddr = match server {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let any = SocketAddr::new(any, 0);
        let socket = Socket::new(Domain::for_address(any), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
        if server.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        mmsg::ignore_path_mtu(socket.as_fd(), server.is_ipv6())?;
        let mut tries = TRIES;
        loop {
            let port = FIRST_PORT + self.random.below((1 << 16) - FIRST_PORT);
            match socket.bind(&SocketAddr::new(any.ip(), port as u16).into()) {
                Ok(()) => break,
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries > 0 => tries -= 1,
                Err(error) => return Err(error),
            }
        }
        Ok(Port {
            socket: UdpSocket::from_std(socket.into())?,
            peer: Cell::new(any),
            uses: Cell::new(0),
            failure: Failure::default(),
        })
    }
}

/// A port in use by one query. Dropped, it becomes idle, or is closed when it is used up or may still get a reply.
struct Lease<'p> {
    ports: &'p Ports,
    family: usize,
    port: Option<Rc<Port>>,
    /// Whether the query was answered, so that nothing for it can come any more.
    clean: Cell<bool>,
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let Some(port) = self.port.take() else { return };
        let mut idle = self.ports.idle[self.family].borrow_mut();
        if self.clean.get() && port.uses.get() < self.ports.uses.get() && idle.len() < MOST_IDLE {
            idle.push(port);
        }
    }
}

/// The datagram that was read was the only one: wait for the next event before reading again, as an attempt in vain would
/// do for the price of a system call. What came meanwhile raises an event of its own.
fn drained(socket: &UdpSocket) {
    let _ = socket.try_io(Interest::READABLE, || Err::<(), _>(io::ErrorKind::WouldBlock.into()));
}

fn family(server: SocketAddr) -> usize {
    usize::from(server.is_ipv6())
}

/// The error that the network reported for what this socket sent: it ends the wait.
fn icmp(socket: &UdpSocket) -> io::Result<()> {
    if let Some(error) = socket.take_error()? {
        return Err(error);
    }
    // Nothing after all: forget that there was.
    let _ = socket.try_io(Interest::ERROR, || Err::<(), _>(io::ErrorKind::WouldBlock.into()));
    Ok(())
}

/// What an error means before anything was sent: this machine has no route, rather than that the network reports one.
fn not_sent(error: &io::Error) -> ExchangeError {
    match classify(error) {
        ExchangeError::Unreachable => ExchangeError::NoRoute,
        other => other,
    }
}

/// What an error of a socket means for the query.
pub(crate) fn classify(error: &io::Error) -> ExchangeError {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => ExchangeError::Refused,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => ExchangeError::Unreachable,
        io::ErrorKind::PermissionDenied | io::ErrorKind::AddrNotAvailable => ExchangeError::NoRoute,
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe => ExchangeError::Closed,
        io::ErrorKind::TimedOut => ExchangeError::Timeout,
        _ => ExchangeError::Local,
    }
}

#[cfg(test)]
mod tests;
