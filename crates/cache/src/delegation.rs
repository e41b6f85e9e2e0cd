//! What a parent says of the servers of a zone.

use std::net::IpAddr;

use nw_wire::name::Name;

use crate::Micros;
use crate::table::Kept;

/// The servers of a zone as its parent named them, with the addresses that came along.
///
/// Delegations are kept apart from answers, because they are less credible (RFC 2181 §5.4.1): their addresses serve to
/// reach the zone and are never handed to a client, and nothing that the zone itself says prolongs them. A delegation
/// lives no longer than the one above it, so that a zone which its parent has let go of is gone at the parent's TTL
/// (ghost domains, CVE-2012-1033 and its successors).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delegation {
    /// The zone.
    pub zone: Name,
    /// Its servers.
    pub servers: Vec<NameServer>,
    /// When the delegation was learned.
    pub stored: Micros,
    /// When it must be learned again.
    pub expires: Micros,
}

/// One server of a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameServer {
    /// Its name.
    pub name: Name,
    /// Its addresses that came with the delegation. Empty: they must be looked up.
    pub addresses: Vec<IpAddr>,
}

impl Kept for std::sync::Arc<Delegation> {
    fn octets(&self) -> usize {
        let servers = self.servers.iter().map(|server| {
            size_of::<NameServer>()
                + server.name.as_ref().wire().len()
                + size_of::<IpAddr>() * server.addresses.len()
                + 32
        });
        size_of::<Delegation>() + self.zone.as_ref().wire().len() + 32 + servers.sum::<usize>()
    }

    fn expired(&self, now: Micros) -> bool {
        now >= self.expires
    }
}
