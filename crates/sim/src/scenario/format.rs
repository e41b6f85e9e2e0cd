//! The TOML format of scenarios, as types. An unknown key is an error with a line number.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Deserialize;

use super::flood::StreamTable;
use super::sign::SignTable;
use crate::link::Link;
use crate::policy::ListTable;
use crate::report::Attack;

/// A complete file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The behaviour that the scenario tests, in one sentence.
    pub about: String,
    /// The RFC sections that require it, such as `2308 §5`.
    #[serde(default)]
    pub rfc: Vec<String>,
    /// Whether every conforming server behaves like this. If so, peers play the scenario too.
    pub standard: bool,
    /// The reason why peers cannot play the scenario although it is standard.
    pub peers_skip: Option<String>,
    /// Peers that are known to differ, with the reason.
    #[serde(default)]
    pub peers_differ: BTreeMap<String, String>,
    /// The attack that is played, if it is one.
    pub attack: Option<Attack>,
    /// The seed of all random numbers.
    pub seed: Option<u64>,
    /// The Unix time in seconds at the start.
    pub unix_s: Option<u64>,
    /// The resolver under test. `None` if the steps query only authoritative servers.
    pub resolver: Option<ResolverTable>,
    /// Further settings of the server under test: a part of its plan (`crates/serve/src/plan.rs`).
    #[serde(default)]
    pub settings: toml::Table,
    /// Lists and response policy zones of the server under test, in their order.
    #[serde(default)]
    pub list: Vec<ListTable>,
    /// The other hosts.
    #[serde(default)]
    pub host: Vec<HostTable>,
    /// The steps.
    pub step: Vec<StepTable>,
}

/// `[resolver]`: a namewise resolver. All fields have defaults.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ResolverTable {
    /// Root servers: name to addresses. By default every host that serves the zone `.`.
    pub hints: BTreeMap<String, Vec<IpAddr>>,
    /// Suffixes for which other resolvers are queried.
    pub forward: Vec<ForwardTable>,
    /// QNAME minimization (RFC 9156).
    pub minimise: bool,
    /// Treat an NXDOMAIN as a denial of all names below (RFC 8020), also if it is not validated.
    pub nxdomain_cut: bool,
    /// Conclude from denial records in the cache (RFC 8198). Default: yes.
    pub aggressive_nsec: Option<bool>,
    /// When expired data is served. By default as in a server.
    pub stale: StaleTable,
    /// Draw the case of the names in queries at random.
    pub case_randomisation: bool,
    /// Query servers over IPv6.
    pub ipv6: bool,
    /// Zones whose keys are trusted. By default the root, if it is signed.
    pub trust_anchors: Vec<String>,
    /// Names below which nothing is validated.
    pub negative_trust_anchors: Vec<String>,
    /// Treat what only SHA-1 secures as insecure.
    pub without_sha1: bool,
    /// Bounds of the tolerance for clocks that differ, in seconds.
    pub signature_skew: Option<(u32, u32)>,
    /// A local copy of the root zone (RFC 8806).
    pub local_root: Option<LocalRootTable>,
    /// Limits that differ from the defaults, by the name of the field of `Budget`.
    pub budget: BTreeMap<String, u64>,
}

/// `local_root`: a copy of the root zone of a host, checked by its ZONEMD record as a server does.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalRootTable {
    /// The host that serves the root zone.
    pub host: String,
    /// Seconds after which the copy must no longer be used.
    pub expire_s: u64,
    /// An RRset, as `owner type`, that is absent from the copy.
    pub without: Option<String>,
}

/// `stale`: when expired data is served (RFC 8767).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StaleTable {
    /// Seconds after its lifetime; 0 turns it off.
    pub max_s: Option<u32>,
    /// Milliseconds that clients wait for servers.
    pub client_timeout_ms: Option<u64>,
}

/// A suffix and the servers that answer it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForwardTable {
    /// The suffix.
    pub suffix: String,
    /// Addresses of its servers. None: the suffix is an exception from shorter ones.
    pub servers: Vec<IpAddr>,
    /// The servers are the zone's authoritative servers, not resolvers.
    #[serde(default)]
    pub authoritative: bool,
    /// The number of servers queried at once.
    pub race: Option<u32>,
    /// Resolve from the root if all servers fail.
    #[serde(default)]
    pub fallback: bool,
    /// Replace the servers by those that the zone itself names.
    #[serde(default)]
    pub prime: bool,
}

/// `[[host]]`: a host at some addresses.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostTable {
    /// The name by which steps refer to it.
    pub name: String,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Zones that it serves: apex to master file.
    #[serde(default)]
    pub zones: BTreeMap<String, String>,
    /// Those of the zones that are signed, and how.
    #[serde(default)]
    pub sign: BTreeMap<String, SignTable>,
    /// The host is a resolver (a second namewise) instead.
    pub resolver: Option<ResolverTable>,
    /// Exceptions from its behaviour. The first matching rule applies.
    #[serde(default)]
    pub rule: Vec<RuleTable>,
    /// Its access link.
    pub link: Option<LinkTable>,
    /// The host is absent until a step says `up`.
    #[serde(default)]
    pub down: bool,
}

