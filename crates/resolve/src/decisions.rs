//! What filters and limits decided about an answer, for explanations and the text of extended errors.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nw_wire::code::Rcode;
use nw_wire::name::Name;

use crate::budget::Limit;

/// What the protection from rebinding did. The text is that for clients, without the place of the setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebinding {
    /// The public name.
    pub owner: Name,
    /// Its private addresses.
    pub addresses: Vec<IpAddr>,
    /// Whether the whole answer is refused.
    pub refused: bool,
    /// Where the protection is turned on: file and line.
    pub source: String,
}

impl fmt::Display for Rebinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rebinding { owner, addresses, refused, .. } = self;
        let some = Some3(addresses);
        let plural = if addresses.len() == 1 { "" } else { "es" };
        match refused {
            false => write!(
                f,
                "rebinding protection removed {some}, private address{plural} of the public name {owner}"
            ),
            true => {
                write!(
                    f,
                    "rebinding protection refused the answer: the public name {owner} has {some}, private address{plural}"
                )
            }
        }
    }
}

/// What `no_aaaa` did for a client without IPv6. The text is that for clients, without the place of the setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoAaaa {
    /// IPv6 addresses that were removed from the answer section; 0: others beside the answer. None: a query for AAAA was answered
    /// without a lookup.
    pub removed: Option<u32>,
    /// Where the client is listed: file and line.
    pub source: String,
}

impl fmt::Display for NoAaaa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.removed {
            None => {
                f.write_str("no_aaaa: clients without IPv6 get no AAAA records, and nothing is looked up")
            }
            Some(0) => f.write_str(
                "no_aaaa: IPv6 addresses beside the answer were removed for a client without IPv6",
            ),
            Some(1) => f.write_str("no_aaaa: 1 IPv6 address was removed for a client without IPv6"),
            Some(count) => {
                write!(f, "no_aaaa: {count} IPv6 addresses were removed for a client without IPv6")
            }
        }
    }
}

/// What DNS64 made of the answer to a query for AAAA (RFC 6147).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dns64 {
    /// AAAA records were made.
    Made {
        /// What was made of each address.
        addresses: Vec<(Ipv4Addr, Ipv6Addr)>,
        /// The prefixes.
        prefixes: Vec<String>,
    },
    /// Nothing was made.
    Nothing(NothingMade),
    /// The name has no usable AAAA record: its A records are looked up.
    LooksUpA {
        /// AAAA records that count as absent.
        excluded: Vec<Ipv6Addr>,
        /// The failure of the lookup of AAAA, which counts as an empty answer.
        failed: Option<Rcode>,
    },
    /// A name below ip6.arpa. stands for an address that was made: an alias leads to the name of the IPv4 address.
    Reverse {
        /// The IPv4 address.
        embedded: Ipv4Addr,
        /// The prefix.
        prefix: String,
    },
}

/// Why DNS64 makes no AAAA records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NothingMade {
    /// No table serves the client.
    OtherClient,
    /// The client validates itself.
    ClientValidates,
    /// The name has AAAA records that are not excluded.
    HasAaaa,
    /// The name does not exist.
    NoSuchName,
    /// The name has no A record either.
    NoA,
    /// No table maps the A records.
    NotMapped(Vec<Ipv4Addr>),
    /// The lookup of A failed.
    NoAnswer(Rcode),
    /// The lookup of AAAA failed, and the zone is signed: only a proof could say that there is none.
    Unproved,
}

impl fmt::Display for Dns64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dns64::Made { addresses, prefixes } => {
                let made: Vec<String> = addresses.iter().map(|(a, aaaa)| format!("{aaaa} of {a}")).collect();
                let plural = if prefixes.len() == 1 { "prefix" } else { "prefixes" };
                write!(f, "DNS64 made {} ({plural} {})", Some3(&made), prefixes.join(", "))
            }
            Dns64::Nothing(why) => {
                f.write_str("DNS64 makes no AAAA records: ")?;
                match why {
                    NothingMade::OtherClient => f.write_str("no [[dns64]] serves this client"),
                    NothingMade::ClientValidates => {
                        f.write_str("the client sets DO and CD, so it validates itself (RFC 6147 §5.5)")
                    }
                    NothingMade::HasAaaa => f.write_str("the name has some of its own"),
                    NothingMade::NoSuchName => f.write_str("the name does not exist"),
                    NothingMade::NoA => f.write_str("the name has no A records either"),
                    NothingMade::NotMapped(addresses) => {
                        write!(f, "no prefix maps {}: see mapped in [[dns64]]", Some3(addresses))?;
                        f.write_str("; 64:ff9b::/96 maps global addresses only (RFC 6052 §3.1)")
                    }
                    NothingMade::NoAnswer(rcode) => write!(f, "the lookup of A failed with {rcode}"),
                    NothingMade::Unproved => f.write_str(
                        "the lookup of AAAA failed in a signed zone, where only a proof shows that there are none (RFC 6147 §5.5)",
                    ),
                }
            }
            Dns64::LooksUpA { excluded, failed } => {
                match (failed, excluded.is_empty()) {
                    (Some(rcode), _) => {
                        write!(
                            f,
                            "the lookup of AAAA failed with {rcode}, as if there were none (RFC 6147 §5.1.2)"
                        )?;
                    }
                    (None, true) => f.write_str("the name has no AAAA records")?,
                    (None, false) => write!(f, "exclude in [[dns64]] ignores {}", Some3(excluded))?,
                }
                f.write_str(": DNS64 looks up A")
            }
            Dns64::Reverse { embedded, prefix } => {
                write!(f, "DNS64: the name stands for {embedded} below the prefix {prefix} (RFC 6147 §5.3.1)")
            }
        }
    }
}

