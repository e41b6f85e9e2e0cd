//! Plays an `.rpl` script: its servers run on the simulated network, and its steps query a namewise server.
//!
//! ```text
//! client ──STEP QUERY──► namewise ──► ScriptedServers: the first entry of the ranges that cover the step, or outstanding
//!        ◄─CHECK_ANSWER─                └─ STEP REPLY, TIMEOUT, CHECK_OUT_QUERY act on outstanding queries
//! ```
//!
//! *Time*: `TIME_PASSES` gives the amount. Otherwise the clock advances only if the script could not continue: until
//! an answer that is checked arrives, or until a query to a server arrives that a REPLY step answers. For a
//! CHECK_OUT_QUERY, the clock advances at the number of the CHECK_OUT_QUERY step itself, unless the servers of that
//! step would answer the outstanding queries (as in Unbound's player).

#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;

use nw_resolve::{Forward, ResolverConfig, Transport};
use nw_wire::code::{Rcode, RrType};
use nw_wire::message::Message;
use nw_wire::name::Name;

use super::config::{self, Settings};
use super::syntax::{Action, EntryText, Script, Step};
use crate::entry::{Entry, EntryError};
use crate::exec::{Executor, Micros};
use crate::expr::{Variables, evaluate};
use crate::matching::Difference;
use crate::net::{Acceptance, Arrival, Datagram, Host, Net};
use crate::packet::Packet;
use crate::play::Options;
use crate::policy;
use crate::random::Random;
use crate::record::parse_question;
use crate::report::{Failure, Outcome, Report, Run};
use crate::server::{Server, ServerHost, ServerSpec};

/// The addresses of the engine. Scripts may use all other addresses.
const ENGINE: [&str; 2] = ["192.0.0.8", "100::8"];
/// The address of the server of the zones that only lookups use.
const ZONES: &str = "192.0.0.9";
/// The maximum wait if the script does not limit it. The engine gives up much earlier.
const MAX_WAIT: Micros = 120_000_000;
const SECOND: Micros = 1_000_000;

/// Play `text`.
pub fn play(text: &str, options: &Options) -> Report {
    let script = match Script::parse(text) {
        Ok(script) => script,
        Err(error) => return unreadable(String::new(), error.to_string()),
    };
    let (servers, steps) = match compile(&script) {
        Ok(compiled) => compiled,
        Err(error) => return unreadable(script.title, error.to_string()),
    };
    let config::Read { settings, ignored, mut unsupported } = config::read(&script);
    for step in &script.steps {
        if let Action::Foreign(kind) = &step.action
            && !unsupported.contains(kind)
        {
            unsupported.push(kind.clone());
        }
    }
    if !unsupported.is_empty() {
        let mut report = Report::new("rpl", script.title, Outcome::Unsupported { reasons: unsupported });
        report.ignored = ignored;
        return report;
    }
    // A TIMEOUT step fails unless a query is outstanding.
    let checks = |action: &Action| {
        matches!(action, Action::CheckAnswer(_) | Action::CheckOutQuery(_) | Action::Timeout(_))
    };
    if !steps.iter().any(|step| checks(&step.action)) {
        return unreadable(script.title, "no step checks anything".to_owned());
    }
    let mut player = match Player::new(servers, settings, options) {
        Ok(player) => player,
        Err(reasons) => return Report::new("rpl", script.title, Outcome::Unsupported { reasons }),
    };
    let outcome = player.play(&steps);
    let mut report = Report::new("rpl", script.title, outcome);
    report.run = player.run(options);
    report.ignored = ignored;
    player.net.clear();
    report
}

fn unreadable(title: String, problem: String) -> Report {
    Report::new("rpl", title, Outcome::Unreadable { problem })
}

/// A step, with its entry in wire form.
struct CompiledStep {
    number: u64,
    line: usize,
    action: Action,
    entry: Option<Entry>,
}

fn compile(script: &Script) -> Result<(ScriptedServers, Vec<CompiledStep>), EntryError> {
    let mut servers = ScriptedServers::default();
    for range in &script.ranges {
        let entries: Result<Vec<Entry>, EntryError> = range.entries.iter().map(Entry::compile).collect();
        let addresses = range.addresses.clone();
        servers.ranges.push(ServerRange { from: range.from, to: range.to, addresses, entries: entries? });
    }
    let checked = |text: &EntryText| Entry::compile(text).map(Entry::or_match_all)?.comparing(text);
    let steps: Result<Vec<CompiledStep>, EntryError> = script
        .steps
        .iter()
        .map(|Step { number, action, line }| {
            let entry = match action {
                Action::Query(text) | Action::Reply(text) => Some(Entry::compile(text)?),
                Action::CheckAnswer(text) | Action::CheckOutQuery(text) => Some(checked(text)?),
                _ => None,
            };
            Ok(CompiledStep { number: *number, line: *line, action: action.clone(), entry })
        })
        .collect();
    Ok((servers, steps?))
}

