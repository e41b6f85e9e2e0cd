//! Counters of one worker. Only that worker writes them; any thread may read them.
//!
//! Each counter has a single writer, so counting is a load, an add and a store, without a locked instruction or a
//! cache line shared by writers. Readers may see one counter earlier than another.
//!
//! Metrics and the control socket use the names of the table below. The meaning of a name never changes.

use std::sync::atomic::{AtomicU64, Ordering};

use nw_wire::Rcode;

/// A number that one thread writes.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Add *n*. Only the thread that owns the counter may call this; a second writer would lose counts.
    #[inline]
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    /// Subtract one, for counters of things that exist now.
    #[inline]
    pub fn sub(&self, n: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_sub(n), Ordering::Relaxed);
    }

    /// The number now.
    #[inline]
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $field:ident = $name:literal;)*) => {
        /// The counters of one worker.
        #[derive(Debug, Default)]
        #[repr(align(128))]
        pub struct Stats {
            $($(#[doc = $doc])+ pub $field: Counter,)*
            /// Responses by rcode. The last counter holds all rcodes above 23.
            rcodes: [Counter; RCODES],
        }

        impl Stats {
            /// Name and meaning of each counter, except the rcodes.
            pub const NAMES: &'static [(&'static str, &'static str)] = &[$(($name, concat!($($doc),+))),*];

            fn values(&self) -> Vec<(&'static str, u64)> {
                vec![$(($name, self.$field.value())),*]
            }
        }
    };
}

const RCODES: usize = 25;

counters! {
    /// Queries over UDP from IPv4 addresses.
    queries_udp4 = "queries.udp4";
    /// Queries over UDP from IPv6 addresses.
    queries_udp6 = "queries.udp6";
    /// Queries over TCP from IPv4 addresses.
    queries_tcp4 = "queries.tcp4";
    /// Queries over TCP from IPv6 addresses.
    queries_tcp6 = "queries.tcp6";
    /// Responses with the RRset that was asked for.
    kind_answer = "kind.answer";
    /// Responses that refer to other servers.
    kind_referral = "kind.referral";
    /// Responses that say that the type does not exist.
    kind_nodata = "kind.nodata";
    /// Responses that say that the name does not exist.
    kind_nxdomain = "kind.nxdomain";
    /// Responses that end with an alias.
    kind_alias = "kind.alias";
    /// Responses about the server itself, in class CH.
    kind_local = "kind.local";
    /// Responses from the cache.
    kind_cached = "kind.cached";
    /// Responses that were looked up.
    kind_resolved = "kind.resolved";
    /// Responses of the handlers of opcodes other than QUERY.
    kind_opcode = "kind.opcode";
    /// Transfers of zones (AXFR, IXFR).
    kind_transfer = "kind.transfer";
    /// Responses that the control plane made.
    kind_control = "kind.control";
    /// Responses that a rule of a list made.
    kind_policy = "kind.policy";
    /// Responses that refuse.
    kind_refused = "kind.refused";
    /// Responses to what is malformed or unknown.
    kind_error = "kind.error";
    /// Responses with TC.
    truncated = "replies.truncated";
    /// Queries for the resolver that the cache answered at once.
    cache_hits = "cache.hits";
    /// Queries for the resolver that had to be looked up.
    cache_misses = "cache.misses";
    /// Lookups of answers that were about to expire.
    cache_prefetches = "cache.prefetches";
    /// Answers with data that had expired (RFC 8767).
    cache_stale = "cache.stale";
    /// Lookups that failed because a client network or a zone had used its queries per second.
    lookups_limited = "lookups.limited";
    /// Packets without a response: shorter than a header, or responses themselves.
    dropped_silence = "dropped.silence";
    /// Responses that the response rate limit left out.
    rrl_dropped = "rrl.dropped";
    /// Responses that the response rate limit sent truncated.
    rrl_slipped = "rrl.slipped";
    /// Lookups that were refused because their domain is suspected to be a tunnel.
    detect_refused = "detect.refused";
    /// Responses that were not sent because their network is suspected to be a victim of amplification.
    detect_dropped = "detect.dropped";
    /// Responses that were sent truncated for the same reason.
    detect_truncated = "detect.truncated";
    /// Responses that the kernel did not take.
    dropped_send = "dropped.send";
    /// Responses over UDP that were not sent because the client has stopped waiting.
    dropped_late = "dropped.late";
    /// Queries that failed at once because too many clients waited.
    dropped_busy = "dropped.busy";
    /// Panics while a packet was handled; each was answered SERVFAIL and is a bug.
    panics = "panics";
    /// TCP connections accepted.
    tcp_accepted = "tcp.accepted";
    /// TCP connections open now.
    tcp_open = "tcp.open";
    /// TCP connections closed at once because too many were open.
    tcp_rejected = "tcp.rejected";
    /// TCP connections ended because others needed their slots.
    tcp_evicted = "tcp.evicted";
    /// TCP connections closed because they were idle.
    tcp_idle = "tcp.idle";
    /// TCP connections that reached their lifetime or number of queries.
    tcp_expired = "tcp.expired";
    /// TCP connections ended because of a message that gets no response.
    tcp_junk = "tcp.junk";
    /// Queries to servers over UDP.
    upstream_udp = "upstream.udp";
    /// Queries to servers over TCP.
    upstream_tcp = "upstream.tcp";
    /// Queries to servers without a reply in time.
    upstream_timeouts = "upstream.timeouts";
    /// Datagrams to an upstream socket that are no response to its query.
    upstream_junk = "upstream.junk";
}

impl Stats {
    /// Count one response with *rcode*.
    #[inline]
    pub fn rcode(&self, rcode: Rcode) {
        self.rcodes[usize::from(rcode.0).min(RCODES - 1)].add(1);
    }
}

/// The sum of the counters of several workers, by name, in the order of the table. The rcodes that occurred come
/// last.
pub fn total<'s>(workers: impl IntoIterator<Item = &'s Stats>) -> Vec<(String, u64)> {
    let mut names: Vec<(String, u64)> =
        Stats::NAMES.iter().map(|(name, _)| ((*name).to_owned(), 0)).collect();
    let mut rcodes = [0; RCODES];
    for stats in workers {
        for (sum, (_, value)) in names.iter_mut().zip(stats.values()) {
            sum.1 += value;
        }
        for (sum, counter) in rcodes.iter_mut().zip(&stats.rcodes) {
            *sum += counter.value();
        }
    }
    let rcodes = rcodes.into_iter().enumerate().filter(|(_, count)| *count > 0);
    names.extend(rcodes.map(|(code, count)| match code {
        0..24 => (format!("rcode.{}", Rcode(code as u16)), count),
        _ => ("rcode.other".to_owned(), count),
    }));
    names
}

#[cfg(test)]
mod tests;
