//! Formats zone files: the same lines in columns, with their comments and directives (`nw zone fmt`).
//!
//! ```text
//! text ─ lines (blank, comment, directive, record) ─ blocks of records ─ columns: owner TTL class type data ─► text
//! ```
//!
//! Only blanks, parentheses, and the case of classes and types change; names, numbers and strings stay as they are
//! written. [`format_file`] proves each result: it is formatted to itself, and both texts are the same zone.
//!
//! *Limitations*: included files are read for the proof and not formatted.

use std::fmt;
use std::path::Path;

use nw_wire::{Class, NameRef, RrType};

use crate::problem::ZoneFileErrors;
use crate::scan::{self, Files, LoadOptions, Source, SourceFile};

/// Longer owners do not widen the column of a block.
const MOST_OWNER: usize = 40;

/// The reason why a file is not formatted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FormatError {
    /// The zone has errors.
    Zone(ZoneFileErrors),
    /// The file cannot be read.
    Unreadable(String),
    /// The result is not the same zone, or is not formatted to itself: a bug.
    Proof(&'static str),
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FormatError::Zone(errors) => write!(f, "{errors}"),
            FormatError::Unreadable(reason) => f.write_str(reason),
            FormatError::Proof(what) => write!(f, "the formatted text {what}; the file is unchanged"),
        }
    }
}

impl std::error::Error for FormatError {}

/// The formatted text of the file at `path`, which is the zone `origin`.
pub fn format_file(path: &Path, origin: NameRef<'_>, options: &LoadOptions) -> Result<Vec<u8>, FormatError> {
    let mut files = Files::new(path);
    let text = files.main().map_err(FormatError::Unreadable)?.bytes;
    let before = scan::load(&mut files, origin, options).map_err(FormatError::Zone)?;
    let formatted = format(&text);
    if format(&formatted) != formatted {
        return Err(FormatError::Proof("changes when it is formatted again"));
    }
    let mut overlay = Overlay { files, name: path.to_string_lossy().into(), text: formatted.clone() };
    let after = scan::load(&mut overlay, origin, options);
    if after.is_ok_and(|after| after.to_text() == before.to_text()) {
        Ok(formatted)
    } else {
        Err(FormatError::Proof("is not the same zone"))
    }
}

/// Files, of which the main one has another text.
struct Overlay {
    files: Files,
    name: std::sync::Arc<str>,
    text: Vec<u8>,
}

impl Source for Overlay {
    fn main(&mut self) -> Result<SourceFile, String> {
        Ok(SourceFile { name: self.name.clone(), bytes: self.text.clone() })
    }

    fn include(&mut self, path: &str, from: &str) -> Result<SourceFile, String> {
        self.files.include(path, from)
    }
}

/// The formatted form of `text`. Text that is no zone file has some result, too.
pub fn format(text: &[u8]) -> Vec<u8> {
    let text = text.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(text);
    let mut out = Vec::with_capacity(text.len() + text.len() / 4);
    let mut block: Vec<Record<'_>> = Vec::new();
    let mut blank = false;
    let mut at = 0;
    while at < text.len() {
        let line = read(text, &mut at);
        if let Line::Record(record) = line {
            separate(&mut out, &mut blank, block.is_empty());
            block.push(record);
            continue;
        }
        write_block(&mut out, &mut block);
        match line {
            Line::Blank => blank = true,
            Line::Verbatim(line) => {
                separate(&mut out, &mut blank, true);
                out.extend_from_slice(line);
                out.push(b'\n');
            }
            Line::Directive(words, comment) => {
                separate(&mut out, &mut blank, true);
                out.extend_from_slice(&words.join(&b' '));
                push_comment(&mut out, comment);
                out.push(b'\n');
            }
            Line::Record(_) => unreachable!("records are written with their block"),
        }
    }
    write_block(&mut out, &mut block);
    out
}

