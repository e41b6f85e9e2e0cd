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
//!
//! Hosts can sign the same zone in different ways. DS records and trust anchors are those of the first host. A `swap` step signs
//! with its own `sign` table, or else with that of the first host.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use nw_crypto::{DigestAlg, SigningKey};
use nw_dnssec::{
    Canonical, DenialOptions, DigestType, SignOptions, ZoneKey, ZonemdTrust, ds::push_ds, sign_zone,
    verify_zonemd, zone_digest,
};
use nw_resolve::{LocalRoot, TrustAnchor};
use nw_serve::local_root;
use nw_wire::code::{Class, RrType};
use nw_wire::name::{Name, NameRef};
use nw_wire::rr;
use nw_wire::rrset::{RdataSet, Rrset};
use nw_wire::text::Tokens;
use nw_zone::Zone;
use serde::Deserialize;

use super::behaviour::read_zone;
use super::format::{HostTable, LocalRootTable};

/// The private keys, by number. Zones have the first unless they say otherwise.
const KEYS: [&str; 2] =
    ["bmFtZXdpc2Ugc2NlbmFyaW8ga2V5IG51bWJlciAxICE=", "bmFtZXdpc2Ugc2NlbmFyaW8ga2V5IG51bWJlciAyICE="];
/// Flags of a key that signs everything: zone key, secure entry point.
const FLAGS: u16 = 257;
/// Flags of a key that does not sign the keys: zone key.
const ZSK_FLAGS: u16 = 256;
/// The sum of the numbers of the two keys.
const OTHER_KEY: u8 = 3;
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
    /// RRsets whose last octet is changed after they are signed.
    pub altered: Vec<String>,
    /// RRsets without signatures.
    pub unsigned: Vec<String>,
    /// RRsets that are absent although the rest of the zone says otherwise, such as NSEC records.
    pub absent: Vec<String>,
    /// Rdata in place of that of the RRset `owner type`, correctly signed. Used for NSEC records that a signer would not make.
    pub instead: BTreeMap<String, Vec<String>>,
    /// The signature of the RRset `owner type`, if it is not the usual one.
    pub signature: BTreeMap<String, SignatureTable>,
    /// The number of the zone's key: 1 or 2.
    pub key: u8,
    /// The flags of its DNSKEY.
    pub flags: u16,
    /// The zone has the other key, too: it signs everything except the keys.
    pub zsk: bool,
    /// The number of further DNSKEY records with the tag of its key.
    pub colliding_keys: u16,
    /// RRsets with this many signatures that do not match in place of the right one, by `owner type`.
    pub false_signatures: BTreeMap<String, u16>,
    /// The number of further DS records, each with the tag of its key and another digest.
    pub false_ds: u16,
    /// The zone has a ZONEMD record with its digest by SHA-384 (RFC 8976).
    pub zonemd: bool,
}

