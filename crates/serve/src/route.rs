//! Chooses the source of an answer, and fetches the answer if this does not require waiting.
//!
//! ```text
//! class CH ──────────────▶ Local      names that describe this server, or Refuse
//! class IN ─ in a zone ──▶ Zone       RFC 1034 §4.3.2. If the client asks for recursion (RD) and is permitted, an
//!          │                          alias continues in the server's zone that holds its target, or else in Resolve.
//!          │                          An overlay without the name continues in the zone above it, or elsewhere
//!          ├ in a zone without usable data ──▶ Unavailable     SERVFAIL with EDE 14 Not Ready or 24 Invalid Data
//!          ├ elsewhere ──▶ Resolve    RD, a permitted client, and a resolver: local data (`local_data.rs`), else the
//!          │                          cache, else a locally served zone (`local_zones.rs`), else a lookup
//!          ├───────────── ▶ Cache     no RD, and a client that may read the cache: local data, else the cached answer,
//!          │                          or Refuse
//!          └────────────▶ Refuse      EDE 20 Not Authoritative, or 18 Prohibited
//! class ANY ─────────────▶ as IN      but never authoritative: other classes may have data (RFC 1034 §3.7.1)
//! other class ───────────▶ Refuse
//! ```
//!
//! The resolver decides name by name whether a lookup is forwarded or goes to the root (`forward`).

use nw_cache::{Cache, Cached, HitQuestion, Kind, Lookup, Reader, State};
use nw_resolve::trace::{Layer, NotServed, Reason};
use nw_resolve::{ClientQuestion, LocalAnswer, Walk};
use nw_wire::{Class, Ede, Flags, Name, Rcode, RrType, Writer};
use nw_zone::{AnswerKind, Outcome, Unavailable, Zone, ZoneEntry, ZoneQuestion};

use crate::admit;
use crate::context::Context;
use crate::filter::{dns64, no_aaaa};
use crate::local::{self, Identity};
use crate::local_data::{AppliedData, Said};
use crate::local_zones;
use crate::policies;
use crate::query::Query;
use crate::response::{Response, ResponseKind};
use crate::sections::Sections;
use crate::verdict::{Ask, Causes, Transport, Verdict};

/// The source of an answer.
pub(crate) enum AnswerSource<'s> {
    /// A name that describes this server.
    Local(&'s Identity),
    /// A zone of this server.
    Zone(&'s Zone),
    /// A zone of this server without usable data.
    Unavailable(&'s Unavailable),
    /// The cache, or else a lookup.
    Resolve,
    /// The cache alone.
    Cache,
    /// No source.
    Refuse(Ede),
}

/// Choose by class, then by the longest zone of the view, then by the permissions of the client.
#[inline]
pub(crate) fn choose<'c>(context: &Context<'c>, response: &Response<'_, '_>) -> AnswerSource<'c> {
    let query = context.query;
    if query.qclass != Class::IN && query.qclass != Class::ANY {
        return other_class(context);
    }
    match context.snapshot().find_zone(context.view(), query.qname, query.qtype) {
        Some(entry) => AnswerSource::of(entry),
        None => elsewhere(context, response),
    }
}

impl<'s> AnswerSource<'s> {
    #[inline]
    fn of(entry: &'s ZoneEntry) -> AnswerSource<'s> {
        match entry {
            ZoneEntry::Loaded(zone) => AnswerSource::Zone(zone),
            ZoneEntry::Unavailable(zone) => AnswerSource::Unavailable(zone),
        }
    }
}

/// Choose where to continue if an overlay does not contain the name.
#[cold]
pub(crate) fn beyond<'c>(
    context: &Context<'c>,
    source: &AnswerSource<'c>,
    response: &Response<'_, '_>,
) -> AnswerSource<'c> {
    let AnswerSource::Zone(zone) = source else { return AnswerSource::Refuse(Ede::NOT_AUTHORITATIVE) };
    let above = zone.apex().parent();
    let next =
        above.and_then(|above| context.snapshot().find_zone(context.view(), above, context.query.qtype));
    next.map_or_else(|| elsewhere(context, response), AnswerSource::of)
}

