//! The engine: worker threads, what they serve, and a queue of events for its owner.
//!
//! ```text
//! owner ── publish(snapshot, sockets) · change(zones) · swap(artifacts) · submit(request) · answer(ticket) ──▶ workers
//!       ◀─ event_fd readable · drain(limit) · telemetry().read() ─────────────────────────────────────────────
//! ```
//!
//! Settings, zones and artifacts are published apart: [`Engine::publish`] takes new settings into use and keeps the rest,
//! [`Engine::change`] replaces, adds and removes zones, [`Engine::swap`] artifacts. Each is one pointer swap: queries in progress
//! end with the snapshot they began with, the next batch uses the new one. All return once every worker uses the new snapshot,
//! and free what no worker uses any more. Dropping the engine closes it without grace.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter};
use std::os::fd::RawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use nw_cache::Cache;
use nw_cache::save::{self, SaveError};
use nw_resolve::Micros;
use nw_serve::basis::{Basis, Outdated};
use nw_serve::decision::{self, Considered};
use nw_serve::plan::Plan;
use nw_serve::{Artifact, Made, Recorder, Snapshot, stats};
use nw_wire::{Name, NameRef, RrType};
use nw_zone::{Difference, ZoneEntry};
use tokio::sync::mpsc;

use crate::control::Control;
use crate::events::{Event, Events};
use crate::listen::{Identity, Listener};
use crate::request::{Request, Ticket};
use crate::routes::Routes;
use crate::telemetry::{Rings, Telemetry};
use crate::udp::Datagrams;
use crate::worker::{self, Command, Published, Reports, Shared};
use crate::world::Clock;

/// How long a publication waits for the workers to use it; they do within one batch, unless the machine is overloaded.
const FOLLOW_TIMEOUT: Duration = Duration::from_secs(1);

/// A running engine.
pub struct Engine {
    pub(crate) shared: Arc<Shared>,
    /// Two for each worker: of its datagram thread and of its other thread.
    reports: Vec<[Reports; 2]>,
    rings: Arc<Rings>,
    workers: Mutex<Vec<Thread>>,
    /// The number of the next request, which chooses its worker.
    next: AtomicUsize,
}

struct Thread {
    commands: mpsc::UnboundedSender<Command>,
    /// The sockets that it serves.
    serves: Vec<Identity>,
    handle: Option<JoinHandle<()>>,
}

/// Why zones were not changed. Nothing has changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeError {
    /// Another publication came between: compute the change again from the zones that are served now.
    Conflict {
        /// The generation that the caller expected.
        expected: u64,
        /// The generation that is served.
        current: u64,
    },
    /// The engine is closed.
    Closed,
}

impl std::fmt::Display for ChangeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ChangeError::Conflict { expected, current } => {
                write!(f, "the change was made for generation {expected}, but generation {current} is served")
            }
            ChangeError::Closed => f.write_str("the engine is closed"),
        }
    }
}

impl std::error::Error for ChangeError {}

/// Why a request was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubmitError {
    /// As many requests are in progress as the queue of events holds: drain it, then try again.
    Full,
    /// The engine is closed.
    Closed,
}

impl std::fmt::Display for SubmitError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            SubmitError::Full => "too many requests are in progress",
            SubmitError::Closed => "the engine is closed",
        })
    }
}

impl std::error::Error for SubmitError {}

