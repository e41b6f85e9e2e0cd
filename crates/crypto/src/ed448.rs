//! Ed448 (RFC 8032 §5.2, pure, without context). The main library does not support it.

use ed448_goldilocks::{Signature, SigningKey, VerifyingKey};
use zeroize::Zeroizing;

/// Length of a public and of a private key in bytes (RFC 8080 §3).
pub(crate) const KEY_LEN: usize = 57;

/// A parsed public key.
pub(crate) struct Ed448Public(VerifyingKey);

impl Ed448Public {
    /// Parse the 57 bytes of a DNSKEY. Returns None if they are not a point on the curve.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        VerifyingKey::from_bytes(bytes.try_into().ok()?).ok().map(Self)
    }

    /// Return whether `signature` (114 bytes) is a signature of `message`.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature).is_ok_and(|signature| self.0.verify_raw(&signature, message).is_ok())
    }
}

/// A private key. It is wiped when it is dropped.
pub(crate) struct Ed448Private(SigningKey);

impl Ed448Private {
    /// Expand a secret of 57 bytes. Returns None if it has another length.
    pub(crate) fn from_secret(secret: &[u8]) -> Option<Self> {
        SigningKey::try_from(secret).ok().map(Self)
    }

    /// Return the 57 byte secret.
    pub(crate) fn secret(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.0.as_bytes().to_vec())
    }

    /// Return the 57 byte public key.
    pub(crate) fn public(&self) -> Vec<u8> {
        self.0.verifying_key().to_bytes().to_vec()
    }

    /// Sign `message`. The signature has 114 bytes.
    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 114] {
        self.0.sign_raw(message).to_bytes()
    }
}
