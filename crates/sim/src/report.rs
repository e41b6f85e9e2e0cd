//! The report of a played scenario, as data. It becomes one JSON object per file.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::matching::Difference;

/// The result of one scenario file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// `namewise.play/1`. Later versions only add fields.
    pub schema: &'static str,
    /// The path, if the scenario was read from a file.
    pub file: Option<String>,
    /// The title in the file.
    pub title: String,
    /// The language: `rpl` or `toml`.
    pub language: &'static str,
    /// The outcome.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// The attack that was played, if it was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attack: Option<Attack>,
    /// Settings of the file that have no effect.
    pub ignored: Vec<String>,
    /// What happened during the run.
    pub run: Run,
}

/// The outcome of a scenario.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "outcome", rename_all = "lowercase")]
pub enum Outcome {
    /// Every check passed.
    Pass,
    /// The first check that failed.
    Fail(Failure),
    /// The engine does not support something that the file requires.
    Unsupported {
        /// The unsupported keys, steps or values.
        reasons: Vec<String>,
    },
    /// The text is not a scenario.
    Unreadable {
        /// The position and the reason.
        problem: String,
    },
}

/// A failed check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The number of the step.
    pub step: u64,
    /// Its line in the file; 0 if unknown.
    pub line: usize,
    /// What was compared.
    pub field: String,
    /// The expected value.
    pub expected: String,
    /// The actual value.
    pub got: String,
}

impl Failure {
    /// Convert `difference` to the failure of `step`.
    pub fn of(step: u64, line: usize, difference: Difference) -> Failure {
        let Difference { field, expected, got } = difference;
        Failure { step, line, field: field.to_owned(), expected, got }
    }
}

/// What happened during a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Run {
    /// The seed that reproduces it.
    pub seed: u64,
    /// The virtual time that passed, in microseconds.
    pub virtual_us: u64,
    /// The number of queries that the engine sent to servers.
    pub upstream_queries: usize,
    /// The same number without the floods of a scenario.
    pub upstream_without_floods: usize,
    /// The fingerprint of all network traffic. Equal runs have equal fingerprints.
    pub fingerprint: String,
    /// The questions that no entry of the script answered.
    pub unanswered: Vec<String>,
    /// The step of each SERVFAIL that was checked, with the reason that the engine gave.
    pub causes: Vec<String>,
    /// What bounded expectations were compared with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub measures: Vec<Measure>,
    /// The number of queries that clients sent to the engine.
    pub questions: u64,
    /// The octets that the cache held at the end.
    pub cache_octets: usize,
    /// The time that the engine computed, in microseconds, if requested. It depends on the machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine_us: Option<u64>,
    /// Every packet, one line each, if requested.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
}

/// `[attack]`: the attack that a scenario plays.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Attack {
    /// Its identifier, such as `A1`.
    pub id: String,
    /// Its usual name.
    pub name: String,
    /// What the best of the other servers keep, in words.
    pub peers_keep: String,
    /// The most time that the engine may compute for one query of a client, in microseconds. The player reports the
    /// time; it does not compare it, because it depends on the machine.
    pub max_us_per_question: u64,
    /// The number of queries to servers that other servers sent for the queries of the scenario, without its floods.
    #[serde(default)]
    pub peers_sent: BTreeMap<String, u64>,
}

/// A number that an expectation limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Measure {
    /// The number of the step.
    pub step: u64,
    /// The name of the expectation.
    pub what: String,
    /// The number.
    pub measured: u64,
    /// Its limit, in words.
    pub bound: String,
}

impl Report {
    /// Return a report of a scenario that was not run.
    pub fn new(language: &'static str, title: String, outcome: Outcome) -> Report {
        Report {
            schema: "namewise.play/1",
            file: None,
            title,
            language,
            outcome,
            attack: None,
            ignored: Vec::new(),
            run: Run::default(),
        }
    }

    /// A line for people: the outcome, and the first difference or the reasons.
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

/// Return the exit status for `reports`: 2 if a file is unreadable, 1 if a scenario failed, 3 if none failed but some
/// are unsupported, 0 if all passed.
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
