//! Every limit on the work that one question may cause, in one place.
//!
//! A question of 40 octets can cause thousands of questions to other servers (NXNSAttack, CAMP), seconds of work, or the
//! loss of other clients' cache entries. Each field below stops one such attack; its comment names the attack, the unit and
//! the reason for the default. [`Meter`] counts: one meter per client question, shared by all the work done for it.
//!
//! The limits are of three kinds, so that an attack is stopped early and an honest name never:
//!
//! | kind | counts | set back by |
//! |---|---|---|
//! | total | every question: `max_upstream_queries` | nothing |
//! | progress | questions and address lookups since the client's own name came one step nearer | a referral or alias of that name |
//! | in vain | what brought nothing: `max_queries_per_cut`, `max_failed_address_lookups` | nothing |
//!
//! A long alias chain over cold zones makes progress all the time. NXNSAttack makes none, and what it asks of its victim
//! brings nothing.

use std::cell::{Cell, RefCell};

use nw_cache::{Lives, ServerLimits};

use crate::world::{MILLISECOND, Micros, SECOND};

/// The limits of one resolver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Questions to servers for one client question, everything included; stops compositional amplification (CAMP). An
    /// ordinary cold resolution needs 3 to 12; eleven aliases of eight labels over cold zones, whose servers are in other
    /// cold zones, need 140, which PowerDNS's 50 would end. CAMP itself costs 14 here, because the other limits stop it earlier.
    pub max_upstream_queries: u32,
    /// Questions to servers since the name that the client asked for came nearer, by a referral or an alias; stops
    /// NXNSAttack (CVE-2020-8616).
    pub max_queries_without_progress: u32,
    /// Referrals followed for one name before an alias or answer; stops endless downward delegation.
    pub max_referrals: u32,
    /// CNAME links from one name to its data, whether they come from the cache, in one reply or in many; stops long chains
    /// (RFC 1034 §5.2.2). Unbound and BIND have the same limit.
    pub max_aliases: u32,
    /// Depth of lookups that other lookups wait for; stops name server dependency chains and cycles (TsuNAME).
    pub max_depth: u32,
    /// Name servers kept of one delegation; stops NRDelegation (CVE-2022-3204), where a referral names 1500.
    pub max_ns_per_cut: u32,
    /// Addresses kept for one name server; further ones are other interfaces of it at best.
    pub max_addresses_per_ns: u32,
    /// Questions to the servers of one cut that bring nothing, for one client question; stops walks along many dead or
    /// lame servers, and lookups of name servers that all end at the same dead zone or at the same victim. A denial brings
    /// nothing to a lookup of a name server. Unbound and BIND stop at a dead delegation of 1,500 name servers after 8 (NRDelegation);
    /// with 13, a lookup still reaches the last server of the root or of `com.` when all others are down.
    pub max_queries_per_cut: u32,
    /// Questions to one server address for one name at one cut, every fallback included; stops servers that answer
    /// FORMERR, TC and nonsense in turn (CVE-2026-5950).
    pub max_queries_per_server: u32,
    /// Questions that one server address may leave unanswered for one name at one cut. RFC 9520 §3.1: no more than three.
    pub max_timeouts_per_server: u32,
    /// Questions that the servers of one cut may leave unanswered for one name before none of them is asked again; those
    /// not asked yet still are, once each. With the growing timeouts below, five are over in 4 s unless the servers are known
    /// to be slow, so that a client that waits 5 s, as most do, learns that a zone is dead. More would teach nothing: a server
    /// that needs the longest timeout has had it by then, and a question that was merely lost has been repeated.
    pub max_timeouts_per_cut: u32,
    /// Lookups of name server addresses since the name that the client asked for came nearer; stops NXNSAttack at the
    /// victim zone.
    pub max_address_lookups: u32,
    /// Lookups of name server addresses that end without an address, for one client question.
    pub max_failed_address_lookups: u32,
    /// Lookups of name server addresses under way at once for one delegation at depth 0; one at a time below.
    pub parallel_address_lookups: u32,
    /// Pause before a further lookup of name server addresses is begun beside those under way, microseconds.
    pub address_lookup_pause: Micros,
    /// Extra questions that QNAME minimisation may ask for one name (RFC 9156 §2.3).
    pub max_minimise: u32,
    /// Octets received for one client question beyond the first `udp_payload` of each reply; stops floods of large replies.
    pub max_received_bytes: u32,
    /// Records in one RRset of a reply; larger ones are refused (CVE-2024-1737). BIND refuses more than 100, because its database
    /// takes time quadratic in their number, and PowerDNS more than 256. Here an RRset is one block of octets, of which a reply limits
    /// the size; the SRV records of the domain controllers of one large organisation are some hundred.
    pub max_records_per_rrset: u32,
    /// Signatures verified for one client question; stops KeyTrap (CVE-2023-50387). Eleven aliases into cold signed zones, with six
    /// signatures each, need 66.
    pub max_signatures: u32,
    /// Signatures verified in vain for one client question; stops KeyTrap, whose signatures are all invalid. A zone with
    /// key tags that collide needs one or two.
    pub max_failed_signatures: u32,
    /// Iterations of NSEC3 above which a zone counts as insecure and nothing is hashed; stops CVE-2023-50868 (RFC 9276 §3.2).
    pub max_nsec3_iterations: u16,
    /// Time for one client question, microseconds; stops phantom domains. Clients stop waiting after 5 to 10 s. It counts
    /// from the arrival of each client's question, also for a client that waits for the answer to another client's
    /// question, or for the root servers.
    pub wall_clock: Micros,
    /// Time for finding the root servers (RFC 8109), microseconds; stops roots that do not answer. It counts for no question,
    /// since all wait for it; each has what is left of its own to ask the hinted servers as they are.
    pub priming_clock: Micros,
    /// Steps kept for the explanation of one question; further ones are counted, not kept.
    pub max_steps: u32,

    /// Different client questions under way at once in one worker, each with a task of some kilobytes. When there are so
    /// many, the client prefix (/24, /56) that has the most loses its oldest one; stops floods of names that take long.
    pub max_in_flight: u32,
    /// Different client questions under way at once in one worker for one client prefix; its oldest one makes room for a
    /// further one. Stops DNSBomb (CVE-2024-33655). Unbound's `wait-limit` is the same; a pulse is a little higher where
    /// questions arrive while the answers to earlier ones leave.
    pub max_in_flight_per_client: u32,
    /// Questions under way at once from one worker to the servers of one zone, or, through a forwarder, about names with one
    /// parent; further ones fail at once. The limit shrinks while the servers are silent and grows while they answer; stops
    /// floods of random names (water torture). A zone that answers within 100 ms needs as many for 10,000 questions a
    /// second.
    pub max_in_flight_per_zone: u32,
    /// Questions for recursion per second in one worker from one client prefix (/24, /56); further ones fail at once. 0: no
    /// limit, the default, because thousands of clients may share one address. Stops one client from taking the resolver
    /// with names that are quick to look up, which `max_in_flight_per_client` does not notice.
    pub max_queries_per_second_per_client: u32,
    /// Questions per second from one worker to the servers of one zone, or, through a forwarder, about names with one
    /// parent; further ones fail at once. 0: no limit, the default, because `max_in_flight_per_zone` follows the servers.
    /// Stops floods of random names from reaching servers that answer quickly.
    pub max_queries_per_second_per_zone: u32,
    /// Clients that wait in one worker over all. One that waits for the answer to another client's question takes some
    /// hundred octets. Further ones fail at once; stops floods from using up memory.
    pub max_waiting: u32,
    /// Questions whose cached answers are about to expire and that wait in one worker to be looked up again; further answers expire.
    /// Each entry of the cache is renewed once, so that a client cannot cause more than one for each answer that it has had looked up
    /// before.
    pub max_renewals: u32,
    /// Time after which the answer to a datagram is not sent any more, microseconds; stops DNSBomb, which collects slow
    /// answers to release them in one pulse. The client has asked again by then, and the answer is in the cache. Unbound's
    /// `discard-timeout` is the same. 0 sends every answer.
    pub discard_timeout: Micros,

    /// Consecutive timeouts after which a server rests: while it does, it is asked only where no other server answers. Stops dead and
    /// unreachable servers from taking the time of every question for their zones.
    pub timeouts_before_rest: u32,
    /// The first rest, microseconds; it doubles with each further timeout. Short, so that a server that was restarted is used again.
    pub first_rest: Micros,
    /// The longest rest, microseconds: a dead server gets one question in this time.
    pub max_rest: Micros,
    /// Rest of a server that the network reports as unreachable, microseconds. The report may be forged, so that the rest is short.
    pub unreachable_rest: Micros,
    /// Pause before a server is asked again while no server at all replies, or this machine has no route to it, microseconds; stops floods
    /// of questions from costing work that cannot succeed. With the time for which the failure is kept, the first good answer comes
    /// within two seconds after the network is back.
    pub offline_pause: Micros,
    /// Questions in `offline_pause` that are sent all the same; so few cost nothing, and notice at once that the network is back.
    pub max_offline_attempts: u32,
    /// Timeout for a server of which nothing is known, microseconds.
    pub first_timeout: Micros,
    /// Shortest timeout for a server, however quick it has been, microseconds.
    pub min_timeout: Micros,
    /// Longest timeout of one attempt, microseconds.
    pub max_timeout: Micros,
    /// Timeout of a question over TCP, connecting included, microseconds; stops tarpits.
    pub tcp_timeout: Micros,

    /// UDP payload size offered to servers, octets; 1232 avoids fragments, which can be replaced on the way.
    pub udp_payload: u16,

    /// Memory for all caches, octets.
    pub cache_bytes: usize,
    /// Longest time that data is kept, seconds (RFC 8767 §4 recommends days, not weeks).
    pub max_ttl: u32,
    /// Shortest time that data is kept, seconds. More than 0 overrides what zone owners say.
    pub min_ttl: u32,
    /// Longest time that the absence of data is kept, seconds (RFC 2308 §5: one to three hours work well).
    pub max_negative_ttl: u32,
    /// Time that a failure is kept, seconds (RFC 9520 §3.2: at least 1 s, at most 300 s). It concerns failures of the servers
    /// and of their data, and negative answers without SOA (RFC 2308 §5). A failure of this machine or of this budget is not kept: the next question tries again, and starts
    /// from what the failed attempt learned.
    pub failure_ttl: u32,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget {
            max_upstream_queries: 200,
            max_queries_without_progress: 50,
            max_referrals: 20,
            max_aliases: 11,
            max_depth: 7,
            max_ns_per_cut: 13,
            max_addresses_per_ns: 6,
            max_queries_per_cut: 13,
            max_queries_per_server: 5,
            max_timeouts_per_server: 3,
            max_timeouts_per_cut: 5,
            max_address_lookups: 10,
            max_failed_address_lookups: 8,
            parallel_address_lookups: 3,
            address_lookup_pause: 100 * MILLISECOND,
            max_minimise: 10,
            max_received_bytes: 100_000,
            max_records_per_rrset: 1000,
            max_signatures: 128,
            max_failed_signatures: 8,
            max_nsec3_iterations: 50,
            wall_clock: 7 * SECOND,
            priming_clock: 3 * SECOND,
            max_steps: 400,
            max_in_flight: 4096,
            max_in_flight_per_client: 1000,
            max_in_flight_per_zone: 1000,
            max_queries_per_second_per_client: 0,
            max_queries_per_second_per_zone: 0,
            max_waiting: 65_536,
            max_renewals: 1000,
            discard_timeout: 1900 * MILLISECOND,
            timeouts_before_rest: 3,
            first_rest: 2 * SECOND,
            max_rest: 120 * SECOND,
            unreachable_rest: 5 * SECOND,
            offline_pause: 500 * MILLISECOND,
            max_offline_attempts: 50,
            first_timeout: 376 * MILLISECOND,
            min_timeout: 50 * MILLISECOND,
            max_timeout: 1500 * MILLISECOND,
            tcp_timeout: 2500 * MILLISECOND,
            udp_payload: 1232,
            cache_bytes: 64 << 20,
            max_ttl: 86_400,
            min_ttl: 0,
            max_negative_ttl: 3600,
            failure_ttl: 5,
        }
    }
}

