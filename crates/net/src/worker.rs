//! A worker: one thread with one single-threaded runtime, and beside it one that serves its datagrams.
//!
//! ```text
//! Engine ── commands ──▶ worker ─┬─ udp::Datagrams  a thread of its own: batches, answered in place
//!                                │    └─ deferred ─▶ lookups
//!                                ├─ tcp::accept     one task for each listening socket, one for each connection
//!                                ├─ lookups         one task for each query that needs the resolver
//!                                └─ requests        of the engine: resolve, exchange
//! ```
//!
//! Workers share the current snapshot, the cache, the recorder and the queue of events; nothing else. A worker reads
//! one number at the start of each batch to see whether there is a newer snapshot. The engine also sends a command, so that
//! a worker without traffic releases the old one.

use std::cell::{Cell, Ref, RefCell};
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use arc_swap::ArcSwap;
use nw_cache::{Cache, Micros};
use nw_resolve::{ClientQuestion, Resolution, Resolver, ResolverConfig, Trace};
use nw_serve::plan::TcpPlan;
use nw_serve::telemetry::Ring;
use nw_serve::{Environment, Handled, Pending, Recorder, Snapshot, Stats, Stream, Transport, pipeline};
use nw_wire::Ede;
use tokio::runtime::Runtime;
use tokio::sync::{Notify, mpsc};

use crate::control::Control;
use crate::conversation::READ;
use crate::events::{Completion, Events};
use crate::listen::{Identity, Listener};
use crate::outbox::Outbox;
use crate::renewals::Renewals;
use crate::request::Request;
use crate::routes::Routes;
use crate::slots::Slots;
use crate::tcp;
use crate::udp::{self, Awaits, Datagrams, Deferred};
use crate::waiting::{self, Client, Clients, Lookup};
use crate::world::{Clock, RealWorld};

mod requests;

/// What the workers of one engine share.
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    /// The version of `current`; raised after `current` was stored.
    pub(crate) version: AtomicU64,
    pub(crate) current: ArcSwap<Published>,
    pub(crate) recorder: Recorder,
    pub(crate) events: Arc<Events>,
    pub(crate) control: Control,
}

/// A snapshot with the cache and the routes that belong to it.
pub(crate) struct Published {
    /// Raised by every publication.
    pub(crate) version: u64,
    /// Raised by publications of settings and zones.
    pub(crate) generation: u64,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) cache: Arc<Cache>,
    pub(crate) routes: Option<Arc<Routes>>,
}

/// What one thread counts and tells. Only this thread writes there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reports {
    pub(crate) stats: Arc<Stats>,
    pub(crate) telemetry: Arc<Ring>,
    /// What the worker of the thread looks up.
    pub(crate) renewals: Renewals,
}

/// A command of the engine to a worker.
pub(crate) enum Command {
    /// Serve these sockets, keep those that are served already, and close the others.
    Listen(Vec<Listener>),
    /// Use the published snapshot, then drop this: the engine waits for that at the other end.
    Follow(Sender<Infallible>),
    /// Carry out the request, and put its outcome into the queue of events.
    Do(Completion, Request),
    /// Close the sockets, finish what is under way for at most this long, then end.
    Stop(Duration),
}

/// The state of a worker, which its tasks share.
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) reports: Reports,
    state: RefCell<State>,
    /// The buffer for replies that do not go into a batch.
    pub(crate) room: RefCell<Vec<u8>>,
    /// The buffer that streams are read into.
    pub(crate) read_room: RefCell<Box<[u8]>>,
    /// Datagrams that leave at the end of the turn.
    outbox: Rc<Outbox>,
    /// Connections of clients.
    pub(crate) slots: Rc<Slots>,
    under_way: Cell<usize>,
    /// Clients that wait for a lookup.
    waiting: Clients,
    idle: Notify,
    /// The listening sockets, each while a task serves it.
    serving: RefCell<Vec<(Identity, Weak<Shutdown>)>>,
}

/// The snapshot that the worker uses, and the resolver that it configures.
pub(crate) struct State {
    published: Arc<Published>,
    world: Rc<RealWorld>,
    resolver: Option<Resolver<RealWorld>>,
    config: Option<Arc<ResolverConfig>>,
}

/// Ends the tasks that serve a listening socket and its connections.
#[derive(Default)]
pub(crate) struct Shutdown {
    over: Cell<bool>,
    wake: Notify,
}

