//! Signs a whole zone: builds the chain and signs every authoritative RRset (RFC 4035 §2, RFC 5155 §7.1).
//!
//! ```text
//!   RRsets ──> sort ──> authoritative │ cut │ occluded ──> + DNSKEY, NSEC3PARAM ──> + NSEC or NSEC3 ──> sign
//! ```
//!
//! Keys with the SEP bit sign DNSKEY, CDS and CDNSKEY. The other keys sign everything else. If all keys of an
//! algorithm are of the same kind, they sign everything (RFC 6781 §3.1). A revoked key signs only DNSKEY.
//!
//! Existing RRSIG, NSEC, NSEC3 and NSEC3PARAM records are dropped, so that a signed zone can be signed again.
//! Existing DNSKEY records are kept, so that keys can be published in advance.
//!
//! *Limitations.* Every RRset is signed again. The caller decides which old signatures to keep.

use std::fmt;

use nw_crypto::SignError;
use nw_wire::hash::HashKey;
use nw_wire::{Class, Name, NameRef, RdataSet, RrType, Rrset};

use crate::chain::{self, OwnerKind};
use crate::dnskey::Dnskey;
use crate::rrsig::{SignParams, SignScratch, sign_rrset};
use crate::zonekey::ZoneKey;

/// The options for signing a zone.
#[derive(Clone, Debug)]
pub struct SignOptions {
    /// The start of the validity, in seconds since 1970 modulo 2^32. Usually one hour ago, for resolvers whose clocks
    /// are late.
    pub inception: u32,
    /// The latest end of the validity.
    pub expiration: u32,
    /// Signatures expire up to this many seconds earlier, depending on the owner name, so that they need not all be
    /// renewed at once. With 0, all expire at the same time.
    pub jitter: u32,
    /// The kind of denial of existence.
    pub denial: DenialOptions,
    /// The TTL in seconds of the DNSKEY RRset if the zone has none yet.
    pub dnskey_ttl: u32,
    /// The number of threads.
    pub threads: usize,
}

/// The kind of denial of existence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DenialOptions {
    /// NSEC records.
    Nsec,
    /// NSEC3 records.
    Nsec3 {
        /// The additional hash iterations; should be 0 (RFC 9276 §3.1).
        iterations: u16,
        /// The salt, at most 255 octets; should be empty (RFC 9276 §3.1).
        salt: Vec<u8>,
        /// Omit unsigned delegations from the chain (RFC 5155 §6).
        opt_out: bool,
    },
}

/// An RRset with its signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedRrset {
    /// The RRset.
    pub rrset: Rrset,
    /// The rdata of its RRSIGs, whose TTL is that of the RRset (RFC 4034 §3). Empty for RRsets that are not signed,
    /// at and below delegations.
    pub rrsigs: RdataSet,
}

impl SignedRrset {
    /// Return the RRSIG records as their own RRset, or None if there are none.
    #[must_use]
    pub fn rrsig_rrset(&self) -> Option<Rrset> {
        (!self.rrsigs.is_empty()).then(|| Rrset {
            owner: self.rrset.owner.clone(),
            rtype: RrType::RRSIG,
            class: self.rrset.class,
            ttl: self.rrset.ttl,
            rdatas: self.rrsigs.clone(),
        })
    }
}

