//! A writer for one message, bounded by a buffer and a size limit.
//!
//! ```text
//! Writer::new(buf, limit, id, flags)
//!    .question(...)                      once
//!    .rrset(...) .record(...)            slow path: compresses names while it writes
//!    .placed(...) .raw(...)              fast path: copies records rendered earlier; the caller moves their pointers
//!    .run_after(...) .pick(...)          reorders what is written, or keeps some of it (`arrange.rs`)
//!    .finish() -> length
//! ```
//!
//! Each method writes all of its argument or nothing. If the argument does not fit, the method returns [`Full`] and
//! leaves the message unchanged, so that truncation happens between RRsets (RFC 2181 §9). The caller decides what a
//! missing RRset means: it sets TC for the answer and authority sections and for required glue (RFC 9471), and
//! ignores the rest of the additional section.
//!
//! RFCs: 1035 §4.1.4 (compression), 3597 §4 (only the types of RFC 1035 have compressible names), 2181 §9.
//!
//! *Limitations*: the writer stores at most 255 suffixes for compression, and each look-up probes a few of them. This
//! bounds the work for a hostile message. A message with more suffixes is correct but slightly longer.

use crate::code::{Class, RrType};
use crate::hash::{HashKey, eq_folded};
use crate::header::{Flags, HEADER, Header};
use crate::message::Section;
use crate::name::{MAX_LABELS, NameRef};
use crate::rr;
use crate::rrset::Rrset;

pub use arrange::{Cut, Run};

mod arrange;
#[cfg(test)]
mod tests;

/// The argument does not fit. The message is unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

/// A position in the message; see [`Writer::rollback`].
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    at: usize,
    counts: [u16; 4],
}

/// A writer for one message.
pub struct Writer<'b> {
    buf: &'b mut [u8],
    at: usize,
    limit: usize,
    reserved: usize,
    id: u16,
    flags: Flags,
    counts: [u16; 4],
    question_end: usize,
    suffixes: Suffixes,
}

