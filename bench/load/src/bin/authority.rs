//! An authoritative server that invents what it serves, for benchmarks of resolvers: names without end, one system call for
//! up to 64 packets, no zone.
//!
//! ```text
//! authority 127.0.0.2:5300 miss.bench.                 every name has an address
//! authority 127.0.0.2:5300 tld.bench. --refer 127.0.0.3      every child of the zone is delegated to that address
//! authority 127.0.0.2:5300 . --refer 127.0.0.3 --sign FILE  the same, signed with this private key of dnssec-keygen
//! authority 127.0.0.3:5300 . --children --sign FILE         every child of the zone is a signed zone of its own
//! ```
//!
//! With `--refer` a question for a name below the zone gets a referral to `ns.CHILD` with its address; without it an address
//! for type A, and NODATA with the SOA record for other types. The zone's own SOA and NS records are answered in both. It
//! runs until it is killed.
//!
//! With `--sign` every zone has the one key, and each RRset is signed when it is asked for. Referrals have a DS record. NODATA is
//! proved by an NSEC record that covers nothing else (RFC 4470), so that no question is answered by an earlier proof.

use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;

use load::sign::Sign;
use nw_dnssec::push_bitmap;
use nw_wire::{NameRef, RrType};

const BATCH: usize = 64;
const BUFFER: usize = 1232;
const A: u16 = 1;
const NS: u16 = 2;
const SOA: u16 = 6;
const DS: u16 = 43;
const RRSIG: u16 = 46;
const NSEC: u16 = 47;
const DNSKEY: u16 = 48;
const TTL: u32 = 3600;

/// A name in wire form, lower case.
fn wire(name: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        wire.push(label.len() as u8);
        wire.extend_from_slice(label.to_ascii_lowercase().as_bytes());
    }
    wire.push(0);
    wire
}

struct Authority {
    zone: Vec<u8>,
    refer: Option<Ipv4Addr>,
    children: bool,
    sign: Option<Sign>,
}

/// A record of a reply: section, where its owner is in the message, type, data. `glue`: it is not signed.
struct Put {
    section: usize,
    owner: usize,
    rtype: u16,
    rdata: Vec<u8>,
    glue: bool,
}

impl Authority {
    /// The reply to *query*, or None when it deserves none.
    fn answer(&self, query: &[u8]) -> Option<Vec<u8>> {
        let mut labels = Vec::new();
        let mut at = 12;
        while *query.get(at)? != 0 {
            labels.push(at);
            at += 1 + usize::from(query[at]);
        }
        let root = at;
        let qtype = u16::from_be_bytes([*query.get(at + 1)?, *query.get(at + 2)?]);
        let question = query.get(12..at + 5)?;
        let has_opt = query.len() > 12 + question.len();
        let name = &question[..question.len() - 4];
        let below = name.len().checked_sub(self.zone.len()).filter(|&start| {
            name[start..].eq_ignore_ascii_case(&self.zone)
                && (self.zone.len() == 1 || labels.contains(&(12 + start)))
        });
        let mut records: Vec<Put> = Vec::new();
        let mut put = |section, owner, rtype, rdata: &[u8], glue| {
            records.push(Put { section, owner, rtype, rdata: rdata.to_vec(), glue });
        };
        let soa = [&[0, 0][..], &[0, 0, 0, 1].repeat(5)].concat();
        let mut flags = 0x8400;
        let mut apex = root;
        match below {
            None => flags = 0x8005,
            Some(start) => {
                apex = 12 + start;
                let child = labels.iter().rev().find(|&&label| label < apex).copied();
                if self.children {
                    apex = child?;
                }
                let at_apex = apex == 12;
                match (qtype, self.refer, child) {
                    (SOA, ..) if at_apex => put(0, apex, SOA, &soa, false),
                    // Its name server is itself.
                    (NS, ..) if at_apex => put(0, apex, NS, &question[apex - 12..root + 1 - 12], false),
                    (DNSKEY, ..) if at_apex && self.sign.is_some() => {
                        put(0, apex, DNSKEY, self.sign.as_ref()?.dnskey(), false);
                    }
                    (DS, Some(_), Some(cut)) if cut == 12 && self.sign.is_some() => {
                        let zone = NameRef::from_wire(name).ok()?;
                        put(0, cut, DS, &self.sign.as_ref()?.ds(zone), false);
                    }
                    (_, Some(address), Some(cut)) => {
                        flags = 0x8000;
                        let server = [&[2, b'n', b's'], &question[cut - 12..root + 1 - 12]].concat();
                        put(1, cut, NS, &server, true);
                        // Its name is the rdata of the record above: after the question and the record's twelve octets.
                        put(2, 12 + question.len() + 12, A, &address.octets(), true);
                        if let Some(sign) = &self.sign {
                            let zone = NameRef::from_wire(&question[cut - 12..root + 1 - 12]).ok()?;
                            put(1, cut, DS, &sign.ds(zone), false);
                        }
                    }
                    (A, None, _) => put(0, 12, A, &[192, 0, 2, 1], false),
                    _ => {
                        put(1, apex, SOA, &soa, false);
                        if self.sign.is_some() {
                            let mut rdata = [&[1, 0], name].concat();
                            let mut types = vec![RrType(A), RrType(RRSIG), RrType(NSEC)];
                            if at_apex {
                                types.extend([RrType(NS), RrType(SOA), RrType(DNSKEY)]);
                            }
                            push_bitmap(&mut types, &mut rdata);
                            put(1, 12, NSEC, &rdata, false);
                        }
                    }
                }
            }
        }
        if let Some(sign) = &self.sign {
            let name_at = |at: usize| NameRef::from_wire(&question[at - 12..root + 1 - 12]).ok();
            let zone = name_at(apex)?;
            let mut signatures = Vec::new();
            for Put { section, owner, rtype, rdata, .. } in records.iter().filter(|put| !put.glue) {
                let rdata = sign.rrsig(zone, name_at(*owner)?, *rtype, TTL, &[rdata]);
                signatures.push(Put { section: *section, owner: *owner, rtype: RRSIG, rdata, glue: true });
            }
            records.extend(signatures);
        }
        // The glue record refers to the NS record as the first behind the question.
        records.sort_by_key(|put| put.section);
        let mut counts = [0u16; 3];
        records.iter().for_each(|put| counts[put.section] += 1);
        let mut reply = query[..2].to_vec();
        let rd = u16::from(query[2] & 1) << 8;
        reply.extend_from_slice(&(flags | rd).to_be_bytes());
        for count in [1, counts[0], counts[1], counts[2] + u16::from(has_opt)] {
            reply.extend_from_slice(&count.to_be_bytes());
        }
        reply.extend_from_slice(question);
        for Put { owner, rtype, rdata, .. } in &records {
            reply.extend_from_slice(&(0xc000 | *owner as u16).to_be_bytes());
            reply.extend_from_slice(&rtype.to_be_bytes());
            reply.extend_from_slice(&1u16.to_be_bytes());
            reply.extend_from_slice(&TTL.to_be_bytes());
            reply.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
            reply.extend_from_slice(rdata);
        }
        if has_opt {
            let dnssec = u8::from(self.sign.is_some()) << 7;
            reply.extend_from_slice(&[0, 0, 41, 4, 208, 0, 0, dnssec, 0, 0, 0]);
        }
        Some(reply)
    }
}

