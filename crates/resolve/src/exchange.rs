//! One question to one server, up the ladder: EDNS, without EDNS, TCP.
//!
//! ```text
//! UDP with EDNS ── silence ──────────────────────────> give up for now; later attempts go without EDNS while it is not
//!      │                                               known whether the server understands it
//!      ├── FORMERR, NOTIMP, BADVERS ──> UDP without EDNS   (RFC 6891 §6.2.2; remembered per server if it helps)
//!      ├── TC, nonsense, wrong id ────> TCP                (RFC 7766 §5, RFC 5452 §9.1 and §9.2)
//!      └── reply
//! ```
//!
//! Every rung counts against `Budget::max_queries_per_server`, so that a server which answers each question with another
//! excuse is left behind. The message id is fresh and random for each; the source port is the world's business.

use std::rc::Rc;

use nw_cache::{EdnsSupport, Rank};
use nw_wire::code::{Class, Ede, Rcode, RrType};
use nw_wire::header::{Flags, Header};
use nw_wire::message::Message;
use nw_wire::name::NameRef;

use crate::classify::{Asked, Reply, classify};
use crate::flight::Join;
use crate::join::until;
use crate::select::ServerList;
use crate::task::{Core, Failure, Sent, Task};
use crate::trace::{Basis, Reason, Trace};
use crate::world::{Endpoint, ExchangeError, Micros, Transport, World};

/// Questions that an unknown server may leave unanswered before EDNS is suspected.
const SILENCE_BEFORE_PLAIN: u8 = 2;

/// A reply that makes sense.
#[derive(Debug)]
pub(crate) struct Replied {
    pub(crate) reply: Reply,
    pub(crate) bytes: Rc<[u8]>,
    pub(crate) via: Transport,
    /// How far its data can be trusted.
    pub(crate) rank: Rank,
}

impl<W: World> Task<'_, W> {
    /// Ask candidate *at* of *list* for *name* and *rtype*.
    ///
    /// None when there is no reply worth reading; why, is a step and noted in *list*. The step about a reply is the
    /// caller's to record. Fails only when a limit forbids going on at all.
    pub(crate) async fn ask(
        &self,
        list: &mut ServerList,
        at: usize,
        name: NameRef<'_>,
        rtype: RrType,
        trace: &Trace,
    ) -> Result<Option<Replied>, Failure> {
        let core = self.core;
        let (world, budget, servers) = (&core.world, &core.config.budget, core.cache.servers());
        let server = list.address(at);
        let step = |list: &ServerList, via, reason, basis| {
            let draft = list.asked(at, via, name.to_name(), rtype, reason).basis(basis);
            trace.step(world.now(), draft);
        };
        let note = servers.note(server, world.now());
        let suspected = note.edns == EdnsSupport::Unknown && note.timeouts >= SILENCE_BEFORE_PLAIN;
        let mut edns = note.edns != EdnsSupport::No && !suspected;
        let mut edns_refused = suspected;
        let mut via = Transport::Udp;
        while list.queries_to(at) < budget.max_queries_per_server {
            let began = world.now();
            self.meter.query(list.zone.as_ref(), budget, began).map_err(|limit| list.stopped(limit))?;
            list.count(at);
            let patience = match via {
                Transport::Tcp => budget.tcp_timeout,
                Transport::Udp => {
                    let timeouts = servers.note(server, began).timeouts.min(4);
                    let unknown = budget.first_timeout << timeouts;
                    // A quick server that fell silent is not the one that was known: of three questions, two wait as for
                    // any other, or else a hiccup of a third of a second would be a failure.
                    let floor = match timeouts {
                        0 => budget.min_timeout,
                        again => budget.first_timeout << (again - 1),
                    };
                    let floor = floor.min(budget.max_timeout);
                    note.timeout.unwrap_or(unknown).clamp(floor, budget.max_timeout)
                }
            };
            let endpoint = Endpoint::new(server, via);
            let key = Sent { endpoint, name: name.to_name(), rtype, edns, recursive: list.recursive };
            let arrived = core.send(key, (began + patience).min(self.meter.deadline())).await;
            let now = world.now();
            let bytes = match arrived {
                Ok(bytes) => bytes,
                Err(error @ ExchangeError::WrongId) if !via.is_stream() => {
                    // Somebody may be guessing: no further guess counts.
                    step(list, via, Reason::Network { error }, Basis::Measured);
                    via = Transport::Tcp;
                    continue;
                }
                Err(error) => {
                    // A wait that our own deadline cut short says nothing about the server.
                    let patient = now - began >= patience;
                    self.went_wrong(list, at, error, via, patient.then_some(began));
                    step(list, via, Reason::Network { error }, Basis::Measured);
                    return Ok(None);
                }
            };
            self.meter.received(bytes.len(), budget);
            let parsed = Message::parse_reply(&bytes);
            let truncated = parsed.as_ref().is_ok_and(|message| message.flags().tc());
            if via == Transport::Udp && (truncated || parsed.is_err()) {
                // Nonsense may be a forger's; a connection is harder to forge.
                let reason = if truncated { Reason::Truncated } else { Reason::Malformed };
                let with_opt = parsed.is_ok_and(|message| message.opt().is_some());
                servers.replied(server, now - began, with_opt, now);
                step(list, via, reason, Basis::Told);
                via = Transport::Tcp;
                continue;
            }
            let Some(message) = parsed.ok().filter(|_| !truncated) else {
                let reason = if truncated { Reason::TruncatedOverTcp } else { Reason::Malformed };
                list.set_back(at, Ede::INVALID_DATA, &reason.to_string());
                step(list, via, reason, Basis::Told);
                list.spend(at);
                return Ok(None);
            };
            if via == Transport::Udp {
                servers.replied(server, now - began, message.opt().is_some(), now);
            }
            let rcode = message.rcode();
            // An error without the question comes from a server that could not read the query. If it reports SERVFAIL or
            // REFUSED, EDNS may be what it could not read.
            let unread = message.question().is_none();
            let complains = matches!(rcode, Rcode::FORMERR | Rcode::NOTIMP | Rcode::BADVERS)
                || unread && matches!(rcode, Rcode::SERVFAIL | Rcode::REFUSED);
            servers.odd(message.oddities(), unread);
            // Without OPT it comes from one that does not know EDNS, whatever stood at this address before (RFC 6891 §7).
            if edns && complains && (note.edns != EdnsSupport::Yes || message.opt().is_none()) {
                step(list, via, Reason::EdnsRefused, Basis::Told);
                (edns, edns_refused) = (false, true);
                continue;
            }
            if edns_refused && !complains {
                servers.without_edns(server, now);
            }
            let zone = list.zone.as_ref();
            let delegated = |name: NameRef<'_>| !list.recursive && core.has_cut_between(zone, name, now);
            let asked = Asked { name, rtype, zone, recursive: list.recursive, delegated: &delegated };
            let reply = classify(&message, &asked, budget);
            if !reply.is_setback() {
                self.meter.helped(list.zone.as_ref());
            }
            let rank = if message.flags().aa() { Rank::Authoritative } else { Rank::NonAuthoritative };
            return Ok(Some(Replied { reply, via, rank, bytes }));
        }
        list.set_back(at, Ede::NETWORK_ERROR, "used up its attempts");
        list.spend(at);
        Ok(None)
    }

    /// Note an error of the network. `waited_since`: when the question left, if the wait was as long as it should be.
    fn went_wrong(
        &self,
        list: &mut ServerList,
        at: usize,
        error: ExchangeError,
        via: Transport,
        waited_since: Option<Micros>,
    ) {
        let (server, servers, now) = (list.address(at), self.core.cache.servers(), self.core.world.now());
        match error {
            ExchangeError::NoRoute | ExchangeError::Local => list.hindered_at(at, error.slug()),
            ExchangeError::Timeout if waited_since.is_none() => list.hindered_at(at, error.slug()),
            _ => list.set_back(at, Ede::NETWORK_ERROR, error.slug()),
        }
        match error {
            ExchangeError::Timeout => {
                list.timed_out(at);
                if let Some(sent) = waited_since {
                    servers.timed_out(server, sent, now);
                }
                if via == Transport::Tcp {
                    list.spend(at);
                }
            }
            ExchangeError::Refused | ExchangeError::Unreachable if via == Transport::Udp => {
                servers.unreachable(server, now);
                list.spend(at);
            }
            // A server that speaks UDP only is still a server.
            ExchangeError::Refused | ExchangeError::Unreachable | ExchangeError::Closed => list.spend(at),
            ExchangeError::NoRoute | ExchangeError::Local | ExchangeError::WrongId => list.spend(at),
        }
    }
}

