//! The quick path: a record on one line, without quotes, escapes or parentheses, of one of the types that fill large
//! zones. It does not report findings: `line.rs` scans a line that is not plain or not valid from its start.

use nw_wire::RrType;

use super::line::{Owner, Scanner, is_in_zone, ttl_value};
use crate::suffix::LabelStarts;

/// 0: part of a plain word. 1: blank. 2: end of line or comment. 3: not plain.
static CLASS: [u8; 256] = {
    let mut class = [0; 256];
    class[b' ' as usize] = 1;
    class[b'\t' as usize] = 1;
    class[b'\r' as usize] = 1;
    class[b'\n' as usize] = 2;
    class[b';' as usize] = 2;
    class[b'(' as usize] = 3;
    class[b')' as usize] = 3;
    class[b'"' as usize] = 3;
    class[b'\\' as usize] = 3;
    class
};

/// The next word from `at` and its end. None at the end of the line and at text that is not plain.
#[inline]
fn word(text: &[u8], mut at: usize) -> Option<(&[u8], usize)> {
    while CLASS[*text.get(at)? as usize] == 1 {
        at += 1;
    }
    let start = at;
    while at < text.len() && CLASS[text[at] as usize] == 0 {
        at += 1;
    }
    if at == start || (at < text.len() && CLASS[text[at] as usize] == 3) {
        return None;
    }
    Some((&text[start..at], at))
}

/// The end of the line if only blanks and a comment follow: the offset after its newline.
#[inline]
fn line_end(text: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match text.get(at) {
            None => return Some(at),
            Some(b' ' | b'\t' | b'\r') => at += 1,
            Some(b'\n') => return Some(at + 1),
            Some(b';') => {
                return Some(
                    text[at..].iter().position(|&octet| octet == b'\n').map_or(text.len(), |n| at + n + 1),
                );
            }
            Some(_) => return None,
        }
    }
}

impl Scanner<'_, '_, '_> {
    /// Scan one line if it is plain. Otherwise only change the owner, to the one in the line.
    #[inline]
    pub(super) fn plain(&mut self) -> bool {
        self.try_plain().is_some()
    }

    #[inline]
    fn try_plain(&mut self) -> Option<()> {
        let text = self.text;
        let mut at = self.at;
        match CLASS[text[at] as usize] {
            0 if text[at] != b'$' => {
                let (owner, end) = word(text, at)?;
                self.plain_owner(owner, at)?;
                at = end;
            }
            1 => {
                if let Some(end) = line_end(text, at) {
                    self.at = end;
                    self.line += 1;
                    return Some(());
                }
                if !matches!(self.state.owner, Owner::Open(..)) {
                    return None;
                }
            }
            _ => return None,
        }

        let (mut ttl, mut class) = (None, false);
        let rtype = loop {
            let (token, end) = word(text, at)?;
            at = end;
            if token[0].is_ascii_digit() {
                if ttl.is_some() {
                    return None;
                }
                ttl = Some(ttl_value(token)?);
                continue;
            }
            if token.len() == 2
                && token.eq_ignore_ascii_case(b"IN")
                && self.sink.options.class.0 == 1
                && !class
            {
                class = true;
                continue;
            }
            break match token {
                b"NS" | b"ns" => RrType::NS,
                b"A" | b"a" => RrType::A,
                b"AAAA" | b"aaaa" => RrType::AAAA,
                b"CNAME" | b"cname" => RrType::CNAME,
                b"PTR" | b"ptr" => RrType::PTR,
                b"MX" | b"mx" => RrType::MX,
                b"TXT" | b"txt" => RrType::TXT,
                _ => return None,
            };
        };

        // Determine the TTL before writing, so that nothing has to be undone.
        if ttl.is_none() && self.state.default_ttl.is_none() && self.state.last_ttl.is_none() {
            return None;
        }
        if rtype == RrType::TXT {
            return self.plain_txt(at, ttl);
        }
        let (field, mut at) = word(text, at)?;
        let line = self.line;
        let batch = &mut self.sink.batch;
        let origin = self.state.origin.as_ref();
        let start = batch.begin_record(rtype, 0, line);
        let data = &mut batch.data;
        let done = match rtype {
            RrType::A => ipv4(field).map(|octets| data.extend_from_slice(&octets)),
            RrType::AAAA => nw_wire::text::ipv6(field).map(|octets| data.extend_from_slice(&octets)),
            RrType::MX => number16(field).and_then(|preference| {
                data.extend_from_slice(&preference.to_be_bytes());
                let (exchange, end) = word(text, at)?;
                at = end;
                plain_name(exchange, origin.wire(), data)
            }),
            _ => plain_name(field, origin.wire(), data),
        };
        let end = done.and_then(|()| line_end(text, at));
        let Some(end) = end else {
            batch.drop_record(start);
            return None;
        };
        batch.end_record(start, rtype);
        let ttl = self.ttl(ttl)?;
        self.sink.batch.data[start + 2..start + 6].copy_from_slice(&ttl.to_le_bytes());
        self.line += 1;
        self.at = end;
        Some(())
    }

    /// Read TXT whose strings, from `at` on, contain no escapes.
    fn plain_txt(&mut self, at: usize, ttl: Option<u32>) -> Option<()> {
        let (text, line) = (self.text, self.line);
        let batch = &mut self.sink.batch;
        let start = batch.begin_record(RrType::TXT, 0, line);
        let end = plain_strings(text, at, &mut batch.data);
        // A record too long for RDLENGTH is dropped here. `line.rs` reports it.
        let Some(end) = end.filter(|_| batch.end_record(start, RrType::TXT)) else {
            batch.drop_record(start);
            return None;
        };
        let ttl = self.ttl(ttl)?;
        self.sink.batch.data[start + 2..start + 6].copy_from_slice(&ttl.to_le_bytes());
        self.line += 1;
        self.at = end;
        Some(())
    }

    /// Make `owner`, which is at `at`, the owner of the following records.
    #[inline]
    fn plain_owner(&mut self, owner: &[u8], at: usize) -> Option<()> {
        let same = matches!(self.state.owner, Owner::Open(start, end) if self.pinned.is_none() && self.text[start..end] == *owner);
        if same {
            return Some(());
        }
        let batch = &mut self.sink.batch;
        let mark = batch.data.len();
        // The name is built at its position in a group, after a length octet, and used in place.
        batch.data.push(0);
        let made = plain_name(owner, self.state.origin.as_ref().wire(), &mut batch.data).and_then(|()| {
            let wire = &batch.data[mark + 1..];
            let starts = LabelStarts::of(wire);
            is_in_zone(wire, &starts, self.sink.apex, self.sink.apex_labels).then_some(starts)
        });
        let Some(starts) = made else {
            batch.data.truncate(mark);
            return None;
        };
        batch.open_in_place(mark, &starts, self.sink.apex_labels, self.file);
        self.state.owner = Owner::Open(at, at + owner.len());
        Some(())
    }
}

