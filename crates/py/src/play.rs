//! `play`: plays a scenario in the simulation.

use std::path::PathBuf;

use nw_sim::play::{Options, Source, play as run};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::call;
use crate::raise::Raise;

/// Play a scenario, TOML or `.rpl`, from a file or a text, on virtual time. Returns its report (`namewise.play/1`) as
/// JSON.
///
/// `seed` determines all random numbers. `log` adds every packet to the report. The same scenario and seed yield the
/// same report. `measure` adds the time that the engine computes, which depends on the machine.
#[pyfunction]
#[pyo3(signature = (path = None, *, text = None, seed = 0, log = false, measure = false))]
pub(crate) fn play(
    py: Python<'_>,
    path: Option<PathBuf>,
    text: Option<String>,
    seed: u64,
    log: bool,
    measure: bool,
) -> PyResult<String> {
    let options = Options { seed, log, measure };
    let report = match (path, text) {
        (Some(path), None) => {
            call::interruptible(py, move || Ok::<_, Raise>(run(Source::Path(&path), &options)))
        }
        (None, Some(text)) => {
            call::interruptible(py, move || Ok::<_, Raise>(run(Source::Text(&text), &options)))
        }
        _ => Err(PyValueError::new_err("give a path or a text")),
    }?;
    serde_json::to_string(&report).map_err(|error| PyValueError::new_err(error.to_string()))
}
