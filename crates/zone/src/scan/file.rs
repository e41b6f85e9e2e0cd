//! Reads zone files into memory, completely or not at all.
//!
//! ```text
//! open ─► status ─► changed a moment ago? wait ─► read `size` octets ─► status ─► the same? ─► text
//!           ▲                                                             │ no
//!           └─────────────────────────────────────────────────────────────┘   an error after `PATIENCE`
//! ```
//!
//! A file is never mapped: if another process truncates a mapped file, SIGBUS ends this process. Instead, the octets
//! are copied, and the status of the open file (size, modification and change time, inode) must be the same before
//! and after the copy. A file that was written within the last [`QUIET`] is not read yet, because its writer may be
//! between two writes. Reading starts again until the file is at rest. A file that does not come to rest is an error,
//! never half a zone.
//!
//! *Limitations*: a writer that pauses for longer than [`QUIET`] in the middle of a file is not detected. Only a
//! writer that fills another file and renames it is safe in every case; the error text recommends this.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Minimum age of the last write. A more recently written file may be incomplete.
const QUIET: Duration = Duration::from_millis(50);
/// How long a file may keep changing before it is reported.
const PATIENCE: Duration = Duration::from_secs(2);
/// Size from which two threads read a file. Most of the time is spent allocating its memory.
const LARGE: u64 = 8 << 20;

/// The file system's metadata of a file's contents. Equal stamps mean that nothing was written in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileStamp {
    /// The file system and the file in it. 0 if the system has no such numbers.
    pub identity: (u64, u64),
    /// The size in octets.
    pub size: u64,
    /// When the contents were modified, in nanoseconds since 1970. Programs can set this time.
    pub modified_ns: i128,
    /// When contents or attributes were changed, in nanoseconds since 1970. Programs cannot set this time.
    pub changed_ns: i128,
}

impl FileStamp {
    /// The stamp of the file at `path`, which is not opened.
    pub fn of(path: &Path) -> io::Result<FileStamp> {
        std::fs::metadata(path).map(|metadata| FileStamp::from(&metadata))
    }
}

impl From<&Metadata> for FileStamp {
    #[cfg(unix)]
    fn from(metadata: &Metadata) -> FileStamp {
        use std::os::unix::fs::MetadataExt;
        let nanoseconds = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        FileStamp {
            identity: (metadata.dev(), metadata.ino()),
            size: metadata.len(),
            modified_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            changed_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    #[cfg(not(unix))]
    fn from(metadata: &Metadata) -> FileStamp {
        let modified = metadata.modified().ok();
        let since = modified.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
        let modified_ns = since.map_or(0, |since| since.as_nanos() as i128);
        FileStamp { identity: (0, 0), size: metadata.len(), modified_ns, changed_ns: modified_ns }
    }
}

/// Whether this is the metadata of a named pipe.
#[cfg(unix)]
pub(super) fn is_pipe(metadata: &Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt;
    metadata.file_type().is_fifo()
}

#[cfg(not(unix))]
pub(super) fn is_pipe(_: &Metadata) -> bool {
    false
}

/// A file and its stamp at the time of reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadFile {
    /// The path as given, or as joined with the folder.
    pub path: PathBuf,
    /// The stamp of its contents. None if it is not a regular file (a pipe, a terminal).
    pub stamp: Option<FileStamp>,
}

/// The clock, and moments at which a test changes the file.
pub(super) trait Surroundings {
    /// The time of day.
    fn now(&mut self) -> SystemTime {
        SystemTime::now()
    }

    /// Wait for `duration`.
    fn wait(&mut self, duration: Duration) {
        std::thread::sleep(duration);
    }

    /// The status was taken; the octets are read next.
    fn before_octets(&mut self) {}

    /// The octets were read; the status is compared next.
    fn after_octets(&mut self) {}
}

/// The clock of the system.
pub(super) struct System;

impl Surroundings for System {}

/// The contents of the file at `path`.
pub(super) fn read(
    path: &Path,
    world: &mut impl Surroundings,
) -> Result<(Vec<u8>, Option<FileStamp>), String> {
    let mut waited = Duration::ZERO;
    loop {
        let mut file = File::open(path).map_err(|error| error.to_string())?;
        let metadata = file.metadata().map_err(|error| error.to_string())?;
        if !metadata.is_file() {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
            return Ok((bytes, None));
        }
        let stamp = FileStamp::from(&metadata);
        let mut pause = unrest(&stamp, world.now());
        if pause.is_zero() {
            world.before_octets();
            match read_octets(&file, stamp.size) {
                Ok(bytes) => {
                    world.after_octets();
                    let now = file.metadata().map_err(|error| error.to_string())?;
                    if FileStamp::from(&now) == stamp {
                        return Ok((bytes, Some(stamp)));
                    }
                }
                // The file has become shorter since its size was read.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
                Err(error) => return Err(error.to_string()),
            }
            pause = QUIET;
        }
        if waited >= PATIENCE {
            return Err(format!(
                "the file keeps changing: it was not left alone for {} ms within {} s; \
                 write a new file and rename it to this one",
                QUIET.as_millis(),
                PATIENCE.as_secs()
            ));
        }
        world.wait(pause);
        waited += pause;
    }
}

/// The time until a file with this stamp has been at rest for [`QUIET`].
fn unrest(stamp: &FileStamp, now: SystemTime) -> Duration {
    let last = u64::try_from(stamp.modified_ns.max(stamp.changed_ns)).unwrap_or(0);
    // The clock of a file server may be ahead of the local one, so a time in the future has no meaning.
    match now.duration_since(SystemTime::UNIX_EPOCH + Duration::from_nanos(last)) {
        Ok(age) => QUIET.saturating_sub(age),
        Err(_) => Duration::ZERO,
    }
}

/// The first `size` octets; `UnexpectedEof` if there are fewer.
fn read_octets(file: &File, size: u64) -> io::Result<Vec<u8>> {
    let size = usize::try_from(size).map_err(|_| io::ErrorKind::FileTooLarge)?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(size).map_err(|_| io::ErrorKind::OutOfMemory)?;
    bytes.resize(size, 0);
    fill(file, &mut bytes)?;
    Ok(bytes)
}

#[cfg(unix)]
fn fill(file: &File, bytes: &mut [u8]) -> io::Result<()> {
    use std::os::unix::fs::FileExt;
    if (bytes.len() as u64) < LARGE {
        return file.read_exact_at(bytes, 0);
    }
    let middle = bytes.len() / 2;
    let (first, second) = bytes.split_at_mut(middle);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| file.read_exact_at(second, middle as u64));
        file.read_exact_at(first, 0)?;
        other.join().expect("reading does not panic")
    })
}

#[cfg(not(unix))]
fn fill(mut file: &File, bytes: &mut [u8]) -> io::Result<()> {
    file.read_exact(bytes)
}

#[cfg(test)]
mod tests;
