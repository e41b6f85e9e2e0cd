//! `Difference`: what differs between two versions of a zone.

use nw_zone::{ApplyError, DifferenceError, ImageError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

use crate::call;
use crate::name::Name;
use crate::raise::Raise;
use crate::rrset::RRset;
use crate::zone::zone_faults;

/// The records that differ between two versions of a zone, with both SOAs: `older.difference(newer)`.
///
/// `older.apply(difference)` makes the newer version, and `newer.apply(difference.reversed)` the older one.
#[pyclass(frozen, module = "namewise.engine")]
pub(crate) struct Difference {
    pub(crate) inner: nw_zone::Difference,
}

impl From<nw_zone::Difference> for Difference {
    fn from(inner: nw_zone::Difference) -> Self {
        Self { inner }
    }
}

impl From<DifferenceError> for Raise {
    fn from(error: DifferenceError) -> Self {
        let code = match error {
            DifferenceError::Format(_) => "FORMAT",
            DifferenceError::Truncated { .. } => "TRUNCATED",
            DifferenceError::Record(_) => "BAD_RECORD",
            DifferenceError::NoSoa { .. } => "NO_SOA",
            DifferenceError::OtherZone { .. } => "OTHER_ZONE",
            DifferenceError::Trailing { .. } => "TRAILING_BYTES",
        };
        Raise::Wire { message: error.to_string(), offset: Some(error.at()), code }
    }
}

impl From<ApplyError> for Raise {
    fn from(error: ApplyError) -> Self {
        let code = match &error {
            ApplyError::OtherZone(_) => "OTHER_ZONE",
            ApplyError::Serial { .. } => "SERIAL",
            ApplyError::Missing(..) => "MISSING",
            ApplyError::Present(..) => "PRESENT",
            ApplyError::Zone(errors) => return Raise::Zone(zone_faults(errors, "")),
        };
        Raise::Mismatch { message: error.to_string(), code }
    }
}

impl From<ImageError> for Raise {
    fn from(error: ImageError) -> Self {
        match &error {
            ImageError::Zone(errors) => Raise::Zone(zone_faults(errors, "")),
            ImageError::Records { error: fault, .. } => {
                Raise::Wire { message: error.to_string(), offset: Some(fault.at()), code: "BAD_RECORD" }
            }
        }
    }
}

#[pymethods]
impl Difference {
    /// Read the octets of `wire`. Raises `WireError` with the offset of the fault.
    #[staticmethod]
    fn from_wire(py: Python<'_>, octets: &[u8]) -> PyResult<Self> {
        call::detached(py, || nw_zone::Difference::from_wire(octets).map(Self::from))
    }

    /// The difference as octets: the format 1, then the removed and the added records, each a count of four octets and records in
    /// wire form without compression.
    #[getter]
    fn wire<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &call::detached(py, || Ok::<_, Raise>(self.inner.wire()))?))
    }

    /// The length of `wire`.
    #[getter]
    fn octets(&self) -> usize {
        self.inner.octets()
    }

    /// The name of the zone.
    #[getter]
    fn name(&self) -> Name {
        self.inner.apex().to_name().into()
    }

    /// The serial of the older version.
    #[getter]
    fn serial_before(&self) -> u32 {
        self.inner.serial_before()
    }

    /// The serial of the newer version.
    #[getter]
    fn serial_after(&self) -> u32 {
        self.inner.serial_after()
    }

    /// The RRsets of the removed records, the SOA of the older version first.
    #[getter]
    fn removed<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.inner.removed().iter().cloned().map(RRset::from))
    }

    /// The RRsets of the added records, the SOA of the newer version first.
    #[getter]
    fn added<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.inner.added().iter().cloned().map(RRset::from))
    }

    /// The difference from the newer version to the older one.
    #[getter]
    fn reversed(&self) -> Self {
        self.inner.reversed().into()
    }

    /// Whether a record differs.
    fn __bool__(&self) -> bool {
        !self.inner.is_empty()
    }

    fn __eq__(&self, other: &Self) -> bool {
        self.inner == other.inner
    }

    fn __repr__(&self) -> String {
        let (inner, count) = (&self.inner, |side: &[nw_wire::Rrset]| -> usize {
            side.iter().map(|rrset| rrset.rdatas.len()).sum()
        });
        format!(
            "<Difference of {}, serial {} to {}, {} records removed, {} added>",
            inner.apex(),
            inner.serial_before(),
            inner.serial_after(),
            count(inner.removed()),
            count(inner.added()),
        )
    }
}
