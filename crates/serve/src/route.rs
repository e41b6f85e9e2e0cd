//! Where an answer comes from, and fetching it from there when that does not have to wait.
//!
//! ```text
//! class CH ──────────────▶ Local      names that describe this server, or Refuse
//! class IN ─ in a zone ──▶ Zone       RFC 1034 §4.3.2; for a client that asks for recursion (RD) and may have it, an
//!          │                          alias goes on in the zone of ours that it leads to, and out of them to Resolve
//!          ├ in a zone without usable data ──▶ Unavailable     SERVFAIL with EDE 14 Not Ready or 24 Invalid Data
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
use nw_wire::{
    Class, Ede, Flags, Full, Message, Name, NameRef, Rcode, RdataSet, RrType, Rrset, Section, Writer,
};
use nw_zone::{AnswerKind, MOST_ALIASES, Outcome, Unavailable, Zone, ZoneEntry, ZoneQuestion};

use crate::admit;
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
    /// A zone of ours that has no usable data.
    Unavailable(&'s Unavailable),
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
    match snapshot.zones().find(query.qname, query.qtype) {
        Some(ZoneEntry::Loaded(zone)) => return Route::Zone(zone),
        Some(ZoneEntry::Unavailable(zone)) => return Route::Unavailable(zone),
        None => {}
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
    client: IpAddr,
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
    draft.kind = kind(outcome.kind);
    let leads_out = matches!(draft.kind, Kind::Referral | Kind::Alias) && !outcome.truncated;
    if leads_out && draft.ra && query.flags.rd() {
        return beyond_the_zone(snapshot, zone, &question, client, query, draft);
    }
    Verdict::Answer
}

/// Answer for a zone of ours that has no usable data.
#[cold]
pub(crate) fn fail(zone: &Unavailable) -> Verdict {
    Verdict::Fail(Box::new((zone.cause.ede(), zone.detail.clone())))
}

#[inline]
fn kind(kind: AnswerKind) -> Kind {
    match kind {
        AnswerKind::Answer => Kind::Answer,
        AnswerKind::Referral => Kind::Referral,
        AnswerKind::NoData => Kind::NoData,
        AnswerKind::NxDomain => Kind::NxDomain,
        AnswerKind::Alias | AnswerKind::TooLong => Kind::Alias,
    }
}

/// A client that asks for recursion gets what lies behind a referral or an alias that leads out of the zone: from another
/// zone of ours if that is closest to it (RFC 1034 §4.3.2 step 3a: "go back to step 1"), else from the resolver. A zone
/// that the client may not ask for ends the chain, as does one that comes round to itself or has too many links.
#[cold]
fn beyond_the_zone(
    snapshot: &Snapshot,
    zone: &Zone,
    asked: &ZoneQuestion<'_>,
    client: IpAddr,
    query: &Query<'_>,
    draft: &mut Draft<'_, '_>,
) -> Verdict {
    let Some(mut sections) = Sections::of(draft.out) else { return Verdict::Answer };
    let (mut zone, mut went_on): (&Zone, bool) = (zone, false);
    while matches!(draft.kind, Kind::Referral | Kind::Alias) && draft.rcode == Rcode::NOERROR {
        let Some(target) = sections.target(asked.qname) else { break };
        let next = match snapshot.zones().find(target.as_ref(), asked.qtype) {
            Some(ZoneEntry::Unavailable(unavailable)) => return fail(unavailable),
            found => found.and_then(ZoneEntry::zone),
        };
        let Some(next) = next.filter(|next| next.apex() != zone.apex()) else {
            // An alias that ends inside its zone is one that the zone gave up.
            if draft.kind == Kind::Alias && next.is_some() {
                break;
            }
            return Verdict::Ask(Box::new(Ask {
                question: question(query, target),
                before: sections.answer,
            }));
        };
        if admit::route(snapshot, &Route::Zone(next), client) != Verdict::Continue {
            draft.ede[0] = Some(Ede::PROHIBITED);
            break;
        }
        let Some((outcome, found)) = answer_apart(next, &ZoneQuestion { qname: target.as_ref(), ..*asked })
        else {
            break;
        };
        sections.go_on(found, draft.kind);
        // AA speaks of the first owner, the alias (RFC 1035 §4.1.1).
        (draft.rcode, draft.aa, draft.ede[0]) = (outcome.rcode, true, outcome.ede);
        draft.kind = kind(outcome.kind);
        (zone, went_on) = (next, true);
    }
    if went_on {
        draft.out.clear();
        draft.truncated = sections.write(draft.out).is_err();
    }
    Verdict::Answer
}

/// What *zone* says to *asked* in a message of its own. None: not even the largest holds it.
fn answer_apart(zone: &Zone, asked: &ZoneQuestion<'_>) -> Option<(Outcome, Sections)> {
    let mut room = vec![0; usize::from(u16::MAX)];
    let mut out = Writer::new(&mut room, usize::from(u16::MAX), 0, Flags::default());
    out.question(asked.qname, asked.qtype, Class::IN).ok()?;
    let outcome = zone.answer(asked, &mut out);
    if outcome.truncated {
        return None;
    }
    Some((outcome, Sections::of(&out)?))
}

/// The RRsets of a reply under construction.
struct Sections {
    answer: Vec<Rrset>,
    authority: Vec<Rrset>,
    additional: Vec<Rrset>,
}

impl Sections {
    /// What *out* holds behind its question.
    fn of(out: &Writer<'_>) -> Option<Sections> {
        let mut bytes = out.written().to_vec();
        let header = nw_wire::Header { id: 0, flags: Flags::default(), counts: out.counts() }.to_wire();
        bytes[..header.len()].copy_from_slice(&header);
        let message = Message::parse(&bytes).ok()?;
        let read = |section| {
            let mut sets: Vec<Rrset> = Vec::new();
            let mut rdata = Vec::new();
            for record in message.records(section) {
                let owner = record.owner().to_name();
                rdata.clear();
                record.rdata(&mut rdata);
                match sets.last_mut().filter(|set| set.owner == owner && set.rtype == record.rtype) {
                    Some(set) => set.rdatas.push(&rdata),
                    None => {
                        let mut set = Rrset::new(owner, record.rtype, record.class, record.ttl);
                        set.rdatas = RdataSet::from_iter([rdata.as_slice()]);
                        sets.push(set);
                    }
                }
            }
            sets
        };
        Some(Sections {
            answer: read(Section::Answer),
            authority: read(Section::Authority),
            additional: read(Section::Additional),
        })
    }

    /// Where the aliases end that begin at *qname*. None: at one of them, or there are too many.
    fn target(&self, qname: NameRef<'_>) -> Option<Name> {
        let mut aliases = self.answer.iter().filter(|set| set.rtype == RrType::CNAME);
        if aliases.clone().count() > MOST_ALIASES {
            return None;
        }
        let Some(last) = aliases.clone().next_back() else { return Some(qname.to_name()) };
        let target = NameRef::from_wire(last.rdatas.first()?).ok()?.to_name();
        (!aliases.any(|set| set.owner == target)).then_some(target)
    }

    /// Take what was *found* behind these, which were of *kind*: a referral is answered by it, the proofs of an alias stay.
    fn go_on(&mut self, found: Sections, kind: Kind) {
        if kind == Kind::Referral {
            self.authority.clear();
        }
        self.answer.extend(found.answer);
        self.authority.extend(found.authority);
        self.additional = found.additional;
    }

    /// Write them behind the question. Full: something the client needs did not fit.
    fn write(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        for (section, sets) in [(Section::Answer, &self.answer), (Section::Authority, &self.authority)] {
            for set in sets {
                out.rrset(section, set)?;
            }
        }
        for set in &self.additional {
            if out.rrset(Section::Additional, set).is_err() {
                break;
            }
        }
        Ok(())
    }
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
