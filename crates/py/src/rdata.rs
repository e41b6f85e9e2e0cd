//! `Rdata`: the data of one record, uncompressed and valid for its type.

use std::hash::{DefaultHasher, Hash, Hasher};

use nw_wire::name::NameRef;
use nw_wire::text::{Tokens, unescape};
use nw_wire::{RrType, rr};
use pyo3::basic::CompareOp;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

use crate::call;
use crate::code::Code;
use crate::fields;
use crate::name::{Name, NameArg};
use crate::raise::Raise;

/// The data of one record: `Rdata("MX", "10 mail.example.com.")`.
///
/// Names in the text must be absolute unless `origin` is given. Equality, hash and order use the canonical form (RFC
/// 4034 §6.3). `str()` returns master-file form. Raises `TextError` with the column of the fault.
#[pyclass(frozen, module = "namewise.engine")]
pub(crate) struct Rdata {
    pub(crate) rtype: RrType,
    pub(crate) wire: Box<[u8]>,
}

impl Rdata {
    pub(crate) fn new_unchecked(rtype: RrType, wire: &[u8]) -> Self {
        Self { rtype, wire: wire.into() }
    }

    fn canonical(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.wire.len());
        rr::canonical(self.rtype, &self.wire, &mut out);
        out
    }
}

#[pymethods]
impl Rdata {
    #[new]
    #[pyo3(signature = (rtype, text, origin = None))]
    fn new(py: Python<'_>, rtype: Code<RrType>, text: &str, origin: Option<NameArg>) -> PyResult<Self> {
        call::attached(py, || {
            parse(rtype.0, text, origin.as_ref().map_or(NameRef::ROOT, |name| name.0.as_ref()))
        })
    }

    /// Convert `wire`, which must be exactly the rdata, with uncompressed names. Raises `WireError`.
    #[staticmethod]
    fn from_wire(py: Python<'_>, rtype: Code<RrType>, wire: &[u8]) -> PyResult<Self> {
        call::attached(py, || check(rtype.0, wire).map(|()| Self::new_unchecked(rtype.0, wire)))
    }

