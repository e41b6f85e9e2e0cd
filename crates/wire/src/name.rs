//! Domain names: absolute, in wire form, compared without regard to case, and ordered canonically (RFC 4034 §6.1).
//!
//! Three types share one set of methods:
//!
//! | type | owns | where it is used |
//! |---|---|---|
//! | [`NameRef`] | nothing, two words | wherever a name is passed or compared |
//! | [`NameBuf`] | 255 bytes on the stack | names read from a message (decompression), without allocation |
//! | [`Name`] | up to 30 octets in place, else a boxed slice | names that are stored |
//!
//! A value of these types is always a complete valid name: at most 255 octets, labels of at most 63 octets, ending in
//! the root label (RFC 1035 §2.3.4, §3.1). Case is preserved (RFC 4343 §4.1) and ignored by `==`, `Hash` and `Ord`.
//! `Ord` is the canonical order of RFC 4034 §6.1.
//!
//! *Limitations*: bit-string labels (retired by RFC 6891 §5) are refused. Internationalized names are shown as
//! A-labels; the tools convert U-labels.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use crate::hash::{self, eq_folded};

#[cfg(test)]
pub(crate) mod tests;

/// The maximum length of a name in wire form, including the root label (RFC 1035 §2.3.4).
pub const MAX_NAME: usize = 255;
/// The maximum length of a label (RFC 1035 §2.3.4).
pub const MAX_LABEL: usize = 63;
/// The maximum number of labels of a name, not counting the root.
pub const MAX_LABELS: usize = 127;

/// The reason why octets or text are not a valid name. `at` is an offset in octets into the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameError {
    /// The input ends inside the name.
    Truncated,
    /// Input follows the root label of the name.
    TrailingBytes {
        /// Where the extra input starts.
        at: usize,
    },
    /// A label is longer than 63 octets.
    LabelTooLong {
        /// Where the label starts.
        at: usize,
    },
    /// The name is longer than 255 octets in wire form.
    NameTooLong,
    /// Two dots in a row, or a dot at the start.
    EmptyLabel {
        /// The offset of the extra dot.
        at: usize,
    },
    /// A compression pointer or a reserved label type occurs where only plain labels are allowed.
    LabelType {
        /// Where the label starts.
        at: usize,
    },
    /// A backslash is followed neither by a character nor by three digits of at most 255.
    BadEscape {
        /// Where the backslash is.
        at: usize,
    },
    /// The name is relative and no origin was given.
    Relative,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NameError::Truncated => write!(f, "the name ends before its root label"),
            NameError::TrailingBytes { at } => write!(f, "surplus bytes after the name at offset {at}"),
            NameError::LabelTooLong { at } => {
                write!(f, "the label at offset {at} is longer than {MAX_LABEL} octets")
            }
            NameError::NameTooLong => write!(f, "the name is longer than {MAX_NAME} octets"),
            NameError::EmptyLabel { at } => write!(f, "empty label at offset {at}"),
            NameError::LabelType { at } => write!(f, "label type not allowed at offset {at}"),
            NameError::BadEscape { at } => {
                write!(f, "bad escape at offset {at}: expected \\X or \\DDD (000-255)")
            }
            NameError::Relative => write!(f, "the name is relative: end it with a dot or give an origin"),
        }
    }
}

impl std::error::Error for NameError {}

/// A borrowed name: absolute, uncompressed, valid.
#[derive(Clone, Copy)]
pub struct NameRef<'a> {
    wire: &'a [u8],
}

impl<'a> NameRef<'a> {
    /// The root.
    pub const ROOT: NameRef<'static> = NameRef { wire: &[0] };

