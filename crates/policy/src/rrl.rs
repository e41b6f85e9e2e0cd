//! # rrl: a limit on responses, so that the server is no use for reflection attacks
//!
//! An attacker sends queries with the victim's address, and the server's larger responses go to the victim. Response rate limiting counts the
//! equal responses that go to one network, and leaves out those above the rate.
//!
//! ```toml
//! [rrl]
//! responses_per_second = 200
//! slip = 2
//! ```
//!
//! **What counts as equal.** The prefix of the client (`ipv4_prefix`, `ipv6_prefix`), the kind, and a name:
//!
//! | kind | name | rate |
//! |---|---|---|
//! | answer, no data | the queried name, or the wildcard or DNAME that it comes from | `responses_per_second` |
//! | referral | the delegation | `responses_per_second` |
//! | name does not exist | the zone | `nxdomains_per_second` |
//! | error, refusal, also of a packet that is no query | none | `errors_per_second` |
//!
//! So random names do not evade the limit: they share one zone, one wildcard or one DNAME.
//!
//! **What happens above the rate.** Nothing is sent, except that every `slip`-th response (chosen by a hash, so that nobody can choose it) goes out
//! empty and truncated. A real client then asks over TCP. Such a response has no more octets than its query: the amplification of limited
//! traffic is below 1. A network that exceeds the rate owes up to `window` and gets full responses again when it has been silent for as
//! long (as in BIND).
//!
//! **Exempt** are TCP, requests with a verified TSIG key, and `exempt`. With `log_only`, all responses are sent and only counted.
//!
//! **Off by default.** A server for a few clients, as most are, meets no attack and would only surprise. Behind one IPv4 /24 may be
//! thousands of clients of a carrier, which a resolver must not limit. An authoritative server on the internet should turn it on.
//!
//! **Cost.** Off: one comparison. On: two hashes and one atomic exchange in a table of fixed size (`buckets`, 8 octets each) that all workers
//! share. Only limited responses are noted for `nw ctl rrl`, in a list of at most 64 entries; a worker that finds the list busy does not wait.
//! The flight recorder (`nw why`) gets one of them per network, kind and name in ten seconds, and at most ten per second in all.
//!
//! *Limitations*: server cookies (RFC 7873), which prove an address, are not implemented, so that they exempt nobody.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use nw_wire::{Name, NameRef, hash};

use crate::acl::Acl;
use crate::buckets::{Buckets, Rate};

/// Maximum number of limited networks that are listed.
const MOST_LISTED: usize = 64;
/// Microseconds in which one response of a listed network is reported.
const REPORT_EVERY: u64 = 10_000_000;
/// Responses per second that are reported in all, so that a flood does not fill the flight recorder.
const MOST_REPORTS: u32 = 10;

/// The settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RrlSettings {
    /// Equal answers and referrals per second to one prefix, 1 to 1,000,000.
    pub responses_per_second: u32,
    /// Denials of names of one zone, 1 to 1,000,000.
    pub nxdomains_per_second: u32,
    /// Errors and refusals, 1 to 1,000,000.
    pub errors_per_second: u32,
    /// Every so many limited responses, one is sent truncated, 0 to 10; 0: none.
    pub slip: u32,
    /// Seconds of responses that a prefix may owe, 1 to 3600.
    pub window_s: u32,
    /// Bits of an IPv4 address that select the bucket, 8 to 32.
    pub ipv4_prefix: u8,
    /// Bits of an IPv6 address that select the bucket, 16 to 128.
    pub ipv6_prefix: u8,
    /// Clients without a limit.
    pub exempt: Acl,
    /// Whether limited responses are sent all the same.
    pub log_only: bool,
    /// Buckets of the table, 1024 to 16 Mi.
    pub buckets: u32,
}

impl Default for RrlSettings {
    fn default() -> RrlSettings {
        RrlSettings {
            responses_per_second: 200,
            nxdomains_per_second: 200,
            errors_per_second: 200,
            slip: 2,
            window_s: 15,
            ipv4_prefix: 24,
            ipv6_prefix: 56,
            exempt: Acl::none(),
            log_only: false,
            buckets: 131_072,
        }
    }
}

/// The kind of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResponseClass {
    /// An answer, or no data.
    Answer,
    /// A referral.
    Referral,
    /// The name does not exist.
    NxDomain,
    /// An error or a refusal.
    Error,
}

impl ResponseClass {
    /// The name of the class.
    pub fn slug(self) -> &'static str {
        match self {
            ResponseClass::Answer => "answer",
            ResponseClass::Referral => "referral",
            ResponseClass::NxDomain => "nxdomain",
            ResponseClass::Error => "error",
        }
    }
}

