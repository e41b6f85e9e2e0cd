//! Amplification: which networks of clients get many more octets than they send, for types with large answers.
//!
//! A victim of a reflection attack is seen as a client: queries come with its address. A network is suspected if in a window it got more than `octets`,
//! more than `ratio` for each octet of its queries, and `share` percent of its queries were for ANY, DNSKEY, TXT and the like.
//! Only UDP counts: the address of a TCP client is its own.
//!
//! One response in [`SAMPLE`](super::SAMPLE) is counted, chosen by a keyed hash that nobody outside can compute; the numbers in reports are multiplied by that.
//! Suspected networks are looked up in a table of their own, without a lock.
//! The counts of a network are kept while its window lasts; the table has a fixed size, and the network with the fewest octets makes room.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use nw_wire::{RrType, hash};

use super::{DetectAction, Finding, SAMPLE, size};
use crate::acl::Acl;

const SECOND: u64 = 1_000_000;
/// Places that a network may take.
const WAYS: usize = 8;
/// Suspected networks that are acted on at once. Of two with the same place, the one that exceeded the limits last has it.
const SUSPECTS: usize = 256;
/// Microseconds in which one response of a suspected network is reported, so that an attack does not fill the flight recorder.
const REPORT_EVERY: u64 = 10 * SECOND;

/// The settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AmplificationSettings {
    /// What is done about a suspected network: `rate-limit` sends its UDP responses truncated, `block` does not send them.
    pub action: DetectAction,
    /// Seconds in which a network is measured.
    pub window_s: u32,
    /// Octets of responses in a window that are not suspicious.
    pub octets: u64,
    /// Octets of responses for each octet of queries that are not suspicious.
    pub ratio: u32,
    /// Percentage of queries for types with large answers.
    pub share: u32,
    /// Seconds for which a network stays suspected.
    pub hold_s: u32,
    /// Bits of an IPv4 address that make a network.
    pub ipv4_prefix: u8,
    /// Bits of an IPv6 address that make a network.
    pub ipv6_prefix: u8,
    /// Networks that are counted at once, 64 octets each. Stops forged addresses from filling the memory.
    pub networks: u32,
    /// Clients that are not watched.
    pub exempt: Acl,
}

impl Default for AmplificationSettings {
    fn default() -> AmplificationSettings {
        AmplificationSettings {
            action: DetectAction::Log,
            window_s: 10,
            octets: 1 << 20,
            ratio: 10,
            share: 50,
            hold_s: 60,
            ipv4_prefix: 24,
            ipv6_prefix: 56,
            networks: 4096,
            exempt: Acl::none(),
        }
    }
}

/// What becomes of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// It is sent.
    Send,
    /// It is sent empty with TC, so that a real client asks over TCP.
    Truncate,
    /// It is not sent.
    Drop,
}

/// The networks that are watched.
#[derive(Debug)]
pub struct Amplification {
    settings: AmplificationSettings,
    networks: Mutex<Vec<Network>>,
    /// The latest time until which a network is acted on.
    acting: AtomicU64,
    /// The networks that are acted on.
    suspects: Box<[Suspect]>,
}

/// A network that is acted on.
#[derive(Debug, Default)]
struct Suspect {
    key: AtomicU64,
    until: AtomicU64,
    /// When the next of its responses is reported.
    report_at: AtomicU64,
}

/// What is known of one network. A key of 0 is a free place.
#[derive(Clone, Copy, Debug, Default)]
struct Network {
    key: u64,
    began: u64,
    responses: u32,
    large: u32,
    asked: u64,
    sent: u64,
    suspected: u64,
}

impl Amplification {
    /// A table without networks.
    pub fn new(settings: AmplificationSettings) -> Amplification {
        let places = (settings.networks as usize).next_multiple_of(WAYS).max(WAYS);
        Amplification {
            networks: Mutex::new(vec![Network::default(); places]),
            acting: AtomicU64::new(0),
            suspects: std::iter::repeat_with(Default::default).take(SUSPECTS).collect(),
            settings,
        }
    }

    /// See [`super::Detector::response`].
    #[inline]
    pub(super) fn response(
        &self,
        client: IpAddr,
        id: u16,
        rtype: RrType,
        octets: (usize, usize),
        now: u64,
    ) -> (Share, Option<Finding>) {
        let bits = u128::from(id) << 112 | u128::from(rtype.0) << 96 | u128::from(now) << 32;
        let sampled = hash::key().number(bits ^ bits_of(client)).is_multiple_of(SAMPLE);
        if !sampled && now >= self.acting.load(Ordering::Relaxed) {
            return (Share::Send, None);
        }
        self.look(client, rtype, octets, now, sampled)
    }

