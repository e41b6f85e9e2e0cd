//! `no_aaaa`: no IPv6 addresses for clients that cannot use them.
//!
//! Clients without IPv6 ask for AAAA all the same, and wait for it. For the clients in `no_aaaa.clients`, the server answers AAAA queries
//! with no data: without a lookup, if neither a zone nor the cache has the answer. It also removes AAAA records from the additional section
//! and `ipv6hint` from HTTPS and SVCB records. The response carries EDE 17 *Filtered*.
//!
//! A client that sets DO gets signed data unchanged, because it would reject the rest as bogus (as `filter-aaaa` of BIND does).

use nw_resolve::trace::{self, Layer, Reason};
use nw_wire::{Ede, RdataSet, RrType, Section};

use crate::context::Context;
use crate::filter::{Filter, hints};
use crate::plan::{NoAaaaPlan, Plan};
use crate::response::{Response, ResponseKind};
use crate::verdict::Verdict;

/// Removes IPv6 addresses.
pub(crate) struct NoAaaa {
    plan: NoAaaaPlan,
}

const NAME: &str = "no_aaaa";

impl NoAaaa {
    /// The filter, if *plan* enables it.
    pub(crate) fn new(plan: &Plan) -> Option<NoAaaa> {
        Some(NoAaaa { plan: plan.no_aaaa.clone()? })
    }
}

/// Answer an AAAA query of a client without IPv6 before it causes a lookup. None: another query or client.
#[cold]
pub(crate) fn instead_of_lookup(context: &Context<'_>, response: &mut Response<'_, '_>) -> Option<Verdict> {
    let query = context.query;
    let plan = context.snapshot().plan().no_aaaa.as_ref()?;
    if query.qtype != RrType::AAAA || query.dnssec_ok() || !plan.clients.allows(context.client_ip()) {
        return None;
    }
    response.kind = ResponseKind::NoData;
    note(context, response, plan, None);
    Some(Verdict::Answer)
}

/// Say what was *removed*, if anything was looked up, in the response and in an explanation.
fn note(context: &Context<'_>, response: &mut Response<'_, '_>, plan: &NoAaaaPlan, removed: Option<u32>) {
    let what = trace::NoAaaa { removed, source: plan.source.clone() };
    response.note(Ede::FILTERED, what.to_string());
    context.step(|| (Layer::Filter, Reason::NoAaaa(Box::new(what))));
}

impl Filter for NoAaaa {
    fn name(&self) -> &'static str {
        NAME
    }

    fn apply(&self, context: &Context<'_>, response: &mut Response<'_, '_>) -> Verdict {
        if !self.plan.clients.allows(context.client_ip()) {
            return Verdict::Continue;
        }
        let signed_for = context.query.dnssec_ok();
        let is_v6 = |rtype: RrType, rdata: &[u8]| match rtype {
            RrType::AAAA => true,
            RrType::HTTPS | RrType::SVCB => hints::addresses(rdata).any(|address| address.is_ipv6()),
            _ => false,
        };
        let (mut found, mut removed) = (false, 0);
        let mut next = response.rrset_after(None);
        while let Some(run) = next {
            let count = response.rdata(&run).filter(|rdata| is_v6(run.rtype, rdata)).count() as u32;
            if run.section != Section::Authority && count > 0 {
                if signed_for && response.is_signed(&run) {
                    return Verdict::Continue;
                }
                found = true;
                removed += if run.section == Section::Answer { count } else { 0 };
            }
            next = response.rrset_after(Some(&run));
        }
        let Some(mut sections) = response.sections().filter(|_| found) else { return Verdict::Continue };
        for section in [&mut sections.answer, &mut sections.additional] {
            section.retain(|set| set.rtype != RrType::AAAA);
            for set in section.iter_mut().filter(|set| matches!(set.rtype, RrType::HTTPS | RrType::SVCB)) {
                let mut rdatas = RdataSet::new();
                for rdata in set.rdatas.iter() {
                    let without = hints::without(rdata, |address| address.is_ipv6());
                    rdatas.push(without.as_deref().unwrap_or(rdata));
                }
                set.rdatas = rdatas;
            }
        }
        response.replace(&sections);
        note(context, response, &self.plan, Some(removed));
        Verdict::Continue
    }
}
