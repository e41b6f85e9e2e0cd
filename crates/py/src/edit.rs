//! `ZoneEdit`: a set of changes to a zone.

use std::sync::Mutex;

use nw_wire::RrType;
use nw_zone::{Serial, ZoneEdit as Changes};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::call;
use crate::code::Code;
use crate::name::NameArg;
use crate::raise::Raise;
use crate::rrset::RRset;
use crate::zone::{Zone, zone_faults};

/// Changes to a zone, made by `Zone.edit()`. `commit` makes a new zone; the original zone does not change. An edit
/// can be committed only once.
#[pyclass(frozen, module = "namewise.engine")]
pub(crate) struct ZoneEdit {
    /// None after the commit.
    changes: Mutex<Option<Changes>>,
}

impl From<Changes> for ZoneEdit {
    fn from(changes: Changes) -> Self {
        Self { changes: Mutex::new(Some(changes)) }
    }
}

#[pymethods]
impl ZoneEdit {
    /// The RRset as the changes so far would leave it, or None.
    fn rrset(&self, owner: NameArg, rtype: Code<RrType>) -> PyResult<Option<RRset>> {
        self.change(|changes| changes.rrset(owner.0.as_ref(), rtype.0, RrType(0)).map(RRset::from))
    }

    /// Replace the RRset with the same owner and type by `rrset`. Its signatures are removed unless the edit puts
    /// them as well.
    fn put(&self, rrset: &RRset) -> PyResult<()> {
        self.change(|changes| {
            changes.put(rrset.inner.clone());
        })
    }

    /// Add the records of `rrset` to the existing ones. The TTL becomes that of `rrset` (RFC 2136 §3.4.2.2).
    fn add(&self, rrset: &RRset) -> PyResult<()> {
        self.change(|changes| {
            changes.add(&rrset.inner);
        })
    }

    /// Remove the records of `rrset`. Its TTL is ignored, and missing records are not an error.
    fn remove(&self, rrset: &RRset) -> PyResult<()> {
        self.change(|changes| {
            changes.remove(&rrset.inner);
        })
    }

    /// Delete the RRset of `rtype` at `owner`, or all RRsets at `owner` if `rtype` is None.
    #[pyo3(signature = (owner, rtype = None))]
    fn delete(&self, owner: NameArg, rtype: Option<Code<RrType>>) -> PyResult<()> {
        self.change(|changes| {
            match rtype {
                Some(rtype) => changes.delete(owner.0.as_ref(), rtype.0),
                None => changes.delete_name(owner.0.as_ref()),
            };
        })
    }

    /// Make the zone with all changes. `serial` is `next` (one more, unless the edit put a newer SOA), `keep`, or the
    /// number to set. Raises `ZoneFileError` with every fault. After either outcome, the edit cannot be used again.
    #[pyo3(signature = (serial = None))]
    fn commit(&self, py: Python<'_>, serial: Option<Bound<'_, PyAny>>) -> PyResult<Zone> {
        let serial = serial.map_or(Ok(Serial::Next), |serial| serial_of(&serial))?;
        let changes = self.take()?;
        call::interruptible(py, move || {
            changes.commit(serial).map(Zone::from).map_err(|errors| Raise::Zone(zone_faults(&errors, "")))
        })
    }
}

impl ZoneEdit {
    /// Take the changes. The edit cannot be used again.
    pub(crate) fn take(&self) -> PyResult<Changes> {
        self.locked(|slot| slot.take())?.ok_or_else(used)
    }

    fn locked<T>(&self, work: impl FnOnce(&mut Option<Changes>) -> T) -> PyResult<T> {
        // After a panic inside a change, the edit cannot be committed.
        self.changes.lock().map(|mut slot| work(&mut slot)).map_err(|_| used())
    }

    fn change<T>(&self, work: impl FnOnce(&mut Changes) -> T) -> PyResult<T> {
        self.locked(|slot| slot.as_mut().map(work))?.ok_or_else(used)
    }
}

fn used() -> PyErr {
    PyValueError::new_err("this edit was committed: begin another with Zone.edit()")
}

/// The serial that a commit sets: `next`, `keep` or a number.
pub(crate) fn serial_of(given: &Bound<'_, PyAny>) -> PyResult<Serial> {
    let Ok(word) = given.cast::<PyString>() else { return Ok(Serial::Set(given.extract()?)) };
    match word.to_cow()?.as_ref() {
        "next" => Ok(Serial::Next),
        "keep" => Ok(Serial::Keep),
        other => Err(PyValueError::new_err(format!("{other:?} is not a serial: 'next', 'keep' or a number"))),
    }
}
