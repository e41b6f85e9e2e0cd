//! The real world: the kernel's clocks and random source, and servers across the network.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nw_resolve::{Endpoint, ExchangeError, Micros, Replies, Transport, World};
use nw_serve::Stats;
use tokio::net::TcpStream;

use crate::random::Random;
use crate::routes::Routes;
use crate::upstream::{self, Upstream};

/// The clock that all workers share, so that what one puts into the cache another can age.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    zero: Instant,
}

impl Clock {
    /// A clock that starts now, some way from zero: a time before the start must be expressible.
    pub fn start() -> Clock {
        Clock { zero: Instant::now() }
    }

    /// Microseconds since the start, and one hour more.
    pub fn now(self) -> Micros {
        const HEAD_START: Micros = 3600 * nw_resolve::SECOND;
        HEAD_START + Micros::try_from(self.zero.elapsed().as_micros()).unwrap_or(Micros::MAX / 2)
    }

    /// When this clock shows *at*; now when that has passed.
    fn instant(self, at: Micros) -> tokio::time::Instant {
        tokio::time::Instant::now() + Duration::from_micros(at.saturating_sub(self.now()))
    }

    /// Seconds since 1970 by the system's clock.
    pub fn unix_s() -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }
}

/// The world as one worker sees it.
pub struct RealWorld {
    clock: Clock,
    random: Rc<Random>,
    upstream: Rc<Upstream>,
    routes: Option<Arc<Routes>>,
    stats: Arc<Stats>,
}

impl RealWorld {
    pub(crate) fn new(clock: Clock, stats: Arc<Stats>) -> RealWorld {
        let random = Rc::new(Random::default());
        let upstream = Rc::new(Upstream::new(Rc::clone(&random)));
        RealWorld { clock, random, upstream, routes: None, stats }
    }

    /// The same world with another routing table; sockets are shared, and give up their ports after *uses* questions.
    pub(crate) fn with_routes(&self, routes: Option<Arc<Routes>>, uses: u32) -> RealWorld {
        self.upstream.set_uses(uses);
        RealWorld {
            clock: self.clock,
            random: Rc::clone(&self.random),
            upstream: Rc::clone(&self.upstream),
            routes,
            stats: Arc::clone(&self.stats),
        }
    }
}

impl World for RealWorld {
    type Upstream = Endpoint;
    type Replies = TcpReplies;

    fn now(&self) -> Micros {
        self.clock.now()
    }

    fn unix_s(&self) -> u64 {
        Clock::unix_s()
    }

    fn random(&self) -> u64 {
        self.random.bits()
    }

    async fn sleep_until(&self, at: Micros) {
        tokio::time::sleep_until(self.clock.instant(at)).await;
    }

    fn upstream(&self, endpoint: &Endpoint) -> Endpoint {
        endpoint.clone()
    }

    async fn exchange(
        &self,
        upstream: &Endpoint,
        query: &[u8],
        deadline: Micros,
    ) -> Result<Vec<u8>, ExchangeError> {
        let target = self.target(upstream)?;
        match upstream.transport {
            Transport::Udp => {
                self.stats.upstream_udp.add(1);
                self.before(deadline, self.upstream.udp(target, query, &self.stats)).await
            }
            Transport::Tcp => {
                self.stats.upstream_tcp.add(1);
                self.before(deadline, self.upstream.tcp(target, query, &self.stats)).await
            }
        }
    }

    async fn stream(
        &self,
        upstream: &Endpoint,
        query: &[u8],
        deadline: Micros,
    ) -> Result<TcpReplies, ExchangeError> {
        if !upstream.transport.is_stream() {
            return Err(ExchangeError::Local);
        }
        let target = self.target(upstream)?;
        let id = query.first_chunk().copied().ok_or(ExchangeError::Local)?;
        self.stats.upstream_tcp.add(1);
        let stream = self.before(deadline, upstream::send_tcp(target, query)).await?;
        Ok(TcpReplies { clock: self.clock, stream, id, stats: Arc::clone(&self.stats) })
    }
}

impl RealWorld {
    /// Where packets to *upstream* go: there, or where the routing table leads.
    fn target(&self, upstream: &Endpoint) -> Result<SocketAddr, ExchangeError> {
        match &self.routes {
            Some(routes) => routes.target(upstream.address).ok_or(ExchangeError::NoRoute),
            None => Ok(upstream.address),
        }
    }

    /// What *exchange* yields, or the error of one that takes longer than until *deadline*, which is counted.
    async fn before<T>(
        &self,
        deadline: Micros,
        exchange: impl Future<Output = Result<T, ExchangeError>>,
    ) -> Result<T, ExchangeError> {
        match tokio::time::timeout_at(self.clock.instant(deadline), exchange).await {
            Ok(result) => result,
            Err(_) => {
                self.stats.upstream_timeouts.add(1);
                Err(ExchangeError::Timeout)
            }
        }
    }
}

/// A TCP connection whose messages answer one query.
pub struct TcpReplies {
    clock: Clock,
    stream: TcpStream,
    id: [u8; 2],
    stats: Arc<Stats>,
}

impl Replies for TcpReplies {
    async fn next(&mut self, deadline: Micros) -> Result<Vec<u8>, ExchangeError> {
        loop {
            let message = upstream::read_tcp(&mut self.stream);
            match tokio::time::timeout_at(self.clock.instant(deadline), message).await {
                Ok(Ok(message)) if message.first_chunk() == Some(&self.id) => return Ok(message),
                Ok(Ok(_)) => self.stats.upstream_junk.add(1),
                Ok(Err(error)) => return Err(error),
                Err(_) => {
                    self.stats.upstream_timeouts.add(1);
                    return Err(ExchangeError::Timeout);
                }
            }
        }
    }
}
