//! Which clients may query, and what local data answer to whom: `access-control`, `access-control-view`, the clause `view:`,
//! `local-zone`, `local-data`, `local-data-ptr`.
//!
//! ```text
//! access-control: deny, *_non_local ──► a view with a rule for all names     the first view that has a client applies
//! access-control-view + view:       ──► a view with the data of the clause
//! everybody else                    ──► a view with the data of `server:`
//! ```
//!
//! The longest prefix decides about a client. A view without local data has those of `server:`; one with local data has them only if
//! `view-first` is on, behind its own.
//!
//! *Limitations*: the types of local zones `block_a`, `ipset` and `noview`; `response-ip` of a view; a zone of type `always_*` that has
//! records answers with them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nw_policy::Prefix;
use nw_wire::name::Name;
use serde_json::{Value as Json, json};

use super::config::Fit::{self, Honoured, Key, Value};
use super::config::{Read, Settings, absolute, switch};
use super::syntax::{Clause, Setting};

/// What a client gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Every answer.
    Allow,
    /// REFUSED.
    Refuse,
    /// No response.
    Deny,
    /// Local data, and else REFUSED.
    RefuseNonLocal,
    /// Local data, and else no response.
    DenyNonLocal,
}

/// Local zones and records.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Local {
    /// Zones: name and type.
    pub zones: Vec<(Name, &'static str)>,
    /// Records.
    pub data: Vec<String>,
}

/// A clause `view:`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct View {
    /// Its name.
    pub name: String,
    /// Its local data.
    pub local: Local,
    /// Whether those of `server:` apply behind them.
    pub first: bool,
}

impl Local {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.zones.is_empty() && self.data.is_empty()
    }

    /// Add what `setting` says; None if it is about something else.
    pub(super) fn add(&mut self, setting: &Setting) -> Option<Fit> {
        match setting.key.as_str() {
            "local-zone" => {
                let Some((zone, records)) = local_zone(&setting.value) else { return Some(Value) };
                self.zones.extend(zone);
                self.data.extend(records);
            }
            "local-data" => self.data.push(setting.value.clone()),
            "local-data-ptr" => match local_pointer(&setting.value) {
                Some(record) => self.data.push(record),
                None => return Some(Value),
            },
            _ => return None,
        }
        Some(Honoured)
    }

    /// As tables of a plan, for the clients of *views* or, without any, for all.
    fn tables(&self, views: &[&str]) -> Vec<Json> {
        let table = |(name, kind): &(Name, &str)| json!({"name": name.to_string(), "type": kind, "source": "local-zone"});
        let mut tables: Vec<Json> = self.zones.iter().map(table).collect();
        if !self.data.is_empty() {
            let record = |text: &String| json!({"text": text, "source": "local-data"});
            tables.push(json!({"records": self.data.iter().map(record).collect::<Vec<Json>>()}));
        }
        if !views.is_empty() {
            tables.iter_mut().for_each(|table| table["views"] = json!(views));
        }
        tables
    }
}

/// Read a value of `access-control`.
pub(super) fn access(value: &str) -> Option<(Prefix, Access)> {
    let (prefix, verdict) = two_words(value);
    let access = match verdict {
        "allow" | "allow_snoop" | "allow_setrd" => Access::Allow,
        "refuse" => Access::Refuse,
        "deny" => Access::Deny,
        "refuse_non_local" => Access::RefuseNonLocal,
        "deny_non_local" => Access::DenyNonLocal,
        _ => return None,
    };
    Some((prefix.parse().ok()?, access))
}

/// Read a value of `access-control-view`.
pub(super) fn access_view(value: &str) -> Option<(Prefix, String)> {
    let (prefix, view) = two_words(value);
    Some((prefix.parse().ok()?, view.trim_matches(['"', '\'']).to_owned()))
}

impl Read {
    /// Add a clause `view:`.
    pub(super) fn view(&mut self, clause: &Clause) {
        let mut view = View::default();
        for setting in &clause.settings {
            let fit = match setting.key.as_str() {
                "name" => {
                    view.name.clone_from(&setting.value);
                    Honoured
                }
                "view-first" => switch(setting, &mut view.first),
                _ => view.local.add(setting).unwrap_or(Key),
            };
            self.judge(setting, fit);
        }
        self.settings.views.push(view);
    }
}

