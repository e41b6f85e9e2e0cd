//! The algorithm: RFC 1034 §5.3.3, as it is written there.
//!
//! ```text
//! search   1. see if the answer is in local information ............. cut.rs, special.rs, nw-cache
//!          2. find the best servers to ask ........................... cut.rs
//! descend  3. send them queries until one returns a response ......... select.rs, exchange.rs, minimise.rs
//!          4. analyse the response ................................... scrub.rs, classify.rs
//!             a. it answers, or the name does not exist: keep, return  keep.rs
//!             b. it delegates to other servers: keep, go to 3
//!             c. it shows an alias: keep, change the name, go to 1
//!             d. it fails or makes no sense: leave this server, go to 3
//! ```
//!
//! The work for one client question is a [`Task`]: one meter against one budget, however often it goes in circles. A lookup
//! that another lookup waits for gets a [`Frame`] below it; a name that waits for itself is found there.
//!
//! RFCs: 1034 §5.3.3, 1035 §7, 2181 §5.4.1, 2308, 5452, 6672, 6761, 8020, 8109, 8914, 9156, 9520.
//!
//! *Limitations*: answers are not validated (see `validate.rs`); nothing is fetched ahead of its expiry.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use nw_cache::{Cache, Hit, HitQuestion};
use nw_wire::code::{Class, Ede, Rcode, RrType};
use nw_wire::name::{Name, NameRef};
use nw_wire::rrset::Rrset;
use nw_wire::writer::Writer;

use crate::budget::{Limit, Meter};
use crate::classify::{Finding, Reply};
use crate::config::ResolverConfig;
use crate::cut::{Local, Primed};
use crate::exchange::Replied;
use crate::flight::{Boarding, Flights};
use crate::join::Boxed;
use crate::minimise::Minimiser;
use crate::resolution::{ClientQuestion, Resolution};
use crate::scrub::Unusable;
use crate::select::ServerList;
use crate::trace::{Action, Basis, Draft, Layer, Reason, Trace, Validation};
use crate::validate;
use crate::world::{Micros, World};

/// Answers questions by recursion. One per worker thread; the cache behind it is shared.
pub struct Resolver<W: World> {
    core: Rc<Core<W>>,
}

impl<W: World> Clone for Resolver<W> {
    fn clone(&self) -> Self {
        Resolver { core: Rc::clone(&self.core) }
    }
}

/// What all tasks of a resolver share.
pub(crate) struct Core<W: World> {
    pub(crate) world: Rc<W>,
    pub(crate) cache: Arc<Cache>,
    pub(crate) config: Arc<ResolverConfig>,
    pub(crate) priming: Flights<(), Primed>,
    pub(crate) unprimed_until: Cell<Micros>,
    flights: Flights<ClientQuestion, Rc<Resolution>>,
}

/// The work for one client question.
pub(crate) struct Task<'t, W: World> {
    pub(crate) core: &'t Rc<Core<W>>,
    pub(crate) meter: Meter,
}

/// One lookup among those that wait for each other.
pub(crate) struct Frame<'f> {
    name: NameRef<'f>,
    rtype: RrType,
    above: Option<&'f Frame<'f>>,
    pub(crate) depth: u32,
}

impl<'f> Frame<'f> {
    /// The frame of a lookup of *name* that this one waits for, at most *most* deep.
    pub(crate) fn below(&'f self, name: NameRef<'f>, rtype: RrType, most: u32) -> Result<Frame<'f>, Failure> {
        let mut above = Some(self);
        while let Some(frame) = above {
            if frame.name == name && frame.rtype == rtype {
                return Err(Failure { lasting: false, ..Failure::because(Reason::Cycle) });
            }
            above = frame.above;
        }
        if self.depth >= most {
            return Err(Failure::limit(Limit::Depth));
        }
        Ok(Frame { name, rtype, above: Some(self), depth: self.depth + 1 })
    }
}

/// What a lookup found: data or its absence, behind any aliases.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) rcode: Rcode,
    pub(crate) sets: Vec<Rrset>,
    pub(crate) authority: Vec<Rrset>,
}

/// Why a lookup found nothing.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) reason: Reason,
    pub(crate) rcode: Rcode,
    pub(crate) ede: Vec<(Ede, String)>,
    /// Whether it would fail for others, too, and not just within this task.
    pub(crate) lasting: bool,
}

impl Failure {
    pub(crate) fn because(reason: Reason) -> Failure {
        let ede = match reason {
            Reason::NoReachableAuthority | Reason::NoServers | Reason::Cycle => Ede::NO_REACHABLE_AUTHORITY,
            Reason::NoHints => Ede::NOT_READY,
            Reason::Unusable | Reason::Malformed | Reason::NameTooLong => Ede::INVALID_DATA,
            _ => Ede::OTHER,
        };
        let text = reason.to_string();
        Failure { reason, rcode: Rcode::SERVFAIL, ede: vec![(ede, text)], lasting: true }
    }

