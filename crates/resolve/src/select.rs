//! The choice of the next server (RFC 1034 §5.3.3 step 3, RFC 1035 §7.2), in this order:
//!
//! 1. a server not yet tried for this name that neither rests nor is known to be lame. The one with the shortest smoothed
//!    round-trip time comes first. A server without one gets a short random time, so that it is tried soon; one that timed out
//!    some seconds ago gets the first timeout in addition;
//! 2. the same among the addresses that the zone itself gives for its servers, and those that the configuration gives for the
//!    root, when none that the parent gave is left (the two may disagree, and one set may be down);
//! 3. further name servers whose addresses must be looked up first;
//! 4. a server that timed out, once more, within `Budget::max_timeouts_per_server` and `Budget::max_timeouts_per_cut`;
//! 5. name servers with addresses and those that only the zone itself names: their addresses are looked up, in case that others
//!    are in use by now;
//! 6. one probe each of a server that answers without authority, one that was lame and one that rests, when there is nothing
//!    else; of the first two kinds another probe, of the same server if need be and within the limits of step 4, when one is lost.
//!
//! Forwarders may be asked beside each other (`race.rs`): the one that is under way is passed over. A forwarder that leads back to
//! this server is not asked.
//!
//! While the network of this machine is down, a server that was asked a moment ago is left out (`nw_cache::Servers`).
//!
//! With a reply without authority in hand ([`ServerList::keep_last_resort`]), only servers of steps 1 to 3 are asked.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use nw_cache::{Cached, Delegation, Lameness, Lookup, ServerNote};
use nw_wire::code::{Ede, RrType};
use nw_wire::name::Name;

use crate::answer::{Cause, Failure};
use crate::budget::Limit;
use crate::classify::Reply;
use crate::config::{Forward, ForwardMode};
use crate::reason::LoopEnds;
use crate::task::{Core, Frame};
use crate::trace::{Action, Basis, Draft, Layer, Reason};
use crate::validator::Fault;
use crate::world::{Micros, Transport, World};

/// Upper bound of the random round-trip time that a server without a known one gets, microseconds.
const UNKNOWN_RTT: Micros = 60_000;
/// The standings of servers that are asked after all others, once each kind for one name: those that answer without authority,
/// those that are lame, those that rest.
const PROBES: [u32; 3] = [u32::MAX - 2, u32::MAX - 1, u32::MAX];
/// The last of them.
const RESTS: usize = 2;

/// The servers that may be asked for names in one zone, and the state of the attempts for one name.
#[derive(Debug)]
pub(crate) struct ServerList {
    /// The zone, or the suffix that is forwarded.
    pub(crate) zone: Name,
    /// The hash of `zone`, which several counts go by.
    pub(crate) zone_hash: u64,
    /// Whether the servers are recursive resolvers.
    pub(crate) recursive: bool,
    /// How many of them are asked at once.
    pub(crate) race: u32,
    /// Whether the name is resolved from the root when all of them fail.
    pub(crate) fallback: bool,
    /// The layer that explanations name.
    pub(crate) layer: Layer,
    /// When the delegation that they come from ends; nothing learned below it lasts longer.
    pub(crate) expires: Micros,
    candidates: Vec<Candidate>,
    /// The candidate that was chosen last, and what was known of it then.
    noted: Option<(usize, ServerNote)>,
    /// Name servers whose addresses are not known.
    pub(crate) unresolved: Vec<Name>,
    /// Name servers to look up before the zone is given up: those whose addresses came with the delegation, and those that only
    /// the zone itself names.
    spare: Vec<Name>,
    /// The delegation, until the addresses and names that others than the parent give for it have been added.
    unread: Option<Arc<Delegation>>,
    /// The delegation, for the names of servers.
    pub(crate) cut: Option<Arc<Delegation>>,
    /// The names of servers whose addresses did not come with the delegation.
    names: Vec<(SocketAddr, Name)>,
    /// Whether these servers are asked for the whole name at once.
    pub(crate) whole_name: bool,
    /// Which of [`PROBES`] have been asked for want of a better server.
    probed: [bool; 3],
    /// Why the last bogus reply is bogus.
    fault: Option<Arc<Fault>>,
    /// What a forwarder said about its failure.
    said: Option<String>,
    /// The last thing that went wrong, in words, and its extended error.
    setback: Option<(Ede, String)>,
    /// Whether a setback was a server's fault.
    blamed: bool,
    /// Whether this machine or the budget prevented an attempt.
    pub(crate) hindered: bool,
    /// Whether a server was not asked because the network of this machine seems to be down.
    pub(crate) paused: bool,
    /// A server that was not asked because it rests.
    resting: Option<SocketAddr>,
    /// Why the last lookup of addresses brought none, in words.
    pub(crate) unfound: Option<String>,
    /// A reply from a server that does not speak for the zone, for the case that no other server replies.
    last_resort: Option<(Box<Reply>, SocketAddr)>,
    /// A forwarder that leads back to this server, and from where.
    looped: Option<Box<(SocketAddr, IpAddr)>>,
}

