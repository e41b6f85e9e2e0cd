//! Plays a TOML scenario: its hosts run on the simulated network, and its steps are queries of clients.

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;

use nw_resolve::{Budget, Forward, ResolverConfig};
use nw_serve::PlanError;
use nw_wire::code::RrType;
use nw_wire::message::Message;
use nw_wire::name::{Name, NameRef};

use super::behaviour::{ScriptedHost, ScriptedHostOnNet, read_zone};
use super::expect::{self, Seen};
use super::flood;
use super::format::{HostTable, ResolverTable, Scenario, StepTable};
use super::sign::Signing;
use crate::entry::apply_reply_word;
use crate::exec::{Executor, Micros};
use crate::matching::Difference;
use crate::net::{Arrival, Host, Net};
use crate::packet::{Edns, Packet};
use crate::play::Options;
use crate::policy::{self, ListTable};
use crate::random::Random;
use crate::record::parse_question;
use crate::report::{Failure, Measure, Outcome, Report, Run};
use crate::rpl::config::DEFAULT_UNIX;
use crate::rpl::lines::unhex;
use crate::server::{Server, ServerHost, ServerSpec};

/// The addresses of the resolver under test: IPv4, IPv6.
pub const RESOLVER: [&str; 2] = ["10.53.0.1", "fd00:53::1"];
/// The default address of clients.
pub const CLIENT: &str = "10.53.0.2";
/// The time that a client waits.
const MAX_WAIT: Micros = 30_000_000;

/// Play `text`.
pub fn play(text: &str, options: &Options) -> Report {
    let unreadable =
        |title: String, problem: String| Report::new("toml", title, Outcome::Unreadable { problem });
    let scenario = match Scenario::parse(text) {
        Ok(scenario) => scenario,
        Err(problem) => return unreadable(String::new(), problem),
    };
    let seed = scenario.seed.unwrap_or(options.seed);
    let mut topology = match Topology::build(&scenario, seed) {
        Ok(topology) => topology,
        Err(problem) => return unreadable(scenario.about, problem),
    };
    let lines: Vec<usize> = text
        .lines()
        .enumerate()
        .filter(|(_, line)| line.trim() == "[[step]]")
        .map(|(at, _)| at + 1)
        .collect();
    if options.measure
        && let Some(server) = &topology.resolver
    {
        server.measure();
    }
    let mut outcome = Outcome::Pass;
    for (at, step) in scenario.step.iter().enumerate() {
        match topology.step(at as u64 + 1, step) {
            Ok(None) => {}
            Ok(Some(difference)) => {
                let line = lines.get(at).copied().unwrap_or(0);
                outcome = Outcome::Fail(Failure::of(at as u64 + 1, line, difference));
                break;
            }
            Err(problem) => {
                topology.net.clear();
                return unreadable(scenario.about, format!("step {}: {problem}", at + 1));
            }
        }
    }
    let mut report = Report::new("toml", scenario.about, outcome);
    report.attack = scenario.attack;
    report.run = Run {
        seed,
        virtual_us: topology.clock.now(),
        upstream_queries: topology.resolver.as_ref().map_or(0, |server| server.world().asked().len()),
        upstream_without_floods: topology.without_floods,
        fingerprint: topology.net.log(|log| format!("{:016x}", log.hash())),
        unanswered: Vec::new(),
        causes: Vec::new(),
        measures: std::mem::take(&mut topology.measures),
        questions: topology.resolver.as_ref().map_or(0, |server| server.questions()),
        cache_octets: topology.resolver.as_ref().map_or(0, |server| server.cache().stats().octets),
        engine_us: topology.resolver.as_ref().and_then(|server| server.engine_us()),
        log: topology.net.log(|log| {
            let events = if options.log { log.events() } else { &[] };
            events.iter().map(ToString::to_string).collect()
        }),
    };
    topology.net.clear();
    report
}

/// Run the steps of `text` and return what each query step saw; expectations do not count.
pub fn record(text: &str, options: &Options) -> Result<Vec<Seen>, String> {
    let scenario = Scenario::parse(text)?;
    let mut topology = Topology::build(&scenario, scenario.seed.unwrap_or(options.seed))?;
    let mut seen = Vec::new();
    for step in &scenario.step {
        match &step.query {
            Some(question) => seen.extend(topology.query(step, question)?.into_iter().take(1)),
            None => _ = topology.step(0, step)?,
        }
    }
    topology.net.clear();
    Ok(seen)
}

