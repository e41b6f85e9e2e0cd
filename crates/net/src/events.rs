//! The queue of events from an engine to its owner.
//!
//! A descriptor is readable while events wait, so that an event loop can wait for it among others; [`Events::drain`] removes
//! and returns them.
//!
//! **When the queue is full.** Every outcome has a reserved place: a request is refused when as many are in progress or waiting
//! to be drained as the queue holds. Other events are dropped when the queue is full; the next event says how many.

use std::collections::VecDeque;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nw_resolve::{ExchangeError, Micros, Notice, Reasons, Resolution};

use nw_serve::Snapshot;

use crate::control::Asked;
use crate::request::Ticket;

/// The most requests in progress or waiting to be drained; the queue holds as many other events besides.
pub const MAX_EVENTS: usize = 65_536;

/// What happened in an engine.
#[derive(Debug)]
pub enum Event {
    /// A request is complete.
    Done {
        /// The number that was submitted with it.
        ticket: Ticket,
        /// Its outcome.
        outcome: Outcome,
    },
    /// A client's request that the owner answers, with `Engine::answer`.
    Asked(Asked),
    /// A part of the engine failed; for the log.
    Fault {
        /// What failed.
        text: String,
        /// Whether a thread has ended: the engine does not serve as it should until it is started anew.
        fatal: bool,
    },
    /// The resolver found something that the operator should know; for the log.
    Notice {
        /// The notice's stable name.
        slug: &'static str,
        /// What the resolver found.
        text: String,
        /// The zone that the owner is to act for, if there is one.
        zone: Option<String>,
    },
    /// Events were dropped because the queue was full.
    Dropped {
        /// How many.
        count: u64,
    },
}

/// The outcome of a request.
#[derive(Debug)]
pub enum Outcome {
    /// The question was resolved, possibly to a failure that `resolution` explains.
    Resolved {
        /// The reply as a message.
        wire: Vec<u8>,
        /// The same, with the steps that led to it.
        resolution: Box<Resolution>,
    },
    /// A client that asks this gets no response, for the reasons that `resolution` has as steps.
    Silent {
        /// The steps.
        resolution: Box<Resolution>,
    },
    /// The server was asked.
    Exchanged {
        /// Its reply, or why there is none.
        result: Result<Vec<u8>, ExchangeError>,
        /// Packets that came and were not the reply.
        discarded: Reasons,
        /// How long it took.
        took: Micros,
    },
    /// No snapshot with a resolver is published, the request failed by a mistake in the engine, or the engine was closed first.
    Unable,
}

/// The queue.
#[derive(Debug)]
pub(crate) struct Events {
    queue: Mutex<Queue>,
    readable: PipeReader,
    wake: PipeWriter,
}

#[derive(Debug, Default)]
struct Queue {
    events: VecDeque<Event>,
    /// Requests that were accepted and whose outcome has not been drained.
    tickets: usize,
    dropped: u64,
    /// Whether there is an octet in the pipe.
    signalled: bool,
}

impl Events {
    pub(crate) fn new() -> io::Result<Events> {
        let (readable, wake) = io::pipe()?;
        Ok(Events { queue: Mutex::default(), readable, wake })
    }

    /// The descriptor that is readable while events wait.
    pub(crate) fn fd(&self) -> RawFd {
        self.readable.as_raw_fd()
    }

    /// Accept a request: reserve the place of its outcome. None: the queue is full.
    pub(crate) fn accept(self: &Arc<Events>, ticket: Ticket) -> Option<Completion> {
        self.reserve().then(|| Completion { events: Arc::clone(self), ticket: Some(ticket) })
    }

    fn reserve(&self) -> bool {
        let mut queue = self.queue();
        let free = queue.tickets < MAX_EVENTS;
        queue.tickets += usize::from(free);
        free
    }

    /// Add the outcome of an accepted request.
    fn done(&self, ticket: Ticket, outcome: Outcome) {
        let mut queue = self.queue();
        queue.events.push_back(Event::Done { ticket, outcome });
        self.signal(&mut queue);
    }

    /// Report that something is not served as it should, or count the report as dropped when the queue is full.
    pub(crate) fn fault(&self, text: String) {
        self.add(Event::Fault { text, fatal: false });
    }

    /// Report that a thread has ended by a fault.
    pub(crate) fn fatal(&self, text: String) {
        self.add(Event::Fault { text, fatal: true });
    }

    /// Pass on what the operator should know.
    pub(crate) fn notice(&self, notice: &Notice) {
        let zone = notice.zone().map(ToString::to_string);
        self.add(Event::Notice { slug: notice.slug(), text: notice.to_string(), zone });
    }

    /// Pass on what *snapshot* has found suspicious since the last call.
    pub(crate) fn findings(&self, snapshot: &Snapshot) {
        let Some(detector) = snapshot.detector() else { return };
        for finding in detector.take_findings() {
            self.add(Event::Notice { slug: finding.slug, text: finding.text, zone: None });
        }
    }

    /// Pass on a request for the owner.
    pub(crate) fn asked(&self, asked: Asked) {
        self.add(Event::Asked(asked));
    }

    fn add(&self, event: Event) {
        let mut queue = self.queue();
        if queue.events.len() < 2 * MAX_EVENTS {
            queue.events.push_back(event);
        } else {
            queue.dropped += 1;
        }
        self.signal(&mut queue);
    }

    /// Remove and return the waiting events, at most `limit`.
    pub(crate) fn drain(&self, limit: usize) -> Vec<Event> {
        let mut queue = self.queue();
        let take = queue.events.len().min(limit);
        let mut events: Vec<Event> = queue.events.drain(..take).collect();
        queue.tickets -= events.iter().filter(|event| matches!(event, Event::Done { .. })).count();
        if queue.dropped > 0 && events.len() < limit {
            events.push(Event::Dropped { count: std::mem::take(&mut queue.dropped) });
        }
        if queue.events.is_empty() && queue.dropped == 0 && queue.signalled {
            queue.signalled = false;
            // `signal` wrote one octet, so that this neither waits nor fails.
            let _ = (&self.readable).read(&mut [0]);
        }
        events
    }

    /// Make the descriptor readable.
    fn signal(&self, queue: &mut Queue) {
        if !queue.signalled {
            queue.signalled = true;
            // An empty pipe has room for an octet.
            let _ = (&self.wake).write(&[0]);
        }
    }

    /// A panic of another thread cannot have left the queue half changed: nothing in between panics.
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The obligation to report the outcome of one accepted request, exactly once. Dropping it reports [`Outcome::Unable`].
#[derive(Debug)]
pub(crate) struct Completion {
    events: Arc<Events>,
    /// None once the outcome was reported.
    ticket: Option<Ticket>,
}

impl Completion {
    /// Report the outcome.
    pub(crate) fn complete(mut self, outcome: Outcome) {
        if let Some(ticket) = self.ticket.take() {
            self.events.done(ticket, outcome);
        }
    }

    /// Report nothing and free the place: the request was refused after all.
    pub(crate) fn cancel(mut self) {
        if self.ticket.take().is_some() {
            self.events.queue().tickets -= 1;
        }
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.events.done(ticket, Outcome::Unable);
        }
    }
}

#[cfg(test)]
mod tests;