/// `sign."zone.".signature."owner type"`: a signature that is correct except for these fields. It covers them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SignatureTable {
    /// Type covered.
    pub covers: Option<String>,
    /// Algorithm.
    pub algorithm: Option<u8>,
    /// Labels.
    pub labels: Option<u8>,
    /// Original TTL.
    pub original_ttl: Option<u32>,
    /// Expiration, in seconds after the start of the scenario.
    pub expiration_s: Option<i64>,
    /// Inception, likewise.
    pub inception_s: Option<i64>,
    /// Key tag.
    pub tag: Option<u16>,
    /// The name of the signer.
    pub signer: Option<String>,
    /// The number of the key that makes the signature, if it is not that of the zone.
    pub key: Option<u8>,
    /// The usual signature follows this one.
    pub beside: bool,
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
            altered: Vec::new(),
            unsigned: Vec::new(),
            absent: Vec::new(),
            instead: BTreeMap::new(),
            signature: BTreeMap::new(),
            key: 1,
            flags: FLAGS,
            zsk: false,
            colliding_keys: 0,
            false_signatures: BTreeMap::new(),
            false_ds: 0,
            zonemd: false,
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

    /// Read *zones*, a master file for each apex, and sign those that are signed: as *sign* says, or else as the first host does.
    pub fn read_zones(
        &self,
        zones: &BTreeMap<String, String>,
        sign: &BTreeMap<String, SignTable>,
    ) -> Result<Vec<Zone>, String> {
        zones
            .iter()
            .map(|(apex, text)| {
                let zone = read_zone(apex, text)?;
                match sign.get(apex).or_else(|| self.tables.get(&zone.apex().to_name())) {
                    Some(table) => self.sign(zone, table),
                    None => Ok(zone),
                }
            })
            .collect()
    }

    /// The trust anchors for *zones*; without any, that of the root if it is signed.
    pub fn anchors(&self, zones: &[String]) -> Result<Vec<TrustAnchor>, String> {
        let mut zones = zones.iter().map(|zone| name(zone)).collect::<Result<Vec<Name>, String>>()?;
        if zones.is_empty() && self.tables.contains_key(&Name::root()) {
            zones.push(Name::root());
        }
        let anchor = |owner: Name| {
            let usual = SignTable::default();
            let rdata = ds(owner.as_ref(), self.tables.get(&owner).unwrap_or(&usual))?;
            Ok(TrustAnchor::Ds { rdata, owner })
        };
        zones.into_iter().map(anchor).collect()
    }

    /// The copy of the root zone of *host* that *table* describes, with the verdict on it.
    pub(super) fn local_root(
        &self,
        table: &LocalRootTable,
        host: &HostTable,
        anchors: &[TrustAnchor],
    ) -> Result<LocalRoot, String> {
        let zones = self.read_zones(&host.zones, &host.sign)?;
        let root = zones.into_iter().find(|zone| zone.apex().is_root());
        let root = root.ok_or_else(|| format!("local_root: {} does not serve the root", host.name))?;
        let mut rrsets: Vec<Rrset> = root.rrsets().collect();
        if let Some(line) = &table.without {
            let (owner, rtype) = set(line)?;
            rrsets.retain(|rrset| rrset.owner != owner || rrset.rtype != rtype);
        }
        let anchors = anchors.iter().filter_map(|anchor| match anchor {
            TrustAnchor::Ds { owner, rdata } => owner.as_ref().is_root().then(|| (RrType::DS, rdata.clone())),
            TrustAnchor::Dnskey { owner, rdata } => {
                owner.as_ref().is_root().then(|| (RrType::DNSKEY, rdata.clone()))
            }
        });
        let trust = ZonemdTrust { anchors: anchors.collect(), now: self.now };
        if let Err(fault) = verify_zonemd(NameRef::ROOT, &rrsets, &trust) {
            return Ok(LocalRoot::Unusable(fault.to_string()));
        }
        let root = Zone::from_rrsets(NameRef::ROOT, Class::IN, &rrsets);
        let root = root.map_err(|errors| format!("local_root: {errors}"))?;
        Ok(local_root(root, u64::from(self.now) + table.expire_s))
    }

    fn sign(&self, zone: Zone, table: &SignTable) -> Result<Zone, String> {
        if !table.zonemd {
            return self.sign_with(zone, table, None);
        }
        // The digest covers neither the record nor its signature, but the denial that lists its type.
        let placeholder = self.sign_with(zone.clone(), table, Some(vec![0; DigestAlg::Sha384.size()]))?;
        let rrsets: Vec<Rrset> = placeholder.rrsets().collect();
        let digest = zone_digest(zone.apex(), &rrsets, DigestAlg::Sha384);
        self.sign_with(zone, table, Some(digest.as_ref().to_vec()))
    }

    /// Sign *zone*; *digest*: that of its ZONEMD record, if it gets one.
    fn sign_with(&self, zone: Zone, table: &SignTable, digest: Option<Vec<u8>>) -> Result<Zone, String> {
        let apex = zone.apex();
        let mut rrsets: Vec<Rrset> = zone.rrsets().collect();
        if let Some(digest) = digest {
            let mut set = Rrset::new(apex.to_name(), RrType::ZONEMD, Class::IN, 86_400);
            set.rdatas.push(&[&zone.serial().to_be_bytes()[..], &[1, 1], &digest].concat());
            rrsets.push(set);
        }
        let cuts = rrsets.iter().filter(|set| set.rtype == RrType::NS && set.owner != apex);
        let cuts: Vec<(Name, u32)> = cuts.map(|set| (set.owner.clone(), set.ttl)).collect();
        for (cut, ttl) in cuts {
            let Some(child) = self.tables.get(&cut) else { continue };
            let mut rdata = ds(cut.as_ref(), child)?;
            match child.ds {
                DsKind::None => continue,
                DsKind::Right => {}
                DsKind::Wrong => *rdata.last_mut().expect("a digest has octets") ^= 1,
                DsKind::Unknown => rdata[2] = 200,
            }
            let mut set = Rrset::new(cut, RrType::DS, Class::IN, ttl);
            set.rdatas.push(&rdata);
            for number in 1..=child.false_ds {
                let end = rdata.len() - 2;
                let mut other = rdata.clone();
                other[end..]
                    .iter_mut()
                    .zip(number.to_be_bytes())
                    .for_each(|(octet, change)| *octet ^= change);
                set.rdatas.push(&other);
            }
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
            inception: self.after(table.inception_s),
            expiration: self.after(table.expiration_s),
            jitter: 0,
            denial,
            dnskey_ttl: 3600,
            threads: 1,
        };
        let mut keys = vec![key(apex, table.key, table.flags)?];
        if table.zsk {
            keys.push(key(apex, OTHER_KEY - table.key, ZSK_FLAGS)?);
        }
        let signed =
            sign_zone(apex, rrsets, &keys, &options).map_err(|error| format!("zone {apex}: {error}"))?;
        let mut special: BTreeMap<(Name, RrType), SignatureTable> = BTreeMap::new();
        for (line, fields) in &table.signature {
            special.insert(set(line)?, fields.clone());
        }
        let mut instead: BTreeMap<(Name, RrType), &Vec<String>> = BTreeMap::new();
        for (line, rdatas) in &table.instead {
            special.entry(set(line)?).or_default();
            instead.insert(set(line)?, rdatas);
        }
        let mut false_signatures: BTreeMap<(Name, RrType), u16> = BTreeMap::new();
        for (line, number) in &table.false_signatures {
            false_signatures.insert(set(line)?, *number);
        }
        if table.colliding_keys > 0 {
            special.entry((apex.to_name(), RrType::DNSKEY)).or_default();
        }
        let altered = sets(&table.altered)?;
        let (forged, unsigned, absent) = (sets(&table.forged)?, sets(&table.unsigned)?, sets(&table.absent)?);
        let named = |list: &[(Name, RrType)], set: &Rrset| {
            list.iter().any(|(owner, rtype)| *owner == set.owner && *rtype == set.rtype)
        };
        let mut all = Vec::new();
        for mut one in signed.into_iter().filter(|one| !named(&absent, &one.rrset)) {
            let name = (one.rrset.owner.clone(), one.rrset.rtype);
            if let Some(rdatas) = instead.get(&name) {
                one.rrset.rdatas = RdataSet::default();
                for text in *rdatas {
                    one.rrset.rdatas.push(&rdata(name.1, text, apex)?);
                }
            }
            if name == (apex.to_name(), RrType::DNSKEY) {
                let key = keys[0].dnskey().rdata().to_vec();
                (1..=table.colliding_keys).for_each(|number| one.rrset.rdatas.push(&colliding(&key, number)));
            }
            if let Some(fields) = special.remove(&name) {
                let usual = std::mem::take(&mut one.rrsigs);
                one.rrsigs.push(&self.signature(&one.rrset, apex, table, &fields)?);
                usual.iter().filter(|_| fields.beside).for_each(|usual| one.rrsigs.push(usual));
            }
            if let Some(number) = false_signatures.remove(&name) {
                let right = one.rrsigs.iter().next().ok_or("an RRset without signature")?.to_vec();
                one.rrsigs = RdataSet::default();
                for number in 1..=number {
                    let mut wrong = right.clone();
                    let end = wrong.len() - 2;
                    wrong[end..]
                        .iter_mut()
                        .zip(number.to_be_bytes())
                        .for_each(|(octet, change)| *octet ^= change);
                    one.rrsigs.push(&wrong);
                }
            }
            let signatures = one.rrsig_rrset().filter(|_| !named(&unsigned, &one.rrset));
            if let Some(mut signatures) = signatures {
                if named(&forged, &one.rrset) {
                    signatures.rdatas = damaged(&signatures.rdatas);
                }
                all.push(signatures);
            }
            if named(&altered, &one.rrset) {
                one.rrset.rdatas = damaged(&one.rrset.rdatas);
            }
            all.push(one.rrset);
        }
        if let Some((owner, rtype)) = special.keys().chain(false_signatures.keys()).next() {
            return Err(format!("zone {apex}: there is no {owner} {rtype}"));
        }
        Zone::from_rrsets(apex, Class::IN, &all).map_err(|errors| format!("zone {apex}: {errors}"))
    }

    /// The time *seconds* after the start of the scenario.
    fn after(&self, seconds: i64) -> u32 {
        self.now.wrapping_add(seconds as u32)
    }

    /// The rdata of an RRSIG over *set* with these *fields*.
    fn signature(
        &self,
        set: &Rrset,
        apex: NameRef<'_>,
        table: &SignTable,
        fields: &SignatureTable,
    ) -> Result<Vec<u8>, String> {
        let owner = set.owner.as_ref();
        let signer = fields.signer.as_deref().map(name).transpose()?.unwrap_or_else(|| apex.to_name());
        let usual = if table.zsk && set.rtype != RrType::DNSKEY { OTHER_KEY - table.key } else { table.key };
        let number = fields.key.unwrap_or(usual);
        let flags = if table.zsk && number != table.key { ZSK_FLAGS } else { table.flags };
        let key = key(signer.as_ref(), number, flags)?;
        let covers = match &fields.covers {
            Some(word) => word.parse().map_err(|_| format!("{word:?} is no type"))?,
            None => set.rtype,
        };
        let usual_labels = owner.label_count() - usize::from(owner.is_wildcard());
        let labels = fields.labels.unwrap_or(usual_labels as u8); // at most 127
        let original_ttl = fields.original_ttl.unwrap_or(set.ttl);
        let mut rdata = covers.0.to_be_bytes().to_vec();
        rdata.extend([fields.algorithm.unwrap_or(key.dnskey().algorithm().0), labels]);
        rdata.extend(original_ttl.to_be_bytes());
        rdata.extend(self.after(fields.expiration_s.unwrap_or(table.expiration_s)).to_be_bytes());
        rdata.extend(self.after(fields.inception_s.unwrap_or(table.inception_s)).to_be_bytes());
        rdata.extend(fields.tag.unwrap_or(key.tag()).to_be_bytes());
        rdata.extend_from_slice(signer.as_ref().wire());
        let mut message = rdata.clone();
        let below = owner.suffix(usize::from(labels).min(owner.label_count()));
        let wildcard = below.with_label(b"*").filter(|_| usize::from(labels) < usual_labels);
        let signed = wildcard.unwrap_or_else(|| owner.to_buf());
        let head = (set.rtype, set.class, original_ttl);
        Canonical::new().push_rrset(signed.as_ref(), head, &set.rdatas, &mut message);
        key.signer().sign(&message, &mut rdata).map_err(|error| error.to_string())?;
        Ok(rdata)
    }
}

