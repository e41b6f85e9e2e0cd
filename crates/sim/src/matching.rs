//! MATCH: compares the parts of a message that an entry names, and returns the first difference.
//!
//! The comparison ignores the order of records, repetitions, the case of names, TTLs (unless `ttl` is given),
//! compression, the presence of OPT, and the id.

#[cfg(test)]
mod tests;

use std::fmt;

use nw_resolve::Transport;
use nw_wire::code::{OptionCode, RrType};
use nw_wire::header::Flags;

use crate::packet::{Edns, Packet};
use crate::record::{Record, as_set};

/// One word of MATCH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// `opcode`
    Opcode,
    /// `qtype`
    Qtype,
    /// `qname`, without regard to case
    Qname,
    /// `qcase`: the name with its case
    Qcase,
    /// `subdomain`: the received name is at or below the entry's
    Subdomain,
    /// `flags`: QR AA TC RD RA AD CD
    Flags,
    /// `rcode`, extended
    Rcode,
    /// `question`: name, type and class
    Question,
    /// `answer`: the same records as a set
    Answer,
    /// `authority`
    Authority,
    /// `additional`, without OPT
    Additional,
    /// `ttl`: sections are compared including TTLs
    Ttl,
    /// `TCP`: the message arrived over TCP
    Tcp,
    /// `UDP`: the message arrived over UDP
    Udp,
    /// `DO`: the DO bit is set
    DnssecOk,
    /// `noedns`: no OPT record
    NoEdns,
    /// `edns`: an OPT record
    Edns,
    /// `ednsdata`: the same option octets
    EdnsData,
    /// `serial=N`: the serial of the SOA in the authority (or else the answer) section
    Serial(u32),
    /// `nsid`: the entry's NSID, or any NSID if the entry has none
    Nsid,
    /// `ede=any` or `ede=N`: any extended error, or this one
    Ede(Option<u16>),
    /// `ede_text`: the entry's EXTRA-TEXT, or any text if the entry has none
    EdeText,
    /// `client_cookie`: the entry's client cookie, or any if the entry has none
    ClientCookie,
    /// `server_cookie`: a cookie with a server part, equal to that of the entry if it has one
    ServerCookie,
}

/// The words that `all` stands for.
pub const ALL: [Match; 8] = [
    Match::Opcode,
    Match::Qtype,
    Match::Qname,
    Match::Flags,
    Match::Rcode,
    Match::Answer,
    Match::Authority,
    Match::Additional,
];

impl Match {
    /// Return the matches for `word`, or None if it is not a word of MATCH.
    pub fn parse(word: &str) -> Option<Vec<Match>> {
        let lower = word.to_ascii_lowercase();
        if let Some((key, value)) = lower.split_once('=') {
            return match (key, value) {
                ("serial", value) => Some(vec![Match::Serial(value.parse().ok()?)]),
                ("ede", "any") => Some(vec![Match::Ede(None)]),
                ("ede", value) => Some(vec![Match::Ede(Some(value.parse().ok()?))]),
                _ => None,
            };
        }
        Some(vec![match lower.as_str() {
            "all" => return Some(ALL.to_vec()),
            "opcode" => Match::Opcode,
            "qtype" => Match::Qtype,
            "qname" => Match::Qname,
            "qcase" => Match::Qcase,
            "subdomain" => Match::Subdomain,
            "flags" => Match::Flags,
            "rcode" => Match::Rcode,
            "question" => Match::Question,
            "answer" => Match::Answer,
            "authority" => Match::Authority,
            "additional" => Match::Additional,
            "ttl" => Match::Ttl,
            "tcp" => Match::Tcp,
            "udp" => Match::Udp,
            "do" => Match::DnssecOk,
            "noedns" => Match::NoEdns,
            "edns" => Match::Edns,
            "ednsdata" => Match::EdnsData,
            "nsid" => Match::Nsid,
            "ede" => Match::Ede(None),
            "ede_text" => Match::EdeText,
            "client_cookie" => Match::ClientCookie,
            "server_cookie" => Match::ServerCookie,
            _ => return None,
        }])
    }

    /// The word that reports of differences use.
    pub fn field(self) -> &'static str {
        match self {
            Match::Opcode => "opcode",
            Match::Qtype => "qtype",
            Match::Qname => "qname",
            Match::Qcase => "qcase",
            Match::Subdomain => "subdomain",
            Match::Flags => "flags",
            Match::Rcode => "rcode",
            Match::Question => "question",
            Match::Answer => "answer",
            Match::Authority => "authority",
            Match::Additional => "additional",
            Match::Ttl => "ttl",
            Match::Tcp => "TCP",
            Match::Udp => "UDP",
            Match::DnssecOk => "DO",
            Match::NoEdns => "noedns",
            Match::Edns => "edns",
            Match::EdnsData => "ednsdata",
            Match::Serial(_) => "serial",
            Match::Nsid => "nsid",
            Match::Ede(_) => "ede",
            Match::EdeText => "ede_text",
            Match::ClientCookie => "client_cookie",
            Match::ServerCookie => "server_cookie",
        }
    }
}

