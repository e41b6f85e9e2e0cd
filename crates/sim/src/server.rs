//! A namewise server as a host of the simulated network. It runs zones, a resolver, or both, through the complete
//! pipeline.
//!
//! It is `nw serve` without sockets: `nw_serve::pipeline` answers each packet, and lookups are tasks of the virtual
//! clock.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nw_cache::Cache;
use nw_policy::rules::Policies;
use nw_resolve::{
    ClientQuestion, Micros, Resolution, Resolver, ResolverConfig, Steps, Trace, World, diagnosis,
};
use nw_serve::plan::{Plan, ResolverPlan, StreamPlan};
use nw_serve::{
    Artifact, Environment, Handled, POLICIES, PlanError, Renew, Snapshot, Stats, Transport, pipeline,
};
use nw_wire::code::RrType;
use nw_wire::name::{Name, NameRef};
use nw_zone::Zone;
use serde_json::Value;

use crate::net::{Datagram, Host, Net};
use crate::world::SimWorld;

/// The configuration of a server.
#[derive(Clone, Default)]
pub struct ServerSpec {
    /// Its addresses. It sends queries from at most one address of each family.
    pub addresses: Vec<IpAddr>,
    /// The zones that it serves.
    pub zones: Vec<Zone>,
    /// The configuration of its resolver, if it has one.
    pub resolver: Option<ResolverConfig>,
    /// NSID (RFC 5001).
    pub nsid: Option<Vec<u8>>,
    /// `id.server` (RFC 4892).
    pub identity: Option<String>,
    /// Further settings, a part of a plan. Those of `resolver` that are not in the configuration of the resolver hold.
    pub settings: Value,
    /// Lists and response policy zones.
    pub policies: Option<Arc<Policies>>,
    /// Whether locally served zones such as `test.` are switched off.
    pub local_zones_off: bool,
    /// The Unix time in seconds at virtual time zero.
    pub unix_s: u64,
}

/// A running server.
pub struct Server {
    snapshot: RefCell<Arc<Snapshot>>,
    cache: Arc<Cache>,
    stats: Stats,
    world: Rc<SimWorld>,
    resolver: Option<Resolver<SimWorld>>,
    /// The lookup of the last query that needed one.
    last: RefCell<Option<Resolution>>,
    max_steps: u32,
    questions: Cell<u64>,
    /// The time that it computed, if that is measured.
    computed: Cell<Option<Duration>>,
}

/// Build a snapshot that serves these zones, and the resolver if there is one, to all clients.
///
/// `settings`: further settings, a part of a plan.
pub fn snapshot(
    zones: Vec<Zone>,
    settings: Value,
    adjust: impl FnOnce(&mut Plan),
) -> Result<Snapshot, Vec<PlanError>> {
    let names: Vec<_> =
        zones.iter().map(|zone| serde_json::json!({"name": zone.apex().to_string()})).collect();
    let everybody = ["0.0.0.0/0", "::/0"];
    let acls = serde_json::json!({"query": everybody, "recursion": everybody});
    let mut json = serde_json::json!({"version": 1, "acls": acls, "zones": names});
    if let (Some(json), Value::Object(mut settings)) = (json.as_object_mut(), settings) {
        json.append(&mut settings);
    }
    let mut plan = Plan::parse(json.to_string().as_bytes())?;
    adjust(&mut plan);
    Snapshot::from_plan(plan, zones)
}

fn with_policies(snapshot: &Snapshot, policies: Option<Arc<Policies>>) -> Snapshot {
    let policies = policies.map(|policies| policies as Artifact);
    snapshot.with_artifacts([(POLICIES.to_owned(), policies)])
}

impl Server {
    /// Start a server on `net`. It has no address yet.
    pub fn start(net: &Net, spec: ServerSpec) -> Result<Rc<Server>, Vec<PlanError>> {
        let ServerSpec {
            addresses,
            zones,
            resolver,
            nsid,
            identity,
            settings,
            policies,
            local_zones_off,
            unix_s,
        } = spec;
        let local_zones_off = if local_zones_off { vec![Name::root()] } else { Vec::new() };
        let snapshot = snapshot(zones, settings, |plan| {
            plan.server.nsid = nsid;
            plan.server.identity = identity;
            let given = plan.resolver.take();
            plan.resolver = resolver.map(|config| match given {
                Some(given) => {
                    let config = ResolverConfig { cache_only: given.config.cache_only, ..config };
                    ResolverPlan { config, local_zones_off, ..given }
                }
                None => ResolverPlan {
                    config,
                    routes: None,
                    port_uses: ResolverPlan::PORT_USES,
                    local_zones_off,
                    local: Arc::default(),
                    local_of_views: HashMap::new(),
                    streams: StreamPlan::default(),
                },
            });
        })?;
        let snapshot = with_policies(&snapshot, policies);
        let world = Rc::new(SimWorld::new(net.clone(), addresses, unix_s));
        let budget = snapshot.resolver().map(|config| config.budget.clone()).unwrap_or_default();
        let cache = Arc::new(Cache::new(budget.cache_bytes));
        let config = snapshot.resolver().map(Arc::clone);
        let resolver = config.map(|config| Resolver::new(Rc::clone(&world), Arc::clone(&cache), config));
        Ok(Rc::new(Server {
            snapshot: RefCell::new(Arc::new(snapshot)),
            cache,
            stats: Stats::default(),
            world,
            resolver,
            last: RefCell::default(),
            max_steps: budget.max_steps,
            questions: Cell::new(0),
            computed: Cell::new(None),
        }))
    }

