//! The plan: all settings of a server, as one versioned JSON document.
//!
//! Python compiles the configuration file into a plan. `Snapshot::build` turns the plan and the zones into the data
//! that workers use. The plan is the interface between the two, so this module defines its form, by version. The
//! reader is strict: an unknown key, a wrong type, a value out of range or a missing zone is an error with its path.
//! It reports all errors at once.
//!
//! ```json
//! {"version": 1,
//!  "server":   {"identity": "a1", "nsid": "6131", "udp_payload": 1232, "tcp": {"idle_ms": 10000}},
//!  "acls":     {"query": ["0.0.0.0/0", "::/0"], "recursion": ["127.0.0.0/8", "::1"], "control_names": {}},
//!  "resolver": {"hints": [{"name": "a.root-servers.net.", "addresses": ["198.41.0.4"]}]},
//!  "zones":    [{"name": "example.com.", "query_acl": ["10.0.0.0/8"], "transfer": [{"key": "office."}],
//!                "update": [{"key": "office.", "clients": ["10.0.0.1"]}]}],
//!  "views":    [{"name": "inside", "clients": ["10.0.0.0/8"], "keys": ["office."]}],
//!  "keys":     [{"name": "office.", "algorithm": "hmac-sha256"}],
//!  "transfers": {"most": 100, "history_bytes": 1048576},
//!  "control":  {"opcodes": [5], "max_pending": 1000},
//!  "recorder": {"entries": 1000, "slow_ms": 1000}}
//! ```
//!
//! Every key except `version` may be absent or null, and then has the default that its field below states. Without
//! `resolver`, the server resolves nothing. Without `zones`, it serves no zones. Additions keep the version; a change
//! of meaning raises it.
//!
//! The plan does not contain the secrets of TSIG keys: see `Snapshot::with_secrets`.
//!
//! *Limitations*: all views share one resolver.

mod budget;
mod detect;
mod local;
mod read;
mod tables;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use nw_policy::{Acl, DetectSettings, Prefix, RrlSettings, View};
use nw_resolve::ResolverConfig;
use nw_wire::{Name, NameRef, Opcode};
use serde_json::Value;

use crate::filter::Nat64;
use crate::local_data::LocalData;

pub use read::PlanError;
use read::{At, Errors};

/// The version that this engine reads.
pub const VERSION: u64 = 1;
/// Maximum NSID length. RFC 5001 sets none. A response of 512 octets must hold the NSID together with any question.
pub const MOST_NSID: usize = 128;

/// A complete, checked plan.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The server's identity and limits.
    pub server: ServerPlan,
    /// The access lists.
    pub acls: AclPlan,
    /// The resolver's settings. None: the server does not resolve names.
    pub resolver: Option<ResolverPlan>,
    /// The served zones. `Snapshot::build` receives their data separately.
    pub zones: Vec<ZonePlan>,
    /// The zones that each group of clients sees. The first view that matches a client applies. Empty: all clients
    /// see all zones.
    pub views: Vec<ViewPlan>,
    /// The TSIG keys that may sign requests.
    pub keys: Vec<KeyPlan>,
    /// The prefixes of DNS64 (`filter/dns64.rs`). Default none.
    pub dns64: Vec<Dns64Plan>,
    /// The clients that get no IPv6 addresses (`filter/no_aaaa.rs`). Default none.
    pub no_aaaa: Option<NoAaaaPlan>,
    /// Protection from DNS rebinding (`filter/rebinding.rs`). Default none.
    pub rebinding: Option<RebindingPlan>,
    /// Limits of responses (`crates/policy/src/rrl.rs`). Default none.
    pub rrl: Option<RrlSettings>,
    /// Detection of tunnels and amplification (`crates/policy/src/detect.rs`). Default none.
    pub detect: Option<DetectSettings>,
    /// The limits of zone transfers to clients.
    pub transfers: TransfersPlan,
    /// The requests that the control plane answers.
    pub control: ControlPlan,
    /// The limits of the flight recorder.
    pub recorder: RecorderPlan,
}

