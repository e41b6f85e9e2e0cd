//! Where a name would be answered from, decided without asking anybody: the same order as in `route.rs` and the resolver.
//!
//! ```text
//! zones of this server ─▶ local data ─▶ lists ─▶ reserved names ─▶ cache ─▶ locally served zones
//!                      ─▶ conditional forwarders ─▶ forwarders ─▶ root servers
//! ```
//!
//! The first source that has or may have the name is taken; the reasons of the others say why they are not. Lists apply as
//! to a client on this machine.

use std::net::Ipv4Addr;

use nw_cache::{Cache, Cached, Lookup, Micros, Reader};
use nw_policy::rules::{Action, Client, Link};
use nw_resolve::reason::Route;
use nw_resolve::{LocalRoot, LocalZones as _, ResolverConfig, is_special_use};
use nw_wire::name::NameRef;
use nw_wire::{Name, RrType};

use crate::snapshot::Snapshot;

/// A source of answers, and whether it is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Considered {
    /// The source's stable name.
    pub source: &'static str,
    /// Whether the name is answered from it.
    pub taken: bool,
    /// Why, or why not.
    pub why: String,
}

/// The sources for *name* and *rtype* in their order, up to the one that is taken, and those after it.
pub fn decide(
    snapshot: &Snapshot,
    cache: &Cache,
    name: NameRef<'_>,
    rtype: RrType,
    now: Micros,
) -> Vec<Considered> {
    let mut all = Vec::new();
    let zone = snapshot.find_zone(None, name, rtype).map(nw_zone::ZoneEntry::apex);
    let overlay = zone.is_some_and(|apex| snapshot.is_overlay(apex));
    add(
        &mut all,
        "zones",
        zone.is_some() && !overlay,
        match zone {
            Some(apex) if overlay => {
                format!("{apex} is an overlay: the names that it lacks are looked up elsewhere")
            }
            Some(apex) => format!("{apex} is served here"),
            None => "no zone of this server contains the name".to_owned(),
        },
    );
    let Some(config) = snapshot.resolver() else {
        add(&mut all, "resolver", false, "this server does not resolve names".to_owned());
        return all;
    };
    let data = snapshot.local_data().and_then(|data| data.answer(name, rtype));
    let why = match &data {
        Some((_, source)) => format!("{source} says what the name has"),
        None => "neither [[local]] nor [[hosts]] has the name".to_owned(),
    };
    add(&mut all, "local-data", data.is_some(), why);
    let (listed, why) = listed(snapshot, name);
    add(&mut all, "lists", listed, why);
    let cache_only = snapshot.plan().resolver.as_ref().is_some_and(|plan| plan.config.cache_only);
    let forwarded = config.forward(name).is_some_and(|forward| !forward.suffix.as_ref().is_root());
    let reserved = config.special_use && is_special_use(name, rtype);
    add(
        &mut all,
        "reserved-names",
        reserved && !forwarded,
        match (reserved, forwarded) {
            (true, true) => "a conditional forwarder overrides the reserved name".to_owned(),
            (true, false) => "the name is reserved and answered here (RFC 6761)".to_owned(),
            (false, _) => "the name is not reserved".to_owned(),
        },
    );
    let (cached, why) = cached(cache, name, rtype, now);
    add(&mut all, "cache", cached, why);
    let local = snapshot.local_zones().and_then(|zones| zones.answer(name, rtype));
    add(
        &mut all,
        "local-zones",
        local.is_some(),
        match &local {
            Some(local) => format!("{} is a locally served zone (RFC 6303)", local.apex),
            None => "no locally served zone contains the name".to_owned(),
        },
    );
    beyond(&mut all, config, cache, name, now, cache_only);
    all
}

/// Whether a list decides about *name*, and which one.
fn listed(snapshot: &Snapshot, name: NameRef<'_>) -> (bool, String) {
    let Some(policies) = snapshot.policies() else {
        return (false, "there are no lists".to_owned());
    };
    let client = Client { address: Ipv4Addr::LOCALHOST.into(), key: None, dnssec_ok: false };
    let all = policies.all_for(&client, &Link { name, addresses: &[], servers: &[] }, true);
    let Some(found) = all.into_iter().find(|found| !found.list.settings.log_only) else {
        return (
            false,
            "no list has a rule for the name; those for addresses apply to the answer".to_owned(),
        );
    };
    let (list, trigger, action) = (&found.list.settings.name, &found.trigger, found.action.slug());
    let passes = matches!(found.action, Action::Passthru);
    (!passes, format!("list {list} has a rule for {trigger} ({action}); `nw policy test` shows its line"))
}

