//! Records that are not built into a zone yet: from a file, an edit or a transfer.
//!
//! A batch is one sequence of octets. Each group of records with the same owner consists of the owner and the records
//! in their original order. Groups store the sort key of their owner, so that sorting rarely reads names.

use std::sync::Arc;

use nw_wire::{RdataSet, RrType};

use crate::suffix::{LabelStarts, sort_key};

/// The octets before the rdata of a record: type, TTL, line, length.
pub(crate) const RECORD_HEAD: usize = 12;
/// Maximum octets of a batch, so that offsets fit 32 bits.
pub(crate) const MOST_OCTETS: usize = (u32::MAX - 0x2_0000) as usize;

/// Records in their original order.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) data: Vec<u8>,
    pub(crate) groups: Vec<Group>,
    /// The names of the files that contain the groups.
    pub(crate) files: Vec<Arc<str>>,
    /// The number added to the line of each record.
    pub(crate) line_base: u32,
}

/// Consecutive records of one owner.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Group {
    /// The first octets of the owner's sort key.
    pub(crate) key: u128,
    /// The offset of the owner in the data (after its length octet).
    pub(crate) name_at: u32,
    /// The end of the records.
    pub(crate) end: u32,
    /// The types of the records that affect the shape of a zone.
    pub(crate) types: TypeMask,
    /// The index of the file.
    pub(crate) file: u16,
    /// The length of the owner.
    pub(crate) name_len: u8,
}

/// A set of the types that affect the shape of a zone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct TypeMask(pub(crate) u16);

impl TypeMask {
    pub(crate) const SOA: TypeMask = TypeMask(1);
    pub(crate) const NS: TypeMask = TypeMask(2);
    pub(crate) const CNAME: TypeMask = TypeMask(4);
    pub(crate) const DNAME: TypeMask = TypeMask(8);
    pub(crate) const ADDRESS: TypeMask = TypeMask(16);
    pub(crate) const DS: TypeMask = TypeMask(32);
    pub(crate) const NSEC: TypeMask = TypeMask(64);
    pub(crate) const NSEC3: TypeMask = TypeMask(128);
    pub(crate) const RRSIG: TypeMask = TypeMask(256);
    pub(crate) const OTHER: TypeMask = TypeMask(512);
    /// Besides `OTHER`: types with a digest whose length is checked when a zone is loaded.
    pub(crate) const DIGEST: TypeMask = TypeMask(1024);

    pub(crate) const fn of(rtype: RrType) -> TypeMask {
        match rtype {
            RrType::SOA => TypeMask::SOA,
            RrType::NS => TypeMask::NS,
            RrType::CNAME => TypeMask::CNAME,
            RrType::DNAME => TypeMask::DNAME,
            RrType::A | RrType::AAAA => TypeMask::ADDRESS,
            RrType::DS => TypeMask::DS,
            RrType::NSEC => TypeMask::NSEC,
            RrType::NSEC3 => TypeMask::NSEC3,
            RrType::RRSIG => TypeMask::RRSIG,
            RrType::SSHFP
            | RrType::TLSA
            | RrType::SMIMEA
            | RrType::CDS
            | RrType::ZONEMD
            | RrType::TA
            | RrType::DLV => TypeMask::OTHER.with(TypeMask::DIGEST),
            _ => TypeMask::OTHER,
        }
    }

    pub(crate) const fn has(self, other: TypeMask) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) const fn with(self, other: TypeMask) -> TypeMask {
        TypeMask(self.0 | other.0)
    }
}

/// One record of a batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchRecord<'b> {
    pub(crate) rtype: RrType,
    pub(crate) ttl: u32,
    pub(crate) line: u32,
    pub(crate) rdata: &'b [u8],
}

impl Batch {
    /// Begin a group for `owner`. The owner must be in the zone whose apex has `apex_labels` labels.
    pub(crate) fn open(&mut self, owner: &[u8], apex_labels: usize, file: u16) {
        let mark = self.data.len();
        self.data.push(0);
        self.data.extend_from_slice(owner);
        self.open_in_place(mark, &LabelStarts::of(owner), apex_labels, file);
    }