/// What to do with a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limited {
    /// Send it.
    Send,
    /// Send it empty, with TC.
    Slip {
        /// Whether the flight recorder should keep it.
        report: bool,
    },
    /// Do not send it.
    Drop {
        /// Whether the flight recorder should keep it.
        report: bool,
    },
}

/// The limit that a response exceeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// The network, as `192.0.2.0/24`.
    pub prefix: String,
    /// Responses per second.
    pub per_second: u32,
    /// The key of this rate in `[rrl]`.
    pub setting: &'static str,
    /// Microseconds without a query until the network gets a full response again.
    pub wait: u64,
}

/// A prefix that was limited recently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitedBucket {
    /// The prefix, as `192.0.2.0/24`.
    pub prefix: String,
    /// The class of the responses.
    pub class: ResponseClass,
    /// The name that they share.
    pub name: Name,
    /// Responses that were not sent.
    pub dropped: u64,
    /// Responses that were sent truncated.
    pub slipped: u64,
    /// When it was limited last, microseconds of the monotonic clock.
    pub last: u64,
}

/// Limits responses. All workers share one.
#[derive(Debug)]
pub struct Rrl {
    settings: RrlSettings,
    rates: [Rate; 3],
    buckets: Buckets,
    dropped: AtomicU64,
    slipped: AtomicU64,
    listed: Mutex<Listed>,
}

/// The limited networks, and how many were reported in the current second.
#[derive(Debug, Default)]
struct Listed {
    buckets: Vec<ListedBucket>,
    second: u64,
    reports: u32,
}

#[derive(Debug)]
struct ListedBucket {
    hash: u64,
    bucket: LimitedBucket,
    /// When it is reported again.
    report_at: u64,
}

impl Listed {
    /// Whether one of the reports of this second is left. Takes it.
    fn may_report(&mut self, now: u64) -> bool {
        if now / 1_000_000 != self.second {
            (self.second, self.reports) = (now / 1_000_000, 0);
        }
        self.reports += 1;
        self.reports <= MOST_REPORTS
    }
}

impl Rrl {
    /// A limiter with an empty table.
    pub fn new(settings: RrlSettings) -> Rrl {
        let rate = |per_second| Rate::new(per_second, settings.window_s);
        let rates = [
            rate(settings.responses_per_second),
            rate(settings.nxdomains_per_second),
            rate(settings.errors_per_second),
        ];
        Rrl {
            rates,
            buckets: Buckets::new(settings.buckets as usize),
            dropped: AtomicU64::new(0),
            slipped: AtomicU64::new(0),
            listed: Mutex::default(),
            settings,
        }
    }

    /// Its settings.
    pub fn settings(&self) -> &RrlSettings {
        &self.settings
    }

    /// Decide about a response of *class* to *client* about *name*. `id`: of the query.
    #[inline]
    pub fn decide(
        &self,
        client: IpAddr,
        class: ResponseClass,
        name: NameRef<'_>,
        id: u16,
        now: u64,
    ) -> Limited {
        let hash = self.hash(client, class, name);
        if self.buckets.take(hash, self.rate(class), now) || self.settings.exempt.allows(client) {
            return Limited::Send;
        }
        self.limit(client, class, name, id, now, hash)
    }

    /// The bucket of a response.
    #[inline]
    fn hash(&self, client: IpAddr, class: ResponseClass, name: NameRef<'_>) -> u64 {
        let (bits, length) = self.prefix(client);
        let key = hash::key();
        let network = key.number(bits) ^ u64::from(length);
        key.number(u128::from(network) << 64 | u128::from(name.hash64() ^ class as u64))
    }

    #[inline]
    fn rate(&self, class: ResponseClass) -> Rate {
        match class {
            ResponseClass::Answer | ResponseClass::Referral => self.rates[0],
            ResponseClass::NxDomain => self.rates[1],
            ResponseClass::Error => self.rates[2],
        }
    }

    /// The limit that a response of *class* to *client* about *name* exceeds at *now*, for people.
    #[cold]
    pub fn exceeded(&self, client: IpAddr, class: ResponseClass, name: NameRef<'_>, now: u64) -> Exceeded {
        let settings = &self.settings;
        let (per_second, setting) = match class {
            ResponseClass::Answer | ResponseClass::Referral => {
                (settings.responses_per_second, "responses_per_second")
            }
            ResponseClass::NxDomain => (settings.nxdomains_per_second, "nxdomains_per_second"),
            ResponseClass::Error => (settings.errors_per_second, "errors_per_second"),
        };
        let wait = self.buckets.wait(self.hash(client, class, name), self.rate(class), now);
        Exceeded { prefix: self.prefix_text(client), per_second, setting, wait }
    }

