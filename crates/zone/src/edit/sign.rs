//! Signs what an edit changes in a zone that is signed already.
//!
//! ```text
//! changed RRsets ─► affected names ─┬─► RRsets that gain or lose signatures
//!                                   └─► members of the chain that come, go or change types ─► records with another next name
//! ```
//!
//! A name is affected if its RRsets change, or if a delegation or DNAME above it appears or vanishes. With NSEC3, the empty
//! non-terminals above an affected name are as well. Everything else keeps its signatures. The result is what signing the whole zone
//! would make, apart from the signatures that stay.
//!
//! A change of the denial of existence, of its TTL, or of the DNAME at the apex signs the whole zone. So does the first signing.
//!
//! *Limitations*: if the last secure name below an empty non-terminal leaves a chain with opt-out, all delegations below it are
//! looked at. A ZONEMD record is a digest of the whole zone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use nw_dnssec::chain::{self, OwnerKind};
use nw_dnssec::sign::denial_ttl;
use nw_dnssec::{DenialOptions, Nsec3Hash, Nsec3Param, Rrsig, SignZoneError, Signing, Zonemd, nsec3};
use nw_wire::{Name, NameRef, RdataSet, RrType, Rrset};

use super::ring::{Ring, links};
use super::{Serial, ZoneEdit, contains};
use crate::delta::View;
use crate::denial::{Denial, Nsec3Chain, NsecChain};
use crate::problem::ZoneFileErrors;
use crate::store::{Node, NodeFlags, Zone};

/// Why a signed version of a zone was not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SigningError {
    /// The changes do not make a zone.
    Zone(ZoneFileErrors),
    /// The zone cannot be signed.
    Sign(SignZoneError),
}

impl From<ZoneFileErrors> for SigningError {
    fn from(errors: ZoneFileErrors) -> Self {
        Self::Zone(errors)
    }
}

impl From<SignZoneError> for SigningError {
    fn from(error: SignZoneError) -> Self {
        Self::Sign(error)
    }
}

impl fmt::Display for SigningError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zone(errors) => errors.fmt(f),
            Self::Sign(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SigningError {}

/// The RRsets of a zone whose signatures are to be made again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Due {
    /// Owner and type.
    pub rrsets: Vec<(Name, RrType)>,
    /// The owner after which the search continues. None: it has reached the end of the zone.
    pub after: Option<Name>,
    /// The earliest expiration among the signatures that were looked at and stay.
    pub next: Option<u32>,
}

impl Zone {
    /// Sign the whole zone, with its present serial.
    pub fn sign(&self, signing: &Signing) -> Result<Zone, SigningError> {
        let signed = signing.sign_zone(self.apex(), self.rrsets().collect())?;
        let rrsets: Vec<Rrset> = signed
            .into_iter()
            .flat_map(|signed| {
                let signatures = signed.rrsig_rrset();
                [Some(signed.rrset), signatures]
            })
            .flatten()
            .collect();
        Ok(Zone::from_rrsets(self.apex(), self.class(), &rrsets)?)
    }

