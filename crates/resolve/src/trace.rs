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
use std::fmt::{self, Write as _};
use std::net::SocketAddr;
use std::rc::Rc;

use nw_wire::code::{Ede, Rcode, RrType};
use nw_wire::name::Name;

use crate::budget::Limit;
use crate::world::{ExchangeError, Micros, Via};

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
    /// How it was asked.
    pub transport: Option<Via>,
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
    /// A server said so.
    Told,
    /// It follows from something else.
    Inferred,
}

impl Basis {
    /// The basis' name in `namewise.explain/1`.
    pub fn slug(self) -> &'static str {
        match self {
            Basis::Measured => "measured",
            Basis::Told => "told",
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
    /// Nobody has checked. AD stays clear.
    #[default]
    Indeterminate,
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

/// In which way a server is no server of the zone that it was asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LameKind {
    /// It refers to the zone itself.
    SelfReferral,
    /// It refers to a zone above, or aside.
    UpwardReferral,
    /// It answers from recursion, without authority.
    Recursive,
    /// It refuses or says that it has no authority.
    Refused,
    /// An empty reply without authority: neither answer nor referral nor denial.
    Empty,
}

impl LameKind {
    /// The kind's name in explanations.
    pub fn slug(self) -> &'static str {
        match self {
            LameKind::SelfReferral => "self-referral",
            LameKind::UpwardReferral => "upward-referral",
            LameKind::Recursive => "recursive-answer",
            LameKind::Refused => "refused",
            LameKind::Empty => "empty",
        }
    }
}

/// What happened in a step. [`Reason::slug`] is stable; [`Step::text`] makes the sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The name is answered here by definition.
    SpecialUse,
    /// The cache holds the RRset.
    CachedAnswer,
    /// The cache holds an alias: the search goes on at *target*.
    CachedAlias {
        /// Where the alias leads.
        target: Name,
    },
    /// The cache holds that the name has no data of the type.
    CachedNoData,
    /// The cache holds that the name does not exist; `denied` is the name denied, at or above the one asked.
    CachedNxDomain {
        /// The name whose absence is known.
        denied: Name,
    },
    /// The cache holds that this failed a moment ago (RFC 9520).
    CachedFailure,
    /// The cache holds nothing of use; servers of `zone` are the nearest known.
    NotCached,
    /// An identical question was under way; this one got its answer.
    Joined,
    /// The server returned the records asked for.
    Answer {
        /// How many.
        records: u32,
    },
    /// The server returned an alias; the search goes on at *target*.
    Alias {
        /// Where the alias leads.
        target: Name,
    },
    /// The server referred us to the servers of *child*.
    Referral {
        /// The zone.
        child: Name,
        /// How many name servers it has.
        servers: u32,
        /// How many of them came with addresses.
        glued: u32,
    },
    /// The name exists, without data of the type.
    NoData,
    /// The name does not exist.
    NxDomain,
    /// A question for fewer labels found nothing to stop at; one more label is shown (RFC 9156 §2.3).
    Minimised,
    /// The server cut its reply short: asked again over TCP.
    Truncated,
    /// The server does not understand EDNS: asked again without.
    EdnsRefused,
    /// The server is no server of the zone.
    Lame {
        /// In which way.
        kind: LameKind,
    },
    /// The server reported a failure of its own.
    ServerFailure {
        /// As it said.
        rcode: Rcode,
    },
    /// The reply made no sense.
    Malformed,
    /// The reply was well-formed and must not be used: more records than allowed, an alias that does not follow
    /// from its DNAME.
    Unusable,
    /// No reply arrived.
    Network {
        /// What arrived instead.
        error: ExchangeError,
    },
    /// The root servers are known.
    Primed {
        /// How many.
        servers: u32,
    },
    /// No root server confirmed the hints; they are used as they are.
    Unprimed,
    /// Addresses of name servers were found.
    AddressesFound {
        /// For how many of the name servers.
        servers: u32,
    },
    /// None of the name servers looked up has a usable address.
    AddressesMissing,
    /// This lookup waits for itself: the name server's name can only be found by asking that name server.
    Cycle,
    /// A limit was reached.
    LimitReached {
        /// Which.
        limit: Limit,
    },
    /// No server of `zone` gave a usable reply.
    NoReachableAuthority,
    /// The zone has no server that could be asked.
    NoServers,
    /// Nothing is configured to begin with: neither hints nor a forward.
    NoHints,
    /// The signatures were not checked.
    NotValidated,
    /// The whole answer is ready.
    Resolved {
        /// Its response code.
        rcode: Rcode,
    },
    /// The question is of a class or type that recursion does not answer.
    NotAnswered,
    /// The alias chain became too long a name (RFC 6672 §2.2).
    NameTooLong,
    /// The step was begun and its result no longer needed.
    Abandoned,
}

