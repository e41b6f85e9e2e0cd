//! # Lists and response policy zones: which answers are changed, and how
//!
//! A server has lists in an order. A list is a list of names ([`crate::lists`]) or a response policy zone ([`crate::rpz`]). It
//! applies to all clients, or to those of its groups.
//!
//! ```text
//! query ──▶ Policies::at_query ──▶ lookup, cache ──▶ Policies::at_answer ──▶ response
//!           client, queried name                      names of the alias chain, addresses in the answer
//! ```
//!
//! **Precedence** (draft-vixie-dnsop-dns-rpz §5). The first name of the alias chain to which a rule applies decides; for it, the
//! first list; in it, the client before the name before the addresses before the names of name servers before their addresses; among
//! names, the rule for the name itself before the longest one above; among addresses, the longest block; among names of servers, the
//! last in canonical order, as in BIND (whose manual says the first). A rule that passes an answer ends the search. A rule of a list in log-only
//! mode is counted and shown, and the search continues.
//!
//! [`Policies::at_query`] decides early only if no later knowledge can have precedence, so that the verdict is the same for a
//! cached answer and for one that is looked up.
//!
//! **Groups.** A paused group, or a paused server, is a set of clients to which no list applies.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nw_wire::{Ede, Name, NameRef, Rrset};

use crate::lists::RANK_SHIFT;
use crate::matcher::Matcher;
use crate::prefix::Prefix;
use crate::prefixes::PrefixMap;
use crate::rpz;
use crate::view::View;

/// The number of no rule that ends the search: the name exists in a policy zone, so that no wildcard above it applies to it (RFC
/// 4592 §3.3.1).
pub(crate) const NO_WILDCARD: u32 = 1;
/// The number of the first rule of a list.
pub(crate) const FIRST_RULE: u32 = 2;
/// The most groups of clients.
pub const MOST_GROUPS: usize = 64;

/// What a rule does with the answer to a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The name does not exist.
    Nxdomain,
    /// The name has no data of the type.
    Nodata,
    /// The server refuses.
    Refused,
    /// The answer stays, and no further rule applies.
    Passthru,
    /// No response.
    Drop,
    /// TC over UDP; over TCP the answer stays.
    TcpOnly,
    /// An alias for this name, with this TTL in seconds.
    Alias(Name, u32),
    /// An alias for the queried name with this name appended, with this TTL in seconds.
    Below(Name, u32),
    /// These records, whose owner is the queried name.
    Data(Vec<Rrset>),
}

static PASSTHRU: Action = Action::Passthru;

impl Action {
    /// The action's name in explanations.
    pub fn slug(&self) -> &'static str {
        match self {
            Action::Nxdomain => "nxdomain",
            Action::Nodata => "nodata",
            Action::Refused => "refused",
            Action::Passthru => "passthru",
            Action::Drop => "drop",
            Action::TcpOnly => "tcp-only",
            Action::Alias(..) | Action::Below(..) => "cname",
            Action::Data(_) => "data",
        }
    }
}

/// What a list does, apart from its rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListSettings {
    /// Its name.
    pub name: String,
    /// The action of all its rules, instead of their own.
    pub action: Option<Action>,
    /// Whether its rules are only counted and shown.
    pub log_only: bool,
    /// Whether signed answers to clients that set DO are changed. Such a client may validate, and then sees a failure.
    pub break_dnssec: bool,
    /// Whether the rules for name servers apply.
    pub servers: ServerRules,
    /// The extended error of changed answers. None: Forged Answer with records, Blocked otherwise (RFC 8914 §4.5, §4.16).
    pub ede: Option<Ede>,
    /// The text of the extended error, before the name of the list.
    pub text: String,
    /// The groups to which it applies, as bits. 0: all clients.
    pub groups: u64,
}

/// Which rules for name servers of a list apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerRules {
    /// Those for their names.
    pub names: bool,
    /// Those for their addresses.
    pub addresses: bool,
    /// Whether the addresses of servers whose delegation has none are looked up.
    pub look_up: bool,
    /// Zones with at most so many labels have no name servers to which they apply: 1 spares the root and top-level domains.
    pub min_dots: u8,
}

