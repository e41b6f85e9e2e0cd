//! Plan, snapshot, query, verdict and the pipeline: what a server is told, and what it does with a question.
//!
//! Start with [`pipeline`], whose list of stages is the table of contents of the server. Everything here is pure: a
//! packet, a snapshot, a cache and a time go in, octets come out. Sockets and threads are in `net`, the simulator's
//! servers in `sim`; both call [`pipeline::handle`].
//!
//! RFCs: 1034 §4.3, 1035 §4.1, 4892, 5001, 6891, 8482, 8914, 9619.
#![forbid(unsafe_code)]

mod admit;
mod draft;
mod finish;
mod local;
mod opcode;
pub mod pipeline;
pub mod plan;
pub mod query;
pub mod recorder;
mod route;
pub mod snapshot;
pub mod stats;
#[cfg(test)]
mod testing;
pub mod verdict;

pub use pipeline::Desk;
pub use plan::{Plan, PlanError};
pub use query::Query;
pub use recorder::{Record, Recorder};
pub use snapshot::{DryRun, Snapshot};
pub use stats::Stats;
pub use verdict::{Ask, Handled, Pending, Transport, Verdict};