impl Settings {
    /// The access list, the views and the local data of a plan.
    pub(super) fn clients(&self, plan: &mut serde_json::Map<String, Json>) {
        let (mut views, mut tables) = (Vec::new(), self.local.tables(&[]));
        let limited = [
            (Access::Deny, "access-control: deny", "deny"),
            (Access::RefuseNonLocal, "access-control: refuse_non_local", "refuse"),
            (Access::DenyNonLocal, "access-control: deny_non_local", "deny"),
        ];
        for (access, view, kind) in limited {
            let clients = blocks(&self.access, |found| found == Some(&access));
            if !clients.is_empty() {
                views.push(json!({"name": view, "clients": clients, "common_local": false}));
                if access != Access::Deny {
                    tables.extend(self.local.tables(&[view]));
                }
                tables.push(json!({"type": kind, "source": "access-control", "views": [view]}));
            }
        }
        for View { name, local, first } in &self.views {
            let clients = blocks(&self.access_views, |found| found == Some(name));
            let common_local = *first || local.is_empty();
            views.push(
                json!({"name": name, "clients": clients, "common_local": common_local, "shared_cache": true}),
            );
            tables.extend(local.tables(&[name]));
        }
        if !views.is_empty() {
            let clients = blocks::<()>(&[], |_| true);
            views.push(json!({"name": "server:", "clients": clients, "shared_cache": true}));
            plan.insert("views".into(), Json::Array(views));
        }
        if !tables.is_empty() {
            // The place where to ask comes from the script; a plan without one is wrong.
            let forward = json!([{"suffix": ".", "servers": ["192.0.2.1"]}]);
            plan.insert("resolver".into(), json!({"local": tables, "forward": forward}));
        }
        if !self.access.is_empty() {
            let clients = blocks(&self.access, |found| found != Some(&Access::Refuse));
            plan.insert("acls".into(), json!({"query": clients, "recursion": clients}));
        }
    }
}

/// The addresses about which the longest of *rules* says what is `wanted` (None: no rule), as prefixes.
fn blocks<T>(rules: &[(Prefix, T)], wanted: impl Fn(Option<&T>) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    let all: [IpAddr; 2] = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
    for first in all {
        add_blocks(Prefix::covering(first, 0).expect("a length of 0"), rules, &wanted, &mut found);
    }
    found
}

/// Do this for *block*: as a whole, or for each of its halves if rules are about parts of it.
fn add_blocks<T>(
    block: Prefix,
    rules: &[(Prefix, T)],
    wanted: &impl Fn(Option<&T>) -> bool,
    found: &mut Vec<String>,
) {
    let inside = |rule: &(Prefix, T)| rule.0.len() > block.len() && block.contains(rule.0.first());
    if rules.iter().any(inside) {
        for end in [block.first(), block.last()] {
            let half = Prefix::covering(end, block.len() + 1).expect("a rule is longer");
            add_blocks(half, rules, wanted, found);
        }
        return;
    }
    let around = rules.iter().filter(|(prefix, _)| prefix.contains(block.first()));
    if wanted(around.max_by_key(|(prefix, _)| prefix.len()).map(|(_, rule)| rule)) {
        found.push(block.to_string());
    }
}

/// The first and the last word, without quotes around the first.
fn two_words(value: &str) -> (&str, &str) {
    let (first, last) = value.split_once(char::is_whitespace).unwrap_or((value, ""));
    (first.trim_matches(['"', '\'']), last.trim())
}

/// Name and type of a local zone, in the words of the engine, and records that its type implies. No zone if the engine need not know it.
#[expect(clippy::type_complexity, reason = "used once")]
fn local_zone(value: &str) -> Option<(Option<(Name, &'static str)>, Vec<String>)> {
    let (name, kind) = two_words(value);
    let name = absolute(name)?;
    let records = match kind {
        "always_null" => vec![format!("{name} A 0.0.0.0"), format!("{name} AAAA ::")],
        _ => Vec::new(),
    };
    let kind = match kind {
        "transparent" | "always_transparent" | "inform" => "transparent",
        "typetransparent" => "typetransparent",
        "static" | "always_nxdomain" => "static",
        "redirect" | "inform_redirect" | "always_nodata" | "always_null" => "redirect",
        "refuse" | "always_refuse" => "refuse",
        "deny" | "always_deny" | "inform_deny" => "deny",
        // It switches a default of the other server off.
        "nodefault" => return Some((None, records)),
        _ => return None,
    };
    Some((Some((name, kind)), records))
}

/// The PTR record of `address [TTL] name`.
fn local_pointer(value: &str) -> Option<String> {
    let (address, rest) = value.split_once(char::is_whitespace)?;
    let owner = match address.parse().ok()? {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa.")
        }
        IpAddr::V6(v6) => {
            let nibbles =
                v6.octets().into_iter().rev().map(|octet| format!("{:x}.{:x}.", octet & 15, octet >> 4));
            nibbles.collect::<String>() + "ip6.arpa."
        }
    };
    let words: Vec<&str> = rest.split_whitespace().collect();
    match words[..] {
        [name] => Some(format!("{owner} PTR {}", absolute(name)?)),
        [ttl, name] => Some(format!("{owner} {} PTR {}", ttl.parse::<u32>().ok()?, absolute(name)?)),
        _ => None,
    }
}
