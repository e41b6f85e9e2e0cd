//! Copies a subset of the records of a rendered RRset, or all of them in another order (rotation, weights).
//!
//! ```text
//! rendered  | r0 | r1 | r2 |      picks 2, 0      message  ... | r2 | r0 |
//!           ^    ^    ^    ^ borders, computed from the octets on demand
//! ```
//!
//! A rendered RRset stores no borders, so that this feature costs no memory. If a name ends in a pointer to a record
//! that is omitted or now follows the name, the labels behind the pointer are written out, up to the part that is in
//! the question name.
//!
//! RFCs: 1035 §4.1.4 (pointers lead to a prior name).

use std::ops::Range;

use super::{Full, Rendered, Writer};
use crate::header::HEADER;
use crate::message::Section;

/// The number of copied records whose new offsets are stored. Names do not point to further records.
const REMEMBERED: usize = 64;
/// The octets between the owner and the rdata: type, class, TTL, RDLENGTH.
const FIXED: usize = 10;

impl<'a> Rendered<'a> {
    /// The range of each record in `bytes`.
    pub fn borders(&self) -> impl Iterator<Item = Range<usize>> + use<'a> {
        let bytes = self.bytes;
        let mut at = 0;
        std::iter::from_fn(move || {
            let start = at;
            let fixed = name_end(bytes, start)?;
            let length = bytes.get(fixed + FIXED - 2..fixed + FIXED)?;
            at = fixed + FIXED + u16::from_be_bytes([length[0], length[1]]) as usize;
            (at <= bytes.len()).then_some(start..at)
        })
    }
}

/// Return the offset at which the octets of the name at `at` end, including a pointer.
fn name_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *bytes.get(at)? {
            0 => return Some(at + 1),
            length if length >= 0xc0 => return Some(at + 2),
            length => at += 1 + length as usize,
        }
    }
}

/// The new offset of a record.
#[derive(Clone, Copy, Default)]
struct Moved {
    from: u16,
    /// The octets up to this offset of the rendered form were copied unchanged.
    until: u16,
    to: u16,
}

impl Writer<'_> {
    /// Do the same as [`Writer::rendered`], but only for the records with the indexes `picks`, in that order.
    /// Repeated indexes, and indexes without a record, are ignored. The method writes all picked records or none.
    pub fn picked(&mut self, section: Section, body: &Rendered<'_>, picks: &[u16]) -> Result<usize, Full> {
        let (place, before) = (self.at, self.counts);
        let result = picks
            .iter()
            .enumerate()
            .filter(|(at, pick)| !picks[..*at].contains(pick))
            .filter_map(|(_, &pick)| body.borders().nth(pick as usize))
            .try_fold(([Moved::default(); REMEMBERED], 0), |(mut moved, count), record| {
                let new = self.record_of(body, record, &moved[..count])?;
                self.counts[section as usize + 1] += 1;
                if count < REMEMBERED {
                    moved[count] = new;
                }
                Ok((moved, (count + 1).min(REMEMBERED)))
            });
        match result {
            Ok(_) => Ok(place),
            Err(Full) => {
                (self.at, self.counts) = (place, before);
                Err(Full)
            }
        }
    }

    /// Copy one record. Each pointer is adjusted, or replaced by the labels that it refers to.
    fn record_of(
        &mut self,
        body: &Rendered<'_>,
        record: Range<usize>,
        moved: &[Moved],
    ) -> Result<Moved, Full> {
        let to = self.at;
        let mut new = Moved { from: record.start as u16, until: record.end as u16, to: to as u16 };
        let fixed = name_end(body.bytes, record.start).ok_or(Full)?;
        // The offset of RDLENGTH in the copy.
        let mut length_at = to + fixed - record.start + FIXED - 2;
        let mut done = record.start;
        let inside = |pointer: &&u16| record.contains(&(**pointer as usize));
        for &pointer in body.pointers.iter().filter(inside) {
            let pointer = pointer as usize;
            self.room(pointer - done)?;
            self.copy(&body.bytes[done..pointer]);
            done = pointer + 2;
            let mut target = pointer_at(body.bytes, pointer);
            let mut written = 0;
            loop {
                if let Some(target) = self.follow(body, target, moved, &new) {
                    if target > 0x3fff {
                        return Err(Full);
                    }
                    self.room(2)?;
                    self.copy(&(target as u16 | 0xc000).to_be_bytes());
                    break;
                }
                // The target is not in the message: write the next label in full.
                let at = target - body.base as usize;
                let length = body.bytes[at] as usize;
                if length >= 0xc0 {
                    target = pointer_at(body.bytes, at);
                    continue;
                }
                self.room(1 + length)?;
                self.copy(&body.bytes[at..=at + length]);
                written += 1 + length;
                if length == 0 {
                    break;
                }
                target += 1 + length;
            }
            if written > 0 {
                new.until = new.until.min(pointer as u16);
                if pointer < fixed {
                    // The owner name became longer, so that the following octets moved.
                    length_at = usize::MAX;
                }
            }
        }
        self.room(record.end - done)?;
        self.copy(&body.bytes[done..record.end]);
        if length_at == usize::MAX {
            length_at = name_end(&self.buf[..self.at], to).ok_or(Full)? + FIXED - 2;
        }
        let length = (self.at - length_at - 2) as u16;
        self.buf[length_at..length_at + 2].copy_from_slice(&length.to_be_bytes());
        Ok(new)
    }

    /// Translate the offset `target` of the layout into an offset of the message, or None if its record is not
    /// written yet.
    fn follow(&self, body: &Rendered<'_>, target: usize, moved: &[Moved], new: &Moved) -> Option<usize> {
        if target < body.base as usize {
            return Some(target + self.question_end - (HEADER + body.context as usize + 4));
        }
        let at = (target - body.base as usize) as u16;
        let copied = (self.at - new.to as usize) as u16;
        let own = Moved { until: new.until.min(new.from + copied), ..*new };
        let mut all = moved.iter().chain(std::iter::once(&own));
        let found = all.find(|moved| (moved.from..moved.until).contains(&at))?;
        Some((found.to + (at - found.from)) as usize)
    }
}

/// The target of the pointer at `at`.
fn pointer_at(bytes: &[u8], at: usize) -> usize {
    (u16::from_be_bytes([bytes[at], bytes[at + 1]]) & 0x3fff) as usize
}
