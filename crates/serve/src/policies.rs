//! Lists and response policy zones in the path of a query (`nw-policy`, `rules.rs`).
//!
//! ```text
//! route: Resolve, Cache ──▶ before ──▶ cache, lookup ──▶ exit: after ──▶ other filters
//!                           client, queried name               alias chain, addresses, name servers
//! ```
//!
//! Lists judge what the resolver answers, from the cache as well as from a lookup. They do not judge the zones and local data of this server, except
//! an alias that leaves them. A failure stays a failure: data that failed validation never becomes an answer.
//!
//! Rules about name servers need the delegations that led to each name of the chain (`nw-cache`, `path.rs`). A cached answer to which they are
//! not recorded, because it was cached before the rules were loaded, is looked up again.
//!
//! | action | response |
//! |---|---|
//! | nxdomain, nodata | the aliases before the name, and the SOA of a policy zone in the additional section |
//! | data | the records of the type, or no data; AAAA records of DNS64 are made of its A records |
//! | cname | the alias, and the answer for its target, to which no list applies; an alias to the name itself lets it pass |
//! | tcp-only | TC over UDP |
//! | drop | none |
//!
//! A changed answer is never authentic (AD), and has an Extended DNS Error with the list and the rule.

use std::net::IpAddr;

use nw_cache::{Cache, DataPath, Delegation};
use nw_policy::rules::{Action, AtQuery, Client, Link, Match, Policies, Server, ServerNeeds};
use nw_resolve::Walk;
use nw_resolve::trace::{Layer, ListRule, Reason};
use nw_wire::{Class, Ede, Name, NameRef, Rcode, RrType, Rrset, Section};
use nw_zone::{MOST_ALIASES, ZoneQuestion};

use crate::context::Context;
use crate::filter::{dns64, hints};
use crate::response::{Response, ResponseKind};
use crate::route;
use crate::sections::Sections;
use crate::verdict::{Ask, Causes, Transport, Verdict};

/// The name of the artifact with the lists, a [`Policies`](nw_policy::rules::Policies).
pub const ARTIFACT: &str = "policies";

/// What the lists have decided about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judged {
    /// Nothing.
    No,
    /// No rule applies to the client and the queried name.
    Query,
    /// Everything: no further rule applies.
    Done,
}

/// Decide by client and queried name, before the lookup.
#[inline]
pub(crate) fn before(context: &Context<'_>, response: &mut Response<'_, '_>) -> Verdict {
    if context.snapshot().policies().is_none() { Verdict::Continue } else { judge_query(context, response) }
}

#[inline(never)]
fn judge_query(context: &Context<'_>, response: &mut Response<'_, '_>) -> Verdict {
    let Some(policies) = context.snapshot().policies() else { return Verdict::Continue };
    let qname = context.query.qname;
    match policies.at_query(&client(context), qname, |found| note(context, &found)) {
        AtQuery::Decided(found) => act(context, response, &found, Vec::new(), qname),
        AtQuery::Nothing => {
            context.judged.set(Judged::Query);
            Verdict::Continue
        }
        AtQuery::Wait => Verdict::Continue,
        AtQuery::Exempt => {
            context.judged.set(Judged::Done);
            Verdict::Continue
        }
    }
}

/// Decide by the answer: the names of its alias chain, and its addresses.
pub(crate) fn after(context: &Context<'_>, response: &mut Response<'_, '_>) -> Verdict {
    let Some(policies) = context.snapshot().policies() else { return Verdict::Continue };
    let judged = context.judged.get();
    let resolved = matches!(response.kind, ResponseKind::Cached | ResponseKind::Resolved);
    let data = matches!(response.rcode, Rcode::NOERROR | Rcode::NXDOMAIN | Rcode::YXDOMAIN);
    if judged == Judged::Done || !resolved || !data {
        return Verdict::Continue;
    }
    let first = usize::from(judged == Judged::Query);
    if first == 1 && !policies.reads_answers() && !names_others(response) {
        return Verdict::Continue;
    }
    let Some(sections) = response.sections() else { return Verdict::Continue };
    let qname = context.query.qname;
    let mut names = chain(&sections.answer, qname);
    let aliases = names.len();
    names.extend(service_targets(&sections.answer));
    let addresses: Vec<Vec<IpAddr>> = names.iter().map(|name| addresses(&sections.answer, name)).collect();
    let paths = match policies.server_needs() {
        Some(needs) => match paths(context, response, needs, &names[..aliases]) {
            Ok(paths) => paths,
            Err(verdict) => return verdict,
        },
        None => Vec::new(),
    };
    let servers: Vec<Vec<Server<'_>>> = paths.iter().map(|path| servers(path.as_ref())).collect();
    let servers = servers.iter().map(Vec::as_slice).chain(std::iter::repeat(&[][..]));
    let links = names.iter().zip(&addresses).zip(servers);
    let links: Vec<Link<'_>> =
        links.map(|((name, addresses), servers)| Link { name: name.as_ref(), addresses, servers }).collect();
    let signed = sections.answer.iter().chain(&sections.authority).any(|set| set.rtype == RrType::RRSIG);
    let logged = |found: Match<'_>| note(context, &found);
    let Some((at, found)) = policies.at_answer(&client(context), &links, first, signed, logged) else {
        return Verdict::Continue;
    };
    // A rule for the target of a service applies to the records that name it.
    let at = at.min(aliases - 1);
    let before = |set: &Rrset| {
        names[..at].iter().any(|name| match set.rtype {
            RrType::DNAME => name.as_ref().is_below(set.owner.as_ref()),
            _ => *name == set.owner,
        })
    };
    let kept = sections.answer.iter().filter(|set| before(set)).cloned().collect();
    act(context, response, &found, kept, names[at].as_ref())
}

