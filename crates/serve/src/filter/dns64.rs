//! DNS64: IPv6 addresses for names that have only IPv4 addresses (RFC 6147), so that IPv6-only clients reach them through NAT64.
//!
//! ```text
//! AAAA query ─▶ answer without AAAA ─▶ Ask AAAA and A ─▶ answer with both ─▶ AAAA made of A
//! PTR query for an address below a prefix ─▶ CNAME to the name below in-addr.arpa (§5.3.1)
//! ```
//!
//! Each `[[dns64]]` has a prefix (RFC 6052), the clients that it serves and the IPv4 addresses that it maps. An answer has one AAAA record
//! for each A record and prefix that applies.
//!
//! | rule | RFC |
//! |---|---|
//! | AAAA records in `exclude` (`::ffff:0:0/96` by default) are removed; if all are, the name has none | 6147 §5.1.4 |
//! | A records outside of `mapped` are not translated | 6147 §5.1.4 |
//! | `64:ff9b::/96` does not map addresses that are not global | 6052 §3.1 |
//! | CNAME and DNAME records of the answer stay | 6147 §5.1.5 |
//! | TTL: the least of the A record's and of the negative answer's, at most 600 s without SOA | 6147 §5.1.7 |
//! | a client that sets DO and CD validates itself and gets the answer of the DNS | 6147 §5.5 item 3 |
//! | both answers are validated before anything is made of them; AD is set if both are secure | 6147 §5.5 |
//! | a failed AAAA lookup counts as an empty answer; if nothing can be made then, the response stays SERVFAIL | 6147 §5.1.2, §5.1.3 |
//! | if nothing can be made because the A lookup denies the name, the response denies it | 6147 §5.1 |
//! | but not in a signed zone, where the absence has to be proved, nor if the validation failed | 6147 §5.5 item 2 |
//! | if the A lookup fails, for example because its answer is bogus, the response is SERVFAIL, as BIND and Unbound do | - |
//! | `ipv4only.arpa.` is answered here, so that clients learn the prefix | 7050 §3, 8880 §7.1 |
//!
//! The response carries EDE 29 *Synthesized*. Names in zones of this server, in local data and in locally served zones are translated as well.
//! So are the A records with which a list answers, and the target of its aliases, as in BIND (`policies.rs`); the extended error is that of
//! the list.
//!
//! *Limitations*: the alias of a zone of this server that leads out of it is not translated.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nw_policy::{Acl, Prefix};
use nw_resolve::trace::{self, Layer, NothingMade, Reason};
use nw_wire::{Class, Ede, Name, NameRef, Rcode, RdataSet, RrType, Rrset};

use crate::context::Context;
use crate::filter::Filter;
use crate::plan::{Dns64Plan, Plan};
use crate::response::{Response, ResponseKind};
use crate::route;
use crate::sections::Sections;
use crate::verdict::{Ask, Verdict};

/// TTL of what has no negative answer to take it from, seconds (RFC 6147 §5.1.7).
const MOST_TTL: u32 = 600;

/// A prefix with which IPv4 addresses are embedded in IPv6 addresses (RFC 6052 §2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nat64 {
    prefix: Prefix,
}

impl Nat64 {
    /// Read `64:ff9b::/96`.
    pub fn parse(text: &str) -> Result<Nat64, String> {
        let prefix: Prefix = text.parse().map_err(|error| format!("{error}"))?;
        let IpAddr::V6(first) = prefix.first() else {
            return Err(format!("{text:?} is not an IPv6 prefix"));
        };
        if !matches!(prefix.len(), 32 | 40 | 48 | 56 | 64 | 96) {
            return Err(format!(
                "a NAT64 prefix has 32, 40, 48, 56, 64 or 96 bits (RFC 6052 §2.2), not {}",
                prefix.len()
            ));
        }
        if first.octets()[8] != 0 {
            return Err(format!("{text:?}: bits 64 to 71 of a NAT64 prefix are 0 (RFC 6052 §2.2)"));
        }
        Ok(Nat64 { prefix })
    }

    /// The positions of the four octets of the IPv4 address: octet 8 is skipped.
    fn places(self) -> [usize; 4] {
        let start = usize::from(self.prefix.len()) / 8;
        let mut at = start;
        std::array::from_fn(|_| {
            at += usize::from(at == 8 && start != 12);
            at += 1;
            at - 1
        })
    }

    /// The IPv6 address that stands for *address*.
    pub(crate) fn embed(self, address: Ipv4Addr) -> Ipv6Addr {
        let IpAddr::V6(first) = self.prefix.first() else { unreachable!("`parse` takes IPv6 prefixes only") };
        let mut octets = first.octets();
        for (place, octet) in self.places().into_iter().zip(address.octets()) {
            octets[place] = octet;
        }
        octets.into()
    }