impl Shutdown {
    /// Return when the socket is to be closed.
    pub(crate) async fn wait(&self) {
        while !self.over.get() {
            self.wake.notified().await;
        }
    }

    fn now(&self) {
        self.over.set(true);
        self.wake.notify_waiters();
    }
}

/// The runtime of a worker's thread. Fails when the process may open no more descriptors.
pub(crate) fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// Run a worker until the engine stops it: the body of its thread.
pub(crate) fn run(
    runtime: &Runtime,
    shared: Arc<Shared>,
    reports: Reports,
    commands: mpsc::UnboundedReceiver<Command>,
    datagrams: Datagrams,
    deferred: mpsc::Receiver<Deferred>,
) {
    let worker = Rc::new(Worker::new(shared, reports));
    tokio::task::LocalSet::new().block_on(runtime, worker.serve(commands, datagrams, deferred));
}

impl Worker {
    pub(crate) fn new(shared: Arc<Shared>, reports: Reports) -> Worker {
        let published = shared.current.load_full();
        let outbox = Rc::new(Outbox::new(Arc::clone(&reports.stats)));
        let (stats, events) = (Arc::clone(&reports.stats), Arc::clone(&shared.events));
        let world = RealWorld::new(shared.clock, Rc::clone(&outbox), stats, events);
        let world = Rc::new(world);
        let mut state = State { published, world, resolver: None, config: None };
        state.follow();
        let slots = Slots::new(Arc::clone(&reports.stats));
        Worker {
            shared,
            reports,
            state: RefCell::new(state),
            room: RefCell::new(vec![0; usize::from(u16::MAX)]),
            read_room: RefCell::new(vec![0; READ].into_boxed_slice()),
            outbox,
            slots,
            under_way: Cell::new(0),
            waiting: Clients::default(),
            idle: Notify::new(),
            serving: RefCell::default(),
        }
    }

    async fn serve(
        self: Rc<Worker>,
        mut commands: mpsc::UnboundedReceiver<Command>,
        datagrams: Datagrams,
        mut deferred: mpsc::Receiver<Deferred>,
    ) {
        let outbox = Rc::clone(&self.outbox);
        tokio::task::spawn_local(async move { outbox.run().await });
        let worker = Rc::clone(&self);
        tokio::task::spawn_local(async move { worker.renew().await });
        loop {
            let command = tokio::select! {
                command = commands.recv() => command,
                Some(deferred) = deferred.recv() => {
                    self.wait_for(deferred);
                    continue;
                }
            };
            match command {
                Some(Command::Listen(listeners)) => {
                    let (udp, tcp) =
                        listeners.into_iter().partition(|listener| listener.transport == Transport::Udp);
                    datagrams.serve(udp);
                    self.listen(tcp);
                }
                Some(Command::Follow(following)) => {
                    datagrams.follow(following.clone());
                    drop(self.state());
                }
                Some(Command::Do(completion, request)) => self.request(completion, request),
                Some(Command::Stop(grace)) => {
                    datagrams.drain();
                    self.listen(Vec::new());
                    while let Some(deferred) = deferred.recv().await {
                        self.wait_for(deferred);
                    }
                    // What is not finished in time is dropped with the runtime.
                    let _ = tokio::time::timeout(grace, self.finished()).await;
                    drop(datagrams);
                    self.outbox.flush();
                    return;
                }
                None => return,
            }
        }
    }

    /// Look up again what is about to expire.
    async fn renew(&self) {
        loop {
            let question = self.reports.renewals.next().await;
            let Some(resolver) = self.state().resolver.clone() else { continue };
            self.state().world.look();
            // A panic ends this lookup alone.
            tokio::task::spawn_local(async move { resolver.renew(question).await });
        }
    }

    /// Serve these listening sockets, keep those that are served already, and close the others.
    fn listen(self: &Rc<Worker>, listeners: Vec<Listener>) {
        let mut former = self.serving.take();
        let mut serving = Vec::with_capacity(listeners.len());
        for listener in listeners {
            let identity = listener.identity;
            let served =
                former.iter().position(|(one, _)| *one == identity).map(|at| former.swap_remove(at).1);
            if let Some(shutdown) = served.filter(|shutdown| shutdown.strong_count() > 0) {
                serving.push((identity, shutdown));
                continue;
            }
            let (worker, shutdown) = (Rc::clone(self), Rc::new(Shutdown::default()));
            serving.push((identity, Rc::downgrade(&shutdown)));
            tokio::task::spawn_local(async move {
                let address = listener.address;
                if worker.guarded(tcp::accept(Rc::clone(&worker), listener, shutdown)).await.is_none() {
                    worker
                        .shared
                        .events
                        .fault(format!("{address}/tcp: accepting panicked; it is not served any more"));
                }
            });
        }
        self.serving.replace(serving);
        former.iter().filter_map(|(_, shutdown)| shutdown.upgrade()).for_each(|shutdown| shutdown.now());
    }

