//! The path of a request, as a list of stages. [`stages`] and [`exit`], read from top to bottom, describe the server.
//!
//! ```text
//! packet ─ parse ─▶ Context ─▶ stages ─▶ Verdict ─▶ exit ─▶ response
//!                                │ Ask, Control       ▲
//!                                └──▶ Pending ────────┘   complete: with the results of the resolver, as a task
//!                                                         complete_with: with the response of the control plane
//!                                                         give_up: the lookup or the control plane failed
//! ```
//!
//! A stage receives the context and the response so far and returns a [`Verdict`]. Every response leaves through the
//! same exit: zone answers, cache hits, late answers, refusals and failures. The pipeline answers from zones and the
//! cache immediately, without waiting, allocating or locking more than one shard of the cache. The exit has these
//! steps, in order:
//!
//! | step | function | input or effect |
//! |---|---|---|
//! | filters | [`settle_and_filter`] | the RRsets, before OPT; may refuse, drop or request a lookup |
//! | rate limit | `limit.rs` | the final rcode, kind and records; may drop the response or cut it to TC |
//! | count, record | [`close`] | the final rcode and kind |
//! | finish | `finish.rs` | writes OPT, extended errors and the header |
//! | sign | [`leave`] | the final octets (RFC 8945 §5.3) |
//! | report | [`leave`] | the octets that are sent; telemetry receives an event |
//!
//! A stream passes finish, sign and report. A response to a packet that is no query consists of a header, and perhaps OPT. It passes
//! the rate limit and is reported.
//!
//! **Panics.** A panic while one packet is handled affects only that packet. The pipeline catches and counts it, and
//! the client gets SERVFAIL with EDE 0. That response skips the filters, because a filter may have panicked, and is
//! not signed.
//!
//! *Adding a stage*: write a function that returns a `Verdict` and add it to [`stages`] where it has to run. For a
//! filter, an opcode or a policy, see `filter.rs`, `opcode.rs` and the crate `nw-policy`.

use std::cell::Cell;
use std::mem;
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use nw_policy::Limited;
use nw_resolve::trace::{Layer, Reason};
use nw_resolve::{ClientQuestion, Resolution, Validation};
use nw_wire::header::HEADER;
use nw_wire::{Ede, Full, Header, Opcode, Rcode, RrType};

pub use crate::context::{Context, Environment};
use crate::opcode::query::edns_version;
use crate::query::{Query, Rejected, Wanted};
use crate::report::{Asked, Left, Sent, report, report_reply};
use crate::response::{Response, ResponseKind};
use crate::sections::{self, Sections};
use crate::stats::{Counter, Stats};
use crate::verdict::{Ask, Causes, Handled, Made, Messages, Pending, Refusal, Second, Transport, Verdict};
use crate::{admit, detect, finish, limit, opcode, policies, receipt, route, tsig, view};

/// The extended error of a fault of this server.
pub fn internal_failure() -> [(Ede, String); 1] {
    [(Ede::OTHER, "a fault of this server; `nw ctl stats` counts it as panics".to_owned())]
}

/// Maximum number of sequential lookups for one request. Stops filters that keep asking for each other's answers.
const MAX_LOOKUPS: u8 = 8;

/// The stages of a request, in their order.
#[inline]
fn stages(context: &mut Context<'_>, response: &mut Response<'_, '_>) -> Result<(), Verdict> {
    tsig::check(context, response).go()?;
    widen(context, response);
    edns_version(context, response).go()?;
    admit::client(context, response).go()?;
    // Quotas and cookies admit or slow down here.
    view::select(context).go()?;
    opcode::dispatch(context, response).go()
}

