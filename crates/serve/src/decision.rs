//! Where a name would be answered from, decided without asking anybody: the same order as in `route.rs` and the resolver.
//!
//! ```text
//! zones of this server ─▶ local data ─▶ lists ─▶ reserved names ─▶ cache ─▶ locally served zones
//!                      ─▶ conditional forwarders ─▶ forwarders ─▶ root servers
//! ```
//!
//! The first source that has or may have the name is taken; the reasons of the others say why they are not. View and lists
//! are those of a client on this machine.

use std::net::Ipv4Addr;

use nw_cache::{Cache, Cached, HitQuestion, Lookup, Micros, Reader, State};
use nw_policy::rules::{Action, Client, Link};
use nw_policy::view;
use nw_resolve::reason::{Reason, Route};
use nw_resolve::{LocalRoot, LocalZones as _, ResolverConfig, is_special_use};
use nw_wire::name::NameRef;
use nw_wire::{Class, Name, RrType};
use nw_zone::ZoneEntry;

use crate::local_data::{Found, Said};
use crate::snapshot::Snapshot;

/// A source of answers, and whether it is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Considered {
    /// The source's stable name.
    pub source: &'static str,
    /// Whether the name is answered from it.
    pub taken: bool,
    /// Whether it refuses or fails: clients get no answer from it.
    pub fails: bool,
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
    // A client on this machine sees a view.
    let views = snapshot.views().iter().map(|view| &view.view);
    let view = view::select(views, Ipv4Addr::LOCALHOST.into(), None).map(|at| &snapshot.views()[at]);
    let entry = snapshot.find_zone(view, name, rtype);
    let zone = entry.map(ZoneEntry::apex);
    let overlay = zone.is_some_and(|apex| snapshot.is_overlay(apex));
    add(
        &mut all,
        "zones",
        zone.is_some() && !overlay,
        match zone {
            Some(apex) if overlay => {
                format!("{apex} is an overlay: the names that it lacks are looked up elsewhere")
            }
            Some(apex) => match entry {
                Some(ZoneEntry::Unavailable(_)) => format!("{apex} is served here and has no usable data"),
                _ => format!("{apex} is served here"),
            },
            None => "no zone of this server contains the name".to_owned(),
        },
    )
    .fails = matches!(entry, Some(ZoneEntry::Unavailable(_)));
    let Some(config) = snapshot.resolver() else {
        add(&mut all, "resolver", false, "this server does not resolve names".to_owned());
        return all;
    };
    let data = match view {
        Some(view) => view.local_data.as_ref(),
        None => snapshot.local_data(),
    };
    let data = data.and_then(|data| data.find(name, rtype));
    let why = match &data {
        Some(Found { said: Said::Refuse, source, .. }) => format!("{source} refuses queries for the name"),
        Some(Found { said: Said::Deny, source, .. }) => {
            format!("{source} denies the name: no response is sent")
        }
        Some(Found { source, .. }) => format!("{source} says what the name has"),
        None => "neither [[local]] nor [[hosts]] has the name".to_owned(),
    };
    let fails = data.as_ref().is_some_and(|found| !matches!(found.said, Said::Answer(_)));
    add(&mut all, "local-data", data.is_some(), why).fails = fails;
    let (listed, fails, why) = listed(snapshot, name);
    add(&mut all, "lists", listed, why).fails = fails;
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
    let local = snapshot.local_zones().and_then(|zones| zones.answer(name, rtype));
    let reader = Reader { view: view.map_or(0, |view| view.cache_view), ..Reader::default() };
    let asked = Asked { config, cache, reader, name, rtype, now };
    let (mut from_cache, fails, mut why) = cached(&asked);
    if !from_cache
        && local.is_none()
        && let Some(follows) = follows(&asked)
    {
        (from_cache, why) = (true, follows);
    }
    add(&mut all, "cache", from_cache, why).fails = fails;
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

/// Whether a list decides about *name*, whether it refuses the query or sends nothing, and which one it is.
fn listed(snapshot: &Snapshot, name: NameRef<'_>) -> (bool, bool, String) {
    let Some(policies) = snapshot.policies() else {
        return (false, false, "there are no lists".to_owned());
    };
    let client = Client { address: Ipv4Addr::LOCALHOST.into(), key: None, dnssec_ok: false };
    let all = policies.all_for(&client, &Link { name, addresses: &[], servers: &[] }, true);
    let Some(found) = all.into_iter().find(|found| !found.list.settings.log_only) else {
        return (
            false,
            false,
            "no list has a rule for the name; those for addresses apply to the answer".to_owned(),
        );
    };
    let (list, trigger, action) = (&found.list.settings.name, &found.trigger, found.action.slug());
    let passes = matches!(found.action, Action::Passthru);
    let fails = matches!(found.action, Action::Refused | Action::Drop);
    (
        !passes,
        fails,
        format!("list {list} has a rule for {trigger} ({action}); `nw policy test` shows its line"),
    )
}