    /// Convert `wire`, which must be exactly one uncompressed name.
    pub fn from_wire(wire: &'a [u8]) -> Result<NameRef<'a>, NameError> {
        let (name, rest) = NameRef::read(wire)?;
        if rest.is_empty() { Ok(name) } else { Err(NameError::TrailingBytes { at: name.wire.len() }) }
    }

    /// Read the uncompressed name at the start of `bytes` and return it with the remaining bytes.
    #[inline]
    pub fn read(bytes: &'a [u8]) -> Result<(NameRef<'a>, &'a [u8]), NameError> {
        let mut at = 0;
        loop {
            let length = *bytes.get(at).ok_or(NameError::Truncated)? as usize;
            if length > MAX_LABEL {
                return Err(NameError::LabelType { at });
            }
            at += 1 + length;
            if at > MAX_NAME {
                return Err(NameError::NameTooLong);
            }
            if length == 0 {
                let (wire, rest) = bytes.split_at(at);
                return Ok((NameRef { wire }, rest));
            }
        }
    }

    /// The octets of the name, including the root label.
    pub fn wire(self) -> &'a [u8] {
        self.wire
    }

    /// The labels from left to right, not counting the root.
    pub fn labels(self) -> Labels<'a> {
        Labels { wire: self.wire }
    }

    /// The number of labels, not counting the root. The `*` of a wildcard counts here, unlike in RRSIG.
    pub fn label_count(self) -> usize {
        let mut count = 0;
        let mut at = 0;
        while self.wire[at] != 0 {
            at += 1 + self.wire[at] as usize;
            count += 1;
        }
        count
    }

    /// The name without its leftmost label, or None for the root.
    pub fn parent(self) -> Option<NameRef<'a>> {
        match self.wire[0] {
            0 => None,
            length => Some(NameRef { wire: &self.wire[1 + length as usize..] }),
        }
    }

    /// The leftmost label, or None for the root.
    pub fn first_label(self) -> Option<&'a [u8]> {
        self.labels().next()
    }

    /// The rightmost `labels` labels and the root, or the whole name if it has fewer labels.
    pub fn suffix(self, labels: usize) -> NameRef<'a> {
        let mut name = self;
        for _ in labels..self.label_count() {
            name = NameRef { wire: &name.wire[1 + name.wire[0] as usize..] };
        }
        name
    }

    /// Return whether this is the root.
    pub fn is_root(self) -> bool {
        self.wire.len() == 1
    }

    /// Return whether the leftmost label is `*` (RFC 4592 §2.1.1).
    pub fn is_wildcard(self) -> bool {
        self.wire.starts_with(b"\x01*")
    }

    /// Return whether this name is `ancestor` or is below it.
    pub fn is_at_or_below(self, ancestor: NameRef<'_>) -> bool {
        let Some(cut) = self.wire.len().checked_sub(ancestor.wire.len()) else { return false };
        // The suffix must start at the start of a label. Otherwise `notexample.` would be below `example.`.
        let mut at = 0;
        while at < cut {
            at += 1 + self.wire[at] as usize;
        }
        at == cut && eq_folded(&self.wire[cut..], ancestor.wire)
    }

    /// Return whether this name is strictly below `ancestor`.
    pub fn is_below(self, ancestor: NameRef<'_>) -> bool {
        self.wire.len() > ancestor.wire.len() && self.is_at_or_below(ancestor)
    }

    /// The number of labels that the two names share, counted from the root, not counting the root.
    pub fn common_labels(self, other: NameRef<'_>) -> usize {
        let (mut a, mut b) = ([0u8; MAX_LABELS + 1], [0u8; MAX_LABELS + 1]);
        let (count_a, count_b) = (self.label_offsets(&mut a), other.label_offsets(&mut b));
        let mut common = 0;
        while common < count_a.min(count_b) {
            let left = label_at(self.wire, a[count_a - 1 - common]);
            let right = label_at(other.wire, b[count_b - 1 - common]);
            if !left.eq_ignore_ascii_case(right) {
                break;
            }
            common += 1;
        }
        common
    }

    /// A 64-bit hash that ignores case. It uses the secret key of this process and differs from run to run.
    #[inline]
    pub fn hash64(self) -> u64 {
        hash::key().name(self.wire)
    }

    /// Return whether the two names have the same octets, including case.
    pub fn eq_exact(self, other: NameRef<'_>) -> bool {
        self.wire == other.wire
    }

    /// A copy that owns its octets.
    pub fn to_name(self) -> Name {
        let length = self.wire.len();
        if length > INLINE {
            return Name { octets: Octets::Boxed(self.wire.into()) };
        }
        let mut bytes = [0; INLINE];
        bytes[..length].copy_from_slice(self.wire);
        Name { octets: Octets::Inline { length: length as u8, bytes } }
    }

    /// A copy on the stack.
    pub fn to_buf(self) -> NameBuf {
        let mut buf = NameBuf::EMPTY;
        buf.bytes[..self.wire.len()].copy_from_slice(self.wire);
        buf.len = self.wire.len() as u8;
        buf
    }

    /// A copy on the stack in lower case: the canonical form of RFC 4034 §6.2.
    pub fn lower(self) -> NameBuf {
        let mut buf = self.to_buf();
        // Length octets are at most 63 and are therefore never ASCII letters.
        buf.bytes[..self.wire.len()].make_ascii_lowercase();
        buf
    }

    /// Return this name with `label` prepended, or None if the result is too long or `label` is empty or longer than
    /// 63 octets.
    pub fn with_label(self, label: &[u8]) -> Option<NameBuf> {
        let len = self.wire.len() + 1 + label.len();
        if label.is_empty() || label.len() > MAX_LABEL || len > MAX_NAME {
            return None;
        }
        let mut buf = NameBuf::EMPTY;
        buf.bytes[0] = label.len() as u8;
        buf.bytes[1..=label.len()].copy_from_slice(label);
        buf.bytes[1 + label.len()..len].copy_from_slice(self.wire);
        buf.len = len as u8;
        Some(buf)
    }

    /// Return this name with its suffix `from` replaced by `to`: the substitution of DNAME (RFC 6672 §2.2). Returns
    /// None if the name is not at or below `from`, and `Err(NameTooLong)` if the result is too long.
    pub fn with_suffix(self, from: NameRef<'_>, to: NameRef<'_>) -> Option<Result<NameBuf, NameError>> {
        if !self.is_at_or_below(from) {
            return None;
        }
        let prefix = &self.wire[..self.wire.len() - from.wire.len()];
        let len = prefix.len() + to.wire.len();
        if len > MAX_NAME {
            return Some(Err(NameError::NameTooLong));
        }
        let mut buf = NameBuf::EMPTY;
        buf.bytes[..prefix.len()].copy_from_slice(prefix);
        buf.bytes[prefix.len()..len].copy_from_slice(to.wire);
        buf.len = len as u8;
        Some(Ok(buf))
    }

    /// Compare in the canonical order of RFC 4034 §6.1: label by label from the right, each as lower-case octets.
    pub fn canonical_cmp(self, other: NameRef<'_>) -> Ordering {
        let (mut a, mut b) = ([0u8; MAX_LABELS + 1], [0u8; MAX_LABELS + 1]);
        let (count_a, count_b) = (self.label_offsets(&mut a), other.label_offsets(&mut b));
        for i in 1..=count_a.min(count_b) {
            let left = label_at(self.wire, a[count_a - i]);
            let right = label_at(other.wire, b[count_b - i]);
            let folded = |l: &'_ u8| l.to_ascii_lowercase();
            match left.iter().map(folded).cmp(right.iter().map(folded)) {
                Ordering::Equal => {}
                unequal => return unequal,
            }
        }
        count_a.cmp(&count_b)
    }

    /// Write the offset of each label, not counting the root, to `out`, leftmost first, and return the number of
    /// labels.
    pub fn label_offsets(self, out: &mut [u8; MAX_LABELS + 1]) -> usize {
        let (mut count, mut at) = (0, 0);
        while self.wire[at] != 0 {
            out[count] = at as u8;
            count += 1;
            at += 1 + self.wire[at] as usize;
        }
        count
    }
}

