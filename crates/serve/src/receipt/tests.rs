use std::sync::Arc;

use nw_resolve::trace::{Action, Draft, Layer, Reason};
use nw_resolve::{Resolution, Trace};
use nw_wire::{Class, Flags, Message, Rcode, RrType, Section, Writer};

use super::*;
use crate::plan::RecorderPlan;
use crate::recorder::Recorder;
use crate::stats::Stats;
use crate::testing::{client, environment, loopback, name, question, snapshot};
use crate::verdict::Handled;
use crate::{Environment, pipeline};

const RECURSIVE: &str =
    r#"{"version":1,ZONES,"resolver":{"forward":[{"suffix":".","servers":["127.0.0.1:1"]}]}}"#;

/// A question with RD that asks for a receipt and, between two options without a meaning here, for NSID.
fn asking(qname: &str) -> Vec<u8> {
    let mut room = vec![0; 512];
    let mut out = Writer::new(&mut room, 512, 0x1234, Flags::default().with_rd(true));
    out.question(name(qname).as_ref(), RrType::A, Class::IN).expect("a question fits");
    let [c0, c1] = RECEIPT.0.to_be_bytes();
    let opt = [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 14, 0, 9, 0, 0, c0, c1, 0, 0, 0, 100, 0, 2, 7, 7];
    out.raw(Section::Additional, 1, &opt).expect("OPT fits");
    let length = out.finish();
    room.truncate(length);
    room
}

/// The receipt in *reply*.
fn receipt(reply: &[u8]) -> Option<u64> {
    let message = Message::parse(reply).expect("a valid reply");
    let opt = message.opt().expect("OPT");
    let data = opt.raw_options().find(|(code, _)| *code == RECEIPT).map(|(_, data)| data)?;
    Some(u64::from_be_bytes(data.try_into().expect("8 octets")))
}

fn texts(record: &FlightRecord) -> Vec<String> {
    record.steps.iter().map(|step| step.text()).collect()
}

#[test]
fn an_answer_from_a_zone_is_kept_under_the_number_that_the_client_gets() {
    let (snapshot, stats) = (Arc::new(snapshot(RECURSIVE)), Stats::default());
    let recorder = Recorder::new(RecorderPlan::default());
    let environment = Environment { recorder: Some(&recorder), now: 5, ..environment(&snapshot, &stats) };
    let mut room = vec![0; 65_535];
    let mut ask = |packet: &[u8], from| {
        let Handled::Reply(length) = pipeline::handle(&environment, packet, from, Transport::Udp, &mut room)
        else {
            panic!("no reply")
        };
        room[..length].to_vec()
    };
    let with = ask(&asking("www.example.com."), loopback());
    let id = receipt(&with).expect("loopback gets receipts");
    let record = recorder.by_id(id).expect("it is kept");
    assert_eq!((record.name.to_string().as_str(), record.rcode), ("www.example.com.", Rcode::NOERROR));
    assert_eq!(record.client, Some((loopback(), Transport::Udp)));
    assert_eq!(record.answer.len(), 1);
    assert!(texts(&record).iter().any(|text| text.contains("example.com.")), "{:?}", texts(&record));
    assert_ne!(receipt(&ask(&asking("www.example.com."), loopback())), Some(id), "each answer has its own");

    // The answer is the same as without, apart from OPT.
    let without = ask(&question("www.example.com.", RrType::A, Class::IN, None), loopback());
    assert_eq!(with[12..without.len()], without[12..]);
    assert_eq!(with[..10], without[..10]);

    // A stranger learns nothing, and no record is made for it.
    let before = recorder.latest(100).len();
    assert_eq!(receipt(&ask(&asking("www.example.com."), client())), None);
    assert_eq!(recorder.latest(100).len(), before);
    // Nobody gets one while the recorder is off.
    recorder.set(RecorderPlan { entries: 0, ..RecorderPlan::default() });
    assert_eq!(receipt(&ask(&asking("www.example.com."), loopback())), None);
    assert_eq!(stats.panics.value(), 0);
}

