//! Base16, base64 and base32hex as used in DNS text. The decoders accept text that is split into several words.
//!
//! Covered: RFC 4648 §4, §7, §8. Base16 and base32hex ignore case. Base64 must be padded to four characters, and
//! unused bits must be zero (RFC 4648 §3.5), so that every octet string has exactly one text.

#[cfg(test)]
mod tests;

/// The value of a hex digit, or None.
#[inline]
pub const fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// A decoder that is given one word at a time: base16 if `BITS` is 4, base32hex if 5, base64 if 6.
#[derive(Clone, Copy, Debug, Default)]
struct Bits<const BITS: u32> {
    pending: u32,
    count: u32,
}

impl<const BITS: u32> Bits<BITS> {
    #[inline]
    fn push(&mut self, value: u8, out: &mut Vec<u8>) {
        self.pending = self.pending << BITS | u32::from(value);
        self.count += BITS;
        if self.count >= 8 {
            self.count -= 8;
            out.push((self.pending >> self.count) as u8);
            self.pending &= (1 << self.count) - 1;
        }
    }
}

/// Base16 that may be split into words. RFC 4648 §8
#[derive(Clone, Copy, Debug, Default)]
pub struct Hex(Bits<4>);

impl Hex {
    /// Decode one word and append whole octets. The error is the offset of a byte that is not a hex digit.
    pub fn push(&mut self, text: &[u8], out: &mut Vec<u8>) -> Result<(), usize> {
        let mut at = 0;
        if self.0.count == 0 {
            out.reserve(text.len() / 2);
            for pair in text.chunks_exact(2) {
                let (high, low) = (HEX_VALUE[usize::from(pair[0])], HEX_VALUE[usize::from(pair[1])]);
                if (high | low) & 0xf0 != 0 {
                    break;
                }
                out.push(high << 4 | low);
                at += 2;
            }
        }
        for (offset, &byte) in text[at..].iter().enumerate() {
            self.0.push(hex_digit(byte).ok_or(at + offset)?, out);
        }
        Ok(())
    }

    /// Return whether the number of digits was even.
    pub fn complete(&self) -> bool {
        self.0.count == 0
    }
}

const NONE: u8 = 0xff;
const PAD: u8 = 0xfe;

const HEX_VALUE: [u8; 256] = {
    let mut value = [NONE; 256];
    let mut at = 0;
    while at < 256 {
        if let Some(digit) = hex_digit(at as u8) {
            value[at] = digit;
        }
        at += 1;
    }
    value
};

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE64_VALUE: [u8; 256] = {
    let mut value = [NONE; 256];
    let mut at = 0;
    while at < 64 {
        value[BASE64[at] as usize] = at as u8;
        at += 1;
    }
    value[b'=' as usize] = PAD;
    value
};

/// Base64 that may be split into words. RFC 4648 §4
#[derive(Clone, Copy, Debug, Default)]
pub struct Base64 {
    bits: Bits<6>,
    pads: u32,
}

impl Base64 {
    /// Decode one word and append whole octets. The error is the offset of a byte that is not allowed there.
    pub fn push(&mut self, text: &[u8], out: &mut Vec<u8>) -> Result<(), usize> {
        let mut at = 0;
        if self.bits.count == 0 && self.pads == 0 {
            out.reserve(text.len() / 4 * 3 + 3);
            let mut groups = text.chunks_exact(4);
            for group in &mut groups {
                let [a, b, c, d] =
                    [group[0], group[1], group[2], group[3]].map(|byte| BASE64_VALUE[byte as usize]);
                if (a | b | c | d) & 0xc0 != 0 {
                    break;
                }
                let value = u32::from(a) << 18 | u32::from(b) << 12 | u32::from(c) << 6 | u32::from(d);
                out.extend_from_slice(&value.to_be_bytes()[1..]);
                at += 4;
            }
        }
        for (offset, &byte) in text[at..].iter().enumerate() {
            match BASE64_VALUE[byte as usize] {
                NONE => return Err(at + offset),
                PAD => {
                    // One or two pad characters are allowed if they complete a group and the unused bits are zero.
                    let allowed = match self.bits.count {
                        2 => 1,
                        4 => 2,
                        _ => 0,
                    };
                    if self.pads == allowed || self.bits.pending != 0 {
                        return Err(at + offset);
                    }
                    self.pads += 1;
                }
                _ if self.pads > 0 => return Err(at + offset),
                value => self.bits.push(value, out),
            }
        }
        Ok(())
    }

    /// Return whether the text ended with a whole group.
    pub fn complete(&self) -> bool {
        self.bits.count == 2 * self.pads
    }
}

const BASE32: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";

/// Decode base32hex without padding and append to `out`. The error is the offset of the first wrong byte. RFC 4648 §7
pub fn base32hex(text: &[u8], out: &mut Vec<u8>) -> Result<(), usize> {
    let mut bits = Bits::<5>::default();
    for (at, &byte) in text.iter().enumerate() {
        let value = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'v' => byte - b'a' + 10,
            b'A'..=b'V' => byte - b'A' + 10,
            _ => return Err(at),
        };
        bits.push(value, out);
    }
    // Encoded octets never leave a whole unused character or set unused bits.
    if bits.count >= 5 || bits.pending != 0 { Err(text.len()) } else { Ok(()) }
}

/// Append `octets` in lower-case hex.
pub fn push_hex(out: &mut String, octets: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.reserve(octets.len() * 2);
    for &octet in octets {
        out.push(char::from(DIGITS[usize::from(octet >> 4)]));
        out.push(char::from(DIGITS[usize::from(octet & 15)]));
    }
}

/// Append `octets` in base64 with padding. RFC 4648 §4
pub fn push_base64(out: &mut String, octets: &[u8]) {
    out.reserve(octets.len() / 3 * 4 + 4);
    for group in octets.chunks(3) {
        let value =
            group.iter().fold(0u32, |value, &octet| value << 8 | u32::from(octet)) << (8 * (3 - group.len()));
        for place in 0..4 {
            if place <= group.len() {
                out.push(char::from(BASE64[(value >> (18 - 6 * place) & 63) as usize]));
            } else {
                out.push('=');
            }
        }
    }
}

/// Append `octets` in lower-case base32hex without padding. RFC 5155 §3.3
pub fn push_base32hex(out: &mut String, octets: &[u8]) {
    let mut pending = 0u32;
    let mut count = 0;
    for &octet in octets {
        pending = pending << 8 | u32::from(octet);
        count += 8;
        while count >= 5 {
            count -= 5;
            out.push(char::from(BASE32[(pending >> count & 31) as usize]));
        }
        pending &= (1 << count) - 1;
    }
    if count > 0 {
        out.push(char::from(BASE32[(pending << (5 - count) & 31) as usize]));
    }
}
