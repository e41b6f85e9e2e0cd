//! The explanation of an answer, written by the code that made it.
//!
//! Every decision of the resolver leaves a [`Step`]. The list of steps is the resolver's part of `namewise.explain/1`;
//! the flight recorder, `nw explain`, `nw why`, debug logs and EDE texts are renderings of it.
//!
//! **Times.** Steps without a parent follow each other without a gap: each begins where the one before it ended, so
//! that their `took` add up to the time of the whole resolution. A step that waits for work of its own kind (the
//! addresses of a name server, say) carries the whole wait, and what happened meanwhile hangs below it as children,
//! marked `parallel` because their time is counted already. So both of these hold: the steps without a parent sum to
//! the total, and the steps that are not parallel sum to the total.
//!
//! ```text
//! 1  cache      miss     www.example.com. A                                     0.0 ms
//! 2  delegation ask      198.41.0.4:53     referral to com.                     12.1 ms
//! 3  delegation addresses ns1.example.net. A   one of 2 name servers has one    20.3 ms
//! 4    └ delegation ask  192.5.6.30:53 ...                            (parallel) 9.0 ms
//! ```

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::rc::Rc;

use nw_cache::State;
use nw_wire::code::{Ede, RrType};
use nw_wire::name::Name;

pub use crate::decisions::{
    AmplificationLimit, Dns64, NoAaaa, NothingMade, RateReached, Rebinding, ResponseLimit, SignatureFault,
    SignatureRefused,
};
pub use crate::reason::{
    AccessList, LameKind, ListRule, LoopEnds, NotServed, Reason, Route, TCP_ONLY, TransferStep, Unusable,
};
pub use crate::steps::Graft;
use crate::steps::Steps;
use crate::world::{Micros, Transport};

/// One decision and what it was based on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Counts from 1 within one explanation.
    pub id: u32,
    /// The step that waited for this one.
    pub parent: Option<u32>,
    /// Which part of the resolver decided.
    pub layer: Layer,
    /// What it did.
    pub action: Action,
    /// The name that it was about.
    pub name: Name,
    /// The type that it was about.
    pub rtype: RrType,
    /// The zone whose servers were asked, or the forwarded suffix.
    pub zone: Option<Name>,
    /// The server that was asked.
    pub server: Option<SocketAddr>,
    /// The name of the server that was asked, if a delegation names it.
    pub server_name: Option<Name>,
    /// How it was asked.
    pub transport: Option<Transport>,
    /// When the step began, microseconds after the question arrived.
    pub at: Micros,
    /// How long it took, microseconds.
    pub took: Micros,
    /// True when the time is part of the parent's time already.
    pub parallel: bool,
    /// What the cache held, if it was looked into.
    pub cache: Option<CacheNote>,
    /// What the validator found, if it ran.
    pub validation: Option<Validation>,
    /// The extended error that this step gives rise to (RFC 8914).
    pub ede: Option<Ede>,
    /// What happened, with its particulars.
    pub reason: Reason,
    /// How we know.
    pub basis: Basis,
}

/// The part of the resolver that took a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layer {
    /// Names that are answered without asking anybody (RFC 6761).
    SpecialUse,
    /// Access lists.
    Admission,
    /// The choice of a view.
    View,
    /// The zones of this server.
    Zone,
    /// Filters on complete answers.
    Filter,
    /// The cache of RRsets, absences and failures.
    Cache,
    /// An identical question that was under way already.
    Flight,
    /// Finding the root servers (RFC 8109).
    Priming,
    /// Asking the servers of a zone.
    Delegation,
    /// Asking a configured forwarder.
    Forward,
    /// Checking signatures.
    Validator,
    /// The resolution as a whole.
    Resolver,
}

impl Layer {
    /// The layer's name in `namewise.explain/1`.
    pub fn slug(self) -> &'static str {
        match self {
            Layer::SpecialUse => "special-use",
            Layer::Admission => "admission",
            Layer::View => "view",
            Layer::Zone => "zone",
            Layer::Filter => "filter",
            Layer::Cache => "cache",
            Layer::Flight => "flight",
            Layer::Priming => "priming",
            Layer::Delegation => "delegation",
            Layer::Forward => "forward",
            Layer::Validator => "validator",
            Layer::Resolver => "resolver",
        }
    }
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Looked something up on this machine.
    Lookup,
    /// Asked one server one question.
    Ask,
    /// Waited for addresses of name servers.
    Addresses,
    /// Asked one server beside another.
    Race,
    /// Waited for an identical question.
    Join,
    /// Checked signatures.
    Validate,
    /// Ended the resolution.
    Finish,
}

