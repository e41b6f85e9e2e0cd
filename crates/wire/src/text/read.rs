//! Parsers of typed words. Each takes the next token and appends its wire form, or returns an error that names the
//! expected item.

use super::{Expected, TextError, TextFault, Token, Tokens};
use crate::code::RrType;
use crate::name::{NameRef, escape};

impl<'a> Tokens<'a> {
    /// Return the next token, or an error that names `expected` if the record ends.
    #[inline]
    pub fn expect(&mut self, expected: Expected) -> Result<Token<'a>, TextError> {
        match self.next()? {
            Some(token) => Ok(token),
            None => Err(self.fault(self.offset(), TextFault::Missing(expected))),
        }
    }

    /// Return the next token, which must not be quoted.
    #[inline]
    pub fn word_of(&mut self, expected: Expected) -> Result<Token<'a>, TextError> {
        let token = self.expect(expected)?;
        if token.quoted { Err(self.wrong(token, expected)) } else { Ok(token) }
    }

    /// Return the next token, if there is one. It must not be quoted.
    #[inline]
    pub fn next_word(&mut self, expected: Expected) -> Result<Option<Token<'a>>, TextError> {
        match self.next()? {
            Some(token) if token.quoted => Err(self.wrong(token, expected)),
            next => Ok(next),
        }
    }

    /// Make the error "expected this" at `token`.
    #[cold]
    pub fn wrong(&self, token: Token<'_>, expected: Expected) -> TextError {
        self.fault(token.at, TextFault::Wrong(expected))
    }

    /// Return the next token without consuming it.
    pub fn peek(&self) -> Result<Option<Token<'a>>, TextError> {
        let mut ahead = *self;
        ahead.next()
    }

    #[inline]
    fn bounded(&mut self, max: u64, expected: Expected) -> Result<u64, TextError> {
        let token = self.word_of(expected)?;
        match number(token.bytes) {
            Some(value) if value <= max => Ok(value),
            Some(_) => Err(self.fault(token.at, TextFault::TooLarge(expected))),
            None => Err(self.wrong(token, expected)),
        }
    }

    /// A decimal number of 8 bits.
    #[inline]
    pub fn u8(&mut self) -> Result<u8, TextError> {
        self.bounded(0xff, Expected::U8).map(|value| value as u8)
    }

    /// A decimal number of 16 bits.
    #[inline]
    pub fn u16(&mut self) -> Result<u16, TextError> {
        self.bounded(0xffff, Expected::U16).map(|value| value as u16)
    }

    /// A decimal number of 32 bits.
    #[inline]
    pub fn u32(&mut self) -> Result<u32, TextError> {
        self.bounded(0xffff_ffff, Expected::U32).map(|value| value as u32)
    }

    /// A decimal number of 48 bits (the time of TSIG, RFC 8945 §4.2).
    pub fn u48(&mut self) -> Result<u64, TextError> {
        self.bounded(0xffff_ffff_ffff, Expected::U48)
    }

    /// Seconds, or a period of weeks, days, hours, minutes and seconds such as `1h30m`.
    pub fn period(&mut self) -> Result<u32, TextError> {
        let token = self.word_of(Expected::Period)?;
        period(token.bytes).ok_or_else(|| self.wrong(token, Expected::Period))
    }

    /// A time as `YYYYMMDDHHmmSS` (UTC) or as seconds since 1970, modulo 2^32. RFC 4034 §3.2
    pub fn time(&mut self) -> Result<u32, TextError> {
        let token = self.word_of(Expected::Time)?;
        time(token.bytes).ok_or_else(|| self.wrong(token, Expected::Time))
    }

    /// An RR type: mnemonic in any case, `TYPE123` (RFC 3597 §5), or a bare number as BIND writes it in SIG.
    pub fn rtype(&mut self) -> Result<RrType, TextError> {
        let token = self.word_of(Expected::Type)?;
        let bare = || number(token.bytes).and_then(|value| u16::try_from(value).ok()).map(RrType);
        RrType::from_word(token.bytes).or_else(bare).ok_or_else(|| self.wrong(token, Expected::Type))
    }

    /// A domain name, appended to `out` as wire; relative names get `origin`, `@` is `origin`. RFC 1035 §5.1
    #[inline]
    pub fn name(&mut self, origin: NameRef<'_>, out: &mut Vec<u8>) -> Result<(), TextError> {
        let token = self.word_of(Expected::Name)?;
        name_into(token, origin, out)
    }

    /// A character string, appended to `out` with its length octet. RFC 1035 §3.3
    #[inline]
    pub fn char_string(&mut self, out: &mut Vec<u8>) -> Result<(), TextError> {
        let token = self.expect(Expected::CharString)?;
        token.char_string(out)
    }

    /// An IPv4 address in dotted decimal, four octets appended to `out`.
    #[inline]
    pub fn ipv4(&mut self, out: &mut Vec<u8>) -> Result<(), TextError> {
        let token = self.word_of(Expected::Ipv4)?;
        let octets = ipv4(token.bytes).ok_or_else(|| self.wrong(token, Expected::Ipv4))?;
        out.extend_from_slice(&octets);
        Ok(())
    }

    /// An IPv6 address (RFC 4291 §2.2), sixteen octets appended to `out`.
    #[inline]
    pub fn ipv6(&mut self, out: &mut Vec<u8>) -> Result<(), TextError> {
        let token = self.word_of(Expected::Ipv6)?;
        let octets = ipv6(token.bytes).ok_or_else(|| self.wrong(token, Expected::Ipv6))?;
        out.extend_from_slice(&octets);
        Ok(())
    }
}

