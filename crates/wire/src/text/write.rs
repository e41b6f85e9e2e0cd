//! Writes octets as the words that [`super::Tokens`] reads.

use crate::name::NameRef;

/// Append `name` in presentation form, with its final dot. RFC 1035 §5.1
pub fn push_name(out: &mut String, name: NameRef<'_>) {
    push_wire_name(out, name.wire());
}

/// Do the same as [`push_name`] for wire that is known to be an uncompressed name.
pub(crate) fn push_wire_name(out: &mut String, wire: &[u8]) {
    if wire == [0] {
        out.push('.');
        return;
    }
    let mut rest = wire;
    while let [length @ 1..=63, tail @ ..] = rest {
        let (label, after) = tail.split_at(usize::from(*length).min(tail.len()));
        for &octet in label {
            match octet {
                b'"' | b'(' | b')' | b'.' | b';' | b'\\' | b'@' | b'$' => {
                    out.push('\\');
                    out.push(char::from(octet));
                }
                0x21..=0x7e => out.push(char::from(octet)),
                _ => push_escape(out, octet),
            }
        }
        out.push('.');
        rest = after;
    }
}

/// Append the octets of one character string (without its length octet) in quotes. RFC 1035 §5.1
pub fn push_char_string(out: &mut String, octets: &[u8]) {
    push_quoted(out, octets);
}

/// Append octets in quotes. `"` and `\` are escaped, and octets that are not printable ASCII become `\DDD`.
pub fn push_quoted(out: &mut String, octets: &[u8]) {
    out.push('"');
    push_escaped(out, octets);
    out.push('"');
}

pub(crate) fn push_escaped(out: &mut String, octets: &[u8]) {
    for &octet in octets {
        match octet {
            b'"' | b'\\' => {
                out.push('\\');
                out.push(char::from(octet));
            }
            0x20..=0x7e => out.push(char::from(octet)),
            _ => push_escape(out, octet),
        }
    }
}

pub(crate) fn push_escape(out: &mut String, octet: u8) {
    out.push('\\');
    out.push(char::from(b'0' + octet / 100));
    out.push(char::from(b'0' + octet / 10 % 10));
    out.push(char::from(b'0' + octet % 10));
}

/// Append `value` in decimal, without the formatting machinery of the standard library.
pub fn push_number(out: &mut String, value: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut rest = value;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend(digits[at..].iter().map(|&digit| char::from(digit)));
}

/// Append `value` with leading zeros to at least `width` digits.
pub(crate) fn push_padded(out: &mut String, value: u64, width: u32) {
    for place in (1..width).rev() {
        if value < 10u64.pow(place) {
            out.push('0');
        }
    }
    push_number(out, value);
}

/// Append seconds since 1970 as `YYYYMMDDHHmmSS`. RFC 4034 §3.2
pub fn push_time(out: &mut String, seconds: u32) {
    let days = u64::from(seconds) / 86_400 + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let second_of_day = u64::from(seconds) % 86_400;
    push_padded(out, year, 4);
    for value in [month, day, second_of_day / 3_600, second_of_day / 60 % 60, second_of_day % 60] {
        push_padded(out, value, 2);
    }
}