impl<'b> Writer<'b> {
    /// Start a message in `buf` of at most `limit` octets and at most `buf.len()`.
    ///
    /// # Panics
    /// Panics if a header does not fit.
    #[inline]
    pub fn new(buf: &'b mut [u8], limit: usize, id: u16, flags: Flags) -> Writer<'b> {
        let limit = limit.min(buf.len()).min(u16::MAX as usize);
        assert!(limit >= HEADER, "no room for a header");
        Writer {
            buf,
            at: HEADER,
            limit,
            reserved: 0,
            id,
            flags,
            counts: [0; 4],
            question_end: HEADER,
            suffixes: Suffixes::new(),
        }
    }

    /// Write a question.
    #[inline]
    pub fn question(&mut self, name: NameRef<'_>, rtype: RrType, class: Class) -> Result<(), Full> {
        let start = self.at;
        let wire = name.wire();
        self.room(wire.len() + 4)?;
        self.copy(wire);
        let ([t0, t1], [c0, c1]) = (rtype.0.to_be_bytes(), class.0.to_be_bytes());
        self.put(self.at, [t0, t1, c0, c1]);
        self.at += 4;
        self.counts[0] += 1;
        self.question_end = self.at;
        self.suffixes.question = (start as u16, name.wire().len() as u16);
        Ok(())
    }

    /// Write one record. Its owner, and names in its rdata where the type allows it, are compressed. `rdata` is
    /// uncompressed and valid for `rtype`.
    pub fn record(
        &mut self,
        section: Section,
        owner: NameRef<'_>,
        rtype: RrType,
        class: Class,
        ttl: u32,
        rdata: &[u8],
    ) -> Result<(), Full> {
        let mark = self.mark();
        self.try_record(owner, rtype, class, ttl, rdata).inspect_err(|Full| self.rollback(mark))?;
        self.counts[section as usize + 1] += 1;
        Ok(())
    }

    /// Write all records of an RRset, or none if they do not fit.
    pub fn rrset(&mut self, section: Section, rrset: &Rrset) -> Result<(), Full> {
        self.rrset_noting(section, rrset, |_| ())
    }

    /// Do the same, and call `ttl_at` with the offset of each TTL field. If the RRset does not fit, the offsets mean nothing.
    pub fn rrset_noting(
        &mut self,
        section: Section,
        rrset: &Rrset,
        mut ttl_at: impl FnMut(usize),
    ) -> Result<(), Full> {
        let mark = self.mark();
        let Rrset { owner, rtype, class, ttl, rdatas } = rrset;
        // The owner is searched for until it was written as a bare pointer; the records after that one share it.
        let mut pointer: Option<[u8; 2]> = None;
        for rdata in rdatas.iter() {
            let start = self.at;
            let written = match &pointer {
                Some(pointer) => self.octets(pointer),
                None => self.name(owner.as_ref(), true, true),
            };
            let fixed_at = self.at;
            written
                .and_then(|()| self.try_body(*rtype, *class, *ttl, rdata))
                .inspect_err(|Full| self.rollback(mark))?;
            ttl_at(fixed_at + 4);
            self.counts[section as usize + 1] += 1;
            pointer = pointer
                .or_else(|| self.buf[start..].first_chunk().copied().filter(|[first, _]| *first >= 0xc0));
        }
        Ok(())
    }

    /// Copy `count` records, given as two parts, let `relocate` adjust the pointers in the copy, and return the
    /// offset of the copy. If `relocate` returns [`Full`] because a pointer cannot reach its target, the copy is
    /// removed.
    #[inline]
    pub fn placed(
        &mut self,
        section: Section,
        count: u16,
        head: &[u8],
        tail: &[u8],
        relocate: impl FnOnce(&mut [u8]) -> Result<(), Full>,
    ) -> Result<usize, Full> {
        let place = self.at;
        self.room(head.len() + tail.len())?;
        self.copy(head);
        self.copy(tail);
        if let Err(Full) = relocate(&mut self.buf[place..self.at]) {
            self.at = place;
            return Err(Full);
        }
        self.counts[section as usize + 1] += count;
        Ok(place)
    }

    /// Copy records without compressed names, such as OPT and TSIG, unchanged.
    #[inline]
    pub fn raw(&mut self, section: Section, count: u16, bytes: &[u8]) -> Result<usize, Full> {
        let place = self.at;
        self.room(bytes.len())?;
        self.copy(bytes);
        self.counts[section as usize + 1] += count;
        Ok(place)
    }

    /// Do the same as [`Writer::raw`] for records whose length is known at compile time. This avoids a call of
    /// `memcpy`.
    #[inline]
    pub fn raw_array<const N: usize>(
        &mut self,
        section: Section,
        count: u16,
        bytes: [u8; N],
    ) -> Result<usize, Full> {
        let place = self.at;
        self.room(N)?;
        self.put(place, bytes);
        self.at += N;
        self.counts[section as usize + 1] += count;
        Ok(place)
    }

    /// Reserve `octets` at the end for records that are written last (OPT, TSIG).
    pub fn reserve(&mut self, octets: usize) -> Result<(), Full> {
        self.room(octets)?;
        self.reserved += octets;
        Ok(())
    }

    /// Release everything that [`Writer::reserve`] reserved.
    pub fn release(&mut self) {
        self.reserved = 0;
    }

    /// Return the current position.
    pub fn mark(&self) -> Mark {
        Mark { at: self.at, counts: self.counts }
    }

    /// Remove everything written since `mark`.
    pub fn rollback(&mut self, mark: Mark) {
        self.at = mark.at;
        self.counts = mark.counts;
    }

    /// Remove everything after the question.
    pub fn clear(&mut self) {
        self.at = self.question_end;
        self.counts = [self.counts[0], 0, 0, 0];
    }

    /// The flags as they will be sent.
    pub fn flags(&self) -> Flags {
        self.flags
    }

    /// Replace the flags.
    pub fn set_flags(&mut self, flags: Flags) {
        self.flags = flags;
    }

    /// QDCOUNT, ANCOUNT, NSCOUNT, ARCOUNT so far.
    pub fn counts(&self) -> [u16; 4] {
        self.counts
    }

    /// Octets written so far, header included.
    pub fn len(&self) -> usize {
        self.at
    }

    /// Return whether nothing follows the header.
    pub fn is_empty(&self) -> bool {
        self.at == HEADER
    }

    /// Octets that can still be written.
    pub fn left(&self) -> usize {
        self.limit - self.reserved - self.at
    }

    /// The offset at which the question section ends.
    pub fn question_end(&self) -> usize {
        self.question_end
    }

    /// The octets written so far. The header is valid only after [`Writer::finish`].
    pub fn written(&self) -> &[u8] {
        &self.buf[..self.at]
    }

    /// Overwrite the TTL field at `at`.
    #[inline]
    pub fn patch_ttl(&mut self, at: usize, ttl: u32) {
        self.put(at, ttl.to_be_bytes());
    }

    /// Write the header and return the length of the message.
    #[inline]
    pub fn finish(&mut self) -> usize {
        let header = Header { id: self.id, flags: self.flags, counts: self.counts };
        self.put(0, header.to_wire());
        self.at
    }

    fn try_record(
        &mut self,
        owner: NameRef<'_>,
        rtype: RrType,
        class: Class,
        ttl: u32,
        rdata: &[u8],
    ) -> Result<(), Full> {
        self.name(owner, true, true)?;
        self.try_body(rtype, class, ttl, rdata)
    }

    /// Write a record behind its owner.
    fn try_body(&mut self, rtype: RrType, class: Class, ttl: u32, rdata: &[u8]) -> Result<(), Full> {
        self.room(10)?;
        let ([t0, t1], [c0, c1], [s0, s1, s2, s3]) =
            (rtype.0.to_be_bytes(), class.0.to_be_bytes(), ttl.to_be_bytes());
        // The length is right unless a name is compressed.
        let [l0, l1] = (rdata.len() as u16).to_be_bytes();
        self.put(self.at, [t0, t1, c0, c1, s0, s1, s2, s3, l0, l1]);
        self.at += 10;
        let rdata_at = self.at;
        let mut done = 0;
        for field in rr::names(rtype, rdata) {
            self.octets(&rdata[done..field.start])?;
            let name =
                NameRef::from_wire(&rdata[field.start..field.end]).expect("the rdata is valid for its type");
            self.name(name, field.compressible, field.additional)?;
            done = field.end;
        }
        self.octets(&rdata[done..])?;
        if done > 0 {
            self.put(rdata_at - 2, ((self.at - rdata_at) as u16).to_be_bytes());
        }
        Ok(())
    }

    /// Write `name`. If `compress` is set, its longest known suffix becomes a pointer to an earlier occurrence. `likely`: a
    /// later owner is likely to be the same name, so that it is remembered even if it is not compressed itself.
    fn name(&mut self, name: NameRef<'_>, compress: bool, likely: bool) -> Result<(), Full> {
        let (wire, start) = (name.wire(), self.at);
        if !compress || name.is_root() {
            self.octets(wire)?;
            if likely && !name.is_root() {
                self.suffixes.remember(&SuffixHashes::of(name), wire.len() - 1, start);
            }
            return Ok(());
        }
        // Most owners are the name in the question.
        let (at, length) = self.suffixes.question();
        if wire.len() == length && eq_folded(&self.buf[at..at + length], wire) {
            return self.octets(&(at as u16 | 0xc000).to_be_bytes());
        }
        let hashes = SuffixHashes::of(name);
        let found = self.suffixes.find(name, &hashes, &self.buf[..start]);
        let literal = found.map_or(wire.len() - 1, |(cut, _)| cut);
        self.octets(&wire[..literal])?;
        match found {
            Some((_, target)) => self.octets(&(target | 0xc000).to_be_bytes())?,
            None => self.octets(&[0])?,
        }
        if literal > 0 {
            self.suffixes.remember(&hashes, literal, start);
        }
        Ok(())
    }

    fn octets(&mut self, octets: &[u8]) -> Result<(), Full> {
        self.room(octets.len())?;
        self.copy(octets);
        Ok(())
    }

    #[inline]
    fn room(&self, octets: usize) -> Result<(), Full> {
        if self.at + octets + self.reserved <= self.limit { Ok(()) } else { Err(Full) }
    }

    /// Copy `octets`. The caller has checked their length with [`Writer::room`].
    #[inline]
    fn copy(&mut self, octets: &[u8]) {
        self.buf[self.at..self.at + octets.len()].copy_from_slice(octets);
        self.at += octets.len();
    }

    /// Write `octets` at `at`. The caller has checked their length with [`Writer::room`]. The length is known at
    /// compile time, so that this is a store, whereas the copy of a slice is a call of `memcpy`.
    #[inline]
    fn put<const N: usize>(&mut self, at: usize, octets: [u8; N]) {
        *self.buf[at..].first_chunk_mut().expect("there is room for the octets") = octets;
    }
}

/// The offsets of name suffixes that later names may point to. A rollback can leave stale entries, so that each
/// candidate is compared with the written octets before it is used.
struct Suffixes {
    /// Offset and length of the question name.
    question: (u16, u16),
    /// Whether the suffixes of the question name are in the table. They are added when the first other name is looked up.
    indexed: bool,
    /// Hash tag and offset of each known suffix; offset 0 marks a free slot. The table is created when the first name
    /// is written, so that a message made of rendered records does not initialize it.
    slots: Option<[(u16, u16); SLOTS]>,
    used: u16,
}

const SLOTS: usize = 512;
/// The largest number of entries. It keeps the table half empty, so that probing stays short.
const MOST: u16 = 255;
/// The number of slots that a look-up visits.
const PROBES: usize = 8;
/// A suffix that needs more pointer jumps than this is not used as a target.
const MOST_JUMPS: usize = 16;

impl Suffixes {
    #[inline]
    fn new() -> Suffixes {
        Suffixes { question: (0, 0), indexed: false, slots: None, used: 0 }
    }

