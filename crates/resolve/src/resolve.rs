//! The algorithm: RFC 1034 §5.3.3, as it is written there.
//!
//! ```text
//! search   1. see if the answer is in local information ............. cut.rs, special.rs, local_root.rs, nw-cache
//!          2. find the best servers to ask ........................... cut.rs
//! descend  3. send them queries until one returns a response ......... select.rs, exchange.rs, minimise.rs
//!          4. analyse the response ................................... scrub.rs, classify.rs
//!             a. it answers, or the name does not exist: keep, return  keep.rs
//!             b. it delegates to other servers: keep, go to 3
//!             c. it shows an alias: keep, change the name, go to 1
//!             d. it fails or makes no sense: leave this server, go to 3
//! ```
//!
//! Each client question is one [`Task`] (see `task.rs`). A lookup that another lookup waits for gets a [`Frame`] below it.
//!
//! RFCs: 1034 §5.3.3, 1035 §7, 2181 §5.4.1, 2308, 5452, 6672, 6761, 8020, 8109, 8914, 9156, 9520.

use nw_cache::{KeptFailure, Lameness, Origin, Rank, State};
use nw_wire::code::{Ede, Rcode, RrType};
use nw_wire::name::{Name, NameRef};

use crate::answer::{Answer, Cause, Failure};
use crate::budget::Limit;
use crate::classify::{Finding, Reply};
use crate::cut::{LocalData, Nearest};
use crate::exchange::Replied;
use crate::join::Boxed;
use crate::local_root::FromCopy;
use crate::minimise::{Minimiser, Shortened};
use crate::quota::Asking;
use crate::resolution::Walk;
use crate::select::{Next, ServerList};
use crate::signed::{Signed, flatten};
use crate::task::{Frame, Task};
use crate::trace::{Action, Basis, Draft, Layer, Reason, Trace};
use crate::world::{Micros, World};

