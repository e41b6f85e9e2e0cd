//! The tables of a plan. One function for each reads it, or adds its errors.

use std::net::{IpAddr, SocketAddr};

use nw_policy::{Acl, Prefix, View};
use nw_resolve::{Forward, ForwardMode, MILLISECOND, ResolverConfig, Stale, TrustAnchor};
use nw_wire::{Name, Opcode};

use super::read::{At, Errors, Object};
use super::*;
use crate::filter::dns64;

/// Read a whole plan.
pub(super) fn read_plan(at: &At<'_>, errors: &mut Errors) -> Option<Plan> {
    let mut object = at.object(errors)?;
    let version = object.required("version", errors).and_then(|at| at.number(0, u64::MAX, errors));
    if let Some(version) = version.filter(|version| *version != VERSION) {
        // The keys of another version may have any meaning, so errors about them would mislead.
        errors.add("version", format_args!("{version} is not {VERSION}, the version that this engine reads"));
        return None;
    }
    let server = object.key("server").and_then(|at| read_server(&at, errors));
    let acls = object.key("acls").and_then(|at| read_acls(&at, errors));
    let resolver = object.key("resolver").and_then(|at| read_resolver(&at, errors));
    let zones = object.key("zones").map(|at| read_zones(&at, errors));
    let keys = read_all(object.key("keys"), read_key, errors);
    let views = read_all(object.key("views"), read_view, errors);
    for (i, view) in views.iter().enumerate() {
        for key in view.view.keys.iter().filter(|key| !keys.iter().any(|known| known.name == **key)) {
            errors.add(format!("views[{i}].keys"), format_args!("{key} is not among the keys"));
        }
    }
    for (i, zone) in zones.iter().flatten().enumerate() {
        let notify = zone.notify.as_deref().unwrap_or_default();
        for (name, rules) in [("notify", notify), ("transfer", &zone.transfer), ("update", &zone.update)] {
            for (j, rule) in rules.iter().enumerate() {
                let unknown = |key: &&Name| !keys.iter().any(|known| known.name == **key);
                if let Some(key) = rule.key.as_ref().filter(unknown) {
                    let path = format!("zones[{i}].{name}[{j}].key");
                    errors.add(path, format_args!("{key} is not among the keys"));
                }
            }
        }
    }
    let of_views = resolver.iter().flat_map(|resolver| resolver.local_of_views.keys());
    for name in of_views.filter(|name| !views.iter().any(|view| view.view.name == **name)) {
        errors.add("resolver.local", format_args!("{name:?} is not among the views"));
    }
    let dns64 = read_all(object.key("dns64"), read_dns64, errors);
    let no_aaaa = object.key("no_aaaa").and_then(|at| read_no_aaaa(&at, errors));
    let rebinding = object.key("rebinding").and_then(|at| read_rebinding(&at, errors));
    let rrl = object.key("rrl").and_then(|at| read_rrl(&at, errors));
    let detect = object.key("detect").and_then(|at| detect::read_detect(&at, errors));
    let transfers = object.key("transfers").and_then(|at| read_transfers(&at, errors));
    let control = object.key("control").and_then(|at| read_control(&at, errors));
    let recorder = object.key("recorder").and_then(|at| read_recorder(&at, errors));
    object.end(errors);
    Some(Plan {
        views,
        keys,
        server: server.unwrap_or_default(),
        acls: acls.unwrap_or_default(),
        resolver,
        zones: zones.unwrap_or_default(),
        dns64,
        no_aaaa,
        rebinding,
        rrl,
        detect,
        transfers: transfers.unwrap_or_default(),
        control: control.unwrap_or_default(),
        recorder: recorder.unwrap_or_default(),
    })
}

