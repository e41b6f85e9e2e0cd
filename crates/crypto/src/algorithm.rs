//! DNSSEC algorithm numbers (IANA registry).

use std::fmt;
use std::str::FromStr;

/// A DNSSEC algorithm number, as in DNSKEY, RRSIG and DS (RFC 4034 App. A.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Algorithm(pub u8);

impl Algorithm {
    /// RSA/MD5 (RFC 2537). It is unsupported; its special key tag rule still matters.
    pub const RSAMD5: Self = Self(1);
    /// RSA/SHA-1 (RFC 3110): verifies, does not sign.
    pub const RSASHA1: Self = Self(5);
    /// RSA/SHA-1 in zones that use NSEC3 (RFC 5155 §2): verifies, does not sign.
    pub const RSASHA1_NSEC3_SHA1: Self = Self(7);
    /// RSA/SHA-256 (RFC 5702).
    pub const RSASHA256: Self = Self(8);
    /// RSA/SHA-512 (RFC 5702).
    pub const RSASHA512: Self = Self(10);
    /// ECDSA on P-256 with SHA-256 (RFC 6605).
    pub const ECDSAP256SHA256: Self = Self(13);
    /// ECDSA on P-384 with SHA-384 (RFC 6605).
    pub const ECDSAP384SHA384: Self = Self(14);
    /// Ed25519 (RFC 8080).
    pub const ED25519: Self = Self(15);
    /// Ed448 (RFC 8080).
    pub const ED448: Self = Self(16);

    /// Return whether this crate verifies signatures of this algorithm. A zone whose DS records name only unsupported
    /// algorithms is insecure, not bogus (RFC 4035 §5.2).
    #[must_use]
    pub const fn verifies(self) -> bool {
        matches!(self.0, 5 | 7 | 8 | 10 | 13 | 14 | 15 | 16)
    }

    /// Return whether this crate signs with this algorithm: those that it verifies, except SHA-1 (RFC 8624 §3.1).
    #[must_use]
    pub const fn signs(self) -> bool {
        self.verifies() && !matches!(self.0, 5 | 7)
    }

    /// Return the mnemonic of the registry, or None for a number without one.
    #[must_use]
    pub fn mnemonic(self) -> Option<&'static str> {
        MNEMONICS.iter().find(|(number, _)| *number == self.0).map(|(_, text)| *text)
    }
}

/// IANA "DNS Security Algorithm Numbers".
const MNEMONICS: [(u8, &str); 18] = [
    (0, "DELETE"),
    (1, "RSAMD5"),
    (2, "DH"),
    (3, "DSA"),
    (5, "RSASHA1"),
    (6, "DSA-NSEC3-SHA1"),
    (7, "RSASHA1-NSEC3-SHA1"),
    (8, "RSASHA256"),
    (10, "RSASHA512"),
    (12, "ECC-GOST"),
    (13, "ECDSAP256SHA256"),
    (14, "ECDSAP384SHA384"),
    (15, "ED25519"),
    (16, "ED448"),
    (17, "SM2SM3"),
    (23, "ECC-GOST12"),
    (253, "PRIVATEDNS"),
    (254, "PRIVATEOID"),
];

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mnemonic() {
            Some(text) => f.write_str(text),
            None => write!(f, "{}", self.0),
        }
    }
}

/// The text is not an algorithm: neither a number from 0 to 255 nor a mnemonic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownAlgorithm;

impl fmt::Display for UnknownAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a DNSSEC algorithm: expected a number from 0 to 255 or a mnemonic such as ED25519")
    }
}

impl std::error::Error for UnknownAlgorithm {}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    /// Parse a number or a mnemonic in any case. Presentation format allows both (RFC 4034 §2.2).
    fn from_str(text: &str) -> Result<Self, UnknownAlgorithm> {
        if let Ok(number) = text.parse() {
            return Ok(Self(number));
        }
        let known = match text.to_ascii_uppercase().as_str() {
            "NSEC3RSASHA1" => Some(7), // the older spelling of dnssec-keygen
            "NSEC3DSA" => Some(6),
            "ECCGOST" => Some(12),
            upper => MNEMONICS.iter().find(|(_, known)| *known == upper).map(|(number, _)| *number),
        };
        known.map(Self).ok_or(UnknownAlgorithm)
    }
}
