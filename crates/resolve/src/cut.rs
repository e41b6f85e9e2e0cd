//! The starting point of a lookup: the deepest known zone cut above a name, a forward, or the root (RFC 1034 §5.3.3 step 2).
//!
//! From the name up to the cut, each label costs one look into the cache for what answers the question without a query: a DNAME
//! (RFC 6672 §2.2), or, if that is set, a name above that does not exist (RFC 8020).

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;

use nw_cache::{
    Cached, Delegation, DelegationEvidence, DelegationSource, Lookup, NameServer, Rank, State, Trust,
};
use nw_wire::code::{Ede, RrType};
use nw_wire::message::Message;
use nw_wire::name::{Name, NameRef};

use crate::answer::Failure;
use crate::budget::{Limit, Meter};
use crate::classify::{Finding, Reply};
use crate::config::{Forward, ForwardMode, LocalAnswer};
use crate::flight::Join;
use crate::join::until;
use crate::notice::Notice;
use crate::resolution::Walk;
use crate::scrub::Scrubber;
use crate::select::ServerList;
use crate::signed::{Signed, pair, substitute, synthesise, target_of};
use crate::special;
use crate::task::{Core, Frame, Primed, Task};
use crate::trace::{Action, Basis, CacheState, Draft, Layer, Reason, Trace, Unusable};
use crate::validator::{Effort, Explained};
use crate::world::{Micros, SECOND, World};

/// The port that name servers listen on.
pub(crate) const PORT: u16 = 53;
/// Time that the hints are used as they are after a failed attempt to prime.
const UNPRIMED: Micros = 30 * SECOND;

/// What is known without a query.
#[expect(clippy::large_enum_variant, reason = "made once for a lookup and taken apart at once")]
pub(crate) enum LocalData {
    /// The answer, or an alias.
    Found(Finding, State),
    /// Servers to ask.
    Servers(ServerList),
    /// The servers of this zone, the root or a stub zone, are not known yet.
    Unprimed(Name),
}

/// What is known nearest to a name.
#[expect(clippy::large_enum_variant, reason = "made once for a lookup and taken apart at once")]
pub(crate) enum Nearest {
    /// The answer follows from what is above: why, what, age and life left in seconds, its state.
    Found(Reason, Finding, u32, u32, State),
    /// Servers to ask.
    Servers(ServerList),
    /// The servers of this zone, the root or a stub zone, are not known yet.
    Unprimed(Name),
}

