//! The keys of zones, and where chains of trust begin.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;

use nw_crypto::Algorithm;
use nw_dnssec::{DigestType, Dnskey, Ds, DsFault, Verifier};
use nw_wire::hash::Keyed;
use nw_wire::name::{Name, NameRef};
use nw_wire::rrset::Rrset;

use super::fault::Fault;
use crate::config::{ResolverConfig, TrustAnchor};
use crate::world::Micros;

/// Keys of one zone that are used; further ones are ignored. The root has five while a key is rolled over.
const MAX_KEYS: usize = 16;
/// Zones whose standing a resolver remembers, in each of two generations. With 16 keys of 512 octets each, 2,000 zones take 16 MB.
const MAX_ZONES: usize = 1000;

/// The algorithms and digests that are accepted: those that are supported, except SHA-1 where the settings say so.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Accepted {
    sha1: bool,
}

impl Accepted {
    pub(crate) fn new(config: &ResolverConfig) -> Accepted {
        Accepted { sha1: config.sha1 }
    }

    pub(crate) fn algorithm(self, algorithm: Algorithm) -> bool {
        algorithm.verifies()
            && (self.sha1 || !matches!(algorithm, Algorithm::RSASHA1 | Algorithm::RSASHA1_NSEC3_SHA1))
    }

    fn digest(self, digest: DigestType) -> bool {
        digest.digest().is_some() && (self.sha1 || digest != DigestType::SHA1)
    }
}

/// The keys of a secure zone, ready to verify. Each is parsed once.
#[derive(Debug)]
pub(crate) struct ZoneKeys {
    pub(crate) zone: Name,
    pub(crate) keys: Vec<ZoneKey>,
    /// The tags of keys that cannot sign data of the zone.
    unfit: Vec<(u16, Unfit)>,
}

/// Why a published key does not sign data of its zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It is published as revoked (RFC 5011 §2.1).
    Revoked,
    /// The Zone Key bit is not set (RFC 4034 §2.1.1).
    NoZoneKeyBit,
    /// The protocol is this number instead of 3 (RFC 4034 §2.1.2).
    Protocol(u8),
    /// The public key is malformed.
    Malformed,
}

impl Unfit {
    /// Why *key* of *zone*, whose algorithm is accepted, cannot sign data of its zone, if it cannot.
    fn of(zone: NameRef<'_>, key: Dnskey<'_>) -> Option<Unfit> {
        if key.flags() & Dnskey::ZONE == 0 {
            Some(Unfit::NoZoneKeyBit)
        } else if key.protocol() != 3 {
            Some(Unfit::Protocol(key.protocol()))
        } else if key.is_revoked() {
            Some(Unfit::Revoked)
        } else {
            Verifier::new(zone, key).is_err().then_some(Unfit::Malformed)
        }
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unfit::Revoked => f.write_str("is published as revoked (RFC 5011)"),
            Unfit::NoZoneKeyBit => f.write_str("is no zone key: its Zone Key bit is not set"),
            Unfit::Protocol(number) => write!(f, "is no zone key: its protocol is {number} instead of 3"),
            Unfit::Malformed => f.write_str("has a malformed public key"),
        }
    }
}

/// A key, and its place in the DNSKEY RRset.
#[derive(Debug)]
pub(crate) struct ZoneKey {
    pub(crate) verifier: Verifier,
    place: usize,
}

impl ZoneKeys {
    /// The keys of the DNSKEY RRset *set*. Those that cannot verify anything are left out (RFC 4035 §5.3.1).
    pub(crate) fn of(set: &Rrset, accepted: Accepted) -> ZoneKeys {
        let (mut keys, mut unfit) = (Vec::new(), Vec::new());
        for (place, rdata) in set.rdatas.iter().take(MAX_KEYS).enumerate() {
            let key = Dnskey::parse(rdata).filter(|key| accepted.algorithm(key.algorithm()));
            let Some(key) = key else { continue };
            match Verifier::new(set.owner.as_ref(), key) {
                Ok(verifier) => keys.push(ZoneKey { verifier, place }),
                Err(_) => unfit.extend(Unfit::of(set.owner.as_ref(), key).map(|why| (key.tag(), why))),
            }
        }
        ZoneKeys { zone: set.owner.clone(), keys, unfit }
    }