/// The first part that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The word of MATCH.
    pub field: &'static str,
    /// The expected value.
    pub expected: String,
    /// The actual value.
    pub got: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}, got {}", self.field, self.expected, self.got)
    }
}

/// Compare the parts of `got`, received over `via`, that `matches` names with `expected`.
pub fn difference(matches: &[Match], expected: &Packet, got: &Packet, via: Transport) -> Option<Difference> {
    let with_ttl = matches.contains(&Match::Ttl);
    matches.iter().find_map(|part| compare(*part, expected, got, via, with_ttl))
}

fn compare(
    part: Match,
    expected: &Packet,
    got: &Packet,
    via: Transport,
    with_ttl: bool,
) -> Option<Difference> {
    let differ = |holds: bool, expected: String, got: String| {
        (!holds).then(|| Difference { field: part.field(), expected, got })
    };
    let (asked, asking) = (expected.question.first(), got.question.first());
    let section = |at: usize| {
        let (want, have) = (&expected.sections[at], &got.sections[at]);
        differ(as_set(want, with_ttl) == as_set(have, with_ttl), listed(want), listed(have))
    };
    match part {
        Match::Opcode => differ(
            expected.flags.opcode() == got.flags.opcode(),
            expected.flags.opcode().to_string(),
            got.flags.opcode().to_string(),
        ),
        Match::Qtype => differ(
            asked.map(|q| q.rtype) == asking.map(|q| q.rtype),
            shown(asked.map(|q| q.rtype)),
            shown(asking.map(|q| q.rtype)),
        ),
        Match::Qname => differ(
            asked.map(|q| q.name) == asking.map(|q| q.name),
            shown(asked.map(|q| q.name)),
            shown(asking.map(|q| q.name)),
        ),
        Match::Qcase => {
            let holds = match (asked, asking) {
                (Some(asked), Some(asking)) => asked.name.as_ref().eq_exact(asking.name.as_ref()),
                (asked, asking) => asked.is_none() && asking.is_none(),
            };
            differ(holds, shown(asked.map(|q| q.name)), shown(asking.map(|q| q.name)))
        }
        Match::Subdomain => {
            let holds = match (asked, asking) {
                (Some(asked), Some(asking)) => asking.name.as_ref().is_at_or_below(asked.name.as_ref()),
                _ => false,
            };
            let at_or_below = format!("at or below {}", shown(asked.map(|q| q.name)));
            differ(holds, at_or_below, shown(asking.map(|q| q.name)))
        }
        Match::Flags => {
            let (want, have) = (flag_words(expected.flags), flag_words(got.flags));
            differ(want == have, want, have)
        }
        Match::Rcode => {
            differ(expected.rcode == got.rcode, expected.rcode.to_string(), got.rcode.to_string())
        }
        Match::Question => differ(expected.question == got.question, questions(expected), questions(got)),
        Match::Answer => section(0),
        Match::Authority => section(1),
        Match::Additional => section(2),
        Match::Ttl => None,
        Match::Tcp | Match::Udp => {
            let want = if part == Match::Tcp { Transport::Tcp } else { Transport::Udp };
            differ(via == want, want.slug().to_owned(), via.slug().to_owned())
        }
        Match::DnssecOk => {
            let set = got.edns.as_ref().is_some_and(|edns| edns.dnssec_ok);
            differ(
                set,
                "DO".to_owned(),
                if got.edns.is_some() { "EDNS without DO" } else { "no EDNS" }.to_owned(),
            )
        }
        Match::NoEdns => differ(got.edns.is_none(), "no EDNS".to_owned(), "EDNS".to_owned()),
        Match::Edns => differ(got.edns.is_some(), "EDNS".to_owned(), "no EDNS".to_owned()),
        Match::EdnsData => {
            let octets = |edns: &Option<Edns>| edns.as_ref().map_or(Vec::new(), |edns| edns.options.clone());
            let (want, have) = (octets(&expected.edns), octets(&got.edns));
            differ(want == have, hex(&want), hex(&have))
        }
        Match::Serial(want) => {
            let have = serial(got);
            differ(have == Some(want), want.to_string(), shown(have))
        }
        Match::Nsid => option(part, OptionCode::NSID, expected, got, |_| true),
        Match::Ede(want) => {
            let have = extended_errors(got);
            let codes: Vec<String> = have.iter().map(|(code, _)| code.to_string()).collect();
            let holds = want.map_or(!have.is_empty(), |want| have.iter().any(|(code, _)| *code == want));
            let got = if codes.is_empty() { "none".to_owned() } else { codes.join(" ") };
            differ(holds, want.map_or("any".to_owned(), |want| want.to_string()), got)
        }
        Match::EdeText => {
            let texts = |packet: &Packet| -> Vec<String> {
                extended_errors(packet)
                    .into_iter()
                    .map(|(_, text)| text)
                    .filter(|text| !text.is_empty())
                    .collect()
            };
            let (want, have) = (texts(expected), texts(got));
            let holds =
                if want.is_empty() { !have.is_empty() } else { want.iter().all(|text| have.contains(text)) };
            let wanted = if want.is_empty() { "any text".to_owned() } else { format!("{want:?}") };
            differ(holds, wanted, format!("{have:?}"))
        }
        Match::ClientCookie => {
            let client = |packet: &Packet| {
                let cookie = packet.edns.as_ref().and_then(|edns| edns.option(OptionCode::COOKIE));
                cookie.and_then(|data| data.get(..8)).map(<[u8]>::to_vec)
            };
            let (want, have) = (client(expected), client(got));
            let holds = have.is_some() && (want.is_none() || want == have);
            let hexed =
                |cookie: Option<Vec<u8>>, none: &str| cookie.map_or(none.to_owned(), |data| hex(&data));
            differ(holds, hexed(want, "a client cookie"), hexed(have, "none"))
        }
        Match::ServerCookie => option(part, OptionCode::COOKIE, expected, got, |data| data.len() > 8),
    }
}

