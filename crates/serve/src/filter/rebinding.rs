//! Protection from DNS rebinding: names of the public DNS have no private addresses.
//!
//! A page at `evil.example` may talk to `evil.example` only. Its owner changes the address to 192.168.1.1, and the browser talks to
//! a router inside of the network instead. This filter removes such addresses from what was looked up:
//!
//! | record | what is removed |
//! |---|---|
//! | A, AAAA | the record; also an AAAA with an embedded private IPv4 address: mapped, compatible, 6to4, NAT64 |
//! | HTTPS, SVCB | the address in `ipv4hint` or `ipv6hint` |
//!
//! An answer is trusted if every name of its alias chain is: a name at or below one in `allow`, a name in a zone of this server, in local
//! data, in a locally served zone, or at or below the suffix of a `[[forward]]` other than the root. So a public alias to a private name
//! of this server is as bad as a private address.
//!
//! The client gets what is left, with EDE 15 and the name and address as text. `action = "refuse"` refuses the answer instead. Lookups and
//! cache hits pass the filter alike.
//!
//! **Off by default**: DNS block lists answer with addresses in 127.0.0.0/8 below public names, and many networks publish private addresses
//! of their own hosts. Both would break without a word in `allow`
//! ([decision 191](../../../../docs/decisions/0191-rebinding-protection-is-off.md)).
//!
//! *Limitations*: an answer without a signature any more is not authentic, so that a validating client rejects it: for it, that is a
//! refusal.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nw_policy::Acl;
use nw_resolve::trace::{self, Layer, Reason};
use nw_wire::{Ede, Name, NameRef, Rcode, RdataSet, RrType, Rrset, Section};

use crate::context::Context;
use crate::filter::{Filter, hints};
use crate::plan::{Plan, RebindingPlan};
use crate::response::{Response, ResponseKind};
use crate::sections::Sections;
use crate::verdict::Verdict;

/// Removes private addresses of public names.
pub(crate) struct Rebinding {
    private: Acl,
    refuse: bool,
    /// Where the protection is turned on: file and line.
    source: String,
    /// Names that may have private addresses, with those below.
    trusted: Vec<Name>,
    /// NAT64 prefixes of `[[dns64]]`.
    nat64: Vec<super::dns64::Nat64>,
}

impl Rebinding {
    /// The filter, if *plan* enables it.
    pub(crate) fn new(plan: &Plan) -> Option<Rebinding> {
        let RebindingPlan { private, allow, refuse, source } = plan.rebinding.as_ref()?;
        let forwards = plan.resolver.iter().flat_map(|resolver| &resolver.config.forwards);
        let suffixes = forwards.map(|forward| &forward.suffix).filter(|suffix| !suffix.as_ref().is_root());
        Some(Rebinding {
            private: private.clone(),
            refuse: *refuse,
            source: source.clone(),
            trusted: allow.iter().chain(suffixes).cloned().collect(),
            nat64: plan.dns64.iter().map(|rule| rule.prefix).collect(),
        })
    }

    /// Whether *address* or an address embedded in it is private.
    fn is_private(&self, address: IpAddr) -> bool {
        // `Acl::allows` reads mapped addresses as IPv4.
        self.private.allows(address)
            || matches!(address, IpAddr::V6(v6) if self.embedded(v6).any(|v4| self.private.allows(v4.into())))
    }

    /// The IPv4 addresses to which *address* leads.
    fn embedded(&self, address: Ipv6Addr) -> impl Iterator<Item = Ipv4Addr> {
        let octets = address.octets();
        let at = move |from: usize| {
            Ipv4Addr::new(octets[from], octets[from + 1], octets[from + 2], octets[from + 3])
        };
        // RFC 4291 §2.5.5.1; :: and ::1 are addresses of their own. RFC 3056 §2, RFC 6052 §2.1, RFC 8215 §3.
        let compatible = octets[..12] == [0; 12] && address.to_bits() > 1;
        let six_to_four = octets[..2] == [0x20, 0x02];
        let well_known = octets[..12] == [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0]
            || octets[..6] == [0, 0x64, 0xff, 0x9b, 0, 1];
        let own = self.nat64.iter().filter_map(move |nat64| nat64.extract(address));
        let fixed = [(compatible, 12), (six_to_four, 2), (well_known, 12)];
        fixed.into_iter().filter(|(is, _)| *is).map(move |(_, from)| at(from)).chain(own)
    }

    fn is_bad(&self, rtype: RrType, rdata: &[u8]) -> Option<IpAddr> {
        let own = match rtype {
            RrType::A => <[u8; 4]>::try_from(rdata).ok().map(IpAddr::from),
            RrType::AAAA => <[u8; 16]>::try_from(rdata).ok().map(IpAddr::from),
            RrType::HTTPS | RrType::SVCB => hints::addresses(rdata).find(|address| self.is_private(*address)),
            _ => None,
        };
        own.filter(|address| self.is_private(*address))
    }

