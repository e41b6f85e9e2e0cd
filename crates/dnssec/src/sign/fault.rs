//! Why a zone is not signed.

use std::fmt;

use nw_crypto::SignError;
use nw_wire::{Name, RrType};

/// The reason why a zone was not signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignZoneError {
    /// The zone does not have exactly one SOA record, at the apex.
    NoSoa,
    /// No key signs the zone.
    NoKeys,
    /// A key belongs to another zone.
    ForeignKey {
        /// Its tag.
        tag: u16,
    },
    /// An RRset is outside the zone.
    OutOfZone {
        /// Its owner.
        owner: Name,
    },
    /// An RRset was given twice.
    Duplicate {
        /// Its owner.
        owner: Name,
        /// Its type.
        rtype: RrType,
    },
    /// The signatures would expire before they begin.
    ExpiresBeforeInception,
    /// The NSEC3 salt is longer than 255 octets.
    SaltTooLong,
    /// The name of the zone is too long for a hash label before it: NSEC3 is impossible.
    NoRoomForHash,
    /// Two names have the same hash: choose another salt (RFC 5155 §7.1).
    HashCollision {
        /// One of the two.
        owner: Name,
    },
    /// The hash algorithm of ZONEMD is unknown.
    ZonemdHash,
    /// A key could not sign.
    Signer(SignError),
}

impl fmt::Display for SignZoneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSoa => f.write_str("the zone does not have exactly one SOA record at its apex"),
            Self::NoKeys => f.write_str("no key signs the zone"),
            Self::ForeignKey { tag } => write!(f, "the key {tag} belongs to another zone"),
            Self::OutOfZone { owner } => write!(f, "{owner} lies outside the zone"),
            Self::Duplicate { owner, rtype } => write!(f, "{owner} {rtype} was given twice"),
            Self::ExpiresBeforeInception => f.write_str("the signatures would expire before they begin"),
            Self::SaltTooLong => f.write_str("the NSEC3 salt is longer than 255 octets"),
            Self::NoRoomForHash => f.write_str("the zone's name leaves no room for NSEC3 hashes"),
            Self::HashCollision { owner } => write!(f, "the NSEC3 hash of {owner} is that of another name"),
            Self::ZonemdHash => {
                f.write_str("the hash algorithm of ZONEMD is neither 1 (SHA-384) nor 2 (SHA-512)")
            }
            Self::Signer(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SignZoneError {}