/// Sign the zone at `apex`, which consists of `rrsets` in any order, with `keys`.
///
/// Returns all RRsets of the zone, including NSEC, by type and by owner in canonical order. NSEC3 records follow, in
/// the order of their hashes.
pub fn sign_zone(
    apex: NameRef<'_>,
    rrsets: Vec<Rrset>,
    keys: &[ZoneKey],
    options: &SignOptions,
) -> Result<Vec<SignedRrset>, SignZoneError> {
    if serial_before(options.expiration, options.inception) {
        return Err(SignZoneError::ExpiresBeforeInception);
    }
    if let Some(key) = keys.iter().find(|key| key.owner() != apex) {
        return Err(SignZoneError::ForeignKey { tag: key.tag() });
    }
    let roles = Roles::assign(keys)?;
    let mut rrsets = prepare(apex, rrsets)?;
    let soa = rrsets.iter().find(|rrset| rrset.rtype == RrType::SOA).ok_or(SignZoneError::NoSoa)?;
    let class = soa.class;
    // The TTL of NSEC and NSEC3: a resolver may cache a denial no longer than the SOA allows (RFC 9077 §3).
    let minimum =
        soa.rdatas.first().and_then(|rdata| rdata.last_chunk::<4>()).map(|ttl| u32::from_be_bytes(*ttl));
    let denial_ttl = soa.ttl.min(minimum.ok_or(SignZoneError::NoSoa)?);
    add_dnskeys(apex, class, keys, options.dnskey_ttl, &mut rrsets);
    if let DenialOptions::Nsec3 { iterations, salt, .. } = &options.denial {
        if salt.len() > 255 {
            return Err(SignZoneError::SaltTooLong);
        }
        rrsets.push(chain::nsec3param(apex, class, *iterations, salt));
    }
    rrsets.sort_by(|a, b| a.owner.cmp(&b.owner).then(a.rtype.cmp(&b.rtype)));

    let kinds = chain::kinds(apex, &rrsets);
    let mut chain_rrsets = match &options.denial {
        DenialOptions::Nsec => chain::nsec(apex, &rrsets, &kinds, (class, denial_ttl)),
        DenialOptions::Nsec3 { iterations, salt, opt_out } => {
            chain::nsec3(apex, &rrsets, &kinds, (class, denial_ttl), (*iterations, salt, *opt_out))?
        }
    };
    let mut jobs: Vec<Job> = rrsets
        .into_iter()
        .zip(kinds)
        .map(|(rrset, kind)| {
            let keys = match (kind, rrset.rtype) {
                (OwnerKind::Occluded, _) => &[],
                (OwnerKind::Cut, rtype) if rtype != RrType::DS => &[],
                (_, RrType::DNSKEY) => roles.dnskey.as_slice(),
                (_, RrType::CDS | RrType::CDNSKEY) => roles.entry.as_slice(),
                _ => roles.zone.as_slice(),
            };
            Job { signed: SignedRrset { rrset, rrsigs: RdataSet::new() }, keys }
        })
        .collect();
    let more = chain_rrsets.drain(..).map(|rrset| Job {
        signed: SignedRrset { rrset, rrsigs: RdataSet::new() },
        keys: roles.zone.as_slice(),
    });
    jobs.extend(more);
    if options.denial == DenialOptions::Nsec {
        jobs.sort_by(|a, b| {
            let (a, b) = (&a.signed.rrset, &b.signed.rrset);
            a.owner.cmp(&b.owner).then(a.rtype.cmp(&b.rtype))
        });
    }
    sign_all(&mut jobs, options)?;
    Ok(jobs.into_iter().map(|job| job.signed).collect())
}

/// An RRset and the keys that sign it.
struct Job<'k> {
    signed: SignedRrset,
    keys: &'k [&'k ZoneKey],
}

/// Sign all RRsets, with the number of threads in the options.
fn sign_all(jobs: &mut [Job<'_>], options: &SignOptions) -> Result<(), SignZoneError> {
    if options.threads <= 1 {
        return jobs.iter_mut().try_for_each(|job| sign_one(job, options)).map_err(SignZoneError::Signer);
    }
    let share = jobs.len().div_ceil(options.threads).max(1);
    std::thread::scope(|scope| {
        let workers: Vec<_> = jobs
            .chunks_mut(share)
            .map(|jobs| scope.spawn(move || jobs.iter_mut().try_for_each(|job| sign_one(job, options))))
            .collect();
        workers.into_iter().try_for_each(|worker| match worker.join() {
            Ok(result) => result.map_err(SignZoneError::Signer),
            Err(panic) => std::panic::resume_unwind(panic),
        })
    })
}

thread_local! {
    /// The buffers of one thread.
    static SCRATCH: std::cell::RefCell<SignScratch> = std::cell::RefCell::default();
}

/// Return a number that depends only on the name: signing a zone twice makes the same signatures.
fn spread(owner: NameRef<'_>) -> u64 {
    HashKey::new([0, 0x9e37_79b9_7f4a_7c15, 0x8ebc_6af0_9c88_c6e3]).name(owner.wire())
}

/// Make the signatures of one RRset.
fn sign_one(job: &mut Job<'_>, options: &SignOptions) -> Result<(), SignError> {
    let early = match options.jitter {
        0 => 0,
        jitter => (spread(job.signed.rrset.owner.as_ref()) % u64::from(jitter)) as u32,
    };
    let params =
        SignParams { inception: options.inception, expiration: options.expiration.wrapping_sub(early) };
    let SignedRrset { rrset, rrsigs } = &mut job.signed;
    SCRATCH.with_borrow_mut(|scratch| {
        job.keys
            .iter()
            .try_for_each(|key| rrsigs.push_with(|rdata| sign_rrset(rrset, key, params, scratch, rdata)))
    })
}

/// The keys for each kind of RRset.
struct Roles<'k> {
    /// The DNSKEY RRset.
    dnskey: Vec<&'k ZoneKey>,
    /// CDS and CDNSKEY, from which the parent makes the DS (RFC 7344 §4.1).
    entry: Vec<&'k ZoneKey>,
    /// Everything else.
    zone: Vec<&'k ZoneKey>,
}

