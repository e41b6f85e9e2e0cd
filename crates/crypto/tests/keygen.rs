//! Keys of BIND's `dnssec-keygen` load here, sign here, and are written back as they were.
//! Skipped, with a note, where the tool is not installed.

use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use nw_crypto::{KeyFileError, PrivateKeyFile, Signer, verify};

/// A folder of our own, removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("namewise-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("the temporary folder takes a folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Run dnssec-keygen; return the text of the .key and of the .private file, or None without the tool.
fn keygen(folder: &Folder, arguments: &[&str]) -> Option<(String, String)> {
    let output = Command::new("dnssec-keygen")
        .args(["-q", "-K"])
        .arg(&folder.0)
        .args(arguments)
        .arg("example.com")
        .output();
    let Ok(output) = output else {
        // Not `eprintln`, which is shown of tests that fail alone.
        writeln!(std::io::stderr(), "skipped: dnssec-keygen is not installed").expect("stderr is open");
        return None;
    };
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    let stem = String::from_utf8(output.stdout).expect("a file name");
    let read =
        |end: &str| std::fs::read_to_string(folder.0.join(format!("{}{end}", stem.trim()))).expect("written");
    Some((read(".key"), read(".private")))
}

#[test]
fn keys_of_dnssec_keygen_load_and_sign() {
    let folder = Folder::new("keygen");
    for arguments in [
        &["-a", "RSASHA256", "-b", "2048"][..],
        &["-a", "RSASHA512", "-b", "3072"],
        &["-a", "ECDSAP256SHA256"],
        &["-a", "ECDSAP384SHA384"],
        &["-a", "ED25519"],
        &["-a", "ED448"],
    ] {
        let Some((public, private)) = keygen(&folder, arguments) else { return };
        let file = PrivateKeyFile::parse(&private).unwrap_or_else(|e| panic!("{arguments:?}: {e}"));
        assert_eq!(*file.to_text(), private, "{arguments:?}");
        assert!(file.fields.iter().any(|(name, _)| name == "Activate"));

        let rdata = public.lines().find(|line| !line.starts_with(';')).expect("a DNSKEY");
        let base64: String = rdata.split_ascii_whitespace().skip(6).collect();
        let mut signature = Vec::new();
        file.key.sign(b"message", &mut signature).expect("a signature");
        verify(file.key.algorithm(), file.key.public_key(), b"message", &signature).expect("the same key");
        assert_eq!(encode(file.key.public_key()), base64, "{arguments:?}");
    }
}

#[test]
fn small_rsa_keys_are_refused_by_size() {
    let folder = Folder::new("keygen-small");
    let Some((_, private)) = keygen(&folder, &["-a", "RSASHA256", "-b", "1024"]) else { return };
    assert_eq!(PrivateKeyFile::parse(&private).unwrap_err(), KeyFileError::RsaTooSmall { bits: 1024 });
}

/// Base64, written apart from the one under test.
fn encode(bytes: &[u8]) -> String {
    let alphabet: Vec<char> = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['+', '/']).collect();
    let bits: Vec<u8> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1)).collect();
    let mut out: String = bits
        .chunks(6)
        .map(|six| {
            alphabet[(0..6).fold(0, |value, at| value * 2 + usize::from(six.get(at).copied().unwrap_or(0)))]
        })
        .collect();
    while !out.len().is_multiple_of(4) {
        out.push('=');
    }
    out
}
