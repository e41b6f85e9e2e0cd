//! What kinds of question there are, and what those get that are not answered.
//!
//! | question | reply |
//! |---|---|
//! | opcode QUERY | `pipeline.rs` |
//! | any other opcode | NOTIMP (RFC 1035 §4.1.1) |
//! | EDNS version above 0 | BADVERS with our version (RFC 6891 §6.1.3) |
//! | signed with TSIG | NOTAUTH with an unsigned TSIG that says BADKEY: there are no keys (RFC 8945 §5.2.1) |
//! | AXFR, IXFR, MAILA, MAILB, TKEY and other meta types | NOTIMP |
//! | type OPT, TSIG or 0 | FORMERR: never a question |
//! | type NXNAME | FORMERR with EDE 30 (RFC 9824 §3.4) |

use nw_wire::tsig::Tsig;
use nw_wire::{Class, Ede, Message, Opcode, Rcode, RrType};

use crate::draft::Draft;
use crate::query::Query;
use crate::verdict::Verdict;

/// The rcode for an *opcode* that has no file here.
pub(crate) fn unknown(_opcode: Opcode) -> Rcode {
    Rcode::NOTIMP
}

/// A client that speaks a later version of EDNS is told ours, in an OPT without anything else.
#[inline]
pub(crate) fn edns_version(query: &Query<'_>, draft: &mut Draft<'_, '_>) -> Verdict {
    match query.edns {
        Some(edns) if edns.version > 0 => {
            draft.rcode = Rcode::BADVERS;
            Verdict::Answer
        }
        _ => Verdict::Continue,
    }
}

/// A signed question needs a key, and there is none.
#[inline]
pub(crate) fn tsig(query: &Query<'_>, draft: &mut Draft<'_, '_>) -> Verdict {
    if query.signed { bad_key(query, draft) } else { Verdict::Continue }
}

#[cold]
fn bad_key(query: &Query<'_>, draft: &mut Draft<'_, '_>) -> Verdict {
    draft.refuse(Rcode::NOTAUTH, Ede::PROHIBITED);
    draft.tsig = unknown_key(query.packet);
    let octets = draft.tsig.as_ref().map_or(0, Vec::len);
    // A question, an OPT and a TSIG of the longest names do not always fit: then without the TSIG.
    if draft.out.reserve(octets).is_err() {
        draft.tsig = None;
    }
    Verdict::Answer
}

/// The TSIG record of the reply: the client's key, algorithm and time, no MAC, BADKEY (RFC 8945 §5.3.2).
fn unknown_key(packet: &[u8]) -> Option<Vec<u8>> {
    let message = Message::parse(packet).ok()?;
    let record = message.tsig()?;
    let mut rdata = Vec::new();
    record.rdata(&mut rdata);
    let asked = Tsig::parse(&rdata).ok()?;
    let mut reply = Vec::new();
    Tsig { mac: &[], error: Rcode::BADKEY, other: &[], ..asked }.push(&mut reply);
    let mut out = record.owner().as_ref().wire().to_vec();
    out.extend_from_slice(&RrType::TSIG.0.to_be_bytes());
    out.extend_from_slice(&Class::ANY.0.to_be_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&u16::try_from(reply.len()).ok()?.to_be_bytes());
    out.extend_from_slice(&reply);
    Some(out)
}

/// Types that cannot be looked up, by their range in the registry (RFC 6895 §3.1): 128 to 255 are no data.
#[inline]
pub(crate) fn question_type(query: &Query<'_>) -> Verdict {
    match query.qtype.0 {
        1..=40 | 42..=127 | 255.. => Verdict::Continue,
        128 => Verdict::Refuse(Rcode::FORMERR, Ede::INVALID_QUERY_TYPE),
        0 | 41 => Verdict::Refuse(Rcode::FORMERR, Ede::NOT_SUPPORTED),
        _ if query.qtype == RrType::TSIG => Verdict::Refuse(Rcode::FORMERR, Ede::NOT_SUPPORTED),
        _ => Verdict::Refuse(Rcode::NOTIMP, Ede::NOT_SUPPORTED),
    }
}
