//! The sources of the text of a zone.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::file::{self, FileStamp, ReadFile};

/// One file of a zone.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// The name in findings. Files with the same name are the same file.
    pub name: Arc<str>,
    /// Its text.
    pub bytes: Vec<u8>,
}

/// Provides the main file of a zone and the files that it includes. An error is a sentence for people.
pub trait Source {
    /// The main file.
    fn main(&mut self) -> Result<SourceFile, String>;
    /// The file that the file `from` includes as `path`.
    fn include(&mut self, path: &str, from: &str) -> Result<SourceFile, String>;

    /// Whether all files that were read are unchanged since, so that they belong together.
    fn is_current(&self) -> bool {
        true
    }
}

/// Text in memory, which cannot include files.
#[derive(Debug, Clone)]
pub struct Text {
    file: SourceFile,
}

impl Text {
    /// A source with the text `bytes`, which findings call `name`.
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

/// Files of the file system. A relative include starts from the folder of the including file.
///
/// Each file is read when it is at rest (see `file.rs`), and recorded in [`Files::read_files`].
#[derive(Debug, Clone)]
pub struct Files {
    path: PathBuf,
    read: Vec<ReadFile>,
}

impl Files {
    /// The zone whose main file is `path`.
    pub fn new(path: impl Into<PathBuf>) -> Files {
        Files { path: path.into(), read: Vec::new() }
    }

    /// The files that were read, the main file first. Equal stamps at a later time mean an equal zone.
    pub fn read_files(&self) -> &[ReadFile] {
        &self.read
    }

    /// As [`Files::read_files`], without a copy.
    pub(crate) fn into_read_files(self) -> Vec<ReadFile> {
        self.read
    }

    fn open(&mut self, path: PathBuf) -> Result<SourceFile, String> {
        let (bytes, stamp) = file::read(&path, &mut file::System)?;
        let name = path.to_string_lossy().into();
        self.read.push(ReadFile { path, stamp });
        Ok(SourceFile { name, bytes })
    }
}

impl Source for Files {
    fn main(&mut self) -> Result<SourceFile, String> {
        self.read.clear();
        self.open(self.path.clone())
    }

    fn include(&mut self, path: &str, from: &str) -> Result<SourceFile, String> {
        let path = Path::new(from).parent().unwrap_or(Path::new("")).join(path);
        // Opening a pipe waits for a writer, and only the main file may be one.
        if std::fs::metadata(&path).is_ok_and(|metadata| !metadata.is_file()) {
            return Err("this is not a regular file".into());
        }
        self.open(path)
    }

    fn is_current(&self) -> bool {
        // The reader already compared a single file with itself.
        self.read.len() == 1
            || self.read.iter().all(|file| {
                file.stamp.is_none_or(|stamp| FileStamp::of(&file.path).is_ok_and(|now| now == stamp))
            })
    }
}
