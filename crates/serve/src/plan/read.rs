//! Reads a JSON value of a known shape, and reports the path and the expected value of *every* error. Only the plan
//! uses it. Derived deserialisers stop at the first error.

use std::fmt;

use serde_json::{Map, Value};

/// One error in a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanError {
    /// The path, for example `zones[3].query_acl[0]`; empty for the plan as a whole.
    pub path: String,
    /// The error, without the path.
    pub message: String,
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.message),
            path => write!(f, "{path}: {}", self.message),
        }
    }
}

impl std::error::Error for PlanError {}

/// The errors found so far.
#[derive(Debug, Default)]
pub(crate) struct Errors(pub(crate) Vec<PlanError>);

impl Errors {
    pub(crate) fn add(&mut self, path: impl Into<String>, message: impl fmt::Display) {
        self.0.push(PlanError { path: path.into(), message: message.to_string() });
    }
}

/// A value and its path. Null counts as absent everywhere.
#[derive(Clone)]
pub(crate) struct At<'v> {
    value: &'v Value,
    path: String,
}

impl<'v> At<'v> {
    pub(crate) fn root(value: &'v Value) -> At<'v> {
        At { value, path: String::new() }
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The value as an object. The caller must ask for each key.
    pub(crate) fn object(&self, errors: &mut Errors) -> Option<Object<'v>> {
        match self.value {
            Value::Object(map) => Some(Object { map, path: self.path.clone(), known: Vec::new() }),
            other => self.wrong("an object", other, errors),
        }
    }

    /// The items of an array.
    pub(crate) fn items(&self, errors: &mut Errors) -> Vec<At<'v>> {
        match self.value {
            Value::Array(items) => items
                .iter()
                .enumerate()
                .map(|(i, value)| At { value, path: format!("{}[{i}]", self.path) })
                .collect(),
            other => self.wrong("an array", other, errors).unwrap_or_default(),
        }
    }

    /// Every key of an object with its value, for objects with arbitrary keys.
    pub(crate) fn entries(&self, errors: &mut Errors) -> Vec<(&'v str, At<'v>)> {
        match self.value {
            Value::Object(map) => map
                .iter()
                .map(|(key, value)| (key.as_str(), At { value, path: join(&self.path, key) }))
                .collect(),
            other => self.wrong("an object", other, errors).unwrap_or_default(),
        }
    }

    pub(crate) fn text(&self, errors: &mut Errors) -> Option<&'v str> {
        match self.value {
            Value::String(text) => Some(text),
            other => self.wrong("a string", other, errors),
        }
    }

    pub(crate) fn truth(&self, errors: &mut Errors) -> Option<bool> {
        match self.value {
            Value::Bool(truth) => Some(*truth),
            other => self.wrong("true or false", other, errors),
        }
    }

    /// An integer from *least* to *most*.
    pub(crate) fn number(&self, least: u64, most: u64, errors: &mut Errors) -> Option<u64> {
        match self.value.as_u64() {
            Some(number) if (least..=most).contains(&number) => Some(number),
            Some(number) => {
                errors.add(&self.path, format_args!("{number} is not between {least} and {most}"));
                None
            }
            None => self.wrong("a whole number", self.value, errors),
        }
    }

    /// A string that *parse* converts.
    pub(crate) fn parsed<T, E: fmt::Display>(
        &self,
        parse: impl FnOnce(&str) -> Result<T, E>,
        errors: &mut Errors,
    ) -> Option<T> {
        match parse(self.text(errors)?) {
            Ok(value) => Some(value),
            Err(error) => {
                errors.add(&self.path, error);
                None
            }
        }
    }

    fn wrong<T>(&self, expected: &str, found: &Value, errors: &mut Errors) -> Option<T> {
        let found = match found {
            Value::Null => "null",
            Value::Bool(_) => "a truth value",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "an array",
            Value::Object(_) => "an object",
        };
        errors.add(&self.path, format_args!("expected {expected}, found {found}"));
        None
    }
}

/// An object that may contain only known keys.
pub(crate) struct Object<'v> {
    map: &'v Map<String, Value>,
    path: String,
    known: Vec<&'static str>,
}

impl<'v> Object<'v> {
    /// The value of *key*, or None when it is absent or null.
    pub(crate) fn key(&mut self, key: &'static str) -> Option<At<'v>> {
        self.known.push(key);
        let value = self.map.get(key).filter(|value| !value.is_null())?;
        Some(At { value, path: join(&self.path, key) })
    }

    /// The value of *key*, which is required.
    pub(crate) fn required(&mut self, key: &'static str, errors: &mut Errors) -> Option<At<'v>> {
        let at = self.key(key);
        if at.is_none() {
            errors.add(join(&self.path, key), "missing");
        }
        at
    }

    /// Report the keys that were not requested.
    pub(crate) fn end(self, errors: &mut Errors) {
        for key in self.map.keys().filter(|key| !self.known.contains(&key.as_str())) {
            errors
                .add(join(&self.path, key), format_args!("unknown key; known are {}", self.known.join(", ")));
        }
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
