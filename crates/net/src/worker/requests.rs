//! The requests of the engine to a worker: resolve, explain, exchange one message.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use nw_cache::Cache;
use nw_resolve::{Budget, ClientQuestion, Discarded, Resolver, Steps, Trace, World};
use nw_serve::{Environment, Explanation, Handled, POLICIES, Transport, explanation, pipeline};
use nw_wire::Name;

use super::{Reports, UnderWay, Worker, environment};
use crate::events::{Completion, Outcome};
use crate::request::{Request, WhatIf};
use crate::world::{Clock, RealWorld};

impl Worker {
    pub(super) fn request(self: &Rc<Worker>, completion: Completion, request: Request) {
        let worker = Rc::clone(self);
        let under_way = UnderWay::new(self);
        tokio::task::spawn_local(async move {
            worker.state().world.look();
            let outcome = worker.guarded(worker.outcome(request)).await;
            completion.complete(outcome.unwrap_or(Outcome::Unable));
            drop(under_way);
        });
    }

    /// Carry out *request*.
    async fn outcome(&self, request: Request) -> Outcome {
        match request {
            Request::Explain { question, client, transport, what_if } => {
                self.explain(&question, client, transport, &what_if).await
            }
            Request::Resolve { question } => match self.resolve(question.clone(), None, self.now()).await {
                Some(mut resolution) => {
                    let (name, rtype) = (&question.name, question.rtype);
                    self.shared.recorder.note(name, rtype, &resolution, Clock::unix_s());
                    let wire = explanation::message(&question, &resolution);
                    resolution.steps = Steps::default();
                    Outcome::Resolved { wire, resolution: Box::new(resolution) }
                }
                None => Outcome::Unable,
            },
            Request::Exchange { endpoint, wire, timeout } => {
                let world = Rc::clone(&self.state().world);
                let began = world.now();
                let upstream = world.upstream(&endpoint);
                let (deadline, discarded) = (began.saturating_add(timeout), Discarded::kept());
                let result = world.exchange(&upstream, &wire, deadline, &discarded).await;
                Outcome::Exchanged { result, discarded: discarded.reasons(), took: world.now() - began }
            }
        }
    }

    /// Answer *question* as *client* would be answered over *transport* if *what_if* held, and record every step. Nothing is
    /// counted.
    async fn explain(
        &self,
        question: &ClientQuestion,
        client: SocketAddr,
        transport: Transport,
        what_if: &WhatIf,
    ) -> Outcome {
        let (began, uncounted) = (self.now(), Reports::default());
        let most = self
            .state()
            .config
            .as_ref()
            .map_or_else(|| Budget::default().max_steps, |config| config.budget.max_steps);
        let trace = Trace::start(began, most);
        let packet = explanation::query(question);
        let mut room = vec![0; usize::from(u16::MAX)];
        let own = what_if.starts_afresh().then(|| self.afresh(what_if, &question.name));
        let cache = own.as_ref().map(|(cache, _)| cache);
        let snapshot = what_if.policy_off.then(|| {
            let running = &self.state().published.snapshot;
            Arc::new(running.with_artifacts([(POLICIES.to_owned(), None)]))
        });
        let mut handled = {
            let state = self.state();
            let running = environment(&state.published, began, &uncounted);
            let running = Environment { snapshot: snapshot.as_ref().unwrap_or(running.snapshot), ..running };
            let cache = cache.map_or(running.cache, |cache| Some(&**cache));
            let dry_run = Environment { trace: Some(&trace), cache, ..running };
            pipeline::handle(&dry_run, &packet, client, transport, &mut room)
        };
        let mut explanation = Explanation::default();
        while let Handled::Later(pending) = handled {
            let mut found = Vec::new();
            for question in pending.questions() {
                let resolver = match &own {
                    Some((_, resolver)) => resolver.clone(),
                    None => self.state().resolver.clone(),
                };
                let Some(resolver) = resolver else { return Outcome::Unable };
                found.push(resolver.resolve_for(question.clone(), Some(client.ip()), trace.clone()).await);
            }
            let state = self.state();
            let running = environment(&state.published, self.now(), &uncounted);
            let cache = cache.map_or(running.cache, |cache| Some(&**cache));
            let dry_run = Environment { trace: Some(&trace), cache, ..running };
            handled = pipeline::complete(&dry_run, pending, &found, &mut room);
            explanation.add(&found);
        }
        let length = match handled {
            Handled::Reply(length) => length,
            Handled::Drop => {
                let resolution = explanation.unanswered(&trace, self.now());
                return Outcome::Silent { resolution: Box::new(resolution) };
            }
            Handled::Later(_) | Handled::Stream(_) | Handled::Control(_) => return Outcome::Unable,
        };
        let wire = room[..length].to_vec();
        let resolution = explanation.answered(&wire, &trace, self.now());
        if *what_if == WhatIf::default() {
            // The recorder keeps what happened, not what would have happened.
            let (name, rtype) = (&question.name, question.rtype);
            self.shared.recorder.note(name, rtype, &resolution, Clock::unix_s());
        }
        Outcome::Resolved { wire, resolution: Box::new(resolution) }
    }

    /// An empty cache, and a resolver that uses it and finds *name* by the settings that *what_if* assumes.
    fn afresh(&self, what_if: &WhatIf, name: &Name) -> (Arc<Cache>, Option<Resolver<RealWorld>>) {
        /// Octets of a cache for one lookup.
        const ENOUGH: usize = 4 << 20;
        let (state, cache) = (self.state(), Arc::new(Cache::new(ENOUGH)));
        let config = state.config.as_ref().map(|config| what_if.config(config, name));
        let resolver =
            config.map(|config| Resolver::new(Rc::clone(&state.world), Arc::clone(&cache), config));
        (cache, resolver)
    }
}
