//! The validator: between classify and keep (RFC 4035 §5, RFC 6840).
//!
//! ```text
//! reply ─> judge ─┬─ each RRset ──> signature.rs   a valid RRSIG by a key of its zone
//!                 ├─ each absence ─> denial.rs      NSEC or NSEC3 that prove it
//!                 └─ standing ─────> keys.rs        the keys of the zone: from the trust anchor along DS and DNSKEY
//! referral ─> trust: the DS RRset, or the proof that there is none ──> Delegation::trust
//! ```
//! The files are in `validator/`.
//!
//! Nothing of a reply is stored before it is judged, except for clients that set CD. A bogus reply sets its server back: the
//! next server is asked. When no server is left, the client gets SERVFAIL with the fault as extended error, and the bogus data
//! are kept for clients that set CD.
//!
//! **Standing.** The chain of trust begins at the trust anchor nearest above a name. Each label below may be a delegation: a
//! referral has said so ([`Delegation::trust`](nw_cache::Delegation)), or the resolver asks for its DS RRset. A DS RRset leads to
//! the keys of the child. A proof that a delegation has no DS makes everything below insecure.
//!
//! Lookups of name server addresses are not validated: a wrong address leads to a server whose replies are bogus.
//!
//! *Limitations*: trust anchors are fixed; the control plane replaces them (RFC 5011).

use std::rc::Rc;

use nw_cache::{DelegationEvidence, State, Trust};
use nw_dnssec::Verified;
use nw_wire::code::{Ede, RrType};
use nw_wire::name::{Name, NameRef};
use nw_wire::rrset::Rrset;

use crate::answer::{Answer, Cause, Failure};
use crate::classify::{Absence, Reply};
use crate::notice::Notice;
use crate::scrub::{Chain, Referral};
use crate::signed::{Signed, flatten, pair};
use crate::task::{Frame, Task};
use crate::trace::{Action, Draft, Layer, Reason, Trace, Validation};
use crate::validator::{
    Anchors, DenialFault, Fault, Insecurity, Judgement, Proofs, Proved, Signer, Standing, TrustPoint,
    Validator, ZoneKeys, denial, signature, zone_side,
};
use crate::world::{Micros, SECOND, World};

/// Digests of keys that are compared for one DNSKEY RRset.
const MAX_DIGESTS: u32 = 16;
/// The longest time that the standing of a zone is remembered, seconds.
const MAX_STANDING: u32 = 3600;

/// Why nothing can be said of a reply.
enum Trouble {
    /// It is bogus.
    Bogus(Fault),
    /// This machine or the budget prevented the validation.
    Failed(Failure),
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Trouble {
        Trouble::Bogus(fault)
    }
}

/// Note which parts of *proof* are *proved*, those that were verified and are no expansions: only they may be used again.
fn mark(proof: &mut [Signed], proved: &[Rrset]) {
    for signed in proof {
        let same = |set: &Rrset| set.owner == signed.rrset.owner && set.rtype == signed.rrset.rtype;
        if proved.iter().any(same) {
            signed.state = Some(State::Secure);
        }
    }
}

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

