//! The last stage before the signature: OPT, NSID, extended errors and the header.
//!
//! Space for OPT, NSID, a receipt and TSIG is reserved from the start, so that a truncated response contains them (RFC 6891 §7).
//! Extended errors use the remaining space, the most specific first. Their text is cut before an error is omitted. A
//! client without EDNS receives none of these options.
//!
//! RFCs: 6891 §6.1.3 and §7, 5001 (NSID), 7314 (EXPIRE), 8914 (extended errors), 2181 §9 (truncation on RRset borders, in the writer).

use nw_wire::header::HEADER;
use nw_wire::{Class, Ede, Flags, Header, Message, OptionCode, Rcode, RrType, Section, Writer, edns};

use crate::plan::{MOST_NSID, ServerPlan};
use crate::query::{Query, Wanted};
use crate::receipt::RECEIPT;
use crate::response::Response;
use crate::verdict::Transport;

/// Owner, type, class, TTL and length of an OPT record.
const OPT_HEAD: usize = 11;
/// Octets of an option's code and length.
const OPTION_HEAD: usize = 4;
/// Maximum octets of text of one extended error.
const MOST_TEXT: usize = 240;
/// Octets of a receipt.
const RECEIPT_OCTETS: usize = 8;
/// Octets of EXPIRE.
const EXPIRE_OCTETS: usize = 4;

/// The largest response that the client takes and this server sends (RFC 6891 §6.2.5).
#[inline]
pub(crate) fn limit(query: &Query<'_>, transport: Transport, server: &ServerPlan) -> usize {
    match (transport, query.edns) {
        (Transport::Tcp, _) => usize::from(u16::MAX),
        (Transport::Udp, Some(edns)) => usize::from(edns.udp_payload.min(server.udp_payload)),
        (Transport::Udp, None) => 512,
    }
}

/// A writer for the response to *query*, bounded by the limits of the client and this server.
#[inline]
pub(crate) fn writer<'o>(
    query: &Query<'_>,
    transport: Transport,
    server: &ServerPlan,
    room: &'o mut [u8],
) -> Writer<'o> {
    Writer::new(room, limit(query, transport, server), query.id, Flags::default())
}

/// Write the question in the client's case, and reserve space for the final records.
///
/// `out`: at least 512 octets, which any question with OPT, NSID, EXPIRE and a receipt fits.
#[inline(always)]
pub(crate) fn begin<'w, 'o>(
    out: &'w mut Writer<'o>,
    query: &Query<'_>,
    server: &ServerPlan,
) -> Response<'w, 'o> {
    let kept = opt_octets(query, server);
    out.question(query.qname, query.qtype, query.qclass)
        .and_then(|()| out.reserve(kept))
        .expect("a question of at most 271 octets and 163 of OPT fit in 512");
    Response::new(out)
}

/// Write the final records and the header. Returns the length of the message.
///
/// `errors`: further extended errors with their text. `receipt`: the number of the answer in the flight recorder, if the
/// client gets it.
#[inline(always)]
pub(crate) fn finish(
    response: &mut Response<'_, '_>,
    query: &Query<'_>,
    server: &ServerPlan,
    errors: &[(Ede, String)],
    receipt: &Option<u64>,
) -> usize {
    response.out.release();
    if query.edns.is_some() {
        if response.tsig_octets > 0 {
            response.out.reserve(response.tsig_octets).expect("space for it was kept");
        }
        write_opt(response, query, server, errors, receipt);
    }
    // Other classes may have data (RFC 1034 §3.7.1).
    response.aa &= query.qclass != Class::ANY;
    response.out.set_flags(response.flags(query.flags));
    response.out.finish()
}

/// A response with only a header, for a request that could not be parsed further.
pub(crate) fn header_only(header: Header, rcode: Rcode, room: &mut [u8]) -> usize {
    let flags = Flags::default()
        .with_qr(true)
        .with_opcode(header.flags.opcode())
        .with_rd(header.flags.rd())
        .with_rcode(rcode);
    let reply = Header { id: header.id, flags, counts: [0; 4] }.to_wire();
    room[..reply.len()].copy_from_slice(&reply);
    reply.len()
}

/// A response to *packet*, which is no query: a header, and OPT if the packet is a message that has one (RFC 6891 §6.1.1).
#[cold]
pub(crate) fn rejection(
    packet: &[u8],
    header: Header,
    rcode: Rcode,
    truncated: bool,
    server: &ServerPlan,
    room: &mut [u8],
) -> usize {
    let length = header_only(header, rcode, room);
    room[2] |= u8::from(truncated) << 1;
    let message = Message::parse(packet).ok();
    let Some(opt) = message.as_ref().and_then(Message::opt) else { return length };
    room[HEADER - 1] = 1;
    room[length..length + OPT_HEAD].copy_from_slice(&opt_head(rcode, opt.dnssec_ok(), server));
    length + OPT_HEAD
}

