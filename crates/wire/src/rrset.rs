//! RRsets: the records of one owner, type and class, with one TTL (RFC 2181 §5).

use std::fmt;

use crate::code::{Class, RrType};
use crate::message::{Message, Section};
use crate::name::Name;
use crate::rr;

#[cfg(test)]
mod tests;

/// The records of one owner, type and class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rrset {
    /// The owner name.
    pub owner: Name,
    /// The type that all records share.
    pub rtype: RrType,
    /// The class that all records share.
    pub class: Class,
    /// The TTL in seconds (RFC 2181 §8: at most 2^31 - 1).
    pub ttl: u32,
    /// The rdata of each record, uncompressed.
    pub rdatas: RdataSet,
}

impl Rrset {
    /// An RRset that has no records yet.
    pub fn new(owner: Name, rtype: RrType, class: Class, ttl: u32) -> Rrset {
        Rrset { owner, rtype, class, ttl, rdatas: RdataSet::new() }
    }

    /// The RRsets of *section* of *message*, without OPT and TSIG: adjacent records of one owner, type and TTL. The signatures
    /// of one owner, which have the TTLs of what they cover, may be several.
    pub fn of(message: &Message<'_>, section: Section) -> Vec<Rrset> {
        let mut sets: Vec<Rrset> = Vec::new();
        let mut rdata = Vec::new();
        for record in message.records(section) {
            if matches!(record.rtype, RrType::OPT | RrType::TSIG) {
                continue;
            }
            let owner = record.owner().to_name();
            rdata.clear();
            record.rdata(&mut rdata);
            let same =
                |set: &&mut Rrset| (&set.owner, set.rtype, set.ttl) == (&owner, record.rtype, record.ttl);
            match sets.last_mut().filter(same) {
                Some(set) => set.rdatas.push(&rdata),
                None => {
                    let mut set = Rrset::new(owner, record.rtype, record.class, record.ttl);
                    set.rdatas.push(&rdata);
                    sets.push(set);
                }
            }
        }
        sets
    }
}

/// One master-file line per record: owner, TTL, class, type and rdata, separated by tabs.
impl fmt::Display for Rrset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        for (i, rdata) in self.rdatas.iter().enumerate() {
            text.clear();
            rr::to_text(self.rtype, rdata, &mut text);
            if i > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}\t{}\t{}\t{}\t{}", self.owner, self.ttl, self.class, self.rtype, text)?;
        }
        Ok(())
    }
}

/// A list of uncompressed rdatas in one allocation. Each follows its length in two octets.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct RdataSet {
    flat: Vec<u8>,
}

impl RdataSet {
    /// An empty set.
    pub const fn new() -> RdataSet {
        RdataSet { flat: Vec::new() }
    }

    /// Append `rdata`.
    ///
    /// # Panics
    /// Panics if `rdata` is longer than 65,535 octets, which no record can hold.
    pub fn push(&mut self, rdata: &[u8]) {
        let length = u16::try_from(rdata.len()).expect("rdata fits RDLENGTH");
        self.flat.extend_from_slice(&length.to_be_bytes());
        self.flat.extend_from_slice(rdata);
    }

    /// Append one rdata that `fill` writes (at most 65,535 octets, see [`RdataSet::push`]). Append nothing if `fill`
    /// fails.
    pub fn push_with<E>(&mut self, fill: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<(), E> {
        let start = self.flat.len();
        self.flat.extend_from_slice(&[0, 0]);
        if let Err(error) = fill(&mut self.flat) {
            self.flat.truncate(start);
            return Err(error);
        }
        let length = u16::try_from(self.flat.len() - start - 2).expect("rdata fits RDLENGTH");
        self.flat[start..start + 2].copy_from_slice(&length.to_be_bytes());
        Ok(())
    }

    /// The rdatas in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> + Clone {
        let mut rest = self.flat.as_slice();
        std::iter::from_fn(move || {
            let (length, tail) = rest.split_first_chunk::<2>()?;
            let (rdata, tail) = tail.split_at(u16::from_be_bytes(*length) as usize);
            rest = tail;
            Some(rdata)
        })
    }

    /// The number of rdatas. This walks the whole set.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Return whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.flat.is_empty()
    }

    /// The first rdata.
    pub fn first(&self) -> Option<&[u8]> {
        self.iter().next()
    }

    /// Return whether the set contains exactly the octets of `rdata`.
    pub fn contains(&self, rdata: &[u8]) -> bool {
        self.iter().any(|other| other == rdata)
    }

    /// The number of octets of the set, including length fields.
    pub fn octets(&self) -> usize {
        self.flat.len()
    }

    /// Sort the rdatas into the canonical order of RFC 4034 §6.3 and remove duplicates (RFC 2181 §5).
    pub fn sort_canonical(&mut self, rtype: RrType) {
        let mut keyed: Vec<(Vec<u8>, &[u8])> = self
            .iter()
            .map(|rdata| {
                let mut key = Vec::with_capacity(rdata.len());
                rr::canonical(rtype, rdata, &mut key);
                (key, rdata)
            })
            .collect();
        keyed.sort();
        keyed.dedup_by(|a, b| a.0 == b.0);
        let mut sorted = RdataSet { flat: Vec::with_capacity(self.flat.len()) };
        for (_, rdata) in keyed {
            sorted.push(rdata);
        }
        *self = sorted;
    }
}

impl<'a> FromIterator<&'a [u8]> for RdataSet {
    fn from_iter<I: IntoIterator<Item = &'a [u8]>>(rdatas: I) -> RdataSet {
        let mut set = RdataSet::new();
        for rdata in rdatas {
            set.push(rdata);
        }
        set
    }
}

impl fmt::Debug for RdataSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
