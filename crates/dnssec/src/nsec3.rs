//! NSEC3: hashed names, the chain of records, and limits on the work of a validator (RFC 5155, RFC 9276).

use std::fmt;

use nw_wire::base::{base32hex, push_base32hex};
use nw_wire::{NameBuf, NameRef};

use nw_crypto::sha1;
use nw_wire::rr::TypeBitmap;

/// SHA-1, the only registered hash algorithm.
pub const SHA1: u8 = 1;
/// The flag of a record whose span may contain unsigned delegations (RFC 5155 §3.1.2.1).
pub const OPT_OUT: u8 = 1;

/// A hashed owner name.
pub type Nsec3Hash = [u8; 20];

/// Hash `name` (in any case) with `iterations` additional rounds (RFC 5155 §5). Nothing is allocated.
///
/// `salt` has at most 255 octets, the limit of its length field. Further octets are ignored.
#[must_use]
pub fn nsec3_hash(salt: &[u8], iterations: u16, name: NameRef<'_>) -> Nsec3Hash {
    let salt = &salt[..salt.len().min(255)];
    let mut first = [0u8; 510];
    let wire = name.wire();
    first[..wire.len()].copy_from_slice(wire);
    first[..wire.len()].make_ascii_lowercase(); // length octets are at most 63
    first[wire.len()..wire.len() + salt.len()].copy_from_slice(salt);
    let mut hash = sha1(&first[..wire.len() + salt.len()]);
    if iterations > 0 {
        let mut round = [0u8; 275];
        round[20..20 + salt.len()].copy_from_slice(salt);
        for _ in 0..iterations {
            round[..20].copy_from_slice(&hash);
            hash = sha1(&round[..20 + salt.len()]);
        }
    }
    hash
}

/// Return the owner of the NSEC3 record for `hash` in `zone`, or None if the name would be too long.
#[must_use]
pub fn hashed_owner(hash: &Nsec3Hash, zone: NameRef<'_>) -> Option<NameBuf> {
    let mut label = String::with_capacity(32);
    push_base32hex(&mut label, hash);
    zone.with_label(label.as_bytes())
}

/// The parameters with which a zone hashes names: the rdata of NSEC3PARAM, and the start of the rdata of NSEC3 (RFC
/// 5155 §3.2, §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nsec3Param<'a> {
    /// The hash algorithm. Only [`SHA1`] is supported.
    pub algorithm: u8,
    /// The flags. NSEC3 may have [`OPT_OUT`]; NSEC3PARAM has none.
    pub flags: u8,
    /// Additional rounds; should be 0 (RFC 9276 §3.1).
    pub iterations: u16,
    /// The salt; should be empty (RFC 9276 §3.1).
    pub salt: &'a [u8],
}

impl<'a> Nsec3Param<'a> {
    /// Parse the rdata of an NSEC3PARAM. Returns None if it is malformed.
    #[must_use]
    pub fn parse(rdata: &'a [u8]) -> Option<Self> {
        Self::read(rdata).filter(|(_, rest)| rest.is_empty()).map(|(param, _)| param)
    }

    /// Read the fields at the start of `rdata` and return them with the remaining octets.
    fn read(rdata: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (&[algorithm, flags, high, low, length], rest) = rdata.split_first_chunk()?;
        let (salt, rest) = rest.split_at_checked(usize::from(length))?;
        Some((Self { algorithm, flags, iterations: u16::from_be_bytes([high, low]), salt }, rest))
    }

    /// Append the rdata of the NSEC3PARAM, or the first fields of an NSEC3.
    pub fn push(&self, out: &mut Vec<u8>) {
        let salt = &self.salt[..self.salt.len().min(255)];
        out.extend_from_slice(&[self.algorithm, self.flags]);
        out.extend_from_slice(&self.iterations.to_be_bytes());
        out.push(salt.len() as u8);
        out.extend_from_slice(salt);
    }

    /// Hash `name` with these parameters.
    #[must_use]
    pub fn hash(&self, name: NameRef<'_>) -> Nsec3Hash {
        nsec3_hash(self.salt, self.iterations, name)
    }
}

/// Why an NSEC3 record proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nsec3Ignored {
    /// The hash algorithm is unknown (RFC 5155 §8.1).
    Algorithm(u8),
    /// A flag is unknown (RFC 5155 §8.2).
    Flags(u8),
    /// The owner is not directly below the apex of the zone.
    Owner,
    /// The owner or the rdata is malformed.
    Malformed,
}

