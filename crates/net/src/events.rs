//! The queue by which an engine tells its owner what happened.
//!
//! A descriptor is readable while something waits in the queue, so that an event loop can wait for it among others;
//! [`Events::drain`] takes what waits.
//!
//! **When full.** An outcome always has a place: a request is refused when as many are under way or waiting to be drained
//! as the queue holds. Other events are dropped when the queue is full, and the number of those comes as the next event.

use std::collections::VecDeque;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nw_resolve::{ExchangeError, Micros, Resolution};

use crate::request::Ticket;

/// Outcomes under way or waiting, and besides as many other events.
pub const MOST: usize = 65_536;

/// What an engine tells.
#[derive(Debug)]
pub enum Event {
    /// A request has come to its end.
    Done {
        /// The number that came with it.
        ticket: Ticket,
        /// What came of it.
        outcome: Outcome,
    },
    /// Something of ours failed, for the log.
    Fault {
        /// What.
        text: String,
    },
    /// So many events found the queue full.
    Dropped {
        /// How many.
        count: u64,
    },
}

/// What came of a request.
#[derive(Debug)]
pub enum Outcome {
    /// The question was resolved, perhaps to a failure that `resolution` explains.
    Resolved {
        /// The reply as a message.
        wire: Vec<u8>,
        /// The same with its explanation.
        resolution: Box<Resolution>,
    },
    /// The server was asked.
    Exchanged {
        /// Its reply, or why there is none.
        result: Result<Vec<u8>, ExchangeError>,
        /// How long it took.
        took: Micros,
    },
    /// No snapshot with a resolver is published, it failed by a fault of ours, or the engine was closed before its end.
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
    /// Requests accepted whose outcome has not been drained.
    tickets: usize,
    dropped: u64,
    /// Whether an octet lies in the pipe.
    told: bool,
}

impl Events {
    pub(crate) fn new() -> io::Result<Events> {
        let (readable, wake) = io::pipe()?;
        Ok(Events { queue: Mutex::default(), readable, wake })
    }

    /// The descriptor that is readable while something waits.
    pub(crate) fn fd(&self) -> RawFd {
        self.readable.as_raw_fd()
    }

    /// Keep a place for the outcome of one request. None: there is no place.
    pub(crate) fn owe(self: &Arc<Events>, ticket: Ticket) -> Option<Owed> {
        self.reserve().then(|| Owed { events: Arc::clone(self), ticket: Some(ticket) })
    }

    fn reserve(&self) -> bool {
        let mut queue = self.queue();
        let free = queue.tickets < MOST;
        queue.tickets += usize::from(free);
        free
    }

    /// Put the outcome of a request for which a place was kept.
    fn done(&self, ticket: Ticket, outcome: Outcome) {
        let mut queue = self.queue();
        queue.events.push_back(Event::Done { ticket, outcome });
        self.tell(&mut queue);
    }

    /// Put a fault, if there is room for it.
    pub(crate) fn fault(&self, text: String) {
        let mut queue = self.queue();
        if queue.events.len() < 2 * MOST {
            queue.events.push_back(Event::Fault { text });
        } else {
            queue.dropped += 1;
        }
        self.tell(&mut queue);
    }

    /// Take what waits, at most *limit* events.
    pub(crate) fn drain(&self, limit: usize) -> Vec<Event> {
        let mut queue = self.queue();
        let take = queue.events.len().min(limit);
        let mut events: Vec<Event> = queue.events.drain(..take).collect();
        queue.tickets -= events.iter().filter(|event| matches!(event, Event::Done { .. })).count();
        if queue.dropped > 0 && events.len() < limit {
            events.push(Event::Dropped { count: std::mem::take(&mut queue.dropped) });
        }
        if queue.events.is_empty() && queue.dropped == 0 && queue.told {
            queue.told = false;
            // The one octet that `tell` wrote is there, so that this neither waits nor fails.
            let _ = (&self.readable).read(&mut [0]);
        }
        events
    }

    /// Make the descriptor readable.
    fn tell(&self, queue: &mut Queue) {
        if !queue.told {
            queue.told = true;
            // An empty pipe has room for an octet.
            let _ = (&self.wake).write(&[0]);
        }
    }

    /// A panic elsewhere cannot have left the queue half changed: nothing in between panics.
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An outcome that the owner of the engine is going to be told, exactly once: dropped untold, whatever the cause, it is
/// [`Outcome::Unable`].
#[derive(Debug)]
pub(crate) struct Owed {
    events: Arc<Events>,
    /// None once it is settled.
    ticket: Option<Ticket>,
}

impl Owed {
    /// Tell the outcome.
    pub(crate) fn tell(mut self, outcome: Outcome) {
        if let Some(ticket) = self.ticket.take() {
            self.events.done(ticket, outcome);
        }
    }

    /// Nothing is owed: the request was not taken.
    pub(crate) fn forgo(mut self) {
        if self.ticket.take().is_some() {
            self.events.queue().tickets -= 1;
        }
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.events.done(ticket, Outcome::Unable);
        }
    }
}

#[cfg(test)]
mod tests;
