//! An internet that is invented: a root, top-level zones and any number of zones below them, at addresses with round-trip
//! times of their own.
//!
//! ```text
//! .            any other address      NS ns1. to ns4., signed
//! tK.          20.K.N.1  (N = 1..4)   every top-level zone is signed
//! dN.tK.       30.0.X.Y and 31.0.X.Y  two servers from a pool; signed if N is a multiple of 4,
//!                                     glueless if N % 5 is 3: its servers are those of pM.tK.
//!                                     (a label of eight hexadecimal digits does as well as dN)
//! pM.tK.       30.1.0.M and 31.1.0.M  the zones of name servers
//! ```
//!
//! Below `dN.tK.` every name has an address, except those that begin with `x` (they do not exist) and with `c` (an alias of a name
//! in another zone of `tK.`). A name's zones, aliases and servers are all below its `tK.`, so that a fault at `tK.` explains every
//! failure below it. Negative answers are proved by NSEC records that cover nothing else (RFC 4470).
//!
//! This module only computes replies; `bin/internet.rs` has the sockets.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::Mutex;
use std::time::Duration;

use nw_dnssec::push_bitmap;
use nw_wire::{NameRef, RrType};

use crate::sign::Sign;

const A: u16 = 1;
const NS: u16 = 2;
const CNAME: u16 = 5;
const SOA: u16 = 6;
const DS: u16 = 43;
const RRSIG: u16 = 46;
const NSEC: u16 = 47;
const DNSKEY: u16 = 48;
const NXDOMAIN: u16 = 3;
const SERVFAIL: u16 = 2;
const REFUSED: u16 = 5;
const FORMERR: u16 = 1;
/// How many signatures are kept.
const MOST_SIGNATURES: usize = 1_000_000;
/// What `slow` adds.
const SLOW: Duration = Duration::from_millis(1200);

/// What servers do instead of answering as they should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// They send nothing.
    Silent,
    /// Every second server of a zone sends nothing.
    Half,
    /// They refer to the root.
    Lame,
    /// They answer SERVFAIL.
    Servfail,
    /// They answer REFUSED.
    Refused,
    /// They answer FORMERR without OPT.
    Formerr,
    /// They answer 1.2 seconds late.
    Slow,
    /// They answer with TC, over TCP as well.
    Truncated,
    /// They answer with another id, over TCP as well.
    WrongId,
    /// A bit of every signature is wrong.
    Bogus,
}

impl Fault {
    /// The fault that the command line calls *word*.
    pub fn named(word: &str) -> Option<Fault> {
        Some(match word {
            "silent" => Fault::Silent,
            "half" => Fault::Half,
            "lame" => Fault::Lame,
            "servfail" => Fault::Servfail,
            "refused" => Fault::Refused,
            "formerr" => Fault::Formerr,
            "slow" => Fault::Slow,
            "truncated" => Fault::Truncated,
            "wrong-id" => Fault::WrongId,
            "bogus" => Fault::Bogus,
            _ => return None,
        })
    }
}

/// The settings of the internet.
pub struct Internet {
    /// The key of all signed zones.
    pub sign: Sign,
    /// TTL of all records, seconds.
    pub ttl: u32,
    /// Number of servers in the pool.
    pub pool: u32,
    /// Median of the round-trip times; zero for none.
    pub median: Duration,
    /// Percentage of the second servers (31/8) that never answer.
    pub dead: u32,
    /// Faults: what the servers of the zones at and below a name (wire form) do.
    pub faults: Mutex<Vec<(Fault, Vec<u8>)>>,
    /// Signatures made before, by owner and type.
    pub signatures: Mutex<HashMap<(Vec<u8>, u16), Vec<u8>>>,
}

/// A reply and how long it takes.
pub struct Reply {
    /// The message.
    pub bytes: Vec<u8>,
    /// The time until it is sent.
    pub after: Duration,
}

#[derive(Default)]
struct Draft {
    flags: u16,
    rcode: u16,
    /// The zone that signs.
    zone: Vec<u8>,
    sections: [Vec<(Vec<u8>, u16, Vec<Vec<u8>>)>; 3],
}

