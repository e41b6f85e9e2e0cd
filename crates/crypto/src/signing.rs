//! Private keys: generation, loading and signing.

use std::fmt;

use aws_lc_rs::encoding::{AsBigEndian, AsDer, EcPrivateKeyBin, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeyPairComponents, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA512, RsaPublicKeyComponents,
};
use zeroize::Zeroizing;

use crate::algorithm::Algorithm;
use crate::der::{self, RsaPrivate};
use crate::ed448::{self, Ed448Private};
use crate::rsa::RsaPublic;

/// A key that can sign for a zone. It may be in memory or in another device.
pub trait Signer: Send + Sync {
    /// Return the algorithm number of DNSKEY and RRSIG.
    fn algorithm(&self) -> Algorithm;

    /// Return the public key field of the DNSKEY.
    fn public_key(&self) -> &[u8];

    /// Append the signature of `message`, in the form of an RRSIG, to `signature`.
    fn sign(&self, message: &[u8], signature: &mut Vec<u8>) -> Result<(), SignError>;
}

/// A private key in memory.
pub struct SigningKey {
    algorithm: Algorithm,
    public: Box<[u8]>,
    form: Form,
}

/// The key by algorithm.
enum Form {
    Rsa(RsaKeyPair),
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Ed448(Box<Ed448Private>),
}

/// The secret numbers of a key, as in key files.
pub(crate) enum Secret {
    Rsa(Box<RsaPrivate>),
    Scalar(Zeroizing<Vec<u8>>),
}

impl SigningKey {
    /// Generate a key. `rsa_bits` is 2048 (the default), 3072 or 4096, and is used only for RSA.
    pub fn generate(algorithm: Algorithm, rsa_bits: Option<usize>) -> Result<Self, GenerateError> {
        let form = match algorithm {
            Algorithm::RSASHA256 | Algorithm::RSASHA512 => {
                let size = match rsa_bits.unwrap_or(2048) {
                    2048 => KeySize::Rsa2048,
                    3072 => KeySize::Rsa3072,
                    4096 => KeySize::Rsa4096,
                    bits => return Err(GenerateError::RsaSize { bits }),
                };
                RsaKeyPair::generate(size).map(Form::Rsa)
            }
            Algorithm::ECDSAP256SHA256 => {
                EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map(Form::Ecdsa)
            }
            Algorithm::ECDSAP384SHA384 => {
                EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).map(Form::Ecdsa)
            }
            Algorithm::ED25519 => Ed25519KeyPair::generate().map(Form::Ed25519),
            Algorithm::ED448 => {
                let mut secret = Zeroizing::new([0; ed448::KEY_LEN]);
                crate::random_bytes(secret.as_mut());
                let key =
                    Ed448Private::from_secret(secret.as_ref()).expect("the secret has the right length");
                Ok(Form::Ed448(Box::new(key)))
            }
            other => return Err(GenerateError::Unsupported(other)),
        };
        Ok(Self::new(algorithm, form.map_err(|_| GenerateError::Library)?))
    }

    /// Build a key from its secret numbers. Returns None if they are inconsistent or the key does not sign.
    pub(crate) fn from_secret(algorithm: Algorithm, secret: &Secret) -> Option<Self> {
        let form = match (algorithm, secret) {
            (Algorithm::RSASHA256 | Algorithm::RSASHA512, Secret::Rsa(key)) => Form::Rsa(rsa_pair(key)?),
            (Algorithm::ECDSAP256SHA256, Secret::Scalar(scalar)) => {
                Form::Ecdsa(ecdsa_pair(&ECDSA_P256_SHA256_FIXED_SIGNING, &P256_OID, 32, scalar)?)
            }
            (Algorithm::ECDSAP384SHA384, Secret::Scalar(scalar)) => {
                Form::Ecdsa(ecdsa_pair(&ECDSA_P384_SHA384_FIXED_SIGNING, &P384_OID, 48, scalar)?)
            }
            (Algorithm::ED25519, Secret::Scalar(seed)) if seed.len() == 32 => {
                Form::Ed25519(Ed25519KeyPair::from_seed_unchecked(seed).ok()?)
            }
            (Algorithm::ED448, Secret::Scalar(seed)) => {
                Form::Ed448(Box::new(Ed448Private::from_secret(seed)?))
            }
            _ => return None,
        };
        Some(Self::new(algorithm, form))
    }

    /// Return the secret numbers for writing them to a file.
    pub(crate) fn secret(&self) -> Secret {
        const EXPORT: &str = "a key in memory is exported to memory";
        match &self.form {
            Form::Rsa(key) => {
                let document: Pkcs8V1Der<'_> = key.as_der().expect(EXPORT);
                let document = Zeroizing::new(document.as_ref().to_vec());
                let key = der::pkcs8(&document).and_then(|(_, key)| der::rsa_private(key));
                Secret::Rsa(Box::new(key.expect("the library writes PKCS#8")))
            }
            Form::Ecdsa(key) => {
                let scalar: EcPrivateKeyBin<'_> = key.private_key().as_be_bytes().expect(EXPORT);
                Secret::Scalar(Zeroizing::new(scalar.as_ref().to_vec()))
            }
            Form::Ed25519(key) => {
                let seed = key.seed().expect(EXPORT);
                Secret::Scalar(Zeroizing::new(
                    seed.as_be_bytes().map(|bytes| bytes.as_ref().to_vec()).expect(EXPORT),
                ))
            }
            Form::Ed448(key) => Secret::Scalar(key.secret()),
        }
    }

    /// Add the public key field to a key.
    fn new(algorithm: Algorithm, form: Form) -> Self {
        let public = match &form {
            Form::Rsa(key) => {
                let (n, e) = der::rsa_public(key.public_key().as_ref()).expect("the library writes PKCS#1");
                RsaPublic { e, n }.to_field()
            }
            Form::Ecdsa(key) => key.public_key().as_ref()[1..].to_vec(), // without the mark of SEC 1 §2.3.3
            Form::Ed25519(key) => key.public_key().as_ref().to_vec(),
            Form::Ed448(key) => key.public(),
        };
        Self { algorithm, public: public.into(), form }
    }
}

