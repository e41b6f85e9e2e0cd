//! Measures a list in this process: `names FILE [QUESTIONS]`. FILE: one name on a line.
//!
//! Prints one JSON object: seconds to read and build, octets for each name, and nanoseconds for each question. One in
//! five questions is about a listed name.
#![expect(clippy::print_stdout, reason = "its output is its purpose")]

use std::time::Instant;

use nw_policy::lists;
use nw_policy::rules::Action;
use nw_wire::Name;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().expect("names FILE [QUESTIONS]");
    let questions: usize = arguments.next().map_or(2_000_000, |text| text.parse().expect("a number"));
    let began = Instant::now();
    let text = std::fs::read(&path).expect("the file can be read");
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    let list = lists::read(&text, threads);
    let read_s = began.elapsed().as_secs_f64();
    assert_eq!(list.wrong.count, 0, "{:?}", list.wrong.first);
    let rules = list.into_rules(&Action::Nxdomain, 300, threads).expect("the names fit");
    let load_s = began.elapsed().as_secs_f64();
    // Questions: listed names, and others of the same form, in an order without locality.
    let lines: Vec<&[u8]> = text.split(|octet| *octet == b'\n').filter(|line| !line.is_empty()).collect();
    let mut number = 88_172_645_463_325_252_u64;
    let mut random = || {
        number ^= number << 13;
        number ^= number >> 7;
        number ^= number << 17;
        number as usize
    };
    let asked: Vec<Name> = (0..1 << 16)
        .map(|_| {
            let line = std::str::from_utf8(lines[random() % lines.len()]).expect("names are ASCII");
            let text = if random() % 5 == 0 { format!("{line}.") } else { format!("www.q{line}.") };
            text.parse().expect("a name")
        })
        .collect();
    let mut found = 0;
    let began = Instant::now();
    for at in 0..questions {
        rules.names.visit(asked[at % asked.len()].as_ref(), |_, _| {
            found += 1;
            true
        });
    }
    let ns = began.elapsed().as_secs_f64() * 1e9 / questions as f64;
    println!(
        "{{\"names\": {}, \"read_s\": {read_s:.3}, \"load_s\": {load_s:.3}, \"octets\": {}, \"octets_per_name\": {:.2}, \
         \"ns_per_question\": {ns:.0}, \"found\": {found}}}",
        rules.names.len(),
        rules.octets(),
        rules.octets() as f64 / rules.names.len() as f64,
    );
}
