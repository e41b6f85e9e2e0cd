//! The TOML of a scenario, as types. An unknown key is an error with its line.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Deserialize;

use crate::link::Link;

/// A whole file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it shows, in one sentence.
    pub about: String,
    /// The sections that say so, as `2308 §5`.
    #[serde(default)]
    pub rfc: Vec<String>,
    /// Whether every conforming server behaves so; then it is also played against peers.
    pub standard: bool,
    /// Why peers cannot play it although it is standard.
    pub peers_skip: Option<String>,
    /// Peers that are known to differ, each with the reason.
    #[serde(default)]
    pub peers_differ: BTreeMap<String, String>,
    /// Seed of everything random.
    pub seed: Option<u64>,
    /// Seconds since 1970 at the start.
    pub unix_s: Option<u64>,
    /// The resolver under test; `None` when only authoritative servers are asked.
    pub resolver: Option<ResolverTable>,
    /// Everybody else.
    #[serde(default)]
    pub host: Vec<HostTable>,
    /// What happens.
    pub step: Vec<StepTable>,
}

/// `[resolver]`: a namewise resolver. All fields have defaults.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ResolverTable {
    /// Root servers: name to addresses. By default every host that serves the zone `.`.
    pub hints: BTreeMap<String, Vec<IpAddr>>,
    /// Suffixes that other resolvers answer.
    pub forward: Vec<ForwardTable>,
    /// RFC 9156.
    pub minimise: bool,
    /// RFC 8020, for denials that are not validated.
    pub nxdomain_cut: bool,
    /// Ask over IPv6.
    pub ipv6: bool,
    /// Limits that differ from the defaults, by the name of the field of `Budget`.
    pub budget: BTreeMap<String, u64>,
}

/// A suffix and who answers it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForwardTable {
    /// The suffix.
    pub suffix: String,
    /// Addresses of its servers.
    pub servers: Vec<IpAddr>,
    /// They are the zone's own servers, not resolvers.
    #[serde(default)]
    pub authoritative: bool,
}

/// `[[host]]`: somebody at some addresses.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostTable {
    /// How steps refer to it.
    pub name: String,
    /// Where it is.
    pub addresses: Vec<IpAddr>,
    /// Zones that it serves: apex to master file.
    #[serde(default)]
    pub zones: BTreeMap<String, String>,
    /// It is a resolver (a second namewise) instead.
    pub resolver: Option<ResolverTable>,
    /// Exceptions, the first that fits counts.
    #[serde(default)]
    pub rule: Vec<RuleTable>,
    /// Its access link.
    pub link: Option<LinkTable>,
    /// Nobody is at its addresses until a step says `up`.
    #[serde(default)]
    pub down: bool,
}

/// `link`: the faults of an access link, the same in both directions.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LinkTable {
    /// One way, milliseconds.
    pub delay_ms: u64,
    /// Uniform extra delay up to this, milliseconds.
    pub jitter_ms: u64,
    /// Probability that a datagram is lost.
    pub loss: f64,
    /// Probability that it arrives twice.
    pub duplicate: f64,
    /// Probability that it is held back.
    pub reorder: f64,
    /// How long, milliseconds.
    pub reorder_by_ms: u64,
}

impl LinkTable {
    /// As the network wants it.
    pub fn link(&self) -> Link {
        Link {
            delay: self.delay_ms * 1000,
            jitter: self.jitter_ms * 1000,
            loss: self.loss,
            duplicate: self.duplicate,
            reorder: self.reorder,
            reorder_by: self.reorder_by_ms * 1000,
        }
    }
}

/// `[[host.rule]]`: what a host does with some questions, in place of answering from its zones.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RuleTable {
    // Which questions.
    /// Exactly this name.
    pub qname: Option<String>,
    /// This name and those below it.
    pub subdomain: Option<String>,
    /// This type.
    pub qtype: Option<String>,
    /// `udp` or `tcp`.
    pub via: Option<Protocol>,
    /// With or without EDNS.
    pub edns: Option<bool>,
    /// Only the first so many that fit.
    pub first: Option<u32>,
    /// Not the first so many that fit.
    pub skip: u32,

    // What happens.
    /// Nothing.
    pub drop: bool,
    /// The port is closed: ICMP for a datagram, a reset for a stream.
    pub refuse: bool,
    /// The stream is closed without an answer.
    pub close: bool,
    /// An empty answer with TC.
    pub truncate: bool,
    /// An empty answer with this rcode.
    pub rcode: Option<String>,
    /// Flags of a written answer, `AA` when left out.
    pub flags: Option<Vec<String>>,
    /// Records of a written answer. Any of the three makes the answer a written one. `{qname}` is the name asked for.
    pub answer: Option<Vec<String>>,
    /// Its authority section.
    pub authority: Option<Vec<String>>,
    /// Its additional section.
    pub additional: Option<Vec<String>>,
    /// No OPT record in the answer.
    pub without_opt: bool,
    /// What is odd about the answer.
    pub odd: Vec<Odd>,
    /// False answers that arrive before the true one.
    pub junk: Vec<Junk>,
    /// The answer comes that much later, milliseconds.
    pub delay_ms: u64,
}

/// How a question travels, as it is written in a scenario.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// A datagram.
    #[default]
    Udp,
    /// A stream.
    Tcp,
}

