//! What is known about servers: round-trip time, reachability, EDNS support, lameness.
//!
//! The smoothed round-trip time and the timeout follow RFC 6298 §2: `srtt + 4 rttvar`, doubled by each timeout in a row. After
//! several timeouts in a row a server rests: it is not asked for a growing time while others are there. A round-trip time that
//! is not measured again halves with time, so that a server that was slow once is tried again.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use nw_wire::message::Oddities;
use nw_wire::name::NameRef;

use crate::table::{Kept, Table, remove_all};
use crate::{Micros, lock};

/// Timeouts in a row after which a server rests.
const TIMEOUTS_BEFORE_REST: u8 = 3;
/// The first rest; it doubles with each further timeout.
const FIRST_REST: Micros = 2_000_000;
/// The longest rest.
const LONGEST_REST: Micros = 120_000_000;
/// The rest of a server that the network reports as unreachable.
const UNREACHABLE_REST: Micros = 5_000_000;
/// How long it is remembered that a server does not understand EDNS.
const WITHOUT_EDNS: Micros = 900_000_000;
/// How long it is remembered that a server is lame for a zone.
const LAME: Micros = 300_000_000;
/// The time after which a round-trip time that was not measured again counts half.
const HALF_LIFE: Micros = 180_000_000;
/// Doublings of the timeout that timeouts in a row can bring.
const MOST_DOUBLINGS: u8 = 4;
/// How long a server is remembered after its last reply.
const FORGOTTEN: Micros = 3_600_000_000;

/// A server's support of EDNS (RFC 6891 §6.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum EdnsSupport {
    /// Not known yet.
    #[default]
    Unknown,
    /// It has replied with OPT.
    Yes,
    /// It has refused OPT, or replied only without.
    No,
}

/// What is known about one server at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ServerNote {
    /// The smoothed round-trip time, halved with age; None when the server has never replied.
    pub srtt: Option<Micros>,
    /// How long to wait for it; None when nothing is known.
    pub timeout: Option<Micros>,
    /// Timeouts since its last reply.
    pub timeouts: u8,
    /// When its rest ends, if it rests.
    pub rests_until: Option<Micros>,
    /// Whether it understands EDNS.
    pub edns: EdnsSupport,
}

#[derive(Clone, Copy)]
struct Server {
    address: SocketAddr,
    /// 0: never replied.
    srtt: u32,
    rttvar: u32,
    timeouts: u8,
    edns: EdnsSupport,
    rests_until: Micros,
    edns_until: Micros,
    heard: Micros,
    /// When a timeout was last counted.
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

/// In which way a server does not serve a zone delegated to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lameness {
    /// It answers for the zone from recursion: of use when no other server does.
    Unauthoritative,
    /// It gives no answer.
    NotServed,
}

/// A server that does not serve a zone delegated to it.
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

/// Replies that were used although something in them had to be ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OddReplies {
    /// With octets after the last record.
    pub trailing_octets: u64,
    /// With an OPT record too many or out of place.
    pub extra_opt: u64,
    /// With a record whose rdata is not of its type.
    pub malformed_record: u64,
    /// Errors that did not repeat the question.
    pub no_question: u64,
}

/// What is known about all servers. Shared between workers.
pub struct Servers {
    /// In the order of the fields of [`OddReplies`].
    odd: [AtomicU64; 4],
    known: Mutex<Table<Server>>,
    lame: Mutex<Table<Lame>>,
}

/// The keyed hash of a server's address.
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

    /// What is known of *address* at *now*.
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
        }
    }

    /// Change what is known of *address*.
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
            heard: now,
            timed_out: 0,
        };
        change(&mut server);
        known.put(hash, server, now, |server| server.address == address);
    }

    /// *address* replied after *took*, with OPT or without. RFC 6298 §2.
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

    /// Count a timeout of *address* for a query that left at *sent*.
    ///
    /// Of several queries outstanding at once only one counts.
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

    /// The network reports that *address* is unreachable.
    pub fn unreachable(&self, address: SocketAddr, now: Micros) {
        self.change(address, now, |server| server.rests_until = now + UNREACHABLE_REST);
    }

    /// *address* does not understand EDNS.
    pub fn without_edns(&self, address: SocketAddr, now: Micros) {
        self.change(address, now, |server| {
            (server.edns, server.edns_until) = (EdnsSupport::No, now + WITHOUT_EDNS);
        });
    }

    /// Count what had to be ignored in a reply; `no_question`: it lacks the question.
    pub fn odd(&self, oddities: Oddities, no_question: bool) {
        let Oddities { trailing_octets, extra_opt, malformed_records } = oddities;
        let odd = [trailing_octets > 0, extra_opt > 0, malformed_records > 0, no_question];
        for (count, _) in self.odd.iter().zip(odd).filter(|(_, odd)| *odd) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The replies so far in which something had to be ignored.
    pub fn odd_replies(&self) -> OddReplies {
        let [trailing_octets, extra_opt, malformed_record, no_question] =
            [0, 1, 2, 3].map(|at: usize| self.odd[at].load(Ordering::Relaxed));
        OddReplies { trailing_octets, extra_opt, malformed_record, no_question }
    }

    /// *address* does not serve *zone*.
    pub fn lame(&self, address: SocketAddr, zone: NameRef<'_>, how: Lameness, now: Micros) {
        let (hash, zone) = (hash_of(address), zone.hash64());
        let note = Lame { address, zone, how, until: now + LAME };
        lock(&self.lame)
            .put(hash ^ zone as u32, note, now, |lame| lame.address == address && lame.zone == zone);
    }

    /// In which way *address* was found not to serve *zone*, if so.
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

    /// Forget everything.
    pub fn clear(&self) {
        remove_all(&self.known, |_| true);
        remove_all(&self.lame, |_| true);
    }

    /// How many servers are known.
    pub fn len(&self) -> usize {
        lock(&self.known).len()
    }

    /// Whether no server is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn octets(&self) -> usize {
        lock(&self.known).octets() + lock(&self.lame).octets()
    }
}
