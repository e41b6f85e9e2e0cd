//! Questions to servers: datagrams from random ports, and streams.
//!
//! ```text
//! exchange ─ take a socket ─▶ connect to the server ─▶ send ─▶ wait ─▶ reply that fits ─▶ give the socket back
//!               │ idle ones at random, else a new one on a random port             used up? close it
//! ```
//!
//! **What protects a question** (RFC 5452, attacks C1, C2, C4, C11). A socket carries one question at a time. It is
//! *connected* to the server, so that the kernel takes packets from that address and port alone, anybody else who tries
//! a port is told that it is closed, and an ICMP error reaches the question it belongs to and no other. A reply must
//! repeat id and question to the octet; what does not is counted and the wait goes on. A reply that does and cannot be
//! read further ends the wait, for RFC 5452 §9.1 asks no more of a reply, and whoever can forge that much could as well
//! forge one that reads well: the resolver asks again at once over TCP, where nobody off the path has a say.
//!
//! **Ports.** Each new socket takes a port at random out of the 64,512 from 1024 up (15.98 bits), whatever range the
//! kernel would use. Opening, binding and closing a socket costs more than the question itself, so a socket serves
//! `port_uses` questions (of the plan) before it is closed, always the next one picked at random among those that are idle. An attacker
//! who owns a server sees ports in use there; the chance that the next question to somebody else leaves from a port he
//! has seen and that is still alive is what `docs/performance.md` calls conditional entropy. An idle socket stays
//! connected, a new one is connected to a place that never answers, so that no port can be found by scanning.
//!
//! *Limitations.* A connection for each question over TCP.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::rc::Rc;

use nw_resolve::{ExchangeError, Fit};
use nw_serve::Stats;
use nw_serve::plan::ResolverPlan;
use nw_wire::message::replies_to;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{TcpStream, UdpSocket};

use crate::mmsg;
use crate::random::Random;

/// Idle sockets of one family from which the next is picked; below it a new one is opened.
const CHOICE: usize = 64;
/// Idle sockets kept of one family.
const MOST_IDLE: usize = 256;
/// Ports below are left to services.
const FIRST_PORT: usize = 1024;
/// Ports tried until one is free.
const TRIES: usize = 32;
/// Octets of the largest datagram.
const ROOM: usize = 65_535;

/// The upstream sockets of one worker.
pub(crate) struct Upstream {
    random: Rc<Random>,
    /// Questions that one socket carries before its port is given up.
    uses: Cell<u32>,
    idle: [RefCell<Vec<Port>>; 2],
    room: RefCell<Vec<u8>>,
}

/// A socket on a random port.
struct Port {
    socket: UdpSocket,
    uses: u32,
}

impl Upstream {
    pub(crate) fn new(random: Rc<Random>) -> Upstream {
        Upstream {
            random,
            uses: Cell::new(ResolverPlan::PORT_USES),
            idle: Default::default(),
            room: RefCell::new(Vec::new()),
        }
    }

    /// Give a port up after *uses* questions.
    pub(crate) fn set_uses(&self, uses: u32) {
        self.uses.set(uses);
    }

    /// Ask *server* over UDP and wait for the reply that fits; the caller sets the time limit by dropping the future.
    pub(crate) async fn udp(
        &self,
        server: SocketAddr,
        query: &[u8],
        stats: &Stats,
    ) -> Result<Vec<u8>, ExchangeError> {
        let lease = Lease {
            upstream: self,
            family: family(server),
            port: Some(self.take(server)?),
            clean: Cell::new(false),
        };
        let socket = &lease.port.as_ref().expect("a lease holds its port until it is dropped").socket;
        // The socket is new or drained: its buffer has room for one datagram, and sending need not be waited for.
        SockRef::from(socket).send(query).map_err(|error| classify(&error))?;
        loop {
            let waiting = socket.ready(Interest::READABLE | Interest::ERROR).await;
            if waiting.map_err(|error| classify(&error))?.is_error()
                && let Err(error) = icmp(socket)
            {
                return Err(classify(&error));
            }
            let mut room = self.room.borrow_mut();
            room.resize(ROOM, 0);
            match socket.try_recv_from(&mut room) {
                // What waits from a former connection of the port is told apart by its sender.
                Ok((length, from)) if from == server => match Fit::of(query, &room[..length]) {
                    Fit::Reply => {
                        lease.clean.set(true);
                        return Ok(room[..length].to_vec());
                    }
                    Fit::WrongId => {
                        stats.upstream_junk.add(1);
                        return Err(ExchangeError::WrongId);
                    }
                    Fit::Unrelated => stats.upstream_junk.add(1),
                },
                Ok(_) => stats.upstream_junk.add(1),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(classify(&error)),
            }
        }
    }

