//! Tunnels: which registered domains are asked for many different names that look like data.
//!
//! Each domain is watched for a window. A domain is suspected if it has more different subdomains than `max_subdomains` and at least
//! `min_features` of these:
//!
//! | feature | limit | what it is like elsewhere |
//! |---|---|---|
//! | mean length of the longest label | `label_length` | hosts of a CDN: 5 to 20 |
//! | mean entropy of the longest label, bits a character | `entropy` | words: below 3.3; hexadecimal: up to 4; base32: 4.5 |
//! | share of TXT, NULL and private types | `data_share` | browsers: 0 |
//! | volume: octets in subdomains, or of answers | `question_octets`, `answer_octets` | a busy domain exceeds it, too: it counts once |
//!
//! A window begins anew when it is over, so that a score does not outlive its cause. A suspected domain stays so for `hold` after the last window in
//! which it exceeded the limits. Domains of `allow`, and names below, are not watched: block lists in the DNS, and virus scanners that look up
//! hashes, are tunnels by any measure.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use nw_wire::hash::Keyed;
use nw_wire::{Name, NameRef, RrType};

use super::suffixes::{Suffixes, registered};
use super::{DetectAction, Finding, Watched, decode, size};

const SECOND: u64 = 1_000_000;
/// Parts of the table, each with a lock of its own.
const SHARDS: usize = 16;
/// Places that a domain may take.
const WAYS: usize = 4;
/// Bits that count subdomains.
const BITS: usize = 1024;
/// The largest estimate that they give with some certainty.
const CERTAIN: u32 = 4000;
/// Intervals between queries before they are called regular.
const LEAST_INTERVALS: u32 = 10;

/// The settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelSettings {
    /// What is done about a suspected domain.
    pub action: DetectAction,
    /// Seconds in which a domain is measured.
    pub window_s: u32,
    /// Different subdomains in a window that are not suspicious.
    pub max_subdomains: u32,
    /// Other features that must exceed their limits, too; 0 to 4.
    pub min_features: u32,
    /// Mean octets of the longest label.
    pub label_length: u32,
    /// Mean entropy of the longest label, hundredths of a bit for each character.
    pub entropy: u32,
    /// Percentage of queries for TXT, NULL and private types.
    pub data_share: u32,
    /// Octets in subdomains in a window.
    pub question_octets: u64,
    /// Octets of answers in a window.
    pub answer_octets: u64,
    /// Seconds for which a domain stays suspected.
    pub hold_s: u32,
    /// Lookups per second that a suspected domain keeps under `rate-limit`.
    pub per_second: u32,
    /// Domains that are watched at once, some 700 octets each. Stops a flood of domains from filling the memory; it displaces the quietest.
    pub domains: u32,
    /// Names at and below which nothing is watched.
    pub allow: Vec<Name>,
}

impl Default for TunnelSettings {
    fn default() -> TunnelSettings {
        TunnelSettings {
            action: DetectAction::Log,
            window_s: 60,
            max_subdomains: 50,
            min_features: 2,
            label_length: 24,
            entropy: 360,
            data_share: 50,
            question_octets: 32_768,
            answer_octets: 524_288,
            hold_s: 600,
            per_second: 1,
            domains: 4096,
            allow: Vec::new(),
        }
    }
}

/// The domains that are watched.
#[derive(Debug)]
pub struct Tunnels {
    settings: TunnelSettings,
    /// The hashes of the names of `allow`.
    allow: HashSet<u64, Keyed>,
    shards: Vec<Mutex<Vec<Option<Box<Domain>>>>>,
}

/// What is known of one registered domain.
#[derive(Debug)]
struct Domain {
    hash: u64,
    name: Name,
    /// When the window began.
    began: u64,
    queries: u32,
    /// One bit for each subdomain, by its hash.
    seen: [u64; BITS / 64],
    /// Octets of the longest labels, of subdomains, of answers.
    label_octets: u64,
    question_octets: u64,
    answer_octets: u64,
    /// Sum of the entropies, hundredths of a bit.
    entropy: u64,
    /// Queries for types that carry data.
    data_queries: u32,
    /// The client of the last query.
    client: IpAddr,
    /// The longest label of the window.
    label: Box<[u8]>,
    /// Mean of the intervals between queries, and mean distance from it, microseconds; smoothed, over all windows.
    interval: (u64, u64),
    intervals: u32,
    last: u64,
    /// Until when it is suspected.
    suspected: u64,
    /// When the next lookup of a limited domain is due.
    next: u64,
}

