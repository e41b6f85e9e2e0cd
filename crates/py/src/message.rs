//! `Message` and `Question`: an immutable view of a valid packet.

use nw_wire::edns::EdnsOption;
use nw_wire::header::{Flags, Header};
use nw_wire::message::replies_to;
use nw_wire::{Class, Rcode, RrType, Rrset, Section, rr};
use pyo3::basic::CompareOp;
use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{IntoPyDict, PyBytes, PyDict, PyTuple};

use crate::build;
use crate::call;
use crate::code::Code;
use crate::dict;
use crate::edns::Edns;
use crate::layout;
use crate::name::{Name, NameArg};
use crate::raise::Raise;
use crate::rdata::Rdata;
use crate::rrset::{RRset, Record};

/// One question of a message: `Question("example.com", "A")`.
#[pyclass(frozen, module = "namewise.engine")]
pub(crate) struct Question {
    /// The queried name, in the case that the client used.
    #[pyo3(get)]
    pub(crate) name: Py<Name>,
    pub(crate) rtype: RrType,
    pub(crate) class: Class,
}

#[pymethods]
impl Question {
    #[new]
    #[pyo3(signature = (name, rtype = Code(RrType::A), rclass = Code(Class::IN)))]
    fn new(py: Python<'_>, name: NameArg, rtype: Code<RrType>, rclass: Code<Class>) -> PyResult<Self> {
        Ok(Self { name: Py::new(py, Name::from(name.0))?, rtype: rtype.0, class: rclass.0 })
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> (Bound<'py, PyAny>, (Bound<'py, Name>, u16, u16)) {
        let parts = (self.name.bind(py).clone(), self.rtype.0, self.class.0);
        (py.get_type::<Question>().into_any(), parts)
    }

    /// The mnemonic of the queried type.
    #[getter]
    fn r#type(&self) -> String {
        self.rtype.to_string()
    }

    /// The number of the queried type.
    #[getter]
    fn type_value(&self) -> u16 {
        self.rtype.0
    }

    /// The mnemonic of the queried class.
    #[getter]
    fn rclass(&self) -> String {
        self.class.to_string()
    }

    /// The number of the queried class.
    #[getter]
    fn rclass_value(&self) -> u16 {
        self.class.0
    }

    fn __str__(&self) -> String {
        format!("{} {} {}", self.name.get().inner, self.class, self.rtype)
    }

    fn __repr__(&self) -> String {
        format!("<Question {}>", self.__str__())
    }

    fn __hash__(&self) -> u64 {
        self.name.get().inner.as_ref().hash64() ^ (u64::from(self.rtype.0) << 16 | u64::from(self.class.0))
    }

    fn __richcmp__<'py>(&self, other: &Bound<'py, PyAny>, op: CompareOp) -> PyResult<Bound<'py, PyAny>> {
        let py = other.py();
        let (Ok(other), CompareOp::Eq | CompareOp::Ne) = (other.cast::<Question>(), op) else {
            return Ok(py.NotImplemented().into_bound(py));
        };
        let other = other.get();
        let equal = (self.rtype, self.class) == (other.rtype, other.class)
            && self.name.get().inner == other.name.get().inner;
        Ok((equal == matches!(op, CompareOp::Eq)).into_pyobject(py)?.to_owned().into_any())
    }
}

/// An immutable view of a valid DNS message (RFC 1035 §4): `Message.parse(wire)`.
///
/// A section is decoded when it is first read. `str()` formats the message like dig. Two messages are equal if their
/// octets are equal.
#[pyclass(frozen, module = "namewise.engine")]
pub(crate) struct Message {
    pub(crate) bytes: Py<PyBytes>,
    sections: [PyOnceLock<Py<PyTuple>>; 3],
    edns: PyOnceLock<Option<Py<Edns>>>,
}

impl Message {
    /// Wrap octets that were checked or that our writer made.
    pub(crate) fn from_valid(bytes: Py<PyBytes>) -> Self {
        Self { bytes, sections: [const { PyOnceLock::new() }; 3], edns: PyOnceLock::new() }
    }

    pub(crate) fn view<'py>(&'py self, py: Python<'py>) -> nw_wire::Message<'py> {
        nw_wire::Message::parse(self.bytes.as_bytes(py)).expect("checked when this message was made")
    }

    fn header(&self, py: Python<'_>) -> Header {
        Header::read(self.bytes.as_bytes(py)).expect("checked when this message was made")
    }

