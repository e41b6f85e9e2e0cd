//! What the validator knows: trust anchors, keys of zones, and how RRsets and proofs are checked. The step that uses it is
//! `validate.rs`.

pub(crate) mod clock;
pub(crate) mod denial;
mod fault;
mod keys;
pub(crate) mod signature;

use nw_cache::State;
use nw_dnssec::Nsec3Limits;
use nw_wire::code::RrType;
use nw_wire::name::NameRef;

use crate::config::ResolverConfig;

pub(crate) use denial::{Proofs, Proved};
pub(crate) use fault::DenialFault;
pub use fault::Fault;
pub(crate) use keys::{Accepted, Anchors, Standing, TrustPoint, ZoneKeys};
pub use keys::{Insecurity, Unfit};
use keys::{Standings, TrustPoints};
pub use signature::Signer;
pub(crate) use signature::{Effort, Explained};

/// Where chains of trust begin, and what is known of zones.
#[derive(Debug)]
pub(crate) struct Validator {
    pub(crate) points: TrustPoints,
    pub(crate) standings: Standings,
    pub(crate) limits: Nsec3Limits,
    pub(crate) accepted: Accepted,
    /// What signatures say of the clock of this machine.
    pub(crate) clock: clock::Clock,
    /// The tags of the keys of the root that are trusted; None: the sentinel is off, or the root has no trust anchor (RFC 8509).
    pub(crate) sentinel: Option<Vec<u16>>,
}

impl Validator {
    /// The validator that *config* asks for; None without trust anchors.
    pub(crate) fn new(config: &ResolverConfig) -> Option<Validator> {
        let points = TrustPoints::new(config);
        let limits =
            Nsec3Limits { insecure_above: config.budget.max_nsec3_iterations, ..Nsec3Limits::default() };
        let tags = points.key_tags(NameRef::ROOT);
        let sentinel = (config.root_key_sentinel && !tags.is_empty()).then_some(tags);
        (!points.is_empty()).then(|| Validator {
            points,
            standings: Standings::default(),
            limits,
            accepted: Accepted::new(config),
            clock: clock::Clock::default(),
            sentinel,
        })
    }

    /// Whether data of *rtype* at *name* is validated.
    pub(crate) fn validates(&self, name: NameRef<'_>, rtype: RrType) -> bool {
        matches!(self.points.nearest(zone_side(name, rtype)), Some(TrustPoint::Anchor(..)))
    }
}

/// The side of a zone cut at *name* on which data of *rtype* lies: DS in the parent (RFC 4035 §2.4).
pub(crate) fn zone_side(name: NameRef<'_>, rtype: RrType) -> NameRef<'_> {
    match (rtype, name.parent()) {
        (RrType::DS, Some(parent)) => parent,
        _ => name,
    }
}

/// What is known of a reply, or why it is bogus.
pub(crate) type Judgement<T = State> = Result<T, Fault>;
