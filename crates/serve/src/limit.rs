//! The rate limit of responses: what `nw_policy::rrl` needs to know of a response, and what becomes of a limited one.
//!
//! A limited response is dropped, or sent empty with TC, OPT and no option: then it is not longer than its query.

use std::net::IpAddr;

use nw_policy::{Exceeded, Limited, ResponseClass, Rrl};
use nw_resolve::trace::{Layer, Reason, ResponseLimit};
use nw_wire::{Name, NameBuf, NameRef, Rcode, RrType, Section};
use nw_zone::ZoneEntry;

use crate::context::{Context, Environment};
use crate::query::{ClientEdns, Query, Wanted};
use crate::response::{Response, ResponseKind};
use crate::verdict::{Handled, Transport};
use crate::{finish, pipeline};

/// Limit the response. None: it is sent as it is.
#[inline(never)]
pub(crate) fn respond(
    context: &Context<'_>,
    rrl: &Rrl,
    response: &mut Response<'_, '_>,
) -> Option<Result<usize, Handled>> {
    if context.transport != Transport::Udp || context.key().is_some() || context.is_dry_run() {
        return None;
    }
    let class = match (response.rcode, response.kind) {
        (Rcode::NOERROR, ResponseKind::Referral) => ResponseClass::Referral,
        (Rcode::NOERROR, _) => ResponseClass::Answer,
        (Rcode::NXDOMAIN, _) => ResponseClass::NxDomain,
        _ => ResponseClass::Error,
    };
    let (above, wildcard);
    let name = match class {
        ResponseClass::Error => NameRef::ROOT,
        ResponseClass::NxDomain => {
            above = owner(response, Section::Authority, RrType::SOA);
            above.as_ref().map_or(NameRef::ROOT, NameBuf::as_ref)
        }
        ResponseClass::Referral => {
            above = owner(response, Section::Authority, RrType::NS);
            above.as_ref().map_or(NameRef::ROOT, NameBuf::as_ref)
        }
        ResponseClass::Answer => {
            let qname = context.query.qname;
            above = owner(response, Section::Answer, RrType::DNAME)
                .filter(|owner| qname.is_below(owner.as_ref()));
            wildcard = wildcard_of(context, response.kind);
            let shared = above.as_ref().map(NameBuf::as_ref).or(wildcard.as_ref().map(Name::as_ref));
            shared.unwrap_or(qname)
        }
    };
    let (client, query, now) = (context.client_ip(), context.query, context.environment.now);
    match rrl.decide(client, class, name, query.id, now) {
        Limited::Send => None,
        Limited::Drop { report } => {
            context.environment.stats.rrl_dropped.add(1);
            let why = explain(context, rrl, (class, name), false, report);
            context.step(|| (Layer::Filter, Reason::NoResponse));
            if let Some(why) = why {
                pipeline::record(context, response, &[], Some(&why), false);
            }
            Some(Err(Handled::Drop))
        }
        Limited::Slip { report } => {
            context.environment.stats.rrl_slipped.add(1);
            if let Some(why) = explain(context, rrl, (class, name), true, report) {
                pipeline::record(context, response, &[], Some(&why), true);
            }
            Some(Ok(slip(context, response)))
        }
    }
}

/// Show the limit that the response exceeds in a receipt, and return it if the flight recorder should keep it.
#[cold]
fn explain(
    context: &Context<'_>,
    rrl: &Rrl,
    (class, name): (ResponseClass, NameRef<'_>),
    truncated: bool,
    report: bool,
) -> Option<Reason> {
    // A receipt is a record of its own.
    let receipt = context.environment.receipt.is_some();
    if !report && !receipt {
        return None;
    }
    let Exceeded { prefix, per_second, setting, wait } =
        rrl.exceeded(context.client_ip(), class, name, context.environment.now);
    let reason = Reason::ResponseLimited(Box::new(ResponseLimit {
        network: prefix,
        class: class.slug(),
        name: name.to_name(),
        per_second,
        setting,
        wait_ms: wait.div_ceil(nw_resolve::MILLISECOND),
        truncated,
    }));
    context.step(|| (Layer::Filter, reason.clone()));
    (!receipt).then_some(reason)
}

/// Send the client to TCP.
#[cold]
pub(crate) fn slip(context: &Context<'_>, response: &mut Response<'_, '_>) -> usize {
    response.out.clear();
    (response.truncated, response.ad, response.notes, response.ede) = (true, false, None, [None; 2]);
    pipeline::count(context, response);
    let edns = context.query.edns.map(|edns| ClientEdns { wanted: Wanted::default(), ..edns });
    let query = Query { edns, ..*context.query };
    finish::finish(response, &query, &context.snapshot().plan().server, &[], &None)
}

/// Limit the error to a packet with this *id* that is no query. Such errors are counted with the others, and not in the flight recorder.
#[cold]
pub(crate) fn reject(
    environment: &Environment<'_>,
    client: IpAddr,
    transport: Transport,
    id: u16,
) -> Limited {
    let Some(rrl) = environment.snapshot.rrl().filter(|_| transport == Transport::Udp) else {
        return Limited::Send;
    };
    let limited = rrl.decide(client, ResponseClass::Error, NameRef::ROOT, id, environment.now);
    match limited {
        Limited::Send => {}
        Limited::Slip { .. } => environment.stats.rrl_slipped.add(1),
        Limited::Drop { .. } => environment.stats.rrl_dropped.add(1),
    }
    limited
}

/// The owner of the first RRset of *rtype* in *section*.
fn owner(response: &Response<'_, '_>, section: Section, rtype: RrType) -> Option<NameBuf> {
    let mut runs = response.out.runs();
    let found = runs.find(|run| run.section == section && run.rtype == rtype)?;
    Some(response.owner(&found))
}

/// The wildcard that an answer of a zone of this server comes from: random names below it share one bucket.
fn wildcard_of(context: &Context<'_>, kind: ResponseKind) -> Option<Name> {
    if !matches!(kind, ResponseKind::Answer | ResponseKind::NoData | ResponseKind::Alias) {
        return None;
    }
    let query = context.query;
    match context.snapshot().find_zone(context.view(), query.qname, query.qtype)? {
        ZoneEntry::Loaded(zone) => zone.wildcard(query.qname),
        ZoneEntry::Unavailable(_) => None,
    }
}

#[cfg(test)]
mod tests;