impl Engine {
    /// Start `workers` workers that serve nothing yet.
    pub fn start(workers: usize) -> io::Result<Engine> {
        let nothing = Plan::parse(br#"{"version":1}"#).and_then(|plan| Snapshot::from_plan(plan, Vec::new()));
        let snapshot = Arc::new(nothing.expect("the smallest plan is valid"));
        let cache = Arc::new(Cache::new(cache_bytes(&snapshot)));
        let shared = Arc::new(Shared {
            clock: Clock::start(),
            version: AtomicU64::new(0),
            recorder: Recorder::new(snapshot.plan().recorder),
            current: ArcSwap::from_pointee(Published {
                version: 0,
                generation: 0,
                snapshot,
                cache,
                routes: None,
            }),
            events: Arc::new(Events::new()?),
            control: Control::default(),
        });
        let pair = |_| {
            let reports = Reports::default();
            let renewals = reports.renewals.clone();
            [reports, Reports { renewals, ..Reports::default() }]
        };
        let reports: Vec<[Reports; 2]> = (0..workers.max(1)).map(pair).collect();
        let rings = reports.iter().flatten().map(|reports| Arc::clone(&reports.telemetry)).collect();
        let (rings, workers) = (Rings::new(rings), Mutex::default());
        let engine = Engine { shared, reports, rings, workers, next: AtomicUsize::new(0) };
        for (i, [datagrams, rest]) in engine.reports.iter().enumerate() {
            let (shared, reports) = (Arc::clone(&engine.shared), datagrams.clone());
            let (datagrams, late) = Datagrams::start(format!("nw-udp-{i}"), shared, reports)?;
            let (commands, inbox) = mpsc::unbounded_channel();
            let (shared, reports) = (Arc::clone(&engine.shared), rest.clone());
            // Built here, because its descriptors may be more than the process may open.
            let runtime = worker::runtime()?;
            let name = format!("nw-worker-{i}");
            let handle = std::thread::Builder::new().name(name.clone()).spawn(move || {
                let events = Arc::clone(&shared.events);
                let run = || worker::run(&runtime, shared, reports, inbox, datagrams, late);
                if catch_unwind(AssertUnwindSafe(run)).is_err() {
                    events
                        .fatal(format!("the thread {name} ended in a panic: it answers no queries any more"));
                }
            })?;
            engine.workers().push(Thread { commands, serves: Vec::new(), handle: Some(handle) });
        }
        Ok(engine)
    }

    /// Serve by the settings of `snapshot` on `listeners`, and close the sockets served so far that are not among them. Returns
    /// the generation.
    ///
    /// Zones that are served stay as they are ([`Snapshot::succeeding`]): settings only add and remove zones.
    ///
    /// A socket that is served already, by whatever descriptor, keeps its connections. Other sockets on one address are
    /// distributed over the workers; for full speed there is one for each worker.
    pub fn publish(&self, snapshot: Arc<Snapshot>, listeners: Vec<Listener>) -> u64 {
        let mut workers = self.workers();
        let former = self.shared.current.load_full();
        if workers.is_empty() {
            // The engine was closed meanwhile: no worker is left to serve it.
            return former.generation;
        }
        let same = former.snapshot.same_settings(&snapshot);
        let snapshot = Arc::new(snapshot.succeeding(&former.snapshot));
        let routes = match &snapshot.plan().resolver {
            _ if same => former.routes.clone(),
            Some(resolver) => resolver.routes.as_deref().map(|routes| Arc::new(Routes::new(routes))),
            None => None,
        };
        let outdated = match same {
            true => Outdated::Below(Vec::new()),
            false => Basis::of(&former.snapshot).outdated_by(&Basis::of(&snapshot)),
        };
        let (cache, outdated) = match outdated {
            Outdated::Below(names)
                if cache_bytes(&snapshot) == cache_bytes(&former.snapshot) && routes == former.routes =>
            {
                (Arc::clone(&former.cache), names)
            }
            // Another size, another internet or another basis: what was learned does not carry over.
            _ => (Arc::new(Cache::new(cache_bytes(&snapshot))), Vec::new()),
        };
        self.shared.recorder.set(snapshot.plan().recorder);
        let (version, generation) = (former.version + 1, former.generation + 1);
        self.store(Published { version, generation, snapshot, cache, routes });
        let shares = distribute(listeners, &workers);
        for (worker, share) in workers.iter_mut().zip(shares) {
            worker.serves = share.iter().map(|listener| listener.identity).collect();
            // Sending fails only for a worker that has been stopped.
            let _ = worker.commands.send(Command::Listen(share));
        }
        let followed = follow(&workers);
        // Once every worker judges by the new settings.
        for name in outdated {
            self.cache().flush_tree(name.as_ref());
        }
        drop(workers);
        let lives = former.snapshot.resolver().map(|config| config.budget.lives());
        let is_kept = Arc::ptr_eq(&former.cache, &self.cache());
        release(former, &followed);
        // What follows may take a while. No packet waits for it.
        if let (Some(former), true, Some(config)) = (lives, is_kept, self.snapshot().resolver()) {
            let lives = config.budget.lives();
            if lives.are_shorter_than(&former) {
                self.cache().shorten(&lives, &former);
            }
        }
        generation
    }

    /// Change zones, all of them at once: each is an apex and its new entry, or None to remove it. Returns the generation.
    ///
    /// `expected`: the generation from which the change was computed. When another one is served, nothing changes. So a change
    /// that was computed from an old version of a zone never replaces a version that was published since.
    ///
    /// Costs what it changes: the structure of the set is shared with the former one, however many zones there are.
    pub fn change(&self, changes: Vec<(Name, Option<ZoneEntry>)>, expected: u64) -> Result<u64, ChangeError> {
        self.change_by(changes, expected, &HashMap::new())
    }

    /// Do the same. `history`: by zone, the differences that lead from the served version to the new one ([`Snapshot::changed_by`]).
    pub fn change_by(
        &self,
        changes: Vec<(Name, Option<ZoneEntry>)>,
        expected: u64,
        history: &HashMap<Name, Vec<Difference>>,
    ) -> Result<u64, ChangeError> {
        let workers = self.workers();
        if workers.is_empty() {
            return Err(ChangeError::Closed);
        }
        let former = self.shared.current.load_full();
        let current = former.generation;
        if current != expected {
            return Err(ChangeError::Conflict { expected, current });
        }
        let snapshot = Arc::new(former.snapshot.changed_by(changes, history));
        let (version, generation) = (former.version + 1, current + 1);
        let (cache, routes) = (Arc::clone(&former.cache), former.routes.clone());
        self.store(Published { version, generation, snapshot, cache, routes });
        let followed = follow(&workers);
        drop(workers);
        release(former, &followed);
        Ok(generation)
    }

    /// Swap artifacts, all of them at once: each is a name and its new artifact, or None to remove it.
    ///
    /// Settings, zones, cache and generation stay as they are.
    pub fn swap(&self, changes: Vec<(String, Option<Artifact>)>) -> Result<(), ChangeError> {
        let workers = self.workers();
        if workers.is_empty() {
            return Err(ChangeError::Closed);
        }
        let former = self.shared.current.load_full();
        let snapshot = Arc::new(former.snapshot.with_artifacts(changes));
        let (version, generation) = (former.version + 1, former.generation);
        let (cache, routes) = (Arc::clone(&former.cache), former.routes.clone());
        self.store(Published { version, generation, snapshot, cache, routes });
        let followed = follow(&workers);
        drop(workers);
        release(former, &followed);
        Ok(())
    }

    /// The generation that is served: 0 until something is published.
    pub fn generation(&self) -> u64 {
        self.shared.current.load().generation
    }

    /// The snapshot that is served.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.shared.current.load().snapshot)
    }