/// The server's identity and limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerPlan {
    /// Answer to `id.server` and `hostname.bind` in class CH (RFC 4892). None: refused.
    pub identity: Option<String>,
    /// Answer to `version.server` and `version.bind` in class CH. None: refused.
    pub version: Option<String>,
    /// The data of the NSID option (RFC 5001), for clients that ask for it. None: not sent.
    pub nsid: Option<Vec<u8>>,
    /// The largest UDP response and the payload size advertised to clients, in octets. 512 to 4096, default 1232.
    /// Larger responses fragment, and an attacker can replace fragments in transit (RFC 9715 §3.2).
    pub udp_payload: u16,
    /// Whether ANY over UDP is answered with one RRset (RFC 8482). Default true, because reflection attacks use ANY.
    pub minimal_any: bool,
    /// Whether answers are sent without the additional records that the client can ask for. Default false.
    pub minimal_responses: bool,
    /// The order of addresses in answers. Default fixed.
    pub rrset_order: RrsetOrder,
    /// Limits of TCP.
    pub tcp: TcpPlan,
    /// Worker threads, 1 to 1024, default 1. Each has its own sockets.
    pub workers: u16,
}

/// The order of the A and AAAA records of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RrsetOrder {
    /// Keeps the order of the data.
    #[default]
    Fixed,
    /// Rotates the records by a different offset for each query.
    Rotate,
    /// Chooses a random order for each query.
    Random,
}

/// Limits of TCP. Each one prevents one way to exhaust resources (RFC 7766 §6.2, RFC 9210 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpPlan {
    /// Milliseconds without a complete query or an octet read by the client before a connection is closed. 200 ms to
    /// 10 minutes, default 10 s. Stops idle and slow connections from holding slots. The time shrinks to a hundredth
    /// when more than half of the slots are in use, and to 200 ms when more than four fifths are. It is never below
    /// 200 ms.
    pub idle_ms: u32,
    /// Maximum number of open connections of one worker, default 1000. A further connection closes the most idle one
    /// of the client prefix with the most connections. Stops connection floods from exhausting descriptors and
    /// memory.
    pub max_connections: u32,
    /// Maximum number of open connections of one client prefix (an IPv4 address, an IPv6 /64) in one worker, default
    /// 100. A further connection closes the most idle one of that prefix. Stops one client from taking all slots.
    pub max_per_client: u32,
    /// Maximum number of queries in progress on one connection, default 64. Further queries are not read until one is
    /// answered.
    pub max_pipelined: u32,
    /// Octets of unread responses kept for one connection, default 256 KiB. Above the limit, the server stops reading
    /// from the connection, and closes it after `idle_ms` without progress. Stops clients that ask and never read.
    pub max_unsent: u32,
    /// Milliseconds until a connection accepts no more queries, 200 ms to 1 day, default 1 hour. Stops clients that
    /// query just often enough from holding their slots forever. After twice that time it ends, even if an answer is not
    /// sent whole. Stops clients that read a zone transfer just fast enough from holding its version forever.
    pub max_lifetime_ms: u32,
    /// Maximum number of queries on one connection, default 0, which means no limit. The connection closes after the
    /// last one. Makes busy clients reconnect, so that they are distributed over the workers again.
    pub max_queries: u32,
}

/// The access lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AclPlan {
    /// The clients that the server answers. Default all.
    pub query: Acl,
    /// The clients for which the server recurses. Default loopback.
    pub recursion: Acl,
    /// The clients that may read the cache with queries without RD. None: as `recursion`. Other clients could observe
    /// which names the server's clients query (cache snooping).
    pub cache: Option<Acl>,
    /// The clients that get the number under which the flight recorder keeps their answer, if they ask for it
    /// (`receipt.rs`). Default loopback: each such answer costs a record.
    pub receipts: Acl,
    /// The clients that may query a name in class CH, by lower-case name without final dot. Other names use `query`.
    pub control_names: Vec<(Name, Acl)>,
}

/// The settings of the resolver.
#[derive(Clone, Debug)]
pub struct ResolverPlan {
    /// The resolver's configuration, including `budget`.
    pub config: ResolverConfig,
    /// The destinations that replace the addresses of upstream servers. None: packets go to the servers.
    pub routes: Option<Vec<RoutePlan>>,
    /// Queries sent from one random port before it is closed, 1 to 1000, default 8. A value of 1 reveals the least to
    /// an attacker who controls a server, and costs the most (docs/decisions/0101-upstream-ports.md).
    pub port_uses: u32,
    /// Locally served zones (`local_zones.rs`) that are looked up instead. The root turns all of them off.
    pub local_zones_off: Vec<Name>,
    /// Hosts files, local records and local zones (`local_data.rs`) of all clients. Default none.
    pub local: Arc<LocalData>,
    /// Local records and local zones of single views, by the name of the view. Default none.
    pub local_of_views: HashMap<String, Arc<LocalData>>,
    /// Limits of connections to upstream servers.
    pub streams: StreamPlan,
}

