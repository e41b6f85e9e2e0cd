//! HIP: host identity. In wire form all lengths come first; in text, tag and key have no lengths. RFC 8005 §5, §6
//!
//! ```text
//! tag length | algorithm | key length (16) | tag | public key | rendezvous servers, uncompressed names
//! ```

use super::field::Wire;
use super::{RdataError, RdataFault};
use crate::base::{self, Base64, Hex};
use crate::name::NameRef;
use crate::text::{Expected, TextError, TextFault, Tokens, push_number, push_wire_name};

pub(super) fn check(wire: &Wire<'_>, at: usize) -> Result<usize, RdataError> {
    let Some(&[tag, _, high, low]) = wire.rest(at).first_chunk::<4>() else {
        return Err(RdataError { at: wire.end, fault: RdataFault::Short });
    };
    let key = u16::from_be_bytes([high, low]);
    if tag == 0 || key == 0 {
        return Err(RdataError { at, fault: RdataFault::Empty });
    }
    let mut next = at + 4 + usize::from(tag) + usize::from(key);
    if next > wire.end {
        return Err(RdataError { at: wire.end, fault: RdataFault::Short });
    }
    while next < wire.end {
        next = wire.plain_name(next)?;
    }
    Ok(next)
}

pub(super) fn parse(
    tokens: &mut Tokens<'_>,
    origin: NameRef<'_>,
    out: &mut Vec<u8>,
) -> Result<(), TextError> {
    let start = out.len();
    out.extend_from_slice(&[0, tokens.u8()?, 0, 0]);

    let token = tokens.word_of(Expected::Hex)?;
    let mut hex = Hex::default();
    hex.push(token.bytes, out).map_err(|_| tokens.wrong(token, Expected::Hex))?;
    match u8::try_from(out.len() - start - 4) {
        Ok(length @ 1..) if hex.complete() => out[start] = length,
        _ => return Err(tokens.wrong(token, Expected::Hex)),
    }

    let token = tokens.word_of(Expected::Base64)?;
    let key = out.len();
    let mut base64 = Base64::default();
    base64.push(token.bytes, out).map_err(|_| tokens.wrong(token, Expected::Base64))?;
    match u16::try_from(out.len() - key) {
        Ok(length @ 1..) if base64.complete() => {
            out[start + 2..start + 4].copy_from_slice(&length.to_be_bytes())
        }
        Ok(_) => return Err(tokens.wrong(token, Expected::Base64)),
        Err(_) => return Err(tokens.fault(token.at, TextFault::RdataTooLong)),
    }

    while let Some(token) = tokens.next_word(Expected::Name)? {
        token.name(origin, out)?;
    }
    Ok(())
}

pub(super) fn show(octets: &[u8], out: &mut String) -> Option<()> {
    let (&[tag, algorithm, high, low], rest) = octets.split_first_chunk::<4>()?;
    let (tag, rest) = rest.split_at_checked(usize::from(tag))?;
    let (key, mut servers) = rest.split_at_checked(usize::from(u16::from_be_bytes([high, low])))?;
    push_number(out, u64::from(algorithm));
    out.push(' ');
    base::push_hex(out, tag);
    out.push(' ');
    base::push_base64(out, key);
    while !servers.is_empty() {
        let (name, after) = NameRef::read(servers).ok()?;
        out.push(' ');
        push_wire_name(out, name.wire());
        servers = after;
    }
    Some(())
}
