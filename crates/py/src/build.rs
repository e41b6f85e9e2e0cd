//! Builds messages: queries, responses, and messages from their parts.

use nw_wire::header::Flags;
use nw_wire::{Class, Full, Opcode, Rcode, RrType, Section, Writer};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString, PyTuple};

use crate::call;
use crate::code::Code;
use crate::edns::{Edns, EdnsOption, UDP_PAYLOAD};
use crate::message::{Message, reply_flags, rrsets};
use crate::name::NameArg;
use crate::raise::Raise;
use crate::rrset::RRset;

/// The bits of the flags word, with the names that dig uses.
const FLAGS: [(&str, u16); 7] = [
    ("qr", 0x8000),
    ("aa", 0x0400),
    ("tc", 0x0200),
    ("rd", 0x0100),
    ("ra", 0x0080),
    ("ad", 0x0020),
    ("cd", 0x0010),
];

/// The set flags in dig's order, separated by spaces.
pub(crate) fn flag_names(flags: Flags) -> String {
    let mut out = String::new();
    for (name, bit) in FLAGS {
        if flags.0 & bit != 0 {
            if !out.is_empty() {
                out.push(' ');
            }
            out.push_str(name);
        }
    }
    out
}

/// Flags as a header word or as names (`"qr aa"`).
pub(crate) struct FlagArg(Flags);

impl<'py> FromPyObject<'_, 'py> for FlagArg {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let Ok(text) = given.cast::<PyString>() else { return Ok(Self(Flags(given.extract()?))) };
        let mut word = 0;
        for name in text.to_cow()?.split_whitespace() {
            let (_, bit) = FLAGS.iter().find(|(known, _)| *known == name).ok_or_else(|| {
                pyo3::exceptions::PyValueError::new_err(format!(
                    "{name:?} is not a flag: qr aa tc rd ra ad cd"
                ))
            })?;
            word |= bit;
        }
        Ok(Self(Flags(word)))
    }
}

/// Make a query for `name` and `rtype`: `make_query("example.com", "A")`.
///
/// `id` is random by default, from the system's random source. If `udp_payload` is None, the query has no EDNS, and
/// `dnssec_ok` and `options` must be omitted too. `flags` is `rd` by default.
#[pyfunction]
#[pyo3(signature = (
    name, rtype = Code(RrType::A), rclass = Code(Class::IN), *, id = None, flags = FlagArg(Flags(0x0100)),
    opcode = Code(Opcode::QUERY), udp_payload = Some(UDP_PAYLOAD), dnssec_ok = false, version = 0,
    options = Vec::new(),
))]
#[expect(clippy::too_many_arguments, reason = "keyword arguments of Python are a named object")]
pub(crate) fn make_query(
    py: Python<'_>,
    name: NameArg,
    rtype: Code<RrType>,
    rclass: Code<Class>,
    id: Option<u16>,
    flags: FlagArg,
    opcode: Code<Opcode>,
    udp_payload: Option<u16>,
    dnssec_ok: bool,
    version: u8,
    options: Vec<EdnsOption>,
) -> PyResult<Message> {
    if udp_payload.is_none() && (dnssec_ok || !options.is_empty()) {
        return Err(pyo3::exceptions::PyValueError::new_err(
            "dnssec_ok and options need EDNS: give udp_payload",
        ));
    }
    let edns = udp_payload.map(|payload| Edns {
        payload,
        extended_rcode: 0,
        edns_version: version,
        flag_bits: if dnssec_ok { 0x8000 } else { 0 },
        options,
    });
    let parts = Parts {
        id: id.map_or_else(|| random_id(py), Ok)?,
        flags: flags.0.with_opcode(opcode.0),
        rcode: Rcode::NOERROR,
        question: Some((name.0, rtype.0, rclass.0)),
        sections: [&[], &[], &[]],
        edns: edns.as_ref(),
        limit: usize::from(u16::MAX),
    };
    finish(py, &parts)
}

/// Make a response to `query` with its id, opcode, question, RD and CD, and with EDNS if the query has EDNS (RFC 6891
/// §6.1.1).
///
/// `answer`, `authority` and `additional` are RRsets. `flags` are further flags, such as `aa ra`; QR is always set.
/// `limit` is in octets: RRsets that do not fit are omitted, and TC is set if they belong to the first two sections
/// (RFC 2181 §9).
#[pyfunction]
#[pyo3(signature = (
    query, rcode = Code(Rcode::NOERROR), *, flags = FlagArg(Flags(0)), answer = Vec::new(),
    authority = Vec::new(), additional = Vec::new(), options = Vec::new(), limit = 65535,
))]
#[expect(clippy::too_many_arguments, reason = "keyword arguments of Python are a named object")]
pub(crate) fn make_response(
    py: Python<'_>,
    query: &Message,
    rcode: Code<Rcode>,
    flags: FlagArg,
    answer: Vec<PyRef<'_, RRset>>,
    authority: Vec<PyRef<'_, RRset>>,
    additional: Vec<PyRef<'_, RRset>>,
    options: Vec<EdnsOption>,
    limit: usize,
) -> PyResult<Message> {
    let asked = query.view(py);
    let edns = asked.opt().map(|opt| Edns {
        payload: UDP_PAYLOAD,
        extended_rcode: 0,
        edns_version: 0,
        flag_bits: if opt.dnssec_ok() { 0x8000 } else { 0 },
        options,
    });
    let parts = Parts {
        id: asked.id(),
        flags: Flags(flags.0.0 | reply_flags(asked.flags()).0),
        rcode: rcode.0,
        question: asked.question().map(|question| (question.name.to_name(), question.rtype, question.class)),
        sections: [&answer, &authority, &additional],
        edns: edns.as_ref(),
        limit,
    };
    finish(py, &parts)
}