    pub(crate) fn limit(limit: Limit) -> Failure {
        Failure { lasting: false, ..Failure::because(Reason::LimitReached { limit }) }
    }

    pub(crate) fn cached(ede: Ede) -> Failure {
        let mut failure = Failure { lasting: false, ..Failure::because(Reason::CachedFailure) };
        failure.ede = vec![(Ede::CACHED_ERROR, failure.reason.to_string()), (ede, String::new())];
        failure
    }

    pub(crate) fn unusable(unusable: Unusable) -> Failure {
        match unusable {
            // RFC 6672 §2.2: the response code is YXDOMAIN.
            Unusable::NameTooLong => {
                Failure { rcode: Rcode::YXDOMAIN, ..Failure::because(Reason::NameTooLong) }
            }
            _ => Failure::because(Reason::Unusable),
        }
    }
}

impl<W: World> Task<'_, W> {
    /// Find *name* and *rtype*. `frame`: the lookup's own, for what it will wait for.
    pub(crate) fn lookup<'a>(
        &'a self,
        name: &'a Name,
        rtype: RrType,
        frame: &'a Frame<'a>,
        trace: &'a Trace,
    ) -> Boxed<'a, Result<Answer, Failure>> {
        Box::pin(async move {
            let found = self.search(name, rtype, frame, trace).await;
            if let Err(failure) = &found
                && (failure.lasting || frame.depth == 0)
                && failure.rcode == Rcode::SERVFAIL
            {
                let ede = failure.ede.first().map_or(Ede::OTHER, |(ede, _)| *ede);
                let (core, life) = (self.core, self.core.config.budget.failure_ttl);
                core.cache.put_failure(name.as_ref(), rtype, ede, life, core.world.now());
            }
            found
        })
    }

    /// RFC 1034 §5.3.3: from the name asked, along aliases, to data or its absence.
    async fn search(
        &self,
        name: &Name,
        rtype: RrType,
        frame: &Frame<'_>,
        trace: &Trace,
    ) -> Result<Answer, Failure> {
        let mut sname = name.clone();
        let mut answer = Answer { rcode: Rcode::NOERROR, sets: Vec::new(), authority: Vec::new() };
        loop {
            let found = match self.local(&sname, rtype, trace)? {
                Local::Found(found) => found,
                Local::Servers(servers) => self.descend(servers, &sname, rtype, frame, trace).await?,
                Local::Unprimed => {
                    let root = self.root(trace).await?;
                    self.descend(root, &sname, rtype, frame, trace).await?
                }
            };
            match found {
                Finding::Data { sets } => {
                    answer.sets.extend(sets);
                    return Ok(answer);
                }
                Finding::Absence { sets, nxdomain, authority } => {
                    answer.sets.extend(sets);
                    answer.authority = authority;
                    answer.rcode = if nxdomain { Rcode::NXDOMAIN } else { Rcode::NOERROR };
                    return Ok(answer);
                }
                Finding::Alias { sets, target } => {
                    let links = sets.iter().filter(|set| set.rtype == RrType::CNAME).count();
                    for _ in 0..links {
                        self.meter.alias(&self.core.config.budget).map_err(Failure::limit)?;
                    }
                    answer.sets.extend(sets);
                    sname = target;
                }
            }
        }
    }

    /// Step 3 and 4: ask *servers*, and those that they refer to, until something is found about *sname*.
    async fn descend(
        &self,
        mut servers: ServerList,
        sname: &Name,
        rtype: RrType,
        frame: &Frame<'_>,
        trace: &Trace,
    ) -> Result<Finding, Failure> {
        let core = self.core;
        let budget = &core.config.budget;
        let mut referrals = 0;
        let minimise = core.config.qname_minimisation && !servers.recursive;
        let mut minimiser = Minimiser::new(if minimise { budget.max_minimise } else { 0 });
        loop {
            let (qname, qtype, shortened) = self.next_question(&mut minimiser, &servers, sname, rtype);
            let at = self.select(&mut servers, frame, trace).await?;
            let asked = self.ask(&mut servers, at, qname.as_ref(), qtype, trace).await?;
            let Some(Replied { reply, via, rank, .. }) = asked else { continue };
            let now = core.world.now();
            let whole = !shortened || matches!(reply, Reply::Referral(_));
            let reason = if whole || reply.is_setback() { reply.reason() } else { Reason::Minimised };
            trace.step(now, servers.asked(at, via, qname.clone(), qtype, reason));
            if !whole {
                servers.helped(at);
                self.look_further(&mut minimiser, reply, qname.as_ref(), sname.as_ref(), now);
                continue;
            }
            match reply {
                Reply::Referral(referral) => {
                    referrals += 1;
                    if referrals > budget.max_referrals {
                        return Err(Failure::limit(Limit::Referrals));
                    }
                    let cut = self.keep_cut(referral, &servers, now);
                    servers = ServerList::delegated(&cut, core, now);
                }
                Reply::Answer(chain) => {
                    self.keep_chain(&chain, rank, now);
                    return Ok(Finding::Data { sets: chain.into_sets() });
                }
                Reply::Alias(chain, target) => {
                    self.keep_chain(&chain, rank, now);
                    return Ok(Finding::Alias { sets: chain.into_sets(), target });
                }
                Reply::Absence(chain, absence) => {
                    self.keep_chain(&chain, rank, now);
                    self.keep_absence(&absence, rtype, now);
                    let authority = absence.soa.into_iter().chain(absence.proof).collect();
                    return Ok(Finding::Absence {
                        sets: chain.into_sets(),
                        nxdomain: absence.nxdomain,
                        authority,
                    });
                }
                Reply::Unusable(unusable @ Unusable::NameTooLong) => return Err(Failure::unusable(unusable)),
                Reply::Lame(_) => {
                    core.cache.servers().lame(servers.address(at), servers.zone.as_ref(), now);
                    servers.set_back(at, Ede::NO_REACHABLE_AUTHORITY, "is lame");
                    servers.spend(at);
                }
                Reply::Failed(rcode) => {
                    servers.set_back(at, Ede::NETWORK_ERROR, &format!("rcode={rcode} for {qname} {qtype}"));
                    servers.spend(at);
                }
                Reply::Unusable(_) => {
                    servers.set_back(at, Ede::INVALID_DATA, "sent an unusable reply");
                    servers.spend(at);
                }
            }
        }
    }

    /// Draw the lesson from *reply* to a question shortened to *shortened*, which was only about zone cuts: show more.
    ///
    /// That a name does not exist, or any trouble, is not believed before the whole name has been asked: some servers get
    /// empty non-terminals wrong (RFC 9156 §2.3).
    fn look_further(
        &self,
        minimiser: &mut Minimiser,
        reply: Reply,
        shortened: NameRef<'_>,
        sname: NameRef<'_>,
        now: Micros,
    ) {
        match reply {
            Reply::Absence(_, absence) if !absence.nxdomain => {
                self.keep_absence(&absence, RrType::A, now);
                minimiser.more(shortened, sname);
            }
            Reply::Answer(_) | Reply::Alias(..) => minimiser.more(shortened, sname),
            _ => minimiser.whole(),
        }
    }

    /// What to ask the servers next: no more of the name than is needed to get on.
    fn next_question(
        &self,
        minimiser: &mut Minimiser,
        servers: &ServerList,
        sname: &Name,
        rtype: RrType,
    ) -> (Name, RrType, bool) {
        loop {
            let (qname, qtype, shortened) = minimiser.question(servers.zone.as_ref(), sname.as_ref(), rtype);
            if !shortened || !self.is_no_cut(qname.as_ref(), qtype) {
                return (qname, qtype, shortened);
            }
            minimiser.known(qname.as_ref());
        }
    }
}

