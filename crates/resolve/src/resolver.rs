//! The resolver as its callers see it: a question in, a resolution out, identical questions joined.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use nw_cache::{Cache, Hit, HitQuestion, State};
use nw_wire::code::{Class, Ede, Rcode, RrType};
use nw_wire::name::Name;
use nw_wire::rrset::Rrset;
use nw_wire::writer::Writer;

use crate::answer::{Answer, Cause, Failure};
use crate::budget::{Limit, Meter};
use crate::config::ResolverConfig;
use crate::flight::Join;
use crate::join::until;
use crate::quota::Prefix;
use crate::reason::LoopEnds;
use crate::resolution::{ClientQuestion, Resolution, Walk};
use crate::sentinel::Sentinel;
use crate::signed::flatten;
use crate::task::{Core, Frame, Task};
use crate::trace::{Action, Basis, Draft, Layer, Reason, Trace, Validation};
use crate::validator::Effort;
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

impl<W: World> Resolver<W> {
    /// A resolver in *world* that keeps what it learns in *cache*.
    pub fn new(world: Rc<W>, cache: Arc<Cache>, config: Arc<ResolverConfig>) -> Resolver<W> {
        cache.keep_expired(config.stale.max_s);
        cache.limit_lives(config.budget.max_ttl, config.budget.max_negative_ttl);
        let core = Core::new(world, cache, config);
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

    /// Why the clock of this machine is likely wrong, for the log; at most once an hour.
    pub fn clock_warning(&self) -> Option<String> {
        self.core.validator.as_ref()?.clock.take_warning().map(|skew| skew.to_string())
    }

    /// How many different client questions are under way.
    pub fn in_flight(&self) -> usize {
        self.core.flights.len()
    }

    /// Write the cached answer to *question* behind the question that *out* holds, if there is one: see [`Cache::hit`].
    pub fn hit(&self, question: &HitQuestion<'_>, now: Micros, out: &mut Writer<'_>) -> Option<Hit> {
        self.core.cache.hit(question, now, out)
    }

    /// Answer *question* of this process itself: see [`Resolver::resolve_for`].
    pub async fn resolve(&self, question: ClientQuestion, trace: Trace) -> Resolution {
        self.resolve_for(question, None, trace).await
    }

    /// Answer *question* of *client*, asking servers as necessary. `trace`: [`Trace::start`] at the time the question
    /// arrived, perhaps with steps of layers above.
    ///
    /// Always ends within [`Budget::wall_clock`](crate::Budget::wall_clock), with a failure at the worst. Dropping
    /// the future drops the work, unless others wait for the same answer.
    pub async fn resolve_for(
        &self,
        question: ClientQuestion,
        client: Option<IpAddr>,
        trace: Trace,
    ) -> Resolution {
        let core = &self.core;
        if let Some((rcode, ede)) = refusal(&question) {
            let reason = Reason::NotAnswered;
            let failure = Failure { rcode, ede: vec![(ede, reason.to_string())], ..Failure::because(reason) };
            return core.conclude(&question, Err(failure), 0, &trace);
        }
        if let Some(client) = client
            && let Some(forwarder) = core.cache.servers().loops().came_back(question.name.as_ref(), client)
        {
            let suffix = core.config.forward(question.name.as_ref()).map(|forward| forward.suffix.clone());
            let suffix = suffix.unwrap_or_else(Name::root);
            let ends = Box::new(LoopEnds { suffix, forwarder, back: client });
            let reason = Reason::ForwardingLoop { ends };
            return core.conclude(&question, Err(Failure::because(reason)), 0, &trace);
        }
        // Questions of this process itself have no client.
        let budget = &core.config.budget;
        if let Some(client) = client
            && let Err(wait) = core.quotas.client_rate(Prefix::of(Some(client)), budget, core.world.now())
        {
            let (network, most) = (Prefix::shown(client), budget.max_queries_per_second_per_client);
            let failure = Failure::rate(Limit::ClientRate, network, most, wait);
            return core.conclude(&question, Err(failure), 0, &trace);
        }
        // Looked up once for what would each look into the cache: most questions that get here are not kept at all.
        let unknown = !core.cache.holds(question.name.as_ref(), question.rtype);
        let work = || {
            let ticket = core.quotas.admit(Prefix::of(client), &core.config.budget);
            let (core, question, trace) = (Rc::clone(core), question.clone(), trace.clone());
            async move {
                let done = ticket.hold(core.work(&question, unknown, false, &trace)).await;
                Rc::new(done.unwrap_or_else(|limit| core.limited(&question, limit, &trace)))
            }
        };
        match core.flights.join(&question, work) {
            Join::First(wait) => match core.in_time(&question, unknown, &trace, wait).await {
                Ok(done) => Rc::unwrap_or_clone(done),
                Err(stale) => stale,
            },
            Join::Later(wait) => {
                let draft = Draft::new(
                    Layer::Flight,
                    Action::Join,
                    question.name.clone(),
                    question.rtype,
                    Reason::Joined,
                );
                let id = trace.begin(draft);
                // This client may have arrived before the one whose work it joins.
                let wait = core.in_time(&question, unknown, &trace, wait);
                let theirs = until(&*core.world, core.deadline(&trace), wait).await;
                let now = core.world.now();
                trace.finish(id, now, Reason::Joined);
                match theirs {
                    Some(Ok(theirs)) => theirs.joining(&trace, id, now),
                    Some(Err(stale)) => stale,
                    None => core.limited(&question, Limit::WallClock, &trace),
                }
            }
        }
    }
}

impl<W: World> Resolver<W> {
    /// Look up *question* again although the cache has the answer, since that is about to expire. Clients that ask meanwhile and
    /// miss the cache join this lookup. It takes a share of the work like the question of a client of this process.
    pub async fn renew(&self, question: ClientQuestion) {
        let core = &self.core;
        let work = || {
            let ticket = core.quotas.admit(Prefix::of(None), &core.config.budget);
            let trace = Trace::start(core.world.now(), core.config.budget.max_steps);
            let (core, question) = (Rc::clone(core), question.clone());
            async move {
                let done = ticket.hold(core.work(&question, false, true, &trace)).await;
                Rc::new(done.unwrap_or_else(|limit| core.limited(&question, limit, &trace)))
            }
        };
        if let Join::First(wait) = core.flights.join(&question, work) {
            wait.await;
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
    /// The work for *question*, done once for all who asked it. *unknown*: the cache holds nothing about it. *renews*: it is
    /// looked up although the cache holds the answer.
    async fn work(
        self: &Rc<Self>,
        question: &ClientQuestion,
        unknown: bool,
        renews: bool,
        trace: &Trace,
    ) -> Resolution {
        let (meter, effort) = (Meter::until(self.deadline(trace)), Effort::new(&self.config));
        let task = Task {
            core: self,
            meter: &meter,
            effort: &effort,
            checking_disabled: question.checking_disabled,
            view: question.view,
            unknown,
            renews,
            walk: question.walk,
        };
        let frame = Frame::top(question.name.as_ref(), question.rtype);
        let found = task.lookup(&question.name, question.rtype, &frame, trace).await;
        if let (Walk::Addresses(labels), Ok(answer)) = (question.walk, &found) {
            task.complete_paths(question, answer, labels, &frame, trace).await;
        }
        let found = match found.map(|answer| self.sentinel(question, answer)) {
            Ok(Ok(answer)) => answer,
            Ok(Err(failure)) => return self.conclude(question, Err(failure), task.meter.queries(), trace),
            Err(failure) => {
                let found = self.or_stale(question, failure, trace);
                return self.conclude(question, found, task.meter.queries(), trace);
            }
        };
        let state = found.state;
        // Also for those who do not get to see the proof.
        let proved = !found.sets.is_empty() && !found.authority.is_empty();
        let mut resolution = self.conclude(question, Ok(found), task.meter.queries(), trace);
        if resolution.ede.is_empty() && state == State::Insecure {
            resolution.ede.extend(effort.explained());
        }
        self.keep_whole(question, &resolution, proved, state);
        resolution
    }

    /// The answer *found* to *question*, or the failure that the root key sentinel makes of it (RFC 8509 §2.1).
    fn sentinel(&self, question: &ClientQuestion, found: Answer) -> Result<Answer, Failure> {
        let trusted = self.validator.as_ref().and_then(|validator| validator.sentinel.as_ref());
        let sentinel = trusted.filter(|_| !question.checking_disabled).zip(Sentinel::of(question));
        match sentinel {
            Some((tags, sentinel))
                if found.state == State::Secure && tags.contains(&sentinel.key_tag) != sentinel.trusted =>
            {
                let (key_tag, trusted) = (sentinel.key_tag, !sentinel.trusted);
                Err(Failure { cause: Cause::Here, ..Failure::because(Reason::Sentinel { key_tag, trusted }) })
            }
            _ => Ok(found),
        }
    }

    /// The failure of *question* because of *limit*.
    fn limited(&self, question: &ClientQuestion, limit: Limit, trace: &Trace) -> Resolution {
        self.conclude(question, Err(Failure::limit(limit)), 0, trace)
    }

    /// Make the resolution that *found* amounts to, and end the explanation.
    pub(crate) fn conclude(
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
            Ok(Answer { rcode, sets, authority, state, ede }) => {
                let validation = Validation::from(state);
                trace.step(now, finish(Reason::Resolved { rcode }).validation(validation));
                (rcode, flatten(sets), flatten(authority), ede, validation)
            }
            Err(Failure { reason, rcode, ede, chain, bogus, .. }) => {
                let draft = finish(reason);
                trace.step(now, ede.iter().fold(draft, |draft, (ede, _)| draft.or_ede(*ede)));
                let validation = if bogus { Validation::Bogus } else { Validation::Indeterminate };
                (rcode, chain, Vec::new(), ede, validation)
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
            steps: trace.take_steps().into(),
            began: trace.started(),
            took: now.saturating_sub(trace.started()),
            queries,
            validation,
        }
    }
}