/// Run the exit up to the finished message. Returns `Err` if no response is available now.
#[inline(always)]
fn exit(
    context: &mut Context<'_>,
    outcome: Result<(), Verdict>,
    response: &mut Response<'_, '_>,
    errors: &[(Ede, String)],
) -> Result<usize, Handled> {
    match outcome {
        Ok(()) | Err(Verdict::Answer) if !context.snapshot().filters_answers() => {
            // Neither value owns anything. The compiler cannot prove it, and would call the drop glue of all
            // verdicts.
            mem::forget(outcome);
            close(context, response, errors)
        }
        outcome => settle_and_filter(context, outcome, response, errors),
    }
}

/// Run the exit for a response that a verdict or a filter may still change. Returns `Err` if no response is
/// available now.
#[cold]
fn settle_and_filter(
    context: &mut Context<'_>,
    outcome: Result<(), Verdict>,
    response: &mut Response<'_, '_>,
    errors: &[(Ede, String)],
) -> Result<usize, Handled> {
    let mut failure = None;
    if let Err(verdict) = outcome {
        settle(context, verdict, response, &mut failure)?;
    }
    filter(context, response, &mut failure)?;
    response.cut(finish::limit(context.query, context.transport, &context.snapshot().plan().server));
    let errors = if failure.is_some() { &[] } else { errors };
    if let Some(mut causes) = failure {
        response.notes = match response.notes.take() {
            // What the operator put in the place of an answer does not show what the answer lacked.
            Some(notes) if response.kind == ResponseKind::Policy => Some(notes),
            Some(notes) => {
                causes.0.splice(0..0, notes.0);
                causes.1 = notes.1.or(causes.1);
                Some(causes)
            }
            None => Some(causes),
        };
    }
    close(context, response, errors)
}

/// Limit, count, record and finish the response. Returns its length, or `Err` if it is not sent.
#[inline(always)]
fn close(
    context: &Context<'_>,
    response: &mut Response<'_, '_>,
    errors: &[(Ede, String)],
) -> Result<usize, Handled> {
    if let Some(rrl) = context.snapshot().rrl()
        && let Some(limited) = limit::respond(context, rrl, response)
    {
        return limited;
    }
    if let Some(detector) = context.snapshot().detector()
        && let Some(limited) = detect::respond(context, detector, response)
    {
        return limited;
    }
    count(context, response);
    let mut notes = response.notes.take();
    if let Some(notes) = &mut notes
        && response.kind != ResponseKind::Policy
    {
        notes.0.extend_from_slice(errors);
    }
    let errors = notes.as_ref().map_or(errors, |notes| &notes.0);
    let because = notes.as_ref().and_then(|notes| notes.1.as_ref());
    let fine = matches!(response.rcode, Rcode::NOERROR | Rcode::NXDOMAIN);
    if !fine && context.lookups == 0 || because.is_some() {
        record(context, response, errors, because, true);
    }
    let (server, receipt) = (&context.snapshot().plan().server, &context.environment.receipt);
    Ok(finish::finish(response, context.query, server, errors, receipt))
}

/// Complete the exit: sign the finished message, the first *length* octets of *room*, and report it. Returns its
/// length.
#[inline]
fn leave(context: &mut Context<'_>, left: Left, room: &mut [u8], length: usize) -> usize {
    let length = match context.signature.take() {
        None => length,
        Some(mut signature) => signature.sign(context.unix_s(), room, length),
    };
    if context.environment.telemetry.is_some() {
        report_reply(context, left, &room[..length]);
    }
    length
}

/// Record a refusal, a failure without a lookup, or a response that is not sent, in the flight recorder. The recorder receives lookups with
/// their steps.
#[cold]
pub(crate) fn record(
    context: &Context<'_>,
    response: &Response<'_, '_>,
    errors: &[(Ede, String)],
    because: Option<&Reason>,
    sent: bool,
) {
    if let Some(recorder) = context.environment.recorder {
        let own = response.ede.iter().flatten().map(|ede| (*ede, String::new()));
        let errors = own.chain(errors.iter().cloned()).collect();
        recorder.note_refusal(context, response, errors, because, sent);
    }
}