#[inline]
fn elsewhere<'c>(context: &Context<'c>, response: &Response<'_, '_>) -> AnswerSource<'c> {
    let snapshot = context.snapshot();
    let plan = snapshot.plan();
    match (context.query.flags.rd(), response.ra) {
        // Unless zones have access lists, the admit stage has checked this list already.
        (true, true) if !snapshot.any_zone_acl() || plan.acls.query.allows(context.client_ip()) => {
            AnswerSource::Resolve
        }
        (true, _) if plan.resolver.is_some() => AnswerSource::Refuse(Ede::PROHIBITED),
        (false, _) if snapshot.cache_for(context.client_ip()) => AnswerSource::Cache,
        _ => AnswerSource::Refuse(Ede::NOT_AUTHORITATIVE),
    }
}

#[cold]
fn other_class<'c>(context: &Context<'c>) -> AnswerSource<'c> {
    let query = context.query;
    let chaos = query.qclass == Class::CH;
    let local = chaos.then(|| local::find(context.snapshot().locals(), query.qname)).flatten();
    local.map_or(AnswerSource::Refuse(Ede::NOT_AUTHORITATIVE), AnswerSource::Local)
}

/// Answer from *source*. `Continue`: this source does not contain the name, but another one may.
#[inline]
pub(crate) fn answer(
    context: &Context<'_>,
    source: &AnswerSource<'_>,
    response: &mut Response<'_, '_>,
) -> Verdict {
    match source {
        AnswerSource::Local(local) => local::answer(local, context.query, response),
        AnswerSource::Zone(zone) => from_zone(context, zone, response),
        AnswerSource::Unavailable(zone) => fail(context, zone),
        AnswerSource::Resolve => from_cache(context, response),
        AnswerSource::Cache => from_cache_alone(context, response),
        AnswerSource::Refuse(ede) => {
            context.refuse(Layer::Admission, (Rcode::REFUSED, *ede), not_served(context, *ede))
        }
    }
}

/// Answer from a zone of this server.
#[inline]
fn from_zone(context: &Context<'_>, zone: &Zone, response: &mut Response<'_, '_>) -> Verdict {
    let (query, snapshot) = (context.query, context.snapshot());
    let question = ZoneQuestion {
        qname: query.qname,
        qtype: query.qtype,
        dnssec_ok: query.dnssec_ok(),
        transport_udp: context.transport == Transport::Udp && snapshot.plan().server.minimal_any,
    };
    let outcome = zone.answer(&question, response.out);
    (response.rcode, response.aa, response.truncated) = (outcome.rcode, outcome.aa, outcome.truncated);
    response.ede[0] = outcome.ede;
    response.kind = kind(outcome.kind);
    if query.qtype == RrType::SOA && context.wants_expire() && query.qname == zone.apex() {
        response.expire_s = snapshot.expire_s(zone, context.unix_s());
    }
    context.step_in(Some(zone.apex()), || zone_step(response.kind, zone.wildcard(query.qname)));
    if response.kind == ResponseKind::NxDomain && snapshot.is_overlay(zone.apex()) {
        return not_here(response);
    }
    let leads_out =
        matches!(response.kind, ResponseKind::Referral | ResponseKind::Alias) && !outcome.truncated;
    if leads_out && response.ra && query.flags.rd() {
        return beyond_the_zone(context, zone, &question, response);
    }
    Verdict::Answer
}

/// Answer for a zone of this server without usable data.
#[cold]
pub(crate) fn fail(context: &Context<'_>, zone: &Unavailable) -> Verdict {
    let reason = Reason::ZoneUnavailable { detail: zone.detail.clone() };
    context.step_in(Some(zone.apex.as_ref()), || (Layer::Zone, reason.clone()));
    Verdict::Fail(Box::new(Causes(vec![(zone.cause.ede(), zone.detail.clone())], Some(reason))))
}

/// Why the query is refused with *ede*: no source has the name.
#[cold]
fn not_served(context: &Context<'_>, ede: Ede) -> Reason {
    let query = context.query;
    let why = match ede {
        _ if !matches!(query.qclass, Class::IN | Class::ANY) => NotServed::Class(query.qclass),
        Ede::PROHIBITED => NotServed::OtherClient,
        _ if context.snapshot().plan().resolver.is_none() => NotServed::NoResolver,
        _ => NotServed::NotAsked,
    };
    Reason::NotServed { ede, why }
}

