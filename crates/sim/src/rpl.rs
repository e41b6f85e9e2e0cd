//! Scenario files in the language `.rpl` (Unbound's testbound, Deckard): reading and playing them.
//!
//! ```text
//! text ──lines──► syntax::Script ──config──► Settings (or "unsupported", key named)
//!                      │
//!                      └─entry──► Entry (MATCH, ADJUST, REPLY, sections in wire form) ──play──► Report
//! ```

pub mod clients;
pub mod config;
pub mod lines;
pub mod play;
mod policy;
pub mod syntax;
pub mod zone;
