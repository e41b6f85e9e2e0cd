//! RRSIG records: made and verified (RFC 4034 §3, RFC 4035 §5.3).
//!
//! ```text
//!   signed octets = RRSIG rdata up to the signature (signer in lower case) | canonical RRset
//! ```
//!
//! Verification has two halves: [`Rrsig::check`] costs no arithmetic and comes first; [`verify_rrset`] does both.

use std::fmt;

use nw_crypto::{Algorithm, SignError, VerifyError};
use nw_wire::{NameBuf, NameRef, RrType, Rrset};

use crate::canonical::Canonical;
use crate::dnskey::Verifier;
use crate::zonekey::ZoneKey;

/// Octets of an RRSIG before the signer's name.
const FIXED: usize = 18;

/// A view of RRSIG rdata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rrsig<'a> {
    /// The type of the RRset that is signed.
    pub type_covered: RrType,
    /// The algorithm of the key.
    pub algorithm: Algorithm,
    /// How many labels the signed owner has, without the root and without a leading `*` (RFC 4034 §3.1.3).
    pub labels: u8,
    /// The TTL that is signed, in seconds.
    pub original_ttl: u32,
    /// The last second in which the signature counts, modulo 2^32.
    pub expiration: u32,
    /// The first second in which the signature counts, modulo 2^32.
    pub inception: u32,
    /// The tag of the key.
    pub key_tag: u16,
    /// The apex of the zone whose key signed.
    pub signer: NameRef<'a>,
    /// The signature itself.
    pub signature: &'a [u8],
}

impl<'a> Rrsig<'a> {
    /// Parse `rdata`; None if it ends too early or its name is broken.
    #[must_use]
    pub fn parse(rdata: &'a [u8]) -> Option<Self> {
        let (fixed, rest) = rdata.split_first_chunk::<FIXED>()?;
        let (signer, signature) = NameRef::read(rest).ok()?;
        let u16_at = |at: usize| u16::from_be_bytes([fixed[at], fixed[at + 1]]);
        let u32_at = |at: usize| u32::from_be_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]]);
        Some(Self {
            type_covered: RrType(u16_at(0)),
            algorithm: Algorithm(fixed[2]),
            labels: fixed[3],
            original_ttl: u32_at(4),
            expiration: u32_at(8),
            inception: u32_at(12),
            key_tag: u16_at(16),
            signer,
            signature,
        })
    }

    /// Append the rdata without the signature.
    fn push_head(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.type_covered.0.to_be_bytes());
        out.extend_from_slice(&[self.algorithm.0, self.labels]);
        out.extend_from_slice(&self.original_ttl.to_be_bytes());
        out.extend_from_slice(&self.expiration.to_be_bytes());
        out.extend_from_slice(&self.inception.to_be_bytes());
        out.extend_from_slice(&self.key_tag.to_be_bytes());
        out.extend_from_slice(self.signer.lower().as_ref().wire());
    }

    /// Check everything about this RRSIG over `rrset` that needs no key, at `now` (seconds since 1970 modulo
    /// 2^32): type, place, labels, time (RFC 4035 §5.3.1).
    pub fn check(&self, rrset: &Rrset, now: u32) -> Result<(), RrsigFault> {
        if self.type_covered != rrset.rtype {
            return Err(RrsigFault::TypeCovered);
        }
        let owner = rrset.owner.as_ref();
        if !owner.is_at_or_below(self.signer) {
            return Err(RrsigFault::SignerNotAbove);
        }
        if usize::from(self.labels) > rrsig_labels(owner) {
            return Err(RrsigFault::TooManyLabels);
        }
        // A wildcard above the apex of its own zone cannot exist.
        if usize::from(self.labels) < self.signer.label_count() {
            return Err(RrsigFault::LabelsAboveSigner);
        }
        if serial_before(self.expiration, self.inception) {
            return Err(RrsigFault::ExpiresBeforeInception);
        }
        if serial_before(now, self.inception) {
            return Err(RrsigFault::NotYetValid { inception: self.inception });
        }
        if serial_before(self.expiration, now) {
            return Err(RrsigFault::Expired { expiration: self.expiration });
        }
        Ok(())
    }

    /// Tell whether `key` is the one that this RRSIG names. A tag only narrows the search.
    #[must_use]
    pub fn names(&self, key: &Verifier) -> bool {
        self.algorithm == key.algorithm() && self.key_tag == key.tag() && self.signer == key.owner()
    }

    /// Return the name that was signed for an answer at `owner`: itself, or the wildcard that it was made from
    /// (RFC 4035 §5.3.2).
    fn signed_owner(&self, owner: NameRef<'_>) -> Option<NameBuf> {
        let labels = usize::from(self.labels);
        if rrsig_labels(owner) == labels {
            return Some(owner.to_buf());
        }
        owner.suffix(labels).with_label(b"*")
    }
}

/// Return what the labels field of an RRSIG at `owner` counts (RFC 4034 §3.1.3).
fn rrsig_labels(owner: NameRef<'_>) -> usize {
    owner.label_count() - usize::from(owner.is_wildcard())
}

/// Tell whether `a` comes before `b` in serial arithmetic (RFC 1982 §3.2, as RFC 4034 §3.1.5 asks). Instants 2^31
/// apart have no order there; they count as not before.
fn serial_before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0 && a.wrapping_sub(b) != 1 << 31
}