    /// The IPv4 address in *address*. None: it is not below the prefix, or has other bits set.
    pub(crate) fn extract(self, address: Ipv6Addr) -> Option<Ipv4Addr> {
        let octets = address.octets();
        let embedded = Ipv4Addr::from(self.places().map(|place| octets[place]));
        (self.embed(embedded) == address).then_some(embedded)
    }

    /// Whether it is the well-known prefix, which maps global addresses only (RFC 6052 §3.1).
    fn is_well_known(self) -> bool {
        self.prefix.len() == 96
            && self.prefix.first() == IpAddr::V6(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0))
    }
}

/// Whether *address* is global: not in the blocks of RFC 6890 §2.2.2 that are not forwardable beyond one network.
fn is_global(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || a == 0
        || a >= 240
        || a == 100 && b & 0xc0 == 64
        || (a, b, c) == (192, 0, 0)
        || a == 198 && b & 0xfe == 18)
}

/// Makes AAAA records of A records.
pub(crate) struct Dns64 {
    rules: Vec<Dns64Plan>,
}

impl Dns64 {
    /// The filter, if *plan* enables it.
    pub(crate) fn new(plan: &Plan) -> Option<Dns64> {
        (!plan.dns64.is_empty()).then(|| Dns64 { rules: plan.dns64.clone() })
    }

    fn rules(&self, client: IpAddr) -> impl Iterator<Item = &Dns64Plan> {
        self.rules.iter().filter(move |rule| rule.clients.allows(client))
    }

    /// Make AAAA records in *sections*, which hold the answers to A and AAAA. Returns whether there are any, and the A records.
    fn synthesise(&self, context: &Context<'_>, sections: &mut Sections) -> (bool, Vec<Rrset>) {
        let most = sections.authority.iter().filter_map(negative_ttl).min().unwrap_or(MOST_TTL);
        let mut answer: Vec<Rrset> = Vec::new();
        let (mut made, mut of) = (false, Vec::new());
        for set in sections.answer.drain(..) {
            let repeats = |other: &Rrset| other.rtype == set.rtype && other.owner == set.owner;
            match set.rtype {
                RrType::A => {
                    let mapped = mapped(self.rules(context.client_ip()), &set, most);
                    made |= !mapped.rdatas.is_empty();
                    answer.push(mapped);
                    of.push(set);
                }
                // Both lookups return the aliases, and the AAAA lookup only excluded addresses.
                RrType::AAAA => {}
                RrType::RRSIG => {
                    let mut kept = RdataSet::new();
                    set.rdatas
                        .iter()
                        .filter(|rdata| !covers_address(rdata))
                        .for_each(|rdata| kept.push(rdata));
                    if !kept.is_empty() && !answer.iter().any(repeats) {
                        answer.push(Rrset { rdatas: kept, ..set });
                    }
                }
                _ if answer.iter().any(repeats) => {}
                _ => answer.push(set),
            }
        }
        answer.retain(|set| !set.rdatas.is_empty());
        sections.answer = answer;
        if made {
            sections.authority.clear();
        }
        (made, of)
    }

    /// Whether the AAAA record *rdata* counts as absent for the client.
    fn excludes(&self, client: IpAddr, rdata: &[u8]) -> bool {
        let address = <[u8; 16]>::try_from(rdata).map(Ipv6Addr::from);
        // A mapped address counts as IPv6 here.
        address.is_ok_and(|address| {
            self.rules(client).any(|rule| rule.exclude.iter().any(|one| one.contains(address.into())))
        })
    }

    /// Remove excluded AAAA records. Returns whether the answer has others.
    fn has_usable(&self, context: &Context<'_>, response: &mut Response<'_, '_>) -> bool {
        let excluded = |rdata: &[u8]| self.excludes(context.client_ip(), rdata);
        let (mut usable, mut bad) = (false, false);
        let mut next = response.rrset_after(None);
        while let Some(run) = next.filter(|run| run.section == nw_wire::Section::Answer) {
            if run.rtype == RrType::AAAA {
                usable |= response.rdata(&run).any(|rdata| !excluded(rdata));
                bad |= response.rdata(&run).any(excluded);
            }
            next = response.rrset_after(Some(&run));
        }
        if usable
            && bad
            && let Some(mut sections) = response.sections()
        {
            for set in sections.answer.iter_mut().filter(|set| set.rtype == RrType::AAAA) {
                let mut kept = RdataSet::new();
                set.rdatas.iter().filter(|rdata| !excluded(rdata)).for_each(|rdata| kept.push(rdata));
                set.rdatas = kept;
            }
            sections.answer.retain(|set| !set.rdatas.is_empty());
            response.replace(&sections);
        }
        usable
    }
}

