//! A worker: one thread with one single-threaded runtime, and beside it one that serves its datagrams.
//!
//! ```text
//! Engine ── commands ──▶ worker ─┬─ udp::Datagrams  a thread of its own: batches, answered in place
//!                                │    └─ deferred ─▶ lookups
//!                                ├─ tcp::accept     one task for each listening socket, one for each connection
//!                                ├─ lookups         one task for each question that must be waited for
//!                                └─ requests        of the engine: resolve, exchange
//! ```
//!
//! Workers share the current snapshot, the cache, the recorder and the queue of events; nothing else. A worker looks at
//! one number at the start of each batch to see whether there is another snapshot, and is told of it besides: one that has
//! nothing to do must not keep the former.

use std::cell::{Cell, Ref, RefCell};
use std::convert::Infallible;
use std::io;
use std::panic::AssertUnwindSafe;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use arc_swap::ArcSwap;
use nw_cache::{Cache, Micros};
use nw_resolve::{ClientQuestion, Resolution, Resolver, ResolverConfig, Steps, Trace, World};
use nw_serve::plan::TcpPlan;
use nw_serve::{Desk, Handled, Pending, Recorder, Snapshot, Stats, Transport, pipeline};
use tokio::runtime::Runtime;
use tokio::sync::{Notify, mpsc};

use crate::conversation::READ;
use crate::events::{Completion, Events, Outcome};
use crate::listen::{Identity, Listener};
use crate::request::Request;
use crate::routes::Routes;
use crate::slots::Slots;
use crate::tcp;
use crate::udp::{self, Datagrams, Deferred};
use crate::world::{Clock, RealWorld};

/// What the workers of one engine share.
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    /// Of `current`; raised after it was stored.
    pub(crate) generation: AtomicU64,
    pub(crate) current: ArcSwap<Published>,
    pub(crate) recorder: Recorder,
    pub(crate) events: Arc<Events>,
}

/// A snapshot and what goes with it.
pub(crate) struct Published {
    pub(crate) generation: u64,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) cache: Arc<Cache>,
    pub(crate) routes: Option<Arc<Routes>>,
}

/// What the engine tells a worker.
pub(crate) enum Command {
    /// Serve these sockets, go on with those that are served already, and close those that are not among them.
    Listen(Vec<Listener>),
    /// Use what is published, then drop this: whoever holds the other end waits for it.
    Follow(Sender<Infallible>),
    /// Do this, and put what comes of it into the queue of events.
    Do(Completion, Request),
    /// Close the sockets, finish what is under way for at most this long, then end.
    Stop(Duration),
}

/// The state of a worker, which its tasks share.
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) stats: Arc<Stats>,
    state: RefCell<State>,
    /// Where a reply is made that does not go into a batch.
    pub(crate) room: RefCell<Vec<u8>>,
    /// Where octets of a stream are read to.
    pub(crate) read_room: RefCell<Box<[u8]>>,
    /// Connections of clients.
    pub(crate) slots: Rc<Slots>,
    under_way: Cell<usize>,
    /// Clients that wait for a lookup.
    waiting: Cell<u32>,
    idle: Notify,
    /// The sockets in use, as long as there is a task that serves them.
    serving: RefCell<Vec<(Identity, Weak<Shutdown>)>>,
}

/// What follows from the snapshot that the worker uses.
pub(crate) struct State {
    published: Arc<Published>,
    world: Rc<RealWorld>,
    resolver: Option<Resolver<RealWorld>>,
    config: Option<Arc<ResolverConfig>>,
}

/// Tells those who serve a socket, and the connections that came by it, when to end.
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

/// The life of a worker's thread.
pub(crate) fn run(
    runtime: &Runtime,
    shared: Arc<Shared>,
    stats: Arc<Stats>,
    commands: mpsc::UnboundedReceiver<Command>,
    datagrams: Datagrams,
    deferred: mpsc::Receiver<Deferred>,
) {
    let worker = Rc::new(Worker::new(shared, stats));
    tokio::task::LocalSet::new().block_on(runtime, worker.obey(commands, datagrams, deferred));
}

