//! The fields of rdata: their length in wire form and their valid values.

use super::{RdataError, RdataFault, a6, apl, bitmap, gateway, hip, loc, nsap, svcb, wks};
use crate::name::{NameError, NameRef};

/// One field of rdata. The rdata of a type is a sequence of fields (`table.rs`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// Eight bits, decimal.
    U8,
    /// Sixteen bits, decimal.
    U16,
    /// Thirty-two bits, decimal.
    U32,
    /// Forty-eight bits, decimal.
    U48,
    /// Thirty-two bits of seconds; the text may use units (`1h`).
    Period,
    /// Thirty-two bits of seconds since 1970 modulo 2^32, `YYYYMMDDHHmmSS` (RFC 4034 §3.2).
    Time,
    /// An RR type, sixteen bits.
    Type,
    /// A DNSSEC algorithm, eight bits; the text may use the mnemonic (RFC 4034 appendix A.1).
    Algorithm,
    /// Like `Algorithm`, but written as its mnemonic if it has one (CERT, as dig does).
    NamedAlgorithm,
    /// An RR type, sixteen bits, written as a bare number if it has no mnemonic (RFC 2535 §5.3).
    OldType,
    /// A certificate type, sixteen bits (RFC 4398 §2.1).
    CertType,
    /// A DSYNC scheme, eight bits (RFC 9859 §2.1).
    Scheme,
    /// The error of TSIG and TKEY, sixteen bits (RFC 8945 §3).
    TsigError,
    /// An IPv4 address.
    Ipv4,
    /// An IPv6 address.
    Ipv6,
    /// Sixty-four bits as four groups of hex digits (RFC 6742 §2.1).
    Node,
    /// A fixed number of octets in hex, joined by hyphens (RFC 7043 §3.2).
    Eui(u8),
    /// A domain name.
    Name(Role),
    /// A character string (RFC 1035 §3.3).
    CharString,
    /// A character string of at least the given number of decimal digits (RFC 1183 §3.1).
    Digits(u8),
    /// A character string, or nothing at the end of the rdata.
    OptionalCharString,
    /// One or more character strings to the end of the rdata.
    CharStrings,
    /// A CAA property tag: length octet, letters and digits (RFC 8659 §4.1).
    Tag,
    /// Octets to the end, written as one quoted string of any length.
    Text,
    /// Like `Text`, but at least one octet.
    NonEmptyText,
    /// At least one octet to the end, hex.
    Hex,
    /// At least one octet to the end, base64.
    Base64,
    /// Octets to the end, base64. An empty field has empty text.
    OptionalBase64,
    /// Octets to the end, base64. An empty field is written as `-`.
    DashBase64,
    /// A length of sixteen bits and the octets. The text is the length and base64 (RFC 8945 §4.2).
    Sized,
    /// A length octet and the octets, hex. An empty field is written as `-` (RFC 5155 §3.3).
    Salt,
    /// A length octet and at least one octet, base32hex (RFC 5155 §3.3).
    Hash,
    /// RR types in window blocks to the end (RFC 4034 §4.1.2).
    Bitmap,
    /// RR types 1 to 127 in one bit map to the end (RFC 2535 §5.2).
    OldBitmap,
    /// Protocol and a bit map of ports to the end (RFC 1035 §3.4.2).
    Services,
    /// A location (RFC 1876 §2).
    Location,
    /// Address prefixes to the end (RFC 3123 §4).
    Prefixes,
    /// Service parameters to the end (RFC 9460 §2.2).
    SvcParams,
    /// Gateway type, algorithm, gateway (RFC 4025 §2.1).
    Gateway,
    /// Discovery flag, relay type, relay (RFC 8777 §4.2).
    Relay,
    /// Host identity tag, public key, rendezvous servers (RFC 8005 §5).
    HostIdentity,
    /// An NSAP address to the end (RFC 1706 §5).
    Nsap,
    /// An ATM address to the end.
    Atma,
    /// Prefix length, address suffix, prefix name (RFC 2874 §3.1).
    Prefix6,
    /// EDNS options to the end (RFC 6891 §6.1.2). The text is generic.
    Options,
    /// Octets to the end. The text is generic (RFC 3597 §5).
    Opaque,
    /// The type has no rdata; it occurs only in questions. Octets to the end are accepted. The text is generic.
    Meta,
}

/// The treatment of a name inside rdata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Role {
    /// A writer may compress it (RFC 3597 §4: the types of RFC 1035 only).
    pub compress: bool,
    /// A reader accepts it compressed (RFC 3597 §4: those types, and some defined between RFC 1035 and RFC 3597).
    pub expand: bool,
    /// Canonical form is in lower case (RFC 4034 §6.2, RFC 6840 §5.1).
    pub lower: bool,
    /// The additional section should contain the addresses of this name.
    pub additional: bool,
}

/// Rdata within its buffer `bytes[..end]`. If `packet` is set, names may point to offsets before the rdata.
#[derive(Clone, Copy)]
pub(super) struct Wire<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) end: usize,
    pub(super) packet: bool,
}

