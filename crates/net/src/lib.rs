//! The only I/O of the engine: workers, sockets and the real World.
//!
//! ```text
//! Engine ─▶ worker 0 … N-1       each: a thread with a runtime, one for datagrams; its own sockets and counters
//!             ├─ udp, tcp        questions of clients ─▶ nw_serve::pipeline
//!             └─ world           questions to servers ◀─ nw_resolve::Resolver
//!                 ├─ upstream    random ports, connected sockets, streams
//!                 └─ routes      a private internet on loopback
//! ```
//!
//! Start with [`Engine`]. All that is unsafe is in [`mmsg`].

mod connection;
mod conversation;
pub mod engine;
pub mod events;
pub mod listen;
pub mod mmsg;
pub mod random;
pub mod request;
pub mod routes;
mod slots;
mod stream;
mod tcp;
#[cfg(test)]
mod testing;
mod udp;
mod upstream;
mod waiting;
mod worker;
pub mod world;

pub use engine::{ChangeError, Engine, SubmitError};
pub use events::{Event, Outcome};
pub use listen::{ListenError, Listener};
pub use request::{Request, Ticket};
pub use routes::Routes;
pub use world::{Clock, RealWorld};
