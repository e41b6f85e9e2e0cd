//! The state of one client question, and what all questions of a resolver share.
//!
//! Every step of the algorithm takes a [`Task`] and imports this file. This file imports no step.
//!
//! ```text
//! Core   one per resolver: world, cache, configuration, work under way
//! Task   one per client question: its meter against the budget
//! Frame  one per lookup of the question: which lookups wait for it
//! ```

use std::cell::RefCell;
use std::hash::{Hash, Hasher};
use std::rc::Rc;
use std::sync::Arc;

use nw_cache::{Cache, Delegation, Origin, Rank, Reader, State};
use nw_wire::code::RrType;
use nw_wire::name::{Name, NameRef};

use crate::answer::{Cause, Failure};
use crate::budget::{Limit, Meter};
use crate::config::ResolverConfig;
use crate::discarded::Reasons;
use crate::flight::Flights;
use crate::quota::Quotas;
use crate::resolution::{ClientQuestion, Resolution, Walk};
use crate::trace::{Reason, Step, Trace};
use crate::validator::{Effort, Validator};
use crate::world::{Endpoint, ExchangeError, Micros, World};

/// What all tasks of a resolver share.
pub(crate) struct Core<W: World> {
    pub(crate) world: Rc<W>,
    pub(crate) cache: Arc<Cache>,
    pub(crate) config: Arc<ResolverConfig>,
    /// The searches for the servers of the root and of stub zones that are under way.
    pub(crate) priming: Flights<Name, Primed>,
    /// The time until which the configured servers of the root or a stub zone are used without a new attempt to prime.
    pub(crate) unprimed: RefCell<Vec<(Name, Micros)>>,
    /// Questions under way to servers.
    pub(crate) exchanges: Flights<Sent, Result<Arrived, NoReply>>,
    /// Judges replies before anything of them is kept; None judges nothing: every reply is [`State::Indeterminate`].
    pub(crate) validator: Option<Validator>,
    /// Shares of the work.
    pub(crate) quotas: Rc<Quotas>,
    /// Client questions under way.
    pub(crate) flights: Flights<ClientQuestion, Rc<Resolution>>,
}

/// The result of priming: the zone's delegation, the steps that led to it, and when they began.
pub(crate) type Primed = (Option<Arc<Delegation>>, Arc<[Step]>, Micros);

/// A question that is under way to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) endpoint: Endpoint,
    pub(crate) name: Name,
    pub(crate) rtype: RrType,
    pub(crate) edns: bool,
    /// Whether it carries a cookie.
    pub(crate) cookie: bool,
    /// Whether the case of the name is drawn at random.
    pub(crate) random_case: bool,
    pub(crate) recursive: bool,
    /// Whether a forwarder answers what fails its validation, too (CD).
    pub(crate) unchecked: bool,
}

impl Hash for Sent {
    /// Few questions under way share name and type, so that the rest is only compared.
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.name, self.rtype).hash(state);
    }
}

/// A reply as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Arrived {
    /// The message, with the name of the question in the case of the lookup.
    pub(crate) bytes: Vec<u8>,
    /// Whether it repeated the question in the case in which it was sent.
    pub(crate) case_kept: bool,
}

/// Why no reply arrived, and what arrived in its place.
#[derive(Clone, Debug)]
pub(crate) struct NoReply {
    pub(crate) error: ExchangeError,
    pub(crate) discarded: Reasons,
}

impl NoReply {
    pub(crate) fn into_reason(self) -> Reason {
        Reason::Network { error: self.error, discarded: self.discarded }
    }
}

impl<W: World> Core<W> {
    pub(crate) fn new(world: Rc<W>, cache: Arc<Cache>, config: Arc<ResolverConfig>) -> Core<W> {
        let validator = Validator::new(&config);
        Core {
            world,
            cache,
            config,
            priming: Flights::new(),
            unprimed: RefCell::default(),
            exchanges: Flights::new(),
            validator,
            quotas: Rc::default(),
            flights: Flights::new(),
        }
    }