    async fn finished(&self) {
        while self.under_way.get() > 0 {
            self.idle.notified().await;
        }
    }

    /// The current state. Cheap: one atomic read, unless there is another snapshot.
    pub(crate) fn state(&self) -> Ref<'_, State> {
        if self.shared.version.load(Ordering::Acquire) != self.state.borrow().published.version {
            let mut state = self.state.borrow_mut();
            state.published = self.shared.current.load_full();
            state.follow();
        }
        self.state.borrow()
    }

    /// The counters.
    pub(crate) fn stats(&self) -> &Stats {
        &self.reports.stats
    }

    /// The limits of connections.
    pub(crate) fn tcp_plan(&self) -> TcpPlan {
        self.state().snapshot().plan().server.tcp
    }

    /// The time now.
    pub(crate) fn now(&self) -> Micros {
        self.shared.clock.now()
    }

    /// Handle one packet that did not come in a batch; a response that is ready is given to *reply*.
    pub(crate) fn handle(
        &self,
        packet: &[u8],
        client: SocketAddr,
        transport: Transport,
        reply: impl FnOnce(&[u8]),
    ) -> Handled {
        let state = self.state();
        let mut room = self.room.borrow_mut();
        let environment = Environment {
            recorder: Some(&self.shared.recorder),
            ..environment(&state.published, self.now(), &self.reports)
        };
        let handled = pipeline::handle(&environment, packet, client, transport, &mut room);
        if let Handled::Reply(length) = handled {
            reply(&room[..length]);
        }
        handled
    }

    /// Give the next message of *stream* to *reply*; false after the last one.
    pub(crate) fn next_message(&self, stream: &mut Stream, reply: impl FnOnce(&[u8])) -> bool {
        let (state, mut room) = (self.state(), self.room.borrow_mut());
        let next = stream.next(&environment(&state.published, self.now(), &self.reports), &mut room);
        if let Some(length) = next {
            reply(&room[..length]);
        }
        next.is_some()
    }

    /// End *stream*: its client takes no more.
    pub(crate) fn end_stream(&self, stream: &mut Stream) {
        let state = self.state();
        stream.end(&environment(&state.published, self.now(), &self.reports));
    }

    /// Let a datagram wait for its answer.
    fn wait_for(self: &Rc<Worker>, deferred: Deferred) {
        let Deferred { pending, awaits, client } = deferred;
        let worker = Rc::clone(self);
        let send = move |reply: &[u8]| worker.outbox.reply(client, reply);
        match awaits {
            Awaits::Lookup => self.look_up(pending, send),
            Awaits::Control => self.ask_owner(pending, send),
        }
    }

    /// Let the owner of the engine answer *pending*, then pass the reply to *send*. A request that is one too many, or is not
    /// answered in time, fails (`ControlPlan`).
    pub(crate) fn ask_owner(self: &Rc<Worker>, pending: Box<Pending>, send: impl FnOnce(&[u8]) + 'static) {
        let plan = pending.snapshot().plan().control.clone();
        let Some((asked, made)) = self.shared.control.ask(&pending, plan.max_pending) else {
            return self.refuse(pending, send, udp::too_many_requests);
        };
        let ticket = asked.ticket;
        self.shared.events.asked(asked);
        let worker = Rc::clone(self);
        let under_way = UnderWay::new(self);
        tokio::task::spawn_local(async move {
            let made = tokio::time::timeout(Duration::from_millis(plan.timeout_ms.into()), made).await;
            worker.shared.control.forget(ticket);
            worker.reply(pending, worker.now(), send, |environment, pending, room| match made {
                Ok(Ok(made)) => pipeline::complete_with(environment, pending, &made, room),
                _ => {
                    let text = "the control plane did not answer in time".to_owned();
                    pipeline::give_up(environment, pending, &[(Ede::OTHER, text)], room)
                }
            });
            drop(under_way);
        });
    }

    /// Pass the response to *pending* that *make* makes to *send*, at once.
    fn refuse(
        &self,
        pending: Box<Pending>,
        send: impl FnOnce(&[u8]),
        make: fn(&Environment<'_>, Box<Pending>, &mut [u8]) -> usize,
    ) {
        // Not `state()`: the caller may hold a borrow of the old one.
        let (state, mut room) = (self.state.borrow(), self.room.borrow_mut());
        let environment = Environment {
            recorder: Some(&self.shared.recorder),
            ..environment(&state.published, self.now(), &self.reports)
        };
        let length = make(&environment, pending, &mut room);
        send(&room[..length]);
    }

    /// Make the late response to *pending* with *complete*, and pass it to *send*.
    fn reply(
        self: &Rc<Worker>,
        pending: Box<Pending>,
        now: Micros,
        send: impl FnOnce(&[u8]) + 'static,
        complete: impl FnOnce(&Environment<'_>, Box<Pending>, &mut [u8]) -> Handled,
    ) {
        let (state, mut room) = (self.state(), self.room.borrow_mut());
        let environment = Environment {
            recorder: Some(&self.shared.recorder),
            ..environment(&state.published, now, &self.reports)
        };
        self.shared.events.findings(&state.published.snapshot);
        match complete(&environment, pending, &mut room) {
            Handled::Reply(length) => send(&room[..length]),
            // A filter asks for a further lookup.
            Handled::Later(further) => {
                drop((state, room));
                self.look_up(further, send);
            }
            Handled::Drop | Handled::Stream(_) | Handled::Control(_) => {}
        }
    }

    /// Look up what *pending* waits for, unless a lookup for another client has begun; then pass the reply to *send*. When too
    /// many clients wait already (`Budget::max_waiting`), the reply is a failure, at once.
    pub(crate) fn look_up(self: &Rc<Worker>, pending: Box<Pending>, send: impl FnOnce(&[u8]) + 'static) {
        // Not `state()`: the caller may hold a borrow of the old one.
        let state = self.state.borrow();
        if let Some(config) = &state.config
            && self.waiting.len() >= config.budget.max_waiting
        {
            self.stats().dropped_late.add(self.waiting.remove_gone(&config.budget, self.now()));
            if self.waiting.len() >= config.budget.max_waiting {
                return self.refuse(pending, send, udp::too_many);
            }
        }
        drop(state);
        let (lookup, client, received) = (Lookup::of(&pending), pending.client.ip(), pending.received);
        if !self.waiting.join(Client { pending, send: Box::new(send) }) {
            return;
        }
        let worker = Rc::clone(self);
        let under_way = UnderWay::new(self);
        tokio::task::spawn_local(async move {
            worker.state().world.look();
            // Boxed: the future is large, and each function that takes it would hold it twice.
            let work = Box::pin(worker.resolve_all(&lookup, Some(client), received));
            let found = worker.guarded(work).await;
            worker.answer(&lookup, found.flatten().as_deref());
            drop(under_way);
        });
    }

    /// Answer every client that waits for *lookup* with what was *found*.
    fn answer(self: &Rc<Worker>, lookup: &Lookup, found: Option<&[Resolution]>) {
        let clients = self.waiting.take(lookup);
        let now = self.now();
        for (number, Client { pending, send }) in clients.into_iter().enumerate() {
            let config = self.state().config.clone();
            let budget = config.as_ref().map(|config| &config.budget);
            // The first one's explanation is the lookup itself.
            let joined: Option<Vec<Resolution>> = match (found, budget) {
                (Some(found), Some(budget)) if number > 0 => {
                    let joined = |(question, found): (_, &Resolution)| {
                        found.joined(question, pending.received, now, budget.max_steps)
                    };
                    Some(lookup.questions().zip(found).map(joined).collect())
                }
                _ => None,
            };
            let recorder = &self.shared.recorder;
            let shown = joined.as_deref().or(found).unwrap_or_default();
            let gone = budget.is_some_and(|budget| waiting::is_gone(&pending, budget, now));
            let mut record = recorder.begin(&pending, shown, Clock::unix_s(), gone);
            if gone {
                self.stats().dropped_late.add(1);
                record.into_iter().for_each(|record| recorder.end_too_late(record));
                continue;
            }
            self.reply(pending, now, send, |environment, pending, room| {
                let Some(found) = found else {
                    return pipeline::give_up(environment, pending, &pipeline::internal_failure(), room);
                };
                let handled = pipeline::complete(environment, pending, found, room);
                match (record.take(), &handled) {
                    // It goes on with the further lookup.
                    (None, _) | (_, Handled::Later(_)) => {}
                    (Some(record), Handled::Reply(length)) => recorder.end(record, Some(&room[..*length])),
                    (Some(record), _) => recorder.end(record, None),
                }
                handled
            });
        }
    }

    /// Resolve one question, or two at the same time, of *client*, which arrived at *arrived*. None: there is no resolver.
    async fn resolve_all(
        &self,
        lookup: &Lookup,
        client: Option<IpAddr>,
        arrived: Micros,
    ) -> Option<Vec<Resolution>> {
        let first = self.resolve(lookup.question.clone(), client, arrived);
        match lookup.second.clone() {
            None => Some(vec![first.await?]),
            Some(second) => {
                // Boxed: it is rare, and would double the size of every lookup's task.
                let both = Box::pin(async { tokio::join!(first, self.resolve(second, client, arrived)) });
                let (first, second) = both.await;
                Some(vec![first?, second?])
            }
        }
    }

    /// Resolve one question of *client* that arrived at *arrived*. None: there is no resolver.
    async fn resolve(
        &self,
        question: ClientQuestion,
        client: Option<IpAddr>,
        arrived: Micros,
    ) -> Option<Resolution> {
        let (resolver, most) = {
            let state = self.state();
            (state.resolver.clone()?, state.config.as_ref()?.budget.max_steps)
        };
        let resolution = resolver.resolve_for(question, client, Trace::start(arrived, most)).await;
        if let Some(warning) = resolver.clock_warning() {
            self.shared.events.fault(format!("signatures of several zones are not valid now: {warning}"));
        }
        Some(resolution)
    }

    /// The output of *future*, or None when it panics, which is counted.
    pub(crate) async fn guarded<F: Future>(&self, future: F) -> Option<F::Output> {
        let output = guarded(future).await;
        if output.is_none() {
            self.stats().panics.add(1);
        }
        output
    }
}

/// What packets are handled with while *published* is current.
#[inline]
pub(crate) fn environment<'e>(
    published: &'e Published,
    now: Micros,
    reports: &'e Reports,
) -> Environment<'e> {
    Environment {
        snapshot: &published.snapshot,
        cache: Some(&published.cache),
        now,
        unix_s: &Clock::unix_s,
        stats: &reports.stats,
        recorder: None,
        telemetry: reports.telemetry.is_open().then_some(&reports.telemetry),
        renew: Some(&reports.renewals),
        trace: None,
        receipt: None,
    }
}

