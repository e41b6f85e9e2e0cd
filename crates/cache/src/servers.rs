//! Statistics of servers: round-trip time, reachability, EDNS support, lameness.
//!
//! The smoothed round-trip time and the timeout follow RFC 6298 §2: `srtt + 4 rttvar`, doubled by each consecutive
//! timeout. After several consecutive timeouts, a server rests: for a growing time, it is not queried while others
//! are available. A round-trip time that is not measured again is halved periodically, so that a server that was slow
//! once is tried again.
//!
//! **When nobody replies**, the network of this machine is down, and no server is to blame. When `MOST_SILENT` different
//! servers have been silent and nobody has replied for `SILENCE`, rest periods do not count; those that began by then end with the
//! first reply, so that names resolve again as soon as the network is back. Where many clients ask meanwhile, one lookup in `offline_pause`
//! asks a server and the others fail at once: they cost little while nobody can be reached.
//!
//! **Cookies** (RFC 7873). The client cookie of a server follows from a secret that all workers share
//! ([`Servers::secret`]); the cookie that the server gave is kept with the server.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use nw_wire::message::Oddities;
use nw_wire::name::{Name, NameRef};

use crate::loops::Loops;
use crate::table::{Kept, Table, block_by_block, remove_all};
use crate::{Micros, lock};

#[cfg(test)]
mod tests;

/// How long a server is suspected to be down after a timeout. It doubles with each further timeout.
const SUSPECTED: Micros = 4_000_000;
/// How long the cache remembers that a server does not support EDNS.
const WITHOUT_EDNS: Micros = 900_000_000;
/// How long nobody has replied, from the first silent server on, when the network is taken to be down. The timeouts of many queries
/// to the servers of one zone come within a few milliseconds, without a reply of others between them.
const SILENCE: Micros = 500_000;
/// How long the cache remembers that a server changes the case of the question.
const CHANGES_CASE: Micros = 900_000_000;
/// How long a server that truncated a reply is taken to limit its rate.
const TRUNCATES: Micros = 10_000_000;
/// How long a server that answered without a cookie is asked without one.
const WITHOUT_COOKIES: Micros = 900_000_000;
/// How long a forwarder that leads back to this server is not asked.
const LOOPS: Micros = 30_000_000;
/// Different servers that are silent, with no reply from anybody meanwhile, from which on the network is taken to be down. A zone
/// with fewer servers may be down by itself.
const MOST_SILENT: usize = 5;
/// How long the cache remembers that a server is lame for a zone.
const LAME: Micros = 300_000_000;
/// The round-trip time that a server is taken to have that never replied and that another one overtook.
const OVERTAKEN: u32 = 376_000;
/// The interval at which a round-trip time without new measurements is halved.
const HALF_LIFE: Micros = 180_000_000;
/// The maximum number of times that consecutive timeouts double the timeout.
const MOST_DOUBLINGS: u8 = 4;
/// How long a server is remembered after its last reply.
const FORGOTTEN: Micros = 3_600_000_000;

/// The limits on queries to servers that do not reply. The other times of this file bound no work: they say for how long the cache believes
/// what it has learned of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    /// The number of consecutive timeouts after which a server rests.
    pub timeouts_before_rest: u32,
    /// The first rest period, microseconds. It doubles with each further timeout.
    pub first_rest: Micros,
    /// The maximum rest period, microseconds.
    pub max_rest: Micros,
    /// The rest period of a server that the network reports as unreachable, microseconds.
    pub unreachable_rest: Micros,
    /// The time between two attempts to reach a server while nobody replies or this machine has no route to it, microseconds, if there are
    /// more than `max_offline_attempts` of them in that time.
    pub offline_pause: Micros,
    /// Attempts at all servers in `offline_pause` that have no pause after them.
    pub max_offline_attempts: u32,
}

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

/// What is known of a server's support of cookies (RFC 7873).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum CookieSupport {
    /// Not known yet.
    #[default]
    Unknown,
    /// It sends cookies, the last time this one. A reply without a cookie may be forged.
    Yes(ServerCookie),
    /// It does not understand cookies.
    No,
}

