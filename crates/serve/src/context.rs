//! The data of one request: the request itself, its sender and transport, and the sources of its answer.
//!
//! ```text
//! Environment   shared by all requests of a batch: snapshot, cache, time, counters
//!     └ Context     one request: query, client, transport, view, verified TSIG key
//! ```
//!
//! The pipeline makes a context once. If an answer has to wait, `Pending` keeps the state of the context, so that the
//! late answer uses the same snapshot, view, key and client as the earlier stages.
//!
//! Cookie and client subnet are read from the packet only when a stage asks for them.

use std::any::Any;
use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use nw_cache::{Cache, Micros};
use nw_resolve::trace::{Action, Draft, Layer, Reason};
use nw_resolve::{ClientQuestion, Trace};
use nw_wire::edns::{ClientSubnet, EdnsOption};
use nw_wire::{Ede, Message, NameRef, OptionCode, Rcode};

use crate::local_data::AppliedData;
use crate::policies::Judged;
use crate::query::{Query, Wanted};
use crate::recorder::Recorder;
use crate::snapshot::{Snapshot, ViewSettings};
use crate::stats::Stats;
use crate::telemetry::Ring;
use crate::tsig::Signature;
use crate::verdict::{Causes, Refusal, Second, Transport, Verdict};

/// The state that all requests of a batch share.
#[derive(Clone, Copy)]
pub struct Environment<'e> {
    /// The served data and the settings.
    pub snapshot: &'e Arc<Snapshot>,
    /// Answers of earlier lookups. None: every lookup is a miss.
    pub cache: Option<&'e Cache>,
    /// The monotonic time, read once for a batch.
    pub now: Micros,
    /// Reads the wall clock, seconds since 1970. Only called for requests that need it, such as signed ones.
    pub unix_s: &'e dyn Fn() -> u64,
    /// The counters of the calling worker.
    pub stats: &'e Stats,
    /// Records refusals and failures. None: they are not recorded.
    pub recorder: Option<&'e Recorder>,
    /// Receives an event for each response. None: telemetry is off, and no event is made.
    pub telemetry: Option<&'e Ring>,
    /// Renews answers of the cache that are about to expire. None: they expire.
    pub renew: Option<&'e dyn Renew>,
    /// Records the steps of stages, for an explanation or a receipt. None: no step is made.
    pub trace: Option<&'e Trace>,
    /// The number under which the flight recorder will keep this answer (`receipt.rs`). None: the client asked for none.
    pub receipt: Option<u64>,
}

/// Looks up questions again whose answers are about to expire.
pub trait Renew {
    /// Begin to look up `question`, later and elsewhere. Returns false if `most` wait already.
    fn renew(&self, question: ClientQuestion, most: u32) -> bool;
}

/// One request in the pipeline.
pub struct Context<'c> {
    /// The state shared with other requests.
    pub environment: &'c Environment<'c>,
    /// The snapshot of the environment, which every stage reads.
    pub(crate) snapshot: &'c Snapshot,
    /// The query.
    pub query: &'c Query<'c>,
    /// The client's address.
    pub client: SocketAddr,
    /// How the query arrived.
    pub transport: Transport,
    /// The view selected by the view stage. None: the plan has no views.
    pub view: Option<u16>,
    /// Set by the TSIG stage, and used to sign the response.
    pub(crate) signature: Option<Box<Signature>>,
    /// The number of lookups that this request has waited for.
    pub(crate) lookups: u8,
    /// The second lookup, if the response holds the answers to both questions of an [`Ask`](crate::verdict::Ask).
    pub(crate) second: Option<Second>,
    /// When the request arrived.
    pub(crate) received: Micros,
    /// What the lists have decided.
    pub(crate) judged: Cell<Judged>,
}