/// Append the strings from `at` to the end of the line, at least one. Returns the start of the next line.
#[inline]
fn plain_strings(text: &[u8], mut at: usize, out: &mut Vec<u8>) -> Option<usize> {
    let mut strings = 0;
    loop {
        match CLASS[*text.get(at)? as usize] {
            1 => {
                at += 1;
                continue;
            }
            2 if strings > 0 => return line_end(text, at),
            _ => {}
        }
        let (string, behind) = if text[at] == b'"' {
            let inside = &text[at + 1..];
            let length = inside.iter().position(|&octet| matches!(octet, b'"' | b'\\' | b'\n'))?;
            if inside[length] != b'"' {
                return None;
            }
            (&inside[..length], at + 1 + length + 1)
        } else {
            word(text, at)?
        };
        out.push(u8::try_from(string.len()).ok()?);
        out.extend_from_slice(string);
        strings += 1;
        at = behind;
    }
}

/// Append the name in a plain word.
#[inline]
fn plain_name(text: &[u8], origin: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let start = out.len();
    match text {
        b"@" => {
            out.extend_from_slice(origin);
            return Some(());
        }
        b"." => {
            out.push(0);
            return Some(());
        }
        _ => {}
    }
    // The wire form is the text moved by one octet, with a length in place of each dot.
    out.push(0);
    out.extend_from_slice(text);
    let wire = &mut out[start..];
    let mut label = 0;
    for at in 1..wire.len() {
        if wire[at] == b'.' {
            let length = at - label - 1;
            if length == 0 || length > 63 {
                return None;
            }
            wire[label] = length as u8;
            label = at;
        }
    }
    let length = wire.len() - label - 1;
    if length > 63 {
        return None;
    }
    wire[label] = length as u8;
    if length > 0 {
        out.extend_from_slice(origin);
    }
    (out.len() - start <= 255).then_some(())
}

#[inline]
fn number16(text: &[u8]) -> Option<u16> {
    if text.len() > 5 {
        return None;
    }
    let mut value = 0u32;
    for &octet in text {
        value = value * 10 + u32::from(octet.checked_sub(b'0').filter(|digit| *digit <= 9)?);
    }
    u16::try_from(value).ok()
}

#[inline]
fn ipv4(text: &[u8]) -> Option<[u8; 4]> {
    let mut octets = [0; 4];
    let mut parts = 0;
    let (mut value, mut digits) = (0u32, 0);
    for &octet in text {
        match octet {
            b'0'..=b'9' => {
                // A leading zero may mean octal elsewhere, so this is not plain.
                if digits > 0 && value == 0 {
                    return None;
                }
                value = value * 10 + (octet - b'0') as u32;
                digits += 1;
                if value > 255 {
                    return None;
                }
            }
            b'.' if digits > 0 && parts < 3 => {
                octets[parts] = value as u8;
                parts += 1;
                (value, digits) = (0, 0);
            }
            _ => return None,
        }
    }
    octets[3] = value as u8;
    (parts == 3 && digits > 0).then_some(octets)
}
