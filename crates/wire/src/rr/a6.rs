//! A6: an IPv6 address in parts. RFC 2874 §3.1, historic by RFC 6563
//!
//! ```text
//! prefix length 0..128 | the other bits, right-aligned, padded with zeros | name of the prefix unless the length is 0
//! ```

use super::field::Wire;
use super::present::push_ipv6;
use super::{RdataError, RdataFault};
use crate::name::NameRef;
use crate::text::{self, Expected, TextError, TextFault, Tokens, push_number, push_wire_name};

/// The number of octets of the suffix after a prefix of `prefix` bits.
fn suffix(prefix: u8) -> usize {
    usize::from(128 - prefix.min(128)).div_ceil(8)
}

/// Return whether the bits of the suffix `octets` that belong to the prefix are zero.
fn padded(prefix: u8, octets: &[u8]) -> bool {
    octets.first().is_none_or(|first| u16::from(*first) < 0x100 >> (prefix % 8))
}

/// The offset of the name in a valid field at `at`, or the end of the field if there is no name.
pub(super) fn name_start(wire: &Wire<'_>, at: usize) -> usize {
    at + 1 + suffix(wire.bytes[at])
}

pub(super) fn check(wire: &Wire<'_>, at: usize) -> Result<usize, RdataError> {
    let Some(&prefix) = wire.rest(at).first() else {
        return Err(RdataError { at: wire.end, fault: RdataFault::Short });
    };
    let end = at + 1 + suffix(prefix);
    if end > wire.end {
        return Err(RdataError { at: wire.end, fault: RdataFault::Short });
    }
    if prefix > 128 || !padded(prefix, &wire.bytes[at + 1..end]) {
        return Err(RdataError { at, fault: RdataFault::Prefix6 });
    }
    if prefix == 0 { Ok(end) } else { wire.plain_name(end) }
}

pub(super) fn parse(
    tokens: &mut Tokens<'_>,
    origin: NameRef<'_>,
    out: &mut Vec<u8>,
) -> Result<(), TextError> {
    let mut ahead = *tokens;
    let first = ahead.expect(Expected::U8)?;
    let prefix = tokens.u8()?;
    if prefix > 128 {
        return Err(tokens.fault(first.at, TextFault::TooLarge(Expected::U8)));
    }
    out.push(prefix);
    if prefix < 128 {
        let token = tokens.word_of(Expected::Ipv6)?;
        let address = text::ipv6(token.bytes).ok_or_else(|| tokens.wrong(token, Expected::Ipv6))?;
        let octets = &address[16 - suffix(prefix)..];
        if !padded(prefix, octets) {
            return Err(tokens.wrong(token, Expected::Ipv6));
        }
        out.extend_from_slice(octets);
    }
    if prefix > 0 { tokens.name(origin, out) } else { Ok(()) }
}

pub(super) fn show(octets: &[u8], out: &mut String) -> Option<()> {
    let (&prefix, rest) = octets.split_first()?;
    let (given, name) = rest.split_at_checked(suffix(prefix))?;
    push_number(out, u64::from(prefix));
    if prefix < 128 {
        let mut address = [0u8; 16];
        address[16 - given.len()..].copy_from_slice(given);
        out.push(' ');
        push_ipv6(out, &address);
    }
    if prefix > 0 {
        out.push(' ');
        push_wire_name(out, name);
    }
    Some(())
}
