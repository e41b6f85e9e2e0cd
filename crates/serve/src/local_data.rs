//! Local data: what the operator wants answered here, whatever the DNS holds.
//!
//! | source | setting | content |
//! |---|---|---|
//! | hosts file | `[[hosts]]` | A and AAAA for each name of a line, PTR for its first name |
//! | local records | `records` of `[[local]]` | records of any type at single names, without a zone |
//! | local zones | `type` of `[[local]]` | what names without records get |
//!
//! Records take precedence over every rule. For other names, the rule of the closest `[[local]]` at or above the name
//! decides:
//!
//! | `type` | names without a record | the types of Unbound that it replaces |
//! |---|---|---|
//! | `transparent` | are resolved; the other types of a name with records have no data | `transparent`, `always_transparent`, `inform` |
//! | `typetransparent` | are resolved, and so are the other types of a name with records | `typetransparent` |
//! | `static` | do not exist | `static`, without records `always_nxdomain` |
//! | `redirect` | have the records of the zone's name | `redirect`, `always_null` (with `A 0.0.0.0`), without records `always_nodata` |
//! | `refuse` | REFUSED | `refuse`, without records `always_refuse` |
//! | `deny` | no response | `deny`, without records `always_deny`, `inform_deny` |
//!
//! A denial by a rule without records is a block and carries EDE 15. `inform` has no type of its own: telemetry reports
//! every query.
//!
//! **Precedence.** Zones of this server, local data, cache, locally served zones (`local_zones.rs`), forwarders, root.
//! Local data come before the cache, so that an answer from before a reload does not hide them
//! ([decision 190](../../../docs/decisions/0190-local-data-before-the-cache.md)). Without local data this costs one comparison, with
//! them one hash of the name for each depth at which they have names. They answer the clients that may use the resolver, and the aliases
//! that lead to them. The resolver's own lookups of keys and addresses do not see them.
//!
//! RFCs: 952 (hosts files), 1035 §3.5 (reverse names), 8914 (EDE 15).
//!
//! **Views.** A `[[local]]` with `views` applies to the clients of these views only, and precedes those without, which apply to
//! everybody unless `common_local` of the view is off. A view with data of its own has cache entries of its own.
//!
//! *Limitations*: hosts files apply to all views alike; wildcards are written as `redirect`.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use nw_resolve::{LocalAnswer, local_soa};
use nw_wire::hash::Keyed;
use nw_wire::text::{TextError, Tokens};
use nw_wire::{Class, Name, NameRef, RrType, Rrset};

/// TTL of a denial, seconds. It is short because an edit of a file should be seen soon.
const NEGATIVE_TTL: u32 = 300;
/// Maximum number of errors of one file that are listed.
const MOST_ERRORS: usize = 20;

/// What the names of a local zone get that have no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalType {
    /// Resolve them.
    Transparent,
    /// Resolve them, and the types that a name with records lacks.
    TypeTransparent,
    /// Deny them.
    Static,
    /// Answer with the records of the zone's name.
    Redirect,
    /// Refuse.
    Refuse,
    /// Send no response.
    Deny,
}

impl LocalType {
    /// The types by their names in the settings.
    pub(crate) const NAMED: [(&'static str, LocalType); 6] = [
        ("transparent", LocalType::Transparent),
        ("typetransparent", LocalType::TypeTransparent),
        ("static", LocalType::Static),
        ("redirect", LocalType::Redirect),
        ("refuse", LocalType::Refuse),
        ("deny", LocalType::Deny),
    ];
}

/// A file, or a place in the settings, and the line in it; 0 where the text names the line already.
#[derive(Clone, Debug)]
struct Place {
    file: Arc<str>,
    line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.file),
            line => write!(f, "{}:{line}", self.file),
        }
    }
}

/// What is known of one name.
#[derive(Debug)]
struct Node {
    name: Name,
    sets: Vec<(Rrset, Place)>,
    rule: Option<(LocalType, Place)>,
    /// Whether the PTR RRset is complete: the first line of a hosts file with an address names it.
    reversed: bool,
}

