//! The plan: all settings of a server, as one versioned JSON document.
//!
//! Python compiles the configuration that people write into a plan; `Snapshot::build` turns the plan and the zones into
//! what the workers use. The plan is the interface between the two, so this module defines its form, by version. Reading is
//! strict: an unknown key, a wrong type, a value out of range or a missing zone is an error with its path. All errors
//! are reported at once.
//!
//! ```json
//! {"version": 1,
//!  "server":   {"identity": "a1", "nsid": "6131", "udp_payload": 1232, "tcp": {"idle_ms": 10000}},
//!  "acls":     {"query": ["0.0.0.0/0", "::/0"], "recursion": ["127.0.0.0/8", "::1"], "control_names": {}},
//!  "resolver": {"hints": [{"name": "a.root-servers.net.", "addresses": ["198.41.0.4"]}]},
//!  "zones":    [{"name": "example.com.", "query_acl": ["10.0.0.0/8"]}],
//!  "views":    [{"name": "inside", "clients": ["10.0.0.0/8"], "keys": ["office."]}],
//!  "keys":     [{"name": "office.", "algorithm": "hmac-sha256"}],
//!  "control":  {"opcodes": [5], "max_pending": 1000},
//!  "recorder": {"entries": 1000, "slow_ms": 1000}}
//! ```
//!
//! Every key but `version` may be left out or null and has the default that its field below states; without `resolver`
//! nothing is resolved, without `zones` nothing is served. Additions keep the version; a change of meaning raises it.
//!
//! Secrets of TSIG keys are not part of the plan: see `Snapshot::with_secrets`.
//!
//! *Limitations*: one resolver, which all views share.

mod budget;
mod read;
mod tables;

use std::net::SocketAddr;

use nw_policy::{Acl, Prefix, View};
use nw_resolve::ResolverConfig;
use nw_wire::{Name, Opcode};
use serde_json::Value;

pub use read::PlanError;
use read::{At, Errors};

/// The version that this engine reads.
pub const VERSION: u64 = 1;
/// The most octets of NSID (RFC 5001 leaves it open): a reply of 512 octets must hold it beside any question.
pub const MOST_NSID: usize = 128;

/// A whole plan, checked.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What the server is and how much it takes on.
    pub server: ServerPlan,
    /// Who may ask what.
    pub acls: AclPlan,
    /// How names are resolved. None: they are not.
    pub resolver: Option<ResolverPlan>,
    /// The zones that are served; the data of each is handed to `Snapshot::build` beside the plan.
    pub zones: Vec<ZonePlan>,
    /// Which zones which clients see; the first view that matches a client is its view. Empty: all clients see all zones.
    pub views: Vec<ViewPlan>,
    /// The TSIG keys that requests may be signed with.
    pub keys: Vec<KeyPlan>,
    /// What the control plane answers.
    pub control: ControlPlan,
    /// What the flight recorder keeps.
    pub recorder: RecorderPlan,
}

/// What the server is and how much it takes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerPlan {
    /// Answer to `id.server` and `hostname.bind` in class CH (RFC 4892). None: refused.
    pub identity: Option<String>,
    /// Answer to `version.server` and `version.bind` in class CH. None: refused.
    pub version: Option<String>,
    /// The NSID option's data (RFC 5001), for clients that ask for it. None: not sent.
    pub nsid: Option<Vec<u8>>,
    /// The largest UDP reply and the size offered to clients, octets. 512 to 4096, default 1232: larger ones fragment,
    /// and fragments can be replaced on their way (RFC 9715 §3.2).
    pub udp_payload: u16,
    /// Answer ANY over UDP with one RRset (RFC 8482). Default true: reflection attacks ask for ANY.
    pub minimal_any: bool,
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
    /// Leave it as the data has it.
    #[default]
    Fixed,
    /// Begin the same ring at another record for each query.
    Rotate,
    /// Choose another order for each query.
    Random,
}

/// Limits of TCP, each of which stops one way to starve others (RFC 7766 §6.2, RFC 9210 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpPlan {
    /// Milliseconds without a whole query or an octet taken by the client until a connection is closed. 200 ms to
    /// 10 minutes, default 10 s; stops idle and slow connections from holding slots. It shrinks as slots are taken: to a
    /// hundredth while more than half are, to 200 ms while more than four fifths are, and never below 200 ms.
    pub idle_ms: u32,
    /// Connections open at once in one worker, default 1000; one more ends the idlest of the client prefix that has the most.
    /// Stops floods of connections from using up descriptors and memory.
    pub max_connections: u32,
    /// Connections open at once from one client prefix (an IPv4 address, an IPv6 /64) in one worker, default 100; one more
    /// ends the idlest of them. One client cannot take all slots.
    pub max_per_client: u32,
    /// Queries of one connection in progress at once, default 64; further ones are not read until one is answered.
    pub max_pipelined: u32,
    /// Octets of responses kept for one connection that does not read them, default 256 KiB; above it nothing more is read
    /// from it, and it is closed when it has taken nothing for `idle_ms`. Stops clients that ask and never read.
    pub max_unsent: u32,
    /// Milliseconds until a connection takes no more queries, 200 ms to 1 day, default 1 hour. Stops clients that
    /// query just often enough from holding their slots forever.
    pub max_lifetime_ms: u32,
    /// Queries of one connection, default 0, which means any number; after the last one it is closed. Makes clients
    /// that ask all the time come back, and be spread over the workers anew.
    pub max_queries: u32,
}

