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

mod common;

use common::{answer, cache, queries, snapshot};
use nw_serve::Stats;

const NAMES: usize = 20_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let kind = arguments.next().ok_or("zone, rotated, denial or hit")?;
    let count: usize = arguments.next().ok_or("the number of queries")?.parse()?;
    let suffix = match kind.as_str() {
        "zone" | "rotated" => "example.com.",
        "denial" => "missing.example.com.",
        "hit" => "example.net.",
        _ => return Err("zone, rotated, denial or hit".into()),
    };
    let snapshot = snapshot(NAMES, if kind == "rotated" { "rotate" } else { "fixed" })?;
    let cache = cache(NAMES)?;
    let packets = queries(NAMES, suffix)?;
    let stats = Stats::default();
    let mut room = vec![0; 4096];
    let octets: usize =
        (0..count).map(|i| answer(&snapshot, &cache, &stats, &packets[i % NAMES], &mut room)).sum();
    println!("{kind}: {} octets each", octets / count);
    Ok(())
}
