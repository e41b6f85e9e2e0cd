//! One query to one server, in several forms: with EDNS, without EDNS, over TCP, in random case or not.
//!
//! ```text
//! UDP with EDNS ── timeout ──────────────────────────> give up for now
//!      ├── FORMERR, NOTIMP, BADVERS ──> UDP without EDNS   (RFC 6891 §6.2.2; remembered per server if it helps)
//!      ├── TC, nonsense, wrong id, ───> TCP                (RFC 7766 §5, RFC 5452 §9.1 and §9.2)
//!      │   wrong case                                      (see `case.rs`)
//!      ├── cookie missing, BADCOOKIE ─> UDP again, then TCP (see `cookie.rs`)
//!      └── reply
//! ```
//!
//! Every attempt counts against `Budget::max_queries_per_server`, which bounds the queries to a server that replies to each with
//! another error. The message id is new and random for each attempt. The [`World`] chooses the source port.

use std::rc::Rc;

use nw_cache::{CookieSupport, EdnsSupport, Rank, ServerCookie};
use nw_wire::code::{Class, Ede, OptionCode, Rcode, RrType};
use nw_wire::edns::EdnsOption;
use nw_wire::header::{Flags, Header};
use nw_wire::message::{Message, same_case};
use nw_wire::name::NameRef;

use crate::answer::Failure;
use crate::case;
use crate::classify::{Asked, Reply, classify};
use crate::config::ForwardMode;
use crate::cookie::{Cookie, ReplyCookie};
use crate::discarded::{Discarded, Discards, Reasons};
use crate::flight::Join;
use crate::join::until;
use crate::select::ServerList;
use crate::task::{Arrived, Core, Frame, NoReply, Sent, Task};
use crate::trace::{Basis, Reason, Trace};
use crate::world::{Endpoint, ExchangeError, Micros, Transport, World};

/// A reply and its meaning.
#[derive(Debug)]
pub(crate) struct Replied {
    pub(crate) reply: Reply,
    pub(crate) bytes: Vec<u8>,
    pub(crate) via: Transport,
    /// The credibility of its data (RFC 2181 §5.4.1).
    pub(crate) rank: Rank,
}

