//! The keys of zones, and where chains of trust begin.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use nw_dnssec::{DigestType, Dnskey, Ds, Verifier};
use nw_wire::hash::Keyed;
use nw_wire::name::{Name, NameRef};
use nw_wire::rrset::Rrset;

use crate::config::{ResolverConfig, TrustAnchor};
use crate::world::Micros;

/// Keys of one zone that are used; further ones are ignored. The root has five while a key is rolled over.
const MAX_KEYS: usize = 16;
/// Zones whose standing a resolver remembers, in each of two generations. With 16 keys of 512 octets each, 2,000 zones take 16 MB.
const MAX_ZONES: usize = 1000;

/// The keys of a secure zone, ready to verify.
#[derive(Debug)]
pub(crate) struct ZoneKeys {
    pub(crate) zone: Name,
    pub(crate) keys: Vec<Verifier>,
}

impl ZoneKeys {
    /// The keys of the validated DNSKEY RRset *set*. Those that cannot verify anything are left out (RFC 4035 §5.3.1).
    pub(crate) fn of(set: &Rrset) -> ZoneKeys {
        let keys = set.rdatas.iter().filter_map(Dnskey::parse).take(MAX_KEYS);
        let keys = keys.filter_map(|key| Verifier::new(set.owner.as_ref(), key).ok()).collect();
        ZoneKeys { zone: set.owner.clone(), keys }
    }
}

/// What is known of the security of a zone (RFC 4035 §4.3). Bogus is a [`Fault`](super::Fault).
#[derive(Clone, Debug)]
pub(crate) enum Standing {
    /// A chain of trust leads to these keys.
    Secure(Rc<ZoneKeys>),
    /// A proof shows that no chain of trust leads here.
    Insecure,
    /// There is no trust anchor above.
    Indeterminate,
}

/// The digests and keys that a zone's DNSKEY RRset must match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Anchors {
    /// DS rdata.
    ds: Vec<Box<[u8]>>,
    /// DNSKEY rdata.
    keys: Vec<Box<[u8]>>,
}

impl Anchors {
    /// What the DS RRset *set* of the parent names.
    pub(crate) fn of_ds(set: &Rrset) -> Anchors {
        Anchors { ds: set.rdatas.iter().map(Box::from).collect(), keys: Vec::new() }
    }

    /// Whether a key could match: its algorithm and digest are known here. Otherwise the zone is insecure (RFC 4035 §5.2).
    pub(crate) fn is_supported(&self) -> bool {
        self.usable_ds().next().is_some()
            || self.keys.iter().filter_map(|key| Dnskey::parse(key)).any(|key| key.algorithm().verifies())
    }

    /// The DS records to compare with: SHA-1 digests only where there is no better one (RFC 4509 §3).
    fn usable_ds(&self) -> impl Iterator<Item = Ds<'_>> {
        let usable = || self.ds.iter().filter_map(|ds| Ds::parse(ds)).filter(|ds| ds.is_supported());
        let better = usable().any(|ds| ds.digest_type != DigestType::SHA1);
        usable().filter(move |ds| !better || ds.digest_type != DigestType::SHA1)
    }

    /// The keys of *set* that a digest or a key here matches. At most *most* digests are computed.
    pub(crate) fn matching(&self, set: &Rrset, most: &mut u32) -> Vec<Verifier> {
        let (owner, mut matching) = (set.owner.as_ref(), Vec::new());
        for rdata in set.rdatas.iter().take(MAX_KEYS) {
            let Some(key) = Dnskey::parse(rdata) else { continue };
            let mut trusted = self.keys.iter().any(|known| **known == *rdata);
            for ds in self.usable_ds().filter(|ds| (ds.key_tag, ds.algorithm) == (key.tag(), key.algorithm()))
            {
                if trusted || *most == 0 {
                    break;
                }
                *most -= 1;
                trusted = ds.check(owner, key).is_ok();
            }
            if trusted && !key.is_revoked() {
                matching.extend(Verifier::new(owner, key));
            }
        }
        matching
    }
}

/// Where chains of trust begin and where they are cut off.
#[derive(Debug, Default)]
pub(crate) struct TrustPoints {
    /// The trust anchors of each zone that has some.
    anchors: Vec<(Name, Rc<Anchors>)>,
    /// Negative trust anchors: nothing below is validated (RFC 7646).
    negative: Vec<Name>,
}