/// Discard the denial of an overlay.
#[cold]
fn not_here(response: &mut Response<'_, '_>) -> Verdict {
    response.out.clear();
    (response.rcode, response.aa, response.truncated) = (Rcode::NOERROR, false, false);
    response.ede[0] = None;
    Verdict::Continue
}

fn zone_step(kind: ResponseKind, wildcard: Option<Name>) -> (Layer, Reason) {
    let outcome = match kind {
        ResponseKind::Referral => "referral to other servers",
        ResponseKind::NoData => "the name has no data of this type",
        ResponseKind::NxDomain => "the name does not exist",
        ResponseKind::Alias => "the answer is an alias",
        _ => "answer",
    };
    (Layer::Zone, Reason::FromZone { outcome, wildcard })
}

#[inline]
fn kind(kind: AnswerKind) -> ResponseKind {
    match kind {
        AnswerKind::Answer => ResponseKind::Answer,
        AnswerKind::Referral => ResponseKind::Referral,
        AnswerKind::NoData => ResponseKind::NoData,
        AnswerKind::NxDomain => ResponseKind::NxDomain,
        AnswerKind::Alias | AnswerKind::TooLong => ResponseKind::Alias,
    }
}

/// Follow a referral or an alias that leads out of the zone, for a client that asks for recursion. The closest
/// enclosing zone of this server answers (RFC 1034 §4.3.2 step 3a: "go back to step 1"), or else the resolver. The
/// chain ends at a zone that the client may not query, at a loop, and after too many links.
#[cold]
fn beyond_the_zone(
    context: &Context<'_>,
    zone: &Zone,
    asked: &ZoneQuestion<'_>,
    response: &mut Response<'_, '_>,
) -> Verdict {
    let Some(mut sections) = response.sections() else { return Verdict::Answer };
    let (mut zone, mut went_on): (&Zone, bool) = (zone, false);
    // Where the authority section of the current zone starts. The target of a referral replaces the referral in it;
    // the proofs of earlier aliases stay.
    let mut own_authority = 0;
    while matches!(response.kind, ResponseKind::Referral | ResponseKind::Alias)
        && response.rcode == Rcode::NOERROR
    {
        let Some(target) = sections.target(asked.qname) else { break };
        let next = match context.snapshot().find_zone(context.view(), target.as_ref(), asked.qtype) {
            Some(ZoneEntry::Unavailable(unavailable)) => return fail(context, unavailable),
            found => found.and_then(ZoneEntry::zone),
        };
        let next = next.filter(|next| next.apex() != zone.apex());
        if next.is_none()
            && response.kind == ResponseKind::Alias
            && target.as_ref().is_at_or_below(zone.apex())
        {
            // The zone stopped following an alias whose target lies inside of it.
            break;
        }
        if response.kind == ResponseKind::Referral {
            sections.authority.truncate(own_authority);
            sections.additional.clear();
        }
        let Some(next) = next else {
            sections.additional.clear();
            if let Some((kind, found)) = local_zones::find(context, target.as_ref()) {
                sections.extend(found);
                (response.rcode, response.aa, response.kind) = (local_zones::rcode(kind), true, kind);
                went_on = true;
                break;
            }
            return Verdict::Ask(Box::new(Ask {
                question: question(context.query, target),
                second: None,
                authoritative: response.aa && !sections.answer.is_empty(),
                before: sections,
                because: Vec::new(),
            }));
        };
        if let Verdict::Refuse(refusal) = admit::source(context, &AnswerSource::Zone(next)) {
            response.notes = Some(Box::new(Causes(refusal.causes.0, None)));
            break;
        }
        let Some((outcome, found)) = answer_apart(next, &ZoneQuestion { qname: target.as_ref(), ..*asked })
        else {
            break;
        };
        own_authority = sections.authority.len();
        sections.extend(found);
        // AA refers to the first owner, the alias (RFC 1035 §4.1.1).
        (response.rcode, response.aa, response.ede[0]) = (outcome.rcode, true, outcome.ede);
        response.kind = kind(outcome.kind);
        context.step_in(Some(next.apex()), || zone_step(response.kind, next.wildcard(target.as_ref())));
        (zone, went_on) = (next, true);
    }
    if went_on {
        response.replace(&sections);
    }
    Verdict::Answer
}

