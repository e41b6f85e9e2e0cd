//! Telemetry: one event for each response, made when the response leaves.
//!
//! ```text
//! pipeline ── Ring::push ──▶ Ring ── Ring::take ──▶ reader
//!               └─ full, or the reader is taking: counted as lost
//! ```
//!
//! Each thread that answers queries has its own ring. A ring is closed without a reader: `Environment::telemetry` is
//! None, no event is made, and a query costs one comparison. `push` never waits and never allocates more than the
//! ring's bound. An event that finds no space is lost and counted.
//!
//! Query logs, dnstap and metrics by client are readers. An event contains the whole query as the client sent it, and
//! the header and source of the response.

use std::mem::size_of;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use nw_cache::Micros;
use nw_wire::{Flags, Rcode};

use crate::verdict::Transport;

/// One sent response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When it was sent, on the clock of the cache. Responses of one batch have the start time of the batch.
    pub at: Micros,
    /// How long the client waited for it, microseconds. 0: it was made in the batch of the query.
    pub took: Micros,
    /// The client's address.
    pub client: SocketAddr,
    /// How the query arrived.
    pub transport: Transport,
    /// The query, as the client sent it. It may be malformed.
    pub query: Box<[u8]>,
    /// The outcome, all twelve bits.
    pub rcode: Rcode,
    /// The flags of the response.
    pub flags: Flags,
    /// Where the answer came from.
    pub source: Source,
    /// The messages of the response: one, or more for a stream.
    pub messages: u32,
    /// Octets of these messages, without the framing of the transport.
    pub octets: u64,
}

/// Where an answer came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// A zone of this server, or a locally served zone.
    Zone,
    /// The cache.
    Cache,
    /// A lookup that the client waited for; it may have failed.
    Lookup,
    /// The server's own identity, in class CH.
    Server,
    /// The handler of an opcode other than QUERY.
    Opcode,
    /// The control plane.
    Control,
    /// A rule of a list.
    Policy,
    /// No source: an access list, a view or a filter refused the query.
    Refused,
    /// No source: the query is malformed or of an unknown kind, or answering it failed.
    Error,
}

impl Source {
    /// Its name in logs.
    pub fn slug(self) -> &'static str {
        match self {
            Source::Zone => "zone",
            Source::Cache => "cache",
            Source::Lookup => "lookup",
            Source::Server => "server",
            Source::Opcode => "opcode",
            Source::Control => "control",
            Source::Policy => "policy",
            Source::Refused => "refused",
            Source::Error => "error",
        }
    }
}

impl Event {
    /// Octets of memory.
    fn memory(&self) -> usize {
        size_of::<Event>() + self.query.len()
    }
}

/// The events of one thread that were not read yet, bounded in octets.
#[derive(Debug, Default)]
pub struct Ring {
    /// Maximum octets of events. 0: closed.
    most: AtomicUsize,
    lost: AtomicU64,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    events: Vec<Event>,
    octets: usize,
}

impl Ring {
    /// Open the ring for at most *octets* of events.
    pub fn open(&self, octets: usize) {
        self.lost.store(0, Ordering::Relaxed);
        self.most.store(octets, Ordering::Release);
    }

    /// Close the ring and free the events that were not taken.
    pub fn close(&self) {
        self.most.store(0, Ordering::Release);
        drop(self.take());
    }

    /// Whether the ring has a reader.
    #[inline]
    pub fn is_open(&self) -> bool {
        self.most.load(Ordering::Acquire) > 0
    }

    /// Keep *event*, or count it as lost.
    pub fn push(&self, event: Event) {
        // The reader holds the lock only to exchange a vector.
        let Ok(mut waiting) = self.waiting.try_lock() else {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let octets = waiting.octets + event.memory();
        if octets <= self.most.load(Ordering::Acquire) {
            waiting.octets = octets;
            waiting.events.push(event);
        } else if self.is_open() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Remove and return the events, oldest first, and the number of lost events since the last call.
    pub fn take(&self) -> (Vec<Event>, u64) {
        // Nothing that can panic runs with the lock held.
        let taken = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        (taken.events, self.lost.swap(0, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests;
