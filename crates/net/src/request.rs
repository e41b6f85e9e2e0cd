//! The requests that an engine carries out beside serving.

use nw_resolve::{ClientQuestion, Endpoint, Micros};

/// The caller's number for a request; its outcome carries it.
pub type Ticket = u64;

/// One request.
#[derive(Clone, Debug)]
pub enum Request {
    /// Resolve a question with the resolver of the published snapshot.
    Resolve {
        /// The question.
        question: ClientQuestion,
        /// Whether the steps are wanted.
        steps: bool,
    },
    /// Ask one server one question. The routing table of the published snapshot applies.
    Exchange {
        /// The server and the transport.
        endpoint: Endpoint,
        /// A whole message with one question.
        wire: Vec<u8>,
        /// How long to wait for the reply.
        timeout: Micros,
    },
}