impl<W: World> Task<'_, W> {
    /// What local data answer to *name* and *rtype*, at an alias of the client's name.
    pub(crate) fn local_data(&self, name: &Name, rtype: RrType, trace: &Trace) -> Option<LocalData> {
        let (found, source) = self.core.config.local.as_ref()?.data(self.view, name.as_ref(), rtype)?;
        let reason = Reason::LocalData { source, blocks: false };
        let draft = Draft::new(Layer::Zone, Action::Lookup, name.clone(), rtype, reason);
        trace.step(self.core.world.now(), draft.zone(found.apex.clone()).basis(Basis::Inferred));
        Some(LocalData::Found(finding(found, rtype), State::Indeterminate))
    }

    /// End *found*, the reply of a server, at the first alias that leads to local data: these replace what the server says about the name.
    pub(crate) fn up_to_local_data(&self, found: Finding, rtype: RrType) -> Finding {
        let (Finding::Data { sets, .. } | Finding::Absence { sets, .. }) = &found else { return found };
        let Some(local) = self.core.config.local.as_ref().filter(|_| rtype != RrType::CNAME) else {
            return found;
        };
        let leads_here = |set: &Signed| {
            let target = target_of(&set.rrset).filter(|_| set.rrset.rtype == RrType::CNAME)?.to_name();
            local.data(self.view, target.as_ref(), rtype).map(|_| target)
        };
        let Some((at, target)) = sets.iter().enumerate().find_map(|(at, set)| Some((at, leads_here(set)?)))
        else {
            return found;
        };
        match found {
            Finding::Data { mut sets, proof } => {
                sets.truncate(at + 1);
                Finding::Alias { sets, target, proof }
            }
            Finding::Absence { mut sets, .. } => {
                sets.truncate(at + 1);
                Finding::Alias { sets, target, proof: Vec::new() }
            }
            other => other,
        }
    }

    /// Steps 1 and 2: find *name* and *rtype* in local data, or else the servers to ask.
    ///
    /// `unknown`: the cache holds nothing about them. Data of the cache to which no path is recorded are not used if paths are.
    pub(crate) fn local(
        &self,
        name: &Name,
        rtype: RrType,
        unknown: bool,
        frame: &Frame<'_>,
        trace: &Trace,
    ) -> Result<LocalData, Failure> {
        let core = self.core;
        let now = core.world.now();
        let forward = core.config.forward(name.as_ref());
        let step = |layer, reason| Draft::new(layer, Action::Lookup, name.clone(), rtype, reason);
        let named_forward = forward.is_some_and(|forward| !forward.suffix.as_ref().is_root());
        if core.config.special_use
            && !named_forward
            && let Some(finding) = special::answer(name.as_ref(), rtype)
        {
            trace.step(now, step(Layer::SpecialUse, Reason::SpecialUse).basis(Basis::Inferred));
            return Ok(LocalData::Found(finding, State::Indeterminate));
        }
        let walks = frame.depth == 0 && self.walk != Walk::Unrecorded;
        let kept = || core.cache.get_as(&self.reader(), name.as_ref(), rtype, now);
        let lookup = match if unknown { Lookup::Miss } else { kept() } {
            Lookup::Hit { found, .. } if walks && self.lacks_path(name, &found) => Lookup::Miss,
            Lookup::Hit { found: Cached::Failure(kept), age_s, .. }
                if !kept.counts_alone(age_s)
                    && (frame.depth > 0
                        || core.stale(name.as_ref(), rtype, &self.reader(), false).is_none()) =>
            {
                Lookup::Expired { age_s }
            }
            lookup => lookup,
        };
        let (mut state, mut age) = (CacheState::Miss, 0);
        match lookup {
            Lookup::Hit { found, age_s, left_s, state, explained } => {
                self.explain_kept(name.as_ref(), explained, frame);
                let draft = |reason| step(Layer::Cache, reason).cache(CacheState::Hit, age_s, left_s);
                let (reason, finding) = match found {
                    Cached::Rrset(sets) => {
                        (Reason::CachedAnswer, Finding::Data { sets: pair(sets), proof: Vec::new() })
                    }
                    // The alias is what there is at the name (RFC 1034 §3.6.2).
                    Cached::Alias(sets) if rtype == RrType::ANY => {
                        (Reason::CachedAnswer, Finding::Data { sets: pair(sets), proof: Vec::new() })
                    }
                    Cached::Alias(sets) => {
                        let target = sets.first().and_then(target_of);
                        let target = target.expect("an alias is kept with its target").to_name();
                        (
                            Reason::CachedAlias { target: target.clone() },
                            Finding::Alias { sets: pair(sets), target, proof: Vec::new() },
                        )
                    }
                    Cached::NoData(authority) => (Reason::CachedNoData, absence(false, authority)),
                    Cached::NxDomain(authority) => {
                        (Reason::CachedNxDomain { denied: name.clone() }, absence(true, authority))
                    }
                    Cached::Failure(kept) => {
                        let ede = kept.ede;
                        let failure = Failure::kept(kept, age_s, left_s, state);
                        trace.step(now, draft(failure.reason.clone()).ede(ede));
                        return Err(failure);
                    }
                };
                trace.step(now, draft(reason));
                return Ok(LocalData::Found(finding, state));
            }
            Lookup::Expired { age_s } => (state, age) = (CacheState::Expired, age_s),
            Lookup::Miss => {}
        }
        if let Some(found) = core.config.local.as_ref().and_then(|zones| zones.answer(name.as_ref(), rtype)) {
            let draft = step(Layer::Zone, Reason::LocallyServed).zone(found.apex.clone());
            trace.step(now, draft.basis(Basis::Inferred));
            return Ok(LocalData::Found(finding(found, rtype), State::Indeterminate));
        }
        if let Some((finding, zone, reason)) = self.synthesise(name, rtype, forward, now) {
            trace.step(now, step(Layer::Cache, reason).zone(zone).basis(Basis::Inferred));
            return Ok(LocalData::Found(finding, State::Secure));
        }
        if let Some(forward) = forward
            && forward.mode == ForwardMode::Recursive
        {
            let reason = Reason::NotCached { route: core.config.route(name.as_ref()) };
            trace.step(now, step(Layer::Cache, reason).zone(forward.suffix.clone()).cache(state, age, 0));
            return Ok(LocalData::Servers(ServerList::forward(forward)));
        }
        let nearest = self.upward(name, rtype, frame, forward, now)?;
        if let Nearest::Found(reason, finding, age_s, left_s, found_state) = nearest {
            trace.step(
                now,
                step(Layer::Cache, reason).cache(CacheState::Hit, age_s, left_s).basis(Basis::Inferred),
            );
            return Ok(LocalData::Found(finding, found_state));
        }
        let reason = Reason::NotCached { route: core.config.route(name.as_ref()) };
        let draft = step(Layer::Cache, reason).cache(state, age, 0);
        Ok(match nearest {
            Nearest::Servers(servers) => {
                trace.step(now, draft.zone(servers.zone.clone()));
                LocalData::Servers(servers)
            }
            Nearest::Unprimed(zone) => {
                trace.step(now, draft);
                LocalData::Unprimed(zone)
            }
            Nearest::Found(..) => unreachable!("it was returned above"),
        })
    }

    /// Walk up from *name* to the deepest cut.
    pub(crate) fn upward(
        &self,
        name: &Name,
        rtype: RrType,
        frame: &Frame<'_>,
        stub: Option<&Forward>,
        now: Micros,
    ) -> Result<Nearest, Failure> {
        let core = self.core;
        // DS stands in the parent, so the cut at the name itself is one too deep (RFC 4035 §3.1.4.1).
        let mut above = if rtype == RrType::DS { name.as_ref().parent() } else { Some(name.as_ref()) };
        let mut skipped = false;
        while let Some(at) = above {
            if at.wire().len() < name.as_ref().wire().len()
                && let Lookup::Hit { found, age_s, left_s, state, explained } =
                    core.cache.above(&self.reader(), at, now)
            {
                self.explain_kept(at, explained, frame);
                match found {
                    Cached::Rrset(sets) => {
                        if let Some(dname) = sets.first()
                            && let Some(target) = substitute(name.as_ref(), dname).transpose()
                        {
                            let Ok(target) = target else {
                                let finding = Finding::TooLong { sets: pair(sets) };
                                return Ok(Nearest::Found(
                                    Reason::NameTooLong,
                                    finding,
                                    age_s,
                                    left_s,
                                    state,
                                ));
                            };
                            let link = synthesise(name.as_ref(), dname, target.as_ref());
                            let target = target.to_name();
                            let reason = Reason::CachedAlias { target: target.clone() };
                            let sets = pair(sets).into_iter().chain([link]).collect();
                            let finding = match rtype {
                                // The CNAME itself is what is asked for.
                                RrType::CNAME => Finding::Data { sets, proof: Vec::new() },
                                _ => Finding::Alias { sets, target, proof: Vec::new() },
                            };
                            return Ok(Nearest::Found(reason, finding, age_s, left_s, state));
                        }
                    }
                    // RFC 8020, always for validated denials: those cannot be an error of a server about empty non-terminals.
                    Cached::NxDomain(authority) if state == State::Secure || core.config.nxdomain_cut => {
                        let reason = Reason::CachedNxDomain { denied: at.to_name() };
                        return Ok(Nearest::Found(reason, absence(true, authority), age_s, left_s, state));
                    }
                    _ => {}
                }
            }
            if let Some(stub) = stub.filter(|stub| stub.suffix == at) {
                return Ok(self.stub(stub, now));
            }
            if let Some(cut) = core.cache.cut(at, now) {
                let mut servers = ServerList::delegated(&cut, core, now);
                servers.whole_name = skipped;
                // A server of the zone itself that came without address: the zone cannot be reached to ask for it, and its
                // parent may give the address when it is asked for that.
                let unreachable = servers.is_without_address()
                    && cut.servers.iter().any(|server| server.name == *name)
                    && !at.is_root();
                if !unreachable {
                    return Ok(Nearest::Servers(servers));
                }
                skipped = true;
            }
            above = at.parent();
        }
        Ok(Nearest::Unprimed(Name::root()))
    }

    /// Let the client know why what is cached of *at* is insecure, unless only a part of the lookup needs it.
    fn explain_kept(&self, at: NameRef<'_>, explained: Option<(Ede, String)>, frame: &Frame<'_>) {
        if let Some((ede, text)) = explained.filter(|_| frame.depth == 0) {
            self.effort.explain(Explained { zone: at.to_name(), ede, text });
        }
    }

    /// The servers of the stub zone *stub*: those that it names itself, once they are known.
    fn stub(&self, stub: &Forward, now: Micros) -> Nearest {
        let core = self.core;
        let own = core.cache.cut(stub.suffix.as_ref(), now);
        match own.filter(|cut| stub.prime && cut.source == DelegationSource::Priming) {
            Some(cut) => Nearest::Servers(ServerList::delegated(&cut, core, now)),
            None if stub.prime => Nearest::Unprimed(stub.suffix.clone()),
            None => Nearest::Servers(ServerList::forward(stub)),
        }
    }

    /// The servers of *zone* by a priming query, or the configured ones as they are: those of the root (RFC 8109) or of a stub zone.
    pub(crate) async fn primed(&self, zone: &Name, trace: &Trace) -> Result<ServerList, Failure> {
        let core = self.core;
        let now = core.world.now();
        if zone.as_ref().is_root() && core.config.hints.is_empty() {
            let reason = if core.config.cache_only { Reason::CacheOnly } else { Reason::NoHints };
            return Err(Failure::because(reason));
        }
        if core.unprimed.borrow().iter().any(|(unprimed, until)| unprimed == zone && now < *until) {
            return Ok(core.configured(zone, Layer::Delegation));
        }
        let id = trace.begin(Draft::new(
            Layer::Priming,
            Action::Lookup,
            zone.clone(),
            RrType::NS,
            Reason::Abandoned,
        ));
        let primed = match core.priming.join(zone, || Core::prime(Rc::clone(core), zone.clone())) {
            Join::First(wait) | Join::Later(wait) => until(&*core.world, self.meter.deadline(), wait).await,
        };
        let now = core.world.now();
        let Some((cut, steps, began)) = primed else {
            trace.finish(id, now, Reason::LimitReached { limit: Limit::WallClock });
            return Err(core.configured(zone, Layer::Priming).stopped(Limit::WallClock));
        };
        trace.graft(id, &steps, began);
        let Some(cut) = cut else {
            trace.finish(id, now, Reason::Unprimed { zone: zone.clone() });
            let mut unprimed = core.unprimed.borrow_mut();
            unprimed.retain(|(other, _)| other != zone);
            unprimed.push((zone.clone(), now + UNPRIMED));
            return Ok(core.configured(zone, Layer::Delegation));
        };
        trace.finish(id, now, Reason::Primed { zone: zone.clone(), servers: cut.servers.len() as u32 });
        Ok(ServerList::delegated(&cut, core, now))
    }
}

