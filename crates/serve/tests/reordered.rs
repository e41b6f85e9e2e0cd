//! For any zone and query: filters that change nothing change nothing, and an order of records keeps the records and the size.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use nw_serve::{
    Context, Environment, Filter, Handled, Response, Snapshot, Stats, Transport, Verdict, pipeline,
};
use nw_wire::{Class, Flags, Message, Name, RrType, Run, Section, Writer};
use nw_zone::{LoadOptions, scan};
use proptest::prelude::*;

const PLAN: &[u8] =
    br#"{"version":1,"server":{"udp_payload":4096,"minimal_any":false},"zones":[{"name":"example."}]}"#;
const NAMES: [&str; 8] = ["@", "a", "b", "c.a", "sub", "x.sub", "*.w", "alias"];
const QUESTIONS: [&str; 12] = [
    "example.",
    "a.example.",
    "B.eXample.",
    "c.a.example.",
    "d.c.a.example.",
    "sub.example.",
    "y.sub.example.",
    "v.w.example.",
    "u.v.w.example.",
    "alias.example.",
    "t.dname.example.",
    "nothing.example.",
];
const TYPES: [RrType; 9] = [
    RrType::A,
    RrType::AAAA,
    RrType::NS,
    RrType::MX,
    RrType::TXT,
    RrType::SRV,
    RrType::CNAME,
    RrType::ANY,
    RrType::DS,
];

/// Leaves every response as it is.
struct Nothing;

impl Filter for Nothing {
    fn name(&self) -> &'static str {
        "nothing"
    }

    fn apply(&self, _: &Context<'_>, _: &mut Response<'_, '_>) -> Verdict {
        Verdict::Continue
    }
}

/// Reverses or rotates every RRset.
struct Reorder {
    by: usize,
    reverses: bool,
}

impl Filter for Reorder {
    fn name(&self) -> &'static str {
        "reorder"
    }

    fn apply(&self, _: &Context<'_>, response: &mut Response<'_, '_>) -> Verdict {
        let mut number = 0;
        while let Some(rrset) = numbered(response, number) {
            if self.reverses {
                let picks: Vec<u16> = (0..rrset.count).rev().collect();
                assert!(response.pick(&rrset, &picks));
            } else {
                assert!(response.rotate(&rrset, self.by));
            }
            number = rrset.number + rrset.count;
        }
        Verdict::Continue
    }
}

/// The RRset that begins with record *number*.
fn numbered(response: &Response<'_, '_>, number: u16) -> Option<Run> {
    let first = response.rrset_after(None);
    std::iter::successors(first, |run| response.rrset_after(Some(run))).find(|run| run.number == number)
}

fn snapshot(zone: &str, filter: Option<Arc<dyn Filter>>) -> Option<Arc<Snapshot>> {
    let apex: Name = "example.".parse().expect("valid");
    let options = LoadOptions { threads: 1, ..LoadOptions::default() };
    let zone = scan::load(&mut scan::Text::new("zone", zone), apex.as_ref(), &options).ok()?;
    let snapshot = Snapshot::build(PLAN, vec![zone]).expect("the plan is valid");
    Some(Arc::new(match filter {
        Some(filter) => snapshot.with_filter(filter),
        None => snapshot,
    }))
}

fn answer(snapshot: &Arc<Snapshot>, packet: &[u8], transport: Transport) -> Vec<u8> {
    let stats = Stats::default();
    let environment = Environment {
        snapshot,
        cache: None,
        now: 0,
        unix_s: &|| 0,
        stats: &stats,
        recorder: None,
        telemetry: None,
        trace: None,
    };
    let client: SocketAddr = ([127, 0, 0, 1], 53).into();
    let mut room = vec![0; if transport == Transport::Udp { 4096 } else { 65_535 }];
    match pipeline::handle(&environment, packet, client, transport, &mut room) {
        Handled::Reply(length) => room[..length].to_vec(),
        other => panic!("{other:?}"),
    }
}

