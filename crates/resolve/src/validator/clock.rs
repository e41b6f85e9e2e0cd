//! What signatures say of the clock of this machine: if those of several zones, or those of the keys of a trust anchor, are all
//! expired or all not valid yet, the clock is wrong rather than the zones.

use std::cell::{Cell, RefCell};
use std::fmt;

use nw_dnssec::RrsigFault;
use nw_wire::name::NameRef;

use super::fault::{Fault, Span};

/// Zones whose last signature is remembered.
const ZONES: usize = 16;
/// Zones whose signatures must fail in one direction, if none of them has a trust anchor.
const ENOUGH: usize = 3;
/// Time between two warnings, seconds.
const WARN_EVERY: u32 = 3600;

/// How far the clock of this machine is off at least, seconds. Positive: it is ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skew(i64);

impl fmt::Display for Skew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = if self.0 > 0 { "ahead" } else { "behind" };
        let span = Span(u32::try_from(self.0.unsigned_abs()).unwrap_or(u32::MAX));
        write!(f, "the clock of this machine is likely wrong: at least {span} {direction}")
    }
}

/// The zones whose signatures were checked last, each with what its last one says: 0 for a valid one, or by how many seconds
/// the clock is off if the signature is sound.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    samples: RefCell<Vec<Sample>>,
    /// A suspicion for the log, which has not been taken.
    warning: Cell<Option<Skew>>,
    /// When there was the last one, seconds since 1970 modulo 2^32.
    warned: Cell<Option<u32>>,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    zone: u64,
    /// Whether the zone has a trust anchor.
    anchored: bool,
    off: i64,
}

impl Clock {
    /// Note that a signature of *zone* is valid.
    pub(crate) fn valid(&self, zone: NameRef<'_>) {
        let mut samples = self.samples.borrow_mut();
        // While all is well, nothing needs to be remembered.
        if !samples.is_empty() {
            note(&mut samples, Sample { zone: zone.hash64(), anchored: false, off: 0 });
            if samples.iter().all(|sample| sample.off == 0) {
                samples.clear();
            }
        }
    }

    /// Note that *fault* is wrong with a signature of *zone*; whether the clock is suspect now.
    pub(crate) fn failed(&self, zone: NameRef<'_>, anchored: bool, fault: &Fault) -> Option<Skew> {
        let Fault::Signature { fault, now, .. } = fault else { return None };
        let off = match fault {
            RrsigFault::Expired { expiration } => i64::from(now.wrapping_sub(*expiration)),
            RrsigFault::NotYetValid { inception } => -i64::from(inception.wrapping_sub(*now)),
            _ => return None,
        };
        let mut samples = self.samples.borrow_mut();
        note(&mut samples, Sample { zone: zone.hash64(), anchored, off });
        let same = || samples.iter().filter(|sample| sample.off != 0 && (sample.off > 0) == (off > 0));
        let certain = same().any(|sample| sample.anchored) || same().count() >= ENOUGH;
        // A clock that is off by this much would make each of these zones fail.
        let least = same().map(|sample| sample.off.abs()).max()?;
        let skew = Skew(least * off.signum());
        if !certain || 2 * same().count() <= samples.len() {
            return None;
        }
        if self.warned.get().is_none_or(|last| now.wrapping_sub(last) >= WARN_EVERY) {
            self.warned.set(Some(*now));
            self.warning.set(Some(skew));
        }
        Some(skew)
    }

    /// A suspicion that belongs into the log, once an hour.
    pub(crate) fn take_warning(&self) -> Option<Skew> {
        self.warning.take()
    }
}

/// Put *sample* in the place of the last one of its zone, or of the oldest.
fn note(samples: &mut Vec<Sample>, sample: Sample) {
    samples.retain(|known| known.zone != sample.zone);
    if samples.len() == ZONES {
        samples.remove(0);
    }
    samples.push(sample);
}

#[cfg(test)]
mod tests;
