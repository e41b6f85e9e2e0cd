//! What the programs of the benchmark share.

pub mod internet;
pub mod sign;