/// `link`: the faults of an access link, the same in both directions.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LinkTable {
    /// The delay in one direction, in milliseconds.
    pub delay_ms: u64,
    /// The maximum of the uniform additional delay, in milliseconds.
    pub jitter_ms: u64,
    /// Probability that a datagram is lost.
    pub loss: f64,
    /// Probability that a datagram arrives twice.
    pub duplicate: f64,
    /// Probability that a datagram is delayed by `reorder_by_ms`.
    pub reorder: f64,
    /// The additional delay of a reordered datagram, in milliseconds.
    pub reorder_by_ms: u64,
}

impl LinkTable {
    /// Convert to a link of the network.
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

/// `[[host.rule]]`: what a host does with some queries instead of answering them from its zones.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RuleTable {
    // The queries that match.
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
    /// With or without a cookie.
    pub cookie_sent: Option<bool>,
    /// Only the first matching queries, up to this number.
    pub first: Option<u32>,
    /// Skip this number of matching queries.
    pub skip: u32,

    // The action.
    /// Send nothing.
    pub drop: bool,
    /// The port is closed: ICMP for a datagram, a reset for a stream.
    pub refuse: bool,
    /// Close the stream without an answer.
    pub close: bool,
    /// An empty answer with TC.
    pub truncate: bool,
    /// An empty answer with this rcode.
    pub rcode: Option<String>,
    /// Flags of a written answer. Default: `AA`.
    pub flags: Option<Vec<String>>,
    /// Records of a written answer. An answer is a written one if any of the three sections is given. `{qname}` is
    /// the queried name, `{met}` the number of queries that matched before. `for N..M: LINE` stands for one line for each
    /// number, which replaces `{n}`. `signed OWNER TYPE [in ZONE] [as NAME]` stands for an RRset of a zone of the host with its
    /// signatures, at another name if `as` is given.
    pub answer: Option<Vec<String>>,
    /// Its authority section.
    pub authority: Option<Vec<String>>,
    /// Its additional section.
    pub additional: Option<Vec<String>>,
    /// Omit the OPT record from the answer.
    pub without_opt: bool,
    /// What the answer does with cookies (RFC 7873).
    pub cookie: Option<CookieRule>,
    /// The faults of the answer.
    pub odd: Vec<Odd>,
    /// False answers that arrive before the true one.
    pub junk: Vec<Junk>,
    /// The number of forged answers that arrive before the true one, from the right address to the right port, each
    /// with a wrong id of its own.
    pub forged: u16,
    /// The delay of the answer in milliseconds.
    pub delay_ms: u64,
    /// The milliseconds that each octet of an answer over TCP takes, the two of its length included.
    pub octet_ms: u64,
}

/// The transport of a query, as written in a scenario.
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
    /// Return the transport.
    pub fn transport(self) -> nw_resolve::Transport {
        match self {
            Protocol::Udp => nw_resolve::Transport::Udp,
            Protocol::Tcp => nw_resolve::Transport::Tcp,
        }
    }
}

/// What a host does with the cookies of a query.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum CookieRule {
    /// It returns the client cookie and a cookie of its own.
    Send,
    /// The same, and BADCOOKIE to queries without its cookie.
    Require,
    /// BADCOOKIE to every query, with another cookie each time.
    Change,
    /// It returns another client cookie.
    Wrong,
}

/// The faults of a true answer.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Odd {
    /// The question name has another case.
    OtherCase,
    /// The question name is in lower case.
    LowerCase,
    /// Octets follow the last record.
    TrailingOctets,
    /// There is a second OPT record.
    SecondOpt,
    /// An AAAA record of the queried name has three octets of rdata.
    MalformedRecord,
    /// Only the header remains, with all counts 0.
    HeaderOnly,
    /// The header promises 65,535 records in each section.
    HugeCounts,
    /// The owner of the last record is a pointer to itself.
    PointerLoop,
    /// 4,000 MX records follow, each with a name of 126 labels behind as many pointers.
    CompressionBomb,
    /// The OPT record has 12,000 options.
    ManyOptions,
}

/// A false answer. Each carries the record `{qname} 86400 IN A 203.0.113.66`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Junk {
    /// The id differs.
    WrongId,
    /// The right id and question, the letters of the name in the other case.
    WrongCase,
    /// Another name in the question.
    WrongQuestion,
    /// The type in the question differs.
    WrongType,
    /// There is no question.
    NoQuestion,
    /// It comes from another port.
    WrongPort,
    /// It comes from another address.
    WrongAddress,
    /// It is a query.
    NotAReply,
    /// The opcode differs.
    WrongOpcode,
    /// A correct header is followed by octets that are not a message.
    Garbage,
}

