//! The real world: the kernel's clocks and random source, and servers across the network.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nw_resolve::{Endpoint, ExchangeError, Micros, Notice, Replies, World};
use nw_serve::Stats;
use nw_serve::plan::ResolverPlan;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::connection::Upward;
use crate::events::Events;
use crate::outbox::Outbox;
use crate::random::Random;
use crate::routes::Routes;
use crate::upstream::{Upstream, Upstreams, Way, classify};
use nw_resolve::Discarded;

/// What the clock shows when it starts: longer than the age of any entry of a cache that was saved before the start.
const HEAD_START: Micros = 60 * 86_400 * nw_resolve::SECOND;

/// The clock that all workers share, so that the age of a cache entry is the same for each.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    zero: Instant,
}

impl Clock {
    /// A clock that starts now, at some weeks, so that times before the start can be expressed.
    pub fn start() -> Clock {
        Clock { zero: Instant::now() }
    }

    /// Microseconds since the start, and some weeks more.
    pub fn now(self) -> Micros {
        HEAD_START + Micros::try_from(self.zero.elapsed().as_micros()).unwrap_or(Micros::MAX / 2)
    }

    /// What to add to a time of this clock for microseconds since 1970 by the system's clock.
    pub(crate) fn epoch(self) -> Micros {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros());
        Micros::try_from(unix).unwrap_or(Micros::MAX).saturating_sub(self.now())
    }

    /// Return when this clock shows `at`. That may have passed.
    pub(crate) fn instant(self, at: Micros) -> tokio::time::Instant {
        /// A time that is never reached, and that the timer can express.
        const FAR: Micros = 1000 * 86_400 * nw_resolve::SECOND;
        let since = Duration::from_micros(at.saturating_sub(HEAD_START).min(FAR));
        (self.zero + since).into()
    }

    /// Seconds since 1970 by the system's clock.
    pub fn unix_s() -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }
}

/// The world as one worker sees it.
///
/// A lookup asks for the time often, and little time passes while it does not wait. [`World::now`] therefore shows when the
/// worker last looked at the clock: whenever a wait for the network or for a time is over, and before a lookup begins.
pub struct RealWorld {
    clock: Clock,
    seen: Rc<Cell<Micros>>,
    random: Rc<Random>,
    upstreams: Rc<Upstreams>,
    routes: Option<Arc<Routes>>,
    stats: Arc<Stats>,
    events: Arc<Events>,
}

impl RealWorld {
    /// *outbox*: through which queries leave. *events*: where notices go.
    pub(crate) fn new(clock: Clock, outbox: Rc<Outbox>, stats: Arc<Stats>, events: Arc<Events>) -> RealWorld {
        let random = Rc::new(Random::default());
        let upstreams = Rc::new(Upstreams::new(clock, Rc::clone(&random), outbox, Arc::clone(&stats)));
        let seen = Rc::new(Cell::new(clock.now()));
        RealWorld { clock, seen, random, upstreams, routes: None, stats, events }
    }

    /// The same world with another routing table and the limits of *plan*; ports and connections are shared.
    pub(crate) fn with_plan(&self, routes: Option<Arc<Routes>>, plan: Option<&ResolverPlan>) -> RealWorld {
        if let Some(plan) = plan {
            self.upstreams.set_plan(plan);
        }
        RealWorld {
            clock: self.clock,
            seen: Rc::clone(&self.seen),
            random: Rc::clone(&self.random),
            upstreams: Rc::clone(&self.upstreams),
            routes,
            stats: Arc::clone(&self.stats),
            events: Arc::clone(&self.events),
        }
    }

    /// Look at the clock.
    pub(crate) fn look(&self) -> Micros {
        self.seen.set(self.clock.now());
        self.seen.get()
    }

    /// What *work* yields, or the error of what takes longer than until *deadline*, which is counted.
    async fn before<T>(
        &self,
        deadline: Micros,
        work: impl Future<Output = Result<T, ExchangeError>>,
    ) -> Result<T, ExchangeError> {
        let done = tokio::time::timeout_at(self.clock.instant(deadline), work).await;
        self.look();
        match done {
            Ok(result) => result,
            Err(_) => {
                self.stats.upstream_timeouts.add(1);
                Err(ExchangeError::Timeout)
            }
        }
    }
}

