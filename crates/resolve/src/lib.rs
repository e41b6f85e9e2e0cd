//! Recursion over a [`World`]: RFC 1034 §5.3.3 as an async function.
//!
//! ```text
//! ClientQuestion ─> Resolver::hit ──(sync, from the cache)──> octets in the reply
//!        │  miss
//!        └───────> Resolver::resolve_for ─> flight, quota ─> search ─┬─> cut        where to begin
//!                                                                    └─> descend ─┬─> minimise  what to show
//!                                                                         ^  ^    ├─> select    which server to ask
//!                                                                         │  │    ├─> exchange  ask: UDP, TCP, EDNS or not
//!                                                               referral ─┘  │    ├─> scrub     what to believe
//!                                                               setback ─────┘    ├─> classify  what it means
//!                                                                                 ├─> validate  whether it is bogus
//!                                                                                 └─> keep      what to cache
//! Resolution { answer, rcode, ede, steps } <──────────────────────────────────────┘
//! ```
//!
//! The async code uses std futures only, so that the same code runs on virtual time in the simulator and on real
//! time in `net`. Futures are not `Send`: a resolver lives on one worker; the [`Cache`] is what workers share.
//! Every limit is a field of [`Budget`], every decision leaves a [`Step`].
#![forbid(unsafe_code)]

mod addresses;
mod aggressive;
mod answer;
pub mod budget;
mod case;
mod classify;
pub mod config;
mod cookie;
mod cut;
mod decisions;
mod diagnosis;
mod discarded;
mod exchange;
pub mod explain;
mod flight;
mod join;
mod keep;
pub mod local_root;
mod minimise;
pub mod notice;
mod path;
mod quota;
mod race;
pub mod reading;
pub mod reason;
pub mod resolution;
mod resolve;
mod resolver;
mod scrub;
mod select;
mod sentinel;
mod signed;
mod special;
mod stale;
pub mod steps;
mod task;
#[cfg(test)]
mod tests;
pub mod trace;
mod validate;
mod validator;
pub mod world;

pub use aggressive::synthesis;
pub use budget::{Budget, Limit};
pub use config::{Forward, ForwardMode, LocalAnswer, LocalZones, ResolverConfig, Stale, TrustAnchor};
pub use diagnosis::diagnosis;
pub use discarded::{Discarded, Reasons};
pub use local_root::{LocalRoot, RootCopy};
pub use notice::Notice;
pub use nw_cache::{Cache, Hit, HitQuestion};
pub use resolution::{ClientQuestion, Resolution, Walk};
pub use resolver::Resolver;
pub use sentinel::is_sentinel;
pub use special::{is_special_use, local_soa};
pub use steps::Steps;
pub use trace::{Reason, Step, Trace, Validation};
pub use validator::{Fault, Insecurity, Signer, Unfit};
pub use world::{Endpoint, ExchangeError, Fit, MILLISECOND, Micros, Replies, SECOND, Transport, World};
