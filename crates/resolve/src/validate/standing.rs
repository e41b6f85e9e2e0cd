//! The walk to the keys of a zone: from the trust anchor along DS and DNSKEY RRsets (RFC 4035 §5.2).
//!
//! ```text
//! trust anchor ─> keys ─┬─ DS RRset, or a referral that had it ─> keys of the child ─> ...
//!                       ├─ proof that there is none ────────────> insecure, with everything below
//!                       └─ no zone cut ─────────────────────────> the next label
//! ```
//! What is found is remembered as the [`Standing`] of the zone.

use std::rc::Rc;

use nw_cache::{DelegationEvidence, State, Trust};
use nw_wire::code::{Ede, RrType};
use nw_wire::name::{Name, NameRef};
use nw_wire::rrset::Rrset;

use super::{Check, Trouble};
use crate::answer::{Answer, Cause, Failure};
use crate::notice::Notice;
use crate::scrub::Referral;
use crate::signed::{Signed, flatten, pair};
use crate::trace::{Reason, Validation};
use crate::validator::{
    Anchors, Fault, Insecurity, Proved, Signer, Standing, TrustPoint, Unfit, ZoneKeys, signature,
};
use crate::world::{Micros, SECOND, World};

/// Digests of keys that are compared for one DNSKEY RRset.
const MAX_DIGESTS: u32 = 16;
/// The longest time that the standing of a zone is remembered, seconds.
const MAX_STANDING: u32 = 3600;

/// What there is at a name below a secure zone.
enum Cut {
    /// Nothing: the name is in the same zone.
    None,
    /// The name does not exist, so that no zone is below it either.
    NoName,
    /// A delegation to a zone that has these keys.
    Secure(Anchors),
    /// A delegation to a zone without a chain of trust.
    Insecure(Insecurity),
}

/// What a referral proves.
enum Delegated {
    /// The child has this DS RRset, and a key that it names could be used.
    Secure(Rrset),
    /// The child has no DS RRset that could be used.
    Insecure(Insecurity),
}

