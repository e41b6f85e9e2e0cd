//! Sets of RR types: the window blocks of NSEC, NSEC3 and CSYNC, and the single bit map of NXT.
//!
//! ```text
//! window | length 1..32 | bits …   window | length | bits …       the first bit of window 1 is type 256
//! ```
//!
//! RFCs: 4034 §4.1.2, 5155 §3.2.1, 7477 §2.1.3; 2535 §5.2 (NXT: one map for types 1 to 127).

use super::field::Wire;
use super::present::{push_type, separate};
use super::{RdataError, RdataFault, RrType};
use crate::text::{Expected, TextError, Tokens, number, push_number};

/// A view of valid window blocks: the types that exist at a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TypeBitmap<'a>(&'a [u8]);

impl<'a> TypeBitmap<'a> {
    /// Check that `blocks` are window blocks: ascending, not empty, without trailing zeros. RFC 4034 §4.1.2
    pub fn new(blocks: &'a [u8]) -> Result<Self, RdataError> {
        check(&Wire { bytes: blocks, end: blocks.len(), packet: false }, 0)?;
        Ok(Self(blocks))
    }

    /// Return whether `rtype` is in the set.
    pub fn contains(self, rtype: RrType) -> bool {
        let [window, low] = rtype.0.to_be_bytes();
        self.windows()
            .find(|(number, _)| *number == window)
            .and_then(|(_, bits)| bits.get(usize::from(low / 8)))
            .is_some_and(|octet| octet & (0x80 >> (low % 8)) != 0)
    }

    /// The types of the set in ascending order.
    pub fn iter(self) -> impl Iterator<Item = RrType> + use<'a> {
        self.windows().flat_map(|(window, bits)| {
            bits.iter().enumerate().flat_map(move |(index, &octet)| {
                (0..8u16)
                    .filter(move |bit| octet & (0x80 >> bit) != 0)
                    .map(move |bit| RrType(u16::from(window) << 8 | (index as u16) << 3 | bit))
            })
        })
    }

    fn windows(self) -> impl Iterator<Item = (u8, &'a [u8])> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let (&[window, length], tail) = rest.split_first_chunk::<2>()?;
            let (bits, after) = tail.split_at_checked(usize::from(length))?;
            rest = after;
            Some((window, bits))
        })
    }
}

/// Append the window blocks of a set of types. The types are sorted in place.
pub fn push_bitmap(types: &mut [RrType], out: &mut Vec<u8>) {
    types.sort_unstable();
    let mut window = None;
    let mut block = 0; // the offset in `out` at which the current window starts
    for rtype in types {
        let [number, low] = rtype.0.to_be_bytes();
        if window != Some(number) {
            window = Some(number);
            block = out.len();
            out.extend_from_slice(&[number, 0]);
        }
        let needed = block + 3 + usize::from(low / 8);
        if out.len() < needed {
            out.resize(needed, 0);
            out[block + 1] = low / 8 + 1;
        }
        out[needed - 1] |= 0x80 >> (low % 8);
    }
}

pub(super) fn check(wire: &Wire<'_>, at: usize) -> Result<usize, RdataError> {
    let mut next = at;
    let mut last = None;
    while next < wire.end {
        let start = next;
        let fault = |fault| Err(RdataError { at: start, fault });
        let Some(&[window, length]) = wire.rest(start).first_chunk::<2>() else {
            return fault(RdataFault::Short);
        };
        if !(1..=32).contains(&length) || last.is_some_and(|last| last >= window) {
            return fault(RdataFault::Bitmap);
        }
        next = start + 2 + usize::from(length);
        if next > wire.end {
            return fault(RdataFault::Short);
        }
        if wire.bytes[next - 1] == 0 {
            return fault(RdataFault::Bitmap);
        }
        last = Some(window);
    }
    Ok(next)
}

pub(super) fn parse(tokens: &mut Tokens<'_>, out: &mut Vec<u8>) -> Result<(), TextError> {
    // As long as the types are in order, blocks grow at the end and nothing is allocated.
    let mut types = [RrType(0); 64];
    let mut count = 0;
    let mut many = Vec::new();
    while let Some(token) = tokens.next()? {
        let known = if token.quoted { None } else { RrType::from_word(token.bytes) };
        let rtype = known.ok_or_else(|| tokens.wrong(token, Expected::Type))?;
        if count < types.len() {
            types[count] = rtype;
            count += 1;
        } else {
            if many.is_empty() {
                many.extend_from_slice(&types);
            }
            many.push(rtype);
        }
    }
    push_bitmap(if many.is_empty() { &mut types[..count] } else { &mut many }, out);
    Ok(())
}

pub(super) fn show(octets: &[u8], out: &mut String) -> Option<()> {
    for rtype in TypeBitmap(octets).iter() {
        separate(out);
        push_type(out, rtype);
    }
    Some(())
}

/// NXT: 1 to 16 octets. The first bit was reserved for types above 127 and never defined.
pub(super) fn check_old(wire: &Wire<'_>, at: usize) -> Result<usize, RdataError> {
    match wire.rest(at) {
        [] => Err(RdataError { at, fault: RdataFault::Short }),
        bits if bits.len() > 16 || bits[0] & 0x80 != 0 => Err(RdataError { at, fault: RdataFault::Bitmap }),
        _ => Ok(wire.end),
    }
}

pub(super) fn parse_old(tokens: &mut Tokens<'_>, out: &mut Vec<u8>) -> Result<(), TextError> {
    let mut bits = [0u8; 16];
    let mut width = 0;
    while let Some(token) = tokens.next()? {
        // Types without a mnemonic are written as bare numbers (RFC 2535 §5.3).
        let bare = number(token.bytes).and_then(|value| u16::try_from(value).ok()).map(RrType);
        let known = if token.quoted { None } else { RrType::from_word(token.bytes).or(bare) };
        match known {
            Some(RrType(number @ 1..=127)) => {
                bits[usize::from(number / 8)] |= 0x80 >> (number % 8);
                width = width.max(usize::from(number / 8) + 1);
            }
            _ => return Err(tokens.wrong(token, Expected::Type)),
        }
    }
    if width == 0 {
        tokens.expect(Expected::Type)?;
    }
    out.extend_from_slice(&bits[..width]);
    Ok(())
}

pub(super) fn show_old(octets: &[u8], out: &mut String) -> Option<()> {
    if octets.last() == Some(&0) {
        return None;
    }
    for number in (1..octets.len() as u16 * 8).filter(|n| octets[usize::from(n / 8)] & (0x80 >> (n % 8)) != 0)
    {
        separate(out);
        match RrType(number).mnemonic() {
            Some(mnemonic) => out.push_str(mnemonic),
            None => push_number(out, u64::from(number)),
        }
    }
    Some(())
}