/// Add a source; the first one that could be taken is.
fn add<'a>(
    all: &'a mut Vec<Considered>,
    source: &'static str,
    applies: bool,
    why: String,
) -> &'a mut Considered {
    let taken = applies && all.iter().all(|other| !other.taken);
    all.push(Considered { source, taken, fails: false, why });
    all.last_mut().expect("one was pushed")
}

/// What the cache is asked for.
struct Asked<'a> {
    config: &'a ResolverConfig,
    cache: &'a Cache,
    reader: Reader,
    name: NameRef<'a>,
    rtype: RrType,
    now: Micros,
}

/// Whether the cache holds what answers *name* and *rtype*, whether that is a failure, and what it is.
fn cached(asked: &Asked<'_>) -> (bool, bool, String) {
    match asked.cache.get_as(&asked.reader, asked.name, asked.rtype, asked.now) {
        Lookup::Hit { found: Cached::Failure(kept), age_s, left_s, state, .. } => {
            let counts = kept.counts_alone(age_s);
            let failed = Reason::CachedFailure { cause: kept.cause, age_s, left_s };
            match expired(asked).filter(|_| state != State::Bogus) {
                Some(expired_s) => {
                    let stale = Reason::ServedStale { expired_s, cause: failed.to_string() };
                    (true, false, stale.to_string())
                }
                None if !counts => (false, false, format!("the cache holds a failure, {age_s} s old")),
                None => (true, true, format!("the cache holds a failure: {failed}")),
            }
        }
        Lookup::Hit { found, age_s, left_s, .. } => {
            let what = match found {
                Cached::Rrset(_) => "the answer",
                Cached::Alias(_) => "an alias",
                Cached::NoData(_) => "that there is no data of this type",
                Cached::NxDomain(_) | Cached::Failure(_) => "that the name does not exist",
            };
            (true, false, format!("the cache holds {what}, {age_s} s old, for {left_s} s more"))
        }
        Lookup::Expired { age_s } => {
            (false, false, format!("the cache holds an expired entry, {age_s} s old"))
        }
        Lookup::Miss => (false, false, "the cache holds nothing for this name and type".to_owned()),
    }
}

/// How long ago the data of *name* and *rtype* expired that are served after a failure, seconds (RFC 8767).
fn expired(asked: &Asked<'_>) -> Option<u32> {
    let Asked { config, cache, reader, name, rtype, now } = *asked;
    let stale = &config.stale;
    let reader = Reader { stale_s: stale.max_s, stale_ttl_s: stale.ttl_s, ..reader };
    let wanted = HitQuestion { name, rtype, class: Class::IN, dnssec_ok: false, checking_disabled: false };
    let found = (stale.max_s > 0).then(|| cache.stale(&reader, &wanted, now)).flatten()?;
    Some(found.expired_s)
}

/// How cached data about other names answer *name* and *rtype*.
fn follows(asked: &Asked<'_>) -> Option<String> {
    let Asked { config, cache, reader, name, rtype, now } = *asked;
    if let Some((zone, wildcard)) = nw_resolve::synthesis(config, cache, &reader, (name, rtype), now) {
        return Some(format!("{} (RFC 8198, zone {zone})", Reason::Synthesised { wildcard }));
    }
    if matches!(config.route(name), Route::Conditional(_) | Route::Forwarders) {
        return None;
    }
    let mut below = name;
    while let Some(above) = below.parent().filter(|_| cache.cut(below, now).is_none()) {
        if let Lookup::Hit { found, state, .. } = cache.above(&reader, above, now) {
            match found {
                Cached::Rrset(_) => {
                    return Some(format!("the cache holds a DNAME record at {above}: an alias follows"));
                }
                Cached::NxDomain(_) if state == State::Secure || config.nxdomain_cut => {
                    let reason = Reason::CachedNxDomain { denied: above.to_name() };
                    return Some(format!("{reason} (RFC 8020)"));
                }
                _ => {}
            }
        }
        below = above;
    }
    None
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
