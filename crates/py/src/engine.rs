//! `Engine`: the threads that serve and resolve. They never attach to the interpreter; a queue holds their events.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::RawFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use nw_cache::save::SaveError;
use nw_cache::{Flush, FlushOnly, LameServer, Lameness, ServerNote, Trouble, dump};
use nw_net::{ChangeError, Event, Listener, SubmitError};
use nw_resolve::{ClientQuestion, Forward, Resolution, explain};
use nw_serve::decision::Considered;
use nw_serve::recorder::FlightRecord;
use nw_serve::{Artifact, Made};
use nw_wire::{Message, NameRef, RrType};
use pyo3::exceptions::{PyFileNotFoundError, PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::allocator;
use crate::artifact::ArtifactArg;
use crate::call;
use crate::code::Code;
use crate::difference::Difference;
use crate::name::NameArg;
use crate::raise::Raise;
use crate::request::{Asked, Done, Dropped, Exchange, Fault, Notice, Resolve, seconds};
use crate::snapshot::{EntryArg, Snapshot, entry_of};
use crate::telemetry::Telemetry;

/// The engine. `Engine(workers)` starts its threads. They serve nothing until a snapshot is published.
///
/// The results of requests are events: wait until `event_fd()` is readable, then call `drain()`. `close()` joins
/// every thread.
#[pyclass(frozen, module = "namewise.engine")]
pub(crate) struct Engine {
    inner: Arc<nw_net::Engine>,
    /// The questions in progress by ticket, with their start times. Explanations start with both.
    asked: Mutex<HashMap<u64, (ClientQuestion, u64)>>,
}

#[pymethods]
impl Engine {
    #[new]
    #[pyo3(signature = (workers = 1))]
    fn new(py: Python<'_>, workers: usize) -> PyResult<Self> {
        let started = call::detached(py, || Ok::<_, Raise>(nw_net::Engine::start(workers)))?;
        Ok(Self { inner: Arc::new(started?), asked: Mutex::default() })
    }

    /// Serve `snapshot` on `sockets` and return the generation. Sockets that were served before and are not in
    /// `sockets` are closed.
    ///
    /// Zones that are already served do not change. A zone that only `snapshot` has is added. A zone that only the
    /// previous plan named is removed.
    ///
    /// `sockets` are descriptors of bound UDP and listening TCP sockets. The engine duplicates them; the caller
    /// closes its own. Several sockets on one address (SO_REUSEPORT) are distributed over the workers. Raises OSError
    /// if a descriptor is neither.
    fn publish(&self, py: Python<'_>, snapshot: &Snapshot, sockets: Vec<RawFd>) -> PyResult<u64> {
        let listeners = sockets.into_iter().map(Listener::adopt).collect::<Result<Vec<_>, _>>();
        let listeners = listeners.map_err(|refused| match refused.error.raw_os_error() {
            Some(number) => PyOSError::new_err((number, refused.to_string())),
            None => PyOSError::new_err(refused.to_string()),
        })?;
        call::detached(py, || Ok::<_, Raise>(self.inner.publish(Arc::clone(&snapshot.inner), listeners)))
    }

    /// Return unused memory to the system. For the end of a load, which needs more memory than what it loads.
    fn trim(&self, py: Python<'_>) -> PyResult<()> {
        call::detached(py, || {
            allocator::purge();
            Ok::<_, Raise>(())
        })
    }

    /// Change zones in one step, and return the generation.
    ///
    /// `zones` maps names to a `Zone`, an `Unavailable` for a zone without data, or None to remove the zone.
    /// `expected` is the generation from which the change was computed. Raises `GenerationConflict` and changes
    /// nothing if another generation is served. Raises `EngineClosed` after `close`.
    ///
    /// `history` maps names of changed zones to the `Difference`s that lead from the served version to the new one, the oldest
    /// first: IXFR may then send them. An empty list says that the records are the same. A changed zone that is not in it
    /// loses its earlier differences.
    #[pyo3(signature = (zones, expected, history = None))]
    fn change(
        &self,
        py: Python<'_>,
        zones: HashMap<String, Option<EntryArg<'_>>>,
        expected: u64,
        history: Option<HashMap<String, Vec<PyRef<'_, Difference>>>>,
    ) -> PyResult<u64> {
        let changes = zones.into_iter().map(|(name, entry)| entry_of(py, &name, entry));
        let changes = changes.collect::<PyResult<Vec<_>>>()?;
        let history = history.unwrap_or_default().into_iter().map(|(name, differences)| {
            let differences = differences.iter().map(|difference| difference.inner.clone()).collect();
            let name = crate::name::parse(&name, NameRef::ROOT).map_err(|error| error.into_err(py))?;
            Ok((name, differences))
        });
        let history = history.collect::<PyResult<HashMap<_, Vec<_>>>>()?;
        call::detached(py, || {
            self.inner.change_by(changes, expected, &history).map_err(|error| match error {
                ChangeError::Conflict { expected, current } => Raise::Conflict { expected, current },
                ChangeError::Closed => Raise::Closed(error.to_string()),
            })
        })
    }

    /// Swap artifacts, all of them at once: by name a `NameList` or `Policies`, or None to remove it. Settings, zones, cache and generation stay
    /// as they are. Raises `EngineClosed` after `close`.
    fn swap(&self, py: Python<'_>, artifacts: HashMap<String, Option<ArtifactArg<'_>>>) -> PyResult<()> {
        let changes =
            artifacts.into_iter().map(|(name, artifact)| (name, artifact.map(|given| given.shared())));
        let changes: Vec<(String, Option<Artifact>)> = changes.collect();
        call::detached(py, || self.inner.swap(changes).map_err(|error| Raise::Closed(error.to_string())))
    }

    /// The names of the artifacts in use.
    #[getter]
    fn artifacts(&self) -> Vec<String> {
        self.inner.snapshot().artifacts().names().map(str::to_owned).collect()
    }

    /// Answer the request of the `Asked` with `ticket` with the message `response`, and return whether it still waited.
    ///
    /// Rcode, AA, records and extended errors are taken from `response`; id, question, OPT and signature follow from the request.
    /// relay: send `response` as it is, with its signature, because another server made it; only its id becomes that of the request.
    /// Raises `WireError` for what is no message.
    #[pyo3(signature = (ticket, response, *, relay = false))]
    fn answer(&self, py: Python<'_>, ticket: u64, response: &[u8], relay: bool) -> PyResult<bool> {
        let made = Message::parse(response).map(|message| match relay {
            true => Made::relayed(&message, response),
            false => Made::of(&message),
        });
        let made = made.map_err(|error| Raise::from(error).into_err(py))?;
        call::attached(py, || Ok::<_, Raise>(self.inner.answer(ticket, made)))
    }

    /// Let the copy of *zone* expire at *time*, in seconds since 1970, for clients that ask for it (EXPIRE, RFC 7314); None: it is not known.
    fn set_expiry(&self, zone: NameArg, time: Option<u64>) {
        self.inner.snapshot().expiries().set(zone.0, time);
    }

    /// Read telemetry from now on. octets: of events that wait to be read, at most; further ones are lost and counted.
    ///
    /// Raises `EngineError` with the code TAKEN while another reader is open.
    #[pyo3(signature = (octets = 1_048_576))]
    fn telemetry(&self, py: Python<'_>, octets: usize) -> PyResult<Telemetry> {
        let reader = self.inner.telemetry(octets);
        let taken = || Raise::Taken("another reader of telemetry is open".to_owned());
        reader.map(Telemetry::new).ok_or_else(|| taken().into_err(py))
    }

    /// The served generation: 0 until something is published.
    #[getter]
    fn generation(&self) -> u64 {
        self.inner.generation()
    }

    /// Perform `request`, a `Resolve` or an `Exchange`. Its result is a `Done` with `ticket`, a number that the
    /// caller chooses.
    ///
    /// Raises `EngineError` with the code QUEUE_FULL while too many requests are in progress, `EngineClosed` after `close`.
    fn submit(&self, py: Python<'_>, ticket: u64, request: &Bound<'_, PyAny>) -> PyResult<()> {
        let request = match request.cast::<Resolve>() {
            Ok(resolve) => {
                let resolve = resolve.get();
                self.asked().insert(ticket, (resolve.question.clone(), unix_s()));
                resolve.request()
            }
            Err(_) => request.cast::<Exchange>()?.get().request(),
        };
        let taken = call::attached(py, || {
            self.inner.submit(ticket, request).map_err(|refused| match refused {
                SubmitError::Full => Raise::Busy(refused.to_string()),
                SubmitError::Closed => Raise::Closed(refused.to_string()),
            })
        });
        taken.inspect_err(|_| drop(self.asked().remove(&ticket)))
    }

    /// A descriptor that is readable while events wait. The engine owns it: do not read or close it.
    fn event_fd(&self) -> RawFd {
        self.inner.event_fd()
    }

    /// Remove and return waiting events, at most `limit`.
    #[pyo3(signature = (limit = 1000))]
    fn drain(&self, py: Python<'_>, limit: usize) -> PyResult<Vec<Py<PyAny>>> {
        let events = call::attached(py, || Ok::<_, Raise>(self.inner.drain(limit)))?;
        events.into_iter().map(|event| self.event(py, event)).collect()
    }

    /// Return all counters by name.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let counters = call::attached(py, || Ok::<_, Raise>(self.inner.stats()))?;
        let table = PyDict::new(py);
        counters.iter().try_for_each(|(name, value)| table.set_item(name, value))?;
        Ok(table)
    }

    /// The domains that look most like tunnels now, at most `most`, the most suspicious first, each as one sentence with every
    /// feature. None: nothing is watched.
    fn suspicions(&self, most: usize) -> Option<Vec<String>> {
        let snapshot = self.inner.snapshot();
        let detector = snapshot.detector()?;
        Some(detector.domains(self.inner.now(), most))
    }

    /// The state of the response rate limit: `buckets`, `in_use`, `dropped`, `slipped`, and `limited`, the networks that were
    /// limited recently, the latest first. None: there is no limit.
    fn rrl<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let snapshot = self.inner.snapshot();
        let Some(rrl) = snapshot.rrl() else { return Ok(None) };
        let now = self.inner.now();
        let ((in_use, buckets), (dropped, slipped)) = (rrl.load(now), rrl.totals());
        let table = PyDict::new(py);
        for (key, value) in [
            ("buckets", buckets as u64),
            ("in_use", in_use as u64),
            ("dropped", dropped),
            ("slipped", slipped),
        ] {
            table.set_item(key, value)?;
        }
        let limited = rrl.listed().into_iter().map(|one| {
            let entry = PyDict::new(py);
            entry.set_item("prefix", one.prefix)?;
            entry.set_item("class", one.class.slug())?;
            entry.set_item("name", one.name.to_string())?;
            entry.set_item("dropped", one.dropped)?;
            entry.set_item("slipped", one.slipped)?;
            entry.set_item("age_s", now.saturating_sub(one.last) / 1_000_000)?;
            Ok(entry)
        });
        table.set_item("limited", limited.collect::<PyResult<Vec<_>>>()?)?;
        Ok(Some(table))
    }

    /// Remove entries from the cache and return their number. Without `name`, those of all names; with `below`, also those of the names
    /// below `name`. `type` and `only` (`negative`, `bogus` or `failures`) remove some of them. Without arguments, data about
    /// servers is removed as well. Raises `ValueError` for another `only`.
    #[pyo3(signature = (name = None, *, below = false, r#type = None, only = None))]
    fn flush(
        &self,
        py: Python<'_>,
        name: Option<NameArg>,
        below: bool,
        r#type: Option<u16>,
        only: Option<&str>,
    ) -> PyResult<usize> {
        let only = match only {
            None => None,
            Some("negative") => Some(FlushOnly::Negative),
            Some("bogus") => Some(FlushOnly::Bogus),
            Some("failures") => Some(FlushOnly::Failures),
            Some(other) => {
                let text = format!("{other:?} is not negative, bogus or failures");
                return Err(PyValueError::new_err(text));
            }
        };
        call::detached(py, || {
            let cache = self.inner.cache();
            let rtype = r#type.map(RrType);
            let count =
                cache.flush(&Flush { name: name.as_ref().map(|name| name.0.as_ref()), below, rtype, only });
            if name.is_none() && rtype.is_none() && only.is_none() {
                cache.clear();
            }
            Ok::<_, Raise>(count)
        })
    }

    /// Return what the cache holds for `name`: dictionaries with name, type (None for the name as a whole), state
    /// (`data`, `chain`, `nodata`, `nxdomain`, `failure`), age_s, ttl_left_s, stale, credibility (`authoritative` or
    /// `non-authoritative`), validation, server (`ADDRESS:PORT` or None), view, and records as master-file text.
    fn cached<'py>(&self, py: Python<'py>, name: NameArg) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let held = call::detached(py, || {
            Ok::<_, Raise>(self.inner.cache().inspect(name.0.as_ref(), self.inner.now()))
        })?;
        held.into_iter()
            .map(|one| {
                let table = PyDict::new(py);
                table.set_item("name", one.name.to_string())?;
                table.set_item("type", one.rtype.map(|rtype| rtype.to_string()))?;
                table.set_item("state", one.kind.slug())?;
                table.set_item("age_s", one.age_s)?;
                table.set_item("ttl_left_s", one.left_s())?;
                table.set_item("stale", one.is_stale())?;
                table.set_item("credibility", dump::rank(one.rank))?;
                table.set_item("validation", dump::state(one.validation))?;
                table.set_item("server", one.server.map(|server| server.to_string()))?;
                table.set_item("view", one.view)?;
                table.set_item("records", one.records.iter().map(ToString::to_string).collect::<Vec<_>>())?;
                Ok(table)
            })
            .collect()
    }

    /// Return the name servers of `name` that the cache knows, with which rules about name servers judge it: for each, the number of
    /// labels of the zone, the name, and the addresses.
    fn name_servers(&self, py: Python<'_>, name: NameArg) -> PyResult<Vec<(u8, String, Vec<String>)>> {
        let found = call::detached(py, || {
            Ok::<_, Raise>(nw_serve::name_servers(&self.inner.cache(), name.0.as_ref()))
        })?;
        let texts = |addresses: Vec<IpAddr>| addresses.iter().map(ToString::to_string).collect();
        Ok(found
            .into_iter()
            .map(|(labels, name, addresses)| (labels, name.to_string(), texts(addresses)))
            .collect())
    }

    /// Return some of the cache as text, and the number with which to go on, or None after the last. Begin with 0.
    fn dump(&self, py: Python<'_>, cursor: usize) -> PyResult<(String, Option<usize>)> {
        /// Octets after which the text ends.
        const ENOUGH: usize = 256 << 10;
        call::detached(py, || {
            let (cache, now) = (self.inner.cache(), self.inner.now());
            let (mut text, mut cursor) = (String::new(), Some(cursor));
            while let Some(at) = cursor.filter(|_| text.len() < ENOUGH) {
                let (entries, next) = cache.entries(at, now, false);
                entries.iter().for_each(|entry| dump::write(entry, &mut text));
                cursor = next;
            }
            Ok::<_, Raise>((text, cursor))
        })
    }

    /// Take the entries of `text`, as `dump` writes it, into the cache and return their number. Raises `ValueError` with
    /// the line, and takes nothing, if one is wrong.
    fn load(&self, py: Python<'_>, text: &str) -> PyResult<usize> {
        let loaded = py.detach(|| dump::load(&self.inner.cache(), text, self.inner.now()));
        loaded.map_err(|error| PyValueError::new_err(error.to_string()))
    }

    /// Write the cache to the file `path` and return the number of entries. Raises `OSError`.
    fn save_cache(&self, py: Python<'_>, path: PathBuf) -> PyResult<usize> {
        py.detach(|| self.inner.save_cache(&path)).map_err(|error| PyOSError::new_err(error.to_string()))
    }

    /// Take the entries of the file `path` into the cache and return their number; None if trust anchors, validation or views
    /// have changed since it was saved. Raises `FileNotFoundError`, or `ValueError` for a file that is broken or no saved
    /// cache. Nothing is taken in these cases.
    fn load_cache(&self, py: Python<'_>, path: PathBuf) -> PyResult<Option<usize>> {
        let loaded = py.detach(|| self.inner.load_cache(&path));
        if matches!(loaded, Err(SaveError::Outdated)) {
            return Ok(None);
        }
        loaded.map(Some).map_err(|error| match error {
            SaveError::Io(error) if error.kind() == std::io::ErrorKind::NotFound => {
                PyFileNotFoundError::new_err(error.to_string())
            }
            SaveError::Io(error) => PyOSError::new_err(error.to_string()),
            broken => PyValueError::new_err(broken.to_string()),
        })
    }

    /// Return where the name would be answered from, without asking anybody: dictionaries with `source`, `taken`, `fails` (it refuses or
    /// fails) and `why`, in the order in which the sources are considered.
    fn decide<'py>(
        &self,
        py: Python<'py>,
        name: NameArg,
        rtype: Code<RrType>,
    ) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let considered = call::detached(py, || Ok::<_, Raise>(self.inner.decide(name.0.as_ref(), rtype.0)))?;
        let table = |one: Considered| {
            let table = PyDict::new(py);
            table.set_item("source", one.source)?;
            table.set_item("taken", one.taken)?;
            table.set_item("fails", one.fails)?;
            table.set_item("why", one.why)?;
            Ok(table)
        };
        considered.into_iter().map(table).collect()
    }

    /// Return what is known of the servers of the resolver: `forward` (the forwards with the state of each server), `resting`
    /// (servers that are not asked for a while), `lame` (servers that are no use for a zone) and `hint_differences` (sentences).
    /// Times in seconds.
    fn upstreams<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (cache, now) = (self.inner.cache(), self.inner.now());
        let (snapshot, servers) = (self.inner.snapshot(), cache.servers());
        let lame = call::detached(py, || Ok::<_, Raise>(servers.lame_servers(now)))?;
        let resting = call::detached(py, || Ok::<_, Raise>(servers.resting_servers(now)))?;
        let left = |until: u64| until.saturating_sub(now).div_ceil(1_000_000);
        let server = |address: SocketAddr, note: ServerNote| {
            let table = PyDict::new(py);
            table.set_item("server", address.to_string())?;
            table.set_item("rtt_us", note.srtt)?;
            table.set_item("timeouts", note.timeouts)?;
            table.set_item("trouble", note.trouble.map(Trouble::slug))?;
            table.set_item("next_probe_s", note.rests_until.map(left))?;
            Ok::<_, PyErr>(table)
        };
        let forward = |forward: &Forward| {
            let table = PyDict::new(py);
            table.set_item("suffix", forward.suffix.to_string())?;
            let states = forward.servers.iter().map(|&address| {
                let state = server(address, servers.note(address, now))?;
                let looped = lame.iter().find(|lame| {
                    lame.address == address
                        && lame.zone == forward.suffix
                        && matches!(lame.how, Lameness::Loops { .. })
                });
                if let Some(looped) = looped {
                    state.set_item("trouble", looped.how.slug())?;
                    state.set_item("next_probe_s", left(looped.until))?;
                }
                Ok(state)
            });
            table.set_item("servers", states.collect::<PyResult<Vec<_>>>()?)?;
            Ok::<_, PyErr>(table)
        };
        let lame_table = |lame: &LameServer| {
            let table = PyDict::new(py);
            table.set_item("server", lame.address.to_string())?;
            table.set_item("zone", lame.zone.to_string())?;
            table.set_item("trouble", lame.how.slug())?;
            table.set_item("next_probe_s", left(lame.until))?;
            Ok::<_, PyErr>(table)
        };
        let forwards = snapshot.resolver().map_or_else(Vec::new, |config| config.forwards.clone());
        let made = PyDict::new(py);
        made.set_item("forward", forwards.iter().map(forward).collect::<PyResult<Vec<_>>>()?)?;
        let resting = resting.into_iter().map(|(address, note)| server(address, note));
        made.set_item("resting", resting.collect::<PyResult<Vec<_>>>()?)?;
        made.set_item("lame", lame.iter().map(lame_table).collect::<PyResult<Vec<_>>>()?)?;
        made.set_item("hint_differences", servers.hint_differences())?;
        Ok(made)
    }

    /// Return questions that failed or were slow from the flight recorder, newest first: those about `name`, the one
    /// with the number `id`, or the latest. Each is a tuple of its number, the client (`ADDRESS:PORT/transport`, None
    /// for the engine itself) and its `namewise.explain/1` document as JSON text. The records of the answer are not
    /// stored.
    #[pyo3(signature = (name = None, id = None, limit = 10))]
    fn recorded(
        &self,
        py: Python<'_>,
        name: Option<NameArg>,
        id: Option<u64>,
        limit: usize,
    ) -> PyResult<Vec<Recorded>> {
        call::detached(py, || {
            let recorder = self.inner.recorder();
            let records = match (name, id) {
                (_, Some(id)) => recorder.by_id(id).into_iter().collect(),
                (Some(name), None) => recorder.by_name(name.0.as_ref(), limit),
                (None, None) => recorder.latest(limit),
            };
            Ok::<_, Raise>(records.iter().map(|record| recorded(record)).collect())
        })
    }

    /// Stop serving, wait at most `grace_s` seconds for work in progress, and join every thread. The call is
    /// idempotent. Waiting events can still be drained.
    #[pyo3(signature = (grace_s = 0.0))]
    fn close(&self, py: Python<'_>, grace_s: f64) -> PyResult<()> {
        let (inner, grace) = (Arc::clone(&self.inner), seconds(grace_s)?);
        call::interruptible(py, move || {
            inner.close(grace);
            Ok::<_, Raise>(())
        })
    }

    fn __repr__(&self) -> String {
        format!("<Engine generation {}>", self.inner.generation())
    }
}