/// What a lookup for *context* has to record for the rules about name servers.
pub(crate) fn walk(context: &Context<'_>) -> Walk {
    let needs = context.snapshot().policies().and_then(Policies::server_needs);
    needs.map_or(Walk::Unrecorded, |needs| needs.look_up.map_or(Walk::Delegations, Walk::Addresses))
}

/// The delegations that led to each of *names*. Err: they are not recorded, and a lookup may record them.
#[cold]
fn paths(
    context: &Context<'_>,
    response: &mut Response<'_, '_>,
    needs: ServerNeeds,
    names: &[Name],
) -> Result<Vec<Option<DataPath>>, Verdict> {
    let Some(cache) = context.environment.cache else { return Ok(Vec::new()) };
    let view = context.cache_view();
    let looks_up = response.kind == ResponseKind::Cached
        && context.lookups == 0
        && response.ra
        && context.query.flags.rd()
        && !route::is_cache_only(context);
    let mut paths = Vec::with_capacity(names.len());
    for name in names {
        let path = cache.path(view, name.as_ref());
        let complete = |path: &DataPath| needs.look_up.is_none() || path.looked_up.is_some();
        if looks_up && !path.as_ref().is_some_and(complete) {
            response.out.clear();
            let question = route::question(context.query, context.query.qname.to_name());
            return Err(Verdict::Ask(Box::new(Ask::new(question))));
        }
        // Without a lookup, what is known now has to do.
        paths.push(path.or_else(|| {
            cache.nearest_cut(name.as_ref()).map(|cut| DataPath::new(view, name.as_ref(), Some(cut)))
        }));
    }
    Ok(paths)
}

/// The name servers of *name* as far as *cache* knows them, with which rules about name servers judge it: labels of the zone, name and
/// addresses of each. Empty if it knows none, as for names that are forwarded.
pub fn name_servers(cache: &Cache, name: NameRef<'_>) -> Vec<(u8, Name, Vec<IpAddr>)> {
    let nearest = || Some(DataPath::new(0, name, Some(cache.nearest_cut(name)?)));
    let path = cache.path(0, name).or_else(nearest);
    let found = servers(path.as_ref()).into_iter();
    found.map(|server| (server.zone_labels, server.name.to_name(), server.addresses.to_vec())).collect()
}

/// The name servers of a path.
fn servers(path: Option<&DataPath>) -> Vec<Server<'_>> {
    let Some(path) = path else { return Vec::new() };
    let looked_up = path.looked_up.as_deref().unwrap_or_default();
    let of = move |cut| {
        let Delegation { zone, servers, .. }: &Delegation = cut;
        let zone_labels = zone.as_ref().label_count() as u8;
        servers.iter().map(move |server| {
            let own = server.addresses.as_slice();
            let other = looked_up.iter().find(|other| own.is_empty() && other.name == server.name);
            let addresses = other.map_or(own, |other| other.addresses.as_slice());
            Server { zone_labels, name: server.name.as_ref(), addresses }
        })
    };
    path.cuts().flat_map(of).collect()
}

