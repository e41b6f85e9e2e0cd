//! Reads master files into records: RFC 1035 §5 and its later extensions.
//!
//! ```text
//!                     ┌─ chunk 1 ─ Scanner ─► Batch ─┐
//! Source ─► file text ┼─ chunk 2 ─ Scanner ─► Batch ─┼─► build ─► Zone
//!                     └─ chunk n ─ Scanner ─► Batch ─┘
//! ```
//!
//! A large file is cut at lines that start with an owner name, and all threads scan its chunks at the same time. A
//! quick look ahead guesses the state that a chunk inherits (`$ORIGIN`, `$TTL`, no open parenthesis). When the
//! previous chunk has been scanned, its end state is compared with the guess. If the guess was wrong, the chunk is
//! scanned again. The result is that of a scan from top to bottom.
//!
//! Every error is reported with file, line, column and the expected text. The scan continues after it.
//!
//! RFCs: 1035 §5 (master files), 2308 §4 (`$TTL`), 2181 §5.2, §8 (TTL), 3597 §5 (unknown types). `$GENERATE` as in BIND.
//!
//! *Limitations*: a file with `$INCLUDE` is scanned by one thread. One class per zone.

mod chunk;
mod file;
mod generate;
mod line;
mod plain;
mod source;

#[cfg(test)]
mod tests;

pub use file::{FileStamp, ReadFile};
pub(crate) use line::is_data_type;
pub use source::{Files, Source, SourceFile, Text};

use std::path::PathBuf;
use std::sync::OnceLock;

use nw_wire::{Class, Name, NameRef};

use crate::build;
use crate::build::rules::Which;
use crate::problem::{Finding, Findings, Problem, ZoneFileErrors};
use crate::store::Zone;

/// Options for reading a zone file. Each limit states what it prevents.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// The class of the zone.
    pub class: Class,
    /// Number of threads. 0 uses one for each core, at most 8.
    pub threads: usize,
    /// Maximum depth of `$INCLUDE`. Stops include bombs.
    pub max_include_depth: u32,
    /// Maximum number of files that one zone includes. Stops files that include many others, which include many others.
    pub max_includes: u32,
    /// Maximum number of records from one `$GENERATE`. Stops one line from filling the memory.
    pub max_generate: u32,
    /// Maximum number of records from all `$GENERATE` lines of a chunk of the file, 64 full ones. Stops many lines from doing the same.
    pub max_generated: u32,
    /// Maximum number of findings of each rule that are reported in full. The rest is counted.
    pub max_findings: usize,
    /// The time in seconds since 1970 by which [`check`] judges signatures and serials; None: they are not judged.
    pub now: Option<u64>,
}

impl Default for LoadOptions {
    fn default() -> LoadOptions {
        LoadOptions {
            class: Class::IN,
            threads: 0,
            max_include_depth: 10,
            max_includes: 10_000,
            max_generate: 65_536,
            max_generated: 64 * 65_536,
            max_findings: 100,
            now: None,
        }
    }
}

impl LoadOptions {
    /// The number of threads to use.
    pub(crate) fn workers(&self) -> usize {
        // Asking the system reads several of its files, which takes longer than loading a small zone.
        static CORES: OnceLock<usize> = OnceLock::new();
        match self.threads {
            0 => *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, |n| n.get()).min(8)),
            n => n,
        }
    }
}

