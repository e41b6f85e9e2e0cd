//! Zones: read from master files, immutable, in canonical order, with prebuilt answers.
//!
//! ```text
//! master file ─ scan ─► records ─ build ─► Zone ──► answer ─► Writer
//!                                 ▲         │ edit
//!                                 └─────────┴──► ZoneEdit ─ commit ─► Zone
//! Zones: the set of zones that a server answers for, by longest match
//! ```
//!
//! Start with [`scan::load`] and [`Zone::answer`]. A [`Zone`] is immutable: an edit makes another one.
//!
//! RFCs: 1034 §4.3.2, 1035 §5, 1982, 1995, 2181, 2308, 3597, 4034, 4035 §3, 4592, 5155 §7, 5936, 6672, 8482, 9471.
//!
//! *Limitations*: one class per zone, 16 GiB of nodes.
#![forbid(unsafe_code)]

mod answer;
mod batch;
mod build;
mod delta;
mod denial;
mod difference;
mod edit;
pub mod format;
mod history;
mod outgoing;
mod place;
mod problem;
mod records;
pub mod scan;
pub mod serial;
mod store;
mod suffix;
#[cfg(test)]
mod tests;
mod transfer;
mod update;
mod zones;

pub use answer::{AnswerKind, MOST_ALIASES, Outcome, ZoneQuestion};
pub use build::rules::{RULES, Rule, Which};
pub use difference::{ApplyError, Difference, DifferenceError};
pub use edit::sign::{Due, SigningError};
pub use edit::{ChangeCounts, Serial, ZoneDiff, ZoneEdit};
pub use outgoing::{Contents, Outgoing};
pub use problem::{Facts, Finding, PROBLEMS, Problem, Severity, ZoneFileErrors};
pub use records::{ImageError, RecordsError};
pub use scan::{LoadOptions, LoadedFile, load, load_files};
pub use store::{NodeView, Zone};
pub use transfer::{Transfer, TransferError, TransferLimits, Transferred};
pub use update::{Applied, Change, MOST_IGNORED, Refusal, Update};
pub use zones::{Cause, Unavailable, ZoneEntry, Zones};
