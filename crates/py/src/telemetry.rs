//! `Telemetry`: reads one event for each response; `Response`: such an event.

use std::sync::{Mutex, PoisonError};

use nw_net::telemetry::Batch;
use nw_serve::telemetry::Event;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::call;
use crate::raise::Raise;

/// A response of the engine, as it left. Times are microseconds since 1970.
#[pyclass(frozen, get_all, module = "namewise.engine")]
pub(crate) struct Response {
    /// When it left.
    time_us: u64,
    /// How long the client waited; 0 for an answer that was made at once.
    took_us: u64,
    /// The client: `ADDRESS:PORT`.
    client: String,
    /// `udp` or `tcp`.
    transport: &'static str,
    /// The query as the client sent it; it may be malformed.
    query: Py<PyBytes>,
    /// The response code, all twelve bits.
    rcode: u16,
    /// The second word of the response's header.
    flags: u16,
    /// Where the answer came from: `zone`, `cache`, `lookup`, `server`, `opcode`, `control`, `refused` or `error`.
    source: &'static str,
    /// Messages of the response.
    messages: u32,
    /// Octets of these messages.
    octets: u64,
}

impl Response {
    fn new(py: Python<'_>, event: Event, epoch: u64) -> Response {
        Response {
            time_us: epoch.saturating_add(event.at),
            took_us: event.took,
            client: event.client.to_string(),
            transport: event.transport.slug(),
            query: PyBytes::new(py, &event.query).unbind(),
            rcode: event.rcode.0,
            flags: event.flags.0,
            source: event.source.slug(),
            messages: event.messages,
            octets: event.octets,
        }
    }
}

#[pymethods]
impl Response {
    fn __repr__(&self) -> String {
        format!("<Response rcode {} {} to {}/{}>", self.rcode, self.source, self.client, self.transport)
    }
}

/// The one reader of an engine's telemetry: `with engine.telemetry() as telemetry`. While it is open, each response of the
/// engine makes an event; `close` ends that.
#[pyclass(frozen, module = "namewise.engine")]
pub(crate) struct Telemetry {
    /// None once it is closed.
    inner: Mutex<Option<nw_net::Telemetry>>,
}

impl Telemetry {
    pub(crate) fn new(inner: nw_net::Telemetry) -> Telemetry {
        Telemetry { inner: Mutex::new(Some(inner)) }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Option<nw_net::Telemetry>) -> T) -> T {
        act(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[pymethods]
impl Telemetry {
    /// Remove and return the events that wait, by time, and the number of those that were lost since the last call because they
    /// found no space. It never waits for events: call it again after a while. Empty after `close`.
    fn read(&self, py: Python<'_>) -> PyResult<(Vec<Response>, u64)> {
        let Batch { events, lost, epoch } = call::attached(py, || {
            Ok::<_, Raise>(
                self.with(|reader| reader.as_ref().map(|reader| reader.read())).unwrap_or_default(),
            )
        })?;
        Ok((events.into_iter().map(|event| Response::new(py, event, epoch)).collect(), lost))
    }

    /// Stop making events. Idempotent.
    fn close(&self) {
        self.with(|reader| drop(reader.take()));
    }

    fn __enter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __exit__(&self, _kind: Py<PyAny>, _error: Py<PyAny>, _trace: Py<PyAny>) {
        self.close();
    }
}
