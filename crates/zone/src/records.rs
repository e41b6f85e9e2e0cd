//! Records in DNS wire format outside of messages: the form in which zones and differences are stored.
//!
//! ```text
//! record: owner (uncompressed) | type | class | ttl | rdlength | rdata (uncompressed)
//! ```
//! [`Zone::to_wire`] writes a whole zone in chunks of whole records, in canonical order. [`Zone::from_wire`] reads them and
//! applies the rules for zone files. Stored octets are read as strictly as those of a packet.

use std::fmt;

use nw_wire::name::NameError;
use nw_wire::rr::RdataError;
use nw_wire::{Class, NameRef, RrType, Rrset, rr};

use crate::edit::{Collector, kind};
use crate::problem::ZoneFileErrors;
use crate::scan::{LoadOptions, is_data_type};
use crate::store::Zone;

/// Octets of a record besides owner and rdata.
const FIXED: usize = 10;

/// What is wrong with stored records. `at`: the offset of the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordsError {
    /// The octets end within a record.
    Truncated {
        /// The offset of the record.
        at: usize,
    },
    /// The owner is not a name.
    Owner {
        /// The offset of the record.
        at: usize,
        /// What is wrong with it.
        error: NameError,
    },
    /// The type is not one of data.
    NotData {
        /// The offset of the record.
        at: usize,
        /// The type.
        rtype: RrType,
    },
    /// The TTL exceeds 2^31 - 1 (RFC 2181 §8).
    Ttl {
        /// The offset of the record.
        at: usize,
    },
    /// The rdata is not valid for the type.
    Rdata {
        /// The offset of the record.
        at: usize,
        /// The type.
        rtype: RrType,
        /// What is wrong with it.
        error: RdataError,
    },
}

impl RecordsError {
    /// The offset of the record.
    pub fn at(&self) -> usize {
        match *self {
            Self::Truncated { at }
            | Self::Owner { at, .. }
            | Self::NotData { at, .. }
            | Self::Ttl { at }
            | Self::Rdata { at, .. } => at,
        }
    }
}

impl fmt::Display for RecordsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { at } => write!(f, "the record at offset {at} is incomplete"),
            Self::Owner { at, error } => write!(f, "the owner of the record at offset {at}: {error}"),
            Self::NotData { at, rtype } => {
                write!(f, "the record at offset {at} has the type {rtype}, which no zone has")
            }
            Self::Ttl { at } => write!(f, "the TTL of the record at offset {at} exceeds 2147483647"),
            Self::Rdata { at, rtype, error } => {
                write!(f, "{rtype} data of the record at offset {at}: {error}")
            }
        }
    }
}

impl std::error::Error for RecordsError {}

/// Why stored octets are not a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageError {
    /// The octets of a chunk are not records.
    Records {
        /// The number of the chunk, from 0.
        chunk: usize,
        /// What is wrong with it.
        error: RecordsError,
    },
    /// The records are not a zone.
    Zone(ZoneFileErrors),
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Records { chunk, error } => write!(f, "chunk {chunk}: {error}"),
            Self::Zone(errors) => write!(f, "the records are not a zone: {errors}"),
        }
    }
}

impl std::error::Error for ImageError {}

/// Append the records of `rrset` to `out`.
pub(crate) fn write(rrset: &Rrset, out: &mut Vec<u8>) {
    for rdata in rrset.rdatas.iter() {
        out.extend_from_slice(rrset.owner.as_ref().wire());
        out.extend_from_slice(&rrset.rtype.0.to_be_bytes());
        out.extend_from_slice(&rrset.class.0.to_be_bytes());
        out.extend_from_slice(&rrset.ttl.to_be_bytes());
        let length = u16::try_from(rdata.len()).expect("RdataSet holds no longer rdata");
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(rdata);
    }
}

/// The number of octets that [`write`] appends.
pub(crate) fn octets(rrset: &Rrset) -> usize {
    let head = rrset.owner.as_ref().wire().len() + FIXED;
    rrset.rdatas.iter().map(|rdata| head + rdata.len()).sum()
}

