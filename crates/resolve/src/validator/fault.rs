//! Why data is bogus: the reason for people, and the extended error for clients (RFC 8914 §4).

use std::fmt;

use nw_dnssec::{Nsec3Ignored, RrsigFault, Unproved};
use nw_wire::code::{Ede, RrType};
use nw_wire::name::{Name, NameRef};

use super::clock::Skew;
use super::keys::{Insecurity, Unfit};
use super::signature::{Effort, Explained};

/// What is wrong with a chain of trust. The text of [`fmt::Display`] names RRset, signer, key and times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The RRset lies in a signed zone and has no signature.
    Unsigned {
        /// The owner of the RRset.
        owner: Name,
        /// Its type.
        rtype: RrType,
        /// The zone, which is secure.
        zone: Name,
        /// Why it is not known whether an insecure zone lies between, if that was to be found out.
        between: Option<Box<Fault>>,
    },
    /// The signature is not valid for the RRset.
    Signature {
        /// The owner of the RRset.
        owner: Name,
        /// Its type.
        rtype: RrType,
        /// The zone that signed.
        signer: Name,
        /// The tag of the key that the signature names.
        key_tag: u16,
        /// What is wrong with it.
        fault: RrsigFault,
        /// When it was checked, seconds since 1970 modulo 2^32.
        now: u32,
    },
    /// The RRset has signatures, and none of them is by a key of the zone.
    NoKey {
        /// The owner of the RRset.
        owner: Name,
        /// Its type.
        rtype: RrType,
        /// The zone that signed it.
        signer: Name,
        /// The tag of the key that the signature names.
        key_tag: u16,
        /// Why the key does not count, if the zone publishes it.
        unfit: Option<Unfit>,
    },
    /// The signer is not the zone that the RRset lies in.
    WrongSigner {
        /// The owner of the RRset.
        owner: Name,
        /// Its type.
        rtype: RrType,
        /// The zone that signed it.
        signer: Name,
    },
    /// No key of the zone matches the DS RRset of its parent, or the trust anchor.
    NoTrustedKey {
        /// The zone.
        zone: Name,
        /// Whether a trust anchor names the keys.
        anchor: bool,
        /// The tag of a key that would match, and why it does not count.
        unfit: Option<(u16, Unfit)>,
    },
    /// The DNSKEY or DS RRset of the zone cannot be found, so that its data cannot be validated.
    Missing {
        /// The zone.
        zone: Name,
        /// DNSKEY or DS.
        rtype: RrType,
        /// Why it was not found.
        because: String,
        /// The extended error of that cause.
        ede: Ede,
    },
    /// It is not known whether a name lies in another zone than the name above it.
    Cut {
        /// The zone of the name above, which is secure.
        zone: Name,
        /// Why it is not known.
        fault: Box<Fault>,
    },
    /// A lookup failed a short while ago, and the cache kept why.
    Kept {
        /// The fault as it was reported.
        text: String,
        /// Its extended error.
        ede: Ede,
    },
    /// The NSEC or NSEC3 RRset was expanded from a wildcard. A zone has none at such a name.
    ExpandedDenial {
        /// The owner of the RRset.
        owner: Name,
        /// NSEC or NSEC3.
        rtype: RrType,
    },
    /// The absence of the name or of the type is not proved.
    Denial {
        /// The name.
        name: Name,
        /// The type.
        rtype: RrType,
        /// Whether the reply denies the name as a whole.
        nxdomain: bool,
        /// What is missing.
        fault: DenialFault,
    },
    /// A fault of signatures that more likely is one of the clock.
    Clock {
        /// What is wrong.
        fault: Box<Fault>,
        /// By how much the clock is off.
        skew: Skew,
    },
    /// The validation costs more than this limit allows (attack KeyTrap).
    TooMuchWork {
        /// The field of `Budget`.
        limit: &'static str,
    },
}

/// What is wrong with a proof of absence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DenialFault {
    /// The records do not prove it.
    Unproved(Unproved),
    /// There are NSEC3 records only that prove nothing.
    Ignored(Nsec3Ignored),
    /// The records prove that the name exists.
    NameExists,
    /// The records prove that the name does not exist, while the response code says that it does.
    NameAbsent,
}

impl Fault {
    /// The extended error that names this kind of fault.
    pub(crate) fn ede(&self) -> Ede {
        match self {
            Fault::Unsigned { .. } => Ede::RRSIGS_MISSING,
            Fault::Signature { fault: RrsigFault::Expired { .. }, .. } => Ede::SIGNATURE_EXPIRED,
            Fault::Signature { fault: RrsigFault::NotYetValid { .. }, .. } => Ede::SIGNATURE_NOT_YET_VALID,
            Fault::Signature { fault: RrsigFault::ExpiresBeforeInception, .. } => {
                Ede::SIGNATURE_EXPIRED_BEFORE_VALID
            }
            Fault::NoKey { unfit: Some(Unfit::NoZoneKeyBit), .. }
            | Fault::NoTrustedKey { unfit: Some((_, Unfit::NoZoneKeyBit)), .. } => Ede::NO_ZONE_KEY_BIT_SET,
            Fault::NoKey { .. } | Fault::NoTrustedKey { .. } => Ede::DNSKEY_MISSING,
            Fault::Missing { ede, .. } | Fault::Kept { ede, .. } => *ede,
            Fault::Clock { fault, .. } | Fault::Cut { fault, .. } => fault.ede(),
            Fault::Denial { .. } | Fault::ExpandedDenial { .. } => Ede::NSEC_MISSING,
            Fault::Signature { .. } | Fault::WrongSigner { .. } | Fault::TooMuchWork { .. } => {
                Ede::DNSSEC_BOGUS
            }
        }
    }

