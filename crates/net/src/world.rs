//! The real world: the kernel's clocks and random source, and servers across the network.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nw_resolve::{ExchangeError, Micros, Via, World};
use nw_serve::Stats;

use crate::random::Random;
use crate::routes::Routes;
use crate::upstream::Upstream;

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

    async fn exchange(
        &self,
        server: SocketAddr,
        via: Via,
        query: &[u8],
        deadline: Micros,
    ) -> Result<Vec<u8>, ExchangeError> {
        let target = match &self.routes {
            Some(routes) => routes.target(server).ok_or(ExchangeError::NoRoute)?,
            None => server,
        };
        let asking = async {
            match via {
                Via::Udp => {
                    self.stats.upstream_udp.add(1);
                    self.upstream.udp(target, query, &self.stats).await
                }
                Via::Tcp => {
                    self.stats.upstream_tcp.add(1);
                    self.upstream.tcp(target, query, &self.stats).await
                }
            }
        };
        match tokio::time::timeout_at(self.clock.instant(deadline), asking).await {
            Ok(result) => result,
            Err(_) => {
                self.stats.upstream_timeouts.add(1);
                Err(ExchangeError::Timeout)
            }
        }
    }
}
