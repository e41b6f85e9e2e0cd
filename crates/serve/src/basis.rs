//! What the cached data were judged by: validation, trust anchors and views.
//!
//! An entry of the cache has a validation state and belongs to a view, by number. Other settings make both wrong: what was
//! stored without validation would be served to clients that rely on it, what an anchor had proved would stay secure after
//! the anchor was removed, and a new view would read the entries of a former one. So a change of the basis removes what it
//! makes wrong (RFC 4035 §4.3, RFC 7646 §2.3).
//!
//! | change | removed |
//! |---|---|
//! | validation switched on or off, SHA-1 or other numbers of NSEC3 iterations accepted | everything |
//! | a view that is not the last one removed, moved or renamed | everything |
//! | a trust anchor removed, or a zone with or without anchors for the first time | the zone and what is below it |
//! | a negative trust anchor added or removed | its name and what is below it |
//! | a further anchor of a zone that has one (RFC 5011), a view added at the end | nothing |
//!
//! A saved cache has its basis with it, as text with one item in a line.

use std::collections::{BTreeMap, BTreeSet};

use nw_resolve::{ResolverConfig, TrustAnchor};
use nw_wire::Name;

use crate::snapshot::Snapshot;

/// The basis of cached data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Basis {
    /// The trust anchors by zone, in presentation format. Empty: nothing is validated.
    anchors: BTreeMap<String, BTreeSet<String>>,
    /// The negative trust anchors.
    negative: BTreeSet<String>,
    /// What validation accepts: whether SHA-1, and how many NSEC3 iterations. None: nothing is validated.
    accepted: Option<(bool, u16)>,
    /// The views in their order, by name. Views that share the cache count as well: they have a place.
    views: Vec<String>,
}

/// What a change of the basis makes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outdated {
    /// Everything.
    All,
    /// What is at and below these names; nothing if there are none.
    Below(Vec<Name>),
}

impl Basis {
    /// The basis of the data that are cached while *snapshot* is published.
    pub fn of(snapshot: &Snapshot) -> Basis {
        let views = snapshot.views().iter().map(|view| view.view.name.clone()).collect();
        let mut basis = Basis { views, ..Basis::default() };
        if let Some(config) = snapshot.resolver() {
            basis.trust(config);
        }
        basis
    }

    fn trust(&mut self, config: &ResolverConfig) {
        for anchor in &config.trust_anchors {
            let (TrustAnchor::Ds { owner, .. } | TrustAnchor::Dnskey { owner, .. }) = anchor;
            self.anchors
                .entry(owner.to_string().to_ascii_lowercase())
                .or_default()
                .insert(anchor.to_string());
        }
        self.accepted =
            (!self.anchors.is_empty()).then_some((config.sha1, config.budget.max_nsec3_iterations));
        let names = config.negative_trust_anchors.iter();
        self.negative = names.map(|name| name.to_string().to_ascii_lowercase()).collect();
    }

    /// What becomes wrong of the data of this basis when *next* replaces it.
    pub fn outdated_by(&self, next: &Basis) -> Outdated {
        let same_views = next.views.starts_with(&self.views);
        if !same_views || self.accepted != next.accepted {
            return Outdated::All;
        }
        let zones: BTreeSet<&String> = self.anchors.keys().chain(next.anchors.keys()).collect();
        let changed =
            zones.into_iter().filter(|&zone| match (self.anchors.get(zone), next.anchors.get(zone)) {
                (Some(before), Some(after)) => !before.is_subset(after),
                _ => true,
            });
        let names = changed.chain(self.negative.symmetric_difference(&next.negative));
        Outdated::Below(names.filter_map(|name| name.parse().ok()).collect())
    }

    /// The basis as text.
    pub fn to_text(&self) -> String {
        let anchors = self.anchors.values().flatten().map(|anchor| format!("anchor {anchor}\n"));
        let negative = self.negative.iter().map(|name| format!("negative {name}\n"));
        let views = self.views.iter().map(|view| format!("view {view}\n"));
        let accepted = self.accepted.map(|(sha1, iterations)| format!("accepts {sha1} {iterations}\n"));
        anchors.chain(accepted).chain(negative).chain(views).collect()
    }

    /// Read what [`Basis::to_text`] wrote. None: it is something else.
    pub fn from_text(text: &str) -> Option<Basis> {
        let mut basis = Basis::default();
        for line in text.lines() {
            let (kind, item) = line.split_once(' ')?;
            match kind {
                "anchor" => {
                    let owner = item.split(' ').next()?.to_ascii_lowercase();
                    basis.anchors.entry(owner).or_default().insert(item.to_owned());
                }
                "accepts" => {
                    let (sha1, iterations) = item.split_once(' ')?;
                    basis.accepted = Some((sha1.parse().ok()?, iterations.parse().ok()?));
                }
                "negative" => drop(basis.negative.insert(item.to_owned())),
                "view" => basis.views.push(item.to_owned()),
                _ => return None,
            }
        }
        Some(basis)
    }
}

#[cfg(test)]
mod tests;
