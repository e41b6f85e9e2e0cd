//! The rdata of every RR type: wire ↔ text ↔ canonical form, driven by one table.
//!
//! ```text
//!            check, expand, names, canonical          from_text
//!   wire ───────────────────────────────────► wire ◄─────────── text
//!      └───────────────── to_text ─────────────────────────────►
//! ```
//!
//! `table.rs` has one line per type with the fields of its rdata. `field.rs` implements the wire form of each field,
//! and `present.rs` its text form. A field with an unusual text form has its own file. A type without a line is
//! opaque (RFC 3597 §3). Every type can be written and read in the generic form `\# length hex` (RFC 3597 §5).
//! [`to_text`] uses it for octets that the type's own text cannot express.
//!
//! All functions take uncompressed rdata, except [`expand`] and [`check_wire`], which read it from a packet.
//!
//! RFCs: 1035 §3.3 and each type's own; 3597 (unknown types, compression), 4034 §6.2 and 6840 §5.1 (canonical form).

mod a6;
mod apl;
mod bitmap;
mod field;
mod gateway;
mod hip;
mod loc;
mod nsap;
mod present;
#[cfg(any(test, feature = "sample"))]
pub mod sample;
mod svcb;
mod table;
#[cfg(test)]
mod tests;
mod wks;

pub use bitmap::{TypeBitmap, push_bitmap};
pub use field::{Field, Role};
pub use svcb::{SvcKey, svc_params};
pub use table::RrType;

use std::fmt;

use crate::message::read_name;
use crate::name::NameRef;
use crate::text::{TextError, Tokens};
use field::Wire;

/// Check that `rdata`, uncompressed, is valid for its type. Rdata of unknown types is always valid.
pub fn check(rtype: RrType, rdata: &[u8]) -> Result<(), RdataError> {
    check_in(rtype, &Wire { bytes: rdata, end: rdata.len(), packet: false }, 0)
}

/// Check the rdata at `at..at + len` of the packet `msg` without copying it. Compressed names are accepted only in
/// the types that RFC 3597 §4 lists.
#[inline]
pub fn check_wire(rtype: RrType, msg: &[u8], at: usize, len: usize) -> Result<(), RdataError> {
    let end = at + len;
    if end > msg.len() {
        return Err(RdataError { at: msg.len(), fault: RdataFault::Short });
    }
    check_in(rtype, &Wire { bytes: msg, end, packet: true }, at)
}

/// Do the same as [`check_wire`] for a record that is only passed on. Rdata that a server need not interpret may have
/// any form (RFC 3597 §3, RFC 9460 §2.2), but its names are always checked. The following types are checked
/// completely: the types of RFC 1035 and others whose names may be compressed, addresses, DNSSEC, and meta types.
#[inline]
pub fn check_in_message(rtype: RrType, msg: &[u8], at: usize, len: usize) -> Result<(), RdataError> {
    let Err(error) = check_wire(rtype, msg, at, len) else { return Ok(()) };
    if !is_opaque_in_transit(rtype) || at + len > msg.len() {
        return Err(error);
    }
    let is_name = |field: &Field| matches!(field, Field::Name(_));
    let Some(last) = rtype.fields().iter().rposition(is_name) else { return Ok(()) };
    let wire = Wire { bytes: msg, end: at + len, packet: true };
    rtype.fields()[..=last].iter().try_fold(at, |at, field| field.check(&wire, at)).map(|_| ())
}

/// Return whether neither a resolver nor a writer needs to interpret the rdata of `rtype`.
fn is_opaque_in_transit(rtype: RrType) -> bool {
    let understood = matches!(
        rtype,
        RrType::A
            | RrType::AAAA
            | RrType::DNAME
            | RrType::DS
            | RrType::RRSIG
            | RrType::NSEC
            | RrType::DNSKEY
            | RrType::NSEC3
            | RrType::NSEC3PARAM
    );
    // Names inside these fields are not fields of the table.
    let with_names = |field: &Field| {
        let hidden = matches!(field, Field::Gateway | Field::Relay | Field::HostIdentity | Field::Prefix6);
        hidden || matches!(field, Field::Name(Role { expand: true, .. }))
    };
    !understood && !rtype.is_meta() && !rtype.fields().iter().any(with_names)
}

#[inline]
fn check_in(rtype: RrType, wire: &Wire<'_>, start: usize) -> Result<(), RdataError> {
    let mut at = start;
    for field in rtype.fields() {
        at = field.check(wire, at)?;
    }
    if at == wire.end { Ok(()) } else { Err(RdataError { at, fault: RdataFault::Long }) }
}

/// Append the rdata at `at..at + len` of the packet `msg` to `out`, with its names uncompressed. The rdata is checked
/// like in [`check_in_message`].
pub fn expand(rtype: RrType, msg: &[u8], at: usize, len: usize, out: &mut Vec<u8>) -> Result<(), RdataError> {
    check_in_message(rtype, msg, at, len)?;
    expand_checked(rtype, msg, at, len, out)
}

