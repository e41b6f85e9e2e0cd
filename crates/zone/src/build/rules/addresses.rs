//! Addresses that clients cannot use, and the names of reverse zones.
//!
//! RFCs: 1033, 1035 §3.5, 1918 §3, 2317 §4, 3596 §2.5, 4193 §3, 4291 §2, 5737 §3, 6303, 6598 §7, 6761 §6, 6763 §4.1, 6890 §2.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nw_wire::RrType;

use super::{Found, Set, Subject, Target, labels, show};

fn address(rdata: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(rdata) {
        return Some(Ipv4Addr::from(octets).into());
    }
    <[u8; 16]>::try_from(rdata).ok().map(|octets| Ipv6Addr::from(octets).into())
}

fn ends_with(name: &[u8], suffix: &[&[u8]]) -> bool {
    let all: Vec<&[u8]> = labels(name).collect();
    all.len() >= suffix.len()
        && all[all.len() - suffix.len()..]
            .iter()
            .zip(suffix)
            .all(|(label, other)| label.eq_ignore_ascii_case(other))
}

/// Whether the zone is one of addresses.
pub(super) fn is_reverse(apex: &[u8]) -> bool {
    ends_with(apex, &[b"in-addr", b"arpa"]) || ends_with(apex, &[b"ip6", b"arpa"])
}

/// Whether the zone can be delegated on the Internet, as far as its last labels show.
pub(super) fn is_public(apex: &[u8]) -> bool {
    let private: [&[&[u8]]; 12] = [
        &[b"local"],
        &[b"internal"],
        &[b"localhost"],
        &[b"test"],
        &[b"invalid"],
        &[b"lan"],
        &[b"home"],
        &[b"corp"],
        &[b"private"],
        &[b"intranet"],
        &[b"home", b"arpa"],
        &[b"localdomain"],
    ];
    !private.iter().any(|suffix| ends_with(apex, suffix))
}

/// Addresses that lead to no other host.
pub(super) fn special(subject: &Subject<'_>) -> Found {
    let what = match *subject.rdata {
        [0, _, _, _] => "unspecified",
        [127, _, _, _] => "a loopback address",
        [169, 254, _, _] => "a link-local address",
        [224..=239, _, _, _] => "a multicast address",
        [240..=255, _, _, _] => "reserved",
        _ => match address(subject.rdata)? {
            IpAddr::V6(six) if six.is_unspecified() => "unspecified",
            IpAddr::V6(six) if six.is_loopback() => "a loopback address",
            IpAddr::V6(six) if six.is_multicast() => "a multicast address",
            IpAddr::V6(six) if six.segments()[0] & 0xffc0 == 0xfe80 => "a link-local address",
            IpAddr::V6(six) if six.to_ipv4_mapped().is_some() => "an IPv4 address in IPv6 form",
            _ => return None,
        },
    };
    let localhost =
        subject.place.labels().next().is_some_and(|label| label.eq_ignore_ascii_case(b"localhost"));
    let apex_localhost = what == "a loopback address" && localhost;
    (!apex_localhost).then(|| {
        format!("{} is {what}", address(subject.rdata).map_or_else(String::new, |a| a.to_string())).into()
    })
}

pub(super) fn private(subject: &Subject<'_>) -> Found {
    let private = match *subject.rdata {
        [10, ..] | [192, 168, ..] if subject.rdata.len() == 4 => true,
        [172, second, _, _] => second & 0xf0 == 16,
        [100, second, _, _] => second & 0xc0 == 64,
        [first, ..] if subject.rdata.len() == 16 => first & 0xfe == 0xfc,
        _ => false,
    };
    (private && subject.zone.public)
        .then(|| "the address is private, and the name of the zone is public".into())
}

/// Addresses of documentation: an example that was copied.
pub(super) fn documentation(subject: &Subject<'_>) -> Found {
    let example = match *subject.rdata {
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => true,
        [0x20, 0x01, 0x0d, 0xb8, ..] => subject.rdata.len() == 16,
        _ => false,
    };
    example.then(|| "the address is reserved for documentation".into())
}

