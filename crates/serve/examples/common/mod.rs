//! What the examples answer from: a zone and a cache with as many names, and queries for them.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;

use nw_cache::{Cache, Rank};
use nw_serve::{Environment, Handled, Snapshot, Stats, Transport, pipeline};
use nw_wire::{Class, Flags, Name, RrType, Rrset, Section, Writer};
use nw_zone::{LoadOptions, scan};

const PLAN: &str = r#"{"version":1,"server":{"rrset_order":"ORDER"},"zones":[{"name":"example.com."}],
    "resolver":{"forward":[{"suffix":".","servers":["127.0.0.1:1"]}]}}"#;

/// Two addresses of host *i*.
fn addresses(i: usize) -> [[u8; 4]; 2] {
    let (a, b) = ((i / 250 % 250) as u8, (i % 250) as u8);
    [[10, 1, a, b], [10, 2, a, b]]
}

/// A snapshot that serves `example.com.` with *names* names, and forwards other queries. *order*: the `rrset_order`.
pub(crate) fn snapshot(names: usize, order: &str) -> Result<Arc<Snapshot>, Box<dyn Error>> {
    let mut text =
        String::from("$TTL 3600\n@ SOA ns1 h 1 7200 3600 1209600 300\n@ NS ns1\nns1 A 192.0.2.1\n");
    for i in 0..names {
        for [a, b, c, d] in addresses(i) {
            text.push_str(&format!("h{i} A {a}.{b}.{c}.{d}\n"));
        }
        text.push_str(&format!("h{i} TXT \"host {i}\"\n"));
    }
    let apex: Name = "example.com.".parse()?;
    let zone = scan::load(&mut scan::Text::new("zone", text), apex.as_ref(), &LoadOptions::default())?;
    let snapshot = Snapshot::build(PLAN.replace("ORDER", order).as_bytes(), vec![zone])
        .map_err(|errors| format!("{errors:?}"))?;
    Ok(Arc::new(snapshot))
}

/// A cache with the addresses of *names* names below `example.net.`
pub(crate) fn cache(names: usize) -> Result<Cache, Box<dyn Error>> {
    let cache = Cache::new(256 << 20);
    for i in 0..names {
        let mut set = Rrset::new(format!("h{i}.example.net.").parse()?, RrType::A, Class::IN, 3600);
        for address in addresses(i) {
            set.rdatas.push(&address);
        }
        cache.put_rrset(&set, None, Rank::Authoritative, 0);
    }
    Ok(cache)
}

/// Queries for the *names* names below *suffix*, in an order in which no two in a row are neighbours in memory.
pub(crate) fn queries(names: usize, suffix: &str) -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
    // A stride coprime to the number of names.
    (0..names).map(|i| query(i * 7919 % names, suffix)).collect()
}

fn query(i: usize, suffix: &str) -> Result<Vec<u8>, Box<dyn Error>> {
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

/// The length of the answer to *packet*, which `room` holds afterwards.
///
/// # Panics
/// If the query is not answered at once: every name must be served or cached.
pub(crate) fn answer(
    snapshot: &Arc<Snapshot>,
    cache: &Cache,
    stats: &Stats,
    packet: &[u8],
    room: &mut [u8],
) -> usize {
    let client: SocketAddr = ([127, 0, 0, 1], 4242).into();
    let environment = Environment {
        snapshot,
        cache: Some(cache),
        now: 1,
        unix_s: &|| 0,
        stats,
        recorder: None,
        telemetry: None,
        renew: None,
        trace: None,
        receipt: None,
    };
    match pipeline::handle(&environment, packet, client, Transport::Udp, room) {
        Handled::Reply(length) => length,
        other => panic!("every name is served or cached: {other:?}"),
    }
}
