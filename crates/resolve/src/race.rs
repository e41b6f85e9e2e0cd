//! Asking forwarders: one after the other, or beside each other.
//!
//! ```text
//! best forwarder ── asked ─────────────────────────────────────────▶ reply: the first good one counts
//!     │ slower than it usually is, or `race` is more than one
//!     └ next best ── asked beside it ───────────────────────────────▶ reply
//! ```
//!
//! A forwarder that a later one overtakes counts as silent, as it would have without the other. So a dead one rests before long,
//! and the query that tries it again when its rest is over delays nobody: the next best is asked beside it.
//!
//! **Forwarding loops.** A query that goes round in a circle is never answered. When a forwarder takes longer than [`WATCH`], it is
//! asked for a random name below its suffix as well (`nw_cache::Loops`). If a client asks us for that name, the forwarder leads
//! back to us: the question fails at once with both ends in its extended error, and the forwarder is not asked for that suffix for a
//! while.

use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::pin;
use std::task::Poll;

use nw_cache::{LOOP_TYPE, Lameness};
use nw_wire::code::RrType;
use nw_wire::name::NameRef;

use crate::answer::Failure;
use crate::budget::Limit;
use crate::exchange::Replied;
use crate::join::{Boxed, until};
use crate::notice::Notice;
use crate::quota::Asking;
use crate::reason::LoopEnds;
use crate::select::{Next, ServerList};
use crate::task::{Frame, Sent, Task};
use crate::trace::{Action, Draft, Reason, Trace};
use crate::world::{Endpoint, MILLISECOND, Micros, SECOND, Transport, World};

/// How long a forwarder may take before it is probed for a loop.
const WATCH: Micros = 250 * MILLISECOND;
/// How long the probe may take to come back.
const PROBE_CLOCK: Micros = 1500 * MILLISECOND;
/// How often those who wait look whether the probe has come back.
const TICK: Micros = 20 * MILLISECOND;

/// A forwarder that is being asked.
struct Racer<'r> {
    at: usize,
    began: Micros,
    /// The step in which it is asked beside others.
    step: Option<u32>,
    asked: Boxed<'r, Asked>,
}

/// What came of asking one forwarder.
type Asked = (ServerList, Result<Option<Replied>, Failure>);