impl<W: World> Check<'_, W> {
    /// The trust state of the zone that *referral* of a server of *zone* leads to.
    pub(super) async fn referral(
        &self,
        referral: &mut Referral,
        zone: NameRef<'_>,
    ) -> Result<Option<Trust>, Trouble> {
        let child = referral.child.clone();
        match self.validator.points.nearest(child.as_ref()) {
            None => return Ok(None),
            Some(TrustPoint::Negative) => return Ok(Some(Trust::Insecure)),
            // The zone has trust anchors of its own, or lies beside them.
            Some(TrustPoint::Anchor(anchor, _)) if !zone.is_at_or_below(anchor.as_ref()) => return Ok(None),
            Some(TrustPoint::Anchor(..)) => {}
        }
        // A server that serves zones between as well refers from the deepest of them.
        let evidence = with_signatures(&referral.evidence);
        let parent = child.as_ref().parent().unwrap_or(NameRef::ROOT);
        let signers = signature::signers(evidence.iter(), zone, parent);
        let parent = signers.first().map_or(zone, Name::as_ref);
        let keys = match self.standing(parent).await? {
            Standing::Secure(keys) => keys,
            Standing::Insecure(_) => return Ok(Some(Trust::Insecure)),
            Standing::Indeterminate => return Ok(None),
        };
        if keys.zone == parent
            && let Some((cut, life)) = self.evidence(&evidence, child.as_ref(), &keys)?
        {
            referral.ttl = referral.ttl.min(life);
            return Ok(Some(match cut {
                Delegated::Secure(ds) => Trust::Secure { ds },
                Delegated::Insecure(why) => {
                    self.remember(child.as_ref(), Standing::Insecure(why), life);
                    Trust::Insecure
                }
            }));
        }
        // The referral proves nothing: the parent says more when it is asked for DS.
        match self.cut_at(&keys, child.as_ref()).await? {
            Cut::Insecure(_) => Ok(Some(Trust::Insecure)),
            Cut::Secure(_) | Cut::None | Cut::NoName => Ok(None),
        }
    }

    /// What *evidence* of a referral to *child* from the zone of *keys* proves, and for how many seconds; None: nothing.
    fn evidence(
        &self,
        evidence: &[Signed],
        child: NameRef<'_>,
        keys: &ZoneKeys,
    ) -> Result<Option<(Delegated, u32)>, Fault> {
        if let Some(mut ds) = evidence.iter().find(|signed| signed.rrset.rtype == RrType::DS).cloned() {
            let (_, by) = self.verify(&mut ds, keys)?;
            let (life, ds) = (ds.rrset.ttl, ds.rrset);
            let unsupported = self.signed_delegation(child, keys, Anchors::of_ds(&ds), Some(by));
            let delegated = unsupported.map_or(Delegated::Secure(ds), Delegated::Insecure);
            return Ok(Some((delegated, life)));
        }
        let proved = self.proved(evidence.iter(), keys);
        let unsigned = self.proofs(keys, &proved).unsigned_delegation(child);
        match (unsigned, proved.fault) {
            (Ok(_), _) => {
                let life = proved.sets.iter().map(|set| set.ttl).min().unwrap_or(0);
                self.step(child.to_name(), RrType::DS, Reason::UnsignedDelegation, Validation::Insecure);
                Ok(Some((Delegated::Insecure(Insecurity::Unsigned), life)))
            }
            (Err(_), Some(fault)) => Err(fault),
            (Err(_), None) => Ok(None),
        }
    }

    /// Record that the zone of *keys* has *ds* for *child*, signed *by* one of the keys. Why *child* is insecure nevertheless, if
    /// it is.
    fn signed_delegation(
        &self,
        child: NameRef<'_>,
        keys: &ZoneKeys,
        ds: Anchors,
        by: Option<Signer>,
    ) -> Option<Insecurity> {
        let unsupported = ds.unsupported(self.validator.accepted);
        let (zone, named) = (keys.zone.clone(), ds.named().into_boxed_slice());
        let (reason, validation) = match unsupported {
            None => (Reason::SignedDelegation { zone, named, signer: by.map(Box::new) }, Validation::Secure),
            Some(why) => (Reason::Insecure { zone: child.to_name(), why }, Validation::Insecure),
        };
        self.step(child.to_name(), RrType::DS, reason, validation);
        unsupported
    }

    /// Judge *signed*, the DNSKEY RRset of a zone, by the DS RRset of its parent or by a trust anchor (RFC 4035 §5.2).
    pub(super) async fn own_keys(&self, signed: &mut Signed) -> Result<State, Trouble> {
        let zone = signed.rrset.owner.clone();
        let (anchors, anchored) = match self.anchors_of(zone.as_ref()).await? {
            Ok(anchors) => anchors,
            Err(state) => return Ok(state),
        };
        let accepted = self.validator.accepted;
        if let Some(why) = anchors.unsupported(accepted) {
            return Ok(self.insecure(zone.as_ref(), why));
        }
        let mut digests = MAX_DIGESTS;
        let keys = ZoneKeys::of(&signed.rrset, accepted);
        let (trusted, unfit) = anchors.matching(&signed.rrset, &keys, accepted, &mut digests);
        let revoked = anchors.revoked(&signed.rrset, accepted, &mut digests);
        let tag = keys.at(&revoked).next().map(nw_dnssec::Verifier::tag);
        if anchored && tag.is_some() {
            self.revocation(signed, keys.at(&revoked));
        }
        let unfit = unfit.or(tag.map(|tag| (tag, Unfit::Revoked)));
        let untrusted = Fault::NoTrustedKey { zone: zone.clone(), anchor: anchored, unfit };
        if trusted.is_empty() {
            return Err(untrusted.into());
        }
        let signer = match self.verify_by(signed, zone.as_ref(), keys.at(&trusted)) {
            Ok((_, signer)) => signer,
            Err(Fault::NoKey { .. } | Fault::Unsigned { .. }) if keys.at(&trusted).next().is_none() => {
                return Err(untrusted.into());
            }
            Err(Fault::NoKey { .. }) => return Err(untrusted.into()),
            Err(fault) => return Err(fault.into()),
        };
        let key_tags = keys.at(&trusted).map(nw_dnssec::Verifier::tag).collect();
        let reason =
            Reason::KeysTrusted { zone: zone.clone(), key_tags, anchor: anchored, signer: Box::new(signer) };
        self.step(zone.clone(), RrType::DNSKEY, reason, Validation::Secure);
        let standing = Standing::Secure(Rc::new(keys));
        self.remember(zone.as_ref(), standing, signed.rrset.ttl);
        Ok(State::Secure)
    }

    /// Report that the zone of *signed*, a DNSKEY RRset, has revoked a trust anchor, if one of the *revoked* keys signs it
    /// (RFC 5011 §2.1).
    fn revocation<'k>(
        &self,
        signed: &Signed,
        revoked: impl Iterator<Item = &'k nw_dnssec::Verifier> + Clone,
    ) {
        let (zone, signatures) = (&signed.rrset.owner, signed.signatures.as_ref());
        let by = (zone.as_ref(), revoked);
        if let Ok((_, signer)) =
            signature::verify(&signed.rrset, signatures, by, self.unix(), self.task.effort)
        {
            let notice = Notice::AnchorRevoked { zone: zone.clone(), key_tag: signer.key_tag };
            self.task.core.world.notice(notice);
        }
    }

    /// What the keys of *zone* must match, and whether a trust anchor says so; Err: the state of a zone that need not be signed.
    pub(super) async fn anchors_of(
        &self,
        zone: NameRef<'_>,
    ) -> Result<Result<(Rc<Anchors>, bool), State>, Trouble> {
        match self.validator.points.at(zone) {
            Some(anchors) => Ok(Ok((anchors, true))),
            None => Ok(self.delegated(zone).await?.map(|anchors| (anchors, false))),
        }
    }

    /// What the parent of *zone* says of its keys; Err: the state of a zone without a chain of trust.
    async fn delegated(&self, zone: NameRef<'_>) -> Result<Result<Rc<Anchors>, State>, Trouble> {
        if let Some(trust) = self.known_trust(zone) {
            return Ok(match trust {
                Cut::Secure(anchors) => Ok(Rc::new(anchors)),
                Cut::Insecure(why) => Err(self.insecure(zone, why)),
                Cut::None | Cut::NoName => Err(State::Insecure),
            });
        }
        let Some(parent) = zone.parent() else { return Ok(Err(State::Indeterminate)) };
        match self.standing(parent).await? {
            Standing::Insecure(why) => Ok(Err(self.insecure(parent, why))),
            Standing::Indeterminate => Ok(Err(State::Indeterminate)),
            Standing::Secure(keys) => match self.cut_at(&keys, zone).await? {
                Cut::Secure(anchors) => Ok(Ok(Rc::new(anchors))),
                Cut::Insecure(why) => Ok(Err(self.insecure(zone, why))),
                Cut::None | Cut::NoName => {
                    let (owner, zone) = (zone.to_name(), keys.zone.clone());
                    Err(Fault::Unsigned { owner, rtype: RrType::DNSKEY, zone, between: None }.into())
                }
            },
        }
    }

    /// The standing of the deepest zone at or above *name*.
    pub(super) async fn standing(&self, name: NameRef<'_>) -> Result<Standing, Trouble> {
        let (anchor, anchors) = match self.validator.points.nearest(name) {
            None => return Ok(Standing::Indeterminate),
            Some(TrustPoint::Negative) => return Ok(Standing::Insecure(Insecurity::NegativeAnchor)),
            Some(TrustPoint::Anchor(zone, anchors)) => (zone, anchors),
        };
        let (now, top) = (self.now(), anchor.as_ref().label_count());
        let mut from = None;
        for labels in (top..=name.label_count()).rev() {
            let at = name.suffix(labels);
            let known = match self.validator.standings.get(at, now) {
                Some(known) => known,
                None if labels == top => self.keys(at, &anchors).await?,
                None => match self.known_trust(at) {
                    None => continue,
                    Some(Cut::Secure(anchors)) => self.keys(at, &anchors).await?,
                    Some(Cut::Insecure(why)) => Standing::Insecure(why),
                    Some(Cut::None | Cut::NoName) => continue,
                },
            };
            if let Standing::Insecure(why) = known {
                self.explained(at, why);
            }
            from = Some((labels, known));
            break;
        }
        let (mut labels, mut standing) = from.expect("the anchor's zone ends the search");
        while labels < name.label_count() {
            let Standing::Secure(keys) = &standing else { break };
            labels += 1;
            let at = name.suffix(labels);
            let cut = match self.cut_at(keys, at).await {
                Err(Trouble::Bogus(fault)) => {
                    return Err(Fault::Cut { zone: keys.zone.clone(), fault: Box::new(fault) }.into());
                }
                cut => cut?,
            };
            match cut {
                Cut::None => {}
                Cut::NoName => break,
                Cut::Secure(anchors) => standing = self.keys(at, &anchors).await?,
                Cut::Insecure(why) => standing = Standing::Insecure(self.explained(at, why)),
            }
        }
        Ok(standing)
    }

    /// What a referral to *zone* has shown.
    fn known_trust(&self, zone: NameRef<'_>) -> Option<Cut> {
        match &self.task.core.cache.cut(zone, self.now())?.trust {
            Trust::Secure { ds } => Some(Cut::Secure(Anchors::of_ds(ds))),
            Trust::Insecure => match self.validator.standings.get(zone, self.now()) {
                Some(Standing::Insecure(why)) => Some(Cut::Insecure(why)),
                _ => Some(Cut::Insecure(Insecurity::Unsigned)),
            },
            Trust::Unknown { .. } => None,
        }
    }

    /// The keys of *zone*, of which one must match *anchors*.
    async fn keys(&self, zone: NameRef<'_>, anchors: &Anchors) -> Result<Standing, Trouble> {
        if let Some(known) = self.validator.standings.get(zone, self.now()) {
            return Ok(known);
        }
        if let Some(why) = anchors.unsupported(self.validator.accepted) {
            let reason = Reason::Insecure { zone: zone.to_name(), why };
            self.step(zone.to_name(), RrType::DS, reason, Validation::Insecure);
            self.remember(zone, Standing::Insecure(why), MAX_STANDING);
            return Ok(Standing::Insecure(why));
        }
        let answer = self.find(zone, RrType::DNSKEY).await?;
        let keys = answer.sets.iter().map(|signed| &signed.rrset);
        let mut keys = keys.filter(|set| set.rtype == RrType::DNSKEY && set.owner == zone);
        match (answer.state, keys.next()) {
            (State::Secure, Some(set)) => {
                // The judgement of the reply has stored them, unless the answer came from the cache.
                if let Some(known) = self.validator.standings.get(zone, self.now()) {
                    return Ok(known);
                }
                let standing = Standing::Secure(Rc::new(ZoneKeys::of(set, self.validator.accepted)));
                self.remember(zone, standing.clone(), set.ttl);
                Ok(standing)
            }
            (State::Secure, None) => Err(missing_keys(&zone.to_name(), "the zone has none").into()),
            (State::Insecure, _) => Ok(Standing::Insecure(Insecurity::Unsigned)),
            _ => Ok(Standing::Indeterminate),
        }
    }

    /// What there is at *child*, a name below the zone of *keys* with no zone between them.
    async fn cut_at(&self, keys: &Rc<ZoneKeys>, child: NameRef<'_>) -> Result<Cut, Trouble> {
        if let Some(known) = self.known_trust(child) {
            return Ok(known);
        }
        // A referral that was not judged when it came: to a lookup for a client with CD, or for the address of a name server.
        if let Some(cut) = self.task.core.cache.cut(child, self.now())
            && let Trust::Unknown { evidence } = &cut.trust
            && let Ok(Some((delegated, _))) = self.evidence(&with_signatures(evidence), child, keys)
        {
            return Ok(match delegated {
                Delegated::Secure(ds) => Cut::Secure(Anchors::of_ds(&ds)),
                Delegated::Insecure(why) => Cut::Insecure(why),
            });
        }
        let mut answer = self.find(child, RrType::DS).await?;
        if let Some(first) = answer.sets.first_mut() {
            let is_ds = first.rrset.rtype == RrType::DS && first.rrset.owner == child;
            let mut by = None;
            if !is_ds || answer.state != State::Secure {
                // An alias, which is not at a cut (RFC 1034 §3.6.2). The state of the answer is that of its target, too.
                by = Some(self.verify(first, keys)?.1);
            }
            if !is_ds {
                return Ok(Cut::None);
            }
            let anchors = Anchors::of_ds(&first.rrset);
            return Ok(match self.signed_delegation(child, keys, anchors.clone(), by) {
                None => Cut::Secure(anchors),
                Some(why) => {
                    self.remember(child, Standing::Insecure(why), first.rrset.ttl);
                    Cut::Insecure(why)
                }
            });
        }
        if answer.state != State::Secure {
            self.remember(child, Standing::Insecure(Insecurity::Unsigned), life(&answer.authority));
            return Ok(Cut::Insecure(Insecurity::Unsigned));
        }
        if answer.rcode == nw_wire::code::Rcode::NXDOMAIN {
            return Ok(Cut::NoName);
        }
        let proof = Proved::from(flatten(answer.authority.iter().cloned()));
        if self.proofs(keys, &proof).unsigned_delegation(child).is_err() {
            return Ok(Cut::None);
        }
        self.step(child.to_name(), RrType::DS, Reason::UnsignedDelegation, Validation::Insecure);
        self.remember(child, Standing::Insecure(Insecurity::Unsigned), life(&answer.authority));
        Ok(Cut::Insecure(Insecurity::Unsigned))
    }

    /// Look up the DNSKEY or DS RRset of *zone*.
    async fn find(&self, zone: NameRef<'_>, rtype: RrType) -> Result<Answer, Trouble> {
        let (task, name) = (self.task, zone.to_name());
        let most = task.core.config.budget.max_depth;
        let below = self.frame.below(name.as_ref(), rtype, most).map_err(Trouble::Failed)?;
        let below = below.without_aliases();
        task.lookup(&name, rtype, &below, self.trace).await.map_err(|failure| match failure.cause {
            Cause::Here | Cause::Network => Trouble::Failed(failure),
            Cause::Kept { network: true } => Trouble::Failed(Failure::network()),
            Cause::Servers | Cause::Kept { network: false } => match failure.reason {
                Reason::Bogus { fault } => Fault::clone(&fault).into(),
                reason => {
                    // Of a failure that the cache kept, the second extended error is that of its cause.
                    let cause = failure.ede.get(1).filter(|_| failure.cause != Cause::Servers);
                    let ede = cause.map_or(Ede::DNSSEC_BOGUS, |(ede, _)| *ede);
                    let because = cause.map_or_else(|| reason.to_string(), |(_, text)| text.clone());
                    match because.strip_prefix("bogus: ") {
                        Some(text) => Fault::Kept { text: text.to_string(), ede }.into(),
                        None => Fault::Missing { zone: name.clone(), rtype, because, ede }.into(),
                    }
                }
            },
        })
    }

    /// Remember *standing* of *zone* for *ttl* seconds at most.
    fn remember(&self, zone: NameRef<'_>, standing: Standing, ttl: u32) {
        let expires = self.now() + Micros::from(ttl.min(MAX_STANDING)) * SECOND;
        self.validator.standings.put(zone, standing, expires);
    }
}

/// *zone* has a DS RRset and no keys.
pub(super) fn missing_keys(zone: &Name, because: &str) -> Fault {
    let because = because.to_string();
    Fault::Missing { zone: zone.clone(), rtype: RrType::DNSKEY, because, ede: Ede::DNSKEY_MISSING }
}

/// The RRsets of *evidence* with their signatures.
fn with_signatures(evidence: &DelegationEvidence) -> Vec<Signed> {
    let DelegationEvidence { ds, denial } = evidence;
    pair(ds.iter().chain(denial).cloned().collect())
}

/// The shortest life in *sets*, seconds.
fn life(sets: &[Signed]) -> u32 {
    sets.iter().map(|signed| signed.rrset.ttl).min().unwrap_or(0)
}
