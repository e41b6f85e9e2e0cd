//! Shared test helpers: zones from text, plans from JSON, questions and replies.

use std::net::SocketAddr;
use std::sync::Arc;

use nw_wire::{Class, Flags, Message, Name, RrType, Section, Writer};
use nw_zone::{LoadOptions, Zone, scan};

use crate::{DryRun, Environment, Snapshot, Stats, Transport};

pub(crate) const EXAMPLE: &str = "\
$TTL 3600
@ SOA ns1 hostmaster 7 7200 3600 1209600 300
@ NS ns1
@ TXT \"apex\"
ns1 A 192.0.2.1
www A 192.0.2.80
www AAAA 2001:db8::80
alias CNAME www
away CNAME www.example.net.
sub NS ns.sub
ns.sub A 192.0.2.2
*.wild TXT \"any\"
big TXT \"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789\" \
 \"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789\" \
 \"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789\" \
 \"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789\" \
 \"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789\"
";

pub(crate) fn name(text: &str) -> Name {
    text.parse().expect("tests use valid names")
}

pub(crate) fn zone(apex: &str, text: &str) -> Zone {
    let options = LoadOptions { threads: 1, ..LoadOptions::default() };
    scan::load(&mut scan::Text::new("zone", text), name(apex).as_ref(), &options)
        .unwrap_or_else(|errors| panic!("{errors}"))
}

/// A snapshot that serves example.com. according to *plan*, in which ZONES stands for its entry.
pub(crate) fn snapshot(plan: &str) -> Snapshot {
    let plan = plan.replace("ZONES", r#""zones":[{"name":"example.com."}]"#);
    Snapshot::build(plan.as_bytes(), vec![zone("example.com.", EXAMPLE)])
        .unwrap_or_else(|errors| panic!("{errors:?}"))
}

/// An environment without a cache, at 1,700,000,000 s.
pub(crate) fn environment<'e>(snapshot: &'e Arc<Snapshot>, stats: &'e Stats) -> Environment<'e> {
    Environment {
        snapshot,
        cache: None,
        now: 0,
        unix_s: &|| 1_700_000_000,
        stats,
        recorder: None,
        telemetry: None,
        renew: None,
        trace: None,
        receipt: None,
    }
}

/// A question with id 0x1234 and RD, and with EDNS with *payload* and DO if it is given.
pub(crate) fn question(qname: &str, qtype: RrType, qclass: Class, payload: Option<u16>) -> Vec<u8> {
    let mut room = vec![0; 512];
    let mut out = Writer::new(&mut room, 512, 0x1234, Flags::default().with_rd(true));
    out.question(name(qname).as_ref(), qtype, qclass).expect("a question fits");
    if let Some(payload) = payload {
        let [p0, p1] = payload.to_be_bytes();
        out.raw(Section::Additional, 1, &[0, 0, 41, p0, p1, 0, 0, 0x80, 0, 0, 4, 0, 3, 0, 0])
            .expect("OPT fits");
    }
    let length = out.finish();
    room.truncate(length);
    room
}

pub(crate) fn client() -> SocketAddr {
    "192.0.2.99:4242".parse().expect("an address")
}

pub(crate) fn loopback() -> SocketAddr {
    "127.0.0.1:4242".parse().expect("an address")
}

/// The reply of a dry run over UDP. Panics if there is none.
pub(crate) fn ask(snapshot: &Snapshot, packet: &[u8], client: SocketAddr) -> Vec<u8> {
    match snapshot.answer(packet, client, Transport::Udp) {
        DryRun::Reply(reply) => {
            Message::parse(&reply).expect("what we send is valid");
            reply
        }
        other => panic!("{other:?}"),
    }
}

/// A cache that contains the address of cached.example.net.
pub(crate) fn cache() -> nw_cache::Cache {
    let cache = nw_cache::Cache::new(1 << 20);
    let mut set = nw_wire::Rrset::new(name("cached.example.net."), RrType::A, Class::IN, 60);
    set.rdatas.push(&[192, 0, 2, 9]);
    cache.put_rrset(&set, None, nw_cache::Rank::Authoritative, 0);
    cache
}
