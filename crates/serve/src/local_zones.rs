//! Locally served zones: names without meaning in the public DNS, answered here instead of by the root.
//!
//! | zones | answer | why |
//! |---|---|---|
//! | reverse zones of private, link-local, shared, documentation and broadcast addresses | empty zone | RFC 6303 §4, RFC 7793 |
//! | `test.` | empty zone | RFC 6761 §6.2 |
//! | `alt.` | empty zone: names of other systems than the DNS | RFC 9476 §2 |
//! | `local.` | empty zone: names of multicast DNS | RFC 6762 §22.1 |
//! | `service.arpa.` | empty zone: services that register on their own link | RFC 9665 §10 |
//! | `home.arpa.` | empty zone | RFC 8375 §4 |
//! | `resolver.arpa.` | empty zone: no encrypted resolver is announced | RFC 9462 §6.4 |
//! | `ipv4only.arpa.` and the reverse names of its addresses | A 192.0.0.170 and 192.0.0.171, no AAAA | RFC 8880 §7.1 |
//!
//! Aliases that lead into one of these zones also end here: `route.rs` and the resolver follow them.
//!
//! Locally served zones replace only lookups: authoritative zones and cached answers take precedence.
//! `resolver.local_zones_off` in the plan turns single zones off, or all of them with `.`. A forward for a name other
//! than the root does the same for names below it. The resolver asks the parent for DS at the apex of a delegated
//! zone, which proves that it is unsigned (RFC 8375 §4).
//!
//! The resolver itself answers `localhost.`, `invalid.`, `onion.` and the loopback addresses.

use std::collections::HashMap;

use nw_resolve::trace::{Layer, Reason};
use nw_resolve::{LocalAnswer, LocalZones as _, local_soa};
use nw_wire::{Class, Name, NameRef, Rcode, RrType, Rrset};

use crate::context::Context;
use crate::local_data::AppliedData;
use crate::plan::ResolverPlan;
use crate::response::{Response, ResponseKind};
use crate::sections::Sections;
use crate::verdict::Verdict;

/// TTL of all records, seconds (RFC 6303 §3).
const TTL: u32 = 10_800;

/// The top-level names that all of the zones are at or below.
const TOPS: [&[u8]; 4] = [b"arpa", b"test", b"alt", b"local"];
/// Empty zones by name. [`apexes`] contains the ranges.
const EMPTY: &[&str] = &[
    "test.",
    "alt.",
    "local.",
    "home.arpa.",
    "resolver.arpa.",
    "service.arpa.",
    // RFC 6303 §4.1 to §4.4
    "10.in-addr.arpa.",
    "168.192.in-addr.arpa.",
    "0.in-addr.arpa.",
    "254.169.in-addr.arpa.",
    "2.0.192.in-addr.arpa.",
    "100.51.198.in-addr.arpa.",
    "113.0.203.in-addr.arpa.",
    "255.255.255.255.in-addr.arpa.",
    "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa.",
    "d.f.ip6.arpa.",
    "8.e.f.ip6.arpa.",
    "9.e.f.ip6.arpa.",
    "a.e.f.ip6.arpa.",
    "b.e.f.ip6.arpa.",
    "8.b.d.0.1.0.0.2.ip6.arpa.",
];
const IPV4ONLY: &str = "ipv4only.arpa.";
const IPV4ONLY_REVERSE: [&str; 2] = ["170.0.0.192.in-addr.arpa.", "171.0.0.192.in-addr.arpa."];
const IPV4ONLY_ADDRESSES: [[u8; 4]; 2] = [[192, 0, 0, 170], [192, 0, 0, 171]];

/// The enabled locally served zones.
#[derive(Debug, Default)]
pub(crate) struct LocalZones {
    zones: HashMap<Name, Content>,
    /// Forwarded suffixes, without the root.
    forwarded: Vec<Name>,
    /// Local data, which precede these zones.
    data: AppliedData,
    /// Those of the views that have cache entries of their own, by the number of these entries.
    of_views: HashMap<u16, AppliedData>,
}

/// The records at the apex of a locally served zone, besides SOA and NS.
#[derive(Clone, Copy, Debug)]
enum Content {
    Empty,
    Ipv4Only,
    Ipv4OnlyReverse,
}

impl LocalZones {
    /// The zones that *plan* leaves enabled, behind the local data of the server and of its views.
    pub(crate) fn new(
        plan: &ResolverPlan,
        data: AppliedData,
        of_views: HashMap<u16, AppliedData>,
    ) -> LocalZones {
        let off = |name: &Name| plan.local_zones_off.iter().any(|off| off.as_ref().is_root() || off == name);
        let zones = apexes().filter(|(name, _)| !off(name)).collect();
        let suffixes = plan.config.forwards.iter().filter(|forward| !forward.servers.is_empty());
        let suffixes = suffixes.map(|forward| &forward.suffix);
        let forwarded = suffixes.filter(|suffix| !suffix.as_ref().is_root()).cloned().collect();
        LocalZones { zones, forwarded, data, of_views }
    }

