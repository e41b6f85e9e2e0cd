//! `Name`: an absolute domain name, and the conversion of arguments to names.

use nw_wire::name::{NameError, NameRef};
use pyo3::basic::CompareOp;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString, PyTuple};

use crate::call;
use crate::raise::Raise;

/// An absolute domain name (RFC 1035 §3.1): `Name("www.example.com")`. The final dot may be missing.
///
/// Case is preserved and ignored by comparisons (RFC 4343). The order is canonical (RFC 4034 §6.1). `str()` returns
/// master-file form with the final dot. Raises `BadName` with the offset of the fault.
#[pyclass(frozen, module = "namewise.engine")]
pub(crate) struct Name {
    pub(crate) inner: nw_wire::Name,
}

impl From<nw_wire::Name> for Name {
    fn from(inner: nw_wire::Name) -> Self {
        Self { inner }
    }
}

#[pymethods]
impl Name {
    #[new]
    #[pyo3(signature = (text, origin = None))]
    fn new(py: Python<'_>, text: &str, origin: Option<&Name>) -> PyResult<Self> {
        call::attached(py, || {
            parse(text, origin.map_or(NameRef::ROOT, |name| name.inner.as_ref())).map(Self::from)
        })
    }

    /// Convert `wire`, which must be exactly one uncompressed name. Raises `WireError`.
    #[staticmethod]
    fn from_wire(py: Python<'_>, wire: &[u8]) -> PyResult<Self> {
        call::attached(py, || nw_wire::Name::from_wire(wire).map(Self::from).map_err(Raise::wire_name))
    }

    /// Convert a `dns.name.Name`, which must be absolute.
    #[staticmethod]
    fn from_dnspython(py: Python<'_>, name: &Bound<'_, PyAny>) -> PyResult<Self> {
        let wire = name.call_method0(intern!(py, "to_wire"))?;
        Self::from_wire(py, wire.cast::<PyBytes>()?.as_bytes())
    }

    /// Return the name as a `dns.name.Name`. Imports dnspython.
    pub(crate) fn to_dnspython<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let labels: Vec<Bound<'py, PyBytes>> =
            self.inner.as_ref().labels().chain([&b""[..]]).map(|label| PyBytes::new(py, label)).collect();
        py.import(intern!(py, "dns.name"))?.getattr(intern!(py, "Name"))?.call1((labels,))
    }

    /// The octets, including the root label.
    #[getter]
    fn wire<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.inner.as_ref().wire())
    }

    /// The labels from left to right, not counting the root.
    #[getter]
    fn labels<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(
            py,
            self.inner.as_ref().labels().map(|label| PyBytes::new(py, label)).collect::<Vec<_>>(),
        )
    }

    /// The name without its leftmost label, or None for the root.
    #[getter]
    fn parent(&self) -> Option<Self> {
        self.inner.as_ref().parent().map(|name| name.to_name().into())
    }

    /// Whether this is the root.
    #[getter]
    fn is_root(&self) -> bool {
        self.inner.as_ref().is_root()
    }

    /// Whether the leftmost label is `*` (RFC 4592 §2.1.1).
    #[getter]
    fn is_wildcard(&self) -> bool {
        self.inner.as_ref().is_wildcard()
    }

    /// Return whether this name is `ancestor` or is below it.
    fn is_at_or_below(&self, ancestor: NameArg) -> bool {
        self.inner.as_ref().is_at_or_below(ancestor.0.as_ref())
    }

    /// Return the number of labels that the two names share, counted from the root.
    fn common_labels(&self, other: NameArg) -> usize {
        self.inner.as_ref().common_labels(other.0.as_ref())
    }

    /// Return the rightmost `labels` labels, or the whole name if it has fewer.
    fn suffix(&self, labels: usize) -> Self {
        self.inner.as_ref().suffix(labels).to_name().into()
    }

    /// Return this name with `label` (one label in presentation form) prepended.
    fn prepend(&self, py: Python<'_>, label: &str) -> PyResult<Self> {
        call::attached(py, || {
            let longer = parse(label, self.inner.as_ref())?;
            let one = longer.as_ref().label_count() == self.inner.as_ref().label_count() + 1;
            one.then(|| longer.into()).ok_or_else(|| Raise::BadName {
                message: format!("{label:?} is not one label"),
                text: label.to_owned(),
                at: None,
                code: "NOT_A_LABEL",
            })
        })
    }

    /// Return the name in lower case: its canonical form (RFC 4034 §6.2).
    fn lower(&self) -> Self {
        self.inner.as_ref().lower().to_name().into()
    }

    fn __str__(&self) -> String {
        self.inner.to_string()
    }

    fn __repr__(&self) -> String {
        format!("Name('{}')", self.inner.to_string().escape_default())
    }

    fn __hash__(&self) -> u64 {
        self.inner.as_ref().hash64()
    }

    /// The number of labels, not counting the root.
    fn __len__(&self) -> usize {
        self.inner.as_ref().label_count()
    }

    fn __bool__(&self) -> bool {
        true
    }

    fn __richcmp__<'py>(&self, other: &Bound<'py, PyAny>, op: CompareOp) -> PyResult<Bound<'py, PyAny>> {
        let py = other.py();
        match other.cast::<Name>() {
            Ok(other) => {
                let order = self.inner.as_ref().canonical_cmp(other.get().inner.as_ref());
                Ok(op.matches(order).into_pyobject(py)?.to_owned().into_any())
            }
            Err(_) => Ok(py.NotImplemented().into_bound(py)),
        }
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        Ok((py.get_type::<Name>().getattr(intern!(py, "from_wire"))?, (self.wire(py),)))
    }
}