impl Worker {
    pub(crate) fn new(shared: Arc<Shared>, stats: Arc<Stats>) -> Worker {
        let published = shared.current.load_full();
        let world = Rc::new(RealWorld::new(shared.clock, Arc::clone(&stats)));
        let mut state = State { published, world, resolver: None, config: None };
        state.follow();
        let slots = Slots::new(Arc::clone(&stats));
        Worker {
            shared,
            stats,
            state: RefCell::new(state),
            room: RefCell::new(vec![0; usize::from(u16::MAX)]),
            read_room: RefCell::new(vec![0; READ].into_boxed_slice()),
            slots,
            under_way: Cell::new(0),
            waiting: Cell::new(0),
            idle: Notify::new(),
            serving: RefCell::default(),
        }
    }

    async fn obey(
        self: Rc<Worker>,
        mut commands: mpsc::UnboundedReceiver<Command>,
        datagrams: Datagrams,
        mut deferred: mpsc::Receiver<Deferred>,
    ) {
        loop {
            let command = tokio::select! {
                command = commands.recv() => command,
                Some(deferred) = deferred.recv() => {
                    self.look_up_deferred(deferred);
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
                    drop(datagrams);
                    self.listen(Vec::new());
                    while let Some(deferred) = deferred.recv().await {
                        self.look_up_deferred(deferred);
                    }
                    // What is not finished in time is dropped with the runtime.
                    let _ = tokio::time::timeout(grace, self.finished()).await;
                    return;
                }
                None => return,
            }
        }
    }

