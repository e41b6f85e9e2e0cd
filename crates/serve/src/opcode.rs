//! What is done for each opcode, after the stages that all of them share: TSIG, access, view.
//!
//! | opcode | file | response |
//! |---|---|---|
//! | QUERY | [`query`] | from a zone, the cache or the resolver |
//! | any other | none | NOTIMP with a header alone (RFC 1035 §4.1.1) |
//!
//! *Adding an opcode*: a file here that implements [`Handler`], and its line in [`registered`]. The handler gets a request
//! whose signature is verified, from a client that the access lists admit, and returns a verdict: an answer, a stream of
//! messages, or `Control` where the control plane answers.

pub(crate) mod query;

use std::sync::Arc;

use nw_wire::Opcode;

use crate::context::Context;
use crate::response::Response;
use crate::verdict::Verdict;

/// What is done for an opcode other than QUERY.
pub trait Handler: Send + Sync {
    /// The opcode.
    fn opcode(&self) -> Opcode;

    /// Answer the request.
    fn handle(&self, context: &Context<'_>, response: &mut Response<'_, '_>) -> Verdict;
}

/// The handlers of opcodes other than QUERY.
pub(crate) fn registered() -> Vec<Arc<dyn Handler>> {
    Vec::new()
}

/// Answer a request, according to its opcode.
#[inline]
pub(crate) fn dispatch(context: &Context<'_>, response: &mut Response<'_, '_>) -> Verdict {
    match context.query.flags.opcode() {
        Opcode::QUERY => query::answer(context, response),
        opcode => other(opcode, context, response),
    }
}

#[cold]
fn other(opcode: Opcode, context: &Context<'_>, response: &mut Response<'_, '_>) -> Verdict {
    match context.snapshot().handler(opcode) {
        Some(handler) => handler.handle(context, response),
        // The reader passes on opcodes that have a handler, and QUERY.
        None => Verdict::Drop,
    }
}