/// Limits of connections to upstream servers (RFC 7766 §6.2). They stop servers that accept and never reply from
/// holding descriptors and queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamPlan {
    /// Maximum number of open connections of one worker to all servers, 1 to 100,000, default 128. A further
    /// connection closes the one that has been silent longest.
    pub max_connections: u32,
    /// Maximum number of open connections of one worker to one server, 1 to 1000, default 2. Queries share them.
    pub max_per_server: u32,
    /// Maximum number of queries in progress on one connection, 1 to 10,000, default 100. Further queries wait.
    pub max_pipelined: u32,
    /// Milliseconds that a connection without queries in progress stays open, 0 to 10 minutes, default 5 s.
    pub idle_ms: u32,
    /// Milliseconds until a connection accepts no more queries, 200 ms to 1 day, default 5 minutes.
    pub lifetime_ms: u32,
}

impl Default for StreamPlan {
    fn default() -> StreamPlan {
        StreamPlan {
            max_connections: 128,
            max_per_server: 2,
            max_pipelined: 100,
            idle_ms: 5_000,
            lifetime_ms: 300_000,
        }
    }
}

impl ResolverPlan {
    /// The default of `port_uses`.
    pub const PORT_USES: u32 = 8;
}

/// A prefix of DNS64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns64Plan {
    /// The prefix of the NAT64.
    pub prefix: Nat64,
    /// The clients that it serves. Default all.
    pub clients: Acl,
    /// The IPv4 addresses that it maps. Default all.
    pub mapped: Acl,
    /// The AAAA records that count as absent. Default `::ffff:0:0/96`.
    pub exclude: Vec<Prefix>,
}

/// Protection from DNS rebinding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RebindingPlan {
    /// Addresses that public names must not have.
    pub private: Acl,
    /// Names that may have them, with those below.
    pub allow: Vec<Name>,
    /// Whether the whole answer is refused.
    pub refuse: bool,
    /// Where it is turned on: file and line.
    pub source: String,
}

/// The clients that get no IPv6 addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoAaaaPlan {
    /// The clients.
    pub clients: Acl,
    /// Where they are listed: file and line.
    pub source: String,
}

/// One entry of a routing table for a private internet on loopback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoutePlan {
    /// Packets to these addresses, any port, ...
    pub prefix: Prefix,
    /// ... go to this loopback address and port.
    pub to: SocketAddr,
}

/// A served zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZonePlan {
    /// Its apex.
    pub name: Name,
    /// The clients that may query it. None: as `acls.query`.
    pub query_acl: Option<Acl>,
    /// Whether a name that the zone does not contain is answered from the zone above it or by the resolver, as if the
    /// zone did not exist, instead of with NXDOMAIN. Default false.
    pub overlay: bool,
    /// Who may say that the zone has changed (RFC 1996). None: nobody, the zone is no copy.
    pub notify: Option<Vec<ClientRule>>,
    /// Who may transfer it (AXFR, IXFR). Default nobody: a transfer reveals every name at the price of one query.
    pub transfer: Vec<ClientRule>,
    /// Who may send updates (RFC 2136). Default nobody.
    pub update: Vec<ClientRule>,
    /// Whether the control plane forwards these updates to a primary (RFC 2136 §6): those that are signed with a key that only
    /// the primary knows pass. Default false.
    pub forwards_updates: bool,
}

/// Clients that may do something with a zone: those that fulfil both conditions. At least one of them is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientRule {
    /// Their addresses. None: any.
    pub clients: Option<Acl>,
    /// The TSIG key that signs their requests. None: any, or none.
    pub key: Option<Name>,
}

impl ClientRule {
    /// Whether it admits a request from the address `client`, signed and verified with `key`.
    #[must_use]
    pub fn admits(&self, client: IpAddr, key: Option<NameRef<'_>>) -> bool {
        self.clients.as_ref().is_none_or(|clients| clients.allows(client))
            && self.key.as_ref().is_none_or(|wanted| key == Some(wanted.as_ref()))
    }
}

/// Limits of zone transfers to clients (AXFR and IXFR over streams). Each transfer in progress keeps the version of the zone that
/// it sends, so that clients that read slowly could fill the memory with old versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransfersPlan {
    /// Maximum number of transfers in progress, 1 to 100,000, default 100. A further one fails with SERVFAIL.
    pub most: u32,
    /// Maximum number of transfers of one zone in progress, 1 to 100,000, default 50. Stops the secondaries of one large zone from
    /// keeping out those of the others.
    pub most_per_zone: u32,
    /// Maximum number of transfers to one client prefix (an IPv4 address, an IPv6 /64) in progress, 1 to 100,000, default 20.
    /// Stops one client from keeping out the others.
    pub most_per_client: u32,
    /// Maximum octets of the differences that are kept of each zone with `transfer` for IXFR, 0 to 1 TiB, default 1 MiB. The oldest
    /// go first, and IXFR from an older version sends the whole zone. Stops a client that may change a zone from filling the memory.
    pub history_bytes: u64,
}

