//! `$GENERATE`: one line that produces many records, as in BIND.
//!
//! `$GENERATE start-stop[/step] owner [TTL] [class] type rdata`: in owner and rdata, `$` is the number of the step,
//! and `${offset[,width[,base]]}` is the number plus the offset, printed in base `d`, `o`, `x`, `X`, or as nibbles
//! `n`, `N`. `\$` and `$$` are a dollar sign. If the rdata is one quoted word, its content is the rdata, as in BIND:
//! `$GENERATE 1-2 a$ MX "10 mail$"`. `TXT "a $"` makes two strings, `TXT "\"a $\""` one.
//!
//! The scanner reads each step as a separate line. Findings have the place of the directive, and the first error ends
//! it.

use std::fmt::Write;

use nw_wire::text::{Token, Tokens};
use nw_wire::{Class, RrType};

use super::line::{Owner, Scanner, Skip, ttl_value};
use crate::problem::Problem;

const FORM: &str = "$GENERATE START-STOP[/STEP] OWNER [TTL] [CLASS] TYPE RDATA";
const PLACEHOLDER: &str = "$ or ${OFFSET[,WIDTH[,BASE]]} with BASE one of d, o, x, X, n, N";
/// Wider numbers do not fit in a label or a field.
const MOST_WIDTH: usize = 255;

/// Execute the directive. The word `$GENERATE` has been read.
pub(super) fn run(scanner: &mut Scanner<'_, '_, '_>, tokens: &mut Tokens<'_>) -> Result<(), Skip> {
    let start = scanner.at;
    let range = match tokens.next() {
        Ok(Some(token)) => token,
        Ok(None) => return refuse(scanner, tokens.offset(), FORM),
        Err(error) => return Err(scanner.text_error(None, error)),
    };
    let Some((first, last, step)) = read_range(range.bytes) else {
        return refuse(scanner, range.at, "START-STOP or START-STOP/STEP, numbers up to 2147483647");
    };
    let limit = scanner.sink.options.max_generate;
    if (last - first) / step >= limit {
        scanner.find(range.at, Problem::GenerateTooLong { limit });
        return Err(Skip);
    }
    let (limit, steps) = (scanner.sink.options.max_generated, (last - first) / step + 1);
    if steps > limit.saturating_sub(scanner.sink.generated) {
        scanner.find(range.at, Problem::GeneratedTooMany { limit });
        return Err(Skip);
    }
    scanner.sink.generated += steps;
    // The rest of the logical line is the pattern. It must contain an owner, a type and rdata.
    let from = tokens.offset();
    let mut words: Vec<Token<'_>> = Vec::new();
    loop {
        match tokens.next() {
            Ok(Some(token)) => words.push(token),
            Ok(None) => break,
            Err(error) => return Err(scanner.text_error(None, error)),
        }
    }
    if words.len() < 3 {
        return refuse(scanner, tokens.offset(), FORM);
    }
    let written = &scanner.text[from..tokens.offset()];
    let pattern = match quoted_rdata(&words) {
        Some(quoted) => [&scanner.text[from..quoted.at], &without_quotes(quoted.bytes)].concat(),
        None => written.to_vec(),
    };
    let pattern = pattern.trim_ascii_start();
    let place = match scanner.pinned {
        Some(place) => place,
        None => (scanner.line, (range.at - start) as u32 + 1),
    };
    let mut text = Vec::new();
    for value in (first..=last).step_by(step as usize) {
        text.clear();
        if write_out(pattern, value, &mut text).is_none() {
            return refuse(scanner, range.at, PLACEHOLDER);
        }
        text.push(b'\n');
        if text[0] == b'$' {
            return refuse(scanner, range.at, FORM);
        }
        let before = scanner.sink.findings.errors;
        let mut state = scanner.state.clone();
        state.owner = Owner::Unset;
        let mut inner = Scanner::new(&text, scanner.file, state, scanner.sink);
        inner.pinned = Some(place);
        inner.run(text.len());
        let last_ttl = inner.state.last_ttl;
        scanner.state.last_ttl = last_ttl;
        if scanner.sink.findings.errors > before || scanner.sink.batch.is_full() {
            break;
        }
    }
    scanner.reopen();
    Ok(())
}

