//! Copies bodies into a message in one piece, and moves their pointers to the positions of the owner and the body.
//!
//! A body was rendered for the layout `question = owner, followed directly by the body`. If the question *is* the
//! owner, the message has this layout, and no pointer moves. Otherwise, a pointer into the owner moves to the owner's
//! position in the message, label by label from the right. So the question can contain the owner of a referral, or
//! the suffix that a wildcard shares with it. A pointer into the body moves with the body.

use nw_wire::{Full, Section, Writer};

use crate::store::{Entry, QUESTION};

/// The position of the octets of a name in a message: in one piece, or in two.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NamePlace {
    len: u16,
    /// The number of octets at `head_at`. The rest is at `tail_at`.
    head: u16,
    head_at: u16,
    tail_at: u16,
}

impl NamePlace {
    /// The question name, `len` octets long.
    #[inline]
    pub(crate) fn question(len: usize) -> NamePlace {
        NamePlace::whole(QUESTION, len)
    }

    /// One piece at `at`.
    #[inline]
    pub(crate) fn whole(at: usize, len: usize) -> NamePlace {
        NamePlace { len: len as u16, head: len as u16, head_at: at as u16, tail_at: 0 }
    }

    /// `head` octets at `at`, followed by the end of `rest`. None if that end is itself in two pieces.
    pub(crate) fn joined(at: usize, head: usize, rest: &NamePlace, len: usize) -> Option<NamePlace> {
        let rest = rest.suffix(len - head);
        (rest.head == rest.len).then_some(NamePlace {
            len: len as u16,
            head: head as u16,
            head_at: at as u16,
            tail_at: rest.head_at,
        })
    }

    /// The position of the last `len` octets.
    #[inline]
    pub(crate) fn suffix(&self, len: usize) -> NamePlace {
        let skip = self.len - len as u16;
        if skip < self.head {
            NamePlace { len: len as u16, head: self.head - skip, head_at: self.head_at + skip, ..*self }
        } else {
            NamePlace::whole((self.tail_at + (skip - self.head)) as usize, len)
        }
    }

    /// The position of the octet `offset`.
    #[inline]
    pub(crate) fn at(&self, offset: usize) -> usize {
        let offset = offset as u16;
        (if offset < self.head { self.head_at + offset } else { self.tail_at + (offset - self.head) })
            as usize
    }
}

/// The body of an RRset in a message, to which its extra records point.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placed {
    /// The position of offset 0 of the body.
    pub(crate) at: usize,
    /// The position of the body in the layout.
    base: usize,
    owner_len: usize,
    /// The position of the owner.
    pub(crate) name: NamePlace,
}

impl Placed {
    /// The position in the message of the layout's offset `pointer`.
    #[inline]
    fn follow(&self, pointer: usize) -> usize {
        if pointer >= self.base {
            return self.at + (pointer - self.base);
        }
        let offset = pointer - QUESTION;
        // The whole owner maps to the whole name, even if their lengths differ, as with wildcards (RFC 4592 §3.3.1).
        if offset == 0 {
            self.name.at(0)
        } else {
            self.name.at(self.name.len as usize + offset - self.owner_len)
        }
    }
}

/// Put the records of `entry`, an RRset whose body was rendered for `owner`. `name` is the position of the owner in
/// the answer.
#[inline]
pub(crate) fn put(
    out: &mut Writer<'_>,
    section: Section,
    entry: &Entry<'_>,
    owner: &[u8],
    name: NamePlace,
) -> Result<Placed, Full> {
    let base = QUESTION + owner.len() + 4;
    let placed = Placed { at: out.len(), base, owner_len: owner.len(), name };
    put_beside(out, section, entry, &placed)?;
    Ok(placed)
}

/// Put records that belong to the RRset at `placed` (signatures or additional records), or that RRset itself.
#[inline]
pub(crate) fn put_beside(
    out: &mut Writer<'_>,
    section: Section,
    entry: &Entry<'_>,
    placed: &Placed,
) -> Result<(), Full> {
    let unmoved = placed.at == placed.base
        && placed.name.head_at as usize == QUESTION
        && placed.name.head as usize == placed.owner_len;
    out.placed(section, entry.count, &[], entry.records, |octets| {
        if unmoved {
            return Ok(());
        }
        relocate(octets, entry.pointers, placed)
    })?;
    Ok(())
}

/// Put as many whole RRsets of `entry` as fit. Returns whether all of them did.
pub(crate) fn put_what_fits(
    out: &mut Writer<'_>,
    section: Section,
    entry: &Entry<'_>,
    placed: &Placed,
) -> bool {
    if put_beside(out, section, entry, placed).is_ok() {
        return true;
    }
    let room = out.left();
    let (mut at, mut count) = (0, 0);
    let mut border = (0, 0);
    while at < entry.records.len() {
        let record = &entry.records[at..];
        let end = at + 12 + u16::from_be_bytes([record[10], record[11]]) as usize;
        at = end;
        count += 1;
        if at > room {
            break;
        }
        // Consecutive records with the same owner and type form an RRset.
        if entry.records.get(at..at + 4).is_none_or(|next| next != &record[..4]) {
            border = (at, count);
        }
    }
    if border.1 > 0 {
        let records = &entry.records[..border.0];
        let pointers = entry.pointers.chunks_exact(2).filter(|pointer| offset(pointer) < border.0).count();
        let part = Entry { count: border.1, records, pointers: &entry.pointers[..2 * pointers], ..*entry };
        // If pointers cannot reach far enough, these records are omitted as well.
        let _ = put_beside(out, section, &part, placed);
    }
    false
}

/// Put an RRset whose owner is not in the message, or not within the reach of a pointer. Its first record gets the
/// name `owner` in full up to `apex`, the end of the question, and the others point to it. The body was rendered for
/// a name of `layout_len` octets, the same name or a wildcard.
pub(crate) fn put_with_owner(
    out: &mut Writer<'_>,
    section: Section,
    entry: &Entry<'_>,
    layout_len: usize,
    owner: &[u8],
    apex: NamePlace,
) -> Result<Placed, Full> {
    let literal = owner.len() - apex.len as usize;
    let mut head = [0u8; 257];
    head[..literal].copy_from_slice(&owner[..literal]);
    head[literal..literal + 2].copy_from_slice(&(0xc000 | apex.at(0) as u16).to_be_bytes());
    let at = out.len();
    let name = NamePlace::joined(at, literal, &apex, owner.len()).ok_or(Full)?;
    // The remaining octets omit the first owner pointer, which is two octets long.
    let placed = Placed { at: at + literal, base: QUESTION + layout_len + 4, owner_len: layout_len, name };
    out.placed(section, entry.count, &head[..literal + 2], &entry.records[2..], |octets| {
        relocate(&mut octets[literal..], &entry.pointers[2..], &placed)
    })?;
    Ok(placed)
}

#[inline]
fn offset(pointer: &[u8]) -> usize {
    u16::from_le_bytes([pointer[0], pointer[1]]) as usize
}

/// Move every pointer of the copy `octets` whose offset is in `pointers`.
#[inline]
fn relocate(octets: &mut [u8], pointers: &[u8], placed: &Placed) -> Result<(), Full> {
    for pointer in pointers.chunks_exact(2) {
        let at = offset(pointer);
        let target = placed.follow((u16::from_be_bytes([octets[at], octets[at + 1]]) & 0x3fff) as usize);
        if target > 0x3fff {
            return Err(Full);
        }
        octets[at..at + 2].copy_from_slice(&(0xc000 | target as u16).to_be_bytes());
    }
    Ok(())
}
