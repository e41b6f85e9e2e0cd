//! Hit ratios of eviction algorithms on one trace: names with the popularity of a Zipf distribution, mixed with names that are
//! queried only once (scans, cache flushing attacks).
//!
//! `cargo run --release -p nw-cache --example eviction`
//!
//! All algorithms have room for the same number of entries, that of a [`Cache`] which is full. *Optimal* knows the future
//! (Belady): it evicts the entry whose next use is the farthest.
#![allow(clippy::print_stdout, reason = "a program for people")]

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use nw_cache::{Cache, HitQuestion, Rank};
use nw_wire::code::{Class, RrType};
use nw_wire::header::Flags;
use nw_wire::name::Name;
use nw_wire::rrset::Rrset;
use nw_wire::writer::Writer;

/// Names with a popularity.
const NAMES: usize = 200_000;
/// Queries of a trace.
const QUERIES: usize = 2_000_000;
/// Octets of the cache.
const OCTETS: usize = 4 << 20;

/// An algorithm: return whether `key` is a hit, and keep it.
trait Policy {
    fn access(&mut self, key: u32) -> bool;
}

/// The least recently used entry is evicted.
struct Lru {
    most: usize,
    turn: u64,
    used: HashMap<u32, u64>,
    order: BTreeSet<(u64, u32)>,
}

impl Policy for Lru {
    fn access(&mut self, key: u32) -> bool {
        self.turn += 1;
        let hit = self.used.insert(key, self.turn);
        if let Some(before) = hit {
            self.order.remove(&(before, key));
        } else if self.order.len() == self.most
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.used.remove(&oldest);
        }
        self.order.insert((self.turn, key));
        hit.is_some()
    }
}

/// CLOCK with a use count of at most `hottest`; a new entry takes the place of the one that was evicted.
struct Clock {
    most: usize,
    hottest: u8,
    hand: usize,
    places: HashMap<u32, usize>,
    slots: Vec<(u32, u8)>,
}

impl Policy for Clock {
    fn access(&mut self, key: u32) -> bool {
        if let Some(&at) = self.places.get(&key) {
            self.slots[at].1 = (self.slots[at].1 + 1).min(self.hottest);
            return true;
        }
        if self.slots.len() < self.most {
            self.places.insert(key, self.slots.len());
            self.slots.push((key, 0));
            return false;
        }
        while self.slots[self.hand].1 > 0 {
            self.slots[self.hand].1 -= 1;
            self.hand = (self.hand + 1) % self.most;
        }
        self.places.remove(&self.slots[self.hand].0);
        self.slots[self.hand] = (key, 0);
        self.places.insert(key, self.hand);
        self.hand = (self.hand + 1) % self.most;
        false
    }
}

/// SIEVE (NSDI 2024): one queue in the order of insertion, a hand from old to new, one bit for each entry.
struct Sieve {
    most: usize,
    /// Key, visited, and the neighbours: newer and older.
    nodes: Vec<(u32, bool, usize, usize)>,
    places: HashMap<u32, usize>,
    head: usize,
    tail: usize,
    hand: usize,
}

const NONE: usize = usize::MAX;

impl Policy for Sieve {
    fn access(&mut self, key: u32) -> bool {
        if let Some(&at) = self.places.get(&key) {
            self.nodes[at].1 = true;
            return true;
        }
        let at = if self.nodes.len() < self.most {
            self.nodes.push((key, false, NONE, NONE));
            self.nodes.len() - 1
        } else {
            let mut at = if self.hand == NONE { self.tail } else { self.hand };
            while self.nodes[at].1 {
                self.nodes[at].1 = false;
                at = if self.nodes[at].2 == NONE { self.tail } else { self.nodes[at].2 };
            }
            let (old, _, newer, older) = self.nodes[at];
            self.hand = newer;
            self.places.remove(&old);
            match newer {
                NONE => self.head = older,
                newer => self.nodes[newer].3 = older,
            }
            match older {
                NONE => self.tail = newer,
                older => self.nodes[older].2 = newer,
            }
            at
        };
        self.nodes[at] = (key, false, NONE, self.head);
        match self.head {
            NONE => self.tail = at,
            head => self.nodes[head].2 = at,
        }
        self.head = at;
        self.places.insert(key, at);
        false
    }
}

/// S3-FIFO (SOSP 2023): a small queue for new entries, a main queue, and the keys that the small queue has evicted.
struct S3 {
    most: usize,
    small: VecDeque<u32>,
    main: VecDeque<u32>,
    ghosts: VecDeque<u32>,
    is_ghost: HashSet<u32>,
    heat: HashMap<u32, u8>,
}

impl S3 {
    fn evict(&mut self) {
        while self.heat.len() >= self.most {
            if self.small.len() * 10 >= self.most || self.main.is_empty() {
                let Some(key) = self.small.pop_front() else { continue };
                if self.heat[&key] > 0 {
                    self.heat.insert(key, 0);
                    self.main.push_back(key);
                    continue;
                }
                self.heat.remove(&key);
                self.ghosts.push_back(key);
                self.is_ghost.insert(key);
                if self.ghosts.len() > self.most
                    && let Some(old) = self.ghosts.pop_front()
                {
                    self.is_ghost.remove(&old);
                }
            } else if let Some(key) = self.main.pop_front() {
                match self.heat[&key] {
                    0 => _ = self.heat.remove(&key),
                    heat => {
                        self.heat.insert(key, heat - 1);
                        self.main.push_back(key);
                    }
                }
            }
        }
    }
}

