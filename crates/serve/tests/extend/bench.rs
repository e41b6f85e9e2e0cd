//! A server in memory: two zones, a forwarder that each test plays itself, and queries for it.

use std::net::SocketAddr;
use std::sync::Arc;

use nw_cache::{Cache, Rank};
use nw_crypto::{HmacAlg, hmac};
use nw_resolve::Resolution;
use nw_serve::telemetry::Ring;
use nw_serve::{Environment, Handled, Snapshot, Stats, Transport, pipeline};
use nw_wire::tsig::{Signed, Tsig};
use nw_wire::{Class, Flags, Message, Name, Opcode, Rcode, RrType, Rrset, Writer};
use nw_zone::{LoadOptions, Zone, scan};

pub(crate) const PLAN: &str = r#"{"version":1,"zones":[{"name":"example.com."},{"name":"inside.example.com."}],
    "keys":[{"name":"key.","algorithm":"hmac-sha256"}],VIEWS
    "resolver":{"forward":[{"suffix":".","servers":["127.0.0.1:1"]}]}}"#;
const ZONE: &str = "$TTL 60\n@ SOA ns1 h 7 7200 3600 1209600 300\n@ NS ns1\nns1 A 192.0.2.1\nwww A 192.0.2.80\n\
    away CNAME www.example.net.\n\
    pool A 192.0.2.1\npool A 192.0.2.2\npool A 198.51.100.3\npool A 192.0.2.4\n\
    alias CNAME pool\n*.wild A 192.0.2.7\n*.wild A 198.51.100.8\n*.wild A 192.0.2.9\n\
    sub NS a.sub\nsub NS b.sub\na.sub A 192.0.2.21\nb.sub A 192.0.2.22\nmail MX 10 mx1\nmail MX 20 mx2.pool\n\
    mx1 A 192.0.2.31\nmx1 A 192.0.2.32\nmx2.pool A 192.0.2.33\n";
const SECRET: &[u8] = b"secret";

pub(crate) fn name(text: &str) -> Name {
    text.parse().expect("tests use valid names")
}

pub(crate) fn zone(apex: &str) -> Zone {
    let options = LoadOptions { threads: 1, ..LoadOptions::default() };
    scan::load(&mut scan::Text::new("zone", ZONE), name(apex).as_ref(), &options)
        .unwrap_or_else(|errors| panic!("{errors}"))
}

pub(crate) fn snapshot(views: &str) -> Snapshot {
    snapshot_of(&PLAN.replace("VIEWS", views))
}

pub(crate) fn snapshot_of(plan: &str) -> Snapshot {
    let zones = vec![zone("example.com."), zone("inside.example.com.")];
    Snapshot::build(plan.as_bytes(), zones)
        .and_then(|snapshot| snapshot.with_secrets(vec![(name("key."), SECRET.to_vec())]))
        .unwrap_or_else(|errors| panic!("{errors:?}"))
}

pub(crate) fn query(qname: &str, opcode: Opcode) -> Vec<u8> {
    let mut room = vec![0; 512];
    let flags = Flags::default().with_rd(true).with_opcode(opcode);
    let mut out = Writer::new(&mut room, 512, 7, flags);
    out.question(name(qname).as_ref(), RrType::A, Class::IN).expect("a question fits");
    let length = out.finish();
    room.truncate(length);
    room
}

pub(crate) fn sign(packet: &mut Vec<u8>) -> Vec<u8> {
    let (owner, algorithm) = (name("key."), name("hmac-sha256."));
    let mut tsig = Tsig {
        algorithm: algorithm.as_ref(),
        time_signed_s: 1000,
        fudge_s: 300,
        mac: &[],
        original_id: 7,
        error: Rcode::NOERROR,
        other: &[],
    };
    let mut input = Vec::new();
    tsig.push_signed(Signed::Request { key: owner.as_ref() }, packet, false, &mut input);
    let mac = hmac(HmacAlg::Sha256, SECRET, &[&input]);
    tsig.mac = mac.as_ref();
    let mut rdata = Vec::new();
    tsig.push(&mut rdata);
    packet.extend_from_slice(owner.as_ref().wire());
    packet.extend_from_slice(b"\0\xfa\0\xff\0\0\0\0");
    packet.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
    packet.extend_from_slice(&rdata);
    packet[11] += 1;
    mac.as_ref().to_vec()
}

/// Whether *reply* is signed after *prior*: as the first response to a request, or as a further message; its MAC.
pub(crate) fn verify(reply: &[u8], prior: &[u8], first: bool) -> Vec<u8> {
    let message = Message::parse(reply).expect("valid");
    let record = message.tsig().expect("signed");
    let tsig = Tsig::parse(record.rdata_raw()).expect("valid");
    let owner = record.owner().to_name();
    let signed = match first {
        true => Signed::Response { key: owner.as_ref(), request_mac: prior },
        false => Signed::Subsequent { prior_mac: prior, unsigned: &[] },
    };
    let mut input = Vec::new();
    tsig.push_signed(signed, &reply[..record.start()], true, &mut input);
    assert_eq!(hmac(HmacAlg::Sha256, SECRET, &[&input]).as_ref(), tsig.mac);
    tsig.mac.to_vec()
}

pub(crate) struct Bench {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) cache: Cache,
    pub(crate) stats: Stats,
    pub(crate) telemetry: Ring,
    pub(crate) room: Vec<u8>,
}

impl Bench {
    pub(crate) fn new(snapshot: Snapshot) -> Bench {
        let cache = Cache::new(1 << 20);
        let mut set = Rrset::new(name("cached.example.net."), RrType::A, Class::IN, 60);
        set.rdatas.push(&[192, 0, 2, 9]);
        cache.put_rrset(&set, None, Rank::Authoritative, 0);
        Bench {
            snapshot: Arc::new(snapshot),
            cache,
            stats: Stats::default(),
            telemetry: Ring::default(),
            room: vec![0; 65_535],
        }
    }

    pub(crate) fn environment(&self) -> Environment<'_> {
        Environment {
            snapshot: &self.snapshot,
            cache: Some(&self.cache),
            now: 0,
            unix_s: &|| 1000,
            stats: &self.stats,
            recorder: None,
            telemetry: self.telemetry.is_open().then_some(&self.telemetry),
            renew: None,
            trace: None,
            receipt: None,
        }
    }

    pub(crate) fn handle(
        &self,
        packet: &[u8],
        client: &str,
        transport: Transport,
        room: &mut [u8],
    ) -> Handled {
        let client: SocketAddr = client.parse().expect("an address");
        pipeline::handle(&self.environment(), packet, client, transport, room)
    }

    /// The answer to *packet*; what has to be looked up is found with *rcode*.
    pub(crate) fn answer(&mut self, packet: &[u8], rcode: Option<Rcode>) -> Vec<u8> {
        let mut room = std::mem::take(&mut self.room);
        let mut handled = self.handle(packet, "127.0.0.1:4242", Transport::Udp, &mut room);
        if let Handled::Later(pending) = handled {
            handled = match rcode {
                Some(rcode) => {
                    pipeline::complete(&self.environment(), pending, &[Resolution::empty(rcode)], &mut room)
                }
                None => {
                    pipeline::give_up(&self.environment(), pending, &pipeline::internal_failure(), &mut room)
                }
            };
        }
        let Handled::Reply(length) = handled else { panic!("{handled:?}") };
        let reply = room[..length].to_vec();
        self.room = room;
        reply
    }
}
