//! The text of zone files.
//!
//! RFCs: 1035 §5.1, 3629 §6.

pub(super) fn encoding(text: &[u8]) -> Option<(usize, String)> {
    let marked = text.starts_with(&[0xff, 0xfe]) || text.starts_with(&[0xfe, 0xff]);
    // In UTF-16, every second octet of ASCII text is zero.
    let zeros = text.iter().take(64).filter(|&&octet| octet == 0).count();
    (marked || zeros > text.len().min(64) / 3).then(|| (0, "the file is UTF-16".into()))
}

/// U+FEFF in UTF-8. The scanner skips it.
pub(crate) const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

pub(super) fn byte_order_mark(text: &[u8]) -> Option<(usize, String)> {
    text.starts_with(&BYTE_ORDER_MARK).then(|| (0, "the file begins with a byte order mark".into()))
}

/// A last line without its end may be half of a line. A comment loses nothing.
pub(super) fn last_line(text: &[u8]) -> Option<(usize, String)> {
    let start = text.iter().rposition(|&octet| octet == b'\n').map_or(0, |at| at + 1);
    let line = text[start..].trim_ascii();
    let data = !line.is_empty() && !line.starts_with(b";");
    data.then(|| (text.len() - 1, "the last line does not end".into()))
}