impl Policy for S3 {
    fn access(&mut self, key: u32) -> bool {
        if let Some(heat) = self.heat.get_mut(&key) {
            *heat = (*heat + 1).min(3);
            return true;
        }
        self.evict();
        let queue = if self.is_ghost.contains(&key) { &mut self.main } else { &mut self.small };
        queue.push_back(key);
        self.heat.insert(key, 0);
        false
    }
}

/// The cache itself.
struct Real(Cache);

impl Policy for Real {
    fn access(&mut self, key: u32) -> bool {
        let name: Name = format!("host-{key:08}.example.com.").parse().expect("a name");
        let mut buf = [0; 512];
        let mut out = Writer::new(&mut buf, 512, 0, Flags::default());
        out.question(name.as_ref(), RrType::A, Class::IN).expect("it fits");
        let (rtype, class) = (RrType::A, Class::IN);
        let question =
            HitQuestion { name: name.as_ref(), rtype, class, dnssec_ok: false, checking_disabled: false };
        if self.0.hit(&question, 0, &mut out).is_some() {
            return true;
        }
        let mut rrset = Rrset::new(name, RrType::A, Class::IN, 3600);
        rrset.rdatas.push(&key.to_be_bytes());
        self.0.put_rrset(&rrset, None, Rank::Authoritative, 0);
        false
    }
}

/// Queries for popular names and, in the share `scan` of the trace, for names that occur once. Names above [`NAMES`] are
/// those of scans.
fn trace(exponent: f64, scan: f64, bursts: bool) -> Vec<u32> {
    let mut sum = 0.0;
    let cumulated: Vec<f64> = (1..=NAMES)
        .map(|rank| {
            sum += (rank as f64).powf(-exponent);
            sum
        })
        .collect();
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let mut next = NAMES as u32;
    (0..QUERIES)
        .map(|at| {
            // A burst: the scan comes in one piece in each tenth of the trace.
            let place = (at % (QUERIES / 10)) as f64 / (QUERIES / 10) as f64;
            let scans = if bursts { place < scan } else { random() < scan };
            if scans {
                next += 1;
                return next;
            }
            let wanted = random() * sum;
            cumulated.partition_point(|&bound| bound < wanted) as u32
        })
        .collect()
}

/// The share of hits among queries for popular names.
fn ratio(trace: &[u32], policy: &mut dyn Policy) -> f64 {
    let (mut hits, mut asked) = (0, 0);
    for (at, &key) in trace.iter().enumerate() {
        let hit = policy.access(key);
        if at > trace.len() / 4 && key < NAMES as u32 {
            asked += 1;
            hits += u32::from(hit);
        }
    }
    f64::from(hits) * 100.0 / f64::from(asked)
}

fn optimal(trace: &[u32], most: usize) -> f64 {
    let mut later = vec![usize::MAX; trace.len()];
    let mut seen: HashMap<u32, usize> = HashMap::new();
    for (at, key) in trace.iter().enumerate().rev() {
        later[at] = seen.insert(*key, at).unwrap_or(usize::MAX);
    }
    let (mut held, mut order) = (HashMap::new(), BTreeSet::new());
    let (mut hits, mut asked) = (0, 0);
    for (at, key) in trace.iter().enumerate() {
        let hit = held.insert(*key, later[at]);
        if let Some(next) = hit {
            order.remove(&(next, *key));
        }
        order.insert((later[at], *key));
        if order.len() > most
            && let Some((_, last)) = order.pop_last()
        {
            held.remove(&last);
        }
        if at > trace.len() / 4 && *key < NAMES as u32 {
            asked += 1;
            hits += u32::from(hit.is_some());
        }
    }
    f64::from(hits) * 100.0 / f64::from(asked)
}

fn main() {
    let mut full = Real(Cache::new(OCTETS));
    (0..200_000).for_each(|key| _ = full.access(key));
    let most = full.0.stats().answers;
    println!("room for {most} entries, {NAMES} names, hits in % of the queries for them\n");
    println!("| trace | LRU | CLOCK, count 3 | SIEVE | S3-FIFO | this cache | optimal |");
    println!("|---|---|---|---|---|---|---|");
    for (exponent, scan, bursts) in [
        (0.9, 0.0, false),
        (0.9, 0.3, false),
        (0.9, 0.7, false),
        (0.9, 0.3, true),
        (1.1, 0.0, false),
        (1.1, 0.3, false),
        (1.1, 0.7, false),
        (1.1, 0.3, true),
    ] {
        let trace = trace(exponent, scan, bursts);
        let clock = Clock { most, hottest: 3, hand: 0, places: HashMap::new(), slots: Vec::new() };
        let sieve =
            Sieve { most, nodes: Vec::new(), places: HashMap::new(), head: NONE, tail: NONE, hand: NONE };
        let s3 = S3 {
            most,
            small: VecDeque::new(),
            main: VecDeque::new(),
            ghosts: VecDeque::new(),
            is_ghost: HashSet::new(),
            heat: HashMap::new(),
        };
        let mut policies: [Box<dyn Policy>; 5] = [
            Box::new(Lru { most, turn: 0, used: HashMap::new(), order: BTreeSet::new() }),
            Box::new(clock),
            Box::new(sieve),
            Box::new(s3),
            Box::new(Real(Cache::new(OCTETS))),
        ];
        let ratios = policies.iter_mut().map(|policy| format!("{:.1}", ratio(&trace, &mut **policy)));
        let ratios = ratios.collect::<Vec<_>>().join(" | ");
        let kind = if bursts { "bursts" } else { "mixed" };
        let best = optimal(&trace, most);
        println!("| Zipf {exponent}, {:.0} % scans, {kind} | {ratios} | {best:.1} |", scan * 100.0);
    }
}
