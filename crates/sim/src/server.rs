//! A real namewise server as a host of the simulated network: zones, a resolver, or both, through the whole pipeline.
//!
//! What has to wait is a task of the virtual clock.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use nw_cache::Cache;
use nw_resolve::{Resolver, ResolverConfig, Step, Trace, World};
use nw_wire::code::RrType;
use nw_wire::name::NameRef;
use nw_zone::Zone;

use crate::dice::Dice;
use crate::front::{self, Front};
use crate::net::{Datagram, Host, Net};
use crate::world::SimWorld;

/// What a server is told.
#[derive(Clone, Default)]
pub struct ServerSpec {
    /// Its addresses, at most one of each family for its own questions.
    pub addresses: Vec<IpAddr>,
    /// What it is authoritative for.
    pub zones: Vec<Zone>,
    /// How it recurses, if it does.
    pub resolver: Option<ResolverConfig>,
    /// NSID (RFC 5001).
    pub nsid: Option<Vec<u8>>,
    /// `id.server` (RFC 4892).
    pub identity: Option<String>,
    /// Seconds since 1970 when virtual time is zero.
    pub unix_s: u64,
}

/// A running server.
pub struct Server {
    zones: RefCell<Vec<Zone>>,
    cache: Arc<Cache>,
    world: Rc<SimWorld>,
    resolver: Option<Resolver<SimWorld>>,
    explained: RefCell<Vec<Step>>,
    max_steps: u32,
}

impl Server {
    /// Start a server on `net`; it is not yet at any address.
    pub fn start(net: &Net, spec: ServerSpec) -> Rc<Server> {
        let label = spec.addresses.first().map_or_else(String::new, IpAddr::to_string);
        let seed = Dice::stream(net.seed(), &format!("cache {label}")).next();
        let world = Rc::new(SimWorld::new(net.clone(), spec.addresses, spec.unix_s));
        let budget = spec.resolver.as_ref().map(|config| config.budget.clone()).unwrap_or_default();
        let cache = Arc::new(Cache::new(budget.cache_bytes, seed));
        let resolver = spec
            .resolver
            .map(|config| Resolver::new(Rc::clone(&world), Arc::clone(&cache), Arc::new(config)));
        Rc::new(Server {
            zones: RefCell::new(spec.zones),
            cache,
            world,
            resolver,
            explained: RefCell::default(),
            max_steps: budget.max_steps,
        })
    }

    /// Serve these zones in place of those of the same name.
    pub fn swap(&self, changed: Vec<Zone>) {
        let mut zones = self.zones.borrow_mut();
        zones.retain(|zone| changed.iter().all(|new| new.apex() != zone.apex()));
        zones.extend(changed);
    }

    /// The machine that it runs on.
    pub fn world(&self) -> &SimWorld {
        &self.world
    }

    /// Its cache.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// The steps of the last question that had to wait.
    pub fn explained(&self) -> Vec<Step> {
        self.explained.borrow().clone()
    }

    /// So that [`Server::explained`] speaks of the next question only.
    pub fn forget_explanation(&self) {
        self.explained.take();
    }

    /// Forget everything that is cached at `name`, whatever its type.
    pub fn flush(&self, name: NameRef<'_>, _rtype: RrType) {
        self.cache.flush_name(name);
    }

    async fn answer(self: Rc<Server>, net: Net, datagram: Datagram) {
        let handled =
            front::handle(&self.zones.borrow(), self.resolver.is_some(), &datagram.bytes, datagram.via);
        let reply = match handled {
            Front::Drop => return,
            Front::Reply(reply) => reply,
            Front::Ask(question) => {
                let Some(resolver) = &self.resolver else { return };
                let trace = Trace::start(self.world.now(), self.max_steps);
                let resolution = resolver.resolve(question, trace).await;
                self.explained.replace(resolution.steps.clone());
                front::complete(&datagram.bytes, datagram.via, &resolution)
            }
        };
        net.reply(&datagram, reply);
    }
}

/// A [`Server`] at an address.
pub struct ServerHost(pub Rc<Server>);

impl Host for ServerHost {
    fn receive(&self, net: &Net, datagram: Datagram) {
        let server = Rc::clone(&self.0);
        net.clock().spawn(server.answer(net.clone(), datagram));
    }
}
