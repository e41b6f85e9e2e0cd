//! A query as the client sent it, with every octet checked.
//!
//! ```text
//! packet ── fits the usual form? ── yes ─▶ Query                 header, one question, at most one OPT, nothing else
//!                │ no
//!                └─ Message::parse, the whole message checked ─▶ Query | Rejected
//! ```
//!
//! Nearly every query has the usual form. A dedicated reader for it touches only its 30 to 80 octets. It accepts
//! nothing that the whole-message reader would reject (the tests check this property). All other packets use the
//! whole-message reader.
//!
//! | packet | [`Rejected`] | response |
//! |---|---|---|
//! | shorter than a header, or QR=1 | Silence | none: a response to a response may loop |
//! | opcode other than QUERY that has no handler in `opcode/` | Opcode | NOTIMP |
//! | anything malformed; QDCOUNT other than 1 (RFC 9619); two OPTs (RFC 6891 §6.1.1) | Malformed | FORMERR |
//!
//! RFCs: 1035 §4.1, 6891 §6.1, 9619.

use std::ops::BitOrAssign;

use nw_wire::header::HEADER;
use nw_wire::{Class, Flags, Header, Message, Name, NameRef, Opcode, OptionCode, RrType};

use crate::receipt::RECEIPT;

/// A request that can be answered: a message with one question.
#[derive(Clone, Copy, Debug)]
pub struct Query<'p> {
    /// The message as received.
    pub packet: &'p [u8],
    /// Its identifier.
    pub id: u16,
    /// Its flags; QR is 0.
    pub flags: Flags,
    /// The name, in the client's case.
    pub qname: NameRef<'p>,
    /// The type.
    pub qtype: RrType,
    /// The class.
    pub qclass: Class,
    /// The client's EDNS parameters.
    pub edns: Option<ClientEdns>,
    /// Where its TSIG record begins (RFC 8945), if it has one.
    pub tsig_at: Option<u16>,
}

/// The contents of a client's OPT record (RFC 6891 §6.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientEdns {
    /// The UDP payload size that it accepts, at least 512.
    pub udp_payload: u16,
    /// The EDNS version.
    pub version: u8,
    /// Whether it wants DNSSEC records (DO, RFC 3225).
    pub dnssec_ok: bool,
    /// The options that it asks for.
    pub wanted: Wanted,
}

/// Options that a server sends only to clients that ask for them, as a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted(u8);

impl Wanted {
    /// Which server this is (NSID, RFC 5001).
    pub const NSID: Wanted = Wanted(1);
    /// The number of the answer in the flight recorder (`receipt.rs`).
    pub const RECEIPT: Wanted = Wanted(2);
    /// In how many seconds the zone expires (RFC 7314).
    pub const EXPIRE: Wanted = Wanted(4);

    /// The option with this *code* alone, or none if the server sends it without being asked, or never.
    #[inline]
    fn of(code: u16) -> Wanted {
        Wanted(
            u8::from(code == OptionCode::NSID.0)
                | u8::from(code == RECEIPT.0) << 1
                | u8::from(code == OptionCode::EXPIRE.0) << 2,
        )
    }

    /// Whether *other* is among them.
    #[inline]
    pub fn contains(self, other: Wanted) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether the client asks for none.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl BitOrAssign for Wanted {
    #[inline]
    fn bitor_assign(&mut self, other: Wanted) {
        self.0 |= other.0;
    }
}

/// A query that owns its packet.
#[derive(Clone, Debug)]
pub(crate) struct OwnedQuery {
    packet: Box<[u8]>,
    qname: Name,
    id: u16,
    flags: Flags,
    qtype: RrType,
    qclass: Class,
    edns: Option<ClientEdns>,
    tsig_at: Option<u16>,
}

impl OwnedQuery {
    /// The query, without parsing it again.
    pub(crate) fn as_query(&self) -> Query<'_> {
        let OwnedQuery { id, flags, qtype, qclass, edns, tsig_at, .. } = *self;
        Query { packet: &self.packet, id, flags, qname: self.qname.as_ref(), qtype, qclass, edns, tsig_at }
    }
}

/// A packet that is not answered as a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// Send nothing.
    Silence,
    /// Send FORMERR with this header's id and flags.
    Malformed(Header),
    /// Send NOTIMP with this header's id and flags: the opcode has no handler.
    Opcode(Header),
}

