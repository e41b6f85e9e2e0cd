//! Errors of the engine as data, and their conversion to exceptions.
//!
//! The exceptions are defined in Python (`namewise.engine.errors`), in one tree with docstrings. The module is
//! imported when the first error is raised.

use nw_wire::name::NameError;
use nw_wire::rr::RdataError;
use nw_wire::text::{self, TextError, TextFault};
use nw_wire::{MessageError, RrType};
use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;

/// A fault with its position in the text.
pub(crate) struct TomlFault {
    pub(crate) line: u32,
    pub(crate) column: u32,
    pub(crate) message: String,
}

/// The errors of a zone file, and the number of errors that are not listed.
pub(crate) struct ZoneFaults {
    pub(crate) listed: Vec<crate::zone::Fault>,
    pub(crate) more: usize,
}

/// The reason why a call of the engine failed.
pub(crate) enum Raise {
    /// `BadName(message, text, at, code)`
    BadName { message: String, text: String, at: Option<usize>, code: &'static str },
    /// `TextError(message, column, expected, code)`
    Text { message: String, column: usize, expected: String, code: &'static str },
    /// `WireError(message, offset, code)`
    Wire { message: String, offset: Option<usize>, code: &'static str },
    /// `TomlError(faults)`
    Toml(Vec<TomlFault>),
    /// `ZoneFileError(faults, more)`
    Zone(ZoneFaults),
    /// `DifferenceMismatch(message, code)`
    Mismatch { message: String, code: &'static str },
    /// `TransferError(message, code)`
    Transfer { message: String, code: &'static str },
    /// `TsigError(message, code, reported)`
    Tsig { message: String, code: &'static str, reported: Option<String> },
    /// `UpdateRefused(message, rcode, rule)`
    Update { message: String, rcode: String, rule: &'static str },
    /// `KeyFileError(message)`
    Key(String),
    /// `SigningFailed(message)`
    Signing(String),
    /// `PlanError(faults)`
    Plan(Vec<(String, String)>),
    /// `EngineError(message, code="QUEUE_FULL")`
    Busy(String),
    /// `EngineError(message, code="TAKEN")`
    Taken(String),
    /// `GenerationConflict(expected, current)`
    Conflict { expected: u64, current: u64 },
    /// `EngineClosed(message)`
    Closed(String),
    /// `EnginePanic(message)`: a bug in the engine.
    Panic(String),
}

impl Raise {
    /// An invalid name in wire form.
    pub(crate) fn wire_name(error: NameError) -> Self {
        let (code, offset) = crate::name::describe(error);
        Raise::Wire { message: error.to_string(), offset, code }
    }

    /// Rdata in wire form that is not valid for its type.
    pub(crate) fn wire_rdata(rtype: RrType, error: &RdataError) -> Self {
        Raise::Wire { message: format!("{rtype} data: {error}"), offset: Some(error.at), code: "BAD_RDATA" }
    }

    /// Text that cannot be parsed.
    pub(crate) fn text(given: &str, error: &TextError) -> Self {
        let (_, column) = text::position(given.as_bytes(), error.at);
        let (expected, code) = match &error.fault {
            TextFault::Missing(what) => (what.phrase(), "MISSING"),
            TextFault::Wrong(what) => (what.phrase(), "WRONG"),
            TextFault::TooLarge(what) => (what.phrase(), "TOO_LARGE"),
            TextFault::Trailing => ("the end of the record", "TRAILING"),
            _ => ("", "BAD_TEXT"),
        };
        Raise::Text {
            message: format!("column {column}: {error}"),
            column,
            expected: expected.to_owned(),
            code,
        }
    }

    /// Text that ends before `expected`.
    pub(crate) fn missing(given: &str, expected: &str) -> Self {
        Raise::Text {
            message: format!("{given:?}: expected {expected}"),
            column: given.len() + 1,
            expected: expected.to_owned(),
            code: "MISSING",
        }
    }

    /// Convert to the exception of the corresponding class in `namewise.engine.errors`.
    pub(crate) fn into_err(self, py: Python<'_>) -> PyErr {
        self.build(py).unwrap_or_else(|missing| {
            let report = PyRuntimeError::new_err("the engine's exceptions cannot be imported");
            report.set_cause(py, Some(missing));
            report
        })
    }

    fn build(self, py: Python<'_>) -> PyResult<PyErr> {
        let errors = py.import(intern!(py, "namewise.engine.errors"))?;
        let made = match self {
            Raise::BadName { message, text, at, code } => {
                errors.call_method1("BadName", (message, text, at, code))
            }
            Raise::Text { message, column, expected, code } => {
                errors.call_method1("TextError", (message, column, expected, code))
            }
            Raise::Wire { message, offset, code } => {
                errors.call_method1("WireError", (message, offset, code))
            }
            Raise::Toml(faults) => errors.call_method1("toml_error", (positions(faults),)),
            Raise::Zone(faults) => errors.call_method1("zone_file_error", (faults.listed, faults.more)),
            Raise::Mismatch { message, code } => errors.call_method1("DifferenceMismatch", (message, code)),
            Raise::Transfer { message, code } => errors.call_method1("TransferError", (message, code)),
            Raise::Tsig { message, code, reported } => {
                errors.call_method1("TsigError", (message, code, reported))
            }
            Raise::Update { message, rcode, rule } => {
                errors.call_method1("UpdateRefused", (message, rcode, rule))
            }
            Raise::Key(message) => errors.call_method1("KeyFileError", (message,)),
            Raise::Signing(message) => errors.call_method1("SigningFailed", (message,)),
            Raise::Plan(faults) => errors.call_method1("plan_error", (faults,)),
            Raise::Busy(message) => errors.call_method1("queue_full", (message,)),
            Raise::Taken(message) => errors.call_method1("taken", (message,)),
            Raise::Conflict { expected, current } => {
                errors.call_method1("GenerationConflict", (expected, current))
            }
            Raise::Closed(message) => errors.call_method1("EngineClosed", (message,)),
            Raise::Panic(message) => errors.call_method1("EnginePanic", (message,)),
        }?;
        Ok(PyErr::from_value(made))
    }
}

/// A packet that is not a message.
impl From<MessageError> for Raise {
    fn from(error: MessageError) -> Self {
        let (code, offset) = match error {
            MessageError::NoHeader => ("NO_HEADER", None),
            MessageError::Truncated { at } => ("TRUNCATED", Some(at)),
            MessageError::TrailingBytes { at } => ("TRAILING_BYTES", Some(at)),
            MessageError::BadPointer { at } => ("BAD_POINTER", Some(at)),
            MessageError::NameTooLong { at } => ("NAME_TOO_LONG", Some(at)),
            MessageError::BadRdata { at, .. } => ("BAD_RDATA", Some(at)),
            MessageError::BadOpt { at } => ("BAD_OPT", Some(at)),
            MessageError::BadTsig { at } => ("BAD_TSIG", Some(at)),
        };
        Raise::Wire { message: error.to_string(), offset, code }
    }
}

fn positions(faults: Vec<TomlFault>) -> Vec<(u32, u32, String)> {
    faults.into_iter().map(|fault| (fault.line, fault.column, fault.message)).collect()
}
