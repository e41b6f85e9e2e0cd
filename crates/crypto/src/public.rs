//! Public keys of DNSKEY records and the verification of signatures.

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey,
    RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
    RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY, RsaParameters, RsaPublicKeyComponents,
    VerificationAlgorithm,
};

use crate::algorithm::Algorithm;
use crate::digest::DigestAlg;
use crate::ed448::Ed448Public;
use crate::rsa::{self, RsaPublic};

/// Check that `signature`, in the form of an RRSIG, is a signature of `message` under the public key field of a DNSKEY.
///
/// For several signatures under one key, parse the key once with [`PublicKey::from_dnskey`].
pub fn verify(
    algorithm: Algorithm,
    public_key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), VerifyError> {
    PublicKey::from_dnskey(algorithm, public_key)?.verify(message, signature)
}

/// A parsed and checked public key.
pub struct PublicKey {
    algorithm: Algorithm,
    form: Form,
}

/// The implementation that verifies signatures.
enum Form {
    Library(ParsedPublicKey),
    SmallRsa { field: Box<[u8]>, digest: DigestAlg },
    Ed448(Box<Ed448Public>),
}

impl PublicKey {
    /// Parse the public key field of a DNSKEY: RFC 3110 §2 (RSA), RFC 6605 §4 (ECDSA), RFC 8080 §3 (EdDSA).
    pub fn from_dnskey(algorithm: Algorithm, field: &[u8]) -> Result<Self, KeyError> {
        let form = match algorithm {
            Algorithm::RSASHA1 | Algorithm::RSASHA1_NSEC3_SHA1 => {
                rsa_key(field, DigestAlg::Sha1, &RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY)?
            }
            Algorithm::RSASHA256 => {
                rsa_key(field, DigestAlg::Sha256, &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY)?
            }
            Algorithm::RSASHA512 => {
                rsa_key(field, DigestAlg::Sha512, &RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY)?
            }
            Algorithm::ECDSAP256SHA256 => ecdsa_key::<65>(field, &ECDSA_P256_SHA256_FIXED)?,
            Algorithm::ECDSAP384SHA384 => ecdsa_key::<97>(field, &ECDSA_P384_SHA384_FIXED)?,
            Algorithm::ED25519 if field.len() == 32 => library_key(field, &ED25519)?,
            Algorithm::ED448 => Form::Ed448(Box::new(Ed448Public::parse(field).ok_or(KeyError::Malformed)?)),
            Algorithm::ED25519 => return Err(KeyError::Malformed),
            other => return Err(KeyError::Unsupported(other)),
        };
        Ok(Self { algorithm, form })
    }

    /// Return the algorithm that this key belongs to.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Check that `signature`, in the form of an RRSIG, is a signature of `message`.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), VerifyError> {
        let good = match &self.form {
            Form::Library(key) => key.verify_sig(message, signature).is_ok(),
            Form::SmallRsa { field, digest } => {
                RsaPublic::parse(field).is_ok_and(|key| rsa::verify_small(key, *digest, message, signature))
            }
            Form::Ed448(key) => key.verify(message, signature),
        };
        if good { Ok(()) } else { Err(VerifyError::BadSignature) }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.algorithm)
    }
}

/// Parse an RSA key for the implementation that supports its size.
fn rsa_key(field: &[u8], digest: DigestAlg, parameters: &'static RsaParameters) -> Result<Form, KeyError> {
    let key = RsaPublic::parse(field)?;
    if digest == DigestAlg::Sha512 && key.bits() < 1024 {
        return Err(KeyError::ModulusSize { bits: key.bits() }); // RFC 5702 §2.2
    }
    if !key.fits_library() {
        return Ok(Form::SmallRsa { field: field.into(), digest });
    }
    RsaPublicKeyComponents { n: key.n, e: key.e }
        .to_parsed_public_key(parameters)
        .map(Form::Library)
        .map_err(|_| KeyError::Malformed)
}

/// Parse a plain point `x|y`. The library requires a leading octet that marks it as uncompressed (SEC 1 §2.3.3);
/// `LEN` includes this octet.
fn ecdsa_key<const LEN: usize>(
    field: &[u8],
    algorithm: &'static dyn VerificationAlgorithm,
) -> Result<Form, KeyError> {
    if field.len() != LEN - 1 {
        return Err(KeyError::Malformed);
    }
    let mut point = [4; LEN];
    point[1..].copy_from_slice(field);
    library_key(&point, algorithm)
}

/// Parse a key with the library.
fn library_key(bytes: &[u8], algorithm: &'static dyn VerificationAlgorithm) -> Result<Form, KeyError> {
    ParsedPublicKey::new(algorithm, bytes).map(Form::Library).map_err(|_| KeyError::Malformed)
}

/// The reason why a public key cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// The algorithm is not supported: treat the key as absent (RFC 4035 §5.2).
    Unsupported(Algorithm),
    /// The key has a wrong length, is not a point on the curve, or is an even number. It cannot have signed anything.
    Malformed,
    /// The RSA modulus is outside the range that DNSSEC allows (RFC 3110 §2, RFC 5702 §2).
    ModulusSize {
        /// Length of the modulus.
        bits: usize,
    },
    /// The RSA exponent is longer than 64 bits.
    ExponentTooLarge {
        /// Length of the exponent.
        bits: usize,
    },
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported(algorithm) => write!(f, "algorithm {algorithm} is not supported"),
            Self::Malformed => f.write_str("the public key is malformed"),
            Self::ModulusSize { bits } => write!(f, "an RSA modulus of {bits} bits is not allowed"),
            Self::ExponentTooLarge { bits } => write!(f, "an RSA exponent of {bits} bits is not accepted"),
        }
    }
}

impl std::error::Error for KeyError {}

/// The reason why a signature is not valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerifyError {
    /// The key cannot be used.
    Key(KeyError),
    /// The key is usable, but the signature is not its signature of this message.
    BadSignature,
}

impl From<KeyError> for VerifyError {
    fn from(error: KeyError) -> Self {
        Self::Key(error)
    }
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(error) => error.fmt(f),
            Self::BadSignature => f.write_str("the signature does not match"),
        }
    }
}

impl std::error::Error for VerifyError {}

#[cfg(test)]
mod tests;