/// What a valid signature proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Seconds for which the RRset may be kept: the least of its own TTL, the original TTL and the time until
    /// expiration (RFC 4035 §5.3.3).
    pub ttl: u32,
    /// Set if a wildcard made the answer: how many labels the closest encloser has. The answer then needs a proof
    /// that no closer name exists: [`expansion`](crate::expansion) (RFC 4035 §5.3.4). An NSEC or NSEC3 RRset for
    /// which this is set proves nothing.
    pub wildcard: Option<u8>,
}

/// Verify that `key` made `rrsig` over `rrset` and that it counts at `now` (seconds since 1970 modulo 2^32).
///
/// The caller decides whether to trust the key, and tries the other keys of the same tag.
pub fn verify_rrset(
    rrset: &Rrset,
    rrsig: &Rrsig<'_>,
    key: &Verifier,
    now: u32,
    scratch: &mut Canonical,
) -> Result<Verified, RrsigFault> {
    rrsig.check(rrset, now)?;
    if !rrsig.names(key) {
        return Err(RrsigFault::OtherKey);
    }
    if key.is_revoked() && rrset.rtype != RrType::DNSKEY {
        return Err(RrsigFault::RevokedKey);
    }
    let owner = rrset.owner.as_ref();
    let signed = rrsig.signed_owner(owner).ok_or(RrsigFault::TooManyLabels)?;
    let mut message = Vec::with_capacity(512);
    rrsig.push_head(&mut message);
    let head = (rrset.rtype, rrset.class, rrsig.original_ttl);
    scratch.push_rrset(signed.as_ref(), head, &rrset.rdatas, &mut message);
    key.key().verify(&message, rrsig.signature).map_err(RrsigFault::Signature)?;
    Ok(Verified {
        ttl: rrset.ttl.min(rrsig.original_ttl).min(rrsig.expiration.wrapping_sub(now)),
        wildcard: (rrsig_labels(owner) != usize::from(rrsig.labels)).then_some(rrsig.labels),
    })
}

/// When a new signature counts, in seconds since 1970 modulo 2^32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignParams {
    /// The first second.
    pub inception: u32,
    /// The last second.
    pub expiration: u32,
}

/// Append to `rdata` the RRSIG rdata of `key` over `rrset`, whose TTL becomes the original TTL.
///
/// `scratch` is used again from call to call.
pub fn sign_rrset(
    rrset: &Rrset,
    key: &ZoneKey,
    params: SignParams,
    scratch: &mut SignScratch,
    rdata: &mut Vec<u8>,
) -> Result<(), SignError> {
    let owner = rrset.owner.as_ref();
    let rrsig = Rrsig {
        type_covered: rrset.rtype,
        algorithm: key.signer().algorithm(),
        labels: rrsig_labels(owner) as u8, // at most 127
        original_ttl: rrset.ttl,
        expiration: params.expiration,
        inception: params.inception,
        key_tag: key.tag(),
        signer: key.owner(),
        signature: &[],
    };
    let message = &mut scratch.message;
    message.clear();
    rrsig.push_head(message);
    let head = message.len();
    scratch.canonical.push_rrset(owner, (rrset.rtype, rrset.class, rrset.ttl), &rrset.rdatas, message);
    let start = rdata.len();
    rdata.extend_from_slice(&message[..head]);
    key.signer().sign(message, rdata).inspect_err(|_| rdata.truncate(start))
}

/// Space for the octets to sign, used again from call to call.
#[derive(Debug, Default)]
pub struct SignScratch {
    message: Vec<u8>,
    canonical: Canonical,
}

/// Why an RRSIG does not vouch for an RRset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RrsigFault {
    /// It covers another type.
    TypeCovered,
    /// The RRset does not lie in the signer's zone.
    SignerNotAbove,
    /// The labels field is larger than the owner has labels (RFC 4035 §5.3.1).
    TooManyLabels,
    /// The labels field points to a wildcard above the signer's apex.
    LabelsAboveSigner,
    /// The labels field is that of a wildcard, and the RRset stands in its zone under its own name.
    TooFewLabels,
    /// The times are in the wrong order.
    ExpiresBeforeInception,
    /// It does not count yet.
    NotYetValid {
        /// From when on it counts.
        inception: u32,
    },
    /// It does not count any longer.
    Expired {
        /// Until when it counted.
        expiration: u32,
    },
    /// It names another key: another tag, algorithm or owner.
    OtherKey,
    /// The key is revoked and may sign nothing but the DNSKEY RRset (RFC 5011 §2.1).
    RevokedKey,
    /// The signature does not match the data and the key.
    Signature(VerifyError),
}

impl fmt::Display for RrsigFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TypeCovered => f.write_str("the signature covers another type"),
            Self::SignerNotAbove => f.write_str("the records do not lie in the zone of the signer"),
            Self::TooManyLabels => f.write_str("the signature claims more labels than the owner has"),
            Self::LabelsAboveSigner => f.write_str("the signature claims a wildcard above its zone"),
            Self::TooFewLabels => f.write_str("the signature is that of a wildcard"),
            Self::ExpiresBeforeInception => f.write_str("the signature expires before it begins"),
            Self::NotYetValid { inception } => write!(f, "the signature is not valid before {inception}"),
            Self::Expired { expiration } => write!(f, "the signature expired at {expiration}"),
            Self::OtherKey => f.write_str("the signature names another key"),
            Self::RevokedKey => f.write_str("the key is revoked"),
            Self::Signature(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for RrsigFault {}

#[cfg(test)]
pub(crate) mod tests;