    /// The RRsets after the owner `after` whose signatures are not those of the keys of `signing`, or expire before `until`, begin
    /// after `signing.keep`, or are missing. The search ends at the end of the zone or behind the name that brings their number to `most`.
    pub fn due(&self, signing: &Signing, until: u32, after: Option<NameRef<'_>>, most: usize) -> Due {
        let mut due = Due::default();
        for node in self.view().walk_after(after) {
            let kind = match node.flags() {
                flags if flags.has(NodeFlags::OCCLUDED) => OwnerKind::Occluded,
                flags if flags.has(NodeFlags::CUT) => OwnerKind::Cut,
                _ => OwnerKind::Authoritative,
            };
            let sets: Vec<Rrset> = node.rrsets(self.class()).collect();
            let owner = node.owner();
            for rrset in sets.iter().filter(|rrset| rrset.rtype != RrType::RRSIG) {
                let kind = if rrset.rtype == RrType::NSEC3 { OwnerKind::Authoritative } else { kind };
                let keys = signing.signers.of(kind, rrset.rtype);
                let made =
                    sets.iter().filter(|set| set.rtype == RrType::RRSIG).flat_map(|set| set.rdatas.iter());
                let made: Vec<Rrsig<'_>> =
                    made.filter_map(Rrsig::parse).filter(|rrsig| rrsig.type_covered == rrset.rtype).collect();
                // The clock may have been set back since the signature was made.
                let begun = |rrsig: &Rrsig<'_>| {
                    signing.keep.is_none_or(|keep| (keep.now.wrapping_sub(rrsig.inception) as i32) >= 0)
                };
                let good = |rrsig: &Rrsig<'_>| {
                    (rrsig.expiration.wrapping_sub(until) as i32) >= 0
                        && begun(rrsig)
                        && rrsig.original_ttl == rrset.ttl
                };
                let whole = made.len() == keys.len()
                    && keys.iter().all(|key| {
                        let named = |rrsig: &&Rrsig<'_>| {
                            (rrsig.key_tag, rrsig.algorithm) == (key.tag(), key.dnskey().algorithm())
                        };
                        made.iter().find(named).is_some_and(good)
                    });
                if !whole {
                    due.rrsets.push((owner.to_name(), rrset.rtype));
                    continue;
                }
                let first = made.iter().map(|rrsig| rrsig.expiration).chain(due.next);
                due.next = first.min_by_key(|at| at.wrapping_sub(until));
            }
            if due.rrsets.len() >= most {
                due.after = Some(owner.to_name());
                return due;
            }
        }
        due
    }
}

impl ZoneEdit {
    /// Return the zone with all changes, signed: what changes, and the RRsets in `renew`, which [`Zone::due`] returned.
    ///
    /// Changes to records that signing makes are ignored. A zone that is not signed yet, or with another denial of existence, is
    /// signed as a whole.
    pub fn commit_signed(
        mut self,
        serial: Serial,
        signing: &Signing,
        renew: &[(Name, RrType)],
    ) -> Result<Zone, SigningError> {
        signing.check(self.base.apex())?;
        self.number(serial);
        self.normalise(signing);
        if !self.continues(signing) {
            return self.commit(Serial::Keep)?.sign(signing);
        }
        let made = Mend::of(&self, signing)?.changes(renew)?;
        self.changes.extend(made);
        let zone = self.commit(Serial::Keep)?;
        zone.with_zonemd(signing)
    }

    /// Drop what signing makes and what changes nothing; publish the keys.
    fn normalise(&mut self, signing: &Signing) {
        let base = self.base.clone();
        let apex = base.apex();
        self.changes.retain(|(owner, rtype, _), change| {
            if signing.makes(apex, owner.as_ref(), *rtype) {
                return false;
            }
            let change = change.as_ref().filter(|rrset| !rrset.rdatas.is_empty());
            match (base.rrset(owner.as_ref(), *rtype), change) {
                (None, None) => false,
                (Some(before), Some(after)) => !same(&before, after),
                _ => true,
            }
        });
        let dnskey = self.rrset(apex, RrType::DNSKEY, RrType(0));
        let published = &signing.signers.published;
        let missing = |key: &&Vec<u8>| !dnskey.as_ref().is_some_and(|set| contains(set, key));
        if published.iter().any(|key| missing(&key)) {
            let mut set = dnskey.clone().unwrap_or_else(|| {
                Rrset::new(apex.to_name(), RrType::DNSKEY, base.class(), signing.options.dnskey_ttl)
            });
            published.iter().filter(missing).for_each(|key| set.rdatas.push(key));
            self.put(set);
        }
        let Some(soa) = self.rrset(apex, RrType::SOA, RrType(0)) else { return };
        if let Some(place) = signing.zonemd_place(&soa) {
            self.put(place);
        } else if signing.zonemd == Zonemd::Absent && base.rrset(apex, RrType::ZONEMD).is_some() {
            self.delete(apex, RrType::ZONEMD);
        }
    }