/// The local data of a server.
#[derive(Debug, Default)]
pub struct LocalData {
    /// By the hash of the name.
    nodes: HashMap<u64, Vec<Node>, Keyed>,
    /// Bit *n*: there is a name with *n* labels.
    depths: u128,
    /// Hashes of the names at and above records: those exist (RFC 8020 §2).
    existing: HashSet<u64, Keyed>,
}

/// The local data that apply to a client: those of its view, and those of the server.
#[derive(Clone, Debug, Default)]
pub(crate) struct AppliedData {
    of_view: Option<Arc<LocalData>>,
    common: Option<Arc<LocalData>>,
}

impl AppliedData {
    /// Those that are not empty.
    pub(crate) fn new(of_view: Option<&Arc<LocalData>>, common: Option<&Arc<LocalData>>) -> AppliedData {
        let some = |data: Option<&Arc<LocalData>>| data.filter(|data| !data.is_empty()).cloned();
        AppliedData { of_view: some(of_view), common: some(common) }
    }

    /// These data, or None if there are none.
    pub(crate) fn if_any(self) -> Option<AppliedData> {
        (self.of_view.is_some() || self.common.is_some()).then_some(self)
    }

    fn layers(&self) -> impl Iterator<Item = &LocalData> {
        self.of_view.as_deref().into_iter().chain(self.common.as_deref())
    }

    /// What the first of them that says something says about *name*; see [`LocalData::find`].
    pub(crate) fn find(&self, name: NameRef<'_>, rtype: RrType) -> Option<Found> {
        self.layers().find_map(|data| data.find(name, rtype))
    }

    /// What the first of them that says something answers to a lookup that follows an alias; see [`LocalData::answer`].
    pub(crate) fn answer(&self, name: NameRef<'_>, rtype: RrType) -> Option<(LocalAnswer, String)> {
        self.layers().find_map(|data| data.answer(name, rtype))
    }
}

/// What local data say about a name and a type.
#[derive(Debug)]
pub(crate) enum Said {
    /// This answer.
    Answer(LocalAnswer),
    /// Refuse.
    Refuse,
    /// Send nothing.
    Deny,
}

/// An answer of local data and where it is written.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) apex: Name,
    pub(crate) said: Said,
    /// Whether a rule without records denies the name.
    pub(crate) blocked: bool,
    pub(crate) source: String,
}

