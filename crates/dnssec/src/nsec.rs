//! NSEC records: the next name of the zone, and the types at the owner (RFC 4034 §4).

use nw_wire::NameRef;
use nw_wire::rr::TypeBitmap;

/// A view of an NSEC record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nsec<'a> {
    /// The owner of the record.
    pub owner: NameRef<'a>,
    /// The next name of the zone in canonical order; the apex after the last one.
    pub next: NameRef<'a>,
    /// The types at the owner.
    pub types: TypeBitmap<'a>,
}

impl<'a> Nsec<'a> {
    /// Parse the `rdata` of the NSEC at `owner`. Returns None if it is malformed.
    #[must_use]
    pub fn parse(owner: NameRef<'a>, rdata: &'a [u8]) -> Option<Self> {
        let (next, blocks) = NameRef::read(rdata).ok()?;
        Some(Self { owner, next, types: TypeBitmap::new(blocks).ok()? })
    }

    /// Return whether this record proves that `name`, a name in the same zone, has no records: it is strictly between
    /// owner and next. The last record of a zone covers all names after its owner.
    #[must_use]
    pub fn covers(&self, name: NameRef<'_>) -> bool {
        // The next name of the last record is the apex, which is not after its owner.
        self.owner < name && (name < self.next || self.next <= self.owner)
    }
}