impl<W: World> Resolver<W> {
    /// A resolver in *world* that keeps what it learns in *cache*.
    pub fn new(world: Rc<W>, cache: Arc<Cache>, config: Arc<ResolverConfig>) -> Resolver<W> {
        let core = Core {
            world,
            cache,
            config,
            priming: Flights::new(),
            unprimed_until: Cell::new(0),
            flights: Flights::new(),
        };
        Resolver { core: Rc::new(core) }
    }

    /// The configuration that it was made with.
    pub fn config(&self) -> &ResolverConfig {
        &self.core.config
    }

    /// The cache that it uses.
    pub fn cache(&self) -> &Arc<Cache> {
        &self.core.cache
    }

    /// How many different client questions are under way.
    pub fn in_flight(&self) -> usize {
        self.core.flights.len()
    }

    /// Write the cached answer to *question* behind the question that *out* holds, if there is one: see [`Cache::hit`].
    pub fn hit(&self, question: &HitQuestion<'_>, now: Micros, out: &mut Writer<'_>) -> Option<Hit> {
        self.core.cache.hit(question, now, out)
    }

    /// Answer *question*, asking servers as necessary. `trace`: [`Trace::start`] at the time the question arrived, perhaps
    /// with steps of layers above.
    ///
    /// Always ends within [`Budget::wall_clock`](crate::Budget::wall_clock), with a failure at the worst. Dropping
    /// the future drops the work, unless others wait for the same answer.
    pub async fn resolve(&self, question: ClientQuestion, trace: Trace) -> Resolution {
        let core = &self.core;
        let budget = &core.config.budget;
        if let Some((rcode, ede)) = refusal(&question) {
            let failure =
                Failure { rcode, ede: vec![(ede, String::new())], ..Failure::because(Reason::NotAnswered) };
            return core.conclude(&question, Err(failure), 0, &trace);
        }
        let work = || {
            let (core, question, trace) = (Rc::clone(core), question.clone(), trace.clone());
            async move { Rc::new(core.work(&question, &trace).await) }
        };
        let limit = |limit| core.conclude(&question, Err(Failure::limit(limit)), 0, &trace);
        let full = core.flights.len() >= budget.max_in_flight as usize && !core.flights.has(&question);
        if full {
            return limit(Limit::InFlight);
        }
        match core.flights.join(&question, budget.max_waiters, work) {
            Boarding::Full => limit(Limit::Waiters),
            Boarding::First(wait) => Resolution::clone(&*wait.await),
            Boarding::Later(wait) => {
                let draft = Draft::new(
                    Layer::Flight,
                    Action::Join,
                    question.name.clone(),
                    question.rtype,
                    Reason::Joined,
                );
                let id = trace.begin(draft);
                let theirs = wait.await;
                trace.graft(id, &theirs.steps, theirs.began);
                let now = core.world.now();
                trace.finish(id, now, Reason::Joined);
                let steps = trace.steps();
                Resolution {
                    steps,
                    took: now - trace.started(),
                    began: trace.started(),
                    queries: 0,
                    ..(*theirs).clone()
                }
            }
        }
    }
}