impl LocalData {
    /// Whether there is none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.depths == 0
    }

    /// What the closest data at or above *name* say. None: nothing, the name is resolved.
    pub(crate) fn find(&self, name: NameRef<'_>, rtype: RrType) -> Option<Found> {
        let labels = name.label_count();
        let (mut exact, mut rule) = (None, None);
        let mut depths = self.depths & (u128::MAX >> (127 - labels.min(127)));
        while depths != 0 && rule.is_none() {
            let depth = 127 - depths.leading_zeros() as usize;
            depths &= !(1 << depth);
            let Some(node) = self.get(name.suffix(depth)) else { continue };
            if depth == labels {
                exact = Some(node);
            }
            rule = node.rule.as_ref().map(|(kind, place)| (node, *kind, place));
        }
        match (exact.filter(|node| !node.sets.is_empty()), rule) {
            (Some(node), rule) => answer(node, name, rtype, rule),
            (None, None | Some((_, LocalType::Transparent | LocalType::TypeTransparent, _))) => None,
            (None, Some((zone, LocalType::Redirect, place))) => match answer(zone, name, rtype, rule) {
                Some(found) => Some(found),
                None => Some(denial(zone, place, false, zone.sets.is_empty())),
            },
            (None, Some((zone, LocalType::Static, place))) => {
                Some(denial(zone, place, !self.exists(name), !self.exists(zone.name.as_ref())))
            }
            (None, Some((zone, kind, place))) => Some(Found {
                apex: zone.name.clone(),
                said: if kind == LocalType::Refuse { Said::Refuse } else { Said::Deny },
                blocked: true,
                source: place.to_string(),
            }),
        }
    }

    /// What these data answer to a lookup that follows an alias. A name that clients may not ask for does not exist.
    pub(crate) fn answer(&self, name: NameRef<'_>, rtype: RrType) -> Option<(LocalAnswer, String)> {
        let Found { apex, said, source, .. } = self.find(name, rtype)?;
        let Said::Answer(answer) = said else {
            let authority = vec![negative_soa(&apex)];
            return Some((LocalAnswer { apex, nxdomain: true, answer: Vec::new(), authority }, source));
        };
        Some((answer, source))
    }

    fn get(&self, name: NameRef<'_>) -> Option<&Node> {
        self.nodes.get(&name.hash64())?.iter().find(|node| node.name.as_ref() == name)
    }

    /// Whether *name* or a name below it has records.
    fn exists(&self, name: NameRef<'_>) -> bool {
        self.existing.contains(&name.hash64())
    }

    fn node(&mut self, name: &Name) -> &mut Node {
        self.depths |= 1 << name.as_ref().label_count();
        let chain = self.nodes.entry(name.as_ref().hash64()).or_default();
        let at = chain.iter().position(|node| node.name == *name);
        let at = at.unwrap_or_else(|| {
            chain.push(Node { name: name.clone(), sets: Vec::new(), rule: None, reversed: false });
            chain.len() - 1
        });
        &mut chain[at]
    }

    fn add(&mut self, owner: &Name, rtype: RrType, ttl: u32, rdata: &[u8], place: &Place) {
        let mut above = Some(owner.as_ref());
        while let Some(name) = above.filter(|name| self.existing.insert(name.hash64())) {
            above = name.parent();
        }
        let node = self.node(owner);
        match node.sets.iter_mut().find(|(set, _)| set.rtype == rtype) {
            Some((set, _)) if set.rdatas.contains(rdata) => {}
            Some((set, _)) => {
                // One TTL for an RRset (RFC 2181 §5.2).
                set.ttl = set.ttl.min(ttl);
                set.rdatas.push(rdata);
            }
            None => {
                let mut set = Rrset::new(owner.clone(), rtype, Class::IN, ttl);
                set.rdatas.push(rdata);
                node.sets.push((set, place.clone()));
            }
        }
    }

    /// Add the hosts file *file* with the content *text*. The error lists every wrong line.
    ///
    /// `ttl`: of the records, seconds. `reverse`: whether addresses have PTR records.
    pub fn add_hosts(&mut self, file: &str, text: &str, ttl: u32, reverse: bool) -> Result<(), Vec<String>> {
        let file: Arc<str> = file.into();
        let mut errors = Vec::new();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (at, line) in text.lines().enumerate() {
            let place = Place { file: Arc::clone(&file), line: at + 1 };
            if let Err(error) = self.add_hosts_line(line, ttl, reverse, &place) {
                errors.push(format!("{place}: {error}"));
            }
        }
        if errors.len() > MOST_ERRORS {
            let more = errors.len() - MOST_ERRORS;
            errors.truncate(MOST_ERRORS);
            errors.push(format!("{file}: {more} more lines are wrong"));
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    fn add_hosts_line(&mut self, line: &str, ttl: u32, reverse: bool, place: &Place) -> Result<(), String> {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let Some(word) = words.next() else { return Ok(()) };
        let (text, scope) = word.split_once('%').map_or((word, None), |(text, scope)| (text, Some(scope)));
        let address: IpAddr = text
            .parse()
            .map_err(|_| format!("{word:?} is not an IP address; expected ADDRESS NAME [ALIAS ...]"))?;
        let mut names = Vec::new();
        for word in words {
            if !word.is_ascii() {
                return Err(format!(
                    "{word:?} is not a host name: write an internationalised name as xn--..."
                ));
            }
            let name = Name::parse(word.as_bytes(), Some(NameRef::ROOT))
                .map_err(|error| format!("{word:?} is not a host name: {error}"))?;
            names.push(name);
        }
        if names.is_empty() {
            return Err(format!("no name follows the address {word}; expected ADDRESS NAME [ALIAS ...]"));
        }
        // A record cannot carry the interface of a link-local address.
        if scope.is_some() {
            return Ok(());
        }
        // `localhost.` means loopback, whatever a file says (RFC 6761 §6.3).
        names.retain(|name| {
            !name.as_ref().suffix(1).first_label().is_some_and(|top| top.eq_ignore_ascii_case(b"localhost"))
        });
        let (rtype, rdata) = match address {
            IpAddr::V4(address) => (RrType::A, address.octets().to_vec()),
            IpAddr::V6(address) => (RrType::AAAA, address.octets().to_vec()),
        };
        for name in &names {
            self.add(name, rtype, ttl, &rdata, place);
        }
        if let Some(first) = names.first().filter(|_| reverse && !address.is_unspecified()) {
            let owner = reverse_name(address);
            if !std::mem::replace(&mut self.node(&owner).reversed, true) {
                self.add(&owner, RrType::PTR, ttl, first.as_ref().wire(), place);
            }
        }
        Ok(())
    }

    /// Add the rule of `[[local]]` for *zone*. The error says what is wrong.
    pub(crate) fn add_zone(&mut self, zone: &Name, kind: LocalType, source: &str) -> Result<(), String> {
        let node = self.node(zone);
        if let Some((_, first)) = &node.rule {
            return Err(format!("{zone} has a type already, at {first}"));
        }
        node.rule = Some((kind, Place { file: source.into(), line: 0 }));
        Ok(())
    }

    /// Add the record *line*, in the form of a zone file whose origin is *zone*. TTL and class are optional.
    pub(crate) fn add_record(
        &mut self,
        zone: &Name,
        line: &str,
        ttl: u32,
        source: &str,
    ) -> Result<(), String> {
        let Record { owner, rtype, ttl, rdata } = read_record(zone, line, ttl)?;
        if !owner.as_ref().is_at_or_below(zone.as_ref()) {
            return Err(format!("{owner} is not at or below {zone}, the name of this [[local]]"));
        }
        if owner.as_ref().is_wildcard() {
            return Err(format!("{owner}: local data have no wildcards; use type = \"redirect\""));
        }
        let alone = |rtype: RrType| rtype == RrType::CNAME;
        let node = self.node(&owner);
        if let Some((other, place)) = node.sets.iter().find(|(set, _)| alone(set.rtype) || alone(rtype)) {
            return Err(format!(
                "{owner} has {} at {place}: a CNAME stands alone (RFC 1034 §3.6.2)",
                other.rtype
            ));
        }
        self.add(&owner, rtype, ttl, &rdata, &Place { file: source.into(), line: 0 });
        Ok(())
    }
}

/// A record as it is written.
struct Record {
    owner: Name,
    rtype: RrType,
    ttl: u32,
    rdata: Vec<u8>,
}

/// Read `OWNER [TTL] [CLASS] TYPE DATA`.
fn read_record(zone: &Name, line: &str, mut ttl: u32) -> Result<Record, String> {
    const EXPECTED: &str = "expected OWNER [TTL] [IN] TYPE DATA";
    let fault = |error: TextError| format!("column {}: {}", error.at + 1, error.fault);
    let mut tokens = Tokens::new(line.as_bytes());
    let word = |tokens: &mut Tokens<'_>| {
        let token = tokens.next().map_err(fault)?.ok_or(EXPECTED)?;
        Ok::<_, String>(String::from_utf8_lossy(token.bytes).into_owned())
    };
    let owner = word(&mut tokens)?;
    let owner = match owner.as_str() {
        "@" => zone.clone(),
        text => {
            Name::parse(text.as_bytes(), Some(zone.as_ref())).map_err(|error| format!("{text:?}: {error}"))?
        }
    };
    let rtype = loop {
        let text = word(&mut tokens)?;
        if text.eq_ignore_ascii_case("IN") {
            continue;
        }
        match text.parse::<u32>() {
            Ok(number) if number <= i32::MAX as u32 => ttl = number,
            Ok(_) => return Err(format!("TTL {text} is above 2147483647 (RFC 2181 §8)")),
            Err(_) => {
                break text.parse::<RrType>().map_err(|_| format!("{text:?} is not a type; {EXPECTED}"))?;
            }
        }
    };
    if matches!(rtype.0, 0 | 41 | 46 | 47 | 50 | 128..=255) || rtype == RrType::DNAME {
        return Err(format!("{rtype} cannot be a local record"));
    }
    let mut rdata = Vec::new();
    nw_wire::rr::from_text(rtype, &mut tokens, zone.as_ref(), &mut rdata).map_err(fault)?;
    tokens.end().map_err(fault)?;
    if tokens.next_record() {
        return Err("one record stands in one text".to_owned());
    }
    Ok(Record { owner, rtype, ttl, rdata })
}

