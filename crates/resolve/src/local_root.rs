//! A copy of the root zone on this machine that answers in place of the root servers (RFC 8806).
//!
//! ```text
//! the nearest known cut is the root ── copy ──┬─ referral ─────────────▶ the servers of the top-level domain are asked
//!                                             ├─ answer or denial ─────▶ done, without a query
//!                                             └─ missing, expired, or its answer does not validate ─▶ root servers
//! ```
//!
//! What the copy says is validated and cached like the reply of a root server. It is never served to clients as
//! authoritative data (RFC 8806 §2). Whoever makes the copy has checked it as a whole; see `nw_dnssec::zonemd`.
//!
//! RFCs: 8806.

use std::fmt;
use std::sync::Arc;

use nw_cache::{Origin, Rank, State};
use nw_wire::code::RrType;
use nw_wire::message::Message;
use nw_wire::name::{Name, NameRef};

use crate::answer::Failure;
use crate::classify::{Asked, Finding, Reply, classify};
use crate::cut::LocalData;
use crate::select::ServerList;
use crate::task::{Frame, Task};
use crate::trace::{Action, Basis, Draft, Layer, Reason, Trace};
use crate::world::World;

/// A copy of the root zone.
pub trait RootCopy: fmt::Debug + Send + Sync {
    /// The message with which a root server would answer *name* and *rtype*.
    fn reply(&self, name: NameRef<'_>, rtype: RrType, dnssec_ok: bool) -> Vec<u8>;

    /// The serial of its SOA.
    fn serial(&self) -> u32;
}

/// The copy of the root that a resolver is to use, or why there is none. The root servers are asked then.
#[derive(Clone, Debug)]
pub enum LocalRoot {
    /// Use this copy.
    Copy {
        /// The data.
        zone: Arc<dyn RootCopy>,
        /// When it must no longer be used, seconds since 1970 (the expire field of its SOA, RFC 1035 §3.3.13).
        expires_s: u64,
    },
    /// There is no copy that could be used, for this reason.
    Unusable(String),
}

/// What the copy led to.
#[expect(clippy::large_enum_variant, reason = "made once for a lookup and taken apart at once")]
pub(crate) enum FromCopy {
    /// The answer.
    Found(Finding, State),
    /// Ask these servers.
    Servers(ServerList),
}

impl LocalData {
    /// Whether the root servers would be asked.
    pub(crate) fn is_at_root(&self) -> bool {
        match self {
            LocalData::Found(..) => false,
            LocalData::Servers(servers) => !servers.recursive && servers.zone.as_ref().is_root(),
            LocalData::Unprimed(zone) => zone.as_ref().is_root(),
        }
    }
}

impl<W: World> Task<'_, W> {
    /// Look *name* and *rtype* up in the local copy of the root. None: the root servers must be asked.
    pub(crate) async fn ask_copy(
        &self,
        name: &Name,
        rtype: RrType,
        frame: &Frame<'_>,
        trace: &Trace,
    ) -> Result<Option<FromCopy>, Failure> {
        let core = self.core;
        let Some(root) = &core.config.local_root else { return Ok(None) };
        let now = core.world.now();
        let step = |reason| {
            let draft = Draft::new(Layer::Zone, Action::Lookup, name.clone(), rtype, reason);
            trace.step(core.world.now(), draft.zone(Name::root()).basis(Basis::Measured));
        };
        let unusable = |why: String| {
            step(Reason::LocalRootUnusable { why });
            Ok(None)
        };
        let (zone, expires_s) = match &**root {
            LocalRoot::Copy { zone, expires_s } => (zone, *expires_s),
            LocalRoot::Unusable(why) => return unusable(why.clone()),
        };
        let serial = zone.serial();
        if core.world.unix_s() >= expires_s {
            return unusable(format!("the copy with serial {serial} has expired"));
        }
        let bytes = zone.reply(name.as_ref(), rtype, core.config.dnssec_ok);
        let Ok(message) = Message::parse_reply(&bytes) else {
            return unusable("its reply is malformed".to_owned());
        };
        let delegated = |name: NameRef<'_>| core.has_cut_between(NameRef::ROOT, name, now);
        let asked = Asked {
            name: name.as_ref(),
            rtype,
            zone: NameRef::ROOT,
            recursive: false,
            delegated: &delegated,
        };
        let mut reply = classify(&message, &asked, &core.config.budget);
        if reply.is_setback() {
            return unusable(reply.reason().to_string());
        }
        step(Reason::LocalRoot { serial, said: Box::new(reply.reason()) });
        let judged = match self.judge_of(frame) {
            Err(state) => Ok(state),
            Ok(validator) => self.judge(validator, &mut reply, rtype, frame, trace).await?,
        };
        let state = match judged {
            Ok(state) => state,
            Err(fault) => return unusable(format!("serial {serial}: {fault}")),
        };
        if let Reply::Referral(mut referral) = reply {
            if frame.depth == 0 {
                self.meter.progressed();
            }
            let trust = match self.trust(&mut referral, NameRef::ROOT, frame, trace).await? {
                Ok(trust) => trust,
                Err(fault) => return unusable(format!("serial {serial}: {fault}")),
            };
            let now = core.world.now();
            let root = ServerList::hinted(core, Layer::Delegation);
            let cut = self.keep_cut(referral, trust, &root, now);
            return Ok(Some(FromCopy::Servers(ServerList::delegated(&cut, core, now))));
        }
        let origin = Origin { server: None, ..self.origin(Rank::Authoritative, state) };
        Ok(Some(FromCopy::Found(self.learn(reply, rtype, origin, core.world.now()), state)))
    }
}
