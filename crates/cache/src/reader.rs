//! Matches entries with readers: validation state, view, client subnet and freshness.
//!
//! | part | of an entry | of a reader |
//! |---|---|---|
//! | state | the result of validation (RFC 4035 §4.3), or that it was not validated | with CD, everything; otherwise only data that was validated and is not bogus |
//! | view | the view whose servers it came from | the view of the client |
//! | scope | the network to which the answer applies (RFC 7871 §7.3.1); none: every client | the address of the client |
//! | freshness | its lifetime | how long after its lifetime it is still accepted (RFC 8767) |
//!
//! Entries for the same name and type can be stored together if they differ in view, scope, or in being only for
//! readers with CD.

use std::net::{IpAddr, SocketAddr};

use crate::Micros;
use crate::entry::{Entry, EntryKind, Rank};
use crate::table::Kept;

/// The validation state of an entry. An answer made of several entries has the lowest state of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum State {
    /// The chain of trust is broken. The data is only for readers with CD; for all others, it is a failure.
    Bogus,
    /// The data has not been validated. It is only for readers with CD.
    Unchecked,
    /// There is no trust anchor above the name, or validation is off. For all readers.
    #[default]
    Indeterminate,
    /// A proof shows that the chain of trust ends above the name. For all readers.
    Insecure,
    /// A chain of trust leads to the data. For all readers, with AD.
    Secure,
}

/// The network to which an answer applies (RFC 7871).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    address: IpAddr,
    length: u8,
}

impl Scope {
    /// The network of the first `length` bits of `address`. None if `length` is 0, which means every client.
    pub fn new(address: IpAddr, length: u8) -> Option<Scope> {
        (length > 0).then(|| Scope { address: mask(address, length), length })
    }

    /// Return whether `client` is in the network.
    pub fn covers(&self, client: IpAddr) -> bool {
        self.address.is_ipv4() == client.is_ipv4() && mask(client, self.length) == self.address
    }
}

/// Return `address` with only its first `length` bits.
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

/// The origin of an entry and the readers for which it is valid. A plain [`Rank`] is an entry of view 0 for all
/// clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Its credibility.
    pub rank: Rank,
    /// Its validation state.
    pub state: State,
    /// The view whose servers sent it.
    pub view: u16,
    /// The network to which it applies.
    pub scope: Option<Scope>,
    /// The server that sent it.
    pub server: Option<SocketAddr>,
}

impl From<Rank> for Origin {
    fn from(rank: Rank) -> Origin {
        Origin { rank, state: State::default(), view: 0, scope: None, server: None }
    }
}

/// A reader of the cache. The default reads fresh entries of view 0 that apply to all clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reader {
    /// Whether the reader accepts data that was not validated or is bogus (CD, RFC 4035 §3.2.2).
    pub checking_disabled: bool,
    /// The client's view.
    pub view: u16,
    /// The client's address, for answers that depend on it.
    pub client: Option<IpAddr>,
    /// The number of seconds after its lifetime for which an entry is still accepted (RFC 8767 §4).
    pub stale_s: u32,
    /// Whether [`crate::Cache::get_as`] and [`crate::Cache::above`] overlook entries of which less than a tenth of the lifetime is
    /// left: the reader renews them.
    pub renews: bool,
    /// The TTL of the records of an expired entry, seconds (RFC 8767 §4).
    pub stale_ttl_s: u32,
}

/// Whether the lifetime of an entry has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Freshness {
    /// The entry has not expired.
    Fresh,
    /// The entry has expired, and the reader accepts it. It is sent with a short TTL (RFC 8767 §5).
    Stale,
}

impl Reader {
    /// Return the freshness of `entry` at `now` if it is valid for this reader.
    #[inline]
    pub(crate) fn takes(&self, entry: &Entry, now: Micros) -> Option<Freshness> {
        let seen = match entry.state() {
            State::Unchecked => self.checking_disabled,
            State::Bogus => self.checking_disabled != (entry.kind() == EntryKind::Failure),
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
        (!entry.expired_for(stale, now)).then_some(Freshness::Stale)
    }
}
