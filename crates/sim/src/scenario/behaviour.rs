//! Hosts of a scenario: authoritative servers with zones, and rules for faulty behaviour.
//!
//! The hosts are pure: they receive a query and return what they send. The simulated network uses them, and so do the
//! sockets that serve other resolvers.

#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use nw_resolve::Transport;
use nw_serve::Snapshot;
use nw_serve::snapshot::DryRun;
use nw_wire::code::{Opcode, OptionCode, Rcode, RrType};
use nw_wire::header::{Flags, HEADER};
use nw_wire::message::Message;
use nw_wire::name::{Name, NameRef};
use nw_wire::rrset::Rrset;
use nw_zone::Zone;
use nw_zone::scan::{LoadOptions, Text, load};

use super::format::{CookieRule, Junk, Odd, Protocol, RuleTable};
use super::play::joined_errors;
use crate::entry::apply_reply_word;
use crate::exec::Micros;
use crate::net::{Acceptance, Arrival, Datagram, Host, Net};
use crate::packet::{Edns, Packet};
use crate::record::{DEFAULT_TTL, Record};
use crate::server::snapshot;

/// The address in false answers.
pub const POISON: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 66);

/// What a host sends in response to a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Emission {
    /// Send these octets from this address after this delay.
    Reply {
        /// The delay in microseconds.
        after: Micros,
        /// The source address.
        from: SocketAddr,
        /// The message.
        bytes: Vec<u8>,
    },
    /// React like a closed port.
    Refused,
    /// Close the stream.
    Closed,
}

/// A scripted host.
pub struct ScriptedHost {
    snapshot: RefCell<Snapshot>,
    /// The RRsets of its zones, with the apexes, for rules that quote them.
    sets: RefCell<Vec<(Name, Rrset)>>,
    rules: Vec<Rule>,
}

/// A parsed rule.
struct Rule {
    table: RuleTable,
    qname: Option<Name>,
    subdomain: Option<Name>,
    qtype: Option<RrType>,
    rcode: Rcode,
    flags: Flags,
    met: Cell<u32>,
}

/// Parse a zone of a scenario. The error has the line within the zone.
pub fn read_zone(apex: &str, text: &str) -> Result<Zone, String> {
    let origin: Name = apex.parse().map_err(|_| format!("zone {apex:?}: no domain name"))?;
    let options = LoadOptions { threads: 1, ..LoadOptions::default() };
    let mut source = Text::new(apex, text.as_bytes());
    load(&mut source, origin.as_ref(), &options).map_err(|errors| format!("zone {apex}: {errors}"))
}

fn name(text: &str) -> Result<Name, String> {
    text.parse().map_err(|_| format!("{text:?} is no domain name"))
}

impl Rule {
    fn new(table: &RuleTable) -> Result<Rule, String> {
        let mut head = Packet { flags: Flags::default().with_qr(true), ..Packet::default() };
        let default = vec!["AA".to_owned()];
        for word in table.flags.as_ref().unwrap_or(&default).iter().chain(&table.rcode) {
            if !apply_reply_word(word, &mut head) {
                return Err(format!("rule: {word:?} is no flag or rcode"));
            }
        }
        let rule = Rule {
            qname: table.qname.as_deref().map(name).transpose()?,
            subdomain: table.subdomain.as_deref().map(name).transpose()?,
            qtype: match &table.qtype {
                Some(word) => Some(word.parse().map_err(|_| format!("rule: {word:?} is no type"))?),
                None => None,
            },
            rcode: head.rcode,
            flags: head.flags,
            met: Cell::new(0),
            table: table.clone(),
        };
        Ok(rule)
    }

    fn fits(&self, query: &Packet, via: Transport) -> bool {
        let Some(question) = query.question.first() else { return false };
        let name = question.name.as_ref();
        let fits = self.qname.as_ref().is_none_or(|qname| qname.as_ref() == name)
            && self.subdomain.as_ref().is_none_or(|top| name.is_at_or_below(top.as_ref()))
            && self.qtype.is_none_or(|qtype| qtype == question.rtype)
            && self.table.via.is_none_or(|protocol| protocol.transport() == via)
            && self.table.edns.is_none_or(|edns| edns == query.edns.is_some())
            && self.table.cookie_sent.is_none_or(|sent| sent == cookie_of(query).is_some());
        if !fits {
            return false;
        }
        let met = self.met.get();
        self.met.set(met + 1);
        met >= self.table.skip && self.table.first.is_none_or(|first| met - self.table.skip < first)
    }