/// Apply *verdict*. Returns `Err` if no response is available now.
#[cold]
fn settle(
    context: &mut Context<'_>,
    verdict: Verdict,
    response: &mut Response<'_, '_>,
    failure: &mut Option<Box<Causes>>,
) -> Result<(), Handled> {
    match verdict {
        Verdict::Continue | Verdict::Answer => Ok(()),
        Verdict::AnswerWith(because) => {
            *failure = Some(because);
            Ok(())
        }
        Verdict::Drop => {
            context.step(|| (Layer::Filter, Reason::NoResponse));
            // Without a note, nobody has asked for what is dropped.
            if let Some(notes) = response.notes.take() {
                record(context, response, &notes.0, notes.1.as_ref(), false);
            }
            Err(Handled::Drop)
        }
        Verdict::Refuse(refusal) => {
            let Refusal { rcode, causes } = *refusal;
            response.refuse(rcode);
            response.notes = Some(Box::new(causes));
            *failure = None;
            Ok(())
        }
        Verdict::Fail(because) => {
            response.refuse(Rcode::SERVFAIL);
            *failure = Some(because);
            Ok(())
        }
        Verdict::Ask(_) if context.lookups >= MAX_LOOKUPS => {
            response.refuse(Rcode::SERVFAIL);
            response.note(Ede::OTHER, format!("filters need more than {MAX_LOOKUPS} lookups for one query"));
            Ok(())
        }
        Verdict::Ask(ask) => {
            if let Some(detector) = context.snapshot().detector()
                && let Some((rcode, because)) = detect::lookup(context, detector)
            {
                response.refuse(rcode);
                response.notes = Some(because);
                return Ok(());
            }
            Err(Handled::Later(later(context, *ask)))
        }
        Verdict::Stream(_) if context.transport == Transport::Udp => {
            // TC sends the client to TCP (RFC 1995 §2).
            response.out.clear();
            response.truncated = true;
            Ok(())
        }
        Verdict::Stream(mut stream) => {
            stream.pending = Some(later(context, nothing_asked(context.query)));
            Err(Handled::Stream(stream))
        }
        Verdict::Control => Err(Handled::Control(later(context, nothing_asked(context.query)))),
    }
}

/// Allow the response to exceed the client's size limit if filters may make it smaller. [`Response::cut`] follows.
#[inline]
fn widen(context: &Context<'_>, response: &mut Response<'_, '_>) {
    if context.snapshot().filters_answers() {
        response.out.widen();
    }
}

/// Apply the filters in order.
#[cold]
fn filter(
    context: &mut Context<'_>,
    response: &mut Response<'_, '_>,
    failure: &mut Option<Box<Causes>>,
) -> Result<(), Handled> {
    match policies::after(context, response) {
        Verdict::Continue => {}
        verdict => return settle(context, verdict, response, failure),
    }
    if response.kind == ResponseKind::Policy {
        // What the operator put in the place of an answer stays.
        return Ok(());
    }
    for filter in context.snapshot().filters() {
        let mut verdict = filter.apply(context, response);
        if !matches!(verdict, Verdict::Continue) {
            let effect = match verdict {
                Verdict::Ask(_) => "looks up more",
                Verdict::Drop => "drops the response",
                Verdict::Refuse(..) | Verdict::Fail(_) => "refuses the query",
                _ => "ends the answer",
            };
            let reason = Reason::Filtered { filter: filter.name(), effect };
            context.step(|| (Layer::Filter, reason.clone()));
            if let Verdict::Refuse(refusal) = &mut verdict {
                refusal.causes.1.get_or_insert(reason);
            }
            return settle(context, verdict, response, failure);
        }
    }
    Ok(())
}

#[cold]
fn later(context: &mut Context<'_>, ask: Ask) -> Box<Pending> {
    Box::new(Pending::new(context, ask))
}

/// The placeholder for a request that waits for something other than a lookup.
fn nothing_asked(query: &Query<'_>) -> Ask {
    Ask::new(ClientQuestion::new(query.qname.to_name(), query.qtype))
}

