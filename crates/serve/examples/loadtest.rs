//! How the work for a question scales with threads, without sockets: N threads answer from one snapshot and one cache.
//!
//! ```text
//! cargo run --release -p nw-serve --example loadtest -- [seconds]
//! ```
//!
//! Prints, for one thread and for as many as there are cores, questions per second and nanoseconds of CPU per question,
//! for authoritative answers and for cache hits, and the ratio of the rates. Where both cores are free, a ratio of 1.9
//! for two threads says that nothing on the path is shared that is written.

#![allow(clippy::print_stdout)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::{answer, cache, queries, snapshot};
use nw_cache::Cache;
use nw_serve::{Snapshot, Stats};

const NAMES: usize = 100_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seconds = std::env::args().nth(1).map_or(Ok(2.0), |text| text.parse())?;
    let length = Duration::from_secs_f64(seconds);
    let snapshot = snapshot(NAMES, "fixed")?;
    let cache = Arc::new(cache(NAMES)?);
    let cores = std::thread::available_parallelism()?.get();
    for (what, suffix) in [("authoritative", "example.com."), ("cache hit", "example.net.")] {
        let packets = Arc::new(queries(NAMES, suffix)?);
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
                let stats = Stats::default();
                let mut room = vec![0; 4096];
                let mut answered = 0u64;
                let mut at = thread * packets.len() / 16;
                while !stop.load(Ordering::Relaxed) {
                    for _ in 0..64 {
                        at = (at + 1) % packets.len();
                        answer(&snapshot, &cache, &stats, &packets[at], &mut room);
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
