//! What a server may say: the bailiwick rule (RFC 2181 §5.4.1, RFC 5452 §6).
//!
//! A server that was asked as a server of *zone* is believed about names at or below *zone* only, about the name asked for and
//! those that its aliases lead to only, and only where each kind of record belongs:
//!
//! | section | taken | for |
//! |---|---|---|
//! | answer | the alias chain from the name asked, while it stays in the zone, and the data at its end | answers |
//! | authority | NS of a zone below *zone* and at or above the name, with DS, NSEC and NSEC3 | delegations |
//! | authority | SOA at or above the name and in the zone, with NSEC and NSEC3 | absence |
//! | additional | addresses of the name servers just named, if their names are in *zone* | delegations |
//!
//! Each RRset keeps its signatures. Nothing else is read. A chain that leaves the zone, or enters a zone below it that is known
//! to be delegated, ends there: the resolver asks the servers of the zone that owns the next name. What is known about the
//! end of a chain inside the zone is taken as data, never as absence: see `classify.rs`.
//!
//! Work is linear in the size of the reply, apart from one sort: the answer section is indexed once by owner and type.

use std::collections::HashSet;
use std::convert::Infallible;
use std::net::IpAddr;

use nw_cache::{DelegationEvidence, NameServer};
use nw_wire::code::{Class, RrType};
use nw_wire::hash::Keyed;
use nw_wire::header::HEADER;
use nw_wire::message::{Message, Record, Section};
use nw_wire::name::{Name, NameBuf, NameRef};
use nw_wire::rrset::{RdataSet, Rrset};

use crate::answer::Failure;
use crate::budget::Budget;
use crate::signed::{Signed, TooLong, covered, flatten, substitute, synthesise, target_of};
use crate::trace::{Reason, Unusable};
use crate::validator::Explained;

/// Records of the authority section that are read for a proof; a denial needs 8 at most (RFC 5155 §7.2).
const MAX_PROOF_RECORDS: usize = 64;
/// Addresses read from the additional section.
const MAX_GLUE: usize = 256;

impl From<Unusable> for Failure {
    fn from(unusable: Unusable) -> Failure {
        Failure::because(Reason::Unusable { unusable })
    }
}

/// The answer section of a reply, as far as the server may speak.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Chain {
    /// The aliases in their order.
    pub(crate) links: Vec<Signed>,
    /// The data at the end; more than one RRset for ANY.
    pub(crate) data: Vec<Signed>,
    /// Where the chain ends; None when there is no alias.
    pub(crate) end: Option<Name>,
    /// The last link is a DNAME that leads to a name of over 255 octets (RFC 6672 §2.2).
    pub(crate) too_long: bool,
    /// NSEC or NSEC3 that show that a wildcard was right to answer (RFC 4035 §3.1.3.3).
    pub(crate) proof: Vec<Signed>,
    /// Why a part of the reply is insecure, once it was judged, if clients learn the reason. Boxed, because few replies have it and
    /// all are moved.
    pub(crate) insecure: Option<Box<Explained>>,
}

impl Chain {
    /// The names that the aliases lead to, one after another. A DNAME leads where the CNAME that follows from it does.
    pub(crate) fn names(&self) -> Vec<Name> {
        let cnames = self.links.iter().filter(|link| link.rrset.rtype == RrType::CNAME);
        cnames.filter_map(|link| target_of(&link.rrset)).map(|target| target.to_name()).collect()
    }

    /// The RRsets in the order in which they are sent: aliases, then data.
    pub(crate) fn into_sets(self) -> Vec<Signed> {
        if self.links.is_empty() {
            return self.data;
        }
        self.links.into_iter().chain(self.data).collect()
    }
}

/// A delegation as a server of the parent zone gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Referral {
    pub(crate) child: Name,
    pub(crate) servers: Vec<NameServer>,
    /// What came along about the security of the delegation, not validated (RFC 4035 §3.1.4).
    pub(crate) evidence: DelegationEvidence,
    /// Of the delegation and the addresses that came along.
    pub(crate) ttl: u32,
}

/// NS records that are no delegation from the zone that was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoReferral {
    /// They are those of the zone itself.
    Itself,
    /// They belong to a zone above.
    Upward,
    /// They are of a zone that does not lead to the name.
    Aside,
    /// They lead to the name, and one of them is malformed.
    Malformed,
}

