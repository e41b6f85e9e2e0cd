//! WKS: the services of a host, one bit per port. RFC 1035 §3.4.2, deprecated by RFC 1123 §2.2
//!
//! The text consists of numbers. `tcp`, `udp` and the service names of RFC 1010 are accepted as well.

use super::field::Wire;
use super::{RdataError, RdataFault};
use crate::text::{Expected, TextError, TextFault, Tokens, number, push_number};

const PROTOCOLS: [(&[u8], u8); 3] = [(b"icmp", 1), (b"tcp", 6), (b"udp", 17)];
const SERVICES: [(&[u8], u16); 30] = [
    (b"echo", 7),
    (b"discard", 9),
    (b"systat", 11),
    (b"daytime", 13),
    (b"netstat", 15),
    (b"chargen", 19),
    (b"ftp-data", 20),
    (b"ftp", 21),
    (b"ssh", 22),
    (b"telnet", 23),
    (b"smtp", 25),
    (b"time", 37),
    (b"nameserver", 42),
    (b"whois", 43),
    (b"domain", 53),
    (b"bootps", 67),
    (b"bootpc", 68),
    (b"tftp", 69),
    (b"gopher", 70),
    (b"finger", 79),
    (b"http", 80),
    (b"hostnames", 101),
    (b"pop3", 110),
    (b"sunrpc", 111),
    (b"nntp", 119),
    (b"ntp", 123),
    (b"imap", 143),
    (b"snmp", 161),
    (b"irc", 194),
    (b"https", 443),
];

/// One octet of protocol and at most 8192 octets of bits.
pub(super) fn check(wire: &Wire<'_>, at: usize) -> Result<usize, RdataError> {
    match wire.end - at {
        0 => Err(RdataError { at, fault: RdataFault::Short }),
        1..=8193 => Ok(wire.end),
        _ => Err(RdataError { at, fault: RdataFault::Long }),
    }
}

pub(super) fn parse(tokens: &mut Tokens<'_>, out: &mut Vec<u8>) -> Result<(), TextError> {
    let token = tokens.word_of(Expected::Protocol)?;
    let protocol = match number(token.bytes) {
        Some(value) => u8::try_from(value)
            .map_err(|_| tokens.fault(token.at, TextFault::TooLarge(Expected::Protocol)))?,
        None => known(&PROTOCOLS, token.bytes).ok_or_else(|| tokens.wrong(token, Expected::Protocol))?,
    };
    out.push(protocol);
    let start = out.len();
    while let Some(token) = tokens.next_word(Expected::Service)? {
        let port = match number(token.bytes) {
            Some(value) => u16::try_from(value)
                .map_err(|_| tokens.fault(token.at, TextFault::TooLarge(Expected::Service)))?,
            None => known(&SERVICES, token.bytes).ok_or_else(|| tokens.wrong(token, Expected::Service))?,
        };
        let at = start + usize::from(port / 8);
        if out.len() <= at {
            out.resize(at + 1, 0);
        }
        out[at] |= 0x80 >> (port % 8);
    }
    Ok(())
}

fn known<T: Copy>(names: &[(&[u8], T)], word: &[u8]) -> Option<T> {
    names.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|(_, value)| *value)
}

/// Returns None for trailing zeros, which text cannot express.
pub(super) fn show(octets: &[u8], out: &mut String) -> Option<()> {
    let (&protocol, bits) = octets.split_first()?;
    if bits.last() == Some(&0) {
        return None;
    }
    push_number(out, u64::from(protocol));
    for (index, &octet) in bits.iter().enumerate() {
        for bit in (0..8).filter(|bit| octet & (0x80 >> bit) != 0) {
            out.push(' ');
            push_number(out, index as u64 * 8 + bit);
        }
    }
    Some(())
}