/// A name in wire form.
pub fn wire(name: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        wire.push(label.len() as u8);
        wire.extend_from_slice(label.to_ascii_lowercase().as_bytes());
    }
    wire.push(0);
    wire
}

fn child(label: &[u8], parent: &[u8]) -> Vec<u8> {
    [&[label.len() as u8], label, parent].concat()
}

/// A number that depends on *octets* alone (FNV-1a, then mixed).
fn hash(octets: &[u8]) -> u64 {
    let mut value = 0xcbf2_9ce4_8422_2325_u64;
    for octet in octets {
        value = (value ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01b3);
    }
    value ^= value >> 29;
    value.wrapping_mul(0xbf58_476d_1ce4_e5b9) ^ value >> 32
}

/// The number in a label such as `d17`.
fn number(label: &[u8]) -> u64 {
    label[1..].iter().fold(0, |n, octet| n * 10 + u64::from(octet.wrapping_sub(b'0') & 15))
}

/// Whether the child *label* of a zone of *level* is a zone.
fn is_cut(level: usize, label: &[u8]) -> bool {
    let kinds: &[u8] = if level == 0 { b"t" } else { b"dp" };
    let counted = level == 1 && label.len() == 8 && label.iter().all(u8::is_ascii_hexdigit);
    counted || label.len() > 1 && kinds.contains(&label[0]) && label[1..].iter().all(u8::is_ascii_digit)
}

impl Internet {
    /// The round-trip time to *address*: log-normal around the median, from 0.1 to 10 times of it.
    fn round_trip(&self, address: Ipv4Addr) -> Duration {
        let mut value = hash(&address.octets());
        let mut sum = 0.0;
        for _ in 0..12 {
            value ^= value << 13;
            value ^= value >> 7;
            value ^= value << 17;
            sum += (value >> 11) as f64 / (1u64 << 53) as f64;
        }
        let normal: f64 = sum - 6.0;
        self.median.mul_f64((normal * 0.8).exp().clamp(0.1, 10.0))
    }

    fn is_dead(&self, address: Ipv4Addr) -> bool {
        address.octets()[0] == 31 && hash(&address.octets()) % 100 < u64::from(self.dead)
    }

    fn fault(&self, name: &[u8]) -> Option<Fault> {
        let faults = self.faults.lock().expect("no holder panics");
        faults.iter().find(|(_, suffix)| name.ends_with(suffix)).map(|(fault, _)| *fault)
    }

    /// The reply of the server at *to* to *query*, or None if it sends none.
    pub fn reply(&self, query: &[u8], to: Ipv4Addr) -> Option<Reply> {
        let mut labels = Vec::new();
        let mut at = 12;
        while *query.get(at)? != 0 {
            labels.push(at - 12);
            at += 1 + usize::from(query[at]);
        }
        let question = query.get(12..at + 5)?;
        let name = question[..at + 1 - 12].to_ascii_lowercase();
        let qtype = u16::from_be_bytes([question[at + 1 - 12], question[at + 2 - 12]]);
        let opt = query.get(at + 5..at + 16).filter(|opt| opt[..3] == [0, 0, 41]);
        let dnssec = opt.is_some_and(|opt| opt[7] & 0x80 != 0);
        let level = match to.octets()[0] {
            20 => 1,
            30 | 31 => 2,
            _ => 0,
        };
        let fault = if level == 0 { None } else { self.fault(&name) };
        let mut after = self.round_trip(to);
        match fault {
            Some(Fault::Silent) => return None,
            Some(Fault::Half) if to.octets()[0] == 31 || to.octets()[2] % 2 == 1 && level == 1 => {
                return None;
            }
            Some(Fault::Slow) => after += SLOW,
            _ => {}
        }
        if self.is_dead(to) {
            return None;
        }
        let cuts: Vec<&[u8]> = labels.iter().map(|at| &name[*at..]).chain([&[0][..]]).collect();
        let mut draft = match fault {
            Some(Fault::Lame) => {
                let root = Draft { flags: 0x8000, ..Draft::default() };
                let mut lame = self.referral(root, &[0], dnssec);
                lame.sections[2].clear();
                lame
            }
            Some(Fault::Servfail) => Draft { flags: 0x8000, rcode: SERVFAIL, ..Draft::default() },
            Some(Fault::Refused) => Draft { flags: 0x8000, rcode: REFUSED, ..Draft::default() },
            Some(Fault::Formerr) => Draft { flags: 0x8000, rcode: FORMERR, ..Draft::default() },
            Some(Fault::Truncated) => Draft { flags: 0x8600, ..Draft::default() },
            _ => self.answer(level, &cuts, qtype, dnssec),
        };
        if dnssec && draft.flags & 0x0200 == 0 {
            self.add_signatures(&mut draft, fault == Some(Fault::Bogus))?;
        }
        let opt = opt.is_some() && fault != Some(Fault::Formerr);
        let mut bytes = write(query, question, &draft, opt, dnssec, self.ttl.to_be_bytes());
        if fault == Some(Fault::WrongId) {
            bytes[1] ^= 1;
        }
        Some(Reply { bytes, after })
    }

