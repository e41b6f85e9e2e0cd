//! A routing table for a private internet on loopback: names, referrals and glue are those of the public DNS, packets stay on
//! this machine.
//!
//! ```text
//! to 198.41.0.4:53 ── 198.41.0.0/16 -> 127.0.0.1:5301 ──▶ 127.0.0.1:5301
//! to 8.8.8.8:53    ── no route                        ──▶ NoRoute, nothing is sent
//! ```
//!
//! The longest prefix wins; the port of the query is replaced. While a server has such a table every packet to
//! another server goes through it, and its targets are loopback addresses (the plan's reader refuses others), so that
//! none leaves 127.0.0.0/8 and ::1.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use nw_policy::Prefix;
use nw_serve::plan::RoutePlan;

/// The table. A lookup costs one hash for each distinct length of prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routes {
    /// The lengths that occur, longest first, per family.
    lengths: [Vec<u8>; 2],
    targets: HashMap<Prefix, SocketAddr>,
}

impl Routes {
    /// Build the table. Of two routes for one prefix the later wins.
    ///
    /// # Panics
    /// When a target is not a loopback address.
    pub fn new(routes: &[RoutePlan]) -> Routes {
        let mut table = Routes::default();
        for route in routes {
            assert!(route.to.ip().is_loopback(), "{} is not a loopback address", route.to);
            table.targets.insert(route.prefix, route.to);
            let lengths = &mut table.lengths[family(route.prefix.first())];
            lengths.push(route.prefix.len());
        }
        for lengths in &mut table.lengths {
            lengths.sort_unstable_by(|a, b| b.cmp(a));
            lengths.dedup();
        }
        table
    }

    /// Where packets to *server* go, or None when they must not be sent.
    pub fn target(&self, server: SocketAddr) -> Option<SocketAddr> {
        self.lengths[family(server.ip())].iter().find_map(|&length| {
            let prefix = Prefix::covering(server.ip(), length).ok()?;
            self.targets.get(&prefix).copied()
        })
    }
}

fn family(ip: IpAddr) -> usize {
    usize::from(ip.is_ipv6())
}

#[cfg(test)]
mod tests;
