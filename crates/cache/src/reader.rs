//! Whom an entry is for: the validation state, view and client subnet of entries and of those who read them.
//!
//! | part | of an entry | of a reader |
//! |---|---|---|
//! | state | the result of validation (RFC 4035 §4.3), or that there was none | CD: wants everything; otherwise what was validated and is not bogus |
//! | view | the view whose servers it came from | the view of the client |
//! | scope | the network that the answer is for (RFC 7871 §7.3.1); none: for every client | the address of the client |
//! | freshness | its life | for how long after its life it is still of use (RFC 8767) |
//!
//! Entries that differ in view, scope, or in being for CD readers only, stand side by side.

use std::net::IpAddr;

use crate::Micros;
use crate::entry::{Entry, Kind, Rank};
use crate::table::Kept;

/// What is known of the signatures of an entry. Of several, the least holds for an answer made of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum State {
    /// A chain of trust should lead to it and does not: data are for readers with CD only, a failure for all others.
    Bogus,
    /// A validator has not seen it: for readers with CD only.
    Unchecked,
    /// No chain of trust begins above it, or none was looked for: for all.
    #[default]
    Indeterminate,
    /// A chain of trust ends above it with a proof that it ends there: for all.
    Insecure,
    /// A chain of trust leads to it: for all, with AD.
    Secure,
}

/// The network that an answer is for (RFC 7871).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    address: IpAddr,
    length: u8,
}

impl Scope {
    /// The network of the first *length* bits of *address*; None when *length* is 0, which is every client.
    pub fn new(address: IpAddr, length: u8) -> Option<Scope> {
        (length > 0).then(|| Scope { address: mask(address, length), length })
    }

    /// Whether *client* is in the network.
    pub fn covers(&self, client: IpAddr) -> bool {
        self.address.is_ipv4() == client.is_ipv4() && mask(client, self.length) == self.address
    }
}

/// *address* with only its first *length* bits.
fn mask(address: IpAddr, length: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32u32.saturating_sub(length.into())).unwrap_or(0);
            IpAddr::V4((u32::from(v4) & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128u32.saturating_sub(length.into())).unwrap_or(0);
            IpAddr::V6((u128::from(v6) & mask).into())
        }
    }
}

/// Where an entry comes from and whom it is for. A bare [`Rank`] is an entry of view 0 for all clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// How credible it is.
    pub rank: Rank,
    /// What is known of its signatures.
    pub state: State,
    /// The view whose servers it came from.
    pub view: u16,
    /// The network that it is for.
    pub scope: Option<Scope>,
}

impl From<Rank> for Origin {
    fn from(rank: Rank) -> Origin {
        Origin { rank, state: State::default(), view: 0, scope: None }
    }
}

/// Who reads the cache. The default reads fresh entries of view 0 that are for all clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reader {
    /// Whether data that was not validated, or is bogus, is of use (CD, RFC 4035 §3.2.2).
    pub checking_disabled: bool,
    /// The client's view.
    pub view: u16,
    /// The client's address, for answers that depend on it.
    pub client: Option<IpAddr>,
    /// Seconds after its life for which an entry is still of use (RFC 8767 §4).
    pub stale_s: u32,
}

/// Whether an entry's life is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Freshness {
    /// It is not over.
    Fresh,
    /// It is over, and the reader takes it all the same: to be sent with a short TTL (RFC 8767 §5).
    Stale,
}

/// The TTL of stale records, seconds (RFC 8767 §4).
pub(crate) const STALE_TTL: u32 = 30;

impl Reader {
    /// Whether *entry* is for this reader at *now*, and in which freshness.
    #[inline]
    pub(crate) fn takes(&self, entry: &Entry, now: Micros) -> Option<Freshness> {
        let seen = match entry.state() {
            State::Unchecked => self.checking_disabled,
            State::Bogus => self.checking_disabled != (entry.kind() == Kind::Failure),
            State::Indeterminate | State::Insecure | State::Secure => true,
        };
        if !seen || entry.view() != self.view {
            return None;
        }
        if let Some(scope) = entry.scope()
            && !self.client.is_some_and(|client| scope.covers(client))
        {
            return None;
        }
        if !entry.expired(now) {
            return Some(Freshness::Fresh);
        }
        let stale = Micros::from(self.stale_s) * 1_000_000;
        (!entry.expired(now.saturating_sub(stale))).then_some(Freshness::Stale)
    }
}