/// One address that may be asked.
#[derive(Clone, Debug)]
struct Candidate {
    address: SocketAddr,
    /// A query to it is under way.
    busy: bool,
    queries: u32,
    timeouts: u32,
    /// Not to be asked again for this name.
    spent: bool,
    /// Asked although it rests or is lame.
    probed: bool,
}

/// What can be done next.
pub(crate) enum Next {
    /// Ask this candidate.
    Ask(usize),
    /// Look up addresses of name servers.
    LookUp,
    /// Nothing is left.
    Nothing,
}

impl ServerList {
    fn new(zone: Name, layer: Layer, expires: Micros) -> ServerList {
        ServerList {
            zone_hash: zone.as_ref().hash64(),
            zone,
            recursive: false,
            race: 1,
            fallback: false,
            layer,
            expires,
            candidates: Vec::new(),
            noted: None,
            unresolved: Vec::new(),
            spare: Vec::new(),
            unread: None,
            cut: None,
            names: Vec::new(),
            whole_name: false,
            probed: [false; 3],
            fault: None,
            said: None,
            setback: None,
            blamed: false,
            hindered: false,
            paused: false,
            resting: None,
            unfound: None,
            last_resort: None,
            looped: None,
        }
    }

    /// A list of candidate *at* alone, to ask it beside others.
    pub(crate) fn apart(&mut self, at: usize) -> ServerList {
        let mut apart = ServerList::new(self.zone.clone(), self.layer, self.expires);
        (apart.recursive, apart.zone_hash) = (self.recursive, self.zone_hash);
        apart.candidates.push(self.candidates[at].clone());
        self.candidates[at].busy = true;
        apart
    }

    /// Candidate *at* was asked apart; take over what came of it.
    pub(crate) fn take_back(&mut self, at: usize, apart: ServerList) {
        self.candidates[at] = apart.candidates.into_iter().next().expect("it has one candidate");
        self.setback = apart.setback.or_else(|| self.setback.take());
        self.said = apart.said.or_else(|| self.said.take());
        self.fault = apart.fault.or_else(|| self.fault.take());
        self.looped = apart.looped.or_else(|| self.looped.take());
        self.blamed |= apart.blamed;
        self.hindered |= apart.hindered;
        self.paused |= apart.paused;
    }

    /// Candidate *at* was overtaken by another while it was asked apart.
    pub(crate) fn overtaken(&mut self, at: usize) {
        self.candidates[at].busy = false;
        self.candidates[at].queries += 1;
    }

    /// The forwarder says *text* about its failure (RFC 8914): part of what went wrong with it. Anybody may have written that.
    pub(crate) fn says(&mut self, text: &[u8]) {
        const MOST: usize = 300;
        let text = String::from_utf8_lossy(&text[..text.len().min(MOST)]);
        let text: String = text.chars().filter(|letter| !letter.is_control()).collect();
        self.said = Some(text).filter(|text| !text.is_empty());
    }

    /// What the last forwarder said about its failure.
    pub(crate) fn take_said(&mut self) -> Option<String> {
        self.said.take()
    }

    /// Whether another candidate could be asked beside those under way.
    pub(crate) fn has_several(&self) -> bool {
        self.candidates.iter().filter(|candidate| !candidate.spent).count() > 1
    }

