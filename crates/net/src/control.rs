//! Requests that the control plane answers: from a worker to the owner of the engine, and back.
//!
//! ```text
//! pipeline ─ Control ─▶ worker ─ Event::Asked with a ticket ─▶ owner
//!                          ▲                                     │
//!                          └───────── Engine::answer(ticket) ◀───┘
//! ```
//!
//! The number of requests that wait is bounded ([`ControlPlan`](nw_serve::plan::ControlPlan)). A request that is not answered
//! in time, or is one too many, gets SERVFAIL with an extended error. A worker waits for its answers as it waits for lookups:
//! nothing else stands still.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nw_serve::{Made, Pending, Transport};
use nw_wire::Name;
use tokio::sync::oneshot;

use crate::request::Ticket;

/// A request that waits for the owner of the engine.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Its number among all that were asked.
    pub ticket: Ticket,
    /// The request, as the client sent it.
    pub query: Box<[u8]>,
    /// The client's address.
    pub client: SocketAddr,
    /// How the request arrived.
    pub transport: Transport,
    /// The TSIG key that it is signed with and was verified by.
    pub key: Option<Name>,
}

/// The requests that wait.
#[derive(Debug, Default)]
pub(crate) struct Control(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    last: Ticket,
    answers: HashMap<Ticket, oneshot::Sender<Made>>,
}

impl Control {
    /// Let *pending* wait for an answer. None: *most* requests wait already.
    pub(crate) fn ask(&self, pending: &Pending, most: u32) -> Option<(Asked, oneshot::Receiver<Made>)> {
        let mut waiting = self.waiting();
        if waiting.answers.len() >= most as usize {
            return None;
        }
        waiting.last += 1;
        let ticket = waiting.last;
        let (answer, made) = oneshot::channel();
        waiting.answers.insert(ticket, answer);
        let asked = Asked {
            ticket,
            query: pending.query().packet.into(),
            client: pending.client,
            transport: pending.transport,
            key: pending.key().map(|key| key.to_name()),
        };
        Some((asked, made))
    }

    /// Answer the request *ticket*; whether it still waits.
    pub(crate) fn answer(&self, ticket: Ticket, made: Made) -> bool {
        let answer = self.waiting().answers.remove(&ticket);
        answer.is_some_and(|answer| answer.send(made).is_ok())
    }

    /// The request *ticket* waits no longer.
    pub(crate) fn forget(&self, ticket: Ticket) {
        self.waiting().answers.remove(&ticket);
    }

    /// A panic of another thread cannot have left the table half changed: nothing in between panics.
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