/// The AAAA records that *rules* make of the A records *set*, with a TTL of at most *most*.
fn mapped<'r>(rules: impl Iterator<Item = &'r Dns64Plan>, set: &Rrset, most: u32) -> Rrset {
    let mut made = Rrset::new(set.owner.clone(), RrType::AAAA, Class::IN, set.ttl.min(most));
    let learning =
        set.owner.as_ref() == NameRef::from_wire(b"\x08ipv4only\x04arpa\0").expect("a literal name");
    for rule in rules {
        for address in addresses(set) {
            let global = !rule.prefix.is_well_known() || is_global(address) || learning;
            if global && rule.mapped.allows(address.into()) {
                made.rdatas.push(&rule.prefix.embed(address).octets());
            }
        }
    }
    made
}

/// The addresses of the A records *set*.
fn addresses(set: &Rrset) -> impl Iterator<Item = Ipv4Addr> {
    set.rdatas.iter().filter_map(|rdata| <[u8; 4]>::try_from(rdata).ok()).map(Ipv4Addr::from)
}

/// Show in an explanation what *rules* made of the A records *of*.
fn explain_made<'r>(context: &Context<'_>, rules: impl Iterator<Item = &'r Dns64Plan>, of: &[Rrset]) {
    context.step(|| {
        let (mut made, mut prefixes) = (Vec::new(), Vec::new());
        for rule in rules {
            for set in of {
                let one = mapped(std::iter::once(rule), set, 0);
                let one = one.rdatas.iter().filter_map(|rdata| <[u8; 16]>::try_from(rdata).ok());
                let pairs =
                    one.map(Ipv6Addr::from).filter_map(|aaaa| Some((rule.prefix.extract(aaaa)?, aaaa)));
                made.extend(pairs);
            }
            prefixes.push(rule.prefix.prefix.to_string());
        }
        (Layer::Filter, Reason::Dns64(Box::new(trace::Dns64::Made { addresses: made, prefixes })))
    });
}

/// Show in an explanation why nothing is made.
fn explain_nothing(context: &Context<'_>, why: impl FnOnce() -> NothingMade) {
    context.step(|| (Layer::Filter, Reason::Dns64(Box::new(trace::Dns64::Nothing(why())))));
}

/// Whether the client of *context* asks for AAAA records, and gets those that are made of A records.
pub(crate) fn applies(context: &Context<'_>) -> bool {
    let query = context.query;
    let validates = query.dnssec_ok() && query.flags.cd();
    let mut rules = context.snapshot().plan().dns64.iter();
    query.qtype == RrType::AAAA && !validates && rules.any(|rule| rule.clients.allows(context.client_ip()))
}

/// The AAAA records for *owner* that are made of the A records among *sets*, which a list answers with. None: there are none.
#[cold]
pub(crate) fn of_records(context: &Context<'_>, owner: NameRef<'_>, sets: &[Rrset]) -> Option<Rrset> {
    let set = sets.iter().find(|set| set.rtype == RrType::A)?;
    made_of(context, &Rrset { owner: owner.to_name(), ..set.clone() })
}

/// *answer*, with AAAA records in place of its A records. None: none can be made.
#[cold]
pub(crate) fn of_answer(context: &Context<'_>, mut answer: Vec<Rrset>) -> Option<Vec<Rrset>> {
    let set = answer.iter_mut().find(|set| set.rtype == RrType::A)?;
    *set = made_of(context, set)?;
    Some(answer)
}

fn made_of(context: &Context<'_>, set: &Rrset) -> Option<Rrset> {
    if !applies(context) {
        return None;
    }
    let rules = context.snapshot().plan().dns64.iter();
    let rules = rules.filter(|rule| rule.clients.allows(context.client_ip()));
    let made = mapped(rules.clone(), set, MOST_TTL);
    if made.rdatas.is_empty() {
        return None;
    }
    explain_made(context, rules, std::slice::from_ref(set));
    Some(made)
}

/// The name of the filter.
const NAME: &str = "dns64";

/// The TTL of the negative answer that the SOA *set* belongs to (RFC 2308 §5).
fn negative_ttl(set: &Rrset) -> Option<u32> {
    let rdata = set.rdatas.first().filter(|_| set.rtype == RrType::SOA)?;
    let minimum = u32::from_be_bytes(*rdata.last_chunk()?);
    Some(set.ttl.min(minimum))
}

