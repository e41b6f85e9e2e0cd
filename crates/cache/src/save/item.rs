//! What a saved cache holds: answers, delegations and denial records, each with its records as a message.
//!
//! ```text
//! kind 0 data, 1 no data, 2 no name: | rank | state | view 2 | server 1 + 0, 6 or 18 | age 4 | life 4 | error | message |
//! kind 3 delegation:                 | trust | above | age 4 | left 4 | message |
//! kind 4 denial record:              | view 2 | age 4 | left 4 | message |
//! ```
//!
//! Ages and times left are seconds. *error*: `| octets of the text 2 | code 2 | text |` of the extended error that says why an answer is
//! insecure; code and text are missing if the first two octets are 65,535. *above*: the labels of the zone that led to the delegation,
//! or 255 if none did.
//!
//! The question of the message is name and type of the answer (0: no type), zone and NS of the delegation, or zone and type of the denial
//! record. The answer section has the records with the TTLs that they were stored with. A delegation has its DS records, or the
//! evidence about them, in the authority section, and the addresses of its servers in the additional section.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use nw_wire::code::{Class, Ede, RrType};
use nw_wire::message::{Message, Section};
use nw_wire::name::{Name, NameRef};
use nw_wire::rrset::Rrset;

use crate::delegation::{Delegation, DelegationEvidence, DelegationSource, NameServer, Trust};
use crate::denials::{DenialKey, DenialRecord};
use crate::entry::Rank;
use crate::reader::State;
use crate::{Cache, Inspected, Kind, Micros};

const SECOND: Micros = 1_000_000;
/// The kinds of items that are no answers.
const DELEGATION: u8 = 3;
const DENIAL: u8 = 4;
/// In place of the labels of a zone.
const NOTHING_ABOVE: u8 = 255;
/// In place of the length of a text.
const NO_ERROR: u16 = u16::MAX;

/// Something that is saved.
pub(super) enum Item {
    /// An entry.
    Answer(Inspected),
    /// A delegation. Its own times and the delegation above are not those of the cache.
    Delegation {
        /// The delegation.
        cut: Delegation,
        /// The labels of the zone that led to it.
        above: Option<u8>,
        /// When it was learned and when it expires.
        span: Span,
    },
    /// A denial record of a zone, or its SOA.
    Denial {
        /// The view that it belongs to.
        view: u16,
        /// The zone.
        zone: Name,
        /// The record and its signatures.
        sets: Vec<Rrset>,
        /// When it was stored and when it expires.
        span: Span,
    },
}

/// The time between two moments in the past and in the future.
#[derive(Clone, Copy)]
pub(super) struct Span {
    age_s: u32,
    left_s: u32,
}

impl Span {
    fn of(stored: Micros, expires: Micros, now: Micros) -> Span {
        let seconds = |span: Micros| u32::try_from(span / SECOND).unwrap_or(u32::MAX);
        Span { age_s: seconds(now.saturating_sub(stored)), left_s: seconds(expires.saturating_sub(now)) }
    }

    /// The two moments `passed` seconds later, at `now`, at most `longest_s` apart. None: the second one is over, or the first one before
    /// all time.
    fn at(self, passed: u32, longest_s: u32, now: Micros) -> Option<(Micros, Micros)> {
        let age = Micros::from(self.age_s) + Micros::from(passed);
        let longest = u32::try_from(Micros::from(longest_s).saturating_sub(age)).unwrap_or(u32::MAX);
        let left = self.left_s.saturating_sub(passed).min(longest);
        if left == 0 {
            return None;
        }
        Some((now.checked_sub(age * SECOND)?, now + Micros::from(left) * SECOND))
    }

    fn push(self, chunk: &mut Vec<u8>) {
        chunk.extend_from_slice(&self.age_s.to_be_bytes());
        chunk.extend_from_slice(&self.left_s.to_be_bytes());
    }

    fn read(octets: &[u8]) -> Option<(Span, &[u8])> {
        let (age, rest) = octets.split_first_chunk()?;
        let (left, rest) = rest.split_first_chunk()?;
        Some((Span { age_s: u32::from_be_bytes(*age), left_s: u32::from_be_bytes(*left) }, rest))
    }
}

impl Item {
    /// The item of `cut`.
    pub(super) fn delegation(cut: &Delegation, now: Micros) -> Item {
        // A name has at most 127 labels.
        let above = cut.above.as_ref().map(|above| above.zone.as_ref().label_count() as u8);
        let span = Span::of(cut.stored, cut.expires, now);
        Item::Delegation { cut: Delegation { above: None, ..cut.clone() }, above, span }
    }

