//! The path of a question, as a list. Reading [`stages`] from top to bottom is reading the server.
//!
//! ```text
//! packet ─ parse ─▶ Query ─▶ stages ─▶ Verdict ─▶ finish ─▶ reply
//!                              │ Ask
//!                              └──▶ Pending ─ the resolver, as a task ─▶ complete ─▶ finish ─▶ reply
//! ```
//!
//! Data moves forward: a stage gets the question and the draft of its reply and returns a [`Verdict`]; none wraps
//! another, none writes behind another's back. Whatever is answered from a zone or the cache is answered here, without
//! waiting, allocating or locking more than one shard of the cache.
//!
//! **Panics.** A panic of ours while one packet is handled costs that packet alone: it is caught here, counted, and the
//! client gets SERVFAIL with EDE 0.
//!
//! *Adding a stage*: a function that returns a `Verdict`, and its line in [`stages`] at its moment.

use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};

use nw_cache::{Cache, Micros};
use nw_resolve::{ClientQuestion, Resolution};
use nw_wire::{Ede, Flags, Full, Header, Opcode, Rcode, Rrset, Section, Writer};

use crate::draft::{Draft, Kind};
use crate::query::{Query, Unwelcome};
use crate::snapshot::Snapshot;
use crate::stats::Stats;
use crate::verdict::{Ask, Handled, Pending, Transport, Verdict};
use crate::{admit, finish, local, opcode, route};

/// Everything but the packet that an answer depends on.
#[derive(Clone, Copy)]
pub struct Desk<'d> {
    /// What is served, and by which rules.
    pub snapshot: &'d Snapshot,
    /// Answers that were looked up before. None: every lookup is a miss.
    pub cache: Option<&'d Cache>,
    /// The time, read once for a batch.
    pub now: Micros,
    /// Where it is counted; of the worker that calls.
    pub stats: &'d Stats,
}

/// What is told of a fault of ours.
pub const UNKNOWN: &[(Ede, String)] = &[(Ede::OTHER, String::new())];

/// The stages of an ordinary question, in their order.
#[inline]
fn stages(desk: &Desk<'_>, query: &Query<'_>, from: From, draft: &mut Draft<'_, '_>) -> Result<(), Verdict> {
    opcode::edns_version(query, draft).go()?;
    // Here signatures of transactions are checked (RFC 8945); without keys every signed question is NOTAUTH.
    opcode::tsig(query, draft).go()?;
    admit::client(desk.snapshot, from.client, draft).go()?;
    // Here quotas and cookies admit or slow down; here the view is chosen.
    opcode::question_type(query).go()?;
    let route = route::choose(desk.snapshot, query, from.client, draft);
    admit::route(desk.snapshot, &route, from.client).go()?;
    match route {
        route::Route::Local(answer) => local::answer(answer, query, draft),
        route::Route::Zone(zone) => {
            route::from_zone(desk.snapshot, zone, query, from.client, from.transport, draft)
        }
        route::Route::Unavailable(zone) => route::fail(zone),
        route::Route::Resolve => route::from_cache(desk, query, draft),
        route::Route::Refuse(ede) => Verdict::Refuse(Rcode::REFUSED, ede),
    }
    .go()
    // Here filters act on the draft: response policy, rebinding, order, health.
}

/// Answer *packet*, or say that its answer must be waited for.
///
/// `room`: at least 512 octets, and as many as the largest reply that the transport and the plan allow.
pub fn handle(
    desk: &Desk<'_>,
    packet: &[u8],
    client: SocketAddr,
    transport: Transport,
    room: &mut [u8],
) -> Handled {
    let from = From { client: client.ip(), transport };
    from.counter(desk.stats).add(1);
    match catch_unwind(AssertUnwindSafe(|| handle_guarded(desk, packet, client, from, room))) {
        Ok(handled) => handled,
        Err(_) => {
            desk.stats.panics.add(1);
            servfail(desk, packet, transport, UNKNOWN, room).map_or(Handled::Drop, Handled::Reply)
        }
    }
}

/// Make the late reply to *pending* out of what the resolver found; its length.
pub fn complete(desk: &Desk<'_>, pending: &Pending, resolution: &Resolution, room: &mut [u8]) -> usize {
    let made = catch_unwind(AssertUnwindSafe(|| {
        let query = Query::parse(&pending.packet).ok()?;
        let server = &desk.snapshot.plan().server;
        let mut out = finish::writer(&query, pending.transport, server, room);
        let mut draft = finish::begin(&mut out, &query, server);
        draft.ra = true;
        draft.kind = Kind::Resolved;
        draft.rcode = resolution.rcode;
        draft.truncated = write_resolution(&mut draft, &pending.ask.before, resolution).is_err();
        Some(send(desk, &mut draft, &query, &resolution.ede))
    }));
    match made {
        Ok(Some(length)) => length,
        Ok(None) | Err(_) => {
            desk.stats.panics.add(1);
            servfail(desk, &pending.packet, pending.transport, UNKNOWN, room).unwrap_or(0)
        }
    }
}

/// Make the late reply to *pending* when it was not or could not be looked up: SERVFAIL with the extended errors
/// *told*; its length.
pub fn give_up(desk: &Desk<'_>, pending: &Pending, told: &[(Ede, String)], room: &mut [u8]) -> usize {
    servfail(desk, &pending.packet, pending.transport, told, room).unwrap_or(0)
}

