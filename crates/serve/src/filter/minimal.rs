//! `minimal_responses`: no additional records, except the addresses in a referral, which the client cannot find otherwise (RFC 9471).
//!
//! The authority section has what a denial, a proof or a referral needs in any case: an answer never has the zone's own NS records.

use nw_wire::Section;

use crate::context::Context;
use crate::filter::Filter;
use crate::plan::Plan;
use crate::response::{Response, ResponseKind};
use crate::verdict::Verdict;

/// Removes the additional section.
pub(crate) struct Minimal;

impl Minimal {
    /// The filter, if *plan* enables it.
    pub(crate) fn new(plan: &Plan) -> Option<Minimal> {
        plan.server.minimal_responses.then_some(Minimal)
    }
}

impl Filter for Minimal {
    fn name(&self) -> &'static str {
        "minimal_responses"
    }

    fn apply(&self, _: &Context<'_>, response: &mut Response<'_, '_>) -> Verdict {
        if response.kind != ResponseKind::Referral {
            let mut next = response.rrset_after(None);
            while let Some(run) = next.filter(|run| run.section != Section::Additional) {
                next = response.rrset_after(Some(&run));
            }
            if let Some(first) = next {
                response.out.remove_from(&first);
            }
        }
        Verdict::Continue
    }
}
