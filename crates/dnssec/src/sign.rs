//! Signs a whole zone: builds the chain and signs every authoritative RRset (RFC 4035 §2, RFC 5155 §7.1).
//!
//! ```text
//!   RRsets ──> sort ──> authoritative │ cut │ occluded ──> + DNSKEY, NSEC3PARAM ──> + NSEC or NSEC3 ──> sign
//! ```
//!
//! Keys with the SEP bit sign DNSKEY, CDS and CDNSKEY. The other keys sign everything else. If all keys of an
//! algorithm are of the same kind, they sign everything (RFC 6781 §3.1). A revoked key signs only DNSKEY.
//!
//! Existing RRSIG, NSEC, NSEC3 and NSEC3PARAM records are dropped, so that a signed zone can be signed again, with the
//! signatures that [`Signing::keep`] allows. Existing DNSKEY records are kept, so that keys can be published in advance.
//!
//! `crates/zone` signs what changes in a zone that is signed already, by the same rules: which names are in the chain and with
//! which types ([`crate::chain`]), and which keys sign what ([`Signers`]).

use std::collections::HashMap;

use nw_crypto::SignError;
use nw_wire::hash::HashKey;
use nw_wire::{Class, Name, NameRef, RdataSet, RrType, Rrset};

pub use fault::SignZoneError;
pub use signers::Signers;

use crate::canonical::Canonical;
use crate::chain::{self, OwnerKind};
use crate::dnskey::Verifier;
use crate::rrsig::{Rrsig, SignParams, SignScratch, sign_rrset, verify_rrset};
use crate::zonekey::ZoneKey;
use crate::zonemd::{SIMPLE, zone_digest, zonemd_hash};

mod fault;
mod signers;

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

/// How a zone is signed.
#[derive(Clone, Debug)]
pub struct Signing {
    /// Which keys sign what.
    pub signers: Signers,
    /// Times and denial of existence.
    pub options: SignOptions,
    /// The latest end of the validity of the signatures of DNSKEY, CDS and CDNSKEY, which may be made by keys that are seldom at hand.
    pub dnskey_expiration: u32,
    /// The ZONEMD record at the apex.
    pub zonemd: Zonemd,
    /// The signatures that stay. None: every RRset is signed again.
    pub keep: Option<Keep>,
}

/// What becomes of the ZONEMD record at the apex, whose digest changes whenever a signature does (RFC 8976).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zonemd {
    /// It is data like others: the caller sets the digest.
    Given,
    /// There is none.
    Absent,
    /// It is made with this hash algorithm (RFC 8976 §5.3): 1 is SHA-384, 2 is SHA-512.
    Made(u8),
}

/// The signatures that stay when a zone is signed: those of the right keys that verify and are valid at both times, in seconds
/// since 1970 modulo 2^32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Now.
    pub now: u32,
    /// The time at which signatures must still be valid.
    pub until: u32,
}

/// Sign the zone at `apex` with `keys`, whose flags say what they sign. As [`Signing::sign_zone`].
pub fn sign_zone(
    apex: NameRef<'_>,
    rrsets: Vec<Rrset>,
    keys: &[ZoneKey],
    options: &SignOptions,
) -> Result<Vec<SignedRrset>, SignZoneError> {
    Signing::new(Signers::by_flags(keys)?, options.clone()).sign_zone(apex, rrsets)
}

impl Signing {
    /// Sign every RRset again, with the same end. ZONEMD is data.
    #[must_use]
    pub fn new(signers: Signers, options: SignOptions) -> Self {
        let dnskey_expiration = options.expiration;
        Self { signers, options, dnskey_expiration, zonemd: Zonemd::Given, keep: None }
    }

    /// Return why no zone at `apex` can be signed like this.
    pub fn check(&self, apex: NameRef<'_>) -> Result<(), SignZoneError> {
        let ends = [self.options.expiration, self.dnskey_expiration];
        if ends.iter().any(|end| serial_before(*end, self.options.inception)) {
            return Err(SignZoneError::ExpiresBeforeInception);
        }
        if let Some(key) = self.signers.all().find(|key| key.owner() != apex) {
            return Err(SignZoneError::ForeignKey { tag: key.tag() });
        }
        if self.signers.zone.is_empty() {
            return Err(SignZoneError::NoKeys);
        }
        if matches!(self.zonemd, Zonemd::Made(hash) if zonemd_hash(hash).is_none()) {
            return Err(SignZoneError::ZonemdHash);
        }
        match &self.options.denial {
            DenialOptions::Nsec3 { salt, .. } if salt.len() > 255 => Err(SignZoneError::SaltTooLong),
            _ => Ok(()),
        }
    }

