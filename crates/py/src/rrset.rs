//! `RRset`: the records of one owner, type and class. `Record`: one record.

use std::fmt::Write;

use nw_wire::name::NameRef;
use nw_wire::text::Tokens;
use nw_wire::{Class, RdataSet, RrType, Rrset, rr};
use pyo3::basic::CompareOp;
use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyString, PyTuple};

use crate::call;
use crate::code::Code;
use crate::name::{Name, NameArg};
use crate::raise::Raise;
use crate::rdata::{self, Rdata};

/// The records of one owner, type and class (RFC 2181 §5): `RRset("example.com", "A", 300, ["192.0.2.1"])`.
///
/// `owner` is a Name or text. `rdatas` are Rdata or text; their order is preserved. `ttl` is in seconds, at most 2^31
/// - 1. Iterating yields Rdata. Two RRsets are equal if they differ at most in the order of their rdata.
#[pyclass(frozen, module = "namewise.engine")]
pub(crate) struct RRset {
    pub(crate) inner: Rrset,
    owner: PyOnceLock<Py<Name>>,
    rdatas: PyOnceLock<Py<PyTuple>>,
}

impl From<Rrset> for RRset {
    fn from(inner: Rrset) -> Self {
        Self { inner, owner: PyOnceLock::new(), rdatas: PyOnceLock::new() }
    }
}

#[pymethods]
impl RRset {
    #[new]
    #[pyo3(signature = (owner, rtype, ttl, rdatas, rclass = Code(Class::IN)))]
    fn new(
        py: Python<'_>,
        owner: NameArg,
        rtype: Code<RrType>,
        ttl: u32,
        rdatas: Vec<Bound<'_, PyAny>>,
        rclass: Code<Class>,
    ) -> PyResult<Self> {
        check_ttl(ttl)?;
        let mut inner = Rrset::new(owner.0, rtype.0, rclass.0, ttl);
        for rdata in rdatas {
            if let Ok(text) = rdata.cast::<PyString>() {
                let text = text.to_cow()?;
                let parsed = call::attached(py, || rdata::parse(rtype.0, &text, NameRef::ROOT))?;
                inner.rdatas.push(&parsed.wire);
            } else {
                let rdata = rdata.cast::<Rdata>()?.get();
                if rdata.rtype != rtype.0 {
                    let message = format!("{} data in an RRset of type {}", rdata.rtype, rtype.0);
                    return Err(PyValueError::new_err(message));
                }
                inner.rdatas.push(&rdata.wire);
            }
        }
        Ok(inner.into())
    }

    /// Parse master-file lines `owner [ttl] [class] type rdata`, one per record, with absolute names. Raises
    /// TextError; the column counts from the start of the text.
    #[staticmethod]
    fn from_text(py: Python<'_>, text: &str) -> PyResult<Self> {
        let inner = call::attached(py, || parse_lines(text))?;
        check_ttl(inner.ttl)?;
        Ok(inner.into())
    }

    /// Convert a `dns.rrset.RRset`. Names must be absolute.
    #[staticmethod]
    fn from_dnspython(py: Python<'_>, rrset: &Bound<'_, PyAny>) -> PyResult<Self> {
        let name = rrset.getattr(intern!(py, "name"))?.call_method0(intern!(py, "to_wire"))?;
        let owner = nw_wire::Name::from_wire(name.cast::<PyBytes>()?.as_bytes())
            .map_err(|error| Raise::wire_name(error).into_err(py))?;
        let rtype = RrType(rrset.getattr(intern!(py, "rdtype"))?.extract()?);
        let class = Class(rrset.getattr(intern!(py, "rdclass"))?.extract()?);
        let mut inner = Rrset::new(owner, rtype, class, rrset.getattr(intern!(py, "ttl"))?.extract()?);
        for rdata in rrset.try_iter()? {
            let wire = rdata?.call_method0(intern!(py, "to_wire"))?;
            let wire = wire.cast::<PyBytes>()?.as_bytes();
            call::attached(py, || rdata::check(rtype, wire))?;
            inner.rdatas.push(wire);
        }
        check_ttl(inner.ttl)?;
        Ok(inner.into())
    }