/// The limit that a response exceeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseLimit {
    /// The network whose responses are counted, as `192.0.2.0/24`.
    pub network: String,
    /// The kind of response.
    pub class: &'static str,
    /// The name that they share; the root for errors.
    pub name: Name,
    /// Responses per second.
    pub per_second: u32,
    /// The key in `[rrl]`.
    pub setting: &'static str,
    /// Milliseconds without a query until the network gets a full response again.
    pub wait_ms: u64,
    /// Whether the response is sent, empty and with TC.
    pub truncated: bool,
}

impl fmt::Display for ResponseLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ResponseLimit { network, class, name, per_second, setting, wait_ms, truncated } = self;
        let plural = if *per_second == 1 { "" } else { "s" };
        let what = match *class {
            "error" => format!("error{plural}"),
            "nxdomain" => format!("denial{plural} of names in {name}"),
            "referral" => format!("referral{plural} to {name}"),
            _ => format!("answer{plural} about {name}"),
        };
        let ms = wait_ms % 1000 / 100;
        write!(f, "response rate limit: {network} gets {per_second} {what} per second ([rrl] {setting})")?;
        write!(f, "; it gets them again after {}.{ms} s without such a query", wait_ms / 1000)?;
        if *truncated { f.write_str("; sent empty with TC: the client has to ask over TCP") } else { Ok(()) }
    }
}

/// What became of a response because an amplification attack on the client's network is suspected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AmplificationLimit {
    /// The network, as `192.0.2.0/24`.
    pub network: String,
    /// Whether the response is sent, empty and with TC.
    pub truncated: bool,
}

impl fmt::Display for AmplificationLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (action, effect) = match self.truncated {
            true => ("rate-limit", "; sent empty with TC: the client has to ask over TCP"),
            false => ("block", ""),
        };
        let network = &self.network;
        write!(
            f,
            "amplification suspected: {network} gets no full responses over UDP ([amplification] action = {action:?}){effect}"
        )
    }
}

/// A request whose signature is not accepted (RFC 8945 §5.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureRefused {
    /// The name of the key that the request names.
    pub key: Name,
    /// What is wrong.
    pub fault: SignatureFault,
}

/// What is wrong with the signature of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignatureFault {
    /// The server has no such key.
    UnknownKey,
    /// The key is for another algorithm than this one.
    Algorithm(Name),
    /// The MAC is wrong.
    Mac,
    /// The request was signed at another time.
    Time {
        /// Seconds from the time of this server to that of the client.
        ahead_s: i64,
        /// Seconds that are permitted in both directions.
        fudge_s: u16,
    },
    /// The MAC is right and cut short.
    Truncated,
    /// The record has a form that RFC 8945 does not allow.
    Form,
}

impl fmt::Display for SignatureRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        match &self.fault {
            SignatureFault::UnknownKey => write!(f, "TSIG BADKEY: no [[key]] is named {key}"),
            SignatureFault::Algorithm(other) => {
                write!(f, "TSIG BADKEY: the algorithm of the [[key]] {key} is not {other}")
            }
            SignatureFault::Mac => {
                write!(
                    f,
                    "TSIG BADSIG: the secret of the [[key]] {key} is another one than the client's, or the request was changed"
                )
            }
            SignatureFault::Time { ahead_s, fudge_s } => {
                let direction = if *ahead_s < 0 { "behind" } else { "ahead of" };
                let off = ahead_s.unsigned_abs();
                write!(
                    f,
                    "TSIG BADTIME: the clock of the client with the [[key]] {key} is {off} s {direction} that of this server"
                )?;
                write!(f, "; {fudge_s} s are permitted")
            }
            SignatureFault::Truncated => {
                write!(
                    f,
                    "TSIG BADTRUNC: the MAC by the [[key]] {key} is cut short; this server requires whole ones"
                )
            }
            SignatureFault::Form => f.write_str("TSIG: the record is malformed (RFC 8945 §5.2)"),
        }
    }
}

/// The rate that a lookup exceeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateReached {
    /// Which.
    pub limit: Limit,
    /// The network of the client, or the zone.
    pub of: String,
    /// Lookups per second.
    pub per_second: u32,
    /// Milliseconds until one more is allowed.
    pub wait_ms: u64,
}

impl fmt::Display for RateReached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RateReached { limit, of, per_second, wait_ms } = self;
        write!(f, "stopped: limit {} reached, {of} has used its {per_second} per second", limit.slug())?;
        write!(f, "; the next one is allowed in {wait_ms} ms")
    }
}

/// The first three of some values, and how many more there are.
struct Some3<'v, V>(&'v [V]);

impl<V: fmt::Display> fmt::Display for Some3<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 3;
        for (at, value) in self.0.iter().take(SHOWN).enumerate() {
            write!(f, "{}{value}", if at == 0 { "" } else { ", " })?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}
