//! Response policy zones (draft-vixie-dnsop-dns-rpz): a policy as a zone, which publishers distribute by zone transfer.
//!
//! | owner, without the name of the zone | trigger |
//! |---|---|
//! | `example.com`, `*.example.com` | the queried name, or a name of its alias chain |
//! | `32.1.2.0.192.rpz-client-ip` | the address of the client |
//! | `24.0.2.0.192.rpz-ip`, `32.zz.db8.2001.rpz-ip` | an address in the answer |
//! | `ns.example.com.rpz-nsdname`, `*.example.com.rpz-nsdname` | a name server on the way from the root to the name |
//! | `24.0.2.0.192.rpz-nsip` | an address of such a name server |
//!
//! | data | action |
//! |---|---|
//! | `CNAME .` | NXDOMAIN |
//! | `CNAME *.` | no data |
//! | `CNAME rpz-passthru.`, or the name of the trigger | the answer stays, no further rule applies |
//! | `CNAME rpz-drop.` | no response |
//! | `CNAME rpz-tcp-only.` | TC over UDP |
//! | `CNAME *.example.net` | an alias to the queried name below `example.net`; YXDOMAIN if that is too long |
//! | anything else | these records |
//!
//! Wildcards are those of DNS (RFC 4592), as in BIND: `*.example.com` does not apply to names that the policy zone holds, nor to names
//! below these.
//!
//! The name servers are those of the delegations that the lookup followed (`nw-cache`, `path.rs`), as the parents name them. Names that
//! are forwarded have none.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nw_wire::{Name, NameRef, RrType, Rrset};
use nw_zone::Zone;

use crate::lists::MOST_FINDINGS;
use crate::matcher::{Matcher, NameBatch, NameRules};
use crate::prefix::Prefix;
use crate::prefixes::PrefixMap;
use crate::rules::{Action, FIRST_RULE, NO_WILDCARD, Rules};

/// The last labels of triggers that are not names.
const TRIGGERS: [&[u8]; 4] = [b"rpz-client-ip", b"rpz-ip", b"rpz-nsdname", b"rpz-nsip"];

/// The rules of a policy zone. The number of a rule is its position in `actions`, plus 2.
#[derive(Debug)]
pub struct ReadRpz {
    /// Rules for names.
    pub names: NameBatch,
    /// Rules for names of name servers.
    pub servers: NameBatch,
    /// Rules for addresses of name servers.
    pub server_addresses: Vec<(Prefix, u32)>,
    /// Rules for addresses of clients.
    pub clients: Vec<(Prefix, u32)>,
    /// Rules for addresses in answers.
    pub addresses: Vec<(Prefix, u32)>,
    /// The different actions.
    pub actions: Vec<Action>,
    /// The first rules without effect, by their owner without the name of the zone, and why.
    pub faults: Vec<(String, String)>,
    /// The number of rules without effect.
    pub fault_count: usize,
    /// The first rules that probably mean something else, in the same way.
    pub warnings: Vec<(String, String)>,
    /// The number of rules with effect.
    pub count: usize,
    /// The SOA RRset of the zone.
    pub soa: Option<Rrset>,
    /// The names that were added last: of a chain, of a name server.
    last: [Name; 2],
}

/// Read the rules of *zone*.
pub fn read(zone: &Zone) -> ReadRpz {
    read_reporting(zone, MOST_FINDINGS)
}

/// Do the same, and keep at most *most* faults and warnings.
pub fn read_reporting(zone: &Zone, most: usize) -> ReadRpz {
    let mut read = ReadRpz::new(zone.rrset(zone.apex(), RrType::SOA));
    let mut known = HashMap::new();
    for node in zone.nodes() {
        let owner = node.owner();
        if owner == zone.apex() {
            continue;
        }
        let sets = node.rrsets().filter(|set| {
            !matches!(set.rtype, RrType::RRSIG | RrType::NSEC | RrType::NSEC3 | RrType::DNSKEY | RrType::DS)
        });
        let sets: Vec<Rrset> = sets.collect();
        if sets.is_empty() {
            continue;
        }
        let trigger = owner.with_suffix(zone.apex(), NameRef::ROOT).and_then(Result::ok);
        let shown =
            || trigger.as_ref().map_or_else(|| owner.to_string(), |trigger| trigger.as_ref().to_string());
        if let Some(warning) = without_dot(zone.apex(), &sets)
            && read.warnings.len() < most
        {
            read.warnings.push((shown(), warning));
        }
        if let Err(fault) = read.add(owner, zone.apex(), sets, &mut known) {
            read.fault_count += 1;
            if read.faults.len() < most {
                read.faults.push((shown(), fault.to_owned()));
            }
        }
    }
    read
}

