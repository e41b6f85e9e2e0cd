//! LOC: a location on Earth. RFC 1876
//!
//! ```text
//! 51 30 12.748 N  0 7 39.611 W  0.00m  1m 10000m 10m
//! latitude        longitude     altitude size, horizontal and vertical precision
//! ```
//!
//! Only version 0 is defined. Other versions are preserved and shown in generic form (RFC 1876 §2).

use super::field::Wire;
use super::present::push_decimal;
use super::{RdataError, RdataFault};
use crate::text::{Expected, TextError, TextFault, Token, Tokens, push_number};

const EQUATOR: u32 = 1 << 31;
/// A degree in thousandths of a second of arc.
const DEGREE: u32 = 3_600_000;
/// Centimetres from the bottom of the scale, 100 km below the ellipsoid, to the ellipsoid.
const SEA: i64 = 10_000_000;

pub(super) fn check(wire: &Wire<'_>, at: usize) -> Result<usize, RdataError> {
    let rdata = wire.rest(at);
    match rdata {
        [0, ..] if rdata.len() < 16 => Err(RdataError { at: wire.end, fault: RdataFault::Short }),
        [0, size, across, height, ..] => {
            let nibbles = [size, across, height].iter().all(|&&octet| octet >> 4 <= 9 && octet & 15 <= 9);
            let within = |from: usize, degrees: u32| {
                let value =
                    u32::from_be_bytes([rdata[from], rdata[from + 1], rdata[from + 2], rdata[from + 3]]);
                value.abs_diff(EQUATOR) <= degrees * DEGREE
            };
            if nibbles && within(4, 90) && within(8, 180) {
                Ok(at + 16)
            } else {
                Err(RdataError { at, fault: RdataFault::Location })
            }
        }
        [_, ..] => Ok(wire.end),
        [] => Err(RdataError { at, fault: RdataFault::Short }),
    }
}

pub(super) fn parse(tokens: &mut Tokens<'_>, out: &mut Vec<u8>) -> Result<(), TextError> {
    let latitude = angle(tokens, 90, *b"NS")?;
    let longitude = angle(tokens, 180, *b"EW")?;
    let token = tokens.word_of(Expected::Location)?;
    let altitude = metres(token)
        .and_then(|cm| u32::try_from(cm + SEA).ok())
        .ok_or_else(|| tokens.wrong(token, Expected::Location))?;
    let mut sizes = [0x12, 0x16, 0x13]; // 1 m, 10 km, 10 m: the defaults of RFC 1876 §3
    for size in &mut sizes {
        let Some(token) = tokens.next_word(Expected::Location)? else { break };
        *size = metres(token).and_then(encode_size).ok_or_else(|| tokens.wrong(token, Expected::Location))?;
    }
    out.push(0);
    out.extend_from_slice(&sizes);
    for value in [latitude, longitude, altitude] {
        out.extend_from_slice(&value.to_be_bytes());
    }
    Ok(())
}

/// `degrees [minutes [seconds]] direction`, as thousandths of a second around the equator or meridian.
fn angle(tokens: &mut Tokens<'_>, limit: u32, directions: [u8; 2]) -> Result<u32, TextError> {
    let mut total = 0u32;
    let first = tokens.offset();
    for (index, unit) in [DEGREE, 60_000, 1, 0].into_iter().enumerate() {
        let token = tokens.word_of(Expected::Location)?;
        let direction = directions.iter().position(|&letter| token.is(&[letter]));
        if let Some(direction) = direction.filter(|_| index > 0) {
            if total > limit * DEGREE {
                return Err(tokens.fault(first, TextFault::TooLarge(Expected::Location)));
            }
            return Ok(if direction == 0 { EQUATOR + total } else { EQUATOR - total });
        }
        let value = match unit {
            DEGREE => decimal(token.bytes, 0).filter(|&degrees| degrees <= u64::from(limit)),
            60_000 => decimal(token.bytes, 0).filter(|&minutes| minutes < 60),
            1 => decimal(token.bytes, 3).filter(|&thousandths| thousandths < 60_000),
            _ => None,
        };
        total += value.ok_or_else(|| tokens.wrong(token, Expected::Location))? as u32 * unit;
    }
    Err(tokens.fault(first, TextFault::Wrong(Expected::Location)))
}