/// A host of a scenario.
enum Player {
    ScriptedHost(Rc<ScriptedHost>),
    Resolver(Rc<Server>),
}

impl Player {
    fn host(&self) -> Rc<dyn Host> {
        match self {
            Player::ScriptedHost(host) => Rc::new(ScriptedHostOnNet(Rc::clone(host))),
            Player::Resolver(server) => Rc::new(ServerHost(Rc::clone(server))),
        }
    }
}

/// The arrival time of a reply, and the reply.
type TimedReply = Option<(Micros, Vec<u8>)>;

/// The running hosts.
struct Topology {
    net: Net,
    clock: Executor,
    rng: Random,
    resolver: Option<Rc<Server>>,
    players: BTreeMap<String, (Player, Vec<IpAddr>)>,
    signing: Signing,
    lists: Vec<ListTable>,
    measures: Vec<Measure>,
    /// The number of queries to servers that steps other than floods caused.
    without_floods: usize,
}

/// The root servers of a scenario: names and addresses from its root zone, or else the hosts that serve the root
/// zone.
pub fn root_hints(hosts: &[HostTable]) -> Result<Vec<(Name, Vec<IpAddr>)>, String> {
    let Some(text) = hosts.iter().find_map(|host| host.zones.get(".")) else { return Ok(Vec::new()) };
    let zone = read_zone(".", text)?;
    let mut hints = Vec::new();
    if let Some(servers) = zone.rrset(NameRef::ROOT, RrType::NS) {
        for rdata in servers.rdatas.iter() {
            let name = Name::from_wire(rdata).map_err(|_| "a root server without a name".to_owned())?;
            let mut addresses: Vec<IpAddr> = Vec::new();
            for rtype in [RrType::A, RrType::AAAA] {
                let found = zone.rrset(name.as_ref(), rtype);
                addresses.extend(found.iter().flat_map(|rrset| rrset.rdatas.iter()).filter_map(address));
            }
            hints.push((name, addresses));
        }
    }
    Ok(hints)
}

/// The errors of a plan as one text.
pub fn joined_errors(errors: Vec<PlanError>) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<String>>().join("; ")
}

fn address(rdata: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(rdata).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(rdata).map(IpAddr::from)).ok()
}

/// Convert `[settings]` to a part of a plan.
fn settings(table: &toml::Table) -> Result<serde_json::Value, String> {
    let mut settings = serde_json::to_value(table).map_err(|error| format!("settings: {error}"))?;
    if let Some(resolver) = settings.get_mut("resolver").and_then(serde_json::Value::as_object_mut) {
        // `[resolver]` of the scenario says where to ask; a plan without such a place is wrong.
        resolver.insert("forward".into(), serde_json::json!([{"suffix": ".", "servers": ["192.0.2.1"]}]));
    }
    Ok(settings)
}

