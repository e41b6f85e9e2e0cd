//! The access lists of the server, checked first, and of its zones, checked when the route is known.

use nw_resolve::trace::{AccessList, Layer, Reason};
use nw_wire::{Ede, NameRef, Rcode};

use crate::context::Context;
use crate::response::Response;
use crate::route::AnswerSource;
use crate::verdict::Verdict;

const PROHIBITED: (Rcode, Ede) = (Rcode::REFUSED, Ede::PROHIBITED);

/// Decide whether the server answers the client, and whether recursion is available to it (RA in every response).
#[inline]
pub(crate) fn client(context: &Context<'_>, response: &mut Response<'_, '_>) -> Verdict {
    let (snapshot, client) = (context.snapshot(), context.client_ip());
    response.ra = snapshot.recurses_for(client);
    // A zone may admit a client that the server's list does not admit. The decision then waits for the route.
    if snapshot.plan().acls.query.allows(client) || snapshot.any_zone_acl() {
        Verdict::Continue
    } else {
        let reason = Reason::ClientRefused { list: AccessList::Query };
        context.refuse(Layer::Admission, PROHIBITED, reason)
    }
}

/// Decide whether the client may receive answers from this *source*.
#[inline]
pub(crate) fn source(context: &Context<'_>, source: &AnswerSource<'_>) -> Verdict {
    let snapshot = context.snapshot();
    if !snapshot.any_zone_acl() && !matches!(source, AnswerSource::Local(_)) {
        return Verdict::Continue;
    }
    source_with_acl(context, source)
}

/// The same check if single sources have access lists.
#[inline(never)]
fn source_with_acl(context: &Context<'_>, source: &AnswerSource<'_>) -> Verdict {
    let Some(list) = refusing(context, source) else { return Verdict::Continue };
    let zone = if let AnswerSource::Zone(zone) = source { Some(zone.apex()) } else { None };
    context.refuse_in(zone, Layer::Admission, PROHIBITED, Reason::ClientRefused { list })
}

/// The access list that keeps the client from answers of this *source*, if one does.
fn refusing(context: &Context<'_>, source: &AnswerSource<'_>) -> Option<AccessList> {
    let snapshot = context.snapshot();
    let of_zone =
        |apex: NameRef<'_>| snapshot.zone_acl(apex).map(|acl| (acl, AccessList::Zone(apex.to_name())));
    let own = match source {
        AnswerSource::Local(local) => local.acl.as_ref().map(|acl| (acl, AccessList::ServerName)),
        AnswerSource::Zone(zone) => of_zone(zone.apex()),
        AnswerSource::Unavailable(zone) => of_zone(zone.apex.as_ref()),
        AnswerSource::Resolve | AnswerSource::Cache | AnswerSource::Refuse(_) => None,
    };
    let (acl, list) = match own {
        Some(own) => own,
        None if snapshot.any_zone_acl() => (&snapshot.plan().acls.query, AccessList::Query),
        None => return None,
    };
    (!acl.allows(context.client_ip())).then_some(list)
}
