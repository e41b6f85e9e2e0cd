//! Clients that wait for a lookup: one task for each question, some hundred octets for each client.
//!
//! The first client that asks a question starts its lookup; those that ask the same meanwhile wait for the same result.
//! A client over UDP that has waited for `Budget::discard_timeout` has asked again or stopped waiting; its answer
//! is not sent, and its entry is the first to go when too many clients wait.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use nw_resolve::{Budget, ClientQuestion, MILLISECOND, Micros};
use nw_serve::{Pending, Transport};

/// How often entries of clients that no longer wait are looked for, microseconds.
const PAUSE: Micros = 100 * MILLISECOND;

/// Sends a reply.
pub(crate) type SendReply = Box<dyn FnOnce(&[u8])>;

/// A client that waits.
pub(crate) struct Client {
    pub(crate) pending: Box<Pending>,
    /// When its question arrived.
    pub(crate) received: Micros,
    /// Sends the reply.
    pub(crate) send: SendReply,
}

impl Client {
    /// Whether an answer at *now* comes too late to be sent.
    pub(crate) fn is_gone(&self, budget: &Budget, now: Micros) -> bool {
        self.pending.transport == Transport::Udp && budget.discards(self.received, now)
    }
}

/// All clients of one worker that wait.
#[derive(Default)]
pub(crate) struct Clients {
    by_question: RefCell<HashMap<ClientQuestion, Vec<Client>>>,
    count: Cell<u32>,
    looked: Cell<Micros>,
}

impl Clients {
    /// How many wait.
    pub(crate) fn len(&self) -> u32 {
        self.count.get()
    }

    /// Let *client* wait. True: it is the first with its question, which is to be looked up.
    pub(crate) fn join(&self, client: Client) -> bool {
        self.count.set(self.count.get() + 1);
        let mut by_question = self.by_question.borrow_mut();
        if let Some(clients) = by_question.get_mut(&client.pending.ask.question) {
            clients.push(client);
            return false;
        }
        by_question.insert(client.pending.ask.question.clone(), vec![client]);
        true
    }

    /// Those that wait for *question*, in the order in which they came.
    pub(crate) fn take(&self, question: &ClientQuestion) -> Vec<Client> {
        let clients = self.by_question.borrow_mut().remove(question).unwrap_or_default();
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
        for clients in self.by_question.borrow_mut().values_mut() {
            let before = clients.len();
            clients.retain(|client| !client.is_gone(budget, now));
            removed += before - clients.len();
        }
        self.count.set(self.count.get() - removed as u32);
        removed as u64
    }
}
