//! The response under construction: the message so far, and the contents of its header.

use nw_resolve::trace::Reason;
use nw_wire::{Ede, Flags, NameBuf, Rcode, RrType, Run, Section, Writer};

use crate::sections::Sections;
use crate::stats::{Counter, Stats};
use crate::telemetry::Source;
use crate::verdict::Causes;

/// A response under construction.
pub struct Response<'w, 'o> {
    /// The message, which contains the question from the start. Borrowed, because a writer is large and must not be
    /// moved.
    pub(crate) out: &'w mut Writer<'o>,
    /// The outcome, all twelve bits.
    pub rcode: Rcode,
    /// Authoritative answer.
    pub aa: bool,
    /// Recursion available, to this client.
    pub ra: bool,
    /// Authentic data (RFC 4035 §3.2.3).
    pub ad: bool,
    /// Required data did not fit.
    pub truncated: bool,
    /// Extended errors, the most specific first.
    pub ede: [Option<Ede>; 2],
    /// Extended errors with texts, which a stage added with [`Response::note`].
    pub(crate) notes: Option<Box<Causes>>,
    /// Octets reserved for the TSIG record, which comes last.
    pub(crate) tsig_octets: usize,
    /// In how many seconds the zone expires, for clients that ask (RFC 7314).
    pub(crate) expire_s: Option<u32>,
    /// The kind of response, for the statistics.
    pub(crate) kind: ResponseKind,
}

impl<'w, 'o> Response<'w, 'o> {
    /// An empty response.
    #[inline]
    pub(crate) fn new(out: &'w mut Writer<'o>) -> Response<'w, 'o> {
        Response {
            out,
            rcode: Rcode::NOERROR,
            aa: false,
            ra: false,
            ad: false,
            truncated: false,
            ede: [None; 2],
            notes: None,
            tsig_octets: 0,
            expire_s: None,
            kind: ResponseKind::Error,
        }
    }

    /// The RRsets written so far, as a copy. None: the written octets are not a message.
    pub fn sections(&self) -> Option<Sections> {
        Sections::of(self.out)
    }

    /// Replace everything after the question. Sets TC if required data does not fit. A signature that was written before
    /// is left out if its RRset is not the same any more. If answer or authority change, AD is cleared.
    pub fn replace(&mut self, sections: &Sections) {
        let before = self.sections().unwrap_or_default();
        self.out.clear();
        let written = match sections.without_stale_signatures(&before) {
            Some(sections) => sections.write(self.out),
            None => sections.write(self.out),
        };
        self.truncated |= written.is_err();
        self.ad &= sections.says_the_same_as(&before);
    }

    /// The RRset after *previous*, or the first one for None: adjacent records of one owner and type in one section.
    /// It is valid until the message changes.
    pub fn rrset_after(&self, previous: Option<&Run>) -> Option<Run> {
        self.out.run_after(previous)
    }

    /// The owner of *rrset*.
    pub fn owner(&self, rrset: &Run) -> NameBuf {
        self.out.run_owner(rrset)
    }

    /// The TTL of *rrset* in seconds, as sent to this client.
    pub fn ttl_s(&self, rrset: &Run) -> u32 {
        self.out.run_ttl(rrset)
    }

    /// The rdata of each record of *rrset* as stored in the message: names in it may be compressed.
    pub fn rdata(&self, rrset: &Run) -> impl Iterator<Item = &[u8]> {
        self.out.run_rdata(rrset)
    }

    /// Whether the response holds signatures of *rrset* (RFC 4034 §3.1.1).
    pub fn is_signed(&self, rrset: &Run) -> bool {
        let covers =
            |run: &Run| self.out.run_rdata(run).any(|rdata| rdata.starts_with(&rrset.rtype.0.to_be_bytes()));
        self.out.runs().any(|run| {
            run.rtype == RrType::RRSIG
                && run.section == rrset.section
                && covers(&run)
                && self.owner(&run).as_ref() == self.owner(rrset).as_ref()
        })
    }

    /// Rotate *rrset* so that it starts with the record *by* (modulo their number). Returns whether it does.
    pub fn rotate(&mut self, rrset: &Run, by: usize) -> bool {
        self.out.rotate(rrset, by)
    }

    /// Keep the records of *rrset* with the numbers *picks*, in that order. Returns false and changes nothing if a
    /// number repeats or does not exist, if *picks* is empty, if the message would grow, or if a subset would be sent
    /// with signatures, which do not cover a subset. A subset of an RRset is not authentic data: AD is cleared.
    pub fn pick(&mut self, rrset: &Run, picks: &[u16]) -> bool {
        let part = picks.len() < usize::from(rrset.count);
        if part && self.is_signed(rrset) || !self.out.pick(rrset, picks) {
            return false;
        }
        self.ad &= !part;
        true
    }