/// The outcome of a check.
#[derive(Debug)]
pub struct Checked {
    /// The zone, if there was no error.
    pub zone: Option<Zone>,
    /// The findings in the order of the file, for each rule the first of them.
    pub findings: Vec<Finding>,
    /// The number of findings of each rule, including those that are not listed.
    pub counts: Vec<(&'static str, usize)>,
    /// The number of errors, including those that are not listed.
    pub errors: usize,
}

/// Read the zone `origin` from `source`.
///
/// Returns all errors at once, each with its place. A zone with only warnings loads. RFC 1035 §5.
pub fn load(
    source: &mut dyn Source,
    origin: NameRef<'_>,
    options: &LoadOptions,
) -> Result<Zone, ZoneFileErrors> {
    let checked = run(source, origin, options, Which::Errors);
    match checked.zone {
        Some(zone) => Ok(zone),
        None => Err(ZoneFileErrors { findings: checked.findings, total: checked.errors }),
    }
}

/// The result of loading one zone file with [`load_files`].
#[derive(Debug)]
pub struct LoadedFile {
    /// The zone, or the reason why it did not load.
    pub zone: Result<Zone, ZoneFileErrors>,
    /// The files that were read, the main file first. Equal stamps at a later time mean an equal zone.
    pub files: Vec<ReadFile>,
}

/// Size from which files are loaded one at a time, each by all threads.
const LARGE_FILE: u64 = 1 << 20;

/// Load many zones, each from its file, and return them in the same order. A pipe is not read, because opening it waits
/// for a writer; it has no entry in [`LoadedFile::files`], and neither has a file that cannot be opened.
///
/// The threads share the small files, so that no zone starts its own threads.
pub fn load_files(sources: &[(Name, PathBuf)], options: &LoadOptions) -> Vec<LoadedFile> {
    let one = LoadOptions { threads: 1, ..options.clone() };
    let load_file = |i: usize, options: &LoadOptions| {
        let (name, path) = &sources[i];
        let mut files = Files::new(path);
        let zone = load(&mut files, name.as_ref(), options);
        LoadedFile { zone, files: files.into_read_files() }
    };
    let workers = options.workers();
    let large = if sources.len() == 1 { 0 } else { LARGE_FILE };
    let loaded = build::in_parallel(workers, sources.len(), |i| match std::fs::metadata(&sources[i].1) {
        Ok(metadata) if file::is_pipe(&metadata) => Some(pipe()),
        Ok(metadata) if workers > 1 && metadata.len() >= large => None,
        _ => Some(load_file(i, &one)),
    });
    let later = |(i, loaded): (usize, Option<LoadedFile>)| loaded.unwrap_or_else(|| load_file(i, options));
    loaded.into_iter().enumerate().map(later).collect()
}

fn pipe() -> LoadedFile {
    let problem = Problem::Unreadable { reason: "this is a pipe instead of a file".into() };
    let finding = Finding { file: None, line: 0, column: 0, problem };
    LoadedFile { zone: Err(ZoneFileErrors { findings: vec![finding], total: 1 }), files: Vec::new() }
}

/// Maximum number of scans of one zone. If its files still change between reads, this is reported.
const MOST_SCANS: usize = 3;

/// As [`load`], with all rules of `nw zone check`.
pub fn check(source: &mut dyn Source, origin: NameRef<'_>, options: &LoadOptions) -> Checked {
    run(source, origin, options, Which::All(options.now))
}

fn run(source: &mut dyn Source, origin: NameRef<'_>, options: &LoadOptions, which: Which) -> Checked {
    let mut findings = Findings::new(options.max_findings);
    let mut zone = None;
    let mut scans = 0;
    let read = loop {
        let file = match source.main() {
            Ok(file) => file,
            Err(reason) => break Err(reason),
        };
        let batches = chunk::scan(source, file, origin, options, which, &mut findings);
        if source.is_current() {
            break Ok(batches);
        }
        scans += 1;
        if scans == MOST_SCANS {
            break Err("the files of the zone change while they are read".into());
        }
        findings = Findings::new(options.max_findings);
    };
    match read {
        Err(reason) => {
            let (file, problem) = (None, Problem::Unreadable { reason });
            findings.push(Finding { file, line: 0, column: 0, problem });
        }
        // The load check also runs on a file with errors, so that one run reports all problems. It then does not
        // report missing records, because an unreadable line may contain them.
        Ok(batches) => {
            let workers = options.workers();
            zone = build::zone(batches, origin, options.class, workers, which, &mut findings);
        }
    }
    let errors = findings.errors;
    let zone = zone.filter(|_| errors == 0);
    if let (Some(zone), Which::All(_)) = (&zone, which) {
        build::rules::check_zone(zone, &mut findings);
    }
    Checked { zone, counts: findings.counts().to_vec(), findings: findings.in_order(), errors }
}
