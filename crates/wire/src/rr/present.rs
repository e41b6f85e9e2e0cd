//! The text form of each field, in both directions, and the generic form of RFC 3597 §5.

use super::field::{Field, Wire};
use super::{RrType, a6, apl, bitmap, gateway, hip, loc, nsap, svcb, wks};
use crate::base::{self, Base64, Hex};
use crate::name::NameRef;
use crate::text::{Expected, TextError, TextFault, Tokens, number, push_number, push_quoted};
use crate::text::{push_escaped, push_padded, push_time, push_wire_name};

/// Read the rest of a record, see [`super::from_text`].
#[inline]
pub(super) fn parse(
    rtype: RrType,
    tokens: &mut Tokens<'_>,
    origin: NameRef<'_>,
    out: &mut Vec<u8>,
) -> Result<(), TextError> {
    let start = out.len();
    if tokens.at_generic() {
        return parse_generic(rtype, tokens, out);
    }
    for field in rtype.fields() {
        field.parse(tokens, origin, out)?;
    }
    tokens.end()?;
    if out.len() - start > usize::from(u16::MAX) {
        return Err(tokens.fault(tokens.offset(), TextFault::RdataTooLong));
    }
    Ok(())
}

/// Read the generic form `\# length hex…`. The octets are checked against the type. RFC 3597 §5
fn parse_generic(rtype: RrType, tokens: &mut Tokens<'_>, out: &mut Vec<u8>) -> Result<(), TextError> {
    let start = out.len();
    let marker = tokens.word_of(Expected::Generic)?;
    let said = tokens.u16()?;
    hex_to_end(tokens, out)?;
    let found = out.len() - start;
    if found != usize::from(said) {
        return Err(tokens.fault(marker.at, TextFault::LengthDiffers { said, found }));
    }
    super::check(rtype, &out[start..]).map_err(|error| tokens.fault(marker.at, TextFault::Rdata(error)))
}

fn hex_to_end(tokens: &mut Tokens<'_>, out: &mut Vec<u8>) -> Result<(), TextError> {
    let mut hex = Hex::default();
    let mut last = tokens.offset();
    while let Some(token) = tokens.next_word(Expected::Hex)? {
        hex.push(token.bytes, out).map_err(|_| tokens.wrong(token, Expected::Hex))?;
        last = token.at;
    }
    if hex.complete() { Ok(()) } else { Err(tokens.fault(last, TextFault::Wrong(Expected::Hex))) }
}

fn base64_to_end(tokens: &mut Tokens<'_>, out: &mut Vec<u8>) -> Result<(), TextError> {
    let mut base64 = Base64::default();
    let mut last = tokens.offset();
    while let Some(token) = tokens.next_word(Expected::Base64)? {
        base64.push(token.bytes, out).map_err(|_| tokens.wrong(token, Expected::Base64))?;
        last = token.at;
    }
    if base64.complete() { Ok(()) } else { Err(tokens.fault(last, TextFault::Wrong(Expected::Base64))) }
}