impl Token<'_> {
    /// Return whether the token is the word `word`, in any case, without quotes.
    #[inline]
    pub fn is(&self, word: &[u8]) -> bool {
        !self.quoted && self.bytes.eq_ignore_ascii_case(word)
    }

    /// Return the token as ASCII text for `FromStr`, or None if it is quoted or not ASCII.
    pub fn ascii(&self) -> Option<&str> {
        if self.quoted || !self.bytes.is_ascii() { None } else { std::str::from_utf8(self.bytes).ok() }
    }

    /// Append the token as a character string: length octet and octets. RFC 1035 §3.3
    #[inline]
    pub fn char_string(&self, out: &mut Vec<u8>) -> Result<(), TextError> {
        let start = out.len();
        out.push(0);
        self.octets(out)?;
        match u8::try_from(out.len() - start - 1) {
            Ok(length) => {
                out[start] = length;
                Ok(())
            }
            Err(_) => Err(TextError { at: self.at, fault: TextFault::StringTooLong }),
        }
    }

    /// Append the token's octets with escapes resolved. RFC 1035 §5.1
    #[inline]
    pub fn octets(&self, out: &mut Vec<u8>) -> Result<(), TextError> {
        if self.escaped {
            unescape(self.bytes, out).map_err(|at| TextError {
                at: self.at + usize::from(self.quoted) + at,
                fault: TextFault::BadEscape,
            })
        } else {
            out.extend_from_slice(self.bytes);
            Ok(())
        }
    }

    /// Append the token as a name: see [`Tokens::name`].
    #[inline]
    pub fn name(&self, origin: NameRef<'_>, out: &mut Vec<u8>) -> Result<(), TextError> {
        name_into(*self, origin, out)
    }
}

/// Resolve `\X` and `\DDD` and append the result to `out`. The error is the offset of a bad escape. RFC 1035 §5.1
pub fn unescape(text: &[u8], out: &mut Vec<u8>) -> Result<(), usize> {
    let mut at = 0;
    while at < text.len() {
        if text[at] != b'\\' {
            out.push(text[at]);
            at += 1;
            continue;
        }
        let (octet, width) = escape(&text[at..]).ok_or(at)?;
        out.push(octet);
        at += width;
    }
    Ok(())
}