    fn is_written(&self) -> bool {
        let table = &self.table;
        table.answer.is_some()
            || table.authority.is_some()
            || table.additional.is_some()
            || table.rcode.is_some()
    }

    fn sections(&self, qname: NameRef<'_>, sets: &[(Name, Rrset)]) -> Result<[Vec<Record>; 3], String> {
        let met = self.met.get().saturating_sub(1).to_string();
        let read = |lines: &Option<Vec<String>>| -> Result<Vec<Record>, String> {
            let mut records = Vec::new();
            let lines = lines.iter().flatten().map(|line| repeated(line)).collect::<Result<Vec<_>, _>>()?;
            for line in lines.iter().flatten() {
                let line = line.replace("{qname}", &qname.to_string()).replace("{met}", &met);
                if let Some(words) = line.strip_prefix("signed ") {
                    records.extend(quoted(words, sets)?);
                } else {
                    let read = Record::parse(&line, NameRef::ROOT, DEFAULT_TTL);
                    records.push(read.map_err(|error| format!("{line:?}: {error}"))?);
                }
            }
            Ok(records)
        };
        Ok([read(&self.table.answer)?, read(&self.table.authority)?, read(&self.table.additional)?])
    }
}

/// The lines that `for N..M: LINE` stands for: one for each number, which replaces `{n}`. Another line stands for itself.
fn repeated(line: &str) -> Result<Vec<String>, String> {
    let Some(rest) = line.strip_prefix("for ") else { return Ok(vec![line.to_owned()]) };
    let range = rest.split_once(": ").and_then(|(range, line)| {
        let (from, to) = range.split_once("..")?;
        Some((from.parse::<u32>().ok()?, to.parse::<u32>().ok()?, line))
    });
    let (from, to, line) = range.ok_or_else(|| format!("{line:?}: expected `for N..M: LINE`"))?;
    Ok((from..=to).map(|number| line.replace("{n}", &number.to_string())).collect())
}

/// The records that `OWNER TYPE [in ZONE] [as NAME] [rrsig-ttl TTL]` stands for.
fn quoted(line: &str, sets: &[(Name, Rrset)]) -> Result<Vec<Record>, String> {
    let words: Vec<&str> = line.split(' ').collect();
    let after = |word: &str| words.iter().position(|it| *it == word).and_then(|at| words.get(at + 1));
    let [owner, rtype, ..] = words[..] else { return Err(format!("{line:?}: expected owner and type")) };
    let (owner, rtype) = (name(owner)?, rtype.parse::<RrType>().map_err(|_| format!("{line:?}: no type"))?);
    let zone = after("in").map(|word| name(word)).transpose()?;
    let renamed = after("as").map(|word| name(word)).transpose()?;
    let rrsig_ttl = after("rrsig-ttl").map(|word| word.parse().map_err(|_| format!("{line:?}: no TTL")));
    let rrsig_ttl: Option<u32> = rrsig_ttl.transpose()?;
    let fits = |apex: &Name, set: &Rrset| set.owner == owner && zone.as_ref().is_none_or(|zone| zone == apex);
    let mut records = Vec::new();
    for (_, set) in sets.iter().filter(|(apex, set)| fits(apex, set)) {
        records.extend(Record::of_rrset(set).filter(|record| match record.rtype {
            _ if record.rtype == rtype => true,
            RrType::RRSIG => record.rdata.starts_with(&rtype.0.to_be_bytes()),
            _ => false,
        }));
    }
    if records.is_empty() {
        return Err(format!("{line:?}: there is no such RRset"));
    }
    if let Some(ttl) = rrsig_ttl {
        let signatures = records.iter_mut().filter(|record| record.rtype == RrType::RRSIG);
        signatures.for_each(|record| record.ttl = ttl);
    }
    if let Some(renamed) = renamed {
        records.iter_mut().for_each(|record| record.owner = renamed.clone());
    }
    Ok(records)
}