/// Read metres with at most two decimal places and an optional `m`, as centimetres.
fn metres(token: Token<'_>) -> Option<i64> {
    let text = token.bytes.strip_suffix(b"m").or(token.bytes.strip_suffix(b"M")).unwrap_or(token.bytes);
    let (sign, digits) = match text {
        [b'-', digits @ ..] => (-1, digits),
        [b'+', digits @ ..] => (1, digits),
        digits => (1, digits),
    };
    Some(sign * i64::try_from(decimal(digits, 2)?).ok()?)
}

/// Read a decimal number times ten to the power of `places`. More decimal places are refused.
fn decimal(text: &[u8], places: usize) -> Option<u64> {
    let (whole, fraction) = match text.iter().position(|&byte| byte == b'.') {
        Some(dot) => (&text[..dot], &text[dot + 1..]),
        None => (text, &b""[..]),
    };
    if whole.is_empty() || whole.len() > 10 || fraction.len() > places {
        return None;
    }
    let mut value = 0u64;
    for index in 0..whole.len() + places {
        let byte = whole.get(index).or_else(|| fraction.get(index - whole.len())).unwrap_or(&b'0');
        value = value * 10 + u64::from(byte.is_ascii_digit().then(|| byte - b'0')?);
    }
    Some(value)
}

/// Encode as one digit and a power of ten, rounded down as in the RFC's own code (RFC 1876 appendix A). The maximum
/// is 90,000 km (RFC 1876 §2).
fn encode_size(centimetres: i64) -> Option<u8> {
    const MOST: i64 = 9_000_000_000;
    let mut digit = u64::try_from(centimetres).ok().filter(|_| centimetres <= MOST)?;
    let mut power = 0;
    while digit > 9 {
        digit /= 10;
        power += 1;
    }
    Some((digit as u8) << 4 | power)
}

/// Returns None for another version, and for a size such as 0 times 10^3, which text cannot express.
pub(super) fn show(octets: &[u8], out: &mut String) -> Option<()> {
    let (&[version, size, across, height], rest) = octets.split_first_chunk::<4>()?;
    if version != 0 || [size, across, height].iter().any(|&octet| octet < 0x10 && octet != 0) {
        return None;
    }
    let numbers: &[u8; 12] = rest.try_into().ok()?;
    let number =
        |at: usize| u32::from_be_bytes([numbers[at], numbers[at + 1], numbers[at + 2], numbers[at + 3]]);
    push_angle(out, number(0), ['N', 'S']);
    out.push(' ');
    push_angle(out, number(4), ['E', 'W']);
    out.push(' ');
    let altitude = i64::from(number(8)) - SEA;
    if altitude < 0 {
        out.push('-');
    }
    push_decimal(out, altitude.unsigned_abs(), 2);
    out.push('m');
    for octet in [size, across, height] {
        out.push(' ');
        // Whole metres are written without a fraction, as dig does.
        let (digit, power) = (u64::from(octet >> 4), u32::from(octet & 15));
        if power < 2 {
            push_decimal(out, digit * 10u64.pow(power), 2);
        } else {
            push_number(out, digit * 10u64.pow(power - 2));
        }
        out.push('m');
    }
    Some(())
}

fn push_angle(out: &mut String, value: u32, directions: [char; 2]) {
    let total = value.abs_diff(EQUATOR);
    push_number(out, u64::from(total / DEGREE));
    out.push(' ');
    push_number(out, u64::from(total / 60_000 % 60));
    out.push(' ');
    push_decimal(out, u64::from(total % 60_000), 3);
    out.push(' ');
    out.push(directions[usize::from(value < EQUATOR)]);
}
