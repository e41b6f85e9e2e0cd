//! `Transfer`: a zone transfer whose I/O is done in Python.

use std::sync::{Mutex, MutexGuard, PoisonError};

use nw_zone::{TransferError, TransferLimits, Transferred};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

use crate::call;
use crate::difference::Difference;
use crate::name::NameArg;
use crate::raise::Raise;
use crate::zone::Zone;

/// The transfer of the zone *name*: send `query`, give each reply to `read` until that returns True, then `finish`.
///
/// have: the version that the client has; the transfer is an IXFR of what is newer (RFC 1995). None: an AXFR (RFC 5936).
/// id: of the query, chosen at random. max_octets, max_records, max_differences: the transfer fails above these. Every method
/// raises `TransferError`.
#[pyclass(frozen, module = "namewise.engine")]
pub(crate) struct Transfer {
    /// None after `finish`.
    inner: Mutex<Option<nw_zone::Transfer>>,
    query: Vec<u8>,
}

impl From<TransferError> for Raise {
    fn from(error: TransferError) -> Self {
        Raise::Transfer { message: error.to_string(), code: error.code() }
    }
}

impl Transfer {
    fn locked(&self) -> MutexGuard<'_, Option<nw_zone::Transfer>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Transfer {
    #[new]
    #[pyo3(signature = (name, *, id, max_octets, max_records, max_differences=10_000, have=None))]
    fn new(
        name: NameArg,
        id: u16,
        max_octets: u64,
        max_records: u64,
        max_differences: usize,
        have: Option<&Zone>,
    ) -> Self {
        let limits =
            TransferLimits { octets: max_octets, records: max_records, differences: max_differences };
        let transfer = match have {
            Some(zone) => nw_zone::Transfer::incremental(&zone.inner, id, limits),
            None => nw_zone::Transfer::new(name.0, id, limits),
        };
        Self { query: transfer.query().to_vec(), inner: Mutex::new(Some(transfer)) }
    }

    /// The query, a whole message.
    #[getter]
    fn query<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.query)
    }

    /// Records that arrived.
    #[getter]
    fn records(&self) -> u64 {
        self.locked().as_ref().map_or(0, nw_zone::Transfer::records)
    }

    /// Octets that arrived.
    #[getter]
    fn octets(&self) -> u64 {
        self.locked().as_ref().map_or(0, nw_zone::Transfer::octets)
    }

    /// Read the next message. Return whether it was the last one.
    fn read(&self, py: Python<'_>, message: &[u8]) -> PyResult<bool> {
        call::detached(py, || match self.locked().as_mut() {
            Some(transfer) => transfer.read(message).map_err(Raise::from),
            None => Err(Raise::from(TransferError::Trailing)),
        })
    }

    /// Return the zone, or what leads from *have* to it (oldest first), or None if *have* is the newest version. Once.
    ///
    /// Raises `TransferError` unless the transfer is complete and its records are a zone.
    fn finish<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let found = call::detached(py, || match self.locked().take() {
            Some(transfer) => transfer.finish().map_err(Raise::from),
            None => Err(Raise::from(TransferError::Incomplete)),
        })?;
        Ok(match found {
            Transferred::Zone(zone) => Some(Zone::from(zone).into_pyobject(py)?.into_any()),
            Transferred::Differences(found) => {
                Some(PyTuple::new(py, found.into_iter().map(Difference::from))?.into_any())
            }
            Transferred::Same => None,
        })
    }
}