impl Default for ServerRules {
    fn default() -> ServerRules {
        ServerRules { names: true, addresses: true, look_up: true, min_dots: 1 }
    }
}

/// The rules of a list.
#[derive(Debug, Default)]
pub struct Rules {
    /// Rules for names.
    pub names: Matcher,
    /// Rules for addresses of clients.
    pub clients: PrefixMap,
    /// Rules for addresses in answers.
    pub addresses: PrefixMap,
    /// Rules for names of name servers.
    pub servers: Matcher,
    /// Rules for addresses of name servers.
    pub server_addresses: PrefixMap,
    /// The actions, by the number of a rule less 2, without its rank.
    pub actions: Vec<Action>,
    /// The number of rules.
    pub count: usize,
    /// The SOA RRset of a policy zone, sent with its changes.
    pub soa: Option<Rrset>,
}

impl Rules {
    /// The number of rules.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are no rules.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of octets that they occupy.
    pub fn octets(&self) -> usize {
        let records = |action: &Action| match action {
            Action::Data(sets) => sets.iter().map(|set| size_of::<Rrset>() + set.rdatas.octets()).sum(),
            _ => 0,
        };
        self.names.octets()
            + self.clients.octets()
            + self.addresses.octets()
            + self.servers.octets()
            + self.server_addresses.octets()
            + self.actions.iter().map(|action| size_of::<Action>() + records(action)).sum::<usize>()
    }
}

/// A list: rules, settings and a counter.
#[derive(Debug)]
pub struct PolicyList {
    /// Its settings.
    pub settings: ListSettings,
    /// Its rules, shared by versions of the list that differ in their settings.
    pub rules: Arc<Rules>,
    hits: AtomicU64,
}

impl PolicyList {
    /// A list of these rules.
    pub fn new(settings: ListSettings, rules: Arc<Rules>) -> PolicyList {
        PolicyList { settings, rules, hits: AtomicU64::new(0) }
    }

    /// The list for other groups, given as bits, with the same rules and counter.
    pub fn with_groups(&self, groups: u64) -> PolicyList {
        let settings = ListSettings { groups, ..self.settings.clone() };
        PolicyList { settings, rules: Arc::clone(&self.rules), hits: AtomicU64::new(self.hits()) }
    }

