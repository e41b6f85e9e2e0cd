//! APL: lists of address prefixes. RFC 3123
//!
//! `1:192.0.2.0/24 !2:2001:db8::/32`: family, prefix, and `!` for "not". The wire form omits the trailing zero octets
//! of an address (§4). Octets that violate this rule, and other families, are preserved and shown in generic form.

use super::field::Wire;
use super::present::{push_ipv4, push_ipv6, separate};
use super::{RdataError, RdataFault};
use crate::text::{self, Expected, TextError, Tokens, number, push_number};

/// The number of octets of an address of `family`.
fn width(family: u16) -> Option<u8> {
    match family {
        1 => Some(4),
        2 => Some(16),
        _ => None,
    }
}

pub(super) fn check(wire: &Wire<'_>, at: usize) -> Result<usize, RdataError> {
    let mut next = at;
    while next < wire.end {
        let start = next;
        let Some(&[high, low, prefix, length]) = wire.rest(start).first_chunk::<4>() else {
            return Err(RdataError { at: wire.end, fault: RdataFault::Short });
        };
        let length = length & 0x7f;
        if let Some(octets) = width(u16::from_be_bytes([high, low]))
            && (length > octets || prefix > octets * 8)
        {
            return Err(RdataError { at: start, fault: RdataFault::Prefix });
        }
        next = start + 4 + usize::from(length);
        if next > wire.end {
            return Err(RdataError { at: wire.end, fault: RdataFault::Short });
        }
    }
    Ok(next)
}

pub(super) fn parse(tokens: &mut Tokens<'_>, out: &mut Vec<u8>) -> Result<(), TextError> {
    while let Some(token) = tokens.next_word(Expected::AplItem)? {
        item(token.bytes, out).ok_or_else(|| tokens.wrong(token, Expected::AplItem))?;
    }
    Ok(())
}

fn item(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let (negated, text) = match text {
        [b'!', rest @ ..] => (0x80, rest),
        _ => (0, text),
    };
    let colon = text.iter().position(|&byte| byte == b':')?;
    let slash = text.iter().rposition(|&byte| byte == b'/')?;
    let family = u16::try_from(number(&text[..colon])?).ok()?;
    let address_text = text.get(colon + 1..slash)?;
    let mut address = [0u8; 16];
    match family {
        1 => address[..4].copy_from_slice(&text::ipv4(address_text)?),
        2 => address = text::ipv6(address_text)?,
        _ => return None,
    }
    let prefix = u8::try_from(number(&text[slash + 1..])?).ok()?;
    if prefix > width(family)? * 8 {
        return None;
    }
    let length = address.iter().rposition(|&octet| octet != 0).map_or(0, |last| last + 1);
    out.extend_from_slice(&family.to_be_bytes());
    out.extend_from_slice(&[prefix, negated | length as u8]);
    out.extend_from_slice(&address[..length]);
    Some(())
}

pub(super) fn show(octets: &[u8], out: &mut String) -> Option<()> {
    let mut rest = octets;
    while let Some((&[high, low, prefix, length], tail)) = rest.split_first_chunk::<4>() {
        let family = u16::from_be_bytes([high, low]);
        let (given, after) = tail.split_at_checked(usize::from(length & 0x7f))?;
        let width = usize::from(width(family)?);
        if given.last() == Some(&0) {
            return None;
        }
        let mut address = [0u8; 16];
        address.get_mut(..given.len())?.copy_from_slice(given);
        separate(out);
        if length & 0x80 != 0 {
            out.push('!');
        }
        push_number(out, u64::from(family));
        out.push(':');
        if width == 4 {
            push_ipv4(out, &address[..4])
        } else {
            push_ipv6(out, &address)
        }
        out.push('/');
        push_number(out, u64::from(prefix));
        rest = after;
    }
    Some(())
}
