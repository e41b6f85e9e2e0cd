//! The requests that an engine carries out beside serving.

use std::net::SocketAddr;

use nw_resolve::{ClientQuestion, Endpoint, Micros, Transport};

/// The caller's number for a request; its outcome carries it.
pub type Ticket = u64;

/// One request.
#[derive(Clone, Debug)]
pub enum Request {
    /// Resolve a question with the resolver of the published snapshot.
    Resolve {
        /// The question.
        question: ClientQuestion,
    },
    /// Answer a question as a client would be answered, with every step: a dry run. Nothing is counted or sent to the client.
    Explain {
        /// The question.
        question: ClientQuestion,
        /// The client's address.
        client: SocketAddr,
        /// How it asks.
        transport: Transport,
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
