//! Datagrams that leave together, at the end of a turn of a worker.
//!
//! ```text
//! tasks of one turn ── query(port, …), reply(client, …) ──▶ outbox ── flush: send, send, … sendmmsg ──▶ kernel
//!                                                               ▲ a task of its own, behind those that run already
//! ```
//!
//! A wake-up of a loaded worker makes many tasks ready, and most of them send something. What they send waits until they have run:
//! replies then leave with one system call for many, and the receiver of many queries is woken once instead of once for
//! each. Nothing waits longer: the first datagram queues the task that flushes, and this task runs before the worker sleeps.
//!
//! While no task flushes, datagrams leave at once.

use std::cell::{Cell, RefCell};
use std::io;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use nw_serve::Stats;

use crate::mmsg;
use crate::udp::ReplyTo;
use crate::upstream::Port;

/// The datagrams that one worker is about to send.
#[derive(Default)]
pub(crate) struct Outbox {
    waiting: RefCell<Waiting>,
    /// Wakes the task that flushes.
    flusher: RefCell<Option<Waker>>,
    stats: Arc<Stats>,
}

#[derive(Default)]
struct Waiting {
    queries: Vec<(Rc<Port>, Range<usize>)>,
    replies: Vec<(ReplyTo, Range<usize>)>,
    /// The octets of all of them.
    octets: Vec<u8>,
}

impl Waiting {
    fn keep(&mut self, octets: &[u8]) -> Range<usize> {
        let start = self.octets.len();
        self.octets.extend_from_slice(octets);
        start..self.octets.len()
    }

    fn is_empty(&self) -> bool {
        self.queries.is_empty() && self.replies.is_empty()
    }
}

impl Outbox {
    pub(crate) fn new(stats: Arc<Stats>) -> Outbox {
        Outbox { stats, ..Outbox::default() }
    }

    /// Send *octets* from *port* to the server that it is connected to. An error is given to [`Port::failure`].
    pub(crate) fn query(&self, port: &Rc<Port>, octets: &[u8]) {
        self.post(|waiting| {
            let range = waiting.keep(octets);
            waiting.queries.push((Rc::clone(port), range));
        });
    }

    /// Send *octets* to *client*. What the kernel refuses is counted.
    pub(crate) fn reply(&self, client: ReplyTo, octets: &[u8]) {
        self.post(|waiting| {
            let range = waiting.keep(octets);
            waiting.replies.push((client, range));
        });
    }

    fn post(&self, put: impl FnOnce(&mut Waiting)) {
        let mut waiting = self.waiting.borrow_mut();
        let first = waiting.is_empty();
        put(&mut waiting);
        drop(waiting);
        match &*self.flusher.borrow() {
            Some(flusher) if first => flusher.wake_by_ref(),
            Some(_) => {}
            None => self.flush(),
        }
    }

    /// Flush at the end of each turn: the body of a task.
    pub(crate) async fn run(&self) {
        std::future::poll_fn(|context: &mut Context<'_>| {
            self.flusher.replace(Some(context.waker().clone()));
            self.flush();
            Poll::<()>::Pending
        })
        .await;
    }

    /// Send what waits, now.
    pub(crate) fn flush(&self) {
        let mut waiting = self.waiting.take();
        for (port, range) in waiting.queries.drain(..) {
            // A port that only the outbox holds belongs to an exchange that was given up.
            if Rc::strong_count(&port) > 1
                && let Err(error) = port.send(&waiting.octets[range])
            {
                port.failure.set(error);
            }
        }
        let mut rest = &waiting.replies[..];
        while let Some(((client, _), _)) = rest.split_first() {
            let same = rest.iter().take_while(|(other, _)| client.shares_socket(other)).count();
            let (now, later) = rest.split_at(same);
            let lost = mmsg::send_each(
                client.socket(),
                now.iter().map(|(client, range)| (client.peer(), &waiting.octets[range.clone()])),
            )
            .lost;
            if lost > 0 {
                self.stats.dropped_send.add(lost as u64);
            }
            rest = later;
        }
        waiting.replies.clear();
        waiting.octets.clear();
        // The allocations serve the next turn, unless this one was extraordinary.
        if waiting.octets.capacity() <= MOST_KEPT {
            self.waiting.replace(waiting);
        }
    }
}

/// Octets of room that stay allocated between turns.
const MOST_KEPT: usize = 1 << 20;

/// An error of sending, which the task that waits for a reply is to hear of.
#[derive(Default)]
pub(crate) struct Failure {
    error: Cell<Option<io::Error>>,
    waiter: Cell<Option<Waker>>,
}

impl Failure {
    fn set(&self, error: io::Error) {
        self.error.set(Some(error));
        if let Some(waiter) = self.waiter.take() {
            waiter.wake();
        }
    }

    /// Forget what was before.
    pub(crate) fn clear(&self) {
        self.error.set(None);
        self.waiter.set(None);
    }

    /// The error, if there is one. Otherwise the task of *context* is woken when there is.
    pub(crate) fn poll(&self, context: &Context<'_>) -> Option<io::Error> {
        let error = self.error.take();
        if error.is_none() {
            let waiter = self.waiter.take().filter(|waiter| waiter.will_wake(context.waker()));
            self.waiter.set(Some(waiter.unwrap_or_else(|| context.waker().clone())));
        }
        error
    }
}

#[cfg(test)]
mod tests;