/// The RRsets of *zones*, with the apexes.
fn sets(zones: &[Zone]) -> Vec<(Name, Rrset)> {
    zones.iter().flat_map(|zone| zone.rrsets().map(|set| (zone.apex().to_name(), set))).collect()
}

impl ScriptedHost {
    /// Create a host with these zones and rules. The error describes an invalid rule.
    pub fn new(zones: Vec<Zone>, rules: &[RuleTable]) -> Result<ScriptedHost, String> {
        let rules = rules.iter().map(Rule::new).collect::<Result<Vec<Rule>, String>>()?;
        let sets = sets(&zones);
        // All records are read once, so that errors are found before the scenario starts.
        rules.iter().try_for_each(|rule| rule.sections(NameRef::ROOT, &sets).map(drop))?;
        let snapshot = snapshot(zones, serde_json::Value::Null, |_| ()).map_err(joined_errors)?;
        Ok(ScriptedHost { snapshot: RefCell::new(snapshot), sets: RefCell::new(sets), rules })
    }

    /// Replace the zones of the same names.
    pub fn swap(&self, zones: Vec<Zone>) {
        let swapped = sets(&zones);
        self.sets.borrow_mut().retain(|(apex, _)| zones.iter().all(|zone| zone.apex() != apex.as_ref()));
        self.sets.borrow_mut().extend(swapped);
        let changes = zones.into_iter().map(|zone| (zone.apex().to_name(), Some(zone.into())));
        let snapshot = self.snapshot.borrow().changed(changes);
        self.snapshot.replace(snapshot);
    }

    /// Return whether its ports are closed, because its first rule refuses every query.
    pub fn is_closed(&self) -> bool {
        let always = |table: &RuleTable| {
            table.refuse
                && table.qname.is_none()
                && table.subdomain.is_none()
                && table.qtype.is_none()
                && table.via.is_none()
                && table.edns.is_none()
                && table.first.is_none()
                && table.skip == 0
        };
        self.rules.first().is_some_and(|rule| always(&rule.table))
    }

    /// Return the reaction to a connection.
    pub fn accepts(&self) -> Acceptance {
        let closed = |rule: &Rule| {
            let table = &rule.table;
            table.refuse
                && table.via == Some(Protocol::Tcp)
                && table.qname.is_none()
                && table.subdomain.is_none()
        };
        if self.is_closed() || self.rules.iter().any(closed) {
            Acceptance::Refused
        } else {
            Acceptance::Accepted
        }
    }

    /// Return what the host sends in response to a query.
    pub fn respond(&self, asked: &Datagram) -> Vec<Emission> {
        let parsed = Message::parse(&asked.bytes).ok().map(|message| Packet::of(&message));
        let Some(query) = parsed else { return self.truly(asked, 0) };
        let Some(rule) = self.rules.iter().find(|rule| rule.fits(&query, asked.via)) else {
            return self.truly(asked, 0);
        };
        let after = rule.table.delay_ms * 1000;
        let mut emissions: Vec<Emission> = Vec::new();
        for kind in &rule.table.junk {
            emissions.extend(junk(*kind, asked, &query, after));
        }
        let forged = (1..=rule.table.forged).map(|number| id(asked) ^ number);
        emissions.extend(forged.filter_map(|id| forgery(id, asked, &query, after)));
        if rule.table.refuse {
            emissions.push(Emission::Refused);
        } else if rule.table.close {
            emissions.push(Emission::Closed);
        } else if rule.table.truncate {
            let flags = rule.flags.with_tc(true);
            emissions.push(reply(asked, after, self.written(rule, &query, flags, false).to_wire(id(asked))));
        } else if rule.is_written() {
            let packet = self.written(rule, &query, rule.flags, true);
            let limit = match asked.via {
                Transport::Udp => query.edns.as_ref().map_or(512, |edns| usize::from(edns.payload)),
                Transport::Tcp => usize::from(u16::MAX),
            };
            emissions.push(reply(asked, after, packet.to_wire_within(id(asked), limit)));
        } else if !rule.table.drop {
            emissions.extend(self.truly(asked, after).into_iter().map(|emission| match emission {
                Emission::Reply { after, from, bytes } if rule.table.without_opt => {
                    Emission::Reply { after, from, bytes: without_opt(bytes) }
                }
                other => other,
            }));
        }
        if let Some(cookie) = rule.table.cookie {
            for emission in &mut emissions {
                if let Emission::Reply { bytes, .. } = emission {
                    with_cookie(cookie, &query, rule.met.get(), bytes);
                }
            }
        }
        for kind in &rule.table.odd {
            for emission in &mut emissions {
                if let Emission::Reply { bytes, .. } = emission {
                    make_odd(*kind, bytes);
                }
            }
        }
        if asked.via.is_stream() {
            for emission in &mut emissions {
                if let Emission::Reply { bytes, after, .. } = emission {
                    // Nothing can be read of a message before its last octet.
                    *after += rule.table.octet_ms * 1000 * (bytes.len() as u64 + 2);
                }
            }
        }
        emissions
    }

