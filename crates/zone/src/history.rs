//! The differences between the latest versions of a zone, as IXFR sends them (RFC 1995 §4).
//!
//! ```text
//! kept:  5 → 6 │ 6 → 7 │ 7 → 9       of the version with serial 9
//! ```
//! A version of a zone owns its history, so that both are published together and a transfer that has begun keeps both. Two
//! versions share the differences. They are kept one by one, in the order in which they are sent: to join them would
//! cost each query the sum of all changes, and a client applies them one by one just as well.

use std::sync::Arc;

use nw_wire::RrType;

use crate::difference::Difference;
use crate::records;
use crate::store::Zone;

/// Maximum number of differences of one zone. Each publication copies references to all of them.
const MOST_DIFFERENCES: usize = 4096;

/// The differences that lead to one version of a zone, the oldest first.
#[derive(Debug)]
pub(crate) struct History {
    kept: Box<[Arc<Kept>]>,
}

/// One difference.
#[derive(Debug)]
pub(crate) struct Kept {
    before: u32,
    after: u32,
    /// The number of records.
    pub(crate) records: u64,
    /// The removed records, then the added ones, uncompressed; the SOA first on both sides.
    pub(crate) octets: Box<[u8]>,
}

impl Kept {
    fn new(difference: &Difference) -> Kept {
        let (removed, added) = (difference.removed(), difference.added());
        let mut octets = Vec::with_capacity(difference.octets());
        removed.iter().chain(added).for_each(|rrset| records::write(rrset, &mut octets));
        let records = removed.iter().chain(added).map(|rrset| rrset.rdatas.len() as u64).sum();
        let (before, after) = (difference.serial_before(), difference.serial_after());
        Kept { before, after, records, octets: octets.into() }
    }
}

impl History {
    /// All of them.
    pub(crate) fn all(&self) -> &[Arc<Kept>] {
        &self.kept
    }

    /// The differences from the version with *serial* to this one. None: they are not kept.
    pub(crate) fn since(&self, serial: u32) -> Option<&[Arc<Kept>]> {
        let first = self.kept.iter().rposition(|kept| kept.before == serial)?;
        Some(&self.kept[first..])
    }
}

impl Zone {
    /// This version with the differences that IXFR may send: those of *former*, the version before it, and then *differences*, the
    /// oldest first. Without any, this version has the records of the former one.
    ///
    /// The latest ones stay, as long as they lead to this version without a gap and have at most *most* octets together.
    #[must_use]
    pub fn with_history(self, former: Option<&Zone>, differences: &[Difference], most: usize) -> Zone {
        let former = former.and_then(|former| former.history.as_deref());
        let known = former.map_or(&[][..], |history| &history.kept).iter().cloned();
        let all: Vec<Arc<Kept>> =
            known.chain(differences.iter().map(|difference| Arc::new(Kept::new(difference)))).collect();
        let (mut first, mut serial, mut left) = (all.len(), self.serial(), most);
        while let Some(kept) = first.checked_sub(1).map(|before| &all[before])
            && kept.after == serial
            // A client cannot tell versions with the same serial apart.
            && kept.before != serial
            && all.len() - first < MOST_DIFFERENCES
            && let Some(rest) = left.checked_sub(kept.octets.len())
        {
            (first, serial, left) = (first - 1, kept.before, rest);
        }
        let kept: Box<[Arc<Kept>]> = all[first..].into();
        let history = (!kept.is_empty()).then(|| Arc::new(History { kept }));
        Zone { history, ..self }
    }

    /// The oldest serial from which IXFR can send differences. None: there are none.
    pub fn oldest_serial(&self) -> Option<u32> {
        self.history.as_ref().map(|history| history.kept[0].before)
    }

    /// The EXPIRE field of the SOA, in seconds (RFC 1035 §3.3.13).
    pub fn expire_s(&self) -> u32 {
        let soa = self.rrset(self.apex(), RrType::SOA);
        let rdata = soa.as_ref().and_then(|soa| soa.rdatas.first()).unwrap_or_default();
        let field = rdata.len().checked_sub(8).and_then(|at| rdata[at..].first_chunk());
        field.map_or(0, |octets| u32::from_be_bytes(*octets))
    }
}