    /// How many queries its rules applied to.
    pub fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }

    /// The rule for *name*.
    fn for_name(&self, name: NameRef<'_>) -> Option<(Trigger, u32)> {
        let (listed, rule) = best(&self.rules.names, name)?;
        Some((Trigger::Name { name: listed.to_name(), below: listed != name }, rule))
    }

    /// Whether rules for the names of name servers may apply.
    fn reads_server_names(&self) -> bool {
        self.settings.servers.names && !self.rules.servers.is_empty()
    }

    /// Whether rules for the addresses of name servers may apply.
    fn reads_server_addresses(&self) -> bool {
        self.settings.servers.addresses && !self.rules.server_addresses.is_empty()
    }

    /// Whether a verdict may need the answer.
    pub fn reads_answers(&self) -> bool {
        !self.rules.addresses.is_empty() || self.reads_servers()
    }

    /// Whether rules about name servers may apply, be it their names or addresses.
    pub fn reads_servers(&self) -> bool {
        self.reads_server_names() || self.reads_server_addresses()
    }

    /// The rule for the name servers of a name.
    fn for_servers(&self, servers: &[Server<'_>]) -> Option<(Trigger, u32)> {
        let applies = |server: &&Server<'_>| server.zone_labels > self.settings.servers.min_dots;
        let servers = || servers.iter().filter(applies);
        if self.reads_server_names() {
            let found = servers().filter_map(|server| {
                let (listed, rule) = best(&self.rules.servers, server.name)?;
                Some((server.name, listed, rule))
            });
            if let Some((name, listed, rule)) = found.max_by(|a, b| a.1.cmp(&b.1)) {
                return Some((Trigger::Server { name: listed.to_name(), below: listed != name }, rule));
            }
        }
        if !self.reads_server_addresses() {
            return None;
        }
        let (block, rule) =
            by_block(&self.rules.server_addresses, servers().flat_map(|server| server.addresses))?;
        Some((Trigger::ServerAddress(block), rule))
    }

    /// The rule for *name*.
    fn found(&self, name: NameRef<'_>, (trigger, rule): (Trigger, u32)) -> Match<'_> {
        let own = &self.rules.actions[((rule & ((1 << RANK_SHIFT) - 1)) - FIRST_RULE) as usize];
        let action = match self.settings.action.as_ref().unwrap_or(own) {
            // No name can be an alias of itself. As in BIND, such a rule lets the name pass: `*.example.com CNAME www.example.com.`
            // leads all names to www.example.com, and that one to its own data.
            Action::Alias(target, _) if target.as_ref() == name => &PASSTHRU,
            action => action,
        };
        Match { list: self, trigger, action }
    }
}

/// The rule of *names* for *name*: that of the highest rank, and among those the longest.
fn best<'n>(names: &Matcher, name: NameRef<'n>) -> Option<(NameRef<'n>, u32)> {
    let mut best: Option<(NameRef<'_>, u32)> = None;
    names.visit(name, |listed, rule| {
        if best.is_none_or(|(_, best)| rule >> RANK_SHIFT > best >> RANK_SHIFT) {
            best = Some((listed, rule));
        }
        true
    });
    best.filter(|(_, rule)| *rule != NO_WILDCARD)
}

/// The rule of *blocks* for *addresses*: that of the longest block.
fn by_block<'a>(
    blocks: &PrefixMap,
    addresses: impl IntoIterator<Item = &'a IpAddr>,
) -> Option<(Prefix, u32)> {
    let found = addresses.into_iter().filter_map(|address| blocks.find(*address));
    found.min_by_key(|(block, _)| (std::cmp::Reverse(block.len()), block.first()))
}

/// Why a rule applies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// A name of the alias chain is *name*, or is below it.
    Name {
        /// The listed name.
        name: Name,
        /// Whether the name of the chain is below it.
        below: bool,
    },
    /// The client has an address of this block.
    Client(Prefix),
    /// The answer has an address of this block.
    Address(Prefix),
    /// A name server of the name is *name*, or is below it.
    Server {
        /// The listed name.
        name: Name,
        /// Whether the name server is below it.
        below: bool,
    },
    /// A name server of the name has an address of this block.
    ServerAddress(Prefix),
}

impl Trigger {
    /// The owner of such a rule in a response policy zone, without the name of the zone.
    pub fn owner(&self) -> String {
        let name = |name: &Name, below: bool| match (below, name.as_ref().is_root()) {
            (false, _) => name.to_string(),
            (true, true) => "*.".to_owned(),
            (true, false) => format!("*.{name}"),
        };
        match self {
            Trigger::Name { name: listed, below } => name(listed, *below),
            Trigger::Server { name: listed, below } => format!("{}rpz-nsdname.", name(listed, *below)),
            Trigger::Client(block) => format!("{}.rpz-client-ip.", rpz::owner(*block)),
            Trigger::Address(block) => format!("{}.rpz-ip.", rpz::owner(*block)),
            Trigger::ServerAddress(block) => format!("{}.rpz-nsip.", rpz::owner(*block)),
        }
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trigger::Name { name, below: false } => write!(f, "the name {name}"),
            Trigger::Name { name, below: true } => write!(f, "names below {name}"),
            Trigger::Client(block) => write!(f, "the client {block}"),
            Trigger::Address(block) => write!(f, "the address {block}"),
            Trigger::Server { name, below: false } => write!(f, "the name server {name}"),
            Trigger::Server { name, below: true } => write!(f, "name servers below {name}"),
            Trigger::ServerAddress(block) => write!(f, "the name server address {block}"),
        }
    }
}

/// A rule that applies.
#[derive(Clone, Debug)]
pub struct Match<'p> {
    /// The list.
    pub list: &'p PolicyList,
    /// Why it applies.
    pub trigger: Trigger,
    /// What it does.
    pub action: &'p Action,
}

