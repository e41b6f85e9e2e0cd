//! Receipts: the flight recorder keeps how one answer came about, and the client gets the number of that record.
//!
//! ```text
//! query with the option RECEIPT ─▶ a record of every step ─▶ response with RECEIPT = number ─▶ nw why NUMBER
//! ```
//!
//! The recorder keeps only queries that failed, were refused or were slow. A person who wonders about another answer
//! asks for a receipt (`nw dig +receipt`, or `+ednsopt=65023` of any dig). The answer is the same as without: it comes
//! from the same zones, cache and lookups, and passes the same filters and limits. It costs more, because its steps are
//! recorded, so only the clients in `acls.receipts` get one. For others, the option has no effect.
//!
//! The option is EDNS option 65023, from the range for local use (RFC 6891 §9). In a query it is empty. In a response
//! it has 8 octets, the number in network byte order.
//!
//! *Limitations*: A response that is a stream (a zone transfer) or that the control plane makes has no receipt.

use std::net::SocketAddr;

use nw_resolve::trace::Step;
use nw_resolve::{Budget, Micros, Resolution, Trace};
use nw_wire::OptionCode;

use crate::context::Environment;
use crate::explanation::{self, Explanation};
use crate::pipeline;
use crate::query::Query;
use crate::recorder::FlightRecord;
use crate::verdict::{Handled, Pending, Transport};

/// The option.
pub const RECEIPT: OptionCode = OptionCode(65_023);

/// The receipt of an answer that waits for a lookup.
#[derive(Debug)]
pub(crate) struct Receipt {
    id: u64,
    /// When the query arrived.
    started: Micros,
    /// The steps so far.
    steps: Vec<Step>,
}

/// Answer *query* with a receipt. None: this client gets none.
#[cold]
pub(crate) fn handle(
    environment: &Environment<'_>,
    query: &Query<'_>,
    client: SocketAddr,
    transport: Transport,
    room: &mut [u8],
) -> Option<Handled> {
    let admitted = environment.snapshot.plan().acls.receipts.allows(client.ip());
    // The response of an explanation is not sent.
    let recorder = environment.recorder.filter(|_| admitted && environment.trace.is_none())?;
    let id = recorder.reserve()?;
    let trace = Trace::start(environment.now, most(environment));
    let environment = &Environment { trace: Some(&trace), receipt: Some(id), ..*environment };
    let handled = pipeline::handle_query(environment, query, client, transport, room);
    keep(environment, query, (client, transport), &handled, room);
    Some(handled)
}

impl Receipt {
    /// The receipt of an answer that has to wait, if the client gets one.
    pub(crate) fn of(environment: &Environment<'_>) -> Option<Box<Receipt>> {
        let (id, trace) = (environment.receipt?, environment.trace?);
        Some(Box::new(Receipt { id, started: trace.started(), steps: trace.steps() }))
    }

    /// Add the steps of the lookups *found*, which ran at the same time.
    pub(crate) fn add(&mut self, found: &[Resolution]) {
        explanation::add_lookups(&mut self.steps, self.started, found);
    }

    /// Complete *pending* with *make*, and keep the record.
    #[cold]
    pub(crate) fn complete(
        self,
        environment: &Environment<'_>,
        pending: Box<Pending>,
        room: &mut [u8],
        make: impl FnOnce(&Environment<'_>, Box<Pending>, &mut [u8]) -> Handled,
    ) -> Handled {
        let trace = Trace::resume(self.started, most(environment), self.steps);
        let environment = &Environment { trace: Some(&trace), receipt: Some(self.id), ..*environment };
        let (query, client) = (pending.query.clone(), (pending.client, pending.transport));
        let handled = make(environment, pending, room);
        keep(environment, &query.as_query(), client, &handled, room);
        handled
    }
}

/// The maximum number of steps of a record.
fn most(environment: &Environment<'_>) -> u32 {
    let resolver = environment.snapshot.plan().resolver.as_ref();
    resolver.map_or(Budget::default().max_steps, |resolver| resolver.config.budget.max_steps)
}

/// Keep the record of what became of *query*, unless it waits for something: the reply in *room*, or none.
fn keep(
    environment: &Environment<'_>,
    query: &Query<'_>,
    client: (SocketAddr, Transport),
    handled: &Handled,
    room: &[u8],
) {
    let (Some(recorder), Some(trace), Some(id)) =
        (environment.recorder, environment.trace, environment.receipt)
    else {
        return;
    };
    let explanation = Explanation::default();
    let resolution = match *handled {
        Handled::Reply(length) => explanation.answered(&room[..length], trace, environment.now),
        Handled::Drop => explanation.unanswered(trace, environment.now),
        Handled::Later(_) | Handled::Stream(_) | Handled::Control(_) => return,
    };
    let unix_s = (environment.unix_s)();
    let name = query.qname.to_name();
    recorder.keep_receipt(FlightRecord::of(id, unix_s, Some(client), name, query.qtype, &resolution));
}

#[cfg(test)]
mod tests;