    /// Sign the zone at `apex`, which consists of `rrsets` in any order.
    ///
    /// Returns all RRsets of the zone, including NSEC, by type and by owner in canonical order. NSEC3 records follow, in
    /// the order of their hashes.
    pub fn sign_zone(
        &self,
        apex: NameRef<'_>,
        rrsets: Vec<Rrset>,
    ) -> Result<Vec<SignedRrset>, SignZoneError> {
        self.check(apex)?;
        let options = &self.options;
        let kept = Kept::of(self, &rrsets);
        let mut rrsets = self.prepare(apex, rrsets)?;
        let soa = rrsets.iter().find(|rrset| rrset.rtype == RrType::SOA).ok_or(SignZoneError::NoSoa)?;
        let (class, denial_ttl) = (soa.class, denial_ttl(soa).ok_or(SignZoneError::NoSoa)?);
        rrsets.extend(self.zonemd_place(soa));
        add_dnskeys(apex, class, &self.signers.published, options.dnskey_ttl, &mut rrsets);
        if let DenialOptions::Nsec3 { iterations, salt, .. } = &options.denial {
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
            .map(|(rrset, kind)| Job {
                keys: self.signers.of(kind, rrset.rtype),
                signed: SignedRrset { rrset, rrsigs: RdataSet::new() },
            })
            .collect();
        let more = chain_rrsets.drain(..).map(|rrset| Job {
            signed: SignedRrset { rrset, rrsigs: RdataSet::new() },
            keys: &self.signers.zone,
        });
        jobs.extend(more);
        if options.denial == DenialOptions::Nsec {
            jobs.sort_by(|a, b| {
                let (a, b) = (&a.signed.rrset, &b.signed.rrset);
                a.owner.cmp(&b.owner).then(a.rtype.cmp(&b.rtype))
            });
        }
        sign_all(&mut jobs, self, &kept)?;
        let mut zone: Vec<SignedRrset> = jobs.into_iter().map(|job| job.signed).collect();
        if matches!(self.zonemd, Zonemd::Made(_)) {
            self.fill_zonemd(apex, &mut zone, &kept)?;
        }
        Ok(zone)
    }

    /// Return whether signing makes the RRset of this owner and type in the zone at `apex`.
    #[must_use]
    pub fn makes(&self, apex: NameRef<'_>, owner: NameRef<'_>, rtype: RrType) -> bool {
        match rtype {
            RrType::RRSIG | RrType::NSEC | RrType::NSEC3 | RrType::NSEC3PARAM => true,
            RrType::ZONEMD => owner == apex && self.zonemd != Zonemd::Given,
            _ => false,
        }
    }

    /// Drop the records that signing creates, and check that the rest is a zone.
    fn prepare(&self, apex: NameRef<'_>, mut rrsets: Vec<Rrset>) -> Result<Vec<Rrset>, SignZoneError> {
        rrsets
            .retain(|rrset| !self.makes(apex, rrset.owner.as_ref(), rrset.rtype) && !rrset.rdatas.is_empty());
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

    /// Return the ZONEMD RRset of a zone with this SOA before its digest is known, if the zone gets one. The digest does not
    /// cover the RRset, but the chain has its type (RFC 8976 §3.1).
    #[must_use]
    pub fn zonemd_place(&self, soa: &Rrset) -> Option<Rrset> {
        let Zonemd::Made(hash) = self.zonemd else { return None };
        Some(zonemd_set(soa, hash, &vec![0; zonemd_hash(hash)?.size()]))
    }

    /// Return the ZONEMD RRset of the zone that consists of `rrsets` with their signatures, if the zone gets one.
    #[must_use]
    pub fn zonemd(&self, soa: &Rrset, rrsets: &[Rrset]) -> Option<Rrset> {
        let Zonemd::Made(hash) = self.zonemd else { return None };
        let digest = zone_digest(soa.owner.as_ref(), rrsets, zonemd_hash(hash)?);
        Some(zonemd_set(soa, hash, digest.as_ref()))
    }

    /// Set the digest of the ZONEMD record, when everything else is signed.
    fn fill_zonemd(
        &self,
        apex: NameRef<'_>,
        zone: &mut [SignedRrset],
        kept: &Kept,
    ) -> Result<(), SignZoneError> {
        let all: Vec<Rrset> = zone
            .iter()
            .flat_map(|signed| [Some(signed.rrset.clone()), signed.rrsig_rrset()])
            .flatten()
            .collect();
        let at_apex = |signed: &&SignedRrset| signed.rrset.owner == apex;
        let soa = zone.iter().filter(at_apex).find(|signed| signed.rrset.rtype == RrType::SOA);
        let rrset = self.zonemd(&soa.ok_or(SignZoneError::NoSoa)?.rrset, &all);
        let place =
            zone.iter_mut().find(|signed| signed.rrset.rtype == RrType::ZONEMD && signed.rrset.owner == apex);
        if let (Some(rrset), Some(place)) = (rrset, place) {
            let signed = SignedRrset { rrset, rrsigs: RdataSet::new() };
            let mut job = Job { signed, keys: &self.signers.zone };
            sign_one(&mut job, self, kept).map_err(SignZoneError::Signer)?;
            *place = job.signed;
        }
        Ok(())
    }

    /// Return the signatures of `rrset`, whose owner has this kind in its zone. Empty if the zone does not sign it.
    pub fn signatures(&self, rrset: &Rrset, kind: OwnerKind) -> Result<RdataSet, SignZoneError> {
        let signed = SignedRrset { rrset: rrset.clone(), rrsigs: RdataSet::new() };
        let mut job = Job { signed, keys: self.signers.of(kind, rrset.rtype) };
        sign_one(&mut job, self, &Kept::default()).map_err(SignZoneError::Signer)?;
        Ok(job.signed.rrsigs)
    }
}

/// Return a ZONEMD RRset, with the serial and the TTL of the SOA.
fn zonemd_set(soa: &Rrset, hash: u8, digest: &[u8]) -> Rrset {
    let mut rdata = soa_field(soa, SERIAL).unwrap_or_default().to_be_bytes().to_vec();
    rdata.extend_from_slice(&[SIMPLE, hash]);
    rdata.extend_from_slice(digest);
    let mut rrset = Rrset::new(soa.owner.clone(), RrType::ZONEMD, soa.class, soa.ttl);
    rrset.rdatas.push(&rdata);
    rrset
}

/// Offsets of the numbers of an SOA from the end of its rdata (RFC 1035 §3.3.13).
const SERIAL: usize = 20;
const MINIMUM: usize = 4;

fn soa_field(soa: &Rrset, from_end: usize) -> Option<u32> {
    let rdata = soa.rdatas.first()?;
    let at = rdata.len().checked_sub(from_end)?;
    Some(u32::from_be_bytes(*rdata[at..].first_chunk()?))
}

/// Return the TTL of NSEC and NSEC3 in the zone with this SOA: a resolver may cache a denial no longer than the SOA allows (RFC
/// 9077 §3). None if the SOA is malformed.
#[must_use]
pub fn denial_ttl(soa: &Rrset) -> Option<u32> {
    Some(soa.ttl.min(soa_field(soa, MINIMUM)?))
}

/// An RRset and the keys that sign it.
struct Job<'k> {
    signed: SignedRrset,
    keys: &'k [ZoneKey],
}

/// The signatures that a zone had, for those that stay.
#[derive(Default)]
struct Kept {
    /// By owner and covered type.
    signatures: HashMap<(Name, RrType), Vec<Vec<u8>>>,
    /// By tag and algorithm.
    verifiers: HashMap<(u16, u8), Verifier>,
}

impl Kept {
    fn of(signing: &Signing, rrsets: &[Rrset]) -> Self {
        let Some(keep) = signing.keep else { return Self::default() };
        let verifiers = signing.signers.all().filter_map(|key| {
            let verifier = Verifier::new(key.owner(), key.dnskey()).ok()?;
            Some(((key.tag(), key.dnskey().algorithm().0), verifier))
        });
        let mut kept = Self { signatures: HashMap::new(), verifiers: verifiers.collect() };
        for rrset in rrsets.iter().filter(|rrset| rrset.rtype == RrType::RRSIG) {
            for rdata in rrset.rdatas.iter() {
                if let Some(rrsig) =
                    Rrsig::parse(rdata).filter(|rrsig| !serial_before(rrsig.expiration, keep.until))
                {
                    let key = (rrset.owner.clone(), rrsig.type_covered);
                    kept.signatures.entry(key).or_default().push(rdata.to_vec());
                }
            }
        }
        kept
    }

