//! Digest, HMAC, sign and verify: the only crate that names a cryptographic library.
//!
//! ```text
//!   DNSKEY rdata ──> PublicKey ── verify(message, signature)
//!   K*.private, PEM ──> SigningKey (a Signer) ── sign(message)     aws-lc-rs │ ed448 │ small RSA
//!   bytes        ──> digest, sha1, Hasher, HmacKey                 (the caller does not know which)
//!   name, secret ──> TsigKey ── sign ─▶ message with TSIG, Verifier ── read(replies)
//! ```
//!
//! The interface uses the wire formats of the DNS: RFC 3110 for RSA, plain `x|y` and `r|s` for ECDSA (RFC 6605),
//! plain keys for EdDSA (RFC 8080), and the algorithm numbers of the IANA registry.
//!
//! *Limitations.* DSA (3, 6), GOST (12) and RSA/MD5 (1) are not supported, because RFC 8624 §3.1 forbids them. RSA
//! keys under 2048 bits verify but do not sign. Ed448 comes from a pure Rust crate that is slower than the others and
//! is still a pre-release.
#![forbid(unsafe_code)]

mod algorithm;
mod bind;
mod der;
mod digest;
mod ed448;
mod hmac;
mod pkcs8;
mod public;
mod rsa;
mod signing;
#[cfg(test)]
mod testing;
mod tsig;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use bind::{KeyFileError, PrivateKeyFile};
pub use digest::{Digest, DigestAlg, Hasher, digest, sha1};
pub use hmac::{HmacAlg, HmacKey, hmac};
pub use public::{KeyError, PublicKey, VerifyError, verify};
pub use signing::{GenerateError, SignError, Signer, SigningKey};
pub use tsig::{FUDGE_S, MacFault, SignedRequest, TsigError, TsigKey, Verifier, tsig_algorithm};

/// Return whether `a` equals `b`. The time depends only on their lengths.
#[must_use]
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(a, b).is_ok()
}

/// Fill `out` with random octets from the library, for keys and salts.
///
/// # Panics
/// Panics if the operating system provides no randomness.
pub fn random_bytes(out: &mut [u8]) {
    aws_lc_rs::rand::fill(out).expect("the system's random source works; without it no key may be made");
}