fn main() {
    let mut args = std::env::args().skip(1);
    let (Some(listen), Some(zone)) = (args.next(), args.next()) else {
        eprintln!("authority: expected ADDRESS:PORT ZONE [--refer ADDRESS] [--children] [--sign FILE]");
        std::process::exit(1);
    };
    let mut authority = Authority { zone: wire(&zone), refer: None, children: false, sign: None };
    while let Some(option) = args.next() {
        let mut value = || args.next().expect("the option takes a value");
        match option.as_str() {
            "--refer" => authority.refer = Some(value().parse().expect("--refer takes an IPv4 address")),
            "--children" => authority.children = true,
            "--sign" => authority.sign = Some(Sign::new(&value())),
            other => panic!("no option {other}"),
        }
    }
    let socket = UdpSocket::bind(&listen).unwrap_or_else(|error| {
        eprintln!("authority: {listen}: {error}");
        std::process::exit(1);
    });
    let mut buffers = vec![[0u8; BUFFER]; BATCH];
    loop {
        // SAFETY: all-zero is a valid value of these plain C structures.
        let (mut vectors, mut messages, mut names): (
            [libc::iovec; BATCH],
            [libc::mmsghdr; BATCH],
            [libc::sockaddr_storage; BATCH],
        ) = unsafe { std::mem::zeroed() };
        for i in 0..BATCH {
            vectors[i] = libc::iovec { iov_base: buffers[i].as_mut_ptr().cast(), iov_len: BUFFER };
            let header = &mut messages[i].msg_hdr;
            header.msg_iov = &raw mut vectors[i];
            header.msg_iovlen = 1;
            header.msg_name = (&raw mut names[i]).cast();
            header.msg_namelen = size_of::<libc::sockaddr_storage>() as u32;
        }
        let (fd, wait) = (socket.as_raw_fd(), libc::MSG_WAITFORONE);
        // SAFETY: every header points to a vector, a buffer and a name that outlive the call.
        let got =
            unsafe { libc::recvmmsg(fd, messages.as_mut_ptr(), BATCH as u32, wait, std::ptr::null_mut()) };
        let got = usize::try_from(got).unwrap_or(0);
        let mut replies = 0;
        for i in 0..got {
            let query = &buffers[i][..messages[i].msg_len as usize];
            let Some(reply) = authority.answer(query).filter(|reply| reply.len() <= BUFFER) else { continue };
            buffers[i][..reply.len()].copy_from_slice(&reply);
            vectors[i].iov_len = reply.len();
            messages[replies] = messages[i];
            replies += 1;
        }
        let mut sent = 0;
        while sent < replies {
            let rest = (replies - sent) as u32;
            // SAFETY: the headers from `sent` on were filled by the kernel and point to replies that outlive the call.
            let n = unsafe { libc::sendmmsg(fd, messages.as_mut_ptr().add(sent), rest, 0) };
            sent += usize::try_from(n).unwrap_or(1).max(1);
        }
    }
}
