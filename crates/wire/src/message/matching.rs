//! Whether a packet is the reply to a query (RFC 5452 §9.1).

use std::fmt;

use super::skip_name;
use crate::code::Rcode;
use crate::header::{HEADER, Header};

/// Return whether `reply` may be the reply to `query`: QR is set, and id, opcode and question are the same. A
/// receiver drops every other packet and continues to wait (RFC 5452 §9.1).
///
/// Names are compared without regard to case (RFC 4343 §3), because some servers and forwarders change it. A caller
/// that randomizes case in order to detect forgeries uses [`same_case`] in addition. An error reply may lack the
/// question, because a server that cannot parse a query cannot repeat its question. Such a reply must not have answer
/// or authority records.
pub fn replies_to(query: &[u8], reply: &[u8]) -> bool {
    mismatch(query, reply).is_none()
}

/// The reason why a packet is not the reply to a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mismatch {
    /// The packet is shorter than a header.
    NoHeader,
    /// QR is clear.
    NotAReply,
    /// The ids differ.
    Id,
    /// The opcodes differ.
    Opcode,
    /// The questions differ, or the packet has more than one.
    Question,
    /// The packet has no question and is not a plain error.
    NoQuestion,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mismatch::NoHeader => "shorter than a header (12 octets)",
            Mismatch::NotAReply => "a query, not a reply (QR is clear)",
            Mismatch::Id => "the id is not that of the query",
            Mismatch::Opcode => "the opcode is not that of the query",
            Mismatch::Question => "the question is not that of the query",
            Mismatch::NoQuestion => "the reply has no question and is not a plain error",
        })
    }
}

/// Return why `reply` is not the reply to `query`, or None if it may be; see [`replies_to`].
pub fn mismatch(query: &[u8], reply: &[u8]) -> Option<Mismatch> {
    let (Some(asked), Some(got)) = (Header::read(query), Header::read(reply)) else {
        return Some(Mismatch::NoHeader);
    };
    if !got.flags.qr() {
        return Some(Mismatch::NotAReply);
    }
    if got.id != asked.id {
        return Some(Mismatch::Id);
    }
    if got.flags.opcode() != asked.flags.opcode() {
        return Some(Mismatch::Opcode);
    }
    if got.counts[0] == 0 {
        let errors = [Rcode::FORMERR, Rcode::SERVFAIL, Rcode::NOTIMP, Rcode::REFUSED];
        let error = errors.iter().any(|error| error.0 == got.flags.rcode().0);
        let plain = error && got.counts[1] == 0 && got.counts[2] == 0;
        return if plain { None } else { Some(Mismatch::NoQuestion) };
    }
    same_question(query, reply).is_none_or(|same| !same).then_some(Mismatch::Question)
}

/// Return whether the questions of `query` and `reply` are equal, or None unless both messages have exactly one
/// question.
fn same_question(query: &[u8], reply: &[u8]) -> Option<bool> {
    if [query, reply].iter().any(|bytes| Header::read(bytes).is_none_or(|header| header.counts[0] != 1)) {
        return None;
    }
    let end = skip_name(query, HEADER).ok()?;
    let (asked, got) = (query.get(HEADER..end + 4)?, reply.get(HEADER..end + 4)?);
    let name = end - HEADER;
    // Length octets are never ASCII letters, so that whole names can be compared like text.
    Some(asked[..name].eq_ignore_ascii_case(&got[..name]) && asked[name..] == got[name..])
}

/// Return whether `reply` repeats the question of `query` in the same case, or has no question. The caller has
/// checked the packets with [`replies_to`].
pub fn same_case(query: &[u8], reply: &[u8]) -> bool {
    if Header::read(reply).is_none_or(|header| header.counts[0] == 0) {
        return true;
    }
    let Ok(end) = skip_name(query, HEADER) else { return false };
    query.get(HEADER..end) == reply.get(HEADER..end)
}