    /// How much the fault says about the cause: of the faults of several signatures, the one with the highest weight is reported.
    pub(crate) fn weight(&self) -> u8 {
        match self {
            Fault::TooMuchWork { .. } => 4,
            Fault::Clock { fault, .. } | Fault::Cut { fault, .. } => fault.weight(),
            Fault::Signature {
                fault: RrsigFault::Expired { .. } | RrsigFault::NotYetValid { .. }, ..
            } => 3,
            Fault::Signature { .. } => 2,
            Fault::NoKey { .. } => 1,
            _ => 0,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Unsigned { owner, rtype, zone, between } => {
                write!(f, "{owner} {rtype} has no signature, although the zone {zone} is signed")?;
                match between {
                    Some(fault) => {
                        write!(f, ", and no proof of an insecure zone between them was found: {fault}")
                    }
                    None => Ok(()),
                }
            }
            Fault::Signature { owner, rtype, signer, key_tag, fault, now } => {
                write!(f, "RRSIG for {owner} {rtype} by key {key_tag} of {signer} ")?;
                match fault {
                    RrsigFault::Expired { expiration } => {
                        write!(f, "expired {} ago", Span(now.wrapping_sub(*expiration)))
                    }
                    RrsigFault::NotYetValid { inception } => {
                        write!(f, "is not valid for another {}", Span(inception.wrapping_sub(*now)))
                    }
                    fault => write!(f, "is not valid: {fault}"),
                }
            }
            Fault::NoKey { owner, rtype, signer, key_tag, unfit: None } => {
                write!(f, "RRSIG for {owner} {rtype} names key {key_tag}, which {signer} does not have")
            }
            Fault::NoKey { owner, rtype, signer, key_tag, unfit: Some(unfit) } => {
                write!(f, "RRSIG for {owner} {rtype} names key {key_tag} of {signer}, which {unfit}")
            }
            Fault::WrongSigner { owner, rtype, signer } => {
                write!(f, "RRSIG for {owner} {rtype} is by {signer}, which is not the zone of this name")
            }
            Fault::NoTrustedKey { zone, anchor, unfit } => {
                let from = if *anchor { "the trust anchor" } else { "the DS records of its parent" };
                write!(f, "no DNSKEY of {zone} that signs its keys matches {from}")?;
                match unfit {
                    Some((tag, unfit)) => write!(f, "; key {tag}, which would match, {unfit}"),
                    None => Ok(()),
                }
            }
            Fault::Missing { zone, rtype, because, .. } => {
                write!(f, "no {rtype} records of {zone}: {because}")
            }
            Fault::Denial { name, rtype, nxdomain, fault } => {
                match nxdomain {
                    true => write!(f, "it is not proved that {name} does not exist: ")?,
                    false => write!(f, "it is not proved that {name} has no {rtype} records: ")?,
                }
                match fault {
                    DenialFault::Unproved(unproved) => unproved.fmt(f),
                    DenialFault::Ignored(why) => write!(f, "an NSEC3 record is ignored: {why}"),
                    DenialFault::NameExists => f.write_str("the records prove that the name exists"),
                    DenialFault::NameAbsent => f.write_str("the records prove that the name does not exist"),
                }
            }
            Fault::Cut { fault, .. } => fault.fmt(f),
            Fault::Kept { text, .. } => f.write_str(text),
            Fault::ExpandedDenial { owner, rtype } => {
                write!(f, "{owner} {rtype} was expanded from a wildcard and proves nothing")
            }
            Fault::Clock { fault, skew } => write!(f, "{fault}; {skew}"),
            Fault::TooMuchWork { limit } => write!(f, "validation stopped: limit {limit} reached"),
        }
    }
}

impl Insecurity {
    /// The extended error that clients get with insecure data, if there is one.
    pub(crate) fn ede(self) -> Option<Ede> {
        match self {
            Insecurity::Unsigned | Insecurity::NegativeAnchor => None,
            Insecurity::Algorithm(_) => Some(Ede::UNSUPPORTED_DNSKEY_ALGORITHM),
            Insecurity::Digest(_) => Some(Ede::UNSUPPORTED_DS_DIGEST_TYPE),
            Insecurity::Iterations(_) => Some(Ede::UNSUPPORTED_NSEC3_ITERATIONS),
        }
    }

    /// Let the client of *effort* know why *zone* is insecure, if there is an extended error for it.
    pub(crate) fn explain(self, zone: NameRef<'_>, effort: &Effort) {
        if let Some(ede) = self.ede() {
            let zone = zone.to_name();
            let text = format!("{zone} is insecure: {self}");
            effort.explain(Explained { zone, ede, text });
        }
    }
}

impl fmt::Display for Insecurity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Insecurity::Unsigned => f.write_str("it is proved that there are no DS records for it"),
            Insecurity::NegativeAnchor => f.write_str("a negative trust anchor lies at or above it"),
            Insecurity::Algorithm(algorithm) => {
                write!(f, "its DS records name no algorithm that is accepted, but {algorithm}")
            }
            Insecurity::Digest(digest) => {
                write!(f, "its DS records have no digest that is accepted, but {digest}")
            }
            Insecurity::Iterations(iterations) => {
                write!(f, "its NSEC3 records have {iterations} iterations, more than max_nsec3_iterations")
            }
        }
    }
}

/// A time span in seconds, for people: the largest unit that fits.
pub(super) struct Span(pub(super) u32);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            seconds @ 0..120 => write!(f, "{seconds} s"),
            seconds @ 120..7200 => write!(f, "{} min", seconds / 60),
            seconds @ 7200..172_800 => write!(f, "{} h", seconds / 3600),
            seconds => write!(f, "{} days", seconds / 86_400),
        }
    }
}
