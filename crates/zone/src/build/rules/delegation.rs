//! Delegations, glue, wildcards, TTLs.
//!
//! RFCs: 1034 §4.2.1, 2181 §5.2, §6.1, 2182 §5, 4592 §2.2.2, §3.3.1, §4.2, §4.4, 8767 §4.

use std::collections::HashSet;

use nw_wire::RrType;

use super::{Found, Place, Set, ZoneView, show};
use crate::batch::TypeMask;
use crate::store::NodeFlags;

/// Most resolvers keep nothing longer than a week (RFC 8767 §4).
const MOST_TTL: u32 = 7 * 86_400;
/// With less, most queries of a busy name reach the servers.
const LEAST_TTL: u32 = 30;

/// Below a delegation: the addresses of no name server of the zone.
pub(super) fn glue_unused(place: &Place<'_>) -> Found {
    if !place.is_occluded() || place.zone.unread {
        return None;
    }
    let part = place.part;
    let mut above = &part.nodes[place.node.parent as usize];
    while above.flags.has(NodeFlags::OCCLUDED) {
        above = &part.nodes[above.parent as usize];
    }
    if !above.flags.has(NodeFlags::CUT) {
        return None;
    }
    let zone = place.zone;
    if zone.records(part, above, RrType::NS).any(|server| server.eq_ignore_ascii_case(place.owner)) {
        return None;
    }
    let used = zone.delegated_to().contains(&place.owner.to_ascii_lowercase());
    (!used).then(|| format!("{} is the address of no name server of a delegation", show(place.owner)).into())
}

impl ZoneView<'_> {
    /// The targets of all NS records, in lower case.
    fn delegated_to(&self) -> &HashSet<Vec<u8>> {
        self.delegated_to.get_or_init(|| {
            let nodes = self.tree.nodes().filter(|(_, _, node)| node.types.has(TypeMask::NS));
            nodes
                .flat_map(|(_, part, node)| self.records(part, node, RrType::NS))
                .map(<[u8]>::to_ascii_lowercase)
                .collect()
        })
    }
}

/// Data at a delegation that belongs to the child.
pub(super) fn data_at_cut(set: &Set<'_>) -> Found {
    let place = set.place;
    if !place.node.flags.has(NodeFlags::CUT) {
        return None;
    }
    let own = match set.rtype {
        RrType::NS | RrType::DS | RrType::NSEC | RrType::NSEC3 | RrType::RRSIG => true,
        // The name may be its own name server.
        RrType::A | RrType::AAAA => place.zone.delegated_to().contains(&place.owner.to_ascii_lowercase()),
        _ => false,
    };
    (!own)
        .then(|| format!("{} is delegated, so its {} is never answered", show(place.owner), set.rtype).into())
}

pub(super) fn delegation_single_ns(set: &Set<'_>) -> Found {
    let cut = set.place.node.flags.has(NodeFlags::CUT) && !set.place.zone.unread;
    (cut && set.entries.len() == 1)
        .then(|| format!("{} is delegated to a single name server", show(set.place.owner)).into())
}

// ---- wildcards ----

pub(super) fn wildcard_ns(set: &Set<'_>) -> Found {
    wildcard(set, "a delegation of a wildcard has no defined meaning")
}

pub(super) fn wildcard_dname(set: &Set<'_>) -> Found {
    wildcard(set, "a DNAME of a wildcard has no defined meaning")
}

fn wildcard(set: &Set<'_>, text: &'static str) -> Found {
    set.place.node.flags.has(NodeFlags::WILDCARD).then(|| text.into())
}

/// An existing name beside a wildcard with addresses has none itself: the wildcard does not apply to it.
pub(super) fn wildcard_hidden(place: &Place<'_>) -> Found {
    let flags = place.node.flags;
    let other = NodeFlags::WILDCARD.with(NodeFlags::OCCLUDED).with(NodeFlags::CUT).with(NodeFlags::HASHED);
    let wildcard = beside_wildcard(place)?;
    let answers = TypeMask::ADDRESS.with(TypeMask::CNAME);
    if flags.has(other) || place.node.types.has(answers) || !wildcard.has(answers) || place.zone.unread {
        return None;
    }
    // Names of services are not meant to have addresses.
    if place.owner.get(1) == Some(&b'_') {
        return None;
    }
    Some(format!("{} has no address, and the wildcard beside it does not apply", show(place.owner)).into())
}

/// An empty non-terminal beside a wildcard: the wildcard does not apply to it, nor to names below it.
pub(super) fn empty_non_terminal(place: &Place<'_>) -> Found {
    if place.is_apex() || place.node.flags.has(NodeFlags::OCCLUDED) || place.owner.get(1) == Some(&b'_') {
        return None;
    }
    beside_wildcard(place)?;
    let owner = show(place.owner);
    Some(
        format!(
            "{owner} exists without records, so the wildcard beside it applies neither to it nor below it"
        )
        .into(),
    )
}

/// The types of the wildcard with the same parent.
fn beside_wildcard(place: &Place<'_>) -> Option<TypeMask> {
    if place.is_apex() || place.owner.len() > 250 {
        return None;
    }
    let parent = &place.part.nodes[place.node.parent as usize];
    // The apex of a later part has no flags of its own.
    let at_apex = parent.flags.has(NodeFlags::APEX);
    let flags = if at_apex { place.zone.tree.apex().1.flags } else { parent.flags };
    if !flags.has(NodeFlags::WILDCARD_BELOW) {
        return None;
    }
    let above = &place.owner[1 + usize::from(place.owner[0])..];
    let wildcard = [b"\x01*", above].concat();
    let (_, node) = place.zone.node(&wildcard, &crate::suffix::LabelStarts::of(&wildcard))?;
    Some(node.types)
}

// ---- TTLs ----

pub(super) fn ttl_zero(set: &Set<'_>) -> Found {
    (set.ttl() == 0)
        .then(|| format!("{} {} has the TTL 0 and is not cached", show(set.place.owner), set.rtype).into())
}

pub(super) fn ttl_low(set: &Set<'_>) -> Found {
    let ttl = set.ttl();
    (1..LEAST_TTL).contains(&ttl).then(|| {
        format!("{} {} has the TTL {ttl}, less than {LEAST_TTL} s", show(set.place.owner), set.rtype).into()
    })
}

pub(super) fn ttl_high(set: &Set<'_>) -> Found {
    let ttl = set.ttl();
    (ttl > MOST_TTL).then(|| {
        format!("{} {} has the TTL {ttl}, more than a week", show(set.place.owner), set.rtype).into()
    })
}