/// Whether the RRSIG *rdata* covers addresses.
fn covers_address(rdata: &[u8]) -> bool {
    let covered = rdata.first_chunk().map(|octets| RrType(u16::from_be_bytes(*octets)));
    matches!(covered, Some(RrType::A | RrType::AAAA))
}

impl Filter for Dns64 {
    fn name(&self) -> &'static str {
        NAME
    }

    fn apply(&self, context: &Context<'_>, response: &mut Response<'_, '_>) -> Verdict {
        let query = context.query;
        let looked_up = matches!(response.kind, ResponseKind::Cached | ResponseKind::Resolved);
        let failed = response.rcode == Rcode::SERVFAIL && response.kind == ResponseKind::Resolved;
        if query.qtype != RrType::AAAA
            || query.qclass != Class::IN
            || matches!(response.kind, ResponseKind::Refused | ResponseKind::Error | ResponseKind::Referral)
        {
            return Verdict::Continue;
        }
        if let Some(why) = self.never(context, response.rcode, failed) {
            explain_nothing(context, || why);
            return Verdict::Continue;
        }
        let mut sections = if context.second.is_some() {
            // Between the first answer and this one, the name may have got an address.
            let usable = self.has_usable(context, response);
            let Some(mut sections) = response.sections() else { return Verdict::Continue };
            if usable {
                sections.answer.retain(|set| set.rtype != RrType::A);
                response.replace(&sections);
                explain_nothing(context, || NothingMade::HasAaaa);
                return Verdict::Continue;
            }
            sections
        } else {
            if self.has_usable(context, response) {
                explain_nothing(context, || NothingMade::HasAaaa);
                return Verdict::Continue;
            }
            if looked_up {
                let ask = |rtype| route::question_of(query, query.qname.to_name(), rtype);
                let failed = failed.then_some(response.rcode);
                context.step(|| {
                    let excluded = self.excluded(context, response);
                    (Layer::Filter, Reason::Dns64(Box::new(trace::Dns64::LooksUpA { excluded, failed })))
                });
                return Verdict::Ask(Box::new(Ask {
                    second: Some(ask(RrType::A)),
                    ..Ask::new(ask(RrType::AAAA))
                }));
            }
            let Some(mut sections) = response.sections() else { return Verdict::Continue };
            let Some(found) = route::known(context, RrType::A) else { return Verdict::Continue };
            sections.answer.extend(found.answer);
            sections
        };
        if let Some(second) = context.second {
            let unproved = failed && !second.may_be_absent;
            if unproved || !matches!(second.rcode, Rcode::NOERROR | Rcode::NXDOMAIN) {
                // An empty answer would say that the name has no address.
                response.replace(&Sections::default());
                response.rcode = Rcode::SERVFAIL;
                explain_nothing(context, || match second.rcode {
                    Rcode::NOERROR | Rcode::NXDOMAIN => NothingMade::Unproved,
                    rcode => NothingMade::NoAnswer(rcode),
                });
                return Verdict::Continue;
            }
        }
        let secure = response.ad;
        let (made, of) = self.synthesise(context, &mut sections);
        response.truncated = false;
        response.replace(&sections);
        if made {
            response.ad = secure;
            response.rcode = Rcode::NOERROR;
            response.kind = if context.second.is_some() { response.kind } else { ResponseKind::Answer };
            let prefixes = self.rules(context.client_ip()).map(|rule| rule.prefix.prefix.to_string());
            let prefixes = prefixes.collect::<Vec<_>>().join(" and ");
            response.note(
                Ede::SYNTHESIZED,
                format!("[[dns64]] made the AAAA records of A records (prefix {prefixes})"),
            );
            explain_made(context, self.rules(context.client_ip()), &of);
        } else {
            if context.second.is_some_and(|second| second.rcode == Rcode::NXDOMAIN) {
                response.rcode = Rcode::NXDOMAIN;
            }
            explain_nothing(context, || match of.is_empty() {
                true => NothingMade::NoA,
                false => NothingMade::NotMapped(of.iter().flat_map(addresses).collect()),
            });
        }
        Verdict::Continue
    }
}

impl Dns64 {
    /// Why nothing is made for the client, whatever addresses the name has.
    fn never(&self, context: &Context<'_>, rcode: Rcode, failed: bool) -> Option<NothingMade> {
        let query = context.query;
        if self.rules(context.client_ip()).next().is_none() {
            Some(NothingMade::OtherClient)
        } else if query.dnssec_ok() && query.flags.cd() {
            Some(NothingMade::ClientValidates)
        } else {
            (rcode != Rcode::NOERROR && !failed).then_some(NothingMade::NoSuchName)
        }
    }

