//! Gateways of IPSECKEY and relays of AMTRELAY. A type octet selects nothing, an IPv4 address, an IPv6 address or a
//! name.
//!
//! RFCs: 4025 §2.3–2.5 (gateway type, algorithm, gateway), 8777 §4.2 (discovery flag and relay type in one octet).

use super::field::Wire;
use super::present::{push_ipv4, push_ipv6};
use super::{RdataError, RdataFault};
use crate::name::NameRef;
use crate::text::{Expected, TextError, Tokens, push_number, push_wire_name};

/// The end of the gateway of type `kind` at `at`.
fn place(wire: &Wire<'_>, at: usize, kind: u8) -> Result<usize, RdataError> {
    let width = match kind {
        0 => 0,
        1 => 4,
        2 => 16,
        3 => return wire.plain_name(at),
        _ => return Err(RdataError { at, fault: RdataFault::Gateway }),
    };
    if wire.end - at < width { Err(short(wire)) } else { Ok(at + width) }
}

fn short(wire: &Wire<'_>) -> RdataError {
    RdataError { at: wire.end, fault: RdataFault::Short }
}

fn parse_place(
    kind: u8,
    tokens: &mut Tokens<'_>,
    origin: NameRef<'_>,
    out: &mut Vec<u8>,
) -> Result<(), TextError> {
    match kind {
        0 => {
            let token = tokens.word_of(Expected::NoGateway)?;
            if token.bytes == b"." { Ok(()) } else { Err(tokens.wrong(token, Expected::NoGateway)) }
        }
        1 => tokens.ipv4(out),
        2 => tokens.ipv6(out),
        _ => tokens.name(origin, out),
    }
}

fn push_place(out: &mut String, kind: u8, octets: &[u8]) {
    match kind {
        0 => out.push('.'),
        1 => push_ipv4(out, octets),
        2 => push_ipv6(out, octets),
        _ => push_wire_name(out, octets),
    }
}

/// Read a type octet of 0 to 3.
fn kind(tokens: &mut Tokens<'_>) -> Result<u8, TextError> {
    let mut ahead = *tokens;
    let token = ahead.expect(Expected::GatewayType)?;
    match tokens.u8()? {
        kind @ 0..=3 => Ok(kind),
        _ => Err(tokens.wrong(token, Expected::GatewayType)),
    }
}

pub(super) fn check(wire: &Wire<'_>, at: usize) -> Result<usize, RdataError> {
    match wire.rest(at) {
        [kind, _, ..] => place(wire, at + 2, *kind),
        _ => Err(short(wire)),
    }
}

pub(super) fn parse(
    tokens: &mut Tokens<'_>,
    origin: NameRef<'_>,
    out: &mut Vec<u8>,
) -> Result<(), TextError> {
    let kind = kind(tokens)?;
    out.extend_from_slice(&[kind, tokens.u8()?]);
    parse_place(kind, tokens, origin, out)
}

pub(super) fn show(octets: &[u8], out: &mut String) -> Option<()> {
    let (&[kind, algorithm], gateway) = octets.split_first_chunk::<2>()?;
    push_number(out, u64::from(kind));
    out.push(' ');
    push_number(out, u64::from(algorithm));
    out.push(' ');
    push_place(out, kind, gateway);
    Some(())
}

pub(super) fn check_relay(wire: &Wire<'_>, at: usize) -> Result<usize, RdataError> {
    match wire.rest(at) {
        [octet, ..] => place(wire, at + 1, octet & 0x7f),
        [] => Err(short(wire)),
    }
}

pub(super) fn parse_relay(
    tokens: &mut Tokens<'_>,
    origin: NameRef<'_>,
    out: &mut Vec<u8>,
) -> Result<(), TextError> {
    let token = tokens.word_of(Expected::U8)?;
    let discovery = match token.bytes {
        b"0" => 0,
        b"1" => 0x80,
        _ => return Err(tokens.wrong(token, Expected::U8)),
    };
    let kind = kind(tokens)?;
    out.push(discovery | kind);
    parse_place(kind, tokens, origin, out)
}

pub(super) fn show_relay(octets: &[u8], out: &mut String) -> Option<()> {
    let (&first, relay) = octets.split_first()?;
    push_number(out, u64::from(first >> 7));
    out.push(' ');
    push_number(out, u64::from(first & 0x7f));
    out.push(' ');
    push_place(out, first & 0x7f, relay);
    Some(())
}
