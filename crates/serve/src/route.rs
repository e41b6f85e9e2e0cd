//! Where an answer comes from, and fetching it from there when that does not have to wait.
//!
//! ```text
//! class CH ──────────────▶ Local      names that describe this server, or Refuse
//! class IN ─ in a zone ──▶ Zone       RFC 1034 §4.3.2; a referral or an alias out of our zones goes on to Resolve for
//!          │                          a client that asks for recursion (RD) and may have it
//!          └ elsewhere ──▶ Resolve    RD, a client that may have it, and a resolver: the cache, else a lookup
//!                        └▶ Refuse    EDE 20 Not Authoritative, or 18 Prohibited
//! other class ───────────▶ Refuse
//! ```
//!
//! Whether a lookup is forwarded or goes to the root is decided by the resolver, name by name (`forward`). A question
//! without RD is not answered from the cache: whoever asks so wants to know what others have asked (cache snooping).

use std::net::IpAddr;

use nw_cache::{Hit, HitQuestion};
use nw_resolve::ClientQuestion;
use nw_wire::{Class, Ede, Flags, Message, Name, NameRef, Rcode, RdataSet, RrType, Rrset};
use nw_zone::{AnswerKind, Zone, ZoneQuestion};

use crate::draft::{Draft, Kind};
use crate::local::{self, Local};
use crate::pipeline::Desk;
use crate::query::Query;
use crate::snapshot::Snapshot;
use crate::verdict::{Ask, Transport, Verdict};

/// Where the answer comes from.
pub(crate) enum Route<'s> {
    /// A name that describes this server.
    Local(&'s Local),
    /// A zone of ours.
    Zone(&'s Zone),
    /// Others: the cache, else a lookup.
    Resolve,
    /// Nowhere.
    Refuse(Ede),
}

/// Choose by class, then by the longest zone, then by what the client may have.
#[inline]
pub(crate) fn choose<'s>(
    snapshot: &'s Snapshot,
    query: &Query<'_>,
    client: IpAddr,
    draft: &Draft<'_, '_>,
) -> Route<'s> {
    if query.qclass != Class::IN {
        return other_class(snapshot, query);
    }
    if let Some(zone) = snapshot.zones().find(query.qname, query.qtype) {
        return Route::Zone(zone);
    }
    match (query.flags.rd(), draft.ra) {
        (true, true) if snapshot.plan().acls.query.allows(client) => Route::Resolve,
        (true, _) if snapshot.plan().resolver.is_some() => Route::Refuse(Ede::PROHIBITED),
        _ => Route::Refuse(Ede::NOT_AUTHORITATIVE),
    }
}

#[cold]
fn other_class<'s>(snapshot: &'s Snapshot, query: &Query<'_>) -> Route<'s> {
    let local = (query.qclass == Class::CH).then(|| local::find(snapshot.locals(), query.qname)).flatten();
    local.map_or(Route::Refuse(Ede::NOT_AUTHORITATIVE), Route::Local)
}

/// Answer from a zone of ours.
#[inline]
pub(crate) fn from_zone(
    snapshot: &Snapshot,
    zone: &Zone,
    query: &Query<'_>,
    transport: Transport,
    draft: &mut Draft<'_, '_>,
) -> Verdict {
    let question = ZoneQuestion {
        qname: query.qname,
        qtype: query.qtype,
        dnssec_ok: query.dnssec_ok(),
        transport_udp: transport == Transport::Udp && snapshot.plan().server.minimal_any,
    };
    let outcome = zone.answer(&question, draft.out);
    (draft.rcode, draft.aa, draft.truncated) = (outcome.rcode, outcome.aa, outcome.truncated);
    draft.ede[0] = outcome.ede;
    draft.kind = match outcome.kind {
        AnswerKind::Answer => Kind::Answer,
        AnswerKind::Referral => Kind::Referral,
        AnswerKind::NoData => Kind::NoData,
        AnswerKind::NxDomain => Kind::NxDomain,
        AnswerKind::Alias | AnswerKind::TooLong => Kind::Alias,
    };
    let leads_out = matches!(draft.kind, Kind::Referral | Kind::Alias) && !outcome.truncated;
    if leads_out && draft.ra && query.flags.rd() {
        return beyond_the_zone(outcome.kind, query, draft);
    }
    Verdict::Answer
}