fn query(qname: &str, rtype: RrType, payload: Option<u16>) -> Vec<u8> {
    let mut room = vec![0; 512];
    let name: Name = qname.parse().expect("valid");
    let mut out = Writer::new(&mut room, 512, 1, Flags::default());
    out.question(name.as_ref(), rtype, Class::IN).expect("it fits");
    if let Some(payload) = payload {
        let [p0, p1] = payload.to_be_bytes();
        out.raw(Section::Additional, 1, &[0, 0, 41, p0, p1, 0, 0, 0x80, 0, 0, 0]).expect("it fits");
    }
    let length = out.finish();
    room.truncate(length);
    room
}

/// What the records say, in whatever order they stand.
fn records(reply: &[u8]) -> BTreeSet<(Section, String, u16, u32, Vec<u8>)> {
    let message = Message::parse(reply).expect("a valid message");
    let mut all = BTreeSet::new();
    for section in [Section::Answer, Section::Authority, Section::Additional] {
        for record in message.records(section) {
            let mut rdata = Vec::new();
            record.rdata(&mut rdata);
            let owner = record.owner().to_name().to_string().to_ascii_lowercase();
            all.insert((section, owner, record.rtype.0, record.ttl, rdata.to_ascii_lowercase()));
        }
    }
    all
}

/// Lines of a zone: owner, kind of record, and how many of them.
fn zones() -> impl Strategy<Value = String> {
    prop::collection::vec((0..NAMES.len(), 0usize..7, 1usize..9), 0..14).prop_map(|lines| {
        let mut text = "$TTL 60\n@ SOA a b 1 7200 3600 1209600 300\n@ NS a\n@ NS b.other.\na A 192.0.2.1\ndname DNAME a\n".to_owned();
        for (owner, kind, count) in lines {
            let owner = NAMES[owner];
            for i in 0..count {
                text += &match kind {
                    0 => format!("{owner} A 192.0.2.{i}\n"),
                    1 => format!("{owner} AAAA 2001:db8::{i}\n"),
                    2 => format!("{owner} MX {i} {}\n", ["a", "mx.b", "c.a", "MX.other."][i % 4]),
                    3 => format!("{owner} TXT \"{}\"\n", "text".repeat(20 * i + 1).split_at(i.min(60) * 4).0),
                    4 if owner == "sub" => format!("sub NS ns{i}.sub\nns{i}.sub A 192.0.2.{i}\n"),
                    5 => format!("{owner} SRV 0 0 {i} {}\n", ["a", "b", "c.a"][i % 3]),
                    6 if owner == "alias" && i == 0 => "alias CNAME v.w\n".to_owned(),
                    _ => String::new(),
                };
            }
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn an_order_keeps_the_records_and_the_size(zone in zones(), by in 0usize..9, reverses in any::<bool>(), payload in prop::option::of(512u16..1400)) {
        let Some(plain) = snapshot(&zone, None) else { return Ok(()) };
        let nothing = snapshot(&zone, Some(Arc::new(Nothing))).expect("the same zone");
        let reorder = snapshot(&zone, Some(Arc::new(Reorder { by, reverses }))).expect("the same zone");
        for qname in QUESTIONS {
            for rtype in TYPES {
                let packet = query(qname, rtype, payload);
                let whole = answer(&plain, &packet, Transport::Tcp);
                prop_assert_eq!(&answer(&nothing, &packet, Transport::Tcp), &whole);
                let reordered = answer(&reorder, &packet, Transport::Tcp);
                prop_assert_eq!(records(&reordered), records(&whole));
                prop_assert!(reordered.len() <= whole.len());

                let limit = usize::from(payload.unwrap_or(512));
                let short = answer(&plain, &packet, Transport::Udp);
                let tc = |reply: &[u8]| Message::parse(reply).expect("a valid message").flags().tc();
                for snapshot in [&nothing, &reorder] {
                    let reply = answer(snapshot, &packet, Transport::Udp);
                    prop_assert!(reply.len() <= limit, "{} octets of {limit}", reply.len());
                    prop_assert_eq!(tc(&reply), tc(&short), "{} {}", qname, rtype);
                    prop_assert!(records(&reply).is_subset(&records(&whole)));
                    if whole.len() <= limit {
                        prop_assert_eq!(records(&reply), records(&short));
                    }
                }
                prop_assert_eq!(answer(&nothing, &packet, Transport::Udp), short, "{} {}", qname, rtype);
            }
        }
    }
}
