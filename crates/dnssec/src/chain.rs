//! Builds the chain that proves which names and types a zone does not have: NSEC by name, NSEC3 by hash (RFC 4035
//! §2.3, RFC 5155 §7.1).

use nw_wire::rr::push_bitmap;
use nw_wire::{Class, NameRef, RrType, Rrset};

use crate::nsec3::{self, Nsec3Hash, Nsec3Param};
use crate::sign::SignZoneError;

/// The role of an owner name in its zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnerKind {
    /// The name holds authoritative data.
    Authoritative,
    /// The name is a delegation. Only its DS RRset and its record in the chain belong to the zone.
    Cut,
    /// The name is below a delegation or a DNAME. It holds glue, or data that no query can reach.
    Occluded,
}

/// Return the kind of each RRset's owner; `rrsets` are in canonical order of owners.
pub(crate) fn kinds(apex: NameRef<'_>, rrsets: &[Rrset]) -> Vec<OwnerKind> {
    let mut kinds = Vec::with_capacity(rrsets.len());
    // The last delegation or DNAME, which occludes the names below it. In canonical order, they follow it directly.
    let mut hidden_below: Option<NameRef<'_>> = None;
    for (owner, group) in owners(rrsets) {
        let has = |rtype| group.iter().any(|rrset| rrset.rtype == rtype);
        let kind = if hidden_below.is_some_and(|top| owner.is_below(top)) {
            OwnerKind::Occluded
        } else if owner != apex && has(RrType::NS) {
            hidden_below = Some(owner);
            OwnerKind::Cut
        } else {
            if has(RrType::DNAME) {
                hidden_below = Some(owner);
            }
            OwnerKind::Authoritative
        };
        kinds.extend(group.iter().map(|_| kind));
    }
    kinds
}

/// Return the RRsets by owner.
fn owners(rrsets: &[Rrset]) -> impl Iterator<Item = (NameRef<'_>, &[Rrset])> {
    rrsets.chunk_by(|a, b| a.owner == b.owner).map(|group| (group[0].owner.as_ref(), group))
}

/// Return the owners that are visible, with kind and RRsets.
pub(crate) fn visible<'a>(
    rrsets: &'a [Rrset],
    kinds: &'a [OwnerKind],
) -> impl Iterator<Item = (NameRef<'a>, OwnerKind, &'a [Rrset])> {
    let mut at = 0;
    owners(rrsets).filter_map(move |(owner, group)| {
        let kind = kinds[at];
        at += group.len();
        (kind != OwnerKind::Occluded).then_some((owner, kind, group))
    })
}

/// Return the type bitmap in the NSEC record of an owner with this kind and these RRsets, without what signing adds.
#[must_use]
pub fn nsec_bitmap(kind: OwnerKind, group: &[Rrset]) -> Vec<u8> {
    bitmap(kind, group, &[RrType::NSEC, RrType::RRSIG])
}

/// Return the type bitmap in the NSEC3 record of an owner with this kind and these RRsets, without what signing adds.
#[must_use]
pub fn nsec3_bitmap(kind: OwnerKind, group: &[Rrset]) -> Vec<u8> {
    // An unsigned delegation has no signed RRsets.
    bitmap(kind, group, if is_insecure(kind, group) { &[] } else { &[RrType::RRSIG] })
}

/// Return whether the owner is a delegation without DS, which a chain with opt-out leaves out (RFC 5155 §6).
#[must_use]
pub fn is_insecure(kind: OwnerKind, group: &[Rrset]) -> bool {
    kind == OwnerKind::Cut && !group.iter().any(|rrset| rrset.rtype == RrType::DS)
}

fn bitmap(kind: OwnerKind, group: &[Rrset], more: &[RrType]) -> Vec<u8> {
    let mut out = Vec::new();
    push_bitmap(&mut types(kind, group, more), &mut out);
    out
}

/// Return the types that the NSEC or NSEC3 record of an owner lists, in no particular order.
pub(crate) fn types(kind: OwnerKind, group: &[Rrset], more: &[RrType]) -> Vec<RrType> {
    let own = group.iter().map(|rrset| rrset.rtype);
    // At a delegation, the other types belong to the child zone (RFC 4035 §2.3, RFC 5155 §7.1).
    let own = own.filter(|rtype| kind != OwnerKind::Cut || matches!(*rtype, RrType::NS | RrType::DS));
    own.chain(more.iter().copied()).collect()
}

