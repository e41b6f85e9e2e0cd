//! `NameList`: a list of names that policies select by, an artifact of the engine.

use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::call;
use crate::raise::Raise;

/// A list of names, one on a line, with `#` before a comment; a name stands for itself and all below: `NameList(text)`.
///
/// Raises ValueError that names every wrong line.
#[pyclass(frozen, module = "namewise.engine")]
pub(crate) struct NameList {
    pub(crate) inner: Arc<nw_policy::NameList>,
}

#[pymethods]
impl NameList {
    #[new]
    fn new(py: Python<'_>, text: String) -> PyResult<Self> {
        let parsed = call::detached(py, || Ok::<_, Raise>(nw_policy::NameList::parse(&text)))?;
        let list = parsed.map_err(|errors| {
            PyValueError::new_err(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
        })?;
        Ok(Self { inner: Arc::new(list) })
    }

    fn __len__(&self) -> usize {
        self.inner.len()
    }
}