/// The answer of *zone* to *asked* in a separate message. None: it exceeds the largest message.
pub(crate) fn answer_apart(zone: &Zone, asked: &ZoneQuestion<'_>) -> Option<(Outcome, Sections)> {
    let mut room = vec![0; usize::from(u16::MAX)];
    let mut out = Writer::new(&mut room, usize::from(u16::MAX), 0, Flags::default());
    out.question(asked.qname, asked.qtype, Class::IN).ok()?;
    let outcome = zone.answer(asked, &mut out);
    if outcome.truncated {
        return None;
    }
    Some((outcome, Sections::of(&out)?))
}

/// Answer from the cache or a locally served zone, or request a lookup.
#[inline]
fn from_cache(context: &Context<'_>, response: &mut Response<'_, '_>) -> Verdict {
    if let Some(data) = context.local_data()
        && let Some(verdict) = from_local_data(context, data, response)
    {
        return verdict;
    }
    match policies::before(context, response) {
        Verdict::Continue => {}
        verdict => return verdict,
    }
    if context.query.qtype == RrType::PTR
        && !context.snapshot().plan().dns64.is_empty()
        && let Some(verdict) = from_dns64(context, response)
    {
        return verdict;
    }
    // An explanation leaves the cache to the resolver, which reports the entry and its age.
    if context.environment.trace.is_none()
        && let Some(verdict) = hit(context, response)
    {
        return verdict;
    }
    miss(context, response)
}

#[inline(never)]
fn miss(context: &Context<'_>, response: &mut Response<'_, '_>) -> Verdict {
    if let Some(verdict) = no_aaaa::instead_of_lookup(context, response) {
        return verdict;
    }
    if let Some(verdict) = local_zones::answer(context, response) {
        return verdict;
    }
    if is_cache_only(context) {
        return refuse_cache_only(context, response);
    }
    context.environment.stats.cache_misses.add(1);
    Verdict::Ask(Box::new(Ask::new(question(context.query, context.query.qname.to_name()))))
}

/// Answer from local data. None: they say nothing about the name.
#[inline(never)]
fn from_local_data(
    context: &Context<'_>,
    data: &AppliedData,
    response: &mut Response<'_, '_>,
) -> Option<Verdict> {
    let query = context.query;
    let found = data.find(query.qname, query.qtype)?;
    let blocked = found.blocked || matches!(found.said, Said::Deny | Said::Refuse);
    let reason = Reason::LocalData { source: found.source, blocks: blocked };
    let because = blocked.then(|| reason.clone());
    context.step_in(Some(found.apex.as_ref()), || (Layer::Zone, reason));
    let verdict = match found.said {
        Said::Deny => {
            response.notes = Some(Box::new(Causes(Vec::new(), because)));
            return Some(Verdict::Drop);
        }
        Said::Refuse => {
            response.refuse(Rcode::REFUSED);
            Verdict::Answer
        }
        Said::Answer(answer) => write_local_data(context, data, answer, response),
    };
    if let Some(because) = because {
        // Clients need not know where the configuration is; explanations say it.
        response.note_because(Ede::BLOCKED, "local data".to_owned(), because);
    }
    Some(verdict)
}