impl<W: World> Core<W> {
    /// Whether the cache knows a zone cut below *zone* and at or above *name*.
    fn has_cut_between(&self, zone: NameRef<'_>, name: NameRef<'_>, now: Micros) -> bool {
        let above = std::iter::successors(Some(name), |name| name.parent());
        above.take_while(|at| at.is_below(zone)).any(|at| self.cache.cut(at, now).is_some())
    }

    /// Send *sent*, unless the same is under way already: then wait for its reply. An attacker who provokes many
    /// identical questions gets one id and port to guess, not many (RFC 5452 §5).
    async fn send(&self, sent: Sent, deadline: Micros) -> Result<Rc<[u8]>, ExchangeError> {
        let work = || {
            let (world, sent) = (Rc::clone(&self.world), sent.clone());
            let opt = sent.edns.then_some((self.config.budget.udp_payload, self.config.dnssec_ok));
            let flags = Flags::default().with_rd(sent.recursive);
            let query = query(world.random() as u16, flags, sent.name.as_ref(), sent.rtype, opt);
            async move {
                let upstream = world.upstream(&sent.endpoint);
                world.exchange(&upstream, &query, deadline).await.map(Rc::from)
            }
        };
        match self.exchanges.join(&sent, work) {
            Join::First(wait) => wait.await,
            // The one who sent it may have more time than we.
            Join::Later(wait) => {
                let reply = until(&*self.world, deadline, wait).await;
                reply.unwrap_or(Err(ExchangeError::Timeout))
            }
        }
    }
}

/// A question in wire form; `opt`: payload size and DO.
fn query(id: u16, flags: Flags, name: NameRef<'_>, rtype: RrType, opt: Option<(u16, bool)>) -> Vec<u8> {
    let mut query = Vec::with_capacity(12 + name.wire().len() + 4 + 11);
    let counts = [1, 0, 0, opt.is_some() as u16];
    query.extend_from_slice(&Header { id, flags, counts }.to_wire());
    query.extend_from_slice(name.wire());
    query.extend_from_slice(&rtype.0.to_be_bytes());
    query.extend_from_slice(&Class::IN.0.to_be_bytes());
    if let Some((payload, dnssec_ok)) = opt {
        // Root owner, type OPT, payload size, extended rcode and version 0, flags, no options (RFC 6891 §6.1.2).
        query.push(0);
        query.extend_from_slice(&RrType::OPT.0.to_be_bytes());
        query.extend_from_slice(&payload.to_be_bytes());
        query.extend_from_slice(&[0, 0, if dnssec_ok { 0x80 } else { 0 }, 0, 0, 0]);
    }
    query
}