/// Answer *packet*, or return what its answer has to wait for.
///
/// `room`: at least 512 octets, and at least the size of the largest response that the transport and the plan allow.
pub fn handle(
    environment: &Environment<'_>,
    packet: &[u8],
    client: SocketAddr,
    transport: Transport,
    room: &mut [u8],
) -> Handled {
    queries(environment.stats, client.ip(), transport).add(1);
    match catch_unwind(AssertUnwindSafe(|| handle_guarded(environment, packet, client, transport, room))) {
        Ok(handled) => handled,
        Err(_) => panicked(environment, packet, &client, transport, room),
    }
}

/// Make the late response to *pending* from the resolver's results: one resolution for each of its questions.
pub fn complete(
    environment: &Environment<'_>,
    mut pending: Box<Pending>,
    found: &[Resolution],
    room: &mut [u8],
) -> Handled {
    if let Some(receipt) = &mut pending.receipt {
        receipt.add(found);
    }
    let mut earlier = mem::take(&mut pending.earlier);
    let errors = found.iter().map(|resolution| &resolution.ede).find(|ede| !ede.is_empty());
    let because = pending.ask.because.clone();
    let errors = errors.map_or(&*because, Vec::as_slice);
    match errors {
        [(Ede::STALE_ANSWER | Ede::STALE_NXDOMAIN_ANSWER, _), ..] => environment.stats.cache_stale.add(1),
        [(Ede::RATE_LIMITED, _), ..] => environment.stats.lookups_limited.add(1),
        _ => {}
    }
    let secure = |one: &Resolution| one.validation == Validation::Secure;
    let secure = pending.query().wants_ad() && !found.is_empty() && found.iter().all(secure);
    if let Some(detector) = pending.snapshot.detector().filter(|_| environment.trace.is_none()) {
        let octets = found.iter().flat_map(|one| &one.answer).map(|set| set.rdatas.octets()).sum();
        detect::answered(detector, pending.snapshot.suffixes(), &pending, octets);
    }
    let second = found.get(1).map(|second| {
        let (first, unchecked) = (&found[0], pending.query().flags.cd());
        let may_be_absent =
            unchecked || first.validation != Validation::Bogus && second.validation != Validation::Secure;
        Second { rcode: second.rcode, may_be_absent }
    });
    let mut handled = finish_pending(environment, pending, second, errors, room, |response, before| {
        // What a zone of this server contributed was not validated.
        response.ad = secure && before.answer.is_empty();
        response.rcode = found.first().map_or(Rcode::SERVFAIL, |resolution| resolution.rcode);
        write_found(response, before, found)
    });
    if let Handled::Later(further) = &mut handled
        && environment.recorder.is_some()
    {
        earlier.extend_from_slice(found);
        further.earlier = earlier;
    }
    handled
}

/// Make the late response to *pending* if it could not be looked up: SERVFAIL with the extended errors *errors*,
/// after what an authoritative zone contributed. The flight recorder keeps it.
#[cold]
pub fn give_up(
    environment: &Environment<'_>,
    pending: Box<Pending>,
    errors: &[(Ede, String)],
    room: &mut [u8],
) -> Handled {
    let failed = Second { rcode: Rcode::SERVFAIL, may_be_absent: false };
    let second = pending.ask.second.as_ref().map(|_| failed);
    if let Some(recorder) = environment.recorder {
        recorder.note_failure(&pending, errors, environment.now, (environment.unix_s)());
    }
    finish_pending(environment, pending, second, errors, room, |response, before| {
        response.rcode = Rcode::SERVFAIL;
        write_found(response, before, &[])
    })
}

