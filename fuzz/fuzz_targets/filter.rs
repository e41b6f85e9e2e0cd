//! Whatever filters do to an answer, signed ones included: the response parses, fits, ends with OPT and a valid TSIG, and no signature stands beside an RRset that a filter changed.
#![no_main]

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock, Mutex};

use libfuzzer_sys::fuzz_target;
use nw_crypto::{HmacAlg, hmac};
use nw_resolve::Resolution;
use nw_serve::{
    Context, Environment, Filter, Handled, Response, Sections, Snapshot, Stats, Transport, Verdict, pipeline,
};
use nw_wire::rr::sample::{self, Entropy};
use nw_wire::tsig::{Signed, Tsig};
use nw_wire::{Class, Ede, Flags, Message, Name, Opcode, Rcode, RrType, Rrset, Run, Section, Writer};
use nw_zone::scan::{LoadOptions, Text, load};

const PLAN: &[u8] = br#"{"version":1,"server":{"nsid":"6e73","minimal_any":false},"zones":[{"name":"example."}],
    "keys":[{"name":"key.","algorithm":"hmac-sha256"}],"resolver":{"forward":[{"suffix":".","servers":["127.0.0.1:1"]}]}}"#;
const SECRET: &[u8] = b"secret";
const NAMES: [&str; 10] = [
    "example.",
    "a.example.",
    "pool.example.",
    "alias.example.",
    "x.w.example.",
    "x.dname.example.",
    "x.sub.example.",
    "missing.example.",
    "away.example.",
    "late.test.",
];
const TYPES: [RrType; 8] = [
    RrType::A,
    RrType::MX,
    RrType::TXT,
    RrType::NS,
    RrType::ANY,
    RrType::RRSIG,
    RrType::NSEC,
    RrType::SRV,
];
const SECTIONS: [Section; 3] = [Section::Answer, Section::Authority, Section::Additional];

/// A zone whose RRsets have signatures of the right form.
fn zone() -> String {
    let mut text = "$TTL 60\n@ SOA a b 1 2 3 4 5\n@ NS a\n@ NS b.sub\nalias CNAME pool\naway CNAME late.test.\n\
        dname DNAME a\nsub NS ns.sub\nns.sub A 192.0.2.7\n@ NSEC a NS SOA\na NSEC example. A\n"
        .to_owned();
    for i in 0..40 {
        text += &format!("pool A 192.0.2.{i}\n*.w TXT \"text {i}\"\npool MX {i} m{i}.mail\nm{i}.mail A 192.0.2.{i}\n");
        text += &format!("a SRV {i} 0 1 pool\na A 198.51.100.{i}\n");
    }
    for (owner, types) in [
        ("@", &["SOA", "NS", "NSEC"][..]),
        ("a", &["A", "SRV", "NSEC"]),
        ("pool", &["A", "MX"]),
        ("alias", &["CNAME"]),
        ("away", &["CNAME"]),
        ("dname", &["DNAME"]),
        ("*.w", &["TXT"]),
        ("m1.mail", &["A"]),
    ] {
        for rtype in types {
            text += &format!("{owner} RRSIG {rtype} 13 1 60 20300101000000 20200101000000 7 example. {}\n", "AAAA".repeat(16));
        }
    }
    text
}

/// The octets that decide: the query, then what the filter does.
static OCTETS: Mutex<Vec<u8>> = Mutex::new(Vec::new());

static SERVERS: LazyLock<[Arc<Snapshot>; 2]> = LazyLock::new(|| {
    let origin: Name = "example.".parse().expect("a name");
    let zone = load(&mut Text::new("zone", zone()), origin.as_ref(), &LoadOptions::default()).expect("a zone");
    let server = || {
        let snapshot = Snapshot::build(PLAN, vec![zone.clone()]).expect("a plan with its zone");
        snapshot.with_secrets(vec![("key.".parse().expect("a name"), SECRET.to_vec())]).expect("its key")
    };
    [server(), server().with_filter(Arc::new(Octets))].map(Arc::new)
});

/// Does what [`OCTETS`] say.
struct Octets;