/// Whether the answer has aliases or names services, so that rules for other names than the queried one may apply.
fn names_others(response: &Response<'_, '_>) -> bool {
    let mut next = response.rrset_after(None);
    while let Some(run) = next.filter(|run| run.section == Section::Answer) {
        if matches!(run.rtype, RrType::CNAME | RrType::DNAME | RrType::SVCB | RrType::HTTPS) {
            return true;
        }
        next = response.rrset_after(Some(&run));
    }
    false
}

fn client<'c>(context: &'c Context<'_>) -> Client<'c> {
    Client { address: context.client_ip(), key: context.key(), dnssec_ok: context.query.dnssec_ok() }
}

/// Count *found* and show it in an explanation.
#[cold]
fn note(context: &Context<'_>, found: &Match<'_>) {
    found.count();
    context.step(|| (Layer::Filter, Reason::ListRule(Box::new(rule(found, context.transport)))));
}

/// *found*, for explanations.
fn rule(found: &Match<'_>, transport: Transport) -> ListRule {
    ListRule {
        list: found.list.settings.name.clone(),
        trigger: found.trigger.to_string(),
        owner: found.trigger.owner(),
        action: found.action.slug(),
        log_only: found.list.settings.log_only,
        passes: match found.action {
            Action::Passthru => true,
            Action::TcpOnly => transport != Transport::Udp,
            _ => false,
        },
    }
}

/// Do what *found* says. `kept`: the aliases before *owner*, the name to which the rule applies.
#[cold]
fn act(
    context: &Context<'_>,
    response: &mut Response<'_, '_>,
    found: &Match<'_>,
    kept: Vec<Rrset>,
    owner: NameRef<'_>,
) -> Verdict {
    note(context, found);
    context.judged.set(Judged::Done);
    let query = context.query;
    let mut sections = Sections { answer: kept, ..Sections::default() };
    let (mut rcode, mut truncated, mut negative) = (Rcode::NOERROR, false, false);
    match found.action {
        Action::Passthru => return Verdict::Continue,
        Action::TcpOnly if context.transport != Transport::Udp => return Verdict::Continue,
        Action::Drop => {
            response.notes = Some(causes(context, found));
            return Verdict::Drop;
        }
        Action::TcpOnly => {
            sections.answer.clear();
            truncated = true;
        }
        Action::Refused => {
            sections.answer.clear();
            rcode = Rcode::REFUSED;
        }
        Action::Nxdomain => (rcode, negative) = (Rcode::NXDOMAIN, true),
        Action::Nodata => negative = true,
        Action::Data(sets) => {
            let wanted = sets.iter().filter(|set| set.rtype == query.qtype || query.qtype == RrType::ANY);
            let before = sections.answer.len();
            sections.answer.extend(wanted.map(|set| Rrset { owner: owner.to_name(), ..set.clone() }));
            if query.qtype == RrType::AAAA && sections.answer.len() == before {
                sections.answer.extend(dns64::of_records(context, owner, sets));
            }
            negative = sections.answer.len() == before;
        }
        Action::Alias(target, ttl) => {
            return alias(context, response, found, sections, owner, (target.clone(), *ttl));
        }
        Action::Below(suffix, ttl) => match owner.with_suffix(NameRef::ROOT, suffix.as_ref()) {
            Some(Ok(target)) => {
                return alias(context, response, found, sections, owner, (target.to_name(), *ttl));
            }
            _ => rcode = Rcode::YXDOMAIN,
        },
    }
    if negative {
        sections.additional.extend(found.list.rules.soa.clone());
    }
    write(response, &sections, rcode);
    response.truncated |= truncated;
    response.notes = Some(causes(context, found));
    Verdict::Answer
}

