//! Recursion over a [`World`]: RFC 1034 §5.3.3 as an async function.
#![forbid(unsafe_code)]

pub mod budget;
pub mod config;
pub mod resolution;
pub mod trace;
pub mod world;

pub use budget::{Budget, Limit};
pub use config::{Forward, ForwardMode, ResolverConfig, TrustAnchor};
pub use resolution::{ClientQuestion, Resolution};
pub use trace::{Reason, Step, Trace, Validation};
pub use world::{ExchangeError, MILLISECOND, Micros, SECOND, Via, World};
