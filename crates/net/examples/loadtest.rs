//! How the work for a question scales with threads, without sockets: N threads answer from one snapshot and one cache.
//!
//! ```text
//! cargo run --release -p nw-net --example loadtest -- [seconds]
//! ```
//!
//! Prints, for one thread and for as many as there are cores, questions per second and nanoseconds of CPU per question,
//! for authoritative answers and for cache hits, and the ratio of the rates. Where both cores are free, a ratio of 1.9
//! for two threads says that nothing on the path is shared that is written.

#![allow(clippy::print_stdout)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nw_cache::{Cache, HitQuestion, Rank};
use nw_serve::{Environment, Handled, Snapshot, Stats, Transport, pipeline};
use nw_wire::{Class, Flags, Name, RrType, Rrset, Section, Writer};
use nw_zone::{LoadOptions, scan};

const NAMES: usize = 100_000;
const PLAN: &str = r#"{"version":1,"zones":[{"name":"example.com."}],
    "resolver":{"forward":[{"suffix":".","servers":["127.0.0.1:1"]}]}}"#;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seconds = std::env::args().nth(1).map_or(Ok(2.0), |text| text.parse())?;
    let length = Duration::from_secs_f64(seconds);
    let snapshot = snapshot()?;
    let cache = Arc::new(cache()?);
    let cores = std::thread::available_parallelism()?.get();
    for (what, suffix) in [("authoritative", "example.com."), ("cache hit", "example.net.")] {
        let packets: Vec<Vec<u8>> = (0..NAMES)
            // A stride coprime to the number of names: no two in a row are neighbours in memory.
            .map(|i| question(i * 7919 % NAMES, suffix))
            .collect::<Result<_, _>>()?;
        let packets = Arc::new(packets);
        let one = rate(1, length, &snapshot, &cache, &packets);
        let all = rate(cores, length, &snapshot, &cache, &packets);
        println!(
            "{what}: 1 thread {one:.0}/s ({:.0} ns), {cores} threads {all:.0}/s, ratio {:.2}",
            1e9 / one,
            all / one
        );
    }
    Ok(())
}

/// Answers per second of *threads* threads.
fn rate(
    threads: usize,
    length: Duration,
    snapshot: &Arc<Snapshot>,
    cache: &Arc<Cache>,
    packets: &Arc<Vec<Vec<u8>>>,
) -> f64 {
    let stop = Arc::new(AtomicBool::new(false));
    let began = Instant::now();
    let workers: Vec<_> = (0..threads)
        .map(|thread| {
            let (snapshot, cache) = (Arc::clone(snapshot), Arc::clone(cache));
            let (packets, stop) = (Arc::clone(packets), Arc::clone(&stop));
            std::thread::spawn(move || {
                let client: SocketAddr = ([127, 0, 0, 1], 4242).into();
                let stats = Stats::default();
                let mut room = vec![0; 4096];
                let mut answered = 0u64;
                let mut at = thread * packets.len() / 16;
                while !stop.load(Ordering::Relaxed) {
                    let environment = Environment {
                        snapshot: &snapshot,
                        cache: Some(&cache),
                        now: 1,
                        unix_s: &|| 0,
                        stats: &stats,
                        recorder: None,
                        telemetry: None,
                        trace: None,
                    };
                    for _ in 0..64 {
                        at = (at + 1) % packets.len();
                        let handled =
                            pipeline::handle(&environment, &packets[at], client, Transport::Udp, &mut room);
                        assert!(matches!(handled, Handled::Reply(_)), "every name is served or cached");
                        answered += 1;
                    }
                }
                answered
            })
        })
        .collect();
    std::thread::sleep(length);
    stop.store(true, Ordering::Relaxed);
    let answered: u64 = workers.into_iter().map(|worker| worker.join().expect("no assertion fails")).sum();
    answered as f64 / began.elapsed().as_secs_f64()
}

fn snapshot() -> Result<Arc<Snapshot>, Box<dyn std::error::Error>> {
    let mut text =
        String::from("$TTL 3600\n@ SOA ns1 h 1 7200 3600 1209600 300\n@ NS ns1\nns1 A 192.0.2.1\n");
    for i in 0..NAMES {
        let (a, b) = (i / 250 % 250, i % 250);
        text.push_str(&format!("h{i} A 10.1.{a}.{b}\nh{i} A 10.2.{a}.{b}\nh{i} TXT \"host {i}\"\n"));
    }
    let apex: Name = "example.com.".parse()?;
    let zone = scan::load(&mut scan::Text::new("zone", text), apex.as_ref(), &LoadOptions::default())?;
    let snapshot = Snapshot::build(PLAN.as_bytes(), vec![zone]).map_err(|errors| format!("{errors:?}"))?;
    Ok(Arc::new(snapshot))
}

fn cache() -> Result<Cache, Box<dyn std::error::Error>> {
    let cache = Cache::new(256 << 20);
    for i in 0..NAMES {
        let mut set = Rrset::new(format!("h{i}.example.net.").parse()?, RrType::A, Class::IN, 3600);
        set.rdatas.push(&[10, 1, (i / 250 % 250) as u8, (i % 250) as u8]);
        cache.put_rrset(&set, None, Rank::Authoritative, 0);
    }
    let last: Name = format!("h{}.example.net.", NAMES - 1).parse()?;
    let question = HitQuestion {
        name: last.as_ref(),
        rtype: RrType::A,
        class: Class::IN,
        dnssec_ok: false,
        checking_disabled: false,
    };
    let mut room = vec![0; 512];
    let mut out = Writer::new(&mut room, 512, 0, Flags::default());
    assert!(cache.hit(&question, 1, &mut out).is_some(), "the cache holds them all");
    Ok(cache)
}

fn question(i: usize, suffix: &str) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let name: Name = format!("h{i}.{suffix}").parse()?;
    let mut room = vec![0; 512];
    let mut out = Writer::new(&mut room, 512, i as u16, Flags::default().with_rd(suffix.ends_with("net.")));
    let opt = [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0];
    out.question(name.as_ref(), RrType::A, Class::IN)
        .and_then(|()| out.raw(Section::Additional, 1, &opt))
        .expect("a question fits");
    let length = out.finish();
    room.truncate(length);
    Ok(room)
}
