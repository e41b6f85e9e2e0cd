//! RR types and their rdata.

use crate::code::codes;
use crate::message::{MessageError, read_name};

codes! {
    /// The type of a record, or of a question.
    RrType(u16), "TYPE" {
        A = 1 "A",
        NS = 2 "NS",
        CNAME = 5 "CNAME",
        SOA = 6 "SOA",
        PTR = 12 "PTR",
        MX = 15 "MX",
        TXT = 16 "TXT",
        AAAA = 28 "AAAA",
        SRV = 33 "SRV",
        DNAME = 39 "DNAME",
        OPT = 41 "OPT",
        DS = 43 "DS",
        RRSIG = 46 "RRSIG",
        NSEC = 47 "NSEC",
        DNSKEY = 48 "DNSKEY",
        NSEC3 = 50 "NSEC3",
        NSEC3PARAM = 51 "NSEC3PARAM",
        SVCB = 64 "SVCB",
        HTTPS = 65 "HTTPS",
        TKEY = 249 "TKEY",
        TSIG = 250 "TSIG",
        IXFR = 251 "IXFR",
        AXFR = 252 "AXFR",
        ANY = 255 "ANY",
        CAA = 257 "CAA",
    }
}

/// Why rdata is not of its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RdataError {
    /// The rdata ends too early or too late.
    Length,
}

impl From<MessageError> for RdataError {
    fn from(_: MessageError) -> RdataError {
        RdataError::Length
    }
}

/// A name inside rdata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NameField {
    /// Offset of the name in the uncompressed rdata.
    pub start: usize,
    /// Offset behind the name.
    pub end: usize,
    /// Whether a writer may compress it (RFC 3597 §4).
    pub compressible: bool,
}

/// Append the rdata at `at..at + len` of `msg` to `out` without compression.
pub fn expand(rtype: RrType, msg: &[u8], at: usize, len: usize, out: &mut Vec<u8>) -> Result<(), RdataError> {
    let end = at + len;
    let (before, count) = layout(rtype);
    let mut at = at;
    if before > len {
        return Err(RdataError::Length);
    }
    out.extend_from_slice(&msg[at..at + before]);
    at += before;
    for _ in 0..count {
        let (name, next) = read_name(msg, at)?;
        if next > end {
            return Err(RdataError::Length);
        }
        out.extend_from_slice(name.as_ref().wire());
        at = next;
    }
    if count == 1 && before == 0 && rtype != RrType::NSEC && at != end {
        return Err(RdataError::Length);
    }
    out.extend_from_slice(&msg[at..end]);
    Ok(())
}

/// The names inside `rdata` (uncompressed, valid).
pub fn names(rtype: RrType, rdata: &[u8]) -> impl Iterator<Item = NameField> {
    let (before, count) = layout(rtype);
    let mut at = before;
    let rdata = rdata.to_vec();
    (0..count).map(move |_| {
        let start = at;
        while rdata[at] != 0 {
            at += 1 + rdata[at] as usize;
        }
        at += 1;
        NameField { start, end: at, compressible: rtype.0 < 24 }
    })
}

fn layout(rtype: RrType) -> (usize, usize) {
    match rtype {
        RrType::NS | RrType::CNAME | RrType::PTR | RrType::DNAME => (0, 1),
        RrType::SOA => (0, 2),
        RrType::MX => (2, 1),
        RrType::SRV => (6, 1),
        RrType::RRSIG => (18, 1),
        RrType::NSEC => (0, 1),
        _ => (0, 0),
    }
}

/// Append the canonical form of `rdata`.
pub fn canonical(rtype: RrType, rdata: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(rdata);
    for field in names(rtype, rdata) {
        out[start + field.start..start + field.end].make_ascii_lowercase();
    }
}

/// Append the generic text form (RFC 3597 §5).
pub fn to_text(_rtype: RrType, rdata: &[u8], out: &mut String) {
    use std::fmt::Write;
    let _ = write!(out, "\\# {}", rdata.len());
    for octet in rdata {
        let _ = write!(out, " {octet:02x}");
    }
}

/// Check the rdata at `at..at + len` of `msg`, perhaps with compressed names, without copying it.
pub fn check_wire(rtype: RrType, msg: &[u8], at: usize, len: usize) -> Result<(), RdataError> {
    expand(rtype, msg, at, len, &mut Vec::new())
}
