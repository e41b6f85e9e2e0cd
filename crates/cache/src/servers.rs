//! Statistics of servers: round-trip time, reachability, EDNS support, lameness.
//!
//! The smoothed round-trip time and the timeout follow RFC 6298 §2: `srtt + 4 rttvar`, doubled by each consecutive
//! timeout. After several consecutive timeouts, a server rests: for a growing time, it is not queried while others
//! are available. A round-trip time that is not measured again is halved periodically, so that a server that was slow
//! once is tried again.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use nw_wire::message::Oddities;
use nw_wire::name::NameRef;

use crate::table::{Kept, Table, remove_all};
use crate::{Micros, lock};

/// The number of consecutive timeouts after which a server rests.
const TIMEOUTS_BEFORE_REST: u8 = 3;
/// The first rest period. It doubles with each further timeout.
const FIRST_REST: Micros = 2_000_000;
/// The maximum rest period.
const LONGEST_REST: Micros = 120_000_000;
/// The rest period of a server that the network reports as unreachable.
const UNREACHABLE_REST: Micros = 5_000_000;
/// How long the cache remembers that a server does not support EDNS.
const WITHOUT_EDNS: Micros = 900_000_000;
/// How long the cache remembers that a server changes the case of the question.
const CHANGES_CASE: Micros = 900_000_000;
/// How long the cache remembers that a server is lame for a zone.
const LAME: Micros = 300_000_000;
/// The interval at which a round-trip time without new measurements is halved.
const HALF_LIFE: Micros = 180_000_000;
/// The maximum number of times that consecutive timeouts double the timeout.
const MOST_DOUBLINGS: u8 = 4;
/// How long a server is remembered after its last reply.
const FORGOTTEN: Micros = 3_600_000_000;

/// A server's support of EDNS (RFC 6891 §6.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum EdnsSupport {
    /// Not known yet.
    #[default]
    Unknown,
    /// The server has replied with OPT.
    Yes,
    /// The server has refused OPT, or replied only without it.
    No,
}

/// The statistics of one server at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ServerNote {
    /// The smoothed round-trip time, reduced with age. None if the server has never replied.
    pub srtt: Option<Micros>,
    /// The time to wait for a reply. None if nothing is known.
    pub timeout: Option<Micros>,
    /// Timeouts since its last reply.
    pub timeouts: u8,
    /// The end of its rest period, if it rests.
    pub rests_until: Option<Micros>,
    /// Whether it supports EDNS.
    pub edns: EdnsSupport,
    /// Whether its replies repeat the question in another case.
    pub changes_case: bool,
}

#[derive(Clone, Copy)]
struct Server {
    address: SocketAddr,
    /// 0 if the server never replied.
    srtt: u32,
    rttvar: u32,
    timeouts: u8,
    edns: EdnsSupport,
    rests_until: Micros,
    edns_until: Micros,
    /// It is known to change the case of the question until then.
    changes_case_until: Micros,
    heard: Micros,
    /// The time of the last counted timeout.
    timed_out: Micros,
}

impl Kept for Server {
    fn octets(&self) -> usize {
        0
    }

    fn expired(&self, now: Micros) -> bool {
        now >= self.heard.saturating_add(FORGOTTEN) && now >= self.rests_until
    }
}

/// The way in which a server is lame for a zone that is delegated to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lameness {
    /// It answers from recursion. It is used only if no other server answers.
    Unauthoritative,
    /// It gives no answer.
    NotServed,
}

/// A server that is lame for a zone that is delegated to it.
struct Lame {
    address: SocketAddr,
    zone: u64,
    how: Lameness,
    until: Micros,
}

impl Kept for Lame {
    fn octets(&self) -> usize {
        0
    }

    fn expired(&self, now: Micros) -> bool {
        now >= self.until
    }
}

/// Counters of replies that were used although parts of them were ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OddReplies {
    /// Replies with octets after the last record.
    pub trailing_octets: u64,
    /// Replies with an OPT record too many or out of place.
    pub extra_opt: u64,
    /// Replies with a record whose rdata is not valid for its type.
    pub malformed_record: u64,
    /// Errors that did not repeat the question.
    pub no_question: u64,
}

/// The statistics of all servers, shared by all workers.
pub struct Servers {
    /// Counters in the order of the fields of [`OddReplies`].
    odd: [AtomicU64; 4],
    known: Mutex<Table<Server>>,
    lame: Mutex<Table<Lame>>,
}

/// The keyed hash of the address of a server.
fn hash_of(address: SocketAddr) -> u32 {
    let bits = match address {
        SocketAddr::V4(v4) => u128::from(v4.ip().to_bits()),
        SocketAddr::V6(v6) => v6.ip().to_bits(),
    };
    let key = nw_wire::hash::key();
    let hash = key.number(bits ^ u128::from(key.number(u128::from(address.port()))));
    (hash >> 32) as u32 ^ hash as u32
}

impl Servers {
    pub(crate) fn new(octets: usize) -> Servers {
        Servers {
            odd: Default::default(),
            known: Mutex::new(Table::new(octets / 4 * 3)),
            lame: Mutex::new(Table::new(octets / 4)),
        }
    }