    /// What the servers of *level* (0 root, 1 top-level zones, 2 those below) know about the name, of which *cuts* are all suffixes.
    fn answer(&self, level: usize, cuts: &[&[u8]], qtype: u16, dnssec: bool) -> Draft {
        let depth = cuts.len() - 1;
        let mut draft = Draft { flags: 0x8400, ..Draft::default() };
        if depth < level {
            return Draft { flags: 0x8000, rcode: REFUSED, ..draft };
        }
        let (name, zone) = (cuts[0], cuts[depth - level]);
        draft.zone = zone.to_vec();
        if depth == level {
            match qtype {
                NS => {
                    let servers = self.servers(zone);
                    draft.sections[2] = self.glue(zone);
                    draft.sections[0].push((zone.to_vec(), NS, servers));
                }
                SOA => draft.sections[0].push((zone.to_vec(), SOA, vec![soa()])),
                DNSKEY if self.is_signed(zone) => {
                    draft.sections[0].push((zone.to_vec(), DNSKEY, vec![self.sign.dnskey().to_vec()]));
                }
                A if level == 2 => draft.sections[0].push((zone.to_vec(), A, vec![vec![192, 0, 2, 2]])),
                _ => self.nodata(&mut draft, name, &[NS, SOA, DNSKEY, RRSIG, NSEC]),
            }
            return draft;
        }
        // The name one label below the zone.
        let below = cuts[depth - level - 1];
        let first = &below[1..=usize::from(below[0])];
        match level {
            0 | 1 if is_cut(level, first) => {
                if qtype == DS && depth == level + 1 {
                    if self.is_signed(below) {
                        let ds = self.sign.ds(NameRef::from_wire(below).expect("parsed above"));
                        draft.sections[0].push((below.to_vec(), DS, vec![ds]));
                    } else {
                        self.nodata(&mut draft, below, &[NS, RRSIG, NSEC]);
                    }
                } else {
                    draft.flags = 0x8000;
                    draft = self.referral(draft, below, dnssec);
                }
            }
            0 if first.starts_with(b"ns") && depth == 1 => self.address(&mut draft, name, qtype),
            1 if first == b"nic" && depth <= 3 => {
                if depth == 3 {
                    self.address(&mut draft, name, qtype);
                } else {
                    self.nodata(&mut draft, name, &[RRSIG, NSEC]);
                }
            }
            2 if first[0] == b'c' && depth == 3 => {
                let next = hash(name) % 1000;
                let other = child(format!("d{next}").as_bytes(), cuts[depth - 1]);
                draft.sections[0].push((name.to_vec(), CNAME, vec![child(b"h0", &other)]));
            }
            2 if first.starts_with(b"ns") && depth == 3 => self.address(&mut draft, name, qtype),
            2 if first[0] != b'x' => {
                if qtype == A {
                    draft.sections[0].push((name.to_vec(), A, vec![vec![192, 0, 2, 1]]));
                } else {
                    self.nodata(&mut draft, name, &[A, RRSIG, NSEC]);
                }
            }
            _ => self.nxdomain(&mut draft, below),
        }
        draft
    }