impl<'a> Wire<'a> {
    pub(super) fn rest(&self, at: usize) -> &'a [u8] {
        &self.bytes[at..self.end]
    }

    fn fixed(&self, at: usize, width: usize) -> Result<usize, RdataError> {
        if self.end - at < width {
            Err(RdataError { at: self.end, fault: RdataFault::Short })
        } else {
            Ok(at + width)
        }
    }

    /// The end of the octets that follow the length octet at `at`.
    pub(super) fn short(&self, at: usize) -> Result<usize, RdataError> {
        let start = self.fixed(at, 1)?;
        self.fixed(start, usize::from(self.bytes[at]))
    }

    /// The end of the uncompressed name at `at`.
    pub(super) fn plain_name(&self, at: usize) -> Result<usize, RdataError> {
        match NameRef::read(self.rest(at)) {
            Ok((name, _)) => Ok(at + name.wire().len()),
            Err(NameError::Truncated) => Err(RdataError { at: self.end, fault: RdataFault::Short }),
            Err(NameError::LabelType { .. }) => Err(RdataError { at, fault: RdataFault::Compressed }),
            Err(_) => Err(RdataError { at, fault: RdataFault::Name }),
        }
    }

    fn name(&self, at: usize, role: Role) -> Result<usize, RdataError> {
        if !(self.packet && role.expand) {
            return self.plain_name(at);
        }
        match crate::message::skip_name(self.bytes, at) {
            Ok(end) if end <= self.end => Ok(end),
            Ok(_) => Err(RdataError { at: self.end, fault: RdataFault::Short }),
            Err(_) => Err(RdataError { at, fault: RdataFault::Name }),
        }
    }
}

impl Field {
    /// Check the field that begins at `at` and return where it ends. `at` lies within the rdata.
    #[inline]
    pub(super) fn check(self, wire: &Wire<'_>, at: usize) -> Result<usize, RdataError> {
        let end = wire.end;
        let some = |least: usize| {
            if end - at < least { Err(RdataError { at, fault: RdataFault::Short }) } else { Ok(end) }
        };
        match self {
            Field::U8 | Field::Algorithm | Field::NamedAlgorithm | Field::Scheme => wire.fixed(at, 1),
            Field::U16 | Field::Type | Field::OldType | Field::CertType | Field::TsigError => {
                wire.fixed(at, 2)
            }
            Field::U32 | Field::Period | Field::Time | Field::Ipv4 => wire.fixed(at, 4),
            Field::U48 => wire.fixed(at, 6),
            Field::Node => wire.fixed(at, 8),
            Field::Ipv6 => wire.fixed(at, 16),
            Field::Eui(width) => wire.fixed(at, usize::from(width)),
            Field::Name(role) => wire.name(at, role),
            Field::CharString | Field::Salt => wire.short(at),
            Field::Digits(least) => {
                let next = wire.short(at)?;
                let digits = &wire.bytes[at + 1..next];
                if digits.len() < usize::from(least) || !digits.iter().all(u8::is_ascii_digit) {
                    return Err(RdataError { at, fault: RdataFault::Digits });
                }
                Ok(next)
            }
            Field::OptionalCharString if at == end => Ok(end),
            Field::OptionalCharString => wire.short(at),
            Field::CharStrings => {
                let mut next = wire.short(at)?;
                while next < end {
                    next = wire.short(next)?;
                }
                Ok(next)
            }
            Field::Tag => {
                let next = wire.short(at)?;
                let tag = &wire.bytes[at + 1..next];
                if tag.is_empty() || !tag.iter().all(u8::is_ascii_alphanumeric) {
                    return Err(RdataError { at, fault: RdataFault::Tag });
                }
                Ok(next)
            }
            Field::Hash => {
                let next = wire.short(at)?;
                if next == at + 1 { Err(RdataError { at, fault: RdataFault::Empty }) } else { Ok(next) }
            }
            Field::Sized => {
                let start = wire.fixed(at, 2)?;
                wire.fixed(start, usize::from(u16::from_be_bytes([wire.bytes[at], wire.bytes[at + 1]])))
            }
            Field::Hex | Field::Base64 | Field::NonEmptyText => some(1),
            Field::Text | Field::OptionalBase64 | Field::DashBase64 | Field::Opaque | Field::Meta => Ok(end),
            Field::Bitmap => bitmap::check(wire, at),
            Field::OldBitmap => bitmap::check_old(wire, at),
            Field::Services => wks::check(wire, at),
            Field::Location => loc::check(wire, at),
            Field::Prefixes => apl::check(wire, at),
            Field::SvcParams => svcb::check(wire, at),
            Field::Gateway => gateway::check(wire, at),
            Field::Relay => gateway::check_relay(wire, at),
            Field::HostIdentity => hip::check(wire, at),
            Field::Nsap => some(1),
            Field::Atma => nsap::check_atma(wire, at),
            Field::Prefix6 => a6::check(wire, at),
            Field::Options => crate::edns::check(wire.rest(at))
                .map(|()| end)
                .map_err(|error| RdataError { at: at + error.at, fault: RdataFault::Option }),
        }
    }
}