/// An entry of the flight recorder for Python: number, client, explanation.
type Recorded = (u64, Option<String>, String);

impl Engine {
    /// A poisoned lock is safe to use: no code panics while it changes the table.
    fn asked(&self) -> MutexGuard<'_, HashMap<u64, (ClientQuestion, u64)>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn event(&self, py: Python<'_>, event: Event) -> PyResult<Py<PyAny>> {
        Ok(match event {
            Event::Done { ticket, outcome } => {
                let asked = self.asked().remove(&ticket);
                Py::new(py, Done::new(py, ticket, asked, outcome))?.into_any()
            }
            Event::Asked(asked) => Py::new(py, Asked::new(py, asked))?.into_any(),
            Event::Fault { text, fatal } => Py::new(py, Fault { text, fatal })?.into_any(),
            Event::Notice { slug, text, zone } => Py::new(py, Notice { slug, text, zone })?.into_any(),
            Event::Dropped { count } => Py::new(py, Dropped { count })?.into_any(),
        })
    }
}

fn recorded(record: &FlightRecord) -> Recorded {
    let resolution = Resolution {
        answer: record.answer.clone(),
        ede: record.ede.clone(),
        steps: record.steps.clone(),
        took: record.took,
        ..Resolution::empty(record.rcode)
    };
    let question = ClientQuestion::new(record.name.clone(), record.rtype);
    let started = record.unix_s.saturating_sub(record.took / 1_000_000);
    let client = record.client.map(|(address, transport)| format!("{address}/{}", transport.slug()));
    (record.id, client, explain::document(&question, started, &resolution))
}

fn unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