/// Reads one reply for one zone.
pub(crate) struct Scrubber<'s> {
    pub(crate) message: &'s Message<'s>,
    pub(crate) zone: NameRef<'s>,
    pub(crate) budget: &'s Budget,
    /// Whether a zone below `zone` is known to own a name.
    pub(crate) delegated: &'s dyn Fn(NameRef<'_>) -> bool,
}

/// A record of an index.
struct Indexed<'m> {
    record: Record<'m>,
    /// Whether its rdata is valid for its type.
    sound: bool,
}

/// The records of a section in the order of owner and type, so that each RRset is found without reading the others.
struct Index<'m> {
    message: Message<'m>,
    /// One number for each record: see [`Index::key`].
    keys: Vec<u128>,
    /// Whether there are signatures among them.
    signed: bool,
}

impl<'m> Index<'m> {
    /// The index of *section*. `name`: the name asked for, which most records belong to.
    fn new(message: &Message<'m>, section: Section, name: NameRef<'_>) -> Index<'m> {
        let mut signed = false;
        let mut keys = Vec::with_capacity(message.header().counts[section as usize + 1].into());
        // Records with the same pointer in place of the owner have the same owner.
        let mut last = message.asks(name).then(|| (HEADER as u16, name.hash64()));
        let mut hash = |record: &Record<'_>| match (record.owner_pointer(), last) {
            (Some(pointer), Some((before, hash))) if pointer == before => hash,
            (pointer, _) => {
                let hash = record.owner().as_ref().hash64();
                last = pointer.map(|pointer| (pointer, hash));
                hash
            }
        };
        for record in message.records(section).filter(|record| record.class == Class::IN) {
            let covers = covered(record.rdata_raw()).filter(|_| record.rtype == RrType::RRSIG);
            let covers = covers.unwrap_or(RrType(0));
            signed |= record.rtype == RrType::RRSIG;
            keys.push(Index::key(hash(&record), (record.rtype.0, covers.0), record.start(), true));
        }
        // A bad signature is just not there; any other bad record spoils its RRset.
        for bad in message.malformed(section) {
            if bad.class == Class::IN && bad.rtype != RrType::RRSIG {
                keys.push(Index::key(bad.owner.as_ref().hash64(), (bad.rtype.0, 0), bad.start, false));
            }
        }
        keys.sort_unstable();
        Index { message: *message, keys, signed }
    }

    /// The number that stands for the record at *start* of the message: hash of the owner, type, for RRSIG the type covered, and
    /// the place. So records of one RRset stay in their order.
    fn key(hash: u64, (rtype, covers): (u16, u16), start: usize, sound: bool) -> u128 {
        let place = (start as u32) << 1 | u32::from(sound);
        u128::from(hash) << 64 | u128::from(rtype) << 48 | u128::from(covers) << 32 | u128::from(place)
    }

    /// The type in *key*.
    fn type_of(key: u128) -> RrType {
        RrType((key >> 48) as u16)
    }

    /// Whether the section has a record of *rtype*.
    fn has(&self, rtype: RrType) -> bool {
        self.keys.iter().any(|key| Index::type_of(*key) == rtype)
    }

    /// The keys with *hash* between *low* and *high*, both included.
    fn run(&self, hash: u64, low: (u16, u16), high: (u16, u16)) -> impl Iterator<Item = u128> {
        let [low, high] = [low, high].map(|types| Index::key(hash, types, 0, false));
        let high = high | u128::from(u32::MAX);
        let start = self.keys.partition_point(|key| *key < low);
        self.keys[start..].iter().copied().take_while(move |key| *key <= high)
    }

    /// The records of *owner* with types between *low* and *high*, both included.
    fn range<'i>(
        &'i self,
        owner: NameRef<'i>,
        low: (u16, u16),
        high: (u16, u16),
    ) -> impl Iterator<Item = Indexed<'m>> + 'i {
        let mut same = None;
        self.run(owner.hash64(), low, high).filter_map(move |key| {
            work::count(1);
            let place = key as u32;
            let record = self.message.record_at((place >> 1) as usize);
            let pointer = record.owner_pointer();
            if pointer.is_none() || pointer != same {
                if !record.is_owned_by(owner) {
                    return None;
                }
                same = pointer;
            }
            Some(Indexed { record, sound: place & 1 == 1 })
        })
    }

    /// The records of *owner* and *rtype*; for RRSIG those that cover any type.
    fn of<'i>(&'i self, owner: NameRef<'i>, rtype: RrType) -> impl Iterator<Item = Indexed<'m>> + 'i {
        self.range(owner, (rtype.0, 0), (rtype.0, u16::MAX))
    }

    /// The signatures of *owner* over *rtype*.
    fn over<'i>(&'i self, owner: NameRef<'i>, rtype: RrType) -> impl Iterator<Item = Indexed<'m>> + 'i {
        self.range(owner, (RrType::RRSIG.0, rtype.0), (RrType::RRSIG.0, rtype.0))
    }

    /// The types that *owner* may have, in order.
    fn types(&self, owner: NameRef<'_>) -> Vec<RrType> {
        let all = self.run(owner.hash64(), (0, 0), (u16::MAX, u16::MAX));
        let mut types: Vec<RrType> = Vec::new();
        for rtype in all.map(Index::type_of) {
            if types.last() != Some(&rtype) {
                types.push(rtype);
            }
        }
        types
    }
}