    /// Perform `request`; its outcome will be an event with `ticket`.
    pub fn submit(&self, ticket: Ticket, request: Request) -> Result<(), SubmitError> {
        let workers = self.workers();
        if workers.is_empty() {
            return Err(SubmitError::Closed);
        }
        let completion = self.shared.events.accept(ticket).ok_or(SubmitError::Full)?;
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % workers.len();
        let refused = match workers[turn].commands.send(Command::Do(completion, request)) {
            Ok(()) => return Ok(()),
            Err(refused) => refused.0,
        };
        if let Command::Do(completion, _) = refused {
            completion.cancel();
        }
        Err(SubmitError::Closed)
    }

    /// Answer the request *ticket* of an [`Event::Asked`]; whether it still waits.
    pub fn answer(&self, ticket: Ticket, made: Made) -> bool {
        self.shared.control.answer(ticket, made)
    }

    /// Read telemetry from now on: at most *octets* of events wait to be read. None: somebody reads already.
    pub fn telemetry(&self, octets: usize) -> Option<Telemetry> {
        Telemetry::open(self.shared.clock, &self.rings, octets)
    }

    /// A descriptor that is readable while events wait. It belongs to the engine: wait for it, do not read or close it.
    pub fn event_fd(&self) -> RawFd {
        self.shared.events.fd()
    }

    /// Remove and return the waiting events, at most `limit`.
    pub fn drain(&self, limit: usize) -> Vec<Event> {
        self.shared.events.drain(limit)
    }

    /// The counters of all workers by name, with those of the cache, the recorder and the generation.
    pub fn stats(&self) -> Vec<(String, u64)> {
        let mut all = stats::total(self.reports.iter().flatten().map(|reports| &*reports.stats));
        let (cache, odd) = (self.cache().stats(), self.cache().servers().odd_replies());
        let more = [
            ("cache.answers", cache.answers as u64),
            ("cache.delegations", cache.delegations as u64),
            ("cache.denials", cache.denials as u64),
            ("cache.servers", cache.servers as u64),
            ("cache.octets", cache.octets as u64),
            ("cache.evicted", cache.evicted),
            ("upstream.odd.trailing-octets", odd.trailing_octets),
            ("upstream.odd.extra-opt", odd.extra_opt),
            ("upstream.odd.malformed-record", odd.malformed_record),
            ("upstream.odd.no-question", odd.no_question),
            ("recorder.octets", self.shared.recorder.octets() as u64),
            ("recorder.dropped", self.shared.recorder.dropped()),
            ("generation", self.generation()),
            ("workers", self.reports.len() as u64),
        ];
        all.extend(more.map(|(name, value)| (name.to_owned(), value)));
        all
    }

