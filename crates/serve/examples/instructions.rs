//! What a query costs without sockets: the same number of queries of one kind, for an instruction counter.
//!
//! ```text
//! cargo build --release -p nw-serve --example instructions
//! valgrind --tool=callgrind target/release/examples/instructions zone 20000
//! ```
//!
//! `zone`: an address of a zone of 20,000 names. `denial`: NXDOMAIN of the same zone. `hit`: an address in the cache.
//! `rotated`: as `zone`, with the order of the records that the filter of `rrset_order` makes. The difference between runs
//! with 20,000 and 40,000 queries is what 20,000 queries cost.
#![allow(clippy::print_stdout)]

use std::net::SocketAddr;
use std::sync::Arc;

use nw_cache::{Cache, Rank};
use nw_serve::{Environment, Handled, Snapshot, Stats, Transport, pipeline};
use nw_wire::{Class, Flags, Name, RrType, Rrset, Section, Writer};
use nw_zone::{LoadOptions, scan};

const NAMES: usize = 20_000;
const PLAN: &str = r#"{"version":1,"server":{"rrset_order":"ORDER"},"zones":[{"name":"example.com."}],
    "resolver":{"forward":[{"suffix":".","servers":["127.0.0.1:1"]}]}}"#;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let kind = arguments.next().ok_or("zone, rotated, denial or hit")?;
    let queries: usize = arguments.next().ok_or("the number of queries")?.parse()?;
    let suffix = match kind.as_str() {
        "zone" | "rotated" => "example.com.",
        "denial" => "missing.example.com.",
        "hit" => "example.net.",
        _ => return Err("zone, rotated, denial or hit".into()),
    };
    let snapshot = snapshot(if kind == "rotated" { "rotate" } else { "fixed" })?;
    let cache = cache()?;
    // A stride coprime to the number of names: no two in a row are neighbours in memory.
    let packets: Vec<Vec<u8>> =
        (0..NAMES).map(|i| query(i * 7919 % NAMES, suffix)).collect::<Result<_, _>>()?;
    let client: SocketAddr = ([127, 0, 0, 1], 4242).into();
    let stats = Stats::default();
    let mut room = vec![0; 4096];
    let mut octets = 0;
    for i in 0..queries {
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
        match pipeline::handle(&environment, &packets[i % NAMES], client, Transport::Udp, &mut room) {
            Handled::Reply(length) => octets += length,
            _ => return Err("every name is served or cached".into()),
        }
    }
    println!("{kind}: {} octets each", octets / queries);
    Ok(())
}

fn snapshot(order: &str) -> Result<Arc<Snapshot>, Box<dyn std::error::Error>> {
    let mut text =
        String::from("$TTL 3600\n@ SOA ns1 h 1 7200 3600 1209600 300\n@ NS ns1\nns1 A 192.0.2.1\n");
    for i in 0..NAMES {
        let (a, b) = (i / 250 % 250, i % 250);
        text.push_str(&format!("h{i} A 10.1.{a}.{b}\nh{i} A 10.2.{a}.{b}\nh{i} TXT \"host {i}\"\n"));
    }
    let apex: Name = "example.com.".parse()?;
    let zone = scan::load(&mut scan::Text::new("zone", text), apex.as_ref(), &LoadOptions::default())?;
    let snapshot = Snapshot::build(PLAN.replace("ORDER", order).as_bytes(), vec![zone])
        .map_err(|errors| format!("{errors:?}"))?;
    Ok(Arc::new(snapshot))
}

fn cache() -> Result<Cache, Box<dyn std::error::Error>> {
    let cache = Cache::new(256 << 20);
    for i in 0..NAMES {
        let mut set = Rrset::new(format!("h{i}.example.net.").parse()?, RrType::A, Class::IN, 3600);
        set.rdatas.push(&[10, 1, (i / 250 % 250) as u8, (i % 250) as u8]);
        set.rdatas.push(&[10, 2, (i / 250 % 250) as u8, (i % 250) as u8]);
        cache.put_rrset(&set, None, Rank::Authoritative, 0);
    }
    Ok(cache)
}

fn query(i: usize, suffix: &str) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
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
