//! Part of a rendered RRset, or all of it in another order: rotation, weights and subsets are a copy as well.
//!
//! ```text
//! rendered  | r0 | r1 | r2 |      picks 2, 0      message  ... | r2 | r0 |
//!           ^    ^    ^    ^ borders, found from the octets when they are needed
//! ```
//!
//! Nothing is stored for this: a rendered RRset costs what it did. A name that ends in a pointer to a record which is
//! left out, or which stands behind it now, is written out as far as the question.
//!
//! RFCs: 1035 §4.1.4 (pointers lead to a prior name).

use std::ops::Range;

use super::{Full, Rendered, Writer};
use crate::header::HEADER;
use crate::message::Section;

/// Records whose new places are remembered; names in others do not point to them.
const REMEMBERED: usize = 64;
/// The octets between the owner and the rdata: type, class, TTL, RDLENGTH.
const FIXED: usize = 10;

impl<'a> Rendered<'a> {
    /// Where each record stands in `bytes`.
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

/// Where the octets of the name at `at` end, a pointer included.
fn name_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *bytes.get(at)? {
            0 => return Some(at + 1),
            length if length >= 0xc0 => return Some(at + 2),
            length => at += 1 + length as usize,
        }
    }
}

/// Where a record has come to stand.
#[derive(Clone, Copy, Default)]
struct Moved {
    from: u16,
    /// Its octets up to here, counted in the rendered form, have only moved.
    until: u16,
    to: u16,
}

impl Writer<'_> {
    /// As [`Writer::rendered`], but only the records with the numbers `picks`, in that order. A number counts once, and a
    /// number beyond the records does not count. All or nothing is written.
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

    /// Copy one record, and follow or write out what its pointers lead to.
    fn record_of(
        &mut self,
        body: &Rendered<'_>,
        record: Range<usize>,
        moved: &[Moved],
    ) -> Result<Moved, Full> {
        let to = self.at;
        let mut new = Moved { from: record.start as u16, until: record.end as u16, to: to as u16 };
        let fixed = name_end(body.bytes, record.start).ok_or(Full)?;
        // Where RDLENGTH stands in the copy.
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
                // Not there any more: the next label in full.
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
                    // The owner grew, and with it all that follows moved.
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

    /// Where the layout's offset `target` is in the message; None if it is in a record that is not there yet.
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