    /// Whether the chain of the zone is the one that `signing` makes, apart from what the edit changes.
    fn continues(&self, signing: &Signing) -> bool {
        let base = &self.base;
        let (view, apex, class) = (base.view(), base.apex(), base.class());
        let soa = self.rrset(apex, RrType::SOA, RrType(0));
        let Some(ttl) = soa.as_ref().and_then(denial_ttl) else { return false };
        let changes_dname = self.changes.contains_key(&(apex.to_name(), RrType::DNAME, RrType(0)));
        let record = match (&view.store.denial, &signing.options.denial) {
            (Denial::Nsec(_), DenialOptions::Nsec) => {
                base.rrset(apex, RrType::NSEC).filter(|_| base.rrset(apex, RrType::NSEC3PARAM).is_none())
            }
            (Denial::Nsec3(chain), DenialOptions::Nsec3 { iterations, salt, opt_out }) => {
                let param = chain::nsec3param(apex, class, *iterations, salt);
                let hash = chain.parameters.hash(apex);
                let found = view.locate_hash(chain, &hash).and_then(Result::ok);
                let record = found.and_then(|place| view.node(place).rrset(RrType::NSEC3, class));
                let flags = if *opt_out { nsec3::OPT_OUT } else { 0 };
                record.filter(|record| {
                    base.rrset(apex, RrType::NSEC3PARAM).is_some_and(|set| same(&set, &param))
                        && record.rdatas.first().is_some_and(|rdata| rdata.get(1) == Some(&flags))
                })
            }
            _ => None,
        };
        !changes_dname && record.is_some_and(|record| record.ttl == ttl)
    }
}

impl Zone {
    /// This zone with the digest in its ZONEMD record, if it gets one.
    fn with_zonemd(self, signing: &Signing) -> Result<Zone, SigningError> {
        let Some(soa) =
            self.rrset(self.apex(), RrType::SOA).filter(|_| matches!(signing.zonemd, Zonemd::Made(_)))
        else {
            return Ok(self);
        };
        let rrsets: Vec<Rrset> = self.rrsets().collect();
        let Some(zonemd) = signing.zonemd(&soa, &rrsets) else { return Ok(self) };
        let signatures = signing.signatures(&zonemd, OwnerKind::Authoritative)?;
        let mut edit = self.edit();
        edit.put(Rrset { rtype: RrType::RRSIG, rdatas: signatures, ..zonemd.clone() });
        edit.put(zonemd);
        Ok(edit.commit(Serial::Keep)?)
    }
}

/// Whether both RRsets have the same records.
fn same(a: &Rrset, b: &Rrset) -> bool {
    a.ttl == b.ttl
        && a.rdatas.iter().all(|rdata| contains(b, rdata))
        && b.rdatas.iter().all(|rdata| contains(a, rdata))
}

/// Changes as an edit holds them.
type Changes = BTreeMap<super::Key, Option<Rrset>>;

/// What signing adds to an edit.
struct Mend<'e> {
    edit: &'e ZoneEdit,
    view: View<'e>,
    apex: NameRef<'e>,
    signing: &'e Signing,
    ttl: u32,
    /// The affected names with their RRsets after the change, without what signing makes.
    affected: BTreeMap<Name, (OwnerKind, Vec<Rrset>)>,
    changes: Changes,
}

