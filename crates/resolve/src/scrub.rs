//! What a server may tell us, and nothing else: the bailiwick rule (RFC 2181 §5.4.1, RFC 5452 §6).
//!
//! A server that was asked as a server of *zone* is believed only about names at or below *zone*, only about the name
//! asked for and those that its aliases lead to, and only where each kind of record belongs:
//!
//! | section | taken | for what |
//! |---|---|---|
//! | answer | the alias chain from the name asked, as long as it stays in the zone, and the data at its end | answers |
//! | authority | NS of a zone below *zone* and at or above the name | going down |
//! | authority | SOA at or above the name and in the zone, with its NSEC, NSEC3 and RRSIG | absence |
//! | additional | addresses of the name servers just named, if their names are in *zone* | reaching them |
//!
//! All else is dropped unread: it can poison nothing because it is never looked at. A chain that leaves the zone is
//! followed by asking the servers of where it leads.

use std::net::IpAddr;

use nw_wire::code::{Class, Rcode, RrType};
use nw_wire::message::{Message, Record};
use nw_wire::name::{Name, NameBuf, NameRef};
use nw_wire::rrset::Rrset;

use crate::budget::Budget;
use crate::task::Failure;
use crate::trace::{Reason, Unusable};
use nw_cache::NameServer;

/// An RRset and what signs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signed {
    pub(crate) rrset: Rrset,
    pub(crate) signatures: Option<Rrset>,
    /// Made by us from a DNAME: sent to clients, not kept (RFC 6672 §3.4).
    pub(crate) synthesised: bool,
}

impl Signed {
    /// Whether a wildcard made it: a signature counts fewer labels than the owner has (RFC 4035 §5.3.4).
    pub(crate) fn is_expansion(&self) -> bool {
        let labels = self.rrset.owner.as_ref().labels().filter(|label| *label != b"*").count();
        let counted = |rdata: &[u8]| rdata.get(3).is_some_and(|&counted| usize::from(counted) < labels);
        self.signatures.as_ref().is_some_and(|signatures| signatures.rdatas.iter().any(counted))
    }
}

impl From<Unusable> for Failure {
    fn from(unusable: Unusable) -> Failure {
        match unusable {
            // RFC 6672 §2.2: the response code is YXDOMAIN.
            Unusable::NameTooLong => {
                Failure { rcode: Rcode::YXDOMAIN, ..Failure::because(Reason::NameTooLong) }
            }
            _ => Failure::because(Reason::Unusable { unusable }),
        }
    }
}

/// The answer section of a reply, as far as the server may speak.
#[derive(Debug, Default)]
pub(crate) struct Chain {
    /// The aliases in their order.
    pub(crate) links: Vec<Signed>,
    /// The data at the end; more than one set for ANY.
    pub(crate) data: Vec<Signed>,
    /// Where the chain ends; None when there is no alias.
    pub(crate) end: Option<Name>,
    /// That a wildcard was right to answer: NSEC or NSEC3 with their signatures (RFC 4035 §3.1.3.3).
    pub(crate) proof: Vec<Rrset>,
}

/// Reads one reply for one zone.
pub(crate) struct Scrubber<'s> {
    pub(crate) message: &'s Message<'s>,
    pub(crate) zone: NameRef<'s>,
    pub(crate) budget: &'s Budget,
}

/// The records of a section with a hash of their owners, so that looking for one name does not read all names.
struct Section<'m> {
    records: Vec<(u64, Record<'m>)>,
}

impl<'m> Section<'m> {
    fn read(records: impl Iterator<Item = Record<'m>>) -> Section<'m> {
        let ours = records.filter(|record| record.class == Class::IN);
        Section { records: ours.map(|record| (record.owner().as_ref().hash64(), record)).collect() }
    }

    /// The records that *owner* has.
    fn of<'s>(&'s self, owner: NameRef<'s>) -> impl Iterator<Item = &'s Record<'m>> + 's {
        let hash = owner.hash64();
        let alike = self.records.iter().filter(move |(other, _)| *other == hash);
        alike.map(|(_, record)| record).filter(move |record| record.owner() == owner)
    }
}

/// The type that an RRSIG covers (RFC 4034 §3.1.1).
fn covered(record: &Record<'_>) -> Option<RrType> {
    let covered = record.rdata_raw().first_chunk().map(|covered| RrType(u16::from_be_bytes(*covered)));
    covered.filter(|_| record.rtype == RrType::RRSIG)
}

impl<'s> Scrubber<'s> {
    /// The TTL that is kept for what came with *ttl*.
    fn ttl(&self, ttl: u32) -> u32 {
        ttl.max(self.budget.min_ttl).min(self.budget.max_ttl)
    }