    /// Answer from the zones.
    fn truly(&self, asked: &Datagram, after: Micros) -> Vec<Emission> {
        match self.snapshot.borrow().answer(&asked.bytes, asked.from, asked.via) {
            DryRun::Reply(bytes) => vec![reply(asked, after, bytes)],
            DryRun::Silence | DryRun::Lookup(_) => Vec::new(),
        }
    }

    fn written(&self, rule: &Rule, query: &Packet, flags: Flags, with_sections: bool) -> Packet {
        let qname = query.question.first().map_or(NameRef::ROOT.to_buf(), |question| question.name);
        let sections = rule.sections(qname.as_ref(), &self.sets.borrow()).unwrap_or_default();
        let edns = if rule.table.without_opt { None } else { query.edns.as_ref().map(|_| Edns::default()) };
        Packet {
            flags: flags.with_rd(query.flags.rd()),
            rcode: rule.rcode,
            question: query.question.clone(),
            sections: if with_sections { sections } else { Default::default() },
            edns,
            raw: None,
        }
    }
}

fn id(asked: &Datagram) -> u16 {
    asked.bytes.first_chunk().map_or(0, |id| u16::from_be_bytes(*id))
}

fn reply(asked: &Datagram, after: Micros, bytes: Vec<u8>) -> Emission {
    Emission::Reply { after, from: asked.to, bytes }
}

fn without_opt(bytes: Vec<u8>) -> Vec<u8> {
    match Message::parse(&bytes) {
        Ok(message) => Packet { edns: None, ..Packet::of(&message) }.to_wire(message.id()),
        Err(_) => bytes,
    }
}

/// The cookie that `query` carries.
fn cookie_of(query: &Packet) -> Option<&[u8]> {
    let options = &query.edns.as_ref()?.options;
    let mut options = nw_wire::edns::Opt::from_record(0, 0, options).raw_options();
    options.find(|(code, _)| *code == OptionCode::COOKIE).map(|(_, data)| data)
}

/// Do with the cookie of `query` in the reply `bytes` what `rule` says. `met`: how many queries there were.
fn with_cookie(rule: CookieRule, query: &Packet, met: u32, bytes: &mut Vec<u8>) {
    let Ok(message) = Message::parse_reply(bytes) else { return };
    let (id, mut packet) = (message.id(), Packet::of(&message));
    let (Some(given), Some(edns)) = (cookie_of(query), packet.edns.as_mut()) else { return };
    let mut own = *b"a server cookie!";
    if rule == CookieRule::Change {
        own[0] = met as u8;
    }
    let mut cookie = [&given[..8], &own].concat();
    if rule == CookieRule::Wrong {
        cookie[0] ^= 1;
    }
    nw_wire::edns::push_option(&mut edns.options, OptionCode::COOKIE, &cookie);
    if rule == CookieRule::Change || rule == CookieRule::Require && given[8..] != own {
        packet.rcode = Rcode::BADCOOKIE;
        packet.sections = Default::default();
    }
    *bytes = packet.to_wire(id);
}

