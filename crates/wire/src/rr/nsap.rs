//! Addresses of other networks: NSAP (RFC 1706 §5) and ATM (AF-SAA-0069, "ATM Name System").
//!
//! NSAP is `0x` and hex. ATM is hex (format 0), or `+` and decimal digits (format 1, E.164). Dots are ignored.

use super::field::Wire;
use super::{RdataError, RdataFault};
use crate::base::{Hex, push_hex};
use crate::text::{Expected, TextError, Tokens};

pub(super) fn parse(tokens: &mut Tokens<'_>, out: &mut Vec<u8>) -> Result<(), TextError> {
    let token = tokens.word_of(Expected::Nsap)?;
    match token.bytes {
        [b'0', b'x' | b'X', digits @ ..] => {
            dotted_hex(digits, out).ok_or_else(|| tokens.wrong(token, Expected::Nsap))
        }
        _ => Err(tokens.wrong(token, Expected::Nsap)),
    }
}

fn dotted_hex(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let start = out.len();
    let mut hex = Hex::default();
    for group in text.split(|&byte| byte == b'.') {
        hex.push(group, out).ok()?;
    }
    if hex.complete() && out.len() > start { Some(()) } else { None }
}

pub(super) fn show(octets: &[u8], out: &mut String) {
    out.push_str("0x");
    push_hex(out, octets);
}

/// A format octet and at least one octet of address. In format 1 the address consists of ASCII digits.
pub(super) fn check_atma(wire: &Wire<'_>, at: usize) -> Result<usize, RdataError> {
    match wire.rest(at) {
        [] | [_] => Err(RdataError { at: wire.end, fault: RdataFault::Short }),
        [1, digits @ ..] if !digits.iter().all(u8::is_ascii_digit) => {
            Err(RdataError { at: at + 1, fault: RdataFault::Prefix })
        }
        _ => Ok(wire.end),
    }
}

pub(super) fn parse_atma(tokens: &mut Tokens<'_>, out: &mut Vec<u8>) -> Result<(), TextError> {
    let token = tokens.word_of(Expected::Atma)?;
    let read = match token.bytes {
        [b'+', digits @ ..] => {
            out.push(1);
            let start = out.len();
            out.extend(digits.iter().filter(|&&byte| byte != b'.'));
            let all = out[start..].iter().all(u8::is_ascii_digit);
            (all && out.len() > start).then_some(())
        }
        digits => {
            out.push(0);
            dotted_hex(digits, out)
        }
    };
    read.ok_or_else(|| tokens.wrong(token, Expected::Atma))
}

/// Returns None for other formats.
pub(super) fn show_atma(octets: &[u8], out: &mut String) -> Option<()> {
    match octets {
        [0, address @ ..] => push_hex(out, address),
        [1, digits @ ..] => {
            out.push('+');
            out.extend(digits.iter().map(|&digit| char::from(digit)));
        }
        _ => return None,
    }
    Some(())
}
