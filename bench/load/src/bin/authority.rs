//! An authoritative server that invents what it serves, for benchmarks of resolvers: names without end, one system call for
//! up to 64 packets, no zone.
//!
//! ```text
//! authority 127.0.0.2:5300 miss.bench.                 every name has an address
//! authority 127.0.0.2:5300 tld.bench. --refer 127.0.0.3      every child of the zone is delegated to that address
//! ```
//!
//! With `--refer` a question for a name below the zone gets a referral to `ns.CHILD` with its address; without it an address
//! for type A, and NODATA with the SOA record for other types. The zone's own SOA and NS records are answered in both. It
//! runs until it is killed.

use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;

const BATCH: usize = 64;
const BUFFER: usize = 1024;
const A: u16 = 1;
const NS: u16 = 2;
const SOA: u16 = 6;
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
        let qtype = u16::from_be_bytes([*query.get(at + 1)?, *query.get(at + 2)?]);
        let question = query.get(12..at + 5)?;
        let has_opt = query.len() > 12 + question.len();
        let name = &question[..question.len() - 4];
        let below = name.len().checked_sub(self.zone.len()).filter(|&start| {
            name[start..].eq_ignore_ascii_case(&self.zone)
                && (self.zone.len() == 1 || labels.contains(&(12 + start)))
        });
        let mut sections = [Vec::new(), Vec::new(), Vec::new()];
        let mut counts = [0u16; 3];
        let mut put = |section: usize, owner: usize, rtype: u16, rdata: &[u8]| {
            let out = &mut sections[section];
            out.extend_from_slice(&(0xc000 | owner as u16).to_be_bytes());
            out.extend_from_slice(&rtype.to_be_bytes());
            out.extend_from_slice(&1u16.to_be_bytes());
            out.extend_from_slice(&TTL.to_be_bytes());
            out.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
            out.extend_from_slice(rdata);
            counts[section] += 1;
        };
        let soa = [&[0, 0][..], &[0, 0, 0, 1].repeat(5)].concat();
        let mut flags = 0x8400;
        match below {
            None => flags = 0x8005,
            Some(start) => {
                let apex = 12 + start;
                match (start, qtype, self.refer) {
                    (0, SOA, _) => put(0, apex, SOA, &soa),
                    (0, NS, _) => put(0, apex, NS, &[0xc0, apex as u8]),
                    (1.., _, Some(address)) => {
                        let last = labels.iter().rev().find(|&&label| label < apex);
                        let cut = *last?;
                        flags = 0x8000;
                        let server = [&[2, b'n', b's', 0xc0][..], &[cut as u8]].concat();
                        put(1, cut, NS, &server);
                        // Its name is the rdata of the record above: after the question and the record's twelve octets.
                        put(2, 12 + question.len() + 12, A, &address.octets());
                    }
                    (1.., A, None) => put(0, 12, A, &[192, 0, 2, 1]),
                    _ => put(1, apex, SOA, &soa),
                }
            }
        }
        let mut reply = query[..2].to_vec();
        let rd = u16::from(query[2] & 1) << 8;
        reply.extend_from_slice(&(flags | rd).to_be_bytes());
        for count in [1, counts[0], counts[1], counts[2] + u16::from(has_opt)] {
            reply.extend_from_slice(&count.to_be_bytes());
        }
        reply.extend_from_slice(question);
        sections.iter().for_each(|section| reply.extend_from_slice(section));
        if has_opt {
            reply.extend_from_slice(&[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
        }
        Some(reply)
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (Some(listen), Some(zone)) = (args.first(), args.get(1)) else {
        eprintln!("authority: expected ADDRESS:PORT ZONE [--refer ADDRESS]");
        std::process::exit(1);
    };
    let refer = args.get(3).map(|address| address.parse().expect("--refer takes an IPv4 address"));
    let authority = Authority { zone: wire(zone), refer };
    let socket = UdpSocket::bind(listen).unwrap_or_else(|error| {
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
