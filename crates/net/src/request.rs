//! The requests that an engine carries out beside serving.

use std::net::SocketAddr;
use std::sync::Arc;

use nw_resolve::{ClientQuestion, Endpoint, Forward, Micros, ResolverConfig, Transport};
use nw_wire::Name;

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
        /// What is assumed to be different.
        what_if: WhatIf,
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

/// A counterfactual: what an explanation assumes to be different from the server as it runs. The server itself does not change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WhatIf {
    /// The cache is empty, and nothing is known of any server.
    pub empty_cache: bool,
    /// These servers answer instead of the configured forwarders of the name, or instead of the root. Implies an empty cache,
    /// because what other servers answered would hide the difference. Empty: as configured.
    pub forwarders: Vec<SocketAddr>,
    /// No list and no response policy zone applies.
    pub policy_off: bool,
}

impl WhatIf {
    /// Whether the lookup needs a resolver and a cache of its own.
    pub(crate) fn starts_afresh(&self) -> bool {
        self.empty_cache || !self.forwarders.is_empty()
    }

    /// The settings of that resolver, for a lookup of *name*.
    pub(crate) fn config(&self, config: &Arc<ResolverConfig>, name: &Name) -> Arc<ResolverConfig> {
        if self.forwarders.is_empty() {
            return Arc::clone(config);
        }
        let suffix = config.forward(name.as_ref()).map_or_else(Name::root, |forward| forward.suffix.clone());
        let mut changed = ResolverConfig::clone(config);
        changed.forwards.retain(|forward| forward.suffix != suffix);
        changed.forwards.push(Forward::new(suffix, self.forwarders.clone()));
        Arc::new(changed)
    }
}