/// Write the blank line that precedes the next line, if there was one or more, and not at the start of the file.
fn separate(out: &mut Vec<u8>, blank: &mut bool, starts: bool) {
    if *blank && starts && !out.is_empty() {
        out.push(b'\n');
    }
    *blank = false;
}

/// A logical line.
enum Line<'t> {
    Blank,
    /// A comment, or a line of unusual form, as it is written, without blanks at its end.
    Verbatim(&'t [u8]),
    Directive(Vec<&'t [u8]>, Option<&'t [u8]>),
    Record(Record<'t>),
}

/// A record as it is written.
struct Record<'t> {
    /// Empty: that of the record before.
    owner: &'t [u8],
    ttl: &'t [u8],
    class: Vec<u8>,
    rtype: Vec<u8>,
    /// The words of the data on each line of the file, and the comment at its end. At least one line.
    data: Vec<Physical<'t>>,
}

/// The words of one line of the file, and its comment.
#[derive(Default)]
struct Physical<'t> {
    words: Vec<&'t [u8]>,
    comment: Option<&'t [u8]>,
}

/// Read the logical line at `at`, and move to the next.
fn read<'t>(text: &'t [u8], at: &mut usize) -> Line<'t> {
    let start = *at;
    let mut lines: Vec<Physical<'t>> = vec![Physical::default()];
    let mut depth = 0u32;
    let mut parentheses = false;
    while let Some(&octet) = text.get(*at) {
        let line = lines.last_mut().expect("there is a line");
        match octet {
            b'\n' => {
                *at += 1;
                if depth == 0 {
                    break;
                }
                lines.push(Physical::default());
            }
            b' ' | b'\t' | b'\r' => *at += 1,
            b'(' | b')' => {
                parentheses = true;
                depth = if octet == b'(' { depth + 1 } else { depth.saturating_sub(1) };
                *at += 1;
            }
            b';' => {
                let end =
                    text[*at..].iter().position(|&octet| octet == b'\n').map_or(text.len(), |end| *at + end);
                line.comment = Some(text[*at..end].trim_ascii_end());
                *at = end;
            }
            _ => line.words.push(word(text, at)),
        }
    }
    let end = if text.get(at.wrapping_sub(1)) == Some(&b'\n') && *at > start { *at - 1 } else { *at };
    let verbatim = Line::Verbatim(text[start..end].trim_ascii_end());
    let indented = matches!(text[start], b' ' | b'\t' | b'\r' | b'(' | b')');
    let words: usize = lines.iter().map(|line| line.words.len()).sum();
    if words == 0 {
        let comments = lines.iter().any(|line| line.comment.is_some());
        return if comments || parentheses { verbatim } else { Line::Blank };
    }
    if text[start] == b'$' {
        let first = lines.pop().filter(|_| lines.is_empty() && !parentheses);
        return first.map_or(verbatim, |line| Line::Directive(line.words, line.comment));
    }
    record(lines, indented).map_or(verbatim, Line::Record)
}

/// The word at `at`: up to a blank, parenthesis or comment, with the quoted strings in it.
fn word<'t>(text: &'t [u8], at: &mut usize) -> &'t [u8] {
    let start = *at;
    let mut quoted = false;
    while let Some(&octet) = text.get(*at) {
        match octet {
            b'\\' => *at += 1,
            b'"' => quoted = !quoted,
            b'\n' => break,
            b' ' | b'\t' | b'\r' | b'(' | b')' | b';' if !quoted => break,
            _ => {}
        }
        *at += 1;
    }
    *at = (*at).min(text.len());
    &text[start..*at]
}

