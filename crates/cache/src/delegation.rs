//! Delegations: the name servers of a zone and its security status, as the parent zone states them.

use std::net::IpAddr;
use std::sync::Arc;

use nw_wire::name::Name;
use nw_wire::rrset::Rrset;

use crate::Micros;
use crate::table::Kept;

/// The name servers of a zone according to its parent, with their glue addresses, and the security status of the
/// zone.
///
/// Delegations are stored apart from answers, because they are less credible (RFC 2181 §5.4.1). Their addresses are
/// used only to reach the zone and are never sent to a client. Data of the zone itself never extends the life of a
/// delegation. A delegation does not outlive the one above it, so that a zone that its parent has removed disappears
/// after the parent's TTL (ghost domains, CVE-2012-1033 and its successors).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delegation {
    /// The zone.
    pub zone: Name,
    /// Its servers.
    pub servers: Vec<NameServer>,
    /// The records from which it was made.
    pub source: DelegationSource,
    /// The security status of the zone.
    pub trust: Trust,
    /// The time at which the delegation was learned.
    pub stored: Micros,
    /// The time at which it expires.
    pub expires: Micros,
    /// The delegation that led to it.
    pub above: Option<Arc<Delegation>>,
}

/// The records from which a delegation was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DelegationSource {
    /// NS records in a referral (RFC 1034 §4.2.1).
    Ns,
    /// The answer to a priming query (RFC 8109).
    Priming,
}

/// The security status of a zone (RFC 4035 §4.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The parent has a validated DS RRset. The data of the zone must be signed with a key that the DS RRset matches.
    Secure {
        /// The DS RRset.
        ds: Rrset,
    },
    /// The parent has proved that there is no DS RRset, or a zone above is insecure. Nothing below is validated.
    Insecure,
    /// Not validated yet. A validator uses the evidence, or queries the parent for DS if there is none.
    Unknown {
        /// The evidence from the referral.
        evidence: DelegationEvidence,
    },
}

/// The DNSSEC records of a referral (RFC 4035 §3.1.4). Each RRset is followed by its signatures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DelegationEvidence {
    /// The DS RRset.
    pub ds: Vec<Rrset>,
    /// NSEC or NSEC3 RRsets, if there is no DS RRset.
    pub denial: Vec<Rrset>,
}

/// A name server of a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameServer {
    /// Its name.
    pub name: Name,
    /// Its addresses from the delegation. If empty, the addresses must be looked up.
    pub addresses: Vec<IpAddr>,
}

/// The number of octets of `set` on the heap.
pub(crate) fn octets_of(set: &Rrset) -> usize {
    size_of::<Rrset>() + set.owner.as_ref().wire().len() + set.rdatas.octets()
}

impl Kept for Arc<Delegation> {
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
