//! `Snapshot`: the settings and zones of a server at one moment. `Unavailable`: a zone without data.

use std::collections::HashMap;
use std::sync::Arc;

use nw_serve::PlanError;
use nw_serve::snapshot::DryRun;
use nw_wire::{Name, NameRef};
use nw_zone::{Cause, ZoneEntry};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::budget;
use crate::call;
use crate::raise::Raise;
use crate::request::{client_of, transport_of};
use crate::zone::Zone;

/// An immutable plan with its zones: `Snapshot.build(plan, zones)`.
#[pyclass(frozen, module = "namewise.engine")]
pub(crate) struct Snapshot {
    pub(crate) inner: Arc<nw_serve::Snapshot>,
}

#[pymethods]
impl Snapshot {
    /// Build a snapshot from a plan (version 1, JSON) and the data of its zones. A zone of the plan without data
    /// waits for it. Raises `PlanError` with every fault.
    ///
    /// `secrets` maps the name of each TSIG key in the plan to its secret.
    #[staticmethod]
    #[pyo3(signature = (plan, zones, secrets = None))]
    fn build(
        py: Python<'_>,
        plan: Vec<u8>,
        zones: Vec<PyRef<'_, Zone>>,
        secrets: Option<HashMap<String, Vec<u8>>>,
    ) -> PyResult<Self> {
        let zones: Vec<nw_zone::Zone> = zones.iter().map(|zone| zone.inner.clone()).collect();
        let secrets = secrets.unwrap_or_default().into_iter().map(|(key, secret)| {
            let key = crate::name::parse(&key, NameRef::ROOT).map_err(|error| error.into_err(py))?;
            Ok((key, secret))
        });
        let secrets = secrets.collect::<PyResult<Vec<(Name, Vec<u8>)>>>()?;
        call::detached(py, move || {
            let built = nw_serve::Snapshot::build(&plan, zones);
            let inner = built.and_then(|snapshot| snapshot.with_secrets(secrets)).map_err(plan_fault)?;
            Ok::<_, Raise>(Self { inner: Arc::new(inner) })
        })
    }

    /// The resolver limits by the names of the engine's fields: times in microseconds, TTLs in seconds, sizes in
    /// octets. None if there is no resolver.
    #[getter]
    fn budget<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        self.inner.resolver().map(|config| budget::table(py, &config.budget)).transpose()
    }

    /// Return the reply of a server to the packet `query` from the address `client` over `transport` (`udp`, `tcp`).
    /// This is a dry run without I/O and without the cache. Returns None if the server would send no reply or would
    /// need a lookup.
    fn answer<'py>(
        &self,
        py: Python<'py>,
        query: &[u8],
        client: &str,
        transport: &str,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let (client, transport) = (client_of(client)?, transport_of(transport)?);
        match call::attached(py, || Ok::<_, Raise>(self.inner.answer(query, client, transport)))? {
            DryRun::Reply(octets) => Ok(Some(PyBytes::new(py, &octets))),
            DryRun::Silence | DryRun::Lookup(_) => Ok(None),
        }
    }
}

/// A zone without data: `Unavailable(cause, detail)`. Queries for its names are answered with SERVFAIL and an
/// extended error.
#[pyclass(frozen, module = "namewise.engine")]
pub(crate) struct Unavailable {
    cause: Cause,
    /// The text of the extended error, which clients see.
    #[pyo3(get)]
    detail: String,
}

#[pymethods]
impl Unavailable {
    /// `cause` is `waiting` (no data yet), `failed` (the source is not a valid zone) or `expired`.
    #[new]
    #[pyo3(signature = (cause, detail = String::new()))]
    fn new(cause: &str, detail: String) -> PyResult<Self> {
        let cause = match cause {
            "waiting" => Cause::Waiting,
            "failed" => Cause::Failed,
            "expired" => Cause::Expired,
            _ => {
                let message = format!("{cause:?} is not a cause: waiting, failed or expired");
                return Err(PyValueError::new_err(message));
            }
        };
        Ok(Self { cause, detail })
    }

    /// The reason why there is no data.
    #[getter]
    fn cause(&self) -> &'static str {
        match self.cause {
            Cause::Waiting => "waiting",
            Cause::Failed => "failed",
            Cause::Expired => "expired",
        }
    }

    fn __repr__(&self) -> String {
        format!("Unavailable({:?}, {:?})", self.cause(), self.detail)
    }
}

/// The new entry of a zone from Python.
#[derive(FromPyObject)]
pub(crate) enum EntryArg<'py> {
    Zone(PyRef<'py, Zone>),
    Unavailable(PyRef<'py, Unavailable>),
}

/// Convert the change of the zone `name`. Raises `BadName`, and ValueError for the data of another zone.
pub(crate) fn entry_of(
    py: Python<'_>,
    name: &str,
    entry: Option<EntryArg<'_>>,
) -> PyResult<(Name, Option<ZoneEntry>)> {
    let apex = crate::name::parse(name, NameRef::ROOT).map_err(|error| error.into_err(py))?;
    let entry = entry.map(|entry| match entry {
        EntryArg::Zone(zone) => ZoneEntry::from(zone.inner.clone()),
        EntryArg::Unavailable(none) => ZoneEntry::unavailable(apex.as_ref(), none.cause, none.detail.clone()),
    });
    match entry {
        Some(entry) if entry.apex() != apex.as_ref() => {
            Err(PyValueError::new_err(format!("the data for zone {apex} is of zone {}", entry.apex())))
        }
        entry => Ok((apex, entry)),
    }
}

/// Convert every fault of a plan, with its path.
pub(crate) fn plan_fault(errors: Vec<PlanError>) -> Raise {
    Raise::Plan(errors.into_iter().map(|error| (error.path, error.message)).collect())
}
