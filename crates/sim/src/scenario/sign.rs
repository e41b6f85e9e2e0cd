//! Signed zones of a scenario.
//!
//! ```toml
//! [[host]]
//! zones."example.com." = "..."
//! sign."example.com." = { denial = "nsec3", forged = ["www.example.com. A"] }
//! ```
//!
//! A zone with an entry under `sign` is signed when the scenario starts, with one fixed Ed25519 key for all zones, so that equal
//! runs have equal packets. If another signed zone delegates it, that zone gets its DS record. If the root zone is signed, its key
//! is the resolver's trust anchor.

use std::collections::BTreeMap;
use std::sync::Arc;

use nw_crypto::SigningKey;
use nw_dnssec::{DenialOptions, DigestType, SignOptions, ZoneKey, ds::push_ds, sign_zone};
use nw_resolve::TrustAnchor;
use nw_wire::code::{Class, RrType};
use nw_wire::name::{Name, NameRef};
use nw_wire::rrset::{RdataSet, Rrset};
use nw_zone::Zone;
use serde::Deserialize;

use super::behaviour::read_zone;
use super::format::HostTable;

/// The private key of all zones.
const KEY: &str = "Private-key-format: v1.3
Algorithm: 15 (ED25519)
PrivateKey: bmFtZXdpc2Ugc2NlbmFyaW8ga2V5IG51bWJlciAxICE=
";
/// Flags of a key that signs everything: zone key, secure entry point.
const FLAGS: u16 = 257;
const DAY: i64 = 86_400;

/// `sign."zone."`: how a zone is signed, and what is wrong with it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SignTable {
    /// `nsec`, `nsec3` or `nsec3-opt-out`.
    pub denial: Denial,
    /// Additional hash iterations of NSEC3.
    pub iterations: u16,
    /// The start of the validity of signatures, in seconds after the start of the scenario.
    pub inception_s: i64,
    /// Its end.
    pub expiration_s: i64,
    /// What the parent says.
    pub ds: DsKind,
    /// RRsets whose signatures do not match, as `owner type`.
    pub forged: Vec<String>,
    /// RRsets without signatures.
    pub unsigned: Vec<String>,
    /// RRsets that are absent although the rest of the zone says otherwise, such as NSEC records.
    pub absent: Vec<String>,
}

impl Default for SignTable {
    fn default() -> SignTable {
        SignTable {
            denial: Denial::Nsec,
            iterations: 0,
            inception_s: -DAY,
            expiration_s: 14 * DAY,
            ds: DsKind::Right,
            forged: Vec::new(),
            unsigned: Vec::new(),
            absent: Vec::new(),
        }
    }
}

/// The kind of denial of existence.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Denial {
    /// NSEC.
    Nsec,
    /// NSEC3.
    Nsec3,
    /// NSEC3 without records for unsigned delegations.
    Nsec3OptOut,
}

/// The DS record that the parent has of a zone.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum DsKind {
    /// The digest of its key.
    Right,
    /// Another digest.
    Wrong,
    /// A digest of a key of an algorithm that nobody knows.
    Unknown,
    /// None.
    None,
}

/// The signed zones of a scenario.
#[derive(Debug)]
pub struct Signing {
    tables: BTreeMap<Name, SignTable>,
    now: u32,
}

impl Signing {
    /// The signed zones of *hosts*, in a scenario that starts at `unix_s`, seconds since 1970.
    pub fn new(hosts: &[HostTable], unix_s: u64) -> Result<Signing, String> {
        let mut tables = BTreeMap::new();
        for (apex, table) in hosts.iter().flat_map(|host| &host.sign) {
            tables.entry(name(apex)?).or_insert_with(|| table.clone());
        }
        Ok(Signing { tables, now: unix_s as u32 })
    }

    /// Read *zones*, a master file for each apex, and sign those that are signed.
    pub fn read_zones(&self, zones: &BTreeMap<String, String>) -> Result<Vec<Zone>, String> {
        zones.iter().map(|(apex, text)| self.sign(read_zone(apex, text)?)).collect()
    }

    /// The trust anchors for *zones*; without any, that of the root if it is signed.
    pub fn anchors(&self, zones: &[String]) -> Result<Vec<TrustAnchor>, String> {
        let mut zones = zones.iter().map(|zone| name(zone)).collect::<Result<Vec<Name>, String>>()?;
        if zones.is_empty() && self.tables.contains_key(&Name::root()) {
            zones.push(Name::root());
        }
        Ok(zones.into_iter().map(|owner| TrustAnchor::Ds { rdata: ds(owner.as_ref()), owner }).collect())
    }