    fn in_zone(&self, name: NameRef<'_>) -> bool {
        name.is_at_or_below(self.zone)
    }

    /// The set that *records* make up, with the smallest of their TTLs (RFC 2181 §5.2); None when there are none.
    fn set<'r>(
        &self,
        owner: NameRef<'_>,
        rtype: RrType,
        records: impl Iterator<Item = &'r Record<'r>>,
    ) -> Result<Option<Rrset>, Unusable> {
        let mut set: Option<Rrset> = None;
        let mut rdata = Vec::new();
        for (count, record) in records.enumerate() {
            if count as u32 >= self.budget.max_records_per_rrset {
                return Err(Unusable::TooManyRecords);
            }
            let ttl = self.ttl(record.ttl);
            let set = set.get_or_insert_with(|| Rrset::new(owner.to_name(), rtype, Class::IN, ttl));
            set.ttl = set.ttl.min(ttl);
            rdata.clear();
            record.rdata(&mut rdata);
            if !set.rdatas.contains(&rdata) {
                set.rdatas.push(&rdata);
            }
        }
        Ok(set)
    }

    /// The RRset of *owner* and *rtype* in *section*, with its signatures.
    fn signed(
        &self,
        section: &Section<'_>,
        owner: NameRef<'_>,
        rtype: RrType,
    ) -> Result<Option<Signed>, Unusable> {
        let own = section.of(owner).filter(|record| record.rtype == rtype);
        let Some(rrset) = self.set(owner, rtype, own)? else { return Ok(None) };
        let over = section.of(owner).filter(|record| covered(record) == Some(rtype));
        let signatures = if rtype == RrType::RRSIG { None } else { self.set(owner, RrType::RRSIG, over)? };
        Ok(Some(Signed { rrset, signatures, synthesised: false }))
    }

    /// Follow the answer section from *name* as far as it stays in the zone, and take along what proves it.
    pub(crate) fn chain(&self, name: NameRef<'_>, rtype: RrType) -> Result<Chain, Unusable> {
        let mut chain = self.follow(name, rtype)?;
        if chain.links.iter().chain(&chain.data).any(Signed::is_expansion) {
            chain.proof = self.proof(|covered| matches!(covered, RrType::NSEC | RrType::NSEC3));
        }
        Ok(chain)
    }

    /// Follow the answer section from *name* as far as it stays in the zone.
    fn follow(&self, name: NameRef<'_>, rtype: RrType) -> Result<Chain, Unusable> {
        let mut chain = Chain::default();
        if self.message.header().counts[1] == 0 {
            return Ok(chain);
        }
        let section = Section::read(self.message.answer());
        let mut at: NameBuf = name.to_buf();
        while self.in_zone(at.as_ref()) {
            if rtype == RrType::ANY {
                for found in self.every(&section, at.as_ref())? {
                    chain.data.push(found);
                }
            } else {
                chain.data.extend(self.signed(&section, at.as_ref(), rtype)?);
            }
            if !chain.data.is_empty() {
                return Ok(chain);
            }
            let Some(target) = self.link(&section, at.as_ref(), &mut chain.links)? else { return Ok(chain) };
            chain.end = Some(target.to_name());
            // The search counts links and finds loops, wherever the links come from.
            let comes_round = chain.links.iter().any(|link| link.rrset.owner == target.as_ref());
            if comes_round || chain.links.len() as u32 > 2 * self.budget.max_aliases {
                return Ok(chain);
            }
            at = target;
        }
        Ok(chain)
    }

    /// Every RRset of *owner* but RRSIG, each with its signatures.
    fn every(&self, section: &Section<'_>, owner: NameRef<'_>) -> Result<Vec<Signed>, Unusable> {
        let mut types: Vec<RrType> = section.of(owner).map(|record| record.rtype).collect();
        types.sort();
        types.dedup();
        types.retain(|&rtype| rtype != RrType::RRSIG);
        if types.len() as u32 > self.budget.max_records_per_rrset {
            return Err(Unusable::TooManyRecords);
        }
        let mut sets = Vec::with_capacity(types.len());
        for rtype in types {
            sets.extend(self.signed(section, owner, rtype)?);
        }
        Ok(sets)
    }