impl Action {
    /// The action's name in `namewise.explain/1`.
    pub fn slug(self) -> &'static str {
        match self {
            Action::Lookup => "lookup",
            Action::Ask => "ask",
            Action::Addresses => "addresses",
            Action::Race => "race",
            Action::Join => "join",
            Action::Validate => "validate",
            Action::Finish => "finish",
        }
    }
}

/// How we know what a step says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Basis {
    /// We saw it happen.
    Measured,
    /// A server reported it.
    Reported,
    /// It follows from something else.
    Inferred,
}

impl Basis {
    /// The basis' name in `namewise.explain/1`.
    pub fn slug(self) -> &'static str {
        match self {
            Basis::Measured => "measured",
            Basis::Reported => "reported",
            Basis::Inferred => "inferred",
        }
    }
}

/// What a look into the cache found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheNote {
    /// Found, and in which state.
    pub state: CacheState,
    /// Seconds since it was stored.
    pub age_s: u32,
    /// Seconds that it may still be used.
    pub ttl_left_s: u32,
}

/// Whether the cache could help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CacheState {
    /// Data, an absence or a failure that may still be used.
    Hit,
    /// Nothing.
    Miss,
    /// Something whose time had passed.
    Expired,
}

impl CacheState {
    /// The state's name in `namewise.explain/1`.
    pub fn slug(self) -> &'static str {
        match self {
            CacheState::Hit => "hit",
            CacheState::Miss => "miss",
            CacheState::Expired => "expired",
        }
    }
}

/// What is known of an answer's signatures (RFC 4035 §4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Validation {
    /// A chain of trust leads to it.
    Secure,
    /// A chain of trust ends above it with a proof that it ends there.
    Insecure,
    /// A chain of trust should lead to it and does not.
    Bogus,
    /// It was not validated. AD stays clear.
    #[default]
    Indeterminate,
}

impl From<State> for Validation {
    fn from(state: State) -> Validation {
        match state {
            State::Secure => Validation::Secure,
            State::Insecure => Validation::Insecure,
            State::Bogus => Validation::Bogus,
            State::Indeterminate | State::Unchecked => Validation::Indeterminate,
        }
    }
}

impl Validation {
    /// The state's name in `namewise.explain/1`.
    pub fn slug(self) -> &'static str {
        match self {
            Validation::Secure => "secure",
            Validation::Insecure => "insecure",
            Validation::Bogus => "bogus",
            Validation::Indeterminate => "indeterminate",
        }
    }
}

impl Step {
    /// The server for people: `ns1.example.net (192.0.2.53)`; without a name its address and port.
    fn server_text(&self, server: SocketAddr) -> String {
        let Some(name) = &self.server_name else { return server.to_string() };
        let name = name.to_string();
        let name = name.strip_suffix('.').filter(|name| !name.is_empty()).unwrap_or(&name);
        match server.port() {
            53 => format!("{name} ({})", server.ip()),
            _ => format!("{name} ({server})"),
        }
    }

    /// The server that was asked, for people.
    pub(crate) fn server_shown(&self) -> Option<String> {
        self.server.map(|server| self.server_text(server))
    }

    /// One sentence for people: who was asked what, and what came of it.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = match (self.server, &self.zone) {
            (Some(server), Some(zone)) => {
                let via =
                    self.transport.map_or("", |via| if via == Transport::Tcp { " over TCP" } else { "" });
                let server = self.server_text(server);
                write!(text, "{server} (for {zone}) asked {} {}{via}: ", self.name, self.rtype)
            }
            (None, Some(zone)) if self.layer == Layer::Zone => {
                write!(text, "zone {zone}, {} {}: ", self.name, self.rtype)
            }
            _ => write!(text, "{} {}: ", self.name, self.rtype),
        };
        let _ = write!(text, "{}", self.reason);
        if let Some(note) = self.cache.filter(|note| note.state == CacheState::Hit) {
            let _ = write!(text, " (age {} s, {} s left)", note.age_s, note.ttl_left_s);
        }
        text
    }
}

