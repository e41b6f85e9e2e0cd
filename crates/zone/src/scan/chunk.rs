//! Cuts a file into chunks that several threads scan at the same time. The result is that of one scan from top to
//! bottom.

use std::sync::Arc;

use nw_wire::text::{Tokens, position};
use nw_wire::{NameBuf, NameRef};

use super::line::{Owner, Scanner, Sink, State, ttl_value};
use super::{LoadOptions, Source, SourceFile};
use crate::batch::Batch;
use crate::build::rules::{self, Which};
use crate::build::{in_parallel, roomy};
use crate::problem::{Finding, Findings};

/// Smaller chunks cost more to distribute than to scan.
const LEAST_CHUNK: usize = 128 << 10;
/// With larger chunks, threads would wait for the last one.
const MOST_CHUNK: usize = 4 << 20;

/// Scan `file` and the files that it includes.
pub(super) fn scan(
    source: &mut dyn Source,
    file: SourceFile,
    apex: NameRef<'_>,
    options: &LoadOptions,
    which: Which,
    findings: &mut Findings,
) -> Vec<Batch> {
    let size = (file.bytes.len() / (options.workers() * 4)).clamp(LEAST_CHUNK, MOST_CHUNK);
    scan_in(source, file, apex, options, which, size, findings)
}

/// Run the rules that inspect the text of `file`. Returns the start of its records, or None if it cannot be read.
pub(super) fn records_start(file: &SourceFile, which: Which, findings: &mut Findings) -> Option<usize> {
    let errors = findings.errors;
    rules::check_file(&file.bytes, which, |at, problem| {
        let (line, column) = position(&file.bytes, at);
        let (line, column) = (line as u32, column as u32);
        findings.push(Finding { file: Some(file.name.clone()), line, column, problem });
    });
    let mark = if file.bytes.starts_with(&rules::BYTE_ORDER_MARK) { rules::BYTE_ORDER_MARK.len() } else { 0 };
    (findings.errors == errors).then_some(mark)
}

/// Scan `file` in chunks of about `size` octets.
pub(super) fn scan_in(
    source: &mut dyn Source,
    file: SourceFile,
    apex: NameRef<'_>,
    options: &LoadOptions,
    which: Which,
    size: usize,
    findings: &mut Findings,
) -> Vec<Batch> {
    let Some(start) = records_start(&file, which, findings) else { return Vec::new() };
    let text = &file.bytes[start..];
    let workers = options.workers();
    let state = State { origin: apex.to_buf(), default_ttl: None, last_ttl: None, owner: Owner::Unset };
    if workers == 1 || text.len() / 2 < size || holds_include(text) {
        let mut sink = sink(apex, options, &file.name, Some(source));
        sink.which = which;
        let mut scanner = Scanner::new(text, 0, state, &mut sink);
        scanner.run(text.len());
        findings.append(sink.findings);
        return vec![sink.batch];
    }
    let chunks = cut(text, size, state);
    let done =
        in_parallel(workers, chunks.len(), |i| scan_chunk(text, &chunks[i], apex, options, &file.name));
    let mut batches = Vec::with_capacity(chunks.len());
    let mut line_base = 0;
    let mut before: Option<(usize, State)> = None;
    for (chunk, mut scanned) in chunks.iter().zip(done) {
        if let Some((end, state)) = before {
            let held = end == chunk.start
                && state.origin.as_ref().eq_exact(chunk.state.origin.as_ref())
                && state.default_ttl == chunk.state.default_ttl
                && !scanned.leaned_on_last_ttl;
            if !held {
                let chunk = Chunk { start: end, stop: chunk.stop, state };
                scanned = scan_chunk(text, &chunk, apex, options, &file.name);
            } else if scanned.state.last_ttl.is_none() {
                scanned.state.last_ttl = state.last_ttl;
            }
        }
        for finding in &mut scanned.findings.kept {
            finding.line += line_base;
        }
        findings.append(scanned.findings);
        scanned.batch.line_base = line_base;
        batches.push(scanned.batch);
        line_base += scanned.lines;
        before = Some((scanned.end, scanned.state));
    }
    batches
}

/// A part of the text, and the state that it probably inherits.
struct Chunk {
    start: usize,
    stop: usize,
    state: State,
}

