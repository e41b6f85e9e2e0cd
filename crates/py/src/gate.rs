//! Calls from the interpreter into the engine: panics, errors and signals are handled here and nowhere else.
//!
//! ```text
//!   Python call -> brief     attached: for work of microseconds
//!               -> detached  the interpreter runs other threads meanwhile
//!               -> long      a thread of its own; Ctrl-C is looked for every 50 ms
//! ```
//! Each of the three turns a panic of the engine into `EnginePanic`, and an error value into the exception of
//! `namewise.engine.errors` with the same fields. A long call that is interrupted
//! returns at once; its thread finishes on its own and its result is dropped, so nothing half-built is ever
//! seen.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use pyo3::prelude::*;

use crate::raise::Raise;

/// How often a long call asks the interpreter whether a signal is waiting.
const SIGNAL_POLL: Duration = Duration::from_millis(50);

/// Run `work` while holding the interpreter: for work that takes less time than a switch of threads.
pub(crate) fn brief<T, E: Into<Raise>>(py: Python<'_>, work: impl FnOnce() -> Result<T, E>) -> PyResult<T> {
    settle(py, catch_unwind(AssertUnwindSafe(work)))
}

/// Run `work` while other Python threads may run.
pub(crate) fn detached<T: Send, E: Into<Raise> + Send>(
    py: Python<'_>,
    work: impl FnOnce() -> Result<T, E> + Send,
) -> PyResult<T> {
    let outcome = py.detach(|| catch_unwind(AssertUnwindSafe(work)));
    settle(py, outcome)
}

/// Run `work` on a thread of its own and raise `KeyboardInterrupt` as soon as a signal asks for it.
pub(crate) fn long<T, E>(py: Python<'_>, work: impl FnOnce() -> Result<T, E> + Send + 'static) -> PyResult<T>
where
    T: Send + 'static,
    E: Into<Raise> + Send + 'static,
{
    let (done, outcome) = mpsc::sync_channel(1);
    let outcome = Mutex::new(outcome);
    std::thread::Builder::new().name("nw-call".into()).spawn(move || {
        // Nobody listens any more when the caller was interrupted: the result is dropped here.
        let _ = done.send(catch_unwind(AssertUnwindSafe(work)));
    })?;
    loop {
        let waited = py.detach(|| {
            let outcome = outcome.lock().expect("only this thread locks it, and recv_timeout does not panic");
            outcome.recv_timeout(SIGNAL_POLL)
        });
        match waited {
            Ok(result) => return settle(py, result),
            Err(RecvTimeoutError::Timeout) => py.check_signals()?,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Raise::Panic("the thread ended without a result".into()).into_err(py));
            }
        }
    }
}

fn settle<T, E: Into<Raise>>(
    py: Python<'_>,
    outcome: Result<Result<T, E>, Box<dyn Any + Send>>,
) -> PyResult<T> {
    match outcome {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(error.into().into_err(py)),
        Err(payload) => Err(Raise::Panic(panic_text(payload.as_ref())).into_err(py)),
    }
}

fn panic_text(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "panic without a message".into())
}
