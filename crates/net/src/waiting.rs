//! Clients that wait for a lookup: one task for each question, some hundred octets for each client.
//!
//! The first client that asks a question starts its lookup; those that ask the same meanwhile wait for the same result.
//! A client over UDP that has waited for `Budget::discard_timeout` has asked again or stopped waiting; its answer
//! is not sent, and its entry is the first to go when too many clients wait.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use nw_resolve::{Budget, ClientQuestion, MILLISECOND, Micros};
use nw_serve::{Pending, Transport};
use nw_wire::hash::Keyed;

/// How often entries of clients that no longer wait are looked for, microseconds.
const PAUSE: Micros = 100 * MILLISECOND;

/// Sends a reply.
pub(crate) type SendReply = Box<dyn FnOnce(&[u8])>;

/// What is looked up: one question, or two at the same time.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Lookup {
    pub(crate) question: ClientQuestion,
    pub(crate) second: Option<ClientQuestion>,
}

impl Lookup {
    /// What *pending* waits for.
    pub(crate) fn of(pending: &Pending) -> Lookup {
        Lookup { question: pending.ask.question.clone(), second: pending.ask.second.clone() }
    }

    /// The questions, in the order of their resolutions.
    pub(crate) fn questions(&self) -> impl Iterator<Item = &ClientQuestion> {
        std::iter::once(&self.question).chain(&self.second)
    }
}

/// A client that waits.
pub(crate) struct Client {
    pub(crate) pending: Box<Pending>,
    /// Sends the reply.
    pub(crate) send: SendReply,
}

/// Whether an answer at *now* comes too late to be sent.
pub(crate) fn is_gone(pending: &Pending, budget: &Budget, now: Micros) -> bool {
    pending.transport == Transport::Udp && budget.discards(pending.received, now)
}

/// All clients of one worker that wait.
#[derive(Default)]
pub(crate) struct Clients {
    by_lookup: RefCell<HashMap<Lookup, Vec<Client>, Keyed>>,
    count: Cell<u32>,
    looked: Cell<Micros>,
}

impl Clients {
    /// How many wait.
    pub(crate) fn len(&self) -> u32 {
        self.count.get()
    }

    /// Let *client* wait. True: it is the first that waits for its lookup, which is to be started.
    pub(crate) fn join(&self, client: Client) -> bool {
        self.count.set(self.count.get() + 1);
        let mut by_lookup = self.by_lookup.borrow_mut();
        match by_lookup.entry(Lookup::of(&client.pending)) {
            Entry::Occupied(mut clients) => {
                clients.get_mut().push(client);
                false
            }
            Entry::Vacant(place) => {
                place.insert(vec![client]);
                true
            }
        }
    }

    /// Those that wait for *lookup*, in the order in which they came.
    pub(crate) fn take(&self, lookup: &Lookup) -> Vec<Client> {
        let clients = self.by_lookup.borrow_mut().remove(lookup).unwrap_or_default();
        self.count.set(self.count.get() - clients.len() as u32);
        clients
    }

    /// Remove those that no longer wait; how many they were.
    pub(crate) fn remove_gone(&self, budget: &Budget, now: Micros) -> u64 {
        if now.saturating_sub(self.looked.get()) < PAUSE {
            return 0;
        }
        self.looked.set(now);
        let mut removed = 0;
        for clients in self.by_lookup.borrow_mut().values_mut() {
            let before = clients.len();
            clients.retain(|client| !is_gone(&client.pending, budget, now));
            removed += before - clients.len();
        }
        self.count.set(self.count.get() - removed as u32);
        removed as u64
    }
}
