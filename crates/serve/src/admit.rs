//! The access lists of the server, checked first, and of its zones, checked when the route is known.

use nw_resolve::trace::{Layer, Reason};
use nw_wire::{Ede, Rcode};

use crate::context::Context;
use crate::response::Response;
use crate::route::Source;
use crate::verdict::Verdict;

const PROHIBITED: Verdict = Verdict::Refuse(Rcode::REFUSED, Ede::PROHIBITED);

/// Decide whether the server answers the client, and whether recursion is available to it (RA in every response).
#[inline]
pub(crate) fn client(context: &Context<'_>, response: &mut Response<'_, '_>) -> Verdict {
    let (snapshot, client) = (context.snapshot(), context.client_ip());
    response.ra = snapshot.recurses_for(client);
    // A zone may admit a client that the server's list does not admit. The decision then waits for the route.
    if snapshot.plan().acls.query.allows(client) || snapshot.any_zone_acl() {
        Verdict::Continue
    } else {
        context.step(|| (Layer::Admission, Reason::ClientRefused));
        PROHIBITED
    }
}

/// Decide whether the client may receive answers from this *source*.
#[inline]
pub(crate) fn source(context: &Context<'_>, source: &Source<'_>) -> Verdict {
    let snapshot = context.snapshot();
    if !snapshot.any_zone_acl() && !matches!(source, Source::Local(_)) {
        return Verdict::Continue;
    }
    source_with_acl(context, source)
}

/// The same check if single sources have access lists.
#[inline(never)]
fn source_with_acl(context: &Context<'_>, source: &Source<'_>) -> Verdict {
    let snapshot = context.snapshot();
    let acl = match source {
        Source::Local(local) => local.acl.as_ref(),
        Source::Zone(zone) => snapshot.zone_acl(zone.apex()),
        Source::Unavailable(zone) => snapshot.zone_acl(zone.apex.as_ref()),
        Source::Resolve | Source::Cache | Source::Refuse(_) => None,
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
