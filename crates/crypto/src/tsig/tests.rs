use super::*;
use nw_wire::tsig::Tsig;
use proptest::prelude::*;

const NOW: u64 = 1_700_000_000;

fn name(text: &str) -> Name {
    Name::parse(text.as_bytes(), None).expect("a name")
}

fn key(algorithm: &str, secret: &[u8]) -> Arc<TsigKey> {
    Arc::new(TsigKey::new(name("key."), name(algorithm), secret).expect("supported"))
}

/// A message with id `id` and no sections.
fn message(id: u16) -> Vec<u8> {
    let mut wire = vec![0; HEADER];
    wire[..2].copy_from_slice(&id.to_be_bytes());
    wire
}

/// `reply` with a TSIG as a server makes it. `keep`: octets of the MAC.
fn reply(
    key: &TsigKey,
    signed: Signed<'_>,
    error: Rcode,
    time: u64,
    keep: usize,
    other: &[u8],
) -> (Vec<u8>, Vec<u8>) {
    let mut wire = message(7);
    let mut tsig = Tsig {
        algorithm: key.algorithm(),
        time_signed_s: time,
        fudge_s: FUDGE_S,
        mac: &[],
        original_id: 7,
        error,
        other,
    };
    let whole = key.mac(&tsig, signed, &wire);
    let mac = whole.as_ref()[..keep].to_vec();
    tsig.mac = &mac;
    tsig.push_record(key.name(), &mut wire);
    wire[11] = 1;
    (wire, mac)
}

proptest! {
    /// A reply that is signed with the request's key is verified, and no octet of it can be changed.
    #[test]
    fn signed_replies_are_verified(secret in prop::collection::vec(any::<u8>(), 1..80), at in any::<prop::sample::Index>()) {
        for algorithm in ["hmac-md5.sig-alg.reg.int.", "hmac-sha1.", "hmac-sha224.", "HMAC-SHA256.", "hmac-sha384.", "hmac-sha512."] {
            let key = key(algorithm, &secret);
            let request = key.sign(&message(7), NOW, usize::MAX);
            let signed = Signed::Response { key: key.name(), request_mac: &request.mac };
            for keep in [key.least(), key.size()] {
                let (wire, _) = reply(&key, signed, Rcode::NOERROR, NOW + 300, keep, &[]);
                let mut verifier = Verifier::new(key.clone(), &request.mac);
                prop_assert_eq!(verifier.read(&wire, NOW), Ok(true));
                prop_assert_eq!(verifier.finish(), Ok(()));
                let mut changed = wire.clone();
                let at = 2 + at.index(wire.len() - 2);
                changed[at] ^= 1;
                let found = Verifier::new(key.clone(), &request.mac).read(&changed, NOW);
                // Letters of names may change their case, and the error of the record has a type of its own.
                prop_assert!(found.is_err(), "octet {} of {:?}", at, wire);
            }
        }
    }
}

#[test]
fn a_request_is_what_a_server_verifies() {
    let key = key("hmac-sha256.", b"secret");
    let request = key.sign(&message(0x1234), NOW, 16);
    let message = Message::parse(&request.wire).expect("valid");
    let record = message.tsig().expect("signed");
    let tsig = Tsig::parse(record.rdata_raw()).expect("valid");
    assert_eq!((tsig.mac, tsig.original_id, request.mac.len()), (&request.mac[..], 0x1234, 16));
    let signed = Signed::Request { key: key.name() };
    assert_eq!(key.check(&tsig, signed, &request.wire[..record.start()]), Ok(()));
    let short = Tsig { mac: &request.mac[..15], ..tsig };
    assert_eq!(key.check(&short, signed, &request.wire[..record.start()]), Err(MacFault::Length));
}

#[test]
fn what_is_not_authentic_is_refused() {
    let key = key("hmac-sha256.", b"secret");
    let mac = key.sign(&message(7), NOW, 32).mac;
    let signed = Signed::Response { key: key.name(), request_mac: &mac };
    let read =
        |wire: &[u8], now| Verifier::new(key.clone(), &mac).read(wire, now).map_err(|error| error.code());
    let plain = |error, time, keep| reply(&key, signed, error, time, keep, &[]).0;
    assert_eq!(read(&message(7), NOW), Err("UNSIGNED"));
    assert_eq!(read(&plain(Rcode::NOERROR, NOW, 15), NOW), Err("MAC_LENGTH"));
    assert_eq!(read(&plain(Rcode::NOERROR, NOW, 32), NOW + 301), Err("TIME"));
    assert_eq!(read(&plain(Rcode::BADKEY, NOW, 0), NOW), Err("REPORTED"));
    let stranger = TsigKey::new(name("other."), name("hmac-sha256."), b"secret").expect("supported");
    assert_eq!(read(&reply(&stranger, signed, Rcode::NOERROR, NOW, 32, &[]).0, NOW), Err("OTHER_KEY"));
    let without = Verifier::new(key.clone(), b"another request").read(&plain(Rcode::NOERROR, NOW, 32), NOW);
    assert_eq!(without, Err(TsigError::Wrong));
    let time = (NOW + 1000).to_be_bytes();
    let (wire, _) = reply(&key, signed, Rcode::BADTIME, NOW, 32, &time[2..]);
    let found = Verifier::new(key.clone(), &mac).read(&wire, NOW);
    let expected = TsigError::Reported { error: Rcode::BADTIME, server_s: Some(NOW + 1000), signed: true };
    assert_eq!(found, Err(expected));
}

/// RFC 8945 §5.3.1: up to 99 messages of a stream have no TSIG; the next MAC covers them.
#[test]
fn messages_between_signed_ones_are_covered() {
    let key = key("hmac-sha256.", b"secret");
    let request = key.sign(&message(7), NOW, 32);
    let signed = Signed::Response { key: key.name(), request_mac: &request.mac };
    let (first, mac) = reply(&key, signed, Rcode::NOERROR, NOW, 32, &[]);
    let between = message(7).repeat(MOST_UNSIGNED);
    let signed = Signed::Subsequent { prior_mac: &mac, unsigned: &between };
    let (last, _) = reply(&key, signed, Rcode::NOERROR, NOW, 32, &[]);
    let started = || {
        let mut verifier = Verifier::new(key.clone(), &request.mac);
        assert_eq!(verifier.read(&first, NOW), Ok(true));
        verifier
    };
    let mut verifier = started();
    for _ in 0..MOST_UNSIGNED {
        assert_eq!(verifier.read(&message(7), NOW), Ok(false));
    }
    assert_eq!(verifier.finish(), Err(TsigError::Unsigned));
    assert_eq!(verifier.read(&last, NOW), Ok(true));
    assert_eq!(verifier.finish(), Ok(()));
    let mut verifier = started();
    for _ in 0..MOST_UNSIGNED {
        assert_eq!(verifier.read(&message(8), NOW), Ok(false));
    }
    assert_eq!(verifier.read(&message(8), NOW), Err(TsigError::Unsigned));
    assert_eq!(verifier.read(&last, NOW), Err(TsigError::Wrong));
}