impl<'s> Scrubber<'s> {
    /// The TTL that is kept for what came with *ttl*.
    fn ttl(&self, ttl: u32) -> u32 {
        ttl.max(self.budget.min_ttl).min(self.budget.max_ttl)
    }

    fn in_zone(&self, name: NameRef<'_>) -> bool {
        name.is_at_or_below(self.zone)
    }

    /// The RRset that *records* make up, with the smallest of their TTLs (RFC 2181 §5.2) and without repeated records
    /// (RFC 2181 §5); None when there are no records.
    fn set<'m>(
        &self,
        owner: NameRef<'_>,
        rtype: RrType,
        records: impl Iterator<Item = Indexed<'m>>,
    ) -> Result<Option<Rrset>, Unusable> {
        let mut set: Option<Rrset> = None;
        for (count, Indexed { record, sound }) in records.enumerate() {
            if count as u32 >= self.budget.max_records_per_rrset {
                return Err(Unusable::TooManyRecords);
            }
            if !sound {
                return Err(Unusable::MalformedRecord);
            }
            let ttl = self.ttl(record.ttl);
            let set = set.get_or_insert_with(|| Rrset::new(owner.to_name(), rtype, Class::IN, ttl));
            set.ttl = set.ttl.min(ttl);
            push(&mut set.rdatas, &record);
        }
        if let Some(set) = &mut set {
            drop_repeated(&mut set.rdatas);
        }
        Ok(set)
    }

    /// The RRset of *owner* and *rtype* with its signatures.
    fn signed(
        &self,
        index: &Index<'_>,
        owner: NameRef<'_>,
        rtype: RrType,
    ) -> Result<Option<Signed>, Unusable> {
        let Some(rrset) = self.set(owner, rtype, index.of(owner, rtype))? else { return Ok(None) };
        let signatures = match rtype {
            RrType::RRSIG => None,
            _ if !index.signed => None,
            _ => self.set(owner, RrType::RRSIG, index.over(owner, rtype))?,
        };
        Ok(Some(Signed::with_signatures(single(rrset), signatures)))
    }

    /// Follow the answer section from *name* as far as the server may speak, and take along what proves it.
    pub(crate) fn chain(&self, name: NameRef<'_>, rtype: RrType) -> Result<Chain, Unusable> {
        let mut chain = self.follow(name, rtype)?;
        if chain.links.iter().chain(&chain.data).any(Signed::is_expansion) {
            chain.proof = self.denial();
        }
        Ok(chain)
    }

    fn follow(&self, name: NameRef<'_>, rtype: RrType) -> Result<Chain, Unusable> {
        let mut chain = Chain::default();
        if self.message.header().counts[1] == 0 {
            return Ok(chain);
        }
        let index = Index::new(self.message, Section::Answer, name);
        work::count(index.keys.len());
        let dnames = index.has(RrType::DNAME);
        let mut at: NameBuf = name.to_buf();
        while self.in_zone(at.as_ref()) && (chain.end.is_none() || !(self.delegated)(at.as_ref())) {
            if rtype == RrType::CNAME && dnames && self.dname(&index, at.as_ref())?.is_some() {
                // The CNAME that follows from the DNAME is the answer (RFC 6672 §3.1).
                if self.link(&index, at.as_ref(), dnames, &mut chain)?.is_some() {
                    chain.data.extend(chain.links.pop());
                }
                return Ok(chain);
            }
            if rtype == RrType::ANY {
                chain.data = self.every(&index, at.as_ref())?;
            } else {
                chain.data.extend(self.signed(&index, at.as_ref(), rtype)?);
            }
            if !chain.data.is_empty() {
                return Ok(chain);
            }
            let Some(target) = self.link(&index, at.as_ref(), dnames, &mut chain)? else { return Ok(chain) };
            chain.end = Some(target.to_name());
            // The search counts links and finds loops, wherever the links come from.
            let seen =
                |link: &Signed| link.rrset.rtype == RrType::CNAME && link.rrset.owner == target.as_ref();
            if chain.links.iter().any(seen) || chain.links.len() as u32 > 2 * self.budget.max_aliases {
                return Ok(chain);
            }
            at = target;
        }
        Ok(chain)
    }

    /// Every RRset of *owner*, each with its signatures. Names in their data may take more room than in the reply, a hundred times
    /// as much; what then fits no message is refused before it is compressed again.
    fn every(&self, index: &Index<'_>, owner: NameRef<'_>) -> Result<Vec<Signed>, Unusable> {
        let mut types = index.types(owner);
        types.retain(|rtype| *rtype != RrType::RRSIG && !rtype.is_meta());
        if types.len() as u32 > self.budget.max_records_per_rrset {
            return Err(Unusable::TooManyRecords);
        }
        let (mut sets, mut octets) = (Vec::with_capacity(types.len()), 0);
        for rtype in types {
            let Some(signed) = self.signed(index, owner, rtype)? else { continue };
            octets += signed.rrset.rdatas.octets();
            if octets > usize::from(u16::MAX) {
                return Err(Unusable::TooLarge);
            }
            sets.push(signed);
        }
        Ok(sets)
    }

    /// Add the alias at *at* to *chain* and return its target; None when there is none to follow.
    fn link(
        &self,
        index: &Index<'_>,
        at: NameRef<'_>,
        dnames: bool,
        chain: &mut Chain,
    ) -> Result<Option<NameBuf>, Unusable> {
        if dnames && let Some(dname) = self.dname(index, at)? {
            let target = match substitute(at, &dname.rrset) {
                Ok(None) => return Ok(None),
                Ok(Some(target)) => target,
                Err(TooLong) => {
                    chain.too_long = true;
                    push_once(&mut chain.links, dname);
                    return Ok(None);
                }
            };
            // The CNAME of the reply is not used, whether it follows from the DNAME or not (RFC 6672 §5.3.1).
            let link = synthesise(at, &dname.rrset, target.as_ref());
            push_once(&mut chain.links, dname);
            chain.links.push(link);
            return Ok(Some(target));
        }
        let Some(cname) = self.signed(index, at, RrType::CNAME)? else { return Ok(None) };
        // A name has one alias (RFC 2181 §10.1); of several the first counts.
        let Some(target) = target_of(&cname.rrset) else { return Ok(None) };
        chain.links.push(cname);
        Ok(Some(target))
    }

    /// The DNAME above *at* within the zone (RFC 6672 §2.2).
    fn dname(&self, index: &Index<'_>, at: NameRef<'_>) -> Result<Option<Signed>, Unusable> {
        let mut above = at.parent();
        while let Some(owner) = above.filter(|&owner| self.in_zone(owner)) {
            if let Some(dname) = self.signed(index, owner, RrType::DNAME)? {
                return Ok(Some(dname));
            }
            above = owner.parent();
        }
        Ok(None)
    }

    /// The delegation in the authority section on the way to *name*; None without NS records.
    pub(crate) fn referral(&self, name: NameRef<'_>) -> Option<Result<Referral, NoReferral>> {
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
                // One zone a referral; further ones are not asked for.
                Some(child) if *child != owner.as_ref() => continue,
                Some(_) => {}
                None => child = Some(owner.to_name()),
            }
            ttl = ttl.min(self.ttl(record.ttl));
            // All names of a sensible message are read, so that those with addresses can be preferred.
            if names.len() < 20 * self.budget.max_ns_per_cut as usize {
                rdata.clear();
                record.rdata(&mut rdata);
                let server = Name::from_wire(&rdata).expect("the rdata of NS is a name: checked when parsed");
                if !names.contains(&server) {
                    names.push(server);
                }
            }
        }
        let malformed = self.message.malformed(Section::Authority);
        let mut malformed =
            malformed.filter(|record| record.rtype == RrType::NS && record.class == Class::IN);
        let (child, spoilt) = match child {
            Some(child) => {
                let spoilt = malformed.any(|record| record.owner == child.as_ref());
                (child, spoilt)
            }
            None => (malformed.next()?.owner.to_name(), true),
        };
        if child == self.zone {
            return Some(Err(NoReferral::Itself));
        }
        if self.zone.is_below(child.as_ref()) {
            return Some(Err(NoReferral::Upward));
        }
        if !child.as_ref().is_below(self.zone) || !name.is_at_or_below(child.as_ref()) {
            return Some(Err(NoReferral::Aside));
        }
        if spoilt {
            return Some(Err(NoReferral::Malformed));
        }
        let (servers, life) = self.servers(names);
        let evidence = self.evidence(child.as_ref());
        Some(Ok(Referral { servers, evidence, child, ttl: ttl.min(life) }))
    }

    /// DS RRset of *child*, or the records that deny it, as the authority section has them.
    fn evidence(&self, child: NameRef<'_>) -> DelegationEvidence {
        let ds = self.of_authority(|rtype| rtype == RrType::DS, |owner| owner == child);
        let denial = if ds.is_empty() { self.denial() } else { Vec::new() };
        DelegationEvidence { ds: flatten(ds), denial: flatten(denial) }
    }

    /// Name servers with the addresses that came along: those with addresses first, at most as many as allowed. And the
    /// smallest TTL of those addresses, which are not to be used any longer than that (RFC 1035 §3.2.1).
    pub(crate) fn servers(&self, names: Vec<Name>) -> (Vec<NameServer>, u32) {
        let mut servers: Vec<NameServer> =
            names.into_iter().map(|name| NameServer { name, addresses: Vec::new() }).collect();
        let malformed: Vec<_> = self.message.malformed(Section::Additional).take(MAX_GLUE).collect();
        let (mut taken, mut life) = (0, u32::MAX);
        for record in self.message.additional() {
            let address = match (record.rtype, record.rdata_raw()) {
                (RrType::A, rdata) => <[u8; 4]>::try_from(rdata).ok().map(IpAddr::from),
                (RrType::AAAA, rdata) => <[u8; 16]>::try_from(rdata).ok().map(IpAddr::from),
                _ => None,
            };
            let Some(address) = address.filter(|_| record.class == Class::IN) else { continue };
            let owner = record.owner();
            let spoilt = malformed.iter().any(|bad| bad.rtype == record.rtype && bad.owner == owner);
            if spoilt || !self.in_zone(owner.as_ref()) {
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
            if taken >= MAX_GLUE {
                break;
            }
        }
        servers.sort_by_key(|server| server.addresses.is_empty());
        servers.truncate(self.budget.max_ns_per_cut as usize);
        (servers, life)
    }

    /// The SOA in the authority section that may deny *name*, with the TTL of the absence (RFC 2308 §5), and its proof.
    pub(crate) fn absence(&self, name: NameRef<'_>) -> Option<(Signed, Vec<Signed>)> {
        let soa = self.of_authority(|rtype| rtype == RrType::SOA, |owner| name.is_at_or_below(owner));
        let mut soa = soa.into_iter().next()?;
        soa.rrset = single(soa.rrset);
        let minimum = soa.rrset.rdatas.first().and_then(|rdata| rdata.last_chunk());
        let minimum = minimum.map_or(0, |minimum| u32::from_be_bytes(*minimum));
        soa.shorten(minimum.max(self.budget.min_ttl).min(self.budget.max_negative_ttl));
        let mut proof = self.denial();
        // The proof lasts no longer than what it proves.
        proof.iter_mut().for_each(|one| one.shorten(soa.rrset.ttl));
        Some((soa, proof))
    }

    /// NSEC and NSEC3 of the zone in the authority section, with their signatures.
    pub(crate) fn denial(&self) -> Vec<Signed> {
        self.of_authority(|rtype| matches!(rtype, RrType::NSEC | RrType::NSEC3), |_| true)
    }

    /// The RRsets of the zone in the authority section with types and owners that *wanted* and *of* say, with their signatures.
    /// Reads a bounded number of records of those types.
    fn of_authority(&self, wanted: impl Fn(RrType) -> bool, of: impl Fn(NameRef<'_>) -> bool) -> Vec<Signed> {
        let mut found: Vec<Signed> = Vec::new();
        let mut signatures: Vec<Rrset> = Vec::new();
        let records = self.message.authority().filter(|record| record.class == Class::IN);
        let about = |record: &Record<'_>| match record.rtype {
            RrType::RRSIG => covered(record.rdata_raw()),
            rtype => Some(rtype),
        };
        let ours = records.filter(|record| about(record).is_some_and(&wanted)).filter_map(|record| {
            let owner = record.owner();
            (self.in_zone(owner.as_ref()) && of(owner.as_ref())).then_some((record, owner))
        });
        for (record, owner) in ours.take(MAX_PROOF_RECORDS) {
            let ttl = self.ttl(record.ttl);
            if record.rtype == RrType::RRSIG {
                let mut set = Rrset::new(owner.to_name(), RrType::RRSIG, Class::IN, ttl);
                push(&mut set.rdatas, &record);
                signatures.push(set);
                continue;
            }
            let same =
                |one: &&mut Signed| one.rrset.owner == owner.as_ref() && one.rrset.rtype == record.rtype;
            let set = match found.iter_mut().find(same) {
                Some(one) => &mut one.rrset,
                None => {
                    let set = Rrset::new(owner.to_name(), record.rtype, Class::IN, ttl);
                    found.push(Signed::unsigned(set));
                    &mut found.last_mut().expect("just pushed").rrset
                }
            };
            set.ttl = set.ttl.min(ttl);
            push(&mut set.rdatas, &record);
        }
        let spoilt = |one: &Signed| {
            let mut bad = self.message.malformed(Section::Authority);
            bad.any(|bad| bad.rtype == one.rrset.rtype && bad.owner == one.rrset.owner.as_ref())
        };
        found.retain(|one| !spoilt(one));
        if signatures.is_empty() {
            return found;
        }
        let sets = found.into_iter().map(|one| one.rrset).chain(signatures).collect();
        let mut paired = crate::signed::pair(sets);
        // A signature without the RRset that it covers proves nothing.
        paired.retain(|one| one.rrset.rtype != RrType::RRSIG);
        paired
    }
}