    /// The time at which the question that *trace* explains fails if it has no answer by then.
    pub(crate) fn deadline(&self, trace: &Trace) -> Micros {
        trace.started().saturating_add(self.config.budget.wall_clock)
    }
}

/// The work for one client question: one meter against one budget, however many aliases and lookups it takes.
pub(crate) struct Task<'t, W: World> {
    pub(crate) core: &'t Rc<Core<W>>,
    pub(crate) meter: &'t Meter,
    /// What validation may still cost.
    pub(crate) effort: &'t Effort,
    /// Whether the client wants what was not validated, too (CD, RFC 4035 §3.2.2).
    pub(crate) checking_disabled: bool,
    /// Whose entries of the cache it reads and keeps.
    pub(crate) view: u16,
    /// Whether the cache held nothing about the client's question when that arrived.
    pub(crate) unknown: bool,
    /// Whether entries of the cache that are about to expire are looked up again.
    pub(crate) renews: bool,
    /// What is recorded about the delegations that lead to the answer.
    pub(crate) walk: Walk,
}

impl<'t, W: World> Task<'t, W> {
    /// The same task for lookups whose data need not be validated.
    pub(crate) fn unchecked(&self) -> Task<'t, W> {
        let checking_disabled = self.checking_disabled || self.core.validator.is_some();
        Task { checking_disabled, ..*self }
    }

    /// Which entries of the cache are for this task.
    pub(crate) fn reader(&self) -> Reader {
        let (checking_disabled, view, renews) = (self.checking_disabled, self.view, self.renews);
        Reader { checking_disabled, view, renews, ..Reader::default() }
    }

    /// The origin of an entry of *rank* and *state* that this task keeps.
    pub(crate) fn origin(&self, rank: Rank, state: State) -> Origin {
        Origin { state, view: self.view, ..rank.into() }
    }
}

/// One lookup of a task. A lookup that another lookup waits for has a frame below that one's, so that a name which waits
/// for itself is found.
pub(crate) struct Frame<'f> {
    name: NameRef<'f>,
    rtype: RrType,
    above: Option<&'f Frame<'f>>,
    /// Lookups above this one.
    pub(crate) depth: u32,
    /// Whether other names can be looked up instead: then no server is asked again that did not reply.
    pub(crate) hasty: bool,
    /// Whether aliases are followed.
    pub(crate) follows: bool,
}

impl<'f> Frame<'f> {
    /// The frame of the lookup that the client waits for.
    pub(crate) fn top(name: NameRef<'f>, rtype: RrType) -> Frame<'f> {
        Frame { name, rtype, above: None, depth: 0, hasty: false, follows: true }
    }

    /// The frame of a lookup of *name* that this one waits for, at most *most* deep.
    pub(crate) fn below(&'f self, name: NameRef<'f>, rtype: RrType, most: u32) -> Result<Frame<'f>, Failure> {
        let mut above = Some(self);
        while let Some(frame) = above {
            if frame.name == name && frame.rtype == rtype {
                return Err(Failure { cause: Cause::Here, ..Failure::because(Reason::Cycle) });
            }
            above = frame.above;
        }
        if self.depth >= most {
            return Err(Failure::limit(Limit::Depth));
        }
        Ok(Frame { name, rtype, above: Some(self), depth: self.depth + 1, hasty: self.hasty, follows: true })
    }

    /// The frame of a lookup that ends at the first alias.
    pub(crate) fn without_aliases(self) -> Frame<'f> {
        Frame { follows: false, ..self }
    }

    /// The name that is looked up.
    pub(crate) fn name(&self) -> Name {
        self.name.to_name()
    }

    /// The type that is looked up.
    pub(crate) fn rtype(&self) -> RrType {
        self.rtype
    }
}