    /// Serve these listening sockets, go on with those that are served already, and close those that are not among them.
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
        if self.shared.generation.load(Ordering::Acquire) != self.state.borrow().published.generation {
            let mut state = self.state.borrow_mut();
            state.published = self.shared.current.load_full();
            state.follow();
        }
        self.state.borrow()
    }

    /// The limits of connections.
    pub(crate) fn tcp_plan(&self) -> TcpPlan {
        self.state().snapshot().plan().server.tcp
    }

    /// The time now.
    pub(crate) fn now(&self) -> Micros {
        self.shared.clock.now()
    }

    /// Handle one packet that did not come in a batch; a reply that is ready is handed to *reply*.
    pub(crate) fn handle(
        &self,
        packet: &[u8],
        client: std::net::SocketAddr,
        transport: Transport,
        reply: impl FnOnce(&[u8]),
    ) -> Handled {
        let state = self.state();
        let mut room = self.room.borrow_mut();
        let handled =
            pipeline::handle(&state.desk(self.now(), &self.stats), packet, client, transport, &mut room);
        if let Handled::Reply(length) = handled {
            reply(&room[..length]);
        }
        handled
    }

    /// Look up what a datagram asked. A reply that comes too late is not sent: the client has given up, and an attacker who
    /// forged its address must not collect replies of many seconds into one burst (DNSBomb, CVE-2024-33655).
    fn look_up_deferred(self: &Rc<Worker>, deferred: Deferred) {
        let Deferred { pending, client, received } = deferred;
        let worker = Rc::clone(self);
        self.look_up(pending, move |reply| {
            let now = worker.now();
            let late = |config: &Arc<ResolverConfig>| config.budget.discards(received, now);
            if worker.state.borrow().config.as_ref().is_some_and(late) {
                worker.stats.dropped_late.add(1);
            } else if !client.send(reply) {
                worker.stats.dropped_send.add(1);
            }
        });
    }

    /// Look up what *pending* waits for, as a task; then hand the reply to *send*. It is handed over at once, a failure,
    /// when too many clients wait already (`Budget::max_waiting`).
    pub(crate) fn look_up(self: &Rc<Worker>, pending: Box<Pending>, send: impl FnOnce(&[u8]) + 'static) {
        // Not `state()`: the caller may still be at work with the former one.
        let state = self.state.borrow();
        if state.config.as_ref().is_some_and(|config| self.waiting.get() >= config.budget.max_waiting) {
            let (desk, mut room) = (state.desk(self.now(), &self.stats), self.room.borrow_mut());
            let length = udp::too_many(&desk, &pending, &mut room);
            return send(&room[..length]);
        }
        drop(state);
        let worker = Rc::clone(self);
        let waiting = Waiting::new(self);
        tokio::task::spawn_local(async move {
            let found = worker.guarded(worker.resolve(pending.ask.question.clone(), Some(&pending))).await;
            let found = found.flatten();
            let state = worker.state();
            let desk = state.desk(worker.now(), &worker.stats);
            let mut room = worker.room.borrow_mut();
            let length = match &found {
                Some(resolution) => pipeline::complete(&desk, &pending, resolution, &mut room),
                None => pipeline::give_up(&desk, &pending, pipeline::UNKNOWN, &mut room),
            };
            send(&room[..length]);
            drop(waiting);
        });
    }

    /// Resolve one question and note it in the flight recorder. None: there is no resolver.
    async fn resolve(&self, question: ClientQuestion, pending: Option<&Pending>) -> Option<Resolution> {
        let (resolver, most) = {
            let state = self.state();
            (state.resolver.clone()?, state.config.as_ref()?.budget.max_steps)
        };
        let (name, rtype) = (question.name.clone(), question.rtype);
        let resolution = resolver.resolve(question, Trace::start(self.now(), most)).await;
        self.shared.recorder.note(pending, &name, rtype, &resolution, Clock::unix_s());
        Some(resolution)
    }

    fn request(self: &Rc<Worker>, completion: Completion, request: Request) {
        let worker = Rc::clone(self);
        let under_way = UnderWay::new(self);
        tokio::task::spawn_local(async move {
            let outcome = worker.guarded(worker.outcome(request)).await;
            completion.complete(outcome.unwrap_or(Outcome::Unable));
            drop(under_way);
        });
    }

    /// Do what is asked for.
    async fn outcome(&self, request: Request) -> Outcome {
        match request {
            Request::Resolve { question, steps } => match self.resolve(question.clone(), None).await {
                Some(mut resolution) => {
                    let wire = pipeline::message(&question, &resolution);
                    if !steps {
                        resolution.steps = Steps::default();
                    }
                    Outcome::Resolved { wire, resolution: Box::new(resolution) }
                }
                None => Outcome::Unable,
            },
            Request::Exchange { endpoint, wire, timeout } => {
                let world = Rc::clone(&self.state().world);
                let began = world.now();
                let upstream = world.upstream(&endpoint);
                let result = world.exchange(&upstream, &wire, began.saturating_add(timeout)).await;
                Outcome::Exchanged { result, took: world.now() - began }
            }
        }
    }

    /// What comes of *future*, or None when it panics, which is counted.
    pub(crate) async fn guarded<F: Future>(&self, future: F) -> Option<F::Output> {
        let output = guarded(future).await;
        if output.is_none() {
            self.stats.panics.add(1);
        }
        output
    }
}

impl State {
    /// What a packet is handled with.
    #[inline]
    pub(crate) fn desk<'d>(&'d self, now: Micros, stats: &'d Stats) -> Desk<'d> {
        Desk { snapshot: &self.published.snapshot, cache: Some(&self.published.cache), now, stats }
    }

    pub(crate) fn snapshot(&self) -> &Snapshot {
        &self.published.snapshot
    }

    /// Make what follows from the snapshot. The resolver, with what it has under way, stays when its part has not changed.
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

/// Counts a client for as long as it waits.
struct Waiting(UnderWay);

impl Waiting {
    fn new(worker: &Rc<Worker>) -> Waiting {
        worker.waiting.set(worker.waiting.get() + 1);
        Waiting(UnderWay::new(worker))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let waiting = &self.0.0.waiting;
        waiting.set(waiting.get() - 1);
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
