//! Filters: stages that act on a complete answer, regardless of its source.
//!
//! Zone answers, cache hits, late answers, refusals and failures all pass the same filters, once, directly before the
//! response is finished and signed. A filter receives the context and the response. It changes only the copy of this
//! response; the zone and the cache stay unchanged.
//!
//! | a filter | with | cost |
//! |---|---|---|
//! | finds RRsets | [`Response::rrset_after`], [`Response::rdata`] | a walk over the octets |
//! | reorders an RRset | [`Response::rotate`], [`Response::pick`] | addresses: octets exchanged in place; else the message is written anew |
//! | keeps some records of an RRset | [`Response::pick`] | the same |
//! | replaces RRsets | [`Response::sections`], [`Response::replace`] | all records read and written |
//! | refuses, drops, or requests a further lookup, whose answer passes the filters again | a [`Verdict`] | |
//!
//! **Sizes.** If there are filters, an answer may fill the whole buffer, and is cut to the client's limit after they
//! ran. A client therefore receives the complete subset of an RRset that exceeds its limit.
//!
//! **Signatures.** A different order keeps signatures valid (RFC 4034 §6.3). A subset does not: [`Response::pick`] leaves an
//! RRset whole that is sent with its signatures. [`Response::replace`] leaves out the signatures of RRsets that it changes, so
//! that a filter which needs valid answers asks [`Response::is_signed`] first
//! ([decision 41](../../../docs/decisions/0041-filters-act-on-the-copy.md)).
//!
//! *Adding a filter*: write a file in `filter/` with an implementation of [`Filter`], and add it to [`registered`].
//! The list has the order in which filters act. Without filters, the stage costs one comparison.

use std::sync::Arc;

use crate::context::Context;
use crate::plan::Plan;
use crate::response::Response;
use crate::verdict::Verdict;

pub(crate) mod dns64;
pub(crate) mod hints;
mod minimal;
pub(crate) mod no_aaaa;
mod order;
mod rebinding;

pub use dns64::Nat64;

/// A stage that acts on complete answers.
pub trait Filter: Send + Sync {
    /// The filter's name in explanations.
    fn name(&self) -> &'static str;

    /// Act on *response*. `Continue` passes it to the next filter. `Answer` skips the remaining filters.
    fn apply(&self, context: &Context<'_>, response: &mut Response<'_, '_>) -> Verdict;
}

/// The filters that *plan* enables, in order.
pub(crate) fn registered(plan: &Plan) -> Vec<Arc<dyn Filter>> {
    fn boxed<F: Filter + 'static>(filter: Option<F>) -> Option<Arc<dyn Filter>> {
        filter.map(|filter| Arc::new(filter) as Arc<dyn Filter>)
    }
    // What DNS64 asks for passes the protection from rebinding first.
    let filters = [
        boxed(rebinding::Rebinding::new(plan)),
        boxed(dns64::Dns64::new(plan)),
        boxed(no_aaaa::NoAaaa::new(plan)),
        boxed(minimal::Minimal::new(plan)),
        boxed(order::Order::new(plan.server.rrset_order)),
    ];
    filters.into_iter().flatten().collect()
}