/// The message that answers *question* with *resolution*, for whoever is no client of ours: QR, RD and RA set.
pub fn message(question: &ClientQuestion, resolution: &Resolution) -> Vec<u8> {
    let mut room = vec![0; usize::from(u16::MAX)];
    let flags = Flags::default().with_qr(true).with_rd(true).with_ra(true).with_rcode(resolution.rcode);
    let mut out = Writer::new(&mut room, usize::from(u16::MAX), 0, flags);
    let draft = &mut Draft::new(&mut out);
    draft
        .out
        .question(question.name.as_ref(), question.rtype, question.class)
        .expect("a question fits in 65,535 octets");
    let truncated = write_resolution(draft, &[], resolution).is_err();
    draft.out.set_flags(flags.with_tc(truncated).with_cd(question.checking_disabled));
    let length = draft.out.finish();
    room.truncate(length);
    room
}

/// Who asks, and how.
#[derive(Clone, Copy)]
struct From {
    client: IpAddr,
    transport: Transport,
}

impl From {
    #[inline]
    fn counter(self, stats: &Stats) -> &crate::stats::Counter {
        match (self.transport, self.client) {
            (Transport::Udp, IpAddr::V4(_)) => &stats.queries_udp4,
            (Transport::Udp, IpAddr::V6(_)) => &stats.queries_udp6,
            (Transport::Tcp, IpAddr::V4(_)) => &stats.queries_tcp4,
            (Transport::Tcp, IpAddr::V6(_)) => &stats.queries_tcp6,
        }
    }
}

#[inline]
fn handle_guarded(
    desk: &Desk<'_>,
    packet: &[u8],
    client: SocketAddr,
    from: From,
    room: &mut [u8],
) -> Handled {
    let query = match Query::parse(packet) {
        Ok(query) => query,
        Err(unwelcome) => return refuse_packet(desk, unwelcome, room),
    };
    let server = &desk.snapshot.plan().server;
    let mut out = finish::writer(&query, from.transport, server, room);
    let mut draft = finish::begin(&mut out, &query, server);
    match stages(desk, &query, from, &mut draft) {
        Ok(()) | Err(Verdict::Continue | Verdict::Answer) => {}
        Err(Verdict::Drop) => return Handled::Drop,
        Err(Verdict::Refuse(rcode, ede)) => draft.refuse(rcode, ede),
        Err(Verdict::Fail(failure)) => {
            draft.refuse(Rcode::SERVFAIL, failure.0);
            draft.ede = [None; 2];
            return Handled::Reply(send(desk, &mut draft, &query, &[*failure]));
        }
        Err(Verdict::Ask(ask)) => return later(*ask, packet, client, from.transport),
    }
    Handled::Reply(send(desk, &mut draft, &query, &[]))
}

/// Finish the message and count it.
#[inline]
fn send(desk: &Desk<'_>, draft: &mut Draft<'_, '_>, query: &Query<'_>, told: &[(Ede, String)]) -> usize {
    draft.kind.counter(desk.stats).add(1);
    desk.stats.rcode(draft.rcode);
    if draft.truncated {
        desk.stats.truncated.add(1);
    }
    finish::finish(draft, query, &desk.snapshot.plan().server, told)
}

#[cold]
fn later(ask: Ask, packet: &[u8], client: SocketAddr, transport: Transport) -> Handled {
    Handled::Later(Box::new(Pending { ask, packet: packet.into(), client, transport }))
}

#[cold]
fn refuse_packet(desk: &Desk<'_>, unwelcome: Unwelcome, room: &mut [u8]) -> Handled {
    let (header, rcode) = match unwelcome {
        Unwelcome::Silence => {
            desk.stats.dropped_silence.add(1);
            return Handled::Drop;
        }
        Unwelcome::Malformed(header) => (header, Rcode::FORMERR),
        Unwelcome::Opcode(header, opcode) => (header, opcode::unknown(opcode)),
    };
    desk.stats.kind_error.add(1);
    desk.stats.rcode(rcode);
    Handled::Reply(finish::header_only(header, rcode, room))
}

/// The reply of last resort. None when even the question cannot be read: then there is nothing to reply to.
#[cold]
fn servfail(
    desk: &Desk<'_>,
    packet: &[u8],
    transport: Transport,
    told: &[(Ede, String)],
    room: &mut [u8],
) -> Option<usize> {
    let header = Header::read(packet).filter(|header| !header.flags.qr())?;
    // Built from nothing that could panic again: the quick half of the reader, no zone, no cache.
    let made = catch_unwind(AssertUnwindSafe(|| {
        let query = Query::parse(packet).ok().filter(|_| header.flags.opcode() == Opcode::QUERY)?;
        let server = &desk.snapshot.plan().server;
        let mut out = finish::writer(&query, transport, server, room);
        let mut draft = finish::begin(&mut out, &query, server);
        draft.rcode = Rcode::SERVFAIL;
        Some(send(desk, &mut draft, &query, told))
    }));
    match made {
        Ok(Some(length)) => Some(length),
        Ok(None) | Err(_) => Some(finish::header_only(header, Rcode::SERVFAIL, room)),
    }
}

/// Write aliases of ours, then what the resolver found. Full: something the client needs did not fit.
fn write_resolution(
    draft: &mut Draft<'_, '_>,
    before: &[Rrset],
    resolution: &Resolution,
) -> Result<(), Full> {
    for rrset in before.iter().chain(&resolution.answer) {
        draft.out.rrset(Section::Answer, rrset)?;
    }
    for rrset in &resolution.authority {
        draft.out.rrset(Section::Authority, rrset)?;
    }
    for rrset in &resolution.additional {
        if draft.out.rrset(Section::Additional, rrset).is_err() {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