    fn question(&self) -> (usize, usize) {
        (self.question.0.into(), self.question.1.into())
    }

    /// Find the longest suffix of `name` in `written`. Return the number of octets of `name` before the suffix, and
    /// the offset of the suffix in `written`.
    fn find(&mut self, name: NameRef<'_>, hashes: &SuffixHashes, written: &[u8]) -> Option<(usize, u16)> {
        let (at, len) = self.question();
        if len > 1 && !self.indexed {
            self.indexed = true;
            let question = NameRef::from_wire(&written[at..at + len]).expect("a written name is a name");
            self.remember(&SuffixHashes::of(question), len - 1, at);
        }
        let wire = name.wire();
        hashes.iter().find_map(|(offset, hash)| {
            self.candidates(hash)
                .find(|&target| same_name(written, target as usize, &wire[offset..]))
                .map(|target| (offset, target))
        })
    }

    fn candidates(&self, hash: u64) -> impl Iterator<Item = u16> {
        let tag = (hash >> 48) as u16;
        (0..PROBES)
            .map_while(move |probe| Some(self.slots.as_ref()?[(hash as usize + probe) % SLOTS]))
            .take_while(|slot| slot.1 != 0)
            .filter(move |slot| slot.0 == tag)
            .map(|slot| slot.1)
    }