/// An OPT record without options.
#[inline(always)]
fn opt_head(rcode: Rcode, dnssec_ok: bool, server: &ServerPlan) -> [u8; OPT_HEAD] {
    let ([t0, t1], [p0, p1]) = (RrType::OPT.0.to_be_bytes(), server.udp_payload.to_be_bytes());
    let [f0, f1, f2, f3] = edns::ttl_field(rcode, 0, dnssec_ok).to_be_bytes();
    [0, t0, t1, p0, p1, f0, f1, f2, f3, 0, 0]
}

#[inline]
fn opt_octets(query: &Query<'_>, server: &ServerPlan) -> usize {
    match &query.edns {
        None => 0,
        Some(edns) if edns.wanted.is_empty() => OPT_HEAD,
        Some(edns) => OPT_HEAD + wanted_octets(edns.wanted, server),
    }
}

/// The octets of the options that the client asks for.
#[cold]
fn wanted_octets(wanted: Wanted, server: &ServerPlan) -> usize {
    let nsid = server.nsid.as_ref().filter(|_| wanted.contains(Wanted::NSID));
    let receipt = if wanted.contains(Wanted::RECEIPT) { OPTION_HEAD + RECEIPT_OCTETS } else { 0 };
    let expire = if wanted.contains(Wanted::EXPIRE) { OPTION_HEAD + EXPIRE_OCTETS } else { 0 };
    receipt + expire + nsid.map_or(0, |nsid| OPTION_HEAD + nsid.len())
}

#[inline(always)]
fn write_opt(
    response: &mut Response<'_, '_>,
    query: &Query<'_>,
    server: &ServerPlan,
    errors: &[(Ede, String)],
    receipt: &Option<u64>,
) {
    let head = opt_head(response.rcode, query.dnssec_ok(), server);
    let wanted = query.edns.map_or(Wanted::default(), |edns| edns.wanted);
    if !wanted.is_empty() || response.ede[0].is_some() || !errors.is_empty() {
        let nsid = server.nsid.as_deref().filter(|_| wanted.contains(Wanted::NSID));
        // The options of a later version may mean something else (RFC 6891 §6.1.3).
        let nsid = nsid.filter(|_| response.rcode != Rcode::BADVERS);
        return write_options(response, head, nsid, receipt, errors);
    }
    response.out.raw_array(Section::Additional, 1, head).expect("space for it was kept");
}

#[cold]
fn write_options(
    response: &mut Response<'_, '_>,
    head: [u8; OPT_HEAD],
    nsid: Option<&[u8]>,
    receipt: &Option<u64>,
    errors: &[(Ede, String)],
) {
    const WANTED: usize = 3 * OPTION_HEAD + MOST_NSID + RECEIPT_OCTETS + EXPIRE_OCTETS;
    let mut opt = [0u8; OPT_HEAD + WANTED + 2 * (OPTION_HEAD + 2 + MOST_TEXT)];
    opt[..OPT_HEAD].copy_from_slice(&head);
    let mut at = OPT_HEAD;
    if let Some(nsid) = nsid {
        at = option(&mut opt, at, OptionCode::NSID, &[nsid]);
    }
    if let Some(id) = *receipt {
        at = option(&mut opt, at, RECEIPT, &[&id.to_be_bytes()]);
    }
    if let Some(expire_s) = response.expire_s {
        at = option(&mut opt, at, OptionCode::EXPIRE, &[&expire_s.to_be_bytes()]);
    }
    at = extended_errors(&mut opt, at, response.out.left(), response.ede, errors);
    let length = (at - OPT_HEAD) as u16;
    opt[9..11].copy_from_slice(&length.to_be_bytes());
    response.out.raw(Section::Additional, 1, &opt[..at]).expect("space for it was kept, or checked");
}

/// Write at most two extended errors into the *left* octets of the message. Returns where they end.
fn extended_errors(
    opt: &mut [u8],
    mut at: usize,
    left: usize,
    own: [Option<Ede>; 2],
    errors: &[(Ede, String)],
) -> usize {
    let own = own.into_iter().flatten().map(|ede| (ede, ""));
    let errors = errors.iter().map(|(ede, text)| (*ede, text.as_str()));
    for (ede, text) in own.chain(errors).take(2) {
        let Some(room) = left.checked_sub(at + OPTION_HEAD + 2) else { break };
        let text = &text.as_bytes()[..text.floor_char_boundary(room.min(MOST_TEXT))];
        at = option(opt, at, OptionCode::EDE, &[&ede.0.to_be_bytes(), text]);
    }
    at
}

fn option(opt: &mut [u8], at: usize, code: OptionCode, data: &[&[u8]]) -> usize {
    opt[at..at + 2].copy_from_slice(&code.0.to_be_bytes());
    let mut end = at + OPTION_HEAD;
    for part in data {
        opt[end..end + part.len()].copy_from_slice(part);
        end += part.len();
    }
    let length = (end - at - OPTION_HEAD) as u16;
    opt[at + 2..at + 4].copy_from_slice(&length.to_be_bytes());
    end
}