fn read_server(at: &At<'_>, errors: &mut Errors) -> Option<ServerPlan> {
    let mut object = at.object(errors)?;
    let mut plan = ServerPlan {
        identity: object.key("identity").and_then(|at| read_character_string(&at, errors)),
        version: object.key("version").and_then(|at| read_character_string(&at, errors)),
        nsid: object.key("nsid").and_then(|at| at.parsed(parse_nsid, errors)),
        ..ServerPlan::default()
    };
    set(&mut plan.udp_payload, &mut object, "udp_payload", 512, 4096, errors);
    if let Some(truth) = object.key("minimal_any").and_then(|at| at.truth(errors)) {
        plan.minimal_any = truth;
    }
    if let Some(truth) = object.key("minimal_responses").and_then(|at| at.truth(errors)) {
        plan.minimal_responses = truth;
    }
    if let Some(order) = object.key("rrset_order").and_then(|at| at.parsed(read_order, errors)) {
        plan.rrset_order = order;
    }
    if let Some(tcp) = object.key("tcp").and_then(|at| read_tcp(&at, errors)) {
        plan.tcp = tcp;
    }
    set(&mut plan.workers, &mut object, "workers", 1, 1024, errors);
    object.end(errors);
    Some(plan)
}

fn read_order(text: &str) -> Result<RrsetOrder, &'static str> {
    match text {
        "fixed" => Ok(RrsetOrder::Fixed),
        "rotate" => Ok(RrsetOrder::Rotate),
        "random" => Ok(RrsetOrder::Random),
        _ => Err("expected fixed, rotate or random"),
    }
}

fn read_control(at: &At<'_>, errors: &mut Errors) -> Option<ControlPlan> {
    let mut object = at.object(errors)?;
    let opcode = |at: &At<'_>, errors: &mut Errors| Some(Opcode(at.number(1, 15, errors)? as u8));
    let mut plan =
        ControlPlan { opcodes: read_all(object.key("opcodes"), opcode, errors), ..ControlPlan::default() };
    set(&mut plan.max_pending, &mut object, "max_pending", 1, 65_536, errors);
    set(&mut plan.timeout_ms, &mut object, "timeout_ms", 10, 60_000, errors);
    object.end(errors);
    Some(plan)
}

fn read_tcp(at: &At<'_>, errors: &mut Errors) -> Option<TcpPlan> {
    let mut object = at.object(errors)?;
    let mut plan = TcpPlan::default();
    set(&mut plan.idle_ms, &mut object, "idle_ms", 200, 600_000, errors);
    set(&mut plan.max_connections, &mut object, "max_connections", 0, 1_000_000, errors);
    set(&mut plan.max_per_client, &mut object, "max_per_client", 1, 1_000_000, errors);
    set(&mut plan.max_pipelined, &mut object, "max_pipelined", 1, 10_000, errors);
    set(&mut plan.max_unsent, &mut object, "max_unsent", 65_537, 1 << 30, errors);
    set(&mut plan.max_lifetime_ms, &mut object, "max_lifetime_ms", 200, 86_400_000, errors);
    set(&mut plan.max_queries, &mut object, "max_queries", 0, u32::MAX.into(), errors);
    object.end(errors);
    Some(plan)
}

fn read_acls(at: &At<'_>, errors: &mut Errors) -> Option<AclPlan> {
    let mut object = at.object(errors)?;
    let mut plan = AclPlan::default();
    if let Some(acl) = object.key("query").map(|at| read_acl(&at, errors)) {
        plan.query = acl;
    }
    if let Some(acl) = object.key("recursion").map(|at| read_acl(&at, errors)) {
        plan.recursion = acl;
    }
    plan.cache = object.key("cache").map(|at| read_acl(&at, errors));
    if let Some(acl) = object.key("receipts").map(|at| read_acl(&at, errors)) {
        plan.receipts = acl;
    }
    let names = object.key("control_names").map(|at| at.entries(errors)).unwrap_or_default();
    for (name, at) in names {
        match Name::parse(name.as_bytes(), Some(nw_wire::NameRef::ROOT)) {
            Ok(name) => plan.control_names.push((name, read_acl(&at, errors))),
            Err(error) => errors.add(at.path(), error),
        }
    }
    object.end(errors);
    Some(plan)
}

pub(super) fn read_acl(at: &At<'_>, errors: &mut Errors) -> Acl {
    Acl::new(
        at.items(errors).iter().filter_map(|at| at.parsed(str::parse::<Prefix>, errors)).collect::<Vec<_>>(),
    )
}

fn read_dns64(at: &At<'_>, errors: &mut Errors) -> Option<Dns64Plan> {
    let mut object = at.object(errors)?;
    let prefix = object.required("prefix", errors).and_then(|at| at.parsed(Nat64::parse, errors));
    let clients = object.key("clients").map_or_else(Acl::any, |at| read_acl(&at, errors));
    let mapped = object.key("mapped").map_or_else(dns64::default_mapped, |at| read_acl(&at, errors));
    let exclude = match object.key("exclude") {
        Some(at) => read_all(Some(at), |at, errors| at.parsed(str::parse::<Prefix>, errors), errors),
        None => dns64::default_exclude(),
    };
    object.end(errors);
    Some(Dns64Plan { prefix: prefix?, clients, mapped, exclude })
}

