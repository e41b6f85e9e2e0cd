//! The world as the resolver sees it: a clock, randomness, and servers that can be asked.
//!
//! Nothing below `net` opens a socket or reads a clock. The resolver is written against [`World`]; `net` implements
//! it with sockets and tokio, the simulator with virtual time and scripted hosts, and the same code runs in both.
//! Futures need not be `Send`: one resolver lives on one worker thread.
//!
//! ```text
//! Endpoint ── World::upstream ──▶ Upstream ─┬─ World::exchange ──▶ one reply
//! (address, transport, name)      (handle)  └─ World::stream ────▶ Replies: many messages (zone transfers)
//! ```

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use nw_wire::header::Header;
use nw_wire::message::replies_to;
use nw_wire::name::Name;

use crate::discarded::Discarded;
use crate::notice::Notice;

/// Microseconds of the world's monotonic clock. Its zero means nothing; only differences do.
pub type Micros = nw_cache::Micros;

/// One second in [`Micros`].
pub const SECOND: Micros = 1_000_000;
/// One millisecond in [`Micros`].
pub const MILLISECOND: Micros = 1_000;

/// How DNS messages travel, between clients and us and between us and upstream servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Datagrams: the source address may be forged, replies must be small. A query to an upstream leaves from a random
    /// port (RFC 5452 §9.2).
    Udp,
    /// A TCP connection: the peer's address is its own. A truncated UDP reply is asked for again over it (RFC 7766 §5).
    Tcp,
}

impl Transport {
    /// The name in plans, explanations, logs and statistics.
    pub fn slug(self) -> &'static str {
        match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
        }
    }

    /// Whether messages travel in a stream of octets, each behind two octets of length (RFC 1035 §4.2.2).
    pub fn is_stream(self) -> bool {
        match self {
            Transport::Udp => false,
            Transport::Tcp => true,
        }
    }
}

/// Which server is asked, and how: what identifies an upstream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Address and port. A link-local IPv6 address carries its interface as the scope id (RFC 4007 §11).
    pub address: SocketAddr,
    /// The transport.
    pub transport: Transport,
    /// The name that the server must prove to have (RFC 8310 §8). None: the server is not authenticated.
    pub authentication: Option<Arc<Name>>,
}

impl Endpoint {
    /// A server that is not authenticated.
    pub fn new(address: SocketAddr, transport: Transport) -> Endpoint {
        Endpoint { address, transport, authentication: None }
    }
}

/// Why a query to an upstream brought no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExchangeError {
    /// Nothing that answers the question arrived before the deadline. The server's timeout is doubled.
    Timeout,
    /// The host said that nobody listens (ICMP port unreachable, TCP reset on connect). The server rests for a while.
    Refused,
    /// The network said that the host or net cannot be reached (ICMP). The server rests for a while.
    Unreachable,
    /// This machine has no route to the address, or is forbidden to use it. Nothing was sent.
    NoRoute,
    /// The stream ended before a whole reply had arrived. Another server is asked.
    Closed,
    /// This machine could not send: no free port, descriptor or buffer. The server is not blamed.
    Local,
    /// A datagram from the server's address repeated the question and had another id: somebody who knows the port may be
    /// guessing ids (RFC 5452 §9.1). The query is sent again over a stream, where guessing does not work.
    WrongId,
}

impl ExchangeError {
    /// The error's name in explanations and logs.
    pub fn slug(self) -> &'static str {
        match self {
            ExchangeError::Timeout => "timeout",
            ExchangeError::Refused => "connection-refused",
            ExchangeError::Unreachable => "unreachable",
            ExchangeError::NoRoute => "no-route",
            ExchangeError::Closed => "closed",
            ExchangeError::Local => "local-error",
            ExchangeError::WrongId => "wrong-id",
        }
    }
}

