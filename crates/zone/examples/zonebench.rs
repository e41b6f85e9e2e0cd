//! What a large zone costs: load time, memory, nanoseconds per answer.
//!
//! `cargo run --release -p nw-zone --example zonebench -- [--records 1000000] [--file PATH] [--origin NAME] [--rounds 5] [--folder PATH]`
//!
//! Without `--file` a delegation zone is made: for every three records a delegation with two name servers, one of them
//! below it with an address.
#![allow(clippy::print_stdout)]

use std::fmt::Write as _;
use std::time::Instant;

use nw_wire::{Flags, Name, NameRef, RrType, Writer};
use nw_zone::scan::{Files, Source};
use nw_zone::{AnswerKind, LoadOptions, Zone, ZoneQuestion};

fn main() {
    let mut options = std::collections::HashMap::new();
    let mut arguments = std::env::args().skip(1);
    while let (Some(key), Some(value)) = (arguments.next(), arguments.next()) {
        options.insert(key, value);
    }
    let number = |key: &str, default: usize| {
        options.get(key).map_or(default, |value| value.parse().expect("options take numbers"))
    };
    let rounds = number("--rounds", 5);
    let origin: Name =
        options.get("--origin").map_or("example.", |name| name).parse().expect("--origin takes a name");
    let made = std::env::temp_dir().join(format!("zonebench-{}.zone", std::process::id()));
    let path = match options.get("--file") {
        Some(path) => std::path::PathBuf::from(path),
        None => {
            std::fs::write(&made, delegations(number("--records", 1_000_000) / 3))
                .expect("temporary files can be written");
            made.clone()
        }
    };
    let load_options = LoadOptions { threads: number("--threads", 0), ..LoadOptions::default() };

    if let Some(folder) = options.get("--folder") {
        many(folder, &load_options);
        return;
    }
    let mut times = Vec::new();
    let mut busy = f64::MAX;
    let mut zone = None;
    let idle = memory();
    for _ in 0..rounds {
        drop(zone.take());
        let (start, busy_before) = (Instant::now(), processor_time());
        let mut source: Box<dyn Source> = Box::new(Files::new(&path));
        let loaded = nw_zone::load(&mut *source, origin.as_ref(), &load_options);
        times.push(start.elapsed().as_secs_f64());
        busy = busy.min((processor_time() - busy_before) / 1e9);
        match loaded {
            Ok(loaded) => zone = Some(loaded),
            Err(errors) => {
                println!("{errors}");
                return;
            }
        }
    }
    let _ = std::fs::remove_file(&made);
    let zone = zone.expect("at least one round");
    times.sort_by(f64::total_cmp);
    println!("records          {}", zone.len());
    println!("load             {:.3} s median, {:.3} s best", times[times.len() / 2], times[0]);
    println!("load             {busy:.3} s of this thread on the processor, best");
    println!("octets/record    {:.1} counted", zone.octets() as f64 / zone.len() as f64);
    let pss = memory().saturating_sub(idle);
    println!(
        "octets/record    {:.1} by PSS, {:.1} MiB",
        pss as f64 / zone.len() as f64,
        pss as f64 / 1048576.0
    );

    let owners: Vec<Name> = zone
        .nodes()
        .filter(|node| !node.is_occluded() && !node.types().is_empty())
        .map(|node| node.owner().to_name())
        .collect();
    let answers = number("--answers", 200_000);
    for (label, count) in [("in cache", 256), ("whole zone", 1_000_000)] {
        let step = (owners.len() / count).max(1);
        let existing: Vec<Name> = owners.iter().step_by(step).cloned().collect();
        let below: Vec<Name> = existing.iter().filter_map(|name| prefixed(name, b"www")).collect();
        let missing: Vec<Name> = (0..existing.len())
            .filter_map(|i| prefixed(&origin, format!("missing-{}", i * 7919 % 1_000_003).as_bytes()))
            .collect();
        for dnssec_ok in [false, true] {
            ask(&zone, &format!("{label}, existing"), &existing, dnssec_ok, answers);
            ask(&zone, &format!("{label}, one label below"), &below, dnssec_ok, answers);
            ask(&zone, &format!("{label}, missing"), &missing, dnssec_ok, answers);
        }
    }
}

