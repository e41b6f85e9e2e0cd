//! The answer to a question, by the algorithm of RFC 1034 §4.3.2 and its later extensions.
//!
//! ```text
//! walk down from the apex ─► Cut      referral: NS, DS or proof of none, glue                RFC 1034 §4.2.1, 9471
//!                         ─► Dname    DNAME, synthesised CNAME, start again at its target    RFC 6672 §3
//!                         ─► Exact    RRset | CNAME, start again at its target | no data     RFC 2308 §2
//!                         ─► Missing  wildcard as above | name error                         RFC 4592 §3.3.1
//! ```
//!
//! Sections are written in the order in which their records are found. Records were rendered when the zone was built;
//! an answer only copies them. It neither allocates nor locks.
//!
//! A chain of aliases ends after [`MOST_ALIASES`] links, at a name that is already in the chain (a loop), and when it
//! leaves the zone. The answer is then the chain so far, with NOERROR.
//!
//! *Limitations*: RFC 4592 §4.2 leaves NS at a wildcard undefined. Here it delegates only the wildcard name itself. A
//! name that matches the wildcard is answered as with any other wildcard: with the NS records if they are requested,
//! or else with no data. Proofs about such a name are not tested.

use nw_dnssec::Claim;
use nw_wire::hash;
use nw_wire::{Ede, Full, Name, NameBuf, NameRef, Rcode, RrType, Section, Writer};

use crate::delta::View;
use crate::denial::Proofs;
use crate::place::{NamePlace, Placed, put, put_beside, put_what_fits, put_with_owner};
use crate::store::{Entries, Entry, EntryKind, Node, NodeFlags, Zone};
use crate::suffix::LabelStarts;

#[cfg(test)]
pub(crate) mod model;
#[cfg(test)]
pub(crate) mod signed;
#[cfg(test)]
mod tests;

/// Maximum number of CNAME and DNAME links that are followed inside the zone. Stops chains of 10,000 links.
pub const MOST_ALIASES: usize = 20;

/// A question to one zone, whose apex is the question name or an ancestor of it.
#[derive(Debug, Clone, Copy)]
pub struct ZoneQuestion<'q> {
    /// The question name, which the writer already contains as its question.
    pub qname: NameRef<'q>,
    /// The question type.
    pub qtype: RrType,
    /// Whether the client wants signatures and proofs (RFC 4035 §3.1).
    pub dnssec_ok: bool,
    /// Whether the client's address may be forged, so that ANY gets one RRset (RFC 8482 §4.1).
    pub transport_udp: bool,
}

/// The result of a query to a zone. The caller sets the header from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// NOERROR, NXDOMAIN or YXDOMAIN.
    pub rcode: Rcode,
    /// Whether the answer is authoritative.
    pub aa: bool,
    /// Required data did not fit.
    pub truncated: bool,
    /// The kind of answer.
    pub kind: AnswerKind,
    /// The extended error with the cause (RFC 8914).
    pub ede: Option<Ede>,
}

/// The kinds of answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AnswerKind {
    /// The requested RRset, possibly after aliases.
    Answer,
    /// A delegation: ask the name servers in the authority section.
    Referral,
    /// The name exists, the type does not.
    NoData,
    /// The name does not exist.
    NxDomain,
    /// Aliases that lead out of the zone, or that do not end.
    Alias,
    /// A DNAME produced a name that is too long (RFC 6672 §2.2).
    TooLong,
}

impl Zone {
    /// Write the answer, authority and additional sections of the reply to `question`.
    ///
    /// `out` must already contain exactly this question, and `question.qname` must be in the zone. The caller sets
    /// the header flags.
    pub fn answer(&self, question: &ZoneQuestion<'_>, out: &mut Writer<'_>) -> Outcome {
        debug_assert!(question.qname.is_at_or_below(self.apex()));
        let (view, wire) = (self.view(), question.qname.wire());
        let found = view.walk_down(wire, &LabelStarts::of(wire));
        let dnssec_ok = question.dnssec_ok && self.is_signed();
        if !dnssec_ok && let Some(outcome) = direct(view, &found, wire, question.qtype, out) {
            return outcome;
        }
        let answering = Answering {
            view,
            qname: wire,
            qtype: question.qtype,
            dnssec_ok,
            transport_udp: question.transport_udp,
            out,
            aliases: 0,
            dnames: [0; MOST_ALIASES + 1],
            proofs: Proofs::default(),
            kind: AnswerKind::Answer,
            truncated: false,
        };
        answering.run(&found)
    }