    /// The AAAA records of *response* that count as absent.
    fn excluded(&self, context: &Context<'_>, response: &Response<'_, '_>) -> Vec<Ipv6Addr> {
        let Some(sections) = response.sections() else { return Vec::new() };
        let sets = sections.answer.iter().filter(|set| set.rtype == RrType::AAAA);
        let rdatas = sets.flat_map(|set| set.rdatas.iter());
        let excluded = rdatas.filter(|rdata| self.excludes(context.client_ip(), rdata));
        excluded.filter_map(|rdata| <[u8; 16]>::try_from(rdata).ok()).map(Ipv6Addr::from).collect()
    }
}

/// Where the PTR query of *context* leads: below in-addr.arpa, if its name stands for an embedded address of a prefix that serves the
/// client; and for an explanation, what it stands for. None: nowhere else.
#[cold]
pub(crate) fn reverse(context: &Context<'_>) -> Option<(Rrset, Name, trace::Dns64)> {
    let address = address_of(context.query.qname)?;
    let rules = context.snapshot().plan().dns64.iter();
    let mut served = rules.filter(|rule| rule.clients.allows(context.client_ip()));
    let (embedded, prefix) =
        served.find_map(|rule| Some((rule.prefix.extract(address)?, rule.prefix.prefix.to_string())))?;
    let target = crate::local_data::reverse_name(embedded.into());
    let mut alias = Rrset::new(context.query.qname.to_name(), RrType::CNAME, Class::IN, MOST_TTL);
    alias.rdatas.push(target.as_ref().wire());
    Some((alias, target, trace::Dns64::Reverse { embedded, prefix }))
}

/// The address whose reverse name below ip6.arpa *name* is (RFC 3596 §2.5).
fn address_of(name: NameRef<'_>) -> Option<Ipv6Addr> {
    let ip6 = NameRef::from_wire(b"\x03ip6\x04arpa\0").expect("a literal name");
    if name.label_count() != 34 || !name.is_below(ip6) {
        return None;
    }
    let mut bits = 0u128;
    for (at, label) in name.labels().take(32).enumerate() {
        let [digit] = label else { return None };
        bits |= u128::from(char::from(*digit).to_digit(16)?) << (4 * at);
    }
    Some(Ipv6Addr::from_bits(bits))
}

/// The AAAA records that are excluded unless the settings say otherwise (RFC 6147 §5.1.4).
pub(crate) fn default_exclude() -> Vec<Prefix> {
    vec![Prefix::new("::ffff:0:0".parse().expect("an address"), 96).expect("no host bits")]
}

/// The IPv4 addresses that are mapped unless the settings say otherwise.
pub(crate) fn default_mapped() -> Acl {
    Acl::any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_embedded_as_in_the_table_of_rfc_6052() {
        let address = Ipv4Addr::new(192, 0, 2, 33);
        for (prefix, expected) in [
            ("2001:db8::/32", "2001:db8:c000:221::"),
            ("2001:db8:100::/40", "2001:db8:1c0:2:21::"),
            ("2001:db8:122::/48", "2001:db8:122:c000:2:2100::"),
            ("2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"),
            ("2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100::"),
            ("2001:db8:122:344::/96", "2001:db8:122:344::192.0.2.33"),
        ] {
            let nat64 = Nat64::parse(prefix).unwrap();
            let embedded = nat64.embed(address);
            assert_eq!(embedded, expected.parse::<Ipv6Addr>().unwrap(), "{prefix}");
            assert_eq!(nat64.extract(embedded), Some(address), "{prefix}");
            assert_eq!(nat64.extract("2001:db9::1".parse().unwrap()), None, "{prefix}");
        }
    }

    #[test]
    fn prefixes_of_other_lengths_are_errors() {
        for (text, expected) in [
            ("10.0.0.0/8", "not an IPv6 prefix"),
            ("2001:db8::/33", "has 32, 40, 48, 56, 64 or 96 bits"),
            ("2001:db8:0:0:100::/96", "bits 64 to 71"),
            ("2001:db8::1/96", "host bits"),
        ] {
            let error = Nat64::parse(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn reverse_names_are_read() {
        let address: Ipv6Addr = "64:ff9b::c000:221".parse().unwrap();
        let name = crate::local_data::reverse_name(address.into());
        assert_eq!(address_of(name.as_ref()), Some(address));
        assert_eq!(address_of("1.0.ip6.arpa.".parse::<Name>().unwrap().as_ref()), None);
    }
}