impl Budget {
    /// How long the cache may keep what is learned.
    pub fn lives(&self) -> Lives {
        Lives {
            data_s: self.max_ttl,
            absence_s: self.max_negative_ttl,
            failure_s: self.failure_ttl,
            least_s: self.min_ttl,
        }
    }

    /// The limits on questions to servers that do not reply.
    pub fn servers(&self) -> ServerLimits {
        ServerLimits {
            timeouts_before_rest: self.timeouts_before_rest,
            first_rest: self.first_rest,
            max_rest: self.max_rest,
            unreachable_rest: self.unreachable_rest,
            offline_pause: self.offline_pause,
            max_offline_attempts: self.max_offline_attempts,
        }
    }

    /// Whether the answer to a datagram that arrived at *arrived* comes too late to be sent at *now*.
    pub fn discards(&self, arrived: Micros, now: Micros) -> bool {
        self.discard_timeout > 0 && now.saturating_sub(arrived) > self.discard_timeout
    }
}

/// Which limit ended the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limit {
    /// [`Budget::max_upstream_queries`].
    UpstreamQueries,
    /// [`Budget::max_queries_without_progress`].
    Progress,
    /// [`Budget::max_referrals`].
    Referrals,
    /// [`Budget::max_aliases`].
    Aliases,
    /// [`Budget::max_depth`].
    Depth,
    /// [`Budget::max_queries_per_cut`].
    QueriesPerCut,
    /// [`Budget::max_address_lookups`] or [`Budget::max_failed_address_lookups`].
    AddressLookups,
    /// [`Budget::max_received_bytes`].
    ReceivedBytes,
    /// [`Budget::wall_clock`].
    WallClock,
    /// [`Budget::max_in_flight`].
    InFlight,
    /// [`Budget::max_in_flight_per_client`].
    InFlightPerClient,
    /// [`Budget::max_in_flight_per_zone`].
    Zone,
    /// [`Budget::max_queries_per_second_per_client`].
    ClientRate,
    /// [`Budget::max_queries_per_second_per_zone`].
    ZoneRate,
    /// [`Budget::max_waiting`].
    Waiting,
}