impl Reason {
    /// The reason's stable name in `namewise.explain/1`.
    pub fn slug(&self) -> &'static str {
        match self {
            Reason::SpecialUse => "special-use",
            Reason::CachedAnswer => "cached-answer",
            Reason::CachedAlias { .. } => "cached-alias",
            Reason::CachedNoData => "cached-nodata",
            Reason::CachedNxDomain { .. } => "cached-nxdomain",
            Reason::CachedFailure => "cached-failure",
            Reason::NotCached => "not-cached",
            Reason::Joined => "joined",
            Reason::Answer { .. } => "answer",
            Reason::Alias { .. } => "alias",
            Reason::Referral { .. } => "referral",
            Reason::NoData => "nodata",
            Reason::NxDomain => "nxdomain",
            Reason::Minimised => "minimised",
            Reason::Truncated => "truncated",
            Reason::EdnsRefused => "edns-refused",
            Reason::Lame { .. } => "lame",
            Reason::ServerFailure { .. } => "server-failure",
            Reason::Malformed => "malformed",
            Reason::Unusable => "unusable",
            Reason::Network { error } => error.slug(),
            Reason::Primed { .. } => "primed",
            Reason::Unprimed => "unprimed",
            Reason::AddressesFound { .. } => "addresses-found",
            Reason::AddressesMissing => "addresses-missing",
            Reason::Cycle => "cycle",
            Reason::LimitReached { .. } => "limit-reached",
            Reason::NoReachableAuthority => "no-reachable-authority",
            Reason::NoServers => "no-servers",
            Reason::NoHints => "no-hints",
            Reason::NotValidated => "not-validated",
            Reason::Resolved { .. } => "resolved",
            Reason::NotAnswered => "not-answered",
            Reason::NameTooLong => "name-too-long",
            Reason::Abandoned => "abandoned",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::SpecialUse => f.write_str("answered here: the name is reserved"),
            Reason::CachedAnswer => f.write_str("the cache holds it"),
            Reason::CachedAlias { target } => write!(f, "the cache holds an alias for {target}"),
            Reason::CachedNoData => f.write_str("the cache holds that there is no data of this type"),
            Reason::CachedNxDomain { denied } => write!(f, "the cache holds that {denied} does not exist"),
            Reason::CachedFailure => f.write_str("it failed a moment ago and is not tried again yet"),
            Reason::NotCached => f.write_str("not in the cache"),
            Reason::Joined => f.write_str("joined an identical question that was under way"),
            Reason::Answer { records } => write!(f, "answer, {}", plural(*records, "record")),
            Reason::Alias { target } => write!(f, "alias for {target}"),
            Reason::Referral { child, servers, glued } => {
                write!(f, "referral to {child}, {}, {glued} with address", plural(*servers, "name server"))
            }
            Reason::NoData => f.write_str("the name exists and has no data of this type"),
            Reason::NxDomain => f.write_str("the name does not exist"),
            Reason::Minimised => f.write_str("no zone cut here, one more label is shown"),
            Reason::Truncated => f.write_str("truncated, asked again over TCP"),
            Reason::EdnsRefused => f.write_str("does not understand EDNS, asked again without"),
            Reason::Lame { kind } => write!(f, "lame: no server of this zone ({})", kind.slug()),
            Reason::ServerFailure { rcode } => write!(f, "the server failed: {rcode}"),
            Reason::Malformed => f.write_str("the reply is malformed"),
            Reason::Unusable => f.write_str("the reply must not be used"),
            Reason::Network { error } => match error {
                ExchangeError::Timeout => f.write_str("timeout: no reply"),
                ExchangeError::Refused => f.write_str("connection refused"),
                ExchangeError::Unreachable => f.write_str("host or network unreachable"),
                ExchangeError::NoRoute => f.write_str("no route to the server"),
                ExchangeError::Closed => f.write_str("the connection was closed early"),
                ExchangeError::Local => f.write_str("this machine could not send"),
            },
            Reason::Primed { servers } => write!(f, "{} known", plural(*servers, "root server")),
            Reason::Unprimed => f.write_str("no root server confirmed the hints, they are used as they are"),
            Reason::AddressesFound { servers } => {
                write!(f, "addresses of {} found", plural(*servers, "name server"))
            }
            Reason::AddressesMissing => f.write_str("no usable address of a name server"),
            Reason::Cycle => f.write_str("the name server's address depends on itself"),
            Reason::LimitReached { limit } => write!(f, "given up: limit {} reached", limit.slug()),
            Reason::NoReachableAuthority => f.write_str("no server of the zone gave a usable reply"),
            Reason::NoServers => f.write_str("the zone has no server that could be asked"),
            Reason::NoHints => f.write_str("neither root hints nor a forwarder are configured"),
            Reason::NotValidated => f.write_str("signatures were not checked"),
            Reason::Resolved { rcode } => write!(f, "resolved: {rcode}"),
            Reason::NotAnswered => f.write_str("recursion does not answer questions of this class or type"),
            Reason::NameTooLong => f.write_str("the alias leads to a name that is too long"),
            Reason::Abandoned => f.write_str("no longer needed"),
        }
    }
}

