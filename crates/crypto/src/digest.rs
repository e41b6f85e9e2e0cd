//! Message digests: SHA-1 for NSEC3 and old DS records, the SHA-2 family for the rest (FIPS 180-4).

use aws_lc_rs::digest as lc;

/// A digest algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DigestAlg {
    /// SHA-1, 20 bytes: NSEC3 (RFC 5155) and DS type 1. It must not be used for new purposes.
    Sha1,
    /// SHA-224, 28 bytes.
    Sha224,
    /// SHA-256, 32 bytes: DS type 2 (RFC 4509).
    Sha256,
    /// SHA-384, 48 bytes: DS type 4 (RFC 6605), ZONEMD.
    Sha384,
    /// SHA-512, 64 bytes: ZONEMD.
    Sha512,
}

impl DigestAlg {
    /// Return the length of the digest in bytes.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha224 => 28,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// Return the library's constant for it.
    fn library(self) -> &'static lc::Algorithm {
        match self {
            Self::Sha1 => &lc::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha224 => &lc::SHA224,
            Self::Sha256 => &lc::SHA256,
            Self::Sha384 => &lc::SHA384,
            Self::Sha512 => &lc::SHA512,
        }
    }
}

/// A digest or tag of at most 64 bytes, stored inline. Compare secrets with
/// [`constant_time_eq`](crate::constant_time_eq), not with `==`.
#[derive(Clone, Copy, Debug)]
pub struct Digest {
    bytes: [u8; 64],
    len: u8,
}

impl Digest {
    /// Copy `bytes`, at most 64.
    pub(crate) fn new(bytes: &[u8]) -> Self {
        let mut out = Self { bytes: [0; 64], len: bytes.len() as u8 };
        out.bytes[..bytes.len()].copy_from_slice(bytes);
        out
    }
}

impl AsRef<[u8]> for Digest {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// Compute the digest of `data` without allocation.
#[must_use]
pub fn digest(alg: DigestAlg, data: &[u8]) -> Digest {
    Digest::new(lc::digest(alg.library(), data).as_ref())
}

/// Return the SHA-1 of `data`, without allocation. NSEC3 hashing uses it for each iteration (RFC 5155 §5).
#[must_use]
pub fn sha1(data: &[u8]) -> [u8; 20] {
    let mut out = [0; 20];
    out.copy_from_slice(lc::digest(&lc::SHA1_FOR_LEGACY_USE_ONLY, data).as_ref());
    out
}

/// A digest that is computed in several steps, for data that is not in one slice.
pub struct Hasher(lc::Context);

impl Hasher {
    /// Start a digest.
    #[must_use]
    pub fn new(alg: DigestAlg) -> Self {
        Self(lc::Context::new(alg.library()))
    }

    /// Append `data` to the input.
    pub fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    /// Return the digest of all data.
    #[must_use]
    pub fn finish(self) -> Digest {
        Digest::new(self.0.finish().as_ref())
    }
}

#[cfg(test)]
mod tests;