/// Why *question* is none that recursion can answer, if so.
fn refusal(question: &ClientQuestion) -> Option<(Rcode, Ede)> {
    if question.class != Class::IN {
        return Some((Rcode::REFUSED, Ede::NOT_SUPPORTED));
    }
    // Types that stand for an action rather than for data (RFC 6895 §3.1), ANY excepted.
    let meta = matches!(question.rtype.0, 0 | 41 | 128..=254);
    meta.then_some((Rcode::NOTIMP, Ede::INVALID_QUERY_TYPE))
}

impl<W: World> Core<W> {
    /// The work for *question*, done once for all who asked it.
    async fn work(self: &Rc<Self>, question: &ClientQuestion, trace: &Trace) -> Resolution {
        let task = Task { core: self, meter: Meter::new(&self.config.budget, trace.started()) };
        let frame = Frame { name: question.name.as_ref(), rtype: question.rtype, above: None, depth: 0 };
        let found = task.lookup(&question.name, question.rtype, &frame, trace).await;
        let resolution = self.conclude(question, found, task.meter.queries(), trace);
        self.keep_whole(question, &resolution);
        resolution
    }

    /// Make the resolution that *found* amounts to, and end the explanation.
    fn conclude(
        &self,
        question: &ClientQuestion,
        found: Result<Answer, Failure>,
        queries: u32,
        trace: &Trace,
    ) -> Resolution {
        let now = self.world.now();
        let finish = |reason| {
            Draft::new(Layer::Resolver, Action::Finish, question.name.clone(), question.rtype, reason)
                .basis(Basis::Inferred)
        };
        let (rcode, mut answer, mut authority, ede, validation) = match found {
            Ok(Answer { rcode, sets, authority }) => {
                let validation = validate::judge(&sets, &authority);
                trace.step(now, finish(Reason::Resolved { rcode }).validation(validation));
                (rcode, sets, authority, Vec::new(), validation)
            }
            Err(Failure { reason, rcode, ede, .. }) => {
                let draft = finish(reason);
                trace.step(now, ede.iter().fold(draft, |draft, (ede, _)| draft.or_ede(*ede)));
                (rcode, Vec::new(), Vec::new(), ede, Validation::Indeterminate)
            }
        };
        if !question.dnssec_ok {
            // RFC 4035 §3.2.1: only for those who asked for them, by DO or by type.
            let for_all = |set: &Rrset| {
                set.rtype == question.rtype
                    || !matches!(set.rtype, RrType::RRSIG | RrType::NSEC | RrType::NSEC3)
            };
            answer.retain(for_all);
            authority.retain(for_all);
        }
        Resolution {
            rcode,
            answer,
            authority,
            additional: Vec::new(),
            ede,
            steps: trace.steps(),
            began: trace.started(),
            took: now.saturating_sub(trace.started()),
            queries,
            validation,
        }
    }
}