/// Read rdata of the zone *apex*.
fn rdata(rtype: RrType, text: &str, apex: NameRef<'_>) -> Result<Vec<u8>, String> {
    let (mut tokens, mut rdata) = (Tokens::new(text.as_bytes()), Vec::new());
    let read = rr::from_text(rtype, &mut tokens, apex, &mut rdata).and_then(|_| tokens.end());
    read.map_err(|error| format!("{text:?}: {error}"))?;
    Ok(rdata)
}

/// Another DNSKEY rdata with the tag of *key*: a sum of 16-bit words (RFC 4034 App. B) does not change if one word grows by
/// what another one loses.
fn colliding(key: &[u8], number: u16) -> Vec<u8> {
    let mut other = key.to_vec();
    let word = |rdata: &[u8], at: usize| u16::from_be_bytes([rdata[at], rdata[at + 1]]);
    // The first words of the public key that can take the change without a carry.
    let fits = |grow: &usize, lose: &usize| {
        grow != lose && word(key, *grow).checked_add(number).is_some() && word(key, *lose) >= number
    };
    let words = || (4..key.len() - 1).step_by(2);
    let pair = words().find_map(|grow| words().find(|lose| fits(&grow, lose)).map(|lose| (grow, lose)));
    if let Some((grow, lose)) = pair {
        let (grown, lost) = (word(key, grow) + number, word(key, lose) - number);
        other[grow..grow + 2].copy_from_slice(&grown.to_be_bytes());
        other[lose..lose + 2].copy_from_slice(&lost.to_be_bytes());
    }
    other
}

