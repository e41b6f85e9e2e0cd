//! HMAC (RFC 2104) with the digests that TSIG names (RFC 8945 §6).
//!
//! HMAC-MD5 is supported for peers that support nothing else. The caller decides whether it may be used.

use aws_lc_rs::hmac as lc;
use md5::{Digest as _, Md5};
use zeroize::Zeroizing;

use crate::digest::Digest;

/// The digest on which the HMAC is based.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HmacAlg {
    /// HMAC-MD5, 16 bytes: `hmac-md5.sig-alg.reg.int.`. New keys MUST NOT use it (RFC 8945 §6).
    Md5,
    /// HMAC-SHA1, 20 bytes.
    Sha1,
    /// HMAC-SHA224, 28 bytes.
    Sha224,
    /// HMAC-SHA256, 32 bytes, the recommended algorithm.
    Sha256,
    /// HMAC-SHA384, 48 bytes.
    Sha384,
    /// HMAC-SHA512, 64 bytes.
    Sha512,
}

impl HmacAlg {
    /// Return the length of the complete tag in bytes.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha224 => 28,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

/// Return the tag of the concatenated `parts`.
#[must_use]
pub fn hmac(alg: HmacAlg, key: &[u8], parts: &[&[u8]]) -> Digest {
    HmacKey::new(alg, key).tag(parts)
}

/// A key prepared for computing many tags: its padded forms are hashed once.
pub struct HmacKey {
    alg: HmacAlg,
    form: Form,
}

/// The implementation for a key; two libraries are needed.
enum Form {
    Library(Box<lc::Key>),
    Md5 { inner: Md5, outer: Md5 },
}

impl HmacKey {
    /// Prepare `secret`, which may have any length.
    #[must_use]
    pub fn new(alg: HmacAlg, secret: &[u8]) -> Self {
        let library = match alg {
            HmacAlg::Md5 => return Self { alg, form: md5_key(secret) },
            HmacAlg::Sha1 => lc::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            HmacAlg::Sha224 => lc::HMAC_SHA224,
            HmacAlg::Sha256 => lc::HMAC_SHA256,
            HmacAlg::Sha384 => lc::HMAC_SHA384,
            HmacAlg::Sha512 => lc::HMAC_SHA512,
        };
        Self { alg, form: Form::Library(Box::new(lc::Key::new(library, secret))) }
    }

    /// Return the digest that this key uses.
    #[must_use]
    pub fn algorithm(&self) -> HmacAlg {
        self.alg
    }

    /// Return the tag of the concatenated `parts`.
    #[must_use]
    pub fn tag(&self, parts: &[&[u8]]) -> Digest {
        match &self.form {
            Form::Library(key) => {
                let mut context = lc::Context::with_key(key);
                parts.iter().for_each(|part| context.update(part));
                Digest::new(context.sign().as_ref())
            }
            Form::Md5 { inner, outer } => {
                let (mut inner, mut outer) = (inner.clone(), outer.clone());
                parts.iter().for_each(|part| inner.update(part));
                outer.update(inner.finalize());
                Digest::new(&outer.finalize())
            }
        }
    }

    /// Return whether `tag` is the tag of `parts` or a prefix of it, in constant time.
    ///
    /// The caller checks the minimum length of a truncated tag: at least 10 bytes and at least half of the complete
    /// tag (RFC 8945 §5.2.2.1). An empty tag, or one that is too long, never matches.
    #[must_use]
    pub fn verify(&self, parts: &[&[u8]], tag: &[u8]) -> bool {
        let whole = self.tag(parts);
        !tag.is_empty()
            && tag.len() <= whole.as_ref().len()
            && crate::constant_time_eq(&whole.as_ref()[..tag.len()], tag)
    }
}

/// Hash the inner and outer pad of an MD5 key (RFC 2104 §2).
fn md5_key(secret: &[u8]) -> Form {
    let mut block = Zeroizing::new([0u8; 64]);
    if secret.len() > block.len() {
        block[..16].copy_from_slice(&Md5::digest(secret));
    } else {
        block[..secret.len()].copy_from_slice(secret);
    }
    let padded = |pad: u8| Md5::new_with_prefix(Zeroizing::new(block.map(|byte| byte ^ pad)).as_slice());
    Form::Md5 { inner: padded(0x36), outer: padded(0x5c) }
}

#[cfg(test)]
mod tests;
