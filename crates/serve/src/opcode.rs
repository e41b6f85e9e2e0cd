//! What is done for each opcode, after the stages that all of them share: TSIG, access, view.
//!
//! | opcode | file | response |
//! |---|---|---|
//! | QUERY | [`query`] | from a zone, the cache or the resolver |
//! | those of `control.opcodes` in the plan | none | the control plane makes it |
//! | any other | none | NOTIMP with a header alone (RFC 1035 §4.1.1) |
//!
//! *Adding an opcode*: a file here that implements [`Handler`], and its line in [`registered`]. The handler gets a request
//! whose signature is verified, from a client that the access lists admit, and returns a verdict: an answer, a stream of
//! messages, or `Control` where the control plane answers.

pub(crate) mod query;

use std::sync::Arc;

use nw_wire::Opcode;

use crate::context::Context;
use crate::plan::Plan;
use crate::response::{Kind, Response};
use crate::verdict::Verdict;

/// What is done for an opcode other than QUERY.
pub trait Handler: Send + Sync {
    /// The opcode.
    fn opcode(&self) -> Opcode;

    /// Answer the request.
    fn handle(&self, context: &Context<'_>, response: &mut Response<'_, '_>) -> Verdict;
}

/// The handlers of opcodes other than QUERY: those that *plan* gives to the control plane.
pub(crate) fn registered(plan: &Plan) -> Vec<Arc<dyn Handler>> {
    plan.control.opcodes.iter().map(|opcode| Arc::new(ByControl(*opcode)) as Arc<dyn Handler>).collect()
}

/// Leaves an opcode to the control plane.
struct ByControl(Opcode);

impl Handler for ByControl {
    fn opcode(&self) -> Opcode {
        self.0
    }

    fn handle(&self, _: &Context<'_>, _: &mut Response<'_, '_>) -> Verdict {
        Verdict::Control
    }
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
        Some(handler) => {
            response.kind = Kind::Opcode;
            handler.handle(context, response)
        }
        // The reader passes on opcodes that have a handler, and QUERY.
        None => Verdict::Drop,
    }
}
