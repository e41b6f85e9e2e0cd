//! How far the reading of a list has come, for people who wait for it.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The part of the work that is done. Threads that read add to it, others look.
#[derive(Debug, Default)]
pub struct Progress {
    total: AtomicUsize,
    done: AtomicUsize,
}

impl Progress {
    /// There is this much more to do, in any unit.
    pub fn expect(&self, more: usize) {
        self.total.fetch_add(more, Ordering::Relaxed);
    }

    /// This much more is done.
    pub fn add(&self, more: usize) {
        self.done.fetch_add(more, Ordering::Relaxed);
    }

    /// What is left to do.
    pub fn left(&self) -> usize {
        let (done, total) = (self.done.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed));
        total.saturating_sub(done)
    }

    /// The part that is done, 0 to 1.
    pub fn part(&self) -> f64 {
        let (done, total) = (self.done.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed));
        if total == 0 { 0.0 } else { (done as f64 / total as f64).min(1.0) }
    }
}