    #[cold]
    fn look(
        &self,
        client: IpAddr,
        rtype: RrType,
        octets: (usize, usize),
        now: u64,
        sampled: bool,
    ) -> (Share, Option<Finding>) {
        if self.settings.exempt.allows(client) {
            return (Share::Send, None);
        }
        let (network, length) = self.prefix(client);
        let key = Self::key(network, length);
        let finding = match sampled {
            true => self.count(key, (network, length), rtype, octets, now),
            false => None,
        };
        let suspect = &self.suspects[key as usize % SUSPECTS];
        let acts = suspect.key.load(Ordering::Relaxed) == key && now < suspect.until.load(Ordering::Relaxed);
        let share = match self.settings.action {
            DetectAction::RateLimit if acts => Share::Truncate,
            DetectAction::Block if acts => Share::Drop,
            _ => Share::Send,
        };
        (share, finding)
    }

    /// See [`super::Detector::suspect`].
    pub(super) fn suspect(&self, client: IpAddr, now: u64) -> (String, bool) {
        let (network, length) = self.prefix(client);
        let report_at = &self.suspects[Self::key(network, length) as usize % SUSPECTS].report_at;
        let due = report_at.load(Ordering::Relaxed);
        let next = now + REPORT_EVERY;
        let reports =
            now >= due && report_at.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        (format!("{network}/{length}"), reports)
    }

    /// The key of a network.
    fn key(network: IpAddr, length: u8) -> u64 {
        hash::key().number(bits_of(network) ^ u128::from(length)).max(1)
    }

    /// Count a response of *sent* octets to a query of *asked* octets.
    fn count(
        &self,
        key: u64,
        (network, length): (IpAddr, u8),
        rtype: RrType,
        (asked, sent): (usize, usize),
        now: u64,
    ) -> Option<Finding> {
        let settings = &self.settings;
        let mut networks = self.networks.lock().unwrap_or_else(PoisonError::into_inner);
        let start = (key as usize % (networks.len() / WAYS)) * WAYS;
        let places = &mut networks[start..start + WAYS];
        let rank = |one: &Network| (one.key != 0, now < one.suspected, one.sent);
        let known = places.iter().position(|one| one.key == key);
        let at = known.or_else(|| (0..WAYS).min_by_key(|&at| rank(&places[at]))).unwrap_or(0);
        let one = &mut places[at];
        if one.key != key {
            *one = Network { key, began: now, ..Network::default() };
        }
        if now.saturating_sub(one.began) >= u64::from(settings.window_s) * SECOND {
            *one = Network { key, began: now, suspected: one.suspected, ..Network::default() };
        }
        one.responses += 1;
        one.large += u32::from(is_large(rtype));
        one.asked += asked as u64;
        one.sent += sent as u64;
        let (total, share) = (one.sent * SAMPLE, one.large * 100 / one.responses);
        let exceeds = total > settings.octets
            && one.sent > one.asked * u64::from(settings.ratio)
            && share >= settings.share;
        if !exceeds {
            return None;
        }
        let is_new = now >= one.suspected;
        one.suspected = now + u64::from(settings.hold_s) * SECOND;
        if settings.action != DetectAction::Log {
            let suspect = &self.suspects[key as usize % SUSPECTS];
            suspect.until.store(one.suspected, Ordering::Relaxed);
            if suspect.key.swap(key, Ordering::Relaxed) != key {
                suspect.report_at.store(0, Ordering::Relaxed);
            }
            self.acting.fetch_max(one.suspected, Ordering::Relaxed);
        }
        let ratio = one.sent * 10 / one.asked.max(1);
        is_new.then(|| Finding {
            slug: "amplification-suspected",
            text: format!(
                "amplification suspected: {network}/{length} gets about {}.{} octets for each octet of its queries (limit {}): about {} in {} s \
                 (limit {}), about {share} % ANY, DNSKEY, TXT and the like (limit {})",
                ratio / 10,
                ratio % 10,
                settings.ratio,
                size(total),
                settings.window_s,
                size(settings.octets),
                settings.share,
            ),
        })
    }

    /// The network of *client* and the length of its prefix.
    fn prefix(&self, client: IpAddr) -> (IpAddr, u8) {
        let mask = |length: u8, width: u32| u128::MAX.checked_shl(width - u32::from(length)).unwrap_or(0);
        match client.to_canonical() {
            IpAddr::V4(address) => {
                let bits = address.to_bits() & mask(self.settings.ipv4_prefix, 32) as u32;
                (Ipv4Addr::from_bits(bits).into(), self.settings.ipv4_prefix)
            }
            IpAddr::V6(address) => {
                let bits = address.to_bits() & mask(self.settings.ipv6_prefix, 128);
                (Ipv6Addr::from_bits(bits).into(), self.settings.ipv6_prefix)
            }
        }
    }
}

/// The bits of an address; IPv4 as an IPv4-mapped one.
fn bits_of(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// Whether attackers ask for *rtype* because its answers are large.
fn is_large(rtype: RrType) -> bool {
    matches!(rtype, RrType::ANY | RrType::DNSKEY | RrType::TXT | RrType::RRSIG | RrType::NSEC3PARAM)
}
