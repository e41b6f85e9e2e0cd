//! Detection: what `nw_policy::detect` needs to know of lookups and responses, and what becomes of suspicious ones.
//!
//! Lookups are counted when a query begins to wait for one, and their answers when they leave. A cache hit is a lookup of nobody.

use nw_policy::{DetectAction, Detector, Share, Suffixes, Watched};
use nw_resolve::trace::{Layer, Reason};
use nw_wire::{Ede, Rcode};

use crate::context::Context;
use crate::limit;
use crate::response::Response;
use crate::verdict::{Causes, Handled, Pending, Transport};

/// The name of the artifact with the public suffix list, a [`Suffixes`].
pub const ARTIFACT: &str = "suffixes";

/// Count the lookup that *context* asks for. Some: it is refused, for this reason.
#[cold]
pub(crate) fn lookup(context: &Context<'_>, detector: &Detector) -> Option<(Rcode, Box<Causes>)> {
    if context.lookups > 0 {
        return None;
    }
    let query = context.query;
    let suffixes = context.snapshot().suffixes();
    if context.environment.trace.is_some() {
        let (features, action) = detector.peek(suffixes, query.qname, context.environment.now)?;
        context.step(|| (Layer::Admission, Reason::TunnelSuspected { features, action: action.slug() }));
        return None;
    }
    let client = context.client_ip();
    let (ede, text, action) =
        match detector.lookup(suffixes, client, query.qname, query.qtype, context.environment.now) {
            Watched::Pass => return None,
            Watched::Block(text) => (Ede::BLOCKED, text, DetectAction::Block),
            Watched::Limit(text) => (Ede::PROHIBITED, text, DetectAction::RateLimit),
        };
    context.environment.stats.detect_refused.add(1);
    let features = detector.peek(suffixes, query.qname, context.environment.now);
    let features = features.map_or_else(|| text.clone(), |(features, _)| features);
    let because = Reason::TunnelSuspected { features, action: action.slug() };
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
    if context.transport != Transport::Udp || context.key().is_some() || context.environment.trace.is_some() {
        return None;
    }
    let (client, query, now) = (context.client_ip(), context.query, context.environment.now);
    let octets = (query.packet.len(), response.out.len());
    match detector.response(client, query.id, query.qtype, octets, now) {
        Share::Send => None,
        Share::Truncate => {
            context.environment.stats.detect_truncated.add(1);
            Some(Ok(limit::slip(context, response)))
        }
        Share::Drop => {
            context.environment.stats.detect_dropped.add(1);
            Some(Err(Handled::Drop))
        }
    }
}
