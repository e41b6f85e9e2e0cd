//! What a parent says about the servers and the security of a zone.

use std::net::IpAddr;

use nw_wire::name::Name;
use nw_wire::rrset::Rrset;

use crate::Micros;
use crate::table::Kept;

/// The servers of a zone as its parent named them, with the addresses that came along, and what is known about the zone's
/// signatures.
///
/// Delegations are kept apart from answers, because they are less credible (RFC 2181 §5.4.1): their addresses serve to
/// reach the zone and are never sent to a client, and nothing that the zone itself says prolongs them. A delegation
/// lives no longer than the one above it, so that a zone which its parent has removed is gone at the parent's TTL
/// (ghost domains, CVE-2012-1033 and its successors).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delegation {
    /// The zone.
    pub zone: Name,
    /// Its servers.
    pub servers: Vec<NameServer>,
    /// Which records it was made from.
    pub source: DelegationSource,
    /// Whether the zone is known to be signed.
    pub trust: Trust,
    /// When the delegation was learned.
    pub stored: Micros,
    /// When it must be learned again.
    pub expires: Micros,
}

/// Which records a delegation was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DelegationSource {
    /// NS records in a referral (RFC 1034 §4.2.1).
    Ns,
    /// The answer to a priming query (RFC 8109).
    Priming,
}

/// What is known about the signatures of a zone (RFC 4035 §4.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The parent has a validated DS RRset: what the zone says must be signed with a key that it names.
    Secure {
        /// The DS RRset.
        ds: Rrset,
    },
    /// The parent has proved that there is no DS RRset, or a zone above is insecure: nothing below is validated.
    Insecure,
    /// Not validated yet. A validator decides by this evidence, or asks the parent for DS when there is none.
    Unknown {
        /// What came with the delegation.
        evidence: DelegationEvidence,
    },
}

/// What a referral carries about the security of its zone (RFC 4035 §3.1.4): RRsets followed by their signatures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DelegationEvidence {
    /// The DS RRset.
    pub ds: Vec<Rrset>,
    /// NSEC or NSEC3 RRsets, when there is no DS RRset.
    pub denial: Vec<Rrset>,
}

/// One server of a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameServer {
    /// Its name.
    pub name: Name,
    /// Its addresses that came with the delegation. Empty: they must be looked up.
    pub addresses: Vec<IpAddr>,
}

/// Octets of *set* on the heap.
fn octets_of(set: &Rrset) -> usize {
    size_of::<Rrset>() + set.owner.as_ref().wire().len() + set.rdatas.octets()
}

impl Kept for std::sync::Arc<Delegation> {
    fn octets(&self) -> usize {
        let servers = self.servers.iter().map(|server| {
            size_of::<NameServer>()
                + server.name.as_ref().wire().len()
                + size_of::<IpAddr>() * server.addresses.len()
                + 32
        });
        let trust: usize = match &self.trust {
            Trust::Secure { ds } => octets_of(ds),
            Trust::Insecure => 0,
            Trust::Unknown { evidence } => evidence.ds.iter().chain(&evidence.denial).map(octets_of).sum(),
        };
        size_of::<Delegation>() + self.zone.as_ref().wire().len() + 32 + servers.sum::<usize>() + trust
    }

    fn expired(&self, now: Micros) -> bool {
        now >= self.expires
    }
}
