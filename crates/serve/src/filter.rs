//! Filters: stages that act on a complete answer, wherever it came from.
//!
//! Zone answers, cache hits, late answers, refusals and failures all pass the same filters, once, directly before the
//! response is finished and signed. A filter sees the context and the response. What it changes is the copy of this
//! response: the zone and the cache keep what they have.
//!
//! | a filter | with | cost |
//! |---|---|---|
//! | finds RRsets | [`Response::rrset_after`], [`Response::rdata`] | a walk over the octets |
//! | reorders an RRset | [`Response::rotate`], [`Response::pick`] | addresses: octets exchanged in place; else the message is written anew |
//! | keeps some records of an RRset | [`Response::pick`] | the same |
//! | replaces RRsets | [`Response::sections`], [`Response::replace`] | all records read and written |
//! | refuses, drops, or asks for a further lookup, whose answer passes the filters again | a [`Verdict`] | |
//!
//! **Sizes.** While there are filters, an answer is written up to the size of the buffer, and cut to what the client takes
//! when they have acted. A subset of an RRset that is itself too large for the client therefore arrives whole.
//!
//! **Signatures.** An order leaves signatures valid (RFC 4034 §6.3). A subset does not: an RRset that is sent with its
//! signatures stays whole ([decision 41](../../../docs/decisions/0041-filters-act-on-the-copy.md)).
//!
//! *Adding a filter*: a file in `filter/`, an implementation of [`Filter`], and its line in [`registered`], in the order in
//! which filters act. Without filters the stage costs one comparison.

use std::sync::Arc;

use crate::context::Context;
use crate::plan::Plan;
use crate::response::Response;
use crate::verdict::Verdict;

mod order;

/// A stage that acts on complete answers.
pub trait Filter: Send + Sync {
    /// The filter's name in explanations.
    fn name(&self) -> &'static str;

    /// Act on *response*. `Continue`: the next filter follows. `Answer`: no further filter acts.
    fn apply(&self, context: &Context<'_>, response: &mut Response<'_, '_>) -> Verdict;
}

/// The filters that *plan* turns on, in their order.
pub(crate) fn registered(plan: &Plan) -> Vec<Arc<dyn Filter>> {
    let order = order::Order::new(plan.server.rrset_order).map(|order| Arc::new(order) as Arc<dyn Filter>);
    [order].into_iter().flatten().collect()
}