    /// Return the set as a `dns.rrset.RRset`. Imports dnspython.
    fn to_dnspython<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let from_wire = py.import(intern!(py, "dns.rdata"))?.getattr(intern!(py, "from_wire"))?;
        let rdatas = self
            .inner
            .rdatas
            .iter()
            .map(|wire| {
                let octets = PyBytes::new(py, wire);
                from_wire.call1((self.inner.class.0, self.inner.rtype.0, octets, 0, wire.len()))
            })
            .collect::<PyResult<Vec<_>>>()?;
        let owner = self.owner(py)?.get().to_dnspython(py)?;
        py.import(intern!(py, "dns.rrset"))?
            .call_method1(intern!(py, "from_rdata_list"), (owner, self.inner.ttl, rdatas))
    }

    /// The owner name.
    #[getter]
    pub(crate) fn owner<'py>(&self, py: Python<'py>) -> PyResult<&Bound<'py, Name>> {
        let owner = self.owner.get_or_try_init(py, || Py::new(py, Name::from(self.inner.owner.clone())))?;
        Ok(owner.bind(py))
    }

    /// The mnemonic of the type.
    #[getter]
    fn r#type(&self) -> String {
        self.inner.rtype.to_string()
    }

    /// The number of the type.
    #[getter]
    fn type_value(&self) -> u16 {
        self.inner.rtype.0
    }

    /// The mnemonic of the class.
    #[getter]
    fn rclass(&self) -> String {
        self.inner.class.to_string()
    }

    /// The number of the class.
    #[getter]
    fn rclass_value(&self) -> u16 {
        self.inner.class.0
    }

    /// The TTL in seconds.
    #[getter]
    fn ttl(&self) -> u32 {
        self.inner.ttl
    }

    /// The data of each record, in order.
    #[getter]
    fn rdatas<'py>(&self, py: Python<'py>) -> PyResult<&Bound<'py, PyTuple>> {
        let made = self.rdatas.get_or_try_init(py, || {
            let rdatas = self.inner.rdatas.iter().map(|wire| Rdata::new_unchecked(self.inner.rtype, wire));
            Ok::<_, PyErr>(PyTuple::new(py, rdatas.collect::<Vec<_>>())?.unbind())
        })?;
        Ok(made.bind(py))
    }

    /// Return the same set with another TTL.
    fn with_ttl(&self, ttl: u32) -> PyResult<Self> {
        check_ttl(ttl)?;
        Ok(Rrset { ttl, ..self.inner.clone() }.into())
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.rdatas(py)?.try_iter()?.into_any())
    }

    fn __len__(&self) -> usize {
        self.inner.rdatas.len()
    }

    /// Return master-file lines, one per record.
    fn __str__(&self) -> String {
        self.inner.to_string()
    }

    fn __repr__(&self) -> String {
        format!("RRset.from_text('{}')", self.inner.to_string().escape_default())
    }

    fn __hash__(&self) -> u64 {
        self.inner.owner.as_ref().hash64() ^ u64::from(self.inner.rtype.0)
    }

    fn __richcmp__<'py>(&self, other: &Bound<'py, PyAny>, op: CompareOp) -> PyResult<Bound<'py, PyAny>> {
        let py = other.py();
        let (Ok(other), CompareOp::Eq | CompareOp::Ne) = (other.cast::<RRset>(), op) else {
            return Ok(py.NotImplemented().into_bound(py));
        };
        let equal = same(&self.inner, &other.get().inner);
        Ok((equal == matches!(op, CompareOp::Eq)).into_pyobject(py)?.to_owned().into_any())
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, Parts<'py>)> {
        let rdatas = self.rdatas(py)?.clone();
        let parts = (self.owner(py)?.clone(), self.inner.rtype.0, self.inner.ttl, rdatas, self.inner.class.0);
        Ok((py.get_type::<RRset>().into_any(), parts))
    }
}

type RecordParts<'py> = (Bound<'py, Name>, u32, Bound<'py, Rdata>, u16);

type Parts<'py> = (Bound<'py, Name>, u16, u32, Bound<'py, PyTuple>, u16);

/// One record of a message: owner, TTL, class, type and data. Use this where the order matters (AXFR, UPDATE, output
/// of tools).
#[pyclass(frozen, module = "namewise.engine")]
pub(crate) struct Record {
    #[pyo3(get)]
    pub(crate) owner: Py<Name>,
    #[pyo3(get)]
    pub(crate) ttl: u32,
    pub(crate) class: Class,
    #[pyo3(get)]
    pub(crate) rdata: Py<Rdata>,
}

#[pymethods]
impl Record {
    #[new]
    #[pyo3(signature = (owner, ttl, rdata, rclass = Code(Class::IN)))]
    fn new(
        py: Python<'_>,
        owner: NameArg,
        ttl: u32,
        rdata: Py<Rdata>,
        rclass: Code<Class>,
    ) -> PyResult<Self> {
        Ok(Self { owner: Py::new(py, Name::from(owner.0))?, ttl, class: rclass.0, rdata })
    }

    fn __hash__(&self) -> u64 {
        self.owner.get().inner.as_ref().hash64() ^ u64::from(self.rdata.get().rtype.0)
    }

