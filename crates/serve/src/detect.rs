//! Detection: what `nw_policy::detect` needs to know of lookups and responses, and what becomes of suspicious ones.
//!
//! Lookups are counted when a query begins to wait for one, and their answers when they leave. A cache hit is a lookup of nobody.

use nw_policy::{DetectAction, Detector, Share, Suffixes, Suspicion, Watched};
use nw_resolve::trace::{AmplificationLimit, Layer, Reason};
use nw_wire::{Ede, Rcode};

use crate::context::Context;
use crate::limit;
use crate::pipeline;
use crate::response::Response;
use crate::route;
use crate::verdict::{Causes, Handled, Pending, Transport};

/// The name of the artifact with the public suffix list, a [`Suffixes`].
pub const ARTIFACT: &str = "suffixes";

/// Count the lookup that *context* asks for. Some: it is refused, for this reason. An explanation is refused alike and not counted.
#[cold]
pub(crate) fn lookup(context: &Context<'_>, detector: &Detector) -> Option<(Rcode, Box<Causes>)> {
    if context.lookups > 0 {
        return None;
    }
    let (query, suffixes) = (context.query, context.snapshot().suffixes());
    let (client, now) = (context.client_ip(), context.environment.now);
    let traced = context.environment.trace.is_some();
    let suspicion = || detector.peek(suffixes, query.qname, now);
    let mut watched = Watched::Pass;
    // An answer with recorded steps leaves the cache to the resolver. What the cache holds is no lookup.
    if !(traced && route::is_cached(context)) {
        watched = match context.is_dry_run() {
            true => suspicion().map_or(Watched::Pass, |suspicion| suspicion.watched),
            false => detector.lookup(suffixes, client, query.qname, query.qtype, now),
        };
    }
    let refused = watched != Watched::Pass;
    if !refused && !traced {
        return None;
    }
    let (features, action) = match (suspicion(), &watched) {
        (Some(Suspicion { features, action, .. }), _) => (features, action),
        // Another domain has taken its place meanwhile.
        (None, Watched::Block(text)) => (text.clone(), DetectAction::Block),
        (None, Watched::Limit(text)) => (text.clone(), DetectAction::RateLimit),
        (None, Watched::Pass) => return None,
    };
    let because = Reason::TunnelSuspected { features, action: action.slug(), refused };
    context.step(|| (Layer::Admission, because.clone()));
    let (ede, text) = match watched {
        Watched::Pass => return None,
        Watched::Block(text) => (Ede::BLOCKED, text),
        Watched::Limit(text) => (Ede::PROHIBITED, text),
    };
    context.environment.stats.detect_refused.add(1);
    Some((Rcode::REFUSED, Box::new(Causes(vec![(ede, text)], Some(because)))))
}

/// Count the *octets* that answer a lookup.
pub(crate) fn answered(detector: &Detector, suffixes: Option<&Suffixes>, pending: &Pending, octets: usize) {
    detector.answered(suffixes, pending.query().qname, octets);
}

/// Count the response, perhaps. None: it is sent as it is.
#[inline(never)]
pub(crate) fn respond(
    context: &Context<'_>,
    detector: &Detector,
    response: &mut Response<'_, '_>,
) -> Option<Result<usize, Handled>> {
    if context.transport != Transport::Udp || context.key().is_some() || context.is_dry_run() {
        return None;
    }
    let (client, query, now) = (context.client_ip(), context.query, context.environment.now);
    let octets = (query.packet.len(), response.out.len());
    match detector.response(client, query.id, query.qtype, octets, now) {
        Share::Send => None,
        Share::Truncate => {
            context.environment.stats.detect_truncated.add(1);
            explain(context, detector, response, true);
            Some(Ok(limit::slip(context, response)))
        }
        Share::Drop => {
            context.environment.stats.detect_dropped.add(1);
            explain(context, detector, response, false);
            Some(Err(Handled::Drop))
        }
    }
}

/// Show in a receipt why the response is not sent as it is, or let the flight recorder keep it.
#[cold]
fn explain(context: &Context<'_>, detector: &Detector, response: &Response<'_, '_>, truncated: bool) {
    let Some((network, reports)) = detector.suspect(context.client_ip(), context.environment.now) else {
        return;
    };
    let because = Reason::AmplificationLimited(Box::new(AmplificationLimit { network, truncated }));
    context.step(|| (Layer::Filter, because.clone()));
    if !truncated {
        context.step(|| (Layer::Filter, Reason::NoResponse));
    }
    // A receipt is a record of its own.
    if reports && context.environment.receipt.is_none() {
        pipeline::record(context, response, &[], Some(&because), truncated);
    }
}
