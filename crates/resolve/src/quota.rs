//! Shares of the work: how much of it one client prefix and one zone may take while others wait.
//!
//! **Clients.** Each client question under way belongs to a prefix: /24 of an IPv4 address, /56 of an IPv6 address. When
//! all places are taken, the prefix with the most questions under way loses its oldest one to the newcomer, so that a flood
//! evicts itself. A prefix that has `Budget::max_in_flight_per_client` questions under way loses its own oldest one.
//!
//! **Zones.** Questions under way to the servers of one zone are bounded by an allowance that follows the zone's servers:
//! it grows with each reply up to `Budget::max_in_flight_per_zone` and shrinks with each silence down to [`FEWEST`].
//! Random names under a silent zone (water torture) then cost a handful of places, and a flood under a slow zone no more than
//! the allowance. What exceeds it fails at once. A forwarder stands for many zones; there the parent of the name counts.
//!
//! **Rates.** If the budget sets them, prefixes and zones also have a number of questions per second, in bursts of one second.

use std::cell::{Cell, RefCell};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::future::{Future, poll_fn};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};

use nw_wire::hash::Keyed;

use crate::budget::{Budget, Limit};
use crate::world::{Micros, SECOND};

#[cfg(test)]
mod tests;

/// The allowance of a zone whose servers have long been silent: enough to notice that they are back.
pub(crate) const FEWEST: u32 = 16;
/// What one reply adds to the allowance of a zone.
const GROWTH: u32 = 4;
/// One silence takes one part in so many of the allowance.
const SHRINKING: u32 = 32;
/// A zone of which nothing was asked for so long starts anew, microseconds.
const FORGET: Micros = 10 * SECOND;
/// Zones that are remembered although nothing is under way to them.
const REMEMBERED: usize = 4096;

/// A client prefix: who shares a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Prefix(u64);

impl Prefix {
    /// The prefix of *client*; questions of this process itself have one of their own.
    pub(crate) fn of(client: Option<IpAddr>) -> Prefix {
        Prefix(match client.map(|client| client.to_canonical()) {
            None => 0,
            Some(IpAddr::V4(v4)) => 1 << 62 | u64::from(u32::from(v4) >> 8),
            Some(IpAddr::V6(v6)) => 1 << 63 | (u128::from(v6) >> 72) as u64,
        })
    }

    /// The prefix of *client*, for people.
    pub(crate) fn shown(client: IpAddr) -> String {
        match client.to_canonical() {
            IpAddr::V4(v4) => format!("{}/24", Ipv4Addr::from_bits(v4.to_bits() & !0xff)),
            IpAddr::V6(v6) => format!("{}/56", Ipv6Addr::from_bits(v6.to_bits() >> 72 << 72)),
        }
    }
}

/// The places of the questions of one client prefix, the oldest first, each with its number.
type Places = VecDeque<(u64, Rc<Place>)>;

/// The places of a resolver.
#[derive(Default)]
pub(crate) struct Quotas {
    next: Cell<u64>,
    under_way: Cell<usize>,
    /// The places of each prefix by their numbers, the oldest first.
    clients: RefCell<HashMap<Prefix, Places, Keyed>>,
    zones: RefCell<HashMap<u64, Zone, Keyed>>,
    client_rates: Rates,
    zone_rates: Rates,
}

/// Rates by key. A key has used what is paid back until its time; a key without time has used nothing.
#[derive(Default)]
struct Rates {
    until: RefCell<HashMap<u64, Micros, Keyed>>,
    swept: Cell<Micros>,
}

impl Rates {
    /// Take one of *per_second* of *key*. Err: there is none left for so long. When too many keys are in use, further ones
    /// are not limited.
    fn take(&self, key: u64, per_second: u32, now: Micros) -> Result<(), Micros> {
        if per_second == 0 {
            return Ok(());
        }
        let mut until = self.until.borrow_mut();
        if until.len() >= REMEMBERED && now.saturating_sub(self.swept.get()) > SECOND / 10 {
            until.retain(|_, until| *until > now);
            self.swept.set(now);
        }
        if until.len() >= REMEMBERED && !until.contains_key(&key) {
            return Ok(());
        }
        let until = until.entry(key).or_insert(now);
        let paid = (*until).max(now) + SECOND / Micros::from(per_second);
        if paid > now + SECOND {
            return Err(paid - now - SECOND);
        }
        *until = paid;
        Ok(())
    }
}

/// The place of one client question.
#[derive(Default)]
struct Place {
    /// The limit that took the place away.
    lost: Cell<Option<Limit>>,
    waker: RefCell<Option<Waker>>,
}

/// A client question under way.
pub(crate) struct Ticket {
    quotas: Rc<Quotas>,
    prefix: Prefix,
    number: u64,
    place: Rc<Place>,
}

/// How it goes with one zone.
struct Zone {
    under_way: u32,
    allowed: u32,
    touched: Micros,
}