impl<W: World> Task<'_, W> {
    /// Ask candidate *at* of *list* for *name* and *rtype*.
    ///
    /// Returns None when no usable reply arrived; a step and *list* record why. The caller records the step about a reply. Fails
    /// only when a limit forbids to go on at all.
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
        let note = list.take_note(at).unwrap_or_else(|| servers.note(server, world.now()));
        // A timeout says nothing about EDNS (decision 240).
        let mut edns = note.edns != EdnsSupport::No;
        let mut edns_refused = false;
        // As of the first attempt.
        let mut timeouts = Some(note.timeouts);
        // A server that limits its rate drops some queries over UDP and truncates the replies to others.
        let limited = note.truncates && list.timeouts_of(at) > 0;
        let mut via = if limited { Transport::Tcp } else { Transport::Udp };
        let random_case = core.config.qname_case_randomisation && !note.changes_case;
        let mut cookie = None;
        if edns && core.config.cookies {
            cookie = Cookie::to(server, note.cookie, core);
        }
        // Replies that a cookie was missing from, and BADCOOKIE, so far; a retry without cookies is under way.
        let (mut cookie_faults, mut cookie_refused) = (0, false);
        // A reply in another case came over UDP; TCP was of no help in that.
        let (mut case_changed, mut without_tcp) = (false, false);
        while list.queries_to(at) < budget.max_queries_per_server {
            let began = world.now();
            self.meter.query(list.zone_hash, budget, began).map_err(|limit| list.stopped(limit))?;
            list.count(at);
            if servers.is_silent(began) {
                servers.attempted(server, &budget.servers(), began);
            }
            let timeout = match via {
                Transport::Tcp => budget.tcp_timeout,
                Transport::Udp => {
                    let timeouts = timeouts.take().unwrap_or_else(|| servers.note(server, began).timeouts);
                    let timeouts = timeouts.min(4);
                    let unknown = budget.first_timeout << timeouts;
                    // After a timeout the known round-trip time says little: of three attempts, two wait as long as for an
                    // unknown server, so that a pause of a second is no failure.
                    // A forwarder that has no answer yet needs more than its round-trip time.
                    let floor = match timeouts {
                        again if list.recursive => budget.first_timeout << (again + 1),
                        0 => budget.min_timeout,
                        1 => budget.first_timeout,
                        // The three end before clients get expired data instead (RFC 8767 §5).
                        again => (budget.first_timeout << again) - budget.first_timeout,
                    };
                    let floor = floor.min(budget.max_timeout);
                    note.timeout.unwrap_or(unknown).clamp(floor, budget.max_timeout)
                }
            };
            let endpoint = Endpoint::new(server, via);
            let recursive = list.recursive;
            let unchecked = recursive && self.forwards_cd(name, rtype);
            let cookie_sent = cookie.filter(|_| edns);
            let key = Sent {
                endpoint,
                name: name.to_name(),
                rtype,
                edns,
                cookie: cookie_sent.is_some(),
                random_case,
                recursive,
                unchecked,
            };
            let arrived = core.send(key, cookie_sent, (began + timeout).min(self.meter.deadline())).await;
            let now = world.now();
            let Arrived { bytes, case_kept } = match arrived {
                Ok(arrived) => arrived,
                Err(failure) if failure.error == ExchangeError::WrongId && !via.is_stream() => {
                    // Somebody may be guessing: no further guess counts.
                    step(list, via, failure.into_reason(), Basis::Measured);
                    via = Transport::Tcp;
                    continue;
                }
                Err(failure) if case_changed && !without_tcp && via.is_stream() => {
                    step(list, via, failure.into_reason(), Basis::Measured);
                    (via, without_tcp) = (Transport::Udp, true);
                    continue;
                }
                Err(failure) => {
                    // A wait that the deadline of the question cut short says nothing about the server.
                    let waited = now - began >= timeout;
                    self.note_error(list, at, &failure, via, waited.then_some(began));
                    step(list, via, failure.into_reason(), Basis::Measured);
                    return Ok(None);
                }
            };
            self.meter.received(bytes.len(), budget);
            if random_case && !case_kept {
                if !case_changed {
                    // Perhaps forged: nothing of it counts.
                    step(list, via, Reason::CaseChanged, Basis::Measured);
                    (via, case_changed) = (Transport::Tcp, true);
                    continue;
                }
                servers.changed_case(server, now);
            }
            let parsed = Message::parse_reply(&bytes);
            let truncated = parsed.as_ref().is_ok_and(|message| message.flags().tc());
            if via == Transport::Udp && (truncated || parsed.is_err()) {
                // A malformed reply may be forged. A connection is harder to forge.
                let reason = if truncated { Reason::Truncated } else { Reason::Malformed };
                let with_opt = parsed.is_ok_and(|message| message.has_opt());
                servers.replied(server, now - began, with_opt, now);
                if truncated {
                    servers.truncated(server, now);
                }
                step(list, via, reason, Basis::Reported);
                via = Transport::Tcp;
                continue;
            }
            let Some(message) = parsed.ok().filter(|_| !truncated) else {
                let reason = if truncated { Reason::TruncatedOverTcp } else { Reason::Malformed };
                list.set_back(at, Ede::INVALID_DATA, &reason.to_string());
                step(list, via, reason, Basis::Reported);
                list.spend(at);
                return Ok(None);
            };
            if via == Transport::Udp {
                servers.replied(server, now - began, message.has_opt(), now);
            }
            let rcode = message.rcode();
            if let Some(sent) = cookie_sent {
                let reply = sent.read(&message);
                let given = match reply {
                    ReplyCookie::Ours(given) => given,
                    ReplyCookie::Absent | ReplyCookie::Wrong => None,
                };
                if let Some(given) = given.filter(|given| note.cookie != CookieSupport::Yes(*given)) {
                    servers.gave_cookie(server, given, now);
                    cookie = Some(sent.with(given));
                }
                let fault = match (reply, rcode) {
                    (ReplyCookie::Wrong, _) => Some(Reason::CookieWrong),
                    (ReplyCookie::Ours(Some(_)), Rcode::BADCOOKIE) => Some(Reason::BadCookie),
                    (ReplyCookie::Absent, _) if matches!(note.cookie, CookieSupport::Yes(_)) => {
                        Some(Reason::CookieMissing)
                    }
                    _ => None,
                };
                match fault {
                    Some(reason) if via == Transport::Udp => {
                        // Once more: a server may have a new secret, or be one of several behind an address. Then TCP.
                        cookie_faults += 1;
                        if reason == Reason::CookieWrong || cookie_faults > 1 {
                            via = Transport::Tcp;
                        }
                        step(list, Transport::Udp, reason, Basis::Reported);
                        continue;
                    }
                    // Nobody forges a connection: it is the server that has changed.
                    Some(Reason::CookieMissing | Reason::CookieWrong) => servers.without_cookies(server, now),
                    _ => {}
                }
            }
            let complains = complains_about_edns(&message, rcode);
            if rcode == Rcode::FORMERR && cookie_sent.is_some() && message.has_opt() && !cookie_refused {
                // It understands EDNS, so that the cookie may be what it complains about.
                step(list, via, Reason::CookieRefused, Basis::Reported);
                (cookie, cookie_refused) = (None, true);
                continue;
            }
            if cookie_refused && !complains && edns {
                servers.without_cookies(server, now);
            }
            servers.odd(message.oddities(), message.header().counts[0] == 0);
            // Without OPT it comes from a server without EDNS, even if this address replied with OPT before (RFC 6891 §7).
            if edns && complains && (note.edns != EdnsSupport::Yes || !message.has_opt()) {
                step(list, via, Reason::EdnsRefused, Basis::Reported);
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
            match &reply {
                Reply::Failed(_) if list.recursive => {
                    let mut options = message.opt().into_iter().flat_map(|opt| opt.options().flatten());
                    let said = options.find_map(|option| match option {
                        EdnsOption::Ede { text, .. } if !text.is_empty() => Some(text),
                        _ => None,
                    });
                    said.into_iter().for_each(|text| list.says(text));
                }
                reply if reply.is_setback() => {}
                _ => self.meter.helped(list.zone_hash),
            }
            let rank = if message.flags().aa() { Rank::Authoritative } else { Rank::NonAuthoritative };
            return Ok(Some(Replied { reply, via, rank, bytes }));
        }
        list.set_back(at, Ede::NETWORK_ERROR, "has used up its attempts");
        list.spend(at);
        Ok(None)
    }

    /// Record a network error of candidate *at*. `waited_since`: when the query left, if the whole timeout passed.
    fn note_error(
        &self,
        list: &mut ServerList,
        at: usize,
        failure: &NoReply,
        via: Transport,
        waited_since: Option<Micros>,
    ) {
        let error = failure.error;
        let (server, servers, now) = (list.address(at), self.core.cache.servers(), self.core.world.now());
        match error {
            ExchangeError::NoRoute | ExchangeError::Local => list.hindered_at(at, error.slug()),
            ExchangeError::Timeout if waited_since.is_none() => list.hindered_at(at, error.slug()),
            _ => {
                let what = Discards(error.slug(), &failure.discarded).to_string();
                list.set_back(at, Ede::NETWORK_ERROR, &what);
            }
        }
        let limits = self.core.config.budget.servers();
        match error {
            ExchangeError::Timeout => {
                list.timed_out(at, self.core.config.budget.max_timeouts_per_cut);
                if let Some(sent) = waited_since {
                    servers.timed_out(server, sent, &limits, now);
                }
                if via == Transport::Tcp {
                    list.spend(at);
                }
            }
            ExchangeError::Refused | ExchangeError::Unreachable if via == Transport::Udp => {
                servers.unreachable(server, &limits, now);
                list.spend(at);
            }
            // Over TCP: the server may still reply over UDP.
            ExchangeError::Refused | ExchangeError::Unreachable | ExchangeError::Closed => list.spend(at),
            ExchangeError::NoRoute => {
                servers.no_route(server, &limits, now);
                list.spend(at);
            }
            ExchangeError::Local | ExchangeError::WrongId => list.spend(at),
        }
    }
}