impl Match<'_> {
    /// Count the query for the list.
    pub fn count(&self) {
        self.list.hits.fetch_add(1, Ordering::Relaxed);
    }
}

/// Clients that have lists of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name and clients.
    pub view: View,
    /// Whether no list applies to them now.
    pub paused: bool,
}

/// The lists of a server, in their order.
#[derive(Debug, Default)]
pub struct Policies {
    lists: Vec<Arc<PolicyList>>,
    groups: Vec<Group>,
    paused: bool,
    /// Whether a decision depends on the groups of the client.
    uses_groups: bool,
    /// What the rules need to know about name servers.
    needs: Option<ServerNeeds>,
}

/// What rules need to know about name servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerNeeds {
    /// Zones with so many labels and more have name servers to which a rule may apply, whose addresses are looked up if their
    /// delegation has none. None: the names are enough.
    pub look_up: Option<u8>,
}

/// A client: its address, and the key that signed its request.
#[derive(Clone, Copy, Debug)]
pub struct Client<'k> {
    /// Its address.
    pub address: IpAddr,
    /// Its key, if verified.
    pub key: Option<NameRef<'k>>,
    /// Whether it asks for signatures (DO).
    pub dnssec_ok: bool,
}

/// What is known before the lookup.
#[derive(Debug)]
pub enum AtQuery<'p> {
    /// A rule applies and decides.
    Decided(Match<'p>),
    /// No rule applies to the client and the queried name. Those for other names and for addresses may.
    Nothing,
    /// The answer is needed to decide.
    Wait,
    /// No list applies to this client.
    Exempt,
}

/// One name of an alias chain.
#[derive(Clone, Copy, Debug)]
pub struct Link<'l> {
    /// The name.
    pub name: NameRef<'l>,
    /// The addresses that the answer has for it.
    pub addresses: &'l [IpAddr],
    /// The name servers of the delegations that led to it.
    pub servers: &'l [Server<'l>],
}

/// A name server of a delegation.
#[derive(Clone, Copy, Debug)]
pub struct Server<'l> {
    /// The number of labels of the zone.
    pub zone_labels: u8,
    /// The name.
    pub name: NameRef<'l>,
    /// The addresses that are known.
    pub addresses: &'l [IpAddr],
}

impl Policies {
    /// The policies of these lists. `paused`: no list applies to any client now.
    pub fn new(lists: Vec<Arc<PolicyList>>, groups: Vec<Group>, paused: bool) -> Policies {
        let uses_groups =
            lists.iter().any(|list| list.settings.groups != 0) || groups.iter().any(|group| group.paused);
        let needs = lists.iter().filter(|list| list.reads_servers());
        let needs = (needs.clone().next().is_some()).then(|| {
            let of = |list: &Arc<PolicyList>| list.reads_server_addresses() && list.settings.servers.look_up;
            let labels =
                needs.filter(|list| of(list)).map(|list| list.settings.servers.min_dots.saturating_add(1));
            ServerNeeds { look_up: labels.min() }
        });
        Policies { lists, groups, paused, uses_groups, needs }
    }

    /// The lists.
    pub fn lists(&self) -> &[Arc<PolicyList>] {
        &self.lists
    }

    /// The groups.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The groups of a client, as bits. None: no list applies to it.
    fn groups_of(&self, client: &Client<'_>) -> Option<u64> {
        if self.paused {
            return None;
        }
        if !self.uses_groups {
            return Some(0);
        }
        let mut groups = 0;
        for (at, group) in self.groups.iter().enumerate() {
            if group.view.matches(client.address, client.key) {
                if group.paused {
                    return None;
                }
                groups |= 1 << at;
            }
        }
        Some(groups)
    }

    fn lists_for(&self, groups: u64) -> impl Iterator<Item = &PolicyList> {
        let applies =
            move |list: &&Arc<PolicyList>| list.settings.groups == 0 || list.settings.groups & groups != 0;
        self.lists.iter().filter(applies).map(|list| &**list)
    }

