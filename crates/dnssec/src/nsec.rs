//! NSEC records: the next name of the zone and the types of this one (RFC 4034 §4).

use nw_wire::NameRef;
use nw_wire::rr::TypeBitmap;

/// A view of an NSEC record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nsec<'a> {
    /// The name that the record is at.
    pub owner: NameRef<'a>,
    /// The next name of the zone in canonical order; the apex after the last one.
    pub next: NameRef<'a>,
    /// The types at the owner.
    pub types: TypeBitmap<'a>,
}

impl<'a> Nsec<'a> {
    /// Parse the `rdata` of the NSEC at `owner`; None if it is malformed.
    #[must_use]
    pub fn parse(owner: NameRef<'a>, rdata: &'a [u8]) -> Option<Self> {
        let (next, blocks) = NameRef::read(rdata).ok()?;
        Some(Self { owner, next, types: TypeBitmap::new(blocks).ok()? })
    }

    /// Tell whether this record proves that `name`, which lies in the same zone, has no records: it stands strictly
    /// between owner and next. The last record of a zone covers all names behind its owner.
    #[must_use]
    pub fn covers(&self, name: NameRef<'_>) -> bool {
        // The next of the last record is the apex, before or at its owner.
        self.owner < name && (name < self.next || self.next <= self.owner)
    }
}
