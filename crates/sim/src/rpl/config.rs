//! The configuration of an `.rpl` file: settings for the engine, and keys that the engine does not support.
//!
//! Both dialects are supported. A key of a feature that the engine lacks is reported by name, and so is a value that
//! would enable such a feature. A value that leaves the feature disabled has no effect.
//!
//! *Interpretation*: without `qname-minimisation` / `query-minimization`, minimization is off, because the servers of
//! a script expect whole questions.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use nw_policy::Prefix;
use nw_resolve::TrustAnchor;
use nw_wire::name::Name;
use serde_json::{Value as Json, json};

use super::clients::{self, Access, Local, View};
use super::syntax::{Clause, Script, Setting};
use super::zone::ServedZone;
use crate::policy::ListTable;

/// The settings that a script requires.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Root servers.
    pub hints: Vec<IpAddr>,
    /// Zones whose authoritative servers are given.
    pub stubs: Vec<(Name, Vec<SocketAddr>)>,
    /// Those of them whose NS records replace the given servers.
    pub primed: Vec<Name>,
    /// Zones for which other resolvers are queried.
    pub forwards: Vec<(Name, Vec<SocketAddr>)>,
    /// Those of both that are resolved from the root if the given servers fail.
    pub fall_back: Vec<Name>,
    /// Whether zones are used although their ZONEMD records do not verify them.
    pub zonemd_permissive: bool,
    /// Zones that the engine has.
    pub zones: Vec<ServedZone>,
    /// The Unix time in seconds at the start.
    pub unix_s: u64,
    /// QNAME minimization (RFC 9156).
    pub minimise: bool,
    /// Query servers over IPv4.
    pub ipv4: bool,
    /// Query servers over IPv6.
    pub ipv6: bool,
    /// The maximum TTL in seconds.
    pub max_ttl: Option<u32>,
    /// The minimum TTL in seconds.
    pub min_ttl: Option<u32>,
    /// Query servers on loopback.
    pub ask_loopback: bool,
    /// NXDOMAIN denies all names below (RFC 8020).
    pub nxdomain_cut: bool,
    /// Where chains of trust begin; without one, nothing is validated.
    pub trust_anchors: Vec<TrustAnchor>,
    /// Names below which nothing is validated.
    pub negative_trust_anchors: Vec<Name>,
    /// Random case of names in queries.
    pub case_randomisation: bool,
    /// Serve expired data (RFC 8767).
    pub stale: bool,
    /// Seconds after its lifetime for which it is served; 0: without end.
    pub stale_s: u32,
    /// The TTL of expired records, in seconds.
    pub stale_ttl: Option<u32>,
    /// Milliseconds that clients wait for servers before they get expired data.
    pub stale_client_timeout: Option<u32>,
    /// Look up popular answers again before they expire.
    pub prefetch: bool,
    /// Conclude from denial records in the cache (RFC 8198).
    pub aggressive_nsec: bool,
    /// Local data of all clients.
    pub local: Local,
    /// Views.
    pub views: Vec<View>,
    /// Clients, as prefixes, and their views. The longest prefix counts.
    pub access_views: Vec<(Prefix, String)>,
    /// The prefix of DNS64 (RFC 6147).
    pub dns64: Option<String>,
    /// Addresses that public names may not have, as prefixes.
    pub private_addresses: Vec<String>,
    /// Names that may have them, with those below.
    pub private_domains: Vec<Name>,
    /// Clients, as prefixes, and what they get. The longest prefix counts; other clients get every answer.
    pub access: Vec<(Prefix, Access)>,
    /// Response policy zones, in their order.
    pub lists: Vec<ListTable>,
    /// NSID, as octets.
    pub nsid: Option<Vec<u8>>,
    /// `id.server`.
    pub identity: Option<String>,
}