    /// Candidate *at* leads back to this server, from *back*.
    pub(crate) fn loops(&mut self, at: usize, back: IpAddr) {
        let forwarder = self.candidates[at].address;
        let what = format!("leads back to this server: a query came back from {back}");
        self.set_back(at, Ede::NETWORK_ERROR, &what);
        self.spend(at);
        self.looped = Some(Box::new((forwarder, back)));
    }

    /// The servers of a zone as its parent named them.
    pub(crate) fn delegated<W: World>(cut: &Arc<Delegation>, core: &Core<W>, now: Micros) -> ServerList {
        let mut list = ServerList::new(cut.zone.clone(), Layer::Delegation, cut.expires);
        list.cut = Some(Arc::clone(cut));
        for server in &cut.servers {
            let mut usable = server.addresses.iter().filter_map(|&address| core.usable(address)).peekable();
            if usable.peek().is_none() {
                let known =
                    [RrType::A, RrType::AAAA].map(|rtype| core.known_addresses(&server.name, rtype, now));
                if known.iter().all(Vec::is_empty) {
                    list.unresolved.push(server.name.clone());
                }
                known.into_iter().flatten().for_each(|address| list.add_named(address, &server.name));
            }
            usable.for_each(|address| list.add(address));
        }
        list.unread = Some(Arc::clone(cut));
        list
    }

    /// Whether no address is known.
    pub(crate) fn is_without_address(&self) -> bool {
        self.candidates.is_empty()
    }

    /// Add what others than the parent say about the servers of *cut*: the zone's own addresses for them, the servers that only
    /// the zone names, and the configured addresses of root servers. An outage of one set must not take the zone down.
    fn add_others<W: World>(&mut self, cut: &Delegation, core: &Core<W>, now: Micros) {
        for stub in core.config.forwards.iter().filter(|stub| stub.prime && stub.suffix == cut.zone) {
            stub.servers.iter().for_each(|&address| self.add(address));
        }
        if cut.zone.as_ref().is_root() {
            core.hinted_addresses().for_each(|(address, name)| self.add_named(address, name));
        }
        let own = match core.cache.get(cut.zone.as_ref(), RrType::NS, now) {
            Lookup::Hit { found: Cached::Rrset(sets), .. } => sets,
            _ => Vec::new(),
        };
        let own = own.iter().filter(|set| set.rtype == RrType::NS).flat_map(|set| set.rdatas.iter());
        let own = own.filter_map(|rdata| Name::from_wire(rdata).ok());
        let others = own.filter(|name| !cut.servers.iter().any(|server| server.name == *name));
        let others = others.take(core.config.budget.max_ns_per_cut as usize);
        let names = cut.servers.iter().map(|server| server.name.clone()).chain(others);
        for name in names.collect::<Vec<_>>() {
            let known = [RrType::A, RrType::AAAA].map(|rtype| core.known_addresses(&name, rtype, now));
            // A name inside the zone is looked up at the servers of the zone, which do not reply, or came with no address at all.
            let outside = !name.as_ref().is_at_or_below(cut.zone.as_ref());
            let unknown = known.iter().all(Vec::is_empty);
            known.into_iter().flatten().for_each(|address| self.add_named(address, &name));
            if outside && unknown && !self.unresolved.contains(&name) {
                self.spare.push(name);
            }
        }
    }

    /// The root servers that the configuration names, whatever their addresses.
    pub(crate) fn hinted<W: World>(core: &Core<W>, layer: Layer) -> ServerList {
        let mut list = ServerList::new(Name::root(), layer, Micros::MAX);
        core.hinted_addresses().for_each(|(address, name)| list.add_named(address, name));
        list
    }

    /// Configured servers.
    pub(crate) fn forward(forward: &Forward) -> ServerList {
        let recursive = forward.mode == ForwardMode::Recursive;
        let layer = if recursive { Layer::Forward } else { Layer::Delegation };
        let mut list = ServerList::new(forward.suffix.clone(), layer, Micros::MAX);
        (list.recursive, list.fallback) = (recursive, forward.fallback);
        if recursive {
            list.race = forward.race.max(1);
            // A zone of the same name has counts of its own.
            list.zone_hash = !list.zone_hash;
        }
        forward.servers.iter().for_each(|&address| list.add(address));
        list
    }

