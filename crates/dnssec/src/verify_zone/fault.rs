//! The faults that a signed zone can have.

use std::fmt;

use nw_crypto::{Algorithm, KeyError};
use nw_wire::text::push_time;
use nw_wire::{Name, NameRef, RrType};

use crate::rrsig::RrsigFault;
use crate::zonemd::{RecordFault, ZonemdFault};

/// A fault and its location.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The owner name. For a fault of the whole zone, the apex.
    pub owner: Name,
    /// The type of the RRset, or None for a fault of the whole zone.
    pub rtype: Option<RrType>,
    /// The fault.
    pub fault: Fault,
}

impl Problem {
    pub(super) fn new(owner: &Name, rtype: RrType, fault: Fault) -> Self {
        Self { owner: owner.clone(), rtype: Some(rtype), fault }
    }

    pub(super) fn of_zone(apex: NameRef<'_>, fault: Fault) -> Self {
        Self { owner: apex.to_name(), rtype: None, fault }
    }
}

/// The faults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The apex has no DNSKEY that can verify signatures.
    NoKey,
    /// A DNSKEY has no zone bit or a protocol other than 3. Validators ignore it (RFC 4034 §2.1).
    NotZoneKey {
        /// Its tag.
        tag: u16,
    },
    /// The signatures of a key cannot be checked, because its algorithm is not supported.
    UnsupportedAlgorithm {
        /// Its tag.
        tag: u16,
        /// Its algorithm.
        algorithm: Algorithm,
    },
    /// A public key is malformed and cannot have signed anything.
    BrokenKey {
        /// Its tag.
        tag: u16,
        /// The reason.
        error: KeyError,
    },
    /// No trust anchor matches a key of the zone.
    AnchorNamesNoKey,
    /// A trust anchor matches a key that does not sign the DNSKEY RRset (RFC 4035 §5.2).
    AnchoredKeyDoesNotSign,
    /// Keys are marked as entry points, but no such key signs the DNSKEY RRset.
    NoEntryKeySigns,
    /// A CDS or CDNSKEY matches no key that signs the DNSKEY RRset. If the parent used it, the chain would break (RFC
    /// 7344 §4.1).
    ChildAsksForNoKey,
    /// An authoritative RRset has no signature (RFC 4035 §2.2).
    Unsigned,
    /// An RRset lacks a signature of an algorithm for which the zone has a key (RFC 4035 §2.2, RFC 6840 §5.11).
    AlgorithmMissing {
        /// The algorithm.
        algorithm: Algorithm,
    },
    /// A signature does not verify.
    Signature {
        /// The key tag of the signature.
        tag: u16,
        /// The algorithm of the key.
        algorithm: Algorithm,
        /// The reason.
        fault: RrsigFault,
        /// The zone is valid without the signature, because another one of the same algorithm is good.
        spare: bool,
    },
    /// The TTL of the RRset differs from the signed TTL (RFC 4034 §3.1.4).
    OtherTtl {
        /// The tag of the key.
        tag: u16,
        /// The signed TTL in seconds.
        signed: u32,
        /// The TTL in the zone in seconds.
        found: u32,
    },
    /// The NS RRset of a delegation, glue, or other data below a delegation is signed (RFC 4035 §2.2).
    SignedWithoutAuthority,
    /// A signature covers an RRset that does not exist.
    SignsNothing,
    /// Rdata is malformed.
    Malformed,
    /// The zone has neither NSEC nor NSEC3 records. It cannot prove that names do not exist.
    NoChain,
    /// A name has no NSEC record (RFC 4035 §2.3).
    NsecMissing,
    /// A name does not have exactly one NSEC or NSEC3 record.
    NotOne {
        /// The number of records.
        count: usize,
    },
    /// An NSEC is at a name that has no other data or is below a delegation (RFC 4035 §2.3).
    NsecTooMuch,
    /// The next name in the NSEC is not the next name of the zone (RFC 4034 §4.1.1).
    NsecNext {
        /// The next name of the zone.
        expected: Name,
        /// The next name in the record.
        found: Name,
    },
    /// A name has no NSEC3 record, and no opt-out span covers it (RFC 5155 §7.1).
    Nsec3Missing {
        /// The owner that the record would have.
        hashed: Name,
    },
    /// An NSEC3 record with the zone's parameters has a hash that matches no name.
    Nsec3TooMuch,
    /// The next hash in the NSEC3 is not that of the next record (RFC 5155 §3.1.7).
    Nsec3Next,
    /// The zone has NSEC3 records but no NSEC3PARAM with their parameters (RFC 5155 §4).
    NoNsec3Param,
    /// NSEC3 uses additional iterations or a salt. They cost time and protect nothing (RFC 9276 §3.1).
    Nsec3Parameters {
        /// The additional hash iterations.
        iterations: u16,
        /// Octets of salt.
        salt: usize,
    },
    /// The type bitmap differs from the types of the name (RFC 4034 §4.1.2, RFC 5155 §3.2.1).
    Types {
        /// Types of the name that the bitmap lacks. A validator concludes that they do not exist.
        missing: Vec<RrType>,
        /// Types in the bitmap that the name does not have.
        extra: Vec<RrType>,
    },
    /// No ZONEMD record has the digest of the zone (RFC 8976 §4).
    Zonemd(ZonemdFault),
}

