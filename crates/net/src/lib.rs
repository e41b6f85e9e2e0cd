//! The only I/O: workers, sockets and the real World.

pub mod mmsg;
