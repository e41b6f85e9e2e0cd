//! How a lookup ends: with an [`Answer`] or with a [`Failure`].
//!
//! RFCs: 9520 §3.2 (which failures are kept), 8914 (Extended DNS Errors).

use nw_cache::{KeptFailure, State};
use nw_wire::code::{Ede, Rcode};
use nw_wire::rrset::Rrset;

use crate::budget::Limit;
use crate::signed::Signed;
use crate::trace::{RateReached, Reason};
use crate::world::{MILLISECOND, Micros};

/// The result of a lookup: data or its absence, behind any aliases.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) rcode: Rcode,
    /// The answer section: aliases in their order, then data.
    pub(crate) sets: Vec<Signed>,
    /// The authority section: SOA, NSEC and NSEC3.
    pub(crate) authority: Vec<Signed>,
    /// The least that is known of the signatures of one of them.
    pub(crate) state: State,
    /// Extended errors with their text: the data has expired.
    pub(crate) ede: Vec<(Ede, String)>,
}

/// Why a lookup has no result.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) reason: Reason,
    pub(crate) rcode: Rcode,
    pub(crate) ede: Vec<(Ede, String)>,
    /// Whose failure it is, and so whether it is kept.
    pub(crate) cause: Cause,
    /// Whether a validation failed: nothing is served in place of bogus data.
    pub(crate) bogus: bool,
    /// The alias chain as far as it was found.
    pub(crate) chain: Vec<Rrset>,
}

/// Whose failure it is (RFC 9520 §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The servers' or their data's: the same lookup fails for every client. It is kept for `Budget::failure_ttl`.
    Servers,
    /// This machine's or this task's budget: the next attempt may succeed. It is not kept.
    Here,
    /// This machine's network seems to be down, and servers are asked again in a moment: it is kept for the shortest time that
    /// RFC 9520 allows.
    Network,
    /// A failure that is kept already. Its life is not extended.
    Kept {
        /// Whether this machine's network seemed to be down.
        network: bool,
    },
}

impl Cause {
    /// Whether this machine's network seems to be down.
    pub(crate) fn is_network(self) -> bool {
        matches!(self, Cause::Network | Cause::Kept { network: true })
    }
}

impl Failure {
    pub(crate) fn because(reason: Reason) -> Failure {
        let ede = match reason {
            Reason::NoReachableAuthority { .. } | Reason::NoServers { .. } | Reason::Cycle => {
                Ede::NO_REACHABLE_AUTHORITY
            }
            Reason::ForwardingLoop { .. } | Reason::NobodyReplies => Ede::NETWORK_ERROR,
            Reason::NoHints => Ede::NOT_READY,
            Reason::CacheOnly => Ede::NOT_AUTHORITATIVE,
            Reason::RateReached(_) => Ede::RATE_LIMITED,
            Reason::Bogus { ref fault } => fault.ede(),
            Reason::Unusable { .. }
            | Reason::Malformed
            | Reason::TruncatedOverTcp
            | Reason::NameTooLong
            | Reason::AliasLoop { .. } => Ede::INVALID_DATA,
            _ => Ede::OTHER,
        };
        let text = reason.to_string();
        Failure {
            bogus: matches!(reason, Reason::Bogus { .. }),
            reason,
            rcode: Rcode::SERVFAIL,
            ede: vec![(ede, text)],
            cause: Cause::Servers,
            chain: Vec::new(),
        }
    }

    /// This machine's network seems to be down.
    pub(crate) fn network() -> Failure {
        Failure { cause: Cause::Network, ..Failure::because(Reason::NobodyReplies) }
    }

    pub(crate) fn limit(limit: Limit) -> Failure {
        Failure { cause: Cause::Here, ..Failure::because(Reason::LimitReached { limit }) }
    }

    /// *of*, a client network or a zone, has used its *per_second* lookups, and gets another one in *wait*.
    pub(crate) fn rate(limit: Limit, of: String, per_second: u32, wait: Micros) -> Failure {
        let reached = RateReached { limit, of, per_second, wait_ms: wait.div_ceil(MILLISECOND) };
        Failure { cause: Cause::Here, ..Failure::because(Reason::RateReached(Box::new(reached))) }
    }

    /// The failure *kept* that was found in the cache.
    pub(crate) fn kept(kept: KeptFailure, age_s: u32, left_s: u32, state: State) -> Failure {
        let reason = Reason::CachedFailure { cause: kept.cause, age_s, left_s };
        let (bogus, cause) = (state == State::Bogus, Cause::Kept { network: kept.network });
        let mut failure = Failure { cause, bogus, ..Failure::because(reason) };
        failure.ede = vec![(Ede::CACHED_ERROR, failure.reason.to_string()), (kept.ede, kept.text)];
        failure
    }
}