impl Protocol {
    /// The transport that the word names.
    pub fn transport(self) -> nw_resolve::Transport {
        match self {
            Protocol::Udp => nw_resolve::Transport::Udp,
            Protocol::Tcp => nw_resolve::Transport::Tcp,
        }
    }
}

/// What is odd about a true answer.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Odd {
    /// The name of the question in another case.
    OtherCase,
    /// Octets after the last record.
    TrailingOctets,
    /// A second OPT record.
    SecondOpt,
    /// An AAAA record of the name asked for with three octets of rdata.
    MalformedRecord,
    /// Only the header is left, all counts are 0.
    HeaderOnly,
}

/// A false answer. Each carries the record `{qname} 86400 IN A 203.0.113.66`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Junk {
    /// Another id.
    WrongId,
    /// Another name in the question.
    WrongQuestion,
    /// Another type in the question.
    WrongType,
    /// No question.
    NoQuestion,
    /// From another port.
    WrongPort,
    /// From another address.
    WrongAddress,
    /// A question, not an answer.
    NotAReply,
    /// Another opcode.
    WrongOpcode,
    /// Octets that are no message behind a right header.
    Garbage,
}

/// `[[step]]`: exactly one of `query`, `advance_s`, `up`, `down`, `swap`, `flush`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StepTable {
    /// `name type` or `name class type`.
    pub query: Option<String>,
    /// Whom: the name of a host; the resolver when left out.
    pub to: Option<String>,
    /// Who asks.
    pub client: Option<IpAddr>,
    /// How.
    pub via: Protocol,
    /// Flags, RD when left out.
    pub flags: Option<Vec<String>>,
    /// Ask with EDNS.
    pub edns: bool,
    /// Offer this UDP payload; implies `edns`.
    pub payload: Option<u16>,
    /// Set DO; implies `edns`.
    pub dnssec_ok: bool,
    /// EDNS version; implies `edns`.
    pub version: Option<u8>,
    /// Options in hexadecimal; implies `edns`.
    pub options: Option<String>,
    /// Send it so often at once; `expect` holds for each answer.
    pub times: Option<u32>,
    /// Let this many seconds pass.
    pub advance_s: Option<f64>,
    /// Put this host at its addresses.
    pub up: Option<String>,
    /// Take this host away.
    pub down: Option<String>,
    /// Replace zones of a host.
    pub swap: Option<SwapTable>,
    /// Forget what the resolver has cached at this name.
    pub flush: Option<String>,
    /// What must be seen.
    pub expect: Option<ExpectTable>,
}

/// New zone data of a host.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwapTable {
    /// Which.
    pub host: String,
    /// Apex to master file.
    pub zones: BTreeMap<String, String>,
}

/// `expect`: what is left out is not looked at.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExpectTable {
    /// There must be no answer.
    pub silence: bool,
    /// The rcode, extended.
    pub rcode: Option<String>,
    /// These flags are set.
    pub flags: Vec<String>,
    /// These are not.
    pub no_flags: Vec<String>,
    /// The answer section as a set.
    pub answer: Option<Vec<String>>,
    /// The authority section as a set.
    pub authority: Option<Vec<String>>,
    /// The additional section as a set, without OPT.
    pub additional: Option<Vec<String>>,
    /// Records that must be in some section.
    pub contains: Vec<String>,
    /// Records, or owners with a type (`name type`), that must be in no section.
    pub lacks: Vec<String>,
    /// Compare TTLs, too.
    pub ttl: bool,
    /// Extended errors that must be told (RFC 8914).
    pub ede: Vec<u16>,
    /// Whether there is an OPT record.
    pub opt: Option<bool>,
    /// Most octets of the reply.
    pub max_octets: Option<usize>,
    /// Questions that the resolver sent to servers because of this step.
    pub upstream: Option<Count>,
    /// The same by host.
    pub asked: BTreeMap<String, Count>,
    /// Over TCP.
    pub upstream_tcp: Option<Count>,
    /// Reasons (slugs) that the explanation names, in this order, others between them.
    pub reasons: Vec<String>,
    /// Reasons that it does not name.
    pub no_reasons: Vec<String>,
    /// Longest time to the answer, milliseconds.
    pub max_ms: Option<u64>,
    /// Shortest time to the answer, milliseconds.
    pub min_ms: Option<u64>,
}

/// A number, or bounds.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(untagged)]
pub enum Count {
    /// Exactly.
    Exactly(usize),
    /// From and to, each optional.
    Between {
        /// At least.
        min: Option<usize>,
        /// At most.
        max: Option<usize>,
    },
}

impl Count {
    /// Whether `number` is right.
    pub fn holds(self, number: usize) -> bool {
        match self {
            Count::Exactly(exactly) => number == exactly,
            Count::Between { min, max } => {
                min.is_none_or(|min| number >= min) && max.is_none_or(|max| number <= max)
            }
        }
    }
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Count::Exactly(exactly) => write!(f, "{exactly}"),
            Count::Between { min: Some(min), max: Some(max) } => write!(f, "{min} to {max}"),
            Count::Between { min: Some(min), max: None } => write!(f, "at least {min}"),
            Count::Between { min: None, max: Some(max) } => write!(f, "at most {max}"),
            Count::Between { min: None, max: None } => write!(f, "any number"),
        }
    }
}

impl Scenario {
    /// Read a file. The error names line and column.
    pub fn parse(text: &str) -> Result<Scenario, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }
}