/// One lane of an explanation under way: steps that follow each other without a gap.
///
/// A clone is another handle to the same lane; [`Trace::lane`] opens a further lane below a step.
#[derive(Clone, Debug)]
pub struct Trace {
    record: Rc<Recording>,
    /// None: the first lane.
    lane: Option<Rc<Lane>>,
}

#[derive(Debug)]
struct Recording {
    started: Micros,
    most: u32,
    first: Lane,
    steps: RefCell<Vec<Step>>,
}

#[derive(Debug)]
struct Lane {
    parent: Option<u32>,
    /// Where the next step of this lane begins.
    cursor: Cell<Micros>,
}

/// What a step is about, before it has a number and a time.
#[derive(Clone, Debug)]
pub struct Draft {
    pub(crate) layer: Layer,
    pub(crate) action: Action,
    pub(crate) name: Name,
    pub(crate) rtype: RrType,
    pub(crate) zone: Option<Name>,
    pub(crate) server: Option<(SocketAddr, Transport)>,
    pub(crate) server_name: Option<Name>,
    pub(crate) cache: Option<CacheNote>,
    pub(crate) validation: Option<Validation>,
    pub(crate) ede: Option<Ede>,
    pub(crate) reason: Reason,
    pub(crate) basis: Basis,
}

impl Draft {
    /// A step of *layer* about *name* and *rtype*, known by seeing it happen.
    pub fn new(layer: Layer, action: Action, name: Name, rtype: RrType, reason: Reason) -> Draft {
        Draft {
            layer,
            action,
            name,
            rtype,
            zone: None,
            server: None,
            server_name: None,
            cache: None,
            validation: None,
            ede: None,
            reason,
            basis: Basis::Measured,
        }
    }

    /// The zone whose servers are meant.
    pub fn zone(mut self, zone: Name) -> Draft {
        self.zone = Some(zone);
        self
    }

    /// The server that was asked, and how.
    pub fn server(mut self, server: SocketAddr, via: Transport) -> Draft {
        self.server = Some((server, via));
        self
    }

    /// The name of the server that was asked.
    pub(crate) fn server_name(mut self, name: Option<Name>) -> Draft {
        self.server_name = name;
        self
    }

    /// What the cache held.
    pub fn cache(mut self, state: CacheState, age_s: u32, ttl_left_s: u32) -> Draft {
        self.cache = Some(CacheNote { state, age_s, ttl_left_s });
        self
    }

    /// What the validator found.
    pub fn validation(mut self, validation: Validation) -> Draft {
        self.validation = Some(validation);
        self
    }

    /// The extended error that the step gives rise to.
    pub fn ede(mut self, ede: Ede) -> Draft {
        self.ede = Some(ede);
        self
    }

    /// The extended error that the step gives rise to, unless it has one already.
    pub(crate) fn or_ede(mut self, ede: Ede) -> Draft {
        self.ede.get_or_insert(ede);
        self
    }

    /// How we know.
    pub fn basis(mut self, basis: Basis) -> Draft {
        self.basis = basis;
        self
    }
}

impl Trace {
    /// Begin the explanation of a question that arrived at *now*, with at most *most* steps.
    pub fn start(now: Micros, most: u32) -> Trace {
        /// Steps of most lookups: a look into the cache, one or two queries, the end.
        const FEW: usize = 4;
        let first = Lane { parent: None, cursor: Cell::new(now) };
        let steps = RefCell::new(Vec::with_capacity(FEW));
        Trace { record: Rc::new(Recording { started: now, most, first, steps }), lane: None }
    }

    /// Go on with the explanation of a question that arrived at *started* and has these *steps*, with at most *most*.
    pub fn resume(started: Micros, most: u32, steps: Vec<Step>) -> Trace {
        let ends = steps.iter().filter(|step| !step.parallel).map(|step| started + step.at + step.took);
        let first = Lane { parent: None, cursor: Cell::new(ends.max().unwrap_or(started)) };
        let record = Recording { started, most, first, steps: RefCell::new(steps) };
        Trace { record: Rc::new(record), lane: None }
    }