    /// The alias at *at*: its records go to *links*, its target is returned.
    fn link(
        &self,
        section: &Section<'_>,
        at: NameRef<'_>,
        links: &mut Vec<Signed>,
    ) -> Result<Option<NameBuf>, Unusable> {
        let cname = self.signed(section, at, RrType::CNAME)?;
        if let Some((dname, target)) = self.dname(section, at)? {
            let told = cname.as_ref().map(|cname| target_of(&cname.rrset));
            if told.is_some_and(|told| told.is_none_or(|told| told != target)) {
                return Err(Unusable::WrongSynthesis);
            }
            links.push(dname.clone());
            links.push(synthesise(at, &dname.rrset, target.as_ref()));
            return Ok(Some(target));
        }
        let Some(cname) = cname else { return Ok(None) };
        // A name has one alias (RFC 2181 §10.1); of several the first counts.
        let Some(target) = target_of(&cname.rrset) else { return Ok(None) };
        links.push(cname);
        Ok(Some(target))
    }

    /// The DNAME above *at* within the zone, and where it leads *at* (RFC 6672 §2.2).
    fn dname(&self, section: &Section<'_>, at: NameRef<'_>) -> Result<Option<(Signed, NameBuf)>, Unusable> {
        if !section.records.iter().any(|(_, record)| record.rtype == RrType::DNAME) {
            return Ok(None);
        }
        let mut above = at.parent();
        while let Some(owner) = above.filter(|&owner| self.in_zone(owner)) {
            if let Some(dname) = self.signed(section, owner, RrType::DNAME)? {
                let target = substitute(at, &dname.rrset)?;
                return Ok(target.map(|target| (dname, target)));
            }
            above = owner.parent();
        }
        Ok(None)
    }

    /// The delegation in the authority section on the way to *name*: the zone, its servers, its TTL.
    ///
    /// The outer result tells a delegation below the zone (Ok) from one to the zone itself or elsewhere (Err with
    /// whether it is the zone itself).
    pub(crate) fn referral(&self, name: NameRef<'_>) -> Option<Result<Referral, bool>> {
        let mut child: Option<Name> = None;
        let mut names: Vec<Name> = Vec::new();
        let mut ttl = u32::MAX;
        let mut rdata = Vec::new();
        for record in self.message.authority() {
            if record.rtype != RrType::NS || record.class != Class::IN {
                continue;
            }
            let owner = record.owner();
            match &child {
                // One zone a referral; further ones are none of our business.
                Some(child) if *child != owner.as_ref() => continue,
                Some(_) => {}
                None => child = Some(owner.to_name()),
            }
            ttl = ttl.min(self.ttl(record.ttl));
            rdata.clear();
            record.rdata(&mut rdata);
            let server = Name::from_wire(&rdata).expect("the rdata of NS is a name: checked when parsed");
            // All names are read, so that those with addresses can be preferred, but never more than would fit a
            // sensible message.
            if names.len() < 20 * self.budget.max_ns_per_cut as usize && !names.contains(&server) {
                names.push(server);
            }
        }
        let child = child?;
        let below = child.as_ref().is_below(self.zone) && name.is_at_or_below(child.as_ref());
        if !below {
            return Some(Err(child == self.zone));
        }
        let (servers, life) = self.servers(names);
        Some(Ok(Referral { servers, child, ttl: ttl.min(life) }))
    }

    /// Name servers with the addresses that came along: those with addresses first, at most as many as allowed. And the
    /// smallest TTL of those addresses, which are not to be used any longer than that (RFC 1035 §3.2.1).
    pub(crate) fn servers(&self, names: Vec<Name>) -> (Vec<NameServer>, u32) {
        let mut servers: Vec<NameServer> =
            names.into_iter().map(|name| NameServer { name, addresses: Vec::new() }).collect();
        let (mut taken, mut life) = (0, u32::MAX);
        for record in self.message.additional() {
            let address = match (record.rtype, record.rdata_raw()) {
                (RrType::A, rdata) => <[u8; 4]>::try_from(rdata).ok().map(IpAddr::from),
                (RrType::AAAA, rdata) => <[u8; 16]>::try_from(rdata).ok().map(IpAddr::from),
                _ => None,
            };
            let Some(address) = address.filter(|_| record.class == Class::IN) else { continue };
            let owner = record.owner();
            if !self.in_zone(owner.as_ref()) {
                continue;
            }
            let Some(server) = servers.iter_mut().find(|server| server.name == owner.as_ref()) else {
                continue;
            };
            if server.addresses.len() < self.budget.max_addresses_per_ns as usize
                && !server.addresses.contains(&address)
            {
                server.addresses.push(address);
                taken += 1;
                life = life.min(self.ttl(record.ttl));
            }
            if taken >= 256 {
                break;
            }
        }
        servers.sort_by_key(|server| server.addresses.is_empty());
        servers.truncate(self.budget.max_ns_per_cut as usize);
        (servers, life)
    }