/// Write *answer* and what the aliases in it lead to: further local data, locally served zones, or a lookup.
fn write_local_data(
    context: &Context<'_>,
    data: &AppliedData,
    mut answer: LocalAnswer,
    response: &mut Response<'_, '_>,
) -> Verdict {
    let query = context.query;
    if query.qtype == RrType::ANY && is_minimal(context) {
        answer.answer.truncate(1);
    }
    let mut sections = Sections::default();
    loop {
        let alias = matches!(answer.answer.first(), Some(set) if set.rtype == RrType::CNAME)
            && !matches!(query.qtype, RrType::CNAME | RrType::ANY);
        response.kind = match (alias, answer.answer.is_empty(), answer.nxdomain) {
            (true, ..) => ResponseKind::Alias,
            (false, false, _) => ResponseKind::Answer,
            (false, true, false) => ResponseKind::NoData,
            (false, true, true) => ResponseKind::NxDomain,
        };
        sections.answer.append(&mut answer.answer);
        sections.authority.append(&mut answer.authority);
        if !(alias && response.ra && query.flags.rd()) {
            break;
        }
        // A loop, or too many links: the client gets the aliases.
        let Some(target) = sections.target(query.qname) else { break };
        if let Some((next, source)) = data.answer(target.as_ref(), query.qtype) {
            context.step_in(Some(next.apex.as_ref()), || {
                (Layer::Zone, Reason::LocalData { source, blocks: false })
            });
            answer = next;
            continue;
        }
        let authoritative = true;
        if let Some((kind, found)) = local_zones::find(context, target.as_ref()) {
            sections.extend(found);
            response.kind = kind;
            break;
        }
        let question = question(query, target);
        return Verdict::Ask(Box::new(Ask { authoritative, before: sections, ..Ask::new(question) }));
    }
    (response.rcode, response.aa) = (local_zones::rcode(response.kind), true);
    response.truncated = sections.write(response.out).is_err();
    Verdict::Answer
}

/// Whether the server looks the name up nowhere, not even at a forwarder.
pub(crate) fn is_cache_only(context: &Context<'_>) -> bool {
    let resolver = context.snapshot().plan().resolver.as_ref();
    resolver.is_some_and(|plan| plan.config.cache_only && plan.config.forward(context.query.qname).is_none())
}

/// Refuse what is not in the cache. REFUSED, and not SERVFAIL: the server works and is not configured to recurse for the name (RFC 8914
/// §4.21), so that clients ask their next server at once and keep no failure (RFC 9520).
fn refuse_cache_only(context: &Context<'_>, response: &mut Response<'_, '_>) -> Verdict {
    context.step(|| (Layer::Cache, Reason::CacheOnly));
    response.refuse(Rcode::REFUSED);
    response.note_because(Ede::NOT_AUTHORITATIVE, Reason::CacheOnly.to_string(), Reason::CacheOnly);
    Verdict::Answer
}

/// Answer a PTR query for an address below a prefix of DNS64 with the alias that leads to its IPv4 address (RFC 6147 §5.3.1). None: it is
/// another address.
#[cold]
fn from_dns64(context: &Context<'_>, response: &mut Response<'_, '_>) -> Option<Verdict> {
    let (alias, target, made) = dns64::reverse(context)?;
    context.step(|| (Layer::Filter, Reason::Dns64(Box::new(made))));
    let mut before = Sections { answer: vec![alias], ..Sections::default() };
    let data = context.local_data();
    if let Some((found, _)) = data.and_then(|data| data.answer(target.as_ref(), RrType::PTR)) {
        before.answer.extend(found.answer);
        before.authority = found.authority;
    } else if let Some((kind, found)) = local_zones::find(context, target.as_ref()) {
        before.extend(found);
        response.rcode = local_zones::rcode(kind);
    } else {
        let question = question(context.query, target);
        return Some(Verdict::Ask(Box::new(Ask { before, ..Ask::new(question) })));
    }
    response.kind = ResponseKind::Alias;
    response.truncated = before.write(response.out).is_err();
    Some(Verdict::Answer)
}

/// What zones of this server, local data and locally served zones know of *rtype* at the name of the query.
pub(crate) fn known(context: &Context<'_>, rtype: RrType) -> Option<Sections> {
    let (query, snapshot) = (context.query, context.snapshot());
    if let Some(ZoneEntry::Loaded(zone)) = snapshot.find_zone(context.view(), query.qname, rtype) {
        let asked = ZoneQuestion { qname: query.qname, qtype: rtype, dnssec_ok: false, transport_udp: false };
        return Some(answer_apart(zone, &asked)?.1);
    }
    let data = context.local_data().and_then(|data| Some(data.answer(query.qname, rtype)?.0));
    let found =
        data.or_else(|| nw_resolve::LocalZones::answer(snapshot.local_zones()?, query.qname, rtype))?;
    Some(Sections { answer: found.answer, authority: found.authority, additional: Vec::new() })
}

