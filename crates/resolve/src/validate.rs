//! Where replies are validated: between classify and keep.
//!
//! ```text
//! classify ─> Task::judge ─> Validator::judge ─> State ─> keep
//!                   │              └─ looks up DNSKEY and DS through Lookups: more questions of the same task
//!                   └─ no validator: Indeterminate   the client set CD: Unchecked, and its entries are for CD only
//! ```
//!
//! Nothing of a reply is stored before it is judged, except for clients that set CD. A bogus reply sets its server back: the
//! next server is asked. When no server is left, the client gets SERVFAIL with "DNSSEC Bogus", and the bogus data are
//! kept for clients that set CD. A delegation gets its trust state here as well (RFC 4035 §5.2).
//!
//! *Limitations*: the resolver has no validator yet, so that every reply is indeterminate and AD is never set. Signatures are
//! kept and sent to clients that ask for them, so that a validator behind this resolver works (RFC 4035 §3.2.1).

use nw_cache::{State, Trust};
use nw_wire::code::RrType;
use nw_wire::name::Name;

use crate::answer::{Answer, Failure};
use crate::classify::Reply;
use crate::join::Boxed;
use crate::scrub::Referral;
use crate::select::ServerList;
use crate::task::{Frame, Task};
use crate::trace::Trace;
use crate::validator::Lookups;
use crate::world::World;

/// The lookups of one task below one frame.
struct TaskLookups<'t, W: World> {
    task: &'t Task<'t, W>,
    frame: &'t Frame<'t>,
    trace: &'t Trace,
}

impl<W: World> Lookups for TaskLookups<'_, W> {
    fn lookup<'a>(&'a self, name: &'a Name, rtype: RrType) -> Boxed<'a, Result<Answer, Failure>> {
        Box::pin(async move {
            let most = self.task.core.config.budget.max_depth;
            let below = self.frame.below(name.as_ref(), rtype, most)?;
            self.task.lookup(name, rtype, &below, self.trace).await
        })
    }
}

impl<W: World> Task<'_, W> {
    /// What is known of the signatures of *reply* of one of *servers*.
    pub(crate) async fn judge(
        &self,
        reply: &Reply,
        servers: &ServerList,
        frame: &Frame<'_>,
        trace: &Trace,
    ) -> State {
        match &self.core.validator {
            None => State::Indeterminate,
            Some(_) if self.checking_disabled => State::Unchecked,
            // A setback says nothing, a referral is judged by `trust`.
            Some(_) if reply.is_setback() || matches!(reply, Reply::Referral(_)) => State::Indeterminate,
            Some(validator) => {
                validator.judge(reply, servers.zone.as_ref(), &TaskLookups { task: self, frame, trace }).await
            }
        }
    }

    /// The trust state of the zone that *referral* of one of *servers* leads to; None when it is not known.
    pub(crate) async fn trust(
        &self,
        referral: &Referral,
        servers: &ServerList,
        frame: &Frame<'_>,
        trace: &Trace,
    ) -> Option<Trust> {
        let validator = self.core.validator.as_ref().filter(|_| !self.checking_disabled)?;
        let lookups = TaskLookups { task: self, frame, trace };
        Some(validator.trust(referral, servers.zone.as_ref(), &lookups).await)
    }
}
