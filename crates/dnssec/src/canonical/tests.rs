//! Order and form of RFC 4034 §6.2 and §6.3.

use super::*;
use crate::testing::{name, rrsets};

fn canonical(text: &str, owner: &str, ttl: u32) -> Vec<u8> {
    let rrset = rrsets(text).remove(0);
    let mut out = Vec::new();
    let head = (rrset.rtype, rrset.class, ttl);
    Canonical::new().push_rrset(name(owner).as_ref(), head, &rrset.rdatas, &mut out);
    out
}

#[test]
fn records_are_sorted_lowercased_and_deduplicated() {
    let text = "A.Example. 60 IN MX 10 B.example.\nA.Example. 60 IN MX 10 a.example.\nA.Example. 60 IN MX 10 b.EXAMPLE.\nA.Example. 60 IN MX 2 zz.example.";
    // Rdata: two octets of preference, the host label with its length octet, nine octets of `example` and the root.
    let record = |preference: u8, host: &str| {
        let head = b"\x01a\x07example\x00\x00\x0f\x00\x01\x00\x00\x00\x07\x00";
        [
            &head[..],
            &[12 + host.len() as u8, 0, preference, host.len() as u8],
            host.as_bytes(),
            b"\x07example\x00",
        ]
        .concat()
    };
    let expected = [record(2, "zz"), record(10, "a"), record(10, "b")].concat();
    assert_eq!(canonical(text, "a.EXAMPLE", 7), expected);
}

#[test]
fn a_shorter_rdata_comes_before_its_continuations() {
    let made = canonical(
        "a. 1 IN TYPE65280 \\# 2 0100\na. 1 IN TYPE65280 \\# 1 01\na. 1 IN TYPE65280 \\# 0",
        "a",
        1,
    );
    let head = b"\x01a\x00\xff\x00\x00\x01\x00\x00\x00\x01";
    let expected = [&head[..], b"\x00\x00", head, b"\x00\x01\x01", head, b"\x00\x02\x01\x00"].concat();
    assert_eq!(made, expected);
}