impl<W: World> Task<'_, W> {
    /// Who judges a reply. Err: the state of one that is not judged, for want of a validator or because the client set CD.
    pub(crate) fn judge_of(&self, frame: &Frame<'_>) -> Result<&Validator, State> {
        match &self.core.validator {
            Some(validator) if !self.checking_disabled => Ok(validator),
            // A forwarder was asked not to validate either: what it answers is for clients that set CD.
            None if !(self.checking_disabled && self.core.recurses_by_forwarder(frame)) => {
                Err(State::Indeterminate)
            }
            _ => Err(State::Unchecked),
        }
    }

    /// Let *validator* judge *reply* of one of the servers of *zone* to the question for *rtype*. Lifetimes are cut to those of the
    /// signatures (RFC 4035 §5.3.3). Err: it could not be judged.
    pub(crate) async fn judge(
        &self,
        validator: &Validator,
        reply: &mut Reply,
        rtype: RrType,
        frame: &Frame<'_>,
        trace: &Trace,
    ) -> Result<Judgement, Failure> {
        validator.standings.keep_to(self.core.cache.flushes());
        let check = Check { task: self, validator, frame, trace };
        let (chain, absence) = match reply {
            Reply::Answer(chain) | Reply::Alias(chain, _) | Reply::TooLong(chain) => (chain, None),
            Reply::Absence(chain, absence) => (chain, Some(absence)),
            // A setback says nothing, a referral is judged by `trust`.
            _ => return Ok(Ok(State::Indeterminate)),
        };
        let outer = self.effort.replace_reason(None);
        let judged = check.reply(chain, absence, rtype).await;
        chain.insecure = self.effort.replace_reason(outer);
        let judgement = self.judged(judged, frame, trace)?;
        Ok(match judgement {
            Err(fault) => reply.cut_to_sound_aliases().ok_or(fault),
            sound => sound,
        })
    }

    /// Judge what *referral* of one of the servers of *zone* says of the security of the zone that it leads to. None: it has no
    /// trust state yet.
    pub(crate) async fn trust(
        &self,
        referral: &mut Referral,
        zone: NameRef<'_>,
        frame: &Frame<'_>,
        trace: &Trace,
    ) -> Result<Judgement<Option<Trust>>, Failure> {
        let Some(validator) = self.core.validator.as_ref().filter(|_| !self.checking_disabled) else {
            return Ok(Ok(None));
        };
        validator.standings.keep_to(self.core.cache.flushes());
        let check = Check { task: self, validator, frame, trace };
        self.judged(check.referral(referral, zone).await, frame, trace)
    }

    /// Record that a reply is bogus.
    fn judged<T>(
        &self,
        judged: Result<T, Trouble>,
        frame: &Frame<'_>,
        trace: &Trace,
    ) -> Result<Judgement<T>, Failure> {
        match judged {
            Ok(known) => Ok(Ok(known)),
            Err(Trouble::Failed(failure)) => Err(failure),
            Err(Trouble::Bogus(fault)) => {
                let reason = Reason::Bogus { fault: fault.clone().into() };
                let draft =
                    Draft::new(Layer::Validator, Action::Validate, frame.name(), frame.rtype(), reason);
                let draft = draft.validation(Validation::Bogus).ede(fault.ede());
                trace.step(self.core.world.now(), draft);
                Ok(Err(fault))
            }
        }
    }
}

/// The validation of one reply.
struct Check<'c, W: World> {
    task: &'c Task<'c, W>,
    validator: &'c Validator,
    frame: &'c Frame<'c>,
    trace: &'c Trace,
}

/// A judged RRset.
struct Judged {
    state: State,
    /// The keys that signed it, and the labels of the wildcard's parent, if a wildcard made it.
    wildcard: Option<(Rc<ZoneKeys>, u8)>,
}

impl From<State> for Judged {
    fn from(state: State) -> Judged {
        Judged { state, wildcard: None }
    }
}