impl<'e> Mend<'e> {
    fn of(edit: &'e ZoneEdit, signing: &'e Signing) -> Result<Self, SignZoneError> {
        let (view, apex) = (edit.base.view(), edit.base.apex());
        let soa = edit.rrset(apex, RrType::SOA, RrType(0)).ok_or(SignZoneError::NoSoa)?;
        let ttl = denial_ttl(&soa).ok_or(SignZoneError::NoSoa)?;
        let mut mend =
            Mend { edit, view, apex, signing, ttl, affected: BTreeMap::new(), changes: Changes::new() };
        let mut names: BTreeSet<Name> = BTreeSet::new();
        for (owner, rtype, _) in edit.changes.keys().filter(|key| key.0.as_ref().is_at_or_below(apex)) {
            names.insert(owner.clone());
            let hides = owner.as_ref() != apex && matches!(*rtype, RrType::NS | RrType::DNAME);
            if hides && mend.has(owner.as_ref(), *rtype) != mend.had(owner.as_ref(), *rtype) {
                names.extend(view.below(owner.as_ref()).map(|node| node.owner().to_name()));
            }
        }
        for name in names {
            let mut rrsets = edit.rrsets_after(name.as_ref());
            rrsets.retain(|set| !matches!(set.rtype, RrType::RRSIG | RrType::NSEC | RrType::NSEC3));
            let kind = mend.kind(name.as_ref());
            mend.affected.insert(name, (kind, rrsets));
        }
        Ok(mend)
    }

    /// Whether the RRset existed before the change.
    fn had(&self, name: NameRef<'_>, rtype: RrType) -> bool {
        self.view.find_name(name).is_some_and(|node| node.find(rtype).is_some())
    }

    /// Whether the RRset exists after the change.
    fn has(&self, name: NameRef<'_>, rtype: RrType) -> bool {
        match self.edit.changes.get(&(name.to_name(), rtype, RrType(0))) {
            Some(change) => change.as_ref().is_some_and(|rrset| !rrset.rdatas.is_empty()),
            None => self.had(name, rtype),
        }
    }