/// What *found* means for a lookup of *rtype*.
fn finding(found: LocalAnswer, rtype: RrType) -> Finding {
    let alias = found.answer.first().filter(|set| set.rtype == RrType::CNAME && rtype != RrType::CNAME);
    let target = alias.filter(|_| rtype != RrType::ANY).and_then(target_of).map(|target| target.to_name());
    match (found.answer.is_empty(), target) {
        (true, _) => absence(found.nxdomain, found.authority),
        (false, None) => Finding::Data { sets: pair(found.answer), proof: Vec::new() },
        (false, Some(target)) => Finding::Alias { sets: pair(found.answer), target, proof: Vec::new() },
    }
}

fn absence(nxdomain: bool, authority: Vec<nw_wire::rrset::Rrset>) -> Finding {
    Finding::Absence { sets: Vec::new(), nxdomain, authority: pair(authority) }
}

impl<W: World> Core<W> {
    /// The servers that the configuration names for *zone*: the root hints, or those of a stub zone.
    fn configured(&self, zone: &Name, layer: Layer) -> ServerList {
        let stub = self.config.forwards.iter().find(|forward| forward.prime && forward.suffix == *zone);
        match stub {
            Some(stub) => {
                let mut list = ServerList::forward(stub);
                list.layer = layer;
                list
            }
            None => ServerList::hinted(self, layer),
        }
    }

