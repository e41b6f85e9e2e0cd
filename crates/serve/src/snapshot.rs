//! What a server serves, and its settings, at one moment. A snapshot is immutable: each change makes another one.
//!
//! ```text
//! plan  ── build ──▶ Settings ─┐
//! zones ───────────────────────┼─▶ Snapshot ── changed ──▶ Snapshot'    shares what did not change
//! artifacts ───────────────────┘
//! ```
//!
//! Settings, zones and artifacts change independently. [`Snapshot::changed`] replaces, adds and removes zones and
//! keeps the rest. [`Snapshot::with_artifacts`] does the same for artifacts. [`Snapshot::succeeding`] applies new
//! settings and keeps the served zones and artifacts. If a zone was published while the new settings were built, its
//! published version stays.
//!
//! Workers read a snapshot without locks. Publishing one is a pointer swap, and queries in progress keep the snapshot
//! that they started with.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use nw_policy::rules::Policies;
use nw_policy::{Acl, Detector, Rrl, Suffixes, View};
use nw_resolve::{ClientQuestion, LocalRoot, ResolverConfig};
use nw_wire::{Name, NameRef, Opcode, RrType};
use nw_zone::{Cause, Difference, Zone, ZoneEntry, Zones};

use crate::artifact::{Artifact, Artifacts};
use crate::detect::ARTIFACT as SUFFIXES;
use crate::expiries::Expiries;
use crate::filter::{self, Filter};
use crate::local::{self, Identity};
use crate::local_data::AppliedData;
use crate::local_root::ARTIFACT as LOCAL_ROOT;
use crate::local_zones::LocalZones;
use crate::opcode::{self, Handler};
use crate::pipeline::{self, Environment};
use crate::plan::{ClientRule, Plan, PlanError};
use crate::policies::ARTIFACT as POLICIES;
use crate::stats::Stats;
use crate::transfer::{self, Transfers};
use crate::tsig::Keys;
use crate::verdict::{Handled, Transport};

/// Settings with zones and artifacts.
#[derive(Clone)]
pub struct Snapshot {
    settings: Arc<Settings>,
    zones: Zones,
    artifacts: Artifacts,
    /// The lists among the artifacts.
    policies: Option<Arc<Policies>>,
    /// The resolver's configuration, with the local root among the artifacts.
    resolver: Option<Arc<ResolverConfig>>,
    /// Whether lists or filters act on answers.
    filters_answers: bool,
    /// Its table outlives changes of everything but its own settings. None: no limit.
    rrl: Option<Arc<Rrl>>,
    /// The transfers in progress. Outlives every change.
    transfers: Arc<Transfers>,
    /// When copies of other servers' zones expire. Outlives every change.
    expiries: Arc<Expiries>,
    /// Watches lookups and responses, and outlives changes of everything but its own settings. None: nothing is watched.
    detector: Option<Arc<Detector>>,
    /// The public suffix list among the artifacts.
    suffixes: Option<Arc<Suffixes>>,
}

/// The data that depends only on the plan.
struct Settings {
    plan: Plan,
    resolver: Option<Arc<ResolverConfig>>,
    locals: Vec<Identity>,
    zone_acls: HashMap<Name, Acl>,
    /// Who may transfer which zone.
    transfer_clients: HashMap<Name, Vec<ClientRule>>,
    local_zones: Option<Arc<LocalZones>>,
    /// Those of clients without a view. None: there are none.
    local_data: Option<AppliedData>,
    overlays: HashSet<Name>,
    /// The zones that are copies of other servers', and whether each forwards updates.
    copies: HashMap<Name, bool>,
    views: Vec<ViewSettings>,
    keys: Keys,
    filters: Vec<Arc<dyn Filter>>,
    handlers: Vec<Arc<dyn Handler>>,
}

/// A view and the zones that its clients see.
pub(crate) struct ViewSettings {
    pub(crate) view: View,
    /// None: all zones.
    zones: Option<HashSet<Name>>,
    /// The cache entries that its clients read and fill: 0 for all views that share the cache.
    pub(crate) cache_view: u16,
    /// The local data of its clients. None: there are none.
    pub(crate) local_data: Option<AppliedData>,
}