    /// The names between `name` and the apex, from below.
    fn above<'n>(&self, name: NameRef<'n>) -> impl Iterator<Item = NameRef<'n>> + use<'n, 'e> {
        let apex = self.apex;
        std::iter::successors(name.parent(), |name| name.parent()).take_while(move |name| name.is_below(apex))
    }

    /// The kind of `name` after the change.
    fn kind(&self, name: NameRef<'_>) -> OwnerKind {
        let hides = |name: NameRef<'_>| self.has(name, RrType::NS) || self.has(name, RrType::DNAME);
        if (name != self.apex && self.had(self.apex, RrType::DNAME)) || self.above(name).any(hides) {
            OwnerKind::Occluded
        } else if name != self.apex && self.has(name, RrType::NS) {
            OwnerKind::Cut
        } else {
            OwnerKind::Authoritative
        }
    }

    /// All changes, with new signatures of the RRsets in `renew`.
    fn changes(mut self, renew: &[(Name, RrType)]) -> Result<Changes, SignZoneError> {
        self.sign_data()?;
        match &self.view.store.denial {
            Denial::Nsec(chain) => self.mend_nsec(chain)?,
            Denial::Nsec3(chain) => self.mend_nsec3(chain)?,
            Denial::Unsigned => {}
        }
        for (owner, rtype) in renew {
            let key = (owner.clone(), *rtype, RrType(0));
            let done = self.edit.changes.contains_key(&key) || self.changes.contains_key(&key);
            let present = self
                .view
                .find_name(owner.as_ref())
                .and_then(|node| node.rrset(*rtype, self.edit.base.class()));
            if let Some(rrset) = present.filter(|_| !done) {
                let kind = match *rtype {
                    RrType::NSEC3 => OwnerKind::Authoritative,
                    _ => self.kind(owner.as_ref()),
                };
                self.sign(&rrset, kind)?;
            }
        }
        Ok(self.changes)
    }

    /// Replace the signatures of `rrset`.
    fn sign(&mut self, rrset: &Rrset, kind: OwnerKind) -> Result<(), SignZoneError> {
        let signatures: RdataSet = self.signing.signatures(rrset, kind)?;
        let key = (rrset.owner.clone(), RrType::RRSIG, rrset.rtype);
        let set = (!signatures.is_empty()).then(|| Rrset {
            rtype: RrType::RRSIG,
            rdatas: signatures,
            ..rrset.clone()
        });
        self.changes.insert(key, set);
        Ok(())
    }

    /// Sign the RRsets that change, or that the zone signs and did not sign before. Drop the signatures of those that it ceases
    /// to sign.
    fn sign_data(&mut self) -> Result<(), SignZoneError> {
        let affected = std::mem::take(&mut self.affected);
        for (name, (kind, rrsets)) in &affected {
            for rrset in rrsets {
                // The record that follows is signed when its digest is known.
                let place = rrset.rtype == RrType::ZONEMD
                    && self.signing.makes(self.apex, name.as_ref(), RrType::ZONEMD);
                let changed = self.edit.changes.contains_key(&(name.clone(), rrset.rtype, RrType(0)));
                let signs = !self.signing.signers.of(*kind, rrset.rtype).is_empty();
                let signed = !changed && self.edit.base_signatures(name.as_ref(), rrset.rtype).is_some();
                if signs != signed && !place {
                    self.sign(rrset, *kind)?;
                }
            }
        }
        self.affected = affected;
        Ok(())
    }

    /// Put a record of the chain and sign it, if it differs from the one that the zone has.
    fn put(&mut self, owner: Name, rtype: RrType, rdata: &[u8]) -> Result<(), SignZoneError> {
        let class = self.edit.base.class();
        let mut rrset = Rrset::new(owner, rtype, class, self.ttl);
        rrset.rdatas.push(rdata);
        let before = self.view.find_name(rrset.owner.as_ref()).and_then(|node| node.rrset(rtype, class));
        if before.is_some_and(|before| same(&before, &rrset)) {
            return Ok(());
        }
        self.sign(&rrset, OwnerKind::Authoritative)?;
        self.changes.insert((rrset.owner.clone(), rtype, RrType(0)), Some(rrset));
        Ok(())
    }

    fn mend_nsec(&mut self, chain: &NsecChain) -> Result<(), SignZoneError> {
        let ring = Names { view: self.view, chain };
        let mut bitmaps: BTreeMap<Name, Option<Vec<u8>>> = BTreeMap::new();
        for (name, (kind, rrsets)) in &self.affected {
            let member = *kind != OwnerKind::Occluded && !rrsets.is_empty();
            if member || ring.has(name) {
                bitmaps.insert(name.clone(), member.then(|| chain::nsec_bitmap(*kind, rrsets)));
            }
        }
        let after = bitmaps.iter().map(|(name, bitmap)| (name.clone(), bitmap.is_some())).collect();
        let links = links(&ring, &after);
        for (name, next) in links {
            let bitmap = match bitmaps.get(&name) {
                Some(Some(bitmap)) => bitmap.clone(),
                _ => ring.record(&name).map(|(_, bitmap)| bitmap).unwrap_or_default(),
            };
            self.put(name, RrType::NSEC, &chain::nsec_rdata(next.as_ref(), &bitmap))?;
        }
        for (name, _) in bitmaps.into_iter().filter(|(_, bitmap)| bitmap.is_none()) {
            self.changes.insert((name, RrType::NSEC, RrType(0)), None);
        }
        Ok(())
    }

    fn mend_nsec3(&mut self, chain: &Nsec3Chain) -> Result<(), SignZoneError> {
        let DenialOptions::Nsec3 { opt_out, .. } = self.signing.options.denial else { return Ok(()) };
        let ring = Hashes { view: self.view, apex: self.apex, chain };
        let bitmaps = self.hashed(&ring, opt_out)?;
        let after = bitmaps.iter().map(|(hash, bitmap)| (*hash, bitmap.is_some())).collect();
        let links = links(&ring, &after);
        let param = Nsec3Param {
            algorithm: nsec3::SHA1,
            flags: if opt_out { nsec3::OPT_OUT } else { 0 },
            iterations: chain.parameters.iterations,
            salt: &chain.parameters.salt,
        };
        let owner = |hash: &Nsec3Hash| {
            let owner = nsec3::hashed_owner(hash, self.apex).map(|owner| owner.to_name());
            owner.ok_or(SignZoneError::NoRoomForHash)
        };
        let mut records = Vec::new();
        for (hash, next) in links {
            let bitmap = match bitmaps.get(&hash) {
                Some(Some(bitmap)) => bitmap.clone(),
                _ => ring.record(&hash).map(|(_, bitmap)| bitmap).unwrap_or_default(),
            };
            records.push((owner(&hash)?, Some(chain::nsec3_rdata(&param, &next, &bitmap))));
        }
        for (hash, _) in bitmaps.iter().filter(|(_, bitmap)| bitmap.is_none()) {
            records.push((owner(hash)?, None));
        }
        for (owner, record) in records {
            match record {
                Some(rdata) => self.put(owner, RrType::NSEC3, &rdata)?,
                None => {
                    self.changes.insert((owner, RrType::NSEC3, RrType(0)), None);
                }
            }
        }
        Ok(())
    }

    /// The hashes of the names that are or were in the chain and may change, with the bitmaps of those that will be in it.
    fn hashed(
        &self,
        ring: &Hashes<'_>,
        opt_out: bool,
    ) -> Result<BTreeMap<Nsec3Hash, Option<Vec<u8>>>, SignZoneError> {
        let hash = |name: NameRef<'_>| ring.chain.parameters.hash(name);
        // The affected names that are in the chain for what they hold.
        let own: BTreeMap<Name, Vec<u8>> = self
            .affected
            .iter()
            .filter(|(_, (kind, rrsets))| {
                let left_out = *kind == OwnerKind::Occluded || (opt_out && chain::is_insecure(*kind, rrsets));
                !left_out && !rrsets.is_empty()
            })
            .map(|(name, (kind, rrsets))| (name.clone(), chain::nsec3_bitmap(*kind, rrsets)))
            .collect();
        let mut bitmaps: BTreeMap<Nsec3Hash, Option<Vec<u8>>> = BTreeMap::new();
        let mut set = |hash: Nsec3Hash,
                       name: NameRef<'_>,
                       bitmap: Option<Vec<u8>>,
                       whose: &mut BTreeMap<Nsec3Hash, Name>| {
            let other = whose.insert(hash, name.to_name());
            if other.is_some_and(|other| other != name) {
                return Err(SignZoneError::HashCollision { owner: name.to_name() });
            }
            bitmaps.insert(hash, bitmap);
            Ok(())
        };
        let mut whose = BTreeMap::new();
        // Empty non-terminals have an empty bitmap.
        let mut looked: BTreeSet<Name> = BTreeSet::new();
        for name in self.affected.keys() {
            let at = hash(name.as_ref());
            let before = ring.has(&at);
            if let Some(bitmap) = own.get(name) {
                set(at, name.as_ref(), Some(bitmap.clone()), &mut whose)?;
            } else if before || self.leads(name.as_ref(), &own, opt_out) {
                let leads = self.leads(name.as_ref(), &own, opt_out);
                set(at, name.as_ref(), leads.then(Vec::new), &mut whose)?;
            }
            if own.contains_key(name) == before {
                continue;
            }
            for above in self.above(name.as_ref()) {
                let known = self.affected.contains_key(&above.to_name()) || self.holds_data(above);
                if known || !looked.insert(above.to_name()) {
                    continue;
                }
                let (at, leads) = (hash(above), self.leads(above, &own, opt_out));
                if leads != ring.has(&at) {
                    set(at, above, leads.then(Vec::new), &mut whose)?;
                }
            }
        }
        Ok(bitmaps)
    }

    /// Whether `name` had records other than those that signing makes.
    fn holds_data(&self, name: NameRef<'_>) -> bool {
        self.view.find_name(name).is_some_and(|node| holds_data(&node))
    }

    /// Whether a name of the chain is below `name`, which has no records or only ones that the chain leaves out.
    fn leads(&self, name: NameRef<'_>, own: &BTreeMap<Name, Vec<u8>>, opt_out: bool) -> bool {
        let owner = name.to_name();
        if own
            .range(owner..)
            .map(|(below, _)| below.as_ref())
            .find(|below| *below != name)
            .is_some_and(|below| below.is_below(name))
        {
            return true;
        }
        self.view.below(name).any(|node| {
            let flags = node.flags();
            let left_out = flags.has(NodeFlags::OCCLUDED)
                || (opt_out && flags.has(NodeFlags::CUT) && node.find(RrType::DS).is_none());
            !left_out && holds_data(&node) && !self.affected.contains_key(&node.owner().to_name())
        })
    }
}