/// Add a fault to the reply in `bytes`.
fn make_odd(kind: Odd, bytes: &mut Vec<u8>) {
    let opt = |bytes: &mut Vec<u8>| {
        bytes.extend_from_slice(&[0, 0, 41, 2, 0, 0, 0, 0, 0, 0, 0]);
        let count = u16::from_be_bytes([bytes[10], bytes[11]]) + 1;
        bytes[10..HEADER].copy_from_slice(&count.to_be_bytes());
    };
    match kind {
        Odd::OtherCase => change_letters(bytes, |letter| letter ^ 0x20),
        Odd::LowerCase => change_letters(bytes, |letter| letter | 0x20),
        Odd::TrailingOctets => bytes.extend_from_slice(b"trailing"),
        Odd::SecondOpt => {
            if Message::parse_reply(bytes).is_ok_and(|message| message.opt().is_none()) {
                opt(bytes);
            }
            opt(bytes);
        }
        Odd::MalformedRecord => {
            let Ok(message) = Message::parse_reply(bytes) else { return };
            let (id, mut packet) = (message.id(), Packet::of(&message));
            let Some(question) = packet.question.first() else { return };
            packet.sections[0].push(Record {
                owner: question.name.to_name(),
                rtype: RrType::AAAA,
                class: question.class,
                ttl: DEFAULT_TTL,
                rdata: vec![1, 2, 3],
            });
            *bytes = packet.to_wire(id);
        }
        Odd::HeaderOnly => {
            bytes.truncate(HEADER);
            bytes[4..].fill(0);
        }
        Odd::HugeCounts => bytes[6..HEADER].fill(0xff),
        Odd::PointerLoop => {
            let here = u16::try_from(bytes.len()).unwrap_or(0) | 0xc000;
            let head = [&here.to_be_bytes()[..], &[0, 1, 0, 1, 0, 0, 1, 0, 0, 4, 192, 0, 2, 1]].concat();
            append(bytes, 6, 1, &head);
        }
        Odd::CompressionBomb => compression_bomb(bytes),
        Odd::ManyOptions => {
            let options = [0xfd, 0xe9, 0, 0].repeat(MANY_OPTIONS);
            let length = u16::try_from(options.len()).expect("48,000 octets");
            let head = [&[0, 0, 41, 2, 0, 0, 0, 0, 0][..], &length.to_be_bytes(), &options].concat();
            append(bytes, 10, 1, &head);
        }
    }
}

/// The number of options of [`Odd::ManyOptions`].
const MANY_OPTIONS: usize = 12_000;
/// The number of records of [`Odd::CompressionBomb`].
const BOMB_RECORDS: u16 = 4000;

/// Append *records* to a message without OPT record, and count *number* of them in the field at *count*.
fn append(bytes: &mut Vec<u8>, count: usize, number: u16, records: &[u8]) {
    bytes.extend_from_slice(records);
    let total = u16::from_be_bytes([bytes[count], bytes[count + 1]]).wrapping_add(number);
    bytes[count..count + 2].copy_from_slice(&total.to_be_bytes());
}

/// Replace all records by one whose rdata holds a name of 126 labels, each with a pointer to the next, and by MX records
/// with this name.
fn compression_bomb(bytes: &mut Vec<u8>) {
    let question = Message::parse_reply(bytes).ok().and_then(|message| message.question());
    let Some(question) = question else { return };
    bytes.truncate(HEADER + question.name.as_ref().wire().len() + 4);
    bytes[6..HEADER].fill(0);
    let start = bytes.len() + 12;
    let (mut name, mut at) = (vec![0u8], start);
    for _ in 0..126 {
        let pointer = u16::try_from(at).expect("the start of a message") | 0xc000;
        at = start + name.len();
        name.extend([1, b'a']);
        name.extend(pointer.to_be_bytes());
    }
    let length = u16::try_from(name.len()).expect("about 500 octets");
    // A record of a private type at the queried name.
    let head = [&[0xc0, 12, 0xff, 0, 0, 1, 0, 0, 1, 0][..], &length.to_be_bytes(), &name].concat();
    append(bytes, 6, 1, &head);
    let pointer = u16::try_from(at).expect("the start of a message") | 0xc000;
    for number in 0..BOMB_RECORDS {
        let exchange = [number.to_be_bytes(), pointer.to_be_bytes()].concat();
        let record = [&[0xc0, 12, 0, 15, 0, 1, 0, 0, 1, 0, 0, 4][..], &exchange].concat();
        // A stream carries no longer message.
        if bytes.len() + record.len() <= usize::from(u16::MAX) {
            append(bytes, 6, 1, &record);
        }
    }
}

