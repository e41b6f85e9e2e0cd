//! RRsets, negative answers and what is known of servers, kept for their TTL within a byte bound.
#![forbid(unsafe_code)]

/// Microseconds of a monotonic clock. Its zero means nothing; only differences do.
pub type Micros = u64;
