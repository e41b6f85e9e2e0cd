//! Servers of random zones, and queries for them.

use std::net::SocketAddr;
use std::sync::Arc;

use nw_serve::{Environment, Filter, Handled, Response, Snapshot, Stats, Transport, pipeline};
use nw_wire::{Class, Flags, Name, RrType, Run, Section, Writer};
use nw_zone::{LoadOptions, Zone, scan};
use proptest::prelude::*;

const PLAN: &[u8] =
    br#"{"version":1,"server":{"udp_payload":4096,"minimal_any":false},"zones":[{"name":"example."}]}"#;
const NAMES: [&str; 8] = ["@", "a", "b", "c.a", "sub", "x.sub", "*.w", "alias"];
pub(crate) const QUESTIONS: [&str; 12] = [
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
pub(crate) const TYPES: [RrType; 9] = [
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

/// The RRset that begins with record *number*.
pub(crate) fn numbered(response: &Response<'_, '_>, number: u16) -> Option<Run> {
    let first = response.rrset_after(None);
    std::iter::successors(first, |run| response.rrset_after(Some(run))).find(|run| run.number == number)
}

/// The zone `example.` from *zone*, if that is a zone.
pub(crate) fn load(zone: &str) -> Option<Zone> {
    let apex: Name = "example.".parse().expect("valid");
    let options = LoadOptions { threads: 1, ..LoadOptions::default() };
    scan::load(&mut scan::Text::new("zone", zone), apex.as_ref(), &options).ok()
}

/// A server of *zone* with *filter*.
pub(crate) fn snapshot(zone: &Zone, filter: Option<Arc<dyn Filter>>) -> Arc<Snapshot> {
    let snapshot = Snapshot::build(PLAN, vec![zone.clone()]).expect("the plan is valid");
    Arc::new(match filter {
        Some(filter) => snapshot.with_filter(filter),
        None => snapshot,
    })
}

pub(crate) fn answer(snapshot: &Arc<Snapshot>, packet: &[u8], transport: Transport) -> Vec<u8> {
    let stats = Stats::default();
    let environment = Environment {
        snapshot,
        cache: None,
        now: 0,
        unix_s: &|| 0,
        stats: &stats,
        recorder: None,
        telemetry: None,
        renew: None,
        trace: None,
        receipt: None,
    };
    let client: SocketAddr = ([127, 0, 0, 1], 53).into();
    let mut room = vec![0; if transport == Transport::Udp { 4096 } else { 65_535 }];
    match pipeline::handle(&environment, packet, client, transport, &mut room) {
        Handled::Reply(length) => room[..length].to_vec(),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn query(qname: &str, rtype: RrType, payload: Option<u16>) -> Vec<u8> {
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

/// Lines of a zone: owner, kind of record, and how many of them.
pub(crate) fn zones() -> impl Strategy<Value = String> {
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