/// What a message that came from the server's address is to the query that was sent there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It is the reply.
    Reply,
    /// It would be the reply if it had the id of the query.
    WrongId,
    /// It has nothing to do with the query. The wait goes on.
    Unrelated,
}

impl Fit {
    /// Compare *message* with *query*, both whole messages.
    pub fn of(query: &[u8], message: &[u8]) -> Fit {
        /// Octets that hold the header and one question.
        const QUESTION: usize = 12 + 255 + 4;
        if replies_to(query, message) {
            return Fit::Reply;
        }
        let (Some(sent), Some(received)) = (Header::read(query), Header::read(message)) else {
            return Fit::Unrelated;
        };
        if sent.id == received.id {
            return Fit::Unrelated;
        }
        let mut message = message[..message.len().min(QUESTION)].to_vec();
        message[..2].copy_from_slice(&query[..2]);
        if replies_to(query, &message) { Fit::WrongId } else { Fit::Unrelated }
    }
}

/// What the resolver needs from the machine it runs on.
pub trait World: 'static {
    /// A handle on an upstream. Handles on equal endpoints share one session (connections, ports, tickets), which lives
    /// as long as the world finds useful; a handle is cheap to clone and to drop.
    type Upstream: Clone + 'static;

    /// The replies to one query that come as a stream.
    type Replies: Replies;

    /// The time now. It never goes back.
    fn now(&self) -> Micros;

    /// Seconds since 1970 UTC: for signature validity, never for durations.
    fn unix_s(&self) -> u64;

    /// Tell the operator *notice*.
    fn notice(&self, notice: Notice);

    /// 64 bits that an attacker cannot predict: message ids come from here (RFC 5452 §4.4).
    fn random(&self) -> u64;

    /// Return at time *at*, or at once when it has passed.
    fn sleep_until(&self, at: Micros) -> impl Future<Output = ()>;

    /// Let *work* go on beside everything else, with nobody waiting for it.
    fn spawn(&self, work: impl Future<Output = ()> + 'static);

    /// The upstream at *endpoint*. Nothing is sent.
    fn upstream(&self, endpoint: &Endpoint) -> Self::Upstream;

    /// Send one query and return its reply, before *deadline*.
    ///
    /// `query`: a whole message. Only a message from the server's address to the port that the query left from, for which
    /// [`Fit::of`] says [`Fit::Reply`], is returned. The first datagram that says [`Fit::WrongId`] ends the wait
    /// with [`ExchangeError::WrongId`]; anything else is dropped and the wait goes on (RFC 5452 §9.1). Dropping the future
    /// abandons the query.
    ///
    /// *discarded* records what arrived and was dropped, also when the future is dropped.
    ///
    /// Over a stream, the world may send several queries over one connection; the id on the wire is the world's then, and
    /// the reply carries the id of `query`.
    fn exchange(
        &self,
        upstream: &Self::Upstream,
        query: &[u8],
        deadline: Micros,
        discarded: &Discarded,
    ) -> impl Future<Output = Result<Vec<u8>, ExchangeError>>;

    /// Send one query over a stream of its own and return what its replies are read from, before *deadline*. The upstream's
    /// transport must be a stream ([`Transport::is_stream`]); otherwise [`ExchangeError::Local`].
    fn stream(
        &self,
        upstream: &Self::Upstream,
        query: &[u8],
        deadline: Micros,
    ) -> impl Future<Output = Result<Self::Replies, ExchangeError>>;
}

/// The messages that answer one query, such as a zone transfer's (RFC 5936 §2.2). Dropping it closes the connection.
pub trait Replies {
    /// The next message with the id of the query, before *deadline*. The caller knows which one is the last.
    /// [`ExchangeError::Closed`]: the server has ended the stream.
    ///
    /// Messages after the first may lack the question section (RFC 5936 §2.2.1), so that only the id is checked.
    fn next(&mut self, deadline: Micros) -> impl Future<Output = Result<Vec<u8>, ExchangeError>>;
}
