//! Reads names from the right: the start of each label, and the key that sorts names canonically.
//!
//! A question walks down from the apex, so its name is hashed label by label from the right. Each suffix costs one
//! label more than the previous one. The index uses the same hash, computed when the zone is built.

#[cfg(test)]
mod tests;

/// Maximum number of labels in a name, without the root.
const MAX_LABELS: usize = 127;

/// The starts of the labels of one name.
pub(crate) struct LabelStarts {
    starts: [u8; MAX_LABELS + 1],
    count: u8,
}

impl LabelStarts {
    /// The label starts of `wire`, a whole valid name.
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

    /// The number of labels, without the root.
    #[inline]
    pub(crate) fn count(&self) -> usize {
        self.count as usize
    }

    /// The start of the suffix with `labels` labels. `labels` is at most [`LabelStarts::count`].
    #[inline]
    pub(crate) fn suffix(&self, labels: usize) -> usize {
        self.starts[self.count as usize - labels] as usize
    }

    /// The first label of the suffix with `labels` labels, including its length octet. `labels` is at least 1.
    #[inline]
    pub(crate) fn label<'w>(&self, wire: &'w [u8], labels: usize) -> &'w [u8] {
        &wire[self.suffix(labels)..self.suffix(labels - 1)]
    }

    /// The number of labels that two names share, counted from the right, ignoring case.
    pub(crate) fn common(&self, wire: &[u8], other: &LabelStarts, other_wire: &[u8]) -> usize {
        let most = self.count().min(other.count());
        (1..=most)
            .find(|&n| !self.label(wire, n).eq_ignore_ascii_case(other.label(other_wire, n)))
            .map_or(most, |n| n - 1)
    }
}

/// The first sixteen octets of a name's canonical sort key (RFC 4034 §6.1), without the rightmost `apex_labels`
/// labels. Keys have the order of the names. Equal keys imply equal names only if [`whole`] is true.
pub(crate) fn sort_key(wire: &[u8], starts: &LabelStarts, apex_labels: usize) -> u128 {
    let mut key = [0u8; 16];
    let mut at = 0;
    'labels: for n in apex_labels + 1..=starts.count() {
        for &octet in &starts.label(wire, n)[1..] {
            if at >= 16 {
                break 'labels;
            }
            // 0 ends a label and sorts before every octet, so each of the two lowest octets takes two octets in the
            // key.
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

/// Whether `key` contains the whole name, so that equal keys imply equal names.
pub(crate) const fn whole(key: u128) -> bool {
    // If only the last octet is 0, more labels may follow.
    key & 0xffff == 0
}