/// Who may ask what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AclPlan {
    /// Who is answered at all. Default everybody.
    pub query: Acl,
    /// For whom the server recurses. Default loopback.
    pub recursion: Acl,
    /// Who may read the cache with queries that do not ask for recursion. None: as `recursion`. Others could watch what the
    /// clients of this server ask for (cache snooping).
    pub cache: Option<Acl>,
    /// Who may ask for a name in class CH, by lower-case name without final dot; others as `query`.
    pub control_names: Vec<(Name, Acl)>,
}

/// How names are resolved.
#[derive(Clone, Debug)]
pub struct ResolverPlan {
    /// What the resolver is told, `budget` included.
    pub config: ResolverConfig,
    /// Where packets to servers really go. None: to the servers.
    pub routes: Option<Vec<RoutePlan>>,
    /// Queries that leave from one random port before it is closed, 1 to 1000, default 8. One is what an attacker who
    /// watches a server of his can learn least from, and costs most (docs/decisions/0101-upstream-ports.md).
    pub port_uses: u32,
    /// Locally served zones (`local_zones.rs`) that are looked up all the same; the root stands for all of them.
    pub local_zones_off: Vec<Name>,
    /// Limits of connections to upstream servers.
    pub streams: StreamPlan,
}

/// Limits of connections to upstream servers (RFC 7766 §6.2): stop servers that accept and never reply from holding
/// descriptors and queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamPlan {
    /// Connections open at once in one worker to all servers, 1 to 100,000, default 128; one more ends the one that has been
    /// silent longest.
    pub max_connections: u32,
    /// Connections open at once in one worker to one server, 1 to 1000, default 2. Queries share them.
    pub max_per_server: u32,
    /// Queries under way at once on one connection, 1 to 10,000, default 100; further ones wait.
    pub max_pipelined: u32,
    /// Milliseconds that a connection stays open when nothing is under way on it, 0 to 10 minutes, default 5 s.
    pub idle_ms: u32,
    /// Milliseconds until a connection gets no more queries, 200 ms to 1 day, default 5 minutes.
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

/// One line of a routing table for a private internet on loopback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoutePlan {
    /// Packets to these addresses, any port, ...
    pub prefix: Prefix,
    /// ... go to this loopback address and port.
    pub to: SocketAddr,
}

/// A zone that is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZonePlan {
    /// Its apex.
    pub name: Name,
    /// Who may ask for it. None: as `acls.query`.
    pub query_acl: Option<Acl>,
    /// Whether a name that the zone does not hold is answered from the zone above it or by the resolver, as if the zone were
    /// not there, instead of NXDOMAIN. Default false.
    pub overlay: bool,
}

/// A view: which zones some clients see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewPlan {
    /// Its name and whom it is for.
    pub view: View,
    /// The zones that its clients see. None: all.
    pub zones: Option<Vec<Name>>,
    /// Whether its clients share the cache with those of all other views that do, instead of having entries of their own.
    /// Default false: what is looked up for one view is not shown to another.
    pub shared_cache: bool,
}

/// A TSIG key; the secret is given to `Snapshot::with_secrets`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPlan {
    /// The key's name.
    pub name: Name,
    /// The algorithm's name in TSIG records, as `hmac-sha256.` (RFC 8945 §6).
    pub algorithm: Name,
}

/// What the control plane answers, and how many of these requests wait for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlPlan {
    /// The opcodes whose requests it answers, 1 to 15. Default none.
    pub opcodes: Vec<Opcode>,
    /// Requests that wait for it at once, 1 to 65,536, default 1000; one more gets SERVFAIL. Stops a flood of requests from
    /// filling the memory, for each is kept with its packet.
    pub max_pending: u32,
    /// Milliseconds until a request that it has not answered gets SERVFAIL, 10 ms to 1 minute, default 5 s.
    pub timeout_ms: u32,
}

impl Default for ControlPlan {
    fn default() -> ControlPlan {
        ControlPlan { opcodes: Vec::new(), max_pending: 1000, timeout_ms: 5_000 }
    }
}

/// What the flight recorder keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecorderPlan {
    /// Queries kept, oldest dropped first; 0 to 1,000,000, default 1000.
    pub entries: u32,
    /// Octets of memory for them, oldest dropped first; 64 KiB to 1 GiB, default 8 MiB. Stops lookups of hundreds of steps
    /// from filling the memory. Refusals and failures without a lookup get an eighth, so that a flood of them does not
    /// displace what lookups left.
    pub bytes: u32,
    /// A query that took at least this long is kept although it was answered, milliseconds, default 1000.
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
        AclPlan { query: Acl::any(), recursion: Acl::loopback(), cache: None, control_names: Vec::new() }
    }
}

impl Default for RecorderPlan {
    fn default() -> RecorderPlan {
        RecorderPlan { entries: 1000, bytes: 8 << 20, slow_ms: 1000 }
    }
}

impl Plan {
    /// Read a plan, or say everything that is wrong with it.
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