impl Filter for Octets {
    fn name(&self) -> &'static str {
        "octets"
    }

    fn apply(&self, _: &Context<'_>, response: &mut Response<'_, '_>) -> Verdict {
        let octets = OCTETS.lock().expect("no panic before").clone();
        let mut octets = &octets[..];
        while let [what, at, by, rest @ ..] = octets {
            octets = rest;
            let first = response.rrset_after(None);
            let run: Option<Run> =
                std::iter::successors(first, |run| response.rrset_after(Some(run))).nth(usize::from(*at));
            match (what % 12, run) {
                (0 | 1, Some(run)) => _ = response.rotate(&run, usize::from(*by)),
                (2 | 3, Some(run)) => {
                    let picks: Vec<u16> = (0..run.count).rev().filter(|at| by >> (at % 8) & 1 == 1).collect();
                    response.pick(&run, &picks);
                }
                (4, Some(run)) => _ = response.pick(&run, &[u16::from(*by), 0, 1]),
                (5..=8, _) => rewrite(response, what % 12, usize::from(*at), *by, rest),
                (9, _) if *at == 1 => return Verdict::refuse(Rcode(u16::from(*by)), Ede::BLOCKED, "blocked"),
                (9, _) if *at == 2 => return Verdict::Drop,
                (9, _) => response.ede = [Some(Ede(u16::from(*by))), Some(Ede::OTHER)],
                (10, _) if *at == 1 => return Verdict::Answer,
                (10, _) => response.ad = true,
                (11, _) => response.rcode = Rcode(u16::from(*by)),
                _ => {}
            }
        }
        Verdict::Continue
    }
}

/// Write the message anew with one RRset changed.
fn rewrite(response: &mut Response<'_, '_>, what: u8, at: usize, by: u8, rest: &[u8]) {
    let mut sections = response.sections().expect("what was written is a message");
    let Sections { answer, authority, additional } = &mut sections;
    let to = match by % 3 {
        0 => &mut *answer,
        1 => &mut *authority,
        _ => &mut *additional,
    };
    match what {
        5 => {
            let rtype = RrType(1 + u16::from(by) % 40);
            let mut entropy = Entropy::new(rest);
            let owner = Name::from_wire(&sample::name(&mut entropy)).expect("a name");
            let mut set = Rrset::new(owner, rtype, Class::IN, 60);
            (0..by % 50).for_each(|_| set.rdatas.push(&sample::rdata(rtype, &mut entropy)));
            to.insert(at.min(to.len()), set);
        }
        6 if at < to.len() => drop(to.remove(at)),
        7 if at < to.len() => to[at].rdatas = to[at].rdatas.iter().skip(usize::from(by / 3 % 3)).collect(),
        8 if at < to.len() => {
            let set = to.remove(at);
            additional.push(set);
        }
        _ => {}
    }
    response.replace(&sections);
}

/// A query as four octets describe it, its limit, and the MAC of its signature.
fn query(octets: [u8; 4]) -> (Vec<u8>, usize, Option<Vec<u8>>) {
    let [name, rtype, flags, payload] = octets.map(usize::from);
    let name: Name = NAMES[name % NAMES.len()].parse().expect("a name");
    let mut packet = vec![0; 512];
    let mut out = Writer::new(&mut packet, 512, 7, Flags::default().with_rd(true));
    out.question(name.as_ref(), TYPES[rtype % TYPES.len()], Class::IN).expect("it fits");
    let mut limit = 512;
    if flags & 1 == 1 {
        limit = 512 + payload * 4;
        let [p0, p1] = (limit as u16).to_be_bytes();
        let nsid: &[u8] = if flags & 2 == 2 { &[0, 3, 0, 0] } else { &[] };
        let dnssec_ok = if flags & 4 == 4 { 0x80 } else { 0 };
        let opt = [&[0, 0, 41, p0, p1, 0, 0, dnssec_ok, 0, 0, nsid.len() as u8], nsid].concat();
        out.raw(Section::Additional, 1, &opt).expect("it fits");
    }
    let length = out.finish();
    packet.truncate(length);
    let mac = (flags & 8 == 8).then(|| sign(&mut packet));
    (packet, limit, mac)
}