/// Return the option of the entry with this code if it has one that is `complete`, and otherwise any option with this
/// code.
fn option(
    part: Match,
    code: OptionCode,
    expected: &Packet,
    got: &Packet,
    complete: impl Fn(&[u8]) -> bool,
) -> Option<Difference> {
    let of = |packet: &Packet| {
        let data = packet.edns.as_ref().and_then(|edns| edns.option(code)).map(<[u8]>::to_vec);
        data.filter(|data| complete(data))
    };
    let (want, have) = (of(expected), of(got));
    if have.is_some() && (want.is_none() || want == have) {
        return None;
    }
    let expected = want.map_or("any".to_owned(), |data| hex(&data));
    Some(Difference { field: part.field(), expected, got: have.map_or("none".to_owned(), |data| hex(&data)) })
}

/// The extended errors of a message: code and text (RFC 8914 §2).
pub fn extended_errors(packet: &Packet) -> Vec<(u16, String)> {
    let Some(edns) = &packet.edns else { return Vec::new() };
    crate::packet::options(&edns.options)
        .filter(|(code, _)| *code == OptionCode::EDE)
        .filter_map(|(_, data)| {
            let (code, text) = data.split_first_chunk::<2>()?;
            Some((u16::from_be_bytes(*code), String::from_utf8_lossy(text).into_owned()))
        })
        .collect()
}

/// The serial of the first SOA, authority before answer.
fn serial(packet: &Packet) -> Option<u32> {
    let soa =
        packet.sections[1].iter().chain(&packet.sections[0]).find(|record| record.rtype == RrType::SOA)?;
    let numbers = soa.rdata.len().checked_sub(20)?;
    soa.rdata.get(numbers..)?.first_chunk().map(|serial| u32::from_be_bytes(*serial))
}

/// The flags that MATCH `flags` compares, as words, or `none`.
pub fn flag_words(flags: Flags) -> String {
    let words: Vec<&str> = [
        (flags.qr(), "QR"),
        (flags.aa(), "AA"),
        (flags.tc(), "TC"),
        (flags.rd(), "RD"),
        (flags.ra(), "RA"),
        (flags.ad(), "AD"),
        (flags.cd(), "CD"),
    ]
    .into_iter()
    .filter_map(|(set, word)| set.then_some(word))
    .collect();
    if words.is_empty() { "none".to_owned() } else { words.join(" ") }
}

fn shown(value: Option<impl fmt::Display>) -> String {
    value.map_or("none".to_owned(), |value| value.to_string())
}

fn questions(packet: &Packet) -> String {
    let each = packet
        .question
        .iter()
        .map(|question| format!("{} {} {}", question.name, question.class, question.rtype));
    let all: Vec<String> = each.collect();
    if all.is_empty() { "none".to_owned() } else { all.join(" | ") }
}

/// The records on one line, sorted for comparison by a person.
pub fn listed(records: &[Record]) -> String {
    let mut lines: Vec<String> = records.iter().map(Record::to_string).collect();
    lines.sort();
    if lines.is_empty() { "none".to_owned() } else { lines.join(" | ") }
}

fn hex(octets: &[u8]) -> String {
    if octets.is_empty() {
        return "none".to_owned();
    }
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