/// The features of a window.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Features {
    subdomains: u32,
    label_length: u32,
    /// Hundredths of a bit.
    entropy: u32,
    data_share: u32,
    question_octets: u64,
    answer_octets: u64,
}

impl Tunnels {
    /// A table without domains.
    pub fn new(settings: TunnelSettings) -> Tunnels {
        let each = (settings.domains as usize).div_ceil(SHARDS).next_multiple_of(WAYS).max(WAYS);
        let shard = || Mutex::new(std::iter::repeat_with(|| None).take(each).collect());
        let allow = settings.allow.iter().map(|name| name.as_ref().hash64()).collect();
        Tunnels { allow, shards: std::iter::repeat_with(shard).take(SHARDS).collect(), settings }
    }

    /// See [`super::Detector::lookup`].
    pub(super) fn lookup(
        &self,
        suffixes: Option<&Suffixes>,
        client: IpAddr,
        name: NameRef<'_>,
        rtype: RrType,
        now: u64,
    ) -> (Watched, Option<Finding>) {
        let Some(apex) = self.watched(suffixes, name) else { return (Watched::Pass, None) };
        let mut shard = self.shard(apex.hash64());
        let domain = entry(&mut shard, apex, client, now);
        if now.saturating_sub(domain.began) >= u64::from(self.settings.window_s) * SECOND {
            domain.begin(now);
        }
        domain.count(client, name, apex.label_count(), rtype, now);
        let features = domain.features();
        let was_suspected = now < domain.suspected;
        let mut finding = None;
        if self.exceeded(&features) {
            domain.suspected = now + u64::from(self.settings.hold_s) * SECOND;
            if !was_suspected {
                let text = format!("tunnel suspected: {}", self.describe(domain, &features));
                finding = Some(Finding { slug: "tunnel-suspected", text });
            }
        }
        if now >= domain.suspected {
            return (Watched::Pass, finding);
        }
        let watched = self.decide(domain, now);
        if self.settings.action == DetectAction::RateLimit && watched == Watched::Pass {
            domain.next = now + SECOND / u64::from(self.settings.per_second.max(1));
        }
        (watched, finding)
    }

    /// What becomes of a lookup of the suspected *domain* at *now*.
    fn decide(&self, domain: &Domain, now: u64) -> Watched {
        let reason = || format!("tunnel suspected: {}", domain.name);
        match self.settings.action {
            DetectAction::Block => Watched::Block(reason()),
            DetectAction::RateLimit if now < domain.next => Watched::Limit(reason()),
            DetectAction::Log | DetectAction::RateLimit => Watched::Pass,
        }
    }

    /// The features of the domain of *name*, if it is suspected, and what becomes of a lookup; see [`super::Detector::peek`].
    pub(super) fn peek(
        &self,
        suffixes: Option<&Suffixes>,
        name: NameRef<'_>,
        now: u64,
    ) -> Option<(String, Watched)> {
        let apex = self.watched(suffixes, name)?;
        let hash = apex.hash64();
        let shard = self.shard(hash);
        let start = set(hash, shard.len());
        let mut found = shard[start..start + WAYS].iter().flatten().filter(|domain| domain.hash == hash);
        let domain = found.find(|domain| now < domain.suspected)?;
        Some((self.describe(domain, &domain.features()), self.decide(domain, now)))
    }

    /// See [`super::Detector::answered`].
    pub(super) fn answered(&self, suffixes: Option<&Suffixes>, name: NameRef<'_>, octets: usize) {
        let Some(apex) = self.watched(suffixes, name) else { return };
        let hash = apex.hash64();
        let mut shard = self.shard(hash);
        let start = set(hash, shard.len());
        let found = shard[start..start + WAYS].iter_mut().flatten().find(|domain| domain.hash == hash);
        if let Some(domain) = found {
            domain.answer_octets += octets as u64;
        }
    }