    /// Index the suffixes of a name, written at `at`, that start before its octet `literal`.
    fn remember(&mut self, hashes: &SuffixHashes, literal: usize, at: usize) {
        let slots = self.slots.get_or_insert([(0, 0); SLOTS]);
        for (offset, hash) in hashes.iter() {
            let target = at + offset;
            if offset >= literal || target > 0x3fff || self.used >= MOST {
                break;
            }
            let free =
                (0..PROBES).map(|probe| (hash as usize + probe) % SLOTS).find(|&slot| slots[slot].1 == 0);
            if let Some(slot) = free {
                slots[slot] = ((hash >> 48) as u16, target as u16);
                self.used += 1;
            }
        }
    }
}

/// The offset and the hash of each suffix of a name, leftmost first. Every octet is hashed once, from right to left.
struct SuffixHashes {
    offsets: [u8; MAX_LABELS + 1],
    hashes: [u64; MAX_LABELS + 1],
    count: usize,
}

/// Messages do not depend on it: the same names are compressed in the same way in every process.
const KEY: HashKey = HashKey::new([0x9e37_79b9_7f4a_7c15, 0xe703_7ed1_a0b4_28db, 0x8ebc_6af0_9c88_c6e3]);

impl SuffixHashes {
    fn of(name: NameRef<'_>) -> SuffixHashes {
        let (mut offsets, mut hashes) = ([0; MAX_LABELS + 1], [0; MAX_LABELS + 1]);
        let count = name.label_offsets(&mut offsets);
        let wire = name.wire();
        let mut hash = KEY.start();
        for i in (0..count).rev() {
            let at = offsets[i] as usize;
            hash = KEY.extend(hash, &wire[at..at + 1 + wire[at] as usize]);
            hashes[i] = hash;
        }
        SuffixHashes { offsets, hashes, count }
    }

    fn iter(&self) -> impl Iterator<Item = (usize, u64)> {
        let offsets = self.offsets[..self.count].iter().map(|&offset| offset as usize);
        offsets.zip(self.hashes.iter().copied())
    }
}

/// Return whether the name at `at` in `written` equals `wire`, without regard to case. The octets at `at` may be
/// arbitrary.
fn same_name(written: &[u8], mut at: usize, wire: &[u8]) -> bool {
    let (mut done, mut jumps) = (0, 0);
    loop {
        let Some(&first) = written.get(at) else { return false };
        if first >= 0xc0 {
            let Some(&second) = written.get(at + 1) else { return false };
            let target = (first as usize & 0x3f) << 8 | second as usize;
            jumps += 1;
            if target >= at || target < HEADER || jumps > MOST_JUMPS {
                return false;
            }
            at = target;
            continue;
        }
        if first != wire[done] {
            return false;
        }
        if first == 0 {
            return true;
        }
        let length = 1 + first as usize;
        match written.get(at..at + length) {
            Some(label) if eq_folded(label, &wire[done..done + length]) => {}
            _ => return false,
        }
        at += length;
        done += length;
    }
}