/// The label whose length octet is at `at`.
fn label_at(wire: &[u8], at: u8) -> &[u8] {
    let at = at as usize;
    &wire[at + 1..at + 1 + wire[at] as usize]
}

impl PartialEq for NameRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        eq_folded(self.wire, other.wire)
    }
}
impl Eq for NameRef<'_> {}
impl Hash for NameRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash64());
    }
}
impl PartialOrd for NameRef<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for NameRef<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.canonical_cmp(*other)
    }
}

/// Master-file presentation with the final dot (RFC 1035 §5.1, RFC 4343 §2.1).
impl fmt::Display for NameRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return f.write_str(".");
        }
        for label in self.labels() {
            for &octet in label {
                match octet {
                    b'.' | b'"' | b'(' | b')' | b';' | b'\\' | b'@' | b'$' => {
                        write!(f, "\\{}", octet as char)?
                    }
                    b'!'..=b'~' => write!(f, "{}", octet as char)?,
                    _ => write!(f, "\\{octet:03}")?,
                }
            }
            f.write_str(".")?;
        }
        Ok(())
    }
}
impl fmt::Debug for NameRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The labels of a name from left to right, not counting the root.
#[derive(Clone, Debug)]
pub struct Labels<'a> {
    wire: &'a [u8],
}

