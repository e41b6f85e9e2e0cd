//! How long the text of common records takes to read, in nanoseconds of CPU a record (Linux): `cargo run --release --example text_speed`.
#![allow(clippy::print_stdout)] // Printing is what this program is for.

use nw_wire::RrType;
use nw_wire::name::NameBuf;
use nw_wire::rr;
use nw_wire::text::Tokens;
use std::hint::black_box;

const ROUNDS: u32 = 2_000_000;

fn main() {
    let origin = NameBuf::parse(b"example.com.", None).expect("a name");
    let digest = "20 8 2 2BB183AF5F22588179A53B0A98631FAD1A2921182BB183AF5F22588179A53B0A";
    let signature = "A 8 2 3600 20260101000000 20251201000000 12345 example.com. \
                     kMKZw2WsWqDQHv+AGpVbbjDMz8ZE4aEuqvj0dEUd3qHW1PDNZoaoUzrpYpeTWVQ2QQWNJMg1d0ZPYYv0zI6uEA==";
    for (rtype, text) in [
        (RrType::A, "192.0.2.146"),
        (RrType::AAAA, "2001:db8:12:34::5678"),
        (RrType::NS, "ns1.some-provider.net."),
        (RrType::NS, "ns1"),
        (RrType::MX, "10 mail.some-provider.net."),
        (RrType::TXT, "\"v=spf1 include:_spf.example.com ~all\""),
        (RrType::DS, digest),
        (RrType::RRSIG, signature),
        (RrType::NSEC, "host.example.com. A MX RRSIG NSEC"),
        (RrType::SOA, "ns1 hostmaster 2026010100 7200 3600 1209600 3600"),
    ] {
        let mut out = Vec::with_capacity(1024);
        let mut best = f64::MAX;
        for _ in 0..5 {
            let start = cpu_ns();
            for _ in 0..ROUNDS / 5 {
                out.clear();
                let mut tokens = Tokens::new(black_box(text.as_bytes()));
                rr::from_text(rtype, &mut tokens, origin.as_ref(), &mut out).expect("valid");
                black_box(&out);
            }
            best = best.min((cpu_ns() - start) as f64 / f64::from(ROUNDS / 5));
        }
        println!("{:<6} {best:7.1} ns  {}", rtype.to_string(), &text[..text.len().min(48)]);
    }
}

/// CPU time of this thread so far: unlike the wall clock it does not count what others do on the machine.
fn cpu_ns() -> u64 {
    let schedstat = std::fs::read_to_string("/proc/self/schedstat").expect("Linux has it");
    schedstat.split(' ').next().and_then(|field| field.parse().ok()).expect("a number")
}