/// Return the NSEC records, in canonical order.
pub(crate) fn nsec(
    apex: NameRef<'_>,
    rrsets: &[Rrset],
    kinds: &[OwnerKind],
    (class, ttl): (Class, u32),
) -> Vec<Rrset> {
    let names: Vec<_> = visible(rrsets, kinds).collect();
    let nexts = names.iter().skip(1).map(|(owner, ..)| *owner).chain([apex]);
    names
        .iter()
        .zip(nexts)
        .map(|((owner, kind, group), next)| {
            let rdata = nsec_rdata(next, &nsec_bitmap(*kind, group));
            let mut rrset = Rrset::new(owner.to_name(), RrType::NSEC, class, ttl);
            rrset.rdatas.push(&rdata);
            rrset
        })
        .collect()
}

/// Return the rdata of an NSEC record. The next name is in lower case: how others spell it does not change the record.
#[must_use]
pub fn nsec_rdata(next: NameRef<'_>, bitmap: &[u8]) -> Vec<u8> {
    let mut rdata = next.lower().as_ref().wire().to_vec();
    rdata.extend_from_slice(bitmap);
    rdata
}

/// Return the rdata of an NSEC3 record.
#[must_use]
pub fn nsec3_rdata(param: &Nsec3Param<'_>, next: &Nsec3Hash, bitmap: &[u8]) -> Vec<u8> {
    let mut rdata = Vec::with_capacity(64);
    param.push(&mut rdata);
    rdata.push(next.len() as u8);
    rdata.extend_from_slice(next);
    rdata.extend_from_slice(bitmap);
    rdata
}

/// Return the NSEC3PARAM of the apex. Its TTL is 0, as in BIND and Knot, because only servers use it.
#[must_use]
pub fn nsec3param(apex: NameRef<'_>, class: Class, iterations: u16, salt: &[u8]) -> Rrset {
    let mut rrset = Rrset::new(apex.to_name(), RrType::NSEC3PARAM, class, 0);
    let mut rdata = Vec::new();
    Nsec3Param { algorithm: nsec3::SHA1, flags: 0, iterations, salt }.push(&mut rdata);
    rrset.rdatas.push(&rdata);
    rrset
}

/// A name of the NSEC3 chain.
struct Hashed<'a> {
    hash: Nsec3Hash,
    name: NameRef<'a>,
    /// OwnerKind and RRsets; None for an empty non-terminal.
    at: Option<(OwnerKind, &'a [Rrset])>,
}

/// Return the NSEC3 records, in the order of their hashes.
pub(crate) fn nsec3(
    apex: NameRef<'_>,
    rrsets: &[Rrset],
    kinds: &[OwnerKind],
    (class, ttl): (Class, u32),
    (iterations, salt, opt_out): (u16, &[u8], bool),
) -> Result<Vec<Rrset>, SignZoneError> {
    let param = Nsec3Param {
        algorithm: nsec3::SHA1,
        flags: if opt_out { nsec3::OPT_OUT } else { 0 },
        iterations,
        salt,
    };
    let mut chain: Vec<Hashed<'_>> = Vec::new();
    let mut previous = apex;
    for (name, kind, group) in visible(rrsets, kinds) {
        if opt_out && is_insecure(kind, group) {
            continue;
        }
        // Ancestors that are not also ancestors of an earlier name are empty non-terminals (RFC 5155 §7.1).
        let shown = previous.common_labels(name);
        for labels in shown.max(apex.label_count()) + 1..name.label_count() {
            let name = name.suffix(labels);
            chain.push(Hashed { hash: param.hash(name), name, at: None });
        }
        chain.push(Hashed { hash: param.hash(name), name, at: Some((kind, group)) });
        previous = name;
    }
    chain.sort_unstable_by_key(|entry| entry.hash);
    if let Some([_, second]) = chain.windows(2).find(|pair| pair[0].hash == pair[1].hash) {
        return Err(SignZoneError::HashCollision { owner: second.name.to_name() });
    }
    let nexts = chain.iter().cycle().skip(1).map(|entry| entry.hash);
    chain
        .iter()
        .zip(nexts)
        .map(|(entry, next)| {
            let bitmap = entry.at.map_or_else(Vec::new, |(kind, group)| nsec3_bitmap(kind, group));
            let rdata = nsec3_rdata(&param, &next, &bitmap);
            let owner = nsec3::hashed_owner(&entry.hash, apex).ok_or(SignZoneError::NoRoomForHash)?;
            let mut rrset = Rrset::new(owner.to_name(), RrType::NSEC3, class, ttl);
            rrset.rdatas.push(&rdata);
            Ok(rrset)
        })
        .collect()
}
