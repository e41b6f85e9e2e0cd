//! Private keys as PKCS#8 documents in PEM (RFC 5958, RFC 7468 §10), as OpenSSL and most other programs write them.
//!
//! ```text
//!   -----BEGIN PRIVATE KEY-----
//!   <base64 of: version, algorithm, OCTET STRING { key }>
//!   -----END PRIVATE KEY-----
//! ```
//!
//! An RSA document does not say whether the key signs with SHA-256 or SHA-512. The caller gives the DNSSEC algorithm, and a document of
//! another kind of key is refused.
//!
//! *Limitations.* Encrypted documents are refused. Attributes and public keys are ignored; the public key is computed.

use nw_wire::base::push_base64;
use zeroize::Zeroizing;

use crate::algorithm::Algorithm;
use crate::bind::{KeyFileError, decode_words, usable};
use crate::der::{self, RsaPrivate};
use crate::signing::{P256_OID, P384_OID, Secret, SigningKey};

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

/// rsaEncryption with its NULL parameter (RFC 8017 App. C).
const RSA: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];
/// id-ecPublicKey (RFC 5480 §2.1.1); the curve follows.
const EC: &[u8] = &[6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
/// id-Ed25519 and id-Ed448 (RFC 8410 §3).
const ED25519: &[u8] = &[6, 3, 0x2b, 0x65, 0x70];
const ED448: &[u8] = &[6, 3, 0x2b, 0x65, 0x71];

impl SigningKey {
    /// Read a key of `algorithm` from a PKCS#8 document in PEM.
    pub fn from_pem(algorithm: Algorithm, text: &str) -> Result<Self, KeyFileError> {
        if !algorithm.signs() {
            return Err(KeyFileError::Unsupported(algorithm));
        }
        let body = text.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END)).map(|(body, _)| body);
        let document = body.and_then(decode_words).ok_or(KeyFileError::Pem)?;
        let (kind, key) = der::pkcs8(&document).ok_or(KeyFileError::Pem)?;
        if kind != identifier(algorithm) {
            return Err(KeyFileError::OtherKind(algorithm));
        }
        let secret = match algorithm {
            Algorithm::RSASHA256 | Algorithm::RSASHA512 => {
                der::rsa_private(key).map(|key| Secret::Rsa(Box::new(key)))
            }
            Algorithm::ED25519 | Algorithm::ED448 => der::octet_string(key).map(scalar),
            _ => der::ec_scalar(key).map(scalar),
        };
        usable(algorithm, &secret.ok_or(KeyFileError::Pem)?)
    }

    /// Write the key as a PKCS#8 document in PEM. It contains the secret in clear text: give the file mode 0600.
    #[must_use]
    pub fn to_pem(&self) -> Zeroizing<String> {
        use crate::signing::Signer as _;
        let algorithm = self.algorithm();
        let key = match self.secret() {
            Secret::Rsa(key) => write_rsa(&key),
            Secret::Scalar(secret) => match algorithm {
                Algorithm::ECDSAP256SHA256 => der::ec_private(&secret, &P256_OID),
                Algorithm::ECDSAP384SHA384 => der::ec_private(&secret, &P384_OID),
                _ => der::element(der::OCTET_STRING, &[&secret]),
            },
        };
        let kind = der::element(der::SEQUENCE, &[&identifier(algorithm)]);
        let key = der::element(der::OCTET_STRING, &[&key]);
        let document = der::element(der::SEQUENCE, &[&[der::INTEGER, 1, 0], &kind, &key]);
        let mut base64 = Zeroizing::new(String::with_capacity(document.len().div_ceil(3) * 4));
        push_base64(&mut base64, &document);
        let mut out = Zeroizing::new(String::with_capacity(base64.len() + base64.len() / 64 + 64));
        out.push_str(BEGIN);
        out.push('\n');
        let mut rest = base64.as_str();
        while !rest.is_empty() {
            let (line, after) = rest.split_at(rest.len().min(64));
            out.push_str(line);
            out.push('\n');
            rest = after;
        }
        out.push_str(END);
        out.push('\n');
        out
    }
}

/// Return the content of the AlgorithmIdentifier of keys of `algorithm`.
fn identifier(algorithm: Algorithm) -> Vec<u8> {
    match algorithm {
        Algorithm::ECDSAP256SHA256 => [EC, &P256_OID].concat(),
        Algorithm::ECDSAP384SHA384 => [EC, &P384_OID].concat(),
        Algorithm::ED25519 => ED25519.to_vec(),
        Algorithm::ED448 => ED448.to_vec(),
        _ => RSA.to_vec(),
    }
}

fn scalar(bytes: &[u8]) -> Secret {
    Secret::Scalar(Zeroizing::new(bytes.to_vec()))
}

/// Write an `RSAPrivateKey` (RFC 8017 App. A.1.2).
fn write_rsa(key: &RsaPrivate) -> Zeroizing<Vec<u8>> {
    let numbers = [&key.n, &key.e, &*key.d, &*key.p, &*key.q, &*key.dp, &*key.dq, &*key.q_inv];
    let numbers = numbers.map(|number| der::integer(number));
    let mut parts: Vec<&[u8]> = vec![&[der::INTEGER, 1, 0]];
    parts.extend(numbers.iter().map(|number| number.as_slice()));
    der::element(der::SEQUENCE, &parts)
}

#[cfg(test)]
mod tests;
