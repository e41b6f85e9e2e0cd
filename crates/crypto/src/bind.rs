//! Private key files as BIND's `dnssec-keygen` writes them (`K<zone>+<algorithm>+<tag>.private`).
//!
//! ```text
//!   Private-key-format: v1.3
//!   Algorithm: 13 (ECDSAP256SHA256)
//!   PrivateKey: <base64>
//!   Created: 20260101000000          times are preserved
//! ```
//!
//! The module reads versions 1.2 and 1.3 and writes 1.3. It preserves fields that are not part of the key, in order,
//! so that reading and writing a file loses nothing.
//!
//! *Limitations.* Keys stored in an HSM (`Engine:`, `Label:`) are refused, because the file does not contain their
//! secret.

use std::fmt;

use zeroize::Zeroizing;

use crate::algorithm::Algorithm;
use crate::der::{RsaPrivate, strip_zeros};
use crate::signing::{Secret, SigningKey};
use nw_wire::base::{Base64, push_base64};

/// The content of a private key file.
#[derive(Debug)]
pub struct PrivateKeyFile {
    /// The key itself.
    pub key: SigningKey,
    /// All other fields, in order: name and value as in the file. BIND's times are `Created`, `Publish`,
    /// `Activate`, `Revoke`, `Inactive`, `Delete`, `SyncPublish`, `SyncDelete`, each `YYYYMMDDHHMMSS` in UTC.
    pub fields: Vec<(String, String)>,
}

impl PrivateKeyFile {
    /// Read the text of a private key file.
    pub fn parse(text: &str) -> Result<Self, KeyFileError> {
        let mut lines = text
            .lines()
            .enumerate()
            .map(|(i, line)| (i + 1, line.trim()))
            .filter(|(_, line)| !line.is_empty() && !line.starts_with(';'))
            .map(|(number, line)| match line.split_once(':') {
                Some((name, value)) => Ok((number, name.trim(), value.trim())),
                None => Err(KeyFileError::Line { line: number }),
            });
        match lines.next().transpose()? {
            Some((_, "Private-key-format", "v1.2" | "v1.3")) => {}
            _ => return Err(KeyFileError::Format),
        }
        let mut algorithm = None;
        let (mut secrets, mut fields) = (Secrets::default(), Vec::new());
        for entry in lines {
            let (line, name, value) = entry?;
            if name == "Algorithm" {
                let number = value.split_ascii_whitespace().next().unwrap_or_default();
                algorithm = Some(Algorithm(number.parse().map_err(|_| KeyFileError::Line { line })?));
            } else if let Some(slot) = secrets.slot(name) {
                *slot = Some(decode(value).ok_or(KeyFileError::Line { line })?);
            } else {
                fields.push((name.to_owned(), value.to_owned()));
            }
        }
        let algorithm = algorithm.ok_or(KeyFileError::Missing("Algorithm"))?;
        if !algorithm.signs() {
            return Err(KeyFileError::Unsupported(algorithm));
        }
        let key = usable(algorithm, &secrets.assemble(algorithm)?)?;
        Ok(Self { key, fields })
    }

    /// Write the text of a private key file. It contains the secret in clear text: give the file mode 0600.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        self.key.write_bind(&self.fields)
    }
}

impl SigningKey {
    /// Read a key from the text of a private key file. [`PrivateKeyFile::parse`] also returns the times.
    pub fn from_bind_private(text: &str) -> Result<Self, KeyFileError> {
        PrivateKeyFile::parse(text).map(|file| file.key)
    }

    /// Write the text of a private key file without times.
    #[must_use]
    pub fn to_bind_private(&self) -> Zeroizing<String> {
        self.write_bind(&[])
    }

    /// Write the key and then `fields`.
    fn write_bind(&self, fields: &[(String, String)]) -> Zeroizing<String> {
        use crate::signing::Signer as _;
        let algorithm = self.algorithm();
        // The capacity suffices for an RSA key of 4096 bits. Growing the buffer would leave copies of the secret in
        // memory.
        let mut out = Zeroizing::new(String::with_capacity(6000));
        out.push_str("Private-key-format: v1.3\n");
        out.push_str(&format!("Algorithm: {} ({algorithm})\n", algorithm.0));
        let mut field = |name: &str, bytes: &[u8]| {
            out.push_str(name);
            out.push_str(": ");
            push_base64(&mut out, bytes);
            out.push('\n');
        };
        match self.secret() {
            Secret::Rsa(key) => {
                let values = [&key.n, &key.e, &*key.d, &*key.p, &*key.q, &*key.dp, &*key.dq, &*key.q_inv];
                RSA_FIELDS.iter().zip(values).for_each(|(name, value)| field(name, value));
            }
            Secret::Scalar(scalar) => field("PrivateKey", &scalar),
        }
        for (name, value) in fields {
            out.push_str(&format!("{name}: {value}\n"));
        }
        out
    }
}