impl World for RealWorld {
    type Upstream = Upstream;
    type Replies = StreamReplies;

    fn now(&self) -> Micros {
        self.seen.get()
    }

    fn unix_s(&self) -> u64 {
        Clock::unix_s()
    }

    fn notice(&self, notice: Notice) {
        self.events.notice(&notice);
    }

    fn random(&self) -> u64 {
        self.random.bits()
    }

    async fn sleep_until(&self, at: Micros) {
        tokio::time::sleep_until(self.clock.instant(at)).await;
        self.look();
    }

    fn spawn(&self, work: impl Future<Output = ()> + 'static) {
        // Nobody waits for it: a panic ends this work alone.
        tokio::task::spawn_local(work);
    }

    fn upstream(&self, endpoint: &Endpoint) -> Upstream {
        let Some(routes) = &self.routes else { return self.upstreams.get(endpoint) };
        match routes.target(endpoint.address) {
            Some(address) => self.upstreams.get(&Endpoint { address, ..endpoint.clone() }),
            None => Upstream(Way::NoRoute),
        }
    }

    async fn exchange(
        &self,
        upstream: &Upstream,
        query: &[u8],
        deadline: Micros,
        discarded: &Discarded,
    ) -> Result<Vec<u8>, ExchangeError> {
        self.before(deadline, self.upstreams.exchange(upstream, query, &self.stats, discarded)).await
    }

    async fn stream(
        &self,
        upstream: &Upstream,
        query: &[u8],
        deadline: Micros,
    ) -> Result<StreamReplies, ExchangeError> {
        let session = match &upstream.0 {
            Way::Stream(session) => session,
            Way::Datagrams(_) => return Err(ExchangeError::Local),
            Way::NoRoute => return Err(ExchangeError::NoRoute),
        };
        let id = query.first_chunk().copied().ok_or(ExchangeError::Local)?;
        let length = u16::try_from(query.len()).map_err(|_| ExchangeError::Local)?;
        // One write, so that a server that reads once sees all of it (RFC 7766 §8).
        let framed = [&length.to_be_bytes(), query].concat();
        self.stats.upstream_tcp.add(1);
        let sent = async {
            let mut stream = session.open().await.map_err(|error| classify(&error))?;
            stream.write_all(&framed).await.map_err(|error| classify(&error))?;
            stream.flush().await.map_err(|error| classify(&error))?;
            Ok(stream)
        };
        let stream = self.before(deadline, sent).await?;
        Ok(StreamReplies {
            clock: self.clock,
            seen: Rc::clone(&self.seen),
            stream,
            id,
            stats: Arc::clone(&self.stats),
        })
    }
}

/// A connection whose messages answer one query.
pub struct StreamReplies {
    clock: Clock,
    seen: Rc<Cell<Micros>>,
    stream: Box<dyn Upward>,
    id: [u8; 2],
    stats: Arc<Stats>,
}

impl StreamReplies {
    async fn message(&mut self) -> io::Result<Vec<u8>> {
        let length = self.stream.read_u16().await?;
        let mut message = vec![0; usize::from(length)];
        self.stream.read_exact(&mut message).await?;
        Ok(message)
    }
}

impl Replies for StreamReplies {
    async fn next(&mut self, deadline: Micros) -> Result<Vec<u8>, ExchangeError> {
        let deadline = self.clock.instant(deadline);
        loop {
            let next = tokio::time::timeout_at(deadline, self.message()).await;
            self.seen.set(self.clock.now());
            match next {
                Ok(Ok(message)) if message.first_chunk() == Some(&self.id) => return Ok(message),
                Ok(Ok(_)) => self.stats.upstream_junk.add(1),
                Ok(Err(error)) => return Err(classify(&error)),
                Err(_) => {
                    self.stats.upstream_timeouts.add(1);
                    return Err(ExchangeError::Timeout);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
