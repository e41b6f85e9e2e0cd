//! Where the text of a zone comes from.

use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One file of a zone.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// How findings name it; two files with the same name are the same file.
    pub name: Arc<str>,
    /// Its text.
    pub bytes: Vec<u8>,
}

/// Yields the main file of a zone and what it includes. An error is a sentence for people.
pub trait Source {
    /// The file to begin with.
    fn main(&mut self) -> Result<SourceFile, String>;
    /// The file that the file `from` includes as `path`.
    fn include(&mut self, path: &str, from: &str) -> Result<SourceFile, String>;
}

/// Text in memory; it can include nothing.
#[derive(Debug, Clone)]
pub struct Text {
    file: SourceFile,
}

impl Text {
    /// `bytes` under the name that findings shall use.
    pub fn new(name: &str, bytes: impl Into<Vec<u8>>) -> Text {
        Text { file: SourceFile { name: name.into(), bytes: bytes.into() } }
    }
}

impl Source for Text {
    fn main(&mut self) -> Result<SourceFile, String> {
        Ok(SourceFile { name: self.file.name.clone(), bytes: std::mem::take(&mut self.file.bytes) })
    }

    fn include(&mut self, _path: &str, _from: &str) -> Result<SourceFile, String> {
        Err("a text in memory cannot include files".into())
    }
}

/// Files of the file system; a relative include starts from the folder of the file that includes.
#[derive(Debug, Clone)]
pub struct Files {
    path: PathBuf,
}

impl Files {
    /// Begin with `path`.
    pub fn new(path: impl Into<PathBuf>) -> Files {
        Files { path: path.into() }
    }
}

impl Source for Files {
    fn main(&mut self) -> Result<SourceFile, String> {
        read(&self.path)
    }

    fn include(&mut self, path: &str, from: &str) -> Result<SourceFile, String> {
        read(&Path::new(from).parent().unwrap_or(Path::new("")).join(path))
    }
}

fn read(path: &Path) -> Result<SourceFile, String> {
    let bytes = read_bytes(path).map_err(|error| error.to_string())?;
    Ok(SourceFile { name: path.to_string_lossy().into(), bytes })
}

/// A large file is read by two threads: most of the time goes into making its memory.
#[cfg(unix)]
fn read_bytes(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::os::unix::fs::FileExt;
    const LARGE: u64 = 8 << 20;
    let file = std::fs::File::open(path)?;
    let metadata = file.metadata()?;
    let length = metadata.len();
    if !metadata.is_file() || length < LARGE {
        return std::fs::read(path);
    }
    let mut bytes = vec![0; length as usize];
    let (first, second) = bytes.split_at_mut(length as usize / 2);
    let middle = first.len() as u64;
    std::thread::scope(|scope| {
        let other = scope.spawn(|| file.read_exact_at(second, middle));
        file.read_exact_at(first, 0)?;
        other.join().expect("reading does not panic")
    })?;
    Ok(bytes)
}

#[cfg(not(unix))]
fn read_bytes(path: &Path) -> std::io::Result<Vec<u8>> {
    std::fs::read(path)
}
