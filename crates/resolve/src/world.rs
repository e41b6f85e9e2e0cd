//! The world as the resolver sees it: a clock, randomness, and servers that can be asked.
//!
//! Nothing below `net` opens a socket or reads a clock. The resolver is written against this trait; `net` implements
//! it with sockets and tokio, the simulator with virtual time and scripted hosts, and the same code runs in both.
//! Futures need not be `Send`: one resolver lives on one worker thread.

use std::future::Future;
use std::net::SocketAddr;

/// Microseconds of the world's monotonic clock. Its zero means nothing; only differences do.
pub type Micros = nw_cache::Micros;

/// One second in [`Micros`].
pub const SECOND: Micros = 1_000_000;
/// One millisecond in [`Micros`].
pub const MILLISECOND: Micros = 1_000;

/// The transport of one question to one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Via {
    /// One datagram each way, from a fresh random source port (RFC 5452 §9.2).
    Udp,
    /// A connection; also what a truncated UDP reply is asked again over (RFC 7766 §5).
    Tcp,
}

impl Via {
    /// The transport's name in explanations and logs.
    pub fn slug(self) -> &'static str {
        match self {
            Via::Udp => "udp",
            Via::Tcp => "tcp",
        }
    }
}

/// Why a question to a server brought no reply.
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
        }
    }
}

/// What the resolver needs from the machine it runs on.
pub trait World: 'static {
    /// The time now. It never goes back.
    fn now(&self) -> Micros;

    /// Seconds since 1970 UTC: for signature validity, never for durations.
    fn unix_s(&self) -> u64;

    /// 64 bits that an attacker cannot predict: message ids come from here (RFC 5452 §4.4).
    fn random(&self) -> u64;

    /// Return at time *at*, or at once when it has passed.
    fn sleep_until(&self, at: Micros) -> impl Future<Output = ()>;

    /// Ask *server* one question and return its reply, before *deadline*.
    ///
    /// `query`: a whole message. A reply is handed up only if it came from `server` to the port that the question left
    /// from and [`nw_wire::message::replies_to`] holds. Anything else is dropped and the wait goes on: junk never
    /// ends it (RFC 5452 §9.1). Dropping the future abandons the question.
    fn exchange(
        &self,
        server: SocketAddr,
        via: Via,
        query: &[u8],
        deadline: Micros,
    ) -> impl Future<Output = Result<Vec<u8>, ExchangeError>>;
}