impl<'k> Roles<'k> {
    /// Assign the keys to their roles.
    fn assign(keys: &'k [ZoneKey]) -> Result<Self, SignZoneError> {
        let active = || keys.iter().filter(|key| !key.dnskey().is_revoked());
        // An algorithm with keys of only one kind uses them for both roles.
        let of_kind = |sep: bool| -> Vec<&'k ZoneKey> {
            let lone = |key: &ZoneKey| {
                !active().any(|other| {
                    other.dnskey().algorithm() == key.dnskey().algorithm() && other.dnskey().is_sep() == sep
                })
            };
            active().filter(|key| key.dnskey().is_sep() == sep || lone(key)).collect()
        };
        let (entry, zone) = (of_kind(true), of_kind(false));
        if zone.is_empty() {
            return Err(SignZoneError::NoKeys);
        }
        let revoked = keys.iter().filter(|key| key.dnskey().is_revoked());
        Ok(Self { dnskey: entry.iter().copied().chain(revoked).collect(), entry, zone })
    }
}

/// Drop the records that signing creates, and check that the rest is a zone.
fn prepare(apex: NameRef<'_>, mut rrsets: Vec<Rrset>) -> Result<Vec<Rrset>, SignZoneError> {
    const MADE: [RrType; 4] = [RrType::RRSIG, RrType::NSEC, RrType::NSEC3, RrType::NSEC3PARAM];
    rrsets.retain(|rrset| !MADE.contains(&rrset.rtype) && !rrset.rdatas.is_empty());
    if let Some(rrset) = rrsets.iter().find(|rrset| !rrset.owner.as_ref().is_at_or_below(apex)) {
        return Err(SignZoneError::OutOfZone { owner: rrset.owner.clone() });
    }
    let soas = rrsets.iter().filter(|rrset| rrset.rtype == RrType::SOA);
    if soas.clone().count() != 1 || soas.clone().any(|soa| soa.owner != apex || soa.rdatas.len() != 1) {
        return Err(SignZoneError::NoSoa);
    }
    rrsets.sort_by(|a, b| a.owner.cmp(&b.owner).then(a.rtype.cmp(&b.rtype)));
    let twice =
        rrsets.windows(2).find(|pair| pair[0].owner == pair[1].owner && pair[0].rtype == pair[1].rtype);
    if let Some([first, _]) = twice {
        return Err(SignZoneError::Duplicate { owner: first.owner.clone(), rtype: first.rtype });
    }
    Ok(rrsets)
}

/// Add the public keys of `keys` to the DNSKEY RRset.
fn add_dnskeys(apex: NameRef<'_>, class: Class, keys: &[ZoneKey], ttl: u32, rrsets: &mut Vec<Rrset>) {
    let at = rrsets.iter().position(|rrset| rrset.rtype == RrType::DNSKEY && rrset.owner == apex);
    let at = at.unwrap_or_else(|| {
        rrsets.push(Rrset::new(apex.to_name(), RrType::DNSKEY, class, ttl));
        rrsets.len() - 1
    });
    for key in keys.iter().map(ZoneKey::dnskey).map(Dnskey::rdata) {
        if !rrsets[at].rdatas.contains(key) {
            rrsets[at].rdatas.push(key);
        }
    }
}

/// Return whether `a` is before `b` in serial number arithmetic (RFC 1982 §3.2).
fn serial_before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}

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
            Self::Signer(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SignZoneError {}

#[cfg(test)]
mod tests;
