//! Entries of `.rpl` scenarios: which messages they match, what they answer, and how they adjust the answer to the
//! query.

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::IpAddr;

use nw_resolve::Transport;
use nw_wire::code::{Opcode, OptionCode, Rcode};
use nw_wire::edns::push_option;
use nw_wire::header::HEADER;
use nw_wire::name::Name;

use crate::exec::Micros;
use crate::matching::{ALL, Difference, Match, difference};
use crate::packet::{Edns, Packet, options};
use crate::record::{DEFAULT_TTL, Record, RecordError, parse_question};
use crate::rpl::syntax::{EntryText, PacketText, Word};

const SECOND: Micros = 1_000_000;

/// An entry in wire form.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The parts that must be equal. An empty list matches everything.
    pub matches: Vec<Match>,
    /// The changes to the answer before it is sent.
    pub adjusts: Vec<Adjust>,
    /// The message. A stream answer has several.
    pub packets: Vec<Packet>,
    /// The client (of a QUERY step) or the server of the entry.
    pub address: Option<IpAddr>,
    /// The line of `ENTRY_BEGIN`.
    pub line: usize,
}

/// One word of ADJUST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adjust {
    /// `copy_id`: copy the id and the spelling of the question name.
    CopyId,
    /// `copy_query`: copy the whole question.
    CopyQuery,
    /// `copy_ednsdata_assume_clientsubnet`: copy the options of the query, with the scope of the client subnet set to
    /// its source length.
    CopyClientSubnet,
    /// `increment_ecs_scope`: the same with a scope that is larger by one.
    IncrementScope,
    /// `sleep=N`, `packet_sleep=N`: wait this many seconds before the answer.
    Sleep(Micros),
    /// `raw_id`: keep the id of the written message. Every other reply gets the id of the query.
    RawId,
    /// `do_not_answer`: send nothing.
    DoNotAnswer,
}

/// The reason why an entry has no wire form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryError {
    /// The line.
    pub line: usize,
    /// The fault.
    pub problem: EntryProblem,
}

/// The faults of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryProblem {
    /// An unknown word of MATCH.
    Match(String),
    /// An unknown word of ADJUST.
    Adjust(String),
    /// An unknown word of REPLY.
    Reply(String),
    /// An invalid line of a section.
    Record(RecordError),
    /// The words of MATCH compare nothing.
    ComparesNothing,
}

impl fmt::Display for EntryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        match &self.problem {
            EntryProblem::Match(word) => write!(f, "MATCH {word}"),
            EntryProblem::Adjust(word) => write!(f, "ADJUST {word}"),
            EntryProblem::Reply(word) => write!(f, "REPLY {word}"),
            EntryProblem::Record(error) => write!(f, "{error}"),
            EntryProblem::ComparesNothing => f.write_str("MATCH compares nothing"),
        }
    }
}

impl Adjust {
    /// Return the adjustment with this name.
    pub fn parse(word: &str) -> Option<Adjust> {
        let lower = word.to_ascii_lowercase();
        if let Some(seconds) = lower.strip_prefix("sleep=").or_else(|| lower.strip_prefix("packet_sleep=")) {
            return seconds.parse::<u64>().ok()?.checked_mul(SECOND).map(Adjust::Sleep);
        }
        Some(match lower.as_str() {
            "copy_id" => Adjust::CopyId,
            "copy_query" => Adjust::CopyQuery,
            "copy_ednsdata_assume_clientsubnet" => Adjust::CopyClientSubnet,
            "increment_ecs_scope" => Adjust::IncrementScope,
            "raw_id" => Adjust::RawId,
            "do_not_answer" => Adjust::DoNotAnswer,
            _ => return None,
        })
    }
}

/// Apply one word of REPLY to `packet`. Return false if the word is unknown.
pub fn apply_reply_word(word: &str, packet: &mut Packet) -> bool {
    let flags = packet.flags;
    packet.flags = match word.to_ascii_uppercase().as_str() {
        "QR" => flags.with_qr(true),
        "AA" => flags.with_aa(true),
        "TC" => flags.with_tc(true),
        "RD" => flags.with_rd(true),
        "RA" => flags.with_ra(true),
        "AD" => flags.with_ad(true),
        "CD" => flags.with_cd(true),
        "DO" => {
            packet.edns.get_or_insert_default().dnssec_ok = true;
            flags
        }
        "NOTIMPL" => {
            packet.rcode = Rcode::NOTIMP;
            flags
        }
        other => {
            if let Some((opcode, _)) = Opcode::NAMED.iter().find(|(_, name)| *name == other) {
                flags.with_opcode(*opcode)
            } else if let Some((rcode, _)) = Rcode::NAMED.iter().find(|(_, name)| *name == other) {
                packet.rcode = *rcode;
                flags
            } else {
                return false;
            }
        }
    };
    true
}

impl Entry {
    /// Convert `text` to wire form. An entry without MATCH matches everything; see [`Entry::or_match_all`].
    pub fn compile(text: &EntryText) -> Result<Entry, EntryError> {
        let fail = |word: &Word, problem: fn(String) -> EntryProblem| EntryError {
            line: word.line,
            problem: problem(word.text.clone()),
        };
        let mut entry = Entry {
            matches: Vec::new(),
            adjusts: Vec::new(),
            packets: Vec::new(),
            address: text.address,
            line: text.line,
        };
        for word in &text.matches {
            entry.matches.extend(Match::parse(&word.text).ok_or_else(|| fail(word, EntryProblem::Match))?);
        }
        for word in &text.adjusts {
            entry.adjusts.push(Adjust::parse(&word.text).ok_or_else(|| fail(word, EntryProblem::Adjust))?);
        }
        let mut head = Packet::default();
        for word in &text.reply {
            if !apply_reply_word(&word.text, &mut head) {
                return Err(fail(word, EntryProblem::Reply));
            }
        }
        for packet in &text.packets {
            entry.packets.push(compile_packet(&head, packet)?);
        }
        Ok(entry)
    }