    /// Add an address unless it is in the list already (CVE-2026-3592: many names, the same addresses).
    fn add(&mut self, address: SocketAddr) {
        if !self.candidates.iter().any(|candidate| candidate.address == address) {
            let (queries, timeouts, busy, spent, probed) = (0, 0, false, false, false);
            self.candidates.push(Candidate { address, busy, queries, timeouts, spent, probed });
        }
    }

    /// What was known of candidate *at* when it was chosen; None if that was used already.
    pub(crate) fn take_note(&mut self, at: usize) -> Option<ServerNote> {
        self.noted.take().filter(|(noted, _)| *noted == at).map(|(_, note)| note)
    }

    /// The address of candidate *at*.
    pub(crate) fn address(&self, at: usize) -> SocketAddr {
        self.candidates[at].address
    }

    /// Questions sent to candidate *at* for this name.
    pub(crate) fn queries_to(&self, at: usize) -> u32 {
        self.candidates[at].queries
    }

    /// How many queries for this name candidate *at* has left unanswered.
    pub(crate) fn timeouts_of(&self, at: usize) -> u32 {
        self.candidates[at].timeouts
    }

    /// Count a question to candidate *at*.
    pub(crate) fn count(&mut self, at: usize) {
        self.candidates[at].queries += 1;
    }

    /// Candidate *at* gave a useful reply: start counting its queries anew.
    pub(crate) fn helped(&mut self, at: usize) {
        self.candidates[at].queries = 0;
    }

    /// Count a timeout of candidate *at*. If it was lame and probed, nobody knows yet whether the zone is served again: there may be
    /// another probe, of this or another lame one, until *most* queries of this name have timed out.
    pub(crate) fn timed_out(&mut self, at: usize, most: u32) {
        self.candidates[at].timeouts += 1;
        let unanswered: u32 = self.candidates.iter().map(|candidate| candidate.timeouts).sum();
        if self.candidates[at].probed && unanswered < most {
            // A server that rests is silent already, and others like it are not worth waiting for.
            (self.probed[0], self.probed[1]) = (false, false);
        }
    }

    /// Do not ask candidate *at* again for this name.
    pub(crate) fn spend(&mut self, at: usize) {
        self.candidates[at].spent = true;
    }

    /// No address of the name server *name* is known: there is none, or its lookup failed.
    pub(crate) fn without_addresses(&mut self, name: &Name, failure: Option<Failure>) {
        let cause = failure.as_ref().map(|failure| failure.cause);
        // This machine, its network or the budget is why.
        self.paused |= cause.is_some_and(Cause::is_network);
        self.hindered |= cause.is_some_and(|cause| cause == Cause::Here || cause.is_network());
        // What failed says more than what does not exist.
        match failure {
            Some(failure) => self.unfound = Some(format!("the lookup of {name} failed: {}", failure.reason)),
            None => drop(self.unfound.get_or_insert_with(|| format!("{name} has no usable address"))),
        }
    }

    /// Record what went wrong with candidate *at*, for the extended error.
    pub(crate) fn set_back(&mut self, at: usize, ede: Ede, what: &str) {
        self.setback = Some((ede, self.what_of(at, what)));
        self.blamed = true;
    }

    /// Candidate *at* gave a bogus reply: do not ask it again for this name.
    pub(crate) fn bogus(&mut self, at: usize, fault: Fault) {
        self.fault = Some(Arc::new(fault));
        self.blamed = true;
        self.spend(at);
    }

    /// Record that this machine could not ask candidate *at*.
    pub(crate) fn hindered_at(&mut self, at: usize, what: &str) {
        if !self.blamed {
            self.setback = Some((Ede::NETWORK_ERROR, self.what_of(at, what)));
        }
        self.hindered = true;
    }

    /// *what* happened with candidate *at*, in words.
    fn what_of(&self, at: usize, what: &str) -> String {
        let role = if self.recursive { "forwarder " } else { "" };
        format!("{role}{} {what}", self.candidates[at].address)
    }

    /// Keep *reply*, which came without authority, for the case that nothing better comes. The first one counts.
    pub(crate) fn keep_last_resort(&mut self, at: usize, reply: Box<Reply>) {
        let server = self.address(at);
        self.last_resort.get_or_insert((reply, server));
    }

