//! `Engine`: the threads that serve and resolve. They never attach to the interpreter; their events wait in a queue.

use std::collections::HashMap;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use nw_net::{ChangeError, Event, Listener, SubmitError};
use nw_resolve::{ClientQuestion, Resolution, Validation, explain};
use nw_serve::recorder::Record;
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::gate;
use crate::name::NameArg;
use crate::raise::Raise;
use crate::request::{Done, Dropped, Exchange, Fault, Resolve, seconds};
use crate::snapshot::{EntryArg, Snapshot, entry_of};

/// The engine: `Engine(workers)` starts its threads, which serve nothing until a snapshot is published.
///
/// Outcomes of requests are events: wait until `event_fd()` is readable, then `drain()`. `close()` joins every thread.
#[pyclass(frozen, module = "namewise.engine")]
pub(crate) struct Engine {
    inner: Arc<nw_net::Engine>,
    /// Questions that are being resolved, by ticket, and when they were asked: explanations begin with both.
    asked: Mutex<HashMap<u64, (ClientQuestion, u64)>>,
}

#[pymethods]
impl Engine {
    #[new]
    #[pyo3(signature = (workers = 1))]
    fn new(py: Python<'_>, workers: usize) -> PyResult<Self> {
        let started = gate::detached(py, || Ok::<_, Raise>(nw_net::Engine::start(workers)))?;
        Ok(Self { inner: Arc::new(started?), asked: Mutex::default() })
    }

    /// Serve by the settings of `snapshot` on `sockets`, close the sockets served so far that are not among them, and return the
    /// generation.
    ///
    /// Zones that are served stay as they are; a zone that only `snapshot` has is added, one that the former plan named and the
    /// plan of `snapshot` does not is removed.
    ///
    /// sockets: descriptors of bound UDP and listening TCP sockets, which are duplicated and stay the caller's to close;
    /// several on one address (SO_REUSEPORT) are spread over the workers. Raises OSError if one of them is neither.
    fn publish(&self, py: Python<'_>, snapshot: &Snapshot, sockets: Vec<RawFd>) -> PyResult<u64> {
        let listeners = sockets.into_iter().map(Listener::adopt).collect::<Result<Vec<_>, _>>();
        let listeners = listeners.map_err(|refused| match refused.error.raw_os_error() {
            Some(number) => PyOSError::new_err((number, refused.to_string())),
            None => PyOSError::new_err(refused.to_string()),
        })?;
        gate::detached(py, || Ok::<_, Raise>(self.inner.publish(Arc::clone(&snapshot.inner), listeners)))
    }

    /// Change zones, all of them at once, and return the generation.
    ///
    /// zones: by name a `Zone`, an `Unavailable` for a zone that has no data, or None to remove it. expected: the generation from
    /// which the change was computed; raises `GenerationConflict` and changes nothing when another one is served. Raises
    /// `EngineClosed` after `close`.
    fn change(
        &self,
        py: Python<'_>,
        zones: HashMap<String, Option<EntryArg<'_>>>,
        expected: u64,
    ) -> PyResult<u64> {
        let changes = zones.into_iter().map(|(name, entry)| entry_of(py, &name, entry));
        let changes = changes.collect::<PyResult<Vec<_>>>()?;
        gate::detached(py, || {
            self.inner.change(changes, expected).map_err(|error| match error {
                ChangeError::Conflict { expected, current } => Raise::Conflict { expected, current },
                ChangeError::Closed => Raise::Closed(error.to_string()),
            })
        })
    }

    /// The generation that is served: 0 until something is published.
    #[getter]
    fn generation(&self) -> u64 {
        self.inner.generation()
    }

