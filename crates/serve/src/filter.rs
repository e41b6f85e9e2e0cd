//! Filters: stages that act on a complete answer, wherever it came from.
//!
//! Zone answers, cache hits, late answers, refusals and failures all pass the same filters, once, directly before the
//! response is finished and signed. A filter sees the context and the response. It may look at the RRsets
//! ([`Response::sections`]), replace them ([`Response::replace`]), refuse, drop, or ask for a further lookup, whose answer
//! passes the filters again. What it changes is the copy of this response: the zone and the cache keep what they have.
//!
//! *Adding a filter*: a file in `policy/`, an implementation of [`Filter`], and its line in [`registered`], in the order in
//! which filters act. Without filters the stage costs one comparison.

use std::sync::Arc;

use crate::context::Context;
use crate::plan::Plan;
use crate::response::Response;
use crate::verdict::Verdict;

/// A stage that acts on complete answers.
pub trait Filter: Send + Sync {
    /// The filter's name in explanations.
    fn name(&self) -> &'static str;

    /// Act on *response*. `Continue`: the next filter follows. `Answer`: no further filter acts.
    fn apply(&self, context: &Context<'_>, response: &mut Response<'_, '_>) -> Verdict;
}

/// The filters that *plan* turns on, in their order.
pub(crate) fn registered(_plan: &Plan) -> Vec<Arc<dyn Filter>> {
    Vec::new()
}