/// What is wrong with an action that is written without its final dot, so that it is a name of the zone.
fn without_dot(apex: NameRef<'_>, sets: &[Rrset]) -> Option<String> {
    let alias = sets.iter().find(|set| set.rtype == RrType::CNAME)?;
    let (target, _) = NameRef::read(alias.rdatas.first()?).ok()?;
    let label = target.labels().next()?.to_ascii_lowercase();
    let action = label.starts_with(b"rpz-") && target.parent() == Some(apex);
    action.then(|| {
        let label = label.escape_ascii();
        format!("the rule is an alias for {target}; end the action with a dot: CNAME {label}.")
    })
}

impl ReadRpz {
    fn new(soa: Option<Rrset>) -> ReadRpz {
        ReadRpz {
            names: NameBatch::new(),
            servers: NameBatch::new(),
            server_addresses: Vec::new(),
            clients: Vec::new(),
            addresses: Vec::new(),
            actions: Vec::new(),
            faults: Vec::new(),
            fault_count: 0,
            warnings: Vec::new(),
            count: 0,
            soa,
            last: [Name::root(), Name::root()],
        }
    }

    /// The rules of the zone. Returns None if the names are too many.
    pub fn into_rules(self, threads: usize) -> Option<Rules> {
        Some(Rules {
            names: Matcher::build(vec![self.names], threads)?,
            servers: Matcher::build(vec![self.servers], threads)?,
            server_addresses: PrefixMap::new(self.server_addresses),
            clients: PrefixMap::new(self.clients),
            addresses: PrefixMap::new(self.addresses),
            actions: self.actions,
            count: self.count,
            soa: self.soa,
        })
    }

    fn add(
        &mut self,
        owner: NameRef<'_>,
        apex: NameRef<'_>,
        sets: Vec<Rrset>,
        known: &mut HashMap<Vec<u8>, u32>,
    ) -> Result<(), &'static str> {
        let trigger = owner.with_suffix(apex, NameRef::ROOT).and_then(Result::ok).ok_or("not in the zone")?;
        let trigger = trigger.as_ref();
        let last = trigger.labels().last().unwrap_or_default();
        let special = TRIGGERS.iter().find(|kind| last.eq_ignore_ascii_case(kind));
        let number = match action(trigger, &sets)? {
            Action::Data(sets) => {
                // Many names have the same data.
                let key = format!("{sets:?}").into_bytes();
                *known.entry(key).or_insert_with(|| number_of(&mut self.actions, Action::Data(sets)))
            }
            simple => match self.actions.iter().position(|known| *known == simple) {
                Some(at) => at as u32 + FIRST_RULE,
                None => number_of(&mut self.actions, simple),
            },
        };
        match special.copied() {
            Some(b"rpz-client-ip") => self.clients.push((block(trigger)?, number)),
            Some(b"rpz-ip") => self.addresses.push((block(trigger)?, number)),
            Some(b"rpz-nsip") => self.server_addresses.push((block(trigger)?, number)),
            None => self.add_name(0, trigger, number)?,
            Some(kind) => {
                let named = trigger.with_suffix(trigger.suffix(1), NameRef::ROOT).and_then(Result::ok);
                let named = named.filter(|named| !named.as_ref().is_root());
                debug_assert_eq!(kind, b"rpz-nsdname");
                self.add_name(1, named.ok_or("no name before rpz-nsdname")?.as_ref(), number)?;
            }
        }
        self.count += 1;
        Ok(())
    }

    /// Add the rule *number* for *trigger*: a name of a chain (0) or of a name server (1).
    fn add_name(&mut self, of: usize, trigger: NameRef<'_>, number: u32) -> Result<(), &'static str> {
        let names = if of == 0 { &mut self.names } else { &mut self.servers };
        let last = &mut self.last[of];
        let below = trigger.is_wildcard();
        let name = if below { trigger.parent().unwrap_or(NameRef::ROOT) } else { trigger };
        let (own, below) = if below { (NO_WILDCARD, number) } else { (number, NO_WILDCARD) };
        let mut fits = names.add(name, NameRules { own, below });
        // Names above exist, too. Nodes come in canonical order, so that those above the former name are known.
        let mut above = name.parent();
        while let Some(at) = above.filter(|at| !at.is_root() && !last.as_ref().is_at_or_below(*at)) {
            fits &= names.add(at, NameRules { own: NO_WILDCARD, below: NO_WILDCARD });
            above = at.parent();
        }
        *last = name.to_name();
        if fits { Ok(()) } else { Err("there are more names than fit") }
    }
}

