//! TOML with positions: `parse_toml(text) -> (values, positions)`, both JSON.
//!
//! Positions are keyed by dotted path; array elements use their index (`zone.0.name`). A key that is not bare is
//! quoted as in TOML. A position is `[line, column]`, both starting at 1, with columns in characters. It is the
//! position of the key, or of the value if there is no key. Dates and times become strings. All syntax errors are
//! reported at once.

use std::fmt::Write;

use pyo3::prelude::*;
use serde_json::{Map, Number, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::call;
use crate::raise::{Raise, TomlFault};

/// Return `(values, positions)` of a TOML document, both as JSON text. Raises `TomlError` with every syntax error. With
/// `positions` false, the positions are an empty object: they take as long as the values.
#[pyfunction]
#[pyo3(signature = (text, *, positions = true))]
pub(crate) fn parse_toml(py: Python<'_>, text: &str, positions: bool) -> PyResult<(String, String)> {
    call::attached(py, || parse(text, positions))
}

fn parse(text: &str, positions: bool) -> Result<(String, String), Raise> {
    let lines = Lines::new(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut faults: Vec<TomlFault> = errors
        .iter()
        .map(|error| {
            let (line, column) = lines.position(error.span().map_or(text.len(), |span| span.start));
            TomlFault { line, column, message: error.message().to_owned() }
        })
        .collect();
    let mut walk =
        Walk { lines: &lines, wanted: positions, positions: String::from("{"), faults: Vec::new() };
    let values = walk.table(table.get_ref(), "");
    // The parsed document takes many times the memory of its text.
    drop(table);
    // A value that the parser refused is not reported again.
    if faults.is_empty() {
        faults.append(&mut walk.faults);
    }
    if faults.is_empty() {
        walk.positions.push('}');
        Ok((values.to_string(), walk.positions))
    } else {
        faults.sort_by_key(|fault| (fault.line, fault.column));
        Err(Raise::Toml(faults))
    }
}

struct Walk<'t> {
    lines: &'t Lines<'t>,
    /// Whether positions are wanted. Without them, all paths are empty.
    wanted: bool,
    /// JSON text, written at once because there is one position for each key and element. A path follows the path that
    /// contains it.
    positions: String,
    faults: Vec<TomlFault>,
}

impl Walk<'_> {
    fn table(&mut self, table: &DeTable<'_>, path: &str) -> Value {
        let mut object = Map::new();
        for (key, value) in table {
            let here = self.join(path, || quoted(key.get_ref()));
            self.note(&here, key.span().start);
            object.insert(key.get_ref().to_string(), self.value(value, &here));
        }
        Value::Object(object)
    }

    fn value(&mut self, value: &Spanned<DeValue<'_>>, path: &str) -> Value {
        match value.get_ref() {
            DeValue::String(text) => Value::String(text.to_string()),
            DeValue::Boolean(flag) => Value::Bool(*flag),
            DeValue::Datetime(when) => Value::String(when.to_string()),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => Value::Number(number.into()),
                Err(_) => self.fault(value.span().start, format!("{number} does not fit in 64 bits")),
            },
            DeValue::Float(number) => match number.as_str().parse().ok().and_then(Number::from_f64) {
                Some(number) => Value::Number(number),
                None => self.fault(value.span().start, format!("{number} is not a finite number")),
            },
            DeValue::Array(elements) => {
                let element = |(at, element): (usize, &Spanned<DeValue<'_>>)| {
                    let here = self.join(path, || at.to_string());
                    self.note(&here, element.span().start);
                    self.value(element, &here)
                };
                Value::Array(elements.iter().enumerate().map(element).collect())
            }
            DeValue::Table(table) => self.table(table, path),
        }
    }

    fn join(&self, path: &str, key: impl FnOnce() -> String) -> String {
        match (self.wanted, path.is_empty()) {
            (false, _) => String::new(),
            (true, true) => key(),
            (true, false) => format!("{path}.{}", key()),
        }
    }

    fn note(&mut self, path: &str, at: usize) {
        if !self.wanted {
            return;
        }
        let (line, column) = self.lines.position(at);
        let comma = if self.positions.len() > 1 { "," } else { "" };
        let path = Value::from(path);
        write!(self.positions, "{comma}{path}:[{line},{column}]").expect("a string takes any text");
    }

    fn fault(&mut self, at: usize, message: String) -> Value {
        let (line, column) = self.lines.position(at);
        self.faults.push(TomlFault { line, column, message });
        Value::Null
    }
}

fn quoted(key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_' || c == b'-');
    if bare { key.to_owned() } else { format!("{key:?}") }
}

/// Converts byte offsets to lines and columns.
struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    fn new(text: &'t str) -> Self {
        let after_newlines =
            text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self { text, starts: std::iter::once(0).chain(after_newlines).collect() }
    }

    fn position(&self, at: usize) -> (u32, u32) {
        let line = self.starts.partition_point(|start| *start <= at);
        let start = self.starts[line - 1];
        let column = self.text.get(start..at).map_or(0, |head| head.chars().count()) + 1;
        (line as u32, column as u32)
    }
}