/// Convert a `[resolver]` table.
fn resolver_config(
    table: &ResolverTable,
    hosts: &[HostTable],
    signing: &Signing,
) -> Result<ResolverConfig, String> {
    let name = |text: &String| text.parse::<Name>().map_err(|_| format!("{text:?} is no domain name"));
    let mut config = ResolverConfig {
        qname_minimisation: table.minimise,
        nxdomain_cut: table.nxdomain_cut,
        qname_case_randomisation: table.case_randomisation,
        ipv6: table.ipv6,
        sha1: !table.without_sha1,
        signature_skew: table.signature_skew.unwrap_or(ResolverConfig::default().signature_skew),
        hints: root_hints(hosts)?,
        trust_anchors: signing.anchors(&table.trust_anchors)?,
        negative_trust_anchors: table.negative_trust_anchors.iter().map(name).collect::<Result<_, _>>()?,
        ..ResolverConfig::default()
    };
    config.aggressive_nsec = table.aggressive_nsec.unwrap_or(config.aggressive_nsec);
    config.stale.max_s = table.stale.max_s.unwrap_or(config.stale.max_s);
    if let Some(ms) = table.stale.client_timeout_ms {
        config.stale.client_timeout = ms * 1000;
    }
    // Unless the scenario sets the limit, late answers are not discarded.
    config.budget.discard_timeout = 0;
    if !table.hints.is_empty() {
        let hints = table.hints.iter().map(|(server, addresses)| Ok((name(server)?, addresses.clone())));
        config.hints = hints.collect::<Result<_, String>>()?;
    }
    for forward in &table.forward {
        let servers = forward.servers.iter().map(|address| SocketAddr::new(*address, 53)).collect();
        let suffix = name(&forward.suffix)?;
        let made = match forward.authoritative {
            true => Forward::authoritative(suffix, servers),
            false => Forward::new(suffix, servers),
        };
        let (race, fallback, prime) = (forward.race.unwrap_or(1), forward.fallback, forward.prime);
        config.forwards.push(Forward { race, fallback, prime, ..made });
    }
    if let Some(copy) = &table.local_root {
        let host = hosts.iter().find(|host| host.name == copy.host);
        let host = host.ok_or_else(|| format!("local_root: there is no host {}", copy.host))?;
        config.local_root = Some(Arc::new(signing.local_root(copy, host, &config.trust_anchors)?));
    }
    for (field, value) in &table.budget {
        set_budget(&mut config.budget, field, *value)?;
    }
    Ok(config)
}

/// Set a field of `Budget` by its name.
fn set_budget(budget: &mut Budget, field: &str, value: u64) -> Result<(), String> {
    macro_rules! fields {
        ($($name:ident),*) => {
            match field {
                $(stringify!($name) => {
                    budget.$name = value.try_into().map_err(|_| format!("budget.{field}: {value} is too large"))?;
                })*
                _ => return Err(format!("budget.{field}: no such limit")),
            }
        };
    }
    fields!(
        max_upstream_queries,
        max_queries_without_progress,
        max_referrals,
        max_aliases,
        max_depth,
        max_ns_per_cut,
        max_addresses_per_ns,
        max_queries_per_cut,
        max_queries_per_server,
        max_address_lookups,
        max_failed_address_lookups,
        max_received_bytes,
        max_records_per_rrset,
        wall_clock,
        max_signatures,
        max_failed_signatures,
        max_nsec3_iterations,
        max_in_flight,
        max_in_flight_per_client,
        max_in_flight_per_zone,
        max_queries_per_second_per_client,
        max_queries_per_second_per_zone,
        max_waiting,
        discard_timeout,
        first_timeout,
        min_timeout,
        max_timeout,
        tcp_timeout,
        udp_payload,
        cache_bytes,
        max_ttl,
        min_ttl,
        max_negative_ttl,
        failure_ttl
    );
    Ok(())
}

impl Topology {
    fn build(scenario: &Scenario, seed: u64) -> Result<Topology, String> {
        let clock = Executor::new();
        let net = Net::new(clock.clone(), seed);
        let unix_s = scenario.unix_s.unwrap_or(DEFAULT_UNIX);
        let signing = Signing::new(&scenario.host, unix_s)?;
        let mut players = BTreeMap::new();
        for host in &scenario.host {
            let player = match &host.resolver {
                Some(table) => {
                    let spec = ServerSpec {
                        addresses: host.addresses.clone(),
                        zones: signing.read_zones(&host.zones, &host.sign)?,
                        resolver: Some(resolver_config(table, &scenario.host, &signing)?),
                        unix_s,
                        ..ServerSpec::default()
                    };
                    Player::Resolver(Server::start(&net, spec).map_err(joined_errors)?)
                }
                None => {
                    let zones = signing.read_zones(&host.zones, &host.sign)?;
                    Player::ScriptedHost(Rc::new(ScriptedHost::new(zones, &host.rule)?))
                }
            };
            for address in &host.addresses {
                if !host.down {
                    net.place(*address, player.host());
                }
                if let Some(link) = &host.link {
                    net.link(*address, link.link());
                }
            }
            if players.insert(host.name.clone(), (player, host.addresses.clone())).is_some() {
                return Err(format!("two hosts are called {}", host.name));
            }
        }
        let mut resolver = None;
        if let Some(table) = &scenario.resolver {
            let addresses: Vec<IpAddr> =
                RESOLVER.iter().map(|address| address.parse().expect("both are literal addresses")).collect();
            let spec = ServerSpec {
                addresses: addresses.clone(),
                resolver: Some(resolver_config(table, &scenario.host, &signing)?),
                settings: settings(&scenario.settings)?,
                policies: policy::read(&scenario.list, None)?,
                unix_s,
                ..ServerSpec::default()
            };
            let server = Server::start(&net, spec).map_err(joined_errors)?;
            for address in addresses {
                net.place(address, Rc::new(ServerHost(Rc::clone(&server))));
            }
            resolver = Some(server);
        }
        let rng = Random::stream(seed, "clients");
        let lists = scenario.list.clone();
        let (measures, without_floods) = (Vec::new(), 0);
        Ok(Topology { net, clock, rng, resolver, players, signing, lists, measures, without_floods })
    }

