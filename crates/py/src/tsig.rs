//! `TsigKey`, `Signed` and `Verifier`: requests that are signed, and replies that are verified.

use std::sync::{Arc, Mutex, PoisonError};

use nw_crypto::TsigError;
use nw_wire::header::HEADER;
use nw_wire::{NameRef, Rcode};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::call;
use crate::name::{Name, NameArg};
use crate::raise::Raise;

/// A TSIG key (RFC 8945): `TsigKey("key.example", "hmac-sha256", secret)`.
///
/// algorithm: as in TSIG records; the final dot may be missing, and `hmac-md5` is short for its long name. Raises `ValueError` if it is not
/// supported. `repr` does not show the secret.
#[pyclass(frozen, module = "namewise.engine")]
pub(crate) struct TsigKey {
    inner: Arc<nw_crypto::TsigKey>,
}

/// A request with its TSIG record, made by `TsigKey.sign`.
#[pyclass(frozen, module = "namewise.engine")]
pub(crate) struct Signed {
    inner: nw_crypto::SignedRequest,
}

/// Verifies the replies to one request: `Verifier(key, signed.mac)`. `read` and `finish` raise `TsigError`.
#[pyclass(frozen, module = "namewise.engine")]
pub(crate) struct Verifier {
    inner: Mutex<nw_crypto::Verifier>,
}

impl From<TsigError> for Raise {
    fn from(error: TsigError) -> Self {
        let reported = match &error {
            TsigError::Reported { error: Rcode::BADSIG, .. } => Some("BADSIG".to_owned()),
            TsigError::Reported { error, .. } => Some(error.to_string()),
            _ => None,
        };
        Raise::Tsig { message: error.to_string(), code: error.code(), reported }
    }
}

#[pymethods]
impl TsigKey {
    #[new]
    fn new(name: NameArg, algorithm: &str, secret: &[u8]) -> PyResult<Self> {
        let unknown =
            || PyValueError::new_err(format!("{algorithm:?} is not a TSIG algorithm that is supported"));
        let long = if algorithm.trim_end_matches('.').eq_ignore_ascii_case("hmac-md5") {
            "hmac-md5.sig-alg.reg.int."
        } else {
            algorithm
        };
        let long = nw_wire::Name::parse(long.as_bytes(), Some(NameRef::ROOT)).map_err(|_| unknown())?;
        let key = nw_crypto::TsigKey::new(name.0, long, secret).ok_or_else(unknown)?;
        Ok(Self { inner: Arc::new(key) })
    }

    /// The name of the key.
    #[getter]
    fn name(&self) -> Name {
        self.inner.name().to_name().into()
    }

    /// The name of the algorithm in TSIG records.
    #[getter]
    fn algorithm(&self) -> String {
        self.inner.algorithm().to_name().to_string()
    }

    /// Octets of a whole MAC.
    #[getter]
    fn size(&self) -> usize {
        self.inner.size()
    }

    /// Octets of the shortest MAC that may be used (RFC 8945 §5.2.2.1).
    #[getter]
    fn least(&self) -> usize {
        self.inner.least()
    }

    /// Sign `request`, a message without TSIG. time: seconds since 1970. octets: of the MAC, if it is to be cut short.
    #[pyo3(signature = (request, time, octets = None))]
    fn sign(&self, request: &[u8], time: u64, octets: Option<usize>) -> PyResult<Signed> {
        let octets = octets.unwrap_or(self.inner.size());
        if request.len() < HEADER || !(self.inner.least()..=self.inner.size()).contains(&octets) {
            return Err(PyValueError::new_err(format!(
                "a message is needed, and a MAC of {} to {} octets",
                self.inner.least(),
                self.inner.size()
            )));
        }
        Ok(Signed { inner: self.inner.sign(request, time, octets) })
    }

    fn __repr__(&self) -> String {
        format!("{:?}", self.inner)
    }
}

#[pymethods]
impl Signed {
    /// The message.
    #[getter]
    fn wire<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.inner.wire)
    }

    /// The MAC.
    #[getter]
    fn mac<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.inner.mac)
    }
}

#[pymethods]
impl Verifier {
    #[new]
    fn new(key: &TsigKey, request_mac: &[u8]) -> Self {
        Self { inner: Mutex::new(nw_crypto::Verifier::new(key.inner.clone(), request_mac)) }
    }

    /// Read the next message. Return whether it is verified; False: it is one of a stream, and a later message must verify it. time:
    /// seconds since 1970.
    fn read(&self, py: Python<'_>, reply: &[u8], time: u64) -> PyResult<bool> {
        call::attached(py, || self.inner.lock().unwrap_or_else(PoisonError::into_inner).read(reply, time))
    }

    /// End the stream: its last message must have been verified.
    fn finish(&self, py: Python<'_>) -> PyResult<()> {
        call::attached(py, || self.inner.lock().unwrap_or_else(PoisonError::into_inner).finish())
    }
}
