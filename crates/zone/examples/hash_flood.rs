//! What names cost that were made to collide in the zone index, against names of the same form that were not.
//!
//! `cargo run --release -p nw-zone --example hash_flood -- [--names 100000]`
//!
//! The names have equal hashes under the key that the engine uses when `net` has drawn none, which an attacker knows.
//! The example answers with that key first (`--key known`) or with a drawn one (default). A key holds for a whole process.
#![allow(clippy::print_stdout)]

use std::time::Instant;

use nw_wire::hash;
use nw_wire::{Class, Flags, Name, NameRef, RrType, Rrset, Writer};
use nw_zone::{Zone, ZoneQuestion};

/// The fixed key, as `wire/src/hash.rs` has it.
const KNOWN: [u64; 3] = [0x9e37_79b9_7f4a_7c15, 0xe703_7ed1_a0b4_28db, 0x8ebc_6af0_9c88_c6e3];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let option = |key: &str| {
        arguments.iter().position(|argument| argument == key).and_then(|at| arguments.get(at + 1)).cloned()
    };
    let count: usize =
        option("--names").map_or(100_000, |text| text.parse().expect("--names takes a number"));
    if option("--key").as_deref() != Some("known") {
        // `net` takes these from the kernel; the time will do for a measurement.
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(1, |age| age.as_nanos() as u64);
        hash::set_key([
            now,
            now.wrapping_mul(0xd134_2543_de82_ef95),
            now.rotate_left(32) ^ 0x5851_f42d_4c95_7f2d,
        ]);
    }
    let apex: Name = "example.".parse().expect("a name");
    for (what, collide) in [("drawn at random", false), ("made to collide", true)] {
        let names = names(&apex, count, collide);
        let start = Instant::now();
        let zone = zone(&apex, &names);
        println!("{count} names {what}: zone built in {:.2} s", start.elapsed().as_secs_f64());
        let present: Vec<&Name> = names.iter().step_by((names.len() / 2000).max(1)).collect();
        println!("    present names {:>9.0} ns a query", ask(&zone, &present));
        let absent = self::names(&apex, count + 2000, collide).split_off(count);
        println!("    absent names  {:>9.0} ns a query", ask(&zone, &absent.iter().collect::<Vec<_>>()));
    }
}

/// Names of one label of 15 octets below `apex`.
fn names(apex: &Name, count: usize, collide: bool) -> Vec<Name> {
    let mut names = Vec::with_capacity(count);
    let mut number = 0u64;
    while names.len() < count {
        number += 1;
        let mut label = [0u8; 16];
        label[0] = 15;
        label[1..8].copy_from_slice(&number.to_le_bytes()[..7]);
        let first = u64::from_le_bytes(*label.first_chunk().expect("eight octets"));
        let state = mix(KNOWN[0] ^ first, KNOWN[1]);
        // The second word cancels what the first did to the state.
        let second =
            if collide { state ^ 0x0123_4567_89ab_cdef } else { state.wrapping_mul(0x2545_f491_4f6c_dd1d) };
        label[8..].copy_from_slice(&second.to_le_bytes());
        if !label.iter().any(u8::is_ascii_uppercase) {
            let name = apex.as_ref().with_label(&label[1..]).expect("a short name");
            names.push(name.to_name());
        }
    }
    names
}

fn mix(a: u64, b: u64) -> u64 {
    let product = (a as u128).wrapping_mul(b as u128);
    (product as u64) ^ ((product >> 64) as u64)
}

fn zone(apex: &Name, names: &[Name]) -> Zone {
    let set = |owner: &Name, rtype: RrType, rdata: &[u8]| {
        let mut rrset = Rrset::new(owner.clone(), rtype, Class::IN, 60);
        rrset.rdatas.push(rdata);
        rrset
    };
    let mut soa = b"\0\0".to_vec();
    soa.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5]);
    let mut rrsets = vec![set(apex, RrType::SOA, &soa), set(apex, RrType::NS, b"\x02ns\x05other\0")];
    rrsets.extend(names.iter().map(|name| set(name, RrType::A, &[192, 0, 2, 1])));
    Zone::from_rrsets(apex.as_ref(), Class::IN, &rrsets).unwrap_or_else(|errors| panic!("{errors}"))
}

fn ask(zone: &Zone, names: &[&Name]) -> f64 {
    let mut buffer = [0u8; 1232];
    let mut best = f64::MAX;
    for _ in 0..3 {
        let start = Instant::now();
        for name in names {
            let name: NameRef<'_> = name.as_ref();
            let mut writer = Writer::new(&mut buffer, 1232, 0, Flags(0));
            writer.question(name, RrType::A, zone.class()).expect("a question fits");
            let question =
                ZoneQuestion { qname: name, qtype: RrType::A, dnssec_ok: false, transport_udp: true };
            std::hint::black_box(zone.answer(&question, &mut writer));
            std::hint::black_box(writer.finish());
        }
        best = best.min(start.elapsed().as_nanos() as f64 / names.len() as f64);
    }
    best
}
