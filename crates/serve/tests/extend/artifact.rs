//! A toy filter with a list that is replaced while the server runs.

use std::sync::Arc;

use nw_policy::NameList;
use nw_resolve::Resolution;
use nw_serve::{Context, Filter, Handled, Response, Snapshot, Transport, Verdict, pipeline};
use nw_wire::{Ede, Message, Opcode, Rcode};

use crate::bench::{Bench, name, query, snapshot};

/// Refuses the names of the list `blocked`.
struct Block;

impl Filter for Block {
    fn name(&self) -> &'static str {
        "block"
    }

    fn apply(&self, context: &Context<'_>, _: &mut Response<'_, '_>) -> Verdict {
        match context.artifact::<NameList>("blocked").and_then(|list| list.find(context.query.qname)) {
            Some(_) => Verdict::refuse(Rcode::REFUSED, Ede::BLOCKED, "listed"),
            None => Verdict::Continue,
        }
    }
}

#[test]
fn an_artifact_is_swapped_while_queries_are_answered() {
    let mut bench = Bench::new(snapshot("").with_filter(Arc::new(Block)));
    let before = Arc::clone(&bench.snapshot);
    let www = query("www.example.com.", Opcode::QUERY);
    let rcode = |reply: Vec<u8>| Message::parse(&reply).expect("valid").rcode();
    assert_eq!(rcode(bench.answer(&www, None)), Rcode::NOERROR, "no list, nothing is blocked");
    let mut room = vec![0; 4096];
    let late = query("late.example.net.", Opcode::QUERY);
    let Handled::Later(pending) = bench.handle(&late, "127.0.0.1:1", Transport::Udp, &mut room) else {
        panic!("a lookup")
    };

    let list = NameList::parse("www.example.com\nlate.example.net\n").expect("names");
    let swap = |snapshot: &Snapshot, list: Option<NameList>| {
        let artifact = list.map(|list| Arc::new(list) as nw_serve::Artifact);
        Arc::new(snapshot.with_artifacts([("blocked".to_owned(), artifact)]))
    };
    bench.snapshot = swap(&before, Some(list));
    assert!(bench.snapshot.same_settings(&before), "settings are shared");
    assert_eq!(rcode(bench.answer(&www, None)), Rcode::REFUSED);
    // What began before ends with the artifacts that it began with.
    let done =
        pipeline::complete(&bench.environment(), pending, &[Resolution::empty(Rcode::NOERROR)], &mut room);
    let Handled::Reply(length) = done else { panic!("{done:?}") };
    assert_eq!(rcode(room[..length].to_vec()), Rcode::NOERROR);
    assert_eq!(rcode(bench.answer(&late, Some(Rcode::NOERROR))), Rcode::REFUSED);

    // Zones and settings change without the artifacts, and the other way round.
    let changed = bench.snapshot.changed([(name("inside.example.com."), None)]);
    assert!(changed.artifacts().get::<NameList>("blocked").is_some());
    let settings = snapshot("").with_filter(Arc::new(Block));
    bench.snapshot = Arc::new(settings.succeeding(&changed));
    assert_eq!(rcode(bench.answer(&www, None)), Rcode::REFUSED, "new settings keep the artifacts");
    assert!(bench.snapshot.artifacts().get::<u32>("blocked").is_none(), "of another type");
    bench.snapshot = swap(&bench.snapshot, None);
    assert_eq!(rcode(bench.answer(&www, None)), Rcode::NOERROR);
}
