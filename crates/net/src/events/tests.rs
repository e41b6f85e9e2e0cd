use super::*;

/// Whether the descriptor is readable, as an event loop would see it.
fn readable(events: &Events) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let pipe = crate::testing::event_pipe(events.fd());
        let turns = async {
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! { biased; _ = pipe.readable() => true, () = turns => false }
    })
}

#[test]
fn the_descriptor_is_readable_while_something_waits() {
    let events = Events::new().expect("a pipe");
    assert!(!readable(&events));
    assert!(events.reserve() && events.reserve());
    events.done(1, Outcome::Unable);
    events.done(2, Outcome::Unable);
    assert!(readable(&events));
    assert!(matches!(events.drain(1)[..], [Event::Done { ticket: 1, .. }]));
    assert!(readable(&events));
    assert!(matches!(events.drain(10)[..], [Event::Done { ticket: 2, .. }]));
    assert!(!readable(&events) && events.drain(10).is_empty());
    events.fault("x".to_owned());
    assert!(readable(&events));
}

#[test]
fn requests_are_refused_and_faults_dropped_when_it_is_full() {
    let events = Events::new().expect("a pipe");
    for _ in 0..MAX_EVENTS {
        assert!(events.reserve());
    }
    assert!(!events.reserve(), "as many as the queue holds");
    events.done(0, Outcome::Unable);
    assert!(!events.reserve(), "not drained yet");
    events.drain(1);
    assert!(events.reserve());
    for _ in 0..2 * MAX_EVENTS + 3 {
        events.fault(String::new());
    }
    assert_eq!(events.drain(2 * MAX_EVENTS).len(), 2 * MAX_EVENTS);
    assert!(matches!(events.drain(10)[..], [Event::Dropped { count: 3 }]));
}

#[test]
fn every_outcome_is_reported_once() {
    let events = Arc::new(Events::new().expect("a pipe"));
    let accept = |ticket| events.accept(ticket).expect("there is room");
    accept(1).complete(Outcome::Exchanged { result: Ok(vec![1]), discarded: Vec::new(), took: 7 });
    drop(accept(2));
    let lost = accept(3);
    std::thread::spawn(move || {
        let _lost = lost;
        panic!("on the way");
    })
    .join()
    .expect_err("it panics");
    accept(4).cancel();
    let told: Vec<_> = events.drain(10).into_iter().map(|event| format!("{event:?}")).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].contains("ticket: 1, outcome: Exchanged"), "{told:?}");
    assert!(told[1].contains("ticket: 2, outcome: Unable"), "{told:?}");
    assert!(told[2].contains("ticket: 3, outcome: Unable"), "{told:?}");
    assert_eq!(events.queue().tickets, 0, "every place is free again");
}