impl Quotas {
    /// A place for a question of *prefix*. If there is no free one, another question loses its place.
    pub(crate) fn admit(self: &Rc<Self>, prefix: Prefix, budget: &Budget) -> Ticket {
        let own = self.clients.borrow().get(&prefix).map_or(0, VecDeque::len);
        if own >= budget.max_in_flight_per_client as usize {
            self.evict(prefix, Limit::InFlightPerClient);
        } else if self.under_way.get() >= budget.max_in_flight as usize {
            let hungriest = {
                let clients = self.clients.borrow();
                let most = clients.iter().map(|(&prefix, places)| (places.len(), prefix)).max();
                most.filter(|(count, _)| *count > own).map_or(prefix, |(_, prefix)| prefix)
            };
            self.evict(hungriest, Limit::InFlight);
        }
        let number = self.next.get();
        self.next.set(number + 1);
        let place = Rc::new(Place::default());
        self.clients.borrow_mut().entry(prefix).or_default().push_back((number, Rc::clone(&place)));
        self.under_way.set(self.under_way.get() + 1);
        Ticket { quotas: Rc::clone(self), prefix, number, place }
    }

    /// Take the place of the oldest question of *prefix* because of *limit*.
    fn evict(&self, prefix: Prefix, limit: Limit) {
        let oldest = {
            let clients = self.clients.borrow();
            clients.get(&prefix).and_then(|places| places.front().map(|(number, _)| *number))
        };
        if let Some(place) = oldest.and_then(|number| self.remove(prefix, number)) {
            place.lost.set(Some(limit));
            if let Some(waker) = place.waker.take() {
                waker.wake();
            }
        }
    }

    fn remove(&self, prefix: Prefix, number: u64) -> Option<Rc<Place>> {
        let mut clients = self.clients.borrow_mut();
        let Entry::Occupied(mut entry) = clients.entry(prefix) else { return None };
        let places = entry.get_mut();
        let at = places.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        let (_, place) = places.remove(at)?;
        if places.is_empty() {
            entry.remove();
        }
        self.under_way.set(self.under_way.get() - 1);
        Some(place)
    }

    /// Count one more question of *prefix* for recursion. Err: it has used its rate, and may ask another one after so long.
    pub(crate) fn client_rate(&self, prefix: Prefix, budget: &Budget, now: Micros) -> Result<(), Micros> {
        self.client_rates.take(prefix.0, budget.max_queries_per_second_per_client, now)
    }

    /// Count one more question to the servers of the zone that hashes to *zone*. Err: it has used its rate, as above.
    pub(crate) fn zone_rate(&self, zone: u64, budget: &Budget, now: Micros) -> Result<(), Micros> {
        self.zone_rates.take(zone, budget.max_queries_per_second_per_zone, now)
    }

    /// Begin a question to the servers of the zone that hashes to *zone*. False: the zone has its share already.
    pub(crate) fn ask(&self, zone: u64, budget: &Budget, now: Micros) -> bool {
        let mut zones = self.zones.borrow_mut();
        let most = budget.max_in_flight_per_zone;
        if zones.len() >= REMEMBERED && !zones.contains_key(&zone) {
            zones.retain(|_, zone| zone.under_way > 0);
        }
        let zone = zones.entry(zone).or_insert(Zone { under_way: 0, allowed: most, touched: now });
        if zone.under_way == 0 && now.saturating_sub(zone.touched) > FORGET {
            zone.allowed = most;
        }
        if zone.under_way >= zone.allowed {
            return false;
        }
        zone.under_way += 1;
        zone.touched = now;
        true
    }

    /// End a question that [`Quotas::ask`] allowed. *replied*: whether the server said anything; None when it was not
    /// waited for.
    pub(crate) fn asked(&self, zone: u64, replied: Option<bool>, budget: &Budget) {
        let mut zones = self.zones.borrow_mut();
        let Some(at) = zones.get_mut(&zone) else { return };
        at.under_way = at.under_way.saturating_sub(1);
        let most = budget.max_in_flight_per_zone;
        at.allowed = match replied {
            Some(true) => (at.allowed + GROWTH).min(most),
            Some(false) => at.allowed.saturating_sub(at.allowed.div_ceil(SHRINKING)).max(FEWEST.min(most)),
            None => at.allowed,
        };
        if at.under_way == 0 && at.allowed == most {
            zones.remove(&zone);
        }
    }
}

impl Ticket {
    /// What *work* yields, or the limit that took its place away first.
    pub(crate) async fn hold<T>(self, work: impl Future<Output = T>) -> Result<T, Limit> {
        let mut work = pin!(work);
        poll_fn(|context| {
            if let Some(limit) = self.place.lost.get() {
                return Poll::Ready(Err(limit));
            }
            let polled = work.as_mut().poll(context);
            if polled.is_pending() {
                let mut waker = self.place.waker.borrow_mut();
                if !waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
                    *waker = Some(context.waker().clone());
                }
            }
            polled.map(Ok)
        })
        .await
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.quotas.remove(self.prefix, self.number);
    }
}

/// A question to the servers of a zone that is under way, from [`Quotas::ask`] to [`Quotas::asked`].
pub(crate) struct Asking<'q> {
    quotas: &'q Quotas,
    budget: &'q Budget,
    zone: u64,
    replied: Option<bool>,
}

impl<'q> Asking<'q> {
    /// Begin; None when the zone has its share already.
    pub(crate) fn begin(
        quotas: &'q Quotas,
        zone: u64,
        budget: &'q Budget,
        now: Micros,
    ) -> Option<Asking<'q>> {
        // Made only if allowed, because its drop gives the place back.
        quotas.ask(zone, budget, now).then(|| Asking { quotas, budget, zone, replied: None })
    }

    /// End, the server having *replied* or not.
    pub(crate) fn end(mut self, replied: bool) {
        self.replied = Some(replied);
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.quotas.asked(self.zone, self.replied, self.budget);
    }
}