fn read_rebinding(at: &At<'_>, errors: &mut Errors) -> Option<RebindingPlan> {
    let mut object = at.object(errors)?;
    let private = object.required("private", errors).map(|at| read_acl(&at, errors));
    let allow = read_all(object.key("allow"), read_name, errors);
    let refuse = object.key("refuse").and_then(|at| at.truth(errors)).unwrap_or(false);
    let source = object.key("source").and_then(|at| at.text(errors)).unwrap_or("[rebinding]").to_owned();
    object.end(errors);
    Some(RebindingPlan { private: private?, allow, refuse, source })
}

fn read_no_aaaa(at: &At<'_>, errors: &mut Errors) -> Option<NoAaaaPlan> {
    let mut object = at.object(errors)?;
    let clients = object.required("clients", errors).map(|at| read_acl(&at, errors));
    let source = object.key("source").and_then(|at| at.text(errors)).unwrap_or("[no_aaaa]").to_owned();
    object.end(errors);
    Some(NoAaaaPlan { clients: clients?, source })
}

fn read_rrl(at: &At<'_>, errors: &mut Errors) -> Option<RrlSettings> {
    let mut object = at.object(errors)?;
    let mut rrl = RrlSettings::default();
    set(&mut rrl.responses_per_second, &mut object, "responses_per_second", 1, 1_000_000, errors);
    set(&mut rrl.nxdomains_per_second, &mut object, "nxdomains_per_second", 1, 1_000_000, errors);
    set(&mut rrl.errors_per_second, &mut object, "errors_per_second", 1, 1_000_000, errors);
    set(&mut rrl.slip, &mut object, "slip", 0, 10, errors);
    set(&mut rrl.window_s, &mut object, "window_s", 1, 3600, errors);
    set(&mut rrl.ipv4_prefix, &mut object, "ipv4_prefix", 8, 32, errors);
    set(&mut rrl.ipv6_prefix, &mut object, "ipv6_prefix", 16, 128, errors);
    set(&mut rrl.buckets, &mut object, "buckets", 1024, 1 << 24, errors);
    if let Some(exempt) = object.key("exempt").map(|at| read_acl(&at, errors)) {
        rrl.exempt = exempt;
    }
    rrl.log_only = object.key("log_only").and_then(|at| at.truth(errors)).unwrap_or(false);
    object.end(errors);
    Some(rrl)
}

fn read_resolver(at: &At<'_>, errors: &mut Errors) -> Option<ResolverPlan> {
    let mut object = at.object(errors)?;
    let mut config = ResolverConfig {
        hints: read_all(object.key("hints"), read_hint, errors),
        forwards: read_all(object.key("forward"), read_forward, errors),
        trust_anchors: read_all(object.key("trust_anchors"), read_anchor, errors),
        ..ResolverConfig::default()
    };
    config.negative_trust_anchors = read_all(object.key("negative_trust_anchors"), read_name, errors);
    if let Some(at) = object.key("budget") {
        super::budget::read(&at, &mut config.budget, errors);
    }
    if let Some(bytes) = object.key("cache_bytes").and_then(|at| at.number(1 << 16, 1 << 46, errors)) {
        config.budget.cache_bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    }
    for (key, field) in [
        ("qname_minimisation", &mut config.qname_minimisation),
        ("qname_case_randomisation", &mut config.qname_case_randomisation),
        ("cookies", &mut config.cookies),
        ("nxdomain_cut", &mut config.nxdomain_cut),
        ("aggressive_nsec", &mut config.aggressive_nsec),
        ("prefetch", &mut config.prefetch),
        ("sha1", &mut config.sha1),
        ("root_key_sentinel", &mut config.root_key_sentinel),
        ("key_tags", &mut config.key_tags),
        ("ipv4", &mut config.ipv4),
        ("ipv6", &mut config.ipv6),
        ("ask_loopback", &mut config.ask_loopback),
    ] {
        if let Some(truth) = object.key(key).and_then(|at| at.truth(errors)) {
            *field = truth;
        }
    }
    if let Some(at) = object.key("stale") {
        read_stale(&at, &mut config.stale, errors);
    }
    let (least, most) = &mut config.signature_skew;
    set(least, &mut object, "signature_skew_least_s", 0, 86_400, errors);
    set(most, &mut object, "signature_skew_most_s", 0, 604_800, errors);
    let mut port_uses = ResolverPlan::PORT_USES;
    set(&mut port_uses, &mut object, "port_uses", 1, 1000, errors);
    let streams = object.key("streams").and_then(|at| read_streams(&at, errors)).unwrap_or_default();
    let local_zones_off = read_all(object.key("local_zones_off"), read_local_zone, errors);
    config.cache_only = object.key("cache_only").and_then(|at| at.truth(errors)).unwrap_or(false);
    let (local, local_of_views) = super::local::read(&mut object, errors);
    let routes = object.key("routes").map(|at| read_all(Some(at), read_route, errors));
    object.end(errors);
    let forwarded = config.forwards.iter().any(|forward| !forward.servers.is_empty());
    if config.hints.is_empty() && !forwarded && !config.cache_only {
        errors.add(at.path(), "neither hints nor forward: there is nobody to ask");
    }
    Some(ResolverPlan { config, routes, port_uses, local_zones_off, local, local_of_views, streams })
}