    /// Replace the zones of the same names.
    pub fn swap(&self, zones: Vec<Zone>) {
        let changes = zones.into_iter().map(|zone| (zone.apex().to_name(), Some(zone.into())));
        let changed = self.snapshot.borrow().changed(changes);
        *self.snapshot.borrow_mut() = Arc::new(changed);
    }

    /// Replace the lists and response policy zones.
    pub fn swap_policies(&self, policies: Option<Arc<Policies>>) {
        let changed = with_policies(&self.snapshot.borrow(), policies);
        *self.snapshot.borrow_mut() = Arc::new(changed);
    }

    /// The simulated machine.
    pub fn world(&self) -> &SimWorld {
        &self.world
    }

    /// Its cache.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// The number of queries that it has received.
    pub fn questions(&self) -> u64 {
        self.questions.get()
    }

    /// Measure the time that it computes from now on.
    pub fn measure(&self) {
        self.computed.set(Some(Duration::ZERO));
    }

    /// The time in microseconds that it computed, by the clock of this machine; None if it was not measured.
    pub fn engine_us(&self) -> Option<u64> {
        self.computed.get().map(|time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
    }

    /// The number of panics of the engine that were caught.
    pub fn panics(&self) -> u64 {
        self.stats.panics.value()
    }

    /// The steps of the last query that needed a lookup.
    pub fn explained(&self) -> Steps {
        self.last.borrow().as_ref().map(|last| last.steps.clone()).unwrap_or_default()
    }

    /// The first line of `nw why` about the last query that needed a lookup; empty if nothing went wrong.
    pub fn why(&self) -> String {
        self.last.borrow().as_ref().and_then(diagnosis).unwrap_or_default()
    }

    /// Clear the steps, so that [`Server::explained`] returns those of the next query only.
    pub fn forget_explanation(&self) {
        self.last.take();
    }

    /// Remove all RRsets at `name` from the cache.
    pub fn flush(&self, name: NameRef<'_>) {
        self.cache.flush_name(name);
    }

    /// Let the cached answer to `name` and `rtype` expire.
    pub fn expire(&self, name: NameRef<'_>, rtype: RrType) {
        self.cache.expire(name, rtype, self.world.now());
    }

    async fn answer(self: Rc<Server>, net: Net, datagram: Datagram) {
        let mut room = vec![0; usize::from(u16::MAX)];
        let snapshot = Arc::clone(&self.snapshot.borrow());
        let unix_s = || self.world.unix_s();
        let renewals = Renewals(Rc::clone(&self));
        let environment = Environment {
            snapshot: &snapshot,
            cache: Some(&self.cache),
            now: self.world.now(),
            unix_s: &unix_s,
            stats: &self.stats,
            recorder: None,
            telemetry: None,
            renew: Some(&renewals),
            trace: None,
            receipt: None,
        };
        let transport = datagram.via;
        let arrived = self.world.now();
        let mut handled =
            pipeline::handle(&environment, &datagram.bytes, datagram.from, transport, &mut room);
        let length = loop {
            match handled {
                Handled::Reply(length) => break length,
                Handled::Drop => return,
                // The simulation has no control plane: what it does not answer in time fails.
                Handled::Control(pending) => {
                    let timeout = pending.snapshot().plan().control.timeout_ms;
                    let end = self.world.now() + Micros::from(timeout) * nw_resolve::MILLISECOND;
                    self.world.sleep_until(end).await;
                    let environment = Environment { now: end, ..environment };
                    handled =
                        pipeline::give_up(&environment, pending, &pipeline::internal_failure(), &mut room);
                }
                Handled::Stream(mut stream) => {
                    while let Some(length) = stream.next(&environment, &mut room) {
                        net.reply(&datagram, room[..length].to_vec());
                    }
                    return;
                }
                Handled::Later(pending) => {
                    let Some(resolver) = &self.resolver else { return };
                    let client = Some(datagram.from.ip());
                    let mut found = Vec::new();
                    for question in pending.questions() {
                        let trace = Trace::start(self.world.now(), self.max_steps);
                        found.push(resolver.resolve_for(question.clone(), client, trace).await);
                    }
                    let now = self.world.now();
                    if transport == Transport::Udp && resolver.config().budget.discards(arrived, now) {
                        return;
                    }
                    let environment = Environment { now, ..environment };
                    handled = pipeline::complete(&environment, pending, &found, &mut room);
                    self.last.replace(Some(found.swap_remove(0)));
                }
            }
        };
        room.truncate(length);
        net.reply(&datagram, room);
    }
}

/// Looks up again what is about to expire.
struct Renewals(Rc<Server>);

impl Renew for Renewals {
    /// Nothing waits.
    fn renew(&self, question: ClientQuestion, _most: u32) -> bool {
        let Some(resolver) = self.0.resolver.clone() else { return false };
        self.0.world.spawn(async move { resolver.renew(question).await });
        true
    }
}

/// A [`Server`] at an address.
pub struct ServerHost(pub Rc<Server>);

impl Host for ServerHost {
    fn receive(&self, net: &Net, datagram: Datagram) {
        let server = Rc::clone(&self.0);
        // A reply that arrives when nobody waits for it is no query.
        let query = datagram.bytes.get(2).is_some_and(|flags| flags & 0x80 == 0);
        server.questions.set(server.questions.get() + u64::from(query));
        let measured = Rc::clone(&self.0);
        let mut answer = Box::pin(server.answer(net.clone(), datagram));
        net.clock().spawn(poll_fn(move |context| {
            let Some(before) = measured.computed.get() else { return answer.as_mut().poll(context) };
            let began = Instant::now();
            let polled = answer.as_mut().poll(context);
            measured.computed.set(Some(before + began.elapsed()));
            polled
        }));
    }
}