/// Answer a query without RD from the cache. A miss does not cause a lookup (RFC 1034 §4.3.1).
#[cold]
fn from_cache_alone(context: &Context<'_>, response: &mut Response<'_, '_>) -> Verdict {
    if let Some(data) = context.local_data()
        && let Some(verdict) = from_local_data(context, data, response)
    {
        return verdict;
    }
    match policies::before(context, response) {
        Verdict::Continue => {}
        verdict => return verdict,
    }
    if let Some(verdict) = hit(context, response) {
        context.step(|| (Layer::Cache, Reason::CachedAnswer));
        return verdict;
    }
    let ede = Ede::NOT_AUTHORITATIVE;
    context.refuse(Layer::Cache, (Rcode::REFUSED, ede), not_served(context, ede))
}

/// Whether the cache answers the query of a client. Unlike [`hit`], this leaves the entry as it is.
#[cold]
pub(crate) fn is_cached(context: &Context<'_>) -> bool {
    let (query, now, view) = (context.query, context.environment.now, context.cache_view());
    let Some(cache) = context.environment.cache.filter(|_| !nw_resolve::is_sentinel(query.qname)) else {
        return false;
    };
    match cache.get_as(&reader(context), query.qname, query.qtype, now) {
        Lookup::Hit { found: Cached::Alias(_), .. } => {
            let mut entries = cache.inspect(query.qname, now).into_iter();
            entries.any(|entry| {
                (entry.kind, entry.rtype, entry.view) == (Kind::Chain, Some(query.qtype), view)
                    && !entry.is_stale()
            })
        }
        Lookup::Hit { .. } => true,
        Lookup::Expired { .. } | Lookup::Miss => false,
    }
}

/// The cached answer to the query, if any.
#[inline]
fn hit(context: &Context<'_>, response: &mut Response<'_, '_>) -> Option<Verdict> {
    let (query, environment) = (context.query, context.environment);
    let reader = reader(context);
    // The resolver answers these by what it trusts.
    if nw_resolve::is_sentinel(query.qname) {
        return None;
    }
    let hit = environment.cache?.hit_as(&reader, &wanted(query), environment.now, response.out)?;
    environment.stats.cache_hits.add(1);
    (response.rcode, response.truncated, response.kind) = (hit.rcode, hit.truncated, ResponseKind::Cached);
    response.ad = hit.state == State::Secure && query.wants_ad();
    if let Some(ede) = hit.failure {
        return kept_failure(context, ede, response);
    }
    if hit.explained {
        explain(context, response);
    }
    if hit.due {
        renew(context);
    }
    if query.qtype == RrType::ANY && is_minimal(context) {
        response.minimise_any();
    }
    Some(Verdict::Answer)
}

/// Let the client learn why the cached answer is insecure.
#[cold]
fn explain(context: &Context<'_>, response: &mut Response<'_, '_>) {
    let (query, reader) = (context.query, reader(context));
    let (Some(cache), now) = (context.environment.cache, context.environment.now) else { return };
    let explained = cache.chain_explanation(&reader, &wanted(query), now).or_else(|| {
        match cache.get_as(&reader, query.qname, query.qtype, now) {
            Lookup::Hit { explained, .. } => explained,
            _ => None,
        }
    });
    if let Some((ede, text)) = explained {
        response.note(ede, text);
    }
}

/// Look up the query again before the cached answer expires.
#[cold]
fn renew(context: &Context<'_>) {
    let (query, environment) = (context.query, context.environment);
    let config = context.snapshot().resolver().filter(|config| config.prefetch);
    // A query without RD never causes a lookup.
    if let (Some(renew), Some(config), true) = (environment.renew, config, query.flags.rd()) {
        let view = context.cache_view();
        let walk = policies::walk(context);
        let question = ClientQuestion { view, walk, ..question(query, query.qname.to_name()) };
        environment.stats.cache_prefetches.add(renew.renew(question, config.budget.max_renewals).into());
    }
}

/// Whether the client gets one RRset for ANY (RFC 8482).
pub(crate) fn is_minimal(context: &Context<'_>) -> bool {
    context.transport == Transport::Udp && context.snapshot().plan().server.minimal_any
}

/// The cache entries that the client may read.
#[inline]
fn reader(context: &Context<'_>) -> Reader {
    let checking_disabled = context.query.flags.cd();
    Reader { checking_disabled, view: context.cache_view(), ..Reader::default() }
}