    /// *fault* of a signature by one of these keys: one that is left out is not missing.
    pub(crate) fn explained(&self, mut fault: Fault) -> Fault {
        if let Fault::NoKey { key_tag, unfit, .. } = &mut fault {
            *unfit = self.unfit.iter().find(|(tag, _)| tag == key_tag).map(|(_, unfit)| *unfit);
        }
        fault
    }

    /// The keys that may sign data of the zone.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Verifier> + Clone {
        self.keys.iter().map(|key| &key.verifier)
    }

    /// The keys at *places* of the RRset.
    pub(crate) fn at<'k>(&'k self, places: &'k [usize]) -> impl Iterator<Item = &'k Verifier> + Clone {
        self.keys.iter().filter(|key| places.contains(&key.place)).map(|key| &key.verifier)
    }
}

/// Why a zone is insecure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Insecurity {
    /// It is proved that its parent has no DS records for it, or it is cached that it is insecure for one of these reasons.
    Unsigned,
    /// A negative trust anchor lies at or above it.
    NegativeAnchor,
    /// All its DS records or trust anchors name algorithms that are not accepted, for instance this one (RFC 4035 §5.2).
    Algorithm(Algorithm),
    /// Its DS records with accepted algorithms have digests that are not accepted, for instance of this type (RFC 4509 §3).
    Digest(DigestType),
    /// Its NSEC3 records have this many iterations, more than are hashed (RFC 9276 §3.2).
    Iterations(u16),
}

/// What is known of the security of a zone (RFC 4035 §4.3). Bogus is a [`Fault`](super::Fault).
#[derive(Clone, Debug)]
pub(crate) enum Standing {
    /// A chain of trust leads to these keys.
    Secure(Rc<ZoneKeys>),
    /// No chain of trust leads here.
    Insecure(Insecurity),
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

    /// Tag, algorithm and digest of the DS records.
    pub(crate) fn named(&self) -> Vec<(u16, Algorithm, DigestType)> {
        let ds = self.ds.iter().filter_map(|ds| Ds::parse(ds));
        ds.map(|ds| (ds.key_tag, ds.algorithm, ds.digest_type)).collect()
    }

    /// Why no key could match: each algorithm or digest is one that is not accepted, so that the zone is insecure (RFC 4035 §5.2).
    pub(crate) fn unsupported(&self, accepted: Accepted) -> Option<Insecurity> {
        let mut keys = self.keys.iter().filter_map(|key| Dnskey::parse(key));
        if self.usable_ds(accepted).next().is_some() || keys.any(|key| accepted.algorithm(key.algorithm())) {
            return None;
        }
        let ds = || self.ds.iter().filter_map(|ds| Ds::parse(ds));
        let digest = ds().find(|ds| accepted.algorithm(ds.algorithm)).map(|ds| ds.digest_type);
        let keys = self.keys.iter().filter_map(|key| Dnskey::parse(key)).map(Dnskey::algorithm);
        let algorithm = ds().map(|ds| ds.algorithm).chain(keys).next();
        Some(match (digest, algorithm) {
            (Some(digest), _) => Insecurity::Digest(digest),
            (None, Some(algorithm)) => Insecurity::Algorithm(algorithm),
            (None, None) => Insecurity::Unsigned,
        })
    }