    #[cold]
    fn limit(
        &self,
        client: IpAddr,
        class: ResponseClass,
        name: NameRef<'_>,
        id: u16,
        now: u64,
        hash: u64,
    ) -> Limited {
        let draw = hash::key().number(u128::from(hash) << 64 | u128::from(now) << 16 | u128::from(id));
        let slips = self.settings.slip > 0 && draw.is_multiple_of(self.settings.slip.into());
        if slips { &self.slipped } else { &self.dropped }.fetch_add(1, Ordering::Relaxed);
        let mut report = false;
        if let Ok(mut listed) = self.listed.try_lock() {
            let at = listed.buckets.iter().position(|one| one.hash == hash);
            let at = at.unwrap_or_else(|| {
                if listed.buckets.len() >= MOST_LISTED {
                    let oldest = listed.buckets.iter().enumerate().min_by_key(|(_, one)| one.bucket.last);
                    let oldest = oldest.map_or(0, |(at, _)| at);
                    listed.buckets.swap_remove(oldest);
                }
                let prefix = self.prefix_text(client);
                let name = name.to_name();
                let bucket = LimitedBucket { prefix, class, name, dropped: 0, slipped: 0, last: now };
                listed.buckets.push(ListedBucket { hash, bucket, report_at: 0 });
                listed.buckets.len() - 1
            });
            let ListedBucket { bucket, report_at, .. } = &mut listed.buckets[at];
            bucket.last = now;
            *if slips { &mut bucket.slipped } else { &mut bucket.dropped } += 1;
            if now >= *report_at && !self.settings.log_only {
                *report_at = now + REPORT_EVERY;
                report = listed.may_report(now);
            }
        }
        match (self.settings.log_only, slips) {
            (true, _) => Limited::Send,
            (false, true) => Limited::Slip { report },
            (false, false) => Limited::Drop { report },
        }
    }

    /// The bits of the client's address that select its bucket, and a number that tells families and lengths apart.
    fn prefix(&self, client: IpAddr) -> (u128, u8) {
        let masked =
            |bits: u128, length: u8| bits & u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
        match canonical(client) {
            IpAddr::V4(address) => (
                masked(u128::from(address.to_bits()) << 96, self.settings.ipv4_prefix),
                self.settings.ipv4_prefix,
            ),
            IpAddr::V6(address) => {
                (masked(address.to_bits(), self.settings.ipv6_prefix), 64 + self.settings.ipv6_prefix)
            }
        }
    }

    fn prefix_text(&self, client: IpAddr) -> String {
        let (bits, _) = self.prefix(client);
        match canonical(client) {
            IpAddr::V4(_) => {
                format!("{}/{}", std::net::Ipv4Addr::from((bits >> 96) as u32), self.settings.ipv4_prefix)
            }
            IpAddr::V6(_) => format!("{}/{}", Ipv6Addr::from(bits), self.settings.ipv6_prefix),
        }
    }

    /// Responses that were not sent, and that were sent truncated.
    pub fn totals(&self) -> (u64, u64) {
        (self.dropped.load(Ordering::Relaxed), self.slipped.load(Ordering::Relaxed))
    }

    /// Buckets in use at *now*, and of the table.
    pub fn load(&self, now: u64) -> (usize, usize) {
        (self.buckets.in_use(self.rates[0], now), self.buckets.size())
    }

    /// The prefixes that were limited recently, the latest first.
    pub fn listed(&self) -> Vec<LimitedBucket> {
        let listed = self.listed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut found: Vec<LimitedBucket> = listed.buckets.iter().map(|one| one.bucket.clone()).collect();
        found.sort_by_key(|one| std::cmp::Reverse(one.last));
        found
    }
}