    /// The reply that [`ServerList::keep_last_resort`] kept, and its server.
    pub(crate) fn take_last_resort(&mut self) -> Option<(Reply, SocketAddr)> {
        self.last_resort.take().map(|(reply, server)| (*reply, server))
    }

    /// Add an address of the name server *name*.
    pub(crate) fn add_named(&mut self, address: SocketAddr, name: &Name) {
        self.names.push((address, name.clone()));
        self.add(address);
    }

    /// The name of the server at candidate *at*; None when it is known by its address only.
    fn server_name(&self, at: usize) -> Option<&Name> {
        let address = self.candidates[at].address;
        let servers = self.cut.iter().flat_map(|cut| &cut.servers);
        let delegated = servers.filter(|server| server.addresses.contains(&address.ip()));
        let looked_up = self.names.iter().filter(|(other, _)| *other == address).map(|(_, name)| name);
        delegated.map(|server| &server.name).chain(looked_up).next()
    }

    /// A step that says what came of asking candidate *at*.
    pub(crate) fn asked(
        &self,
        at: usize,
        via: Transport,
        name: Name,
        rtype: RrType,
        reason: Reason,
    ) -> Draft {
        Draft::new(self.layer, Action::Ask, name, rtype, reason)
            .zone(self.zone.clone())
            .server(self.address(at), via)
            .server_name(self.server_name(at).cloned())
            .basis(Basis::Reported)
    }

    /// The failure of all these servers.
    pub(crate) fn exhausted(&self) -> Failure {
        if let Some(fault) = &self.fault {
            return Failure::because(Reason::Bogus { fault: Arc::clone(fault) });
        }
        if let Some((forwarder, back)) = self.looped.as_deref().copied() {
            let suffix = self.zone.clone();
            let ends = Box::new(LoopEnds { suffix, forwarder, back });
            return Failure::because(Reason::ForwardingLoop { ends });
        }
        if self.paused && self.setback.is_none() {
            return Failure::network();
        }
        let without_servers = self.candidates.is_empty() && self.setback.is_none();
        let (zone, forwarded) = (self.zone.clone(), self.recursive);
        let reason = match without_servers {
            true => Reason::NoServers { zone, because: self.unfound.clone() },
            false => Reason::NoReachableAuthority { zone, forwarded },
        };
        let role = if self.recursive { "forwarder for" } else { "delegation" };
        let mut failure = Failure::because(reason);
        let place = format!("at {role} {}", self.zone);
        let place = match (self.unfound.as_ref().filter(|_| without_servers), self.resting) {
            (Some(unfound), _) => format!("{place}: {unfound}"),
            (None, Some(server)) if self.setback.is_none() => {
                format!("{place}: {server} did not answer before, and is asked again later")
            }
            _ => place,
        };
        failure.ede = match &self.setback {
            // A lame server: one extended error says both.
            Some((ede, what)) if *ede == Ede::NO_REACHABLE_AUTHORITY => {
                vec![(*ede, format!("{place}: {what}"))]
            }
            Some(setback) => vec![(Ede::NO_REACHABLE_AUTHORITY, place), setback.clone()],
            None => vec![(Ede::NO_REACHABLE_AUTHORITY, place)],
        };
        if self.hindered && !self.blamed {
            failure.cause = Cause::Here;
        }
        failure
    }

    /// The failure that *limit* brings about while these servers are being asked.
    pub(crate) fn stopped(&self, limit: Limit) -> Failure {
        let failure = Failure::limit(limit);
        match limit {
            // Time and attempts ran out because the servers did not answer.
            Limit::QueriesPerCut | Limit::WallClock => {
                let cause = if self.blamed { Cause::Servers } else { Cause::Here };
                Failure { ede: self.exhausted().ede, cause, ..failure }
            }
            _ => failure,
        }
    }

    /// A candidate to ask now, if there is one without looking up addresses.
    pub(crate) fn pick<W: World>(&mut self, core: &Core<W>) -> Option<usize> {
        match self.next(core, None) {
            Next::Ask(at) => Some(at),
            Next::LookUp | Next::Nothing => None,
        }
    }

