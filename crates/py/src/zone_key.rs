//! `ZoneKey`: a key that signs a zone, as a handle. Its secret leaves it only as a file.

use std::sync::Arc;

use nw_crypto::{Algorithm, PrivateKeyFile, SigningKey};
use nw_wire::RrType;
use pyo3::prelude::*;

use crate::call;
use crate::name::{Name, NameArg};
use crate::raise::Raise;
use crate::rdata::Rdata;

/// A key of a zone with its private key, made by `generate`, `from_files` or `from_pem`, which raise `KeyFileError`.
///
/// Only `private_file` and `pem` show the secret. `repr` shows the name of its files.
#[pyclass(frozen, module = "namewise.engine")]
pub(crate) struct ZoneKey {
    pub(crate) inner: nw_dnssec::ZoneKey,
    private: Arc<SigningKey>,
    /// Fields of the private key file that are not part of the key.
    fields: Vec<(String, String)>,
}

impl ZoneKey {
    fn new(owner: &NameArg, flags: u16, key: SigningKey) -> Self {
        let private = Arc::new(key);
        let inner = nw_dnssec::ZoneKey::new(owner.0.as_ref(), flags, private.clone());
        Self { inner, private, fields: Vec::new() }
    }
}

#[pymethods]
impl ZoneKey {
    /// Generate a key. flags: 256 for a zone-signing key, 257 for one whose DS the parent has. bits: of an RSA key, 2048 (the
    /// default), 3072 or 4096.
    #[staticmethod]
    #[pyo3(signature = (owner, flags, algorithm, bits = None))]
    fn generate(
        py: Python<'_>,
        owner: NameArg,
        flags: u16,
        algorithm: u8,
        bits: Option<usize>,
    ) -> PyResult<Self> {
        call::detached(py, || {
            SigningKey::generate(Algorithm(algorithm), bits)
                .map(|key| Self::new(&owner, flags, key))
                .map_err(|error| Raise::Key(error.to_string()))
        })
    }

    /// Read the texts of the two files that BIND's `dnssec-keygen` writes, `K*.key` and `K*.private`.
    #[staticmethod]
    fn from_files(py: Python<'_>, key: &str, private: &str) -> PyResult<Self> {
        call::attached(py, || {
            let file = PrivateKeyFile::parse(private)
                .map_err(|error| Raise::Key(format!("private key: {error}")))?;
            let private = Arc::new(file.key);
            let inner = nw_dnssec::ZoneKey::from_key_file(key, private.clone())
                .map_err(|error| Raise::Key(error.to_string()))?;
            Ok::<_, Raise>(Self { inner, private, fields: file.fields })
        })
    }

    /// Read an unencrypted PKCS#8 document in PEM (RFC 5958).
    #[staticmethod]
    fn from_pem(py: Python<'_>, owner: NameArg, flags: u16, algorithm: u8, pem: &str) -> PyResult<Self> {
        call::attached(py, || {
            SigningKey::from_pem(Algorithm(algorithm), pem)
                .map(|key| Self::new(&owner, flags, key))
                .map_err(|error| Raise::Key(error.to_string()))
        })
    }

    /// The name of the zone.
    #[getter]
    fn owner(&self) -> Name {
        self.inner.owner().to_name().into()
    }

    /// The flags of the DNSKEY.
    #[getter]
    fn flags(&self) -> u16 {
        self.inner.dnskey().flags()
    }

    /// The number of the algorithm.
    #[getter]
    fn algorithm(&self) -> u8 {
        self.inner.dnskey().algorithm().0
    }

    /// The key tag (RFC 4034 App. B).
    #[getter]
    fn tag(&self) -> u16 {
        self.inner.tag()
    }

    /// The data of the DNSKEY record.
    #[getter]
    fn dnskey(&self) -> Rdata {
        Rdata::new_unchecked(RrType::DNSKEY, self.inner.dnskey().rdata())
    }

    /// The fields of the private key file that are not part of the key, in order: BIND's times and others.
    #[getter]
    fn fields(&self) -> Vec<(String, String)> {
        self.fields.clone()
    }

    /// The name of its files without `.key` and `.private`: `Kexample.com.+013+12345`.
    #[getter]
    fn file_stem(&self) -> String {
        self.inner.file_stem()
    }

    /// Return the text of the `.key` file.
    fn key_file(&self) -> String {
        self.inner.key_file()
    }

    /// Return the text of the `.private` file, with the secret in clear text, and with `fields` after it.
    #[pyo3(signature = (fields = Vec::new()))]
    fn private_file(&self, fields: Vec<(String, String)>) -> String {
        let mut text = self.private.to_bind_private().to_string();
        for (name, value) in fields {
            text.push_str(&format!("{name}: {value}\n"));
        }
        text
    }

    /// Return the key as a PKCS#8 document in PEM, with the secret in clear text.
    fn pem(&self) -> String {
        self.private.to_pem().to_string()
    }

    fn __repr__(&self) -> String {
        format!("ZoneKey({})", self.inner.file_stem())
    }
}
