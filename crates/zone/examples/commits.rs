//! What commits to a large zone cost: time and memory of each, and lookups before, between and after the fold.
//!
//! `cargo run --release -p nw-zone --example commits -- [--records 1000000] [--commits 1000] [--denial nsec|nsec3|opt-out]`
//!
//! With `--denial`, the zone is signed with P-256 first, and what each commit changes is signed as well.
#![allow(clippy::print_stdout)]

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use nw_crypto::{Algorithm, SigningKey};
use nw_dnssec::{DenialOptions, SignOptions, Signers, Signing, ZoneKey};
use nw_wire::{Class, Flags, Name, RrType, Rrset, Writer};
use nw_zone::scan::Text;
use nw_zone::{LoadOptions, Serial, Zone, ZoneQuestion};

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |key: &str, default: usize| {
        let at = arguments.iter().position(|argument| argument == key);
        at.and_then(|at| arguments.get(at + 1))
            .map_or(default, |text| text.parse().expect("options take numbers"))
    };
    let (delegations, commits) = (number("--records", 1_000_000) / 3, number("--commits", 1_000));
    let apex: Name = "example.".parse().expect("a name");
    let text = text(delegations);
    let built = nw_zone::load(&mut Text::new("zone", text), apex.as_ref(), &LoadOptions::default())
        .unwrap_or_else(|errors| panic!("{errors}"));
    println!("{} records, {} octets", built.len(), built.octets());
    let denial = arguments.iter().position(|argument| argument == "--denial");
    let signing = denial.and_then(|at| arguments.get(at + 1)).map(|denial| signing(&apex, denial));
    let built = signing.as_ref().map_or_else(|| built.clone(), |signing| sign(&built, signing));
    let names: Vec<Name> =
        (0..100_000).map(|i| name(&format!("www.domain{}.example.", i * 7919 % delegations))).collect();
    println!("lookup, as built             {:>8.1} ns", lookups(&built, &names));

    let mut zone = built.clone();
    let mut times = Vec::new();
    let began = processor_time();
    for i in 0..commits {
        let start = Instant::now();
        let mut edit = zone.edit();
        let owner = match i % 3 {
            // An address of a delegation's server, an address that hundreds of thousands may refer to, a new name.
            0 => format!("ns.domain{}.example.", i * 31 % delegations),
            1 => format!("ns{}.hosting{}.example.", i % 1000, i % 97),
            _ => format!("new{i}.example."),
        };
        edit.add(&address(&owner, i as u8));
        zone = match &signing {
            None => edit.commit(Serial::Next).unwrap_or_else(|errors| panic!("{errors}")),
            Some(signing) => {
                edit.commit_signed(Serial::Next, signing, &[]).unwrap_or_else(|error| panic!("{error}"))
            }
        };
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    let each = (processor_time() - began) / 1000.0 / commits as f64;
    println!("commit, processor, mean      {each:>8.1} us");
    if signing.is_some() {
        let made = built.diff(&zone).added.iter().filter(|set| set.rtype == RrType::RRSIG).count();
        println!("RRsets with new signatures   {made:>8}, and {commits} of the SOA");
    }
    println!("commit, wall, the first      {:>8.1} us", times[0]);
    let grown = zone.octets() - built.octets();
    println!(
        "delta after {commits} commits   {grown:>8} octets, {:.2} % of the zone",
        grown as f64 * 100.0 / built.octets() as f64
    );
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!("commit, wall, median and p99  {:>8.1} {:.1} us", at(0.5), at(0.99));
    println!("lookup, with the delta     {:>8.1} ns", lookups(&zone, &names));
    let start = Instant::now();
    let folded = zone.fold();
    println!("fold                         {:>8.1} ms", start.elapsed().as_secs_f64() * 1000.0);
    let mut edit = zone.edit();
    edit.add(&address("late.example.", 1));
    let late = edit.commit(Serial::Next).unwrap_or_else(|errors| panic!("{errors}"));
    let start = Instant::now();
    let rebased = folded.rebase(&zone, &late).expect("one name differs");
    println!("rebase                       {:>8.1} us", start.elapsed().as_secs_f64() * 1e6);
    assert!(rebased.diff(&late).is_empty());
    println!("lookup, built anew           {:>8.1} ns", lookups(&built, &names));
    println!("lookup, folded               {:>8.1} ns", lookups(&rebased, &names));
}