/// Load every file of `folder` as a zone, the file `zone7` as `zone7.bench.`, and print what that costs.
fn many(folder: &str, options: &LoadOptions) {
    let entries = std::fs::read_dir(folder).expect("--folder takes a folder");
    let sources: Vec<(Name, std::path::PathBuf)> = entries
        .map(|entry| entry.expect("the folder can be read").path())
        .map(|path| {
            let name = path.file_name().expect("entries have names").to_string_lossy();
            (format!("{name}.bench.").parse().expect("files are named as labels"), path)
        })
        .collect();
    let idle = memory();
    let start = Instant::now();
    let loaded = nw_zone::load_files(&sources, options);
    let took = start.elapsed().as_secs_f64();
    let zones: Vec<Zone> = loaded.into_iter().filter_map(|file| file.zone.ok()).collect();
    let octets: usize = zones.iter().map(Zone::octets).sum();
    println!("zones            {} of {}", zones.len(), sources.len());
    println!("load             {took:.3} s");
    println!("octets/zone      {} counted", octets / zones.len().max(1));
    println!("octets/zone      {} by PSS", memory().saturating_sub(idle) / zones.len().max(1));
}

fn prefixed(name: &Name, label: &[u8]) -> Option<Name> {
    name.as_ref().with_label(label).map(|name| name.to_name())
}

/// Answer questions for the addresses of `names` in random order and print what one costs in time on the processor.
fn ask(zone: &Zone, what: &str, names: &[Name], dnssec_ok: bool, answers: usize) {
    let mut buffer = [0u8; 4096];
    let mut seed = 0x2545_f491_4f6c_dd1du64;
    // All names behind each other in the order of the questions, so that finding the next question costs nothing.
    let mut asked = Vec::new();
    for _ in 0..answers {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        asked.extend_from_slice(names[(seed % names.len() as u64) as usize].as_ref().wire());
    }
    let mut kinds = std::collections::HashMap::<AnswerKind, usize>::new();
    let mut octets = 0;
    let (mut best, mut blank) = (f64::MAX, f64::MAX);
    for _ in 0..3 {
        // The same without the answer: what making the question costs.
        let start = processor_time();
        let mut rest = asked.as_slice();
        while let Ok((name, behind)) = NameRef::read(rest) {
            rest = behind;
            let mut writer = Writer::new(&mut buffer, 4096, 0, Flags(0));
            writer.question(name, RrType::A, zone.class()).expect("a question fits");
            std::hint::black_box(writer.finish());
        }
        blank = blank.min((processor_time() - start) / answers as f64);
        let start = processor_time();
        let mut rest = asked.as_slice();
        octets = 0;
        let mut counts = [0usize; 8];
        while let Ok((name, behind)) = NameRef::read(rest) {
            rest = behind;
            let mut writer = Writer::new(&mut buffer, 4096, 0, Flags(0));
            writer.question(name, RrType::A, zone.class()).expect("a question fits");
            let question = ZoneQuestion { qname: name, qtype: RrType::A, dnssec_ok, transport_udp: true };
            let outcome = zone.answer(&question, &mut writer);
            counts[outcome.kind as usize] += 1;
            octets += std::hint::black_box(writer.finish());
        }
        best = best.min((processor_time() - start) / answers as f64);
        for kind in [AnswerKind::Answer, AnswerKind::Referral, AnswerKind::NoData, AnswerKind::NxDomain] {
            kinds.insert(kind, counts[kind as usize] * 100 / answers);
        }
    }
    let mut seen = String::new();
    for (kind, share) in kinds.iter().filter(|(_, share)| **share > 0) {
        write!(seen, " {share} % {kind:?}").expect("a string can be written to");
    }
    let dnssec = if dnssec_ok { " DO" } else { "" };
    println!(
        "{:<34}{:>6.0} ns (and {blank:.0} for the question), {:>4} octets,{seen}",
        format!("{what}{dnssec}"),
        best - blank,
        octets / answers
    );
}

/// Nanoseconds that this thread has been running, or the time of day where the system does not tell.
fn processor_time() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    match text.split(' ').next().and_then(|field| field.parse().ok()) {
        Some(time) => time,
        None => std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0.0, |time| time.as_nanos() as f64),
    }
}

fn delegations(count: usize) -> Vec<u8> {
    let mut text = String::with_capacity(count * 110);
    text.push_str("$ORIGIN example.\n$TTL 3600\n@ IN SOA ns1 hostmaster 1 3600 900 604800 300\n@ IN NS ns1\nns1 IN A 192.0.2.1\n");
    for i in 0..count {
        let (a, b, c) = (i >> 16 & 255, i >> 8 & 255, i & 255);
        writeln!(
            text,
            "domain{i} 86400 IN NS ns.domain{i}\ndomain{i} 86400 IN NS ns{}.hosting{}.example.",
            i % 1000,
            i % 97
        )
        .expect("a string can be written to");
        writeln!(text, "ns.domain{i} 86400 IN A 10.{a}.{b}.{c}").expect("a string can be written to");
    }
    text.into_bytes()
}

/// The proportional set size of this process in octets; 0 where the system does not tell.
fn memory() -> usize {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("Pss:")).unwrap_or("");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<usize>().ok()).unwrap_or(0) * 1024
}