/// The cookie that a server gave us: 8 to 32 octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerCookie {
    length: u8,
    octets: [u8; ServerCookie::MOST],
}

impl ServerCookie {
    /// The longest server cookie, octets (RFC 7873 §4).
    pub const MOST: usize = 32;

    /// Keep *octets*; None unless they are 8 to 32.
    pub fn new(octets: &[u8]) -> Option<ServerCookie> {
        if !(8..=ServerCookie::MOST).contains(&octets.len()) {
            return None;
        }
        let mut room = [0; ServerCookie::MOST];
        room[..octets.len()].copy_from_slice(octets);
        Some(ServerCookie { length: octets.len() as u8, octets: room })
    }

    /// The octets.
    pub fn octets(&self) -> &[u8] {
        &self.octets[..usize::from(self.length)]
    }
}

/// What last went wrong with a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It did not reply in time.
    Timeout,
    /// The network or the host said that it cannot be reached.
    Unreachable,
    /// This machine has no route to it.
    NoRoute,
}

impl Trouble {
    /// Its name in the state of the resolver.
    pub fn slug(self) -> &'static str {
        match self {
            Trouble::Timeout => "timeout",
            Trouble::Unreachable => "unreachable",
            Trouble::NoRoute => "no-route",
        }
    }
}

/// The statistics of one server at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ServerNote {
    /// The smoothed round-trip time, reduced with age. None if the server has never replied nor been overtaken by another.
    pub srtt: Option<Micros>,
    /// The time to wait for a reply. None if nothing is known.
    pub timeout: Option<Micros>,
    /// Timeouts since its last reply.
    pub timeouts: u8,
    /// Whether it timed out a moment ago: a server that replies is to be preferred. A lost packet is forgotten after
    /// [`SUSPECTED`], a second one after twice that time.
    pub suspected: bool,
    /// The end of its rest period, if it rests.
    pub rests_until: Option<Micros>,
    /// When it is asked again, if an attempt would be in vain before: this machine has no route to it, or nobody replies and it was
    /// asked a moment ago.
    pub paused_until: Option<Micros>,
    /// Whether it supports EDNS.
    pub edns: EdnsSupport,
    /// Whether its replies repeat the question in another case.
    pub changes_case: bool,
    /// Whether it truncated a reply a short time ago: it may limit the rate of its replies over UDP.
    pub truncates: bool,
    /// Whether it supports cookies.
    pub cookie: CookieSupport,
    /// What went wrong since its last reply.
    pub trouble: Option<Trouble>,
}

impl ServerNote {
    /// The time within which it usually replies: the timeout that no earlier timeout has prolonged.
    pub fn usual(&self) -> Option<Micros> {
        self.timeout.map(|timeout| timeout >> self.timeouts.min(MOST_DOUBLINGS))
    }
}

/// A server that is not asked for a zone for the time being, or only when there is no other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LameServer {
    /// Its address.
    pub address: SocketAddr,
    /// The zone, or the suffix that is forwarded.
    pub zone: Name,
    /// Why.
    pub how: Lameness,
    /// When it is asked again.
    pub until: Micros,
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
    paused_until: Micros,
    edns_until: Micros,
    /// It is known to change the case of the question until then.
    changes_case_until: Micros,
    truncates_until: Micros,
    heard: Micros,
    /// The time of the last counted timeout, or of the last report that it is unreachable.
    timed_out: Micros,
    trouble: Option<Trouble>,
    cookie: CookieSupport,
    without_cookies_until: Micros,
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
    /// A forwarder whose queries come back to this server from `back`.
    Loops {
        /// The address from which they come back.
        back: IpAddr,
    },
}

impl Lameness {
    /// Its name in the state of the resolver.
    pub fn slug(self) -> &'static str {
        match self {
            Lameness::Unauthoritative => "answers-without-authority",
            Lameness::NotServed => "lame",
            Lameness::Loops { .. } => "forwarding-loop",
        }
    }
}