    pub(crate) fn opt<'py>(&'py self, py: Python<'py>) -> PyResult<Option<&'py Bound<'py, Edns>>> {
        let edns = self.edns.get_or_try_init(py, || {
            self.view(py).opt().map(|opt| Py::new(py, Edns::from_opt(&opt))).transpose()
        })?;
        Ok(edns.as_ref().map(|edns| edns.bind(py)))
    }

    fn section<'py>(&'py self, py: Python<'py>, section: Section) -> PyResult<&'py Bound<'py, PyTuple>> {
        let made = self.sections[section as usize].get_or_try_init(py, || {
            let sets = rrsets(&self.view(py), section).into_iter().map(RRset::from);
            Ok::<_, PyErr>(PyTuple::new(py, sets.collect::<Vec<_>>())?.unbind())
        })?;
        Ok(made.bind(py))
    }
}

#[pymethods]
impl Message {
    /// Parse `wire` as a complete message. Raises `WireError` with the offset of the first fault.
    #[staticmethod]
    fn parse(py: Python<'_>, wire: Bound<'_, PyBytes>) -> PyResult<Self> {
        call::attached(py, || nw_wire::Message::parse(wire.as_bytes()).map(drop))?;
        Ok(Self::from_valid(wire.unbind()))
    }

    /// Convert a `dns.message.Message`.
    #[staticmethod]
    fn from_dnspython(py: Python<'_>, message: &Bound<'_, PyAny>) -> PyResult<Self> {
        let limit = [("max_size", u16::MAX)].into_py_dict(py)?;
        let wire = message.call_method(intern!(py, "to_wire"), (), Some(&limit))?;
        Self::parse(py, wire.cast_into()?)
    }