    /// Return the signature of `key` over `rrset` that stays.
    fn signature(&self, rrset: &Rrset, key: &ZoneKey, keep: Keep) -> Option<&[u8]> {
        if self.signatures.is_empty() {
            return None;
        }
        let verifier = self.verifiers.get(&(key.tag(), key.dnskey().algorithm().0))?;
        let known = self.signatures.get(&(rrset.owner.clone(), rrset.rtype))?;
        known.iter().map(Vec::as_slice).find(|rdata| {
            Rrsig::parse(rdata).is_some_and(|rrsig| {
                rrsig.original_ttl == rrset.ttl
                    && verify_rrset(rrset, &rrsig, verifier, keep.now, &mut Canonical::new())
                        .is_ok_and(|verified| verified.wildcard.is_none())
            })
        })
    }
}

/// Sign all RRsets, with the number of threads in the options.
fn sign_all(jobs: &mut [Job<'_>], signing: &Signing, kept: &Kept) -> Result<(), SignZoneError> {
    let all = |jobs: &mut [Job<'_>]| jobs.iter_mut().try_for_each(|job| sign_one(job, signing, kept));
    let threads = signing.options.threads;
    if threads <= 1 {
        return all(jobs).map_err(SignZoneError::Signer);
    }
    let share = jobs.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let workers: Vec<_> = jobs.chunks_mut(share).map(|jobs| scope.spawn(move || all(jobs))).collect();
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
fn sign_one(job: &mut Job<'_>, signing: &Signing, kept: &Kept) -> Result<(), SignError> {
    let options = &signing.options;
    let early = match options.jitter {
        0 => 0,
        jitter => (spread(job.signed.rrset.owner.as_ref()) % u64::from(jitter)) as u32,
    };
    let latest = match job.signed.rrset.rtype {
        RrType::DNSKEY | RrType::CDS | RrType::CDNSKEY => signing.dnskey_expiration,
        _ => options.expiration,
    };
    let params = SignParams { inception: options.inception, expiration: latest.wrapping_sub(early) };
    let SignedRrset { rrset, rrsigs } = &mut job.signed;
    SCRATCH.with_borrow_mut(|scratch| {
        job.keys.iter().try_for_each(|key| {
            match signing.keep.and_then(|keep| kept.signature(rrset, key, keep)) {
                Some(known) => {
                    rrsigs.push(known);
                    Ok(())
                }
                None => rrsigs.push_with(|rdata| sign_rrset(rrset, key, params, scratch, rdata)),
            }
        })
    })
}

/// Add `keys`, as DNSKEY rdata, to the DNSKEY RRset.
fn add_dnskeys(apex: NameRef<'_>, class: Class, keys: &[Vec<u8>], ttl: u32, rrsets: &mut Vec<Rrset>) {
    if keys.is_empty() {
        return;
    }
    let at = rrsets.iter().position(|rrset| rrset.rtype == RrType::DNSKEY && rrset.owner == apex);
    let at = at.unwrap_or_else(|| {
        rrsets.push(Rrset::new(apex.to_name(), RrType::DNSKEY, class, ttl));
        rrsets.len() - 1
    });
    for key in keys {
        if !rrsets[at].rdatas.contains(key) {
            rrsets[at].rdatas.push(key);
        }
    }
}

/// Return whether `a` is before `b` in serial number arithmetic (RFC 1982 §3.2).
fn serial_before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}

#[cfg(test)]
mod tests;