impl fmt::Display for Nsec3Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Algorithm(algorithm) => write!(f, "the hash algorithm {algorithm} is unknown"),
            Self::Flags(flags) => write!(f, "the flags {flags:#04x} are unknown"),
            Self::Owner => f.write_str("the owner is not directly below the apex of the zone"),
            Self::Malformed => f.write_str("it is malformed"),
        }
    }
}

/// A view of an NSEC3 record with a supported hash algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nsec3<'a> {
    /// The parameters of the zone, and the flags of this record.
    pub param: Nsec3Param<'a>,
    /// The hash in the owner name.
    pub owner: Nsec3Hash,
    /// The next hash of the zone. For the last record, this is the first hash.
    pub next: Nsec3Hash,
    /// The types at the name that was hashed.
    pub types: TypeBitmap<'a>,
}

impl<'a> Nsec3<'a> {
    /// Parse the `rdata` of the NSEC3 at `owner`. Returns None for a record that must be ignored.
    #[must_use]
    pub fn parse(owner: NameRef<'_>, zone: NameRef<'_>, rdata: &'a [u8]) -> Option<Self> {
        Self::usable(owner, zone, rdata).ok()
    }

    /// Parse the `rdata` of the NSEC3 at `owner`, or return why the record must be ignored (RFC 5155 §8.1 and §8.2).
    pub fn usable(owner: NameRef<'_>, zone: NameRef<'_>, rdata: &'a [u8]) -> Result<Self, Nsec3Ignored> {
        let malformed = Nsec3Ignored::Malformed;
        let (param, rest) = Nsec3Param::read(rdata).ok_or(malformed)?;
        if param.algorithm != SHA1 {
            return Err(Nsec3Ignored::Algorithm(param.algorithm));
        }
        if param.flags & !OPT_OUT != 0 {
            return Err(Nsec3Ignored::Flags(param.flags));
        }
        if owner.parent() != Some(zone) {
            return Err(Nsec3Ignored::Owner);
        }
        let (&length, rest) = rest.split_first().ok_or(malformed)?;
        let (next, blocks) = rest.split_first_chunk::<20>().filter(|_| length == 20).ok_or(malformed)?;
        let mut hash = Vec::with_capacity(20);
        base32hex(owner.first_label().ok_or(malformed)?, &mut hash).map_err(|_| malformed)?;
        let owner = hash.try_into().map_err(|_| malformed)?;
        Ok(Self { param, owner, next: *next, types: TypeBitmap::new(blocks).map_err(|_| malformed)? })
    }

    /// Return whether the span of the record may contain unsigned delegations without their own record.
    #[must_use]
    pub fn is_opt_out(&self) -> bool {
        self.param.flags & OPT_OUT != 0
    }

    /// Return whether the record proves that no name of the zone has this hash: the hash is strictly between owner
    /// and next.
    #[must_use]
    pub fn covers(&self, hash: &Nsec3Hash) -> bool {
        if self.owner < self.next {
            self.owner < *hash && *hash < self.next
        } else {
            // The last record of the chain, or its only one.
            self.owner < *hash || *hash < self.next
        }
    }
}

/// Limits on the work of a validator for one question (RFC 9276 §3.2; CVE-2023-50868).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nsec3Limits {
    /// With more iterations than this, the zone counts as insecure and nothing is hashed. Default 50.
    pub insecure_above: u16,
    /// With more iterations than this, the answer counts as bogus and nothing is hashed. Default 65,535, which means
    /// never.
    pub bogus_above: u16,
    /// The maximum number of records. A proof with more records fails. Default 8.
    pub records: usize,
    /// The maximum number of SHA-1 blocks for one proof, for all rounds and names together. Default 6,000, the cost
    /// of 50 iterations for about 110 names.
    pub blocks: u32,
}

impl Nsec3Limits {
    /// Return whether records with this number of iterations make what they deny insecure. Nothing is hashed for them.
    #[must_use]
    pub fn makes_insecure(&self, iterations: u16) -> bool {
        iterations > self.insecure_above && iterations <= self.bogus_above
    }
}

impl Default for Nsec3Limits {
    fn default() -> Self {
        Self { insecure_above: 50, bogus_above: u16::MAX, records: 8, blocks: 6000 }
    }
}

#[cfg(test)]
mod tests;