    /// Whether the operator vouches for *name*.
    fn is_trusted(&self, context: &Context<'_>, name: NameRef<'_>) -> bool {
        let snapshot = context.snapshot();
        self.trusted.iter().any(|suffix| name.is_at_or_below(suffix.as_ref()))
            || name.suffix(1).first_label().is_some_and(|top| top.eq_ignore_ascii_case(b"localhost"))
            || snapshot.find_zone(context.view(), name, RrType::A).is_some()
            || context.local_data().is_some_and(|data| data.find(name, RrType::A).is_some())
            || snapshot.local_zones().is_some_and(|zones| zones.contains(name))
    }

    #[cold]
    fn remove(&self, context: &Context<'_>, response: &mut Response<'_, '_>) -> Verdict {
        let Some(mut sections) = response.sections() else { return Verdict::Continue };
        let chain =
            sections.answer.iter().filter(|set| set.rtype != RrType::RRSIG).map(|set| set.owner.as_ref());
        if chain.chain([context.query.qname]).all(|name| self.is_trusted(context, name)) {
            return Verdict::Continue;
        }
        let mut addresses = Vec::new();
        let mut owner = None;
        let Sections { answer, additional, .. } = &mut sections;
        for set in answer.iter_mut().chain(additional) {
            let bad = self.strip(set);
            // What is reported belongs to one name.
            if !bad.is_empty() && *owner.get_or_insert_with(|| set.owner.clone()) == set.owner {
                addresses.extend(bad);
            }
        }
        let Some(owner) = owner else { return Verdict::Continue };
        let what = trace::Rebinding { owner, addresses, refused: self.refuse, source: self.source.clone() };
        let text = what.to_string();
        let reason = Reason::Rebinding(Box::new(what));
        context.step(|| (Layer::Filter, reason.clone()));
        if self.refuse {
            response.refuse(Rcode::REFUSED);
        } else {
            for section in [&mut sections.answer, &mut sections.additional] {
                section.retain(|set| !set.rdatas.is_empty());
            }
            response.replace(&sections);
        }
        response.note_because(Ede::BLOCKED, text, reason);
        if self.refuse { Verdict::Answer } else { Verdict::Continue }
    }

    /// Remove the private addresses of *set*, and return them: one for each record.
    fn strip(&self, set: &mut Rrset) -> Vec<IpAddr> {
        let bad: Vec<IpAddr> = set.rdatas.iter().filter_map(|rdata| self.is_bad(set.rtype, rdata)).collect();
        if bad.is_empty() {
            return bad;
        }
        let mut kept = RdataSet::new();
        for rdata in set.rdatas.iter() {
            match (set.rtype, self.is_bad(set.rtype, rdata)) {
                (_, None) => kept.push(rdata),
                (RrType::HTTPS | RrType::SVCB, Some(_)) => {
                    if let Some(rdata) = hints::without(rdata, |address| self.is_private(address)) {
                        kept.push(&rdata);
                    }
                }
                _ => {}
            }
        }
        set.rdatas = kept;
        bad
    }
}

impl Filter for Rebinding {
    fn name(&self) -> &'static str {
        "rebinding"
    }

    fn apply(&self, context: &Context<'_>, response: &mut Response<'_, '_>) -> Verdict {
        if !matches!(response.kind, ResponseKind::Cached | ResponseKind::Resolved) {
            return Verdict::Continue;
        }
        let mut next = response.rrset_after(None);
        while let Some(run) = next {
            if run.section != Section::Authority
                && response.rdata(&run).any(|rdata| self.is_bad(run.rtype, rdata).is_some())
            {
                return self.remove(context, response);
            }
            next = response.rrset_after(Some(&run));
        }
        Verdict::Continue
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn embedded_addresses_count() {
        let nat64 = super::super::dns64::Nat64::parse("2001:db8:64::/56").unwrap();
        let filter = Rebinding {
            private: Acl::parse(&["10.0.0.0/8", "0.0.0.0/8", "::/128", "::1/128", "fc00::/7"]).unwrap(),
            refuse: false,
            source: String::new(),
            trusted: Vec::new(),
            nat64: vec![nat64],
        };
        let own = nat64.embed(Ipv4Addr::new(10, 1, 2, 3)).to_string();
        for bad in [
            "10.0.0.1",
            "0.0.0.0",
            "::ffff:10.0.0.1",
            "::10.0.0.1",
            "2002:0a00:0001::",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::10.0.0.1",
            "fd00::1",
            "::",
            "::1",
            &own,
        ] {
            assert!(filter.is_private(bad.parse().unwrap()), "{bad}");
        }
        for good in
            ["192.0.2.1", "::ffff:192.0.2.1", "2002:c000:0201::", "64:ff9b::192.0.2.1", "2001:db8::a00:1"]
        {
            assert!(!filter.is_private(good.parse().unwrap()), "{good}");
        }
    }
}