    /// When the question arrived.
    pub fn started(&self) -> Micros {
        self.record.started
    }

    /// Record a step that ended at *now* and began where the lane's last one ended. Returns its number, 0 when full.
    pub fn step(&self, now: Micros, draft: Draft) -> u32 {
        let id = self.reserve(draft);
        self.close(id, now);
        id
    }

    /// Record a step that is only beginning, so that a lane can be opened below it. End it with [`Trace::finish`].
    pub fn begin(&self, draft: Draft) -> u32 {
        self.reserve(draft)
    }

    /// End the step *id* at *now*, for *reason*.
    pub fn finish(&self, id: u32, now: Micros, reason: Reason) {
        if let Some(step) = self.record.steps.borrow_mut().get_mut((id as usize).wrapping_sub(1)) {
            step.reason = reason;
        }
        self.close(id, now);
    }

    /// A new lane below step *parent* that begins at *now*. Its steps are parallel: the parent carries their time.
    pub fn lane(&self, parent: u32, now: Micros) -> Trace {
        Trace {
            record: Rc::clone(&self.record),
            lane: Some(Rc::new(Lane { parent: Some(parent), cursor: Cell::new(now) })),
        }
    }

    /// All steps, in the order in which they began, taken out: the explanation is over.
    pub(crate) fn take_steps(&self) -> Vec<Step> {
        self.record.steps.take()
    }

    /// All steps so far, in the order in which they began.
    pub fn steps(&self) -> Vec<Step> {
        self.record.steps.borrow().clone()
    }

    /// All steps, taken out, and below step *parent* those of the explanation that was joined, which lasted from *its_start*.
    pub(crate) fn take_steps_joining(&self, parent: u32, theirs: &Steps, its_start: Micros) -> Steps {
        Steps::joining(self.take_steps(), parent, theirs, (its_start, self.record.started), self.record.most)
    }

    /// Put the steps of another explanation, which lasted from *its_start*, below step *parent*; more are to follow.
    pub(crate) fn graft(&self, parent: u32, steps: &[Step], its_start: Micros) {
        let mut own = self.record.steps.borrow_mut();
        let room = (self.record.most as usize).saturating_sub(own.len());
        let began = (its_start, self.record.started);
        let graft = Graft { parent: Some(parent), base: own.len() as u32, began, parallel: true };
        own.extend(steps.iter().take(room).map(|step| graft.of(step)));
    }

    fn own_lane(&self) -> &Lane {
        self.lane.as_deref().unwrap_or(&self.record.first)
    }

    fn reserve(&self, draft: Draft) -> u32 {
        let lane = self.own_lane();
        let mut steps = self.record.steps.borrow_mut();
        // The last step is always recorded; its time then includes that of the steps that are not.
        let last = draft.action == Action::Finish && lane.parent.is_none();
        if steps.len() >= self.record.most as usize && !last {
            return 0;
        }
        let id = steps.len() as u32 + 1;
        steps.push(Step {
            id,
            parent: lane.parent.filter(|&parent| parent != 0),
            layer: draft.layer,
            action: draft.action,
            name: draft.name,
            rtype: draft.rtype,
            zone: draft.zone,
            server: draft.server.map(|(server, _)| server),
            server_name: draft.server_name,
            transport: draft.server.map(|(_, via)| via),
            at: lane.cursor.get().saturating_sub(self.record.started),
            took: 0,
            parallel: lane.parent.is_some(),
            cache: draft.cache,
            validation: draft.validation,
            ede: draft.ede,
            reason: draft.reason,
            basis: draft.basis,
        });
        id
    }

    fn close(&self, id: u32, now: Micros) {
        let lane = self.own_lane();
        let began = lane.cursor.get();
        if let Some(step) = self.record.steps.borrow_mut().get_mut((id as usize).wrapping_sub(1)) {
            step.took = now.saturating_sub(began);
        }
        if id != 0 {
            // The question may have arrived after the world last looked at the clock.
            lane.cursor.set(now.max(began));
        }
    }
}
