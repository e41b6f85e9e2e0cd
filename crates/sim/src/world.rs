//! The resolver's [`World`] over the simulated network.

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};

use nw_resolve::{Discarded, Endpoint, ExchangeError, Fit, Micros, Notice, Replies, Transport, World};
use nw_wire::message::Message;

use crate::net::{Acceptance, Arrival, Net, Socket};
use crate::packet::Packet;
use crate::random::Random;

/// A query that the resolver sent.
#[derive(Clone, Debug, PartialEq)]
pub struct SentQuery {
    /// The time.
    pub at: Micros,
    /// The server.
    pub server: SocketAddr,
    /// The transport.
    pub via: Transport,
    /// The message; None if the octets were not a message.
    pub packet: Option<Packet>,
}

/// One machine in the simulated network.
pub struct SimWorld {
    net: Net,
    addresses: Vec<IpAddr>,
    unix_at_zero: u64,
    rng: RefCell<Random>,
    asked: RefCell<Vec<SentQuery>>,
    notices: RefCell<Vec<Notice>>,
}

impl SimWorld {
    /// A machine with `addresses` (one of each family that it can use). The Unix time at virtual time zero is
    /// `unix_at_zero`.
    pub fn new(net: Net, addresses: Vec<IpAddr>, unix_at_zero: u64) -> SimWorld {
        let label =
            addresses.first().map_or_else(|| "world".to_owned(), |address| format!("world {address}"));
        let rng = RefCell::new(Random::stream(net.seed(), &label));
        let (asked, notices) = (RefCell::default(), RefCell::default());
        SimWorld { net, addresses, unix_at_zero, rng, asked, notices }
    }

    /// All queries sent so far.
    pub fn asked(&self) -> std::cell::Ref<'_, Vec<SentQuery>> {
        self.asked.borrow()
    }

    /// All notices for the operator so far.
    pub fn notices(&self) -> std::cell::Ref<'_, Vec<Notice>> {
        self.notices.borrow()
    }

    /// The network that it is part of.
    pub fn net(&self) -> &Net {
        &self.net
    }
}

impl World for SimWorld {
    // A simulated machine keeps no connections: each query has its own port or connection.
    type Upstream = Endpoint;
    type Replies = SimReplies;

    fn now(&self) -> Micros {
        self.net.clock().now()
    }

    fn unix_s(&self) -> u64 {
        self.unix_at_zero + self.now() / 1_000_000
    }

    fn notice(&self, notice: Notice) {
        self.notices.borrow_mut().push(notice);
    }

    fn random(&self) -> u64 {
        self.rng.borrow_mut().next()
    }

    async fn sleep_until(&self, at: Micros) {
        self.net.clock().sleep_until(at).await;
    }

    fn spawn(&self, work: impl Future<Output = ()> + 'static) {
        self.net.clock().spawn(work);
    }

    fn upstream(&self, endpoint: &Endpoint) -> Endpoint {
        endpoint.clone()
    }

    async fn exchange(
        &self,
        upstream: &Endpoint,
        query: &[u8],
        deadline: Micros,
        discarded: &Discarded,
    ) -> Result<Vec<u8>, ExchangeError> {
        let server = upstream.address;
        let socket = self.send(upstream, query, deadline).await?;
        loop {
            let (from, message) = arrived(socket.receive(deadline).await)?;
            match Fit::of(query, &message) {
                Fit::Reply if from == server => return Ok(message),
                Fit::WrongId if from == server && !upstream.transport.is_stream() => {
                    discarded.note(query, &message);
                    return Err(ExchangeError::WrongId);
                }
                // Unrelated packets do not end the wait (RFC 5452 §9.1).
                _ if from == server => discarded.note(query, &message),
                _ => {}
            }
        }
    }

    async fn stream(
        &self,
        upstream: &Endpoint,
        query: &[u8],
        deadline: Micros,
    ) -> Result<SimReplies, ExchangeError> {
        if !upstream.transport.is_stream() {
            return Err(ExchangeError::Local);
        }
        let id = query.first_chunk().copied().ok_or(ExchangeError::Local)?;
        Ok(SimReplies { socket: self.send(upstream, query, deadline).await?, id })
    }
}

impl SimWorld {
    /// Send `query` from a new port, over a new connection if the transport has connections.
    async fn send(
        &self,
        upstream: &Endpoint,
        query: &[u8],
        deadline: Micros,
    ) -> Result<Socket, ExchangeError> {
        let Endpoint { address: server, transport, .. } = *upstream;
        let local = self.addresses.iter().find(|address| address.is_ipv4() == server.is_ipv4());
        let local = *local.ok_or(ExchangeError::NoRoute)?;
        let socket = self.net.bind(local, &mut self.rng.borrow_mut());
        let packet = Message::parse(query).ok().map(|message| Packet::of(&message));
        self.asked.borrow_mut().push(SentQuery { at: self.now(), server, via: transport, packet });
        if transport.is_stream() {
            match socket.connect(server, deadline).await {
                Acceptance::Accepted => {}
                Acceptance::Refused => return Err(ExchangeError::Refused),
                Acceptance::Silent => return Err(ExchangeError::Timeout),
            }
        }
        socket.send(server, transport, query.to_vec());
        Ok(socket)
    }
}

/// A connection whose messages answer one query.
pub struct SimReplies {
    socket: Socket,
    id: [u8; 2],
}

impl Replies for SimReplies {
    async fn next(&mut self, deadline: Micros) -> Result<Vec<u8>, ExchangeError> {
        loop {
            let (_, message) = arrived(self.socket.receive(deadline).await)?;
            if message.first_chunk() == Some(&self.id) {
                return Ok(message);
            }
        }
    }
}

/// Return the message and its sender, or the error that occurred instead.
fn arrived(arrival: Option<Arrival>) -> Result<(SocketAddr, Vec<u8>), ExchangeError> {
    match arrival {
        None => Err(ExchangeError::Timeout),
        Some(Arrival::Refused) => Err(ExchangeError::Refused),
        Some(Arrival::Unreachable) => Err(ExchangeError::Unreachable),
        Some(Arrival::Closed) => Err(ExchangeError::Closed),
        Some(Arrival::Message(from, message)) => Ok((from, message)),
    }
}
