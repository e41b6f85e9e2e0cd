//! The differences of an IXFR reply (RFC 1995 §4).
//!
//! ```text
//! SOA of the newest | { SOA of the older, removed records, SOA of the newer, added records } ... | SOA of the newest
//! ```
//! Each difference begins with the version that the one before leads to, and leads to a newer one; the first begins with the version of
//! the client, the last leads to the newest one. Whether they fit the zone shows when they are applied.

use nw_wire::Rrset;
use nw_wire::message::Record;

use super::{TransferError, TransferLimits};
use crate::build::soa_serial;
use crate::difference::Difference;
use crate::records::{gather, octets};
use crate::serial::is_newer;

/// The differences that have arrived, and the one that arrives.
#[derive(Debug)]
pub(super) struct Incremental {
    /// The complete ones, oldest first.
    pub(super) done: Vec<Difference>,
    /// The serial of the version that the last SOA names.
    at: u32,
    removed: Vec<Rrset>,
    added: Vec<Rrset>,
    adding: bool,
    /// Octets of all records without compression.
    octets: u64,
}

impl Incremental {
    /// `from`: the serial of the version of the client.
    pub(super) fn new(from: u32) -> Incremental {
        // As if a difference had led to the version of the client.
        Incremental {
            done: Vec::new(),
            at: from,
            removed: Vec::new(),
            added: Vec::new(),
            adding: true,
            octets: 0,
        }
    }

    /// Read an SOA of the zone. `newest`: the rdata of the first SOA of the reply. Return whether this is the end.
    pub(super) fn soa(
        &mut self,
        record: &Record<'_>,
        rdata: Vec<u8>,
        newest: &[u8],
        limits: &TransferLimits,
    ) -> Result<bool, TransferError> {
        let (expected, found) = (self.at, soa_serial(&rdata));
        let wrong = TransferError::OutOfSequence { expected, found };
        if self.adding {
            let leads_to = self.added.first().and_then(|soa| soa.rdatas.first());
            let last = leads_to == Some(newest);
            if let Some(serial) = leads_to.map(soa_serial) {
                if serial == soa_serial(newest) && !(last && rdata == newest) {
                    return Err(TransferError::OtherSoa);
                }
                self.close();
            }
            if last {
                return Ok(true);
            }
            if found != expected {
                return Err(wrong);
            }
            if self.done.len() >= limits.differences {
                return Err(TransferError::TooManyDifferences(limits.differences));
            }
        } else if !is_newer(found, expected) {
            return Err(wrong);
        }
        self.adding = !self.adding;
        self.at = found;
        self.push(record, &rdata, limits)?;
        Ok(false)
    }

    /// Read another record.
    pub(super) fn record(
        &mut self,
        record: &Record<'_>,
        limits: &TransferLimits,
    ) -> Result<(), TransferError> {
        let mut rdata = Vec::new();
        record.rdata(&mut rdata);
        self.push(record, &rdata, limits)
    }

    fn push(
        &mut self,
        record: &Record<'_>,
        rdata: &[u8],
        limits: &TransferLimits,
    ) -> Result<(), TransferError> {
        // A TTL above 2^31 - 1 is to be read as 0 (RFC 2181 §8).
        let ttl = if record.ttl > i32::MAX as u32 { 0 } else { record.ttl };
        let mut one = Rrset::new(record.owner().as_ref().to_name(), record.rtype, record.class, ttl);
        one.rdatas.push(rdata);
        self.octets += octets(&one) as u64;
        if self.octets > limits.octets {
            return Err(TransferError::TooManyOctets(limits.octets));
        }
        gather(if self.adding { &mut self.added } else { &mut self.removed }, one);
        Ok(())
    }

    fn close(&mut self) {
        let (removed, added) = (std::mem::take(&mut self.removed), std::mem::take(&mut self.added));
        self.done.push(Difference::of(removed, added));
    }
}
