//! The delegations that lead to each name of an answer, kept for policies about name servers (`nw-policy`, `rpz.rs`).
//!
//! ```text
//! descend ─▶ keep_paths         the delegations that led to the server of the answer
//! search ──▶ keep_own_path      an answer from data of the cache: the deepest delegation known
//! work ────▶ complete_paths     addresses of name servers whose delegations had none
//! ```
//!
//! The lookup records the servers that it was referred to, from the root down. Records of the zone itself do not change them, so that
//! the verdict does not depend on what else the cache holds. Lookups of addresses count against [`Budget::max_address_lookups`]
//! like all lookups of name server addresses; servers that remain without an address are not judged by address.
//!
//! RFCs: draft-vixie-dnsop-dns-rpz §4.4, §4.5.
//!
//! [`Budget::max_address_lookups`]: crate::Budget::max_address_lookups

use std::net::IpAddr;

use nw_cache::{Cached, DataPath, Delegation, NameServer};
use nw_wire::code::RrType;
use nw_wire::name::Name;

use crate::answer::Answer;
use crate::classify::Finding;
use crate::resolution::{ClientQuestion, Walk};
use crate::select::ServerList;
use crate::signed::{Signed, target_of};
use crate::task::{Frame, Task};
use crate::trace::Trace;
use crate::world::World;

impl<W: World> Task<'_, W> {
    /// Whether *found*, of the cache, is data of *name* that came when no paths were recorded.
    pub(crate) fn lacks_path(&self, name: &Name, found: &Cached) -> bool {
        !matches!(found, Cached::Failure(_)) && self.core.cache.path(self.view, name.as_ref()).is_none()
    }

    /// Keep the delegations of *servers* for the names of *found*, if *frame* is that of the client's name.
    pub(crate) fn keep_paths(&self, sname: &Name, found: &Finding, servers: &ServerList, frame: &Frame<'_>) {
        if frame.depth > 0 || self.walk == Walk::Unrecorded {
            return;
        }
        let (sets, last) = match found {
            Finding::Data { sets, .. } | Finding::Absence { sets, .. } => (sets, None),
            // The next lookup is about the target.
            Finding::Alias { sets, target, .. } => (sets, Some(target)),
            Finding::TooLong { sets } => (sets, None),
        };
        let now = self.core.world.now();
        for name in std::iter::once(sname.clone()).chain(targets(sets)).filter(|name| Some(name) != last) {
            self.core.cache.put_path(DataPath::new(self.view, name.as_ref(), servers.cut.clone()), now);
        }
    }

    /// Keep the deepest delegation known for *sname*, whose data followed from the cache, unless its path is known.
    pub(crate) fn keep_own_path(&self, sname: &Name) {
        let cache = &self.core.cache;
        if cache.path(self.view, sname.as_ref()).is_none() {
            let cut = cache.nearest_cut(sname.as_ref());
            cache.put_path(DataPath::new(self.view, sname.as_ref(), cut), self.core.world.now());
        }
    }

    /// Look up the addresses of the servers of each name of *answer* that came without, of zones with at least *labels* labels.
    pub(crate) async fn complete_paths(
        &self,
        question: &ClientQuestion,
        answer: &Answer,
        labels: u8,
        frame: &Frame<'_>,
        trace: &Trace,
    ) {
        let cache = &self.core.cache;
        let mut known: Vec<NameServer> = Vec::new();
        for name in std::iter::once(question.name.clone()).chain(targets(&answer.sets)) {
            let Some(mut path) = cache.path(self.view, name.as_ref()).filter(|path| path.looked_up.is_none())
            else {
                continue;
            };
            let wanted = |cut: &&Delegation| cut.zone.as_ref().label_count() >= usize::from(labels);
            let servers = path.cuts().filter(wanted).flat_map(|cut| &cut.servers);
            let mut found: Vec<NameServer> = Vec::new();
            for server in servers.filter(|server| server.addresses.is_empty()) {
                if found.iter().any(|other| other.name == server.name) {
                    continue;
                }
                match known.iter().find(|other| other.name == server.name) {
                    Some(other) => found.push(other.clone()),
                    None => {
                        let Some(addresses) = self.all_addresses(&server.name, frame, trace).await else {
                            break;
                        };
                        let server = NameServer { name: server.name.clone(), addresses };
                        known.push(server.clone());
                        found.push(server);
                    }
                }
            }
            path.looked_up = Some(found.into());
            cache.put_path(path, self.core.world.now());
        }
    }

    /// The addresses of both families of the name server *name*. None: the budget has no further lookup.
    async fn all_addresses(&self, name: &Name, frame: &Frame<'_>, trace: &Trace) -> Option<Vec<IpAddr>> {
        let budget = &self.core.config.budget;
        let mut lookup = self.meter.address_lookup(budget).ok()?;
        let mut addresses = Vec::new();
        for rtype in [RrType::A, RrType::AAAA] {
            let Ok(below) = frame.below(name.as_ref(), rtype, budget.max_depth) else { continue };
            let Ok(found) = self.unchecked().lookup(name, rtype, &below, trace).await else { continue };
            let sets = found.sets.iter().filter(|set| set.rrset.rtype == rtype);
            let rdatas =
                sets.flat_map(|set| set.rrset.rdatas.iter()).take(budget.max_addresses_per_ns as usize);
            addresses.extend(rdatas.filter_map(|rdata| {
                let v4 = <[u8; 4]>::try_from(rdata).map(IpAddr::from).ok();
                v4.or_else(|| <[u8; 16]>::try_from(rdata).map(IpAddr::from).ok())
            }));
        }
        if addresses.is_empty() {
            lookup.in_vain(false);
        }
        Some(addresses)
    }
}

/// The targets of the aliases among *sets*.
fn targets(sets: &[Signed]) -> impl Iterator<Item = Name> {
    let aliases = sets.iter().filter(|set| set.rrset.rtype == RrType::CNAME);
    aliases.filter_map(|set| target_of(&set.rrset)).map(|target| target.to_name())
}