    /// The wildcard that answers for `qname`, which is in the zone (RFC 1034 §4.3.3, RFC 4592 §3.3.1). None: the name
    /// exists, a delegation or a DNAME covers it, or there is no wildcard below its closest encloser.
    pub fn wildcard(&self, qname: NameRef<'_>) -> Option<Name> {
        let wire = qname.wire();
        match self.view().walk_down(wire, &LabelStarts::of(wire)) {
            Found::Missing(encloser, _) if encloser.flags().has(NodeFlags::WILDCARD_BELOW) => {
                named(encloser.wire()).with_label(b"*").map(|name| name.to_name())
            }
            _ => None,
        }
    }
}

/// The two most frequent answers, both without DNSSEC records: the requested RRset, and the denial of the name. None:
/// another answer applies, and nothing was written.
#[inline]
fn direct(
    view: View<'_>,
    found: &Found<'_>,
    wire: &[u8],
    qtype: RrType,
    out: &mut Writer<'_>,
) -> Option<Outcome> {
    let question = NamePlace::question(wire.len());
    let (kind, rcode, written) = match found {
        Found::Exact(node) => {
            let (set, mut behind) = node.find(qtype)?;
            let written = put(out, Section::Answer, &set, node.wire(), question).map(|placed| {
                behind.next_of(EntryKind::Signatures);
                if let Some(extra) = behind.next_of(EntryKind::Extra) {
                    put_what_fits(out, Section::Additional, &extra, &placed);
                }
            });
            (AnswerKind::Answer, Rcode::NOERROR, written)
        }
        Found::Missing(encloser, _) if !encloser.flags().has(NodeFlags::WILDCARD_BELOW) => {
            let written = denial(view, out, question).map(|_| ());
            (AnswerKind::NxDomain, Rcode::NXDOMAIN, written)
        }
        _ => return None,
    };
    Some(Outcome { rcode, aa: true, truncated: written.is_err(), kind, ede: None })
}

/// Write the SOA of a negative answer (RFC 2308 §3). Returns its position, and the entries after it.
#[inline]
fn denial<'z>(
    view: View<'z>,
    out: &mut Writer<'_>,
    question: NamePlace,
) -> Result<(Placed, Entries<'z>), Full> {
    let apex = view.apex_node();
    let mut entries = apex.entries();
    let soa = entries.find(|entry| entry.kind == EntryKind::Negative).expect("a zone has an SOA");
    let placed = put(out, Section::Authority, &soa, apex.wire(), question.suffix(apex.wire().len()))?;
    Ok((placed, entries))
}

