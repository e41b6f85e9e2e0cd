//! Names taken apart from the right: where each label starts, and one hash for each suffix.
//!
//! A question walks down from the apex, so its name is hashed label by label from the right; each suffix costs one
//! label more than the one before. The same hash, taken when the zone is built, leads to the nodes of the index.

#[cfg(test)]
mod tests;

/// The most labels that a name can have, without the root.
const MAX_LABELS: usize = 127;

/// The hash of the name at which a walk starts (the apex of a zone, or the root for the set of zones).
pub(crate) const START: u64 = 0x9e37_79b9_7f4a_7c15;

/// The hash of the name that is one label longer. `label` begins with its length octet; case is not seen.
#[inline]
pub(crate) fn extend(hash: u64, label: &[u8]) -> u64 {
    let mut hash = hash ^ 0xa076_1d64_78bd_642f;
    let mut rest = label;
    while rest.len() > 8 {
        hash = mix(hash ^ fold8(first8(rest)), 0xe703_7ed1_a0b4_28db);
        rest = &rest[8..];
    }
    mix(hash ^ fold8(up_to8(rest)), 0x8ebc_6af0_9c88_c6e3)
}

/// Whether two octet strings agree when A-Z is taken for a-z.
#[inline]
pub(crate) fn eq_folded(a: &[u8], b: &[u8]) -> bool {
    // Most names are asked in the case in which they are kept.
    if a == b {
        return true;
    }
    if a.len() != b.len() {
        return false;
    }
    let (mut a, mut b) = (a, b);
    while a.len() > 8 {
        if fold8(first8(a)) != fold8(first8(b)) {
            return false;
        }
        (a, b) = (&a[8..], &b[8..]);
    }
    fold8(up_to8(a)) == fold8(up_to8(b))
}

/// The first eight octets as a number.
#[inline]
fn first8(octets: &[u8]) -> u64 {
    u64::from_le_bytes(*octets.first_chunk().expect("there are more than eight octets"))
}

/// At most eight octets as a number; different octets, or numbers of them, may not be told apart only if one is zero.
#[inline]
fn up_to8(octets: &[u8]) -> u64 {
    // Two reads that overlap instead of a loop.
    let len = octets.len();
    if let (Some(head), Some(tail)) = (octets.first_chunk::<4>(), octets.last_chunk::<4>()) {
        let (head, tail) = (u32::from_le_bytes(*head) as u64, u32::from_le_bytes(*tail) as u64);
        return tail << (8 * (len - 4)) | head;
    }
    match *octets {
        [] => 0,
        [a] => a as u64,
        [a, b] => (b as u64) << 8 | a as u64,
        [a, b, c, ..] => (c as u64) << 16 | (b as u64) << 8 | a as u64,
    }
}

/// Eight octets at once, A-Z made a-z. Exact for octets of any value.
pub(crate) const fn fold8(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let low = word & (0x7f * ONES);
    let at_least_a = low + (0x80 - b'A' as u64) * ONES;
    let above_z = low + (0x7f - b'Z' as u64) * ONES;
    let upper = !word & (at_least_a ^ above_z) & (0x80 * ONES);
    word | (upper >> 2)
}

/// Multiply to 128 bits and fold.
const fn mix(a: u64, b: u64) -> u64 {
    let product = (a as u128).wrapping_mul(b as u128);
    (product as u64) ^ ((product >> 64) as u64)
}

/// Where the labels of one name start.
pub(crate) struct LabelStarts {
    starts: [u8; MAX_LABELS + 1],
    count: u8,
}

impl LabelStarts {
    /// Of `wire`, a whole valid name.
    #[inline]
    pub(crate) fn of(wire: &[u8]) -> LabelStarts {
        let mut starts = [0; MAX_LABELS + 1];
        let (mut at, mut count) = (0, 0);
        while wire[at] != 0 {
            starts[count] = at as u8;
            count += 1;
            at += 1 + wire[at] as usize;
        }
        starts[count] = at as u8;
        LabelStarts { starts, count: count as u8 }
    }

    /// How many labels there are, without the root.
    #[inline]
    pub(crate) fn count(&self) -> usize {
        self.count as usize
    }

    /// Where the suffix of `labels` labels starts; `labels` is at most [`LabelStarts::count`].
    #[inline]
    pub(crate) fn suffix(&self, labels: usize) -> usize {
        self.starts[self.count as usize - labels] as usize
    }

    /// The label that makes a suffix of `labels` labels out of the one before, length octet included; `labels` >= 1.
    #[inline]
    pub(crate) fn label<'w>(&self, wire: &'w [u8], labels: usize) -> &'w [u8] {
        &wire[self.suffix(labels)..self.suffix(labels - 1)]
    }

    /// How many labels two names have in common, from the right, without regard to case.
    pub(crate) fn common(&self, wire: &[u8], other: &LabelStarts, other_wire: &[u8]) -> usize {
        let most = self.count().min(other.count());
        (1..=most)
            .find(|&n| !self.label(wire, n).eq_ignore_ascii_case(other.label(other_wire, n)))
            .map_or(most, |n| n - 1)
    }
}

/// The first sixteen octets of a name's place in canonical order (RFC 4034 §6.1), counted from below
/// the rightmost `apex_labels` labels. Keys order as the names do; equal keys mean equal names only if [`whole`].
pub(crate) fn sort_key(wire: &[u8], starts: &LabelStarts, apex_labels: usize) -> u128 {
    let mut key = [0u8; 16];
    let mut at = 0;
    'labels: for n in apex_labels + 1..=starts.count() {
        for &octet in &starts.label(wire, n)[1..] {
            if at >= 16 {
                break 'labels;
            }
            // 0 ends a label and sorts before every octet, so the two lowest octets are written as two.
            if octet < 2 {
                key[at] = 1;
                at += 1;
                if at < 16 {
                    key[at] = octet + 1;
                }
            } else {
                key[at] = octet.to_ascii_lowercase();
            }
            at += 1;
        }
        at += 1;
    }
    u128::from_be_bytes(key)
}

/// Whether `key` holds the whole name, so that an equal key means an equal name.
pub(crate) const fn whole(key: u128) -> bool {
    // The last octet alone could be the end of a label with more labels behind it.
    key & 0xffff == 0
}
