//! The canonical form of an RRset: the octets that a signature covers (RFC 4034 §6, RFC 6840 §5.1).
//!
//! ```text
//!   for each rdata, in the order of its canonical octets, repetitions dropped:
//!   owner (lower case) | type | class | original TTL | length | canonical rdata
//! ```

use nw_wire::{Class, NameRef, RdataSet, RrType, rr};

/// Buffers for canonical forms. They are reused from one RRset to the next, so that nothing is allocated after the
/// first few.
#[derive(Debug, Default)]
pub struct Canonical {
    /// The canonical rdatas, concatenated.
    bytes: Vec<u8>,
    /// The start and end of each rdata in `bytes`.
    ranges: Vec<(usize, usize)>,
}

impl Canonical {
    /// Return empty buffers.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), ranges: Vec::new() }
    }

    /// Append the canonical form of an RRset to `out`. `owner` is the name that was signed; for an answer expanded
    /// from a wildcard, it is the name of the wildcard (RFC 4035 §5.3.2). Its case does not matter. `ttl` is the
    /// original TTL.
    pub fn push_rrset(
        &mut self,
        owner: NameRef<'_>,
        (rtype, class, ttl): (RrType, Class, u32),
        rdatas: &RdataSet,
        out: &mut Vec<u8>,
    ) {
        let mut head = [0u8; 8];
        head[..2].copy_from_slice(&rtype.0.to_be_bytes());
        head[2..4].copy_from_slice(&class.0.to_be_bytes());
        head[4..].copy_from_slice(&ttl.to_be_bytes());
        let lower = owner.lower();
        let push_head = |out: &mut Vec<u8>, length: usize| {
            out.extend_from_slice(lower.as_ref().wire());
            out.extend_from_slice(&head);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        };

        let mut all = rdatas.iter();
        if let (Some(only), None) = (all.next(), all.next()) {
            push_head(out, only.len());
            rr::canonical(rtype, only, out);
            return;
        }
        self.bytes.clear();
        self.ranges.clear();
        for rdata in rdatas.iter() {
            let start = self.bytes.len();
            rr::canonical(rtype, rdata, &mut self.bytes);
            self.ranges.push((start, self.bytes.len()));
        }
        let bytes = &self.bytes;
        self.ranges.sort_unstable_by(|a, b| bytes[a.0..a.1].cmp(&bytes[b.0..b.1]));
        self.ranges.dedup_by(|a, b| bytes[a.0..a.1] == bytes[b.0..b.1]);
        for &(start, end) in &self.ranges {
            push_head(out, end - start);
            out.extend_from_slice(&bytes[start..end]);
        }
    }
}

#[cfg(test)]
mod tests;