/// The rdata, if it is one quoted word after the type: BIND uses the content of the quotes as the rdata.
fn quoted_rdata<'t>(words: &[Token<'t>]) -> Option<Token<'t>> {
    let [_, middle @ .., rtype, last] = words else { return None };
    let precedes_type = |token: &Token<'_>| {
        ttl_value(token.bytes).is_some() || token.ascii().is_some_and(|word| word.parse::<Class>().is_ok())
    };
    let is_type = !rtype.quoted && RrType::from_word(rtype.bytes).is_some();
    (last.quoted && is_type && middle.iter().all(precedes_type)).then_some(*last)
}

/// The content of a quoted word. `\"` becomes a quotation mark, and other escapes stay.
fn without_quotes(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter().peekable();
    while let Some(&octet) = rest.next() {
        match (octet, rest.peek()) {
            (b'\\', Some(&&b'"')) => {}
            (b'\\', Some(&&next)) => {
                out.extend_from_slice(&[octet, next]);
                rest.next();
            }
            _ => out.push(octet),
        }
    }
    out
}

fn refuse(scanner: &mut Scanner<'_, '_, '_>, at: usize, expected: &'static str) -> Result<(), Skip> {
    scanner.find(at, Problem::Generate { expected });
    Err(Skip)
}

fn read_range(text: &[u8]) -> Option<(u32, u32, u32)> {
    let text = std::str::from_utf8(text).ok()?;
    let (range, step) = text.split_once('/').unwrap_or((text, "1"));
    let (first, last) = range.split_once('-')?;
    let number =
        |text: &str| text.parse::<u32>().ok().filter(|&n| n <= 0x7fff_ffff && !text.starts_with('+'));
    let (first, last, step) = (number(first)?, number(last)?, number(step)?);
    (first <= last && step > 0).then_some((first, last, step))
}

/// Append `pattern` with every placeholder replaced.
fn write_out(pattern: &[u8], value: u32, out: &mut Vec<u8>) -> Option<()> {
    let mut at = 0;
    while let Some(&octet) = pattern.get(at) {
        at += 1;
        match octet {
            b'\\' => {
                out.push(b'\\');
                out.extend(pattern.get(at));
                at += 1;
            }
            b'$' => match pattern.get(at) {
                Some(b'$') => {
                    out.extend_from_slice(b"\\$");
                    at += 1;
                }
                Some(b'{') => {
                    let length = pattern[at..].iter().position(|&octet| octet == b'}')?;
                    modified(std::str::from_utf8(&pattern[at + 1..at + length]).ok()?, value, out)?;
                    at += length + 1;
                }
                _ => out.extend_from_slice(value.to_string().as_bytes()),
            },
            _ => out.push(octet),
        }
    }
    Some(())
}

/// `offset[,width[,base]]`.
fn modified(text: &str, value: u32, out: &mut Vec<u8>) -> Option<()> {
    let mut parts = text.split(',').map(str::trim);
    let offset = parts.next()?.parse::<i64>().ok()?;
    let width = parts.next().map_or(Some(0), |width| width.parse::<usize>().ok())?;
    let base = parts.next().unwrap_or("d");
    let value = u32::try_from(value as i64 + offset).ok()?;
    if parts.next().is_some() || width > MOST_WIDTH {
        return None;
    }
    let mut text = String::new();
    match base {
        "d" => write!(text, "{value:0width$}"),
        "o" => write!(text, "{value:0width$o}"),
        "x" => write!(text, "{value:0width$x}"),
        "X" => write!(text, "{value:0width$X}"),
        "n" | "N" => {
            // Nibbles, least significant first, separated by dots. The width includes the dots.
            let mut rest = value;
            loop {
                let nibble = char::from_digit(rest & 0xf, 16).expect("a nibble is a hex digit");
                text.push(if base == "N" { nibble.to_ascii_uppercase() } else { nibble });
                rest >>= 4;
                if rest == 0 && text.len() >= width {
                    break;
                }
                text.push('.');
                if rest == 0 && text.len() >= width {
                    text.pop();
                    break;
                }
            }
            Ok(())
        }
        _ => return None,
    }
    .expect("a string can be written to");
    out.extend_from_slice(text.as_bytes());
    Some(())
}