/// The answer of *node*, which has records, to *name*. None: the type is resolved.
fn answer(
    node: &Node,
    name: NameRef<'_>,
    rtype: RrType,
    rule: Option<(&Node, LocalType, &Place)>,
) -> Option<Found> {
    let apex = rule.map_or(&node.name, |(zone, ..)| &zone.name);
    let fits = |set: &Rrset| set.rtype == rtype || rtype == RrType::ANY || set.rtype == RrType::CNAME;
    let mut chosen = node.sets.iter().filter(|(set, _)| fits(set)).peekable();
    let Some((_, place)) = chosen.peek() else {
        let kind = rule.map_or(LocalType::Transparent, |(_, kind, _)| kind);
        let (_, place) = node.sets.first().filter(|_| kind != LocalType::TypeTransparent)?;
        return Some(denial_of(apex, place, false, false));
    };
    let source = place.to_string();
    let answer = chosen.map(|(set, _)| Rrset { owner: name.to_name(), ..set.clone() }).collect();
    let said =
        Said::Answer(LocalAnswer { apex: apex.clone(), nxdomain: false, answer, authority: Vec::new() });
    Some(Found { apex: apex.clone(), said, blocked: false, source })
}

fn denial(zone: &Node, place: &Place, nxdomain: bool, blocked: bool) -> Found {
    let mut found = denial_of(&zone.name, place, nxdomain, blocked);
    if let (Said::Answer(answer), Some((soa, _))) =
        (&mut found.said, zone.sets.iter().find(|(set, _)| set.rtype == RrType::SOA))
    {
        answer.authority = vec![soa.clone()];
    }
    found
}

fn denial_of(apex: &Name, place: &Place, nxdomain: bool, blocked: bool) -> Found {
    let authority = vec![negative_soa(apex)];
    let said = Said::Answer(LocalAnswer { apex: apex.clone(), nxdomain, answer: Vec::new(), authority });
    Found { apex: apex.clone(), said, blocked, source: place.to_string() }
}

fn negative_soa(apex: &Name) -> Rrset {
    let mut set = Rrset::new(apex.clone(), RrType::SOA, Class::IN, NEGATIVE_TTL);
    set.rdatas.push(&local_soa(apex.as_ref(), NEGATIVE_TTL));
    set
}

/// The name at which the PTR record of *address* stands (RFC 1035 §3.5, RFC 3596 §2.5).
pub(crate) fn reverse_name(address: IpAddr) -> Name {
    let text = match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa.")
        }
        IpAddr::V6(address) => {
            let nibbles =
                address.octets().into_iter().rev().map(|octet| format!("{:x}.{:x}.", octet & 15, octet >> 4));
            format!("{}ip6.arpa.", nibbles.collect::<String>())
        }
    };
    Name::parse(text.as_bytes(), None).expect("digits and the two labels are a name")
}

#[cfg(test)]
mod tests;
