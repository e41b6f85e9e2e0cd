//! Who is answered: the access lists of the server and of its zones, at their two moments.

use nw_resolve::trace::{Layer, Reason};
use nw_wire::{Ede, Rcode};

use crate::context::Context;
use crate::response::Response;
use crate::route::Source;
use crate::verdict::Verdict;

const PROHIBITED: Verdict = Verdict::Refuse(Rcode::REFUSED, Ede::PROHIBITED);

/// Decide whether the client is answered at all, and whether recursion is available to it (RA in every response).
#[inline]
pub(crate) fn client(context: &Context<'_>, response: &mut Response<'_, '_>) -> Verdict {
    let snapshot = context.snapshot();
    response.ra = snapshot.recurses_for(context.client_ip());
    // A zone may admit a client that the server's list does not admit: the decision then waits for the route.
    if snapshot.plan().acls.query.allows(context.client_ip()) || snapshot.any_zone_acl() {
        Verdict::Continue
    } else {
        context.step(|| (Layer::Admission, Reason::ClientRefused));
        PROHIBITED
    }
}

/// Decide whether the client may have answers from this *source*.
#[inline]
pub(crate) fn source(context: &Context<'_>, source: &Source<'_>) -> Verdict {
    let snapshot = context.snapshot();
    let acl = match source {
        Source::Local(local) => local.acl.as_ref(),
        Source::Zone(zone) if snapshot.any_zone_acl() => snapshot.zone_acl(zone.apex()),
        Source::Unavailable(zone) if snapshot.any_zone_acl() => snapshot.zone_acl(zone.apex.as_ref()),
        Source::Zone(_) | Source::Unavailable(_) | Source::Resolve | Source::Cache | Source::Refuse(_) => {
            None
        }
    };
    let acl = match acl {
        Some(acl) => acl,
        None if snapshot.any_zone_acl() => &snapshot.plan().acls.query,
        None => return Verdict::Continue,
    };
    if acl.allows(context.client_ip()) {
        return Verdict::Continue;
    }
    let zone = if let Source::Zone(zone) = source { Some(zone.apex()) } else { None };
    context.step_in(zone, || (Layer::Admission, Reason::ClientRefused));
    PROHIBITED
}
