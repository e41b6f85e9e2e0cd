//! Recursion over a [`World`]: RFC 1034 §5.3.3 as an async function.
#![forbid(unsafe_code)]

pub mod budget;
mod classify;
pub mod config;
mod cut;
mod exchange;
mod flight;
mod join;
mod keep;
mod minimise;
pub mod resolution;
pub mod resolve;
mod scrub;
mod select;
mod special;
pub mod trace;
mod validate;
pub mod world;

pub use budget::{Budget, Limit};
pub use config::{Forward, ForwardMode, ResolverConfig, TrustAnchor};
pub use nw_cache::{Cache, Hit, HitQuestion};
pub use resolution::{ClientQuestion, Resolution};
pub use resolve::Resolver;
pub use trace::{Reason, Step, Trace, Validation};
#[cfg(test)]
mod tests;

pub use world::{ExchangeError, MILLISECOND, Micros, SECOND, Via, World};