impl Signer for SigningKey {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    fn public_key(&self) -> &[u8] {
        &self.public
    }

    fn sign(&self, message: &[u8], signature: &mut Vec<u8>) -> Result<(), SignError> {
        match &self.form {
            Form::Rsa(key) => {
                let padding = if self.algorithm == Algorithm::RSASHA512 {
                    &RSA_PKCS1_SHA512
                } else {
                    &RSA_PKCS1_SHA256
                };
                let at = signature.len();
                signature.resize(at + key.public_modulus_len(), 0);
                if key.sign(padding, &SystemRandom::new(), message, &mut signature[at..]).is_err() {
                    signature.truncate(at);
                    return Err(SignError);
                }
            }
            Form::Ecdsa(key) => {
                let made = key.sign(&SystemRandom::new(), message).map_err(|_| SignError)?;
                signature.extend_from_slice(made.as_ref());
            }
            Form::Ed25519(key) => {
                signature.extend_from_slice(key.try_sign(message).map_err(|_| SignError)?.as_ref());
            }
            Form::Ed448(key) => signature.extend_from_slice(&key.sign(message)),
        }
        Ok(())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.algorithm)
    }
}

/// Give the numbers of an RSA key to the library, which checks their consistency.
fn rsa_pair(key: &RsaPrivate) -> Option<RsaKeyPair> {
    RsaKeyPair::from_components(&KeyPairComponents {
        public_key: RsaPublicKeyComponents { n: key.n.as_slice(), e: key.e.as_slice() },
        d: key.d.as_slice(),
        p: key.p.as_slice(),
        q: key.q.as_slice(),
        dP: key.dp.as_slice(),
        dQ: key.dq.as_slice(),
        qInv: key.q_inv.as_slice(),
    })
    .ok()
}

/// The named curves as OBJECT IDENTIFIER (RFC 5480 §2.1.1.1).
pub(crate) const P256_OID: [u8; 10] = [6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
pub(crate) const P384_OID: [u8; 7] = [6, 5, 0x2b, 0x81, 4, 0, 0x22];

/// Give a private scalar to the library, which computes the public point.
fn ecdsa_pair(
    algorithm: &'static EcdsaSigningAlgorithm,
    curve: &[u8],
    len: usize,
    scalar: &[u8],
) -> Option<EcdsaKeyPair> {
    // Some programs drop leading zeros, and some add one.
    let scalar = der::strip_zeros(scalar);
    let mut padded = Zeroizing::new(vec![0; len.checked_sub(scalar.len())?]);
    padded.extend_from_slice(scalar);
    EcdsaKeyPair::from_private_key_der(algorithm, &der::ec_private(&padded, curve)).ok()
}

/// The library or the device failed to sign. Nothing was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignError;

impl fmt::Display for SignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the key could not sign")
    }
}

impl std::error::Error for SignError {}

/// The reason why no key was generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GenerateError {
    /// This crate does not generate keys of this algorithm (RFC 8624 §3.1).
    Unsupported(Algorithm),
    /// The size is not 2048, 3072 or 4096.
    RsaSize {
        /// The requested size.
        bits: usize,
    },
    /// The library failed.
    Library,
}

impl fmt::Display for GenerateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported(algorithm) => {
                write!(f, "generating keys of algorithm {algorithm} is not supported")
            }
            Self::RsaSize { bits } => {
                write!(f, "an RSA key of {bits} bits: expected 2048, 3072 or 4096")
            }
            Self::Library => f.write_str("the cryptographic library failed"),
        }
    }
}

impl std::error::Error for GenerateError {}

#[cfg(test)]
mod tests;