    /// The item of `record`.
    pub(super) fn denial(view: u16, zone: Name, record: &DenialRecord, now: Micros) -> Item {
        let span = Span::of(record.stored, record.expires, now);
        Item::Denial { view, zone, sets: record.sets.clone(), span }
    }

    /// Append the item to `chunk`.
    pub(super) fn push(&self, chunk: &mut Vec<u8>) {
        let start = chunk.len();
        chunk.extend_from_slice(&[0; 4]);
        match self {
            Item::Answer(entry) => push_answer(chunk, entry),
            Item::Delegation { cut, above, span } => push_delegation(chunk, cut, *above, *span),
            Item::Denial { view, zone, sets, span } => {
                chunk.push(DENIAL);
                chunk.extend_from_slice(&view.to_be_bytes());
                span.push(chunk);
                let rtype = sets.first().map_or(RrType::SOA, |set| set.rtype);
                push_message(chunk, (zone.as_ref(), rtype), [sets, &[], &[]]);
            }
        }
        let length = (chunk.len() - start - 4) as u32;
        chunk[start..start + 4].copy_from_slice(&length.to_be_bytes());
    }

    /// Read what [`Item::push`] wrote after the length. None: it is something else.
    pub(super) fn read(octets: &[u8]) -> Option<Item> {
        let (&kind, rest) = octets.split_first()?;
        match kind {
            DELEGATION => read_delegation(rest),
            DENIAL => read_denial(rest),
            kind => {
                let kind = [Kind::Data, Kind::NoData, Kind::NxDomain].get(usize::from(kind)).copied()?;
                read_answer(kind, rest).map(Item::Answer)
            }
        }
    }

    /// Store the item in `cache`, `passed` seconds after it was saved. Returns whether it was of use, and new to the cache.
    pub(super) fn restore(self, cache: &Cache, passed: u32, now: Micros) -> bool {
        match self {
            Item::Answer(mut entry) => {
                entry.age_s = entry.age_s.saturating_add(passed);
                cache.restore(entry, now)
            }
            Item::Delegation { mut cut, above, span } => {
                let Some((stored, expires)) = span.at(passed, cache.longest_s(false), now) else {
                    return false;
                };
                (cut.stored, cut.expires) = (stored, expires);
                if let Some(labels) = above {
                    cut.above = cache.cut(cut.zone.as_ref().suffix(labels.into()), now);
                    // The name servers of the root are not saved, since they follow from a priming query.
                    if cut.above.is_none() && labels > 0 {
                        return false;
                    }
                }
                let is_new = cache.cut(cut.zone.as_ref(), now).is_none();
                if is_new {
                    cache.put_cut(Arc::new(cut), now);
                }
                is_new
            }
            Item::Denial { view, zone, sets, span } => {
                let times = span.at(passed, cache.longest_s(true), now);
                let (Some((stored, expires)), Some(key)) = (times, DenialKey::of(&sets)) else {
                    return false;
                };
                cache.restore_denial(view, zone.as_ref(), key, DenialRecord { sets, stored, expires }, now)
            }
        }
    }
}

fn push_answer(chunk: &mut Vec<u8>, entry: &Inspected) {
    let kind = match entry.kind {
        Kind::Data => 0,
        Kind::NoData => 1,
        _ => 2,
    };
    let state = match entry.validation {
        State::Secure => 2,
        State::Insecure => 1,
        _ => 0,
    };
    chunk.extend_from_slice(&[kind, u8::from(entry.rank == Rank::Authoritative), state]);
    chunk.extend_from_slice(&entry.view.to_be_bytes());
    match entry.server.map(|server| (server.ip(), server.port())) {
        None => chunk.push(0),
        Some((IpAddr::V4(ip), port)) => {
            chunk.push(4);
            chunk.extend_from_slice(&ip.octets());
            chunk.extend_from_slice(&port.to_be_bytes());
        }
        Some((IpAddr::V6(ip), port)) => {
            chunk.push(6);
            chunk.extend_from_slice(&ip.octets());
            chunk.extend_from_slice(&port.to_be_bytes());
        }
    }
    chunk.extend_from_slice(&entry.age_s.to_be_bytes());
    chunk.extend_from_slice(&entry.life_s.to_be_bytes());
    match &entry.explained {
        None => chunk.extend_from_slice(&NO_ERROR.to_be_bytes()),
        Some((ede, text)) => {
            // A cached text is short.
            chunk.extend_from_slice(&(text.len() as u16).to_be_bytes());
            chunk.extend_from_slice(&ede.0.to_be_bytes());
            chunk.extend_from_slice(text.as_bytes());
        }
    }
    let question = (entry.name.as_ref(), entry.rtype.unwrap_or(RrType(0)));
    push_message(chunk, question, [&entry.records, &[], &[]]);
}