    /// Ask the configured servers of *zone* for its name servers, and cache the delegation.
    async fn prime(core: Rc<Core<W>>, zone: Name) -> Primed {
        let began = core.world.now();
        let budget = &core.config.budget;
        let meter = Meter::until(began.saturating_add(budget.priming_clock));
        let effort = Effort::new(&core.config);
        let (checking_disabled, view, unknown, renews) = (false, 0, false, false);
        let task = Task {
            core: &core,
            meter: &meter,
            effort: &effort,
            checking_disabled,
            view,
            unknown,
            renews,
            walk: Walk::Unrecorded,
        };
        let trace = Trace::start(began, budget.max_steps);
        let mut list = core.configured(&zone, Layer::Priming);
        while let Some(at) = list.pick(&core) {
            let Ok(replied) = task.ask(&mut list, at, zone.as_ref(), RrType::NS, &trace).await else { break };
            let Some(replied) = replied else { continue };
            let now = core.world.now();
            let step = |reason| list.asked(at, replied.via, zone.clone(), RrType::NS, reason);
            let Reply::Answer(chain) = &replied.reply else {
                trace.step(now, step(Reason::Unusable { unusable: Unusable::Unasked }));
                list.spend(at);
                continue;
            };
            let Signed { rrset: ns, signatures, .. } = &chain.data[0];
            trace.step(now, step(Reason::Answer { records: ns.rdatas.len() as u32 }));
            let names = ns.rdatas.iter().filter_map(|rdata| Name::from_wire(rdata).ok()).collect();
            let message = Message::parse_reply(&replied.bytes).expect("it was parsed when it arrived");
            let scrubber = Scrubber { message: &message, zone: zone.as_ref(), budget, delegated: &|_| false };
            let (mut servers, life) = scrubber.servers(names);
            if zone.as_ref().is_root() {
                core.compare_hints(&servers);
                for server in servers.iter_mut().filter(|server| server.addresses.is_empty()) {
                    let hint = core.config.hints.iter().find(|(name, _)| *name == server.name);
                    if let Some((_, addresses)) = hint {
                        server.addresses.clone_from(addresses);
                    }
                }
            }
            // For clients without CD the NS RRset is looked up when they ask for it, and validated.
            let state = if core.validator.is_some() { State::Unchecked } else { State::default() };
            let origin = task.origin(Rank::Authoritative, state);
            core.cache.put_rrset(ns, signatures.as_ref(), origin, now);
            let expires = now + ns.ttl.min(life) as Micros * SECOND;
            let cut = Arc::new(Delegation {
                zone,
                servers,
                source: DelegationSource::Priming,
                trust: Trust::Unknown { evidence: DelegationEvidence::default() },
                stored: now,
                expires,
                above: None,
            });
            core.cache.put_cut(Arc::clone(&cut), now);
            return (Some(cut), trace.steps().into(), began);
        }
        (None, trace.steps().into(), began)
    }

