//! The handlers of each opcode. They run after the stages that all opcodes share: TSIG, access, view.
//!
//! | opcode | file | response |
//! |---|---|---|
//! | QUERY | [`query`] | from a zone, the cache or the resolver |
//! | NOTIFY, if a zone takes it | [`notify`] | REFUSED, NOTAUTH, or the control plane makes it |
//! | UPDATE, if a zone takes updates | [`update`] | REFUSED, NOTAUTH, or the control plane makes it |
//! | those of `control.opcodes` in the plan | none | the control plane makes it |
//! | any other | none | NOTIMP: a header (RFC 1035 §4.1.1), and OPT to a message with OPT (RFC 6891 §6.1.1) |
//!
//! *Adding an opcode*: write a file here that implements [`Handler`], and add it to [`registered`]. The handler
//! receives a request with a verified signature, from a client that the access lists admit. It returns a verdict: an
//! answer, a stream of messages, or `Control` if the control plane answers.

mod notify;
pub(crate) mod query;
mod update;

use std::sync::Arc;

use nw_wire::Opcode;

use crate::context::Context;
use crate::plan::Plan;
use crate::response::{Response, ResponseKind};
use crate::verdict::Verdict;

/// Handles an opcode other than QUERY.
pub trait Handler: Send + Sync {
    /// The opcode.
    fn opcode(&self) -> Opcode;

    /// Answer the request.
    fn handle(&self, context: &Context<'_>, response: &mut Response<'_, '_>) -> Verdict;
}

/// The handlers of opcodes other than QUERY that *plan* needs.
pub(crate) fn registered(plan: &Plan) -> Vec<Arc<dyn Handler>> {
    let notify = notify::Notify::of(plan).map(|notify| Arc::new(notify) as Arc<dyn Handler>);
    let update = update::Update::of(plan).map(|update| Arc::new(update) as Arc<dyn Handler>);
    let control = plan.control.opcodes.iter();
    let control = control.map(|opcode| Arc::new(ByControl(*opcode)) as Arc<dyn Handler>);
    notify.into_iter().chain(update).chain(control).collect()
}

/// Passes an opcode to the control plane.
struct ByControl(Opcode);

impl Handler for ByControl {
    fn opcode(&self) -> Opcode {
        self.0
    }

    fn handle(&self, _: &Context<'_>, _: &mut Response<'_, '_>) -> Verdict {
        Verdict::Control
    }
}

/// Answer a request according to its opcode.
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
            response.kind = ResponseKind::Opcode;
            handler.handle(context, response)
        }
        // The reader accepts only QUERY and opcodes with a handler.
        None => Verdict::Drop,
    }
}