/// Whether a node has records other than those that signing makes.
fn holds_data(node: &Node<'_>) -> bool {
    node.sets().any(|set| !matches!(set.data_type(), RrType::RRSIG | RrType::NSEC | RrType::NSEC3))
}

/// The NSEC records of a zone.
struct Names<'z> {
    view: View<'z>,
    chain: &'z NsecChain,
}

impl Names<'_> {
    /// The next name and the bitmap of the record of `name`.
    fn record(&self, name: &Name) -> Option<(Name, Vec<u8>)> {
        let rrset = self.view.find_name(name.as_ref())?.rrset(RrType::NSEC, self.view.store.class)?;
        let (next, bitmap) = NameRef::read(rrset.rdatas.first()?).ok()?;
        Some((next.to_name(), bitmap.to_vec()))
    }
}

impl Ring for Names<'_> {
    type Key = Name;

    fn has(&self, key: &Name) -> bool {
        self.view.find_name(key.as_ref()).is_some_and(|node| node.find(RrType::NSEC).is_some())
    }

    fn before(&self, key: &Name) -> Option<Name> {
        let place = self.view.before_name(self.chain, key.as_ref())?;
        Some(self.view.node(place).owner().to_name())
    }

    fn next(&self, key: &Name) -> Option<Name> {
        self.record(key).map(|(next, _)| next)
    }
}