impl<'a> Iterator for Labels<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let length = self.wire[0] as usize;
        if length == 0 {
            return None;
        }
        let (label, rest) = self.wire[1..].split_at(length);
        self.wire = rest;
        Some(label)
    }
}

/// A name that owns its octets: a short one in place, a long one on the heap.
#[derive(Clone)]
pub struct Name {
    octets: Octets,
}

/// Octets of the longest name that is kept in place, so that a [`Name`] has the size of four words.
const INLINE: usize = 30;

/// The octets of a [`Name`]. Most names are short, and a resolver copies some of them tens of times for each query.
#[derive(Clone)]
enum Octets {
    Inline { length: u8, bytes: [u8; INLINE] },
    Boxed(Box<[u8]>),
}

impl Name {
    /// The root.
    pub fn root() -> Name {
        NameRef::ROOT.to_name()
    }

    /// Borrow the name.
    #[inline]
    pub fn as_ref(&self) -> NameRef<'_> {
        NameRef {
            wire: match &self.octets {
                Octets::Inline { length, bytes } => &bytes[..usize::from(*length)],
                Octets::Boxed(wire) => wire,
            },
        }
    }

    /// Copy `wire`, which must be exactly one uncompressed name.
    pub fn from_wire(wire: &[u8]) -> Result<Name, NameError> {
        NameRef::from_wire(wire).map(NameRef::to_name)
    }

    /// Parse presentation form. A relative name is completed with `origin`, and `@` is the origin itself (RFC 1035
    /// §5.1).
    pub fn parse(text: &[u8], origin: Option<NameRef<'_>>) -> Result<Name, NameError> {
        NameBuf::parse(text, origin).map(|name| name.as_ref().to_name())
    }
}

/// Parse an absolute name. The final dot may be missing.
impl std::str::FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Name, NameError> {
        Name::parse(text.as_bytes(), Some(NameRef::ROOT))
    }
}

/// A name on the stack.
#[derive(Clone, Copy)]
pub struct NameBuf {
    len: u8,
    bytes: [u8; MAX_NAME],
}

impl NameBuf {
    /// A buffer without octets. It is not a valid name and therefore never leaves this crate.
    pub(crate) const EMPTY: NameBuf = NameBuf { len: 0, bytes: [0; MAX_NAME] };
    /// The root.
    pub const ROOT: NameBuf = NameBuf { len: 1, bytes: [0; MAX_NAME] };