// In `www.example.com.` every dot is at the position of the next length octet. One copy and a walk over the dots
// suffice.
#[inline]
fn name_into(token: Token<'_>, origin: NameRef<'_>, out: &mut Vec<u8>) -> Result<(), TextError> {
    let fail = |fault| Err(TextError { at: token.at, fault });
    if token.escaped {
        return escaped_name_into(token, origin, out);
    }
    let text = token.bytes;
    if let [b'@'] = text
        && !token.quoted
    {
        out.extend_from_slice(origin.wire());
        return Ok(());
    }
    if let [b'.'] = text {
        out.push(0);
        return Ok(());
    }
    if text.len() > 254 {
        return fail(TextFault::NameTooLong);
    }
    let start = out.len();
    out.push(0);
    out.extend_from_slice(text);
    let wire = &mut out[start..];
    let mut label = 0;
    for at in 1..wire.len() {
        if wire[at] == b'.' {
            match at - label - 1 {
                0 => return fail(TextFault::EmptyLabel),
                length @ 1..=63 => wire[label] = length as u8,
                _ => return fail(TextFault::LabelTooLong),
            }
            label = at;
        }
    }
    let last = wire.len() - label - 1;
    if last > 63 {
        return fail(TextFault::LabelTooLong);
    }
    wire[label] = last as u8;
    if last > 0 {
        out.extend_from_slice(origin.wire());
    } else if label == 0 {
        return fail(TextFault::EmptyLabel);
    }
    if out.len() - start > 255 { fail(TextFault::NameTooLong) } else { Ok(()) }
}

fn escaped_name_into(token: Token<'_>, origin: NameRef<'_>, out: &mut Vec<u8>) -> Result<(), TextError> {
    let text = token.bytes;
    let fail = |fault| Err(TextError { at: token.at, fault });
    let start = out.len();
    let mut label = out.len();
    let mut at = 0;
    out.push(0);
    while at < text.len() {
        let octet = match text[at] {
            b'.' => {
                match out.len() - label - 1 {
                    0 => return fail(TextFault::EmptyLabel),
                    length @ 1..=63 => out[label] = length as u8,
                    _ => return fail(TextFault::LabelTooLong),
                }
                label = out.len();
                at += 1;
                0
            }
            b'\\' => match escape(&text[at..]) {
                Some((octet, width)) => {
                    at += width;
                    octet
                }
                None => return Err(TextError { at: token.at + at, fault: TextFault::BadEscape }),
            },
            octet => {
                at += 1;
                octet
            }
        };
        out.push(octet);
        if out.len() - start > 256 {
            return fail(TextFault::NameTooLong);
        }
    }
    let last = out.len() - label - 1;
    if last > 63 {
        return fail(TextFault::LabelTooLong);
    }
    out[label] = last as u8;
    if last > 0 {
        out.extend_from_slice(origin.wire());
    }
    if out.len() - start > 255 { fail(TextFault::NameTooLong) } else { Ok(()) }
}

/// Parse a decimal number of digits only. Returns None if it exceeds 64 bits.
#[inline]
pub fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 19 {
        return None;
    }
    let mut value = 0u64;
    for &byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + u64::from(digit);
    }
    Some(value)
}

/// Parse four octets in strict dotted decimal: no leading zeros, no short forms.
#[inline]
pub fn ipv4(text: &[u8]) -> Option<[u8; 4]> {
    let mut octets = [0u8; 4];
    let mut at = 0;
    for (index, octet) in octets.iter_mut().enumerate() {
        let mut value = 0u16;
        let first = at;
        while let Some(&byte) = text.get(at) {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            value = value * 10 + u16::from(digit);
            at += 1;
            if at - first > 3 {
                return None;
            }
        }
        if at == first || value > 255 || (at - first > 1 && text[first] == b'0') {
            return None;
        }
        *octet = value as u8;
        if index < 3 {
            if text.get(at) != Some(&b'.') {
                return None;
            }
            at += 1;
        }
    }
    if at == text.len() { Some(octets) } else { None }
}

