//! The keys that sign a zone: a [`Signer`] with its DNSKEY record and its key files.

use std::fmt;
use std::sync::Arc;

use nw_crypto::{KeyFileError, PrivateKeyFile, Signer};
use nw_wire::text::Tokens;
use nw_wire::{Class, Name, NameRef, RrType, rr};

use crate::dnskey::{Dnskey, key_tag};

/// A key of a zone that can sign.
#[derive(Clone)]
pub struct ZoneKey {
    owner: Name,
    rdata: Arc<[u8]>,
    tag: u16,
    signer: Arc<dyn Signer>,
}

impl ZoneKey {
    /// Make a key for the zone at `owner`. `flags` are 256 for a zone-signing key and 257 for a key-signing key. Add
    /// [`Dnskey::REVOKE`] to revoke it.
    #[must_use]
    pub fn new(owner: NameRef<'_>, flags: u16, signer: Arc<dyn Signer>) -> Self {
        let mut rdata = Vec::with_capacity(4 + signer.public_key().len());
        rdata.extend_from_slice(&flags.to_be_bytes());
        rdata.extend_from_slice(&[3, signer.algorithm().0]);
        rdata.extend_from_slice(signer.public_key());
        Self { owner: owner.to_name(), tag: key_tag(&rdata), rdata: rdata.into(), signer }
    }

    /// Load the two files that `dnssec-keygen` writes: `K….key` (one DNSKEY record) and `K….private`.
    pub fn from_files(key: &str, private: &str) -> Result<Self, ZoneKeyError> {
        let file = PrivateKeyFile::parse(private).map_err(ZoneKeyError::PrivateFile)?;
        Self::from_key_file(key, Arc::new(file.key))
    }

    /// Make the key that a `K….key` file describes; `signer` has its private key.
    pub fn from_key_file(key: &str, signer: Arc<dyn Signer>) -> Result<Self, ZoneKeyError> {
        let (owner, rdata) = read_key_file(key).ok_or(ZoneKeyError::KeyFile)?;
        let dnskey = Dnskey::parse(&rdata).ok_or(ZoneKeyError::KeyFile)?;
        let made = Self::new(owner.as_ref(), dnskey.flags(), signer);
        if *made.rdata == *rdata { Ok(made) } else { Err(ZoneKeyError::Mismatch) }
    }

    /// Return the zone's apex.
    #[must_use]
    pub fn owner(&self) -> NameRef<'_> {
        self.owner.as_ref()
    }

    /// Return the DNSKEY.
    #[must_use]
    pub fn dnskey(&self) -> Dnskey<'_> {
        Dnskey::parse(&self.rdata).expect("a public key has at least one octet")
    }

    /// Return the key tag.
    #[must_use]
    pub fn tag(&self) -> u16 {
        self.tag
    }

    /// Return the signer.
    #[must_use]
    pub fn signer(&self) -> &dyn Signer {
        &*self.signer
    }

    /// Return the base name that BIND's tools expect for the key files, without `.key` or `.private`:
    /// `Kexample.com.+013+12345`.
    #[must_use]
    pub fn file_stem(&self) -> String {
        let owner = self.owner.to_string().to_ascii_lowercase().replace('/', "%2F");
        format!("K{owner}+{:03}+{:05}", self.signer.algorithm().0, self.tag)
    }

    /// Return the content of the `.key` file.
    #[must_use]
    pub fn key_file(&self) -> String {
        let kind = if self.dnskey().is_sep() { "key" } else { "zone" };
        let mut text = format!(
            "; This is a {kind}-signing key, keyid {}, for {}\n{} IN DNSKEY ",
            self.tag, self.owner, self.owner
        );
        rr::to_text(RrType::DNSKEY, &self.rdata, &mut text);
        text.push('\n');
        text
    }
}

impl fmt::Debug for ZoneKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ZoneKey({})", self.file_stem())
    }
}

/// Read `owner [TTL] [class] DNSKEY rdata`, possibly after comments.
fn read_key_file(text: &str) -> Option<(Name, Vec<u8>)> {
    let mut tokens = Tokens::new(text.as_bytes());
    let first = loop {
        match tokens.next().ok()? {
            Some(token) => break token,
            None if tokens.next_record() => {}
            None => return None,
        }
    };
    let owner = Name::parse(first.bytes, Some(NameRef::ROOT)).ok()?;
    loop {
        let word = std::str::from_utf8(tokens.next().ok()??.bytes).ok()?;
        if word.eq_ignore_ascii_case("DNSKEY") {
            break;
        }
        if word.parse::<u32>().is_err() && word.parse::<Class>().is_err() {
            return None;
        }
    }
    let mut rdata = Vec::new();
    rr::from_text(RrType::DNSKEY, &mut tokens, NameRef::ROOT, &mut rdata).ok()?;
    Some((owner, rdata))
}

/// The reason why a pair of key files was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZoneKeyError {
    /// The `.key` file does not contain a DNSKEY record.
    KeyFile,
    /// The `.private` file was refused.
    PrivateFile(KeyFileError),
    /// The two files contain different keys.
    Mismatch,
}

impl fmt::Display for ZoneKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyFile => f.write_str("the .key file holds no DNSKEY record"),
            Self::PrivateFile(error) => error.fmt(f),
            Self::Mismatch => f.write_str("the .key and the .private file hold different keys"),
        }
    }
}

impl std::error::Error for ZoneKeyError {}

#[cfg(test)]
mod tests;