impl State {
    pub(crate) fn snapshot(&self) -> &Snapshot {
        &self.published.snapshot
    }

    /// Make the resolver that the snapshot configures. The current one, with its lookups under way, stays when its settings have
    /// not changed.
    fn follow(&mut self) {
        let config = self.published.snapshot.resolver();
        let same = match (&self.config, config) {
            (Some(ours), Some(theirs)) => Arc::ptr_eq(ours, theirs),
            (None, None) => true,
            _ => false,
        };
        if same {
            return;
        }
        let plan = self.published.snapshot.plan().resolver.as_ref();
        self.world = Rc::new(self.world.with_plan(self.published.routes.clone(), plan));
        self.config = config.cloned();
        self.resolver = config.map(|config| {
            Resolver::new(Rc::clone(&self.world), Arc::clone(&self.published.cache), Arc::clone(config))
        });
    }
}

/// Counts a task for as long as it lives.
struct UnderWay(Rc<Worker>);

impl UnderWay {
    fn new(worker: &Rc<Worker>) -> UnderWay {
        worker.under_way.set(worker.under_way.get() + 1);
        UnderWay(Rc::clone(worker))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.set(self.0.under_way.get() - 1);
        if self.0.under_way.get() == 0 {
            self.0.idle.notify_waiters();
        }
    }
}

/// Run a future to its end, or to its panic: then None.
async fn guarded<F: Future>(future: F) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|context| {
        let polled = std::panic::catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context)));
        match polled {
            Ok(poll) => poll.map(Some),
            Err(_) => std::task::Poll::Ready(None),
        }
    })
    .await
}
