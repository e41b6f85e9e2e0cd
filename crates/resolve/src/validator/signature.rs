//! One RRset and its signatures against the keys of a zone (RFC 4035 §5.3). Any valid signature suffices (RFC 6840 §5.4).

use std::cell::{Cell, RefCell};

use nw_crypto::Algorithm;
use nw_dnssec::{Canonical, Rrsig, RrsigFault, Verified, Verifier, verify_rrset};
use nw_wire::code::Ede;
use nw_wire::name::{Name, NameRef};
use nw_wire::rrset::Rrset;

use super::fault::Fault;
use crate::config::ResolverConfig;
use crate::signed::Signed;

/// Signatures of one RRset that are looked at. Each algorithm and key of a zone gives one, twice that during a rollover.
const MAX_SIGNATURES: usize = 16;
/// Signers of one RRset that are tried. Each may need the keys of another zone.
const MAX_SIGNERS: usize = 3;
/// Keys with the tag of a signature that are tried; honest zones hardly ever have two keys with one tag.
const MAX_COLLIDING: usize = 2;

/// The work that validation may still do for one client question (attacks KeyTrap and its relatives).
#[derive(Debug)]
pub(crate) struct Effort {
    /// Verifications left, of signatures that turn out valid or not.
    signatures: Cell<u32>,
    /// Verifications left that fail.
    failures: Cell<u32>,
    /// Bounds of the tolerance for clocks that differ, seconds. Within them it is a tenth of the life of the signature, as in
    /// Unbound.
    skew: (u32, u32),
    /// Why a part of the answer is insecure.
    explained: RefCell<Option<Explained>>,
    /// The same for the reply that is judged now.
    of_reply: RefCell<Option<Explained>>,
    scratch: RefCell<Canonical>,
}

impl Effort {
    pub(crate) fn new(config: &ResolverConfig) -> Effort {
        let budget = &config.budget;
        Effort {
            skew: config.signature_skew,
            explained: RefCell::new(None),
            of_reply: RefCell::new(None),
            signatures: Cell::new(budget.max_signatures),
            failures: Cell::new(budget.max_failed_signatures),
            scratch: RefCell::new(Canonical::new()),
        }
    }

    /// Note why a part of the answer, and of the reply that is judged, is insecure. The first reason is kept.
    pub(crate) fn explain(&self, why: Explained) {
        self.explained.borrow_mut().get_or_insert_with(|| why.clone());
        self.of_reply.borrow_mut().get_or_insert(why);
    }

    /// The extended error of a part of the answer that is insecure, if there is one.
    pub(crate) fn explained(&self) -> Option<(Ede, String)> {
        self.explained.borrow().as_ref().map(|why| (why.ede, why.text.clone()))
    }

    /// Set why the reply that is judged is insecure, and return what it was. The judgement of a reply may need lookups, and so that
    /// of other replies.
    pub(crate) fn replace_reason(&self, why: Option<Explained>) -> Option<Explained> {
        self.of_reply.replace(why)
    }

    /// Verify one signature, or return which limit forbids it.
    fn verify(
        &self,
        set: &Rrset,
        rrsig: &Rrsig<'_>,
        key: &Verifier,
        now: u32,
    ) -> Result<Result<Verified, RrsigFault>, Fault> {
        if self.failures.get() == 0 {
            return Err(Fault::TooMuchWork { limit: "max_failed_signatures" });
        }
        let Some(left) = self.signatures.get().checked_sub(1) else {
            return Err(Fault::TooMuchWork { limit: "max_signatures" });
        };
        self.signatures.set(left);
        let verified = verify_rrset(set, rrsig, key, now, &mut self.scratch.borrow_mut());
        if verified.is_err() {
            self.failures.set(self.failures.get() - 1);
        }
        Ok(verified)
    }
}

/// An extended error that says why data is insecure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Explained {
    /// The zone that is insecure for this reason, with all below it.
    pub(crate) zone: Name,
    pub(crate) ede: Ede,
    pub(crate) text: String,
}