/// The scripted servers, at all addresses except those of the engine and the clients.
#[derive(Default)]
struct ScriptedServers {
    ranges: Vec<ServerRange>,
    step: Cell<u64>,
    outstanding: RefCell<Vec<Outstanding>>,
    unanswered: RefCell<Vec<String>>,
}

struct ServerRange {
    from: u64,
    to: u64,
    addresses: Vec<IpAddr>,
    entries: Vec<Entry>,
}

/// A query that no entry has answered.
#[derive(Clone)]
struct Outstanding {
    datagram: Datagram,
    packet: Packet,
}

impl ScriptedServers {
    /// Return the entry that answers `packet` at `server` in step `step`.
    fn entry(&self, step: u64, server: IpAddr, packet: &Packet, via: Transport) -> Option<&Entry> {
        self.ranges
            .iter()
            .filter(|range| (range.from..=range.to).contains(&step))
            .filter(|range| range.addresses.is_empty() || range.addresses.contains(&server))
            .flat_map(|range| &range.entries)
            .find(|entry| entry.difference(packet, via).is_none())
    }

    fn plays(&self, server: IpAddr) -> bool {
        self.ranges.iter().any(|range| range.addresses.is_empty() || range.addresses.contains(&server))
    }

    /// Return whether an outstanding query would be answered in step `step`.
    fn would_answer(&self, step: u64) -> bool {
        self.outstanding.borrow().iter().any(|waiting| {
            self.entry(step, waiting.datagram.to.ip(), &waiting.packet, waiting.datagram.via).is_some()
        })
    }

    /// Enter step `step`, and answer the outstanding queries that its ranges answer.
    fn enter(&self, net: &Net, step: u64) {
        self.step.set(step);
        let waiting = std::mem::take(&mut *self.outstanding.borrow_mut());
        for one in waiting {
            match self.entry(step, one.datagram.to.ip(), &one.packet, one.datagram.via) {
                Some(entry) => send_answer(net, &one.datagram, &one.packet, entry),
                None => self.outstanding.borrow_mut().push(one),
            }
        }
    }

    /// Drop the queries whose sender has stopped waiting.
    fn forget_abandoned(&self, net: &Net) {
        self.outstanding.borrow_mut().retain(|waiting| net.is_open(waiting.datagram.from));
    }
}

fn send_answer(net: &Net, datagram: &Datagram, packet: &Packet, entry: &Entry) {
    let Some(messages) = entry.answer(&datagram.bytes, packet) else { return };
    let (net, datagram) = (net.clone(), datagram.clone());
    let at = net.clock().now() + entry.delay();
    net.clone().clock().at(at, move || {
        for message in messages {
            net.reply(&datagram, message);
        }
    });
}

/// The scripted servers as a host.
struct ScriptedHosts(Rc<ScriptedServers>);

impl Host for ScriptedHosts {
    fn receive(&self, net: &Net, datagram: Datagram) {
        let servers = &self.0;
        let Ok(message) = Message::parse(&datagram.bytes) else { return };
        let packet = Packet::of(&message);
        let step = servers.step.get();
        if let Some(entry) = servers.entry(step, datagram.to.ip(), &packet, datagram.via) {
            send_answer(net, &datagram, &packet, entry);
            return;
        }
        if let Some(question) = packet.question.first() {
            let line = format!("step {step}: {} {} to {}", question.name, question.rtype, datagram.to);
            servers.unanswered.borrow_mut().push(line);
        }
        servers.outstanding.borrow_mut().push(Outstanding { datagram, packet });
    }

    fn accepts(&self, to: SocketAddr) -> Acceptance {
        if self.0.plays(to.ip()) { Acceptance::Accepted } else { Acceptance::Silent }
    }
}

/// A query of a client, and its answer if it has arrived.
struct ClientQuery {
    client: IpAddr,
    reply: Rc<RefCell<Option<Vec<u8>>>>,
    via: Transport,
    /// Whether it has been compared.
    checked: Cell<bool>,
}