    /// As [`Batch::open`]. The data already ends with a length octet, at `mark`, and the owner.
    #[inline]
    pub(crate) fn open_in_place(&mut self, mark: usize, starts: &LabelStarts, apex_labels: usize, file: u16) {
        let owner = &self.data[mark + 1..];
        let len = owner.len() as u8;
        let group = Group {
            key: sort_key(owner, starts, apex_labels),
            name_at: mark as u32 + 1,
            end: self.data.len() as u32,
            types: TypeMask::default(),
            file,
            name_len: len,
        };
        self.data[mark] = len;
        self.groups.push(group);
    }

    /// Begin a record of the open group and return its offset. The caller appends its rdata to the data, then calls
    /// [`Batch::end_record`] or [`Batch::drop_record`].
    #[inline]
    pub(crate) fn begin_record(&mut self, rtype: RrType, ttl: u32, line: u32) -> usize {
        let at = self.data.len();
        let mut head = [0; RECORD_HEAD];
        head[..2].copy_from_slice(&rtype.0.to_le_bytes());
        head[2..6].copy_from_slice(&ttl.to_le_bytes());
        head[6..10].copy_from_slice(&line.to_le_bytes());
        self.data.extend_from_slice(&head);
        at
    }

    /// End the record that starts at `at`. Returns false, and drops the record, if RDLENGTH cannot express its
    /// length.
    #[inline]
    pub(crate) fn end_record(&mut self, at: usize, rtype: RrType) -> bool {
        let Ok(len) = u16::try_from(self.data.len() - at - RECORD_HEAD) else {
            self.data.truncate(at);
            return false;
        };
        self.data[at + 10..at + 12].copy_from_slice(&len.to_le_bytes());
        let group = self.groups.last_mut().expect("a record is begun in an open group");
        group.end = self.data.len() as u32;
        group.types = group.types.with(TypeMask::of(rtype));
        true
    }

    /// Drop the record that starts at `at`.
    pub(crate) fn drop_record(&mut self, at: usize) {
        self.data.truncate(at);
    }

    /// Append a whole RRset of the open group.
    pub(crate) fn push_set(&mut self, rtype: RrType, ttl: u32, rdatas: &RdataSet) {
        for rdata in rdatas.iter() {
            let at = self.begin_record(rtype, ttl, 0);
            self.data.extend_from_slice(rdata);
            // The rdata of a set always fits its length field.
            self.end_record(at, rtype);
        }
    }

    /// Whether another record could overflow the offsets.
    pub(crate) fn is_full(&self) -> bool {
        self.data.len() > MOST_OCTETS
    }

    /// The owner of `group`.
    #[inline]
    pub(crate) fn owner(&self, group: &Group) -> &[u8] {
        &self.data[group.name_at as usize..group.name_at as usize + group.name_len as usize]
    }

    /// The records of `group`.
    #[inline]
    pub(crate) fn records(&self, group: &Group) -> impl Iterator<Item = BatchRecord<'_>> {
        let mut rest = &self.data[group.name_at as usize + group.name_len as usize..group.end as usize];
        let base = self.line_base;
        std::iter::from_fn(move || {
            let (head, tail) = rest.split_first_chunk::<RECORD_HEAD>()?;
            let (rdata, tail) = tail.split_at(u16::from_le_bytes([head[10], head[11]]) as usize);
            rest = tail;
            let line = u32::from_le_bytes([head[6], head[7], head[8], head[9]]);
            Some(BatchRecord {
                rtype: RrType(u16::from_le_bytes([head[0], head[1]])),
                ttl: u32::from_le_bytes([head[2], head[3], head[4], head[5]]),
                line: if line == 0 { 0 } else { line + base },
                rdata,
            })
        })
    }
}