    /// Whether *zone* is signed.
    fn is_signed(&self, zone: &[u8]) -> bool {
        let label = &zone[1..=usize::from(zone[0])];
        zone.len() == 1 || label[0] == b't' || label[0] != b'p' && number(label) % 4 == 0
    }

    /// The names of the servers of *zone*.
    fn servers(&self, zone: &[u8]) -> Vec<Vec<u8>> {
        if zone.len() == 1 {
            return (1..=4).map(|n| child(format!("ns{n}").as_bytes(), zone)).collect();
        }
        let (label, parent) = (&zone[1..=usize::from(zone[0])], &zone[1 + usize::from(zone[0])..]);
        match label[0] {
            b't' => (1..=4).map(|n| child(format!("s{n}").as_bytes(), &child(b"nic", zone))).collect(),
            b'p' => (1..=2).map(|n| child(format!("ns{n}").as_bytes(), zone)).collect(),
            _ if number(label) % 5 == 3 => {
                let hoster = child(format!("p{}", number(label) % 20).as_bytes(), parent);
                (1..=2).map(|n| child(format!("ns{n}").as_bytes(), &hoster)).collect()
            }
            _ => (1..=2).map(|n| child(format!("ns{n}").as_bytes(), zone)).collect(),
        }
    }

    /// The address of the server *name*.
    fn server_address(&self, name: &[u8]) -> Ipv4Addr {
        let first = &name[1..=usize::from(name[0])];
        let rest = &name[1 + usize::from(name[0])..];
        let which = first[first.len() - 1].wrapping_sub(b'0');
        if rest.len() == 1 {
            return Ipv4Addr::new(198, 41, 0, which + 3);
        }
        let label = &rest[1..=usize::from(rest[0])];
        if label == b"nic" {
            let zone = &rest[1 + usize::from(rest[0])..];
            return Ipv4Addr::new(20, number(&zone[1..=usize::from(zone[0])]) as u8, which, 1);
        }
        let network = if which == 1 { 30 } else { 31 };
        if label[0] == b'p' {
            return Ipv4Addr::new(network, 1, 0, number(label) as u8);
        }
        let place = hash(rest) % u64::from(self.pool);
        Ipv4Addr::new(network, 0, (place >> 8) as u8, place as u8)
    }

    /// The addresses of the servers of *zone* that are below it.
    fn glue(&self, zone: &[u8]) -> Vec<(Vec<u8>, u16, Vec<Vec<u8>>)> {
        let servers = self.servers(zone).into_iter().filter(|server| server.ends_with(zone));
        servers.map(|name| (name.clone(), A, vec![self.server_address(&name).octets().to_vec()])).collect()
    }

    fn referral(&self, mut draft: Draft, cut: &[u8], dnssec: bool) -> Draft {
        draft.sections[1].push((cut.to_vec(), NS, self.servers(cut)));
        draft.sections[2] = self.glue(cut);
        if dnssec && cut.len() > 1 {
            if self.is_signed(cut) {
                let ds = self.sign.ds(NameRef::from_wire(cut).expect("parsed above"));
                draft.sections[1].push((cut.to_vec(), DS, vec![ds]));
            } else {
                draft.sections[1].push((
                    cut.to_vec(),
                    NSEC,
                    vec![denial(&child(b"\0", cut), &[NS, RRSIG, NSEC])],
                ));
            }
        }
        draft
    }

    fn address(&self, draft: &mut Draft, name: &[u8], qtype: u16) {
        if qtype == A {
            let address = self.server_address(name).octets().to_vec();
            draft.sections[0].push((name.to_vec(), A, vec![address]));
        } else {
            self.nodata(draft, name, &[A, RRSIG, NSEC]);
        }
    }

    fn nodata(&self, draft: &mut Draft, name: &[u8], types: &[u16]) {
        draft.sections[1].push((draft.zone.clone(), SOA, vec![soa()]));
        if self.is_signed(&draft.zone) {
            draft.sections[1].push((name.to_vec(), NSEC, vec![denial(&child(b"\0", name), types)]));
        }
    }

