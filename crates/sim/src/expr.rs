//! Expressions of `.rpl` steps: integers, `$var`, `${time}`, `+` and `-`.
//!
//! `ASSIGN t = ${time + 60}`, `TIME_PASSES EVAL ${$t - 10}`. Braces group, and inside them the `$` of a variable is
//! optional. Values are in seconds; intermediate values may be negative.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

/// Variables that `ASSIGN` has set, by name.
pub type Variables = BTreeMap<String, i64>;

/// The reason why an expression has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExprError {
    /// The variable was never assigned.
    Unknown(String),
    /// The text is not an expression.
    Syntax(String),
    /// The value does not fit 64 bits.
    Overflow,
    /// A function of another server's test program, which is not part of the language.
    Function(String),
}

impl std::fmt::Display for ExprError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ExprError::Unknown(name) => write!(f, "no variable named {name}"),
            ExprError::Syntax(at) => write!(f, "expected a number, $variable or ${{time}} at {at:?}"),
            ExprError::Overflow => write!(f, "the value does not fit 64 bits"),
            ExprError::Function(name) => write!(f, "function {name} in an expression"),
        }
    }
}

/// Return the value of `text` if `${time}` is `time`.
pub fn evaluate(text: &str, time: i64, variables: &Variables) -> Result<i64, ExprError> {
    let mut parser = Parser { rest: text.trim_start(), time, variables };
    let value = parser.sum()?;
    if parser.rest.is_empty() { Ok(value) } else { Err(ExprError::Syntax(parser.rest.to_owned())) }
}

struct Parser<'t> {
    rest: &'t str,
    time: i64,
    variables: &'t Variables,
}

impl<'t> Parser<'t> {
    fn eat(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest.trim_start();
                true
            }
            None => false,
        }
    }

    fn word(&mut self) -> Option<&'t str> {
        let end =
            self.rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        (!word.is_empty()).then_some(word)
    }

    fn sum(&mut self) -> Result<i64, ExprError> {
        let mut value = self.term()?;
        loop {
            if self.eat("+") {
                value = value.checked_add(self.term()?).ok_or(ExprError::Overflow)?;
            } else if self.eat("-") {
                value = value.checked_sub(self.term()?).ok_or(ExprError::Overflow)?;
            } else {
                return Ok(value);
            }
        }
    }

    fn term(&mut self) -> Result<i64, ExprError> {
        if self.eat("-") {
            return self.term()?.checked_neg().ok_or(ExprError::Overflow);
        }
        if self.eat("${") || self.eat("(") || self.eat("{") {
            let value = self.sum()?;
            return if self.eat("}") || self.eat(")") {
                Ok(value)
            } else {
                Err(ExprError::Syntax(self.rest.to_owned()))
            };
        }
        let variable = self.eat("$");
        let at = self.rest;
        let word = self.word().ok_or_else(|| ExprError::Syntax(at.to_owned()))?;
        if word.starts_with(|c: char| c.is_ascii_digit()) && !variable {
            return match word.parse() {
                Ok(value) => Ok(value),
                Err(_) if word.bytes().all(|b| b.is_ascii_digit()) => Err(ExprError::Overflow),
                Err(_) => Err(ExprError::Syntax(at.to_owned())),
            };
        }
        if let Some(value) = self.variables.get(word) {
            return Ok(*value);
        }
        match word {
            "time" => Ok(self.time),
            "timeout" | "range" | "ctime" if !variable => Err(ExprError::Function(word.to_owned())),
            _ => Err(ExprError::Unknown(word.to_owned())),
        }
    }
}
