//! The reply while it is made: the message so far, and what its header will say.

use nw_wire::{Ede, Flags, Rcode, Writer};

use crate::stats::{Counter, Stats};

/// A reply under construction.
pub(crate) struct Draft<'w, 'o> {
    /// The message; holds the question from the start. Borrowed: a writer is large and must not be moved about.
    pub(crate) out: &'w mut Writer<'o>,
    /// The outcome, all twelve bits.
    pub(crate) rcode: Rcode,
    /// Authoritative answer.
    pub(crate) aa: bool,
    /// Recursion available, to this client.
    pub(crate) ra: bool,
    /// Authentic data (RFC 4035 §3.2.3).
    pub(crate) ad: bool,
    /// Something that the client needs did not fit.
    pub(crate) truncated: bool,
    /// Extended errors, the most telling first.
    pub(crate) ede: [Option<Ede>; 2],
    /// A whole TSIG record, which comes last.
    pub(crate) tsig: Option<Vec<u8>>,
    /// What kind of reply it is, for the statistics.
    pub(crate) kind: Kind,
}

impl<'w, 'o> Draft<'w, 'o> {
    /// An empty reply.
    #[inline]
    pub(crate) fn new(out: &'w mut Writer<'o>) -> Draft<'w, 'o> {
        Draft {
            out,
            rcode: Rcode::NOERROR,
            aa: false,
            ra: false,
            ad: false,
            truncated: false,
            ede: [None; 2],
            tsig: None,
            kind: Kind::Error,
        }
    }

    /// Forget what was written and say *rcode* and *ede* instead.
    pub(crate) fn refuse(&mut self, rcode: Rcode, ede: Ede) {
        self.out.clear();
        (self.rcode, self.aa, self.ad, self.truncated) = (rcode, false, false, false);
        self.ede = [Some(ede), None];
        self.kind = if rcode == Rcode::REFUSED { Kind::Refused } else { Kind::Error };
    }

    /// The header's second word for a reply to a question with the flags *asked*: RD and CD are copied (RFC 1035 §4.1.1,
    /// RFC 4035 §3.1.6).
    #[inline]
    pub(crate) fn flags(&self, asked: Flags) -> Flags {
        const COPIED: u16 = 0x0110;
        Flags(asked.0 & COPIED)
            .with_qr(true)
            .with_opcode(asked.opcode())
            .with_aa(self.aa)
            .with_tc(self.truncated)
            .with_ra(self.ra)
            .with_ad(self.ad)
            .with_rcode(self.rcode)
    }
}

/// The kinds of reply that are counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Answer,
    Referral,
    NoData,
    NxDomain,
    Alias,
    Local,
    Cached,
    Resolved,
    Refused,
    Error,
}

impl Kind {
    /// Where it is counted.
    #[inline]
    pub(crate) fn counter(self, stats: &Stats) -> &Counter {
        match self {
            Kind::Answer => &stats.kind_answer,
            Kind::Referral => &stats.kind_referral,
            Kind::NoData => &stats.kind_nodata,
            Kind::NxDomain => &stats.kind_nxdomain,
            Kind::Alias => &stats.kind_alias,
            Kind::Local => &stats.kind_local,
            Kind::Cached => &stats.kind_cached,
            Kind::Resolved => &stats.kind_resolved,
            Kind::Refused => &stats.kind_refused,
            Kind::Error => &stats.kind_error,
        }
    }
}