fn read_stale(at: &At<'_>, stale: &mut Stale, errors: &mut Errors) {
    let Some(mut object) = at.object(errors) else { return };
    set(&mut stale.max_s, &mut object, "max_s", 0, 7 * 86_400, errors);
    if let Some(ms) = object.key("client_timeout_ms").and_then(|at| at.number(0, 600_000, errors)) {
        stale.client_timeout = ms * MILLISECOND;
    }
    set(&mut stale.ttl_s, &mut object, "ttl_s", 1, 3600, errors);
    set(&mut stale.recheck_s, &mut object, "recheck_s", 1, 3600, errors);
    object.end(errors);
}

fn read_streams(at: &At<'_>, errors: &mut Errors) -> Option<StreamPlan> {
    let mut object = at.object(errors)?;
    let mut plan = StreamPlan::default();
    set(&mut plan.max_connections, &mut object, "max_connections", 1, 100_000, errors);
    set(&mut plan.max_per_server, &mut object, "max_per_server", 1, 1_000, errors);
    set(&mut plan.max_pipelined, &mut object, "max_pipelined", 1, 10_000, errors);
    set(&mut plan.idle_ms, &mut object, "idle_ms", 0, 600_000, errors);
    set(&mut plan.lifetime_ms, &mut object, "lifetime_ms", 200, 86_400_000, errors);
    object.end(errors);
    Some(plan)
}

fn read_hint(at: &At<'_>, errors: &mut Errors) -> Option<(Name, Vec<IpAddr>)> {
    let mut object = at.object(errors)?;
    let name = object.required("name", errors).and_then(|at| read_name(&at, errors));
    let addresses = object.required("addresses", errors).map(|at| {
        at.items(errors)
            .iter()
            .filter_map(|at| {
                at.parsed(|text| text.parse().map_err(|_| format!("{text:?} is not an IP address")), errors)
            })
            .collect()
    });
    object.end(errors);
    Some((name?, addresses?))
}

fn read_forward(at: &At<'_>, errors: &mut Errors) -> Option<Forward> {
    let mut object = at.object(errors)?;
    let suffix = object.required("suffix", errors).and_then(|at| read_name(&at, errors));
    let servers: Option<Vec<SocketAddr>> = object
        .required("servers", errors)
        .map(|at| at.items(errors).iter().filter_map(|at| at.parsed(parse_server, errors)).collect());
    let mut truth = |key: &'static str| object.key(key).and_then(|at| at.truth(errors)).unwrap_or(false);
    let (authoritative, fallback, prime) = (truth("authoritative"), truth("fallback"), truth("prime"));
    let mut race = 1;
    set(&mut race, &mut object, "race", 1, 16, errors);
    object.end(errors);
    let (suffix, servers) = (suffix?, servers?);
    if servers.is_empty() && suffix.as_ref().is_root() {
        errors.add(at.path(), "no server: only a longer suffix can be an exception");
    }
    if prime && !authoritative {
        errors.add(at.path(), "prime needs authoritative: recursive servers are no servers of the zone");
    }
    if authoritative && race > 1 {
        errors.add(at.path(), "race is for recursive servers");
    }
    let mode = if authoritative { ForwardMode::Authoritative } else { ForwardMode::Recursive };
    Some(Forward { mode, race, fallback, prime, ..Forward::new(suffix, servers) })
}

