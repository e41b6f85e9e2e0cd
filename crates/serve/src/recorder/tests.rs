use nw_resolve::Validation;

use super::*;

fn resolution(rcode: Rcode, took: Micros) -> Resolution {
    Resolution {
        rcode,
        answer: Vec::new(),
        authority: Vec::new(),
        additional: Vec::new(),
        ede: Vec::new(),
        steps: Default::default(),
        took,
        began: 0,
        queries: 0,
        validation: Validation::Indeterminate,
    }
}

fn name(text: &str) -> Name {
    Name::parse(text.as_bytes(), None).expect("a name")
}

#[test]
fn failures_and_slow_answers_are_kept_and_the_oldest_makes_room() {
    let recorder = Recorder::new(RecorderPlan { entries: 2, slow_ms: 10 });
    let note =
        |text: &str, rcode, took| recorder.note(None, &name(text), RrType::A, &resolution(rcode, took), 7);
    assert_eq!(note("quick.", Rcode::NOERROR, 9_999), None);
    assert_eq!(note("missing.", Rcode::NXDOMAIN, 0), None);
    assert_eq!(note("slow.", Rcode::NOERROR, 10_000), Some(1));
    assert_eq!(note("failed.", Rcode::SERVFAIL, 1), Some(2));
    assert_eq!(note("Failed.", Rcode::SERVFAIL, 1), Some(3));
    assert!(recorder.by_id(1).is_none(), "the oldest made room");
    assert_eq!(recorder.dropped(), 1);
    assert_eq!(recorder.by_id(2).expect("kept").name.to_string(), "failed.");
    let about: Vec<u64> =
        recorder.by_name(name("FAILED.").as_ref(), 10).iter().map(|record| record.id).collect();
    assert_eq!(about, [3, 2], "newest first, in any case");
    assert_eq!(recorder.by_name(name("failed.").as_ref(), 1).len(), 1);
    recorder.set(RecorderPlan { entries: 0, slow_ms: 0 });
    assert!(recorder.latest(10).is_empty());
    assert_eq!(note("any.", Rcode::SERVFAIL, 1), None);
}

#[test]
fn workers_that_note_at_once_lose_and_mix_up_nothing() {
    let recorder = Recorder::new(RecorderPlan { entries: 100, slow_ms: 10 });
    std::thread::scope(|scope| {
        for worker in 0..4u64 {
            let recorder = &recorder;
            scope.spawn(move || {
                for _ in 0..500 {
                    recorder.note(None, &name("x."), RrType::A, &resolution(Rcode::SERVFAIL, worker), 7);
                }
            });
        }
    });
    let ids: Vec<u64> = recorder.latest(usize::MAX).iter().map(|record| record.id).collect();
    assert_eq!(ids, (1901..=2000).rev().collect::<Vec<_>>());
    assert_eq!(recorder.dropped(), 1900);
}
