use super::*;
use crate::rr::sample::{Entropy, rdata};
use proptest::prelude::*;

proptest! {
    /// Parsing and writing TSIG rdata is the identity.
    #[test]
    fn parse_then_push_is_identity(entropy in prop::collection::vec(any::<u8>(), 0..200)) {
        let octets = rdata(RrType::TSIG, &mut Entropy::new(&entropy));
        let mut written = Vec::new();
        Tsig::parse(&octets).unwrap().push(&mut written);
        prop_assert_eq!(written, octets);
    }

    /// Arbitrary octets are refused or written back. Nothing panics.
    #[test]
    fn any_octets(octets in prop::collection::vec(any::<u8>(), 0..60)) {
        if let Ok(tsig) = Tsig::parse(&octets) {
            let mut written = Vec::new();
            tsig.push(&mut written);
            prop_assert_eq!(written, octets);
        }
    }
}

/// The signed octets are the parts that RFC 8945 §4.3.3 and §5.3 list, in that order, with names in lower case.
#[test]
fn signed_octets_follow_the_rfc() {
    let algorithm = NameRef::from_wire(b"\x0bHMAC-SHA256\x00").unwrap();
    let key = NameRef::from_wire(b"\x03Key\x00").unwrap();
    let tsig = Tsig {
        algorithm,
        time_signed_s: 0x0102_0304_0506,
        fudge_s: 300,
        mac: b"",
        original_id: 0xabcd,
        error: Rcode(18),
        other: &[9; 6],
    };
    // A header only: id 1, and one additional record (the TSIG itself).
    let message = [0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    let signed = [0xab, 0xcd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let timers = [1, 2, 3, 4, 5, 6, 1, 44];
    let variables =
        [b"\x03key\x00\x00\xff\x00\x00\x00\x00\x0bhmac-sha256\x00", &timers[..], &[0, 18, 0, 6], &[9; 6]]
            .concat();
    let made = |which, counted, message| {
        let mut out = Vec::new();
        tsig.push_signed(which, message, counted, &mut out);
        out
    };
    assert_eq!(made(Signed::Request { key }, true, &message), [&signed[..], &variables].concat());
    assert_eq!(
        made(Signed::Response { key, request_mac: b"mac" }, false, &signed),
        [b"\x00\x03mac", &signed[..], &variables].concat()
    );
    assert_eq!(
        made(Signed::Subsequent { prior_mac: b"mac", unsigned: b"" }, true, &message),
        [b"\x00\x03mac", &signed[..], &timers].concat()
    );
    assert_eq!(
        made(Signed::Subsequent { prior_mac: b"mac", unsigned: b"two messages" }, true, &message),
        [b"\x00\x03mac", &b"two messages"[..], &signed, &timers].concat()
    );
}