impl Step {
    /// One sentence for people: who was asked what, and what came of it.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = match (self.server, &self.zone) {
            (Some(server), Some(zone)) => {
                let via = self.transport.map_or("", |via| if via == Via::Tcp { " over TCP" } else { "" });
                write!(text, "{server} (for {zone}) asked {} {}{via}: ", self.name, self.rtype)
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

/// *count* things, in words.
fn plural(count: u32, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// One lane of an explanation under way: steps that follow each other without a gap.
///
/// Cloning is for handing the lane on; [`Trace::lane`] opens a further one below a step.
#[derive(Clone, Debug)]
pub struct Trace {
    record: Rc<Record>,
    lane: Rc<Lane>,
}

#[derive(Debug)]
struct Record {
    started: Micros,
    most: u32,
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
    pub(crate) server: Option<(SocketAddr, Via)>,
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
    pub fn server(mut self, server: SocketAddr, via: Via) -> Draft {
        self.server = Some((server, via));
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
        Trace {
            record: Rc::new(Record { started: now, most, steps: RefCell::new(Vec::with_capacity(8)) }),
            lane: Rc::new(Lane { parent: None, cursor: Cell::new(now) }),
        }
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
            lane: Rc::new(Lane { parent: Some(parent), cursor: Cell::new(now) }),
        }
    }

    /// All steps so far, in the order in which they began.
    pub fn steps(&self) -> Vec<Step> {
        self.record.steps.borrow().clone()
    }

    /// Put the steps of another explanation, which lasted from *its_start*, below step *parent*.
    pub(crate) fn graft(&self, parent: u32, steps: &[Step], its_start: Micros) {
        let mut own = self.record.steps.borrow_mut();
        let room = (self.record.most as usize).saturating_sub(own.len());
        let base = own.len() as u32;
        for step in steps.iter().take(room) {
            let mut step = step.clone();
            step.id += base;
            step.parent = Some(step.parent.map_or(parent, |id| id + base));
            step.parallel = true;
            // A step of the other question that began before ours did is shown at our beginning.
            step.at = (its_start + step.at).saturating_sub(self.record.started);
            own.push(step);
        }
    }

    fn reserve(&self, draft: Draft) -> u32 {
        let mut steps = self.record.steps.borrow_mut();
        // The end is always told; its time is then that of all that is not.
        let last = draft.action == Action::Finish && self.lane.parent.is_none();
        if steps.len() >= self.record.most as usize && !last {
            return 0;
        }
        let id = steps.len() as u32 + 1;
        steps.push(Step {
            id,
            parent: self.lane.parent.filter(|&parent| parent != 0),
            layer: draft.layer,
            action: draft.action,
            name: draft.name,
            rtype: draft.rtype,
            zone: draft.zone,
            server: draft.server.map(|(server, _)| server),
            transport: draft.server.map(|(_, via)| via),
            at: self.lane.cursor.get().saturating_sub(self.record.started),
            took: 0,
            parallel: self.lane.parent.is_some(),
            cache: draft.cache,
            validation: draft.validation,
            ede: draft.ede,
            reason: draft.reason,
            basis: draft.basis,
        });
        id
    }

    fn close(&self, id: u32, now: Micros) {
        let began = self.lane.cursor.get();
        if let Some(step) = self.record.steps.borrow_mut().get_mut((id as usize).wrapping_sub(1)) {
            step.took = now.saturating_sub(began);
        }
        if id != 0 {
            self.lane.cursor.set(now);
        }
    }
}