/// Divide the words into owner, TTL, class, type and data. None: they have another form.
fn record(lines: Vec<Physical<'_>>, indented: bool) -> Option<Record<'_>> {
    let mut owner: &[u8] = b"";
    let mut ttl: &[u8] = b"";
    let (mut class, mut rtype) = (Vec::new(), Vec::new());
    let mut data = Vec::new();
    let mut pending = !indented;
    for line in lines {
        let mut words = Vec::new();
        for word in line.words {
            if pending {
                (owner, pending) = (word, false);
            } else if !rtype.is_empty() {
                words.push(word);
            } else if word[0].is_ascii_digit() && ttl.is_empty() {
                ttl = word;
            } else {
                let text = std::str::from_utf8(word).ok()?;
                if class.is_empty() && text.parse::<Class>().is_ok() {
                    class = word.to_ascii_uppercase();
                } else if text.parse::<RrType>().is_ok() {
                    rtype = word.to_ascii_uppercase();
                } else {
                    return None;
                }
            }
        }
        if !words.is_empty() || line.comment.is_some() || data.is_empty() {
            data.push(Physical { words, comment: line.comment });
        }
    }
    (!rtype.is_empty()).then_some(Record { owner, ttl, class, rtype, data })
}

fn write_block(out: &mut Vec<u8>, block: &mut Vec<Record<'_>>) {
    let width = |field: fn(&Record<'_>) -> usize, most: usize| {
        block.iter().map(field).filter(|&length| length <= most).max().unwrap_or(0)
    };
    let owner = width(|record| record.owner.len(), MOST_OWNER);
    let ttl = width(|record| record.ttl.len(), usize::MAX);
    let class = width(|record| record.class.len(), usize::MAX);
    let rtype = width(|record| record.rtype.len(), usize::MAX);
    for record in block.drain(..) {
        let start = out.len();
        let fields: [(&[u8], usize); 4] =
            [(record.owner, owner), (record.ttl, ttl), (&record.class, class), (&record.rtype, rtype)];
        for (i, (field, width)) in fields.into_iter().enumerate() {
            // A column that the block does not use has no place; an omitted owner is a blank.
            if width > 0 || i == 0 {
                out.extend_from_slice(field);
                out.resize(out.len() + width.saturating_sub(field.len()) + 1, b' ');
            }
        }
        let indent = out.len() - start;
        write_data(out, &record.data, indent);
    }
}

/// Write the data. Further lines are below the data of the first, with their comments in a column.
fn write_data(out: &mut Vec<u8>, lines: &[Physical<'_>], indent: usize) {
    let (first, rest) = lines.split_first().expect("a record has a line");
    out.extend_from_slice(&first.words.join(&b' '));
    if rest.is_empty() {
        trim(out);
        push_comment(out, first.comment);
        out.push(b'\n');
        return;
    }
    if !first.words.is_empty() {
        out.push(b' ');
    }
    out.push(b'(');
    push_comment(out, first.comment);
    out.push(b'\n');
    let length = |words: &[&[u8]]| words.iter().map(|word| word.len() + 1).sum::<usize>();
    let width =
        rest.iter().filter(|line| line.comment.is_some()).map(|line| length(&line.words)).max().unwrap_or(0);
    for (i, Physical { words, comment }) in rest.iter().enumerate() {
        out.resize(out.len() + indent, b' ');
        out.extend_from_slice(&words.join(&b' '));
        let last = i + 1 == rest.len();
        if let Some(comment) = comment {
            let padding = (width + 1).saturating_sub(length(words)).max(1);
            out.resize(out.len() + if words.is_empty() { 0 } else { padding }, b' ');
            out.extend_from_slice(comment);
            if last {
                out.push(b'\n');
                out.resize(out.len() + indent, b' ');
                out.push(b')');
            }
        } else if last {
            out.extend_from_slice(b" )");
        }
        out.push(b'\n');
    }
}

fn trim(out: &mut Vec<u8>) {
    while out.last() == Some(&b' ') {
        out.pop();
    }
}

fn push_comment(out: &mut Vec<u8>, comment: Option<&[u8]>) {
    if let Some(comment) = comment {
        out.extend_from_slice(b"  ");
        out.extend_from_slice(comment);
    }
}

#[cfg(test)]
mod tests;