impl<W: World> Task<'_, W> {
    /// Whether a forwarder is to answer without validation. What is validated here need not pass the validation of a forwarder, whose
    /// SERVFAIL would leave nothing for clients that set CD (RFC 6840 §5.9). What is not is for a client that set CD itself
    /// (RFC 4035 §3.2.2).
    fn forwards_cd(&self, name: NameRef<'_>, rtype: RrType) -> bool {
        match &self.core.validator {
            Some(validator) => validator.validates(name, rtype),
            None => self.checking_disabled,
        }
    }
}

impl<W: World> Core<W> {
    /// Whether what *frame* looks up is asked of a forwarder.
    pub(crate) fn recurses_by_forwarder(&self, frame: &Frame<'_>) -> bool {
        let name = frame.name();
        let forward = self.config.forward(name.as_ref());
        forward.is_some_and(|forward| forward.mode == ForwardMode::Recursive)
    }

    /// Whether the cache knows a zone cut below *zone* and at or above *name*.
    pub(crate) fn has_cut_between(&self, zone: NameRef<'_>, name: NameRef<'_>, now: Micros) -> bool {
        let above = std::iter::successors(Some(name), |name| name.parent());
        above.take_while(|at| at.is_below(zone)).any(|at| self.cache.cut(at, now).is_some())
    }

    /// The tags of the trusted keys that the servers of a zone learn with a query for its keys (RFC 8145 §4.1).
    fn key_tags(&self, sent: &Sent) -> Vec<u16> {
        match &self.validator {
            Some(validator) if self.config.key_tags && sent.rtype == RrType::DNSKEY => {
                let mut tags = validator.points.key_tags(sent.name.as_ref());
                tags.sort_unstable();
                tags.dedup();
                tags
            }
            _ => Vec::new(),
        }
    }

