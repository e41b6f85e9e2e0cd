//! QUERY: answers from a zone, the cache or the resolver.
//!
//! | query | response |
//! |---|---|
//! | EDNS version above 0 | BADVERS with the server's version (RFC 6891 §6.1.3) |
//! | AXFR, IXFR | see `transfer.rs` |
//! | MAILA, MAILB, TKEY and other meta types | NOTIMP |
//! | type OPT, TSIG or 0 | FORMERR: never a question |
//! | type NXNAME | FORMERR with EDE 30 (RFC 9824 §3.4) |
//! | anything else | see `route.rs` |

use nw_wire::{Ede, Rcode, RrType};

use crate::context::Context;
use crate::query::Query;
use crate::response::Response;
use crate::verdict::Verdict;
use crate::{admit, route, transfer};

/// Answer a query.
#[inline]
pub(crate) fn answer(context: &Context<'_>, response: &mut Response<'_, '_>) -> Verdict {
    match question_type(context, response) {
        Verdict::Continue => {}
        verdict => return verdict,
    }
    let mut source = route::choose(context, response);
    loop {
        match admit::source(context, &source) {
            Verdict::Continue => {}
            verdict => return verdict,
        }
        match route::answer(context, &source, response) {
            // An overlay does not contain the name.
            Verdict::Continue => source = route::beyond(context, &source, response),
            verdict => return verdict,
        }
    }
}

/// Answers a client with a later EDNS version with this server's version, in an OPT record without options.
#[inline]
pub(crate) fn edns_version(context: &Context<'_>, response: &mut Response<'_, '_>) -> Verdict {
    match context.query.edns {
        Some(edns) if edns.version > 0 => {
            response.rcode = Rcode::BADVERS;
            response.ra = context.snapshot().recurses_for(context.client_ip());
            Verdict::Answer
        }
        _ => Verdict::Continue,
    }
}

/// Answer types that cannot be looked up, by their registry range (RFC 6895 §3.1): 128 to 255 are not data types.
#[inline]
fn question_type(context: &Context<'_>, response: &mut Response<'_, '_>) -> Verdict {
    match context.query.qtype.0 {
        1..=40 | 42..=127 | 255.. => Verdict::Continue,
        128 => refuse(context.query, Rcode::FORMERR, Ede::INVALID_QUERY_TYPE),
        0 | 41 => refuse(context.query, Rcode::FORMERR, Ede::NOT_SUPPORTED),
        _ if matches!(context.query.qtype, RrType::AXFR | RrType::IXFR) => {
            transfer::answer(context, response)
        }
        _ if context.query.qtype == RrType::TSIG => refuse(context.query, Rcode::FORMERR, Ede::NOT_SUPPORTED),
        _ => refuse(context.query, Rcode::NOTIMP, Ede::NOT_SUPPORTED),
    }
}

#[cold]
fn refuse(query: &Query<'_>, rcode: Rcode, ede: Ede) -> Verdict {
    let text = match rcode {
        Rcode::FORMERR => format!("no query can be for type {}", query.qtype),
        _ => format!("this server does not answer queries for type {}", query.qtype),
    };
    Verdict::refuse(rcode, ede, text)
}