impl Fault {
    /// Return whether answers of the zone fail validation. Other faults are warnings.
    #[must_use]
    pub fn is_error(&self) -> bool {
        match self {
            Self::NotZoneKey { .. }
            | Self::UnsupportedAlgorithm { .. }
            | Self::NoEntryKeySigns
            | Self::SignedWithoutAuthority
            | Self::SignsNothing
            | Self::Nsec3Parameters { .. } => false,
            Self::Signature { spare, .. } => !spare,
            // Validators lower the TTL to the signed one (RFC 4035 §5.3.3).
            Self::OtherTtl { signed, found, .. } => found > signed,
            // A digest that nobody here can compute says nothing.
            Self::Zonemd(ZonemdFault::Records(faults)) => {
                faults.iter().any(|(.., fault)| !matches!(fault, RecordFault::Scheme | RecordFault::Hash))
            }
            _ => true,
        }
    }

    /// Return a stable identifier for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoKey => "NO_KEY",
            Self::NotZoneKey { .. } => "NOT_ZONE_KEY",
            Self::UnsupportedAlgorithm { .. } => "UNSUPPORTED_ALGORITHM",
            Self::BrokenKey { .. } => "BROKEN_KEY",
            Self::AnchorNamesNoKey => "ANCHOR_NAMES_NO_KEY",
            Self::AnchoredKeyDoesNotSign => "ANCHORED_KEY_DOES_NOT_SIGN",
            Self::NoEntryKeySigns => "NO_ENTRY_KEY_SIGNS",
            Self::ChildAsksForNoKey => "CHILD_ASKS_FOR_NO_KEY",
            Self::Unsigned => "UNSIGNED",
            Self::AlgorithmMissing { .. } => "ALGORITHM_MISSING",
            Self::Signature { fault, .. } => match fault {
                RrsigFault::NotYetValid { .. } => "NOT_YET_VALID",
                RrsigFault::Expired { .. } => "EXPIRED",
                RrsigFault::OtherKey => "UNKNOWN_KEY",
                RrsigFault::RevokedKey => "REVOKED_KEY",
                RrsigFault::Signature(_) => "BAD_SIGNATURE",
                _ => "BAD_RRSIG",
            },
            Self::OtherTtl { .. } => "OTHER_TTL",
            Self::SignedWithoutAuthority => "SIGNED_WITHOUT_AUTHORITY",
            Self::SignsNothing => "SIGNS_NOTHING",
            Self::Malformed => "MALFORMED",
            Self::NoChain => "NO_CHAIN",
            Self::NsecMissing => "NSEC_MISSING",
            Self::NotOne { .. } => "NOT_ONE",
            Self::NsecTooMuch => "NSEC_TOO_MUCH",
            Self::NsecNext { .. } => "NSEC_NEXT",
            Self::Nsec3Missing { .. } => "NSEC3_MISSING",
            Self::Nsec3TooMuch => "NSEC3_TOO_MUCH",
            Self::Nsec3Next => "NSEC3_NEXT",
            Self::NoNsec3Param => "NO_NSEC3PARAM",
            Self::Nsec3Parameters { .. } => "NSEC3_PARAMETERS",
            Self::Types { .. } => "TYPES",
            Self::Zonemd(_) => "ZONEMD",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoKey => f.write_str("the apex has no DNSKEY that can verify signatures"),
            Self::NotZoneKey { tag } => {
                write!(f, "key {tag} is not a zone key (wrong flags or protocol); validators ignore it")
            }
            Self::UnsupportedAlgorithm { tag, algorithm } => {
                write!(f, "signatures of key {tag} were not checked: algorithm {algorithm} is not supported")
            }
            Self::BrokenKey { tag, error } => write!(f, "key {tag} is malformed: {error}"),
            Self::AnchorNamesNoKey => f.write_str("no trust anchor matches a key of the zone"),
            Self::AnchoredKeyDoesNotSign => {
                f.write_str("the key that matches the trust anchor does not sign the DNSKEY RRset")
            }
            Self::NoEntryKeySigns => f.write_str("no key with the SEP flag signs the DNSKEY RRset"),
            Self::ChildAsksForNoKey => f.write_str("matches no key that signs the DNSKEY RRset"),
            Self::Unsigned => f.write_str("has no signature"),
            Self::AlgorithmMissing { algorithm } => {
                write!(
                    f,
                    "has no signature of algorithm {algorithm}, although the zone has a key of this algorithm"
                )
            }
            Self::Signature { tag, algorithm, fault, spare } => {
                write!(f, "signature of key {tag} ({algorithm}): ")?;
                signature(fault, f)?;
                f.write_str(if *spare { "; another signature is valid" } else { "" })
            }
            Self::OtherTtl { tag, signed, found } => {
                write!(f, "has TTL {found}, but key {tag} signed it with TTL {signed}")
            }
            Self::SignedWithoutAuthority => f.write_str(
                "is signed, but is not authoritative data of the zone: it is at or below a delegation",
            ),
            Self::SignsNothing => f.write_str("has a signature, but no records"),
            Self::Malformed => f.write_str("the record data is malformed"),
            Self::NoChain => f.write_str(
                "the zone has neither NSEC nor NSEC3 records: it cannot prove that a name does not exist",
            ),
            Self::NsecMissing => f.write_str("the name has no NSEC record"),
            Self::NotOne { count } => write!(f, "has {count} records; exactly one is allowed"),
            Self::NsecTooMuch => {
                f.write_str("the name has no authoritative data, and must not have an NSEC record")
            }
            Self::NsecNext { expected, found } => {
                write!(f, "gives {found} as the next name; the next name is {expected}")
            }
            Self::Nsec3Missing { hashed } => {
                write!(f, "the name has no NSEC3 record; its owner would be {hashed}")
            }
            Self::Nsec3TooMuch => f.write_str("no name of the zone has this hash"),
            Self::Nsec3Next => f.write_str("the next hash is not that of the next NSEC3 record"),
            Self::NoNsec3Param => {
                f.write_str("the zone has NSEC3 records, but no NSEC3PARAM record with their parameters")
            }
            Self::Nsec3Parameters { iterations, salt } => write!(
                f,
                "{iterations} additional iterations and {salt} octets of salt; RFC 9276 recommends 0 iterations and no salt"
            ),
            Self::Types { missing, extra } => {
                let list =
                    |types: &[RrType]| types.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
                let mut parts = Vec::new();
                if !missing.is_empty() {
                    parts.push(format!("does not list {}, which the name has", list(missing)));
                }
                if !extra.is_empty() {
                    parts.push(format!("lists {}, which the name does not have", list(extra)));
                }
                f.write_str(&parts.join("; "))
            }
            Self::Zonemd(fault) => fault.fmt(f),
        }
    }
}

/// Write a fault of a signature with readable times.
fn signature(fault: &RrsigFault, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let time = |seconds| {
        let mut text = String::new();
        push_time(&mut text, seconds);
        text
    };
    match fault {
        RrsigFault::NotYetValid { inception } => write!(f, "not valid before {}", time(*inception)),
        RrsigFault::Expired { expiration } => write!(f, "expired at {}", time(*expiration)),
        RrsigFault::OtherKey => f.write_str("the zone has no such key"),
        other => write!(f, "{other}"),
    }
}