    /// Perform `request`, a `Resolve` or an `Exchange`; its outcome is a `Done` with `ticket`, a number of the caller's choice.
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
        let taken = gate::brief(py, || {
            self.inner.submit(ticket, request).map_err(|refused| match refused {
                SubmitError::Full => Raise::Busy(refused.to_string()),
                SubmitError::Closed => Raise::Closed(refused.to_string()),
            })
        });
        taken.inspect_err(|_| drop(self.asked().remove(&ticket)))
    }

    /// A descriptor that is readable while events wait. It belongs to the engine: neither read nor close it.
    fn event_fd(&self) -> RawFd {
        self.inner.event_fd()
    }

    /// Remove and return the waiting events, at most `limit`.
    #[pyo3(signature = (limit = 1000))]
    fn drain(&self, py: Python<'_>, limit: usize) -> PyResult<Vec<Py<PyAny>>> {
        let events = gate::brief(py, || Ok::<_, Raise>(self.inner.drain(limit)))?;
        events.into_iter().map(|event| self.event(py, event)).collect()
    }

    /// All counters by name.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let counters = gate::brief(py, || Ok::<_, Raise>(self.inner.stats()))?;
        let table = PyDict::new(py);
        counters.iter().try_for_each(|(name, value)| table.set_item(name, value))?;
        Ok(table)
    }

    /// Remove answers from the cache and return their number: all, those about `name`, or with `below` those about it and all names
    /// below it.
    #[pyo3(signature = (name = None, *, below = false))]
    fn flush(&self, py: Python<'_>, name: Option<NameArg>, below: bool) -> PyResult<usize> {
        gate::detached(py, || {
            let cache = self.inner.cache();
            Ok::<_, Raise>(match name {
                None => {
                    let answers = cache.stats().answers;
                    cache.clear();
                    answers
                }
                Some(name) if below => cache.flush_tree(name.0.as_ref()),
                Some(name) => cache.flush_name(name.0.as_ref()),
            })
        })
    }

    /// What the cache holds about `name`: dictionaries with name, type (None: the name as a whole), state (`data`, `chain`,
    /// `nodata`, `nxdomain`, `failure`), age_s, ttl_left_s and records, as master-file text.
    fn cached<'py>(&self, py: Python<'py>, name: NameArg) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let held = gate::detached(py, || {
            Ok::<_, Raise>(self.inner.cache().inspect(name.0.as_ref(), self.inner.now()))
        })?;
        held.into_iter()
            .map(|one| {
                let table = PyDict::new(py);
                table.set_item("name", one.name.to_string())?;
                table.set_item("type", one.rtype.map(|rtype| rtype.to_string()))?;
                table.set_item("state", one.state)?;
                table.set_item("age_s", one.age_s)?;
                table.set_item("ttl_left_s", one.left_s)?;
                table.set_item("records", one.records.iter().map(ToString::to_string).collect::<Vec<_>>())?;
                Ok(table)
            })
            .collect()
    }

    /// Questions that failed or were slow, newest first, from the flight recorder: about `name`, with the number `id`, or the
    /// latest. Each is its number, who asked (`ADDRESS:PORT/transport`, None for the engine itself) and its
    /// `namewise.explain/1` document as JSON text, without the records of the answer, which are not kept.
    #[pyo3(signature = (name = None, id = None, limit = 10))]
    fn recorded(
        &self,
        py: Python<'_>,
        name: Option<NameArg>,
        id: Option<u64>,
        limit: usize,
    ) -> PyResult<Vec<Recorded>> {
        gate::detached(py, || {
            let recorder = self.inner.recorder();
            let records = match (name, id) {
                (_, Some(id)) => recorder.by_id(id).into_iter().collect(),
                (Some(name), None) => recorder.by_name(name.0.as_ref(), limit),
                (None, None) => recorder.latest(limit),
            };
            Ok::<_, Raise>(records.iter().map(|record| recorded(record)).collect())
        })
    }

    /// Stop serving, let what is in progress finish for at most `grace_s` seconds, join every thread. Idempotent; events that wait
    /// can still be drained.
    #[pyo3(signature = (grace_s = 0.0))]
    fn close(&self, py: Python<'_>, grace_s: f64) -> PyResult<()> {
        let (inner, grace) = (Arc::clone(&self.inner), seconds(grace_s)?);
        gate::long(py, move || {
            inner.close(grace);
            Ok::<_, Raise>(())
        })
    }

    fn __repr__(&self) -> String {
        format!("<Engine generation {}>", self.inner.generation())
    }
}

/// A record for Python: number, client, explanation.
type Recorded = (u64, Option<String>, String);

impl Engine {
    /// A panic of another thread cannot have left the table half changed: nothing in between panics.
    fn asked(&self) -> MutexGuard<'_, HashMap<u64, (ClientQuestion, u64)>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn event(&self, py: Python<'_>, event: Event) -> PyResult<Py<PyAny>> {
        Ok(match event {
            Event::Done { ticket, outcome } => {
                let asked = self.asked().remove(&ticket);
                Py::new(py, Done::new(py, ticket, asked, outcome))?.into_any()
            }
            Event::Fault { text, fatal } => Py::new(py, Fault { text, fatal })?.into_any(),
            Event::Dropped { count } => Py::new(py, Dropped { count })?.into_any(),
        })
    }
}

fn recorded(record: &Record) -> Recorded {
    let resolution = Resolution {
        rcode: record.rcode,
        answer: record.answer.clone(),
        authority: Vec::new(),
        additional: Vec::new(),
        ede: record.ede.clone(),
        steps: record.steps.clone(),
        began: 0,
        took: record.took,
        queries: 0,
        validation: Validation::default(),
    };
    let question = ClientQuestion::new(record.name.clone(), record.rtype);
    let started = record.unix_s.saturating_sub(record.took / 1_000_000);
    let client = record.client.map(|(address, transport)| format!("{address}/{}", transport.slug()));
    (record.id, client, explain::document(&question, started, &resolution))
}

fn unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