/// Add a source; the first one that could be taken is.
fn add(all: &mut Vec<Considered>, source: &'static str, applies: bool, why: String) {
    let taken = applies && all.iter().all(|other| !other.taken);
    all.push(Considered { source, taken, why });
}

fn cached(cache: &Cache, name: NameRef<'_>, rtype: RrType, now: Micros) -> (bool, String) {
    match cache.get_as(&Reader::default(), name, rtype, now) {
        Lookup::Hit { found, age_s, left_s, .. } => {
            let what = match found {
                Cached::Rrset(_) => "the answer",
                Cached::Alias(_) => "an alias",
                Cached::NoData(_) => "that there is no data of this type",
                Cached::NxDomain(_) => "that the name does not exist",
                Cached::Failure(_) => "a failure",
            };
            (true, format!("the cache holds {what}, {age_s} s old, for {left_s} s more"))
        }
        Lookup::Expired { age_s } => (false, format!("the cache holds an expired entry, {age_s} s old")),
        Lookup::Miss => (false, "the cache holds nothing for this name and type".to_owned()),
    }
}

/// Add forwarders and root servers.
fn beyond(
    all: &mut Vec<Considered>,
    config: &ResolverConfig,
    cache: &Cache,
    name: NameRef<'_>,
    now: Micros,
    cache_only: bool,
) {
    let route = config.route(name);
    let servers = config.forward(name).map(|forward| {
        let mut servers: Vec<String> = forward.servers.iter().map(ToString::to_string).collect();
        if forward.fallback {
            servers.push("the root servers if all of them fail".to_owned());
        }
        servers.join(", ")
    });
    let servers = servers.unwrap_or_default();
    let (conditional, why) = match &route {
        Route::Conditional(suffix) => (true, format!("[[forward]] suffix {suffix}: {servers}")),
        Route::Stub(zone) => (true, format!("[[forward]] suffix {zone}, authoritative: {servers}")),
        Route::Exception(suffix) => (false, format!("[[forward]] suffix {suffix} is an exception")),
        _ => (false, "no [[forward]] with a suffix is for this name".to_owned()),
    };
    add(all, "conditional-forwarders", conditional, why);
    let (forwarders, why) = match &route {
        Route::Forwarders => (true, format!("[[forward]] for all names: {servers}")),
        _ if config.forwards.iter().any(|forward| forward.suffix.as_ref().is_root()) => {
            (false, "a longer suffix decides".to_owned())
        }
        _ => (false, "no [[forward]] is for all names".to_owned()),
    };
    add(all, "forwarders", forwarders, why);
    let nearest = std::iter::successors(Some(name), |name| name.parent());
    let nearest = nearest.filter_map(|above| cache.cut(above, now)).next().map(|cut| cut.zone.clone());
    let asks = !config.hints.is_empty() && !cache_only;
    let iterates = matches!(route, Route::Exception(_) | Route::Root { .. }) && asks;
    let why = match nearest {
        _ if cache_only => "cache_only: no lookup begins there".to_owned(),
        _ if config.hints.is_empty() => "no root hints are configured".to_owned(),
        Some(zone) if zone != Name::root() => {
            format!("the delegations lead to the name; the nearest known servers are those of {zone}")
        }
        Some(_) => "the delegations lead to the name; only the root servers are known so far".to_owned(),
        None => "the delegations lead to the name; the root servers are asked for first".to_owned(),
    };
    let why = match config.local_root.as_deref() {
        Some(LocalRoot::Copy { zone, .. }) => {
            format!("{why}; the local copy of the root, serial {}, answers in their place", zone.serial())
        }
        Some(LocalRoot::Unusable(reason)) => {
            format!("{why}; the local copy of the root is not used: {reason}")
        }
        None => why,
    };
    add(all, "root-servers", iterates, why);
}

#[cfg(test)]
mod tests;