/// An IPv4 client of a dual-stack socket as IPv4.
fn canonical(client: IpAddr) -> IpAddr {
    match client {
        IpAddr::V6(address) => address.to_ipv4_mapped().map_or(client, IpAddr::V4),
        IpAddr::V4(_) => client,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    fn sent(rrl: &Rrl, client: &str, qname: &str, class: ResponseClass, times: u16, now: u64) -> [usize; 3] {
        let mut count = [0; 3];
        for id in 0..times {
            let one = rrl.decide(client.parse().unwrap(), class, name(qname).as_ref(), id, now);
            let at = match one {
                Limited::Send => 0,
                Limited::Slip { .. } => 1,
                Limited::Drop { .. } => 2,
            };
            count[at] += 1;
        }
        count
    }

    #[test]
    fn a_network_shares_a_bucket_and_others_have_their_own() {
        let rrl = Rrl::new(RrlSettings { responses_per_second: 5, ..RrlSettings::default() });
        let answer = ResponseClass::Answer;
        let [send, slip, drop] = sent(&rrl, "192.0.2.1", "a.", answer, 1000, SECOND);
        assert_eq!(send, 5);
        assert!((400..600).contains(&slip), "{slip} of {drop}");
        assert_eq!(sent(&rrl, "192.0.2.200", "a.", answer, 10, SECOND)[0], 0, "the same /24");
        assert_eq!(
            sent(&rrl, "::ffff:192.0.2.9", "a.", answer, 10, SECOND)[0],
            0,
            "the same, of a dual-stack socket"
        );
        assert_eq!(sent(&rrl, "192.0.3.1", "a.", answer, 10, SECOND)[0], 5, "another network");
        assert_eq!(sent(&rrl, "192.0.2.1", "b.", answer, 10, SECOND)[0], 5, "another name");
        assert_eq!(
            sent(&rrl, "192.0.2.1", "a.", ResponseClass::Error, 10, SECOND)[0],
            10,
            "another class and rate"
        );
        assert_eq!(sent(&rrl, "2001:db8:0:1::1", "a.", answer, 10, SECOND)[0], 5);
        assert_eq!(sent(&rrl, "2001:db8:0:ff::1", "a.", answer, 10, SECOND)[0], 0, "the same /56");
        assert_eq!(sent(&rrl, "2001:db8:0:100::1", "a.", answer, 10, SECOND)[0], 5, "another /56");
        let listed = rrl.listed();
        assert_eq!(rrl.totals().0 + rrl.totals().1, listed.iter().map(|one| one.dropped + one.slipped).sum());
        assert!(listed.iter().any(|one| one.prefix == "192.0.2.0/24" && one.name == name("a.")));
        assert!(listed.iter().any(|one| one.prefix == "2001:db8::/56"));
    }

    #[test]
    fn few_limited_responses_are_reported_and_the_limit_is_explained() {
        let rrl = Rrl::new(RrlSettings { responses_per_second: 5, slip: 0, ..RrlSettings::default() });
        let (class, qname) = (ResponseClass::Answer, name("a."));
        let reports = |third: u8, now| {
            let client = IpAddr::from([192, 0, third, 1]);
            let decisions = (0..20).map(|id| rrl.decide(client, class, qname.as_ref(), id, now));
            decisions.filter(|one| *one == Limited::Drop { report: true }).count()
        };
        assert_eq!(reports(2, SECOND), 1);
        assert_eq!(reports(2, 2 * SECOND), 0, "the same network, soon after");
        assert_eq!(reports(2, 12 * SECOND), 1);
        assert_eq!((3..100).map(|third| reports(third, 20 * SECOND)).sum::<usize>(), MOST_REPORTS as usize);
        let exceeded = rrl.exceeded("192.0.2.7".parse().unwrap(), class, qname.as_ref(), 12 * SECOND);
        assert_eq!((&*exceeded.prefix, exceeded.per_second), ("192.0.2.0/24", 5));
        assert_eq!(exceeded.setting, "responses_per_second");
        assert!(exceeded.wait > 0 && exceeded.wait <= 15 * SECOND + SECOND / 5, "{exceeded:?}");
        let later = 12 * SECOND + exceeded.wait;
        assert_eq!(
            rrl.decide("192.0.2.7".parse().unwrap(), class, qname.as_ref(), 1, later),
            Limited::Send,
            "the wait is over"
        );
    }

    #[test]
    fn exempt_clients_and_log_only_send_everything() {
        let exempt = Acl::parse(&["192.0.2.0/24"]).unwrap();
        let rrl = Rrl::new(RrlSettings { responses_per_second: 1, exempt, ..RrlSettings::default() });
        assert_eq!(sent(&rrl, "192.0.2.1", "a.", ResponseClass::Answer, 50, SECOND), [50, 0, 0]);
        assert_eq!(rrl.totals(), (0, 0));
        let rrl = Rrl::new(RrlSettings { responses_per_second: 1, log_only: true, ..RrlSettings::default() });
        assert_eq!(sent(&rrl, "192.0.2.1", "a.", ResponseClass::Answer, 50, SECOND), [50, 0, 0]);
        assert_eq!(rrl.totals().0 + rrl.totals().1, 49);
    }

    #[test]
    fn slip_says_how_many_are_sent_truncated() {
        for (slip, expected) in [(0, 0..1), (1, 999..1000), (10, 50..150)] {
            let rrl = Rrl::new(RrlSettings { responses_per_second: 1, slip, ..RrlSettings::default() });
            let [_, slipped, _] = sent(&rrl, "192.0.2.1", "a.", ResponseClass::Answer, 1000, SECOND);
            assert!(expected.contains(&slipped), "slip {slip}: {slipped}");
        }
    }

    #[test]
    fn the_list_of_limited_networks_is_bounded() {
        let rrl = Rrl::new(RrlSettings { responses_per_second: 1, ..RrlSettings::default() });
        for third in 0..200 {
            sent(&rrl, &format!("192.0.{third}.1"), "a.", ResponseClass::Answer, 2, SECOND);
        }
        assert_eq!(rrl.listed().len(), MOST_LISTED);
    }
}