fn read_route(at: &At<'_>, errors: &mut Errors) -> Option<RoutePlan> {
    let mut object = at.object(errors)?;
    let prefix = object.required("prefix", errors).and_then(|at| at.parsed(str::parse::<Prefix>, errors));
    let to = object.required("to", errors).and_then(|at| at.parsed(parse_loopback, errors));
    object.end(errors);
    Some(RoutePlan { prefix: prefix?, to: to? })
}

fn read_anchor(at: &At<'_>, errors: &mut Errors) -> Option<TrustAnchor> {
    at.parsed(str::parse, errors)
}

fn read_zones(at: &At<'_>, errors: &mut Errors) -> Vec<ZonePlan> {
    let mut zones: Vec<ZonePlan> = Vec::new();
    let mut names = std::collections::HashSet::new();
    for at in at.items(errors) {
        let Some(mut object) = at.object(errors) else { continue };
        let name = object.required("name", errors).and_then(|at| read_name(&at, errors));
        let query_acl = object.key("query_acl").map(|at| read_acl(&at, errors));
        let overlay = object.key("overlay").and_then(|at| at.truth(errors)).unwrap_or(false);
        let notify = object.key("notify").map(|at| read_all(Some(at), read_client_rule, errors));
        let transfer = read_all(object.key("transfer"), read_client_rule, errors);
        let update = read_all(object.key("update"), read_client_rule, errors);
        let forwards_updates =
            object.key("forwards_updates").and_then(|at| at.truth(errors)).unwrap_or(false);
        object.end(errors);
        let Some(name) = name else { continue };
        if !names.insert(name.clone()) {
            errors.add(format!("{}.name", at.path()), format_args!("{name} is there twice"));
        }
        zones.push(ZonePlan { name, query_acl, overlay, notify, transfer, update, forwards_updates });
    }
    zones
}

fn read_client_rule(at: &At<'_>, errors: &mut Errors) -> Option<ClientRule> {
    let mut object = at.object(errors)?;
    let clients = object.key("clients").map(|at| read_acl(&at, errors));
    let key = object.key("key").map(|at| read_name(&at, errors));
    object.end(errors);
    if clients.is_none() && key.is_none() {
        errors.add(at.path(), "neither clients nor key: it would admit everybody");
    }
    // A key that cannot be read must not become a rule for every key.
    match key {
        None => Some(ClientRule { clients, key: None }),
        Some(key) => Some(ClientRule { clients, key: Some(key?) }),
    }
}

fn read_transfers(at: &At<'_>, errors: &mut Errors) -> Option<TransfersPlan> {
    let mut object = at.object(errors)?;
    let mut plan = TransfersPlan::default();
    set(&mut plan.most, &mut object, "most", 1, 100_000, errors);
    set(&mut plan.most_per_zone, &mut object, "most_per_zone", 1, 100_000, errors);
    set(&mut plan.most_per_client, &mut object, "most_per_client", 1, 100_000, errors);
    set(&mut plan.history_bytes, &mut object, "history_bytes", 0, 1 << 40, errors);
    object.end(errors);
    Some(plan)
}

fn read_view(at: &At<'_>, errors: &mut Errors) -> Option<ViewPlan> {
    let mut object = at.object(errors)?;
    let name = object.required("name", errors).and_then(|at| at.text(errors)).map(str::to_owned);
    let clients = object.key("clients").map_or_else(|| Acl::new([]), |at| read_acl(&at, errors));
    let keys = read_all(object.key("keys"), read_name, errors);
    let zones = object.key("zones").map(|at| read_all(Some(at), read_name, errors));
    let shared_cache = object.key("shared_cache").and_then(|at| at.truth(errors)).unwrap_or(false);
    let common_local = object.key("common_local").and_then(|at| at.truth(errors)).unwrap_or(true);
    object.end(errors);
    Some(ViewPlan { view: View { name: name?, clients, keys }, zones, shared_cache, common_local })
}

