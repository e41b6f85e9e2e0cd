//! The only I/O of the engine: workers, sockets and the real World.
//!
//! ```text
//! Engine ─▶ worker 0 … N-1       each: a thread with a runtime, a thread for UDP; its own sockets, counters and telemetry
//!             ├─ udp, mmsg       queries of clients in datagrams ─▶ nw_serve::pipeline
//!             ├─ tcp ─▶ stream   queries of clients in streams ─▶ nw_serve::pipeline
//!             │     └─ slots     which client connections may be open
//!             ├─ control         requests that the owner of the engine answers
//!             ├─ outbox          datagrams of one turn leave together
//!             └─ world           queries to servers ◀─ nw_resolve::Resolver
//!                 ├─ upstream    handles on servers; UDP from random ports, connected sockets
//!                 ├─ connection  streams to servers: shared, pipelined, bounded
//!                 └─ routes      a private internet on loopback
//!
//! conversation: what a stream of DNS messages is, without I/O; `stream` and `connection` carry it
//! ```
//!
//! Start with [`Engine`]. All `unsafe` code is in [`mmsg`]. A new stream transport is one file that reads and writes octets:
//! it gives accepted streams to `stream::serve`, and a line in `connection::connector` opens streams to servers.

mod connection;
mod control;
mod conversation;
pub mod engine;
pub mod events;
pub mod listen;
pub mod mmsg;
mod outbox;
pub mod random;
mod renewals;
pub mod request;
pub mod routes;
mod slots;
mod stream;
mod tcp;
pub mod telemetry;
#[cfg(test)]
mod testing;
mod udp;
mod upstream;
mod waiting;
mod worker;
pub mod world;

pub use control::Asked;
pub use engine::{ChangeError, Engine, SubmitError};
pub use events::{Event, Outcome};
pub use listen::{ListenError, Listener};
pub use request::{Request, Ticket, WhatIf};
pub use routes::Routes;
pub use telemetry::Telemetry;
pub use world::{Clock, RealWorld};