    /// See [`super::Detector::domains`].
    pub(super) fn domains(&self, now: u64, most: usize) -> Vec<String> {
        let window = u64::from(self.settings.window_s) * SECOND;
        let mut found = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            for domain in shard.iter().flatten().filter(|domain| now.saturating_sub(domain.last) < window) {
                let features = domain.features();
                let count =
                    self.exceeding(&features) + u32::from(features.subdomains > self.settings.max_subdomains);
                found.push((
                    (now < domain.suspected, count, features.subdomains),
                    self.describe(domain, &features),
                ));
            }
        }
        found.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        found.into_iter().take(most).map(|(_, text)| text).collect()
    }

    /// The registered domain of *name*, if the name is below it and is watched.
    fn watched<'n>(&self, suffixes: Option<&Suffixes>, name: NameRef<'n>) -> Option<NameRef<'n>> {
        let apex = registered(suffixes, name)?;
        let mut above = std::iter::successors(Some(name), |name| name.parent());
        let allowed = !self.allow.is_empty() && above.any(|name| self.allow.contains(&name.hash64()));
        (name.label_count() > apex.label_count() && !allowed).then_some(apex)
    }

    fn shard(&self, hash: u64) -> MutexGuard<'_, Vec<Option<Box<Domain>>>> {
        self.shards[(hash >> 60) as usize % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many features beside the number of subdomains exceed their limits.
    fn exceeding(&self, features: &Features) -> u32 {
        let limits = &self.settings;
        u32::from(features.label_length >= limits.label_length)
            + u32::from(features.entropy >= limits.entropy)
            + u32::from(features.data_share >= limits.data_share)
            + u32::from(
                features.question_octets >= limits.question_octets
                    || features.answer_octets >= limits.answer_octets,
            )
    }

    fn exceeded(&self, features: &Features) -> bool {
        features.subdomains > self.settings.max_subdomains
            && self.exceeding(features) >= self.settings.min_features
    }

    /// Each feature with its limit, in one sentence.
    fn describe(&self, domain: &Domain, features: &Features) -> String {
        let limits = &self.settings;
        let mut text = format!(
            "{} from {}: {} distinct subdomains in {} s (limit {}), mean label length {} (limit {}), entropy {}.{} bits a character \
             (limit {}.{}), {} % TXT, NULL or private types (limit {}), {} asked (limit {}), {} answered (limit {})",
            domain.name,
            domain.client,
            subdomains(features.subdomains),
            limits.window_s,
            limits.max_subdomains,
            features.label_length,
            limits.label_length,
            features.entropy / 100,
            features.entropy % 100 / 10,
            limits.entropy / 100,
            limits.entropy % 100 / 10,
            features.data_share,
            limits.data_share,
            size(features.question_octets),
            size(limits.question_octets),
            size(features.answer_octets),
            size(limits.answer_octets),
        );
        let (mean, distance) = domain.interval;
        if domain.intervals >= LEAST_INTERVALS && mean >= SECOND && distance < mean / 4 {
            // Writing to a String cannot fail.
            let _ = write!(text, ", a query every {} s", (mean + SECOND / 2) / SECOND);
        }
        if let Some((encoding, hidden)) = decode::decode(&domain.label) {
            let _ = write!(text, ", a label is {encoding} of {hidden:?}");
        }
        text
    }
}

/// The estimate *count* in words. Above [`CERTAIN`], so few bits are left that it is a lower bound.
fn subdomains(count: u32) -> String {
    match count {
        0..=CERTAIN => format!("about {count}"),
        _ => format!("more than {CERTAIN}"),
    }
}

/// The first place for *hash* in a shard of *length* places.
fn set(hash: u64, length: usize) -> usize {
    (hash as usize % (length / WAYS)) * WAYS
}

/// The domain *apex* in *shard*; if it is new, it takes the place of the quietest that is not suspected.
fn entry<'s>(
    shard: &'s mut [Option<Box<Domain>>],
    apex: NameRef<'_>,
    client: IpAddr,
    now: u64,
) -> &'s mut Domain {
    let hash = apex.hash64();
    let start = set(hash, shard.len());
    let places = &mut shard[start..start + WAYS];
    let known = places.iter().position(|place| place.as_ref().is_some_and(|domain| domain.hash == hash));
    let at = known.unwrap_or_else(|| {
        let rank = |place: &Option<Box<Domain>>| {
            place.as_ref().map(|domain| (now < domain.suspected, domain.queries, domain.last))
        };
        let quietest = (0..WAYS).min_by_key(|&at| rank(&places[at])).unwrap_or(0);
        places[quietest] = Some(Box::new(Domain::new(apex, client, now)));
        quietest
    });
    places[at].as_mut().expect("it was found or made")
}