/// Reads records, and groups adjacent ones of one RRset.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8], at: usize) -> Reader<'a> {
        Reader { bytes, at }
    }

    /// The offset of the next record.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// The next four octets as a number, or None if there are fewer.
    pub(crate) fn number(&mut self) -> Option<u32> {
        let (octets, _) = self.bytes.get(self.at..)?.split_first_chunk::<4>()?;
        self.at += 4;
        Some(u32::from_be_bytes(*octets))
    }

    /// Read one record into `sets`: into the last RRset if it is one of its records.
    pub(crate) fn record(&mut self, sets: &mut Vec<Rrset>) -> Result<(), RecordsError> {
        let at = self.at;
        let truncated = RecordsError::Truncated { at };
        let rest = self.bytes.get(at..).unwrap_or_default();
        let (owner, rest) = match NameRef::read(rest) {
            Ok(read) => read,
            Err(NameError::Truncated) => return Err(truncated),
            Err(error) => return Err(RecordsError::Owner { at, error }),
        };
        let Some((fixed, rest)) = rest.split_first_chunk::<FIXED>() else { return Err(truncated) };
        let &[t0, t1, c0, c1, l0, l1, l2, l3, d0, d1] = fixed;
        let Some(rdata) = rest.get(..usize::from(u16::from_be_bytes([d0, d1]))) else {
            return Err(truncated);
        };
        let (rtype, class) = (RrType(u16::from_be_bytes([t0, t1])), Class(u16::from_be_bytes([c0, c1])));
        let ttl = u32::from_be_bytes([l0, l1, l2, l3]);
        if !is_data_type(rtype) {
            return Err(RecordsError::NotData { at, rtype });
        }
        if ttl > i32::MAX as u32 {
            return Err(RecordsError::Ttl { at });
        }
        if let Err(error) = rr::check(rtype, rdata) {
            return Err(RecordsError::Rdata { at, rtype, error });
        }
        self.at += owner.wire().len() + FIXED + rdata.len();
        let mut one = Rrset::new(owner.to_name(), rtype, class, ttl);
        one.rdatas.push(rdata);
        gather(sets, one);
        Ok(())
    }
}

/// Add the record `one` to `sets`: to the last RRset if it belongs there.
pub(crate) fn gather(sets: &mut Vec<Rrset>, one: Rrset) {
    match sets.last_mut() {
        Some(last)
            if last.owner == one.owner
                && (last.class, last.ttl) == (one.class, one.ttl)
                && kind(last) == kind(&one) =>
        {
            one.rdatas.iter().for_each(|rdata| last.rdatas.push(rdata));
        }
        _ => sets.push(one),
    }
}

impl Zone {
    /// All records in wire form, in canonical order, in chunks of at least `chunk` octets (the last may have fewer).
    pub fn to_wire(&self, chunk: usize) -> Vec<Vec<u8>> {
        let mut chunks = Vec::new();
        let mut current = Vec::new();
        for rrset in self.rrsets() {
            write(&rrset, &mut current);
            if current.len() >= chunk {
                chunks.push(std::mem::take(&mut current));
            }
        }
        if !current.is_empty() {
            chunks.push(current);
        }
        chunks
    }

    /// The zone `apex` from the chunks of [`Zone::to_wire`]. The rules for zone files apply to it.
    pub fn from_wire<'c>(
        apex: NameRef<'_>,
        class: Class,
        chunks: impl IntoIterator<Item = &'c [u8]>,
    ) -> Result<Zone, ImageError> {
        let mut collector = Collector::new(apex, class);
        let mut sets = Vec::new();
        for (chunk, bytes) in chunks.into_iter().enumerate() {
            let mut reader = Reader::new(bytes, 0);
            while !reader.is_at_end() {
                reader.record(&mut sets).map_err(|error| ImageError::Records { chunk, error })?;
                // The last RRset may not be complete yet.
                while sets.len() > 1 {
                    collector.rrset(&sets.remove(0));
                }
            }
        }
        for set in &sets {
            collector.rrset(set);
        }
        collector.finish(LoadOptions::default().workers()).map_err(ImageError::Zone)
    }
}
