//! The flight recorder: the last questions that failed or were slow, with every step that was taken for them.
//!
//! A question that took the slow path has its steps anyway; those worth asking about later are put into a bounded ring,
//! the oldest making room. So `nw why NAME` explains a failure of some minutes ago although no log was switched on. The
//! ring is touched once for each question that is kept, and never by an answer from a zone or the cache.
//!
//! **When full**: the oldest record is dropped and [`Recorder::dropped`] counts it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use nw_resolve::{Micros, Resolution, Steps};
use nw_wire::{Ede, Name, NameRef, Rcode, RrType};

use crate::plan::RecorderPlan;
use crate::verdict::{Pending, Transport};

/// One question, and how it went.
#[derive(Clone, Debug)]
pub struct Record {
    /// Counts up from 1 for as long as the server runs.
    pub id: u64,
    /// Seconds since 1970 when it was answered.
    pub unix_s: u64,
    /// Who asked; None for the server's own questions.
    pub client: Option<(SocketAddr, Transport)>,
    /// The name, in the client's case.
    pub name: Name,
    /// The type.
    pub rtype: RrType,
    /// The outcome.
    pub rcode: Rcode,
    /// Extended errors, the most telling first.
    pub ede: Vec<(Ede, String)>,
    /// What was done.
    pub steps: Steps,
    /// The time that it took, microseconds.
    pub took: Micros,
}

/// The ring, shared by all workers.
#[derive(Debug, Default)]
pub struct Recorder {
    /// Records kept. Written with the ring locked, as `slow`.
    entries: AtomicUsize,
    slow: AtomicU64,
    ring: Mutex<Ring>,
}

#[derive(Debug, Default)]
struct Ring {
    last_id: u64,
    dropped: u64,
    records: VecDeque<Arc<Record>>,
}

impl Recorder {
    /// An empty recorder.
    pub fn new(plan: RecorderPlan) -> Recorder {
        let recorder = Recorder::default();
        recorder.set(plan);
        recorder
    }

    /// Keep from now on what *plan* says. Records beyond its number are dropped, the oldest first.
    pub fn set(&self, plan: RecorderPlan) {
        let mut ring = self.ring();
        self.entries.store(plan.entries as usize, Ordering::Relaxed);
        self.slow.store(Micros::from(plan.slow_ms) * nw_resolve::MILLISECOND, Ordering::Relaxed);
        let over = ring.shrink(plan.entries as usize);
        drop(ring);
        drop(over);
    }

    /// Keep the question if it failed or was slow; its id, if it was kept.
    pub fn note(
        &self,
        pending: Option<&Pending>,
        name: &Name,
        rtype: RrType,
        resolution: &Resolution,
        unix_s: u64,
    ) -> Option<u64> {
        let failed = !matches!(resolution.rcode, Rcode::NOERROR | Rcode::NXDOMAIN);
        if self.entries() == 0 || !failed && resolution.took < self.slow.load(Ordering::Relaxed) {
            return None;
        }
        // Workers wait for each other no longer than it takes to put the record there: it is made before, and what makes
        // room is freed behind.
        let mut record = Arc::new(Record {
            id: 0,
            unix_s,
            client: pending.map(|pending| (pending.client, pending.transport)),
            name: name.clone(),
            rtype,
            rcode: resolution.rcode,
            ede: resolution.ede.clone(),
            steps: resolution.steps.clone(),
            took: resolution.took,
        });
        let mut ring = self.ring();
        let id = ring.last_id + 1;
        ring.last_id = id;
        Arc::get_mut(&mut record).expect("nobody else has it yet").id = id;
        ring.records.push_back(record);
        let over = ring.shrink(self.entries());
        drop(ring);
        drop(over);
        Some(id)
    }

    /// The records about *name*, newest first, at most *most*.
    pub fn by_name(&self, name: NameRef<'_>, most: usize) -> Vec<Arc<Record>> {
        self.select(|record| record.name.as_ref() == name, most)
    }

    /// The record with this *id*, if it is still kept.
    pub fn by_id(&self, id: u64) -> Option<Arc<Record>> {
        self.select(|record| record.id == id, 1).pop()
    }

    /// The newest records, at most *most*.
    pub fn latest(&self, most: usize) -> Vec<Arc<Record>> {
        self.select(|_| true, most)
    }

    /// How many records had to make room.
    pub fn dropped(&self) -> u64 {
        self.ring().dropped
    }

    fn entries(&self) -> usize {
        self.entries.load(Ordering::Relaxed)
    }

    fn select(&self, wanted: impl Fn(&Record) -> bool, most: usize) -> Vec<Arc<Record>> {
        self.ring().records.iter().rev().filter(|record| wanted(record)).take(most).cloned().collect()
    }

    /// A panic elsewhere cannot have left the ring half changed: nothing in between panics.
    fn ring(&self) -> std::sync::MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ring {
    /// Take out what is more than *entries*.
    fn shrink(&mut self, entries: usize) -> Vec<Arc<Record>> {
        let over = self.records.len().saturating_sub(entries);
        self.dropped += over as u64;
        self.records.drain(..over).collect()
    }
}

#[cfg(test)]
mod tests;