/// Answer with an alias, and with what is known of its target.
fn alias(
    context: &Context<'_>,
    response: &mut Response<'_, '_>,
    found: &Match<'_>,
    mut sections: Sections,
    owner: NameRef<'_>,
    (target, ttl): (Name, u32),
) -> Verdict {
    let query = context.query;
    let mut set = Rrset::new(owner.to_name(), RrType::CNAME, Class::IN, ttl);
    set.rdatas.push(target.as_ref().wire());
    sections.answer.push(set);
    let mut rcode = Rcode::NOERROR;
    if !matches!(query.qtype, RrType::CNAME | RrType::ANY) {
        // The target may be a page of this server that says why the name is blocked.
        let zone = context.snapshot().find_zone(context.view(), target.as_ref(), query.qtype);
        let asked = ZoneQuestion {
            qname: target.as_ref(),
            qtype: query.qtype,
            dnssec_ok: query.dnssec_ok(),
            transport_udp: false,
        };
        match zone.and_then(|entry| entry.zone()) {
            Some(zone) => {
                if let Some((outcome, more)) = route::answer_apart(zone, &asked) {
                    let made = match query.qtype {
                        RrType::AAAA if !more.answer.iter().any(|set| set.rtype == RrType::AAAA) => {
                            let asked = ZoneQuestion { qtype: RrType::A, ..asked };
                            let found = route::answer_apart(zone, &asked).map(|(_, found)| found.answer);
                            dns64::of_answer(context, found.unwrap_or_default())
                        }
                        _ => None,
                    };
                    match made {
                        Some(made) => sections.answer.extend(made),
                        None => sections.extend(more),
                    }
                    rcode = outcome.rcode;
                }
            }
            None if response.ra && query.flags.rd() => {
                // DNS64 would ask for the queried name, to which the rule applies.
                let second =
                    dns64::applies(context).then(|| route::question_of(query, target.clone(), RrType::A));
                let mut ask = Ask { second, ..Ask::new(route::question(query, target)) };
                (ask.before, ask.because) = (sections, causes(context, found).0);
                return Verdict::Ask(Box::new(ask));
            }
            None => {}
        }
    }
    write(response, &sections, rcode);
    response.notes = Some(causes(context, found));
    Verdict::Answer
}

/// Replace the response.
fn write(response: &mut Response<'_, '_>, sections: &Sections, rcode: Rcode) {
    response.out.clear();
    response.notes = None;
    (response.rcode, response.aa, response.ad, response.ede) = (rcode, false, false, [None; 2]);
    response.truncated = sections.write(response.out).is_err();
    response.kind = ResponseKind::Policy;
}

/// The extended error of a response that *found* made: the text of the list, its name, and the rule.
fn causes(context: &Context<'_>, found: &Match<'_>) -> Box<Causes> {
    let settings = &found.list.settings;
    let forged = matches!(found.action, Action::Data(_) | Action::Alias(..) | Action::Below(..));
    let ede = settings.ede.unwrap_or(if forged { Ede::FORGED_ANSWER } else { Ede::BLOCKED });
    let text = match &*settings.text {
        "" => format!("list {}: {}", settings.name, found.trigger),
        text => format!("{text} (list {}: {})", settings.name, found.trigger),
    };
    let rule = Box::new(rule(found, context.transport));
    Box::new(Causes(vec![(ede, text)], Some(Reason::ListRule(rule))))
}

/// The names of the alias chain that starts at *qname*.
fn chain(answer: &[Rrset], qname: NameRef<'_>) -> Vec<Name> {
    let mut names = vec![qname.to_name()];
    while names.len() <= MOST_ALIASES {
        let last = &names[names.len() - 1];
        let alias = answer.iter().find(|set| set.rtype == RrType::CNAME && set.owner == *last);
        let target = alias.and_then(|set| Name::from_wire(set.rdatas.first()?).ok());
        match target.filter(|target| !names.contains(target)) {
            Some(target) => names.push(target),
            None => break,
        }
    }
    names
}

/// The target names of SVCB and HTTPS records (RFC 9460 §2.2).
fn service_targets(answer: &[Rrset]) -> Vec<Name> {
    let services = answer.iter().filter(|set| matches!(set.rtype, RrType::SVCB | RrType::HTTPS));
    let targets = services.flat_map(|set| set.rdatas.iter()).filter_map(|rdata| {
        let (target, _) = NameRef::read(rdata.get(2..)?).ok()?;
        (!target.is_root()).then(|| target.to_name())
    });
    targets.collect()
}

/// The addresses that *answer* has for *name*: records, and hints for services (RFC 9460 §7.3).
fn addresses(answer: &[Rrset], name: &Name) -> Vec<IpAddr> {
    let mut found = Vec::new();
    for set in answer.iter().filter(|set| set.owner == *name) {
        match set.rtype {
            RrType::A => found.extend(set.rdatas.iter().flat_map(v4)),
            RrType::AAAA => found.extend(set.rdatas.iter().flat_map(v6)),
            RrType::SVCB | RrType::HTTPS => found.extend(set.rdatas.iter().flat_map(hints::addresses)),
            _ => {}
        }
    }
    found
}

fn v4(octets: &[u8]) -> impl Iterator<Item = IpAddr> {
    octets.as_chunks::<4>().0.iter().map(|octets| IpAddr::from(*octets))
}

fn v6(octets: &[u8]) -> impl Iterator<Item = IpAddr> {
    octets.as_chunks::<16>().0.iter().map(|octets| IpAddr::from(*octets))
}

#[cfg(test)]
mod tests;