/// Do the same as [`expand`] for rdata that was checked before.
pub(crate) fn expand_checked(
    rtype: RrType,
    msg: &[u8],
    at: usize,
    len: usize,
    out: &mut Vec<u8>,
) -> Result<(), RdataError> {
    let expands = |field: &Field| matches!(field, Field::Name(Role { expand: true, .. }));
    let Some(last) = rtype.fields().iter().rposition(expands) else {
        out.extend_from_slice(&msg[at..at + len]);
        return Ok(());
    };
    let wire = Wire { bytes: msg, end: at + len, packet: true };
    let mut copied = at;
    let mut next = at;
    for field in &rtype.fields()[..=last] {
        let start = next;
        if !expands(field) {
            next = field.check(&wire, start)?;
            continue;
        }
        let (name, end) =
            read_name(msg, start).map_err(|_| RdataError { at: start, fault: RdataFault::Name })?;
        out.extend_from_slice(&msg[copied..start]);
        out.extend_from_slice(name.as_ref().wire());
        (next, copied) = (end, end);
    }
    out.extend_from_slice(&msg[copied..at + len]);
    Ok(())
}

/// Return whether names in rdata of `rtype` may be compressed in a packet.
#[inline]
pub(crate) fn may_be_compressed(rtype: RrType) -> bool {
    rtype.fields().iter().any(|field| matches!(field, Field::Name(Role { expand: true, .. })))
}

/// Append the canonical form of `rdata` (uncompressed, valid) to `out`. RFC 4034 §6.2, RFC 6840 §5.1
pub fn canonical(rtype: RrType, rdata: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(rdata);
    for name in names(rtype, rdata).filter(|name| name.lower) {
        out[start + name.start..start + name.end].make_ascii_lowercase();
    }
}

/// A name inside rdata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameField {
    /// Offset of the name in the uncompressed rdata.
    pub start: usize,
    /// Offset after the name.
    pub end: usize,
    /// A writer may compress it (RFC 3597 §4).
    pub compressible: bool,
    /// Canonical form is in lower case (RFC 4034 §6.2).
    pub lower: bool,
    /// The additional section should contain the addresses of this name.
    pub additional: bool,
}

/// The names inside `rdata` (uncompressed) that are fields of the table, in order. Gateways, relays and rendezvous
/// servers are not included: they are not compressed, not lower-cased, and not looked up.
#[inline]
pub fn names(rtype: RrType, rdata: &[u8]) -> Names<'_> {
    Names { fields: rtype.fields(), wire: Wire { bytes: rdata, end: rdata.len(), packet: false }, at: 0 }
}

/// The fields of `rdata`, uncompressed data of type `rtype`, with their octets, in wire order. The iterator ends at
/// the first field that does not fit.
pub fn spans(rtype: RrType, rdata: &[u8]) -> impl Iterator<Item = (Field, &[u8])> {
    let wire = Wire { bytes: rdata, end: rdata.len(), packet: false };
    let mut at = 0;
    rtype.fields().iter().map_while(move |field| {
        let start = at;
        at = field.check(&wire, start).ok()?;
        Some((*field, &rdata[start..at]))
    })
}

/// The iterator that [`names`] returns.
#[derive(Clone)]
pub struct Names<'a> {
    fields: &'static [Field],
    wire: Wire<'a>,
    at: usize,
}

impl Iterator for Names<'_> {
    type Item = NameField;

    fn next(&mut self) -> Option<NameField> {
        while let [field, fields @ ..] = self.fields {
            self.fields = fields;
            let start = self.at;
            self.at = field.check(&self.wire, start).ok()?;
            match *field {
                Field::Name(role) => {
                    return Some(NameField {
                        start,
                        end: self.at,
                        compressible: role.compress,
                        lower: role.lower,
                        additional: role.additional,
                    });
                }
                Field::Prefix6 => {
                    let start = a6::name_start(&self.wire, start);
                    if start < self.at {
                        let end = self.at;
                        return Some(NameField {
                            start,
                            end,
                            compressible: false,
                            lower: true,
                            additional: false,
                        });
                    }
                }
                _ => {}
            }
        }
        None
    }
}

/// Read the rest of the record in `tokens` as rdata of `rtype` and append it to `out`, uncompressed. Relative names
/// are completed with `origin`. The generic form is accepted for every type (RFC 3597 §5). On error, nothing is
/// appended.
#[inline]
pub fn from_text(
    rtype: RrType,
    tokens: &mut Tokens<'_>,
    origin: NameRef<'_>,
    out: &mut Vec<u8>,
) -> Result<(), TextError> {
    let start = out.len();
    let result = present::parse(rtype, tokens, origin, out);
    if result.is_err() {
        out.truncate(start);
    }
    result
}

