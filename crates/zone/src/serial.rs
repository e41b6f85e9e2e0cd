//! Serial numbers of zones (RFC 1982 §3, with 32 bits).

use std::cmp::Ordering;

/// Compare two serials. None if the order is undefined because they are half the circle apart (RFC 1982 §3.2).
pub fn compare(a: u32, b: u32) -> Option<Ordering> {
    match a.wrapping_sub(b) {
        0 => Some(Ordering::Equal),
        0x8000_0000 => None,
        ahead if ahead < 0x8000_0000 => Some(Ordering::Greater),
        _ => Some(Ordering::Less),
    }
}

/// Whether `a` is newer than `b`.
pub fn is_newer(a: u32, b: u32) -> bool {
    compare(a, b) == Some(Ordering::Greater)
}

/// The next serial. It skips 0, because some software interprets it as "none".
pub fn next(serial: u32) -> u32 {
    serial.checked_add(1).unwrap_or(1)
}