/// The cached failure of the query, with its cause and age (RFC 9520 §3.2, RFC 8914 §4.14), or what was known before it
/// (RFC 8767). `ede`: the extended error of the first client. None: expired data have to be found along an alias, or DNS64
/// looks further.
#[cold]
fn kept_failure(context: &Context<'_>, ede: Ede, response: &mut Response<'_, '_>) -> Option<Verdict> {
    let (query, environment) = (context.query, context.environment);
    let cache = environment.cache?;
    // DNS64 needs to know whether the failure is that of a validation.
    if dns64::applies(context) && query.flags.rd() {
        return None;
    }
    let lookup = cache.get_as(&reader(context), query.qname, query.qtype, environment.now);
    let (causes, because) = match lookup {
        Lookup::Hit { found: Cached::Failure(kept), age_s, left_s, state, .. } => {
            let alone = kept.counts_alone(age_s);
            let reason = Reason::CachedFailure { cause: kept.cause, age_s, left_s };
            if state != State::Bogus {
                match stale(context, cache, &reason, response) {
                    Expired::Answer(verdict) => return Some(verdict),
                    Expired::Alias => return None,
                    Expired::Nothing if !alone => return None,
                    Expired::Nothing => {}
                }
            }
            (vec![(Ede::CACHED_ERROR, reason.to_string()), (kept.ede, kept.text)], Some(reason))
        }
        // Another worker has replaced the entry meanwhile.
        _ => {
            let text = "the lookup failed a moment ago".to_owned();
            (vec![(Ede::CACHED_ERROR, text), (ede, String::new())], None)
        }
    };
    Some(Verdict::Fail(Box::new(Causes(causes, because))))
}

/// What the cache has for a query whose servers failed.
enum Expired {
    /// The answer.
    Answer(Verdict),
    /// An alias that the resolver has to follow.
    Alias,
    /// Nothing.
    Nothing,
}

/// Answer the query from expired data because of *failed* (RFC 8767).
fn stale(context: &Context<'_>, cache: &Cache, failed: &Reason, response: &mut Response<'_, '_>) -> Expired {
    let (query, environment) = (context.query, context.environment);
    let Some(config) =
        context.snapshot().resolver().map(|config| config.stale).filter(|stale| stale.max_s > 0)
    else {
        return Expired::Nothing;
    };
    let reader = Reader { stale_s: config.max_s, stale_ttl_s: config.ttl_s, ..reader(context) };
    let wanted = wanted(query);
    let Some((hit, expired_s)) = cache.stale_hit(&reader, &wanted, environment.now, response.out) else {
        return match cache.stale(&reader, &wanted, environment.now) {
            Some(_) => Expired::Alias,
            None => Expired::Nothing,
        };
    };
    environment.stats.cache_stale.add(1);
    (response.rcode, response.truncated) = (hit.rcode, hit.truncated);
    response.ad = hit.state == State::Secure && query.wants_ad();
    let code = match hit.rcode {
        Rcode::NXDOMAIN => Ede::STALE_NXDOMAIN_ANSWER,
        _ => Ede::STALE_ANSWER,
    };
    let reason = Reason::ServedStale { expired_s, cause: failed.to_string() };
    let text = reason.to_string();
    context.step(|| (Layer::Cache, reason));
    Expired::Answer(Verdict::AnswerWith(Box::new(Causes(vec![(code, text)], None))))
}

/// What the query asks of the cache.
#[inline]
fn wanted<'q>(query: &Query<'q>) -> HitQuestion<'q> {
    HitQuestion {
        name: query.qname,
        rtype: query.qtype,
        class: Class::IN,
        dnssec_ok: query.dnssec_ok(),
        checking_disabled: query.flags.cd(),
    }
}

pub(crate) fn question(query: &Query<'_>, name: Name) -> ClientQuestion {
    question_of(query, name, query.qtype)
}

/// The question for *name* and *rtype* on behalf of *query*.
pub(crate) fn question_of(query: &Query<'_>, name: Name, rtype: RrType) -> ClientQuestion {
    ClientQuestion {
        name,
        rtype,
        class: Class::IN,
        dnssec_ok: query.dnssec_ok(),
        checking_disabled: query.flags.cd(),
        // `Pending` stores these.
        view: 0,
        walk: Walk::Unrecorded,
    }
}
