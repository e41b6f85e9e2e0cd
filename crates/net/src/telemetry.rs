//! The reader of telemetry: the events of all threads of an engine, from when it is opened until it is dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nw_resolve::Micros;
use nw_serve::telemetry::{Event, Ring};

use crate::world::Clock;

/// The rings of all threads, and whether somebody reads them.
#[derive(Debug, Default)]
pub(crate) struct Rings {
    rings: Vec<Arc<Ring>>,
    read: AtomicBool,
}

impl Rings {
    pub(crate) fn new(rings: Vec<Arc<Ring>>) -> Arc<Rings> {
        Arc::new(Rings { rings, read: AtomicBool::new(false) })
    }
}

/// Reads telemetry. While one lives, each response of the engine makes an event; dropping it ends that.
#[derive(Debug)]
pub struct Telemetry {
    clock: Clock,
    rings: Arc<Rings>,
}

/// The events since the last batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The events by time.
    pub events: Vec<Event>,
    /// Events that are missing because the reader was too slow for the bound.
    pub lost: u64,
    /// What to add to the times of the events for microseconds since 1970.
    pub epoch: Micros,
}

impl Telemetry {
    /// Read from now on, with at most *octets* of events that wait, in all threads together. None: somebody reads already.
    pub(crate) fn open(clock: Clock, rings: &Arc<Rings>, octets: usize) -> Option<Telemetry> {
        if rings.read.swap(true, Ordering::AcqRel) {
            return None;
        }
        let each = (octets / rings.rings.len().max(1)).max(1);
        rings.rings.iter().for_each(|ring| ring.open(each));
        Some(Telemetry { clock, rings: Arc::clone(rings) })
    }

    /// Remove and return the events that wait. It never waits for more: call it as often as the bound requires.
    pub fn read(&self) -> Batch {
        let mut batch = Batch { epoch: self.clock.epoch(), ..Batch::default() };
        for ring in &self.rings.rings {
            let (events, lost) = ring.take();
            batch.events.extend(events);
            batch.lost += lost;
        }
        batch.events.sort_by_key(|event| event.at);
        batch
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        self.rings.rings.iter().for_each(|ring| ring.close());
        self.rings.read.store(false, Ordering::Release);
    }
}
