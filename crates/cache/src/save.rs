//! The cache as a file, so that it survives a restart.
//!
//! ```text
//! | magic 8 | saved at, seconds since 1970, 8 | basis chunk | chunk | chunk | ... | empty chunk |
//! chunk: | octets 4 | CRC-32 of the entries 4 | entries |
//! entry: | octets 4 | kind | rank | state | view 2 | server 1 + 0, 6 or 18 | age 4 | life 4 | message |
//! ```
//!
//! Numbers are big-endian. The message is a DNS message without compression: the question is the name and the type of the entry,
//! its records have the TTLs that they were stored with. It is parsed like a message from the network, so that whatever the
//! file holds, an entry is valid or refused.
//!
//! The basis is text that says by which settings the entries were judged; the caller decides whether they still apply.
//!
//! Failures, bogus data and data that was not validated are not saved, nor are whole answers behind aliases, which follow from the
//! others, delegations, denial records and data about servers. The magic number is the version: a file of another one is refused.
//!
//! Saving takes the memory of one chunk, and each lock for one block of a table. Reading verifies the whole file before the first
//! entry is taken from it.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::net::{IpAddr, SocketAddr};

use nw_wire::code::{Class, RrType};
use nw_wire::message::{Message, Section};
use nw_wire::rrset::Rrset;

use crate::entry::Rank;
use crate::reader::State;
use crate::{Cache, Inspected, Kind, Micros};

/// The first octets of a file, with the version of the format.
const MAGIC: &[u8; 8] = b"nwcache\x02";
/// Octets after which a chunk ends.
const CHUNK: usize = 64 << 10;
/// The longest chunk that is read: a chunk and one entry, which is hardly longer than a message. Stops broken files from
/// filling the memory.
const LONGEST_CHUNK: usize = CHUNK + (256 << 10);