    /// What to do next. *frame*: that of the lookup, if addresses may be looked up.
    pub(crate) fn next<W: World>(&mut self, core: &Core<W>, frame: Option<&Frame<'_>>) -> Next {
        let (may_look_up, hasty) = (frame.is_some(), frame.is_some_and(|frame| frame.hasty));
        let (now, budget, servers) = (core.world.now(), &core.config.budget, core.cache.servers());
        let mut best: Option<(u32, Micros, usize)> = None;
        let mut noise = core.world.random();
        let unanswered: u32 = self.candidates.iter().map(|candidate| candidate.timeouts).sum();
        let many_timeouts = unanswered >= budget.max_timeouts_per_cut;
        for (at, candidate) in self.candidates.iter_mut().enumerate() {
            let exhausted = candidate.queries >= budget.max_queries_per_server
                || candidate.timeouts >= budget.max_timeouts_per_server
                || many_timeouts && candidate.timeouts > 0;
            if candidate.spent || candidate.busy || exhausted {
                continue;
            }
            noise = noise.rotate_left(17).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let note = servers.note(candidate.address, now);
            // This lookup may go on with what it has begun.
            if note.paused_until.is_some() && candidate.queries == 0 {
                self.paused = true;
                continue;
            }
            let rests = note.rests_until.is_some();
            if rests {
                self.resting = Some(candidate.address);
            }
            let lame = servers.lameness(candidate.address, self.zone.as_ref(), now);
            if let Some(Lameness::Loops { back }) = lame.filter(|_| self.recursive) {
                candidate.spent = true;
                self.looped = Some(Box::new((candidate.address, back)));
                continue;
            }
            let doubt = match (rests, lame.filter(|_| !self.recursive)) {
                (true, _) => Some(RESTS),
                (false, Some(Lameness::NotServed)) => Some(1),
                (false, Some(Lameness::Unauthoritative)) => Some(0),
                (false, Some(Lameness::Loops { .. }) | None) => None,
            };
            let standing = match (candidate.timeouts, doubt) {
                (0, None) => 0,
                // It was probed and has given a useful reply since.
                (0, Some(_)) if candidate.probed => 0,
                // Its timeouts, for this name or for others, have reached the limit.
                (1.., Some(RESTS)) => continue,
                (_, Some(kind)) if self.probed[kind] => continue,
                (_, Some(kind)) => PROBES[kind],
                (timeouts, None) => timeouts,
            };
            // The root is asked instead, until the rest is over.
            if self.fallback && rests {
                continue;
            }
            if hasty && (rests || candidate.timeouts > 0) {
                continue;
            }
            // There is a reply already: only servers of which nothing bad is known may give a better one.
            if self.last_resort.is_some() && standing != 0 {
                continue;
            }
            // Noise spreads queries over servers that are equally quick.
            let rtt = match note.srtt {
                Some(srtt) => srtt + srtt * (noise >> 40 & 0xff) / 2048,
                None => (noise >> 20) % UNKNOWN_RTT,
            };
            // One that timed out a moment ago comes behind all that reply sooner than it would time out again. Forwarders need no
            // such order: another is asked beside the one that is late.
            let rtt =
                if note.suspected && !self.recursive { rtt + core.config.budget.first_timeout } else { rtt };
            let rank = (standing, rtt, at);
            if best.is_none_or(|best| rank < best) {
                best = Some(rank);
                self.noted = Some((at, note));
            }
        }
        if best.is_none_or(|(standing, ..)| standing != 0)
            && let Some(cut) = self.unread.take()
        {
            self.add_others(&cut, core, now);
            return self.next(core, frame);
        }
        let last = best.is_none_or(|(standing, ..)| PROBES.contains(&standing));
        if may_look_up && last && self.unresolved.is_empty() && self.last_resort.is_none() {
            // Each is looked up once.
            self.unresolved = std::mem::take(&mut self.spare);
        }
        match best {
            Some((0, _, at)) => Next::Ask(at),
            _ if may_look_up && !self.unresolved.is_empty() => Next::LookUp,
            Some((standing, _, at)) => {
                if let Some(kind) = PROBES.iter().position(|probe| *probe == standing) {
                    (self.candidates[at].probed, self.probed[kind]) = (true, true);
                }
                Next::Ask(at)
            }
            None => Next::Nothing,
        }
    }
}
