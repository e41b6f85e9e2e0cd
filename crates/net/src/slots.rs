//! Which client connections may be open, and which one ends when there are too many (attack D3, RFC 9210 §4.4).
//!
//! Each connection of a worker takes a slot. Clients are counted by prefix: an IPv4 address, an IPv6 /64, which is the
//! least that one customer has (RFC 6177).
//!
//! - A client prefix has at most `max_per_client` slots. One more connection ends the idlest of its own.
//! - When all `max_connections` slots are taken, a newcomer ends the idlest connection of the prefix that has the most, if
//!   that has more than the newcomer's would; otherwise the idlest of all.
//! - A connection that was active within the last 200 ms does not end for a prefix that has as many: the newcomer is
//!   closed. Connections that do nothing, or one query a second, thus never keep others out.
//! - The time that a connection may be idle shrinks as slots are taken ([`idle_limit`]). While more than half are taken,
//!   each newcomer ends one connection that has been idle longer than that.
//!
//! Finding the idlest looks at each open connection once: some microseconds at 1,000 of them, and only while slots are short.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;

use nw_policy::Prefix;
use nw_resolve::{MILLISECOND, Micros};
use nw_serve::Stats;
use nw_serve::plan::TcpPlan;
use tokio::sync::Notify;

use crate::conversation::micros;

/// The shortest idle limit, and the time after an activity in which a connection is not ended for others like it.
const LEAST_IDLE: Micros = 200 * MILLISECOND;

/// The slots of one worker.
#[derive(Debug)]
pub(crate) struct Slots {
    stats: Arc<Stats>,
    open: RefCell<Vec<Rc<Entry>>>,
    prefixes: RefCell<HashMap<Prefix, Rc<Cell<u32>>>>,
}

#[derive(Debug)]
struct Entry {
    /// Its place in `open`; None when it is there no more.
    at: Cell<Option<usize>>,
    prefix: Prefix,
    /// Connections open from the prefix.
    of_prefix: Rc<Cell<u32>>,
    active: Cell<Micros>,
    ended: Notify,
}

/// The slot of one connection, given back when dropped.
pub(crate) struct Slot {
    slots: Rc<Slots>,
    entry: Rc<Entry>,
    /// The client.
    pub(crate) client: SocketAddr,
}

impl Slots {
    pub(crate) fn new(stats: Arc<Stats>) -> Rc<Slots> {
        Rc::new(Slots { stats, open: RefCell::default(), prefixes: RefCell::default() })
    }

    /// A slot for a connection from *client*. None: it must be closed.
    pub(crate) fn take(self: &Rc<Slots>, client: SocketAddr, now: Micros, plan: &TcpPlan) -> Option<Slot> {
        let prefix = prefix(client.ip());
        let of_prefix = self.prefixes.borrow().get(&prefix).cloned().unwrap_or_default();
        if of_prefix.get() >= plan.max_per_client {
            self.evict(self.idlest(|entry| entry.prefix == prefix)?, now, LEAST_IDLE)?;
        }
        let open = self.open.borrow().len();
        if open >= plan.max_connections as usize {
            let most = self.open.borrow().iter().map(|entry| entry.of_prefix.get()).max()?;
            if most > of_prefix.get() + 1 {
                self.evict(self.idlest(|entry| entry.of_prefix.get() == most)?, now, 0)?;
            } else {
                self.evict(self.idlest(|_| true)?, now, LEAST_IDLE)?;
            }
        } else if open * 2 > plan.max_connections as usize
            && let Some(idlest) = self.idlest(|_| true)
        {
            self.evict(idlest, now, idle_limit(open, plan));
        }
        of_prefix.set(of_prefix.get() + 1);
        self.prefixes.borrow_mut().entry(prefix).or_insert_with(|| Rc::clone(&of_prefix));
        let mut open = self.open.borrow_mut();
        let entry = Rc::new(Entry {
            at: Cell::new(Some(open.len())),
            prefix,
            of_prefix,
            active: Cell::new(now),
            ended: Notify::new(),
        });
        open.push(Rc::clone(&entry));
        self.stats.tcp_open.add(1);
        Some(Slot { slots: Rc::clone(self), entry, client })
    }

    /// How long a connection may be idle now.
    pub(crate) fn idle_limit(&self, plan: &TcpPlan) -> Micros {
        idle_limit(self.open.borrow().len(), plan)
    }

    /// The idlest of the connections that *among* accepts.
    fn idlest(&self, among: impl Fn(&Entry) -> bool) -> Option<Rc<Entry>> {
        self.open.borrow().iter().filter(|entry| among(entry)).min_by_key(|entry| entry.active.get()).cloned()
    }

    /// End the connection of *entry* if it has been idle for *least*; None when it has not.
    fn evict(&self, entry: Rc<Entry>, now: Micros, least: Micros) -> Option<()> {
        if now.saturating_sub(entry.active.get()) < least {
            return None;
        }
        self.remove(&entry);
        self.stats.tcp_evicted.add(1);
        entry.ended.notify_one();
        Some(())
    }

    fn remove(&self, entry: &Entry) {
        let Some(at) = entry.at.take() else { return };
        let mut open = self.open.borrow_mut();
        open.swap_remove(at);
        if let Some(moved) = open.get(at) {
            moved.at.set(Some(at));
        }
        self.stats.tcp_open.sub(1);
        entry.of_prefix.set(entry.of_prefix.get() - 1);
        if entry.of_prefix.get() == 0 {
            self.prefixes.borrow_mut().remove(&entry.prefix);
        }
    }
}

impl Slot {
    /// Note when the client was last active.
    pub(crate) fn active_at(&self, at: Micros) {
        self.entry.active.set(at);
    }

    /// Return when the connection must end in favour of another.
    pub(crate) async fn evicted(&self) {
        self.entry.ended.notified().await;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.remove(&self.entry);
    }
}

/// How long a connection may be idle while *open* slots are taken: `idle_ms`; a hundredth of it while more than half are
/// taken; the least while more than four fifths are.
fn idle_limit(open: usize, plan: &TcpPlan) -> Micros {
    let (idle, most) = (micros(plan.idle_ms), plan.max_connections as usize);
    let idle = match open {
        open if open * 5 > most * 4 => 0,
        open if open * 2 > most => idle / 100,
        _ => idle,
    };
    idle.max(LEAST_IDLE)
}

/// What counts as one client.
fn prefix(client: IpAddr) -> Prefix {
    match client {
        IpAddr::V4(_) => Prefix::host(client),
        IpAddr::V6(_) => Prefix::covering(client, 64).unwrap_or_else(|_| Prefix::host(client)),
    }
}

#[cfg(test)]
mod tests;
