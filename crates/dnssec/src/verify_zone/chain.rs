//! Checks the chains of a signed zone: they must contain every name of the zone and no other.

use std::collections::{BTreeMap, HashMap};

use nw_wire::rr::TypeBitmap;
use nw_wire::{Name, NameRef, RrType, Rrset};

use super::fault::{Fault, Problem};
use crate::chain::{OwnerKind, types, visible};
use crate::nsec::Nsec;
use crate::nsec3::{Nsec3, Nsec3Hash, Nsec3Param, hashed_owner};

/// The kind of chain with which a zone proves that names do not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChainKind {
    /// By NSEC records.
    Nsec {
        /// The number of records.
        records: usize,
    },
    /// By NSEC3 records.
    Nsec3 {
        /// The number of records.
        records: usize,
        /// The additional hash iterations.
        iterations: u16,
        /// The salt.
        salt: Vec<u8>,
        /// Whether a record has the opt-out flag.
        opt_out: bool,
    },
}

/// Check the chains in `made` against the zone's `data`, and return the chain that was found.
pub(super) fn check(
    apex: NameRef<'_>,
    data: &[Rrset],
    kinds: &[OwnerKind],
    made: &[Rrset],
    problems: &mut Vec<Problem>,
) -> Vec<ChainKind> {
    let of = |rtype| made.iter().filter(move |rrset| rrset.rtype == rtype);
    let nsecs: HashMap<NameRef<'_>, &Rrset> =
        of(RrType::NSEC).map(|rrset| (rrset.owner.as_ref(), rrset)).collect();
    let params: Vec<Nsec3Param<'_>> = data
        .iter()
        .filter(|rrset| rrset.rtype == RrType::NSEC3PARAM && rrset.owner == apex)
        .flat_map(|rrset| rrset.rdatas.iter().filter_map(Nsec3Param::parse))
        .filter(|param| param.flags == 0) // chains with other flags are being added or removed
        .collect();
    let mut found = Vec::new();
    if !nsecs.is_empty() {
        nsec(apex, data, kinds, &nsecs, problems);
        found.push(ChainKind::Nsec { records: nsecs.len() });
    }
    let hashed: Vec<&Rrset> = of(RrType::NSEC3).collect();
    if params.is_empty() && !hashed.is_empty() {
        problems.push(Problem::of_zone(apex, Fault::NoNsec3Param));
    }
    for param in &params {
        found.push(nsec3(apex, data, kinds, (param, &hashed, &nsecs), problems));
    }
    if found.is_empty() && hashed.is_empty() {
        problems.push(Problem::of_zone(apex, Fault::NoChain));
    }
    found
}

/// Check an NSEC chain.
fn nsec(
    apex: NameRef<'_>,
    data: &[Rrset],
    kinds: &[OwnerKind],
    nsecs: &HashMap<NameRef<'_>, &Rrset>,
    problems: &mut Vec<Problem>,
) {
    let names: Vec<_> = visible(data, kinds).collect();
    let nexts = names.iter().skip(1).map(|(owner, ..)| *owner).chain([apex]);
    let mut known = 0;
    for ((owner, kind, group), next) in names.iter().zip(nexts) {
        let name = owner.to_name();
        let Some(rrset) = nsecs.get(owner) else {
            problems.push(Problem::new(&name, RrType::NSEC, Fault::NsecMissing));
            continue;
        };
        known += 1;
        let mut tell = |fault| problems.push(Problem::new(&name, RrType::NSEC, fault));
        let count = rrset.rdatas.len();
        if count != 1 {
            tell(Fault::NotOne { count });
        }
        let Some(nsec) = rrset.rdatas.first().and_then(|rdata| Nsec::parse(*owner, rdata)) else {
            tell(Fault::Malformed);
            continue;
        };
        if nsec.next != next {
            tell(Fault::NsecNext { expected: next.to_name(), found: nsec.next.to_name() });
        }
        if let Some(fault) = compare(nsec.types, types(*kind, group, &[RrType::NSEC, RrType::RRSIG])) {
            tell(fault);
        }
    }
    if known < nsecs.len() {
        let names: std::collections::HashSet<NameRef<'_>> = names.iter().map(|(owner, ..)| *owner).collect();
        for (_, rrset) in nsecs.iter().filter(|(owner, _)| !names.contains(owner)) {
            problems.push(Problem::new(&rrset.owner, RrType::NSEC, Fault::NsecTooMuch));
        }
    }
}

/// A name that the NSEC3 chain contains or may contain.
struct Hashed {
    name: Name,
    types: Vec<RrType>,
    /// An unsigned delegation, or an empty non-terminal with only such delegations below it. An opt-out span may omit
    /// it (RFC 5155 §6).
    may_be_left_out: bool,
}

