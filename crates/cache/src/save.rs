//! The cache as a file, so that it survives a restart.
//!
//! ```text
//! | magic 7, version 1 | saved at, seconds since 1970, 8 | basis chunk | chunk | chunk | ... | empty chunk |
//! chunk: | octets 4 | CRC-32 of the items 4 | items |
//! item:  | octets 4 | kind | ...                            an answer, a delegation or a denial record: see `save/item.rs`
//! ```
//!
//! Numbers are big-endian. The records of an item are a DNS message without compression. It is parsed like a message from the
//! network, so that whatever the file holds, an item is valid or the file is refused.
//!
//! The basis is text that says by which settings the data were judged; the caller decides whether they still apply.
//!
//! Failures, bogus data and data that was not validated are not saved, nor are whole answers behind aliases, which follow from the
//! others, name servers that a priming query brought, which the configuration may name differently now, and data about servers. A
//! file of another version is refused.
//!
//! Saving takes the memory of one chunk and of one pointer for each delegation, and each lock for one block of a table or the denial
//! records of one shard. Reading verifies the whole file before the first item is taken from it. Delegations come in the order of
//! their labels, so that each finds the one that led to it.

use crate::reader::State;
use crate::{Cache, Inspected, Kind, Micros, SHARDS};
use std::io::{self, Read, Seek, SeekFrom, Write};

mod item;

use item::Item;

/// The first octets of a file; the version of the format follows.
const MAGIC: &[u8; 7] = b"nwcache";
/// The version of the format.
const VERSION: u8 = 3;
/// Octets after which a chunk ends.
const CHUNK: usize = 64 << 10;
/// The longest chunk that is read: a chunk and one item, which is hardly longer than a message. Stops broken files from
/// filling the memory.
const LONGEST_CHUNK: usize = CHUNK + (256 << 10);

/// Why a file was not read.
#[derive(Debug)]
pub enum SaveError {
    /// The file cannot be read or written.
    Io(io::Error),
    /// The file is no saved cache.
    Foreign,
    /// The file is a saved cache of this other version.
    Version(u8),
    /// The entries were judged by other settings.
    Outdated,
    /// The file is broken at this offset.
    Broken {
        /// Octets from its start.
        offset: u64,
    },
}

impl std::fmt::Display for SaveError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SaveError::Io(error) => error.fmt(f),
            SaveError::Foreign => {
                f.write_str("offset 0: not a saved cache; the server starts with an empty cache")
            }
            SaveError::Version(version) => write!(
                f,
                "offset 7: a saved cache of version {version}, and this server reads version {VERSION}; it starts with an empty cache"
            ),
            SaveError::Outdated => f.write_str(
                "trust anchors, validation or views have changed since it was saved; the server starts with an empty cache",
            ),
            SaveError::Broken { offset } => write!(
                f,
                "offset {offset}: the saved cache is cut off or damaged; the server starts with an empty cache"
            ),
        }
    }
}

impl std::error::Error for SaveError {}

impl From<io::Error> for SaveError {
    fn from(error: io::Error) -> SaveError {
        SaveError::Io(error)
    }
}

/// Write answers, delegations and denial records of `cache` to `out` and return their number. `unix_s`: seconds since 1970. `basis`: by which settings
/// they were judged.
pub fn save(cache: &Cache, now: Micros, unix_s: u64, basis: &str, out: &mut impl Write) -> io::Result<usize> {
    out.write_all(MAGIC)?;
    out.write_all(&[VERSION])?;
    out.write_all(&unix_s.to_be_bytes())?;
    write_chunk(out, &mut basis.as_bytes().to_vec())?;
    let (mut chunk, mut count, mut cursor) = (Vec::with_capacity(CHUNK), 0, Some(0));
    let mut push = |item: &Item, chunk: &mut Vec<u8>| {
        item.push(chunk);
        count += 1;
        if chunk.len() >= CHUNK { write_chunk(out, chunk) } else { Ok(()) }
    };
    while let Some(at) = cursor {
        let (entries, next) = cache.entries(at, now, true);
        for entry in entries.into_iter().filter(is_saved) {
            push(&Item::Answer(entry), &mut chunk)?;
        }
        cursor = next;
    }
    for cut in cache.delegations(now) {
        push(&Item::delegation(&cut, now), &mut chunk)?;
    }
    for shard in 0..SHARDS {
        for (view, zone, record) in cache.denial_records(shard, now) {
            push(&Item::denial(view, zone, &record, now), &mut chunk)?;
        }
    }
    if !chunk.is_empty() {
        write_chunk(out, &mut chunk)?;
    }
    write_chunk(out, &mut chunk)?;
    Ok(count)
}