impl Domain {
    fn new(apex: NameRef<'_>, client: IpAddr, now: u64) -> Domain {
        Domain {
            hash: apex.hash64(),
            name: apex.to_name(),
            began: now,
            queries: 0,
            seen: [0; BITS / 64],
            label_octets: 0,
            question_octets: 0,
            answer_octets: 0,
            entropy: 0,
            data_queries: 0,
            client,
            label: Box::default(),
            interval: (0, 0),
            intervals: 0,
            last: now,
            suspected: 0,
            next: 0,
        }
    }

    /// Begin a window.
    fn begin(&mut self, now: u64) {
        (self.began, self.queries, self.data_queries, self.entropy) = (now, 0, 0, 0);
        (self.label_octets, self.question_octets, self.answer_octets) = (0, 0, 0);
        self.seen = [0; BITS / 64];
        self.label = Box::default();
    }

    /// Count a query for *name*, whose last *apex* labels are those of the domain.
    fn count(&mut self, client: IpAddr, name: NameRef<'_>, apex: usize, rtype: RrType, now: u64) {
        let bit = (name.hash64() >> 32) as usize % BITS;
        self.seen[bit / 64] |= 1 << (bit % 64);
        let (mut octets, mut longest): (usize, &[u8]) = (0, &[]);
        for label in name.labels().take(name.label_count() - apex) {
            octets += label.len();
            if label.len() > longest.len() {
                longest = label;
            }
        }
        self.queries += 1;
        self.data_queries += u32::from(carries_data(rtype));
        self.question_octets += octets as u64;
        self.label_octets += longest.len() as u64;
        self.entropy += u64::from(entropy(longest));
        if longest.len() > self.label.len() {
            self.label = longest.into();
        }
        self.client = client;
        if self.queries > 1 || self.intervals > 0 {
            let interval = now.saturating_sub(self.last);
            let (mean, distance) = self.interval;
            self.interval = match self.intervals {
                0 => (interval, 0),
                _ => ((mean * 7 + interval) / 8, (distance * 7 + interval.abs_diff(mean)) / 8),
            };
            self.intervals = self.intervals.saturating_add(1);
        }
        self.last = now;
    }

    fn features(&self) -> Features {
        let queries = u64::from(self.queries.max(1));
        Features {
            subdomains: self.subdomains(),
            label_length: (self.label_octets / queries) as u32,
            entropy: (self.entropy / queries) as u32,
            data_share: (u64::from(self.data_queries) * 100 / queries) as u32,
            question_octets: self.question_octets,
            answer_octets: self.answer_octets,
        }
    }

    /// How many different subdomains were asked for, about: from the bits that none has set (linear counting).
    fn subdomains(&self) -> u32 {
        let zeros = self.seen.iter().map(|word| word.count_zeros()).sum::<u32>().max(1);
        let estimate = -(BITS as f64) * (f64::from(zeros) / BITS as f64).ln();
        // Never more than there were queries.
        (estimate.round() as u32).min(self.queries)
    }
}

/// Whether answers of *rtype* carry whatever their sender wants: tunnels prefer them.
fn carries_data(rtype: RrType) -> bool {
    matches!(rtype, RrType::TXT | RrType(10)) || rtype.0 >= 65_280
}

/// n log2 n for the lengths of labels.
static WEIGHTS: LazyLock<[f32; 64]> =
    LazyLock::new(|| std::array::from_fn(|n| if n == 0 { 0.0 } else { n as f32 * (n as f32).log2() }));

/// The entropy of *label*, hundredths of a bit for each character. Case does not count.
fn entropy(label: &[u8]) -> u32 {
    let weights = &*WEIGHTS;
    let (mut counts, mut repeated) = ([0u8; 256], 0.0);
    // A label has at most 63 octets.
    for octet in label {
        let count = &mut counts[usize::from(octet.to_ascii_lowercase())];
        repeated -= weights[usize::from(*count)];
        *count += 1;
        repeated += weights[usize::from(*count)];
    }
    // -sum(c/n log2(c/n)) = (n log2 n - sum(c log2 c)) / n
    let bits = (weights[label.len()] - repeated) / label.len().max(1) as f32;
    (bits * 100.0).round() as u32
}