/// Parse an IPv6 address as in RFC 4291 §2.2, with `::` and a dotted-decimal tail.
#[inline]
pub fn ipv6(text: &[u8]) -> Option<[u8; 16]> {
    let mut groups = [0u16; 8];
    let mut count = 0; // the number of groups read
    let mut gap = None; // the position of `::`
    let mut at = 0;
    if text.len() > 45 {
        return None;
    }
    if text.starts_with(b"::") {
        gap = Some(0);
        at = 2;
    }
    while at < text.len() {
        if count == 8 {
            return None;
        }
        let first = at;
        let mut value = 0u32;
        while let Some(digit) = text.get(at).and_then(|&byte| crate::base::hex_digit(byte)) {
            value = value << 4 | u32::from(digit);
            at += 1;
            if at - first > 4 {
                return None;
            }
        }
        if text.get(at) == Some(&b'.') {
            let [a, b, c, d] = ipv4(&text[first..])?;
            if count > 6 {
                return None;
            }
            groups[count] = u16::from_be_bytes([a, b]);
            groups[count + 1] = u16::from_be_bytes([c, d]);
            count += 2;
            break;
        }
        if at == first {
            return None;
        }
        groups[count] = value as u16;
        count += 1;
        if at == text.len() {
            break;
        }
        if text[at] != b':' {
            return None;
        }
        at += 1;
        if text.get(at) == Some(&b':') {
            if gap.is_some() {
                return None;
            }
            gap = Some(count);
            at += 1;
        } else if at == text.len() {
            return None;
        }
    }
    match gap {
        None if count == 8 => {}
        Some(gap) if count < 8 => {
            let tail = count - gap;
            groups.copy_within(gap..count, 8 - tail);
            groups[gap..8 - tail].fill(0);
        }
        _ => return None,
    }
    let mut octets = [0u8; 16];
    for (pair, group) in octets.chunks_exact_mut(2).zip(groups) {
        pair.copy_from_slice(&group.to_be_bytes());
    }
    Some(octets)
}

/// Parse a period such as `3600`, `1h` or `1w2d3h4m5s` into seconds. Returns None if the text is not a period or
/// exceeds 32 bits. A number without a unit must be the only one: `1h30` could mean minutes or seconds, and is
/// refused. TTLs, `$TTL` and the times of SOA all use this rule.
#[inline]
pub fn period(text: &[u8]) -> Option<u32> {
    if let Some(seconds) = number(text) {
        return u32::try_from(seconds).ok();
    }
    let mut total = 0u64;
    let mut digits = 0;
    for (at, &byte) in text.iter().enumerate() {
        if byte.is_ascii_digit() {
            digits += 1;
            continue;
        }
        let unit = match byte.to_ascii_lowercase() {
            b'w' => 604_800,
            b'd' => 86_400,
            b'h' => 3_600,
            b'm' => 60,
            b's' => 1,
            _ => return None,
        };
        let count = number(&text[at - digits..at])?;
        total = total.checked_add(count.checked_mul(unit)?)?;
        digits = 0;
    }
    if digits > 0 {
        return None;
    }
    u32::try_from(total).ok()
}

pub(crate) fn time(text: &[u8]) -> Option<u32> {
    if text.len() != 14 {
        return u32::try_from(number(text)?).ok();
    }
    number(text)?;
    let field = |from: usize, to: usize| number(&text[from..to]);
    let (year, month, day) = (field(0, 4)?, field(4, 6)?, field(6, 8)?);
    let (hour, minute, second) = (field(8, 10)?, field(10, 12)?, field(12, 14)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + u64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if year < 1970 || day == 0 || day > days || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // Days since 1970-01-01. Years start in March, so that the leap day comes last.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let day_number = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468;
    Some((day_number * 86_400 + hour * 3_600 + minute * 60 + second) as u32)
}
