//! The engine: worker threads, what they serve, and a queue that tells what became of requests.
//!
//! ```text
//! owner ── publish(snapshot, sockets) · swap(zones) · submit(request) ──▶ workers
//!       ◀─ event_fd readable · drain(limit) ─────────────────────────────
//! ```
//!
//! A new snapshot is one pointer swap: questions under way end with the one they began with, the next batch uses the new
//! one. The change returns when every worker has followed, and frees what nobody serves any more. Dropping the engine closes it without grace.

use std::convert::Infallible;
use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use nw_cache::Cache;
use nw_resolve::Micros;
use nw_serve::plan::{Plan, PlanError};
use nw_serve::{Recorder, Snapshot, Stats, stats};
use nw_zone::Zone;
use tokio::sync::mpsc;

use crate::events::{Event, Events};
use crate::listen::{Identity, Listener};
use crate::mmsg;
use crate::request::{Request, Ticket};
use crate::routes::Routes;
use crate::udp::Datagrams;
use crate::worker::{self, Command, Published, Shared};
use crate::world::Clock;

/// How long a change waits for the workers to follow; they do within one batch, unless the machine is overloaded.
const PATIENCE: Duration = Duration::from_secs(1);

/// A running engine.
pub struct Engine {
    pub(crate) shared: Arc<Shared>,
    /// Of each worker: what its datagrams counted, and the rest. A counter has one writer.
    stats: Vec<[Arc<Stats>; 2]>,
    workers: Mutex<Vec<Thread>>,
    /// The worker that gets the next request.
    next: AtomicUsize,
}

struct Thread {
    commands: mpsc::UnboundedSender<Command>,
    /// The sockets that were given to it.
    serves: Vec<Identity>,
    handle: Option<JoinHandle<()>>,
}

/// Why a request was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubmitError {
    /// As many are under way as the queue of events holds: drain it, then try again.
    Full,
    /// The engine is closed.
    Closed,
}

impl std::fmt::Display for SubmitError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            SubmitError::Full => "too many requests are under way",
            SubmitError::Closed => "the engine is closed",
        })
    }
}

impl std::error::Error for SubmitError {}

impl Engine {
    /// Start *workers* threads that serve nothing yet.
    pub fn start(workers: usize) -> io::Result<Engine> {
        let nothing = Plan::parse(br#"{"version":1}"#).and_then(|plan| Snapshot::from_plan(plan, Vec::new()));
        let snapshot = Arc::new(nothing.expect("the least plan is right"));
        let cache = Arc::new(Cache::new(cache_bytes(&snapshot), seed()));
        let shared = Arc::new(Shared {
            clock: Clock::start(),
            generation: AtomicU64::new(0),
            recorder: Recorder::new(snapshot.plan().recorder),
            current: ArcSwap::from_pointee(Published { generation: 0, snapshot, cache, routes: None }),
            events: Arc::new(Events::new()?),
        });
        let stats = (0..workers.max(1)).map(|_| Default::default()).collect();
        let engine = Engine { shared, stats, workers: Mutex::default(), next: AtomicUsize::new(0) };
        for (i, [datagrams, rest]) in engine.stats.iter().enumerate() {
            let (shared, stats) = (Arc::clone(&engine.shared), Arc::clone(datagrams));
            let (datagrams, late) = Datagrams::start(format!("nw-udp-{i}"), shared, stats)?;
            let (commands, inbox) = mpsc::unbounded_channel();
            let (shared, stats) = (Arc::clone(&engine.shared), Arc::clone(rest));
            let handle = std::thread::Builder::new()
                .name(format!("nw-worker-{i}"))
                .spawn(move || worker::run(shared, stats, inbox, datagrams, late))?;
            engine.workers().push(Thread { commands, serves: Vec::new(), handle: Some(handle) });
        }
        Ok(engine)
    }

    /// Serve *snapshot* on *listeners* from now on, and close those served so far that are not among them. Returns its
    /// generation.
    ///
    /// A socket that is served already, by whatever descriptor it is known, goes on with its connections. Others on one
    /// address are spread over the workers in turn; for full speed there is one for each worker.
    pub fn publish(&self, snapshot: Arc<Snapshot>, listeners: Vec<Listener>) -> u64 {
        let mut workers = self.workers();
        let former = self.shared.current.load_full();
        if workers.is_empty() {
            // Closed meanwhile: nobody is left to serve it.
            return former.generation;
        }
        let same = former.snapshot.same_settings(&snapshot);
        let routes = match &snapshot.plan().resolver {
            _ if same => former.routes.clone(),
            Some(resolver) => resolver.routes.as_deref().map(|routes| Arc::new(Routes::new(routes))),
            None => None,
        };
        let cache = match cache_bytes(&snapshot) == cache_bytes(&former.snapshot) && routes == former.routes {
            true => Arc::clone(&former.cache),
            // Another size or another internet: what was learned does not carry over.
            false => Arc::new(Cache::new(cache_bytes(&snapshot), seed())),
        };
        self.shared.recorder.set(snapshot.plan().recorder);
        let generation = former.generation + 1;
        self.store(Published { generation, snapshot, cache, routes });
        let shares = share_out(listeners, &workers);
        for (worker, share) in workers.iter_mut().zip(shares) {
            worker.serves = share.iter().map(|listener| listener.identity).collect();
            // A worker that is gone has been told to stop.
            let _ = worker.commands.send(Command::Listen(share));
        }
        let followed = follow(&workers);
        drop(workers);
        retire(former, &followed);
        generation
    }

    /// Serve these zones in place of those of the same name, atomically. Returns the generation; names those that are
    /// not served.
    pub fn swap(&self, zones: Vec<Zone>) -> Result<u64, Vec<PlanError>> {
        let workers = self.workers();
        let former = self.shared.current.load_full();
        let snapshot = Arc::new(former.snapshot.with_zones(zones)?);
        let generation = former.generation + 1;
        let (cache, routes) = (Arc::clone(&former.cache), former.routes.clone());
        self.store(Published { generation, snapshot, cache, routes });
        let followed = follow(&workers);
        drop(workers);
        retire(former, &followed);
        Ok(generation)
    }

    /// The generation that is served: 0 until something is published.
    pub fn generation(&self) -> u64 {
        self.shared.generation.load(Ordering::Acquire)
    }

    /// The snapshot that is served.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.shared.current.load().snapshot)
    }

