//! Special-use names, which are answered without a query: RFC 6761 and RFC 7686.
//!
//! | name | answer |
//! |---|---|
//! | `localhost.` and below (RFC 6761 §6.3) | A 127.0.0.1, AAAA ::1, no other data |
//! | `invalid.` and below (RFC 6761 §6.4) | does not exist |
//! | `onion.` and below (RFC 7686 §2) | does not exist |
//! | `127.in-addr.arpa.` and below, the reverse name of ::1 (RFC 6303 §4) | PTR localhost for 127.0.0.1 and ::1, else nothing |
//!
//! A forward for such a name overrides this. The server answers further names before the resolver (`serve/local_zones.rs`).

use nw_wire::code::{Class, RrType};
use nw_wire::name::NameRef;
use nw_wire::rrset::Rrset;

use crate::classify::Finding;
use crate::signed::Signed;

/// TTL of these answers, seconds.
const TTL: u32 = 10_800;

const LOCALHOST: &[u8] = b"\x09localhost\0";
const INVALID: &[u8] = b"\x07invalid\0";
const ONION: &[u8] = b"\x05onion\0";
const LOOPBACK_V4: &[u8] = b"\x03127\x07in-addr\x04arpa\0";
const LOOPBACK_V4_HOST: &[u8] = b"\x011\x010\x010\x03127\x07in-addr\x04arpa\0";
const LOOPBACK_V6: &[u8] =
    b"\x011\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\
\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x03ip6\x04arpa\0";

/// The name in wire form that a constant holds.
fn constant(wire: &'static [u8]) -> NameRef<'static> {
    NameRef::from_wire(wire).expect("the constants above are names")
}

/// Whether *name* is answered without a query, whatever the servers say.
pub fn is_special_use(name: NameRef<'_>, rtype: RrType) -> bool {
    answer(name, rtype).is_some()
}

/// The answer to *name* and *rtype*; None for names without a special use.
pub(crate) fn answer(name: NameRef<'_>, rtype: RrType) -> Option<Finding> {
    let below = |wire| name.is_at_or_below(constant(wire));
    if below(LOCALHOST) {
        return Some(match rtype {
            RrType::A => data(name, rtype, &[127, 0, 0, 1]),
            RrType::AAAA => data(name, rtype, &std::net::Ipv6Addr::LOCALHOST.octets()),
            _ => absent(false),
        });
    }
    if below(INVALID) || below(ONION) {
        return Some(absent(true));
    }
    let loopback = name == constant(LOOPBACK_V4_HOST) || name == constant(LOOPBACK_V6);
    if loopback && rtype == RrType::PTR {
        return Some(data(name, rtype, LOCALHOST));
    }
    if loopback || name == constant(LOOPBACK_V4) {
        return Some(absent(false));
    }
    below(LOOPBACK_V4).then(|| absent(true))
}

fn data(name: NameRef<'_>, rtype: RrType, rdata: &[u8]) -> Finding {
    let mut rrset = Rrset::new(name.to_name(), rtype, Class::IN, TTL);
    rrset.rdatas.push(rdata);
    Finding::Data { sets: vec![Signed::unsigned(rrset)], proof: Vec::new() }
}

fn absent(nxdomain: bool) -> Finding {
    Finding::Absence { sets: Vec::new(), nxdomain, authority: Vec::new() }
}