/// The Unix time of a file without one: 2026-01-01.
pub const DEFAULT_UNIX: u64 = 1_767_225_600;

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            hints: Vec::new(),
            stubs: Vec::new(),
            primed: Vec::new(),
            forwards: Vec::new(),
            fall_back: Vec::new(),
            zonemd_permissive: false,
            zones: Vec::new(),
            unix_s: DEFAULT_UNIX,
            minimise: false,
            ipv4: true,
            ipv6: true,
            max_ttl: None,
            min_ttl: None,
            ask_loopback: false,
            nxdomain_cut: false,
            trust_anchors: Vec::new(),
            negative_trust_anchors: Vec::new(),
            case_randomisation: false,
            stale: false,
            stale_s: 86_400,
            stale_ttl: None,
            stale_client_timeout: None,
            prefetch: false,
            aggressive_nsec: false,
            local: Local::default(),
            views: Vec::new(),
            access_views: Vec::new(),
            dns64: None,
            private_addresses: Vec::new(),
            private_domains: Vec::new(),
            access: Vec::new(),
            lists: Vec::new(),
            nsid: None,
            identity: None,
        }
    }
}

impl Settings {
    /// The settings that are no settings of the resolver alone, as a part of a plan.
    pub fn plan(&self) -> Json {
        let mut plan = serde_json::Map::new();
        self.clients(&mut plan);
        if !self.zones.is_empty() {
            // Those that are refused, too: they are answered with SERVFAIL.
            let served = self.zones.iter().filter(|zone| zone.downstream);
            let names: Vec<Json> = served.map(|zone| json!({"name": zone.apex.to_string()})).collect();
            plan.insert("zones".into(), Json::Array(names));
        }
        if let Some(prefix) = &self.dns64 {
            plan.insert("dns64".into(), json!([{"prefix": prefix}]));
        }
        if !self.private_addresses.is_empty() {
            let allow: Vec<String> = self.private_domains.iter().map(Name::to_string).collect();
            plan.insert("rebinding".into(), json!({"private": self.private_addresses, "allow": allow}));
        }
        Json::Object(plan)
    }
}

/// The result of reading a configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Read {
    /// The settings that the engine supports.
    pub settings: Settings,
    /// Keys without effect: they do not apply to this engine, or describe what it always or never does.
    pub ignored: Vec<String>,
    /// Keys, possibly with values, that the engine does not support.
    pub unsupported: Vec<String>,
}

/// Read the configuration of a script.
pub fn read(script: &Script) -> Read {
    let mut reading = Read::default();
    for clause in &script.config {
        reading.clause(clause, &script.files);
    }
    for (_, view) in reading.settings.access_views.clone() {
        if !reading.settings.views.iter().any(|known| known.name == view) {
            reading.note(format!("access-control-view: no view {view}"));
        }
    }
    reading
}

/// How a setting was treated.
pub(super) enum Fit {
    Honoured,
    /// It has no effect; the script is played without it.
    Ignored,
    /// The engine has no such feature.
    Key,
    /// The engine does not support this value.
    Value,
}

use Fit::{Honoured, Ignored, Key, Value};

impl Read {
    pub(super) fn note(&mut self, what: String) {
        if !self.unsupported.contains(&what) {
            self.unsupported.push(what);
        }
    }

    pub(super) fn judge(&mut self, setting: &Setting, fit: Fit) {
        match fit {
            Honoured => {}
            Ignored => {
                if !self.ignored.contains(&setting.key) {
                    self.ignored.push(setting.key.clone());
                }
            }
            Key => self.note(setting.key.clone()),
            Value => self.note(format!("{}: {}", setting.key, setting.value)),
        }
    }

    fn clause(&mut self, clause: &Clause, files: &BTreeMap<String, String>) {
        match clause.kind.as_str() {
            "server" => {
                for setting in &clause.settings {
                    let fit = self.server(setting);
                    self.judge(setting, fit);
                }
            }
            "stub-zone" => self.upstream(clause, "stub-addr"),
            "rpz" => self.policy_zone(clause, files),
            "forward-zone" => self.upstream(clause, "forward-addr"),
            "auth-zone" => self.auth_zone(clause, files),
            "view" => self.view(clause),
            other => self.note(other.to_owned()),
        }
    }

