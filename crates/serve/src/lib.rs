//! Plan, snapshot, context, verdict and the pipeline: what a server serves, and what it does with a request.
//!
//! Start with [`pipeline`], whose list of stages is an overview of the server. This crate is pure: its input is a
//! packet, a snapshot, a cache and a time, and its output is octets. The crate `net` contains sockets and threads,
//! and `sim` the simulated servers. Both call [`pipeline::handle`].
//!
//! RFCs: 1034 §4.3, 1035 §4.1, 4892, 5001, 6303, 6891, 8482, 8880, 8914, 8945, 9619.
#![forbid(unsafe_code)]

mod admit;
pub mod artifact;
pub mod basis;
pub mod context;
pub mod decision;
mod detect;
mod expiries;
pub mod explanation;
pub mod filter;
mod finish;
mod limit;
mod local;
pub mod local_data;
mod local_root;
mod local_zones;
pub mod opcode;
pub mod pipeline;
pub mod plan;
mod policies;
pub mod query;
pub mod receipt;
pub mod recorder;
mod report;
pub mod response;
mod route;
pub mod sections;
pub mod snapshot;
pub mod stats;
pub mod telemetry;
#[cfg(test)]
mod testing;
mod transfer;
mod tsig;
pub mod verdict;
mod view;

pub use artifact::{Artifact, Artifacts};
pub use context::{Context, Environment, Renew};
pub use detect::ARTIFACT as SUFFIXES;
pub use expiries::Expiries;
pub use explanation::Explanation;
pub use filter::Filter;
pub use local_root::{ARTIFACT as LOCAL_ROOT, local_root};
pub use opcode::Handler;
pub use plan::{Plan, PlanError};
pub use policies::{ARTIFACT as POLICIES, name_servers};
pub use query::Query;
pub use recorder::{FlightRecord, Recorder};
pub use response::Response;
pub use sections::Sections;
pub use snapshot::{DryRun, Snapshot};
pub use stats::Stats;
pub use verdict::{Ask, Causes, Handled, Made, Messages, Pending, Refusal, Stream, Transport, Verdict};