    /// Return the message as a `dns.message.Message`. Imports dnspython.
    fn to_dnspython<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        py.import(intern!(py, "dns.message"))?.call_method1(intern!(py, "from_wire"), (self.bytes.bind(py),))
    }

    /// The octets.
    #[getter]
    fn wire<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        self.bytes.bind(py).clone()
    }

    /// The identifier.
    #[getter]
    fn id(&self, py: Python<'_>) -> u16 {
        self.header(py).id
    }

    /// The flags that are set, in the format of dig: `qr aa rd`.
    #[getter]
    fn flags(&self, py: Python<'_>) -> String {
        build::flag_names(self.header(py).flags)
    }

    /// The second word of the header: flags, opcode, and the lower four bits of the rcode.
    #[getter]
    fn flags_value(&self, py: Python<'_>) -> u16 {
        self.header(py).flags.0
    }

    /// Whether this is a response (QR).
    #[getter]
    fn is_response(&self, py: Python<'_>) -> bool {
        self.header(py).flags.qr()
    }

    /// Whether the answer is authoritative (AA).
    #[getter]
    fn authoritative(&self, py: Python<'_>) -> bool {
        self.header(py).flags.aa()
    }

    /// Whether the message was truncated (TC).
    #[getter]
    fn truncated(&self, py: Python<'_>) -> bool {
        self.header(py).flags.tc()
    }

    /// Whether the sender requests recursion (RD).
    #[getter]
    fn recursion_desired(&self, py: Python<'_>) -> bool {
        self.header(py).flags.rd()
    }

    /// Whether the server offers recursion (RA).
    #[getter]
    fn recursion_available(&self, py: Python<'_>) -> bool {
        self.header(py).flags.ra()
    }

    /// Whether the server states that it validated the data (AD, RFC 4035 §3.2.3).
    #[getter]
    fn authentic_data(&self, py: Python<'_>) -> bool {
        self.header(py).flags.ad()
    }

    /// Whether the sender disables validation (CD, RFC 4035 §3.2.2).
    #[getter]
    fn checking_disabled(&self, py: Python<'_>) -> bool {
        self.header(py).flags.cd()
    }

    /// The mnemonic of the opcode.
    #[getter]
    fn opcode(&self, py: Python<'_>) -> String {
        self.header(py).flags.opcode().to_string()
    }

    /// The number of the opcode.
    #[getter]
    fn opcode_value(&self, py: Python<'_>) -> u8 {
        self.header(py).flags.opcode().0
    }

    /// The mnemonic of the response code with all twelve bits (RFC 6891 §6.1.3).
    #[getter]
    fn rcode(&self, py: Python<'_>) -> String {
        Rcode(self.rcode_value(py)).to_string()
    }

    /// The number of the response code with all twelve bits.
    #[getter]
    fn rcode_value(&self, py: Python<'_>) -> u16 {
        self.view(py).rcode().0
    }

    /// The first question, or None.
    #[getter]
    fn question(&self, py: Python<'_>) -> PyResult<Option<Question>> {
        self.view(py).question().map(|question| asked(py, &question)).transpose()
    }

    /// All questions. Nearly all servers refuse more than one (RFC 9619).
    #[getter]
    fn questions<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let questions =
            self.view(py).questions().map(|question| asked(py, &question)).collect::<PyResult<Vec<_>>>()?;
        PyTuple::new(py, questions)
    }

    /// The RRsets of the answer section.
    #[getter]
    fn answer<'py>(&'py self, py: Python<'py>) -> PyResult<&'py Bound<'py, PyTuple>> {
        self.section(py, Section::Answer)
    }

    /// The RRsets of the authority section.
    #[getter]
    fn authority<'py>(&'py self, py: Python<'py>) -> PyResult<&'py Bound<'py, PyTuple>> {
        self.section(py, Section::Authority)
    }

    /// The RRsets of the additional section, without OPT and TSIG.
    #[getter]
    fn additional<'py>(&'py self, py: Python<'py>) -> PyResult<&'py Bound<'py, PyTuple>> {
        self.section(py, Section::Additional)
    }

    /// Return the records of a section (`answer`, `authority`, `additional`) in the order of the message, without OPT
    /// and TSIG.
    fn records<'py>(&self, py: Python<'py>, section: &str) -> PyResult<Bound<'py, PyTuple>> {
        let mut made = Vec::new();
        let mut rdata = Vec::new();
        for record in data(&self.view(py), section_named(section)?) {
            rdata.clear();
            record.rdata(&mut rdata);
            made.push(Record {
                owner: Py::new(py, Name::from(record.owner().to_name()))?,
                ttl: record.ttl,
                class: record.class,
                rdata: Py::new(py, Rdata::new_unchecked(record.rtype, &rdata))?,
            });
        }
        PyTuple::new(py, made)
    }

    /// QDCOUNT, ANCOUNT, NSCOUNT and ARCOUNT.
    #[getter]
    fn counts(&self, py: Python<'_>) -> (u16, u16, u16, u16) {
        self.header(py).counts.into()
    }

    /// The OPT record (RFC 6891), or None.
    #[getter]
    fn edns<'py>(&'py self, py: Python<'py>) -> PyResult<Option<&'py Bound<'py, Edns>>> {
        self.opt(py)
    }

    /// The extended errors (RFC 8914), each as number, registered purpose and the server's text.
    #[getter]
    fn ede(&self, py: Python<'_>) -> Vec<(u16, String, String)> {
        let Some(opt) = self.view(py).opt() else { return Vec::new() };
        opt.options()
            .filter_map(|option| match option {
                Ok(EdnsOption::Ede { code, text }) => {
                    Some((code.0, code.to_string(), String::from_utf8_lossy(text).into_owned()))
                }
                _ => None,
            })
            .collect()
    }

    /// The data of the TSIG record as text (RFC 8945 §4.2), or None.
    #[getter]
    fn tsig(&self, py: Python<'_>) -> Option<String> {
        self.view(py).tsig().map(|record| {
            let (mut rdata, mut text) = (Vec::new(), format!("{} ", record.owner()));
            record.rdata(&mut rdata);
            rr::to_text(record.rtype, &rdata, &mut text);
            text
        })
    }

    /// Return whether this may be the reply to `query`: a response with the same id, opcode and question, including
    /// case (RFC 5452 §9.1).
    fn replies_to(&self, py: Python<'_>, query: &Message) -> bool {
        replies_to(query.bytes.as_bytes(py), self.bytes.as_bytes(py))
    }

    /// Return whether `wire` may be the reply to this query, like `replies_to` but without parsing. A client that
    /// waits for the reply ignores all other packets.
    fn accepts(&self, py: Python<'_>, wire: &[u8]) -> bool {
        replies_to(self.bytes.as_bytes(py), wire)
    }

    /// Return the same message with a new random identifier from the system's random source.
    fn with_new_id(&self, py: Python<'_>) -> PyResult<Self> {
        let mut octets = self.bytes.as_bytes(py).to_vec();
        octets[..2].copy_from_slice(&build::random_id(py)?.to_be_bytes());
        Ok(Self::from_valid(PyBytes::new(py, &octets).unbind()))
    }

    /// Return the octets of a message with the same content: sections are decoded and encoded again, with our
    /// compression.
    fn render<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let octets = call::attached(py, || build::render(&self.view(py)))?;
        Ok(PyBytes::new(py, &octets))
    }

    /// Return the message in the format of dig: header, EDNS, question, sections.
    #[pyo3(signature = (*, ttl = true, rclass = true))]
    fn to_text(&self, py: Python<'_>, ttl: bool, rclass: bool) -> PyResult<String> {
        let columns = layout::Columns { ttl, class: rclass };
        let edns = self.opt(py)?.map(|edns| edns.get());
        call::attached(py, || Ok::<_, Raise>(layout::message(&self.view(py), edns, columns)))
    }

    /// Return the two header lines in the format of dig, without a final newline.
    fn header_text(&self, py: Python<'_>) -> String {
        layout::header(&self.view(py))
    }

    /// Return the lines of one section (`question`, `answer`, `authority`, `additional`) in dig's columns, without
    /// heading and final newline.
    #[pyo3(signature = (section, *, ttl = true, rclass = true))]
    fn section_text(&self, py: Python<'_>, section: &str, ttl: bool, rclass: bool) -> PyResult<String> {
        let columns = layout::Columns { ttl, class: rclass };
        let view = self.view(py);
        Ok(match section {
            "question" => layout::question(&view, columns),
            _ => layout::section(&view, section_named(section)?, columns),
        })
    }

    /// Return the message in the form of RFC 8427, ready for `json.dumps`. The key `EDNS` has the decoded OPT record.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        dict::message(py, &self.view(py), self.opt(py)?.map(|edns| edns.get()))
    }

    fn __str__(&self, py: Python<'_>) -> PyResult<String> {
        self.to_text(py, true, true)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let view = self.view(py);
        let question =
            view.question().map_or_else(String::new, |q| format!(" {} {} {}", q.name, q.class, q.rtype));
        let flags = build::flag_names(view.flags());
        Ok(format!("<Message id={} {} {flags}{question}>", view.id(), view.rcode()))
    }

    /// The length in octets.
    fn __len__(&self, py: Python<'_>) -> usize {
        self.bytes.as_bytes(py).len()
    }

    fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
        self.bytes.bind(py).hash()
    }

    fn __richcmp__<'py>(&self, other: &Bound<'py, PyAny>, op: CompareOp) -> PyResult<Bound<'py, PyAny>> {
        let py = other.py();
        let (Ok(other), CompareOp::Eq | CompareOp::Ne) = (other.cast::<Message>(), op) else {
            return Ok(py.NotImplemented().into_bound(py));
        };
        let equal = self.bytes.as_bytes(py) == other.get().bytes.as_bytes(py);
        Ok((equal == matches!(op, CompareOp::Eq)).into_pyobject(py)?.to_owned().into_any())
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        Ok((py.get_type::<Message>().getattr(intern!(py, "parse"))?, (self.wire(py),)))
    }
}