/// Take what `file` holds into `cache` and return the number of items. What the cache has learned since stays. Items have aged by
/// the time that has passed since the file was written; those that have expired beyond use are left out. If the file is not
/// sound as a whole, or `applies` says that the basis does not apply, nothing is taken.
pub fn load(
    cache: &Cache,
    now: Micros,
    unix_s: u64,
    applies: impl Fn(&str) -> bool,
    file: &mut (impl Read + Seek),
) -> Result<usize, SaveError> {
    let (saved_at, basis) = chunks(file, |chunk, offset| {
        // Sound as octets; each item has to be sound as well.
        items_of(chunk, offset).try_for_each(|item| item.map(drop))
    })?;
    if !applies(&basis) {
        return Err(SaveError::Outdated);
    }
    let passed = u32::try_from(unix_s.saturating_sub(saved_at)).unwrap_or(u32::MAX);
    file.seek(SeekFrom::Start(0))?;
    let mut count = 0;
    chunks(file, |chunk, offset| {
        for item in items_of(chunk, offset) {
            count += usize::from(item?.restore(cache, passed, now));
        }
        Ok(())
    })?;
    Ok(count)
}

fn is_saved(entry: &Inspected) -> bool {
    let valid = matches!(entry.validation, State::Indeterminate | State::Insecure | State::Secure);
    valid && matches!(entry.kind, Kind::Data | Kind::NoData | Kind::NxDomain)
}

fn write_chunk(out: &mut impl Write, chunk: &mut Vec<u8>) -> io::Result<()> {
    out.write_all(&(chunk.len() as u32).to_be_bytes())?;
    out.write_all(&crc(chunk).to_be_bytes())?;
    out.write_all(chunk)?;
    chunk.clear();
    Ok(())
}

/// Call `visit` with each chunk of `file` and its offset, and return when the file was written, seconds since 1970, and the
/// basis of its entries.
fn chunks(
    file: &mut impl Read,
    mut visit: impl FnMut(&[u8], u64) -> Result<(), SaveError>,
) -> Result<(u64, String), SaveError> {
    let mut head = [0; 16];
    read(file, &mut head, 0).map_err(|error| match error {
        SaveError::Broken { .. } => SaveError::Foreign,
        error => error,
    })?;
    let (magic, rest) = head.split_first_chunk().expect("16 octets");
    let (&[version], saved_at) = rest.split_first_chunk().expect("9 octets");
    match (magic, version) {
        (MAGIC, VERSION) => {}
        (MAGIC, version) => return Err(SaveError::Version(version)),
        _ => return Err(SaveError::Foreign),
    }
    let saved_at = u64::from_be_bytes(saved_at.try_into().expect("8 octets"));
    let (mut offset, mut chunk) = (head.len() as u64, Vec::new());
    read_chunk(file, &mut chunk, offset)?;
    let basis = String::from_utf8(chunk.clone()).map_err(|_| SaveError::Broken { offset })?;
    loop {
        offset += 8 + chunk.len() as u64;
        read_chunk(file, &mut chunk, offset)?;
        if chunk.is_empty() {
            return Ok((saved_at, basis));
        }
        visit(&chunk, offset)?;
    }
}

/// Read the chunk at `offset` of `file` into `chunk`.
fn read_chunk(file: &mut impl Read, chunk: &mut Vec<u8>, offset: u64) -> Result<(), SaveError> {
    let mut head = [0; 8];
    read(file, &mut head, offset)?;
    let [length, sum] = [0, 4].map(|at| u32::from_be_bytes(head[at..at + 4].try_into().expect("4 octets")));
    if length as usize > LONGEST_CHUNK {
        return Err(SaveError::Broken { offset });
    }
    chunk.resize(length as usize, 0);
    read(file, chunk, offset)?;
    if crc(chunk) != sum {
        return Err(SaveError::Broken { offset });
    }
    Ok(())
}

fn read(file: &mut impl Read, into: &mut [u8], offset: u64) -> Result<(), SaveError> {
    file.read_exact(into).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => SaveError::Broken { offset },
        _ => SaveError::Io(error),
    })
}

/// The items of a chunk, which begins at `offset` of the file.
fn items_of(chunk: &[u8], offset: u64) -> impl Iterator<Item = Result<Item, SaveError>> {
    let mut rest = chunk;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let at = offset + 8 + (chunk.len() - rest.len()) as u64;
        let split = rest
            .split_first_chunk::<4>()
            .and_then(|(length, after)| after.split_at_checked(u32::from_be_bytes(*length) as usize));
        let Some((item, after)) = split else {
            rest = &[];
            return Some(Err(SaveError::Broken { offset: at }));
        };
        rest = after;
        Some(Item::read(item).ok_or(SaveError::Broken { offset: at }))
    })
}

/// CRC-32 as in IEEE 802.3.
fn crc(octets: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut at = 0;
        while at < 256 {
            let (mut value, mut bit) = (at as u32, 0);
            while bit < 8 {
                value = if value & 1 == 1 { 0xedb8_8320 ^ (value >> 1) } else { value >> 1 };
                bit += 1;
            }
            table[at] = value;
            at += 1;
        }
        table
    };
    !octets.iter().fold(!0, |sum, &octet| TABLE[((sum ^ u32::from(octet)) & 0xff) as usize] ^ (sum >> 8))
}

#[cfg(test)]
mod tests;
