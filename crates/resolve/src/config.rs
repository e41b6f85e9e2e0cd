//! The settings of a resolver: root servers, forwarders, limits.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use nw_wire::code::RrType;
use nw_wire::name::{Name, NameRef};
use nw_wire::rrset::Rrset;
use nw_wire::text::Tokens;

use crate::budget::Budget;
use crate::local_root::LocalRoot;
use crate::reason::Route;
use crate::world::{MILLISECOND, Micros};

/// The settings of one resolver. They never change: a change makes a new resolver over the same cache.
#[derive(Clone, Debug)]
pub struct ResolverConfig {
    /// The root servers to begin with: name and addresses (RFC 8109 §2). Empty only when `.` is forwarded.
    pub hints: Vec<(Name, Vec<IpAddr>)>,
    /// Names whose questions go to fixed servers. The longest matching suffix wins. One without servers is an exception: its
    /// names are resolved as if no shorter suffix were forwarded.
    pub forwards: Vec<Forward>,
    /// Every limit.
    pub budget: Budget,
    /// Where chains of trust begin; without one, nothing is validated.
    pub trust_anchors: Vec<TrustAnchor>,
    /// Names at and below which nothing is validated (RFC 7646).
    pub negative_trust_anchors: Vec<Name>,
    /// Accept SHA-1: the algorithms 5 and 7, and DS records with digest 1. Otherwise what only they secure is insecure (RFC 9905).
    pub sha1: bool,
    /// By how much clocks may differ from those of signers, seconds: a tenth of the life of a signature, but not less than the
    /// first and not more than the second number.
    pub signature_skew: (u32, u32),
    /// Answer questions of the root key sentinel (RFC 8509).
    pub root_key_sentinel: bool,
    /// Send the tags of the trust anchors of a zone with each query for its keys (RFC 8145 §4.1).
    pub key_tags: bool,
    /// Show each server no more of the name than it needs (RFC 9156).
    pub qname_minimisation: bool,
    /// Draw the case of the name in each query at random and compare it with that of the reply (see `case.rs`). Off
    /// by default: some servers do not answer, or deny, a name that is not in the case of their data.
    pub qname_case_randomisation: bool,
    /// Set DO on questions to servers, so that signatures can be handed to clients that ask for them (RFC 4035 §3.2.1).
    pub dnssec_ok: bool,
    /// Send cookies to servers (RFC 7873).
    pub cookies: bool,
    /// Also take a denial that is not validated to mean that nothing exists below the name either (RFC 8020). Off by default: some
    /// servers deny empty non-terminals.
    pub nxdomain_cut: bool,
    /// Whether and when expired data is served.
    pub stale: Stale,
    /// Deny names, and answer from wildcards, by the validated NSEC and NSEC3 records that are known (RFC 8198).
    pub aggressive_nsec: bool,
    /// Look up an answer again when it is asked for and less than a tenth of its lifetime is left.
    pub prefetch: bool,
    /// Ask servers at IPv4 addresses.
    pub ipv4: bool,
    /// Ask servers at IPv6 addresses.
    pub ipv6: bool,
    /// Ask servers whose *learned* address is a loopback one. Addresses in `hints` and `forwards` are always asked.
    pub ask_loopback: bool,
    /// Answer `localhost`, `invalid`, `onion` and the reverse names of loopback here (RFC 6761, RFC 7686).
    pub special_use: bool,
    /// Zones that are answered here instead of being looked up (RFC 6303): for names that aliases lead to, and for servers.
    pub local: Option<Arc<dyn LocalZones>>,
    /// Whether lookups begin at forwarders only, and never at the root servers.
    pub cache_only: bool,
    /// The copy of the root zone that answers in place of the root servers (RFC 8806). None: this is not wanted.
    pub local_root: Option<Arc<LocalRoot>>,
}