    /// Whether one of the zones contains *name*.
    pub(crate) fn contains(&self, name: NameRef<'_>) -> bool {
        self.find(name).is_some()
    }

    /// The apex and content of the zone that contains *name*.
    fn find(&self, name: NameRef<'_>) -> Option<(&Name, Content)> {
        let top = name.suffix(1);
        let candidate = |label: &[u8]| TOPS.iter().any(|top| label.eq_ignore_ascii_case(top));
        if !top.first_label().is_some_and(candidate)
            || self.forwarded.iter().any(|suffix| name.is_at_or_below(suffix.as_ref()))
        {
            return None;
        }
        let mut suffix = Some(name);
        while let Some(name) = suffix {
            if let Some((apex, content)) = self.zones.get_key_value(&name.to_name()) {
                return Some((apex, *content));
            }
            suffix = name.parent();
        }
        None
    }
}

/// Whether *name* is the apex of a locally served zone, for settings that turn it off.
pub(crate) fn is_known(name: &Name) -> bool {
    name.as_ref().is_root() || apexes().any(|(apex, _)| apex == *name)
}

fn apexes() -> impl Iterator<Item = (Name, Content)> {
    let name = |text: &str| Name::parse(text.as_bytes(), None).expect("the names above are names");
    let private = (16..32).map(|octet| format!("{octet}.172.in-addr.arpa."));
    let shared = (64..128).map(|octet| format!("{octet}.100.in-addr.arpa."));
    let ranges = private.chain(shared).map(move |text| (name(&text), Content::Empty));
    EMPTY
        .iter()
        .map(move |text| (name(text), Content::Empty))
        .chain(ranges)
        .chain([(name(IPV4ONLY), Content::Ipv4Only)])
        .chain(IPV4ONLY_REVERSE.map(|text| (name(text), Content::Ipv4OnlyReverse)))
}

impl nw_resolve::LocalZones for LocalZones {
    fn answer(&self, name: NameRef<'_>, rtype: RrType) -> Option<LocalAnswer> {
        let (apex, content) = self.find(name)?;
        let at_apex = apex.as_ref() == name;
        if rtype == RrType::DS && at_apex && name.label_count() > 1 {
            return None;
        }
        let set = |rtype, rdatas: &[&[u8]]| {
            let mut set = Rrset::new(apex.clone(), rtype, Class::IN, TTL);
            rdatas.iter().for_each(|rdata| set.rdatas.push(rdata));
            set
        };
        let soa = set(RrType::SOA, &[&local_soa(apex.as_ref(), TTL)]);
        let mut answer = Vec::new();
        if at_apex {
            answer.push(soa.clone());
            answer.push(set(RrType::NS, &[apex.as_ref().wire()]));
            match content {
                Content::Empty => {}
                Content::Ipv4Only => {
                    let [one, two] = &IPV4ONLY_ADDRESSES;
                    answer.push(set(RrType::A, &[one, two]));
                }
                Content::Ipv4OnlyReverse => answer.push(set(RrType::PTR, &[b"\x08ipv4only\x04arpa\0"])),
            }
            answer.retain(|set| set.rtype == rtype || rtype == RrType::ANY);
        }
        let authority = if answer.is_empty() { vec![soa] } else { Vec::new() };
        Some(LocalAnswer { apex: apex.clone(), nxdomain: !at_apex, answer, authority })
    }

    fn data(&self, view: u16, name: NameRef<'_>, rtype: RrType) -> Option<(LocalAnswer, String)> {
        self.of_views.get(&view).unwrap_or(&self.data).answer(name, rtype)
    }
}

/// The answer to *name* from the locally served zone that contains it, if any, and the kind under which it is
/// counted.
#[cold]
pub(crate) fn find(context: &Context<'_>, name: NameRef<'_>) -> Option<(ResponseKind, Sections)> {
    let found = context.snapshot().local_zones()?.answer(name, context.query.qtype)?;
    context.step_in(Some(found.apex.as_ref()), || (Layer::Zone, Reason::LocallyServed));
    let kind = match (found.answer.is_empty(), found.nxdomain) {
        (false, _) => ResponseKind::Answer,
        (true, false) => ResponseKind::NoData,
        (true, true) => ResponseKind::NxDomain,
    };
    Some((kind, Sections { answer: found.answer, authority: found.authority, additional: Vec::new() }))
}

/// The rcode of an answer of this kind.
pub(crate) fn rcode(kind: ResponseKind) -> Rcode {
    if kind == ResponseKind::NxDomain { Rcode::NXDOMAIN } else { Rcode::NOERROR }
}

/// Answer from the locally served zone that contains the name, if any.
#[cold]
pub(crate) fn answer(context: &Context<'_>, response: &mut Response<'_, '_>) -> Option<Verdict> {
    let (kind, sections) = find(context, context.query.qname)?;
    (response.rcode, response.aa, response.kind) = (rcode(kind), true, kind);
    response.truncated = sections.write(response.out).is_err();
    Some(Verdict::Answer)
}

#[cfg(test)]
mod tests;