/// The result of a dry run.
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
    /// Build a snapshot from a JSON plan and the data of its zones, or return every error.
    ///
    /// A zone of the plan without data is [`Cause::Waiting`] until [`Snapshot::changed`] brings its data.
    pub fn build(plan: &[u8], zones: Vec<Zone>) -> Result<Snapshot, Vec<PlanError>> {
        Snapshot::from_plan(Plan::parse(plan)?, zones)
    }

    /// Build a snapshot from a parsed plan.
    pub fn from_plan(plan: Plan, zones: Vec<Zone>) -> Result<Snapshot, Vec<PlanError>> {
        let mut errors = Vec::new();
        let mut error = |path: String, message: String| errors.push(PlanError { path, message });
        let named: HashSet<NameRef<'_>> = plan.zones.iter().map(|zone| zone.name.as_ref()).collect();
        let mut given: HashSet<NameRef<'_>> = HashSet::new();
        for zone in &zones {
            let apex = zone.apex();
            if !named.contains(&apex) {
                error("zones".to_owned(), format!("zone {apex} is not in the plan"));
            } else if !given.insert(apex) {
                error("zones".to_owned(), format!("zone {apex} was passed twice"));
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let waiting = plan.zones.iter().map(|zone| zone.name.as_ref()).filter(|name| !given.contains(name));
        let waiting: Vec<ZoneEntry> =
            waiting.map(|name| ZoneEntry::unavailable(name, Cause::Waiting, "")).collect();
        let zones = zones.into_iter().map(ZoneEntry::from).chain(waiting).collect();
        let zone_acls =
            plan.zones.iter().filter_map(|zone| Some((zone.name.clone(), zone.query_acl.clone()?))).collect();
        let transferable = plan.zones.iter().filter(|zone| !zone.transfer.is_empty());
        let transfer_clients = transferable.map(|zone| (zone.name.clone(), zone.transfer.clone())).collect();
        let common = plan.resolver.as_ref().map(|it| &it.local);
        let view = |(at, view): (usize, &crate::plan::ViewPlan)| {
            let own = plan.resolver.as_ref().and_then(|it| it.local_of_views.get(&view.view.name));
            let as_everybody = own.is_none() && view.common_local;
            let shared = view.shared_cache && as_everybody;
            ViewSettings {
                view: view.view.clone(),
                zones: view.zones.as_ref().map(|zones| zones.iter().cloned().collect()),
                cache_view: if shared { 0 } else { u16::try_from(at + 1).unwrap_or(u16::MAX) },
                local_data: AppliedData::new(own, common.filter(|_| view.common_local)).if_any(),
            }
        };
        let views: Vec<ViewSettings> = plan.views.iter().enumerate().map(view).collect();
        let local_data = AppliedData::new(None, common);
        let local_zones = plan.resolver.as_ref().map(|resolver| {
            let own = views.iter().filter(|view| view.cache_view > 0);
            let own = own.map(|view| (view.cache_view, view.local_data.clone().unwrap_or_default()));
            Arc::new(LocalZones::new(resolver, local_data.clone(), own.collect()))
        });
        let resolver = plan.resolver.as_ref().map(|resolver| {
            let local = local_zones.clone().map(|zones| zones as Arc<dyn nw_resolve::LocalZones>);
            Arc::new(ResolverConfig { local, ..resolver.config.clone() })
        });
        let locals = local::names(&plan);
        let overlays = plan.zones.iter().filter(|zone| zone.overlay).map(|zone| zone.name.clone()).collect();
        let copies = plan.zones.iter().filter(|zone| zone.notify.is_some());
        let copies = copies.map(|zone| (zone.name.clone(), zone.forwards_updates)).collect();
        let filters = filter::registered(&plan);
        let filters_answers = !filters.is_empty();
        let settings = Arc::new(Settings {
            resolver,
            locals,
            zone_acls,
            transfer_clients,
            local_zones,
            local_data: local_data.if_any(),
            overlays,
            copies,
            views,
            keys: Keys::default(),
            filters,
            handlers: opcode::registered(&plan),
            plan,
        });
        let rrl = settings.plan.rrl.clone().map(|rrl| Arc::new(Rrl::new(rrl)));
        let detector = settings.plan.detect.clone().map(|detect| Arc::new(Detector::new(detect)));
        let resolver = settings.resolver.clone();
        Ok(Snapshot {
            settings,
            zones,
            artifacts: Artifacts::default(),
            policies: None,
            resolver,
            filters_answers,
            rrl,
            transfers: Arc::default(),
            expiries: Arc::default(),
            detector,
            suffixes: None,
        })
    }

    /// The snapshot after `changes` to its zones. Each change is an apex and its new entry, or None to remove it.
    #[must_use]
    pub fn changed(&self, changes: impl IntoIterator<Item = (Name, Option<ZoneEntry>)>) -> Snapshot {
        self.changed_by(changes, &HashMap::new())
    }

    /// Do the same. `history`: the differences that lead from the served version of a zone to the new one, the oldest first, which IXFR
    /// may then send. None at all if the records are the same. A zone that is not in it loses its earlier differences.
    #[must_use]
    pub fn changed_by(
        &self,
        changes: impl IntoIterator<Item = (Name, Option<ZoneEntry>)>,
        history: &HashMap<Name, Vec<Difference>>,
    ) -> Snapshot {
        let plan = &self.plan().transfers;
        let changes = changes.into_iter().map(|(name, entry)| {
            let entry = entry.map(|entry| match entry {
                ZoneEntry::Loaded(zone) => {
                    let clients = self.transfer_clients(name.as_ref());
                    let differences = history.get(&name).map(Vec::as_slice);
                    let former = self.zones.get(name.as_ref());
                    transfer::with_history(zone, former, differences, plan, clients).into()
                }
                unavailable @ ZoneEntry::Unavailable(_) => unavailable,
            });
            (name, entry)
        });
        Snapshot { zones: self.zones.changed(changes), ..self.clone() }
    }

    /// The snapshot after `changes` to its artifacts. Each change is a name and its new artifact, or None to remove
    /// it.
    #[must_use]
    pub fn with_artifacts(&self, changes: impl IntoIterator<Item = (String, Option<Artifact>)>) -> Snapshot {
        self.clone().with(self.artifacts.changed(changes))
    }

    fn with(self, artifacts: Artifacts) -> Snapshot {
        let policies = artifacts.shared(POLICIES);
        let filters_answers = policies.is_some() || !self.settings.filters.is_empty();
        let resolver = self.resolver_with(artifacts.shared(LOCAL_ROOT));
        let suffixes = artifacts.shared(SUFFIXES);
        Snapshot { artifacts, policies, resolver, suffixes, filters_answers, ..self }
    }

    /// The resolver's configuration with the local root *root*. The allocation stays if nothing changes.
    fn resolver_with(&self, root: Option<Arc<LocalRoot>>) -> Option<Arc<ResolverConfig>> {
        let (configured, current) = (self.settings.resolver.as_ref()?, self.resolver.as_ref()?);
        match root {
            None => Some(Arc::clone(configured)),
            Some(root) if current.local_root.as_ref().is_some_and(|known| Arc::ptr_eq(known, &root)) => {
                Some(Arc::clone(current))
            }
            Some(root) => {
                Some(Arc::new(ResolverConfig { local_root: Some(root), ..ResolverConfig::clone(configured) }))
            }
        }
    }

    /// The snapshot with these settings that replaces `former`.
    ///
    /// A zone that `former` serves keeps its entry. A zone that only this snapshot has comes from this snapshot. A
    /// zone that only the plan of `former` names is removed. So the settings add and remove zones together with their
    /// access lists, and never replace the data of a zone. The artifacts are those of `former`.
    #[must_use]
    pub fn succeeding(&self, former: &Snapshot) -> Snapshot {
        let removed = former.plan().zones.iter().map(|zone| &zone.name);
        let removed = removed.filter(|name| self.zones.get(name.as_ref()).is_none());
        let removed = removed.map(|name| (name.clone(), None));
        let added = self.zones.iter().filter(|entry| former.zones.get(entry.apex()).is_none());
        let added = added.map(|entry| (entry.apex().to_name(), Some(entry.clone())));
        let zones = former.zones.changed(removed.chain(added));
        let same = |rrl: &&Arc<Rrl>| self.settings.plan.rrl.as_ref() == Some(rrl.settings());
        let rrl = former.rrl.as_ref().filter(same).or(self.rrl.as_ref()).cloned();
        let same =
            |detector: &&Arc<Detector>| self.settings.plan.detect.as_ref() == Some(detector.settings());
        let detector = former.detector.as_ref().filter(same).or(self.detector.as_ref()).cloned();
        let (transfers, expiries) = (Arc::clone(&former.transfers), Arc::clone(&former.expiries));
        Snapshot { zones, rrl, transfers, expiries, detector, ..self.clone() }.with(former.artifacts.clone())
    }

    /// Add the secrets of the TSIG keys that the plan names (RFC 8945). Every key needs one, and no others are
    /// accepted.
    ///
    /// # Panics
    /// If the snapshot was cloned before.
    pub fn with_secrets(mut self, secrets: Vec<(Name, Vec<u8>)>) -> Result<Snapshot, Vec<PlanError>> {
        let mut errors = Vec::new();
        let mut secrets: HashMap<Name, Vec<u8>> = secrets.into_iter().collect();
        let settings = self.settings_mut();
        for (i, key) in settings.plan.keys.iter().enumerate() {
            match secrets.remove(&key.name) {
                Some(secret) => settings.keys.add(key.name.clone(), key.algorithm.clone(), &secret),
                None => errors.push(PlanError {
                    path: format!("keys[{i}]"),
                    message: format!("no secret was given for key {}", key.name),
                }),
            }
        }
        let mut unnamed: Vec<_> = secrets.into_keys().map(|name| name.to_string()).collect();
        unnamed.sort_unstable();
        errors.extend(unnamed.into_iter().map(|name| PlanError {
            path: "keys".to_owned(),
            message: format!("a secret was given for key {name}, which is not in the plan"),
        }));
        if errors.is_empty() { Ok(self) } else { Err(errors) }
    }

    /// Add a filter after those of the plan.
    ///
    /// # Panics
    /// If the snapshot was cloned before.
    #[must_use]
    pub fn with_filter(mut self, filter: Arc<dyn Filter>) -> Snapshot {
        self.settings_mut().filters.push(filter);
        self.filters_answers = true;
        self
    }

    /// Add the handler of an opcode.
    ///
    /// # Panics
    /// If the snapshot was cloned before.
    #[must_use]
    pub fn with_handler(mut self, handler: Arc<dyn Handler>) -> Snapshot {
        self.settings_mut().handlers.push(handler);
        self
    }

    fn settings_mut(&mut self) -> &mut Settings {
        Arc::get_mut(&mut self.settings).expect("a snapshot is completed before it is shared")
    }

    /// The result of the pipeline for *packet*: a pure dry run, without cache, counters or I/O.
    pub fn answer(&self, packet: &[u8], client: SocketAddr, transport: Transport) -> DryRun {
        let mut room = vec![0; usize::from(u16::MAX)];
        let environment = Environment {
            snapshot: &Arc::new(self.clone()),
            cache: None,
            now: 0,
            unix_s: &|| 0,
            stats: &Stats::default(),
            recorder: None,
            telemetry: None,
            renew: None,
            trace: None,
            receipt: None,
        };
        match pipeline::handle(&environment, packet, client, transport, &mut room) {
            Handled::Reply(length) => {
                room.truncate(length);
                DryRun::Reply(room)
            }
            Handled::Drop | Handled::Stream(_) | Handled::Control(_) => DryRun::Silence,
            Handled::Later(pending) => DryRun::Lookup(pending.ask.question),
        }
    }

    /// The plan.
    #[inline]
    pub fn plan(&self) -> &Plan {
        &self.settings.plan
    }

    /// The resolver's configuration, or None without a resolver. Snapshots with the same settings and the same local
    /// root share the allocation.
    pub fn resolver(&self) -> Option<&Arc<ResolverConfig>> {
        self.resolver.as_ref()
    }

    /// The zones.
    #[inline]
    pub fn zones(&self) -> &Zones {
        &self.zones
    }

    /// The artifacts.
    pub fn artifacts(&self) -> &Artifacts {
        &self.artifacts
    }

    /// Whether `other` has the same settings. The zones may differ.
    pub fn same_settings(&self, other: &Snapshot) -> bool {
        Arc::ptr_eq(&self.settings, &other.settings)
    }

    /// Whether recursion is available to *client*: its address is permitted and there is a resolver.
    #[inline]
    pub(crate) fn recurses_for(&self, client: IpAddr) -> bool {
        self.settings.resolver.is_some() && self.settings.plan.acls.recursion.allows(client)
    }

    /// Whether *client* may read the cache with queries without RD.
    pub(crate) fn cache_for(&self, client: IpAddr) -> bool {
        let acls = &self.settings.plan.acls;
        self.settings.resolver.is_some()
            && acls.query.allows(client)
            && acls.cache.as_ref().unwrap_or(&acls.recursion).allows(client)
    }

    /// The zone that answers for *qname*, among the zones of *view*.
    #[inline(always)]
    pub(crate) fn find_zone(
        &self,
        view: Option<&ViewSettings>,
        qname: NameRef<'_>,
        qtype: RrType,
    ) -> Option<&ZoneEntry> {
        let zone = self.zones.find(qname, qtype)?;
        match view.and_then(|view| view.zones.as_ref()) {
            None => Some(zone),
            Some(seen) => self.find_seen(seen, zone, qtype),
        }
    }

    /// *zone*, or the closest zone above it that is in *seen*.
    #[cold]
    fn find_seen<'s>(
        &'s self,
        seen: &HashSet<Name>,
        zone: &'s ZoneEntry,
        qtype: RrType,
    ) -> Option<&'s ZoneEntry> {
        let mut zone = zone;
        while !seen.contains(&zone.apex().to_name()) {
            zone = self.zones.find(zone.apex().parent()?, qtype)?;
        }
        Some(zone)
    }

    /// Whether the search for a name that the zone does not contain continues outside of it.
    #[inline]
    pub(crate) fn is_overlay(&self, apex: NameRef<'_>) -> bool {
        !self.settings.overlays.is_empty() && self.is_among_overlays(apex)
    }

    #[inline(never)]
    fn is_among_overlays(&self, apex: NameRef<'_>) -> bool {
        self.settings.overlays.contains(&apex.to_name())
    }

    #[inline]
    pub(crate) fn views(&self) -> &[ViewSettings] {
        &self.settings.views
    }

    pub(crate) fn view(&self, at: u16) -> &ViewSettings {
        &self.settings.views[usize::from(at)]
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.settings.keys
    }

    pub(crate) fn local_zones(&self) -> Option<&LocalZones> {
        self.settings.local_zones.as_deref()
    }

    /// Whether lists or filters act on answers.
    #[inline]
    pub(crate) fn filters_answers(&self) -> bool {
        self.filters_answers
    }

    /// The lists.
    #[inline]
    pub(crate) fn policies(&self) -> Option<&Policies> {
        self.policies.as_deref()
    }

    /// The limiter of responses, if it is on.
    #[inline]
    pub fn rrl(&self) -> Option<&Arc<Rrl>> {
        self.rrl.as_ref()
    }

    /// The detector of tunnels and amplification, if it is on.
    #[inline]
    pub fn detector(&self) -> Option<&Arc<Detector>> {
        self.detector.as_ref()
    }

    /// The public suffix list.
    pub(crate) fn suffixes(&self) -> Option<&Suffixes> {
        self.suffixes.as_deref()
    }

    /// The local data of clients without a view.
    #[inline]
    pub(crate) fn local_data(&self) -> Option<&AppliedData> {
        self.settings.local_data.as_ref()
    }

    #[inline]
    pub(crate) fn filters(&self) -> &[Arc<dyn Filter>] {
        &self.settings.filters
    }

    pub(crate) fn handler(&self, opcode: Opcode) -> Option<&Arc<dyn Handler>> {
        self.settings.handlers.iter().find(|handler| handler.opcode() == opcode)
    }

    pub(crate) fn locals(&self) -> &[Identity] {
        &self.settings.locals
    }

    #[inline]
    pub(crate) fn any_zone_acl(&self) -> bool {
        !self.settings.zone_acls.is_empty()
    }

    /// The clients that may transfer the zone *apex*.
    pub(crate) fn transfer_clients(&self, apex: NameRef<'_>) -> &[ClientRule] {
        // Most servers have no such zone.
        if self.settings.transfer_clients.is_empty() {
            return &[];
        }
        self.settings.transfer_clients.get(&apex.to_name()).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn transfers(&self) -> &Arc<Transfers> {
        &self.transfers
    }

    /// When the copies that this server has of other servers' zones expire.
    pub fn expiries(&self) -> &Expiries {
        &self.expiries
    }

    /// In how many seconds `zone` expires here (RFC 7314 §3): the EXPIRE of its SOA, or the time that is left of a copy. None: it
    /// is not known yet.
    pub(crate) fn expire_s(&self, zone: &Zone, unix_s: u64) -> Option<u32> {
        let apex = zone.apex().to_name();
        if !self.settings.copies.contains_key(&apex) {
            return Some(zone.expire_s());
        }
        let left = self.expiries.get(&apex)?.saturating_sub(unix_s);
        Some(u32::try_from(left).unwrap_or(u32::MAX))
    }

    /// Whether updates of the zone `apex` are forwarded to a primary.
    pub(crate) fn forwards_updates(&self, apex: NameRef<'_>) -> bool {
        self.settings.copies.get(&apex.to_name()).is_some_and(|forwards| *forwards)
    }

    pub(crate) fn zone_acl(&self, apex: NameRef<'_>) -> Option<&Acl> {
        self.settings.zone_acls.get(&apex.to_name())
    }
}

#[cfg(test)]
mod tests;
