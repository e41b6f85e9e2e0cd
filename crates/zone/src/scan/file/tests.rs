use std::collections::VecDeque;
use std::fs::OpenOptions;
use std::io::{Seek, SeekFrom, Write};

use super::*;

/// A file in its own folder, which is removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, contents: &[u8]) -> Scratch {
        let folder = std::env::temp_dir().join(format!("nw-zone-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("temporary folders can be made");
        let scratch = Scratch(folder);
        std::fs::write(scratch.path(), contents).expect("temporary files can be written");
        scratch
    }

    fn path(&self) -> PathBuf {
        self.0.join("zone")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

type Action = fn(&Path);

/// Simulated time, one hour ahead, so that every file is at rest, and actions of another process at given moments.
struct Script {
    path: PathBuf,
    clock: SystemTime,
    before: VecDeque<Action>,
    after: VecDeque<Action>,
    waits: usize,
}

impl Script {
    fn new(path: PathBuf, before: &[Action], after: &[Action]) -> Script {
        Script {
            path,
            clock: SystemTime::now() + Duration::from_secs(3600),
            before: before.to_vec().into(),
            after: after.to_vec().into(),
            waits: 0,
        }
    }
}

impl Surroundings for Script {
    fn now(&mut self) -> SystemTime {
        self.clock
    }

    fn wait(&mut self, duration: Duration) {
        self.clock += duration;
        self.waits += 1;
    }

    fn before_octets(&mut self) {
        if let Some(action) = self.before.pop_front() {
            action(&self.path);
        }
    }

    fn after_octets(&mut self) {
        if let Some(action) = self.after.pop_front() {
            action(&self.path);
        }
    }
}

fn truncate(path: &Path) {
    OpenOptions::new().write(true).open(path).and_then(|file| file.set_len(10)).expect("the file is ours");
}

fn overwrite(path: &Path) {
    std::fs::write(path, b"overwritten in place").expect("the file is ours");
}

/// Changes the contents, but not the size.
fn patch(path: &Path) {
    let mut file = OpenOptions::new().write(true).open(path).expect("the file is ours");
    file.seek(SeekFrom::Start(3)).and_then(|_| file.write_all(b"XXX")).expect("the file is ours");
}

fn append(path: &Path) {
    let mut file = OpenOptions::new().append(true).open(path).expect("the file is ours");
    file.write_all(b"more").expect("the file is ours");
}

fn replace(path: &Path) {
    let other = path.with_extension("new");
    std::fs::write(&other, b"another file")
        .and_then(|()| std::fs::rename(&other, path))
        .expect("the folder is ours");
}

/// The result is the contents at one moment, regardless of what another process does to the file while it is read.
#[test]
fn a_file_that_changes_while_it_is_read_is_read_again() {
    let small: Vec<u8> = b"0123456789".repeat(100);
    let large: Vec<u8> = b"0123456789".repeat(LARGE as usize / 10 + 1);
    for (size, contents) in [("small", &small), ("large", &large)] {
        let actions: [(&str, Action); 5] = [
            ("truncate", truncate),
            ("overwrite", overwrite),
            ("patch", patch),
            ("append", append),
            ("replace", replace),
        ];
        for (name, action) in actions {
            for before in [true, false] {
                let scratch = Scratch::new(&format!("{size}-{name}-{before}"), contents);
                let path = scratch.path();
                let (first, second) = if before { (vec![action], vec![]) } else { (vec![], vec![action]) };
                let mut script = Script::new(path.clone(), &first, &second);
                let (bytes, stamp) = read(&path, &mut script).expect("the file rests after one change");
                let now = std::fs::read(&path).expect("the file is there");
                // A rename over this file does not change the open file: the old contents are complete.
                let whole = if name == "replace" { bytes == *contents || bytes == now } else { bytes == now };
                assert!(whole, "{size} {name} before: {before}");
                assert_eq!(script.waits, usize::from(name != "replace" || script.waits > 0), "{name}");
                assert_eq!(stamp.map(|stamp| stamp.size), Some(bytes.len() as u64));
            }
        }
    }
}

#[test]
fn a_file_that_keeps_changing_is_reported() {
    let scratch = Scratch::new("busy", b"0123456789");
    let path = scratch.path();
    let mut script = Script::new(path.clone(), &[append as Action; 1000], &[]);
    let error = read(&path, &mut script).expect_err("the file never rests");
    assert!(error.contains("keeps changing") && error.contains("rename"), "{error}");
    assert!(script.waits <= 1 + (PATIENCE.as_millis() / QUIET.as_millis()) as usize);
}

/// `cp` truncates its target and fills it in pieces: between two pieces, the file looks complete.
#[test]
fn a_file_is_not_read_between_two_writes() {
    let scratch = Scratch::new("fresh", b"the first half");
    let path = scratch.path();
    let written = FileStamp::of(&path).expect("the file is there");
    let modified = SystemTime::UNIX_EPOCH + Duration::from_nanos(written.changed_ns as u64);
    let mut script = Script::new(path.clone(), &[], &[]);
    script.clock = modified + Duration::from_millis(1);
    let (bytes, _) = read(&path, &mut script).expect("the file rests");
    assert_eq!((bytes, script.waits), (b"the first half".to_vec(), 1));
    // The reader does not wait for a clock that is ahead of the local one.
    let mut script = Script::new(path.clone(), &[], &[]);
    script.clock = modified - Duration::from_secs(5);
    read(&path, &mut script).expect("the file rests");
    assert_eq!(script.waits, 0);
}

#[test]
fn what_is_no_regular_file_is_read_to_its_end() {
    assert_eq!(read(Path::new("/dev/null"), &mut System), Ok((Vec::new(), None)));
    let folder = read(&std::env::temp_dir(), &mut System).expect_err("a folder has no octets");
    assert!(folder.contains("directory"), "{folder}");
    let missing = read(Path::new("/nonexistent/zone"), &mut System).expect_err("there is no such file");
    assert!(missing.contains("No such file"), "{missing}");
}
