//! The server side of a zone transfer: the records of one answer to AXFR or IXFR, message by message.
//!
//! ```text
//! zone          SOA │ every other record, in canonical order of the owners │ SOA             (RFC 5936 §2.2)
//! differences   SOA │ old SOA, removed, newer SOA, added │ ... one by one  │ SOA             (RFC 1995 §4)
//! current       SOA                                                                          (RFC 1995 §2)
//! ```
//! An [`Outgoing`] owns one version of the zone and a position in it. It needs a few octets however large the zone is, and
//! later versions do not change what it sends.
//!
//! Bodies of the zone are copied as they were rendered at load, and only their pointers move. A compression pointer reaches the
//! first 16 KiB of a message, so that messages of a whole zone end there: in larger ones, each record behind that border
//! would repeat its owner, and more octets would be sent in fewer messages. RRsets that do not fit are written
//! record by record into messages of up to 64 KiB.
//!
//! *Limitations*: the labels of the apex have the case of the question (RFC 5936 §3.4 asks for the case of the zone).

use nw_wire::{Full, NameRef, RrType, Section, Writer};

use crate::delta::View;
use crate::place::{NamePlace, put, put_with_owner};
use crate::store::{Entry, EntryKind, Node, Zone};

#[cfg(test)]
mod tests;

/// The octets of a message that a compression pointer reaches (RFC 1035 §4.1.4).
const REACH: usize = 1 << 14;

/// What an [`Outgoing`] sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contents {
    /// The SOA: the client has this version or a newer one.
    Current,
    /// This number of differences.
    Differences(usize),
    /// All records.
    Zone,
}

/// The records of one answer to AXFR or IXFR that were not written yet.
#[derive(Debug)]
pub struct Outgoing {
    zone: Zone,
    contents: Contents,
    at: At,
}

/// What is written next.
#[derive(Debug)]
enum At {
    FirstSoa,
    Zone(Walk),
    /// The place in the octets of one of the last differences.
    Differences {
        left: usize,
        octet: usize,
    },
    LastSoa,
    End,
}

impl Outgoing {
    /// All records of *zone* (AXFR).
    pub fn zone(zone: Zone) -> Outgoing {
        Outgoing { zone, contents: Contents::Zone, at: At::FirstSoa }
    }

    /// What leads a client from the version with *serial* to *zone* (IXFR): the differences if they are kept and have not more
    /// records than the zone, else all records.
    pub fn since(zone: Zone, serial: u32) -> Outgoing {
        let is_behind = crate::serial::is_newer(zone.serial(), serial);
        // The order of two serials that are half the circle apart is not defined (RFC 1982 §3.2).
        let is_current = !is_behind && crate::serial::compare(zone.serial(), serial).is_some();
        let kept = zone.history.as_ref().and_then(|history| history.since(serial));
        let contents = match kept {
            _ if is_current => Contents::Current,
            Some(kept) if is_behind && kept.iter().map(|one| one.records).sum::<u64>() <= zone.len() => {
                Contents::Differences(kept.len())
            }
            _ => Contents::Zone,
        };
        Outgoing { zone, contents, at: At::FirstSoa }
    }

    /// What is sent.
    pub fn contents(&self) -> Contents {
        self.contents
    }

    /// The zone.
    pub fn of(&self) -> &Zone {
        &self.zone
    }

    /// Whether everything was written.
    pub fn is_complete(&self) -> bool {
        matches!(self.at, At::End)
    }

    /// Write the SOA alone (RFC 1995 §2).
    pub fn write_soa(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        let soa = self.zone.rrset(self.zone.apex(), RrType::SOA).expect("every zone has an SOA");
        out.rrset(Section::Answer, &soa)
    }

    /// Write as many records as fit into the answer section of *out*, whose question is the apex and which has no other records.
    ///
    /// Returns false if nothing was left. Returns `Full` for a record that fits in no message.
    pub fn write(&mut self, out: &mut Writer<'_>) -> Result<bool, Full> {
        let all = loop {
            let written = match &mut self.at {
                At::FirstSoa | At::LastSoa => self.write_soa(out),
                At::Zone(walk) => walk.write(self.zone.view(), out),
                At::Differences { left, octet } => write_differences(&self.zone, left, octet, out),
                At::End => break Ok(()),
            };
            if written.is_err() {
                break written;
            }
            self.at = match (&self.at, self.contents) {
                (At::FirstSoa, Contents::Current) | (At::LastSoa | At::End, _) => At::End,
                (At::FirstSoa, Contents::Differences(left)) => At::Differences { left, octet: 0 },
                (At::FirstSoa, Contents::Zone) => At::Zone(Walk::default()),
                (At::Zone(_) | At::Differences { .. }, _) => At::LastSoa,
            };
        };
        match (out.counts()[1], all) {
            (0, Err(Full)) => Err(Full),
            (written, _) => Ok(written > 0),
        }
    }
}

