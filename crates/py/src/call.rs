//! Calls from the interpreter into the engine. This module handles panics, errors and signals for all other modules.
//!
//! ```text
//!   Python call -> attached       keeps the interpreter lock, for work of microseconds
//!               -> detached       releases the lock, so that other Python threads run
//!               -> interruptible  runs on a new thread and checks for Ctrl-C every 50 ms
//! ```
//! All three convert a panic of the engine to `EnginePanic`, and an error value to the exception of
//! `namewise.engine.errors` with the same fields. An interrupted call returns at once. Its thread finishes in the
//! background and its result is dropped, so that callers never see incomplete data.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use pyo3::prelude::*;

use crate::raise::Raise;

/// How often an interruptible call checks for signals.
const SIGNAL_POLL: Duration = Duration::from_millis(50);

/// Run `work` with the interpreter lock. Use this for work that takes less time than a thread switch.
pub(crate) fn attached<T, E: Into<Raise>>(
    py: Python<'_>,
    work: impl FnOnce() -> Result<T, E>,
) -> PyResult<T> {
    settle(py, catch_unwind(AssertUnwindSafe(work)))
}

/// Run `work` without the interpreter lock, so that other Python threads can run.
pub(crate) fn detached<T: Send, E: Into<Raise> + Send>(
    py: Python<'_>,
    work: impl FnOnce() -> Result<T, E> + Send,
) -> PyResult<T> {
    let outcome = py.detach(|| catch_unwind(AssertUnwindSafe(work)));
    settle(py, outcome)
}

/// Run `work` on a new thread, and raise `KeyboardInterrupt` as soon as a signal requires it.
pub(crate) fn interruptible<T, E>(
    py: Python<'_>,
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> PyResult<T>
where
    T: Send + 'static,
    E: Into<Raise> + Send + 'static,
{
    let (done, outcome) = mpsc::sync_channel(1);
    let outcome = Mutex::new(outcome);
    std::thread::Builder::new().name("nw-call".into()).spawn(move || {
        // If the caller was interrupted, the receiver is gone and the result is dropped here.
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