    /// Send *sent*, or wait for the reply if the same query is outstanding. An attacker who causes many identical queries gets
    /// one id and port to guess, not many (RFC 5452 §5).
    ///
    /// *cookie*: sent along if the query goes out with EDNS.
    pub(crate) async fn send(
        &self,
        sent: Sent,
        cookie: Option<Cookie>,
        deadline: Micros,
    ) -> Result<Arrived, NoReply> {
        let work = || {
            let (world, sent) = (Rc::clone(&self.world), sent.clone());
            let opt = sent.edns.then_some((self.config.budget.udp_payload, self.config.dnssec_ok));
            let name = sent.name.as_ref();
            let flags = Flags::default().with_rd(sent.recursive).with_cd(sent.unchecked);
            let tags = self.key_tags(&sent);
            let id = world.random() as u16;
            let mut query = query(id, flags, name, sent.rtype, opt, cookie.as_ref(), &tags);
            if sent.random_case {
                case::randomise(&mut query, name.wire().len(), || world.random());
            }
            async move {
                let upstream = world.upstream(&sent.endpoint);
                let discarded = Discarded::kept();
                let reply = world.exchange(&upstream, &query, deadline, &discarded).await;
                let mut reply = reply.map_err(|error| NoReply { error, discarded: discarded.reasons() })?;
                let case_kept = same_case(&query, &reply);
                case::restore(&mut reply, sent.name.as_ref());
                Ok(Arrived { bytes: reply, case_kept })
            }
        };
        match self.exchanges.join(&sent, work) {
            Join::First(wait) => wait.await,
            // Its deadline may be later than ours.
            Join::Later(wait) => {
                let reply = until(&*self.world, deadline, wait).await;
                reply.unwrap_or(Err(NoReply { error: ExchangeError::Timeout, discarded: Reasons::new() }))
            }
        }
    }
}

/// Whether *message*, the reply with *rcode* to a query with EDNS, may mean that the server does not understand EDNS (RFC 6891 §7).
///
/// An error without the question comes from a server that could not read the query. If it reports SERVFAIL or REFUSED, EDNS may
/// be what it could not read.
pub(crate) fn complains_about_edns(message: &Message<'_>, rcode: Rcode) -> bool {
    match rcode {
        Rcode::FORMERR | Rcode::NOTIMP | Rcode::BADVERS => true,
        Rcode::SERVFAIL | Rcode::REFUSED => message.header().counts[0] == 0,
        _ => false,
    }
}

/// A query in wire form. `opt`: payload size and DO; without it there are neither cookie nor `tags` of trusted keys.
fn query(
    id: u16,
    flags: Flags,
    name: NameRef<'_>,
    rtype: RrType,
    opt: Option<(u16, bool)>,
    cookie: Option<&Cookie>,
    tags: &[u16],
) -> Vec<u8> {
    /// Octets of a cookie option with the longest cookies.
    const COOKIE: usize = 4 + 8 + ServerCookie::MOST;
    let mut query = Vec::with_capacity(12 + name.wire().len() + 4 + 11 + COOKIE + 4 + 2 * tags.len());
    let counts = [1, 0, 0, opt.is_some() as u16];
    query.extend_from_slice(&Header { id, flags, counts }.to_wire());
    query.extend_from_slice(name.wire());
    query.extend_from_slice(&rtype.0.to_be_bytes());
    query.extend_from_slice(&Class::IN.0.to_be_bytes());
    if let Some((payload, dnssec_ok)) = opt {
        // Root owner, type OPT, payload size, extended rcode and version 0, flags, options (RFC 6891 §6.1.2).
        query.push(0);
        query.extend_from_slice(&RrType::OPT.0.to_be_bytes());
        query.extend_from_slice(&payload.to_be_bytes());
        query.extend_from_slice(&[0, 0, if dnssec_ok { 0x80 } else { 0 }, 0, 0, 0]);
        let options = query.len();
        if let Some(cookie) = cookie {
            cookie.write(&mut query);
        }
        if !tags.is_empty() {
            query.extend_from_slice(&OptionCode::KEY_TAG.0.to_be_bytes());
            query.extend_from_slice(&(2 * tags.len() as u16).to_be_bytes());
            tags.iter().for_each(|tag| query.extend_from_slice(&tag.to_be_bytes()));
        }
        let length = (query.len() - options) as u16;
        query[options - 2..options].copy_from_slice(&length.to_be_bytes());
    }
    query
}
