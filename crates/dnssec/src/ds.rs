//! DS records: creation from a DNSKEY, and comparison with one (RFC 4034 §5, RFC 4509, RFC 6605 §2).

use std::fmt;

use nw_crypto::{Algorithm, DigestAlg, Hasher};
use nw_wire::NameRef;

use crate::dnskey::Dnskey;

/// A DS digest type (number of the IANA registry).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DigestType(pub u8);

impl DigestType {
    /// SHA-1 (RFC 4034 §5.1.3). It is verified, but new delegations must not use it (RFC 8624 §3.3).
    pub const SHA1: Self = Self(1);
    /// SHA-256 (RFC 4509), the recommended type.
    pub const SHA256: Self = Self(2);
    /// SHA-384 (RFC 6605 §2).
    pub const SHA384: Self = Self(4);

    /// Return the digest algorithm of this type, or None if it is not supported. A DS with an unsupported type counts
    /// as absent (RFC 4035 §5.2, RFC 4509 §3).
    #[must_use]
    pub const fn digest(self) -> Option<DigestAlg> {
        match self {
            Self::SHA1 => Some(DigestAlg::Sha1),
            Self::SHA256 => Some(DigestAlg::Sha256),
            Self::SHA384 => Some(DigestAlg::Sha384),
            _ => None,
        }
    }
}

impl fmt::Display for DigestType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("SHA-1"),
            2 => f.write_str("SHA-256"),
            3 => f.write_str("GOST R 34.11-94"),
            4 => f.write_str("SHA-384"),
            5 => f.write_str("GOST R 34.11-2012"),
            6 => f.write_str("SM3"),
            number => write!(f, "{number}"),
        }
    }
}

/// A view of DS rdata (also of CDS).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ds<'a> {
    /// The tag of the key that the DS refers to.
    pub key_tag: u16,
    /// The algorithm of the key that the DS refers to.
    pub algorithm: Algorithm,
    /// The type of the digest.
    pub digest_type: DigestType,
    /// The digest.
    pub digest: &'a [u8],
}

impl<'a> Ds<'a> {
    /// Parse `rdata`. Returns None if it is shorter than the fixed fields.
    #[must_use]
    pub fn parse(rdata: &'a [u8]) -> Option<Self> {
        let (&[high, low, algorithm, digest_type], digest) = rdata.split_first_chunk()?;
        Some(Self {
            key_tag: u16::from_be_bytes([high, low]),
            algorithm: Algorithm(algorithm),
            digest_type: DigestType(digest_type),
            digest,
        })
    }

    /// Return whether both the algorithm and the digest are supported. A DS RRset without any such record makes the
    /// child insecure (RFC 4035 §5.2).
    #[must_use]
    pub fn is_supported(self) -> bool {
        self.algorithm.verifies() && self.digest_type.digest().is_some()
    }

    /// Check that this DS matches `dnskey` at `owner`, the apex of the child (RFC 4035 §5.2).
    pub fn check(self, owner: NameRef<'_>, dnskey: Dnskey<'_>) -> Result<(), DsFault> {
        if self.algorithm != dnskey.algorithm() || self.key_tag != dnskey.tag() {
            return Err(DsFault::OtherKey);
        }
        let Some(digest) = self.digest_type.digest() else { return Err(DsFault::UnsupportedDigest) };
        if key_digest(digest, owner, dnskey).as_ref() != self.digest {
            return Err(DsFault::DigestMismatch);
        }
        if dnskey.is_zone_key() { Ok(()) } else { Err(DsFault::NotZoneKey) }
    }
}

/// The reason why a DS does not match a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DsFault {
    /// Key tag or algorithm belong to another key.
    OtherKey,
    /// The DS matches a key that has no zone bit, or a protocol other than 3.
    NotZoneKey,
    /// The digest type is not supported. The DS counts as absent.
    UnsupportedDigest,
    /// Key tag and algorithm match, but the digest does not.
    DigestMismatch,
}

impl fmt::Display for DsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OtherKey => "the DS refers to another key",
            Self::NotZoneKey => "the key is not a zone key",
            Self::UnsupportedDigest => "the digest type of the DS is not supported",
            Self::DigestMismatch => "the digest of the DS does not match the key",
        })
    }
}

impl std::error::Error for DsFault {}

/// Append the rdata of the DS for `dnskey` at `owner` to `out`. Return false and append nothing if the digest type is
/// not supported.
pub fn push_ds(owner: NameRef<'_>, dnskey: Dnskey<'_>, digest_type: DigestType, out: &mut Vec<u8>) -> bool {
    let Some(digest) = digest_type.digest() else { return false };
    out.extend_from_slice(&dnskey.tag().to_be_bytes());
    out.extend_from_slice(&[dnskey.algorithm().0, digest_type.0]);
    out.extend_from_slice(key_digest(digest, owner, dnskey).as_ref());
    true
}

/// Compute the digest of owner and key (RFC 4034 §5.1.4).
fn key_digest(digest: DigestAlg, owner: NameRef<'_>, dnskey: Dnskey<'_>) -> nw_crypto::Digest {
    let mut hasher = Hasher::new(digest);
    hasher.update(owner.lower().as_ref().wire());
    hasher.update(dnskey.rdata());
    hasher.finish()
}

#[cfg(test)]
mod tests;
