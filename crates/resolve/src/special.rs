//! Special-use names, which are answered without a query: RFC 6761 and RFC 7686.
//!
//! | name | answer |
//! |---|---|
//! | `localhost.` and below (RFC 6761 §6.3) | A 127.0.0.1, AAAA ::1, no other data |
//! | `invalid.` and below (RFC 6761 §6.4) | does not exist |
//! | `onion.` and below (RFC 7686 §2) | does not exist |
//! | `127.in-addr.arpa.` and below, the reverse name of ::1 (RFC 6303 §4) | PTR localhost for 127.0.0.1 and ::1, else nothing |
//!
//! What is absent comes with a SOA record, as of an empty zone (RFC 6303 §3), so that clients keep the absence (RFC 2308 §5).
//! A forward for such a name overrides this. The server answers further names before the resolver (`serve/local_zones.rs`).

use nw_wire::code::{Class, RrType};
use nw_wire::name::NameRef;
use nw_wire::rrset::Rrset;

use crate::classify::Finding;
use crate::signed::Signed;

/// TTL of these answers, seconds.
const TTL: u32 = 10_800;
/// Serial, refresh, retry and expire of the SOA (RFC 6303 §3).
const TIMERS: [u32; 4] = [1, 3600, 1200, 604_800];

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
            _ => absent(LOCALHOST, false),
        });
    }
    if let Some(apex) = [INVALID, ONION].into_iter().find(|apex| below(apex)) {
        return Some(absent(apex, true));
    }
    let apex = [LOOPBACK_V4, LOOPBACK_V6].into_iter().find(|apex| below(apex))?;
    let loopback = name == constant(LOOPBACK_V4_HOST) || name == constant(LOOPBACK_V6);
    if loopback && rtype == RrType::PTR {
        return Some(data(name, rtype, LOCALHOST));
    }
    Some(absent(apex, !loopback && name != constant(apex)))
}

fn data(name: NameRef<'_>, rtype: RrType, rdata: &[u8]) -> Finding {
    let mut rrset = Rrset::new(name.to_name(), rtype, Class::IN, TTL);
    rrset.rdatas.push(rdata);
    Finding::Data { sets: vec![Signed::unsigned(rrset)], proof: Vec::new() }
}

/// The absence of a name or of data in the zone *apex*.
fn absent(apex: &'static [u8], nxdomain: bool) -> Finding {
    let apex = constant(apex);
    let mut soa = Rrset::new(apex.to_name(), RrType::SOA, Class::IN, TTL);
    soa.rdatas.push(&local_soa(apex, TTL));
    Finding::Absence { sets: Vec::new(), nxdomain, authority: vec![Signed::unsigned(soa)] }
}

/// SOA rdata of the zone *apex*, which is served without a zone file (RFC 6303 §3). The zone is its own server and has no responsible person.
pub fn local_soa(apex: NameRef<'_>, minimum: u32) -> Vec<u8> {
    let mut rdata = apex.wire().to_vec();
    rdata.extend_from_slice(b"\x06nobody\x07invalid\0");
    TIMERS.iter().chain([&minimum]).for_each(|timer| rdata.extend_from_slice(&timer.to_be_bytes()));
    rdata
}