fn signing(apex: &Name, denial: &str) -> Signing {
    let denial = match denial {
        "nsec" => DenialOptions::Nsec,
        _ => DenialOptions::Nsec3 { iterations: 0, salt: Vec::new(), opt_out: denial == "opt-out" },
    };
    let signer = SigningKey::generate(Algorithm::ECDSAP256SHA256, None).expect("a key");
    let keys = [ZoneKey::new(apex.as_ref(), 257, Arc::new(signer))];
    let options = SignOptions {
        inception: 0,
        expiration: 2_000_000_000,
        jitter: 86_400,
        denial,
        dnskey_ttl: 3600,
        threads: 2,
    };
    Signing::new(Signers::by_flags(&keys).expect("a key"), options)
}

/// Sign the zone on two threads, and compare the rate with that of the bare arithmetic. Then look for signatures that are due.
fn sign(zone: &Zone, signing: &Signing) -> Zone {
    let key = signing.signers.zone[0].signer();
    let (start, mut signature) = (Instant::now(), Vec::new());
    for _ in 0..20_000 {
        signature.clear();
        key.sign(&[0x5a; 100], &mut signature).expect("a signature");
    }
    let bare = 20_000.0 / start.elapsed().as_secs_f64();
    let start = Instant::now();
    let rrsets = signing.sign_zone(zone.apex(), zone.rrsets().collect()).expect("a zone");
    let seconds = start.elapsed().as_secs_f64();
    let made: usize = rrsets.iter().map(|set| set.rrsigs.len()).sum();
    let rate = made as f64 / seconds;
    println!("signatures                   {made:>8} in {seconds:.2} s on 2 threads: {rate:.0}/s");
    println!("bare signatures, 1 thread    {bare:>8.0} /s, {:.2} of twice this", rate / bare / 2.0);
    drop(rrsets);
    let signed = zone.sign(signing).unwrap_or_else(|error| panic!("{error}"));
    println!("{} records, {} octets", signed.len(), signed.octets());
    let start = Instant::now();
    let due = signed.due(signing, 0, None, usize::MAX);
    println!(
        "walk for due signatures      {:>8.1} ms, {} due",
        start.elapsed().as_secs_f64() * 1e3,
        due.rrsets.len()
    );
    signed
}

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

fn address(owner: &str, last: u8) -> Rrset {
    let mut rrset = Rrset::new(name(owner), RrType::A, Class::IN, 60);
    rrset.rdatas.push(&[192, 0, 2, last]);
    rrset
}

/// The best of five rounds.
fn lookups(zone: &Zone, names: &[Name]) -> f64 {
    let mut buffer = [0u8; 1232];
    let mut best = f64::MAX;
    for _ in 0..5 {
        let start = processor_time();
        for name in names {
            let mut writer = Writer::new(&mut buffer, 1232, 0, Flags(0));
            writer.question(name.as_ref(), RrType::A, zone.class()).expect("a question fits");
            let question = ZoneQuestion {
                qname: name.as_ref(),
                qtype: RrType::A,
                dnssec_ok: false,
                transport_udp: true,
            };
            std::hint::black_box(zone.answer(&question, &mut writer));
            std::hint::black_box(writer.finish());
        }
        best = best.min((processor_time() - start) / names.len() as f64);
    }
    best
}

/// Nanoseconds that this thread has been running.
fn processor_time() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    match text.split(' ').next().and_then(|field| field.parse().ok()) {
        Some(time) => time,
        None => std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0.0, |time| time.as_nanos() as f64),
    }
}

fn text(count: usize) -> String {
    let mut text = String::with_capacity(count * 110);
    text.push_str("$TTL 3600\n@ SOA ns1 hostmaster 1 3600 900 604800 300\n@ NS ns1\nns1 A 192.0.2.1\n");
    for i in 0..count {
        let (a, b, c) = (i >> 16 & 255, i >> 8 & 255, i & 255);
        let (server, hosting) = (i % 1000, i % 97);
        writeln!(
            text,
            "domain{i} NS ns.domain{i}\ndomain{i} NS ns{server}.hosting{hosting}.example.\nns.domain{i} A 10.{a}.{b}.{c}"
        )
        .expect("a string can be written to");
    }
    text
}