/// The trust point nearest to a name.
pub(crate) enum TrustPoint {
    /// The zone and what its keys must match.
    Anchor(Name, Rc<Anchors>),
    /// Nothing is validated here.
    Negative,
}

impl TrustPoints {
    pub(crate) fn new(config: &ResolverConfig) -> TrustPoints {
        let mut anchors: Vec<(Name, Anchors)> = Vec::new();
        for anchor in &config.trust_anchors {
            let (TrustAnchor::Ds { owner, .. } | TrustAnchor::Dnskey { owner, .. }) = anchor;
            let at = anchors.iter().position(|(zone, _)| zone == owner).unwrap_or_else(|| {
                anchors.push((owner.clone(), Anchors { ds: Vec::new(), keys: Vec::new() }));
                anchors.len() - 1
            });
            match anchor {
                TrustAnchor::Ds { rdata, .. } => anchors[at].1.ds.push(rdata.as_slice().into()),
                TrustAnchor::Dnskey { rdata, .. } => anchors[at].1.keys.push(rdata.as_slice().into()),
            }
        }
        let anchors = anchors.into_iter().map(|(zone, anchors)| (zone, Rc::new(anchors))).collect();
        TrustPoints { anchors, negative: config.negative_trust_anchors.clone() }
    }

    /// Whether there is nothing to begin with.
    pub(crate) fn is_empty(&self) -> bool {
        self.anchors.is_empty()
    }

    /// The trust anchors of *zone*.
    pub(crate) fn at(&self, zone: NameRef<'_>) -> Option<Rc<Anchors>> {
        self.anchors.iter().find(|(name, _)| *name == zone).map(|(_, anchors)| Rc::clone(anchors))
    }

    /// The trust point at or nearest above *name*.
    pub(crate) fn nearest(&self, name: NameRef<'_>) -> Option<TrustPoint> {
        let labels = |point: &Name| point.as_ref().label_count();
        let above = |point: &Name| name.is_at_or_below(point.as_ref());
        let anchor = self.anchors.iter().filter(|(zone, _)| above(zone)).max_by_key(|(zone, _)| labels(zone));
        let negative = self.negative.iter().filter(|point| above(point)).map(labels).max();
        let (zone, anchors) = anchor?;
        if negative.is_some_and(|negative| negative >= labels(zone)) {
            return Some(TrustPoint::Negative);
        }
        Some(TrustPoint::Anchor(zone.clone(), Rc::clone(anchors)))
    }
}

/// Zones with their standing and the time at which it ends.
type Generation = HashMap<Name, (Standing, Micros), Keyed>;

/// The standings of zones that were established, in two generations: when the younger is full, it replaces the older.
#[derive(Debug, Default)]
pub(crate) struct Standings {
    /// The number of flushes of the cache, from which they are derived, when they were established.
    flushes: Cell<u64>,
    generations: RefCell<[Generation; 2]>,
}

impl Standings {
    /// Forget all of them if names have been flushed from the cache since: *flushes* is the number of times.
    pub(crate) fn keep_to(&self, flushes: u64) {
        if self.flushes.replace(flushes) != flushes {
            *self.generations.borrow_mut() = Default::default();
        }
    }

    /// The standing of the zone *zone*, unless its time is over at *now*.
    pub(crate) fn get(&self, zone: NameRef<'_>, now: Micros) -> Option<Standing> {
        let zone = zone.to_name();
        let mut generations = self.generations.borrow_mut();
        let fresh = |(_, expires): &(Standing, Micros)| now < *expires;
        if let Some(known) = generations[0].get(&zone) {
            return Some(known).filter(|known| fresh(known)).map(|(standing, _)| standing.clone());
        }
        let (standing, expires) = generations[1].remove(&zone).filter(fresh)?;
        Self::put_in(&mut generations, zone, standing.clone(), expires);
        Some(standing)
    }

    /// Remember *standing* of *zone* until *expires*.
    pub(crate) fn put(&self, zone: NameRef<'_>, standing: Standing, expires: Micros) {
        Self::put_in(&mut self.generations.borrow_mut(), zone.to_name(), standing, expires);
    }

    fn put_in(generations: &mut [Generation; 2], zone: Name, standing: Standing, expires: Micros) {
        if generations[0].len() >= MAX_ZONES && !generations[0].contains_key(&zone) {
            generations[1] = std::mem::take(&mut generations[0]);
        }
        generations[0].insert(zone, (standing, expires));
    }
}