/// Make the response to a *pending* request from *made*, which the control plane supplies.
pub fn complete_with(
    environment: &Environment<'_>,
    pending: Box<Pending>,
    made: &Made,
    room: &mut [u8],
) -> Handled {
    if !made.relayed.is_empty() {
        return relay(environment, &pending, made, room);
    }
    finish_pending(environment, pending, None, &made.ede, room, |response, _| {
        (response.rcode, response.aa, response.kind) =
            (made.rcode, made.authoritative, ResponseKind::Control);
        made.sections.write(response.out)
    })
}

/// Answer *pending* with the octets that another server made for it. What does not fit into a datagram becomes a truncated header, which
/// sends the client to TCP.
fn relay(environment: &Environment<'_>, pending: &Pending, made: &Made, room: &mut [u8]) -> Handled {
    let query = pending.query();
    let most = finish::limit(&query, pending.transport, &pending.snapshot.plan().server).min(room.len());
    let octets = if made.relayed.len() <= most { &*made.relayed } else { &made.relayed[..HEADER] };
    let length = octets.len();
    room[..length].copy_from_slice(octets);
    room[..2].copy_from_slice(&query.id.to_be_bytes());
    if length < made.relayed.len() {
        room[2] |= 2;
        room[4..HEADER].fill(0);
    }
    let left = Left { rcode: made.rcode, kind: ResponseKind::Control };
    left.kind.counter(environment.stats).add(1);
    environment.stats.rcode(left.rcode);
    let Pending { client, transport, received, .. } = *pending;
    let asked = Asked { packet: query.packet, client, transport, received };
    report(environment, &asked, left, &Sent::one(&room[..length]));
    Handled::Reply(length)
}

/// Write the next message of a stream. Returns its length, or `None` if there is none.
pub(crate) fn stream_message(
    environment: &Environment<'_>,
    pending: &mut Pending,
    messages: &mut dyn Messages,
    room: &mut [u8],
) -> Option<usize> {
    let server = &pending.snapshot.plan().server;
    let query = pending.query.as_query();
    let mut out = finish::writer(&query, Transport::Tcp, server, room);
    let mut response = finish::begin(&mut out, &query, server);
    (response.aa, response.ra) = (true, pending.snapshot.recurses_for(pending.client.ip()));
    if let Some(signature) = &pending.signature {
        tsig::reserve(signature, &mut response);
    }
    if !messages.next(&mut response) || response.truncated {
        return None;
    }
    let length = finish::finish(&mut response, &query, server, &[], &None);
    Some(match &mut pending.signature {
        Some(signature) => signature.sign((environment.unix_s)(), room, length),
        None => length,
    })
}

/// Count a stream that has ended, and report it to telemetry.
pub(crate) fn stream_ended(environment: &Environment<'_>, pending: &Pending, sent: &Sent) {
    let kind = match pending.query().flags.opcode() {
        Opcode::QUERY => ResponseKind::Transfer,
        _ => ResponseKind::Opcode,
    };
    let left = Left { rcode: Rcode::NOERROR, kind };
    left.kind.counter(environment.stats).add(1);
    environment.stats.rcode(left.rcode);
    let Pending { client, transport, received, .. } = *pending;
    let asked = Asked { packet: pending.query().packet, client, transport, received };
    report(environment, &asked, left, sent);
}

#[inline]
fn queries(stats: &Stats, client: IpAddr, transport: Transport) -> &Counter {
    match (transport, client) {
        (Transport::Udp, IpAddr::V4(_)) => &stats.queries_udp4,
        (Transport::Udp, IpAddr::V6(_)) => &stats.queries_udp6,
        (Transport::Tcp, IpAddr::V4(_)) => &stats.queries_tcp4,
        (Transport::Tcp, IpAddr::V6(_)) => &stats.queries_tcp6,
    }
}