    /// Leave one RRset of an answer to ANY, with its signatures (RFC 8482 §4.1). AD stays: the RRset is as authentic as all were.
    #[cold]
    pub(crate) fn minimise_any(&mut self) {
        let Some(mut sections) = self.sections() else { return };
        let Some(first) = sections.answer.iter().find(|set| set.rtype != RrType::RRSIG) else { return };
        let (owner, rtype) = (first.owner.clone(), first.rtype);
        let covers = |rdata: &[u8]| rdata.starts_with(&rtype.0.to_be_bytes());
        for set in &mut sections.answer {
            if set.rtype == RrType::RRSIG {
                set.rdatas = set.rdatas.iter().filter(|rdata| covers(rdata)).collect();
            }
        }
        sections.answer.retain(|set| {
            set.owner == owner
                && matches!(set.rtype, other if other == rtype || other == RrType::RRSIG)
                && !set.rdatas.is_empty()
        });
        sections.additional.clear();
        let secure = self.ad;
        self.truncated = false;
        self.replace(&sections);
        self.ad = secure;
    }

    /// Cut the message to *limit* octets, between RRsets. Sets TC if required data is missing: all records except
    /// additional ones that are not the glue of a referral (RFC 2181 §9, RFC 9471).
    pub(crate) fn cut(&mut self, limit: usize) {
        let Some(cut) = self.out.shrink(limit) else { return };
        let glue = |response: &Self| {
            let mut referral = response.out.runs().filter(|run| run.section == Section::Authority);
            let cut_at = referral.find(|run| run.rtype == RrType::NS).map(|run| response.owner(&run));
            cut_at.is_some_and(|at| cut.owner.as_ref().is_at_or_below(at.as_ref()))
        };
        self.truncated |=
            cut.section != Section::Additional || self.kind == ResponseKind::Referral && glue(self);
        // A filter may have put the signatures before what is cut now.
        if let Some(sections) = self.sections().and_then(|sections| sections.without_lone_signatures()) {
            self.out.clear();
            self.truncated |= sections.write(self.out).is_err();
        }
    }

    /// Add an extended error with its text, which says what the server did and which setting asked for it.
    #[cold]
    pub fn note(&mut self, ede: Ede, text: String) {
        self.notes.get_or_insert_default().0.push((ede, text));
    }

    /// Add an extended error with its text, and keep the request in the flight recorder for this *reason*.
    #[cold]
    pub(crate) fn note_because(&mut self, ede: Ede, text: String, reason: Reason) {
        self.note(ede, text);
        self.notes.get_or_insert_default().1 = Some(reason);
    }

    /// Discard the written records and extended errors, and set *rcode*. [`Response::note`] says why.
    pub fn refuse(&mut self, rcode: Rcode) {
        self.out.clear();
        (self.rcode, self.aa, self.ad, self.truncated) = (rcode, false, false, false);
        self.ede = [None; 2];
        self.notes = None;
        self.kind = if rcode == Rcode::REFUSED { ResponseKind::Refused } else { ResponseKind::Error };
    }

    /// The header's second word for a response to a query with the flags *asked*: RD and CD are copied (RFC 1035 §4.1.1,
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

/// The kinds of response that are counted separately.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ResponseKind {
    Answer,
    Referral,
    NoData,
    NxDomain,
    Alias,
    Local,
    Cached,
    Resolved,
    Opcode,
    Transfer,
    Control,
    Policy,
    Refused,
    Error,
}

impl ResponseKind {
    /// The counter of this kind.
    #[inline]
    pub(crate) fn counter(self, stats: &Stats) -> &Counter {
        match self {
            ResponseKind::Answer => &stats.kind_answer,
            ResponseKind::Referral => &stats.kind_referral,
            ResponseKind::NoData => &stats.kind_nodata,
            ResponseKind::NxDomain => &stats.kind_nxdomain,
            ResponseKind::Alias => &stats.kind_alias,
            ResponseKind::Local => &stats.kind_local,
            ResponseKind::Cached => &stats.kind_cached,
            ResponseKind::Resolved => &stats.kind_resolved,
            ResponseKind::Opcode => &stats.kind_opcode,
            ResponseKind::Transfer => &stats.kind_transfer,
            ResponseKind::Control => &stats.kind_control,
            ResponseKind::Policy => &stats.kind_policy,
            ResponseKind::Refused => &stats.kind_refused,
            ResponseKind::Error => &stats.kind_error,
        }
    }

    /// The source of such a response, for telemetry.
    pub(crate) fn source(self) -> Source {
        match self {
            ResponseKind::Answer
            | ResponseKind::Referral
            | ResponseKind::NoData
            | ResponseKind::NxDomain
            | ResponseKind::Alias
            | ResponseKind::Transfer => Source::Zone,
            ResponseKind::Local => Source::Server,
            ResponseKind::Cached => Source::Cache,
            ResponseKind::Resolved => Source::Lookup,
            ResponseKind::Opcode => Source::Opcode,
            ResponseKind::Control => Source::Control,
            ResponseKind::Policy => Source::Policy,
            ResponseKind::Refused => Source::Refused,
            ResponseKind::Error => Source::Error,
        }
    }
}