#[test]
fn a_late_answer_has_the_steps_of_its_stages_and_its_lookup() {
    let (snapshot, stats) = (Arc::new(snapshot(RECURSIVE)), Stats::default());
    let recorder = Recorder::new(RecorderPlan::default());
    let environment = Environment { recorder: Some(&recorder), now: 1_000, ..environment(&snapshot, &stats) };
    let mut room = vec![0; 65_535];
    let packet = asking("www.example.net.");
    let Handled::Later(pending) =
        pipeline::handle(&environment, &packet, loopback(), Transport::Tcp, &mut room)
    else {
        panic!("no lookup")
    };
    assert!(recorder.latest(10).is_empty(), "the answer is not known yet");
    let trace = Trace::start(1_500, 10);
    let server = name("ns.example.net.");
    for text in ["first", "second"] {
        let reason = Reason::InView { name: text.to_owned() };
        trace.step(9_000, Draft::new(Layer::Delegation, Action::Ask, server.clone(), RrType::A, reason));
    }
    let found = Resolution {
        steps: trace.steps().into(),
        began: 1_500,
        took: 7_500,
        ..Resolution::empty(Rcode::NXDOMAIN)
    };
    let late = Environment { now: 9_500, ..environment };
    let Handled::Reply(length) = pipeline::complete(&late, pending, &[found], &mut room) else {
        panic!("no reply")
    };
    let record = recorder.by_id(receipt(&room[..length]).expect("a receipt")).expect("kept");
    assert_eq!((record.rcode, record.took), (Rcode::NXDOMAIN, 8_500));
    let steps: Vec<_> = record.steps.iter().map(|step| step.into_owned()).collect();
    let ids: Vec<u32> = steps.iter().map(|step| step.id).collect();
    assert_eq!(ids, (1..=ids.len() as u32).collect::<Vec<_>>(), "numbered through");
    let asked: Vec<_> = steps.iter().filter(|step| step.name == server).collect();
    assert_eq!(asked.len(), 2);
    let ends: Vec<_> = asked.iter().map(|step| step.at + step.took).collect();
    assert_eq!(ends, [8_000, 8_500], "times count from the arrival of the query");
    let sum: u64 = steps.iter().filter(|step| !step.parallel).map(|step| step.took).sum();
    assert_eq!(sum, record.took, "the steps add up to the whole time");
}

/// The steps of lookups that follow others, as those of DNS64 do, count the time before them once.
#[test]
fn the_time_of_two_lookups_is_that_of_the_longer_one() {
    let lookup = |took: u64| {
        let trace = Trace::start(1_000, 10);
        for (now, text) in [(6_000, "cache"), (1_000 + took, "server")] {
            let reason = Reason::InView { name: text.to_owned() };
            trace.step(now, Draft::new(Layer::Cache, Action::Lookup, name("x."), RrType::A, reason));
        }
        let steps = trace.steps().into();
        Resolution { steps, began: 1_000, took, ..Resolution::empty(Rcode::NOERROR) }
    };
    let mut receipt = Receipt { id: 1, started: 1_000, steps: Vec::new() };
    receipt.add(&[lookup(5_000)]);
    receipt.add(&[lookup(6_000), lookup(9_000)]);
    let shown: Vec<_> = receipt.steps.iter().map(|step| (step.at, step.took, step.parallel)).collect();
    let before = [(0, 5_000, false), (5_000, 0, false)];
    let meanwhile = [(5_000, 0, true), (5_000, 1_000, true)];
    assert_eq!(shown, [before, meanwhile, [(5_000, 0, false), (5_000, 4_000, false)]].concat());
    assert_eq!(explanation::end(&receipt.steps), 9_000);
}

#[test]
fn the_ring_of_receipts_does_not_displace_failures() {
    let recorder = Recorder::new(RecorderPlan { entries: 8, ..RecorderPlan::default() });
    let failed = Resolution::empty(Rcode::SERVFAIL);
    let kept = recorder.note(&name("failed."), RrType::A, &failed, 7).expect("a failure is kept");
    for _ in 0..100 {
        let id = recorder.reserve().expect("the recorder is on");
        let record =
            FlightRecord::of(id, 7, None, name("any."), RrType::A, &Resolution::empty(Rcode::NOERROR));
        recorder.keep_receipt(record);
    }
    assert!(recorder.by_id(kept).is_some());
    assert_eq!(recorder.latest(100).len(), 2, "one receipt: an eighth of 8 records");
}