fn read_answer(kind: Kind, octets: &[u8]) -> Option<Inspected> {
    let (&[rank, state, view_high, view_low, family], rest) = octets.split_first_chunk()?;
    let (server, rest) = match family {
        0 => (None, rest),
        4 => {
            let (&[a, b, c, d, high, low], rest) = rest.split_first_chunk()?;
            (Some(SocketAddr::from(([a, b, c, d], u16::from_be_bytes([high, low])))), rest)
        }
        6 => {
            let (ip, rest) = rest.split_first_chunk::<16>()?;
            let (port, rest) = rest.split_first_chunk::<2>()?;
            (Some(SocketAddr::from((*ip, u16::from_be_bytes(*port)))), rest)
        }
        _ => return None,
    };
    let (age, rest) = rest.split_first_chunk::<4>()?;
    let (life, rest) = rest.split_first_chunk::<4>()?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let (explained, message) = match u16::from_be_bytes(*length) {
        NO_ERROR => (None, rest),
        length => {
            let (code, rest) = rest.split_first_chunk::<2>()?;
            let (text, rest) = rest.split_at_checked(length.into())?;
            let text = str::from_utf8(text).ok()?.to_owned();
            (Some((Ede(u16::from_be_bytes(*code)), text)), rest)
        }
    };
    let message = Message::parse(message).ok()?;
    let question = message.question()?;
    Some(Inspected {
        name: question.name.to_name(),
        rtype: Some(question.rtype).filter(|rtype| rtype.0 != 0),
        kind,
        rank: if rank == 0 { Rank::NonAuthoritative } else { Rank::Authoritative },
        validation: [State::Indeterminate, State::Insecure, State::Secure]
            .get(usize::from(state))
            .copied()?,
        server,
        view: u16::from_be_bytes([view_high, view_low]),
        age_s: u32::from_be_bytes(*age),
        life_s: u32::from_be_bytes(*life),
        records: Rrset::of(&message, Section::Answer),
        explained,
    })
}

fn push_delegation(chunk: &mut Vec<u8>, cut: &Delegation, above: Option<u8>, span: Span) {
    let none = Vec::new();
    let (trust, evidence) = match &cut.trust {
        Trust::Unknown { evidence } => (0, [&evidence.ds[..], &evidence.denial].concat()),
        Trust::Insecure => (1, none),
        Trust::Secure { ds } => (2, vec![ds.clone()]),
    };
    chunk.extend_from_slice(&[DELEGATION, trust, above.unwrap_or(NOTHING_ABOVE)]);
    span.push(chunk);
    let mut names = Rrset::new(cut.zone.clone(), RrType::NS, Class::IN, 0);
    let mut addresses = Vec::new();
    for server in &cut.servers {
        names.rdatas.push(server.name.as_ref().wire());
        for address in &server.addresses {
            let (rtype, rdata) = match address {
                IpAddr::V4(ip) => (RrType::A, ip.octets().to_vec()),
                IpAddr::V6(ip) => (RrType::AAAA, ip.octets().to_vec()),
            };
            let mut set = Rrset::new(server.name.clone(), rtype, Class::IN, 0);
            set.rdatas.push(&rdata);
            addresses.push(set);
        }
    }
    push_message(chunk, (cut.zone.as_ref(), RrType::NS), [&[names], &evidence, &addresses]);
}

