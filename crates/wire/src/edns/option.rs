//! Decodes and encodes every registered EDNS option. Each variant names the RFC that defines it.
//!
//! Data with a length or form that the RFC does not allow result in an [`OptionError`]. Some options have another
//! form in a query than in a response (EXPIRE, TCP-KEEPALIVE and ZONEVERSION are empty in a query). Both forms are
//! decoded.

use std::fmt::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::base::push_hex;
use crate::code::{Ede, OptionCode, RrType};
use crate::name::NameRef;
use crate::text::{push_name, push_quoted};

/// A decoded option; borrows its data from the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EdnsOption<'a> {
    /// Long-lived query. RFC 8764 §3.2
    Llq(Llq),
    /// Update lease in seconds, and one for KEY records. RFC 9664 §4
    Ul {
        /// Lease of the records.
        lease_s: u32,
        /// Lease of the KEY records, where it differs.
        key_lease_s: Option<u32>,
    },
    /// Name server identifier; empty in a query. RFC 5001 §2.3
    Nsid(&'a [u8]),
    /// DNSSEC algorithms understood, one octet each. RFC 6975 §3
    Dau(&'a [u8]),
    /// DS digest types understood. RFC 6975 §3
    Dhu(&'a [u8]),
    /// NSEC3 hash algorithms understood. RFC 6975 §3
    N3u(&'a [u8]),
    /// The network of the client. RFC 7871 §6
    ClientSubnet(ClientSubnet),
    /// Seconds until the zone expires; None in a query. RFC 7314 §3
    Expire(Option<u32>),
    /// Cookies: 8 octets of the client, and none or 8 to 32 octets of the server. RFC 7873 §4
    Cookie {
        /// The client cookie.
        client: [u8; 8],
        /// The server cookie; empty if the client does not have one yet.
        server: &'a [u8],
    },
    /// Idle time of the connection in units of 100 ms; None in a query. RFC 7828 §3.1
    TcpKeepalive(Option<u16>),
    /// Padding; the octets should be zero. RFC 7830 §3
    Padding(&'a [u8]),
    /// The closest trust point. RFC 7901 §4
    Chain(NameRef<'a>),
    /// Key tags of trust anchors, two octets each. RFC 8145 §4.1
    KeyTag(&'a [u8]),
    /// Extended error with text. RFC 8914 §2
    Ede {
        /// The code.
        code: Ede,
        /// Human-readable text, possibly empty. The RFC requires UTF-8; code that displays the text must check it.
        text: &'a [u8],
    },
    /// Opaque tag of the client. draft-bellis-dnsop-edns-tags-01 §4
    ClientTag(u16),
    /// Opaque tag of the server. draft-bellis-dnsop-edns-tags-01 §5
    ServerTag(u16),
    /// The agent domain for error reports. RFC 9567 §6
    ReportChannel(NameRef<'a>),
    /// Version of the zone that answered; None in a query. RFC 9660 §2
    ZoneVersion(Option<ZoneVersion<'a>>),
    /// Further types that the client queries, two octets each. draft-ietf-dnssd-multi-qtypes §3.1
    MqtypeQuery(&'a [u8]),
    /// Further types in the response, two octets each. draft-ietf-dnssd-multi-qtypes §3.2
    MqtypeResponse(&'a [u8]),
    /// Language tag of the text of an extended error, UTF-8. draft-ietf-dnsop-structured-dns-error §5
    EdeLanguage(&'a [u8]),
    /// URI of the contact for filtering, UTF-8. draft-ietf-dnsop-structured-dns-error §5
    FilteringContact(&'a [u8]),
    /// Organization that filters, UTF-8. draft-ietf-dnsop-structured-dns-error §5
    FilteringOrganization(&'a [u8]),
    /// Database that lists the name, UTF-8. draft-ietf-dnsop-structured-dns-error §5
    FilteringDb(&'a [u8]),
    /// Identity of an Umbrella client; opaque.
    UmbrellaIdent(&'a [u8]),
    /// Identity of a device; opaque.
    DeviceId(&'a [u8]),
    /// Any other option.
    Unknown {
        /// The code.
        code: OptionCode,
        /// The data.
        data: &'a [u8],
    },
}

/// A long-lived query. RFC 8764 §3.2
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Llq {
    /// Version of the protocol, 1.
    pub version: u16,
    /// 1 setup, 2 refresh, 3 event.
    pub opcode: u16,
    /// 0 for no error; the other codes are in §3.2.2.
    pub error: u16,
    /// Identifier of the query.
    pub id: u64,
    /// Requested or granted lease in seconds.
    pub lease_s: u32,
}

/// The network of the client. RFC 7871 §6
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientSubnet {
    /// The address, with the bits after `source` set to zero. None for family 0 ("do not use my address").
    pub address: Option<IpAddr>,
    /// The number of leading bits of the address that are given.
    pub source: u8,
    /// The number of leading bits that the answer depends on; 0 in a query.
    pub scope: u8,
}

/// The version of a zone. RFC 9660 §2
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ZoneVersion<'a> {
    /// The number of labels in the name of the zone.
    pub labels: u8,
    /// The type of the version; 0 is the SOA serial.
    pub kind: u8,
    /// The version; four octets for type 0.
    pub version: &'a [u8],
}

/// The reason why option data is not valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptionError {
    /// The offset in the option's data. For [`OptionFault::Truncated`]: the offset in the rdata.
    pub at: usize,
    /// The code of the option.
    pub code: OptionCode,
    /// The fault.
    pub fault: OptionFault,
}

/// The faults of options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptionFault {
    /// The option extends beyond the rdata.
    Truncated,
    /// The option has a length that its RFC does not allow.
    Length,
    /// The address family is not 1 or 2, and not 0 with an empty address.
    Family,
    /// The prefix is longer than the addresses of the family.
    Prefix,
    /// Bits after the prefix are not zero.
    Bits,
    /// The data is not exactly one uncompressed name.
    Name,
}

impl OptionError {
    /// The section that the option violates.
    pub fn section(&self) -> &'static str {
        if self.fault == OptionFault::Truncated {
            return "RFC 6891 §6.1.2";
        }
        match self.code {
            OptionCode::LLQ => "RFC 8764 §3.2",
            OptionCode::UL => "RFC 9664 §4",
            OptionCode::CLIENT_SUBNET => "RFC 7871 §6",
            OptionCode::EXPIRE => "RFC 7314 §3",
            OptionCode::COOKIE => "RFC 7873 §5.2.2",
            OptionCode::TCP_KEEPALIVE => "RFC 7828 §3.1",
            OptionCode::CHAIN => "RFC 7901 §4",
            OptionCode::KEY_TAG => "RFC 8145 §4.1",
            OptionCode::EDE => "RFC 8914 §2",
            OptionCode::CLIENT_TAG | OptionCode::SERVER_TAG => "draft-bellis-dnsop-edns-tags-01 §4",
            OptionCode::REPORT_CHANNEL => "RFC 9567 §6",
            OptionCode::ZONEVERSION => "RFC 9660 §2",
            OptionCode::MQTYPE_QUERY | OptionCode::MQTYPE_RESPONSE => "draft-ietf-dnssd-multi-qtypes §3",
            _ => "RFC 6891 §6.1.2",
        }
    }
}

impl fmt::Display for OptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.fault {
            OptionFault::Truncated => "extends beyond the record data",
            OptionFault::Length => "has an invalid length",
            OptionFault::Family => "has an unknown address family",
            OptionFault::Prefix => "has a prefix longer than its address",
            OptionFault::Bits => "has bits set after its prefix",
            OptionFault::Name => "does not contain exactly one uncompressed name",
        };
        write!(f, "option {} {what} ({})", self.code, self.section())
    }
}

impl std::error::Error for OptionError {}

impl<'a> EdnsOption<'a> {
    /// Decode `data` as an option with code `code`.
    pub fn decode(code: OptionCode, data: &'a [u8]) -> Result<EdnsOption<'a>, OptionError> {
        let fail = |at, fault| Err(OptionError { at, code, fault });
        let bad_length = || OptionError { at: data.len(), code, fault: OptionFault::Length };
        let u16s = || if data.len().is_multiple_of(2) { Ok(data) } else { Err(bad_length()) };
        let name =
            || NameRef::from_wire(data).map_err(|_| OptionError { at: 0, code, fault: OptionFault::Name });
        let be16 = |at: usize| u16::from_be_bytes([data[at], data[at + 1]]);
        let be32 = |at: usize| u32::from(be16(at)) << 16 | u32::from(be16(at + 2));
        Ok(match code {
            OptionCode::LLQ if data.len() == 18 => EdnsOption::Llq(Llq {
                version: be16(0),
                opcode: be16(2),
                error: be16(4),
                id: u64::from(be32(6)) << 32 | u64::from(be32(10)),
                lease_s: be32(14),
            }),
            OptionCode::UL if data.len() == 4 => EdnsOption::Ul { lease_s: be32(0), key_lease_s: None },
            OptionCode::UL if data.len() == 8 => {
                EdnsOption::Ul { lease_s: be32(0), key_lease_s: Some(be32(4)) }
            }
            OptionCode::NSID => EdnsOption::Nsid(data),
            OptionCode::DAU => EdnsOption::Dau(data),
            OptionCode::DHU => EdnsOption::Dhu(data),
            OptionCode::N3U => EdnsOption::N3u(data),
            OptionCode::CLIENT_SUBNET => return client_subnet(data),
            OptionCode::EXPIRE if data.is_empty() => EdnsOption::Expire(None),
            OptionCode::EXPIRE if data.len() == 4 => EdnsOption::Expire(Some(be32(0))),
            OptionCode::COOKIE => match data.split_first_chunk::<8>() {
                Some((client, server)) if server.is_empty() || (8..=32).contains(&server.len()) => {
                    EdnsOption::Cookie { client: *client, server }
                }
                _ => return fail(data.len(), OptionFault::Length),
            },
            OptionCode::TCP_KEEPALIVE if data.is_empty() => EdnsOption::TcpKeepalive(None),
            OptionCode::TCP_KEEPALIVE if data.len() == 2 => EdnsOption::TcpKeepalive(Some(be16(0))),
            OptionCode::PADDING => EdnsOption::Padding(data),
            OptionCode::CHAIN => EdnsOption::Chain(name()?),
            OptionCode::KEY_TAG if !data.is_empty() => EdnsOption::KeyTag(u16s()?),
            OptionCode::EDE if data.len() >= 2 => EdnsOption::Ede { code: Ede(be16(0)), text: &data[2..] },
            OptionCode::CLIENT_TAG if data.len() == 2 => EdnsOption::ClientTag(be16(0)),
            OptionCode::SERVER_TAG if data.len() == 2 => EdnsOption::ServerTag(be16(0)),
            OptionCode::REPORT_CHANNEL => EdnsOption::ReportChannel(name()?),
            OptionCode::ZONEVERSION => match data {
                [] => EdnsOption::ZoneVersion(None),
                [labels, kind, version @ ..] if *kind != 0 || version.len() == 4 => {
                    EdnsOption::ZoneVersion(Some(ZoneVersion { labels: *labels, kind: *kind, version }))
                }
                _ => return fail(data.len(), OptionFault::Length),
            },
            OptionCode::MQTYPE_QUERY => EdnsOption::MqtypeQuery(u16s()?),
            OptionCode::MQTYPE_RESPONSE => EdnsOption::MqtypeResponse(u16s()?),
            OptionCode::EDE_LANGUAGE => EdnsOption::EdeLanguage(data),
            OptionCode::FILTERING_CONTACT => EdnsOption::FilteringContact(data),
            OptionCode::FILTERING_ORGANIZATION => EdnsOption::FilteringOrganization(data),
            OptionCode::FILTERING_DB => EdnsOption::FilteringDb(data),
            OptionCode::UMBRELLA_IDENT => EdnsOption::UmbrellaIdent(data),
            OptionCode::DEVICE_ID => EdnsOption::DeviceId(data),
            OptionCode::LLQ
            | OptionCode::UL
            | OptionCode::EXPIRE
            | OptionCode::TCP_KEEPALIVE
            | OptionCode::KEY_TAG
            | OptionCode::EDE
            | OptionCode::CLIENT_TAG
            | OptionCode::SERVER_TAG => return Err(bad_length()),
            _ => EdnsOption::Unknown { code, data },
        })
    }

    /// The option's code.
    pub fn code(&self) -> OptionCode {
        match self {
            EdnsOption::Llq(_) => OptionCode::LLQ,
            EdnsOption::Ul { .. } => OptionCode::UL,
            EdnsOption::Nsid(_) => OptionCode::NSID,
            EdnsOption::Dau(_) => OptionCode::DAU,
            EdnsOption::Dhu(_) => OptionCode::DHU,
            EdnsOption::N3u(_) => OptionCode::N3U,
            EdnsOption::ClientSubnet(_) => OptionCode::CLIENT_SUBNET,
            EdnsOption::Expire(_) => OptionCode::EXPIRE,
            EdnsOption::Cookie { .. } => OptionCode::COOKIE,
            EdnsOption::TcpKeepalive(_) => OptionCode::TCP_KEEPALIVE,
            EdnsOption::Padding(_) => OptionCode::PADDING,
            EdnsOption::Chain(_) => OptionCode::CHAIN,
            EdnsOption::KeyTag(_) => OptionCode::KEY_TAG,
            EdnsOption::Ede { .. } => OptionCode::EDE,
            EdnsOption::ClientTag(_) => OptionCode::CLIENT_TAG,
            EdnsOption::ServerTag(_) => OptionCode::SERVER_TAG,
            EdnsOption::ReportChannel(_) => OptionCode::REPORT_CHANNEL,
            EdnsOption::ZoneVersion(_) => OptionCode::ZONEVERSION,
            EdnsOption::MqtypeQuery(_) => OptionCode::MQTYPE_QUERY,
            EdnsOption::MqtypeResponse(_) => OptionCode::MQTYPE_RESPONSE,
            EdnsOption::EdeLanguage(_) => OptionCode::EDE_LANGUAGE,
            EdnsOption::FilteringContact(_) => OptionCode::FILTERING_CONTACT,
            EdnsOption::FilteringOrganization(_) => OptionCode::FILTERING_ORGANIZATION,
            EdnsOption::FilteringDb(_) => OptionCode::FILTERING_DB,
            EdnsOption::UmbrellaIdent(_) => OptionCode::UMBRELLA_IDENT,
            EdnsOption::DeviceId(_) => OptionCode::DEVICE_ID,
            EdnsOption::Unknown { code, .. } => *code,
        }
    }

    /// Append the option, including code and length. Data beyond 65,535 octets is cut off; no message could hold it.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.code().0.to_be_bytes());
        let start = out.len();
        out.extend_from_slice(&[0, 0]);
        match *self {
            EdnsOption::Llq(llq) => {
                out.extend([llq.version, llq.opcode, llq.error].iter().flat_map(|value| value.to_be_bytes()));
                out.extend_from_slice(&llq.id.to_be_bytes());
                out.extend_from_slice(&llq.lease_s.to_be_bytes());
            }
            EdnsOption::Ul { lease_s, key_lease_s } => {
                out.extend_from_slice(&lease_s.to_be_bytes());
                out.extend(key_lease_s.iter().flat_map(|lease| lease.to_be_bytes()));
            }
            EdnsOption::Nsid(data)
            | EdnsOption::Dau(data)
            | EdnsOption::Dhu(data)
            | EdnsOption::N3u(data)
            | EdnsOption::Padding(data)
            | EdnsOption::KeyTag(data)
            | EdnsOption::MqtypeQuery(data)
            | EdnsOption::MqtypeResponse(data)
            | EdnsOption::EdeLanguage(data)
            | EdnsOption::FilteringContact(data)
            | EdnsOption::FilteringOrganization(data)
            | EdnsOption::FilteringDb(data)
            | EdnsOption::UmbrellaIdent(data)
            | EdnsOption::DeviceId(data)
            | EdnsOption::Unknown { data, .. } => out.extend_from_slice(data),
            EdnsOption::ClientSubnet(subnet) => subnet.write(out),
            EdnsOption::Expire(value) => out.extend(value.iter().flat_map(|value| value.to_be_bytes())),
            EdnsOption::Cookie { client, server } => {
                out.extend_from_slice(&client);
                out.extend_from_slice(server);
            }
            EdnsOption::TcpKeepalive(value) => out.extend(value.iter().flat_map(|value| value.to_be_bytes())),
            EdnsOption::Chain(name) | EdnsOption::ReportChannel(name) => out.extend_from_slice(name.wire()),
            EdnsOption::Ede { code, text } => {
                out.extend_from_slice(&code.0.to_be_bytes());
                out.extend_from_slice(text);
            }
            EdnsOption::ClientTag(tag) | EdnsOption::ServerTag(tag) => {
                out.extend_from_slice(&tag.to_be_bytes())
            }
            EdnsOption::ZoneVersion(Some(zone)) => {
                out.extend_from_slice(&[zone.labels, zone.kind]);
                out.extend_from_slice(zone.version);
            }
            EdnsOption::ZoneVersion(None) => {}
        }
        out.truncate(start + 2 + usize::from(u16::MAX));
        let length = (out.len() - start - 2) as u16;
        out[start..start + 2].copy_from_slice(&length.to_be_bytes());
    }
}

fn client_subnet(data: &[u8]) -> Result<EdnsOption<'_>, OptionError> {
    let fail = |at, fault| Err(OptionError { at, code: OptionCode::CLIENT_SUBNET, fault });
    let Some((&[high, low, source, scope], given)) = data.split_first_chunk::<4>() else {
        return fail(data.len(), OptionFault::Length);
    };
    let (width, address) = match u16::from_be_bytes([high, low]) {
        0 if source == 0 && scope == 0 && given.is_empty() => {
            return Ok(EdnsOption::ClientSubnet(ClientSubnet { address: None, source, scope }));
        }
        1 => (32, IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        2 => (128, IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
        _ => return fail(0, OptionFault::Family),
    };
    if source > width || scope > width {
        return fail(2, OptionFault::Prefix);
    }
    if given.len() != usize::from(source).div_ceil(8) {
        return fail(4, OptionFault::Length);
    }
    if !source.is_multiple_of(8) && given.last().is_some_and(|last| last << (source % 8) != 0) {
        return fail(3 + given.len(), OptionFault::Bits);
    }
    let mut octets = [0u8; 16];
    octets[..given.len()].copy_from_slice(given);
    let address = match address {
        IpAddr::V4(_) => IpAddr::from([octets[0], octets[1], octets[2], octets[3]]),
        IpAddr::V6(_) => IpAddr::from(octets),
    };
    Ok(EdnsOption::ClientSubnet(ClientSubnet { address: Some(address), source, scope }))
}

impl ClientSubnet {
    /// The network that contains `address`, with `source` bits, for a query. Further bits are cleared, and `source`
    /// is bounded by the length of the address.
    pub fn new(address: IpAddr, source: u8) -> ClientSubnet {
        let mask = |octets: &mut [u8]| {
            for (index, octet) in octets.iter_mut().enumerate() {
                let kept = usize::from(source).saturating_sub(index * 8).min(8);
                *octet &= (0xff00u16 >> kept) as u8;
            }
        };
        let (address, width) = match address {
            IpAddr::V4(v4) => {
                let mut octets = v4.octets();
                mask(&mut octets);
                (IpAddr::from(octets), 32)
            }
            IpAddr::V6(v6) => {
                let mut octets = v6.octets();
                mask(&mut octets);
                (IpAddr::from(octets), 128)
            }
        };
        ClientSubnet { address: Some(address), source: source.min(width), scope: 0 }
    }

    fn write(&self, out: &mut Vec<u8>) {
        let length = usize::from(self.source).div_ceil(8);
        match self.address {
            None => out.extend_from_slice(&[0, 0, 0, 0]),
            Some(IpAddr::V4(address)) => {
                out.extend_from_slice(&[0, 1, self.source, self.scope]);
                out.extend_from_slice(&address.octets()[..length.min(4)]);
            }
            Some(IpAddr::V6(address)) => {
                out.extend_from_slice(&[0, 2, self.source, self.scope]);
                out.extend_from_slice(&address.octets()[..length.min(16)]);
            }
        }
    }
}

/// `NAME: value`, as dig prints options.
impl fmt::Display for EdnsOption<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.code())?;
        let words = |f: &mut fmt::Formatter<'_>, data: &[u8]| {
            data.chunks_exact(2).try_for_each(|pair| write!(f, " {}", u16::from_be_bytes([pair[0], pair[1]])))
        };
        let octets = |f: &mut fmt::Formatter<'_>, data: &[u8]| {
            let mut text = String::new();
            if !data.is_empty() {
                text.push(' ');
                push_hex(&mut text, data);
            }
            f.write_str(&text)
        };
        let quoted = |f: &mut fmt::Formatter<'_>, data: &[u8]| {
            let mut text = String::new();
            push_quoted(&mut text, data);
            f.write_str(&text)
        };
        match *self {
            EdnsOption::Llq(llq) => write!(
                f,
                " Version: {}, Opcode: {}, Error: {}, Identifier: {}, Lifetime: {}",
                llq.version, llq.opcode, llq.error, llq.id, llq.lease_s
            ),
            EdnsOption::Ul { lease_s, key_lease_s } => {
                write!(f, " {lease_s}")?;
                key_lease_s.map_or(Ok(()), |lease| write!(f, " {lease}"))
            }
            EdnsOption::Nsid(data) => {
                octets(f, data)?;
                f.write_str(" (")?;
                quoted(f, data)?;
                f.write_str(")")
            }
            EdnsOption::Dau(data) | EdnsOption::Dhu(data) | EdnsOption::N3u(data) => {
                data.iter().try_for_each(|value| write!(f, " {value}"))
            }
            EdnsOption::ClientSubnet(ClientSubnet { address: Some(address), source, scope }) => {
                write!(f, " {address}/{source}/{scope}")
            }
            EdnsOption::ClientSubnet(_) => f.write_str(" 0/0/0"),
            EdnsOption::Expire(value) => value.map_or(Ok(()), |value| write!(f, " {value}")),
            EdnsOption::Cookie { client, server } => {
                octets(f, &client)?;
                let mut text = String::new();
                push_hex(&mut text, server);
                f.write_str(&text)
            }
            EdnsOption::TcpKeepalive(value) => {
                value.map_or(Ok(()), |value| write!(f, " {}.{} secs", value / 10, value % 10))
            }
            EdnsOption::Padding(data) => write!(f, " ({} bytes)", data.len()),
            EdnsOption::Chain(name) | EdnsOption::ReportChannel(name) => {
                let mut text = String::from(" ");
                push_name(&mut text, name);
                f.write_str(&text)
            }
            EdnsOption::KeyTag(data) => words(f, data),
            EdnsOption::Ede { code, text } => {
                write!(f, " {}", code.0)?;
                if let Some(purpose) = code.mnemonic() {
                    write!(f, " ({purpose})")?;
                }
                if text.is_empty() {
                    return Ok(());
                }
                f.write_str(": (")?;
                printable(f, text)?;
                f.write_str(")")
            }
            EdnsOption::EdeLanguage(text)
            | EdnsOption::FilteringContact(text)
            | EdnsOption::FilteringOrganization(text)
            | EdnsOption::FilteringDb(text) => {
                f.write_str(" ")?;
                printable(f, text)
            }
            EdnsOption::ClientTag(tag) | EdnsOption::ServerTag(tag) => write!(f, " {tag}"),
            EdnsOption::ZoneVersion(None) => Ok(()),
            EdnsOption::ZoneVersion(Some(ZoneVersion { labels, kind: 0, version: &[a, b, c, d] })) => {
                write!(f, " SOA-SERIAL: {} ({labels} labels)", u32::from_be_bytes([a, b, c, d]))
            }
            EdnsOption::ZoneVersion(Some(ZoneVersion { labels, kind, version })) => {
                write!(f, " type {kind}:")?;
                octets(f, version)?;
                write!(f, " ({labels} labels)")
            }
            EdnsOption::MqtypeQuery(data) | EdnsOption::MqtypeResponse(data) => data
                .chunks_exact(2)
                .try_for_each(|pair| write!(f, " {}", RrType(u16::from_be_bytes([pair[0], pair[1]])))),
            EdnsOption::UmbrellaIdent(data)
            | EdnsOption::DeviceId(data)
            | EdnsOption::Unknown { data, .. } => {
                octets(f, data)?;
                f.write_str(" (")?;
                quoted(f, data)?;
                f.write_str(")")
            }
        }
    }
}

/// Write text from the network for a terminal. Invalid UTF-8 and control characters become U+FFFD.
fn printable(f: &mut fmt::Formatter<'_>, text: &[u8]) -> fmt::Result {
    String::from_utf8_lossy(text)
        .chars()
        .try_for_each(|c| f.write_char(if c.is_control() { '\u{fffd}' } else { c }))
}
