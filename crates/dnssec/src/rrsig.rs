//! RRSIG records: signing and verification (RFC 4034 §3, RFC 4035 §5.3).
//!
//! ```text
//!   signed octets = RRSIG rdata up to the signature (signer in lower case) | canonical RRset
//! ```
//!
//! [`Rrsig::check`] does the checks that need no cryptography. [`verify_rrset`] calls it first and then verifies the
//! signature.

use std::fmt;

use nw_crypto::{Algorithm, SignError, VerifyError};
use nw_wire::{NameBuf, NameRef, RrType, Rrset};

use crate::canonical::Canonical;
use crate::dnskey::Verifier;
use crate::zonekey::ZoneKey;

/// The number of octets of an RRSIG before the signer's name.
const FIXED: usize = 18;

/// A view of RRSIG rdata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rrsig<'a> {
    /// The type of the RRset that is signed.
    pub type_covered: RrType,
    /// The algorithm of the key.
    pub algorithm: Algorithm,
    /// The number of labels of the signed owner, not counting the root and a leading `*` (RFC 4034 §3.1.3).
    pub labels: u8,
    /// The signed TTL in seconds.
    pub original_ttl: u32,
    /// The last second in which the signature is valid, modulo 2^32.
    pub expiration: u32,
    /// The first second in which the signature is valid, modulo 2^32.
    pub inception: u32,
    /// The tag of the key.
    pub key_tag: u16,
    /// The apex of the zone to which the signing key belongs.
    pub signer: NameRef<'a>,
    /// The signature itself.
    pub signature: &'a [u8],
}

impl<'a> Rrsig<'a> {
    /// Parse `rdata`. Returns None if it is too short or the name is malformed.
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

    /// Check the parts of this RRSIG over `rrset` that need no key, at `now` (seconds since 1970 modulo 2^32): type,
    /// signer, labels and time (RFC 4035 §5.3.1).
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
        // A wildcard cannot exist above the apex of its own zone.
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

    /// Return whether `key` may have made this RRSIG. Several keys may match, because tags are not unique.
    #[must_use]
    pub fn names(&self, key: &Verifier) -> bool {
        self.algorithm == key.algorithm() && self.key_tag == key.tag() && self.signer == key.owner()
    }

    /// Return the name that was signed for an answer at `owner`: the owner itself, or the wildcard from which the
    /// answer was expanded (RFC 4035 §5.3.2).
    fn signed_owner(&self, owner: NameRef<'_>) -> Option<NameBuf> {
        let labels = usize::from(self.labels);
        if rrsig_labels(owner) == labels {
            return Some(owner.to_buf());
        }
        owner.suffix(labels).with_label(b"*")
    }
}

/// Return the value of the labels field of an RRSIG at `owner` (RFC 4034 §3.1.3).
fn rrsig_labels(owner: NameRef<'_>) -> usize {
    owner.label_count() - usize::from(owner.is_wildcard())
}

/// Return whether `a` is before `b` in serial number arithmetic (RFC 1982 §3.2, as RFC 4034 §3.1.5 requires). The
/// order of numbers that differ by 2^31 is undefined; the function returns false for them.
fn serial_before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0 && a.wrapping_sub(b) != 1 << 31
}

/// The result of a successful verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The number of seconds for which the RRset may be cached: the minimum of its TTL, the original TTL and the time
    /// until expiration (RFC 4035 §5.3.3).
    pub ttl: u32,
    /// Set if the answer was expanded from a wildcard: the number of labels of the closest encloser. The answer then
    /// needs a proof that no closer name exists, see [`expansion`](crate::expansion) (RFC 4035 §5.3.4). An NSEC or
    /// NSEC3 RRset with this field set proves nothing.
    pub wildcard: Option<u8>,
}

/// Verify that `key` made `rrsig` over `rrset`, and that the signature is valid at `now` (seconds since 1970 modulo
/// 2^32).
///
/// The caller decides whether to trust the key, and tries other keys with the same tag.
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

/// The validity period of a new signature, in seconds since 1970 modulo 2^32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignParams {
    /// The first second.
    pub inception: u32,
    /// The last second.
    pub expiration: u32,
}

/// Append the rdata of an RRSIG of `key` over `rrset` to `rdata`. The TTL of `rrset` becomes the original TTL.
///
/// `scratch` holds buffers that are reused between calls.
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

/// Buffers for the octets to sign, which are reused between calls.
#[derive(Debug, Default)]
pub struct SignScratch {
    message: Vec<u8>,
    canonical: Canonical,
}

/// The reason why an RRSIG is not valid for an RRset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RrsigFault {
    /// The signature covers another type.
    TypeCovered,
    /// The RRset is not in the signer's zone.
    SignerNotAbove,
    /// The labels field is larger than the number of labels of the owner (RFC 4035 §5.3.1).
    TooManyLabels,
    /// The labels field implies a wildcard above the signer's apex.
    LabelsAboveSigner,
    /// The labels field is that of a wildcard, but the RRset exists in its zone under its own name.
    TooFewLabels,
    /// The signature expires before its inception.
    ExpiresBeforeInception,
    /// The signature is not valid yet.
    NotYetValid {
        /// The start of its validity.
        inception: u32,
    },
    /// The signature has expired.
    Expired {
        /// The end of its validity.
        expiration: u32,
    },
    /// The signature belongs to another key: tag, algorithm or owner differ.
    OtherKey,
    /// The key is revoked and may sign only the DNSKEY RRset (RFC 5011 §2.1).
    RevokedKey,
    /// The signature does not match the data and the key.
    Signature(VerifyError),
}

impl fmt::Display for RrsigFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TypeCovered => f.write_str("the signature covers another type"),
            Self::SignerNotAbove => f.write_str("the records are not in the zone of the signer"),
            Self::TooManyLabels => f.write_str("the signature claims more labels than the owner has"),
            Self::LabelsAboveSigner => f.write_str("the signature claims a wildcard above its zone"),
            Self::TooFewLabels => f.write_str("the signature is that of a wildcard"),
            Self::ExpiresBeforeInception => f.write_str("the signature expires before its inception"),
            Self::NotYetValid { inception } => write!(f, "the signature is not valid before {inception}"),
            Self::Expired { expiration } => write!(f, "the signature expired at {expiration}"),
            Self::OtherKey => f.write_str("the signature refers to another key"),
            Self::RevokedKey => f.write_str("the key is revoked"),
            Self::Signature(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for RrsigFault {}

#[cfg(test)]
pub(crate) mod tests;