/// Run `read`, which consumes all remaining tokens, and fail if it appends nothing.
fn some(
    tokens: &mut Tokens<'_>,
    out: &mut Vec<u8>,
    expected: Expected,
    read: fn(&mut Tokens<'_>, &mut Vec<u8>) -> Result<(), TextError>,
) -> Result<(), TextError> {
    let start = out.len();
    read(tokens, out)?;
    if out.len() == start { Err(tokens.fault(tokens.offset(), TextFault::Missing(expected))) } else { Ok(()) }
}

impl Field {
    /// Read the field's words and append its wire form.
    #[inline]
    fn parse(self, tokens: &mut Tokens<'_>, origin: NameRef<'_>, out: &mut Vec<u8>) -> Result<(), TextError> {
        match self {
            Field::U8 => out.push(tokens.u8()?),
            Field::U16 => out.extend_from_slice(&tokens.u16()?.to_be_bytes()),
            Field::U32 => out.extend_from_slice(&tokens.u32()?.to_be_bytes()),
            Field::U48 => out.extend_from_slice(&tokens.u48()?.to_be_bytes()[2..]),
            Field::Period => out.extend_from_slice(&tokens.period()?.to_be_bytes()),
            Field::Time => out.extend_from_slice(&tokens.time()?.to_be_bytes()),
            Field::Type | Field::OldType => out.extend_from_slice(&tokens.rtype()?.0.to_be_bytes()),
            Field::Algorithm | Field::NamedAlgorithm => out.push(algorithm(tokens)?),
            Field::Scheme => out.push(named(tokens, SCHEMES, u64::from(u8::MAX), Expected::Scheme)? as u8),
            Field::CertType => {
                out.extend_from_slice(
                    &named(tokens, CERT_TYPES, u64::from(u16::MAX), Expected::CertType)?.to_be_bytes(),
                );
            }
            Field::TsigError => {
                out.extend_from_slice(
                    &named(tokens, TSIG_ERRORS, u64::from(u16::MAX), Expected::U16)?.to_be_bytes(),
                );
            }
            Field::Ipv4 => tokens.ipv4(out)?,
            Field::Ipv6 => tokens.ipv6(out)?,
            Field::Node => parse_node(tokens, out)?,
            Field::Eui(width) => parse_eui(tokens, usize::from(width), out)?,
            Field::Name(_) => tokens.name(origin, out)?,
            Field::CharString => tokens.char_string(out)?,
            Field::Digits(least) => {
                let start = out.len();
                let token = tokens.expect(Expected::Digits)?;
                token.char_string(out)?;
                let digits = &out[start + 1..];
                if digits.len() < usize::from(least) || !digits.iter().all(u8::is_ascii_digit) {
                    return Err(tokens.wrong(token, Expected::Digits));
                }
            }
            Field::OptionalCharString => {
                if tokens.peek()?.is_some() {
                    tokens.char_string(out)?;
                }
            }
            Field::CharStrings => {
                tokens.char_string(out)?;
                while let Some(token) = tokens.next()? {
                    token.char_string(out)?;
                }
            }
            Field::Tag => {
                let token = tokens.word_of(Expected::Tag)?;
                if token.bytes.len() > 255 || !token.bytes.iter().all(u8::is_ascii_alphanumeric) {
                    return Err(tokens.wrong(token, Expected::Tag));
                }
                out.push(token.bytes.len() as u8);
                out.extend_from_slice(token.bytes);
            }
            Field::Text => tokens.expect(Expected::CharString)?.octets(out)?,
            Field::NonEmptyText => {
                let token = tokens.expect(Expected::CharString)?;
                if token.bytes.is_empty() {
                    return Err(tokens.wrong(token, Expected::CharString));
                }
                token.octets(out)?;
            }
            Field::Hex => some(tokens, out, Expected::Hex, hex_to_end)?,
            Field::Base64 => some(tokens, out, Expected::Base64, base64_to_end)?,
            Field::OptionalBase64 => base64_to_end(tokens, out)?,
            Field::DashBase64 => {
                if tokens.peek()?.is_some_and(|token| token.is(b"-")) {
                    tokens.next()?;
                } else {
                    some(tokens, out, Expected::Base64, base64_to_end)?;
                }
            }
            Field::Sized => parse_sized(tokens, out)?,
            Field::Salt => parse_salt(tokens, out)?,
            Field::Hash => {
                let token = tokens.word_of(Expected::Base32)?;
                let start = out.len();
                out.push(0);
                base::base32hex(token.bytes, out).map_err(|_| tokens.wrong(token, Expected::Base32))?;
                match u8::try_from(out.len() - start - 1) {
                    Ok(length @ 1..) => out[start] = length,
                    _ => return Err(tokens.wrong(token, Expected::Base32)),
                }
            }
            Field::Bitmap => bitmap::parse(tokens, out)?,
            Field::OldBitmap => bitmap::parse_old(tokens, out)?,
            Field::Services => wks::parse(tokens, out)?,
            Field::Location => loc::parse(tokens, out)?,
            Field::Prefixes => apl::parse(tokens, out)?,
            Field::SvcParams => svcb::parse(tokens, out)?,
            Field::Gateway => gateway::parse(tokens, origin, out)?,
            Field::Relay => gateway::parse_relay(tokens, origin, out)?,
            Field::HostIdentity => hip::parse(tokens, origin, out)?,
            Field::Nsap => nsap::parse(tokens, out)?,
            Field::Atma => nsap::parse_atma(tokens, out)?,
            Field::Prefix6 => a6::parse(tokens, origin, out)?,
            Field::Options | Field::Opaque | Field::Meta => {
                return Err(match tokens.next()? {
                    Some(token) => tokens.wrong(token, Expected::Generic),
                    None => tokens.fault(tokens.offset(), TextFault::Missing(Expected::Generic)),
                });
            }
        }
        Ok(())
    }

    /// Append the text of the field at `at..end`, after a separating space unless the text is empty. Returns None if
    /// the octets have no text of this kind.
    fn show(self, wire: &Wire<'_>, at: usize, end: usize, out: &mut String) -> Option<()> {
        let octets = &wire.bytes[at..end];
        let big_endian = || octets.iter().fold(0u64, |value, &octet| value << 8 | u64::from(octet));
        match self {
            Field::OptionalCharString | Field::OptionalBase64 if octets.is_empty() => return Some(()),
            Field::Bitmap => return bitmap::show(octets, out),
            Field::OldBitmap => return bitmap::show_old(octets, out),
            Field::Prefixes => return apl::show(octets, out),
            Field::SvcParams => return svcb::show(octets, out),
            Field::CharStrings => {
                let mut rest = octets;
                while let [length, tail @ ..] = rest {
                    let (string, after) = tail.split_at_checked(usize::from(*length))?;
                    separate(out);
                    push_quoted(out, string);
                    rest = after;
                }
                return Some(());
            }
            _ => separate(out),
        }
        match self {
            Field::U8 | Field::U16 | Field::U32 | Field::U48 | Field::Period | Field::Algorithm => {
                push_number(out, big_endian());
            }
            Field::Time => push_time(out, big_endian() as u32),
            Field::Type => push_type(out, RrType(big_endian() as u16)),
            Field::OldType => match RrType(big_endian() as u16).mnemonic() {
                Some(mnemonic) => out.push_str(mnemonic),
                None => push_number(out, big_endian()),
            },
            Field::NamedAlgorithm => push_named(out, ALGORITHMS, big_endian()),
            Field::Scheme => push_named(out, SCHEMES, big_endian()),
            Field::CertType => push_named(out, CERT_TYPES, big_endian()),
            Field::TsigError => push_named(out, TSIG_ERRORS, big_endian()),
            Field::Ipv4 => push_ipv4(out, octets),
            Field::Ipv6 => push_ipv6(out, octets),
            Field::Node => {
                for (index, group) in octets.chunks(2).enumerate() {
                    if index > 0 {
                        out.push(':');
                    }
                    // Without leading zeros, as BIND writes it.
                    push_hex_number(out, u16::from_be_bytes([group[0], group[1]]));
                }
            }
            Field::Eui(_) => {
                for (index, octet) in octets.chunks(1).enumerate() {
                    if index > 0 {
                        out.push('-');
                    }
                    base::push_hex(out, octet);
                }
            }
            Field::Name(_) => push_wire_name(out, octets),
            Field::CharString | Field::OptionalCharString | Field::Digits(_) => {
                push_quoted(out, octets.get(1..)?);
            }
            Field::Tag => push_escaped(out, octets.get(1..)?),
            Field::Text | Field::NonEmptyText => push_quoted(out, octets),
            Field::Hex => base::push_hex(out, octets),
            Field::DashBase64 if octets.is_empty() => out.push('-'),
            Field::Base64 | Field::OptionalBase64 | Field::DashBase64 => base::push_base64(out, octets),
            Field::Sized => {
                let data = octets.get(2..)?;
                push_number(out, data.len() as u64);
                if !data.is_empty() {
                    out.push(' ');
                    base::push_base64(out, data);
                }
            }
            Field::Salt if octets.len() == 1 => out.push('-'),
            Field::Salt => base::push_hex(out, octets.get(1..)?),
            Field::Hash => base::push_base32hex(out, octets.get(1..)?),
            Field::Services => wks::show(octets, out)?,
            Field::Location => loc::show(octets, out)?,
            Field::Gateway => gateway::show(octets, out)?,
            Field::Relay => gateway::show_relay(octets, out)?,
            Field::HostIdentity => hip::show(octets, out)?,
            Field::Nsap => nsap::show(octets, out),
            Field::Atma => nsap::show_atma(octets, out)?,
            Field::Prefix6 => a6::show(octets, out)?,
            Field::Options | Field::Opaque | Field::Meta => return None,
            // Shown above.
            Field::CharStrings | Field::Bitmap | Field::OldBitmap | Field::Prefixes | Field::SvcParams => {}
        }
        Some(())
    }
}

/// Append rdata in the type's own text. Returns None if the octets have no such text.
pub(super) fn show(rtype: RrType, rdata: &[u8], out: &mut String) -> Option<()> {
    let wire = Wire { bytes: rdata, end: rdata.len(), packet: false };
    // Separators belong between the fields of this rdata only. The text is built after an empty start that `separate`
    // recognizes.
    let start = out.len();
    out.push('\n');
    let mut at = 0;
    for field in rtype.fields() {
        let end = field.check(&wire, at).ok()?;
        field.show(&wire, at, end, out)?;
        at = end;
    }
    out.remove(start);
    if at == rdata.len() { Some(()) } else { None }
}

/// Append a space unless the text is empty.
pub(super) fn separate(out: &mut String) {
    if !out.ends_with('\n') {
        out.push(' ');
    }
}

pub(super) fn show_generic(rdata: &[u8], out: &mut String) {
    out.push_str("\\# ");
    push_number(out, rdata.len() as u64);
    if !rdata.is_empty() {
        out.push(' ');
        base::push_hex(out, rdata);
    }
}

pub(super) fn push_type(out: &mut String, rtype: RrType) {
    match rtype.mnemonic() {
        Some(mnemonic) => out.push_str(mnemonic),
        None => {
            out.push_str("TYPE");
            push_number(out, u64::from(rtype.0));
        }
    }
}

pub(super) fn push_ipv4(out: &mut String, octets: &[u8]) {
    for (index, &octet) in octets.iter().enumerate() {
        if index > 0 {
            out.push('.');
        }
        push_number(out, u64::from(octet));
    }
}

/// Write an address as in RFC 5952. The last 32 bits of an IPv4-compatible address (`::192.0.2.1`) are written in
/// dotted decimal, as `inet_ntop` and dig do.
pub(super) fn push_ipv6(out: &mut String, octets: &[u8]) {
    use std::fmt::Write;
    let mut all = [0u8; 16];
    all[..octets.len().min(16)].copy_from_slice(&octets[..octets.len().min(16)]);
    if all[..12] == [0; 12] && all[12..14] != [0; 2] {
        out.push_str("::");
        push_ipv4(out, &all[12..]);
        return;
    }
    write!(out, "{}", std::net::Ipv6Addr::from(all)).expect("writing to a String does not fail");
}

/// `value` in hex without leading zeros.
fn push_hex_number(out: &mut String, value: u16) {
    use std::fmt::Write;
    write!(out, "{value:x}").expect("writing to a String does not fail");
}

// ---- numbers with names ----

type Names = &'static [(u16, &'static str)];