/// Check the NSEC3 chain with the parameters `param`.
fn nsec3(
    apex: NameRef<'_>,
    data: &[Rrset],
    kinds: &[OwnerKind],
    (param, rrsets, nsecs): (&Nsec3Param<'_>, &[&Rrset], &HashMap<NameRef<'_>, &Rrset>),
    problems: &mut Vec<Problem>,
) -> ChainKind {
    if param.iterations > 0 || !param.salt.is_empty() {
        let (iterations, salt) = (param.iterations, param.salt.len());
        problems.push(Problem::of_zone(apex, Fault::Nsec3Parameters { iterations, salt }));
    }
    let mut chain: BTreeMap<Nsec3Hash, Nsec3<'_>> = BTreeMap::new();
    for rrset in rrsets {
        for rdata in rrset.rdatas.iter() {
            match Nsec3::parse(rrset.owner.as_ref(), apex, rdata) {
                None => problems.push(Problem::new(&rrset.owner, RrType::NSEC3, Fault::Malformed)),
                Some(nsec3)
                    if nsec3.param.iterations == param.iterations && nsec3.param.salt == param.salt =>
                {
                    if chain.insert(nsec3.owner, nsec3).is_some() {
                        let count = rrset.rdatas.len();
                        problems.push(Problem::new(&rrset.owner, RrType::NSEC3, Fault::NotOne { count }));
                    }
                }
                Some(_) => {} // belongs to another chain
            }
        }
    }

    let names = hashed_names(apex, data, kinds, param, nsecs);
    for (hash, name) in &names {
        let mut tell = |fault| problems.push(Problem::new(&name.name, RrType::NSEC3, fault));
        match chain.get(hash) {
            Some(nsec3) => {
                if let Some(fault) = compare(nsec3.types, name.types.clone()) {
                    tell(fault);
                }
            }
            None if name.may_be_left_out && covering(&chain, hash).is_some_and(Nsec3::is_opt_out) => {}
            None => {
                let hashed =
                    hashed_owner(hash, apex).map_or_else(|| name.name.clone(), |owner| owner.to_name());
                tell(Fault::Nsec3Missing { hashed });
            }
        }
    }
    let nexts = chain.keys().cycle().skip(1);
    for ((hash, nsec3), next) in chain.iter().zip(nexts) {
        let owner = hashed_owner(hash, apex).map_or_else(|| apex.to_name(), |owner| owner.to_name());
        if !names.contains_key(hash) {
            problems.push(Problem::new(&owner, RrType::NSEC3, Fault::Nsec3TooMuch));
        }
        if nsec3.next != *next {
            problems.push(Problem::new(&owner, RrType::NSEC3, Fault::Nsec3Next));
        }
    }
    ChainKind::Nsec3 {
        records: chain.len(),
        iterations: param.iterations,
        salt: param.salt.to_vec(),
        opt_out: chain.values().any(Nsec3::is_opt_out),
    }
}

/// Return the names of the zone by their hashes, including empty non-terminals.
fn hashed_names(
    apex: NameRef<'_>,
    data: &[Rrset],
    kinds: &[OwnerKind],
    param: &Nsec3Param<'_>,
    nsecs: &HashMap<NameRef<'_>, &Rrset>,
) -> HashMap<Nsec3Hash, Hashed> {
    let mut names: HashMap<Nsec3Hash, Hashed> = HashMap::new();
    let mut put = |name: NameRef<'_>, types: Vec<RrType>, may_be_left_out: bool| {
        let entry = Hashed { name: name.to_name(), types, may_be_left_out };
        let there = names.entry(param.hash(name)).or_insert(Hashed { may_be_left_out: true, ..entry });
        there.may_be_left_out &= may_be_left_out;
    };
    let is_name: std::collections::HashSet<NameRef<'_>> =
        visible(data, kinds).map(|(owner, ..)| owner).collect();
    for (owner, kind, group) in visible(data, kinds) {
        let signed = kind != OwnerKind::Cut || group.iter().any(|rrset| rrset.rtype == RrType::DS);
        let mut more = if signed { vec![RrType::RRSIG] } else { Vec::new() };
        if nsecs.contains_key(&owner) {
            more.push(RrType::NSEC); // both chains exist while the zone moves from one to the other
        }
        put(owner, types(kind, group, &more), !signed);
        for labels in apex.label_count() + 1..owner.label_count() {
            let above = owner.suffix(labels);
            if !is_name.contains(&above) {
                put(above, Vec::new(), !signed);
            }
        }
    }
    names
}

/// Return the record whose span contains `hash`: the last record before it, or the last record of the chain.
fn covering<'c, 'a>(chain: &'c BTreeMap<Nsec3Hash, Nsec3<'a>>, hash: &Nsec3Hash) -> Option<&'c Nsec3<'a>> {
    chain.range(..*hash).next_back().or_else(|| chain.iter().next_back()).map(|(_, nsec3)| nsec3)
}

/// Compare a type bitmap with the types of the name.
fn compare(bitmap: TypeBitmap<'_>, expected: Vec<RrType>) -> Option<Fault> {
    let mut missing: Vec<RrType> =
        expected.iter().copied().filter(|rtype| !bitmap.contains(*rtype)).collect();
    missing.sort_unstable();
    missing.dedup();
    let extra: Vec<RrType> = bitmap.iter().filter(|rtype| !expected.contains(rtype)).collect();
    (!missing.is_empty() || !extra.is_empty()).then_some(Fault::Types { missing, extra })
}