/// The signers of *sets* that could be zones of data at *within*: at or above it, and at or below *anchor*. Honest zones have one.
pub(crate) fn signers<'s>(
    sets: impl Iterator<Item = &'s Signed>,
    anchor: NameRef<'_>,
    within: NameRef<'_>,
) -> Vec<Name> {
    let mut signers: Vec<Name> = Vec::new();
    for signed in sets {
        let rdatas = signed.signatures.iter().flat_map(|signatures| signatures.rdatas.iter());
        for signer in rdatas.take(MAX_SIGNATURES).filter_map(Rrsig::parse).map(|rrsig| rrsig.signer) {
            let may_sign = signer.is_at_or_below(anchor) && within.is_at_or_below(signer);
            let may_sign = may_sign && signed.rrset.owner.as_ref().is_at_or_below(signer);
            if may_sign && signers.len() < MAX_SIGNERS && signers.iter().all(|known| *known != signer) {
                signers.push(signer.to_name());
            }
        }
    }
    signers
}

/// Verify that one of *signatures* is by one of *keys* of *zone* and valid for *set* at *now* (seconds since 1970 modulo 2^32).
pub(crate) fn verify<'k>(
    set: &Rrset,
    signatures: Option<&Rrset>,
    (zone, keys): (NameRef<'_>, impl Iterator<Item = &'k Verifier> + Clone),
    now: u32,
    effort: &Effort,
) -> Result<(Verified, Signer), Fault> {
    let (owner, rtype) = (&set.owner, set.rtype);
    let mut worst: Option<Fault> = None;
    let mut blame = |fault: Fault| {
        if worst.as_ref().is_none_or(|worst| fault.weight() >= worst.weight()) {
            worst = Some(fault);
        }
    };
    let rdatas = signatures.into_iter().flat_map(|signatures| signatures.rdatas.iter());
    for rrsig in rdatas.take(MAX_SIGNATURES).filter_map(Rrsig::parse) {
        let key_tag = rrsig.key_tag;
        if rrsig.signer != zone {
            blame(Fault::WrongSigner { owner: owner.clone(), rtype, signer: rrsig.signer.to_name() });
            continue;
        }
        let at = tolerated(&rrsig, now, effort.skew);
        if let Err(fault) = rrsig.check(set, at) {
            blame(Fault::Signature {
                owner: owner.clone(),
                rtype,
                signer: zone.to_name(),
                key_tag,
                fault,
                now,
            });
            continue;
        }
        let mut named = keys.clone().filter(|key| rrsig.names(key)).take(MAX_COLLIDING).peekable();
        if named.peek().is_none() {
            let signer = zone.to_name();
            blame(Fault::NoKey { owner: owner.clone(), rtype, signer, key_tag, unfit: None });
        }
        for key in named {
            match effort.verify(set, &rrsig, key, at)? {
                Ok(verified) => {
                    let Rrsig { algorithm, inception, expiration, .. } = rrsig;
                    return Ok((verified, Signer { key_tag, algorithm, inception, expiration }));
                }
                Err(fault) => {
                    let signer = zone.to_name();
                    blame(Fault::Signature { owner: owner.clone(), rtype, signer, key_tag, fault, now });
                }
            }
        }
    }
    let unsigned = || Fault::Unsigned { owner: owner.clone(), rtype, zone: zone.to_name(), between: None };
    Err(worst.unwrap_or_else(unsigned))
}

/// Who made a valid signature, and when it is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signer {
    /// The tag of the key.
    pub key_tag: u16,
    /// The algorithm of the key.
    pub algorithm: Algorithm,
    /// The first second, since 1970 modulo 2^32.
    pub inception: u32,
    /// The last second.
    pub expiration: u32,
}

/// The time at which *rrsig* is checked: *now*, or the nearest time at which it is valid if the clocks may differ by as much.
fn tolerated(rrsig: &Rrsig<'_>, now: u32, (least, most): (u32, u32)) -> u32 {
    let life = rrsig.expiration.wrapping_sub(rrsig.inception);
    let skew = (life / 10).max(least).min(most);
    let (early, late) = (rrsig.inception.wrapping_sub(now), now.wrapping_sub(rrsig.expiration));
    if early != 0 && early <= skew {
        rrsig.inception
    } else if late != 0 && late <= skew {
        rrsig.expiration
    } else {
        now
    }
}
