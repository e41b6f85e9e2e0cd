//! The root key sentinel: by SERVFAIL, a resolver tells a client whether it trusts a key of the root (RFC 8509).
//!
//! ```text
//! root-key-sentinel-is-ta-20326.example.com. A      SERVFAIL unless key 20326 is a trust anchor of the root
//! root-key-sentinel-not-ta-20326.example.com. A     SERVFAIL if it is
//! ```
//! Only for answers and denials that are secure, types A and AAAA, and clients without CD (RFC 8509 §2.1). The cache answers no such question by itself:
//! [`is_sentinel`] costs one comparison for other names.

use nw_wire::code::RrType;
use nw_wire::name::NameRef;

use crate::resolution::ClientQuestion;

const IS_TA: &[u8] = b"root-key-sentinel-is-ta-";
const NOT_TA: &[u8] = b"root-key-sentinel-not-ta-";
/// Digits of a key tag, with leading zeros.
const DIGITS: usize = 5;

/// What a question of the sentinel asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sentinel {
    pub(crate) key_tag: u16,
    /// Whether the answer is given only if the key is trusted, or only if it is not.
    pub(crate) trusted: bool,
}

impl Sentinel {
    /// What *question* asks of the sentinel, if it does (RFC 8509 §2.1).
    pub(crate) fn of(question: &ClientQuestion) -> Option<Sentinel> {
        matches!(question.rtype, RrType::A | RrType::AAAA).then_some(())?;
        Sentinel::in_name(question.name.as_ref())
    }

    fn in_name(name: NameRef<'_>) -> Option<Sentinel> {
        let label = name.labels().next()?;
        let (prefix, trusted) = match label.len().checked_sub(DIGITS)? {
            length if length == IS_TA.len() => (IS_TA, true),
            length if length == NOT_TA.len() => (NOT_TA, false),
            _ => return None,
        };
        let (start, digits) = label.split_at(prefix.len());
        let is_tag = start.eq_ignore_ascii_case(prefix) && digits.iter().all(u8::is_ascii_digit);
        let key_tag = std::str::from_utf8(digits).ok().filter(|_| is_tag)?.parse().ok()?;
        Some(Sentinel { key_tag, trusted })
    }
}

/// Whether *name* is one that the root key sentinel looks at.
#[inline]
pub fn is_sentinel(name: NameRef<'_>) -> bool {
    let length = usize::from(name.wire()[0]);
    (length == IS_TA.len() + DIGITS || length == NOT_TA.len() + DIGITS) && Sentinel::in_name(name).is_some()
}

#[cfg(test)]
mod tests {
    use super::{Sentinel, is_sentinel};
    use nw_wire::name::Name;

    #[test]
    fn only_whole_labels_with_five_digits_are_sentinels() {
        let read = |text: &str| {
            let name: Name = text.parse().expect("a name");
            let found = Sentinel::in_name(name.as_ref()).map(|found| (found.key_tag, found.trusted));
            assert_eq!(is_sentinel(name.as_ref()), found.is_some(), "{text}");
            found
        };
        assert_eq!(read("root-key-sentinel-is-ta-20326.example."), Some((20326, true)));
        assert_eq!(read("ROOT-key-sentinel-NOT-ta-00007."), Some((7, false)));
        for other in [
            "root-key-sentinel-is-ta-2032.example.",
            "root-key-sentinel-is-ta-99999.example.",
            "root-key-sentinel-is-ta-+2032.example.",
            "www.root-key-sentinel-is-ta-20326.example.",
            "root-key-sentinel-not-tb-20326.example.",
            ".",
        ] {
            assert_eq!(read(other), None, "{other}");
        }
    }
}