    /// The DS records to compare with: SHA-1 digests only where there is no better one (RFC 4509 §3).
    fn usable_ds(&self, accepted: Accepted) -> impl Iterator<Item = Ds<'_>> {
        let is_usable =
            move |ds: &Ds<'_>| accepted.algorithm(ds.algorithm) && accepted.digest(ds.digest_type);
        let usable = move || self.ds.iter().filter_map(|ds| Ds::parse(ds)).filter(is_usable);
        let better = usable().any(|ds| ds.digest_type != DigestType::SHA1);
        usable().filter(move |ds| !better || ds.digest_type != DigestType::SHA1)
    }

    /// The places of the keys in *set*, which are *keys*, that a digest or a key here matches, and the first of these that does not
    /// count: its tag and why. At most *most* digests are computed.
    pub(crate) fn matching(
        &self,
        set: &Rrset,
        keys: &ZoneKeys,
        accepted: Accepted,
        most: &mut u32,
    ) -> (Vec<usize>, Option<(u16, Unfit)>) {
        let mut matching = self.find(set, accepted, most, |key| Some(key.rdata().into()));
        let mut first = None;
        matching.retain(|place| {
            // Parsing a key costs thousands of instructions: those that were parsed can verify.
            let parsed = keys.keys.iter().find(|key| key.place == *place).map(|key| &key.verifier);
            let unfit = match parsed {
                Some(key) => key.is_revoked().then(|| (key.tag(), Unfit::Revoked)),
                None => {
                    let key = set.rdatas.iter().nth(*place).and_then(Dnskey::parse);
                    key.and_then(|key| Some((key.tag(), Unfit::of(set.owner.as_ref(), key)?)))
                }
            };
            first = first.or(unfit);
            unfit.is_none()
        });
        (matching, first)
    }

    /// The places of the keys in *set* that are revoked and that a digest or a key here matched before: with the REVOKE bit, the
    /// tag and the digest of a key change (RFC 5011 §2.1). At most *most* digests are computed.
    pub(crate) fn revoked(&self, set: &Rrset, accepted: Accepted, most: &mut u32) -> Vec<usize> {
        self.find(set, accepted, most, |key| {
            key.is_revoked().then(|| {
                let (flags, mut before) = (key.flags() & !Dnskey::REVOKE, Box::<[u8]>::from(key.rdata()));
                before[..2].copy_from_slice(&flags.to_be_bytes());
                before
            })
        })
    }

    /// The places of the keys in *set* whose rdata, as *form* gives it, a digest or a key here matches.
    fn find(
        &self,
        set: &Rrset,
        accepted: Accepted,
        most: &mut u32,
        form: impl Fn(Dnskey<'_>) -> Option<Box<[u8]>>,
    ) -> Vec<usize> {
        let (owner, mut matching) = (set.owner.as_ref(), Vec::new());
        for (place, rdata) in set.rdatas.iter().take(MAX_KEYS).enumerate() {
            let Some(rdata) = Dnskey::parse(rdata).and_then(&form) else { continue };
            let Some(key) = Dnskey::parse(&rdata) else { continue };
            let mut trusted = self.keys.contains(&rdata);
            let named = |ds: &Ds<'_>| (ds.key_tag, ds.algorithm) == (key.tag(), key.algorithm());
            for ds in self.usable_ds(accepted).filter(named) {
                if trusted || *most == 0 {
                    break;
                }
                *most -= 1;
                trusted = matches!(ds.check(owner, key), Ok(()) | Err(DsFault::NotZoneKey));
            }
            if trusted {
                matching.push(place);
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

    /// The tags of the keys that the trust anchors of *zone* name (RFC 8509 §3).
    pub(crate) fn key_tags(&self, zone: NameRef<'_>) -> Vec<u16> {
        let Some(anchors) = self.at(zone) else { return Vec::new() };
        let ds = anchors.ds.iter().filter_map(|ds| Ds::parse(ds)).map(|ds| ds.key_tag);
        ds.chain(anchors.keys.iter().map(|key| nw_dnssec::key_tag(key))).collect()
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