impl<'c> Context<'c> {
    #[inline]
    pub(crate) fn new(
        environment: &'c Environment<'c>,
        query: &'c Query<'c>,
        client: SocketAddr,
        transport: Transport,
    ) -> Context<'c> {
        let snapshot = environment.snapshot;
        Context {
            environment,
            snapshot,
            query,
            client,
            transport,
            view: None,
            signature: None,
            lookups: 0,
            second: None,
            received: environment.now,
            judged: Cell::new(Judged::No),
        }
    }

    /// The snapshot that the request started with.
    #[inline]
    pub fn snapshot(&self) -> &'c Snapshot {
        self.snapshot
    }

    /// The client's IP address.
    #[inline]
    pub fn client_ip(&self) -> IpAddr {
        self.client.ip()
    }

    /// The wall clock, seconds since 1970.
    pub fn unix_s(&self) -> u64 {
        (self.environment.unix_s)()
    }

    /// The artifact *name*. None: it does not exist, or has another type.
    pub fn artifact<T: Any>(&self, name: &str) -> Option<&'c T> {
        self.snapshot.artifacts().get(name)
    }

    /// The name of the TSIG key that signed the request, if verified (RFC 8945).
    pub fn key(&self) -> Option<NameRef<'_>> {
        self.signature.as_ref().and_then(|signature| signature.verified_key())
    }

    /// The DNS cookie of the request: the client's part and the server's, which may be empty (RFC 7873 §4).
    pub fn cookie(&self) -> Option<([u8; 8], &'c [u8])> {
        match self.option(OptionCode::COOKIE)? {
            EdnsOption::Cookie { client, server } => Some((client, server)),
            _ => None,
        }
    }

    /// The client subnet of the request (RFC 7871).
    pub fn client_subnet(&self) -> Option<ClientSubnet> {
        match self.option(OptionCode::CLIENT_SUBNET)? {
            EdnsOption::ClientSubnet(subnet) => Some(subnet),
            _ => None,
        }
    }

    /// The view's settings.
    #[inline]
    pub(crate) fn view(&self) -> Option<&'c ViewSettings> {
        self.view.map(|view| self.snapshot().view(view))
    }

    /// The local data that apply to the client.
    #[inline]
    pub(crate) fn local_data(&self) -> Option<&'c AppliedData> {
        match self.view() {
            Some(view) => view.local_data.as_ref(),
            None => self.snapshot().local_data(),
        }
    }

    /// The cache entries that the client reads.
    #[inline]
    pub(crate) fn cache_view(&self) -> u16 {
        self.view().map_or(0, |view| view.cache_view)
    }

    /// Whether this is an explanation, whose response is not sent.
    #[inline]
    pub(crate) fn is_dry_run(&self) -> bool {
        self.environment.trace.is_some() && self.environment.receipt.is_none()
    }

    /// Refuse the query with *rcode* for *reason*, of which the client learns by the extended error *ede*.
    #[cold]
    pub(crate) fn refuse(&self, layer: Layer, (rcode, ede): (Rcode, Ede), reason: Reason) -> Verdict {
        self.refuse_in(None, layer, (rcode, ede), reason)
    }

    /// Do the same because of *zone*.
    #[cold]
    pub(crate) fn refuse_in(
        &self,
        zone: Option<NameRef<'_>>,
        layer: Layer,
        (rcode, ede): (Rcode, Ede),
        reason: Reason,
    ) -> Verdict {
        self.step_in(zone, || (layer, reason.clone()));
        let causes = Causes(vec![(ede, reason.to_client())], Some(reason));
        Verdict::Refuse(Box::new(Refusal { rcode, causes }))
    }

    /// Record a step if an explanation or a receipt was requested.
    #[inline]
    pub(crate) fn step(&self, make: impl FnOnce() -> (Layer, Reason)) {
        self.step_in(None, make);
    }

    /// Record a step that *zone* caused.
    #[inline]
    pub(crate) fn step_in(&self, zone: Option<NameRef<'_>>, make: impl FnOnce() -> (Layer, Reason)) {
        if let Some(trace) = self.environment.trace {
            let (layer, reason) = make();
            let name = self.query.qname.to_name();
            let mut draft = Draft::new(layer, Action::Lookup, name, self.query.qtype, reason);
            if let Some(zone) = zone {
                draft = draft.zone(zone.to_name());
            }
            trace.step(self.environment.now, draft);
        }
    }

    /// Whether the client asks when the zone expires (RFC 7314).
    #[inline]
    pub(crate) fn wants_expire(&self) -> bool {
        self.query.edns.is_some_and(|edns| edns.wanted.contains(Wanted::EXPIRE))
    }

    #[cold]
    fn option(&self, code: OptionCode) -> Option<EdnsOption<'c>> {
        self.query.edns?;
        Message::parse(self.query.packet).ok()?.opt()?.option(code)?.ok()
    }
}
