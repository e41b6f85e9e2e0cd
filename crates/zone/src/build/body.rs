//! Records rendered for an answer: compressed as if their owner were the question at offset 12 and they followed it.
//!
//! All compression pointers are listed, so that `place.rs` can move them if the body has another position. A pointer
//! below the body's base points into the owner (in the question or elsewhere in the answer), one above it into the
//! body itself. Extra records (glue, additional) are rendered for the layout of the body that they belong to. They
//! point only into the owner or into that body, never into themselves.

use nw_wire::{Class, RrType, rr};

use super::node::NodeRecord;
use crate::store::QUESTION;
use crate::suffix::LabelStarts;

/// Maximum offset of a pointer (RFC 1035 §4.1.4).
const REACH: usize = 0x3fff;
/// Maximum number of earlier names that are searched for a common suffix. It bounds the work per record.
const MOST_KNOWN: usize = 8;

/// A finished run of records.
#[derive(Debug, Default)]
pub(super) struct Body {
    pub(super) octets: Vec<u8>,
    pub(super) pointers: Vec<u16>,
    pub(super) count: u16,
}

impl Body {
    pub(super) fn clear(&mut self) {
        self.octets.clear();
        self.pointers.clear();
        self.count = 0;
    }

    /// Append a record whose owner is at `owner` in the layout, and whose rdata does not contain a name to compress.
    pub(super) fn plain(&mut self, owner: usize, rtype: RrType, class: Class, ttl: u32, rdata: &[u8]) {
        self.head(owner, rtype, class, ttl);
        self.octets.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
        self.octets.extend_from_slice(rdata);
    }

    /// Owner, type, class and TTL.
    #[inline]
    fn head(&mut self, owner: usize, rtype: RrType, class: Class, ttl: u32) {
        self.pointer(owner);
        let mut head = [0; 8];
        head[..2].copy_from_slice(&rtype.0.to_be_bytes());
        head[2..4].copy_from_slice(&class.0.to_be_bytes());
        head[4..].copy_from_slice(&ttl.to_be_bytes());
        self.octets.extend_from_slice(&head);
        self.count += 1;
    }

    #[inline]
    fn pointer(&mut self, target: usize) {
        // A body that is too long for this is rejected when it is complete.
        self.pointers.push(self.octets.len() as u16);
        self.octets.extend_from_slice(&(0xc000 | target as u16).to_be_bytes());
    }
}

/// A name in rdata whose addresses an answer may contain, and its position in the layout.
pub(super) struct Target<'b> {
    pub(super) name: &'b [u8],
    pub(super) at: usize,
}

/// A name that was written in full, or up to a pointer.
struct Known<'b> {
    wire: &'b [u8],
    starts: LabelStarts,
    at: usize,
    literal: usize,
}

/// The owner that a body is rendered for.
pub(super) struct Layout<'b> {
    pub(super) wire: &'b [u8],
    pub(super) starts: LabelStarts,
    pub(super) wildcard: bool,
}

impl<'b> Layout<'b> {
    pub(super) fn new(wire: &'b [u8]) -> Layout<'b> {
        Layout { wire, starts: LabelStarts::of(wire), wildcard: wire.starts_with(b"\x01*") }
    }

    /// The start of the body.
    pub(super) fn base(&self) -> usize {
        QUESTION + self.wire.len() + 4
    }

    /// Render `records`, all of one type, with `ttl`. Lists the names whose addresses may be added.
    pub(super) fn render(
        &self,
        records: &[NodeRecord<'b>],
        class: Class,
        ttl: u32,
        body: &mut Body,
        targets: &mut Vec<Target<'b>>,
    ) {
        body.clear();
        let mut known: Vec<Known<'b>> = Vec::new();
        for record in records {
            body.head(QUESTION, record.rtype, class, ttl);
            let length_at = body.octets.len();
            body.octets.extend_from_slice(&[0, 0]);
            match record.rtype {
                RrType::A | RrType::AAAA | RrType::TXT | RrType::RRSIG | RrType::DS | RrType::NSEC => {
                    body.octets.extend_from_slice(record.rdata);
                }
                // One compressible name (RFC 3597 §4): most records of large zones have this form.
                RrType::NS | RrType::CNAME | RrType::PTR => {
                    let at = self.name(record.rdata, body, &mut known);
                    if record.rtype == RrType::NS && record.rdata != [0] && at <= REACH {
                        targets.push(Target { name: record.rdata, at });
                    }
                }
                _ => {
                    let mut done = 0;
                    for field in rr::names(record.rtype, record.rdata) {
                        body.octets.extend_from_slice(&record.rdata[done..field.start]);
                        done = field.end;
                        let name = &record.rdata[field.start..field.end];
                        let at = if field.compressible {
                            self.name(name, body, &mut known)
                        } else {
                            let at = self.base() + body.octets.len();
                            body.octets.extend_from_slice(name);
                            at
                        };
                        if field.additional && name != [0] && at <= REACH {
                            targets.push(Target { name, at });
                        }
                    }
                    body.octets.extend_from_slice(&record.rdata[done..]);
                }
            }
            let length = (body.octets.len() - length_at - 2) as u16;
            body.octets[length_at..length_at + 2].copy_from_slice(&length.to_be_bytes());
        }
    }

    /// Write `name`, ending in a pointer to its longest suffix in the owner or in an earlier name. Returns its
    /// position, or that of the pointer's target if the pointer replaces the whole name.
    fn name(&self, name: &'b [u8], body: &mut Body, known: &mut Vec<Known<'b>>) -> usize {
        let at = self.base() + body.octets.len();
        if name == [0] {
            body.octets.push(0);
            return at;
        }
        let starts = LabelStarts::of(name);
        let mut labels = starts.common(name, &self.starts, self.wire);
        // The answer's owner for a wildcard is the question, which differs from this name.
        if self.wildcard && labels == self.starts.count() {
            labels -= 1;
        }
        let mut target = QUESTION + self.starts.suffix(labels);
        for other in known.iter() {
            let common = starts.common(name, &other.starts, other.wire);
            let suffix = other.starts.suffix(common);
            if common > labels && suffix < other.literal && other.at + suffix <= REACH {
                (labels, target) = (common, other.at + suffix);
            }
        }
        let literal = starts.suffix(labels);
        body.octets.extend_from_slice(&name[..literal]);
        if labels > 0 {
            body.pointer(target);
        } else {
            body.octets.push(0);
        }
        if literal == 0 {
            return target;
        }
        if known.len() < MOST_KNOWN {
            known.push(Known { wire: name, starts, at, literal });
        }
        at
    }
}