/// A client that asks for recursion gets what lies behind a referral or an alias that leads out of the zone.
#[cold]
fn beyond_the_zone(kind: AnswerKind, query: &Query<'_>, draft: &mut Draft<'_, '_>) -> Verdict {
    let (name, before) = match kind {
        AnswerKind::Referral => (query.qname.to_name(), Vec::new()),
        AnswerKind::Alias => match last_target(draft) {
            Some(found) => found,
            None => return Verdict::Answer,
        },
        _ => return Verdict::Answer,
    };
    Verdict::Ask(Box::new(Ask { question: question(query, name), before }))
}

/// Where the chain of aliases in the draft ends, and the chain itself. None: it comes round to itself.
fn last_target(draft: &mut Draft<'_, '_>) -> Option<(Name, Vec<Rrset>)> {
    let mut bytes = draft.out.written().to_vec();
    let counts = draft.out.counts();
    let header =
        nw_wire::Header { id: 0, flags: Flags::default(), counts: [counts[0], counts[1], 0, 0] }.to_wire();
    bytes[..header.len()].copy_from_slice(&header);
    // Authority and additional hold nothing yet for an alias that leads out of the zone, or proofs that the resolver's
    // part does not need; they are cut off here.
    let end = answer_end(&bytes, counts[1])?;
    let message = Message::parse(&bytes[..end]).ok()?;
    let mut chain: Vec<Rrset> = Vec::new();
    let mut rdata = Vec::new();
    for record in message.answer() {
        let owner = record.owner().to_name();
        rdata.clear();
        record.rdata(&mut rdata);
        match chain.last_mut().filter(|set| set.owner == owner && set.rtype == record.rtype) {
            Some(set) => set.rdatas.push(&rdata),
            None => {
                let mut set = Rrset::new(owner, record.rtype, record.class, record.ttl);
                set.rdatas = RdataSet::from_iter([rdata.as_slice()]);
                chain.push(set);
            }
        }
    }
    let last = chain.iter().rev().find(|set| set.rtype == RrType::CNAME)?;
    let target = NameRef::from_wire(last.rdatas.first()?).ok()?.to_name();
    let loops = chain.iter().any(|set| set.rtype == RrType::CNAME && set.owner == target);
    (!loops).then_some((target, chain))
}

/// Where the answer section of *count* records ends.
fn answer_end(bytes: &[u8], count: u16) -> Option<usize> {
    let (_, mut at) = nw_wire::message::read_name(bytes, nw_wire::header::HEADER).ok()?;
    at += 4;
    for _ in 0..count {
        at = nw_wire::message::read_name(bytes, at).ok()?.1 + 10;
        at += usize::from(u16::from_be_bytes([*bytes.get(at - 2)?, *bytes.get(at - 1)?]));
    }
    Some(at)
}

/// Answer from the cache, or ask for a lookup.
#[inline]
pub(crate) fn from_cache(desk: &Desk<'_>, query: &Query<'_>, draft: &mut Draft<'_, '_>) -> Verdict {
    let wanted = HitQuestion {
        name: query.qname,
        rtype: query.qtype,
        class: query.qclass,
        dnssec_ok: query.dnssec_ok(),
        checking_disabled: query.flags.cd(),
    };
    let Some(hit) = desk.cache.and_then(|cache| cache.hit(&wanted, desk.now, draft.out)) else {
        desk.stats.cache_misses.add(1);
        return Verdict::Ask(Box::new(Ask {
            question: question(query, query.qname.to_name()),
            before: Vec::new(),
        }));
    };
    desk.stats.cache_hits.add(1);
    take_hit(hit, draft);
    Verdict::Answer
}

#[inline]
fn take_hit(hit: Hit, draft: &mut Draft<'_, '_>) {
    (draft.rcode, draft.truncated, draft.kind) = (hit.rcode, hit.truncated, Kind::Cached);
    if let Some(ede) = hit.failure {
        draft.rcode = Rcode::SERVFAIL;
        draft.ede = [Some(Ede::CACHED_ERROR), Some(ede)];
    }
}

fn question(query: &Query<'_>, name: Name) -> ClientQuestion {
    ClientQuestion {
        name,
        rtype: query.qtype,
        class: query.qclass,
        dnssec_ok: query.dnssec_ok(),
        checking_disabled: query.flags.cd(),
    }
}
