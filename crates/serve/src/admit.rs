//! Who is answered: the access lists of the server and of its zones, at their two moments.

use std::net::IpAddr;

use nw_wire::{Ede, Rcode};

use crate::draft::Draft;
use crate::route::Route;
use crate::snapshot::Snapshot;
use crate::verdict::Verdict;

const PROHIBITED: Verdict = Verdict::Refuse(Rcode::REFUSED, Ede::PROHIBITED);

/// Whether *client* is answered at all; and whether it may have recursion, which the header of every reply says (RA).
#[inline]
pub(crate) fn client(snapshot: &Snapshot, client: IpAddr, draft: &mut Draft<'_, '_>) -> Verdict {
    draft.ra = snapshot.recurses_for(client);
    // A zone may admit a client that the server's list does not: the decision then waits for the route.
    if snapshot.plan().acls.query.allows(client) || snapshot.any_zone_acl() {
        Verdict::Continue
    } else {
        PROHIBITED
    }
}

/// Whether *client* may have answers of this *route*.
#[inline]
pub(crate) fn route(snapshot: &Snapshot, route: &Route<'_>, client: IpAddr) -> Verdict {
    let acl = match route {
        Route::Local(local) => local.acl.as_ref(),
        Route::Zone(zone) if snapshot.any_zone_acl() => snapshot.zone_acl(zone.apex()),
        Route::Unavailable(zone) if snapshot.any_zone_acl() => snapshot.zone_acl(zone.apex.as_ref()),
        Route::Zone(_) | Route::Unavailable(_) | Route::Resolve | Route::Refuse(_) => None,
    };
    let acl = match acl {
        Some(acl) => acl,
        None if snapshot.any_zone_acl() => &snapshot.plan().acls.query,
        None => return Verdict::Continue,
    };
    if acl.allows(client) { Verdict::Continue } else { PROHIBITED }
}
