//! A link of a simulated network, with its delay and faults.
//!
//! The faults are loss, duplication, delay with jitter, and reordering (an extra delay for some packets, so that
//! later packets overtake them). Each link draws them from its own random stream.

#[cfg(test)]
mod tests;

use crate::exec::Micros;
use crate::random::Random;

/// The faults of one direction of a path. The default link has none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Link {
    /// The delay of every packet.
    pub delay: Micros,
    /// An additional uniform delay in `0..=jitter`.
    pub jitter: Micros,
    /// Probability (0 to 1) that a packet is lost.
    pub loss: f64,
    /// Probability that a packet arrives twice. The copy has its own jitter.
    pub duplicate: f64,
    /// Probability that a packet is delayed by `reorder_by`.
    pub reorder: f64,
    /// The additional delay of a reordered packet.
    pub reorder_by: Micros,
}

impl Link {
    /// A link with `delay` and no faults.
    pub fn with_delay(delay: Micros) -> Link {
        Link { delay, ..Link::default() }
    }

    /// Return the delays of the copies of a datagram that arrive: none if it is lost, two if it is duplicated.
    pub fn carry(&self, rng: &mut Random) -> Vec<Micros> {
        // The number of draws is constant, so that changing one probability does not affect the others.
        let (lost, doubled) = (rng.happens(self.loss), rng.happens(self.duplicate));
        let first = self.travel(rng);
        let second = self.travel(rng);
        match (lost, doubled) {
            (true, _) => Vec::new(),
            (false, false) => vec![first],
            (false, true) => vec![first, second],
        }
    }

    /// Return the delay of a message of a stream. A stream repairs loss and order, so that only delay and jitter
    /// apply.
    pub fn stream(&self, rng: &mut Random) -> Micros {
        self.delay + rng.below(self.jitter.saturating_add(1))
    }

    fn travel(&self, rng: &mut Random) -> Micros {
        let held = if rng.happens(self.reorder) { self.reorder_by } else { 0 };
        self.delay + rng.below(self.jitter.saturating_add(1)) + held
    }
}
