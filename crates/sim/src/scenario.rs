//! Scenarios in TOML: a topology, steps, and expectations. `docs/scenarios.md` describes the format.
//!
//! ```text
//! text ──format──► Scenario ──topology──► hosts: zones of a real server, rules, or a real resolver
//!                     └────── steps ────► client ──► engine ──► expect
//! ```

pub mod behaviour;
pub mod expect;
pub mod flood;
pub mod format;
pub mod play;
pub mod sign;