    fn __richcmp__<'py>(&self, other: &Bound<'py, PyAny>, op: CompareOp) -> PyResult<Bound<'py, PyAny>> {
        let py = other.py();
        let (Ok(other), CompareOp::Eq | CompareOp::Ne) = (other.cast::<Record>(), op) else {
            return Ok(py.NotImplemented().into_bound(py));
        };
        let other = other.get();
        let equal = (self.ttl, self.class) == (other.ttl, other.class)
            && self.owner.get().inner == other.owner.get().inner
            && self.rdata.bind(py).eq(other.rdata.bind(py))?;
        Ok((equal == matches!(op, CompareOp::Eq)).into_pyobject(py)?.to_owned().into_any())
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> (Bound<'py, PyAny>, RecordParts<'py>) {
        let parts = (self.owner.bind(py).clone(), self.ttl, self.rdata.bind(py).clone(), self.class.0);
        (py.get_type::<Record>().into_any(), parts)
    }

    /// The mnemonic of the type.
    #[getter]
    fn r#type(&self) -> String {
        self.rdata.get().rtype.to_string()
    }

    /// The number of the type.
    #[getter]
    fn type_value(&self) -> u16 {
        self.rdata.get().rtype.0
    }

    /// The mnemonic of the class.
    #[getter]
    fn rclass(&self) -> String {
        self.class.to_string()
    }

    /// The number of the class.
    #[getter]
    fn rclass_value(&self) -> u16 {
        self.class.0
    }

    /// Return the master-file line with fields separated by tabs.
    fn __str__(&self) -> String {
        let rdata = self.rdata.get();
        let mut line = format!("{}\t{}\t{}\t{}\t", self.owner.get().inner, self.ttl, self.class, rdata.rtype);
        rr::to_text(rdata.rtype, &rdata.wire, &mut line);
        line
    }

    fn __repr__(&self) -> String {
        let mut text = String::from("<Record ");
        // Writing to a String does not fail.
        let _ = write!(text, "{}>", self.__str__().replace('\t', " "));
        text
    }
}

fn same(a: &Rrset, b: &Rrset) -> bool {
    if (&a.owner, a.rtype, a.class, a.ttl) != (&b.owner, b.rtype, b.class, b.ttl) {
        return false;
    }
    let (mut left, mut right) = (a.rdatas.clone(), b.rdatas.clone());
    left.sort_canonical(a.rtype);
    right.sort_canonical(b.rtype);
    let canonical = |set: &RdataSet| {
        let mut out = Vec::with_capacity(set.octets());
        set.iter().for_each(|rdata| rr::canonical(a.rtype, rdata, &mut out));
        out
    };
    left.len() == right.len() && canonical(&left) == canonical(&right)
}

fn check_ttl(ttl: u32) -> PyResult<()> {
    if ttl > i32::MAX as u32 {
        return Err(PyValueError::new_err(format!("a TTL is at most 2147483647 (RFC 2181 §8), not {ttl}")));
    }
    Ok(())
}

fn parse_lines(text: &str) -> Result<Rrset, Raise> {
    let mut tokens = Tokens::new(text.as_bytes());
    let mut set: Option<Rrset> = None;
    loop {
        if let Some(record) = parse_line(text, &mut tokens)? {
            match &mut set {
                None => set = Some(record),
                Some(set)
                    if (&set.owner, set.rtype, set.class) == (&record.owner, record.rtype, record.class) =>
                {
                    set.ttl = set.ttl.min(record.ttl);
                    record.rdatas.iter().for_each(|rdata| set.rdatas.push(rdata));
                }
                Some(set) => {
                    let message = format!(
                        "records of two RRsets: {} {} and {} {}",
                        set.owner, set.rtype, record.owner, record.rtype
                    );
                    return Err(Raise::Text {
                        message,
                        column: 1,
                        expected: String::new(),
                        code: "TWO_RRSETS",
                    });
                }
            }
        }
        if !tokens.next_record() {
            return set.ok_or_else(|| Raise::missing(text, "a record"));
        }
    }
}

fn parse_line(text: &str, tokens: &mut Tokens<'_>) -> Result<Option<Rrset>, Raise> {
    let fault = |error: &_| Raise::text(text, error);
    let Some(owner) = tokens.next().map_err(|error| fault(&error))? else { return Ok(None) };
    let owner = crate::name::parse(&String::from_utf8_lossy(owner.bytes), NameRef::ROOT)?;
    let (mut ttl, mut class) = (0, Class::IN);
    loop {
        let Some(word) = tokens.next().map_err(|error| fault(&error))? else {
            return Err(Raise::missing(text, "a record type"));
        };
        let word = String::from_utf8_lossy(word.bytes);
        if let Ok(number) = word.parse() {
            ttl = number;
        } else if let Ok(found) = word.parse::<Class>() {
            class = found;
        } else if let Ok(rtype) = word.parse::<RrType>() {
            let mut set = Rrset::new(owner, rtype, class, ttl);
            set.rdatas
                .push_with(|out| rr::from_text(rtype, tokens, NameRef::ROOT, out).and_then(|()| tokens.end()))
                .map_err(|error| fault(&error))?;
            return Ok(Some(set));
        } else {
            return Err(Raise::missing(text, &format!("a TTL, class or type instead of {word:?}")));
        }
    }
}