    /// Decide by client and queried name. `logged` receives the rules that apply in log-only mode, unless the decision waits.
    pub fn at_query(
        &self,
        client: &Client<'_>,
        qname: NameRef<'_>,
        mut logged: impl FnMut(Match<'_>),
    ) -> AtQuery<'_> {
        let Some(groups) = self.groups_of(client) else { return AtQuery::Exempt };
        let (mut waits, mut seen) = (false, Vec::new());
        let mut decided = None;
        for list in self.lists_for(groups) {
            if let Some(found) = list.at_query(client, qname) {
                if !list.settings.log_only {
                    waits |= client.dnssec_ok && !list.settings.break_dnssec;
                    decided = Some(found);
                    break;
                }
                seen.push(found);
            }
            waits |= list.reads_answers();
        }
        if waits {
            return AtQuery::Wait;
        }
        seen.into_iter().for_each(&mut logged);
        decided.map_or(AtQuery::Nothing, AtQuery::Decided)
    }

    /// Decide by the answer. Returns the rule and the position of the link to which it applies.
    ///
    /// `first`: the first link to examine: 1 if [`Policies::at_query`] found nothing. `signed`: whether the answer has signatures.
    pub fn at_answer(
        &self,
        client: &Client<'_>,
        links: &[Link<'_>],
        first: usize,
        signed: bool,
        mut logged: impl FnMut(Match<'_>),
    ) -> Option<(usize, Match<'_>)> {
        let groups = self.groups_of(client)?;
        for (at, link) in links.iter().enumerate().skip(first) {
            for list in self.lists_for(groups) {
                if signed && client.dnssec_ok && !list.settings.break_dnssec {
                    continue;
                }
                let found = list.at_link(link, (at == 0).then_some(client));
                match found {
                    Some(found) if list.settings.log_only => logged(found),
                    Some(found) => return Some((at, found)),
                    None => {}
                }
            }
        }
        None
    }

    /// Whether a rule of some list is about addresses in answers, or about name servers.
    pub fn reads_answers(&self) -> bool {
        self.lists.iter().any(|list| list.reads_answers())
    }

    /// What the rules need to know about name servers. None: no rule is about them.
    #[inline]
    pub fn server_needs(&self) -> Option<ServerNeeds> {
        self.needs
    }

    /// Every rule that applies to *link*, of lists that apply to the client, in the order of the lists. For a report: nothing is
    /// counted, and the rules of a list that lose against others of the same list are not shown. `queried`: whether *link* is the
    /// queried name, not the target of an alias; rules about clients apply to it alone.
    pub fn all_for(&self, client: &Client<'_>, link: &Link<'_>, queried: bool) -> Vec<Match<'_>> {
        let groups = self.groups_of(client);
        let lists = groups.into_iter().flat_map(|groups| self.lists_for(groups));
        lists.filter_map(|list| list.at_link(link, queried.then_some(client))).collect()
    }
}

impl PolicyList {
    /// The rule for *link*. `client`: the one that asks, if *link* is the queried name.
    fn at_link(&self, link: &Link<'_>, client: Option<&Client<'_>>) -> Option<Match<'_>> {
        let by_query = match client {
            Some(client) => self.at_query(client, link.name),
            None => self.for_name(link.name).map(|rule| self.found(link.name, rule)),
        };
        by_query.or_else(|| {
            let by_address = by_block(&self.rules.addresses, link.addresses);
            let by_address = by_address.map(|(block, rule)| (Trigger::Address(block), rule));
            by_address.or_else(|| self.for_servers(link.servers)).map(|rule| self.found(link.name, rule))
        })
    }

    fn at_query(&self, client: &Client<'_>, qname: NameRef<'_>) -> Option<Match<'_>> {
        let by_client = || self.rules.clients.find(client.address);
        let by_client = (!self.rules.clients.is_empty()).then(by_client).flatten();
        let by_client = by_client.map(|(block, rule)| (Trigger::Client(block), rule));
        by_client.or_else(|| self.for_name(qname)).map(|rule| self.found(qname, rule))
    }
}

#[cfg(test)]
mod tests;
