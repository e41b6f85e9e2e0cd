//! Serial numbers of zones (RFC 1982 §3, with 32 bits).

use std::cmp::Ordering;

/// Whether `a` is older than, the same as or newer than `b`; None where RFC 1982 §3.2 leaves it undefined, half the
/// circle apart.
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

/// The next serial; 0 is passed over, for some software takes it for "none".
pub fn next(serial: u32) -> u32 {
    serial.checked_add(1).unwrap_or(1)
}