    /// Ask *server* over TCP and wait for the reply that fits (RFC 7766).
    pub(crate) async fn tcp(
        &self,
        server: SocketAddr,
        query: &[u8],
        stats: &Stats,
    ) -> Result<Vec<u8>, ExchangeError> {
        let mut stream = send_tcp(server, query).await?;
        loop {
            let reply = read_tcp(&mut stream).await?;
            if replies_to(query, &reply) {
                return Ok(reply);
            }
            stats.upstream_junk.add(1);
        }
    }

    /// An idle socket at random or a new one, connected to *server* and with nothing left to read.
    fn take(&self, server: SocketAddr) -> Result<Port, ExchangeError> {
        let mut idle = self.idle[family(server)].borrow_mut();
        let mut port = if idle.len() < CHOICE {
            drop(idle);
            self.open(server.ip()).map_err(|error| classify(&error))?
        } else {
            let at = self.random.below(idle.len());
            idle.swap_remove(at)
        };
        port.uses += 1;
        mmsg::disconnect(port.socket.as_fd()).map_err(|error| classify(&error))?;
        SockRef::from(&port.socket).connect(&server.into()).map_err(|error| classify(&error))?;
        Ok(port)
    }

    /// A socket on a port that is free, and that chance chose.
    fn open(&self, server: IpAddr) -> io::Result<Port> {
        let (any, nowhere): (IpAddr, IpAddr) = match server {
            IpAddr::V4(_) => (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(_) => (Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::LOCALHOST.into()),
        };
        let socket = Socket::new(
            Domain::for_address((any, 0).into()),
            Type::DGRAM.nonblocking(),
            Some(Protocol::UDP),
        )?;
        if server.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        mmsg::ignore_path_mtu(socket.as_fd(), server.is_ipv6())?;
        let mut tries = TRIES;
        loop {
            let port = FIRST_PORT + self.random.below((1 << 16) - FIRST_PORT);
            match socket.bind(&SocketAddr::new(any, port as u16).into()) {
                Ok(()) => break,
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries > 0 => tries -= 1,
                Err(error) => return Err(error),
            }
        }
        // Discard: until its first question the port takes packets from there alone.
        socket.connect(&SocketAddr::new(nowhere, 9).into())?;
        Ok(Port { socket: UdpSocket::from_std(socket.into())?, uses: 0 })
    }
}

/// A socket on loan to one question. Dropped, it goes back, or is closed when it is used up or may still get a reply.
struct Lease<'u> {
    upstream: &'u Upstream,
    family: usize,
    port: Option<Port>,
    /// Whether the question was answered, so that nothing for it can come any more.
    clean: Cell<bool>,
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let Some(port) = self.port.take() else { return };
        let mut idle = self.upstream.idle[self.family].borrow_mut();
        if self.clean.get() && port.uses < self.upstream.uses.get() && idle.len() < MOST_IDLE {
            idle.push(port);
        }
    }
}

/// Send one query over a new TCP connection (RFC 7766).
pub(crate) async fn send_tcp(server: SocketAddr, query: &[u8]) -> Result<TcpStream, ExchangeError> {
    let mut stream = TcpStream::connect(server).await.map_err(|error| classify(&error))?;
    let _ = stream.set_nodelay(true);
    let length = u16::try_from(query.len()).map_err(|_| ExchangeError::Local)?;
    // One segment, so that a server that reads once sees all of it (RFC 7766 §8).
    let framed = [&length.to_be_bytes(), query].concat();
    stream.write_all(&framed).await.map_err(closed)?;
    Ok(stream)
}

/// The next message of a stream.
pub(crate) async fn read_tcp(stream: &mut TcpStream) -> Result<Vec<u8>, ExchangeError> {
    let length = stream.read_u16().await.map_err(closed)?;
    let mut message = vec![0; usize::from(length)];
    stream.read_exact(&mut message).await.map_err(closed)?;
    Ok(message)
}

fn closed(error: io::Error) -> ExchangeError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => ExchangeError::Closed,
        _ => classify(&error),
    }
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

/// What an error of a socket means for the question.
fn classify(error: &io::Error) -> ExchangeError {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => ExchangeError::Refused,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => ExchangeError::Unreachable,
        io::ErrorKind::PermissionDenied | io::ErrorKind::AddrNotAvailable => ExchangeError::NoRoute,
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
            ExchangeError::Closed
        }
        io::ErrorKind::TimedOut => ExchangeError::Timeout,
        _ => ExchangeError::Local,
    }
}