/// Why a file was not read.
#[derive(Debug)]
pub enum SaveError {
    /// The file cannot be read or written.
    Io(io::Error),
    /// The file is no saved cache, or one of another version.
    Foreign,
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
            SaveError::Foreign => f.write_str(
                "offset 0: not a saved cache of this version; the server starts with an empty cache",
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

/// Write the entries of `cache` to `out` and return their number. `unix_s`: seconds since 1970. `basis`: by which settings
/// they were judged.
pub fn save(cache: &Cache, now: Micros, unix_s: u64, basis: &str, out: &mut impl Write) -> io::Result<usize> {
    out.write_all(MAGIC)?;
    out.write_all(&unix_s.to_be_bytes())?;
    write_chunk(out, &mut basis.as_bytes().to_vec())?;
    let (mut chunk, mut count, mut cursor) = (Vec::with_capacity(CHUNK), 0, Some(0));
    while let Some(at) = cursor {
        let (entries, next) = cache.entries(at, now, true);
        for entry in entries.iter().filter(|entry| is_saved(entry)) {
            push_entry(&mut chunk, entry);
            count += 1;
            if chunk.len() >= CHUNK {
                write_chunk(out, &mut chunk)?;
            }
        }
        cursor = next;
    }
    if !chunk.is_empty() {
        write_chunk(out, &mut chunk)?;
    }
    write_chunk(out, &mut chunk)?;
    Ok(count)
}

/// Take the entries of `file` into `cache` and return their number. What the cache has learned since stays. Entries have aged by
/// the time that has passed since the file was written; those that have expired beyond use are left out. If the file is not
/// sound as a whole, or `applies` says that the basis of its entries does not apply, nothing is taken.
pub fn load(
    cache: &Cache,
    now: Micros,
    unix_s: u64,
    applies: impl Fn(&str) -> bool,
    file: &mut (impl Read + Seek),
) -> Result<usize, SaveError> {
    let (saved_at, basis) = chunks(file, |chunk, offset| {
        // Sound as octets; each entry has to be sound as well.
        entries_of(chunk, offset).try_for_each(|entry| entry.map(drop))
    })?;
    if !applies(&basis) {
        return Err(SaveError::Outdated);
    }
    let passed = u32::try_from(unix_s.saturating_sub(saved_at)).unwrap_or(u32::MAX);
    file.seek(SeekFrom::Start(0))?;
    let mut count = 0;
    chunks(file, |chunk, offset| {
        for entry in entries_of(chunk, offset) {
            let mut entry = entry?;
            entry.age_s = entry.age_s.saturating_add(passed);
            count += usize::from(cache.restore(&entry, now));
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
    let (magic, saved_at) = head.split_first_chunk().expect("16 octets");
    if magic != MAGIC {
        return Err(SaveError::Foreign);
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

fn push_entry(chunk: &mut Vec<u8>, entry: &Inspected) {
    let start = chunk.len();
    chunk.extend_from_slice(&[0; 4]);
    let kind = match entry.kind {
        Kind::Data => 0,
        Kind::NoData => 1,
        _ => 2,
    };
    let state = match entry.validation {
        State::Secure => 2,
        State::Insecure => 1,
        _ => 0,
    };
    chunk.extend_from_slice(&[kind, u8::from(entry.rank == Rank::Authoritative), state]);
    chunk.extend_from_slice(&entry.view.to_be_bytes());
    match entry.server.map(|server| (server.ip(), server.port())) {
        None => chunk.push(0),
        Some((IpAddr::V4(ip), port)) => {
            chunk.push(4);
            chunk.extend_from_slice(&ip.octets());
            chunk.extend_from_slice(&port.to_be_bytes());
        }
        Some((IpAddr::V6(ip), port)) => {
            chunk.push(6);
            chunk.extend_from_slice(&ip.octets());
            chunk.extend_from_slice(&port.to_be_bytes());
        }
    }
    chunk.extend_from_slice(&entry.age_s.to_be_bytes());
    chunk.extend_from_slice(&entry.life_s.to_be_bytes());
    let records: usize = entry.records.iter().map(|set| set.rdatas.len()).sum();
    let [high, low] = (records as u16).to_be_bytes();
    // Header: QR, one question, the records in the answer section (RFC 1035 §4.1.1).
    chunk.extend_from_slice(&[0, 0, 0x80, 0, 0, 1, high, low, 0, 0, 0, 0]);
    chunk.extend_from_slice(entry.name.as_ref().wire());
    chunk.extend_from_slice(&entry.rtype.unwrap_or(RrType(0)).0.to_be_bytes());
    chunk.extend_from_slice(&Class::IN.0.to_be_bytes());
    for set in &entry.records {
        for rdata in set.rdatas.iter() {
            chunk.extend_from_slice(set.owner.as_ref().wire());
            chunk.extend_from_slice(&set.rtype.0.to_be_bytes());
            chunk.extend_from_slice(&set.class.0.to_be_bytes());
            chunk.extend_from_slice(&set.ttl.to_be_bytes());
            // An RdataSet stores lengths in 16 bits as well.
            chunk.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
            chunk.extend_from_slice(rdata);
        }
    }
    let length = (chunk.len() - start - 4) as u32;
    chunk[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

/// The entries of a chunk, which begins at `offset` of the file.
fn entries_of(chunk: &[u8], offset: u64) -> impl Iterator<Item = Result<Inspected, SaveError>> {
    let mut rest = chunk;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let at = offset + 8 + (chunk.len() - rest.len()) as u64;
        let split = rest
            .split_first_chunk::<4>()
            .and_then(|(length, after)| after.split_at_checked(u32::from_be_bytes(*length) as usize));
        let Some((entry, after)) = split else {
            rest = &[];
            return Some(Err(SaveError::Broken { offset: at }));
        };
        rest = after;
        Some(entry_of(entry).ok_or(SaveError::Broken { offset: at }))
    })
}

fn entry_of(octets: &[u8]) -> Option<Inspected> {
    let (&[kind, rank, state, view_high, view_low, family], rest) = octets.split_first_chunk()?;
    let (server, rest) = match family {
        0 => (None, rest),
        4 => {
            let (&[a, b, c, d, high, low], rest) = rest.split_first_chunk()?;
            (Some(SocketAddr::from(([a, b, c, d], u16::from_be_bytes([high, low])))), rest)
        }
        6 => {
            let (ip, rest) = rest.split_first_chunk::<16>()?;
            let (port, rest) = rest.split_first_chunk::<2>()?;
            (Some(SocketAddr::from((*ip, u16::from_be_bytes(*port)))), rest)
        }
        _ => return None,
    };
    let (age, rest) = rest.split_first_chunk::<4>()?;
    let (life, message) = rest.split_first_chunk::<4>()?;
    let message = Message::parse(message).ok()?;
    let question = message.question()?;
    let kind = [Kind::Data, Kind::NoData, Kind::NxDomain].get(usize::from(kind)).copied()?;
    Some(Inspected {
        name: question.name.to_name(),
        rtype: Some(question.rtype).filter(|rtype| rtype.0 != 0),
        kind,
        rank: if rank == 0 { Rank::NonAuthoritative } else { Rank::Authoritative },
        validation: [State::Indeterminate, State::Insecure, State::Secure]
            .get(usize::from(state))
            .copied()?,
        server,
        view: u16::from_be_bytes([view_high, view_low]),
        age_s: u32::from_be_bytes(*age),
        life_s: u32::from_be_bytes(*life),
        records: Rrset::of(&message, Section::Answer),
        explained: None,
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