impl Limit {
    /// The name of the field of [`Budget`] that ended the work.
    pub fn slug(self) -> &'static str {
        match self {
            Limit::UpstreamQueries => "max_upstream_queries",
            Limit::Progress => "max_queries_without_progress",
            Limit::Referrals => "max_referrals",
            Limit::Aliases => "max_aliases",
            Limit::Depth => "max_depth",
            Limit::QueriesPerCut => "max_queries_per_cut",
            Limit::AddressLookups => "max_address_lookups",
            Limit::ReceivedBytes => "max_received_bytes",
            Limit::WallClock => "wall_clock",
            Limit::InFlight => "max_in_flight",
            Limit::InFlightPerClient => "max_in_flight_per_client",
            Limit::Zone => "max_in_flight_per_zone",
            Limit::ClientRate => "max_queries_per_second_per_client",
            Limit::ZoneRate => "max_queries_per_second_per_zone",
            Limit::Waiting => "max_waiting",
        }
    }
}

/// What one client question has used so far.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    queries: Cell<u32>,
    /// Questions since the client's name came nearer.
    queries_since: Cell<u32>,
    bytes: Cell<u32>,
    /// Lookups of addresses since the client's name came nearer.
    address_lookups: Cell<u32>,
    failed_address_lookups: Cell<u32>,
    /// Questions that brought nothing, by the hash of the cut's name.
    in_vain: RefCell<Vec<(u64, u32)>>,
    deadline: Micros,
}