    /// Play step *number*.
    fn step(&mut self, number: u64, step: &StepTable) -> Result<Option<Difference>, String> {
        if let Some(seconds) = step.advance_s {
            if !(0.0..=1e12).contains(&seconds) {
                return Err(format!("advance_s: {seconds} is out of range"));
            }
            self.clock.run_until(self.clock.now() + (seconds * 1e6) as Micros);
        } else if let Some(name) = &step.up {
            let (player, addresses) = self.player(name)?;
            for address in addresses {
                self.net.place(*address, player.host());
            }
        } else if let Some(name) = &step.down {
            for address in &self.player(name)?.1 {
                self.net.remove(*address);
            }
        } else if let Some(swap) = &step.swap {
            let zones = self.signing.read_zones(&swap.zones, &swap.sign)?;
            match &self.player(&swap.host)?.0 {
                Player::ScriptedHost(host) => host.swap(zones),
                Player::Resolver(server) => server.swap(zones),
            }
        } else if let Some(name) = &step.flush {
            let name: Name = name.parse().map_err(|_| format!("{name:?} is no domain name"))?;
            let server = self.resolver.as_ref().ok_or("flush without a resolver")?;
            server.flush(name.as_ref());
        } else if let Some(wanted) = &step.lists {
            let server = self.resolver.as_ref().ok_or("lists without a resolver")?;
            server.swap_policies(policy::read(&self.lists, Some(wanted))?);
        } else if let Some(question) = &step.query {
            let before = self.sent();
            let seen = self.query(step, question)?;
            self.without_floods += self.sent() - before;
            let Some(wanted) = &step.expect else { return Ok(None) };
            self.measures.extend(seen.iter().flat_map(|seen| expect::measures(wanted, seen, number)));
            let differs = |seen: &Seen| expect::reply(wanted, seen).or_else(|| expect::behind(wanted, seen));
            return Ok(seen.iter().find_map(differs));
        } else if !step.flood.is_empty() {
            let server = RESOLVER[0].parse().expect("a literal address");
            let before = self.sent();
            let answers = flood::play(&self.net, server, &step.flood, &mut self.rng)?;
            for (stream, answers) in step.flood.iter().zip(&answers) {
                let (difference, measures) = flood::compare(stream, answers, number)?;
                self.measures.extend(measures);
                if difference.is_some() {
                    return Ok(difference);
                }
            }
            let seen = self.seen(None, 0, before);
            let Some(wanted) = &step.expect else { return Ok(None) };
            self.measures.extend(expect::measures(wanted, &seen, number));
            return Ok(expect::behind(wanted, &seen));
        } else {
            return Err(
                "a step needs one of query, flood, advance_s, up, down, swap, flush, lists".to_owned()
            );
        }
        Ok(None)
    }

    fn player(&self, name: &str) -> Result<&(Player, Vec<IpAddr>), String> {
        self.players.get(name).ok_or_else(|| format!("no host is called {name:?}"))
    }