/// Whether and when expired data is served (RFC 8767 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stale {
    /// Seconds after its lifetime for which data may be served; 0 turns this off. Bounds how long a zone can be held
    /// at its former data by an attack on its servers. RFC 8767 §4 recommends one to three days.
    pub max_s: u32,
    /// How long a client waits for the servers before it gets expired data, microseconds. Clients ask again after 2 s,
    /// and the answer to a datagram is not sent after [`Budget::discard_timeout`].
    pub client_timeout: Micros,
    /// The TTL of expired records, seconds. RFC 8767 §4 recommends 30.
    pub ttl_s: u32,
    /// Seconds after a failed lookup for which expired data is served at once and no server is asked; protects servers
    /// that are overloaded (RFC 8767 §5, at least 30).
    pub recheck_s: u32,
}

impl Default for Stale {
    fn default() -> Stale {
        Stale { max_s: 86_400, client_timeout: 1_800 * MILLISECOND, ttl_s: 30, recheck_s: 30 }
    }
}

/// Zones that are answered here instead of being looked up.
pub trait LocalZones: std::fmt::Debug + Send + Sync {
    /// The answer to *name* and *rtype*; None for names outside of these zones.
    fn answer(&self, name: NameRef<'_>, rtype: RrType) -> Option<LocalAnswer>;

    /// What local data, which take precedence over the cache, answer to *name* and *rtype* in a view (0: without one), and where that
    /// is written. They answer clients only: the resolver's own lookups of addresses and keys need what the public DNS holds.
    fn data(&self, view: u16, name: NameRef<'_>, rtype: RrType) -> Option<(LocalAnswer, String)>;
}

/// The answer of a locally served zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalAnswer {
    /// The zone.
    pub apex: Name,
    /// Whether the name does not exist.
    pub nxdomain: bool,
    /// The data; empty for an absence.
    pub answer: Vec<Rrset>,
    /// The SOA RRset of an absence.
    pub authority: Vec<Rrset>,
}

impl Default for ResolverConfig {
    fn default() -> ResolverConfig {
        ResolverConfig {
            hints: Vec::new(),
            forwards: Vec::new(),
            budget: Budget::default(),
            trust_anchors: Vec::new(),
            negative_trust_anchors: Vec::new(),
            sha1: true,
            signature_skew: (3600, 86_400),
            root_key_sentinel: true,
            key_tags: false,
            qname_minimisation: true,
            qname_case_randomisation: false,
            dnssec_ok: true,
            cookies: true,
            cache_only: false,
            nxdomain_cut: false,
            stale: Stale::default(),
            aggressive_nsec: true,
            prefetch: true,
            ipv4: true,
            ipv6: true,
            ask_loopback: false,
            special_use: true,
            local: None,
            local_root: None,
        }
    }
}

impl ResolverConfig {
    /// The forward with the longest suffix at or above *name*, or None. One without servers is an exception from the others.
    pub fn forward_or_exception(&self, name: NameRef<'_>) -> Option<&Forward> {
        self.forwards
            .iter()
            .filter(|forward| name.is_at_or_below(forward.suffix.as_ref()))
            .max_by_key(|forward| forward.suffix.as_ref().label_count())
    }

    /// Where *name* is looked up if neither the cache nor a local zone answers.
    pub fn route(&self, name: NameRef<'_>) -> Route {
        match self.forward_or_exception(name) {
            None => Route::Root { forwards: !self.forwards.is_empty() },
            Some(forward) if forward.servers.is_empty() => Route::Exception(forward.suffix.clone()),
            Some(forward) if forward.mode == ForwardMode::Authoritative => {
                Route::Stub(forward.suffix.clone())
            }
            Some(forward) if forward.suffix.as_ref().is_root() => Route::Forwarders,
            Some(forward) => Route::Conditional(forward.suffix.clone()),
        }
    }