/// Append `rdata` (uncompressed) in the text form of its type, or in generic form if the type has no text for it. RFC
/// 3597 §5
pub fn to_text(rtype: RrType, rdata: &[u8], out: &mut String) {
    let start = out.len();
    if present::show(rtype, rdata, out).is_none() {
        out.truncate(start);
        present::show_generic(rdata, out);
    }
}

/// Append `rdata` in the generic form `\# length hex`. RFC 3597 §5
pub fn to_generic_text(rdata: &[u8], out: &mut String) {
    present::show_generic(rdata, out);
}

/// The reason why octets are not valid rdata of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RdataError {
    /// The offset of the faulty field, in the rdata or in the packet that the caller passed.
    pub at: usize,
    /// The fault.
    pub fault: RdataFault,
}

/// The faults of rdata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RdataFault {
    /// The rdata ends inside a field. RFC 1035 §3.2.1
    Short,
    /// Octets follow the last field. RFC 1035 §3.2.1
    Long,
    /// A name is too long, has a bad label, or a bad compression pointer. RFC 1035 §3.1, §4.1.4
    Name,
    /// A name is compressed in a type that does not allow it. RFC 3597 §4
    Compressed,
    /// A field that must not be empty is empty.
    Empty,
    /// A CAA tag is empty or has characters other than letters and digits. RFC 8659 §4.1
    Tag,
    /// An address has characters other than decimal digits, or has too few digits. RFC 1183 §3.1
    Digits,
    /// A type bit map has windows out of order, an empty window, or trailing zeros. RFC 4034 §4.1.2
    Bitmap,
    /// A location is out of range. RFC 1876 §2
    Location,
    /// An address prefix is longer than the addresses of its family. RFC 3123 §4
    Prefix,
    /// A gateway or relay type is unknown. RFC 4025 §2.3, RFC 8777 §4.2.3
    Gateway,
    /// Service parameters are not in increasing order. RFC 9460 §2.2
    SvcOrder,
    /// A service parameter occurs twice. RFC 9460 §2.2
    SvcTwice,
    /// The value of a service parameter is not valid for its key. RFC 9460 §7
    SvcValue,
    /// A key that `mandatory` lists is missing, or `no-default-alpn` occurs without `alpn`. RFC 9460 §7.1.1, §8
    SvcMissing,
    /// An A6 prefix is longer than 128 bits, or padding bits are set. RFC 2874 §3.1
    Prefix6,
    /// An EDNS option extends beyond the rdata. RFC 6891 §6.1.2
    Option,
}

impl RdataFault {
    /// The section of the RFC that forbids the fault.
    pub fn section(self) -> &'static str {
        match self {
            Self::Short | Self::Long | Self::Empty => "RFC 1035 §3.2.1",
            Self::Name => "RFC 1035 §3.1",
            Self::Compressed => "RFC 3597 §4",
            Self::Tag => "RFC 8659 §4.1",
            Self::Digits => "RFC 1183 §3.1",
            Self::Bitmap => "RFC 4034 §4.1.2",
            Self::Location => "RFC 1876 §2",
            Self::Prefix => "RFC 3123 §4",
            Self::Gateway => "RFC 4025 §2.3",
            Self::SvcOrder | Self::SvcTwice => "RFC 9460 §2.2",
            Self::SvcValue => "RFC 9460 §7",
            Self::SvcMissing => "RFC 9460 §8",
            Self::Prefix6 => "RFC 2874 §3.1",
            Self::Option => "RFC 6891 §6.1.2",
        }
    }
}

impl fmt::Display for RdataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.fault {
            RdataFault::Short => "record data ends too early",
            RdataFault::Long => "record data is too long",
            RdataFault::Name => "invalid name in record data",
            RdataFault::Compressed => "compressed name in a type that does not allow compression",
            RdataFault::Empty => "a field that must not be empty is empty",
            RdataFault::Tag => "the tag is empty or has characters other than letters and digits",
            RdataFault::Digits => "the address does not consist of at least four decimal digits",
            RdataFault::Bitmap => "invalid type bit map",
            RdataFault::Location => "the location is out of range",
            RdataFault::Prefix => "invalid address prefix",
            RdataFault::Gateway => "unknown gateway type",
            RdataFault::SvcOrder => "the service parameters are not in increasing order",
            RdataFault::SvcTwice => "a service parameter occurs twice",
            RdataFault::SvcValue => "invalid value of a service parameter",
            RdataFault::SvcMissing => "a mandatory service parameter is missing",
            RdataFault::Prefix6 => "invalid A6 prefix",
            RdataFault::Option => "an option extends beyond the record data",
        };
        write!(f, "{what} at octet {} ({})", self.at, self.fault.section())
    }
}

impl std::error::Error for RdataError {}
