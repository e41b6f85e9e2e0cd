//! `Snapshot`: what a server serves and by which rules, at one moment; `Unavailable`: a zone without data.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use nw_serve::snapshot::DryRun;
use nw_serve::{PlanError, Transport};
use nw_wire::{Name, NameRef};
use nw_zone::{Cause, ZoneEntry};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::budget;
use crate::gate;
use crate::raise::Raise;
use crate::zone::Zone;

/// The client's port in a dry run; no rule uses it.
const CLIENT_PORT: u16 = 53_000;

/// A plan with its zones, immutable: `Snapshot.build(plan, zones)`.
#[pyclass(frozen, module = "namewise.engine")]
pub(crate) struct Snapshot {
    pub(crate) inner: Arc<nw_serve::Snapshot>,
}

#[pymethods]
impl Snapshot {
    /// Build a snapshot from a plan (version 1, JSON) and the data of its zones; a zone of the plan without data is waiting for it.
    /// Raises `PlanError` with every fault.
    ///
    /// secrets: the secret of each TSIG key that the plan names, by the key's name.
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
        gate::detached(py, move || {
            let built = nw_serve::Snapshot::build(&plan, zones);
            let inner = built.and_then(|snapshot| snapshot.with_secrets(secrets)).map_err(plan_fault)?;
            Ok::<_, Raise>(Self { inner: Arc::new(inner) })
        })
    }

    /// The limits that names are resolved within, by the name of the engine's field: times in microseconds, TTLs in seconds,
    /// sizes in octets. None where no names are resolved.
    #[getter]
    fn budget<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        self.inner.resolver().map(|config| budget::table(py, &config.budget)).transpose()
    }

    /// What a server would reply to the packet `query` from the address `client` over `transport` (`udp`, `tcp`): a dry run,
    /// without I/O and without the cache. None for silence, and where a lookup would come first.
    fn answer<'py>(
        &self,
        py: Python<'py>,
        query: &[u8],
        client: &str,
        transport: &str,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let client: IpAddr =
            client.parse().map_err(|_| PyValueError::new_err(format!("{client:?} is not an IP address")))?;
        let transport = match transport {
            "udp" => Transport::Udp,
            "tcp" => Transport::Tcp,
            _ => return Err(PyValueError::new_err(format!("{transport:?} is not a transport: udp or tcp"))),
        };
        let client = SocketAddr::new(client, CLIENT_PORT);
        match gate::brief(py, || Ok::<_, Raise>(self.inner.answer(query, client, transport)))? {
            DryRun::Reply(octets) => Ok(Some(PyBytes::new(py, &octets))),
            DryRun::Silence | DryRun::Lookup(_) => Ok(None),
        }
    }
}

/// A zone that has no data to answer from: `Unavailable(cause, detail)`. Its names are answered SERVFAIL with an extended error.
#[pyclass(frozen, module = "namewise.engine")]
pub(crate) struct Unavailable {
    cause: Cause,
    /// The text of the extended error. Clients see it.
    #[pyo3(get)]
    detail: String,
}

#[pymethods]
impl Unavailable {
    /// cause: `waiting` (the data has not come yet), `failed` (the source is not a zone) or `expired`.
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

    /// Why there is no data.
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

/// The new entry of a zone, from Python.
#[derive(FromPyObject)]
pub(crate) enum EntryArg<'py> {
    Zone(PyRef<'py, Zone>),
    Unavailable(PyRef<'py, Unavailable>),
}

/// The change of the zone `name`. Raises `BadName`, and ValueError for the data of another zone.
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

/// Every fault of a plan with its path.
pub(crate) fn plan_fault(errors: Vec<PlanError>) -> Raise {
    Raise::Plan(errors.into_iter().map(|error| (error.path, error.message)).collect())
}
