//! The validator: between classify and keep (RFC 4035 §5, RFC 6840).
//!
//! ```text
//! reply ─> judge ─┬─ each RRset ──> signature.rs   a valid RRSIG by a key of its zone
//!                 ├─ each absence ─> denial.rs      NSEC or NSEC3 that prove it
//!                 └─ standing ─────> standing.rs    the keys of the zone: from the trust anchor along DS and DNSKEY
//! referral ─> trust: the DS RRset, or the proof that there is none ──> Delegation::trust
//! ```
//! `standing.rs` is in `validate/`, the other files are in `validator/`.
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

use nw_cache::{State, Trust};
use nw_dnssec::Verified;
use nw_wire::code::RrType;
use nw_wire::name::{Name, NameRef};
use nw_wire::rrset::Rrset;

use crate::answer::Failure;
use crate::classify::{Absence, Reply};
use crate::scrub::{Chain, Referral};
use crate::signed::Signed;
use crate::task::{Frame, Task};
use crate::trace::{Action, Draft, Layer, Reason, Trace, Validation};
use crate::validator::{
    DenialFault, Fault, Insecurity, Judgement, Proofs, Proved, Signer, Standing, TrustPoint, Validator,
    ZoneKeys, denial, signature, zone_side,
};
use crate::world::{Micros, World};

mod standing;

use standing::missing_keys;

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
        chain.insecure = self.effort.replace_reason(outer).map(Box::new);
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
        self.verify_by(signed, keys.zone.as_ref(), keys.all()).map_err(|fault| keys.explained(fault))
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