impl<W: World> Task<'_, W> {
    /// Find *name* and *rtype*. `frame`: the lookup's own, for what it will wait for.
    pub(crate) fn lookup<'a>(
        &'a self,
        name: &'a Name,
        rtype: RrType,
        frame: &'a Frame<'a>,
        trace: &'a Trace,
    ) -> Boxed<'a, Result<Answer, Failure>> {
        Box::pin(async move {
            let found = self.search(name, rtype, frame, trace).await;
            if let Err(failure) = &found
                && matches!(failure.cause, Cause::Servers | Cause::Network)
                && failure.rcode == Rcode::SERVFAIL
            {
                self.keep_failure(name.as_ref(), rtype, failure, frame.depth == 0);
            }
            found
        })
    }

    /// Keep *failure* for all clients (RFC 9520). *asked*: a client asked for it, and gets expired data in its place. Validation and
    /// addresses of name servers do not use those, so that what they need is looked up again sooner.
    fn keep_failure(&self, name: NameRef<'_>, rtype: RrType, failure: &Failure, asked: bool) {
        let (ede, text) = failure.ede.first().cloned().unwrap_or((Ede::OTHER, String::new()));
        let cause = match (failure.ede.get(1), text.split_once(": ")) {
            _ if matches!(failure.reason, Reason::NoServers { .. }) => failure.reason.to_string(),
            (Some((_, detail)), _) => format!("{} ({detail})", failure.reason),
            // The server that was lame, see `ServerList::exhausted`.
            (None, Some((_, detail))) if ede == Ede::NO_REACHABLE_AUTHORITY => {
                format!("{} ({detail})", failure.reason)
            }
            _ => failure.reason.to_string(),
        };
        let network = failure.cause.is_network();
        let core = self.core;
        let state = if failure.bogus { State::Bogus } else { State::default() };
        let origin = self.origin(Rank::NonAuthoritative, state);
        let mut life = core.config.budget.failure_ttl;
        let alone_s = life as u16;
        if asked && !failure.bogus && core.stale(name, rtype, &self.reader(), false).is_some() {
            life = life.max(core.config.stale.recheck_s);
        }
        if network || core.cache.servers().is_silent(core.world.now()) {
            // Our own network seems to have failed: the shortest time that RFC 9520 §3.2 allows.
            life = 1;
        }
        let kept = KeptFailure { ede, text, cause, network, alone_s };
        core.cache.put_failure(name, rtype, &kept, life, origin, core.world.now());
    }

    /// RFC 1034 §5.3.3: from the name asked, along aliases, to data or its absence.
    async fn search(
        &self,
        name: &Name,
        rtype: RrType,
        frame: &Frame<'_>,
        trace: &Trace,
    ) -> Result<Answer, Failure> {
        let mut sname = name.clone();
        let mut answer = Answer {
            rcode: Rcode::NOERROR,
            sets: Vec::new(),
            authority: Vec::new(),
            state: State::Secure,
            ede: Vec::new(),
        };
        let mut links = 0;
        let mut unknown = self.unknown && frame.depth == 0;
        loop {
            let local = if frame.depth == 0 { self.local_data(&sname, rtype, trace) } else { None };
            let walks = frame.depth == 0 && self.walk != Walk::Unrecorded;
            // The servers stay where they are: their list is large.
            let mut known = match local {
                Some(local) => local,
                None => self.local(&sname, rtype, unknown, frame, trace)?,
            };
            unknown = false;
            let copied = match known.is_at_root() {
                true => self.ask_copy(&sname, rtype, frame, trace).await?,
                false => None,
            };
            let (found, state) = match known {
                _ if let Some(copied) = copied => {
                    self.follow_copy(copied, &sname, rtype, frame, trace).await?
                }
                LocalData::Found(found, state) => (found, state),
                LocalData::Servers(ref mut servers) if servers.fallback => {
                    self.ask_forwarders(servers, &sname, rtype, frame, trace).await?
                }
                LocalData::Servers(ref mut servers) => {
                    self.descend(servers, &sname, rtype, frame, trace).await?
                }
                LocalData::Unprimed(zone) => {
                    let mut servers = self.primed(&zone, trace).await?;
                    self.descend(&mut servers, &sname, rtype, frame, trace).await?
                }
            };
            answer.state = answer.state.min(state);
            if walks {
                self.keep_own_path(&sname);
            }
            let found = if frame.depth == 0 { self.up_to_local_data(found, rtype) } else { found };
            let (sets, authority, next) = match found {
                Finding::Data { sets, proof } => (sets, proof, None),
                Finding::Alias { sets, target, proof } => (sets, proof, Some(target)),
                Finding::Absence { sets, nxdomain, authority } => {
                    answer.rcode = if nxdomain { Rcode::NXDOMAIN } else { Rcode::NOERROR };
                    (sets, authority, None)
                }
                Finding::TooLong { sets } => {
                    answer.rcode = Rcode::YXDOMAIN;
                    (sets, Vec::new(), None)
                }
            };
            // Links count wherever they come from, so that the result does not depend on what the cache holds.
            if rtype != RrType::CNAME {
                links += sets.iter().filter(|set| set.rrset.rtype == RrType::CNAME).count() as u32;
            }
            if answer.sets.is_empty() {
                (answer.sets, answer.authority) = (sets, authority);
            } else {
                for set in sets {
                    if !repeats(&answer.sets, &set) {
                        answer.sets.push(set);
                    }
                }
                answer.authority.extend(authority);
            }
            if let Some(names) = next.as_ref().and_then(|next| alias_loop(&answer.sets, next)) {
                return Err(Failure {
                    chain: flatten(answer.sets),
                    ..Failure::because(Reason::AliasLoop { names })
                });
            }
            if links > self.core.config.budget.max_aliases {
                let failure = Failure { cause: Cause::Servers, ..Failure::limit(Limit::Aliases) };
                return Err(Failure { chain: flatten(answer.sets), ..failure });
            }
            let Some(next) = next.filter(|_| frame.follows) else { return Ok(answer) };
            if frame.depth == 0 {
                self.meter.progressed();
            }
            sname = next;
        }
    }

    /// Ask the forwarders *servers*. If all of them fail, resolve *sname* from the root.
    async fn ask_forwarders(
        &self,
        servers: &mut ServerList,
        sname: &Name,
        rtype: RrType,
        frame: &Frame<'_>,
        trace: &Trace,
    ) -> Result<(Finding, State), Failure> {
        let suffix = servers.zone.clone();
        let found = self.descend(servers, sname, rtype, frame, trace).await;
        let Err(failure) = &found else { return found };
        let over = match failure.reason {
            Reason::LimitReached { limit } => limit != Limit::QueriesPerCut,
            Reason::RateReached(_) => true,
            _ => false,
        };
        if over || self.core.config.hints.is_empty() {
            return found;
        }
        let now = self.core.world.now();
        let reason = Reason::FallsBack { suffix: suffix.clone() };
        let draft = Draft::new(Layer::Forward, Action::Lookup, sname.clone(), rtype, reason);
        trace.step(now, draft.zone(suffix).basis(Basis::Inferred));
        let nearest = match self.upward(sname, rtype, frame, None, now)? {
            Nearest::Found(_, finding, _, _, state) => LocalData::Found(finding, state),
            Nearest::Servers(servers) => LocalData::Servers(servers),
            Nearest::Unprimed(zone) => LocalData::Unprimed(zone),
        };
        if nearest.is_at_root()
            && let Some(copied) = self.ask_copy(sname, rtype, frame, trace).await?
        {
            return self.follow_copy(copied, sname, rtype, frame, trace).await;
        }
        let mut servers = match nearest {
            LocalData::Found(finding, state) => return Ok((finding, state)),
            LocalData::Servers(servers) => servers,
            LocalData::Unprimed(zone) => self.primed(&zone, trace).await?,
        };
        self.descend(&mut servers, sname, rtype, frame, trace).await
    }

    /// Go on where the local copy of the root led to.
    async fn follow_copy(
        &self,
        copied: FromCopy,
        sname: &Name,
        rtype: RrType,
        frame: &Frame<'_>,
        trace: &Trace,
    ) -> Result<(Finding, State), Failure> {
        match copied {
            FromCopy::Found(finding, state) => Ok((finding, state)),
            FromCopy::Servers(mut servers) => self.descend(&mut servers, sname, rtype, frame, trace).await,
        }
    }

    /// Step 3 and 4: ask *servers*, and those that they refer to, until something is found about *sname*.
    async fn descend(
        &self,
        servers: &mut ServerList,
        sname: &Name,
        rtype: RrType,
        frame: &Frame<'_>,
        trace: &Trace,
    ) -> Result<(Finding, State), Failure> {
        let core = self.core;
        let budget = &core.config.budget;
        // Questions of this lookup that brought nothing yet: a name server's name was denied, or shown in part.
        let (mut referrals, mut denied) = (0, 0);
        let minimise = core.config.qname_minimisation && !servers.recursive && !servers.whole_name;
        let mut minimiser = Minimiser::new(if minimise { budget.max_minimise } else { 0 });
        loop {
            let (qname, qtype, shortened) = self.next_question(&mut minimiser, servers, sname, rtype);
            // Forwarders record their steps themselves: several may be under way.
            let forwarded = servers.recursive;
            let asked = match forwarded {
                true => self.race(servers, qname.as_ref(), qtype, frame, trace).await,
                false => self.ask_next(servers, qname.as_ref(), qtype, frame, trace).await,
            };
            let now = core.world.now();
            let (at, Replied { mut reply, via, rank, .. }) = match asked {
                Ok(Some(asked)) => asked,
                Ok(None) => continue,
                Err(failure) => {
                    // No server of the zone is left. A reply without authority is better than no answer.
                    let Some((mut reply, server)) = servers.take_last_resort() else { return Err(failure) };
                    let judged = match self.judge_of(frame) {
                        Err(state) => Ok(state),
                        Ok(validator) => self.judge(validator, &mut reply, rtype, frame, trace).await?,
                    };
                    let state =
                        judged.map_err(|fault| Failure::because(Reason::Bogus { fault: fault.into() }))?;
                    let server = Some(server);
                    let origin = Origin { server, ..self.origin(Rank::NonAuthoritative, state) };
                    let found = self.learn(reply, rtype, origin, core.world.now());
                    self.keep_paths(sname, &found, servers, frame);
                    return Ok((found, state));
                }
            };
            let whole = !shortened || matches!(reply, Reply::Referral(_));
            let reason = if whole || reply.is_setback() { reply.reason() } else { Reason::Minimised };
            if !forwarded {
                trace.step(now, servers.asked(at, via, qname.clone(), qtype, reason));
            }
            // Nothing of the reply is kept before it is judged.
            let judged = match self.judge_of(frame) {
                Err(state) => Ok(state),
                Ok(validator) => self.judge(validator, &mut reply, qtype, frame, trace).await?,
            };
            let state = *judged.as_ref().unwrap_or(&State::Bogus);
            let server = Some(servers.address(at));
            let (origin, now) = (Origin { server, ..self.origin(rank, state) }, core.world.now());
            if let Err(fault) = judged {
                if !whole {
                    // It says nothing of the whole name, which may be sound (RFC 9156 §2.3).
                    minimiser.whole();
                    continue;
                }
                servers.bogus(at, fault);
                // For clients that set CD.
                self.learn(reply, rtype, origin, now);
                continue;
            }
            // To the validator, the denial of a DS RRset is an answer.
            if frame.depth > 0 && rtype != RrType::DS && matches!(reply, Reply::Absence(..)) {
                self.meter.in_vain(servers.zone_hash);
                denied += 1;
            }
            if !whole {
                servers.helped(at);
                self.look_further(&mut minimiser, reply, qname.as_ref(), sname.as_ref(), origin, now);
                continue;
            }
            match reply {
                Reply::Referral(mut referral) => {
                    referrals += 1;
                    if referrals > budget.max_referrals {
                        return Err(Failure::limit(Limit::Referrals));
                    }
                    match frame.depth {
                        0 => self.meter.progressed(),
                        _ => self.meter.not_in_vain(servers.zone_hash, denied),
                    }
                    denied = 0;
                    let zone = servers.zone.clone();
                    let trust = match self.trust(&mut referral, zone.as_ref(), frame, trace).await? {
                        Ok(trust) => trust,
                        Err(fault) => {
                            servers.bogus(at, fault);
                            continue;
                        }
                    };
                    let cut = self.keep_cut(referral, trust, servers, now);
                    *servers = ServerList::delegated(&cut, core, now);
                }
                Reply::Unauthoritative(_) | Reply::Lame(_) | Reply::Failed(_) | Reply::Unusable(_) => {
                    self.set_back(servers, at, &reply, qname.as_ref(), qtype);
                    if let Reply::Unauthoritative(reply) = reply {
                        servers.keep_last_resort(at, reply);
                    }
                }
                Reply::Answer(_) | Reply::Alias(..) | Reply::Absence(..) | Reply::TooLong(_) => {
                    if !matches!(reply, Reply::Absence(..)) {
                        self.meter.not_in_vain(servers.zone_hash, denied);
                    }
                    let found = self.learn(reply, rtype, origin, now);
                    self.keep_paths(sname, &found, servers, frame);
                    return Ok((found, state));
                }
            }
        }
    }

    /// Candidate *at* of *servers* gave *reply*, which is of no use: do not ask it again for this name.
    pub(crate) fn set_back(
        &self,
        servers: &mut ServerList,
        at: usize,
        reply: &Reply,
        qname: NameRef<'_>,
        qtype: RrType,
    ) {
        let (ede, what, lame) = match reply {
            Reply::Unauthoritative(_) => (
                Ede::NO_REACHABLE_AUTHORITY,
                "answers without authority".to_owned(),
                Some(Lameness::Unauthoritative),
            ),
            Reply::Lame(_) if servers.recursive => {
                (Ede::NETWORK_ERROR, "does not recurse".to_owned(), Some(Lameness::NotServed))
            }
            Reply::Lame(_) => (Ede::NO_REACHABLE_AUTHORITY, "lame".to_owned(), Some(Lameness::NotServed)),
            Reply::Failed(rcode) => {
                // What it says comes first: long texts are cut.
                let what = match servers.take_said() {
                    Some(said) => format!("says: {said} (rcode={rcode} for {qname} {qtype})"),
                    None => format!("rcode={rcode} for {qname} {qtype}"),
                };
                (Ede::NETWORK_ERROR, what, None)
            }
            Reply::Unusable(unusable) => (Ede::INVALID_DATA, unusable.to_string(), None),
            _ => return,
        };
        if let Some(how) = lame {
            let (server, zone) = (servers.address(at), servers.zone.as_ref());
            self.core.cache.servers().lame(server, zone, how, self.core.world.now());
        }
        servers.set_back(at, ede, &what);
        servers.spend(at);
    }

    /// Ask the next of *servers*; None when it gave no reply worth reading.
    async fn ask_next(
        &self,
        servers: &mut ServerList,
        qname: NameRef<'_>,
        qtype: RrType,
        frame: &Frame<'_>,
        trace: &Trace,
    ) -> Result<Option<(usize, Replied)>, Failure> {
        let at = match servers.next(self.core, Some(frame)) {
            Next::Ask(at) => at,
            other => self.select(other, servers, frame, trace).await?,
        };
        let (core, budget) = (self.core, &self.core.config.budget);
        if let Err(wait) = core.quotas.zone_rate(servers.zone_hash, budget, core.world.now()) {
            let (zone, most) = (servers.zone.to_string(), budget.max_queries_per_second_per_zone);
            return Err(Failure::rate(Limit::ZoneRate, format!("the zone {zone}"), most, wait));
        }
        let asking = Asking::begin(&core.quotas, servers.zone_hash, budget, core.world.now())
            .ok_or_else(|| Failure::limit(Limit::Zone))?;
        let replied = self.ask(servers, at, qname, qtype, trace).await?;
        asking.end(replied.is_some());
        Ok(replied.map(|replied| (at, replied)))
    }

    /// Draw the lesson from *reply* to a question shortened to *shortened*, which was only about zone cuts: show more.
    ///
    /// That a name does not exist, or any trouble, is not believed before the whole name has been asked: some servers get
    /// empty non-terminals wrong (RFC 9156 §2.3).
    fn look_further(
        &self,
        minimiser: &mut Minimiser,
        reply: Reply,
        shortened: NameRef<'_>,
        sname: NameRef<'_>,
        origin: Origin,
        now: Micros,
    ) {
        match reply {
            Reply::Absence(chain, absence) => {
                // A denial of the name that comes with a proof is kept, so that lookups of other names below do not ask for it
                // again. Without one it may come from a server that denies names for want of an address.
                let proved = !absence.proof.is_empty() && !self.core.config.nxdomain_cut;
                if !absence.nxdomain || proved || origin.state == State::Secure {
                    self.keep_absence(&absence, RrType::A, chain.insecure.as_deref(), origin, now);
                }
                match absence.nxdomain {
                    true => minimiser.whole(),
                    false => minimiser.more(shortened, sname),
                }
            }
            Reply::Answer(chain) | Reply::Alias(chain, _) => {
                self.keep_chain(&chain, origin, now);
                minimiser.more(shortened, sname);
            }
            _ => minimiser.whole(),
        }
    }

    /// What to ask the servers next: no more of the name than is needed to get on.
    fn next_question(
        &self,
        minimiser: &mut Minimiser,
        servers: &ServerList,
        sname: &Name,
        rtype: RrType,
    ) -> (Name, RrType, bool) {
        loop {
            let (qname, qtype, shortened) = minimiser.question(servers.zone.as_ref(), sname.as_ref(), rtype);
            let known = match shortened {
                true => self.known_of(qname.as_ref(), qtype),
                false => Shortened::Unknown,
            };
            match known {
                Shortened::Unknown => return (qname, qtype, shortened),
                Shortened::NoCut => minimiser.known(qname.as_ref()),
                Shortened::Denied => minimiser.whole(),
            }
        }
    }
}

/// The names of the loop that the aliases of *sets* make when they lead on to *next*: `a -> b -> a`. None when *next* is a
/// new name.
fn alias_loop(sets: &[Signed], next: &Name) -> Option<Vec<Name>> {
    let aliases = sets.iter().map(|set| &set.rrset).filter(|set| set.rtype == RrType::CNAME);
    let owners: Vec<&Name> = aliases.map(|set| &set.owner).collect();
    let begins = owners.iter().position(|owner| *owner == next)?;
    Some(owners[begins..].iter().copied().chain([next]).cloned().collect())
}

/// Whether *sets* has the DNAME *set*, which applies again: an RRset stands once in a section (RFC 2181 §5.5).
fn repeats(sets: &[Signed], set: &Signed) -> bool {
    let (rtype, owner) = (set.rrset.rtype, &set.rrset.owner);
    rtype == RrType::DNAME
        && sets.iter().any(|other| other.rrset.rtype == rtype && other.rrset.owner == *owner)
}