    /// Send the query of `step` and return what came of each copy.
    fn query(&mut self, step: &StepTable, question: &str) -> Result<Vec<Seen>, String> {
        let packet = query_packet(step, question)?;
        let client = step.client.unwrap_or(CLIENT.parse().expect("a literal address"));
        let server = match &step.to {
            Some(name) => {
                let addresses = &self.player(name)?.1;
                *addresses
                    .iter()
                    .find(|address| address.is_ipv4() == client.is_ipv4())
                    .ok_or("no address of that family")?
            }
            None => RESOLVER[usize::from(client.is_ipv6())].parse().expect("a literal address"),
        };
        let via = step.via.transport();
        let before = self.sent();
        if let Some(server) = &self.resolver {
            server.forget_explanation();
        }
        let began = self.clock.now();
        let replies: Rc<RefCell<Vec<TimedReply>>> = Rc::default();
        let times = step.times.unwrap_or(1) as usize;
        for _ in 0..times {
            let id = u16::try_from(self.rng.below(0x10000)).expect("below 2^16");
            let (socket, wire) = (self.net.bind(client, &mut self.rng), packet.to_wire(id));
            let (clock, replies) = (self.clock.clone(), Rc::clone(&replies));
            self.clock.spawn(async move {
                let deadline = began + MAX_WAIT;
                let server = SocketAddr::new(server, 53);
                socket.send(server, via, wire);
                let reply = match socket.receive(deadline).await {
                    Some(Arrival::Message(from, bytes)) if from == server => Some((clock.now(), bytes)),
                    _ => None,
                };
                replies.borrow_mut().push(reply);
            });
        }
        self.clock.run_while_pending(began + MAX_WAIT + 1, || replies.borrow().len() == times);
        let replies = replies.borrow();
        Ok(replies.iter().map(|reply| self.seen(reply.as_ref(), began, before)).collect())
    }

    /// The number of queries that the resolver has sent.
    fn sent(&self) -> usize {
        self.resolver.as_ref().map_or(0, |server| server.world().asked().len())
    }

    fn seen(&self, reply: Option<&(Micros, Vec<u8>)>, began: Micros, before: usize) -> Seen {
        let mut seen = Seen::default();
        if let Some((at, bytes)) = reply {
            seen.octets = bytes.len();
            seen.took = at - began;
            match Message::parse(bytes) {
                Ok(message) => seen.reply = Some(Packet::of(&message)),
                Err(error) => seen.malformed = Some(error.to_string()),
            }
        }
        if let Some(server) = &self.resolver {
            seen.asked = server.world().asked()[before..]
                .iter()
                .map(|asked| (self.host_at(asked.server.ip()), asked.via))
                .collect();
            seen.payload = server.world().asked()[before..]
                .iter()
                .filter_map(|asked| Some(asked.packet.as_ref()?.edns.as_ref()?.payload))
                .max()
                .unwrap_or(0);
            seen.cache_octets = server.cache().stats().octets;
            seen.reasons = expect::reasons(&server.explained());
            seen.why = server.why();
        }
        seen
    }

    fn host_at(&self, address: IpAddr) -> String {
        let found = self.players.iter().find(|(_, (_, addresses))| addresses.contains(&address));
        found.map_or_else(|| address.to_string(), |(name, _)| name.clone())
    }
}

/// The message that a step sends.
pub fn query_packet(step: &StepTable, question: &str) -> Result<Packet, String> {
    let question =
        parse_question(question, NameRef::ROOT).map_err(|error| format!("{question:?}: {error}"))?;
    let mut packet = Packet { question: vec![question], ..Packet::default() };
    let default = vec!["RD".to_owned()];
    for word in step.flags.as_ref().unwrap_or(&default) {
        if !apply_reply_word(word, &mut packet) {
            return Err(format!("{word:?} is no flag"));
        }
    }
    let extended = step.edns
        || step.dnssec_ok
        || step.payload.is_some()
        || step.version.is_some()
        || step.options.is_some();
    if extended || packet.edns.is_some() {
        let edns = packet.edns.get_or_insert_with(Edns::default);
        edns.dnssec_ok |= step.dnssec_ok;
        edns.payload = step.payload.unwrap_or(edns.payload);
        edns.version = step.version.unwrap_or(0);
        if let Some(digits) = &step.options {
            let options = unhex(digits).ok_or_else(|| format!("{digits:?} is not hexadecimal"))?;
            edns.options = options.repeat(usize::from(step.repeat_options.unwrap_or(1)));
        }
    }
    Ok(packet)
}