impl Meter {
    /// A meter for work that ends at *deadline*.
    pub(crate) fn until(deadline: Micros) -> Meter {
        Meter { deadline, ..Meter::default() }
    }

    /// When the client question fails if it has no answer by then.
    pub(crate) fn deadline(&self) -> Micros {
        self.deadline
    }

    /// Questions sent so far.
    pub(crate) fn queries(&self) -> u32 {
        self.queries.get()
    }

    /// Count one question to a server of the zone that hashes to *zone*, in vain until the server has helped. Or return the limit that forbids it.
    pub(crate) fn query(&self, zone: u64, budget: &Budget, now: Micros) -> Result<(), Limit> {
        if now >= self.deadline {
            return Err(Limit::WallClock);
        }
        if self.bytes.get() >= budget.max_received_bytes {
            return Err(Limit::ReceivedBytes);
        }
        if self.queries_since.get() >= budget.max_queries_without_progress {
            return Err(Limit::Progress);
        }
        let mut in_vain = self.in_vain.borrow_mut();
        let at = in_vain.iter().position(|(cut, _)| *cut == zone).unwrap_or_else(|| {
            in_vain.push((zone, 0));
            in_vain.len() - 1
        });
        if in_vain[at].1 >= budget.max_queries_per_cut {
            return Err(Limit::QueriesPerCut);
        }
        count(&self.queries, budget.max_upstream_queries, Limit::UpstreamQueries)?;
        in_vain[at].1 += 1;
        self.queries_since.set(self.queries_since.get() + 1);
        Ok(())
    }

