//! What telemetry receives of a response: the request, the kind of answer, and the messages that were sent.

use std::net::SocketAddr;

use nw_cache::Micros;
use nw_wire::{Flags, Header, Rcode};

use crate::context::{Context, Environment};
use crate::response::{Response, ResponseKind};
use crate::telemetry::Event;
use crate::verdict::Transport;

/// Report the response *reply* to telemetry.
#[cold]
#[inline(never)]
pub(crate) fn report_reply(context: &Context<'_>, left: Left, reply: &[u8]) {
    let Context { client, transport, received, .. } = *context;
    let asked = Asked { packet: context.query.packet, client, transport, received };
    report(context.environment, &asked, left, &Sent::one(reply));
}

/// The properties of a response that telemetry cannot read from its octets.
#[derive(Clone, Copy)]
pub(crate) struct Left {
    pub(crate) rcode: Rcode,
    pub(crate) kind: ResponseKind,
}

impl Left {
    #[inline]
    pub(crate) fn of(response: &Response<'_, '_>) -> Left {
        Left { rcode: response.rcode, kind: response.kind }
    }
}

/// A request, as telemetry shows it.
pub(crate) struct Asked<'p> {
    pub(crate) packet: &'p [u8],
    pub(crate) client: SocketAddr,
    pub(crate) transport: Transport,
    pub(crate) received: Micros,
}

/// The messages of a response.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sent {
    messages: u32,
    octets: u64,
    /// The flags of the last one.
    flags: Flags,
}

impl Sent {
    pub(crate) fn one(message: &[u8]) -> Sent {
        let mut sent = Sent::default();
        sent.add(message);
        sent
    }

    /// Count *message*.
    pub(crate) fn add(&mut self, message: &[u8]) {
        self.messages += 1;
        self.octets += message.len() as u64;
        self.flags = Header::read(message).map_or(self.flags, |header| header.flags);
    }
}

/// Report a response to telemetry.
#[cold]
pub(crate) fn report(environment: &Environment<'_>, asked: &Asked<'_>, left: Left, sent: &Sent) {
    let Some(ring) = environment.telemetry else { return };
    ring.push(Event {
        at: environment.now,
        took: environment.now.saturating_sub(asked.received),
        client: asked.client,
        transport: asked.transport,
        query: asked.packet.into(),
        rcode: left.rcode,
        flags: sent.flags,
        source: left.kind.source(),
        messages: sent.messages,
        octets: sent.octets,
    });
}