    /// Add a zone with given servers.
    fn upstream(&mut self, clause: &Clause, address_key: &str) {
        let mut name = Name::root();
        let mut addresses: Vec<SocketAddr> = Vec::new();
        let (mut first, mut prime) = (false, false);
        for setting in &clause.settings {
            let fit = match setting.key.as_str() {
                "name" => match Name::parse(setting.value.as_bytes(), Some(Name::root().as_ref())) {
                    Ok(parsed) => {
                        name = parsed;
                        Honoured
                    }
                    Err(_) => Value,
                },
                key if key == address_key => match server_address(&setting.value) {
                    Some(address) => {
                        addresses.push(address);
                        Honoured
                    }
                    None => Value,
                },
                "forward-first" if clause.kind == "forward-zone" => switch(setting, &mut first),
                "stub-first" if clause.kind == "stub-zone" => switch(setting, &mut first),
                "stub-prime" if clause.kind == "stub-zone" => switch(setting, &mut prime),
                _ => Key,
            };
            self.judge(setting, fit);
        }
        // The engine always primes the root.
        let stub = !name.as_ref().is_root() || clause.kind == "forward-zone";
        if first && stub {
            self.settings.fall_back.push(name.clone());
        }
        if prime && stub {
            self.settings.primed.push(name.clone());
        }
        if clause.kind == "forward-zone" {
            self.settings.forwards.push((name, addresses));
        } else if name.as_ref().is_root() {
            self.settings.hints.extend(addresses.iter().map(SocketAddr::ip));
        } else {
            self.settings.stubs.push((name, addresses));
        }
    }