/// Write the last *left* differences, the first of them from *octet* on.
fn write_differences(
    zone: &Zone,
    left: &mut usize,
    octet: &mut usize,
    out: &mut Writer<'_>,
) -> Result<(), Full> {
    let kept = zone.history.as_ref().map_or(&[][..], |history| history.all());
    while let Some(difference) = kept.len().checked_sub(*left).and_then(|at| kept.get(at)) {
        while let Some(length) = write_wire(&difference.octets[*octet..], zone, out)? {
            *octet += length;
        }
        (*left, *octet) = (*left - 1, 0);
    }
    Ok(())
}

/// Write the first record of *octets* and return its length. None: there is none.
fn write_wire(octets: &[u8], zone: &Zone, out: &mut Writer<'_>) -> Result<Option<usize>, Full> {
    if octets.is_empty() {
        return Ok(None);
    }
    let (owner, rest) = NameRef::read(octets).expect("the history was made from valid records");
    let word = |at: usize| u16::from_be_bytes([rest[at], rest[at + 1]]);
    let ttl = u32::from(word(4)) << 16 | u32::from(word(6));
    let length = usize::from(word(8));
    let rdata = &rest[10..10 + length];
    out.record(Section::Answer, owner, RrType(word(0)), zone.class(), ttl, rdata)?;
    Ok(Some(owner.wire().len() + 10 + length))
}

/// A position among the records of a zone.
#[derive(Debug)]
struct Walk {
    /// The next node of the store: segment, and octet in it.
    segment: usize,
    octet: usize,
    /// The next changed node.
    changed: usize,
    /// The next RRset of the node.
    rrset: usize,
    /// The next record of the RRset. Not 0 if a message ended within it.
    record: usize,
}

impl Default for Walk {
    fn default() -> Walk {
        // The first four octets of a segment are unused.
        Walk { segment: 0, octet: 4, changed: 0, rrset: 0, record: 0 }
    }
}

impl Walk {
    /// Write the records of all nodes except the SOA.
    fn write(&mut self, view: View<'_>, out: &mut Writer<'_>) -> Result<(), Full> {
        let apex_len = view.store.apex.as_ref().wire().len();
        while let Some((node, is_changed)) = self.node(view) {
            self.write_node(node, apex_len, view, out)?;
            self.rrset = 0;
            if is_changed { self.changed += 1 } else { self.octet += node.size() }
        }
        Ok(())
    }

    /// The next node, and whether it is a changed one.
    fn node<'z>(&mut self, view: View<'z>) -> Option<(Node<'z>, bool)> {
        loop {
            let stored = self.stored(view);
            let Some(changed) = view.changed().get(self.changed) else { return Some((stored?, false)) };
            if let Some(stored) = stored {
                match stored.owner().cmp(&changed.node().owner()) {
                    std::cmp::Ordering::Less => return Some((stored, false)),
                    std::cmp::Ordering::Equal => self.octet += stored.size(),
                    std::cmp::Ordering::Greater => {}
                }
            }
            if changed.exists {
                return Some((changed.node(), true));
            }
            self.changed += 1;
        }
    }

    /// The next node of the store.
    fn stored<'z>(&mut self, view: View<'z>) -> Option<Node<'z>> {
        loop {
            let segment = view.store.segments.get(self.segment)?;
            if let Some(rest) = segment.get(self.octet..).filter(|rest| !rest.is_empty()) {
                return Some(Node::new(rest));
            }
            (self.segment, self.octet) = (self.segment + 1, 4);
        }
    }

    fn write_node(
        &mut self,
        node: Node<'_>,
        apex_len: usize,
        view: View<'_>,
        out: &mut Writer<'_>,
    ) -> Result<(), Full> {
        let (owner, question) = (node.wire(), NamePlace::question(apex_len));
        let is_apex = owner.len() == apex_len;
        let mut name = is_apex.then_some(question);
        for entry in node.sets().skip(self.rrset) {
            if !(is_apex && entry.rtype == RrType::SOA && entry.kind == EntryKind::Set) {
                let end = out.len() + owner.len() + 2 + entry.records.len();
                let copied = match name {
                    _ if end > REACH || self.record > 0 => Err(Full),
                    Some(name) => put(out, Section::Answer, &entry, owner, name),
                    None => put_with_owner(out, Section::Answer, &entry, owner.len(), owner, question),
                };
                match copied {
                    Ok(placed) => name = Some(placed.name),
                    Err(Full) if out.counts()[1] > 0 => return Err(Full),
                    Err(Full) => self.write_records(node, &entry, view, out)?,
                }
            }
            self.rrset += 1;
        }
        Ok(())
    }

    /// Write the records of an RRset that is too large to be copied in one piece.
    fn write_records(
        &mut self,
        node: Node<'_>,
        entry: &Entry<'_>,
        view: View<'_>,
        out: &mut Writer<'_>,
    ) -> Result<(), Full> {
        let (owner, rtype, class, ttl) = (node.owner(), entry.data_type(), view.store.class, entry.ttl());
        let (mut number, mut written) = (0, Ok(()));
        entry.each_rdata(node.wire(), rtype, |rdata| {
            if number == self.record && written.is_ok() {
                written = out.record(Section::Answer, owner, rtype, class, ttl, rdata);
                self.record += usize::from(written.is_ok());
            }
            number += 1;
        });
        written?;
        self.record = 0;
        Ok(())
    }
}