/// Add *dname* unless it is there: an RRset stands once in a section, however often it applies (RFC 2181 §5.5).
fn push_once(links: &mut Vec<Signed>, dname: Signed) {
    let same = |link: &Signed| link.rrset.rtype == RrType::DNAME && link.rrset.owner == dname.rrset.owner;
    if !links.iter().any(same) {
        links.push(dname);
    }
}

/// *set* with its first record only, if its type allows no more (RFC 1034 §3.6.2, RFC 2181 §10.1, RFC 6672 §2.4).
fn single(mut set: Rrset) -> Rrset {
    if matches!(set.rtype, RrType::CNAME | RrType::DNAME | RrType::SOA) && set.rdatas.len() > 1 {
        set.rdatas = set.rdatas.first().into_iter().collect();
    }
    set
}

/// Append the rdata of *record*.
fn push(rdatas: &mut RdataSet, record: &Record<'_>) {
    let Ok(()) = rdatas.push_with(|out| {
        record.rdata(out);
        Ok::<(), Infallible>(())
    });
}

/// Drop repeated records. The others keep their order.
fn drop_repeated(rdatas: &mut RdataSet) {
    if rdatas.iter().nth(1).is_none() {
        return;
    }
    let mut seen: HashSet<&[u8], Keyed> = HashSet::with_capacity_and_hasher(rdatas.len(), Keyed);
    if rdatas.iter().all(|rdata| seen.insert(rdata)) {
        return;
    }
    seen.clear();
    let kept = rdatas.iter().filter(|rdata| seen.insert(rdata)).collect();
    *rdatas = kept;
}

/// Counts the records read, so that a test can tell linear work from quadratic. Nothing outside tests.
pub(crate) mod work {
    #[cfg(test)]
    thread_local! {
        static RECORDS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    }

    pub(super) fn count(_records: usize) {
        #[cfg(test)]
        RECORDS.with(|sum| sum.set(sum.get() + _records));
    }

    /// The records read so far in this thread.
    #[cfg(test)]
    pub(crate) fn records() -> usize {
        RECORDS.with(std::cell::Cell::get)
    }
}
