use std::sync::Arc;

use super::*;

fn event(octets: usize) -> Event {
    Event {
        at: 1,
        took: 0,
        client: "192.0.2.1:53".parse().expect("an address"),
        transport: Transport::Udp,
        query: vec![0; octets].into(),
        rcode: Rcode::NOERROR,
        flags: Flags::default(),
        source: Source::Zone,
        messages: 1,
        octets: 12,
    }
}

#[test]
fn a_closed_ring_keeps_and_loses_nothing() {
    let ring = Ring::default();
    ring.push(event(1));
    assert_eq!((ring.is_open(), ring.take()), (false, (Vec::new(), 0)));
    ring.open(1 << 20);
    ring.push(event(1));
    ring.close();
    ring.push(event(2));
    assert_eq!(ring.take(), (Vec::new(), 0));
}

#[test]
fn events_beyond_the_bound_are_lost_and_counted() {
    let ring = Ring::default();
    ring.open(3 * event(100).memory());
    for _ in 0..5 {
        ring.push(event(100));
    }
    let (events, lost) = ring.take();
    assert_eq!((events.len(), lost), (3, 2));
    ring.push(event(100));
    assert_eq!(ring.take(), (vec![event(100)], 0), "what was taken makes room, and losses are told once");
}

#[test]
fn each_event_is_taken_or_lost_while_threads_push() {
    const EACH: u64 = 10_000;
    let ring = Arc::new(Ring::default());
    ring.open(50 * event(10).memory());
    let writers: Vec<_> = (0..2)
        .map(|_| {
            let ring = Arc::clone(&ring);
            std::thread::spawn(move || (0..EACH).for_each(|_| ring.push(event(10))))
        })
        .collect();
    let mut seen = 0;
    while writers.iter().any(|writer| !writer.is_finished()) {
        let (events, lost) = ring.take();
        seen += events.len() as u64 + lost;
    }
    writers.into_iter().for_each(|writer| writer.join().expect("no panic"));
    let (events, lost) = ring.take();
    assert_eq!(seen + events.len() as u64 + lost, 2 * EACH);
}
