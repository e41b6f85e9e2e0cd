//! What goes into the resolver and what comes out.

use nw_wire::code::{Class, Ede, Rcode, RrType};
use nw_wire::name::Name;
use nw_wire::rrset::Rrset;

use crate::steps::Steps;
use crate::trace::{Action, Draft, Layer, Reason, Trace, Validation};
use crate::world::Micros;

/// A question of a client that asks for recursion.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientQuestion {
    /// The name, in the client's case.
    pub name: Name,
    /// The type.
    pub rtype: RrType,
    /// The class; anything but IN is refused.
    pub class: Class,
    /// Whether the client wants DNSSEC records (DO, RFC 3225).
    pub dnssec_ok: bool,
    /// Whether the client wants data that failed validation, too (CD, RFC 4035 §3.2.2).
    pub checking_disabled: bool,
    /// The view whose cache entries are read and kept; 0 where all clients share one cache.
    pub view: u16,
    /// What is recorded about the delegations that lead to the answer.
    pub walk: Walk,
}

/// What a lookup records about the delegations that lead to each name of the answer; see [`nw_cache::DataPath`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Walk {
    /// Nothing.
    #[default]
    Unrecorded,
    /// The delegations. Cached data to which no path is recorded are looked up again.
    Delegations,
    /// The delegations, and the addresses of servers that came without, of zones with at least this many labels.
    Addresses(u8),
}

impl ClientQuestion {
    /// A question in class IN, without DO and CD, of view 0.
    pub fn new(name: Name, rtype: RrType) -> ClientQuestion {
        ClientQuestion {
            name,
            rtype,
            class: Class::IN,
            dnssec_ok: false,
            checking_disabled: false,
            view: 0,
            walk: Walk::Unrecorded,
        }
    }
}

impl Resolution {
    /// An outcome without records, steps and queries.
    pub fn empty(rcode: Rcode) -> Resolution {
        Resolution {
            rcode,
            answer: Vec::new(),
            authority: Vec::new(),
            additional: Vec::new(),
            ede: Vec::new(),
            steps: Steps::default(),
            began: 0,
            took: 0,
            queries: 0,
            validation: Validation::default(),
        }
    }

    /// The same outcome for another client that asked *question* at *arrived* and waited for it until *now*, with an
    /// explanation of at most *most* steps.
    pub fn joined(&self, question: &ClientQuestion, arrived: Micros, now: Micros, most: u32) -> Resolution {
        let trace = Trace::start(arrived, most);
        let draft =
            Draft::new(Layer::Flight, Action::Join, question.name.clone(), question.rtype, Reason::Joined);
        let id = trace.step(now, draft);
        self.joining(&trace, id, now)
    }

    /// The same outcome for the client whose explanation is *trace*; its step *id* is the wait for it.
    pub(crate) fn joining(&self, trace: &Trace, id: u32, now: Micros) -> Resolution {
        Resolution {
            steps: trace.take_steps_joining(id, &self.steps, self.began),
            took: now - trace.started(),
            began: trace.started(),
            queries: 0,
            ..self.clone()
        }
    }
}

/// The outcome of a resolution, failures included, with its explanation.
#[derive(Clone, Debug)]
pub struct Resolution {
    /// The response code.
    pub rcode: Rcode,
    /// The answer section: the alias chain in its order, then the data; with RRSIG sets when DO was asked.
    pub answer: Vec<Rrset>,
    /// The authority section: the SOA of a negative answer, and its proof when DO was asked.
    pub authority: Vec<Rrset>,
    /// The additional section; empty so far.
    pub additional: Vec<Rrset>,
    /// Extended errors with their text, the most telling first (RFC 8914).
    pub ede: Vec<(Ede, String)>,
    /// The explanation; see [`crate::trace`].
    pub steps: Steps,
    /// When the question arrived, on the world's clock.
    pub began: Micros,
    /// The time that the resolution took, microseconds.
    pub took: Micros,
    /// Questions to servers that it caused.
    pub queries: u32,
    /// What is known of its signatures. AD may be set for [`Validation::Secure`] only.
    pub validation: Validation,
}