fn asked(py: Python<'_>, question: &nw_wire::Question) -> PyResult<Question> {
    let name = Py::new(py, Name::from(question.name.to_name()))?;
    Ok(Question { name, rtype: question.rtype, class: question.class })
}

/// Return the section with this name.
pub(crate) fn section_named(name: &str) -> PyResult<Section> {
    match name {
        "answer" => Ok(Section::Answer),
        "authority" => Ok(Section::Authority),
        "additional" => Ok(Section::Additional),
        _ => {
            Err(PyValueError::new_err(format!("{name:?} is not a section: answer, authority or additional")))
        }
    }
}

/// The records of `section` without OPT and TSIG.
pub(crate) fn data<'a>(
    message: &nw_wire::Message<'a>,
    section: Section,
) -> impl Iterator<Item = nw_wire::Record<'a>> + use<'a> {
    message.records(section).filter(|record| !matches!(record.rtype, RrType::OPT | RrType::TSIG))
}

/// Group the records of `section` into RRsets, in the order of their first records. Signatures are grouped by the
/// type that they cover. If TTLs differ, the smallest applies (RFC 2181 §5.2).
pub(crate) fn rrsets(message: &nw_wire::Message<'_>, section: Section) -> Vec<Rrset> {
    let mut sets: Vec<(Rrset, [u8; 2])> = Vec::new();
    for record in data(message, section) {
        let owner = record.owner();
        let covered = match record.rtype {
            RrType::RRSIG | RrType::SIG => record.rdata_raw().first_chunk().copied().unwrap_or_default(),
            _ => [0; 2],
        };
        let place = sets.iter().rposition(|(set, covers)| {
            (set.rtype, set.class, *covers) == (record.rtype, record.class, covered)
                && set.owner.as_ref() == owner.as_ref()
        });
        let place = place.unwrap_or_else(|| {
            sets.push((Rrset::new(owner.to_name(), record.rtype, record.class, record.ttl), covered));
            sets.len() - 1
        });
        let set = &mut sets[place].0;
        set.ttl = set.ttl.min(record.ttl);
        let filled: Result<(), std::convert::Infallible> = set.rdatas.push_with(|out| {
            record.rdata(out);
            Ok(())
        });
        // `Infallible` has no values, so that no error can occur.
        let Ok(()) = filled;
    }
    sets.into_iter().map(|(set, _)| set).collect()
}

/// Return the initial header flags of a response to `query`.
pub(crate) fn reply_flags(query: Flags) -> Flags {
    Flags::default().with_qr(true).with_opcode(query.opcode()).with_rd(query.rd()).with_cd(query.cd())
}