    /// A server of *zone* gave a reply of use.
    pub(crate) fn helped(&self, zone: u64) {
        self.adjust(zone, -1);
    }

    /// The last question to a server of *zone*, although it was answered, brought nothing after all.
    pub(crate) fn in_vain(&self, zone: u64) {
        self.adjust(zone, 1);
    }

    /// *count* questions to servers of *zone* that were taken to be in vain were not.
    pub(crate) fn not_in_vain(&self, zone: u64, count: u32) {
        self.adjust(zone, -i32::try_from(count).unwrap_or(i32::MAX));
    }

    fn adjust(&self, zone: u64, by: i32) {
        if let Some((_, count)) = self.in_vain.borrow_mut().iter_mut().find(|(cut, _)| *cut == zone) {
            *count = count.saturating_add_signed(by);
        }
    }

    /// The name that the client asked for came nearer: an alias or a referral was found for it.
    pub(crate) fn progressed(&self) {
        self.queries_since.set(0);
        self.address_lookups.set(0);
    }

    /// Count the octets of a reply.
    pub(crate) fn received(&self, bytes: usize, budget: &Budget) {
        let beyond = bytes.saturating_sub(budget.udp_payload.into());
        self.bytes.set(self.bytes.get().saturating_add(u32::try_from(beyond).unwrap_or(u32::MAX)));
    }

    /// Begin the lookup of one name server's addresses. Until it ends it counts as one that finds no address.
    pub(crate) fn address_lookup(&self, budget: &Budget) -> Result<AddressLookup<'_>, Limit> {
        if self.failed_address_lookups.get() >= budget.max_failed_address_lookups {
            return Err(Limit::AddressLookups);
        }
        count(&self.address_lookups, budget.max_address_lookups, Limit::AddressLookups)?;
        self.failed_address_lookups.set(self.failed_address_lookups.get() + 1);
        Ok(AddressLookup { meter: self, weight: 0 })
    }
}

/// The lookup of one name server's addresses. One that is abandoned counts as none.
pub(crate) struct AddressLookup<'m> {
    meter: &'m Meter,
    weight: u32,
}

impl AddressLookup<'_> {
    /// The lookup found no address. `failed`: no server could be asked, which has cost more than a denial.
    pub(crate) fn in_vain(&mut self, failed: bool) {
        self.weight = if failed { 2 } else { 1 };
    }
}

impl Drop for AddressLookup<'_> {
    fn drop(&mut self) {
        let failed = &self.meter.failed_address_lookups;
        failed.set(failed.get() - 1 + self.weight);
    }
}

/// Add one to *used* unless it has reached *most*.
fn count(used: &Cell<u32>, most: u32, limit: Limit) -> Result<(), Limit> {
    if used.get() >= most {
        return Err(limit);
    }
    used.set(used.get() + 1);
    Ok(())
}
