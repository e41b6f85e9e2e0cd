//! Converts a message to the dictionary of RFC 8427.

use nw_wire::{Record, Section, rr};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::edns::Edns;

/// RFC 8427 §2.1 to §2.3. Each RR has its name and number, its octets in hex, and its text.
pub(crate) fn message<'py>(
    py: Python<'py>,
    message: &nw_wire::Message<'_>,
    edns: Option<&Edns>,
) -> PyResult<Bound<'py, PyDict>> {
    let (header, out) = (message.header(), PyDict::new(py));
    let flags = header.flags;
    out.set_item("ID", header.id)?;
    for (key, on) in [
        ("QR", flags.qr()),
        ("AA", flags.aa()),
        ("TC", flags.tc()),
        ("RD", flags.rd()),
        ("RA", flags.ra()),
        ("AD", flags.ad()),
        ("CD", flags.cd()),
    ] {
        out.set_item(key, u8::from(on))?;
    }
    out.set_item("Opcode", flags.opcode().0)?;
    out.set_item("RCODE", message.rcode().0)?;
    out.set_item("RCODEname", message.rcode().to_string())?;
    for (key, count) in ["QDCOUNT", "ANCOUNT", "NSCOUNT", "ARCOUNT"].into_iter().zip(header.counts) {
        out.set_item(key, count)?;
    }
    if let Some(question) = message.question() {
        out.set_item("QNAME", question.name.to_string())?;
        out.set_item("QTYPE", question.rtype.0)?;
        out.set_item("QTYPEname", question.rtype.to_string())?;
        out.set_item("QCLASS", question.class.0)?;
        out.set_item("QCLASSname", question.class.to_string())?;
    }
    if let Some(edns) = edns {
        out.set_item("EDNS", edns.to_dict(py)?)?;
    }
    for (key, section) in [
        ("answerRRs", Section::Answer),
        ("authorityRRs", Section::Authority),
        ("additionalRRs", Section::Additional),
    ] {
        let records = message.records(section).map(|one| record(py, &one)).collect::<PyResult<Vec<_>>>()?;
        if !records.is_empty() {
            out.set_item(key, PyList::new(py, records)?)?;
        }
    }
    Ok(out)
}

fn record<'py>(py: Python<'py>, record: &Record<'_>) -> PyResult<Bound<'py, PyDict>> {
    let (mut rdata, mut text) = (Vec::new(), String::new());
    record.rdata(&mut rdata);
    rr::to_text(record.rtype, &rdata, &mut text);
    let out = PyDict::new(py);
    out.set_item("NAME", record.owner().to_string())?;
    out.set_item("TYPE", record.rtype.0)?;
    out.set_item("TYPEname", record.rtype.to_string())?;
    out.set_item("CLASS", record.class.0)?;
    out.set_item("CLASSname", record.class.to_string())?;
    out.set_item("TTL", record.ttl)?;
    out.set_item(format!("rdata{}", record.rtype), text)?;
    out.set_item("RDLENGTH", rdata.len())?;
    out.set_item("RDATAHEX", hex(&rdata))?;
    Ok(out)
}

/// Octets as hex digits.
pub(crate) fn hex(octets: &[u8]) -> String {
    let mut out = String::new();
    nw_wire::base::push_hex(&mut out, octets);
    out
}