    /// *below*: the name that does not exist, one label below the zone.
    fn nxdomain(&self, draft: &mut Draft, below: &[u8]) {
        draft.rcode = NXDOMAIN;
        draft.sections[1].push((draft.zone.clone(), SOA, vec![soa()]));
        if !self.is_signed(&draft.zone) {
            return;
        }
        let label = &below[1..=usize::from(below[0])];
        let mut before = label.to_vec();
        *before.last_mut().expect("not empty") -= 1;
        before.push(b'~');
        let after = [label, &[0]].concat();
        let zone = draft.zone.clone();
        let proof = denial(&child(&after, &zone), &[RRSIG, NSEC]);
        draft.sections[1].push((child(&before, &zone), NSEC, vec![proof]));
        draft.sections[1].push((
            child(b")~", &zone),
            NSEC,
            vec![denial(&child(b"+", &zone), &[RRSIG, NSEC])],
        ));
    }

    /// Sign what the zone has authority for. None: a name is too long.
    fn add_signatures(&self, draft: &mut Draft, bogus: bool) -> Option<()> {
        if draft.zone.is_empty() || !self.is_signed(&draft.zone) {
            return Some(());
        }
        let is_referral = draft.flags & 0x0400 == 0;
        for section in 0..2 {
            let mut signed = Vec::new();
            for (owner, rtype, rdatas) in &draft.sections[section] {
                if is_referral && *rtype == NS {
                    continue;
                }
                let key = (owner.clone(), *rtype);
                let known = self.signatures.lock().expect("no holder panics").get(&key).cloned();
                let mut rrsig = match known {
                    Some(known) => known,
                    None => {
                        let (zone, name) =
                            (NameRef::from_wire(&draft.zone).ok()?, NameRef::from_wire(owner).ok()?);
                        let all: Vec<&[u8]> = rdatas.iter().map(Vec::as_slice).collect();
                        let made = self.sign.rrsig(zone, name, *rtype, self.ttl, &all);
                        let mut signatures = self.signatures.lock().expect("no holder panics");
                        if signatures.len() >= MOST_SIGNATURES {
                            signatures.clear();
                        }
                        signatures.insert(key, made.clone());
                        made
                    }
                };
                if bogus {
                    *rrsig.last_mut().expect("not empty") ^= 1;
                }
                signed.push((owner.clone(), RRSIG, vec![rrsig]));
            }
            draft.sections[section].extend(signed);
        }
        Some(())
    }
}

fn soa() -> Vec<u8> {
    let times = [1u32, 3600, 600, 86_400, 60];
    [&[0, 0][..], &times.map(u32::to_be_bytes).concat()].concat()
}

fn denial(next: &[u8], types: &[u16]) -> Vec<u8> {
    let mut rdata = next.to_vec();
    push_bitmap(&mut types.iter().map(|rtype| RrType(*rtype)).collect::<Vec<_>>(), &mut rdata);
    rdata
}

fn write(query: &[u8], question: &[u8], draft: &Draft, opt: bool, dnssec: bool, ttl: [u8; 4]) -> Vec<u8> {
    let mut counts = [1, 0, 0, u16::from(opt)];
    for (section, sets) in draft.sections.iter().enumerate() {
        counts[section + 1] += sets.iter().map(|set| set.2.len() as u16).sum::<u16>();
    }
    let mut reply = query[..2].to_vec();
    reply.extend_from_slice(&(draft.flags | draft.rcode | u16::from(query[2] & 1) << 8).to_be_bytes());
    counts.iter().for_each(|count| reply.extend_from_slice(&count.to_be_bytes()));
    reply.extend_from_slice(question);
    for (owner, rtype, rdatas) in draft.sections.iter().flatten() {
        for rdata in rdatas {
            reply.extend_from_slice(owner);
            reply.extend_from_slice(&rtype.to_be_bytes());
            reply.extend_from_slice(&1u16.to_be_bytes());
            reply.extend_from_slice(&ttl);
            reply.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
            reply.extend_from_slice(rdata);
        }
    }
    if opt {
        reply.extend_from_slice(&[0, 0, 41, 4, 208, 0, 0, u8::from(dnssec) << 7, 0, 0, 0]);
    }
    reply
}
