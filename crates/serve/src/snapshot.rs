//! Everything that a server serves and by which rules, at one moment. Immutable: a change is another snapshot.
//!
//! ```text
//! plan ─┐
//!       ├─ build ─▶ Snapshot ── with_zones ─▶ Snapshot'      shares the settings and every zone that did not change
//! zones ┘
//! ```
//!
//! Workers read a snapshot without locks; publishing one is a pointer swap, and questions under way keep the one they
//! began with.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use nw_policy::Acl;
use nw_resolve::{ClientQuestion, ResolverConfig};
use nw_wire::{Name, NameRef};
use nw_zone::{Zone, Zones};

use crate::local::{self, Local};
use crate::pipeline::{self, Desk};
use crate::plan::{Plan, PlanError};
use crate::stats::Stats;
use crate::verdict::{Handled, Transport};

/// A plan with its zones.
#[derive(Clone)]
pub struct Snapshot {
    settings: Arc<Settings>,
    zones: Zones,
}

/// What follows from the plan alone.
struct Settings {
    plan: Plan,
    resolver: Option<Arc<ResolverConfig>>,
    locals: Vec<Local>,
    zone_acls: HashMap<Name, Acl>,
}

/// What a snapshot would do with a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DryRun {
    /// Send this.
    Reply(Vec<u8>),
    /// Send nothing.
    Silence,
    /// Look this up first.
    Lookup(ClientQuestion),
}

impl Snapshot {
    /// Build a snapshot from a JSON plan and the data of the zones it names, or say everything that is wrong.
    pub fn build(plan: &[u8], zones: Vec<Zone>) -> Result<Snapshot, Vec<PlanError>> {
        Snapshot::from_plan(Plan::parse(plan)?, zones)
    }

    /// Build a snapshot from a plan that was read already.
    pub fn from_plan(plan: Plan, zones: Vec<Zone>) -> Result<Snapshot, Vec<PlanError>> {
        let mut errors = Vec::new();
        let mut error = |path: String, message: String| errors.push(PlanError { path, message });
        let mut data: HashMap<NameRef<'_>, usize> = HashMap::new();
        for zone in &zones {
            *data.entry(zone.apex()).or_default() += 1;
        }
        for (i, zone) in plan.zones.iter().enumerate() {
            match data.remove(&zone.name.as_ref()) {
                Some(1) => {}
                Some(_) => {
                    error(format!("zones[{i}]"), format!("more than one zone {} was handed over", zone.name))
                }
                None => {
                    error(format!("zones[{i}]"), format!("no data of zone {} was handed over", zone.name))
                }
            }
        }
        let mut unnamed: Vec<_> = data.keys().map(ToString::to_string).collect();
        unnamed.sort_unstable();
        for name in unnamed {
            error("zones".to_owned(), format!("zone {name} was handed over but is not in the plan"));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let zone_acls =
            plan.zones.iter().filter_map(|zone| Some((zone.name.clone(), zone.query_acl.clone()?))).collect();
        let resolver = plan.resolver.as_ref().map(|resolver| Arc::new(resolver.config.clone()));
        let locals = local::names(&plan);
        let settings = Arc::new(Settings { plan, resolver, locals, zone_acls });
        Ok(Snapshot { settings, zones: zones.into_iter().collect() })
    }

    /// The same snapshot with these zones in place of those of the same name; or the zones that it does not serve.
    pub fn with_zones(&self, zones: Vec<Zone>) -> Result<Snapshot, Vec<PlanError>> {
        let unknown: Vec<PlanError> = zones
            .iter()
            .filter(|zone| self.zones.get(zone.apex()).is_none())
            .map(|zone| PlanError {
                path: "zones".to_owned(),
                message: format!("zone {} is not served", zone.apex()),
            })
            .collect();
        if !unknown.is_empty() {
            return Err(unknown);
        }
        Ok(Snapshot {
            settings: Arc::clone(&self.settings),
            zones: zones.into_iter().fold(self.zones.clone(), |set, zone| set.with(zone)),
        })
    }

    /// What the pipeline does with *packet*: a pure dry run, without cache, counters or I/O.
    pub fn answer(&self, packet: &[u8], client: SocketAddr, transport: Transport) -> DryRun {
        let mut room = vec![0; usize::from(u16::MAX)];
        let desk = Desk { snapshot: self, cache: None, now: 0, stats: &Stats::default() };
        match pipeline::handle(&desk, packet, client, transport, &mut room) {
            Handled::Reply(length) => {
                room.truncate(length);
                DryRun::Reply(room)
            }
            Handled::Drop => DryRun::Silence,
            Handled::Later(pending) => DryRun::Lookup(pending.ask.question),
        }
    }

    /// The plan.
    #[inline]
    pub fn plan(&self) -> &Plan {
        &self.settings.plan
    }

    /// What a resolver is told, or None where nothing is resolved. The same allocation as long as the plan is the same.
    pub fn resolver(&self) -> Option<&Arc<ResolverConfig>> {
        self.settings.resolver.as_ref()
    }

    /// The zones.
    #[inline]
    pub fn zones(&self) -> &Zones {
        &self.zones
    }

    /// Whether *other* came from the same plan, so that only zones differ.
    pub fn same_settings(&self, other: &Snapshot) -> bool {
        Arc::ptr_eq(&self.settings, &other.settings)
    }

    /// Whether *client* may have recursion and there is a resolver to give it.
    #[inline]
    pub(crate) fn recurses_for(&self, client: IpAddr) -> bool {
        self.settings.resolver.is_some() && self.settings.plan.acls.recursion.allows(client)
    }

    pub(crate) fn locals(&self) -> &[Local] {
        &self.settings.locals
    }

    #[inline]
    pub(crate) fn any_zone_acl(&self) -> bool {
        !self.settings.zone_acls.is_empty()
    }

    pub(crate) fn zone_acl(&self, apex: NameRef<'_>) -> Option<&Acl> {
        self.settings.zone_acls.get(&apex.to_name())
    }
}

#[cfg(test)]
mod tests;