fn read_delegation(octets: &[u8]) -> Option<Item> {
    let (&[trust, above], rest) = octets.split_first_chunk()?;
    let (span, message) = Span::read(rest)?;
    let message = Message::parse(message).ok()?;
    let question = message.question()?;
    let zone = question.name.to_name();
    let [names, mut evidence, addresses] = sections(&message)?;
    let [names] = &names[..] else { return None };
    if (question.rtype, names.rtype) != (RrType::NS, RrType::NS) || names.owner != zone {
        return None;
    }
    let server = |rdata| Some(NameServer { name: Name::from_wire(rdata).ok()?, addresses: Vec::new() });
    let mut servers = names.rdatas.iter().map(server).collect::<Option<Vec<_>>>()?;
    for set in &addresses {
        let server = servers.iter_mut().find(|server| server.name == set.owner)?;
        for rdata in set.rdatas.iter() {
            server.addresses.push(match set.rtype {
                RrType::A => IpAddr::from(<[u8; 4]>::try_from(rdata).ok()?),
                RrType::AAAA => IpAddr::from(<[u8; 16]>::try_from(rdata).ok()?),
                _ => return None,
            });
        }
    }
    let trust = match trust {
        0 => {
            let denies = |set: &Rrset| matches!(set.rtype, RrType::NSEC | RrType::NSEC3);
            let denial = evidence.split_off(evidence.iter().position(denies).unwrap_or(evidence.len()));
            Trust::Unknown { evidence: DelegationEvidence { ds: evidence, denial } }
        }
        1 if evidence.is_empty() => Trust::Insecure,
        2 => {
            let ds = evidence.pop().filter(|ds| ds.rtype == RrType::DS && ds.owner == zone)?;
            evidence.is_empty().then_some(Trust::Secure { ds })?
        }
        _ => return None,
    };
    let above = Some(above).filter(|above| *above != NOTHING_ABOVE);
    if above.is_some_and(|labels| usize::from(labels) >= zone.as_ref().label_count()) {
        return None;
    }
    let source = DelegationSource::Ns;
    let cut = Delegation { zone, servers, source, trust, stored: 0, expires: 0, above: None };
    Some(Item::Delegation { cut, above, span })
}

fn read_denial(octets: &[u8]) -> Option<Item> {
    let (view, rest) = octets.split_first_chunk()?;
    let (span, message) = Span::read(rest)?;
    let message = Message::parse(message).ok()?;
    let question = message.question()?;
    let zone = question.name.as_ref();
    let [sets, authority, additional] = sections(&message)?;
    let (first, signatures) = sets.split_first()?;
    let owner = first.owner.as_ref();
    let in_place = match first.rtype {
        RrType::SOA => owner == zone,
        RrType::NSEC => owner.is_at_or_below(zone),
        RrType::NSEC3 => owner.parent() == Some(zone),
        _ => false,
    };
    let signed = signatures.iter().all(|set| set.rtype == RrType::RRSIG && set.owner == first.owner);
    let sound = in_place && signed && question.rtype == first.rtype && DenialKey::of(&sets).is_some();
    (sound && authority.is_empty() && additional.is_empty()).then(|| Item::Denial {
        view: u16::from_be_bytes(*view),
        zone: zone.to_name(),
        sets,
        span,
    })
}

/// The RRsets of the sections, if all are of class IN.
fn sections(message: &Message<'_>) -> Option<[Vec<Rrset>; 3]> {
    let all = [Section::Answer, Section::Authority, Section::Additional];
    let sets = all.map(|section| Rrset::of(message, section));
    sets.iter().flatten().all(|set| set.class == Class::IN).then_some(sets)
}

/// Append a message with this question and these sections.
fn push_message(chunk: &mut Vec<u8>, (name, rtype): (NameRef<'_>, RrType), sections: [&[Rrset]; 3]) {
    // Header: QR, one question, the records (RFC 1035 §4.1.1).
    chunk.extend_from_slice(&[0, 0, 0x80, 0, 0, 1]);
    for sets in sections {
        let records: usize = sets.iter().map(|set| set.rdatas.len()).sum();
        chunk.extend_from_slice(&(records as u16).to_be_bytes());
    }
    chunk.extend_from_slice(name.wire());
    chunk.extend_from_slice(&rtype.0.to_be_bytes());
    chunk.extend_from_slice(&Class::IN.0.to_be_bytes());
    for set in sections.into_iter().flatten() {
        for rdata in set.rdatas.iter() {
            chunk.extend_from_slice(set.owner.as_ref().wire());
            chunk.extend_from_slice(&set.rtype.0.to_be_bytes());
            chunk.extend_from_slice(&set.class.0.to_be_bytes());
            chunk.extend_from_slice(&set.ttl.to_be_bytes());
            // An RdataSet stores lengths in 16 bits as well.
            chunk.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
            chunk.extend_from_slice(rdata);
        }
    }
}