    /// Do *request*; its outcome will be an event with *ticket*.
    pub fn submit(&self, ticket: Ticket, request: Request) -> Result<(), SubmitError> {
        let workers = self.workers();
        if workers.is_empty() {
            return Err(SubmitError::Closed);
        }
        let owed = self.shared.events.owe(ticket).ok_or(SubmitError::Full)?;
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % workers.len();
        let refused = match workers[turn].commands.send(Command::Do(owed, request)) {
            Ok(()) => return Ok(()),
            Err(refused) => refused.0,
        };
        if let Command::Do(owed, _) = refused {
            owed.forgo();
        }
        Err(SubmitError::Closed)
    }

    /// A descriptor that is readable while events wait. It belongs to the engine: wait for it, do not read or close it.
    pub fn event_fd(&self) -> RawFd {
        self.shared.events.fd()
    }

    /// Take the events that wait, at most *limit*.
    pub fn drain(&self, limit: usize) -> Vec<Event> {
        self.shared.events.drain(limit)
    }

    /// The counters of all workers by name, with those of the cache, the recorder and the generation.
    pub fn stats(&self) -> Vec<(String, u64)> {
        let mut all = stats::total(self.stats.iter().flatten().map(|stats| &**stats));
        let cache = self.cache().stats();
        let more = [
            ("cache.answers", cache.answers as u64),
            ("cache.delegations", cache.delegations as u64),
            ("cache.servers", cache.servers as u64),
            ("cache.octets", cache.octets as u64),
            ("cache.evicted", cache.evicted),
            ("recorder.dropped", self.shared.recorder.dropped()),
            ("generation", self.generation()),
            ("workers", self.stats.len() as u64),
        ];
        all.extend(more.map(|(name, value)| (name.to_owned(), value)));
        all
    }

    /// The cache, to be looked into and flushed, at times of [`Engine::now`].
    pub fn cache(&self) -> Arc<Cache> {
        Arc::clone(&self.shared.current.load().cache)
    }

    /// The time by which the cache ages.
    pub fn now(&self) -> Micros {
        self.shared.clock.now()
    }

    /// The flight recorder.
    pub fn recorder(&self) -> &Recorder {
        &self.shared.recorder
    }

    /// Stop serving, finish what is under way for at most *grace*, and join every thread. Idempotent.
    pub fn close(&self, grace: Duration) {
        let threads = std::mem::take(&mut *self.workers());
        for thread in &threads {
            let _ = thread.commands.send(Command::Stop(grace));
        }
        for mut thread in threads {
            let Some(handle) = thread.handle.take() else { continue };
            if handle.join().is_err() {
                self.shared.events.fault("a worker ended in a panic".to_owned());
            }
        }
    }

    fn store(&self, published: Published) {
        let generation = published.generation;
        self.shared.current.store(Arc::new(published));
        self.shared.generation.store(generation, Ordering::Release);
    }

    /// The workers; also what serialises changes. A panic elsewhere cannot have left the list half changed.
    fn workers(&self) -> MutexGuard<'_, Vec<Thread>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.close(Duration::ZERO);
    }
}

/// What each worker is to serve: what it serves already, and of the others on each address as many as its neighbours.
fn share_out(listeners: Vec<Listener>, workers: &[Thread]) -> Vec<Vec<Listener>> {
    let mut shares: Vec<Vec<Listener>> = workers.iter().map(|_| Vec::new()).collect();
    let mut fresh = Vec::new();
    for listener in listeners {
        match workers.iter().position(|worker| worker.serves.contains(&listener.identity)) {
            Some(at) => shares[at].push(listener),
            None => fresh.push(listener),
        }
    }
    for listener in fresh {
        let alike =
            |other: &&Listener| (other.address, other.transport) == (listener.address, listener.transport);
        let least = shares.iter_mut().min_by_key(|share| share.iter().filter(alike).count());
        least.expect("there are workers").push(listener);
    }
    shares
}

/// Tell *workers* to follow what is published. The receiver ends when all of them have.
fn follow(workers: &[Thread]) -> Receiver<Infallible> {
    let (following, followed) = std::sync::mpsc::channel();
    for worker in workers {
        let _ = worker.commands.send(Command::Follow(following.clone()));
    }
    followed
}

/// Wait until the workers have *followed*, then drop what was published before: freeing a large zone or a cache takes
/// long, and no packet shall wait for it.
fn retire(former: Arc<Published>, followed: &Receiver<Infallible>) {
    let _ = followed.recv_timeout(PATIENCE);
    drop(former);
}

/// The size of cache that a snapshot asks for; a small one where nothing is resolved.
fn cache_bytes(snapshot: &Snapshot) -> usize {
    snapshot.resolver().map_or(1 << 20, |config| config.budget.cache_bytes)
}

/// A seed that nobody can guess, so that nobody can choose names that collide.
fn seed() -> u64 {
    let mut octets = [0; 8];
    mmsg::random(&mut octets);
    u64::from_ne_bytes(octets)
}

#[cfg(test)]
mod tests;
