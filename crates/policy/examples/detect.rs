//! Measures what the detection of tunnels and amplification costs: `detect [LOOKUPS]`.
//!
//! Prints one JSON object: nanoseconds for each lookup of a usual name and of a tunnel, and for each response.
#![expect(clippy::print_stdout, reason = "its output is its purpose")]

use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use nw_policy::detect::{AmplificationSettings, DetectSettings, Detector, Suffixes, TunnelSettings};
use nw_wire::{Name, RrType};

fn main() {
    let count: u32 = std::env::args().nth(1).map_or(1_000_000, |text| text.parse().expect("a number"));
    let allow = ["in-addr.arpa.", "ip6.arpa.", "spamhaus.org."].map(|name| name.parse().expect("a name"));
    let tunnels = Some(TunnelSettings { allow: allow.to_vec(), ..TunnelSettings::default() });
    let amplification = Some(AmplificationSettings::default());
    let detector = Detector::new(DetectSettings { tunnels, amplification });
    let suffixes = Suffixes::parse("com\nnet\norg\nco.uk\n");
    let client = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
    let label = "mfzwizltoqydemrtgq3tkmjzg4ydqnzsgqmfzwizltoqydemrtgq3tkmjzg";
    let names = |pattern: &dyn Fn(u32) -> String| -> Vec<Name> {
        (0..10_000).map(|n| pattern(n).parse().expect("a name")).collect()
    };
    let lookups = |names: &[Name]| {
        let began = Instant::now();
        for n in 0..count {
            let name = names[n as usize % names.len()].as_ref();
            std::hint::black_box(detector.lookup(
                Some(&suffixes),
                client,
                name,
                RrType::A,
                u64::from(n) * 100,
            ));
        }
        began.elapsed().as_nanos() as f64 / f64::from(count)
    };
    let usual_ns = lookups(&names(&|n| format!("www.example{n}.co.uk.")));
    let tunnel_ns = lookups(&names(&|n| format!("{label}.{label}.{n}.t.tunnel.com.")));
    let began = Instant::now();
    for n in 0..count {
        let client = IpAddr::V4(Ipv4Addr::from_bits(n.wrapping_mul(2_654_435_761)));
        let octets = (40, 120);
        std::hint::black_box(detector.response(client, n as u16, RrType::A, octets, u64::from(n) * 100));
    }
    let response_ns = began.elapsed().as_nanos() as f64 / f64::from(count);
    println!(
        r#"{{"usual_ns": {usual_ns:.0}, "tunnel_ns": {tunnel_ns:.0}, "response_ns": {response_ns:.0}}}"#
    );
}