fn sign(packet: &mut Vec<u8>) -> Vec<u8> {
    let owner: Name = "key.".parse().expect("a name");
    let algorithm: Name = "hmac-sha256.".parse().expect("a name");
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

/// The response of *snapshot*; what has to be looked up is an RRset of addresses. None: there is none.
fn answer(snapshot: &Arc<Snapshot>, packet: &[u8], transport: Transport, found: u8) -> Option<Vec<u8>> {
    let stats = Stats::default();
    let environment = Environment {
        snapshot,
        cache: None,
        now: 0,
        unix_s: &|| 1000,
        stats: &stats,
        recorder: None,
        telemetry: None,
        renew: None,
        trace: None,
        receipt: None,
    };
    let client = "127.0.0.1:53".parse().expect("an address");
    let mut room = vec![0; if transport == Transport::Udp { 4096 } else { 65_535 }];
    let mut handled = pipeline::handle(&environment, packet, client, transport, &mut room);
    if let Handled::Later(pending) = handled {
        let mut set = Rrset::new("late.test.".parse().expect("a name"), RrType::A, Class::IN, 60);
        (0..u16::from(found) * 4).for_each(|i| set.rdatas.push(&[192, 0, (i >> 8) as u8, i as u8]));
        let resolution = Resolution { answer: vec![set], ..Resolution::empty(Rcode::NOERROR) };
        handled = pipeline::complete(&environment, pending, &[resolution], &mut room);
    }
    match handled {
        Handled::Reply(length) => Some(room[..length].to_vec()),
        _ => None,
    }
}

/// The rdata of the records of *rtype* at *owner*.
fn rdatas(message: &Message<'_>, section: Section, owner: &Name, rtype: RrType) -> BTreeSet<Vec<u8>> {
    let of_set = message.records(section).filter(|record| record.rtype == rtype);
    let of_set = of_set.filter(|record| record.owner().as_ref() == owner.as_ref());
    of_set
        .map(|record| {
            let mut rdata = Vec::new();
            record.rdata(&mut rdata);
            rdata.to_ascii_lowercase()
        })
        .collect()
}

/// No signature of *whole* stands in *reply* beside an RRset that has changed.
fn check_signatures(reply: &Message<'_>, whole: &Message<'_>) {
    for section in SECTIONS {
        for record in reply.records(section).filter(|record| record.rtype == RrType::RRSIG) {
            let owner = record.owner().to_name();
            let mut rdata = Vec::new();
            record.rdata(&mut rdata);
            rdata.make_ascii_lowercase();
            let covered = RrType(u16::from_be_bytes([rdata[0], rdata[1]]));
            let was_in = |section: &Section| rdatas(whole, *section, &owner, RrType::RRSIG).contains(&rdata);
            let Some(before) = SECTIONS.into_iter().find(was_in) else { continue };
            let (before, now) = (rdatas(whole, before, &owner, covered), rdatas(reply, section, &owner, covered));
            assert_eq!(now, before, "{owner} {covered}");
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let [name, rtype, flags, payload, found, rest @ ..] = bytes else { return };
    *OCTETS.lock().expect("no panic before") = rest.to_vec();
    let (packet, limit, mac) = query([*name, *rtype, *flags, *payload]);
    let whole = answer(&SERVERS[0], &packet, Transport::Tcp, *found).expect("a response");
    let whole = Message::parse(&whole).expect("a response without filters is a message");
    for transport in [Transport::Udp, Transport::Tcp] {
        let Some(reply) = answer(&SERVERS[1], &packet, transport, *found) else { continue };
        let message = Message::parse(&reply).expect("a response is a message");
        assert_eq!(&reply[..2], &packet[..2]);
        assert!(message.flags().qr() && message.flags().opcode() == Opcode::QUERY);
        assert!(transport == Transport::Tcp || reply.len() <= limit, "{} octets of {limit}", reply.len());
        assert_eq!(message.opt().is_some(), flags & 1 == 1);
        assert_eq!(message.tsig().is_some(), mac.is_some());
        if let (Some(record), Some(mac)) = (message.tsig(), &mac) {
            let tsig = Tsig::parse(record.rdata_raw()).expect("a TSIG record");
            let owner = record.owner().to_name();
            let mut input = Vec::new();
            let signed = Signed::Response { key: owner.as_ref(), request_mac: mac };
            tsig.push_signed(signed, &reply[..record.start()], true, &mut input);
            assert_eq!(hmac(HmacAlg::Sha256, SECRET, &[&input]).as_ref(), tsig.mac);
        }
        check_signatures(&message, &whole);
    }
});
