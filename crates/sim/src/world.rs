//! The resolver's [`World`] over the simulated network.

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};

use nw_resolve::{ExchangeError, Micros, Via, World};
use nw_wire::message::{Message, replies_to};

use crate::dice::Dice;
use crate::net::{Arrival, Door, Net};
use crate::packet::Packet;

/// A question that the resolver sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// When.
    pub at: Micros,
    /// Whom.
    pub server: SocketAddr,
    /// Over what.
    pub via: Via,
    /// What; None when it was no message.
    pub packet: Option<Packet>,
}

/// One machine in the simulated network.
pub struct SimWorld {
    net: Net,
    addresses: Vec<IpAddr>,
    unix_at_zero: u64,
    dice: RefCell<Dice>,
    asked: RefCell<Vec<Asked>>,
}

impl SimWorld {
    /// A machine that has `addresses` (one of each family that it can use), where virtual time zero is `unix_at_zero`.
    pub fn new(net: Net, addresses: Vec<IpAddr>, unix_at_zero: u64) -> SimWorld {
        let label =
            addresses.first().map_or_else(|| "world".to_owned(), |address| format!("world {address}"));
        let dice = RefCell::new(Dice::stream(net.seed(), &label));
        SimWorld { net, addresses, unix_at_zero, dice, asked: RefCell::default() }
    }

    /// Every question sent so far.
    pub fn asked(&self) -> std::cell::Ref<'_, Vec<Asked>> {
        self.asked.borrow()
    }

    /// The network that it is part of.
    pub fn net(&self) -> &Net {
        &self.net
    }
}

impl World for SimWorld {
    fn now(&self) -> Micros {
        self.net.clock().now()
    }

    fn unix_s(&self) -> u64 {
        self.unix_at_zero + self.now() / 1_000_000
    }

    fn random(&self) -> u64 {
        self.dice.borrow_mut().next()
    }

    async fn sleep_until(&self, at: Micros) {
        self.net.clock().sleep_until(at).await;
    }

    async fn exchange(
        &self,
        server: SocketAddr,
        via: Via,
        query: &[u8],
        deadline: Micros,
    ) -> Result<Vec<u8>, ExchangeError> {
        let family = self.addresses.iter().find(|address| address.is_ipv4() == server.is_ipv4());
        let Some(local) = family else { return Err(ExchangeError::NoRoute) };
        let socket = self.net.bind(*local, &mut self.dice.borrow_mut());
        let packet = Message::parse(query).ok().map(|message| Packet::of(&message));
        self.asked.borrow_mut().push(Asked { at: self.now(), server, via, packet });
        if via == Via::Tcp {
            match socket.connect(server, deadline).await {
                Door::Open => {}
                Door::Refused => return Err(ExchangeError::Refused),
                Door::Silent => return Err(ExchangeError::Timeout),
            }
        }
        socket.send(server, via, query.to_vec());
        loop {
            match socket.receive(deadline).await {
                None => return Err(ExchangeError::Timeout),
                Some(Arrival::Refused) => return Err(ExchangeError::Refused),
                Some(Arrival::Unreachable) => return Err(ExchangeError::Unreachable),
                Some(Arrival::Closed) => return Err(ExchangeError::Closed),
                Some(Arrival::Message(from, reply)) if from == server && replies_to(query, &reply) => {
                    return Ok(reply);
                }
                // Junk never ends the wait (RFC 5452 §9.1).
                Some(Arrival::Message(..)) => {}
            }
        }
    }
}