    /// The cache, for inspection and flushing at times of [`Engine::now`].
    pub fn cache(&self) -> Arc<Cache> {
        Arc::clone(&self.shared.current.load().cache)
    }

    /// Write the cache to the file `path`, by way of another file beside it, and return the number of entries. At any time
    /// there is a whole file.
    pub fn save_cache(&self, path: &Path) -> io::Result<usize> {
        let beside = path.with_extension("new");
        let options = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).to_owned();
        let written = options.open(&beside).and_then(|file| {
            let mut out = BufWriter::new(file);
            let current = self.shared.current.load();
            let basis = Basis::of(&current.snapshot).to_text();
            let count = save::save(&current.cache, self.now(), Clock::unix_s(), &basis, &mut out)?;
            out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
            std::fs::rename(&beside, path)?;
            Ok(count)
        });
        if written.is_err() {
            // What was written is of no use; the error is that of the write.
            let _ = std::fs::remove_file(&beside);
        }
        written
    }

    /// Take the entries of the file `path` into the cache and return their number. Queries are answered meanwhile. Entries that
    /// were judged by other trust anchors or belong to other views are not taken.
    pub fn load_cache(&self, path: &Path) -> Result<usize, SaveError> {
        let mut file = BufReader::new(File::open(path)?);
        let current = self.shared.current.load();
        let now = Basis::of(&current.snapshot);
        let applies = |text: &str| {
            Basis::from_text(text).is_some_and(|then| then.outdated_by(&now) == Outdated::Below(Vec::new()))
        };
        save::load(&current.cache, self.now(), Clock::unix_s(), applies, &mut file)
    }

    /// The sources of answers for *name* and *rtype* in their order. Nobody is asked.
    pub fn decide(&self, name: NameRef<'_>, rtype: RrType) -> Vec<Considered> {
        let current = self.shared.current.load();
        decision::decide(&current.snapshot, &current.cache, name, rtype, self.now())
    }

    /// The time on the clock of the cache.
    pub fn now(&self) -> Micros {
        self.shared.clock.now()
    }

    /// The flight recorder.
    pub fn recorder(&self) -> &Recorder {
        &self.shared.recorder
    }

    /// Stop serving, let what is in progress finish for at most `grace`, and join every thread. Idempotent.
    pub fn close(&self, grace: Duration) {
        let threads = std::mem::take(&mut *self.workers());
        for thread in &threads {
            let _ = thread.commands.send(Command::Stop(grace));
        }
        for mut thread in threads {
            let Some(handle) = thread.handle.take() else { continue };
            let _ = handle.join();
        }
    }

    fn store(&self, published: Published) {
        let version = published.version;
        self.shared.current.store(Arc::new(published));
        self.shared.version.store(version, Ordering::Release);
    }

    /// The workers; the lock also serialises publications. A panic of another thread cannot have left the list half changed.
    fn workers(&self) -> MutexGuard<'_, Vec<Thread>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.close(Duration::ZERO);
    }
}

/// Distribute sockets over the workers: a worker keeps those that it serves, and gets as many of the others on each address as
/// the other workers.
fn distribute(listeners: Vec<Listener>, workers: &[Thread]) -> Vec<Vec<Listener>> {
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

/// Make `workers` use what is published. The receiver disconnects when all of them do.
fn follow(workers: &[Thread]) -> Receiver<Infallible> {
    let (following, followed) = std::sync::mpsc::channel();
    for worker in workers {
        let _ = worker.commands.send(Command::Follow(following.clone()));
    }
    followed
}

/// Wait until all workers use what is published, then free what was published before: freeing a large zone or a cache takes
/// long, and no packet shall wait for it.
fn release(former: Arc<Published>, followed: &Receiver<Infallible>) {
    let _ = followed.recv_timeout(FOLLOW_TIMEOUT);
    drop(former);
}

/// The size of the cache in octets; small for a snapshot without resolver.
fn cache_bytes(snapshot: &Snapshot) -> usize {
    snapshot.resolver().map_or(1 << 20, |config| config.budget.cache_bytes)
}

#[cfg(test)]
mod tests;