#[inline]
fn handle_guarded(
    environment: &Environment<'_>,
    packet: &[u8],
    client: SocketAddr,
    transport: Transport,
    room: &mut [u8],
) -> Handled {
    let snapshot = environment.snapshot;
    // The query stays where it was read. It is large, and moving it would cost more than many stages.
    let usual = Query::usual(packet);
    let general;
    let query = match &usual {
        Some(query) => query,
        None => {
            general = Query::general(packet, |opcode| snapshot.handler(opcode).is_some());
            match &general {
                Ok(query) => query,
                Err(rejected) => return reject(environment, *rejected, packet, &client, transport, room),
            }
        }
    };
    if query.edns.is_some_and(|edns| edns.wanted.contains(Wanted::RECEIPT))
        && let Some(handled) = receipt::handle(environment, query, client, transport, room)
    {
        return handled;
    }
    handle_query(environment, query, client, transport, room)
}

/// Take *query* through the stages and the exit.
#[inline]
pub(crate) fn handle_query(
    environment: &Environment<'_>,
    query: &Query<'_>,
    client: SocketAddr,
    transport: Transport,
    room: &mut [u8],
) -> Handled {
    let mut context = Context::new(environment, query, client, transport);
    let server = &environment.snapshot.plan().server;
    let mut out = finish::writer(query, transport, server, room);
    let mut response = finish::begin(&mut out, query, server);
    let outcome = stages(&mut context, &mut response);
    match exit(&mut context, outcome, &mut response, &[]) {
        Ok(length) => {
            let left = Left::of(&response);
            Handled::Reply(leave(&mut context, left, room, length))
        }
        Err(handled) => handled,
    }
}

/// Count a response.
#[inline]
pub(crate) fn count(context: &Context<'_>, response: &Response<'_, '_>) {
    let stats = context.environment.stats;
    response.kind.counter(stats).add(1);
    stats.rcode(response.rcode);
    if response.truncated {
        stats.truncated.add(1);
    }
}

/// Make the response to *pending*. *write* fills the part after the question. `second`: of two lookups.
fn finish_pending(
    environment: &Environment<'_>,
    mut pending: Box<Pending>,
    second: Option<Second>,
    errors: &[(Ede, String)],
    room: &mut [u8],
    write: impl FnOnce(&mut Response<'_, '_>, &Sections) -> Result<(), Full>,
) -> Handled {
    if let Some(receipt) = pending.receipt.take() {
        return receipt.complete(environment, pending, room, |environment, pending, room| {
            finish_pending(environment, pending, second, errors, room, write)
        });
    }
    let snapshot = Arc::clone(&pending.snapshot);
    let environment = &Environment { snapshot: &snapshot, ..*environment };
    let signature = pending.signature.take();
    let query = &pending.query();
    let made = catch_unwind(AssertUnwindSafe(|| {
        let context = &mut Context {
            environment,
            snapshot: &snapshot,
            query,
            client: pending.client,
            transport: pending.transport,
            view: pending.view,
            signature,
            lookups: pending.lookups.saturating_add(1),
            second,
            received: pending.received,
            judged: Cell::new(pending.judged),
        };
        let server = &snapshot.plan().server;
        let mut out = finish::writer(context.query, context.transport, server, room);
        let mut response = finish::begin(&mut out, context.query, server);
        if let Some(signature) = &context.signature {
            tsig::reserve(signature, &mut response);
        }
        widen(context, &mut response);
        response.ra = snapshot.recurses_for(context.client_ip());
        response.aa = pending.ask.authoritative;
        response.kind = ResponseKind::Resolved;
        response.truncated = write(&mut response, &pending.ask.before).is_err();
        response.aa &= response.rcode != Rcode::SERVFAIL;
        if context.query.qtype == RrType::ANY && route::is_minimal(context) {
            response.minimise_any();
        }
        match exit(context, Ok(()), &mut response, errors) {
            Ok(length) => {
                let left = Left::of(&response);
                Handled::Reply(leave(context, left, room, length))
            }
            Err(handled) => handled,
        }
    }));
    made.unwrap_or_else(|_| {
        let Pending { client, transport, received, .. } = *pending;
        let asked = Asked { packet: pending.query().packet, client, transport, received };
        servfail(environment, &asked, room).map_or(Handled::Drop, Handled::Reply)
    })
}