/// The NSEC3 records of a zone.
struct Hashes<'z> {
    view: View<'z>,
    apex: NameRef<'z>,
    chain: &'z Nsec3Chain,
}

impl Hashes<'_> {
    /// The next hash and the bitmap of the record with `hash`.
    fn record(&self, hash: &Nsec3Hash) -> Option<(Nsec3Hash, Vec<u8>)> {
        let place = self.view.locate_hash(self.chain, hash)?.ok()?;
        let rrset = self.view.node(place).rrset(RrType::NSEC3, self.view.store.class)?;
        let rdata = rrset.rdatas.first()?;
        let (next, bitmap) = rdata.get(6 + usize::from(*rdata.get(4)?)..)?.split_first_chunk()?;
        Some((*next, bitmap.to_vec()))
    }
}

impl Ring for Hashes<'_> {
    type Key = Nsec3Hash;

    fn has(&self, key: &Nsec3Hash) -> bool {
        matches!(self.view.locate_hash(self.chain, key), Some(Ok(_)))
    }

    fn before(&self, key: &Nsec3Hash) -> Option<Nsec3Hash> {
        // The last hash that is at most one less.
        let mut less = *key;
        for octet in less.iter_mut().rev() {
            let (low, borrows) = octet.overflowing_sub(1);
            *octet = low;
            if !borrows {
                break;
            }
        }
        let (Ok(place) | Err(place)) = self.view.locate_hash(self.chain, &less)?;
        let node = self.view.node(place);
        let rrset = node.rrset(RrType::NSEC3, self.view.store.class)?;
        let record = nw_dnssec::Nsec3::parse(node.owner(), self.apex, rrset.rdatas.first()?)?;
        Some(record.owner)
    }

    fn next(&self, key: &Nsec3Hash) -> Option<Nsec3Hash> {
        self.record(key).map(|(next, _)| next)
    }
}
