use super::*;

fn resolution(rcode: Rcode, took: Micros) -> Resolution {
    Resolution { took, ..Resolution::empty(rcode) }
}

fn name(text: &str) -> Name {
    Name::parse(text.as_bytes(), None).expect("a name")
}

#[test]
fn failures_and_slow_answers_are_kept_and_the_oldest_makes_room() {
    let recorder = Recorder::new(RecorderPlan { entries: 2, slow_ms: 10, ..RecorderPlan::default() });
    let note = |text: &str, rcode, took| recorder.note(&name(text), RrType::A, &resolution(rcode, took), 7);
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
    recorder.set(RecorderPlan { entries: 0, slow_ms: 0, ..RecorderPlan::default() });
    assert!(recorder.latest(10).is_empty());
    assert_eq!(note("any.", Rcode::SERVFAIL, 1), None);
}

#[test]
fn workers_that_note_at_once_lose_and_mix_up_nothing() {
    let recorder = Recorder::new(RecorderPlan { entries: 100, slow_ms: 10, ..RecorderPlan::default() });
    std::thread::scope(|scope| {
        for worker in 0..4u64 {
            let recorder = &recorder;
            scope.spawn(move || {
                for _ in 0..500 {
                    recorder.note(&name("x."), RrType::A, &resolution(Rcode::SERVFAIL, worker), 7);
                }
            });
        }
    });
    let ids: Vec<u64> = recorder.latest(usize::MAX).iter().map(|record| record.id).collect();
    assert_eq!(ids.len(), 100);
    assert!(ids.windows(2).all(|pair| pair[0] > pair[1]), "newest first, each once");
    assert_eq!(recorder.dropped(), 1900);
}

#[test]
fn records_are_bounded_in_octets() {
    let recorder = Recorder::new(RecorderPlan { entries: 1000, bytes: 64 << 10, slow_ms: 10 });
    let mut failed = resolution(Rcode::SERVFAIL, 1);
    failed.ede = vec![(Ede::OTHER, "x".repeat(4000))];
    for i in 0..100 {
        recorder.note(&name(&format!("n{i}.")), RrType::A, &failed, 7);
    }
    assert!(recorder.octets() <= 64 << 10, "{}", recorder.octets());
    let kept = recorder.latest(1000).len();
    assert!((5..15).contains(&kept), "{kept}");
    assert_eq!(recorder.dropped(), 100 - kept as u64);
    recorder.set(RecorderPlan { entries: 0, ..RecorderPlan::default() });
    assert_eq!(recorder.octets(), 0);
}

/// Many clients wait for one lookup: its steps count once, and until the last of their records is dropped.
#[test]
fn steps_that_clients_share_are_bounded_in_octets() {
    const STEPS: u32 = 30;
    let bytes = 256 << 10;
    let recorder = Recorder::new(RecorderPlan { entries: 10_000, bytes, slow_ms: 10 });
    for lookup in 0..200 {
        let name = name(&format!("n{lookup}."));
        let trace = Trace::start(0, 400);
        for _ in 0..STEPS {
            trace.step(
                0,
                Draft::new(Layer::Delegation, Action::Ask, name.clone(), RrType::A, Reason::Malformed),
            );
        }
        let first = Resolution { steps: trace.steps().into(), ..resolution(Rcode::SERVFAIL, 1) };
        let question = nw_resolve::ClientQuestion::new(name.clone(), RrType::A);
        let others: Vec<Resolution> = (0..10).map(|_| first.joined(&question, 0, 1, 400)).collect();
        for resolution in std::iter::once(&first).chain(&others) {
            recorder.note(&name, RrType::A, resolution, 7);
        }
    }
    let mut kept: Vec<String> =
        recorder.latest(usize::MAX).iter().map(|record| record.name.to_string()).collect();
    assert!(kept.len() > 50, "{}", kept.len());
    kept.dedup();
    let shared = kept.len() * STEPS as usize * size_of::<nw_resolve::trace::Step>();
    assert!(shared < bytes as usize, "the steps of {} lookups", kept.len());
    recorder.set(RecorderPlan { entries: 0, ..RecorderPlan::default() });
    assert_eq!(recorder.octets(), 0);
}

#[test]
fn an_answer_that_met_a_failed_server_is_kept() {
    let recorder = Recorder::new(RecorderPlan { slow_ms: 1000, ..RecorderPlan::default() });
    let mut answered = resolution(Rcode::NOERROR, 1);
    let step = |reason| {
        let trace = Trace::start(0, 10);
        trace.step(0, Draft::new(Layer::Forward, Action::Ask, name("a."), RrType::A, reason));
        trace.steps().into()
    };
    answered.steps = step(Reason::Answer { records: 1 });
    assert_eq!(recorder.note(&name("a."), RrType::A, &answered, 7), None);
    answered.steps = step(Reason::Lame { kind: nw_resolve::trace::LameKind::Refused });
    assert!(recorder.note(&name("a."), RrType::A, &answered, 7).is_some());
}

#[test]
fn refusals_are_kept_apart_from_lookups() {
    use crate::testing::{client, environment, question, snapshot};
    let recorder = Recorder::new(RecorderPlan { entries: 16, ..RecorderPlan::default() });
    let failed = resolution(Rcode::SERVFAIL, 1);
    let id = recorder.note(&name("lookup."), RrType::A, &failed, 7).expect("kept");
    let snapshot = std::sync::Arc::new(snapshot(r#"{"version":1,ZONES}"#));
    let stats = crate::Stats::default();
    let environment = crate::Environment { recorder: Some(&recorder), ..environment(&snapshot, &stats) };
    let refused = question("www.example.net.", RrType::A, nw_wire::Class::IN, None);
    for _ in 0..100 {
        crate::pipeline::handle(&environment, &refused, client(), Transport::Udp, &mut [0; 4096]);
    }
    let answered = question("www.example.com.", RrType::A, nw_wire::Class::IN, None);
    crate::pipeline::handle(&environment, &answered, client(), Transport::Udp, &mut [0; 4096]);
    assert!(recorder.by_id(id).is_some(), "a flood of refusals displaces no lookup");
    let kept = recorder.by_name(name("www.example.net.").as_ref(), 100);
    assert_eq!((kept.len(), kept[0].rcode, kept[0].unix_s), (2, Rcode::REFUSED, 1_700_000_000));
    assert_eq!(kept[0].client, Some((client(), Transport::Udp)));
    assert!(kept[0].steps.iter().next().expect("one step").text().contains("in no zone of this server"));
    assert!(recorder.by_name(name("www.example.com.").as_ref(), 1).is_empty());
}