/// The end of the walk from the apex.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Found<'z> {
    /// The name itself.
    Exact(Node<'z>),
    /// A delegation at the name or at an ancestor.
    Cut(Node<'z>),
    /// A DNAME at an ancestor.
    Dname(Node<'z>),
    /// The name does not exist. The closest encloser and its hash.
    Missing(Node<'z>, u64),
}

impl<'z> View<'z> {
    /// Walk down from the apex towards `wire`, which is in the zone.
    #[inline]
    pub(crate) fn walk_down(self, wire: &[u8], starts: &LabelStarts) -> Found<'z> {
        let labels = starts.count();
        let mut above = self.apex_node();
        let key = hash::key();
        let mut hash = key.start();
        for n in self.store.apex_labels + 1..=labels {
            if above.flags().has(NodeFlags::DNAME) {
                return Found::Dname(above);
            }
            let below = key.extend(hash, starts.label(wire, n));
            let node = self.probe(below, &wire[starts.suffix(n)..]);
            let Some(node) = node.filter(|node| !node.flags().has(NodeFlags::HASHED)) else {
                return Found::Missing(above, hash);
            };
            if node.flags().has(NodeFlags::CUT) {
                return Found::Cut(node);
            }
            (above, hash) = (node, below);
        }
        Found::Exact(above)
    }
}

struct Answering<'a, 'z, 'b> {
    view: View<'z>,
    qname: &'a [u8],
    qtype: RrType,
    dnssec_ok: bool,
    transport_udp: bool,
    out: &'a mut Writer<'b>,
    aliases: usize,
    /// Hashes of the owners of the DNAMEs in the answer.
    dnames: [u64; MOST_ALIASES + 1],
    /// The claims that the authority section must prove.
    proofs: Proofs,
    /// The kind of the answer. It is set before writing, so that it is known even if the answer does not fit.
    kind: AnswerKind,
    truncated: bool,
}

/// The next step after one name of the chain.
enum Next {
    Done,
    /// Start again at the name at this offset of the message.
    Alias(usize),
}

impl<'z> Answering<'_, 'z, '_> {
    #[inline(never)]
    fn run(mut self, found: &Found<'z>) -> Outcome {
        let question = NamePlace::question(self.qname.len());
        let written = match self.name(self.qname, found, Some(question), question) {
            Ok(Next::Alias(at)) => self.chain(at, question),
            Ok(Next::Done) => Ok(()),
            Err(Full) => Err(Full),
        };
        self.truncated |= written.is_err();
        self.outcome()
    }

    /// Follow the chain of aliases whose first link points to the name at `at`.
    fn chain(&mut self, mut at: usize, question: NamePlace) -> Result<(), Full> {
        // Hashes of the names that are already in the chain.
        let mut passed = [0u64; MOST_ALIASES];
        loop {
            let (name, place) = self.target(at);
            let name = name.as_ref();
            let hash = name.hash64();
            let looped = name == named(self.qname) || passed[..self.aliases].contains(&hash);
            if looped || self.aliases == MOST_ALIASES || !name.is_at_or_below(self.view.store.apex.as_ref()) {
                self.kind = AnswerKind::Alias;
                return self.prove();
            }
            passed[self.aliases] = hash;
            self.aliases += 1;
            let found = self.view.walk_down(name.wire(), &LabelStarts::of(name.wire()));
            match self.name(name.wire(), &found, place, question)? {
                Next::Done => return Ok(()),
                Next::Alias(next) => at = next,
            }
        }
    }

    /// Answer for one name of the chain. The name is at `place`, and the question at `question`.
    #[inline]
    fn name(
        &mut self,
        wire: &[u8],
        found: &Found<'z>,
        place: Option<NamePlace>,
        question: NamePlace,
    ) -> Result<Next, Full> {
        match *found {
            Found::Exact(node) => self.node(&node, wire, place, question),
            Found::Cut(node) => {
                if self.qtype == RrType::DS && node.wire().len() == wire.len() {
                    // The parent side of the cut holds DS (RFC 4035 §3.1.4.1).
                    return self.node(&node, wire, place, question);
                }
                self.referral(&node, place, question)?;
                Ok(Next::Done)
            }
            Found::Dname(node) => self.dname(&node, wire, place, question),
            Found::Missing(encloser, hash) => {
                if encloser.flags().has(NodeFlags::WILDCARD_BELOW)
                    && let Some(wildcard) = self.wildcard(&encloser, hash)
                {
                    return self.wildcard_node(&wildcard, &encloser, wire, place, question);
                }
                self.claim(|| Claim::NxDomain { qname: named(wire), encloser: encloser.owner() });
                self.negative(AnswerKind::NxDomain, question)
            }
        }
    }

    /// `*` directly below `encloser`.
    fn wildcard(&self, encloser: &Node<'z>, hash: u64) -> Option<Node<'z>> {
        let mut name = [0; 257];
        let above = encloser.wire();
        name[..2].copy_from_slice(b"\x01*");
        name[2..2 + above.len()].copy_from_slice(above);
        self.view.probe(hash::key().extend(hash, b"\x01*"), &name[..2 + above.len()])
    }

    /// Answer for an existing name: with its RRset, its alias, or no data.
    #[inline]
    fn node(
        &mut self,
        node: &Node<'z>,
        wire: &[u8],
        place: Option<NamePlace>,
        question: NamePlace,
    ) -> Result<Next, Full> {
        if let Some((set, behind)) = node.find(self.qtype) {
            return self.answer_with(node, set, behind, wire, place, question);
        }
        if let Some(next) = self.alias_or_some(node, wire, place, question)? {
            return Ok(next);
        }
        self.claim(|| Claim::NoData { qname: named(wire) });
        self.negative(AnswerKind::NoData, question)
    }

    /// The same for a name that matches a wildcard (RFC 4592 §3.3.1, RFC 4035 §3.1.3.3).
    fn wildcard_node(
        &mut self,
        node: &Node<'z>,
        encloser: &Node<'z>,
        wire: &[u8],
        place: Option<NamePlace>,
        question: NamePlace,
    ) -> Result<Next, Full> {
        // A wildcard is not a delegation (RFC 4592 §4.2), and not a DNAME for the names that match it (§4.4).
        let set = node.find(self.qtype);
        if set.is_some() || node.flags().has(NodeFlags::CNAME) || self.qtype == RrType::ANY {
            self.claim(|| Claim::WildcardAnswer { qname: named(wire), encloser: encloser.owner() });
        }
        if let Some((set, behind)) = set {
            return self.answer_with(node, set, behind, wire, place, question);
        }
        if let Some(next) = self.alias_or_some(node, wire, place, question)? {
            return Ok(next);
        }
        self.claim(|| Claim::WildcardNoData { qname: named(wire), encloser: encloser.owner() });
        self.negative(AnswerKind::NoData, question)
    }

    /// Write the requested RRset with its addresses.
    #[inline]
    fn answer_with(
        &mut self,
        node: &Node<'z>,
        set: Entry<'z>,
        behind: Entries<'z>,
        wire: &[u8],
        place: Option<NamePlace>,
        question: NamePlace,
    ) -> Result<Next, Full> {
        self.kind = AnswerKind::Answer;
        if self.qtype == RrType::DNAME && !self.is_new(named(wire)) {
            return self.prove().map(|()| Next::Done);
        }
        let (placed, behind) = self.set(node, &set, behind, wire, place, question)?;
        self.prove()?;
        self.additional(behind, &placed);
        Ok(Next::Done)
    }

    /// Answer for a name without the requested RRset: with its CNAME, or for ANY and RRSIG with some or all of its
    /// RRsets.
    fn alias_or_some(
        &mut self,
        node: &Node<'z>,
        wire: &[u8],
        place: Option<NamePlace>,
        question: NamePlace,
    ) -> Result<Option<Next>, Full> {
        if matches!(self.qtype, RrType::ANY | RrType::RRSIG) {
            self.kind = AnswerKind::Answer;
            let mut any = false;
            let mut entries = node.entries();
            while let Some(entry) = entries.next() {
                match entry.kind {
                    // An earlier alias of the chain may have added the DNAME (RFC 2181 §5.5).
                    EntryKind::Set
                        if self.qtype == RrType::ANY
                            && entry.rtype == RrType::DNAME
                            && !self.is_new(named(wire)) => {}
                    EntryKind::Signatures
                        if self.dnssec_ok
                            && self.qtype == RrType::RRSIG
                            && entry.rtype == RrType::DNAME
                            && self.has_dname(named(wire)) => {}
                    EntryKind::Set if self.qtype == RrType::ANY => {
                        self.set(node, &entry, entries, wire, place, question)?;
                    }
                    EntryKind::Signatures if self.qtype == RrType::RRSIG && !entry.negative => {
                        self.put(&entry, node, wire, place, question)?;
                    }
                    EntryKind::Orphans if self.qtype == RrType::RRSIG => {
                        self.put(&entry, node, wire, place, question)?;
                    }
                    _ => continue,
                }
                any = true;
                // The client's address may be forged, so the answer contains only one RRset (RFC 8482 §4.1).
                if self.transport_udp {
                    break;
                }
            }
            if any {
                self.prove()?;
                return Ok(Some(Next::Done));
            }
            return Ok(None);
        }
        if !node.flags().has(NodeFlags::CNAME) {
            return Ok(None);
        }
        let Some((alias, behind)) = node.find(RrType::CNAME) else { return Ok(None) };
        let (placed, _) = self.set(node, &alias, behind, wire, place, question)?;
        // The target follows the owner pointer and the fixed part of the record.
        Ok(Some(Next::Alias(placed.at + 12)))
    }

    /// The name written at `at`, which may end in a pointer, and the place of its octets. The place is None if they
    /// are in more than two pieces.
    fn target(&self, at: usize) -> (NameBuf, Option<NamePlace>) {
        let written = self.out.written();
        let mut name = [0u8; 255];
        let (mut len, mut from) = (0, at);
        // Literal octets, and the position of the rest if there is a pointer. The rest has no position once it is in
        // several pieces.
        let (mut literal, mut rest, mut pieces) = (0, 0, 1);
        loop {
            let length = written[from] as usize;
            if length >= 0xc0 {
                from = (length & 0x3f) << 8 | written[from + 1] as usize;
                pieces += 1;
                if pieces == 2 {
                    (literal, rest) = (len, from);
                }
                continue;
            }
            name[len..=len + length].copy_from_slice(&written[from..=from + length]);
            len += length + 1;
            from += length + 1;
            if length == 0 {
                break;
            }
        }
        let place = match pieces {
            _ if at + len > 0x3fff => None,
            1 => Some(NamePlace::whole(at, len)),
            2 => NamePlace::joined(at, literal, &NamePlace::whole(rest, len - literal), len),
            _ => None,
        };
        (named(&name[..len]).to_buf(), place)
    }

    /// Write the RRset in `entry` and its signatures into the answer section. Writes both or none.
    #[inline]
    fn set(
        &mut self,
        node: &Node<'z>,
        entry: &Entry<'z>,
        mut behind: Entries<'z>,
        wire: &[u8],
        place: Option<NamePlace>,
        question: NamePlace,
    ) -> Result<(Placed, Entries<'z>), Full> {
        let mark = self.out.mark();
        let placed = self.put(entry, node, wire, place, question)?;
        if let Some(signatures) = behind.next_of(EntryKind::Signatures)
            && self.dnssec_ok
            && let Err(Full) = put_beside(self.out, Section::Answer, &signatures, &placed)
        {
            self.out.rollback(mark);
            return Err(Full);
        }
        Ok((placed, behind))
    }

    #[inline]
    fn put(
        &mut self,
        entry: &Entry<'z>,
        node: &Node<'z>,
        wire: &[u8],
        place: Option<NamePlace>,
        question: NamePlace,
    ) -> Result<Placed, Full> {
        match place {
            Some(place) => put(self.out, Section::Answer, entry, node.wire(), place),
            None => {
                let apex = question.suffix(self.view.store.apex.as_ref().wire().len());
                put_with_owner(self.out, Section::Answer, entry, node.wire().len(), wire, apex)
            }
        }
    }

    /// Write addresses for the names in the RRset at `placed`, as far as they fit.
    #[inline]
    fn additional(&mut self, mut behind: Entries<'z>, placed: &Placed) {
        if let Some(extra) = behind.next_of(EntryKind::Extra) {
            let all = put_what_fits(self.out, Section::Additional, &extra, placed);
            if all
                && self.dnssec_ok
                && let Some(signatures) = behind.next_of(EntryKind::ExtraSignatures)
            {
                put_what_fits(self.out, Section::Additional, &signatures, placed);
            }
        }
    }

    /// Write a delegation (RFC 1034 §4.2.1, RFC 4035 §3.1.4, RFC 9471).
    #[inline]
    fn referral(
        &mut self,
        node: &Node<'z>,
        place: Option<NamePlace>,
        question: NamePlace,
    ) -> Result<(), Full> {
        self.kind = AnswerKind::Referral;
        let (set, mut behind) = node.find(RrType::NS).expect("a cut has NS");
        let placed = match place {
            Some(place) => {
                put(self.out, Section::Authority, &set, node.wire(), place.suffix(node.wire().len()))?
            }
            None => {
                let apex = question.suffix(self.view.store.apex.as_ref().wire().len());
                put_with_owner(self.out, Section::Authority, &set, node.wire().len(), node.wire(), apex)?
            }
        };
        behind.next_of(EntryKind::Signatures);
        if self.dnssec_ok {
            if let Some((ds, mut behind)) = node.find(RrType::DS) {
                put_beside(self.out, Section::Authority, &ds, &placed)?;
                if let Some(signatures) = behind.next_of(EntryKind::Signatures) {
                    put_beside(self.out, Section::Authority, &signatures, &placed)?;
                }
            } else {
                self.claim(|| Claim::UnsignedDelegation { cut: node.owner() });
            }
        }
        self.prove()?;
        if let Some(glue) = behind.next_of(EntryKind::Glue) {
            self.truncated = !put_what_fits(self.out, Section::Additional, &glue, &placed);
        }
        if !self.truncated {
            self.additional(behind, &placed);
        }
        Ok(())
    }

    /// Answer with a DNAME at an ancestor: the record, the synthesised CNAME, and the next name (RFC 6672 §3.2).
    fn dname(
        &mut self,
        node: &Node<'z>,
        wire: &[u8],
        place: Option<NamePlace>,
        question: NamePlace,
    ) -> Result<Next, Full> {
        let (set, mut behind) = node.find(RrType::DNAME).expect("the flags say that there is a DNAME");
        let owner_len = node.wire().len();
        self.kind = AnswerKind::Answer;
        let mark = self.out.mark();
        if self.is_new(node.owner()) {
            let placed = match place {
                Some(place) => put(self.out, Section::Answer, &set, node.wire(), place.suffix(owner_len))?,
                None => {
                    let apex = question.suffix(self.view.store.apex.as_ref().wire().len());
                    put_with_owner(self.out, Section::Answer, &set, owner_len, node.wire(), apex)?
                }
            };
            if self.dnssec_ok
                && let Some(signatures) = behind.next_of(EntryKind::Signatures)
                && let Err(Full) = put_beside(self.out, Section::Answer, &signatures, &placed)
            {
                self.out.rollback(mark);
                return Err(Full);
            }
        }
        // DNAME rdata is never compressed (RFC 6672 §2.5), so the body contains the whole target.
        let target = NameRef::read(&set.records[12..]).expect("a DNAME holds a name").0;
        let name = named(wire);
        let Some(Ok(alias)) = name.with_suffix(node.owner(), target) else {
            self.kind = AnswerKind::TooLong;
            self.prove()?;
            return Ok(Next::Done);
        };
        // The owner of the CNAME is a pointer to the name, or is written in full.
        let mut record = [0u8; 255 + 10 + 255];
        let head = match place {
            Some(place) => {
                record[..2].copy_from_slice(&(0xc000 | place.at(0) as u16).to_be_bytes());
                2
            }
            None => {
                record[..wire.len()].copy_from_slice(wire);
                wire.len()
            }
        };
        let rdata = alias.as_ref().wire();
        record[head..head + 2].copy_from_slice(&RrType::CNAME.0.to_be_bytes());
        record[head + 2..head + 4].copy_from_slice(&self.view.store.class.0.to_be_bytes());
        record[head + 4..head + 8].copy_from_slice(&set.ttl().to_be_bytes());
        record[head + 8..head + 10].copy_from_slice(&(rdata.len() as u16).to_be_bytes());
        record[head + 10..head + 10 + rdata.len()].copy_from_slice(rdata);
        let at = match self.out.raw(Section::Answer, 1, &record[..head + 10 + rdata.len()]) {
            Ok(at) => at + head + 10,
            Err(Full) => {
                self.out.rollback(mark);
                return Err(Full);
            }
        };
        if self.qtype == RrType::CNAME {
            self.prove()?;
            return Ok(Next::Done);
        }
        Ok(Next::Alias(at))
    }

    /// Whether the DNAME at `owner` is in the answer.
    fn has_dname(&self, owner: NameRef<'_>) -> bool {
        let hash = owner.hash64();
        self.dnames.iter().take_while(|&&known| known != 0).any(|&known| known == hash)
    }

    /// Whether the DNAME at `owner` is not in the answer yet. Marks it as present. A chain can pass it many times.
    fn is_new(&mut self, owner: NameRef<'_>) -> bool {
        let hash = owner.hash64();
        let known = self.has_dname(owner);
        if let Some(free) = self.dnames.iter_mut().find(|known| **known == 0).filter(|_| !known) {
            *free = hash;
        }
        !known
    }

    /// Write the SOA of a negative answer (RFC 2308 §3) and the proofs.
    #[inline]
    fn negative(&mut self, kind: AnswerKind, question: NamePlace) -> Result<Next, Full> {
        self.kind = kind;
        let (placed, mut entries) = denial(self.view, self.out, question)?;
        if self.dnssec_ok {
            if let Some(signatures) = entries.next_of(EntryKind::Signatures) {
                put_beside(self.out, Section::Authority, &signatures, &placed)?;
            }
            self.prove()?;
        }
        Ok(Next::Done)
    }

    /// Add the proof of a claim to the answer if the query has DO set.
    #[inline]
    fn claim<'n>(&mut self, claim: impl FnOnce() -> Claim<'n>) {
        if self.dnssec_ok {
            self.proofs.add(self.view, claim());
        }
    }

    /// Write the requested proofs.
    #[inline]
    fn prove(&mut self) -> Result<(), Full> {
        if self.proofs.is_empty() {
            return Ok(());
        }
        self.proofs.write(self.view, self.qname, self.out)
    }

    fn outcome(&self) -> Outcome {
        let rcode = match self.kind {
            AnswerKind::NxDomain => Rcode::NXDOMAIN,
            AnswerKind::TooLong => Rcode::YXDOMAIN,
            _ => Rcode::NOERROR,
        };
        let aa = self.kind != AnswerKind::Referral || self.aliases > 0;
        Outcome { rcode, aa, truncated: self.truncated, kind: self.kind, ede: None }
    }
}

/// The name with the octets `wire`.
fn named(wire: &[u8]) -> NameRef<'_> {
    NameRef::from_wire(wire).expect("the question and the links of a chain are names")
}