/// `[[step]]`: exactly one of `query`, `flood`, `advance_s`, `up`, `down`, `swap`, `flush`, `lists`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StepTable {
    /// `name type` or `name class type`.
    pub query: Option<String>,
    /// The name of the queried host. Default: the resolver.
    pub to: Option<String>,
    /// The address of the client.
    pub client: Option<IpAddr>,
    /// The transport.
    pub via: Protocol,
    /// Flags. Default: RD.
    pub flags: Option<Vec<String>>,
    /// Send the query with EDNS.
    pub edns: bool,
    /// Advertise this UDP payload size; implies `edns`.
    pub payload: Option<u16>,
    /// Set DO; implies `edns`.
    pub dnssec_ok: bool,
    /// EDNS version; implies `edns`.
    pub version: Option<u8>,
    /// Options in hexadecimal; implies `edns`.
    pub options: Option<String>,
    /// Send the options this many times in the query.
    pub repeat_options: Option<u16>,
    /// Send the query this many times at once. `expect` applies to each answer.
    pub times: Option<u32>,
    /// Streams of queries from many clients, all at once.
    pub flood: Vec<StreamTable>,
    /// Advance the clock by this many seconds.
    pub advance_s: Option<f64>,
    /// Put this host at its addresses.
    pub up: Option<String>,
    /// Remove this host.
    pub down: Option<String>,
    /// Replace zones of a host.
    pub swap: Option<SwapTable>,
    /// Remove all data at this name from the resolver's cache.
    pub flush: Option<String>,
    /// The names of the lists that apply from now on. Before, all apply.
    pub lists: Option<Vec<String>>,
    /// The expected result.
    pub expect: Option<ExpectTable>,
}

/// New zone data of a host.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwapTable {
    /// The name of the host.
    pub host: String,
    /// Master files by apex.
    pub zones: BTreeMap<String, String>,
    /// How they are signed. By default as at the start, by the first host that has them.
    #[serde(default)]
    pub sign: BTreeMap<String, SignTable>,
}

/// `expect`: omitted fields are not checked.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExpectTable {
    /// No answer is expected.
    pub silence: bool,
    /// The rcode, extended.
    pub rcode: Option<String>,
    /// These flags are set.
    pub flags: Vec<String>,
    /// These flags are not set.
    pub no_flags: Vec<String>,
    /// The answer section as a set.
    pub answer: Option<Vec<String>>,
    /// The authority section as a set.
    pub authority: Option<Vec<String>>,
    /// The additional section as a set, without OPT.
    pub additional: Option<Vec<String>>,
    /// Records, or owners with a type (`name type`), that some section must contain.
    pub contains: Vec<String>,
    /// Records, or owners with a type (`name type`), that no section may contain.
    pub lacks: Vec<String>,
    /// Compare TTLs as well.
    pub ttl: bool,
    /// Extended errors that the answer must contain (RFC 8914).
    pub ede: Vec<u16>,
    /// Whether there is an OPT record.
    pub opt: Option<bool>,
    /// The maximum length of the reply in octets.
    pub max_octets: Option<usize>,
    /// The number of upstream queries that the resolver sent because of this step.
    pub upstream: Option<Count>,
    /// The same number for each host.
    pub asked: BTreeMap<String, Count>,
    /// The same number over TCP.
    pub upstream_tcp: Option<Count>,
    /// The octets that the cache holds after the step.
    pub cache_octets: Option<Count>,
    /// The largest UDP payload size that the upstream queries offer.
    pub max_payload: Option<u16>,
    /// Reasons (slugs) that the explanation must contain in this order, possibly with others between them.
    pub reasons: Vec<String>,
    /// Words that the first line of `nw why` must contain, each.
    pub why: Vec<String>,
    /// Reasons that the explanation must not contain.
    pub no_reasons: Vec<String>,
    /// The maximum time until the answer, in milliseconds.
    pub max_ms: Option<u64>,
    /// The minimum time until the answer, in milliseconds.
    pub min_ms: Option<u64>,
}

/// A number or a range of numbers.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(untagged)]
pub enum Count {
    /// Exactly this number.
    Exactly(usize),
    /// A range. Both bounds are optional.
    Between {
        /// The minimum.
        min: Option<usize>,
        /// The maximum.
        max: Option<usize>,
    },
}

impl Count {
    /// Return whether `number` is in the range.
    pub fn holds(self, number: usize) -> bool {
        match self {
            Count::Exactly(exactly) => number == exactly,
            Count::Between { min, max } => {
                min.is_none_or(|min| number >= min) && max.is_none_or(|max| number <= max)
            }
        }
    }
}

impl Count {
    /// Return whether numbers can be too large.
    pub fn is_bound(self) -> bool {
        !matches!(self, Count::Between { max: None, .. })
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