fn number_of(actions: &mut Vec<Action>, action: Action) -> u32 {
    actions.push(action);
    actions.len() as u32 - 1 + FIRST_RULE
}

/// The action of the data of *trigger*.
fn action(trigger: NameRef<'_>, sets: &[Rrset]) -> Result<Action, &'static str> {
    let alias = sets.iter().find(|set| set.rtype == RrType::CNAME);
    let target = alias.and_then(|set| Some((Name::from_wire(set.rdatas.first()?).ok()?, set.ttl)));
    let Some((target, ttl)) = target else {
        let bare = |set: &Rrset| Rrset { owner: Name::root(), ..set.clone() };
        return Ok(Action::Data(sets.iter().map(bare).collect()));
    };
    let to = target.as_ref();
    let label = to.labels().last().unwrap_or_default().to_ascii_lowercase();
    let action = match (to.label_count(), &*label) {
        (0, _) => Action::Nxdomain,
        (1, b"*") => Action::Nodata,
        (1, b"rpz-passthru") => Action::Passthru,
        (1, b"rpz-drop") => Action::Drop,
        (1, b"rpz-tcp-only") => Action::TcpOnly,
        (1, label) if label.starts_with(b"rpz-") => {
            return Err("the action is not known; the rule has no effect");
        }
        _ if to == trigger => Action::Passthru,
        _ if to.is_wildcard() => Action::Below(to.parent().unwrap_or(NameRef::ROOT).to_name(), ttl),
        _ => Action::Alias(target, ttl),
    };
    Ok(action)
}

/// The owner of a rule for *block*, without the label of its kind: the reverse of [`block`].
pub(crate) fn owner(block: Prefix) -> String {
    let mut parts: Vec<String> = match block.first() {
        IpAddr::V4(v4) => v4.octets().iter().map(u8::to_string).collect(),
        IpAddr::V6(v6) => {
            // The longest run of zeros is `zz`, as `::` in the text of an address (RFC 5952 §4.2).
            let text = v6.segments().map(|part| format!("{part:x}"));
            let (mut from, mut most) = (0, 0);
            for start in 0..text.len() {
                let run = text[start..].iter().take_while(|part| *part == "0").count();
                if run > most {
                    (from, most) = (start, run);
                }
            }
            let short = [&text[..from], &["zz".to_owned()], &text[from + most..]].concat();
            if most > 1 { short } else { text.to_vec() }
        }
    };
    parts.push(block.len().to_string());
    parts.reverse();
    parts.join(".")
}

/// The address block of a trigger: the length of the prefix, then the parts of the address, the last one first.
fn block(trigger: NameRef<'_>) -> Result<Prefix, &'static str> {
    const WRONG: &str = "not an address block: expected LENGTH.ADDRESS, its parts in reverse order";
    let labels: Vec<&str> =
        trigger.labels().map(std::str::from_utf8).collect::<Result<_, _>>().map_err(|_| WRONG)?;
    let (&[length, ref parts @ ..], _) = labels.split_at(labels.len() - 1) else { return Err(WRONG) };
    let length: u8 = length.parse().map_err(|_| WRONG)?;
    let mut parts: Vec<&str> = parts.to_vec();
    parts.reverse();
    let address: IpAddr = if parts.len() == 4 && parts.iter().all(|part| part.parse::<u8>().is_ok()) {
        parts.join(".").parse::<Ipv4Addr>().map_err(|_| WRONG)?.into()
    } else {
        let text = parts.iter().map(|part| if part.eq_ignore_ascii_case("zz") { "" } else { part });
        let mut text = text.collect::<Vec<_>>().join(":");
        // `::` at an end has two colons there, and alone it is the whole address.
        if text.is_empty() || text.starts_with(':') {
            text.insert(0, ':');
        }
        if text.ends_with(':') {
            text.push(':');
        }
        text.parse::<Ipv6Addr>().map_err(|_| WRONG)?.into()
    };
    Prefix::new(address, length).map_err(|_| "the address has bits beyond the length of the prefix")
}

#[cfg(test)]
mod tests;
