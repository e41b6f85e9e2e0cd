//! What DNSSEC costs per core beyond the bare arithmetic: RRsets signed and verified, zones prepared, names hashed.
//!
//! `cargo run --release -p nw-dnssec --example rates [delegations]`
//!
//! `delegations`: those of the zones that are prepared (100,000); 0 for none. The first table is row R7 of `make bench`.
//!
//! Counted in CPU time where Linux tells it, on one thread.
#![allow(clippy::print_stdout)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nw_crypto::{Algorithm, PublicKey, SignError, Signer, SigningKey};
use nw_dnssec::{
    Canonical, DenialOptions, Rrsig, SignOptions, Verifier, ZoneKey, nsec3_hash, sign_rrset, sign_zone,
    verify_rrset,
};
use nw_wire::{Class, Name, RrType, Rrset};

fn main() {
    let count = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(100_000);
    let apex: Name = "example.com".parse().expect("a name");
    for number in [8, 13, 15] {
        let signer = SigningKey::generate(Algorithm(number), None).expect("a key");
        let key = ZoneKey::new(apex.as_ref(), 256, Arc::new(signer));
        let verifier = Verifier::new(apex.as_ref(), key.dnskey()).expect("our own key");
        let rrset = rrset("www.example.com", RrType::A, &[192, 0, 2, 1]);
        let params = nw_dnssec::SignParams { inception: 0, expiration: 1000 };
        let (mut scratch, mut rdata) = (Default::default(), Vec::new());
        let mut sign = || {
            rdata.clear();
            sign_rrset(black_box(&rrset), &key, params, &mut scratch, &mut rdata).expect("a signature");
        };
        let message = [0x5a; 100];
        let mut signature = Vec::new();
        let raw = rate(&format!("{} sign, bare", Algorithm(number)), || {
            signature.clear();
            key.signer().sign(black_box(&message), &mut signature).expect("a signature");
        });
        let whole = rate(&format!("{} sign_rrset", Algorithm(number)), &mut sign);
        println!("{:<40} {:>12.2}", "  ratio (target 1.5)", whole / raw);
        rate(&format!("{} key parsed", Algorithm(number)), || {
            black_box(Verifier::new(apex.as_ref(), black_box(key.dnskey())).expect("our own key"));
        });
        let public =
            PublicKey::from_dnskey(Algorithm(number), key.dnskey().public_key()).expect("our own key");
        let raw = rate(&format!("{} verify, bare", Algorithm(number)), || {
            public.verify(black_box(&message), &signature).expect("good");
        });
        let rrsig = Rrsig::parse(&rdata).expect("our own");
        let mut canonical = Canonical::new();
        let whole = rate(&format!("{} verify_rrset", Algorithm(number)), || {
            verify_rrset(black_box(&rrset), &rrsig, &verifier, 500, &mut canonical).expect("good");
        });
        println!("{:<40} {:>12.2}", "  ratio (target 1.3)", whole / raw);
    }
    let long: Name = "some-host.some-customer.example.com".parse().expect("a name");
    for iterations in [0, 50] {
        rate(&format!("NSEC3 hash, {iterations} iterations"), || {
            black_box(nsec3_hash(&[], iterations, black_box(long.as_ref())));
        });
    }
    if count == 0 {
        return;
    }
    let nsec3 = DenialOptions::Nsec3 { iterations: 0, salt: vec![], opt_out: false };
    for (name, denial) in [("NSEC", DenialOptions::Nsec), ("NSEC3", nsec3)] {
        let key = ZoneKey::new(apex.as_ref(), 257, Arc::new(Stamp));
        let rrsets = zone(count);
        let options =
            SignOptions { inception: 0, expiration: 10, jitter: 0, denial, dnskey_ttl: 60, threads: 1 };
        let (start, cpu) = (Instant::now(), cpu_time());
        let signed = sign_zone(apex.as_ref(), rrsets, &[key], &options).expect("a zone");
        let took = took_since(start, cpu);
        let made: usize = signed.iter().map(|signed| signed.rrsigs.len()).sum();
        let each = took.as_secs_f64() / made as f64 * 1e6;
        println!("{:<40} {made:>12} RRSIGs, {each:.2} us each", format!("{name} zone without arithmetic"));
    }
}

/// An unsigned zone of `count` delegations, every second one with a DS, and as many hosts.
fn zone(count: usize) -> Vec<Rrset> {
    let mut out = vec![
        rrset("example.com", RrType::SOA, b"\0\0\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\0\0\x3c"),
        rrset("example.com", RrType::NS, b"\x02ns\x01x\0"),
    ];
    for i in 0..count {
        let child = format!("c{:x}.example.com", i * 7919 % (1 << 24));
        out.push(rrset(&child, RrType::NS, b"\x02ns\x01x\0"));
        if i % 2 == 0 {
            out.push(rrset(&child, RrType::DS, &[7; 36]));
        }
        out.push(rrset(&format!("h{i}.example.com"), RrType::A, &[192, 0, 2, 1]));
    }
    out
}

fn rrset(owner: &str, rtype: RrType, rdata: &[u8]) -> Rrset {
    let mut rrset = Rrset::new(owner.parse().expect("a name"), rtype, Class::IN, 300);
    rrset.rdatas.push(rdata);
    rrset
}

/// A signer that does no arithmetic.
struct Stamp;

impl Signer for Stamp {
    fn algorithm(&self) -> Algorithm {
        Algorithm::ECDSAP256SHA256
    }

    fn public_key(&self) -> &[u8] {
        &[0; 64]
    }

    fn sign(&self, _message: &[u8], signature: &mut Vec<u8>) -> Result<(), SignError> {
        signature.extend_from_slice(&[0; 64]);
        Ok(())
    }
}

/// Run `work` for about a second; print and return microseconds for one.
fn rate(name: &str, mut work: impl FnMut()) -> f64 {
    let (start, cpu, mut count) = (Instant::now(), cpu_time(), 0u64);
    while start.elapsed() < Duration::from_millis(1000) {
        for _ in 0..16 {
            work();
        }
        count += 16;
    }
    let each = took_since(start, cpu).as_secs_f64() / count as f64 * 1e6;
    println!("{name:<40} {:>12.0} /s {each:>10.2} us", 1e6 / each);
    each
}

/// Return the CPU time used since `cpu` was read, or the time since `start` where there is none.
fn took_since(start: Instant, cpu: Option<Duration>) -> Duration {
    match (cpu, cpu_time()) {
        (Some(before), Some(after)) => after - before,
        _ => start.elapsed(),
    }
}

/// Return the CPU time that this thread has used, where the system tells it.
fn cpu_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_ascii_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}
