//! The one entry: play a scenario, of either language, from a file or a text.

#[cfg(test)]
mod tests;

use std::path::Path;

use crate::report::{Outcome, Report};
use crate::{rpl, scenario};

/// Where a scenario comes from.
#[derive(Clone, Copy, Debug)]
pub enum Source<'s> {
    /// A file: `.toml` is ours, anything else `.rpl` when it has a `SCENARIO_BEGIN`.
    Path(&'s Path),
    /// A text of either language.
    Text(&'s str),
}

/// How it is played.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Everything random is drawn from it. A TOML scenario that names its own seed wins.
    pub seed: u64,
    /// Report every packet.
    pub log: bool,
}

/// Play a scenario. The same source and options give the same report, on every machine.
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
