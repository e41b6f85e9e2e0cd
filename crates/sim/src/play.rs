//! The entry point: plays a scenario of either language, from a file or a text.

#[cfg(test)]
mod tests;

use std::path::Path;

use crate::report::{Outcome, Report};
use crate::{rpl, scenario};

/// The source of a scenario.
#[derive(Clone, Copy, Debug)]
pub enum Source<'s> {
    /// A file. `.toml` files are TOML scenarios; other files are `.rpl` scenarios if they contain `SCENARIO_BEGIN`.
    Path(&'s Path),
    /// A text of either language.
    Text(&'s str),
}

/// Options for playing a scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The seed of all random numbers. A TOML scenario with its own seed overrides it.
    pub seed: u64,
    /// Report every packet.
    pub log: bool,
    /// Report the time that the engine computes. It depends on the machine.
    pub measure: bool,
}

/// Play a scenario. The same source and options yield the same report on every machine.
pub fn play(source: Source<'_>, options: &Options) -> Report {
    match source {
        Source::Text(text) => play_text(text, is_rpl(text), options),
        Source::Path(path) => {
            let file = path.display().to_string();
            let mut report = match std::fs::read_to_string(path) {
                Ok(text) => {
                    let rpl = path.extension().is_none_or(|extension| extension != "toml") || is_rpl(&text);
                    play_text(&text, rpl, options)
                }
                Err(error) => {
                    Report::new("rpl", String::new(), Outcome::Unreadable { problem: error.to_string() })
                }
            };
            report.file = Some(file);
            report
        }
    }
}

fn play_text(text: &str, rpl: bool, options: &Options) -> Report {
    if rpl { rpl::play::play(text, options) } else { scenario::play::play(text, options) }
}

fn is_rpl(text: &str) -> bool {
    text.lines().any(|line| line.trim_start().starts_with("SCENARIO_BEGIN"))
}