impl<'p> Query<'p> {
    /// Read *packet*, or return how to handle it. `handled`: whether an opcode other than QUERY has a handler.
    #[inline]
    pub fn parse(packet: &'p [u8], handled: impl Fn(Opcode) -> bool) -> Result<Query<'p>, Rejected> {
        match Query::usual(packet) {
            Some(query) => Ok(query),
            None => Query::general(packet, handled),
        }
    }

    /// The same query with its own copy of the packet.
    pub(crate) fn into_owned(self) -> OwnedQuery {
        let Query { packet, id, flags, qname, qtype, qclass, edns, tsig_at } = self;
        OwnedQuery { packet: packet.into(), qname: qname.to_name(), id, flags, qtype, qclass, edns, tsig_at }
    }

    /// Whether the client wants DNSSEC records.
    #[inline]
    pub fn dnssec_ok(&self) -> bool {
        self.edns.is_some_and(|edns| edns.dnssec_ok)
    }

    /// Whether the client wants to know if the answer is secure (RFC 6840 §5.7).
    #[inline]
    pub fn wants_ad(&self) -> bool {
        self.flags.ad() || self.dnssec_ok()
    }

    /// A query in the usual form, or None.
    #[inline]
    pub(crate) fn usual(packet: &'p [u8]) -> Option<Query<'p>> {
        let (head, body) = packet.split_first_chunk::<HEADER>()?;
        // QR and opcode 0; one question, no answer, no authority, at most one additional record.
        if head[2] & 0xf8 != 0 || head[4..10] != [0, 1, 0, 0, 0, 0] || head[10] != 0 || head[11] > 1 {
            return None;
        }
        let (qname, rest) = NameRef::read(body).ok()?;
        let (&[t0, t1, c0, c1], rest) = rest.split_first_chunk::<4>()?;
        let edns = match (head[11], rest) {
            (0, []) => None,
            (1, rest) => Some(usual_opt(rest)?),
            _ => return None,
        };
        Some(Query {
            packet,
            id: u16::from_be_bytes([head[0], head[1]]),
            flags: Flags(u16::from_be_bytes([head[2], head[3]])),
            qname,
            qtype: RrType(u16::from_be_bytes([t0, t1])),
            qclass: Class(u16::from_be_bytes([c0, c1])),
            edns,
            tsig_at: None,
        })
    }

    /// Read *packet* with the reader of whole messages.
    #[cold]
    pub(crate) fn general(packet: &'p [u8], handled: impl Fn(Opcode) -> bool) -> Result<Query<'p>, Rejected> {
        let header = Header::read(packet).ok_or(Rejected::Silence)?;
        if header.flags.qr() {
            return Err(Rejected::Silence);
        }
        let opcode = header.flags.opcode();
        if opcode != Opcode::QUERY && !handled(opcode) {
            return Err(Rejected::Opcode(header));
        }
        let malformed = Rejected::Malformed(header);
        let message = Message::parse(packet).map_err(|_| malformed)?;
        if header.counts[0] != 1 {
            return Err(malformed);
        }
        // The first name of a message cannot be compressed, because no name precedes it.
        let (qname, _) = NameRef::read(&packet[HEADER..]).map_err(|_| malformed)?;
        let question = message.question().ok_or(malformed)?;
        let edns = message.opt().map(|opt| ClientEdns {
            udp_payload: opt.udp_payload(),
            version: opt.version(),
            dnssec_ok: opt.dnssec_ok(),
            wanted: opt.raw_options().fold(Wanted::default(), |mut wanted, (code, _)| {
                wanted |= Wanted::of(code.0);
                wanted
            }),
        });
        Ok(Query {
            packet,
            id: header.id,
            flags: header.flags,
            qname,
            qtype: question.rtype,
            qclass: question.class,
            edns,
            tsig_at: message.tsig().and_then(|record| u16::try_from(record.start()).ok()),
        })
    }
}

/// The OPT record that fills *rest* exactly, or None.
#[inline]
fn usual_opt(rest: &[u8]) -> Option<ClientEdns> {
    let (&[owner, t0, t1, p0, p1, _rcode, version, f0, _f1, l0, l1], mut options) =
        rest.split_first_chunk::<11>()?;
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    if owner != 0 || u16::from_be_bytes([t0, t1]) != RrType::OPT.0 || options.len() != length {
        return None;
    }
    let mut wanted = Wanted::default();
    while let Some((&[c0, c1, l0, l1], rest)) = options.split_first_chunk::<4>() {
        let code = u16::from_be_bytes([c0, c1]);
        // This loop skips the data of options. The reader that decodes options handles it.
        options = rest.get(usize::from(u16::from_be_bytes([l0, l1]))..)?;
        wanted |= Wanted::of(code);
    }
    if !options.is_empty() {
        return None;
    }
    Some(ClientEdns {
        udp_payload: u16::from_be_bytes([p0, p1]).max(512),
        version,
        dnssec_ok: f0 & 0x80 != 0,
        wanted,
    })
}

#[cfg(test)]
mod tests;