impl Default for TransfersPlan {
    fn default() -> TransfersPlan {
        TransfersPlan { most: 100, most_per_zone: 50, most_per_client: 20, history_bytes: 1 << 20 }
    }
}

/// A view: the zones that a group of clients sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewPlan {
    /// Its name and clients.
    pub view: View,
    /// The zones that its clients see. None: all.
    pub zones: Option<Vec<Name>>,
    /// Whether its clients share the cache with all other views that set this, instead of having separate entries.
    /// Default false: a view does not see the lookups of another view. A view with local data of its own never shares.
    pub shared_cache: bool,
    /// Whether the local data of all clients apply to its clients as well, behind its own. Default true.
    pub common_local: bool,
}

/// A TSIG key. `Snapshot::with_secrets` receives the secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPlan {
    /// The key's name.
    pub name: Name,
    /// The algorithm's name in TSIG records, for example `hmac-sha256.` (RFC 8945 §6).
    pub algorithm: Name,
}

/// The requests that the control plane answers, and the limits of those that wait for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlPlan {
    /// The opcodes that it answers, 1 to 15. Default none.
    pub opcodes: Vec<Opcode>,
    /// Maximum number of waiting requests, 1 to 65,536, default 1000. A further request gets SERVFAIL. Stops a flood
    /// of requests from filling the memory, because each one is kept with its packet.
    pub max_pending: u32,
    /// Milliseconds until an unanswered request gets SERVFAIL, 10 ms to 1 minute, default 5 s.
    pub timeout_ms: u32,
}

impl Default for ControlPlan {
    fn default() -> ControlPlan {
        ControlPlan { opcodes: Vec::new(), max_pending: 1000, timeout_ms: 5_000 }
    }
}

/// The limits of the flight recorder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecorderPlan {
    /// Maximum number of queries kept, 0 to 1,000,000, default 1000. The oldest are dropped first.
    pub entries: u32,
    /// Maximum memory of the queries in octets, 64 KiB to 1 GiB, default 8 MiB. The oldest are dropped first. Stops
    /// lookups of hundreds of steps from filling the memory. Refusals and failures without a lookup get an eighth of
    /// it, and receipts another, so that a flood of them does not displace lookups.
    pub bytes: u32,
    /// Milliseconds after which a query is slow, default 1000. The recorder keeps slow queries even if they were
    /// answered.
    pub slow_ms: u32,
}

impl Default for ServerPlan {
    fn default() -> ServerPlan {
        ServerPlan {
            identity: None,
            version: None,
            nsid: None,
            udp_payload: 1232,
            minimal_any: true,
            minimal_responses: false,
            rrset_order: RrsetOrder::Fixed,
            tcp: TcpPlan::default(),
            workers: 1,
        }
    }
}

impl Default for TcpPlan {
    fn default() -> TcpPlan {
        TcpPlan {
            idle_ms: 10_000,
            max_connections: 1000,
            max_per_client: 100,
            max_pipelined: 64,
            max_unsent: 256 << 10,
            max_lifetime_ms: 3_600_000,
            max_queries: 0,
        }
    }
}

impl Default for AclPlan {
    fn default() -> AclPlan {
        AclPlan {
            query: Acl::any(),
            recursion: Acl::loopback(),
            cache: None,
            receipts: Acl::loopback(),
            control_names: Vec::new(),
        }
    }
}

impl Default for RecorderPlan {
    fn default() -> RecorderPlan {
        RecorderPlan { entries: 1000, bytes: 8 << 20, slow_ms: 1000 }
    }
}

impl Plan {
    /// Read a plan, or return all of its errors.
    pub fn parse(json: &[u8]) -> Result<Plan, Vec<PlanError>> {
        let value: Value = serde_json::from_slice(json).map_err(|error| {
            let message = format!("not JSON: {error}");
            vec![PlanError { path: String::new(), message }]
        })?;
        let mut errors = Errors::default();
        match tables::read_plan(&At::root(&value), &mut errors) {
            Some(plan) if errors.0.is_empty() => Ok(plan),
            _ => Err(errors.0),
        }
    }
}

#[cfg(test)]
mod tests;
