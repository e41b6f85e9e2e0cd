//! `Update`: a dynamic update (RFC 2136) as a function of zones.

use nw_zone::{Change, Refusal, Serial};
use pyo3::prelude::*;

use crate::call;
use crate::edit::serial_of;
use crate::message::Message;
use crate::name::Name;
use crate::raise::Raise;
use crate::zone::Zone;

/// The update that a message asks for: `Update(message).apply(zone)`.
///
/// Raises `UpdateRefused` if the message does not name one zone (RFC 2136 §3.1.1).
#[pyclass(frozen, module = "namewise.engine")]
pub(crate) struct Update {
    inner: nw_zone::Update,
}

impl From<Refusal> for Raise {
    fn from(refusal: Refusal) -> Self {
        Raise::Update { message: refusal.text, rcode: refusal.rcode.to_string(), rule: refusal.rule }
    }
}

#[pymethods]
impl Update {
    #[new]
    fn new(py: Python<'_>, message: &Message) -> PyResult<Self> {
        let view = message.view(py);
        call::attached(py, || nw_zone::Update::read(&view).map(|inner| Self { inner }))
    }

    /// The name of the zone.
    #[getter]
    fn zone(&self) -> Name {
        self.inner.zone().to_name().into()
    }

    /// The class of the zone.
    #[getter]
    fn rclass(&self) -> String {
        self.inner.class().to_string()
    }

    /// The changes in order, as commands of an update client.
    #[getter]
    fn changes(&self) -> Vec<String> {
        self.inner.changes().iter().map(Change::to_string).collect()
    }

    /// The number of prerequisites.
    #[getter]
    fn prerequisites(&self) -> usize {
        self.inner.prerequisites()
    }

    /// The owners and types that the update may change in `zone`. A name that is deleted counts with each type that it has.
    fn touched(&self, py: Python<'_>, zone: &Zone) -> PyResult<Vec<(Name, String)>> {
        let touched = call::detached(py, || Ok::<_, Raise>(self.inner.touched(&zone.inner)))?;
        Ok(touched.into_iter().map(|(owner, rtype)| (owner.into(), rtype.to_string())).collect())
    }

    /// Return the version of `zone` after the update, or None if no record changes; and the first changes without effect because the
    /// zone would break, each with the rule. serial: as in `ZoneEdit.commit`. Raises `UpdateRefused` if a prerequisite does not hold, or
    /// if the update is malformed.
    #[pyo3(signature = (zone, serial = None))]
    fn apply(
        &self,
        py: Python<'_>,
        zone: &Zone,
        serial: Option<Bound<'_, PyAny>>,
    ) -> PyResult<(Option<Zone>, Vec<String>)> {
        let serial = serial.map_or(Ok(Serial::Next), |serial| serial_of(&serial))?;
        let applied = call::detached(py, || self.inner.apply(&zone.inner, serial))?;
        Ok((applied.zone.map(Zone::from), applied.ignored))
    }
}
