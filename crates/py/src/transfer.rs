//! `Transfer`: a zone transfer whose I/O is done in Python.

use std::sync::{Mutex, MutexGuard, PoisonError};

use nw_zone::{TransferError, TransferLimits};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::call;
use crate::name::NameArg;
use crate::raise::Raise;
use crate::zone::Zone;

/// The AXFR of the zone *name* (RFC 5936): send `query`, give each reply to `read` until that returns True, then `finish`.
///
/// id: of the query, chosen at random. max_octets, max_records: the transfer fails above these. Every method raises
/// `TransferError`.
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
    #[pyo3(signature = (name, *, id, max_octets, max_records))]
    fn new(name: NameArg, id: u16, max_octets: u64, max_records: u64) -> Self {
        let limits = TransferLimits { octets: max_octets, records: max_records };
        let transfer = nw_zone::Transfer::new(name.0, id, limits);
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

    /// Return the zone, once. Raises `TransferError` unless the transfer is complete and its records are a zone.
    fn finish(&self, py: Python<'_>) -> PyResult<Zone> {
        let zone = call::detached(py, || match self.locked().take() {
            Some(transfer) => transfer.finish().map_err(Raise::from),
            None => Err(Raise::from(TransferError::Incomplete)),
        })?;
        Ok(Zone::from(zone))
    }
}
