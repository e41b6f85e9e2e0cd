//! Measures a list in this process: `names FILE [QUESTIONS]`. FILE: one name on a line.
//!
//! Prints one JSON object: seconds to read and build, by the clock and of CPU in all threads, octets for each name, and nanoseconds of CPU for
//! each question. One in five questions is about a listed name.
#![expect(clippy::print_stdout, reason = "its output is its purpose")]

use std::time::{Duration, Instant};

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
    let (load_s, load_cpu_s) = (began.elapsed().as_secs_f64(), cpu().as_secs_f64());
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
    let began = thread_cpu();
    for at in 0..questions {
        rules.names.visit(asked[at % asked.len()].as_ref(), |_, _| {
            found += 1;
            true
        });
    }
    let ns = (thread_cpu() - began).as_secs_f64() * 1e9 / questions as f64;
    println!(
        "{{\"names\": {}, \"read_s\": {read_s:.3}, \"load_s\": {load_s:.3}, \"load_cpu_s\": {load_cpu_s:.2}, \"octets\": {}, \"octets_per_name\": {:.2}, \
         \"ns_per_question\": {ns:.0}, \"found\": {found}}}",
        rules.names.len(),
        rules.octets(),
        rules.octets() as f64 / rules.names.len() as f64,
    );
}

/// The CPU time of this process, to a hundredth of a second.
fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").expect("Linux has it");
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields[at].parse::<u64>().expect("a number");
    Duration::from_millis(10 * (ticks(11) + ticks(12)))
}

/// The CPU time of this thread.
fn thread_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux has it");
    Duration::from_nanos(text.split(' ').next().and_then(|first| first.parse().ok()).expect("a number"))
}
