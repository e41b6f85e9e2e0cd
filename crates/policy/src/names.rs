//! Lists of domain names, by which policies select queries.
//!
//! A list is text: one name on a line, absolute or not, with `#` before a comment. A listed name stands for itself and for all
//! names below it.

use std::collections::HashSet;
use std::fmt;

use nw_wire::{Name, NameRef};

/// A list of names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameList(HashSet<Name>);

/// A line of a list that is not a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameListError {
    /// The number of the line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub message: String,
}

impl fmt::Display for NameListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for NameListError {}

impl NameList {
    /// Read a list, or return every line that is wrong.
    pub fn parse(text: &str) -> Result<NameList, Vec<NameListError>> {
        let (mut names, mut errors) = (HashSet::new(), Vec::new());
        for (number, line) in text.lines().enumerate() {
            let name = line.split('#').next().unwrap_or_default().trim();
            if name.is_empty() {
                continue;
            }
            match Name::parse(name.as_bytes(), Some(NameRef::ROOT)) {
                Ok(name) => drop(names.insert(name)),
                Err(error) => errors.push(NameListError { line: number + 1, message: error.to_string() }),
            }
        }
        if errors.is_empty() { Ok(NameList(names)) } else { Err(errors) }
    }

    /// The listed name that *name* is or lies below, the closest one.
    pub fn find(&self, name: NameRef<'_>) -> Option<NameRef<'_>> {
        let mut suffix = Some(name);
        while let Some(name) = suffix {
            if let Some(listed) = self.0.get(&name.to_name()) {
                return Some(listed.as_ref());
            }
            suffix = name.parent();
        }
        None
    }

    /// How many names are listed.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no name is listed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests;