/// Change every letter of the name in the question.
fn change_letters(bytes: &mut [u8], change: impl Fn(u8) -> u8) {
    let question = Message::parse_reply(bytes).ok().and_then(|message| message.question());
    let Some(length) = question.map(|question| question.name.as_ref().wire().len()) else { return };
    // Length octets are never ASCII letters.
    for octet in bytes[HEADER..HEADER + length].iter_mut().filter(|octet| octet.is_ascii_alphabetic()) {
        *octet = change(*octet);
    }
}

/// Make a false answer to `asked` that is right but for its id.
fn forgery(id: u16, asked: &Datagram, query: &Packet, after: Micros) -> Option<Emission> {
    Some(Emission::Reply { after, from: asked.to, bytes: poison(query)?.to_wire(id) })
}

/// The false answer to `query`.
fn poison(query: &Packet) -> Option<Packet> {
    let question = *query.question.first()?;
    Some(Packet {
        flags: Flags::default().with_qr(true).with_aa(true),
        question: vec![question],
        sections: [
            vec![Record {
                owner: question.name.to_name(),
                rtype: RrType::A,
                class: question.class,
                ttl: 86_400,
                rdata: POISON.octets().to_vec(),
            }],
            Vec::new(),
            Vec::new(),
        ],
        ..Packet::default()
    })
}

/// Make a false answer to `asked`.
fn junk(kind: Junk, asked: &Datagram, query: &Packet, after: Micros) -> Option<Emission> {
    let mut packet = poison(query)?;
    let question = *query.question.first()?;
    let (mut id, mut from) = (id(asked), asked.to);
    match kind {
        Junk::WrongId => id ^= 0x5555,
        Junk::WrongQuestion => packet.question[0].name = question.name.as_ref().with_label(b"x")?,
        Junk::WrongType => packet.question[0].rtype = RrType::TXT,
        Junk::NoQuestion => packet.question.clear(),
        Junk::WrongPort => from.set_port(5353),
        Junk::WrongAddress => from.set_ip(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 99))),
        Junk::NotAReply => packet.flags = packet.flags.with_qr(false),
        Junk::WrongOpcode => packet.flags = packet.flags.with_opcode(Opcode::NOTIFY),
        Junk::WrongCase | Junk::Garbage => {}
    }
    let mut bytes = packet.to_wire(id);
    match kind {
        Junk::WrongCase => change_letters(&mut bytes, |letter| letter ^ 0x20),
        // The counts are larger than the number of records.
        Junk::Garbage => bytes.truncate(bytes.len() - 3),
        _ => {}
    }
    Some(Emission::Reply { after, from, bytes })
}

/// A [`ScriptedHost`] on the simulated network.
pub struct ScriptedHostOnNet(pub std::rc::Rc<ScriptedHost>);

impl Host for ScriptedHostOnNet {
    fn receive(&self, net: &Net, datagram: Datagram) {
        for emission in self.0.respond(&datagram) {
            match emission {
                Emission::Reply { after, from, bytes } => {
                    let (sender, to, via) = (net.clone(), datagram.from, datagram.via);
                    let send = move || sender.send(Datagram { from, to, via, bytes });
                    if after == 0 { send() } else { net.clock().at(net.clock().now() + after, send) }
                }
                Emission::Refused => net.turn_away(&datagram, Arrival::Refused),
                Emission::Closed => net.turn_away(&datagram, Arrival::Closed),
            }
        }
    }

    fn accepts(&self, _to: SocketAddr) -> Acceptance {
        self.0.accepts()
    }
}