    /// Use `MATCH all` if the entry has no MATCH (CHECK_ANSWER, CHECK_OUT_QUERY).
    #[must_use]
    pub fn or_match_all(mut self) -> Entry {
        if self.matches.is_empty() {
            self.matches = ALL.to_vec();
        }
        self
    }

    /// Return the entry of a check if it compares something. `ttl` alone says only how records are compared.
    pub fn comparing(self, text: &EntryText) -> Result<Entry, EntryError> {
        match self.matches.iter().any(|one| *one != Match::Ttl) {
            true => Ok(self),
            false => Err(EntryError { line: text.line, problem: EntryProblem::ComparesNothing }),
        }
    }

    /// The first message.
    pub fn packet(&self) -> &Packet {
        &self.packets[0]
    }

    /// Return the first part in which `got` differs from the entry.
    pub fn difference(&self, got: &Packet, via: Transport) -> Option<Difference> {
        difference(&self.matches, self.packet(), got, via)
    }

    /// Return whether `got` has the question of the entry, as far as MATCH compares questions.
    pub fn asks_the_same(&self, got: &Packet) -> bool {
        let about_the_question = |part: &&Match| {
            matches!(part, Match::Qname | Match::Qtype | Match::Qcase | Match::Subdomain | Match::Question)
        };
        let parts: Vec<Match> = self.matches.iter().filter(about_the_question).copied().collect();
        difference(&parts, self.packet(), got, Transport::Udp).is_none()
    }

    /// The delay of the answer.
    pub fn delay(&self) -> Micros {
        let sleeps =
            self.adjusts.iter().map(|adjust| if let Adjust::Sleep(time) = adjust { *time } else { 0 });
        sleeps.fold(0, Micros::saturating_add)
    }

    /// Return the octets of the answer to `query`, given in wire form and parsed. Returns None if the entry does not
    /// answer.
    pub fn answer(&self, wire: &[u8], query: &Packet) -> Option<Vec<Vec<u8>>> {
        if self.adjusts.contains(&Adjust::DoNotAnswer) {
            return None;
        }
        Some(self.packets.iter().map(|packet| self.adjusted(packet, wire, query)).collect())
    }

    fn adjusted(&self, packet: &Packet, wire: &[u8], query: &Packet) -> Vec<u8> {
        let has = |adjust: Adjust| self.adjusts.contains(&adjust);
        let mut answer = packet.clone();
        if has(Adjust::CopyQuery) {
            answer.question.clone_from(&query.question);
        } else if has(Adjust::CopyId)
            && let (Some(own), Some(asked)) = (answer.question.first_mut(), query.question.first())
        {
            own.name = asked.name;
        }
        if has(Adjust::CopyClientSubnet) || has(Adjust::IncrementScope) {
            let more = u8::from(has(Adjust::IncrementScope));
            if let Some(edns) = &query.edns {
                answer.edns.get_or_insert_default().options = with_scope(&edns.options, more);
            }
        }
        let mut octets = answer.to_wire(0);
        // Octets that are shorter than a header are sent unchanged.
        if !has(Adjust::RawId)
            && octets.len() >= HEADER
            && let (Some(id), Some(asked)) = (octets.get_mut(..2), wire.get(..2))
        {
            id.copy_from_slice(asked);
        }
        octets
    }
}

/// Return `rdata` with the scope of its client subnet (RFC 7871 §6) set to the source prefix length plus `more`.
fn with_scope(rdata: &[u8], more: u8) -> Vec<u8> {
    let mut copy = Vec::with_capacity(rdata.len());
    for (code, data) in options(rdata) {
        let mut data = data.to_vec();
        if code == OptionCode::CLIENT_SUBNET && data.len() >= 4 {
            data[3] = data[2].saturating_add(more);
        }
        push_option(&mut copy, code, &data);
    }
    copy
}

fn compile_packet(head: &Packet, text: &PacketText) -> Result<Packet, EntryError> {
    let mut packet = head.clone();
    packet.raw.clone_from(&text.raw);
    if let Some(octets) = &text.edns_data {
        packet.edns.get_or_insert_with(Edns::default).options.clone_from(octets);
    }
    let mut origin = Name::root();
    let mut ttl = DEFAULT_TTL;
    for (at, lines) in text.sections.iter().enumerate() {
        for line in lines {
            let wrong =
                |error: RecordError| EntryError { line: line.line, problem: EntryProblem::Record(error) };
            let words: Vec<&str> = line.text.split_whitespace().collect();
            match words.as_slice() {
                ["$ORIGIN", name, ..] => {
                    let parsed = Name::parse(name.as_bytes(), Some(origin.as_ref()));
                    origin = parsed.map_err(|_| wrong(RecordError::Name((*name).to_owned())))?;
                }
                ["$TTL", seconds, ..] => {
                    let parsed = seconds.parse();
                    ttl = parsed.map_err(|_| wrong(RecordError::Missing("a number after $TTL")))?;
                }
                _ if at == 0 => {
                    packet.question.push(parse_question(&line.text, origin.as_ref()).map_err(wrong)?)
                }
                _ => packet.sections[at - 1]
                    .push(Record::parse(&line.text, origin.as_ref(), ttl).map_err(wrong)?),
            }
        }
    }
    Ok(packet)
}