impl<W: World> Check<'_, W> {
    fn now(&self) -> Micros {
        self.task.core.world.now()
    }

    /// Seconds since 1970 modulo 2^32, as signatures have them.
    fn unix(&self) -> u32 {
        self.task.core.world.unix_s() as u32
    }

    /// Verify *signed* with *keys*, and cut its lifetime.
    fn verify(&self, signed: &mut Signed, keys: &ZoneKeys) -> Result<(Verified, Signer), Fault> {
        self.verify_by(signed, keys.zone.as_ref(), keys.all())
    }

    /// Verify *signed* with *keys* of *zone*, and cut its lifetime.
    fn verify_by<'k>(
        &self,
        signed: &mut Signed,
        zone: NameRef<'_>,
        keys: impl Iterator<Item = &'k nw_dnssec::Verifier> + Clone,
    ) -> Result<(Verified, Signer), Fault> {
        let (signatures, clock) = (signed.signatures.as_ref(), &self.validator.clock);
        match signature::verify(&signed.rrset, signatures, (zone, keys), self.unix(), self.task.effort) {
            Ok((verified, signer)) => {
                clock.valid(zone);
                signed.shorten(verified.ttl);
                Ok((verified, signer))
            }
            Err(fault) => {
                let anchored = self.validator.points.at(zone).is_some();
                Err(match clock.failed(zone, anchored, &fault) {
                    Some(skew) => Fault::Clock { fault: Box::new(fault), skew },
                    None => fault,
                })
            }
        }
    }

    /// The state of what lies in the insecure *zone*; the client learns why.
    fn insecure(&self, zone: NameRef<'_>, why: Insecurity) -> State {
        why.explain(zone, self.task.effort);
        State::Insecure
    }

    /// *why* the zone *zone* is insecure; the client learns it.
    fn explained(&self, zone: NameRef<'_>, why: Insecurity) -> Insecurity {
        why.explain(zone, self.task.effort);
        why
    }

    /// The state of an answer: the least of its parts.
    async fn reply(
        &self,
        chain: &mut Chain,
        absence: Option<&mut Absence>,
        rtype: RrType,
    ) -> Result<State, Trouble> {
        let (mut state, mut expanded) = (State::Secure, Vec::new());
        for signed in chain.links.iter_mut().chain(&mut chain.data).filter(|signed| !signed.synthesised) {
            let judged = self.rrset(signed, rtype).await?;
            state = state.min(judged.state);
            match judged.wildcard {
                Some((keys, encloser)) => {
                    expanded.push((signed.rrset.owner.clone(), signed.rrset.rtype, keys, encloser));
                }
                None => signed.state = Some(judged.state),
            }
        }
        for (owner, rtype, keys, encloser) in &expanded {
            // The proof of a wildcard stands in the authority section, beside that of an absence.
            let denial = absence.as_ref().map(|absence| absence.proof.as_slice()).unwrap_or_default();
            let proved = self.proved(chain.proof.iter().chain(denial), keys);
            let found = self.proofs(keys, &proved).expansion(owner.as_ref(), *rtype, *encloser);
            state = state.min(found.map_err(|unproved| proved.fault.unwrap_or(unproved))?);
            mark(&mut chain.proof, &proved.sets);
        }
        if let Some(absence) = absence {
            let denied = self.absence(absence, rtype).await?;
            // Behind an insecure alias, the denial itself may be secure.
            absence.state = Some(denied);
            state = state.min(denied);
        }
        Ok(state)
    }

    /// The RRsets of *proof* that have a valid signature by *keys* and are no expansions of a wildcard. What is refused or insecure
    /// whatever the signatures say costs none: more NSEC3 records than a proof may have, and those behind one with too many
    /// iterations (RFC 9276 §3.2).
    fn proved<'p>(&self, proof: impl Iterator<Item = &'p Signed> + Clone, keys: &ZoneKeys) -> Proved {
        let (zone, limits) = (keys.zone.as_ref(), self.validator.limits);
        let hashed = proof.clone().flat_map(|signed| denial::nsec3(&signed.rrset, zone));
        let too_many = hashed.filter(Result::is_ok).take(limits.records + 1).count() > limits.records;
        let mut proved = Proved { sets: Vec::new(), fault: None, too_many, iterations: false };
        for signed in proof.filter(|signed| !too_many || signed.rrset.rtype != RrType::NSEC3) {
            let mut signed = signed.clone();
            match self.verify(&mut signed, keys) {
                Ok((Verified { wildcard: None, .. }, _)) => {
                    proved.iterations = denial::nsec3(&signed.rrset, zone)
                        .flatten()
                        .any(|record| limits.makes_insecure(record.param.iterations));
                    proved.sets.push(signed.rrset);
                    if proved.iterations {
                        break;
                    }
                }
                Ok(_) => {
                    let Rrset { owner, rtype, .. } = signed.rrset;
                    proved.fault.get_or_insert(Fault::ExpandedDenial { owner, rtype });
                }
                Err(found) => proved.fault = Some(found),
            }
        }
        proved
    }

    fn proofs<'p>(&'p self, keys: &'p ZoneKeys, proved: &'p Proved) -> Proofs<'p> {
        Proofs::new(keys.zone.as_ref(), proved, self.validator.limits, self.task.effort)
    }

    /// The state of *signed*, a part of the reply to a question for *asked*, with its lifetime cut.
    async fn rrset(&self, signed: &mut Signed, asked: RrType) -> Result<Judged, Trouble> {
        let (owner, rtype) = (signed.rrset.owner.clone(), signed.rrset.rtype);
        if rtype == RrType::RRSIG {
            // Signatures are not signed (RFC 4035 §2.2).
            return Ok(State::Indeterminate.into());
        }
        // An alias is not at a cut (RFC 1034 §3.6.2). In place of DS it lies in the zone that was asked whether there is one.
        let within = match rtype {
            RrType::CNAME => zone_side(owner.as_ref(), asked),
            _ => zone_side(owner.as_ref(), rtype),
        };
        let anchor = match self.validator.points.nearest(within) {
            None => return Ok(State::Indeterminate.into()),
            Some(TrustPoint::Negative) => return Ok(State::Insecure.into()),
            Some(TrustPoint::Anchor(zone, _)) => zone,
        };
        let signers = signature::signers(std::iter::once(&*signed), anchor.as_ref(), owner.as_ref());
        if rtype == RrType::DNSKEY && (signers.is_empty() || signers.contains(&owner)) {
            return self.own_keys(signed).await.map(Judged::from);
        }
        if asked == RrType::DNSKEY && rtype == RrType::CNAME && signers.contains(&owner) {
            // Its keys would be needed to validate what stands in their place (RFC 2181 §10.1).
            return match self.anchors_of(owner.as_ref()).await? {
                Err(state) => Ok(state.into()),
                Ok(_) => Err(missing_keys(&owner, "the reply is an alias").into()),
            };
        }
        let mut worst = None;
        for signer in signers {
            match self.signed_by(signed, signer, within).await {
                Err(Trouble::Bogus(fault)) => blame(&mut worst, fault),
                judged => return judged,
            }
        }
        if let Some(fault) = worst {
            return Err(fault.into());
        }
        let unsigned =
            |zone, between| Trouble::from(Fault::Unsigned { owner: owner.clone(), rtype, zone, between });
        let standing = match self.standing(within).await {
            Err(Trouble::Bogus(Fault::Cut { zone, fault })) => return Err(unsigned(zone, Some(fault))),
            standing => standing?,
        };
        match standing {
            Standing::Secure(keys) => Err(unsigned(keys.zone.clone(), None)),
            Standing::Insecure(why) => Ok(self.insecure(within, why).into()),
            Standing::Indeterminate => Ok(State::Indeterminate.into()),
        }
    }

    /// The state of *signed*, data at *within*, by the signatures of *signer*.
    async fn signed_by(
        &self,
        signed: &mut Signed,
        signer: Name,
        within: NameRef<'_>,
    ) -> Result<Judged, Trouble> {
        match self.standing(signer.as_ref()).await? {
            Standing::Secure(keys) if keys.zone == signer && self.may_sign(signer.as_ref(), within) => {
                let (verified, by) = self.verify(signed, &keys)?;
                let reason = Reason::Verified { zone: keys.zone.clone(), signer: by };
                self.step(signed.rrset.owner.clone(), signed.rrset.rtype, reason, Validation::Secure);
                Ok(Judged { state: State::Secure, wildcard: verified.wildcard.map(|labels| (keys, labels)) })
            }
            Standing::Secure(_) => {
                let (owner, rtype) = (signed.rrset.owner.clone(), signed.rrset.rtype);
                Err(Fault::WrongSigner { owner, rtype, signer }.into())
            }
            Standing::Insecure(why) => Ok(self.insecure(signer.as_ref(), why).into()),
            Standing::Indeterminate => Ok(State::Indeterminate.into()),
        }
    }

    /// Whether *signer*, a secure zone, may be the zone of data at *within*: it is at or above, and no secure zone is known between
    /// them (RFC 4035 §5.3.1).
    fn may_sign(&self, signer: NameRef<'_>, within: NameRef<'_>) -> bool {
        let between = std::iter::successors(Some(within), |name| name.parent());
        let mut between = between.take_while(|name| name.is_below(signer));
        let cut = |name| self.task.core.cache.cut(name, self.now());
        let is_secure = |name| cut(name).is_some_and(|cut| matches!(cut.trust, Trust::Secure { .. }));
        within.is_at_or_below(signer) && !between.any(is_secure)
    }

    /// The state of *absence*, with its lifetime cut.
    async fn absence(&self, absence: &mut Absence, rtype: RrType) -> Result<State, Trouble> {
        let name = absence.name.clone();
        let within = zone_side(name.as_ref(), rtype);
        let anchor = match self.validator.points.nearest(within) {
            None => return Ok(State::Indeterminate),
            Some(TrustPoint::Negative) => return Ok(State::Insecure),
            Some(TrustPoint::Anchor(zone, _)) => zone,
        };
        let signers = signature::signers(absence.soa.iter().chain(&absence.proof), anchor.as_ref(), within);
        if rtype == RrType::DNSKEY && (signers.is_empty() || signers.contains(&name)) {
            // Its keys would be needed to prove that it has none.
            return match self.anchors_of(name.as_ref()).await? {
                Err(state) => Ok(state),
                Ok(_) => Err(missing_keys(&name, "the zone has none").into()),
            };
        }
        let mut worst = None;
        for signer in signers {
            match self.denied_by(absence, rtype, signer).await {
                Err(Trouble::Bogus(fault)) => blame(&mut worst, fault),
                judged => return judged,
            }
        }
        if let Some(fault) = worst {
            return Err(fault.into());
        }
        match self.standing(within).await? {
            Standing::Secure(_) => {
                let (fault, nxdomain) =
                    (DenialFault::Unproved(nw_dnssec::Unproved::NoRecords), absence.nxdomain);
                Err(Fault::Denial { name, rtype, nxdomain, fault }.into())
            }
            Standing::Insecure(why) => Ok(self.insecure(within, why)),
            Standing::Indeterminate => Ok(State::Indeterminate),
        }
    }

    /// The state of *absence* by the signatures of *signer*.
    async fn denied_by(&self, absence: &mut Absence, rtype: RrType, signer: Name) -> Result<State, Trouble> {
        let name = absence.name.clone();
        let keys = match self.standing(signer.as_ref()).await? {
            Standing::Secure(keys) => keys,
            Standing::Insecure(why) => return Ok(self.insecure(signer.as_ref(), why)),
            Standing::Indeterminate => return Ok(State::Indeterminate),
        };
        if keys.zone != signer || !self.may_sign(signer.as_ref(), zone_side(name.as_ref(), rtype)) {
            return Err(Fault::WrongSigner { owner: name, rtype, signer }.into());
        }
        let proved = self.proved(absence.proof.iter(), &keys);
        let soa = absence.soa.as_mut().filter(|_| !proved.is_settled());
        let unsigned_soa = match soa.map(|soa| self.verify(soa, &keys)) {
            Some(Err(Fault::Unsigned { .. })) => true,
            Some(Err(fault)) => return Err(fault.into()),
            Some(Ok(_)) | None => false,
        };
        let state = self.proofs(&keys, &proved).absence(name.as_ref(), rtype, absence.nxdomain);
        let Proved { sets, fault, .. } = proved;
        let state = state.map_err(|unproved| fault.unwrap_or(unproved))?;
        if unsigned_soa && state == State::Secure {
            // The proof says it all. What is not signed is not sent with AD (RFC 4035 §3.2.3), and without SOA nothing is kept.
            absence.soa = None;
        }
        mark(&mut absence.proof, &sets);
        let life = sets.iter().map(|set| set.ttl).min().unwrap_or(u32::MAX);
        absence.soa.iter_mut().chain(&mut absence.proof).for_each(|signed| signed.shorten(life));
        let reason = Reason::AbsenceProved { zone: keys.zone.clone(), nxdomain: absence.nxdomain };
        self.step(name, rtype, reason, state.into());
        Ok(state)
    }

    /// The trust state of the zone that *referral* of a server of *zone* leads to.
    async fn referral(&self, referral: &mut Referral, zone: NameRef<'_>) -> Result<Option<Trust>, Trouble> {
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
    async fn own_keys(&self, signed: &mut Signed) -> Result<State, Trouble> {
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
        let trusted = anchors.matching(&signed.rrset, accepted, &mut digests);
        let keys = ZoneKeys::of(&signed.rrset, accepted);
        let revoked = anchors.revoked(&signed.rrset, accepted, &mut digests);
        let tag = keys.at(&revoked).next().map(nw_dnssec::Verifier::tag);
        if anchored && tag.is_some() {
            self.revocation(signed, keys.at(&revoked));
        }
        let untrusted = Fault::NoTrustedKey { zone: zone.clone(), anchor: anchored, revoked: tag };
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
    async fn anchors_of(&self, zone: NameRef<'_>) -> Result<Result<(Rc<Anchors>, bool), State>, Trouble> {
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
    async fn standing(&self, name: NameRef<'_>) -> Result<Standing, Trouble> {
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
            Cause::Servers | Cause::Kept => match failure.reason {
                Reason::Bogus { fault } => Fault::clone(&fault).into(),
                reason => {
                    // Of a failure that the cache kept, the second extended error is that of its cause.
                    let cause = failure.ede.get(1).filter(|_| failure.cause == Cause::Kept);
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

    fn step(&self, name: Name, rtype: RrType, reason: Reason, validation: Validation) {
        let draft = Draft::new(Layer::Validator, Action::Validate, name, rtype, reason);
        self.trace.step(self.now(), draft.validation(validation));
    }
}

/// Keep of two faults the one that says more.
fn blame(worst: &mut Option<Fault>, fault: Fault) {
    if worst.as_ref().is_none_or(|worst| fault.weight() > worst.weight()) {
        *worst = Some(fault);
    }
}

/// *zone* has a DS RRset and no keys.
fn missing_keys(zone: &Name, because: &str) -> Fault {
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