    /// Compare the root hints with *servers*, which the root servers themselves name, and tell the operator once how they differ.
    ///
    /// A server without addresses came without them, for want of room in the reply; that is no difference.
    fn compare_hints(&self, servers: &[NameServer]) {
        let hints = &self.config.hints;
        let mut differences = Vec::new();
        for server in servers {
            let Some((name, hinted)) = hints.iter().find(|(name, _)| *name == server.name) else {
                differences.push(format!("the hints lack the root server {}", server.name));
                continue;
            };
            let given = |v4| server.addresses.iter().filter(move |address| address.is_ipv4() == v4);
            for v4 in [true, false].into_iter().filter(|v4| given(*v4).next().is_some()) {
                let gone = hinted.iter().filter(|address| address.is_ipv4() == v4);
                let gone = gone.filter(|address| !server.addresses.contains(address));
                differences.extend(gone.map(|address| format!("{name} has no longer the address {address}")));
                let new = given(v4).filter(|address| !hinted.contains(address));
                differences.extend(new.map(|address| format!("{name} has the address {address}")));
            }
        }
        let gone = hints.iter().filter(|(name, _)| !servers.iter().any(|server| server.name == *name));
        differences.extend(gone.map(|(name, _)| format!("{name} is no longer a root server")));
        differences.sort_unstable();
        if self.cache.servers().set_hint_differences(&differences) && !differences.is_empty() {
            self.world.notice(Notice::HintsDiffer { differences });
        }
    }

    /// The address of a name server that was learned, or None if it must not be asked.
    pub(crate) fn usable(&self, address: IpAddr) -> Option<SocketAddr> {
        let wanted = if address.is_ipv4() { self.config.ipv4 } else { self.config.ipv6 };
        let absurd = address.is_unspecified()
            || address.is_multicast()
            || matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
        let forbidden = address.to_canonical().is_loopback() && !self.config.ask_loopback;
        (wanted && !absurd && !forbidden).then(|| SocketAddr::new(address, PORT))
    }
}
