//! Names read from the right: where each label starts, and the key that sorts names canonically.
//!
//! A question walks down from the apex, so its name is hashed label by label from the right; each suffix costs one
//! label more than the one before. The same hash, taken when the zone is built, leads to the nodes of the index.

#[cfg(test)]
mod tests;

/// The most labels that a name can have, without the root.
const MAX_LABELS: usize = 127;

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