impl<W: World> Task<'_, W> {
    /// Ask the next forwarders of *servers*; None when none gave a reply worth reading.
    ///
    /// Records the steps, also the one about the reply.
    pub(crate) async fn race(
        &self,
        servers: &mut ServerList,
        qname: NameRef<'_>,
        qtype: RrType,
        frame: &Frame<'_>,
        trace: &Trace,
    ) -> Result<Option<(usize, Replied)>, Failure> {
        let (core, world) = (self.core, &self.core.world);
        let mut running: Vec<Racer<'_>> = Vec::new();
        let most = servers.race.max(2) as usize;
        let mut at_once = servers.race;
        loop {
            let mut exhausted = false;
            while running.is_empty() || at_once > 0 && running.len() < most {
                let Next::Ask(at) = servers.next(core, Some(frame)) else {
                    if running.is_empty() {
                        return Err(servers.exhausted());
                    }
                    exhausted = true;
                    break;
                };
                at_once = at_once.saturating_sub(1);
                let began = world.now();
                let step = (!running.is_empty()).then(|| {
                    let draft =
                        Draft::new(servers.layer, Action::Race, qname.to_name(), qtype, Reason::Abandoned);
                    trace.begin(draft.zone(servers.zone.clone()))
                });
                let lane = step.map_or_else(|| trace.clone(), |step| trace.lane(step, began));
                let asked = Box::pin(self.ask_apart(servers.apart(at), qname, qtype, lane));
                running.push(Racer { at, began, step, asked });
            }
            // With nobody left to ask beside them, only their own timeouts end the wait.
            let pause = (!exhausted && running.len() < most && servers.has_several()).then(|| {
                let newest = running.last().expect("somebody is asked");
                newest.began + self.usual(servers, newest.at)
            });
            let Some(ended) = ended(&**world, pause, &mut running).await else {
                at_once = 1;
                continue;
            };
            let Racer { at, step, .. } = running.swap_remove(ended.0);
            let (list, result) = ended.1;
            servers.take_back(at, list);
            let now = world.now();
            let answered = matches!(&result, Ok(Some(replied)) if !replied.reply.is_setback());
            let over = answered || running.is_empty() || result.is_err();
            if let Some(step) = step {
                trace.finish(step, now, Reason::AskedBeside { first: answered });
            }
            match result {
                // The next best is asked at once, beside those that are under way.
                Ok(replied) if !over => {
                    if let Some(replied) = replied {
                        self.set_back(servers, at, &replied.reply, qname, qtype);
                    }
                    at_once = 1;
                }
                result => {
                    for racer in running {
                        self.overtaken(servers, &racer, trace);
                    }
                    return result.map(|replied| replied.map(|replied| (at, replied)));
                }
            }
        }
    }

    /// Ask the only candidate of *list*, unless it leads back to this server.
    async fn ask_apart(
        &self,
        mut list: ServerList,
        qname: NameRef<'_>,
        qtype: RrType,
        trace: Trace,
    ) -> Asked {
        let (core, budget) = (self.core, &self.core.config.budget);
        let share = qname.parent().map_or(list.zone_hash, NameRef::hash64);
        let now = core.world.now();
        let Some(asking) = Asking::begin(&core.quotas, share, budget, now) else {
            return (list, Err(Failure::limit(Limit::Zone)));
        };
        let (forwarder, suffix) = (list.address(0), list.zone.clone());
        let asked = {
            let mut asked = pin!(self.ask(&mut list, 0, qname, qtype, &trace));
            let mut watch = pin!(self.watch(forwarder, suffix.as_ref()));
            poll_fn(|context| match asked.as_mut().poll(context) {
                Poll::Ready(result) => Poll::Ready(Ok(result)),
                Poll::Pending => watch.as_mut().poll(context).map(Err),
            })
            .await
        };
        let now = core.world.now();
        // Another question may have found the loop first: then the forwarder fails because this server refused its query.
        let failed = matches!(&asked, Ok(Ok(Some(replied))) if replied.reply.is_setback());
        let found_meanwhile = if failed { self.known_loop(forwarder, suffix.as_ref()) } else { None };
        let asked = found_meanwhile.map_or(asked, Err);
        let result = match asked {
            Ok(result) => result,
            Err(back) => {
                let ends = Box::new(LoopEnds { suffix, forwarder, back });
                let reason = Reason::ForwardingLoop { ends };
                trace.step(now, list.asked(0, Transport::Udp, qname.to_name(), qtype, reason));
                list.loops(0, back);
                Ok(None)
            }
        };
        if let Ok(replied) = &result {
            asking.end(replied.is_some());
        }
        if let Ok(Some(replied)) = &result {
            trace.step(now, list.asked(0, replied.via, qname.to_name(), qtype, replied.reply.reason()));
        }
        (list, result)
    }

    /// The time after which a further forwarder is asked beside candidate *at*.
    fn usual(&self, servers: &ServerList, at: usize) -> Micros {
        let budget = &self.core.config.budget;
        let note = self.core.cache.servers().note(servers.address(at), self.core.world.now());
        note.usual().unwrap_or(budget.first_timeout).clamp(budget.min_timeout, budget.max_timeout)
    }

    /// Note that another forwarder was quicker than *racer*.
    fn overtaken(&self, servers: &mut ServerList, racer: &Racer<'_>, trace: &Trace) {
        let now = self.core.world.now();
        let (address, known) = (servers.address(racer.at), self.core.cache.servers());
        if now - racer.began >= self.usual(servers, racer.at) {
            known.timed_out(address, racer.began, &self.core.config.budget.servers(), now);
        }
        known.overtaken(address, now - racer.began, now);
        servers.overtaken(racer.at);
        if let Some(step) = racer.step {
            trace.finish(step, now, Reason::AskedBeside { first: false });
        }
    }

    /// Return when *forwarder* turns out to lead back to this server: the address from which a probe came back.
    async fn watch(&self, forwarder: std::net::SocketAddr, suffix: NameRef<'_>) -> IpAddr {
        let (core, world, loops) = (self.core, &self.core.world, self.core.cache.servers().loops());
        world.sleep_until(world.now() + WATCH).await;
        let token = world.random();
        let Some(name) = loops.begin(token, forwarder, suffix, world.now()) else {
            // Another question has sent the probe.
            return self.looped_meanwhile(forwarder, suffix).await;
        };
        let sent = Sent {
            endpoint: Endpoint::new(forwarder, Transport::Udp),
            name,
            rtype: LOOP_TYPE,
            edns: true,
            cookie: false,
            random_case: false,
            recursive: true,
            unchecked: false,
        };
        let end = world.now() + PROBE_CLOCK;
        let mut probe = pin!(core.send(sent, None, end));
        let mut replied = false;
        while !replied && world.now() < end {
            let tick = (world.now() + TICK).min(end);
            replied = until(&**world, tick, probe.as_mut()).await.is_some();
            let Some(back) = loops.back(token) else { continue };
            core.cache.servers().lame(forwarder, suffix, Lameness::Loops { back }, world.now());
            if loops.conclude(token, true) {
                let ends = LoopEnds { suffix: suffix.to_name(), forwarder, back };
                world.notice(Notice::ForwardingLoop(ends));
            }
            return back;
        }
        loops.conclude(token, false);
        std::future::pending().await
    }

    /// The address from which a query came back, if *forwarder* is known to lead back to this server.
    fn known_loop(&self, forwarder: std::net::SocketAddr, suffix: NameRef<'_>) -> Option<IpAddr> {
        match self.core.cache.servers().lameness(forwarder, suffix, self.core.world.now()) {
            Some(Lameness::Loops { back }) => Some(back),
            _ => None,
        }
    }

    /// Return when another question has found that *forwarder* leads back to this server.
    async fn looped_meanwhile(&self, forwarder: std::net::SocketAddr, suffix: NameRef<'_>) -> IpAddr {
        let world = &self.core.world;
        let end = world.now() + 2 * SECOND;
        while world.now() < end {
            if let Some(back) = self.known_loop(forwarder, suffix) {
                return back;
            }
            world.sleep_until(world.now() + 5 * TICK).await;
        }
        std::future::pending().await
    }
}

/// Which of *running* has ended, and how; None when nobody has by the time *pause*.
async fn ended<W: World>(
    world: &W,
    pause: Option<Micros>,
    running: &mut [Racer<'_>],
) -> Option<(usize, Asked)> {
    let first = poll_fn(|context| {
        for (at, racer) in running.iter_mut().enumerate() {
            if let Poll::Ready(asked) = racer.asked.as_mut().poll(context) {
                return Poll::Ready((at, asked));
            }
        }
        Poll::Pending
    });
    match pause {
        Some(pause) => until(world, pause, first).await,
        None => Some(first.await),
    }
}
