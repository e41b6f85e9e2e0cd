//! How many signatures one core makes and checks per second, and how many hashes: the floor under all of DNSSEC.
//!
//! `cargo run --release -p nw-crypto --example rates`
//!
//! Counted in CPU time of this thread where Linux reports it, so that other load does not change the figures.
#![allow(clippy::print_stdout)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use nw_crypto::{Algorithm, DigestAlg, PublicKey, Signer, SigningKey, digest, sha1, verify};

fn main() {
    let message = [0x5a; 150]; // about what an RRSIG over one A RRset covers
    println!("{:<32} {:>12} {:>10}", "operation", "per second", "us each");
    for (number, bits) in [(8, 2048), (8, 4096), (10, 2048), (13, 0), (14, 0), (15, 0), (16, 0)] {
        let algorithm = Algorithm(number);
        let key = SigningKey::generate(algorithm, (bits > 0).then_some(bits)).expect("a key");
        let name = if bits > 0 { format!("{algorithm} {bits}") } else { algorithm.to_string() };
        let mut signature = Vec::new();
        rate(&format!("{name} sign"), || {
            signature.clear();
            key.sign(black_box(&message), &mut signature).expect("a signature");
        });
        let public = PublicKey::from_dnskey(algorithm, key.public_key()).expect("our own key");
        rate(&format!("{name} verify"), || public.verify(black_box(&message), &signature).expect("good"));
        rate(&format!("{name} parse + verify"), || {
            verify(algorithm, key.public_key(), black_box(&message), &signature).expect("good");
        });
    }
    rate("SHA-1, 40 bytes", || {
        black_box(sha1(black_box(&message[..40])));
    });
    rate("SHA-256, 100 bytes", || {
        black_box(digest(DigestAlg::Sha256, black_box(&message[..100])));
    });
}

/// Run `work` for about a second and print how often it went.
fn rate(name: &str, mut work: impl FnMut()) {
    let (start, cpu, mut count) = (Instant::now(), cpu_time(), 0u64);
    while start.elapsed() < Duration::from_millis(700) {
        for _ in 0..16 {
            work();
        }
        count += 16;
    }
    let took = match (cpu, cpu_time()) {
        (Some(before), Some(after)) => after - before,
        _ => start.elapsed(),
    };
    let each = took.as_secs_f64() / count as f64;
    println!("{name:<32} {:>12.0} {:>10.2}", 1.0 / each, each * 1e6);
}

/// Return the CPU time that this thread has used, where the system reports it.
fn cpu_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_ascii_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}
