//! Our own scenarios, in TOML: a topology, steps, and what must be seen. The format is described in `docs/scenarios.md`.
//!
//! ```text
//! text ──format──► Scenario ──topology──► hosts: zones of a real server, rules, or a real resolver
//!                     └────── steps ────► client ──► engine ──► expect
//! ```

pub mod behaviour;
pub mod expect;
pub mod format;
pub mod play;