impl ClientQuery {
    fn answered(&self) -> bool {
        self.reply.borrow().is_some()
    }
}

struct Player {
    net: Net,
    clock: Executor,
    servers: Rc<ScriptedServers>,
    server: Rc<Server>,
    settings: Settings,
    rng: Random,
    queries: Vec<ClientQuery>,
    /// Indexes into `queries`, in the order in which the answers arrived.
    received: Rc<RefCell<Vec<usize>>>,
    /// The cause of each SERVFAIL that was checked.
    causes: RefCell<Vec<String>>,
    variables: Variables,
}

impl Player {
    fn new(servers: ScriptedServers, settings: Settings, options: &Options) -> Result<Player, Vec<String>> {
        let clock = Executor::new();
        let net = Net::new(clock.clone(), options.seed);
        let addresses: Vec<IpAddr> =
            ENGINE.iter().map(|address| address.parse().expect("both are literal addresses")).collect();
        let mut config = resolver_config(&settings);
        let (mut zones, mut upstream) = (Vec::new(), Vec::new());
        for zone in &settings.zones {
            let loaded = zone.load(&settings).map_err(|error| vec![error])?;
            if zone.downstream {
                zones.extend(loaded);
            } else if zone.upstream && !(loaded.is_none() && zone.fallback) {
                let server = SocketAddr::new(ZONES.parse().expect("a literal address"), 53);
                let stub = Forward::authoritative(zone.apex.clone(), vec![server]);
                config.forwards.push(Forward { fallback: zone.fallback, ..stub });
                upstream.extend(loaded);
            }
        }
        let spec = ServerSpec {
            addresses: addresses.clone(),
            zones,
            resolver: Some(config),
            settings: settings.plan(),
            policies: policy::read(&settings.lists, None).map_err(|error| vec![error])?,
            nsid: settings.nsid.clone(),
            identity: settings.identity.clone(),
            unix_s: settings.unix_s,
            ..ServerSpec::default()
        };
        let server = Server::start(&net, spec)
            .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<String>>())?;
        let servers = Rc::new(servers);
        net.place_everywhere(Rc::new(ScriptedHosts(Rc::clone(&servers))));
        for address in addresses {
            net.place(address, Rc::new(ServerHost(Rc::clone(&server))));
        }
        if !upstream.is_empty() {
            let address: IpAddr = ZONES.parse().expect("a literal address");
            let spec = ServerSpec { addresses: vec![address], zones: upstream, ..ServerSpec::default() };
            let host = Server::start(&net, spec)
                .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<String>>())?;
            net.place(address, Rc::new(ServerHost(host)));
        }
        let rng = Random::stream(options.seed, "clients");
        Ok(Player {
            net,
            clock,
            servers,
            server,
            settings,
            rng,
            queries: Vec::new(),
            received: Rc::default(),
            causes: RefCell::default(),
            variables: Variables::new(),
        })
    }

    fn run(&self, options: &Options) -> Run {
        Run {
            seed: options.seed,
            virtual_us: self.clock.now(),
            upstream_queries: self.server.world().asked().len(),
            upstream_without_floods: self.server.world().asked().len(),
            fingerprint: self.net.log(|log| format!("{:016x}", log.hash())),
            unanswered: self.servers.unanswered.borrow().clone(),
            causes: self.causes.borrow().clone(),
            measures: Vec::new(),
            questions: self.server.questions(),
            cache_octets: self.server.cache().stats().octets,
            engine_us: None,
            log: self.net.log(|log| {
                let events = if options.log { log.events() } else { &[] };
                events.iter().map(ToString::to_string).collect()
            }),
        }
    }

    fn play(&mut self, steps: &[CompiledStep]) -> Outcome {
        for (at, step) in steps.iter().enumerate() {
            self.servers.forget_abandoned(&self.net);
            self.servers.enter(&self.net, step.number);
            self.clock.run_ready();
            if let Err(difference) = self.step(step, &steps[at + 1..]) {
                return Outcome::Fail(Failure::of(step.number, step.line, difference));
            }
        }
        Outcome::Pass
    }

    fn step(&mut self, step: &CompiledStep, later: &[CompiledStep]) -> Result<(), Difference> {
        match (&step.action, &step.entry) {
            (Action::Query(_), Some(entry)) => {
                self.query(entry);
                self.wait_for_query(later);
                Ok(())
            }
            (Action::CheckAnswer(_), Some(entry)) => self.check_answer(entry),
            (Action::Reply(_), Some(entry)) => {
                self.reply(entry);
                Ok(())
            }
            (Action::CheckOutQuery(_), Some(entry)) => self.check_out_query(entry),
            (Action::Timeout(server), _) => self.timeout(*server),
            (Action::Elapse(time), _) => {
                self.clock.run_until(self.clock.now() + time);
                Ok(())
            }
            (Action::ElapseEval(expr), _) => {
                let seconds = self.evaluate(expr)?;
                let time = u64::try_from(seconds).unwrap_or(0).saturating_mul(SECOND);
                self.clock.run_until(self.clock.now().saturating_add(time));
                Ok(())
            }
            (Action::Assign(name, expr), _) => {
                let value = self.evaluate(expr)?;
                self.variables.insert(name.clone(), value);
                Ok(())
            }
            (Action::FlushMessage(text), _) => {
                let (name, _) = message(text)?;
                self.server.flush(name.as_ref());
                Ok(())
            }
            (Action::ExpireMessage(text), _) => {
                let (name, rtype) = message(text)?;
                self.server.expire(name.as_ref(), rtype);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn evaluate(&self, expr: &str) -> Result<i64, Difference> {
        let now = i64::try_from(self.settings.unix_s + self.clock.now() / SECOND).unwrap_or(i64::MAX);
        evaluate(expr, now, &self.variables).map_err(|error| Difference {
            field: "expression",
            expected: "a number".to_owned(),
            got: error.to_string(),
        })
    }

    // CLIENTS

    fn query(&mut self, entry: &Entry) {
        let client = entry.address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let via = if entry.matches.contains(&crate::matching::Match::Tcp) {
            Transport::Tcp
        } else {
            Transport::Udp
        };
        let id = u16::try_from(self.rng.below(0x10000)).expect("below 2^16");
        let wire = entry.packet().to_wire(id);
        let engine: IpAddr =
            ENGINE[usize::from(client.is_ipv6())].parse().expect("both are literal addresses");
        let socket = self.net.bind(client, &mut self.rng);
        let reply: Rc<RefCell<Option<Vec<u8>>>> = Rc::default();
        let (slot, received, index) = (Rc::clone(&reply), Rc::clone(&self.received), self.queries.len());
        self.clock.spawn(async move {
            socket.send(SocketAddr::new(engine, 53), via, wire);
            if let Some(Arrival::Message(_, message)) = socket.receive(Micros::MAX).await {
                *slot.borrow_mut() = Some(message);
                received.borrow_mut().push(index);
            }
        });
        self.queries.push(ClientQuery { client, reply, via, checked: Cell::new(false) });
        self.clock.run_ready();
    }

    fn all_answered(&self) -> bool {
        self.queries.iter().all(ClientQuery::answered)
    }

    /// After a QUERY: advance the clock until its answer arrives, if a later step checks it.
    fn wait_for_query(&self, later: &[CompiledStep]) {
        let next = later.iter().find(|step| !matches!(step.action, Action::Nothing | Action::Assign(..)));
        let Some(CompiledStep { action: Action::CheckAnswer(_), number, .. }) = next else { return };
        if !self.servers.would_answer(*number) {
            self.clock.run_while_pending(self.clock.now() + MAX_WAIT, || self.all_answered());
        }
    }

    /// Compare the last received answer. If the entry has an ADDRESS, only the answers to that client count.
    ///
    /// While a client waits, the clock advances until an answer arrives. If every answer has been checked and no
    /// client waits, the last one is compared again.
    fn check_answer(&self, entry: &Entry) -> Result<(), Difference> {
        let of_client = |query: &ClientQuery| entry.address.is_none_or(|address| address == query.client);
        let unchecked =
            || self.queries.iter().any(|query| of_client(query) && query.answered() && !query.checked.get());
        let pending = || self.queries.iter().any(|query| of_client(query) && !query.answered());
        if !unchecked() && pending() {
            self.clock.run_while_pending(self.clock.now() + MAX_WAIT, unchecked);
        }
        let received = self.received.borrow();
        let Some(last) = received.iter().rev().map(|at| &self.queries[*at]).find(|query| of_client(query))
        else {
            let expected = "an answer".to_owned();
            return Err(Difference { field: "answer", expected, got: "no reply".to_owned() });
        };
        // Answers before the last one can no longer be checked.
        self.queries
            .iter()
            .filter(|query| of_client(query) && query.answered())
            .for_each(|a| a.checked.set(true));
        let reply = last.reply.borrow();
        let message = Message::parse(reply.as_ref().expect("it was received")).map_err(|error| {
            Difference { field: "message", expected: "a message".to_owned(), got: error.to_string() }
        })?;
        let packet = Packet::of(&message);
        if packet.rcode == Rcode::SERVFAIL {
            self.check_cause()?;
        }
        entry.difference(&packet, last.via).map_or(Ok(()), Err)
    }

    /// A script never expects a SERVFAIL that the engine itself caused.
    fn check_cause(&self) -> Result<(), Difference> {
        let explained = self.server.explained();
        let cause = explained.iter().last().map_or("no cause", |step| step.reason.slug());
        self.causes.borrow_mut().push(format!("step {}: {cause}", self.servers.step.get()));
        let own_fault = self.server.panics() > 0 || cause == "no-hints";
        let expected = "a failure that the scripted servers caused".to_owned();
        let got = if self.server.panics() > 0 { "a panic of the engine" } else { cause };
        own_fault.then(|| Difference { field: "cause", expected, got: got.to_owned() }).map_or(Ok(()), Err)
    }

    // SERVERS

    /// Advance the clock until a query to a server is outstanding for which `wanted` returns true, and remove that
    /// query.
    fn take_outstanding(&self, wanted: impl Fn(&Outstanding) -> bool) -> Option<Outstanding> {
        let position = || {
            self.servers.forget_abandoned(&self.net);
            self.servers.outstanding.borrow().iter().position(&wanted)
        };
        self.wait_for_outstanding(|| position().is_some());
        position().map(|at| self.servers.outstanding.borrow_mut().remove(at))
    }

    /// Advance the clock until `found` returns true, as long as a client waits. Without a waiting client, the engine
    /// sends no further queries.
    fn wait_for_outstanding(&self, found: impl Fn() -> bool) {
        let limit = self.clock.now() + MAX_WAIT;
        self.clock.run_while_pending(limit, || found() || self.all_answered());
    }

    fn nothing_outstanding(&self, entry: Option<&Entry>) -> Difference {
        let question = entry.and_then(|entry| entry.packet().question.first());
        let expected = question.map_or("a question to a server".to_owned(), |question| {
            format!("{} {} to a server", question.name, question.rtype)
        });
        let waiting = self.servers.outstanding.borrow();
        let others: Vec<String> = waiting
            .iter()
            .filter_map(|one| one.packet.question.first().map(|q| format!("{} {}", q.name, q.rtype)))
            .collect();
        let got = if others.is_empty() { "none outstanding".to_owned() } else { others.join(", ") };
        Difference { field: "upstream query", expected, got }
    }

    /// Answer the matching outstanding query. Without one, the resolver did not need to send it, and nothing happens.
    fn reply(&self, entry: &Entry) {
        let wanted = |one: &Outstanding| {
            entry.address.is_none_or(|address| address == one.datagram.to.ip())
                && entry.difference(&one.packet, one.datagram.via).is_none()
        };
        if let Some(one) = self.take_outstanding(wanted) {
            send_answer(&self.net, &one.datagram, &one.packet, entry);
            self.clock.run_ready();
        }
    }

    /// Leave the query unanswered: the clock advances until its sender gives up.
    fn timeout(&self, server: Option<IpAddr>) -> Result<(), Difference> {
        let wanted = |one: &Outstanding| server.is_none_or(|server| server == one.datagram.to.ip());
        let Some(one) = self.take_outstanding(wanted) else { return Err(self.nothing_outstanding(None)) };
        let limit = self.clock.now() + MAX_WAIT;
        self.clock.run_while_pending(limit, || !self.net.is_open(one.datagram.from));
        self.clock.run_ready();
        Ok(())
    }

    /// Check that the outstanding query matches the entry. If several queries went to the entry's ADDRESS, the latest
    /// one whose question matches is used, or else the latest.
    fn check_out_query(&self, entry: &Entry) -> Result<(), Difference> {
        let to_server = || -> Vec<Outstanding> {
            self.servers.forget_abandoned(&self.net);
            let outstanding = self.servers.outstanding.borrow();
            let to_server =
                |one: &&Outstanding| entry.address.is_none_or(|address| address == one.datagram.to.ip());
            outstanding.iter().rev().filter(to_server).cloned().collect()
        };
        self.wait_for_outstanding(|| !to_server().is_empty());
        let latest_first = to_server();
        let meant = latest_first.iter().find(|one| entry.asks_the_same(&one.packet));
        match meant.or(latest_first.first()) {
            Some(one) => entry.difference(&one.packet, one.datagram.via).map_or(Ok(()), Err),
            None => Err(self.nothing_outstanding(Some(entry))),
        }
    }
}

/// Read `name type class`.
fn message(text: &str) -> Result<(Name, RrType), Difference> {
    let question = parse_question(text, Name::root().as_ref()).map_err(|error| Difference {
        field: "message",
        expected: "name type class".to_owned(),
        got: error.to_string(),
    })?;
    Ok((question.name.to_name(), question.rtype))
}

fn resolver_config(settings: &Settings) -> ResolverConfig {
    let mut config = ResolverConfig {
        qname_minimisation: settings.minimise,
        nxdomain_cut: settings.nxdomain_cut,
        qname_case_randomisation: settings.case_randomisation,
        ipv4: settings.ipv4,
        ipv6: settings.ipv6,
        ask_loopback: settings.ask_loopback,
        prefetch: settings.prefetch,
        aggressive_nsec: settings.aggressive_nsec,
        trust_anchors: settings.trust_anchors.clone(),
        negative_trust_anchors: settings.negative_trust_anchors.clone(),
        ..ResolverConfig::default()
    };
    config.budget.discard_timeout = 0;
    // As in the server for which the scripts are written, unless they say otherwise.
    config.stale.max_s = match (settings.stale, settings.stale_s) {
        (false, _) => 0,
        (true, 0) => u32::MAX,
        (true, seconds) => seconds,
    };
    config.stale.ttl_s = settings.stale_ttl.unwrap_or(config.stale.ttl_s);
    if let Some(ms) = settings.stale_client_timeout {
        config.stale.client_timeout = Micros::from(ms) * 1000;
    }
    if settings.hints.is_empty() {
        config.hints.extend(root_servers());
    } else {
        // The server's own name comes from its priming answer.
        let name: Name = "hint.root-servers.net.".parse().expect("a literal name");
        config.hints.push((name, settings.hints.clone()));
    }
    for (suffix, servers) in &settings.stubs {
        let (fallback, prime) = (settings.fall_back.contains(suffix), settings.primed.contains(suffix));
        let stub = Forward::authoritative(suffix.clone(), servers.clone());
        config.forwards.push(Forward { fallback, prime, ..stub });
    }
    for (suffix, servers) in &settings.forwards {
        let fallback = settings.fall_back.contains(suffix);
        config.forwards.push(Forward { fallback, ..Forward::new(suffix.clone(), servers.clone()) });
    }
    if let Some(seconds) = settings.max_ttl {
        config.budget.max_ttl = seconds;
        config.budget.max_negative_ttl = config.budget.max_negative_ttl.min(seconds);
    }
    if let Some(seconds) = settings.min_ttl {
        config.budget.min_ttl = seconds;
    }
    config
}

/// The root servers a to m (root hints as of 2025), for a script that configures none.
fn root_servers() -> impl Iterator<Item = (Name, Vec<IpAddr>)> {
    const SERVERS: [(&str, &str, &str); 13] = [
        ("a", "198.41.0.4", "2001:503:ba3e::2:30"),
        ("b", "170.247.170.2", "2801:1b8:10::b"),
        ("c", "192.33.4.12", "2001:500:2::c"),
        ("d", "199.7.91.13", "2001:500:2d::d"),
        ("e", "192.203.230.10", "2001:500:a8::e"),
        ("f", "192.5.5.241", "2001:500:2f::f"),
        ("g", "192.112.36.4", "2001:500:12::d0d"),
        ("h", "198.97.190.53", "2001:500:1::53"),
        ("i", "192.36.148.17", "2001:7fe::53"),
        ("j", "192.58.128.30", "2001:503:c27::2:30"),
        ("k", "193.0.14.129", "2001:7fd::1"),
        ("l", "199.7.83.42", "2001:500:9f::42"),
        ("m", "202.12.27.33", "2001:dc3::35"),
    ];
    SERVERS.into_iter().map(|(letter, ipv4, ipv6)| {
        let name = format!("{letter}.root-servers.net.").parse().expect("a literal name");
        (name, [ipv4, ipv6].map(|address| address.parse().expect("a literal address")).to_vec())
    })
}