#[cold]
fn reject(
    environment: &Environment<'_>,
    rejected: Rejected,
    packet: &[u8],
    client: &SocketAddr,
    transport: Transport,
    room: &mut [u8],
) -> Handled {
    let stats = environment.stats;
    let (header, rcode) = match rejected {
        Rejected::Silence => {
            stats.dropped_silence.add(1);
            return Handled::Drop;
        }
        Rejected::Malformed(header) => (header, Rcode::FORMERR),
        Rejected::Opcode(header) => (header, Rcode::NOTIMP),
    };
    let truncated = match limit::reject(environment, client.ip(), transport, header.id) {
        Limited::Send => false,
        Limited::Slip { .. } => true,
        Limited::Drop { .. } => return Handled::Drop,
    };
    stats.kind_error.add(1);
    stats.rcode(rcode);
    stats.truncated.add(truncated.into());
    let server = &environment.snapshot.plan().server;
    let length = finish::rejection(packet, header, rcode, truncated, server, room);
    let asked = &Asked { packet, client: *client, transport, received: environment.now };
    report(environment, asked, Left { rcode, kind: ResponseKind::Error }, &Sent::one(&room[..length]));
    Handled::Reply(length)
}

#[cold]
fn panicked(
    environment: &Environment<'_>,
    packet: &[u8],
    client: &SocketAddr,
    transport: Transport,
    room: &mut [u8],
) -> Handled {
    let asked = Asked { packet, client: *client, transport, received: environment.now };
    servfail(environment, &asked, room).map_or(Handled::Drop, Handled::Reply)
}

/// Count a panic and make a SERVFAIL response. Returns `None` if not even the header of the request can be read.
#[cold]
fn servfail(environment: &Environment<'_>, asked: &Asked<'_>, room: &mut [u8]) -> Option<usize> {
    environment.stats.panics.add(1);
    let header = Header::read(asked.packet).filter(|header| !header.flags.qr())?;
    // Uses only the reader and the writer. Zones, the cache and filters could panic again.
    let made = catch_unwind(AssertUnwindSafe(|| {
        let query = Query::parse(asked.packet, |_| false).ok()?;
        let server = &environment.snapshot.plan().server;
        let mut out = finish::writer(&query, asked.transport, server, room);
        let mut response = finish::begin(&mut out, &query, server);
        (response.rcode, response.ra) = (Rcode::SERVFAIL, environment.snapshot.plan().resolver.is_some());
        response.kind.counter(environment.stats).add(1);
        environment.stats.rcode(response.rcode);
        Some(finish::finish(&mut response, &query, server, &internal_failure(), &None))
    }));
    let length = match made {
        Ok(Some(length)) => length,
        Ok(None) | Err(_) => finish::header_only(header, Rcode::SERVFAIL, room),
    };
    let left = Left { rcode: Rcode::SERVFAIL, kind: ResponseKind::Error };
    report(environment, asked, left, &Sent::one(&room[..length]));
    Some(length)
}

/// Write the records of an authoritative zone, then the results of the resolver. Returns `Full` if required data did
/// not fit.
///
/// Two lookups of one name have the same aliases, and often the same proofs: each RRset is written once.
fn write_found(response: &mut Response<'_, '_>, before: &Sections, found: &[Resolution]) -> Result<(), Full> {
    if let [first, second] = found {
        return sections::write(
            response.out,
            before.answer.iter().chain(&sections::merged(&first.answer, &second.answer)),
            before.authority.iter().chain(&sections::merged(&first.authority, &second.authority)),
            &sections::merged(&first.additional, &second.additional),
        );
    }
    sections::write(
        response.out,
        before.answer.iter().chain(found.iter().flat_map(|one| &one.answer)),
        before.authority.iter().chain(found.iter().flat_map(|one| &one.authority)),
        found.iter().flat_map(|one| &one.additional),
    )
}

#[cfg(test)]
mod tests;