/// RFC 4034 appendix A.1 and the IANA registry "DNS Security Algorithm Numbers", spelled as dig does. If a number has
/// several names, the first one is written.
const ALGORITHMS: Names = &[
    (1, "RSAMD5"),
    (2, "DH"),
    (3, "DSA"),
    (5, "RSASHA1"),
    (6, "NSEC3DSA"),
    (7, "NSEC3RSASHA1"),
    (8, "RSASHA256"),
    (10, "RSASHA512"),
    (12, "ECCGOST"),
    (13, "ECDSAP256SHA256"),
    (14, "ECDSAP384SHA384"),
    (15, "ED25519"),
    (16, "ED448"),
    (252, "INDIRECT"),
    (253, "PRIVATEDNS"),
    (254, "PRIVATEOID"),
];

/// Names and spellings that are read but never written, because other programs do not read them.
const READ_ALGORITHMS: Names = &[
    (4, "ECC"),
    (6, "DSA-NSEC3-SHA1"),
    (6, "DSANSEC3SHA1"),
    (7, "RSASHA1-NSEC3-SHA1"),
    (7, "RSASHA1NSEC3SHA1"),
    (12, "ECC-GOST"),
    (17, "SM2SM3"),
    (18, "MLDSA44"),
    (23, "ECC-GOST12"),
];