    /// Return the data as a `dns.rdata.Rdata` of class IN. Imports dnspython.
    fn to_dnspython<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        py.import(intern!(py, "dns.rdata"))?
            .call_method1(intern!(py, "from_wire"), (1, self.rtype.0, self.wire(py), 0, self.wire.len()))
    }

    /// Convert a `dns.rdata.Rdata`. Names in it must be absolute.
    #[staticmethod]
    fn from_dnspython(py: Python<'_>, rdata: &Bound<'_, PyAny>) -> PyResult<Self> {
        let rtype: u16 = rdata.getattr(intern!(py, "rdtype"))?.extract()?;
        let wire = rdata.call_method0(intern!(py, "to_wire"))?;
        Self::from_wire(py, Code(RrType(rtype)), wire.cast::<PyBytes>()?.as_bytes())
    }

    /// The mnemonic of its type.
    #[getter]
    fn r#type(&self) -> String {
        self.rtype.to_string()
    }

    /// The number of its type.
    #[getter]
    fn type_value(&self) -> u16 {
        self.rtype.0
    }

    /// The octets, with uncompressed names.
    #[getter]
    fn wire<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.wire)
    }

    /// The canonical form of RFC 4034 §6.2.
    #[getter(canonical)]
    fn canonical_wire<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.canonical())
    }

    /// The names in the data, in order: for example, the exchange of MX, the target of SRV, both names of SOA.
    #[getter]
    fn names<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let found: Vec<Name> = rr::names(self.rtype, &self.wire)
            .filter_map(|field| NameRef::from_wire(&self.wire[field.start..field.end]).ok())
            .map(|name| name.to_name().into())
            .collect();
        PyTuple::new(py, found)
    }

    /// The fields of the text form: `('10', 'mail.example.com.')`. Strings have no quotes and escapes, and one
    /// character per octet.
    #[getter]
    fn words<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let text = self.__str__();
        let mut tokens = Tokens::new(text.as_bytes());
        let mut words = Vec::new();
        while let Ok(Some(token)) = tokens.next() {
            let mut octets = Vec::with_capacity(token.bytes.len());
            if !token.quoted || unescape(token.bytes, &mut octets).is_err() {
                octets = token.bytes.to_vec();
            }
            words.push(octets.iter().map(|octet| char::from(*octet)).collect::<String>());
        }
        PyTuple::new(py, words)
    }

    /// The names of the fields in wire order, as in the RFC of the type: `('preference', 'exchange')`. Each is an
    /// attribute. Empty for a type without named fields.
    #[getter]
    fn field_names<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, fields::names(self.rtype))
    }

    /// Return the field `name`, with the name that the RFC of the type uses: `mail.preference`, `mail.exchange`,
    /// `host.address`. Raises AttributeError if the type has no such field.
    fn __getattr__<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        fields::value(py, self.rtype, &self.wire, name)?.ok_or_else(|| {
            let known = fields::names(self.rtype).join(", ");
            let known = if known.is_empty() { "none".to_owned() } else { known };
            pyo3::exceptions::PyAttributeError::new_err(format!(
                "{} data has no field {name:?}; its fields: {known}",
                self.rtype
            ))
        })
    }

    /// Return the attributes, including the fields of the type.
    fn __dir__(slf: &Bound<'_, Self>) -> PyResult<Vec<String>> {
        let mut known: Vec<String> = slf
            .get_type()
            .call_method0(intern!(slf.py(), "mro"))?
            .try_iter()?
            .try_fold(Vec::new(), |mut known, class| {
                for name in class?.getattr(intern!(slf.py(), "__dict__"))?.try_iter()? {
                    known.push(name?.extract()?);
                }
                Ok::<_, PyErr>(known)
            })?;
        known.extend(fields::names(slf.get().rtype).iter().map(|name| (*name).to_owned()));
        Ok(known)
    }

    fn __str__(&self) -> String {
        let mut text = String::new();
        rr::to_text(self.rtype, &self.wire, &mut text);
        text
    }

    fn __repr__(&self) -> String {
        format!("Rdata('{}', '{}')", self.rtype, self.__str__().escape_default())
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.rtype, self.canonical()).hash(&mut hasher);
        hasher.finish()
    }

    fn __richcmp__<'py>(&self, other: &Bound<'py, PyAny>, op: CompareOp) -> PyResult<Bound<'py, PyAny>> {
        let py = other.py();
        match other.cast::<Rdata>() {
            Ok(other) => {
                let other = other.get();
                let order = (self.rtype, self.canonical()).cmp(&(other.rtype, other.canonical()));
                Ok(op.matches(order).into_pyobject(py)?.to_owned().into_any())
            }
            Err(_) => Ok(py.NotImplemented().into_bound(py)),
        }
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Remade<'py>> {
        Ok((py.get_type::<Rdata>().getattr(intern!(py, "from_wire"))?, (self.rtype.0, self.wire(py))))
    }
}

/// Check that rdata in wire form is valid for its type and fits a record.
pub(crate) fn check(rtype: RrType, wire: &[u8]) -> Result<(), Raise> {
    if wire.len() > usize::from(u16::MAX) {
        let message = format!("{} octets of record data, of which 65535 fit", wire.len());
        return Err(Raise::Wire { message, offset: Some(usize::from(u16::MAX)), code: "TOO_LONG" });
    }
    rr::check(rtype, wire).map_err(|error| Raise::wire_rdata(rtype, &error))
}

/// The function and its arguments with which pickle makes a copy.
type Remade<'py> = (Bound<'py, PyAny>, (u16, Bound<'py, PyBytes>));

/// Parse the text form of one record's data. The whole of `text` must be used.
pub(crate) fn parse(rtype: RrType, text: &str, origin: NameRef<'_>) -> Result<Rdata, Raise> {
    let mut wire = Vec::new();
    let mut tokens = Tokens::new(text.as_bytes());
    rr::from_text(rtype, &mut tokens, origin, &mut wire)
        .and_then(|()| tokens.end())
        .map_err(|error| Raise::text(text, &error))?;
    Ok(Rdata { rtype, wire: wire.into() })
}
