//! What a played scenario reports, as data; one JSON object per file.

#[cfg(test)]
mod tests;

use serde::Serialize;

use crate::matching::Difference;

/// The result of one scenario file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// `namewise.play/1`; changes are additions only.
    pub schema: &'static str,
    /// Its path, when it was read from one.
    pub file: Option<String>,
    /// What it says about itself.
    pub title: String,
    /// The language: `rpl` or `toml`.
    pub language: &'static str,
    /// How it went.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Settings of the file that have no effect here.
    pub ignored: Vec<String>,
    /// What the run did, as far as it came.
    pub run: Run,
}

/// How a scenario went.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "outcome", rename_all = "lowercase")]
pub enum Outcome {
    /// Every check held.
    Pass,
    /// The first check that did not.
    Fail(Failure),
    /// The engine cannot be set up as the file asks.
    Unsupported {
        /// Each key, step or value, named.
        reasons: Vec<String>,
    },
    /// The text is no scenario.
    Unreadable {
        /// Where and why.
        problem: String,
    },
}

/// A check that did not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The step, by its number.
    pub step: u64,
    /// Its line in the file, 0 when unknown.
    pub line: usize,
    /// What was compared.
    pub field: String,
    /// What was to be there.
    pub expected: String,
    /// What was there.
    pub got: String,
}

impl Failure {
    /// The failure of `step` that `difference` is.
    pub fn of(step: u64, line: usize, difference: Difference) -> Failure {
        let Difference { field, expected, got } = difference;
        Failure { step, line, field: field.to_owned(), expected, got }
    }
}

/// What a run did.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Run {
    /// The seed that reproduces it.
    pub seed: u64,
    /// Virtual time that passed, microseconds.
    pub virtual_us: u64,
    /// Questions that the engine sent to servers.
    pub upstream_queries: usize,
    /// Fingerprint of everything that passed over the network: equal for equal runs.
    pub fingerprint: String,
    /// Questions that no entry of the script answered.
    pub unanswered: Vec<String>,
    /// The step of each SERVFAIL that was checked, with the reason that the engine gave.
    pub causes: Vec<String>,
    /// Every packet, one line each, when asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
}

impl Report {
    /// A report before anything ran.
    pub fn new(language: &'static str, title: String, outcome: Outcome) -> Report {
        Report {
            schema: "namewise.play/1",
            file: None,
            title,
            language,
            outcome,
            ignored: Vec::new(),
            run: Run::default(),
        }
    }

    /// One line for a person: outcome, and the first difference or the reasons.
    pub fn line(&self) -> String {
        let name = self.file.as_deref().unwrap_or(&self.title);
        match &self.outcome {
            Outcome::Pass => format!("pass         {name}"),
            Outcome::Fail(failure) => {
                let Failure { step, line, field, expected, got } = failure;
                format!(
                    "fail         {name}: step {step} (line {line}), {field}: expected {expected}, got {got}"
                )
            }
            Outcome::Unsupported { reasons } => format!("unsupported  {name}: {}", reasons.join(", ")),
            Outcome::Unreadable { problem } => format!("unreadable   {name}: {problem}"),
        }
    }
}

/// The exit status for `reports`: 2 an unreadable file, 1 any fail, 3 none failed but some unsupported, 0 all pass.
pub fn exit_status(reports: &[Report]) -> u8 {
    let any = |kind: fn(&Outcome) -> bool| reports.iter().any(|report| kind(&report.outcome));
    if any(|outcome| matches!(outcome, Outcome::Unreadable { .. })) {
        2
    } else if any(|outcome| matches!(outcome, Outcome::Fail(_))) {
        1
    } else if any(|outcome| matches!(outcome, Outcome::Unsupported { .. })) {
        3
    } else {
        0
    }
}
