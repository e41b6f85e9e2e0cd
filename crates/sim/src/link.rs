//! A link: what happens to a packet between two hosts.
//!
//! Loss, duplication, delay with jitter, and reordering (an extra delay for some packets, so that later ones overtake
//! them), each drawn from the link's own random stream.

#[cfg(test)]
mod tests;

use crate::dice::Dice;
use crate::exec::Micros;

/// The faults of one direction of a path. The default is perfect and immediate.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Link {
    /// Time that every packet takes.
    pub delay: Micros,
    /// Uniform extra time in `0..=jitter`.
    pub jitter: Micros,
    /// Probability (0 to 1) that a packet is lost.
    pub loss: f64,
    /// Probability that a packet arrives twice; the copy takes its own jitter.
    pub duplicate: f64,
    /// Probability that a packet is held back by `reorder_by`.
    pub reorder: f64,
    /// How long a reordered packet is held back.
    pub reorder_by: Micros,
}

impl Link {
    /// A link with `delay` and no faults.
    pub fn with_delay(delay: Micros) -> Link {
        Link { delay, ..Link::default() }
    }

    /// The travel times of the copies of one datagram that arrive: none when it is lost, two when it is duplicated.
    pub fn carry(&self, dice: &mut Dice) -> Vec<Micros> {
        // Always the same number of draws, so that changing one probability moves nothing else.
        let (lost, doubled) = (dice.happens(self.loss), dice.happens(self.duplicate));
        let first = self.travel(dice);
        let second = self.travel(dice);
        match (lost, doubled) {
            (true, _) => Vec::new(),
            (false, false) => vec![first],
            (false, true) => vec![first, second],
        }
    }

    /// The travel time over a stream, which repairs loss and order: delay and jitter only.
    pub fn stream(&self, dice: &mut Dice) -> Micros {
        self.delay + dice.below(self.jitter.saturating_add(1))
    }

    fn travel(&self, dice: &mut Dice) -> Micros {
        let held = if dice.happens(self.reorder) { self.reorder_by } else { 0 };
        self.delay + dice.below(self.jitter.saturating_add(1)) + held
    }
}