// ---- reverse zones ----

/// PTR in a zone of names, except for the discovery of services (RFC 6763).
pub(super) fn ptr_in_forward(subject: &Subject<'_>) -> Found {
    let service = |name: &[u8]| labels(name).any(|label| label.starts_with(b"_"));
    let arpa = ends_with(subject.owner, &[b"arpa"]);
    (!arpa && !service(subject.owner) && !service(subject.rdata))
        .then(|| "PTR in a zone that is not one of addresses".into())
}

/// Addresses in a zone of addresses, except those of its name servers.
pub(super) fn forward_in_reverse(set: &Set<'_>) -> Found {
    let zone = set.place.zone;
    if !zone.reverse || set.place.is_occluded() {
        return None;
    }
    let server = zone.at_apex(RrType::NS).any(|server| server.eq_ignore_ascii_case(set.place.owner));
    (!server).then(|| format!("{} in a zone of addresses", set.rtype).into())
}

pub(super) fn ptr_several(set: &Set<'_>) -> Found {
    let count = set.count();
    (set.place.zone.reverse && count > 1)
        .then(|| format!("{} has {count} PTR; most programs use one of them", show(set.place.owner)).into())
}

/// A target in the zone of addresses itself: its final dot is missing.
pub(super) fn ptr_target(subject: &Subject<'_>, target: &[u8], found: &Target<'_>) -> Found {
    let inside = subject.zone.reverse && is_reverse(target) && !matches!(found, Target::Here(..));
    (inside && subject.rtype == RrType::PTR)
        .then(|| format!("PTR leads to {}, a name of an address", show(target)).into())
}

/// The labels of the owner of a PTR are those of an address.
pub(super) fn reverse_owner(subject: &Subject<'_>) -> Found {
    let four = ends_with(subject.owner, &[b"in-addr", b"arpa"]);
    let six = ends_with(subject.owner, &[b"ip6", b"arpa"]);
    if !four && !six {
        return None;
    }
    let all: Vec<&[u8]> = labels(subject.owner).collect();
    let own = &all[..all.len() - 2];
    if own.iter().any(|label| label.starts_with(b"_")) || own.first() == Some(&&b"*"[..]) {
        return None;
    }
    let wrong = |why: String| {
        Some(std::borrow::Cow::Owned(format!("{} is not the name of an address: {why}", show(subject.owner))))
    };
    if six {
        let nibble = |label: &&[u8]| label.len() == 1 && label[0].is_ascii_hexdigit();
        if let Some(bad) = own.iter().find(|label| !nibble(label)) {
            return wrong(format!("`{}` is not one hexadecimal digit", String::from_utf8_lossy(bad)));
        }
        return if own.len() == 32 {
            None
        } else {
            wrong(format!("it has {} digits instead of 32", own.len()))
        };
    }
    // RFC 2317: a network smaller than 256 addresses has a label of its own, as 0/25, 0-127 or any name.
    let octet = |label: &&[u8]| {
        let text = std::str::from_utf8(label).unwrap_or("");
        text.parse::<u8>().is_ok_and(|number| number.to_string() == text)
    };
    if own.len() > 4 {
        return if own.len() == 5 && !octet(&own[1]) {
            None
        } else {
            wrong(format!("it has {} numbers instead of 4", own.len()))
        };
    }
    if let Some(bad) = own.iter().find(|label| !octet(label)) {
        let text = String::from_utf8_lossy(bad);
        // A number that is no octet, not a name of another kind.
        let number = bad.iter().all(u8::is_ascii_digit);
        return if number { wrong(format!("`{text}` is not a number from 0 to 255")) } else { None };
    }
    if own.len() == 4 { None } else { wrong(format!("it has {} numbers instead of 4", own.len())) }
}