fn read_key(at: &At<'_>, errors: &mut Errors) -> Option<KeyPlan> {
    let mut object = at.object(errors)?;
    let name = object.required("name", errors).and_then(|at| read_name(&at, errors));
    let algorithm = object.required("algorithm", errors).and_then(|at| at.parsed(parse_algorithm, errors));
    object.end(errors);
    Some(KeyPlan { name: name?, algorithm: algorithm? })
}

/// `hmac-sha256`, with or without final dot. `hmac-md5` stands for its long name.
fn parse_algorithm(text: &str) -> Result<Name, String> {
    let long = if text.eq_ignore_ascii_case("hmac-md5") { "hmac-md5.sig-alg.reg.int." } else { text };
    let name =
        Name::parse(long.as_bytes(), Some(nw_wire::NameRef::ROOT)).map_err(|error| error.to_string())?;
    match nw_crypto::tsig_algorithm(name.as_ref()) {
        Some(_) => Ok(name),
        None => {
            Err(format!("{text:?} is not a TSIG algorithm: expected hmac-sha256 or another of RFC 8945 §6"))
        }
    }
}

fn read_local_zone(at: &At<'_>, errors: &mut Errors) -> Option<Name> {
    let name = read_name(at, errors)?;
    if !crate::local_zones::is_known(&name) {
        errors.add(at.path(), format_args!("{name} is not a locally served zone"));
    }
    Some(name)
}

fn read_recorder(at: &At<'_>, errors: &mut Errors) -> Option<RecorderPlan> {
    let mut object = at.object(errors)?;
    let mut plan = RecorderPlan::default();
    set(&mut plan.entries, &mut object, "entries", 0, 1_000_000, errors);
    set(&mut plan.bytes, &mut object, "bytes", 64 << 10, 1 << 30, errors);
    set(&mut plan.slow_ms, &mut object, "slow_ms", 0, 3_600_000, errors);
    object.end(errors);
    Some(plan)
}

/// Read a number into *field* if *key* is present.
pub(super) fn set<T: TryFrom<u64>>(
    field: &mut T,
    object: &mut Object<'_>,
    key: &'static str,
    least: u64,
    most: u64,
    errors: &mut Errors,
) {
    let number = object.key(key).and_then(|at| at.number(least, most, errors));
    if let Some(value) = number.and_then(|number| T::try_from(number).ok()) {
        *field = value;
    }
}

pub(super) fn read_all<T>(
    at: Option<At<'_>>,
    read: impl Fn(&At<'_>, &mut Errors) -> Option<T>,
    errors: &mut Errors,
) -> Vec<T> {
    let items = at.map(|at| at.items(errors)).unwrap_or_default();
    items.iter().filter_map(|at| read(at, errors)).collect()
}

pub(super) fn read_name(at: &At<'_>, errors: &mut Errors) -> Option<Name> {
    at.parsed(|text| Name::parse(text.as_bytes(), None), errors)
}

/// A text that fits one character-string (RFC 1035 §3.3).
fn read_character_string(at: &At<'_>, errors: &mut Errors) -> Option<String> {
    at.parsed(
        |text| if text.len() <= 255 { Ok(text.to_owned()) } else { Err("longer than 255 octets") },
        errors,
    )
}

fn parse_nsid(text: &str) -> Result<Vec<u8>, String> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| digit.to_digit(16).and_then(|value| u8::try_from(value).ok())).collect();
    match digits {
        Some(digits) if digits.len() % 2 == 0 && digits.len() <= 2 * MOST_NSID => {
            Ok(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
        }
        Some(digits) if digits.len() % 2 == 0 => Err(format!("longer than {MOST_NSID} octets")),
        _ => Err("expected pairs of hexadecimal digits".to_owned()),
    }
}

/// `9.9.9.9:53`, `[2620:fe::fe]:53`, or only an address, which means port 53.
fn parse_server(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .or_else(|_| text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53)))
        .map_err(|_| format!("{text:?} is not an address with a port"))
}

fn parse_loopback(text: &str) -> Result<SocketAddr, String> {
    let to: SocketAddr = text.parse().map_err(|_| format!("{text:?} is not an address with a port"))?;
    if to.ip().is_loopback() { Ok(to) } else { Err(format!("{} is not a loopback address", to.ip())) }
}
