//! Proofs by NSEC3 (RFC 5155 §8, RFC 6840 §4, RFC 9276 §3.2).
//!
//! ```text
//!   deny:  a record at H(qname) ─────────────> its types decide
//!          encloser: H(ancestor) matches, H(next closer) is covered
//!             └──> *.encloser: its types decide, or it is covered too, or opt-out
//! ```

use nw_wire::{NameRef, RrType};

use super::{Denial, Expansion, Unproved, Unsigned, at_name, is_cut, lacks, lacks_ds};
use crate::nsec3::{Nsec3, Nsec3Hash, Nsec3Limits};

/// The records of one chain, and the remaining work limit.
pub(super) struct Search<'a, 'z> {
    zone: NameRef<'z>,
    records: &'a [Nsec3<'a>],
    /// The number of SHA-1 blocks that may still be processed.
    blocks: u32,
}

/// The proof that an ancestor exists and that the next closer name does not (RFC 5155 §8.3).
struct Encloser {
    /// The number of labels of the ancestor.
    labels: usize,
    /// The next closer name is in an opt-out span.
    opt_out: bool,
}

impl<'a, 'z> Search<'a, 'z> {
    /// Check that the records belong to one chain and are within the limits.
    pub(super) fn new(
        zone: NameRef<'z>,
        name: NameRef<'_>,
        records: &'a [Nsec3<'a>],
        limits: Nsec3Limits,
    ) -> Result<Self, Unproved> {
        debug_assert!(name.is_at_or_below(zone), "checked by the callers");
        let Some(first) = records.first() else { return Err(Unproved::NoRecords) };
        if records.len() > limits.records {
            return Err(Unproved::TooMuchWork);
        }
        let same = |record: &Nsec3<'_>| {
            record.param.iterations == first.param.iterations && record.param.salt == first.param.salt
        };
        if !records.iter().all(same) {
            return Err(Unproved::MixedParameters);
        }
        let iterations = first.param.iterations;
        if iterations > limits.bogus_above {
            return Err(Unproved::BogusIterations { iterations });
        }
        if limits.makes_insecure(iterations) {
            return Err(Unproved::InsecureIterations { iterations });
        }
        Ok(Self { zone, records, blocks: limits.blocks })
    }

    /// See [`super::deny`].
    pub(super) fn deny(mut self, qname: NameRef<'_>, qtype: RrType) -> Result<Denial, Unproved> {
        let hash = self.hash(qname)?;
        if let Some(record) = self.matching(&hash) {
            return at_name(record.types, qtype, qname);
        }
        let Encloser { labels, opt_out } = self.closest_encloser(qname, hash)?;
        let encloser = labels as u8; // at most 127
        let Some(wildcard) = qname.suffix(labels).with_label(b"*") else {
            return Ok(Denial::NxDomain { encloser, opt_out });
        };
        let hash = self.hash(wildcard.as_ref())?;
        if let Some(record) = self.matching(&hash) {
            return lacks(record.types, qtype, false).map(|()| Denial::WildcardNoData { encloser, opt_out });
        }
        if self.covering(&hash).is_some() {
            return Ok(Denial::NxDomain { encloser, opt_out });
        }
        if opt_out { Ok(Denial::OptOut) } else { Err(Unproved::WildcardNotDenied) }
    }

    /// See [`super::expansion`].
    pub(super) fn expansion(mut self, qname: NameRef<'_>, encloser: usize) -> Result<Expansion, Unproved> {
        let hash = self.hash(qname.suffix(encloser + 1))?;
        if self.matching(&hash).is_some() {
            return Err(Unproved::CloserNameExists);
        }
        let record = self.covering(&hash).ok_or(Unproved::NextCloserNotCovered)?;
        Ok(Expansion { opt_out: record.is_opt_out() })
    }

    /// See [`super::unsigned_delegation`].
    pub(super) fn unsigned_delegation(mut self, cut: NameRef<'_>) -> Result<Unsigned, Unproved> {
        let hash = self.hash(cut)?;
        if let Some(record) = self.matching(&hash) {
            return lacks_ds(record.types);
        }
        if self.closest_encloser(cut, hash)?.opt_out {
            Ok(Unsigned::OptOut)
        } else {
            Err(Unproved::NotADelegation)
        }
    }

    /// Find the closest encloser of `name`, which has no record itself and hashes to `hash`.
    fn closest_encloser(&mut self, name: NameRef<'_>, hash: Nsec3Hash) -> Result<Encloser, Unproved> {
        let mut next_closer = hash;
        for labels in (self.zone.label_count()..name.label_count()).rev() {
            let hash = self.hash(name.suffix(labels))?;
            let Some(record) = self.matching(&hash) else {
                next_closer = hash;
                continue;
            };
            if is_cut(record.types) || record.types.contains(RrType::DNAME) {
                return Err(Unproved::AncestorDelegation);
            }
            let cover = self.covering(&next_closer).ok_or(Unproved::NextCloserNotCovered)?;
            return Ok(Encloser { labels, opt_out: cover.is_opt_out() });
        }
        Err(Unproved::NoClosestEncloser)
    }

    /// Return the record of the name with this hash.
    fn matching(&self, hash: &Nsec3Hash) -> Option<&'a Nsec3<'a>> {
        self.records.iter().find(|record| record.owner == *hash)
    }

    /// Return a record that proves that no name has this hash.
    fn covering(&self, hash: &Nsec3Hash) -> Option<&'a Nsec3<'a>> {
        self.records.iter().find(|record| record.covers(hash))
    }

    /// Hash `name` and subtract the work from the limit.
    fn hash(&mut self, name: NameRef<'_>) -> Result<Nsec3Hash, Unproved> {
        let param = &self.records[0].param; // `new` refuses an empty slice
        // SHA-1 processes 64 octets at a time and appends 9 octets.
        let blocks = |octets: usize| ((octets + 9).div_ceil(64)) as u32;
        let price = blocks(name.wire().len() + param.salt.len())
            + u32::from(param.iterations) * blocks(20 + param.salt.len());
        self.blocks = self.blocks.checked_sub(price).ok_or(Unproved::TooMuchWork)?;
        Ok(param.hash(name))
    }
}
