//! The view stage: selects the view of a client.
//!
//! The first view that matches the client's address or the key of its signature applies (`policy/view.rs`). A plan
//! without views costs one comparison. A client without a matching view is refused.

use nw_policy::view;
use nw_resolve::trace::{AccessList, Layer, Reason};
use nw_wire::{Ede, Rcode};

use crate::context::Context;
use crate::verdict::Verdict;

/// Select the view of the request.
#[inline]
pub(crate) fn select(context: &mut Context<'_>) -> Verdict {
    if context.snapshot().views().is_empty() { Verdict::Continue } else { select_among(context) }
}

#[cold]
fn select_among(context: &mut Context<'_>) -> Verdict {
    let views = context.snapshot().views();
    let selected = view::select(views.iter().map(|view| &view.view), context.client_ip(), context.key());
    let Some(at) = selected.and_then(|at| u16::try_from(at).ok()) else {
        let reason = Reason::ClientRefused { list: AccessList::Views };
        return context.refuse(Layer::View, (Rcode::REFUSED, Ede::PROHIBITED), reason);
    };
    context.view = Some(at);
    context.step(|| (Layer::View, Reason::InView { name: context.snapshot().view(at).view.name.clone() }));
    Verdict::Continue
}
