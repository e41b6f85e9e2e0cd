//! DNSKEY records: fields, key tags and public keys (RFC 4034 §2 and App. B).

use nw_crypto::{Algorithm, KeyError, PublicKey};
use nw_wire::{Name, NameRef};

/// A view of DNSKEY rdata (also of CDNSKEY).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dnskey<'a> {
    rdata: &'a [u8],
}

impl<'a> Dnskey<'a> {
    /// The zone key bit. A key without it cannot sign zone data (RFC 4034 §2.1.1).
    pub const ZONE: u16 = 0x0100;
    /// The revoke bit (RFC 5011 §3).
    pub const REVOKE: u16 = 0x0080;
    /// The secure entry point bit: a hint that a DS names this key (RFC 4034 §2.1.1).
    pub const SEP: u16 = 0x0001;

    /// Parse `rdata`. Returns None if it is shorter than the fixed fields.
    #[must_use]
    pub fn parse(rdata: &'a [u8]) -> Option<Self> {
        (rdata.len() > 4).then_some(Self { rdata })
    }

    /// Return the whole rdata.
    #[must_use]
    pub fn rdata(self) -> &'a [u8] {
        self.rdata
    }

    /// Return the flags.
    #[must_use]
    pub fn flags(self) -> u16 {
        u16::from_be_bytes([self.rdata[0], self.rdata[1]])
    }

    /// Return the protocol, which must be 3 (RFC 4034 §2.1.2).
    #[must_use]
    pub fn protocol(self) -> u8 {
        self.rdata[2]
    }

    /// Return the algorithm.
    #[must_use]
    pub fn algorithm(self) -> Algorithm {
        Algorithm(self.rdata[3])
    }

    /// Return the public key field.
    #[must_use]
    pub fn public_key(self) -> &'a [u8] {
        &self.rdata[4..]
    }

    /// Return whether this key may sign the records of a zone: the zone bit is set and the protocol is 3.
    #[must_use]
    pub fn is_zone_key(self) -> bool {
        self.flags() & Self::ZONE != 0 && self.protocol() == 3
    }

    /// Return whether the key is marked as a secure entry point.
    #[must_use]
    pub fn is_sep(self) -> bool {
        self.flags() & Self::SEP != 0
    }

    /// Return whether the key is revoked. A revoked key signs only the DNSKEY RRset, in order to announce the
    /// revocation (RFC 5011 §2.1).
    #[must_use]
    pub fn is_revoked(self) -> bool {
        self.flags() & Self::REVOKE != 0
    }

    /// Return the key tag.
    #[must_use]
    pub fn tag(self) -> u16 {
        key_tag(self.rdata)
    }
}

/// Return the key tag of DNSKEY rdata (RFC 4034 App. B). Algorithm 1 has its own rule (App. B.1).
///
/// Several keys may have the same tag. A tag narrows a search but does not identify a key.
#[must_use]
pub fn key_tag(rdata: &[u8]) -> u16 {
    if rdata.get(3) == Some(&Algorithm::RSAMD5.0) {
        return match rdata {
            [_, _, _, _, .., high, low, _] => u16::from_be_bytes([*high, *low]),
            _ => 0,
        };
    }
    let mut sum = 0u32;
    let mut pairs = rdata.chunks_exact(2);
    for pair in &mut pairs {
        sum += u32::from(u16::from_be_bytes([pair[0], pair[1]]));
    }
    if let [last] = pairs.remainder() {
        sum += u32::from(*last) << 8;
    }
    (sum + (sum >> 16)) as u16
}

/// A DNSKEY with a parsed public key, which can verify many signatures.
#[derive(Debug)]
pub struct Verifier {
    owner: Name,
    flags: u16,
    tag: u16,
    key: PublicKey,
}

impl Verifier {
    /// Parse the key of a DNSKEY at `owner`, which is the apex of the zone. The function refuses a key that is not a
    /// zone key, has a protocol other than 3, or has an unsupported algorithm, before any arithmetic.
    pub fn new(owner: NameRef<'_>, dnskey: Dnskey<'_>) -> Result<Self, VerifierError> {
        if !dnskey.is_zone_key() {
            return Err(VerifierError::NotZoneKey);
        }
        let key =
            PublicKey::from_dnskey(dnskey.algorithm(), dnskey.public_key()).map_err(VerifierError::Key)?;
        Ok(Self { owner: owner.to_name(), flags: dnskey.flags(), tag: dnskey.tag(), key })
    }

    /// Return the apex of the key's zone.
    #[must_use]
    pub fn owner(&self) -> NameRef<'_> {
        self.owner.as_ref()
    }

    /// Return the algorithm.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.key.algorithm()
    }

    /// Return the key tag.
    #[must_use]
    pub fn tag(&self) -> u16 {
        self.tag
    }

    /// Return whether the key is revoked (RFC 5011 §2.1).
    #[must_use]
    pub fn is_revoked(&self) -> bool {
        self.flags & Dnskey::REVOKE != 0
    }

    /// Return the parsed key.
    #[must_use]
    pub fn key(&self) -> &PublicKey {
        &self.key
    }
}

/// The reason why a DNSKEY cannot verify signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerifierError {
    /// The zone bit is not set or the protocol is not 3 (RFC 4034 §2.1).
    NotZoneKey,
    /// The public key cannot be used.
    Key(KeyError),
}

impl std::fmt::Display for VerifierError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotZoneKey => f.write_str("the key is not a zone key (wrong flags or protocol)"),
            Self::Key(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for VerifierError {}

#[cfg(test)]
mod tests;