impl Kept for LameServer {
    fn octets(&self) -> usize {
        self.zone.as_ref().wire().len()
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
    lame: Mutex<Table<LameServer>>,
    loops: Loops,
    /// From which client cookies are made.
    secret: OnceLock<[u64; 2]>,
    /// The hashes of servers that were silent since somebody replied, and how many they are.
    silent: Mutex<[u32; MOST_SILENT]>,
    /// When the first of them was silent.
    silent_since: AtomicU64,
    /// Attempts in vain in the pause that ends at `in_vain_until`.
    in_vain: AtomicUsize,
    in_vain_until: AtomicU64,
    silent_count: AtomicUsize,
    /// Timeouts up to then were those of our own network.
    forgiven: AtomicU64,
    /// How the root hints differ from what the root servers say, one sentence each.
    hints: Mutex<Vec<String>>,
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
            loops: Loops::default(),
            secret: OnceLock::new(),
            silent: Mutex::default(),
            silent_count: AtomicUsize::new(0),
            silent_since: AtomicU64::new(0),
            in_vain: AtomicUsize::new(0),
            in_vain_until: AtomicU64::new(0),
            forgiven: AtomicU64::new(0),
            hints: Mutex::default(),
        }
    }

    /// Return the statistics of `address` at `now`.
    pub fn note(&self, address: SocketAddr, now: Micros) -> ServerNote {
        let hash = hash_of(address);
        let mut known = lock(&self.known);
        let Some(server) = known.find(hash, |server| server.address == address) else {
            return ServerNote::default();
        };
        self.note_of(server, now)
    }

    /// Whether nobody has replied for so long that the network of this machine seems to be down at `now`.
    pub fn is_silent(&self, now: Micros) -> bool {
        self.silent_count.load(Ordering::Relaxed) >= MOST_SILENT
            && now >= self.silent_since.load(Ordering::Relaxed) + SILENCE
    }

    /// Count `address` among the servers that are silent.
    fn was_silent(&self, address: SocketAddr, now: Micros) {
        let (hash, mut silent) = (hash_of(address), lock(&self.silent));
        let count = self.silent_count.load(Ordering::Relaxed);
        if count == 0 {
            self.silent_since.store(now, Ordering::Relaxed);
        }
        if count < MOST_SILENT && !silent[..count].contains(&hash) {
            silent[count] = hash;
            self.silent_count.store(count + 1, Ordering::Relaxed);
        }
    }

    fn note_of(&self, server: &Server, now: Micros) -> ServerNote {
        let silent = self.is_silent(now);
        let forgiven = silent || server.timed_out <= self.forgiven.load(Ordering::Relaxed);
        let edns = match server.edns {
            EdnsSupport::No if now >= server.edns_until => EdnsSupport::Unknown,
            edns => edns,
        };
        let timeouts = if forgiven { 0 } else { server.timeouts };
        let paused = silent || server.trouble == Some(Trouble::NoRoute);
        let doublings = timeouts.min(MOST_DOUBLINGS);
        let suspected = timeouts > 0 && now < server.timed_out + (SUSPECTED << (doublings - 1));
        let cookie = match server.cookie {
            CookieSupport::No if now >= server.without_cookies_until => CookieSupport::Unknown,
            cookie => cookie,
        };
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
            timeouts,
            suspected,
            rests_until: Some(server.rests_until).filter(|&until| until > now && !forgiven),
            paused_until: Some(server.paused_until).filter(|&until| until > now && paused),
            edns,
            changes_case: now < server.changes_case_until,
            truncates: now < server.truncates_until,
            cookie,
            trouble: server.trouble,
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
            paused_until: 0,
            edns_until: 0,
            changes_case_until: 0,
            truncates_until: 0,
            heard: now,
            timed_out: 0,
            trouble: None,
            cookie: CookieSupport::Unknown,
            without_cookies_until: 0,
        };
        change(&mut server);
        known.put(hash, server, now, |server| server.address == address);
    }

    /// Record that `address` replied after `took`, with OPT or without. RFC 6298 §2.
    pub fn replied(&self, address: SocketAddr, took: Micros, with_opt: bool, now: Micros) {
        let took = u32::try_from(took).unwrap_or(u32::MAX).clamp(1, 60_000_000);
        if self.silent_count.load(Ordering::Relaxed) != 0 {
            if self.is_silent(now) {
                self.forgiven.store(now, Ordering::Relaxed);
            }
            self.silent_count.store(0, Ordering::Relaxed);
        }
        self.change(address, now, |server| {
            if server.srtt == 0 {
                (server.srtt, server.rttvar) = (took, took / 2);
            } else {
                server.rttvar = server.rttvar / 4 * 3 + server.srtt.abs_diff(took) / 4;
                server.srtt = (server.srtt / 8 * 7 + took / 8).max(1);
            }
            (server.timeouts, server.rests_until, server.heard, server.trouble) = (0, 0, now, None);
            server.paused_until = 0;
            if with_opt {
                server.edns = EdnsSupport::Yes;
            }
        });
    }

    /// Record a timeout of `address` for a query sent at `sent`.
    ///
    /// Only one of several concurrent queries counts.
    pub fn timed_out(&self, address: SocketAddr, sent: Micros, limits: &ServerLimits, now: Micros) {
        self.was_silent(address, now);
        let forgiven = self.forgiven.load(Ordering::Relaxed);
        self.change(address, now, |server| {
            if sent < server.timed_out || sent < server.heard && server.srtt != 0 {
                return;
            }
            if server.timed_out <= forgiven {
                server.timeouts = 0;
            }
            (server.timed_out, server.trouble) = (now, Some(Trouble::Timeout));
            server.timeouts = server.timeouts.saturating_add(1);
            if let Some(further) = u32::from(server.timeouts).checked_sub(limits.timeouts_before_rest) {
                // The least time that the settings allow reaches the greatest in so many.
                let rest = limits.first_rest << further.min(24);
                server.rests_until = now + rest.min(limits.max_rest);
            }
        });
    }

    /// Record that another server replied when `address` had not done so for `waited`: its round-trip time is longer.
    pub fn overtaken(&self, address: SocketAddr, waited: Micros, now: Micros) {
        let waited = u32::try_from(waited).unwrap_or(u32::MAX).clamp(1, 60_000_000);
        self.change(address, now, |server| {
            if server.srtt == 0 {
                server.srtt = waited.max(OVERTAKEN);
                server.rttvar = server.srtt / 2;
            } else if waited > server.srtt {
                server.srtt = server.srtt / 8 * 7 + waited / 8;
            }
            server.heard = now;
        });
    }

    /// Record that the network reports `address` as unreachable.
    pub fn unreachable(&self, address: SocketAddr, limits: &ServerLimits, now: Micros) {
        self.was_silent(address, now);
        self.change(address, now, |server| {
            (server.rests_until, server.timed_out) = (now + limits.unreachable_rest, now);
            server.trouble = Some(Trouble::Unreachable);
        });
    }

    /// Record that this machine has no route to `address`. It says nothing about the server, nor about others.
    pub fn no_route(&self, address: SocketAddr, limits: &ServerLimits, now: Micros) {
        let pause = self.pause(limits, now);
        self.change(address, now, |server| {
            (server.paused_until, server.trouble) = (now + pause, Some(Trouble::NoRoute));
        });
    }

    /// Record that `address` is about to be asked although nobody replies.
    pub fn attempted(&self, address: SocketAddr, limits: &ServerLimits, now: Micros) {
        let pause = self.pause(limits, now);
        self.change(address, now, |server| server.paused_until = now + pause);
    }

    /// The time until a server is asked again that is being asked in vain.
    fn pause(&self, limits: &ServerLimits, now: Micros) -> Micros {
        if now >= self.in_vain_until.load(Ordering::Relaxed) {
            self.in_vain_until.store(now + limits.offline_pause, Ordering::Relaxed);
            self.in_vain.store(0, Ordering::Relaxed);
        }
        match self.in_vain.fetch_add(1, Ordering::Relaxed) < limits.max_offline_attempts as usize {
            true => 0,
            false => limits.offline_pause,
        }
    }

    /// Record that `address` does not support EDNS.
    pub fn without_edns(&self, address: SocketAddr, now: Micros) {
        self.change(address, now, |server| {
            (server.edns, server.edns_until) = (EdnsSupport::No, now + WITHOUT_EDNS);
        });
    }

    /// Record that `address` gave us *cookie*.
    pub fn gave_cookie(&self, address: SocketAddr, cookie: ServerCookie, now: Micros) {
        self.change(address, now, |server| server.cookie = CookieSupport::Yes(cookie));
    }

    /// Record that `address` does not understand cookies, or gives none any more.
    pub fn without_cookies(&self, address: SocketAddr, now: Micros) {
        self.change(address, now, |server| {
            (server.cookie, server.without_cookies_until) = (CookieSupport::No, now + WITHOUT_COOKIES);
        });
    }

    /// The secret from which client cookies are made; *random* makes it when it is first needed.
    pub fn secret(&self, random: impl FnOnce() -> [u64; 2]) -> [u64; 2] {
        *self.secret.get_or_init(random)
    }

    /// *address* repeats the question in another case. The caller knows that the reply was not forged.
    pub fn changed_case(&self, address: SocketAddr, now: Micros) {
        self.change(address, now, |server| server.changes_case_until = now + CHANGES_CASE);
    }

    /// *address* truncated a reply.
    pub fn truncated(&self, address: SocketAddr, now: Micros) {
        self.change(address, now, |server| server.truncates_until = now + TRUNCATES);
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
        let hash = hash_of(address) ^ zone.hash64() as u32;
        let life = if matches!(how, Lameness::Loops { .. }) { LOOPS } else { LAME };
        let note = LameServer { address, zone: zone.to_name(), how, until: now + life };
        lock(&self.lame).put(hash, note, now, |lame| lame.address == address && lame.zone == zone);
    }

    /// Return in which way `address` is lame for `zone`, or None if it is not known to be lame.
    pub fn lameness(&self, address: SocketAddr, zone: NameRef<'_>, now: Micros) -> Option<Lameness> {
        let mut lame = lock(&self.lame);
        if lame.len() == 0 {
            return None;
        }
        let hash = hash_of(address) ^ zone.hash64() as u32;
        lame.find(hash, |lame| lame.address == address && lame.zone == zone)
            .filter(|lame| now < lame.until)
            .map(|lame| lame.how)
    }

    /// The servers that are lame for a zone, in no order.
    pub fn lame_servers(&self, now: Micros) -> Vec<LameServer> {
        let piece = |table: &mut Table<LameServer>, number| {
            Some(table.values_in(number)?.filter(|lame| now < lame.until).cloned().collect::<Vec<_>>())
        };
        block_by_block(&self.lame, piece).flatten().collect()
    }

    /// The servers that rest, with their statistics, in no order.
    pub fn resting_servers(&self, now: Micros) -> Vec<(SocketAddr, ServerNote)> {
        let piece = |table: &mut Table<Server>, number| {
            let notes = table.values_in(number)?.map(|server| (server.address, self.note_of(server, now)));
            Some(notes.filter(|(_, note)| note.rests_until.is_some()).collect::<Vec<_>>())
        };
        block_by_block(&self.known, piece).flatten().collect()
    }

    /// Forwarding loops, and the probes that find them.
    pub fn loops(&self) -> &Loops {
        &self.loops
    }

    /// Keep how the root hints differ from what the root servers say; whether that is news.
    pub fn set_hint_differences(&self, differences: &[String]) -> bool {
        let mut kept = lock(&self.hints);
        let news = *kept != differences;
        differences.clone_into(&mut kept);
        news
    }

    /// How the root hints differ from what the root servers say.
    pub fn hint_differences(&self) -> Vec<String> {
        lock(&self.hints).clone()
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