    /// Borrow the name.
    pub fn as_ref(&self) -> NameRef<'_> {
        NameRef { wire: &self.bytes[..self.len as usize] }
    }

    /// A copy on the heap.
    pub fn to_name(&self) -> Name {
        self.as_ref().to_name()
    }

    /// Append octets of a name that is being decompressed. The caller appends the root label last.
    pub(crate) fn push(&mut self, octets: &[u8]) -> Result<(), NameError> {
        let start = self.len as usize;
        let end = start + octets.len();
        if end > MAX_NAME {
            return Err(NameError::NameTooLong);
        }
        self.bytes[start..end].copy_from_slice(octets);
        self.len = end as u8;
        Ok(())
    }

    /// Parse presentation form. A relative name is completed with `origin`, and `@` is the origin itself (RFC 1035
    /// §5.1).
    pub fn parse(text: &[u8], origin: Option<NameRef<'_>>) -> Result<NameBuf, NameError> {
        match text {
            b"." => return Ok(NameBuf::ROOT),
            b"@" => return origin.map(NameRef::to_buf).ok_or(NameError::Relative),
            b"" => return Err(NameError::EmptyLabel { at: 0 }),
            _ => {}
        }
        let mut name = NameBuf::EMPTY;
        let mut at = 0;
        loop {
            // One label. Its length octet is set at the next dot or at the end.
            let (start, length_at) = (at, name.len as usize);
            name.push(&[0])?;
            let absolute = loop {
                match text.get(at) {
                    None => break None,
                    Some(b'.') => break Some(at + 1 == text.len()),
                    Some(b'\\') => {
                        let (octet, used) = escape(&text[at..]).ok_or(NameError::BadEscape { at })?;
                        name.push(&[octet])?;
                        at += used;
                    }
                    Some(&octet) => {
                        name.push(&[octet])?;
                        at += 1;
                    }
                }
            };
            let length = name.len as usize - length_at - 1;
            if length == 0 {
                return Err(NameError::EmptyLabel { at: start });
            }
            if length > MAX_LABEL {
                return Err(NameError::LabelTooLong { at: start });
            }
            name.bytes[length_at] = length as u8;
            match absolute {
                Some(false) => at += 1,
                Some(true) => {
                    name.push(&[0])?;
                    return Ok(name);
                }
                None => {
                    name.push(origin.ok_or(NameError::Relative)?.wire)?;
                    return Ok(name);
                }
            }
        }
    }
}

/// Return the octet of the escape at the start of `text`, and the length of the escape (RFC 1035 §5.1).
pub(crate) fn escape(text: &[u8]) -> Option<(u8, usize)> {
    match *text {
        [b'\\', a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', ..] => {
            let value = (a - b'0') as u16 * 100 + (b - b'0') as u16 * 10 + (c - b'0') as u16;
            u8::try_from(value).ok().map(|octet| (octet, 4))
        }
        [b'\\', b'0'..=b'9', ..] => None,
        [b'\\', octet, ..] => Some((octet, 2)),
        _ => None,
    }
}

macro_rules! as_name_ref {
    ($($owner:ty),*) => {$(
        impl PartialEq for $owner {
            fn eq(&self, other: &Self) -> bool {
                self.as_ref() == other.as_ref()
            }
        }
        impl Eq for $owner {}
        impl PartialEq<NameRef<'_>> for $owner {
            fn eq(&self, other: &NameRef<'_>) -> bool {
                self.as_ref() == *other
            }
        }
        impl Hash for $owner {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.as_ref().hash(state);
            }
        }
        impl PartialOrd for $owner {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }
        impl Ord for $owner {
            fn cmp(&self, other: &Self) -> Ordering {
                self.as_ref().canonical_cmp(other.as_ref())
            }
        }
        impl fmt::Display for $owner {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.as_ref(), f)
            }
        }
        impl fmt::Debug for $owner {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.as_ref(), f)
            }
        }
    )*};
}
as_name_ref!(Name, NameBuf);