    fn sign(&self, zone: Zone) -> Result<Zone, String> {
        let Some(table) = self.tables.get(&zone.apex().to_name()) else { return Ok(zone) };
        let apex = zone.apex();
        let mut rrsets: Vec<Rrset> = zone.rrsets().collect();
        let cuts = rrsets.iter().filter(|set| set.rtype == RrType::NS && set.owner != apex);
        let cuts: Vec<(Name, u32)> = cuts.map(|set| (set.owner.clone(), set.ttl)).collect();
        for (cut, ttl) in cuts {
            let Some(child) = self.tables.get(&cut) else { continue };
            let mut rdata = ds(cut.as_ref());
            match child.ds {
                DsKind::None => continue,
                DsKind::Right => {}
                DsKind::Wrong => *rdata.last_mut().expect("a digest has octets") ^= 1,
                DsKind::Unknown => rdata[2] = 200,
            }
            let mut set = Rrset::new(cut, RrType::DS, Class::IN, ttl);
            set.rdatas.push(&rdata);
            rrsets.push(set);
        }
        let denial = match table.denial {
            Denial::Nsec => DenialOptions::Nsec,
            Denial::Nsec3 | Denial::Nsec3OptOut => DenialOptions::Nsec3 {
                iterations: table.iterations,
                salt: Vec::new(),
                opt_out: table.denial == Denial::Nsec3OptOut,
            },
        };
        let options = SignOptions {
            inception: self.now.wrapping_add(table.inception_s as u32),
            expiration: self.now.wrapping_add(table.expiration_s as u32),
            jitter: 0,
            denial,
            dnskey_ttl: 3600,
            threads: 1,
        };
        let signed = sign_zone(apex, rrsets, &[key(apex)], &options)
            .map_err(|error| format!("zone {apex}: {error}"))?;
        let (forged, unsigned, absent) = (sets(&table.forged)?, sets(&table.unsigned)?, sets(&table.absent)?);
        let named = |list: &[(Name, RrType)], set: &Rrset| {
            list.iter().any(|(owner, rtype)| *owner == set.owner && *rtype == set.rtype)
        };
        let mut all = Vec::new();
        for one in signed.into_iter().filter(|one| !named(&absent, &one.rrset)) {
            let signatures = one.rrsig_rrset().filter(|_| !named(&unsigned, &one.rrset));
            if let Some(mut signatures) = signatures {
                if named(&forged, &one.rrset) {
                    signatures.rdatas = damaged(&signatures.rdatas);
                }
                all.push(signatures);
            }
            all.push(one.rrset);
        }
        Zone::from_rrsets(apex, Class::IN, &all).map_err(|errors| format!("zone {apex}: {errors}"))
    }
}

/// The same signatures with one bit changed.
fn damaged(signatures: &RdataSet) -> RdataSet {
    let mut damaged = RdataSet::default();
    for rdata in signatures.iter() {
        let mut rdata = rdata.to_vec();
        *rdata.last_mut().expect("a signature has octets") ^= 1;
        damaged.push(&rdata);
    }
    damaged
}

/// The key of the zone *apex*.
fn key(apex: NameRef<'_>) -> ZoneKey {
    let key = SigningKey::from_bind_private(KEY).expect("a literal key");
    ZoneKey::new(apex, FLAGS, Arc::new(key))
}

/// The DS rdata of the zone *apex*.
fn ds(apex: NameRef<'_>) -> Vec<u8> {
    let mut rdata = Vec::new();
    push_ds(apex, key(apex).dnskey(), DigestType::SHA256, &mut rdata);
    rdata
}

/// Read `owner type` lines.
fn sets(lines: &[String]) -> Result<Vec<(Name, RrType)>, String> {
    lines
        .iter()
        .map(|line| {
            let (owner, rtype) =
                line.split_once(' ').ok_or_else(|| format!("{line:?}: expected owner and type"))?;
            Ok((name(owner)?, rtype.trim().parse().map_err(|_| format!("{line:?}: no type"))?))
        })
        .collect()
}

fn name(text: &str) -> Result<Name, String> {
    text.parse().map_err(|_| format!("{text:?} is no domain name"))
}
