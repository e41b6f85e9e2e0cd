//! # acl: which clients may send queries
//!
//! An access list is a set of address blocks. A client in the set is accepted, and any other client is refused.
//!
//! ```text
//! ["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"]      "any" = ["0.0.0.0/0", "::/0"]      [] = none
//! ```
//!
//! **Stage.** *admit*, before any lookup. A server has two lists: one for all queries, one for recursion. A zone may
//! have its own list, which replaces the first list for that zone. A refused client gets REFUSED with EDE 18
//! *Prohibited* (RFC 8914 §4.19), without AA and with an empty answer. The response is never larger than the question
//! and its OPT, so that a refusal cannot be used for amplification.
//!
//! **Safe default.** Every client may query the zones that are served. Recursion is allowed only for loopback,
//! because an open resolver is a reflector (RFC 5358).
//!
//! **IPv4 in IPv6.** `::ffff:192.0.2.7` is matched as 192.0.2.7 against the IPv4 blocks, so that a list has the same
//! meaning on a dual-stack socket and on two sockets. An IPv6 block therefore never matches an IPv4 client.
//!
//! **Cost.** Blocks become sorted disjoint ranges when the list is built. "Any" and "none" cost one comparison, a
//! list of *n* blocks one binary search. Nothing is allocated. Ten thousand blocks take 14 comparisons.
//!
//! *Limitations.* A list has no exceptions (`!10.1.0.0/16`): write the remaining blocks instead. Lists cannot contain
//! TSIG keys or interface names.
//!
//! RFCs: 5358, 8914 §4.19, 4291 §2.5.5.2, 4632.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::prefix::{Prefix, PrefixError};

/// An immutable set of client addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acl {
    v4: Ranges<u32>,
    v6: Ranges<u128>,
}

impl Acl {
    /// Build the list of all addresses of the given prefixes. Overlap and order do not matter.
    pub fn new(prefixes: impl IntoIterator<Item = Prefix>) -> Acl {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for prefix in prefixes {
            match (prefix.first(), prefix.last()) {
                (IpAddr::V4(first), IpAddr::V4(last)) => v4.push((first.to_bits(), last.to_bits())),
                (first, last) => v6.push((v6_bits(first), v6_bits(last))),
            }
        }
        Acl { v4: Ranges::merge(v4), v6: Ranges::merge(v6) }
    }

    /// Build the list from text. The error has the position and reason for each wrong entry.
    pub fn parse<S: AsRef<str>>(entries: &[S]) -> Result<Acl, Vec<AclError>> {
        let (mut prefixes, mut errors) = (Vec::with_capacity(entries.len()), Vec::new());
        for (index, entry) in entries.iter().enumerate() {
            match entry.as_ref().parse() {
                Ok(prefix) => prefixes.push(prefix),
                Err(error) => errors.push(AclError { index, error }),
            }
        }
        if errors.is_empty() { Ok(Acl::new(prefixes)) } else { Err(errors) }
    }

    /// The list of all addresses.
    pub fn any() -> Acl {
        Acl { v4: Ranges::merge(vec![(0, u32::MAX)]), v6: Ranges::merge(vec![(0, u128::MAX)]) }
    }

    /// The empty list.
    pub fn none() -> Acl {
        Acl::default()
    }

    /// The addresses of this host only: 127.0.0.0/8 and ::1 (RFC 1122 §3.2.1.3, RFC 4291 §2.5.3).
    pub fn loopback() -> Acl {
        Acl::new([
            Prefix::new(Ipv4Addr::new(127, 0, 0, 0).into(), 8).expect("127.0.0.0/8 has no host bits"),
            Prefix::host(Ipv6Addr::LOCALHOST.into()),
        ])
    }

    /// Return whether `client` is in the list.
    #[inline]
    pub fn allows(&self, client: IpAddr) -> bool {
        match client {
            IpAddr::V4(address) => self.v4.contains(address.to_bits()),
            IpAddr::V6(address) => self.allows_v6(address),
        }
    }

    #[inline(never)]
    fn allows_v6(&self, client: Ipv6Addr) -> bool {
        match client.to_ipv4_mapped() {
            Some(address) => self.v4.contains(address.to_bits()),
            None => self.v6.contains(client.to_bits()),
        }
    }
}

/// One entry of a list that is not an address block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AclError {
    /// The position in the list, starting at 0.
    pub index: usize,
    /// The fault.
    pub error: PrefixError,
}

impl fmt::Display for AclError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "entry {}: {}", self.index, self.error)
    }
}

impl std::error::Error for AclError {}

/// Sorted, disjoint, closed ranges. No range ends directly before the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ranges<T>(Box<[(T, T)]>);

impl<T> Default for Ranges<T> {
    fn default() -> Self {
        Ranges(Box::default())
    }
}

impl<T: Address> Ranges<T> {
    /// Sort the ranges and join those that overlap or touch.
    fn merge(mut ranges: Vec<(T, T)>) -> Ranges<T> {
        ranges.sort_unstable();
        let mut merged: Vec<(T, T)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match merged.last_mut() {
                Some(open) if open.1.next().is_none_or(|next| first <= next) => open.1 = open.1.max(last),
                _ => merged.push((first, last)),
            }
        }
        Ranges(merged.into_boxed_slice())
    }

    #[inline]
    fn contains(&self, address: T) -> bool {
        match &*self.0 {
            [] => false,
            [(first, last)] => *first <= address && address <= *last,
            ranges => Ranges::find(ranges, address),
        }
    }

    /// Search several ranges. This is a separate function so that the inlined `contains` is small.
    #[inline(never)]
    fn find(ranges: &[(T, T)], address: T) -> bool {
        let after = ranges.partition_point(|(first, _)| *first <= address);
        after > 0 && address <= ranges[after - 1].1
    }
}

/// The operations that both address families share.
trait Address: Ord + Copy {
    /// The address that follows, or None after the last one.
    fn next(self) -> Option<Self>;
}

impl Address for u32 {
    fn next(self) -> Option<u32> {
        self.checked_add(1)
    }
}

impl Address for u128 {
    fn next(self) -> Option<u128> {
        self.checked_add(1)
    }
}

fn v6_bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

#[cfg(test)]
mod tests;