    /// Return the statistics of `address` at `now`.
    pub fn note(&self, address: SocketAddr, now: Micros) -> ServerNote {
        let hash = hash_of(address);
        let mut known = lock(&self.known);
        let Some(server) = known.find(hash, |server| server.address == address) else {
            return ServerNote::default();
        };
        let edns = match server.edns {
            EdnsSupport::No if now >= server.edns_until => EdnsSupport::Unknown,
            edns => edns,
        };
        let doublings = server.timeouts.min(MOST_DOUBLINGS);
        let (srtt, timeout) = if server.srtt == 0 {
            (None, None)
        } else {
            let halves = (now.saturating_sub(server.heard) / HALF_LIFE).min(20) as u32;
            let base = server.srtt as Micros + 4 * server.rttvar as Micros;
            (Some(server.srtt as Micros >> halves), Some(base << doublings))
        };
        ServerNote {
            srtt,
            timeout,
            timeouts: server.timeouts,
            rests_until: Some(server.rests_until).filter(|&until| until > now),
            edns,
            changes_case: now < server.changes_case_until,
        }
    }

    /// Update the statistics of `address`.
    fn change(&self, address: SocketAddr, now: Micros, change: impl FnOnce(&mut Server)) {
        let hash = hash_of(address);
        let mut known = lock(&self.known);
        if let Some(server) = known.find(hash, |server| server.address == address) {
            change(server);
            return;
        }
        let mut server = Server {
            address,
            srtt: 0,
            rttvar: 0,
            timeouts: 0,
            edns: EdnsSupport::Unknown,
            rests_until: 0,
            edns_until: 0,
            changes_case_until: 0,
            heard: now,
            timed_out: 0,
        };
        change(&mut server);
        known.put(hash, server, now, |server| server.address == address);
    }

    /// Record that `address` replied after `took`, with OPT or without. RFC 6298 §2.
    pub fn replied(&self, address: SocketAddr, took: Micros, with_opt: bool, now: Micros) {
        let took = u32::try_from(took).unwrap_or(u32::MAX).clamp(1, 60_000_000);
        self.change(address, now, |server| {
            if server.srtt == 0 {
                (server.srtt, server.rttvar) = (took, took / 2);
            } else {
                server.rttvar = server.rttvar / 4 * 3 + server.srtt.abs_diff(took) / 4;
                server.srtt = (server.srtt / 8 * 7 + took / 8).max(1);
            }
            (server.timeouts, server.rests_until, server.heard) = (0, 0, now);
            if with_opt {
                server.edns = EdnsSupport::Yes;
            }
        });
    }

    /// Record a timeout of `address` for a query sent at `sent`.
    ///
    /// Only one of several concurrent queries counts.
    pub fn timed_out(&self, address: SocketAddr, sent: Micros, now: Micros) {
        self.change(address, now, |server| {
            if sent < server.timed_out || sent < server.heard && server.srtt != 0 {
                return;
            }
            server.timed_out = now;
            server.timeouts = server.timeouts.saturating_add(1);
            if server.timeouts >= TIMEOUTS_BEFORE_REST {
                let doublings = (server.timeouts - TIMEOUTS_BEFORE_REST).min(8);
                server.rests_until = now + (FIRST_REST << doublings).min(LONGEST_REST);
            }
        });
    }

    /// Record that the network reports `address` as unreachable.
    pub fn unreachable(&self, address: SocketAddr, now: Micros) {
        self.change(address, now, |server| server.rests_until = now + UNREACHABLE_REST);
    }

    /// Record that `address` does not support EDNS.
    pub fn without_edns(&self, address: SocketAddr, now: Micros) {
        self.change(address, now, |server| {
            (server.edns, server.edns_until) = (EdnsSupport::No, now + WITHOUT_EDNS);
        });
    }

    /// *address* repeats the question in another case. The caller knows that the reply was not forged.
    pub fn changed_case(&self, address: SocketAddr, now: Micros) {
        self.change(address, now, |server| server.changes_case_until = now + CHANGES_CASE);
    }

    /// Count the faults that were ignored in a reply. `no_question`: it lacks the question.
    pub fn odd(&self, oddities: Oddities, no_question: bool) {
        let Oddities { trailing_octets, extra_opt, malformed_records } = oddities;
        let odd = [trailing_octets > 0, extra_opt > 0, malformed_records > 0, no_question];
        for (count, _) in self.odd.iter().zip(odd).filter(|(_, odd)| *odd) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Return the counters of replies with ignored faults.
    pub fn odd_replies(&self) -> OddReplies {
        let [trailing_octets, extra_opt, malformed_record, no_question] =
            [0, 1, 2, 3].map(|at: usize| self.odd[at].load(Ordering::Relaxed));
        OddReplies { trailing_octets, extra_opt, malformed_record, no_question }
    }

    /// Record that `address` is lame for `zone`.
    pub fn lame(&self, address: SocketAddr, zone: NameRef<'_>, how: Lameness, now: Micros) {
        let (hash, zone) = (hash_of(address), zone.hash64());
        let note = Lame { address, zone, how, until: now + LAME };
        lock(&self.lame)
            .put(hash ^ zone as u32, note, now, |lame| lame.address == address && lame.zone == zone);
    }

    /// Return in which way `address` is lame for `zone`, or None if it is not known to be lame.
    pub fn lameness(&self, address: SocketAddr, zone: NameRef<'_>, now: Micros) -> Option<Lameness> {
        let mut lame = lock(&self.lame);
        if lame.len() == 0 {
            return None;
        }
        let (hash, zone) = (hash_of(address), zone.hash64());
        lame.find(hash ^ zone as u32, |lame| lame.address == address && lame.zone == zone)
            .filter(|lame| now < lame.until)
            .map(|lame| lame.how)
    }

    /// Remove everything.
    pub fn clear(&self) {
        remove_all(&self.known, |_| true);
        remove_all(&self.lame, |_| true);
    }

    /// The number of known servers.
    pub fn len(&self) -> usize {
        lock(&self.known).len()
    }

    /// Return whether no server is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn octets(&self) -> usize {
        lock(&self.known).octets() + lock(&self.lame).octets()
    }
}