/// The same rdata with one bit changed in each.
fn damaged(rdatas: &RdataSet) -> RdataSet {
    let mut damaged = RdataSet::default();
    for rdata in rdatas.iter() {
        let mut rdata = rdata.to_vec();
        *rdata.last_mut().expect("signatures and addresses have octets") ^= 1;
        damaged.push(&rdata);
    }
    damaged
}

/// The key *number* of the zone *apex*.
fn key(apex: NameRef<'_>, number: u8, flags: u16) -> Result<ZoneKey, String> {
    let secret = KEYS.get(usize::from(number).wrapping_sub(1));
    let secret = secret.ok_or_else(|| format!("there is no key {number}"))?;
    let text = format!("Private-key-format: v1.3\nAlgorithm: 15 (ED25519)\nPrivateKey: {secret}\n");
    let key = SigningKey::from_bind_private(&text).map_err(|error| error.to_string())?;
    Ok(ZoneKey::new(apex, flags, Arc::new(key)))
}

/// The DS rdata of the zone *apex*.
fn ds(apex: NameRef<'_>, table: &SignTable) -> Result<Vec<u8>, String> {
    let mut rdata = Vec::new();
    push_ds(apex, key(apex, table.key, table.flags)?.dnskey(), DigestType::SHA256, &mut rdata);
    Ok(rdata)
}

/// Read `owner type` lines.
fn sets(lines: &[String]) -> Result<Vec<(Name, RrType)>, String> {
    lines.iter().map(|line| set(line)).collect()
}

fn set(line: &str) -> Result<(Name, RrType), String> {
    let (owner, rtype) = line.split_once(' ').ok_or_else(|| format!("{line:?}: expected owner and type"))?;
    Ok((name(owner)?, rtype.trim().parse().map_err(|_| format!("{line:?}: no type"))?))
}

fn name(text: &str) -> Result<Name, String> {
    text.parse().map_err(|_| format!("{text:?} is no domain name"))
}