    /// The SOA in the authority section that may deny *name*, with the TTL of the absence (RFC 2308 §5), and its proof.
    pub(crate) fn absence(&self, name: NameRef<'_>) -> Option<(Rrset, Vec<Rrset>)> {
        let denies = |record: &Record<'_>| {
            let owner = record.owner();
            record.rtype == RrType::SOA && self.in_zone(owner.as_ref()) && name.is_at_or_below(owner.as_ref())
        };
        let record = self.of_authority().find(denies)?;
        let mut rdata = Vec::new();
        record.rdata(&mut rdata);
        let minimum = rdata.last_chunk().map_or(0, |minimum| u32::from_be_bytes(*minimum));
        let ttl = record.ttl.min(minimum).min(self.budget.max_negative_ttl);
        let mut soa = Rrset::new(record.owner().to_name(), RrType::SOA, Class::IN, self.ttl(ttl));
        soa.rdatas.push(&rdata);
        let mut proof = self.proof(|_| true);
        // The proof lasts no longer than what it proves.
        proof.iter_mut().for_each(|set| set.ttl = set.ttl.min(soa.ttl));
        Some((soa, proof))
    }

    /// The records of the authority section that are looked at.
    fn of_authority(&self) -> impl Iterator<Item = Record<'s>> {
        self.message.authority().filter(|record| record.class == Class::IN).take(64)
    }

    /// NSEC and NSEC3 of the zone in the authority section, and the signatures over what *wanted* says.
    fn proof(&self, wanted: impl Fn(RrType) -> bool) -> Vec<Rrset> {
        let mut proof: Vec<Rrset> = Vec::new();
        let mut rdata = Vec::new();
        for record in self.of_authority() {
            let owner = record.owner();
            let proves =
                matches!(record.rtype, RrType::NSEC | RrType::NSEC3) || covered(&record).is_some_and(&wanted);
            if !proves || !self.in_zone(owner.as_ref()) {
                continue;
            }
            rdata.clear();
            record.rdata(&mut rdata);
            let same = |set: &&mut Rrset| set.owner == owner.as_ref() && set.rtype == record.rtype;
            if let Some(set) = proof.iter_mut().find(same) {
                set.rdatas.push(&rdata);
            } else {
                let mut set = Rrset::new(owner.to_name(), record.rtype, Class::IN, self.ttl(record.ttl));
                set.rdatas.push(&rdata);
                proof.push(set);
            }
        }
        proof
    }
}

/// A delegation as a server gave it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Referral {
    pub(crate) child: Name,
    pub(crate) servers: Vec<NameServer>,
    /// Of the delegation and the addresses that came along.
    pub(crate) ttl: u32,
}

/// The target of the first record of a CNAME or DNAME set.
pub(crate) fn target_of(alias: &Rrset) -> Option<NameBuf> {
    let rdata = alias.rdatas.first()?;
    NameRef::from_wire(rdata).ok().map(NameRef::to_buf)
}

/// Where *dname* leads *name*; None when it is not below the owner.
pub(crate) fn substitute(name: NameRef<'_>, dname: &Rrset) -> Result<Option<NameBuf>, Unusable> {
    let Some(target) = target_of(dname) else { return Ok(None) };
    match name.with_suffix(dname.owner.as_ref(), target.as_ref()) {
        Some(Ok(name)) => Ok(Some(name)),
        Some(Err(_)) => Err(Unusable::NameTooLong),
        None => Ok(None),
    }
}

/// The CNAME that follows from *dname* for *name* (RFC 6672 §3.1); it takes over the DNAME's TTL.
pub(crate) fn synthesise(name: NameRef<'_>, dname: &Rrset, target: NameRef<'_>) -> Signed {
    let mut rrset = Rrset::new(name.to_name(), RrType::CNAME, Class::IN, dname.ttl);
    rrset.rdatas.push(target.wire());
    Signed { rrset, signatures: None, synthesised: true }
}