    /// The forward whose servers are asked about *name*, or None.
    pub fn forward(&self, name: NameRef<'_>) -> Option<&Forward> {
        self.forward_or_exception(name).filter(|forward| !forward.servers.is_empty())
    }
}

/// Fixed servers for a suffix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// Names at and below this one go to `servers`.
    pub suffix: Name,
    /// Addresses and ports.
    pub servers: Vec<SocketAddr>,
    /// What the servers are to us.
    pub mode: ForwardMode,
    /// How many forwarders are asked at once; the first good reply counts. With one, a second is asked as well when the first takes
    /// longer than usual.
    pub race: u32,
    /// Whether names are resolved from the root when all forwarders fail.
    pub fallback: bool,
    /// Whether the NS records of the zone itself replace `servers`, which are asked for them (a stub zone).
    pub prime: bool,
}

/// What the servers of a [`Forward`] are to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardMode {
    /// Recursive resolvers: asked with RD, they return whole answers.
    Recursive,
    /// Servers of the zone `suffix` itself: asked without RD, their referrals are followed.
    Authoritative,
}

impl Forward {
    /// Send questions at and below *suffix* to recursive *servers*.
    pub fn new(suffix: Name, servers: Vec<SocketAddr>) -> Forward {
        Forward { suffix, servers, mode: ForwardMode::Recursive, race: 1, fallback: false, prime: false }
    }

    /// Take *servers* to be the servers of the zone *suffix*, whatever its parent says.
    pub fn authoritative(suffix: Name, servers: Vec<SocketAddr>) -> Forward {
        Forward { mode: ForwardMode::Authoritative, ..Forward::new(suffix, servers) }
    }
}

/// Where a chain of trust begins (RFC 4033 §2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrustAnchor {
    /// The digest of a key of the zone *owner*.
    Ds {
        /// The zone.
        owner: Name,
        /// DS rdata, uncompressed.
        rdata: Vec<u8>,
    },
    /// A key of the zone *owner*.
    Dnskey {
        /// The zone.
        owner: Name,
        /// DNSKEY rdata.
        rdata: Vec<u8>,
    },
}

impl fmt::Display for TrustAnchor {
    /// Write the record, as [`TrustAnchor::from_str`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (owner, rtype, rdata) = match self {
            TrustAnchor::Ds { owner, rdata } => (owner, RrType::DS, rdata),
            TrustAnchor::Dnskey { owner, rdata } => (owner, RrType::DNSKEY, rdata),
        };
        let mut text = String::new();
        nw_wire::rr::to_text(rtype, rdata, &mut text);
        write!(f, "{owner} IN {rtype} {text}")
    }
}

impl FromStr for TrustAnchor {
    type Err = String;

    /// Read `. IN DS 20326 8 2 E06D…` or the same with DNSKEY. TTL and class are optional.
    fn from_str(text: &str) -> Result<TrustAnchor, String> {
        let mut words = text.split_ascii_whitespace();
        let owner = words.next().ok_or("empty")?;
        let owner = Name::parse(owner.as_bytes(), None).map_err(|error| error.to_string())?;
        let is_ttl = |word: &str| word.bytes().all(|byte| byte.is_ascii_digit());
        let rtype = words.find(|word| !is_ttl(word) && !word.eq_ignore_ascii_case("IN"));
        let rtype: RrType = rtype.and_then(|word| word.parse().ok()).ok_or("expected DS or DNSKEY")?;
        let rest = words.collect::<Vec<_>>().join(" ");
        let (mut tokens, mut rdata) = (Tokens::new(rest.as_bytes()), Vec::new());
        nw_wire::rr::from_text(rtype, &mut tokens, NameRef::ROOT, &mut rdata)
            .map_err(|error| error.to_string())?;
        match rtype {
            RrType::DS => Ok(TrustAnchor::Ds { owner, rdata }),
            RrType::DNSKEY => Ok(TrustAnchor::Dnskey { owner, rdata }),
            _ => Err("expected DS or DNSKEY".to_owned()),
        }
    }
}