    fn server(&mut self, setting: &Setting) -> Fit {
        let settings = &mut self.settings;
        match setting.key.as_str() {
            // Deckard's flat form.
            "stub-addr" => match server_address(&setting.value) {
                Some(address) => {
                    settings.hints.push(address.ip());
                    Honoured
                }
                None => Value,
            },
            "forward-addr" => match server_address(&setting.value) {
                Some(address) => {
                    match settings.forwards.iter_mut().find(|(name, _)| name.as_ref().is_root()) {
                        Some((_, servers)) => servers.push(address),
                        None => settings.forwards.push((Name::root(), vec![address])),
                    }
                    Honoured
                }
                None => Value,
            },
            "features" => self.features(&setting.value),
            "val-override-date" | "val-override-timestamp" => match date(&setting.value) {
                Some(Some(unix)) => {
                    settings.unix_s = unix;
                    Honoured
                }
                Some(None) => Honoured,
                None => Value,
            },
            "query-minimization" | "qname-minimisation" => switch(setting, &mut settings.minimise),
            "do-ip4" => switch(setting, &mut settings.ipv4),
            "do-ip6" => switch(setting, &mut settings.ipv6),
            "do-not-query-localhost" => {
                let mut not = !settings.ask_loopback;
                let fit = switch(setting, &mut not);
                settings.ask_loopback = !not;
                fit
            }
            "use-caps-for-id" => switch(setting, &mut settings.case_randomisation),
            "harden-below-nxdomain" => switch(setting, &mut settings.nxdomain_cut),
            // Recursive answers are always minimal.
            "minimal-responses" => match truth(&setting.value) {
                Some(true) => Honoured,
                Some(false) => Ignored,
                None => Value,
            },
            "cache-max-ttl" => number(setting, &mut settings.max_ttl),
            "cache-min-ttl" => number(setting, &mut settings.min_ttl),
            "identity" => {
                settings.identity = Some(setting.value.clone());
                Honoured
            }
            "nsid" => match nsid(&setting.value) {
                Some(octets) => {
                    settings.nsid = Some(octets);
                    Honoured
                }
                None => Value,
            },
            "access-control" => match clients::access(&setting.value) {
                Some(rule) => {
                    settings.access.push(rule);
                    Honoured
                }
                None => Value,
            },
            "access-control-view" => match clients::access_view(&setting.value) {
                Some(rule) => {
                    settings.access_views.push(rule);
                    Honoured
                }
                None => Value,
            },
            "local-zone" | "local-data" | "local-data-ptr" => settings.local.add(setting).unwrap_or(Key),
            "private-address" => {
                settings.private_addresses.push(setting.value.clone());
                if setting.value.parse::<Prefix>().is_ok() { Honoured } else { Value }
            }
            "private-domain" => match absolute(&setting.value) {
                Some(name) => {
                    settings.private_domains.push(name);
                    Honoured
                }
                None => Value,
            },
            "dns64-prefix" => {
                settings.dns64 = Some(setting.value.clone());
                Honoured
            }
            "prefetch" => switch(setting, &mut settings.prefetch),
            "aggressive-nsec" => switch(setting, &mut settings.aggressive_nsec),
            "trust-anchor" => match setting.value.parse() {
                Ok(anchor) => {
                    settings.trust_anchors.push(anchor);
                    Honoured
                }
                Err(_) => Value,
            },
            "domain-insecure" => match Name::parse(setting.value.as_bytes(), Some(Name::root().as_ref())) {
                Ok(name) => {
                    settings.negative_trust_anchors.push(name);
                    Honoured
                }
                Err(_) => Value,
            },
            "val-permissive-mode" => only(setting, false),
            "zonemd-permissive-mode" => switch(setting, &mut settings.zonemd_permissive),
            "val-log-level"
            | "val-nsec3-keysize-iterations"
            | "val-sig-skew-min"
            | "val-sig-skew-max"
            | "fake-sha1"
            | "trust-anchor-signaling"
            | "root-key-sentinel" => Ignored,
            // The network of a script consists of the addresses that it names.
            "target-fetch-policy"
            | "force-ipv6"
            | "outbound-msg-retry"
            | "outgoing-range"
            | "num-threads" => Ignored,
            // Extended errors are always sent.
            "ede" | "ede-serve-expired" => Ignored,
            // Settings of another server that concern its process, log, modules and response details.
            "verbosity"
            | "module-config"
            | "rrset-roundrobin"
            | "log-servfail"
            | "log-queries"
            | "log-replies"
            | "use-syslog"
            | "logfile"
            | "log-time-ascii"
            | "statistics-interval"
            | "extended-statistics"
            | "username"
            | "chroot"
            | "directory"
            | "pidfile"
            | "ignore-cd-flag"
            | "iter-scrub-ns"
            | "iter-scrub-cname"
            | "iter-scrub-promiscuous"
            | "max-sent-count"
            | "harden-referral-path"
            | "harden-unknown-additional"
            | "harden-large-queries"
            | "harden-short-bufsize"
            | "msg-cache-size"
            | "rrset-cache-size"
            | "key-cache-size"
            | "neg-cache-size"
            | "interface"
            | "port"
            | "do-daemonize" => Ignored,
            // Records outside of the zone of a server are never believed.
            "harden-glue" => match truth(&setting.value) {
                Some(true) => Honoured,
                Some(false) => Ignored,
                None => Value,
            },
            "serve-expired" => switch(setting, &mut settings.stale),
            "serve-expired-ttl" => {
                let mut seconds = None;
                let fit = number(setting, &mut seconds);
                settings.stale_s = seconds.unwrap_or(settings.stale_s);
                fit
            }
            "serve-expired-reply-ttl" => number(setting, &mut settings.stale_ttl),
            "serve-expired-client-timeout" => number(setting, &mut settings.stale_client_timeout),
            // A failure after the lifetime ends never prolongs it.
            "serve-expired-ttl-reset" => only(setting, false),
            _ => Key,
        }
    }