/// Make a message from its parts. `question` is `(name, type)`, `(name, type, class)` or None. `flags` are names
/// (`"qr aa"`) or the flags word. `limit` is as in `make_response`.
#[pyfunction]
#[pyo3(signature = (
    question = None, *, id = 0, flags = FlagArg(Flags(0)), opcode = Code(Opcode::QUERY),
    rcode = Code(Rcode::NOERROR), answer = Vec::new(), authority = Vec::new(), additional = Vec::new(),
    edns = None, limit = 65535,
))]
#[expect(clippy::too_many_arguments, reason = "keyword arguments of Python are a named object")]
pub(crate) fn make_message(
    py: Python<'_>,
    question: Option<Bound<'_, PyTuple>>,
    id: u16,
    flags: FlagArg,
    opcode: Code<Opcode>,
    rcode: Code<Rcode>,
    answer: Vec<PyRef<'_, RRset>>,
    authority: Vec<PyRef<'_, RRset>>,
    additional: Vec<PyRef<'_, RRset>>,
    edns: Option<Edns>,
    limit: usize,
) -> PyResult<Message> {
    let question = question
        .map(|parts| {
            let name: NameArg = parts.get_item(0)?.extract()?;
            let rtype: Code<RrType> = parts.get_item(1)?.extract()?;
            let class = if parts.len() > 2 { parts.get_item(2)?.extract()? } else { Code(Class::IN) };
            Ok::<_, PyErr>((name.0, rtype.0, class.0))
        })
        .transpose()?;
    let flags = if opcode.0 == Opcode::QUERY { flags.0 } else { flags.0.with_opcode(opcode.0) };
    let parts = Parts {
        id,
        flags,
        rcode: rcode.0,
        question,
        sections: [&answer, &authority, &additional],
        edns: edns.as_ref(),
        limit,
    };
    finish(py, &parts)
}

struct Parts<'p, 'py> {
    id: u16,
    flags: Flags,
    rcode: Rcode,
    question: Option<(nw_wire::Name, RrType, Class)>,
    sections: [&'p [PyRef<'py, RRset>]; 3],
    edns: Option<&'p Edns>,
    limit: usize,
}

fn finish(py: Python<'_>, parts: &Parts<'_, '_>) -> PyResult<Message> {
    let octets = call::attached(py, || {
        let octets = write(parts)?;
        // Valid parts can form an invalid message: an OPT in the answer section, or a TSIG that is not last.
        nw_wire::Message::parse(&octets)?;
        Ok::<_, Raise>(octets)
    })?;
    Ok(Message::from_valid(PyBytes::new(py, &octets).unbind()))
}

fn write(parts: &Parts<'_, '_>) -> Result<Vec<u8>, Raise> {
    let mut buf = vec![0; parts.limit.clamp(512, usize::from(u16::MAX))];
    let flags = if parts.rcode == Rcode::NOERROR { parts.flags } else { parts.flags.with_rcode(parts.rcode) };
    let too_long =
        |Full| Raise::Wire { message: "the message does not fit".into(), offset: None, code: "TOO_LONG" };
    let mut out = Writer::new(&mut buf, parts.limit.max(512), parts.id, flags);
    if let Some((name, rtype, class)) = &parts.question {
        out.question(name.as_ref(), *rtype, *class).map_err(too_long)?;
    }
    let opt = parts.edns.map(|edns| edns.record(parts.rcode.0).ok_or(Full).map_err(too_long)).transpose()?;
    if let Some(opt) = &opt {
        out.reserve(opt.len()).map_err(too_long)?;
    }
    'sections: for (section, sets) in
        [Section::Answer, Section::Authority, Section::Additional].into_iter().zip(parts.sections)
    {
        for set in sets {
            if out.rrset(section, &set.inner).is_err() {
                // TC means that records did not fit, except in the additional section (RFC 2181 §9).
                if section != Section::Additional {
                    let flags = out.flags();
                    out.set_flags(flags.with_tc(true));
                }
                break 'sections;
            }
        }
    }
    out.release();
    if let Some(opt) = &opt {
        out.raw(Section::Additional, 1, opt).map_err(too_long)?;
    }
    let length = out.finish();
    buf.truncate(length);
    Ok(buf)
}

/// Encode the content of `message` again: decoded, grouped into RRsets, and compressed by our writer.
pub(crate) fn render(message: &nw_wire::Message<'_>) -> Result<Vec<u8>, Raise> {
    let too_long =
        |Full| Raise::Wire { message: "the message does not fit".into(), offset: None, code: "TOO_LONG" };
    let mut buf = vec![0; (message.bytes().len() * 2).clamp(512, usize::from(u16::MAX))];
    let mut out = Writer::new(&mut buf, usize::from(u16::MAX), message.id(), message.flags());
    for question in message.questions() {
        out.question(question.name.as_ref(), question.rtype, question.class).map_err(too_long)?;
    }
    for section in [Section::Answer, Section::Authority, Section::Additional] {
        for set in rrsets(message, section) {
            out.rrset(section, &set).map_err(too_long)?;
        }
    }
    for record in message.records(Section::Additional) {
        if !matches!(record.rtype, RrType::OPT | RrType::TSIG) {
            continue;
        }
        out.raw(Section::Additional, 1, &message.bytes()[record.start()..record.end()]).map_err(too_long)?;
    }
    let length = out.finish();
    buf.truncate(length);
    Ok(buf)
}

/// Return sixteen unpredictable bits.
pub(crate) fn random_id(py: Python<'_>) -> PyResult<u16> {
    let octets = py.import(intern!(py, "os"))?.call_method1(intern!(py, "urandom"), (2,))?;
    octets.extract().map(u16::from_be_bytes)
}