/// The numbers of an RSA key in the order of the file.
const RSA_FIELDS: [&str; 8] = [
    "Modulus",
    "PublicExponent",
    "PrivateExponent",
    "Prime1",
    "Prime2",
    "Exponent1",
    "Exponent2",
    "Coefficient",
];

/// The secret fields read so far.
#[derive(Default)]
struct Secrets {
    rsa: [Option<Zeroizing<Vec<u8>>>; 8],
    scalar: Option<Zeroizing<Vec<u8>>>,
}

impl Secrets {
    /// Return the slot for the field `name`, or None if it is not part of a key.
    fn slot(&mut self, name: &str) -> Option<&mut Option<Zeroizing<Vec<u8>>>> {
        if name == "PrivateKey" {
            return Some(&mut self.scalar);
        }
        let at = RSA_FIELDS.iter().position(|field| *field == name)?;
        Some(&mut self.rsa[at])
    }

    /// Build the secret that `algorithm` needs.
    fn assemble(self, algorithm: Algorithm) -> Result<Secret, KeyFileError> {
        if !matches!(algorithm, Algorithm::RSASHA256 | Algorithm::RSASHA512) {
            return self.scalar.map(Secret::Scalar).ok_or(KeyFileError::Missing("PrivateKey"));
        }
        let mut values = self.rsa.into_iter().zip(RSA_FIELDS);
        let mut next = || match values.next() {
            Some((Some(value), _)) => Ok(Zeroizing::new(strip_zeros(&value).to_vec())),
            Some((None, name)) => Err(KeyFileError::Missing(name)),
            None => Err(KeyFileError::Inconsistent),
        };
        Ok(Secret::Rsa(Box::new(RsaPrivate {
            n: next()?.to_vec(),
            e: next()?.to_vec(),
            d: next()?,
            p: next()?,
            q: next()?,
            dp: next()?,
            dq: next()?,
            q_inv: next()?,
        })))
    }
}

/// Make the key of `secret`, if it may sign.
pub(crate) fn usable(algorithm: Algorithm, secret: &Secret) -> Result<SigningKey, KeyFileError> {
    if let Secret::Rsa(key) = secret
        && key.n.len() < 256
    {
        return Err(KeyFileError::RsaTooSmall { bits: key.n.len() * 8 });
    }
    SigningKey::from_secret(algorithm, secret).ok_or(KeyFileError::Inconsistent)
}

/// Decode a complete base64 text of one word.
fn decode(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    (!text.contains(|c: char| c.is_ascii_whitespace())).then(|| decode_words(text)).flatten()
}

/// Decode a complete base64 text that may be split into words.
pub(crate) fn decode_words(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    // The capacity suffices for the whole text. Growing the buffer would leave copies of the secret in memory.
    let mut out = Zeroizing::new(Vec::with_capacity(text.len() + 3));
    let mut decoder = Base64::default();
    for word in text.split_ascii_whitespace() {
        decoder.push(word.as_bytes(), &mut out).ok()?;
    }
    decoder.complete().then_some(out)
}

/// The reason why a private key file was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFileError {
    /// The first line is not `Private-key-format: v1.2` or `v1.3`.
    Format,
    /// A line is not `Name: value`, or its value is not valid for the field.
    Line {
        /// The number of the line, starting at 1.
        line: usize,
    },
    /// A field that the algorithm needs is absent.
    Missing(&'static str),
    /// This crate does not sign with this algorithm (RFC 8624 §3.1).
    Unsupported(Algorithm),
    /// RSA keys under 2048 bits verify but do not sign.
    RsaTooSmall {
        /// Length of the modulus.
        bits: usize,
    },
    /// The text is not a PKCS#8 document in PEM.
    Pem,
    /// The document has a key of another kind than the algorithm needs.
    OtherKind(Algorithm),
    /// The numbers do not form a valid key.
    Inconsistent,
}

impl fmt::Display for KeyFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format => f.write_str("not a private key file: expected \"Private-key-format: v1.3\""),
            Self::Line { line } => write!(f, "line {line} is not a field of a private key file"),
            Self::Missing(name) => write!(f, "the field {name} is missing"),
            Self::Unsupported(algorithm) => {
                write!(f, "signing with keys of algorithm {algorithm} is not supported")
            }
            Self::RsaTooSmall { bits } => {
                write!(f, "an RSA key of {bits} bits is too small to sign: expected 2048 or more")
            }
            Self::Pem => f.write_str(
                "not an unencrypted PKCS#8 document: expected \"-----BEGIN PRIVATE KEY-----\", as `openssl pkcs8 -topk8 \
                 -nocrypt` writes it",
            ),
            Self::OtherKind(algorithm) => write!(f, "the document has no key for algorithm {algorithm}"),
            Self::Inconsistent => f.write_str("the fields do not form a valid key"),
        }
    }
}

impl std::error::Error for KeyFileError {}

#[cfg(test)]
mod tests;
