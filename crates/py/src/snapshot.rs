//! `Snapshot`: everything that a server serves, and by which rules, at one moment.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use nw_serve::snapshot::DryRun;
use nw_serve::{PlanError, Transport};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::budget;
use crate::gate;
use crate::raise::Raise;
use crate::zone::Zone;

/// The port that a dry run pretends to be asked from; no rule looks at it.
const CLIENT_PORT: u16 = 53_000;

/// A plan with its zones, immutable: `Snapshot.build(plan, zones)`.
#[pyclass(frozen, module = "namewise.engine")]
pub(crate) struct Snapshot {
    pub(crate) inner: Arc<nw_serve::Snapshot>,
}

#[pymethods]
impl Snapshot {
    /// The snapshot of a plan (version 1, JSON) and the data of every zone it names. Raises `PlanError` with every fault.
    #[staticmethod]
    fn build(py: Python<'_>, plan: Vec<u8>, zones: Vec<PyRef<'_, Zone>>) -> PyResult<Self> {
        let zones: Vec<nw_zone::Zone> = zones.iter().map(|zone| zone.inner.clone()).collect();
        gate::detached(py, move || {
            let inner = nw_serve::Snapshot::build(&plan, zones).map_err(plan_fault)?;
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

/// Every fault of a plan with its path.
pub(crate) fn plan_fault(errors: Vec<PlanError>) -> Raise {
    Raise::Plan(errors.into_iter().map(|error| (error.path, error.message)).collect())
}