    /// `features: min_ttl=1 max_ttl=2 dns64_prefix=...`
    fn features(&mut self, value: &str) -> Fit {
        // `min_ttl = 1` means the same as `min_ttl=1`.
        let pairs: Vec<&str> = value.split('=').map(str::trim).collect();
        for feature in pairs.join("=").split([' ', ',', '\t']).filter(|feature| !feature.is_empty()) {
            let (name, value) = feature.split_once('=').unwrap_or((feature, ""));
            let place = match name {
                "min_ttl" => &mut self.settings.min_ttl,
                "max_ttl" => &mut self.settings.max_ttl,
                "dns64_prefix" => {
                    let prefix = if value.contains('/') { value.to_owned() } else { format!("{value}/96") };
                    self.settings.dns64 = Some(prefix);
                    continue;
                }
                _ => {
                    self.note(format!("features: {name}"));
                    continue;
                }
            };
            match value.parse() {
                Ok(seconds) => *place = Some(seconds),
                Err(_) => self.note(format!("features: {feature}")),
            }
        }
        Honoured
    }
}

pub(super) fn absolute(text: &str) -> Option<Name> {
    Name::parse(text.as_bytes(), Some(Name::root().as_ref())).ok()
}

pub(super) fn truth(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "yes" | "on" | "true" | "1" => Some(true),
        "no" | "off" | "false" | "0" => Some(false),
        _ => None,
    }
}

pub(super) fn switch(setting: &Setting, place: &mut bool) -> Fit {
    match truth(&setting.value) {
        Some(value) => {
            *place = value;
            Honoured
        }
        None => Value,
    }
}

/// Accept only this value, which describes what the engine always does.
fn only(setting: &Setting, value: bool) -> Fit {
    if truth(&setting.value) == Some(value) { Honoured } else { Value }
}

fn number(setting: &Setting, place: &mut Option<u32>) -> Fit {
    match setting.value.parse() {
        Ok(value) => {
            *place = Some(value);
            Honoured
        }
        Err(_) => Value,
    }
}

/// `address[@port][#name]`.
fn server_address(value: &str) -> Option<SocketAddr> {
    let value = value.split('#').next()?;
    let (address, port) = value.split_once('@').unwrap_or((value, "53"));
    Some(SocketAddr::new(address.trim().parse().ok()?, port.trim().parse().ok()?))
}

/// The octets of an NSID: hexadecimal, or text after `ascii_`.
fn nsid(value: &str) -> Option<Vec<u8>> {
    match value.strip_prefix("ascii_") {
        Some(text) => Some(text.as_bytes().to_vec()),
        None => super::lines::unhex(value).filter(|octets| !octets.is_empty()),
    }
}

/// Seconds since 1970 from `YYYYMMDDHHMMSS` or seconds; `Some(None)` for -1, which means the true time.
fn date(value: &str) -> Option<Option<u64>> {
    if value == "-1" {
        return Some(None);
    }
    if !value.bytes().all(|byte| byte.is_ascii_digit()) || value.is_empty() {
        return None;
    }
    if value.len() != 14 {
        return value.parse().ok().map(Some);
    }
    let field = |from: usize, to: usize| value[from..to].parse::<u64>().ok();
    let (year, month, day) = (field(0, 4)?, field(4, 6)?, field(6, 8)?);
    let (hour, minute, second) = (field(8, 10)?, field(10, 12)?, field(12, 14)?);
    if year < 1970
        || !(1..=12).contains(&month)
        || !(1..=31).contains(&day)
        || hour > 23
        || minute > 59
        || second > 60
    {
        return None;
    }
    // Days since 1970-01-01, with years that start in March.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1 - 719_468;
    Some(Some(((days * 24 + hour) * 60 + minute) * 60 + second))
}
