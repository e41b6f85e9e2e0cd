//! `play`: a scenario in the simulation.

use std::path::PathBuf;

use nw_sim::play::{Options, Source, play as run};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::gate;
use crate::raise::Raise;

/// Play a scenario, TOML or `.rpl`, from a file or a text, on virtual time; return its report (`namewise.play/1`) as JSON.
///
/// seed: everything random is drawn from it; log: report every packet. The same scenario and seed give the same report.
#[pyfunction]
#[pyo3(signature = (path = None, *, text = None, seed = 0, log = false))]
pub(crate) fn play(
    py: Python<'_>,
    path: Option<PathBuf>,
    text: Option<String>,
    seed: u64,
    log: bool,
) -> PyResult<String> {
    let options = Options { seed, log };
    let report = match (path, text) {
        (Some(path), None) => gate::long(py, move || Ok::<_, Raise>(run(Source::Path(&path), &options))),
        (None, Some(text)) => gate::long(py, move || Ok::<_, Raise>(run(Source::Text(&text), &options))),
        _ => Err(PyValueError::new_err("give a path or a text")),
    }?;
    serde_json::to_string(&report).map_err(|error| PyValueError::new_err(error.to_string()))
}