/// A name given as `Name` or as text.
pub(crate) struct NameArg(pub(crate) nw_wire::Name);

impl<'py> FromPyObject<'_, 'py> for NameArg {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(name) = given.cast::<Name>() {
            return Ok(Self(name.get().inner.clone()));
        }
        let py = given.py();
        let text = given.cast::<PyString>()?;
        let text = text.to_cow()?;
        parse(&text, NameRef::ROOT).map(Self).map_err(|error| error.into_err(py))
    }
}

/// Parse presentation form. Text outside ASCII is refused, because the DNS uses A-labels (RFC 5890 §2.3.2.1).
pub(crate) fn parse(text: &str, origin: NameRef<'_>) -> Result<nw_wire::Name, Raise> {
    let bad = |message: String, at, code| Raise::BadName { message, text: text.to_owned(), at, code };
    if let Some(at) = text.bytes().position(|octet| !octet.is_ascii()) {
        let message = format!("{text:?} is not ASCII: write internationalised labels in their xn-- form");
        return Err(bad(message, Some(at), "NOT_ASCII"));
    }
    nw_wire::Name::parse(text.as_bytes(), Some(origin)).map_err(|error| {
        let (code, at) = describe(error);
        bad(format!("{text:?}: {error}"), at, code)
    })
}

/// Return the stable code of a name error, and its offset.
pub(crate) fn describe(error: NameError) -> (&'static str, Option<usize>) {
    match error {
        NameError::Truncated => ("TRUNCATED", None),
        NameError::TrailingBytes { at } => ("TRAILING_BYTES", Some(at)),
        NameError::LabelTooLong { at } => ("LABEL_TOO_LONG", Some(at)),
        NameError::NameTooLong => ("NAME_TOO_LONG", None),
        NameError::EmptyLabel { at } => ("EMPTY_LABEL", Some(at)),
        NameError::LabelType { at } => ("LABEL_TYPE", Some(at)),
        NameError::BadEscape { at } => ("BAD_ESCAPE", Some(at)),
        NameError::Relative => ("RELATIVE", None),
    }
}
