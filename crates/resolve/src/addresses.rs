//! The addresses of name servers: those of the configuration and of the cache, and their lookup (RFC 1034 §5.3.3 step 2).

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};

use nw_cache::{Cached, Lookup, Reader};
use nw_wire::code::RrType;
use nw_wire::name::Name;
use nw_wire::rrset::Rrset;

use crate::answer::{Answer, Failure};
use crate::join::{Boxed, first_of};
use crate::select::{Next, ServerList};
use crate::task::{Core, Frame, Task};
use crate::trace::{Action, Draft, Layer, Reason, Trace};
use crate::world::{Micros, World};

impl<W: World> Core<W> {
    /// The addresses of root servers that the configuration names, each with its name.
    pub(crate) fn hinted_addresses(&self) -> impl Iterator<Item = (SocketAddr, &Name)> + use<'_, W> {
        let wanted = |address: &IpAddr| if address.is_ipv4() { self.config.ipv4 } else { self.config.ipv6 };
        let hints = self.config.hints.iter();
        let addresses = hints.flat_map(|(name, addresses)| addresses.iter().map(move |one| (one, name)));
        let wanted = addresses.filter(move |(address, _)| wanted(address));
        wanted.map(|(address, name)| (SocketAddr::new(*address, crate::cut::PORT), name))
    }

    /// The addresses of *name* that answers in the cache give.
    pub(crate) fn known_addresses(&self, name: &Name, rtype: RrType, now: Micros) -> Vec<SocketAddr> {
        // Addresses need not be validated.
        let reader = Reader { checking_disabled: true, ..Reader::default() };
        match self.cache.get_as(&reader, name.as_ref(), rtype, now) {
            Lookup::Hit { found: Cached::Rrset(sets), .. } => self.addresses_in(&sets),
            _ => Vec::new(),
        }
    }

    /// The usable addresses in *sets*, at most as many as one name server may have.
    pub(crate) fn addresses_in<'r>(&self, sets: impl IntoIterator<Item = &'r Rrset>) -> Vec<SocketAddr> {
        let rdatas = sets.into_iter().filter(|set| matches!(set.rtype, RrType::A | RrType::AAAA));
        let addresses = rdatas.flat_map(|set| set.rdatas.iter()).filter_map(|rdata| {
            let v4 = <[u8; 4]>::try_from(rdata).map(std::net::IpAddr::from).ok();
            v4.or_else(|| <[u8; 16]>::try_from(rdata).map(std::net::IpAddr::from).ok())
        });
        let usable = addresses.filter_map(|address| self.usable(address));
        usable.take(self.config.budget.max_addresses_per_ns as usize).collect()
    }
}

impl<W: World> Task<'_, W> {
    /// The server of *list* to ask, looking up addresses of name servers where necessary. *next*: what is to be done first.
    pub(crate) async fn select(
        &self,
        mut next: Next,
        list: &mut ServerList,
        frame: &Frame<'_>,
        trace: &Trace,
    ) -> Result<usize, Failure> {
        loop {
            match next {
                Next::Ask(at) => return Ok(at),
                Next::LookUp => self.find_addresses(list, frame, trace).await?,
                Next::Nothing => return Err(list.exhausted()),
            }
            next = list.next(self.core, Some(frame));
        }
    }

    /// Look up the addresses of name servers that have none yet, until those of one are found.
    ///
    /// The first name is chosen at random, so that a bad name server does not delay every question. A second lookup begins beside
    /// the first when that one takes longer than `Budget::address_lookup_pause`.
    async fn find_addresses(
        &self,
        list: &mut ServerList,
        frame: &Frame<'_>,
        trace: &Trace,
    ) -> Result<(), Failure> {
        let (world, budget) = (&self.core.world, &self.core.config.budget);
        // One at a time below depth 0, or else fan-out would multiply.
        let at_once = if frame.depth == 0 { budget.parallel_address_lookups.max(1) } else { 1 };
        let mut names = std::mem::take(&mut list.unresolved);
        let pick = world.random() as usize % names.len();
        names.rotate_left(pick);
        let draft = Draft::new(list.layer, Action::Addresses, names[0].clone(), RrType::A, Reason::Abandoned);
        let id = trace.begin(draft.zone(list.zone.clone()));
        let (mut waiting, mut refused) = (names.iter(), None);
        let failed = RefCell::new(Vec::new());
        let begin = || {
            let name = waiting.as_slice().first()?;
            let mut lookup = match self.meter.address_lookup(budget) {
                Ok(lookup) => lookup,
                Err(limit) => {
                    refused = Some(limit);
                    return None;
                }
            };
            waiting.next();
            let others = !waiting.as_slice().is_empty();
            let (lane, failed) = (trace.lane(id, world.now()), &failed);
            Some(Box::pin(async move {
                let found = self.addresses_of(name, frame, others, &lane).await;
                if found.as_ref().map_or(true, Vec::is_empty) {
                    lookup.in_vain(found.is_err());
                    failed.borrow_mut().push((name, found.as_ref().err().cloned()));
                }
                found.ok().filter(|found| !found.is_empty()).map(|found| (name.clone(), found))
            }) as Boxed<'_, Option<(Name, Vec<SocketAddr>)>>)
        };
        let pause = || {
            let until = world.now() + budget.address_lookup_pause;
            Box::pin(world.sleep_until(until)) as Boxed<'_, ()>
        };
        let found = first_of(at_once as usize, begin, pause).await;
        let reason = match &found {
            None => Reason::AddressesMissing,
            Some(_) => Reason::AddressesFound { servers: 1 },
        };
        trace.finish(id, world.now(), reason);
        if refused.is_none() {
            list.unresolved = waiting.as_slice().to_vec();
        }
        list.hindered |= refused.is_some();
        failed.into_inner().into_iter().for_each(|(name, failure)| list.without_addresses(name, failure));
        if let Some((name, found)) = found {
            found.into_iter().for_each(|address| list.add_named(address, &name));
        }
        // With no address at all, the limit is why.
        match refused.filter(|_| list.is_without_address()) {
            Some(limit) => Err(Failure::limit(limit)),
            None => Ok(()),
        }
    }

    /// The addresses of the name server *name*: IPv4 first, IPv6 when there is none.
    ///
    /// *others*: further names can be looked up instead. Err: the lookup failed.
    async fn addresses_of(
        &self,
        name: &Name,
        frame: &Frame<'_>,
        others: bool,
        trace: &Trace,
    ) -> Result<Vec<SocketAddr>, Failure> {
        let config = &self.core.config;
        let families = [(RrType::A, config.ipv4), (RrType::AAAA, config.ipv6)];
        for rtype in families.into_iter().filter(|(_, wanted)| *wanted).map(|(rtype, _)| rtype) {
            let found = match frame.below(name.as_ref(), rtype, config.budget.max_depth) {
                Ok(mut below) => {
                    below.hasty |= others;
                    self.unchecked().lookup(name, rtype, &below, trace).await
                }
                Err(failure) => Err(failure),
            };
            match found {
                Ok(Answer { sets, .. }) => {
                    let addresses = self.core.addresses_in(sets.iter().map(|set| &set.rrset));
                    if !addresses.is_empty() {
                        return Ok(addresses);
                    }
                }
                Err(failure) => {
                    let reason = failure.reason.clone();
                    let draft = Draft::new(Layer::Resolver, Action::Finish, name.clone(), rtype, reason);
                    trace.step(self.core.world.now(), draft);
                    // A lookup of the other family would fail for the same cause.
                    return Err(failure);
                }
            }
        }
        Ok(Vec::new())
    }
}