/// A chunk after the scan.
struct Scanned {
    batch: Batch,
    findings: Findings,
    lines: u32,
    /// The end of the scan: after the chunk, if its last record ends there.
    end: usize,
    state: State,
    leaned_on_last_ttl: bool,
}

fn scan_chunk(
    text: &[u8],
    chunk: &Chunk,
    apex: NameRef<'_>,
    options: &LoadOptions,
    name: &Arc<str>,
) -> Scanned {
    let mut sink = sink(apex, options, name, None);
    // Records are about as long as their text, including owners and heads.
    let octets = chunk.stop.saturating_sub(chunk.start);
    sink.batch.data = roomy(octets * 3 / 2);
    sink.batch.groups = roomy(octets / 32);
    let mut scanner = Scanner::new(text, 0, chunk.state.clone(), &mut sink);
    scanner.at = chunk.start;
    scanner.reopen();
    scanner.run(chunk.stop);
    let (lines, end, state) = (scanner.line - 1, scanner.at, scanner.state.clone());
    let leaned_on_last_ttl = scanner.leaned_on_last_ttl;
    Scanned { batch: sink.batch, findings: sink.findings, lines, end, state, leaned_on_last_ttl }
}

fn sink<'z>(
    apex: NameRef<'z>,
    options: &'z LoadOptions,
    name: &Arc<str>,
    source: Option<&'z mut dyn Source>,
) -> Sink<'z> {
    Sink {
        apex,
        apex_labels: apex.label_count(),
        options,
        batch: Batch { files: vec![name.clone()], ..Batch::default() },
        findings: Findings::new(options.max_findings),
        which: Which::Errors,
        source,
        open: vec![name.clone()],
        generated: 0,
    }
}

/// Cut `text` at lines that start with an owner, and look ahead for the state that each chunk inherits.
fn cut(text: &[u8], size: usize, mut state: State) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    let mut start = 0;
    while start < text.len() {
        let mut stop = start + size;
        loop {
            let Some(newline) =
                text.get(stop..).and_then(|rest| rest.iter().position(|&octet| octet == b'\n'))
            else {
                stop = text.len();
                break;
            };
            stop += newline + 1;
            if !matches!(text.get(stop), Some(b' ' | b'\t' | b';' | b')' | b'(' | b'$' | b'\n' | b'\r')) {
                break;
            }
        }
        chunks.push(Chunk { start, stop, state: state.clone() });
        look_ahead(&text[start..stop], &mut state);
        start = stop;
    }
    chunks
}

/// Apply the `$ORIGIN` and `$TTL` lines of `text` to `state`. The result is a guess, which the scan verifies.
fn look_ahead(text: &[u8], state: &mut State) {
    for at in dollars(text) {
        if at > 0 && text[at - 1] != b'\n' {
            continue;
        }
        let mut tokens = Tokens::new_at(text, at);
        let (Ok(Some(word)), Ok(Some(value))) = (tokens.next(), tokens.next()) else { continue };
        if word.is(b"$ORIGIN") {
            if let Ok(origin) = NameBuf::parse(value.bytes, Some(state.origin.as_ref())) {
                state.origin = origin;
            }
        } else if word.is(b"$TTL")
            && let Some(ttl) = ttl_value(value.bytes)
        {
            state.default_ttl = Some(ttl);
        }
    }
}

/// Whether a line starts with `$INCLUDE`.
fn holds_include(text: &[u8]) -> bool {
    dollars(text).any(|at| {
        (at == 0 || text[at - 1] == b'\n')
            && text[at..].get(..8).is_some_and(|word| word.eq_ignore_ascii_case(b"$INCLUDE"))
    })
}

/// The offsets of all dollar signs. Most blocks have none; `contains` skips them fast.
fn dollars(text: &[u8]) -> impl Iterator<Item = usize> {
    const BLOCK: usize = 512;
    text.chunks(BLOCK).enumerate().filter(|(_, block)| block.contains(&b'$')).flat_map(|(i, block)| {
        block.iter().enumerate().filter(|&(_, &octet)| octet == b'$').map(move |(at, _)| i * BLOCK + at)
    })
}