/// RFC 4398 §2.1.
const CERT_TYPES: Names = &[
    (1, "PKIX"),
    (2, "SPKI"),
    (3, "PGP"),
    (4, "IPKIX"),
    (5, "ISPKI"),
    (6, "IPGP"),
    (7, "ACPKIX"),
    (8, "IACPKIX"),
    (253, "URI"),
    (254, "OID"),
];

/// RFC 9859 §2.1.
const SCHEMES: Names = &[(1, "NOTIFY")];

/// RFC 8945 §3, RFC 2930 §2.6; 16 is BADSIG here.
const TSIG_ERRORS: Names = &[
    (0, "NOERROR"),
    (1, "FORMERR"),
    (2, "SERVFAIL"),
    (3, "NXDOMAIN"),
    (4, "NOTIMP"),
    (5, "REFUSED"),
    (9, "NOTAUTH"),
    (16, "BADSIG"),
    (17, "BADKEY"),
    (18, "BADTIME"),
    (19, "BADMODE"),
    (20, "BADNAME"),
    (21, "BADALG"),
    (22, "BADTRUNC"),
];

/// A DNSSEC algorithm: a number, or a name of either table.
fn algorithm(tokens: &mut Tokens<'_>) -> Result<u8, TextError> {
    let known = tokens.peek()?.and_then(|token| {
        let is = |entry: &&(u16, &'static str)| token.is(entry.1.as_bytes());
        READ_ALGORITHMS.iter().find(is).map(|(value, _)| *value as u8)
    });
    match known {
        Some(value) => tokens.next().map(|_| value),
        None => named(tokens, ALGORITHMS, u64::from(u8::MAX), Expected::Algorithm).map(|value| value as u8),
    }
}

fn named(tokens: &mut Tokens<'_>, names: Names, max: u64, expected: Expected) -> Result<u16, TextError> {
    let token = tokens.word_of(expected)?;
    match number(token.bytes) {
        Some(value) if value <= max => return Ok(value as u16),
        Some(_) => return Err(tokens.fault(token.at, TextFault::TooLarge(expected))),
        None => {}
    }
    names
        .iter()
        .find(|(_, name)| token.is(name.as_bytes()))
        .map(|(value, _)| *value)
        .ok_or_else(|| tokens.wrong(token, expected))
}

fn push_named(out: &mut String, names: Names, value: u64) {
    match names.iter().find(|(number, _)| u64::from(*number) == value) {
        Some((_, name)) => out.push_str(name),
        None => push_number(out, value),
    }
}

// ---- fields with their own text, too small for a file ----

/// `0014:4fff:ff20:ee64`. RFC 6742 §2.1.2
fn parse_node(tokens: &mut Tokens<'_>, out: &mut Vec<u8>) -> Result<(), TextError> {
    let token = tokens.word_of(Expected::Node)?;
    let mut groups = 0;
    for group in token.bytes.split(|&byte| byte == b':') {
        let mut value = 0u16;
        for &byte in group {
            let digit = base::hex_digit(byte).ok_or_else(|| tokens.wrong(token, Expected::Node))?;
            value = value << 4 | u16::from(digit);
        }
        groups += 1;
        if groups > 4 || group.is_empty() || group.len() > 4 {
            return Err(tokens.wrong(token, Expected::Node));
        }
        out.extend_from_slice(&value.to_be_bytes());
    }
    if groups == 4 { Ok(()) } else { Err(tokens.wrong(token, Expected::Node)) }
}

/// `00-00-5e-00-53-2a`. RFC 7043 §3.2
fn parse_eui(tokens: &mut Tokens<'_>, width: usize, out: &mut Vec<u8>) -> Result<(), TextError> {
    let token = tokens.word_of(Expected::Eui)?;
    if token.bytes.len() != 3 * width - 1 {
        return Err(tokens.wrong(token, Expected::Eui));
    }
    for octet in token.bytes.chunks(3) {
        match (base::hex_digit(octet[0]), base::hex_digit(octet[1]), octet.get(2)) {
            (Some(high), Some(low), None | Some(b'-')) => out.push(high << 4 | low),
            _ => return Err(tokens.wrong(token, Expected::Eui)),
        }
    }
    Ok(())
}

/// A number of octets, and base64 unless it is 0. RFC 8945 §4.2
fn parse_sized(tokens: &mut Tokens<'_>, out: &mut Vec<u8>) -> Result<(), TextError> {
    let said = tokens.u16()?;
    out.extend_from_slice(&said.to_be_bytes());
    if said == 0 {
        // dnspython writes an empty field as "".
        if tokens.peek()?.is_some_and(|token| token.quoted && token.bytes.is_empty()) {
            tokens.next()?;
        }
        return Ok(());
    }
    let token = tokens.word_of(Expected::Base64)?;
    let start = out.len();
    let mut base64 = Base64::default();
    base64.push(token.bytes, out).map_err(|_| tokens.wrong(token, Expected::Base64))?;
    if !base64.complete() {
        return Err(tokens.wrong(token, Expected::Base64));
    }
    let found = out.len() - start;
    if found == usize::from(said) {
        Ok(())
    } else {
        Err(tokens.fault(token.at, TextFault::LengthDiffers { said, found }))
    }
}

/// Hex in one word, or `-`. RFC 5155 §3.3
fn parse_salt(tokens: &mut Tokens<'_>, out: &mut Vec<u8>) -> Result<(), TextError> {
    let token = tokens.word_of(Expected::Hex)?;
    let start = out.len();
    out.push(0);
    if token.is(b"-") {
        return Ok(());
    }
    let mut hex = Hex::default();
    hex.push(token.bytes, out).map_err(|_| tokens.wrong(token, Expected::Hex))?;
    match u8::try_from(out.len() - start - 1) {
        Ok(length) if hex.complete() => {
            out[start] = length;
            Ok(())
        }
        _ => Err(tokens.wrong(token, Expected::Hex)),
    }
}

/// Append `value` divided by ten to the power of `places`, as a decimal fraction with `places` digits.
pub(super) fn push_decimal(out: &mut String, value: u64, places: u32) {
    let scale = 10u64.pow(places);
    push_number(out, value / scale);
    out.push('.');
    push_padded(out, value % scale, places);
}
