//! The RRsets of a response, section by section, for stages that inspect or change an answer.
//!
//! Answers from zones and from the cache are copied, not parsed; only a stage that asks for sections pays for them.
//! The sections are a copy for this request: changes do not affect the zone or the cache.

use std::collections::BTreeSet;

use nw_wire::{Flags, Full, Header, Message, Name, NameRef, RdataSet, RrType, Rrset, Section, Writer};
use nw_zone::MOST_ALIASES;

/// The RRsets of a response, each section in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sections {
    /// The answer section.
    pub answer: Vec<Rrset>,
    /// The authority section.
    pub authority: Vec<Rrset>,
    /// The additional section, without OPT and TSIG.
    pub additional: Vec<Rrset>,
}

impl Sections {
    /// The records of *out* after its question. None: the content is not a message.
    pub(crate) fn of(out: &Writer<'_>) -> Option<Sections> {
        let mut bytes = out.written().to_vec();
        let header = Header { id: 0, flags: Flags::default(), counts: out.counts() }.to_wire();
        bytes[..header.len()].copy_from_slice(&header);
        Some(Sections::of_message(&Message::parse(&bytes).ok()?))
    }

    /// The RRsets of *message*. Records of one RRset that are not adjacent make several entries.
    pub fn of_message(message: &Message<'_>) -> Sections {
        Sections {
            answer: Rrset::of(message, Section::Answer),
            authority: Rrset::of(message, Section::Authority),
            additional: Rrset::of(message, Section::Additional),
        }
    }

    /// The target of the aliases that start at *qname*. None: they form a loop, or there are too many.
    pub(crate) fn target(&self, qname: NameRef<'_>) -> Option<Name> {
        let mut aliases = self.answer.iter().filter(|set| set.rtype == RrType::CNAME);
        if aliases.clone().count() > MOST_ALIASES {
            return None;
        }
        let Some(last) = aliases.clone().next_back() else { return Some(qname.to_name()) };
        let target = NameRef::from_wire(last.rdatas.first()?).ok()?.to_name();
        (!aliases.any(|set| set.owner == target)).then_some(target)
    }

    /// Append *found* to these sections.
    pub(crate) fn extend(&mut self, found: Sections) {
        self.answer.extend(found.answer);
        self.authority.extend(found.authority);
        self.additional = found.additional;
    }

    /// These sections without the signatures of *before* whose RRset has changed: a signature covers one whole RRset
    /// (RFC 4035 §5.3.2). None: there are no such signatures.
    pub(crate) fn without_stale_signatures(&self, before: &Sections) -> Option<Sections> {
        let is_stale = |section: &[Rrset], owner: &Name, rdata: &[u8]| {
            let covered = rdata.first_chunk().map_or(RrType(0), |octets| RrType(u16::from_be_bytes(*octets)));
            let mut signatures = before.all().filter(|set| is(set, owner, RrType::RRSIG));
            signatures.any(|set| set.rdatas.iter().any(|signature| signature == rdata))
                && records(before.all().filter(|set| is(set, owner, covered)))
                    != records(section.iter().filter(|set| is(set, owner, covered)))
        };
        let mut kept = self.clone();
        let mut changed = false;
        for (sets, section) in [
            (&mut kept.answer, &self.answer),
            (&mut kept.authority, &self.authority),
            (&mut kept.additional, &self.additional),
        ] {
            for set in sets.iter_mut().filter(|set| set.rtype == RrType::RRSIG) {
                let some = set.rdatas.iter().filter(|rdata| !is_stale(section, &set.owner, rdata));
                let some: RdataSet = some.collect();
                changed |= some != set.rdatas;
                set.rdatas = some;
            }
        }
        changed.then_some(kept)
    }

    /// These sections without signatures whose RRset is not in the same section (RFC 4035 §3.1.1). None: there are none.
    pub(crate) fn without_lone_signatures(&self) -> Option<Sections> {
        let mut kept = self.clone();
        let mut changed = false;
        for sets in [&mut kept.answer, &mut kept.authority, &mut kept.additional] {
            let data: BTreeSet<(Name, RrType)> =
                sets.iter().map(|set| (set.owner.clone(), set.rtype)).collect();
            for set in sets.iter_mut().filter(|set| set.rtype == RrType::RRSIG) {
                let covered = |rdata: &[u8]| {
                    let rtype =
                        rdata.first_chunk().map_or(RrType(0), |octets| RrType(u16::from_be_bytes(*octets)));
                    data.contains(&(set.owner.clone(), rtype))
                };
                let some: RdataSet = set.rdatas.iter().filter(|rdata| covered(rdata)).collect();
                changed |= some != set.rdatas;
                set.rdatas = some;
            }
            sets.retain(|set| !set.rdatas.is_empty());
        }
        changed.then_some(kept)
    }

    /// Whether answer and authority consist of the same records as those of *other*.
    pub(crate) fn says_the_same_as(&self, other: &Sections) -> bool {
        records(&self.answer) == records(&other.answer)
            && records(&self.authority) == records(&other.authority)
    }

    fn all(&self) -> impl Iterator<Item = &Rrset> {
        self.answer.iter().chain(&self.authority).chain(&self.additional)
    }

    /// Append these sections to *out*. Returns `Full` if required data did not fit.
    pub(crate) fn write(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        write(out, &self.answer, &self.authority, &self.additional)
    }
}

/// *first*, then the RRsets and signatures of *second* that it does not have. The lesser TTL applies (RFC 2181 §5.2).
pub(crate) fn merged(first: &[Rrset], second: &[Rrset]) -> Vec<Rrset> {
    let mut all = first.to_vec();
    for set in second {
        let (owner, rtype) = (&set.owner, set.rtype);
        if rtype == RrType::RRSIG {
            let known = |rdata: &[u8]| {
                let mut signatures = all.iter().filter(|one| is(one, owner, rtype));
                signatures.any(|one| one.rdatas.iter().any(|signature| signature == rdata))
            };
            let rdatas: RdataSet = set.rdatas.iter().filter(|rdata| !known(rdata)).collect();
            if !rdatas.is_empty() {
                all.push(Rrset { rdatas, ..set.clone() });
            }
        } else if let Some(one) = all.iter_mut().find(|one| is(one, owner, rtype)) {
            one.ttl = one.ttl.min(set.ttl);
        } else {
            all.push(set.clone());
        }
    }
    all
}

fn is(set: &Rrset, owner: &Name, rtype: RrType) -> bool {
    set.rtype == rtype && set.owner == *owner
}

/// The records of *sets*, without regard to their order and TTLs.
fn records<'s>(sets: impl IntoIterator<Item = &'s Rrset>) -> BTreeSet<(&'s Name, RrType, &'s [u8])> {
    let of_one = |set: &'s Rrset| set.rdatas.iter().map(|rdata| (&set.owner, set.rtype, rdata));
    sets.into_iter().flat_map(of_one).collect()
}

/// Write RRsets into their sections. Returns `Full` if required data did not fit.
pub(crate) fn write<'s>(
    out: &mut Writer<'_>,
    answer: impl IntoIterator<Item = &'s Rrset>,
    authority: impl IntoIterator<Item = &'s Rrset>,
    additional: impl IntoIterator<Item = &'s Rrset>,
) -> Result<(), Full> {
    for rrset in answer {
        out.rrset(Section::Answer, rrset)?;
    }
    for rrset in authority {
        out.rrset(Section::Authority, rrset)?;
    }
    for rrset in additional {
        if out.rrset(Section::Additional, rrset).is_err() {
            break;
        }
    }
    Ok(())
}
